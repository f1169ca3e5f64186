/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/vec.h"
#include "kernels/taps.h"

void
LOOP(video_load)(SanaStream *s, SanaTensor y, const SanaVideo *x)
{
    const SanaRectangle r = x->content;
    FOR_MAP_ROWS(i, y)
    {
        int row = sana_mirrored(i - r.y, r.h);
        for (int j = 0; j < y.w; j++) {
            float level[3], rgb[3];
            for (int c = 0; c < 3; c++)
                level[c] = sana_video_level(x, &x->component[c], row, sana_mirrored(j - r.x, r.w));
            for (int ch = 0; ch < 3; ch++) {
                const float *m = x->matrix[ch];
                rgb[ch] = m[0] * level[0] + m[1] * level[1] + m[2] * level[2] + m[3];
            }
            store(y, (size_t)i * (size_t)y.w + (size_t)j, 0, rgb, 3);
        }
    }
}

/* What matrix row m makes of the picture around one sample. */
INLINE float
level_of(SanaTensor x, const SanaTaps *across, const SanaTaps *down, const float *m)
{
    float sum = 0;
    for (int i = down->first; i <= down->last; i++) {
        float of_row = 0;
        for (int j = across->first; j <= across->last; j++) {
            float rgb[3];
            load(rgb, x, (size_t)i * (size_t)x.w + (size_t)j, 0, 3);
            of_row += sana_tap_weight(across, j) * (m[0] * rgb[0] + m[1] * rgb[1] + m[2] * rgb[2]);
        }
        sum += sana_tap_weight(down, i) * of_row;
    }
    return sum + m[3];
}

static void
store_component(const SanaVideo *y, int component, SanaTensor x)
{
    const SanaVideoComponent *c = &y->component[component];
    const SanaRectangle *r = &y->content;
    const int w = sana_video_samples(y->width, c->sub_x);
    const int h = sana_video_samples(y->height, c->sub_y);
    const SanaAxis columns = sana_axis_store(y->width, r->w, r->x, c->sub_x, c->at_x);
    const SanaAxis rows = sana_axis_store(y->height, r->h, r->y, c->sub_y, c->at_y);
    PARALLEL_FOR(int, l, h, (size_t)w *(size_t)h)
    {
        uint8_t *bytes = (uint8_t *)c->data + (size_t)l * c->pitch;
        SanaTaps down = sana_taps_at(&rows, l);
        for (int k = 0; k < w; k++) {
            SanaTaps across = sana_taps_at(&columns, k);
            bytes[(size_t)k * (size_t)c->step] =
                sana_video_byte(level_of(x, &across, &down, y->matrix[component]));
        }
    }
}

void
LOOP(video_store)(SanaStream *s, const SanaVideo *y, SanaTensor x)
{
    const SanaVideoComponent *first = &y->component[0];
    for (int c = 0; c < 3; c++)
        store_component(y, c, x);
    for (int l = 0; y->filler && l < y->height; l++)
        for (int k = 0; k < y->width; k++)
            ((uint8_t *)y->filler)[(size_t)l * first->pitch + (size_t)k * (size_t)first->step] =
                255;
}
