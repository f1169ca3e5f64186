/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image_load, image_store */
#include "reference.h"

#include <math.h>

static double
white_of(SanaDType dtype)
{
    return dtype == SANA_U8 ? 255 : 65535;
}

static double
load_level(SanaTensor x, size_t row, int ch)
{
    size_t i = at(x, row, ch);
    return x.dtype == SANA_U8 ? ((const uint8_t *)x.data)[i] : ((const uint16_t *)x.data)[i];
}

static void
store_level(SanaTensor y, size_t row, int ch, double level)
{
    size_t i = at(y, row, ch);
    if (y.dtype == SANA_U8)
        ((uint8_t *)y.data)[i] = (uint8_t)level;
    else
        ((uint16_t *)y.data)[i] = (uint16_t)level;
}

void
sana_reference_image_load(SanaStream *s, SanaTensor y, SanaTensor x)
{
    for (size_t row = 0; row < sana_positions(x); row++)
        for (int ch = 0; ch < 3; ch++)
            store(y, row, ch,
                  x.dtype == SANA_F32 ? load(x, row, ch)
                                      : 2 * load_level(x, row, ch) / white_of(x.dtype) - 1);
}

/* The order of the comparisons makes NaN black. */
static double
clamp01(double x)
{
    return x > 0 ? x < 1 ? x : 1 : 0;
}

void
sana_reference_image_store(SanaStream *s, SanaTensor y, SanaTensor x)
{
    double white = white_of(y.dtype);

    for (size_t row = 0; row < sana_positions(y); row++)
        for (int ch = 0; ch < y.c; ch++) {
            if (y.dtype == SANA_F32)
                store(y, row, ch, ch < 3 ? load(x, row, ch) : 1);
            else if (ch == 3)
                store_level(y, row, ch, white);
            else
                store_level(y, row, ch, nearbyint(white * clamp01((load(x, row, ch) + 1.0) / 2)));
        }
}
