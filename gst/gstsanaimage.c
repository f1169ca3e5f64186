/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanaimage.h"

#include <string.h>

/* Weights of 15 bits: two products of 16 bits fit into 32. */
#define ONE 32768

void
gst_sana_image_from_frame (SanaImage * image, const GstVideoFrame * frame)
{
  image->format = GST_VIDEO_FRAME_FORMAT (frame) == GST_VIDEO_FORMAT_RGB ?
      SANA_IMAGE_RGB : SANA_IMAGE_RGBA64;
  image->width = GST_VIDEO_FRAME_WIDTH (frame);
  image->height = GST_VIDEO_FRAME_HEIGHT (frame);
  image->stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0);
  image->pixels = GST_VIDEO_FRAME_PLANE_DATA (frame, 0);
}

static gsize
pixel_size (const SanaImage * image)
{
  return image->format == SANA_IMAGE_RGB ? 3 : 8;
}

static guint8 *
row_of (const SanaImage * image, gint y)
{
  return (guint8 *) image->pixels + y * image->stride;
}

void
gst_sana_image_cut_frame (GstVideoFrame * part, const GstVideoFrame * frame,
    const GstVideoRectangle * where)
{
  *part = *frame;
  part->info.width = where->w;
  part->info.height = where->h;
  part->data[0] = (guint8 *) frame->data[0] +
      where->y * (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0) +
      where->x * (gsize) GST_VIDEO_FRAME_COMP_PSTRIDE (frame, 0);
}

void
gst_sana_image_get_row (const SanaImage * image, gint y, guint16 * row)
{
  gint x, c;

  if (image->format == SANA_IMAGE_RGB) {
    const guint8 *bytes = row_of (image, y);

    for (x = 0; x < 3 * image->width; x++)
      row[x] = bytes[x] * 257;
  } else {
    const guint16 *words = (const guint16 *) row_of (image, y);

    for (x = 0; x < image->width; x++) {
      for (c = 0; c < 3; c++)
        row[3 * x + c] = words[4 * x + c];
    }
  }
}

void
gst_sana_image_put_row (const SanaImage * image, gint y, const guint16 * row)
{
  gint x, c;

  if (image->format == SANA_IMAGE_RGB) {
    guint8 *bytes = row_of (image, y);

    for (x = 0; x < 3 * image->width; x++)
      bytes[x] = (row[x] + 128u) / 257;
  } else {
    guint16 *words = (guint16 *) row_of (image, y);

    for (x = 0; x < image->width; x++) {
      for (c = 0; c < 3; c++)
        words[4 * x + c] = row[3 * x + c];
    }
  }
}

/* Where the i-th pixel of a row of mirror images of n comes from. */
static gint
mirrored (gint i, gint n)
{
  i %= 2 * n;
  if (i < 0)
    i += 2 * n;
  return i < n ? i : 2 * n - 1 - i;
}

void
gst_sana_image_mirror (const SanaImage * image,
    const GstVideoRectangle * content)
{
  gsize pixel = pixel_size (image);
  gint x, y;

  for (y = content->y; y < content->y + content->h; y++) {
    guint8 *row = row_of (image, y);

    for (x = 0; x < image->width; x++) {
      gint from = content->x + mirrored (x - content->x, content->w);

      if (from != x)
        memcpy (row + x * pixel, row + from * pixel, pixel);
    }
  }
  for (y = 0; y < image->height; y++) {
    gint from = content->y + mirrored (y - content->y, content->h);

    if (from != y)
      memcpy (row_of (image, y), row_of (image, from), image->width * pixel);
  }
}

void
gst_sana_image_blend (const SanaImage * onto, const SanaImage * drawn,
    gdouble weight)
{
  guint16 *below = g_new (guint16, 6 * (gsize) onto->width);
  guint16 *above = below + 3 * (gsize) onto->width;
  guint32 w = CLAMP (weight, 0.0, 1.0) * ONE + 0.5;
  gint x, y;

  for (y = 0; y < onto->height; y++) {
    gst_sana_image_get_row (drawn, y, above);
    if (w < ONE) {
      gst_sana_image_get_row (onto, y, below);
      for (x = 0; x < 3 * onto->width; x++)
        above[x] = (below[x] * (ONE - w) + above[x] * w + ONE / 2) / ONE;
    }
    gst_sana_image_put_row (onto, y, above);
  }
  g_free (below);
}
