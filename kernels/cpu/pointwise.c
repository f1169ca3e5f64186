/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "kernels/cpu/vec.h"

/* Dense tensors are one long row: taken in rows of whole blocks, where they divide so. */
static void
widen(SanaTensor *x, size_t width)
{
    if (sana_is_none(*x))
        return;
    size_t n = sana_positions(*x) * (size_t)x->c / width;
    x->h = 1;
    x->w = (int)n;
    x->c = x->stride = (int)width;
}

void
LOOP(finish)(SanaTensor y, SanaTensor x, SanaAct act, SanaTensor residual)
{
    bool plain = act == SANA_ACT_NONE && sana_is_none(residual) && x.dtype == y.dtype;
    size_t total = sana_positions(y) * (size_t)y.c;
    if (sana_is_dense(y) && sana_is_dense(x) && sana_is_dense(residual) && total % BLOCK == 0) {
        widen(&y, BLOCK);
        widen(&x, BLOCK);
        widen(&residual, BLOCK);
    }

    FOR_ROWS(y)
    {
        if (plain) {
            memmove(address(y, row, 0), address(x, row, 0), (size_t)y.c * sana_dtype_size(x.dtype));
            continue;
        }
        FOR_BLOCKS(ch, n, y.c)
        {
            float v[BLOCK], r[BLOCK];
            load(v, x, row, ch, n);
            activate(v, n, act, y.dtype);
            if (!sana_is_none(residual)) {
                load(r, residual, row, ch, n);
                SIMD for (int i = 0; i < n; i++) v[i] += r[i];
            }
            store(y, row, ch, v, n);
        }
    }
}

void
LOOP(add_gated)(SanaStream *s, SanaTensor x, SanaTensor y, SanaTensor gate)
{
    FOR_ROWS(x)
    {
        FOR_BLOCKS(ch, n, x.c)
        {
            float v[BLOCK], u[BLOCK], g[BLOCK];
            load(v, x, row, ch, n);
            load(u, y, row, ch, n);
            load(g, gate, 0, ch, n);
            SIMD for (int i = 0; i < n; i++) v[i] += g[i] * u[i];
            store(x, row, ch, v, n);
        }
    }
}

void
LOOP(add)(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b)
{
    bool one = sana_positions(b) == 1;
    FOR_ROWS(a)
    {
        FOR_BLOCKS(ch, n, a.c)
        {
            float v[BLOCK], u[BLOCK];
            load(v, a, row, ch, n);
            load(u, b, one ? 0 : row, ch, n);
            SIMD for (int i = 0; i < n; i++) v[i] += u[i];
            store(y, row, ch, v, n);
        }
    }
}

void
LOOP(mix)(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b, SanaTensor coef)
{
    const float p = ((const float *)coef.data)[0], q = ((const float *)coef.data)[1];
    FOR_ROWS(a)
    {
        FOR_BLOCKS(ch, n, a.c)
        {
            float v[BLOCK], u[BLOCK];
            load(v, a, row, ch, n);
            load(u, b, row, ch, n);
            SIMD for (int i = 0; i < n; i++) v[i] = p * v[i] + q * u[i];
            store(y, row, ch, v, n);
        }
    }
}

void
LOOP(geglu)(SanaStream *s, SanaTensor y, SanaTensor x)
{
    FOR_ROWS(x)
    {
        FOR_BLOCKS(ch, n, y.c)
        {
            float v[BLOCK], u[BLOCK];
            load(v, x, row, ch, n);
            load(u, x, row, y.c + ch, n);
            SIMD for (int i = 0; i < n; i++) v[i] = gelu_tanh(v[i]) * u[i];
            store(y, row, ch, v, n);
        }
    }
}

void
LOOP(embed_tokens)(SanaStream *s, SanaTensor y, SanaTensor table, const int32_t *ids, float scale)
{
    FOR_ROWS(y)
    {
        FOR_BLOCKS(ch, n, y.c)
        {
            float v[BLOCK];
            load(v, table, (size_t)ids[row], ch, n);
            SIMD for (int i = 0; i < n; i++) v[i] *= scale;
            store(y, row, ch, v, n);
        }
    }
}

/* Rows that take their angles from the first one's. */
#define ROPE_ROWS 32

/* cos and sin of the angles of ROPE_ROWS positions from `first`, by turning on from row to row in
 * double: a chain this short stays exact to f32.  `off`, the rounding of the angle to f32, is so
 * small that the first order of the turn is enough. */
static void
rope_angles(float *table, int head_dim, int first, int rows, float theta)
{
    int half = head_dim / 2;
    for (int i = 0; i < half; i++) {
        float step = 1 / powf(theta, (float)(2 * i) / (float)head_dim);
        double c = cos((double)first * step), d = sin((double)first * step);
        double cs = cos((double)step), ds = sin((double)step);
        for (int r = 0; r < rows; r++) {
            float angle = (float)(first + r) * step;
            double off = angle - (double)(first + r) * step;
            table[r * head_dim + i] = (float)(c - d * off);
            table[r * head_dim + half + i] = (float)(d + c * off);
            double next = c * cs - d * ds;
            d = d * cs + c * ds;
            c = next;
        }
    }
}

static void
rope_row(SanaTensor x, size_t row, int head_dim, const float *cosine, const float *sine)
{
    int half = head_dim / 2;
    for (int ch = 0; ch < x.c; ch += head_dim)
        for (int i = 0; i < half; i += BLOCK) {
            float a[BLOCK], b[BLOCK], p[BLOCK], q[BLOCK];
            int n = half - i < BLOCK ? half - i : BLOCK;
            load(a, x, row, ch + i, n);
            load(b, x, row, ch + half + i, n);
            SIMD for (int j = 0; j < n; j++)
            {
                p[j] = a[j] * cosine[i + j] - b[j] * sine[i + j];
                q[j] = b[j] * cosine[i + j] + a[j] * sine[i + j];
            }
            store(x, row, ch + i, p, n);
            store(x, row, ch + half + i, q, n);
        }
}

void
LOOP(rope)(SanaStream *s, SanaTensor x, int head_dim, int first, float theta)
{
    size_t positions = sana_positions(x), chunks = (positions + ROPE_ROWS - 1) / ROPE_ROWS;
    float *tables = sana_cpu_workspace(s, chunks * ROPE_ROWS * (size_t)head_dim * sizeof(float));
    if (!tables)
        return;
    PARALLEL_FOR(size_t, chunk, chunks, positions * (size_t)x.c)
    {
        size_t begin = chunk * ROPE_ROWS;
        int rows = (int)(positions - begin < ROPE_ROWS ? positions - begin : ROPE_ROWS);
        float *table = tables + begin * (size_t)head_dim;
        rope_angles(table, head_dim, first + (int)begin, rows, theta);
        for (int r = 0; r < rows; r++)
            rope_row(x, begin + (size_t)r, head_dim, table + r * head_dim,
                     table + r * head_dim + head_dim / 2);
    }
}
