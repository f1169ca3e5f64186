/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a case's tensors on two devices, runs it on both and compares. */
#include "ops_case.h"

#include <math.h>
#include <string.h>

#include "cuda_host/cuda_host.h"
#include "kernels/convert.h"
#include "kernels/cpu/cpu.h"

/* Stands in every element that must not change; exact in every type. */
#define SENTINEL 96.0f

/*
 * Bounds on Σ(got − want)²/Σ want².
 *
 * A value stored once with p significant bits is off by at most half a last place, evenly spread:
 * Σe²/Σx² = 4^(1−p)/12 / (7/3) for numbers spread over a binade, 2.2e-6 for bf16 (p = 8) and
 * 3.4e-8 for f16 (p = 11); a binade that is filled unevenly changes that by less than two.  So
 * ONCE below is 4e-6 and 6.3e-8: rounding twice does not pass unseen.  F32 bounds are what f32
 * arithmetic in any order reaches with room for a vector exp of a few last places; bf16 sums, or
 * TF32 products, are 1e-7 and more.
 */
#define ONCE 4e-6, 6.3e-8

/* Mean square below which results are not taken for a scale.  Cases are made so that results are
 * of the size of inputs, about one: a lone sum that happens to cancel says nothing of precision. */
#define POWER_MIN 0.01

/*
 * Integers within ±127 of numbers spread evenly are off by 1/127²/12 ÷ 1/3 = 1.6e-5 of their mean
 * square; a product has that of both factors, and of what it is stored as.  Weights of an enlarging
 * convolution are added up before, up to four of them, and share a scale: four times as much.
 */
#define INTEGERS 6e-5
#define INTEGERS_ADDED 1.6e-4

/* E4M3 has p = 4: 5.6e-4 for numbers spread over a binade, and a product has that of both factors.
 * Sums of weights lose no more: each number is rounded in its own binade. */
#define EIGHTHS 2e-3

static const struct {
    const char *op;
    double f32, bf16, f16;
} bounds[] = {
    {"linear", 1e-10, ONCE},
    /* the product may be rounded before it is added */
    {"linear add", 1e-10, 8e-6, 1.3e-7},
    {"conv", 1e-10, ONCE},
    /* sums of the weights that meet the same pixel may be rounded as well */
    {"conv upsample", 1e-10, 8e-6, 1.3e-7},
    {"glu_depthwise", 1e-11, ONCE},
    {"linear_attention", 1e-10, ONCE},
    /* the probabilities may be rounded as well before they meet v */
    {"attention", 1e-10, 8e-6, 1.3e-7},
    /* a frequency that rounds the other way turns by 1e-5 at position 500 */
    {"rope", 1e-9, ONCE},
    {"norm", 1e-11, ONCE},
    /* the sums of the convolution may be rounded as well */
    {"conv_norm_add", 1e-10, 8e-6, 1.3e-7},
    {"norm_modulate", 1e-11, ONCE},
    {"add_gated", 1e-12, ONCE},
    {"activate", 1e-11, ONCE},
    {"add", 1e-12, ONCE},
    {"mix", 1e-12, ONCE},
    {"geglu", 1e-11, ONCE},
    {"embed_tokens", 1e-13, ONCE},
    {"timestep_embedding", 1e-11, ONCE},
    {"pixel_unshuffle", 0, 0, 0},
    {"pixel_shuffle", 0, 0, 0},
    {"add_unshuffled_mean", 1e-12, ONCE},
    {"add_shuffled_repeat", 1e-12, ONCE},
    {"image_load", 1e-12, ONCE},
    /* levels: one of them apart in a thousand, where f32 decides a tie otherwise */
    {"image_store", 1e-7, 1e-7, 1e-7},
    /* places are f32, and so are weights */
    {"video_load", 1e-11, ONCE},
    /* as image_store, where one pixel enlarged is a hundred */
    {"video_store", 2e-6, 2e-6, 2e-6},
};

/* Whether the weights stay in bf16 where E4M3 is asked for. */
static bool
is_too_narrow(const Case *c)
{
    const int in = MAX(c->linear.in, c->conv.in), out = MAX(c->linear.out, c->conv.out);
    return in < 64 || in % 16 != 0 || out < 64 || c->conv.groups > 1;
}

static double
bound_of(const Case *c, SanaDType stored, SanaDType weights)
{
    const char *op = c->op;
    if (weights == SANA_E4M3 && !is_too_narrow(c))
        return EIGHTHS;
    if (weights == SANA_S8)
        return strcmp(op, "conv upsample") == 0 ? INTEGERS_ADDED : INTEGERS;
    for (size_t i = 0; i < G_N_ELEMENTS(bounds); i++)
        if (strcmp(bounds[i].op, op) == 0)
            return stored == SANA_BF16  ? bounds[i].bf16
                   : stored == SANA_F16 ? bounds[i].f16
                                        : bounds[i].f32;
    g_error("no bound for %s", op);
}

/* The cpu device as a processor has it that runs these loops and no better ones. */
static SanaDevice *
cpu_open(const char *isa, GError **error)
{
    SanaDevice *device = sana_device_open("cpu", error);
    const SanaCpuLoops *loops;
    size_t n = 0;
    while ((loops = sana_cpu_loops_here(n++)) && strcmp(loops->isa, isa) != 0)
        ;
    g_assert_nonnull(loops);
    if (device)
        ((SanaCpuDevice *)device)->loops = loops;
    return device;
}

static SanaDevice *
device_open(const char *name, GError **error)
{
    g_autofree char *why = NULL;
    SanaDevice *device;
    if (g_str_has_prefix(name, "cpu-"))
        return cpu_open(name + strlen("cpu-"), error);
    if (strcmp(name, "cuda-host") != 0)
        return sana_device_open(name, error);
    device = cuda_host_open("", &why);
    if (!device)
        g_set_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED, "%s: %s", name, why);
    return device;
}

SanaDevice *
ops_device_or_skip(const char *name, SanaDType dtype)
{
    GError *error = NULL;
    SanaDevice *device = device_open(name, &error);
    if (strcmp(name, "cuda") == 0 &&
        g_error_matches(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MISSING)) {
        g_test_skip(error->message);
        g_clear_error(&error);
        return NULL;
    }
    g_assert_no_error(error);
    if (!sana_device_supports(device, dtype)) {
        g_autofree char *why =
            g_strdup_printf("%s does not compute in %s", name, sana_dtype_name(dtype));
        g_test_skip(why);
        g_clear_pointer(&device, sana_device_unref);
    }
    return device;
}

/* --- values ---------------------------------------------------------------------------------- */

static float
next(guint32 *random, float lo, float hi)
{
    *random = *random * 1664525u + 1013904223u;
    return lo + (hi - lo) * (float)(*random >> 8) * 0x1p-24f;
}

SanaDType
ops_arg_dtype(const Arg *a, SanaDType dtype)
{
    static const SanaDType fixed[] = {SANA_F32, SANA_F32, SANA_BF16, SANA_U8, SANA_U16};
    return a->type == CASE_DTYPE ? dtype : fixed[a->type];
}

static float
to_float(const void *data, size_t i, SanaDType dtype)
{
    switch (dtype) {
    case SANA_BF16:
        return sana_bf16_to_f32(((const guint16 *)data)[i]);
    case SANA_F16:
        return sana_f16_to_f32(((const guint16 *)data)[i]);
    case SANA_U8:
        return ((const guint8 *)data)[i];
    case SANA_U16:
        return ((const guint16 *)data)[i];
    default:
        return ((const float *)data)[i];
    }
}

static void
from_float(void *data, size_t i, SanaDType dtype, float value)
{
    if (dtype == SANA_BF16)
        ((guint16 *)data)[i] = sana_f32_to_bf16(value);
    else if (dtype == SANA_F16)
        ((guint16 *)data)[i] = sana_f32_to_f16(value);
    else if (dtype == SANA_U8)
        ((guint8 *)data)[i] = (guint8)value;
    else if (dtype == SANA_U16)
        ((guint16 *)data)[i] = (guint16)value;
    else
        ((float *)data)[i] = value;
}

static float
rounded(float value, SanaDType dtype)
{
    union {
        float f;
        guint16 h;
        guint8 b;
    } room;
    from_float(&room, 0, dtype, value);
    return to_float(&room, 0, dtype);
}

static bool
has_memory(const Arg *a)
{
    return a->role == IN || a->role == OUT || a->role == INOUT || a->role == HOST;
}

static size_t
whole_rows(const Arg *a)
{
    return (size_t)a->h * (size_t)a->w + 1;
}

/* Whether element (row, column) of whole belongs to the argument. */
static bool
inside(const Arg *a, size_t row, int column)
{
    int left = a->pad / 2;
    return row + 1 < whole_rows(a) && column >= left && column < left + a->c;
}

static float *
arg_values(const Arg *a, SanaDType dtype, guint32 *random)
{
    int width = a->c + a->pad;
    float *values = g_new(float, whole_rows(a) * (size_t)width);
    bool picture = dtype == SANA_U8 || dtype == SANA_U16;
    float lo = a->lo, hi = a->hi;

    if (lo == 0 && hi == 0) {
        lo = picture ? 0 : -2;
        hi = dtype == SANA_U8 ? 255.99f : picture ? 65535 : 2;
    }
    for (size_t row = 0; row < whole_rows(a); row++)
        for (int column = 0; column < width; column++) {
            float value = SENTINEL;
            if (inside(a, row, column))
                value = a->role == OUT && !picture ? NAN : next(random, lo, hi);
            else if (a->role == IN && !picture)
                value = NAN;
            values[row * (size_t)width + (size_t)column] = rounded(value, dtype);
        }
    return values;
}

static size_t
weight_count(const Case *c)
{
    if (c->linear.in)
        return (size_t)c->linear.in * (size_t)c->linear.out;
    if (c->conv.in)
        return (size_t)c->conv.out * (size_t)(c->conv.in / c->conv.groups) *
               (size_t)(c->conv.kernel * c->conv.kernel);
    return 0;
}

Values
ops_values_new(const Case *c, SanaDType dtype, guint32 *random)
{
    Values v = {0};
    size_t count = weight_count(c);
    int outs = c->linear.in ? c->linear.out : c->conv.out;
    /* a device that adds weights up may do it before it rounds them, and may round a bias: let them
     * be round */
    SanaDType weights = c->conv.upsample == 2 ? dtype : SANA_F32;

    for (int i = 0; i < MAX_ARGS; i++)
        if (has_memory(&c->args[i]))
            v.whole[i] = arg_values(&c->args[i], ops_arg_dtype(&c->args[i], dtype), random);
    if (!count)
        return v;
    float reach = 2 / sqrtf((float)(count / (size_t)outs)); /* outputs of the size of inputs */
    v.weights = g_new(float, count);
    for (size_t i = 0; i < count; i++)
        v.weights[i] = rounded(next(random, -reach, reach), weights);
    v.bias = g_new(float, outs);
    for (int i = 0; i < outs; i++)
        v.bias[i] = rounded(next(random, -1, 1), dtype);
    return v;
}

void
ops_values_free(Values *v)
{
    for (int i = 0; i < MAX_ARGS; i++)
        g_free(v->whole[i]);
    g_free(v->weights);
    g_free(v->bias);
}

/* --- one side -------------------------------------------------------------------------------- */

/* count floats as another type; g_free. */
static void *
stored(const float *values, size_t count, SanaDType dtype)
{
    char *data = g_malloc(count * sana_dtype_size(dtype));
    for (size_t i = 0; i < count; i++)
        from_float(data, i, dtype, values[i]);
    return data;
}

static void
open_arg(Side *side, int i, const Arg *a, const float *values, SanaDType storage)
{
    SanaDType dtype = ops_arg_dtype(a, storage);
    int rows = (int)whole_rows(a), width = a->c + a->pad;
    void *data = stored(values, (size_t)rows * (size_t)width, dtype);

    if (a->role == HOST) {
        side->whole[i] = sana_tensor(data, dtype, 1, rows, width);
    } else {
        side->whole[i] = sana_pool_tensor(side->pool, dtype, 1, rows, width);
        sana_upload(side->stream, side->whole[i], data);
        g_free(data);
    }
    side->t[i] = sana_columns(side->whole[i], a->pad / 2, a->c);
    side->t[i].h = a->h;
    side->t[i].w = a->w;
}

static void
pack(SanaPool *pool, Case *call, SanaDType dtype, const SanaTensor *sources, int parts)
{
    if (call->linear.in && call->in_place)
        g_assert_true(sana_pool_linear_in_place(pool, &call->linear, dtype, sources, parts));
    else if (call->linear.in)
        g_assert_true(sana_pool_linear(pool, &call->linear, dtype, sources, parts));
    else
        g_assert_true(sana_pool_conv(pool, &call->conv, dtype, sources[0]));
}

/* Packing takes what a plan says before. */
static void
pack_as_planned(Side *side, SanaDType dtype, const SanaTensor *sources, int parts)
{
    Case planned = side->call;
    SanaPool *plan = sana_pool_new_plan(sana_pool_device(side->pool));
    size_t before = sana_pool_bytes(side->pool);
    pack(side->pool, &side->call, dtype, sources, parts);
    if (!planned.in_place) {
        pack(plan, &planned, dtype, sources, parts);
        g_assert_cmpuint(sana_pool_bytes(side->pool) - before, ==, sana_pool_bytes(plan));
        g_assert_cmpuint(sana_pool_peak(plan), >=, sana_pool_bytes(plan));
    }
    sana_pool_free(plan);
}

static void
open_weights(Side *side, const Case *c, const Values *v, SanaDType dtype)
{
    int parts = MAX(c->parts, 1), outs = c->linear.in ? c->linear.out : c->conv.out;
    size_t count = weight_count(c);
    SanaDType source = ops_arg_dtype(&(Arg){.type = c->source}, SANA_F32);
    void *data = stored(v->weights, count, source);
    SanaTensor sources[4], bias = SANA_NONE;

    g_assert_cmpint(outs % parts, ==, 0);
    if (c->bias)
        bias = sana_pool_upload(side->pool, sana_tensor(v->bias, SANA_F32, 1, 1, outs), SANA_F32);
    for (int i = 0; i < parts; i++) {
        size_t offset = count / (size_t)parts * (size_t)i * sana_dtype_size(source);
        sources[i] = sana_tensor((char *)data + offset, source, 1, outs / parts,
                                 (int)(count / (size_t)outs));
    }
    side->call.linear.bias = side->call.conv.bias = bias;
    side->sources = data;
    pack_as_planned(side, dtype, sources, parts);
}

void
ops_side_open(Side *side, SanaDevice *dev, const Case *c, const Values *v, SanaDType storage,
              SanaDType dtype)
{
    GError *error = NULL;

    *side = (Side){.call = *c};
    side->pool = sana_pool_new(dev);
    side->stream = sana_stream_new(dev, &error);
    g_assert_no_error(error);
    g_assert_true(sana_stream_reserve(side->stream, (size_t)64 << 20, &error));
    for (int i = 0; i < MAX_ARGS; i++)
        if (has_memory(&c->args[i]))
            open_arg(side, i, &c->args[i], v->whole[i], storage);
    for (int i = 0; i < MAX_ARGS; i++)
        if (c->args[i].role == SAME)
            side->t[i] = side->t[c->args[i].same];
    if (weight_count(c))
        open_weights(side, c, v, dtype);
    g_assert_null(sana_pool_error(side->pool));
}

void
ops_side_close(Side *side)
{
    for (int i = 0; i < MAX_ARGS; i++)
        if (side->call.args[i].role == HOST)
            g_free(side->whole[i].data);
    sana_stream_free(side->stream);
    sana_pool_free(side->pool);
    g_free(side->sources);
}

float *
ops_side_read(Side *side, int i)
{
    SanaTensor x = side->whole[i];
    size_t count = sana_positions(x) * (size_t)x.c;
    void *data = g_malloc(sana_bytes(x));
    float *values = g_new(float, count);
    GError *error = NULL;

    sana_download(side->stream, data, x);
    sana_stream_finish(side->stream, &error);
    g_assert_no_error(error);
    for (size_t e = 0; e < count; e++)
        values[e] = to_float(data, e, x.dtype);
    g_free(data);
    return values;
}

/* --- comparing ------------------------------------------------------------------------------- */

char *
ops_describe(const Case *c, SanaDType dtype, SanaDType weights)
{
    static const char *const acts[] = {"", " silu", " relu", " gelu", " gelu_tanh", " mish"};
    static const char *const roles[] = {"", "in", "out", "inout", "same", "none", "host"};
    GString *text = g_string_new(c->op);

    for (int i = 0; i < MAX_ARGS && c->args[i].role != ABSENT; i++) {
        const Arg *a = &c->args[i];
        g_string_append_printf(text, " %s", roles[a->role]);
        if (has_memory(a))
            g_string_append_printf(text, "(%d,%d,%d %s%s)", a->h, a->w, a->c,
                                   sana_dtype_name(ops_arg_dtype(a, dtype)), a->pad ? " view" : "");
    }
    if (c->conv.in)
        g_string_append_printf(text, " kernel %d stride %d upsample %d groups %d", c->conv.kernel,
                               c->conv.stride, c->conv.upsample, c->conv.groups);
    if (c->attention.heads)
        g_string_append_printf(text, " heads %d/%d softcap %g causal %d window %d",
                               c->attention.heads, c->attention.kv_heads,
                               (double)c->attention.softcap, c->attention.causal,
                               c->attention.window);
    if (c->head_dim)
        g_string_append_printf(text, " head_dim %d order %d first %d", c->head_dim, c->order,
                               c->first);
    g_string_append_printf(text, "%s%s%s%s%s", acts[c->act], c->bias ? " bias" : "",
                           c->in_place ? " in place" : "",
                           sana_dtype_is_of_weights(weights) ? " products in " : "",
                           sana_dtype_is_of_weights(weights) ? sana_dtype_name(weights) : "");
    return g_string_free(text, FALSE);
}

/*
 * error   Σ(got − want)²/Σ want² inside the argument; of levels, without the first that is one off:
 *         f32 decides one tie in ten thousand otherwise, which is all there is among six bytes
 * many    how many elements make up that mean, weighted as it weighs them: (Σ want²)²/Σ want⁴
 * intact  nothing changed outside the argument
 */
typedef struct {
    double error, many;
    bool intact;
} Difference;

static Difference
difference(const Arg *a, const float *got, const float *want, bool levels)
{
    double error = 0, power = 0, fourth = 0, elements = 0;
    size_t width = (size_t)(a->c + a->pad);
    Difference d = {.many = 1, .intact = true};

    for (size_t i = 0; i < whole_rows(a) * width; i++) {
        if (!inside(a, i / width, (int)(i % width))) {
            d.intact = d.intact && got[i] == SENTINEL;
            continue;
        }
        double square = (double)want[i] * want[i], off = (double)got[i] - want[i];
        bool tie = levels && fabs(off) == 1;
        error += tie ? 0 : off * off;
        levels = levels && !tie;
        power += square;
        fourth += square * square;
        elements++;
    }
    if (fourth > 0)
        d.many = power * power / fourth;
    if (error != 0)
        d.error = error / MAX(power, POWER_MIN * elements);
    return d;
}

static void
compare_arg(Runner *r, const Case *c, int i, const float *got, const float *want)
{
    const Arg *a = &c->args[i];
    SanaDType dtype = ops_arg_dtype(a, r->dtype);
    Difference d = difference(a, got, want, dtype == SANA_U8);
    /* The mean over few numbers strays from the mean over many, but not beyond a half last place
     * of a number at the low end of its binade: 3.8 times ONCE. */
    double bound = bound_of(c, dtype, r->weights) * MIN(4, 1 + 4 / sqrt(d.many));
    char *what = ops_describe(c, r->dtype, r->weights);

    if (!(d.error <= bound)) { /* NaN included */
        g_test_message("FAILED %s: error %.2e, bound %.2e", what, d.error, bound);
        g_test_fail();
    }
    if (!d.intact) {
        g_test_message("FAILED %s: wrote outside argument %d", what, i);
        g_test_fail();
    }
    if (g_test_verbose())
        g_test_message("%s: error %.2e, bound %.2e", what, d.error, bound);
    g_free(what);
}

void
ops_compare(Runner *r, const Case *c)
{
    Values v = ops_values_new(c, r->dtype, &r->random);
    Side got, want;
    GError *error = NULL;

    ops_side_open(&got, r->device, c, &v, r->dtype, r->weights);
    ops_side_open(&want, r->reference, c, &v, SANA_F32, r->dtype);
    c->call(got.stream, &got.call, got.t);
    c->call(want.stream, &want.call, want.t);
    if (!sana_stream_finish(want.stream, &error) || !sana_stream_finish(got.stream, &error)) {
        char *what = ops_describe(c, r->dtype, r->weights);
        g_test_message("FAILED %s: %s", what, error->message);
        g_test_fail();
        g_clear_error(&error);
        g_free(what);
    } else {
        for (int i = 0; i < MAX_ARGS; i++)
            if (c->args[i].role == OUT || c->args[i].role == INOUT) {
                float *a = ops_side_read(&got, i), *b = ops_side_read(&want, i);
                compare_arg(r, c, i, a, b);
                g_free(a);
                g_free(b);
            }
    }
    ops_side_close(&got);
    ops_side_close(&want);
    ops_values_free(&v);
}
