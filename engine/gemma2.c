/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/gemma2.h"

#include "engine/config.h"
#include "kernels/convert.h"

#include <math.h>
#include <string.h>

#define MAX_WIDTH 65536

/* --- configuration ---------------------------------------------------------------------------- */

/* Which layers look back only a window: listed, or every second one from the first. */
static void
read_layer_types(SanaGemma2Config *c, SanaJson *j)
{
    bool listed = sana_json_has(j, "layer_types");
    for (int i = 0; i < c->layers; i++) {
        const char *type = listed ? sana_json_list_string(j, "layer_types", i) : NULL;
        if (listed && !type) {
            sana_json_fail(j, SANA_FILE_ERROR_MALFORMED,
                           "layer_types must list num_hidden_layers, %d, strings", c->layers);
            return;
        }
        c->sliding[i] = listed ? strcmp(type, "sliding_attention") == 0 : i % 2 == 0;
        if (listed && !c->sliding[i] && strcmp(type, "full_attention") != 0)
            sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                           "layer_types \"%s\" is not run here; sliding_attention and "
                           "full_attention are",
                           type);
    }
}

/* Older files ask for scaled angles in another place, or by another name. */
static void
check_rope(SanaJson *j)
{
    static const char *const keys[] = {"rope_scaling.rope_type", "rope_scaling.type",
                                       "rope_parameters.rope_type", "rope_parameters.type"};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *rope = sana_json_string(j, keys[i], "default");
        if (strcmp(rope, "default") != 0)
            sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED, "%s \"%s\" is not run here; default is",
                           keys[i], rope);
    }
}

static void
check_runnable(const SanaGemma2Config *c, SanaJson *j)
{
    const char *act = sana_json_string(j, "hidden_activation", "gelu_pytorch_tanh");
    if (strcmp(act, "gelu_pytorch_tanh") != 0)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "hidden_activation \"%s\" is not run here; gelu_pytorch_tanh is", act);
    check_rope(j);
    if (sana_json_bool(j, "use_bidirectional_attention", false))
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "use_bidirectional_attention is not run here; Gemma-2 is causal");
    if (c->heads % c->kv_heads != 0 || c->head_dim % 2 != 0)
        sana_json_fail(j, SANA_FILE_ERROR_MALFORMED,
                       "num_key_value_heads %d must divide num_attention_heads %d, and head_dim %d "
                       "must be even",
                       c->kv_heads, c->heads, c->head_dim);
}

bool
sana_gemma2_config(SanaGemma2Config *c, const char *directory, GError **error)
{
    SanaJson *j = sana_json_open(directory, "config.json", error);
    if (!j)
        return false;
    *c = (SanaGemma2Config){
        .hidden = sana_json_int(j, "hidden_size", 2304, 1, MAX_WIDTH),
        .layers = sana_json_int(j, "num_hidden_layers", 26, 1, SANA_GEMMA2_MAX_LAYERS),
        .heads = sana_json_int(j, "num_attention_heads", 8, 1, 256),
        .kv_heads = sana_json_int(j, "num_key_value_heads", 4, 1, 256),
        .head_dim = sana_json_int(j, "head_dim", 256, 1, 4096),
        .mlp = sana_json_int(j, "intermediate_size", 9216, 1, 1 << 20),
        .vocabulary = sana_json_int(j, "vocab_size", 256000, 1, 1 << 24),
        /* rotations know no end, and the reference looks at the key no more than that */
        .max_tokens = MAX(sana_json_int(j, "max_position_embeddings", 8192, 1, 1 << 24), 8192),
        .norm_eps = (float)sana_json_double(j, "rms_norm_eps", 1e-6, 0, 1),
        .softcap = (float)sana_json_double(j, "attn_logit_softcapping", 50, 0, 1e6),
        .window = sana_json_int(j, "sliding_window", 4096, 0, 1 << 24),
        .attention_bias = sana_json_bool(j, "attention_bias", false),
    };
    /* null switches these two off; absent they have the defaults above */
    if (sana_json_is_null(j, "attn_logit_softcapping"))
        c->softcap = 0;
    if (sana_json_is_null(j, "sliding_window"))
        c->window = 0;
    const char *theta = sana_json_has(j, "rope_parameters.rope_theta")
                            ? "rope_parameters.rope_theta"
                            : "rope_theta";
    c->rope_theta = (float)sana_json_double(j, theta, 10000, 1, 1e12);
    c->query_scale =
        (float)(1 / sqrt(sana_json_double(j, "query_pre_attn_scalar", 256, 1e-6, 1e9)));
    if (sana_json_ok(j)) {
        read_layer_types(c, j);
        check_runnable(c, j);
    }
    return sana_json_finish(j, error);
}

/* --- weights ---------------------------------------------------------------------------------- */

static void
bind_norm(SanaBinder *b, SanaNorm *norm, const char *name, const SanaGemma2Config *c)
{
    sana_bind_rms_norm(b, norm, name, c->hidden, c->norm_eps, 1, false);
}

static void
bind_layer(SanaGemma2Layer *w, SanaBinder *b, const SanaGemma2Config *c, int i)
{
    const int D = c->hidden, F = c->mlp, Q = c->heads * c->head_dim, K = c->kv_heads * c->head_dim;
    sana_bind_enter(b, "layers.%d", i);
    bind_norm(b, &w->input_norm, "input_layernorm", c);
    sana_bind_enter(b, "self_attn");
    sana_bind_stack(b, &w->qkv, (const char *[]){"q_proj", "k_proj", "v_proj", NULL},
                    (const int[]){Q, K, K}, D, c->attention_bias);
    sana_bind_linear(b, &w->out, "o_proj", D, Q, c->attention_bias);
    sana_bind_leave(b);
    bind_norm(b, &w->post_attention_norm, "post_attention_layernorm", c);
    bind_norm(b, &w->pre_mlp_norm, "pre_feedforward_layernorm", c);
    sana_bind_enter(b, "mlp");
    sana_bind_stack(b, &w->gate_up, (const char *[]){"gate_proj", "up_proj", NULL},
                    (const int[]){F, F}, D, false);
    sana_bind_linear(b, &w->down, "down_proj", D, F, false);
    sana_bind_leave(b);
    bind_norm(b, &w->post_mlp_norm, "post_feedforward_layernorm", c);
    sana_bind_leave(b);
}

void
sana_gemma2_bind(SanaGemma2 *net, SanaBinder *b)
{
    const SanaGemma2Config *c = &net->config;
    bool prefixed = sana_bind_has(b, "model.embed_tokens.weight");
    if (prefixed)
        sana_bind_enter(b, "model");
    sana_bind_mapped(b, &net->embed_tokens, "embed_tokens.weight", c->vocabulary, c->hidden);
    net->layers = g_new0(SanaGemma2Layer, c->layers);
    for (int i = 0; i < c->layers; i++)
        bind_layer(&net->layers[i], b, c, i);
    bind_norm(b, &net->norm, "norm", c);
    if (prefixed)
        sana_bind_leave(b);
}

void
sana_gemma2_clear(SanaGemma2 *net)
{
    g_clear_pointer(&net->layers, g_free);
}

/* --- forward ---------------------------------------------------------------------------------- */

/* x (n, D) += post_norm(out(attention(input_norm(x)))) */
static void
attention(SanaStream *s, const SanaGemma2 *net, int i, SanaTensor x, int first, SanaTensor kv)
{
    const SanaGemma2Config *c = &net->config;
    const SanaGemma2Layer *w = &net->layers[i];
    const int n = x.w, Q = c->heads * c->head_dim, K = c->kv_heads * c->head_dim;
    size_t mark = sana_mark(s);
    SanaTensor y = sana_scratch(s, net->dtype, 1, n, c->hidden);
    SanaTensor qkv = sana_scratch(s, net->dtype, 1, n, Q + 2 * K);
    SanaTensor attended = sana_scratch(s, net->dtype, 1, n, Q);
    SanaTensor q = sana_columns(qkv, 0, Q), k = sana_columns(qkv, Q, K);

    sana_norm(s, y, x, &w->input_norm, SANA_ACT_NONE, SANA_NONE);
    sana_linear(s, qkv, y, &w->qkv, SANA_ACT_NONE, SANA_NONE);
    sana_rope(s, q, c->head_dim, first, c->rope_theta);
    sana_rope(s, k, c->head_dim, first, c->rope_theta);
    sana_activate(s, sana_rows(kv, first, n), sana_columns(qkv, Q, 2 * K), SANA_ACT_NONE);

    SanaTensor seen = sana_rows(kv, 0, first + n);
    sana_attention(s, attended, q, sana_columns(seen, 0, K), sana_columns(seen, K, K),
                   (SanaAttention){.heads = c->heads,
                                   .kv_heads = c->kv_heads,
                                   .scale = c->query_scale,
                                   .softcap = c->softcap,
                                   .causal = true,
                                   .window = c->sliding[i] ? c->window : 0});
    sana_linear(s, y, attended, &w->out, SANA_ACT_NONE, SANA_NONE);
    sana_norm(s, x, y, &w->post_attention_norm, SANA_ACT_NONE, x);
    sana_pop(s, mark);
}

/* x (n, D) += post_norm(down(gelu(gate(y)) · up(y))), y = pre_norm(x) */
static void
mlp(SanaStream *s, const SanaGemma2 *net, int i, SanaTensor x)
{
    const SanaGemma2Config *c = &net->config;
    const SanaGemma2Layer *w = &net->layers[i];
    size_t mark = sana_mark(s);
    SanaTensor y = sana_scratch(s, net->dtype, 1, x.w, c->hidden);
    SanaTensor up = sana_scratch(s, net->dtype, 1, x.w, 2 * c->mlp);
    SanaTensor gated = sana_scratch(s, net->dtype, 1, x.w, c->mlp);
    sana_norm(s, y, x, &w->pre_mlp_norm, SANA_ACT_NONE, SANA_NONE);
    sana_linear(s, up, y, &w->gate_up, SANA_ACT_NONE, SANA_NONE);
    sana_geglu(s, gated, up);
    sana_linear(s, y, gated, &w->down, SANA_ACT_NONE, SANA_NONE);
    sana_norm(s, x, y, &w->post_mlp_norm, SANA_ACT_NONE, x);
    sana_pop(s, mark);
}

void
sana_gemma2_forward(SanaStream *s, const SanaGemma2 *net, SanaTensor y, const int32_t *ids,
                    int first, const SanaTensor *kv)
{
    const SanaGemma2Config *c = &net->config;
    size_t mark = sana_mark(s);
    /* F32, as 52 sums in bf16 would lose what the layers add */
    SanaTensor x = sana_scratch(s, SANA_F32, 1, y.w, c->hidden);
    float scale = sqrtf((float)c->hidden);
    if (net->dtype == SANA_BF16)
        scale = sana_bf16_to_f32(sana_f32_to_bf16(scale));
    sana_embed_tokens(s, x, net->embed_tokens, ids, scale);
    for (int i = 0; i < c->layers; i++) {
        attention(s, net, i, x, first, kv[i]);
        mlp(s, net, i, x);
        sana_tap(s, x, "layers.%d", i);
    }
    sana_norm(s, y, x, &net->norm, SANA_ACT_NONE, SANA_NONE);
    sana_tap(s, y, "norm");
    sana_pop(s, mark);
}
