/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A SentencePiece model file, looked through before the library may load it.  Private to engine/.
 *
 * Versions of the library trust what they load: they recurse once for each byte of a unigram
 * model's piece until the stack is used up (SentencePiece issue 1263), and follow the offsets of a
 * precompiled_charsmap, a trie, beyond its end (issue 1269), which nothing asks them for here.
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
 * Whether the bytes are a protobuf message that ends where its fields do, of a byte-pair encoding,
 * with at most 2^20 pieces of at most 512 bytes (Gemma's are fewer and far shorter).  Else
 * SANA_FILE_ERROR_MALFORMED or _UNSUPPORTED; path is for the sentence.
 */
bool sana_tokenizer_model_check(const char *path, const char *model, size_t length, GError **error);

/* Whether directory/tokenizer_config.json asks for the tokens around a prompt that are put there:
 * BOS, no EOS.  Beside a tokenizer.json transformers does not ask it either. */
bool sana_tokenizer_config_check(const char *directory, GError **error);

G_END_DECLS
#endif
