/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * oneDNN 2.x and 3.x as one: memory descriptions and primitives are made differently in the two.
 * Included by dnnl.c alone.
 */
#ifndef SANA_KERNELS_CPU_DNNL_VERSIONS_H
#define SANA_KERNELS_CPU_DNNL_VERSIONS_H

#include <glib.h>
#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t Desc;
typedef const_dnnl_memory_desc_t ConstDesc;

static inline int
desc_with_tag(Desc *out, int ndims, const dnnl_dims_t dims, dnnl_data_type_t type,
              dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(out, ndims, dims, type, tag);
}

static inline int
desc_part(Desc *out, ConstDesc whole, const dnnl_dims_t dims, const dnnl_dims_t offsets)
{
    return dnnl_memory_desc_create_submemory(out, whole, dims, offsets);
}

static inline int
desc_copy(Desc *out, ConstDesc from)
{
    return dnnl_memory_desc_clone(out, from);
}

static inline void
desc_free(Desc desc)
{
    if (desc)
        dnnl_memory_desc_destroy(desc);
}

static inline int
product_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, Desc x, Desc w, Desc b, Desc y,
             dnnl_primitive_attr_t attr)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, x, w, b, y, attr);
}

static inline int
convolution_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const Desc *xwby,
                 const dnnl_dims_t *geometry, dnnl_primitive_attr_t attr)
{
    const dnnl_dims_t no_dilation = {0, 0};
    return dnnl_convolution_forward_primitive_desc_create(
        pd, engine, dnnl_forward_inference, dnnl_convolution_direct, xwby[0], xwby[1], xwby[2],
        xwby[3], geometry[0], no_dilation, geometry[1], geometry[2], attr);
}

static inline int
append_act(dnnl_post_ops_t ops, dnnl_alg_kind_t kind)
{
    return dnnl_post_ops_append_eltwise(ops, kind, 1.0f, 0.0f);
}

static inline int
append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}

#else

typedef dnnl_memory_desc_t *Desc;
typedef const dnnl_memory_desc_t *ConstDesc;

static inline int
desc_with_tag(Desc *out, int ndims, const dnnl_dims_t dims, dnnl_data_type_t type,
              dnnl_format_tag_t tag)
{
    *out = g_new0(dnnl_memory_desc_t, 1);
    return dnnl_memory_desc_init_by_tag(*out, ndims, dims, type, tag);
}

static inline int
desc_part(Desc *out, ConstDesc whole, const dnnl_dims_t dims, const dnnl_dims_t offsets)
{
    *out = g_new0(dnnl_memory_desc_t, 1);
    return dnnl_memory_desc_init_submemory(*out, whole, dims, offsets);
}

static inline int
desc_copy(Desc *out, ConstDesc from)
{
    *out = g_new(dnnl_memory_desc_t, 1);
    **out = *from;
    return dnnl_success;
}

static inline void
desc_free(Desc desc)
{
    g_free(desc);
}

static inline int
product_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, Desc x, Desc w, Desc b, Desc y,
             dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t desc;
    int status = dnnl_matmul_desc_init(&desc, x, w, b, y);
    return status ? status : (int)dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
}

static inline int
convolution_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const Desc *xwby,
                 const dnnl_dims_t *geometry, dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t desc;
    int status = dnnl_convolution_forward_desc_init(
        &desc, dnnl_forward_inference, dnnl_convolution_direct, xwby[0], xwby[1], xwby[2], xwby[3],
        geometry[0], geometry[1], geometry[2]);
    return status ? status : (int)dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
}

static inline int
append_act(dnnl_post_ops_t ops, dnnl_alg_kind_t kind)
{
    return dnnl_post_ops_append_eltwise(ops, 1.0f, kind, 1.0f, 0.0f);
}

static inline int
append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f);
}

#endif

#endif
