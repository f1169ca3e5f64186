/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to a prompt before it is tokenised, as the reference does it (diffusers 0.42.1 with
 * CPython 3.11).  Pure functions, any thread, no locale: "I" becomes "i" under tr_TR as well.
 *
 * Letters and their cases are those of GLib's Unicode tables (15.0 in GLib 2.74), the reference's
 * those of its Python (14.0 in 3.11).  Over all code points the two lower-case alike, except that
 * characters new in the later version are known to one only: for 14.0 against 15.0 those are 111
 * marks and modifiers that decide whether a Σ beside them ends its word.
 */
#ifndef SANA_PIPELINES_TEXT_H
#define SANA_PIPELINES_TEXT_H

#include "pipelines/sana.h"

G_BEGIN_DECLS

/*
 * Longest prepared text in bytes.  At most 4096 + instruction tokens are kept and no piece is
 * longer than 64 bytes, so the tokens that count end before 300 000 bytes; the rest is room for a
 * cut to change the tokens just before it.
 */
#define SANA_TEXT_MAX_BYTES 524288

/*
 * text: bytes ended by NUL, NULL is "".  Returns the text to be tokenised (g_free).
 *
 *   clean_caption FALSE  str.lower() then str.strip(): full lower-casing (İ is i and U+0307, Σ that
 *                        ends a word is ς), white space as Python has it (U+001C … U+001F are,
 *                        U+200B is not)
 *   clean_caption TRUE   sana_caption_clean() instead, see pipelines/caption.h
 *
 * The result is cut to SANA_TEXT_MAX_BYTES at a character's boundary.
 * Errors: SANA_ERROR_SETTINGS if the bytes are not UTF-8, or too long to be cleaned.
 */
char *sana_text_prepare(const char *text, gboolean clean_caption, GError **error);

/* text: valid UTF-8.  Python's str.lower() and str.strip(); g_free. */
char *sana_text_lower(const char *text);
char *sana_text_strip(const char *text);

/* Python's str.isspace() of one character, which is also \s of its regular expressions. */
gboolean sana_text_is_space(gunichar c);

G_END_DECLS
#endif
