/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SANA_TESTS_CUDA_HOST_RUNTIME_H
#define SANA_TESTS_CUDA_HOST_RUNTIME_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <functional>
#include <tuple>
#include <utility>

#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static /* one block at a time */

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1)
        : x(width), y(height), z(depth)
    {
    }
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

enum cudaLaunchAttributeID {
    cudaLaunchAttributeClusterDimension = 4,
    cudaLaunchAttributeProgrammaticStreamSerialization = 6,
};

struct cudaLaunchAttribute {
    cudaLaunchAttributeID id;
    struct {
        int programmaticStreamSerializationAllowed;
        struct {
            unsigned x, y, z;
        } clusterDim;
    } val;
};

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
    cudaLaunchAttribute *attrs;
    unsigned numAttrs;
};

/* Runs all threads of all blocks.  Where the launch is early, each must wait for the one before. */
cudaError_t cuda_host_launch(const cudaLaunchConfig_t &how, bool early, unsigned cluster,
                             const std::function<void()> &thread);

/* Whether it may begin before the one before it has ended; counted. */
bool cuda_host_is_early(const cudaLaunchConfig_t &how);

/* How many blocks along x run together. */
unsigned cuda_host_cluster(const cudaLaunchConfig_t &how);

/* Does it, or keeps it while the stream captures; a call named so may be made to fail. */
cudaError_t cuda_host_submit(const char *name, cudaStream_t stream,
                             std::function<cudaError_t()> work);

template <typename... Parameters, typename... Arguments>
cudaError_t
cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(Parameters...),
                   Arguments &&...arguments)
{
    const std::tuple<Parameters...> copies(std::forward<Arguments>(arguments)...);
    const cudaLaunchConfig_t how = *config;
    const bool early = cuda_host_is_early(how);
    const unsigned cluster = cuda_host_cluster(how);
    return cuda_host_submit("cudaLaunchKernel", how.stream, [=] {
        return cuda_host_launch(how, early, cluster, [=] { std::apply(kernel, copies); });
    });
}

void __syncthreads();
void __syncwarp(unsigned mask = 0xffffffffu);

/* What lane `source` of this thread's warp gives in the same call. */
uint64_t cuda_host_shuffle(unsigned mask, uint64_t bits, unsigned source);
unsigned cuda_host_lane();

template <typename T>
T
__shfl_sync(unsigned mask, T value, int source)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = cuda_host_shuffle(mask, bits, (unsigned)source % 32);
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <typename T>
T
__shfl_xor_sync(unsigned mask, T value, int other)
{
    return __shfl_sync(mask, value, (int)(cuda_host_lane() ^ (unsigned)other));
}

inline float
rsqrtf(float x)
{
    return 1 / sqrtf(x);
}

inline float
__fdividef(float x, float y)
{
    return x / y;
}

#endif
