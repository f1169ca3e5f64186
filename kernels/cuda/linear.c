/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products: cuBLASLt's where it has the epilogue, else own. */
#include <string.h>

#include "kernels/cuda/gemm.h"

/* --- plans ------------------------------------------------------------------------------------ */

/*
 * What cuBLASLt advises for one shape.  It counts in columns: row-major y (n, out) is its column-
 * major (out, n), which is the product of W, transposed, and x.
 */
typedef struct {
    gint32 rows, in, out, x_stride, y_stride, residual_stride;
    gint32 bf16, y_f32, bias, epilogue;
    gint32 alignment[3]; /* of x, y, residual, in bytes */
} Shape;

typedef struct {
    Shape shape; /* the key in a stream's plans */
    bool usable; /* false: it has nothing */
    cublasLtMatmulDesc_t how;
    cublasLtMatrixLayout_t w, x, residual, y;
    cublasLtMatmulAlgo_t algorithm;
} Plan;

static guint
shape_hash(gconstpointer key)
{
    return sana_hash_words(key, sizeof(Shape) / sizeof(guint32));
}

static gboolean
shape_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Shape)) == 0;
}

static void
plan_free(void *data)
{
    Plan *p = data;
    if (p->how)
        cublasLtMatmulDescDestroy(p->how);
    cublasLtMatrixLayout_t layouts[] = {p->w, p->x, p->residual, p->y};
    for (size_t i = 0; i < G_N_ELEMENTS(layouts); i++)
        if (layouts[i])
            cublasLtMatrixLayoutDestroy(layouts[i]);
    g_free(p);
}

#define SET(status, what, handle, attribute, value)                                    \
    do {                                                                               \
        if ((status) == CUBLAS_STATUS_SUCCESS)                                         \
            (status) = what##SetAttribute(handle, attribute, &(value), sizeof(value)); \
    } while (0)

static cublasStatus_t
describe(Plan *p, const Shape *s)
{
    cudaDataType_t x = s->bf16 ? CUDA_R_16BF : CUDA_R_32F, y = s->y_f32 ? CUDA_R_32F : x;
    cublasOperation_t transposed = CUBLAS_OP_T;
    uint32_t epilogue = (uint32_t)s->epilogue;
    uint64_t in = (uint64_t)s->in, out = (uint64_t)s->out, n = (uint64_t)s->rows;
    cublasStatus_t status = cublasLtMatmulDescCreate(&p->how, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    SET(status, cublasLtMatmulDesc, p->how, CUBLASLT_MATMUL_DESC_TRANSA, transposed);
    SET(status, cublasLtMatmulDesc, p->how, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (s->bias)
        SET(status, cublasLtMatmulDesc, p->how, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, y);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatrixLayoutCreate(&p->w, x, in, out, s->in);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatrixLayoutCreate(&p->x, x, in, n, s->x_stride);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatrixLayoutCreate(&p->residual, y, out, n,
                                            s->residual_stride ? s->residual_stride : s->y_stride);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatrixLayoutCreate(&p->y, y, out, n, s->y_stride);
    return status;
}

/* The first algorithm that cuBLASLt's heuristic names. */
static cublasStatus_t
advise(cublasLtHandle_t blas, Plan *p, const Shape *s, uint64_t workspace)
{
    cublasLtMatmulPreference_t wish;
    cublasLtMatmulHeuristicResult_t advice = {0};
    int count = 0;
    uint32_t w = (uint32_t)MIN(256, (s->in * (s->bf16 ? 2 : 4)) & -(s->in * (s->bf16 ? 2 : 4)));
    uint32_t sums = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE; /* where there are partial ones */
    uint32_t x = (uint32_t)s->alignment[0], y = (uint32_t)s->alignment[1];
    uint32_t residual = (uint32_t)(s->residual_stride ? s->alignment[2] : s->alignment[1]);
    cublasStatus_t status = cublasLtMatmulPreferenceCreate(&wish);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    SET(status, cublasLtMatmulPreference, wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
        workspace);
    SET(status, cublasLtMatmulPreference, wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, sums);
    SET(status, cublasLtMatmulPreference, wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, w);
    SET(status, cublasLtMatmulPreference, wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, x);
    SET(status, cublasLtMatmulPreference, wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        residual);
    SET(status, cublasLtMatmulPreference, wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, y);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatmulAlgoGetHeuristic(blas, p->how, p->w, p->x, p->residual, p->y, wish,
                                                1, &advice, &count);
    cublasLtMatmulPreferenceDestroy(wish);
    p->usable =
        status == CUBLAS_STATUS_SUCCESS && count > 0 && advice.state == CUBLAS_STATUS_SUCCESS;
    p->algorithm = advice.algo;
    return status;
}

/* cuBLASLt keeps to itself what CUDA said: any other call says it again where it stays so. */
static void
library_failed(SanaStream *s, const Shape *shape, cublasStatus_t status)
{
    size_t available, total;
    if (sana_cuda_check(s, cudaMemGetInfo(&available, &total), "multiplying"))
        sana_fail(s, SANA_DEVICE_ERROR_FAILED,
                  "product of %d rows, %d to %d channels: cuBLASLt says %s", shape->rows, shape->in,
                  shape->out, cublasLtGetStatusString(status));
}

/* The plan of this shape, made the first time; NULL after sana_fail(). */
static const Plan *
plan_for(SanaStream *base, const Shape *shape)
{
    SanaCudaStream *s = (SanaCudaStream *)base;
    if (!s->plans)
        s->plans = g_hash_table_new_full(shape_hash, shape_equal, NULL, plan_free);
    Plan *p = g_hash_table_lookup(s->plans, shape);
    if (p)
        return p;
    p = g_new0(Plan, 1);
    p->shape = *shape;
    cublasStatus_t status = describe(p, shape);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = advise(sana_cuda_device(base)->blas, p, shape, SANA_CUDA_WORKSPACE);
    if (status != CUBLAS_STATUS_SUCCESS && status != CUBLAS_STATUS_NOT_SUPPORTED) {
        library_failed(base, shape, status);
        plan_free(p);
        return NULL;
    }
    g_hash_table_add(s->plans, p);
    return p;
}

/* --- products --------------------------------------------------------------------------------- */

/* The largest power of two, at most 256, that address and row length are multiples of. */
static gint32
alignment_of(SanaTensor x)
{
    size_t bits = (size_t)x.data | (size_t)x.stride * sana_dtype_size(x.dtype) | 256;
    return sana_is_none(x) ? 0 : (gint32)(bits & -bits);
}

/* Whether cuBLASLt's epilogue can be act, with or without bias.  Its GELU is the one by tanh, of
 * which nothing says that it is exact to f32. */
static bool
epilogue_of(SanaAct act, bool bias, bool bf16, gint32 *epilogue)
{
    switch (act) {
    case SANA_ACT_NONE:
        *epilogue = bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
        return true;
    case SANA_ACT_GELU_TANH:
        *epilogue = bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
        return bf16;
    default:
        return false;
    }
}

/* False where cuBLASLt has nothing for it; true when it is done or the stream has failed. */
static bool
product_by_library(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
                   SanaTensor residual)
{
    const SanaCudaPacked *packed = l->packed;
    bool bias = !sana_is_none(l->bias), add = !sana_is_none(residual);
    Shape shape = {
        .rows = (gint32)sana_positions(x),
        .in = l->in,
        .out = l->out,
        .x_stride = x.stride,
        .y_stride = y.stride,
        .residual_stride = add ? residual.stride : 0,
        .bf16 = packed->dtype == SANA_BF16,
        .y_f32 = y.dtype == SANA_F32,
        .bias = bias,
        .alignment = {alignment_of(x), alignment_of(y), alignment_of(residual)},
    };
    /* for rows that no vector fits it has kernels that round a BF16 result twice */
    gint32 least = MIN(shape.alignment[0], shape.alignment[1]);
    if (add)
        least = MIN(least, shape.alignment[2]);
    if (shape.bf16 && (least < 16 || l->in % 8 != 0))
        return false;
    /* the library adds before it applies the function, and ops.h wants it after */
    if (!epilogue_of(act, bias, y.dtype == SANA_BF16, &shape.epilogue) ||
        (add && act != SANA_ACT_NONE))
        return false;
    const void *bias_data = y.dtype == SANA_BF16 ? packed->bias_bf16 : l->bias.data;
    if (bias && !bias_data)
        return false;
    const Plan *p = plan_for(s, &shape);
    if (!p || !p->usable)
        return p == NULL;
    float one = 1, kept = add ? 1 : 0;
    void *workspace = sana_cuda_workspace(s, SANA_CUDA_WORKSPACE);
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    if (bias)
        SET(status, cublasLtMatmulDesc, p->how, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias_data);
    if (status == CUBLAS_STATUS_SUCCESS && workspace)
        status =
            cublasLtMatmul(sana_cuda_device(s)->blas, p->how, &one, packed->weights, p->w, x.data,
                           p->x, &kept, add ? residual.data : y.data, p->residual, y.data, p->y,
                           &p->algorithm, workspace, SANA_CUDA_WORKSPACE, sana_cuda_stream(s));
    if (status != CUBLAS_STATUS_SUCCESS)
        library_failed(s, &shape, status);
    return true;
}

/* Hopper's kernels add no residual: then by way of the workspace. */
static void
product_in_eight_bit(SanaStream *s, SanaCudaGemm g, SanaTensor y, SanaTensor x, const float *scales,
                     SanaTensor residual)
{
    const bool add = !sana_is_none(residual);
    SanaTensor product = sana_tensor(NULL, y.dtype, y.h, y.w, y.c);
    product.data = sana_cuda_round_to_eight_bit(s, &g, x, scales, add ? sana_bytes(product) : 0);
    if (!product.data)
        return;
    if (add) {
        g.y = product.data;
        g.y_stride = product.stride;
        g.residual = NULL;
        g.residual_stride = 0;
    }
    sana_cuda_gemm(s, &g);
    if (add)
        sana_cuda_finish(s, y, product, SANA_ACT_NONE, residual);
}

void
sana_cuda_linear(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
                 SanaTensor residual)
{
    const SanaCudaPacked *packed = l->packed;
    int rows = (int)sana_positions(x);
    if (rows == 1) /* has no stride */
        x.stride = x.c, y.stride = y.c, residual.stride = residual.c;
    if (!packed->scales && product_by_library(s, y, x, l, act, residual))
        return;
    SanaCudaGemm g = {
        .x = x.data,
        .w = packed->weights,
        .residual = residual.data,
        .bias = l->bias.data,
        .y = y.data,
        .x_h = 1,
        .x_w = rows,
        .y_h = 1,
        .y_w = rows,
        .in = l->in,
        .out = l->out,
        .groups = 1,
        .kernel = 1,
        .stride = 1,
        .x_stride = x.stride,
        .y_stride = y.stride,
        .residual_stride = residual.stride,
        .act = act,
        .dtype = packed->dtype,
        .y_dtype = y.dtype,
    };
    if (packed->scales)
        product_in_eight_bit(s, g, y, x, packed->scales, residual);
    else
        sana_cuda_gemm(s, &g);
}
