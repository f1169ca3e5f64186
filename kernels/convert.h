/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Single numbers between f32 and the storage types bf16, f16 and E4M3, on the host.
 *
 * To f32 is exact.  From f32 rounds to nearest, ties to even; what is too large becomes infinity
 * (E4M3, which has none: ±448), a NaN stays a (quiet) NaN of the same sign, subnormals and signed
 * zeros are kept.
 * Operations of a device need not keep subnormals.
 */
#ifndef SANA_KERNELS_CONVERT_H
#define SANA_KERNELS_CONVERT_H

#include <stdint.h>
#include <string.h>

#include "tensor.h"

static inline uint32_t
sana_f32_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float
sana_f32_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float
sana_bf16_to_f32(uint16_t b)
{
    return sana_f32_from_bits((uint32_t)b << 16);
}

static inline uint16_t
sana_f32_to_bf16(float x)
{
    uint32_t u = sana_f32_bits(x);
    uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    uint32_t nan = (u >> 16) | 0x40; /* rounding up could turn a NaN into zero or infinity */
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

static inline float
sana_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t magnitude = h & 0x7fff;
    float x;

    if (magnitude >= 0x7c00) /* infinity, NaN */
        return sana_f32_from_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    if (magnitude >= 0x400)
        return sana_f32_from_bits(sign | ((magnitude << 13) + ((127u - 15u) << 23)));
    x = (float)magnitude * 0x1p-24f; /* subnormal half, normal f32: exact */
    return sana_f32_from_bits(sign | sana_f32_bits(x));
}

static inline uint16_t
sana_f32_to_f16(float x)
{
    uint32_t u = sana_f32_bits(x);
    uint32_t sign = (u >> 16) & 0x8000;
    uint32_t magnitude = u & 0x7fffffff;

    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
    if (magnitude >= 0x477ff000) /* 65520 and more round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude >= 0x38800000) { /* 2^-14 and more: normal */
        uint32_t rebased = magnitude - ((127u - 15u) << 23);
        return (uint16_t)(sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13));
    }
    /* adding 1/2 leaves the sum's last bit worth 2^-24, the half's smallest step, and lets the
     * adder round */
    return (uint16_t)(sign | (sana_f32_bits(sana_f32_from_bits(magnitude) + 0.5f) & 0x7ff));
}

/* E4M3: sign, 4 bits of exponent biased by 7, 3 of fraction; the highest number is the NaN.  In the
 * places of an f16, whose exponent is biased by 15, it is 2⁸ times too small. */
static inline float
sana_e4m3_to_f32(uint8_t e)
{
    if ((e & 0x7f) == 0x7f)
        return sana_f32_from_bits((uint32_t)(e & 0x80) << 24 | 0x7fc00000);
    return sana_f16_to_f32((uint16_t)((e & 0x80) << 8 | (e & 0x7f) << 7)) * 0x1p8f;
}

static inline uint8_t
sana_f32_to_e4m3(float x)
{
    uint32_t u = sana_f32_bits(x), magnitude = u & 0x7fffffff;
    uint8_t sign = (uint8_t)(u >> 31 << 7);

    if (magnitude > 0x7f800000)
        return sign | 0x7f;
    if (magnitude >= 0x43e00000) /* 448 and more */
        return sign | 0x7e;
    if (magnitude >= 0x3c800000) { /* 2^-6 and more: normal */
        uint32_t rebased = magnitude - ((127u - 7u) << 23);
        return (uint8_t)(sign | (rebased + 0x7ffff + (rebased >> 20 & 1)) >> 20);
    }
    /* as above, of a smallest step of 2^-9 */
    return (uint8_t)(sign | (sana_f32_bits(sana_f32_from_bits(magnitude) + 0x1p14f) & 0xf));
}

/* Element i of a dense tensor of F32, BF16 or F16 in host memory. */
static inline float
sana_host_value(SanaTensor x, size_t i)
{
    switch (x.dtype) {
    case SANA_BF16:
        return sana_bf16_to_f32(((const uint16_t *)x.data)[i]);
    case SANA_F16:
        return sana_f16_to_f32(((const uint16_t *)x.data)[i]);
    default:
        return ((const float *)x.data)[i];
    }
}

#endif
