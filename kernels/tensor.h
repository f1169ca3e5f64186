/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tensors: plain values that own nothing.
 *
 * There is one layout: h rows of w positions of c channels, channels last.  A token sequence is an
 * image of height 1, so no operation ever permutes.  One picture at a time: there is no batch.
 *
 * Letters used everywhere: h, w, c as above; n = h·w positions ("rows"); d the width of an
 * attention head; t the number of text tokens.
 */
#ifndef SANA_KERNELS_TENSOR_H
#define SANA_KERNELS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    SANA_F32,
    SANA_BF16, /* upper half of an f32; arithmetic is always done in f32 */
    SANA_F16,  /* IEEE half: read from files, and a compute type where a device has it */
    SANA_U8,   /* pictures only, 0 … 255 */
    SANA_U16,  /* pictures only, 0 … 65535, host byte order */
    SANA_S8,   /* weights only: −127 … 127, with a scale for each output */
    SANA_E4M3, /* weights only: −448 … 448 in 8 bits, 3 of them fraction; a scale for each output */
} SanaDType;

/* Bytes of one element. */
static inline size_t
sana_dtype_size(SanaDType dtype)
{
    switch (dtype) {
    case SANA_F32:
        return 4;
    case SANA_BF16:
    case SANA_F16:
    case SANA_U16:
        return 2;
    case SANA_U8:
    case SANA_S8:
    case SANA_E4M3:
        return 1;
    }
    return 0;
}

/* Whether the type is one of weights only. */
static inline bool
sana_dtype_is_of_weights(SanaDType dtype)
{
    return dtype == SANA_S8 || dtype == SANA_E4M3;
}

/* "f32", "bf16", "f16", "u8", "u16", "s8", "e4m3". */
const char *sana_dtype_name(SanaDType dtype);

/*
 * data    device memory; NULL on the planner device, which never reads it
 * h, w, c ≥ 1, or all 0: SANA_NONE, "absent", where a parameter may be left out
 * stride  elements from one position to the next, ≥ c; > c only in a view of some columns
 *
 * Positions are evenly spaced: row r of n = h·w lies at data + r·stride elements.
 */
typedef struct {
    void *data;
    SanaDType dtype;
    int h, w, c;
    int stride;
} SanaTensor;

#ifdef __cplusplus
#define SANA_NONE (SanaTensor{})
#else
#define SANA_NONE ((SanaTensor){0})
#endif

static inline bool
sana_is_none(SanaTensor x)
{
    return x.c == 0;
}

static inline bool
sana_is_dense(SanaTensor x)
{
    return x.stride == x.c;
}

/* Positions, n. */
static inline size_t
sana_positions(SanaTensor x)
{
    return (size_t)x.h * (size_t)x.w;
}

/* Bytes of a dense tensor of x's shape. */
static inline size_t
sana_bytes(SanaTensor x)
{
    return sana_positions(x) * (size_t)x.c * sana_dtype_size(x.dtype);
}

/* A tensor over memory the caller has: dense, shape (h, w, c). */
SanaTensor sana_tensor(void *data, SanaDType dtype, int h, int w, int c);

/* Positions first … first + count − 1 as a sequence (1, count, c).  Shares x's memory. */
SanaTensor sana_rows(SanaTensor x, int first, int count);

/* Channels first … first + count − 1 of every position, (h, w, count).  Shares x's memory. */
SanaTensor sana_columns(SanaTensor x, int first, int count);

/* The same dense memory as another shape with as many elements, or fewer. */
SanaTensor sana_reshape(SanaTensor x, int h, int w, int c);

#ifdef __cplusplus
}
#endif
#endif
