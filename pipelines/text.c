/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pipelines/text.h"

#include "pipelines/caption.h"

#include <string.h>

const char *
sana_default_instruction(void)
{
    return "Given a user prompt, generate an 'Enhanced prompt' that provides detailed visual "
           "descriptions suitable for image generation. Evaluate the level of detail in the user "
           "prompt:\n"
           "- If the prompt is simple, focus on adding specifics about colors, shapes, sizes, "
           "textures, and spatial relationships to create vivid and concrete scenes.\n"
           "- If the prompt is already detailed, refine and enhance the existing details slightly "
           "without overcomplicating.\n"
           "Here are examples of how to transform or refine prompts:\n"
           "- User Prompt: A cat sleeping -> Enhanced: A small, fluffy white cat curled up in a "
           "round shape, sleeping peacefully on a warm sunny windowsill, surrounded by pots of "
           "blooming red flowers.\n"
           "- User Prompt: A busy city street -> Enhanced: A bustling city street scene at dusk, "
           "featuring glowing street lamps, a diverse crowd of people in colorful clothing, and a "
           "double-decker bus passing by towering glass skyscrapers.\n"
           "Please generate only the enhanced description for the prompt below and avoid including "
           "any additional commentary or evaluations:\n"
           "User Prompt: ";
}

gboolean
sana_text_is_space(gunichar c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

/*
 * Unicode's Case_Ignorable: five general categories, and the punctuation that word breaking lets
 * stand inside a word.
 */
static gboolean
is_case_ignorable(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_NON_SPACING_MARK:
    case G_UNICODE_ENCLOSING_MARK:
    case G_UNICODE_FORMAT:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_MODIFIER_SYMBOL:
        return TRUE;
    default:
        break;
    }
    switch (c) {
    case '\'':
    case '.':
    case ':':
    case 0x00b7:
    case 0x0387:
    case 0x055f:
    case 0x05f4:
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0x2027:
    case 0xfe13:
    case 0xfe52:
    case 0xfe55:
    case 0xff07:
    case 0xff0e:
    case 0xff1a:
        return TRUE;
    default:
        return FALSE;
    }
}

/* Unicode's Cased, of characters that are not case-ignorable. */
static gboolean
is_cased(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_UPPERCASE_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
        return TRUE;
    default:
        /* letters in circles, squares and Roman numerals; the ordinal signs */
        return c == 0xaa || c == 0xba || (c >= 0x2160 && c <= 0x217f) ||
               (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
               (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
    }
}

/* Σ at `p` of `text` ends a word: a cased letter before it and none after, ignorables skipped. */
static gboolean
sigma_is_final(const char *text, const char *p)
{
    const char *before = p;
    gunichar c = 0;
    while (before > text) {
        before = g_utf8_prev_char(before);
        c = g_utf8_get_char(before);
        if (!is_case_ignorable(c))
            break;
        c = 0;
    }
    if (!c || !is_cased(c))
        return FALSE;
    for (const char *after = g_utf8_next_char(p); *after; after = g_utf8_next_char(after)) {
        c = g_utf8_get_char(after);
        if (!is_case_ignorable(c))
            return !is_cased(c);
    }
    return TRUE;
}

/* g_unichar_tolower() knows letters; Roman numerals and letters in circles have cases too. */
static gunichar
lower(gunichar c)
{
    if (c >= 0x2160 && c <= 0x216f)
        return c + 0x10;
    if (c >= 0x24b6 && c <= 0x24cf)
        return c + 0x1a;
    return g_unichar_tolower(c);
}

char *
sana_text_lower(const char *text)
{
    GString *out = g_string_sized_new(strlen(text) + 1);
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (c == 0x130)
            g_string_append(out, "i\xcc\x87");
        else if (c == 0x3a3)
            g_string_append_unichar(out, sigma_is_final(text, p) ? 0x3c2 : 0x3c3);
        else
            g_string_append_unichar(out, lower(c));
    }
    return g_string_free(out, FALSE);
}

char *
sana_text_strip(const char *text)
{
    while (*text && sana_text_is_space(g_utf8_get_char(text)))
        text = g_utf8_next_char(text);
    const char *end = text + strlen(text);
    while (end > text) {
        const char *last = g_utf8_prev_char(end);
        if (!sana_text_is_space(g_utf8_get_char(last)))
            break;
        end = last;
    }
    return g_strndup(text, end - text);
}

char *
sana_text_prepare(const char *text, gboolean clean_caption, GError **error)
{
    const char *end;
    text = text ? text : "";
    if (!g_utf8_validate(text, -1, &end)) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_SETTINGS,
                    "prompt is not UTF-8 from byte %" G_GSIZE_FORMAT " on; convert it to UTF-8",
                    (gsize)(end - text));
        return NULL;
    }
    char *result;
    if (clean_caption) {
        result = sana_caption_clean(text, error);
    } else {
        char *lower = sana_text_lower(text);
        result = sana_text_strip(lower);
        g_free(lower);
    }
    if (result && strlen(result) > SANA_TEXT_MAX_BYTES)
        *g_utf8_find_prev_char(result, result + SANA_TEXT_MAX_BYTES + 1) = '\0';
    return result;
}
