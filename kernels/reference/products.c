/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linear, conv, glu_depthwise */
#include "reference.h"

static double
dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static double
bias_of(SanaTensor bias, int o)
{
    return sana_is_none(bias) ? 0 : load(bias, 0, o);
}

void
sana_reference_linear(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
                      SanaTensor residual)
{
    const float *weights = l->packed;
    float *input = g_new(float, l->in);

    for (size_t row = 0; row < sana_positions(x); row++) {
        load_row(x, row, input);
        for (int o = 0; o < l->out; o++) {
            double sum = dot(input, weights + (size_t)o * (size_t)l->in, l->in);
            double value = sana_reference_act(act, sum + bias_of(l->bias, o));
            if (!sana_is_none(residual))
                value += load(residual, row, o);
            store(y, row, o, value);
        }
    }
    g_free(input);
}

/* What output position (i, j) of one group sees, in the order of the weights:
 * (in/groups, kernel, kernel), zeros outside the map. */
static void
gather(float *patch, SanaTensor x, const SanaConv *k, int group, int i, int j)
{
    int channels = k->in / k->groups;
    int top = i * k->stride - k->kernel / 2, left = j * k->stride - k->kernel / 2;

    for (int ch = group * channels; ch < (group + 1) * channels; ch++)
        for (int dy = 0; dy < k->kernel; dy++)
            for (int dx = 0; dx < k->kernel; dx++) {
                int row = top + dy, column = left + dx; /* in the enlarged map */
                bool inside = row >= 0 && row < x.h * k->upsample && column >= 0 &&
                              column < x.w * k->upsample;
                size_t source = inside ? row_of(x, row / k->upsample, column / k->upsample) : 0;
                *patch++ = inside ? load(x, source, ch) : 0;
            }
}

void
sana_reference_conv(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    int taps = k->in / k->groups * k->kernel * k->kernel;
    int outs = k->out / k->groups;
    const float *weights = k->packed;
    float *patch = g_new(float, taps);

    for (int i = 0; i < y.h; i++)
        for (int j = 0; j < y.w; j++)
            for (int group = 0; group < k->groups; group++) {
                gather(patch, x, k, group, i, j);
                for (int o = group * outs; o < (group + 1) * outs; o++) {
                    double sum = dot(patch, weights + (size_t)o * (size_t)taps, taps);
                    double value = sana_reference_act(act, sum + bias_of(k->bias, o));
                    store(y, row_of(y, i, j), o, value);
                }
            }
    g_free(patch);
}

void
sana_reference_glu_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k)
{
    const float *weights = k->packed;
    float patch[9];

    for (int i = 0; i < y.h; i++)
        for (int j = 0; j < y.w; j++)
            for (int ch = 0; ch < y.c; ch++) {
                double u[2];
                for (int half = 0; half < 2; half++) {
                    int o = ch + half * y.c;
                    gather(patch, x, k, o, i, j);
                    u[half] = dot(patch, weights + (size_t)o * 9, 9) + bias_of(k->bias, o);
                }
                store(y, row_of(y, i, j), ch, u[0] * sana_reference_act(SANA_ACT_SILU, u[1]));
            }
}
