/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanaframe.h"

#include "gstsanacuda.h"
#include "gstsanamap.h"
#include "gstsanavideo.h"

static void
frame_free_job (GstSanaJob * job)
{
  gst_sana_frame_free ((GstSanaFrame *) job);
}

/* What the frame needs of its input is read; a camera has few buffers, but a
 * frame that fails may be shown as it came. */
static void
release_input (GstSanaFrame * frame)
{
  if (frame->values.on_error != GST_SANA_ON_ERROR_PASSTHROUGH)
    gst_clear_buffer (&frame->in);
}

static gboolean
restyle_converted (GstSanaFrame * frame, SanaSession * session,
    SanaPrompt * prompt, const SanaParams * params, const SanaModelInfo * info,
    const GstSanaBlend * blend, GError ** error)
{
  SanaImage source, result;

  if (!gst_sana_convert_load (frame->convert, info->factor, frame->in, blend,
          &source, &result, error))
    return FALSE;
  release_input (frame);
  return sana_session_image_to_image (session, prompt, params, &source,
      &result, error) && gst_sana_convert_store (frame->convert, frame->out,
      blend, error);
}

/* Whether the model's device gets at a buffer's pixels where they are. */
static gboolean
is_beside_model (GstBuffer * buffer, const SanaModelInfo * info)
{
  return gst_sana_cuda_is_buffer (buffer) &&
      g_str_has_prefix (info->device, "cuda");
}

static GstMapFlags
where (const SanaVideoImage * image)
{
  return image->in_device_memory ? GST_SANA_MAP_CUDA : 0;
}

/* Formats and sizes change on the device. */
static gboolean
restyle_video (GstSanaFrame * frame, SanaSession * session,
    SanaPrompt * prompt, const SanaParams * params, const SanaModelInfo * info,
    SanaVideoImage * source, SanaVideoImage * target,
    const SanaContent * content, GError ** error)
{
  const GstVideoInfo *in_info = gst_sana_convert_in_info (frame->convert);
  const GstVideoInfo *out_info = gst_sana_convert_out_info (frame->convert);
  GstVideoFrame in, out;
  gboolean ok;

  source->in_device_memory = is_beside_model (frame->in, info);
  target->in_device_memory = is_beside_model (frame->out, info);
  if (!gst_sana_map_picture (&in, in_info, frame->in, GST_MAP_READ |
          where (source), error))
    return FALSE;
  ok = gst_sana_map_picture (&out, out_info, frame->out, GST_MAP_WRITE |
      where (target), error);
  if (ok) {
    /* mapping may have begun a copy of what the processor had written there; of
     * what is mapped to be written, all that was queued on the memory's own stream
     * is waited for, those who still read the picture before too */
    if (source->in_device_memory)
      gst_sana_cuda_wait (frame->in);
    if (target->in_device_memory)
      gst_sana_cuda_wait (frame->out);
    gst_sana_video_set_planes (source, &in);
    gst_sana_video_set_planes (target, &out);
    ok = sana_session_restyle_video (session, prompt, params, source, target,
        content, error);
    gst_video_frame_unmap (&out);
  }
  gst_video_frame_unmap (&in);
  if (ok)
    release_input (frame);
  return ok;
}

static gboolean
frame_run (GstSanaJob * job, SanaSession * session, SanaPrompt * prompt,
    const SanaModelInfo * info, GError ** error)
{
  GstSanaFrame *frame = (GstSanaFrame *) job;
  gint64 start = g_get_monotonic_time ();
  SanaParams params = SANA_PARAMS_DEFAULT;
  GstSanaBlend blend = { frame->values.mix, frame->values.temporal_smoothing,
    frame->epoch
  };
  SanaVideoImage source, target;
  SanaContent content;
  gboolean ok;

  gst_sana_settings_get_params (&job->settings, &params);
  params.seed += frame->number;
  frame->seed = params.seed;
  params.strength = frame->values.strength;
  params.strength_mode = frame->values.strength_mode;

  if (!frame->in || !frame->out) {
    g_set_error_literal (error, SANA_ERROR, SANA_ERROR_MEMORY,
        "no memory for a copy of a frame; use smaller video");
    return FALSE;
  }
  if (info->own_memory && gst_sana_convert_get_video (frame->convert,
          info->factor, &blend, &source, &target, &content))
    ok = restyle_video (frame, session, prompt, &params, info, &source, &target,
        &content, error);
  else
    ok = restyle_converted (frame, session, prompt, &params, info, &blend,
        error);
  if (!ok)
    return FALSE;
  frame->times = *sana_session_times (session);
  frame->took = (g_get_monotonic_time () - start) * GST_USECOND;
  return TRUE;
}

/* As the frames to come will be drawn, if nothing is mixed with them. */
static gboolean
prepare (GstSanaFrame * frame, SanaSession * session,
    const SanaModelInfo * info, GError ** error)
{
  static const GstSanaBlend plain = { 1, 0, 0 };
  SanaVideoImage source, target;
  SanaContent content;
  gint width, height;

  if (info->own_memory && gst_sana_convert_get_video (frame->convert,
          info->factor, &plain, &source, &target, &content))
    return sana_session_prepare_video (session, &source, &target, &content,
        error);
  gst_sana_convert_get_size (frame->convert, info->factor, &width, &height);
  return sana_session_prepare (session, width, height, error);
}

static gboolean
frame_run_warm_up (GstSanaJob * job, SanaSession * session,
    SanaPrompt * prompt, const SanaModelInfo * info, GError ** error)
{
  GstSanaFrame *frame = (GstSanaFrame *) job;
  gint64 start = g_get_monotonic_time ();
  const SanaTimes *times;

  if (!prepare (frame, session, info, error))
    return FALSE;
  /* without the planning, if the session says so; and it did one step */
  times = sana_session_times (session);
  if (times->total > 0)
    frame->took = (times->total + times->transformer *
        (MAX (job->settings.steps, 1) - 1)) * GST_SECOND;
  else
    frame->took = (g_get_monotonic_time () - start) * GST_USECOND;
  return TRUE;
}

static GstSanaFrame *
frame_new (void)
{
  GstSanaFrame *frame = g_new0 (GstSanaFrame, 1);

  frame->job.free = frame_free_job;
  frame->job.run = frame_run;
  frame->job.quiet = TRUE;
  frame->job.running_time = frame->stream_time = GST_CLOCK_TIME_NONE;
  return frame;
}

GstSanaFrame *
gst_sana_frame_new (GstBuffer * in)
{
  GstSanaFrame *frame = frame_new ();

  frame->in = in;
  return frame;
}

GstSanaFrame *
gst_sana_frame_new_warm_up (GstSanaConvert * convert)
{
  GstSanaFrame *frame = frame_new ();

  frame->job.run = frame_run_warm_up;
  frame->warm_up = TRUE;
  frame->convert = gst_sana_convert_ref (convert);
  return frame;
}

GstSanaFrame *
gst_sana_frame_new_copy (const GstSanaFrame * frame, GstSanaConvert * convert)
{
  GstSanaFrame *copy = frame_new ();
  const GstVideoInfo *out = gst_sana_convert_out_info (convert);

  gst_sana_settings_copy (&copy->job.settings, &frame->job.settings);
  copy->job.await_prompt = frame->job.await_prompt;
  copy->job.running_time = frame->job.running_time;
  copy->values = frame->values;
  copy->number = frame->number;
  copy->restart = frame->restart;
  copy->epoch = frame->epoch;
  copy->convert = gst_sana_convert_ref (convert);
  copy->in = gst_buffer_copy_deep (frame->in);
  copy->out = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (out), NULL);
  return copy;
}

void
gst_sana_frame_free (GstSanaFrame * frame)
{
  g_clear_error (&frame->error);
  gst_clear_buffer (&frame->carried);
  gst_clear_buffer (&frame->in);
  gst_clear_buffer (&frame->out);
  g_clear_pointer (&frame->convert, gst_sana_convert_unref);
  gst_sana_job_clear (&frame->job);
  g_free (frame);
}

typedef struct
{
  GstBuffer *out;
  GstVideoMetaTransform scale;
  gboolean scaled, recoloured;
} MetaCopy;

static gboolean
has_tag (const GstMetaInfo * info, const gchar * tag)
{
  return gst_meta_api_type_has_tag (info->api, g_quark_from_static_string
      (tag));
}

static gboolean
copy_meta (GstBuffer * in, GstMeta ** meta, gpointer user_data)
{
  MetaCopy *copy = user_data;
  const GstMetaInfo *info = (*meta)->info;
  GstMetaTransformCopy whole = { FALSE, 0, -1 };
  gboolean touched;

  /* what describes the input's memory, or keeps it, says nothing about ours */
  if (!info->transform_func || GST_META_FLAG_IS_SET (*meta,
          GST_META_FLAG_POOLED) || has_tag (info, GST_META_TAG_MEMORY_STR)
      || has_tag (info, GST_META_TAG_MEMORY_REFERENCE_STR))
    return TRUE;
  touched = (copy->recoloured &&
      has_tag (info, GST_META_TAG_VIDEO_COLORSPACE_STR)) || (copy->scaled &&
      (has_tag (info, GST_META_TAG_VIDEO_SIZE_STR) ||
          has_tag (info, GST_META_TAG_VIDEO_ORIENTATION_STR)));
  if (touched)
    info->transform_func (copy->out, *meta, in,
        gst_video_meta_transform_scale_get_quark (), &copy->scale);
  else
    info->transform_func (copy->out, *meta, in,
        _gst_meta_transform_copy, &whole);
  return TRUE;
}

void
gst_sana_frame_set_output (GstSanaFrame * frame, GstSanaConvert * convert,
    GstBuffer * out)
{
  const GstVideoInfo *in_info = gst_sana_convert_in_info (convert);
  const GstVideoInfo *out_info = gst_sana_convert_out_info (convert);
  MetaCopy copy = { out };

  frame->convert = gst_sana_convert_ref (convert);
  frame->out = out;
  gst_buffer_copy_into (out, frame->in,
      GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  GST_BUFFER_FLAG_UNSET (out, GST_BUFFER_FLAG_GAP);
  if (frame->discont)
    GST_BUFFER_FLAG_SET (out, GST_BUFFER_FLAG_DISCONT);
  copy.scale.in_info = (GstVideoInfo *) in_info;
  copy.scale.out_info = (GstVideoInfo *) out_info;
  copy.scaled = in_info->width != out_info->width ||
      in_info->height != out_info->height;
  copy.recoloured =
      GST_VIDEO_INFO_FORMAT (in_info) != GST_VIDEO_INFO_FORMAT (out_info) ||
      !gst_video_colorimetry_is_equal (&in_info->colorimetry,
      &out_info->colorimetry);
  gst_buffer_foreach_meta (frame->in, copy_meta, &copy);
}
