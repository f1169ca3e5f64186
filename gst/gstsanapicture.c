/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstsanapicture.h"

#include "gstsanaconverter.h"
#include "gstsanageometry.h"
#include "gstsanaimage.h"

struct _GstSanaCanvas
{
  gint refs;                    /* atomic */
  GstVideoInfo info;

  /* compute thread; made with the first picture, as only then the model's
   * factor is known */
  GstVideoInfo work;            /* what the model draws */
  GstBuffer *work_buffer;       /* NULL: it draws straight into the picture */
  GstSanaConverter *converter;
};

GstSanaCanvas *
gst_sana_canvas_new (const GstVideoInfo * info)
{
  GstSanaCanvas *canvas = g_new0 (GstSanaCanvas, 1);

  canvas->refs = 1;
  /* default strides, whatever those of the pool will be */
  gst_video_info_set_format (&canvas->info, GST_VIDEO_INFO_FORMAT (info),
      GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info));
  canvas->info.colorimetry = info->colorimetry;
  canvas->info.chroma_site = info->chroma_site;
  canvas->info.fps_n = info->fps_n;
  canvas->info.fps_d = info->fps_d;
  return canvas;
}

GstSanaCanvas *
gst_sana_canvas_ref (GstSanaCanvas * canvas)
{
  g_atomic_int_inc (&canvas->refs);
  return canvas;
}

void
gst_sana_canvas_unref (GstSanaCanvas * canvas)
{
  if (!g_atomic_int_dec_and_test (&canvas->refs))
    return;
  if (canvas->converter)
    gst_sana_converter_free (canvas->converter);
  gst_clear_buffer (&canvas->work_buffer);
  g_free (canvas);
}

gboolean
gst_sana_canvas_fits (GstSanaCanvas * canvas, const GstVideoInfo * info)
{
  const GstVideoInfo *own = &canvas->info;

  return GST_VIDEO_INFO_FORMAT (own) == GST_VIDEO_INFO_FORMAT (info) &&
      GST_VIDEO_INFO_WIDTH (own) == GST_VIDEO_INFO_WIDTH (info) &&
      GST_VIDEO_INFO_HEIGHT (own) == GST_VIDEO_INFO_HEIGHT (info) &&
      GST_VIDEO_INFO_CHROMA_SITE (own) == GST_VIDEO_INFO_CHROMA_SITE (info) &&
      gst_video_colorimetry_is_equal (&own->colorimetry, &info->colorimetry);
}

/* The model draws multiples of its factor: a picture slightly larger than
 * asked, of which the middle is kept. */
static gboolean
prepare (GstSanaCanvas * canvas, gint factor, gboolean binning)
{
  const GstVideoInfo *info = &canvas->info;
  gint width = GST_VIDEO_INFO_WIDTH (info);
  gint height = GST_VIDEO_INFO_HEIGHT (info);
  GstVideoInfo work, middle;
  gboolean ok;

  /* with binning the pipeline itself scales and crops to any size */
  if (!binning)
    ok = gst_sana_work_info (&work, info, gst_sana_round_up (width, factor),
        gst_sana_round_up (height, factor), NULL);
  else
    ok = gst_sana_work_info (&work, info, width, height, NULL);
  if (!ok)
    return FALSE;

  if (canvas->work.finfo && gst_video_info_is_equal (&work, &canvas->work))
    return TRUE;
  g_clear_pointer (&canvas->converter, gst_sana_converter_free);
  gst_clear_buffer (&canvas->work_buffer);
  canvas->work = work;
  if (gst_sana_canvas_fits (canvas, &work))
    return TRUE;

  canvas->work_buffer = gst_buffer_new_allocate (NULL, work.size, NULL);
  if (canvas->work_buffer == NULL) {
    memset (&canvas->work, 0, sizeof (canvas->work));
    return FALSE;
  }
  middle = canvas->work;
  middle.width = width;
  middle.height = height;
  canvas->converter = gst_sana_converter_new (&middle, info,
      GST_VIDEO_DITHER_BAYER, NULL);
  return TRUE;
}

static gboolean
draw_into (GstSanaPicture * picture, GstBuffer * buffer,
    SanaSession * session, SanaPrompt * prompt, GError ** error)
{
  GstVideoFrame frame;
  SanaParams params;
  SanaImage image;
  gboolean ok;

  if (!gst_video_frame_map (&frame, &picture->canvas->work, buffer,
          GST_MAP_READWRITE)) {
    g_set_error_literal (error, SANA_ERROR, SANA_ERROR_FAILED,
        "the picture's memory could not be mapped");
    return FALSE;
  }
  gst_sana_settings_get_params (&picture->job.settings, &params);
  params.seed = picture->seed;
  params.resolution_binning = picture->binning;
  gst_sana_image_from_frame (&image, &frame);
  ok = sana_session_text_to_image (session, prompt, &params, &image, error);
  gst_video_frame_unmap (&frame);
  return ok;
}

static gboolean
convert (GstSanaCanvas * canvas, GstBuffer * buffer, GError ** error)
{
  GstVideoRectangle middle = { (canvas->work.width - canvas->info.width) / 2,
    (canvas->work.height - canvas->info.height) / 2, canvas->info.width,
    canvas->info.height
  };
  GstVideoFrame in, out, part;

  if (canvas->converter == NULL) {
    g_set_error (error, SANA_ERROR, SANA_ERROR_SETTINGS,
        "no conversion to %s is known; ask for another format",
        GST_VIDEO_INFO_NAME (&canvas->info));
    return FALSE;
  }
  if (!gst_video_frame_map (&in, &canvas->work, canvas->work_buffer,
          GST_MAP_READ))
    goto no_map;
  if (!gst_video_frame_map (&out, &canvas->info, buffer, GST_MAP_WRITE)) {
    gst_video_frame_unmap (&in);
    goto no_map;
  }
  gst_sana_image_cut_frame (&part, &in, &middle);
  gst_sana_converter_run (canvas->converter, &part, &out);
  gst_video_frame_unmap (&out);
  gst_video_frame_unmap (&in);
  return TRUE;

no_map:
  g_set_error_literal (error, SANA_ERROR, SANA_ERROR_FAILED,
      "the picture's memory could not be mapped");
  return FALSE;
}

static gboolean
picture_run (GstSanaJob * job, SanaSession * session, SanaPrompt * prompt,
    const SanaModelInfo * info, GError ** error)
{
  GstSanaPicture *picture = (GstSanaPicture *) job;
  GstSanaCanvas *canvas = picture->canvas;
  GstBuffer *buffer = NULL;
  gboolean ok;

  if (prepare (canvas, info->factor, picture->binning))
    buffer = gst_buffer_new_allocate (NULL, canvas->info.size, NULL);
  if (buffer == NULL) {
    g_set_error (error, SANA_ERROR, SANA_ERROR_MEMORY,
        "a picture of %d × %d does not fit into memory; ask for a smaller one",
        canvas->info.width, canvas->info.height);
    return FALSE;
  }
  if (canvas->work_buffer)
    ok = draw_into (picture, canvas->work_buffer, session, prompt, error) &&
        convert (canvas, buffer, error);
  else
    ok = draw_into (picture, buffer, session, prompt, error);

  if (ok) {
    picture->buffer = buffer;
    picture->times = *sana_session_times (session);
  } else {
    gst_buffer_unref (buffer);
  }
  return ok;
}

static void
picture_free (GstSanaJob * job)
{
  gst_sana_picture_free ((GstSanaPicture *) job);
}

GstSanaPicture *
gst_sana_picture_new (GstSanaCanvas * canvas, GstSanaSettings * settings,
    guint64 seed, gboolean binning)
{
  GstSanaPicture *picture = g_new0 (GstSanaPicture, 1);

  picture->job.settings = *settings;
  memset (settings, 0, sizeof (*settings));
  picture->job.run = picture_run;
  picture->job.free = picture_free;
  picture->canvas = gst_sana_canvas_ref (canvas);
  picture->seed = seed;
  picture->binning = binning;
  return picture;
}

void
gst_sana_picture_free (GstSanaPicture * picture)
{
  if (picture == NULL)
    return;
  gst_sana_job_clear (&picture->job);
  gst_sana_canvas_unref (picture->canvas);
  gst_clear_buffer (&picture->buffer);
  g_free (picture);
}

gboolean
gst_sana_picture_same (const GstSanaPicture * picture,
    const GstSanaPicture * want)
{
  return picture->canvas == want->canvas && picture->seed == want->seed &&
      picture->binning == want->binning &&
      gst_sana_settings_same_picture (&picture->job.settings,
      &want->job.settings);
}

/* A moment at most, until there is one of these caps: the converter is not
 * worth keeping. */
static gboolean
scale (const GstVideoInfo * from, GstVideoFrame * in, const GstVideoInfo * to,
    GstVideoFrame * out)
{
  GstSanaConverter *converter =
      gst_sana_converter_new (from, to, GST_VIDEO_DITHER_BAYER, NULL);

  if (converter == NULL)
    return FALSE;
  gst_sana_converter_run (converter, in, out);
  gst_sana_converter_free (converter);
  return TRUE;
}

gboolean
gst_sana_picture_copy (const GstSanaPicture * picture,
    const GstVideoInfo * info, GstBuffer * buffer)
{
  GstVideoInfo own = picture->canvas->info;
  GstVideoFrame in, out;
  gboolean ok;

  if (!gst_video_frame_map (&in, &own, picture->buffer, GST_MAP_READ))
    return FALSE;
  if (!gst_video_frame_map (&out, info, buffer, GST_MAP_WRITE)) {
    gst_video_frame_unmap (&in);
    return FALSE;
  }
  if (gst_sana_canvas_fits (picture->canvas, info))
    ok = gst_video_frame_copy (&out, &in);
  else
    ok = scale (&own, &in, info, &out);
  gst_video_frame_unmap (&out);
  gst_video_frame_unmap (&in);
  return ok;
}
