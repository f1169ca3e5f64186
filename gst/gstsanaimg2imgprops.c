/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanaimg2imgprops.h"
#include "gstsanavalues.h"

#define DEFAULT_STRENGTH 0.4
#define DEFAULT_STRENGTH_MODE SANA_STRENGTH_CONTINUOUS
#define DEFAULT_NOISE_MODE GST_SANA_NOISE_FIXED
#define DEFAULT_PROCESS_SIZE 0
#define DEFAULT_FIT GST_SANA_FIT_CROP
#define DEFAULT_MIX 1.0
#define DEFAULT_BYPASS FALSE
#define DEFAULT_TEMPORAL_SMOOTHING 0.0
#define DEFAULT_LATENCY GST_CLOCK_TIME_NONE
#define DEFAULT_QOS TRUE
#define DEFAULT_LEAKY GST_SANA_LEAKY_AUTO
#define DEFAULT_PACING GST_SANA_PACING_WAIT
#define DEFAULT_STARTUP_MODE GST_SANA_STARTUP_AUTO
#define DEFAULT_PROCESS_INTERVAL 1
#define DEFAULT_SIMILARITY_THRESHOLD 0.0
#define DEFAULT_ON_ERROR GST_SANA_ON_ERROR_ERROR

#define MAX_PROCESS_SIZE 16384

GType
gst_sana_strength_mode_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {SANA_STRENGTH_CONTINUOUS, "Share of noise to start from, any value",
        "continuous"},
    {SANA_STRENGTH_DIFFUSERS, "Share of the steps to run, as diffusers does",
        "diffusers"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaStrengthMode", values);
}

GType
gst_sana_noise_mode_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_SANA_NOISE_FIXED, "The noise of the seed for every frame", "fixed"},
    {GST_SANA_NOISE_PER_FRAME, "The noise of the seed plus the frame's number",
        "per-frame"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaNoiseMode", values);
}

GType
gst_sana_fit_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_SANA_FIT_STRETCH, "The whole picture, its shape changed", "stretch"},
    {GST_SANA_FIT_LETTERBOX, "The whole picture, its shape kept", "letterbox"},
    {GST_SANA_FIT_CROP, "The middle of the picture; its margins stay the input",
        "crop"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaFit", values);
}

/* --- the table ------------------------------------------------------------ */

#define PLAYING (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | \
    GST_PARAM_MUTABLE_PLAYING)
#define READY (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | \
    GST_PARAM_MUTABLE_READY)
#define CONTROLLED (PLAYING | GST_PARAM_CONTROLLABLE)

#define add(klass, field, spec) \
    g_object_class_install_property (klass, GST_SANA_IMG2IMG_PROP (field), spec)

static void
install_drawing (GObjectClass * klass)
{
  /**
   * GstSanaImg2img:strength:
   *
   * How far from the source a frame may go: the share of noise it starts from.
   */
  add (klass, strength, g_param_spec_double ("strength", "Strength",
          "How far from the source a frame may go; 0 copies it, 1 ignores it",
          0.0, 1.0, DEFAULT_STRENGTH, CONTROLLED));
  add (klass, strength_mode, g_param_spec_enum ("strength-mode",
          "Strength mode",
          "What strength counts: noise to start from, or steps to run (of one "
          "step all, whatever the strength)",
          GST_TYPE_SANA_STRENGTH_MODE, DEFAULT_STRENGTH_MODE, PLAYING));
  add (klass, noise_mode, g_param_spec_enum ("noise-mode", "Noise mode",
          "Noise of each frame: the same for all (flickers least) or another "
          "per frame", GST_TYPE_SANA_NOISE_MODE, DEFAULT_NOISE_MODE, PLAYING));
}

static void
install_picture (GObjectClass * klass)
{
  /**
   * GstSanaImg2img:process-width:
   *
   * With #GstSanaImg2img:process-height the size that the model works at,
   * whatever the size of the video.  If only one is given, the other follows
   * from the shape of the picture; see #GstSanaImg2img:fit for both.
   */
  add (klass, process_width, g_param_spec_uint ("process-width",
          "Process width",
          "Width to draw at, in square pixels (0 = from the output; one that "
          "the model cannot do is rounded up)",
          0, MAX_PROCESS_SIZE, DEFAULT_PROCESS_SIZE, PLAYING));
  add (klass, process_height, g_param_spec_uint ("process-height",
          "Process height",
          "Height to draw at, in square pixels (0 = from the output; one that "
          "the model cannot do is rounded up)",
          0, MAX_PROCESS_SIZE, DEFAULT_PROCESS_SIZE, PLAYING));
  add (klass, fit, g_param_spec_enum ("fit", "Fit",
          "Which part of the picture is drawn when process-width and "
          "process-height have another shape",
          GST_TYPE_SANA_FIT, DEFAULT_FIT, PLAYING));
  add (klass, mix, g_param_spec_double ("mix", "Mix",
          "Share of the drawn picture in the output; the rest is the input",
          0.0, 1.0, DEFAULT_MIX, CONTROLLED));
  add (klass, bypass, g_param_spec_boolean ("bypass", "Bypass",
          "Let the input through, at the same latency",
          DEFAULT_BYPASS, CONTROLLED));
  /**
   * GstSanaImg2img:temporal-smoothing:
   *
   * What flickers from frame to frame becomes calm, and nothing leaves a trail:
   * only where the input stands still, the drawn picture takes over this share
   * of the one before.
   */
  add (klass, temporal_smoothing, g_param_spec_double ("temporal-smoothing",
          "Temporal smoothing",
          "Share of the frame before, where the input has not changed",
          0.0, 1.0, DEFAULT_TEMPORAL_SMOOTHING, CONTROLLED));
}

static void
install_timing (GObjectClass * klass)
{
  add (klass, latency, g_param_spec_uint64 ("latency", "Latency",
          "Latency to report, in ns, in place of the measured one "
          "(18446744073709551615 = measured)",
          0, G_MAXUINT64, DEFAULT_LATENCY, PLAYING));
  add (klass, qos, g_param_spec_boolean ("qos", "QoS",
          "Drop frames that would reach the sink too late, before they are "
          "computed; false for recordings", DEFAULT_QOS, PLAYING));
  add (klass, leaky, g_param_spec_enum ("leaky", "Leaky",
          "What happens to frames that come while one waits already",
          GST_TYPE_SANA_LEAKY, DEFAULT_LEAKY, PLAYING));
  add (klass, pacing, g_param_spec_enum ("pacing", "Pacing",
          "Whether outputs wait for their picture, or show the newest at once",
          GST_TYPE_SANA_PACING, DEFAULT_PACING, PLAYING));
  add (klass, process_interval, g_param_spec_uint ("process-interval",
          "Process interval",
          "Compute every n-th frame; those between show the picture before",
          1, G_MAXUINT, DEFAULT_PROCESS_INTERVAL, PLAYING));
  add (klass, similarity_threshold,
      g_param_spec_double ("similarity-threshold", "Similarity threshold",
          "A frame at least so like the last one computed shows its picture, "
          "at most ten in a row (0 = off, 1 = only the same; 0.95 computes "
          "only frames with visible motion)", 0.0, 1.0,
          DEFAULT_SIMILARITY_THRESHOLD, PLAYING));
}

static void
install_policy (GObjectClass * klass)
{
  add (klass, startup_mode, g_param_spec_enum ("startup-mode", "Startup mode",
          "What is shown until the model is loaded and the first prompt encoded",
          GST_TYPE_SANA_STARTUP, DEFAULT_STARTUP_MODE, READY));
  add (klass, on_error, g_param_spec_enum ("on-error", "On error",
          "What becomes of a frame that cannot be computed (a model that cannot "
          "be loaded is an error always)",
          GST_TYPE_SANA_ON_ERROR, DEFAULT_ON_ERROR, PLAYING));

  gst_type_mark_as_plugin_api (GST_TYPE_SANA_LEAKY, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SANA_PACING, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SANA_STARTUP, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SANA_ON_ERROR, 0);
}

void
gst_sana_img2img_values_install (GObjectClass * klass)
{
  install_drawing (klass);
  install_picture (klass);
  install_timing (klass);
  install_policy (klass);

  gst_type_mark_as_plugin_api (GST_TYPE_SANA_STRENGTH_MODE, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SANA_NOISE_MODE, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SANA_FIT, 0);
}

/* --- values --------------------------------------------------------------- */

gboolean
gst_sana_img2img_values_set (GstSanaImg2imgValues * values, guint id,
    const GValue * value)
{
  return gst_sana_values_set (values, sizeof (*values), id, value);
}

gboolean
gst_sana_img2img_values_get (const GstSanaImg2imgValues * values, guint id,
    GValue * value)
{
  return gst_sana_values_get (values, sizeof (*values), id, value);
}

void
gst_sana_img2img_values_init (GstSanaImg2imgValues * values,
    GObjectClass * klass)
{
  gst_sana_values_init (values, sizeof (*values), klass);
}

GstSanaProcess
gst_sana_img2img_values_get_process (const GstSanaImg2imgValues * values)
{
  GstSanaProcess process = { values->process_width, values->process_height,
    values->fit
  };

  return process;
}

gboolean
gst_sana_img2img_values_copy (const GstSanaImg2imgValues * values)
{
  return values->bypass || values->strength <= 0 || values->mix <= 0;
}
