/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model directory, from configuration files to packed weights. */
#include "pipelines/internal.h"

#include "engine/config.h"

#include <string.h>

enum { TEXT, TRANSFORMER, AUTOENCODER, N_NETWORKS };

static const char *const directories[N_NETWORKS] = {"text_encoder", "transformer", "vae"};
static const char *const stems[N_NETWORKS] = {"model", "diffusion_pytorch_model",
                                              "diffusion_pytorch_model"};

/* Stored beside what we use in some checkpoints; nothing binds them. */
static const char *const ignored[N_NETWORKS][3] = {
    {"lm_head.weight", NULL},
    {"patch_embed.pos_embed", NULL},
    {"*.num_batches_tracked", NULL},
};

static char *
component(const char *path, int network)
{
    return g_build_filename(path, directories[network], NULL);
}

/* --- what a directory says it is -------------------------------------------------------------- */

typedef struct {
    const char *part;
    const char *classes[3];
} Expected;

static const Expected expected[] = {
    {"scheduler", {"SCMScheduler"}},
    {"text_encoder", {"Gemma2Model", "Gemma2ForCausalLM", "Gemma2PreTrainedModel"}},
    {"transformer", {"SanaTransformer2DModel"}},
    {"vae", {"AutoencoderDC"}},
};

static void
check_part(SanaJson *j, const Expected *e)
{
    const char *name = sana_json_list_string(j, e->part, 1);
    for (size_t i = 0; name && i < G_N_ELEMENTS(e->classes) && e->classes[i]; i++)
        if (strcmp(name, e->classes[i]) == 0)
            return;
    sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                   "its %s is %s, but %s is what runs here; give a SANA-Sprint model", e->part,
                   name ? name : "missing", e->classes[0]);
}

static gboolean
check_index(const char *path, GError **error)
{
    GError *why = NULL;
    SanaJson *j = sana_json_open(path, "model_index.json", &why);
    if (g_error_matches(why, SANA_FILE_ERROR, SANA_FILE_ERROR_MISSING)) {
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MISSING,
                    "there is no %s/model_index.json; give the directory of a SANA-Sprint model",
                    path);
        g_error_free(why);
    } else if (why) {
        g_propagate_error(error, why);
    }
    if (!j)
        return FALSE;
    const char *name = sana_json_string(j, "_class_name", "");
    if (strcmp(name, "SanaSprintPipeline") != 0 && strcmp(name, "SanaSprintImg2ImgPipeline") != 0)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "its class is \"%s\", but only SANA-Sprint directories "
                       "(SanaSprintPipeline, SanaSprintImg2ImgPipeline) are run here; give one",
                       name);
    for (size_t i = 0; i < G_N_ELEMENTS(expected) && sana_json_ok(j); i++)
        check_part(j, &expected[i]);
    return sana_json_finish(j, error);
}

static gboolean
read_scheduler(SanaModel *m, const char *path, GError **error)
{
    g_autofree char *directory = g_build_filename(path, "scheduler", NULL);
    SanaJson *j = sana_json_open(directory, "scheduler_config.json", error);
    if (!j)
        return FALSE;
    m->sigma_data = sana_json_double(j, "sigma_data", 0.5, 1e-3, 1e3);
    const char *type = sana_json_string(j, "prediction_type", "trigflow");
    if (strcmp(type, "trigflow") != 0)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "prediction_type \"%s\" is not run here; trigflow is", type);
    return sana_json_finish(j, error);
}

static gboolean
check_agreement(const SanaModel *m, const char *path, GError **error)
{
    const SanaTransformerConfig *t = &m->transformer.config;
    if (!t->guidance)
        g_set_error(error, SANA_ERROR, SANA_ERROR_UNSUPPORTED,
                    "%s/transformer has no guidance embedding (guidance_embeds is false): it is "
                    "base SANA, and only SANA-Sprint is run here; give a SANA-Sprint model",
                    path);
    else if (t->caption_channels != m->text.config.hidden)
        g_set_error(error, SANA_ERROR, SANA_ERROR_MALFORMED,
                    "%s: the transformer reads captions of %d channels, but the text encoder "
                    "writes %d",
                    path, t->caption_channels, m->text.config.hidden);
    else if (t->channels != m->autoencoder.config.latent_channels)
        g_set_error(error, SANA_ERROR, SANA_ERROR_MALFORMED,
                    "%s: the transformer works on %d latent channels, but the autoencoder on %d",
                    path, t->channels, m->autoencoder.config.latent_channels);
    else
        return TRUE;
    return FALSE;
}

static gboolean
read_configs(SanaModel *m, const char *path, GError **error)
{
    g_autofree char *text = component(path, TEXT);
    g_autofree char *transformer = component(path, TRANSFORMER);
    g_autofree char *autoencoder = component(path, AUTOENCODER);
    return check_index(path, error) && read_scheduler(m, path, error) &&
           sana_gemma2_config(&m->text.config, text, error) &&
           sana_transformer_config(&m->transformer.config, transformer, error) &&
           sana_autoencoder_config(&m->autoencoder.config, autoencoder, error) &&
           check_agreement(m, path, error);
}

/* --- device and precision --------------------------------------------------------------------- */

static const struct {
    SanaPrecision precision;
    const char *name;
    SanaDType dtype;
} precisions[] = {
    {SANA_PRECISION_F32, "f32", SANA_F32},    {SANA_PRECISION_F16, "f16", SANA_F16},
    {SANA_PRECISION_BF16, "bf16", SANA_BF16}, {SANA_PRECISION_FP8, "fp8", SANA_E4M3},
    {SANA_PRECISION_INT8, "int8", SANA_S8},
};

/* The autoencoder and Gemma overflow in f16, so F16 is a type of storage only. */
static gboolean
computes_in(SanaDevice *device, SanaDType dtype)
{
    return dtype != SANA_F16 && sana_device_supports(device, dtype);
}

static gboolean
choose_precision(SanaModel *m, SanaPrecision wanted, GError **error)
{
    SanaDType best = sana_device_best_dtype(m->device);
    g_autoptr(GString) list = g_string_new("auto");
    const char *name = "unknown";
    for (size_t i = 0; i < G_N_ELEMENTS(precisions); i++) {
        gboolean runs = computes_in(m->device, precisions[i].dtype);
        if (runs)
            g_string_append_printf(list, ", %s", precisions[i].name);
        if (wanted == precisions[i].precision)
            name = precisions[i].name;
        if (runs && (wanted == precisions[i].precision ||
                     (wanted == SANA_PRECISION_AUTO && precisions[i].dtype == best))) {
            m->inner_dtype = precisions[i].dtype;
            m->dtype = sana_dtype_is_of_weights(m->inner_dtype) ? best : m->inner_dtype;
            m->info.precision = precisions[i].precision;
            return TRUE;
        }
    }
    g_set_error(error, SANA_ERROR, SANA_ERROR_UNSUPPORTED,
                "device %s does not compute in precision %s; it has %s",
                sana_device_name(m->device), name, list->str);
    return FALSE;
}

static gboolean
open_device(SanaModel *m, const SanaModelOptions *options, GError **error)
{
    const char *name = options->device && *options->device ? options->device : "auto";
    m->device = sana_device_open(name, error);
    if (m->device && strcmp(sana_device_name(m->device), "planner") == 0) {
        g_clear_pointer(&m->device, sana_device_unref);
        return sana_error_settings(error, "device planner draws nothing; choose auto or cpu");
    }
    return m->device && choose_precision(m, options->precision, error);
}

/* Of the text encoder: the device that draws, or another. */
static gboolean
open_text_device(SanaModel *m, const SanaModelOptions *options, GError **error)
{
    const char *name = options->text_device;
    if (name && *name && strcmp(name, "auto") != 0) {
        m->text_device = sana_device_open(name, error);
        if (!m->text_device)
            return FALSE;
        if (strcmp(sana_device_name(m->text_device), "planner") == 0)
            return sana_error_settings(error, "device planner encodes nothing; choose auto or cpu");
    }
    /* one device, opened twice, is one */
    if (!m->text_device ||
        strcmp(sana_device_name(m->text_device), sana_device_name(m->device)) == 0) {
        sana_device_unref(m->text_device);
        m->text_device = sana_device_ref(m->device);
    }
    m->text_dtype = computes_in(m->text_device, m->dtype) ? m->dtype : SANA_F32;
    return TRUE;
}

/* --- weights ---------------------------------------------------------------------------------- */

typedef struct {
    const SanaModelOptions *options;
    double done, share; /* of the whole load, before and in this network */
} Progress;

static void
on_progress(double fraction, void *user)
{
    Progress *p = user;
    if (p->options->progress)
        p->options->progress(p->done + fraction * p->share, p->options->progress_data);
}

static size_t
stored_bytes(const SanaSafetensors *st)
{
    size_t bytes = 0;
    for (size_t i = 0; i < sana_safetensors_count(st); i++)
        bytes += sana_safetensors_at(st, i)->bytes;
    return bytes;
}

static void
clear_networks(SanaModel *m)
{
    sana_gemma2_clear(&m->text);
    sana_transformer_clear(&m->transformer);
    sana_autoencoder_clear(&m->autoencoder);
}

static gboolean
bind_network(SanaModel *m, SanaPool *pool, int network, GCancellable *cancellable,
             Progress *progress, GError **error)
{
    SanaBinder *b =
        sana_binder_new(pool, network == TEXT ? m->text_dtype : m->dtype, m->files[network]);
    if (network != TEXT)
        sana_binder_set_inner(b, m->inner_dtype);
    sana_binder_watch(b, cancellable, progress ? on_progress : NULL, progress);
    /* a prompt reads the text encoder's weights once: packing them would gain nothing */
    if (network == TEXT)
        sana_binder_leave_in_place(b, m->text_device);
    if (network == TEXT)
        sana_gemma2_bind(&m->text, b);
    else if (network == TRANSFORMER)
        sana_transformer_bind(&m->transformer, b);
    else
        sana_autoencoder_bind(&m->autoencoder, b);
    return sana_binder_finish(b, directories[network], ignored[network], error);
}

static gboolean
has_room(SanaDevice *device, size_t bytes, GError **error)
{
    size_t available = sana_device_free_memory(device);
    if (bytes <= available)
        return TRUE;
    g_set_error(error, SANA_ERROR, SANA_ERROR_MEMORY,
                "loading the weights takes %.1f GiB, but device %s has %.1f GiB free; free memory "
                "or choose a smaller model or precision",
                (double)bytes / (1 << 30), sana_device_name(device), (double)available / (1 << 30));
    return FALSE;
}

/* Names everything that is wrong, and the bytes that loading will need, before any is allocated.
 * What a session needs for pictures of some size it finds out itself. */
static gboolean
plan_weights(SanaModel *m, GError **error)
{
    const gboolean apart = m->text_device != m->device;
    SanaPool *pool = sana_pool_new_plan(m->device);
    SanaPool *text_pool = apart ? sana_pool_new_plan(m->text_device) : pool;
    gboolean ok = TRUE;
    for (int i = 0; i < N_NETWORKS && ok; i++)
        ok = bind_network(m, i == TEXT ? text_pool : pool, i, NULL, NULL, error);
    m->info.weight_bytes = sana_pool_bytes(pool);
    ok = ok && has_room(m->device, sana_pool_peak(pool), error) &&
         (!apart || has_room(m->text_device, sana_pool_peak(text_pool), error));
    clear_networks(m);
    if (apart)
        sana_pool_free(text_pool);
    sana_pool_free(pool);
    return ok;
}

static gboolean
load_weights(SanaModel *m, const SanaModelOptions *options, GCancellable *cancellable,
             GError **error)
{
    double bytes[N_NETWORKS], total = 0;
    for (int i = 0; i < N_NETWORKS; i++)
        total += bytes[i] = (double)stored_bytes(m->files[i]);
    m->pool = sana_pool_new(m->device);
    m->text_pool = m->text_device == m->device ? m->pool : sana_pool_new(m->text_device);
    Progress progress = {.options = options};
    for (int i = 0; i < N_NETWORKS; i++) {
        progress.done += progress.share;
        progress.share = total > 0 ? bytes[i] / total : 0;
        SanaPool *pool = i == TEXT ? m->text_pool : m->pool;
        if (!bind_network(m, pool, i, cancellable, &progress, error))
            return FALSE;
    }
    m->info.weight_bytes = sana_pool_bytes(m->pool);
    return TRUE;
}

static gboolean
open_files(SanaModel *m, const char *path, GError **error)
{
    for (int i = 0; i < N_NETWORKS; i++) {
        g_autofree char *directory = component(path, i);
        m->files[i] = sana_safetensors_open(directory, stems[i], error);
        if (!m->files[i])
            return FALSE;
    }
    return TRUE;
}

static gboolean
open_tokenizer(SanaModel *m, const char *path, GError **error)
{
    g_autofree char *directory = g_build_filename(path, "tokenizer", NULL);
    m->tokenizer = sana_tokenizer_open(directory, error);
    if (!m->tokenizer)
        return FALSE;
    if (sana_tokenizer_size(m->tokenizer) > m->text.config.vocabulary) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_MALFORMED,
                    "%s has %d pieces, but the text encoder's vocabulary only %d; they belong to "
                    "different models",
                    directory, sana_tokenizer_size(m->tokenizer), m->text.config.vocabulary);
        return FALSE;
    }
    return TRUE;
}

/* --- public ----------------------------------------------------------------------------------- */

static void
fill_info(SanaModel *m)
{
    const SanaTransformerConfig *t = &m->transformer.config;
    m->transformer.dtype = m->autoencoder.dtype = m->dtype;
    m->text.dtype = m->text_dtype;
    m->info.factor = m->autoencoder.config.factor;
    m->info.native_size = t->sample_size * m->info.factor;
    m->info.latent_channels = t->channels;
    m->info.caption_channels = t->caption_channels;
    m->info.device = sana_device_name(m->device);
    m->info.own_memory = sana_device_has_own_memory(m->device);
    m->info.text_device = sana_device_name(m->text_device);
}

static const SanaModelOptions default_options;

/* A model whose configurations are read and whose device is open, with no weights yet. */
static SanaModel *
model_open(const char *path, const SanaModelOptions *options, GError **error)
{
    SanaModel *m = g_new0(SanaModel, 1);
    m->refs = 1;
    if (!path || !*path) {
        sana_error_settings(error, "no model directory is given; set its path");
        goto failed;
    }
    if (!g_file_test(path, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_NOT_FOUND,
                    "there is no model directory %s; give the directory that holds "
                    "model_index.json",
                    path);
        goto failed;
    }
    if (!read_configs(m, path, error) || !open_device(m, options, error) ||
        !open_text_device(m, options, error))
        goto failed;
    fill_info(m);
    return m;
failed:
    sana_model_unref(m);
    return NULL;
}

static gboolean
check_tokenizer(const char *path, GError **error)
{
    g_autofree char *directory = g_build_filename(path, "tokenizer", NULL);
    return sana_tokenizer_check(directory, error);
}

gboolean
sana_model_check(const char *path, const SanaModelOptions *options, GError **error)
{
    GError *cause = NULL;
    SanaModel *m = model_open(path, options ? options : &default_options, &cause);
    gboolean ok = m && open_files(m, path, &cause) && plan_weights(m, &cause) &&
                  check_tokenizer(path, &cause);
    if (m)
        sana_model_unref(m);
    return ok || sana_error_translate(error, cause);
}

SanaModel *
sana_model_load(const char *path, const SanaModelOptions *options, GCancellable *cancellable,
                GError **error)
{
    GError *cause = NULL;
    if (!options)
        options = &default_options;
    SanaModel *m = model_open(path, options, &cause);
    if (m && open_files(m, path, &cause) && plan_weights(m, &cause) &&
        open_tokenizer(m, path, &cause) && load_weights(m, options, cancellable, &cause))
        return m;
    if (m)
        sana_model_unref(m);
    sana_error_translate(error, cause);
    return NULL;
}

SanaModel *
sana_model_ref(SanaModel *m)
{
    g_atomic_int_inc(&m->refs);
    return m;
}

void
sana_model_unref(SanaModel *m)
{
    if (!g_atomic_int_dec_and_test(&m->refs))
        return;
    clear_networks(m);
    if (m->text_pool != m->pool)
        sana_pool_free(m->text_pool);
    sana_pool_free(m->pool);
    for (int i = 0; i < N_NETWORKS; i++)
        sana_safetensors_free(m->files[i]);
    sana_tokenizer_free(m->tokenizer);
    sana_device_unref(m->text_device);
    sana_device_unref(m->device);
    g_free(m);
}

void
sana_model_release_text_encoder(SanaModel *m)
{
    sana_safetensors_release(m->files[TEXT], NULL);
}

gboolean
sana_model_check_text_files(const SanaModel *m, GError **error)
{
    GError *cause = NULL;
    return sana_safetensors_unchanged(m->files[TEXT], &cause) || sana_error_translate(error, cause);
}

const SanaModelInfo *
sana_model_info(SanaModel *m)
{
    return &m->info;
}
