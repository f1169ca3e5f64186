/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instructions that C++ has no words for: the order of kernels, copies that run beside the code,
 * and tensor cores. */
#ifndef SANA_KERNELS_CUDA_WARP_H
#define SANA_KERNELS_CUDA_WARP_H

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>
#include <stdint.h>

/* The shared memory that a launch asks for, aligned to 1024 bytes. */
#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) char name[]

/* Whether this pass of the compiler is for compute capability 9.0a. */
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define HOPPER 1
#else
#define HOPPER 0
#endif

/*
 * The first statement of every kernel: waits until all that was launched before on this stream is
 * done and seen, and lets the next kernel take its place on the multiprocessors meanwhile.
 *
 * A kernel waits for the end of the one before it, and that one has not ended before its own
 * predecessor has: so it is safe to let the next one come before having waited, as long as no
 * thread of any kernel touches global memory, or ends, without this call.  The next kernel comes
 * when all blocks of this one run or have ended, and so takes no block's place.
 *
 * launch() launches so where the GPU can.  Elsewhere, and below compute capability 9.0, a
 * kernel begins when the one before it has ended, and this does nothing.
 */
inline __device__ void
after_previous(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;\n" ::);
    asm volatile("griddepcontrol.wait;\n" ::: "memory");
#endif
}

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

/* The same with each matrix transposed: lane l gets element l/4 of rows 2(l%4) and the next. */
inline __device__ void
load_matrices_turned(uint32_t (&r)[4], const void *shared)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(shared))
                 : "memory");
}

/*
 * d (16, 8) += a (16, 16) · b (16, 8), BF16 with f32 sums.  Lane l, row = l/4, column = 2(l%4):
 * d   (row, column), (row, column + 1), (row + 8, column), (row + 8, column + 1)
 * a   pairs from (row, column), (row + 8, column), (row, column + 8), (row + 8, column + 8)
 * b   pairs down from (column, row), (column + 8, row)
 *
 * Of E4M3, from compute capability 8.9 on, each of a pair is two numbers: a (16, 32) · b (32, 8).
 */
template <typename T = __nv_bfloat16>
inline __device__ void
multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
#define MULTIPLY_ADD(how)                                          \
    asm volatile("mma.sync.aligned." how " {%0, %1, %2, %3}, "     \
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n" \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])  \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1))
    if constexpr (sizeof(T) == 2)
        MULTIPLY_ADD("m16n8k16.row.col.f32.bf16.bf16.f32");
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 890
    else
        MULTIPLY_ADD("m16n8k32.row.col.f32.e4m3.e4m3.f32");
#endif
#undef MULTIPLY_ADD
}

/* 2ˣ and 1/x within 2⁻²² of it, infinities and zeros as they should be; subnormals are zeros. */
inline __device__ float
power_of_two(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

inline __device__ float
reciprocal(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* max(x, 0) of two BF16; a NaN stays one. */
inline __device__ uint32_t
relu_pair(uint32_t x)
{
    uint32_t y;
    asm("max.NaN.bf16x2 %0, %1, %2;" : "=r"(y) : "r"(x), "r"(0));
    return y;
}

/* --- Hopper ----------------------------------------------------------------------------------- */

#if HOPPER

/* Between the 128 threads of a group of four warps; numbers from 1, 0 is the block's. */
inline __device__ void
group_barrier(int number)
{
    asm volatile("bar.sync %0, 128;\n" ::"r"(number) : "memory");
}

/* Between all threads of a cluster: what they wrote to shared memory before, and barriers that they
 * began there, all see after. */
inline __device__ void
cluster_barrier(void)
{
    asm volatile("fence.mbarrier_init.release.cluster;\n"
                 "barrier.cluster.arrive.release.aligned;\n"
                 "barrier.cluster.wait.acquire.aligned;\n" ::
                     : "memory");
}

/* This group of warps needs no more than N registers a thread, or wants N. */
template <int N>
inline __device__ void
registers_give(void)
{
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(N));
}

template <int N>
inline __device__ void
registers_take(void)
{
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(N));
}

/* What this thread wrote to shared memory is there for tensor cores and copies of tiles (after a
 * barrier); also a barrier that it began. */
inline __device__ void
show_to_tensor_cores(void)
{
    asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
}

/* --- Hopper: barriers that count, in shared memory -------------------------------------------- */

/* A phase ends when `arrivals` came and the bytes that they announced are there.  Phases are
 * numbered by parity: 0, 1, 0, … */
inline __device__ void
barrier_begin(uint64_t *barrier, int arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(shared_address(barrier)),
                 "r"(arrivals)
                 : "memory");
}

inline __device__ void
barrier_arrive(uint64_t *barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(shared_address(barrier))
                 : "memory");
}

/* At the same place in the shared memory of a block of this cluster. */
inline __device__ void
barrier_arrive_at(uint64_t *barrier, int block)
{
    asm volatile("{\n.reg .b32 there;\n"
                 "mapa.shared::cluster.u32 there, %0, %1;\n"
                 "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [there];\n}\n" ::"r"(
                     shared_address(barrier)),
                 "r"(block)
                 : "memory");
}

inline __device__ void
barrier_arrive_with(uint64_t *barrier, int bytes)
{
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(shared_address(barrier)),
        "r"(bytes)
        : "memory");
}

/* Until the phase of this parity has ended; at once for 1 where none has. */
inline __device__ void
barrier_wait(uint64_t *barrier, int parity)
{
    asm volatile("{\n.reg .pred done;\n"
                 "again:\n"
                 "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra again;\n}\n" ::"r"(shared_address(barrier)),
                 "r"(parity)
                 : "memory");
}

/* --- Hopper: copies of tiles ------------------------------------------------------------------ */

/* Starts copying the tile of a map that begins at (c, x, y) to shared memory; what lies outside the
 * map is 0.  Its bytes arrive at the barrier. */
inline __device__ void
tile_load(void *shared, const CUtensorMap *map, uint64_t *barrier, int c, int x, int y)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5}], [%2];\n" ::"r"(shared_address(shared)),
                 "l"(map), "r"(shared_address(barrier)), "r"(c), "r"(x), "r"(y)
                 : "memory");
}

/* The same to both blocks of a cluster of two; the bytes arrive at the barrier of each. */
inline __device__ void
tile_load_both(void *shared, const CUtensorMap *map, uint64_t *barrier, int c, int x, int y)
{
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes"
        ".multicast::cluster [%0], [%1, {%3, %4, %5}], [%2], %6;\n" ::"r"(shared_address(shared)),
        "l"(map), "r"(shared_address(barrier)), "r"(c), "r"(x), "r"(y), "h"((short)3)
        : "memory");
}

/* Starts copying a tile from shared memory to (c, i, x, j, y) of a map; what lies outside is left
 * out. */
inline __device__ void
tile_store(const CUtensorMap *map, const void *shared, int c, int i, int x, int j, int y)
{
    asm volatile("cp.async.bulk.tensor.5d.global.shared::cta.bulk_group "
                 "[%0, {%2, %3, %4, %5, %6}], [%1];\n"
                 "cp.async.bulk.commit_group;\n" ::"l"(map),
                 "r"(shared_address(shared)), "r"(c), "r"(i), "r"(x), "r"(j), "r"(y)
                 : "memory");
}

/* Until at most N stores of this thread still read shared memory. */
template <int N>
inline __device__ void
tile_store_wait(void)
{
    asm volatile("cp.async.bulk.wait_group.read %0;\n" ::"n"(N) : "memory");
}

/* The reverse of load_matrices(). */
inline __device__ void
store_matrices(void *shared, const uint32_t (&r)[4])
{
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};\n" ::"r"(
                     shared_address(shared)),
                 "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                 : "memory");
}

/* --- Hopper: products of four warps that run beside the code ---------------------------------- */

/*
 * Where an operand begins: rows of 64 BF16, 128 bytes, their eight vectors exchanged by bits 7 to 9
 * of the address; eight rows after each other, and the next eight `between` bytes further.  It may
 * begin at any row, and at any 16 of its columns.
 */
inline __device__ uint64_t
matrix_descriptor(const void *shared, int between)
{
    const uint64_t address = shared_address(shared), swizzle = (uint64_t)1 << 62;
    return (address & 0x3ffff) >> 4 | (uint64_t)1 << 16 | (uint64_t)(between >> 4) << 32 | swizzle;
}

/* Before the first product after its accumulators were touched otherwise. */
inline __device__ void
products_begin(void)
{
    asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}

inline __device__ void
products_group(void)
{
    asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
}

/* Waits until at most N groups of products are on their way. */
template <int N>
inline __device__ void
products_wait(void)
{
    asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(N) : "memory");
}

/* After products_wait<0>(), of accumulators that are read next: nothing else tells the compiler
 * that the wait has to come first.  No instruction. */
template <int N>
inline __device__ void
products_read(float (&d)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++)
        asm volatile("" : "+f"(d[i])::"memory");
}

#define D8(i)                                                                                   \
    "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
        "+f"(d[i + 6]), "+f"(d[i + 7])
#define D64(i) \
    D8(i), D8(i + 8), D8(i + 16), D8(i + 24), D8(i + 32), D8(i + 40), D8(i + 48), D8(i + 56)
#define FIRST_64                                                                       \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "           \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define NEXT_64                                                                                    \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "             \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "             \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, "   \
    "%127"

/*
 * Starts d (64, N) = a (64, 16) · bᵀ, b (N, 16), or d += where `more`; both in shared memory, by
 * four warps, N 128 or 256.  Lane l of warp w has (16w + l/4 + 8·(e/2), 8j + 2(l%4) + e%2) in
 * d[4j + e], e < 4.  Of E4M3 each number of a and b is two.
 */
template <typename T>
inline __device__ void
multiply_add_64(float (&d)[64], uint64_t a, uint64_t b, int more)
{
#define MULTIPLY_ADD(how, turned)                                                              \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\nwgmma.mma_async.sync.aligned." how \
                 " {" FIRST_64 "}, %64, %65, p, 1, 1" turned ";\n}\n"                          \
                 : D64(0)                                                                      \
                 : "l"(a), "l"(b), "r"(more))
    if constexpr (sizeof(T) == 2)
        MULTIPLY_ADD("m64n128k16.f32.bf16.bf16", ", 0, 0");
    else
        MULTIPLY_ADD("m64n128k32.f32.e4m3.e4m3", "");
#undef MULTIPLY_ADD
}

template <typename T>
inline __device__ void
multiply_add_64(float (&d)[128], uint64_t a, uint64_t b, int more)
{
#define MULTIPLY_ADD(how, turned)                                                               \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\nwgmma.mma_async.sync.aligned." how \
                 " {" FIRST_64 ", " NEXT_64 "}, %128, %129, p, 1, 1" turned ";\n}\n"            \
                 : D64(0), D64(64)                                                              \
                 : "l"(a), "l"(b), "r"(more))
    if constexpr (sizeof(T) == 2)
        MULTIPLY_ADD("m64n256k16.f32.bf16.bf16", ", 0, 0");
    else
        MULTIPLY_ADD("m64n256k32.f32.e4m3.e4m3", "");
#undef MULTIPLY_ADD
}

#undef NEXT_64
#undef FIRST_64
#undef D64
#undef D8

#endif
#endif
