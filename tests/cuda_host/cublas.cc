/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products as the library's documentation defines them: columns one after the other, sums in f32,
 * D = epilogue(alpha·op(A)·B + beta·C). */
#include <cublasLt.h>
#include <math.h>
#include <string.h>

#include "cuda_bf16.h"
#include "cuda_host.h"
#include "cuda_runtime.h"

struct cublasLtMatmulDesc {
    cublasOperation_t transposed;
    uint32_t epilogue;
    const void *bias;
    cudaDataType_t bias_type;
};

struct cublasLtMatrixLayout {
    cudaDataType_t type;
    uint64_t rows, columns;
    int64_t ld;
};

struct cublasLtMatmulPreference {
    uint32_t alignment[4]; /* of A, B, C, D */
};

static float
element(const void *data, cudaDataType_t type, size_t i)
{
    return type == CUDA_R_32F ? ((const float *)data)[i]
                              : __bfloat162float(((const __nv_bfloat16 *)data)[i]);
}

static void
set_element(void *data, cudaDataType_t type, size_t i, float value)
{
    if (type == CUDA_R_32F)
        ((float *)data)[i] = value;
    else
        ((__nv_bfloat16 *)data)[i] = __float2bfloat16_rn(value);
}

cublasStatus_t
cublasLtCreate(cublasLtHandle_t *handle)
{
    *handle = (cublasLtHandle_t)malloc(1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtDestroy(cublasLtHandle_t handle)
{
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

const char *
cublasLtGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_SUPPORTED ? "not supported" : "failed";
}

cublasStatus_t
cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute, cudaDataType_t scale)
{
    *d = new cublasLtMatmulDesc{CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, nullptr, CUDA_R_32F};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t attribute,
                               const void *value, size_t bytes)
{
    switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        memcpy(&d->transposed, value, sizeof d->transposed);
        return bytes == sizeof d->transposed ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        memcpy(&d->epilogue, value, sizeof d->epilogue);
        return bytes == sizeof d->epilogue ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        memcpy(&d->bias, value, sizeof d->bias);
        return bytes == sizeof d->bias ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
        memcpy(&d->bias_type, value, sizeof d->bias_type);
        return bytes == sizeof d->bias_type ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t
cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
    delete d;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *m, cudaDataType_t type, uint64_t rows,
                           uint64_t columns, int64_t ld)
{
    *m = new cublasLtMatrixLayout{type, rows, columns, ld};
    return ld >= (int64_t)rows ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t
cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t m)
{
    delete m;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    *p = new cublasLtMatmulPreference{{256, 256, 256, 256}};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                     cublasLtMatmulPreferenceAttributes_t attribute,
                                     const void *value, size_t bytes)
{
    if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
        return bytes == sizeof(uint64_t) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
    if (attribute != CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) /* there are no partial sums */
        memcpy(&p->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value,
               sizeof(uint32_t));
    return bytes == sizeof(uint32_t) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t
cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
    delete p;
    return CUBLAS_STATUS_SUCCESS;
}

static unsigned
log2_of(uint32_t alignment)
{
    return (unsigned)__builtin_ctz(alignment);
}

cublasStatus_t
cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t d,
                               cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                               cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t y,
                               cublasLtMatmulPreference_t p, int wanted,
                               cublasLtMatmulHeuristicResult_t *results, int *count)
{
    *count = 0;
    bool fits = d->transposed == CUBLAS_OP_T && a->rows == b->rows && a->columns == y->rows &&
                b->columns == y->columns && c->rows == y->rows && c->columns == y->columns;
    /* the bias of a bf16 result is bf16 */
    if (!fits || ((d->epilogue & CUBLASLT_EPILOGUE_BIAS) && d->bias_type != y->type))
        return CUBLAS_STATUS_INVALID_VALUE;
    results[0] = {};
    results[0].state = (cublasStatus_t)cuda_host.advice;
    for (int i = 0; i < 4; i++)
        results[0].algo.alignments |= (uint64_t)(cuda_host.advice ? 63 : log2_of(p->alignment[i]))
                                      << (8 * i);
    *count = 1;
    return CUBLAS_STATUS_SUCCESS;
}

static bool
kept(const cublasLtMatmulAlgo_t *algorithm, int which, const void *data, cublasLtMatrixLayout_t m)
{
    uintptr_t bytes = (uintptr_t)1 << (algorithm->alignments >> (8 * which) & 0xff);
    size_t column = (size_t)m->ld * (m->type == CUDA_R_32F ? 4 : 2);
    return (uintptr_t)data % bytes == 0 && (m->columns == 1 || column % bytes == 0);
}

static float
epilogue(const cublasLtMatmulDesc *d, float v, size_t row)
{
    if (d->epilogue & CUBLASLT_EPILOGUE_BIAS)
        v += element(d->bias, d->bias_type, row);
    if (d->epilogue & CUBLASLT_EPILOGUE_RELU)
        v = v < 0 ? 0 : v;
    if (d->epilogue & CUBLASLT_EPILOGUE_GELU)
        v = 0.5f * v * (1 + tanhf(0.797884561f * (v + 0.044715f * v * v * v)));
    return v;
}

cublasStatus_t
cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
               cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
               const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *y,
               cublasLtMatrixLayout_t y_layout, const cublasLtMatmulAlgo_t *algorithm,
               void *workspace, size_t bytes, cudaStream_t stream)
{
    const cublasLtMatmulDesc d = *desc;
    const cublasLtMatrixLayout A = *a_layout, B = *b_layout, C = *c_layout, Y = *y_layout;
    const float scale = *(const float *)alpha, keep = *(const float *)beta;
    if (!kept(algorithm, 0, a, a_layout) || !kept(algorithm, 1, b, b_layout) ||
        !kept(algorithm, 2, c, c_layout) || !kept(algorithm, 3, y, y_layout))
        return CUBLAS_STATUS_INVALID_VALUE;
    auto work = [=] {
        for (size_t column = 0; column < Y.columns; column++)
            for (size_t row = 0; row < Y.rows; row++) {
                double sum = 0;
                for (size_t k = 0; k < A.rows; k++)
                    sum += (double)element(a, A.type, row * (size_t)A.ld + k) *
                           element(b, B.type, column * (size_t)B.ld + k);
                float v = scale * (float)sum;
                if (keep != 0)
                    v += keep * element(c, C.type, column * (size_t)C.ld + row);
                set_element(y, Y.type, column * (size_t)Y.ld + row, epilogue(&d, v, row));
            }
        return cudaSuccess;
    };
    return cuda_host_submit("cublasLtMatmul", stream, work) ? CUBLAS_STATUS_EXECUTION_FAILED
                                                            : CUBLAS_STATUS_SUCCESS;
}
