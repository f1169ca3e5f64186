/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * activate, finish, add, mix, add_gated, geglu, timestep_embedding: each input read once, each
 * output written once.  Dense maps without a vector to be broadcast are one long row.
 */
#include "kernels/cuda/elements.h"

#define THREADS 256

/* --- kernels ---------------------------------------------------------------------------------- */

/* y = act(x) + residual, if it has data */
struct Finish {
    Map y, x, residual;
    SanaAct act;

    template <int S, int W> __device__ void run(size_t row, size_t ch) const
    {
        float v[W], r[W];
        load<S>(v, x, row, ch);
        activate(v, act);
        if (residual.data) {
            load<S>(r, residual, row, ch);
#pragma unroll
            for (int e = 0; e < W; e++)
                v[e] += r[e];
        }
        store<S>(y, row, ch, v);
    }
};

/* y = a + b */
struct Add {
    Map y, a, b;

    template <int S, int W> __device__ void run(size_t row, size_t ch) const
    {
        float v[W], w[W];
        load<S>(v, a, row, ch);
        load<S>(w, b, row, ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] += w[e];
        store<S>(y, row, ch, v);
    }
};

/* y = coef[0]·a + coef[1]·b */
struct Mix {
    Map y, a, b;
    const float *coef;

    template <int S, int W> __device__ void run(size_t row, size_t ch) const
    {
        const float ca = coef[0], cb = coef[1];
        float v[W], w[W];
        load<S>(v, a, row, ch);
        load<S>(w, b, row, ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = ca * v[e] + cb * w[e];
        store<S>(y, row, ch, v);
    }
};

/* x += gate·y; the gate is of any type */
struct AddGated {
    Map x, y, gate;

    template <int S, int W> __device__ void run(size_t row, size_t ch) const
    {
        float v[W], w[W], g[W];
        load<S>(v, x, row, ch);
        load<S>(w, y, row, ch);
        load<ANY>(g, gate, row, ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] += g[e] * w[e];
        store<S>(x, row, ch, v);
    }
};

/* y = gelu_tanh(x[0 … c))·x[c … 2c) */
struct Geglu {
    Map y, x;
    size_t c;

    template <int S, int W> __device__ void run(size_t row, size_t ch) const
    {
        float v[W], w[W];
        load<S>(v, x, row, ch);
        load<S>(w, x, row, c + ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = gelu_tanh(v[e]) * w[e];
        store<S>(y, row, ch, v);
    }
};

template <int S, int W, typename Op>
static __global__ void
__launch_bounds__(THREADS) pointwise_kernel(Op op, size_t vectors, size_t per_row)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < vectors; i += step)
        op.template run<S, W>(i / per_row, i % per_row * W);
}

/* Powers are taken on the host: no angle depends on how a device rounds them. */
#define FREQUENCIES 512

struct Frequencies {
    float f[FREQUENCIES];
};

/* Channels first + i and half + first + i of y, i < count */
static __global__ void
__launch_bounds__(THREADS)
    timestep_kernel(Map y, const float *t, Frequencies f, int first, int count, int half)
{
    after_previous();
    const int i = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (i >= count)
        return;
    float angle = t[0] * f.f[i], c[1], s[1];
    sincosf(angle, s, c);
    store<ANY>(y, 0, (size_t)(first + i), c);
    store<ANY>(y, 0, (size_t)(half + first + i), s);
}

/* --- launchers -------------------------------------------------------------------------------- */

/* One item for each W channels of each of n rows of c. */
template <typename Op>
static void
run_pointwise(SanaStream *s, const char *name, Op op, std::initializer_list<SanaTensor> maps,
              SanaTensor vector, size_t n, size_t c)
{
    with_form(maps, {vector}, [&](auto form) {
        typedef decltype(form) F;
        size_t per_row = c / F::W;
        launch(s, name, blocks_for(s, n * per_row, THREADS), THREADS,
               pointwise_kernel<F::S, F::W, Op>, op, n * per_row, per_row);
    });
}

/* The same for maps that are read alike: one row if all are dense. */
template <typename Op>
static void
run_alike(SanaStream *s, const char *name, Op op, std::initializer_list<SanaTensor> maps)
{
    const SanaTensor first = *maps.begin();
    bool dense = true;
    for (const SanaTensor &x : maps)
        dense = dense && (sana_is_none(x) || sana_is_dense(x));
    size_t n = sana_positions(first), c = (size_t)first.c;
    run_pointwise(s, name, op, maps, SANA_NONE, dense ? 1 : n, dense ? n * c : c);
}

/* --- operations ------------------------------------------------------------------------------- */

void
sana_cuda_finish(SanaStream *s, SanaTensor y, SanaTensor x, SanaAct act, SanaTensor residual)
{
    run_alike(s, "finish", Finish{map_of(y), map_of(x), map_of(residual), act}, {y, x, residual});
}

void
sana_cuda_activate(SanaStream *s, SanaTensor y, SanaTensor x, SanaAct act)
{
    sana_cuda_finish(s, y, x, act, SANA_NONE);
}

void
sana_cuda_add(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b)
{
    Add op = {map_of(y), map_of(a), map_of(b)};
    if (sana_positions(b) == sana_positions(a)) {
        run_alike(s, "add", op, {y, a, b});
        return;
    }
    op.b.stride = 0;
    run_pointwise(s, "add", op, {y, a, b}, SANA_NONE, sana_positions(y), (size_t)y.c);
}

void
sana_cuda_mix(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b, SanaTensor coef)
{
    run_alike(s, "mix", Mix{map_of(y), map_of(a), map_of(b), (const float *)coef.data}, {y, a, b});
}

void
sana_cuda_add_gated(SanaStream *s, SanaTensor x, SanaTensor y, SanaTensor gate)
{
    AddGated op = {map_of(x), map_of(y), map_of(gate)};
    op.gate.stride = 0;
    run_pointwise(s, "add_gated", op, {x, y}, gate, sana_positions(x), (size_t)x.c);
}

void
sana_cuda_geglu(SanaStream *s, SanaTensor y, SanaTensor x)
{
    run_pointwise(s, "geglu", Geglu{map_of(y), map_of(x), (size_t)y.c}, {y, x}, SANA_NONE,
                  sana_positions(y), (size_t)y.c);
}

void
sana_cuda_timestep_embedding(SanaStream *s, SanaTensor y, SanaTensor t)
{
    const int half = y.c / 2;
    for (int first = 0; first < half; first += FREQUENCIES) {
        Frequencies f;
        int count = half - first < FREQUENCIES ? half - first : FREQUENCIES;
        for (int i = 0; i < count; i++)
            f.f[i] = (float)pow(10000, -(double)(first + i) / half);
        launch(s, "timestep_embedding", sana_cuda_blocks((size_t)count, THREADS), THREADS,
               timestep_kernel, map_of(y), (const float *)t.data, f, first, count, half);
    }
}
