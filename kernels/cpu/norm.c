/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "kernels/cpu/vec.h"

/* A row as it is stored. */
typedef struct {
    char *data;
    SanaDType dtype;
    size_t size; /* of an element */
} Row;

/* From channel ch on. */
INLINE Row
row_from(SanaTensor x, size_t row, int ch)
{
    return (Row){x.data ? address(x, row, ch) : NULL, x.dtype, sana_dtype_size(x.dtype)};
}

INLINE Row
row_of(SanaTensor x, size_t row)
{
    return row_from(x, row, 0);
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

/* Channels first … of a row, to which one mean belongs. */
INLINE void
norm_group(SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act, SanaTensor residual,
           size_t row, int first)
{
    const int c = x.c / sana_norm_groups(norm);
    const Row weight = row_from(norm->weight, 0, first), bias = row_from(norm->bias, 0, first);
    const Row in = row_from(x, row, first), out = row_from(y, row, first);
    const Row add = row_from(residual, row, first);
    float factor = 1;
    if (norm->kind == SANA_NORM_RMS)
        factor = 1 / sqrtf(row_squares(in, c, 0) * (1 / (float)c) + norm->eps);
    FOR_VECTORS(ch, n, c)
    {
        Vec v = row_read(in, ch, n) * factor * row_read(weight, ch, n);
        if (!sana_is_none(norm->bias))
            v += row_read(bias, ch, n);
        if (act != SANA_ACT_NONE)
            v = vec_activate(v, act, y.dtype);
        if (!sana_is_none(residual))
            v += row_read(add, ch, n);
        row_write(out, ch, v, n);
    }
}

void
LOOP(norm)(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
           SanaTensor residual)
{
    FOR_ROWS(x)
    for (int first = 0; first < x.c; first += x.c / sana_norm_groups(norm))
        norm_group(y, x, norm, act, residual, row, first);
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
