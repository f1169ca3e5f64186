/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixels of the fake model: of images one by one, of video by nearest samples. */
#ifndef FAKE_PIXELS_H
#define FAKE_PIXELS_H

#include "pipelines/sana.h"

/* A component of a pixel as a byte with a fraction, whatever the format. */
void fake_pixels_put(const SanaImage *image, int x, int y, int c, double byte);
double fake_pixels_get(const SanaImage *image, int x, int y, int c);

/* The video's picture into the rectangle of the image, its edge beside it. */
void fake_pixels_read(const SanaImage *image, const SanaVideoImage *source,
                      const SanaContent *content);
/* And back. */
void fake_pixels_write(const SanaVideoImage *target, const SanaImage *image,
                       const SanaContent *content);

#endif
