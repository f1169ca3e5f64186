/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases of changes of resolution and of pictures. */
#include "ops_case.h"

#include <string.h>

/* --- pixel_unshuffle, pixel_shuffle and the two shortcuts: y, x ------------------------------ */

static void
call_unshuffle(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_pixel_unshuffle(s, t[0], t[1]);
}

static void
call_shuffle(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_pixel_shuffle(s, t[0], t[1]);
}

static void
call_mean(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_add_unshuffled_mean(s, t[0], t[1]);
}

static void
call_repeat(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_add_shuffled_repeat(s, t[0], t[1]);
}

static void
run_two(Runner *r, const char *op, Arg y, Arg x,
        void (*call)(SanaStream *s, const Case *c, SanaTensor *t))
{
    Case c = {.op = op, .call = call, .args = {y, x}};
    r->run(r, &c);
}

/* Small maps; each is also the large one at twice the size. */
static const int maps[][3] = {{1, 1, 1}, {1, 5, 3}, {3, 2, 16}, {7, 13, 20}, {16, 12, 32}};

static void
check_pixel_unshuffle(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        int h = maps[i][0], w = maps[i][1], c = maps[i][2];
        run_two(r, "pixel_unshuffle", (Arg){OUT, h, w, 4 * c}, (Arg){IN, 2 * h, 2 * w, c},
                call_unshuffle);
    }
}

static void
bench_pixel_unshuffle(Runner *r)
{
    run_two(r, "pixel_unshuffle", (Arg){OUT, 256, 256, 512}, (Arg){IN, 512, 512, 128},
            call_unshuffle);
}

static void
check_pixel_shuffle(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        int h = maps[i][0], w = maps[i][1], c = maps[i][2];
        run_two(r, "pixel_shuffle", (Arg){OUT, 2 * h, 2 * w, c}, (Arg){IN, h, w, 4 * c},
                call_shuffle);
    }
}

static void
bench_pixel_shuffle(Runner *r)
{
    run_two(r, "pixel_shuffle", (Arg){OUT, 512, 512, 128}, (Arg){IN, 256, 256, 512}, call_shuffle);
}

static void
check_add_unshuffled_mean(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        int h = maps[i][0], w = maps[i][1], c = maps[i][2];
        for (int out = c; out <= 4 * c; out *= 2) /* groups of 4, 2, 1 */
            run_two(r, "add_unshuffled_mean", (Arg){INOUT, h, w, out}, (Arg){IN, 2 * h, 2 * w, c},
                    call_mean);
        for (int group = 1; group <= 8; group *= 2) /* the same size, fewer channels */
            run_two(r, "add_unshuffled_mean", (Arg){INOUT, h, w, c}, (Arg){IN, h, w, c * group},
                    call_mean);
        run_two(r, "add_unshuffled_mean", (Arg){INOUT, h, w, 4 * c}, (Arg){IN, 2 * h, 2 * w, 3 * c},
                call_mean);
    }
}

static void
bench_add_unshuffled_mean(Runner *r)
{
    run_two(r, "add_unshuffled_mean", (Arg){INOUT, 256, 256, 256}, (Arg){IN, 512, 512, 128},
            call_mean);
}

static void
check_add_shuffled_repeat(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        int h = maps[i][0], w = maps[i][1], c = maps[i][2];
        for (int in = c; in <= 4 * c; in *= 2) /* 4, 2, 1 repeats */
            run_two(r, "add_shuffled_repeat", (Arg){INOUT, 2 * h, 2 * w, c}, (Arg){IN, h, w, in},
                    call_repeat);
        for (int repeats = 1; repeats <= 8; repeats *= 2)
            run_two(r, "add_shuffled_repeat", (Arg){INOUT, h, w, c * repeats}, (Arg){IN, h, w, c},
                    call_repeat);
    }
}

static void
bench_add_shuffled_repeat(Runner *r)
{
    run_two(r, "add_shuffled_repeat", (Arg){INOUT, 512, 512, 128}, (Arg){IN, 256, 256, 256},
            call_repeat);
}

/* --- image_load, image_store: y, x ----------------------------------------------------------- */

static void
call_load(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_image_load(s, t[0], t[1]);
}

static void
call_store(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_image_store(s, t[0], t[1]);
}

static const int pictures[][2] = {{1, 1}, {1, 31}, {5, 3}, {7, 13}, {64, 50}};
static const ArgType formats[] = {FIXED_U8, FIXED_U16, FIXED_F32};

static void
check_image_load(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(pictures); i++)
        for (size_t f = 0; f < G_N_ELEMENTS(formats); f++)
            for (int c = 3; c <= 4; c++)
                for (int pad = 0; pad <= 2; pad++) {
                    Arg x = {IN, pictures[i][0], pictures[i][1], c, pad, formats[f]};
                    run_two(r, "image_load", (Arg){OUT, x.h, x.w, 3}, x, call_load);
                }
}

static void
bench_image_load(Runner *r)
{
    run_two(r, "image_load", (Arg){OUT, 512, 512, 3}, (Arg){IN, 512, 512, 4, .type = FIXED_U8},
            call_load);
}

static void
check_image_store(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(pictures); i++)
        for (size_t f = 0; f < G_N_ELEMENTS(formats); f++)
            for (int c = 3; c <= 4; c++)
                for (int pad = 0; pad <= 2; pad++) {
                    Arg y = {OUT, pictures[i][0], pictures[i][1], c, pad, formats[f]};
                    Arg x = {IN, y.h, y.w, 3, .lo = -1.2f, .hi = 1.2f};
                    run_two(r, "image_store", y, x, call_store);
                }
}

static void
bench_image_store(Runner *r)
{
    run_two(r, "image_store", (Arg){OUT, 512, 512, 4, .type = FIXED_U8}, (Arg){IN, 512, 512, 3},
            call_store);
}

/* --- video_load, video_store: picture, planes ------------------------------------------------ */

typedef struct {
    int planes;
    int step[3], sub_x[3], sub_y[3]; /* of components */
    float at;                        /* where samples of colour lie in both directions */
    int plane[3], offset[3];
    int filler;
} Layout;

static const Layout layouts[] = {
    {2, {1, 2, 2}, {1, 2, 2}, {1, 2, 2}, .5f, {0, 1, 1}, {0, 0, 1}, 0}, /* NV12 */
    {3, {1, 1, 1}, {1, 2, 2}, {1, 2, 2}, 1, {0, 1, 2}, {0, 0, 0}, 0},   /* I420 */
    {1, {2, 4, 4}, {1, 2, 2}, {1, 1, 1}, .5f, {0, 0, 0}, {0, 1, 3}, 0}, /* YUY2 */
    {1, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, .5f, {0, 0, 0}, {0, 1, 2}, 0}, /* RGB */
    {1, {4, 4, 4}, {1, 1, 1}, {1, 1, 1}, .5f, {0, 0, 0}, {2, 1, 0}, 3}, /* BGRx */
};

/* Video's width and height, the picture's, and content in it: the same, two thirds between bars,
 * down, far down, up. */
static const int places[][8] = {{12, 10, 12, 10, 0, 0, 12, 10}, {18, 14, 12, 11, 0, 1, 12, 9},
                                {26, 22, 9, 8, 1, 0, 7, 8},     {62, 40, 3, 3, 0, 0, 3, 3},
                                {6, 4, 17, 15, 2, 3, 13, 9},    {2, 1, 2, 1, 0, 0, 2, 1}};

static const float to_rgb[3][4] = {{.00913f, 0, .01406f, -2.947f},
                                   {.00913f, -.00418f, -.00836f, .467f},
                                   {.00913f, .01660f, 0, -3.272f}};
static const float to_levels[3][4] = {
    {23.3f, 78.3f, 7.9f, 125.5f}, {-12.8f, -43.2f, 56, 128}, {56, -50.9f, -5.1f, 128}};

static SanaVideo
video_of(const Case *c, SanaTensor *t)
{
    SanaVideo v = c->video;
    for (int i = 0; i < 3; i++) {
        SanaTensor plane = t[1 + c->component[i].plane];
        v.component[i].data = (char *)plane.data + c->component[i].offset;
        v.component[i].pitch = (size_t)plane.w;
    }
    v.filler = c->filler ? (char *)t[1].data + c->filler : NULL;
    return v;
}

static void
call_video_load(SanaStream *s, const Case *c, SanaTensor *t)
{
    SanaVideo v = video_of(c, t);
    sana_video_load(s, t[0], &v);
}

static void
call_video_store(SanaStream *s, const Case *c, SanaTensor *t)
{
    SanaVideo v = video_of(c, t);
    sana_video_store(s, &v, t[0]);
}

/* Planes are as wide as what lies in them, so that every byte is read or written. */
static Case
video_case(const Layout *l, const int *p, Role role)
{
    Case c = {.filler = l->filler};
    c.video = (SanaVideo){.width = p[0], .height = p[1], .content = {p[4], p[5], p[6], p[7]}};
    for (int i = 0; i < 3; i++) {
        SanaVideoComponent *k = &c.video.component[i];
        *k = (SanaVideoComponent){.step = l->step[i], .sub_x = l->sub_x[i], .sub_y = l->sub_y[i]};
        k->at_x = l->sub_x[i] == 1 ? .5f : l->at;
        k->at_y = l->sub_y[i] == 1 ? .5f : l->at;
        c.component[i].plane = l->plane[i];
        c.component[i].offset = l->offset[i];
        int w = (p[0] + l->sub_x[i] - 1) / l->sub_x[i], h = (p[1] + l->sub_y[i] - 1) / l->sub_y[i];
        c.args[1 + l->plane[i]] = (Arg){role, h, w * l->step[i], 1, .type = FIXED_U8};
    }
    return c;
}

static void
check_video_load(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(layouts); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(places); k++) {
            Case c = video_case(&layouts[i], places[k], IN);
            c.op = "video_load";
            c.call = call_video_load;
            c.args[0] = (Arg){OUT, places[k][3], places[k][2], 3};
            memcpy(c.video.matrix, to_rgb, sizeof to_rgb);
            r->run(r, &c);
        }
}

static void
check_video_store(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(layouts); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(places); k++) {
            Case c = video_case(&layouts[i], places[k], OUT);
            c.op = "video_store";
            c.call = call_video_store;
            c.args[0] = (Arg){IN, places[k][3], places[k][2], 3, .lo = -1.2f, .hi = 1.2f};
            memcpy(c.video.matrix, to_levels, sizeof to_levels);
            r->run(r, &c);
        }
}

/* A camera's 1280 × 720 for a picture of 1280 × 704. */
static const int camera[] = {1280, 720, 1280, 704, 14, 0, 1252, 704};

static void
bench_video_load(Runner *r)
{
    Case c = video_case(&layouts[0], camera, IN);
    c.op = "video_load";
    c.call = call_video_load;
    c.args[0] = (Arg){OUT, camera[3], camera[2], 3};
    memcpy(c.video.matrix, to_rgb, sizeof to_rgb);
    r->run(r, &c);
}

static void
bench_video_store(Runner *r)
{
    Case c = video_case(&layouts[0], camera, OUT);
    c.op = "video_store";
    c.call = call_video_store;
    c.args[0] = (Arg){IN, camera[3], camera[2], 3};
    memcpy(c.video.matrix, to_levels, sizeof to_levels);
    r->run(r, &c);
}

const CaseSet ops_picture_sets[] = {
    {"pixel_unshuffle", check_pixel_unshuffle, bench_pixel_unshuffle},
    {"pixel_shuffle", check_pixel_shuffle, bench_pixel_shuffle},
    {"add_unshuffled_mean", check_add_unshuffled_mean, bench_add_unshuffled_mean},
    {"add_shuffled_repeat", check_add_shuffled_repeat, bench_add_shuffled_repeat},
    {"image_load", check_image_load, bench_image_load},
    {"image_store", check_image_store, bench_image_store},
    {"video_load", check_video_load, bench_video_load},
    {"video_store", check_video_store, bench_video_store},
    {NULL},
};
