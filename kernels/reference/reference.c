/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device: host memory, and weights as plain f32 arrays. */
#include "reference.h"

static SanaDevice *
reference_open(const char *which, char **why)
{
    if (*which) {
        *why = g_strdup("there is only one; leave out the colon and what follows");
        return NULL;
    }
    return g_new0(SanaDevice, 1);
}

static void
reference_close(SanaDevice *dev)
{
    g_free(dev);
}

static bool
reference_supports(const SanaDevice *dev, SanaDType dtype)
{
    return dtype == SANA_F32 || dtype == SANA_BF16 || dtype == SANA_F16;
}

static SanaDType
reference_best_dtype(const SanaDevice *dev)
{
    return SANA_F32;
}

static bool
reference_upload_convert(SanaDevice *dev, SanaTensor dst, SanaTensor src)
{
    for (size_t row = 0; row < sana_positions(src); row++)
        for (int ch = 0; ch < src.c; ch++)
            store(dst, row, ch, load(src, row, ch));
    return true;
}

/* f32 copies of the sources one after another, rounded to dtype. */
static float *
pack(SanaDevice *dev, SanaDType dtype, const SanaTensor *sources, int n_sources, size_t *bytes)
{
    size_t total = 0, done = 0;

    for (int i = 0; i < n_sources; i++)
        total += sana_positions(sources[i]) * (size_t)sources[i].c;
    *bytes = total * sizeof(float);
    float *packed = sana_host_alloc(dev, *bytes);
    if (!packed)
        return NULL;
    for (int i = 0; i < n_sources; i++)
        for (size_t row = 0; row < sana_positions(sources[i]); row++)
            for (int ch = 0; ch < sources[i].c; ch++)
                packed[done++] = round_to(dtype, load(sources[i], row, ch));
    return packed;
}

static size_t
reference_packed_bytes(const SanaDevice *dev, const SanaConv *k, SanaDType dtype, size_t *passing)
{
    return sana_weight_count(k) * sizeof(float);
}

static void *
reference_pack_linear(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                      const SanaTensor *sources, int n_sources, size_t *bytes)
{
    return pack(dev, dtype, sources, n_sources, bytes);
}

static void *
reference_pack_conv(SanaDevice *dev, const SanaConv *k, SanaDType dtype, SanaTensor source,
                    size_t *bytes)
{
    return pack(dev, dtype, &source, 1, bytes);
}

static void
reference_finish(SanaStream *s)
{
}

const SanaBackend sana_reference_backend = {
    .name = "reference",
    .open = reference_open,
    .close = reference_close,
    .supports = reference_supports,
    .best_dtype = reference_best_dtype,
    .free_memory = sana_host_free_memory,
    .alloc = sana_host_alloc,
    .free = sana_host_free,
    .upload_convert = reference_upload_convert,
    .pack_linear = reference_pack_linear,
    .pack_conv = reference_pack_conv,
    .packed_bytes = reference_packed_bytes,
    .free_packed = sana_host_free,
    .stream_open = sana_host_stream_open,
    .stream_close = sana_host_stream_close,
    .copy_in = sana_host_copy_in,
    .copy_out = sana_host_copy_out,
    .finish = reference_finish,
    .linear = sana_reference_linear,
    .conv = sana_reference_conv,
    .glu_depthwise = sana_reference_glu_depthwise,
    .linear_attention = sana_reference_linear_attention,
    .attention = sana_reference_attention,
    .rope = sana_reference_rope,
    .norm = sana_reference_norm,
    .norm_modulate = sana_reference_norm_modulate,
    .add_gated = sana_reference_add_gated,
    .activate = sana_reference_activate,
    .add = sana_reference_add,
    .mix = sana_reference_mix,
    .geglu = sana_reference_geglu,
    .embed_tokens = sana_reference_embed_tokens,
    .timestep_embedding = sana_reference_timestep_embedding,
    .pixel_unshuffle = sana_reference_pixel_unshuffle,
    .pixel_shuffle = sana_reference_pixel_shuffle,
    .add_unshuffled_mean = sana_reference_add_unshuffled_mean,
    .add_shuffled_repeat = sana_reference_add_shuffled_repeat,
    .image_load = sana_reference_image_load,
    .image_store = sana_reference_image_store,
    .video_load = sana_reference_video_load,
    .video_store = sana_reference_video_store,
};
