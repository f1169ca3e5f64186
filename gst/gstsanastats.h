/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an element has done since it was started, for its property `stats`:
 * a GstStructure application/x-sana-stats with
 *
 *   in, out          uint64   frames that came, and that were pushed
 *   dropped          uint64   frames that were not, qos-dropped among them
 *   qos-dropped      uint64   because they would have come too late
 *   repeated         uint64   frames pushed that show the picture of another
 *   passed-through   uint64   inputs shown for frames that failed
 *   not-finite       uint64   frames that came out as no numbers
 *   encode-ms-avg, transformer-ms-avg, decode-ms-avg, total-ms-avg, and the same
 *   with -p95        double   the last 64 pictures; p95: 95 of 100 took no longer
 *   fps              double   frames pushed in the last second
 *   latency          uint64   answered to LATENCY queries, in ns
 *   vram-bytes       uint64   memory of the device that the weights take
 *   model-load-ms    uint64   how long the element waited for its model
 *   seed             uint64   of the last picture
 *
 * Any thread; locks itself, and calls nothing with the lock held.
 */
#ifndef GST_SANA_STATS_H
#define GST_SANA_STATS_H

#include <gst/gst.h>

#include "pipelines/sana.h"

G_BEGIN_DECLS

typedef enum
{
  GST_SANA_COUNT_IN,
  GST_SANA_COUNT_OUT,
  GST_SANA_COUNT_DROPPED,
  GST_SANA_COUNT_QOS_DROPPED,
  GST_SANA_COUNT_REPEATED,
  GST_SANA_COUNT_PASSED_THROUGH,
  GST_SANA_COUNT_NOT_FINITE,
  GST_SANA_N_COUNTS
} GstSanaCount;

#define GST_SANA_STATS_WINDOW 64
#define GST_SANA_STATS_PARTS 4  /* encode, transformer, decode, total */

typedef struct
{
  GMutex lock;
  guint64 counts[GST_SANA_N_COUNTS];
  gdouble times[GST_SANA_STATS_PARTS][GST_SANA_STATS_WINDOW];   /* seconds */
  guint n_times, next;
  guint64 seed;
  GstClockTime latency;
  guint64 vram_bytes;
  gint64 begun;                 /* waiting for the model; monotonic */
  guint64 load_ms;
  gint64 second;                /* when this second began, monotonic; 0: not */
  guint64 out_before;           /* OUT then */
  gdouble fps;                  /* of the second before */
  gboolean post;
} GstSanaStats;

void gst_sana_stats_init (GstSanaStats * stats);
void gst_sana_stats_clear (GstSanaStats * stats);

/* READY to PAUSED: all from zero, and the wait for the model begins. */
void gst_sana_stats_start (GstSanaStats * stats);

/* And ends. */
void gst_sana_stats_loaded (GstSanaStats * stats, const SanaModelInfo * info);

void gst_sana_stats_count (GstSanaStats * stats, GstSanaCount what);
guint64 gst_sana_stats_get (GstSanaStats * stats, GstSanaCount what);

/* A picture is finished. */
void gst_sana_stats_add (GstSanaStats * stats, const SanaTimes * times,
    guint64 seed);

void gst_sana_stats_set_latency (GstSanaStats * stats, GstClockTime latency);

GstStructure *gst_sana_stats_to_structure (GstSanaStats * stats);

/* Whether tell() posts. */
void gst_sana_stats_set_post (GstSanaStats * stats, gboolean post);
gboolean gst_sana_stats_get_post (GstSanaStats * stats);

/* After each frame that was pushed: about once a second notifies of the
 * element's `stats`, and posts them as the element message "sana-stats" if it
 * is to.  The caller holds no lock. */
void gst_sana_stats_tell (GstSanaStats * stats, GstElement * element);

/* GST_PERFORMANCE, for what costs time. */
GstDebugCategory *gst_sana_performance_debug (void);

G_END_DECLS
#endif /* GST_SANA_STATS_H */
