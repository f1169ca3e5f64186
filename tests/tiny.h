/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tiny model directory that a test may break, and what tests of pipelines/sana.h share.
 *
 * Everything here ends the test with a message when it fails.
 */
#ifndef SANA_TESTS_TINY_H
#define SANA_TESTS_TINY_H

#include "pipelines/sana.h"

G_BEGIN_DECLS

/* Components of tests/golden that fit each other, copied into a new temporary directory as files of
 * its own: 1.1 MB.  testdir_free() removes it. */
char *tiny_copy(void);

/* Where its networks' weights lie. */
#define TINY_TEXT "text_encoder/model.safetensors"
#define TINY_TRANSFORMER "transformer/diffusion_pytorch_model.safetensors"
#define TINY_VAE "vae/diffusion_pytorch_model.safetensors"

/* Replaces the only place where `from` stands in the text file dir/name. */
void tiny_edit(const char *dir, const char *name, const char *from, const char *to);

/* The file's bytes (g_free). */
char *tiny_read(const char *dir, const char *name, gsize *length);

/* Loads on the device that SANA_TEST_DEVICE names, or cpu, in f32. */
SanaModel *tiny_load(const char *dir);
SanaSession *tiny_session(SanaModel *model);
SanaPrompt *tiny_prompt(SanaSession *session, const char *text);

/* An image of `format` with pixels of its own (g_free), rows `padding` components apart. */
SanaImage tiny_image(SanaImageFormat format, int width, int height, int padding);
/* The same with a picture in it: edges and gradients, the same each time. */
SanaImage tiny_picture(SanaImageFormat format, int width, int height);

/* Draws from text with these parameters (NULL: the defaults), RGB; the pixels (g_free). */
guint8 *tiny_draw(SanaSession *session, SanaPrompt *prompt, const SanaParams *params, int width,
                  int height);

/*
 * Whether *error is one sentence of SANA_ERROR with this code that holds every one of the parts, a
 * NULL-terminated list.  Frees and clears it.
 */
#define tiny_expect(error, code, ...) \
    tiny_expect_parts(G_STRLOC, error, code, (const char *const[]){__VA_ARGS__, NULL})
void tiny_expect_parts(const char *where, GError **error, SanaError code, const char *const *parts);

/* Resident memory of this process in bytes. */
gsize tiny_resident(void);

G_END_DECLS
#endif
