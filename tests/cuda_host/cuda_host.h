/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device of kernels/cuda/ on the processor, and what may go wrong there. */
#ifndef SANA_TESTS_CUDA_HOST_H
#define SANA_TESTS_CUDA_HOST_H

#include "kernels/device.h"

G_BEGIN_DECLS

/* The driver and GPUs that there are.  All zero but as cuda_host_reset() says. */
typedef struct {
    int gpus;       /* 1 */
    int driver;     /* version, 13000 */
    int capability; /* of each GPU, 90 */
    int status;     /* what counting the GPUs gives, 0 */
    int code;       /* what asking for the code of kernels gives, 0 */
    int made_for;   /* the capability that it was compiled for, 90 */
    int advice;     /* the state of cuBLASLt's advice, 0; else the algorithm is none */
    size_t memory;  /* that there is to give, 4 GiB */

    /* the nth next call of this name (from 1) fails with this; not NULL until then */
    const char *fail;
    int nth, with;

    /* what was done since */
    int mallocs, synchronisations, launches, captures, replays;
    int early;   /* launches that may begin before the one before them has ended */
    size_t used; /* of memory, now */
} CudaHost;

/* Also of the module, for tests that have the device from there. */
#pragma GCC visibility push(default)
extern CudaHost cuda_host;
#pragma GCC visibility pop

/* One good GPU, nothing counted; what was allocated stays counted. */
void cuda_host_reset(void);

/* The device that the module gives for what follows "cuda:", or NULL with *why (g_free); release
 * with sana_device_unref(). */
SanaDevice *cuda_host_open(const char *which, char **why);

/* Whether the module says there is a GPU. */
bool cuda_host_present(void);

G_END_DECLS
#endif
