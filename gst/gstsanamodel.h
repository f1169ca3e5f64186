/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process's loaded models: elements that name the same directory, devices
 * and precision share one, in whatever pipeline they are.
 *
 * A load runs on a thread of its own and is shared by all who wait for it; it
 * is cancelled when the last of them leaves.  A model is kept for 5 s after its
 * last user has left, as who rebuilds a pipeline wants it back at once; it goes
 * earlier when another has to be loaded.  A load that failed is tried again by
 * the next who asks.  No lock is held while loading or freeing.
 */
#ifndef GST_SANA_MODEL_H
#define GST_SANA_MODEL_H

#include "pipelines/sana.h"

G_BEGIN_DECLS

/* The property's directory; else the environment's SANA_MODEL_PATH; else the
 * demo model of the build or installation that this code is part of.
 * (transfer full) */
gchar *gst_sana_find_model (const gchar * model_path);

/* One user's share of a model.  One thread, except cancel(). */
typedef struct _GstSanaModelUse GstSanaModelUse;

/* Returns at once; starts to load unless that has been done.  Of the options
 * devices and precision count. */
GstSanaModelUse *gst_sana_model_use (const gchar * path,
    const SanaModelOptions * options);

/* Called by the thread that waits; percent 0 … 100 rises. */
typedef void (*GstSanaModelProgress) (gint percent, gpointer user_data);

/* Blocks until the model is there.  (transfer none), until release().  NULL:
 * error says why it could not be loaded, or SANA_ERROR_CANCELLED. */
SanaModel *gst_sana_model_use_wait (GstSanaModelUse * use,
    GstSanaModelProgress progress, gpointer user_data, GError ** error);

/* Any thread: ends wait(), now or later. */
void gst_sana_model_use_cancel (GstSanaModelUse * use);

void gst_sana_model_use_release (GstSanaModelUse * use);

/* Frees the models that nobody uses, now.  Any thread, no lock held. */
void gst_sana_model_drop_idle (void);

G_END_DECLS
#endif /* GST_SANA_MODEL_H */
