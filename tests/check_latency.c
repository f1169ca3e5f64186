/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows 6 and 7 of the elements' checklist: what a LATENCY query is told, and when that changes. */
#include "gstsanalatency.h"

#define MS GST_MSECOND

static GstSanaLatency
latency_new(void)
{
    GstSanaLatency latency = {.configured = GST_CLOCK_TIME_NONE};

    gst_sana_latency_reset(&latency);
    return latency;
}

static void
counts_the_frame_before(void)
{
    GstSanaLatency latency = latency_new();

    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 0);
    g_assert_true(gst_sana_latency_add(&latency, 100 * MS, 1));
    /* one is computed, one waits, and a tenth more */
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 220 * MS);
    gst_sana_latency_reset(&latency);
    g_assert_true(gst_sana_latency_add(&latency, 100 * MS, 0));
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 110 * MS);
}

/* Three slow frames in a hundred are nobody's latency; slow ones for good are, after thirty. */
static void
grows_late_and_never_falls(void)
{
    GstSanaLatency latency = latency_new();

    gst_sana_latency_add(&latency, 100 * MS, 1);
    for (int n = 0; n < 200; n++)
        g_assert_false(gst_sana_latency_add(&latency, n % 40 == 7 ? 900 * MS : 100 * MS, 1));
    for (int n = 0; n < 100; n++)
        g_assert_false(gst_sana_latency_add(&latency, 114 * MS, 1));
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 220 * MS);
    int frames = 0;
    while (!gst_sana_latency_add(&latency, 200 * MS, 1))
        frames++;
    g_assert_cmpint(frames, >=, 30);
    g_assert_cmpint(frames, <, 40);
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 440 * MS);
    for (int n = 0; n < 200; n++)
        g_assert_false(gst_sana_latency_add(&latency, 10 * MS, 1));
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 440 * MS);
}

/* A guess made before the caps were known may be too long; nothing has been played by it yet. */
static void
corrects_a_warm_up_before_the_first_frame(void)
{
    GstSanaLatency latency = latency_new();

    g_assert_true(gst_sana_latency_foresee(&latency, 500 * MS, 1));
    g_assert_false(gst_sana_latency_foresee(&latency, 500 * MS, 1));
    g_assert_true(gst_sana_latency_foresee(&latency, 100 * MS, 1));
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 220 * MS);
    g_assert_false(gst_sana_latency_add(&latency, 90 * MS, 1));
    g_assert_false(gst_sana_latency_foresee(&latency, 50 * MS, 1));
    g_assert_true(gst_sana_latency_foresee(&latency, 300 * MS, 1));
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 660 * MS);
}

/* The warm-up of a guess and that of the caps are seldom equal to the millisecond. */
static void
keeps_its_answer_when_warm_ups_take_about_as_long(void)
{
    GstSanaLatency latency = latency_new();

    g_assert_true(gst_sana_latency_foresee(&latency, 100 * MS, 1));
    g_assert_false(gst_sana_latency_foresee(&latency, 101 * MS, 1));
    g_assert_false(gst_sana_latency_foresee(&latency, 90 * MS, 1));
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 220 * MS);
    g_assert_true(gst_sana_latency_foresee(&latency, 120 * MS, 1));
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 264 * MS);
}

static void
remembers_pictures_of_before(void)
{
    GstSanaLatency latency = latency_new();

    g_assert_false(gst_sana_latency_expect(&latency, "model 64x64"));
    /* nothing measured, nothing remembered */
    gst_sana_latency_remember(&latency, "model 64x64", 1);
    g_assert_false(gst_sana_latency_expect(&latency, "model 64x64"));
    for (int n = 0; n < 10; n++)
        gst_sana_latency_add(&latency, 100 * MS, 1);
    gst_sana_latency_remember(&latency, "model 64x64", 1);

    gst_sana_latency_reset(&latency);
    g_assert_false(gst_sana_latency_expect(&latency, "model 96x96"));
    g_assert_true(gst_sana_latency_expect(&latency, "model 64x64"));
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 220 * MS);
    /* ten frames say more than one */
    g_assert_false(gst_sana_latency_foresee(&latency, 130 * MS, 1));
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 220 * MS);
}

static void
obeys_the_application_and_says_what_is_short(void)
{
    GstSanaLatency latency = latency_new();
    GstClockTime needed = 0;

    gst_sana_latency_configure(&latency, 150 * MS, FALSE);
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 150 * MS);
    gst_sana_latency_add(&latency, 50 * MS, 1);
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 150 * MS);
    g_assert_false(gst_sana_latency_is_short(&latency, 1, &needed));
    gst_sana_latency_add(&latency, 100 * MS, 1);
    g_assert_true(gst_sana_latency_is_short(&latency, 1, &needed));
    g_assert_cmpuint(needed, ==, 220 * MS);
    /* once is enough */
    g_assert_false(gst_sana_latency_is_short(&latency, 1, &needed));
    gst_sana_latency_reset(&latency);
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 150 * MS);
    gst_sana_latency_configure(&latency, GST_CLOCK_TIME_NONE, FALSE);
    gst_sana_latency_add(&latency, 100 * MS, 1);
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 220 * MS);
    g_assert_false(gst_sana_latency_is_short(&latency, 1, &needed));
}

/* pacing=repeat: what is shown is late, when it is shown is not. */
static void
is_nothing_for_frames_that_do_not_wait(void)
{
    GstSanaLatency latency = latency_new();
    GstClockTime needed;

    gst_sana_latency_configure(&latency, GST_CLOCK_TIME_NONE, TRUE);
    gst_sana_latency_add(&latency, 100 * MS, 1);
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 0);
    gst_sana_latency_configure(&latency, 20 * MS, TRUE);
    g_assert_cmpuint(gst_sana_latency_get(&latency), ==, 20 * MS);
    g_assert_false(gst_sana_latency_is_short(&latency, 1, &needed));
}

static void
adds_to_what_upstream_says(void)
{
    const GstClockTime none = GST_CLOCK_TIME_NONE;
    const struct {
        GstClockTime duration;
        gboolean leaky;
        GstClockTime up_min, up_max, min, max;
    } all[] = {
        /* own_min 220 ms; two frames of 40 are less than that, of 200 more */
        {40 * MS, FALSE, 10 * MS, 50 * MS, 230 * MS, 270 * MS},
        {200 * MS, FALSE, 10 * MS, 50 * MS, 230 * MS, 450 * MS},
        {none, FALSE, 10 * MS, 50 * MS, 230 * MS, 270 * MS},
        {40 * MS, FALSE, 10 * MS, none, 230 * MS, none},
        /* who drops never makes upstream wait */
        {40 * MS, TRUE, 10 * MS, 50 * MS, 230 * MS, 230 * MS},
        {40 * MS, TRUE, 10 * MS, 900 * MS, 230 * MS, 900 * MS},
        {200 * MS, TRUE, 10 * MS, 50 * MS, 230 * MS, 410 * MS},
        {40 * MS, TRUE, 10 * MS, none, 230 * MS, none},
    };
    GstSanaLatency latency = latency_new();

    gst_sana_latency_add(&latency, 100 * MS, 1);
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        GstClockTime min = all[i].up_min, max = all[i].up_max;

        gst_sana_latency_apply(&latency, 2, all[i].duration, all[i].leaky, &min, &max);
        g_test_message("case %u", i);
        g_assert_cmpuint(min, ==, all[i].min);
        g_assert_cmpuint(max, ==, all[i].max);
        /* or GstPipeline says: impossible to configure latency */
        g_assert_true(max >= min);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(f) g_test_add_func("/latency/" #f, f)
    TEST(counts_the_frame_before);
    TEST(grows_late_and_never_falls);
    TEST(keeps_its_answer_when_warm_ups_take_about_as_long);
    TEST(corrects_a_warm_up_before_the_first_frame);
    TEST(remembers_pictures_of_before);
    TEST(obeys_the_application_and_says_what_is_short);
    TEST(is_nothing_for_frames_that_do_not_wait);
    TEST(adds_to_what_upstream_says);
    return g_test_run();
}
