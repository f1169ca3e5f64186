/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/autoencoder_dc.h"

/* Constants of the class, not of a configuration. */
#define PICTURE_CHANNELS 3
#define NORM_EPS 1e-5f
#define GLU_EXPAND 4

/* --- weights ---------------------------------------------------------------------------------- */

static SanaConv
conv3x3(int in, int out)
{
    return (SanaConv){.in = in, .out = out, .kernel = 3, .stride = 1, .upsample = 1, .groups = 1};
}

/* A downsampling convolution from in to out channels at half the size. */
static SanaConv
conv_down(const SanaAutoencoderConfig *c, int in, int out)
{
    SanaConv k = conv3x3(in, c->unshuffle ? out / 4 : out);
    k.stride = c->unshuffle ? 1 : 2;
    return k;
}

/* An upsampling convolution from in to out channels at twice the size. */
static SanaConv
conv_up(const SanaAutoencoderConfig *c, int in, int out)
{
    SanaConv k = conv3x3(in, c->interpolate ? out : 4 * out);
    k.upsample = c->interpolate ? 2 : 1;
    return k;
}

static void
bind_norm(SanaBinder *b, SanaNorm *norm, const char *name, const SanaDcStageConfig *st)
{
    if (st->batch_norm)
        sana_bind_batch_norm(b, norm, name, st->width, NORM_EPS);
    else
        sana_bind_rms_norm(b, norm, name, st->width, NORM_EPS, 0, true);
}

static void
bind_res_block(SanaDcResBlock *w, SanaBinder *b, const SanaDcStageConfig *st)
{
    w->conv1 = w->conv2 = conv3x3(st->width, st->width);
    sana_bind_conv(b, &w->conv1, "conv1", true);
    sana_bind_conv(b, &w->conv2, "conv2", false);
    bind_norm(b, &w->norm, "norm", st);
}

static void
bind_attention_block(SanaDcAttentionBlock *w, SanaBinder *b, const SanaAutoencoderConfig *c,
                     const SanaDcStageConfig *st)
{
    const int C = st->width, heads = C / c->head_dim, I = heads * c->head_dim;
    const int F = GLU_EXPAND * C;
    sana_bind_enter(b, "attn");
    sana_bind_stack(b, &w->qkv, (const char *[]){"to_q", "to_k", "to_v", NULL},
                    (const int[]){I, I, I}, C, false);
    for (int i = 0; i < st->n_scales; i++) {
        sana_bind_enter(b, "to_qkv_multiscale.%d", i);
        w->scales[i].proj_in =
            (SanaConv){.in = 3 * I, .out = 3 * I, .kernel = st->scales[i], .groups = 3 * I};
        w->scales[i].proj_out =
            (SanaConv){.in = 3 * I, .out = 3 * I, .kernel = 1, .groups = 3 * heads};
        sana_bind_conv(b, &w->scales[i].proj_in, "proj_in", false);
        sana_bind_conv(b, &w->scales[i].proj_out, "proj_out", false);
        sana_bind_leave(b);
    }
    sana_bind_linear(b, &w->to_out, "to_out", C, I * (1 + st->n_scales), false);
    bind_norm(b, &w->norm_out, "norm_out", st);
    sana_bind_leave(b);

    sana_bind_enter(b, "conv_out");
    sana_bind_linear(b, &w->inverted, "conv_inverted", 2 * F, C, true);
    w->depth = (SanaConv){.in = 2 * F, .out = 2 * F, .kernel = 3, .groups = 2 * F};
    sana_bind_conv(b, &w->depth, "conv_depth", true);
    sana_bind_linear(b, &w->point, "conv_point", C, F, false);
    sana_bind_rms_norm(b, &w->norm, "norm", C, NORM_EPS, 0, true);
    sana_bind_leave(b);
}

/* The blocks of stage i under `name`, the first of them element `first` of its list. */
static void
bind_blocks(SanaDcStage *w, SanaBinder *b, const SanaAutoencoderConfig *c,
            const SanaDcStageConfig *st, int first)
{
    if (st->attention)
        w->attention = g_new0(SanaDcAttentionBlock, st->layers);
    else
        w->res = g_new0(SanaDcResBlock, st->layers);
    for (int j = 0; j < st->layers; j++) {
        sana_bind_enter(b, "%d", first + j);
        if (st->attention)
            bind_attention_block(&w->attention[j], b, c, st);
        else
            bind_res_block(&w->res[j], b, st);
        sana_bind_leave(b);
    }
}

/* The conv of a resampling block <name>. */
static void
bind_resample(SanaConv *k, SanaBinder *b, const char *format, int i, SanaConv shape)
{
    *k = shape;
    sana_bind_enter(b, format, i);
    sana_bind_conv(b, k, "conv", true);
    sana_bind_leave(b);
}

static void
bind_encoder(SanaAutoencoder *net, SanaBinder *b)
{
    const SanaAutoencoderConfig *c = &net->config;
    const SanaDcStageConfig *st = c->encoder;
    SanaDcHalf *w = &net->encoder;
    sana_bind_enter(b, "encoder");
    if (st[0].layers > 0) {
        w->conv_in = conv3x3(PICTURE_CHANNELS, st[0].width);
        sana_bind_conv(b, &w->conv_in, "conv_in", true);
    } else {
        bind_resample(&w->conv_in, b, "conv_in", 0, conv_down(c, PICTURE_CHANNELS, st[1].width));
    }
    sana_bind_inner(b, true);
    for (int i = 0; i < c->stages; i++) {
        sana_bind_enter(b, "down_blocks.%d", i);
        bind_blocks(&w->stages[i], b, c, &st[i], 0);
        if (i < c->stages - 1 && st[i].layers > 0)
            bind_resample(&w->stages[i].resample, b, "%d", st[i].layers,
                          conv_down(c, st[i].width, st[i + 1].width));
        sana_bind_leave(b);
    }
    sana_bind_inner(b, false);
    w->conv_out = conv3x3(st[c->stages - 1].width, c->latent_channels);
    sana_bind_conv(b, &w->conv_out, "conv_out", true);
    sana_bind_leave(b);
}

static void
bind_decoder(SanaAutoencoder *net, SanaBinder *b)
{
    const SanaAutoencoderConfig *c = &net->config;
    const SanaDcStageConfig *st = c->decoder;
    SanaDcHalf *w = &net->decoder;
    const int last = c->stages - 1;
    sana_bind_enter(b, "decoder");
    w->conv_in = conv3x3(c->latent_channels, st[last].width);
    sana_bind_conv(b, &w->conv_in, "conv_in", true);
    sana_bind_inner(b, true);
    for (int i = last; i >= 0; i--) {
        bool up = i < last && st[i].layers > 0;
        sana_bind_enter(b, "up_blocks.%d", i);
        if (up)
            bind_resample(&w->stages[i].resample, b, "%d", 0,
                          conv_up(c, st[i + 1].width, st[i].width));
        bind_blocks(&w->stages[i], b, c, &st[i], up ? 1 : 0);
        sana_bind_leave(b);
    }
    sana_bind_inner(b, false);
    const int width = st[0].layers > 0 ? st[0].width : st[1].width;
    sana_bind_rms_norm(b, &w->norm_out, "norm_out", width, NORM_EPS, 0, true);
    if (st[0].layers > 0) {
        w->conv_out = conv3x3(width, PICTURE_CHANNELS);
        sana_bind_conv(b, &w->conv_out, "conv_out", true);
    } else {
        bind_resample(&w->conv_out, b, "conv_out", 0, conv_up(c, width, PICTURE_CHANNELS));
    }
    sana_bind_leave(b);
}

void
sana_autoencoder_bind(SanaAutoencoder *net, SanaBinder *b)
{
    bind_encoder(net, b);
    bind_decoder(net, b);
}

void
sana_autoencoder_clear(SanaAutoencoder *net)
{
    SanaDcHalf *halves[] = {&net->encoder, &net->decoder};
    for (int h = 0; h < 2; h++) {
        for (int i = 0; i < SANA_DC_MAX_STAGES; i++) {
            g_clear_pointer(&halves[h]->stages[i].res, g_free);
            g_clear_pointer(&halves[h]->stages[i].attention, g_free);
        }
    }
}

/* --- blocks, in place on x (h, w, c) ---------------------------------------------------------- */

static void
res_block(SanaStream *s, const SanaDcResBlock *w, SanaAct act, SanaTensor x)
{
    size_t mark = sana_mark(s);
    SanaTensor y = sana_scratch(s, x.dtype, x.h, x.w, x.c);
    sana_conv(s, y, x, &w->conv1, act);
    sana_conv_norm_add(s, x, y, &w->conv2, &w->norm);
    sana_pop(s, mark);
}

/* x += norm_out(to_out(attention at every scale)).  Each scale's channels are whole heads, so the
 * scales attend one by one into columns of one map. */
static void
multiscale_attention(SanaStream *s, const SanaDcAttentionBlock *w, const SanaDcStageConfig *st,
                     int head_dim, SanaTensor x)
{
    const int I = w->qkv.out / 3;
    size_t mark = sana_mark(s);
    SanaTensor attended = sana_scratch(s, x.dtype, x.h, x.w, I * (1 + st->n_scales));
    SanaTensor qkv = sana_scratch(s, x.dtype, x.h, x.w, 3 * I);
    SanaTensor wide = sana_scratch(s, x.dtype, x.h, x.w, 3 * I);
    SanaTensor mixed = sana_scratch(s, x.dtype, x.h, x.w, 3 * I);
    sana_linear(s, qkv, x, &w->qkv, SANA_ACT_NONE, SANA_NONE);
    sana_linear_attention(s, sana_columns(attended, 0, I), qkv, head_dim, SANA_QKV_BY_HEAD);
    for (int i = 0; i < st->n_scales; i++) {
        sana_conv(s, wide, qkv, &w->scales[i].proj_in, SANA_ACT_NONE);
        sana_conv(s, mixed, wide, &w->scales[i].proj_out, SANA_ACT_NONE);
        sana_linear_attention(s, sana_columns(attended, (1 + i) * I, I), mixed, head_dim,
                              SANA_QKV_BY_HEAD);
    }
    SanaTensor out = sana_scratch(s, x.dtype, x.h, x.w, x.c);
    sana_linear(s, out, attended, &w->to_out, SANA_ACT_NONE, SANA_NONE);
    sana_norm(s, x, out, &w->norm_out, SANA_ACT_NONE, x);
    sana_pop(s, mark);
}

static void
glu_mbconv(SanaStream *s, const SanaDcAttentionBlock *w, SanaTensor x)
{
    const int F = w->point.in;
    size_t mark = sana_mark(s);
    SanaTensor gated = sana_scratch(s, x.dtype, x.h, x.w, F);
    SanaTensor up = sana_scratch(s, x.dtype, x.h, x.w, 2 * F);
    sana_linear(s, up, x, &w->inverted, SANA_ACT_SILU, SANA_NONE);
    sana_glu_depthwise(s, gated, up, &w->depth);
    SanaTensor out = sana_reshape(up, x.h, x.w, x.c); /* its input is spent */
    sana_linear(s, out, gated, &w->point, SANA_ACT_NONE, SANA_NONE);
    sana_norm(s, x, out, &w->norm, SANA_ACT_NONE, x);
    sana_pop(s, mark);
}

/* The blocks of a stage; `name` and `first` are for the taps. */
static void
run_blocks(SanaStream *s, const SanaDcStage *w, const SanaAutoencoderConfig *c,
           const SanaDcStageConfig *st, const char *name, int stage, int first, SanaTensor x)
{
    for (int j = 0; j < st->layers; j++) {
        if (st->attention) {
            multiscale_attention(s, &w->attention[j], st, c->head_dim, x);
            sana_tap(s, x, "%s.%d.%d.attn", name, stage, first + j);
            glu_mbconv(s, &w->attention[j], x);
        } else {
            res_block(s, &w->res[j], st->act, x);
        }
        sana_tap(s, x, "%s.%d.%d", name, stage, first + j);
    }
}

/* --- resampling ------------------------------------------------------------------------------- */

/* y (h/2, w/2, c') = conv, unshuffled where the configuration says so. */
static void
run_down(SanaStream *s, const SanaAutoencoderConfig *c, const SanaConv *k, SanaTensor y,
         SanaTensor x)
{
    if (!c->unshuffle) {
        sana_conv(s, y, x, k, SANA_ACT_NONE);
        return;
    }
    size_t mark = sana_mark(s);
    SanaTensor full = sana_scratch(s, x.dtype, x.h, x.w, k->out);
    sana_conv(s, full, x, k, SANA_ACT_NONE);
    sana_pixel_unshuffle(s, y, full);
    sana_pop(s, mark);
}

/* y (2h, 2w, c') */
static void
run_up(SanaStream *s, const SanaAutoencoderConfig *c, const SanaConv *k, SanaTensor y, SanaTensor x)
{
    if (c->interpolate) {
        sana_conv(s, y, x, k, SANA_ACT_NONE);
        return;
    }
    size_t mark = sana_mark(s);
    SanaTensor small = sana_scratch(s, x.dtype, x.h, x.w, k->out);
    sana_conv(s, small, x, k, SANA_ACT_NONE);
    sana_pixel_shuffle(s, y, small);
    sana_pop(s, mark);
}

/* --- the two halves --------------------------------------------------------------------------- */

void
sana_autoencoder_encode(SanaStream *s, const SanaAutoencoder *net, SanaTensor latent,
                        SanaTensor picture)
{
    const SanaAutoencoderConfig *c = &net->config;
    const SanaDcStageConfig *st = c->encoder;
    const SanaDcHalf *w = &net->encoder;
    size_t mark = sana_mark(s);
    SanaTensor x;
    if (st[0].layers > 0) {
        x = sana_scratch(s, net->dtype, picture.h, picture.w, st[0].width);
        sana_conv(s, x, picture, &w->conv_in, SANA_ACT_NONE);
    } else {
        x = sana_scratch(s, net->dtype, picture.h / 2, picture.w / 2, st[1].width);
        run_down(s, c, &w->conv_in, x, picture);
    }
    sana_tap(s, x, "encoder.conv_in");
    for (int i = 0; i < c->stages; i++) {
        run_blocks(s, &w->stages[i], c, &st[i], "encoder.down_blocks", i, 0, x);
        if (i == c->stages - 1 || st[i].layers == 0)
            continue;
        SanaTensor y = sana_scratch(s, net->dtype, x.h / 2, x.w / 2, st[i + 1].width);
        run_down(s, c, &w->stages[i].resample, y, x);
        sana_add_unshuffled_mean(s, y, x);
        sana_tap(s, y, "encoder.down_blocks.%d.%d", i, st[i].layers);
        x = y;
    }
    sana_conv(s, latent, x, &w->conv_out, SANA_ACT_NONE);
    sana_tap(s, latent, "encoder.conv_out");
    if (c->encoder_out_shortcut)
        sana_add_unshuffled_mean(s, latent, x);
    sana_tap(s, latent, "encoder");
    sana_pop(s, mark);
}

void
sana_autoencoder_decode(SanaStream *s, const SanaAutoencoder *net, SanaTensor picture,
                        SanaTensor latent)
{
    const SanaAutoencoderConfig *c = &net->config;
    const SanaDcStageConfig *st = c->decoder;
    const SanaDcHalf *w = &net->decoder;
    const int last = c->stages - 1;
    size_t mark = sana_mark(s);
    SanaTensor x = sana_scratch(s, net->dtype, latent.h, latent.w, st[last].width);
    sana_conv(s, x, latent, &w->conv_in, SANA_ACT_NONE);
    sana_tap(s, x, "decoder.conv_in");
    if (c->decoder_in_shortcut)
        sana_add_shuffled_repeat(s, x, latent);
    for (int i = last; i >= 0; i--) {
        bool up = i < last && st[i].layers > 0;
        if (up) {
            SanaTensor y = sana_scratch(s, net->dtype, 2 * x.h, 2 * x.w, st[i].width);
            run_up(s, c, &w->stages[i].resample, y, x);
            sana_add_shuffled_repeat(s, y, x);
            sana_tap(s, y, "decoder.up_blocks.%d.0", i);
            x = y;
        }
        run_blocks(s, &w->stages[i], c, &st[i], "decoder.up_blocks", i, up ? 1 : 0, x);
    }
    sana_norm(s, x, x, &w->norm_out, c->decoder_conv_act, SANA_NONE);
    if (st[0].layers > 0)
        sana_conv(s, picture, x, &w->conv_out, SANA_ACT_NONE);
    else
        run_up(s, c, &w->conv_out, picture, x);
    sana_tap(s, picture, "decoder");
    sana_pop(s, mark);
}
