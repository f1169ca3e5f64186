/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words the networks are written in.
 *
 * Every operation works on one stream, returns nothing, and does nothing after the stream has
 * failed or was cancelled.  Shapes, dtypes and aliasing are checked once, here in front (ops.c);
 * devices trust them.  Storage is F32, BF16 or F16 per tensor (x and y may differ unless said);
 * arithmetic, sums and norms are f32; products take inputs in the dtype of their weights, to which
 * a device may round their bias.
 *
 * Unless "in place" is said, outputs must not overlap inputs.  Views (stride > c) are allowed
 * where "view" is said.  Shapes are (h, w, c); (n, c) means any h, w with n = h·w.
 */
#ifndef SANA_KERNELS_OPS_H
#define SANA_KERNELS_OPS_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * SILU  x / (1 + e^−x)          RELU  max(x, 0)         MISH  x · tanh(ln(1 + e^x))
 * GELU  x/2 · (1 + erf(x/√2))   GELU_TANH  x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))
 */
typedef enum {
    SANA_ACT_NONE,
    SANA_ACT_SILU,
    SANA_ACT_RELU,
    SANA_ACT_GELU,
    SANA_ACT_GELU_TANH,
    SANA_ACT_MISH,
} SanaAct;

/* --- products and convolutions ---------------------------------------------------------------- */

/*
 * y (n, out) = act(x (n, in) · Wᵀ + bias) + residual (n, out)
 * x and y of the dtype the weights were packed for, or y F32; residual of y's dtype or SANA_NONE,
 * may be y itself (accumulate); a device may round the product before it adds.  x, y: views.
 */
void sana_linear(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
                 SanaTensor residual);

/*
 * y (h', w', out) = act(k ∗ x (h, w, in) + bias), zero padding kernel/2, with k's stride, upsample
 * and groups:  h' = (h·upsample − 1)/stride + 1, w' likewise.  x and y of the dtype the weights
 * were packed for.  upsample 2: kernel 3, stride 1, groups 1; groups of several channels: no act.
 * With upsample 2 a device may add up the weights that meet the same pixel and round the sums.
 */
void sana_conv(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act);

/*
 * The gated depthwise half of a Mix-FFN.  u = k ∗ x (h, w, 2c) + bias, k depthwise, kernel 3:
 * y (h, w, c) = u[0 … c) · silu(u[c … 2c))
 */
void sana_glu_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k);

/* --- attention -------------------------------------------------------------------------------- */

/* How q, k, v of several heads lie in one row of 3·heads·d channels. */
typedef enum {
    SANA_QKV_BY_PART, /* all queries, all keys, all values: SANA transformer */
    SANA_QKV_BY_HEAD, /* q, k, v of head 0, then of head 1, …: DC-AE */
} SanaQkvOrder;

/*
 * ReLU linear attention over all n positions, per head in f32:
 *   v' = (v, 1);  S = Σ_n v' relu(k)ᵀ (d + 1, d);  o = S · relu(q);  y = o[0 … d) / (o[d] + 1e-15)
 * y (n, heads·d), qkv (n, 3·heads·d).  y: view.
 */
void sana_linear_attention(SanaStream *s, SanaTensor y, SanaTensor qkv, int head_dim,
                           SanaQkvOrder order);

/*
 * heads     query heads; head width d = q.c / heads
 * kv_heads  key and value heads; query head i reads kv head i / (heads / kv_heads)
 * scale     factor on q·k
 * softcap   c > 0: scores become c·tanh(scores / c); 0: none
 * causal    the n queries are the last n of the t positions: query i sees keys j ≤ i + t − n
 * window    > 0 with causal: and only keys j > i + t − n − window; 0: all
 */
typedef struct {
    int heads, kv_heads;
    float scale, softcap;
    bool causal;
    int window;
} SanaAttention;

/* y (n, heads·d) = softmax(q kᵀ) v per head; q (n, heads·d), k, v (t, kv_heads·d).  All views. */
void sana_attention(SanaStream *s, SanaTensor y, SanaTensor q, SanaTensor k, SanaTensor v,
                    SanaAttention a);

/*
 * Rotary positions, in place, half-split as in Gemma: for each head of x (n, heads·d), position
 * p = first + row, i < d/2, angle p·(1/theta^(2i/d)) with power, reciprocal and product each
 * rounded to f32, as the reference rounds (which is 10⁻⁵ radians at position 500):
 *   (x_i, x_{i+d/2}) ← (x_i cos − x_{i+d/2} sin, x_{i+d/2} cos + x_i sin).  x: view.
 */
void sana_rope(SanaStream *s, SanaTensor x, int head_dim, int first, float theta);

/* --- norms and modulation --------------------------------------------------------------------- */

/*
 * y (n, c) = act(norm(x)) + residual (SANA_NONE or (n, c) of any dtype).  norm->groups divides c.
 * y may be x or residual (in place).  x, y: views.
 */
void sana_norm(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
               SanaTensor residual);

/*
 * x (h, w, c) += norm(k ∗ y (h, w, in) + bias), what a residual block ends with.  k leaves the size
 * as it is.  A device may leave its sums unrounded.  Takes scratch of the size of x.
 */
void sana_conv_norm_add(SanaStream *s, SanaTensor x, SanaTensor y, const SanaConv *k,
                        const SanaNorm *norm);

/*
 * y (n, c) = layer_norm(x) · (1 + scale) + shift; layer_norm(x) = (x − mean)/√(var + eps), var
 * biased, no affine.  shift, scale (1, c).  y may be x.
 */
void sana_norm_modulate(SanaStream *s, SanaTensor y, SanaTensor x, SanaTensor shift,
                        SanaTensor scale, float eps);

/* x (n, c) += gate (1, c) · y (n, c).  In place on x. */
void sana_add_gated(SanaStream *s, SanaTensor x, SanaTensor y, SanaTensor gate);

/* --- pointwise -------------------------------------------------------------------------------- */

/* y = act(x), same shape; converts between dtypes; SANA_ACT_NONE copies.  y may be x.  Views. */
void sana_activate(SanaStream *s, SanaTensor y, SanaTensor x, SanaAct act);

/* y (n, c) = a (n, c) + b (n, c), or b (1, c) added to every position.  y may be a or b. */
void sana_add(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b);

/* y = coef[0]·a + coef[1]·b, same shapes; coef (1, 1, 2) F32 in device memory, so that a replay
 * sees new values.  y may be a or b. */
void sana_mix(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b, SanaTensor coef);

/* y (n, c) = gelu_tanh(x[0 … c)) · x[c … 2c), x (n, 2c). */
void sana_geglu(SanaStream *s, SanaTensor y, SanaTensor x);

/*
 * y (count, c) = scale · table[ids[i]].  table (vocabulary, c) F32, BF16 or F16 and ids lie in HOST
 * memory on every device: of a gigabyte of rows a prompt needs twenty.  0 ≤ id < vocabulary.
 */
void sana_embed_tokens(SanaStream *s, SanaTensor y, SanaTensor table, const int32_t *ids,
                       float scale);

/* y (1, c) = [cos(t·f_i), sin(t·f_i)], f_i = 10000^(−i/(c/2)), i < c/2; t (1, 1, 1) F32. */
void sana_timestep_embedding(SanaStream *s, SanaTensor y, SanaTensor t);

/* --- resolution ------------------------------------------------------------------------------- */

/* y (h/2, w/2, 4c) from x (h, w, c): y channel ch·4 + 2·dy + dx = x(2i + dy, 2j + dx, ch). */
void sana_pixel_unshuffle(SanaStream *s, SanaTensor y, SanaTensor x);

/* The inverse: y (2h, 2w, c) from x (h, w, 4c). */
void sana_pixel_shuffle(SanaStream *s, SanaTensor y, SanaTensor x);

/*
 * The shortcut past a downsampling: y (h/f, w/f, c') += mean over consecutive channel groups of
 * unshuffle_f(x (h, w, c)), f = x.h / y.h ∈ {1, 2}; group = f²·c / c'.  In place on y.
 */
void sana_add_unshuffled_mean(SanaStream *s, SanaTensor y, SanaTensor x);

/*
 * The shortcut past an upsampling: y (h·f, w·f, c') += shuffle_f(each channel of x (h, w, c)
 * repeated r times in a row), f = y.h / x.h ∈ {1, 2}; r = f²·c' / c.  In place on y.
 */
void sana_add_shuffled_repeat(SanaStream *s, SanaTensor y, SanaTensor x);

/* --- pictures --------------------------------------------------------------------------------- */

/* y (h, w, 3) = 2·x/max − 1 of the first three channels of x (h, w, 3 or 4), U8, U16, or F32 (then
 * copied as it is).  x: view. */
void sana_image_load(SanaStream *s, SanaTensor y, SanaTensor x);

/* y (h, w, 3 or 4) = round(max · clamp((x + 1)/2, 0, 1)), ties to even; a fourth channel is max.
 * F32 y is x as it is, not clamped.  x (h, w, 3).  y: view. */
void sana_image_store(SanaStream *s, SanaTensor y, SanaTensor x);

/* --- video ------------------------------------------------------------------------------------ */

/*
 * One of Y, U, V or R, G, B: its sample (k, l) is the byte at data + k·step + l·pitch, k < ⌈width /
 * sub_x⌉, l < ⌈height / sub_y⌉, and lies (at_x + k·sub_x, at_y + l·sub_y) pixels from the picture's
 * upper left corner.
 */
typedef struct {
    void *data; /* device memory */
    size_t pitch;
    int step;         /* 1 … 4 */
    int sub_x, sub_y; /* 1 or 2 */
    float at_x, at_y; /* 0.5: in the middle of the first pixel; 1: between two */
} SanaVideoComponent;

typedef struct {
    int x, y, w, h;
} SanaRectangle;

/*
 * A picture of video, of 8 bits, and where it lies in the network's picture: `content` of that
 * shows the whole video.
 *
 * matrix  load:  r, g, b = matrix · (levels 0 … 255, 1)
 *         store: levels = matrix · (r, g, b, 1)
 * filler  a byte in each pixel, step and pitch as of component 0, that store makes 255; or NULL
 */
typedef struct {
    int width, height;
    SanaVideoComponent component[3];
    void *filler;
    float matrix[3][4];
    SanaRectangle content;
} SanaVideo;

/* How many samples may come to one: more is no picture, and would take for ever. */
#define SANA_MOST_REDUCED 64

/* Whether neither side is more than that times the other. */
static inline bool
sana_video_scales(int a, int b)
{
    return (a - 1) / SANA_MOST_REDUCED < b && (b - 1) / SANA_MOST_REDUCED < a;
}

/*
 * Both resample with a triangle: a value at u between samples is the mean of the samples k there
 * are, weighted with max(0, 1 − |u − k|/r), in each direction; r is 1, or as many samples as come
 * to one that is made, where that is more.  Sides are as sana_video_scales() wants them.
 *
 * y (h, w, 3) ← video.  Each component is resampled on its own, then the matrix is applied, without
 * clamping.  Around content lies its mirror image, the edge repeated.
 */
void sana_video_load(SanaStream *s, SanaTensor y, const SanaVideo *x);

/* video ← x (h, w, 3).  r, g and b are resampled from content where each component has its samples;
 * levels are rounded, ties to even, and cut to 0 … 255.  Writes no other bytes. */
void sana_video_store(SanaStream *s, const SanaVideo *y, SanaTensor x);

/* --- checks ----------------------------------------------------------------------------------- */

/* Whether a HOST tensor holds no NaN and no infinity.  Needs no stream. */
bool sana_all_finite(SanaTensor host);

#ifdef __cplusplus
}
#endif
#endif
