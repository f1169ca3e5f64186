/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/sana_transformer.h"

#include "engine/config.h"
#include "kernels/convert.h"

#include <math.h>
#include <string.h>

/* Constants of the class, not of a configuration. */
#define TIME_CHANNELS 256 /* sinusoids of a timestep */
#define QK_EPS 1e-5f
#define CAPTION_EPS 1e-5f
#define NORM_OUT_EPS 1e-6f

/* --- configuration ---------------------------------------------------------------------------- */

static void
check_runnable(SanaTransformerConfig *c, SanaJson *j)
{
    const char *qk_norm = sana_json_string(j, "qk_norm", NULL);
    c->qk_norm = qk_norm != NULL;
    if (qk_norm && strcmp(qk_norm, "rms_norm_across_heads") != 0)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "qk_norm \"%s\" is not run here; rms_norm_across_heads and null are",
                       qk_norm);
    if (sana_json_int(j, "patch_size", 1, 1, 64) != 1)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "patch_size other than 1 is not run here; SANA models have 1");
    if (sana_json_bool(j, "norm_elementwise_affine", false))
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "norm_elementwise_affine true is not run here; SANA models have false");
    if (sana_json_int(j, "out_channels", c->channels, 1, 4096) != c->channels)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED, "out_channels must equal in_channels, %d",
                       c->channels);
    if (sana_json_int(j, "cross_attention_dim", 2240, 1, 65536) != c->dim)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "cross_attention_dim must equal num_attention_heads · attention_head_dim, "
                       "%d",
                       c->dim);
    if (c->interpolation_scale > 0 && c->dim % 4 != 0)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "interpolation_scale needs a width that is a multiple of 4, not %d", c->dim);
}

bool
sana_transformer_config(SanaTransformerConfig *c, const char *directory, GError **error)
{
    SanaJson *j = sana_json_open(directory, "config.json", error);
    if (!j)
        return false;
    *c = (SanaTransformerConfig){
        .channels = sana_json_int(j, "in_channels", 32, 1, 4096),
        .heads = sana_json_int(j, "num_attention_heads", 70, 1, 1024),
        .head_dim = sana_json_int(j, "attention_head_dim", 32, 1, 1024),
        .cross_heads = sana_json_int(j, "num_cross_attention_heads", 20, 1, 1024),
        .cross_dim = sana_json_int(j, "cross_attention_head_dim", 112, 1, 1024),
        .layers = sana_json_int(j, "num_layers", 20, 1, 1024),
        .caption_channels = sana_json_int(j, "caption_channels", 2304, 1, 65536),
        .sample_size = sana_json_int(j, "sample_size", 32, 1, 4096),
        .norm_eps = (float)sana_json_double(j, "norm_eps", 1e-6, 0, 1),
        .attention_bias = sana_json_bool(j, "attention_bias", false),
        .guidance = sana_json_bool(j, "guidance_embeds", false),
        .guidance_scale = sana_json_double(j, "guidance_embeds_scale", 0.1, -1e6, 1e6),
        .interpolation_scale = sana_json_double(j, "interpolation_scale", 0, 0, 1e6),
    };
    c->dim = c->heads * c->head_dim;
    c->cross_dim *= c->cross_heads;
    double hidden = sana_json_double(j, "mlp_ratio", 2.5, 0.001, 1000) * c->dim;
    c->hidden = (int)MIN(hidden, 1 << 24);
    if (c->dim > 65536 || c->cross_dim > 65536 || c->hidden < 1 || c->hidden > 1 << 20)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "a width of %d (cross-attention %d, Mix-FFN %d) is beyond what is run here",
                       c->dim, c->cross_dim, c->hidden);
    if (sana_json_ok(j))
        check_runnable(c, j);
    return sana_json_finish(j, error);
}

/* --- weights ---------------------------------------------------------------------------------- */

static void
bind_time_embedder(SanaTimeEmbedder *e, SanaBinder *b, const char *name, int dim)
{
    sana_bind_enter(b, "%s", name);
    sana_bind_linear(b, &e->linear_1, "linear_1", dim, TIME_CHANNELS, true);
    sana_bind_linear(b, &e->linear_2, "linear_2", dim, dim, true);
    sana_bind_leave(b);
}

static void
bind_attention(SanaTransformerBlock *w, SanaBinder *b, const SanaTransformerConfig *c)
{
    const int D = c->dim, E = c->cross_dim;
    sana_bind_enter(b, "attn1");
    sana_bind_stack(b, &w->attn1.qkv, (const char *[]){"to_q", "to_k", "to_v", NULL},
                    (const int[]){D, D, D}, D, c->attention_bias);
    if (c->qk_norm)
        sana_bind_rms_norm_pair(b, &w->attn1.norm_qk, "norm_q", "norm_k", D, QK_EPS);
    sana_bind_linear(b, &w->attn1.out, "to_out.0", D, D, true);
    sana_bind_leave(b);

    sana_bind_enter(b, "attn2");
    sana_bind_linear(b, &w->attn2.q, "to_q", E, D, true);
    sana_bind_inner(b, false); /* once a prompt */
    sana_bind_stack(b, &w->attn2.kv, (const char *[]){"to_k", "to_v", NULL}, (const int[]){E, E}, D,
                    true);
    sana_bind_inner(b, true);
    if (c->qk_norm) {
        sana_bind_rms_norm(b, &w->attn2.norm_q, "norm_q", E, QK_EPS, 0, false);
        sana_bind_rms_norm(b, &w->attn2.norm_k, "norm_k", E, QK_EPS, 0, false);
    }
    sana_bind_linear(b, &w->attn2.out, "to_out.0", D, E, true);
    sana_bind_leave(b);
}

static void
bind_block(SanaTransformerBlock *w, SanaBinder *b, const SanaTransformerConfig *c, int i)
{
    const int D = c->dim, F = c->hidden;
    sana_bind_enter(b, "transformer_blocks.%d", i);
    sana_bind_table(b, &w->scale_shift_table, "scale_shift_table", 6, D);
    sana_bind_inner(b, true);
    bind_attention(w, b, c);
    sana_bind_enter(b, "ff");
    sana_bind_linear(b, &w->ff.inverted, "conv_inverted", 2 * F, D, true);
    w->ff.depth = (SanaConv){.in = 2 * F, .out = 2 * F, .kernel = 3, .groups = 2 * F};
    sana_bind_conv(b, &w->ff.depth, "conv_depth", true);
    sana_bind_linear(b, &w->ff.point, "conv_point", D, F, false);
    sana_bind_inner(b, false);
    sana_bind_leave(b);
    sana_bind_leave(b);
}

void
sana_transformer_bind(SanaTransformer *net, SanaBinder *b)
{
    const SanaTransformerConfig *c = &net->config;
    const int D = c->dim;
    sana_bind_linear(b, &net->patch_embed, "patch_embed.proj", D, c->channels, true);

    sana_bind_enter(b, "time_embed");
    bind_time_embedder(&net->timestep_embedder, b,
                       c->guidance ? "timestep_embedder" : "emb.timestep_embedder", D);
    if (c->guidance)
        bind_time_embedder(&net->guidance_embedder, b, "guidance_embedder", D);
    sana_bind_linear(b, &net->time_linear, "linear", 6 * D, D, true);
    sana_bind_leave(b);

    sana_bind_enter(b, "caption_projection");
    sana_bind_linear(b, &net->caption_projection.linear_1, "linear_1", D, c->caption_channels,
                     true);
    sana_bind_linear(b, &net->caption_projection.linear_2, "linear_2", D, D, true);
    sana_bind_leave(b);
    sana_bind_rms_norm(b, &net->caption_norm, "caption_norm", D, CAPTION_EPS, 0, false);

    net->blocks = g_new0(SanaTransformerBlock, c->layers);
    for (int i = 0; i < c->layers; i++)
        bind_block(&net->blocks[i], b, c, i);

    sana_bind_table(b, &net->scale_shift_table, "scale_shift_table", 2, D);
    sana_bind_linear(b, &net->proj_out, "proj_out", c->channels, D, true);
}

void
sana_transformer_clear(SanaTransformer *net)
{
    g_clear_pointer(&net->blocks, g_free);
}

/* --- once per prompt -------------------------------------------------------------------------- */

void
sana_transformer_caption(SanaStream *s, const SanaTransformer *net, SanaTensor *kv,
                         SanaTensor embedding)
{
    const SanaTransformerConfig *c = &net->config;
    const int t = (int)sana_positions(embedding), D = c->dim, E = c->cross_dim;
    size_t mark = sana_mark(s);
    SanaTensor hidden = sana_scratch(s, net->dtype, 1, t, D);
    SanaTensor caption = sana_scratch(s, net->dtype, 1, t, D);

    sana_linear(s, hidden, embedding, &net->caption_projection.linear_1, SANA_ACT_GELU_TANH,
                SANA_NONE);
    sana_linear(s, caption, hidden, &net->caption_projection.linear_2, SANA_ACT_NONE, SANA_NONE);
    sana_norm(s, caption, caption, &net->caption_norm, SANA_ACT_NONE, SANA_NONE);
    sana_tap(s, caption, "caption_norm");

    for (int i = 0; i < c->layers; i++) {
        const SanaTransformerBlock *w = &net->blocks[i];
        sana_linear(s, kv[i], caption, &w->attn2.kv, SANA_ACT_NONE, SANA_NONE);
        SanaTensor k = sana_columns(kv[i], 0, E);
        if (c->qk_norm)
            sana_norm(s, k, k, &w->attn2.norm_k, SANA_ACT_NONE, SANA_NONE);
    }
    sana_pop(s, mark);
}

/* --- once per step ---------------------------------------------------------------------------- */

float
sana_transformer_guidance(const SanaTransformer *net, double guidance)
{
    float value = (float)guidance;
    if (net->dtype != SANA_BF16)
        return (float)(value * net->config.guidance_scale);
    value = sana_bf16_to_f32(sana_f32_to_bf16(value));
    value = (float)(value * net->config.guidance_scale);
    return sana_bf16_to_f32(sana_f32_to_bf16(value));
}

void
sana_transformer_positions(const SanaTransformerConfig *c, int h, int w, float *positions)
{
    const int quarter = c->dim / 4;
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            float *row = positions + ((size_t)y * (size_t)w + (size_t)x) * (size_t)c->dim;
            double px = x * (double)c->sample_size / w / c->interpolation_scale;
            double py = y * (double)c->sample_size / h / c->interpolation_scale;
            for (int i = 0; i < quarter; i++) {
                double frequency = pow(10000, -(double)i / quarter);
                row[i] = (float)sin(px * frequency);
                row[quarter + i] = (float)cos(px * frequency);
                row[2 * quarter + i] = (float)sin(py * frequency);
                row[3 * quarter + i] = (float)cos(py * frequency);
            }
        }
    }
}

/* sum (1, D) F32 = linear_2(silu(linear_1(sinusoids(value)))) + residual */
static void
time_embedding(SanaStream *s, const SanaTransformer *net, const SanaTimeEmbedder *e, SanaTensor sum,
               SanaTensor value, SanaTensor residual)
{
    size_t mark = sana_mark(s);
    SanaTensor waves = sana_scratch(s, net->dtype, 1, 1, TIME_CHANNELS);
    SanaTensor hidden = sana_scratch(s, net->dtype, 1, 1, net->config.dim);
    sana_timestep_embedding(s, waves, value);
    sana_linear(s, hidden, waves, &e->linear_1, SANA_ACT_SILU, SANA_NONE);
    sana_linear(s, sum, hidden, &e->linear_2, SANA_ACT_NONE, residual);
    sana_pop(s, mark);
}

/* conditioning (1, D) F32 of time and guidance; modulation (6, D) F32 shared by all blocks. */
static void
time_embed(SanaStream *s, const SanaTransformer *net, SanaTensor conditioning,
           SanaTensor modulation, const SanaCondition *condition)
{
    size_t mark = sana_mark(s);
    time_embedding(s, net, &net->timestep_embedder, conditioning, condition->time, SANA_NONE);
    if (net->config.guidance)
        time_embedding(s, net, &net->guidance_embedder, conditioning, condition->guidance,
                       conditioning);
    SanaTensor activated = sana_scratch(s, net->dtype, 1, 1, net->config.dim);
    sana_activate(s, activated, conditioning, SANA_ACT_SILU);
    sana_linear(s, sana_reshape(modulation, 1, 1, 6 * net->config.dim), activated,
                &net->time_linear, SANA_ACT_NONE, SANA_NONE);
    sana_tap(s, modulation, "time_embed");
    sana_pop(s, mark);
}

/* y (n, D) = attn1(x (n, D)): the whole picture is summed into one small state per head. */
static void
self_attention(SanaStream *s, const SanaTransformer *net, const SanaTransformerBlock *w,
               SanaTensor y, SanaTensor x)
{
    const SanaTransformerConfig *c = &net->config;
    size_t mark = sana_mark(s);
    SanaTensor qkv = sana_scratch(s, net->dtype, x.h, x.w, 3 * c->dim);
    SanaTensor attended = sana_scratch(s, net->dtype, x.h, x.w, c->dim);
    sana_linear(s, qkv, x, &w->attn1.qkv, SANA_ACT_NONE, SANA_NONE);
    if (c->qk_norm) {
        SanaTensor qk = sana_columns(qkv, 0, 2 * c->dim);
        sana_norm(s, qk, qk, &w->attn1.norm_qk, SANA_ACT_NONE, SANA_NONE);
    }
    sana_linear_attention(s, attended, qkv, c->head_dim, SANA_QKV_BY_PART);
    sana_linear(s, y, attended, &w->attn1.out, SANA_ACT_NONE, SANA_NONE);
    sana_pop(s, mark);
}

/* x (n, D) += attn2(x, text): on the hidden state as it is, neither normed nor gated. */
static void
cross_attention(SanaStream *s, const SanaTransformer *net, const SanaTransformerBlock *w,
                SanaTensor x, const SanaCondition *condition, int layer)
{
    const SanaTransformerConfig *c = &net->config;
    const int E = c->cross_dim;
    SanaTensor kv = condition->kv[layer];
    size_t mark = sana_mark(s);
    SanaTensor q = sana_scratch(s, net->dtype, x.h, x.w, E);
    SanaTensor attended = sana_scratch(s, net->dtype, x.h, x.w, E);
    /* also for one prompt, so that what is planned with one serves many */
    SanaTensor other = sana_scratch(s, net->dtype, x.h, x.w, E);
    sana_linear(s, q, x, &w->attn2.q, SANA_ACT_NONE, SANA_NONE);
    if (c->qk_norm)
        sana_norm(s, q, q, &w->attn2.norm_q, SANA_ACT_NONE, SANA_NONE);
    SanaAttention a = {.heads = c->cross_heads,
                       .kv_heads = c->cross_heads,
                       .scale = 1 / sqrtf((float)(E / c->cross_heads))};
    sana_attention(s, attended, q, sana_columns(kv, 0, E), sana_columns(kv, E, E), a);
    for (int i = 0; i < condition->n_more; i++) {
        kv = condition->more[i][layer];
        sana_attention(s, other, q, sana_columns(kv, 0, E), sana_columns(kv, E, E), a);
        sana_mix(s, attended, attended, other, sana_rows(condition->weights, i, 1));
    }
    sana_linear(s, x, attended, &w->attn2.out, SANA_ACT_NONE, x);
    sana_pop(s, mark);
}

/* y (h, w, D) = ff(x): 1×1 up, depthwise 3×3 with gate, 1×1 down. */
static void
mix_ffn(SanaStream *s, const SanaTransformer *net, const SanaTransformerBlock *w, SanaTensor y,
        SanaTensor x)
{
    const int F = net->config.hidden;
    size_t mark = sana_mark(s);
    SanaTensor up = sana_scratch(s, net->dtype, x.h, x.w, 2 * F);
    SanaTensor gated = sana_scratch(s, net->dtype, x.h, x.w, F);
    sana_linear(s, up, x, &w->ff.inverted, SANA_ACT_SILU, SANA_NONE);
    sana_glu_depthwise(s, gated, up, &w->ff.depth);
    sana_linear(s, y, gated, &w->ff.point, SANA_ACT_NONE, SANA_NONE);
    sana_pop(s, mark);
}

static void
block(SanaStream *s, const SanaTransformer *net, int i, SanaTensor x, SanaTensor modulation,
      const SanaCondition *condition)
{
    const SanaTransformerBlock *w = &net->blocks[i];
    const float eps = net->config.norm_eps;
    size_t mark = sana_mark(s);
    SanaTensor m = sana_scratch(s, SANA_F32, 1, 6, net->config.dim);
    SanaTensor y = sana_scratch(s, net->dtype, x.h, x.w, x.c);
    SanaTensor z = sana_scratch(s, net->dtype, x.h, x.w, x.c);
    sana_add(s, m, w->scale_shift_table, modulation);
    SanaTensor shift_msa = sana_rows(m, 0, 1), scale_msa = sana_rows(m, 1, 1);
    SanaTensor gate_msa = sana_rows(m, 2, 1), shift_mlp = sana_rows(m, 3, 1);
    SanaTensor scale_mlp = sana_rows(m, 4, 1), gate_mlp = sana_rows(m, 5, 1);

    sana_norm_modulate(s, y, x, shift_msa, scale_msa, eps);
    self_attention(s, net, w, z, y);
    sana_tap(s, z, "transformer_blocks.%d.attn1", i);
    sana_add_gated(s, x, z, gate_msa);

    cross_attention(s, net, w, x, condition, i);

    sana_norm_modulate(s, y, x, shift_mlp, scale_mlp, eps);
    mix_ffn(s, net, w, z, y);
    sana_tap(s, z, "transformer_blocks.%d.ff", i);
    sana_add_gated(s, x, z, gate_mlp);
    sana_tap(s, x, "transformer_blocks.%d", i);
    sana_pop(s, mark);
}

/* v = proj_out(layer_norm(x) · (1 + scale) + shift), both of table + conditioning. */
static void
output(SanaStream *s, const SanaTransformer *net, SanaTensor v, SanaTensor x,
       SanaTensor conditioning)
{
    size_t mark = sana_mark(s);
    SanaTensor m = sana_scratch(s, SANA_F32, 1, 2, net->config.dim);
    SanaTensor y = sana_scratch(s, net->dtype, x.h, x.w, x.c);
    sana_add(s, m, net->scale_shift_table, conditioning);
    sana_norm_modulate(s, y, x, sana_rows(m, 0, 1), sana_rows(m, 1, 1), NORM_OUT_EPS);
    sana_tap(s, y, "norm_out");
    sana_linear(s, v, y, &net->proj_out, SANA_ACT_NONE, SANA_NONE);
    sana_tap(s, v, "proj_out");
    sana_pop(s, mark);
}

void
sana_transformer_forward(SanaStream *s, const SanaTransformer *net, SanaTensor v, SanaTensor x,
                         const SanaCondition *condition)
{
    const SanaTransformerConfig *c = &net->config;
    size_t mark = sana_mark(s);
    SanaTensor conditioning = sana_scratch(s, SANA_F32, 1, 1, c->dim);
    SanaTensor modulation = sana_scratch(s, SANA_F32, 1, 6, c->dim);
    SanaTensor hidden = sana_scratch(s, net->dtype, x.h, x.w, c->dim);

    sana_linear(s, hidden, x, &net->patch_embed, SANA_ACT_NONE, SANA_NONE);
    if (c->interpolation_scale > 0)
        sana_add(s, hidden, hidden, condition->positions);
    sana_tap(s, hidden, "patch_embed");
    time_embed(s, net, conditioning, modulation, condition);

    for (int i = 0; i < c->layers; i++)
        block(s, net, i, hidden, modulation, condition);

    output(s, net, v, hidden, conditioning);
    sana_pop(s, mark);
}
