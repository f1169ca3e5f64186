/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each kernel on tensor cores against the plain one, on the processor.  Of those that take a shape
 * the device runs the fastest; here all of them show what they make of it.
 */
#include <math.h>
#include <string.h>

#include "cuda_host/cuda_host.h"
#include "kernels/convert.h"
#include "kernels/cuda/gemm.h"
#include "kernels/ops.h"

/* In place of a bias: without one. */
#define UNBIASED ((const float *)sizeof(float[2]))

/* Numbers of F32, BF16 or E4M3 on the device. */
static void *
random_numbers(SanaPool *pool, size_t n, SanaDType dtype)
{
    SanaTensor x = sana_pool_tensor(pool, dtype, 1, 1, (int)n);
    for (size_t i = 0; i < n; i++)
        sana_cuda_set_host_value(x.data, dtype, i, (float)g_test_rand_double_range(-1, 1));
    return x.data;
}

/* What a kernel makes of a shape, as floats; memory that it leaves alone is NaN. */
static float *
result_of(const SanaCudaGemmKernel *kernel, SanaStream *s, SanaPool *pool, SanaCudaGemm g, size_t n)
{
    SanaTensor y = sana_pool_tensor(pool, g.y_dtype, 1, 1, (int)n);
    float *values = g_new(float, n);
    GError *error = NULL;
    memset(y.data, 0xff, sana_bytes(y));
    g.y = y.data;
    kernel->run(s, &g);
    sana_stream_finish(s, &error);
    g_assert_no_error(error);
    for (size_t i = 0; i < n; i++)
        values[i] = sana_host_value(y, i);
    return values;
}

static void
agrees(const SanaCudaGemmKernel *kernel, SanaDevice *dev, SanaCudaGemm g)
{
    SanaPool *pool = sana_pool_new(dev);
    SanaStream *s = sana_stream_new(dev, NULL);
    size_t rows = g.folded ? (size_t)(4 * g.x_h * g.x_w) : (size_t)(g.y_h * g.y_w);
    size_t n = rows * (size_t)g.y_stride;
    g.x = random_numbers(pool, (size_t)(g.x_h * g.x_w * g.x_stride), g.dtype);
    g.w = random_numbers(pool, (size_t)(g.out * g.kernel * g.kernel * g.in / g.groups), g.dtype);
    if (g.dtype == SANA_E4M3) {
        g.scales = random_numbers(pool, (size_t)g.out, SANA_F32);
        float *scale = random_numbers(pool, 1, SANA_F32);
        sana_cuda_set_host_value(scale, SANA_F32, 0, (float)g_test_rand_double_range(0.5, 1));
        g.x_scale = scale;
    }
    if (g.bias != UNBIASED)
        g.bias = random_numbers(pool, (size_t)g.out, SANA_F32);
    else
        g.bias = NULL;
    if (g.residual_stride)
        g.residual = random_numbers(pool, rows * (size_t)g.residual_stride, g.y_dtype);
    float *want = result_of(&sana_cuda_gemm_tiled, s, pool, g, n);
    float *got = result_of(kernel, s, pool, g, n);
    for (size_t i = 0; i < n; i++) {
        float bound = (g.y_dtype == SANA_F32 ? 1e-5f : 1e-2f) * (1 + ABS(want[i]));
        bool written = i % (size_t)g.y_stride < (size_t)(g.folded ? g.out / 4 : g.out);
        if (written ? !(ABS(got[i] - want[i]) <= bound) : got[i] == got[i])
            g_error("%s: %g for %g at %zu of %d×%d, %s, %d to %d channels, kernel %d, stride %d%s",
                    kernel->name, (double)got[i], (double)want[i], i, g.x_h, g.x_w,
                    sana_dtype_name(g.dtype), g.in, g.out, g.kernel, g.stride,
                    g.folded ? ", folded" : "");
    }
    g_free(want);
    g_free(got);
    sana_stream_free(s);
    sana_pool_free(pool);
}

static SanaCudaGemm
product_of(int rows, int in, int out, int x_stride, int y_stride)
{
    return (SanaCudaGemm){.x_h = 1,
                          .x_w = rows,
                          .y_h = 1,
                          .y_w = rows,
                          .in = in,
                          .out = out,
                          .groups = 1,
                          .kernel = 1,
                          .stride = 1,
                          .x_stride = x_stride,
                          .y_stride = y_stride,
                          .dtype = SANA_BF16,
                          .y_dtype = SANA_BF16};
}

static SanaCudaGemm
conv_of(int h, int w, int in, int out, int kernel, int stride)
{
    return (SanaCudaGemm){.x_h = h,
                          .x_w = w,
                          .y_h = (h - 1) / stride + 1,
                          .y_w = (w - 1) / stride + 1,
                          .in = in,
                          .out = out,
                          .groups = 1,
                          .kernel = kernel,
                          .stride = stride,
                          .pad = kernel / 2,
                          .x_stride = in,
                          .y_stride = out,
                          .act = SANA_ACT_SILU,
                          .dtype = SANA_BF16,
                          .y_dtype = SANA_BF16};
}

static SanaCudaGemm
folded_of(int h, int w, int in, int out)
{
    SanaCudaGemm g = conv_of(h, w, in, 4 * out, 2, 1);
    g.y_h = h + 1;
    g.y_w = w + 1;
    g.y_stride = out;
    g.folded = true;
    return g;
}

/* Of twice the channels in half the bytes each. */
static SanaCudaGemm
eight_bit_of(SanaCudaGemm g)
{
    g.dtype = SANA_E4M3;
    g.in *= 2;
    g.x_stride *= 2;
    return g;
}

/* How many of the kernels take the shape. */
static int
all_agree(const SanaCudaGemmKernel *kernels, int n, SanaDevice *dev, SanaCudaGemm g)
{
    int taken = 0;
    for (int k = 0; k < n; k++)
        if (kernels[k].takes((SanaCudaDevice *)dev, &g)) {
            agrees(&kernels[k], dev, g);
            taken++;
        }
    return taken;
}

/* Their epilogue: every function, and no bias. */
static void
every_function_is_applied(void)
{
    cuda_host_reset();
    SanaDevice *dev = cuda_host_open("", NULL);
    SanaCudaGemm g = conv_of(9, 17, 64, 72, 3, 1);
    for (g.act = SANA_ACT_NONE; g.act <= SANA_ACT_MISH; g.act++)
        g_assert_cmpint(all_agree(sana_cuda_gemm_wgmma, SANA_CUDA_WGMMA_KERNELS, dev, g), ==,
                        SANA_CUDA_WGMMA_KERNELS);
    g.act = SANA_ACT_SILU;
    g.bias = UNBIASED;
    all_agree(sana_cuda_gemm_wgmma, SANA_CUDA_WGMMA_KERNELS, dev, g);
    sana_device_unref(dev);
}

/* What they compute is shown by check_ops; here that they are what computes it. */
static void
residual_blocks_end_in_one_kernel(void)
{
    static const struct {
        int in, out;
        bool taken;
    } cases[] = {{64, 128, true}, {128, 256, true}, {128, 64, false}, {32, 128, false}};
    cuda_host_reset();
    SanaDevice *dev = cuda_host_open("", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        SanaCudaGemm g = conv_of(8, 8, cases[i].in, cases[i].out, 3, 1);
        g.residual_stride = g.out;
        g_assert_cmpint(sana_cuda_gemm_norm_takes((SanaCudaDevice *)dev, &g), ==, cases[i].taken);
        g = eight_bit_of(g);
        g_assert_cmpint(sana_cuda_gemm_norm_takes((SanaCudaDevice *)dev, &g), ==, cases[i].taken);
    }
    sana_device_unref(dev);
}

/* A driver that cannot describe maps to the copy engine: other kernels run. */
static void
an_old_driver_has_none_of_hoppers(void)
{
    cuda_host_reset();
    cuda_host.fail = "cudaGetDriverEntryPointByVersion";
    cuda_host.nth = 1;
    cuda_host.with = 999;
    SanaDevice *dev = cuda_host_open("", NULL);
    SanaCudaGemm g = conv_of(16, 16, 64, 128, 3, 1);
    g_assert_cmpint(all_agree(sana_cuda_gemm_wgmma, SANA_CUDA_WGMMA_KERNELS, dev, g), ==, 0);
    g_assert_cmpint(all_agree(sana_cuda_gemm_mma, SANA_CUDA_MMA_KERNELS, dev, g), >, 0);
    sana_device_unref(dev);
}

/* PTX for less, which CUDA_FORCE_PTX_JIT has a Hopper GPU run: these kernels are empty in it. */
static void
code_for_less_has_none_of_hoppers(void)
{
    cuda_host_reset();
    cuda_host.made_for = 80;
    SanaDevice *dev = cuda_host_open("", NULL);
    SanaCudaGemm g = conv_of(16, 16, 64, 128, 3, 1);
    g_assert_cmpint(all_agree(sana_cuda_gemm_wgmma, SANA_CUDA_WGMMA_KERNELS, dev, g), ==, 0);
    sana_device_unref(dev);
}

static void
every_kernel_on_tensor_cores_agrees_with_the_plain_one(void)
{
    SanaCudaGemm shapes[] = {
        product_of(128, 64, 128, 64, 128), /* a whole tile */
        product_of(131, 40, 24, 48, 29),   /* views that no vector fits */
        product_of(167, 168, 17, 168, 17), /* odd outputs, F32 */
        conv_of(9, 15, 32, 144, 3, 1),     /* more than a tile of outputs */
        conv_of(24, 23, 40, 32, 3, 2),     /* channels that fill no step */
        conv_of(14, 11, 8, 3, 5, 1),       /* a picture's */
        conv_of(10, 13, 96, 96, 1, 1),     /* groups */
        conv_of(12, 11, 80, 160, 3, 1),
        folded_of(11, 12, 32, 8), /* enlarging */
        folded_of(9, 14, 24, 40),
        product_of(300, 72, 200, 80, 208), /* of more than one tile of the largest */
        conv_of(17, 16, 136, 64, 3, 1),
        folded_of(15, 17, 64, 32),
        conv_of(19, 35, 128, 192, 3, 1), /* tiles with borders, several of outputs */
        conv_of(37, 33, 72, 136, 3, 2),
        folded_of(17, 20, 72, 128),
        product_of(600, 136, 392, 136, 400),
        conv_of(11, 10, 64, 72, 7, 1), /* borders that leave room for three slots of filters */
    };
    shapes[1].residual_stride = 31;
    shapes[1].act = SANA_ACT_SILU;
    shapes[2].residual_stride = 17;
    shapes[2].y_dtype = SANA_F32;
    shapes[6].groups = 3;
    shapes[7].groups = 2;
    cuda_host_reset();
    SanaDevice *dev = cuda_host_open("", NULL);
    int taken = 0, fast = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        const SanaCudaGemm eight_bit = eight_bit_of(shapes[i]);
        int of_mma = all_agree(sana_cuda_gemm_mma, SANA_CUDA_MMA_KERNELS, dev, shapes[i]);
        int of_wgmma = all_agree(sana_cuda_gemm_wgmma, SANA_CUDA_WGMMA_KERNELS, dev, shapes[i]);
        taken += of_mma;
        fast += of_wgmma;
        if (shapes[i].groups > 1)
            continue;
        g_assert_cmpint(all_agree(sana_cuda_gemm_mma, SANA_CUDA_MMA_KERNELS, dev, eight_bit), ==,
                        of_mma);
        g_assert_cmpint(all_agree(sana_cuda_gemm_wgmma, SANA_CUDA_WGMMA_KERNELS, dev, eight_bit),
                        ==, of_wgmma);
    }
    g_assert_cmpint(taken, >=, 2 * (int)G_N_ELEMENTS(shapes));
    g_assert_cmpint(fast, >=, 3 * SANA_CUDA_WGMMA_KERNELS);
    sana_device_unref(dev);
}

/* What a convolution of a picture's channels makes of a map, its rows gathered in strips of so many
 * bytes. */
static uint16_t *
convolved(SanaDevice *dev, SanaConv k, SanaTensor weights, SanaTensor map, size_t strip, size_t *n)
{
    SanaPool *pool = sana_pool_new(dev);
    SanaStream *s = sana_stream_new(dev, NULL);
    GError *error = NULL;
    ((SanaCudaStream *)s)->strip_bytes = strip;
    g_assert_true(sana_pool_conv(pool, &k, SANA_BF16, weights));
    SanaTensor x = sana_pool_upload(pool, map, SANA_BF16);
    SanaTensor y = sana_pool_tensor(pool, SANA_BF16, (map.h - 1) / k.stride + 1,
                                    (map.w - 1) / k.stride + 1, k.out);
    *n = sana_bytes(y);
    memset(y.data, 0xff, *n);
    uint16_t *values = g_malloc(*n);
    sana_conv(s, y, x, &k, SANA_ACT_SILU);
    sana_download(s, values, y);
    sana_stream_finish(s, &error);
    g_assert_no_error(error);
    sana_stream_free(s);
    sana_pool_free(pool);
    return values;
}

/* A row has 64 bytes a position; no strip but the last kind divides the map. */
static void
a_picture_is_gathered_in_strips(void)
{
    enum { H = 29, W = 21, OUT = 24 };
    static const size_t strips[] = {64 * W * 7, 64 * W * 4, 1};
    float map[H * W * 3], weights[OUT * 3 * 9];
    for (size_t i = 0; i < G_N_ELEMENTS(map); i++)
        map[i] = (float)g_test_rand_double_range(-1, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(weights); i++)
        weights[i] = (float)g_test_rand_double_range(-1, 1);
    cuda_host_reset();
    SanaDevice *dev = cuda_host_open("", NULL);
    g_setenv("SANA_CUDA_GEMM", "mma 64x64", TRUE);
    for (int stride = 1; stride <= 2; stride++) {
        SanaConv k = {3, OUT, 3, .stride = stride, .groups = 1, .upsample = 1};
        SanaTensor x = sana_tensor(map, SANA_F32, H, W, 3);
        SanaTensor w = sana_tensor(weights, SANA_F32, OUT, 3, 9);
        size_t bytes, n;
        uint16_t *whole = convolved(dev, k, w, x, (size_t)32 << 20, &bytes);
        for (size_t i = 0; i < G_N_ELEMENTS(strips); i++) {
            const int before = cuda_host.launches;
            uint16_t *parts = convolved(dev, k, w, x, strips[i], &n);
            g_assert_cmpint(cuda_host.launches - before, >, 4);
            g_assert_cmpmem(whole, bytes, parts, n);
            g_free(parts);
        }
        g_free(whole);
    }
    g_unsetenv("SANA_CUDA_GEMM");
    sana_device_unref(dev);
}

/* Sign, four bits of exponent biased by 7, three of fraction; no infinities, NaN the highest. */
static void
eight_bits_are_those_of_e4m3(void)
{
    double values[127];
    for (int bits = 0; bits < 127; bits++) {
        int exponent = bits >> 3, fraction = bits & 7;
        values[bits] = exponent ? ldexp(8 + fraction, exponent - 10) : ldexp(fraction, -9);
        g_assert_true((double)sana_e4m3_to_f32((uint8_t)bits) == values[bits]);
        g_assert_true((double)sana_e4m3_to_f32((uint8_t)(bits | 128)) == -values[bits]);
        g_assert_cmpuint(sana_f32_to_e4m3((float)values[bits]), ==, bits);
        g_assert_cmpuint(sana_f32_to_e4m3((float)-values[bits]), ==, bits | 128);
    }
    for (int bits = 0; bits < 126; bits++) {
        const float middle = (float)((values[bits] + values[bits + 1]) / 2);
        g_assert_cmpuint(sana_f32_to_e4m3(nextafterf(middle, 0)), ==, bits);
        g_assert_cmpuint(sana_f32_to_e4m3(middle), ==, bits + bits % 2);
        g_assert_cmpuint(sana_f32_to_e4m3(nextafterf(middle, 1000)), ==, bits + 1);
    }
    g_assert_cmpuint(sana_f32_to_e4m3(1e9f), ==, 126);
    g_assert_cmpuint(sana_f32_to_e4m3(-INFINITY), ==, 128 + 126);
    g_assert_cmpuint(sana_f32_to_e4m3(1e-30f), ==, 0);
    g_assert_true(isnan(sana_e4m3_to_f32(sana_f32_to_e4m3(NAN))));
    g_assert_true(isnan(sana_e4m3_to_f32(255)));
}

/* Ada, Hopper and Blackwell of desktops have the instruction; code for less has not. */
static void
eight_bits_are_for_gpus_that_multiply_them(void)
{
    static const struct {
        int capability, made_for;
        bool has;
    } cases[] = {{80, 80, false}, {89, 80, false},   {89, 89, true},  {90, 80, false},
                 {90, 90, true},  {100, 100, false}, {120, 120, true}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        cuda_host_reset();
        cuda_host.capability = cases[i].capability;
        cuda_host.made_for = cases[i].made_for;
        SanaDevice *dev = cuda_host_open("", NULL);
        g_assert_cmpint(sana_device_supports(dev, SANA_E4M3), ==, cases[i].has);
        sana_device_unref(dev);
    }
}

/* A map of threes, but for one number: all of it is exact in E4M3. */
static void
expect_rounded_by(SanaDevice *dev, int most, int at)
{
    enum { ROWS = 700, IN = 64, OUT = 64 };
    g_autofree float *x = g_new(float, ROWS *IN), *w = g_new(float, OUT *IN);
    g_autofree float *y = g_new(float, ROWS *OUT);
    SanaPool *pool = sana_pool_new(dev);
    SanaStream *s = sana_stream_new(dev, NULL);
    SanaLinear l = {.in = IN, .out = OUT};
    for (int i = 0; i < ROWS * IN; i++)
        x[i] = most ? 3 : 0;
    x[at] = (float)most;
    for (int i = 0; i < OUT * IN; i++) /* two channels, OUT times */
        w[i] = i % IN == 0 || i % IN == at % IN ? (float)(i / IN) : 0;
    SanaTensor weights = sana_tensor(w, SANA_F32, 1, OUT, IN);
    g_assert_true(sana_pool_linear(pool, &l, SANA_E4M3, &weights, 1));
    SanaTensor rows = sana_pool_upload(pool, sana_tensor(x, SANA_F32, 1, ROWS, IN), SANA_BF16);
    SanaTensor result = sana_pool_tensor(pool, SANA_F32, 1, ROWS, OUT);
    sana_linear(s, result, rows, &l, SANA_ACT_NONE, SANA_NONE);
    sana_download(s, y, result);
    g_assert_true(sana_stream_finish(s, NULL));
    for (int i = 0; i < ROWS * OUT; i++) {
        const int other = i / OUT == at / IN ? most : most ? 3 : 0;
        const float sum = (float)(((most ? 3 : 0) + other) * (i % OUT));
        g_assert_cmpfloat_with_epsilon(y[i], sum, 1e-4 + 1e-6 * ABS(sum)); /* scales are rounded */
    }
    sana_stream_free(s);
    sana_pool_free(pool);
}

/* Wherever it is, and whatever its sign. */
static void
rows_are_rounded_by_the_largest_of_a_map(void)
{
    static const int places[] = {1, 300 * 64 + 10, 700 * 64 - 1};
    cuda_host_reset();
    SanaDevice *dev = cuda_host_open("", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
        for (int most = -448; most <= 448; most += 224)
            expect_rounded_by(dev, most, places[i]);
    sana_device_unref(dev);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gemm/eight_bits_are_those_of_e4m3", eight_bits_are_those_of_e4m3);
    g_test_add_func("/gemm/eight_bits_are_for_gpus_that_multiply_them",
                    eight_bits_are_for_gpus_that_multiply_them);
    g_test_add_func("/gemm/rows_are_rounded_by_the_largest_of_a_map",
                    rows_are_rounded_by_the_largest_of_a_map);
    g_test_add_func("/gemm/every_kernel_on_tensor_cores_agrees_with_the_plain_one",
                    every_kernel_on_tensor_cores_agrees_with_the_plain_one);
    g_test_add_func("/gemm/a_picture_is_gathered_in_strips", a_picture_is_gathered_in_strips);
    g_test_add_func("/gemm/every_function_is_applied", every_function_is_applied);
    g_test_add_func("/gemm/residual_blocks_end_in_one_kernel", residual_blocks_end_in_one_kernel);
    g_test_add_func("/gemm/an_old_driver_has_none_of_hoppers", an_old_driver_has_none_of_hoppers);
    g_test_add_func("/gemm/code_for_less_has_none_of_hoppers", code_for_less_has_none_of_hoppers);
    return g_test_run();
}
