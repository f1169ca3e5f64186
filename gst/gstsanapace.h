/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which frames of sanaimg2img are computed and which show a picture that there
 * is already, and that picture.
 *
 * The source pad's task owns it; not thread safe.
 */
#ifndef GST_SANA_PACE_H
#define GST_SANA_PACE_H

#include "gstsanaframe.h"
#include "gstsanasimilar.h"

G_BEGIN_DECLS

typedef struct
{
  GstVideoInfo info;            /* of picture, default strides */
  GstBuffer *picture;           /* the last one finished; NULL: none */
  guint64 n;                    /* frames since the last one computed */
  GstSanaSimilar similar;
  GstSanaSettings settings;     /* that the picture was computed with */
  GstSanaImg2imgValues values;
} GstSanaPace;

/* At the start, after a flush, when pictures become others: what was finished
 * has nothing to do with what comes. */
void gst_sana_pace_reset (GstSanaPace * pace);
void gst_sana_pace_clear (GstSanaPace * pace);

/* TRUE: the frame is to be computed.  FALSE: it may show the last picture, as
 * process-interval or similarity-threshold say. */
gboolean gst_sana_pace_wants (GstSanaPace * pace, GstSanaFrame * frame,
    const GstVideoInfo * in_info);

/* Keeps a copy of a finished frame's output, of video of out_info; not of one in
 * a GPU's memory that no value has shown again. */
void gst_sana_pace_keep (GstSanaPace * pace, const GstVideoInfo * out_info,
    const GstSanaFrame * drawn);

/* Copies the last picture into a buffer of video of out_info.  FALSE: there is
 * none. */
gboolean gst_sana_pace_show (const GstSanaPace * pace,
    const GstVideoInfo * out_info, GstBuffer * out);

/* Makes a buffer of video of info black. */
gboolean gst_sana_pace_blacken (const GstVideoInfo * info, GstBuffer * out);

G_END_DECLS
#endif /* GST_SANA_PACE_H */
