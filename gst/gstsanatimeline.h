/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which frame is on at which time: frames of a constant rate, counted from the
 * last seek or change of caps, either way.  Times are running times from 0 on.
 */
#ifndef GST_SANA_TIMELINE_H
#define GST_SANA_TIMELINE_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct
{
  gint fps_n, fps_d;            /* 0/1: one frame; fps_d 0: not known yet */
  gboolean reverse;
  gint64 frame;                 /* the next one; < 0: none left */
  gint64 frames_before;         /* counted before the last change of caps, */
  GstClockTime time_before;     /* and when that was */
  GstClockTime sought;          /* where frame is to be once the rate is known */
} GstSanaTimeline;

void gst_sana_timeline_reset (GstSanaTimeline * line);

/* Frame 0, the next one, begins at `time`. */
void gst_sana_timeline_begin (GstSanaTimeline * line, GstClockTime time);

/* Goes to the frame that is on at `position`; backwards, to the last one that
 * begins before it. */
void gst_sana_timeline_seek (GstSanaTimeline * line, GstClockTime position,
    gboolean reverse);

/* Times and numbers run on. */
void gst_sana_timeline_set_rate (GstSanaTimeline * line, gint fps_n,
    gint fps_d);

/* `time` moved by `offset` ns, but not before 0. */
GstClockTime gst_sana_timeline_shift (GstClockTime time, gint64 offset);

/* When `frame` begins, shifted by `offset` ns, but not before 0. */
GstClockTime gst_sana_timeline_time (const GstSanaTimeline * line,
    gint64 frame, gint64 offset);

/* The frame that is on at `time`. */
gint64 gst_sana_timeline_frame_at (const GstSanaTimeline * line,
    GstClockTime time);

/* Number of a frame since the last seek, over changes of caps. */
gint64 gst_sana_timeline_number (const GstSanaTimeline * line, gint64 frame);

/* The frame after the next one. */
gint64 gst_sana_timeline_following (const GstSanaTimeline * line);

/* Whether the timeline has no frame left. */
gboolean gst_sana_timeline_ended (const GstSanaTimeline * line);

/* Whether `frame` may be asked for before the segment ends. */
gboolean gst_sana_timeline_reaches (const GstSanaTimeline * line,
    gint64 frame, const GstSegment * segment);

/* Sets timestamp, duration and offsets of the next frame, and goes on. */
void gst_sana_timeline_stamp (GstSanaTimeline * line, gint64 offset,
    GstBuffer * buffer);

G_END_DECLS
#endif /* GST_SANA_TIMELINE_H */
