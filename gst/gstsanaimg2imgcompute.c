/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanaimg2img's compute thread: what it warms up for, and what it brings. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstsanaimg2img.h"
#include "gstsanamodel.h"

#define GST_CAT_DEFAULT gst_sana_img2img_debug

/* The side of a picture of which nothing is known. */
#define LIKELY_SIZE 512

/* --- warming up ----------------------------------------------------------- */

void
gst_sana_img2img_name_model (GstSanaImg2img * self,
    const GstSanaSettings * settings)
{
  gchar *path = gst_sana_find_model (settings->model_path);

  g_free (self->model_name);
  self->model_name = g_strdup_printf ("%s %s %d", path, settings->device,
      settings->precision);
  g_free (path);
}

/* What the process knows these pictures as; the caller frees it. */
static gchar *
latency_key (GstSanaImg2img * self, const GstSanaMeasured * measured)
{
  return g_strdup_printf ("%s %u %dx%d", self->model_name, measured->steps,
      measured->width, measured->height);
}

static void
post_latency (GstSanaImg2img * self)
{
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_latency (GST_OBJECT (self)));
}

/* What upstream would most likely give. */
static void
guess_info (GstSanaImg2img * self, gint side, GstVideoInfo * info)
{
  GstCaps *caps = gst_pad_peer_query_caps (self->sinkpad, NULL);
  gboolean known = FALSE;

  if (!gst_caps_is_any (caps) && !gst_caps_is_empty (caps)) {
    GstStructure *structure;

    caps = gst_caps_truncate (gst_caps_make_writable (caps));
    structure = gst_caps_get_structure (caps, 0);
    gst_structure_fixate_field_nearest_int (structure, "width", side);
    gst_structure_fixate_field_nearest_int (structure, "height", side);
    caps = gst_caps_fixate (caps);
    known = gst_video_info_from_caps (info, caps);
  }
  gst_caps_unref (caps);
  if (!known)
    gst_video_info_set_format (info, GST_VIDEO_FORMAT_RGB, side, side);
}

static GstSanaJob *
new_warm_up (GstSanaImg2img * self, GstSanaConvert * convert)
{
  GstSanaFrame *frame = gst_sana_frame_new_warm_up (convert);

  gst_sana_common_snapshot (&self->common, &frame->job.settings);
  return &frame->job;
}

gboolean
gst_sana_img2img_expect (GstSanaImg2img * self, guint steps)
{
  GstSanaMeasured measured = { 0, 0, steps };
  gboolean grown, live;

  gst_sana_convert_get_size (self->convert, 1, &measured.width,
      &measured.height);
  if (self->pictures && measured.width == self->measured.width &&
      measured.height == self->measured.height && steps == self->measured.steps)
    return FALSE;
  gst_sana_img2img_remember (self);
  self->measured = measured;
  self->pictures = latency_key (self, &measured);
  g_mutex_lock (&self->lock);
  live = self->live;
  grown = gst_sana_latency_expect (&self->latency, self->pictures);
  g_mutex_unlock (&self->lock);
  if (grown && live)
    post_latency (self);
  return live;
}

/* With the answer known before the first of them, a live pipeline does not
 * skip. */
void
gst_sana_img2img_prepare (GstSanaImg2img * self)
{
  GstSanaJob *job = new_warm_up (self, self->convert);

  if (gst_sana_img2img_expect (self, job->settings.steps))
    gst_sana_worker_warm_up (self->worker, job);
  else
    job->free (job);
}

void
gst_sana_img2img_remember (GstSanaImg2img * self)
{
  if (self->pictures) {
    g_mutex_lock (&self->lock);
    gst_sana_latency_remember (&self->latency, self->pictures,
        GST_SANA_QUEUE_DEPTH);
    g_mutex_unlock (&self->lock);
  }
  g_clear_pointer (&self->pictures, g_free);
}

static GstSanaJob *
worker_warm_up (GstElement * element, const SanaModelInfo * info)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (element);
  GstSanaConvert *convert;
  GstSanaJob *job;
  GstSanaImg2imgValues values;
  GstSanaProcess process;
  GstVideoInfo video;
  gboolean live;

  gst_sana_img2img_update_live (self);
  g_mutex_lock (&self->lock);
  live = self->live;
  g_mutex_unlock (&self->lock);
  if (!live)
    return NULL;
  guess_info (self, MIN (info->native_size, LIKELY_SIZE), &video);
  GST_DEBUG_OBJECT (self, "warming up for %d × %d", video.width, video.height);
  gst_sana_img2img_get_values (self, &values);
  process = gst_sana_img2img_values_get_process (&values);
  convert = gst_sana_convert_new (&video, &video, &process);
  job = new_warm_up (self, convert);
  gst_sana_convert_unref (convert);
  return job;
}

/* --- what it brings ------------------------------------------------------- */

/* With the lock. */
static void
fail_locked (GstSanaImg2img * self)
{
  self->own_error = TRUE;
  if (self->srcresult == GST_FLOW_OK || self->srcresult == GST_FLOW_EOS)
    self->srcresult = GST_FLOW_ERROR;
  g_cond_broadcast (&self->added);
  g_cond_broadcast (&self->removed);
  g_cond_broadcast (&self->answered);
  g_cond_broadcast (&self->computed);
}

static void
worker_ready (GstElement * element, const SanaModelInfo * info,
    const GError * error)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (element);

  if (!error) {
    gst_sana_stats_loaded (&self->common.stats, info);
    return;
  }
  g_mutex_lock (&self->lock);
  self->broken = TRUE;
  fail_locked (self);
  g_mutex_unlock (&self->lock);
}

static void
worker_started (GstElement * element)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (element);

  g_mutex_lock (&self->lock);
  self->started = TRUE;
  g_mutex_unlock (&self->lock);
}

static void
worker_done (GstElement * element, GstSanaJob * job, const GError * error)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (element);
  GstSanaFrame *frame = (GstSanaFrame *) job;
  gboolean grown = FALSE;

  frame->error = error ? g_error_copy (error) : NULL;
  g_mutex_lock (&self->lock);
  if (frame->warm_up)
    grown = gst_sana_latency_foresee (&self->latency, frame->took,
        GST_SANA_QUEUE_DEPTH);
  if (self->busy == frame) {
    self->done = TRUE;
    frame = NULL;
  } else if (self->background == frame) {
    GstSanaFrame *unseen = self->newest;

    self->newest = frame;
    self->background = NULL;
    frame = unseen;
  }
  g_cond_broadcast (&self->computed);
  g_mutex_unlock (&self->lock);

  if (frame)
    gst_sana_frame_free (frame);
  if (grown)
    post_latency (self);
}

const GstSanaWorkerFuncs gst_sana_img2img_worker_funcs = {
  worker_ready, worker_warm_up, worker_started, worker_done
};
