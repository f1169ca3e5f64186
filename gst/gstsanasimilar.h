/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a picture is like the one that was computed last, so that it need not
 * be computed again.
 *
 * Both are scaled down to 32 × 32 RGB.  Their likeness is 1 less the largest
 * change of a component, as a share of its range: noise averages out in so
 * small a picture, what moves does not.
 *
 *   like      likeness ≥ threshold
 *   and then  until likeness < threshold − (1 − threshold) / 2, so that a
 *             picture at the threshold does not flicker between the two
 *   limit     ten in a row, then one is computed whatever it is
 *
 * Not thread safe.
 */
#ifndef GST_SANA_SIMILAR_H
#define GST_SANA_SIMILAR_H

#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_SANA_SIMILAR_SIDE 32
#define GST_SANA_SIMILAR_LIMIT 10

typedef struct
{
  GstVideoInfo info;            /* that the converter is made for */
  GstVideoConverter *converter;
  guint8 now[GST_SANA_SIMILAR_SIDE * GST_SANA_SIMILAR_SIDE * 3];
  guint8 last[GST_SANA_SIMILAR_SIDE * GST_SANA_SIMILAR_SIDE * 3];
  gboolean known;               /* there is a last one */
  gboolean like;                /* the one before was */
  guint n_like;                 /* in a row */
} GstSanaSimilar;

/* All zeros is what a new one holds.  Forgets the last picture. */
void gst_sana_similar_reset (GstSanaSimilar * similar);
void gst_sana_similar_clear (GstSanaSimilar * similar);

/* Looks at a picture.  Unless it is like the last one, or the limit is reached,
 * it becomes the last one: it is to be computed. */
gboolean gst_sana_similar_check (GstSanaSimilar * similar,
    const GstVideoInfo * info, GstBuffer * picture, gdouble threshold);

G_END_DECLS
#endif /* GST_SANA_SIMILAR_H */
