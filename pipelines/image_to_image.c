/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SanaSprintImg2ImgPipeline: a picture's latent, some noise, then steps, then a picture. */
#include "pipelines/internal.h"

#include <string.h>

/* x = cos t0 · z · scaling_factor·σd + sin t0 · σd · noise for every picture; a caller's latents
 * are x as they are. */
static void
start(SanaSession *s, const SanaParams *params, double t0, SanaGenerator *g)
{
    const SanaModel *m = s->model;
    SanaFrame *f = &s->frame;
    SanaStartCoefficients c = sana_start_coefficients(t0, m->sigma_data);
    float from_z = (float)(c.from_latent * m->autoencoder.config.scaling_factor * m->sigma_data);
    SanaTensor z = params->latents ? f->noise : f->z;
    sana_session_draw(s, params, g);
    sana_session_set_coef(s, COEF_START, params->latents ? 0 : from_z,
                          params->latents ? 1 : c.from_noise);
    for (int i = 0; i < params->n_images; i++) {
        sana_session_upload_noise(s, i);
        sana_mix(s->stream, sana_frame_slice(f, f->x, i), z, f->noise,
                 sana_rows(f->coef, COEF_START, 1));
    }
}

/* Nothing to compute: the clean latent is the picture's own. */
static void
start_clean(SanaSession *s, int n_images)
{
    SanaFrame *f = &s->frame;
    const SanaModel *m = s->model;
    float from_z = (float)(m->autoencoder.config.scaling_factor * m->sigma_data);
    sana_session_set_coef(s, COEF_START, from_z, 0);
    for (int i = 0; i < n_images; i++)
        sana_mix(s->stream, sana_frame_slice(f, f->x0, i), f->z, f->z,
                 sana_rows(f->coef, COEF_START, 1));
}

/* Pixels in and out: images, or video. */
typedef struct {
    const SanaImage *source, *images;
    const SanaVideoPair *video; /* or NULL */
} Edge;

/* Strength 0: the picture itself, byte for byte where the formats agree, but for alpha. */
static gboolean
pass_through(SanaSession *s, const SanaParams *params, const Edge *edge, GError **error)
{
    const gint64 begin = g_get_monotonic_time();
    if (edge->video)
        sana_video_pass_through(s, edge->video);
    for (int i = 0; i < params->n_images && !edge->video; i++)
        sana_session_copy_image(s, edge->source, &edge->images[i]);
    gboolean ok = sana_session_finish(s, error);
    s->times.total = (double)(g_get_monotonic_time() - begin) * 1e-6;
    return ok;
}

static void
encode(SanaSession *s, const Edge *edge)
{
    if (edge->video)
        sana_video_encode(s, edge->video);
    else
        sana_session_encode_image(s, edge->source);
}

static void
decode(SanaSession *s, int i, const Edge *edge)
{
    if (edge->video)
        sana_video_decode(s, edge->video);
    else
        sana_session_decode_image(s, i, &edge->images[i]);
}

static gboolean
restyle(SanaSession *s, const SanaSchedule *schedule, const SanaParams *params, const Edge *edge,
        GError **error)
{
    SanaGenerator g;
    gint64 begin = g_get_monotonic_time(), mark = begin;
    sana_generator_seed(&g, params->seed);
    if (!params->latents || schedule->count == 0)
        encode(s, edge);
    s->times.encode = sana_lap(s, &mark);
    if (schedule->count > 0)
        start(s, params, schedule->t[0], &g);
    else
        start_clean(s, params->n_images);
    sana_session_sample(s, schedule, params, &g);
    s->times.transformer = sana_lap(s, &mark);
    if (params->latent_out)
        sana_session_read_latents(s, params->n_images, params->latent_out);
    for (int i = 0; i < params->n_images && !params->latent_out; i++)
        decode(s, i, edge);
    gboolean ok = sana_session_finish_images(s, params->n_images, error);
    s->times.decode = sana_lap(s, &mark);
    s->times.total = (double)(mark - begin) * 1e-6;
    return ok;
}

static gboolean
restyle_image(SanaSession *s, SanaPrompt *prompt, const SanaParams *params, const SanaImage *source,
              const SanaImage *images, GError **error)
{
    SanaSchedule schedule;
    if (!sana_image_check(source, "the source", error) || !sana_images_check(images, params, error))
        return FALSE;
    if (images[0].width != source->width || images[0].height != source->height)
        return sana_error_settings(error,
                                   "the source is %d×%d, but the output %d×%d; they must "
                                   "be equal",
                                   source->width, source->height, images[0].width,
                                   images[0].height);
    if (!sana_schedule_image(&schedule, params, error) ||
        !sana_session_begin(s, prompt, params, source->width, source->height, error))
        return FALSE;
    const Edge edge = {source, images, NULL};
    if (schedule.count == 0 && !params->latent_out)
        return pass_through(s, params, &edge, error);
    return restyle(s, &schedule, params, &edge, error);
}

gboolean
sana_session_image_to_image(SanaSession *s, SanaPrompt *prompt, const SanaParams *params,
                            const SanaImage *source, const SanaImage *images, GError **error)
{
    return sana_session_end(s, restyle_image(s, prompt, params, source, images, error));
}

gboolean
sana_restyle_video(SanaSession *s, SanaPrompt *prompt, const SanaParams *params,
                   const SanaVideoPair *pair, GError **error)
{
    SanaSchedule schedule;
    const Edge edge = {.video = pair};
    if (!sana_schedule_image(&schedule, params, error) ||
        !sana_session_begin(s, prompt, params, pair->content->width, pair->content->height,
                            error) ||
        !sana_video_prepare(s, pair, error))
        return FALSE;
    return schedule.count == 0 ? pass_through(s, params, &edge, error)
                               : restyle(s, &schedule, params, &edge, error);
}
