/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/dnnl.h"

#include <string.h>

#include "kernels/cpu/dnnl_versions.h"

struct SanaDnnl {
    dnnl_engine_t engine;
};

struct SanaDnnlQueue {
    dnnl_stream_t stream;
};

struct SanaDnnlLayout {
    Desc desc;
    SanaDnnlShape shape; /* of which only the weights' part matters */
};

enum { ARG_X, ARG_Y, ARG_WORKSPACE, ARG_WEIGHTS, ARG_SCALES, ARG_BIAS, ARG_RESIDUAL, N_ARGS };

struct SanaDnnlPrimitive {
    dnnl_engine_t engine;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    SanaDnnlLayout *layout;
    size_t workspace;
    dnnl_exec_arg_t args[N_ARGS];
};

static dnnl_data_type_t
data_type(int dtype)
{
    return dtype == SANA_BF16 ? dnnl_bf16 : dtype == SANA_S8 ? dnnl_s8 : dnnl_f32;
}

static dnnl_alg_kind_t
act_kind(int act)
{
    switch (act) {
    case SANA_ACT_SILU:
        return dnnl_eltwise_swish;
    case SANA_ACT_GELU:
        return dnnl_eltwise_gelu_erf;
    case SANA_ACT_GELU_TANH:
        return dnnl_eltwise_gelu_tanh;
    case SANA_ACT_MISH:
        return dnnl_eltwise_mish;
    default:
        return dnnl_alg_kind_undef;
    }
}

SanaDnnl *
sana_dnnl_open(void)
{
    SanaDnnl *d = g_new0(SanaDnnl, 1);
    if (dnnl_engine_create(&d->engine, dnnl_cpu, 0) == dnnl_success)
        return d;
    g_free(d);
    return NULL;
}

void
sana_dnnl_close(SanaDnnl *d)
{
    dnnl_engine_destroy(d->engine);
    g_free(d);
}

bool
sana_dnnl_has(SanaDType dtype)
{
    int needed = 0;
#if defined(__x86_64__)
    if (dtype == SANA_BF16)
        needed = dnnl_cpu_isa_avx512_core_bf16;
    if (dtype == SANA_S8)
        needed = dnnl_cpu_isa_avx512_core_vnni;
#endif
    return dtype == SANA_F32 || (needed && ((int)dnnl_get_effective_cpu_isa() & needed) == needed);
}

bool
sana_dnnl_has_tiles(void)
{
#if defined(__x86_64__)
    const int amx = dnnl_cpu_isa_avx512_core_amx;
    return ((int)dnnl_get_effective_cpu_isa() & amx) == amx;
#else
    return false;
#endif
}

bool
sana_dnnl_fuses(SanaAct act)
{
    /* its ReLU turns a NaN into 0 */
    return act != SANA_ACT_RELU;
}

const char *
sana_dnnl_status_text(int status)
{
    switch (status) {
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "not implemented";
    default:
        return "runtime error";
    }
}

int
sana_dnnl_no_memory(void)
{
    return dnnl_out_of_memory;
}

SanaDnnlQueue *
sana_dnnl_queue_new(SanaDnnl *d)
{
    SanaDnnlQueue *q = g_new0(SanaDnnlQueue, 1);
    if (dnnl_stream_create(&q->stream, d->engine, dnnl_stream_default_flags) == dnnl_success)
        return q;
    g_free(q);
    return NULL;
}

void
sana_dnnl_queue_free(SanaDnnlQueue *q)
{
    if (q)
        dnnl_stream_destroy(q->stream);
    g_free(q);
}

/* --- descriptions ---------------------------------------------------------------------------- */

/* The weights of a shape as oneDNN counts their dimensions; returns how many. */
static int
weight_dims(const SanaDnnlShape *s, int out, dnnl_dims_t dims)
{
    int n = 0;
    if (s->kernel == 0) {
        dims[n++] = s->in;
        dims[n++] = out;
        return n;
    }
    if (s->groups > 1)
        dims[n++] = s->groups;
    dims[n++] = out / s->groups;
    dims[n++] = s->in / s->groups;
    dims[n++] = s->kernel;
    dims[n++] = s->kernel;
    return n;
}

/* A value for each output, as an operand of the result. */
static int
vector_desc(const SanaDnnlShape *s, Desc *desc)
{
    dnnl_dims_t dims = {1, s->out, 1, 1};
    bool product = s->kernel == 0;
    return desc_with_tag(desc, product ? 2 : 4, dims, dnnl_f32, product ? dnnl_ab : dnnl_acdb);
}

/* x, weights, bias, y; bias stays NULL where there is none, or sums are integers. */
static int
describe(const SanaDnnlShape *s, ConstDesc weights, Desc xwby[4])
{
    bool product = s->kernel == 0;
    dnnl_dims_t x = {product ? s->w : 1, s->in, s->h, s->w};
    dnnl_dims_t y = {product ? s->w : 1, s->out, s->out_h, s->out_w};
    dnnl_dims_t b = {product ? 1 : s->out, s->out};
    dnnl_dims_t w;
    int n = product ? 2 : 4;
    dnnl_format_tag_t tag = product ? dnnl_ab : dnnl_acdb;
    int n_w = weight_dims(s, s->out, w);

    int status = desc_with_tag(&xwby[0], n, x, data_type(s->x_dtype), tag);
    if (!status)
        status = desc_with_tag(&xwby[3], n, y, data_type(s->y_dtype), tag);
    if (!status && s->bias && s->x_dtype != SANA_S8)
        status = desc_with_tag(&xwby[2], product ? 2 : 1, b, dnnl_f32, product ? dnnl_ab : dnnl_a);
    if (!status)
        status = weights
                     ? desc_copy(&xwby[1], weights)
                     : desc_with_tag(&xwby[1], n_w, w, data_type(s->x_dtype), dnnl_format_tag_any);
    return status;
}

/* How the result leaves: integers times scale plus bias, activation, then the residual. */
static int
append_results(dnnl_post_ops_t ops, const SanaDnnlShape *s, ConstDesc y)
{
    int status = dnnl_success;
    if (s->x_dtype == SANA_S8) {
        Desc vector = NULL;
        status = vector_desc(s, &vector);
        if (!status)
            status = dnnl_post_ops_append_binary(ops, dnnl_binary_mul, vector);
        if (!status && s->bias)
            status = dnnl_post_ops_append_binary(ops, dnnl_binary_add, vector);
        desc_free(vector);
    }
    if (!status && s->act != SANA_ACT_NONE)
        status = append_act(ops, act_kind(s->act));
    if (!status && s->result == SANA_DNNL_ACCUMULATE)
        status = append_sum(ops);
    if (!status && s->result == SANA_DNNL_ADD)
        status = dnnl_post_ops_append_binary(ops, dnnl_binary_add, y);
    return status;
}

static int
make_attributes(dnnl_primitive_attr_t *attr, const SanaDnnlShape *s, ConstDesc y)
{
    dnnl_post_ops_t ops = NULL;
    int status = dnnl_primitive_attr_create(attr);
    if (!status)
        status = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (!status)
        status = dnnl_post_ops_create(&ops);
    if (!status)
        status = append_results(ops, s, y);
    if (!status)
        status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return status;
}

static int
make_primitive_desc(SanaDnnl *d, const SanaDnnlShape *s, ConstDesc weights,
                    dnnl_primitive_desc_t *pd)
{
    Desc xwby[4] = {NULL, NULL, NULL, NULL};
    dnnl_primitive_attr_t attr = NULL;
    int status = describe(s, weights, xwby);
    if (!status)
        status = make_attributes(&attr, s, xwby[3]);
    if (!status && s->kernel == 0)
        status = product_desc(pd, d->engine, xwby[0], xwby[1], xwby[2], xwby[3], attr);
    if (!status && s->kernel > 0) {
        dnnl_dims_t geometry[3] = {
            {s->stride, s->stride},
            {s->top, s->left},
            {(s->out_h - 1) * s->stride + s->kernel - s->h - s->top,
             (s->out_w - 1) * s->stride + s->kernel - s->w - s->left},
        };
        status = convolution_desc(pd, d->engine, xwby, geometry, attr);
    }
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    for (int i = 0; i < 4; i++)
        desc_free(xwby[i]);
    return status;
}

/* --- layouts --------------------------------------------------------------------------------- */

static SanaDnnlLayout *
layout_new(ConstDesc desc, const SanaDnnlShape *shape)
{
    SanaDnnlLayout *l = g_new0(SanaDnnlLayout, 1);
    l->shape = *shape;
    if (desc_copy(&l->desc, desc) == dnnl_success)
        return l;
    g_free(l);
    return NULL;
}

SanaDnnlLayout *
sana_dnnl_layout_for(SanaDnnl *d, const SanaDnnlShape *shape, int *status)
{
    dnnl_primitive_desc_t pd = NULL;
    SanaDnnlLayout *l = NULL;
    *status = make_primitive_desc(d, shape, NULL, &pd);
    if (*status == dnnl_success) {
        l = layout_new(dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), shape);
        dnnl_primitive_desc_destroy(pd);
        if (!l)
            *status = dnnl_out_of_memory;
    }
    return l;
}

/* checkpoint order, by the number of dimensions */
static const dnnl_format_tag_t plain[] = {[2] = dnnl_ba, [4] = dnnl_abcd, [5] = dnnl_abcde};

SanaDnnlLayout *
sana_dnnl_layout_plain(const SanaDnnlShape *shape)
{
    dnnl_dims_t dims;
    Desc desc = NULL;
    int n = weight_dims(shape, shape->out, dims);
    int status = desc_with_tag(&desc, n, dims, data_type(shape->x_dtype), plain[n]);
    SanaDnnlLayout *l = status ? NULL : layout_new(desc, shape);
    desc_free(desc);
    return l;
}

SanaDnnlLayout *
sana_dnnl_layout_copy(const SanaDnnlLayout *l)
{
    return layout_new(l->desc, &l->shape);
}

void
sana_dnnl_layout_free(SanaDnnlLayout *l)
{
    if (l)
        desc_free(l->desc);
    g_free(l);
}

bool
sana_dnnl_layout_equal(const SanaDnnlLayout *a, const SanaDnnlLayout *b)
{
    return dnnl_memory_desc_equal(a->desc, b->desc) != 0;
}

size_t
sana_dnnl_layout_bytes(const SanaDnnlLayout *l)
{
    return dnnl_memory_desc_get_size(l->desc);
}

static int
reorder(SanaDnnl *d, ConstDesc to, void *dst, ConstDesc from, const void *src)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_t a = NULL, b = NULL;
    dnnl_stream_t stream = NULL;

    int status = dnnl_reorder_primitive_desc_create(&pd, from, d->engine, to, d->engine, NULL);
    if (!status)
        status = dnnl_primitive_create(&primitive, pd);
    if (!status)
        status = dnnl_memory_create(&a, from, d->engine, (void *)src);
    if (!status)
        status = dnnl_memory_create(&b, to, d->engine, dst);
    if (!status)
        status = dnnl_stream_create(&stream, d->engine, dnnl_stream_default_flags);
    if (!status) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, a}, {DNNL_ARG_TO, b}};
        status = dnnl_primitive_execute(primitive, stream, 2, args);
    }
    if (!status)
        status = dnnl_stream_wait(stream);
    if (stream)
        dnnl_stream_destroy(stream);
    if (a)
        dnnl_memory_destroy(a);
    if (b)
        dnnl_memory_destroy(b);
    if (primitive)
        dnnl_primitive_destroy(primitive);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return status;
}

int
sana_dnnl_pack(SanaDnnl *d, const SanaDnnlLayout *l, void *dst, int first, int count,
               const void *src, SanaDType src_dtype)
{
    dnnl_dims_t dims, offsets = {0, first};
    Desc from = NULL, to = NULL;
    int n = weight_dims(&l->shape, count, dims);
    int status = desc_with_tag(&from, n, dims, data_type(src_dtype), plain[n]);
    if (!status)
        status = count == l->shape.out ? desc_copy(&to, l->desc)
                                       : desc_part(&to, l->desc, dims, offsets);
    if (!status)
        status = reorder(d, to, dst, from, src);
    desc_free(from);
    desc_free(to);
    return status;
}

int
sana_dnnl_repack(SanaDnnl *d, const SanaDnnlLayout *to, void *dst, const SanaDnnlLayout *from,
                 const void *src)
{
    return reorder(d, to->desc, dst, from->desc, src);
}

/* --- primitives ------------------------------------------------------------------------------ */

static int
add_arg(SanaDnnlPrimitive *p, int arg, int name, ConstDesc desc)
{
    p->args[arg].arg = name;
    return dnnl_memory_create(&p->args[arg].memory, desc, p->engine, NULL);
}

/* Operands of the result are named by their place in it (append_results()). */
static int
make_result_args(SanaDnnlPrimitive *p, const SanaDnnlShape *s, ConstDesc y)
{
    int place = 0, status = dnnl_success;
    if (s->x_dtype == SANA_S8) {
        Desc vector = NULL;
        status = vector_desc(s, &vector);
        if (!status)
            status = add_arg(p, ARG_SCALES,
                             DNNL_ARG_ATTR_MULTIPLE_POST_OP(place++) | DNNL_ARG_SRC_1, vector);
        if (!status && s->bias)
            status = add_arg(p, ARG_BIAS, DNNL_ARG_ATTR_MULTIPLE_POST_OP(place++) | DNNL_ARG_SRC_1,
                             vector);
        desc_free(vector);
    } else if (s->bias) {
        status = add_arg(p, ARG_BIAS, DNNL_ARG_BIAS,
                         dnnl_primitive_desc_query_md(p->desc, dnnl_query_weights_md, 1));
    }
    place += s->act != SANA_ACT_NONE;
    if (!status && s->result == SANA_DNNL_ADD)
        status =
            add_arg(p, ARG_RESIDUAL, DNNL_ARG_ATTR_MULTIPLE_POST_OP(place) | DNNL_ARG_SRC_1, y);
    return status;
}

static int
make_args(SanaDnnlPrimitive *p, const SanaDnnlShape *s)
{
    ConstDesc y = dnnl_primitive_desc_query_md(p->desc, dnnl_query_dst_md, 0);
    ConstDesc scratch = dnnl_primitive_desc_query_md(p->desc, dnnl_query_scratchpad_md, 0);
    int status = add_arg(p, ARG_X, DNNL_ARG_SRC,
                         dnnl_primitive_desc_query_md(p->desc, dnnl_query_src_md, 0));
    if (!status)
        status = add_arg(p, ARG_Y, DNNL_ARG_DST, y);
    p->workspace = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    if (!status && p->workspace)
        status = add_arg(p, ARG_WORKSPACE, DNNL_ARG_SCRATCHPAD, scratch);
    return status ? status : make_result_args(p, s, y);
}

SanaDnnlPrimitive *
sana_dnnl_primitive_new(SanaDnnl *d, const SanaDnnlShape *shape, const SanaDnnlLayout *weights,
                        int *status)
{
    SanaDnnlPrimitive *p = g_new0(SanaDnnlPrimitive, 1);
    p->engine = d->engine;
    *status = make_primitive_desc(d, shape, weights ? weights->desc : NULL, &p->desc);
    if (!*status) {
        p->layout =
            layout_new(dnnl_primitive_desc_query_md(p->desc, dnnl_query_weights_md, 0), shape);
        *status = p->layout ? dnnl_success : dnnl_out_of_memory;
    }
    if (!*status)
        *status = dnnl_primitive_create(&p->primitive, p->desc);
    if (!*status)
        *status = make_args(p, shape);
    if (!*status)
        return p;
    sana_dnnl_primitive_free(p);
    return NULL;
}

void
sana_dnnl_primitive_free(SanaDnnlPrimitive *p)
{
    if (!p)
        return;
    for (int i = 0; i < N_ARGS; i++)
        if (p->args[i].memory)
            dnnl_memory_destroy(p->args[i].memory);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    if (p->desc)
        dnnl_primitive_desc_destroy(p->desc);
    sana_dnnl_layout_free(p->layout);
    g_free(p);
}

const SanaDnnlLayout *
sana_dnnl_primitive_layout(const SanaDnnlPrimitive *p)
{
    return p->layout;
}

int
sana_dnnl_primitive_bind(SanaDnnlPrimitive *p, const void *weights)
{
    p->args[ARG_WEIGHTS].arg = DNNL_ARG_WEIGHTS;
    return dnnl_memory_create(&p->args[ARG_WEIGHTS].memory, p->layout->desc, p->engine,
                              (void *)weights);
}

size_t
sana_dnnl_primitive_workspace(const SanaDnnlPrimitive *p)
{
    return p->workspace;
}

int
sana_dnnl_primitive_run(SanaDnnlPrimitive *p, SanaDnnlQueue *q, const SanaDnnlArgs *a)
{
    const void *handles[N_ARGS] = {[ARG_X] = a->x,
                                   [ARG_Y] = a->y,
                                   [ARG_SCALES] = a->scales,
                                   [ARG_BIAS] = a->bias,
                                   [ARG_RESIDUAL] = a->residual,
                                   [ARG_WORKSPACE] = a->workspace};
    dnnl_exec_arg_t args[N_ARGS];
    int n = 0, status = dnnl_success;

    for (int i = 0; i < N_ARGS && !status; i++) {
        if (!p->args[i].memory)
            continue;
        if (i != ARG_WEIGHTS)
            status = dnnl_memory_set_data_handle(p->args[i].memory, (void *)handles[i]);
        args[n++] = p->args[i];
    }
    if (!status)
        status = dnnl_primitive_execute(p->primitive, q->stream, n, args);
    if (!status)
        status = dnnl_stream_wait(q->stream);
    return status;
}
