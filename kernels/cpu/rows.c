/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Products of f32 rows with bf16 weights in checkpoint order, which oneDNN does not offer.  Few
 * rows are bound by the reading of the weights: each is read once, by tiles of OUTS outputs and
 * ROWS rows whose sums stay in registers.
 */
#include "kernels/cpu/vec.h"

#if LANES == 16
#define OUTS 4
#define ROWS 6
#else
#define OUTS 2
#define ROWS 4
#endif

/* Bytes of x that go over the weights at a time: half a second-level cache. */
#define ROWS_BYTES ((size_t)512 << 10)

/* sums[o][r] = w[o] · x[r] over n elements */
INLINE void
dots(float sums[OUTS][ROWS], const uint16_t *const *w, const float *const *x, int n)
{
    Vec acc[OUTS][ROWS] = {0};
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        Vec left[OUTS];
#pragma GCC unroll 4
        for (int o = 0; o < OUTS; o++)
            left[o] = vec_load_bf16(w[o] + i);
#pragma GCC unroll 6
        for (int r = 0; r < ROWS; r++) {
            Vec right = vec_load(x[r] + i);
#pragma GCC unroll 4
            for (int o = 0; o < OUTS; o++)
                acc[o][r] += left[o] * right;
        }
    }
    for (int o = 0; o < OUTS; o++)
        for (int r = 0; r < ROWS; r++) {
            sums[o][r] = vec_sum(acc[o][r]);
            for (int j = i; j < n; j++)
                sums[o][r] += sana_bf16_to_f32(w[o][j]) * x[r][j];
        }
}

/* Outputs o … of rows r … of y; what lies beyond the last is computed again and not stored. */
INLINE void
rows_tile(SanaTensor y, SanaTensor x, SanaTensor w, const float *bias, int o, int r)
{
    const int n = (int)sana_positions(x), outs = w.w - o < OUTS ? w.w - o : OUTS;
    const uint16_t *left[OUTS];
    const float *right[ROWS];
    float sums[OUTS][ROWS];
    for (int i = 0; i < OUTS; i++)
        left[i] = address(w, (size_t)(o + (i < outs ? i : outs - 1)), 0);
    for (int i = 0; i < ROWS; i++)
        right[i] = address(x, (size_t)(r + i < n ? r + i : n - 1), 0);
    dots(sums, left, right, w.c);
    for (int i = 0; i < ROWS && r + i < n; i++) {
        float v[OUTS];
        for (int j = 0; j < outs; j++)
            v[j] = sums[j][i] + (bias ? bias[o + j] : 0);
        store(y, (size_t)(r + i), o, v, outs);
    }
}

void
LOOP(linear_rows)(SanaTensor y, SanaTensor x, SanaTensor w, const float *bias)
{
    const int n = (int)sana_positions(x);
    const int most = (int)(ROWS_BYTES / ((size_t)x.c * sizeof(float)));
    const int step = most > ROWS ? most / ROWS * ROWS : ROWS;
    const int blocks = (w.w + OUTS - 1) / OUTS;

    for (int first = 0; first < n; first += step) {
        int end = first + step < n ? first + step : n;
        PARALLEL_FOR(int, block, blocks, (size_t)w.w *(size_t)w.c)
        {
            for (int r = first; r < end; r += ROWS)
                rows_tile(y, x, w, bias, block * OUTS, r);
        }
    }
}
