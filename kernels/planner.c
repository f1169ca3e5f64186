/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device that computes nothing.  A forward run on it has every shape checked by ops.c, costs
 * microseconds, and leaves the exact scratch peak, the FLOP and the bytes moved in SanaPlan.
 */
#include "kernels/backend.h"

static SanaDevice *
planner_open(const char *which, char **why)
{
    return g_new0(SanaDevice, 1);
}

static void
planner_close(SanaDevice *dev)
{
    g_free(dev);
}

static bool
planner_supports(const SanaDevice *dev, SanaDType dtype)
{
    return true;
}

static SanaDType
planner_best_dtype(const SanaDevice *dev)
{
    return SANA_F32;
}

static size_t
planner_free_memory(const SanaDevice *dev)
{
    return SIZE_MAX;
}

static void
planner_copy_in(SanaStream *s, void *dst, const void *host, size_t pitch, size_t bytes, size_t rows)
{
    s->plan.bytes += (double)bytes * (double)rows;
}

static void
planner_copy_out(SanaStream *s, void *host, size_t pitch, const void *src, size_t bytes,
                 size_t rows)
{
    s->plan.bytes += (double)bytes * (double)rows;
}

static void
planner_finish(SanaStream *s)
{
}

/* --- counting --------------------------------------------------------------------------------- */

static void
touch(SanaStream *s, SanaTensor x)
{
    if (!sana_is_none(x))
        s->plan.bytes += (double)sana_positions(x) * x.c * (double)sana_dtype_size(x.dtype);
}

static void
touch2(SanaStream *s, SanaTensor y, SanaTensor x)
{
    touch(s, y);
    touch(s, x);
}

static void
planner_video_load(SanaStream *s, SanaTensor y, const SanaVideo *x)
{
    for (int i = 0; i < 3; i++)
        s->plan.bytes +=
            (double)x->width / x->component[i].sub_x * x->height / x->component[i].sub_y;
    touch(s, y);
}

static void
planner_video_store(SanaStream *s, const SanaVideo *y, SanaTensor x)
{
    planner_video_load(s, x, y);
}

static void
planner_linear(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
               SanaTensor residual)
{
    s->plan.flop += 2.0 * (double)sana_positions(x) * l->in * l->out;
    s->plan.bytes += (double)l->in * l->out * (double)sana_dtype_size(x.dtype);
    touch2(s, y, x);
    touch(s, residual);
}

static void
planner_conv(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    double taps = (double)k->in / k->groups * k->kernel * k->kernel;
    s->plan.flop += 2.0 * (double)sana_positions(y) * k->out * taps;
    s->plan.bytes += taps * k->out * (double)sana_dtype_size(x.dtype);
    touch2(s, y, x);
}

static void
planner_glu_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k)
{
    s->plan.flop += 2.0 * (double)sana_positions(x) * x.c * 9;
    touch2(s, y, x);
}

static void
planner_linear_attention(SanaStream *s, SanaTensor y, SanaTensor qkv, int head_dim,
                         SanaQkvOrder order)
{
    s->plan.flop += 4.0 * (double)sana_positions(y) * y.c * (head_dim + 1);
    touch2(s, y, qkv);
}

static void
planner_attention(SanaStream *s, SanaTensor y, SanaTensor q, SanaTensor k, SanaTensor v,
                  SanaAttention a)
{
    s->plan.flop += 4.0 * (double)sana_positions(q) * (double)sana_positions(k) * q.c;
    touch2(s, y, q);
    touch2(s, k, v);
}

static void
planner_rope(SanaStream *s, SanaTensor x, int head_dim, int first, float theta)
{
    touch2(s, x, x);
}

static void
planner_norm(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
             SanaTensor residual)
{
    touch2(s, y, x);
    touch(s, residual);
}

static void
planner_norm_modulate(SanaStream *s, SanaTensor y, SanaTensor x, SanaTensor shift, SanaTensor scale,
                      float eps)
{
    touch2(s, y, x);
}

static void
planner_three(SanaStream *s, SanaTensor a, SanaTensor b, SanaTensor c)
{
    touch2(s, a, b);
    touch(s, c);
}

static void
planner_activate(SanaStream *s, SanaTensor y, SanaTensor x, SanaAct act)
{
    touch2(s, y, x);
}

static void
planner_mix(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b, SanaTensor coef)
{
    planner_three(s, y, a, b);
}

static void
planner_embed_tokens(SanaStream *s, SanaTensor y, SanaTensor table, const int32_t *ids, float scale)
{
    touch2(s, y, y);
}

static void
planner_add_in_place(SanaStream *s, SanaTensor y, SanaTensor x)
{
    planner_three(s, y, y, x);
}

const SanaBackend sana_planner_backend = {
    .name = "planner",
    .open = planner_open,
    .close = planner_close,
    .supports = planner_supports,
    .best_dtype = planner_best_dtype,
    .free_memory = planner_free_memory,
    .stream_open = sana_host_stream_open,
    .stream_close = sana_host_stream_close,
    .copy_in = planner_copy_in,
    .copy_out = planner_copy_out,
    .finish = planner_finish,
    .linear = planner_linear,
    .conv = planner_conv,
    .glu_depthwise = planner_glu_depthwise,
    .linear_attention = planner_linear_attention,
    .attention = planner_attention,
    .rope = planner_rope,
    .norm = planner_norm,
    .norm_modulate = planner_norm_modulate,
    .add_gated = planner_three,
    .activate = planner_activate,
    .add = planner_three,
    .mix = planner_mix,
    .geglu = touch2,
    .embed_tokens = planner_embed_tokens,
    .timestep_embedding = touch2,
    .pixel_unshuffle = touch2,
    .pixel_shuffle = touch2,
    .add_unshuffled_mean = planner_add_in_place,
    .add_shuffled_repeat = planner_add_in_place,
    .image_load = touch2,
    .image_store = touch2,
    .video_load = planner_video_load,
    .video_store = planner_video_store,
};
