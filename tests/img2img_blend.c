/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the drawn picture and its source become the output: mix, bypass, smoothing, alpha. */
#include "img2img.h"

#include <gst/controller/controller.h>

#include <string.h>

static void
flat_colour(guint8 colour[3], guint64 seed)
{
    fake_sana_colour("", seed, 1, 4.5, colour);
}

/* The first pixel of a picture of RGB. */
static void
first_pixel(GstBuffer *buffer, guint8 pixel[3])
{
    g_assert_nonnull(buffer);
    gst_buffer_extract(buffer, 0, pixel, 3);
}

static void
expect_near(const guint8 *is, const double *wanted, double tolerance)
{
    for (int c = 0; c < 3; c++)
        if (is[c] < wanted[c] - tolerance || is[c] > wanted[c] + tolerance)
            g_error("component %d is %d, not %.2f", c, is[c], wanted[c]);
}

static void
test_mix(void)
{
    static const double mixes[] = {0, 0.25, 0.5, 1};
    static const char *const formats[] = {"RGB", "I420"};

    for (guint i = 0; i < G_N_ELEMENTS(mixes); i++) {
        GstHarness *h =
            filter_start(filter_make("strength", 1.0, "mix", mixes[i], NULL), SMALL, FALSE);
        GstBuffer *in = filter_picture(SMALL, i, 0);
        guint8 from[3], to[3], colour[3];
        double wanted[3];
        first_pixel(in, from);
        GstBuffer *out = filter_through(h, in);
        first_pixel(out, to);
        flat_colour(colour, 0);
        for (int c = 0; c < 3; c++)
            wanted[c] = from[c] + mixes[i] * (colour[c] - from[c]);
        expect_near(to, wanted, mixes[i] == 0 || mixes[i] == 1 ? 0 : 1);
        gst_buffer_unref(out);
        filter_stop(h);
    }
    /* any format and process size: half of the input and half of the input is the input */
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        char *caps =
            g_strdup_printf("video/x-raw,format=%s,width=64,height=48,framerate=25/1", formats[i]);
        GstHarness *h = filter_start(
            filter_make("model-path", "fake:copy", "mix", 0.5, "process-width", 40, NULL), caps,
            FALSE);
        GstBuffer *in = filter_picture(caps, 0, 0);
        GstMapInfo map;
        gst_buffer_memset(in, 0, 120, -1);
        GstBuffer *out = filter_through(h, in);
        gst_buffer_map(out, &map, GST_MAP_READ);
        for (gsize k = 0; k < map.size; k++)
            g_assert_cmpint(ABS(map.data[k] - 120), <=, 2);
        gst_buffer_unmap(out, &map);
        gst_buffer_unref(out);
        filter_stop(h);
        g_free(caps);
    }
}

/* A curve over the properties that may have one: mix from 0 to 1 within a second. */
static void
test_controller(void)
{
    static const char *const controllable[] = {"mix", "bypass", "temporal-smoothing"};
    GstElement *element = filter_make("strength", 1.0, NULL);
    GstControlSource *source = gst_interpolation_control_source_new();

    for (guint i = 0; i < G_N_ELEMENTS(controllable); i++)
        g_assert_true(
            g_object_class_find_property(G_OBJECT_GET_CLASS(element), controllable[i])->flags &
            GST_PARAM_CONTROLLABLE);
    g_object_set(source, "mode", GST_INTERPOLATION_MODE_LINEAR, NULL);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source), 0, 0.0);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source), GST_SECOND, 1.0);
    g_assert_true(gst_object_add_control_binding(
        GST_OBJECT(element), gst_direct_control_binding_new(GST_OBJECT(element), "mix", source)));
    gst_object_unref(source);

    GstHarness *h = filter_start(element, SMALL, FALSE);
    for (guint i = 0; i <= 25; i += 5) {
        GstBuffer *in = filter_picture(SMALL, 7, i);
        guint8 from[3], to[3], colour[3];
        double wanted[3];
        first_pixel(in, from);
        GstBuffer *out = filter_through(h, in);
        first_pixel(out, to);
        flat_colour(colour, 0);
        for (int c = 0; c < 3; c++)
            wanted[c] = from[c] + i / 25.0 * (colour[c] - from[c]);
        expect_near(to, wanted, 1);
        gst_buffer_unref(out);
    }
    filter_stop(h);
}

static void
query_latency(GstHarness *h, gboolean *live, GstClockTime times[2])
{
    GstQuery *query = gst_query_new_latency();

    g_assert_true(gst_pad_peer_query(h->sinkpad, query));
    gst_query_parse_latency(query, live, &times[0], &times[1]);
    gst_query_unref(query);
}

static void
test_bypass(void)
{
    GstElement *element = filter_make("strength", 1.0, "model-path", "fake:frame=20", NULL);
    GstClockTime before[2], after[2];
    gboolean live;
    FakeSanaCounts counts;

    gst_util_set_object_arg(G_OBJECT(element), "startup-mode", "block");
    GstHarness *h = filter_start(element, SMALL, TRUE);
    gst_buffer_unref(filter_through(h, filter_picture(SMALL, 0, 0)));
    query_latency(h, &live, before);
    g_assert_cmpuint(before[0], >, 0);
    fake_sana_forget();
    g_object_set(h->element, "bypass", TRUE, NULL);
    GstBuffer *in = filter_picture(SMALL, 1, 1);
    GstBuffer *out = filter_through(h, gst_buffer_ref(in));
    guint8 a[64 * 32 * 3], b[sizeof a];
    gst_buffer_extract(in, 0, a, sizeof a);
    gst_buffer_extract(out, 0, b, sizeof b);
    g_assert_cmpmem(a, sizeof a, b, sizeof b);
    gst_buffer_unref(in);
    gst_buffer_unref(out);
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.frames, ==, 0);
    query_latency(h, &live, after);
    g_assert_cmpuint(after[0], ==, before[0]);
    g_assert_cmpuint(after[1], ==, before[1]);
    filter_stop(h);
}

/* Switched at every frame, nothing overtakes. */
static void
test_bypass_keeps_order(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=10", NULL), SMALL, FALSE);

    for (guint i = 0; i < 20; i++) {
        g_object_set(h->element, "bypass", i % 2 == 1, NULL);
        g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, i, i)), ==, GST_FLOW_OK);
    }
    for (guint i = 0; i < 20; i++) {
        GstBuffer *out = gst_harness_pull(h);
        g_assert_cmpuint(GST_BUFFER_PTS(out), ==, i * 40 * GST_MSECOND);
        gst_buffer_unref(out);
    }
    filter_stop(h);
}

/* --- temporal smoothing ----------------------------------------------------------------------- */

/* Frame n of one still picture, drawn in the colour of seed n. */
static GstBuffer *
still_picture(guint n, GstClockTime pts)
{
    GstBuffer *in = filter_picture(SMALL, 1, n);

    gst_buffer_memset(in, 0, 100, -1);
    GST_BUFFER_PTS(in) = pts;
    return in;
}

static GstHarness *
start_smoothing(double smoothing)
{
    GstElement *element = filter_make("strength", 1.0, "temporal-smoothing", smoothing, NULL);

    gst_util_set_object_arg(G_OBJECT(element), "noise-mode", "per-frame");
    return filter_start(element, SMALL, FALSE);
}

static void
test_smoothing_where_still(void)
{
    GstHarness *h = start_smoothing(0.75);
    double wanted[3] = {0};

    for (guint n = 0; n < 8; n++) {
        guint8 colour[3], pixel[3];
        GstBuffer *out = filter_through(h, still_picture(n, n * 40 * GST_MSECOND));
        flat_colour(colour, n);
        for (int c = 0; c < 3; c++)
            wanted[c] = n == 0 ? colour[c] : 0.75 * wanted[c] + 0.25 * colour[c];
        first_pixel(out, pixel);
        expect_near(pixel, wanted, 1);
        gst_buffer_unref(out);
    }
    filter_stop(h);
}

static void
test_no_smoothing_where_moving(void)
{
    GstHarness *h = start_smoothing(1.0);

    for (guint n = 0; n < 4; n++) {
        GstBuffer *in = still_picture(n, n * 40 * GST_MSECOND);
        guint8 colour[3], pixel[3], first[3];
        /* the left half changes by more than 32 each time, the right half by 8 at most */
        for (guint y = 0; y < 32; y++) {
            gst_buffer_memset(in, y * 192, (guint8)(100 + 40 * (n % 2)), 96);
            gst_buffer_memset(in, y * 192 + 96, (guint8)(100 + 8 * (n % 2)), 96);
        }
        GstBuffer *out = filter_through(h, in);
        flat_colour(colour, n);
        first_pixel(out, pixel);
        g_assert_cmpmem(pixel, 3, colour, 3);
        flat_colour(first, 0);
        gst_buffer_extract(out, 189, pixel, 3);
        g_assert_cmpmem(pixel, 3, first, 3);
        gst_buffer_unref(out);
    }
    filter_stop(h);
}

/* Whether a frame after the first is drawn as if there had been none before it. */
static gboolean
starts_anew(GstHarness *h, guint n, GstClockTime pts)
{
    GstBuffer *out = filter_through(h, still_picture(n, pts));
    guint8 colour[3], pixel[3];

    first_pixel(out, pixel);
    gst_buffer_unref(out);
    flat_colour(colour, n);
    return !memcmp(pixel, colour, 3);
}

static void
test_smoothing_resets(void)
{
    GstHarness *h = start_smoothing(1.0);
    GstSegment segment;

    g_assert_true(starts_anew(h, 0, 0));
    g_assert_false(starts_anew(h, 1, 40 * GST_MSECOND));
    /* a pause of less than a second */
    g_assert_false(starts_anew(h, 2, 900 * GST_MSECOND));
    /* DISCONT says that something is missing, not that time jumped */
    GstBuffer *in = still_picture(3, 940 * GST_MSECOND);
    guint8 colour[3], pixel[3];
    GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_DISCONT);
    GstBuffer *out = filter_through(h, in);
    first_pixel(out, pixel);
    gst_buffer_unref(out);
    flat_colour(colour, 0);
    g_assert_cmpmem(pixel, 3, colour, 3);
    /* a pause of more, and time that goes back */
    g_assert_true(starts_anew(h, 4, 3 * GST_SECOND));
    g_assert_false(starts_anew(h, 5, 3 * GST_SECOND + 40 * GST_MSECOND));
    g_assert_true(starts_anew(h, 6, 1 * GST_SECOND));
    g_assert_false(starts_anew(h, 7, 1 * GST_SECOND + 40 * GST_MSECOND));
    /* a flush; the frame's number starts anew with it */
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    g_object_set(h->element, "seed", G_GUINT64_CONSTANT(50), NULL);
    out = filter_through(h, still_picture(0, 1100 * GST_MSECOND));
    first_pixel(out, pixel);
    gst_buffer_unref(out);
    flat_colour(colour, 50);
    g_assert_cmpmem(pixel, 3, colour, 3);
    filter_stop(h);
}

/* Switched off and on, it begins anew; in 16 bits it does what it does in 8. */
static void
test_smoothing_switched(void)
{
    GstHarness *h = start_smoothing(1.0);

    g_assert_true(starts_anew(h, 0, 0));
    g_object_set(h->element, "temporal-smoothing", 0.0, NULL);
    g_assert_true(starts_anew(h, 1, 40 * GST_MSECOND));
    g_object_set(h->element, "temporal-smoothing", 1.0, NULL);
    g_assert_true(starts_anew(h, 2, 80 * GST_MSECOND));
    g_assert_false(starts_anew(h, 3, 120 * GST_MSECOND));
    filter_stop(h);

    static const char *const deep =
        "video/x-raw,format=Y444_10LE,width=64,height=32,framerate=25/1";
    GstElement *element = filter_make("strength", 1.0, "temporal-smoothing", 1.0, NULL);
    gst_util_set_object_arg(G_OBJECT(element), "noise-mode", "per-frame");
    h = filter_start(element, deep, FALSE);
    guint16 first = 0, value;
    for (guint n = 0; n < 3; n++) {
        GstBuffer *out = filter_through(h, filter_picture(deep, 5, n));
        gst_buffer_extract(out, 0, &value, 2);
        if (n == 0)
            first = value;
        g_assert_cmpuint(value, ==, first);
        gst_buffer_unref(out);
    }
    filter_stop(h);
}

/* --- alpha ------------------------------------------------------------------------------------ */

static int
alpha_at(GstVideoFrame *frame, int x, int y)
{
    const guint8 *p = (guint8 *)GST_VIDEO_FRAME_COMP_DATA(frame, 3) +
                      y * GST_VIDEO_FRAME_COMP_STRIDE(frame, 3) +
                      x * GST_VIDEO_FRAME_COMP_PSTRIDE(frame, 3);

    return GST_VIDEO_FRAME_COMP_DEPTH(frame, 3) > 8 ? *(const guint16 *)p : *p;
}

/* `flat`: the input's alpha is that everywhere. */
static void
expect_alpha(const char *in_caps, GstBuffer *in, const char *out_caps, GstBuffer *out, int flat)
{
    GstVideoInfo info;
    GstVideoFrame a, b;

    filter_info(&info, in_caps);
    g_assert_true(gst_video_frame_map(&a, &info, in, GST_MAP_READ));
    filter_info(&info, out_caps);
    g_assert_true(gst_video_frame_map(&b, &info, out, GST_MAP_READ));
    for (int y = 0; y < info.height; y++)
        for (int x = 0; x < info.width; x++)
            g_assert_cmpint(alpha_at(&b, x, y), ==, flat >= 0 ? flat : alpha_at(&a, x, y));
    gst_video_frame_unmap(&a);
    gst_video_frame_unmap(&b);
}

static void
test_alpha(void)
{
    static const char *const formats[] = {"RGBA", "BGRA", "AYUV", "ARGB", "ARGB64", "A420"};
    static const guint process[] = {0, 40};

    for (guint i = 0; i < G_N_ELEMENTS(formats) * 2; i++) {
        char *caps = g_strdup_printf("video/x-raw,format=%s,width=66,height=46,framerate=25/1",
                                     formats[i / 2]);
        GstHarness *h = filter_start(
            filter_make("strength", 1.0, "process-width", process[i % 2], NULL), caps, FALSE);
        GstBuffer *in = filter_picture(caps, i, 0);
        GstBuffer *out = filter_through(h, gst_buffer_ref(in));
        expect_alpha(caps, in, caps, out, -1);
        gst_buffer_unref(in);
        gst_buffer_unref(out);
        filter_stop(h);
        g_free(caps);
    }
}

/* Drawn colours over the input's alpha: nothing else of the input is left. */
static void
test_alpha_leaves_colours(void)
{
    static const char *const caps = "video/x-raw,format=RGBA,width=66,height=46,framerate=25/1";
    GstHarness *h = filter_start(filter_make("strength", 1.0, NULL), caps, FALSE);
    GstBuffer *out = filter_through(h, filter_picture(caps, 3, 0));
    guint8 colour[3], pixel[3];

    flat_colour(colour, 0);
    for (guint i = 0; i < 66 * 46; i++) {
        gst_buffer_extract(out, 4 * i, pixel, 3);
        g_assert_cmpmem(pixel, 3, colour, 3);
    }
    gst_buffer_unref(out);
    filter_stop(h);
}

/* Scaled with the picture; into another format with alpha; lost where there is none. */
static void
test_alpha_scaled(void)
{
    static const char *const in_caps = "video/x-raw,format=BGRA,width=64,height=32,framerate=25/1";
    static const char *const out_caps[] = {
        "video/x-raw,format=BGRA,width=128,height=64,framerate=25/1",
        "video/x-raw,format=AYUV,width=32,height=16,framerate=25/1",
        "video/x-raw,format=I420,width=32,height=16,framerate=25/1"};

    for (guint i = 0; i < G_N_ELEMENTS(out_caps); i++) {
        GstHarness *h = filter_start(filter_make("strength", 1.0, NULL), NULL, FALSE);
        GstBuffer *in = filter_picture(in_caps, 0, 0);
        gst_harness_set_sink_caps_str(h, out_caps[i]);
        gst_harness_set_src_caps_str(h, in_caps);
        gst_buffer_memset(in, 0, 77, -1);
        GstBuffer *out = filter_through(h, gst_buffer_ref(in));
        if (i < 2)
            expect_alpha(in_caps, in, out_caps[i], out, 77);
        gst_buffer_unref(in);
        gst_buffer_unref(out);
        filter_stop(h);
    }
}

void
add_blend_tests(void)
{
    g_test_add_func("/img2img/blend/mix", test_mix);
    g_test_add_func("/img2img/blend/controller (row 25)", test_controller);
    g_test_add_func("/img2img/blend/bypass", test_bypass);
    g_test_add_func("/img2img/blend/bypass keeps the order", test_bypass_keeps_order);
    g_test_add_func("/img2img/blend/smoothing where the input is still",
                    test_smoothing_where_still);
    g_test_add_func("/img2img/blend/no smoothing where it moves", test_no_smoothing_where_moving);
    g_test_add_func("/img2img/blend/what resets smoothing", test_smoothing_resets);
    g_test_add_func("/img2img/blend/smoothing switched", test_smoothing_switched);
    g_test_add_func("/img2img/blend/alpha (row 21)", test_alpha);
    g_test_add_func("/img2img/blend/alpha leaves colours alone (row 21)",
                    test_alpha_leaves_colours);
    g_test_add_func("/img2img/blend/alpha scaled (row 21)", test_alpha_scaled);
}
