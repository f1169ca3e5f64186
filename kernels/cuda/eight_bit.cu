/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows for products of E4M3: with one scale for all of a map, found anew every time. */
#include "kernels/cuda/elements.h"
#include "kernels/cuda/gemm.h"

#define THREADS 256
#define WARPS (THREADS / 32)
#define E4M3_MAX 448.0f

/* --- kernels ---------------------------------------------------------------------------------- */

/* The largest that a thread of the block gives; a NaN counts for nothing. */
static __device__ __forceinline__ float
largest_of_block(float mine)
{
    __shared__ float of_warp[WARPS];
#pragma unroll
    for (int other = 16; other > 0; other /= 2)
        mine = fmaxf(mine, __shfl_xor_sync(0xffffffffu, mine, other));
    if (threadIdx.x % 32 == 0)
        of_warp[threadIdx.x / 32] = mine;
    __syncthreads();
    for (int w = 0; w < WARPS; w++)
        mine = fmaxf(mine, of_warp[w]);
    return mine;
}

/* Calls f(row, channel) for this thread's vectors of W, of rows of c. */
template <int W, typename F>
static __device__ __forceinline__ void
each_vector(size_t rows, int c, F f)
{
    const size_t across = (size_t)(c / W), step = (size_t)gridDim.x * THREADS;
    for (size_t v = (size_t)blockIdx.x * THREADS + threadIdx.x; v < rows * across; v += step)
        f(v / across, v % across * W);
}

template <typename F>
static __global__ void
__launch_bounds__(THREADS) find_largest(float *of_block, const Map x, size_t rows, int c)
{
    after_previous();
    float most = 0;
    each_vector<F::W>(rows, c, [&](size_t row, size_t ch) {
        float v[F::W];
        load<F::S>(v, x, row, ch);
#pragma unroll
        for (int e = 0; e < F::W; e++)
            most = fmaxf(most, fabsf(v[e]));
    });
    most = largest_of_block(most);
    if (threadIdx.x == 0)
        of_block[blockIdx.x] = most;
}

template <typename F>
static __global__ void
__launch_bounds__(THREADS) round_rows(char *y, float *scale, const float *of_block, int blocks,
                                      const Map x, size_t rows, int c)
{
    after_previous();
    float most = 0;
    for (int b = (int)threadIdx.x; b < blocks; b += THREADS)
        most = fmaxf(most, of_block[b]);
    most = largest_of_block(most);
    const float inverse = most > 1e-30f ? E4M3_MAX / most : 0;
    if (blockIdx.x + threadIdx.x == 0)
        *scale = most / E4M3_MAX;
    each_vector<F::W>(rows, c, [&](size_t row, size_t ch) {
        float v[F::W];
        load<F::S>(v, x, row, ch);
#pragma unroll
        for (int e = 0; e < F::W; e++)
            v[e] *= inverse;
        store_as<__nv_fp8_e4m3>(y + row * (size_t)c + ch, v);
    });
}

/* --- the operation ---------------------------------------------------------------------------- */

static size_t
align_up(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

void *
sana_cuda_round_to_eight_bit(SanaStream *s, SanaCudaGemm *g, SanaTensor x, const float *scales,
                             size_t rest)
{
    const size_t rows = sana_positions(x), count = rows * (size_t)x.c;
    const unsigned blocks = blocks_for(s, count / 8, THREADS);
    const size_t of_blocks = align_up((1 + blocks) * sizeof(float)), all = align_up(count);
    char *room = (char *)sana_cuda_workspace(s, of_blocks + all + rest);
    if (!room)
        return NULL;
    float *scale = (float *)room;
    with_form({x}, {}, [&](auto form) {
        using F = decltype(form);
        launch(s, "eight_bit", blocks, THREADS, find_largest<F>, scale + 1, map_of(x), rows, x.c);
        launch(s, "eight_bit", blocks, THREADS, round_rows<F>, room + of_blocks, scale, scale + 1,
               (int)blocks, map_of(x), rows, x.c);
    });
    g->x = room + of_blocks;
    g->x_stride = x.c;
    g->scales = scales;
    g->x_scale = scale;
    return room + of_blocks + all;
}
