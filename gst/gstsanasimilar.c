/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanasimilar.h"

#include "gstsanamap.h"

#include <string.h>

#define SIDE GST_SANA_SIMILAR_SIDE

void
gst_sana_similar_reset (GstSanaSimilar * similar)
{
  similar->known = similar->like = FALSE;
  similar->n_like = 0;
}

void
gst_sana_similar_clear (GstSanaSimilar * similar)
{
  gst_sana_similar_reset (similar);
  g_clear_pointer (&similar->converter, gst_video_converter_free);
}

/* Makes `now` of the picture.  FALSE: it cannot be read. */
static gboolean
scale_down (GstSanaSimilar * similar, const GstVideoInfo * info,
    GstBuffer * picture)
{
  GstVideoInfo small;
  GstVideoFrame in, out;
  GstBuffer *buffer;
  gboolean ok = FALSE;

  gst_video_info_set_format (&small, GST_VIDEO_FORMAT_RGB, SIDE, SIDE);
  GST_VIDEO_INFO_FPS_N (&small) = GST_VIDEO_INFO_FPS_N (info);
  GST_VIDEO_INFO_FPS_D (&small) = GST_VIDEO_INFO_FPS_D (info);
  if (!similar->converter || !gst_video_info_is_equal (info, &similar->info)) {
    gst_sana_similar_clear (similar);
    similar->info = *info;
    similar->converter = gst_video_converter_new (info, &small,
        gst_structure_new ("convert",
            GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD,
            GST_TYPE_VIDEO_RESAMPLER_METHOD, GST_VIDEO_RESAMPLER_METHOD_LINEAR,
            NULL));
  }
  /* who draws the picture, or copies it, says what is wrong with it */
  if (!similar->converter || !gst_sana_map_picture (&in, info, picture,
          GST_MAP_READ, NULL))
    return FALSE;
  buffer = gst_buffer_new_wrapped_full (0, similar->now, sizeof (similar->now),
      0, sizeof (similar->now), NULL, NULL);
  if (gst_video_frame_map (&out, &small, buffer, GST_MAP_WRITE)) {
    gst_video_converter_frame (similar->converter, &in, &out);
    gst_video_frame_unmap (&out);
    ok = TRUE;
  }
  gst_buffer_unref (buffer);
  gst_video_frame_unmap (&in);
  return ok;
}

static gdouble
likeness (const GstSanaSimilar * similar)
{
  gint largest = 0;
  gsize i;

  for (i = 0; i < sizeof (similar->now); i++)
    largest = MAX (largest, ABS (similar->now[i] - similar->last[i]));
  return 1 - largest / 255.0;
}

gboolean
gst_sana_similar_check (GstSanaSimilar * similar, const GstVideoInfo * info,
    GstBuffer * picture, gdouble threshold)
{
  gdouble least = similar->like ? threshold - (1 - threshold) / 2 : threshold;

  if (!scale_down (similar, info, picture)) {
    gst_sana_similar_reset (similar);
    return FALSE;
  }
  similar->like = similar->known && likeness (similar) >= least;
  if (similar->like && similar->n_like < GST_SANA_SIMILAR_LIMIT) {
    similar->n_like++;
    return TRUE;
  }
  memcpy (similar->last, similar->now, sizeof (similar->last));
  similar->known = TRUE;
  similar->n_like = 0;
  return FALSE;
}
