/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pixels of pictures of RGB or RGBA64 (never floats), as the model takes and
 * gives them.  Components are looked at as 16 bits: a byte times 257.
 */
#ifndef GST_SANA_IMAGE_H
#define GST_SANA_IMAGE_H

#include <gst/video/video.h>

#include "pipelines/sana.h"

G_BEGIN_DECLS

/* Points `image` at the pixels of a mapped frame made by gst_sana_work_info();
 * valid while it is mapped. */
void gst_sana_image_from_frame (SanaImage * image, const GstVideoFrame * frame);

/*
 * A part of a mapped frame, the same pixels, as a frame of its own that is not
 * to be unmapped.  For converters: GStreamer 1.22 counts their src-x and dest-x
 * twice in formats of 16 bits.
 */
void gst_sana_image_cut_frame (GstVideoFrame * part,
    const GstVideoFrame * frame, const GstVideoRectangle * where);

/* Copies red, green and blue of row y, `width` pixels of three. */
void gst_sana_image_get_row (const SanaImage * image, gint y, guint16 * row);

/* Writes them; alpha stays.  Bytes are rounded. */
void gst_sana_image_put_row (const SanaImage * image, gint y,
    const guint16 * row);

/* Fills what is beside `content` with its mirror image. */
void gst_sana_image_mirror (const SanaImage * image,
    const GstVideoRectangle * content);

/* onto = onto + weight · (drawn − onto), for pictures of one size; alpha stays.
 * weight: 0 … 1. */
void gst_sana_image_blend (const SanaImage * onto, const SanaImage * drawn,
    gdouble weight);

G_END_DECLS
#endif /* GST_SANA_IMAGE_H */
