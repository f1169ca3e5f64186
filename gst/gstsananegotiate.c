/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsananegotiate.h"

#include "gstsanacolour.h"
#include "gstsanacuda.h"

/* Frames of upstream's that the element may hold: one waits, one is read. */
#define N_HELD 2

/* --- caps ----------------------------------------------------------------- */

/* FALSE: the structure has only pictures of several fields or views. */
static gboolean
is_plain (const GstStructure * structure)
{
  GstStructure *plain = gst_structure_new ("video/x-raw",
      "interlace-mode", G_TYPE_STRING, "progressive",
      "multiview-mode", G_TYPE_STRING, "mono", NULL);
  gboolean ok = gst_structure_can_intersect (structure, plain);

  gst_structure_free (plain);
  return ok;
}

/* Whether its pictures can be read. */
static gboolean
is_known_memory (GstCaps * caps, guint i)
{
  GstCapsFeatures *features = gst_caps_get_features (caps, i);
  guint n;

  /* ANY: a peer that looks at no memory itself, such as videorate */
  if (!features || gst_caps_features_is_any (features) ||
      gst_sana_cuda_in_caps (caps, i))
    return TRUE;
  for (n = 0; n < gst_caps_features_get_size (features); n++) {
    const gchar *feature = gst_caps_features_get_nth (features, n);

    if (!g_str_equal (feature, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY) &&
        !g_str_equal (feature, GST_CAPS_FEATURE_FORMAT_INTERLACED))
      return FALSE;
  }
  return TRUE;
}

/* Of system memory, or a GPU's. */
static GstCapsFeatures *
new_features (gboolean cuda)
{
  return cuda ? gst_caps_features_from_string (GST_SANA_CUDA_MEMORY) : NULL;
}

GstCaps *
gst_sana_transform_caps (GstCaps * caps, gboolean refused)
{
  GstCaps *same = gst_caps_new_empty ();
  GstCaps *free = gst_caps_new_empty ();
  GstCaps *moved = gst_caps_new_empty ();
  guint i;

  for (i = 0; i < gst_caps_get_size (caps); i++) {
    gboolean cuda = gst_sana_cuda_in_caps (caps, i);
    GstStructure *structure;

    if (!is_known_memory (caps, i))
      continue;
    structure = gst_caps_get_structure (caps, i);
    if (!refused && !is_plain (structure))
      continue;
    structure = gst_structure_copy (structure);
    gst_structure_set (structure, "interlace-mode", G_TYPE_STRING,
        "progressive", "multiview-mode", G_TYPE_STRING, "mono", NULL);
    gst_caps_append_structure_full (same, gst_structure_copy (structure),
        new_features (cuda));
    gst_structure_remove_fields (structure, "format", "colorimetry",
        "chroma-site", "pixel-aspect-ratio", NULL);
    gst_structure_set (structure, "width", GST_TYPE_INT_RANGE, 1, G_MAXINT,
        "height", GST_TYPE_INT_RANGE, 1, G_MAXINT, NULL);
    moved = gst_caps_merge_structure_full (moved,
        gst_structure_copy (structure), new_features (!cuda));
    free = gst_caps_merge_structure_full (free, structure, new_features (cuda));
  }
  gst_caps_append (same, free);
  gst_caps_append (same, moved);
  return same;
}

GstCaps *
gst_sana_append_refused_caps (GstCaps * caps)
{
  guint i, n;

  caps = gst_caps_make_writable (caps);
  n = gst_caps_get_size (caps);
  for (i = 0; i < n; i++) {
    GstStructure *any = gst_structure_copy (gst_caps_get_structure (caps, i));
    gboolean cuda = gst_sana_cuda_in_caps (caps, i);

    gst_structure_remove_fields (any, "interlace-mode", "multiview-mode", NULL);
    gst_caps_append_structure_full (caps, gst_structure_copy (any),
        new_features (cuda));
    if (cuda) {
      gst_structure_free (any);
      continue;
    }
    gst_structure_set (any, "interlace-mode", G_TYPE_STRING, "alternate", NULL);
    gst_caps_append_structure_full (caps, any,
        gst_caps_features_new (GST_CAPS_FEATURE_FORMAT_INTERLACED, NULL));
  }
  return caps;
}

static gchar *
insert_before (const gchar * what, const gchar * element, const gchar * name)
{
  return g_strdup_printf (_("The video is %s; insert %s before %s."), what,
      element, name);
}

gchar *
gst_sana_refuse_info (const GstVideoInfo * info, const gchar * name)
{
  const gchar *hdr = gst_sana_hdr_name (info);

  if (GST_VIDEO_INFO_IS_INTERLACED (info))
    return insert_before ("interlaced", "deinterlace", name);
  if (hdr)
    return g_strdup_printf (_("The video is HDR (%s); convert it to SDR, "
            "colorimetry=bt709, before %s, for example with vapostproc "
            "hdr-tone-mapping=true."), hdr, name);
  switch (GST_VIDEO_INFO_MULTIVIEW_MODE (info)) {
    case GST_VIDEO_MULTIVIEW_MODE_NONE:
    case GST_VIDEO_MULTIVIEW_MODE_MONO:
      return NULL;
    default:
      return insert_before ("stereoscopic",
          "glviewconvert output-mode-override=mono", name);
  }
}

gboolean
gst_sana_check_output (GstElement * element, const GstVideoInfo * info)
{
  const gchar *hdr = gst_sana_hdr_name (info);

  if (!hdr)
    return TRUE;
  GST_ELEMENT_ERROR (element, STREAM, FORMAT,
      (_("HDR video (%s) is asked for behind %s, which makes SDR; ask for "
              "colorimetry=bt709."), hdr, GST_OBJECT_NAME (element)), (NULL));
  return FALSE;
}

/* What is lost by turning `from` into `to`, the most visible first. */
static guint
format_loss (const GstVideoFormatInfo * from, const GstVideoFormatInfo * to)
{
  guint loss = 0;

  if (from == to)
    return 0;
  if (GST_VIDEO_FORMAT_INFO_IS_GRAY (to) && !GST_VIDEO_FORMAT_INFO_IS_GRAY
      (from))
    loss += 4096;
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (to))
    loss += 2048;
  if (GST_VIDEO_FORMAT_INFO_DEPTH (to, 0) < 8)
    loss += 1024;
  if (GST_VIDEO_FORMAT_INFO_DEPTH (to, 0) < GST_VIDEO_FORMAT_INFO_DEPTH (from,
          0))
    loss += 512;
  if (GST_VIDEO_FORMAT_INFO_W_SUB (to, 1) > GST_VIDEO_FORMAT_INFO_W_SUB (from,
          1))
    loss += 256;
  if (GST_VIDEO_FORMAT_INFO_H_SUB (to, 1) > GST_VIDEO_FORMAT_INFO_H_SUB (from,
          1))
    loss += 128;
  if (GST_VIDEO_FORMAT_INFO_IS_YUV (from) != GST_VIDEO_FORMAT_INFO_IS_YUV (to))
    loss += 64;
  if (GST_VIDEO_FORMAT_INFO_BITS (to) > GST_VIDEO_FORMAT_INFO_BITS (from))
    loss += 2;
  return loss + 1;
}

static guint
value_loss (const GstVideoFormatInfo * from, const GValue * value,
    GstVideoFormat * best)
{
  guint i, loss = G_MAXUINT;

  *best = GST_VIDEO_FORMAT_UNKNOWN;
  if (G_VALUE_HOLDS_STRING (value)) {
    *best = gst_video_format_from_string (g_value_get_string (value));
    if (*best != GST_VIDEO_FORMAT_UNKNOWN)
      loss = format_loss (from, gst_video_format_get_info (*best));
  } else if (GST_VALUE_HOLDS_LIST (value)) {
    for (i = 0; i < gst_value_list_get_size (value); i++) {
      GstVideoFormat format;
      guint one = value_loss (from, gst_value_list_get_value (value, i),
          &format);

      if (one < loss) {
        loss = one;
        *best = format;
      }
    }
  }
  return loss;
}

/* The structure with the format nearest to the input's, fixed to it, in the
 * input's kind of memory if that is as near.  NULL: none has a format. */
static GstCaps *
choose_format (GstCaps * caps, const GstVideoFormatInfo * from, gboolean cuda)
{
  GstCaps *chosen = NULL;
  guint i, least = G_MAXUINT;

  for (i = 0; i < gst_caps_get_size (caps); i++) {
    GstStructure *structure = gst_caps_get_structure (caps, i);
    const GValue *value = gst_structure_get_value (structure, "format");
    GstVideoFormat format;
    guint loss = value ? value_loss (from, value, &format) : G_MAXUINT;

    if (loss == G_MAXUINT)
      continue;
    loss = 2 * loss + (gst_sana_cuda_in_caps (caps, i) != cuda);
    if (loss < least) {
      least = loss;
      gst_clear_caps (&chosen);
      chosen = gst_caps_copy_nth (caps, i);
      gst_caps_set_simple (chosen, "format", G_TYPE_STRING,
          gst_video_format_to_string (format), NULL);
    }
  }
  return chosen;
}

/* One dimension for a display aspect: other · num / den, at least 1. */
static gint
scale_dimension (gint other, guint64 num, guint64 den)
{
  guint64 size = gst_util_uint64_scale_round (other, num, MAX (den, 1));

  return CLAMP (size, 1, G_MAXINT);
}

static void
fixate_par (GstStructure * structure, gint num, gint den)
{
  if (gst_structure_has_field (structure, "pixel-aspect-ratio"))
    gst_structure_fixate_field_nearest_fraction (structure,
        "pixel-aspect-ratio", num, den);
  else
    gst_structure_set (structure, "pixel-aspect-ratio", GST_TYPE_FRACTION,
        num, den, NULL);
}

/* The pixels take the shape that keeps the picture's. */
static void
fixate_pixels (GstStructure * structure, const GstVideoInfo * in, gint width,
    gint height)
{
  gint par_n = in->par_n, par_d = in->par_d, n, d;

  if ((width != in->width || height != in->height) &&
      gst_util_fraction_multiply (in->width, in->height, height, width,
          &n, &d) && gst_util_fraction_multiply (n, d, par_n, par_d, &n, &d)) {
    par_n = n;
    par_d = d;
  }
  fixate_par (structure, par_n, par_d);
}

/* FALSE: `wanted` is not among what is allowed; *side is what is nearest. */
static gboolean
fixate_side (GstStructure * structure, const gchar * field, gint wanted,
    gint * side)
{
  gst_structure_fixate_field_nearest_int (structure, field, wanted);
  return gst_structure_get_int (structure, field, side) && *side == wanted;
}

/* The sides that are open, for pixels of that shape.  FALSE: what is allowed
 * does not keep the picture's shape. */
static gboolean
fixate_sides (GstStructure * structure, const GstVideoInfo * in, gint par_n,
    gint par_d)
{
  /* height / width of the same display aspect */
  guint64 num = (guint64) in->height * in->par_d * par_n;
  guint64 den = (guint64) in->width * in->par_n * par_d;
  gint width, height;

  if (!gst_structure_get_int (structure, "width", &width) &&
      !gst_structure_get_int (structure, "height", &height)) {
    GstStructure *tall = gst_structure_copy (structure);

    fixate_side (tall, "height", in->height, &height);
    gst_structure_free (tall);
    if (fixate_side (structure, "width", scale_dimension (height, den, num),
            &width))
      return fixate_side (structure, "height", height, &height);
  }
  if (gst_structure_get_int (structure, "width", &width))
    return fixate_side (structure, "height",
        scale_dimension (width, num, den), &height);
  return fixate_side (structure, "width", scale_dimension (height, den, num),
      &width);
}

static void
fixate_size (GstStructure * structure, const GstVideoInfo * in)
{
  gint width, height, par_n, par_d;
  GstStructure *sides;
  gboolean kept;

  if (!gst_structure_get_int (structure, "width", &width) ||
      !gst_structure_get_int (structure, "height", &height)) {
    sides = gst_structure_copy (structure);
    fixate_par (sides, in->par_n, in->par_d);
    gst_structure_get_fraction (sides, "pixel-aspect-ratio", &par_n, &par_d);
    kept = fixate_sides (sides, in, par_n, par_d);
    gst_structure_get_int (sides, "width", &width);
    gst_structure_get_int (sides, "height", &height);
    gst_structure_free (sides);
    gst_structure_set (structure, "width", G_TYPE_INT, width,
        "height", G_TYPE_INT, height, NULL);
    if (kept) {
      fixate_par (structure, par_n, par_d);
      return;
    }
  }
  fixate_pixels (structure, in, width, height);
}

/* Takes over a string of the input's caps where the output leaves it open. */
static void
keep_string (GstStructure * out, GstStructure * in, const gchar * field)
{
  const GValue *value = gst_structure_get_value (in, field);
  const GValue *allowed = gst_structure_get_value (out, field);

  if (value && (!allowed || gst_value_intersect (NULL, value, allowed)))
    gst_structure_set_value (out, field, value);
}

GstCaps *
gst_sana_fixate_output (GstCaps * in, GstCaps * peer)
{
  GstVideoInfo info, out_info;
  const GstVideoFormatInfo *from, *to;
  GstStructure *structure;
  GstCaps *can, *raw, *out;

  if (!gst_video_info_from_caps (&info, in))
    return NULL;
  /* not where they only intersect: a peer may insist on a field they leave to
   * its default */
  if (gst_caps_is_subset (in, peer))
    return gst_caps_ref (in);

  can = gst_sana_transform_caps (in, FALSE);
  raw = gst_caps_from_string (GST_SANA_CUDA_CAPS ";" GST_SANA_VIDEO_CAPS);
  out = gst_caps_intersect (can, raw);
  gst_caps_unref (can);
  gst_caps_unref (raw);
  can = gst_caps_intersect_full (peer, out, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (out);

  from = info.finfo;
  out = choose_format (can, from, gst_sana_cuda_in_caps (in, 0));
  gst_caps_unref (can);
  if (!out)
    return NULL;
  structure = gst_caps_get_structure (out, 0);
  to = gst_video_format_get_info (gst_video_format_from_string
      (gst_structure_get_string (structure, "format")));
  fixate_size (structure, &info);
  if (GST_VIDEO_FORMAT_INFO_IS_YUV (from) == GST_VIDEO_FORMAT_INFO_IS_YUV (to)
      && GST_VIDEO_FORMAT_INFO_IS_GRAY (from) ==
      GST_VIDEO_FORMAT_INFO_IS_GRAY (to)) {
    keep_string (structure, gst_caps_get_structure (in, 0), "colorimetry");
    if (GST_VIDEO_FORMAT_INFO_W_SUB (from, 1) ==
        GST_VIDEO_FORMAT_INFO_W_SUB (to, 1) &&
        GST_VIDEO_FORMAT_INFO_H_SUB (from, 1) ==
        GST_VIDEO_FORMAT_INFO_H_SUB (to, 1))
      keep_string (structure, gst_caps_get_structure (in, 0), "chroma-site");
  }
  out = gst_caps_fixate (out);
  if (!gst_video_info_from_caps (&out_info, out))
    gst_clear_caps (&out);
  return out;
}

GstEvent *
gst_sana_scale_pointer (GstEvent * event, gdouble scale_x, gdouble scale_y)
{
  gdouble x, y;

  if ((scale_x == 1 && scale_y == 1) ||
      !gst_navigation_event_get_coordinates (event, &x, &y))
    return event;
  event = gst_event_make_writable (event);
  gst_navigation_event_set_coordinates (event, x * scale_x, y * scale_y);
  return event;
}

/* --- buffers -------------------------------------------------------------- */

static GstBufferPool *
try_pool (GstBufferPool * pool, GstQuery * query, GstCaps * caps,
    const guint numbers[3])
{
  GstAllocator *allocator = NULL;
  GstAllocationParams params = { 0 };
  GstStructure *config = gst_buffer_pool_get_config (pool);
  guint size = numbers[0], min = numbers[1], max = numbers[2];

  if (gst_query_get_n_allocation_params (query) > 0)
    gst_query_parse_nth_allocation_param (query, 0, &allocator, &params);
  gst_buffer_pool_config_set_params (config, caps, size, min, max);
  gst_buffer_pool_config_set_allocator (config, allocator, &params);
  if (allocator)
    gst_object_unref (allocator);
  /* padded rows only for who reads GstVideoMeta */
  if (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL) &&
      gst_buffer_pool_has_option (pool, GST_BUFFER_POOL_OPTION_VIDEO_META))
    gst_buffer_pool_config_add_option (config,
        GST_BUFFER_POOL_OPTION_VIDEO_META);
  if (!gst_buffer_pool_set_config (pool, config)) {
    /* the pool may have corrected it to what it can do */
    config = gst_buffer_pool_get_config (pool);
    if (!gst_buffer_pool_config_validate_params (config, caps, size, min, max)) {
      gst_structure_free (config);
      goto refused;
    }
    if (!gst_buffer_pool_set_config (pool, config))
      goto refused;
  }
  if (gst_buffer_pool_set_active (pool, TRUE))
    return pool;

refused:
  gst_object_unref (pool);
  return NULL;
}

GstBufferPool *
gst_sana_take_pool (GstBufferPool * theirs, GstCaps * caps)
{
  if (theirs && gst_sana_cuda_is_pool (theirs) !=
      gst_sana_cuda_in_caps (caps, 0))
    gst_clear_object (&theirs);
  return theirs;
}

GstBufferPool *
gst_sana_new_pool (GstElement * element, GstCaps * caps, GstObject ** context)
{
  return gst_sana_cuda_in_caps (caps, 0) ?
      gst_sana_cuda_pool_new (element, context) : gst_video_buffer_pool_new ();
}

void
gst_sana_post_no_pool (GstElement * element, GstCaps * caps)
{
  GST_ELEMENT_ERROR (element, RESOURCE, NO_SPACE_LEFT,
      ("%s", gst_sana_cuda_in_caps (caps, 0) ?
          _("There is no GPU for the output; ask for video/x-raw without "
              "memory:CUDAMemory.") :
          _("There is no buffer for the output.")),
      ("caps %" GST_PTR_FORMAT, caps));
}

GstBufferPool *
gst_sana_decide_allocation (GstElement * element, GstPad * srcpad,
    GstCaps * caps, const GstVideoInfo * info, GstObject ** context)
{
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  GstBufferPool *pool = NULL;
  guint numbers[3] = { GST_VIDEO_INFO_SIZE (info), 0, 0 };

  if (!gst_pad_peer_query (srcpad, query))
    GST_DEBUG_OBJECT (srcpad, "downstream has no opinion on allocation");
  if (gst_query_get_n_allocation_pools (query) > 0) {
    gst_query_parse_nth_allocation_pool (query, 0, &pool, &numbers[0],
        &numbers[1], &numbers[2]);
    numbers[0] = MAX (numbers[0], GST_VIDEO_INFO_SIZE (info));
    if (numbers[2] == 0 || numbers[1] < numbers[2])
      numbers[1]++;
  }
  pool = gst_sana_take_pool (pool, caps);
  if (pool)
    pool = try_pool (pool, query, caps, numbers);
  if (!pool) {
    numbers[2] = 0;
    pool = gst_sana_new_pool (element, caps, context);
    if (pool)
      pool = try_pool (pool, query, caps, numbers);
  }
  gst_query_unref (query);
  return pool;
}

gboolean
gst_sana_propose_allocation (GstQuery * query)
{
  GstBufferPool *pool = NULL;
  GstStructure *config;
  GstVideoInfo info;
  GstCaps *caps;
  gboolean need_pool;

  gst_query_parse_allocation (query, &caps, &need_pool);
  if (!caps || !gst_video_info_from_caps (&info, caps))
    return FALSE;
  /* a GPU's pool is better its owner's */
  if (need_pool && !gst_sana_cuda_in_caps (caps, 0)) {
    pool = gst_video_buffer_pool_new ();
    config = gst_buffer_pool_get_config (pool);
    gst_buffer_pool_config_set_params (config, caps,
        GST_VIDEO_INFO_SIZE (&info), N_HELD, 0);
    gst_buffer_pool_config_add_option (config,
        GST_BUFFER_POOL_OPTION_VIDEO_META);
    if (!gst_buffer_pool_set_config (pool, config))
      gst_clear_object (&pool);
  }
  gst_query_add_allocation_pool (query, pool, GST_VIDEO_INFO_SIZE (&info),
      N_HELD, 0);
  gst_clear_object (&pool);
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return TRUE;
}
