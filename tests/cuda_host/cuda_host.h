/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SANA_TESTS_CUDA_HOST_H
#define SANA_TESTS_CUDA_HOST_H

#include "kernels/device.h"

/* A new device "cuda-host"; release with sana_device_unref(). */
SanaDevice *cuda_host_open(void);

/* Whether it has the operation: the library's products and convolutions are not there. */
bool cuda_host_has(const char *op);

#endif
