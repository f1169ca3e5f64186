/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanapace.h"

#include "gstsanacuda.h"

#include <string.h>

void
gst_sana_pace_reset (GstSanaPace * pace)
{
  gst_clear_buffer (&pace->picture);
  gst_sana_settings_clear (&pace->settings);
  gst_sana_similar_reset (&pace->similar);
  pace->n = 0;
}

void
gst_sana_pace_clear (GstSanaPace * pace)
{
  gst_sana_pace_reset (pace);
  gst_sana_similar_clear (&pace->similar);
}

/* Whether the last picture is what these values make of the same input. */
static gboolean
same_look (const GstSanaPace * pace, const GstSanaFrame * frame)
{
  const GstSanaSettings *settings = &frame->job.settings;

  return pace->settings.prompt && pace->settings.seed == settings->seed &&
      gst_sana_settings_same_picture (&pace->settings, settings) &&
      !memcmp (&pace->values, &frame->values, sizeof (pace->values));
}

gboolean
gst_sana_pace_wants (GstSanaPace * pace, GstSanaFrame * frame,
    const GstVideoInfo * in_info)
{
  gdouble threshold = frame->values.similarity_threshold;
  gboolean like;

  /* one that has to look different is computed however like it is, and it is
   * the one that those to come are compared with */
  if (!same_look (pace, frame))
    gst_sana_similar_reset (&pace->similar);
  like = threshold > 0 && gst_sana_similar_check (&pace->similar, in_info,
      frame->in, threshold);
  if (pace->picture && (like || pace->n + 1 < frame->values.process_interval)) {
    pace->n++;
    return FALSE;
  }
  pace->n = 0;
  return TRUE;
}

static gboolean
copy_picture (const GstVideoInfo * from_info, GstBuffer * from,
    const GstVideoInfo * to_info, GstBuffer * to)
{
  GstVideoFrame in, out;
  gboolean ok;

  if (!gst_video_frame_map (&in, from_info, from,
          GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))
    return FALSE;
  ok = gst_video_frame_map (&out, to_info, to,
      GST_MAP_WRITE | GST_VIDEO_FRAME_MAP_FLAG_NO_REF);
  if (ok) {
    ok = gst_video_frame_copy (&out, &in);
    gst_video_frame_unmap (&out);
  }
  gst_video_frame_unmap (&in);
  return ok;
}

/* Whether the picture is shown again though nothing fails; else one in a GPU's
 * memory is not worth taking from there. */
static gboolean
is_shown_again (const GstSanaImg2imgValues * values)
{
  return values->pacing == GST_SANA_PACING_REPEAT ||
      values->process_interval > 1 || values->similarity_threshold > 0;
}

void
gst_sana_pace_keep (GstSanaPace * pace, const GstVideoInfo * out_info,
    const GstSanaFrame * drawn)
{
  gst_sana_settings_clear (&pace->settings);
  /* else the next one looks different */
  if (!drawn->job.interim && !drawn->job.blending)
    gst_sana_settings_copy (&pace->settings, &drawn->job.settings);
  pace->values = drawn->values;
  if (pace->picture && !gst_video_info_is_equal (&pace->info, out_info))
    gst_clear_buffer (&pace->picture);
  if (gst_sana_cuda_is_buffer (drawn->out) && !is_shown_again (&drawn->values)) {
    gst_clear_buffer (&pace->picture);
    return;
  }
  if (!pace->picture) {
    pace->info = *out_info;
    pace->picture = gst_buffer_new_allocate (NULL, out_info->size, NULL);
  }
  if (pace->picture && !copy_picture (out_info, drawn->out,
          &pace->info, pace->picture))
    gst_clear_buffer (&pace->picture);
}

gboolean
gst_sana_pace_show (const GstSanaPace * pace, const GstVideoInfo * out_info,
    GstBuffer * out)
{
  return pace->picture && copy_picture (&pace->info, pace->picture, out_info,
      out);
}

/* What black is depends on the format; a black RGB picture becomes it. */
gboolean
gst_sana_pace_blacken (const GstVideoInfo * info, GstBuffer * out)
{
  static const guint8 black[2 * 8];
  GstVideoConverter *converter;
  GstVideoInfo rgb;
  GstVideoFrame from, to;
  GstBuffer *buffer;
  gboolean ok = FALSE;

  gst_video_info_set_format (&rgb, GST_VIDEO_FORMAT_RGB, 2, 2);
  GST_VIDEO_INFO_FPS_N (&rgb) = GST_VIDEO_INFO_FPS_N (info);
  GST_VIDEO_INFO_FPS_D (&rgb) = GST_VIDEO_INFO_FPS_D (info);
  converter = gst_video_converter_new (&rgb, info, NULL);
  if (!converter)
    return FALSE;
  buffer = gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY,
      (gpointer) black, sizeof (black), 0, sizeof (black), NULL, NULL);
  if (gst_video_frame_map (&from, &rgb, buffer, GST_MAP_READ)) {
    ok = gst_video_frame_map (&to, info, out,
        GST_MAP_WRITE | GST_VIDEO_FRAME_MAP_FLAG_NO_REF);
    if (ok) {
      gst_video_converter_frame (converter, &from, &to);
      gst_video_frame_unmap (&to);
    }
    gst_video_frame_unmap (&from);
  }
  gst_buffer_unref (buffer);
  gst_video_converter_free (converter);
  return ok;
}
