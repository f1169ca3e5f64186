/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanaimg2img's pads but for frames: events, queries, and what starts and stops
 * the flow. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsanacuda.h"
#include "gstsanaimg2img.h"
#include "gstsananegotiate.h"

#define GST_CAT_DEFAULT gst_sana_img2img_debug

/* With the lock. */
static void
wake_all_locked (GstSanaImg2img * self)
{
  g_cond_broadcast (&self->added);
  g_cond_broadcast (&self->removed);
  g_cond_broadcast (&self->computed);
  g_cond_broadcast (&self->answered);
}

/* With the lock. */
static void
start_locked (GstSanaImg2img * self)
{
  self->srcresult = self->broken ? GST_FLOW_ERROR : GST_FLOW_OK;
  self->own_error = self->broken;
  self->eos = FALSE;
  self->unexpected = FALSE;
}

/* Whether the task may wait for a buffer that downstream holds. */
static void
set_pool_flushing (GstSanaImg2img * self, gboolean flushing)
{
  GstBufferPool *pool;

  g_mutex_lock (&self->lock);
  pool = self->pool ? gst_object_ref (self->pool) : NULL;
  g_mutex_unlock (&self->lock);
  if (!pool)
    return;
  gst_buffer_pool_set_flushing (pool, flushing);
  gst_object_unref (pool);
}

void
gst_sana_img2img_set_flushing (GstSanaImg2img * self)
{
  g_mutex_lock (&self->lock);
  self->srcresult = GST_FLOW_FLUSHING;
  wake_all_locked (self);
  g_mutex_unlock (&self->lock);
  set_pool_flushing (self, TRUE);
}

void
gst_sana_img2img_flush_worker (GstSanaImg2img * self)
{
  g_mutex_lock (&self->worker_lock);
  if (self->worker)
    gst_sana_worker_flush (self->worker);
  g_mutex_unlock (&self->worker_lock);
  /* the worker has freed it, or never will */
  gst_sana_img2img_forget_background (self);
}

void
gst_sana_img2img_update_live (GstSanaImg2img * self)
{
  GstQuery *query = gst_query_new_latency ();
  GstSanaImg2imgValues values;
  gboolean live = FALSE;

  if (gst_pad_peer_query (self->sinkpad, query)) {
    gst_query_parse_latency (query, &live, NULL, NULL);
    gst_sana_img2img_get_values (self, &values);
    g_mutex_lock (&self->lock);
    gst_sana_img2img_set_live (self, live, &values);
    g_mutex_unlock (&self->lock);
  }
  gst_query_unref (query);
}

void
gst_sana_img2img_timing_changed (GstSanaImg2img * self)
{
  GstSanaImg2imgValues values;

  gst_sana_img2img_get_values (self, &values);
  g_mutex_lock (&self->lock);
  gst_sana_latency_configure (&self->latency, values.latency,
      values.pacing == GST_SANA_PACING_REPEAT);
  gst_sana_img2img_set_live (self, self->live, &values);
  g_mutex_unlock (&self->lock);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_latency (GST_OBJECT (self)));
}

/* --- events --------------------------------------------------------------- */

static gboolean
accept_caps (GstSanaImg2img * self, GstEvent * event)
{
  GstVideoInfo info;
  GstCaps *caps;
  gchar *refusal;

  gst_event_parse_caps (event, &caps);
  self->have_caps = FALSE;
  if (!gst_video_info_from_caps (&info, caps)) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        (_("No buffer holds pictures of this size; use smaller video.")),
        ("caps %" GST_PTR_FORMAT, caps));
    return FALSE;
  }
  refusal = gst_sana_refuse_info (&info, GST_OBJECT_NAME (self));
  if (refusal) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT, ("%s", refusal),
        ("caps %" GST_PTR_FORMAT, caps));
    g_free (refusal);
    return FALSE;
  }
  self->have_caps = TRUE;
  self->step = info.fps_n > 0 ?
      gst_util_uint64_scale (GST_SECOND, info.fps_d, info.fps_n) : 0;
  /* before the task sees them, for the warm-up */
  gst_sana_img2img_update_live (self);
  return TRUE;
}

/* With the lock: whether the flow takes this event, after what it changes. */
static gboolean
admit_event_locked (GstSanaImg2img * self, GstEvent * event)
{
  GstEventType type = GST_EVENT_TYPE (event);
  gboolean restarts = type == GST_EVENT_STREAM_START ||
      type == GST_EVENT_SEGMENT;

  if (restarts && (self->srcresult == GST_FLOW_EOS || self->eos) &&
      (self->srcresult == GST_FLOW_OK || self->srcresult == GST_FLOW_EOS)) {
    self->srcresult = GST_FLOW_OK;
    self->eos = FALSE;
    self->unexpected = FALSE;
    gst_pad_start_task (self->srcpad, gst_sana_img2img_loop, self->srcpad,
        NULL);
  }
  /* sticky events may come at any time; data flow tells what is wrong */
  if (self->srcresult != GST_FLOW_OK)
    return GST_EVENT_IS_STICKY (event) && type != GST_EVENT_EOS;
  if (self->eos)
    return FALSE;
  if (type == GST_EVENT_EOS)
    self->eos = TRUE;
  else if (restarts)
    self->unexpected = FALSE;
  return TRUE;
}

static gboolean
queue_event (GstSanaImg2img * self, GstEvent * event)
{
  gboolean last = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
  GstFlowReturn result;
  gboolean ok, own;

  g_mutex_lock (&self->lock);
  ok = admit_event_locked (self, event);
  result = self->srcresult;
  own = self->own_error;
  if (ok) {
    gst_sana_queue_push (&self->queue, GST_SANA_ITEM_EVENT, event);
    g_cond_broadcast (&self->added);
  }
  g_mutex_unlock (&self->lock);
  if (ok)
    return TRUE;

  gst_event_unref (event);
  /* no buffer follows that could carry the error upstream */
  if (last && !own && (result == GST_FLOW_NOT_LINKED || result < GST_FLOW_EOS))
    GST_ELEMENT_FLOW_ERROR (self, result);
  return FALSE;
}

static gboolean
flush_start (GstSanaImg2img * self, GstEvent * event)
{
  gboolean ret = gst_pad_push_event (self->srcpad, event);

  gst_sana_img2img_set_flushing (self);
  gst_sana_img2img_flush_worker (self);
  /* it holds nothing and waits for nothing that would not end at once */
  gst_pad_pause_task (self->srcpad);
  return ret;
}

static gboolean
flush_stop (GstSanaImg2img * self, GstEvent * event)
{
  gboolean ret = gst_pad_push_event (self->srcpad, event);
  GstCaps *caps = gst_pad_get_current_caps (self->sinkpad);

  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->n_frames = 0;
  self->last_time = GST_CLOCK_TIME_NONE;
  self->restart = TRUE;
  gst_clear_buffer (&self->carried);
  gst_sana_cues_restart (&self->cues);
  set_pool_flushing (self, FALSE);
  g_mutex_lock (&self->lock);
  gst_sana_qos_reset (&self->qos);
  gst_sana_queue_flush (&self->queue, self->srcpad);
  /* the task may not have seen them, and they are not sent again */
  if (caps && self->have_caps)
    gst_sana_queue_push (&self->queue, GST_SANA_ITEM_EVENT,
        gst_event_new_caps (caps));
  self->discont = FALSE;
  start_locked (self);
  if (gst_pad_is_active (self->srcpad))
    gst_pad_start_task (self->srcpad, gst_sana_img2img_loop, self->srcpad,
        NULL);
  g_mutex_unlock (&self->lock);
  if (caps)
    gst_caps_unref (caps);
  return ret;
}

gboolean
gst_sana_img2img_sink_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (parent);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      return flush_start (self, event);
    case GST_EVENT_FLUSH_STOP:
      return flush_stop (self, event);
    case GST_EVENT_CAPS:
      if (!accept_caps (self, event)) {
        gst_event_unref (event);
        return FALSE;
      }
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment (event, &self->segment);
      break;
    case GST_EVENT_STREAM_START:
      self->asked_live = FALSE;
      gst_sana_cues_set_ended (&self->cues, FALSE);
      break;
    case GST_EVENT_EOS:
      gst_sana_cues_set_ended (&self->cues, TRUE);
      break;
    default:
      break;
  }
  if (GST_EVENT_IS_SERIALIZED (event))
    return queue_event (self, event);
  return gst_pad_push_event (self->srcpad, event);
}

gboolean
gst_sana_img2img_src_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (parent);
  gdouble scale_x, scale_y;
  gboolean ret;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_RECONFIGURE:
      /* the pad remembers it for the next frame; who was not linked may be
       * linked now */
      g_mutex_lock (&self->lock);
      if (self->srcresult == GST_FLOW_NOT_LINKED) {
        self->srcresult = self->broken ? GST_FLOW_ERROR : GST_FLOW_OK;
        gst_pad_start_task (pad, gst_sana_img2img_loop, pad, NULL);
      }
      g_mutex_unlock (&self->lock);
      return gst_pad_push_event (self->sinkpad, event);
    case GST_EVENT_QOS:
      g_mutex_lock (&self->lock);
      gst_sana_qos_update (&self->qos, event, self->frame_duration);
      g_mutex_unlock (&self->lock);
      return gst_pad_push_event (self->sinkpad, event);
    case GST_EVENT_NAVIGATION:
      g_mutex_lock (&self->lock);
      scale_x = self->scale_x;
      scale_y = self->scale_y;
      g_mutex_unlock (&self->lock);
      event = gst_sana_scale_pointer (event, scale_x, scale_y);
      return gst_pad_push_event (self->sinkpad, event);
    case GST_EVENT_LATENCY:
      ret = gst_pad_event_default (pad, parent, event);
      gst_sana_img2img_update_live (self);
      return ret;
    default:
      return gst_pad_event_default (pad, parent, event);
  }
}

/* --- queries -------------------------------------------------------------- */

/* In its place among frames and events: DRAIN comes back when all before it is
 * out. */
static gboolean
queue_query (GstSanaImg2img * self, GstQuery * query)
{
  gboolean ret = FALSE;

  g_mutex_lock (&self->lock);
  if (self->srcresult == GST_FLOW_OK) {
    gst_sana_queue_push (&self->queue, GST_SANA_ITEM_QUERY, query);
    g_cond_broadcast (&self->added);
    /* while downstream has it, it must live */
    while (self->asking == query || (self->srcresult == GST_FLOW_OK &&
            self->last_query != query))
      g_cond_wait (&self->answered, &self->lock);
    if (self->last_query == query)
      ret = self->last_answer;
    else
      gst_sana_queue_remove_query (&self->queue, query);
    self->last_query = NULL;
  }
  g_mutex_unlock (&self->lock);
  return ret;
}

static GstCaps *
query_caps (GstSanaImg2img * self, GstPad * pad, GstCaps * filter)
{
  gboolean sink = pad == self->sinkpad;
  GstPad *other = sink ? self->srcpad : self->sinkpad;
  GstCaps *template = gst_pad_get_pad_template_caps (pad);
  GstCaps *peer = gst_pad_peer_query_caps (other, NULL);
  GstCaps *can, *caps;

  can = gst_sana_transform_caps (peer, !sink);
  if (gst_caps_is_any (peer)) {
    gst_caps_unref (can);
    caps = gst_pad_get_pad_template_caps (other);
    can = gst_sana_transform_caps (caps, !sink);
    gst_caps_unref (caps);
  }
  gst_caps_unref (peer);
  if (sink)
    can = gst_sana_append_refused_caps (can);
  caps = gst_caps_intersect_full (can, template, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (can);
  gst_caps_unref (template);
  if (filter) {
    can = caps;
    caps = gst_caps_intersect_full (filter, can, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (can);
  }
  return caps;
}

static gboolean
answer_caps (GstSanaImg2img * self, GstPad * pad, GstQuery * query)
{
  GstCaps *caps, *filter;

  gst_query_parse_caps (query, &filter);
  caps = query_caps (self, pad, filter);
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
  return TRUE;
}

/* A context set meanwhile is one that nobody asked for. */
static gboolean
answer_context (GstSanaImg2img * self, GstPad * pad, GstQuery * query)
{
  return gst_sana_cuda_answer_context (GST_ELEMENT (self), query,
      g_atomic_pointer_get (&self->cuda)) ||
      gst_pad_query_default (pad, GST_OBJECT (self), query);
}

gboolean
gst_sana_img2img_sink_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (parent);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      return answer_caps (self, pad, query);
    case GST_QUERY_ALLOCATION:
      return gst_sana_propose_allocation (query);
    case GST_QUERY_CONTEXT:
      return answer_context (self, pad, query);
    default:
      if (GST_QUERY_IS_SERIALIZED (query))
        return queue_query (self, query);
      return gst_pad_query_default (pad, parent, query);
  }
}

static gboolean
query_latency (GstSanaImg2img * self, GstQuery * query)
{
  GstSanaImg2imgValues values;
  GstClockTime min, max, own;
  gboolean live;

  if (!gst_pad_peer_query (self->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  gst_sana_img2img_get_values (self, &values);
  g_mutex_lock (&self->lock);
  gst_sana_img2img_set_live (self, live, &values);
  gst_sana_latency_apply (&self->latency, 1 + GST_SANA_QUEUE_DEPTH,
      self->frame_duration, self->leaky != GST_SANA_LEAKY_NO, &min, &max);
  own = gst_sana_latency_get (&self->latency);
  g_mutex_unlock (&self->lock);
  gst_sana_stats_set_latency (&self->common.stats, own);
  gst_query_set_latency (query, live, min, max);
  return TRUE;
}

gboolean
gst_sana_img2img_src_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (parent);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      return answer_caps (self, pad, query);
    case GST_QUERY_CONTEXT:
      return answer_context (self, pad, query);
    case GST_QUERY_LATENCY:
      return query_latency (self, query);
    case GST_QUERY_SCHEDULING:
      gst_query_add_scheduling_mode (query, GST_PAD_MODE_PUSH);
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

/* --- activation ----------------------------------------------------------- */

gboolean
gst_sana_img2img_sink_activate (GstPad * pad, GstObject * parent,
    GstPadMode mode, gboolean active)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (parent);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (active) {
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
    self->have_caps = FALSE;
    self->asked_live = FALSE;
    self->n_frames = 0;
    self->last_time = GST_CLOCK_TIME_NONE;
    gst_clear_buffer (&self->carried);
    g_mutex_lock (&self->lock);
    start_locked (self);
    g_mutex_unlock (&self->lock);
    return TRUE;
  }
  gst_sana_img2img_set_flushing (self);
  /* upstream's thread leaves chain before the queue goes */
  GST_PAD_STREAM_LOCK (pad);
  g_mutex_lock (&self->lock);
  gst_sana_queue_flush (&self->queue, NULL);
  g_mutex_unlock (&self->lock);
  GST_PAD_STREAM_UNLOCK (pad);
  return TRUE;
}

gboolean
gst_sana_img2img_src_activate (GstPad * pad, GstObject * parent,
    GstPadMode mode, gboolean active)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (parent);
  gboolean ret;

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (active) {
    set_pool_flushing (self, FALSE);
    g_mutex_lock (&self->lock);
    start_locked (self);
    g_mutex_unlock (&self->lock);
    /* which posts STREAM_STATUS; nobody else starts it before it is there */
    return gst_pad_start_task (pad, gst_sana_img2img_loop, pad, NULL);
  }
  gst_sana_img2img_set_flushing (self);
  gst_sana_img2img_flush_worker (self);
  ret = gst_pad_stop_task (pad);
  g_mutex_lock (&self->lock);
  gst_sana_queue_flush (&self->queue, NULL);
  g_mutex_unlock (&self->lock);
  return ret;
}
