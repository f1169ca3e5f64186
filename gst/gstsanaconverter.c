/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanaconverter.h"

#include "pipelines/sana.h"

struct _GstSanaConverter
{
  /* one after the other; between them, the works of the same index */
  GstVideoConverter *steps[3];
  GstSanaWork works[2];
  guint n_steps;
};

static gboolean
add_step (GstSanaConverter * converter, const GstVideoInfo * in,
    const GstVideoInfo * out, GstVideoDitherMethod dither, GError ** error)
{
  GstStructure *config = gst_structure_new ("convert",
      GST_VIDEO_CONVERTER_OPT_DITHER_METHOD, GST_TYPE_VIDEO_DITHER_METHOD,
      dither, NULL);
  GstVideoInfo in_info = *in, out_info = *out;
  GstVideoConverter *step;

  /* a picture has no rate, but GStreamer's converter wants one for both */
  in_info.fps_n = out->fps_n;
  in_info.fps_d = out->fps_d;
  if (in->colorimetry.primaries != out->colorimetry.primaries &&
      (gst_sana_is_wide (in) || gst_sana_is_wide (out))) {
    gst_structure_set (config,
        GST_VIDEO_CONVERTER_OPT_GAMMA_MODE, GST_TYPE_VIDEO_GAMMA_MODE,
        GST_VIDEO_GAMMA_MODE_REMAP,
        GST_VIDEO_CONVERTER_OPT_PRIMARIES_MODE, GST_TYPE_VIDEO_PRIMARIES_MODE,
        GST_VIDEO_PRIMARIES_MODE_FAST, NULL);
    /* one curve there and back: only the primaries are to change */
    in_info.colorimetry.transfer = GST_VIDEO_TRANSFER_BT709;
    out_info.colorimetry.transfer = GST_VIDEO_TRANSFER_BT709;
  }
  step = gst_video_converter_new (&in_info, &out_info, config);
  if (!step) {
    g_set_error (error, SANA_ERROR, SANA_ERROR_UNSUPPORTED,
        "no conversion from %s to %s; insert videoconvert",
        GST_VIDEO_INFO_NAME (in), GST_VIDEO_INFO_NAME (out));
    return FALSE;
  }
  converter->steps[converter->n_steps++] = step;
  return TRUE;
}

/* A picture to go by; info is what it is made from or for, of its size. */
static gboolean
add_work (GstSanaConverter * converter, guint i, const GstVideoInfo * info,
    GError ** error)
{
  GstSanaWork *work = &converter->works[i];

  return gst_sana_work_info_deep (&work->info, info, info->width,
      info->height, error) && gst_sana_work_init (work, error);
}

static gboolean
add_steps (GstSanaConverter * converter, const GstVideoInfo * in,
    const GstVideoInfo * out, GstVideoDitherMethod dither, GError ** error)
{
  GstSanaWork *works = converter->works;

  if (in->width == out->width && in->height == out->height)
    return add_step (converter, in, out, dither, error);
  return add_work (converter, 0, in, error) &&
      add_work (converter, 1, out, error) &&
      add_step (converter, in, &works[0].info, GST_VIDEO_DITHER_NONE, error) &&
      add_step (converter, &works[0].info, &works[1].info,
      GST_VIDEO_DITHER_NONE, error) &&
      add_step (converter, &works[1].info, out, dither, error);
}

GstSanaConverter *
gst_sana_converter_new (const GstVideoInfo * in, const GstVideoInfo * out,
    GstVideoDitherMethod dither, GError ** error)
{
  GstSanaConverter *converter = g_new0 (GstSanaConverter, 1);

  if (add_steps (converter, in, out, dither, error))
    return converter;
  gst_sana_converter_free (converter);
  return NULL;
}

void
gst_sana_converter_free (GstSanaConverter * converter)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (converter->steps); i++)
    g_clear_pointer (&converter->steps[i], gst_video_converter_free);
  for (i = 0; i < G_N_ELEMENTS (converter->works); i++)
    gst_sana_work_clear (&converter->works[i]);
  g_free (converter);
}

void
gst_sana_converter_run (GstSanaConverter * converter, GstVideoFrame * in,
    GstVideoFrame * out)
{
  guint i, last = converter->n_steps - 1;

  for (i = 0; i <= last; i++)
    gst_video_converter_frame (converter->steps[i],
        i == 0 ? in : &converter->works[i - 1].frame,
        i == last ? out : &converter->works[i].frame);
}
