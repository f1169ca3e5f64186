/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanasmooth.h"

#include <string.h>

/* 16 bit differences up to which a pixel stands still, and from which it is
 * another. */
#define STILL (8 * 257)
#define MOVED (32 * 257)

#define ONE 32768

struct _GstSanaSmooth
{
  gint width, height;           /* of what follows; 0: there is nothing */
  gboolean drawn;               /* `output` is a picture */
  guint64 epoch;
  guint16 *source;              /* the last one, three components */
  guint16 *output;              /* the last one */
  guint16 *still;               /* a pixel's, 0 … ONE */
  guint16 *row;
};

GstSanaSmooth *
gst_sana_smooth_new (void)
{
  return g_new0 (GstSanaSmooth, 1);
}

void
gst_sana_smooth_forget (GstSanaSmooth * smooth)
{
  g_clear_pointer (&smooth->source, g_free);
  g_clear_pointer (&smooth->output, g_free);
  g_clear_pointer (&smooth->still, g_free);
  g_clear_pointer (&smooth->row, g_free);
  smooth->width = smooth->height = 0;
  smooth->drawn = FALSE;
}

void
gst_sana_smooth_free (GstSanaSmooth * smooth)
{
  gst_sana_smooth_forget (smooth);
  g_free (smooth);
}

static gboolean
allocate (GstSanaSmooth * smooth, gint width, gint height, GError ** error)
{
  gsize n = (gsize) width * height;

  gst_sana_smooth_forget (smooth);
  smooth->source = g_try_new (guint16, 3 * n);
  smooth->output = g_try_new (guint16, 3 * n);
  smooth->still = g_try_new (guint16, n);
  smooth->row = g_try_new (guint16, 3 * (gsize) width);
  if (smooth->source && smooth->output && smooth->still && smooth->row) {
    smooth->width = width;
    smooth->height = height;
    return TRUE;
  }
  gst_sana_smooth_forget (smooth);
  g_set_error (error, SANA_ERROR, SANA_ERROR_MEMORY,
      "no memory to smooth pictures of %d × %d; set temporal-smoothing to 0 "
      "or a smaller process-width", width, height);
  return FALSE;
}

static guint16
stillness (const guint16 * a, const guint16 * b)
{
  gint c, most = 0;

  for (c = 0; c < 3; c++)
    most = MAX (most, ABS ((gint) a[c] - b[c]));
  if (most <= STILL)
    return ONE;
  if (most >= MOVED)
    return 0;
  return (MOVED - most) * ONE / (MOVED - STILL);
}

gboolean
gst_sana_smooth_look (GstSanaSmooth * smooth, const SanaImage * source,
    guint64 epoch, GError ** error)
{
  gsize width = source->width;
  gsize x;
  gint y;

  if (source->width != smooth->width || source->height != smooth->height) {
    if (!allocate (smooth, source->width, source->height, error))
      return FALSE;
  }
  if (smooth->epoch != epoch)
    smooth->drawn = FALSE;
  smooth->epoch = epoch;

  for (y = 0; y < source->height; y++) {
    guint16 *last = smooth->source + y * 3 * width;
    guint16 *still = smooth->still + y * width;

    gst_sana_image_get_row (source, y, smooth->row);
    if (smooth->drawn) {
      for (x = 0; x < width; x++)
        still[x] = stillness (smooth->row + 3 * x, last + 3 * x);
    }
    memcpy (last, smooth->row, 3 * width * sizeof (*last));
  }
  return TRUE;
}

void
gst_sana_smooth_apply (GstSanaSmooth * smooth, const SanaImage * drawn,
    gdouble amount)
{
  guint32 share = CLAMP (amount, 0.0, 1.0) * ONE + 0.5;
  gsize width = smooth->width;
  gsize x;
  gint y, c;

  for (y = 0; y < smooth->height; y++) {
    guint16 *last = smooth->output + y * 3 * width;
    const guint16 *still = smooth->still + y * width;

    gst_sana_image_get_row (drawn, y, smooth->row);
    if (!smooth->drawn) {
      memcpy (last, smooth->row, 3 * width * sizeof (*last));
      continue;
    }
    for (x = 0; x < width; x++) {
      guint32 w = share * still[x] / ONE;

      for (c = 0; c < 3; c++)
        last[3 * x + c] = (last[3 * x + c] * w +
            smooth->row[3 * x + c] * (ONE - w) + ONE / 2) / ONE;
    }
    gst_sana_image_put_row (drawn, y, last);
  }
  smooth->drawn = TRUE;
}
