/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prompts and captions against the reference's own functions under CPython 3.11; bytes that are no
 * text; a Turkish locale; texts that are long or contrived. */
#include "pipelines/text.h"

#include "pipelines/caption.h"
#include "pipelines/markup.h"
#include "tests/golden/text_tables.h"

#include <locale.h>
#include <string.h>

static void
assert_prepared(const char *text, gboolean clean, const char *wanted)
{
    GError *error = NULL;
    char *result = sana_text_prepare(text, clean, &error);
    g_assert_no_error(error);
    if (strcmp(result, wanted))
        g_test_message("from %s", text);
    g_assert_cmpstr(result, ==, wanted);
    g_free(result);
}

static void
prompts_are_lowered_and_stripped_as_there(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(plain_cases); i++)
        assert_prepared(plain_cases[i][0], FALSE, plain_cases[i][1]);
    assert_prepared(NULL, FALSE, "");
    assert_prepared(NULL, TRUE, "");
}

static void
captions_are_cleaned_as_there(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(caption_cases); i++)
        assert_prepared(caption_cases[i][0], TRUE, caption_cases[i][1]);
}

/* Where this departs from the reference on purpose, see caption.h. */
static void
captions_depart_where_documented(void)
{
    assert_prepared("\303\242\342\202\254\305\223", TRUE, "\303\242\342\202\254\305\223");
    assert_prepared("a%00b", TRUE, "ab");
    assert_prepared("a <![x b", TRUE, "a <! x b");
    assert_prepared("a <![x]> b", TRUE, "a b");
}

static void
every_upper_case_letter_is_lowered(void)
{
    int count = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(lower_runs); i++) {
        const int *run = lower_runs[i];
        for (int c = run[0]; c <= run[1]; c += run[2], count++) {
            char from[7] = "", to[7] = "";
            g_unichar_to_utf8(c, from);
            g_unichar_to_utf8(c + run[3], to);
            assert_prepared(from, FALSE, to);
        }
    }
    g_assert_cmpint(count, >, 1300);
}

static void
sigma_looks_past_what_is_ignorable(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(ignorable); i++) {
        char c[7] = "", text[16], wanted[16];
        g_unichar_to_utf8(ignorable[i], c);
        g_snprintf(text, sizeof text, "aΣ%sb", c);
        g_snprintf(wanted, sizeof wanted, "aσ%sb", c);
        assert_prepared(text, FALSE, wanted);
        g_snprintf(text, sizeof text, "a%sΣ", c);
        g_snprintf(wanted, sizeof wanted, "a%sς", c);
        assert_prepared(text, FALSE, wanted);
    }
}

static void
a_turkish_locale_changes_nothing(void)
{
    static const char *const names[] = {"tr_TR.UTF-8", "tr_TR.utf8", "tr_TR", "tr_TR.ISO-8859-9"};
    char *before = g_strdup(setlocale(LC_ALL, NULL));
    const char *set = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(names) && !set; i++)
        set = setlocale(LC_ALL, names[i]);
    if (set) {
        prompts_are_lowered_and_stripped_as_there();
        captions_are_cleaned_as_there();
        assert_prepared("I", FALSE, "i");
        assert_prepared("TITLE", TRUE, "title");
        setlocale(LC_ALL, before);
    } else {
        g_test_skip("no Turkish locale (tr_TR) is installed");
    }
    g_free(before);
}

static void
bytes_that_are_no_text_are_refused(void)
{
    static const char *const bad[] = {"\xff",
                                      "caf\xe9",
                                      "\xc3",
                                      "a\xc0\x80",
                                      "\xed\xa0\x80",
                                      "\xe2\x82 x",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "ok \x80"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad) * 2; i++) {
        GError *error = NULL;
        g_assert_null(sana_text_prepare(bad[i / 2], i % 2, &error));
        g_assert_error(error, SANA_ERROR, SANA_ERROR_SETTINGS);
        g_assert_true(g_str_has_prefix(error->message, "prompt is not UTF-8"));
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        g_error_free(error);
    }
}

static char *
repeat(const char *unit, gsize bytes)
{
    GString *s = g_string_sized_new(bytes + 8);
    while (s->len < bytes)
        g_string_append(s, unit);
    return g_string_free(s, FALSE);
}

static void
a_long_prompt_is_cut_between_characters(void)
{
    static const char *const units[] = {"A", "é", "あ", "😀", "Σ", "aé"};
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        GError *error = NULL;
        char *text = repeat(units[i], 1000001), *result = sana_text_prepare(text, FALSE, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(strlen(result), <=, SANA_TEXT_MAX_BYTES);
        g_assert_cmpuint(strlen(result), >, SANA_TEXT_MAX_BYTES - 4);
        g_assert_true(g_utf8_validate(result, -1, NULL));
        g_free(text);
        g_free(result);
    }
    char *exact = repeat("a", SANA_TEXT_MAX_BYTES);
    assert_prepared(exact, FALSE, exact);
    g_free(exact);
}

static void
a_caption_too_long_to_clean_is_refused(void)
{
    GError *error = NULL;
    char *text = repeat("a ", SANA_CAPTION_MAX_BYTES + 1);
    g_assert_null(sana_text_prepare(text, TRUE, &error));
    g_assert_error(error, SANA_ERROR, SANA_ERROR_SETTINGS);
    g_assert_nonnull(strstr(error->message, "clean_caption"));
    g_error_free(error);
    g_free(text);
}

/* Each expression's worst texts: a result or one sentence, and not minutes. */
static void
contrived_captions_end(void)
{
    static const char *const units[] = {
        "a",     "a.",    "a-",  "1",     "1a",   "a1",   " ",        " .",   ". ",
        "x.png", "<a",    "<",   "&",     "&a",   "<a =", "<a \"",    "<!--", "</",
        "%",     "%41",   "Σ'",  "http:", "1.1.", "_-",   "é1",       "＆;",  "<b></b>",
        "<rt>",  "free ", "-->", "'\"",   "&#1;", "1x",   "<![cdata["};
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        GError *error = NULL;
        char *text = repeat(units[i], SANA_CAPTION_MAX_BYTES - 16);
        gint64 start = g_get_monotonic_time();
        char *result = sana_text_prepare(text, TRUE, &error);
        g_assert_true(result ? g_utf8_validate(result, -1, NULL)
                             : g_error_matches(error, SANA_ERROR, SANA_ERROR_SETTINGS));
        g_assert_cmpint(g_get_monotonic_time() - start, <, 30 * G_USEC_PER_SEC);
        g_clear_error(&error);
        g_free(text);
        g_free(result);
    }
}

/* A reference within a reference is repaired again and again, but not for minutes. */
static void
repairs_of_repairs_end(void)
{
    GError *error = NULL;
    char *escapes = repeat("amp;", 4 * 20), *text = g_strconcat("a ＆", escapes, "lt; b", NULL);
    char *result = sana_text_prepare(text, TRUE, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(result, ==, "a < b");
    g_free(result);
    g_free(text);
    g_free(escapes);
    escapes = repeat("amp;", SANA_CAPTION_MAX_BYTES - 16);
    text = g_strconcat("＆", escapes, NULL);
    const gint64 start = g_get_monotonic_time();
    result = sana_text_prepare(text, TRUE, &error);
    g_assert_true(result || g_error_matches(error, SANA_ERROR, SANA_ERROR_SETTINGS));
    g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
    g_clear_error(&error);
    g_free(result);
    g_free(text);
    g_free(escapes);
}

/* Fragments of markup in a random order never end it, and leave UTF-8. */
static void
random_captions_leave_text(void)
{
    static const char *const parts[] = {
        "<",   ">",  "</", "/>", "<a", "<script>", "</script>", "<!--", "-->", "<![cdata[",
        "]]>", "&",  "#",  "x",  ";",  "&amp",     "&#12",      "%c3",  "%a9", "%",
        "=",   "\"", "'",  " ",  "\n", "é",        "Σ",         "1",    ".",   "com",
        "@",   "-",  "/",  "＆", "ﬁ",  "\302\205", "İ",         "png",  "\\n", ":"};
    guint32 seed = g_test_rand_int();
    GRand *random = g_rand_new_with_seed(seed);
    g_test_message("seed %u", seed);
    for (int round = 0; round < 1500; round++) {
        GString *text = g_string_new(NULL);
        for (int n = g_rand_int_range(random, 0, 25); n > 0; n--)
            g_string_append(text, parts[g_rand_int_range(random, 0, G_N_ELEMENTS(parts))]);
        GError *error = NULL;
        char *result = sana_text_prepare(text->str, TRUE, &error);
        g_assert_no_error(error);
        g_assert_true(g_utf8_validate(result, -1, NULL));
        g_free(result);
        g_string_free(text, TRUE);
    }
    g_rand_free(random);
}

static void
the_instruction_is_the_default_argument(void)
{
    const char *text = sana_default_instruction();
    guint32 hash = 0;
    for (const char *p = text; *p; p++)
        hash = hash * 31 + (guint8)*p;
    g_assert_cmpuint(strlen(text), ==, INSTRUCTION_BYTES);
    g_assert_cmpuint(hash, ==, instruction_hash);
    g_assert_true(g_str_has_suffix(text, "\nUser Prompt: "));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/prompts_are_lowered_and_stripped_as_there",
                    prompts_are_lowered_and_stripped_as_there);
    g_test_add_func("/text/captions_are_cleaned_as_there", captions_are_cleaned_as_there);
    g_test_add_func("/text/captions_depart_where_documented", captions_depart_where_documented);
    g_test_add_func("/text/every_upper_case_letter_is_lowered", every_upper_case_letter_is_lowered);
    g_test_add_func("/text/sigma_looks_past_what_is_ignorable", sigma_looks_past_what_is_ignorable);
    g_test_add_func("/text/a_turkish_locale_changes_nothing", a_turkish_locale_changes_nothing);
    g_test_add_func("/text/bytes_that_are_no_text_are_refused", bytes_that_are_no_text_are_refused);
    g_test_add_func("/text/a_long_prompt_is_cut_between_characters",
                    a_long_prompt_is_cut_between_characters);
    g_test_add_func("/text/a_caption_too_long_to_clean_is_refused",
                    a_caption_too_long_to_clean_is_refused);
    g_test_add_func("/text/contrived_captions_end", contrived_captions_end);
    g_test_add_func("/text/repairs_of_repairs_end", repairs_of_repairs_end);
    g_test_add_func("/text/random_captions_leave_text", random_captions_leave_text);
    g_test_add_func("/text/the_instruction_is_the_default_argument",
                    the_instruction_is_the_default_argument);
    return g_test_run();
}
