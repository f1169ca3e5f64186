/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations that are loops.  Each file of loops is compiled once per instruction set, with
 * SANA_ISA set to its name, into one table; cpu.c picks a table when the device is opened.
 */
#ifndef SANA_KERNELS_CPU_LOOPS_H
#define SANA_KERNELS_CPU_LOOPS_H

#include "kernels/ops.h"

/* Working memory of a stream, 64-byte aligned, until the next call; NULL after sana_fail().
 * Nothing is kept between operations. */
void *sana_cpu_workspace(SanaStream *s, size_t bytes);

/*
 * y (n, c) = act(x) + residual (or SANA_NONE), rows of any dtype and stride.  y may be x or
 * residual.
 */
typedef void SanaCpuFinish(SanaTensor y, SanaTensor x, SanaAct act, SanaTensor residual);

/*
 * y (h', w', c) = act(k ∗ x + bias), k depthwise with stride 1 or 2; taps f32, tap t of channel ch
 * at t·c + ch; bias (c) or NULL.
 */
typedef void SanaCpuDepthwise(SanaTensor y, SanaTensor x, const SanaConv *k, const float *taps,
                              SanaAct act);

/* y (h, w, c) = u[0 … c) · silu(u[c … 2c)), u = k ∗ x + bias, as sana_glu_depthwise(). */
typedef void SanaCpuGlu(SanaTensor y, SanaTensor x, const SanaConv *k, const float *taps);

/*
 * y (2h, 2w, c) from windows (rows, w + 1, 4c), rows of them from row `first`: quarter 2a + b of
 * window (p, q) is position (2p − a, 2q − b) of y, where that exists.
 */
typedef void SanaCpuSpread(SanaTensor y, SanaTensor windows, int first);

/* Outputs that lie together in the weights of the two below. */
#define SANA_CPU_PANEL 32

/*
 * y (h', w', out) = act(k ∗ x + bias), F32 or both BF16, k dense, 3×3; in a multiple of 16, out of
 * SANA_CPU_PANEL.  winograd: stride 1, points of winograd.c; strided: F32, no enlarging, the taps
 * for points.  Point p of weight (o, i) at ((p·out + o − o % PANEL)·in + i·PANEL + o % PANEL).
 * room: the floats that sana_cpu_…_floats() says, for as many threads as there may be.
 */
typedef void SanaCpuDense(SanaTensor y, SanaTensor x, const SanaConv *k, const float *points,
                          SanaAct act, float *room);

/* Points of a window each way: of F(4×4, 3×3), and where the last is zero, on an enlarged map. */
#define SANA_CPU_WINDOW 6
#define SANA_CPU_WINDOW_ENLARGED 5

static inline int
sana_cpu_winograd_side(const SanaConv *k)
{
    return k->upsample == 2 ? SANA_CPU_WINDOW_ENLARGED : SANA_CPU_WINDOW;
}

/* Outputs of a tile each way. */
#define SANA_CPU_TILE 4

/*
 * Tiles of y that winograd takes at a time, a multiple of 8: as many as half the rows of the square
 * product of these widths, so that the weights cross the caches as often as windows and results;
 * more than 64 gain nothing.  Fewer where some of the threads would have none.
 */
static inline int
sana_cpu_winograd_tiles(const SanaConv *k, SanaTensor y, int threads)
{
    size_t in = (size_t)k->in, out = (size_t)k->out, even = in * out / (in + out) / 2;
    size_t rows = ((size_t)y.h + SANA_CPU_TILE - 1) / SANA_CPU_TILE;
    size_t tiles = ((size_t)y.w + SANA_CPU_TILE - 1) / SANA_CPU_TILE * rows;
    size_t share = (tiles + (size_t)threads - 1) / (size_t)threads;
    return (int)MIN((share + 7) / 8 * 8, CLAMP((even + 7) / 8 * 8, 16, 64));
}

static inline size_t
sana_cpu_winograd_floats(const SanaConv *k, SanaTensor y, int threads)
{
    size_t side = (size_t)sana_cpu_winograd_side(k);
    size_t points = side * side * (size_t)sana_cpu_winograd_tiles(k, y, threads);
    return (size_t)k->in + points * (size_t)(k->in + k->out);
}

/* Results of a row that strided computes at a time, and the positions of x that they need. */
#define SANA_CPU_STRIDED 32

static inline int
sana_cpu_strided_width(const SanaConv *k)
{
    return (SANA_CPU_STRIDED - 1) * k->stride + k->kernel;
}

static inline size_t
sana_cpu_strided_floats(const SanaConv *k)
{
    size_t positions = (size_t)k->kernel * (size_t)sana_cpu_strided_width(k);
    return positions * (size_t)k->in + SANA_CPU_STRIDED * (size_t)k->out;
}

/* y (n, out) = x (n, in) · Wᵀ + bias (out, or NULL), x F32, W (1, out, in) BF16 in checkpoint
 * order.  x, y: views. */
typedef void SanaCpuLinearRows(SanaTensor y, SanaTensor x, SanaTensor w, const float *bias);

/*
 * y (n, c) dense, x ≈ y·scale with |y| ≤ 127; returns the scale, NaN where x has a value that is
 * not finite.  x: a view, F32 or BF16.
 */
typedef float SanaCpuQuantise(int8_t *y, SanaTensor x);

typedef struct {
    const char *isa;
    SanaCpuFinish *finish;
    SanaCpuDepthwise *depthwise;
    SanaCpuGlu *glu_depthwise;
    SanaCpuSpread *spread;
    SanaCpuDense *winograd;
    SanaCpuDense *strided;
    SanaCpuLinearRows *linear_rows;
    SanaCpuQuantise *quantise;
    __typeof__(sana_linear_attention) *linear_attention;
    __typeof__(sana_attention) *attention;
    __typeof__(sana_rope) *rope;
    __typeof__(sana_norm) *norm;
    __typeof__(sana_norm_modulate) *norm_modulate;
    __typeof__(sana_add_gated) *add_gated;
    __typeof__(sana_add) *add;
    __typeof__(sana_mix) *mix;
    __typeof__(sana_geglu) *geglu;
    __typeof__(sana_embed_tokens) *embed_tokens;
    __typeof__(sana_pixel_unshuffle) *pixel_unshuffle;
    __typeof__(sana_pixel_shuffle) *pixel_shuffle;
    __typeof__(sana_add_unshuffled_mean) *add_unshuffled_mean;
    __typeof__(sana_add_shuffled_repeat) *add_shuffled_repeat;
    __typeof__(sana_image_load) *image_load;
    __typeof__(sana_image_store) *image_store;
    __typeof__(sana_video_load) *video_load;
    __typeof__(sana_video_store) *video_store;
} SanaCpuLoops;

extern const SanaCpuLoops sana_cpu_loops_plain;
#ifdef __x86_64__
extern const SanaCpuLoops sana_cpu_loops_avx2;
extern const SanaCpuLoops sana_cpu_loops_avx512;
extern const SanaCpuLoops sana_cpu_loops_avx512_bf16;
#endif

/* The tables this processor can run, best first; NULL after the last, which every processor can. */
const SanaCpuLoops *sana_cpu_loops_here(size_t n);

#ifdef SANA_ISA /* inside a file of loops */

#define SANA_PASTE2(name, isa) sana_cpu_##name##_##isa
#define SANA_PASTE(name, isa) SANA_PASTE2(name, isa)
#define LOOP(name) SANA_PASTE(name, SANA_ISA)

SanaCpuFinish LOOP(finish);
SanaCpuDepthwise LOOP(depthwise);
SanaCpuGlu LOOP(glu_depthwise);
SanaCpuSpread LOOP(spread);
SanaCpuDense LOOP(winograd);
SanaCpuDense LOOP(strided);
SanaCpuLinearRows LOOP(linear_rows);
SanaCpuQuantise LOOP(quantise);
__typeof__(sana_linear_attention) LOOP(linear_attention);
__typeof__(sana_attention) LOOP(attention);
__typeof__(sana_rope) LOOP(rope);
__typeof__(sana_norm) LOOP(norm);
__typeof__(sana_norm_modulate) LOOP(norm_modulate);
__typeof__(sana_add_gated) LOOP(add_gated);
__typeof__(sana_add) LOOP(add);
__typeof__(sana_mix) LOOP(mix);
__typeof__(sana_geglu) LOOP(geglu);
__typeof__(sana_embed_tokens) LOOP(embed_tokens);
__typeof__(sana_pixel_unshuffle) LOOP(pixel_unshuffle);
__typeof__(sana_pixel_shuffle) LOOP(pixel_shuffle);
__typeof__(sana_add_unshuffled_mean) LOOP(add_unshuffled_mean);
__typeof__(sana_add_shuffled_repeat) LOOP(add_shuffled_repeat);
__typeof__(sana_image_load) LOOP(image_load);
__typeof__(sana_image_store) LOOP(image_store);
__typeof__(sana_video_load) LOOP(video_load);
__typeof__(sana_video_store) LOOP(video_store);

#endif
#endif
