/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstsanatimeline.h"

void
gst_sana_timeline_reset (GstSanaTimeline * line)
{
  memset (line, 0, sizeof (*line));
}

void
gst_sana_timeline_begin (GstSanaTimeline * line, GstClockTime time)
{
  line->time_before = time;
}

static void
locate (GstSanaTimeline * line)
{
  if (line->fps_n == 0)
    line->frame = 0;
  else if (!line->reverse)
    line->frame = gst_util_uint64_scale (line->sought, line->fps_n,
        GST_SECOND * line->fps_d);
  else
    line->frame = (gint64) gst_util_uint64_scale_ceil (line->sought,
        line->fps_n, GST_SECOND * line->fps_d) - 1;
}

void
gst_sana_timeline_seek (GstSanaTimeline * line, GstClockTime position,
    gboolean reverse)
{
  line->reverse = reverse;
  line->frames_before = 0;
  line->time_before = 0;
  line->sought = position;
  locate (line);
}

void
gst_sana_timeline_set_rate (GstSanaTimeline * line, gint fps_n, gint fps_d)
{
  gboolean known = line->fps_d != 0;

  if (fps_n == line->fps_n && fps_d == line->fps_d)
    return;
  if (known && !line->reverse) {
    line->time_before = gst_sana_timeline_time (line, line->frame, 0);
    line->frames_before += line->frame;
    line->frame = 0;
  } else if (known) {
    /* what is left is counted from the front */
    line->sought = gst_sana_timeline_time (line, line->frame + 1, 0);
  }
  line->fps_n = fps_n;
  line->fps_d = fps_d;
  if (!known || line->reverse)
    locate (line);
}

GstClockTime
gst_sana_timeline_shift (GstClockTime time, gint64 offset)
{
  if (offset < 0 && time < (guint64) - offset)
    return 0;
  return time + offset;
}

GstClockTime
gst_sana_timeline_time (const GstSanaTimeline * line, gint64 frame,
    gint64 offset)
{
  GstClockTime time = line->time_before;

  if (line->fps_n > 0 && frame > 0)
    time += gst_util_uint64_scale (frame, GST_SECOND * line->fps_d,
        line->fps_n);
  return gst_sana_timeline_shift (time, offset);
}

gint64
gst_sana_timeline_frame_at (const GstSanaTimeline * line, GstClockTime time)
{
  if (line->fps_n == 0 || time < line->time_before)
    return 0;
  return gst_util_uint64_scale (time - line->time_before, line->fps_n,
      GST_SECOND * line->fps_d);
}

gint64
gst_sana_timeline_number (const GstSanaTimeline * line, gint64 frame)
{
  return line->frames_before + frame;
}

gint64
gst_sana_timeline_following (const GstSanaTimeline * line)
{
  return line->reverse ? line->frame - 1 : line->frame + 1;
}

gboolean
gst_sana_timeline_ended (const GstSanaTimeline * line)
{
  return line->frame < 0 || (line->fps_n == 0 && line->frame > 0);
}

gboolean
gst_sana_timeline_reaches (const GstSanaTimeline * line, gint64 frame,
    const GstSegment * segment)
{
  if (frame < 0 || line->fps_n == 0)
    return FALSE;
  if (line->reverse)
    return gst_sana_timeline_time (line, frame + 1, 0) > segment->start;
  return !GST_CLOCK_TIME_IS_VALID (segment->stop) ||
      gst_sana_timeline_time (line, frame, 0) < segment->stop;
}

void
gst_sana_timeline_stamp (GstSanaTimeline * line, gint64 offset,
    GstBuffer * buffer)
{
  GST_BUFFER_PTS (buffer) = gst_sana_timeline_time (line, line->frame, offset);
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION (buffer) = line->fps_n == 0 ? GST_CLOCK_TIME_NONE :
      gst_sana_timeline_time (line, line->frame + 1, 0) -
      gst_sana_timeline_time (line, line->frame, 0);
  GST_BUFFER_OFFSET (buffer) = gst_sana_timeline_number (line, line->frame);
  GST_BUFFER_OFFSET_END (buffer) = GST_BUFFER_OFFSET (buffer) + 1;
  line->frame = gst_sana_timeline_following (line);
}
