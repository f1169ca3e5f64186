/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every operation, in every form and odd shape, on every device and in every dtype it has, against
 * the reference; the cpu device also with the loops of lesser processors, as "cpu-plain" and so on;
 * the cuda device also on the processor, as "cuda-host"; the reference against figures worked out
 * by hand; and what is refused.
 *
 *   check_ops                                    all of it (GLib's options: -l, -p PATH, --seed)
 *   check_ops --bench [OP] [--device NAME]       the same operations, timed at SANA's 512² sizes
 */
#include "ops_case.h"

#include <math.h>
#include <string.h>

#include "cuda_host/cuda_host.h"
#include "kernels/cpu/loops.h"

/* The reference is one of them: what it stores as BF16 and F16 is compared with its F32. */
static const char *const devices[] = {"reference", "cpu", "cuda"};
/* S8 and E4M3 are types of weights: of products, whose rows are of the device's best type. */
static const SanaDType dtypes[] = {SANA_F32, SANA_BF16, SANA_F16, SANA_S8, SANA_E4M3};
static const CaseSet *const sets[] = {ops_product_sets, ops_attention_sets, ops_other_sets,
                                      ops_picture_sets};

static bool
has_set(SanaDType dtype, size_t set)
{
    return !sana_dtype_is_of_weights(dtype) || sets[set] == ops_product_sets;
}

static void
compute_in(Runner *r, SanaDType dtype)
{
    r->weights = dtype;
    r->dtype = sana_dtype_is_of_weights(dtype) ? sana_device_best_dtype(r->device) : dtype;
}

typedef struct {
    const CaseSet *set;
    const char *device;
    SanaDType dtype;
} Entry;

/* Of a device that may not be there. */
static SanaStream *
stream_or_skip(const char *name)
{
    GError *error = NULL;
    SanaDevice *dev = ops_device_or_skip(name, SANA_F32);
    if (!dev)
        return NULL;
    SanaStream *s = sana_stream_new(dev, &error);
    g_assert_no_error(error);
    sana_device_unref(dev);
    return s;
}

static void
test_against_reference(gconstpointer data)
{
    const Entry *entry = data;
    Runner r = {.run = ops_compare, .brief = g_str_has_prefix(entry->device, "cpu-")};

    r.device = ops_device_or_skip(entry->device, entry->dtype);
    if (!r.device)
        return;
    compute_in(&r, entry->dtype);
    r.reference = sana_device_open("reference", NULL);
    r.random = (guint32)g_test_rand_int();
    entry->set->check(&r);
    sana_device_unref(r.reference);
    sana_device_unref(r.device);
}

static void
register_sets(const CaseSet *set, const char *device, SanaDType dtype)
{
    for (; set->op; set++) {
        Entry *entry = g_new(Entry, 1);
        *entry = (Entry){set, device, dtype};
        char *path = g_strdup_printf("/ops/%s/%s/%s", device, sana_dtype_name(dtype), set->op);
        g_test_add_data_func_full(path, entry, test_against_reference, g_free);
        g_free(path);
    }
}

static void
register_device(const char *device)
{
    for (size_t t = 0; t < G_N_ELEMENTS(dtypes); t++)
        for (size_t i = 0; i < G_N_ELEMENTS(sets); i++)
            if (has_set(dtypes[t], i))
                register_sets(sets[i], device, dtypes[t]);
}

/* Rows go in, to memory of the device with another pitch, back, and out; what lies between rows
 * stays. */
static void
test_rows(gconstpointer name)
{
    enum { ROWS = 7, BYTES = 13, PITCH = 17, WIDE = 64 };
    GError *error = NULL;
    SanaStream *s = stream_or_skip(name);
    if (!s)
        return;
    SanaDevice *dev = sana_stream_device(s);
    SanaPool *pool = sana_pool_new(dev);
    SanaTensor there = sana_pool_tensor(pool, SANA_U8, ROWS, BYTES, 1);
    SanaTensor back = sana_pool_tensor(pool, SANA_U8, ROWS, BYTES, 1);
    SanaTensor wide = sana_pool_tensor(pool, SANA_U8, ROWS, WIDE, 1);
    guint8 in[ROWS * PITCH], out[ROWS * PITCH], all[ROWS * WIDE];
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (guint8)g_test_rand_int();
    memset(out, 99, sizeof out);
    memset(all, 77, sizeof all);
    sana_upload(s, wide, all);
    sana_upload_rows(s, there, in, PITCH);
    sana_write_rows(s, wide.data, WIDE, there);
    sana_read_rows(s, back, wide.data, WIDE);
    sana_download_rows(s, out, PITCH, back);
    sana_download(s, all, wide);
    g_assert_true(sana_stream_finish(s, &error));
    g_assert_no_error(error);
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < WIDE; x++) {
            g_assert_cmpint(all[y * WIDE + x], ==, x < BYTES ? in[y * PITCH + x] : 77);
            if (x < PITCH)
                g_assert_cmpint(out[y * PITCH + x], ==, x < BYTES ? in[y * PITCH + x] : 99);
        }
    sana_pool_free(pool);
    sana_stream_free(s);
}

/* A type that the device does not compute in is refused: it would be taken for another. */
static void
test_types(gconstpointer name)
{
    GError *error = NULL;
    SanaStream *s = stream_or_skip(name);
    if (!s)
        return;
    SanaDevice *dev = sana_stream_device(s);
    SanaPool *pool = sana_pool_new(dev);
    SanaTensor time = sana_pool_tensor(pool, SANA_F32, 1, 1, 1);
    sana_upload(s, time, &(float){0.5f});
    for (size_t t = 0; t < G_N_ELEMENTS(dtypes); t++) {
        SanaTensor y = sana_pool_tensor(pool, dtypes[t], 1, 1, 64);
        const bool supported =
            sana_device_supports(dev, dtypes[t]) && !sana_dtype_is_of_weights(dtypes[t]);
        sana_timestep_embedding(s, y, time);
        g_assert_cmpint(sana_stream_finish(s, supported ? NULL : &error), ==, supported);
        if (!supported)
            g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED);
        g_clear_error(&error);
    }
    sana_pool_free(pool);
    sana_stream_free(s);
}

static bool
processor_has(SanaDType dtype)
{
#ifdef __x86_64__
    const bool vnni = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
    if (dtype == SANA_S8 || dtype == SANA_BF16)
        return vnni && (dtype == SANA_S8 || __builtin_cpu_supports("avx512bf16"));
#endif
    return dtype == SANA_F32;
}

/* The comparisons skip a type that a device says it has not. */
static void
test_types_of_the_processor(void)
{
    if (g_getenv("ONEDNN_MAX_CPU_ISA") || g_getenv("DNNL_MAX_CPU_ISA")) {
        g_test_skip("the environment limits what oneDNN uses");
        return;
    }
    SanaDevice *cpu = sana_device_open("cpu", NULL);
    SanaDevice *reference = sana_device_open("reference", NULL);
    for (size_t t = 0; t < G_N_ELEMENTS(dtypes); t++) {
        g_test_message("%s", sana_dtype_name(dtypes[t]));
        g_assert_cmpint(sana_device_supports(cpu, dtypes[t]), ==, processor_has(dtypes[t]));
        g_assert_cmpint(sana_device_supports(reference, dtypes[t]), ==,
                        !sana_dtype_is_of_weights(dtypes[t]));
    }
    g_assert_cmpint(sana_device_best_dtype(cpu), ==,
                    processor_has(SANA_BF16) ? SANA_BF16 : SANA_F32);
    sana_device_unref(reference);
    sana_device_unref(cpu);
}

/* SiLU of what is so large that its power of two overflows, and of what has overflowed. */
static void
test_overflow(gconstpointer name)
{
    enum { N = 64 };
    static const SanaDType stored[] = {SANA_F32, SANA_BF16};
    GError *error = NULL;
    SanaStream *s = stream_or_skip(name);
    if (!s)
        return;
    SanaDevice *dev = sana_stream_device(s);
    SanaPool *pool = sana_pool_new(dev);
    SanaTensor x = sana_pool_tensor(pool, SANA_F32, 1, 1, N);
    for (size_t t = 0; t < G_N_ELEMENTS(stored); t++) {
        if (!sana_device_supports(dev, stored[t]))
            continue;
        SanaTensor y = sana_pool_tensor(pool, stored[t], 1, 1, N);
        float values[N];
        for (int i = 0; i < N; i++)
            values[i] = i % 2 ? INFINITY : 0x1.8p127f;
        sana_upload(s, x, values);
        sana_activate(s, y, x, SANA_ACT_SILU);
        sana_activate(s, x, y, SANA_ACT_NONE);
        sana_download(s, values, x);
        g_assert_true(sana_stream_finish(s, &error));
        for (int i = 0; i < N; i++)
            g_assert_cmpfloat(values[i], ==, i % 2 ? INFINITY : 0x1.8p127f);
    }
    sana_pool_free(pool);
    sana_stream_free(s);
}

/* Products of ones, at the last sum of integers of 8 bits that fits 32 and beyond. */
static void
test_long_sums(gconstpointer name)
{
    static const int lengths[] = {133144, 133145, 200000};
    enum { WIDE = 32 };
    GError *error = NULL;
    SanaStream *s = stream_or_skip(name);
    if (!s)
        return;
    SanaDevice *dev = sana_stream_device(s);
    for (size_t n = 0; n < G_N_ELEMENTS(lengths) && sana_device_supports(dev, SANA_S8); n++) {
        const size_t count = (size_t)lengths[n] * WIDE;
        SanaPool *pool = sana_pool_new(dev);
        SanaLinear l = {.in = lengths[n], .out = WIDE};
        g_autofree float *ones = g_new(float, count);
        float sums[WIDE];
        for (size_t i = 0; i < count; i++)
            ones[i] = 1;
        SanaTensor weights = sana_tensor(ones, SANA_F32, 1, WIDE, l.in);
        SanaTensor row = sana_tensor(ones, SANA_F32, 1, 1, l.in);
        SanaTensor x = sana_pool_upload(pool, row, sana_device_best_dtype(dev));
        SanaTensor y = sana_pool_tensor(pool, x.dtype, 1, 1, WIDE);
        SanaTensor read = sana_pool_tensor(pool, SANA_F32, 1, 1, WIDE);
        g_assert_true(sana_pool_linear(pool, &l, SANA_S8, &weights, 1));
        sana_linear(s, y, x, &l, SANA_ACT_NONE, SANA_NONE);
        sana_activate(s, read, y, SANA_ACT_NONE);
        sana_download(s, sums, read);
        g_assert_true(sana_stream_finish(s, &error));
        for (int i = 0; i < WIDE; i++)
            g_assert_cmpfloat_with_epsilon(sums[i], lengths[n], lengths[n] / 128.0);
        sana_pool_free(pool);
    }
    sana_stream_free(s);
}

static void
register_plain(const char *device, const char *name, GTestDataFunc test)
{
    char *path = g_strdup_printf("/ops/%s/%s", device, name);
    g_test_add_data_func(path, device, test);
    g_free(path);
}

/* All but the best, which are those of "cpu". */
static void
register_lesser_loops(void)
{
    const SanaCpuLoops *loops;
    for (size_t n = 1; (loops = sana_cpu_loops_here(n)); n++) {
        g_autofree char *name = g_strconcat("cpu-", loops->isa, NULL);
        const char *device = g_intern_string(name);
        register_device(device);
        register_plain(device, "overflow", test_overflow);
    }
}

static void
bench_device(const char *name, const char *op)
{
    GError *error = NULL;
    Runner r = {.run = ops_measure, .random = 1};

    r.device = sana_device_open(name, &error);
    if (!r.device) {
        g_printerr("%s\n", error->message);
        g_clear_error(&error);
        return;
    }
    r.planner = sana_device_open("planner", NULL);
    for (size_t t = 0; t < G_N_ELEMENTS(dtypes); t++) {
        if (!sana_device_supports(r.device, dtypes[t]))
            continue;
        compute_in(&r, dtypes[t]);
        for (size_t i = 0; i < G_N_ELEMENTS(sets); i++)
            for (const CaseSet *set = sets[i]; set->op && has_set(dtypes[t], i); set++)
                if (!op || strcmp(op, set->op) == 0)
                    set->bench(&r);
    }
    sana_device_unref(r.planner);
    sana_device_unref(r.device);
}

static int
bench_main(int argc, char **argv)
{
    const char *op = NULL, *device = NULL;

    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            device = argv[++i];
        else
            op = argv[i];
    g_print("%10s %9s %9s  %-9s %s\n", "median ms", "GB/s", "GFLOP/s", "device", "case");
    for (size_t i = 0; i < G_N_ELEMENTS(devices); i++) /* the reference only when asked for */
        if (device ? strcmp(device, devices[i]) == 0 : i > 0)
            bench_device(devices[i], op);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench_main(argc, argv);
    g_test_init(&argc, &argv, NULL);
    ops_truth_register();
    for (size_t i = 0; i < G_N_ELEMENTS(devices); i++) {
        register_device(devices[i]);
        register_plain(devices[i], "rows", test_rows);
        register_plain(devices[i], "long-sums", test_long_sums);
        register_plain(devices[i], "types", test_types);
        register_plain(devices[i], "overflow", test_overflow);
        ops_refusal_register(devices[i]);
    }
    register_lesser_loops();
    g_test_add_func("/ops/cpu/types-of-the-processor", test_types_of_the_processor);
    ops_many_tiles_register();
    register_device("cuda-host");
    register_plain("cuda-host", "rows", test_rows);
    ops_refusal_register("cuda-host");
    ops_refusal_register("planner");
    return g_test_run();
}
