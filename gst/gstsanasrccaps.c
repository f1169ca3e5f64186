/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstsanasrccaps.h"

#include "gstsananegotiate.h"

GstCaps *
gst_sana_src_caps_prefer (GstCaps * caps, gint native_size, gboolean live)
{
  gint width = native_size, height = native_size;
  GstStructure *s;

  caps = gst_caps_make_writable (gst_caps_truncate (caps));
  s = gst_caps_get_structure (caps, 0);

  if (gst_structure_get_int (s, "width", &width))
    height = width;
  else if (gst_structure_get_int (s, "height", &height))
    width = height;
  gst_structure_fixate_field_nearest_int (s, "width", width);
  gst_structure_fixate_field_nearest_int (s, "height", height);
  gst_structure_fixate_field_nearest_fraction (s, "framerate",
      live ? 30 : 1, 1);
  if (gst_structure_has_field (s, "pixel-aspect-ratio"))
    gst_structure_fixate_field_nearest_fraction (s, "pixel-aspect-ratio", 1, 1);
  else
    gst_structure_set (s, "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL);
  if (gst_structure_has_field (s, "multiview-mode"))
    gst_structure_fixate_field_string (s, "multiview-mode", "mono");
  gst_structure_fixate_field_string (s, "format", "RGB");
  return caps;
}

GstCaps *
gst_sana_src_caps_complete (GstCaps * caps)
{
  GstStructure *s = gst_caps_get_structure (caps, 0);
  GstVideoInfo info;
  gchar *colorimetry;

  if (!gst_video_info_from_caps (&info, caps))
    return caps;
  caps = gst_caps_make_writable (caps);
  s = gst_caps_get_structure (caps, 0);

  colorimetry = gst_video_colorimetry_to_string (&info.colorimetry);
  if (colorimetry && !gst_structure_has_field (s, "colorimetry"))
    gst_structure_set (s, "colorimetry", G_TYPE_STRING, colorimetry, NULL);
  g_free (colorimetry);
  if (info.chroma_site != GST_VIDEO_CHROMA_SITE_UNKNOWN &&
      !gst_structure_has_field (s, "chroma-site"))
    gst_structure_set (s, "chroma-site", G_TYPE_STRING,
        gst_video_chroma_to_string (info.chroma_site), NULL);
  return caps;
}

gboolean
gst_sana_src_caps_set_pool (GstElement * element, GstQuery * query,
    const GstVideoInfo * info, GstObject ** context)
{
  gboolean update = gst_query_get_n_allocation_pools (query) > 0;
  guint size = 0, min = 0, max = 0;
  GstBufferPool *pool = NULL;
  GstCaps *caps = NULL;
  GstStructure *config;

  if (update)
    gst_query_parse_nth_allocation_pool (query, 0, &pool, &size, &min, &max);
  size = MAX (size, GST_VIDEO_INFO_SIZE (info));
  gst_query_parse_allocation (query, &caps, NULL);
  pool = gst_sana_take_pool (pool, caps);
  if (pool == NULL)
    pool = gst_sana_new_pool (element, caps, context);
  if (pool == NULL) {
    gst_sana_post_no_pool (element, caps);
    return FALSE;
  }
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, caps, size, min, max);
  if (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL))
    gst_buffer_pool_config_add_option (config,
        GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_buffer_pool_set_config (pool, config);

  if (update)
    gst_query_set_nth_allocation_pool (query, 0, pool, size, min, max);
  else
    gst_query_add_allocation_pool (query, pool, size, min, max);
  gst_object_unref (pool);
  return TRUE;
}
