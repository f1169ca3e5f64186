/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pipelines/markup.h"

#include "pipelines/html_entities.h"
#include "pipelines/text.h"

#include <string.h>

/* name → characters.  The table is one string per kind, "name=characters", each ended by \x1f. */
static GHashTable *
entities_new(const char *table)
{
    GHashTable *map = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (const char *p = table; *p;) {
        const char *equals = strchr(p, '='), *end = strchr(equals, '\x1f');
        g_hash_table_insert(map, g_strndup(p, equals - p), g_strndup(equals + 1, end - equals - 1));
        p = end + 1;
    }
    return map;
}

/* Those that end in a semicolon, or that need none: made once, since a text may be gone through as
 * often as it has characters. */
static GHashTable *
entities(gboolean closed)
{
    static GHashTable *maps[2];
    static gsize made;
    if (g_once_init_enter(&made)) {
        maps[FALSE] = entities_new(open_entities);
        maps[TRUE] = entities_new(closed_entities);
        g_once_init_leave(&made, 1);
    }
    return maps[closed];
}

static void
append_windows_1252(GString *out, gunichar c)
{
    static const gunichar upper[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
    };
    g_string_append_unichar(out, c >= 0x80 && c <= 0x9f ? upper[c - 0x80] : c);
}

/* A number too large saturates: it is beyond Unicode all the same. */
static gunichar
parse_number(const char *p, int base, const char **end)
{
    gunichar value = 0;
    for (;; p++) {
        int digit = base == 16 ? g_ascii_xdigit_value(*p) : g_ascii_digit_value(*p);
        if (digit < 0)
            break;
        value = MIN(value * base + digit, 0x110000);
    }
    *end = p;
    return value;
}

static gboolean
is_replaced(gunichar c)
{
    return c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff);
}

/* --- references in plain text ----------------------------------------------------------------- */

/* Control characters and noncharacters vanish, as HTML5 says they are errors. */
static void
append_reference(GString *out, gunichar c)
{
    if (is_replaced(c))
        g_string_append_unichar(out, 0xfffd);
    else if (c == '\r' || (c >= 0x80 && c <= 0x9f))
        append_windows_1252(out, c);
    else if ((c < 0x20 && c != '\t' && c != '\n' && c != '\f') || c == 0x7f ||
             (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe)
        return;
    else
        g_string_append_unichar(out, c);
}

/* `p` is after "&#"; returns where the reference ends, NULL if there is none. */
static const char *
unescape_number(GString *out, const char *p, gboolean only_closed)
{
    int base = *p == 'x' || *p == 'X' ? 16 : 10;
    const char *digits = p + (base == 16), *end;
    gunichar c = parse_number(digits, base, &end);
    if (end == digits || (only_closed && *end != ';'))
        return NULL;
    append_reference(out, c);
    return end + (*end == ';');
}

/* `p` is after "&".  A name without a semicolon may be the beginning of a longer word. */
static const char *
unescape_name(GString *out, const char *p, gboolean only_closed)
{
    char name[33];
    const char *end = p;
    int characters = 0, length = 0;
    while (*end && !strchr("\t\n\f <&#;", *end) && characters < 32) {
        end = g_utf8_next_char(end);
        characters++;
    }
    length = (int)MIN(end - p, 32);
    memcpy(name, p, length);
    name[length] = '\0';
    const char *value =
        *end == ';' && end - p <= 32 ? g_hash_table_lookup(entities(TRUE), name) : NULL;
    if (value) {
        g_string_append(out, value);
        return end + 1;
    }
    for (; !only_closed && length > 1; name[--length] = '\0') {
        value = g_hash_table_lookup(entities(FALSE), name);
        if (value) {
            g_string_append(out, value);
            return p + length;
        }
    }
    return NULL;
}

char *
sana_markup_unescape(const char *text, gboolean only_closed)
{
    if (!strchr(text, '&') || (only_closed && !strchr(text, ';')))
        return g_strdup(text);
    GString *out = g_string_sized_new(strlen(text) + 1);
    for (const char *p = text; *p;) {
        const char *end = NULL;
        if (*p == '&' && p[1] == '#')
            end = unescape_number(out, p + 2, only_closed);
        else if (*p == '&')
            end = unescape_name(out, p + 1, only_closed);
        if (!end) {
            g_string_append_c(out, *p);
            end = p + 1;
        }
        p = end;
    }
    return g_string_free(out, FALSE);
}

/* --- the text of markup ----------------------------------------------------------------------- */

typedef struct {
    GPtrArray *tags; /* names of the open elements */
    int hidden;      /* how many of them are not text */
    const char *raw; /* "script" or "style" while inside one, else NULL */
    GString *chunk;  /* text since the last tag */
    GString *out;
} Soup;

static gboolean
is_hidden(const char *name)
{
    static const char *const names[] = {"script", "style", "template", "rt", "rp", NULL};
    return g_strv_contains(names, name);
}

static void
end_chunk_as(Soup *s, gboolean text)
{
    gsize spaces = strspn(s->chunk->str, " \n\t\f\r");
    if (spaces == s->chunk->len && spaces > 0) {
        gboolean keep = FALSE;
        for (guint i = 0; i < s->tags->len && !keep; i++)
            keep = !strcmp(s->tags->pdata[i], "pre") || !strcmp(s->tags->pdata[i], "textarea");
        if (!keep)
            g_string_assign(s->chunk, strchr(s->chunk->str, '\n') ? "\n" : " ");
    }
    if (text)
        g_string_append(s->out, s->chunk->str);
    g_string_truncate(s->chunk, 0);
}

static void
end_chunk(Soup *s)
{
    end_chunk_as(s, s->hidden == 0);
}

static void
open_tag(Soup *s, char *name)
{
    end_chunk(s);
    s->hidden += is_hidden(name);
    g_ptr_array_add(s->tags, name);
}

static void
close_tag(Soup *s, const char *name)
{
    end_chunk(s);
    guint i = s->tags->len;
    while (i > 0 && strcmp(s->tags->pdata[i - 1], name))
        i--;
    if (i == 0)
        return;
    for (guint k = i - 1; k < s->tags->len; k++)
        s->hidden -= is_hidden(s->tags->pdata[k]);
    g_ptr_array_set_size(s->tags, i - 1);
}

static gboolean
is_void(const char *name)
{
    static const char *const names[] = {"area",   "base",     "basefont", "bgsound", "br",
                                        "col",    "command",  "embed",    "frame",   "hr",
                                        "image",  "img",      "input",    "isindex", "keygen",
                                        "link",   "menuitem", "meta",     "nextid",  "param",
                                        "source", "spacer",   "track",    "wbr",     NULL};
    return g_strv_contains(names, name);
}

static const char *
skip_space(const char *p)
{
    while (*p && sana_text_is_space(g_utf8_get_char(p)))
        p = g_utf8_next_char(p);
    return p;
}

static const char *
skip_space_and_slashes(const char *p)
{
    for (;;) {
        const char *q = skip_space(p);
        if (*q == '/' && q[1] != '>')
            q++;
        if (q == p)
            return p;
        p = q;
    }
}

static const char *
skip_to(const char *p, const char *stops)
{
    while (*p && !strchr(stops, *p) && !sana_text_is_space(g_utf8_get_char(p)))
        p = g_utf8_next_char(p);
    return p;
}

/* From the end of an attribute's name over "= value"; a quote that never closes is no value. */
static const char *
skip_value(const char *name_end)
{
    const char *equals = skip_space(name_end);
    const char *p = equals + strspn(equals, "=");
    if (p == equals)
        return name_end;
    const char *value = skip_space(p);
    if (*value == '"' || *value == '\'') {
        const char *close = strchr(value + 1, *value);
        if (close)
            return skip_space(close + 1);
        if (value > p)
            return value;
        return p - equals > 1 ? skip_space(skip_to(p, ">")) : name_end;
    }
    return skip_space(skip_to(value, ">"));
}

/* "<name …" at p: *end is after ">", or NULL if the tag is not whole. */
static char *
scan_start_tag(const char *p, const char **end, gboolean *closed)
{
    const char *name = p + 1, *q = name;
    q += strcspn(q, "\t\n\r\f />");
    char *result = g_strndup(name, q - name);
    q = skip_space_and_slashes(q);
    while (*q && *q != '>' && *q != '/') {
        char before = q[-1];
        if (!strchr("'\"/", before) && !sana_text_is_space(g_utf8_get_char(g_utf8_prev_char(q))))
            break;
        const char *name_end = skip_to(g_utf8_next_char(q), "/=>");
        q = skip_space_and_slashes(skip_value(name_end));
    }
    *closed = *q == '/' && q[1] == '>';
    *end = *closed ? q + 2 : *q == '>' ? q + 1 : NULL;
    return result;
}

static const char *
parse_start_tag(Soup *s, const char *p)
{
    const char *end;
    gboolean closed;
    if (!strchr(p, '>')) /* spares looking through all that follows, for each "<" */
        return NULL;
    char *name = scan_start_tag(p, &end, &closed);
    if (!end) {
        g_free(name);
        return NULL;
    }
    gboolean raw = !closed && (!strcmp(name, "script") || !strcmp(name, "style"));
    open_tag(s, name);
    if (raw)
        s->raw = !strcmp(name, "script") ? "script" : "style";
    if (closed || is_void(name)) {
        char *copy = g_strdup(name);
        close_tag(s, copy);
        g_free(copy);
    }
    return end;
}

static const char *
parse_end_tag(Soup *s, const char *p)
{
    const char *close = strchr(p, '>'), *name = p + 2;
    if (!close)
        return NULL;
    const char *spaced = skip_space(name);
    if (g_ascii_isalpha(*spaced) && spaced > name) {
        const char *q = spaced;
        while (g_ascii_isalnum(*q) || (*q && strchr("-.:_", *q)))
            q++;
        if (skip_space(q) == close)
            name = spaced;
    }
    if (g_ascii_isalpha(*name)) {
        char *tag = g_strndup(name, strcspn(name, "\t\n\r\f />"));
        close_tag(s, tag);
        g_free(tag);
    } else if (close > p + 2) {
        end_chunk(s); /* a comment */
    }
    return close + 1;
}

static const char *
after(const char *p, const char *what)
{
    const char *found = strstr(p, what);
    return found ? found + strlen(what) : NULL;
}

/* "<!…" and "<?…": only a CDATA section has text, wherever it stands. */
static const char *
parse_declaration(Soup *s, const char *p)
{
    const char *end;
    if (g_str_has_prefix(p, "<!--")) {
        for (end = p + 4; (end = after(end, "--")); end--) {
            if (*skip_space(end) == '>') {
                end_chunk(s);
                return skip_space(end) + 1;
            }
        }
        return NULL;
    }
    gboolean cdata = g_str_has_prefix(p, "<![cdata[");
    end = cdata ? after(p, "]]>") : after(p + 2, ">");
    if (!end)
        return NULL;
    end_chunk(s);
    if (cdata) {
        g_string_append_len(s->chunk, p + 9, end - 3 - (p + 9));
        end_chunk_as(s, TRUE);
    }
    return end;
}

/* "&…" at p.  NULL: what follows is not parsed any further in this pass. */
static const char *
parse_reference(Soup *s, const char *p)
{
    if (p[1] == '#') {
        int base = p[2] == 'x' || p[2] == 'X' ? 16 : 10;
        const char *digits = p + 2 + (base == 16), *end;
        gunichar c = parse_number(digits, base, &end);
        /* a decimal number is read as if hexadecimal digits might follow it */
        if (end == digits || !*end || (base == 10 && g_ascii_isxdigit(*end)))
            return NULL;
        if (is_replaced(c))
            g_string_append_unichar(s->chunk, 0xfffd);
        else
            append_windows_1252(s->chunk, c);
        return end + (*end == ';');
    }
    if (!g_ascii_isalpha(p[1])) {
        g_string_append_c(s->chunk, '&');
        return p + 1;
    }
    const char *end = p + 2;
    while (g_ascii_isalnum(*end) || *end == '-' || *end == '.')
        end++;
    while (!*end || g_ascii_isalnum(*end)) { /* one more character must follow the name */
        if (end == p + 2)
            return NULL;
        end--;
    }
    char *name = g_strndup(p + 1, end - p - 1);
    const char *value = g_hash_table_lookup(entities(TRUE), name);
    if (!value)
        value = g_hash_table_lookup(entities(FALSE), name);
    g_string_append_printf(s->chunk, "%s%s", value ? "" : "&", value ? value : name);
    g_free(name);
    return end + (*end == ';');
}

/* Inside script or style up to its end tag; NULL if there is none. */
static const char *
parse_raw(Soup *s, const char *p)
{
    for (; (p = after(p, "</"));) {
        const char *name = skip_space(p);
        if (!g_str_has_prefix(name, s->raw))
            continue;
        const char *close = skip_space(name + strlen(s->raw));
        if (*close == '>') {
            close_tag(s, s->raw);
            s->raw = NULL;
            return close + 1;
        }
    }
    return NULL;
}

static const char *
parse_markup(Soup *s, const char *p)
{
    if (g_ascii_isalpha(p[1]))
        return parse_start_tag(s, p);
    if (p[1] == '/')
        return parse_end_tag(s, p);
    if (p[1] == '!' || p[1] == '?')
        return parse_declaration(s, p);
    g_string_append_c(s->chunk, '<');
    return p + 1;
}

/* Markup that does not end is text: up to its ">", else up to the next "<". */
static const char *
append_broken(Soup *s, const char *p)
{
    const char *end = strchr(p + 1, '>');
    end = end ? end + 1 : strchr(p + 1, '<');
    end = end ? end : p + 1;
    g_string_append_len(s->chunk, p, end - p);
    return end;
}

/*
 * The parser is fed once and then closed, and each of the two passes stops at the first thing that
 * might go on in later input; only the second takes such a thing as text.  Returns where it
 * stopped.
 */
static const char *
parse_pass(Soup *s, const char *p, gboolean closing)
{
    while (*p) {
        const char *end;
        if (s->raw) {
            end = parse_raw(s, p);
            if (!end)
                return p;
        } else if (*p == '<') {
            end = parse_markup(s, p);
            if (!end && !closing)
                return p;
            end = end ? end : append_broken(s, p);
        } else if (*p == '&') {
            end = parse_reference(s, p);
            if (!end && p[1] == '#' && strchr(p, ';')) {
                g_string_append(s->chunk, "&#");
                return p + 2;
            }
            if (!end)
                return closing && p[1] && !p[2] ? p + 1 : p;
        } else {
            end = p + strcspn(p, "<&");
            g_string_append_len(s->chunk, p, end - p);
        }
        p = end;
    }
    return p;
}

char *
sana_markup_text(const char *html)
{
    Soup s = {
        .tags = g_ptr_array_new_with_free_func(g_free),
        .chunk = g_string_new(NULL),
        .out = g_string_sized_new(strlen(html) + 1),
    };
    const char *rest = parse_pass(&s, html, FALSE);
    rest = parse_pass(&s, rest, TRUE);
    if (!s.raw)
        g_string_append(s.chunk, rest);
    end_chunk(&s);
    g_ptr_array_unref(s.tags);
    g_string_free(s.chunk, TRUE);
    return g_string_free(s.out, FALSE);
}
