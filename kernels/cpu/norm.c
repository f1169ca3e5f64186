/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "kernels/cpu/vec.h"

/* Σ x over a row. */
INLINE float
row_sum(SanaTensor x, size_t row)
{
    float sum = 0;
    FOR_BLOCKS(ch, n, x.c)
    {
        float v[BLOCK], part = 0;
        load(v, x, row, ch, n);
#pragma omp simd reduction(+ : part)
        for (int i = 0; i < n; i++)
            part += v[i];
        sum += part;
    }
    return sum;
}

/* Σ (x − mean)² over a row. */
INLINE float
row_squares(SanaTensor x, size_t row, float mean)
{
    float sum = 0;
    FOR_BLOCKS(ch, n, x.c)
    {
        float v[BLOCK], part = 0;
        load(v, x, row, ch, n);
#pragma omp simd reduction(+ : part)
        for (int i = 0; i < n; i++)
            part += (v[i] - mean) * (v[i] - mean);
        sum += part;
    }
    return sum;
}

void
LOOP(norm)(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
           SanaTensor residual)
{
    const float *weight = norm->weight.data, *bias = norm->bias.data;
    bool has_bias = !sana_is_none(norm->bias), has_residual = !sana_is_none(residual);

    FOR_ROWS(x)
    {
        float factor = 1;
        if (norm->kind == SANA_NORM_RMS)
            factor = 1 / sqrtf(row_squares(x, row, 0) / (float)x.c + norm->eps);
        FOR_BLOCKS(ch, n, x.c)
        {
            float v[BLOCK], r[BLOCK];
            load(v, x, row, ch, n);
            if (has_bias)
                SIMD for (int i = 0; i < n; i++) v[i] =
                    v[i] * factor * weight[ch + i] + bias[ch + i];
            else
                SIMD for (int i = 0; i < n; i++) v[i] = v[i] * factor * weight[ch + i];
            activate(v, n, act, y.dtype);
            if (has_residual) {
                load(r, residual, row, ch, n);
                SIMD for (int i = 0; i < n; i++) v[i] += r[i];
            }
            store(y, row, ch, v, n);
        }
    }
}

void
LOOP(norm_modulate)(SanaStream *s, SanaTensor y, SanaTensor x, SanaTensor shift, SanaTensor scale,
                    float eps)
{
    FOR_ROWS(x)
    {
        float mean = row_sum(x, row) / (float)x.c;
        float factor = 1 / sqrtf(row_squares(x, row, mean) / (float)x.c + eps);
        FOR_BLOCKS(ch, n, x.c)
        {
            float v[BLOCK], a[BLOCK], b[BLOCK];
            load(v, x, row, ch, n);
            load(a, scale, 0, ch, n);
            load(b, shift, 0, ch, n);
            SIMD for (int i = 0; i < n; i++) v[i] = (v[i] - mean) * factor * (1 + a[i]) + b[i];
            store(y, row, ch, v, n);
        }
    }
}
