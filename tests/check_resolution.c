/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bins and scaled pictures against PixArtImageProcessor of diffusers. */
#include "pipelines/resolution.h"

#include "tests/golden/resolution_tables.h"

static void
a_size_goes_to_the_reference_s_bin(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(binned); i++) {
        int width = binned[i][0], height = binned[i][1];
        sana_resolution_bin(&width, &height);
        g_assert_cmpint(width, ==, binned[i][2]);
        g_assert_cmpint(height, ==, binned[i][3]);
    }
}

/* The pattern of the table: ((37 i) mod 101) / 50 − 1. */
static float *
pattern(int width, int height)
{
    int count = width * height * 3;
    float *picture = g_new(float, count);
    for (int i = 0; i < count; i++)
        picture[i] = (float)(37 * i % 101) / 50.0f - 1.0f;
    return picture;
}

static void
a_picture_is_scaled_and_cropped_as_there(void)
{
    const float *wanted = resized;
    for (gsize i = 0; i < G_N_ELEMENTS(resizes); i++) {
        const int *r = resizes[i];
        int count = r[2] * r[3] * 3;
        float *source = pattern(r[0], r[1]), *picture = g_new(float, count);
        sana_resize_and_crop(source, r[0], r[1], picture, r[2], r[3]);
        for (int k = 0; k < count; k++)
            g_assert_cmpfloat_with_epsilon(picture[k], wanted[k], 1e-6);
        wanted += count;
        g_free(source);
        g_free(picture);
    }
    g_assert_true(wanted == resized + G_N_ELEMENTS(resized));
}

/* Sizes at which sw · (dw / sw) truncates to dw − 1 included: all of dst is written, within the
 * range of src. */
static void
every_pixel_is_written(void)
{
    for (int from = 1; from <= 60; from++) {
        for (int to = 1; to <= 60; to++) {
            float *source = pattern(from, 3), *picture = g_new(float, to * 5 * 3);
            for (int k = 0; k < to * 15; k++)
                picture[k] = 99;
            sana_resize_and_crop(source, from, 3, picture, to, 5);
            for (int k = 0; k < to * 15; k++)
                g_assert_cmpfloat(ABS(picture[k]), <=, 1.000001);
            g_free(source);
            g_free(picture);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resolution/a_size_goes_to_the_reference_s_bin",
                    a_size_goes_to_the_reference_s_bin);
    g_test_add_func("/resolution/a_picture_is_scaled_and_cropped_as_there",
                    a_picture_is_scaled_and_cropped_as_there);
    g_test_add_func("/resolution/every_pixel_is_written", every_pixel_is_written);
    return g_test_run();
}
