/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SANA_TESTS_CUDA_HOST_BF16_H
#define SANA_TESTS_CUDA_HOST_BF16_H

#include "kernels/convert.h"

struct __nv_bfloat16 {
    uint16_t bits;
};

inline float
__bfloat162float(__nv_bfloat16 x)
{
    return sana_bf16_to_f32(x.bits);
}

inline __nv_bfloat16
__float2bfloat16_rn(float x)
{
    return {sana_f32_to_bf16(x)};
}

#endif
