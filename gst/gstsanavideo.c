/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanavideo.h"

#include "gstsanacolour.h"

#include <string.h>

/* What the levels of a format mean: (level − offset) / scale is 0 … 1 of Y, R, G
 * and B, −0.5 … 0.5 of U and V. */
typedef struct
{
  gint offset[GST_VIDEO_MAX_COMPONENTS], scale[GST_VIDEO_MAX_COMPONENTS];
  gboolean yuv;
  gdouble kr, kb;
} Levels;

static gboolean
get_levels (Levels * levels, const GstVideoInfo * info)
{
  gst_video_color_range_offsets (info->colorimetry.range, info->finfo,
      levels->offset, levels->scale);
  levels->yuv = GST_VIDEO_INFO_IS_YUV (info);
  return !levels->yuv ||
      gst_video_color_matrix_get_Kr_Kb (info->colorimetry.matrix,
      &levels->kr, &levels->kb);
}

/* Y, U, V in their units to R, G, B in 0 … 1. */
static void
rgb_from_yuv (gdouble m[3][3], gdouble kr, gdouble kb)
{
  gdouble kg = 1 - kr - kb;
  gdouble rows[3][3] = {
    {1, 0, 2 * (1 - kr)},
    {1, -2 * kb * (1 - kb) / kg, -2 * kr * (1 - kr) / kg},
    {1, 2 * (1 - kb), 0}
  };

  memcpy (m, rows, sizeof (rows));
}

static void
yuv_from_rgb (gdouble m[3][3], gdouble kr, gdouble kb)
{
  gdouble kg = 1 - kr - kb, u = 0.5 / (1 - kb), v = 0.5 / (1 - kr);
  gdouble rows[3][3] = {
    {kr, kg, kb},
    {-kr * u, -kg * u, (1 - kb) * u},
    {(1 - kr) * v, -kg * v, -kb * v}
  };

  memcpy (m, rows, sizeof (rows));
}

static void
set_one (gdouble m[3][3])
{
  gint i;

  memset (m, 0, 9 * sizeof (gdouble));
  for (i = 0; i < 3; i++)
    m[i][i] = 1;
}

/* rgb in [−1, 1] = 2 · m · (level − offset) / scale − 1 */
static void
set_source_matrix (SanaVideoImage * image, const Levels * levels)
{
  gdouble m[3][3];
  gint i, j;

  if (levels->yuv)
    rgb_from_yuv (m, levels->kr, levels->kb);
  else
    set_one (m);
  for (i = 0; i < 3; i++) {
    image->matrix[i][3] = -1;
    for (j = 0; j < 3; j++) {
      image->matrix[i][j] = 2 * m[i][j] / levels->scale[j];
      image->matrix[i][3] -= image->matrix[i][j] * levels->offset[j];
    }
  }
}

/* level = offset + scale · m · (rgb + 1) / 2 */
static void
set_target_matrix (SanaVideoImage * image, const Levels * levels)
{
  gdouble m[3][3];
  gint i, j;

  if (levels->yuv)
    yuv_from_rgb (m, levels->kr, levels->kb);
  else
    set_one (m);
  for (i = 0; i < 3; i++) {
    image->matrix[i][3] = levels->offset[i];
    for (j = 0; j < 3; j++) {
      image->matrix[i][j] = levels->scale[i] * m[i][j] / 2;
      image->matrix[i][3] += image->matrix[i][j];
    }
  }
}

static gboolean
is_simple (const GstVideoInfo * info)
{
  const GstVideoFormatInfo *format = info->finfo;
  guint i;

  if (!(GST_VIDEO_FORMAT_INFO_IS_YUV (format) ||
          GST_VIDEO_FORMAT_INFO_IS_RGB (format)) ||
      GST_VIDEO_FORMAT_INFO_HAS_ALPHA (format) ||
      GST_VIDEO_FORMAT_INFO_IS_TILED (format) ||
      GST_VIDEO_FORMAT_INFO_IS_COMPLEX (format) ||
      GST_VIDEO_FORMAT_INFO_HAS_PALETTE (format) ||
      GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format) < 3 ||
      gst_sana_is_wide (info))
    return FALSE;
  for (i = 0; i < 3; i++) {
    if (GST_VIDEO_FORMAT_INFO_DEPTH (format, i) != 8 ||
        GST_VIDEO_FORMAT_INFO_SHIFT (format, i) != 0 ||
        GST_VIDEO_FORMAT_INFO_PSTRIDE (format, i) > 4 ||
        GST_VIDEO_FORMAT_INFO_W_SUB (format, i) > 1 ||
        GST_VIDEO_FORMAT_INFO_H_SUB (format, i) > 1)
      return FALSE;
  }
  return TRUE;
}

/* Of the four bytes of a pixel the one that no component lies in, or −1. */
static gint
find_filler (const GstVideoFormatInfo * format)
{
  gint i, rest = 0 + 1 + 2 + 3;

  if (!GST_VIDEO_FORMAT_INFO_IS_RGB (format) ||
      GST_VIDEO_FORMAT_INFO_PSTRIDE (format, 0) != 4)
    return -1;
  for (i = 0; i < 3; i++)
    rest -= GST_VIDEO_FORMAT_INFO_POFFSET (format, i);
  return rest;
}

gboolean
gst_sana_video_describe (SanaVideoImage * image, const GstVideoInfo * info,
    gboolean target)
{
  const GstVideoFormatInfo *format = info->finfo;
  GstVideoChromaSite site = GST_VIDEO_INFO_CHROMA_SITE (info);
  Levels levels;
  gint i;

  if (!is_simple (info) || !get_levels (&levels, info))
    return FALSE;
  memset (image, 0, sizeof (*image));
  image->width = GST_VIDEO_INFO_WIDTH (info);
  image->height = GST_VIDEO_INFO_HEIGHT (info);
  image->filler = find_filler (format);
  for (i = 0; i < 3; i++) {
    SanaComponent *component = &image->components[i];

    component->plane = GST_VIDEO_FORMAT_INFO_PLANE (format, i);
    component->offset = GST_VIDEO_FORMAT_INFO_POFFSET (format, i);
    component->step = GST_VIDEO_FORMAT_INFO_PSTRIDE (format, i);
    component->sub_x = 1 << GST_VIDEO_FORMAT_INFO_W_SUB (format, i);
    component->sub_y = 1 << GST_VIDEO_FORMAT_INFO_H_SUB (format, i);
    component->at_x = component->sub_x == 1 ||
        (site & GST_VIDEO_CHROMA_SITE_H_COSITED) ? 0.5 : 1;
    component->at_y = component->sub_y == 1 ||
        (site & GST_VIDEO_CHROMA_SITE_V_COSITED) ? 0.5 : 1;
  }
  if (target)
    set_target_matrix (image, &levels);
  else
    set_source_matrix (image, &levels);
  return TRUE;
}

void
gst_sana_video_set_planes (SanaVideoImage * image, const GstVideoFrame * frame)
{
  guint i;

  for (i = 0; i < GST_VIDEO_FRAME_N_PLANES (frame); i++) {
    image->planes[i] = GST_VIDEO_FRAME_PLANE_DATA (frame, i);
    image->strides[i] = GST_VIDEO_FRAME_PLANE_STRIDE (frame, i);
  }
}
