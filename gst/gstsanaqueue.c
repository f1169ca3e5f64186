/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanaqueue.h"

void
gst_sana_queue_init (GstSanaQueue * queue)
{
  g_queue_init (&queue->items);
  queue->n_frames = 0;
}

void
gst_sana_queue_clear (GstSanaQueue * queue)
{
  gst_sana_queue_flush (queue, NULL);
}

void
gst_sana_queue_push (GstSanaQueue * queue, GstSanaItemType type, gpointer data)
{
  GstSanaItem *item = g_new (GstSanaItem, 1);

  item->type = type;
  item->data = data;
  g_queue_push_tail (&queue->items, item);
  if (type == GST_SANA_ITEM_FRAME)
    queue->n_frames++;
}

gboolean
gst_sana_queue_pop (GstSanaQueue * queue, GstSanaItem * item)
{
  GstSanaItem *head = g_queue_pop_head (&queue->items);

  if (!head)
    return FALSE;
  *item = *head;
  g_free (head);
  if (item->type == GST_SANA_ITEM_FRAME)
    queue->n_frames--;
  return TRUE;
}

GstSanaJob *
gst_sana_queue_take_oldest_frame (GstSanaQueue * queue)
{
  GList *link;

  for (link = queue->items.head; link; link = link->next) {
    GstSanaItem *item = link->data;
    GstSanaJob *job = item->data;

    if (item->type != GST_SANA_ITEM_FRAME)
      continue;
    g_queue_delete_link (&queue->items, link);
    g_free (item);
    queue->n_frames--;
    return job;
  }
  return NULL;
}

void
gst_sana_queue_remove_query (GstSanaQueue * queue, GstQuery * query)
{
  GList *link;

  for (link = queue->items.head; link; link = link->next) {
    GstSanaItem *item = link->data;

    if (item->data != query)
      continue;
    g_queue_delete_link (&queue->items, link);
    g_free (item);
    return;
  }
}

gboolean
gst_sana_queue_has_restart (const GstSanaQueue * queue)
{
  GList *link;

  for (link = queue->items.head; link; link = link->next) {
    GstSanaItem *item = link->data;

    if (item->type == GST_SANA_ITEM_EVENT &&
        (GST_EVENT_TYPE (item->data) == GST_EVENT_STREAM_START ||
            GST_EVENT_TYPE (item->data) == GST_EVENT_SEGMENT))
      return TRUE;
  }
  return FALSE;
}

void
gst_sana_item_discard (GstSanaItem * item, GstPad * srcpad)
{
  GstSanaJob *job;

  switch (item->type) {
    case GST_SANA_ITEM_FRAME:
      job = item->data;
      job->free (job);
      break;
    case GST_SANA_ITEM_EVENT:
      if (srcpad && GST_EVENT_IS_STICKY (item->data) &&
          GST_EVENT_TYPE (item->data) != GST_EVENT_CAPS &&
          GST_EVENT_TYPE (item->data) != GST_EVENT_SEGMENT &&
          GST_EVENT_TYPE (item->data) != GST_EVENT_EOS)
        gst_pad_store_sticky_event (srcpad, item->data);
      gst_event_unref (item->data);
      break;
    case GST_SANA_ITEM_QUERY:
      break;
  }
}

void
gst_sana_queue_flush (GstSanaQueue * queue, GstPad * srcpad)
{
  GstSanaItem item;

  while (gst_sana_queue_pop (queue, &item))
    gst_sana_item_discard (&item, srcpad);
}
