/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The specification of every operation, as loops to be read beside ops.h.  Private to this folder.
 *
 * Nothing here is fast.  Elements are read to f32 and written from f32 in one place, below; sums
 * and functions are computed in double and rounded once, so that what another device gets wrong
 * is not hidden by what this one gets wrong.  Packed weights are f32 arrays in checkpoint order,
 * rounded to the type they are packed for.
 */
#ifndef SANA_KERNELS_REFERENCE_H
#define SANA_KERNELS_REFERENCE_H

#include "kernels/backend.h"
#include "kernels/convert.h"

/* Where channel ch of position row lies, in elements. */
static inline size_t
at(SanaTensor x, size_t row, int ch)
{
    return row * (size_t)x.stride + (size_t)ch;
}

/* Channel ch of position row, as f32. */
static inline float
load(SanaTensor x, size_t row, int ch)
{
    size_t i = at(x, row, ch);
    switch (x.dtype) {
    case SANA_BF16:
        return sana_bf16_to_f32(((const uint16_t *)x.data)[i]);
    case SANA_F16:
        return sana_f16_to_f32(((const uint16_t *)x.data)[i]);
    default:
        return ((const float *)x.data)[i];
    }
}

/* The nearest number that dtype can hold. */
static inline float
round_to(SanaDType dtype, float value)
{
    if (dtype == SANA_BF16)
        return sana_bf16_to_f32(sana_f32_to_bf16(value));
    if (dtype == SANA_F16)
        return sana_f16_to_f32(sana_f32_to_f16(value));
    return value;
}

/* Rounds value to x's type and puts it there. */
static inline void
store(SanaTensor x, size_t row, int ch, double value)
{
    size_t i = at(x, row, ch);
    float rounded = (float)value;
    switch (x.dtype) {
    case SANA_BF16:
        ((uint16_t *)x.data)[i] = sana_f32_to_bf16(rounded);
        break;
    case SANA_F16:
        ((uint16_t *)x.data)[i] = sana_f32_to_f16(rounded);
        break;
    default:
        ((float *)x.data)[i] = rounded;
        break;
    }
}

/* Row of position (i, j). */
static inline size_t
row_of(SanaTensor x, int i, int j)
{
    return (size_t)i * (size_t)x.w + (size_t)j;
}

/* All channels of one position, as f32, into out[x.c]. */
static inline void
load_row(SanaTensor x, size_t row, float *out)
{
    for (int ch = 0; ch < x.c; ch++)
        out[ch] = load(x, row, ch);
}

/* The activation, as in ops.h. */
double sana_reference_act(SanaAct act, double x);

__typeof__(sana_linear) sana_reference_linear;
__typeof__(sana_conv) sana_reference_conv;
__typeof__(sana_glu_depthwise) sana_reference_glu_depthwise;
__typeof__(sana_linear_attention) sana_reference_linear_attention;
__typeof__(sana_attention) sana_reference_attention;
__typeof__(sana_rope) sana_reference_rope;
__typeof__(sana_norm) sana_reference_norm;
__typeof__(sana_norm_modulate) sana_reference_norm_modulate;
__typeof__(sana_add_gated) sana_reference_add_gated;
__typeof__(sana_activate) sana_reference_activate;
__typeof__(sana_add) sana_reference_add;
__typeof__(sana_mix) sana_reference_mix;
__typeof__(sana_geglu) sana_reference_geglu;
__typeof__(sana_embed_tokens) sana_reference_embed_tokens;
__typeof__(sana_timestep_embedding) sana_reference_timestep_embedding;
__typeof__(sana_pixel_unshuffle) sana_reference_pixel_unshuffle;
__typeof__(sana_pixel_shuffle) sana_reference_pixel_shuffle;
__typeof__(sana_add_unshuffled_mean) sana_reference_add_unshuffled_mean;
__typeof__(sana_add_shuffled_repeat) sana_reference_add_shuffled_repeat;
__typeof__(sana_image_load) sana_reference_image_load;
__typeof__(sana_image_store) sana_reference_image_store;
__typeof__(sana_video_load) sana_reference_video_load;
__typeof__(sana_video_store) sana_reference_video_store;

#endif
