/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference against figures worked out by hand and against other ways to say the same. */
#include "ops_case.h"

#include <math.h>
#include <string.h>

#include "kernels/convert.h"

/* A reference stream over plain host arrays. */
typedef struct {
    SanaDevice *device;
    SanaPool *pool;
    SanaStream *s;
} Bench;

static Bench
bench_open(void)
{
    Bench b = {.device = sana_device_open("reference", NULL)};
    b.pool = sana_pool_new(b.device);
    b.s = sana_stream_new(b.device, NULL);
    return b;
}

static void
bench_close(Bench *b)
{
    GError *error = NULL;
    sana_stream_finish(b->s, &error);
    g_assert_no_error(error);
    sana_stream_free(b->s);
    sana_pool_free(b->pool);
    sana_device_unref(b->device);
}

static SanaTensor
f32(float *data, int h, int w, int c)
{
    return sana_tensor(data, SANA_F32, h, w, c);
}

static void
randomise(float *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        data[i] = (float)g_test_rand_double_range(-2, 2);
}

static void
assert_near(const float *got, const float *want, size_t count)
{
    for (size_t i = 0; i < count; i++)
        g_assert_cmpfloat_with_epsilon(got[i], want[i], 2e-5 * (1 + fabs((double)want[i])));
}

static SanaConv
pack_conv(Bench *b, SanaConv k, float *weights, float *bias)
{
    int taps = k.in / k.groups * k.kernel * k.kernel;
    if (bias)
        k.bias = f32(bias, 1, 1, k.out);
    g_assert_true(sana_pool_conv(b->pool, &k, SANA_F32, f32(weights, 1, k.out, taps)));
    return k;
}

static void
test_conversions(void)
{
    for (guint32 h = 0; h < 65536; h++) {
        float b = sana_bf16_to_f32((guint16)h), x = sana_f16_to_f32((guint16)h);
        if (isnan(b))
            g_assert_true(isnan(sana_bf16_to_f32(sana_f32_to_bf16(b))));
        else
            g_assert_cmpuint(sana_f32_to_bf16(b), ==, h);
        if (isnan(x)) {
            g_assert_true(isnan(sana_f16_to_f32(sana_f32_to_f16(x))));
            continue;
        }
        g_assert_cmpuint(sana_f32_to_f16(x), ==, h);
        int exponent = h >> 10 & 31, mantissa = h & 1023;
        double value = exponent == 31  ? INFINITY
                       : exponent == 0 ? ldexp(mantissa, -24)
                                       : ldexp(1024 + mantissa, exponent - 25);
        g_assert_true((double)x == (h >> 15 ? -value : value));
    }
    for (int i = 0; i < 200000; i++) {
        float x = sana_f32_from_bits((guint32)g_test_rand_int());
        if (!isfinite(x))
            continue;
        /* a step of the last place here; rint() rounds ties to even */
        double size = MAX(fabs((double)x), 0x1p-126);
        double step = ldexp(1, ilogb(size) - 7), half_step = ldexp(1, MAX(ilogb(size), -14) - 10);
        float b = (float)(rint(x / step) * step);
        double half = rint(x / half_step) * half_step;
        g_assert_true(sana_bf16_to_f32(sana_f32_to_bf16(x)) == b);
        g_assert_true((double)sana_f16_to_f32(sana_f32_to_f16(x)) ==
                      (fabs(half) > 65504 ? copysign(INFINITY, half) : half));
    }
    g_assert_true(isnan(sana_bf16_to_f32(sana_f32_to_bf16(sana_f32_from_bits(0x7fffffff)))));
    g_assert_true(isnan(sana_f16_to_f32(sana_f32_to_f16(sana_f32_from_bits(0x7f800001)))));
    g_assert_true(isnan(sana_bf16_to_f32(sana_f32_to_bf16(sana_f32_from_bits(0xff800001)))));
}

static void
test_activations(void)
{
    static const float x[] = {1, -1, 0, 3};
    static const float want[][4] = {
        {1, -1, 0, 3},
        {0.7310586f, -0.2689414f, 0, 2.8577223f},
        {1, 0, 0, 3},
        {0.8413447f, -0.1586553f, 0, 2.9959503f},
        {0.8411920f, -0.1588080f, 0, 2.9963627f},
        {0.8650984f, -0.3034015f, 0, 2.9865350f},
    };
    Bench b = bench_open();
    for (int act = SANA_ACT_NONE; act <= SANA_ACT_MISH; act++) {
        float in[4], out[4];
        memcpy(in, x, sizeof in);
        sana_activate(b.s, f32(out, 1, 1, 4), f32(in, 1, 1, 4), (SanaAct)act);
        assert_near(out, want[act], 4);
    }
    bench_close(&b);
}

static void
test_linear(void)
{
    /* [1 2] · [[1 10], [100 1000], [−1 −1]]ᵀ + [1 2 3] */
    float x[] = {1, 2}, first[] = {1, 10, 100, 1000}, second[] = {-1, -1}, bias[] = {1, 2, 3};
    float y[3], residual[] = {0.5f, 0, -7};
    SanaLinear l = {.in = 2, .out = 3, .bias = f32(bias, 1, 1, 3)};
    SanaTensor sources[] = {f32(first, 1, 2, 2), f32(second, 1, 1, 2)};
    Bench b = bench_open();

    g_assert_true(sana_pool_linear(b.pool, &l, SANA_F32, sources, 2));
    sana_linear(b.s, f32(y, 1, 1, 3), f32(x, 1, 1, 2), &l, SANA_ACT_NONE, SANA_NONE);
    assert_near(y, (float[]){22, 2102, 0}, 3);
    sana_linear(b.s, f32(y, 1, 1, 3), f32(x, 1, 1, 2), &l, SANA_ACT_RELU, f32(residual, 1, 1, 3));
    assert_near(y, (float[]){22.5f, 2102, -7}, 3);
    bench_close(&b);
}

static void
test_conv_of_a_point_is_the_kernel_turned(void)
{
    float x[25] = {0}, y[25], weights[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    Bench b = bench_open();
    SanaConv k = pack_conv(&b, (SanaConv){1, 1, 3, 1, 1, 1}, weights, NULL);

    x[12] = 1;
    sana_conv(b.s, f32(y, 5, 5, 1), f32(x, 5, 5, 1), &k, SANA_ACT_NONE);
    assert_near(
        y, (float[]){0, 0, 0, 0, 0, 0, 9, 8, 7, 0, 0, 6, 5, 4, 0, 0, 3, 2, 1, 0, 0, 0, 0, 0, 0},
        25);
    bench_close(&b);
}

/* y (2h, 2w) by nearest neighbour. */
static void
enlarge(float *y, const float *x, int h, int w, int c)
{
    for (int i = 0; i < 2 * h; i++)
        for (int j = 0; j < 2 * w; j++)
            memcpy(y + (i * 2 * w + j) * c, x + (i / 2 * w + j / 2) * c, (size_t)c * sizeof *y);
}

static void
test_conv_upsampling_is_conv_of_the_enlarged_picture(void)
{
    enum { H = 3, W = 4, IN_C = 2, OUT_C = 3 };
    float x[H * W * IN_C], large[4 * H * W * IN_C], weights[OUT_C * IN_C * 9], bias[OUT_C];
    float got[4 * H * W * OUT_C], want[4 * H * W * OUT_C];
    Bench b = bench_open();

    randomise(x, G_N_ELEMENTS(x));
    randomise(weights, G_N_ELEMENTS(weights));
    randomise(bias, OUT_C);
    enlarge(large, x, H, W, IN_C);
    SanaConv up = pack_conv(&b, (SanaConv){IN_C, OUT_C, 3, 1, 2, 1}, weights, bias);
    SanaConv plain = pack_conv(&b, (SanaConv){IN_C, OUT_C, 3, 1, 1, 1}, weights, bias);
    sana_conv(b.s, f32(got, 2 * H, 2 * W, OUT_C), f32(x, H, W, IN_C), &up, SANA_ACT_SILU);
    sana_conv(b.s, f32(want, 2 * H, 2 * W, OUT_C), f32(large, 2 * H, 2 * W, IN_C), &plain,
              SANA_ACT_SILU);
    assert_near(got, want, G_N_ELEMENTS(want));
    bench_close(&b);
}

static void
test_conv_stride_takes_every_second(void)
{
    enum { H = 5, W = 6, IN_C = 2, OUT_C = 3, HALF_H = 3, HALF_W = 3 };
    float x[H * W * IN_C], weights[OUT_C * IN_C * 9];
    float got[HALF_H * HALF_W * OUT_C], all[H * W * OUT_C];
    Bench b = bench_open();

    randomise(x, G_N_ELEMENTS(x));
    randomise(weights, G_N_ELEMENTS(weights));
    SanaConv two = pack_conv(&b, (SanaConv){IN_C, OUT_C, 3, 2, 1, 1}, weights, NULL);
    SanaConv one = pack_conv(&b, (SanaConv){IN_C, OUT_C, 3, 1, 1, 1}, weights, NULL);
    sana_conv(b.s, f32(got, HALF_H, HALF_W, OUT_C), f32(x, H, W, IN_C), &two, SANA_ACT_NONE);
    sana_conv(b.s, f32(all, H, W, OUT_C), f32(x, H, W, IN_C), &one, SANA_ACT_NONE);
    for (int i = 0; i < HALF_H; i++)
        for (int j = 0; j < HALF_W; j++)
            assert_near(got + (i * HALF_W + j) * OUT_C, all + (2 * i * W + 2 * j) * OUT_C, OUT_C);
    bench_close(&b);
}

/* Groups are a dense kernel whose weights between groups are zero. */
static void
test_conv_groups_are_blocks(void)
{
    enum { H = 3, W = 3, C = 6, GROUPS = 3, PER = 2 };
    float x[H * W * C], grouped[C * PER * 9], dense[C * C * 9] = {0};
    float got[H * W * C], want[H * W * C];
    Bench b = bench_open();

    randomise(x, G_N_ELEMENTS(x));
    randomise(grouped, G_N_ELEMENTS(grouped));
    for (int o = 0; o < C; o++)
        memcpy(dense + (o * C + o / PER * PER) * 9, grouped + o * PER * 9, PER * 9 * sizeof(float));
    SanaConv g = pack_conv(&b, (SanaConv){C, C, 3, 1, 1, GROUPS}, grouped, NULL);
    SanaConv d = pack_conv(&b, (SanaConv){C, C, 3, 1, 1, 1}, dense, NULL);
    sana_conv(b.s, f32(got, H, W, C), f32(x, H, W, C), &g, SANA_ACT_NONE);
    sana_conv(b.s, f32(want, H, W, C), f32(x, H, W, C), &d, SANA_ACT_NONE);
    assert_near(got, want, G_N_ELEMENTS(want));
    bench_close(&b);
}

static void
test_glu_depthwise_is_conv_then_gate(void)
{
    enum { H = 4, W = 3, C = 5 };
    float x[H * W * 2 * C], weights[2 * C * 9], bias[2 * C], u[H * W * 2 * C], got[H * W * C];
    Bench b = bench_open();

    randomise(x, G_N_ELEMENTS(x));
    randomise(weights, G_N_ELEMENTS(weights));
    randomise(bias, G_N_ELEMENTS(bias));
    SanaConv k = pack_conv(&b, (SanaConv){2 * C, 2 * C, 3, 1, 1, 2 * C}, weights, bias);
    sana_glu_depthwise(b.s, f32(got, H, W, C), f32(x, H, W, 2 * C), &k);
    sana_conv(b.s, f32(u, H, W, 2 * C), f32(x, H, W, 2 * C), &k, SANA_ACT_NONE);
    for (int row = 0; row < H * W; row++)
        for (int ch = 0; ch < C; ch++) {
            float a = u[row * 2 * C + ch], g = u[row * 2 * C + C + ch];
            float want = a * g / (1 + expf(-g));
            assert_near(&got[row * C + ch], &want, 1);
        }
    bench_close(&b);
}

/* o_n = Σ_m (relu(q_n)·relu(k_m)) v_m / Σ_m relu(q_n)·relu(k_m) */
static float
quadratic(const float *qkv, int n, int row_width, const int *first, int d, int row, int i)
{
    double above = 0, below = 1e-15;
    for (int m = 0; m < n; m++) {
        double score = 0;
        for (int e = 0; e < d; e++)
            score += fmax(qkv[row * row_width + first[0] + e], 0) *
                     fmax(qkv[m * row_width + first[1] + e], 0);
        above += score * (double)qkv[m * row_width + first[2] + i];
        below += score;
    }
    return (float)(above / below);
}

static void
test_linear_attention_is_the_quadratic_form(void)
{
    enum { N = 11, HEADS = 3, D = 4, WIDTH = 3 * HEADS * D };
    float qkv[N * WIDTH], y[N * HEADS * D];
    Bench b = bench_open();

    randomise(qkv, G_N_ELEMENTS(qkv));
    for (int order = SANA_QKV_BY_PART; order <= SANA_QKV_BY_HEAD; order++) {
        sana_linear_attention(b.s, f32(y, 1, N, HEADS * D), f32(qkv, 1, N, WIDTH), D,
                              (SanaQkvOrder)order);
        for (int head = 0; head < HEADS; head++) {
            int by_part[] = {head * D, (HEADS + head) * D, (2 * HEADS + head) * D};
            int by_head[] = {3 * head * D, 3 * head * D + D, 3 * head * D + 2 * D};
            const int *first = order == SANA_QKV_BY_PART ? by_part : by_head;
            for (int row = 0; row < N; row++)
                for (int i = 0; i < D; i++) {
                    float want = quadratic(qkv, N, WIDTH, first, D, row, i);
                    assert_near(&y[row * HEADS * D + head * D + i], &want, 1);
                }
        }
    }
    bench_close(&b);
}

static void
test_attention_weighs_by_softmax(void)
{
    /* scores 0 and ln 3: weights 1/4 and 3/4; capped: 2·tanh(ln 3 / 2) = 1 → weights by e */
    float q[] = {1, 0}, k[] = {0, 5, 1.0986123f, -5}, v[] = {4, 0, 8, 100}, y[2];
    Bench b = bench_open();
    SanaAttention a = {1, 1, .scale = 1};
    double e = exp(1);

    sana_attention(b.s, f32(y, 1, 1, 2), f32(q, 1, 1, 2), f32(k, 1, 2, 2), f32(v, 1, 2, 2), a);
    assert_near(y, (float[]){7, 75}, 2);
    a.softcap = 2;
    sana_attention(b.s, f32(y, 1, 1, 2), f32(q, 1, 1, 2), f32(k, 1, 2, 2), f32(v, 1, 2, 2), a);
    assert_near(y, (float[]){(float)((4 + 8 * e) / (1 + e)), (float)(100 * e / (1 + e))}, 2);
    bench_close(&b);
}

static void
test_causal_attention_is_attention_over_the_keys_seen(void)
{
    enum { N = 4, T = 9, HEADS = 4, KV = 2, D = 3, WINDOW = 3 };
    float q[N * HEADS * D], k[T * KV * D], v[T * KV * D], y[N * HEADS * D], want[HEADS * D];
    SanaTensor tk = f32(k, 1, T, KV * D), tv = f32(v, 1, T, KV * D);
    Bench b = bench_open();

    randomise(q, G_N_ELEMENTS(q));
    randomise(k, G_N_ELEMENTS(k));
    randomise(v, G_N_ELEMENTS(v));
    for (int window = 0; window <= WINDOW; window += WINDOW) {
        SanaAttention a = {HEADS, KV, .scale = 0.7f, .causal = true, .window = window};
        sana_attention(b.s, f32(y, 1, N, HEADS * D), f32(q, 1, N, HEADS * D), tk, tv, a);
        for (int i = 0; i < N; i++) {
            int last = i + T - N, first = window ? last - window + 1 : 0;
            SanaAttention all = {HEADS, KV, .scale = 0.7f};
            sana_attention(b.s, f32(want, 1, 1, HEADS * D), f32(q + i * HEADS * D, 1, 1, HEADS * D),
                           sana_rows(tk, first, last - first + 1),
                           sana_rows(tv, first, last - first + 1), all);
            assert_near(y + i * HEADS * D, want, HEADS * D);
        }
    }
    bench_close(&b);
}

static void
test_attention_heads_share_keys_in_order(void)
{
    /* one key: the output is the value of the head's kv head */
    float q[4] = {1, 2, 3, 4}, k[2] = {1, 1}, v[2] = {10, 20}, y[4];
    Bench b = bench_open();
    sana_attention(b.s, f32(y, 1, 1, 4), f32(q, 1, 1, 4), f32(k, 1, 1, 2), f32(v, 1, 1, 2),
                   (SanaAttention){4, 2, .scale = 1});
    assert_near(y, (float[]){10, 10, 20, 20}, 4);
    bench_close(&b);
}

static void
test_rope_turns_pairs(void)
{
    enum { D = 6, HEADS = 2 };
    float x[HEADS * D], was[HEADS * D];
    Bench b = bench_open();

    randomise(x, G_N_ELEMENTS(x));
    memcpy(was, x, sizeof x);
    sana_rope(b.s, f32(x, 1, 1, HEADS * D), D, 0, 100);
    g_assert_cmpmem(x, sizeof x, was, sizeof was); /* position 0 */
    sana_rope(b.s, f32(x, 1, 1, HEADS * D), D, 7, 100);
    for (int head = 0; head < HEADS; head++)
        for (int i = 0; i < D / 2; i++) {
            double angle = 7 / pow(100, 2.0 * i / D);
            double p = was[head * D + i], q = was[head * D + D / 2 + i];
            float want[] = {(float)(p * cos(angle) - q * sin(angle)),
                            (float)(q * cos(angle) + p * sin(angle))};
            assert_near(&x[head * D + i], &want[0], 1);
            assert_near(&x[head * D + D / 2 + i], &want[1], 1);
        }
    bench_close(&b);
}

static void
test_norms(void)
{
    float x[] = {3, -4}, weight[] = {2, 10}, bias[] = {1, 0}, y[2], residual[] = {5, 5};
    float shift[] = {1, 2}, scale[] = {0, 1};
    SanaNorm norm = {SANA_NORM_RMS, f32(weight, 1, 1, 2), SANA_NONE, 0};
    float root = sqrtf(12.5f);
    Bench b = bench_open();

    sana_norm(b.s, f32(y, 1, 1, 2), f32(x, 1, 1, 2), &norm, SANA_ACT_NONE, SANA_NONE);
    assert_near(y, (float[]){6 / root, -40 / root}, 2);
    norm.bias = f32(bias, 1, 1, 2);
    norm.eps = 12.5f;
    sana_norm(b.s, f32(y, 1, 1, 2), f32(x, 1, 1, 2), &norm, SANA_ACT_RELU, f32(residual, 1, 1, 2));
    assert_near(y, (float[]){1 + 6 / 5.0f + 5, 5}, 2);
    norm.kind = SANA_NORM_AFFINE;
    sana_norm(b.s, f32(y, 1, 1, 2), f32(x, 1, 1, 2), &norm, SANA_ACT_NONE, SANA_NONE);
    assert_near(y, (float[]){7, -40}, 2);
    norm = (SanaNorm){SANA_NORM_RMS, f32(weight, 1, 1, 2), SANA_NONE, 16, 2};
    sana_norm(b.s, f32(y, 1, 1, 2), f32(x, 1, 1, 2), &norm, SANA_ACT_NONE, SANA_NONE);
    assert_near(y, (float[]){2 * 3 / 5.0f, -10 * 4 / sqrtf(32)}, 2);
    /* mean −1/2, deviations ±7/2 */
    sana_norm_modulate(b.s, f32(y, 1, 1, 2), f32(x, 1, 1, 2), f32(shift, 1, 1, 2),
                       f32(scale, 1, 1, 2), 0);
    assert_near(y, (float[]){2, 0}, 2);
    sana_add_gated(b.s, f32(y, 1, 1, 2), f32(x, 1, 1, 2), f32(weight, 1, 1, 2));
    assert_near(y, (float[]){8, -40}, 2);
    bench_close(&b);
}

static void
test_pointwise(void)
{
    float a[] = {1, 2, 3, 4}, v[] = {10, 20}, coef[] = {2, -1}, y[4], table[] = {1, 2, 3, 4};
    float t = 2, time[4];
    int32_t ids[] = {1, 0};
    Bench b = bench_open();

    sana_add(b.s, f32(y, 1, 2, 2), f32(a, 1, 2, 2), f32(v, 1, 1, 2));
    assert_near(y, (float[]){11, 22, 13, 24}, 4);
    sana_mix(b.s, f32(y, 1, 2, 2), f32(a, 1, 2, 2), f32(table, 1, 2, 2), f32(coef, 1, 1, 2));
    assert_near(y, (float[]){1, 2, 3, 4}, 4);
    sana_geglu(b.s, f32(y, 1, 1, 2), f32((float[]){1, -1, 10, 100}, 1, 1, 4));
    assert_near(y, (float[]){8.411920f, -15.88080f}, 2);
    sana_embed_tokens(b.s, f32(y, 1, 2, 2), f32(table, 1, 2, 2), ids, 0.5f);
    assert_near(y, (float[]){1.5f, 2, 0.5f, 1}, 4);
    sana_timestep_embedding(b.s, f32(time, 1, 1, 4), f32(&t, 1, 1, 1));
    assert_near(time, (float[]){cosf(2), cosf(0.02f), sinf(2), sinf(0.02f)}, 4);
    bench_close(&b);
}

static void
test_shuffles_undo_each_other(void)
{
    enum { H = 4, W = 6, C = 3 };
    float x[H * W * C], small[H * W * C], back[H * W * C];
    Bench b = bench_open();

    randomise(x, G_N_ELEMENTS(x));
    sana_pixel_unshuffle(b.s, f32(small, H / 2, W / 2, 4 * C), f32(x, H, W, C));
    sana_pixel_shuffle(b.s, f32(back, H, W, C), f32(small, H / 2, W / 2, 4 * C));
    g_assert_cmpmem(x, sizeof x, back, sizeof back);
    /* position (1, 2), channel 2·4 + 2·1 + 0 is pixel (3, 4), channel 2 */
    g_assert_true(small[(1 * W / 2 + 2) * 4 * C + 10] == x[(3 * W + 4) * C + 2]);
    bench_close(&b);
}

static void
test_shortcuts(void)
{
    /* one position of 4 pixels × 2 channels */
    float x[] = {1, 10, 2, 20, 3, 30, 4, 40}, y[8] = {100}, large[8] = {0}, pair[] = {1, 2};
    Bench b = bench_open();

    sana_add_unshuffled_mean(b.s, f32(y, 1, 1, 2), f32(x, 2, 2, 2));
    assert_near(y, (float[]){102.5f, 25}, 2);
    memset(y, 0, sizeof y);
    sana_add_unshuffled_mean(b.s, f32(y, 1, 1, 4), f32(x, 2, 2, 2));
    assert_near(y, (float[]){1.5f, 3.5f, 15, 35}, 4);
    memset(y, 0, sizeof y);
    sana_add_unshuffled_mean(b.s, f32(y, 1, 2, 2), f32(x, 1, 2, 4));
    assert_near(y, (float[]){5.5f, 11, 16.5f, 22}, 4);
    /* two channels, each repeated twice: rows of the 2 × 2 block */
    sana_add_shuffled_repeat(b.s, f32(large, 2, 2, 1), f32(pair, 1, 1, 2));
    assert_near(large, (float[]){1, 1, 2, 2}, 4);
    sana_add_shuffled_repeat(b.s, f32(large, 1, 1, 6), f32(pair, 1, 1, 2));
    assert_near(large, (float[]){2, 2, 3, 4, 2, 2}, 6);
    bench_close(&b);
}

static void
test_picture_levels(void)
{
    guint16 *levels = g_new(guint16, 3 * 65536), *back = g_new(guint16, 3 * 65536);
    float *y = g_new(float, 3 * 65536);
    guint8 bytes[] = {0, 255, 51, 9}, out[4];
    float odd[] = {-2, 3, NAN, 0, 0, 0};
    Bench b = bench_open();

    for (int i = 0; i < 3 * 65536; i++)
        levels[i] = (guint16)i;
    sana_image_load(b.s, f32(y, 256, 256, 3), sana_tensor(levels, SANA_U16, 256, 256, 3));
    sana_image_store(b.s, sana_tensor(back, SANA_U16, 256, 256, 3), f32(y, 256, 256, 3));
    g_assert_cmpmem(levels, 6 * 65536, back, 6 * 65536);
    sana_image_load(b.s, f32(y, 1, 1, 3), sana_tensor(bytes, SANA_U8, 1, 1, 4));
    assert_near(y, (float[]){-1, 1, -0.6f}, 3);
    sana_image_store(b.s, sana_tensor(out, SANA_U8, 1, 1, 4), f32(y, 1, 1, 3));
    g_assert_cmpmem(out, 4, ((guint8[]){0, 255, 51, 255}), 4);
    sana_image_store(b.s, sana_tensor(out, SANA_U8, 1, 1, 3), f32(odd, 1, 1, 3));
    g_assert_cmpmem(out, 3, ((guint8[]){0, 255, 0}), 3);
    /* 127.5 goes to even */
    sana_image_store(b.s, sana_tensor(out, SANA_U8, 1, 1, 3), f32(odd + 3, 1, 1, 3));
    g_assert_cmpuint(out[0], ==, 128);
    bench_close(&b);
    g_free(levels);
    g_free(back);
    g_free(y);
}

/* Packed pixels of three bytes, all of the picture, levels 0 … 255 for colours −1 … 1. */
static SanaVideo
packed(guint8 *bytes, int width, int height, bool store)
{
    SanaVideo v = {width, height, .content = {0, 0, width, height}};
    for (int i = 0; i < 3; i++) {
        v.component[i] = (SanaVideoComponent){bytes + i, 3 * (size_t)width, 3, 1, 1, .5f, .5f};
        v.matrix[i][i] = store ? 127.5f : 2.0f / 255;
        v.matrix[i][3] = store ? 127.5f : -1;
    }
    return v;
}

static void
test_video_levels(void)
{
    guint8 levels[3 * 256], back[3 * 256] = {0};
    float *y = g_new(float, 3 * 256), odd[] = {-2, 3, 0, NAN, 0, 0, 0, 0, 0};
    Bench b = bench_open();
    SanaVideo in = packed(levels, 16, 16, false), out = packed(back, 16, 16, true);

    for (int i = 0; i < 3 * 256; i++)
        levels[i] = (guint8)(i * 7);
    sana_video_load(b.s, f32(y, 16, 16, 3), &in);
    sana_video_store(b.s, &out, f32(y, 16, 16, 3));
    g_assert_cmpmem(levels, sizeof levels, back, sizeof back);
    out = packed(back, 3, 1, true);
    out.matrix[1][3] = 126.5f;
    sana_video_store(b.s, &out, f32(odd, 1, 3, 3));
    /* 127.5 and 126.5 go to even */
    g_assert_cmpmem(back, 9, ((guint8[]){0, 255, 128, 0, 0, 0, 128, 126, 128}), 9);
    bench_close(&b);
    g_free(y);
}

/* Samples of colour in the first of two pixels: the second is half way to the next, the last as
 * the one before it; downwards they lie between the lines. */
static void
test_video_colours(void)
{
    guint8 luma[] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, colour[] = {10, 20, 30, 50, 60, 90, 70, 110};
    float y[27];
    Bench b = bench_open();
    SanaVideo v = {3, 3, .content = {0, 0, 3, 3}};

    v.component[0] = (SanaVideoComponent){luma, 3, 1, 1, 1, .5f, .5f};
    for (int i = 0; i < 2; i++)
        v.component[1 + i] = (SanaVideoComponent){colour + i, 4, 2, 2, 2, .5f, 1};
    for (int i = 0; i < 3; i++)
        v.matrix[i][i] = 1;
    sana_video_load(b.s, f32(y, 3, 3, 3), &v);
    assert_near(y, (float[]){0, 10, 20, 1, 20, 35, 2, 30, 50}, 9);
    assert_near(y + 9, (float[]){3, 22.5f, 37.5f, 4, 31.25f, 51.25f, 5, 40, 65}, 9);
    assert_near(y + 18, (float[]){6, 47.5f, 72.5f, 7, 53.75f, 83.75f, 8, 60, 95}, 9);
    bench_close(&b);
}

/* Two pixels in the middle of a picture, and one pixel of four. */
static void
test_video_places(void)
{
    guint8 two[] = {10, 0, 0, 20, 0, 0}, four[] = {0, 0, 0, 40, 0, 0, 80, 0, 0, 120, 0, 0};
    float y[21];
    Bench b = bench_open();
    SanaVideo v = packed(two, 2, 1, false);

    v.matrix[0][0] = 1;
    v.matrix[0][3] = 0;
    v.content = (SanaRectangle){2, 0, 2, 1};
    sana_video_load(b.s, f32(y, 1, 7, 3), &v);
    for (int i = 0; i < 7; i++)
        g_assert_cmpfloat(y[3 * i], ==, ((float[]){20, 10, 10, 20, 20, 10, 10})[i]);
    v = packed(four, 4, 1, false);
    v.matrix[0][0] = 1;
    v.matrix[0][3] = 0;
    v.content = (SanaRectangle){0, 0, 1, 1};
    sana_video_load(b.s, f32(y, 1, 1, 3), &v);
    assert_near(y, (float[]){60}, 1);
    bench_close(&b);
}

void
ops_truth_register(void)
{
    g_test_add_func("/truth/video-levels", test_video_levels);
    g_test_add_func("/truth/video-colours", test_video_colours);
    g_test_add_func("/truth/video-places", test_video_places);
    g_test_add_func("/truth/conversions", test_conversions);
    g_test_add_func("/truth/activations", test_activations);
    g_test_add_func("/truth/linear", test_linear);
    g_test_add_func("/truth/conv/point", test_conv_of_a_point_is_the_kernel_turned);
    g_test_add_func("/truth/conv/upsample", test_conv_upsampling_is_conv_of_the_enlarged_picture);
    g_test_add_func("/truth/conv/stride", test_conv_stride_takes_every_second);
    g_test_add_func("/truth/conv/groups", test_conv_groups_are_blocks);
    g_test_add_func("/truth/glu-depthwise", test_glu_depthwise_is_conv_then_gate);
    g_test_add_func("/truth/linear-attention", test_linear_attention_is_the_quadratic_form);
    g_test_add_func("/truth/attention/softmax", test_attention_weighs_by_softmax);
    g_test_add_func("/truth/attention/causal",
                    test_causal_attention_is_attention_over_the_keys_seen);
    g_test_add_func("/truth/attention/kv-heads", test_attention_heads_share_keys_in_order);
    g_test_add_func("/truth/rope", test_rope_turns_pairs);
    g_test_add_func("/truth/norms", test_norms);
    g_test_add_func("/truth/pointwise", test_pointwise);
    g_test_add_func("/truth/shuffles", test_shuffles_undo_each_other);
    g_test_add_func("/truth/shortcuts", test_shortcuts);
    g_test_add_func("/truth/pictures", test_picture_levels);
}
