/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/vec.h"

INLINE size_t
row_at(SanaTensor x, int i, int j)
{
    return (size_t)i * (size_t)x.w + (size_t)j;
}

static void
copy_position(SanaTensor y, size_t to, SanaTensor x, size_t from)
{
    memcpy(address(y, to, 0), address(x, from, 0), (size_t)x.c * sana_dtype_size(x.dtype));
}

void
LOOP(spread)(SanaTensor y, SanaTensor windows, int first)
{
    FOR_MAP_ROWS(p, windows)
    {
        for (int q = 0; q < windows.w; q++)
            for (int part = 0; part < 4; part++) {
                int i = 2 * (first + p) - part / 2, j = 2 * q - part % 2;
                SanaTensor quarter = sana_columns(windows, part * y.c, y.c);
                if (i >= 0 && i < y.h && j >= 0 && j < y.w)
                    copy_position(y, row_at(y, i, j), quarter, row_at(windows, p, q));
            }
    }
}

/* Four positions of n channels each, as 4n channels: channel ch of position k at 4·ch + k. */
INLINE void
interleave(float *restrict to, const float *restrict from, int n)
{
    SIMD for (int i = 0; i < n; i++)
    {
        to[4 * i] = from[i];
        to[4 * i + 1] = from[BLOCK + i];
        to[4 * i + 2] = from[2 * BLOCK + i];
        to[4 * i + 3] = from[3 * BLOCK + i];
    }
}

INLINE void
deinterleave(float *restrict to, const float *restrict from, int n)
{
    SIMD for (int i = 0; i < n; i++)
    {
        to[i] = from[4 * i];
        to[BLOCK + i] = from[4 * i + 1];
        to[2 * BLOCK + i] = from[4 * i + 2];
        to[3 * BLOCK + i] = from[4 * i + 3];
    }
}

void
LOOP(pixel_unshuffle)(SanaStream *s, SanaTensor y, SanaTensor x)
{
    FOR_MAP_ROWS(i, y)
    {
        float four[4 * BLOCK], mixed[4 * BLOCK];
        for (int j = 0; j < y.w; j++)
            for (int ch = 0; ch < x.c; ch += BLOCK) {
                int n = x.c - ch < BLOCK ? x.c - ch : BLOCK;
                for (int k = 0; k < 4; k++)
                    load(four + k * BLOCK, x, row_at(x, 2 * i + k / 2, 2 * j + k % 2), ch, n);
                interleave(mixed, four, n);
                store(y, row_at(y, i, j), 4 * ch, mixed, 4 * n);
            }
    }
}

void
LOOP(pixel_shuffle)(SanaStream *s, SanaTensor y, SanaTensor x)
{
    FOR_MAP_ROWS(i, x)
    {
        float four[4 * BLOCK], mixed[4 * BLOCK];
        for (int j = 0; j < x.w; j++)
            for (int ch = 0; ch < y.c; ch += BLOCK) {
                int n = y.c - ch < BLOCK ? y.c - ch : BLOCK;
                load(mixed, x, row_at(x, i, j), 4 * ch, 4 * n);
                deinterleave(four, mixed, n);
                for (int k = 0; k < 4; k++)
                    store(y, row_at(y, 2 * i + k / 2, 2 * j + k % 2), ch, four + k * BLOCK, n);
            }
    }
}

/* Sums of `group` neighbours: n of them, of group·n numbers, in place. */
INLINE void
sum_groups(float *v, int n, int group)
{
    int half = group / 2;
    if (group == 1)
        return;
    if (group == 2) {
        SIMD for (int i = 0; i < n; i++) v[i] = v[2 * i] + v[2 * i + 1];
        return;
    }
    if (group % 2 == 0) {
        SIMD for (int i = 0; i < n * half; i++) v[i] = v[2 * i] + v[2 * i + 1];
        group = half;
    }
    for (int i = 0; i < n; i++) {
        float sum = 0;
        for (int k = 0; k < group; k++)
            sum += v[i * group + k];
        v[i] = sum;
    }
}

/* Channels of y whose groups fill 4·BLOCK numbers; whole squares, so a multiple of four.  0 where
 * groups are too long for that. */
static int
outputs_of_block(int group)
{
    return 4 * BLOCK / group / 4 * 4 < BLOCK ? 4 * BLOCK / group / 4 * 4 : BLOCK;
}

/* One output from a long group. */
static float
long_group(SanaTensor x, int i, int j, int f, size_t first, int group)
{
    float sum = 0, v;
    for (size_t u = first; u < first + (size_t)group; u++) {
        int k = (int)(u % (size_t)(f * f));
        load(&v, x, row_at(x, f * i + k / f, f * j + k % f), (int)(u / (size_t)(f * f)), 1);
        sum += v;
    }
    return sum;
}

/*
 * Unshuffled channel u is channel u / f² at place u % f² of the small square.  y's channels are
 * taken in chunks whose inputs are whole squares.
 */
void
LOOP(add_unshuffled_mean)(SanaStream *s, SanaTensor y, SanaTensor x)
{
    int f = x.h / y.h, square = f * f, group = (int)((size_t)square * (size_t)x.c / (size_t)y.c);
    int chunk = outputs_of_block(group);
    const float factor = 1.0f / (float)group;

    FOR_MAP_ROWS(i, y)
    {
        float from[4 * BLOCK], mixed[4 * BLOCK], v[BLOCK];
        for (int j = 0; j < y.w; j++)
            for (int ch = 0, n; ch < y.c; ch += n) {
                n = chunk == 0 ? 1 : y.c - ch < chunk ? y.c - ch : chunk;
                int base = (int)((size_t)ch * (size_t)group / (size_t)square);
                int width = n * group / square;
                if (chunk == 0)
                    mixed[0] = long_group(x, i, j, f, (size_t)ch * (size_t)group, group);
                else if (square == 1)
                    load(mixed, x, row_at(x, i, j), base, width);
                else
                    for (int k = 0; k < 4; k++)
                        load(from + k * BLOCK, x, row_at(x, 2 * i + k / 2, 2 * j + k % 2), base,
                             width);
                if (chunk && square == 4)
                    interleave(mixed, from, width);
                if (chunk)
                    sum_groups(mixed, n, group);
                load(v, y, row_at(y, i, j), ch, n);
                SIMD for (int k = 0; k < n; k++) v[k] += mixed[k] * factor;
                store(y, row_at(y, i, j), ch, v, n);
            }
    }
}

/* Numbers first … first + n − 1 of the sequence in which each source number stands r times. */
INLINE void
repeat_each(float *restrict to, const float *restrict source, size_t first, int n, int r)
{
    if (r == 1)
        memcpy(to, source, (size_t)n * sizeof *to);
    else if (r == 2 && first % 2 == 0 && n % 2 == 0)
        SIMD for (int i = 0; i < n / 2; i++) to[2 * i] = to[2 * i + 1] = source[i];
    else
        for (int i = 0, t = 0, left = r - (int)(first % (size_t)r); i < n; i++) {
            to[i] = source[t];
            if (--left == 0) {
                left = r;
                t++;
            }
        }
}

void
LOOP(add_shuffled_repeat)(SanaStream *s, SanaTensor y, SanaTensor x)
{
    int f = y.h / x.h, square = f * f;
    int repeat = (int)((size_t)square * (size_t)y.c / (size_t)x.c);

    FOR_MAP_ROWS(i, x)
    {
        float source[4 * BLOCK], mixed[4 * BLOCK], four[4 * BLOCK], v[BLOCK];
        for (int j = 0; j < x.w; j++)
            for (int ch = 0; ch < y.c; ch += BLOCK) {
                int n = y.c - ch < BLOCK ? y.c - ch : BLOCK;
                size_t first = (size_t)ch * (size_t)square, begin = first / (size_t)repeat;
                size_t end = (first + (size_t)(n * square) - 1) / (size_t)repeat + 1;
                load(source, x, row_at(x, i, j), (int)begin, (int)(end - begin));
                repeat_each(mixed, source, first, n * square, repeat);
                if (square == 4)
                    deinterleave(four, mixed, n);
                for (int k = 0; k < square; k++) {
                    const float *part = square == 4 ? four + k * BLOCK : mixed;
                    size_t row = row_at(y, f * i + k / f, f * j + k % f);
                    load(v, y, row, ch, n);
                    SIMD for (int q = 0; q < n; q++) v[q] += part[q];
                    store(y, row, ch, v, n);
                }
            }
    }
}
