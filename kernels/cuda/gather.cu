/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a convolution of few channels sees at each position, as one row: then it is a product. */
#include "kernels/cuda/elements.h"
#include "kernels/cuda/gemm.h"

#define VECTOR 8
#define THREADS 256

/* Row m − skipped of y, for position m: the channels of every tap, zeros where the map or the taps
 * end. */
static __global__ void
gather(__nv_bfloat16 *y, const SanaCudaGemm g, int terms, int skipped, size_t vectors)
{
    after_previous();
    const size_t at = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= vectors)
        return;
    const int across = terms / VECTOR, first = (int)(at % across) * VECTOR;
    const int m = skipped + (int)(at / across);
    const int i0 = m / g.y_w * g.stride - g.pad, j0 = m % g.y_w * g.stride - g.pad;
    Vector<__nv_bfloat16, VECTOR> row;
    for (int e = 0; e < VECTOR; e++) {
        const int tap = (first + e) / g.in, channel = (first + e) % g.in;
        const int i = i0 + tap / g.kernel, j = j0 + tap % g.kernel;
        const bool inside = tap < g.kernel * g.kernel && i >= 0 && i < g.x_h && j >= 0 && j < g.x_w;
        const size_t from = ((size_t)i * (size_t)g.x_w + (size_t)j) * (size_t)g.x_stride;
        row.e[e] =
            inside ? ((const __nv_bfloat16 *)g.x)[from + (size_t)channel] : __float2bfloat16_rn(0);
    }
    ((Vector<__nv_bfloat16, VECTOR> *)y)[at] = row;
}

void
sana_cuda_gather(SanaStream *s, void *y, const SanaCudaGemm *g, int terms, int from, int rows)
{
    const size_t vectors = (size_t)rows * (size_t)g->y_w * (size_t)(terms / VECTOR);
    launch(s, "gather", (unsigned)((vectors + THREADS - 1) / THREADS), THREADS, gather,
           (__nv_bfloat16 *)y, *g, terms, from * g->y_w, vectors);
}
