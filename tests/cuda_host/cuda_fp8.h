/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SANA_TESTS_CUDA_HOST_FP8_H
#define SANA_TESTS_CUDA_HOST_FP8_H

#include "kernels/convert.h"

struct __nv_fp8_e4m3 {
    uint8_t bits;

    __nv_fp8_e4m3() = default;

    explicit __nv_fp8_e4m3(float x) : bits(sana_f32_to_e4m3(x))
    {
    }

    explicit operator float() const
    {
        return sana_e4m3_to_f32(bits);
    }
};

#endif
