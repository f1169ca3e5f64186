/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The prompts of one worker: a thread that encodes them while frames go on,
 * the few that are kept, and the way from one to the next (prompt-transition).
 *
 * It works under the lock of the worker, which is let go while encoding and
 * while telling.  Functions that end in _locked are called with it.
 */
#ifndef GST_SANA_ENCODER_H
#define GST_SANA_ENCODER_H

#include "gstsanaworker.h"

G_BEGIN_DECLS

typedef struct _GstSanaEncoder GstSanaEncoder;

/* The thread of the encoder, no lock held: a prompt cannot be encoded, and
 * frames go on with the one before. */
typedef void (*GstSanaEncoderRefused) (gpointer user_data,
    const GError * error);

/* Nothing is encoded before start(); then first what `settings` say.  lock and
 * news must live longer. */
GstSanaEncoder *gst_sana_encoder_new (GMutex * lock, GCond * news,
    const GstSanaSettings * settings, GstSanaEncoderRefused refused,
    gpointer user_data);

/* Takes the session. */
void gst_sana_encoder_start_locked (GstSanaEncoder * encoder,
    SanaSession * session);

/* Ends what is being encoded and every wait. */
void gst_sana_encoder_stop_locked (GstSanaEncoder * encoder);

/* After stop; waits for the thread to end.  Call with no lock held. */
void gst_sana_encoder_free (GstSanaEncoder * encoder);

gboolean gst_sana_encoder_is_own_thread_locked (GstSanaEncoder * encoder);

/* Whether a first prompt is there, or was refused. */
gboolean gst_sana_encoder_has_tried_locked (GstSanaEncoder * encoder);

/*
 * What the job is computed with, a reference; waits as job->await_prompt says.
 * Sets job->applied, blending and interim.  NULL: error, or the wait was ended
 * by *drop or stop.
 */
SanaPrompt *gst_sana_encoder_get_locked (GstSanaEncoder * encoder,
    GstSanaJob * job, const gboolean * drop, GError ** error);

/* After each get_locked(), once the frame is computed: frees the prompts that are
 * no longer needed, so that they do not pile up while another is encoded.  Lets go
 * of the lock meanwhile. */
void gst_sana_encoder_free_dropped_locked (GstSanaEncoder * encoder);

/* This prompt will be wanted: encodes it once nothing else is to be. */
void gst_sana_encoder_prepare_locked (GstSanaEncoder * encoder,
    const GstSanaSettings * settings);

G_END_DECLS
#endif /* GST_SANA_ENCODER_H */
