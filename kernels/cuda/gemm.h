/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Products and dense convolutions as one operation on the device:
 *
 *   y = act(scale · Σ_k x_k · w_k + bias) + residual
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
 * x, w      of `dtype`: F32, BF16, or E4M3, of which `in` is a multiple of 16, and groups 1
 * y         of y_dtype: F32, or BF16 where dtype is not F32
 * residual  of the type of y, or NULL
 * w         (out, kernel, kernel, in/groups)
 * scales    of E4M3: (out), to be multiplied by *x_scale; else NULL, and scale is 1
 * norm_…, eps   for sana_cuda_gemm_norm() alone: RMS with weight, and bias or NULL
 * strides   elements from one position to the next
 * folded    y is the map twice as large as x, and column (2a + b)·out/4 + o of window (p, q) is
 *           channel o of its position (2p − a, 2q − b); y_h = x_h + 1, y_w = x_w + 1 are windows
 */
typedef struct {
    const void *x, *w, *residual;
    const float *scales, *x_scale;
    const float *bias; /* (out) or NULL */
    void *y;
    const float *norm_weight, *norm_bias;
    float eps;
    int x_h, x_w, y_h, y_w;
    int in, out, groups;
    int kernel, stride, pad;
    int x_stride, y_stride, residual_stride;
    SanaAct act;
    SanaDType dtype, y_dtype;
    bool folded;
} SanaCudaGemm;

/* A kernel that computes some shapes: whether this one, and the launch. */
typedef struct {
    const char *name;
    bool (*takes)(const SanaCudaDevice *dev, const SanaCudaGemm *g);
    void (*run)(SanaStream *s, const SanaCudaGemm *g);
} SanaCudaGemmKernel;

/* Everything, on the arithmetic units: gemm_tiled.cu. */
extern const SanaCudaGemmKernel sana_cuda_gemm_tiled;

/* BF16 and E4M3 on tensor cores, several sizes of tile, likeliest best first: gemm_mma.cu. */
#define SANA_CUDA_MMA_KERNELS 4
extern const SanaCudaGemmKernel sana_cuda_gemm_mma[SANA_CUDA_MMA_KERNELS];

/* The same on those of compute capability 9.0: gemm_wgmma.cu. */
#define SANA_CUDA_WGMMA_KERNELS 5
extern const SanaCudaGemmKernel sana_cuda_gemm_wgmma[SANA_CUDA_WGMMA_KERNELS];

/* y = norm(scale · Σ_k x_k · w_k) + residual, "wgmma norm", on Hopper's tensor cores: whether, and
 * the launch.  Takes no bias, and only tiles that hold all channels of their positions (128 or
 * 256).  act is ignored; y may be residual.  gemm_wgmma.cu */
bool sana_cuda_gemm_norm_takes(const SanaCudaDevice *dev, const SanaCudaGemm *g);
void sana_cuda_gemm_norm(SanaStream *s, const SanaCudaGemm *g);

/*
 * Runs the kernel that was fastest for this shape on this GPU.  The first time a shape is seen
 * outside a capture they are measured, on y itself (which a residual that is y forbids: then the
 * first that takes it runs); one whose result differs from the first's is not used.  With
 * SANA_CUDA_GEMM in the environment only kernels whose names begin so run, where they can.  conv.c
 */
void sana_cuda_gemm(SanaStream *s, const SanaCudaGemm *g);

/*
 * Has g, which is of E4M3, multiply x, BF16, with weights of these scales: fills in its x, x_stride
 * and scales.  x is rounded into the workspace; what is behind it there, `rest` bytes, is the
 * caller's.  Returns where that begins; NULL after sana_fail().  eight_bit.cu
 */
void *sana_cuda_round_to_eight_bit(SanaStream *s, SanaCudaGemm *g, SanaTensor x,
                                   const float *scales, size_t rest);

/* y (rows·y_w, terms) BF16 for so many rows of a convolution's result from the row `from` on: in
 * every row the channels of every tap, then zeros; terms a multiple of 8.  gather.cu */
void sana_cuda_gather(SanaStream *s, void *y, const SanaCudaGemm *g, int terms, int from, int rows);

G_END_DECLS
#endif
