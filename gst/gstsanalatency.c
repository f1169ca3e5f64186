/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanalatency.h"

#include <stdlib.h>
#include <string.h>

/* Frames in a row that must be late before the answer grows. */
#define PATIENCE 30

void
gst_sana_latency_reset (GstSanaLatency * latency)
{
  memset (latency, 0, sizeof (*latency));
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

gboolean
gst_sana_latency_add (GstSanaLatency * latency, GstClockTime took, guint queued)
{
  GstClockTime own;

  latency->times[latency->next] = took;
  latency->next = (latency->next + 1) % GST_SANA_LATENCY_WINDOW;
  latency->n_times = MIN (latency->n_times + 1, GST_SANA_LATENCY_WINDOW);

  own = percentile_95 (latency) * (1 + queued);
  own += own / 10;
  if (latency->answered > 0) {
    if (own <= latency->answered + latency->answered * 15 / 100) {
      latency->n_late = 0;
      return FALSE;
    }
    if (++latency->n_late <= PATIENCE)
      return FALSE;
  }
  latency->n_late = 0;
  latency->answered = own;
  return TRUE;
}

void
gst_sana_latency_apply (const GstSanaLatency * latency, guint depth,
    GstClockTime duration, gboolean leaky, GstClockTime * min,
    GstClockTime * max)
{
  GstClockTime own_min = latency->answered;
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
