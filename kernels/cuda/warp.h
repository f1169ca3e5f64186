/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instructions that C++ has no words for: copies that run beside the code, and tensor cores. */
#ifndef SANA_KERNELS_CUDA_WARP_H
#define SANA_KERNELS_CUDA_WARP_H

#include <cuda_runtime.h>
#include <stdint.h>

/* The shared memory that a launch asks for, 16-byte aligned. */
#define DYNAMIC_SHARED(name) extern __shared__ __align__(128) char name[]

inline __device__ uint32_t
shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* Starts copying 16 bytes from global to shared memory; zeros, and no access, where not valid. */
inline __device__ void
copy_start(void *shared, const void *global, bool valid)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(shared)),
                 "l"(global), "r"(valid ? 16 : 0));
}

/* Ends a group of copies of this thread. */
inline __device__ void
copy_group(void)
{
    asm volatile("cp.async.commit_group;\n" ::);
}

/* Waits until at most N groups of this thread are on their way. */
template <int N>
inline __device__ void
copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;\n" ::"n"(N) : "memory");
}

/*
 * Four matrices of 8×8 halves, matrix i from the rows (16 bytes) that lanes 8i … 8i + 7 point to;
 * lane l gets elements 2(l%4) and the next of row l/4 of each.
 */
inline __device__ void
load_matrices(uint32_t (&r)[4], const void *shared)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(shared))
                 : "memory");
}

/*
 * d (16, 8) += a (16, 16) · b (16, 8), BF16 with f32 sums.  Lane l, row = l/4, column = 2(l%4):
 * d   (row, column), (row, column + 1), (row + 8, column), (row + 8, column + 1)
 * a   pairs from (row, column), (row + 8, column), (row, column + 8), (row + 8, column + 8)
 * b   pairs down from (column, row), (column + 8, row)
 */
inline __device__ void
multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#endif
