/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device "cuda-host": the reference's memory, and the operations of kernels/cuda/ that are
 * plain kernels.  What is the library's there (products, dense convolutions) is not here at all.
 */
#include "cuda_host.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/cuda.h"

/* Few, so that loops in strides of the grid go round. */
#define MULTIPROCESSORS 2

/* What a stream of the device is sure to have. */
#define WORKSPACE ((size_t)8 << 20)

static void
host_close(SanaDevice *dev)
{
    g_free(dev);
}

static SanaStream *
host_stream_open(SanaDevice *dev, char **why)
{
    return g_malloc0(sizeof(SanaCudaStream));
}

static void
host_stream_close(SanaStream *s)
{
    SanaCudaStream *stream = (SanaCudaStream *)s;
    if (stream->workspaces)
        g_ptr_array_free(stream->workspaces, TRUE);
    g_free(stream);
}

/* Of exactly the size asked for and new each time: AddressSanitizer sees what goes beyond. */
void *
sana_cuda_workspace(SanaStream *s, size_t bytes)
{
    SanaCudaStream *stream = (SanaCudaStream *)s;
    g_assert_cmpuint(bytes, <=, WORKSPACE);
    if (stream->workspaces)
        g_ptr_array_free(stream->workspaces, TRUE);
    stream->workspaces = g_ptr_array_new_with_free_func(free);
    void *p = aligned_alloc(256, (bytes + 255) / 256 * 256);
    g_ptr_array_add(stream->workspaces, p);
    return p;
}

bool
sana_cuda_check(SanaStream *s, cudaError_t status, const char *what)
{
    if (status != cudaSuccess)
        sana_fail(s, SANA_DEVICE_ERROR_FAILED, "%s: error %d", what, status);
    return status == cudaSuccess;
}

/* Depthwise weights as SanaCudaPacked says; nothing of others. */
static void *
host_pack_conv(SanaDevice *dev, const SanaConv *k, SanaDType dtype, SanaTensor source,
               size_t *bytes)
{
    SanaCudaPacked *packed = g_new0(SanaCudaPacked, 1);
    int count = k->kernel * k->kernel;

    packed->dtype = dtype;
    if (k->groups != k->in || k->out != k->in)
        return packed;
    float *rows = sana_reference_backend.pack_conv(dev, k, dtype, source, bytes);
    packed->taps = sana_host_alloc(dev, *bytes);
    for (int ch = 0; ch < k->out; ch++)
        for (int t = 0; t < count; t++)
            packed->taps[t * k->out + ch] = rows[ch * count + t];
    sana_host_free(dev, rows);
    return packed;
}

static void *
host_pack_linear(SanaDevice *dev, const SanaLinear *l, SanaDType dtype, const SanaTensor *sources,
                 int n_sources, size_t *bytes)
{
    return g_new0(SanaCudaPacked, 1);
}

static void
host_free_packed(SanaDevice *dev, void *packed)
{
    sana_host_free(dev, ((SanaCudaPacked *)packed)->taps);
    g_free(packed);
}

static bool
host_supports(const SanaDevice *dev, SanaDType dtype)
{
    return dtype == SANA_F32 || dtype == SANA_BF16 || dtype == SANA_F16;
}

static void
host_finish(SanaStream *s)
{
}

static const SanaBackend backend = {
    .name = "cuda-host",
    .close = host_close,
    .supports = host_supports,
    .free_memory = sana_host_free_memory,
    .alloc = sana_host_alloc,
    .free = sana_host_free,
    .pack_linear = host_pack_linear,
    .pack_conv = host_pack_conv,
    .free_packed = host_free_packed,
    .stream_open = host_stream_open,
    .stream_close = host_stream_close,
    .copy_in = sana_host_copy_in,
    .copy_out = sana_host_copy_out,
    .finish = host_finish,
    .norm = sana_cuda_norm,
    .norm_modulate = sana_cuda_norm_modulate,
    .add_gated = sana_cuda_add_gated,
    .activate = sana_cuda_activate,
    .add = sana_cuda_add,
    .mix = sana_cuda_mix,
    .geglu = sana_cuda_geglu,
    .timestep_embedding = sana_cuda_timestep_embedding,
};

bool
cuda_host_has(const char *op)
{
    static const char *const here[] = {"activate", "add",  "add_gated",     "geglu",
                                       "mix",      "norm", "norm_modulate", "timestep_embedding"};
    for (size_t i = 0; i < G_N_ELEMENTS(here); i++)
        if (strcmp(op, here[i]) == 0)
            return true;
    return false;
}

SanaDevice *
cuda_host_open(void)
{
    SanaCudaDevice *dev = g_new0(SanaCudaDevice, 1);
    dev->base.backend = &backend;
    dev->base.refs = 1;
    g_strlcpy(dev->base.name, backend.name, sizeof dev->base.name);
    dev->capability = 90;
    dev->multiprocessors = MULTIPROCESSORS;
    dev->shared_bytes = 48 << 10;
    return &dev->base;
}
