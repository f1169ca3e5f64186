/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Binding stored tensors to fields: the values that arrive, and what is told of others. */
#define G_LOG_DOMAIN "sana"

#include "engine/bind.h"
#include "tests/testdir.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEM "model"

/* Made anew for each test. */
static char *dir;
static SanaDevice *device;
static SanaPool *pool;
static SanaSafetensors *files;
static TestWeights w;

static void
use_device(const char *name)
{
    GError *error = NULL;
    sana_pool_free(pool);
    sana_device_unref(device);
    device = sana_device_open(name, &error);
    g_assert_no_error(error);
    pool = sana_pool_new(device);
}

static void
open_files(void)
{
    GError *error = NULL;
    sana_safetensors_free(files);
    files = sana_safetensors_open(dir, STEM, &error);
    g_assert_no_error(error);
}

static SanaBinder *
begin(void)
{
    test_weights_save(&w, dir, STEM ".safetensors");
    test_weights_init(&w);
    open_files();
    return sana_binder_new(pool, SANA_F32, files);
}

static void
expect_bound(SanaBinder *b)
{
    GError *error = NULL;
    g_assert_true(sana_binder_finish(b, "test", NULL, &error));
    g_assert_no_error(error);
}

static GError *
expect_failed(SanaBinder *b)
{
    GError *error = NULL;
    g_assert_false(sana_binder_finish(b, "test", NULL, &error));
    g_assert_nonnull(error);
    g_assert_null(strchr(error->message, '\n'));
    return error;
}

static void
expect_part(const GError *error, const char *part)
{
    if (!strstr(error->message, part))
        g_error("expected \"%s\" in: %s", part, error->message);
}

static void
add(const char *name, const char *dtype, const char *shape, size_t count, float first)
{
    g_autofree float *values = g_new(float, count);
    for (size_t i = 0; i < count; i++)
        values[i] = first + (float)i;
    test_weights_add(&w, name, dtype, shape, values, count);
}

/* A host tensor of the reference device. */
static void
expect_values(SanaTensor x, int n, float first)
{
    g_assert_cmpint(x.c * x.w, ==, n);
    g_assert_cmpint(x.dtype, ==, SANA_F32);
    for (int i = 0; i < n; i++)
        g_assert_cmpfloat(((const float *)x.data)[i], ==, first + (float)i);
}

/* y = x·Wᵀ + b for one row, on the device. */
static void
multiply(const SanaLinear *l, const float *x, float *y)
{
    GError *error = NULL;
    SanaStream *s = sana_stream_new(device, &error);
    g_assert_no_error(error);
    g_assert_true(sana_stream_reserve(s, 1 << 16, &error));
    SanaTensor in = sana_scratch(s, SANA_F32, 1, 1, l->in);
    SanaTensor out = sana_scratch(s, SANA_F32, 1, 1, l->out);
    sana_upload(s, in, x);
    sana_linear(s, out, in, l, SANA_ACT_NONE, SANA_NONE);
    sana_download(s, y, out);
    g_assert_true(sana_stream_finish(s, &error));
    sana_stream_free(s);
}

/* --- values ---------------------------------------------------------------------------------- */

static void
every_storage_type_gives_the_same_values(void)
{
    static const char *const dtypes[] = {"F32", "BF16", "F16"};
    static const float x[] = {1, -2, 3};
    for (gsize i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        SanaLinear l;
        SanaNorm norm;
        SanaTensor table, mapped;
        float y[2];
        add("net.0.fc.weight", dtypes[i], "2,3", 6, 1);
        add("net.0.fc.bias", dtypes[i], "2", 2, 10);
        add("net.0.norm.weight", dtypes[i], "4", 4, 1);
        add("net.0.norm.bias", dtypes[i], "4", 4, -2);
        add("net.0.table", dtypes[i], "2,3", 6, -3);
        add("embed", dtypes[i], "3,2", 6, 0);
        SanaBinder *b = begin();
        sana_bind_enter(b, "net.%d", 0);
        g_assert_true(sana_bind_has(b, "fc.weight"));
        g_assert_false(sana_bind_has(b, "embed"));
        sana_bind_linear(b, &l, "fc", 2, 3, true);
        sana_bind_rms_norm(b, &norm, "norm", 4, 1e-5f, 1, true);
        sana_bind_table(b, &table, "table", 2, 3);
        sana_bind_leave(b);
        sana_bind_mapped(b, &mapped, "embed", 0, 2);
        expect_bound(b);
        multiply(&l, x, y);
        g_assert_cmpfloat(y[0], ==, 1 - 4 + 9 + 10);
        g_assert_cmpfloat(y[1], ==, 4 - 10 + 18 + 11);
        expect_values(norm.weight, 4, 2);
        expect_values(norm.bias, 4, -2);
        g_assert_cmpint(norm.kind, ==, SANA_NORM_RMS);
        g_assert_cmpfloat(norm.eps, ==, 1e-5f);
        expect_values(table, 6, -3);
        g_assert_cmpint(table.w, ==, 2);
        g_assert_cmpint(mapped.w, ==, 3);
        g_assert_true(mapped.data == sana_safetensors_find(files, "embed")->data);
        g_assert_cmpuint(sana_dtype_size(mapped.dtype), ==, i == 0 ? 4 : 2);
    }
}

static void
a_pair_of_norms_is_one_in_two_groups(void)
{
    SanaNorm norm;
    add("q.weight", "F32", "2", 2, 1);
    add("k.weight", "BF16", "2", 2, 3);
    SanaBinder *b = begin();
    sana_bind_rms_norm_pair(b, &norm, "q", "k", 2, 1e-5f);
    expect_bound(b);
    expect_values(norm.weight, 4, 1);
    g_assert_true(sana_is_none(norm.bias));
    g_assert_cmpint(norm.groups, ==, 2);
    g_assert_cmpfloat(norm.eps, ==, 1e-5f);
}

static void
odd_addresses_in_a_file_are_read(void)
{
    SanaLinear l;
    SanaTensor mapped;
    static const float x[] = {1, 1};
    float y[1];
    test_weights_add_raw(&w, "pad", "U8", "1", "x", 1);
    add("a.weight", "F32", "1,2", 2, 5);
    add("b", "BF16", "2,1", 2, 5);
    SanaBinder *b = begin();
    sana_bind_linear(b, &l, "a", 1, 2, false);
    g_test_expect_message("sana", G_LOG_LEVEL_WARNING, "*unused*: pad, b");
    expect_bound(b);
    g_test_assert_expected_messages();
    multiply(&l, x, y);
    g_assert_cmpfloat(y[0], ==, 11);
    /* What stays in the file must be read in place. */
    b = sana_binder_new(pool, SANA_F32, files);
    sana_bind_mapped(b, &mapped, "b", 2, 1);
    g_test_expect_message("sana", G_LOG_LEVEL_WARNING, "*unused*");
    GError *error = expect_failed(b);
    expect_part(error, "b lies at an odd place in its file");
    g_error_free(error);
}

static void
a_stack_equals_its_parts(void)
{
    static const char *const names[] = {"to_q", "to_k", "to_v", NULL};
    static const int outs[] = {3, 2, 1};
    static const float x[] = {2, -1, 1};
    SanaLinear stack, part;
    float y[6], z[3];
    add("to_q.weight", "F32", "3,3", 9, 1);
    add("to_k.weight", "BF16", "2,3", 6, 10);
    add("to_v.weight", "F16", "1,3,1,1", 3, 20);
    add("to_q.bias", "F16", "3", 3, 100);
    add("to_k.bias", "F32", "2", 2, 200);
    add("to_v.bias", "BF16", "1", 1, 300);
    SanaBinder *b = begin();
    sana_bind_stack(b, &stack, names, outs, 3, true);
    expect_bound(b);
    g_assert_cmpint(stack.out, ==, 6);
    multiply(&stack, x, y);
    g_assert_cmpfloat(y[5], ==, 2 * 20 - 21 + 22 + 300);
    for (int i = 0, at = 0; i < 3; at += outs[i++]) {
        static const char *const all[] = {"to_*", NULL};
        b = sana_binder_new(pool, SANA_F32, files);
        sana_bind_linear(b, &part, names[i], outs[i], 3, true);
        g_assert_true(sana_binder_finish(b, "test", all, NULL));
        multiply(&part, x, z);
        for (int o = 0; o < outs[i]; o++)
            g_assert_cmpfloat(y[at + o], ==, z[o]);
    }
}

static void
a_batch_norm_is_folded(void)
{
    static const float weight[] = {2, -1}, bias[] = {0.5f, 3}, mean[] = {1, -4}, var[] = {3, 0};
    SanaNorm norm;
    test_weights_add(&w, "bn.weight", "F32", "2", weight, 2);
    test_weights_add(&w, "bn.bias", "F32", "2", bias, 2);
    test_weights_add(&w, "bn.running_mean", "F32", "2", mean, 2);
    test_weights_add(&w, "bn.running_var", "F32", "2", var, 2);
    test_weights_add_raw(&w, "bn.num_batches_tracked", "I64", "", "12345678", 8);
    SanaBinder *b = begin();
    sana_bind_batch_norm(b, &norm, "bn", 2, 1);
    static const char *const ignore[] = {"*.num_batches_tracked", NULL};
    g_assert_true(sana_binder_finish(b, "test", ignore, NULL));
    g_assert_cmpint(norm.kind, ==, SANA_NORM_AFFINE);
    const float *scale = norm.weight.data, *shift = norm.bias.data;
    g_assert_cmpfloat(scale[0], ==, 1);
    g_assert_cmpfloat(scale[1], ==, -1);
    g_assert_cmpfloat(shift[0], ==, -0.5f);
    g_assert_cmpfloat(shift[1], ==, -1);
}

static void
convolutions_keep_their_shape(void)
{
    SanaConv dense = {.in = 4, .out = 2, .kernel = 3};
    SanaConv depthwise = {.in = 4, .out = 4, .kernel = 3, .stride = 2, .groups = 4};
    add("dense.weight", "F32", "2,4,3,3", 72, 0);
    add("dense.bias", "F32", "2", 2, 7);
    add("depthwise.weight", "BF16", "4,1,3,3", 36, 0);
    SanaBinder *b = begin();
    sana_bind_conv(b, &dense, "dense", true);
    sana_bind_conv(b, &depthwise, "depthwise", false);
    expect_bound(b);
    g_assert_cmpint(dense.stride, ==, 1);
    g_assert_cmpint(dense.upsample, ==, 1);
    g_assert_cmpint(dense.groups, ==, 1);
    g_assert_cmpint(depthwise.stride, ==, 2);
    g_assert_nonnull(dense.packed);
    g_assert_nonnull(depthwise.packed);
    expect_values(dense.bias, 2, 7);
    g_assert_true(sana_is_none(depthwise.bias));
}

/* --- problems -------------------------------------------------------------------------------- */

static void
all_problems_are_named_at_once(void)
{
    static const float bad[] = {1, NAN}, worse[] = {-INFINITY, 0};
    SanaLinear l;
    SanaNorm norm;
    SanaConv conv = {.in = 2, .out = 2, .kernel = 3};
    SanaTensor x;
    add("short.weight", "F32", "4,5", 20, 0);
    add("flat.weight", "F32", "36", 36, 0);
    test_weights_add_raw(&w, "long.weight", "I64", "2", "1234567812345678", 16);
    test_weights_add(&w, "nan.weight", "BF16", "2", bad, 2);
    test_weights_add(&w, "table", "F16", "1,2", worse, 2);
    test_weights_add(&w, "embed", "F32", "2,1", bad, 2);
    add("good", "F32", "2", 2, 0);
    add("extra.one", "F32", "2", 2, 0);
    add("extra.two", "F32", "2", 2, 0);
    add("lm_head.weight", "F32", "2", 2, 0);
    SanaBinder *b = begin();
    sana_bind_linear(b, &l, "gone", 2, 3, true);
    sana_bind_linear(b, &l, "short", 4, 6, false);
    sana_bind_conv(b, &conv, "flat", false);
    sana_bind_rms_norm(b, &norm, "long", 2, 0, 0, false);
    sana_bind_rms_norm(b, &norm, "nan", 2, 0, 0, false);
    sana_bind_table(b, &x, "table", 1, 2);
    sana_bind_mapped(b, &x, "embed", 2, 1);
    sana_bind_table(b, &x, "good", 1, 2);

    static const char *const ignore[] = {"lm_head.*", NULL};
    GError *error = NULL;
    g_test_expect_message("sana", G_LOG_LEVEL_WARNING,
                          "unused weights of the vae: extra.one, extra.two");
    g_assert_false(sana_binder_finish(b, "vae", ignore, &error));
    g_test_assert_expected_messages();
    g_assert_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_WEIGHTS);
    g_assert_null(strchr(error->message, '\n'));
    expect_part(error, "the vae (");
    expect_part(error, STEM ".safetensors");
    expect_part(error, "gone.weight is missing");
    expect_part(error, "gone.bias is missing");
    expect_part(error, "short.weight is stored (4,5), expected (4,6)");
    expect_part(error, "flat.weight is stored (36), expected (2,2,3,3)");
    expect_part(error, "long.weight is stored as I64, expected F32, BF16 or F16");
    expect_part(error, "nan.weight holds NaN or infinity");
    expect_part(error, "table holds NaN or infinity");
    expect_part(error, "embed holds NaN or infinity");
    g_assert_null(strstr(error->message, "good"));
    g_error_free(error);
}

static void
count_message(const char *domain, GLogLevelFlags level, const char *message, gpointer counted)
{
    ++*(int *)counted;
}

static void
long_lists_are_counted_and_logged(void)
{
    int logged = 0;
    SanaTensor x;
    add("layers.0.table", "F32", "1", 1, 0);
    SanaBinder *b = begin();
    for (int i = 0; i < 57; i++) {
        sana_bind_enter(b, "layers.%d", i);
        sana_bind_table(b, &x, "table", 1, 2);
        sana_bind_leave(b);
    }
    guint handler = g_log_set_handler("sana", G_LOG_LEVEL_INFO, count_message, &logged);
    GError *error = expect_failed(b);
    g_log_remove_handler("sana", handler);
    expect_part(error, "layers.0.table is stored (1), expected (1,2)");
    expect_part(error, "layers.19.table is missing; and 37 more");
    g_assert_null(strstr(error->message, "layers.20."));
    g_assert_cmpint(logged, ==, 57);
    g_error_free(error);
}

static void
on_progress(double fraction, void *user)
{
    double *last = user;
    g_assert_cmpfloat(fraction, >, *last);
    g_assert_cmpfloat(fraction, <=, 1);
    *last = fraction;
}

static void
progress_rises_to_the_end(void)
{
    SanaLinear l;
    double last = 0;
    add("a.weight", "F32", "8,8", 64, 0);
    add("b.weight", "BF16", "8,8", 64, 0);
    add("b.bias", "BF16", "8", 8, 0);
    SanaBinder *b = begin();
    sana_binder_watch(b, NULL, on_progress, &last);
    sana_bind_linear(b, &l, "a", 8, 8, false);
    g_assert_cmpfloat_with_epsilon(last, 256.0 / (256 + 128 + 16), 1e-9);
    sana_bind_linear(b, &l, "b", 8, 8, true);
    g_assert_cmpfloat(last, ==, 1);
    expect_bound(b);
}

static void
cancel_after_first(double fraction, void *user)
{
    g_cancellable_cancel(user);
}

static void
cancelling_stops_between_two_tensors(void)
{
    SanaTensor x = SANA_NONE, y = SANA_NONE;
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    add("a", "F32", "2", 2, 0);
    add("b", "F32", "2", 2, 0);
    SanaBinder *b = begin();
    sana_binder_watch(b, cancellable, cancel_after_first, cancellable);
    sana_bind_table(b, &x, "a", 1, 2);
    sana_bind_table(b, &y, "b", 1, 2);
    sana_bind_table(b, &y, "missing", 1, 2);
    g_assert_true(sana_is_none(y));
    GError *error = expect_failed(b);
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_error_free(error);
}

static void
lack_of_memory_stops_binding(void)
{
    SanaTensor x;
    add("a", "F32", "2", 2, 0);
    SanaBinder *b = begin();
    sana_pool_tensor(pool, SANA_F32, INT_MAX, INT_MAX, INT_MAX);
    sana_bind_table(b, &x, "a", 1, 2);
    sana_bind_table(b, &x, "missing", 1, 2);
    g_assert_true(sana_is_none(x));
    GError *error = expect_failed(b);
    g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MEMORY);
    g_error_free(error);
}

/* --- planner --------------------------------------------------------------------------------- */

static void
bind_all(SanaBinder *b)
{
    static const char *const names[] = {"a", "b", NULL};
    SanaLinear l, stack;
    SanaConv conv = {.in = 2, .out = 3, .kernel = 3};
    SanaNorm norm, affine;
    SanaTensor table, mapped;
    sana_bind_linear(b, &l, "a", 8, 8, true);
    sana_bind_stack(b, &stack, names, (const int[]){8, 8}, 8, true);
    sana_bind_conv(b, &conv, "conv", true);
    sana_bind_rms_norm(b, &norm, "norm", 8, 1e-5f, 1, true);
    sana_bind_batch_norm(b, &affine, "norm", 8, 1e-5f);
    sana_bind_table(b, &table, "a.weight", 8, 8);
    sana_bind_mapped(b, &mapped, "b.weight", 8, 8);
}

static void
the_planner_counts_what_others_take(void)
{
    add("a.weight", "F32", "8,8", 64, 0);
    add("a.bias", "F32", "8", 8, 0);
    add("b.weight", "BF16", "8,8", 64, 0);
    add("b.bias", "BF16", "8", 8, 0);
    add("conv.weight", "F16", "3,2,3,3", 54, 0);
    add("conv.bias", "F16", "3", 3, 0);
    add("norm.weight", "F32", "8", 8, 1);
    add("norm.bias", "F32", "8", 8, 1);
    add("norm.running_mean", "F32", "8", 8, 1);
    add("norm.running_var", "F32", "8", 8, 1);
    SanaBinder *b = begin();
    bind_all(b);
    expect_bound(b);
    size_t taken = sana_pool_bytes(pool);
    g_assert_cmpuint(taken, >, 0);

    use_device("planner");
    b = sana_binder_new(pool, SANA_F32, files);
    bind_all(b);
    expect_bound(b);
    g_assert_cmpuint(sana_pool_bytes(pool), ==, taken);
}

/* Whether any page of [data, data + bytes) is in the system's memory. */
static bool
any_page_cached(const void *data, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)data / page * page;
    size_t n = ((uintptr_t)data + bytes - first + page - 1) / page;
    g_autofree unsigned char *cached = g_malloc(n);
    g_assert_cmpint(mincore((void *)first, n * page, cached), ==, 0);
    for (size_t i = 0; i < n; i++)
        if (cached[i] & 1)
            return true;
    return false;
}

static void
the_planner_reads_no_weight(void)
{
    /* 1 GiB, sparse; the header at its front is what reading ahead may bring along. */
    static const char header[] =
        "{\"front\":{\"dtype\":\"U8\",\"shape\":[16777216],\"data_offsets\":[0,16777216]},"
        "\"big.weight\":{\"dtype\":\"F32\",\"shape\":[16384,16384],"
        "\"data_offsets\":[16777216,1090519040]}}";
    SanaLinear l;
    g_assert_true(testdir_write_sparse(dir, STEM ".safetensors", header, 1090519040));
    open_files();
    use_device("planner");
    SanaBinder *b = sana_binder_new(pool, SANA_BF16, files);
    sana_bind_linear(b, &l, "big", 16384, 16384, false);
    expect_bound(b);
    g_assert_cmpuint(sana_pool_bytes(pool), ==, (size_t)16384 * 16384 * 2);
    const SanaStoredTensor *t = sana_safetensors_find(files, "big.weight");
    g_assert_false(any_page_cached(t->data, t->bytes));
}

static void
the_planner_finds_problems_too(void)
{
    SanaLinear l;
    add("a.weight", "F32", "8,8", 64, 0);
    add("b.weight", "F32", "8,8", 64, 0);
    use_device("planner");
    SanaBinder *b = begin();
    sana_bind_linear(b, &l, "a", 8, 9, true);
    g_test_expect_message("sana", G_LOG_LEVEL_WARNING, "unused weights of the test: b.weight");
    GError *error = expect_failed(b);
    g_test_assert_expected_messages();
    expect_part(error, "a.weight is stored (8,8), expected (8,9)");
    expect_part(error, "a.bias is missing");
    g_error_free(error);
}

static void
run(gconstpointer test)
{
    dir = testdir_new();
    use_device("reference");
    test_weights_init(&w);
    ((GTestFunc)test)();
    g_bytes_unref(test_weights_finish(&w));
    g_clear_pointer(&pool, sana_pool_free);
    g_clear_pointer(&files, sana_safetensors_free);
    g_clear_pointer(&device, sana_device_unref);
    testdir_free(g_steal_pointer(&dir));
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestFunc test;
    } tests[] = {
        {"/bind/every-storage-type-gives-the-same-values",
         every_storage_type_gives_the_same_values},
        {"/bind/a-pair-of-norms-is-one-in-two-groups", a_pair_of_norms_is_one_in_two_groups},
        {"/bind/odd-addresses-in-a-file-are-read", odd_addresses_in_a_file_are_read},
        {"/bind/a-stack-equals-its-parts", a_stack_equals_its_parts},
        {"/bind/a-batch-norm-is-folded", a_batch_norm_is_folded},
        {"/bind/convolutions-keep-their-shape", convolutions_keep_their_shape},
        {"/bind/all-problems-are-named-at-once", all_problems_are_named_at_once},
        {"/bind/long-lists-are-counted-and-logged", long_lists_are_counted_and_logged},
        {"/bind/progress-rises-to-the-end", progress_rises_to_the_end},
        {"/bind/cancelling-stops-between-two-tensors", cancelling_stops_between_two_tensors},
        {"/bind/lack-of-memory-stops-binding", lack_of_memory_stops_binding},
        {"/bind/the-planner-counts-what-others-take", the_planner_counts_what_others_take},
        {"/bind/the-planner-reads-no-weight", the_planner_reads_no_weight},
        {"/bind/the-planner-finds-problems-too", the_planner_finds_problems_too},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_data_func(tests[i].name, (gconstpointer)tests[i].test, run);
    return g_test_run();
}
