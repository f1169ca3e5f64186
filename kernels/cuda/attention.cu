/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attention: a block has 32 queries of one head and walks over the keys 32 at a time, holding for
 * each query the largest score, the sum of exponentials and the weighted sum of values so far.
 * Products go through shared memory 32 channels at a time; those that tensor cores take are
 * attention_mma.cu's.  rope: a vector of pairs a thread.
 */
#include "kernels/cuda/attention.h"

#define THREADS 128
#define TILE 32           /* queries, keys, channels */
#define STRIDE (TILE + 4) /* of a row in shared memory: 16-byte rows in different banks */
#define LANES 8           /* threads that share a query */

/* --- kernels ---------------------------------------------------------------------------------- */

typedef float Tile[TILE][STRIDE];

/* Rows first … of channels ch … of a head of x, one vector of 8 a thread; 0 outside. */
template <int S, int W>
static __device__ __forceinline__ void
stage(Tile &tile, const Map &x, int first, int rows, int head, int ch, int d)
{
    const int r = (int)threadIdx.x / 4, within = (int)threadIdx.x % 4 * 8;
    const size_t row = (size_t)(first + r), at = (size_t)head * d + ch + within;
    float v[8] = {};
    if (first + r < rows) {
        if constexpr (W == 8) {
            if (ch + within < d)
                load<S>(v, x, row, at);
        } else {
            float one[1];
            for (int e = 0; e < 8; e++)
                if (ch + within + e < d) {
                    load<S>(one, x, row, at + e);
                    v[e] = one[0];
                }
        }
    }
    store_as<float>((char *)&tile[r][within], v);
}

/* What a thread has of the tile of scores: queries q + 16·i, keys lane + 8·j. */
static __device__ __forceinline__ void
add_scores(float (&s)[2][4], const Tile &q, const Tile &k, int query, int lane)
{
#pragma unroll
    for (int c = 0; c < TILE; c += 4) {
        float a[2][4], b[4];
#pragma unroll
        for (int i = 0; i < 2; i++)
            load_as<float>(a[i], (const char *)&q[query + 16 * i][c]);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            load_as<float>(b, (const char *)&k[lane + LANES * j][c]);
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    s[i][j] += a[i][e] * b[e];
        }
    }
}

/* Columns 4·lane … of o += p·v. */
static __device__ __forceinline__ void
add_values(float (&o)[2][4], const Tile &p, const Tile &v, int query, int lane)
{
#pragma unroll
    for (int key = 0; key < TILE; key += 4) {
        float a[2][4], b[4];
#pragma unroll
        for (int i = 0; i < 2; i++)
            load_as<float>(a[i], (const char *)&p[query + 16 * i][key]);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            load_as<float>(b, (const char *)&v[key + e][4 * lane]);
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int c = 0; c < 4; c++)
                    o[i][c] += a[i][e] * b[c];
        }
    }
}

template <int S, int W>
static __device__ __forceinline__ void
store_four(const Map &y, size_t row, size_t ch, int left, const float (&v)[4])
{
    if constexpr (W == 8) {
        if (left > 0)
            store<S>(y, row, ch, v);
    } else {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const float one[1] = {v[e]};
            if (e < left)
                store<S>(y, row, ch + e, one);
        }
    }
}

/* Blocks: 32 queries; head; CHUNKS · 32 channels of v. */
template <int S, int W, int CHUNKS>
static __global__ void
__launch_bounds__(THREADS) attention_kernel(Attention a)
{
    after_previous();
    ALIGNED_SHARED Tile q_tile, kv_tile, p_tile;
    const int query = (int)threadIdx.x / LANES, lane = (int)threadIdx.x % LANES;
    const int head = (int)blockIdx.y, kv_head = head / a.group;
    const int first = (int)blockIdx.x * TILE, column = (int)blockIdx.z * CHUNKS * TILE;
    float o[CHUNKS][2][4] = {};
    Running running[2] = {{-INFINITY, 0}, {-INFINITY, 0}};
    int begin, end;

    keys_of(a, first, TILE, TILE, &begin, &end);
    for (int key = begin; key < end; key += TILE) {
        float s[2][4] = {};
        for (int ch = 0; ch < a.d; ch += TILE) {
            __syncthreads();
            stage<S, W>(q_tile, a.q, first, a.n, head, ch, a.d);
            stage<S, W>(kv_tile, a.k, key, a.t, kv_head, ch, a.d);
            __syncthreads();
            add_scores(s, q_tile, kv_tile, query, lane);
        }
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const float factor = exponentials(s[i], running[i], a, first + query + 16 * i, LANES,
                                              [&](int j) { return key + lane + LANES * j; });
#pragma unroll
            for (int j = 0; j < 4; j++)
                p_tile[query + 16 * i][lane + LANES * j] = s[i][j];
#pragma unroll
            for (int c = 0; c < CHUNKS; c++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    o[c][i][e] *= factor;
        }
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
            if (column + c * TILE < a.d) {
                __syncthreads(); /* the first one is also for p_tile */
                stage<S, W>(kv_tile, a.v, key, a.t, kv_head, column + c * TILE, a.d);
                __syncthreads();
                add_values(o[c], p_tile, kv_tile, query, lane);
            }
    }
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int row = first + query + 16 * i, ch = column + c * TILE + 4 * lane;
            const float factor = 1 / running[i].sum;
#pragma unroll
            for (int e = 0; e < 4; e++)
                o[c][i][e] *= factor;
            if (row < a.n)
                store_four<S, W>(a.y, (size_t)row, (size_t)head * a.d + ch, a.d - ch, o[c][i]);
        }
}

/* Powers are taken on the host, where they are rounded as the reference rounds them. */
#define FREQUENCIES 512

struct Frequencies {
    float f[FREQUENCIES];
};

/* Pairs from + i of `count` in each head of each row */
template <int S, int W>
static __global__ void
__launch_bounds__(THREADS) rope_kernel(Map x, Frequencies f, size_t items, int heads, int half,
                                       int from, int count, int first)
{
    after_previous();
    const int per_head = count / W;
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t item = (size_t)blockIdx.x * THREADS + threadIdx.x; item < items; item += step) {
        const int i = (int)(item % per_head) * W, head = (int)(item / per_head % heads);
        const size_t row = item / per_head / heads, low = (size_t)head * 2 * half + from + i;
        float a[W], b[W];
        load<S>(a, x, row, low);
        load<S>(b, x, row, low + half);
#pragma unroll
        for (int e = 0; e < W; e++) {
            float s, c, was = a[e];
            sincosf((float)(first + (int)row) * f.f[i + e], &s, &c);
            a[e] = was * c - b[e] * s;
            b[e] = b[e] * c + was * s;
        }
        store<S>(x, row, low, a);
        store<S>(x, row, low + half, b);
    }
}

/* --- launchers -------------------------------------------------------------------------------- */

template <int S, int W, int CHUNKS>
static void
run_attention(SanaStream *s, const Attention &a, int heads)
{
    dim3 grid(sana_cuda_blocks((size_t)a.n, TILE), (unsigned)heads,
              sana_cuda_blocks((size_t)a.d, CHUNKS * TILE));
    launch(s, "attention", grid, THREADS, attention_kernel<S, W, CHUNKS>, a);
}

template <int S, int W>
static void
run_width(SanaStream *s, const Attention &a, int heads)
{
    if (a.d <= 3 * TILE)
        run_attention<S, W, 3>(s, a, heads);
    else if (a.d <= 4 * TILE)
        run_attention<S, W, 4>(s, a, heads);
    else
        run_attention<S, W, 8>(s, a, heads);
}

/* --- operations ------------------------------------------------------------------------------- */

void
sana_cuda_attention(SanaStream *s, SanaTensor y, SanaTensor q, SanaTensor k, SanaTensor v,
                    SanaAttention options)
{
    Attention a = {};
    a.y = map_of(y);
    a.q = map_of(q);
    a.k = map_of(k);
    a.v = map_of(v);
    a.n = (int)sana_positions(q);
    a.t = (int)sana_positions(k);
    a.d = q.c / options.heads;
    a.group = options.heads / options.kv_heads;
    a.scale = options.scale;
    a.softcap = options.softcap;
    a.causal = options.causal;
    a.window = options.window;
    if (a.d % 8 != 0)
        run_width<ANY, 1>(s, a, options.heads);
    else
        with_form({q, k, v, y}, {}, [&](auto form) {
            typedef decltype(form) F;
            if constexpr (F::S != SANA_BF16)
                run_width<F::S, F::W>(s, a, options.heads);
            else if (a.d <= 128)
                sana_cuda_attention_mma(s, a, options.heads);
            else
                run_attention<F::S, F::W, 8>(s, a, options.heads);
        });
}

void
sana_cuda_rope(SanaStream *s, SanaTensor x, int head_dim, int first, float theta)
{
    const int half = head_dim / 2, heads = x.c / head_dim;
    for (int from = 0; from < half; from += FREQUENCIES) {
        const int count = half - from < FREQUENCIES ? half - from : FREQUENCIES;
        const size_t items = sana_positions(x) * (size_t)(heads * count);
        Frequencies f;
        for (int i = 0; i < count; i++)
            f.f[i] = 1 / powf(theta, (float)(2 * (from + i)) / (float)head_dim);
        const auto run = [&](auto kernel, int width) {
            launch(s, "rope", blocks_for(s, items / width, THREADS), THREADS, kernel, map_of(x), f,
                   items / width, heads, half, from, count, first);
        };
        if (half % 8 != 0)
            run(rope_kernel<ANY, 1>, 1);
        else
            with_form({x}, {}, [&](auto form) {
                typedef decltype(form) F;
                run(rope_kernel<F::S, F::W>, F::W);
            });
    }
}
