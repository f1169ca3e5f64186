/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "kernels/cpu/vec.h"

/* A row as it is stored. */
typedef struct {
    char *data;
    SanaDType dtype;
    size_t size; /* of an element */
} Row;

INLINE Row
row_of(SanaTensor x, size_t row)
{
    return (Row){address(x, row, 0), x.dtype, sana_dtype_size(x.dtype)};
}

INLINE Vec
row_read(Row r, int ch, int n)
{
    return vec_read(r.data + (size_t)ch * r.size, r.dtype, n);
}

INLINE void
row_write(Row r, int ch, Vec v, int n)
{
    vec_write(r.data + (size_t)ch * r.size, r.dtype, v, n);
}

/* Σ (x − mean)² over c elements, or Σ x. */
INLINE float
row_moment(Row x, int c, float mean, const bool squares)
{
    Vec a = {0}, b = {0};
    float rest[2 * LANES], sum = 0;
    int ch = 0;
    for (; ch + 2 * LANES <= c; ch += 2 * LANES) {
        Vec v = row_read(x, ch, LANES) - mean, w = row_read(x, ch + LANES, LANES) - mean;
        a += squares ? v * v : v;
        b += squares ? w * w : w;
    }
    load_from(rest, x.data + (size_t)ch * x.size, x.dtype, c - ch);
    for (int i = 0; i < c - ch; i++)
        sum += squares ? (rest[i] - mean) * (rest[i] - mean) : rest[i];
    return vec_sum(a + b) + sum;
}

INLINE float
row_sum(Row x, int c)
{
    return row_moment(x, c, 0, false);
}

INLINE float
row_squares(Row x, int c, float mean)
{
    return row_moment(x, c, mean, true);
}

void
LOOP(norm)(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
           SanaTensor residual)
{
    const Row weight = row_of(norm->weight, 0), bias = row_of(norm->bias, 0);
    bool has_bias = !sana_is_none(norm->bias), has_residual = !sana_is_none(residual);

    const float share = 1 / (float)x.c;

    FOR_ROWS(x)
    {
        const Row in = row_of(x, row), out = row_of(y, row), add = row_of(residual, row);
        float factor = 1;
        if (norm->kind == SANA_NORM_RMS)
            factor = 1 / sqrtf(row_squares(in, x.c, 0) * share + norm->eps);
        FOR_VECTORS(ch, n, x.c)
        {
            Vec v = row_read(in, ch, n) * factor * row_read(weight, ch, n);
            if (has_bias)
                v += row_read(bias, ch, n);
            if (act != SANA_ACT_NONE)
                v = vec_activate(v, act, y.dtype);
            if (has_residual)
                v += row_read(add, ch, n);
            row_write(out, ch, v, n);
        }
    }
}

void
LOOP(norm_modulate)(SanaStream *s, SanaTensor y, SanaTensor x, SanaTensor shift, SanaTensor scale,
                    float eps)
{
    const Row shifts = row_of(shift, 0), scales = row_of(scale, 0);
    const float share = 1 / (float)x.c;

    FOR_ROWS(x)
    {
        const Row in = row_of(x, row), out = row_of(y, row);
        float mean = row_sum(in, x.c) * share;
        float factor = 1 / sqrtf(row_squares(in, x.c, mean) * share + eps);
        FOR_VECTORS(ch, n, x.c)
        {
            Vec v = (row_read(in, ch, n) - mean) * factor * (row_read(scales, ch, n) + 1);
            row_write(out, ch, v + row_read(shifts, ch, n), n);
        }
    }
}
