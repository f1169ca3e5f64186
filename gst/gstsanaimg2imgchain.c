/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanaimg2img's frames, up to the queue: what upstream's thread does. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstsanaimg2img.h"

#define GST_CAT_DEFAULT gst_sana_img2img_debug

/* A longer step of the running time is another scene, but in slow video. */
#define JUMP GST_SECOND

void
gst_sana_img2img_set_live (GstSanaImg2img * self, gboolean live,
    const GstSanaImg2imgValues * values)
{
  self->live = live;
  self->leaky = gst_sana_leaky_resolve (values->leaky, live, values->pacing);
  g_cond_broadcast (&self->removed);
}

void
gst_sana_img2img_drop (GstSanaImg2img * self, GstSanaFrame * frame,
    GstSanaCount why, GstBuffer ** carried)
{
  GstSanaStats *stats = &self->common.stats;
  GstMessage *message;

  gst_sana_stats_count (stats, GST_SANA_COUNT_DROPPED);
  if (why != GST_SANA_COUNT_DROPPED)
    gst_sana_stats_count (stats, why);
  g_mutex_lock (&self->lock);
  message = gst_sana_qos_drop (&self->qos, GST_ELEMENT (self), self->live,
      frame->in, frame->job.running_time, frame->stream_time);
  gst_sana_qos_carry (carried, frame->carried);
  gst_sana_qos_carry (carried, frame->in);
  g_mutex_unlock (&self->lock);
  gst_sana_qos_set_counts (message,
      gst_sana_stats_get (stats, GST_SANA_COUNT_OUT),
      gst_sana_stats_get (stats, GST_SANA_COUNT_DROPPED));
  GST_CAT_DEBUG_OBJECT (gst_sana_performance_debug (), self,
      "frame %" GST_TIME_FORMAT " is dropped: %s",
      GST_TIME_ARGS (frame->job.running_time),
      why == GST_SANA_COUNT_QOS_DROPPED ? "late" : "too many");
  gst_sana_frame_free (frame);
  gst_element_post_message (GST_ELEMENT (self), message);
}

typedef enum
{
  ROOM,
  FULL,                         /* and the frame is to go, not to wait */
  ENDED,                        /* flow_locked() says why */
} Room;

/* With the lock: whether there is one, and why not. */
static GstFlowReturn
flow_locked (GstSanaImg2img * self)
{
  if (self->srcresult != GST_FLOW_OK)
    return self->srcresult;
  return self->eos || self->unexpected ? GST_FLOW_EOS : GST_FLOW_OK;
}

/* With the lock.  dropped: the frame that had to go for it, or NULL. */
static Room
make_room_locked (GstSanaImg2img * self, GstSanaFrame ** dropped)
{
  while (flow_locked (self) == GST_FLOW_OK) {
    if (self->queue.n_frames < GST_SANA_QUEUE_DEPTH)
      return ROOM;
    switch (self->leaky) {
      case GST_SANA_LEAKY_UPSTREAM:
        return FULL;
      case GST_SANA_LEAKY_DOWNSTREAM:
        *dropped =
            (GstSanaFrame *) gst_sana_queue_take_oldest_frame (&self->queue);
        return ROOM;
      default:
        g_cond_wait (&self->removed, &self->lock);
        break;
    }
  }
  return ENDED;
}

static void
take_times (GstSanaImg2img * self, GstSanaFrame * frame)
{
  GstClockTime pts = GST_BUFFER_PTS (frame->in);
  GstClockTime step = GST_BUFFER_DURATION_IS_VALID (frame->in) ?
      GST_BUFFER_DURATION (frame->in) : self->step;

  frame->job.running_time = frame->stream_time = GST_CLOCK_TIME_NONE;
  if (self->segment.format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID (pts))
    return;
  frame->job.running_time =
      gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, pts);
  frame->stream_time =
      gst_segment_to_stream_time (&self->segment, GST_FORMAT_TIME, pts);
  if (!GST_CLOCK_TIME_IS_VALID (frame->job.running_time))
    return;
  frame->restart = GST_CLOCK_TIME_IS_VALID (self->last_time) &&
      (frame->job.running_time < self->last_time ||
      frame->job.running_time - self->last_time > MAX (JUMP, 2 * step));
  self->last_time = frame->job.running_time;
}

/* A cue that is on stands for the prompt; the next one is encoded ahead. */
static void
take_cue (GstSanaImg2img * self, GstSanaFrame * frame)
{
  GstSanaSettings *settings = &frame->job.settings, ahead;
  gchar *text, *next;

  gst_sana_cues_at (&self->cues, frame->job.running_time, &text, &next);
  if (next) {
    gst_sana_settings_copy (&ahead, settings);
    gst_sana_settings_set_text (&ahead, next);
    gst_sana_worker_prepare (self->worker, &ahead);
    gst_sana_settings_clear (&ahead);
  }
  if (text)
    gst_sana_settings_set_text (settings, text);
  g_free (text);
  g_free (next);
}

/* The values the frame is drawn with are those of the time it comes. */
static void
take_values (GstSanaImg2img * self, GstSanaFrame * frame)
{
  if (GST_CLOCK_TIME_IS_VALID (frame->stream_time))
    gst_object_sync_values (GST_OBJECT (self), frame->stream_time);

  /* both under one lock: a preset changes both */
  GST_OBJECT_LOCK (self);
  gst_sana_common_snapshot (&self->common, &frame->job.settings);
  frame->values = self->values;
  GST_OBJECT_UNLOCK (self);
  take_cue (self, frame);
  if (frame->values.noise_mode == GST_SANA_NOISE_PER_FRAME)
    frame->number = self->n_frames;
  self->n_frames++;
}

static GstFlowReturn
enqueue (GstSanaImg2img * self, GstSanaFrame * frame)
{
  GstFlowReturn ret;

  g_mutex_lock (&self->lock);
  ret = flow_locked (self);
  if (ret == GST_FLOW_OK) {
    frame->job.await_prompt = !self->live &&
        frame->values.pacing == GST_SANA_PACING_WAIT;
    frame->discont = self->discont;
    self->discont = FALSE;
    gst_sana_queue_push (&self->queue, GST_SANA_ITEM_FRAME, frame);
    g_cond_broadcast (&self->added);
  }
  g_mutex_unlock (&self->lock);
  if (ret != GST_FLOW_OK)
    gst_sana_frame_free (frame);
  return ret;
}

GstFlowReturn
gst_sana_img2img_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (parent);
  GstSanaFrame *frame, *dropped = NULL;
  GstFlowReturn flow;
  Room room;

  if (!self->have_caps) {
    gst_buffer_unref (buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (!self->asked_live) {
    self->asked_live = TRUE;
    gst_sana_img2img_update_live (self);
  }
  gst_sana_stats_count (&self->common.stats, GST_SANA_COUNT_IN);

  frame = gst_sana_frame_new (buffer);
  take_times (self, frame);
  g_mutex_lock (&self->lock);
  room = make_room_locked (self, &dropped);
  flow = flow_locked (self);
  self->discont = self->discont || dropped || room == FULL;
  g_mutex_unlock (&self->lock);
  if (dropped) {
    frame->restart = frame->restart || dropped->restart;
    gst_sana_img2img_drop (self, dropped, GST_SANA_COUNT_DROPPED,
        &self->carried);
  }
  frame->restart = frame->restart || self->restart;
  self->restart = room != ROOM && frame->restart;
  if (room == FULL) {
    gst_sana_img2img_drop (self, frame, GST_SANA_COUNT_DROPPED, &self->carried);
    return GST_FLOW_OK;
  }
  if (room == ENDED) {
    gst_sana_frame_free (frame);
    return flow;
  }
  frame->carried = g_steal_pointer (&self->carried);
  take_values (self, frame);
  return enqueue (self, frame);
}
