/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The runtime: memory, streams, events and graphs.  What is submitted to a stream is done at once,
 * or kept while it captures. */
#include "cuda_runtime.h"

#include <cuda.h>

#include <stdlib.h>
#include <string.h>

#include <chrono>
#include <vector>

#include "cuda_host.h"
#include "kernels/backend.h"

#define MULTIPROCESSORS 2 /* few, so that loops in strides of the grid go round */
#define GUARD 256 /* bytes in front of an allocation, for its size: CUDA aligns to as many */

#define FILLED ((size_t)1 << 18) /* of an allocation; most of a workspace is never touched */

typedef std::vector<std::function<void()>> Work;

struct CUstream_st {
    bool capturing, invalid;
    Work work;
};

struct CUevent_st {
    std::chrono::steady_clock::time_point when;
};

struct CUgraph_st {
    Work work;
};

struct CUgraphExec_st {
    Work work;
};

static CudaHost
as_at_first()
{
    CudaHost h = {};
    h.gpus = 1;
    h.driver = 13000;
    h.capability = h.made_for = 90;
    h.memory = (size_t)4 << 30;
    return h;
}

CudaHost cuda_host = as_at_first();

static cudaError_t last, lost;

/* What the context gives from now on, if an error destroyed it. */
static bool
destroys(cudaError_t status)
{
    return status >= cudaErrorIllegalAddress && status <= cudaErrorLaunchFailure;
}

static cudaError_t
fail(cudaError_t status)
{
    last = status;
    if (destroys(status))
        lost = status;
    return status;
}

/* Whether a call of this name may go on; else what it gives. */
static cudaError_t
enter(const char *name)
{
    if (lost)
        return fail(lost);
    if (cuda_host.fail && strcmp(cuda_host.fail, name) == 0 && --cuda_host.nth == 0) {
        cuda_host.fail = nullptr;
        return fail((cudaError_t)cuda_host.with);
    }
    return cudaSuccess;
}

/* Which stream of this thread captures.  Other calls that wait or allocate end that. */
static thread_local cudaStream_t captures;

static cudaError_t
enter_outside(const char *name)
{
    cudaError_t refused = enter(name);
    if (refused || !captures)
        return refused;
    captures->invalid = true;
    return fail(cudaErrorStreamCaptureUnsupported);
}

#define OUTSIDE_OF_CAPTURES                            \
    do {                                               \
        cudaError_t refused = enter_outside(__func__); \
        if (refused)                                   \
            return refused;                            \
    } while (0)

#define ENTER                                  \
    do {                                       \
        cudaError_t refused = enter(__func__); \
        if (refused)                           \
            return refused;                    \
    } while (0)

void
cuda_host_reset(void)
{
    size_t used = cuda_host.used;
    cuda_host = as_at_first();
    cuda_host.used = used;
    last = lost = cudaSuccess;
}

cudaError_t
cuda_host_submit(const char *name, cudaStream_t stream, std::function<cudaError_t()> work)
{
    cudaError_t refused = enter(name);
    if (refused)
        return refused;
    cuda_host.launches++;
    if (stream && stream->capturing) {
        stream->work.push_back([work] { work(); });
        return cudaSuccess;
    }
    cudaError_t status = work();
    return status ? fail(status) : cudaSuccess;
}

bool
cuda_host_is_early(const cudaLaunchConfig_t &how)
{
    for (unsigned i = 0; i < how.numAttrs; i++)
        if (how.attrs[i].id == cudaLaunchAttributeProgrammaticStreamSerialization &&
            how.attrs[i].val.programmaticStreamSerializationAllowed) {
            cuda_host.early++;
            return true;
        }
    return false;
}

/* --- devices ---------------------------------------------------------------------------------- */

cudaError_t
cudaGetDeviceCount(int *count)
{
    ENTER;
    *count = cuda_host.status ? 0 : cuda_host.gpus;
    return cuda_host.status ? fail((cudaError_t)cuda_host.status) : cudaSuccess;
}

cudaError_t
cudaDriverGetVersion(int *version)
{
    *version = cuda_host.driver;
    return cudaSuccess;
}

cudaError_t
cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

cudaError_t
cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
    ENTER;
    bool major = attribute == cudaDevAttrComputeCapabilityMajor;
    *value = major ? cuda_host.capability / 10 : cuda_host.capability % 10;
    return cudaSuccess;
}

cudaError_t
cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version,
                                 unsigned long long flags,
                                 enum cudaDriverEntryPointQueryResult *found)
{
    ENTER;
    const bool known = strcmp(name, "cuTensorMapEncodeTiled") == 0;
    *function = known ? (void *)cuTensorMapEncodeTiled : nullptr;
    *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
    return cudaSuccess;
}

cudaError_t
cudaGetDeviceProperties(struct cudaDeviceProp *p, int device)
{
    ENTER;
    *p = {};
    strcpy(p->name, "Processor");
    p->major = cuda_host.capability / 10;
    p->minor = cuda_host.capability % 10;
    p->multiProcessorCount = MULTIPROCESSORS;
    p->sharedMemPerBlockOptin = 227 << 10;
    return cudaSuccess;
}

cudaError_t
cudaSetDevice(int device)
{
    ENTER;
    return device < cuda_host.gpus ? cudaSuccess : fail(cudaErrorInvalidDevice);
}

cudaError_t
cudaGetLastError(void)
{
    cudaError_t status = lost ? lost : last;
    last = cudaSuccess;
    return status;
}

const char *
cudaGetErrorString(cudaError_t status)
{
    switch (status) {
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorIllegalAddress:
        return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported:
        return "operation not permitted when stream is capturing";
    default:
        return "unspecified error";
    }
}

cudaError_t
cudaFuncGetAttributes(cudaFuncAttributes *attributes, const void *kernel)
{
    ENTER;
    *attributes = {};
    attributes->ptxVersion = cuda_host.made_for;
    return cuda_host.code ? fail((cudaError_t)cuda_host.code) : cudaSuccess;
}

cudaError_t
cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute attribute, int value)
{
    ENTER;
    return value <= 227 << 10 ? cudaSuccess : fail(cudaErrorInvalidConfiguration);
}

/* --- memory ----------------------------------------------------------------------------------- */

cudaError_t
cudaMemGetInfo(size_t *available, size_t *total)
{
    ENTER;
    *total = cuda_host.memory;
    *available = cuda_host.memory - cuda_host.used;
    return cudaSuccess;
}

/* Begins with NaN, of every type; AddressSanitizer sees what goes beyond. */
cudaError_t
cudaMalloc(void **p, size_t bytes)
{
    OUTSIDE_OF_CAPTURES;
    cuda_host.mallocs++;
    *p = nullptr;
    if (bytes > cuda_host.memory - cuda_host.used)
        return fail(cudaErrorMemoryAllocation);
    size_t whole = GUARD + bytes;
    char *block = (char *)aligned_alloc(GUARD, (whole + GUARD - 1) / GUARD * GUARD);
    if (!block)
        return fail(cudaErrorMemoryAllocation);
    memcpy(block, &bytes, sizeof bytes);
    memset(block + GUARD, 0xff, bytes < FILLED ? bytes : FILLED);
    cuda_host.used += bytes;
    *p = block + GUARD;
    return cudaSuccess;
}

cudaError_t
cudaFree(void *p)
{
    if (p) {
        size_t bytes;
        memcpy(&bytes, (char *)p - GUARD, sizeof bytes);
        cuda_host.used -= bytes;
        free((char *)p - GUARD);
    }
    return lost;
}

cudaError_t
cudaMallocHost(void **p, size_t bytes)
{
    OUTSIDE_OF_CAPTURES;
    *p = malloc(bytes);
    return *p ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}

cudaError_t
cudaFreeHost(void *p)
{
    free(p);
    return lost;
}

cudaError_t
cudaMemcpy(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind)
{
    OUTSIDE_OF_CAPTURES;
    memcpy(dst, src, bytes);
    return cudaSuccess;
}

cudaError_t
cudaMemcpyAsync(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind,
                cudaStream_t stream)
{
    return cuda_host_submit(__func__, stream, [=] {
        memcpy(dst, src, bytes);
        return cudaSuccess;
    });
}

cudaError_t
cudaMemcpy2DAsync(void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t bytes,
                  size_t rows, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    return cuda_host_submit(__func__, stream, [=] {
        for (size_t y = 0; y < rows; y++)
            memcpy((char *)dst + y * dst_pitch, (const char *)src + y * src_pitch, bytes);
        return cudaSuccess;
    });
}

/* --- streams and events ----------------------------------------------------------------------- */

cudaError_t
cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    ENTER;
    *stream = new CUstream_st();
    return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize(cudaStream_t stream)
{
    ENTER;
    cuda_host.synchronisations++;
    return stream && stream->capturing ? fail(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

cudaError_t
cudaStreamDestroy(cudaStream_t stream)
{
    delete stream;
    return lost;
}

cudaError_t
cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    ENTER;
    *event = new CUevent_st();
    return cudaSuccess;
}

cudaError_t
cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, 0);
}

cudaError_t
cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    ENTER;
    event->when = std::chrono::steady_clock::now();
    return cudaSuccess;
}

cudaError_t
cudaEventSynchronize(cudaEvent_t event)
{
    OUTSIDE_OF_CAPTURES;
    return cudaSuccess;
}

cudaError_t
cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    OUTSIDE_OF_CAPTURES;
    *ms = std::chrono::duration<float, std::milli>(to->when - from->when).count();
    return cudaSuccess;
}

cudaError_t
cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    return lost;
}

/* --- graphs ----------------------------------------------------------------------------------- */

cudaError_t
cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    ENTER;
    cuda_host.captures++;
    stream->capturing = true;
    stream->invalid = false;
    captures = stream;
    stream->work.clear();
    return cudaSuccess;
}

cudaError_t
cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    ENTER;
    stream->capturing = false;
    captures = nullptr;
    *graph = nullptr;
    if (stream->invalid)
        return fail(cudaErrorStreamCaptureInvalidated);
    *graph = new CUgraph_st{stream->work};
    return cudaSuccess;
}

cudaError_t
cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    ENTER;
    *exec = new CUgraphExec_st{graph->work};
    return cudaSuccess;
}

cudaError_t
cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return lost;
}

cudaError_t
cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    ENTER;
    cuda_host.replays++;
    for (const auto &work : exec->work)
        work();
    return cudaSuccess;
}

cudaError_t
cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    return lost;
}

/* --- the device ------------------------------------------------------------------------------- */

extern "C" const SanaModule sana_module;

bool
cuda_host_present(void)
{
    return sana_module.backend->present();
}

SanaDevice *
cuda_host_open(const char *which, char **why)
{
    SanaDevice *dev = sana_module.backend->open(which, why);
    if (dev) {
        dev->backend = sana_module.backend;
        dev->refs = 1;
    }
    return dev;
}
