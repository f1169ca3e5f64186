/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures in memory: those of others, whose size and metas may not be true, and
 * those of one's own. */
#ifndef GST_SANA_MAP_H
#define GST_SANA_MAP_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/*
 * Maps a buffer that is said to hold a picture of `info`, with the offsets and
 * strides of its GstVideoMeta.  FALSE, with one sentence: it is shorter than
 * that, or its meta is of another picture or points outside.  The frame holds
 * no reference to the buffer, which a second one would make unwritable.
 */
gboolean gst_sana_map_picture (GstVideoFrame * frame,
    const GstVideoInfo * info, GstBuffer * buffer, GstMapFlags flags,
    GError ** error);

/* A picture of one's own, kept mapped.  buffer NULL: there is none. */
typedef struct
{
  GstVideoInfo info;
  GstBuffer *buffer;
  GstVideoFrame frame;
} GstSanaWork;

/* work->info says of what.  FALSE: no memory. */
gboolean gst_sana_work_init (GstSanaWork * work, GError ** error);
void gst_sana_work_clear (GstSanaWork * work);

G_END_DECLS
#endif /* GST_SANA_MAP_H */
