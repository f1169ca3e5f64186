/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsanapromptfile.h"
#include "gstsanatextpad.h"

struct _GstSanaTextPad
{
  GstPad pad;
  GstSanaCues *cues;

  /* the thread that pushes */
  GstSegment segment;
  gchar *complaint;             /* the last one, said once */
};

G_DEFINE_TYPE (GstSanaTextPad, gst_sana_text_pad, GST_TYPE_PAD);

/* Says what is wrong with a text, unless that was the last thing said. */
static void
complain (GstSanaTextPad * self, GstObject * parent, GError * error)
{
  if (g_strcmp0 (self->complaint, error->message) != 0) {
    g_free (self->complaint);
    self->complaint = g_strdup (error->message);
    gst_element_message_full (GST_ELEMENT (parent), GST_MESSAGE_WARNING,
        error->domain, error->code,
        g_strdup_printf (_("%s.  It is left out."), error->message), NULL,
        __FILE__, GST_FUNCTION, __LINE__);
  }
  g_error_free (error);
}

/* Start and duration in running time, NONE where there is none.  FALSE: the
 * buffer is not in the segment. */
static gboolean
get_times (GstSanaTextPad * self, GstBuffer * buffer, GstClockTime * start,
    GstClockTime * duration)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer), from, to, other;

  *start = *duration = GST_CLOCK_TIME_NONE;
  if (!GST_CLOCK_TIME_IS_VALID (pts) || self->segment.format != GST_FORMAT_TIME) {
    *duration = GST_BUFFER_DURATION (buffer);
    return TRUE;
  }
  if (!gst_segment_clip (&self->segment, GST_FORMAT_TIME, pts,
          GST_BUFFER_DURATION_IS_VALID (buffer) ?
          pts + GST_BUFFER_DURATION (buffer) : GST_CLOCK_TIME_NONE, &from, &to))
    return FALSE;
  *start = gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, from);
  if (!GST_BUFFER_DURATION_IS_VALID (buffer))
    return TRUE;
  other = gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, to);
  *duration = MAX (*start, other) - MIN (*start, other);
  *start = MIN (*start, other);
  return TRUE;
}

static GstFlowReturn
chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  GstSanaTextPad *self = GST_SANA_TEXT_PAD (pad);
  GstClockTime start, duration;
  GError *error = NULL;
  GstMapInfo map;
  gchar *text;

  if (!get_times (self, buffer, &start, &duration) ||
      !gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  text = gst_sana_prompt_read ((const gchar *) map.data, map.size,
      _("A text for text_sink"), &error);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  if (!text) {
    complain (self, parent, error);
    return GST_FLOW_OK;
  }
  GST_DEBUG_OBJECT (pad, "'%.60s' at %" GST_TIME_FORMAT " for %"
      GST_TIME_FORMAT, text, GST_TIME_ARGS (start), GST_TIME_ARGS (duration));
  return gst_sana_cues_add (self->cues, text, start, duration);
}

static gboolean
event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstSanaTextPad *self = GST_SANA_TEXT_PAD (pad);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      gst_sana_cues_set_flushing (self->cues, TRUE);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
      gst_sana_cues_set_flushing (self->cues, FALSE);
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment (event, &self->segment);
      break;
    default:
      break;
  }
  gst_event_unref (event);
  return TRUE;
}

static gboolean
query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
    case GST_QUERY_ACCEPT_CAPS:
      return gst_pad_query_default (pad, parent, query);
    default:
      /* nothing that another pad could answer */
      return FALSE;
  }
}

static gboolean
activate (GstPad * pad, GstObject * parent, GstPadMode mode, gboolean active)
{
  GstSanaTextPad *self = GST_SANA_TEXT_PAD (pad);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (active)
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  gst_sana_cues_set_active (self->cues, active);
  return TRUE;
}

static void
gst_sana_text_pad_finalize (GObject * object)
{
  g_free (GST_SANA_TEXT_PAD (object)->complaint);
  G_OBJECT_CLASS (gst_sana_text_pad_parent_class)->finalize (object);
}

static void
gst_sana_text_pad_class_init (GstSanaTextPadClass * klass)
{
  G_OBJECT_CLASS (klass)->finalize = gst_sana_text_pad_finalize;
}

static void
gst_sana_text_pad_init (GstSanaTextPad * self)
{
}

GstPad *
gst_sana_text_pad_new (GstPadTemplate * template, const gchar * name,
    GstSanaCues * cues)
{
  GstPad *pad = g_object_new (GST_TYPE_SANA_TEXT_PAD, "name", name,
      "direction", GST_PAD_SINK, "template", template, NULL);

  GST_SANA_TEXT_PAD (pad)->cues = cues;
  gst_pad_set_chain_function (pad, chain);
  gst_pad_set_event_function (pad, event);
  gst_pad_set_query_function (pad, query);
  gst_pad_set_activatemode_function (pad, activate);
  return pad;
}
