/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reference's clean-up of captions taken from the web ("clean_caption"): addresses, markup,
 * CJK, file names, ids, advertising and stray punctuation go.  Pure function, any thread.
 */
#ifndef SANA_PIPELINES_CAPTION_H
#define SANA_PIPELINES_CAPTION_H

#include "pipelines/sana.h"

G_BEGIN_DECLS

/* Bytes of a text that is cleaned: some of the expressions take the square of its length. */
#define SANA_CAPTION_MAX_BYTES 16384

/* How often a line is repaired anew where a repair leaves something to repair. */
#define SANA_CAPTION_MAX_REPAIRS 32

/*
 * text: valid UTF-8.  The result (g_free) is that of SanaSprintPipeline._clean_caption() applied
 * twice (diffusers 0.42.1, Beautiful Soup 4.15, ftfy 6.3, CPython 3.11), including str.lower() and
 * str.strip(), except that
 *
 *   - ftfy's repair of mojibake (UTF-8 that was read as another encoding, "â€œ") is not done; its
 *     other repairs are: C1 controls, ligatures, character width, quotes, line breaks, control
 *     characters, composition (NFC), SANA_CAPTION_MAX_REPAIRS times at most;
 *   - "%00" is dropped, and a truncated multi-byte sequence of %xx escapes gives a U+FFFD per byte;
 *   - HTML that Beautiful Soup refuses ("<![x") is dropped instead of raising.
 *
 * Errors: SANA_ERROR_SETTINGS for a text longer than SANA_CAPTION_MAX_BYTES, or one so contrived
 * that matching an expression takes out its limit of steps.
 */
char *sana_caption_clean(const char *text, GError **error);

G_END_DECLS
#endif
