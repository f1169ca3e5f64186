/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* video_load, video_store */
#include "reference.h"

#include <math.h>

/* The samples first … first + count − 1 of one direction around the place u; their weights are
 * weight() over their sum. */
typedef struct {
    double u, radius, sum;
    int first, count;
} Taps;

static double
weight(const Taps *t, int k)
{
    return fmax(0, 1 - fabs(t->u - k) / t->radius);
}

/* Of samples low … high, those with no weight left out; u farther out than the last of them sees
 * that alone. */
static Taps
taps_at(double u, double radius, int low, int high)
{
    Taps t = {.u = fmin(fmax(u, low), high), .radius = fmax(1, radius)};
    int last = (int)fmin(high, ceil(t.u + t.radius) - 1);
    t.first = (int)fmax(low, floor(t.u - t.radius) + 1);
    t.count = last - t.first + 1;
    for (int k = t.first; k <= last; k++)
        t.sum += weight(&t, k);
    return t;
}

static double
normalised(const Taps *t, int k)
{
    return weight(t, k) / t->sum;
}

static int
samples(int pixels, int sub)
{
    return (pixels + sub - 1) / sub;
}

/* Where the i-th of n values comes from that are mirrored beyond both ends. */
static int
mirrored(int i, int n)
{
    i %= 2 * n;
    i = i < 0 ? i + 2 * n : i;
    return i < n ? i : 2 * n - 1 - i;
}

/* A component at the pixel (i, j) of content. */
static double
level_at(const SanaVideo *v, int component, int i, int j)
{
    const SanaVideoComponent *c = &v->component[component];
    double step_x = (double)v->width / v->content.w, step_y = (double)v->height / v->content.h;
    Taps across = taps_at(((j + 0.5) * step_x - c->at_x) / c->sub_x, step_x / c->sub_x, 0,
                          samples(v->width, c->sub_x) - 1);
    Taps down = taps_at(((i + 0.5) * step_y - c->at_y) / c->sub_y, step_y / c->sub_y, 0,
                        samples(v->height, c->sub_y) - 1);
    double sum = 0;
    for (int l = down.first; l < down.first + down.count; l++)
        for (int k = across.first; k < across.first + across.count; k++)
            sum += normalised(&down, l) * normalised(&across, k) *
                   ((const uint8_t *)c->data)[(size_t)l * c->pitch + (size_t)k * (size_t)c->step];
    return sum;
}

void
sana_reference_video_load(SanaStream *s, SanaTensor y, const SanaVideo *x)
{
    const SanaRectangle *r = &x->content;
    for (int i = 0; i < y.h; i++)
        for (int j = 0; j < y.w; j++) {
            double level[3];
            for (int c = 0; c < 3; c++)
                level[c] = level_at(x, c, mirrored(i - r->y, r->h), mirrored(j - r->x, r->w));
            for (int ch = 0; ch < 3; ch++) {
                const float *m = x->matrix[ch];
                store(y, row_of(y, i, j), ch,
                      m[0] * level[0] + m[1] * level[1] + m[2] * level[2] + m[3]);
            }
        }
}

/* The sample (k, l) of a component, not yet a level, as matrix row m makes it of content. */
static double
sample_at(const SanaVideo *v, const SanaVideoComponent *c, const float *m, SanaTensor x, int k,
          int l)
{
    const SanaRectangle *r = &v->content;
    double step_x = (double)r->w / v->width, step_y = (double)r->h / v->height;
    Taps across = taps_at(r->x + (c->at_x + c->sub_x * k) * step_x - 0.5, c->sub_x * step_x, r->x,
                          r->x + r->w - 1);
    Taps down = taps_at(r->y + (c->at_y + c->sub_y * l) * step_y - 0.5, c->sub_y * step_y, r->y,
                        r->y + r->h - 1);
    double sum = m[3];
    for (int i = down.first; i < down.first + down.count; i++)
        for (int j = across.first; j < across.first + across.count; j++)
            for (int ch = 0; ch < 3; ch++)
                sum += m[ch] * normalised(&down, i) * normalised(&across, j) *
                       load(x, row_of(x, i, j), ch);
    return sum;
}

void
sana_reference_video_store(SanaStream *s, const SanaVideo *y, SanaTensor x)
{
    for (int n = 0; n < 3; n++) {
        const SanaVideoComponent *c = &y->component[n];
        for (int l = 0; l < samples(y->height, c->sub_y); l++)
            for (int k = 0; k < samples(y->width, c->sub_x); k++) {
                double level = sample_at(y, c, y->matrix[n], x, k, l);
                /* the order of the comparisons makes NaN 0 */
                level = level > 0 ? level < 255 ? level : 255 : 0;
                ((uint8_t *)c->data)[(size_t)l * c->pitch + (size_t)k * (size_t)c->step] =
                    (uint8_t)nearbyint(level);
            }
    }
    for (int l = 0; y->filler && l < y->height; l++)
        for (int k = 0; k < y->width; k++)
            ((uint8_t *)y->filler)[(size_t)l * y->component[0].pitch +
                                   (size_t)k * (size_t)y->component[0].step] = 255;
}
