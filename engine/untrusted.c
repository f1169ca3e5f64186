/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/untrusted.h"

#include "engine/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What to do about a file that does not open. */
static const char *
remedy(int reason)
{
    switch (reason) {
    case ENOENT:
    case ENOTDIR:
        return "; download it again";
    case EACCES:
        return "; allow its reading";
    default:
        return "";
    }
}

int
sana_untrusted_open(const char *path, uint64_t *size, GError **error)
{
    struct stat st;
    /* O_NONBLOCK: opening a pipe without a writer would wait for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int reason = errno;
        int code = reason == ENOENT || reason == ENOTDIR ? SANA_FILE_ERROR_MISSING
                                                         : SANA_FILE_ERROR_MALFORMED;
        g_set_error(error, SANA_FILE_ERROR, code, "%s cannot be opened: %s%s", path,
                    g_strerror(reason), remedy(reason));
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED,
                    "%s is not a regular file; download it again", path);
        close(fd);
        return -1;
    }
    *size = (uint64_t)st.st_size;
    return fd;
}

char *
sana_untrusted_read(const char *path, size_t limit, size_t *length, GError **error)
{
    uint64_t size;
    int fd = sana_untrusted_open(path, &size, error);
    if (fd < 0)
        return NULL;
    if (size > limit) {
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED,
                    "%s holds %" G_GUINT64_FORMAT " bytes, more than the %" G_GSIZE_FORMAT
                    " such a file may have; download it again",
                    path, size, limit);
        close(fd);
        return NULL;
    }

    char *text = g_malloc(size + 1);
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, text + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED,
                        "%s cannot be read to its end: %s; download it again", path,
                        n < 0 ? g_strerror(errno) : "it became shorter");
            g_free(text);
            close(fd);
            return NULL;
        }
        got += (size_t)n;
    }
    close(fd);
    text[size] = '\0';
    *length = size;
    return text;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static unsigned
hex4(const char *p)
{
    unsigned value = 0;
    for (int k = 0; k < 4; k++)
        value = value * 16 + (unsigned)g_ascii_xdigit_value(p[k]);
    return value;
}

/* The code of a \uXXXX at byte i, which it moves past, or −1. */
static int
scan_unicode(const SanaJsonScan *scan, size_t *i)
{
    const char *p = scan->text + *i;
    if (scan->length - *i < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int k = 2; k < 6; k++)
        if (!g_ascii_isxdigit(p[k]))
            return -1;
    *i += 6;
    return (int)hex4(p + 2);
}

/* Moves past an escape.  Half a surrogate pair is no character, and json-glib 1.6 swallows what
 * follows it, be it the closing quote. */
static bool
scan_escape(const SanaJsonScan *scan, size_t *i)
{
    if (scan->length - *i < 2)
        return false;
    char kind = scan->text[*i + 1];
    if (kind != 'u') {
        *i += 2;
        return kind != '\0' && strchr("\"\\/bfnrt", kind);
    }
    int code = scan_unicode(scan, i);
    if (code < 0xd800 || code > 0xdfff)
        return code >= 0;
    int low = code < 0xdc00 ? scan_unicode(scan, i) : -1;
    return low >= 0xdc00 && low <= 0xdfff;
}

static bool
scan_string(SanaJsonScan *scan)
{
    for (size_t i = scan->start + 1; i < scan->length;) {
        unsigned char ch = (unsigned char)scan->text[i];
        if (ch == '"') {
            scan->at = i + 1;
            return true;
        }
        if (ch < 0x20)
            return false;
        if (ch != '\\')
            i++;
        else if (!scan_escape(scan, &i))
            return false;
    }
    return false;
}

static size_t
digits(const SanaJsonScan *scan, size_t i)
{
    size_t first = i;
    while (i < scan->length && g_ascii_isdigit(scan->text[i]))
        i++;
    return i - first;
}

static bool
scan_number(SanaJsonScan *scan)
{
    const char *t = scan->text;
    size_t i = scan->start, n;
    if (t[i] == '-')
        i++;
    n = digits(scan, i);
    if (n == 0 || (n > 1 && t[i] == '0'))
        return false;
    i += n;
    if (i < scan->length && t[i] == '.') {
        n = digits(scan, ++i);
        if (n == 0)
            return false;
        i += n;
    }
    if (i < scan->length && (t[i] == 'e' || t[i] == 'E')) {
        i++;
        if (i < scan->length && (t[i] == '+' || t[i] == '-'))
            i++;
        n = digits(scan, i);
        if (n == 0)
            return false;
        i += n;
    }
    scan->at = i;
    return true;
}

static bool
scan_word(SanaJsonScan *scan, const char *word)
{
    size_t n = strlen(word);
    if (scan->length - scan->start < n || memcmp(scan->text + scan->start, word, n) != 0)
        return false;
    scan->at = scan->start + n;
    return scan->at == scan->length || !g_ascii_isalnum(scan->text[scan->at]);
}

SanaJsonToken
sana_json_scan_next(SanaJsonScan *scan)
{
    while (scan->at < scan->length && scan->text[scan->at] != '\0' &&
           strchr(" \t\n\r", scan->text[scan->at]))
        scan->at++;
    scan->start = scan->at;
    if (scan->at == scan->length)
        return SANA_JSON_END;

    char ch = scan->text[scan->at];
    if (ch != '\0' && strchr("{}[],:", ch)) {
        scan->at++;
        return (SanaJsonToken)ch;
    }
    if (ch == '"')
        return scan_string(scan) ? SANA_JSON_STRING : SANA_JSON_BROKEN;
    if (scan_word(scan, "true") || scan_word(scan, "false") || scan_word(scan, "null"))
        return SANA_JSON_WORD;
    if (scan_word(scan, "Infinity") || scan_word(scan, "-Infinity") || scan_word(scan, "NaN"))
        return SANA_JSON_BARE;
    if (ch == '-' || g_ascii_isdigit(ch))
        return scan_number(scan) ? SANA_JSON_NUMBER : SANA_JSON_BROKEN;
    return SANA_JSON_BROKEN;
}

/* p is at the 'u' of an escape; appends the character and returns its last byte, NULL if NUL. */
static const char *
unescape_unicode(GString *out, const char *p)
{
    unsigned code = hex4(p + 1);
    p += 4;
    if (code == 0)
        return NULL;
    if (code >= 0xd800 && code < 0xdc00) { /* scan_escape() has seen the other half */
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(p + 3) - 0xdc00);
        p += 6;
    }
    g_string_append_unichar(out, code);
    return p;
}

char *
sana_json_scan_string(const SanaJsonScan *scan)
{
    GString *out = g_string_new(NULL);
    const char *end = scan->text + scan->at - 1;
    for (const char *p = scan->text + scan->start + 1; p < end; p++) {
        if (*p != '\\') {
            g_string_append_c(out, *p);
            continue;
        }
        switch (*++p) {
        case 'b':
            g_string_append_c(out, '\b');
            break;
        case 'f':
            g_string_append_c(out, '\f');
            break;
        case 'n':
            g_string_append_c(out, '\n');
            break;
        case 'r':
            g_string_append_c(out, '\r');
            break;
        case 't':
            g_string_append_c(out, '\t');
            break;
        case 'u':
            p = unescape_unicode(out, p);
            if (!p) {
                g_string_free(out, TRUE);
                return NULL;
            }
            break;
        default:
            g_string_append_c(out, *p);
        }
    }
    return g_string_free(out, FALSE);
}

bool
sana_json_scan_int(const SanaJsonScan *scan, int64_t *value)
{
    size_t n = digits(scan, scan->start);
    /* 2^53 has 16 digits, so 16 digits cannot overflow. */
    if (n == 0 || n > 16 || scan->start + n != scan->at)
        return false;
    int64_t v = 0;
    for (size_t i = scan->start; i < scan->at; i++)
        v = v * 10 + (scan->text[i] - '0');
    *value = v;
    return v <= INT64_C(1) << 53;
}

void
sana_json_scan_skip(SanaJsonScan *scan, SanaJsonToken first)
{
    int depth = 0;
    for (SanaJsonToken token = first;; token = sana_json_scan_next(scan)) {
        if (token == SANA_JSON_OBJECT || token == SANA_JSON_ARRAY)
            depth++;
        else if (token == SANA_JSON_OBJECT_END || token == SANA_JSON_ARRAY_END)
            depth--;
        if (depth == 0 || token == SANA_JSON_END || token == SANA_JSON_BROKEN)
            return;
    }
}

/* --- grammar ---------------------------------------------------------------------------------- */

/* What may come next.  A first element or key may also be the closing bracket. */
typedef enum { VALUE, FIRST_VALUE, KEY, FIRST_KEY, COLON, AFTER } Expect;

typedef struct {
    SanaJsonScan scan;
    uint64_t objects; /* bit d: whether the bracket at depth d is an object */
    int depth;
    int max_depth;
    Expect expect;
    bool bare;
} Grammar;

static bool
open_bracket(Grammar *g, bool object, const char **reason)
{
    if (g->depth == g->max_depth) {
        *reason = "nests deeper than such a file may";
        return false;
    }
    g->objects &= ~(UINT64_C(1) << g->depth);
    g->objects |= (uint64_t)object << g->depth;
    g->depth++;
    g->expect = object ? FIRST_KEY : FIRST_VALUE;
    return true;
}

static bool
in_object(const Grammar *g)
{
    return g->depth > 0 && (g->objects >> (g->depth - 1) & 1);
}

static bool
close_bracket(Grammar *g, bool object)
{
    Expect first = object ? FIRST_KEY : FIRST_VALUE;
    if (g->depth == 0 || in_object(g) != object || (g->expect != AFTER && g->expect != first))
        return false;
    g->depth--;
    g->expect = AFTER;
    return true;
}

static bool
accept(Grammar *g, SanaJsonToken token, const char **reason)
{
    bool value = g->expect == VALUE || g->expect == FIRST_VALUE;
    switch (token) {
    case SANA_JSON_OBJECT:
    case SANA_JSON_ARRAY:
        return value && open_bracket(g, token == SANA_JSON_OBJECT, reason);
    case SANA_JSON_OBJECT_END:
    case SANA_JSON_ARRAY_END:
        return close_bracket(g, token == SANA_JSON_OBJECT_END);
    case SANA_JSON_COMMA:
        if (g->expect != AFTER || g->depth == 0)
            return false;
        g->expect = in_object(g) ? KEY : VALUE;
        return true;
    case SANA_JSON_COLON:
        if (g->expect != COLON)
            return false;
        g->expect = VALUE;
        return true;
    case SANA_JSON_STRING:
        if (!value && g->expect != KEY && g->expect != FIRST_KEY)
            return false;
        g->expect = value ? AFTER : COLON;
        return true;
    case SANA_JSON_BARE:
        value = value && g->bare;
        /* fallthrough */
    case SANA_JSON_NUMBER:
    case SANA_JSON_WORD:
        g->expect = AFTER;
        return value;
    default:
        return false;
    }
}

bool
sana_json_scan_check(const char *text, size_t length, int max_depth, size_t max_values, bool bare,
                     const char **reason)
{
    Grammar g = {.scan = {.text = text, .length = length},
                 .max_depth = max_depth,
                 .expect = VALUE,
                 .bare = bare};
    size_t values = 0;
    *reason = "is not JSON";
    if (!g_utf8_validate_len(text, length, NULL)) {
        *reason = "is not UTF-8 text";
        return false;
    }
    for (;;) {
        SanaJsonToken token = sana_json_scan_next(&g.scan);
        if (token == SANA_JSON_END)
            return g.depth == 0 && g.expect == AFTER;
        if (!accept(&g, token, reason))
            return false;
        if (token != SANA_JSON_COMMA && token != SANA_JSON_COLON && ++values > max_values) {
            *reason = "holds more values than such a file may";
            return false;
        }
    }
}
