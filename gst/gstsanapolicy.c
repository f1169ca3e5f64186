/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanapolicy.h"

#include "gstsanavalues.h"

GType
gst_sana_leaky_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_SANA_LEAKY_AUTO, "downstream behind a live source unless pacing is "
          "repeat, else no", "auto"},
    {GST_SANA_LEAKY_NO, "Upstream waits until there is room", "no"},
    {GST_SANA_LEAKY_UPSTREAM, "The frame that comes is dropped", "upstream"},
    {GST_SANA_LEAKY_DOWNSTREAM, "The oldest frame that waits is dropped",
        "downstream"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaLeaky", values);
}

GType
gst_sana_pacing_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_SANA_PACING_WAIT, "Each output is its own input, finished", "wait"},
    {GST_SANA_PACING_REPEAT, "Each input gives an output at once, the newest "
          "picture that is finished", "repeat"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaPacing", values);
}

GType
gst_sana_startup_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_SANA_STARTUP_AUTO, "passthrough behind a live source, else block",
        "auto"},
    {GST_SANA_STARTUP_BLOCK, "Nothing, frames wait", "block"},
    {GST_SANA_STARTUP_PASSTHROUGH, "The input", "passthrough"},
    {GST_SANA_STARTUP_BLACK, "Black", "black"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaStartupMode", values);
}

GType
gst_sana_on_error_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_SANA_ON_ERROR_ERROR, "An error message, and the stream ends",
        "error"},
    {GST_SANA_ON_ERROR_PASSTHROUGH, "A warning message, and the input is shown",
        "passthrough"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaOnError", values);
}

GstSanaLeaky
gst_sana_leaky_resolve (GstSanaLeaky leaky, gboolean live, GstSanaPacing pacing)
{
  if (leaky != GST_SANA_LEAKY_AUTO)
    return leaky;
  if (!live || pacing == GST_SANA_PACING_REPEAT)
    return GST_SANA_LEAKY_NO;
  return GST_SANA_LEAKY_DOWNSTREAM;
}

GstSanaStartup
gst_sana_startup_resolve (GstSanaStartup mode, gboolean live)
{
  if (mode != GST_SANA_STARTUP_AUTO)
    return mode;
  return live ? GST_SANA_STARTUP_PASSTHROUGH : GST_SANA_STARTUP_BLOCK;
}
