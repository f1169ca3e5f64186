/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the pictures of a stream and those of the model.
 *
 * The input is scaled to the output (a plain conversion when they are equal);
 * of that, geometry says which part is drawn anew and where it lies in the
 * model's picture (gstsanageometry.h).  What the model drew is smoothed over
 * time (gstsanasmooth.h), goes back to where it came from, and is blended with
 * the input there.  Alpha, and the margins of a crop, stay the input's.
 *
 * A GstSanaConvert is made for one input, output and process size, reference
 * counted, and used by one thread, except gst_sana_convert_copy(), which
 * another may call meanwhile.
 */
#ifndef GST_SANA_CONVERT_H
#define GST_SANA_CONVERT_H

#include "gstsanageometry.h"
#include "gstsanaimage.h"

G_BEGIN_DECLS typedef struct _GstSanaConvert GstSanaConvert;

/* How a drawn picture becomes the output.  Frames of another epoch than the
 * one before are not smoothed with it. */
typedef struct
{
  gdouble mix;                  /* 0: the input, 1: the drawn picture */
  gdouble smoothing;            /* 0 … 1 */
  guint64 epoch;
} GstSanaBlend;

GstSanaConvert *gst_sana_convert_new (const GstVideoInfo * in,
    const GstVideoInfo * out, const GstSanaProcess * process);
GstSanaConvert *gst_sana_convert_ref (GstSanaConvert * convert);
void gst_sana_convert_unref (GstSanaConvert * convert);

/* Owned by convert. */
const GstVideoInfo *gst_sana_convert_in_info (const GstSanaConvert * convert);
const GstVideoInfo *gst_sana_convert_out_info (const GstSanaConvert * convert);

/* Whether it was made for that. */
gboolean gst_sana_convert_is_for (const GstSanaConvert * convert,
    const GstSanaProcess * process);

/*
 * Reads a picture of the stream.  `source` is then what the model starts from
 * and `result` where it draws: both are convert's, of equal size, and may be
 * the same pixels.
 */
gboolean gst_sana_convert_load (GstSanaConvert * convert, gint factor,
    GstBuffer * in, const GstSanaBlend * blend, SanaImage * source,
    SanaImage * result, GError ** error);

/* Writes what was drawn in `result` into a buffer of the output; blend is that
 * of load(). */
gboolean gst_sana_convert_store (GstSanaConvert * convert, GstBuffer * out,
    const GstSanaBlend * blend, GError ** error);

/*
 * Describes input and output as the model's device can read and write them by
 * itself, but for planes, and where in the model's picture they lie.  FALSE: the
 * formats or what is wanted of the pictures need load() and store().  Makes
 * nothing and touches no picture; frames that go this way are forgotten for
 * smoothing.
 */
gboolean gst_sana_convert_get_video (GstSanaConvert * convert, gint factor,
    const GstSanaBlend * blend, SanaVideoImage * source,
    SanaVideoImage * target, SanaContent * content);

/* Input straight to output, bit by bit when they are the same. */
gboolean gst_sana_convert_copy (GstSanaConvert * convert, GstBuffer * in,
    GstBuffer * out, GError ** error);

/* The pictures' size for the model. */
void gst_sana_convert_get_size (const GstSanaConvert * convert, gint factor,
    gint * width, gint * height);

G_END_DECLS
#endif /* GST_SANA_CONVERT_H */
