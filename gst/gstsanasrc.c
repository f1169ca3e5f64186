/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-sanasrc
 * @title: sanasrc
 * @short_description: draws pictures from text with SANA-Sprint
 *
 * Draws what #GstSanaSrc:prompt says, a new picture per frame or per
 * #GstSanaSrc:image-duration, of any size and in any raw format.  Picture n
 * depends on the properties, #GstSanaSrc:seed and n alone: running again, or
 * seeking back, gives the same pictures.
 *
 * The model is loaded in the background, with progress messages of code "open".
 * Not live, a frame waits for its picture and for the prompt that was set
 * before it.  Live, frames keep the rate of the caps: the last picture is
 * repeated, with %GST_BUFFER_FLAG_GAP, until the next one is ready.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 sanasrc num-buffers=1 prompt="clouds" ! videoconvert ! pngenc ! filesink location=clouds.png
 * ]| One picture of the model's native size.
 * |[
 * gst-launch-1.0 sanasrc num-buffers=4 seed=7 prompt="the ocean" ! video/x-raw,width=512,height=512,framerate=1/1 ! videoconvert ! pngenc ! multifilesink location=ocean%02d.png
 * ]| Four pictures of the same prompt, seeds 7 to 10.
 * |[
 * gst-launch-1.0 sanasrc is-live=true prompt="waves" ! video/x-raw,format=I420,width=256,height=256,framerate=30/1 ! videoconvert ! autovideosink
 * ]| A steady 30 frames per second, a new picture as often as the machine can.
 * |[
 * gst-launch-1.0 -e sanasrc num-buffers=10 prompt="a forest from above" ! video/x-raw,format=I420,width=512,height=512,framerate=2/1 ! x264enc ! mp4mux ! filesink location=forest.mp4
 * ]| A film of five seconds.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsanacuda.h"
#include "gstsanamessages.h"
#include "gstsananegotiate.h"
#include "gstsanapace.h"
#include "gstsanapreset.h"
#include "gstsanasrccaps.h"
#include "gstsanasrcprivate.h"

GST_DEBUG_CATEGORY (gst_sana_src_debug);
#define GST_CAT_DEFAULT gst_sana_src_debug

#define DEFAULT_STEPS 2

/* The side of pictures as long as the model's own is not known. */
#define LIKELY_SIZE 512

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_SANA_VIDEO_CAPS ", interlace-mode=progressive; "
        GST_SANA_CUDA_CAPS ", interlace-mode=progressive"));

static void gst_sana_src_preset_init (gpointer iface, gpointer data);

#define gst_sana_src_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE (GstSanaSrc, gst_sana_src, GST_TYPE_PUSH_SRC,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, gst_sana_src_preset_init);
    G_IMPLEMENT_INTERFACE (GST_TYPE_URI_HANDLER, gst_sana_src_uri_init));
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (sanasrc, "sanasrc", GST_RANK_NONE,
    GST_TYPE_SANA_SRC, GST_DEBUG_CATEGORY_INIT (gst_sana_src_debug, "sanasrc",
        0, "SANA text to video source"));

/* --- create --------------------------------------------------------------- */

static GstFlowReturn
new_buffer (GstSanaSrc * self, GstBuffer ** buffer)
{
  GstBufferPool *pool = gst_base_src_get_buffer_pool (GST_BASE_SRC (self));
  GstFlowReturn ret = GST_FLOW_OK;

  if (pool) {
    ret = gst_buffer_pool_acquire_buffer (pool, buffer, NULL);
    gst_object_unref (pool);
  } else {
    *buffer = gst_buffer_new_allocate (NULL, self->info.size, NULL);
  }
  if (ret == GST_FLOW_OK && !(self->shown ?
          gst_sana_picture_copy (self->shown, &self->info, *buffer) :
          gst_sana_pace_blacken (&self->info, *buffer))) {
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        (_("Cannot write into the memory that the next element offers.")),
        (NULL));
    gst_clear_buffer (buffer);
    ret = GST_FLOW_ERROR;
  }
  return ret;
}

/* Says so when a prompt is seen for the first time. */
static void
announce (GstSanaSrc * self, GstBuffer * buffer)
{
  const GstSanaJob *job = self->shown ? &self->shown->job : NULL;
  const GstSegment *segment = &GST_BASE_SRC (self)->segment;
  gboolean another = self->announced.prompt != NULL;

  self->announcing = FALSE;
  if (!job || !job->applied.prompt || (self->announced.prompt &&
          gst_sana_settings_same_prompt (&job->applied, &self->announced)))
    return;
  gst_sana_settings_clear (&self->announced);
  gst_sana_settings_copy (&self->announced, &job->applied);
  self->announcing = TRUE;
  gst_sana_post_prompt_applied (GST_ELEMENT (self), &self->announced, segment,
      buffer);
  /* goes out between a new segment, if there is one, and the buffer; who stops
   * this thread may hold the lock that gst_element_send_event() takes */
  if (another && job->settings.force_key_unit)
    GST_ELEMENT_CLASS (parent_class)->send_event (GST_ELEMENT (self),
        gst_sana_new_force_key_unit (segment, buffer, self->n_prompts++));
}

static GstFlowReturn
gst_sana_src_create (GstPushSrc * psrc, GstBuffer ** buffer)
{
  GstSanaSrc *self = GST_SANA_SRC (psrc);
  gboolean live = gst_base_src_is_live (GST_BASE_SRC (self));
  gboolean repeated = FALSE;
  GstFlowReturn ret;

  /* of what was pushed before */
  gst_sana_stats_tell (&self->common.stats, GST_ELEMENT (self));
  /* no canvas: EOS was sent before the model was there */
  if (!self->canvas || gst_sana_timeline_ended (&self->line))
    return GST_FLOW_EOS;

  if (live)
    gst_sana_src_make_up_for_lost (self);
  ret = gst_sana_src_next_picture (self, &repeated);
  if (ret != GST_FLOW_OK)
    return ret;
  ret = new_buffer (self, buffer);
  if (ret != GST_FLOW_OK)
    return ret;

  if (live)
    ret = gst_sana_src_go_on_air (self, repeated);
  if (ret != GST_FLOW_OK) {
    gst_clear_buffer (buffer);
    return ret;
  }
  if (repeated)
    GST_BUFFER_FLAG_SET (*buffer, GST_BUFFER_FLAG_GAP);
  if (self->discont)
    GST_BUFFER_FLAG_SET (*buffer, GST_BUFFER_FLAG_DISCONT);
  self->discont = FALSE;
  gst_sana_src_stamp (self, *buffer);
  self->produced++;
  gst_sana_stats_count (&self->common.stats, GST_SANA_COUNT_OUT);
  if (repeated)
    gst_sana_stats_count (&self->common.stats, GST_SANA_COUNT_REPEATED);
  announce (self, *buffer);
  return GST_FLOW_OK;
}

/* --- negotiation ---------------------------------------------------------- */

/* Not before the model is loaded, as its native size is to be known. */
static gboolean
gst_sana_src_negotiate (GstBaseSrc * src)
{
  gboolean ending;

  if (GST_SANA_SRC (src)->black)
    return GST_BASE_SRC_CLASS (parent_class)->negotiate (src);
  if (!gst_sana_src_wait_model (GST_SANA_SRC (src), &ending))
    return FALSE;
  if (ending) {
    gst_pad_mark_reconfigure (GST_BASE_SRC_PAD (src));
    return TRUE;
  }
  return GST_BASE_SRC_CLASS (parent_class)->negotiate (src);
}

static GstCaps *
gst_sana_src_fixate (GstBaseSrc * src, GstCaps * caps)
{
  GstSanaSrc *self = GST_SANA_SRC (src);
  gint size;

  g_mutex_lock (&self->lock);
  size = self->native_size;
  g_mutex_unlock (&self->lock);
  caps = gst_sana_src_caps_prefer (caps, size, gst_base_src_is_live (src));
  caps = GST_BASE_SRC_CLASS (parent_class)->fixate (src, caps);
  return gst_sana_src_caps_complete (caps);
}

static gboolean
gst_sana_src_set_caps (GstBaseSrc * src, GstCaps * caps)
{
  GstSanaSrc *self = GST_SANA_SRC (src);
  GstVideoInfo info;
  gboolean new_rate;

  if (!gst_video_info_from_caps (&info, caps)) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        (_("No buffer holds pictures of this size; ask for smaller ones.")),
        ("caps %" GST_PTR_FORMAT, caps));
    return FALSE;
  }
  if (!gst_sana_check_output (GST_ELEMENT (self), &info))
    return FALSE;
  GST_DEBUG_OBJECT (self, "caps %" GST_PTR_FORMAT, caps);

  gst_sana_timeline_set_rate (&self->line, info.fps_n, info.fps_d);
  if (self->canvas == NULL || !gst_sana_canvas_fits (self->canvas, &info)) {
    g_clear_pointer (&self->canvas, gst_sana_canvas_unref);
    self->canvas = gst_sana_canvas_new (&info);
  }
  new_rate = info.fps_n != self->info.fps_n || info.fps_d != self->info.fps_d;
  GST_OBJECT_LOCK (self);
  self->info = info;
  GST_OBJECT_UNLOCK (self);
  gst_base_src_set_blocksize (src, GST_VIDEO_INFO_SIZE (&info));
  if (new_rate && gst_base_src_is_live (src))
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
  return TRUE;
}

static gboolean
gst_sana_src_decide_allocation (GstBaseSrc * src, GstQuery * query)
{
  GstSanaSrc *self = GST_SANA_SRC (src);

  /* EOS before the model: no caps either */
  if (self->canvas && !gst_sana_src_caps_set_pool (GST_ELEMENT (self), query,
          &self->info, &self->cuda))
    return FALSE;
  return GST_BASE_SRC_CLASS (parent_class)->decide_allocation (src, query);
}

/* --- seek, queries -------------------------------------------------------- */

static gboolean
gst_sana_src_is_seekable (GstBaseSrc * src)
{
  return !gst_base_src_is_live (src);
}

static gboolean
gst_sana_src_do_seek (GstBaseSrc * src, GstSegment * segment)
{
  GstSanaSrc *self = GST_SANA_SRC (src);

  /* backwards from no end: from where we are */
  if (segment->rate < 0.0 && !GST_CLOCK_TIME_IS_VALID (segment->stop)) {
    if (!GST_CLOCK_TIME_IS_VALID (segment->position))
      segment->position = segment->start;
    segment->stop = segment->position;
  }
  segment->time = segment->start;
  gst_sana_timeline_seek (&self->line, segment->position, segment->rate < 0.0);
  self->discont = TRUE;
  gst_sana_src_forget_failure (self);
  g_mutex_lock (&self->lock);
  self->ending = FALSE;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static gboolean
query_duration (GstSanaSrc * self, const GstVideoInfo * info, GstQuery * query)
{
  GstFormat format;
  gint num_buffers;
  gint64 duration;

  g_object_get (self, "num-buffers", &num_buffers, NULL);
  gst_query_parse_duration (query, &format, NULL);
  if (num_buffers < 0 || info->finfo == NULL ||
      (info->fps_n == 0 && format == GST_FORMAT_TIME))
    return FALSE;
  if (!gst_video_info_convert (info, GST_FORMAT_DEFAULT, num_buffers, format,
          &duration))
    return FALSE;
  gst_query_set_duration (query, format, duration);
  return TRUE;
}

static gboolean
gst_sana_src_query (GstBaseSrc * src, GstQuery * query)
{
  GstSanaSrc *self = GST_SANA_SRC (src);
  GstVideoInfo info;
  GstFormat from, to;
  gint64 value, result;
  GstClockTime latency;
  gboolean live;

  GST_OBJECT_LOCK (self);
  info = self->info;
  GST_OBJECT_UNLOCK (self);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      /* one frame; before the caps, one at the rate we would choose */
      live = gst_base_src_is_live (src);
      latency = info.fps_n > 0 ?
          gst_util_uint64_scale (GST_SECOND, info.fps_d, info.fps_n) :
          live && info.finfo == NULL ? GST_SECOND / 30 : 0;
      gst_query_set_latency (query, live, latency, GST_CLOCK_TIME_NONE);
      gst_sana_stats_set_latency (&self->common.stats, latency);
      return TRUE;
    case GST_QUERY_CONTEXT:
      if (gst_sana_cuda_answer_context (GST_ELEMENT (self), query,
              g_atomic_pointer_get (&self->cuda)))
        return TRUE;
      break;
    case GST_QUERY_DURATION:
      if (query_duration (self, &info, query))
        return TRUE;
      break;
    case GST_QUERY_CONVERT:
      gst_query_parse_convert (query, &from, &value, &to, &result);
      if (info.finfo == NULL ||
          !gst_video_info_convert (&info, from, value, to, &result))
        return FALSE;
      gst_query_set_convert (query, from, value, to, result);
      return TRUE;
    default:
      break;
  }
  return GST_BASE_SRC_CLASS (parent_class)->query (src, query);
}

/* --- start, stop ---------------------------------------------------------- */

static gboolean
gst_sana_src_start (GstBaseSrc * src)
{
  GstSanaSrc *self = GST_SANA_SRC (src);
  GstSanaSettings settings;
  gboolean live = gst_base_src_is_live (src);

  self->ready = self->failed = FALSE;
  self->unlocked = self->ending = self->playing = FALSE;
  g_mutex_lock (&self->common.lock);
  self->black = live && self->values.startup_mode == GST_SANA_SRC_STARTUP_BLACK;
  g_mutex_unlock (&self->common.lock);
  self->native_size = LIKELY_SIZE;
  self->live_count = self->produced = 0;
  self->shown_since = 0;
  self->discont = FALSE;
  gst_sana_timeline_reset (&self->line);

  gst_sana_stats_start (&self->common.stats);
  gst_sana_common_start (&self->common, GST_ELEMENT (self));
  gst_sana_common_snapshot (&self->common, &settings);
  self->worker = gst_sana_worker_start (GST_ELEMENT (self), &settings,
      &gst_sana_src_worker_funcs);
  gst_sana_settings_clear (&settings);
  return TRUE;
}

static gboolean
gst_sana_src_stop (GstBaseSrc * src)
{
  GstSanaSrc *self = GST_SANA_SRC (src);

  gst_sana_common_stop (&self->common);
  gst_sana_worker_stop (g_steal_pointer (&self->worker));
  self->pending = NULL;
  g_clear_pointer (&self->drawn, gst_sana_picture_free);
  g_clear_pointer (&self->shown, gst_sana_picture_free);
  gst_sana_settings_clear (&self->announced);
  g_clear_pointer (&self->canvas, gst_sana_canvas_unref);
  GST_OBJECT_LOCK (self);
  memset (&self->info, 0, sizeof (self->info));
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
gst_sana_src_unlock (GstBaseSrc * src)
{
  GstSanaSrc *self = GST_SANA_SRC (src);

  g_mutex_lock (&self->lock);
  self->unlocked = TRUE;
  g_cond_broadcast (&self->news);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static gboolean
gst_sana_src_unlock_stop (GstBaseSrc * src)
{
  GstSanaSrc *self = GST_SANA_SRC (src);

  g_mutex_lock (&self->lock);
  self->unlocked = FALSE;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

/* While the model loads the streaming thread is told to end by itself.
 * GstBaseSrc would take the stream lock, which that thread keeps until the
 * sinks have prerolled, while whoever sends keeps the state lock that they
 * need for it. */
static gboolean
gst_sana_src_send_event (GstElement * element, GstEvent * event)
{
  GstSanaSrc *self = GST_SANA_SRC (element);
  gboolean loading;

  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    g_mutex_lock (&self->lock);
    loading = !self->ready && !self->failed && !self->black;
    if (loading)
      self->ending = TRUE;
    g_cond_broadcast (&self->news);
    g_mutex_unlock (&self->lock);
    if (loading) {
      gst_event_unref (event);
      return TRUE;
    }
  }
  return GST_ELEMENT_CLASS (parent_class)->send_event (element, event);
}

static GstStateChangeReturn
gst_sana_src_change_state (GstElement * element, GstStateChange transition)
{
  GstSanaSrc *self = GST_SANA_SRC (element);
  gboolean live;

  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    if (!gst_sana_common_check_model (&self->common, element))
      return GST_STATE_CHANGE_FAILURE;
  } else if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    g_mutex_lock (&self->common.lock);
    live = self->values.is_live;
    g_mutex_unlock (&self->common.lock);
    gst_base_src_set_live (GST_BASE_SRC (self), live);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) {
    gst_sana_src_set_playing (self, TRUE);
  } else if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) {
    gst_sana_src_set_playing (self, FALSE);
  }
  return GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
}

/* --- object --------------------------------------------------------------- */

static void
gst_sana_src_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * pspec)
{
  GstSanaSrc *self = GST_SANA_SRC (object);
  gboolean known;

  if (gst_sana_common_set_property (&self->common, GST_ELEMENT (self), id,
          value, pspec))
    return;
  g_mutex_lock (&self->common.lock);
  known = gst_sana_src_values_set (&self->values, id, value);
  g_mutex_unlock (&self->common.lock);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  else
    gst_sana_warn_if_late (GST_ELEMENT (self), pspec);
}

static void
gst_sana_src_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstSanaSrc *self = GST_SANA_SRC (object);
  gboolean known;

  if (gst_sana_common_get_property (&self->common, id, value))
    return;
  g_mutex_lock (&self->common.lock);
  known = gst_sana_src_values_get (&self->values, id, value);
  g_mutex_unlock (&self->common.lock);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static gchar **
gst_sana_src_preset_names (GstPreset * preset)
{
  static const gchar *const names[] =
      { "prompt", "guidance-scale", "steps", NULL };

  return gst_sana_preset_names (preset, names);
}

static void
set_together (GstElement * element, GParamSpec ** specs, const GValue * values,
    guint n)
{
  guint i;

  GST_OBJECT_LOCK (element);
  for (i = 0; i < n; i++)
    gst_sana_common_set_property (&GST_SANA_SRC (element)->common, element,
        specs[i]->param_id, &values[i], specs[i]);
  GST_OBJECT_UNLOCK (element);
}

static gboolean
gst_sana_src_load_preset (GstPreset * preset, const gchar * name)
{
  return gst_sana_preset_load (preset, name, set_together);
}

static void
gst_sana_src_preset_init (gpointer iface, gpointer data)
{
  GstPresetInterface *preset = iface;

  preset->get_property_names = gst_sana_src_preset_names;
  preset->load_preset = gst_sana_src_load_preset;
}

static void
gst_sana_src_set_context (GstElement * element, GstContext * context)
{
  gst_sana_cuda_set_context (element, context, &GST_SANA_SRC (element)->cuda);
  GST_ELEMENT_CLASS (parent_class)->set_context (element, context);
}

static void
gst_sana_src_finalize (GObject * object)
{
  GstSanaSrc *self = GST_SANA_SRC (object);

  gst_clear_object (&self->cuda);
  gst_sana_common_clear (&self->common);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->news);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_sana_src_class_init (GstSanaSrcClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSrcClass *src_class = GST_BASE_SRC_CLASS (klass);
  GstPushSrcClass *push_class = GST_PUSH_SRC_CLASS (klass);

  object_class->set_property = gst_sana_src_set_property;
  object_class->get_property = gst_sana_src_get_property;
  object_class->finalize = gst_sana_src_finalize;
  gst_sana_common_install_properties (object_class, DEFAULT_STEPS);
  gst_sana_src_values_install (object_class);

  gst_element_class_set_static_metadata (element_class,
      "SANA text to video source", "Source/Video",
      "Draws pictures from text with SANA-Sprint", "The sana authors");
  gst_element_class_add_static_metadata (element_class,
      GST_ELEMENT_METADATA_DOC_URI, GST_SANA_DOC_URI);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  element_class->send_event = GST_DEBUG_FUNCPTR (gst_sana_src_send_event);
  element_class->set_context = GST_DEBUG_FUNCPTR (gst_sana_src_set_context);
  element_class->change_state = GST_DEBUG_FUNCPTR (gst_sana_src_change_state);

  src_class->start = GST_DEBUG_FUNCPTR (gst_sana_src_start);
  src_class->stop = GST_DEBUG_FUNCPTR (gst_sana_src_stop);
  src_class->unlock = GST_DEBUG_FUNCPTR (gst_sana_src_unlock);
  src_class->unlock_stop = GST_DEBUG_FUNCPTR (gst_sana_src_unlock_stop);
  src_class->negotiate = GST_DEBUG_FUNCPTR (gst_sana_src_negotiate);
  src_class->fixate = GST_DEBUG_FUNCPTR (gst_sana_src_fixate);
  src_class->set_caps = GST_DEBUG_FUNCPTR (gst_sana_src_set_caps);
  src_class->decide_allocation =
      GST_DEBUG_FUNCPTR (gst_sana_src_decide_allocation);
  src_class->is_seekable = GST_DEBUG_FUNCPTR (gst_sana_src_is_seekable);
  src_class->do_seek = GST_DEBUG_FUNCPTR (gst_sana_src_do_seek);
  src_class->query = GST_DEBUG_FUNCPTR (gst_sana_src_query);
  src_class->get_times = GST_DEBUG_FUNCPTR (gst_sana_src_get_times);
  push_class->create = GST_DEBUG_FUNCPTR (gst_sana_src_create);
}

static void
gst_sana_src_init (GstSanaSrc * self)
{
  GstBaseSrc *src = GST_BASE_SRC (self);

  gst_sana_common_init (&self->common, DEFAULT_STEPS);
  gst_sana_src_values_init (&self->values, G_OBJECT_GET_CLASS (self));
  g_mutex_init (&self->lock);
  g_cond_init (&self->news);

  GST_PAD_SET_ACCEPT_INTERSECT (GST_BASE_SRC_PAD (src));
  gst_base_src_set_format (src, GST_FORMAT_TIME);
  gst_base_src_set_live (src, self->values.is_live);
}
