/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/tiny.h"

#include "tests/testdir.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- directories ------------------------------------------------------------------------------ */

static const char *
golden_dir(void)
{
    const char *given = g_getenv("SANA_GOLDEN_DIR");
    return given ? given : SANA_GOLDEN_DIR;
}

static void
copy(const char *dir, const char *part, const char *from)
{
    g_autofree char *source = g_build_filename(golden_dir(), from, NULL);
    g_autoptr(GError) error = NULL;
    const char *name;
    testdir_mkdir(dir, part);
    GDir *files = g_dir_open(source, 0, &error);
    g_assert_no_error(error);
    while ((name = g_dir_read_name(files))) {
        gsize length;
        g_autofree char *data = tiny_read(source, name, &length);
        g_autofree char *target = g_build_filename(part, name, NULL);
        testdir_write(dir, target, data, length);
    }
    g_dir_close(files);
}

char *
tiny_copy(void)
{
    gsize length;
    char *dir = testdir_new();
    g_autofree char *index = tiny_read(golden_dir(), "model_index.json", &length);
    testdir_write(dir, "model_index.json", index, length);
    copy(dir, "scheduler", "scheduler/sprint");
    copy(dir, "text_encoder", "text_encoder/gemma");
    copy(dir, "tokenizer", "tokenizer");
    copy(dir, "transformer", "transformer/sprint");
    copy(dir, "vae", "vae/three");
    return dir;
}

char *
tiny_read(const char *dir, const char *name, gsize *length)
{
    g_autofree char *path = testdir_path(dir, name);
    g_autoptr(GError) error = NULL;
    char *data = NULL;
    g_file_get_contents(path, &data, length, &error);
    g_assert_no_error(error);
    return data;
}

void
tiny_edit(const char *dir, const char *name, const char *from, const char *to)
{
    gsize length;
    g_autofree char *text = tiny_read(dir, name, &length);
    g_auto(GStrv) parts = g_strsplit(text, from, 3);
    if (g_strv_length(parts) != 2)
        g_error("%s does not hold \"%s\" once", name, from);
    g_autofree char *edited = g_strjoinv(to, parts);
    testdir_write_text(dir, name, edited);
}

/* --- models and sessions ---------------------------------------------------------------------- */

SanaModel *
tiny_load(const char *dir)
{
    const char *device = g_getenv("SANA_TEST_DEVICE");
    const SanaModelOptions options = {.device = device ? device : "cpu",
                                      .precision = SANA_PRECISION_F32};
    g_autoptr(GError) error = NULL;
    SanaModel *model = sana_model_load(dir, &options, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(model);
    return model;
}

SanaSession *
tiny_session(SanaModel *model)
{
    g_autoptr(GError) error = NULL;
    SanaSession *session = sana_session_new(model, &error);
    g_assert_no_error(error);
    g_assert_nonnull(session);
    return session;
}

SanaPrompt *
tiny_prompt(SanaSession *session, const char *text)
{
    g_autoptr(GError) error = NULL;
    SanaPrompt *prompt = sana_session_encode(session, text, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(prompt);
    return prompt;
}

/* --- pictures --------------------------------------------------------------------------------- */

static const struct {
    int components, size;
} formats[] = {
    [SANA_IMAGE_RGB] = {3, 1},
    [SANA_IMAGE_RGBA64] = {4, 2},
    [SANA_IMAGE_RGB_F32] = {3, 4},
};

SanaImage
tiny_image(SanaImageFormat format, int width, int height, int padding)
{
    gsize stride = ((gsize)width * (gsize)formats[format].components + (gsize)padding) *
                   (gsize)formats[format].size;
    return (SanaImage){format, width, height, stride, g_malloc0(stride * (gsize)height)};
}

SanaImage
tiny_picture(SanaImageFormat format, int width, int height)
{
    SanaImage image = tiny_image(format, width, height, 0);
    const int n = formats[format].components;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < n; c++) {
                gsize i = ((gsize)y * (gsize)width + (gsize)x) * (gsize)n + (gsize)c;
                int v = c == 3 ? 255 : (x * 5 + y * (3 + c) + ((x / 8 ^ y / 8) & 1) * 60) % 256;
                if (format == SANA_IMAGE_RGB)
                    ((guint8 *)image.pixels)[i] = (guint8)v;
                else if (format == SANA_IMAGE_RGBA64)
                    ((guint16 *)image.pixels)[i] = (guint16)(v * 257);
                else
                    ((float *)image.pixels)[i] = (float)v / 127.5f - 1;
            }
        }
    }
    return image;
}

guint8 *
tiny_draw(SanaSession *session, SanaPrompt *prompt, const SanaParams *params, int width, int height)
{
    const SanaParams defaults = SANA_PARAMS_DEFAULT;
    g_autoptr(GError) error = NULL;
    SanaImage image = tiny_image(SANA_IMAGE_RGB, width, height, 0);
    gboolean ok =
        sana_session_text_to_image(session, prompt, params ? params : &defaults, &image, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    return image.pixels;
}

/* --- findings --------------------------------------------------------------------------------- */

/* Long enough for twenty names of tensors, which is what a list is cut at. */
#define LONGEST_SENTENCE 4000

void
tiny_expect_parts(const char *where, GError **error, SanaError code, const char *const *parts)
{
    if (!*error)
        g_error("%s: nothing failed", where);
    const char *message = (*error)->message;
    if ((*error)->domain != SANA_ERROR || (*error)->code != (int)code)
        g_error("%s: %s %d instead of %d: %s", where, g_quark_to_string((*error)->domain),
                (*error)->code, code, message);
    if (strchr(message, '\n') || strlen(message) < 20 || strlen(message) > LONGEST_SENTENCE ||
        !g_utf8_validate(message, -1, NULL))
        g_error("%s: not one sentence: %s", where, message);
    for (; *parts; parts++)
        if (!strstr(message, *parts))
            g_error("%s: \"%s\" is not in: %s", where, *parts, message);
    g_test_message("%s", message);
    g_clear_error(error);
}

gsize
tiny_resident(void)
{
    gulong pages = 0;
    g_autofree char *text = NULL;
    if (g_file_get_contents("/proc/self/statm", &text, NULL, NULL))
        g_assert_cmpint(sscanf(text, "%*u %lu", &pages), ==, 1);
    return pages * (gsize)sysconf(_SC_PAGESIZE);
}
