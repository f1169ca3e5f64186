/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SANA_TESTS_CUDA_HOST_FP16_H
#define SANA_TESTS_CUDA_HOST_FP16_H

#include "kernels/convert.h"

struct __half {
    uint16_t bits;
};

inline float
__half2float(__half x)
{
    return sana_f16_to_f32(x.bits);
}

inline __half
__float2half_rn(float x)
{
    return {sana_f32_to_f16(x)};
}

#endif
