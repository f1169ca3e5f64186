/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pipelines/resolution.h"

#include <math.h>
#include <string.h>

/* The ratio is the bin's name, rounded to two digits: it decides, not height/width. */
static const struct {
    double ratio;
    int height, width;
} bins[] = {
    {0.25, 512, 2048}, {0.28, 512, 1856}, {0.32, 576, 1792}, {0.33, 576, 1728}, {0.35, 576, 1664},
    {0.4, 640, 1600},  {0.42, 640, 1536}, {0.48, 704, 1472}, {0.5, 704, 1408},  {0.52, 704, 1344},
    {0.57, 768, 1344}, {0.6, 768, 1280},  {0.68, 832, 1216}, {0.72, 832, 1152}, {0.78, 896, 1152},
    {0.82, 896, 1088}, {0.88, 960, 1088}, {0.94, 960, 1024}, {1.0, 1024, 1024}, {1.07, 1024, 960},
    {1.13, 1088, 960}, {1.21, 1088, 896}, {1.29, 1152, 896}, {1.38, 1152, 832}, {1.46, 1216, 832},
    {1.67, 1280, 768}, {1.75, 1344, 768}, {2.0, 1408, 704},  {2.09, 1472, 704}, {2.4, 1536, 640},
    {2.5, 1600, 640},  {3.0, 1728, 576},  {4.0, 2048, 512},
};

void
sana_resolution_bin(int *width, int *height)
{
    double ratio = (double)*height / *width;
    gsize best = 0;
    for (gsize i = 1; i < G_N_ELEMENTS(bins); i++) {
        if (fabs(bins[i].ratio - ratio) < fabs(bins[best].ratio - ratio))
            best = i;
    }
    *width = bins[best].width;
    *height = bins[best].height;
}

/* Where a pixel of the scaled picture is read: between two neighbours, `weight` the second's. */
typedef struct {
    int first, second;
    float weight;
} Tap;

static inline Tap
tap_at(int i, int from, int to)
{
    float scale = (float)from / (float)to;
    float at = fmaxf(scale * ((float)i + 0.5f) - 0.5f, 0);
    int first = MIN((int)at, from - 1);
    return (Tap){first, MIN(first + 1, from - 1), CLAMP(at - (float)first, 0, 1)};
}

void
sana_resize_and_crop(const float *src, int sw, int sh, float *dst, int dw, int dh)
{
    if (sw == dw && sh == dh) {
        memcpy(dst, src, sizeof(float) * 3 * (gsize)dw * dh);
        return;
    }
    double ratio = fmax((double)dh / sh, (double)dw / sw);
    int rw = MAX((int)(sw * ratio), dw), rh = MAX((int)(sh * ratio), dh);
    int left = (rw - dw) / 2, top = (rh - dh) / 2;
    for (int y = 0; y < dh; y++) {
        Tap v = tap_at(y + top, sh, rh);
        const float *upper = src + (gsize)3 * sw * v.first, *lower = src + (gsize)3 * sw * v.second;
        float *row = dst + (gsize)3 * dw * y;
        for (int x = 0; x < dw; x++) {
            Tap h = tap_at(x + left, sw, rw);
            for (int c = 0; c < 3; c++) {
                int a = 3 * h.first + c, b = 3 * h.second + c;
                float up = upper[a] * (1 - h.weight) + upper[b] * h.weight;
                float low = lower[a] * (1 - h.weight) + lower[b] * h.weight;
                row[3 * x + c] = up * (1 - v.weight) + low * v.weight;
            }
        }
    }
}
