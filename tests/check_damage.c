/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Model directories with damage at random places in every file: each either is refused in one
 * sentence or draws a picture.  The seed is printed; --seed repeats a run.
 */
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <string.h>

#define SECONDS 20
#define ROUNDS 400
#define FEWEST 20

static const char *const files[] = {
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/tokenizer.model",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
};

/* Most of the damage goes where structure is, which in weights is the header. */
static gsize
place(GRand *rand, gsize length)
{
    gsize end = g_rand_int_range(rand, 0, 4) ? MIN(length, 10000) : length;
    return (gsize)g_rand_int_range(rand, 0, (gint32)end);
}

/* Bits, bytes, numbers, copied pieces, lost pieces. */
static void
damage(GRand *rand, GByteArray *file, gboolean text)
{
    static const char *const pieces[] = {
        "0", "-1", "9999999999999999999", "1e999", "null", "{", "[[", "\"\"", "\\u0000", "\xff",
        ",", ":"};
    const gsize at = place(rand, file->len), from = place(rand, file->len);
    const gsize length = (gsize)g_rand_int_range(rand, 1, 64);
    switch (g_rand_int_range(rand, 0, 6)) {
    case 0:
        file->data[at] ^= (guint8)(1 << g_rand_int_range(rand, 0, text ? 7 : 8));
        break;
    case 1:
        file->data[at] =
            (guint8)(text ? g_rand_int_range(rand, ' ', '~') : g_rand_int_range(rand, 0, 256));
        break;
    case 2:
        g_byte_array_set_size(file, (guint)at);
        break;
    case 3: {
        const char *piece = pieces[g_rand_int_range(rand, 0, G_N_ELEMENTS(pieces))];
        memcpy(file->data + at, piece, MIN(strlen(piece), file->len - at));
        break;
    }
    case 4:
        memmove(file->data + at, file->data + from, MIN(length, file->len - MAX(at, from)));
        break;
    default:
        g_byte_array_remove_range(file, (guint)at, (guint)MIN(length / 4 + 1, file->len - at));
    }
}

/* Whether a whole picture could be drawn; what fails says so. */
static gboolean
draw(SanaModel *model)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    GError *error = NULL;
    const int factor = sana_model_info(model)->factor;
    const int side = (32 + factor - 1) / factor * factor;
    SanaImage image = tiny_picture(SANA_IMAGE_RGB, side, side);
    SanaSession *session = tiny_session(model);
    SanaPrompt *prompt = sana_session_encode(session, "A fox, 7 cats", NULL, &error);
    params.steps = 1;
    gboolean ok =
        prompt && sana_session_image_to_image(session, prompt, &params, &image, &image, &error);
    g_assert_cmpint(ok, ==, error == NULL);
    if (error) {
        g_assert_true(error->domain == SANA_ERROR && error->message && *error->message);
        g_test_message("cannot draw: %s", error->message);
        g_error_free(error);
    }
    g_clear_pointer(&prompt, sana_prompt_unref);
    sana_session_free(session);
    g_free(image.pixels);
    return ok;
}

typedef struct {
    int refused, drawn, not_drawn;
} Count;

static void
try_one(const char *dir, const char *name, Count *count)
{
    const SanaModelOptions options = {.device = "cpu"};
    GError *error = NULL;
    SanaModel *model = sana_model_load(dir, &options, NULL, &error);
    if (!model) {
        g_assert_true(error->domain == SANA_ERROR);
        g_assert_null(strchr(error->message, '\n'));
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        g_test_message("%s: %s", name, error->message);
        g_error_free(error);
        count->refused++;
        return;
    }
    g_assert_no_error(error);
    if (draw(model))
        count->drawn++;
    else
        count->not_drawn++;
    sana_model_unref(model);
}

static void
damaged_files_are_refused_or_draw(void)
{
    const guint32 seed = (guint32)g_test_rand_int();
    GRand *rand = g_rand_new_with_seed(seed);
    char *dir = tiny_copy();
    Count count = {0};
    GByteArray *whole[G_N_ELEMENTS(files)];
    /* damaged names are warned of as unused weights */
    GLogLevelFlags fatal = g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    const gint64 end = g_get_monotonic_time() + SECONDS * G_USEC_PER_SEC;
    int rounds = 0;
    g_test_message("seed %u", seed);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        gsize length;
        char *data = tiny_read(dir, files[i], &length);
        whole[i] = g_byte_array_new_take((guint8 *)data, length);
    }
    for (; rounds < FEWEST || (rounds < ROUNDS && g_get_monotonic_time() < end); rounds++) {
        const gsize i = (gsize)g_rand_int_range(rand, 0, G_N_ELEMENTS(files));
        GByteArray *file = g_byte_array_new();
        g_byte_array_append(file, whole[i]->data, whole[i]->len);
        for (int n = g_rand_int_range(rand, 1, 4); n > 0 && file->len > 0; n--)
            damage(rand, file, g_str_has_suffix(files[i], ".json"));
        testdir_write(dir, files[i], file->data, file->len);
        try_one(dir, files[i], &count);
        testdir_write(dir, files[i], whole[i]->data, whole[i]->len);
        g_byte_array_unref(file);
    }
    g_test_message("%d rounds: %d refused, %d drawn, %d not drawn", rounds, count.refused,
                   count.drawn, count.not_drawn);
    g_assert_cmpint(count.refused, >, 0);
    sana_model_unref(tiny_load(dir));
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
        g_byte_array_unref(whole[i]);
    g_log_set_always_fatal(fatal);
    g_rand_free(rand);
    testdir_free(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/damage/damaged-files-are-refused-or-draw", damaged_files_are_refused_or_draw);
    return g_test_run();
}
