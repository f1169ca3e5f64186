/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "kernels/cpu/vec.h"

/* Positions at a time. */
#define SPAN (BLOCK / 4)

INLINE float
sample(const void *p, SanaDType dtype)
{
    return dtype == SANA_U8    ? *(const uint8_t *)p
           : dtype == SANA_U16 ? *(const uint16_t *)p
                               : *(const float *)p;
}

void
LOOP(image_load)(SanaStream *s, SanaTensor y, SanaTensor x)
{
    float max = x.dtype == SANA_U8 ? 255.0f : 65535.0f;
    bool scaled = x.dtype != SANA_F32;

    FOR_MAP_ROWS(i, x)
    {
        float v[3 * SPAN];
        for (int j = 0; j < x.w; j += SPAN) {
            int n = x.w - j < SPAN ? x.w - j : SPAN;
            size_t row = (size_t)i * (size_t)x.w + (size_t)j;
            for (int k = 0; k < 3 * n; k++)
                v[k] = sample(address(x, row + (size_t)(k / 3), k % 3), x.dtype);
            if (scaled)
                SIMD for (int k = 0; k < 3 * n; k++) v[k] = 2.0f * v[k] / max - 1.0f;
            store(y, row, 0, v, 3 * n);
        }
    }
}

INLINE void
put(void *p, SanaDType dtype, float v)
{
    if (dtype == SANA_U8)
        *(uint8_t *)p = (uint8_t)v;
    else if (dtype == SANA_U16)
        *(uint16_t *)p = (uint16_t)v;
    else
        *(float *)p = v;
}

void
LOOP(image_store)(SanaStream *s, SanaTensor y, SanaTensor x)
{
    bool scaled = y.dtype != SANA_F32;
    float max = y.dtype == SANA_U8 ? 255.0f : 65535.0f;
    float opaque = scaled ? max : 1.0f;

    FOR_MAP_ROWS(i, x)
    {
        float v[3 * SPAN];
        for (int j = 0; j < x.w; j += SPAN) {
            int n = x.w - j < SPAN ? x.w - j : SPAN;
            size_t row = (size_t)i * (size_t)x.w + (size_t)j;
            load(v, x, row, 0, 3 * n);
            for (int k = 0; scaled && k < 3 * n; k++) {
                double u = (v[k] + 1.0) / 2.0; /* double: ties must be found exactly */
                u = u > 0 ? u : 0;             /* a NaN cannot be shown: black */
                u = u < 1 ? u : 1;
                v[k] = (float)rint(max * u);
            }
            for (int k = 0; k < 3 * n; k++)
                put(address(y, row + (size_t)(k / 3), k % 3), y.dtype, v[k]);
            for (int k = 0; y.c == 4 && k < n; k++)
                put(address(y, row + (size_t)k, 3), y.dtype, opaque);
        }
    }
}
