/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanamap.h"

#include "pipelines/sana.h"

/* Bytes of a row of a component's plane that are pixels. */
static gint64
row_bytes (const GstVideoInfo * info, guint plane, gint comp)
{
  if (GST_VIDEO_INFO_COMP_PSTRIDE (info, comp) == 0)
    return info->stride[plane];
  return (gint64) GST_VIDEO_INFO_COMP_WIDTH (info, comp) *
      GST_VIDEO_INFO_COMP_PSTRIDE (info, comp);
}

/* Whether rows of a plane lie within one memory of the buffer, which is all
 * that is mapped of it. */
static gboolean
plane_is_inside (GstBuffer * buffer, const GstVideoInfo * info,
    const GstVideoMeta * meta, guint plane)
{
  gint64 first = meta->offset[plane], size = gst_buffer_get_size (buffer);
  gint64 last, end;
  gint comp[GST_VIDEO_MAX_COMPONENTS];
  guint index, n;
  gsize skip;

  /* a stride of tiles counts them, and planes of a palette are no rows */
  if (GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo) ||
      GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info->finfo))
    return meta->stride[plane] == info->stride[plane] &&
        meta->offset[plane] == info->offset[plane] && size >= (gint64)
        info->size;
  if (meta->offset[plane] > (gsize) size)
    return FALSE;
  gst_video_format_info_component (info->finfo, plane, comp);
  last = first + (gint64) meta->stride[plane] *
      (GST_VIDEO_INFO_COMP_HEIGHT (info, comp[0]) - 1);
  end = MAX (first, last) + row_bytes (info, plane, comp[0]);
  if (MIN (first, last) < 0 || end > size)
    return FALSE;
  if (gst_buffer_n_memory (buffer) == 1)
    return TRUE;
  return gst_buffer_find_memory (buffer, MIN (first, last),
      end - MIN (first, last), &index, &n, &skip) && n == 1;
}

static gboolean
meta_is_true (GstBuffer * buffer, const GstVideoInfo * info, GError ** error)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  guint plane;

  if (!meta)
    return TRUE;
  if (meta->format != GST_VIDEO_INFO_FORMAT (info) ||
      meta->width != (guint) info->width ||
      meta->height != (guint) info->height ||
      meta->n_planes != GST_VIDEO_INFO_N_PLANES (info)) {
    g_set_error (error, SANA_ERROR, SANA_ERROR_FAILED,
        "a buffer's GstVideoMeta says %s of %u × %u, its caps %s of %d × %d; "
        "insert videoconvert where it comes from",
        gst_video_format_to_string (meta->format), meta->width, meta->height,
        GST_VIDEO_INFO_NAME (info), info->width, info->height);
    return FALSE;
  }
  for (plane = 0; plane < meta->n_planes; plane++) {
    if (plane_is_inside (buffer, info, meta, plane))
      continue;
    g_set_error (error, SANA_ERROR, SANA_ERROR_FAILED,
        "a buffer's GstVideoMeta has plane %u at %" G_GSIZE_FORMAT
        " with a stride of %d, outside of its %" G_GSIZE_FORMAT " bytes; the "
        "element that made it is wrong", plane, meta->offset[plane],
        meta->stride[plane], gst_buffer_get_size (buffer));
    return FALSE;
  }
  return TRUE;
}

gboolean
gst_sana_map_picture (GstVideoFrame * frame, const GstVideoInfo * info,
    GstBuffer * buffer, GstMapFlags flags, GError ** error)
{
  if (!meta_is_true (buffer, info, error))
    return FALSE;
  if (gst_video_frame_map (frame, info, buffer,
          flags | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))
    return TRUE;
  g_set_error (error, SANA_ERROR, SANA_ERROR_FAILED,
      "a buffer of %" G_GSIZE_FORMAT " bytes is no %s picture of %d × %d",
      gst_buffer_get_size (buffer), GST_VIDEO_INFO_NAME (info), info->width,
      info->height);
  return FALSE;
}

gboolean
gst_sana_work_init (GstSanaWork * work, GError ** error)
{
  gsize size = GST_VIDEO_INFO_SIZE (&work->info);
  gpointer pixels = g_try_malloc (size);

  if (!pixels) {
    g_set_error (error, SANA_ERROR, SANA_ERROR_MEMORY,
        "no memory for a picture of %d × %d; use smaller ones",
        work->info.width, work->info.height);
    return FALSE;
  }
  work->buffer = gst_buffer_new_wrapped (pixels, size);
  if (gst_video_frame_map (&work->frame, &work->info, work->buffer,
          GST_MAP_READWRITE))
    return TRUE;
  gst_clear_buffer (&work->buffer);
  g_set_error (error, SANA_ERROR, SANA_ERROR_FAILED,
      "a picture of %d × %d cannot be mapped", work->info.width,
      work->info.height);
  return FALSE;
}

void
gst_sana_work_clear (GstSanaWork * work)
{
  if (!work->buffer)
    return;
  gst_video_frame_unmap (&work->frame);
  gst_clear_buffer (&work->buffer);
}
