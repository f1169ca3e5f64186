/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of work: per size what is prepared, per frame the parts both loops are made of. */
#include "pipelines/internal.h"

#include "kernels/ops.h"

#include <string.h>

/* --- life ------------------------------------------------------------------------------------- */

SanaSession *
sana_session_new(SanaModel *model, GError **error)
{
    GError *cause = NULL;
    SanaSession *s = g_new0(SanaSession, 1);
    g_mutex_init(&s->cancelling);
    s->model = sana_model_ref(model);
    s->stream = sana_stream_new(model->device, &cause);
    s->text_stream = model->text_device == model->device || !s->stream
                         ? s->stream
                         : sana_stream_new(model->text_device, &cause);
    SanaDevice *planner = s->text_stream ? sana_device_open("planner", &cause) : NULL;
    s->planner = planner ? sana_stream_new(planner, &cause) : NULL;
    sana_device_unref(planner);
    if (s->planner)
        return s;
    sana_session_free(s);
    sana_error_translate(error, cause);
    return NULL;
}

SanaModel *
sana_session_get_model(SanaSession *s)
{
    return s->model;
}

void
sana_session_free(SanaSession *s)
{
    if (!s)
        return;
    sana_frame_clear(&s->frame, s->stream);
    sana_text_cache_clear(&s->text);
    if (s->prompt)
        sana_prompt_unref(s->prompt);
    if (s->text_stream != s->stream)
        sana_stream_free(s->text_stream);
    sana_stream_free(s->stream);
    sana_stream_free(s->planner);
    sana_model_unref(s->model);
    g_mutex_clear(&s->cancelling);
    g_free(s);
}

void
sana_session_cancel(SanaSession *s)
{
    g_mutex_lock(&s->cancelling);
    sana_stream_cancel(s->stream);
    if (s->text_stream != s->stream)
        sana_stream_cancel(s->text_stream);
    g_mutex_unlock(&s->cancelling);
}

void
sana_session_reset(SanaSession *s)
{
    g_mutex_lock(&s->cancelling);
    sana_stream_finish(s->stream, NULL);
    if (s->text_stream != s->stream)
        sana_stream_finish(s->text_stream, NULL);
    g_mutex_unlock(&s->cancelling);
}

gboolean
sana_session_finish_stream(SanaSession *s, SanaStream *stream, GError **error)
{
    GError *cause = NULL;
    if (sana_stream_finish(stream, &cause))
        return TRUE;
    /* one cancellation ends one call: the other stream is not to meet it later */
    if (g_error_matches(cause, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_CANCELLED))
        sana_session_reset(s);
    return sana_error_translate(error, cause);
}

gboolean
sana_session_finish(SanaSession *s, GError **error)
{
    return sana_session_finish_stream(s, s->stream, error);
}

gboolean
sana_session_end(SanaSession *s, gboolean ok)
{
    if (!ok)
        sana_session_reset(s);
    return ok;
}

const SanaTimes *
sana_session_times(SanaSession *s)
{
    return &s->times;
}

void
sana_session_separate_parts(SanaSession *s, gboolean separate)
{
    s->separate = separate;
}

double
sana_lap(SanaSession *s, gint64 *mark)
{
    if (s->separate)
        sana_stream_wait(s->stream);
    gint64 now = g_get_monotonic_time();
    double seconds = (double)(now - *mark) * 1e-6;
    *mark = now;
    return seconds;
}

/* --- per size --------------------------------------------------------------------------------- */

static SanaForwardArgs
forward_args(SanaSession *s, const SanaFrame *f, const SanaPrompt *prompt)
{
    return (SanaForwardArgs){
        .model = s->model,
        .frame = f,
        .prompt = prompt,
        .source = f->pixels[SANA_IMAGE_RGB_F32],
        .out = f->pixels[SANA_IMAGE_RGB_F32],
    };
}

/* One part of a frame on the planner. */
static gboolean
plan_part(SanaSession *s, SanaForward forward, SanaForwardArgs *args, SanaPlan *plan,
          GError **error)
{
    GError *cause = NULL;
    sana_stream_plan_reset(s->planner);
    forward(s->planner, args);
    *plan = sana_stream_plan(s->planner);
    return sana_stream_finish(s->planner, &cause) || sana_error_translate(error, cause);
}

typedef struct {
    SanaPlan encode, step, decode;
    size_t bytes; /* buffers and scratch */
    size_t scratch;
} SizePlan;

/* What pictures of this size take, before a byte of it is allocated. */
static gboolean
plan_size(SanaSession *s, const SanaPrompt *prompt, int width, int height, int n_images,
          SizePlan *plan, GError **error)
{
    SanaFrame f;
    SanaPool *pool = sana_pool_new(sana_stream_device(s->planner));
    sana_frame_allocate(&f, pool, s->model, width, height, n_images);
    plan->bytes = sana_pool_bytes(pool);
    sana_pool_free(pool);
    SanaForwardArgs args = forward_args(s, &f, prompt);
    if (!plan_part(s, sana_frame_encode, &args, &plan->encode, error) ||
        !plan_part(s, sana_frame_step, &args, &plan->step, error) ||
        !plan_part(s, sana_frame_decode, &args, &plan->decode, error))
        return FALSE;
    plan->scratch =
        MAX(MAX(plan->encode.scratch_peak, plan->step.scratch_peak), plan->decode.scratch_peak);
    plan->bytes += plan->scratch;
    return TRUE;
}

static gboolean
check_size(const SanaModel *m, int width, int height, int n_images, GError **error)
{
    const int factor = m->info.factor;
    if (width < factor || height < factor || width > SANA_MAX_SIDE || height > SANA_MAX_SIDE ||
        width % factor != 0 || height % factor != 0)
        return sana_error_settings(error,
                                   "a picture of %d×%d cannot be drawn: sides must be multiples "
                                   "of %d from %d to %d",
                                   width, height, factor, factor, SANA_MAX_SIDE);
    if ((gint64)(width / factor) * (height / factor) * n_images > G_MAXINT)
        return sana_error_settings(error, "%d pictures of %d×%d are too many to draw at once",
                                   n_images, width, height);
    return TRUE;
}

/* What a plan takes beside the scratch that is there, which serves as well or is given back for a
 * larger one. */
static size_t
beside_scratch(const SanaSession *s, const SizePlan *plan)
{
    return plan->bytes - MIN(plan->scratch, sana_stream_reserved(s->stream));
}

/* The largest size of about this shape whose pictures take at most so many bytes; 0 in *width where
 * none does. */
static void
largest_that_fits(SanaSession *s, const SanaPrompt *prompt, int n_images, size_t bytes, int *width,
                  int *height)
{
    const int factor = s->model->info.factor, w = *width, h = *height;
    int fits = 0, short_of = MIN(w, h) / factor;
    *width = *height = 0;
    while (short_of - fits > 1) {
        const int middle = (fits + short_of) / 2;
        /* the shorter side in factors of the autoencoder, the longer one rounded to them */
        const double scale = (double)middle * factor / MIN(w, h);
        const int x = (int)(w * scale / factor + 0.5) * factor;
        const int y = (int)(h * scale / factor + 0.5) * factor;
        SizePlan plan;
        if (plan_size(s, prompt, x, y, n_images, &plan, NULL) &&
            beside_scratch(s, &plan) <= bytes) {
            fits = middle;
            *width = x;
            *height = y;
        } else {
            short_of = middle;
        }
    }
}

static gboolean
check_memory(SanaSession *s, const SanaPrompt *prompt, const SizePlan *plan, int width, int height,
             int n_images, GError **error)
{
    const size_t available = sana_device_free_memory(s->model->device);
    const size_t more = beside_scratch(s, plan);
    if (more <= available)
        return TRUE;
    int w = width, h = height;
    largest_that_fits(s, prompt, n_images, available, &w, &h);
    g_autofree char *smaller = w ? g_strdup_printf(": %d×%d would fit", w, h) : g_strdup("");
    g_set_error(error, SANA_ERROR, SANA_ERROR_MEMORY,
                "pictures of %d×%d take another %.1f GiB, but device %s has %.1f GiB free; choose "
                "a smaller size%s",
                width, height, (double)more / (1 << 30), sana_device_name(s->model->device),
                (double)available / (1 << 30), smaller);
    return FALSE;
}

static gboolean
allocate_size(SanaSession *s, int width, int height, int n_images, GError **error)
{
    SanaFrame *f = &s->frame;
    const SanaTransformerConfig *t = &s->model->transformer.config;
    sana_frame_allocate(f, sana_pool_new(s->model->device), s->model, width, height, n_images);
    const GError *failure = sana_pool_error(f->pool);
    if (failure) {
        sana_error_translate(error, g_error_copy(failure));
        return FALSE;
    }
    const size_t latent = (size_t)f->h * (size_t)f->w * (size_t)f->x.c;
    f->host = g_try_malloc_n(latent * (size_t)n_images, sizeof *f->host);
    f->turned = g_try_malloc_n(latent, sizeof *f->turned);
    g_autofree float *positions = NULL;
    if (t->interpolation_scale > 0)
        positions = g_try_malloc_n((size_t)f->h * (size_t)f->w * (size_t)t->dim, sizeof *positions);
    if (!f->host || !f->turned || (t->interpolation_scale > 0 && !positions)) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_MEMORY,
                    "there is no memory for %d pictures of %d×%d; choose fewer or a smaller size",
                    n_images, width, height);
        return FALSE;
    }
    if (positions) {
        sana_transformer_positions(t, f->h, f->w, positions);
        sana_upload(s->stream, f->positions, positions);
    }
    return sana_session_finish(s, error);
}

/* Makes s->frame ready for this size; what was there before is given up first. */
static gboolean
reserve_size(SanaSession *s, const SanaPrompt *prompt, int width, int height, int n_images,
             GError **error)
{
    SanaFrame *f = &s->frame;
    GError *cause = NULL;
    SizePlan plan;
    /* the scratch may be gone: a prompt asked for more than there was */
    if (f->width == width && f->height == height && f->n_images >= n_images)
        return sana_stream_reserve(s->stream, f->scratch, &cause) ||
               sana_error_translate(error, cause);
    if (!check_size(s->model, width, height, n_images, error) ||
        !plan_size(s, prompt, width, height, n_images, &plan, error))
        return FALSE;
    sana_frame_clear(f, s->stream);
    if (!sana_device_check(s->model->device, &cause)) {
        sana_error_translate(error, cause);
        return FALSE;
    }
    if (!check_memory(s, prompt, &plan, width, height, n_images, error))
        return FALSE;
    if (!sana_stream_reserve(s->stream, plan.scratch, &cause)) {
        sana_error_translate(error, cause);
        return FALSE;
    }
    if (!allocate_size(s, width, height, n_images, error)) {
        sana_frame_clear(f, s->stream);
        return FALSE;
    }
    f->scratch = plan.scratch;
    return TRUE;
}

/* What replays runs plainly, is recorded, and only then is as fast as it will be: parts are told
 * apart for the last time, of which sana_session_times() tells. */
gboolean
sana_session_run_first(SanaSession *s, SanaFirstRun run, void *args, GError **error)
{
    const int runs = sana_device_replays(s->model->device) ? 3 : 1;
    const gboolean separate = s->separate;
    gboolean ok = TRUE;
    for (int i = 1; i <= runs && ok; i++) {
        s->separate = separate || (runs > 1 && i == runs);
        ok = run(s, args, error);
    }
    s->separate = separate;
    return ok;
}

typedef struct {
    SanaPrompt *prompt;
    const SanaParams *params;
    const SanaImage *image;
} FirstImage;

static gboolean
first_image(SanaSession *s, void *args, GError **error)
{
    const FirstImage *f = args;
    return sana_session_image_to_image(s, f->prompt, f->params, f->image, f->image, error);
}

gboolean
sana_session_prepare(SanaSession *s, int width, int height, GError **error)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaPrompt *blank = sana_prompt_blank(s, error);
    if (!blank)
        return sana_session_end(s, FALSE);
    params.steps = 1;
    gboolean ok = reserve_size(s, blank, width, height, 1, error);
    if (ok) {
        /* a black picture, restyled into itself */
        const size_t row = (size_t)width * 3;
        SanaImage image = {SANA_IMAGE_RGB, width, height, row, NULL};
        g_autofree void *pixels =
            sana_session_host_memory(s, row * (size_t)height, 0, &image, error);
        image.pixels = pixels;
        FirstImage first = {blank, &params, &image};
        ok = pixels && sana_session_run_first(s, first_image, &first, error);
    }
    sana_prompt_unref(blank);
    return sana_session_end(s, ok);
}

gboolean
sana_session_cost(SanaSession *s, SanaPrompt *prompt, int width, int height, SanaCost *cost,
                  GError **error)
{
    SizePlan plan;
    if (!sana_prompt_check(s, prompt, error) || !check_size(s->model, width, height, 1, error) ||
        !plan_size(s, prompt, width, height, 1, &plan, error))
        return FALSE;
    *cost = (SanaCost){
        .encode_flop = plan.encode.flop,
        .step_flop = plan.step.flop,
        .decode_flop = plan.decode.flop,
        .buffer_bytes = plan.bytes,
    };
    return TRUE;
}

/* --- per frame -------------------------------------------------------------------------------- */

gboolean
sana_session_begin(SanaSession *s, SanaPrompt *prompt, const SanaParams *params, int width,
                   int height, GError **error)
{
    if (!sana_prompt_check(s, prompt, error))
        return FALSE;
    if (!(params->guidance_scale >= 0 && params->guidance_scale <= 20))
        return sana_error_settings(error, "guidance_scale is %g, but must be 0 to 20",
                                   params->guidance_scale);
    if (!reserve_size(s, prompt, width, height, params->n_images, error))
        return FALSE;
    if (s->prompt != prompt) {
        if (!s->prompt || !sana_prompt_same_parts(s->prompt, prompt))
            sana_replay_free(s->stream, &s->frame.step);
        sana_prompt_ref(prompt);
        if (s->prompt)
            sana_prompt_unref(s->prompt);
        s->prompt = prompt;
    }
    s->times = (SanaTimes){0};
    float pairs[2 * (SANA_MAX_BLEND - 1)];
    sana_prompt_mix(prompt, pairs);
    sana_upload(s->stream, s->frame.blend, pairs);
    float guidance = sana_transformer_guidance(&s->model->transformer, params->guidance_scale);
    sana_upload(s->stream, s->frame.guidance, &guidance);
    return TRUE;
}

/* One part of a frame; further pictures of a call lie elsewhere than what is replayed. */
static void
run_part(SanaSession *s, SanaReplay **replay, SanaForward forward, SanaForwardArgs *args)
{
    if (args->image == 0)
        sana_stream_replay(s->stream, replay, forward, args);
    else
        forward(s->stream, args);
}

/* --- per frame: pictures ---------------------------------------------------------------------- */

void
sana_session_encode_image(SanaSession *s, const SanaImage *image)
{
    SanaForwardArgs args = forward_args(s, &s->frame, NULL);
    args.source = s->frame.pixels[image->format];
    sana_image_upload(s->stream, args.source, image);
    run_part(s, &s->frame.encode[image->format], sana_frame_encode, &args);
}

void
sana_session_set_decode_coef(SanaSession *s)
{
    const SanaModel *m = s->model;
    double scale = 1 / (m->sigma_data * m->autoencoder.config.scaling_factor);
    sana_session_set_coef(s, COEF_START, (float)scale, 0);
}

void
sana_session_decode_image(SanaSession *s, int i, const SanaImage *image)
{
    SanaForwardArgs args = forward_args(s, &s->frame, NULL);
    args.image = i;
    args.out = s->frame.pixels[image->format];
    sana_session_set_decode_coef(s);
    run_part(s, &s->frame.decode[image->format], sana_frame_decode, &args);
    sana_image_download(s->stream, image, args.out);
}

/* --- per frame: latents ----------------------------------------------------------------------- */

/* The reference's order is channels first, ours channels last.  (rows, columns) of out ←
 * (columns, rows) of in. */
static void
transpose(const float *in, int rows, int columns, float *out)
{
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < columns; k++)
            out[(size_t)i * (size_t)columns + (size_t)k] = in[(size_t)k * (size_t)rows + (size_t)i];
}

static size_t
latent_size(const SanaFrame *f)
{
    return (size_t)f->h * (size_t)f->w * (size_t)f->x.c;
}

void
sana_session_draw(SanaSession *s, const SanaParams *params, SanaGenerator *g)
{
    const size_t n = latent_size(&s->frame) * (size_t)params->n_images;
    if (params->latents)
        memcpy(s->frame.host, params->latents, n * sizeof *s->frame.host);
    else
        sana_generator_randn(g, s->frame.host, n);
}

void
sana_session_upload_noise(SanaSession *s, int i)
{
    SanaFrame *f = &s->frame;
    transpose(f->host + (size_t)i * latent_size(f), f->h * f->w, f->x.c, f->turned);
    sana_upload(s->stream, f->noise, f->turned);
}

void
sana_session_read_latents(SanaSession *s, int n_images, float *out)
{
    SanaFrame *f = &s->frame;
    const size_t size = latent_size(f);
    const float scale = (float)(1 / s->model->sigma_data);
    for (int i = 0; i < n_images; i++) {
        sana_download(s->stream, f->turned, sana_frame_slice(f, f->x0, i));
        for (size_t k = 0; k < size; k++)
            f->turned[k] *= scale;
        transpose(f->turned, f->x.c, f->h * f->w, out + (size_t)i * size);
    }
}

/* The clean latents of the pictures that were drawn. */
static gboolean
latents_are_finite(SanaSession *s, int n_images)
{
    SanaFrame *f = &s->frame;
    for (int i = 0; i < n_images; i++) {
        sana_download(s->stream, f->turned, sana_frame_slice(f, f->x0, i));
        if (!sana_all_finite(sana_tensor(f->turned, SANA_F32, f->h, f->w, f->x.c)))
            return FALSE;
    }
    return TRUE;
}

gboolean
sana_session_finish_images(SanaSession *s, int n_images, GError **error)
{
    gboolean finite = latents_are_finite(s, n_images);
    if (!sana_session_finish(s, error))
        return FALSE;
    if (finite)
        return TRUE;
    g_set_error(error, SANA_ERROR, SANA_ERROR_NOT_FINITE,
                "the picture came out with infinite or undefined values; choose another seed, "
                "prompt or latents%s",
                s->model->dtype == SANA_F32 ? "" : ", or precision f32");
    return FALSE;
}

void
sana_session_set_coef(SanaSession *s, int row, float a, float b)
{
    const float pair[2] = {a, b};
    sana_upload(s->stream, sana_rows(s->frame.coef, row, 1), pair);
}

/* --- per frame: sampling ---------------------------------------------------------------------- */

static void
step_images(SanaSession *s, int n_images)
{
    SanaForwardArgs args = forward_args(s, &s->frame, s->prompt);
    for (args.image = 0; args.image < n_images; args.image++) {
        sana_session_upload_noise(s, args.image);
        run_part(s, &s->frame.step, sana_frame_step, &args);
    }
}

static gboolean
call_back(SanaSession *s, int step, int n_steps, const SanaParams *params)
{
    const size_t n = latent_size(&s->frame) * (size_t)params->n_images;
    g_autofree float *latents = g_new(float, n);
    sana_session_read_latents(s, params->n_images, latents);
    return !sana_stream_ok(s->stream) || params->step(step, n_steps, latents, params->step_data);
}

void
sana_session_sample(SanaSession *s, const SanaSchedule *schedule, const SanaParams *params,
                    SanaGenerator *g)
{
    for (int i = 0; i < schedule->count && sana_stream_ok(s->stream); i++) {
        SanaStepCoefficients c =
            sana_step_coefficients(schedule->t[i], schedule->t[i + 1], s->model->sigma_data);
        sana_session_set_coef(s, COEF_INPUT, c.scale_in, 0);
        sana_session_set_coef(s, COEF_CLEAN, c.x0_from_x, c.x0_from_v);
        sana_session_set_coef(s, COEF_NEXT, c.next_from_x0, c.next_from_noise);
        sana_upload(s->stream, s->frame.time, &c.time);
        /* The reference draws after the last step too, and multiplies by zero. */
        if (i < schedule->count - 1)
            sana_generator_randn(g, s->frame.host,
                                 latent_size(&s->frame) * (size_t)params->n_images);
        step_images(s, params->n_images);
        if (params->step && sana_stream_ok(s->stream) && !call_back(s, i, schedule->count, params))
            sana_stream_cancel(s->stream);
    }
}
