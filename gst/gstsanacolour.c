/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanacolour.h"

#include "pipelines/sana.h"

static gboolean
work_info (GstVideoInfo * work, const GstVideoInfo * video,
    GstVideoFormat format, gint width, gint height, GError ** error)
{
  if (!gst_video_info_set_format (work, format, width, height)) {
    g_set_error (error, SANA_ERROR, SANA_ERROR_MEMORY,
        "no memory holds a picture of %d × %d; use smaller ones", width,
        height);
    return FALSE;
  }
  gst_video_colorimetry_from_string (&work->colorimetry,
      GST_VIDEO_COLORIMETRY_SRGB);
  GST_VIDEO_INFO_FPS_N (work) = GST_VIDEO_INFO_FPS_N (video);
  GST_VIDEO_INFO_FPS_D (work) = GST_VIDEO_INFO_FPS_D (video);
  return TRUE;
}

gboolean
gst_sana_work_info (GstVideoInfo * work, const GstVideoInfo * video,
    gint width, gint height, GError ** error)
{
  gboolean rgb8 = GST_VIDEO_INFO_IS_RGB (video) &&
      GST_VIDEO_FORMAT_INFO_BITS (video->finfo) <= 8;

  return work_info (work, video, rgb8 ? GST_VIDEO_FORMAT_RGB :
      GST_SANA_VIDEO_FORMAT_RGBA64, width, height, error);
}

gboolean
gst_sana_work_info_deep (GstVideoInfo * work,
    const GstVideoInfo * video, gint width, gint height, GError ** error)
{
  return work_info (work, video, GST_SANA_VIDEO_FORMAT_RGBA64, width, height,
      error);
}

gboolean
gst_sana_is_wide (const GstVideoInfo * info)
{
  switch (info->colorimetry.primaries) {
    case GST_VIDEO_COLOR_PRIMARIES_BT2020:
    case GST_VIDEO_COLOR_PRIMARIES_ADOBERGB:
    case GST_VIDEO_COLOR_PRIMARIES_SMPTERP431:
    case GST_VIDEO_COLOR_PRIMARIES_SMPTEEG432:
      return TRUE;
    default:
      return FALSE;
  }
}

const gchar *
gst_sana_hdr_name (const GstVideoInfo * info)
{
  switch (info->colorimetry.transfer) {
    case GST_VIDEO_TRANSFER_SMPTE2084:
      return "PQ";
    case GST_VIDEO_TRANSFER_ARIB_STD_B67:
      return "HLG";
    default:
      return NULL;
  }
}
