/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BF16 products and convolutions on Hopper's tensor cores: wgmma, which reads both operands from
 * shared memory and runs beside the code.
 *
 * Two groups of four warps compute a tile of 128 or 256 rows and 128 columns, in steps of 64
 * channels of one tap.  Of four stages one is being multiplied, one may still be, and two are on
 * their way: a step's copies go where the step before the last was read, which every thread knows
 * to have ended when it passes the barrier.
 */
#include "kernels/cuda/gemm_tile.h"

#define DEPTH 64
#define STAGES 4
#define AHEAD (STAGES - 2)
#define BN 128
#define THREADS 256

template <int BM, typename Y>
static __global__ void
__launch_bounds__(THREADS, 1) gemm_wgmma(const SanaCudaGemm g, const bool vectors)
{
    after_previous();
#if HOPPER
    constexpr int PARTS = BM / 128, WIDTH = BN + 4, STAGE = (BM + BN) * DEPTH * 2;
    DYNAMIC_SHARED(shared);
    const Tile tile = tile_of<BM, BN>(g);
    const int group = (int)threadIdx.x / 128, warp = (int)threadIdx.x / 32 % 4;
    const int lane = (int)threadIdx.x % 32;
    const int steps = g.kernel * g.kernel * ((tile.in + DEPTH - 1) / DEPTH);
    const Loader<BM, BN, DEPTH, THREADS> loader(g, tile);
    Step next = {0, 0, 0};
    float sum[PARTS][64] = {};

    for (int ahead = 0; ahead < AHEAD; ahead++) {
        if (ahead < steps) {
            loader.start(g, next, shared + ahead * STAGE);
            advance<DEPTH>(next, tile.in, g);
        }
        copy_group();
    }
    for (int step = 0; step < steps; step++) {
        char *stage = shared + step % STAGES * STAGE;
        copy_wait<AHEAD - 1>();
        show_to_tensor_cores();
        __syncthreads();
        if (step + AHEAD < steps) {
            loader.start(g, next, shared + (step + AHEAD) % STAGES * STAGE);
            advance<DEPTH>(next, tile.in, g);
        }
        copy_group();
        products_begin();
#pragma unroll
        for (int k = 0; k < DEPTH / 16; k++)
#pragma unroll
            for (int part = 0; part < PARTS; part++)
                multiply_add_64x128(
                    sum[part],
                    matrix_descriptor(stage + (group * PARTS + part) * 64 * DEPTH * 2 + k * 32),
                    matrix_descriptor(stage + BM * DEPTH * 2 + k * 32));
        products_group();
        products_wait<1>();
    }
    products_wait<0>();
    copy_wait<0>();

#pragma unroll
    for (int part = 0; part < PARTS; part++)
        for (int owner = 0; owner < 2; owner++) {
            float *rows = (float *)shared;
            __syncthreads();
            if (group == owner)
#pragma unroll
                for (int i = 0; i < 64; i++)
                    rows[(16 * warp + lane / 4 + i % 4 / 2 * 8) * WIDTH + i / 4 * 8 + lane % 4 * 2 +
                         i % 2] = sum[part][i];
            __syncthreads();
            leave<FINISH_ROWS, BN, WIDTH, THREADS, Y>(g, tile, rows, (owner * PARTS + part) * 64,
                                                      vectors);
        }
#endif
}

/* --- launching -------------------------------------------------------------------------------- */

template <int BM>
static bool
takes(const SanaCudaDevice *dev, const SanaCudaGemm *g)
{
#ifdef SANA_CUDA_90A
    return dev->capability == 90 && readable(g) && g->in / g->groups >= DEPTH &&
           g->out / g->groups >= BN / 2 && (size_t)g->y_h * (size_t)g->y_w >= (size_t)BM;
#else
    return false; /* this build has no code for it */
#endif
}

template <int BM, typename Y>
static void
run_as(SanaStream *s, const SanaCudaGemm *g)
{
    constexpr size_t SHARED = (size_t)STAGES * (BM + BN) * DEPTH * 2;
    const auto kernel = gemm_wgmma<BM, Y>;
    if (!sana_cuda_check(s,
                         cudaFuncSetAttribute((const void *)kernel,
                                              cudaFuncAttributeMaxDynamicSharedMemorySize,
                                              (int)SHARED),
                         "gemm_wgmma"))
        return;
    launch_shared(s, "gemm_wgmma", blocks_of(g, BM, BN), THREADS, SHARED, kernel, *g,
                  leaves_in_vectors(g));
}

template <int BM>
static void
run(SanaStream *s, const SanaCudaGemm *g)
{
    if (g->y_f32)
        run_as<BM, float>(s, g);
    else
        run_as<BM, __nv_bfloat16>(s, g);
}

const SanaCudaGemmKernel sana_cuda_gemm_wgmma[SANA_CUDA_WGMMA_KERNELS] = {
    {"wgmma 256x128", takes<256>, run<256>},
    {"wgmma 128x128", takes<128>, run<128>},
};
