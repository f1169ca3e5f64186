/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cpu device: products and convolutions by oneDNN, everything else, and 3×3 convolutions where
 * f32 is fastest, by loops that the compiler vectorises, built once per instruction set.  Private
 * to this folder.
 *
 *   cpu.c                 device, streams, the backend's table
 *   weights.c             packed weights, primitives and where they are kept
 *   linear.c conv.c       products and convolutions in terms of those
 *   eight_bit.c           weights and rows as 8-bit integers
 *   dnnl.[ch]             oneDNN; dnnl_versions.h: what its versions call differently
 *   loops.h loops.c …     the loops (see there)
 */
#ifndef SANA_KERNELS_CPU_CPU_H
#define SANA_KERNELS_CPU_CPU_H

#include "kernels/backend.h"
#include "kernels/cpu/dnnl.h"
#include "kernels/cpu/loops.h"

typedef struct {
    SanaDevice base;
    SanaDnnl *dnnl;
    const SanaCpuLoops *loops;
    guint next_id; /* atomic; names packed weights, never reused */
} SanaCpuDevice;

typedef struct {
    SanaStream base;
    SanaDnnlQueue *queue;
    GHashTable *primitives; /* of CpuPrimitive, by weights and shape */
    guint most_primitives;  /* that it holds before it is looked through */
    char *workspace;        /* 64-byte aligned, only grows */
    size_t workspace_bytes;
} SanaCpuStream;

/*
 * Packed weights.  Dense and grouped ones lie in the layout of the primitive that is likely to
 * use them; a shape whose primitive insists on another gets a further copy, made once and shared
 * by all streams.  Depthwise ones are f32 taps: tap t, channel ch at t·out + ch.  Dense
 * ones of 3×3 that oneDNN is slower at are what SanaCpuDense multiplies by.
 *
 * Weights in place are somebody else's memory in checkpoint order, one part for each source, and
 * there is never a copy of them.
 */
typedef struct SanaCpuPacked SanaCpuPacked;
struct SanaCpuPacked {
    guint id;
    GMutex lock;         /* of copies */
    GPtrArray *copies;   /* in their layouts; the first from load, none is ever removed */
    SanaTensor in_place; /* (1, out, in), or SANA_NONE */
    GPtrArray *parts;    /* SanaCpuPacked in place, stacked along out; else NULL */
    float *taps;         /* depthwise */
    float *points;       /* dense 3×3 by our own loops */
    float *bias;         /* folded: the bias four times */
    float *scales;       /* S8: (out), what its integers are to be multiplied by; else NULL */
};

/* Bytes rounded up to where the next piece of a workspace may begin. */
static inline size_t
sana_cpu_align(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* The type that x and packed are multiplied in. */
static inline SanaDType
sana_cpu_multiplied(const SanaCpuPacked *packed, SanaTensor x)
{
    return packed->scales ? SANA_S8 : x.dtype;
}

static inline const SanaCpuLoops *
sana_cpu_loops(SanaStream *s)
{
    return ((SanaCpuDevice *)s->device)->loops;
}

/* --- weights.c ------------------------------------------------------------------------------- */

/* NULL without memory, or when oneDNN refuses. */
SanaCpuPacked *sana_cpu_packed_new(SanaCpuDevice *dev, const SanaDnnlShape *shape,
                                   const SanaTensor *sources, int n_sources, size_t *bytes);
/* Of a product, for shapes of any number of rows; weights (1, out, in) are not copied. */
SanaCpuPacked *sana_cpu_packed_in_place(SanaCpuDevice *dev, const SanaDnnlShape *shape,
                                        SanaTensor weights);
/* Takes the array. */
SanaCpuPacked *sana_cpu_packed_parts(SanaCpuDevice *dev, GPtrArray *parts);
SanaCpuPacked *sana_cpu_packed_taps(SanaCpuDevice *dev, const SanaConv *k, SanaDType dtype,
                                    SanaTensor source, size_t *bytes);
/* Of a dense 3×3, for SanaCpuDense. */
SanaCpuPacked *sana_cpu_packed_points(SanaCpuDevice *dev, const SanaConv *k, SanaDType dtype,
                                      SanaTensor source, size_t *bytes);
/* As a convolution of the small map; k has kernel 3, stride 1, upsample 2, groups 1. */
SanaCpuPacked *sana_cpu_packed_folded(SanaCpuDevice *dev, const SanaConv *k,
                                      const SanaDnnlShape *shape, SanaTensor source, size_t *bytes);
void sana_cpu_packed_free(SanaDevice *dev, void *packed);

/* What these take, before they are made: sana_cpu_packed_new(), _taps(), _points(). */
size_t sana_cpu_packed_new_bytes(const SanaCpuDevice *dev, const SanaDnnlShape *shape);
size_t sana_cpu_packed_taps_bytes(const SanaConv *k);
size_t sana_cpu_packed_points_bytes(const SanaConv *k);

/* The primitive of this stream for these weights and this shape, or NULL after sana_fail(). */
SanaDnnlPrimitive *sana_cpu_primitive(SanaStream *s, SanaCpuPacked *packed,
                                      const SanaDnnlShape *shape);
void sana_cpu_primitives_free(SanaCpuStream *s);

/* Fails the stream if status is not 0. */
bool sana_cpu_check(SanaStream *s, const SanaDnnlShape *shape, int status);

/* Weights with one layout and nothing in it yet, of which every copy is to be made.  NULL without
 * memory. */
SanaCpuPacked *sana_cpu_packed_empty(SanaCpuDevice *dev, SanaDnnlLayout *layout, void **data);

/* Some elements of a source as f32. */
void sana_cpu_source_to_f32(float *dst, SanaTensor src, size_t first, size_t count);

/* How many of n rows to compute at a time so that what they touch stays in the caches. */
size_t sana_cpu_strip(size_t n, size_t row_bytes, size_t multiple);

/* --- eight_bit.c ----------------------------------------------------------------------------- */

/* The type to pack for when `wanted` is asked for: another than S8 where that would not pay, or
 * sums be too long.  Only shape fields of *k are read; a product has kernel and groups 1. */
SanaDType sana_cpu_pack_dtype(const SanaDevice *dev, SanaDType wanted, const SanaConv *k);
/* As sana_cpu_packed_new(), for a shape of S8. */
SanaCpuPacked *sana_cpu_packed_eight_bit(SanaCpuDevice *dev, const SanaDnnlShape *shape,
                                         const SanaTensor *sources, int n_sources, size_t *bytes);

/* What it takes for so many bytes of integers: they stay in checkpoint order besides, and have a
 * scale for each output. */
size_t sana_cpu_packed_eight_bit_bytes(const SanaDnnlShape *shape, size_t levels);

/* Rows as integers and what their products with packed weights are scaled by. */
typedef struct {
    int8_t *x;
    float *scales; /* (out) */
} SanaCpuEightBit;

/* Bytes of workspace that it takes, a multiple of 64. */
size_t sana_cpu_eight_bit_bytes(SanaTensor x, int out);
SanaCpuEightBit sana_cpu_eight_bit(SanaStream *s, void *room, SanaTensor x,
                                   const SanaCpuPacked *packed, int out);

/* --- linear.c, conv.c ------------------------------------------------------------------------ */

void *sana_cpu_pack_linear(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                           const SanaTensor *sources, int n_sources, size_t *bytes);
void *sana_cpu_linear_in_place(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                               const SanaTensor *sources, int n_sources);
void *sana_cpu_pack_conv(SanaDevice *dev, const SanaConv *k, SanaDType dtype, SanaTensor source,
                         size_t *bytes);
/* See backend.h; of both. */
size_t sana_cpu_packed_bytes(const SanaDevice *dev, const SanaConv *k, SanaDType dtype,
                             size_t *passing);
size_t sana_cpu_linear_bytes(const SanaDevice *dev, const SanaLinear *l, SanaDType dtype);
__typeof__(sana_linear) sana_cpu_linear;
__typeof__(sana_conv) sana_cpu_conv;

#endif
