/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanaimg2img's source pad task. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsanaimg2img.h"
#include "gstsananegotiate.h"

#define GST_CAT_DEFAULT gst_sana_img2img_debug

/* --- output --------------------------------------------------------------- */

void
gst_sana_img2img_set_own_error (GstSanaImg2img * self)
{
  g_mutex_lock (&self->lock);
  self->own_error = TRUE;
  g_mutex_unlock (&self->lock);
}

GstFlowReturn
gst_sana_img2img_fail_buffer (GstSanaImg2img * self)
{
  gst_sana_post_no_pool (GST_ELEMENT (self), self->out_caps);
  gst_sana_img2img_set_own_error (self);
  return GST_FLOW_ERROR;
}

static void
drop_pool (GstSanaImg2img * self)
{
  GstBufferPool *pool;

  g_mutex_lock (&self->lock);
  pool = g_steal_pointer (&self->pool);
  g_mutex_unlock (&self->lock);
  if (!pool)
    return;
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
}

/* Pictures become others. */
static void
drop_convert (GstSanaImg2img * self)
{
  g_clear_pointer (&self->convert, gst_sana_convert_unref);
  gst_sana_pace_reset (&self->pace);
}

/* Agrees with downstream on a pool.  FLUSHING: nobody would end the wait for a
 * buffer of it. */
static GstFlowReturn
new_pool (GstSanaImg2img * self)
{
  GstBufferPool *pool = gst_sana_decide_allocation (GST_ELEMENT (self),
      self->srcpad, self->out_caps, gst_sana_convert_out_info (self->convert),
      &self->cuda);
  GstFlowReturn ret;

  if (!pool)
    return gst_sana_img2img_fail_buffer (self);
  g_mutex_lock (&self->lock);
  self->pool = pool;
  ret = self->srcresult;
  g_mutex_unlock (&self->lock);
  return ret;
}

void
gst_sana_img2img_reset_output (GstSanaImg2img * self)
{
  drop_pool (self);
  gst_caps_replace (&self->in_caps, NULL);
  gst_caps_replace (&self->out_caps, NULL);
  drop_convert (self);
  gst_sana_settings_clear (&self->announced);
  gst_sana_img2img_remember (self);
  self->skipping = FALSE;
}

/* Takes over what the output's caps say.  FALSE: it cannot be made, and the
 * element posted so. */
static gboolean
set_output (GstSanaImg2img * self, const GstVideoInfo * in,
    const GstVideoInfo * out)
{
  GstSanaImg2imgValues values;
  GstSanaProcess process;

  if (!gst_sana_check_output (GST_ELEMENT (self), out)) {
    gst_sana_img2img_set_own_error (self);
    return FALSE;
  }
  gst_sana_img2img_get_values (self, &values);
  process = gst_sana_img2img_values_get_process (&values);
  drop_convert (self);
  self->convert = gst_sana_convert_new (in, out, &process);
  g_mutex_lock (&self->lock);
  self->frame_duration = out->fps_n > 0 ?
      gst_util_uint64_scale (GST_SECOND, out->fps_d, out->fps_n) :
      GST_CLOCK_TIME_NONE;
  self->scale_x = (gdouble) in->width / out->width;
  self->scale_y = (gdouble) in->height / out->height;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

/* What downstream takes of what can become of in_caps, or NULL.  The filter is
 * for a capsfilter that lets go of other caps only then. */
static GstCaps *
choose_output (GstSanaImg2img * self)
{
  GstCaps *can = gst_sana_transform_caps (self->in_caps, FALSE);
  GstCaps *peer = gst_pad_peer_query_caps (self->srcpad, can);
  GstCaps *out = gst_sana_fixate_output (self->in_caps, peer);

  GST_DEBUG_OBJECT (self, "%" GST_PTR_FORMAT " becomes %" GST_PTR_FORMAT,
      self->in_caps, out);
  gst_caps_unref (can);
  gst_caps_unref (peer);
  return out;
}

static GstFlowReturn
fail_negotiation (GstSanaImg2img * self)
{
  if (GST_PAD_IS_FLUSHING (self->srcpad))
    return GST_FLOW_FLUSHING;
  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
      (_("What follows takes none of the formats that this video can become; "
              "put videoconvert and videorate there.")),
      ("from caps %" GST_PTR_FORMAT, self->in_caps));
  gst_sana_img2img_set_own_error (self);
  return GST_FLOW_NOT_NEGOTIATED;
}

/* Agrees with downstream on what becomes of in_caps, and says so. */
static GstFlowReturn
negotiate (GstSanaImg2img * self)
{
  GstCaps *out = choose_output (self);
  GstVideoInfo in_info, out_info;
  gboolean changed;

  if (!out && self->convert) {
    /* what downstream takes now is still to come from upstream, behind frames
     * that are not; where it does not, downstream refuses them */
    GST_DEBUG_OBJECT (self, "stays with %" GST_PTR_FORMAT, self->out_caps);
    return GST_FLOW_OK;
  }
  if (!out)
    return fail_negotiation (self);
  changed = !self->out_caps || !gst_caps_is_equal (self->out_caps, out);
  gst_caps_take (&self->out_caps, out);
  if (changed || !self->convert) {
    gst_video_info_from_caps (&in_info, self->in_caps);
    gst_video_info_from_caps (&out_info, out);
    if (!set_output (self, &in_info, &out_info))
      return GST_FLOW_NOT_NEGOTIATED;
  }
  if (!changed)
    return GST_FLOW_OK;

  drop_pool (self);
  gst_pad_push_event (self->srcpad, gst_event_new_caps (out));
  return GST_FLOW_OK;
}

static GstFlowReturn
set_caps (GstSanaImg2img * self, GstCaps * caps)
{
  GstFlowReturn ret;

  if (self->convert && gst_caps_is_equal (self->in_caps, caps))
    return GST_FLOW_OK;
  gst_caps_replace (&self->in_caps, caps);
  /* other pictures of the same output still need another conversion */
  drop_convert (self);
  ret = negotiate (self);
  if (ret == GST_FLOW_OK)
    gst_sana_img2img_prepare (self);
  return ret;
}

void
gst_sana_img2img_set_process (GstSanaImg2img * self,
    const GstSanaProcess * process)
{
  GstSanaConvert *last = self->convert;

  if (gst_sana_convert_is_for (last, process))
    return;
  self->convert = gst_sana_convert_new (gst_sana_convert_in_info (last),
      gst_sana_convert_out_info (last), process);
  gst_sana_convert_unref (last);
}

GstFlowReturn
gst_sana_img2img_ensure_pool (GstSanaImg2img * self)
{
  if (!self->convert)
    return GST_FLOW_NOT_NEGOTIATED;
  if (gst_pad_check_reconfigure (self->srcpad)) {
    GstFlowReturn ret = negotiate (self);

    if (ret != GST_FLOW_OK) {
      gst_pad_mark_reconfigure (self->srcpad);
      return ret;
    }
    drop_pool (self);
  }
  return self->pool ? GST_FLOW_OK : new_pool (self);
}

/* --- the task ------------------------------------------------------------- */

static GstFlowReturn
handle_event (GstSanaImg2img * self, GstEvent * event)
{
  GstEventType type = GST_EVENT_TYPE (event);
  GstFlowReturn ret;
  GstCaps *caps;

  switch (type) {
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      ret = set_caps (self, caps);
      gst_event_unref (event);
      return ret;
    case GST_EVENT_STREAM_START:
    case GST_EVENT_SEGMENT:
      self->skipping = FALSE;
      break;
    default:
      break;
  }
  if (self->skipping && !GST_EVENT_IS_STICKY (event)) {
    gst_event_unref (event);
    return GST_FLOW_OK;
  }
  gst_pad_push_event (self->srcpad, event);
  return type == GST_EVENT_EOS ? GST_FLOW_EOS : GST_FLOW_OK;
}

static void
handle_query (GstSanaImg2img * self, GstQuery * query)
{
  gboolean answer = !self->skipping && gst_pad_peer_query (self->srcpad, query);

  g_mutex_lock (&self->lock);
  self->asking = NULL;
  self->last_query = query;
  self->last_answer = answer;
  g_cond_broadcast (&self->answered);
  g_mutex_unlock (&self->lock);
}

/* EOS: that of upstream is out; who downstream wants no more is not asked again,
 * which is OK. */
static GstFlowReturn
handle_item (GstSanaImg2img * self, GstSanaItem * item)
{
  GstFlowReturn ret;

  switch (item->type) {
    case GST_SANA_ITEM_EVENT:
      return handle_event (self, item->data);
    case GST_SANA_ITEM_QUERY:
      handle_query (self, item->data);
      return GST_FLOW_OK;
    default:
      break;
  }
  if (self->skipping) {
    gst_sana_item_discard (item, NULL);
    return GST_FLOW_OK;
  }
  ret = gst_sana_img2img_show (self, item->data);
  if (ret != GST_FLOW_EOS)
    return ret;
  /* Downstream wants no more; events still have to reach it. */
  self->skipping = TRUE;
  g_mutex_lock (&self->lock);
  self->unexpected = !gst_sana_queue_has_restart (&self->queue);
  g_cond_broadcast (&self->removed);
  g_mutex_unlock (&self->lock);
  return GST_FLOW_OK;
}

/* With the lock, which it releases: the task ends, srcresult says why. */
static void
pause_and_unlock (GstSanaImg2img * self)
{
  GstFlowReturn ret = self->srcresult;
  gboolean own = self->own_error, eos = self->eos;

  GST_DEBUG_OBJECT (self, "task pauses: %s", gst_flow_get_name (ret));
  gst_pad_pause_task (self->srcpad);
  /* NOT_LINKED may be linked, EOS may be followed by another stream */
  if (ret != GST_FLOW_NOT_LINKED && ret != GST_FLOW_EOS)
    gst_sana_queue_flush (&self->queue, self->srcpad);
  g_cond_broadcast (&self->removed);
  g_cond_broadcast (&self->answered);
  g_mutex_unlock (&self->lock);

  if (ret != GST_FLOW_NOT_LINKED && ret >= GST_FLOW_EOS)
    return;
  /* nobody upstream is left to say it */
  if (eos && !own)
    GST_ELEMENT_FLOW_ERROR (self, ret);
  if (eos || own)
    gst_pad_push_event (self->srcpad, gst_event_new_eos ());
}

void
gst_sana_img2img_loop (gpointer pad)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (GST_PAD_PARENT (pad));
  GstSanaItem item;
  GstFlowReturn ret;

  g_mutex_lock (&self->lock);
  while (self->srcresult == GST_FLOW_OK &&
      !gst_sana_queue_pop (&self->queue, &item))
    g_cond_wait (&self->added, &self->lock);
  if (self->srcresult != GST_FLOW_OK) {
    pause_and_unlock (self);
    return;
  }
  if (item.type == GST_SANA_ITEM_QUERY)
    self->asking = item.data;
  g_cond_broadcast (&self->removed);
  g_mutex_unlock (&self->lock);

  ret = handle_item (self, &item);

  g_mutex_lock (&self->lock);
  /* a new stream may have begun behind its EOS, and even ended */
  if (ret == GST_FLOW_EOS && (!self->eos ||
          gst_sana_queue_has_restart (&self->queue)))
    ret = GST_FLOW_OK;
  if (self->srcresult == GST_FLOW_OK)
    self->srcresult = ret;
  if (self->srcresult != GST_FLOW_OK)
    pause_and_unlock (self);
  else
    g_mutex_unlock (&self->lock);
}
