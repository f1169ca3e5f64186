/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SanaTransformer2DModel: the denoiser, linear attention over latent pixels.
 *
 * Source: SANA (arXiv 2410.10629), SANA-Sprint (arXiv 2503.09641), and diffusers'
 * models/transformers/sana_transformer.py, whose module names the checkpoint and the taps use.
 *
 * D = heads·head_dim channels inside, C latent channels, E = cross_heads·cross_head_dim, F hidden
 * channels of the Mix-FFN, t text tokens, n = h·w latent pixels.
 */
#ifndef SANA_ENGINE_SANA_TRANSFORMER_H
#define SANA_ENGINE_SANA_TRANSFORMER_H

#include "engine/bind.h"

G_BEGIN_DECLS

typedef struct {
    int channels;               /* C, 32 */
    int heads, head_dim, dim;   /* self-attention, D */
    int cross_heads, cross_dim; /* cross-attention, E */
    int layers;
    int hidden;           /* F = ⌊mlp_ratio·D⌋ */
    int caption_channels; /* width of a prompt embedding */
    int sample_size;      /* latent side it was trained on */
    float norm_eps;
    bool attention_bias, qk_norm;
    bool guidance;              /* guidance is an embedding: SANA-Sprint */
    double guidance_scale;      /* factor on the guidance before it is embedded, 0.1 */
    double interpolation_scale; /* of the sin-cos positions; 0: no positions */
} SanaTransformerConfig;

/* Reads and checks directory/config.json.  What this code does not run (patch_size ≠ 1, affine
 * norms, unknown qk_norm) is SANA_FILE_ERROR_UNSUPPORTED, in one sentence. */
bool sana_transformer_config(SanaTransformerConfig *c, const char *directory, GError **error);

/* Timestep → SiLU → : two products of one sinusoid. */
typedef struct {
    SanaLinear linear_1; /* (D, 256) */
    SanaLinear linear_2; /* (D, D) */
} SanaTimeEmbedder;

typedef struct {
    SanaTensor scale_shift_table; /* (6, D) F32: shift, scale, gate of attention, of Mix-FFN */
    struct {
        SanaLinear qkv;   /* (3·D, D) */
        SanaNorm norm_qk; /* (2·D) in two groups: norm_q, norm_k */
        SanaLinear out;   /* (D, D) */
    } attn1;
    struct {
        SanaLinear q;            /* (E, D) */
        SanaLinear kv;           /* (2·E, D) */
        SanaNorm norm_q, norm_k; /* (E) */
        SanaLinear out;          /* (D, E) */
    } attn2;
    struct {
        SanaLinear inverted; /* (2·F, D) */
        SanaConv depth;      /* (2·F, 1, 3, 3) */
        SanaLinear point;    /* (D, F) */
    } ff;
} SanaTransformerBlock;

typedef struct {
    SanaTransformerConfig config;
    SanaDType dtype;
    SanaLinear patch_embed; /* (D, C) */
    SanaTimeEmbedder timestep_embedder, guidance_embedder;
    SanaLinear time_linear; /* (6·D, D) */
    struct {
        SanaLinear linear_1, linear_2; /* (D, caption_channels), (D, D) */
    } caption_projection;
    SanaNorm caption_norm;        /* (D) */
    SanaTransformerBlock *blocks; /* [layers] */
    SanaTensor scale_shift_table; /* (2, D) F32 */
    SanaLinear proj_out;          /* (C, D) */
} SanaTransformer;

/* Binds every weight of net->config (set before); net->dtype is what products compute in.
 * sana_transformer_clear() frees what bind allocated outside the pool. */
void sana_transformer_bind(SanaTransformer *net, SanaBinder *b);
void sana_transformer_clear(SanaTransformer *net);

/* Once per prompt: embedding (t, caption_channels) of net->dtype → keys and values of every block's
 * cross-attention, kv[i] (t, 2·E) of net->dtype, keys first. */
void sana_transformer_caption(SanaStream *s, const SanaTransformer *net, SanaTensor *kv,
                              SanaTensor embedding);

/* The guidance as it is embedded: guidance · config.guidance_scale, rounded as the reference
 * rounds in net->dtype. */
float sana_transformer_guidance(const SanaTransformer *net, double guidance);

/* Positions for latents of h × w: config.interpolation_scale > 0 only.  (h·w·D) floats in host
 * memory. */
void sana_transformer_positions(const SanaTransformerConfig *c, int h, int w, float *positions);

/* What a step is conditioned on, all in device memory. */
typedef struct {
    SanaTensor time;      /* (1, 1, 1) F32: the noise fraction s */
    SanaTensor guidance;  /* (1, 1, 1) F32; SANA_NONE where the model has none */
    SanaTensor positions; /* (h, w, D) F32; SANA_NONE where the model has none */
    const SanaTensor *kv; /* [layers], of sana_transformer_caption() */

    /* n_more further prompts.  Each cross-attention asks all and mixes the answers:
     * answer ← weights[i][0]·answer + weights[i][1]·(that of more[i]). */
    const SanaTensor *const *more;
    int n_more;
    SanaTensor weights; /* (1, n_more, 2) F32; SANA_NONE where n_more is 0 */
} SanaCondition;

/* v (h, w, C) = network(x (h, w, C)): any dtypes. */
void sana_transformer_forward(SanaStream *s, const SanaTransformer *net, SanaTensor v, SanaTensor x,
                              const SanaCondition *condition);

G_END_DECLS
#endif
