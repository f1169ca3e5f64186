/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tokenizer of 1200 pieces against ids that transformers' GemmaTokenizer gave, and files that are
 * no tokenizer. */
#include "engine/tokenizer.h"
#include "tests/testdir.h"

#include <string.h>

#define PIECES SANA_GOLDEN_DIR "/tokenizer_ids"

static SanaTokenizer *
open_pieces(void)
{
    GError *error = NULL;
    SanaTokenizer *t = sana_tokenizer_open(PIECES, &error);
    g_assert_no_error(error);
    return t;
}

/* transformers 5.23.0's ids, end marked by −1.  Where a text spells a control piece they differ on
 * purpose: there they are BOS and sentencepiece 0.2.3's. */
static const struct {
    const char *text;
    int32_t ids[40];
} golden[] = {
    {"", {2, -1}},
    {"a cat on a roof", {2, 1146, 382, 332, 264, 906, 1149, 1160, -1}},
    {" leading and trailing ", {2, 462, 1146, 357, 301, 268, 423, 368, 272, 1144, -1}},
    {"two  spaces   three", {2, 1118, 1144, 375, 454, 1151, 370, 280, 270, 1145, -1}},
    {"   ", {2, 1062, -1}},
    {"\n\n\n", {2, 7, 6, -1}},
    {"\ttab\tand\nnewline\n\nand two",
     {2, 17, 300, 1166, 17, 724, 6, 1150, 676, 1153, 379, 7, 724, 1125, -1}},
    {"line\r\nend", {2, 1153, 379, 21, 6, 278, 1154, -1}},
    {"room 101, 3.14159 and 2026",
     {2,    271,  788, 1144, 1195, 56,   1195, 1163, 1144, 59, 1170, 1195,
      1190, 1195, 61,  65,   301,  1144, 58,   56,   58,   62, -1}},
    {"it's \"quoted\" -- isn't it?!",
     {2, 281, 1177, 1151, 672, 763, 1149, 833, 1180, 402, 1169, 371, 1150, 1177, 1147, 453, 71,
      1189, -1}},
    {"\xf0\x9f\x90\xb1 and \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80",
     {2, 248, 167, 152, 185, 301, 1144, 248, 167, 153, 177, 234, 136, 149, 248, 167, 162, 136, -1}},
    {"\xe4\xb8\x80\xe5\x8f\xaa\xe7\x8c\xab\xe5\x9c\xa8\xe5\xb1\x8b\xe9\xa1\xb6\xe4\xb8\x8a",
     {2,   236, 192, 136, 237, 151, 178, 239, 148, 179, 237, 164,
      176, 237, 185, 147, 241, 169, 190, 236, 192, 146, -1}},
    {"\xc3\x85ngstr\xc3\xb6m na\xc3\xafve e\xcc\x81",
     {2, 203, 141, 1150, 1161, 658, 1152, 203, 190, 1159, 363, 1146, 203, 183, 467, 326, 212, 137,
      -1}},
    {"zero\xe2\x80\x8bwidth\xc2\xa0nbsp",
     {2, 1181, 267, 1149, 234, 136, 147, 1164, 459, 383, 202, 168, 1150, 1166, 1151, 1155, -1}},
    {"\xee\x80\x80\xf4\x8f\xbf\xbf", {2, 246, 136, 136, 252, 151, 199, 199, -1}},
    {"\xef\xac\x81ne \xe2\x84\x8c \xef\xbc\xa1",
     {2, 247, 180, 137, 1086, 1144, 234, 140, 148, 1144, 247, 196, 169, -1}},
    {"\xe2\x96\x81"
     "a\xe2\x96\x81\xe2\x96\x81"
     "b",
     {2, 264, 1144, 283, -1}},
    {"<start_of_turn>user\na cat<end_of_turn>", {2, 4, 294, 267, 6, 1146, 382, 5, -1}},
    {"<start_of_turn", {2, 68, 1151, 495, 1147, 1179, 1149, 1160, 1179, 765, -1}},
    {"</s>", {2, 68, 55, 1151, 1178, -1}},
    {"a <s> b </s><unk><pad>", {2,    1146, 1144, 68,   1151, 1178, 283,  1144, 68,   55, 1151,
                                1178, 68,   314,  1168, 1178, 68,   1155, 472,  1178, -1}},
};

static void
ids_equal_the_reference(void)
{
    SanaTokenizer *t = open_pieces();
    g_assert_cmpint(sana_tokenizer_size(t), ==, 1200);
    for (gsize i = 0; i < G_N_ELEMENTS(golden); i++) {
        GError *error = NULL;
        size_t count, expected = 0;
        g_autofree int32_t *ids = sana_tokenizer_encode(t, golden[i].text, &count, &error);
        g_assert_no_error(error);
        while (golden[i].ids[expected] >= 0)
            expected++;
        g_test_message("text %d", (int)i);
        g_assert_cmpmem(ids, count * sizeof *ids, golden[i].ids, expected * sizeof *ids);
    }
    sana_tokenizer_free(t);
}

static void
control_pieces_cannot_be_injected(void)
{
    SanaTokenizer *t = open_pieces();
    GError *error = NULL;
    size_t count;
    g_autofree int32_t *ids =
        sana_tokenizer_encode(t, "<s></s><pad><unk> <s>x</s>", &count, &error);
    g_assert_no_error(error);
    g_assert_cmpint(ids[0], ==, 2);
    for (size_t i = 1; i < count; i++)
        g_assert_cmpint(ids[i], >, 3);
    sana_tokenizer_free(t);
}

static void
text_that_is_not_utf8_is_refused(void)
{
    static const char *const texts[] = {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80",
                                        "\xf4\x90\x80\x80"};
    SanaTokenizer *t = open_pieces();
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        GError *error = NULL;
        size_t count;
        g_assert_null(sana_tokenizer_encode(t, texts[i], &count, &error));
        g_assert_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED);
        g_assert_nonnull(strstr(error->message, "UTF-8"));
        g_error_free(error);
    }
    sana_tokenizer_free(t);
}

static void
a_million_characters_are_encoded(void)
{
    SanaTokenizer *t = open_pieces();
    GError *error = NULL;
    size_t count;
    g_autofree char *text = g_strnfill(1000000, 'a');
    g_autofree int32_t *ids = sana_tokenizer_encode(t, text, &count, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(count, >, 1);
    for (size_t i = 0; i < count; i++)
        g_assert_true(ids[i] >= 0 && ids[i] < sana_tokenizer_size(t));
    sana_tokenizer_free(t);
}

/* --- files ----------------------------------------------------------------------------------- */

static void
expect_refused(const char *dir, SanaFileError code, const char *part)
{
    GError *error = NULL;
    g_assert_null(sana_tokenizer_open(dir, &error));
    g_assert_error(error, SANA_FILE_ERROR, (gint)code);
    if (!strstr(error->message, part) || !strstr(error->message, dir) ||
        strchr(error->message, '\n'))
        g_error("expected \"%s\" in: %s", part, error->message);
    g_error_free(error);
}

static void
files_that_are_no_tokenizer_are_refused(void)
{
    char *dir = testdir_new();
    expect_refused(dir, SANA_FILE_ERROR_MISSING, "cannot be opened");
    testdir_write_text(dir, "tokenizer.json", "{}");
    expect_refused(dir, SANA_FILE_ERROR_MISSING, "put the tokenizer.model of the original");
    testdir_write(dir, "tokenizer.model", "", 0);
    expect_refused(dir, SANA_FILE_ERROR_MALFORMED, "not a SentencePiece model");
    testdir_write_text(dir, "tokenizer.model", "version https://git-lfs.github.com/spec/v1\n");
    expect_refused(dir, SANA_FILE_ERROR_MALFORMED, "not a SentencePiece model");
    testdir_free(dir);

    dir = testdir_new();
    testdir_mkdir(dir, "tokenizer.model");
    expect_refused(dir, SANA_FILE_ERROR_MALFORMED, "not a regular file");
    testdir_free(dir);
}

static void
truncated_models_are_refused(void)
{
    gsize length;
    g_autofree char *model = NULL;
    char *dir = testdir_new();
    g_assert_true(g_file_get_contents(PIECES "/tokenizer.model", &model, &length, NULL));
    for (gsize n = 1; n < length; n += 211) {
        testdir_write(dir, "tokenizer.model", model, n);
        expect_refused(dir, SANA_FILE_ERROR_MALFORMED, "not a SentencePiece model");
    }
    testdir_free(dir);
}

/* --- files made to harm ----------------------------------------------------------------------- */

static void
append_varint(GByteArray *to, guint64 value)
{
    for (; value > 0x7f; value >>= 7)
        g_byte_array_append(to, &(guint8){(guint8)(value | 0x80)}, 1);
    g_byte_array_append(to, &(guint8){(guint8)value}, 1);
}

/* A field of bytes. */
static void
append_field(GByteArray *to, guint number, const void *data, gsize length)
{
    append_varint(to, number << 3 | 2);
    append_varint(to, length);
    g_byte_array_append(to, data, (guint)length);
}

/* A whole model with a message more behind it: of field `outer`, with one field `inner`. */
static void
write_model_and(const char *dir, guint outer, guint inner, const void *data, gsize length)
{
    gsize whole;
    g_autofree char *model = NULL;
    GByteArray *file = g_byte_array_new(), *message = g_byte_array_new();
    g_assert_true(g_file_get_contents(PIECES "/tokenizer.model", &model, &whole, NULL));
    g_byte_array_append(file, (const guint8 *)model, (guint)whole);
    append_field(message, inner, data, length);
    append_field(file, outer, message->data, message->len);
    testdir_write(dir, "tokenizer.model", file->data, file->len);
    g_byte_array_unref(message);
    g_byte_array_unref(file);
}

static void
long_pieces_are_refused(void)
{
    static const gsize lengths[] = {513, 4 << 20};
    GError *error = NULL;
    char *dir = testdir_new();
    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *piece = g_strnfill(lengths[i], 'q');
        write_model_and(dir, 1, 1, piece, lengths[i]);
        expect_refused(dir, SANA_FILE_ERROR_MALFORMED, "more than the 512");
    }
    g_autofree char *piece = g_strnfill(512, 'q');
    write_model_and(dir, 1, 1, piece, 512);
    SanaTokenizer *t = sana_tokenizer_open(dir, &error);
    g_assert_no_error(error);
    g_assert_cmpint(sana_tokenizer_size(t), ==, 1201);
    sana_tokenizer_free(t);
    testdir_free(dir);
}

/* Whether a model of the directory's makes the ids of PIECES, also where there are spaces. */
static void
expect_the_same_ids(const char *dir)
{
    static const char text[] = "  two  foxes\xef\xbc\xa1 in the snow ";
    GError *error = NULL;
    size_t counts[2];
    SanaTokenizer *whole = open_pieces(), *t = sana_tokenizer_open(dir, &error);
    g_assert_no_error(error);
    g_autofree int32_t *ids = sana_tokenizer_encode(t, text, &counts[0], &error);
    g_autofree int32_t *expected = sana_tokenizer_encode(whole, text, &counts[1], &error);
    g_assert_no_error(error);
    g_assert_cmpmem(ids, counts[0] * sizeof *ids, expected, counts[1] * sizeof *expected);
    sana_tokenizer_free(whole);
    sana_tokenizer_free(t);
}

/* The reference takes the pieces and no more; and a trie whose root points 4 GiB away, with text
 * behind it, is not to be followed. */
static void
rules_for_normalising_count_for_nothing(void)
{
    static const guint8 spaces[] = {032, 4, 030, 1, 040, 1}; /* a prefix, none superfluous */
    guint8 charsmap[4 + 1024 + 2] = {0, 4, 0, 0, 0, 0xfe, 0xff, 0xff};
    static const guint specs[] = {3, 5};
    gsize length;
    g_autofree char *model = NULL;
    char *dir = testdir_new();
    for (gsize i = 0; i < G_N_ELEMENTS(specs); i++) {
        write_model_and(dir, specs[i], 2, charsmap, sizeof charsmap);
        expect_the_same_ids(dir);
        write_model_and(dir, specs[i], 2, charsmap, 1);
        expect_the_same_ids(dir);
    }
    g_assert_true(g_file_get_contents(PIECES "/tokenizer.model", &model, &length, NULL));
    GString *longer = g_string_new_len(model, (gssize)length);
    g_string_append_len(longer, (const char *)spaces, sizeof spaces);
    testdir_write(dir, "tokenizer.model", longer->str, longer->len);
    expect_the_same_ids(dir);
    g_string_free(longer, TRUE);
    testdir_free(dir);
}

static void
tokenizers_of_other_kinds_are_refused(void)
{
    static const guint8 unigram[] = {022, 2, 030, 1};
    gsize length;
    g_autofree char *model = NULL;
    char *dir = testdir_new();
    g_assert_true(g_file_get_contents(PIECES "/tokenizer.model", &model, &length, NULL));
    GString *longer = g_string_new_len(model, (gssize)length);
    g_string_append_len(longer, (const char *)unigram, sizeof unigram);
    testdir_write(dir, "tokenizer.model", longer->str, longer->len);
    expect_refused(dir, SANA_FILE_ERROR_UNSUPPORTED, "BPE");
    g_string_truncate(longer, length);
    for (int i = 0; i < (1 << 20); i++)
        g_string_append_len(longer, "\012\000", 2);
    testdir_write(dir, "tokenizer.model", longer->str, longer->len);
    expect_refused(dir, SANA_FILE_ERROR_MALFORMED, "more than 1048576 pieces");

    testdir_write(dir, "tokenizer.model", model, length);
    testdir_write_text(dir, "tokenizer_config.json", "{\"add_bos_token\": false}");
    expect_refused(dir, SANA_FILE_ERROR_UNSUPPORTED, "add_bos_token");
    testdir_write_text(dir, "tokenizer_config.json", "{\"add_eos_token\": true}");
    expect_refused(dir, SANA_FILE_ERROR_UNSUPPORTED, "add_eos_token");
    testdir_write_text(dir, "tokenizer_config.json", "{");
    expect_refused(dir, SANA_FILE_ERROR_MALFORMED, "is not JSON");
    testdir_write_text(dir, "tokenizer_config.json", "{\"add_bos_token\": true}");
    expect_the_same_ids(dir);
    /* beside a tokenizer.json the reference asks that */
    testdir_write_text(dir, "tokenizer_config.json", "{\"add_bos_token\": false}");
    testdir_write_text(dir, "tokenizer.json", "{}");
    expect_the_same_ids(dir);
    g_string_free(longer, TRUE);
    testdir_free(dir);
}

/* Behind a whole model, bytes that are no field. */
static void
broken_fields_are_refused(void)
{
    static const struct {
        guint8 bytes[16];
        gsize length;
    } tails[] = {
        {{0x0a}, 1},                               /* no length */
        {{0x0a, 0x02, 0x0a}, 3},                   /* shorter than it says */
        {{0x0a, 0x02, 0x0a, 0x05}, 4},             /* a piece longer than its message */
        {{0x0a, 0x02, 0x12, 0x00}, 4},             /* a score of bytes */
        {{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}, 6}, /* 4 GiB */
        {{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 11},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 12},
        {{0x02, 0x00}, 2},             /* field 0 */
        {{0x0b, 0x0c}, 2},             /* a group */
        {{0x0e, 0x00}, 2},             /* no wire type */
        {{0x1a, 0x02, 0x12, 0x01}, 4}, /* a normaliser cut short */
        {{0x49, 0, 0, 0}, 4},          /* 8 bytes, of which three are there */
        {{0x4d, 0, 0, 0}, 4},          /* 4 bytes */
    };
    gsize whole;
    g_autofree char *model = NULL;
    char *dir = testdir_new();
    g_assert_true(g_file_get_contents(PIECES "/tokenizer.model", &model, &whole, NULL));
    model = g_realloc(model, whole + sizeof tails[0].bytes);
    for (gsize i = 0; i < G_N_ELEMENTS(tails); i++) {
        memcpy(model + whole, tails[i].bytes, tails[i].length);
        testdir_write(dir, "tokenizer.model", model, whole + tails[i].length);
        expect_refused(dir, SANA_FILE_ERROR_MALFORMED, "not a SentencePiece model");
    }
    testdir_free(dir);
}

static void
changed_models_give_no_id_beyond_their_size(void)
{
    gsize length;
    int opened = 0;
    g_autofree char *model = NULL;
    char *dir = testdir_new();
    g_assert_true(g_file_get_contents(PIECES "/tokenizer.model", &model, &length, NULL));
    for (int round = 0; round < 300; round++) {
        /* as often the normaliser and what else stands behind the pieces */
        gint at = g_test_rand_int_range(round % 2 ? (gint)length - 110 : 0, (gint)length);
        char *changed = g_memdup2(model, length);
        for (int k = g_test_rand_int_range(1, 4); k > 0; k--)
            changed[MAX(at - k + 1, 0)] = (char)g_test_rand_int_range(0, 256);
        testdir_write(dir, "tokenizer.model", changed, length);
        g_free(changed);
        SanaTokenizer *t = sana_tokenizer_open(dir, NULL);
        if (!t)
            continue;
        size_t count = 0;
        g_autofree int32_t *ids =
            sana_tokenizer_encode(t, "a cat\n12 \xf0\x9f\x90\xb1", &count, NULL);
        for (size_t i = 0; ids && i < count; i++)
            g_assert_true(ids[i] >= 0 && ids[i] < sana_tokenizer_size(t));
        opened++;
        sana_tokenizer_free(t);
    }
    g_assert_cmpint(opened, >, 0);
    testdir_free(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tokenizer/ids-equal-the-reference", ids_equal_the_reference);
    g_test_add_func("/tokenizer/control-pieces-cannot-be-injected",
                    control_pieces_cannot_be_injected);
    g_test_add_func("/tokenizer/text-that-is-not-utf8-is-refused",
                    text_that_is_not_utf8_is_refused);
    g_test_add_func("/tokenizer/a-million-characters-are-encoded",
                    a_million_characters_are_encoded);
    g_test_add_func("/tokenizer/files-that-are-no-tokenizer-are-refused",
                    files_that_are_no_tokenizer_are_refused);
    g_test_add_func("/tokenizer/truncated-models-are-refused", truncated_models_are_refused);
    g_test_add_func("/tokenizer/long-pieces-are-refused", long_pieces_are_refused);
    g_test_add_func("/tokenizer/rules-for-normalising-count-for-nothing",
                    rules_for_normalising_count_for_nothing);
    g_test_add_func("/tokenizer/tokenizers-of-other-kinds-are-refused",
                    tokenizers_of_other_kinds_are_refused);
    g_test_add_func("/tokenizer/broken-fields-are-refused", broken_fields_are_refused);
    g_test_add_func("/tokenizer/changed-models-give-no-id-beyond-their-size",
                    changed_models_give_no_id_beyond_their_size);
    return g_test_run();
}
