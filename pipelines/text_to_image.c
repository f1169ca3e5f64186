/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SanaSprintPipeline: noise, then steps, then a picture. */
#include "pipelines/internal.h"

#include "pipelines/resolution.h"

/* x = σd·noise for every picture. */
static void
start(SanaSession *s, const SanaParams *params, SanaGenerator *g)
{
    SanaFrame *f = &s->frame;
    sana_session_draw(s, params, g);
    sana_session_set_coef(s, COEF_START, (float)s->model->sigma_data, 0);
    for (int i = 0; i < params->n_images; i++) {
        sana_session_upload_noise(s, i);
        sana_mix(s->stream, sana_frame_slice(f, f->x, i), f->noise, f->noise,
                 sana_rows(f->coef, COEF_START, 1));
    }
}

/* Pictures of exactly these sizes. */
static gboolean
draw(SanaSession *s, SanaPrompt *prompt, const SanaParams *params, const SanaImage *images,
     GError **error)
{
    SanaSchedule schedule;
    SanaGenerator g;
    gint64 begin = g_get_monotonic_time(), mark = begin;
    if (!sana_schedule_text(&schedule, params, error) ||
        !sana_session_begin(s, prompt, params, images[0].width, images[0].height, error))
        return FALSE;
    sana_generator_seed(&g, params->seed);
    start(s, params, &g);
    sana_session_sample(s, &schedule, params, &g);
    s->times.transformer = sana_lap(s, &mark);
    if (params->latent_out)
        sana_session_read_latents(s, params->n_images, params->latent_out);
    for (int i = 0; i < params->n_images && !params->latent_out; i++)
        sana_session_decode_image(s, i, &images[i]);
    gboolean ok = sana_session_finish_images(s, params->n_images, error);
    s->times.decode = sana_lap(s, &mark);
    s->times.total = (double)(mark - begin) * 1e-6;
    return ok;
}

/* One picture from the reference's bin to the size asked, through floats. */
static void
unbin(SanaSession *s, const SanaImage *binned, float *scaled, const SanaImage *image)
{
    sana_resize_and_crop(binned->pixels, binned->width, binned->height, scaled, image->width,
                         image->height);
    sana_session_store_floats(s, scaled, image);
}

/* Draws at the size of the nearest bin, then scales and crops. */
static gboolean
draw_binned(SanaSession *s, SanaPrompt *prompt, const SanaParams *params, const SanaImage *images,
            GError **error)
{
    int width = images[0].width, height = images[0].height;
    if (s->model->transformer.config.sample_size != 32)
        return sana_error_settings(error,
                                   "resolution_binning knows the sizes of models of sample_size "
                                   "32 only, and this one has %d; switch it off",
                                   s->model->transformer.config.sample_size);
    sana_resolution_bin(&width, &height);
    if (params->latent_out)
        return draw(s, prompt, params, &(SanaImage){.width = width, .height = height}, error);
    const size_t row = (size_t)width * 3 * sizeof(float);
    const size_t floats = (size_t)images[0].width * (size_t)images[0].height * 3 * sizeof(float);
    g_autofree SanaImage *binned = g_new0(SanaImage, params->n_images);
    /* the scaled picture is also stored on the device, in floats and in its format */
    g_autofree char *pixels = sana_session_host_memory(
        s, row * (size_t)height * (size_t)params->n_images, 0, images, error);
    g_autofree float *scaled =
        pixels ? sana_session_host_memory(s, floats, 2 * floats, images, error) : NULL;
    if (!scaled)
        return FALSE;
    for (int i = 0; i < params->n_images; i++)
        binned[i] = (SanaImage){SANA_IMAGE_RGB_F32, width, height, row,
                                pixels + (size_t)i * row * (size_t)height};
    if (!draw(s, prompt, params, binned, error))
        return FALSE;
    const gint64 begin = g_get_monotonic_time();
    for (int i = 0; i < params->n_images && sana_stream_ok(s->stream); i++)
        unbin(s, &binned[i], scaled, &images[i]);
    gboolean ok = sana_session_finish(s, error);
    const double scaling = (double)(g_get_monotonic_time() - begin) * 1e-6;
    s->times.decode += scaling;
    s->times.total += scaling;
    return ok;
}

gboolean
sana_session_text_to_image(SanaSession *s, SanaPrompt *prompt, const SanaParams *params,
                           const SanaImage *images, GError **error)
{
    return sana_session_end(
        s, sana_images_check(images, params, error) &&
               (params->resolution_binning ? draw_binned : draw)(s, prompt, params, images, error));
}
