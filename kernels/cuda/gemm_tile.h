/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernels on tensor cores share: tiles of rows × columns, from global memory and back. */
#ifndef SANA_KERNELS_CUDA_GEMM_TILE_H
#define SANA_KERNELS_CUDA_GEMM_TILE_H

#include "kernels/cuda/gemm_map.h"
#include "kernels/cuda/warp.h"

#define VECTOR 8       /* elements of 16 bytes, two bytes each: see halves_of() */
#define FINISH_ROWS 64 /* leave through shared memory at a time */

/* --- where a tile lies ------------------------------------------------------------------------ */

/* The position of x that one row of a tile starts at. */
struct Row {
    int i, j;
    bool exists;
};

/* Rows from m0, columns from n0 to before n_end, which read `in` channels from `channel`. */
struct Tile {
    int m0, n0, n_end, in, channel;
};

/* Columns of the same rows run side by side: the rows are read from memory once. */
template <int BM, int BN>
__device__ __forceinline__ Tile
tile_of(const SanaCudaGemm &g)
{
    const int outs = g.out / g.groups, columns = (outs + BN - 1) / BN;
    const int rest = (int)blockIdx.x % (columns * g.groups), group = rest / columns;
    Tile t;
    t.m0 = (int)blockIdx.x / (columns * g.groups) * BM;
    t.n0 = group * outs + rest % columns * BN;
    t.n_end = (group + 1) * outs;
    t.in = g.in / g.groups;
    t.channel = group * t.in;
    return t;
}

/* Which step of the sum: a tap, and DEPTH channels from `channel`. */
struct Step {
    int channel, dy, dx;
};

template <int DEPTH>
__device__ __forceinline__ void
advance(Step &t, int in, const SanaCudaGemm &g)
{
    t.channel += DEPTH;
    if (t.channel < in)
        return;
    t.channel = 0;
    if (++t.dx == g.kernel) {
        t.dx = 0;
        t.dy++;
    }
}

/* --- to shared memory ------------------------------------------------------------------------- */

/* A vector of a row in shared memory: rows have their vectors exchanged by their number, so that
 * the eight rows of a matrix lie in different banks. */
template <int DEPTH>
__device__ __forceinline__ char *
vector_at(char *tile, int row, int vector)
{
    static_assert(DEPTH == 32, "rows of 64 bytes are laid out here");
    return tile + row * (DEPTH * 2) + (vector ^ (row >> 1 & 3)) * 16;
}

/* Copies the BM rows of x and then the BN of w that a step reads. */
template <int BM, int BN, int DEPTH, int THREADS> struct Loader {
    static constexpr int ACROSS = DEPTH / VECTOR, APART = THREADS / ACROSS;
    static constexpr int A = BM / APART, B = BN / APART;
    static_assert(A > 0 && B > 0, "each thread copies whole vectors");
    Row rows[A];
    Tile tile;
    int lane;

    __device__ __forceinline__ Loader(const SanaCudaGemm &g, const Tile &whole)
        : tile(whole), lane((int)threadIdx.x % ACROSS)
    {
#pragma unroll
        for (int v = 0; v < A; v++) {
            const int m = tile.m0 + (int)threadIdx.x / ACROSS + v * APART;
            rows[v].exists = m < g.y_h * g.y_w;
            rows[v].i = m / g.y_w * g.stride - g.pad;
            rows[v].j = m % g.y_w * g.stride - g.pad;
        }
    }

    /* Starts copying what a step reads. */
    __device__ __forceinline__ void start(const SanaCudaGemm &g, const Step &t, char *stage) const
    {
        const int channel = t.channel + lane * VECTOR;
        const bool some = channel < tile.in;
#pragma unroll
        for (int v = 0; v < A; v++) {
            const int i = rows[v].i + t.dy, j = rows[v].j + t.dx;
            const bool inside = i >= 0 && i < g.x_h && j >= 0 && j < g.x_w;
            const bool valid = some && inside && rows[v].exists;
            const size_t row = valid ? (size_t)i * (size_t)g.x_w + (size_t)j : 0;
            const __nv_bfloat16 *from = (const __nv_bfloat16 *)g.x + row * (size_t)g.x_stride +
                                        (valid ? tile.channel + channel : 0);
            copy_start(vector_at<DEPTH>(stage, (int)threadIdx.x / ACROSS + v * APART, lane), from,
                       valid);
        }
        const int tap = t.dy * g.kernel + t.dx, taps = g.kernel * g.kernel;
        stage += BM * DEPTH * 2;
#pragma unroll
        for (int v = 0; v < B; v++) {
            const int row = (int)threadIdx.x / ACROSS + v * APART, n = tile.n0 + row;
            const bool valid = some && n < tile.n_end;
            const size_t at = valid ? ((size_t)n * taps + tap) * (size_t)tile.in + channel : 0;
            copy_start(vector_at<DEPTH>(stage, row, lane), (const __nv_bfloat16 *)g.w + at, valid);
        }
    }
};

/* --- and back --------------------------------------------------------------------------------- */

/* Finishes ROWS rows from row `base` of the tile, which lie in shared memory, WIDTH floats apart:
 * so they leave in vectors along the channels. */
template <int ROWS, int BN, int WIDTH, int THREADS, typename T, typename Y>
__device__ __forceinline__ void
leave(const SanaCudaGemm &g, const Tile &t, const float *tile, int base, bool vectors)
{
    for (int v = (int)threadIdx.x; v < ROWS * BN / VECTOR; v += THREADS) {
        const int row = v / (BN / VECTOR), column = v % (BN / VECTOR) * VECTOR;
        const int m = t.m0 + base + row, n = t.n0 + column;
        const float *from = tile + row * WIDTH + column;
        if (m >= g.y_h * g.y_w || n >= t.n_end)
            continue;
        if (vectors) {
            float all[VECTOR];
#pragma unroll
            for (int e = 0; e < VECTOR; e++)
                all[e] = from[e];
            gemm_finish<T, Y>(g, m, n, all);
        } else {
            for (int e = 0; e < VECTOR && n + e < t.n_end; e++) {
                float one[1] = {from[e]};
                gemm_finish<T, Y>(g, m, n + e, one);
            }
        }
    }
}

/* --- launching -------------------------------------------------------------------------------- */

static inline bool
aligned(const void *p, int stride, size_t size)
{
    return (uintptr_t)p % 16 == 0 && (size_t)stride * size % 16 == 0;
}

/* The same with two channels of E4M3 taken for one of two bytes, as all but the multiplying
 * instruction does. */
static inline SanaCudaGemm
halves_of(const SanaCudaGemm *g)
{
    SanaCudaGemm halves = *g;
    if (g->dtype == SANA_E4M3) {
        halves.in /= 2;
        halves.x_stride /= 2;
    }
    return halves;
}

/* Whether tiles can be read, of halves: whole vectors of channels. */
static inline bool
readable(const SanaCudaGemm *g)
{
    return g->dtype != SANA_F32 && g->in / g->groups % VECTOR == 0 && aligned(g->x, g->x_stride, 2);
}

/* Whether rows can leave in vectors. */
static inline bool
leaves_in_vectors(const SanaCudaGemm *g)
{
    const size_t size = sana_dtype_size(g->y_dtype);
    const int channels = g->folded ? g->out / 4 : g->out / g->groups;
    return channels % VECTOR == 0 && aligned(g->y, g->y_stride, size) &&
           (!g->residual || aligned(g->residual, g->residual_stride, size));
}

static inline unsigned
blocks_of(const SanaCudaGemm *g, int bm, int bn)
{
    const size_t rows = (size_t)g->y_h * (size_t)g->y_w;
    return (unsigned)((rows + (size_t)bm - 1) / (size_t)bm * (size_t)g->groups *
                      (size_t)((g->out / g->groups + bn - 1) / bn));
}

#endif
