/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Depthwise convolutions sweep a row of outputs for a few channels at a time: every input column
 * is loaded once and added to the outputs it belongs to, which wait in registers.
 */
#include "kernels/cpu/vec.h"

/* Columns of outputs in one sweep: what a gated one keeps in the cache meanwhile. */
#define SPAN 128

/* Channels in one sweep of a 3×3, and how many vectors that is. */
#define WIDE 2

typedef struct {
    SanaTensor x;
    const float *taps, *bias; /* bias or NULL */
    int kernel, taps_row;     /* floats from one tap to the next */
} Source;

INLINE Vec
load_vec(const void *from, SanaDType dtype)
{
    return dtype == SANA_BF16 ? vec_load_bf16(from) : vec_load(from);
}

/*
 * Outputs (i, first … first + count − 1) of channels ch … ch + vectors·LANES − 1 to out, a row of
 * vectors·LANES per output.  kernel and vectors are constants where this is inlined.
 */
INLINE void
sweep(const Source *w, int i, int first, int count, int ch, float *out, const int kernel,
      const int vectors)
{
    const int half = kernel / 2;
    const SanaTensor x = w->x;
    const SanaDType dtype = x.dtype == SANA_BF16 ? SANA_BF16 : SANA_F32;
    const int from = i - half < 0 ? half - i : 0;
    const int to = i + half >= x.h ? x.h - i + half : kernel;
    Vec acc[7][WIDE], start[WIDE];

#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        start[v] = w->bias ? vec_load(w->bias + ch + v * LANES) : (Vec){0};
#pragma GCC unroll 7
        for (int a = 0; a < kernel; a++)
            acc[a][v] = start[v];
    }
    /* acc[a] belongs to output j − half + a: column j is the kernel's column kernel − 1 − a there */
    for (int j = first - half; j < first + count + half; j++) {
        if (j >= 0 && j < x.w) {
            for (int r = from; r < to; r++) {
                const char *p = address(x, (size_t)(i - half + r) * (size_t)x.w + (size_t)j, ch);
                const float *tap = w->taps + (size_t)(r * kernel) * (size_t)w->taps_row + ch;
                __builtin_prefetch(p + 64);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    Vec in = load_vec(p + (size_t)(v * LANES) * sana_dtype_size(dtype), dtype);
#pragma GCC unroll 7
                    for (int a = 0; a < kernel; a++)
                        acc[a][v] += in * vec_load(tap + (kernel - 1 - a) * w->taps_row +
                                                   v * LANES);
                }
            }
        }
        if (j - half >= first)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                vec_store(out + ((j - half - first) * vectors + v) * LANES, acc[0][v]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 7
            for (int a = 0; a + 1 < kernel; a++)
                acc[a][v] = acc[a + 1][v];
            acc[kernel - 1][v] = start[v];
        }
    }
}

/* The same for any number of channels, kernel and stride, one tap at a time. */
static void
plain_sweep(const Source *w, int i, int first, int count, int ch, int n, int stride, float *out)
{
    int half = w->kernel / 2;
    for (int j = 0; j < count; j++) {
        float *to = out + j * n, v[BLOCK];
        for (int c = 0; c < n; c++)
            to[c] = w->bias ? w->bias[ch + c] : 0;
        for (int t = 0; t < w->kernel * w->kernel; t++) {
            int r = i * stride - half + t / w->kernel;
            int q = (first + j) * stride - half + t % w->kernel;
            const float *tap = w->taps + (size_t)t * (size_t)w->taps_row + ch;
            if (r < 0 || r >= w->x.h || q < 0 || q >= w->x.w)
                continue;
            load(v, w->x, (size_t)r * (size_t)w->x.w + (size_t)q, ch, n);
            SIMD for (int c = 0; c < n; c++) to[c] += v[c] * tap[c];
        }
    }
}

/* Picks the sweep; returns how many channels it did, at most LANES·WIDE and `left`. */
INLINE int
sweep_some(const Source *w, int i, int first, int count, int ch, int left, int stride, float *out)
{
    if (stride == 1 && left >= WIDE * LANES && w->kernel == 3) {
        sweep(w, i, first, count, ch, out, 3, WIDE);
        return WIDE * LANES;
    }
    if (stride == 1 && left >= LANES && w->kernel == 5) {
        sweep(w, i, first, count, ch, out, 5, 1);
        return LANES;
    }
    if (stride == 1 && left >= LANES && w->kernel == 3) {
        sweep(w, i, first, count, ch, out, 3, 1);
        return LANES;
    }
    int n = left < LANES ? left : LANES;
    plain_sweep(w, i, first, count, ch, n, stride, out);
    return n;
}

static Source
source_of(SanaTensor x, const SanaConv *k, const float *taps)
{
    return (Source){x, taps, k->bias.data, k->kernel, k->out};
}

void
LOOP(depthwise)(SanaTensor y, SanaTensor x, const SanaConv *k, const float *taps, SanaAct act)
{
    const Source w = source_of(x, k, taps);

    FOR_MAP_ROWS(i, y)
    {
        float out[SPAN * WIDE * LANES];
        for (int first = 0; first < y.w; first += SPAN) {
            int count = y.w - first < SPAN ? y.w - first : SPAN;
            for (int ch = 0, n; ch < y.c; ch += n) {
                n = sweep_some(&w, i, first, count, ch, y.c - ch, k->stride, out);
                activate(out, count * n, act);
                for (int j = 0; j < count; j++)
                    store(y, (size_t)i * (size_t)y.w + (size_t)(first + j), ch, out + j * n, n);
            }
        }
    }
}

void
LOOP(glu_depthwise)(SanaTensor y, SanaTensor x, const SanaConv *k, const float *taps)
{
    const Source w = source_of(x, k, taps);

    FOR_MAP_ROWS(i, y)
    {
        float value[SPAN * WIDE * LANES], gate[SPAN * WIDE * LANES];
        for (int first = 0; first < y.w; first += SPAN) {
            int count = y.w - first < SPAN ? y.w - first : SPAN;
            for (int ch = 0, n; ch < y.c; ch += n) {
                n = sweep_some(&w, i, first, count, ch, y.c - ch, 1, value);
                sweep_some(&w, i, first, count, y.c + ch, y.c - ch, 1, gate);
                SIMD for (int j = 0; j < count * n; j++) value[j] *= silu(gate[j]);
                for (int j = 0; j < count; j++)
                    store(y, (size_t)i * (size_t)y.w + (size_t)(first + j), ch, value + j * n, n);
            }
        }
    }
}
