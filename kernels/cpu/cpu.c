/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/convert.h"

/* --- device ---------------------------------------------------------------------------------- */

const SanaCpuLoops *
sana_cpu_loops_here(size_t n)
{
    const SanaCpuLoops *here[4];
    size_t count = 0;
#ifdef __x86_64__
    /* what they are compiled for (meson.build) */
    const bool narrow = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("bmi2");
    const bool wide = narrow && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
    if (wide && __builtin_cpu_supports("avx512bf16"))
        here[count++] = &sana_cpu_loops_avx512_bf16;
    if (wide)
        here[count++] = &sana_cpu_loops_avx512;
    if (narrow)
        here[count++] = &sana_cpu_loops_avx2;
#endif
    here[count++] = &sana_cpu_loops_plain;
    return n < count ? here[n] : NULL;
}

static SanaDevice *
cpu_open(const char *which, char **why)
{
    if (which[0]) {
        *why = g_strdup("there is only one, called \"cpu\"");
        return NULL;
    }
    SanaCpuDevice *dev = g_new0(SanaCpuDevice, 1);
    dev->dnnl = sana_dnnl_open();
    if (!dev->dnnl) {
        *why = g_strdup("oneDNN has no engine for this processor");
        g_free(dev);
        return NULL;
    }
    dev->loops = sana_cpu_loops_here(0);
    return &dev->base;
}

static void
cpu_close(SanaDevice *base)
{
    SanaCpuDevice *dev = (SanaCpuDevice *)base;
    sana_dnnl_close(dev->dnnl);
    g_free(dev);
}

/* How many threads a thread computes with is its own, for OpenMP and oneDNN alike: it may have been
 * set to fewer, but neither knows of groups. */
static void
cpu_enter(void)
{
    static _Thread_local bool entered;
    if (entered)
        return;
    entered = true;
    omp_set_num_threads(MIN(omp_get_max_threads(), sana_host_threads()));
}

static bool
cpu_supports(const SanaDevice *dev, SanaDType dtype)
{
    return sana_dnnl_has(dtype);
}

static SanaDType
cpu_best_dtype(const SanaDevice *dev)
{
    return sana_dnnl_has(SANA_BF16) ? SANA_BF16 : SANA_F32;
}

static bool
cpu_computes_in_place(const SanaDevice *dev, SanaDType dtype, SanaDType stored)
{
    return stored == dtype || (stored == SANA_BF16 && dtype == SANA_F32);
}

static bool
cpu_upload_convert(SanaDevice *dev, SanaTensor dst, SanaTensor src)
{
    size_t n = sana_positions(src) * (size_t)src.c;
    if (src.dtype == dst.dtype) {
        memcpy(dst.data, src.data, n * sana_dtype_size(src.dtype));
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        float v = sana_host_value(src, i);
        if (dst.dtype == SANA_BF16)
            ((uint16_t *)dst.data)[i] = sana_f32_to_bf16(v);
        else if (dst.dtype == SANA_F16)
            ((uint16_t *)dst.data)[i] = sana_f32_to_f16(v);
        else
            ((float *)dst.data)[i] = v;
    }
    return true;
}

/* --- streams --------------------------------------------------------------------------------- */

static SanaStream *
cpu_stream_open(SanaDevice *base, char **why)
{
    SanaCpuStream *s = g_new0(SanaCpuStream, 1);
    s->queue = sana_dnnl_queue_new(((SanaCpuDevice *)base)->dnnl);
    if (!s->queue) {
        *why = g_strdup("oneDNN could not make a stream");
        g_free(s);
        return NULL;
    }
    return &s->base;
}

static void
cpu_stream_close(SanaStream *base)
{
    SanaCpuStream *s = (SanaCpuStream *)base;
    sana_cpu_primitives_free(s);
    sana_dnnl_queue_free(s->queue);
    free(s->workspace);
    g_free(s);
}

static void
cpu_finish(SanaStream *s)
{
}

void *
sana_cpu_workspace(SanaStream *base, size_t bytes)
{
    SanaCpuStream *s = (SanaCpuStream *)base;
    bytes = MAX(bytes, 64); /* an address also where nothing is needed: NULL is failure */
    if (bytes > s->workspace_bytes) {
        free(s->workspace);
        s->workspace_bytes = 0;
        s->workspace = bytes < SIZE_MAX - 64 ? sana_host_alloc(base->device, bytes) : NULL;
        if (s->workspace)
            s->workspace_bytes = bytes;
        else
            sana_fail(base, SANA_DEVICE_ERROR_MEMORY, "no memory for %zu bytes of workspace",
                      bytes);
    }
    return s->workspace;
}

/* --- the loops of the device's instruction set ----------------------------------------------- */

#define LOOPS sana_cpu_loops(s)

static void
cpu_glu_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k)
{
    LOOPS->glu_depthwise(y, x, k, ((SanaCpuPacked *)k->packed)->taps);
}

static void
cpu_linear_attention(SanaStream *s, SanaTensor y, SanaTensor qkv, int head_dim, SanaQkvOrder order)
{
    LOOPS->linear_attention(s, y, qkv, head_dim, order);
}

static void
cpu_attention(SanaStream *s, SanaTensor y, SanaTensor q, SanaTensor k, SanaTensor v,
              SanaAttention a)
{
    LOOPS->attention(s, y, q, k, v, a);
}

static void
cpu_rope(SanaStream *s, SanaTensor x, int head_dim, int first, float theta)
{
    LOOPS->rope(s, x, head_dim, first, theta);
}

static void
cpu_norm(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
         SanaTensor residual)
{
    LOOPS->norm(s, y, x, norm, act, residual);
}

static void
cpu_norm_modulate(SanaStream *s, SanaTensor y, SanaTensor x, SanaTensor shift, SanaTensor scale,
                  float eps)
{
    LOOPS->norm_modulate(s, y, x, shift, scale, eps);
}

static void
cpu_add_gated(SanaStream *s, SanaTensor x, SanaTensor y, SanaTensor gate)
{
    LOOPS->add_gated(s, x, y, gate);
}

static void
cpu_activate(SanaStream *s, SanaTensor y, SanaTensor x, SanaAct act)
{
    LOOPS->finish(y, x, act, SANA_NONE);
}

static void
cpu_add(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b)
{
    LOOPS->add(s, y, a, b);
}

static void
cpu_mix(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b, SanaTensor coef)
{
    LOOPS->mix(s, y, a, b, coef);
}

static void
cpu_geglu(SanaStream *s, SanaTensor y, SanaTensor x)
{
    LOOPS->geglu(s, y, x);
}

static void
cpu_embed_tokens(SanaStream *s, SanaTensor y, SanaTensor table, const int32_t *ids, float scale)
{
    LOOPS->embed_tokens(s, y, table, ids, scale);
}

static void
cpu_timestep_embedding(SanaStream *s, SanaTensor y, SanaTensor t)
{
    int half = y.c / 2;
    double time = ((const float *)t.data)[0];
    for (int i = 0; i < y.c; i++) {
        double angle = time * pow(10000.0, -(double)(i % half) / half);
        float v = (float)(i < half ? cos(angle) : sin(angle));
        if (y.dtype == SANA_BF16)
            ((uint16_t *)y.data)[i] = sana_f32_to_bf16(v);
        else
            ((float *)y.data)[i] = v;
    }
}

static void
cpu_pixel_unshuffle(SanaStream *s, SanaTensor y, SanaTensor x)
{
    LOOPS->pixel_unshuffle(s, y, x);
}

static void
cpu_pixel_shuffle(SanaStream *s, SanaTensor y, SanaTensor x)
{
    LOOPS->pixel_shuffle(s, y, x);
}

static void
cpu_add_unshuffled_mean(SanaStream *s, SanaTensor y, SanaTensor x)
{
    LOOPS->add_unshuffled_mean(s, y, x);
}

static void
cpu_add_shuffled_repeat(SanaStream *s, SanaTensor y, SanaTensor x)
{
    LOOPS->add_shuffled_repeat(s, y, x);
}

static void
cpu_image_load(SanaStream *s, SanaTensor y, SanaTensor x)
{
    LOOPS->image_load(s, y, x);
}

static void
cpu_image_store(SanaStream *s, SanaTensor y, SanaTensor x)
{
    LOOPS->image_store(s, y, x);
}

static void
cpu_video_load(SanaStream *s, SanaTensor y, const SanaVideo *x)
{
    LOOPS->video_load(s, y, x);
}

static void
cpu_video_store(SanaStream *s, const SanaVideo *y, SanaTensor x)
{
    LOOPS->video_store(s, y, x);
}

const SanaBackend sana_cpu_backend = {
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .supports = cpu_supports,
    .best_dtype = cpu_best_dtype,
    .free_memory = sana_host_free_memory,
    .enter = cpu_enter,
    .alloc = sana_host_alloc,
    .free = sana_host_free,
    .upload_convert = cpu_upload_convert,
    .pack_linear = sana_cpu_pack_linear,
    .pack_conv = sana_cpu_pack_conv,
    .free_packed = sana_cpu_packed_free,
    .packed_bytes = sana_cpu_packed_bytes,
    .computes_in_place = cpu_computes_in_place,
    .linear_in_place = sana_cpu_linear_in_place,
    .stream_open = cpu_stream_open,
    .stream_close = cpu_stream_close,
    .copy_in = sana_host_copy_in,
    .copy_out = sana_host_copy_out,
    .finish = cpu_finish,
    .linear = sana_cpu_linear,
    .conv = sana_cpu_conv,
    .glu_depthwise = cpu_glu_depthwise,
    .linear_attention = cpu_linear_attention,
    .attention = cpu_attention,
    .rope = cpu_rope,
    .norm = cpu_norm,
    .norm_modulate = cpu_norm_modulate,
    .add_gated = cpu_add_gated,
    .activate = cpu_activate,
    .add = cpu_add,
    .mix = cpu_mix,
    .geglu = cpu_geglu,
    .embed_tokens = cpu_embed_tokens,
    .timestep_embedding = cpu_timestep_embedding,
    .pixel_unshuffle = cpu_pixel_unshuffle,
    .pixel_shuffle = cpu_pixel_shuffle,
    .add_unshuffled_mean = cpu_add_unshuffled_mean,
    .add_shuffled_repeat = cpu_add_shuffled_repeat,
    .image_load = cpu_image_load,
    .image_store = cpu_image_store,
    .video_load = cpu_video_load,
    .video_store = cpu_video_store,
};
