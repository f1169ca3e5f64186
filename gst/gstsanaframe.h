/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One picture on its way through sanaimg2img: what came in, the values it is
 * to be drawn with, and what goes out.
 */
#ifndef GST_SANA_FRAME_H
#define GST_SANA_FRAME_H

#include "gstsanaconvert.h"
#include "gstsanaimg2imgprops.h"
#include "gstsanaworker.h"

G_BEGIN_DECLS

typedef struct
{
  GstSanaJob job;
  GstSanaImg2imgValues values;
  guint64 number;               /* added to the seed */
  GstClockTime stream_time;     /* or NONE */
  gboolean discont;             /* frames before this one were dropped */
  gboolean restart;             /* has nothing to do with those before */
  guint64 epoch;                /* counts restarts, of those not computed too */
  gboolean warm_up;             /* draws nothing */

  GstBuffer *carried;           /* captions of frames dropped before, or NULL */
  GstBuffer *in;                /* let go as soon as it is read */
  GstBuffer *out;
  GstSanaConvert *convert;
  GstClockTime took;            /* by run(), in ns */
  SanaTimes times;              /* and its parts */
  guint64 seed;                 /* it was drawn with */
  GError *error;                /* why it was not */
} GstSanaFrame;

/* A frame of a buffer, which it takes. */
GstSanaFrame *gst_sana_frame_new (GstBuffer * in);

/* A frame that draws nothing: computed, it has prepared the session for
 * pictures of convert's size, and `took` is what one such picture costs. */
GstSanaFrame *gst_sana_frame_new_warm_up (GstSanaConvert * convert);

/* A frame of the same pixels and values that is not shown itself: its buffers
 * are its own.  Of convert's video. */
GstSanaFrame *gst_sana_frame_new_copy (const GstSanaFrame * frame,
    GstSanaConvert * convert);

void gst_sana_frame_free (GstSanaFrame * frame);

/* Gives the frame its output buffer, which it takes, with everything of the
 * input that is not pixels: timestamps, offsets, flags, metas. */
void gst_sana_frame_set_output (GstSanaFrame * frame, GstSanaConvert * convert,
    GstBuffer * out);

G_END_DECLS
#endif /* GST_SANA_FRAME_H */
