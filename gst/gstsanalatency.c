/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanalatency.h"

#include <stdlib.h>
#include <string.h>

/* Frames in a row that must be late before the answer grows. */
#define PATIENCE 30
/* Per cent that a time may differ from what was answered. */
#define ABOUT 15

/* own_min by key, of the whole process. */
#define MAX_KNOWN 64
G_LOCK_DEFINE_STATIC (known);
static GHashTable *known;

void
gst_sana_latency_reset (GstSanaLatency * latency)
{
  GstClockTime configured = latency->configured;
  gboolean at_once = latency->at_once;

  memset (latency, 0, sizeof (*latency));
  latency->configured = configured;
  latency->at_once = at_once;
}

void
gst_sana_latency_configure (GstSanaLatency * latency, GstClockTime own,
    gboolean at_once)
{
  latency->configured = own;
  latency->at_once = at_once;
  latency->short_known = FALSE;
}

GstClockTime
gst_sana_latency_get (const GstSanaLatency * latency)
{
  if (GST_CLOCK_TIME_IS_VALID (latency->configured))
    return latency->configured;
  return latency->at_once ? 0 : latency->answered;
}

static gint
compare_times (gconstpointer a, gconstpointer b)
{
  const GstClockTime *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

static GstClockTime
percentile_95 (const GstSanaLatency * latency)
{
  GstClockTime sorted[GST_SANA_LATENCY_WINDOW];

  memcpy (sorted, latency->times, sizeof (sorted));
  qsort (sorted, latency->n_times, sizeof (sorted[0]), compare_times);
  return sorted[(latency->n_times * 95 + 99) / 100 - 1];
}

/* Of a frame that takes so long: one may wait, and 10 % more. */
static GstClockTime
whole_stay (GstClockTime took, guint queued)
{
  GstClockTime own = took * (1 + queued);

  return own + own / 10;
}

/* Whether a is longer than b by more than chance. */
static gboolean
is_longer (GstClockTime a, GstClockTime b)
{
  return a > b + b * ABOUT / 100;
}

static gboolean
answer (GstSanaLatency * latency, GstClockTime own)
{
  if (own == latency->answered || (latency->begun && own < latency->answered))
    return FALSE;
  latency->answered = own;
  return TRUE;
}

gboolean
gst_sana_latency_expect (GstSanaLatency * latency, const gchar * key)
{
  const GstClockTime *found;
  GstClockTime own = 0;

  latency->n_times = latency->next = latency->n_late = 0;
  G_LOCK (known);
  found = known ? g_hash_table_lookup (known, key) : NULL;
  latency->sure = found != NULL;
  if (found)
    own = *found;
  G_UNLOCK (known);
  return latency->sure && answer (latency, own);
}

gboolean
gst_sana_latency_foresee (GstSanaLatency * latency, GstClockTime took,
    guint queued)
{
  GstClockTime own = whole_stay (took, queued);

  if (latency->sure || (!is_longer (own, latency->answered) &&
          !is_longer (latency->answered, own)))
    return FALSE;
  return answer (latency, own);
}

gboolean
gst_sana_latency_add (GstSanaLatency * latency, GstClockTime took, guint queued)
{
  GstClockTime own;

  latency->times[latency->next] = took;
  latency->next = (latency->next + 1) % GST_SANA_LATENCY_WINDOW;
  latency->n_times = MIN (latency->n_times + 1, GST_SANA_LATENCY_WINDOW);

  own = whole_stay (percentile_95 (latency), queued);
  if (latency->answered > 0) {
    latency->begun = TRUE;
    if (!is_longer (own, latency->answered)) {
      latency->n_late = 0;
      return FALSE;
    }
    if (++latency->n_late <= PATIENCE)
      return FALSE;
  }
  latency->n_late = 0;
  latency->begun = TRUE;
  return answer (latency, own);
}

gboolean
gst_sana_latency_is_short (GstSanaLatency * latency, guint queued,
    GstClockTime * needed)
{
  if (!GST_CLOCK_TIME_IS_VALID (latency->configured) || latency->at_once ||
      latency->short_known || latency->n_times == 0)
    return FALSE;
  *needed = whole_stay (percentile_95 (latency), queued);
  latency->short_known = *needed > latency->configured;
  return latency->short_known;
}

void
gst_sana_latency_remember (const GstSanaLatency * latency, const gchar * key,
    guint queued)
{
  GstClockTime own;

  if (latency->n_times == 0)
    return;
  own = whole_stay (percentile_95 (latency), queued);
  G_LOCK (known);
  if (!known)
    known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  /* who goes through many sizes does not come back to most */
  if (g_hash_table_size (known) >= MAX_KNOWN)
    g_hash_table_remove_all (known);
  g_hash_table_replace (known, g_strdup (key), g_memdup2 (&own, sizeof (own)));
  G_UNLOCK (known);
}

void
gst_sana_latency_apply (const GstSanaLatency * latency, guint depth,
    GstClockTime duration, gboolean leaky, GstClockTime * min,
    GstClockTime * max)
{
  GstClockTime own_min = gst_sana_latency_get (latency);
  GstClockTime own_max = own_min;

  if (GST_CLOCK_TIME_IS_VALID (duration))
    own_max = MAX (own_min, depth * duration);
  if (GST_CLOCK_TIME_IS_VALID (*max)) {
    if (leaky)
      *max = MAX (*max, *min + own_max);
    else
      *max += own_max;
  }
  *min += own_min;
}
