/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_sana.h"
#include "fake_pixels.h"

#include <string.h>

typedef struct {
    int load_ms, prompt_ms, frame_ms, step_ms, stubborn_ms;
    int factor, native, fail_frame, nan_frame, fail_from;
    char check[16], open[16];
    gboolean copy, own_memory, cuda;
} Spec;

struct _SanaModel {
    int refs;
    Spec spec;
    SanaModelInfo info;
};

/* A text, or a blend of two. */
struct _SanaPrompt {
    int refs;
    char *text;
    SanaPrompt *from, *to;
    double weight;
};

struct _SanaSession {
    SanaModel *model;
    GMutex lock;
    GCond news;
    gboolean cancelled, busy;
    SanaTimes times;
};

GQuark
sana_error_quark(void)
{
    return g_quark_from_static_string("sana-error");
}

static struct {
    GMutex lock;
    FakeSanaCounts counts;
    FakeSanaLast last;
    int frames_begun;
} fake;

/* Counts a thing and returns how many there were before. */
static int
count(int *what, int by)
{
    int before;

    g_mutex_lock(&fake.lock);
    before = *what;
    *what += by;
    g_mutex_unlock(&fake.lock);
    return before;
}

void
fake_sana_counts(FakeSanaCounts *counts)
{
    g_mutex_lock(&fake.lock);
    *counts = fake.counts;
    g_mutex_unlock(&fake.lock);
}

void
fake_sana_last(FakeSanaLast *last)
{
    g_mutex_lock(&fake.lock);
    *last = fake.last;
    g_mutex_unlock(&fake.lock);
}

void
fake_sana_forget(void)
{
    g_mutex_lock(&fake.lock);
    fake.counts.checks = fake.counts.loads = fake.counts.prompts = 0;
    fake.counts.frames = fake.counts.videos = fake.counts.videos_prepared = 0;
    fake.counts.cancelled = fake.counts.released = 0;
    fake.frames_begun = 0;
    g_mutex_unlock(&fake.lock);
}

/* --- models ---------------------------------------------------------------------------------- */

static gboolean
read_spec(const char *path, Spec *spec, GError **error)
{
    *spec =
        (Spec){.factor = 8, .native = 64, .fail_frame = -1, .nan_frame = -1, .fail_from = G_MAXINT};
    if (!path || !g_str_has_prefix(path, "fake:")) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_NOT_FOUND, "%s is not there; set model-path",
                    path);
        return FALSE;
    }
    char **words = g_strsplit(path + strlen("fake:"), ",", -1);
    for (char **w = words; *w; w++) {
        const char *value = strchr(*w, '=');
        int number = value ? atoi(value + 1) : 0;
        if (g_str_has_prefix(*w, "load="))
            spec->load_ms = number;
        else if (g_str_has_prefix(*w, "prompt="))
            spec->prompt_ms = number;
        else if (g_str_has_prefix(*w, "frame="))
            spec->frame_ms = number;
        else if (g_str_has_prefix(*w, "step="))
            spec->step_ms = number;
        else if (g_str_has_prefix(*w, "stubborn="))
            spec->stubborn_ms = number;
        else if (g_str_has_prefix(*w, "factor="))
            spec->factor = number;
        else if (g_str_has_prefix(*w, "native="))
            spec->native = number;
        else if (g_str_has_prefix(*w, "fail-frame="))
            spec->fail_frame = number;
        else if (g_str_has_prefix(*w, "fail-from="))
            spec->fail_from = number;
        else if (g_str_has_prefix(*w, "nan-frame="))
            spec->nan_frame = number;
        else if (g_str_has_prefix(*w, "check="))
            g_strlcpy(spec->check, value + 1, sizeof spec->check);
        else if (g_str_has_prefix(*w, "open="))
            g_strlcpy(spec->open, value + 1, sizeof spec->open);
        else if (!strcmp(*w, "copy"))
            spec->copy = TRUE;
        else if (!strcmp(*w, "own-memory"))
            spec->own_memory = TRUE;
        else if (!strcmp(*w, "cuda"))
            spec->own_memory = spec->cuda = TRUE;
        else
            g_assert_true(**w == '\0' || g_str_has_prefix(*w, "id="));
    }
    g_strfreev(words);
    return TRUE;
}

static gboolean
fails(const char *how, const char *path, GError **error)
{
    static const char *const names[] = {
        "not-found", "malformed", "unsupported", "memory", "settings", "cancelled", "failed",
    };

    if (!*how)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(how, names[i])) {
            g_set_error(error, SANA_ERROR, (int)i, "%s is %s; give another", path, how);
            return TRUE;
        }
    }
    g_assert_not_reached();
}

static gboolean
check_device(const SanaModelOptions *options, GError **error)
{
    const char *const devices[] = {options ? options->device : NULL,
                                   options ? options->text_device : NULL};
    SanaPrecision precision = options ? options->precision : SANA_PRECISION_AUTO;

    for (gsize i = 0; i < G_N_ELEMENTS(devices); i++)
        if (devices[i] && strcmp(devices[i], "auto") && strcmp(devices[i], "cpu")) {
            g_set_error(error, SANA_ERROR, SANA_ERROR_UNSUPPORTED,
                        "device %s is not on this machine; there are: cpu", devices[i]);
            return FALSE;
        }
    if (precision > SANA_PRECISION_F32 && precision != SANA_PRECISION_BF16) {
        g_set_error_literal(error, SANA_ERROR, SANA_ERROR_UNSUPPORTED,
                            "the cpu lacks this precision; it has f32, bf16");
        return FALSE;
    }
    return TRUE;
}

gboolean
sana_model_check(const char *path, const SanaModelOptions *options, GError **error)
{
    Spec spec;

    count(&fake.counts.checks, 1);
    return read_spec(path, &spec, error) && check_device(options, error) &&
           !fails(spec.check, path, error);
}

SanaModel *
sana_model_load(const char *path, const SanaModelOptions *options, GCancellable *cancellable,
                GError **error)
{
    Spec spec;

    count(&fake.counts.loads, 1);
    g_mutex_lock(&fake.lock);
    fake.last.device = g_intern_string(options->device);
    fake.last.text_device = g_intern_string(options->text_device);
    fake.last.precision = options->precision;
    g_mutex_unlock(&fake.lock);
    if (!read_spec(path, &spec, error) || !check_device(options, error))
        return NULL;
    for (int ms = 0; ms < spec.load_ms; ms += 5) {
        if (options->progress)
            options->progress(ms / (double)spec.load_ms, options->progress_data);
        if (g_cancellable_is_cancelled(cancellable)) {
            count(&fake.counts.cancelled, 1);
            g_set_error_literal(error, SANA_ERROR, SANA_ERROR_CANCELLED, "loading was cancelled");
            return NULL;
        }
        g_usleep(5000);
    }
    if (fails(spec.open, path, error))
        return NULL;
    const char *device = spec.cuda ? "cuda:0" : "cpu", *text = options->text_device;
    SanaModel *model = g_new0(SanaModel, 1);
    model->refs = 1;
    model->spec = spec;
    model->info = (SanaModelInfo){
        .factor = spec.factor,
        .native_size = spec.native,
        .latent_channels = 4,
        .caption_channels = 8,
        .device = device,
        .text_device = text && strcmp(text, "auto") != 0 ? g_intern_string(text) : device,
        .precision = SANA_PRECISION_F32,
        .weight_bytes = FAKE_SANA_WEIGHT_BYTES,
        .own_memory = spec.own_memory};
    count(&fake.counts.models, 1);
    return model;
}

SanaModel *
sana_model_ref(SanaModel *model)
{
    g_atomic_int_inc(&model->refs);
    return model;
}

void
sana_model_unref(SanaModel *model)
{
    if (g_atomic_int_dec_and_test(&model->refs)) {
        count(&fake.counts.models, -1);
        g_free(model);
    }
}

const SanaModelInfo *
sana_model_info(SanaModel *model)
{
    return &model->info;
}

/* --- sessions -------------------------------------------------------------------------------- */

SanaSession *
sana_session_new(SanaModel *model, GError **error)
{
    SanaSession *session = g_new0(SanaSession, 1);

    session->model = sana_model_ref(model);
    g_mutex_init(&session->lock);
    g_cond_init(&session->news);
    count(&fake.counts.sessions, 1);
    return session;
}

void
sana_session_free(SanaSession *session)
{
    if (!session)
        return;
    sana_model_unref(session->model);
    g_mutex_clear(&session->lock);
    g_cond_clear(&session->news);
    g_free(session);
    count(&fake.counts.sessions, -1);
}

SanaModel *
sana_session_get_model(SanaSession *session)
{
    return session->model;
}

void
sana_model_release_text_encoder(SanaModel *model)
{
    count(&fake.counts.released, 1);
}

void
sana_session_cancel(SanaSession *session)
{
    g_mutex_lock(&session->lock);
    session->cancelled = TRUE;
    g_cond_broadcast(&session->news);
    g_mutex_unlock(&session->lock);
}

void
sana_session_reset(SanaSession *session)
{
    g_mutex_lock(&session->lock);
    session->cancelled = FALSE;
    g_mutex_unlock(&session->lock);
}

/* Takes its time; FALSE when cancelled. */
static gboolean
compute(SanaSession *session, int ms, GError **error)
{
    gint64 end = g_get_monotonic_time() + ms * G_TIME_SPAN_MILLISECOND;
    gboolean cancelled;

    g_mutex_lock(&session->lock);
    if (session->busy)
        count(&fake.counts.busy, 1);
    session->busy = TRUE;
    while (!session->cancelled && g_cond_wait_until(&session->news, &session->lock, end))
        ;
    cancelled = session->cancelled;
    session->cancelled = FALSE;
    g_mutex_unlock(&session->lock);

    if (cancelled)
        g_usleep(session->model->spec.stubborn_ms * 1000);
    g_mutex_lock(&session->lock);
    session->busy = FALSE;
    g_mutex_unlock(&session->lock);
    if (!cancelled)
        return TRUE;
    count(&fake.counts.cancelled, 1);
    g_set_error_literal(error, SANA_ERROR, SANA_ERROR_CANCELLED, "the call was cancelled");
    return FALSE;
}

SanaPrompt *
sana_session_encode(SanaSession *session, const char *text, const SanaPromptParams *params,
                    GError **error)
{
    g_mutex_lock(&fake.lock);
    fake.last.text = g_intern_string(text);
    fake.last.prompt = *params;
    fake.last.prompt.instruction = g_intern_string(params->instruction);
    g_mutex_unlock(&fake.lock);
    if (!compute(session, session->model->spec.prompt_ms, error))
        return NULL;
    if (!g_utf8_validate(text ? text : "", -1, NULL) ||
        g_str_has_prefix(text ? text : "", "refuse")) {
        g_set_error_literal(error, SANA_ERROR, SANA_ERROR_SETTINGS,
                            "prompt is not UTF-8; give another");
        return NULL;
    }
    SanaPrompt *prompt = g_new0(SanaPrompt, 1);
    prompt->refs = 1;
    prompt->text = g_strdup(text ? text : "");
    count(&fake.counts.prompts, 1);
    return prompt;
}

SanaPrompt *
sana_prompt_ref(SanaPrompt *prompt)
{
    g_atomic_int_inc(&prompt->refs);
    return prompt;
}

void
sana_prompt_unref(SanaPrompt *prompt)
{
    if (g_atomic_int_dec_and_test(&prompt->refs)) {
        if (prompt->from)
            count(&fake.counts.blends, -1);
        g_clear_pointer(&prompt->from, sana_prompt_unref);
        g_clear_pointer(&prompt->to, sana_prompt_unref);
        g_free(prompt->text);
        g_free(prompt);
    }
}

SanaPrompt *
sana_prompt_blend(SanaPrompt *from, SanaPrompt *to, double weight, GError **error)
{
    SanaPrompt *prompt = g_new0(SanaPrompt, 1);

    prompt->refs = 1;
    prompt->from = sana_prompt_ref(from);
    prompt->to = sana_prompt_ref(to);
    prompt->weight = weight;
    count(&fake.counts.blends, 1);
    return prompt;
}

/* --- pixels ---------------------------------------------------------------------------------- */

void
fake_sana_colour(const char *prompt, guint64 seed, int steps, double guidance, guint8 colour[3])
{
    guint64 x = g_str_hash(prompt) + seed * 1000003 + (guint64)steps * 7919 +
                (guint64)(guidance * 1000) * 104729;

    x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    for (int c = 0; c < 3; c++)
        colour[c] = x >> (24 + 8 * c);
}

static void
colour_of(const SanaPrompt *prompt, const SanaParams *params, guint8 colour[3])
{
    guint8 from[3];

    if (!prompt->from) {
        fake_sana_colour(prompt->text, params->seed, params->steps, params->guidance_scale, colour);
        return;
    }
    colour_of(prompt->from, params, from);
    colour_of(prompt->to, params, colour);
    for (int c = 0; c < 3; c++)
        colour[c] = from[c] + prompt->weight * (colour[c] - from[c]) + 0.5;
}

static gboolean
begin_frame(SanaSession *session, const SanaParams *params, const SanaImage *image, GError **error)
{
    const Spec *spec = &session->model->spec;
    int ms = spec->frame_ms + spec->step_ms * (params->steps - 1);
    int n = count(&fake.frames_begun, 1);

    g_mutex_lock(&fake.lock);
    fake.last.params = *params;
    g_mutex_unlock(&fake.lock);
    if (!params->resolution_binning &&
        (image->width % spec->factor || image->height % spec->factor)) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_SETTINGS, "%d × %d is no multiple of %d",
                    image->width, image->height, spec->factor);
        return FALSE;
    }
    if (!compute(session, ms, error))
        return FALSE;
    if (n == spec->fail_frame || n >= spec->fail_from) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_FAILED, "frame %d failed", n);
        return FALSE;
    }
    if (n == spec->nan_frame) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_NOT_FINITE, "frame %d is not finite", n);
        return FALSE;
    }
    session->times = (SanaTimes){.encode = ms * 0.125e-3,
                                 .transformer = ms * 0.5e-3,
                                 .decode = ms * 0.375e-3,
                                 .total = ms * 1e-3};
    g_mutex_lock(&fake.lock);
    fake.counts.frames++;
    fake.counts.width = image->width;
    fake.counts.height = image->height;
    g_mutex_unlock(&fake.lock);
    return TRUE;
}

gboolean
sana_session_text_to_image(SanaSession *session, SanaPrompt *prompt, const SanaParams *params,
                           const SanaImage *images, GError **error)
{
    guint8 colour[3];

    if (!begin_frame(session, params, images, error))
        return FALSE;
    colour_of(prompt, params, colour);
    for (int y = 0; y < images->height; y++)
        for (int x = 0; x < images->width; x++) {
            for (int c = 0; c < 3; c++)
                fake_pixels_put(
                    images, x, y, c,
                    (guint8)(colour[c] + (x - images->width / 2) + 2 * (y - images->height / 2)));
            if (images->format == SANA_IMAGE_RGBA64)
                fake_pixels_put(images, x, y, 3, 255);
        }
    return TRUE;
}

gboolean
sana_session_image_to_image(SanaSession *session, SanaPrompt *prompt, const SanaParams *params,
                            const SanaImage *source, const SanaImage *images, GError **error)
{
    double strength = session->model->spec.copy ? 0 : params->strength;
    guint8 colour[3];

    if (!begin_frame(session, params, source, error))
        return FALSE;
    colour_of(prompt, params, colour);
    for (int y = 0; y < source->height; y++)
        for (int x = 0; x < source->width; x++) {
            for (int c = 0; c < 3; c++) {
                double from = fake_pixels_get(source, x, y, c);
                fake_pixels_put(images, x, y, c, from + strength * (colour[c] - from));
            }
            if (images->format == SANA_IMAGE_RGBA64)
                fake_pixels_put(images, x, y, 3, 255);
        }
    return TRUE;
}

void *(*fake_sana_twin)(const void *address);

static SanaVideoImage
on_host(const SanaVideoImage *v)
{
    SanaVideoImage host = *v;

    for (int i = 0; i < 3 && v->in_device_memory; i++)
        host.planes[i] = v->planes[i] ? fake_sana_twin(v->planes[i]) : NULL;
    return host;
}

/* By nearest pixels, through floats. */
gboolean
sana_session_restyle_video(SanaSession *session, SanaPrompt *prompt, const SanaParams *params,
                           const SanaVideoImage *source, const SanaVideoImage *target,
                           const SanaContent *content, GError **error)
{
    const SanaVideoImage in = on_host(source), out = on_host(target);
    const gsize row = 3 * sizeof(float) * (gsize)content->width;
    g_autofree float *pixels = g_malloc(row * (gsize)content->height);
    SanaImage image = {SANA_IMAGE_RGB_F32, content->width, content->height, row, pixels};

    fake_pixels_read(&image, &in, content);
    if (!sana_session_image_to_image(session, prompt, params, &image, &image, error))
        return FALSE;
    fake_pixels_write(&out, &image, content);
    count(&fake.counts.videos, 1);
    return TRUE;
}

gboolean
sana_session_prepare(SanaSession *session, int width, int height, GError **error)
{
    return compute(session, session->model->spec.frame_ms, error);
}

gboolean
sana_session_prepare_video(SanaSession *session, const SanaVideoImage *source,
                           const SanaVideoImage *target, const SanaContent *content, GError **error)
{
    count(&fake.counts.videos_prepared, 1);
    return sana_session_prepare(session, content->width, content->height, error);
}

const SanaTimes *
sana_session_times(SanaSession *session)
{
    return &session->times;
}

const char *
sana_default_instruction(void)
{
    return "";
}
