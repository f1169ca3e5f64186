/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/cpu.h"

#include <string.h>

/* Rows of the shape that weights are packed for. */
#define TYPICAL_ROWS 256

/* multiplied: the type of products; dtype: that of the result. */
static SanaDnnlShape
product_shape(const SanaLinear *l, SanaDType multiplied, SanaDType dtype, size_t rows)
{
    return (SanaDnnlShape){
        .x_dtype = multiplied,
        .y_dtype = dtype,
        .bias = !sana_is_none(l->bias),
        .h = 1,
        .w = (gint32)rows,
        .in = l->in,
        .out = l->out,
    };
}

/* What weights are packed for. */
static SanaDnnlShape
packed_shape(const SanaDevice *dev, const SanaLinear *l, SanaDType dtype)
{
    const SanaConv k = {.in = l->in, .out = l->out, .kernel = 1, .groups = 1};
    dtype = sana_cpu_pack_dtype(dev, dtype, &k);
    return product_shape(l, dtype, dtype, TYPICAL_ROWS);
}

void *
sana_cpu_pack_linear(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                     const SanaTensor *sources, int n_sources, size_t *bytes)
{
    SanaDnnlShape shape = packed_shape(dev, l, dtype);
    return sana_cpu_packed_new((SanaCpuDevice *)dev, &shape, sources, n_sources, bytes);
}

size_t
sana_cpu_linear_bytes(const SanaDevice *dev, const SanaLinear *l, SanaDType dtype)
{
    SanaDnnlShape shape = packed_shape(dev, l, dtype);
    return sana_cpu_packed_new_bytes((const SanaCpuDevice *)dev, &shape);
}

static void
part_free(void *part)
{
    sana_cpu_packed_free(NULL, part);
}

void *
sana_cpu_linear_in_place(SanaDevice *base, const SanaLinear *l, SanaDType dtype,
                         const SanaTensor *sources, int n_sources)
{
    SanaCpuDevice *dev = (SanaCpuDevice *)base;
    GPtrArray *parts = g_ptr_array_new_with_free_func(part_free);
    for (int i = 0; i < n_sources; i++) {
        SanaLinear part = {.in = l->in};
        part.out = (int)(sana_positions(sources[i]) * (size_t)sources[i].c / (size_t)l->in);
        SanaDnnlShape shape = product_shape(&part, dtype, dtype, TYPICAL_ROWS);
        SanaCpuPacked *p =
            sana_cpu_packed_in_place(dev, &shape, sana_reshape(sources[i], 1, part.out, part.in));
        if (!p) {
            g_ptr_array_unref(parts);
            return NULL;
        }
        g_ptr_array_add(parts, p);
    }
    return sana_cpu_packed_parts(dev, parts);
}

/* Where a strip passes through the workspace, by bytes from its start, each a multiple of 64. */
typedef struct {
    size_t y;    /* x dense, or as integers, lies before */
    size_t rest; /* what oneDNN asks for */
} Room;

static Room
room_for(SanaTensor x, SanaTensor y, const SanaLinear *l, bool apart)
{
    const SanaCpuPacked *packed = l->packed;
    Room room = {0};
    if (packed->scales)
        room.y = sana_cpu_eight_bit_bytes(x, l->out);
    else if (!sana_is_dense(x))
        room.y = sana_cpu_align(sana_bytes(x));
    room.rest = room.y + (apart ? sana_cpu_align(sana_bytes(y)) : 0);
    return room;
}

/* x as the primitive wants it. */
static void
take_rows(SanaStream *s, SanaDnnlArgs *args, SanaTensor x, const SanaLinear *l, char *workspace)
{
    args->x = x.data;
    if (((SanaCpuPacked *)l->packed)->scales) {
        SanaCpuEightBit e = sana_cpu_eight_bit(s, workspace, x, l->packed, l->out);
        args->x = e.x;
        args->scales = e.scales;
    } else if (!sana_is_dense(x)) {
        SanaTensor dense = sana_tensor(workspace, x.dtype, x.h, x.w, x.c);
        sana_cpu_loops(s)->finish(dense, x, SANA_ACT_NONE, SANA_NONE);
        args->x = workspace;
    }
}

/*
 * One strip.  oneDNN 2 leaves its fast path where rows are not dense, and some activations it does
 * not fuse: x and y then pass through the workspace.
 */
static bool
product_strip(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
              SanaTensor residual)
{
    const SanaCpuLoops *loops = sana_cpu_loops(s);
    bool add = !sana_is_none(residual), act_left = !sana_dnnl_fuses(act);
    bool apart = !sana_is_dense(y) || (add && (act_left || !sana_is_dense(residual)));
    SanaTensor to = y;
    if (apart)
        to = sana_tensor(NULL, add || act_left ? SANA_F32 : y.dtype, y.h, y.w, y.c);

    SanaDnnlShape shape =
        product_shape(l, sana_cpu_multiplied(l->packed, x), to.dtype, sana_positions(x));
    shape.act = act_left ? SANA_ACT_NONE : act;
    if (add && !apart)
        shape.result = residual.data == y.data ? SANA_DNNL_ACCUMULATE : SANA_DNNL_ADD;
    SanaDnnlPrimitive *p = sana_cpu_primitive(s, l->packed, &shape);
    if (!p)
        return false;
    Room room = room_for(x, to, l, apart);
    char *workspace = sana_cpu_workspace(s, room.rest + sana_dnnl_primitive_workspace(p));
    if (!workspace)
        return false;
    if (apart)
        to.data = workspace + room.y;
    SanaDnnlArgs args = {.y = to.data,
                         .bias = l->bias.data,
                         .residual = residual.data,
                         .workspace = workspace + room.rest};
    take_rows(s, &args, x, l, workspace);
    int status = sana_dnnl_primitive_run(p, ((SanaCpuStream *)s)->queue, &args);
    if (!sana_cpu_check(s, &shape, status))
        return false;
    if (apart)
        loops->finish(y, to, act_left ? act : SANA_ACT_NONE, residual);
    else if (act_left) /* a ReLU: it may see what is rounded already */
        loops->finish(y, y, act, SANA_NONE);
    return true;
}

/* Whole products in strips of rows. */
static void
linear_whole(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
             SanaTensor residual)
{
    size_t n = sana_positions(x);
    size_t row = (size_t)(l->in + l->out) * sana_dtype_size(x.dtype);
    size_t rows = sana_cpu_strip(n, row, 64);

    if (n == 1) /* has no stride */
        x.stride = x.c, y.stride = y.c, residual.stride = residual.c;
    for (size_t at = 0; at < n; at += rows) {
        int count = (int)MIN(rows, n - at);
        SanaTensor part = residual;
        if (!sana_is_none(residual))
            part = sana_rows(residual, (int)at, count);
        if (!product_strip(s, sana_rows(y, (int)at, count), sana_rows(x, (int)at, count), l, act,
                           part))
            return;
    }
}

/* F32 rows and BF16 weights in place. */
static void
linear_mixed(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
             SanaTensor residual)
{
    const SanaCpuLoops *loops = sana_cpu_loops(s);
    const SanaCpuPacked *packed = l->packed;
    SanaTensor sums = y;
    bool finish = act != SANA_ACT_NONE || !sana_is_none(residual);
    if (finish) {
        sums = sana_tensor(NULL, SANA_F32, y.h, y.w, y.c);
        sums.data = sana_cpu_workspace(s, sana_bytes(sums));
        if (!sums.data)
            return;
    }
    loops->linear_rows(sums, x, packed->in_place, l->bias.data);
    if (finish)
        loops->finish(y, sums, act, residual);
}

void
sana_cpu_linear(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
                SanaTensor residual)
{
    const SanaCpuPacked *packed = l->packed;
    if (!packed->parts) {
        linear_whole(s, y, x, l, act, residual);
        return;
    }
    for (guint i = 0, at = 0; i < packed->parts->len && sana_stream_ok(s); i++) {
        SanaCpuPacked *source = g_ptr_array_index(packed->parts, i);
        int out = source->in_place.w;
        SanaLinear part = {.in = l->in, .out = out, .bias = l->bias, .packed = source};
        SanaTensor added = residual;
        if (!sana_is_none(l->bias))
            part.bias = sana_columns(l->bias, (int)at, out);
        if (!sana_is_none(residual))
            added = sana_columns(residual, (int)at, out);
        (source->in_place.dtype == x.dtype ? linear_whole : linear_mixed)(
            s, sana_columns(y, (int)at, out), x, &part, act, added);
        at += (guint)out;
    }
}
