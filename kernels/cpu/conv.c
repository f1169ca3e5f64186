/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/cpu.h"

#include <string.h>

/* Bytes of windows that an upsampling convolution computes before it spreads them: what stays in
 * a second-level cache. */
#define STRIP_BYTES ((size_t)2 << 20)

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
    return k->kernel == 3 && k->stride == 1 && k->upsample == 2 && k->groups == 1;
}

static SanaLinear
as_linear(const SanaConv *k)
{
    return (SanaLinear){.in = k->in, .out = k->out, .bias = k->bias, .packed = k->packed};
}

static SanaDnnlShape
conv_shape(const SanaConv *k, SanaDType dtype, int h, int w)
{
    return (SanaDnnlShape){
        .x_dtype = dtype,
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

/* `rows` rows of windows from row `first` of h + 1; x begins at the first row they touch. */
static SanaDnnlShape
folded_shape(const SanaConv *k, SanaDType dtype, int h, int w, int first, int rows)
{
    SanaDnnlShape shape = conv_shape(k, dtype, h, w);
    shape.h = MIN(first + rows, h) - MAX(first - 1, 0);
    shape.out = 4 * k->out;
    shape.kernel = 2;
    shape.top = first == 0;
    shape.left = 1;
    shape.out_h = rows;
    shape.out_w = w + 1;
    return shape;
}

/* Wide layers see small maps: the weights are packed for the map of a picture of 512 by 512. */
static int
typical_edge(const SanaConv *k)
{
    return CLAMP(65536 / MAX(k->in, k->out), 16, 512);
}

void *
sana_cpu_pack_conv(SanaDevice *base, const SanaConv *k, SanaDType dtype, SanaTensor source,
                   size_t *bytes)
{
    SanaCpuDevice *dev = (SanaCpuDevice *)base;
    int edge = typical_edge(k);
    if (is_depthwise(k))
        return sana_cpu_packed_taps(dev, k, dtype, source, bytes);
    if (is_product(k)) {
        SanaLinear l = as_linear(k);
        return sana_cpu_pack_linear(base, &l, dtype, &source, 1, bytes);
    }
    if (is_folded(k)) {
        SanaDnnlShape shape = folded_shape(k, dtype, edge, edge, 0, edge + 1);
        return sana_cpu_packed_folded(dev, k, &shape, source, bytes);
    }
    SanaDnnlShape shape = conv_shape(k, dtype, edge, edge);
    return sana_cpu_packed_new(dev, &shape, &source, 1, bytes);
}

/* y from x in one call; bytes of workspace before `reserved` are left alone. */
static bool
convolve(SanaStream *s, void *y, const void *x, SanaCpuPacked *packed, const void *bias,
         const SanaDnnlShape *shape, size_t reserved)
{
    SanaDnnlPrimitive *p = sana_cpu_primitive(s, packed, shape);
    if (!p)
        return false;
    char *workspace = sana_cpu_workspace(s, reserved + sana_dnnl_primitive_workspace(p));
    if (!workspace)
        return false;
    int status = sana_dnnl_primitive_run(p, ((SanaCpuStream *)s)->queue, y ? y : workspace, x,
                                         bias, NULL, workspace + reserved);
    return sana_cpu_check(s, shape, status);
}

static void
conv_folded(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    SanaCpuPacked *packed = k->packed;
    size_t element = sana_dtype_size(x.dtype);
    size_t row = (size_t)(x.w + 1) * (size_t)y.c * 4 * element;
    int strip = (int)CLAMP(STRIP_BYTES / row, 1, (size_t)x.h + 1);
    size_t reserved = ((size_t)strip * row + 63) / 64 * 64;

    for (int first = 0; first <= x.h; first += strip) {
        int rows = MIN(strip, x.h + 1 - first);
        SanaDnnlShape shape = folded_shape(k, x.dtype, x.h, x.w, first, rows);
        shape.act = act;
        size_t skipped = (size_t)MAX(first - 1, 0) * (size_t)x.w * (size_t)x.c;
        if (!convolve(s, NULL, (char *)x.data + skipped * element, packed, packed->bias, &shape,
                      reserved))
            return;
        void *windows = ((SanaCpuStream *)s)->workspace;
        sana_cpu_loops(s)->spread(
            y, sana_tensor(windows, x.dtype, rows, x.w + 1, 4 * y.c), first);
    }
}

/* Whatever else is enlarged first; no published network does. */
static void
conv_enlarged(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    const SanaCpuLoops *loops = sana_cpu_loops(s);
    SanaCpuPacked *packed = k->packed;
    SanaTensor large = sana_tensor(NULL, x.dtype, 2 * x.h, 2 * x.w, x.c);
    size_t reserved = (sana_bytes(large) + 63) / 64 * 64;
    SanaDnnlShape shape = conv_shape(k, x.dtype, large.h, large.w);
    SanaDnnlPrimitive *p = packed->taps ? NULL : sana_cpu_primitive(s, packed, &shape);
    if (!p && !packed->taps)
        return;
    large.data = sana_cpu_workspace(s, reserved + (p ? sana_dnnl_primitive_workspace(p) : 0));
    if (!large.data)
        return;
    loops->enlarge(large, x);
    if (packed->taps)
        loops->depthwise(y, large, k, packed->taps, act);
    else if (convolve(s, y.data, large.data, packed, k->bias.data, &shape, reserved) &&
             act != SANA_ACT_NONE)
        loops->finish(y, y, act, SANA_NONE);
}

void
sana_cpu_conv(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    const SanaCpuLoops *loops = sana_cpu_loops(s);
    SanaCpuPacked *packed = k->packed;
    SanaAct fused = sana_dnnl_fuses(act) ? act : SANA_ACT_NONE;

    if (is_product(k)) {
        SanaLinear l = as_linear(k);
        sana_cpu_linear(s, y, x, &l, act, SANA_NONE);
        return;
    }
    if (k->upsample == 2 && !is_folded(k)) {
        conv_enlarged(s, y, x, k, act);
        return;
    }
    if (is_depthwise(k)) {
        loops->depthwise(y, x, k, packed->taps, act);
        return;
    }
    if (is_folded(k)) {
        conv_folded(s, y, x, k, fused);
    } else {
        SanaDnnlShape shape = conv_shape(k, x.dtype, x.h, x.w);
        shape.act = fused;
        convolve(s, y.data, x.data, packed, k->bias.data, &shape, 0);
    }
    if (fused != act && sana_stream_ok(s))
        loops->finish(y, y, act, SANA_NONE);
}
