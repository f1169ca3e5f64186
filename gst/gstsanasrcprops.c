/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanasrcprops.h"
#include "gstsanavalues.h"

#define DEFAULT_SEED_MODE GST_SANA_SEED_INCREMENT
#define DEFAULT_RESOLUTION_BINNING FALSE
#define DEFAULT_IS_LIVE FALSE
#define DEFAULT_STARTUP_MODE GST_SANA_SRC_STARTUP_AUTO
#define DEFAULT_TIMESTAMP_OFFSET 0
#define DEFAULT_IMAGE_DURATION 0

GType
gst_sana_seed_mode_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_SANA_SEED_FIXED, "The same seed for every picture", "fixed"},
    {GST_SANA_SEED_INCREMENT, "seed + n for picture n", "increment"},
    {GST_SANA_SEED_RANDOM, "Scattered seeds that follow from seed and n",
        "random"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaSeedMode", values);
}

GType
gst_sana_src_startup_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_SANA_SRC_STARTUP_AUTO, "block", "auto"},
    {GST_SANA_SRC_STARTUP_BLOCK, "Nothing, frames begin with the first picture",
        "block"},
    {GST_SANA_SRC_STARTUP_BLACK, "Black", "black"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaSrcStartupMode", values);
}

#define PLAYING (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | \
    GST_PARAM_MUTABLE_PLAYING)
#define READY (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | \
    GST_PARAM_MUTABLE_READY)

#define add(klass, field, spec) \
    g_object_class_install_property (klass, \
        GST_SANA_PROP_LAST + G_STRUCT_OFFSET (GstSanaSrcValues, field), spec)

void
gst_sana_src_values_install (GObjectClass * klass)
{
  add (klass, seed_mode, g_param_spec_enum ("seed-mode", "Seed mode",
          "Which seed picture n is drawn with (picture 0: seed itself)",
          GST_TYPE_SANA_SEED_MODE, DEFAULT_SEED_MODE, PLAYING));
  add (klass, resolution_binning, g_param_spec_boolean ("resolution-binning",
          "Resolution binning",
          "Draw at the nearest size the model was trained with and scale to "
          "the size of the caps (models of 1024 pixels)",
          DEFAULT_RESOLUTION_BINNING, PLAYING));
  add (klass, is_live, g_param_spec_boolean ("is-live", "Is live",
          "Keep the rate of the caps by the clock, repeating a picture until "
          "the next one is ready", DEFAULT_IS_LIVE, READY));
  add (klass, startup_mode, g_param_spec_enum ("startup-mode", "Startup mode",
          "What a live source shows until the model is loaded and the first "
          "picture drawn", GST_TYPE_SANA_SRC_STARTUP, DEFAULT_STARTUP_MODE,
          READY));
  add (klass, timestamp_offset, g_param_spec_int64 ("timestamp-offset",
          "Timestamp offset", "Nanoseconds added to every timestamp",
          G_MININT64, G_MAXINT64, DEFAULT_TIMESTAMP_OFFSET, PLAYING));
  add (klass, image_duration, g_param_spec_uint64 ("image-duration",
          "Image duration",
          "Nanoseconds for which a picture stays before the next one (0 = "
          "every frame is a new one)", 0, G_MAXUINT64, DEFAULT_IMAGE_DURATION,
          PLAYING));
  gst_type_mark_as_plugin_api (GST_TYPE_SANA_SEED_MODE, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SANA_SRC_STARTUP, 0);
}

gboolean
gst_sana_src_values_set (GstSanaSrcValues * values, guint id,
    const GValue * value)
{
  return gst_sana_values_set (values, sizeof (*values), id, value);
}

gboolean
gst_sana_src_values_get (const GstSanaSrcValues * values, guint id,
    GValue * value)
{
  return gst_sana_values_get (values, sizeof (*values), id, value);
}

void
gst_sana_src_values_init (GstSanaSrcValues * values, GObjectClass * klass)
{
  gst_sana_values_init (values, sizeof (*values), klass);
}
