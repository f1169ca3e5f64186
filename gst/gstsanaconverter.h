/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A picture of one format, size and meaning of colours into another.
 *
 * Sizes change only between pictures of RGBA64, on the way if need be:
 * GStreamer 1.22's converter scales 8 bits with errors of up to 5 of 255, and
 * fails where it changes the depth along with both sizes.
 *
 * Used by one thread.
 */
#ifndef GST_SANA_CONVERTER_H
#define GST_SANA_CONVERTER_H

#include "gstsanacolour.h"
#include "gstsanamap.h"

G_BEGIN_DECLS

typedef struct _GstSanaConverter GstSanaConverter;

/* Rates may differ.  Dithering also changes what needs no rounding.  NULL: error. */
GstSanaConverter *gst_sana_converter_new (const GstVideoInfo * in,
    const GstVideoInfo * out, GstVideoDitherMethod dither, GError ** error);

void gst_sana_converter_free (GstSanaConverter * converter);

/* The frames are of the two infos but for strides. */
void gst_sana_converter_run (GstSanaConverter * converter,
    GstVideoFrame * in, GstVideoFrame * out);

G_END_DECLS
#endif /* GST_SANA_CONVERTER_H */
