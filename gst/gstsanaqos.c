/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanaqos.h"

#include <gst/video/video.h>

#include <string.h>

/* A whole quality, as GstBaseTransform says it. */
#define QUALITY 1000000

void
gst_sana_qos_reset (GstSanaQos * qos)
{
  gst_clear_buffer (&qos->carried);
  memset (qos, 0, sizeof (*qos));
  qos->earliest = GST_CLOCK_TIME_NONE;
  qos->proportion = 1.0;
}

void
gst_sana_qos_update (GstSanaQos * qos, GstEvent * event, GstClockTime duration)
{
  GstClockTime time;
  GstClockTimeDiff late;

  gst_event_parse_qos (event, NULL, &qos->proportion, &late, &time);
  qos->jitter = late;
  if (!GST_CLOCK_TIME_IS_VALID (time))
    qos->earliest = GST_CLOCK_TIME_NONE;
  else if (late > 0)
    qos->earliest = time + 2 * MIN (late, GST_SECOND / 2) +
        (GST_CLOCK_TIME_IS_VALID (duration) ? duration : 0);
  else
    qos->earliest = -(GstClockTime) late < time ? time + late : 0;
}

gboolean
gst_sana_qos_is_late (const GstSanaQos * qos, GstClockTime running_time)
{
  return GST_CLOCK_TIME_IS_VALID (qos->earliest) &&
      GST_CLOCK_TIME_IS_VALID (running_time) && running_time <= qos->earliest;
}

static void
copy_meta (GstBuffer * to, GstBuffer * from, GstMeta * meta)
{
  GstMetaTransformCopy whole = { FALSE, 0, -1 };

  meta->info->transform_func (to, meta, from, _gst_meta_transform_copy, &whole);
}

static gboolean
carry_meta (GstBuffer * frame, GstMeta ** meta, gpointer user_data)
{
  if ((*meta)->info->api == GST_VIDEO_CAPTION_META_API_TYPE)
    copy_meta (user_data, frame, *meta);
  return TRUE;
}

GstMessage *
gst_sana_qos_drop (const GstSanaQos * qos, GstElement * element, gboolean live,
    GstBuffer * frame, GstClockTime running_time, GstClockTime stream_time)
{
  GstMessage *message = gst_message_new_qos (GST_OBJECT (element), live,
      running_time, stream_time, GST_BUFFER_PTS (frame),
      GST_BUFFER_DURATION (frame));

  gst_message_set_qos_values (message, qos->jitter, qos->proportion, QUALITY);
  return message;
}

void
gst_sana_qos_set_counts (GstMessage * message, guint64 processed,
    guint64 dropped)
{
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, processed, dropped);
}

void
gst_sana_qos_carry (GstBuffer ** carried, GstBuffer * from)
{
  if (!from)
    return;
  if (!*carried)
    *carried = gst_buffer_new ();
  gst_buffer_foreach_meta (from, carry_meta, *carried);
}

void
gst_sana_qos_hand_over (GstBuffer ** carried, GstBuffer * out)
{
  if (*carried)
    gst_buffer_foreach_meta (*carried, carry_meta, out);
  gst_clear_buffer (carried);
}
