/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that may be hostile: bounded reading, and a strict JSON scanner without recursion.
 *
 * Private to engine/.  A caller sees only text that is JSON to the letter (RFC 8259), nests no
 * deeper and holds no more values than it asked for; so json-glib, which recurses and reads
 * comments and single quotes and lets half a surrogate pair swallow a quote, meets nothing it could
 * misread.
 */
#ifndef SANA_ENGINE_UNTRUSTED_H
#define SANA_ENGINE_UNTRUSTED_H

#include <glib.h>

#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

/*
 * Opens a regular file for reading, links followed, and tells its size.  Returns the descriptor
 * (the caller closes it), or -1 with SANA_FILE_ERROR_MISSING or _MALFORMED.  Never waits for a
 * pipe or a device.
 */
int sana_untrusted_open(const char *path, uint64_t *size, GError **error);

/* The whole of a regular file of at most `limit` bytes, with a NUL put after it (g_free). */
char *sana_untrusted_read(const char *path, size_t limit, size_t *length, GError **error);

/* --- JSON ------------------------------------------------------------------------------------- */

typedef enum {
    SANA_JSON_END = 0, /* the text is over */
    SANA_JSON_OBJECT = '{',
    SANA_JSON_OBJECT_END = '}',
    SANA_JSON_ARRAY = '[',
    SANA_JSON_ARRAY_END = ']',
    SANA_JSON_COMMA = ',',
    SANA_JSON_COLON = ':',
    SANA_JSON_STRING = '"',
    SANA_JSON_NUMBER = '0',
    SANA_JSON_WORD = 'w', /* true, false, null */
    SANA_JSON_BARE = 'b', /* Infinity, -Infinity, NaN: not JSON, but Python writes them */
    SANA_JSON_BROKEN = '?',
} SanaJsonToken;

/* The token last read is text[start … at − 1]; a string's quotes are part of it. */
typedef struct {
    const char *text;
    size_t length;
    size_t start, at;
} SanaJsonScan;

/* Reads the next token; BROKEN where there is none. */
SanaJsonToken sana_json_scan_next(SanaJsonScan *scan);

/* The string last read, unescaped (g_free); NULL if it holds a NUL. */
char *sana_json_scan_string(const SanaJsonScan *scan);

/* The number last read, if written as plain digits and at most 2^53. */
bool sana_json_scan_int(const SanaJsonScan *scan, int64_t *value);

/* Reads to the end of the value whose first token is `first`.  Only in checked text. */
void sana_json_scan_skip(SanaJsonScan *scan, SanaJsonToken first);

/*
 * Whether text is one JSON value in UTF-8, at most `max_depth` (≤ 64) brackets deep and of at most
 * `max_values` strings, numbers, words and brackets.  bare: whether BARE tokens pass as values.
 * On failure *reason, a static text, completes the sentence "the file …".
 */
bool sana_json_scan_check(const char *text, size_t length, int max_depth, size_t max_values,
                          bool bare, const char **reason);

G_END_DECLS
#endif
