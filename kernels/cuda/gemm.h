/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Products and dense convolutions as one operation on the device:
 *
 *   y = act(Σ_k x_k · w_k + bias) + residual
 *
 * A product is a convolution with kernel 1 of a map of one row.  Rows of the result are positions
 * of the output map, columns are output channels, and the sum runs over kernel² taps of `in`
 * channels, gathered where they lie (implicit GEMM).
 */
#ifndef SANA_KERNELS_CUDA_GEMM_H
#define SANA_KERNELS_CUDA_GEMM_H

#include "kernels/cuda/cuda.h"

G_BEGIN_DECLS

/*
 * x, w      F32, or BF16 where bf16
 * y         of the type of x, or F32 where y_f32
 * residual  of the type of y, or NULL
 * w         (out, kernel, kernel, in/groups)
 * norm_…, eps   for sana_cuda_gemm_norm() alone: RMS with weight, and bias or NULL
 * strides   elements from one position to the next
 * folded    y is the map twice as large as x, and column (2a + b)·out/4 + o of window (p, q) is
 *           channel o of its position (2p − a, 2q − b); y_h = x_h + 1, y_w = x_w + 1 are windows
 */
typedef struct {
    const void *x, *w, *residual;
    const float *bias; /* (out) or NULL */
    void *y;
    const float *norm_weight, *norm_bias;
    float eps;
    int x_h, x_w, y_h, y_w;
    int in, out, groups;
    int kernel, stride, pad;
    int x_stride, y_stride, residual_stride;
    SanaAct act;
    bool bf16, y_f32, folded;
} SanaCudaGemm;

/* A kernel that computes some shapes: whether this one, and the launch. */
typedef struct {
    const char *name;
    bool (*takes)(const SanaCudaDevice *dev, const SanaCudaGemm *g);
    void (*run)(SanaStream *s, const SanaCudaGemm *g);
} SanaCudaGemmKernel;

/* Everything, on the arithmetic units: gemm_tiled.cu. */
extern const SanaCudaGemmKernel sana_cuda_gemm_tiled;

/* BF16 on tensor cores, several sizes of tile, the likeliest best first: gemm_mma.cu. */
#define SANA_CUDA_MMA_KERNELS 4
extern const SanaCudaGemmKernel sana_cuda_gemm_mma[SANA_CUDA_MMA_KERNELS];

/* BF16 on tensor cores of compute capability 9.0: gemm_wgmma.cu. */
#define SANA_CUDA_WGMMA_KERNELS 5
extern const SanaCudaGemmKernel sana_cuda_gemm_wgmma[SANA_CUDA_WGMMA_KERNELS];

/* y = norm(Σ_k x_k · w_k) + residual, "wgmma norm": BF16 on Hopper's tensor cores, where a tile
 * holds all channels of its positions (128 or 256); false where it does not, or there is a bias.
 * act is ignored; y may be residual.  gemm_wgmma.cu */
bool sana_cuda_gemm_norm(SanaStream *s, const SanaCudaGemm *g);

/*
 * Runs the kernel that was fastest for this shape on this GPU.  The first time a shape is seen
 * outside a capture they are measured, on y itself (which a residual that is y forbids: then the
 * first that takes it runs); one whose result differs from the first's is not used.  With
 * SANA_CUDA_GEMM in the environment only kernels whose names begin so run, where they can.  conv.c
 */
void sana_cuda_gemm(SanaStream *s, const SanaCudaGemm *g);

/* y (rows·y_w, terms) BF16 for so many rows of a convolution's result from the row `from` on: in
 * every row the channels of every tap, then zeros; terms a multiple of 8.  gather.cu */
void sana_cuda_gather(SanaStream *s, void *y, const SanaCudaGemm *g, int terms, int from, int rows);

G_END_DECLS
#endif
