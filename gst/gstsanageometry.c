/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanageometry.h"

/* Sides that differ by no more than this are equal but for rounding. */
#define SLACK 1

gint
gst_sana_round_up (gint size, gint factor)
{
  /* so large a picture is the model's to refuse */
  if (size > G_MAXINT - factor)
    return size;
  return MAX (factor, (size + factor - 1) / factor * factor);
}

static gint
scale (gint side, guint64 num, guint64 den)
{
  guint64 scaled = gst_util_uint64_scale_round (side, num, MAX (den, 1));

  return CLAMP (scaled, 1, G_MAXINT);
}

/* The largest rectangle of the aspect num : den in the middle of width ×
 * height, or all of that. */
static void
inscribe (GstVideoRectangle * inner, gint width, gint height, guint64 num,
    guint64 den)
{
  inner->w = width;
  inner->h = scale (width, den, num);
  if (inner->h > height) {
    inner->h = height;
    inner->w = scale (height, num, den);
  }
  if (width - inner->w <= SLACK)
    inner->w = width;
  if (height - inner->h <= SLACK)
    inner->h = height;
  inner->x = (width - inner->w) / 2;
  inner->y = (height - inner->h) / 2;
}

void
gst_sana_geometry_init (GstSanaGeometry * geometry, const GstVideoInfo * out,
    const GstSanaProcess * process, gint factor)
{
  GstVideoRectangle whole = { 0, 0, out->width, out->height };
  gint width = process->width, height = process->height;
  /* the output's display aspect */
  guint64 num = (guint64) out->width * MAX (out->par_n, 1);
  guint64 den = (guint64) out->height * MAX (out->par_d, 1);

  geometry->part = whole;
  if (width == 0 && height == 0) {
    width = out->width;
    height = out->height;
    geometry->content = whole;
  } else {
    GstVideoRectangle all = { 0, 0, 0, 0 };
    gboolean free = width == 0 || height == 0;

    if (width == 0)
      width = scale (height, num, den);
    if (height == 0)
      height = scale (width, den, num);
    all.w = width;
    all.h = height;
    geometry->content = all;
    if (!free && process->fit == GST_SANA_FIT_LETTERBOX)
      inscribe (&geometry->content, width, height, num, den);
    if (!free && process->fit == GST_SANA_FIT_CROP)
      inscribe (&geometry->part, out->width, out->height,
          (guint64) width * MAX (out->par_d, 1),
          (guint64) height * MAX (out->par_n, 1));
  }
  geometry->width = gst_sana_round_up (width, factor);
  geometry->height = gst_sana_round_up (height, factor);
}

gboolean
gst_sana_geometry_has_margins (const GstSanaGeometry * geometry,
    const GstVideoInfo * out)
{
  return geometry->part.w != out->width || geometry->part.h != out->height;
}
