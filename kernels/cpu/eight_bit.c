/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Products of 8-bit integers: weights have a scale for each output, rows one for each strip that is
 * computed at a time, found anew every time.  Sums are exact, in 32 bits that none of MAX_TERMS
 * leaves; their scales are applied on the way out (dnnl.c).
 */
#include "kernels/cpu/cpu.h"

#include <math.h>

/* Channels below which integers gain nothing, or lose too much: pixels, latents' few channels. */
#define WORTH_CHANNELS 32

/* Each is at most 127². */
#define MAX_TERMS (INT32_MAX / (127 * 127))

SanaDType
sana_cpu_pack_dtype(const SanaDevice *dev, SanaDType wanted, const SanaConv *k)
{
    int64_t terms = (int64_t)k->in * k->kernel * k->kernel;
    if (wanted != SANA_S8 || (k->groups == 1 && k->in >= WORTH_CHANNELS &&
                              k->out >= WORTH_CHANNELS && terms <= MAX_TERMS))
        return wanted;
    return sana_device_best_dtype(dev);
}

/* One output's weights, (n), as integers; returns their scale. */
static float
quantise_row(int8_t *to, const float *from, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(from[i]));
    float inverse = most > 1e-30f ? 127 / most : 0;
    for (size_t i = 0; i < n; i++)
        to[i] = (int8_t)lrintf(from[i] * inverse);
    return most / 127;
}

/* All sources, stacked along out. */
static void
quantise_weights(int8_t *to, float *scales, const SanaTensor *sources, int n_sources, size_t row)
{
    g_autofree float *values = g_new(float, row);
    for (int i = 0; i < n_sources; i++) {
        size_t count = sana_positions(sources[i]) * (size_t)sources[i].c / row;
        for (size_t out = 0; out < count; out++, to += row) {
            sana_cpu_source_to_f32(values, sources[i], out * row, row);
            *scales++ = quantise_row(to, values, row);
        }
    }
}

size_t
sana_cpu_packed_eight_bit_bytes(const SanaDnnlShape *shape, size_t levels)
{
    return 2 * levels + (size_t)shape->out * sizeof(float);
}

SanaCpuPacked *
sana_cpu_packed_eight_bit(SanaCpuDevice *dev, const SanaDnnlShape *shape, const SanaTensor *sources,
                          int n_sources, size_t *bytes)
{
    SanaDnnlLayout *layout = sana_dnnl_layout_plain(shape);
    void *levels;
    /* in checkpoint order: oneDNN makes its own layouts, with sums beside them, from no other */
    SanaCpuPacked *p = layout ? sana_cpu_packed_empty(dev, layout, &levels) : NULL;
    if (!p)
        return NULL;
    *bytes = sana_cpu_packed_eight_bit_bytes(shape, sana_dnnl_layout_bytes(layout));
    p->scales = sana_host_alloc(NULL, (size_t)shape->out * sizeof *p->scales);
    if (!p->scales) {
        sana_cpu_packed_free(NULL, p);
        return NULL;
    }
    quantise_weights(levels, p->scales, sources, n_sources, sana_dnnl_row(shape));
    return p;
}

size_t
sana_cpu_eight_bit_bytes(SanaTensor x, int out)
{
    return sana_cpu_align(sana_positions(x) * (size_t)x.c) +
           sana_cpu_align((size_t)out * sizeof(float));
}

SanaCpuEightBit
sana_cpu_eight_bit(SanaStream *s, void *room, SanaTensor x, const SanaCpuPacked *packed, int out)
{
    SanaCpuEightBit e = {.scales = room};
    e.x = (int8_t *)room + sana_cpu_align((size_t)out * sizeof(float));
    float scale = sana_cpu_loops(s)->quantise(e.x, x);
    for (int i = 0; i < out; i++)
        e.scales[i] = scale * packed->scales[i];
    return e;
}
