/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases of changes of resolution and of pictures. */
#include "ops_case.h"

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

const CaseSet ops_picture_sets[] = {
    {"pixel_unshuffle", check_pixel_unshuffle, bench_pixel_unshuffle},
    {"pixel_shuffle", check_pixel_shuffle, bench_pixel_shuffle},
    {"add_unshuffled_mean", check_add_unshuffled_mean, bench_add_unshuffled_mean},
    {"add_shuffled_repeat", check_add_shuffled_repeat, bench_add_shuffled_repeat},
    {"image_load", check_image_load, bench_image_load},
    {"image_store", check_image_store, bench_image_store},
    {NULL},
};
