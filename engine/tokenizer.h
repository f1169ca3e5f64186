/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SentencePiece behind a few C functions.  Immutable once open, any thread.
 *
 * Ids are those of transformers' GemmaTokenizer with add_bos_token: BOS, then the pieces.  As
 * there, what the file says of normalising text counts for nothing.  Text that spells a control
 * piece ("</s>") is text: a prompt cannot inject one.
 */
#ifndef SANA_ENGINE_TOKENIZER_H
#define SANA_ENGINE_TOKENIZER_H

#include "engine/safetensors.h" /* SANA_FILE_ERROR */

#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

typedef struct SanaTokenizer SanaTokenizer;

/* Whether directory/tokenizer.model and what lies beside it can be one that this runs, as far as a
 * few milliseconds say. */
bool sana_tokenizer_check(const char *directory, GError **error);

/* Opens directory/tokenizer.model. */
SanaTokenizer *sana_tokenizer_open(const char *directory, GError **error);
void sana_tokenizer_free(SanaTokenizer *t); /* NULL is fine */

/* Number of pieces: every id is below it. */
int sana_tokenizer_size(const SanaTokenizer *t);

/* text: UTF-8.  Returns ids (g_free), BOS first, *count ≥ 1; NULL on error. */
int32_t *sana_tokenizer_encode(const SanaTokenizer *t, const char *text, size_t *count,
                               GError **error);

G_END_DECLS
#endif
