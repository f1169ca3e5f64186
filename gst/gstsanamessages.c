/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsanamessages.h"

#include <gst/video/video.h>

#define GST_CAT_DEFAULT gst_sana_category ()

static gchar *
say (GstSanaDoing doing, const GError * error)
{
  switch (doing) {
    case GST_SANA_DOING_OPEN:
      return g_strdup_printf (_("Cannot open the model: %s"), error->message);
    case GST_SANA_DOING_PROMPT:
      return g_strdup_printf (_("Cannot encode the prompt: %s"),
          error->message);
    case GST_SANA_DOING_FRAME:
    default:
      return g_strdup_printf (_("Cannot compute a frame: %s"), error->message);
  }
}

static GQuark
classify (GstSanaDoing doing, const GError * error, gint * code)
{
  if (error->domain == SANA_ERROR) {
    switch (error->code) {
      case SANA_ERROR_NOT_FOUND:
        *code = GST_RESOURCE_ERROR_NOT_FOUND;
        return GST_RESOURCE_ERROR;
      case SANA_ERROR_MALFORMED:
        *code = GST_RESOURCE_ERROR_READ;
        return GST_RESOURCE_ERROR;
      case SANA_ERROR_MEMORY:
        *code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
        return GST_RESOURCE_ERROR;
      case SANA_ERROR_UNSUPPORTED:
        *code = GST_LIBRARY_ERROR_INIT;
        return GST_LIBRARY_ERROR;
      case SANA_ERROR_SETTINGS:
        *code = GST_LIBRARY_ERROR_SETTINGS;
        return GST_LIBRARY_ERROR;
      default:
        break;
    }
  }
  if (doing == GST_SANA_DOING_FRAME) {
    *code = GST_STREAM_ERROR_FAILED;
    return GST_STREAM_ERROR;
  }
  *code = GST_LIBRARY_ERROR_FAILED;
  return GST_LIBRARY_ERROR;
}

static void
post (GstElement * element, GstMessageType type, GstSanaDoing doing,
    const GError * error)
{
  gint code;
  GQuark domain = classify (doing, error, &code);

  gst_element_message_full (element, type, domain, code, say (doing, error),
      g_strdup_printf ("%s, code %d", g_quark_to_string (error->domain),
          error->code), __FILE__, GST_FUNCTION, __LINE__);
}

void
gst_sana_post_error (GstElement * element, GstSanaDoing doing,
    const GError * error)
{
  if (g_error_matches (error, SANA_ERROR, SANA_ERROR_CANCELLED) ||
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    GST_DEBUG_OBJECT (element, "cancelled");
    return;
  }
  post (element, GST_MESSAGE_ERROR, doing, error);
}

void
gst_sana_post_warning (GstElement * element, GstSanaDoing doing,
    const GError * error)
{
  post (element, GST_MESSAGE_WARNING, doing, error);
}

void
gst_sana_post_progress (GstElement * element, GstProgressType type,
    gint percent, const gchar * text)
{
  GstMessage *message =
      gst_message_new_progress (GST_OBJECT (element), type, "open", text);

  if (percent >= 0)
    gst_structure_set (gst_message_writable_structure (message),
        "percent", G_TYPE_INT, percent, NULL);
  gst_element_post_message (element, message);
}

/* NONE where the segment cannot tell. */
static void
get_times (const GstSegment * segment, GstClockTime pts,
    GstClockTime * stream_time, GstClockTime * running_time)
{
  *stream_time = *running_time = GST_CLOCK_TIME_NONE;
  if (segment->format != GST_FORMAT_TIME)
    return;
  *stream_time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts);
  *running_time = gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts);
}

GstEvent *
gst_sana_new_force_key_unit (const GstSegment * segment, GstBuffer * buffer,
    guint count)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer), stream_time, running_time;

  get_times (segment, pts, &stream_time, &running_time);
  return gst_video_event_new_downstream_force_key_unit (pts, stream_time,
      running_time, TRUE, count);
}

void
gst_sana_post_prompt_applied (GstElement * element,
    const GstSanaSettings * settings, const GstSegment * segment,
    GstBuffer * buffer)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer), stream_time, running_time;

  get_times (segment, pts, &stream_time, &running_time);
  gst_element_post_message (element,
      gst_message_new_element (GST_OBJECT (element),
          gst_structure_new ("sana-prompt-applied",
              "prompt", G_TYPE_STRING, settings->prompt,
              "timestamp", GST_TYPE_CLOCK_TIME, pts,
              "stream-time", GST_TYPE_CLOCK_TIME, stream_time,
              "running-time", GST_TYPE_CLOCK_TIME, running_time,
              "duration", GST_TYPE_CLOCK_TIME, GST_BUFFER_DURATION (buffer),
              NULL)));
}
