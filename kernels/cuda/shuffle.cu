/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pixel_unshuffle, pixel_shuffle, add_unshuffled_mean, add_shuffled_repeat.
 *
 * Where maps are aligned, a thread has the four pixels of one block and 16 bytes of channels of the
 * larger side, so that each element is read once and written once, and the lanes of a warp lie one
 * after the other on either side.  Other shapes go element by element.
 */
#include "kernels/cuda/elements.h"

#define THREADS 256

/* --- kernels ---------------------------------------------------------------------------------- */

/* Channels ch … of position (i, j) of a small map w wide, and its four pixels in the map twice as
 * large: pixel q = 2·dy + dx lies at rows[q]. */
struct Place {
    size_t row, rows[4];
    int ch;
};

static __device__ __forceinline__ Place
place_of(size_t item, int w, int per_row, int channels)
{
    Place p;
    p.row = item / per_row;
    p.ch = (int)(item % per_row) * channels;
    const size_t i = p.row / w, j = p.row % w;
#pragma unroll
    for (int q = 0; q < 4; q++)
        p.rows[q] = (2 * i + q / 2) * (2 * (size_t)w) + 2 * j + q % 2;
    return p;
}

/* N elements of type T at position row, channel ch of dense c channels. */
template <typename T, int N>
static __device__ __forceinline__ Vector<T, N> *
at(T *map, size_t row, int c, int ch)
{
    return (Vector<T, N> *)(map + row * c + ch);
}

/* large (2h, 2w, c) and small (h, w, 4c): C channels of the large map's four pixels at a time.
 * T is as wide as an element; nothing is computed. */
template <typename T, int C, bool UNSHUFFLE>
static __global__ void
__launch_bounds__(THREADS) shuffle_kernel(T *large, T *small, size_t items, int w, int per_row)
{
    after_previous();
    const int c = per_row * C;
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t item = (size_t)blockIdx.x * THREADS + threadIdx.x; item < items; item += step) {
        const Place p = place_of(item, w, per_row, C);
        Vector<T, C> pixels[4];
        Vector<T, 4 * C> all;
        if (UNSHUFFLE) {
#pragma unroll
            for (int q = 0; q < 4; q++)
                pixels[q] = *at<T, C>(large, p.rows[q], c, p.ch);
#pragma unroll
            for (int m = 0; m < 4 * C; m++)
                all.e[m] = pixels[m % 4].e[m / 4];
            *at<T, 4 * C>(small, p.row, 4 * c, 4 * p.ch) = all;
        } else {
            all = *at<T, 4 * C>(small, p.row, 4 * c, 4 * p.ch);
#pragma unroll
            for (int m = 0; m < 4 * C; m++)
                pixels[m % 4].e[m / 4] = all.e[m];
#pragma unroll
            for (int q = 0; q < 4; q++)
                *at<T, C>(large, p.rows[q], c, p.ch) = pixels[q];
        }
    }
}

/* y (h, w, per_row·8) += mean over G of unshuffle_2(x); 8 channels of y are 2·G of x. */
template <int S, int G>
static __global__ void
__launch_bounds__(THREADS) mean_kernel(Map y, Map x, size_t items, int w, int per_row)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t item = (size_t)blockIdx.x * THREADS + threadIdx.x; item < items; item += step) {
        const Place p = place_of(item, w, per_row, 8);
        float v[8], pixels[4][2 * G];
        load<S>(v, y, p.row, p.ch);
#pragma unroll
        for (int q = 0; q < 4; q++)
            load<S>(pixels[q], x, p.rows[q], p.ch / 4 * G);
#pragma unroll
        for (int e = 0; e < 8; e++) {
            float sum = 0;
#pragma unroll
            for (int m = e * G; m < (e + 1) * G; m++)
                sum += pixels[m % 4][m / 4];
            v[e] += sum / G;
        }
        store<S>(y, p.row, p.ch, v);
    }
}

/* y (2h, 2w, per_row·8) = or += shuffle_2(channels of x repeated R times); 8 channels of the four
 * pixels are 32/R of x. */
template <int S, int R>
static __global__ void
__launch_bounds__(THREADS) repeat_kernel(Map y, Map x, size_t items, int w, int per_row, bool add)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t item = (size_t)blockIdx.x * THREADS + threadIdx.x; item < items; item += step) {
        const Place p = place_of(item, w, per_row, 8);
        float from[32 / R], v[4][8] = {};
        load<S>(from, x, p.row, (size_t)p.ch * 4 / R);
        if (add)
#pragma unroll
            for (int q = 0; q < 4; q++)
                load<S>(v[q], y, p.rows[q], p.ch);
#pragma unroll
        for (int q = 0; q < 4; q++) {
#pragma unroll
            for (int e = 0; e < 8; e++)
                v[q][e] += from[(4 * e + q) / R];
            store<S>(y, p.rows[q], p.ch, v[q]);
        }
    }
}

/* Channel m of position (i, j) of unshuffle_f(x), x being f·w wide. */
static __device__ __forceinline__ float
unshuffled(const Map &x, int f, int w, size_t i, size_t j, int m)
{
    const int ch = m / (f * f), dy = m / f % f, dx = m % f;
    float v[1];
    load<ANY>(v, x, (f * i + dy) * ((size_t)f * w) + f * j + dx, ch);
    return v[0];
}

/* y (h, w, c) = or += mean of `group` channels of unshuffle_f(x): any shape */
static __global__ void
__launch_bounds__(THREADS)
    any_mean_kernel(Map y, Map x, size_t items, int w, int c, int f, int group, bool add)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t item = (size_t)blockIdx.x * THREADS + threadIdx.x; item < items; item += step) {
        const size_t row = item / c, i = row / w, j = row % w;
        const int ch = (int)(item % c);
        float v[1] = {0}, sum = 0;
        if (add)
            load<ANY>(v, y, row, ch);
        for (int m = ch * group; m < (ch + 1) * group; m++)
            sum += unshuffled(x, f, w, i, j, m);
        v[0] += sum / group;
        store<ANY>(y, row, ch, v);
    }
}

/* y (f·h, w, c) = or += shuffle_f(channels of x repeated): any shape; w is y's */
static __global__ void
__launch_bounds__(THREADS)
    any_repeat_kernel(Map y, Map x, size_t items, int w, int c, int f, int repeats, bool add)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t item = (size_t)blockIdx.x * THREADS + threadIdx.x; item < items; item += step) {
        const size_t row = item / c, i = row / w, j = row % w;
        const int ch = (int)(item % c), m = ch * f * f + (int)(i % f) * f + (int)(j % f);
        float v[1] = {0}, from[1];
        if (add)
            load<ANY>(v, y, row, ch);
        load<ANY>(from, x, i / f * (w / f) + j / f, m / repeats);
        v[0] += from[0];
        store<ANY>(y, row, ch, v);
    }
}

/* --- launchers -------------------------------------------------------------------------------- */

/* 16 bytes of the small map at a time, if it has them: C = 16 / (4 · element). */
template <bool UNSHUFFLE>
static bool
run_shuffle(SanaStream *s, const char *op, SanaTensor large, SanaTensor small)
{
    const int element = (int)sana_dtype_size(large.dtype), channels = 4 / element;
    if (!sana_cuda_vectors(large, channels) || !sana_cuda_vectors(small, 4 * channels))
        return false;
    const int per_row = large.c / channels;
    const size_t items = sana_positions(small) * (size_t)per_row;
    const unsigned blocks = blocks_for(s, items, THREADS);
    if (element == 2)
        launch(s, op, blocks, THREADS, shuffle_kernel<uint16_t, 2, UNSHUFFLE>,
               (uint16_t *)large.data, (uint16_t *)small.data, items, small.w, per_row);
    else
        launch(s, op, blocks, THREADS, shuffle_kernel<uint32_t, 1, UNSHUFFLE>,
               (uint32_t *)large.data, (uint32_t *)small.data, items, small.w, per_row);
    return true;
}

static void
run_any_mean(SanaStream *s, const char *op, SanaTensor y, SanaTensor x, bool add)
{
    const int f = x.h / y.h, group = f * f * x.c / y.c;
    const size_t items = sana_positions(y) * (size_t)y.c;
    launch(s, op, blocks_for(s, items, THREADS), THREADS, any_mean_kernel, map_of(y), map_of(x),
           items, y.w, y.c, f, group, add);
}

template <int N> struct Count {
    static constexpr int value = N;
};

/*
 * Calls f(Form, Count) for a factor of 2 and groups or repeats of 1, 2 or 4 where 8 channels of
 * every map lie together; returns whether it did.
 */
template <typename F>
static bool
with_count(SanaTensor large, SanaTensor small, int count, F f)
{
    bool done = false;
    if (large.h != 2 * small.h || (count != 1 && count != 2 && count != 4))
        return false;
    with_form({large, small}, {}, [&](auto form) {
        if constexpr (decltype(form)::W > 1) {
            if (count == 1)
                f(form, Count<1>());
            else if (count == 2)
                f(form, Count<2>());
            else
                f(form, Count<4>());
            done = true;
        }
    });
    return done;
}

static void
run_repeat(SanaStream *s, const char *op, SanaTensor y, SanaTensor x, int repeats, bool add)
{
    const int per_row = y.c / 8;
    const size_t items = sana_positions(x) * (size_t)per_row,
                 each = sana_positions(y) * (size_t)y.c;
    const bool done = with_count(y, x, repeats, [&](auto form, auto count) {
        launch(s, op, blocks_for(s, items, THREADS), THREADS,
               repeat_kernel<decltype(form)::S, decltype(count)::value>, map_of(y), map_of(x),
               items, x.w, per_row, add);
    });
    if (!done)
        launch(s, op, blocks_for(s, each, THREADS), THREADS, any_repeat_kernel, map_of(y),
               map_of(x), each, y.w, y.c, y.h / x.h, repeats, add);
}

/* --- operations ------------------------------------------------------------------------------- */

void
sana_cuda_pixel_unshuffle(SanaStream *s, SanaTensor y, SanaTensor x)
{
    if (!run_shuffle<true>(s, "pixel_unshuffle", x, y))
        run_any_mean(s, "pixel_unshuffle", y, x, false);
}

void
sana_cuda_pixel_shuffle(SanaStream *s, SanaTensor y, SanaTensor x)
{
    if (!run_shuffle<false>(s, "pixel_shuffle", y, x))
        run_repeat(s, "pixel_shuffle", y, x, 1, false);
}

void
sana_cuda_add_unshuffled_mean(SanaStream *s, SanaTensor y, SanaTensor x)
{
    const int f = x.h / y.h, per_row = y.c / 8;
    const size_t items = sana_positions(y) * (size_t)per_row;
    const bool done = with_count(x, y, f * f * x.c / y.c, [&](auto form, auto group) {
        launch(s, "add_unshuffled_mean", blocks_for(s, items, THREADS), THREADS,
               mean_kernel<decltype(form)::S, decltype(group)::value>, map_of(y), map_of(x), items,
               y.w, per_row);
    });
    if (!done)
        run_any_mean(s, "add_unshuffled_mean", y, x, true);
}

void
sana_cuda_add_shuffled_repeat(SanaStream *s, SanaTensor y, SanaTensor x)
{
    const int f = y.h / x.h;
    run_repeat(s, "add_shuffled_repeat", y, x, f * f * y.c / x.c, true);
}
