/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a frame stays in the element, for LATENCY queries.
 *
 *   T         what 95 of 100 of the last frames took to compute
 *   own_min   (1 + queued) · T + 10 %: a frame waits for the one being computed
 *   own_max   at least own_min, and as much as the queue holds
 *
 * What the application sets stands in the place of own_min, as it may not hear of
 * a change.  Before the first frame own_min is what a warm-up took, or what the process
 * remembers of the same pictures.  From the first frame on it only grows, and
 * only when it is wrong by more than 15 % for some time: each change makes a
 * live pipeline skip.  Not thread safe, but for what the process remembers.
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
  gboolean begun;               /* a frame was measured: it only grows */
  gboolean sure;                /* remembered, better than any warm-up */
  GstClockTime configured;      /* by the application, or NONE */
  gboolean at_once;             /* no frame waits for its picture */
  gboolean short_known;         /* that configured is too short was said */
} GstSanaLatency;

/* As at the start; what is configured stays. */
void gst_sana_latency_reset (GstSanaLatency * latency);

/* NONE: as measured, which is 0 when frames do not wait (at_once). */
void gst_sana_latency_configure (GstSanaLatency * latency, GstClockTime own,
    gboolean at_once);

/* own_min as it is answered now. */
GstClockTime gst_sana_latency_get (const GstSanaLatency * latency);

/* TRUE once: what is configured is shorter than what was measured; needed: what
 * it should be. */
gboolean gst_sana_latency_is_short (GstSanaLatency * latency, guint queued,
    GstClockTime * needed);

/* Of the following TRUE says: own_min has changed, post a LATENCY message. */

/* Other pictures are to come, which the process knows as `key`, or not. */
gboolean gst_sana_latency_expect (GstSanaLatency * latency, const gchar * key);

/* What a warm-up for them took; `queued` frames may wait.  Within 15 % of what is
 * answered it changes nothing. */
gboolean gst_sana_latency_foresee (GstSanaLatency * latency, GstClockTime took,
    guint queued);

/* What a frame took. */
gboolean gst_sana_latency_add (GstSanaLatency * latency, GstClockTime took,
    guint queued);

/* Has the process remember what pictures of this key took.  Any thread. */
void gst_sana_latency_remember (const GstSanaLatency * latency,
    const gchar * key, guint queued);

/*
 * Adds the element's part to min and max of upstream.  depth: frames it holds
 * at most; duration: of one, or NONE.  leaky: it drops rather than blocks.
 */
void gst_sana_latency_apply (const GstSanaLatency * latency, guint depth,
    GstClockTime duration, gboolean leaky, GstClockTime * min,
    GstClockTime * max);

G_END_DECLS
#endif /* GST_SANA_LATENCY_H */
