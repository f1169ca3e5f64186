/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image_load, image_store: a thread has a pixel.  Three channels are no vector; a picture is a
 * hundredth of what a frame moves. */
#include "kernels/cuda/elements.h"

#define THREADS 256

/* --- kernels ---------------------------------------------------------------------------------- */

template <typename T>
static __global__ void
__launch_bounds__(THREADS)
    load_kernel(Map y, const T *x, size_t stride, float scale, float offset, size_t pixels)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < pixels; i += step)
#pragma unroll
        for (int ch = 0; ch < 3; ch++) {
            float v[1] = {(float)x[i * stride + ch] * scale + offset};
            store<ANY>(y, i, ch, v);
        }
}

/* The order of the comparisons makes NaN black. */
static __device__ __forceinline__ float
clamp01(float x)
{
    return x > 0 ? x < 1 ? x : 1 : 0;
}

static __device__ __forceinline__ void
put_level(float *to, float x, float white)
{
    *to = x;
}

template <typename T>
static __device__ __forceinline__ void
put_level(T *to, float x, float white)
{
    *to = (T)rintf(white * clamp01((x + 1) * 0.5f));
}

template <typename T>
static __global__ void
__launch_bounds__(THREADS)
    store_kernel(T *y, Map x, int channels, size_t stride, float white, size_t pixels)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < pixels; i += step) {
#pragma unroll
        for (int ch = 0; ch < 3; ch++) {
            float v[1];
            load<ANY>(v, x, i, ch);
            put_level(&y[i * stride + ch], v[0], white);
        }
        if (channels == 4)
            y[i * stride + 3] = (T)white;
    }
}

/* --- launchers -------------------------------------------------------------------------------- */

template <typename T>
static void
run_load(SanaStream *s, SanaTensor y, SanaTensor x, float scale, float offset)
{
    const size_t pixels = sana_positions(y);
    launch(s, "image_load", blocks_for(s, pixels, THREADS), THREADS, load_kernel<T>, map_of(y),
           (const T *)x.data, (size_t)x.stride, scale, offset, pixels);
}

template <typename T>
static void
run_store(SanaStream *s, SanaTensor y, SanaTensor x, float white)
{
    const size_t pixels = sana_positions(y);
    launch(s, "image_store", blocks_for(s, pixels, THREADS), THREADS, store_kernel<T>, (T *)y.data,
           map_of(x), y.c, (size_t)y.stride, white, pixels);
}

/* --- operations ------------------------------------------------------------------------------- */

void
sana_cuda_image_load(SanaStream *s, SanaTensor y, SanaTensor x)
{
    if (x.dtype == SANA_U8)
        run_load<uint8_t>(s, y, x, 2.0f / 255, -1);
    else if (x.dtype == SANA_U16)
        run_load<uint16_t>(s, y, x, 2.0f / 65535, -1);
    else
        run_load<float>(s, y, x, 1, 0);
}

void
sana_cuda_image_store(SanaStream *s, SanaTensor y, SanaTensor x)
{
    if (y.dtype == SANA_U8)
        run_store<uint8_t>(s, y, x, 255);
    else if (y.dtype == SANA_U16)
        run_store<uint16_t>(s, y, x, 65535);
    else
        run_store<float>(s, y, x, 1);
}
