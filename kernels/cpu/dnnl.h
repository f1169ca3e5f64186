/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The little of oneDNN that is needed: matrix products and convolutions over packed weights.
 *
 * dnnl.c is the only file that knows oneDNN, dnnl_versions.h what differs between 2.x and 3.x.
 * Activations are dense and channels last, weights lie as the primitive asks (a layout), sources of
 * weights in checkpoint order.  Statuses are 0 for success, else one of oneDNN's that
 * sana_dnnl_status_text() puts in words.
 */
#ifndef SANA_KERNELS_CPU_DNNL_H
#define SANA_KERNELS_CPU_DNNL_H

#include "kernels/ops.h"

typedef struct SanaDnnl SanaDnnl;                   /* the engine; any thread */
typedef struct SanaDnnlQueue SanaDnnlQueue;         /* runs primitives; one thread */
typedef struct SanaDnnlLayout SanaDnnlLayout;       /* how weights lie; immutable */
typedef struct SanaDnnlPrimitive SanaDnnlPrimitive; /* one thread */

typedef enum {
    SANA_DNNL_SET,        /* y  = act(x·W + b) */
    SANA_DNNL_ACCUMULATE, /* y += act(x·W + b) */
    SANA_DNNL_ADD,        /* y  = act(x·W + b) + residual */
} SanaDnnlResult;

/*
 * What a primitive computes.  Compared as bytes: initialise it whole, it has no padding.
 *
 * kernel 0: a product, y (w, out) = act(x (w, in)·W + b) …; h is 1.
 * kernel ≥ 1: a convolution of x (h, w, in), zero padding `top` and `left` before and what
 * (out_h, out_w) asks for behind.  groups 1, or weights of in/groups → out/groups.
 */
typedef struct {
    gint32 x_dtype; /* also the weights'; S8: W is integers, and x·W is scaled for each output */
    gint32 y_dtype;
    gint32 act;    /* a SanaAct that sana_dnnl_fuses() */
    gint32 bias;   /* 0 or 1 */
    gint32 result; /* SanaDnnlResult; a convolution only sets */
    gint32 h, w, in, out;
    gint32 kernel, stride, groups, top, left, out_h, out_w;
} SanaDnnlShape;

/* Weights of one output. */
static inline size_t
sana_dnnl_row(const SanaDnnlShape *s)
{
    size_t side = (size_t)MAX(s->kernel, 1);
    return (size_t)(s->in / MAX(s->groups, 1)) * side * side;
}

/* NULL when oneDNN has no engine on this machine. */
SanaDnnl *sana_dnnl_open(void);
void sana_dnnl_close(SanaDnnl *d);

/* Whether this processor, as oneDNN is allowed to use it, is made to multiply this type. */
bool sana_dnnl_has(SanaDType dtype);

/* Whether products of BF16 take a sixteenth of the time of those in F32 (AMX), not half of it. */
bool sana_dnnl_has_tiles(void);

/* Whether a primitive can apply it on the way out, and lets a NaN through. */
bool sana_dnnl_fuses(SanaAct act);

const char *sana_dnnl_status_text(int status);
int sana_dnnl_no_memory(void); /* the status that says so */

SanaDnnlQueue *sana_dnnl_queue_new(SanaDnnl *d);
void sana_dnnl_queue_free(SanaDnnlQueue *q);

/* --- layouts --------------------------------------------------------------------------------- */

/* The layout that a primitive of this shape would choose.  NULL with *status. */
SanaDnnlLayout *sana_dnnl_layout_for(SanaDnnl *d, const SanaDnnlShape *shape, int *status);
/* Weights in checkpoint order.  NULL without memory. */
SanaDnnlLayout *sana_dnnl_layout_plain(const SanaDnnlShape *shape);
SanaDnnlLayout *sana_dnnl_layout_copy(const SanaDnnlLayout *l);
void sana_dnnl_layout_free(SanaDnnlLayout *l);
bool sana_dnnl_layout_equal(const SanaDnnlLayout *a, const SanaDnnlLayout *b);
size_t sana_dnnl_layout_bytes(const SanaDnnlLayout *l);

/*
 * Writes rows first … first + count − 1 of the weights' out dimension, from src in checkpoint
 * order, F32 or BF16, or S8 for S8.  Convolutions are packed whole.  May refuse rows that cut a
 * block in two.
 */
int sana_dnnl_pack(SanaDnnl *d, const SanaDnnlLayout *l, void *dst, int first, int count,
                   const void *src, SanaDType src_dtype);

/* Weights from one layout to another. */
int sana_dnnl_repack(SanaDnnl *d, const SanaDnnlLayout *to, void *dst, const SanaDnnlLayout *from,
                     const void *src);

/* --- primitives ------------------------------------------------------------------------------ */

/* With the weights in the given layout, or (NULL) in the one it likes best.  NULL with *status. */
SanaDnnlPrimitive *sana_dnnl_primitive_new(SanaDnnl *d, const SanaDnnlShape *shape,
                                           const SanaDnnlLayout *weights, int *status);
void sana_dnnl_primitive_free(SanaDnnlPrimitive *p);
const SanaDnnlLayout *sana_dnnl_primitive_layout(const SanaDnnlPrimitive *p);

/* The weights it multiplies by, to outlive it.  Once, before the first run. */
int sana_dnnl_primitive_bind(SanaDnnlPrimitive *p, const void *weights);

/* Bytes of working memory that a run needs, 64-byte aligned. */
size_t sana_dnnl_primitive_workspace(const SanaDnnlPrimitive *p);

/* Dense y and x; scales (out) F32 where x is S8, bias (out) F32 and residual where the shape says
 * so; workspace as above. */
typedef struct {
    void *y;
    const void *x;
    const float *scales;
    const void *bias, *residual;
    void *workspace;
} SanaDnnlArgs;

int sana_dnnl_primitive_run(SanaDnnlPrimitive *p, SanaDnnlQueue *q, const SanaDnnlArgs *args);

#endif
