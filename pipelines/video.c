/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures of video at the session's edge: dense planes of its own, which a replay may hold on to,
 * that the caller's are copied to and from. */
#include "pipelines/internal.h"

#include "kernels/taps.h"

#include <math.h>
#include <string.h>

#define MAX_PLANES 3
#define LONGEST_ROW (4 * SANA_MAX_SIDE + 4) /* bytes */

struct _SanaVideoEdge {
    SanaVideoImage layout; /* what it is made for; pointers and strides aside */
    SanaContent content;
    SanaPool *pool;
    SanaTensor planes[MAX_PLANES]; /* (rows, bytes, 1) U8; none where a plane is not used */
    SanaVideo video;
};

/* --- checks ----------------------------------------------------------------------------------- */

static gboolean
component_is_sound(const SanaVideoImage *v, const SanaComponent *c)
{
    return c->plane >= 0 && c->plane < MAX_PLANES && c->step >= 1 && c->step <= 4 &&
           c->offset < 4 && (c->sub_x == 1 || c->sub_x == 2) && (c->sub_y == 1 || c->sub_y == 2) &&
           c->at_x >= 0 && c->at_x <= 2 && c->at_y >= 0 && c->at_y <= 2;
}

/* Bytes of a row of a plane that are its own, and rows: both 0 where nothing lies in it. */
static void
plane_size(const SanaVideoImage *v, int plane, int *bytes, int *rows)
{
    *bytes = *rows = 0;
    for (int i = 0; i < 3; i++) {
        const SanaComponent *c = &v->components[i];
        int last = (int)c->offset + (sana_video_samples(v->width, c->sub_x) - 1) * c->step + 1;
        if (c->plane != plane)
            continue;
        *bytes = MAX(*bytes, last);
        *rows = MAX(*rows, sana_video_samples(v->height, c->sub_y));
    }
    if (plane == 0 && v->filler >= 0)
        *bytes = MAX(*bytes, v->filler + (v->width - 1) * v->components[0].step + 1);
}

static gboolean
check_video(const SanaVideoImage *v, const char *what, GError **error)
{
    if (v->width < 1 || v->height < 1 || v->width > SANA_MAX_SIDE || v->height > SANA_MAX_SIDE)
        return sana_error_settings(error, "%s is %d×%d, but sides must be 1 to %d", what, v->width,
                                   v->height, SANA_MAX_SIDE);
    for (int i = 0; i < 3; i++)
        if (!component_is_sound(v, &v->components[i]))
            return sana_error_settings(error,
                                       "component %d of %s lies nowhere that video has it; see "
                                       "SanaComponent for what its values may be",
                                       i, what);
    const SanaComponent *first = &v->components[0];
    if (v->filler >= 0 &&
        (first->plane != 0 || first->sub_x != 1 || first->sub_y != 1 || v->filler >= first->step))
        return sana_error_settings(error,
                                   "%s has a filler at byte %d, but component 0 has no sample of "
                                   "so long a step in each pixel of plane 0; set it to −1",
                                   what, v->filler);
    return TRUE;
}

static gboolean
check_planes(SanaSession *s, const SanaVideoImage *v, const char *what, GError **error)
{
    const SanaModelInfo *info = sana_model_info(s->model);
    if (v->in_device_memory && !info->own_memory)
        return sana_error_settings(error,
                                   "%s is in memory of a GPU and the model on %s; give video in "
                                   "host memory",
                                   what, info->device);
    for (int i = 0; i < MAX_PLANES; i++) {
        int bytes, rows;
        plane_size(v, i, &bytes, &rows);
        if (rows > 0 && !v->planes[i])
            return sana_error_settings(error, "plane %d of %s is NULL", i, what);
        if (rows > 0 && v->strides[i] < (gsize)bytes)
            return sana_error_settings(error,
                                       "plane %d of %s has a stride of %" G_GSIZE_FORMAT
                                       " bytes, but its rows have %d",
                                       i, what, v->strides[i], bytes);
    }
    return TRUE;
}

static gboolean
check_content(const SanaContent *c, GError **error)
{
    if (c->w >= 1 && c->h >= 1 && c->x >= 0 && c->y >= 0 && c->x < c->width && c->y < c->height &&
        c->w <= c->width - c->x && c->h <= c->height - c->y)
        return TRUE;
    return sana_error_settings(error,
                               "the video is to be shown at %d,%d of %d×%d, outside of the "
                               "picture of %d×%d",
                               c->x, c->y, c->w, c->h, c->width, c->height);
}

static gboolean
check_scale(const SanaVideoImage *v, const SanaContent *c, const char *what, GError **error)
{
    if (sana_video_scales(v->width, c->w) && sana_video_scales(v->height, c->h))
        return TRUE;
    return sana_error_settings(error,
                               "%s is %d×%d and the picture shows it at %d×%d: more than %d "
                               "times as large or as small; scale it before",
                               what, v->width, v->height, c->w, c->h, SANA_MOST_REDUCED);
}

static gboolean
check_one(const SanaParams *params, GError **error)
{
    if (params->n_images == 1 && !params->latents && !params->latent_out)
        return TRUE;
    return sana_error_settings(error, "video takes one picture and neither latents nor latent_out");
}

static gboolean
check_pair(const SanaVideoPair *pair, GError **error)
{
    return check_video(pair->source, "the source", error) &&
           check_video(pair->target, "the target", error) && check_content(pair->content, error) &&
           check_scale(pair->source, pair->content, "the source", error) &&
           check_scale(pair->target, pair->content, "the target", error);
}

/* Whether two pictures are of one size and format. */
static gboolean
same_layout(const SanaVideoImage *a, const SanaVideoImage *b)
{
    gboolean same = a->width == b->width && a->height == b->height && a->filler == b->filler;
    for (int i = 0; i < 3 && same; i++) {
        const SanaComponent *p = &a->components[i], *q = &b->components[i];
        same = p->plane == q->plane && p->offset == q->offset && p->step == q->step &&
               p->sub_x == q->sub_x && p->sub_y == q->sub_y && p->at_x == q->at_x &&
               p->at_y == q->at_y;
    }
    return same;
}

/* Whether levels that become colours by `in` come back by `out`. */
static gboolean
undoes(const double out[3][4], const double in[3][4])
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
            double sum = j == 3 ? out[i][3] : 0;
            for (int k = 0; k < 3; k++)
                sum += out[i][k] * in[k][j];
            if (fabs(sum - (i == j)) > 1e-3)
                return FALSE;
        }
    return TRUE;
}

/* --- edges ------------------------------------------------------------------------------------ */

void
sana_video_edge_free(SanaVideoEdge *edge)
{
    if (!edge)
        return;
    sana_pool_free(edge->pool);
    g_free(edge);
}

static void
describe(SanaVideoEdge *edge)
{
    const SanaVideoImage *v = &edge->layout;
    const SanaContent *c = &edge->content;
    SanaVideo *video = &edge->video;
    *video = (SanaVideo){.width = v->width, .height = v->height};
    for (int i = 0; i < 3; i++) {
        const SanaComponent *k = &v->components[i];
        const SanaTensor *plane = &edge->planes[k->plane];
        video->component[i] = (SanaVideoComponent){
            .data = (char *)plane->data + k->offset,
            .pitch = (size_t)plane->w,
            .step = k->step,
            .sub_x = k->sub_x,
            .sub_y = k->sub_y,
            .at_x = (float)k->at_x,
            .at_y = (float)k->at_y,
        };
        for (int j = 0; j < 4; j++)
            video->matrix[i][j] = (float)v->matrix[i][j];
    }
    if (v->filler >= 0)
        video->filler = (char *)edge->planes[0].data + v->filler;
    video->content = (SanaRectangle){c->x, c->y, c->w, c->h};
}

/* Of what no component has, such as a pixel's fourth byte, the caller gets zeros. */
static void
blank(SanaSession *s, SanaVideoEdge *edge)
{
    g_autofree void *row = g_malloc0(LONGEST_ROW);
    for (int i = 0; i < MAX_PLANES; i++)
        if (!sana_is_none(edge->planes[i]))
            sana_upload_rows(s->stream, edge->planes[i], row, 0);
}

static SanaVideoEdge *
edge_new(SanaSession *s, const SanaVideoImage *v, const SanaContent *content, GError **error)
{
    SanaVideoEdge *edge = g_new0(SanaVideoEdge, 1);
    edge->layout = *v;
    edge->content = *content;
    edge->pool = sana_pool_new(s->model->device);
    for (int i = 0; i < MAX_PLANES; i++) {
        int bytes, rows;
        plane_size(v, i, &bytes, &rows);
        if (rows > 0)
            edge->planes[i] = sana_pool_tensor(edge->pool, SANA_U8, rows, bytes, 1);
    }
    const GError *failure = sana_pool_error(edge->pool);
    if (!failure)
        blank(s, edge);
    if (failure ? sana_error_translate(error, g_error_copy(failure))
                : sana_session_finish(s, error)) {
        describe(edge);
        return edge;
    }
    sana_video_edge_free(edge);
    return NULL;
}

/* Makes *edge one for pictures like v; a replay that held another is given up. */
static gboolean
prepare_edge(SanaSession *s, SanaVideoEdge **edge, SanaReplay **replay, const SanaVideoImage *v,
             const SanaContent *content, GError **error)
{
    const SanaVideoEdge *old = *edge;
    if (old && same_layout(&old->layout, v) &&
        memcmp(old->layout.matrix, v->matrix, sizeof v->matrix) == 0 &&
        memcmp(&old->content, content, sizeof *content) == 0)
        return TRUE;
    sana_replay_free(s->stream, replay);
    sana_video_edge_free(*edge);
    *edge = edge_new(s, v, content, error);
    return *edge != NULL;
}

gboolean
sana_video_prepare(SanaSession *s, const SanaVideoPair *pair, GError **error)
{
    SanaFrame *f = &s->frame;
    return prepare_edge(s, &f->video_source, &f->video_encode, pair->source, pair->content,
                        error) &&
           prepare_edge(s, &f->video_target, &f->video_decode, pair->target, pair->content, error);
}

static void
upload(SanaStream *s, const SanaVideoEdge *edge, const SanaVideoImage *v)
{
    for (int i = 0; i < MAX_PLANES; i++)
        if (!sana_is_none(edge->planes[i]))
            (v->in_device_memory ? sana_read_rows : sana_upload_rows)(s, edge->planes[i],
                                                                      v->planes[i], v->strides[i]);
}

static void
download(SanaStream *s, const SanaVideoEdge *edge, const SanaVideoImage *v)
{
    for (int i = 0; i < MAX_PLANES; i++)
        if (!sana_is_none(edge->planes[i]))
            (v->in_device_memory ? sana_write_rows : sana_download_rows)(
                s, v->planes[i], v->strides[i], edge->planes[i]);
}

/* --- frames ----------------------------------------------------------------------------------- */

static void
encode(SanaStream *stream, void *args)
{
    SanaSession *s = args;
    SanaFrame *f = &s->frame;
    sana_video_load(stream, f->picture, &f->video_source->video);
    sana_autoencoder_encode(stream, &s->model->autoencoder, f->z, f->picture);
}

static void
decode(SanaStream *stream, void *args)
{
    SanaSession *s = args;
    SanaFrame *f = &s->frame;
    sana_frame_decode_picture(stream, s->model, f, 0);
    sana_video_store(stream, &f->video_target->video, f->picture);
}

void
sana_video_encode(SanaSession *s, const SanaVideoPair *pair)
{
    upload(s->stream, s->frame.video_source, pair->source);
    sana_stream_replay(s->stream, &s->frame.video_encode, encode, s);
}

void
sana_video_decode(SanaSession *s, const SanaVideoPair *pair)
{
    sana_session_set_decode_coef(s);
    sana_stream_replay(s->stream, &s->frame.video_decode, decode, s);
    download(s->stream, s->frame.video_target, pair->target);
}

void
sana_video_pass_through(SanaSession *s, const SanaVideoPair *pair)
{
    SanaFrame *f = &s->frame;
    upload(s->stream, f->video_source, pair->source);
    if (same_layout(pair->source, pair->target) &&
        undoes(pair->target->matrix, pair->source->matrix)) {
        download(s->stream, f->video_source, pair->target);
        return;
    }
    sana_video_load(s->stream, f->picture, &f->video_source->video);
    sana_video_store(s->stream, &f->video_target->video, f->picture);
    download(s->stream, f->video_target, pair->target);
}

gboolean
sana_session_restyle_video(SanaSession *s, SanaPrompt *prompt, const SanaParams *params,
                           const SanaVideoImage *source, const SanaVideoImage *target,
                           const SanaContent *content, GError **error)
{
    const SanaVideoPair pair = {source, target, content};
    return sana_session_end(s, check_one(params, error) && check_pair(&pair, error) &&
                                   check_planes(s, source, "the source", error) &&
                                   check_planes(s, target, "the target", error) &&
                                   sana_restyle_video(s, prompt, params, &pair, error));
}

/* v with every row of every plane the same one, on the host. */
static SanaVideoImage
flat(const SanaVideoImage *v, void *row)
{
    SanaVideoImage image = *v;
    image.in_device_memory = FALSE;
    for (int i = 0; i < MAX_PLANES; i++) {
        image.planes[i] = row;
        image.strides[i] = 0;
    }
    return image;
}

typedef struct {
    SanaPrompt *prompt;
    const SanaParams *params;
    const SanaVideoPair *pair;
} FirstVideo;

static gboolean
first_video(SanaSession *s, void *args, GError **error)
{
    const FirstVideo *f = args;
    return sana_restyle_video(s, f->prompt, f->params, f->pair, error);
}

gboolean
sana_session_prepare_video(SanaSession *s, const SanaVideoImage *source,
                           const SanaVideoImage *target, const SanaContent *content, GError **error)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    g_autofree void *row = g_malloc0(LONGEST_ROW);
    const SanaVideoImage in = flat(source, row), out = flat(target, row);
    const SanaVideoPair pair = {&in, &out, content};
    params.steps = 1;
    SanaPrompt *blank = check_pair(&pair, error) ? sana_prompt_blank(s, error) : NULL;
    if (!blank)
        return sana_session_end(s, FALSE);
    FirstVideo first = {blank, &params, &pair};
    gboolean ok = sana_session_run_first(s, first_video, &first, error);
    sana_prompt_unref(blank);
    return sana_session_end(s, ok);
}
