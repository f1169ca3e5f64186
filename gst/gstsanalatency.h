/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a frame stays in the element, for LATENCY queries.
 *
 *   T         what 95 of 100 of the last frames took to compute
 *   own_min   (1 + queued) · T + 10 %: a frame waits for the one being computed
 *   own_max   at least own_min, and as much as the queue holds
 *
 * What is answered only grows, and only when it is wrong by more than 15 % for
 * some time: each change makes a live pipeline skip.  Not thread safe.
 */
#ifndef GST_SANA_LATENCY_H
#define GST_SANA_LATENCY_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_SANA_LATENCY_WINDOW 64

typedef struct
{
  GstClockTime times[GST_SANA_LATENCY_WINDOW];
  guint n_times, next;
  guint n_late;                 /* frames in a row slower than answered */
  GstClockTime answered;        /* own_min; 0: nothing measured yet */
} GstSanaLatency;

void gst_sana_latency_reset (GstSanaLatency * latency);

/* What a frame took; `queued` frames may wait.  TRUE: own_min has grown, post
 * a LATENCY message. */
gboolean gst_sana_latency_add (GstSanaLatency * latency, GstClockTime took,
    guint queued);

/*
 * Adds the element's part to min and max of upstream.  depth: frames it holds
 * at most; duration: of one, or NONE.  leaky: it drops rather than blocks.
 */
void gst_sana_latency_apply (const GstSanaLatency * latency, guint depth,
    GstClockTime duration, gboolean leaky, GstClockTime * min,
    GstClockTime * max);

G_END_DECLS
#endif /* GST_SANA_LATENCY_H */
