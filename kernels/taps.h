/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How sana_video_load() and sana_video_store() resample, for the devices that are fast.
 *
 * Places lie at start + i·step, in units of samples, of which there are low … high.
 */
#ifndef SANA_KERNELS_TAPS_H
#define SANA_KERNELS_TAPS_H

#include "kernels/ops.h"

#include <math.h>

#ifdef __CUDACC__
#define TAPS static __host__ __device__ __forceinline__
#else
#define TAPS static inline __attribute__((always_inline))
#endif

typedef struct {
    float start, step, radius;
    int low, high;
} SanaAxis;

/* Samples first … last around the place u, those that count; weights come to 1. */
typedef struct {
    float u, slope, scale;
    int first, last;
} SanaTaps;

TAPS int
sana_video_samples(int pixels, int sub)
{
    return (pixels + sub - 1) / sub;
}

/* From content's pixels to a component's samples. */
TAPS SanaAxis
sana_axis_load(int pixels, int content, int sub, float at)
{
    float step = (float)pixels / (float)(content * sub);
    SanaAxis a = {0.5f * step - at / (float)sub, step, fmaxf(1, step), 0,
                  sana_video_samples(pixels, sub) - 1};
    return a;
}

/* From a component's samples to the picture's pixels; content has `content`, from `from`. */
TAPS SanaAxis
sana_axis_store(int pixels, int content, int from, int sub, float at)
{
    float scale = (float)content / (float)pixels, step = (float)sub * scale;
    SanaAxis a = {(float)from + at * scale - 0.5f, step, fmaxf(1, step), from, from + content - 1};
    return a;
}

TAPS float
sana_tap_weight(const SanaTaps *t, int k)
{
    return t->scale * fmaxf(0, 1 - fabsf(t->u - (float)k) * t->slope);
}

TAPS SanaTaps
sana_taps_at(const SanaAxis *a, int i)
{
    SanaTaps t;
    float sum = 0;
    t.u = fminf(fmaxf(a->start + (float)i * a->step, (float)a->low), (float)a->high);
    t.slope = 1 / a->radius;
    t.scale = 1;
    t.first = (int)fmaxf((float)a->low, floorf(t.u - a->radius) + 1);
    t.last = (int)fminf((float)a->high, ceilf(t.u + a->radius) - 1);
    for (int k = t.first; k <= t.last; k++)
        sum += sana_tap_weight(&t, k);
    t.scale = 1 / sum;
    return t;
}

/* Where the i-th of n values comes from that are mirrored beyond both ends, the edge repeated. */
TAPS int
sana_mirrored(int i, int n)
{
    i %= 2 * n;
    i = i < 0 ? i + 2 * n : i;
    return i < n ? i : 2 * n - 1 - i;
}

/* The level of a component at the pixel (i, j) of content. */
TAPS float
sana_video_level(const SanaVideo *v, const SanaVideoComponent *c, int i, int j)
{
    SanaAxis x = sana_axis_load(v->width, v->content.w, c->sub_x, c->at_x);
    SanaAxis y = sana_axis_load(v->height, v->content.h, c->sub_y, c->at_y);
    SanaTaps across = sana_taps_at(&x, j), down = sana_taps_at(&y, i);
    float sum = 0;
    for (int l = down.first; l <= down.last; l++) {
        const uint8_t *row = (const uint8_t *)c->data + (size_t)l * c->pitch;
        float of_row = 0;
        for (int k = across.first; k <= across.last; k++)
            of_row += sana_tap_weight(&across, k) * (float)row[(size_t)k * (size_t)c->step];
        sum += sana_tap_weight(&down, l) * of_row;
    }
    return sum;
}

/* The byte nearest to a level, ties to even; the order of the comparisons makes NaN 0. */
TAPS uint8_t
sana_video_byte(float level)
{
    return (uint8_t)rintf(level > 0 ? level < 255 ? level : 255.0f : 0.0f);
}

#undef TAPS
#endif
