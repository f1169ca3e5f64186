/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operations refuse, and what a stream does after it has failed or was cancelled. */
#include "ops_case.h"

#include <string.h>

typedef struct {
    SanaDevice *device;
    SanaPool *pool;
    SanaStream *s;
} Bench;

static bool
bench_open(Bench *b, const char *device)
{
    b->device = ops_device_or_skip(device, SANA_F32);
    if (!b->device)
        return false;
    b->pool = sana_pool_new(b->device);
    b->s = sana_stream_new(b->device, NULL);
    g_assert_nonnull(b->s);
    return true;
}

static void
bench_close(Bench *b)
{
    sana_stream_free(b->s);
    sana_pool_free(b->pool);
    sana_device_unref(b->device);
}

static SanaTensor
f32(Bench *b, int h, int w, int c)
{
    return sana_pool_tensor(b->pool, SANA_F32, h, w, c);
}

static SanaTensor
bf16(Bench *b, int h, int w, int c)
{
    return sana_pool_tensor(b->pool, SANA_BF16, h, w, c);
}

/* --- one or more impossible calls for each operation ----------------------------------------- */

static const SanaLinear linear_2_3 = {.in = 2, .out = 3};
static const SanaConv conv_2_3 = {2, 3, 3, 1, 1, 1};
static const SanaConv depthwise_4 = {4, 4, 3, 1, 1, 4}, grouped_4 = {4, 4, 3, 1, 1, 2},
                      large_4 = {4, 4, 3, 1, 2, 4};

static void
linear_width(Bench *b)
{
    sana_linear(b->s, f32(b, 1, 5, 3), f32(b, 1, 5, 4), &linear_2_3, SANA_ACT_NONE, SANA_NONE);
}

static void
linear_rows(Bench *b)
{
    sana_linear(b->s, f32(b, 1, 4, 3), f32(b, 1, 5, 2), &linear_2_3, SANA_ACT_NONE, SANA_NONE);
}

static void
linear_residual_dtype(Bench *b)
{
    sana_linear(b->s, f32(b, 1, 5, 3), f32(b, 1, 5, 2), &linear_2_3, SANA_ACT_NONE,
                bf16(b, 1, 5, 3));
}

static void
linear_output_dtype(Bench *b)
{
    sana_linear(b->s, bf16(b, 1, 5, 3), f32(b, 1, 5, 2), &linear_2_3, SANA_ACT_NONE, SANA_NONE);
}

static void
linear_absent_input(Bench *b)
{
    sana_linear(b->s, f32(b, 1, 5, 3), SANA_NONE, &linear_2_3, SANA_ACT_NONE, SANA_NONE);
}

static void
conv_size(Bench *b)
{
    sana_conv(b->s, f32(b, 4, 5, 3), f32(b, 4, 4, 2), &conv_2_3, SANA_ACT_NONE);
}

static void
conv_channels(Bench *b)
{
    sana_conv(b->s, f32(b, 4, 4, 2), f32(b, 4, 4, 2), &conv_2_3, SANA_ACT_NONE);
}

static void
conv_stride_size(Bench *b)
{
    SanaConv k = conv_2_3;
    k.stride = 2; /* 5 → 3, not 2 */
    sana_conv(b->s, f32(b, 2, 2, 3), f32(b, 5, 5, 2), &k, SANA_ACT_NONE);
}

static void
conv_upsample(Bench *b)
{
    sana_conv(b->s, f32(b, 8, 8, 4), f32(b, 4, 4, 4), &large_4, SANA_ACT_NONE);
}

static void
conv_grouped_act(Bench *b)
{
    sana_conv(b->s, f32(b, 4, 4, 4), f32(b, 4, 4, 4), &grouped_4, SANA_ACT_SILU);
}

static void
conv_dtypes(Bench *b)
{
    sana_conv(b->s, f32(b, 4, 4, 3), bf16(b, 4, 4, 2), &conv_2_3, SANA_ACT_NONE);
}

static void
conv_view(Bench *b)
{
    sana_conv(b->s, f32(b, 4, 4, 3), sana_columns(f32(b, 4, 4, 5), 1, 2), &conv_2_3, SANA_ACT_NONE);
}

static void
glu_depthwise_channels(Bench *b)
{
    sana_glu_depthwise(b->s, f32(b, 4, 4, 4), f32(b, 4, 4, 4), &depthwise_4);
}

static void
glu_depthwise_dense(Bench *b)
{
    sana_glu_depthwise(b->s, f32(b, 4, 4, 1), f32(b, 4, 4, 2), &conv_2_3);
}

static void
linear_attention_head(Bench *b)
{
    sana_linear_attention(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 18), 4, SANA_QKV_BY_PART);
}

static void
linear_attention_width(Bench *b)
{
    sana_linear_attention(b->s, f32(b, 1, 4, 8), f32(b, 1, 4, 16), 4, SANA_QKV_BY_HEAD);
}

static void
attention_heads(Bench *b)
{
    SanaTensor q = f32(b, 1, 4, 6), kv = f32(b, 1, 4, 4);
    sana_attention(b->s, f32(b, 1, 4, 6), q, kv, kv, (SanaAttention){3, 2, .scale = 1});
}

static void
attention_causal_queries(Bench *b)
{
    SanaTensor q = f32(b, 1, 5, 6), kv = f32(b, 1, 4, 6);
    sana_attention(b->s, f32(b, 1, 5, 6), q, kv, kv,
                   (SanaAttention){3, 3, .scale = 1, .causal = true});
}

static void
attention_values(Bench *b)
{
    sana_attention(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 6), f32(b, 1, 4, 6), f32(b, 1, 5, 6),
                   (SanaAttention){3, 3, .scale = 1});
}

static void
rope_odd(Bench *b)
{
    sana_rope(b->s, f32(b, 1, 4, 9), 3, 0, 10000);
}

static void
rope_negative(Bench *b)
{
    sana_rope(b->s, f32(b, 1, 4, 8), 4, -1, 10000);
}

static void
norm_weight(Bench *b)
{
    SanaNorm n = {SANA_NORM_RMS, f32(b, 1, 1, 5), SANA_NONE, 1e-5f};
    sana_norm(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 6), &n, SANA_ACT_NONE, SANA_NONE);
}

static void
norm_groups(Bench *b)
{
    SanaNorm n = {SANA_NORM_RMS, f32(b, 1, 1, 6), SANA_NONE, 1e-5f, 4};
    sana_norm(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 6), &n, SANA_ACT_NONE, SANA_NONE);
}

static void
norm_residual(Bench *b)
{
    SanaNorm n = {SANA_NORM_RMS, f32(b, 1, 1, 6), SANA_NONE, 1e-5f};
    sana_norm(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 6), &n, SANA_ACT_NONE, f32(b, 1, 3, 6));
}

static void
conv_norm_add_weight(Bench *b)
{
    SanaNorm n = {SANA_NORM_RMS, f32(b, 1, 1, 2), SANA_NONE, 1e-5f};
    sana_conv_norm_add(b->s, f32(b, 4, 4, 3), f32(b, 4, 4, 2), &conv_2_3, &n);
}

static void
conv_norm_add_groups(Bench *b)
{
    SanaNorm n = {SANA_NORM_RMS, f32(b, 1, 1, 3), SANA_NONE, 1e-5f, 2};
    sana_conv_norm_add(b->s, f32(b, 4, 4, 3), f32(b, 4, 4, 2), &conv_2_3, &n);
}

static void
conv_norm_add_size(Bench *b)
{
    SanaNorm n = {SANA_NORM_RMS, f32(b, 1, 1, 3), SANA_NONE, 1e-5f};
    sana_conv_norm_add(b->s, f32(b, 4, 5, 3), f32(b, 4, 4, 2), &conv_2_3, &n);
}

static void
norm_modulate_scale(Bench *b)
{
    sana_norm_modulate(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 6), f32(b, 1, 1, 6), f32(b, 1, 2, 6), 0);
}

static void
add_gated_gate(Bench *b)
{
    sana_add_gated(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 6), f32(b, 1, 1, 3));
}

static void
activate_shape(Bench *b)
{
    sana_activate(b->s, f32(b, 1, 4, 6), f32(b, 1, 6, 4), SANA_ACT_SILU);
}

static void
activate_picture(Bench *b)
{
    sana_activate(b->s, f32(b, 1, 4, 3), sana_pool_tensor(b->pool, SANA_U8, 1, 4, 3),
                  SANA_ACT_NONE);
}

static void
add_shape(Bench *b)
{
    sana_add(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 6), f32(b, 1, 2, 6));
}

static void
mix_coefficients(Bench *b)
{
    sana_mix(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 6), f32(b, 1, 4, 6), f32(b, 1, 1, 3));
}

static void
geglu_width(Bench *b)
{
    sana_geglu(b->s, f32(b, 1, 4, 6), f32(b, 1, 4, 6));
}

static void
embed_tokens_id(Bench *b)
{
    float table[4] = {0};
    sana_embed_tokens(b->s, f32(b, 1, 2, 2), sana_tensor(table, SANA_F32, 1, 2, 2),
                      (int32_t[]){0, 2}, 1);
}

static void
embed_tokens_negative(Bench *b)
{
    float table[4] = {0};
    sana_embed_tokens(b->s, f32(b, 1, 2, 2), sana_tensor(table, SANA_F32, 1, 2, 2),
                      (int32_t[]){0, -1}, 1);
}

static void
timestep_embedding_odd(Bench *b)
{
    sana_timestep_embedding(b->s, f32(b, 1, 1, 5), f32(b, 1, 1, 1));
}

static void
pixel_unshuffle_odd(Bench *b)
{
    sana_pixel_unshuffle(b->s, f32(b, 2, 2, 8), f32(b, 5, 4, 2));
}

static void
pixel_shuffle_channels(Bench *b)
{
    sana_pixel_shuffle(b->s, f32(b, 4, 4, 2), f32(b, 2, 2, 6));
}

static void
add_unshuffled_mean_group(Bench *b)
{
    sana_add_unshuffled_mean(b->s, f32(b, 2, 2, 3), f32(b, 4, 4, 2));
}

static void
add_unshuffled_mean_width(Bench *b)
{
    sana_add_unshuffled_mean(b->s, f32(b, 2, 2, 2), f32(b, 4, 6, 2));
}

static void
add_shuffled_repeat_size(Bench *b)
{
    sana_add_shuffled_repeat(b->s, f32(b, 6, 6, 2), f32(b, 2, 2, 2));
}

static void
image_load_channels(Bench *b)
{
    sana_image_load(b->s, f32(b, 2, 2, 3), sana_pool_tensor(b->pool, SANA_U8, 2, 2, 2));
}

static void
image_store_size(Bench *b)
{
    sana_image_store(b->s, sana_pool_tensor(b->pool, SANA_U8, 2, 3, 3), f32(b, 3, 2, 3));
}

static SanaVideo
video(int width, int height)
{
    const SanaVideoComponent c = {.step = 1, .sub_x = 1, .sub_y = 1};
    return (SanaVideo){width, height, {c, c, c}, .content = {0, 0, 4, 3}};
}

static void
video_load_outside(Bench *b)
{
    SanaVideo v = video(4, 3);
    v.content.x = 1;
    sana_video_load(b->s, f32(b, 3, 4, 3), &v);
}

static void
video_load_reduced(Bench *b)
{
    SanaVideo v = video(4 * 65, 3);
    sana_video_load(b->s, f32(b, 3, 4, 3), &v);
}

static void
video_store_step(Bench *b)
{
    SanaVideo v = video(4, 3);
    v.component[2].step = 5;
    sana_video_store(b->s, &v, f32(b, 3, 4, 3));
}

/* --- overlaps that are not "in place" -------------------------------------------------------- */

static void
linear_overlap(Bench *b)
{
    float weights[6] = {0};
    SanaTensor x = f32(b, 1, 5, 5), source = sana_tensor(weights, SANA_F32, 1, 3, 2);
    SanaLinear l = linear_2_3;
    g_assert_true(sana_pool_linear(b->pool, &l, SANA_F32, &source, 1));
    sana_linear(b->s, sana_columns(x, 1, 3), sana_columns(x, 0, 2), &l, SANA_ACT_NONE, SANA_NONE);
}

static void
conv_overlap(Bench *b)
{
    float weights[81] = {0};
    SanaConv k = {3, 3, 3, 1, 1, 1};
    SanaTensor x = f32(b, 4, 4, 3);
    g_assert_true(sana_pool_conv(b->pool, &k, SANA_F32, sana_tensor(weights, SANA_F32, 1, 3, 27)));
    sana_conv(b->s, x, x, &k, SANA_ACT_NONE);
}

static void
attention_overlap(Bench *b)
{
    SanaTensor q = f32(b, 1, 4, 6), kv = f32(b, 1, 4, 6);
    sana_attention(b->s, q, q, kv, kv, (SanaAttention){3, 3, .scale = 1});
}

static void
pixel_shuffle_overlap(Bench *b)
{
    SanaTensor x = f32(b, 2, 2, 8);
    sana_pixel_shuffle(b->s, sana_reshape(x, 4, 4, 2), x);
}

static void
norm_shifted(Bench *b)
{
    SanaTensor x = f32(b, 1, 5, 6);
    SanaNorm n = {SANA_NORM_RMS, f32(b, 1, 1, 6), SANA_NONE, 1e-5f};
    sana_norm(b->s, sana_rows(x, 1, 4), sana_rows(x, 0, 4), &n, SANA_ACT_NONE, SANA_NONE);
}

#define ROW(op, what)                        \
    {                                        \
        "sana_" #op ": ", #what, op##_##what \
    }
typedef struct {
    const char *op, *what;
    void (*call)(Bench *b);
} Refusal;

static const Refusal refusals[] = {
    ROW(linear, width),
    ROW(linear, rows),
    ROW(linear, residual_dtype),
    ROW(linear, output_dtype),
    ROW(linear, absent_input),
    ROW(conv, size),
    ROW(conv, channels),
    ROW(conv, stride_size),
    ROW(conv, upsample),
    ROW(conv, grouped_act),
    ROW(conv, dtypes),
    ROW(conv, view),
    ROW(glu_depthwise, channels),
    ROW(glu_depthwise, dense),
    ROW(linear_attention, head),
    ROW(linear_attention, width),
    ROW(attention, heads),
    ROW(attention, causal_queries),
    ROW(attention, values),
    ROW(rope, odd),
    ROW(rope, negative),
    ROW(norm, weight),
    ROW(norm, groups),
    ROW(norm, residual),
    ROW(conv_norm_add, weight),
    ROW(conv_norm_add, groups),
    ROW(conv_norm_add, size),
    ROW(norm_modulate, scale),
    ROW(add_gated, gate),
    ROW(activate, shape),
    ROW(activate, picture),
    ROW(add, shape),
    ROW(mix, coefficients),
    ROW(geglu, width),
    ROW(embed_tokens, id),
    ROW(embed_tokens, negative),
    ROW(timestep_embedding, odd),
    ROW(pixel_unshuffle, odd),
    ROW(pixel_shuffle, channels),
    ROW(add_unshuffled_mean, group),
    ROW(add_unshuffled_mean, width),
    ROW(add_shuffled_repeat, size),
    ROW(image_load, channels),
    ROW(image_store, size),
    ROW(video_load, outside),
    ROW(video_load, reduced),
    ROW(video_store, step),
};

/* The planner has no addresses to compare. */
static const Refusal overlaps[] = {
    ROW(linear, overlap),        ROW(conv, overlap), ROW(attention, overlap),
    ROW(pixel_shuffle, overlap), ROW(norm, shifted),
};

static void
assert_refused(Bench *b, const Refusal *r)
{
    GError *error = NULL;
    r->call(b);
    bool failed = !sana_stream_ok(b->s), done = sana_stream_finish(b->s, &error);
    if (!failed || done || !g_error_matches(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED) ||
        !g_str_has_prefix(error->message, r->op)) {
        g_test_message("FAILED %s%s: %s", r->op, r->what, error ? error->message : "not refused");
        g_test_fail();
    }
    g_assert_true(sana_stream_ok(b->s)); /* finishing clears */
    g_clear_error(&error);
}

static void
assert_all_refused(const char *device, const Refusal *rows, size_t n)
{
    Bench b;
    if (!bench_open(&b, device))
        return;
    for (size_t i = 0; i < n; i++)
        assert_refused(&b, &rows[i]);
    bench_close(&b);
}

static void
test_refusals(gconstpointer device)
{
    assert_all_refused(device, refusals, G_N_ELEMENTS(refusals));
}

static void
test_overlaps(gconstpointer device)
{
    assert_all_refused(device, overlaps, G_N_ELEMENTS(overlaps));
}

/* --- after a failure ------------------------------------------------------------------------- */

static const float ones[4] = {1, 1, 1, 1}, threes[4] = {3, 3, 3, 3};

static void
assert_holds(Bench *b, SanaTensor x, const float *want)
{
    float got[4];
    GError *error = NULL;
    sana_download(b->s, got, x);
    sana_stream_finish(b->s, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(got, sizeof got, want, sizeof got);
}

static void
test_failure_sticks(gconstpointer device)
{
    Bench b;
    GError *error = NULL;
    if (!bench_open(&b, device))
        return;
    SanaTensor x = f32(&b, 1, 1, 4), y = f32(&b, 1, 1, 4);

    sana_upload(b.s, x, ones);
    sana_upload(b.s, y, threes);
    geglu_width(&b);
    rope_odd(&b); /* the second failure is not the one reported */
    sana_activate(b.s, y, x, SANA_ACT_NONE);
    sana_upload(b.s, y, ones);
    g_assert_false(sana_stream_ok(b.s));
    g_assert_false(sana_stream_finish(b.s, &error));
    g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED);
    g_assert_true(g_str_has_prefix(error->message, "sana_geglu: "));
    g_clear_error(&error);

    assert_holds(&b, y, threes);
    sana_activate(b.s, y, x, SANA_ACT_NONE);
    assert_holds(&b, y, ones);
    bench_close(&b);
}

static gpointer
cancel(gpointer s)
{
    sana_stream_cancel(s);
    return NULL;
}

static void
test_cancelling(gconstpointer device)
{
    Bench b;
    GError *error = NULL;
    if (!bench_open(&b, device))
        return;
    SanaTensor x = f32(&b, 1, 1, 4), y = f32(&b, 1, 1, 4);

    sana_upload(b.s, x, ones);
    sana_upload(b.s, y, threes);
    g_thread_join(g_thread_new("cancel", cancel, b.s));
    sana_activate(b.s, y, x, SANA_ACT_NONE);
    g_assert_false(sana_stream_finish(b.s, &error));
    g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_CANCELLED);
    g_clear_error(&error);

    assert_holds(&b, y, threes);
    sana_activate(b.s, y, x, SANA_ACT_NONE);
    assert_holds(&b, y, ones);
    bench_close(&b);
}

static void
add(const char *device, const char *name, GTestDataFunc test)
{
    char *path = g_strdup_printf("/ops/%s/%s", device, name);
    g_test_add_data_func(path, device, test);
    g_free(path);
}

void
ops_refusal_register(const char *device)
{
    add(device, "refusals", test_refusals);
    if (strcmp(device, "planner") == 0)
        return;
    add(device, "overlaps", test_overlaps);
    add(device, "failure-sticks", test_failure_sticks);
    add(device, "cancelling", test_cancelling);
}
