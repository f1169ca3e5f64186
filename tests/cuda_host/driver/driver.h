/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests ask of the driver, found in it by name (libcuda.so.1). */
#ifndef SANA_TESTS_CUDA_HOST_DRIVER_DRIVER_H
#define SANA_TESTS_CUDA_HOST_DRIVER_DRIVER_H

/* blocks and contexts: those there are now; copies: since the start */
typedef struct {
    int blocks, contexts, uploads, downloads;
} FakeDriverCounts;

void fake_driver_counts(FakeDriverCounts *counts);

/* Where the processor finds what the GPU has at `address`, which must be in a block of it. */
void *fake_driver_twin(const void *address);

#endif
