/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prompts between prompts: what a blend computes, and that it begins and ends without a jump. */
#include "pipelines/sana.h"
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 32
#define HEIGHT 24
#define BYTES (WIDTH * HEIGHT * 3)

typedef struct {
    char *dir;
    SanaModel *model;
    SanaSession *session;
    SanaPrompt *fox, *long_one;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = tiny_copy();
    f->model = tiny_load(f->dir);
    f->session = tiny_session(f->model);
    f->fox = tiny_prompt(f->session, "a fox");
    f->long_one = tiny_prompt(f->session, "seven cats in the rain, and a grey house behind them");
    g_assert_cmpint(sana_prompt_rows(f->long_one), >, 2 * sana_prompt_rows(f->fox));
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    sana_prompt_unref(f->fox);
    sana_prompt_unref(f->long_one);
    sana_session_free(f->session);
    sana_model_unref(f->model);
    testdir_free(f->dir);
}

static SanaPrompt *
blend(SanaPrompt *from, SanaPrompt *to, double weight)
{
    g_autoptr(GError) error = NULL;
    SanaPrompt *p = sana_prompt_blend(from, to, weight, &error);
    g_assert_no_error(error);
    return p;
}

/* --- against a direct computation ------------------------------------------------------------- */

/* Makes the Mix-FFN of block 0 add nothing. */
static void
silence_mix_ffn(const char *dir)
{
    gsize length;
    guint64 header;
    int from, to;
    g_autofree char *data = tiny_read(dir, TINY_TRANSFORMER, &length);
    memcpy(&header, data, sizeof header);
    g_autofree char *text = g_strndup(data + 8, header);
    const char *entry = strstr(text, "\"transformer_blocks.0.ff.conv_point.weight\"");
    g_assert_nonnull(entry);
    const char *offsets = strstr(entry, "\"data_offsets\"");
    g_assert_nonnull(offsets);
    g_assert_cmpint(sscanf(strchr(offsets, '[') + 1, "%d ,%d", &from, &to), ==, 2);
    memset(data + 8 + header + from, 0, (gsize)(to - from));
    testdir_write(dir, TINY_TRANSFORMER, data, length);
}

static void
keep_block_0(const char *name, const float *values, int h, int w, int c, gpointer user)
{
    GArray *kept = user;
    if (strcmp(name, "transformer_blocks.0") == 0)
        g_array_append_vals(kept, values, (guint)(h * w * c));
}

static float *
block_0(SanaSession *s, SanaPrompt *p, guint *count)
{
    GArray *kept = g_array_new(FALSE, FALSE, sizeof(float));
    SanaParams params = SANA_PARAMS_DEFAULT;
    params.steps = 1;
    sana_session_set_tap(s, keep_block_0, kept);
    g_free(tiny_draw(s, p, &params, WIDTH, HEIGHT));
    sana_session_set_tap(s, NULL, NULL);
    *count = kept->len;
    return (float *)g_array_free(kept, FALSE);
}

/* The greatest difference between two rows of n numbers, or a NaN. */
static double
farthest(const float *a, const float *b, guint n)
{
    double most = 0;
    for (guint i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= most))
            most = d;
    }
    return most;
}

/*
 * What goes into block 0 knows no prompt, and without its Mix-FFN what comes out is that plus a
 * linear function of the cross-attention's answer.  So there the blend can be computed from what
 * the prompts give one by one.
 */
static void
mixes_the_answers_of_a_cross_attention(Fixture *f, gconstpointer data)
{
    static const double weights[] = {0.01, 0.25, 0.5, 0.9};
    silence_mix_ffn(f->dir);
    SanaModel *model = tiny_load(f->dir);
    SanaSession *s = tiny_session(model);
    SanaPrompt *from = tiny_prompt(s, "a fox"), *to = tiny_prompt(s, "cats, rain, a grey house");
    guint n, n_to, n_blend;
    g_autofree float *a = block_0(s, from, &n), *b = block_0(s, to, &n_to);
    g_assert_cmpuint(n, >, 0);
    g_assert_cmpuint(n, ==, n_to);
    for (gsize k = 0; k < G_N_ELEMENTS(weights); k++) {
        SanaPrompt *p = blend(from, to, weights[k]);
        g_autofree float *mixed = block_0(s, p, &n_blend);
        g_autofree float *want = g_new(float, n);
        g_assert_cmpuint(n, ==, n_blend);
        for (guint i = 0; i < n; i++)
            want[i] = (float)((1 - weights[k]) * (double)a[i] + weights[k] * (double)b[i]);
        double worst = farthest(mixed, want, n), span = farthest(a, b, n);
        g_test_message("weight %g: off by %.2g, where the prompts differ by %.2g", weights[k],
                       worst, span);
        g_assert_cmpfloat(span, >, 1e-3);
        g_assert_cmpfloat(worst, <, 1e-5 * fmax(span, 1));
        sana_prompt_unref(p);
    }
    sana_prompt_unref(from);
    sana_prompt_unref(to);
    sana_session_free(s);
    sana_model_unref(model);
}

/* --- pictures --------------------------------------------------------------------------------- */

static guint8 *
draw(SanaSession *s, SanaPrompt *p)
{
    return tiny_draw(s, p, NULL, WIDTH, HEIGHT);
}

static guint8 *
draw_blend(SanaSession *s, SanaPrompt *from, SanaPrompt *to, double weight)
{
    SanaPrompt *p = blend(from, to, weight);
    guint8 *pixels = draw(s, p);
    sana_prompt_unref(p);
    return pixels;
}

static int
largest_difference(const guint8 *a, const guint8 *b)
{
    int worst = 0;
    for (int i = 0; i < BYTES; i++)
        worst = MAX(worst, abs(a[i] - b[i]));
    return worst;
}

static void
begins_and_ends_with_the_prompts_themselves(Fixture *f, gconstpointer data)
{
    g_autofree guint8 *a = draw(f->session, f->fox), *b = draw(f->session, f->long_one);
    g_autofree guint8 *first = draw_blend(f->session, f->fox, f->long_one, 0);
    g_autofree guint8 *last = draw_blend(f->session, f->fox, f->long_one, 1);
    g_assert_cmpmem(a, BYTES, first, BYTES);
    g_assert_cmpmem(b, BYTES, last, BYTES);
}

/* However unlike in length the prompts are. */
static void
goes_from_one_to_the_other_without_a_jump(Fixture *f, gconstpointer data)
{
    enum { STEPS = 64 };
    g_autofree guint8 *first = draw(f->session, f->fox), *last = draw(f->session, f->long_one);
    g_autofree guint8 *before = g_memdup2(first, BYTES);
    int apart = largest_difference(first, last), jump = 0;
    for (int i = 1; i <= STEPS; i++) {
        guint8 *now = draw_blend(f->session, f->fox, f->long_one, i / (double)STEPS);
        jump = MAX(jump, largest_difference(before, now));
        g_free(before);
        before = now;
    }
    g_test_message("%d of 255 apart, at most %d in one of %d steps", apart, jump, STEPS);
    g_assert_cmpmem(before, BYTES, last, BYTES);
    g_assert_cmpint(apart, >, 8);
    g_assert_cmpint(jump, <=, MAX(2, apart / 8));
}

/* Weights change from frame to frame while everything else stays: the session is not to notice. */
static void
is_the_same_whatever_went_before(Fixture *f, gconstpointer data)
{
    static const double weights[] = {0.7, 0.2, 0.7};
    for (gsize i = 0; i < G_N_ELEMENTS(weights); i++) {
        SanaSession *fresh = tiny_session(f->model);
        g_autofree guint8 *expected = draw_blend(fresh, f->fox, f->long_one, weights[i]);
        g_autofree guint8 *pixels = draw_blend(f->session, f->fox, f->long_one, weights[i]);
        g_assert_cmpmem(expected, BYTES, pixels, BYTES);
        sana_session_free(fresh);
    }
}

static void
blends_of_blends_add_up(Fixture *f, gconstpointer data)
{
    SanaPrompt *cat = tiny_prompt(f->session, "a cat");
    SanaPrompt *half = blend(f->fox, f->long_one, 0.5), *half_cat = blend(f->fox, cat, 0.5);
    /* 3/8 fox, 3/8 long one, 1/4 cat */
    g_autofree guint8 *pixels = draw_blend(f->session, half, cat, 0.25);
    SanaPrompt *two = blend(f->long_one, half_cat, 0.5); /* 1/4 fox, 1/2 long, 1/4 cat */
    SanaPrompt *three = blend(f->fox, cat, 0.4);         /* 3/5 fox, 2/5 cat */
    g_autofree guint8 *again = draw_blend(f->session, three, f->long_one, 0.375);
    g_assert_cmpint(largest_difference(pixels, again), <=, 1);
    g_assert_cmpint(sana_prompt_rows(half), ==,
                    sana_prompt_rows(f->fox) + sana_prompt_rows(f->long_one));

    /* one that comes back counts once */
    SanaPrompt *back = blend(half, f->fox, 0.5);
    g_assert_cmpint(sana_prompt_rows(back), ==, sana_prompt_rows(half));
    SanaPrompt *all[] = {cat, half, half_cat, two, three, back};
    for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
        sana_prompt_unref(all[i]);
}

/* A prompt that changes faster than it is blended: nothing grows, the newest always counts. */
static void
leaves_out_the_weakest(Fixture *f, gconstpointer data)
{
    SanaPrompt *p = sana_prompt_ref(f->fox);
    int rows = 0;
    for (int i = 0; i < 20; i++) {
        g_autofree char *text = g_strdup_printf("%d", i);
        SanaPrompt *next = tiny_prompt(f->session, text), *mixed = blend(p, next, 0.3);
        rows = MAX(rows, sana_prompt_rows(next));
        sana_prompt_unref(p);
        sana_prompt_unref(next);
        p = mixed;
        g_free(draw(f->session, p));
    }
    g_assert_cmpint(sana_prompt_rows(p), <=, SANA_MAX_BLEND * rows);
    sana_prompt_unref(p);
}

/* A size that was prepared with one short prompt has room for a blend of the longest. */
static void
fits_into_what_was_prepared(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    SanaPrompt *p = sana_prompt_ref(f->fox);
    g_assert_true(sana_session_prepare(f->session, WIDTH, HEIGHT, &error));
    for (int i = 0; i < SANA_MAX_BLEND; i++) {
        GString *text = g_string_new("");
        for (int k = 0; k < 400; k++)
            g_string_append_printf(text, "%d ", k * (i + 1));
        SanaPrompt *next = tiny_prompt(f->session, text->str), *mixed = blend(p, next, 0.5);
        g_string_free(text, TRUE);
        sana_prompt_unref(p);
        sana_prompt_unref(next);
        p = mixed;
    }
    g_assert_cmpint(sana_prompt_rows(p), ==, SANA_MAX_BLEND * 300);
    g_free(draw(f->session, p));
    sana_prompt_unref(p);
}

static double
step_flop(SanaSession *s, SanaPrompt *p)
{
    g_autoptr(GError) error = NULL;
    SanaCost cost;
    g_assert_true(sana_session_cost(s, p, WIDTH, HEIGHT, &cost, &error));
    return cost.step_flop;
}

/* One cross-attention more, and nothing else: what a step costs grows with a prompt's rows, and a
 * blend costs what all of its rows do, but for the mixing. */
static void
costs_a_cross_attention_more(Fixture *f, gconstpointer data)
{
    const int rows = sana_prompt_rows(f->fox), long_rows = sana_prompt_rows(f->long_one);
    const double fox = step_flop(f->session, f->fox), long_one = step_flop(f->session, f->long_one);
    const double row = (long_one - fox) / (long_rows - rows), bare = fox - row * rows;
    SanaPrompt *p = blend(f->fox, f->long_one, 0.5);
    const double both = step_flop(f->session, p), expected = bare + row * (rows + long_rows);
    g_test_message("a step: %.3g MFLOP with %d rows, %.3g with %d, %.3g with both", fox / 1e6, rows,
                   long_one / 1e6, long_rows, both / 1e6);
    g_assert_cmpfloat(row, >, 0);
    g_assert_cmpfloat(both, >=, expected);
    g_assert_cmpfloat(both - expected, <, 0.01 * bare);
    sana_prompt_unref(p);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void
refuses_what_makes_no_sense(Fixture *f, gconstpointer data)
{
    static const double weights[] = {-0.1, 1.1, NAN, INFINITY};
    GError *error = NULL;
    SanaModel *other = tiny_load(f->dir);
    SanaSession *s = tiny_session(other);
    SanaPrompt *stranger = tiny_prompt(s, "a fox");
    for (gsize i = 0; i < G_N_ELEMENTS(weights); i++) {
        g_assert_null(sana_prompt_blend(f->fox, f->long_one, weights[i], &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, "weight", "0 to 1");
    }
    g_assert_null(sana_prompt_blend(f->fox, stranger, 0.5, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "models");
    SanaPrompt *p = blend(f->fox, f->long_one, 0.5);
    float *values = g_new(float, sana_prompt_rows(p) * 48);
    g_assert_false(sana_session_get_embeds(f->session, p, values, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "blend", "one of them");
    g_free(values);
    sana_prompt_unref(p);
    sana_prompt_unref(stranger);
    sana_session_free(s);
    sana_model_unref(other);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(f) g_test_add("/blend/" #f, Fixture, NULL, set_up, f, tear_down)
    TEST(mixes_the_answers_of_a_cross_attention);
    TEST(begins_and_ends_with_the_prompts_themselves);
    TEST(goes_from_one_to_the_other_without_a_jump);
    TEST(is_the_same_whatever_went_before);
    TEST(blends_of_blends_add_up);
    TEST(leaves_out_the_weakest);
    TEST(fits_into_what_was_prepared);
    TEST(costs_a_cross_attention_more);
    TEST(refuses_what_makes_no_sense);
    return g_test_run();
}
