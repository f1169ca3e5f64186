/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products are the library's, not plain kernels: only the names that kernels/cuda/cuda.h holds. */
#ifndef SANA_TESTS_CUDA_HOST_CUBLASLT_H
#define SANA_TESTS_CUDA_HOST_CUBLASLT_H

typedef struct cublasLtContext *cublasLtHandle_t;

#endif
