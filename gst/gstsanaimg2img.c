/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-sanaimg2img
 * @title: sanaimg2img
 * @short_description: restyles video by a prompt
 *
 * Draws each frame anew by SANA-Sprint after a text: #GstSanaImg2img:prompt
 * says what it should be, #GstSanaImg2img:strength how far from the source it
 * may go.  Any raw video in system memory goes in and out, and NV12, I420, YV12,
 * Y444 and RGB of 8 bits in the memory of an NVIDIA GPU, which they do not leave
 * when the model runs on cuda; the output has the size of the input unless
 * downstream wants another.
 *
 * Frames are computed in a thread of the element's own, so one buffer in gives
 * one buffer out without waiting for a second, and stopping never waits for a
 * frame.  File to file every frame is kept; when the source is live and the
 * model slower than it, the oldest waiting frame is dropped.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=3 ! video/x-raw,width=256,height=192 ! sanaimg2img prompt="an oil painting" strength=0.35 ! videoconvert ! pngenc ! multifilesink location=frame%02d.png
 * ]| Three restyled pictures.
 * |[
 * gst-launch-1.0 filesrc location=in.webm ! decodebin ! videoconvert ! sanaimg2img prompt="a watercolour" ! videoconvert ! video/x-raw,format=I420 ! x264enc ! mp4mux ! filesink location=out.mp4
 * ]| A restyled film.
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! sanaimg2img model-path=DIRECTORY prompt="a pencil drawing" noise-mode=fixed ! videoconvert ! autovideosink
 * ]| A restyled camera.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstsanaimg2img.h"
#include "gstsanacolour.h"
#include "gstsanacuda.h"
#include "gstsanapreset.h"
#include "gstsanatextpad.h"

GST_DEBUG_CATEGORY (gst_sana_img2img_debug);
#define GST_CAT_DEFAULT gst_sana_img2img_debug

#define DEFAULT_STEPS 1

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_SANA_CUDA_CAPS ";" GST_SANA_VIDEO_CAPS ";"
        GST_VIDEO_CAPS_MAKE_WITH_FEATURES (GST_CAPS_FEATURE_FORMAT_INTERLACED,
            GST_VIDEO_FORMATS_ALL)));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_SANA_CUDA_CAPS ";" GST_SANA_VIDEO_CAPS));
static GstStaticPadTemplate text_template =
GST_STATIC_PAD_TEMPLATE ("text_sink", GST_PAD_SINK, GST_PAD_REQUEST,
    GST_STATIC_CAPS (GST_SANA_TEXT_CAPS));

static void gst_sana_img2img_preset_init (gpointer iface, gpointer data);

G_DEFINE_TYPE_WITH_CODE (GstSanaImg2img, gst_sana_img2img, GST_TYPE_ELEMENT,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, gst_sana_img2img_preset_init));
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (sanaimg2img, "sanaimg2img",
    GST_RANK_NONE, GST_TYPE_SANA_IMG2IMG,
    GST_DEBUG_CATEGORY_INIT (gst_sana_img2img_debug, "sanaimg2img", 0,
        "SANA video to video filter"));

static void
gst_sana_img2img_set_property (GObject * object, guint id,
    const GValue * value, GParamSpec * pspec)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (object);
  gboolean ok;

  GST_OBJECT_LOCK (self);
  ok = gst_sana_img2img_values_set (&self->values, id, value);
  GST_OBJECT_UNLOCK (self);
  if (id == GST_SANA_IMG2IMG_PROP (latency) ||
      id == GST_SANA_IMG2IMG_PROP (pacing) ||
      id == GST_SANA_IMG2IMG_PROP (leaky))
    gst_sana_img2img_timing_changed (self);
  if (ok)
    gst_sana_warn_if_late (GST_ELEMENT (self), pspec);
  else if (!gst_sana_common_set_property (&self->common, GST_ELEMENT (self),
          id, value, pspec))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_sana_img2img_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (object);
  gboolean ok;

  GST_OBJECT_LOCK (self);
  ok = gst_sana_img2img_values_get (&self->values, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!ok && !gst_sana_common_get_property (&self->common, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

void
gst_sana_img2img_get_values (GstSanaImg2img * self,
    GstSanaImg2imgValues * values)
{
  GST_OBJECT_LOCK (self);
  *values = self->values;
  GST_OBJECT_UNLOCK (self);
}

static gchar **
gst_sana_img2img_preset_names (GstPreset * preset)
{
  static const gchar *const names[] =
      { "prompt", "strength", "guidance-scale", "steps", "temporal-smoothing",
    NULL
  };

  return gst_sana_preset_names (preset, names);
}

static void
set_together (GstElement * element, GParamSpec ** specs, const GValue * values,
    guint n)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (element);
  guint i;

  GST_OBJECT_LOCK (self);
  for (i = 0; i < n; i++) {
    guint id = specs[i]->param_id;

    if (!gst_sana_img2img_values_set (&self->values, id, &values[i]))
      gst_sana_common_set_property (&self->common, element, id, &values[i],
          specs[i]);
  }
  GST_OBJECT_UNLOCK (self);
}

static gboolean
gst_sana_img2img_load_preset (GstPreset * preset, const gchar * name)
{
  return gst_sana_preset_load (preset, name, set_together);
}

static void
gst_sana_img2img_preset_init (gpointer iface, gpointer data)
{
  GstPresetInterface *preset = iface;

  preset->get_property_names = gst_sana_img2img_preset_names;
  preset->load_preset = gst_sana_img2img_load_preset;
}

static void
start (GstSanaImg2img * self)
{
  GstSanaSettings settings = { 0 };
  GstSanaImg2imgValues values;

  gst_sana_stats_start (&self->common.stats);
  gst_sana_img2img_get_values (self, &values);
  gst_sana_pace_reset (&self->pace);
  gst_sana_cues_start (&self->cues);
  self->missed = self->failing = FALSE;
  self->drawn = self->bypassed = FALSE;
  self->startup_mode = values.startup_mode;
  g_mutex_lock (&self->lock);
  self->broken = FALSE;
  self->own_error = FALSE;
  self->started = FALSE;
  gst_sana_img2img_set_live (self, FALSE, &values);
  gst_sana_qos_reset (&self->qos);
  self->discont = FALSE;
  self->frame_duration = GST_CLOCK_TIME_NONE;
  gst_sana_latency_reset (&self->latency);
  g_mutex_unlock (&self->lock);

  gst_sana_common_start (&self->common, GST_ELEMENT (self));
  gst_sana_common_snapshot (&self->common, &settings);
  gst_sana_img2img_name_model (self, &settings);
  self->worker = gst_sana_worker_start (GST_ELEMENT (self), &settings,
      &gst_sana_img2img_worker_funcs);
  gst_sana_settings_clear (&settings);
}

static void
stop (GstSanaImg2img * self)
{
  GstSanaWorker *worker;

  gst_sana_common_stop (&self->common);
  g_mutex_lock (&self->worker_lock);
  worker = g_steal_pointer (&self->worker);
  g_mutex_unlock (&self->worker_lock);
  gst_sana_worker_stop (worker);
  gst_sana_img2img_reset_output (self);
}

static GstStateChangeReturn
gst_sana_img2img_change_state (GstElement * element, GstStateChange transition)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (element);
  GstStateChangeReturn ret;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!gst_sana_common_check_model (&self->common, element))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      start (self);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      gst_sana_img2img_set_flushing (self);
      gst_sana_img2img_flush_worker (self);
      break;
    default:
      break;
  }

  ret = GST_ELEMENT_CLASS (gst_sana_img2img_parent_class)->change_state
      (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED &&
          ret == GST_STATE_CHANGE_FAILURE))
    stop (self);
  return ret;
}

static void
gst_sana_img2img_set_context (GstElement * element, GstContext * context)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (element);

  gst_sana_cuda_set_context (element, context, &self->cuda);
  GST_ELEMENT_CLASS (gst_sana_img2img_parent_class)->set_context (element,
      context);
}

static GstPad *
gst_sana_img2img_request_new_pad (GstElement * element,
    GstPadTemplate * template, const gchar * name, const GstCaps * caps)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (element);
  GstPad *pad = gst_element_get_static_pad (element, "text_sink");

  if (pad) {
    GST_WARNING_OBJECT (element, "there is one text_sink already");
    gst_object_unref (pad);
    return NULL;
  }
  pad = gst_sana_text_pad_new (template, "text_sink", &self->cues);
  gst_pad_set_active (pad, TRUE);
  gst_element_add_pad (element, pad);
  return pad;
}

static void
gst_sana_img2img_release_pad (GstElement * element, GstPad * pad)
{
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
}

static void
gst_sana_img2img_finalize (GObject * object)
{
  GstSanaImg2img *self = GST_SANA_IMG2IMG (object);

  gst_clear_object (&self->cuda);
  g_free (self->model_name);
  gst_clear_buffer (&self->carried);
  gst_sana_queue_clear (&self->queue);
  gst_sana_qos_reset (&self->qos);
  gst_sana_pace_clear (&self->pace);
  gst_sana_common_clear (&self->common);
  gst_sana_cues_clear (&self->cues);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->worker_lock);
  g_cond_clear (&self->added);
  g_cond_clear (&self->removed);
  g_cond_clear (&self->answered);
  g_cond_clear (&self->computed);
  G_OBJECT_CLASS (gst_sana_img2img_parent_class)->finalize (object);
}

static void
gst_sana_img2img_class_init (GstSanaImg2imgClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_sana_img2img_set_property;
  object_class->get_property = gst_sana_img2img_get_property;
  object_class->finalize = gst_sana_img2img_finalize;
  gst_sana_common_install_properties (object_class, DEFAULT_STEPS);
  gst_sana_img2img_values_install (object_class);

  element_class->change_state = gst_sana_img2img_change_state;
  element_class->set_context = gst_sana_img2img_set_context;
  element_class->request_new_pad = gst_sana_img2img_request_new_pad;
  element_class->release_pad = gst_sana_img2img_release_pad;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template (element_class, &text_template);
  gst_element_class_set_static_metadata (element_class,
      "SANA video to video filter", "Filter/Effect/Video",
      "Restyles video by a prompt with SANA-Sprint", "The sana authors");
  gst_element_class_add_static_metadata (element_class,
      GST_ELEMENT_METADATA_DOC_URI, GST_SANA_DOC_URI);
}

static void
gst_sana_img2img_init (GstSanaImg2img * self)
{
  GstPad *pad;

  gst_sana_common_init (&self->common, DEFAULT_STEPS);
  gst_sana_cues_init (&self->cues);
  gst_sana_img2img_values_init (&self->values, G_OBJECT_GET_CLASS (self));
  g_mutex_init (&self->lock);
  g_mutex_init (&self->worker_lock);
  g_cond_init (&self->added);
  g_cond_init (&self->removed);
  g_cond_init (&self->answered);
  g_cond_init (&self->computed);
  gst_sana_queue_init (&self->queue);
  gst_sana_latency_configure (&self->latency, self->values.latency, FALSE);
  gst_sana_qos_reset (&self->qos);
  self->srcresult = GST_FLOW_FLUSHING;
  self->scale_x = self->scale_y = 1;

  pad = self->sinkpad =
      gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (pad, gst_sana_img2img_chain);
  gst_pad_set_event_function (pad, gst_sana_img2img_sink_event);
  gst_pad_set_query_function (pad, gst_sana_img2img_sink_query);
  gst_pad_set_activatemode_function (pad, gst_sana_img2img_sink_activate);
  /* caps that say nothing of interlacing are progressive */
  GST_PAD_SET_ACCEPT_INTERSECT (pad);
  gst_element_add_pad (GST_ELEMENT (self), pad);

  pad = self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (pad, gst_sana_img2img_src_event);
  gst_pad_set_query_function (pad, gst_sana_img2img_src_query);
  gst_pad_set_activatemode_function (pad, gst_sana_img2img_src_activate);
  GST_PAD_SET_ACCEPT_INTERSECT (pad);
  gst_element_add_pad (GST_ELEMENT (self), pad);
}
