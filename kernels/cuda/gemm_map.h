/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where rows and columns of a SanaCudaGemm lie, inside kernels. */
#ifndef SANA_KERNELS_CUDA_GEMM_MAP_H
#define SANA_KERNELS_CUDA_GEMM_MAP_H

#include "kernels/cuda/elements.h"
#include "kernels/cuda/gemm.h"

/* The element of y that row m, column n is; false where a window hangs over the edge. */
inline __device__ bool
gemm_output(const SanaCudaGemm &g, int m, int n, size_t *row, int *channel)
{
    if (!g.folded) {
        *row = (size_t)m;
        *channel = n;
        return true;
    }
    const int quarter = n / (g.out / 4);
    const int i = 2 * (m / g.y_w) - quarter / 2, j = 2 * (m % g.y_w) - quarter % 2;
    *row = (size_t)i * (size_t)(2 * g.x_w) + (size_t)j;
    *channel = n % (g.out / 4);
    return i >= 0 && i < 2 * g.x_h && j >= 0 && j < 2 * g.x_w;
}

/* Finishes W columns from n of row m, sums of products of T, and puts them where they belong. */
template <typename T, typename Y, int W>
__device__ __forceinline__ void
gemm_finish(const SanaCudaGemm &g, int m, int n, float (&v)[W])
{
    size_t row;
    int channel;
    if (!gemm_output(g, m, n, &row, &channel))
        return;
    if (sizeof(T) == 1)
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] *= *g.x_scale * g.scales[n + e];
    if (g.bias)
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] += g.bias[n + e];
    activate(v, g.act);
    if (g.residual) {
        float r[W];
        load_as<Y>(r, (const char *)g.residual +
                          (row * (size_t)g.residual_stride + (size_t)channel) * sizeof(Y));
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] += r[e];
    }
    store_as<Y>((char *)g.y + (row * (size_t)g.y_stride + (size_t)channel) * sizeof(Y), v);
}

#endif
