/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/testdir.h"

#include "kernels/convert.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *
testdir_new(void)
{
    GError *error = NULL;
    char *dir = g_dir_make_tmp("sana-test-XXXXXX", &error);
    g_assert_no_error(error);
    return dir;
}

static void
remove_tree(const char *path)
{
    if (g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK)) {
        GDir *d = g_dir_open(path, 0, NULL);
        const char *name;
        while (d && (name = g_dir_read_name(d))) {
            g_autofree char *child = g_build_filename(path, name, NULL);
            remove_tree(child);
        }
        g_clear_pointer(&d, g_dir_close);
    }
    g_remove(path);
}

void
testdir_free(char *dir)
{
    remove_tree(dir);
    g_free(dir);
}

char *
testdir_path(const char *dir, const char *name)
{
    return g_build_filename(dir, name, NULL);
}

void
testdir_write(const char *dir, const char *name, const void *data, size_t length)
{
    g_autofree char *path = testdir_path(dir, name);
    /* Not g_file_set_contents(): it renames, or leaves the end of a longer file. */
    g_remove(path); /* some file systems write to disk when a file is cut off and filled again */
    FILE *f = g_fopen(path, "wb");
    g_assert_nonnull(f);
    g_assert_cmpuint(fwrite(data, 1, length, f), ==, length);
    g_assert_cmpint(fclose(f), ==, 0);
}

void
testdir_write_text(const char *dir, const char *name, const char *text)
{
    testdir_write(dir, name, text, strlen(text));
}

void
testdir_mkdir(const char *dir, const char *name)
{
    g_autofree char *path = testdir_path(dir, name);
    g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
}

GBytes *
testdir_safetensors(const char *header, const void *data, size_t length)
{
    GByteArray *file = g_byte_array_new();
    uint64_t n = GUINT64_TO_LE((uint64_t)strlen(header));
    g_byte_array_append(file, (const guint8 *)&n, 8);
    g_byte_array_append(file, (const guint8 *)header, (guint)strlen(header));
    if (length > 0)
        g_byte_array_append(file, data, (guint)length);
    return g_byte_array_free_to_bytes(file);
}

gboolean
testdir_write_sparse(const char *dir, const char *name, const char *header, size_t length)
{
    GBytes *file = testdir_safetensors(header, NULL, 0);
    g_autofree char *path = testdir_path(dir, name);
    gsize front;
    const void *data = g_bytes_get_data(file, &front);
    testdir_write(dir, name, data, front);
    g_bytes_unref(file);
    return truncate(path, (off_t)(front + length)) == 0;
}

void
test_weights_init(TestWeights *w)
{
    w->header = g_string_new("{");
    w->data = g_byte_array_new();
}

void
test_weights_add_raw(TestWeights *w, const char *name, const char *dtype, const char *shape,
                     const void *bytes, size_t length)
{
    g_string_append_printf(w->header,
                           "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%u,%u]}",
                           w->header->len > 1 ? "," : "", name, dtype, shape, w->data->len,
                           w->data->len + (guint)length);
    if (length > 0)
        g_byte_array_append(w->data, bytes, (guint)length);
}

void
test_weights_add(TestWeights *w, const char *name, const char *dtype, const char *shape,
                 const float *values, size_t count)
{
    if (strcmp(dtype, "F32") == 0) {
        test_weights_add_raw(w, name, dtype, shape, values, count * 4);
        return;
    }
    g_assert_true(strcmp(dtype, "BF16") == 0 || strcmp(dtype, "F16") == 0);
    uint16_t *halves = g_new(uint16_t, count);
    for (size_t i = 0; i < count; i++)
        halves[i] = *dtype == 'B' ? sana_f32_to_bf16(values[i]) : sana_f32_to_f16(values[i]);
    test_weights_add_raw(w, name, dtype, shape, halves, count * 2);
    g_free(halves);
}

GBytes *
test_weights_finish(TestWeights *w)
{
    g_string_append_c(w->header, '}');
    while (w->header->len % 8 != 0)
        g_string_append_c(w->header, ' ');
    GBytes *file = testdir_safetensors(w->header->str, w->data->data, w->data->len);
    g_string_free(w->header, TRUE);
    g_byte_array_unref(w->data);
    return file;
}

void
test_weights_save(TestWeights *w, const char *dir, const char *name)
{
    GBytes *file = test_weights_finish(w);
    gsize length;
    const void *data = g_bytes_get_data(file, &length);
    testdir_write(dir, name, data, length);
    g_bytes_unref(file);
}
