/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Temporal smoothing: where the source stands still, a drawn picture takes over
 * a share of the one before, so that it does not flicker; where the source
 * moves it is all new, so that nothing leaves a trail.
 *
 *     d       the largest difference of a pixel's red, green and blue from the
 *             source before, in 255ths
 *     still   1 for d <= 8, falling evenly to 0 at d = 32
 *     output  new + amount · still · (output before − new)
 *
 * Each pixel for itself.  Used by one thread.
 */
#ifndef GST_SANA_SMOOTH_H
#define GST_SANA_SMOOTH_H

#include "gstsanaimage.h"

G_BEGIN_DECLS

typedef struct _GstSanaSmooth GstSanaSmooth;

GstSanaSmooth *gst_sana_smooth_new (void);
void gst_sana_smooth_free (GstSanaSmooth * smooth);

/* The next frame has nothing to do with those before. */
void gst_sana_smooth_forget (GstSanaSmooth * smooth);

/* Before a frame is drawn, as it may be drawn into the same pixels.  Another
 * epoch or size forgets what came before.  FALSE: no memory. */
gboolean gst_sana_smooth_look (GstSanaSmooth * smooth,
    const SanaImage * source, guint64 epoch, GError ** error);

/* After it was drawn; the size of what was looked at.  amount: 0 … 1. */
void gst_sana_smooth_apply (GstSanaSmooth * smooth, const SanaImage * drawn,
    gdouble amount);

G_END_DECLS
#endif /* GST_SANA_SMOOTH_H */
