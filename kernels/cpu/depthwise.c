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
    const float *taps, *bias;     /* bias or NULL */
    int kernel, stride, taps_row; /* floats from one tap to the next */
} Source;

/* Outputs first … first + count − 1 of row i, from channel ch. */
typedef struct {
    int i, first, count, ch;
} Place;

/*
 * Outputs (i, first … first + count − 1) of channels ch … ch + vectors·LANES − 1 to out, a row of
 * vectors·LANES per output.  kernel and vectors are constants where this is inlined.
 *
 * Taps are gathered first: they lie whole rows of channels apart, which in a cache is one set.
 * Rows outside the map are taken from row i with taps of 0.
 */
INLINE void
sweep(const Source *w, Place at, float *restrict out, const int kernel, const int vectors)
{
    const int i = at.i, first = at.first, count = at.count, ch = at.ch;
    const int half = kernel / 2;
    const size_t element = sana_dtype_size(w->x.dtype);
    const size_t step = (size_t)w->x.stride * element;
    const bool bf16 = w->x.dtype == SANA_BF16;
    const char *rows[5];
    Vec tap[5][5][WIDE], acc[5][WIDE], start[WIDE];

#pragma GCC unroll 5
    for (int r = 0; r < kernel; r++) {
        int from = i - half + r;
        bool inside = from >= 0 && from < w->x.h;
        rows[r] = address(w->x, (size_t)(inside ? from : i) * (size_t)w->x.w, ch);
#pragma GCC unroll 5
        for (int a = 0; a < kernel; a++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                size_t t = (size_t)(r * kernel + kernel - 1 - a);
                const float *p = w->taps + t * (size_t)w->taps_row + ch + v * LANES;
                tap[r][a][v] = inside ? vec_load(p) : (Vec){0};
            }
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        start[v] = w->bias ? vec_load(w->bias + ch + v * LANES) : (Vec){0};
#pragma GCC unroll 5
        for (int a = 0; a < kernel; a++)
            acc[a][v] = start[v];
    }
    /* acc[a] belongs to output j − half + a */
    for (int j = first - half; j < first + count + half; j++) {
        if (j >= 0 && j < w->x.w) {
#pragma GCC unroll 5
            for (int r = 0; r < kernel; r++) {
                const char *p = rows[r] + (size_t)j * step;
                __builtin_prefetch(p + 64);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    Vec in = bf16 ? vec_load_bf16((const uint16_t *)p + v * LANES)
                                  : vec_load((const float *)p + v * LANES);
#pragma GCC unroll 5
                    for (int a = 0; a < kernel; a++)
                        acc[a][v] += in * tap[r][a][v];
                }
            }
        }
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            if (j - half >= first)
                vec_store(out + ((j - half - first) * vectors + v) * LANES, acc[0][v]);
#pragma GCC unroll 5
            for (int a = 0; a + 1 < kernel; a++)
                acc[a][v] = acc[a + 1][v];
            acc[kernel - 1][v] = start[v];
        }
    }
}

/* The same for any number of channels, kernel and stride, one tap at a time. */
static void
plain_sweep(const Source *w, Place at, int n, float *out)
{
    int half = w->kernel / 2;
    for (int j = 0; j < at.count; j++) {
        float *to = out + j * n, v[BLOCK];
        for (int c = 0; c < n; c++)
            to[c] = w->bias ? w->bias[at.ch + c] : 0;
        for (int t = 0; t < w->kernel * w->kernel; t++) {
            int r = at.i * w->stride - half + t / w->kernel;
            int q = (at.first + j) * w->stride - half + t % w->kernel;
            const float *tap = w->taps + (size_t)t * (size_t)w->taps_row + at.ch;
            if (r < 0 || r >= w->x.h || q < 0 || q >= w->x.w)
                continue;
            load(v, w->x, (size_t)r * (size_t)w->x.w + (size_t)q, at.ch, n);
            SIMD for (int c = 0; c < n; c++) to[c] += v[c] * tap[c];
        }
    }
}

/* Picks the sweep; returns how many channels it did, at most LANES·WIDE and `left`. */
static int
sweep_some(const Source *w, Place at, int left, float *out)
{
    if (w->stride == 1 && left >= WIDE * LANES && w->kernel == 3) {
        sweep(w, at, out, 3, WIDE);
        return WIDE * LANES;
    }
    if (w->stride == 1 && left >= LANES && w->kernel == 5) {
        sweep(w, at, out, 5, 1);
        return LANES;
    }
    if (w->stride == 1 && left >= LANES && w->kernel == 3) {
        sweep(w, at, out, 3, 1);
        return LANES;
    }
    int n = left < LANES ? left : LANES;
    plain_sweep(w, at, n, out);
    return n;
}

static Source
source_of(SanaTensor x, const SanaConv *k, const float *taps)
{
    return (Source){x, taps, k->bias.data, k->kernel, k->stride, k->out};
}

/*
 * A map is cut into panels of channels, and those into bands of rows, one after the other on a
 * thread: the few rows of a panel that a sweep needs stay in the second-level cache, whole rows of
 * a wide map would not.
 */
#define PANEL 256
#define BAND 16

typedef struct {
    int first_row, end_row, first_ch, end_ch;
} Part;

static int
count_parts(SanaTensor y)
{
    return (y.c + PANEL - 1) / PANEL * ((y.h + BAND - 1) / BAND);
}

static Part
get_part(SanaTensor y, int index)
{
    int bands = (y.h + BAND - 1) / BAND;
    int row = index % bands * BAND, ch = index / bands * PANEL;
    return (Part){row, row + BAND < y.h ? row + BAND : y.h, ch,
                  ch + PANEL < y.c ? ch + PANEL : y.c};
}

static void
store_columns(SanaTensor y, Place at, const float *from, int n)
{
    size_t row = (size_t)at.i * (size_t)y.w + (size_t)at.first;
    for (int j = 0; j < at.count; j++)
        store(y, row + (size_t)j, at.ch, from + j * n, n);
}

void
LOOP(depthwise)(SanaTensor y, SanaTensor x, const SanaConv *k, const float *taps, SanaAct act)
{
    const Source w = source_of(x, k, taps);

    PARALLEL_FOR(int, index, count_parts(y), sana_positions(y) * (size_t)y.c)
    {
        float out[SPAN * WIDE * LANES];
        Part part = get_part(y, index);
        for (int i = part.first_row; i < part.end_row; i++)
            for (int first = 0; first < y.w; first += SPAN)
                for (int ch = part.first_ch, n; ch < part.end_ch; ch += n) {
                    Place at = {i, first, y.w - first < SPAN ? y.w - first : SPAN, ch};
                    n = sweep_some(&w, at, part.end_ch - ch, out);
                    activate(out, at.count * n, act, y.dtype);
                    store_columns(y, at, out, n);
                }
    }
}

/* Returns how many channels it did. */
static int
gate_some(const Source *w, SanaTensor y, Place at, int left)
{
    float value[SPAN * WIDE * LANES], gate[SPAN * WIDE * LANES];
    Place of_gate = {at.i, at.first, at.count, y.c + at.ch};
    int n = sweep_some(w, at, left, value);
    sweep_some(w, of_gate, left, gate);
    activate(gate, at.count * n, SANA_ACT_SILU, y.dtype);
    SIMD for (int j = 0; j < at.count * n; j++) value[j] *= gate[j];
    store_columns(y, at, value, n);
    return n;
}

void
LOOP(glu_depthwise)(SanaTensor y, SanaTensor x, const SanaConv *k, const float *taps)
{
    const Source w = source_of(x, k, taps);

    PARALLEL_FOR(int, index, count_parts(y), sana_positions(y) * (size_t)y.c)
    {
        Part part = get_part(y, index);
        for (int i = part.first_row; i < part.end_row; i++)
            for (int first = 0; first < y.w; first += SPAN)
                for (int ch = part.first_ch; ch < part.end_ch;) {
                    Place at = {i, first, y.w - first < SPAN ? y.w - first : SPAN, ch};
                    ch += gate_some(&w, y, at, part.end_ch - ch);
                }
    }
}
