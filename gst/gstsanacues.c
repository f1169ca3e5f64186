/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanacues.h"

#include <string.h>

typedef struct
{
  gchar *text;
  GstClockTime start, end;      /* end NONE: the next one's start */
} Cue;

static gsize
cue_bytes (const Cue * cue)
{
  return sizeof (*cue) + strlen (cue->text) + 1;
}

static void
cue_free (gpointer data)
{
  Cue *cue = data;

  g_free (cue->text);
  g_free (cue);
}

void
gst_sana_cues_init (GstSanaCues * cues)
{
  memset (cues, 0, sizeof (*cues));
  g_mutex_init (&cues->lock);
  g_cond_init (&cues->news);
  g_queue_init (&cues->queue);
  cues->flushing = TRUE;
}

void
gst_sana_cues_clear (GstSanaCues * cues)
{
  g_queue_clear_full (&cues->queue, cue_free);
  g_mutex_clear (&cues->lock);
  g_cond_clear (&cues->news);
}

static gint
by_start (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Cue *one = a, *other = b;

  /* of two with one start the later one comes after: a queue inserts before the
   * first for which this is not negative */
  return one->start <= other->start ? -1 : 1;
}

static gboolean
is_full_locked (GstSanaCues * cues)
{
  return cues->queue.length >= GST_SANA_CUES_MAX ||
      cues->bytes >= GST_SANA_CUES_BYTES;
}

GstFlowReturn
gst_sana_cues_add (GstSanaCues * cues, gchar * text, GstClockTime start,
    GstClockTime duration)
{
  Cue *cue = g_new0 (Cue, 1);
  GstFlowReturn ret;

  cue->text = text;
  g_mutex_lock (&cues->lock);
  while (!cues->flushing && !cues->ended && is_full_locked (cues))
    g_cond_wait (&cues->news, &cues->lock);
  ret = cues->flushing ? GST_FLOW_FLUSHING : cues->ended ? GST_FLOW_EOS :
      GST_FLOW_OK;
  if (ret == GST_FLOW_OK) {
    cue->start = GST_CLOCK_TIME_IS_VALID (start) ? start : cues->now;
    cue->end = GST_CLOCK_TIME_IS_VALID (duration) &&
        cue->start + duration >= cue->start ? cue->start + duration :
        GST_CLOCK_TIME_NONE;
    cues->bytes += cue_bytes (cue);
    g_queue_insert_sorted (&cues->queue, cue, by_start, NULL);
    cue = NULL;
  }
  g_mutex_unlock (&cues->lock);
  if (cue)
    cue_free (cue);
  return ret;
}

static void
forget_all_locked (GstSanaCues * cues)
{
  g_queue_clear_full (&cues->queue, cue_free);
  cues->bytes = 0;
}

void
gst_sana_cues_start (GstSanaCues * cues)
{
  g_mutex_lock (&cues->lock);
  cues->now = 0;
  cues->ended = FALSE;
  g_mutex_unlock (&cues->lock);
}

void
gst_sana_cues_set_active (GstSanaCues * cues, gboolean active)
{
  g_mutex_lock (&cues->lock);
  cues->flushing = !active;
  if (!active)
    forget_all_locked (cues);
  /* its texts are of the time that video has now */
  cues->renewed = FALSE;
  g_cond_broadcast (&cues->news);
  g_mutex_unlock (&cues->lock);
}

void
gst_sana_cues_set_flushing (GstSanaCues * cues, gboolean flushing)
{
  g_mutex_lock (&cues->lock);
  cues->flushing = flushing;
  if (flushing) {
    forget_all_locked (cues);
    cues->renewed = TRUE;
  }
  g_cond_broadcast (&cues->news);
  g_mutex_unlock (&cues->lock);
}

void
gst_sana_cues_set_ended (GstSanaCues * cues, gboolean ended)
{
  g_mutex_lock (&cues->lock);
  cues->ended = ended;
  g_cond_broadcast (&cues->news);
  g_mutex_unlock (&cues->lock);
}

void
gst_sana_cues_restart (GstSanaCues * cues)
{
  g_mutex_lock (&cues->lock);
  if (!cues->renewed)
    forget_all_locked (cues);
  cues->renewed = FALSE;
  cues->ended = FALSE;
  cues->now = 0;
  g_cond_broadcast (&cues->news);
  g_mutex_unlock (&cues->lock);
}

/* Whether it will never be on again: it is over, or has no end and the next one
 * has started. */
static gboolean
is_over (const GList * link, GstClockTime now)
{
  const Cue *cue = link->data;
  const Cue *next = link->next ? link->next->data : NULL;

  if (GST_CLOCK_TIME_IS_VALID (cue->end))
    return cue->end <= now;
  return next && next->start <= now;
}

static void
forget_past_locked (GstSanaCues * cues)
{
  GList *link = cues->queue.head, *next;

  for (; link; link = next) {
    next = link->next;
    if (is_over (link, cues->now)) {
      cues->bytes -= cue_bytes (link->data);
      cue_free (link->data);
      g_queue_delete_link (&cues->queue, link);
      g_cond_broadcast (&cues->news);
    }
  }
}

void
gst_sana_cues_at (GstSanaCues * cues, GstClockTime running_time,
    gchar ** text, gchar ** next)
{
  const Cue *on = NULL, *then = NULL;
  GList *link;

  g_mutex_lock (&cues->lock);
  if (GST_CLOCK_TIME_IS_VALID (running_time))
    cues->now = running_time;
  forget_past_locked (cues);
  for (link = cues->queue.head; link && !then; link = link->next) {
    const Cue *cue = link->data;

    if (cue->start <= cues->now)
      on = cue;
    else
      then = cue;
  }
  *text = on ? g_strdup (on->text) : NULL;
  *next = then ? g_strdup (then->text) : NULL;
  g_mutex_unlock (&cues->lock);
}
