/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/golden_network.h"

#include "engine/sana_transformer.h"
#include "kernels/device.h"

#include <string.h>

/* Far more than these networks need. */
#define SCRATCH_BYTES ((size_t)16 << 20)

static void
load(SanaTransformer *net, SanaPool *pool, const char *directory)
{
    g_autoptr(GError) error = NULL;
    sana_transformer_config(&net->config, directory, &error);
    g_assert_no_error(error);
    SanaSafetensors *files = sana_safetensors_open(directory, "diffusion_pytorch_model", &error);
    g_assert_no_error(error);
    net->dtype = SANA_F32;
    SanaBinder *binder = sana_binder_new(pool, net->dtype, files);
    sana_transformer_bind(net, binder);
    sana_binder_finish(binder, "transformer", NULL, &error);
    g_assert_no_error(error);
    sana_safetensors_free(files);
}

/* The rows of the embedding whose mask is 1. */
static SanaTensor
upload_caption(const Golden *g, SanaPool *pool)
{
    const float *embeds = golden_floats(g, "given_embeds", NULL);
    const guint8 *mask = golden_bytes(g, "given_mask", NULL);
    const int rows = golden_dim(g, "given_embeds", 0), width = golden_dim(g, "given_embeds", 1);
    g_autofree float *valid = g_new(float, rows *width);
    int n = 0;
    for (int i = 0; i < rows; i++) {
        if (mask[i])
            memcpy(valid + width * n++, embeds + i * width, sizeof(float) * (size_t)width);
    }
    return sana_pool_upload(pool, sana_tensor(valid, SANA_F32, 1, n, width), SANA_F32);
}

/* (h, w, c) of planes (c, h, w), in device memory. */
static SanaTensor
upload_planes(const float *in, SanaPool *pool, int h, int w, int c)
{
    g_autofree float *x = g_new(float, h *w *c);
    for (int i = 0; i < h * w; i++) {
        for (int j = 0; j < c; j++)
            x[i * c + j] = in[j * h * w + i];
    }
    return sana_pool_upload(pool, sana_tensor(x, SANA_F32, h, w, c), SANA_F32);
}

static SanaTensor
upload_number(double value, SanaPool *pool)
{
    float x = (float)value;
    return sana_pool_upload(pool, sana_tensor(&x, SANA_F32, 1, 1, 1), SANA_F32);
}

static void
see(SanaStream *s, const char *name, SanaTensor x, void *user)
{
    g_autofree float *values = g_new(float, sana_positions(x) * (size_t)x.c);
    if (x.dtype != SANA_F32 || !sana_is_dense(x))
        return;
    sana_download(s, values, x);
    golden_taps_see(name, values, x.h, x.w, x.c, user);
}

static double
compare_planes(const Golden *g, SanaStream *s, SanaTensor v)
{
    size_t count;
    const float *expected = golden_floats(g, "output", &count);
    g_autofree float *ours = g_new(float, count);
    g_autofree float *planes = g_new(float, count);
    g_autoptr(GError) error = NULL;
    sana_download(s, ours, v);
    sana_stream_finish(s, &error);
    g_assert_no_error(error);
    for (int i = 0; i < v.h * v.w; i++) {
        for (int j = 0; j < v.c; j++)
            planes[j * v.h * v.w + i] = ours[i * v.c + j];
    }
    return golden_error(planes, expected, count);
}

double
golden_transformer_error(const Golden *g, const char *device, GoldenTaps *taps)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory =
        g_build_filename(golden_root(), "transformer", g->transformer, NULL);
    SanaDevice *dev = sana_device_open(device, &error);
    g_assert_no_error(error);
    SanaPool *pool = sana_pool_new(dev);
    SanaTransformer net = {0};
    load(&net, pool, directory);
    const SanaTransformerConfig *c = &net.config;

    SanaStream *s = sana_stream_new(dev, &error);
    g_assert_no_error(error);
    sana_stream_reserve(s, SCRATCH_BYTES, &error);
    g_assert_no_error(error);
    sana_stream_set_tap(s, see, taps);
    SanaTensor caption = upload_caption(g, pool);
    g_autofree SanaTensor *kv = g_new(SanaTensor, c->layers);
    for (int i = 0; i < c->layers; i++)
        kv[i] = sana_pool_tensor(pool, SANA_F32, 1, caption.w, 2 * c->cross_dim);
    SanaCondition condition = {.time = upload_number(g->timestep, pool), .kv = kv};
    if (c->guidance)
        condition.guidance = upload_number(g->guidance, pool);
    SanaTensor x =
        upload_planes(golden_floats(g, "input", NULL), pool, g->height, g->width, c->channels);
    SanaTensor v = sana_pool_tensor(pool, SANA_F32, g->height, g->width, c->channels);
    g_assert_no_error(sana_pool_error(pool));

    sana_transformer_caption(s, &net, kv, caption);
    sana_transformer_forward(s, &net, v, x, &condition);
    double off = compare_planes(g, s, v);

    sana_stream_free(s);
    sana_transformer_clear(&net);
    sana_pool_free(pool);
    sana_device_unref(dev);
    return off;
}
