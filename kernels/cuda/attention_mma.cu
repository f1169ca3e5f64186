/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attention on tensor cores: a warp has 16 queries of a head, their scores and their outputs in
 * registers; four warps share the keys and values, 32 at a time.  Probabilities are rounded to BF16
 * before they meet the values.
 */
#include "kernels/cuda/attention.h"
#include "kernels/cuda/warp.h"

#define WARPS 4
#define THREADS (32 * WARPS)
#define QUERIES (16 * WARPS)
#define KEYS 32

/* --- kernels ---------------------------------------------------------------------------------- */

typedef Vector<__nv_bfloat16, 8> Eight;

/* Rows first … of a head that begins at `column`, as far as there are; zeros elsewhere. */
template <int ROWS, int VECTORS>
static __device__ __forceinline__ void
stage(Eight (&tile)[ROWS][VECTORS + 1], const Map &x, int first, int rows, size_t column, int d)
{
    for (int i = (int)threadIdx.x; i < ROWS * VECTORS; i += THREADS) {
        const int r = i / VECTORS, v = i % VECTORS;
        const bool valid = first + r < rows && 8 * v < d;
        const size_t at = valid ? (size_t)(first + r) * x.stride + column + 8 * (size_t)v : 0;
        copy_start(&tile[r][v], x.data + 2 * at, valid);
    }
}

/* s += q·kᵀ for 16 queries from `row` of the tile; s[i] has keys 8i … */
template <int STEPS>
static __device__ __forceinline__ void
add_scores(float (&s)[KEYS / 8][4], const Eight (&q)[QUERIES][2 * STEPS + 1],
           const Eight (&k)[KEYS][2 * STEPS + 1], int row, int lane)
{
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
        uint32_t a[4], b[4];
        load_matrices(a, &q[row + lane % 16][2 * step + lane / 16]);
#pragma unroll
        for (int i = 0; i < KEYS / 8; i += 2) {
            load_matrices(b, &k[8 * i + lane / 16 * 8 + lane % 8][2 * step + lane / 8 % 2]);
            multiply_add(s[i], a, b[0], b[1]);
            multiply_add(s[i + 1], a, b[2], b[3]);
        }
    }
}

/* o += p·v; o[i] has channels 8i … */
template <int STEPS>
static __device__ __forceinline__ void
add_values(float (&o)[2 * STEPS][4], const float (&p)[KEYS / 8][4],
           const Eight (&v)[KEYS][2 * STEPS + 1], int lane)
{
#pragma unroll
    for (int i = 0; i < KEYS / 8; i += 2) {
        const uint32_t a[4] = {pair_of(p[i][0], p[i][1]), pair_of(p[i][2], p[i][3]),
                               pair_of(p[i + 1][0], p[i + 1][1]),
                               pair_of(p[i + 1][2], p[i + 1][3])};
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
            uint32_t b[4];
            load_matrices_turned(b, &v[8 * i + lane % 16][2 * step + lane / 16]);
            multiply_add(o[2 * step], a, b[0], b[1]);
            multiply_add(o[2 * step + 1], a, b[2], b[3]);
        }
    }
}

/* Blocks: 64 queries; head.  STEPS · 16 channels hold d. */
template <int STEPS>
static __global__ void
__launch_bounds__(THREADS) attention_mma_kernel(Attention a)
{
    after_previous();
    __shared__ Eight q[QUERIES][2 * STEPS + 1], k[KEYS][2 * STEPS + 1], v[KEYS][2 * STEPS + 1];
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int head = (int)blockIdx.y, first = (int)blockIdx.x * QUERIES;
    const int row = first + 16 * warp + lane / 4; /* this thread's; the other one is 8 below */
    const size_t column = (size_t)head * a.d, kv_column = (size_t)(head / a.group) * a.d;
    float o[2 * STEPS][4] = {};
    Running running[2] = {{-INFINITY, 0}, {-INFINITY, 0}};
    int begin, end;

    keys_of(a, first, QUERIES, KEYS, &begin, &end);
    stage<QUERIES, 2 * STEPS>(q, a.q, first, a.n, column, a.d);
    for (int key = begin; key < end; key += KEYS) {
        float s[KEYS / 8][4] = {};
        __syncthreads();
        stage<KEYS, 2 * STEPS>(k, a.k, key, a.t, kv_column, a.d);
        stage<KEYS, 2 * STEPS>(v, a.v, key, a.t, kv_column, a.d);
        copy_group();
        copy_wait<0>();
        __syncthreads();
        add_scores<STEPS>(s, q, k, 16 * warp, lane);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float e[KEYS / 4];
#pragma unroll
            for (int j = 0; j < KEYS / 4; j++)
                e[j] = s[j / 2][2 * i + j % 2];
            const float factor = exponentials(e, running[i], a, row + 8 * i, 4, [&](int j) {
                return key + j / 2 * 8 + lane % 4 * 2 + j % 2;
            });
#pragma unroll
            for (int j = 0; j < KEYS / 4; j++)
                s[j / 2][2 * i + j % 2] = e[j];
#pragma unroll
            for (int j = 0; j < 4 * STEPS; j++)
                o[j / 2][2 * i + j % 2] *= factor;
        }
        add_values<STEPS>(o, s, v, lane);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const float factor = 1 / running[i].sum;
#pragma unroll
        for (int j = 0; j < 2 * STEPS; j++) {
            const int ch = 8 * j + lane % 4 * 2;
            const float out[2] = {o[j][2 * i] * factor, o[j][2 * i + 1] * factor};
            if (row + 8 * i < a.n && ch < a.d)
                store<SANA_BF16>(a.y, (size_t)(row + 8 * i), column + ch, out);
        }
    }
}

/* --- launchers -------------------------------------------------------------------------------- */

void
sana_cuda_attention_mma(SanaStream *s, const Attention &a, int heads)
{
    const dim3 grid(sana_cuda_blocks((size_t)a.n, QUERIES), (unsigned)heads);
    if (a.d <= 80)
        launch(s, "attention", grid, THREADS, attention_mma_kernel<5>, a);
    else
        launch(s, "attention", grid, THREADS, attention_mma_kernel<8>, a);
}
