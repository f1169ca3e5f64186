/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A SentencePiece model file, looked through before the library may load it.  Private to engine/.
 *
 * Versions of the library trust what they load: they follow the offsets of a precompiled_charsmap,
 * a trie, beyond its end (SentencePiece issue 1269), and recurse once for each byte of a unigram
 * model's piece until the stack is used up (issue 1263).
 *
 * Source: SentencePiece's sentencepiece_model.proto, in protobuf's wire format.
 */
#ifndef SANA_ENGINE_TOKENIZER_MODEL_H
#define SANA_ENGINE_TOKENIZER_MODEL_H

#include <glib.h>

#include <stdbool.h>
#include <stddef.h>

G_BEGIN_DECLS

/*
 * Whether the bytes are a protobuf message that ends where its fields do, with pieces of at most
 * 512 bytes (Gemma's are far shorter) and without rules for normalising text (Gemma's normaliser is
 * the identity).  Else SANA_FILE_ERROR_MALFORMED or _UNSUPPORTED; path is for the sentence.
 */
bool sana_tokenizer_model_check(const char *path, const char *model, size_t length, GError **error);

G_END_DECLS
#endif
