/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What colours mean on both sides.  The model's pictures are sRGB: full range,
 * the primaries of BT.709.  Video's matrix and range are honoured both ways.
 * Its transfer function is not: R'G'B' of SDR video are taken as they are.
 * Primaries are converted, in linear light, only where they are those of a wide
 * gamut (BT.2020, P3, Adobe RGB); those of BT.601 and BT.709 count as one.
 */
#ifndef GST_SANA_COLOUR_H
#define GST_SANA_COLOUR_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* SANA_IMAGE_RGBA64 as GStreamer calls it. */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define GST_SANA_VIDEO_FORMAT_RGBA64 GST_VIDEO_FORMAT_RGBA64_LE
#else
#define GST_SANA_VIDEO_FORMAT_RGBA64 GST_VIDEO_FORMAT_RGBA64_BE
#endif

/* Caps of everything GstVideoConverter reads and writes, any size, framerate
 * from 0/1. */
#define GST_SANA_VIDEO_CAPS GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)

/*
 * A picture on the model's side of `video`: RGB when video is RGB of 8 bits,
 * else RGBA64 (8 bits would lose up to 4 of 255 on the way to YUV); width ×
 * height, sRGB, default strides, video's framerate.  FALSE: no buffer could be
 * so large.
 */
gboolean gst_sana_work_info (GstVideoInfo * work, const GstVideoInfo * video,
    gint width, gint height, GError ** error);

/* The same, always RGBA64. */
gboolean gst_sana_work_info_deep (GstVideoInfo * work,
    const GstVideoInfo * video, gint width, gint height, GError ** error);

/* Whether its primaries are those of a wide gamut. */
gboolean gst_sana_is_wide (const GstVideoInfo * info);

/* The transfer function of HDR video, by name: PQ or HLG.  NULL: it is SDR. */
const gchar *gst_sana_hdr_name (const GstVideoInfo * info);

G_END_DECLS
#endif /* GST_SANA_COLOUR_H */
