/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gemma2Model: the text encoder, a causal language model read at its last hidden state.
 *
 * Source: Gemma 2 (arXiv 2408.00118) and transformers' models/gemma2/modeling_gemma2.py with eager
 * attention, whose module names the checkpoint and the taps use.
 *
 * D hidden channels, Q = heads·head_dim, K = kv_heads·head_dim, F MLP channels, n tokens.
 */
#ifndef SANA_ENGINE_GEMMA2_H
#define SANA_ENGINE_GEMMA2_H

#include "engine/bind.h"

G_BEGIN_DECLS

#define SANA_GEMMA2_MAX_LAYERS 256

typedef struct {
    int hidden;                    /* D, 2304 */
    int layers;                    /* 26 */
    int heads, kv_heads, head_dim; /* 8, 4, 256 */
    int mlp;                       /* F, 9216 */
    int vocabulary;                /* 256000 */
    int max_tokens;                /* max_position_embeddings, at least 8192 */
    float norm_eps, rope_theta;
    float query_scale;                    /* factor on q·k: query_pre_attn_scalar^−½ */
    float softcap;                        /* 50; 0: none */
    int window;                           /* sliding window, 4096; 0: none */
    bool sliding[SANA_GEMMA2_MAX_LAYERS]; /* which layers have it */
    bool attention_bias;
} SanaGemma2Config;

/* Reads and checks directory/config.json, as transformers 4 or 5 write it. */
bool sana_gemma2_config(SanaGemma2Config *c, const char *directory, GError **error);

typedef struct {
    SanaNorm input_norm, post_attention_norm, pre_mlp_norm, post_mlp_norm; /* (D), 1 added */
    SanaLinear qkv;                                                        /* (Q + 2·K, D) */
    SanaLinear out;                                                        /* (D, Q) */
    SanaLinear gate_up;                                                    /* (2·F, D) */
    SanaLinear down;                                                       /* (D, F) */
} SanaGemma2Layer;

typedef struct {
    SanaGemma2Config config;
    SanaDType dtype;
    SanaTensor embed_tokens; /* (vocabulary, D), HOST memory: the mapped file */
    SanaGemma2Layer *layers; /* [layers] */
    SanaNorm norm;           /* (D), 1 added */
} SanaGemma2;

/* Binds every weight of net->config (set before), named with or without the prefix "model.".
 * net->dtype is what products compute in.  sana_gemma2_clear() frees what bind allocated. */
void sana_gemma2_bind(SanaGemma2 *net, SanaBinder *b);
void sana_gemma2_clear(SanaGemma2 *net);

/* Channels of one position in a layer's cache of keys and values, 2·K. */
static inline int
sana_gemma2_cache_channels(const SanaGemma2Config *c)
{
    return 2 * c->kv_heads * c->head_dim;
}

/*
 * y (n, D) of net->dtype = last hidden states of tokens at positions first … first + n − 1.
 *
 * kv[i] (≥ first + n, 2·K) of net->dtype caches keys, then values, of layer i: positions below
 * `first` are read, those of these tokens are written.  ids: n host integers below the vocabulary.
 */
void sana_gemma2_forward(SanaStream *s, const SanaGemma2 *net, SanaTensor y, const int32_t *ids,
                         int first, const SanaTensor *kv);

G_END_DECLS
#endif
