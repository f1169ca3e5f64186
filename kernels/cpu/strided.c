/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dense convolutions in f32 that leave positions out: for each tap a matrix product whose rows are
 * `stride` positions apart, all into the same results while they are in the cache.
 */
#include "kernels/cpu/vec.h"

#include <omp.h>

/* Results first … first + SANA_CPU_STRIDED of row `row`, by way of room. */
static void
draw(SanaTensor y, SanaTensor x, const SanaConv *k, const float *taps, SanaAct act, int row,
     int first, float *room)
{
    const int side = k->kernel, in = x.c, out = y.c;
    const int wide = sana_cpu_strided_width(k), left = first * k->stride - side / 2;
    const int count = y.w - first < SANA_CPU_STRIDED ? y.w - first : SANA_CPU_STRIDED;
    const size_t position = (size_t)in * sizeof(float);
    float *results = room + (size_t)side * (size_t)wide * (size_t)in;

    for (int r = 0; r < side; r++) {
        int i = row * k->stride + r - side / 2;
        int begin = left < 0 ? -left : 0, end = x.w - left < wide ? x.w - left : wide;
        float *to = room + (size_t)r * (size_t)wide * (size_t)in;
        memset(to, 0, (size_t)wide * position);
        for (int c = begin; c < end && i >= 0 && i < x.h; c++)
            memcpy(to + (size_t)c * (size_t)in,
                   address(x, (size_t)i * (size_t)x.w + (size_t)(left + c), 0), position);
    }
    for (int o = 0; o < out; o += SANA_CPU_PANEL)
        for (int t = 0; t < side * side; t++)
            multiply((Product){.c = results + o,
                               .c_row = (size_t)out,
                               .a = room + (size_t)(t / side * wide + t % side) * (size_t)in,
                               .a_row = (size_t)(k->stride * in),
                               .a_step = 1,
                               .b = taps + ((size_t)t * (size_t)out + (size_t)o) * (size_t)in,
                               .b_row = SANA_CPU_PANEL,
                               .steps = in,
                               .add = t > 0},
                     SANA_CPU_STRIDED, SANA_CPU_PANEL);
    for (int c = 0; c < count; c++) {
        float *from = results + (size_t)c * (size_t)out;
        const float *bias = k->bias.data;
        if (bias)
            SIMD for (int o = 0; o < out; o++) from[o] += bias[o];
        activate(from, out, act, SANA_F32);
        store(y, (size_t)row * (size_t)y.w + (size_t)(first + c), 0, from, out);
    }
}

void
LOOP(strided)(SanaTensor y, SanaTensor x, const SanaConv *k, const float *taps, SanaAct act,
              float *room)
{
    const int blocks = (y.w + SANA_CPU_STRIDED - 1) / SANA_CPU_STRIDED;
    PARALLEL_FOR(int, n, y.h *blocks, sana_positions(y) * (size_t)y.c)
    {
        draw(y, x, k, taps, act, n / blocks, n % blocks * SANA_CPU_STRIDED,
             room + (size_t)omp_get_thread_num() * sana_cpu_strided_floats(k));
    }
}
