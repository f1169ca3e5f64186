/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A picture from a text with pipelines/sana.h alone, without GStreamer:
 *
 *   build/examples/still MODEL_DIRECTORY "PROMPT" PICTURE.ppm [SEED]
 *   build/examples/still models/demo "clouds" clouds.ppm
 */
#include "pipelines/sana.h"

#include <locale.h>
#include <stdlib.h>

static gboolean
draw(const char *directory, const char *text, guint64 seed, const char *path, GError **error)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaModel *model = sana_model_load(directory, NULL, NULL, error);
    SanaSession *session = model ? sana_session_new(model, error) : NULL;
    SanaPrompt *prompt = session ? sana_session_encode(session, text, NULL, error) : NULL;
    gboolean ok = FALSE;

    if (prompt) {
        int side = sana_model_info(model)->native_size;
        gsize bytes = 3 * (gsize)side * side;
        GString *file = g_string_new(NULL);
        SanaImage image = {SANA_IMAGE_RGB, side, side, 3 * (gsize)side, NULL};

        g_string_printf(file, "P6 %d %d 255\n", side, side);
        gsize header = file->len;
        g_string_set_size(file, header + bytes);
        image.pixels = file->str + header;
        params.seed = seed;
        ok = sana_session_text_to_image(session, prompt, &params, &image, error) &&
             g_file_set_contents(path, file->str, (gssize)file->len, error);
        g_string_free(file, TRUE);
    }
    g_clear_pointer(&prompt, sana_prompt_unref);
    sana_session_free(session);
    g_clear_pointer(&model, sana_model_unref);
    return ok;
}

int
main(int argc, char **argv)
{
    GError *error = NULL;

    setlocale(LC_ALL, ""); /* messages and paths in the terminal's encoding */
    if (argc < 4) {
        g_printerr("usage: %s MODEL_DIRECTORY PROMPT PICTURE.ppm [SEED]\n", argv[0]);
        return EXIT_FAILURE;
    }
    guint64 seed = argc > 4 ? g_ascii_strtoull(argv[4], NULL, 10) : 0;
    if (!draw(argv[1], argv[2], seed, argv[3], &error)) {
        g_printerr("%s\n", error->message);
        g_error_free(error);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
