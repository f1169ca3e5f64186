/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BF16 products and convolutions on tensor cores: mma.sync, which every GPU from 8.0 on has.
 *
 * A block computes a tile of rows × columns in steps of 32 channels of one tap.  What a step reads
 * is copied to shared memory three steps ahead.  There a row of 64 bytes has its four vectors
 * exchanged by its number, so that the eight rows of a matrix lie in different banks.
 */
#include "kernels/cuda/gemm_map.h"
#include "kernels/cuda/warp.h"

#define DEPTH 32
#define STAGES 4
#define VECTOR 8              /* elements of 16 bytes */
#define ROW_BYTES (DEPTH * 2) /* in shared memory */
#define FINISH_ROWS 64        /* leave through shared memory at a time */

__device__ __forceinline__ char *
vector_at(char *tile, int row, int vector)
{
    return tile + row * ROW_BYTES + (vector ^ (row >> 1 & 3)) * 16;
}

/* The position of x that one row of a tile starts at. */
struct Row {
    int i, j;
    bool exists;
};

/* Which step of the sum: a tap, and 32 channels from `channel`. */
struct Step {
    int channel, dy, dx;
};

__device__ __forceinline__ void
advance(Step &t, const SanaCudaGemm &g)
{
    t.channel += DEPTH;
    if (t.channel < g.in)
        return;
    t.channel = 0;
    if (++t.dx == g.kernel) {
        t.dx = 0;
        t.dy++;
    }
}

template <int BM, int BN, int THREADS> struct Loader {
    static constexpr int A = BM * 4 / THREADS, B = BN * 4 / THREADS, APART = THREADS / 4;
    static_assert(A > 0 && B > 0, "each thread copies whole vectors");
    Row rows[A];
    int n0, lane;

    __device__ __forceinline__ Loader(const SanaCudaGemm &g, int m0, int first_column)
        : n0(first_column), lane((int)threadIdx.x % 4)
    {
#pragma unroll
        for (int v = 0; v < A; v++) {
            const int m = m0 + (int)threadIdx.x / 4 + v * APART;
            rows[v].exists = m < g.y_h * g.y_w;
            rows[v].i = m / g.y_w * g.stride - g.pad;
            rows[v].j = m % g.y_w * g.stride - g.pad;
        }
    }

    /* Starts copying what a step reads. */
    __device__ __forceinline__ void start(const SanaCudaGemm &g, const Step &t, char *stage) const
    {
        const int channel = t.channel + lane * VECTOR;
        const bool some = channel < g.in;
#pragma unroll
        for (int v = 0; v < A; v++) {
            const int i = rows[v].i + t.dy, j = rows[v].j + t.dx;
            const bool inside = i >= 0 && i < g.x_h && j >= 0 && j < g.x_w;
            const bool valid = some && inside && rows[v].exists;
            const size_t row = valid ? (size_t)i * (size_t)g.x_w + (size_t)j : 0;
            const __nv_bfloat16 *from =
                (const __nv_bfloat16 *)g.x + row * (size_t)g.x_stride + (valid ? channel : 0);
            copy_start(vector_at(stage, (int)threadIdx.x / 4 + v * APART, lane), from, valid);
        }
        const int tap = t.dy * g.kernel + t.dx, taps = g.kernel * g.kernel;
        stage += BM * ROW_BYTES;
#pragma unroll
        for (int v = 0; v < B; v++) {
            const int row = (int)threadIdx.x / 4 + v * APART, n = n0 + row;
            const bool valid = some && n < g.out;
            const size_t at = valid ? ((size_t)n * taps + tap) * (size_t)g.in + channel : 0;
            copy_start(vector_at(stage, row, lane), (const __nv_bfloat16 *)g.w + at, valid);
        }
    }
};

/* One step: WM × WN of the tile by this warp, from (wm, wn). */
template <int BM, int WM, int WN>
__device__ __forceinline__ void
multiply(float (&sum)[WM / 16][WN / 8][4], char *stage, int wm, int wn)
{
    const int lane = (int)threadIdx.x % 32;
    char *weights = stage + BM * ROW_BYTES;
#pragma unroll
    for (int k = 0; k < DEPTH / 16; k++) {
        uint32_t a[WM / 16][4], b[WN / 16][4];
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
            load_matrices(a[i], vector_at(stage, wm + 16 * i + lane % 16, 2 * k + lane / 16));
#pragma unroll
        for (int j = 0; j < WN / 16; j++)
            load_matrices(b[j], vector_at(weights, wn + 16 * j + lane / 16 * 8 + lane % 8,
                                          2 * k + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++)
                multiply_add(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
    }
}

/* Through shared memory, so that the results leave in vectors along the channels. */
template <int BM, int BN, int WM, int WN, int THREADS, typename Y>
__device__ __forceinline__ void
finish(const SanaCudaGemm &g, float (&sum)[WM / 16][WN / 8][4], char *shared, int m0, int n0,
       bool vectors)
{
    constexpr int WIDTH = BN + 4, ROWS = BM < FINISH_ROWS ? BM : FINISH_ROWS;
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int wm = warp / (BN / WN) * WM, wn = warp % (BN / WN) * WN;
    float *tile = (float *)shared;

    for (int base = 0; base < BM; base += ROWS) {
        __syncthreads();
        if (wm >= base && wm < base + ROWS)
#pragma unroll
            for (int i = 0; i < WM / 16; i++)
#pragma unroll
                for (int j = 0; j < WN / 8; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        tile[(wm - base + 16 * i + lane / 4 + e / 2 * 8) * WIDTH + wn + 8 * j +
                             lane % 4 * 2 + e % 2] = sum[i][j][e];
        __syncthreads();
        for (int v = (int)threadIdx.x; v < ROWS * BN / VECTOR; v += THREADS) {
            const int row = v / (BN / VECTOR), column = v % (BN / VECTOR) * VECTOR;
            const int m = m0 + base + row, n = n0 + column;
            const float *from = tile + row * WIDTH + column;
            if (m >= g.y_h * g.y_w || n >= g.out)
                continue;
            if (vectors) {
                float all[VECTOR];
#pragma unroll
                for (int e = 0; e < VECTOR; e++)
                    all[e] = from[e];
                gemm_finish<Y>(g, m, n, all);
            } else {
                for (int e = 0; e < VECTOR && n + e < g.out; e++) {
                    float one[1] = {from[e]};
                    gemm_finish<Y>(g, m, n + e, one);
                }
            }
        }
    }
}

/* Threads of a block, and blocks of a multiprocessor, which bounds a thread to 128 registers. */
template <int BM, int BN, int WM, int WN> static constexpr int THREADS_OF = BM / WM *(BN / WN) * 32;
template <int BM, int BN, int WM, int WN>
static constexpr int BLOCKS_OF = 512 / THREADS_OF<BM, BN, WM, WN>;

template <int BM, int BN, int WM, int WN, typename Y>
static __global__ void
__launch_bounds__(THREADS_OF<BM, BN, WM, WN>, BLOCKS_OF<BM, BN, WM, WN>)
    gemm_mma(const SanaCudaGemm g, const bool vectors)
{
    constexpr int THREADS = THREADS_OF<BM, BN, WM, WN>, STAGE = (BM + BN) * ROW_BYTES;
    DYNAMIC_SHARED(shared);
    /* columns of the same rows run side by side: the rows are read from memory once */
    const int columns = (g.out + BN - 1) / BN;
    const int m0 = (int)blockIdx.x / columns * BM, n0 = (int)blockIdx.x % columns * BN;
    const int warp = (int)threadIdx.x / 32;
    const int wm = warp / (BN / WN) * WM, wn = warp % (BN / WN) * WN;
    const int steps = g.kernel * g.kernel * ((g.in + DEPTH - 1) / DEPTH);
    const Loader<BM, BN, THREADS> loader(g, m0, n0);
    Step next = {0, 0, 0};
    float sum[WM / 16][WN / 8][4] = {};

    for (int ahead = 0; ahead < STAGES - 1; ahead++) {
        if (ahead < steps) {
            loader.start(g, next, shared + ahead * STAGE);
            advance(next, g);
        }
        copy_group();
    }
    for (int step = 0; step < steps; step++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps) {
            loader.start(g, next, shared + (step + STAGES - 1) % STAGES * STAGE);
            advance(next, g);
        }
        copy_group();
        multiply<BM, WM, WN>(sum, shared + step % STAGES * STAGE, wm, wn);
    }
    copy_wait<0>();
    finish<BM, BN, WM, WN, THREADS, Y>(g, sum, shared, m0, n0, vectors);
}

/* --- launching -------------------------------------------------------------------------------- */

static bool
aligned(const void *p, int stride, size_t size)
{
    return (uintptr_t)p % 16 == 0 && (size_t)stride * size % 16 == 0;
}

static bool
takes(const SanaCudaDevice *dev, const SanaCudaGemm *g)
{
    return g->bf16 && g->groups == 1 && g->in % VECTOR == 0 && aligned(g->x, g->x_stride, 2) &&
           (!g->folded || g->out % (4 * VECTOR) == 0);
}

template <int BM, int BN, int WM, int WN, typename Y>
static void
run_as(SanaStream *s, const SanaCudaGemm *g)
{
    constexpr size_t SHARED = (size_t)STAGES * (BM + BN) * ROW_BYTES;
    static_assert(SHARED >= FINISH_ROWS * (BN + 4) * sizeof(float), "a tile leaves through it");
    const size_t rows = (size_t)g->y_h * (size_t)g->y_w;
    const size_t blocks = (rows + BM - 1) / BM * (size_t)((g->out + BN - 1) / BN);
    const bool vectors = g->out % VECTOR == 0 && aligned(g->y, g->y_stride, sizeof(Y)) &&
                         (!g->residual || aligned(g->residual, g->residual_stride, sizeof(Y)));
    const auto kernel = gemm_mma<BM, BN, WM, WN, Y>;
    if (!sana_cuda_check(s,
                         cudaFuncSetAttribute((const void *)kernel,
                                              cudaFuncAttributeMaxDynamicSharedMemorySize,
                                              (int)SHARED),
                         "gemm_mma"))
        return;
    launch_shared(s, "gemm_mma", (unsigned)blocks, THREADS_OF<BM, BN, WM, WN>, SHARED, kernel, *g,
                  vectors);
}

template <int BM, int BN, int WM, int WN>
static void
run(SanaStream *s, const SanaCudaGemm *g)
{
    if (g->y_f32)
        run_as<BM, BN, WM, WN, float>(s, g);
    else
        run_as<BM, BN, WM, WN, __nv_bfloat16>(s, g);
}

static bool
takes_narrow(const SanaCudaDevice *dev, const SanaCudaGemm *g)
{
    return g->out <= 32 && takes(dev, g);
}

const SanaCudaGemmKernel sana_cuda_gemm_mma[SANA_CUDA_MMA_KERNELS] = {
    {"mma 128x32", takes_narrow, run<128, 32, 32, 32>},
    {"mma 128x128", takes, run<128, 128, 64, 32>},
    {"mma 128x64", takes, run<128, 64, 32, 32>},
    {"mma 64x64", takes, run<64, 64, 32, 32>},
};
