/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* norm, norm_modulate, add_gated */
#include "reference.h"

#include <math.h>

void
sana_reference_norm(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
                    SanaTensor residual)
{
    const int groups = sana_norm_groups(norm), c = x.c / groups;
    for (size_t i = 0; i < sana_positions(x) * (size_t)groups; i++) {
        const size_t row = i / (size_t)groups;
        const int first = (int)(i % (size_t)groups) * c;
        double factor = 1, squares = 0;
        if (norm->kind == SANA_NORM_RMS) {
            for (int ch = first; ch < first + c; ch++)
                squares += pow(load(x, row, ch), 2);
            factor = 1 / sqrt(squares / c + (double)norm->eps);
        }
        for (int ch = first; ch < first + c; ch++) {
            double value = load(x, row, ch) * factor * load(norm->weight, 0, ch);
            if (!sana_is_none(norm->bias))
                value += load(norm->bias, 0, ch);
            value = sana_reference_act(act, value);
            if (!sana_is_none(residual))
                value += load(residual, row, ch);
            store(y, row, ch, value);
        }
    }
}

void
sana_reference_norm_modulate(SanaStream *s, SanaTensor y, SanaTensor x, SanaTensor shift,
                             SanaTensor scale, float eps)
{
    for (size_t row = 0; row < sana_positions(x); row++) {
        double mean = 0, variance = 0;
        for (int ch = 0; ch < x.c; ch++)
            mean += load(x, row, ch);
        mean /= x.c;
        for (int ch = 0; ch < x.c; ch++)
            variance += pow(load(x, row, ch) - mean, 2);
        variance /= x.c;
        for (int ch = 0; ch < x.c; ch++) {
            double normal = (load(x, row, ch) - mean) / sqrt(variance + (double)eps);
            store(y, row, ch, normal * (1.0 + load(scale, 0, ch)) + load(shift, 0, ch));
        }
    }
}

void
sana_reference_add_gated(SanaStream *s, SanaTensor x, SanaTensor y, SanaTensor gate)
{
    for (size_t row = 0; row < sana_positions(x); row++)
        for (int ch = 0; ch < x.c; ch++)
            store(x, row, ch, load(x, row, ch) + (double)load(gate, 0, ch) * load(y, row, ch));
}
