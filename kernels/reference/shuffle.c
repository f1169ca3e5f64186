/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pixel_unshuffle, pixel_shuffle, add_unshuffled_mean, add_shuffled_repeat */
#include "reference.h"

/* Channel m of position (i, j) of unshuffle_f(x): the one place that says what goes where. */
static float
unshuffled(SanaTensor x, int f, int i, int j, int m)
{
    int ch = m / (f * f), dy = m / f % f, dx = m % f;
    return load(x, row_of(x, f * i + dy, f * j + dx), ch);
}

/* The channel of an unshuffled map that position (i, j), channel ch of the large map comes from. */
static int
channel_of(int f, int i, int j, int ch)
{
    return ch * f * f + i % f * f + j % f;
}

void
sana_reference_pixel_unshuffle(SanaStream *s, SanaTensor y, SanaTensor x)
{
    for (int i = 0; i < y.h; i++)
        for (int j = 0; j < y.w; j++)
            for (int m = 0; m < y.c; m++)
                store(y, row_of(y, i, j), m, unshuffled(x, 2, i, j, m));
}

void
sana_reference_pixel_shuffle(SanaStream *s, SanaTensor y, SanaTensor x)
{
    for (int i = 0; i < y.h; i++)
        for (int j = 0; j < y.w; j++)
            for (int ch = 0; ch < y.c; ch++)
                store(y, row_of(y, i, j), ch,
                      load(x, row_of(x, i / 2, j / 2), channel_of(2, i, j, ch)));
}

void
sana_reference_add_unshuffled_mean(SanaStream *s, SanaTensor y, SanaTensor x)
{
    int f = x.h / y.h, group = f * f * x.c / y.c;

    for (int i = 0; i < y.h; i++)
        for (int j = 0; j < y.w; j++)
            for (int ch = 0; ch < y.c; ch++) {
                double sum = 0;
                for (int e = 0; e < group; e++)
                    sum += unshuffled(x, f, i, j, ch * group + e);
                store(y, row_of(y, i, j), ch, load(y, row_of(y, i, j), ch) + sum / group);
            }
}

void
sana_reference_add_shuffled_repeat(SanaStream *s, SanaTensor y, SanaTensor x)
{
    int f = y.h / x.h, repeats = f * f * y.c / x.c;

    for (int i = 0; i < y.h; i++)
        for (int j = 0; j < y.w; j++)
            for (int ch = 0; ch < y.c; ch++) {
                float source = load(x, row_of(x, i / f, j / f), channel_of(f, i, j, ch) / repeats);
                store(y, row_of(y, i, j), ch, (double)load(y, row_of(y, i, j), ch) + source);
            }
}
