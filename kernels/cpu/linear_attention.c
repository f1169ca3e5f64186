/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both passes walk all heads of some positions before the next ones, so that the map is read as
 * it lies; each share of positions, one for each thread, is summed by itself, and the shares are
 * added in between.
 */
#include <omp.h>

#include "kernels/cpu/vec.h"

/* Positions at a time; a multiple of PAD_ROWS. */
#define SPAN 64

typedef struct {
    SanaTensor y, qkv;
    SanaQkvOrder order;
    int d, heads;
    int rows, cols; /* d rounded up: rows of S, one per k; columns, one per v */
    size_t sum;     /* floats of one head: S, then Σ k */
    float *sums;    /* per share, heads × sum */
    float *buffers; /* per share: two of SPAN × cols, and SPAN × cols of results */
} Work;

static int
channel_of(const Work *w, int head, int part)
{
    return w->order == SANA_QKV_BY_HEAD ? (3 * head + part) * w->d
                                        : (part * w->heads + head) * w->d;
}

INLINE Vec
positive(Vec v)
{
    return (Vec)((VecBits)v & ~(VecBits)(v < 0));
}

/* One part of a head for `n` positions, a row of cols floats each; what pads a row stays 0. */
INLINE void
load_part(const Work *w, float *to, size_t first, int n, int head, int part)
{
    const int ch = channel_of(w, head, part), whole = w->d / LANES * LANES;
    const bool bf16 = w->qkv.dtype == SANA_BF16, clamp = part < 2;
    for (int p = 0; p < n; p++, to += w->cols) {
        const char *from = address(w->qkv, first + (size_t)p, ch);
        for (int i = 0; i < whole; i += LANES) {
            Vec v = bf16 ? vec_load_bf16((const uint16_t *)from + i)
                         : vec_load((const float *)from + i);
            vec_store(to + i, clamp ? positive(v) : v);
        }
        if (whole < w->d)
            load(to + whole, w->qkv, first + (size_t)p, ch + whole, w->d - whole);
        for (int i = whole; clamp && i < w->d; i++)
            to[i] = to[i] < 0 ? 0 : to[i];
    }
}

/* Σ a·b over a padded row. */
INLINE float
dot(const float *a, const float *b, int cols)
{
    Vec sum = {0};
    for (int i = 0; i < cols; i += LANES)
        sum += vec_load(a + i) * vec_load(b + i);
    return vec_sum(sum);
}

static void
sum_positions(const Work *w, float *sums, float *buffer, size_t first, int n)
{
    const size_t cols = (size_t)w->cols;
    float *k = buffer, *v = buffer + SPAN * w->cols;
    for (int head = 0; head < w->heads; head++) {
        float *sum = sums + (size_t)head * w->sum, *total = sum + w->rows * w->cols;
        load_part(w, k, first, n, head, 1);
        load_part(w, v, first, n, head, 2);
        multiply((Product){sum, cols, k, 1, cols, v, cols, n, true}, w->rows, w->cols);
        for (int p = 0; p < n; p++)
            for (int i = 0; i < w->cols; i += LANES)
                vec_store(total + i, vec_load(total + i) + vec_load(k + p * w->cols + i));
    }
}

static void
apply_positions(const Work *w, const float *sums, float *buffer, size_t first, int n)
{
    const size_t cols = (size_t)w->cols;
    float *q = buffer, *o = buffer + 2 * SPAN * w->cols;
    int rows = (n + PAD_ROWS - 1) / PAD_ROWS * PAD_ROWS;
    for (int head = 0; head < w->heads; head++) {
        const float *sum = sums + (size_t)head * w->sum, *total = sum + w->rows * w->cols;
        load_part(w, q, first, n, head, 0);
        multiply((Product){o, cols, q, cols, 1, sum, cols, w->d, false}, rows, w->cols);
        for (int p = 0; p < n; p++) {
            float *row = o + p * w->cols;
            float weight = 1 / (dot(q + p * w->cols, total, w->cols) + 1e-15f);
            for (int i = 0; i < w->cols; i += LANES)
                vec_store(row + i, vec_load(row + i) * weight);
            store(w->y, first + (size_t)p, head * w->d, row, w->d);
        }
    }
}

/* Adds the other shares' sums to the first one's. */
static void
gather(const Work *w, size_t shares)
{
    size_t n = (size_t)w->heads * w->sum;
#pragma omp parallel for schedule(static)
    for (size_t begin = 0; begin < n; begin += BLOCK)
        for (size_t share = 1; share < shares; share++)
            for (size_t i = begin; i < n && i < begin + BLOCK; i++)
                w->sums[i] += w->sums[share * n + i];
}

/* Positions of a span, out of n. */
static int
span_of(size_t n, size_t span)
{
    size_t left = n - span * SPAN;
    return (int)(left < SPAN ? left : SPAN);
}

void
LOOP(linear_attention)(SanaStream *s, SanaTensor y, SanaTensor qkv, int head_dim,
                       SanaQkvOrder order)
{
    Work w = {.y = y, .qkv = qkv, .order = order, .d = head_dim, .heads = y.c / head_dim};
    size_t n = sana_positions(y), spans = (n + SPAN - 1) / SPAN;
    /* not a smaller team: OpenMP ends threads that are left out and makes them anew afterwards */
    size_t threads = (size_t)omp_get_max_threads(), shares = spans < threads ? spans : threads;
    w.cols = w.rows = padded(head_dim);
    w.sum = (size_t)(w.rows + 1) * (size_t)w.cols;
    size_t all = (size_t)w.heads * w.sum, buffer = (size_t)(3 * SPAN * w.cols);
    size_t bytes = shares * (all + buffer) * sizeof(float);
    w.sums = sana_cpu_workspace(s, bytes);
    if (!w.sums)
        return;
    memset(w.sums, 0, bytes);
    w.buffers = w.sums + shares * all;

#pragma omp parallel for schedule(static)
    for (size_t share = 0; share < shares; share++)
        for (size_t span = spans * share / shares; span < spans * (share + 1) / shares; span++)
            sum_positions(&w, w.sums + share * all, w.buffers + share * buffer, span * SPAN,
                          span_of(n, span));
    gather(&w, shares);
#pragma omp parallel for schedule(static)
    for (size_t share = 0; share < shares; share++)
        for (size_t span = spans * share / shares; span < spans * (share + 1) / shares; span++)
            apply_positions(&w, w.sums, w.buffers + share * buffer, span * SPAN, span_of(n, span));
}
