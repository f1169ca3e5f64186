/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configurations: values, defaults, and the sentence each wrong one gets. */
#include "engine/config.h"
#include "tests/testdir.h"

#include <string.h>

static char *dir; /* made anew for each test */

static SanaJson *
open_text(const char *text)
{
    GError *error = NULL;
    testdir_write_text(dir, "config.json", text);
    SanaJson *j = sana_json_open(dir, "config.json", &error);
    g_assert_no_error(error);
    return j;
}

static void
expect_message(GError *error, SanaFileError code, const char *part)
{
    g_assert_error(error, SANA_FILE_ERROR, (gint)code);
    if (!strstr(error->message, part) || !strstr(error->message, "config.json") ||
        strchr(error->message, '\n'))
        g_error("expected \"%s\" in: %s", part, error->message);
    g_error_free(error);
}

static void
expect_refused(const char *text, size_t length, const char *part)
{
    GError *error = NULL;
    testdir_write(dir, "config.json", text, length);
    SanaJson *j = sana_json_open(dir, "config.json", &error);
    if (j)
        g_error("opened what should be refused: %s", part);
    expect_message(error, SANA_FILE_ERROR_MALFORMED, part);
}

static void
expect_problem(SanaJson *j, const char *part)
{
    GError *error = NULL;
    g_assert_false(sana_json_ok(j));
    g_assert_false(sana_json_finish(j, &error));
    expect_message(error, SANA_FILE_ERROR_MALFORMED, part);
}

static void
expect_fine(SanaJson *j)
{
    GError *error = NULL;
    g_assert_true(sana_json_ok(j));
    g_assert_true(sana_json_finish(j, &error));
    g_assert_no_error(error);
}

/* --- values ---------------------------------------------------------------------------------- */

static void
values_are_read(void)
{
    static const int fallback[] = {7, 8};
    int ints[SANA_JSON_MAX_LIST], lists[3][SANA_JSON_MAX_LIST], counts[3];
    const char *strings[3];
    SanaJson *j = open_text(
        "{\"i\":28,\"f\":28.0,\"neg\":-3,\"d\":1e-6,\"whole\":2,\"b\":true,\"s\":\"r\\u00e9\","
        "\"nothing\":null,\"rope\":{\"theta\":10000.0},\"list\":[2,2,3],\"empty\":[],"
        "\"one\":\"silu\",\"each\":[\"a\",null,\"c\"],\"lists\":[[],[5],[5,7]],"
        "\"pair\":[\"diffusers\",\"SCMScheduler\"]}");
    g_assert_cmpint(sana_json_int(j, "i", 1, 0, 100), ==, 28);
    g_assert_cmpint(sana_json_int(j, "f", 1, 0, 100), ==, 28);
    g_assert_cmpint(sana_json_int(j, "neg", 1, -3, 100), ==, -3);
    g_assert_cmpfloat(sana_json_double(j, "d", 1, 0, 1), ==, 1e-6);
    g_assert_cmpfloat(sana_json_double(j, "whole", 1, 0, 10), ==, 2);
    g_assert_true(sana_json_bool(j, "b", false));
    g_assert_cmpstr(sana_json_string(j, "s", NULL), ==, "r\xc3\xa9");
    g_assert_cmpfloat(sana_json_double(j, "rope.theta", 1, 0, 1e9), ==, 10000);
    g_assert_true(sana_json_has(j, "rope.theta"));
    g_assert_cmpint(sana_json_ints(j, "list", ints, fallback, 2, 0, 9), ==, 3);
    g_assert_cmpint(ints[2], ==, 3);
    g_assert_cmpint(sana_json_ints(j, "empty", ints, fallback, 2, 0, 9), ==, 0);
    sana_json_strings(j, "one", strings, 3, "relu");
    g_assert_cmpstr(strings[2], ==, "silu");
    sana_json_strings(j, "each", strings, 3, "relu");
    g_assert_cmpstr(strings[0], ==, "a");
    g_assert_null(strings[1]);
    sana_json_int_lists(j, "lists", lists, counts, 3, 1, 9);
    g_assert_cmpint(counts[0], ==, 0);
    g_assert_cmpint(counts[2], ==, 2);
    g_assert_cmpint(lists[2][1], ==, 7);
    g_assert_cmpstr(sana_json_list_string(j, "pair", 1), ==, "SCMScheduler");
    g_assert_null(sana_json_list_string(j, "pair", 2));
    g_assert_null(sana_json_list_string(j, "list", 0));
    expect_fine(j);
}

static void
absent_keys_and_null_give_the_default(void)
{
    static const int fallback[] = {7, 8};
    int ints[SANA_JSON_MAX_LIST], lists[2][SANA_JSON_MAX_LIST], counts[2] = {5, 5};
    const char *strings[2];
    static const char *const texts[] = {"{}", "{\"k\":null,\"o\":null}", "{\"o\":{\"k\":null}}",
                                        "{\"o\":3}"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        SanaJson *j = open_text(texts[i]);
        g_assert_false(sana_json_has(j, "k"));
        g_assert_false(sana_json_has(j, "o.k"));
        g_assert_cmpint(sana_json_int(j, "o.k", 42, 0, 1), ==, 42);
        g_assert_cmpfloat(sana_json_double(j, "k", 4.5, 0, 1), ==, 4.5);
        g_assert_true(sana_json_bool(j, "k", true));
        g_assert_null(sana_json_string(j, "k", NULL));
        g_assert_cmpint(sana_json_ints(j, "k", ints, fallback, 2, 0, 1), ==, 2);
        g_assert_cmpint(ints[1], ==, 8);
        sana_json_strings(j, "k", strings, 2, "silu");
        g_assert_cmpstr(strings[1], ==, "silu");
        sana_json_int_lists(j, "k", lists, counts, 2, 0, 1);
        g_assert_cmpint(counts[0] + counts[1], ==, 0);
        g_assert_null(sana_json_list_string(j, "k", 0));
        expect_fine(j);
    }
}

static void
wrong_integers_name_key_and_range(void)
{
    static const char *const values[] = {"1000000000000000000",
                                         "1000000000000000000000000000000",
                                         "9223372036854775808",
                                         "18446744073709551617",
                                         "-1",
                                         "0",
                                         "101",
                                         "2.5",
                                         "1e300",
                                         "Infinity",
                                         "-Infinity",
                                         "NaN",
                                         "true",
                                         "\"28\"",
                                         "[28]",
                                         "{\"a\":28}"};
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *text = g_strdup_printf("{\"num_layers\":%s}", values[i]);
        SanaJson *j = open_text(text);
        int value = sana_json_int(j, "num_layers", 28, 1, 100);
        g_assert_true(value >= 1 && value <= 100);
        expect_problem(j, "but must be a whole number between 1 and 100");
    }
    SanaJson *j = open_text("{\"num_layers\":1000000000000000000}");
    sana_json_int(j, "num_layers", 28, 1, 100);
    expect_problem(j, "config.json: num_layers is 1000000000000000000, but must be");
}

static void
other_wrong_values_are_named(void)
{
    int ints[SANA_JSON_MAX_LIST], lists[2][SANA_JSON_MAX_LIST], counts[2];
    const char *strings[2];
    SanaJson *j;
#define PROBLEM(text, call, part)      \
    j = open_text("{\"k\":" text "}"); \
    call;                              \
    expect_problem(j, part)
    PROBLEM("-1e-9", sana_json_double(j, "k", 1, 0, 1), "k is -1");
    PROBLEM("1e999", sana_json_double(j, "k", 1, 0, 1), "a number between 0 and 1");
    PROBLEM("NaN", sana_json_double(j, "k", 1, 0, 1), "k is \"NaN\"");
    PROBLEM("false", sana_json_double(j, "k", 1, 0, 1), "k is false");
    PROBLEM("1", sana_json_bool(j, "k", true), "true or false");
    PROBLEM("\"true\"", sana_json_bool(j, "k", true), "true or false");
    PROBLEM("5", sana_json_string(j, "k", NULL), "a string");
    PROBLEM("5", sana_json_ints(j, "k", ints, NULL, 0, 0, 9), "a list of at most 16");
    PROBLEM("[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]", sana_json_ints(j, "k", ints, NULL, 0, 0, 9),
            "a list of at most 16");
    PROBLEM("[1,99]", sana_json_ints(j, "k", ints, NULL, 0, 0, 9), "k[1] is 99");
    PROBLEM("[1,null]", sana_json_ints(j, "k", ints, NULL, 0, 0, 9), "k[1] is null");
    PROBLEM("[\"a\"]", sana_json_strings(j, "k", strings, 2, ""), "a list of 2 strings");
    PROBLEM("[\"a\",1]", sana_json_strings(j, "k", strings, 2, ""), "k[1] is 1");
    PROBLEM("{}", sana_json_strings(j, "k", strings, 2, ""), "a list of 2 strings");
    PROBLEM("[[]]", sana_json_int_lists(j, "k", lists, counts, 2, 0, 9), "a list of 2 lists");
    PROBLEM("[[],[1,{}]]", sana_json_int_lists(j, "k", lists, counts, 2, 0, 9), "k[1][1] is {}");
    PROBLEM("[[],7]", sana_json_int_lists(j, "k", lists, counts, 2, 0, 9), "k[1] is 7");
    PROBLEM("\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\\n\"",
            sana_json_bool(j, "k", true), "\xe2\x80\xa6, but must");
#undef PROBLEM
}

static void
the_first_problem_stays(void)
{
    SanaJson *j = open_text("{\"a\":-1,\"b\":-1}");
    sana_json_int(j, "a", 1, 0, 9);
    sana_json_int(j, "b", 1, 0, 9);
    sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED, "something else");
    expect_problem(j, "a is -1");

    GError *error = NULL;
    j = open_text("{}");
    sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED, "class %s is not run here", "X");
    g_assert_false(sana_json_finish(j, &error));
    expect_message(error, SANA_FILE_ERROR_UNSUPPORTED, "config.json: class X is not run here");
}

/* --- files ----------------------------------------------------------------------------------- */

/* Of what a file says as much stands in the sentence as one can read. */
static void
sentences_stay_one_line(void)
{
    GError *error = NULL;
    g_autofree char *filler = g_strnfill(1000000, 'x');
    g_autofree char *text =
        g_strdup_printf("{\"k\":\"a\\n\\u001b[2J\\u202e\\u009bz\",\"long\":\"%s\"}", filler);
    SanaJson *j = open_text(text);
    sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED, "k \"%s\" is not run here; k is",
                   sana_json_string(j, "k", NULL));
    g_assert_false(sana_json_finish(j, &error));
    expect_message(error, SANA_FILE_ERROR_UNSUPPORTED, "k \"a??[2J??z\" is not run here; k is");
    error = NULL;
    j = open_text(text);
    sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED, "long \"%s\" is not run here; k is",
                   sana_json_string(j, "long", NULL));
    g_assert_false(sana_json_finish(j, &error));
    g_assert_cmpint(g_utf8_strlen(error->message, -1), <, 1000);
    expect_message(error, SANA_FILE_ERROR_UNSUPPORTED, "xx\" is not run here; k is");
}

static void
malformed_files_are_refused(void)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1}}",
        "{\"a\":1} {}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":0x10}",
        "{\"a\":1e}",
        "{\"a\":tru}",
        "{\"a\":truer}",
        "{\"a\":\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\n\"}",
        "{/**/\"a\":1}",
        "{\"a\":1}//",
        "{\"a\":Inf}",
        "{\"a\":+Infinity}",
        "{\"a\":[1 2]}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1}]",
        "{\"a\" 1}",
        "{1:1}",
        "{Infinity:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\",1}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        expect_refused(texts[i], strlen(texts[i]), "is not JSON");
    expect_refused("[]", 2, "is not a JSON object");
    expect_refused("\"a\"", 3, "is not a JSON object");
    expect_refused("{\"\xff\":1}", 7, "is not UTF-8");
    expect_refused("{\"a\0b\":1}", 9, "is not UTF-8");
    expect_refused("{}\0", 3, "is not UTF-8");
}

static void
every_truncation_is_refused(void)
{
    const char *text = "{\"a\":[1,-2.5e3,{\"b\":\"\\u00e9\\n\"}],\"c\":-Infinity,\"d\":null}";
    for (size_t n = 0; n < strlen(text); n++)
        expect_refused(text, n, "is not");
    expect_fine(open_text(text));
}

static void
deep_and_large_files_are_refused(void)
{
    /* Deep enough to overflow the stack of a parser that recurses. */
    size_t n = 5000000;
    GString *text = g_string_new("{\"a\":");
    for (size_t i = 0; i < n; i++)
        g_string_append_c(text, '[');
    expect_refused(text->str, text->len, "nests deeper");
    for (size_t i = 0; i < n; i++)
        g_string_append_c(text, ']');
    g_string_append_c(text, '}');
    expect_refused(text->str, text->len, "nests deeper");

    g_string_truncate(text, 0);
    for (int i = 0; i < 64; i++)
        g_string_append(text, "{\"a\":");
    g_string_append(text, "{}");
    for (int i = 0; i < 64; i++)
        g_string_append_c(text, '}');
    expect_refused(text->str, text->len, "nests deeper");
    g_string_truncate(text, text->len - 1);
    expect_fine(open_text(text->str + strlen("{\"a\":")));

    g_string_assign(text, "{\"a\":[0");
    while (text->len < 2000000)
        g_string_append(text, ",0");
    g_string_append(text, "]}");
    expect_refused(text->str, text->len, "holds more values");

    g_string_truncate(text, 0);
    g_string_set_size(text, (16 << 20) + 1);
    memset(text->str, ' ', text->len);
    memcpy(text->str, "{}", 2);
    expect_refused(text->str, text->len, "more than the 16777216");
    g_string_free(text, TRUE);
}

/* json-glib 1.6 swallows what follows half a pair, and reads strings as structure from there on. */
static void
halves_of_surrogate_pairs_are_refused(void)
{
    static const char *const halves[] = {
        "\\ud800",        "\\udbff",  "\\udc00",    "\\uDFFF",  "\\ud800\\ud800",
        "\\ud83d\\u0020", "\\ud800x", "\\ud800\\n", "x\\ud800",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(halves); i++) {
        g_autofree char *alone = g_strdup_printf("{\"a\":\"%s\",\"b\":1}", halves[i]);
        g_autofree char *cut = g_strdup_printf("{\"a\":\"%s", halves[i]);
        expect_refused(alone, strlen(alone), "is not JSON");
        expect_refused(cut, strlen(cut), "is not JSON");
    }
    GString *text = g_string_new("{\"a\":\"\\ud800\",\",'k':");
    for (size_t i = 0; i < 5000000; i++)
        g_string_append_c(text, '[');
    g_string_append(text, "\":1}");
    expect_refused(text->str, text->len, "is not JSON");
    g_string_free(text, TRUE);
    SanaJson *j = open_text("{\"a\":\"\\ud83d\\ude00\\uD83D\\uDE00\"}");
    g_assert_cmpstr(sana_json_string(j, "a", NULL), ==, "\360\237\230\200\360\237\230\200");
    expect_fine(j);
}

static void
bare_infinity_is_tolerated(void)
{
    SanaJson *j = open_text("{\"lambda_min_clipped\": -Infinity, \"b\": [NaN, Infinity],"
                            " \"s\": \"-Infinity, NaN\", \"n\": 3}");
    g_assert_cmpint(sana_json_int(j, "n", 1, 0, 9), ==, 3);
    g_assert_cmpstr(sana_json_string(j, "s", NULL), ==, "-Infinity, NaN");
    expect_fine(j);
    j = open_text("{\"scaling_factor\": Infinity}");
    sana_json_double(j, "scaling_factor", 1, 0, 1e30);
    expect_problem(j, "scaling_factor is \"Infinity\", but must be a number between");
}

static void
a_missing_file_is_named(void)
{
    GError *error = NULL;
    g_assert_null(sana_json_open(dir, "config.json", &error));
    expect_message(error, SANA_FILE_ERROR_MISSING, "cannot be opened");
    error = NULL;
    testdir_mkdir(dir, "config.json");
    g_assert_null(sana_json_open(dir, "config.json", &error));
    expect_message(error, SANA_FILE_ERROR_MALFORMED, "not a regular file");
}

static void
run(gconstpointer test)
{
    dir = testdir_new();
    ((GTestFunc)test)();
    testdir_free(g_steal_pointer(&dir));
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestFunc test;
    } tests[] = {
        {"/config/values-are-read", values_are_read},
        {"/config/absent-keys-and-null-give-the-default", absent_keys_and_null_give_the_default},
        {"/config/wrong-integers-name-key-and-range", wrong_integers_name_key_and_range},
        {"/config/other-wrong-values-are-named", other_wrong_values_are_named},
        {"/config/the-first-problem-stays", the_first_problem_stays},
        {"/config/sentences-stay-one-line", sentences_stay_one_line},
        {"/config/malformed-files-are-refused", malformed_files_are_refused},
        {"/config/every-truncation-is-refused", every_truncation_is_refused},
        {"/config/deep-and-large-files-are-refused", deep_and_large_files_are_refused},
        {"/config/halves-of-surrogate-pairs-are-refused", halves_of_surrogate_pairs_are_refused},
        {"/config/bare-infinity-is-tolerated", bare_infinity_is_tolerated},
        {"/config/a-missing-file-is-named", a_missing_file_is_named},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_data_func(tests[i].name, (gconstpointer)tests[i].test, run);
    return g_test_run();
}
