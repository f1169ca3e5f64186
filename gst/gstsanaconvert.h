/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the pictures of a stream and those of the model.
 *
 * The model's picture has the size of the output, rounded up to a multiple of
 * the model's factor.  The input is scaled to the output's size (a plain
 * conversion when they are equal) and put at the top left; what remains on the
 * right and at the bottom is filled with its mirror image on the way in and
 * cut off on the way out.  So a restyled picture lies exactly on its source.
 *
 * A GstSanaConvert is made for one pair of input and output, reference counted,
 * and used by one thread, except gst_sana_convert_copy(), which another may
 * call meanwhile.
 */
#ifndef GST_SANA_CONVERT_H
#define GST_SANA_CONVERT_H

#include "gstsanacommon.h"

G_BEGIN_DECLS

typedef struct _GstSanaConvert GstSanaConvert;

GstSanaConvert *gst_sana_convert_new (const GstVideoInfo * in,
    const GstVideoInfo * out);
GstSanaConvert *gst_sana_convert_ref (GstSanaConvert * convert);
void gst_sana_convert_unref (GstSanaConvert * convert);

/* Owned by convert. */
const GstVideoInfo *gst_sana_convert_in_info (const GstSanaConvert * convert);
const GstVideoInfo *gst_sana_convert_out_info (const GstSanaConvert * convert);

/* FALSE: a size, format or colour of the two differs, so that metas that
 * depend on it need transforming. */
gboolean gst_sana_convert_is_identity (const GstSanaConvert * convert);

/*
 * Reads a picture of the stream.  `source` is then what the model starts from
 * and `result` where it draws: both are convert's, of equal size, and may be
 * the same pixels.
 */
gboolean gst_sana_convert_load (GstSanaConvert * convert, gint factor,
    GstBuffer * in, SanaImage * source, SanaImage * result, GError ** error);

/* Writes what was drawn in `result` into a buffer of the output. */
gboolean gst_sana_convert_store (GstSanaConvert * convert, GstBuffer * out,
    GError ** error);

/* Input straight to output, bit by bit when they are the same. */
gboolean gst_sana_convert_copy (GstSanaConvert * convert, GstBuffer * in,
    GstBuffer * out, GError ** error);

/* The pictures' size for the model. */
void gst_sana_convert_get_size (const GstSanaConvert * convert, gint factor,
    gint * width, gint * height);

G_END_DECLS
#endif /* GST_SANA_CONVERT_H */
