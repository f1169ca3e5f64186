/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weight files, whole and broken: what opens, and what each broken one is told. */
#include "engine/safetensors.h"
#include "tests/testdir.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEM "model"

static char *dir; /* made anew for each test */

static void
expect_open(const char *why)
{
    GError *error = NULL;
    SanaSafetensors *st = sana_safetensors_open(dir, STEM, &error);
    if (!st)
        g_error("%s: %s", why, error->message);
    sana_safetensors_free(st);
}

/* Opening fails with one line that names the directory's file and holds `part`. */
static void
expect_refused(SanaFileError code, const char *part)
{
    GError *error = NULL;
    SanaSafetensors *st = sana_safetensors_open(dir, STEM, &error);
    if (st)
        g_error("opened what should be refused because of: %s", part);
    g_assert_error(error, SANA_FILE_ERROR, (gint)code);
    if (!strstr(error->message, part) || !strstr(error->message, dir) ||
        strchr(error->message, '\n'))
        g_error("expected \"%s\" in: %s", part, error->message);
    g_error_free(error);
}

static void
write_bytes(const char *name, GBytes *file)
{
    gsize length;
    const void *data = g_bytes_get_data(file, &length);
    testdir_write(dir, name, data, length);
    g_bytes_unref(file);
}

static void
write_header(const char *header)
{
    static const uint8_t data[64];
    write_bytes(STEM ".safetensors", testdir_safetensors(header, data, sizeof data));
}

/* A file of one value, to be recognised by. */
static void
write_marker(const char *name, const char *tensor, float value)
{
    TestWeights w;
    test_weights_init(&w);
    test_weights_add(&w, tensor, "F32", "1", &value, 1);
    test_weights_save(&w, dir, name);
}

static float
read_marker(const char *tensor)
{
    GError *error = NULL;
    SanaSafetensors *st = sana_safetensors_open(dir, STEM, &error);
    g_assert_no_error(error);
    const SanaStoredTensor *t = sana_safetensors_find(st, tensor);
    g_assert_nonnull(t);
    float value;
    memcpy(&value, t->data, sizeof value);
    sana_safetensors_free(st);
    return value;
}

static GBytes *
small_file(void)
{
    static const float values[] = {1, 2, 3, 4, 5, 6};
    TestWeights w;
    test_weights_init(&w);
    test_weights_add(&w, "a.weight", "F32", "2,3", values, 6);
    test_weights_add(&w, "b", "BF16", "5", values, 5);
    test_weights_add_raw(&w, "steps", "I64", "", "12345678", 8);
    return test_weights_finish(&w);
}

/* --- one file -------------------------------------------------------------------------------- */

static void
whole_file_is_read(void)
{
    GError *error = NULL;
    write_bytes(STEM ".safetensors", small_file());
    SanaSafetensors *st = sana_safetensors_open(dir, STEM, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(sana_safetensors_count(st), ==, 3);
    const SanaStoredTensor *a = sana_safetensors_find(st, "a.weight");
    g_assert_cmpstr(a->dtype, ==, "F32");
    g_assert_cmpint(a->n_dims, ==, 2);
    g_assert_cmpint(a->dims[1], ==, 3);
    g_assert_cmpuint(a->bytes, ==, 24);
    g_assert_cmpfloat(((const float *)a->data)[5], ==, 6);
    g_assert_true(g_str_has_suffix(a->file, STEM ".safetensors"));
    const SanaStoredTensor *steps = sana_safetensors_find(st, "steps");
    g_assert_cmpint(steps->n_dims, ==, 0);
    g_assert_cmpint(memcmp(steps->data, "12345678", 8), ==, 0);
    g_assert_null(sana_safetensors_find(st, "a"));
    sana_safetensors_free(st);
}

static void
truncation_at_every_byte_is_refused(void)
{
    GBytes *file = small_file();
    gsize length;
    const char *data = g_bytes_get_data(file, &length);
    for (gsize n = 0; n < length; n++) {
        testdir_write(dir, STEM ".safetensors", data, n);
        expect_refused(SANA_FILE_ERROR_MALFORMED, "truncated");
    }
    testdir_write(dir, STEM ".safetensors", data, length);
    expect_open("the whole file");
    g_bytes_unref(file);
}

#define AT(shape, dtype, offsets) \
    "{\"x\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}}"
#define TWO(name1, offsets1, name2, offsets2)                                           \
    "{\"" name1 "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" offsets1 "]}," \
    "\"" name2 "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" offsets2 "]}}"

/* The data is 64 bytes. */
static const struct {
    const char *header, *part;
} broken[] = {
    {"", "header is not JSON"},
    {"[]", "not a JSON object"},
    {"{\"x\":3}", "not described by an object"},
    {"{\"x\":{}}", "lacks"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}}", "lacks"},
    {"{\"x\":{\"dtype\":5,\"shape\":[2],\"data_offsets\":[0,8]}}", "dtype"},
    {"{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
     "repeated key"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":1}}", "strange"},
    {"{/*\"*/\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "not JSON"},
    {"{'x':{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "not JSON"},
    {AT("2", "F32", "0,8") ",", "not JSON"},
    {"{\"x\\u0000\":{}}", "not text"},
    {"{\"x\\ud800\":{}}", "not JSON"},
    {"{\"x\\ny\":{}}", "not text"},
    {"{\"\":{}}", "empty"},
    {"{\"\xff\":{}}", "UTF-8"},
    {"{\"__metadata__\":[[[[[[[[1]]]]]]]]}", "deeper"},
    {AT("2", "F32", "60,68"), "ends at byte 68 of the 64"},
    {AT("2", "F32", "8,0"), "rising"},
    {AT("2", "F32", "-8,0"), "rising"},
    {AT("2", "F32", "0,8.0"), "rising"},
    {AT("2", "F32", "0,8e0"), "rising"},
    {AT("2", "F32", "0"), "rising"},
    {AT("2", "F32", "0,8,8"), "rising"},
    {AT("2", "F32", "\"0\",\"8\""), "rising"},
    {AT("2", "F32", "0,9223372036854775807"), "rising"},
    {AT("2", "F32", "18446744073709551608,18446744073709551616"), "rising"},
    {AT("2", "F32", "0,9007199254740993"), "rising"},
    {AT("2", "F32", "0,9007199254740992"), "ends at byte 9007199254740992"},
    {AT("3", "F32", "0,8"), "contradict"},
    {AT("2", "F16", "0,8"), "contradict"},
    {AT("0", "F32", "0,8"), "contradict"},
    {AT("", "F32", "0,8"), "contradict"},
    {AT("2147483647,2147483647,4", "F32", "0,0"), "contradict"},
    {AT("65536,65536,65536,65536", "F32", "0,0"), "contradict"},
    {AT("1073741824,1073741824,4,4", "F32", "0,0"), "contradict"},
    {AT("65536,65536,65536,65536", "X99", "0,0"), "contradict"},
    {AT("-2", "F32", "0,8"), "shape"},
    {AT("2.0", "F32", "0,8"), "shape"},
    {AT("2147483648", "U8", "0,8"), "shape"},
    {AT("1,1,1,1,1,1,1,1,2", "F32", "0,8"), "shape"},
    {AT("[2]", "F32", "0,8"), "shape"},
    {TWO("x", "0,8", "y", "4,12"), "tensors x and y overlap"},
    {TWO("x", "8,16", "y", "8,16"), "overlap"},
    {TWO("x", "0,8", "x", "8,16"), "already"},
    {TWO("x", "0,8", "\\u0078", "8,16"), "already"},
};

static void
broken_headers_are_refused(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(broken); i++) {
        write_header(broken[i].header);
        expect_refused(SANA_FILE_ERROR_MALFORMED, broken[i].part);
    }
}

static void
unusual_headers_are_accepted(void)
{
    static const char *const headers[] = {
        "{}",
        "  {} \n",
        "{\"__metadata__\":{\"format\":\"pt\"}}",
        AT("0", "F32", "0,0"),
        AT("0,2147483647,2147483647", "F32", "64,64"),
        AT("", "F32", "60,64"),
        AT("2", "F32", "1,9"),
        AT("7", "X99", "0,9"),
        AT("16", "F8_E4M3", "0,16"),
        "{\"\\u00e9\\ud83d\\ude00\":{\"shape\":[2],\"data_offsets\":[0,8],\"dtype\":\"F32\"}}",
        TWO("x", "0,8", "y", "32,40"), /* a hole, as padding leaves */
    };
    for (gsize i = 0; i < G_N_ELEMENTS(headers); i++) {
        write_header(headers[i]);
        expect_open(headers[i]);
    }
}

static void
header_of_gigabytes_is_refused(void)
{
    static const uint64_t lengths[] = {UINT64_C(1) << 31, UINT64_C(1) << 63, UINT64_MAX, 200 << 20};
    g_autofree char *path = testdir_path(dir, STEM ".safetensors");
    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        uint64_t le = GUINT64_TO_LE(lengths[i]);
        int fd = g_open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        g_assert_cmpint(write(fd, &le, 8), ==, 8);
        /* Sparse: the first length really is there. */
        g_assert_cmpint(ftruncate(fd, (off_t)3 << 30), ==, 0);
        close(fd);
        expect_refused(SANA_FILE_ERROR_MALFORMED, "its header would have");
    }
}

/* As long as the format's own library reads, and a byte longer. */
static void
the_longest_header_is_the_formats_own(void)
{
    static const uint64_t lengths[] = {100000000, 100000001};
    static const char *const parts[] = {"its header is not UTF-8", "its header would have"};
    g_autofree char *path = testdir_path(dir, STEM ".safetensors");
    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        uint64_t le = GUINT64_TO_LE(lengths[i]);
        testdir_write(dir, STEM ".safetensors", &le, 8);
        g_assert_cmpint(truncate(path, (off_t)lengths[i] + 64), ==, 0);
        expect_refused(SANA_FILE_ERROR_MALFORMED, parts[i]);
    }
}

/* In all files of a network together: names may be made to collide in a table. */
static void
too_many_tensors_are_refused(void)
{
    for (int n = 4096; n <= 4097; n++) {
        GString *header = g_string_new("{");
        for (int i = 0; i < n; i++)
            g_string_append_printf(
                header, "%s\"%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
                i ? "," : "", i);
        g_string_append_c(header, '}');
        write_header(header->str);
        g_string_free(header, TRUE);
        if (n == 4096)
            expect_open("as many tensors as there may be");
        else
            expect_refused(SANA_FILE_ERROR_MALFORMED, "hold more than 4096 tensors");
    }
}

/* Whatever the header becomes, no accepted tensor leaves the file. */
static void
changed_bytes_never_escape_the_file(void)
{
    gsize length;
    int opened = 0;
    GBytes *file = small_file();
    g_autofree uint8_t *data = g_memdup2(g_bytes_get_data(file, &length), g_bytes_get_size(file));
    length = g_bytes_get_size(file);
    g_bytes_unref(file);
    for (int round = 0; round < 3000; round++) {
        g_autofree uint8_t *changed = g_memdup2(data, length);
        for (int k = g_test_rand_int_range(1, 4); k > 0; k--) {
            static const char likely[] = "0123456789{}[],:\"-.e\\ ";
            gint at = g_test_rand_int_range(0, (gint)length - 40);
            changed[at] = (uint8_t)(at < 8 ? g_test_rand_int_range(0, 256)
                                           : likely[g_test_rand_int_range(0, sizeof likely - 1)]);
        }
        testdir_write(dir, STEM ".safetensors", changed, length);
        SanaSafetensors *st = sana_safetensors_open(dir, STEM, NULL);
        volatile uint8_t sum = 0;
        for (gsize i = 0; st && i < sana_safetensors_count(st); i++) {
            const SanaStoredTensor *t = sana_safetensors_at(st, i);
            g_assert_cmpuint(t->bytes, <=, length);
            for (gsize k = 0; k < t->bytes; k++)
                sum = (uint8_t)(sum + ((const uint8_t *)t->data)[k]);
        }
        opened += st != NULL;
        sana_safetensors_free(st);
    }
    g_assert_cmpint(opened, >, 0);
    g_assert_cmpint(opened, <, 3000);
}

/* --- names and shards ------------------------------------------------------------------------ */

static void
write_index(const char *name, const char *map)
{
    g_autofree char *text =
        g_strdup_printf("{\"metadata\":{\"total_size\":8},\"weight_map\":{%s}}", map);
    testdir_write_text(dir, name, text);
}

static void
variants_are_found_in_order(void)
{
    g_autofree char *path = NULL;
    write_marker(STEM ".fp16.safetensors", "x", 16);
    g_assert_cmpfloat(read_marker("x"), ==, 16);
    write_marker(STEM ".bf16.safetensors", "x", 32);
    g_assert_cmpfloat(read_marker("x"), ==, 32);
    write_marker(STEM "-00001-of-00001.safetensors", "x", 64);
    write_index(STEM ".safetensors.index.json", "\"x\":\"" STEM "-00001-of-00001.safetensors\"");
    g_assert_cmpfloat(read_marker("x"), ==, 64);
    write_marker(STEM ".safetensors", "x", 128);
    g_assert_cmpfloat(read_marker("x"), ==, 128);
    /* A name that is there but leads nowhere is not passed over. */
    path = testdir_path(dir, STEM ".safetensors");
    g_remove(path);
    g_assert_cmpint(symlink("nowhere", path), ==, 0);
    expect_refused(SANA_FILE_ERROR_MISSING, "cannot be opened");
}

/* diffusers asks for an index first, transformers for a single file. */
static void
of_diffusers_files_an_index_wins(void)
{
    static const char *const stems[] = {"diffusion_pytorch_model", "model"};
    static const float expected[] = {64, 128};
    for (gsize i = 0; i < G_N_ELEMENTS(stems); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *single = g_strconcat(stems[i], ".safetensors", NULL);
        g_autofree char *index = g_strconcat(stems[i], ".safetensors.index.json", NULL);
        write_marker(single, "x", 128);
        write_marker("shard.safetensors", "x", 64);
        write_index(index, "\"x\":\"shard.safetensors\"");
        SanaSafetensors *st = sana_safetensors_open(dir, stems[i], &error);
        g_assert_no_error(error);
        g_assert_cmpmem(sana_safetensors_find(st, "x")->data, 4, &expected[i], 4);
        sana_safetensors_free(st);
    }
}

static void
shards_are_joined_under_every_index_name(void)
{
    static const char *const names[][3] = {
        {STEM ".safetensors.index.json", STEM "-00001-of-00002.safetensors",
         STEM "-00002-of-00002.safetensors"},
        {STEM ".safetensors.index.bf16.json", STEM ".bf16-00001-of-00002.safetensors",
         STEM ".bf16-00002-of-00002.safetensors"},
        {STEM ".safetensors.index.fp16.json", STEM "-00001-of-00002.fp16.safetensors",
         STEM "-00002-of-00002.fp16.safetensors"},
        {STEM ".safetensors.fp16.index.json", "a.safetensors", "b.safetensors"},
        {STEM ".bf16.safetensors.index.json", "a.safetensors", "b.safetensors"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        testdir_free(dir);
        dir = testdir_new();
        g_autofree char *map =
            g_strdup_printf("\"x\":\"%s\",\"y\":\"%s\"", names[i][1], names[i][2]);
        write_index(names[i][0], map);
        write_marker(names[i][1], "x", 1);
        write_marker(names[i][2], "y", 2);
        g_assert_cmpfloat(read_marker("x"), ==, 1);
        g_assert_cmpfloat(read_marker("y"), ==, 2);
    }
}

static void
bad_indices_are_refused(void)
{
    static const struct {
        const char *map, *part;
        SanaFileError code;
    } cases[] = {
        {"\"x\":\"a.safetensors\",\"y\":\"gone.safetensors\"", "gone.safetensors",
         SANA_FILE_ERROR_MISSING},
        {"\"x\":\"../a.safetensors\"", "plain", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":\"/etc/a.safetensors\"", "plain", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":\"sub/a.safetensors\"", "plain", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":\"a.safetensors\\u0000\"", "plain", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":\"..\"", "plain", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":\"\"", "plain", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":7", "plain", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":[\"a.safetensors\"]", "plain", SANA_FILE_ERROR_MALFORMED},
        {"\"y\":\"a.safetensors\",\"x\":\"b.safetensors\"", "but it is not",
         SANA_FILE_ERROR_MALFORMED},
        {"\"z\":\"a.safetensors\"", "but it is not", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":\"a.safetensors\",\"x\":\"a.safetensors\"", "twice", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":\"a.safetensors\",\"y\":\"twin.safetensors\"", "already",
         SANA_FILE_ERROR_MALFORMED},
        {"", "no weight_map", SANA_FILE_ERROR_MALFORMED},
        {"\"x\":\"a.safetensors\",", "not JSON", SANA_FILE_ERROR_MALFORMED},
    };
    write_marker("a.safetensors", "x", 1);
    write_marker("b.safetensors", "y", 1);
    write_marker("twin.safetensors", "x", 1);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        write_index(STEM ".safetensors.index.json", cases[i].map);
        expect_refused(cases[i].code, cases[i].part);
    }
    testdir_write_text(dir, STEM ".safetensors.index.json", "[]");
    expect_refused(SANA_FILE_ERROR_MALFORMED, "not a JSON object");
    write_index(STEM ".safetensors.index.json", "\"x\":\"a.safetensors\"");
    expect_open("a good index");
}

static void
places_without_weights_are_named(void)
{
    GError *error = NULL;
    expect_refused(SANA_FILE_ERROR_MISSING, "holds no " STEM ".safetensors");
    testdir_mkdir(dir, STEM ".safetensors");
    expect_refused(SANA_FILE_ERROR_MALFORMED, "not a regular file");
    g_autofree char *path = testdir_path(dir, STEM ".safetensors");
    g_rmdir(path);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    expect_refused(SANA_FILE_ERROR_MALFORMED, "not a regular file");
    g_autofree char *nowhere = testdir_path(dir, "nowhere");
    g_assert_null(sana_safetensors_open(nowhere, STEM, &error));
    g_assert_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MISSING);
    g_assert_nonnull(strstr(error->message, "not a directory"));
    g_error_free(error);
}

static void
links_are_followed(void)
{
    testdir_mkdir(dir, "blobs");
    write_marker("blobs/0123", "x", 7);
    g_autofree char *path = testdir_path(dir, STEM ".safetensors");
    g_assert_cmpint(symlink("blobs/0123", path), ==, 0);
    g_assert_cmpfloat(read_marker("x"), ==, 7);
}

/* --- memory ---------------------------------------------------------------------------------- */

/* Pages of [data, data + bytes) in this process; −1 where the system does not tell. */
static long
resident_pages(const void *data, size_t bytes)
{
    long page = sysconf(_SC_PAGESIZE), found = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY);
    if (fd < 0)
        return -1;
    size_t first = (size_t)data / (size_t)page, last = ((size_t)data + bytes) / (size_t)page;
    for (size_t i = first; i < last; i++) {
        uint64_t entry;
        if (pread(fd, &entry, 8, (off_t)(i * 8)) != 8) {
            close(fd);
            return -1;
        }
        found += (long)(entry >> 63);
    }
    close(fd);
    return found;
}

static void
released_tensors_leave_memory_and_come_back(void)
{
    TestWeights w;
    GError *error = NULL;
    size_t n = 4 << 20;
    g_autofree uint8_t *values = g_malloc(n);
    memset(values, 5, n);
    test_weights_init(&w);
    test_weights_add_raw(&w, "a", "U8", "4194304", values, n);
    test_weights_add_raw(&w, "b", "U8", "4194304", values, n);
    test_weights_save(&w, dir, STEM ".safetensors");
    SanaSafetensors *st = sana_safetensors_open(dir, STEM, &error);
    g_assert_no_error(error);
    const SanaStoredTensor *a = sana_safetensors_find(st, "a");
    const SanaStoredTensor *b = sana_safetensors_find(st, "b");
    g_assert_cmpint(memcmp(a->data, values, n), ==, 0);
    g_assert_cmpint(memcmp(b->data, values, n), ==, 0);
    long before = resident_pages(b->data, n);
    if (before <= 0) {
        g_test_skip("this system does not tell which pages are resident");
    } else {
        sana_safetensors_release(st, a);
        g_assert_cmpint(resident_pages(a->data, n), <=, 2);
        g_assert_cmpint(resident_pages(b->data, n), >=, before - 1);
        sana_safetensors_release(st, NULL);
        g_assert_cmpint(resident_pages(b->data, n), ==, 0);
    }
    g_assert_cmpint(memcmp(a->data, values, n), ==, 0);
    sana_safetensors_free(st);
}

/* --- files that are changed ------------------------------------------------------------------- */

static void
expect_changed(SanaSafetensors *st)
{
    GError *error = NULL;
    g_assert_false(sana_safetensors_unchanged(st, &error));
    g_assert_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED);
    g_assert_nonnull(strstr(error->message, "b.safetensors was written to"));
    g_assert_null(strchr(error->message, '\n'));
    g_error_free(error);
}

static void
files_written_to_while_open_are_noticed(void)
{
    g_autofree char *path = testdir_path(dir, "b.safetensors");
    struct stat was;
    write_index(STEM ".safetensors.index.json", "\"x\":\"a.safetensors\",\"y\":\"b.safetensors\"");
    write_marker("a.safetensors", "x", 1);
    for (int how = 0; how < 5; how++) {
        write_marker("b.safetensors", "y", 2);
        g_assert_cmpint(stat(path, &was), ==, 0);
        SanaSafetensors *st = sana_safetensors_open(dir, STEM, NULL);
        g_assert_true(sana_safetensors_unchanged(st, NULL));
        if (how == 0)
            g_assert_cmpint(truncate(path, was.st_size - 1), ==, 0);
        else if (how == 1)
            g_assert_cmpint(truncate(path, was.st_size + 1), ==, 0);
        else if (how == 2)
            g_assert_cmpint(truncate(path, 0), ==, 0);
        else if (how == 3) /* as long as before */
            g_assert_cmpint(utimensat(AT_FDCWD, path, (struct timespec[2]){{1, 0}, {1, 0}}, 0), ==,
                            0);
        else /* another file in its place */
            g_assert_cmpint(g_remove(path), ==, 0);
        if (how < 4)
            expect_changed(st);
        else
            g_assert_true(sana_safetensors_unchanged(st, NULL));
        sana_safetensors_free(st);
    }
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
        {"/weights/whole-file-is-read", whole_file_is_read},
        {"/weights/truncation-at-every-byte-is-refused", truncation_at_every_byte_is_refused},
        {"/weights/broken-headers-are-refused", broken_headers_are_refused},
        {"/weights/unusual-headers-are-accepted", unusual_headers_are_accepted},
        {"/weights/header-of-gigabytes-is-refused", header_of_gigabytes_is_refused},
        {"/weights/the-longest-header-is-the-formats-own", the_longest_header_is_the_formats_own},
        {"/weights/too-many-tensors-are-refused", too_many_tensors_are_refused},
        {"/weights/changed-bytes-never-escape-the-file", changed_bytes_never_escape_the_file},
        {"/weights/variants-are-found-in-order", variants_are_found_in_order},
        {"/weights/of-diffusers-files-an-index-wins", of_diffusers_files_an_index_wins},
        {"/weights/shards-are-joined-under-every-index-name",
         shards_are_joined_under_every_index_name},
        {"/weights/bad-indices-are-refused", bad_indices_are_refused},
        {"/weights/places-without-weights-are-named", places_without_weights_are_named},
        {"/weights/links-are-followed", links_are_followed},
        {"/weights/released-tensors-leave-memory-and-come-back",
         released_tensors_leave_memory_and_come_back},
        {"/weights/files-written-to-while-open-are-noticed",
         files_written_to_while_open_are_noticed},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_data_func(tests[i].name, (gconstpointer)tests[i].test, run);
    return g_test_run();
}
