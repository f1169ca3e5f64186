/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which part of the output is drawn anew, and where it lies in the picture that
 * the model works on.  Rectangles of whole pixels on both sides: what goes there
 * by one comes back by the other, so a drawn picture lies exactly on its source.
 *
 *     output                    model's picture
 *     +--------------+          +-------------+--+
 *     |   +------+   |          |.............|  |
 *     |   | part |   |  <---->  |   content   |  |   beside the content: its
 *     |   +------+   |          |.............|  |   mirror image
 *     +--------------+          +-------------+--+
 *                               +----------------+   multiples of the factor
 */
#ifndef GST_SANA_GEOMETRY_H
#define GST_SANA_GEOMETRY_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/*
 * What happens where process size and output differ in display aspect:
 *   STRETCH    the whole output fills the whole process size
 *   LETTERBOX  the whole output fits into it, its shape kept
 *   CROP       the middle of the output fills it; the margins stay the input's
 */
typedef enum
{
  GST_SANA_FIT_STRETCH,
  GST_SANA_FIT_LETTERBOX,
  GST_SANA_FIT_CROP,
} GstSanaFit;

/* The size to work at.  Both 0: the output's, pixel by pixel.  Else its pixels
 * are square, and one that is 0 follows from the output's display aspect. */
typedef struct
{
  guint width, height;
  GstSanaFit fit;
} GstSanaProcess;

typedef struct
{
  GstVideoRectangle part;       /* of the output */
  GstVideoRectangle content;    /* of the model's picture */
  gint width, height;           /* the model's picture */
} GstSanaGeometry;

/* `out` is the output, factor what the model's sides are multiples of. */
void gst_sana_geometry_init (GstSanaGeometry * geometry,
    const GstVideoInfo * out, const GstSanaProcess * process, gint factor);

/* Whether the output has margins that are not drawn anew. */
gboolean gst_sana_geometry_has_margins (const GstSanaGeometry * geometry,
    const GstVideoInfo * out);

/* The least multiple of factor that is at least size, and at least factor. */
gint gst_sana_round_up (gint size, gint factor);

G_END_DECLS
#endif /* GST_SANA_GEOMETRY_H */
