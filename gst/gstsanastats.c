/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanastats.h"

#include <stdlib.h>
#include <string.h>

void
gst_sana_stats_init (GstSanaStats * stats)
{
  memset (stats, 0, sizeof (*stats));
  g_mutex_init (&stats->lock);
}

void
gst_sana_stats_clear (GstSanaStats * stats)
{
  g_mutex_clear (&stats->lock);
}

void
gst_sana_stats_start (GstSanaStats * stats)
{
  g_mutex_lock (&stats->lock);
  memset (stats->counts, 0, sizeof (stats->counts));
  stats->n_times = stats->next = 0;
  stats->seed = 0;
  stats->latency = 0;
  stats->vram_bytes = stats->load_ms = 0;
  stats->begun = g_get_monotonic_time ();
  stats->second = 0;
  stats->fps = 0;
  g_mutex_unlock (&stats->lock);
}

void
gst_sana_stats_loaded (GstSanaStats * stats, const SanaModelInfo * info)
{
  g_mutex_lock (&stats->lock);
  stats->load_ms = (g_get_monotonic_time () - stats->begun) / 1000;
  stats->vram_bytes = info->weight_bytes;
  g_mutex_unlock (&stats->lock);
}

void
gst_sana_stats_count (GstSanaStats * stats, GstSanaCount what)
{
  g_mutex_lock (&stats->lock);
  stats->counts[what]++;
  g_mutex_unlock (&stats->lock);
}

guint64
gst_sana_stats_get (GstSanaStats * stats, GstSanaCount what)
{
  guint64 count;

  g_mutex_lock (&stats->lock);
  count = stats->counts[what];
  g_mutex_unlock (&stats->lock);
  return count;
}

void
gst_sana_stats_add (GstSanaStats * stats, const SanaTimes * times, guint64 seed)
{
  const gdouble parts[GST_SANA_STATS_PARTS] = { times->encode,
    times->transformer, times->decode, times->total
  };
  guint i;

  g_mutex_lock (&stats->lock);
  for (i = 0; i < GST_SANA_STATS_PARTS; i++)
    stats->times[i][stats->next] = parts[i];
  stats->next = (stats->next + 1) % GST_SANA_STATS_WINDOW;
  stats->n_times = MIN (stats->n_times + 1, GST_SANA_STATS_WINDOW);
  stats->seed = seed;
  g_mutex_unlock (&stats->lock);
}

void
gst_sana_stats_set_latency (GstSanaStats * stats, GstClockTime latency)
{
  g_mutex_lock (&stats->lock);
  stats->latency = latency;
  g_mutex_unlock (&stats->lock);
}

static gint
compare_doubles (gconstpointer a, gconstpointer b)
{
  const gdouble *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

/* With the lock: mean and 95th percentile of one part, in ms. */
static void
set_part_locked (const GstSanaStats * stats, guint part, const gchar * average,
    const gchar * p95, GstStructure * structure)
{
  gdouble sorted[GST_SANA_STATS_WINDOW], sum = 0, high = 0;
  guint i, n = stats->n_times;

  memcpy (sorted, stats->times[part], sizeof (sorted));
  qsort (sorted, n, sizeof (sorted[0]), compare_doubles);
  for (i = 0; i < n; i++)
    sum += sorted[i];
  if (n > 0)
    high = sorted[(n * 95 + 99) / 100 - 1];
  gst_structure_set (structure, average, G_TYPE_DOUBLE,
      n > 0 ? sum / n * 1000 : 0.0, p95, G_TYPE_DOUBLE, high * 1000, NULL);
}

GstStructure *
gst_sana_stats_to_structure (GstSanaStats * stats)
{
  static const gchar *const counts[GST_SANA_N_COUNTS] = { "in", "out",
    "dropped", "qos-dropped", "repeated", "passed-through", "not-finite"
  };
  static const gchar *const parts[GST_SANA_STATS_PARTS][2] = {
    {"encode-ms-avg", "encode-ms-p95"},
    {"transformer-ms-avg", "transformer-ms-p95"},
    {"decode-ms-avg", "decode-ms-p95"},
    {"total-ms-avg", "total-ms-p95"}
  };
  GstStructure *structure =
      gst_structure_new_empty ("application/x-sana-stats");
  guint i;

  g_mutex_lock (&stats->lock);
  for (i = 0; i < GST_SANA_N_COUNTS; i++)
    gst_structure_set (structure, counts[i], G_TYPE_UINT64, stats->counts[i],
        NULL);
  for (i = 0; i < GST_SANA_STATS_PARTS; i++)
    set_part_locked (stats, i, parts[i][0], parts[i][1], structure);
  gst_structure_set (structure, "fps", G_TYPE_DOUBLE, stats->fps,
      "latency", G_TYPE_UINT64, stats->latency,
      "vram-bytes", G_TYPE_UINT64, stats->vram_bytes,
      "model-load-ms", G_TYPE_UINT64, stats->load_ms,
      "seed", G_TYPE_UINT64, stats->seed, NULL);
  g_mutex_unlock (&stats->lock);
  return structure;
}

/* TRUE about once a second: the figures of another one are there. */
static gboolean
tick (GstSanaStats * stats)
{
  gint64 now = g_get_monotonic_time ();
  guint64 out;
  gboolean due;

  g_mutex_lock (&stats->lock);
  out = stats->counts[GST_SANA_COUNT_OUT];
  due = stats->second && now >= stats->second + G_TIME_SPAN_SECOND;
  if (due)
    stats->fps = (out - stats->out_before) * (gdouble) G_TIME_SPAN_SECOND /
        (now - stats->second);
  if (due || !stats->second) {
    stats->second = now;
    stats->out_before = out;
  }
  g_mutex_unlock (&stats->lock);
  return due;
}

void
gst_sana_stats_set_post (GstSanaStats * stats, gboolean post)
{
  g_mutex_lock (&stats->lock);
  stats->post = post;
  g_mutex_unlock (&stats->lock);
}

gboolean
gst_sana_stats_get_post (GstSanaStats * stats)
{
  gboolean post;

  g_mutex_lock (&stats->lock);
  post = stats->post;
  g_mutex_unlock (&stats->lock);
  return post;
}

void
gst_sana_stats_tell (GstSanaStats * stats, GstElement * element)
{
  GstStructure *structure;

  if (!tick (stats))
    return;
  g_object_notify (G_OBJECT (element), "stats");
  if (!gst_sana_stats_get_post (stats))
    return;
  structure = gst_sana_stats_to_structure (stats);
  gst_structure_set_name (structure, "sana-stats");
  gst_element_post_message (element,
      gst_message_new_element (GST_OBJECT (element), structure));
}

GstDebugCategory *
gst_sana_performance_debug (void)
{
  static gsize category = 0;

  if (g_once_init_enter (&category)) {
    GstDebugCategory *found = NULL;

    GST_DEBUG_CATEGORY_GET (found, "GST_PERFORMANCE");
    g_once_init_leave (&category, (gsize) found);
  }
  return (GstDebugCategory *) category;
}
