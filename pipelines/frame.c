/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The buffers of one picture size, and what runs on them. */
#include "pipelines/internal.h"

void
sana_frame_allocate(SanaFrame *f, SanaPool *pool, const SanaModel *m, int width, int height,
                    int n_images)
{
    const int factor = m->info.factor, C = m->info.latent_channels;
    const int h = height / factor, w = width / factor;
    const SanaTransformerConfig *t = &m->transformer.config;
    *f = (SanaFrame){
        .width = width, .height = height, .h = h, .w = w, .n_images = n_images, .pool = pool};
    for (int i = 0; i < SANA_IMAGE_FORMATS; i++)
        f->pixels[i] = sana_image_tensor((SanaImageFormat)i, pool, width, height);
    f->picture = sana_pool_tensor(pool, m->dtype, height, width, 3);
    f->z = sana_pool_tensor(pool, m->dtype, h, w, C);
    f->x = sana_pool_tensor(pool, SANA_F32, n_images * h, w, C);
    f->x0 = sana_pool_tensor(pool, SANA_F32, n_images * h, w, C);
    f->noise = sana_pool_tensor(pool, SANA_F32, h, w, C);
    f->input = sana_pool_tensor(pool, m->dtype, h, w, C);
    f->v = sana_pool_tensor(pool, SANA_F32, h, w, C);
    f->coef = sana_pool_tensor(pool, SANA_F32, 1, COEF_ROWS, 2);
    f->blend = sana_pool_tensor(pool, SANA_F32, 1, SANA_MAX_BLEND - 1, 2);
    f->time = sana_pool_tensor(pool, SANA_F32, 1, 1, 1);
    f->guidance = sana_pool_tensor(pool, SANA_F32, 1, 1, 1);
    if (t->interpolation_scale > 0)
        f->positions = sana_pool_tensor(pool, SANA_F32, h, w, t->dim);
}

void
sana_frame_clear(SanaFrame *f, SanaStream *stream)
{
    sana_replay_free(stream, &f->step);
    for (int i = 0; i < SANA_IMAGE_FORMATS; i++) {
        sana_replay_free(stream, &f->encode[i]);
        sana_replay_free(stream, &f->decode[i]);
    }
    sana_replay_free(stream, &f->video_encode);
    sana_replay_free(stream, &f->video_decode);
    sana_video_edge_free(f->video_source);
    sana_video_edge_free(f->video_target);
    sana_pool_free(f->pool);
    g_free(f->host);
    g_free(f->turned);
    *f = (SanaFrame){0};
}

SanaTensor
sana_frame_slice(const SanaFrame *f, SanaTensor x, int i)
{
    return sana_reshape(sana_rows(x, i * f->h * f->w, f->h * f->w), f->h, f->w, x.c);
}

/* source pixels → picture → z */
void
sana_frame_encode(SanaStream *s, void *args)
{
    const SanaForwardArgs *a = args;
    sana_image_load(s, a->frame->picture, a->source);
    sana_autoencoder_encode(s, &a->model->autoencoder, a->frame->z, a->frame->picture);
}

/* x of one picture → x0 and the next x: one network evaluation. */
void
sana_frame_step(SanaStream *s, void *args)
{
    const SanaForwardArgs *a = args;
    const SanaFrame *f = a->frame;
    const SanaPrompt *p = a->prompt;
    const SanaTensor *more[SANA_MAX_BLEND];
    for (int i = 1; i < p->n_parts; i++)
        more[i - 1] = p->parts[i]->kv;
    SanaTensor x = sana_frame_slice(f, f->x, a->image), x0 = sana_frame_slice(f, f->x0, a->image);
    SanaCondition condition = {
        .time = f->time,
        .guidance = f->guidance,
        .positions = f->positions,
        .kv = p->parts[0]->kv,
        .more = more,
        .n_more = p->n_parts - 1,
        .weights = f->blend,
    };
    sana_mix(s, f->input, x, x, sana_rows(f->coef, COEF_INPUT, 1));
    sana_transformer_forward(s, &a->model->transformer, f->v, f->input, &condition);
    sana_mix(s, x0, x, f->v, sana_rows(f->coef, COEF_CLEAN, 1));
    sana_mix(s, x, x0, f->noise, sana_rows(f->coef, COEF_NEXT, 1));
}

void
sana_frame_decode_picture(SanaStream *s, const SanaModel *model, const SanaFrame *f, int i)
{
    SanaTensor x0 = sana_frame_slice(f, f->x0, i);
    sana_mix(s, f->z, x0, x0, sana_rows(f->coef, COEF_START, 1));
    sana_autoencoder_decode(s, &model->autoencoder, f->picture, f->z);
}

/* x0 of one picture → z → picture → pixels */
void
sana_frame_decode(SanaStream *s, void *args)
{
    const SanaForwardArgs *a = args;
    sana_frame_decode_picture(s, a->model, a->frame, a->image);
    sana_image_store(s, a->out, a->frame->picture);
}
