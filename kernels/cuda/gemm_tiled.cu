/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products and convolutions of any shape and type in f32: tiles of 64 by 64, no tensor cores. */
#include "kernels/cuda/gemm_map.h"

#define TILE 64
#define DEPTH 16
#define THREADS 256

/* Term k of row m: a tap and a channel of its group, zero outside the map. */
template <typename T>
__device__ __forceinline__ float
input(const SanaCudaGemm &g, int m, int k, int channels)
{
    const int tap = k / channels, channel = k - tap * channels + (int)blockIdx.z * channels;
    const int i = m / g.y_w * g.stride - g.pad + tap / g.kernel;
    const int j = m % g.y_w * g.stride - g.pad + tap % g.kernel;
    if (i < 0 || i >= g.x_h || j < 0 || j >= g.x_w)
        return 0;
    const size_t row = (size_t)i * (size_t)g.x_w + (size_t)j;
    return to_f32(((const T *)g.x)[row * (size_t)g.x_stride + (size_t)channel]);
}

template <typename T, typename Y>
static __global__ void
__launch_bounds__(THREADS) gemm_tiled(const SanaCudaGemm g)
{
    after_previous();
    __shared__ float a[DEPTH][TILE + 4], b[DEPTH][TILE + 4];
    const int channels = g.in / g.groups, outs = g.out / g.groups;
    const int rows = g.y_h * g.y_w, terms = g.kernel * g.kernel * channels;
    const int m0 = (int)blockIdx.x * TILE, n0 = (int)blockIdx.y * TILE;
    const int loaded = (int)threadIdx.x / 4, first = (int)threadIdx.x % 4 * 4;
    const int top = (int)threadIdx.x / 16 * 4, left = (int)threadIdx.x % 16 * 4;
    const T *w = (const T *)g.w + (size_t)((int)blockIdx.z * outs + n0 + loaded) * (size_t)terms;
    float sum[4][4] = {};

    for (int k0 = 0; k0 < terms; k0 += DEPTH) {
        for (int e = first; e < first + 4; e++) {
            const bool inside = k0 + e < terms;
            a[e][loaded] =
                inside && m0 + loaded < rows ? input<T>(g, m0 + loaded, k0 + e, channels) : 0;
            b[e][loaded] = inside && n0 + loaded < outs ? to_f32(w[k0 + e]) : 0;
        }
        __syncthreads();
#pragma unroll
        for (int e = 0; e < DEPTH; e++)
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    sum[i][j] += a[e][top + i] * b[e][left + j];
        __syncthreads();
    }
    for (int i = 0; i < 4 && m0 + top + i < rows; i++)
        for (int j = 0; j < 4 && n0 + left + j < outs; j++) {
            float v[1] = {sum[i][j]};
            gemm_finish<T, Y>(g, m0 + top + i, (int)blockIdx.z * outs + n0 + left + j, v);
        }
}

static bool
takes(const SanaCudaDevice *dev, const SanaCudaGemm *g)
{
    return true;
}

static void
run(SanaStream *s, const SanaCudaGemm *g)
{
    const dim3 grid((unsigned)(((size_t)g->y_h * (size_t)g->y_w + TILE - 1) / TILE),
                    (unsigned)((g->out / g->groups + TILE - 1) / TILE), (unsigned)g->groups);
    if (g->dtype == SANA_F32)
        launch(s, "gemm_tiled", grid, THREADS, gemm_tiled<float, float>, *g);
    else if (g->dtype == SANA_BF16)
        launch(s, "gemm_tiled", grid, THREADS,
               g->y_dtype == SANA_F32 ? gemm_tiled<__nv_bfloat16, float>
                                      : gemm_tiled<__nv_bfloat16, __nv_bfloat16>,
               *g);
    else
        launch(s, "gemm_tiled", grid, THREADS,
               g->y_dtype == SANA_F32 ? gemm_tiled<__nv_fp8_e4m3, float>
                                      : gemm_tiled<__nv_fp8_e4m3, __nv_bfloat16>,
               *g);
}

const SanaCudaGemmKernel sana_cuda_gemm_tiled = {"tiled", takes, run};

cudaError_t
sana_cuda_has_code(int *made_for)
{
    cudaFuncAttributes attributes = {};
    const void *any = (const void *)gemm_tiled<float, float>;
    const cudaError_t status = cudaFuncGetAttributes(&attributes, any);
    *made_for = attributes.ptxVersion;
    return status;
}
