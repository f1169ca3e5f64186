/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of plain kernels share: elements and vectors of tensors, activations, launching.
 * C++ as nvcc compiles it; a launch is a function call and not <<<>>>, so that tests/cuda_host/
 * can run the same text on the processor.
 */
#ifndef SANA_KERNELS_CUDA_ELEMENTS_H
#define SANA_KERNELS_CUDA_ELEMENTS_H

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>
#include <math.h>

#include <initializer_list>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/warp.h"

/* --- elements --------------------------------------------------------------------------------- */

/* In the place of a SanaDType as template argument: each map has its own, known at run time. */
enum { ANY = -1 };

/* A tensor inside a kernel.  stride 0: the same row everywhere. */
struct Map {
    char *data;
    SanaDType dtype;
    size_t stride;
};

static inline Map
map_of(SanaTensor x)
{
    return Map{(char *)x.data, x.dtype, (size_t)x.stride};
}

/* Shared memory that is read and written as vectors. */
#define ALIGNED_SHARED __shared__ __attribute__((aligned(16)))

/* As many elements as one or two accesses of at most 16 bytes move. */
template <typename T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Vector {
    T e[N];
};

inline __device__ float
to_f32(float x)
{
    return x;
}

inline __device__ float
to_f32(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}

inline __device__ float
to_f32(__half x)
{
    return __half2float(x);
}

inline __device__ float
to_f32(__nv_fp8_e4m3 x)
{
    return (float)x;
}

inline __device__ void
from_f32(float *to, float x)
{
    *to = x;
}

inline __device__ void
from_f32(__nv_bfloat16 *to, float x)
{
    *to = __float2bfloat16_rn(x);
}

inline __device__ void
from_f32(__half *to, float x)
{
    *to = __float2half_rn(x);
}

/* What is beyond ±448 becomes that. */
inline __device__ void
from_f32(__nv_fp8_e4m3 *to, float x)
{
    *to = __nv_fp8_e4m3(x);
}

template <typename T, int W>
__device__ __forceinline__ void
load_as(float (&v)[W], const char *from)
{
    const Vector<T, W> raw = *(const Vector<T, W> *)from;
#pragma unroll
    for (int e = 0; e < W; e++)
        v[e] = to_f32(raw.e[e]);
}

template <typename T, int W>
__device__ __forceinline__ void
store_as(char *to, const float (&v)[W])
{
    Vector<T, W> raw;
#pragma unroll
    for (int e = 0; e < W; e++)
        from_f32(&raw.e[e], v[e]);
    *(Vector<T, W> *)to = raw;
}

/* Channels ch … ch + W − 1 of a row of x, which is of type S, as f32. */
template <int S, int W>
__device__ __forceinline__ void
load(float (&v)[W], const Map &x, size_t row, size_t ch)
{
    const SanaDType dtype = S == ANY ? x.dtype : (SanaDType)S;
    const size_t i = row * x.stride + ch;
    if (dtype == SANA_BF16)
        load_as<__nv_bfloat16>(v, x.data + 2 * i);
    else if (dtype == SANA_F16)
        load_as<__half>(v, x.data + 2 * i);
    else
        load_as<float>(v, x.data + 4 * i);
}

/* The reverse; each number is rounded to nearest, ties to even. */
template <int S, int W>
__device__ __forceinline__ void
store(const Map &y, size_t row, size_t ch, const float (&v)[W])
{
    const SanaDType dtype = S == ANY ? y.dtype : (SanaDType)S;
    const size_t i = row * y.stride + ch;
    if (dtype == SANA_BF16)
        store_as<__nv_bfloat16>(y.data + 2 * i, v);
    else if (dtype == SANA_F16)
        store_as<__half>(y.data + 2 * i, v);
    else
        store_as<float>(y.data + 4 * i, v);
}

/* Two BF16 in a register, as tensor cores take them. */
inline __device__ uint32_t
pair_of(float low, float high)
{
    Vector<__nv_bfloat16, 2> pair;
    uint32_t bits;
    from_f32(&pair.e[0], low);
    from_f32(&pair.e[1], high);
    memcpy(&bits, &pair, sizeof bits);
    return bits;
}

inline __device__ void
from_pair(float (&v)[2], uint32_t pair)
{
    const uint32_t bits[2] = {pair << 16, pair & 0xffff0000};
    memcpy(v, bits, sizeof v);
}

/* --- activations ------------------------------------------------------------------------------ */

inline __device__ float
silu(float x)
{
    return __fdividef(x, 1 + expf(-x));
}

/* The same in 5 instructions in place of 15, as exact as BF16 needs it. */
inline __device__ float
silu_short(float x)
{
    return x * reciprocal(1 + power_of_two(-1.44269504f * x));
}

inline __device__ float
gelu_tanh(float x)
{
    return 0.5f * x * (1 + tanhf(0.797884561f * (x + 0.044715f * x * x * x)));
}

/* tanh(ln(1 + e)) = e·(e + 2) / (e·(e + 2) + 2), e = eˣ: nothing cancels */
inline __device__ float
mish(float x)
{
    float e = expf(fminf(x, 20.0f)), above = e * (e + 2);
    return x * __fdividef(above, above + 2);
}

/* The activation of ops.h on W numbers. */
template <int W>
__device__ __forceinline__ void
activate(float (&v)[W], SanaAct act)
{
    switch (act) {
    case SANA_ACT_NONE:
        break;
    case SANA_ACT_SILU:
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = silu(v[e]);
        break;
    case SANA_ACT_RELU:
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = v[e] < 0 ? 0 : v[e]; /* a NaN stays one */
        break;
    case SANA_ACT_GELU:
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = 0.5f * v[e] * (1 + erff(v[e] * 0.707106781f));
        break;
    case SANA_ACT_GELU_TANH:
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = gelu_tanh(v[e]);
        break;
    case SANA_ACT_MISH:
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = mish(v[e]);
        break;
    }
}

/* --- launching -------------------------------------------------------------------------------- */

/*
 * With `shared` bytes for DYNAMIC_SHARED(), in clusters of so many blocks along x.  Where the
 * device overlaps, the kernel may take its place while the one before it, ours or cuBLASLt's, still
 * runs: after_previous() waits there.  A copy is waited for at the launch.  A capture keeps this as
 * a programmatic edge.
 */
template <typename... Parameters, typename... Arguments>
static void
launch_clusters(SanaStream *s, const char *op, dim3 grid, unsigned cluster, dim3 block,
                size_t shared, void (*kernel)(Parameters...), Arguments... arguments)
{
    cudaLaunchAttribute attributes[2] = {};
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared;
    config.stream = sana_cuda_stream(s);
    config.attrs = attributes;
    if (sana_cuda_device(s)->overlaps) {
        cudaLaunchAttribute *early = &attributes[config.numAttrs++];
        early->id = cudaLaunchAttributeProgrammaticStreamSerialization;
        early->val.programmaticStreamSerializationAllowed = 1;
    }
    if (cluster > 1) {
        cudaLaunchAttribute *together = &attributes[config.numAttrs++];
        together->id = cudaLaunchAttributeClusterDimension;
        together->val.clusterDim.x = cluster;
        together->val.clusterDim.y = together->val.clusterDim.z = 1;
    }
    sana_cuda_check(s, cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...),
                    op);
}

template <typename... Parameters, typename... Arguments>
static void
launch_shared(SanaStream *s, const char *op, dim3 grid, dim3 block, size_t shared,
              void (*kernel)(Parameters...), Arguments... arguments)
{
    launch_clusters(s, op, grid, 1, block, shared, kernel, arguments...);
}

template <typename... Parameters, typename... Arguments>
static void
launch(SanaStream *s, const char *op, dim3 grid, dim3 block, void (*kernel)(Parameters...),
       Arguments... arguments)
{
    launch_shared(s, op, grid, block, 0, kernel, arguments...);
}

/* Which instance of a kernel runs: S the type of all its maps, W the elements in one access. */
template <int STORAGE, int WIDTH> struct Form {
    static constexpr int S = STORAGE, W = WIDTH;
};

/*
 * Calls f(Form) for these maps, and for vectors of any type that are read along with them.  Of one
 * type, F32 or BF16, and aligned, as SANA's are: an instance of its own.  Mixed types and F16 ask
 * at run time; what is not aligned also goes one by one.
 */
template <typename F>
static void
with_form(std::initializer_list<SanaTensor> maps, std::initializer_list<SanaTensor> vectors, F f)
{
    const SanaDType first = maps.begin()->dtype;
    bool one = first != SANA_F16, wide = true;
    for (const SanaTensor &x : maps)
        if (!sana_is_none(x)) {
            one = one && x.dtype == first;
            wide = wide && sana_cuda_vectors(x, 8);
        }
    for (const SanaTensor &x : vectors)
        wide = wide && (sana_is_none(x) || sana_cuda_vectors(x, 8));
    if (!wide)
        f(Form<ANY, 1>());
    else if (!one)
        f(Form<ANY, 8>());
    else if (first == SANA_BF16)
        f(Form<SANA_BF16, 8>());
    else
        f(Form<SANA_F32, 8>());
}

/* Blocks for a loop over `items` in strides of the grid: no more than keep the device busy. */
static inline unsigned
blocks_for(SanaStream *s, size_t items, unsigned threads)
{
    size_t blocks = (items + threads - 1) / threads;
    size_t most = (size_t)sana_cuda_device(s)->multiprocessors * (8 * 256 / threads);
    return (unsigned)(blocks < most ? blocks : most);
}

#endif
