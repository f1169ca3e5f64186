/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each kernel on tensor cores against the plain one, on the processor.  Of those that take a shape
 * the device runs the fastest; here all of them show what they make of it.
 */
#include <string.h>

#include "cuda_host/cuda_host.h"
#include "kernels/convert.h"
#include "kernels/cuda/gemm.h"
#include "kernels/ops.h"

/* In place of a bias: without one. */
#define UNBIASED ((const float *)sizeof(float[2]))

/* Numbers of BF16 on the device, or F32 where wide. */
static void *
random_numbers(SanaPool *pool, size_t n, bool wide)
{
    SanaTensor x = sana_pool_tensor(pool, wide ? SANA_F32 : SANA_BF16, 1, 1, (int)n);
    for (size_t i = 0; i < n; i++) {
        float v = (float)g_test_rand_double_range(-1, 1);
        if (wide)
            ((float *)x.data)[i] = v;
        else
            ((uint16_t *)x.data)[i] = sana_f32_to_bf16(v);
    }
    return x.data;
}

/* What a kernel makes of a shape, as floats; memory that it leaves alone is NaN. */
static float *
result_of(const SanaCudaGemmKernel *kernel, SanaStream *s, SanaPool *pool, SanaCudaGemm g, size_t n)
{
    SanaTensor y = sana_pool_tensor(pool, g.y_f32 ? SANA_F32 : SANA_BF16, 1, 1, (int)n);
    float *values = g_new(float, n);
    GError *error = NULL;
    memset(y.data, 0xff, sana_bytes(y));
    g.y = y.data;
    kernel->run(s, &g);
    sana_stream_finish(s, &error);
    g_assert_no_error(error);
    for (size_t i = 0; i < n; i++)
        values[i] = g.y_f32 ? ((float *)y.data)[i] : sana_bf16_to_f32(((uint16_t *)y.data)[i]);
    return values;
}

static void
agrees(const SanaCudaGemmKernel *kernel, SanaDevice *dev, SanaCudaGemm g)
{
    SanaPool *pool = sana_pool_new(dev);
    SanaStream *s = sana_stream_new(dev, NULL);
    size_t rows = g.folded ? (size_t)(4 * g.x_h * g.x_w) : (size_t)(g.y_h * g.y_w);
    size_t n = rows * (size_t)g.y_stride;
    g.x = random_numbers(pool, (size_t)(g.x_h * g.x_w * g.x_stride), false);
    g.w = random_numbers(pool, (size_t)(g.out * g.kernel * g.kernel * g.in / g.groups), false);
    if (g.bias != UNBIASED)
        g.bias = random_numbers(pool, (size_t)g.out, true);
    else
        g.bias = NULL;
    if (g.residual_stride)
        g.residual = random_numbers(pool, rows * (size_t)g.residual_stride, g.y_f32);
    float *want = result_of(&sana_cuda_gemm_tiled, s, pool, g, n);
    float *got = result_of(kernel, s, pool, g, n);
    for (size_t i = 0; i < n; i++) {
        float bound = (g.y_f32 ? 1e-5f : 1e-2f) * (1 + ABS(want[i]));
        bool written = i % (size_t)g.y_stride < (size_t)(g.folded ? g.out / 4 : g.out);
        if (written ? !(ABS(got[i] - want[i]) <= bound) : got[i] == got[i])
            g_error("%s: %g for %g at %zu of %d×%d, %d to %d channels, kernel %d, stride %d%s",
                    kernel->name, (double)got[i], (double)want[i], i, g.x_h, g.x_w, g.in, g.out,
                    g.kernel, g.stride, g.folded ? ", folded" : "");
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
                          .bf16 = true};
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
                          .bf16 = true};
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
    SanaPool *pool = sana_pool_new(dev);
    SanaStream *s = sana_stream_new(dev, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        SanaCudaGemm g = conv_of(8, 8, cases[i].in, cases[i].out, 3, 1);
        g.x = random_numbers(pool, (size_t)(64 * g.in), false);
        g.w = random_numbers(pool, (size_t)(9 * g.in * g.out), false);
        g.residual = g.y = random_numbers(pool, (size_t)(64 * g.out), false);
        g.residual_stride = g.out;
        g.norm_weight = random_numbers(pool, (size_t)g.out, true);
        g_assert_cmpint(sana_cuda_gemm_norm(s, &g), ==, cases[i].taken);
    }
    g_assert_true(sana_stream_finish(s, NULL));
    sana_stream_free(s);
    sana_pool_free(pool);
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
    shapes[2].y_f32 = true;
    shapes[6].groups = 3;
    shapes[7].groups = 2;
    cuda_host_reset();
    SanaDevice *dev = cuda_host_open("", NULL);
    int taken = 0, fast = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        taken += all_agree(sana_cuda_gemm_mma, SANA_CUDA_MMA_KERNELS, dev, shapes[i]);
        fast += all_agree(sana_cuda_gemm_wgmma, SANA_CUDA_WGMMA_KERNELS, dev, shapes[i]);
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

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gemm/every_kernel_on_tensor_cores_agrees_with_the_plain_one",
                    every_kernel_on_tensor_cores_agrees_with_the_plain_one);
    g_test_add_func("/gemm/a_picture_is_gathered_in_strips", a_picture_is_gathered_in_strips);
    g_test_add_func("/gemm/every_function_is_applied", every_function_is_applied);
    g_test_add_func("/gemm/residual_blocks_end_in_one_kernel", residual_blocks_end_in_one_kernel);
    g_test_add_func("/gemm/an_old_driver_has_none_of_hoppers", an_old_driver_has_none_of_hoppers);
    g_test_add_func("/gemm/code_for_less_has_none_of_hoppers", code_for_less_has_none_of_hoppers);
    return g_test_run();
}
