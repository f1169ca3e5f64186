/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames that are not shown: which of them, because they would come too late,
 * what is said of them, and what of them moves on to the next.
 *
 * After a QOS event of a frame at time t that came `late` too late, the next are
 * dropped up to t + MIN (2 · late, 1 s) + duration: far enough that the one
 * after is on time, and not for ever after one that took very long.
 *
 * Not thread safe.
 */
#ifndef GST_SANA_QOS_H
#define GST_SANA_QOS_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct
{
  GstClockTime earliest;        /* running time; NONE: nothing is late */
  gdouble proportion;           /* of the last event */
  GstClockTimeDiff jitter;
  GstBuffer *carried;           /* captions of frames that came too late, or NULL */
} GstSanaQos;

/* At the start and after a flush: nothing is late, nothing is carried. */
void gst_sana_qos_reset (GstSanaQos * qos);

/* A QOS event of downstream; duration: of a frame, or NONE. */
void gst_sana_qos_update (GstSanaQos * qos, GstEvent * event,
    GstClockTime duration);

gboolean gst_sana_qos_is_late (const GstSanaQos * qos,
    GstClockTime running_time);

/* A frame is dropped; processed and dropped count it.  (transfer full): the
 * message to be posted, with no lock held. */
GstMessage *gst_sana_qos_drop (const GstSanaQos * qos, GstElement * element,
    gboolean live, GstBuffer * frame, GstClockTime running_time,
    GstClockTime stream_time);
void gst_sana_qos_set_counts (GstMessage * message, guint64 processed,
    guint64 dropped);

/* Adds from's captions to those that are carried on, in a buffer without
 * memory; both may be NULL. */
void gst_sana_qos_carry (GstBuffer ** carried, GstBuffer * from);

/* Gives an output, before it takes those of its own input, the captions of frames
 * dropped before it; they are carried no further. */
void gst_sana_qos_hand_over (GstBuffer ** carried, GstBuffer * out);

G_END_DECLS
#endif /* GST_SANA_QOS_H */
