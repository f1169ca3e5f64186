/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/cpu.h"

#include <string.h>

/* Rows at a time where x or y must pass through the workspace: enough for the product to run at
 * full speed, few enough to stay in the cache. */
#define CHUNK 256

/* Rows of the shape that weights are packed for. */
#define TYPICAL_ROWS 256

static SanaDnnlShape
product_shape(const SanaLinear *l, SanaDType dtype, size_t rows)
{
    return (SanaDnnlShape){
        .x_dtype = dtype,
        .y_dtype = dtype,
        .bias = !sana_is_none(l->bias),
        .h = 1,
        .w = (gint32)rows,
        .in = l->in,
        .out = l->out,
    };
}

void *
sana_cpu_pack_linear(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                     const SanaTensor *sources, int n_sources, size_t *bytes)
{
    SanaDnnlShape shape = product_shape(l, dtype, TYPICAL_ROWS);
    return sana_cpu_packed_new((SanaCpuDevice *)dev, &shape, sources, n_sources, bytes);
}

/* Dense y from dense x. */
static bool
product(SanaStream *s, void *y, const void *x, const SanaLinear *l, const SanaDnnlShape *shape,
        const void *residual, size_t reserved)
{
    SanaDnnlPrimitive *p = sana_cpu_primitive(s, l->packed, shape);
    if (!p)
        return false;
    char *workspace = sana_cpu_workspace(s, reserved + sana_dnnl_primitive_workspace(p));
    if (!workspace)
        return false;
    int status = sana_dnnl_primitive_run(p, ((SanaCpuStream *)s)->queue, y, x, l->bias.data,
                                         residual, workspace + reserved);
    return sana_cpu_check(s, shape, status);
}

static size_t
align_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/*
 * oneDNN 2 leaves its fast path where rows are not dense, and some activations it does not fuse:
 * such products go through the workspace, some rows at a time.
 */
static void
product_by_chunks(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
                  SanaTensor residual)
{
    const SanaCpuLoops *loops = sana_cpu_loops(s);
    size_t n = sana_positions(x);
    SanaDType out_type = act == SANA_ACT_NONE && sana_is_none(residual) ? y.dtype : SANA_F32;
    size_t x_bytes = align_up(CHUNK * (size_t)l->in * sana_dtype_size(x.dtype));
    size_t y_bytes = align_up(CHUNK * (size_t)l->out * sana_dtype_size(out_type));

    for (size_t at = 0; at < n; at += CHUNK) {
        int rows = (int)MIN(CHUNK, n - at);
        SanaDnnlShape shape = product_shape(l, x.dtype, (size_t)rows);
        shape.y_dtype = out_type;
        SanaDnnlPrimitive *p = sana_cpu_primitive(s, l->packed, &shape);
        if (!p)
            return;
        char *workspace = sana_cpu_workspace(
            s, x_bytes + y_bytes + sana_dnnl_primitive_workspace(p));
        if (!workspace)
            return;
        SanaTensor x_rows = sana_rows(x, (int)at, rows), y_rows = sana_rows(y, (int)at, rows);
        SanaTensor x_dense = sana_tensor(workspace, x.dtype, 1, rows, l->in);
        SanaTensor y_dense = sana_tensor(workspace + x_bytes, out_type, 1, rows, l->out);
        if (sana_is_dense(x_rows))
            x_dense = x_rows;
        else
            loops->finish(x_dense, x_rows, SANA_ACT_NONE, SANA_NONE);
        if (!product(s, y_dense.data, x_dense.data, l, &shape, NULL, x_bytes + y_bytes))
            return;
        loops->finish(y_rows, y_dense, act,
                      sana_is_none(residual) ? residual : sana_rows(residual, (int)at, rows));
    }
}

static bool
dense_or_single(SanaTensor x)
{
    return sana_is_dense(x) || sana_positions(x) == 1;
}

void
sana_cpu_linear(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
                SanaTensor residual)
{
    bool dense = dense_or_single(x) && dense_or_single(y) &&
                 (sana_is_none(residual) || dense_or_single(residual));
    if (!dense || !sana_dnnl_fuses(act)) {
        product_by_chunks(s, y, x, l, act, residual);
        return;
    }
    SanaDnnlShape shape = product_shape(l, x.dtype, sana_positions(x));
    shape.y_dtype = y.dtype;
    shape.act = act;
    if (!sana_is_none(residual))
        shape.result = residual.data == y.data ? SANA_DNNL_ACCUMULATE : SANA_DNNL_ADD;
    product(s, y.data, x.data, l, &shape, residual.data, 0);
}
