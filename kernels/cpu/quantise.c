/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows as 8-bit integers of one scale.  The greatest magnitude is found among bit patterns, which
 * are ordered as the magnitudes they stand for, a NaN above all.
 */
#include <math.h>

#include "kernels/cpu/vec.h"

/* Magnitudes so small that 127 over them overflows are nothing. */
#define NOTHING 1e-30f

static float
greatest(SanaTensor x)
{
    const size_t rows = sana_positions(x);
    uint32_t most = 0;
#pragma omp parallel for schedule(static) \
    reduction(max                         \
              : most) if (rows * (size_t)x.c > WORTH_THREADS)
    for (size_t row = 0; row < rows; row++) {
        const void *from = address(x, row, 0);
        if (x.dtype == SANA_BF16) {
            const uint16_t *restrict half = from;
            uint16_t mine = 0;
            for (int i = 0; i < x.c; i++) {
                uint16_t bits = half[i] & 0x7fff;
                mine = bits > mine ? bits : mine;
            }
            most = (uint32_t)mine << 16 > most ? (uint32_t)mine << 16 : most;
        } else {
            const float *restrict value = from;
            uint32_t mine = 0;
            for (int i = 0; i < x.c; i++) {
                uint32_t bits = sana_f32_bits(value[i]) & 0x7fffffff;
                mine = bits > mine ? bits : mine;
            }
            most = mine > most ? mine : most;
        }
    }
    return sana_f32_from_bits(most);
}

float
LOOP(quantise)(int8_t *y, SanaTensor x)
{
    const float most = greatest(x);
    const bool usable = most > NOTHING && most < INFINITY;
    const float inverse = usable ? 127.0f / most : 0;
    FOR_ROWS(x)
    {
        int8_t *restrict to = y + row * (size_t)x.c;
        FOR_BLOCKS(ch, n, x.c)
        {
            float v[BLOCK];
            load(v, x, row, ch, n);
            /* adding 1.5·2^23 rounds to an integer, which then stands in the low bits */
            SIMD for (int i = 0; i < n; i++) to[ch + i] =
                (int8_t)sana_f32_bits(v[i] * inverse + 12582912.0f);
        }
    }
    return usable ? most / 127 : most <= NOTHING ? 0 : NAN;
}
