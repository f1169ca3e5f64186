/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What pipelines/sana.h promises of sessions: the same bytes for the same request whatever went
 * before, in any thread, in any format; calls that end when they are told to; objects that live as
 * long as somebody holds them.
 */
#include "pipelines/noise.h"
#include "tests/golden.h"
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <math.h>
#include <string.h>

#define WIDTH 32
#define HEIGHT 24
#define BYTES (WIDTH * HEIGHT * 3)

typedef struct {
    char *dir;
    SanaModel *model;
    SanaSession *session;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = tiny_copy();
    f->model = tiny_load(f->dir);
    f->session = tiny_session(f->model);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    sana_session_free(f->session);
    sana_model_unref(f->model);
    testdir_free(f->dir);
}

static void
draw(SanaSession *s, SanaPrompt *prompt, const SanaParams *params, const SanaImage *images)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = sana_session_text_to_image(s, prompt, params, images, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

static void
restyle(SanaSession *s, SanaPrompt *prompt, const SanaParams *params, const SanaImage *source,
        const SanaImage *images)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = sana_session_image_to_image(s, prompt, params, source, images, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

/* --- the same bytes --------------------------------------------------------------------------- */

/* Everything a random walk chooses among. */
static const char *const prompts[] = {"a fox", "", "A red FOX, in the snow.", "猫", " 7 fish 7"};
static const int sizes[][2] = {{32, 24}, {16, 16}, {24, 32}, {4, 64}};

typedef struct {
    int prompt, size;
    gboolean restyle;
    guint64 seed;
    int steps;
} Request;

static guint8 *
answer(SanaSession *s, const Request *r)
{
    const int w = sizes[r->size][0], h = sizes[r->size][1];
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaPrompt *prompt = tiny_prompt(s, prompts[r->prompt]);
    SanaImage image = tiny_image(SANA_IMAGE_RGB, w, h, 0);
    SanaImage source = tiny_picture(SANA_IMAGE_RGB, w, h);
    params.seed = r->seed;
    params.steps = r->steps;
    if (r->restyle)
        restyle(s, prompt, &params, &source, &image);
    else
        draw(s, prompt, &params, &image);
    sana_prompt_unref(prompt);
    g_free(source.pixels);
    return image.pixels;
}

static Request
choose(GRand *rand)
{
    return (Request){
        .prompt = g_rand_int_range(rand, 0, G_N_ELEMENTS(prompts)),
        .size = g_rand_int_range(rand, 0, G_N_ELEMENTS(sizes)),
        .restyle = g_rand_boolean(rand),
        .seed = (guint64)g_rand_int_range(rand, 0, 3),
        .steps = g_rand_int_range(rand, 1, 4),
    };
}

static void
the_same_bytes_whatever_went_before(Fixture *f, gconstpointer data)
{
    guint32 seed = (guint32)g_test_rand_int();
    GRand *rand = g_rand_new_with_seed(seed);
    g_test_message("seed %u", seed);
    for (int i = 0; i < 40; i++) {
        Request r = choose(rand);
        gsize bytes = (gsize)sizes[r.size][0] * (gsize)sizes[r.size][1] * 3;
        SanaSession *fresh = tiny_session(f->model);
        g_autofree guint8 *expected = answer(fresh, &r);
        g_autofree guint8 *pixels = answer(f->session, &r);
        g_assert_cmpmem(expected, bytes, pixels, bytes);
        sana_session_free(fresh);
    }
    g_rand_free(rand);
}

static gboolean
differ(const guint8 *a, const guint8 *b)
{
    return memcmp(a, b, BYTES) != 0;
}

static void
what_is_asked_for_counts(Fixture *f, gconstpointer data)
{
    SanaPrompt *fox = tiny_prompt(f->session, "a fox"), *cat = tiny_prompt(f->session, "a cat");
    g_autofree guint8 *first = tiny_draw(f->session, fox, NULL, WIDTH, HEIGHT);
    SanaParams seed = SANA_PARAMS_DEFAULT, steps = SANA_PARAMS_DEFAULT,
               guidance = SANA_PARAMS_DEFAULT, high = SANA_PARAMS_DEFAULT;
    seed.seed = 1;
    steps.steps = 3;
    guidance.guidance_scale = 1;
    high.seed = G_GUINT64_CONSTANT(1) << 32;
    g_autofree guint8 *b = tiny_draw(f->session, cat, NULL, WIDTH, HEIGHT);
    g_autofree guint8 *c = tiny_draw(f->session, fox, &seed, WIDTH, HEIGHT);
    g_autofree guint8 *d = tiny_draw(f->session, fox, &steps, WIDTH, HEIGHT);
    g_autofree guint8 *e = tiny_draw(f->session, fox, &guidance, WIDTH, HEIGHT);
    g_autofree guint8 *same = tiny_draw(f->session, fox, &high, WIDTH, HEIGHT);
    g_assert_true(differ(first, b) && differ(first, c) && differ(first, d) && differ(first, e));
    g_assert_false(differ(first, same)); /* only the low 32 bits count */
    sana_prompt_unref(fox);
    sana_prompt_unref(cat);
}

/* A size is prepared with a prompt of one row; a longer one must fit in what was planned. */
static void
preparing_serves_every_prompt(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    GString *text = g_string_new("fox");
    for (int i = 0; i < 400; i++)
        g_string_append_printf(text, " and %d", i);
    g_assert_true(sana_session_prepare(f->session, WIDTH, HEIGHT, &error));
    g_assert_no_error(error);
    SanaPrompt *longest = tiny_prompt(f->session, text->str);
    g_assert_cmpint(sana_prompt_rows(longest), ==, 300);
    g_autofree guint8 *pixels = tiny_draw(f->session, longest, NULL, WIDTH, HEIGHT);
    SanaSession *fresh = tiny_session(f->model);
    g_autofree guint8 *expected = tiny_draw(fresh, longest, NULL, WIDTH, HEIGHT);
    g_assert_false(differ(pixels, expected));
    sana_session_free(fresh);
    sana_prompt_unref(longest);
    g_string_free(text, TRUE);
}

/* --- prompts ---------------------------------------------------------------------------------- */

static float *
embeds(SanaSession *s, const char *text, const SanaPromptParams *params, gsize *count)
{
    g_autoptr(GError) error = NULL;
    SanaPrompt *p = sana_session_encode(s, text, params, &error);
    g_assert_no_error(error);
    *count = (gsize)sana_prompt_rows(p) * 48;
    float *values = g_new(float, *count);
    sana_session_get_embeds(s, p, values, &error);
    g_assert_no_error(error);
    sana_prompt_unref(p);
    return values;
}

static const char *const traps[] = {
    "a fox", " a fox", "",     "  ", ".",     ", a fox",    "7",     "123 foxes",
    "猫",    "فنك",    "🦊", "A",  "\n\na", "Enhanced: ", "<bos>",
};

static void
embeddings_do_not_depend_on_earlier_ones(Fixture *f, gconstpointer data)
{
    static const int lengths[] = {0, 1, 2, 8};
    for (gsize i = 0; i < G_N_ELEMENTS(traps); i++) {
        for (gsize k = 0; k < G_N_ELEMENTS(lengths); k++) {
            const SanaPromptParams params = {.max_sequence_length = lengths[k]};
            gsize n, n_again;
            SanaSession *fresh = tiny_session(f->model);
            g_autofree float *expected = embeds(fresh, traps[i], &params, &n);
            g_autofree float *again = embeds(f->session, traps[i], &params, &n_again);
            g_assert_cmpmem(expected, n * sizeof *expected, again, n_again * sizeof *again);
            sana_session_free(fresh);
        }
    }
    const SanaPromptParams other = {.instruction = "Paint: "};
    gsize n, n_other, n_again;
    g_autofree float *first = embeds(f->session, "a fox", NULL, &n);
    g_free(embeds(f->session, "a fox", &other, &n_other)); /* the cache holds another instruction */
    g_autofree float *again = embeds(f->session, "a fox", NULL, &n_again);
    g_assert_cmpmem(first, n * sizeof *first, again, n_again * sizeof *again);
}

/* On the reference device nothing is fused or reordered. */
static void
embeddings_agree_with_the_reference_device(Fixture *f, gconstpointer data)
{
    const SanaModelOptions options = {.device = "reference"};
    g_autoptr(GError) error = NULL;
    SanaModel *model = sana_model_load(f->dir, &options, NULL, &error);
    g_assert_no_error(error);
    SanaSession *reference = tiny_session(model);
    for (gsize i = 0; i < 6; i++) {
        gsize n, n_ours;
        g_autofree float *expected = embeds(reference, traps[i], NULL, &n);
        g_autofree float *ours = embeds(f->session, traps[i], NULL, &n_ours);
        g_assert_cmpuint(n, ==, n_ours);
        g_assert_cmpfloat(golden_error(ours, expected, n), <, 1e-5);
    }
    sana_session_free(reference);
    sana_model_unref(model);
}

static void
prompts_may_be_encoded_on_another_device(Fixture *f, gconstpointer data)
{
    const SanaModelInfo *info = sana_model_info(f->model);
    const char *other = g_str_equal(info->device, "reference") ? "cpu" : "reference";
    SanaModelOptions options = {
        .device = info->device, .precision = SANA_PRECISION_F32, .text_device = other};
    g_autoptr(GError) error = NULL;
    SanaModel *model = sana_model_load(f->dir, &options, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(info->text_device, ==, info->device);
    g_assert_cmpstr(sana_model_info(model)->device, ==, info->device);
    g_assert_cmpstr(sana_model_info(model)->text_device, ==, other);
    g_assert_cmpuint(sana_model_info(model)->weight_bytes, <, info->weight_bytes);
    SanaSession *apart = tiny_session(model);
    for (gsize i = 0; i < 6; i++) {
        gsize n, n_there;
        g_autofree float *here = embeds(f->session, traps[i], NULL, &n);
        g_autofree float *there = embeds(apart, traps[i], NULL, &n_there);
        g_assert_cmpuint(n, ==, n_there);
        g_assert_cmpfloat(golden_error(there, here, n), <, 1e-5);
    }
    SanaPrompt *a = tiny_prompt(f->session, "a fox"), *b = tiny_prompt(apart, "a fox");
    g_autofree guint8 *drawn = tiny_draw(f->session, a, NULL, WIDTH, HEIGHT);
    g_autofree guint8 *same = tiny_draw(apart, b, NULL, WIDTH, HEIGHT);
    for (gsize i = 0; i < WIDTH * HEIGHT * 3; i++)
        g_assert_cmpint(ABS(drawn[i] - same[i]), <=, 1);
    sana_prompt_unref(a);
    sana_prompt_unref(b);
    sana_session_free(apart);
    sana_model_unref(model);

    options.text_device = "planner";
    g_assert_null(sana_model_load(f->dir, &options, NULL, &error));
    g_assert_error(error, SANA_ERROR, SANA_ERROR_SETTINGS);
}

/*
 * The kept instruction changes nothing but the work: with none kept, all of instruction and prompt
 * given as one prompt has the same hidden states at the prompt's tokens.
 */
static void
a_kept_instruction_equals_a_full_run(Fixture *f, gconstpointer data)
{
    const char *instruction = "paint this: ";
    for (gsize i = 0; i < G_N_ELEMENTS(traps); i++) {
        const SanaPromptParams kept = {.instruction = instruction}, none = {.instruction = ""};
        g_autofree char *stripped = g_strstrip(g_ascii_strdown(traps[i], -1));
        g_autofree char *whole = g_strconcat(instruction, stripped, NULL);
        gsize n, n_whole;
        g_autofree float *ours = embeds(f->session, traps[i], &kept, &n);
        g_autofree float *full = embeds(f->session, whole, &none, &n_whole);
        if (!*stripped)
            continue; /* stripping the whole takes the instruction's own last space away */
        g_assert_cmpuint(n_whole, >, n);
        g_assert_cmpfloat(golden_error(ours, full, 48), <, 1e-6);
        g_assert_cmpfloat(golden_error(ours + 48, full + n_whole - (n - 48), n - 48), <, 1e-5);
    }
}

static void
a_second_prompt_computes_only_its_own_tokens(Fixture *f, gconstpointer data)
{
    int computed, total, second, second_total;
    SanaPrompt *a = tiny_prompt(f->session, "a fox");
    SanaPrompt *b = tiny_prompt(f->session, "a cat in the rain");
    sana_prompt_tokens(a, &computed, &total);
    sana_prompt_tokens(b, &second, &second_total);
    g_test_message("%d of %d tokens, then %d of %d", computed, total, second, second_total);
    g_assert_cmpint(computed, ==, total);
    g_assert_cmpint(second, ==, sana_prompt_rows(b) - 1);
    g_assert_cmpint(second * 4, <, second_total);
    sana_prompt_unref(a);
    sana_prompt_unref(b);
}

static void
a_callers_embeds_draw_the_same(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    SanaPrompt *text = tiny_prompt(f->session, "a fox");
    const int rows = sana_prompt_rows(text);
    g_autofree float *values = g_new0(float, (rows + 2) * 48);
    g_autofree guint8 *mask = g_malloc(rows + 2);
    sana_session_get_embeds(f->session, text, values + 48, &error);
    g_assert_no_error(error);
    values[0] = values[(rows + 1) * 48] = NAN; /* ignored rows */
    memset(mask, 1, rows + 2);
    mask[0] = mask[rows + 1] = 0;
    SanaPrompt *given = sana_session_encode_embeds(f->session, values, mask, rows + 2, &error);
    g_assert_no_error(error);
    g_assert_cmpint(sana_prompt_rows(given), ==, rows);
    g_autofree guint8 *a = tiny_draw(f->session, text, NULL, WIDTH, HEIGHT);
    g_autofree guint8 *b = tiny_draw(f->session, given, NULL, WIDTH, HEIGHT);
    g_assert_false(differ(a, b));
    sana_prompt_unref(text);
    sana_prompt_unref(given);
}

/* --- several pictures, latents, bins ---------------------------------------------------------- */

#define LATENT (16 * (WIDTH / 4) * (HEIGHT / 4))

static void
several_pictures_share_one_draw(Fixture *f, gconstpointer data)
{
    SanaPrompt *prompt = tiny_prompt(f->session, "a fox");
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage three[3];
    for (int i = 0; i < 3; i++)
        three[i] = tiny_image(SANA_IMAGE_RGB, WIDTH, HEIGHT, 0);
    /* one step draws once: three pictures are those of the three parts of one draw */
    params.steps = 1;
    params.n_images = 3;
    draw(f->session, prompt, &params, three);
    g_autofree float *noise = g_new(float, 3 * LATENT);
    SanaGenerator generator;
    sana_generator_seed(&generator, 0);
    sana_generator_randn(&generator, noise, 3 * LATENT);
    for (int i = 0; i < 3; i++) {
        params.n_images = 1;
        params.latents = noise + i * LATENT;
        g_autofree guint8 *alone = tiny_draw(f->session, prompt, &params, WIDTH, HEIGHT);
        g_assert_false(differ(alone, three[i].pixels));
        g_assert_true(i == 0 || differ(alone, three[0].pixels));
    }
    for (int i = 0; i < 3; i++)
        g_free(three[i].pixels);
    sana_prompt_unref(prompt);
}

static gboolean
on_step(int step, int n_steps, const float *latent, gpointer user)
{
    float *last = user;
    g_assert_cmpint(n_steps, ==, 3);
    g_assert_cmpint(step, ==, (int)last[LATENT]);
    last[LATENT] += 1;
    memcpy(last, latent, LATENT * sizeof *latent);
    return TRUE;
}

static void
each_step_is_told_and_the_last_is_the_latent(Fixture *f, gconstpointer data)
{
    SanaPrompt *prompt = tiny_prompt(f->session, "a fox");
    SanaParams params = SANA_PARAMS_DEFAULT;
    g_autofree float *last = g_new0(float, LATENT + 1);
    g_autofree float *final = g_new0(float, LATENT);
    SanaImage image = tiny_image(SANA_IMAGE_RGB, WIDTH, HEIGHT, 0);
    params.steps = 3;
    g_autofree guint8 *plain = tiny_draw(f->session, prompt, &params, WIDTH, HEIGHT);
    params.step = on_step;
    params.step_data = last;
    draw(f->session, prompt, &params, &image);
    g_assert_cmpfloat(last[LATENT], ==, 3);
    g_assert_false(differ(plain, image.pixels));
    last[LATENT] = 0;
    params.latent_out = final;
    image.format = (SanaImageFormat)42; /* with latent_out only the size is read */
    memset(image.pixels, 7, BYTES);
    draw(f->session, prompt, &params, &image);
    g_assert_cmpmem(final, LATENT * sizeof *final, last, LATENT * sizeof *last);
    for (int i = 0; i < BYTES; i++)
        g_assert_cmpint(((guint8 *)image.pixels)[i], ==, 7);
    g_free(image.pixels);
    sana_prompt_unref(prompt);
}

static void
bins_serve_sizes_that_are_no_multiples(Fixture *f, gconstpointer data)
{
    SanaPrompt *prompt = tiny_prompt(f->session, "a fox");
    SanaParams params = SANA_PARAMS_DEFAULT;
    g_autoptr(GError) error = NULL;
    SanaImage image = tiny_image(SANA_IMAGE_RGB, 61, 37, 0);
    params.resolution_binning = TRUE;
    params.steps = 1;
    sana_session_text_to_image(f->session, prompt, &params, &image, &error);
    g_assert_no_error(error);
    int sum = 0;
    for (int i = 0; i < 61 * 37 * 3; i++)
        sum += ((guint8 *)image.pixels)[i] > 0;
    g_assert_cmpint(sum, >, 61 * 37);
    g_free(image.pixels);
    sana_prompt_unref(prompt);
}

/* --- formats and strides ---------------------------------------------------------------------- */

static void
formats_agree(Fixture *f, gconstpointer data)
{
    SanaPrompt *prompt = tiny_prompt(f->session, "a fox");
    const SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage rgb = tiny_picture(SANA_IMAGE_RGB, WIDTH, HEIGHT);
    SanaImage deep = tiny_picture(SANA_IMAGE_RGBA64, WIDTH, HEIGHT);
    SanaImage floats = tiny_picture(SANA_IMAGE_RGB_F32, WIDTH, HEIGHT);
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        ((guint16 *)deep.pixels)[i * 4 + 3] = (guint16)(i * 31); /* ignored */
    restyle(f->session, prompt, &params, &rgb, &rgb);            /* in place */
    restyle(f->session, prompt, &params, &deep, &deep);
    restyle(f->session, prompt, &params, &floats, &floats);
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        g_assert_cmpint(((guint16 *)deep.pixels)[i * 4 + 3], ==, 65535);
        for (int c = 0; c < 3; c++) {
            double v = CLAMP(((float *)floats.pixels)[i * 3 + c] * 0.5 + 0.5, 0, 1);
            g_assert_cmpfloat_with_epsilon(((guint8 *)rgb.pixels)[i * 3 + c], v * 255, 0.51);
            g_assert_cmpfloat_with_epsilon(((guint16 *)deep.pixels)[i * 4 + c], v * 65535, 1.01);
        }
    }
    g_free(rgb.pixels);
    g_free(deep.pixels);
    g_free(floats.pixels);
    sana_prompt_unref(prompt);
}

static void
padding_is_left_alone(Fixture *f, gconstpointer data)
{
    static const struct {
        SanaImageFormat format;
        gsize row;
    } formats[] = {{SANA_IMAGE_RGB, WIDTH * 3},
                   {SANA_IMAGE_RGBA64, WIDTH * 8},
                   {SANA_IMAGE_RGB_F32, WIDTH * 12}};
    SanaPrompt *prompt = tiny_prompt(f->session, "a fox");
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        SanaParams params = SANA_PARAMS_DEFAULT;
        SanaImage source = tiny_picture(formats[i].format, WIDTH, HEIGHT);
        SanaImage dense = tiny_image(formats[i].format, WIDTH, HEIGHT, 0);
        SanaImage loose = tiny_image(formats[i].format, WIDTH, HEIGHT, 5);
        for (int strength = 0; strength < 2; strength++) {
            params.strength = strength * 0.5;
            memset(loose.pixels, 0xa5, loose.stride * HEIGHT);
            restyle(f->session, prompt, &params, &source, &dense);
            restyle(f->session, prompt, &params, &source, &loose);
            for (gsize y = 0; y < HEIGHT; y++) {
                const guint8 *row = (guint8 *)loose.pixels + y * loose.stride;
                g_assert_cmpmem(row, formats[i].row, (guint8 *)dense.pixels + y * dense.stride,
                                formats[i].row);
                for (gsize x = formats[i].row; x < loose.stride; x++)
                    g_assert_cmpint(row[x], ==, 0xa5);
            }
            /* the padding of a source is not read either */
            SanaImage again = tiny_image(formats[i].format, WIDTH, HEIGHT, 0);
            restyle(f->session, prompt, &params, &loose, &again);
            restyle(f->session, prompt, &params, &dense, &dense);
            g_assert_cmpmem(again.pixels, again.stride * HEIGHT, dense.pixels,
                            dense.stride * HEIGHT);
            g_free(again.pixels);
        }
        g_free(source.pixels);
        g_free(dense.pixels);
        g_free(loose.pixels);
    }
    sana_prompt_unref(prompt);
}

static void
strength_zero_copies(Fixture *f, gconstpointer data)
{
    SanaPrompt *prompt = tiny_prompt(f->session, "a fox");
    SanaParams params = SANA_PARAMS_DEFAULT;
    params.strength = 0;
    for (int mode = 0; mode < 2; mode++) {
        params.strength_mode = (SanaStrengthMode)mode;
        for (int from = SANA_IMAGE_RGB; from <= SANA_IMAGE_RGB_F32; from++) {
            for (int to = SANA_IMAGE_RGB; to <= SANA_IMAGE_RGB_F32; to++) {
                SanaImage source = tiny_picture((SanaImageFormat)from, WIDTH, HEIGHT);
                SanaImage expected = tiny_picture((SanaImageFormat)to, WIDTH, HEIGHT);
                SanaImage image = tiny_image((SanaImageFormat)to, WIDTH, HEIGHT, 0);
                for (int i = 0; from == SANA_IMAGE_RGBA64 && i < WIDTH * HEIGHT; i++)
                    ((guint16 *)source.pixels)[i * 4 + 3] = (guint16)(i * 31); /* ignored */
                restyle(f->session, prompt, &params, &source, &image);
                for (int i = 0; to == SANA_IMAGE_RGB_F32 && i < BYTES; i++)
                    g_assert_cmpfloat_with_epsilon(((float *)image.pixels)[i],
                                                   ((float *)expected.pixels)[i], 1e-6);
                if (to != SANA_IMAGE_RGB_F32 || from == to)
                    g_assert_cmpmem(image.pixels, image.stride * HEIGHT, expected.pixels,
                                    expected.stride * HEIGHT);
                g_free(source.pixels);
                g_free(expected.pixels);
                g_free(image.pixels);
            }
        }
    }
    sana_prompt_unref(prompt);
}

/* --- lives ------------------------------------------------------------------------------------ */

static void
models_live_as_long_as_somebody_holds_them(Fixture *f, gconstpointer data)
{
    char *dir = tiny_copy();
    SanaModel *model = tiny_load(dir);
    SanaSession *session = tiny_session(model);
    sana_model_unref(model);
    testdir_free(dir); /* the files may go too */
    SanaPrompt *prompt = tiny_prompt(session, "a fox");
    SanaPrompt *held = sana_prompt_ref(prompt);
    sana_prompt_unref(prompt);
    g_autofree guint8 *first = tiny_draw(session, held, NULL, WIDTH, HEIGHT);
    SanaModel *again = sana_model_ref(f->model);
    sana_model_unref(again);
    sana_session_free(session);
    g_assert_cmpint(sana_prompt_rows(held), >, 1);
    sana_prompt_unref(held);
    sana_session_free(NULL);
    SanaPrompt *other = tiny_prompt(f->session, "a fox");
    g_autofree guint8 *second = tiny_draw(f->session, other, NULL, WIDTH, HEIGHT);
    g_assert_false(differ(first, second));
    sana_prompt_unref(other);
}

static void
times_and_costs_are_told(Fixture *f, gconstpointer data)
{
    SanaPrompt *prompt = tiny_prompt(f->session, "a fox");
    const SanaTimes *t = sana_session_times(f->session);
    g_autoptr(GError) error = NULL;
    SanaCost small, large;
    g_assert_cmpfloat(t->text, >, 0);
    g_free(tiny_draw(f->session, prompt, NULL, WIDTH, HEIGHT));
    g_assert_true(t->transformer > 0 && t->decode > 0 && t->text == 0 && t->encode == 0);
    g_assert_cmpfloat(t->total, >=, t->transformer);
    g_assert_true(sana_session_cost(f->session, prompt, 64, 64, &small, &error));
    g_assert_true(sana_session_cost(f->session, prompt, 128, 128, &large, &error));
    g_assert_no_error(error);
    /* four times the pixels; what depends on the prompt alone is computed before */
    g_assert_cmpfloat_with_epsilon(large.encode_flop / small.encode_flop, 4, 0.01);
    g_assert_cmpfloat_with_epsilon(large.decode_flop / small.decode_flop, 4, 0.01);
    g_assert_cmpfloat(large.step_flop / small.step_flop, >, 3);
    g_assert_cmpuint(large.buffer_bytes, >, 2 * small.buffer_bytes);
    sana_prompt_unref(prompt);
}

#define ADD(name, func) g_test_add("/session/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("the-same-bytes-whatever-went-before", the_same_bytes_whatever_went_before);
    ADD("what-is-asked-for-counts", what_is_asked_for_counts);
    ADD("preparing-serves-every-prompt", preparing_serves_every_prompt);
    ADD("embeddings-do-not-depend-on-earlier-ones", embeddings_do_not_depend_on_earlier_ones);
    ADD("embeddings-agree-with-the-reference-device", embeddings_agree_with_the_reference_device);
    ADD("prompts-may-be-encoded-on-another-device", prompts_may_be_encoded_on_another_device);
    ADD("a-kept-instruction-equals-a-full-run", a_kept_instruction_equals_a_full_run);
    ADD("a-second-prompt-computes-only-its-own-tokens",
        a_second_prompt_computes_only_its_own_tokens);
    ADD("a-callers-embeds-draw-the-same", a_callers_embeds_draw_the_same);
    ADD("several-pictures-share-one-draw", several_pictures_share_one_draw);
    ADD("each-step-is-told-and-the-last-is-the-latent",
        each_step_is_told_and_the_last_is_the_latent);
    ADD("bins-serve-sizes-that-are-no-multiples", bins_serve_sizes_that_are_no_multiples);
    ADD("formats-agree", formats_agree);
    ADD("padding-is-left-alone", padding_is_left_alone);
    ADD("strength-zero-copies", strength_zero_copies);
    ADD("models-live-as-long-as-somebody-holds-them", models_live_as_long_as_somebody_holds_them);
    ADD("times-and-costs-are-told", times_and_costs_are_told);
    return g_test_run();
}
