/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In place of gst-launch-1.0: parses its line, starts nothing, and adds to the file "parsed" what
 * the line asks of this project's elements, or what is wrong with it.
 */
#include <gst/gst.h>
#include <stdio.h>

static void
write_prompt(const GValue *item, gpointer file)
{
    GstElement *element = g_value_get_object(item);
    char *prompt, *path;

    if (!g_str_has_prefix(G_OBJECT_TYPE_NAME(element), "GstSana"))
        return;
    g_object_get(element, "prompt", &prompt, "prompt-file", &path, NULL);
    fprintf(file, "prompt: %s\n", path ? path : prompt);
    g_free(prompt);
    g_free(path);
}

int
main(int argc, char **argv)
{
    FILE *file = fopen("parsed", "a");
    GError *error = NULL;

    gst_init(&argc, &argv);
    for (argv++; *argv && **argv == '-';)
        argv++;
    GstElement *pipeline =
        gst_parse_launchv_full((const char **)argv, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    if (error)
        fprintf(file, "error: %s\n", error->message);
    if (GST_IS_BIN(pipeline)) {
        GstIterator *all = gst_bin_iterate_recurse(GST_BIN(pipeline));
        gst_iterator_foreach(all, write_prompt, file);
        gst_iterator_free(all);
    }
    gst_clear_object(&pipeline);
    g_clear_error(&error);
    fclose(file);
    return 0;
}
