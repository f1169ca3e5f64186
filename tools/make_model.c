/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sana-make-model: writes a model directory of a published configuration with random weights, so
 * that full-size speed and memory can be measured without the weights.  Its pictures are noise.
 *
 * The names and shapes come from the networks themselves: each is bound to a listing binder.
 */
#include "engine/autoencoder_dc.h"
#include "engine/gemma2.h"
#include "engine/sana_transformer.h"
#include "engine/tokenizer.h"
#include "kernels/convert.h"
#include "pipelines/noise.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- configurations --------------------------------------------------------------------------- */

static const char model_index[] =
    "{\n  \"_class_name\": \"SanaSprintPipeline\",\n  \"_diffusers_version\": \"0.42.1\",\n"
    "  \"scheduler\": [\"diffusers\", \"SCMScheduler\"],\n"
    "  \"text_encoder\": [\"transformers\", \"Gemma2Model\"],\n"
    "  \"tokenizer\": [\"transformers\", \"GemmaTokenizer\"],\n"
    "  \"transformer\": [\"diffusers\", \"SanaTransformer2DModel\"],\n"
    "  \"vae\": [\"diffusers\", \"AutoencoderDC\"]\n}\n";

static const char scheduler[] =
    "{\n  \"_class_name\": \"SCMScheduler\",\n  \"num_train_timesteps\": 1000,\n"
    "  \"prediction_type\": \"trigflow\",\n  \"sigma_data\": 0.5\n}\n";

static const char transformer_format[] =
    "{\n  \"_class_name\": \"SanaTransformer2DModel\",\n  \"attention_bias\": false,\n"
    "  \"attention_head_dim\": 32,\n  \"caption_channels\": %d,\n  \"cross_attention_dim\": %d,\n"
    "  \"cross_attention_head_dim\": %d,\n  \"guidance_embeds\": true,\n"
    "  \"guidance_embeds_scale\": 0.1,\n  \"in_channels\": 32,\n  \"interpolation_scale\": null,\n"
    "  \"mlp_ratio\": 2.5,\n  \"norm_elementwise_affine\": false,\n  \"norm_eps\": 1e-06,\n"
    "  \"num_attention_heads\": %d,\n  \"num_cross_attention_heads\": %d,\n"
    "  \"num_layers\": %d,\n  \"out_channels\": 32,\n  \"patch_size\": 1,\n"
    "  \"qk_norm\": \"rms_norm_across_heads\",\n  \"sample_size\": 32\n}\n";

static const char vae_format[] =
    "{\n  \"_class_name\": \"AutoencoderDC\",\n  \"attention_head_dim\": 32,\n"
    "  \"decoder_act_fns\": \"silu\",\n  \"decoder_block_out_channels\": %s,\n"
    "  \"decoder_block_types\": %s,\n  \"decoder_layers_per_block\": %s,\n"
    "  \"decoder_norm_types\": \"rms_norm\",\n  \"decoder_qkv_multiscales\": %s,\n"
    "  \"downsample_block_type\": \"conv\",\n  \"encoder_block_out_channels\": %s,\n"
    "  \"encoder_block_types\": %s,\n  \"encoder_layers_per_block\": %s,\n"
    "  \"encoder_qkv_multiscales\": %s,\n  \"in_channels\": 3,\n  \"latent_channels\": 32,\n"
    "  \"scaling_factor\": 0.41407,\n  \"upsample_block_type\": \"interpolate\"\n}\n";

static const char text_format[] =
    "{\n  \"architectures\": [\"Gemma2Model\"],\n  \"attention_bias\": false,\n"
    "  \"attn_logit_softcapping\": 50.0,\n  \"bos_token_id\": 2,\n  \"eos_token_id\": 1,\n"
    "  \"final_logit_softcapping\": 30.0,\n  \"head_dim\": %d,\n"
    "  \"hidden_activation\": \"gelu_pytorch_tanh\",\n  \"hidden_size\": %d,\n"
    "  \"intermediate_size\": %d,\n  \"max_position_embeddings\": 8192,\n"
    "  \"model_type\": \"gemma2\",\n  \"num_attention_heads\": %d,\n"
    "  \"num_hidden_layers\": %d,\n  \"num_key_value_heads\": %d,\n  \"pad_token_id\": 0,\n"
    "  \"query_pre_attn_scalar\": %d,\n  \"rms_norm_eps\": 1e-06,\n  \"rope_theta\": 10000.0,\n"
    "  \"sliding_window\": 4096,\n  \"vocab_size\": %d\n}\n";

typedef struct {
    int heads, cross_heads, cross_head_dim, layers; /* transformer; the width is 32·heads */
    const char *widths, *types, *encoder_layers, *decoder_layers, *scales; /* autoencoder */
    int hidden, text_head_dim, mlp, text_heads, text_layers, kv_heads;     /* Gemma */
    int vocabulary;                                                        /* 0: the tokenizer's */
} Kind;

#define DC_AE                                                                \
    "[128, 256, 512, 512, 1024, 1024]",                                      \
        "[\"ResBlock\", \"ResBlock\", \"ResBlock\", \"EfficientViTBlock\", " \
        "\"EfficientViTBlock\", \"EfficientViTBlock\"]",                     \
        "[2, 2, 2, 3, 3, 3]", "[3, 3, 3, 3, 3, 3]", "[[], [], [], [5], [5], [5]]"
#define DC_AE_TINY                                                                             \
    "[32, 64, 128, 128]", "[\"ResBlock\", \"ResBlock\", \"ResBlock\", \"EfficientViTBlock\"]", \
        "[0, 1, 1, 1]", "[0, 1, 1, 1]", "[[], [], [], [5]]"

static const struct {
    const char *name;
    Kind kind;
} kinds[] = {
    {"0.6b", {36, 16, 72, 28, DC_AE, 2304, 256, 9216, 8, 26, 4, 256000}},
    {"1.6b", {70, 20, 112, 20, DC_AE, 2304, 256, 9216, 8, 26, 4, 256000}},
    {"tiny", {6, 4, 48, 6, DC_AE_TINY, 96, 32, 256, 4, 2, 2, 0}},
};

/* --- tensors ---------------------------------------------------------------------------------- */

typedef struct {
    char *name;
    int64_t dims[4];
    int n_dims;
    size_t count;
} Tensor;

static void
free_tensor(gpointer data)
{
    g_free(((Tensor *)data)->name);
    g_free(data);
}

/* Products that the checkpoints store as 1×1 convolutions. */
static gboolean
is_convolution(const char *name)
{
    return strstr(name, "conv_inverted.weight") || strstr(name, "conv_point.weight") ||
           strstr(name, "patch_embed.proj.weight");
}

static void
on_tensor(const char *name, const int64_t *dims, int n_dims, void *user)
{
    Tensor *t = g_new0(Tensor, 1);
    t->name = g_strdup(name);
    t->n_dims = n_dims;
    t->count = 1;
    for (int i = 0; i < n_dims; i++) {
        t->dims[i] = dims[i];
        t->count *= (size_t)dims[i];
    }
    if (is_convolution(name)) {
        t->n_dims = 4;
        t->dims[2] = t->dims[3] = 1;
    }
    g_ptr_array_add(user, t);
}

/* Mean and deviation that keep activations near 1 through any depth. */
static void
distribution(const Tensor *t, const char *network, float *mean, float *deviation)
{
    size_t fan_in = t->count / (size_t)t->dims[0];
    gboolean gemma = strcmp(network, "text_encoder") == 0;
    *mean = 0;
    *deviation = 0.02f;
    if (strstr(t->name, "embed_tokens") || strstr(t->name, "scale_shift_table"))
        *deviation = 0.05f;
    else if (t->n_dims == 1 && g_str_has_suffix(t->name, ".weight"))
        *mean = gemma ? 0 : 1;
    else if (t->n_dims > 1)
        *deviation = 1 / sqrtf((float)fan_in);
}

/* --- writing ---------------------------------------------------------------------------------- */

#define BLOCK (1 << 16)

static gboolean
fail(GError **error, const char *path)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", path,
                g_strerror(errno));
    return FALSE;
}

/* Normal values from one block of noise, read from a new place each time: as good as new for a
 * benchmark, and a hundred times faster than drawing three billion. */
static gboolean
write_values(FILE *f, const Tensor *t, const char *network, SanaDType dtype, const float *noise)
{
    static guint32 place;
    float mean, deviation, f32[BLOCK / 2];
    guint16 half[BLOCK / 2];
    distribution(t, network, &mean, &deviation);
    for (size_t done = 0; done < t->count;) {
        size_t n = MIN(t->count - done, BLOCK / 2);
        place = place * 1664525u + 1013904223u;
        const float *source = noise + (place >> 17);
        for (size_t i = 0; i < n; i++) {
            f32[i] = mean + deviation * source[i];
            half[i] = sana_f32_to_bf16(f32[i]);
        }
        size_t size = sana_dtype_size(dtype);
        if (fwrite(dtype == SANA_F32 ? (void *)f32 : (void *)half, size, n, f) != n)
            return FALSE;
        done += n;
    }
    return TRUE;
}

static GString *
make_header(const GPtrArray *tensors, SanaDType dtype)
{
    GString *h = g_string_new("{");
    size_t at = 0;
    for (guint i = 0; i < tensors->len; i++) {
        const Tensor *t = tensors->pdata[i];
        size_t end = at + t->count * sana_dtype_size(dtype);
        g_string_append_printf(h, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "", t->name,
                               dtype == SANA_F32 ? "F32" : "BF16");
        for (int d = 0; d < t->n_dims; d++)
            g_string_append_printf(h, "%s%" G_GINT64_FORMAT, d ? "," : "", t->dims[d]);
        g_string_append_printf(h, "],\"data_offsets\":[%zu,%zu]}", at, end);
        at = end;
    }
    g_string_append(h, ",\"__metadata__\":{\"format\":\"pt\"}}");
    while (h->len % 8)
        g_string_append_c(h, ' ');
    return h;
}

static gboolean
write_safetensors(const char *path, const GPtrArray *tensors, const char *network, SanaDType dtype,
                  const float *noise, GError **error)
{
    FILE *f = g_fopen(path, "wb");
    if (!f)
        return fail(error, path);
    GString *header = make_header(tensors, dtype);
    guint64 length = GUINT64_TO_LE((guint64)header->len);
    gboolean ok = fwrite(&length, 8, 1, f) == 1 && fwrite(header->str, header->len, 1, f) == 1;
    for (guint i = 0; i < tensors->len && ok; i++)
        ok = write_values(f, tensors->pdata[i], network, dtype, noise);
    ok = ok || fail(error, path);
    g_string_free(header, TRUE);
    if (fclose(f) != 0 && ok)
        ok = fail(error, path);
    return ok;
}

/* --- a directory ------------------------------------------------------------------------------ */

static gboolean
write_text(const char *directory, const char *part, const char *name, const char *text,
           GError **error)
{
    g_autofree char *folder = g_build_filename(directory, part, NULL);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (g_mkdir_with_parents(folder, 0755) != 0)
        return fail(error, folder);
    return g_file_set_contents(path, text, -1, error);
}

/* Pieces of the tokenizer that was copied, and those that transformers' class of it adds. */
static gboolean
count_pieces(const char *directory, int *pieces, GError **error)
{
    g_autofree char *folder = g_build_filename(directory, "tokenizer", NULL);
    SanaTokenizer *tokenizer = sana_tokenizer_open(folder, error);
    if (!tokenizer)
        return FALSE;
    *pieces = sana_tokenizer_size(tokenizer) + 8;
    sana_tokenizer_free(tokenizer);
    return TRUE;
}

static gboolean
write_configs(const char *directory, const Kind *k, GError **error)
{
    int vocabulary = k->vocabulary;
    if (!vocabulary && !count_pieces(directory, &vocabulary, error))
        return FALSE;
    g_autofree char *transformer =
        g_strdup_printf(transformer_format, k->hidden, 32 * k->heads, k->cross_head_dim, k->heads,
                        k->cross_heads, k->layers);
    g_autofree char *vae =
        g_strdup_printf(vae_format, k->widths, k->types, k->decoder_layers, k->scales, k->widths,
                        k->types, k->encoder_layers, k->scales);
    g_autofree char *text =
        g_strdup_printf(text_format, k->text_head_dim, k->hidden, k->mlp, k->text_heads,
                        k->text_layers, k->kv_heads, k->text_head_dim, vocabulary);
    return write_text(directory, "scheduler", "scheduler_config.json", scheduler, error) &&
           write_text(directory, "transformer", "config.json", transformer, error) &&
           write_text(directory, "vae", "config.json", vae, error) &&
           write_text(directory, "text_encoder", "config.json", text, error);
}

static gboolean
copy_tokenizer(const char *directory, const char *from, GError **error)
{
    static const char *const names[] = {"tokenizer.model", "tokenizer.json",
                                        "tokenizer_config.json"};
    g_autofree char *folder = g_build_filename(directory, "tokenizer", NULL);
    if (g_mkdir_with_parents(folder, 0755) != 0)
        return fail(error, folder);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *source = g_build_filename(from, names[i], NULL);
        g_autofree char *target = g_build_filename(folder, names[i], NULL);
        g_autofree char *text = NULL;
        gsize length;
        if (!g_file_get_contents(source, &text, &length, error) ||
            !g_file_set_contents(target, text, (gssize)length, error))
            return FALSE;
    }
    return TRUE;
}

typedef struct {
    const char *part, *file;
    gboolean (*bind)(const char *directory, SanaBinder *b, GError **error);
} Network;

static gboolean
bind_transformer(const char *directory, SanaBinder *b, GError **error)
{
    SanaTransformer net = {0};
    gboolean ok = sana_transformer_config(&net.config, directory, error);
    if (ok)
        sana_transformer_bind(&net, b);
    sana_transformer_clear(&net);
    return ok;
}

static gboolean
bind_autoencoder(const char *directory, SanaBinder *b, GError **error)
{
    SanaAutoencoder net = {0};
    gboolean ok = sana_autoencoder_config(&net.config, directory, error);
    if (ok)
        sana_autoencoder_bind(&net, b);
    sana_autoencoder_clear(&net);
    return ok;
}

static gboolean
bind_text(const char *directory, SanaBinder *b, GError **error)
{
    SanaGemma2 net = {0};
    gboolean ok = sana_gemma2_config(&net.config, directory, error);
    if (ok)
        sana_gemma2_bind(&net, b);
    sana_gemma2_clear(&net);
    return ok;
}

static const Network networks[] = {
    {"transformer", "diffusion_pytorch_model.safetensors", bind_transformer},
    {"vae", "diffusion_pytorch_model.safetensors", bind_autoencoder},
    {"text_encoder", "model.safetensors", bind_text},
};

static gboolean
write_network(const char *directory, const Network *n, SanaDType dtype, const float *noise,
              GError **error)
{
    g_autofree char *folder = g_build_filename(directory, n->part, NULL);
    g_autofree char *path = g_build_filename(folder, n->file, NULL);
    g_autoptr(GPtrArray) tensors = g_ptr_array_new_with_free_func(free_tensor);
    SanaDevice *planner = sana_device_open("planner", error);
    if (!planner)
        return FALSE;
    SanaPool *pool = sana_pool_new(planner);
    SanaBinder *b = sana_binder_new_listing(pool, on_tensor, tensors);
    gboolean ok = n->bind(folder, b, error);
    sana_binder_finish(b, n->part, NULL, NULL);
    sana_pool_free(pool);
    sana_device_unref(planner);
    g_print("%s: %u tensors\n", path, tensors->len);
    return ok && write_safetensors(path, tensors, n->part, dtype, noise, error);
}

static gboolean
make(const char *name, const char *directory, const char *tokenizer, SanaDType dtype,
     GError **error)
{
    const Kind *kind = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            kind = &kinds[i].kind;
    if (!kind) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "there is no configuration \"%s\"; choose 0.6b, 1.6b or tiny", name);
        return FALSE;
    }
    /* what makes it a model goes first and comes last: half of one is none */
    g_autofree char *index = g_build_filename(directory, "model_index.json", NULL);
    if (g_unlink(index) != 0 && errno != ENOENT && errno != ENOTDIR)
        return fail(error, index);
    if (!copy_tokenizer(directory, tokenizer, error) || !write_configs(directory, kind, error))
        return FALSE;
    g_autofree float *noise = g_new(float, BLOCK);
    g_autofree SanaGenerator *g = g_new(SanaGenerator, 1);
    sana_generator_seed(g, 0);
    sana_generator_randn(g, noise, BLOCK);
    for (size_t i = 0; i < G_N_ELEMENTS(networks); i++)
        if (!write_network(directory, &networks[i], dtype, noise, error))
            return FALSE;
    return g_file_set_contents(index, model_index, -1, error);
}

int
main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    g_autofree char *dtype = NULL, *tokenizer = NULL;
    GError *error = NULL;
    GOptionEntry entries[] = {
        {"dtype", 0, 0, G_OPTION_ARG_STRING, &dtype, "Storage type: bf16 (default) or f32", "TYPE"},
        {"tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &tokenizer,
         "Directory of the tokenizer to copy (default: the bundled model's)", "DIR"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("CONFIGURATION DIRECTORY");
    g_option_context_set_summary(
        context, "Writes a model directory with random weights: CONFIGURATION is 0.6b, 1.6b or "
                 "tiny.\n0.6b takes 7 GB, of which the text encoder is 5.2 GB.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        goto failed;
    if (dtype && strcmp(dtype, "bf16") != 0 && strcmp(dtype, "f32") != 0) {
        g_set_error(&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "there is no storage type \"%s\"; choose bf16 or f32", dtype);
        goto failed;
    }
    if (argc != 3) {
        g_set_error_literal(&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                            "give a configuration and a directory (--help says more)");
        goto failed;
    }
    if (make(argv[1], argv[2], tokenizer ? tokenizer : SANA_DEMO_TOKENIZER,
             dtype && strcmp(dtype, "f32") == 0 ? SANA_F32 : SANA_BF16, &error))
        return 0;
failed:
    g_printerr("sana-make-model: %s\n", error->message);
    g_error_free(error);
    return 1;
}
