/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanaconvert.h"

#include "gstsanaconverter.h"
#include "gstsanasmooth.h"
#include "gstsanavideo.h"

struct _GstSanaConvert
{
  GstVideoInfo in, out;
  GstSanaProcess process;

  gint factor;                  /* that what follows is made for, or 0 */
  GstSanaGeometry geometry;
  GstSanaWork source, result;   /* result.buffer NULL: the same as source */
  GstVideoFrame content, drawn; /* of these, what is more than mirror image */
  GstSanaConverter *load;       /* input, or a part of it, to content */
  GstSanaConverter *store;      /* drawn to output; NULL: it is blended */
  GstSanaSmooth *smooth;

  /* made when first needed */
  GstSanaWork whole;            /* the input, as large as the output */
  GstVideoFrame part;           /* of whole, what is drawn anew */
  GstSanaWork scaled;           /* drawn, as large as part */
  GstSanaConverter *load_whole, *store_whole;
  GstSanaConverter *scale;      /* NULL: drawn is as large as part */
  gboolean blending;            /* between load() and store() of one frame */

  GstSanaConverter *copy;       /* made and used by the thread that copies */
};

GstSanaConvert *
gst_sana_convert_new (const GstVideoInfo * in, const GstVideoInfo * out,
    const GstSanaProcess * process)
{
  GstSanaConvert *convert = g_atomic_rc_box_new0 (GstSanaConvert);

  convert->in = *in;
  convert->out = *out;
  convert->process = *process;
  convert->smooth = gst_sana_smooth_new ();
  return convert;
}

GstSanaConvert *
gst_sana_convert_ref (GstSanaConvert * convert)
{
  return g_atomic_rc_box_acquire (convert);
}

static void
convert_reset_whole (GstSanaConvert * convert)
{
  g_clear_pointer (&convert->load_whole, gst_sana_converter_free);
  g_clear_pointer (&convert->scale, gst_sana_converter_free);
  g_clear_pointer (&convert->store_whole, gst_sana_converter_free);
  gst_sana_work_clear (&convert->whole);
  gst_sana_work_clear (&convert->scaled);
}

static void
convert_reset (GstSanaConvert * convert)
{
  convert_reset_whole (convert);
  g_clear_pointer (&convert->load, gst_sana_converter_free);
  g_clear_pointer (&convert->store, gst_sana_converter_free);
  gst_sana_work_clear (&convert->source);
  gst_sana_work_clear (&convert->result);
  gst_sana_smooth_forget (convert->smooth);
  convert->factor = 0;
}

static void
convert_free (gpointer data)
{
  GstSanaConvert *convert = data;

  convert_reset (convert);
  gst_sana_smooth_free (convert->smooth);
  g_clear_pointer (&convert->copy, gst_sana_converter_free);
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
gst_sana_convert_is_for (const GstSanaConvert * convert,
    const GstSanaProcess * process)
{
  return convert->process.width == process->width &&
      convert->process.height == process->height &&
      convert->process.fit == process->fit;
}

/* FALSE: a size, format or colour of the two differs. */
static gboolean
is_identity (const GstSanaConvert * convert)
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
  GstSanaGeometry geometry;

  gst_sana_geometry_init (&geometry, &convert->out, &convert->process, factor);
  *width = geometry.width;
  *height = geometry.height;
}

/* --- what is made once ---------------------------------------------------- */

static gboolean
has_margins (const GstSanaConvert * convert)
{
  return gst_sana_geometry_has_margins (&convert->geometry, &convert->out);
}

/* What the input keeps of the output, whatever is drawn. */
static gboolean
needs_input (const GstSanaConvert * convert)
{
  return has_margins (convert) || (GST_VIDEO_INFO_HAS_ALPHA (&convert->in) &&
      GST_VIDEO_INFO_HAS_ALPHA (&convert->out));
}

/* Without dithering, so that what the model leaves alone comes back as it was. */
static GstSanaConverter *
converter_new (const GstVideoInfo * in, const GstVideoInfo * out,
    GError ** error)
{
  return gst_sana_converter_new (in, out, GST_VIDEO_DITHER_NONE, error);
}

static gboolean
prepare_whole (GstSanaConvert * convert, GError ** error)
{
  const GstVideoRectangle *part = &convert->geometry.part;
  const GstVideoRectangle *content = &convert->geometry.content;

  if (convert->store_whole)
    return TRUE;
  if (!gst_sana_work_info_deep (&convert->whole.info, &convert->out,
          convert->out.width, convert->out.height, error) ||
      !gst_sana_work_info_deep (&convert->scaled.info, &convert->out,
          part->w, part->h, error))
    return FALSE;
  if (!gst_sana_work_init (&convert->whole, error))
    goto failed;
  gst_sana_image_cut_frame (&convert->part, &convert->whole.frame, part);
  convert->load_whole = converter_new (&convert->in, &convert->whole.info,
      error);
  if (!convert->load_whole)
    goto failed;
  if (part->w != content->w || part->h != content->h) {
    if (!gst_sana_work_init (&convert->scaled, error))
      goto failed;
    convert->scale = converter_new (&convert->drawn.info,
        &convert->scaled.info, error);
    if (!convert->scale)
      goto failed;
  }
  convert->store_whole = converter_new (&convert->whole.info, &convert->out,
      error);
  if (convert->store_whole)
    return TRUE;

failed:
  convert_reset_whole (convert);
  return FALSE;
}

static GstVideoFrame *
result_frame (GstSanaConvert * convert)
{
  return convert->result.buffer ? &convert->result.frame :
      &convert->source.frame;
}

static gboolean
prepare_pictures (GstSanaConvert * convert, GError ** error)
{
  GstVideoInfo *source = &convert->source.info;
  GstVideoInfo *result = &convert->result.info;
  const GstVideoRectangle *content = &convert->geometry.content;
  gint width = convert->geometry.width, height = convert->geometry.height;

  if (!gst_sana_work_info (source, &convert->in, width, height, error) ||
      !gst_sana_work_info (result, &convert->out, width, height, error))
    return FALSE;
  if (!gst_sana_work_init (&convert->source, error))
    return FALSE;
  if (GST_VIDEO_INFO_FORMAT (source) != GST_VIDEO_INFO_FORMAT (result) &&
      !gst_sana_work_init (&convert->result, error))
    return FALSE;
  gst_sana_image_cut_frame (&convert->content, &convert->source.frame, content);
  gst_sana_image_cut_frame (&convert->drawn, result_frame (convert), content);
  return TRUE;
}

static gboolean
convert_prepare (GstSanaConvert * convert, gint factor, GError ** error)
{
  if (convert->factor == factor)
    return TRUE;
  convert_reset (convert);
  gst_sana_geometry_init (&convert->geometry, &convert->out, &convert->process,
      factor);
  if (!prepare_pictures (convert, error))
    goto failed;
  if (has_margins (convert) && !prepare_whole (convert, error))
    goto failed;
  convert->load = converter_new (has_margins (convert) ? &convert->part.info :
      &convert->in, &convert->content.info, error);
  if (!convert->load)
    goto failed;
  if (!needs_input (convert)) {
    convert->store = converter_new (&convert->drawn.info, &convert->out, error);
    if (!convert->store)
      goto failed;
  }
  convert->factor = factor;
  return TRUE;

failed:
  convert_reset (convert);
  return FALSE;
}

/* --- frames --------------------------------------------------------------- */

static void
read_input (GstSanaConvert * convert, GstVideoFrame * in)
{
  if (convert->blending)
    gst_sana_converter_run (convert->load_whole, in, &convert->whole.frame);
  gst_sana_converter_run (convert->load, has_margins (convert) ?
      &convert->part : in, &convert->content);
}

gboolean
gst_sana_convert_load (GstSanaConvert * convert, gint factor, GstBuffer * in,
    const GstSanaBlend * blend, SanaImage * source, SanaImage * result,
    GError ** error)
{
  GstVideoFrame frame;

  if (!convert_prepare (convert, factor, error))
    return FALSE;
  convert->blending = blend->mix < 1 || needs_input (convert);
  if (convert->blending && !prepare_whole (convert, error))
    return FALSE;
  if (!gst_sana_map_picture (&frame, &convert->in, in, GST_MAP_READ, error))
    return FALSE;
  read_input (convert, &frame);
  gst_video_frame_unmap (&frame);

  gst_sana_image_from_frame (source, &convert->source.frame);
  gst_sana_image_from_frame (result, result_frame (convert));
  gst_sana_image_mirror (source, &convert->geometry.content);
  if (blend->smoothing > 0)
    return gst_sana_smooth_look (convert->smooth, source, blend->epoch, error);
  gst_sana_smooth_forget (convert->smooth);
  return TRUE;
}

static void
blend_part (GstSanaConvert * convert, gdouble mix)
{
  GstVideoFrame *frame = &convert->drawn;
  SanaImage part, drawn;

  if (convert->scale) {
    frame = &convert->scaled.frame;
    gst_sana_converter_run (convert->scale, &convert->drawn, frame);
  }
  gst_sana_image_from_frame (&part, &convert->part);
  gst_sana_image_from_frame (&drawn, frame);
  gst_sana_image_blend (&part, &drawn, mix);
}

gboolean
gst_sana_convert_store (GstSanaConvert * convert, GstBuffer * out,
    const GstSanaBlend * blend, GError ** error)
{
  GstVideoFrame frame;
  SanaImage result;

  if (!gst_sana_map_picture (&frame, &convert->out, out, GST_MAP_WRITE, error))
    return FALSE;
  if (blend->smoothing > 0) {
    gst_sana_image_from_frame (&result, result_frame (convert));
    gst_sana_smooth_apply (convert->smooth, &result, blend->smoothing);
  }
  if (convert->blending) {
    blend_part (convert, blend->mix);
    gst_sana_converter_run (convert->store_whole, &convert->whole.frame,
        &frame);
  } else {
    gst_sana_converter_run (convert->store, &convert->drawn, &frame);
  }
  gst_video_frame_unmap (&frame);
  return TRUE;
}

gboolean
gst_sana_convert_get_video (GstSanaConvert * convert, gint factor,
    const GstSanaBlend * blend, SanaVideoImage * source,
    SanaVideoImage * target, SanaContent * content)
{
  const GstVideoRectangle *place;
  GstSanaGeometry geometry;

  gst_sana_geometry_init (&geometry, &convert->out, &convert->process, factor);
  if (blend->mix < 1 || blend->smoothing > 0 ||
      gst_sana_geometry_has_margins (&geometry, &convert->out) ||
      !gst_sana_video_describe (source, &convert->in, FALSE) ||
      !gst_sana_video_describe (target, &convert->out, TRUE))
    return FALSE;
  place = &geometry.content;
  content->width = geometry.width;
  content->height = geometry.height;
  content->x = place->x;
  content->y = place->y;
  content->w = place->w;
  content->h = place->h;
  gst_sana_smooth_forget (convert->smooth);
  return TRUE;
}

gboolean
gst_sana_convert_copy (GstSanaConvert * convert, GstBuffer * in,
    GstBuffer * out, GError ** error)
{
  GstVideoFrame from, to;
  gboolean identity = is_identity (convert);

  if (!identity && !convert->copy) {
    convert->copy = converter_new (&convert->in, &convert->out, error);
    if (!convert->copy)
      return FALSE;
  }
  if (!gst_sana_map_picture (&from, &convert->in, in, GST_MAP_READ, error))
    return FALSE;
  if (!gst_sana_map_picture (&to, &convert->out, out, GST_MAP_WRITE, error)) {
    gst_video_frame_unmap (&from);
    return FALSE;
  }
  if (identity)
    gst_video_frame_copy (&to, &from);
  else
    gst_sana_converter_run (convert->copy, &from, &to);
  gst_video_frame_unmap (&to);
  gst_video_frame_unmap (&from);
  return TRUE;
}
