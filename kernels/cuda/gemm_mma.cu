/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Products and convolutions on tensor cores: mma.sync, which every GPU from 8.0 on has for BF16,
 * and from 8.9 on for E4M3.
 *
 * A block computes a tile of rows × columns in steps of 32 channels of one tap.  What a step reads
 * is copied to shared memory three steps ahead.
 */
#include "kernels/cuda/gemm_tile.h"

#define DEPTH 32
#define STAGES 4
#define ROW_BYTES (DEPTH * 2) /* in shared memory */

/* One step: WM × WN of the tile by this warp, from (wm, wn). */
template <int BM, int WM, int WN, typename T>
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
            load_matrices(a[i],
                          vector_at<DEPTH>(stage, wm + 16 * i + lane % 16, 2 * k + lane / 16));
#pragma unroll
        for (int j = 0; j < WN / 16; j++)
            load_matrices(b[j], vector_at<DEPTH>(weights, wn + 16 * j + lane / 16 * 8 + lane % 8,
                                                 2 * k + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++)
                multiply_add<T>(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
    }
}

/* Through shared memory, so that the results leave in vectors along the channels. */
template <int BM, int BN, int WM, int WN, int THREADS, typename T, typename Y>
__device__ __forceinline__ void
finish(const SanaCudaGemm &g, float (&sum)[WM / 16][WN / 8][4], char *shared, const Tile &t,
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
        leave<ROWS, BN, WIDTH, THREADS, T, Y>(g, t, tile, base, vectors);
    }
}

/* Threads of a block, and blocks of a multiprocessor, which bounds a thread to 128 registers. */
template <int BM, int BN, int WM, int WN> static constexpr int THREADS_OF = BM / WM *(BN / WN) * 32;
template <int BM, int BN, int WM, int WN>
static constexpr int BLOCKS_OF = 512 / THREADS_OF<BM, BN, WM, WN>;

template <int BM, int BN, int WM, int WN, typename T, typename Y>
static __global__ void
__launch_bounds__(THREADS_OF<BM, BN, WM, WN>, BLOCKS_OF<BM, BN, WM, WN>)
    gemm_mma(const SanaCudaGemm g, const bool vectors)
{
    after_previous();
    constexpr int THREADS = THREADS_OF<BM, BN, WM, WN>, STAGE = (BM + BN) * ROW_BYTES;
    DYNAMIC_SHARED(shared);
    const Tile tile = tile_of<BM, BN>(g);
    const int warp = (int)threadIdx.x / 32;
    const int wm = warp / (BN / WN) * WM, wn = warp % (BN / WN) * WN;
    const int steps = g.kernel * g.kernel * ((tile.in + DEPTH - 1) / DEPTH);
    const Loader<BM, BN, DEPTH, THREADS> loader(g, tile);
    Step next = {0, 0, 0};
    float sum[WM / 16][WN / 8][4] = {};

    for (int ahead = 0; ahead < STAGES - 1; ahead++) {
        if (ahead < steps) {
            loader.start(g, next, shared + ahead * STAGE);
            advance<DEPTH>(next, tile.in, g);
        }
        copy_group();
    }
    for (int step = 0; step < steps; step++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps) {
            loader.start(g, next, shared + (step + STAGES - 1) % STAGES * STAGE);
            advance<DEPTH>(next, tile.in, g);
        }
        copy_group();
        multiply<BM, WM, WN, T>(sum, shared + step % STAGES * STAGE, wm, wn);
    }
    copy_wait<0>();
    finish<BM, BN, WM, WN, THREADS, T, Y>(g, sum, shared, tile, vectors);
}

/* --- launching -------------------------------------------------------------------------------- */

/* A tile that the shape fills only in part is none of the fastest. */
template <int BM, int BN>
static bool
takes(const SanaCudaDevice *dev, const SanaCudaGemm *g)
{
    const SanaCudaGemm halves = halves_of(g);
    const size_t rows = (size_t)g->y_h * (size_t)g->y_w;
    const int columns = g->out / g->groups;
    const bool fills = (BM <= 64 || rows >= (size_t)BM) && (BN <= 64 || columns > 64);
    return readable(&halves) && fills && (BN > 32 || columns <= 32);
}

template <int BM, int BN, int WM, int WN, typename T, typename Y>
static void
run_as(SanaStream *s, const SanaCudaGemm *g)
{
    constexpr size_t SHARED = (size_t)STAGES * (BM + BN) * ROW_BYTES;
    static_assert(SHARED >= FINISH_ROWS * (BN + 4) * sizeof(float), "a tile leaves through it");
    const auto kernel = gemm_mma<BM, BN, WM, WN, T, Y>;
    if (!sana_cuda_check(s,
                         cudaFuncSetAttribute((const void *)kernel,
                                              cudaFuncAttributeMaxDynamicSharedMemorySize,
                                              (int)SHARED),
                         "gemm_mma"))
        return;
    launch_shared(s, "gemm_mma", blocks_of(g, BM, BN), THREADS_OF<BM, BN, WM, WN>, SHARED, kernel,
                  halves_of(g), leaves_in_vectors(g));
}

template <int BM, int BN, int WM, int WN, typename T>
static void
run_of(SanaStream *s, const SanaCudaGemm *g)
{
    if (g->y_dtype == SANA_F32)
        run_as<BM, BN, WM, WN, T, float>(s, g);
    else
        run_as<BM, BN, WM, WN, T, __nv_bfloat16>(s, g);
}

template <int BM, int BN, int WM, int WN>
static void
run(SanaStream *s, const SanaCudaGemm *g)
{
    if (g->dtype == SANA_E4M3)
        run_of<BM, BN, WM, WN, __nv_fp8_e4m3>(s, g);
    else
        run_of<BM, BN, WM, WN, __nv_bfloat16>(s, g);
}

const SanaCudaGemmKernel sana_cuda_gemm_mma[SANA_CUDA_MMA_KERNELS] = {
    {"mma 128x32", takes<128, 32>, run<128, 32, 32, 32>},
    {"mma 128x128", takes<128, 128>, run<128, 128, 64, 32>},
    {"mma 128x64", takes<128, 64>, run<128, 64, 32, 32>},
    {"mma 64x64", takes<64, 64>, run<64, 64, 32, 32>},
};
