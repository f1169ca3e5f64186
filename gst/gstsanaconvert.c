/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanaconvert.h"

#include <string.h>

/* A picture of the model's size, kept mapped. */
typedef struct
{
  GstVideoInfo info;
  GstBuffer *buffer;
  GstVideoFrame frame;
} Work;

struct _GstSanaConvert
{
  GstVideoInfo in, out;
  gint factor;                  /* that the pictures below are made for, or 0 */
  Work source, result;          /* result.buffer NULL: the same as source */
  GstVideoConverter *load, *store;
  GstVideoConverter *copy;      /* made and used by the thread that copies */
};

GstSanaConvert *
gst_sana_convert_new (const GstVideoInfo * in, const GstVideoInfo * out)
{
  GstSanaConvert *convert = g_atomic_rc_box_new0 (GstSanaConvert);

  convert->in = *in;
  convert->out = *out;
  return convert;
}

GstSanaConvert *
gst_sana_convert_ref (GstSanaConvert * convert)
{
  return g_atomic_rc_box_acquire (convert);
}

static void
work_clear (Work * work)
{
  if (!work->buffer)
    return;
  gst_video_frame_unmap (&work->frame);
  gst_clear_buffer (&work->buffer);
}

static void
convert_reset (GstSanaConvert * convert)
{
  g_clear_pointer (&convert->load, gst_video_converter_free);
  g_clear_pointer (&convert->store, gst_video_converter_free);
  work_clear (&convert->source);
  work_clear (&convert->result);
  convert->factor = 0;
}

static void
convert_free (gpointer data)
{
  GstSanaConvert *convert = data;

  convert_reset (convert);
  g_clear_pointer (&convert->copy, gst_video_converter_free);
}

void
gst_sana_convert_unref (GstSanaConvert * convert)
{
  g_atomic_rc_box_release_full (convert, convert_free);
}

const GstVideoInfo *
gst_sana_convert_in_info (const GstSanaConvert * convert)
{
  return &convert->in;
}

const GstVideoInfo *
gst_sana_convert_out_info (const GstSanaConvert * convert)
{
  return &convert->out;
}

gboolean
gst_sana_convert_is_identity (const GstSanaConvert * convert)
{
  const GstVideoInfo *in = &convert->in, *out = &convert->out;

  return GST_VIDEO_INFO_FORMAT (in) == GST_VIDEO_INFO_FORMAT (out) &&
      in->width == out->width && in->height == out->height &&
      in->chroma_site == out->chroma_site &&
      gst_video_colorimetry_is_equal (&in->colorimetry, &out->colorimetry);
}

void
gst_sana_convert_get_size (const GstSanaConvert * convert, gint factor,
    gint * width, gint * height)
{
  *width = gst_sana_round_up (convert->out.width, factor);
  *height = gst_sana_round_up (convert->out.height, factor);
}

static gboolean
work_init (Work * work, GError ** error)
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

/* part names the corner of the model's picture that the stream's picture
 * fills: "dest" or "src". */
static GstVideoConverter *
converter_new (const GstVideoInfo * from, const GstVideoInfo * to,
    const gchar * part, const GstVideoInfo * picture, GError ** error)
{
  /* dithering would change pixels that need no rounding */
  GstStructure *config = gst_structure_new ("convert",
      GST_VIDEO_CONVERTER_OPT_DITHER_METHOD, GST_TYPE_VIDEO_DITHER_METHOD,
      GST_VIDEO_DITHER_NONE,
      GST_VIDEO_CONVERTER_OPT_FILL_BORDER, G_TYPE_BOOLEAN, FALSE, NULL);
  GstVideoConverter *converter;

  if (part) {
    gchar *width = g_strconcat ("GstVideoConverter.", part, "-width", NULL);
    gchar *height = g_strconcat ("GstVideoConverter.", part, "-height", NULL);

    gst_structure_set (config, width, G_TYPE_INT, picture->width,
        height, G_TYPE_INT, picture->height, NULL);
    g_free (width);
    g_free (height);
  }
  converter = gst_video_converter_new (from, to, config);
  if (!converter)
    g_set_error (error, SANA_ERROR, SANA_ERROR_UNSUPPORTED,
        "no conversion from %s to %s; insert videoconvert",
        GST_VIDEO_INFO_NAME (from), GST_VIDEO_INFO_NAME (to));
  return converter;
}

static gboolean
convert_prepare (GstSanaConvert * convert, gint factor, GError ** error)
{
  gint width, height;
  GstVideoInfo *source = &convert->source.info;
  GstVideoInfo *result = &convert->result.info;

  if (convert->factor == factor)
    return TRUE;
  convert_reset (convert);
  gst_sana_convert_get_size (convert, factor, &width, &height);
  gst_sana_work_info (source, &convert->in, width, height);
  gst_sana_work_info (result, &convert->out, width, height);
  if (!work_init (&convert->source, error))
    goto failed;
  if (GST_VIDEO_INFO_FORMAT (source) != GST_VIDEO_INFO_FORMAT (result) &&
      !work_init (&convert->result, error))
    goto failed;
  convert->load = converter_new (&convert->in, source, "dest", &convert->out,
      error);
  if (!convert->load)
    goto failed;
  convert->store = converter_new (result, &convert->out, "src", &convert->out,
      error);
  if (!convert->store)
    goto failed;
  convert->factor = factor;
  return TRUE;

failed:
  convert_reset (convert);
  return FALSE;
}

/* Where the mirrored picture takes its i-th pixel from, of n. */
static gint
mirrored (gint i, gint n)
{
  i %= 2 * n;
  return i < n ? i : 2 * n - 1 - i;
}

static void
mirror_edges (GstVideoFrame * frame, gint width, gint height)
{
  gsize pixel = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, 0);
  gsize stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0);
  guint8 *pixels = GST_VIDEO_FRAME_PLANE_DATA (frame, 0);
  gint x, y;

  for (y = 0; y < height; y++) {
    guint8 *row = pixels + y * stride;

    for (x = width; x < GST_VIDEO_FRAME_WIDTH (frame); x++)
      memcpy (row + x * pixel, row + mirrored (x, width) * pixel, pixel);
  }
  for (y = height; y < GST_VIDEO_FRAME_HEIGHT (frame); y++)
    memcpy (pixels + y * stride, pixels + mirrored (y, height) * stride,
        GST_VIDEO_FRAME_WIDTH (frame) * pixel);
}

static gboolean
map_frame (GstVideoFrame * frame, const GstVideoInfo * info, GstBuffer * buffer,
    GstMapFlags flags, GError ** error)
{
  /* without a reference of its own: a second one makes a buffer unwritable */
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
gst_sana_convert_load (GstSanaConvert * convert, gint factor, GstBuffer * in,
    SanaImage * source, SanaImage * result, GError ** error)
{
  GstVideoFrame frame, *drawn;

  if (!convert_prepare (convert, factor, error))
    return FALSE;
  if (!map_frame (&frame, &convert->in, in, GST_MAP_READ, error))
    return FALSE;
  gst_video_converter_frame (convert->load, &frame, &convert->source.frame);
  gst_video_frame_unmap (&frame);
  mirror_edges (&convert->source.frame, convert->out.width,
      convert->out.height);

  drawn = convert->result.buffer ? &convert->result.frame
      : &convert->source.frame;
  gst_sana_image_from_frame (source, &convert->source.frame);
  gst_sana_image_from_frame (result, drawn);
  return TRUE;
}

gboolean
gst_sana_convert_store (GstSanaConvert * convert, GstBuffer * out,
    GError ** error)
{
  GstVideoFrame frame;

  if (!map_frame (&frame, &convert->out, out, GST_MAP_WRITE, error))
    return FALSE;
  gst_video_converter_frame (convert->store, convert->result.buffer ?
      &convert->result.frame : &convert->source.frame, &frame);
  gst_video_frame_unmap (&frame);
  return TRUE;
}

gboolean
gst_sana_convert_copy (GstSanaConvert * convert, GstBuffer * in,
    GstBuffer * out, GError ** error)
{
  GstVideoFrame from, to;
  gboolean identity = gst_sana_convert_is_identity (convert);

  if (!identity && !convert->copy) {
    convert->copy = converter_new (&convert->in, &convert->out, NULL, NULL,
        error);
    if (!convert->copy)
      return FALSE;
  }
  if (!map_frame (&from, &convert->in, in, GST_MAP_READ, error))
    return FALSE;
  if (!map_frame (&to, &convert->out, out, GST_MAP_WRITE, error)) {
    gst_video_frame_unmap (&from);
    return FALSE;
  }
  if (identity)
    gst_video_frame_copy (&to, &from);
  else
    gst_video_converter_frame (convert->copy, &from, &to);
  gst_video_frame_unmap (&to);
  gst_video_frame_unmap (&from);
  return TRUE;
}
