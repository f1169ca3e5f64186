/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gemm_wgmma.cu's tiles: what a launch knows of them, where they lie, and how they leave. */
#ifndef SANA_KERNELS_CUDA_GEMM_WGMMA_H
#define SANA_KERNELS_CUDA_GEMM_WGMMA_H

#include "kernels/cuda/gemm_tile.h"

static constexpr int DEPTH = 64, ROW = 2 * DEPTH;    /* channels of a step, two bytes each */
static constexpr int THREADS = 384, MULTIPLIERS = 8; /* of a block; warps that multiply */
static constexpr int LEAD = 4;                       /* steps */
static constexpr int PATCH = 8;                      /* positions, each way */
static constexpr int LEAVING = PATCH * PATCH * ROW;  /* bytes of a patch */
static constexpr int MOST_SLOTS = 8;

/* What a launch knows.  Sizes are in positions, where nothing else is said. */
struct Job {
    CUtensorMap x, w, y;
    const float *scales, *x_scale; /* of E4M3 */
    const float *bias;
    SanaAct act;
    const float *norm_weight, *norm_bias;          /* of a tile that leaves with a norm and */
    const char *residual;                          /* this, at positions `residual_stride` apart, */
    int residual_stride, w_positions, h_positions; /* of so many */
    float eps;
    int pair;                        /* blocks that share filters: a cluster of 2, or 1 */
    int turns, columns, across;      /* of all blocks; tiles side by side along out, and the map */
    int chunks, kernel, stride, pad; /* 64 channels each; of the convolution */
    int channels;                    /* of y: a quarter of the filters where folded */
    int tile_w, tile_h;              /* of 2·PARTS patches */
    int right, over, below;          /* patch p is at (p%2·right + p/2·over, p/2·below) */
    int pitch, between;              /* from row to row of a slot of x; bytes, of a patch */
    bool bordered;                   /* one slot of x serves all taps */
    int x_bytes, x_slot, x_slots, w_slots;
    int lead; /* LEAD, or as many steps as a tile or the rings have */
};

#if HOPPER

/* --- where a tile lies ------------------------------------------------------------------------ */

/* The first filter, and where its channel n lies: at position (x, y), and where folded at that of
 * every other from (a, b) on. */
struct Place {
    int filter, n, x, y, a, b;
};

/* Columns of the same rows side by side: the rows come from memory once.  The blocks of a pair have
 * the same column of neighbouring rows; the last may lie beyond the map. */
template <int BN>
__device__ __forceinline__ Place
place_of(const Job &job, int turn)
{
    const int rows = turn / job.columns * job.pair + (int)blockIdx.x % job.pair;
    const int filter = turn % job.columns * BN, part = filter / job.channels;
    return {filter,
            filter % job.channels,
            rows % job.across * job.tile_w,
            rows / job.across * job.tile_h,
            part / 2,
            part % 2};
}

/* Calls f(place) for the tiles of this block. */
template <int BN, typename F>
__device__ __forceinline__ void
each_tile(const Job &job, F f)
{
    const int pairs = (int)gridDim.x / job.pair;
    for (int turn = (int)blockIdx.x / job.pair; turn < job.turns; turn += pairs)
        f(place_of<BN>(job, turn));
}

/* --- how it leaves ---------------------------------------------------------------------------- */

/* What the sums of a filter and the next are multiplied with. */
template <typename T>
__device__ __forceinline__ void
get_scales(float (&scale)[2], const Job &job, int filter)
{
    scale[0] = scale[1] = 1;
    if (sizeof(T) == 2)
        return;
    load_as<float>(scale, (const char *)(job.scales + filter));
    scale[0] *= *job.x_scale;
    scale[1] *= *job.x_scale;
}

/* 64 filters' sums of a patch as they leave: rows 0 to 7 and 8 to 15 of eight filters, of the next
 * eight, and so on.  Of the filters `left` exist. */
template <int BN, typename T>
__device__ __forceinline__ void
finish(const Job &job, uint32_t (&bits)[DEPTH / 16][4], const float (&sum)[BN / 2], int first,
       int filter, int left)
{
    const int column = (int)threadIdx.x % 4 * 2;
    float v[DEPTH / 2];
#pragma unroll
    for (int j = 0; j < DEPTH / 8; j++) {
        float bias[2] = {0, 0}, scale[2] = {0, 0};
        if (job.bias && 8 * j + column < left)
            load_as<float>(bias, (const char *)(job.bias + filter + 8 * j + column));
        if (8 * j + column < left)
            get_scales<T>(scale, job, filter + 8 * j + column);
#pragma unroll
        for (int e = 0; e < 4; e++)
            v[4 * j + e] = sum[first + 4 * j + e] * scale[e % 2] + bias[e % 2];
    }
    if (job.act == SANA_ACT_SILU) {
#pragma unroll
        for (int e = 0; e < DEPTH / 2; e++)
            v[e] = silu_short(v[e]);
    } else {
        activate(v, job.act);
    }
#pragma unroll
    for (int i = 0; i < DEPTH / 4; i++)
        bits[i / 4][i % 4] = pair_of(v[2 * i], v[2 * i + 1]);
}

/* What a position's sums are multiplied with: 1 / √(mean of squares + eps), for rows l/4 and 8
 * further.  Four neighbouring lanes have a row. */
template <int BN, typename T>
__device__ __forceinline__ void
norm_factors(const Job &job, float (&factor)[2], const float (&sum)[BN / 2])
{
    factor[0] = factor[1] = 0;
#pragma unroll
    for (int j = 0; j < BN / 8; j++) {
        float scale[2];
        get_scales<T>(scale, job, 8 * j + (int)threadIdx.x % 4 * 2);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const float v = sum[4 * j + e] * scale[e % 2];
            factor[e / 2] += v * v;
        }
    }
#pragma unroll
    for (int row = 0; row < 2; row++) {
        factor[row] += __shfl_xor_sync(0xffffffffu, factor[row], 1);
        factor[row] += __shfl_xor_sync(0xffffffffu, factor[row], 2);
        factor[row] = rsqrtf(factor[row] / BN + job.eps);
    }
}

/* Where a patch lies, and which of its channels leave. */
struct Piece {
    int x, y, n;
};

/* The same as finish(), of a patch with a norm and a residual. */
template <int BN, typename T>
__device__ __forceinline__ void
finish_norm(const Job &job, uint32_t (&bits)[DEPTH / 16][4], const float (&sum)[BN / 2], int first,
            const Piece &piece, const float (&factor)[2])
{
    const int lane = (int)threadIdx.x % 32, column = piece.n + lane % 4 * 2;
    uint32_t residual[2][DEPTH / 8] = {};
#pragma unroll
    for (int row = 0; row < 2; row++) {
        const int i = piece.y + (int)threadIdx.x / 32 % 4 * 2 + row, j = piece.x + lane / 4;
        const size_t at =
            ((size_t)i * (size_t)job.w_positions + (size_t)j) * (size_t)job.residual_stride +
            (size_t)column;
        if (i < job.h_positions && j < job.w_positions)
#pragma unroll
            for (int c = 0; c < DEPTH / 8; c++)
                residual[row][c] = ((const uint32_t *)job.residual)[at / 2 + (size_t)(4 * c)];
    }
#pragma unroll
    for (int c = 0; c < DEPTH / 8; c++) {
        float weight[2], bias[2] = {0, 0}, scale[2];
        load_as<float>(weight, (const char *)(job.norm_weight + column + 8 * c));
        get_scales<T>(scale, job, column + 8 * c);
        if (job.norm_bias)
            load_as<float>(bias, (const char *)(job.norm_bias + column + 8 * c));
#pragma unroll
        for (int row = 0; row < 2; row++) {
            float v[2];
            from_pair(v, residual[row][c]);
#pragma unroll
            for (int e = 0; e < 2; e++)
                v[e] +=
                    sum[first + 4 * c + 2 * row + e] * scale[e] * factor[row] * weight[e] + bias[e];
            bits[c / 2][c % 2 * 2 + row] = pair_of(v[0], v[1]);
        }
    }
}

/* To shared memory, in rows of 128 bytes as tile_store() reads them. */
__device__ __forceinline__ void
put(char *to, const uint32_t (&bits)[DEPTH / 16][4])
{
    const int lane = (int)threadIdx.x % 32, row = (int)threadIdx.x / 32 % 4 * 16 + lane % 16;
#pragma unroll
    for (int j = 0; j < DEPTH / 16; j++)
        store_matrices(to + row * ROW + ((2 * j + lane / 16) ^ (row % 8)) * 16, bits[j]);
}

/* Leaves with a tile: patch by patch, 64 channels at a time. */
template <int PARTS, int BN, typename T, bool NORM>
__device__ __forceinline__ void
leave_tile(const Job &job, char *buffers, int &turn, const Place &at, int group,
           const float (&sum)[PARTS][BN / 2])
{
    const bool speaks = threadIdx.x % 128 == 0;
#pragma unroll
    for (int part = 0; part < PARTS; part++) {
        const int patch = group * PARTS + part;
        const int x = at.x + patch % 2 * job.right + patch / 2 * job.over;
        const int y = at.y + patch / 2 * job.below;
        float factor[2];
        if (NORM)
            norm_factors<BN, T>(job, factor, sum[part]);
#pragma unroll
        for (int piece = 0; piece < BN / DEPTH; piece++) {
            const int n = at.n + piece * DEPTH;
            char *buffer = buffers + turn * LEAVING;
            if (n >= job.channels)
                break;
            turn ^= 1;
            uint32_t bits[DEPTH / 16][4];
            if (NORM)
                finish_norm<BN, T>(job, bits, sum[part], piece * (DEPTH / 2), {x, y, n}, factor);
            else
                finish<BN, T>(job, bits, sum[part], piece * (DEPTH / 2), at.filter + piece * DEPTH,
                              job.channels - n);
            if (speaks)
                tile_store_wait<1>();
            group_barrier(1 + group);
            put(buffer, bits);
            show_to_tensor_cores();
            group_barrier(1 + group);
            if (speaks)
                tile_store(&job.y, buffer, n, at.b, x, at.a, y);
        }
    }
}

#endif
#endif
