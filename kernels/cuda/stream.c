/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams: errors, workspace, copies between host and device, replay. */
#include "kernels/cuda/cuda.h"

#include <string.h>

#include "kernels/convert.h"

/* Copies pass through slots of pinned memory, taken in turn.  A frame takes about ten: the host
 * waits for a slot only where it is more than a frame ahead. */
#define SLOTS 16
#define SLOT_BYTES ((size_t)1 << 20)

struct SanaCudaCopies {
    char *pinned;
    cudaEvent_t done[SLOTS]; /* the last copy through a slot */
    unsigned next;
};

struct SanaReplay {
    cudaGraphExec_t graph; /* NULL: run once so far, not captured */
    const char *scratch;   /* where the stack was */
};

/* --- errors ----------------------------------------------------------------------------------- */

/* Whether CUDA gives this for every call from now on. */
static bool
loses_context(cudaError_t status)
{
    switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    case cudaErrorUnknown:
        return true;
    default:
        return false;
    }
}

cudaError_t
sana_cuda_forget(SanaDevice *base, cudaError_t status)
{
    if (status != cudaSuccess)
        cudaGetLastError();
    if (loses_context(status))
        g_atomic_int_set(&((SanaCudaDevice *)base)->lost, 1);
    return status;
}

bool
sana_cuda_check(SanaStream *s, cudaError_t status, const char *what)
{
    if (status == cudaSuccess)
        return true;
    SanaCudaDevice *dev = sana_cuda_device(s);
    sana_cuda_forget(&dev->base, status);
    if (loses_context(status)) {
        sana_fail(s, SANA_DEVICE_ERROR_FAILED,
                  "device %s is lost to this program (%s: %s); start it again", dev->base.name,
                  what, cudaGetErrorString(status));
    } else if (status == cudaErrorMemoryAllocation) {
        sana_fail(s, SANA_DEVICE_ERROR_MEMORY,
                  "out of memory on device %s (%s); free memory or choose a smaller size",
                  dev->base.name, what);
    } else {
        sana_fail(s, SANA_DEVICE_ERROR_FAILED, "device %s: %s: %s", dev->base.name, what,
                  cudaGetErrorString(status));
    }
    return false;
}

/* --- life ------------------------------------------------------------------------------------- */

static void
copies_free(SanaCudaCopies *c)
{
    if (!c)
        return;
    for (int i = 0; i < SLOTS; i++)
        if (c->done[i])
            cudaEventDestroy(c->done[i]);
    cudaFreeHost(c->pinned);
    g_free(c);
}

static SanaCudaCopies *
copies_new(cudaError_t *status)
{
    SanaCudaCopies *c = g_new0(SanaCudaCopies, 1);
    *status = cudaMallocHost((void **)&c->pinned, SLOTS * SLOT_BYTES);
    for (int i = 0; i < SLOTS && *status == cudaSuccess; i++)
        *status = cudaEventCreateWithFlags(
            &c->done[i], cudaEventDisableTiming | cudaEventBlockingSync); /* sleeps, not spins */
    if (*status == cudaSuccess)
        return c;
    copies_free(c);
    return NULL;
}

SanaStream *
sana_cuda_stream_open(SanaDevice *base, char **why)
{
    SanaCudaDevice *dev = (SanaCudaDevice *)base;
    if (g_atomic_int_get(&dev->lost)) {
        *why = g_strdup("it was lost to this program by an earlier failure; start it again");
        return NULL;
    }
    SanaCudaStream *s = g_new0(SanaCudaStream, 1);
    s->base.device = base;
    s->workspaces = g_ptr_array_new();
    s->strip_bytes = SANA_CUDA_WORKSPACE;
    cudaError_t status = cudaSetDevice(dev->ordinal);
    if (status == cudaSuccess)
        status = cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking);
    if (status == cudaSuccess)
        s->copies = copies_new(&status);
    if (status == cudaSuccess && sana_cuda_workspace(&s->base, SANA_CUDA_WORKSPACE))
        return &s->base;
    cudaGetLastError();
    *why = s->base.error ? g_strdup(s->base.error->message) : g_strdup(cudaGetErrorString(status));
    g_clear_error(&s->base.error);
    sana_cuda_stream_close(&s->base);
    return NULL;
}

void
sana_cuda_stream_close(SanaStream *base)
{
    SanaCudaStream *s = (SanaCudaStream *)base;
    cudaSetDevice(((SanaCudaDevice *)base->device)->ordinal);
    if (s->stream)
        cudaStreamSynchronize(s->stream);
    g_clear_pointer(&s->plans, g_hash_table_unref);
    copies_free(s->copies);
    for (guint i = 0; i < s->workspaces->len; i++)
        cudaFree(s->workspaces->pdata[i]);
    g_ptr_array_free(s->workspaces, TRUE);
    if (s->stream)
        cudaStreamDestroy(s->stream);
    cudaGetLastError();
    g_free(s);
}

/* A captured graph holds the address it was given: what has grown too small stays. */
void *
sana_cuda_workspace(SanaStream *base, size_t bytes)
{
    SanaCudaStream *s = (SanaCudaStream *)base;
    if (bytes > s->workspace_bytes) {
        void *p = NULL;
        if (s->capturing) {
            sana_fail(base, SANA_DEVICE_ERROR_FAILED,
                      "an operation wants %zu bytes of workspace in its second run and did not in "
                      "its first",
                      bytes);
            return NULL;
        }
        if (!sana_cuda_check(base, cudaMalloc(&p, bytes), "workspace"))
            return NULL;
        g_ptr_array_add(s->workspaces, p);
        s->workspace_bytes = bytes;
    }
    return s->workspaces->pdata[s->workspaces->len - 1];
}

void
sana_cuda_finish_stream(SanaStream *s)
{
    sana_cuda_check(s, cudaStreamSynchronize(sana_cuda_stream(s)), "finishing");
}

/* --- copies ----------------------------------------------------------------------------------- */

/* Which piece of host memory the byte `at` of all rows is, and how much of its row follows. */
static char *
piece(const void *host, size_t pitch, size_t bytes, size_t at, size_t *rest)
{
    *rest = bytes - at % bytes;
    return (char *)host + at / bytes * pitch + at % bytes;
}

/* Bytes at … at + count − 1 of all rows. */
static void
gather(char *to, const void *host, size_t pitch, size_t bytes, size_t at, size_t count)
{
    for (size_t done = 0, rest; done < count; done += rest) {
        const char *from = piece(host, pitch, bytes, at + done, &rest);
        rest = MIN(rest, count - done);
        memcpy(to + done, from, rest);
    }
}

static void
scatter(void *host, size_t pitch, size_t bytes, size_t at, const char *from, size_t count)
{
    for (size_t done = 0, rest; done < count; done += rest) {
        char *to = piece(host, pitch, bytes, at + done, &rest);
        rest = MIN(rest, count - done);
        memcpy(to, from + done, rest);
    }
}

void
sana_cuda_copy_in(SanaStream *s, void *dst, const void *host, size_t pitch, size_t bytes,
                  size_t rows)
{
    const size_t all = bytes * rows;
    SanaCudaCopies *c = ((SanaCudaStream *)s)->copies;
    cudaStream_t stream = sana_cuda_stream(s);
    for (size_t at = 0; at < all; at += SLOT_BYTES) {
        unsigned slot = c->next++ % SLOTS;
        char *through = c->pinned + slot * SLOT_BYTES;
        size_t count = MIN(SLOT_BYTES, all - at);
        if (!sana_cuda_check(s, cudaEventSynchronize(c->done[slot]), "copying in"))
            return;
        gather(through, host, pitch, bytes, at, count);
        cudaError_t status =
            cudaMemcpyAsync((char *)dst + at, through, count, cudaMemcpyHostToDevice, stream);
        if (status == cudaSuccess)
            status = cudaEventRecord(c->done[slot], stream);
        if (!sana_cuda_check(s, status, "copying in"))
            return;
    }
}

void
sana_cuda_copy_out(SanaStream *s, void *host, size_t pitch, const void *src, size_t bytes,
                   size_t rows)
{
    SanaCudaCopies *c = ((SanaCudaStream *)s)->copies;
    cudaStream_t stream = sana_cuda_stream(s);
    unsigned first = c->next;
    const size_t all = bytes * rows;
    size_t chunks = (all + SLOT_BYTES - 1) / SLOT_BYTES, sent = 0;
    for (size_t i = 0; i < chunks; i++) {
        for (; sent < chunks && sent < i + SLOTS; sent++) {
            unsigned slot = (first + (unsigned)sent) % SLOTS;
            size_t at = sent * SLOT_BYTES;
            cudaError_t status =
                cudaMemcpyAsync(c->pinned + slot * SLOT_BYTES, (const char *)src + at,
                                MIN(SLOT_BYTES, all - at), cudaMemcpyDeviceToHost, stream);
            if (status == cudaSuccess)
                status = cudaEventRecord(c->done[slot], stream);
            if (!sana_cuda_check(s, status, "copying out"))
                return;
        }
        unsigned slot = (first + (unsigned)i) % SLOTS;
        if (!sana_cuda_check(s, cudaEventSynchronize(c->done[slot]), "copying out"))
            return;
        scatter(host, pitch, bytes, i * SLOT_BYTES, c->pinned + slot * SLOT_BYTES,
                MIN(SLOT_BYTES, all - i * SLOT_BYTES));
    }
    c->next = first + (unsigned)chunks;
}

/* Addresses tell which context and which GPU they are of. */
void
sana_cuda_copy_rows(SanaStream *s, void *dst, size_t dst_pitch, const void *src, size_t src_pitch,
                    size_t bytes, size_t rows)
{
    sana_cuda_check(s,
                    cudaMemcpy2DAsync(dst, dst_pitch, src, src_pitch, bytes, rows,
                                      cudaMemcpyDefault, sana_cuda_stream(s)),
                    "copying");
}

/* The table lies in host memory: its rows are scaled there, and copied. */
void
sana_cuda_embed_tokens(SanaStream *s, SanaTensor y, SanaTensor table, const int32_t *ids,
                       float scale)
{
    size_t rows = sana_positions(y), width = (size_t)y.c;
    char *host = g_malloc(sana_bytes(y));
    for (size_t i = 0; i < rows * width; i++) {
        float v = scale * sana_host_value(table, (size_t)ids[i / width] * width + i % width);
        sana_cuda_set_host_value(host, y.dtype, i, v);
    }
    sana_cuda_copy_in(s, y.data, host, 0, sana_bytes(y), 1);
    g_free(host);
}

/* --- replay ----------------------------------------------------------------------------------- */

/* What forward launches, as a graph; NULL when the stream has failed or was cancelled. */
static cudaGraphExec_t
capture(SanaStream *base, SanaForward forward, void *user)
{
    SanaCudaStream *s = (SanaCudaStream *)base;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    /* of this thread: others may allocate meanwhile */
    cudaError_t status =
        cudaStreamBeginCapture(sana_cuda_stream(base), cudaStreamCaptureModeThreadLocal);
    if (!sana_cuda_check(base, status, "capturing"))
        return NULL;
    s->capturing = true;
    forward(base, user);
    s->capturing = false;
    status = cudaStreamEndCapture(s->stream, &graph);
    if (!sana_stream_ok(base))
        cudaGetLastError(); /* half a forward */
    else if (sana_cuda_check(base, status, "capturing"))
        sana_cuda_check(base, cudaGraphInstantiate(&exec, graph, 0), "capturing");
    if (graph)
        cudaGraphDestroy(graph);
    return exec;
}

static void
drop_graph(SanaStream *s, SanaReplay *r)
{
    cudaStreamSynchronize(sana_cuda_stream(s)); /* it may be running */
    if (r->graph)
        cudaGraphExecDestroy(r->graph);
    cudaGetLastError();
    r->graph = NULL;
}

/* Plainly the first time: algorithms are chosen, code is loaded, the workspace grows.  Captured the
 * second time, repeated from then on, and captured once more where the scratch has moved. */
void
sana_cuda_replay(SanaStream *s, SanaReplay **replay, SanaForward forward, void *user)
{
    if (!sana_stream_ok(s))
        return;
    if (!*replay) {
        forward(s, user);
        if (sana_stream_ok(s))
            *replay = g_new0(SanaReplay, 1);
        return;
    }
    SanaReplay *r = *replay;
    if (r->graph && r->scratch != s->scratch)
        drop_graph(s, r);
    if (!r->graph)
        r->graph = capture(s, forward, user);
    r->scratch = s->scratch;
    if (r->graph)
        sana_cuda_check(s, cudaGraphLaunch(r->graph, sana_cuda_stream(s)), "replaying");
}

void
sana_cuda_replay_free(SanaStream *s, SanaReplay *replay)
{
    drop_graph(s, replay);
    g_free(replay);
}
