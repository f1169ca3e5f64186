/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys are transposed and values converted once; then each block of queries of each head takes
 * its scores, its softmax and its sum while they are in the cache.
 */
#include <math.h>
#include <omp.h>

#include "kernels/cpu/vec.h"

/* Queries at a time. */
#define QUERIES PAD_ROWS

typedef struct {
    SanaTensor y, q, k, v;
    SanaAttention a;
    int n, t, d;
    int cols, keys;  /* d and t rounded up */
    float *k_turned; /* kv head × d × keys */
    float *values;   /* kv head × keys × cols */
    float *buffers;  /* per thread: QUERIES × (cols + keys + cols) */
} Work;

/* Keys [*first, *end) that query i may see. */
static void
visible(const Work *w, int i, int *first, int *end)
{
    int last = i + w->t - w->n;
    *first = 0;
    *end = w->t;
    if (w->a.causal) {
        *end = last + 1;
        if (w->a.window > 0 && last - w->a.window + 1 > 0)
            *first = last - w->a.window + 1;
    }
}

static void
prepare_head(const Work *w, int head)
{
    float *turned = w->k_turned + (size_t)head * (size_t)w->d * (size_t)w->keys;
    float *values = w->values + (size_t)head * (size_t)w->keys * (size_t)w->cols;
    int ch = head * w->d;
    for (int j = 0; j < w->t; j++) {
        float *row = values + (size_t)j * (size_t)w->cols;
        /* the row of values serves the key on its way */
        load(row, w->k, (size_t)j, ch, w->d);
        for (int i = 0; i < w->d; i++)
            turned[(size_t)i * (size_t)w->keys + (size_t)j] = row[i];
        load(row, w->v, (size_t)j, ch, w->d);
        memset(row + w->d, 0, (size_t)(w->cols - w->d) * sizeof *row);
    }
    /* rows of values behind the last meet weights of 0, and 0·NaN is a NaN */
    const size_t behind = (size_t)(w->keys - w->t);
    memset(values + (size_t)w->t * (size_t)w->cols, 0, behind * (size_t)w->cols * sizeof *values);
    for (int i = 0; i < w->d; i++)
        memset(turned + (size_t)i * (size_t)w->keys + w->t, 0, behind * sizeof *turned);
}

/* cap · tanh(x / cap), inverse = 1 / cap; the series where the formula takes nearly equal numbers
 * from each other */
INLINE float
capped(float x, float cap, float inverse)
{
    const float u = x * inverse, v = u * u;
    const float series =
        x + x * v * (-1.f / 3 + v * (2.f / 15 + v * (-17.f / 315 + v * (62.f / 2835))));
    const float formula = cap - 2 * cap / (1 + fast_exp(2 * u));
    return v < .0625f ? series : formula;
}

/* Scores to weights; whatever lies outside [first, end) becomes 0 within [0, until). */
INLINE void
soften(const Work *w, float *scores, int first, int end, int until)
{
    const float scale = w->a.scale, cap = w->a.softcap, inverse = cap > 0 ? 1 / cap : 0;
    float max = -INFINITY, sum = 0;

    if (cap > 0)
        SIMD for (int j = first; j < end; j++) scores[j] = capped(scale * scores[j], cap, inverse);
    else
        SIMD for (int j = first; j < end; j++) scores[j] *= scale;
#pragma omp simd reduction(max : max)
    for (int j = first; j < end; j++)
        max = scores[j] > max ? scores[j] : max;
#pragma omp simd reduction(+ : sum)
    for (int j = first; j < end; j++) {
        scores[j] = fast_exp(scores[j] - max);
        sum += scores[j];
    }
    sum = 1 / sum;
    SIMD for (int j = first; j < end; j++) scores[j] *= sum;
    for (int j = 0; j < first; j++)
        scores[j] = 0;
    for (int j = end; j < until; j++)
        scores[j] = 0;
}

static void
attend(const Work *w, float *buffer, int head, int begin)
{
    int rows = w->n - begin < QUERIES ? w->n - begin : QUERIES;
    int kv = head / (w->a.heads / w->a.kv_heads), first, end, from, until;
    const size_t keys = (size_t)w->keys, cols = (size_t)w->cols;
    const float *turned = w->k_turned + (size_t)kv * (size_t)w->d * keys;
    const float *values = w->values + (size_t)kv * keys * cols;
    float *q = buffer, *o = q + QUERIES * w->cols, *scores = o + QUERIES * w->cols;

    visible(w, begin, &from, &end);
    visible(w, begin + rows - 1, &first, &end);
    from = from / PAD * PAD;
    until = padded(end);
    for (int r = 0; r < rows; r++)
        load(q + r * w->cols, w->q, (size_t)(begin + r), head * w->d, w->d);
    multiply((Product){scores + from, keys, q, cols, 1, turned + from, keys, w->d, false}, QUERIES,
             until - from);
    for (int r = 0; r < rows; r++) {
        visible(w, begin + r, &first, &end);
        soften(w, scores + (size_t)r * (size_t)w->keys + from, first - from, end - from,
               until - from);
    }
    multiply((Product){o, cols, scores + from, keys, 1, values + (size_t)from * cols, cols,
                       until - from, false},
             QUERIES, w->cols);
    for (int r = 0; r < rows; r++)
        store(w->y, (size_t)(begin + r), head * w->d, o + r * w->cols, w->d);
}

void
LOOP(attention)(SanaStream *s, SanaTensor y, SanaTensor q, SanaTensor k, SanaTensor v,
                SanaAttention a)
{
    Work w = {.y = y, .q = q, .k = k, .v = v, .a = a};
    w.n = (int)sana_positions(q);
    w.t = (int)sana_positions(k);
    w.d = q.c / a.heads;
    w.cols = padded(w.d);
    w.keys = padded(w.t);
    int threads = omp_get_max_threads(), blocks = (w.n + QUERIES - 1) / QUERIES;
    size_t turned = (size_t)a.kv_heads * (size_t)w.d * (size_t)w.keys;
    size_t values = (size_t)a.kv_heads * (size_t)w.keys * (size_t)w.cols;
    size_t buffer = (size_t)QUERIES * (size_t)(2 * w.cols + w.keys);
    size_t bytes = (turned + values + (size_t)threads * buffer) * sizeof(float);
    w.k_turned = sana_cpu_workspace(s, bytes);
    if (!w.k_turned)
        return;
    w.values = w.k_turned + turned;
    w.buffers = w.values + values;

#pragma omp parallel num_threads(threads)
    {
        float *mine = w.buffers + (size_t)omp_get_thread_num() * buffer;
#pragma omp for schedule(static)
        for (int head = 0; head < a.kv_heads; head++)
            prepare_head(&w, head);
#pragma omp for collapse(2) schedule(static)
        for (int head = 0; head < a.heads; head++)
            for (int block = 0; block < blocks; block++)
                attend(&w, mine, head, block * QUERIES);
    }
}
