/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * As much of CUDA as the plain kernels use, on the processor: the files of kernels/cuda/ compile
 * as C++ against these headers, and a launch runs every thread of every block before it returns.
 *
 * One block runs at a time and shared memory is static, so AddressSanitizer watches both kinds of
 * memory.  Threads are fibres that change over where they wait for each other, forwards and
 * backwards in turn: what lacks a barrier comes out wrong in one of the two orders.  What a GPU
 * leaves undefined (a barrier that part of a warp does not reach, a shuffle from a lane that is
 * not there) ends the test with a sentence.
 */
#ifndef SANA_TESTS_CUDA_HOST_RUNTIME_API_H
#define SANA_TESTS_CUDA_HOST_RUNTIME_API_H

#include <stddef.h>

typedef enum { cudaSuccess = 0, cudaErrorInvalidConfiguration = 9 } cudaError_t;
typedef struct CUstream_st *cudaStream_t;

static inline cudaError_t
cudaSetDevice(int ordinal)
{
    return cudaSuccess;
}

#endif
