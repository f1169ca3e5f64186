/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* video_load, video_store: a thread has a pixel, or a component's sample.  Neighbours ask for the
 * same bytes, which the caches hold; a picture is a hundredth of what a frame moves. */
#include "kernels/cuda/elements.h"
#include "kernels/taps.h"

#define THREADS 256

/* --- kernels ---------------------------------------------------------------------------------- */

static __global__ void
__launch_bounds__(THREADS) load_kernel(Map y, int width, size_t pixels, SanaVideo x)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t p = (size_t)blockIdx.x * THREADS + threadIdx.x; p < pixels; p += step) {
        const int i = sana_mirrored((int)(p / width) - x.content.y, x.content.h);
        const int j = sana_mirrored((int)(p % width) - x.content.x, x.content.w);
        float level[3];
#pragma unroll
        for (int c = 0; c < 3; c++)
            level[c] = sana_video_level(&x, &x.component[c], i, j);
#pragma unroll
        for (int ch = 0; ch < 3; ch++) {
            const float *m = x.matrix[ch];
            float v[1] = {m[0] * level[0] + m[1] * level[1] + m[2] * level[2] + m[3]};
            store<ANY>(y, p, ch, v);
        }
    }
}

/* A component as a kernel writes it: where its samples lie in the picture, and the matrix' row. */
struct Target {
    SanaVideoComponent component;
    uint8_t *filler; /* or NULL */
    SanaAxis columns, rows;
    float m[4];
    int w;
};

static __global__ void
__launch_bounds__(THREADS) store_kernel(Target y, Map x, int width, size_t samples)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t p = (size_t)blockIdx.x * THREADS + threadIdx.x; p < samples; p += step) {
        const int l = (int)(p / y.w), k = (int)(p % y.w);
        const SanaTaps down = sana_taps_at(&y.rows, l), across = sana_taps_at(&y.columns, k);
        float sum = y.m[3];
        for (int i = down.first; i <= down.last; i++)
            for (int j = across.first; j <= across.last; j++) {
                const float w = sana_tap_weight(&down, i) * sana_tap_weight(&across, j);
#pragma unroll
                for (int ch = 0; ch < 3; ch++) {
                    float v[1];
                    load<ANY>(v, x, (size_t)i * width + j, ch);
                    sum += w * y.m[ch] * v[0];
                }
            }
        const size_t at = (size_t)l * y.component.pitch + (size_t)k * y.component.step;
        ((uint8_t *)y.component.data)[at] = sana_video_byte(sum);
        if (y.filler)
            y.filler[at] = 255;
    }
}

/* --- operations ------------------------------------------------------------------------------- */

void
sana_cuda_video_load(SanaStream *s, SanaTensor y, const SanaVideo *x)
{
    const size_t pixels = sana_positions(y);
    launch(s, "video_load", blocks_for(s, pixels, THREADS), THREADS, load_kernel, map_of(y), y.w,
           pixels, *x);
}

void
sana_cuda_video_store(SanaStream *s, const SanaVideo *y, SanaTensor x)
{
    const SanaRectangle *r = &y->content;
    for (int n = 0; n < 3; n++) {
        const SanaVideoComponent *c = &y->component[n];
        Target t;
        t.component = *c;
        t.filler = n == 0 ? (uint8_t *)y->filler : NULL;
        t.columns = sana_axis_store(y->width, r->w, r->x, c->sub_x, c->at_x);
        t.rows = sana_axis_store(y->height, r->h, r->y, c->sub_y, c->at_y);
        for (int k = 0; k < 4; k++)
            t.m[k] = y->matrix[n][k];
        t.w = sana_video_samples(y->width, c->sub_x);
        const size_t samples = (size_t)t.w * sana_video_samples(y->height, c->sub_y);
        launch(s, "video_store", blocks_for(s, samples, THREADS), THREADS, store_kernel, t,
               map_of(x), x.w, samples);
    }
}
