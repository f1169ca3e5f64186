/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * norm, norm_modulate: 4 to 32 lanes of a warp have a row, each of them up to PARTS vectors of it
 * in registers between the sums and the result, so that a map is read once and written once.
 * Longer rows, and activations whose code is long, are taken vector by vector (PARTS 0) and read
 * again, from the cache.
 */
#include "kernels/cuda/elements.h"

#define THREADS 128
#define WARP 32

/* --- kernels ---------------------------------------------------------------------------------- */

struct Norm {
    Map y, x, residual;
    const float *weight, *bias; /* bias or NULL */
    bool rms;
    float eps;
    SanaAct act;
};

struct Modulate {
    Map y, x, shift, scale;
    float eps;
};

/* The lanes that share a row, and which row. */
struct Team {
    int lanes, lane;
    size_t row;
    bool idle; /* past the last row: computes as row 0, stores nothing */
};

static __device__ __forceinline__ Team
team_of(int lanes, size_t rows)
{
    Team t;
    t.lanes = lanes;
    t.lane = (int)threadIdx.x % lanes;
    t.row = (size_t)blockIdx.x * (size_t)(THREADS / lanes) + threadIdx.x / (unsigned)lanes;
    t.idle = t.row >= rows;
    if (t.idle)
        t.row = 0;
    return t;
}

/* Adds over a team; every lane gets the sum. */
static __device__ __forceinline__ float
sum_over(const Team &t, float x)
{
    for (int other = t.lanes / 2; other > 0; other /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, other);
    return x;
}

/* Calls f(slot, ch) for this lane's vectors of a row of c channels. */
template <int W, int PARTS, typename F>
static __device__ __forceinline__ void
each_vector(const Team &t, int c, F f)
{
    if (PARTS > 0) {
#pragma unroll
        for (int p = 0; p < PARTS; p++) {
            int ch = (p * t.lanes + t.lane) * W;
            if (ch < c)
                f(p, ch);
        }
    } else {
        for (int ch = t.lane * W; ch < c; ch += t.lanes * W)
            f(0, ch);
    }
}

template <int W>
static __device__ __forceinline__ void
load_floats(float (&v)[W], const float *from)
{
    load_as<float>(v, (const char *)from);
}

template <int S, int W, int PARTS>
static __global__ void
__launch_bounds__(THREADS) norm_kernel(Norm n, size_t rows, int c, int lanes)
{
    after_previous();
    const Team t = team_of(lanes, rows);
    float held[PARTS > 0 ? PARTS : 1][W], factor = 1;

    if (PARTS > 0 || n.rms) {
        float squares = 0;
        each_vector<W, PARTS>(t, c, [&](int p, int ch) {
            load<S>(held[p], n.x, t.row, (size_t)ch);
#pragma unroll
            for (int e = 0; e < W; e++)
                squares += held[p][e] * held[p][e];
        });
        if (n.rms)
            factor = rsqrtf(sum_over(t, squares) / (float)c + n.eps);
    }
    if (t.idle)
        return;
    each_vector<W, PARTS>(t, c, [&](int p, int ch) {
        float(&v)[W] = held[p], w[W];
        if (PARTS == 0)
            load<S>(v, n.x, t.row, (size_t)ch);
        load_floats(w, n.weight + ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] *= factor * w[e];
        if (n.bias) {
            load_floats(w, n.bias + ch);
#pragma unroll
            for (int e = 0; e < W; e++)
                v[e] += w[e];
        }
        if (PARTS == 0 || n.act == SANA_ACT_RELU)
            activate(v, PARTS == 0 ? n.act : SANA_ACT_RELU);
        if (n.residual.data) {
            load<S>(w, n.residual, t.row, (size_t)ch);
#pragma unroll
            for (int e = 0; e < W; e++)
                v[e] += w[e];
        }
        store<S>(n.y, t.row, (size_t)ch, v);
    });
}

/* The variance is a mean of squared deviations: a difference of two means would cancel. */
template <int S, int W, int PARTS>
static __global__ void
__launch_bounds__(THREADS) modulate_kernel(Modulate n, size_t rows, int c, int lanes)
{
    after_previous();
    const Team t = team_of(lanes, rows);
    float held[PARTS > 0 ? PARTS : 1][W], mean = 0, squares = 0;

    each_vector<W, PARTS>(t, c, [&](int p, int ch) {
        load<S>(held[p], n.x, t.row, (size_t)ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            mean += held[p][e];
    });
    mean = sum_over(t, mean) / (float)c;
    each_vector<W, PARTS>(t, c, [&](int p, int ch) {
        if (PARTS == 0)
            load<S>(held[p], n.x, t.row, (size_t)ch);
#pragma unroll
        for (int e = 0; e < W; e++) {
            held[p][e] -= mean;
            squares += held[p][e] * held[p][e];
        }
    });
    const float factor = rsqrtf(sum_over(t, squares) / (float)c + n.eps);
    if (t.idle)
        return;
    each_vector<W, PARTS>(t, c, [&](int p, int ch) {
        float(&v)[W] = held[p], scale[W], shift[W];
        if (PARTS == 0)
            load<S>(v, n.x, t.row, (size_t)ch);
        load<ANY>(scale, n.scale, 0, (size_t)ch);
        load<ANY>(shift, n.shift, 0, (size_t)ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = (PARTS == 0 ? v[e] - mean : v[e]) * factor * (1 + scale[e]) + shift[e];
        store<S>(n.y, t.row, (size_t)ch, v);
    });
}

/* --- launchers -------------------------------------------------------------------------------- */

template <int P> struct Parts {
    static constexpr int N = P;
};

/*
 * Calls f(Form, Parts, lanes): how many lanes have a row of c channels, and how many vectors of it
 * each.  2 × 256, 5 × 256 and 9 × 256 channels hold the rows of all SANA's networks.
 */
template <typename F>
static void
with_parts(std::initializer_list<SanaTensor> maps, std::initializer_list<SanaTensor> vectors, int c,
           bool hold, F f)
{
    with_form(maps, vectors, [&](auto form) {
        typedef decltype(form) Instance;
        const int count = (c + Instance::W - 1) / Instance::W;
        int lanes = 4;
        while (lanes < WARP && lanes < count)
            lanes *= 2;
        const int parts = (count + lanes - 1) / lanes;
        if constexpr (Instance::W > 1) {
            if (hold && parts <= 2)
                return f(form, Parts<2>(), lanes);
            if (hold && parts <= 5)
                return f(form, Parts<5>(), lanes);
            if (hold && parts <= 9)
                return f(form, Parts<9>(), lanes);
        }
        f(form, Parts<0>(), lanes);
    });
}

/* --- operations ------------------------------------------------------------------------------- */

void
sana_cuda_norm(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
               SanaTensor residual)
{
    const size_t rows = sana_positions(x);
    const bool hold = act == SANA_ACT_NONE || act == SANA_ACT_RELU;
    const Norm n = {map_of(y),
                    map_of(x),
                    map_of(residual),
                    (const float *)norm->weight.data,
                    (const float *)norm->bias.data,
                    norm->kind == SANA_NORM_RMS,
                    norm->eps,
                    act};
    with_parts({y, x, residual}, {norm->weight, norm->bias}, x.c, hold,
               [&](auto form, auto parts, int lanes) {
                   launch(s, "norm", sana_cuda_blocks(rows, (unsigned)(THREADS / lanes)), THREADS,
                          norm_kernel<decltype(form)::S, decltype(form)::W, decltype(parts)::N>, n,
                          rows, x.c, lanes);
               });
}

void
sana_cuda_norm_modulate(SanaStream *s, SanaTensor y, SanaTensor x, SanaTensor shift,
                        SanaTensor scale, float eps)
{
    const size_t rows = sana_positions(x);
    const Modulate n = {map_of(y), map_of(x), map_of(shift), map_of(scale), eps};
    with_parts({y, x}, {shift, scale}, x.c, true, [&](auto form, auto parts, int lanes) {
        launch(s, "norm_modulate", sana_cuda_blocks(rows, (unsigned)(THREADS / lanes)), THREADS,
               modulate_kernel<decltype(form)::S, decltype(form)::W, decltype(parts)::N>, n, rows,
               x.c, lanes);
    });
}
