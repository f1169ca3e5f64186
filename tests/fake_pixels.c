/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_pixels.h"

void
fake_pixels_put(const SanaImage *image, int x, int y, int c, double byte)
{
    guint8 *row = (guint8 *)image->pixels + y * image->stride;

    if (image->format == SANA_IMAGE_RGB)
        row[3 * x + c] = byte + 0.5;
    else if (image->format == SANA_IMAGE_RGBA64)
        ((guint16 *)row)[4 * x + c] = byte * 257 + 0.5;
    else
        ((float *)row)[3 * x + c] = byte / 127.5 - 1;
}

double
fake_pixels_get(const SanaImage *image, int x, int y, int c)
{
    const guint8 *row = (const guint8 *)image->pixels + y * image->stride;

    if (image->format == SANA_IMAGE_RGB)
        return row[3 * x + c];
    if (image->format == SANA_IMAGE_RGBA64)
        return ((const guint16 *)row)[4 * x + c] / 257.0;
    return (((const float *)row)[3 * x + c] + 1) * 127.5;
}

/* The byte of a component that is nearest to the pixel (x, y). */
static guint8 *
sample(const SanaVideoImage *v, int component, int x, int y)
{
    const SanaComponent *c = &v->components[component];
    gsize row = (gsize)(CLAMP(y, 0, v->height - 1) / c->sub_y);
    gsize column = (gsize)(CLAMP(x, 0, v->width - 1) / c->sub_x);
    return (guint8 *)v->planes[c->plane] + c->offset + column * (gsize)c->step +
           row * v->strides[c->plane];
}

static double
dot(const double row[4], const double v[3])
{
    return row[0] * v[0] + row[1] * v[1] + row[2] * v[2] + row[3];
}

void
fake_pixels_read(const SanaImage *image, const SanaVideoImage *source, const SanaContent *content)
{
    double v[3];

    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            for (int i = 0; i < 3; i++)
                v[i] = *sample(source, i, (x - content->x) * source->width / content->w,
                               (y - content->y) * source->height / content->h);
            for (int i = 0; i < 3; i++)
                fake_pixels_put(image, x, y, i, (dot(source->matrix[i], v) + 1) * 127.5);
        }
}

void
fake_pixels_write(const SanaVideoImage *target, const SanaImage *image, const SanaContent *content)
{
    double rgb[3];

    for (int y = 0; y < target->height; y++)
        for (int x = 0; x < target->width; x++) {
            if (target->filler >= 0)
                sample(target, 0, x, y)[target->filler - (int)target->components[0].offset] = 255;
            for (int i = 0; i < 3; i++)
                rgb[i] = fake_pixels_get(image, content->x + x * content->w / target->width,
                                         content->y + y * content->h / target->height, i) /
                             127.5 -
                         1;
            for (int i = 0; i < 3; i++)
                *sample(target, i, x, y) = (guint8)CLAMP(dot(target->matrix[i], rgb) + 0.5, 0, 255);
        }
}
