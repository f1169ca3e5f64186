/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver with one GPU, as far as libgstcuda uses it for memory.  What is the GPU's memory the
 * processor cannot touch at the addresses that are given out; each has a twin that it can.
 */
#define _GNU_SOURCE
#include "driver.h"

#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define PITCH 512

typedef enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_SUPPORTED = 801 } Result;

typedef struct {
    char *address, *twin;
    size_t bytes;
} Block;

static struct {
    GMutex lock;
    GArray *blocks;
    FakeDriverCounts counts;
} gpu;

/* Of the thread; what needs a context asserts that there is one. */
static _Thread_local int contexts_pushed;

/* --- memory ----------------------------------------------------------------------------------- */

EXPORT void *
fake_driver_twin(const void *address)
{
    void *twin = NULL;
    g_mutex_lock(&gpu.lock);
    for (guint i = 0; gpu.blocks && i < gpu.blocks->len && !twin; i++) {
        const Block *b = &g_array_index(gpu.blocks, Block, i);
        if ((const char *)address >= b->address && (const char *)address < b->address + b->bytes)
            twin = b->twin + ((const char *)address - b->address);
    }
    g_mutex_unlock(&gpu.lock);
    g_assert_nonnull(twin); /* no memory of the GPU's */
    return twin;
}

EXPORT void
fake_driver_counts(FakeDriverCounts *counts)
{
    g_mutex_lock(&gpu.lock);
    *counts = gpu.counts;
    g_mutex_unlock(&gpu.lock);
}

EXPORT Result
cuMemAlloc_v2(unsigned long long *address, size_t bytes)
{
    g_assert_cmpint(contexts_pushed, >, 0);
    int file = memfd_create("gpu", 0);
    g_assert_cmpint(ftruncate(file, (off_t)bytes), ==, 0);
    Block b = {mmap(NULL, bytes, PROT_NONE, MAP_SHARED, file, 0),
               mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), bytes};
    close(file);
    g_assert_true(b.address != MAP_FAILED && b.twin != MAP_FAILED);
    g_mutex_lock(&gpu.lock);
    if (!gpu.blocks)
        gpu.blocks = g_array_new(FALSE, FALSE, sizeof(Block));
    g_array_append_val(gpu.blocks, b);
    gpu.counts.blocks++;
    g_mutex_unlock(&gpu.lock);
    *address = (unsigned long long)(gsize)b.address;
    return OK;
}

EXPORT Result
cuMemAllocPitch_v2(unsigned long long *address, size_t *pitch, size_t width, size_t height,
                   unsigned element)
{
    *pitch = (width + PITCH - 1) / PITCH * PITCH;
    return cuMemAlloc_v2(address, *pitch * height);
}

EXPORT Result
cuMemFree_v2(unsigned long long address)
{
    g_assert_cmpint(contexts_pushed, >, 0);
    g_mutex_lock(&gpu.lock);
    for (guint i = 0; i < gpu.blocks->len; i++) {
        Block b = g_array_index(gpu.blocks, Block, i);
        if (b.address != (char *)(gsize)address)
            continue;
        munmap(b.address, b.bytes);
        munmap(b.twin, b.bytes);
        g_array_remove_index(gpu.blocks, i);
        gpu.counts.blocks--;
        break;
    }
    if (gpu.counts.blocks == 0)
        g_clear_pointer(&gpu.blocks, g_array_unref);
    g_mutex_unlock(&gpu.lock);
    return OK;
}

EXPORT Result
cuMemAllocHost_v2(void **p, size_t bytes)
{
    *p = g_malloc0(bytes);
    return OK;
}

EXPORT Result
cuMemFreeHost(void *p)
{
    g_free(p);
    return OK;
}

/* --- copies ----------------------------------------------------------------------------------- */

enum { HOST = 1, DEVICE = 2 };

typedef struct {
    size_t x, y;
    int type;
    void *host;
    unsigned long long device;
    void *array;
    size_t pitch;
} End;

/* CUDA_MEMCPY2D */
typedef struct {
    End from, to;
    size_t width, height;
} Copy;

static char *
end_address(const End *e)
{
    char *base = e->type == DEVICE ? fake_driver_twin((void *)(gsize)e->device) : e->host;
    return base + e->y * e->pitch + e->x;
}

EXPORT Result
cuMemcpy2D_v2(const Copy *c)
{
    g_assert_cmpint(contexts_pushed, >, 0);
    const char *from = end_address(&c->from);
    char *to = end_address(&c->to);
    for (size_t y = 0; y < c->height; y++)
        memcpy(to + y * c->to.pitch, from + y * c->from.pitch, c->width);
    g_mutex_lock(&gpu.lock);
    gpu.counts.downloads += c->from.type == DEVICE && c->to.type == HOST;
    gpu.counts.uploads += c->from.type == HOST && c->to.type == DEVICE;
    g_mutex_unlock(&gpu.lock);
    return OK;
}

EXPORT Result
cuMemcpy2DAsync_v2(const Copy *c, void *stream)
{
    return cuMemcpy2D_v2(c);
}

/* --- device, contexts, streams ---------------------------------------------------------------- */

EXPORT Result
cuInit(unsigned flags)
{
    return OK;
}

EXPORT Result
cuDriverGetVersion(int *version)
{
    *version = 12000;
    return OK;
}

EXPORT Result
cuDeviceGetCount(int *count)
{
    *count = 1;
    return OK;
}

EXPORT Result
cuDeviceGet(int *device, int ordinal)
{
    *device = ordinal;
    return ordinal == 0 ? OK : INVALID_VALUE;
}

EXPORT Result
cuDeviceGetName(char *name, int length, int device)
{
    g_strlcpy(name, "no GPU", (gsize)length);
    return OK;
}

EXPORT Result
cuDeviceGetAttribute(int *value, int attribute, int device)
{
    enum { TEXTURE_ALIGNMENT = 14 };
    *value = attribute == TEXTURE_ALIGNMENT ? PITCH : 0;
    return OK;
}

EXPORT Result
cuDeviceCanAccessPeer(int *can, int device, int peer)
{
    *can = 0;
    return OK;
}

/* Made current, as the real one's are. */
EXPORT Result
cuCtxCreate_v2(void **context, unsigned flags, int device)
{
    *context = g_malloc(1);
    contexts_pushed++;
    g_mutex_lock(&gpu.lock);
    gpu.counts.contexts++;
    g_mutex_unlock(&gpu.lock);
    return OK;
}

EXPORT Result
cuCtxDestroy_v2(void *context)
{
    g_free(context);
    g_mutex_lock(&gpu.lock);
    gpu.counts.contexts--;
    g_mutex_unlock(&gpu.lock);
    return OK;
}

EXPORT Result
cuCtxPushCurrent_v2(void *context)
{
    contexts_pushed++;
    return OK;
}

EXPORT Result
cuCtxPopCurrent_v2(void **context)
{
    g_assert_cmpint(contexts_pushed, >, 0);
    contexts_pushed--;
    if (context)
        *context = NULL;
    return OK;
}

EXPORT Result
cuStreamCreate(void **stream, unsigned flags)
{
    *stream = NULL;
    return OK;
}

EXPORT Result
cuStreamDestroy(void *stream)
{
    return OK;
}

EXPORT Result
cuStreamSynchronize(void *stream)
{
    return OK;
}

EXPORT Result
cuGetErrorName(Result error, const char **text)
{
    *text = "an error";
    return OK;
}

EXPORT Result
cuGetErrorString(Result error, const char **text)
{
    return cuGetErrorName(error, text);
}

/* --- there, and nothing more: graphics and kernels -------------------------------------------- */

#define ABSENT(name)          \
    EXPORT Result name(void); \
    EXPORT Result name(void)  \
    {                         \
        return NOT_SUPPORTED; \
    }

ABSENT(cuCtxEnablePeerAccess)
ABSENT(cuCtxDisablePeerAccess)
ABSENT(cuGLGetDevices_v2)
ABSENT(cuGraphicsGLRegisterBuffer)
ABSENT(cuGraphicsGLRegisterImage)
ABSENT(cuGraphicsMapResources)
ABSENT(cuGraphicsResourceGetMappedPointer_v2)
ABSENT(cuGraphicsResourceSetMapFlags_v2)
ABSENT(cuGraphicsSubResourceGetMappedArray)
ABSENT(cuGraphicsUnmapResources)
ABSENT(cuGraphicsUnregisterResource)
ABSENT(cuLaunchKernel)
ABSENT(cuModuleGetFunction)
ABSENT(cuModuleLoadData)
ABSENT(cuModuleUnload)
ABSENT(cuTexObjectCreate)
ABSENT(cuTexObjectDestroy)
