/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Products and convolutions of more tiles than a GPU has multiprocessors, where its kernels take
 * one tile after the other: each against another kernel of the same device, as the reference would
 * take hours.  On a real GPU only.
 */
#include "ops_case.h"

#include <math.h>

#define KERNEL "SANA_CUDA_GEMM"

/* The one that the others are compared with, and all of them. */
static const char *const plain = "mma 64x64";
static const char *const kernels[] = {"mma 128x32",         "mma 128x128",
                                      "mma 128x64",         "wgmma 256x128",
                                      "wgmma 128x256",      "wgmma 128x128",
                                      "wgmma norm",         "wgmma pair 256x128",
                                      "wgmma pair 128x256", NULL /* the fastest */};

static void
choose(const char *kernel)
{
    if (kernel)
        g_setenv(KERNEL, kernel, TRUE);
    else
        g_unsetenv(KERNEL);
}

/* What the kernel of that name makes of a case. */
static float *
result(Runner *r, const Case *c, const Values *v, const char *kernel)
{
    g_autoptr(GError) error = NULL;
    Side side;
    choose(kernel);
    ops_side_open(&side, r->device, c, v, r->dtype, r->weights);
    side.call.call(side.stream, &side.call, side.t);
    g_assert_true(sana_stream_finish(side.stream, &error));
    g_assert_no_error(error);
    float *values = ops_side_read(&side, 0);
    ops_side_close(&side);
    return values;
}

static double
power(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum / (double)n;
}

/* Every element counts: of the few tiles that may be wrong, few rows may be. */
static void
compare_kernels(Runner *r, const Case *c)
{
    const size_t n = (size_t)c->args[0].h * (size_t)c->args[0].w * (size_t)c->args[0].c;
    Values v = ops_values_new(c, r->dtype, &r->random);
    g_autofree char *name = ops_describe(c, r->dtype, r->weights);
    g_autofree float *want = result(r, c, &v, plain);
    const double some = 0.03 * sqrt(power(want, n));
    for (size_t k = 0; k < G_N_ELEMENTS(kernels); k++) {
        g_autofree float *got = result(r, c, &v, kernels[k]);
        size_t wrong = 0, first = 0;
        for (size_t i = 0; i < n; i++)
            if (!(fabsf(got[i] - want[i]) <= some + 0x1p-6 * fabs((double)want[i])) && !wrong++)
                first = i;
        g_test_message("%s: %s", name, kernels[k] ? kernels[k] : "the fastest");
        if (wrong > 0)
            g_error("%s, %s: %zu of %zu differ from %s, first number %zu: %g for %g", name,
                    kernels[k] ? kernels[k] : "the fastest", wrong, n, plain, first,
                    (double)got[first], (double)want[first]);
    }
    ops_values_free(&v);
}

static void
test_many_tiles(gconstpointer weights)
{
    Runner r = {
        .run = compare_kernels, .dtype = SANA_BF16, .weights = (SanaDType)GPOINTER_TO_INT(weights)};
    g_autofree char *before = g_strdup(g_getenv(KERNEL));
    r.device = ops_device_or_skip("cuda", r.weights);
    if (!r.device)
        return;
    r.random = (guint32)g_test_rand_int();
    ops_cases_many_tiles(&r);
    choose(before);
    sana_device_unref(r.device);
}

void
ops_many_tiles_register(void)
{
    g_test_add_data_func("/ops/cuda/many-tiles/bf16", GINT_TO_POINTER(SANA_BF16), test_many_tiles);
    g_test_add_data_func("/ops/cuda/many-tiles/e4m3", GINT_TO_POINTER(SANA_E4M3), test_many_tiles);
}
