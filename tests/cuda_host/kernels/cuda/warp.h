/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The instructions of kernels/cuda/warp.h, as its comments define them. */
#ifndef SANA_TESTS_CUDA_HOST_WARP_H
#define SANA_TESTS_CUDA_HOST_WARP_H

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#define DYNAMIC_SHARED(name) char *const name = cuda_host_dynamic
#define HOPPER 1

extern char *cuda_host_dynamic;

void after_previous(void);
void copy_start(void *shared, const void *global, bool valid);
void copy_group(void);
void cuda_host_copy_wait(int groups);

template <int N>
void
copy_wait(void)
{
    cuda_host_copy_wait(N);
}

void load_matrices(uint32_t (&r)[4], const void *shared);
void load_matrices_turned(uint32_t (&r)[4], const void *shared);

/* --- Hopper ----------------------------------------------------------------------------------- */

void group_barrier(int number);
void cluster_barrier(void);
void show_to_tensor_cores(void);

template <int N>
void
registers_give(void)
{
}

template <int N>
void
registers_take(void)
{
}

void barrier_begin(uint64_t *barrier, int arrivals);
void barrier_arrive(uint64_t *barrier);
void barrier_arrive_at(uint64_t *barrier, int block);
void barrier_arrive_with(uint64_t *barrier, int bytes);
void barrier_wait(uint64_t *barrier, int parity);

void tile_load(void *shared, const CUtensorMap *map, uint64_t *barrier, int c, int x, int y);
void tile_load_both(void *shared, const CUtensorMap *map, uint64_t *barrier, int c, int x, int y);
void tile_store(const CUtensorMap *map, const void *shared, int c, int i, int x, int j, int y);
void cuda_host_tile_store_wait(int stores);

template <int N>
void
tile_store_wait(void)
{
    cuda_host_tile_store_wait(N);
}

void store_matrices(void *shared, const uint32_t (&r)[4]);

uint64_t matrix_descriptor(const void *shared, int between);
void products_begin(void);
void products_group(void);
void cuda_host_products_wait(int groups);

template <int N>
void
products_wait(void)
{
    cuda_host_products_wait(N);
}

template <int N>
void
products_read(float (&d)[N])
{
}

/* Of elements of so many bytes: 2, BF16; 1, E4M3. */
void cuda_host_multiply_add_64(float *d, int columns, uint64_t a, uint64_t b, int more, int bytes);
void cuda_host_multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                            int bytes);

template <typename T, int N>
void
multiply_add_64(float (&d)[N], uint64_t a, uint64_t b, int more)
{
    cuda_host_multiply_add_64(d, 2 * N, a, b, more, sizeof(T));
}

template <typename T = __nv_bfloat16>
void
multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    cuda_host_multiply_add(d, a, b0, b1, sizeof(T));
}

uint32_t relu_pair(uint32_t x);
float power_of_two(float x);
float reciprocal(float x);

#endif
