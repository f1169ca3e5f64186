/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Model directories that are not what they should be, through sana_model_load() and
 * sana_model_check(): each is refused in one sentence that names what is wrong.
 */
#include "engine/safetensors.h"
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const SanaModelOptions on_cpu = {.device = "cpu"};

/* --- what is expected ------------------------------------------------------------------------- */

static void
expect_load(const char *dir, SanaError code, const char *a, const char *b)
{
    GError *error = NULL;
    SanaModel *model = sana_model_load(dir, &on_cpu, NULL, &error);
    g_assert_null(model);
    tiny_expect(&error, code, a, b);
}

/* Found without loading too. */
static void
expect_both(const char *dir, SanaError code, const char *a, const char *b)
{
    GError *error = NULL;
    g_assert_false(sana_model_check(dir, &on_cpu, &error));
    tiny_expect(&error, code, a, b);
    expect_load(dir, code, a, b);
    /* where nobody asks for the reason */
    g_assert_false(sana_model_check(dir, &on_cpu, NULL));
    g_assert_null(sana_model_load(dir, &on_cpu, NULL, NULL));
}

/* --- paths ------------------------------------------------------------------------------------ */

static void
paths_that_are_no_model(void)
{
    char *dir = testdir_new();
    g_autofree char *missing = testdir_path(dir, "none");
    g_autofree char *file = testdir_path(dir, "file");
    g_autofree char *index = testdir_path(dir, "model_index.json");
    testdir_write_text(dir, "file", "text");
    expect_both(missing, SANA_ERROR_NOT_FOUND, missing, "model_index.json");
    expect_both(file, SANA_ERROR_NOT_FOUND, file, "model_index.json");
    expect_both(dir, SANA_ERROR_NOT_FOUND, index, NULL);
    expect_both("", SANA_ERROR_SETTINGS, "model directory", NULL);
    expect_both(NULL, SANA_ERROR_SETTINGS, "model directory", NULL);
    /* what a reader could wait at for ever */
    g_assert_cmpint(mkfifo(index, 0600), ==, 0);
    expect_both(dir, SANA_ERROR_MALFORMED, index, NULL);
    testdir_free(dir);
}

/* --- configurations --------------------------------------------------------------------------- */

#define INDEX "model_index.json"
#define SCHEDULER "scheduler/scheduler_config.json"
#define TEXT "text_encoder/config.json"
#define TRANSFORMER "transformer/config.json"
#define VAE "vae/config.json"

static const struct {
    const char *name, *file, *from, *to;
    SanaError code;
    const char *a, *b; /* both are in the sentence */
} edits[] = {
    {"stable diffusion", INDEX, "SanaSprintPipeline", "StableDiffusionPipeline",
     SANA_ERROR_UNSUPPORTED, INDEX, "StableDiffusionPipeline"},
    {"the class of base SANA", INDEX, "SanaSprintPipeline", "SanaPipeline", SANA_ERROR_UNSUPPORTED,
     INDEX, "SanaPipeline"},
    {"no class", INDEX, "\"_class_name\"", "\"class\"", SANA_ERROR_UNSUPPORTED, INDEX, "class"},
    {"a class that is no word", INDEX, "\"SanaSprintPipeline\"", "7", SANA_ERROR_MALFORMED, INDEX,
     "_class_name"},
    {"another autoencoder", INDEX, "AutoencoderDC", "AutoencoderKL", SANA_ERROR_UNSUPPORTED, "vae",
     "AutoencoderKL"},
    {"another text encoder", INDEX, "Gemma2Model", "T5EncoderModel", SANA_ERROR_UNSUPPORTED,
     "text_encoder", "T5EncoderModel"},
    {"another transformer", INDEX, "SanaTransformer2DModel", "FluxTransformer2DModel",
     SANA_ERROR_UNSUPPORTED, "transformer", "FluxTransformer2DModel"},
    {"another scheduler", INDEX, "SCMScheduler", "DPMSolverMultistepScheduler",
     SANA_ERROR_UNSUPPORTED, "scheduler", "DPMSolverMultistepScheduler"},
    {"no transformer", INDEX, "\"transformer\"", "\"unet\"", SANA_ERROR_UNSUPPORTED, "transformer",
     "missing"},
    {"base SANA", TRANSFORMER, "\"guidance_embeds\": true", "\"guidance_embeds\": false",
     SANA_ERROR_UNSUPPORTED, "guidance_embeds", "base SANA"},
    {"another prediction", SCHEDULER, "trigflow", "epsilon", SANA_ERROR_UNSUPPORTED, SCHEDULER,
     "epsilon"},
    {"a deviation of zero", SCHEDULER, "\"sigma_data\": 0.5", "\"sigma_data\": 0",
     SANA_ERROR_MALFORMED, SCHEDULER, "sigma_data"},
    {"10^18 layers", TRANSFORMER, "\"num_layers\": 3", "\"num_layers\": 1000000000000000000",
     SANA_ERROR_MALFORMED, TRANSFORMER, "num_layers"},
    {"10^400 layers", TRANSFORMER, "\"num_layers\": 3", "\"num_layers\": 1e400",
     SANA_ERROR_MALFORMED, TRANSFORMER, NULL},
    {"no layers", TRANSFORMER, "\"num_layers\": 3", "\"num_layers\": 0", SANA_ERROR_MALFORMED,
     TRANSFORMER, "num_layers"},
    {"fewer than no layers", TRANSFORMER, "\"num_layers\": 3", "\"num_layers\": -3",
     SANA_ERROR_MALFORMED, TRANSFORMER, "num_layers"},
    {"half a layer", TRANSFORMER, "\"num_layers\": 3", "\"num_layers\": 2.5", SANA_ERROR_MALFORMED,
     TRANSFORMER, "num_layers"},
    {"a list of layers", TRANSFORMER, "\"num_layers\": 3", "\"num_layers\": [3]",
     SANA_ERROR_MALFORMED, TRANSFORMER, "num_layers"},
    {"no latent channels", TRANSFORMER, "\"in_channels\": 16", "\"in_channels\": 0",
     SANA_ERROR_MALFORMED, TRANSFORMER, "in_channels"},
    {"a negative ratio", TRANSFORMER, "\"mlp_ratio\": 2.5", "\"mlp_ratio\": -2.5",
     SANA_ERROR_MALFORMED, TRANSFORMER, "mlp_ratio"},
    {"a ratio of infinity", TRANSFORMER, "\"mlp_ratio\": 2.5", "\"mlp_ratio\": Infinity",
     SANA_ERROR_MALFORMED, TRANSFORMER, "mlp_ratio"},
    {"captions of another width", TRANSFORMER, "\"caption_channels\": 48",
     "\"caption_channels\": 40", SANA_ERROR_MALFORMED, "48", "40"},
    {"10^18 channels", VAE, "\"latent_channels\": 16", "\"latent_channels\": 1000000000000000000",
     SANA_ERROR_MALFORMED, VAE, "latent_channels"},
    {"no channels", VAE, "\"attention_head_dim\": 16", "\"attention_head_dim\": 0",
     SANA_ERROR_MALFORMED, VAE, "attention_head_dim"},
    {"latents of another width", VAE, "\"latent_channels\": 16", "\"latent_channels\": 32",
     SANA_ERROR_MALFORMED, "16", "32"},
    {"a scale of zero", VAE, "\"scaling_factor\": ", "\"scaling_factor\": 0, \"was\": ",
     SANA_ERROR_MALFORMED, VAE, "scaling_factor"},
    {"another activation of the decoder", VAE, "\"decoder_act_fns\": \"silu\"",
     "\"decoder_act_fns\": \"sine\"", SANA_ERROR_UNSUPPORTED, VAE, "sine"},
    {"another kind of block", VAE,
     "\"ResBlock\",\n    \"ResBlock\",\n    \"EfficientViTBlock\"\n  ],\n  \"decoder_conv",
     "\"ResBlock\",\n    \"ResBlock\",\n    \"MambaBlock\"\n  ],\n  \"decoder_conv",
     SANA_ERROR_UNSUPPORTED, VAE, "MambaBlock"},
    {"10^18 text layers", TEXT, "\"num_hidden_layers\": 3",
     "\"num_hidden_layers\": 1000000000000000000", SANA_ERROR_MALFORMED, TEXT, "num_hidden_layers"},
    {"no text heads", TEXT, "\"num_attention_heads\": 4", "\"num_attention_heads\": 0",
     SANA_ERROR_MALFORMED, TEXT, "num_attention_heads"},
    {"heads that do not divide", TEXT, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
     SANA_ERROR_MALFORMED, TEXT, "num_key_value_heads"},
    {"a negative vocabulary", TEXT, "\"vocab_size\": 760", "\"vocab_size\": -1",
     SANA_ERROR_MALFORMED, TEXT, "vocab_size"},
    {"scaled angles", TEXT, "\"num_hidden_layers\": 3",
     "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 8}, \"num_hidden_layers\": 3",
     SANA_ERROR_UNSUPPORTED, TEXT, "rope_scaling.type"},
    {"another activation", TEXT, "gelu_pytorch_tanh", "relu6", SANA_ERROR_UNSUPPORTED, TEXT,
     "relu6"},
    {"another attention", TEXT, "\"full_attention\"", "\"chunked_attention\"",
     SANA_ERROR_UNSUPPORTED, TEXT, "chunked_attention"},
    {"a class of two lines", INDEX, "SanaSprintPipeline", "x\\n\\u001b[2Jy", SANA_ERROR_UNSUPPORTED,
     INDEX, "x??[2Jy"},
    {"fewer layers than stages", VAE, "\"encoder_layers_per_block\": [\n    1,",
     "\"encoder_layers_per_block\": [", SANA_ERROR_MALFORMED, VAE, "encoder_layers_per_block"},
};

static void
configurations_that_say_something_else(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(edits); i++) {
        char *dir = tiny_copy();
        g_test_message("%s", edits[i].name);
        tiny_edit(dir, edits[i].file, edits[i].from, edits[i].to);
        expect_both(dir, edits[i].code, edits[i].a, edits[i].b);
        testdir_free(dir);
    }
}

/* Two ways to say the same to the reference's classes. */
static const struct {
    const char *name, *file, *from, *one, *other;
} twins[] = {
    {"a list longer than there are stages", VAE, "\"decoder_act_fns\": \"silu\"",
     "\"decoder_act_fns\": [\"silu\", \"relu\", \"mish\"]",
     "\"decoder_act_fns\": [\"silu\", \"relu\", \"mish\", \"gelu\", 7]"},
    {"layers of stages that are not there", VAE, "\"decoder_layers_per_block\": [\n    1,\n    2,",
     "\"decoder_layers_per_block\": [1, 2,", "\"decoder_layers_per_block\": [1, 2, 1,"},
    {"a shortcut that is null", VAE, "\"decoder_in_shortcut\": true",
     "\"decoder_in_shortcut\": false", "\"decoder_in_shortcut\": null"},
    {"a way down that is null", VAE, "\"downsample_block_type\": \"conv\"",
     "\"downsample_block_type\": \"conv\"", "\"downsample_block_type\": null"},
    {"fewer positions than tokens", TEXT, "\"max_position_embeddings\": 8192",
     "\"max_position_embeddings\": 8192", "\"max_position_embeddings\": 4"},
};

static guint8 *
draw_edited(const char *file, const char *from, const char *to)
{
    char *dir = tiny_copy();
    tiny_edit(dir, file, from, to);
    SanaModel *model = tiny_load(dir);
    SanaSession *session = tiny_session(model);
    SanaPrompt *prompt = tiny_prompt(session, "a fox in the snow");
    guint8 *drawn = tiny_draw(session, prompt, NULL, 32, 32);
    sana_prompt_unref(prompt);
    sana_session_free(session);
    sana_model_unref(model);
    testdir_free(dir);
    return drawn;
}

static void
configurations_that_say_the_same_draw_the_same(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(twins); i++) {
        g_test_message("%s", twins[i].name);
        g_autofree guint8 *one = draw_edited(twins[i].file, twins[i].from, twins[i].one);
        g_autofree guint8 *other = draw_edited(twins[i].file, twins[i].from, twins[i].other);
        g_assert_cmpmem(one, 3 * 32 * 32, other, 3 * 32 * 32);
    }
}

/* An encoder without blocks at its first width goes down to the second at once. */
static void
a_first_step_down_that_cannot_be_unshuffled(void)
{
    char *dir = tiny_copy();
    tiny_edit(dir, VAE, "\"attention_head_dim\": 16", "\"attention_head_dim\": 4");
    tiny_edit(dir, VAE, "\"downsample_block_type\": \"conv\"",
              "\"downsample_block_type\": \"pixel_unshuffle\"");
    tiny_edit(dir, VAE, "\"encoder_block_out_channels\": [\n    16,\n    32,\n    32",
              "\"encoder_block_out_channels\": [16, 6, 12");
    tiny_edit(dir, VAE, "\"encoder_layers_per_block\": [\n    1",
              "\"encoder_layers_per_block\": [0");
    tiny_edit(dir, VAE, "\"encoder_out_shortcut\": true", "\"encoder_out_shortcut\": false");
    expect_both(dir, SANA_ERROR_UNSUPPORTED, VAE, "pixel_unshuffle");
    testdir_free(dir);
}

static void
every_configuration_missing_or_malformed(void)
{
    static const char *const files[] = {INDEX, SCHEDULER, TEXT, TRANSFORMER, VAE};
    g_autofree char *nested = g_strnfill(100000, '[');
    const char *const texts[] = {
        "", "{", "null", "[]", "{} {}", "{\"a\": 1,}", "{\"a\": \"\\ud800\"}", "\xff\xfe{}", nested,
    };
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        char *dir = tiny_copy();
        g_autofree char *path = testdir_path(dir, files[i]);
        for (gsize k = 0; k < G_N_ELEMENTS(texts); k++) {
            testdir_write_text(dir, files[i], texts[k]);
            expect_both(dir, SANA_ERROR_MALFORMED, path, NULL);
        }
        g_assert_cmpint(g_remove(path), ==, 0);
        expect_both(dir, SANA_ERROR_NOT_FOUND, path, NULL);
        testdir_free(dir);
    }
}

/* --- weights ---------------------------------------------------------------------------------- */

static const struct {
    const char *directory, *stem, *file, *tensors[5];
} networks[] = {
    {"text_encoder",
     "model",
     TINY_TEXT,
     {"embed_tokens.weight", "layers.1.self_attn.k_proj.weight", "layers.2.input_layernorm.weight",
      "norm.weight"}},
    {"transformer",
     "diffusion_pytorch_model",
     TINY_TRANSFORMER,
     {"patch_embed.proj.weight", "transformer_blocks.1.ff.conv_depth.weight",
      "transformer_blocks.2.scale_shift_table", "transformer_blocks.0.attn1.norm_q.weight",
      "caption_projection.linear_1.bias"}},
    {"vae",
     "diffusion_pytorch_model",
     TINY_VAE,
     {"encoder.conv_in.weight", "decoder.up_blocks.0.1.norm.bias",
      "decoder.up_blocks.2.0.attn.to_qkv_multiscale.0.proj_in.weight",
      "encoder.down_blocks.2.0.attn.to_k.weight", "decoder.conv_out.bias"}},
};

static void
weights_cut_or_gone(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(networks); i++) {
        char *dir = tiny_copy();
        gsize length;
        g_autofree char *data = tiny_read(dir, networks[i].file, &length);
        g_autofree char *path = testdir_path(dir, networks[i].file);
        const gsize cuts[] = {0, 1, 7, 8, 9, 100, length / 2, length - 1};
        for (gsize k = 0; k < G_N_ELEMENTS(cuts); k++) {
            testdir_write(dir, networks[i].file, data, cuts[k]);
            expect_both(dir, SANA_ERROR_MALFORMED, path, NULL);
        }
        g_assert_cmpint(g_remove(path), ==, 0);
        expect_both(dir, SANA_ERROR_NOT_FOUND, networks[i].directory, networks[i].stem);
        testdir_free(dir);
    }
}

/* Where a tensor's bytes lie in the file of a network. */
static gsize
offset_of(const char *dir, gsize network, const char *tensor, const char *data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = testdir_path(dir, networks[network].directory);
    SanaSafetensors *st = sana_safetensors_open(directory, networks[network].stem, &error);
    g_assert_no_error(error);
    const SanaStoredTensor *t = sana_safetensors_find(st, tensor);
    if (!t)
        g_error("the %s holds no %s", networks[network].directory, tensor);
    g_assert_cmpstr(t->dtype, ==, "BF16");
    const char *first = t->data;
    for (gsize i = 0; i < sana_safetensors_count(st); i++)
        first = MIN(first, (const char *)sana_safetensors_at(st, i)->data);
    guint64 header;
    memcpy(&header, data, 8);
    gsize at = 8 + (gsize)GUINT64_FROM_LE(header) + (gsize)((const char *)t->data - first) +
               (t->bytes / 4 * 2);
    sana_safetensors_free(st);
    return at;
}

static void
weights_that_are_not_numbers(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(networks); i++) {
        char *dir = tiny_copy();
        gsize length;
        g_autofree char *data = tiny_read(dir, networks[i].file, &length);
        g_autofree char *path = testdir_path(dir, networks[i].directory);
        for (gsize k = 0; k < G_N_ELEMENTS(networks[i].tensors) && networks[i].tensors[k]; k++) {
            const gsize at = offset_of(dir, i, networks[i].tensors[k], data);
            const guint16 nan = GUINT16_TO_LE(0x7fc0), infinity = GUINT16_TO_LE(0xff80);
            char kept[2];
            memcpy(kept, data + at, 2);
            memcpy(data + at, k % 2 ? &infinity : &nan, 2);
            testdir_write(dir, networks[i].file, data, length);
            expect_load(dir, SANA_ERROR_MALFORMED, path, networks[i].tensors[k]);
            memcpy(data + at, kept, 2);
            testdir_write(dir, networks[i].file, data, length);
        }
        sana_model_unref(tiny_load(dir)); /* it was that value and nothing else */
        testdir_free(dir);
    }
}

static void
weights_of_another_network(void)
{
    /* what it holds instead is warned of */
    GLogLevelFlags fatal = g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    char *dir = tiny_copy();
    gsize length;
    g_autofree char *vae = tiny_read(dir, TINY_VAE, &length);
    g_autofree char *directory = testdir_path(dir, "transformer");
    testdir_write(dir, TINY_TRANSFORMER, vae, length);
    expect_load(dir, SANA_ERROR_MALFORMED, directory, "patch_embed.proj.weight is missing");
    g_log_set_always_fatal(fatal);
    testdir_free(dir);
}

static void
shards_missing_or_outside(void)
{
    static const char *const names[] = {
        "../vae/diffusion_pytorch_model.safetensors",
        "/etc/passwd",
        "a/b.safetensors",
        "",
        ".",
        "..",
        "weights.bin",
    };
    char *dir = tiny_copy();
    g_autofree char *path = testdir_path(dir, TINY_TRANSFORMER);
    g_autofree char *shard =
        testdir_path(dir, "transformer/diffusion_pytorch_model-00001-of-00002.safetensors");
    const char *index = TINY_TRANSFORMER ".index.json";
    g_assert_cmpint(rename(path, shard), ==, 0);
    testdir_write_text(dir, index,
                       "{\"weight_map\": {\"patch_embed.proj.weight\": "
                       "\"diffusion_pytorch_model-00002-of-00002.safetensors\"}}");
    expect_load(dir, SANA_ERROR_NOT_FOUND, "00002-of-00002.safetensors", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *text =
            g_strdup_printf("{\"weight_map\": {\"patch_embed.proj.weight\": \"%s\"}}", names[i]);
        testdir_write_text(dir, index, text);
        expect_load(dir, SANA_ERROR_MALFORMED, index, "patch_embed.proj.weight");
    }
    testdir_free(dir);
}

/* --- tokenizers ------------------------------------------------------------------------------- */

static void
tokenizers_of_other_kinds(void)
{
    char *dir = tiny_copy();
    g_autofree char *path = testdir_path(dir, "tokenizer/tokenizer.model");
    testdir_write_text(dir, "tokenizer/tokenizer.model", "#version: 0.2\nh e\nhe llo\n");
    expect_both(dir, SANA_ERROR_MALFORMED, path, "SentencePiece");
    testdir_write_text(dir, "tokenizer/tokenizer.model", "");
    expect_both(dir, SANA_ERROR_MALFORMED, path, NULL);
    g_assert_cmpint(g_remove(path), ==, 0);
    expect_both(dir, SANA_ERROR_NOT_FOUND, path, NULL);
    testdir_write_text(dir, "tokenizer/tokenizer.json", "{}");
    expect_both(dir, SANA_ERROR_NOT_FOUND, path, "tokenizer.json");
    testdir_free(dir);
}

static void
a_vocabulary_larger_than_the_embedding(void)
{
    char *dir = tiny_copy();
    gsize length;
    g_autofree char *tokenizer = g_build_filename(SANA_DEMO_MODEL, "tokenizer", NULL);
    g_autofree char *larger = tiny_read(tokenizer, "tokenizer.model", &length);
    testdir_write(dir, "tokenizer/tokenizer.model", larger, length);
    expect_load(dir, SANA_ERROR_MALFORMED, "tokenizer", "760");
    testdir_free(dir);
}

/* --- devices ---------------------------------------------------------------------------------- */

static void
devices_and_types_that_are_not_there(void)
{
    static const char *const devices[] = {"gpu", "cuda:99", "cpu:1", "CPU", "cuda:-1", "planner"};
    static const SanaPrecision lacking[] = {SANA_PRECISION_F16, SANA_PRECISION_FP8,
                                            (SanaPrecision)99};
    char *dir = tiny_copy();
    GError *error = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(devices); i++) {
        SanaModelOptions options = {.device = devices[i]};
        gboolean planner = strcmp(devices[i], "planner") == 0;
        SanaError code = planner ? SANA_ERROR_SETTINGS : SANA_ERROR_UNSUPPORTED;
        g_assert_false(sana_model_check(dir, &options, &error));
        tiny_expect(&error, code, devices[i], "cpu");
        g_assert_null(sana_model_load(dir, &options, NULL, &error));
        tiny_expect(&error, code, devices[i], "cpu");
    }
    for (gsize i = 0; i < G_N_ELEMENTS(lacking); i++) {
        SanaModelOptions options = {.device = "cpu", .precision = lacking[i]};
        g_assert_false(sana_model_check(dir, &options, &error));
        tiny_expect(&error, SANA_ERROR_UNSUPPORTED, "cpu", "auto, f32");
        g_assert_null(sana_model_load(dir, &options, NULL, &error));
        tiny_expect(&error, SANA_ERROR_UNSUPPORTED, "cpu", "auto, f32");
    }
    testdir_free(dir);
}

/* --- loading ---------------------------------------------------------------------------------- */

typedef struct {
    double last;
    int calls, stop_at;
    GCancellable *cancellable;
} Progress;

static void
on_progress(double fraction, gpointer user)
{
    Progress *p = user;
    g_assert_cmpfloat(fraction, >=, p->last);
    g_assert_cmpfloat(fraction, <=, 1);
    p->last = fraction;
    if (++p->calls == p->stop_at)
        g_cancellable_cancel(p->cancellable);
}

static void
progress_never_falls(void)
{
    char *dir = tiny_copy();
    Progress p = {0};
    SanaModelOptions options = {.device = "cpu", .progress = on_progress, .progress_data = &p};
    g_autoptr(GError) error = NULL;
    SanaModel *model = sana_model_load(dir, &options, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(p.calls, >, 3);
    g_assert_cmpfloat(p.last, ==, 1);
    sana_model_unref(model);
    testdir_free(dir);
}

static void
loading_can_be_cancelled(void)
{
    char *dir = tiny_copy();
    for (int stop_at = 0; stop_at < 200; stop_at += 1 + stop_at) {
        Progress p = {.stop_at = stop_at, .cancellable = g_cancellable_new()};
        SanaModelOptions options = {.device = "cpu", .progress = on_progress, .progress_data = &p};
        GError *error = NULL;
        if (stop_at == 0)
            g_cancellable_cancel(p.cancellable);
        SanaModel *model = sana_model_load(dir, &options, p.cancellable, &error);
        g_assert_null(model);
        g_assert_true(g_error_matches(error, SANA_ERROR, SANA_ERROR_CANCELLED));
        g_assert_cmpint(p.calls, <=, stop_at + 3); /* q, k and v are one weight */
        g_clear_error(&error);
        g_object_unref(p.cancellable);
    }
    testdir_free(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/directory/paths-that-are-no-model", paths_that_are_no_model);
    g_test_add_func("/directory/configurations-that-say-something-else",
                    configurations_that_say_something_else);
    g_test_add_func("/directory/configurations-that-say-the-same-draw-the-same",
                    configurations_that_say_the_same_draw_the_same);
    g_test_add_func("/directory/a-first-step-down-that-cannot-be-unshuffled",
                    a_first_step_down_that_cannot_be_unshuffled);
    g_test_add_func("/directory/every-configuration-missing-or-malformed",
                    every_configuration_missing_or_malformed);
    g_test_add_func("/directory/weights-cut-or-gone", weights_cut_or_gone);
    g_test_add_func("/directory/weights-that-are-not-numbers", weights_that_are_not_numbers);
    g_test_add_func("/directory/weights-of-another-network", weights_of_another_network);
    g_test_add_func("/directory/shards-missing-or-outside", shards_missing_or_outside);
    g_test_add_func("/directory/tokenizers-of-other-kinds", tokenizers_of_other_kinds);
    g_test_add_func("/directory/a-vocabulary-larger-than-the-embedding",
                    a_vocabulary_larger_than_the_embedding);
    g_test_add_func("/directory/devices-and-types-that-are-not-there",
                    devices_and_types_that_are_not_there);
    g_test_add_func("/directory/progress-never-falls", progress_never_falls);
    g_test_add_func("/directory/loading-can-be-cancelled", loading_can_be_cancelled);
    return g_test_run();
}
