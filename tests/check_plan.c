/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the planner says that weights take, against what other devices then take; what streams
 * keep; what there is. */
#include "engine/bind.h"
#include "kernels/backend.h"
#include "kernels/ops.h"
#include "tests/testdir.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define STEM "model"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMITED FALSE /* addresses are all theirs */
#else
#define LIMITED TRUE
#endif

static SanaDevice *
open_device(const char *name)
{
    GError *error = NULL;
    SanaDevice *device = sana_device_open(name, &error);
    g_assert_no_error(error);
    return device;
}

static SanaSafetensors *
open_files(const char *dir)
{
    GError *error = NULL;
    SanaSafetensors *files = sana_safetensors_open(dir, STEM, &error);
    g_assert_no_error(error);
    return files;
}

/* --- packed forms ----------------------------------------------------------------------------- */

/* check_ops compares what stays for every case it has; here is what passes. */
static void
packing_takes_more_while_it_lasts(void)
{
    const size_t stored = (size_t)64 * 64 * 9 * sizeof(float);
    SanaConv k = {.in = 64, .out = 64, .kernel = 3, .stride = 1, .upsample = 1, .groups = 1};
    SanaDevice *cpu = open_device("cpu");
    SanaPool *plan = sana_pool_new_plan(cpu);
    g_assert_true(sana_pool_conv(plan, &k, SANA_F32, sana_tensor(NULL, SANA_F32, 1, 64, 576)));
    g_assert_null(k.packed);
    g_assert_cmpuint(sana_pool_bytes(plan), ==, stored * 4); /* 36 points for 9 taps */
    g_assert_cmpuint(sana_pool_peak(plan), ==, stored * 5);  /* and the taps as f32 */
    sana_pool_free(plan);
    sana_device_unref(cpu);
}

/* --- odd places ------------------------------------------------------------------------------- */

/* Bytes that a product takes in a pool, where the cpu would compute with it in the file. */
static size_t
bytes_of_product(SanaPool *pool, SanaSafetensors *files, const SanaDevice *cpu)
{
    static const char *const ignore[] = {"pad", NULL};
    SanaBinder *b = sana_binder_new(pool, SANA_F32, files);
    GError *error = NULL;
    SanaLinear l;
    sana_binder_leave_in_place(b, cpu);
    sana_bind_linear(b, &l, "a", 64, 64, false);
    g_assert_true(sana_binder_finish(b, "test", ignore, &error));
    g_assert_no_error(error);
    size_t bytes = sana_pool_bytes(pool);
    sana_pool_free(pool);
    return bytes;
}

static void
what_cannot_stay_in_the_file_is_counted(void)
{
    g_autofree float *values = g_new0(float, 64 * 64);
    char *dir = testdir_new();
    SanaDevice *cpu = open_device("cpu");
    for (size_t odd = 0; odd < 2; odd++) {
        TestWeights w;
        test_weights_init(&w);
        test_weights_add_raw(&w, "pad", "U8", odd ? "1" : "4", "pad", odd ? 1 : 4);
        test_weights_add(&w, "a.weight", "F32", "64,64", values, 64 * 64);
        test_weights_save(&w, dir, STEM ".safetensors");
        SanaSafetensors *files = open_files(dir);
        size_t taken = bytes_of_product(sana_pool_new(cpu), files, cpu);
        g_assert_cmpuint(taken, ==, odd * 64 * 64 * sizeof *values);
        g_assert_cmpuint(bytes_of_product(sana_pool_new_plan(cpu), files, cpu), ==, taken);
        sana_safetensors_free(files);
    }
    sana_device_unref(cpu);
    testdir_free(dir);
}

/* In a process of its own, which has less memory than the copy takes. */
static void
too_little_memory_for_a_copy_is_a_problem(void)
{
    static const char header[] = "{\"pad\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                 "\"a.weight\":{\"dtype\":\"F32\",\"shape\":[16384,16384],"
                                 "\"data_offsets\":[1,1073741825]}}";
    static const char *const ignore[] = {"pad", NULL};
    const rlim_t most = (rlim_t)1792 << 20;
    GError *error = NULL;
    SanaLinear l;
    if (!LIMITED) {
        g_test_skip("a sanitizer takes more addresses than a limit leaves");
        return;
    }
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        return;
    }
    char *dir = testdir_new();
    g_assert_true(testdir_write_sparse(dir, STEM ".safetensors", header, 1073741825));
    SanaSafetensors *files = open_files(dir);
    SanaDevice *device = open_device("reference");
    SanaPool *pool = sana_pool_new(device);
    SanaBinder *b = sana_binder_new(pool, SANA_F32, files);
    g_assert_cmpint(setrlimit(RLIMIT_AS, &(struct rlimit){most, most}), ==, 0);
    sana_bind_linear(b, &l, "a", 16384, 16384, false);
    g_assert_false(sana_binder_finish(b, "test", ignore, &error));
    g_assert_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_WEIGHTS);
    g_assert_nonnull(strstr(error->message, "a.weight lies at an odd place in its file"));
    g_assert_nonnull(strstr(error->message, "1024.0 MiB"));
    g_error_free(error);
    sana_pool_free(pool);
    sana_device_unref(device);
    sana_safetensors_free(files);
    testdir_free(dir);
}

/* --- shapes ----------------------------------------------------------------------------------- */

/* A product of each number of rows from first to last, as prompts of other lengths ask for. */
static void
multiply(SanaStream *s, const SanaLinear *l, int first, int last)
{
    g_autofree float *x = g_new0(float, (gsize)last * 16), *y = g_new0(float, (gsize)last * 16);
    GError *error = NULL;
    for (int rows = first; rows <= last; rows++)
        sana_linear(s, sana_tensor(y, SANA_F32, 1, rows, 16), sana_tensor(x, SANA_F32, 1, rows, 16),
                    l, SANA_ACT_NONE, SANA_NONE);
    g_assert_true(sana_stream_finish(s, &error));
    g_assert_no_error(error);
}

static void
shapes_of_the_past_take_no_memory(void)
{
    if (!LIMITED) {
        g_test_skip("a sanitizer has its own heap");
        return;
    }
    g_autofree float *weights = g_new0(float, 16 * 16);
    SanaTensor source = sana_tensor(weights, SANA_F32, 1, 16, 16);
    SanaLinear l = {.in = 16, .out = 16, .bias = SANA_NONE};
    SanaDevice *cpu = open_device("cpu");
    SanaPool *pool = sana_pool_new(cpu);
    g_assert_true(sana_pool_linear(pool, &l, SANA_F32, &source, 1));
    SanaStream *s = sana_stream_new(cpu, NULL);
    size_t none = mallinfo2().uordblks;
    multiply(s, &l, 1, 2200);
    size_t many = mallinfo2().uordblks;
    multiply(s, &l, 2201, 6600);
    size_t most = mallinfo2().uordblks;
    g_test_message("%.1f MiB after 2200 shapes, %.1f after 6600", (double)(many - none) / 1048576,
                   (double)(most - none) / 1048576);
    g_assert_cmpuint(many, >, none);
    g_assert_cmpuint(most - none, <, 2 * (many - none));
    sana_stream_free(s);
    sana_pool_free(pool);
    sana_device_unref(cpu);
}

/* Bytes of this process that are in memory. */
static size_t
resident_bytes(void)
{
    g_autofree char *text = NULL;
    gulong all, resident;
    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "%lu %lu", &all, &resident), ==, 2);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* Where the machine has huge pages these are no larger for it. */
static void
blocks_take_what_is_counted(void)
{
    enum { BLOCKS = 32 };
    const size_t bytes = ((size_t)2 << 20) + 4160;
    if (!LIMITED) {
        g_test_skip("a sanitizer has its own heap");
        return;
    }
    SanaDevice *cpu = open_device("cpu");
    SanaPool *pool = sana_pool_new(cpu);
    const size_t none = resident_bytes();
    for (int i = 0; i < BLOCKS; i++) {
        SanaTensor x = sana_pool_tensor(pool, SANA_U8, 1, 1, (int)bytes);
        g_assert_nonnull(x.data);
        memset(x.data, 1, bytes);
    }
    const size_t taken = resident_bytes() - none;
    g_test_message("%.1f MiB of %.1f are in memory", (double)taken / 1048576,
                   (double)sana_pool_bytes(pool) / 1048576);
    g_assert_cmpuint(sana_pool_bytes(pool), ==, BLOCKS * bytes);
    g_assert_cmpuint(taken, <, BLOCKS * bytes * 9 / 8);
    sana_pool_free(pool);
    sana_device_unref(cpu);
}

/* A directory of groups with one in it, and one in that; testdir_free() removes it. */
static char *
groups_new(char **outer, char **inner)
{
    char *root = testdir_new();
    *outer = testdir_path(root, "outer");
    *inner = testdir_path(*outer, "inner");
    testdir_mkdir(root, "outer");
    testdir_mkdir(*outer, "inner");
    return root;
}

/* A container's limit, and one above it, count as well as the machine's. */
static void
groups_limit_memory(void)
{
    g_autofree char *outer = NULL, *inner = NULL;
    char *root = groups_new(&outer, &inner);
    g_assert_cmpuint(sana_host_group_memory(inner, root), ==, SIZE_MAX);
    testdir_write_text(inner, "memory.max", "max\n");
    testdir_write_text(inner, "memory.current", "700\n");
    g_assert_cmpuint(sana_host_group_memory(inner, root), ==, SIZE_MAX);
    testdir_write_text(outer, "memory.max", "1000\n");
    testdir_write_text(outer, "memory.current", "800\n");
    g_assert_cmpuint(sana_host_group_memory(inner, root), ==, 200);
    testdir_write_text(outer, "memory.stat",
                       "anon 300\nfile 500\ninactive_file 450\nactive_file 40\n");
    g_assert_cmpuint(sana_host_group_memory(inner, root), ==, 690);
    testdir_write_text(inner, "memory.max", "600\n");
    g_assert_cmpuint(sana_host_group_memory(inner, root), ==, 0);
    g_assert_cmpuint(sana_host_group_memory(root, root), ==, SIZE_MAX);
    testdir_free(root);
}

/* What it has time for, and half of what it lets be made. */
static void
groups_limit_threads(void)
{
    g_autofree char *outer = NULL, *inner = NULL;
    char *root = groups_new(&outer, &inner);
    g_assert_cmpint(sana_host_group_threads(inner, root), ==, INT_MAX);
    testdir_write_text(inner, "cpu.max", "max 100000\n");
    testdir_write_text(inner, "pids.max", "max\n");
    testdir_write_text(inner, "pids.current", "7\n");
    g_assert_cmpint(sana_host_group_threads(inner, root), ==, INT_MAX);
    testdir_write_text(outer, "cpu.max", "650000 100000\n");
    g_assert_cmpint(sana_host_group_threads(inner, root), ==, 7);
    testdir_write_text(inner, "cpu.max", "100000 50000\n");
    g_assert_cmpint(sana_host_group_threads(inner, root), ==, 2);
    testdir_write_text(inner, "cpu.max", "1000 100000\n");
    g_assert_cmpint(sana_host_group_threads(inner, root), ==, 1);
    testdir_write_text(inner, "cpu.max", "max 100000\n");
    testdir_write_text(inner, "pids.max", "15\n");
    g_assert_cmpint(sana_host_group_threads(inner, root), ==, 5);
    testdir_write_text(inner, "pids.current", "15\n");
    g_assert_cmpint(sana_host_group_threads(inner, root), ==, 1);
    testdir_free(root);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/packing-takes-more-while-it-lasts", packing_takes_more_while_it_lasts);
    g_test_add_func("/plan/what-cannot-stay-in-the-file-is-counted",
                    what_cannot_stay_in_the_file_is_counted);
    g_test_add_func("/plan/too-little-memory-for-a-copy-is-a-problem",
                    too_little_memory_for_a_copy_is_a_problem);
    g_test_add_func("/plan/blocks-take-what-is-counted", blocks_take_what_is_counted);
    g_test_add_func("/plan/groups-limit-memory", groups_limit_memory);
    g_test_add_func("/plan/groups-limit-threads", groups_limit_threads);
    g_test_add_func("/plan/shapes-of-the-past-take-no-memory", shapes_of_the_past_take_no_memory);
    return g_test_run();
}
