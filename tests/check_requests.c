/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prompts, pictures and settings that cannot be, through sana_session_*(): each is refused in one
 * sentence that names the parameter, and what was asked before can still be drawn afterwards, to
 * the byte.
 */
#include "kernels/device.h"
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WIDTH 32
#define HEIGHT 24

typedef struct {
    char *dir;
    SanaModel *model;
    SanaSession *session;
    SanaPrompt *prompt;
    SanaImage source, image;
    guint8 *before; /* what the defaults draw */
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = tiny_copy();
    f->model = tiny_load(f->dir);
    f->session = tiny_session(f->model);
    f->prompt = tiny_prompt(f->session, "a fox");
    f->source = tiny_picture(SANA_IMAGE_RGB, WIDTH, HEIGHT);
    f->image = tiny_image(SANA_IMAGE_RGB, WIDTH, HEIGHT, 0);
    f->before = tiny_draw(f->session, f->prompt, NULL, WIDTH, HEIGHT);
}

static void
still_draws(Fixture *f)
{
    g_autofree guint8 *after = tiny_draw(f->session, f->prompt, NULL, WIDTH, HEIGHT);
    g_assert_cmpmem(f->before, WIDTH * HEIGHT * 3, after, WIDTH * HEIGHT * 3);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    still_draws(f);
    g_free(f->source.pixels);
    g_free(f->image.pixels);
    g_free(f->before);
    sana_prompt_unref(f->prompt);
    sana_session_free(f->session);
    sana_model_unref(f->model);
    testdir_free(f->dir);
}

/* --- settings --------------------------------------------------------------------------------- */

typedef enum { TEXT = 1, IMAGE = 2, BOTH = 3 } Calls;

static void
expect_refused(Fixture *f, const SanaParams *params, Calls calls, const char *name)
{
    GError *error = NULL;
    const gsize bytes = WIDTH * HEIGHT * 3;
    g_autofree guint8 *kept = g_memdup2(f->image.pixels, bytes);
    if (calls & TEXT) {
        g_assert_false(
            sana_session_text_to_image(f->session, f->prompt, params, &f->image, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, name);
    }
    if (calls & IMAGE) {
        g_assert_false(sana_session_image_to_image(f->session, f->prompt, params, &f->source,
                                                   &f->image, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, name);
    }
    g_assert_cmpmem(kept, bytes, f->image.pixels, bytes);
    still_draws(f);
}

static void
steps_and_pictures_out_of_range(Fixture *f, gconstpointer data)
{
    static const int steps[] = {0, -1, 21, G_MAXINT, G_MININT};
    static const int images[] = {0, -1, 65, G_MAXINT, G_MININT};
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        p.steps = steps[i];
        expect_refused(f, &p, BOTH, "steps");
    }
    for (gsize i = 0; i < G_N_ELEMENTS(images); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        p.n_images = images[i];
        expect_refused(f, &p, BOTH, "n_images");
    }
}

static void
numbers_out_of_range(Fixture *f, gconstpointer data)
{
    static const struct {
        gsize offset;
        double values[5];
        Calls calls;
        const char *name;
    } wrong[] = {
        {G_STRUCT_OFFSET(SanaParams, guidance_scale),
         {NAN, INFINITY, -INFINITY, -0.1, 20.1},
         BOTH,
         "guidance_scale"},
        {G_STRUCT_OFFSET(SanaParams, strength),
         {NAN, INFINITY, -INFINITY, -0.1, 1.1},
         IMAGE,
         "strength"},
        {G_STRUCT_OFFSET(SanaParams, max_timesteps),
         {NAN, INFINITY, -INFINITY, -0.1, 1.6},
         TEXT,
         "max_timesteps"},
        {G_STRUCT_OFFSET(SanaParams, intermediate_timesteps),
         {NAN, INFINITY, 1.58, 1e300, 2},
         TEXT,
         "intermediate_timesteps"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        for (gsize k = 0; k < G_N_ELEMENTS(wrong[i].values); k++) {
            SanaParams p = SANA_PARAMS_DEFAULT;
            G_STRUCT_MEMBER(double, &p, wrong[i].offset) = wrong[i].values[k];
            expect_refused(f, &p, wrong[i].calls, wrong[i].name);
        }
    }
    SanaParams mode = SANA_PARAMS_DEFAULT;
    mode.strength_mode = (SanaStrengthMode)7;
    expect_refused(f, &mode, IMAGE, "strength_mode");
    SanaParams bins = SANA_PARAMS_DEFAULT;
    bins.resolution_binning = TRUE;
    bins.n_images = 0;
    expect_refused(f, &bins, TEXT, "n_images");
}

static void
angles_that_do_not_fall(Fixture *f, gconstpointer data)
{
    static const double wrong[][3] = {
        {1.0, 1.2, 0}, {1.0, 1.0, 0},    {1.2, 1.0, 0.1},   {1.2, -1, 0},
        {2.0, 1.0, 0}, {NAN, 1.0, 0},    {1.2, NAN, 0},     {1.2, 1.0, NAN},
        {0, 0, 0},     {INFINITY, 1, 0}, {1.2, 1.0, -1e-9},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        p.timesteps = wrong[i];
        expect_refused(f, &p, BOTH, "timesteps");
    }
}

/* --- pictures --------------------------------------------------------------------------------- */

static void
sizes_that_cannot_be_drawn(Fixture *f, gconstpointer data)
{
    static const int sizes[][2] = {
        {1, 1},        {0, 32},     {32, 0},  {-32, 32}, {33, 32},   {32, 33},
        {16388, 32},   {32, 16388}, {32, -4}, {2, 32},   {65536, 4}, {G_MAXINT, G_MAXINT},
        {G_MININT, 4},
    };
    const SanaParams params = SANA_PARAMS_DEFAULT;
    guint8 pixel[64 * 3];
    GError *error = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *name = g_strdup_printf("%d×%d", sizes[i][0], sizes[i][1]);
        SanaImage image = {SANA_IMAGE_RGB, sizes[i][0], sizes[i][1], 3 * 65536, pixel};
        SanaCost cost;
        g_assert_false(sana_session_text_to_image(f->session, f->prompt, &params, &image, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, name);
        g_assert_false(
            sana_session_image_to_image(f->session, f->prompt, &params, &image, &image, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, name);
        g_assert_false(sana_session_prepare(f->session, sizes[i][0], sizes[i][1], &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, name);
        g_assert_false(
            sana_session_cost(f->session, f->prompt, sizes[i][0], sizes[i][1], &cost, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, name);
        still_draws(f);
    }
}

static void
images_that_are_no_images(Fixture *f, gconstpointer data)
{
    const SanaParams params = SANA_PARAMS_DEFAULT;
    const SanaImage good = f->image;
    const struct {
        SanaImage image;
        const char *name;
    } wrong[] = {
        {{SANA_IMAGE_RGB, WIDTH, HEIGHT, WIDTH * 3, NULL}, "pixels"},
        {{(SanaImageFormat)3, WIDTH, HEIGHT, WIDTH * 12, good.pixels}, "format"},
        {{(SanaImageFormat)-1, WIDTH, HEIGHT, WIDTH * 12, good.pixels}, "format"},
        {{SANA_IMAGE_RGB, WIDTH, HEIGHT, WIDTH * 3 - 1, good.pixels}, "stride"},
        {{SANA_IMAGE_RGB, WIDTH, HEIGHT, 0, good.pixels}, "stride"},
        {{SANA_IMAGE_RGBA64, WIDTH, HEIGHT, WIDTH * 8 + 1, good.pixels}, "stride"},
        {{SANA_IMAGE_RGBA64, WIDTH, HEIGHT, WIDTH * 8 - 2, good.pixels}, "stride"},
        {{SANA_IMAGE_RGB_F32, WIDTH, HEIGHT, WIDTH * 12 + 2, good.pixels}, "stride"},
    };
    GError *error = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_false(
            sana_session_text_to_image(f->session, f->prompt, &params, &wrong[i].image, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, wrong[i].name, "output");
        g_assert_false(sana_session_image_to_image(f->session, f->prompt, &params, &wrong[i].image,
                                                   &good, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, wrong[i].name, "source");
        g_assert_false(sana_session_image_to_image(f->session, f->prompt, &params, &f->source,
                                                   &wrong[i].image, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, wrong[i].name, "output");
    }
    g_assert_false(sana_session_text_to_image(f->session, f->prompt, &params, NULL, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "output");
    g_assert_false(
        sana_session_image_to_image(f->session, f->prompt, &params, NULL, &good, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "source");
}

static void
images_of_several_sizes(Fixture *f, gconstpointer data)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage two[2] = {f->image, f->image};
    GError *error = NULL;
    params.n_images = 2;
    two[1].height = HEIGHT - 4;
    g_assert_false(sana_session_text_to_image(f->session, f->prompt, &params, two, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "one size");
    params.n_images = 1;
    g_assert_false(
        sana_session_image_to_image(f->session, f->prompt, &params, &f->source, &two[1], &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "32×24", "32×20");
}

/* Either some picture, or a sentence. */
static void
expect_picture_or_refusal(gboolean ok, GError **error)
{
    if (ok)
        g_assert_no_error(*error);
    else if (strstr((*error)->message, "f32")) /* which it is */
        g_error("no remedy: %s", (*error)->message);
    else
        tiny_expect(error, SANA_ERROR_NOT_FINITE, "infinite or undefined", "another seed");
}

/* Not numbers in: no crash, and nothing of it stays. */
static void
values_that_are_not_numbers(Fixture *f, gconstpointer data)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    g_autoptr(GError) error = NULL;
    const int channels = sana_model_info(f->model)->latent_channels;
    const int factor = sana_model_info(f->model)->factor;
    const gsize n = (gsize)channels * (gsize)(WIDTH / factor) * (gsize)(HEIGHT / factor);
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e38f, -1e38f};
    SanaImage source = tiny_picture(SANA_IMAGE_RGB_F32, WIDTH, HEIGHT);
    g_autofree float *latents = g_new(float, n);
    for (gsize i = 0; i < G_N_ELEMENTS(odd); i++) {
        for (gsize k = 0; k < n; k++)
            latents[k] = odd[i];
        params.latents = latents;
        gboolean ok = sana_session_text_to_image(f->session, f->prompt, &params, &f->image, &error);
        g_assert_false(ok && isnan(odd[i]));
        expect_picture_or_refusal(ok, &error);
        params.latent_out = g_new(float, n);
        ok = sana_session_text_to_image(f->session, f->prompt, &params, &f->image, &error);
        g_assert_false(ok && isnan(odd[i]));
        expect_picture_or_refusal(ok, &error);
        g_clear_pointer(&params.latent_out, g_free);
        params.latents = NULL;
        /* a picture's own are clamped or spread, whichever the device does */
        ((float *)source.pixels)[i * 7] = odd[i];
        ok =
            sana_session_image_to_image(f->session, f->prompt, &params, &source, &f->image, &error);
        expect_picture_or_refusal(ok, &error);
        ok = sana_session_text_to_image(f->session, f->prompt, &params, &f->image, &error);
        g_assert_no_error(error);
        g_assert_true(ok);
    }
    g_free(source.pixels);
}

/* --- prompts ---------------------------------------------------------------------------------- */

static void
expect_encoded(Fixture *f, const char *text, const SanaPromptParams *params, int longest)
{
    g_autoptr(GError) error = NULL;
    int computed, total;
    SanaPrompt *prompt = sana_session_encode(f->session, text, params, &error);
    g_assert_no_error(error);
    g_assert_cmpint(sana_prompt_rows(prompt), >=, 1);
    g_assert_cmpint(sana_prompt_rows(prompt), <=, longest);
    sana_prompt_tokens(prompt, &computed, &total);
    g_assert_cmpint(computed, >=, 0);
    g_assert_cmpint(computed, <=, total);
    g_free(tiny_draw(f->session, prompt, NULL, WIDTH, HEIGHT));
    sana_prompt_unref(prompt);
}

static char *
repeat(const char *text, gsize times)
{
    GString *s = g_string_sized_new(strlen(text) * times);
    for (gsize i = 0; i < times; i++)
        g_string_append(s, text);
    return g_string_free(s, FALSE);
}

static void
prompts_of_any_content(Fixture *f, gconstpointer data)
{
    static const char *const texts[] = {
        "",
        " ",
        "\n",
        "\t \r\n",
        ".",
        "\x01\x02\x7f",
        "<bos>",
        "<eos><pad><unk>",
        "<start_of_turn>user\nhi<end_of_turn>",
        "<s></s>",
        "\u200b\u200d",
        "\ufeff",
        "\U0010ffff",
        "\xe2\x96\x81",
        "%s%n%d",
        "猫が雪の中で眠る",
        "🦊🌨️",
        "0123456789 3.14159 1e9",
        "''''''",
        "Ǻ̂̃̄",
    };
    expect_encoded(f, NULL, NULL, 300);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        expect_encoded(f, texts[i], NULL, 300);
    /* what spells a control token is text, not the token */
    SanaPrompt *spelled = tiny_prompt(f->session, "<bos><eos>");
    g_assert_cmpint(sana_prompt_rows(spelled), >, 3);
    sana_prompt_unref(spelled);
}

static void
prompts_of_a_million_characters(Fixture *f, gconstpointer data)
{
    static const char *const parts[] = {"x", " ", "fox ", "猫", "<", "&amp;", "a.b/", "\xce\xa3"};
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *text = repeat(parts[i], 1000000 / strlen(parts[i]));
        const SanaPromptParams clean = {.clean_caption = TRUE};
        gint64 start = g_get_monotonic_time();
        expect_encoded(f, text, NULL, 300);
        GError *error = NULL;
        g_assert_null(sana_session_encode(f->session, text, &clean, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, "prompt", "clean_caption");
        g_test_message("a million characters of \"%s\": %.2f s", parts[i],
                       (double)(g_get_monotonic_time() - start) * 1e-6);
    }
}

static void
prompts_that_are_not_utf8(Fixture *f, gconstpointer data)
{
    static const char *const texts[] = {
        "\xff", "caf\xe9", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "fox \xe7\x8c", "\x80 x",
    };
    GError *error = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        for (int clean = 0; clean < 2; clean++) {
            const SanaPromptParams params = {.clean_caption = clean};
            g_assert_null(sana_session_encode(f->session, texts[i], &params, &error));
            tiny_expect(&error, SANA_ERROR_SETTINGS, "prompt", "UTF-8");
        }
        const SanaPromptParams params = {.instruction = texts[i]};
        g_assert_null(sana_session_encode(f->session, "a fox", &params, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, "instruction", "UTF-8");
        still_draws(f);
    }
}

static void
instructions_of_any_kind(Fixture *f, gconstpointer data)
{
    static const char *const texts[] = {"", " ", "\n", "x", "Draw: ", "\u200b", "猫"};
    static const int lengths[] = {0, 1, 2, 3, 8, 4096};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        for (gsize k = 0; k < G_N_ELEMENTS(lengths); k++) {
            SanaPromptParams params = {.instruction = texts[i], .max_sequence_length = lengths[k]};
            expect_encoded(f, "", &params, lengths[k] ? lengths[k] : 300);
            expect_encoded(f, "a fox in the snow", &params, lengths[k] ? lengths[k] : 300);
        }
    }
    g_autofree char *endless = repeat("paint ", 20000);
    const SanaPromptParams params = {.instruction = endless};
    GError *error = NULL;
    g_assert_null(sana_session_encode(f->session, "a fox", &params, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "instruction", "8192");
    /* at once: it would be read twice before its tokens were counted */
    g_autofree char *longer = repeat("a", 524289);
    g_assert_null(sana_session_encode(f->session, "a fox",
                                      &(SanaPromptParams){.instruction = longer}, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "524289 bytes", "shorten");
}

static void
lengths_out_of_range(Fixture *f, gconstpointer data)
{
    static const int wrong[] = {-1, 4097, G_MAXINT, G_MININT};
    GError *error = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        const SanaPromptParams params = {.max_sequence_length = wrong[i]};
        g_assert_null(sana_session_encode(f->session, "a fox", &params, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, "max_sequence_length");
    }
}

static void
embeddings_out_of_range(Fixture *f, gconstpointer data)
{
    static const int wrong[] = {0, -1, 4097, G_MAXINT, G_MININT};
    g_autofree float *embeds = g_new0(float, sana_model_info(f->model)->caption_channels * 4);
    const guint8 none[4] = {0};
    GError *error = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_null(sana_session_encode_embeds(f->session, embeds, NULL, wrong[i], &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, "rows");
    }
    g_assert_null(sana_session_encode_embeds(f->session, embeds, none, 4, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "mask");
}

/* --- what belongs to another model ------------------------------------------------------------ */

static void
no_prompt(Fixture *f, gconstpointer data)
{
    const SanaParams params = SANA_PARAMS_DEFAULT;
    GError *error = NULL;
    SanaCost cost;
    g_assert_false(sana_session_text_to_image(f->session, NULL, &params, &f->image, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "no prompt is given");
    g_assert_false(
        sana_session_image_to_image(f->session, NULL, &params, &f->source, &f->image, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "no prompt is given");
    g_assert_false(sana_session_cost(f->session, NULL, WIDTH, HEIGHT, &cost, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "no prompt is given");
}

static void
a_prompt_of_another_model(Fixture *f, gconstpointer data)
{
    const SanaParams params = SANA_PARAMS_DEFAULT;
    GError *error = NULL;
    SanaCost cost;
    SanaModel *demo = tiny_load(SANA_DEMO_MODEL);
    SanaSession *session = tiny_session(demo);
    SanaPrompt *prompt = tiny_prompt(session, "a fox");
    g_autofree float *embeds = g_new0(float, 300 * sana_model_info(demo)->caption_channels);
    g_assert_false(sana_session_text_to_image(f->session, prompt, &params, &f->image, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "prompt", "another model");
    g_assert_false(
        sana_session_image_to_image(f->session, prompt, &params, &f->source, &f->image, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "prompt", "another model");
    g_assert_false(sana_session_cost(f->session, prompt, WIDTH, HEIGHT, &cost, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "prompt", "another model");
    g_assert_false(sana_session_get_embeds(f->session, prompt, embeds, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "prompt", "another model");
    sana_prompt_unref(prompt);
    sana_session_free(session);
    sana_model_unref(demo);
}

/* The refusal names a size of the same shape that fits, and none much smaller than need be. */
static void
a_size_that_does_not_fit(Fixture *f, gconstpointer data)
{
    GError *error = NULL;
    SanaCost cost;
    SanaModel *demo = tiny_load(SANA_DEMO_MODEL);
    SanaSession *session = tiny_session(demo);
    SanaPrompt *prompt = tiny_prompt(session, "a fox");
    SanaDevice *cpu = sana_device_open("cpu", NULL);
    const double available = (double)sana_device_free_memory(cpu);
    g_assert_true(sana_session_cost(session, prompt, 16384, 12288, &cost, &error));
    if ((double)cost.buffer_bytes < 1.2 * available) {
        g_test_skip("this machine has the memory");
    } else {
        int width = 0, height = 0;
        g_assert_false(sana_session_prepare(session, 16384, 12288, &error));
        const char *end = strstr(error->message, "choose a smaller size: ");
        g_assert_nonnull(end);
        g_assert_cmpint(sscanf(strchr(end, ':'), ": %d×%d would fit", &width, &height), ==, 2);
        g_assert_cmpint(ABS(3 * width - 4 * height), <=, 4 * sana_model_info(demo)->factor);
        g_assert_true(sana_session_cost(session, prompt, width, height, &cost, NULL));
        g_assert_cmpfloat((double)cost.buffer_bytes, >, 0.6 * available);
        g_assert_cmpfloat((double)cost.buffer_bytes, <, 1.4 * available);
        tiny_expect(&error, SANA_ERROR_MEMORY, "16384×12288", "GiB");
    }
    sana_device_unref(cpu);
    sana_prompt_unref(prompt);
    sana_session_free(session);
    sana_model_unref(demo);
}

/* --- a model whose files change --------------------------------------------------------------- */

/* The text encoder is read from its files for as long as the model lives. */
static void
prompts_after_the_text_encoder_was_cut(Fixture *f, gconstpointer data)
{
    GError *error = NULL;
    g_autofree char *path = testdir_path(f->dir, TINY_TEXT);
    g_assert_cmpint(truncate(path, 1), ==, 0);
    g_assert_null(sana_session_encode(f->session, "a cat", NULL, &error));
    tiny_expect(&error, SANA_ERROR_MALFORMED, path, "load the model again");
}

#define ADD(name, func) g_test_add("/requests/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("steps-and-pictures-out-of-range", steps_and_pictures_out_of_range);
    ADD("numbers-out-of-range", numbers_out_of_range);
    ADD("angles-that-do-not-fall", angles_that_do_not_fall);
    ADD("sizes-that-cannot-be-drawn", sizes_that_cannot_be_drawn);
    ADD("images-that-are-no-images", images_that_are_no_images);
    ADD("images-of-several-sizes", images_of_several_sizes);
    ADD("values-that-are-not-numbers", values_that_are_not_numbers);
    ADD("prompts-of-any-content", prompts_of_any_content);
    ADD("prompts-of-a-million-characters", prompts_of_a_million_characters);
    ADD("prompts-that-are-not-utf8", prompts_that_are_not_utf8);
    ADD("instructions-of-any-kind", instructions_of_any_kind);
    ADD("lengths-out-of-range", lengths_out_of_range);
    ADD("embeddings-out-of-range", embeddings_out_of_range);
    ADD("no-prompt", no_prompt);
    ADD("a-prompt-of-another-model", a_prompt_of_another_model);
    ADD("a-size-that-does-not-fit", a_size_that_does_not_fit);
    ADD("prompts-after-the-text-encoder-was-cut", prompts_after_the_text_encoder_was_cut);
    return g_test_run();
}
