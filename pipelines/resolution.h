/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reference's resolution binning: a size is replaced by the nearest aspect ratio SANA was
 * trained on (sana_resolution_bin()), and the picture is then scaled and cropped to the size asked.
 * Pure functions.
 *
 * Source: diffusers 0.42.1, PixArtImageProcessor with ASPECT_RATIO_1024_BIN.
 */
#ifndef SANA_PIPELINES_RESOLUTION_H
#define SANA_PIPELINES_RESOLUTION_H

#include "pipelines/sana.h"

G_BEGIN_DECLS

/*
 * Scales src (sh, sw, 3) by max(dh/sh, dw/sw), bilinear with pixel centres at halves and no
 * antialiasing, and copies the centre (dh, dw, 3) into dst.  Dense f32, all sizes ≥ 1, no overlap.
 * Equal sizes are a copy.  As torch's F.interpolate(mode="bilinear", align_corners=False), in f32.
 *
 * The scaled size is truncated as there, but never below dw × dh: where rounding loses a pixel the
 * reference crops a single column or row by mistake.
 */
void sana_resize_and_crop(const float *src, int sw, int sh, float *dst, int dw, int dh);

G_END_DECLS
#endif
