/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What waits between a sink pad and a source pad's task, in order of arrival:
 * frames, serialized events and serialized queries.
 *
 * Only frames count as filling it, and only frames are ever dropped to make
 * room: every event and query keeps its place.  Not thread safe; the owner
 * holds its own lock.
 */
#ifndef GST_SANA_QUEUE_H
#define GST_SANA_QUEUE_H

#include "gstsanaworker.h"

G_BEGIN_DECLS

typedef enum
{
  GST_SANA_ITEM_FRAME,
  GST_SANA_ITEM_EVENT,
  GST_SANA_ITEM_QUERY,
} GstSanaItemType;

/* data: a GstSanaJob or a GstEvent that the queue owns, or a GstQuery that the
 * thread waiting for its answer owns. */
typedef struct
{
  GstSanaItemType type;
  gpointer data;
} GstSanaItem;

typedef struct
{
  GQueue items;                 /* GstSanaItem, freed with g_free() */
  guint n_frames;
} GstSanaQueue;

void gst_sana_queue_init (GstSanaQueue * queue);
void gst_sana_queue_clear (GstSanaQueue * queue);

/* Takes data, unless it is a query. */
void gst_sana_queue_push (GstSanaQueue * queue, GstSanaItemType type,
    gpointer data);

/* The first item, now the caller's.  FALSE: there is none. */
gboolean gst_sana_queue_pop (GstSanaQueue * queue, GstSanaItem * item);

/* Takes out the frame that has waited longest; NULL: there is none. */
GstSanaJob *gst_sana_queue_take_oldest_frame (GstSanaQueue * queue);

/* Takes out a query that nobody waits for any more, if it is still in. */
void gst_sana_queue_remove_query (GstSanaQueue * queue, GstQuery * query);

/* Whether STREAM_START or SEGMENT is in it: frames that come now belong to what
 * follows those. */
gboolean gst_sana_queue_has_restart (const GstSanaQueue * queue);

/* Empties it.  Sticky events other than CAPS, SEGMENT and EOS are kept on srcpad,
 * if given, so that they are not lost for what comes after a flush. */
void gst_sana_queue_flush (GstSanaQueue * queue, GstPad * srcpad);

/* What flush does with one item. */
void gst_sana_item_discard (GstSanaItem * item, GstPad * srcpad);

G_END_DECLS
#endif /* GST_SANA_QUEUE_H */
