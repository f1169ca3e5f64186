/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* activate, add, mix, geglu, embed_tokens, timestep_embedding */
#include "reference.h"

#include <math.h>

double
sana_reference_act(SanaAct act, double x)
{
    switch (act) {
    case SANA_ACT_NONE:
        return x;
    case SANA_ACT_SILU:
        return x / (1 + exp(-x));
    case SANA_ACT_RELU:
        return x < 0 ? 0 : x; /* NaN stays NaN */
    case SANA_ACT_GELU:
        return x / 2 * (1 + erf(x / sqrt(2)));
    case SANA_ACT_GELU_TANH:
        return x / 2 * (1 + tanh(sqrt(2 / G_PI) * (x + 0.044715 * x * x * x)));
    case SANA_ACT_MISH: /* ln(1 + e^x) is x to the last bit long before e^x overflows */
        return x * tanh(x > 40 ? x : log1p(exp(x)));
    }
    return NAN;
}

void
sana_reference_activate(SanaStream *s, SanaTensor y, SanaTensor x, SanaAct act)
{
    for (size_t row = 0; row < sana_positions(x); row++)
        for (int ch = 0; ch < x.c; ch++)
            store(y, row, ch, sana_reference_act(act, load(x, row, ch)));
}

void
sana_reference_add(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b)
{
    bool broadcast = sana_positions(b) == 1;

    for (size_t row = 0; row < sana_positions(a); row++)
        for (int ch = 0; ch < a.c; ch++)
            store(y, row, ch, (double)load(a, row, ch) + load(b, broadcast ? 0 : row, ch));
}

void
sana_reference_mix(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b, SanaTensor coef)
{
    double ca = load(coef, 0, 0), cb = load(coef, 0, 1);

    for (size_t row = 0; row < sana_positions(a); row++)
        for (int ch = 0; ch < a.c; ch++)
            store(y, row, ch, ca * load(a, row, ch) + cb * load(b, row, ch));
}

void
sana_reference_geglu(SanaStream *s, SanaTensor y, SanaTensor x)
{
    for (size_t row = 0; row < sana_positions(x); row++)
        for (int ch = 0; ch < y.c; ch++) {
            double gate = sana_reference_act(SANA_ACT_GELU_TANH, load(x, row, ch));
            store(y, row, ch, gate * load(x, row, y.c + ch));
        }
}

void
sana_reference_embed_tokens(SanaStream *s, SanaTensor y, SanaTensor table, const int32_t *ids,
                            float scale)
{
    for (size_t row = 0; row < sana_positions(y); row++)
        for (int ch = 0; ch < y.c; ch++)
            store(y, row, ch, (double)scale * load(table, (size_t)ids[row], ch));
}

void
sana_reference_timestep_embedding(SanaStream *s, SanaTensor y, SanaTensor t)
{
    int half = y.c / 2;

    for (int i = 0; i < half; i++) {
        double angle = load(t, 0, 0) * pow(10000, -(double)i / half);
        store(y, 0, i, cos(angle));
        store(y, 0, half + i, sin(angle));
    }
}
