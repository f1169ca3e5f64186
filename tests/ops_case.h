/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One case: one operation, the tensors it gets, and how it is called.  The same case is compared
 * with the reference device (ops_run.c) and timed (ops_bench.c).
 *
 * The reference sees the same numbers, stored as F32: inputs are rounded to the dtype under test
 * first, so all that may differ is the order of sums and the rounding of what the device stores.
 */
#ifndef SANA_TESTS_OPS_CASE_H
#define SANA_TESTS_OPS_CASE_H

#include "kernels/ops.h"

typedef enum {
    ABSENT, /* past the last argument */
    IN,
    OUT,   /* filled with NaN before: every element must be written */
    INOUT, /* read and written in place */
    SAME,  /* the very tensor of argument `same` */
    NONE,  /* SANA_NONE */
    HOST,  /* read from host memory on every device */
} Role;

typedef enum { CASE_DTYPE, FIXED_F32, FIXED_BF16, FIXED_U8, FIXED_U16 } ArgType;

/*
 * pad     > 0: a view with so many foreign columns around it, which must be neither used (they are
 *         NaN) nor changed
 * lo, hi  range of the random values; both 0 means −2 … 2
 */
typedef struct {
    Role role;
    int h, w, c;
    int pad;
    ArgType type;
    int same;
    float lo, hi;
} Arg;

#define MAX_ARGS 5

typedef struct Case Case;
struct Case {
    const char *op; /* a row of the table of bounds */
    Arg args[MAX_ARGS];
    void (*call)(SanaStream *s, const Case *c, SanaTensor *t);

    /* weights, made by the harness where .in > 0: */
    SanaLinear linear;
    SanaConv conv;
    int parts;      /* sources stacked along out; 0 means 1 */
    ArgType source; /* storage of the sources */
    bool in_place;  /* the sources stay, for devices that compute from them */
    bool bias;

    /* arguments that are not tensors, as far as the operation has them */
    SanaAct act;
    SanaNormKind norm;
    int groups; /* of a norm */
    SanaAttention attention;
    SanaQkvOrder order;
    int head_dim, first;
    float number; /* theta, eps, scale */
    const int32_t *ids;
    SanaVideo video; /* but for addresses: */
    struct {
        int plane, offset; /* of args[1 + plane], in bytes */
    } component[3];
    int filler; /* offset in the first plane, or 0: none */
};

/* What is done with each case: compare, or measure. */
typedef struct Runner Runner;
struct Runner {
    void (*run)(Runner *r, const Case *c);
    SanaDevice *device;    /* under test */
    SanaDevice *reference; /* comparing */
    SanaDevice *planner;   /* measuring: counts FLOP and bytes */
    SanaDType dtype;
    SanaDType weights; /* what they are packed for: dtype, or S8 */
    guint32 random;
    bool brief; /* leaves out cases that take the reference a second */
};

/* The cases of one operation: every form and odd shape, and the sizes SANA has at 512². */
typedef struct {
    const char *op;
    void (*check)(Runner *r);
    void (*bench)(Runner *r);
} CaseSet;

extern const CaseSet ops_product_sets[], ops_attention_sets[], ops_other_sets[], ops_picture_sets[];

/* Tensors and weights of a case on one device. */
typedef struct {
    SanaPool *pool;
    SanaStream *stream;
    SanaTensor t[MAX_ARGS];
    SanaTensor whole[MAX_ARGS]; /* with the foreign columns and one row behind */
    void *sources;              /* of the weights */
    Case call;                  /* the case with this device's weights */
} Side;

/* Host values of a case: whole[i] for args[i], bias and weights. */
typedef struct {
    float *whole[MAX_ARGS];
    float *weights, *bias;
} Values;

/* sana_device_open(), or one of the test program's own: "cuda-host", or "cpu-" and the name of
 * loops that this processor can run.  NULL, and the test skipped, where this machine or this build
 * has no "cuda" (the others are everywhere), or the device does not compute in `dtype`. */
SanaDevice *ops_device_or_skip(const char *name, SanaDType dtype);

SanaDType ops_arg_dtype(const Arg *a, SanaDType dtype);
Values ops_values_new(const Case *c, SanaDType dtype, guint32 *random);
void ops_values_free(Values *v);

/* storage: what CASE_DTYPE arguments are stored as; dtype: what weights are packed for. */
void ops_side_open(Side *side, SanaDevice *dev, const Case *c, const Values *v, SanaDType storage,
                   SanaDType dtype);
void ops_side_close(Side *side);

/* All of whole[i] as floats; g_free. */
float *ops_side_read(Side *side, int i);

/* One line that names the case, for messages; g_free. */
char *ops_describe(const Case *c, SanaDType dtype, SanaDType weights);

void ops_compare(Runner *r, const Case *c);
void ops_measure(Runner *r, const Case *c);

/* Registers the tests that check the reference by hand, and those of refusals. */
void ops_truth_register(void);
void ops_refusal_register(const char *device);

/* Products and convolutions of more tiles than a GPU has multiprocessors, with odd edges. */
void ops_cases_many_tiles(Runner *r);
/* Registers the test that runs them on a GPU, kernel against kernel. */
void ops_many_tiles_register(void);

#endif
