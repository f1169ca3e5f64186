/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanaimg2img's frames, from the queue on: which picture each shows. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsanaimg2img.h"

#define GST_CAT_DEFAULT gst_sana_img2img_debug

/* --- what goes wrong ------------------------------------------------------ */

static GstFlowReturn
flow_result (GstSanaImg2img * self)
{
  GstFlowReturn ret;

  g_mutex_lock (&self->lock);
  ret = self->srcresult;
  g_mutex_unlock (&self->lock);
  /* the frame is lost though nothing else is wrong */
  return ret == GST_FLOW_OK ? GST_FLOW_ERROR : ret;
}

static GstFlowReturn
fail (GstSanaImg2img * self, GstSanaDoing doing, const GError * error)
{
  gst_sana_post_error (GST_ELEMENT (self), doing, error);
  gst_sana_img2img_set_own_error (self);
  return GST_FLOW_ERROR;
}

/* Once until a frame succeeds: a device that is lost fails with each. */
static void
warn_once (GstSanaImg2img * self, GstSanaDoing doing, const GError * error)
{
  if (!self->failing)
    gst_sana_post_warning (GST_ELEMENT (self), doing, error);
  self->failing = TRUE;
}

static GstFlowReturn
copy_input (GstSanaImg2img * self, GstSanaFrame * frame)
{
  GError *error = NULL;
  GstFlowReturn ret = GST_FLOW_OK;

  if (!gst_sana_convert_copy (self->convert, frame->in, frame->out, &error))
    ret = fail (self, GST_SANA_DOING_FRAME, error);
  g_clear_error (&error);
  return ret;
}

static gboolean
show_last (GstSanaImg2img * self, GstSanaFrame * frame)
{
  if (!gst_sana_pace_show (&self->pace,
          gst_sana_convert_out_info (self->convert), frame->out))
    return FALSE;
  GST_BUFFER_FLAG_SET (frame->out, GST_BUFFER_FLAG_GAP);
  return TRUE;
}

/* What `frame` shows in place of the picture that `failed`, which may be its
 * own. */
static GstFlowReturn
replace_failed (GstSanaImg2img * self, GstSanaFrame * failed,
    GstSanaFrame * frame)
{
  GstSanaStats *stats = &self->common.stats;
  GstSanaDoing doing = failed->job.doing;
  const GError *error = failed->error;

  /* the next is to be computed, whatever it is like */
  gst_sana_similar_reset (&self->pace.similar);
  if (g_error_matches (error, SANA_ERROR, SANA_ERROR_NOT_FINITE)) {
    gst_sana_stats_count (stats, GST_SANA_COUNT_NOT_FINITE);
    if (show_last (self, frame)) {
      warn_once (self, doing, error);
      return GST_FLOW_OK;
    }
  }
  if (frame->values.on_error == GST_SANA_ON_ERROR_ERROR || !frame->in)
    return fail (self, doing, error);
  warn_once (self, doing, error);
  gst_sana_stats_count (stats, GST_SANA_COUNT_PASSED_THROUGH);
  return copy_input (self, frame);
}

/* --- pictures ------------------------------------------------------------- */

/* Says so when a prompt is seen for the first time. */
static void
announce (GstSanaImg2img * self, const GstSanaFrame * drawn, GstBuffer * out)
{
  const GstSanaJob *job = &drawn->job;
  gboolean another = self->announced.prompt != NULL;
  const GstSegment *segment;
  GstEvent *event;

  if (!job->applied.prompt || (self->announced.prompt &&
          gst_sana_settings_same_prompt (&job->applied, &self->announced)))
    return;
  gst_sana_settings_clear (&self->announced);
  gst_sana_settings_copy (&self->announced, &job->applied);
  event = gst_pad_get_sticky_event (self->srcpad, GST_EVENT_SEGMENT, 0);
  if (!event)
    return;
  gst_event_parse_segment (event, &segment);
  gst_sana_post_prompt_applied (GST_ELEMENT (self), &self->announced, segment,
      out);
  if (another && job->settings.force_key_unit)
    gst_pad_push_event (self->srcpad,
        gst_sana_new_force_key_unit (segment, out, self->n_prompts++));
  gst_event_unref (event);
}

/* A picture came back from the worker. */
static void
take_picture (GstSanaImg2img * self, const GstSanaFrame * drawn)
{
  GstClockTime needed = 0;
  /* else it was begun before that changed */
  gboolean counts = drawn->job.settings.steps == self->measured.steps;
  gboolean grown, tight;

  self->failing = self->bypassed = FALSE;
  self->drawn = TRUE;
  gst_sana_stats_add (&self->common.stats, &drawn->times, drawn->seed);
  gst_sana_pace_keep (&self->pace, gst_sana_convert_out_info (self->convert),
      drawn);
  g_mutex_lock (&self->lock);
  grown = counts && gst_sana_latency_add (&self->latency, drawn->took,
      GST_SANA_QUEUE_DEPTH) && self->live;
  tight = gst_sana_latency_is_short (&self->latency, GST_SANA_QUEUE_DEPTH,
      &needed) && self->live;
  g_mutex_unlock (&self->lock);

  if (grown)
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
  if (tight)
    GST_ELEMENT_WARNING (self, CORE, CLOCK,
        (_("Frames take longer than latency says; set it to %" G_GUINT64_FORMAT
                " ns or more."), needed), (NULL));
}

/* Has the frame computed.  FALSE: it is not there any more. */
static gboolean
compute (GstSanaImg2img * self, GstSanaFrame * frame)
{
  gboolean back = TRUE;

  g_mutex_lock (&self->lock);
  if (self->srcresult == GST_FLOW_OK) {
    self->busy = frame;
    self->done = FALSE;
    gst_sana_worker_submit (self->worker, &frame->job);
    while (!self->done && self->srcresult == GST_FLOW_OK)
      g_cond_wait (&self->computed, &self->lock);
    self->busy = NULL;
    back = self->done;
  }
  if (back && self->srcresult != GST_FLOW_OK) {
    g_mutex_unlock (&self->lock);
    gst_sana_frame_free (frame);
    return FALSE;
  }
  g_mutex_unlock (&self->lock);
  /* what is not back is freed by the worker, or when it comes */
  return back;
}

/* What is shown before the first picture.  FALSE: nothing, wait for it. */
static gboolean
show_startup (GstSanaImg2img * self, GstSanaFrame * frame, GstFlowReturn * ret)
{
  gboolean live;

  g_mutex_lock (&self->lock);
  live = self->live;
  g_mutex_unlock (&self->lock);
  switch (gst_sana_startup_resolve (self->startup_mode, live)) {
    case GST_SANA_STARTUP_PASSTHROUGH:
      *ret = copy_input (self, frame);
      return TRUE;
    case GST_SANA_STARTUP_BLACK:
      *ret = GST_FLOW_OK;
      if (!gst_sana_pace_blacken (gst_sana_convert_out_info (self->convert),
              frame->out))
        *ret = gst_sana_img2img_fail_buffer (self);
      return TRUE;
    default:
      return FALSE;
  }
}

/* pacing=wait; takes the frame away when it is not OK. */
static GstFlowReturn
show_own (GstSanaImg2img * self, GstSanaFrame ** place)
{
  GstSanaFrame *frame = *place;
  GstFlowReturn ret = GST_FLOW_OK;
  gboolean started;

  g_mutex_lock (&self->lock);
  started = self->started;
  g_mutex_unlock (&self->lock);
  if (!started && show_startup (self, frame, &ret))
    return ret;
  if (!gst_sana_pace_wants (&self->pace, frame,
          gst_sana_convert_in_info (self->convert))
      && show_last (self, frame)) {
    gst_sana_stats_count (&self->common.stats, GST_SANA_COUNT_REPEATED);
    return GST_FLOW_OK;
  }
  if (!compute (self, frame)) {
    *place = NULL;
    return flow_result (self);
  }
  if (frame->error)
    return replace_failed (self, frame, frame);
  take_picture (self, frame);
  announce (self, frame, frame->out);
  return GST_FLOW_OK;
}

/* Gives the frame's picture to the worker, unless that has one.  FALSE: it has
 * none. */
static gboolean
begin_next (GstSanaImg2img * self, GstSanaFrame * frame)
{
  GstSanaFrame *copy;
  gboolean busy;

  g_mutex_lock (&self->lock);
  busy = self->background != NULL;
  g_mutex_unlock (&self->lock);
  if (busy || !gst_sana_pace_wants (&self->pace, frame,
          gst_sana_convert_in_info (self->convert)))
    return busy;
  copy = gst_sana_frame_new_copy (frame, self->convert);
  g_mutex_lock (&self->lock);
  if (self->srcresult == GST_FLOW_OK) {
    self->background = copy;
    gst_sana_worker_submit (self->worker, &copy->job);
    busy = TRUE;
  }
  g_mutex_unlock (&self->lock);
  if (!busy)
    gst_sana_frame_free (copy);
  return busy;
}

/* The newest picture of this scene that came back, or NULL; waits for one if
 * told.  Not OK: nothing is to be shown any more. */
static GstFlowReturn
take_newest (GstSanaImg2img * self, gboolean wait, GstSanaFrame ** newest)
{
  GstFlowReturn ret;

  g_mutex_lock (&self->lock);
  while (wait && !self->newest && self->background &&
      self->srcresult == GST_FLOW_OK)
    g_cond_wait (&self->computed, &self->lock);
  *newest = g_steal_pointer (&self->newest);
  ret = self->srcresult;
  g_mutex_unlock (&self->lock);
  if (*newest && (ret != GST_FLOW_OK || (*newest)->convert != self->convert ||
          (*newest)->epoch != self->epoch))
    g_clear_pointer (newest, gst_sana_frame_free);
  return ret;
}

void
gst_sana_img2img_forget_background (GstSanaImg2img * self)
{
  GstSanaFrame *newest;

  g_mutex_lock (&self->lock);
  self->background = NULL;
  newest = g_steal_pointer (&self->newest);
  g_mutex_unlock (&self->lock);
  if (newest)
    gst_sana_frame_free (newest);
}

/* What is shown where the scene has no picture yet.  FALSE: nothing, wait for
 * it; who has seen drawn pictures is not to see the camera between two. */
static gboolean
show_meanwhile (GstSanaImg2img * self, GstSanaFrame * frame,
    GstFlowReturn * ret)
{
  if (!self->bypassed)
    return !self->drawn && show_startup (self, frame, ret);
  *ret = copy_input (self, frame);
  return TRUE;
}

/* pacing=repeat: at once, whatever the worker does. */
static GstFlowReturn
show_newest (GstSanaImg2img * self, GstSanaFrame * frame)
{
  GstSanaFrame *newest;
  GstFlowReturn ret = take_newest (self, FALSE, &newest);
  gboolean coming = begin_next (self, frame);

  if (!newest && !self->pace.picture) {
    if (ret == GST_FLOW_OK && show_meanwhile (self, frame, &ret))
      return ret;
    while (ret == GST_FLOW_OK && !newest && coming) {
      ret = take_newest (self, TRUE, &newest);
      if (!newest)
        coming = begin_next (self, frame);
    }
  }
  if (ret != GST_FLOW_OK)
    return ret;
  if (!newest) {
    gst_sana_stats_count (&self->common.stats, GST_SANA_COUNT_REPEATED);
    return show_last (self, frame) ? GST_FLOW_OK : copy_input (self, frame);
  }
  if (newest->error) {
    ret = replace_failed (self, newest, frame);
  } else {
    take_picture (self, newest);
    if (!show_last (self, frame))
      ret = copy_input (self, frame);
    GST_BUFFER_FLAG_UNSET (frame->out, GST_BUFFER_FLAG_GAP);
    announce (self, newest, frame->out);
  }
  gst_sana_frame_free (newest);
  return ret;
}

/* --- frames --------------------------------------------------------------- */

static gboolean
is_late (GstSanaImg2img * self, GstSanaFrame * frame)
{
  gboolean late;

  /* who takes one for each he gives would wait for ever */
  if (!frame->values.qos || frame->values.pacing == GST_SANA_PACING_REPEAT)
    return FALSE;
  g_mutex_lock (&self->lock);
  late = gst_sana_qos_is_late (&self->qos, frame->job.running_time);
  g_mutex_unlock (&self->lock);
  return late;
}

static GstFlowReturn
push (GstSanaImg2img * self, GstSanaFrame * frame)
{
  GstBuffer *out = g_steal_pointer (&frame->out);
  GstFlowReturn ret;

  if (self->missed)
    GST_BUFFER_FLAG_SET (out, GST_BUFFER_FLAG_DISCONT);
  self->missed = FALSE;
  gst_sana_frame_free (frame);
  /* before, as who is asked by what is pushed may stop us */
  gst_sana_stats_count (&self->common.stats, GST_SANA_COUNT_OUT);
  ret = gst_pad_push (self->srcpad, out);
  gst_sana_stats_tell (&self->common.stats, GST_ELEMENT (self));
  /* another peer was linked while the picture was computed; the next is agreed
   * on with it */
  if (ret == GST_FLOW_NOT_NEGOTIATED &&
      gst_pad_needs_reconfigure (self->srcpad)) {
    self->missed = TRUE;
    ret = GST_FLOW_OK;
  }
  return ret;
}

/* What was drawn has nothing to do with what comes. */
static void
begin_scene (GstSanaImg2img * self)
{
  gst_sana_pace_reset (&self->pace);
  self->epoch++;
}

GstFlowReturn
gst_sana_img2img_show (GstSanaImg2img * self, GstSanaFrame * frame)
{
  GstSanaProcess process = gst_sana_img2img_values_get_process (&frame->values);
  GstBuffer *out = NULL;
  GstFlowReturn ret;

  if (frame->restart)
    begin_scene (self);
  frame->epoch = self->epoch;
  if (is_late (self, frame)) {
    gst_sana_img2img_drop (self, frame, GST_SANA_COUNT_QOS_DROPPED,
        &self->qos.carried);
    self->missed = TRUE;
    return GST_FLOW_OK;
  }
  ret = gst_sana_img2img_ensure_pool (self);
  if (ret == GST_FLOW_OK) {
    ret = gst_buffer_pool_acquire_buffer (self->pool, &out, NULL);
    if (ret == GST_FLOW_ERROR)
      ret = gst_sana_img2img_fail_buffer (self);
  }
  if (ret == GST_FLOW_OK) {
    gst_sana_img2img_set_process (self, &process);
    gst_sana_img2img_expect (self, frame->job.settings.steps);
    g_mutex_lock (&self->lock);
    gst_sana_qos_hand_over (&self->qos.carried, out);
    g_mutex_unlock (&self->lock);
    gst_sana_qos_hand_over (&frame->carried, out);
    gst_sana_frame_set_output (frame, self->convert, out);
    if (gst_sana_img2img_values_copy (&frame->values)) {
      begin_scene (self);
      self->bypassed = TRUE;
      ret = copy_input (self, frame);
    } else if (frame->values.pacing == GST_SANA_PACING_REPEAT)
      ret = show_newest (self, frame);
    else {
      /* what pacing=repeat has begun is old when that comes back */
      gst_sana_img2img_forget_background (self);
      ret = show_own (self, &frame);
    }
  }
  if (ret == GST_FLOW_OK)
    return push (self, frame);
  if (frame)
    gst_sana_frame_free (frame);
  return ret;
}
