/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Temporary directories and small files for tests.  Failing to write one ends the test. */
#ifndef SANA_TESTS_TESTDIR_H
#define SANA_TESTS_TESTDIR_H

#include <glib.h>
#include <stdint.h>

/* A new directory in the system's place for temporary files. */
char *testdir_new(void);
/* Removes it with everything in it and frees the string. */
void testdir_free(char *dir);

/* directory/name (g_free). */
char *testdir_path(const char *dir, const char *name);
void testdir_write(const char *dir, const char *name, const void *data, size_t length);
void testdir_write_text(const char *dir, const char *name, const char *text);
void testdir_mkdir(const char *dir, const char *name);

/* A safetensors file of this header, verbatim, and `length` bytes of data. */
GBytes *testdir_safetensors(const char *header, const void *data, size_t length);
/* The same with `length` zeros that take no room on disk, written to dir/name; FALSE where the file
 * system has no files of that size. */
gboolean testdir_write_sparse(const char *dir, const char *name, const char *header, size_t length);

/* A safetensors file made tensor by tensor; the order of the calls is the order in the file. */
typedef struct {
    GString *header;
    GByteArray *data;
} TestWeights;

void test_weights_init(TestWeights *w);
/* dtype "F32", "BF16" or "F16": values are rounded to it; shape such as "2,3", "" for a scalar. */
void test_weights_add(TestWeights *w, const char *name, const char *dtype, const char *shape,
                      const float *values, size_t count);
/* Any dtype: the bytes as they are. */
void test_weights_add_raw(TestWeights *w, const char *name, const char *dtype, const char *shape,
                          const void *bytes, size_t length);
/* The finished file; clears w. */
GBytes *test_weights_finish(TestWeights *w);
/* The same, written to dir/name. */
void test_weights_save(TestWeights *w, const char *dir, const char *name);

#endif
