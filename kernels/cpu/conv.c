/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/cpu.h"

#include <omp.h>
#include <string.h>

static bool
is_depthwise(const SanaConv *k)
{
    return k->groups > 1 && k->groups == k->in && k->groups == k->out;
}

static bool
is_product(const SanaConv *k)
{
    return k->kernel == 1 && k->stride == 1 && k->upsample == 1 && k->groups == 1;
}

static bool
is_folded(const SanaConv *k)
{
    return k->upsample == 2;
}

/* 3×3 of whole vectors where our own loops in f32 are faster than oneDNN: f32, and bf16 without
 * positions left out on a processor that multiplies it only twice as fast. */
static bool
is_ours(const SanaConv *k, SanaDType dtype)
{
    return k->kernel == 3 && k->groups == 1 && k->in % 16 == 0 && k->out % SANA_CPU_PANEL == 0 &&
           (dtype == SANA_F32 ? k->stride == 1 || k->upsample == 1
                              : dtype == SANA_BF16 && k->stride == 1 && !sana_dnnl_has_tiles());
}

static SanaLinear
as_linear(const SanaConv *k)
{
    return (SanaLinear){.in = k->in, .out = k->out, .bias = k->bias, .packed = k->packed};
}

/* multiplied: the type of products; dtype: that of the result. */
static SanaDnnlShape
conv_shape(const SanaConv *k, SanaDType multiplied, SanaDType dtype, int h, int w)
{
    return (SanaDnnlShape){
        .x_dtype = multiplied,
        .y_dtype = dtype,
        .bias = !sana_is_none(k->bias),
        .h = h,
        .w = w,
        .in = k->in,
        .out = k->out,
        .kernel = k->kernel,
        .stride = k->stride,
        .groups = k->groups,
        .top = k->kernel / 2,
        .left = k->kernel / 2,
        .out_h = (h - 1) / k->stride + 1,
        .out_w = (w - 1) / k->stride + 1,
    };
}

/*
 * An enlarging 3×3 as a 2×2 over the map (weights.c): h + 1 rows of windows, each of four quarters.
 */
static SanaDnnlShape
folded_shape(const SanaConv *k, SanaDType multiplied, SanaDType dtype, int h, int w)
{
    SanaDnnlShape shape = conv_shape(k, multiplied, dtype, h, w);
    shape.out = 4 * k->out;
    shape.kernel = 2;
    shape.out_h = h + 1;
    shape.out_w = w + 1;
    return shape;
}

/* Bytes that a row of the result costs. */
static size_t
row_bytes(const SanaDnnlShape *s)
{
    size_t in = (size_t)s->w * (size_t)s->in * (size_t)s->stride;
    size_t out = (size_t)s->out_w * (size_t)s->out;
    return (in + out) * sana_dtype_size((SanaDType)s->y_dtype);
}

static int
strip_rows(const SanaDnnlShape *s)
{
    return (int)sana_cpu_strip((size_t)s->out_h, row_bytes(s), 1);
}

/* Rows first … first + rows − 1 of the result; *skipped rows of x lie before what they need. */
static SanaDnnlShape
strip_of(const SanaDnnlShape *whole, int first, int rows, int *skipped)
{
    SanaDnnlShape strip = *whole;
    int begin = first * whole->stride - whole->top;
    int end = begin + (rows - 1) * whole->stride + whole->kernel;
    *skipped = MAX(begin, 0);
    strip.top = *skipped - begin;
    strip.h = MIN(end, whole->h) - *skipped;
    strip.out_h = rows;
    return strip;
}

/* Wide layers see small maps: the weights are packed for a picture of 512 by 512. */
static SanaDnnlShape
typical_shape(const SanaConv *k, SanaDType dtype)
{
    int edge = CLAMP(65536 / MAX(k->in, k->out), 16, 512), skipped;
    SanaDnnlShape whole = conv_shape(k, dtype, dtype, edge, edge);
    if (!is_folded(k))
        return whole;
    whole = folded_shape(k, dtype, dtype, edge, edge);
    int rows = strip_rows(&whole); /* one from the middle */
    return strip_of(&whole, (whole.out_h - rows) / 2, rows, &skipped);
}

void *
sana_cpu_pack_conv(SanaDevice *base, const SanaConv *k, SanaDType dtype, SanaTensor source,
                   size_t *bytes)
{
    SanaCpuDevice *dev = (SanaCpuDevice *)base;
    if (is_depthwise(k))
        return sana_cpu_packed_taps(dev, k, dtype, source, bytes);
    if (is_product(k)) {
        SanaLinear l = as_linear(k);
        return sana_cpu_pack_linear(base, &l, dtype, &source, 1, bytes);
    }
    dtype = sana_cpu_pack_dtype(base, dtype, k);
    if (is_ours(k, dtype))
        return sana_cpu_packed_points(dev, k, dtype, source, bytes);
    SanaDnnlShape shape = typical_shape(k, dtype);
    if (is_folded(k))
        return sana_cpu_packed_folded(dev, k, &shape, source, bytes);
    return sana_cpu_packed_new(dev, &shape, &source, 1, bytes);
}

size_t
sana_cpu_packed_bytes(const SanaDevice *base, const SanaConv *k, SanaDType dtype, size_t *passing)
{
    *passing = sana_weight_count(k) * sizeof(float); /* as f32 */
    if (is_depthwise(k))
        return sana_cpu_packed_taps_bytes(k);
    if (k->kernel == 0 || is_product(k)) {
        SanaLinear l = as_linear(k);
        return sana_cpu_linear_bytes(base, &l, dtype);
    }
    dtype = sana_cpu_pack_dtype(base, dtype, k);
    if (is_ours(k, dtype))
        return sana_cpu_packed_points_bytes(k);
    if (is_folded(k))
        *passing = *passing / 9 * 16;
    SanaDnnlShape shape = typical_shape(k, dtype);
    return sana_cpu_packed_new_bytes((const SanaCpuDevice *)base, &shape);
}

/*
 * Rows of a result from x, to y or (NULL) to the start of the workspace, of which the first
 * `reserved` bytes are left alone otherwise.
 */
static bool
convolve(SanaStream *s, void *y, SanaTensor x, const SanaConv *k, const SanaDnnlShape *shape,
         int skipped, size_t reserved)
{
    SanaCpuPacked *packed = k->packed;
    SanaDnnlPrimitive *p = sana_cpu_primitive(s, packed, shape);
    if (!p)
        return false;
    SanaTensor from = sana_rows(x, skipped * x.w, shape->h * x.w);
    size_t integers = packed->scales ? sana_cpu_eight_bit_bytes(from, shape->out) : 0;
    char *workspace = sana_cpu_workspace(s, reserved + integers + sana_dnnl_primitive_workspace(p));
    if (!workspace)
        return false;
    SanaDnnlArgs args = {
        .y = y ? y : workspace,
        .x = from.data,
        .bias = packed->bias ? packed->bias : k->bias.data,
        .workspace = workspace + reserved + integers,
    };
    if (packed->scales) {
        SanaCpuEightBit e = sana_cpu_eight_bit(s, workspace + reserved, from, packed, shape->out);
        args.x = e.x;
        args.scales = e.scales;
    }
    return sana_cpu_check(s, shape, sana_dnnl_primitive_run(p, ((SanaCpuStream *)s)->queue, &args));
}

/* Integers in strips, each with a scale of its own and made while it is in the cache; other types
 * gain nothing by that. */
static void
conv_plain(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    SanaDType multiplied = sana_cpu_multiplied(k->packed, x);
    SanaDnnlShape whole = conv_shape(k, multiplied, x.dtype, x.h, x.w);
    whole.act = sana_dnnl_fuses(act) ? act : SANA_ACT_NONE;
    int step = multiplied == SANA_S8 ? strip_rows(&whole) : whole.out_h, skipped;
    for (int first = 0; first < whole.out_h; first += step) {
        int rows = MIN(step, whole.out_h - first);
        SanaDnnlShape strip = strip_of(&whole, first, rows, &skipped);
        SanaTensor to = sana_rows(y, first * y.w, rows * y.w);
        if (!convolve(s, to.data, x, k, &strip, skipped, 0))
            return;
    }
    if (whole.act != (gint32)act)
        sana_cpu_loops(s)->finish(y, y, act, SANA_NONE);
}

/* Strip by strip: windows are spread while they are in the cache, and need little memory. */
static void
conv_folded(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    const SanaCpuLoops *loops = sana_cpu_loops(s);
    SanaDnnlShape whole = folded_shape(k, sana_cpu_multiplied(k->packed, x), x.dtype, x.h, x.w);
    int step = strip_rows(&whole), skipped;
    SanaTensor windows = sana_tensor(NULL, x.dtype, step, x.w + 1, 4 * y.c);
    size_t reserved = sana_cpu_align(sana_bytes(windows));
    whole.act = sana_dnnl_fuses(act) ? act : SANA_ACT_NONE;

    for (int first = 0; first < whole.out_h; first += step) {
        windows.h = MIN(step, whole.out_h - first);
        SanaDnnlShape strip = strip_of(&whole, first, windows.h, &skipped);
        if (!convolve(s, NULL, x, k, &strip, skipped, reserved))
            return;
        windows.data = ((SanaCpuStream *)s)->workspace;
        if (strip.act != (gint32)act)
            loops->finish(windows, windows, act, SANA_NONE);
        loops->spread(y, windows, first);
    }
}

static void
conv_ours(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    const SanaCpuLoops *loops = sana_cpu_loops(s);
    const SanaCpuPacked *packed = k->packed;
    bool strided = k->stride > 1;
    int threads = omp_get_max_threads();
    size_t floats = strided ? sana_cpu_strided_floats(k) : sana_cpu_winograd_floats(k, y, threads);
    float *room = sana_cpu_workspace(s, (size_t)threads * floats * sizeof *room);
    if (room)
        (strided ? loops->strided : loops->winograd)(y, x, k, packed->points, act, room);
}

void
sana_cpu_conv(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    const SanaCpuPacked *packed = k->packed;
    if (is_product(k)) {
        SanaLinear l = as_linear(k);
        sana_cpu_linear(s, y, x, &l, act, SANA_NONE);
    } else if (packed->points) {
        conv_ours(s, y, x, k, act);
    } else if (is_folded(k)) {
        conv_folded(s, y, x, k, act);
    } else if (is_depthwise(k)) {
        sana_cpu_loops(s)->depthwise(y, x, k, packed->taps, act);
    } else {
        conv_plain(s, y, x, k, act);
    }
}
