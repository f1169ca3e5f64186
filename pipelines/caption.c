/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pipelines/caption.h"

#include "pipelines/markup.h"
#include "pipelines/text.h"

#include <string.h>

/*
 * Python's classes, spelled out: PCRE's \s, \w and \b differ from them and between its versions.
 * END is Python's $: the end, or before a last newline.
 */
#define SPACES                                                                                \
    "\\x09-\\x0d\\x1c-\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
    "\\x{205f}\\x{3000}"
#define S "[" SPACES "]"
#define NS "[^" SPACES "]"
#define W "[\\p{L}\\p{N}_]"
#define D "\\p{Nd}"
#define B "(?:(?<=" W ")(?!" W ")|(?<!" W ")(?=" W "))"
#define END "(?=\\n?\\z)"
#define DOMAIN "[a-zA-Z0-9.\\-]+[.](?:com|co|ru|net|org|edu|gov|it)[\\p{L}\\p{N}_/-]*" B "/?(?!@)"
#define FILE_TYPES "(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)"

typedef struct {
    const char *pattern, *replacement;
} Rule;

/* Of a run of address characters in which nothing was found from one word boundary, nothing is
 * found from a later one either, unless a scheme follows: without this a long run is squared. */
#define SKIP_RUN "|" B "(?:(?!https?:|www:)[a-zA-Z0-9.\\-])++(*SKIP)(*FAIL)"

static const Rule addresses[] = {
    {"<person>", "person"},
    {B "(?:https?:(?:/{1,3}|[a-zA-Z0-9%])|" DOMAIN ")" SKIP_RUN, ""},
    {B "(?:www:(?:/{1,3}|[a-zA-Z0-9%])|" DOMAIN ")" SKIP_RUN, ""},
};

/* Where the reference's expression could run over the same characters again and again (white
 * space, file names, numbers), this is another one that matches the same. */
static const Rule punctuation[] = {
    {"@" W "+" B, ""},
    {"[\\x{31c0}-\\x{31ef}\\x{31f0}-\\x{31ff}\\x{3200}-\\x{9fff}]+", ""},
    {"[\\x{2d}\\x{58a}\\x{5be}\\x{1400}\\x{1806}\\x{2010}-\\x{2015}\\x{2e17}\\x{2e1a}\\x{2e3a}"
     "\\x{2e3b}\\x{2e40}\\x{301c}\\x{3030}\\x{30a0}\\x{fe31}\\x{fe32}\\x{fe58}\\x{fe63}\\x{ff0d}]+",
     "-"},
    {"[`´«»“”¨]", "\""},
    {"[‘’]", "'"},
    {"&quot;?", ""},
    {"&amp", ""},
    {D "{1,3}\\." D "{1,3}\\." D "{1,3}\\." D "{1,3}", " "},
    {D ":" D D S "+" END, ""},
    {"\\\\n", " "},
    {"#" D "{1,3}" B, ""},
    {"#" D "{5,}" B, ""},
    {B D "{6,}" B, ""},
    {"(?<!" NS ")" NS "+\\." FILE_TYPES, ""},
    {"[\"']{2,}", "\""},
    {"\\.{2,}", " "},
    {"[#®•©™&@·º½¾¿¡§~)(\\]\\[}{|\\\\/*]+", " "},
    {"(?<!" S ")" S "++\\." S "+", " "},
};

static const Rule dashes[] = {{"[-_]", " "}};

static const Rule advertising[] = {
    {B "[a-zA-Z]{1,3}" D "{3,15}" B, ""},
    {B "[a-zA-Z]+" D "+[a-zA-Z]+" B, ""},
    {B D "+[a-zA-Z]+" D "+" B, ""},
    {"(?:worldwide" S "+)?(?:free" S "+)?shipping", ""},
    {"(?:free" S ")?download(?:" S "free)?", ""},
    {B "click" B S "(?:for|on)" S W "+", ""},
    {B FILE_TYPES "(?:" S "images?)?", ""},
    {B "page" S "+" D "+" B, ""},
    {B D "*[a-zA-Z]+" D "+[a-zA-Z]+" D "+[a-zA-Z\\p{Nd}]*" B, " "},
    {B D "++(?:\\." D "*+)?+[xх×]" D "++(?:\\." D "*+" B "|\\." B "|" B ")", ""},
    {B S "+:" S "+", ": "},
    {"(\\P{Nd}[,./])" B, "\\1 "},
    {S "+", " "},
    {"\\A[\"']((?s:.)+)[\"']" END, "\\1"},
    {"\\A['_,\\-:;]", ""},
    {"['_,\\-:+]" END, ""},
    {"\\A\\." NS "+" END, ""},
};

static char *
apply_rule(char *text, const Rule *rule, GError **error)
{
    char *result = NULL;
    GRegex *regex = g_regex_new(rule->pattern, 0, 0, error);
    if (regex) {
        result = g_regex_replace(regex, text, -1, 0, rule->replacement, 0, error);
        g_regex_unref(regex);
    }
    g_free(text);
    return result;
}

/* Takes text, which may be NULL after an error, and returns it changed. */
static char *
apply(char *text, const Rule *rules, gsize count, GError **error)
{
    for (gsize i = 0; i < count && text; i++)
        text = apply_rule(text, &rules[i], error);
    return text;
}

/* "%xx" and "+" of addresses.  What does not decode to UTF-8 becomes U+FFFD. */
static char *
unquote_plus(const char *text)
{
    GString *out = g_string_sized_new(strlen(text) + 1);
    for (const char *p = text; *p; p++) {
        if (*p == '%' && g_ascii_isxdigit(p[1]) && g_ascii_isxdigit(p[2])) {
            char c = (char)(g_ascii_xdigit_value(p[1]) << 4 | g_ascii_xdigit_value(p[2]));
            if (c)
                g_string_append_c(out, c);
            p += 2;
        } else {
            g_string_append_c(out, *p == '+' ? ' ' : *p);
        }
    }
    char *result = g_utf8_make_valid(out->str, (gssize)out->len);
    g_string_free(out, TRUE);
    return result;
}

/* --- ftfy's repairs, without mojibake --------------------------------------------------------- */

static const char *
ligature(gunichar c)
{
    static const struct {
        gunichar from;
        const char *to;
    } table[] = {
        {0x132, "IJ"},  {0x133, "ij"},  {0x149, "ʼn"},  {0x1c4, "DŽ"},   {0x1c5, "Dž"},
        {0x1c6, "dž"},  {0x1c7, "LJ"},  {0x1c8, "Lj"},  {0x1c9, "lj"},   {0x1ca, "NJ"},
        {0x1cb, "Nj"},  {0x1cc, "nj"},  {0x1f1, "DZ"},  {0x1f2, "Dz"},   {0x1f3, "dz"},
        {0xfb00, "ff"}, {0xfb01, "fi"}, {0xfb02, "fl"}, {0xfb03, "ffi"}, {0xfb04, "ffl"},
        {0xfb05, "ſt"}, {0xfb06, "st"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        if (table[i].from == c)
            return table[i].to;
    }
    return NULL;
}

static gboolean
is_dropped(gunichar c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r') || c == 0x7f ||
           (c >= 0x206a && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffc);
}

static void
append_wide(GString *out, gunichar c)
{
    char bytes[7] = "";
    g_unichar_to_utf8(c, bytes);
    char *narrow = g_utf8_normalize(bytes, -1, G_NORMALIZE_ALL_COMPOSE);
    g_string_append(out, narrow);
    g_free(narrow);
}

static void
append_repaired(GString *out, gunichar c)
{
    static const char *const c1[32] = {
        "€", "\302\201", "‚",        "ƒ", "„",        "…",        "†", "‡",        "ˆ",  "‰",  "Š",
        "‹", "Œ",        "\302\215", "Ž", "\302\217", "\302\220", "'", "'",        "\"", "\"", "•",
        "–", "—",        "˜",        "™", "š",        "›",        "œ", "\302\235", "ž",  "Ÿ"};
    if (c >= 0x80 && c <= 0x9f)
        g_string_append(out, c1[c - 0x80]);
    else if (ligature(c))
        g_string_append(out, ligature(c));
    else if (c == 0x3000)
        g_string_append_c(out, ' ');
    else if (c > 0xff00 && c < 0xfff0)
        append_wide(out, c);
    else if (c >= 0x201c && c <= 0x201f)
        g_string_append_c(out, '"');
    else if (c == 0x2bc || (c >= 0x2018 && c <= 0x201b))
        g_string_append_c(out, '\'');
    else if (c == '\r' || c == 0x2028 || c == 0x2029)
        g_string_append_c(out, '\n');
    else if (!is_dropped(c))
        g_string_append_unichar(out, c);
}

/* One line, again and again until nothing changes: a repair may make room for another, as each
 * "amp;" of "&amp;amp;" does. */
static char *
repair_line(char *line)
{
    gboolean changed = TRUE;
    for (int i = 0; changed && i < SANA_CAPTION_MAX_REPAIRS; i++) {
        GString *out = g_string_new(NULL);
        char *plain = strchr(line, '<') ? g_strdup(line) : sana_markup_unescape(line, TRUE);
        for (const char *p = plain; *p; p = g_utf8_next_char(p)) {
            if (p[0] != '\r' || p[1] != '\n')
                append_repaired(out, g_utf8_get_char(p));
        }
        g_free(plain);
        char *composed = g_utf8_normalize(out->str, -1, G_NORMALIZE_DEFAULT_COMPOSE);
        g_string_free(out, TRUE);
        changed = strcmp(composed, line) != 0;
        g_free(line);
        line = composed;
    }
    return line;
}

static char *
repair(const char *text)
{
    GString *out = g_string_new(NULL);
    while (*text) {
        const char *newline = strchr(text, '\n');
        gsize length = newline ? (gsize)(newline + 1 - text) : strlen(text);
        char *line = repair_line(g_strndup(text, length));
        g_string_append(out, line);
        g_free(line);
        text += length;
    }
    return g_string_free(out, FALSE);
}

/* --- the whole -------------------------------------------------------------------------------- */

static char *
replace(char *text, char *with)
{
    g_free(text);
    return with;
}

static gboolean
has_many_dashes(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == '-' || *text == '_';
    return count > 3;
}

/* Takes text. */
static char *
clean_once(char *text, GError **error)
{
    text = replace(text, unquote_plus(text));
    text = replace(text, sana_text_strip(text));
    text = replace(text, sana_text_lower(text));
    text = apply(text, addresses, G_N_ELEMENTS(addresses), error);
    if (text)
        text = replace(text, sana_markup_text(text));
    text = apply(text, punctuation, G_N_ELEMENTS(punctuation), error);
    if (text && has_many_dashes(text))
        text = apply(text, dashes, G_N_ELEMENTS(dashes), error);
    if (text) {
        text = replace(text, repair(text));
        text = replace(text, sana_markup_unescape(text, FALSE));
        text = replace(text, sana_markup_unescape(text, FALSE));
    }
    text = apply(text, advertising, G_N_ELEMENTS(advertising), error);
    return text ? replace(text, sana_text_strip(text)) : NULL;
}

char *
sana_caption_clean(const char *text, GError **error)
{
    GError *problem = NULL;
    if (strlen(text) > SANA_CAPTION_MAX_BYTES) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_SETTINGS,
                    "prompt has %" G_GSIZE_FORMAT " bytes, and clean_caption takes up to %d; "
                    "shorten it or turn clean_caption off",
                    strlen(text), SANA_CAPTION_MAX_BYTES);
        return NULL;
    }
    char *result = clean_once(g_strdup(text), &problem);
    if (result)
        result = clean_once(result, &problem);
    if (!result) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_SETTINGS,
                    "prompt cannot be cleaned (%s); turn clean_caption off", problem->message);
        g_error_free(problem);
    }
    return result;
}
