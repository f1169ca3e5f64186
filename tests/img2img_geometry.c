/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the drawn picture lies on its source: process-width, process-height, fit. */
#include "img2img.h"

#include <gst/video/navigation.h>

#include <math.h>
#include <string.h>

#define CAPS "video/x-raw,format=RGB,width=%d,height=%d,framerate=25/1"

/* Lines of half a period, upright ones in red, level ones in green, few enough to be shown at the
 * smallest process size; and a ramp in blue, lest a whole period go unseen. */
#define PERIODS 5

static int
period(int side)
{
    return side / PERIODS;
}

static GstBuffer *
grid(int width, int height)
{
    char *caps = g_strdup_printf(CAPS, width, height);
    GstBuffer *buffer = filter_picture(caps, 0, 0);
    int px = period(width), py = period(height);
    GstVideoInfo info;
    GstVideoFrame frame;

    filter_info(&info, caps);
    g_free(caps);
    g_assert_true(gst_video_frame_map(&frame, &info, buffer, GST_MAP_WRITE));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            guint8 *p = (guint8 *)frame.data[0] + y * frame.info.stride[0] + 3 * x;
            int dx = x % px, dy = y % py;
            p[0] = dx >= px / 4 && dx < px - px / 4 ? 255 : 0;
            p[1] = dy >= py / 4 && dy < py - py / 4 ? 255 : 0;
            p[2] = (guint8)(255 * x / width);
        }
    gst_video_frame_unmap(&frame);
    return buffer;
}

/* The middle of what is bright from `from` to `to` (fractions of the side) along one direction, as
 * a pixel of the picture; means over the whole of the other direction. */
static double
centre(GstVideoFrame *frame, int direction, double from, double to)
{
    int side = direction == 0 ? frame->info.width : frame->info.height;
    int other = direction == 0 ? frame->info.height : frame->info.width;
    double sum = 0, weighted = 0;

    for (int i = (int)ceil(from * side); i + 1 <= (int)(to * side); i++)
        for (int k = 0; k < other; k++) {
            int x = direction == 0 ? i : k, y = direction == 0 ? k : i;
            double v = ((guint8 *)frame->data[0])[y * frame->info.stride[0] + 3 * x + direction];
            sum += v;
            weighted += v * (i + 0.5);
        }
    return weighted / sum;
}

static void
expect_same_ramp(GstVideoFrame *a, GstVideoFrame *b)
{
    for (int i = 1; i < 16; i++) {
        const guint8 *from = (guint8 *)a->data[0] + a->info.height / 2 * a->info.stride[0] +
                             3 * (i * a->info.width / 16);
        const guint8 *to = (guint8 *)b->data[0] + b->info.height / 2 * b->info.stride[0] +
                           3 * (i * b->info.width / 16);
        if (ABS(from[2] - to[2]) > 8)
            g_error("%d × %d: %d instead of %d at %d/16", a->info.width, a->info.height, to[2],
                    from[2], i);
    }
}

/* The largest distance of a line from where it was, in pixels of the output. */
static double
largest_shift(GstBuffer *in, GstBuffer *out, const int from[2], const int to[2])
{
    char *in_caps = g_strdup_printf(CAPS, from[0], from[1]);
    char *out_caps = g_strdup_printf(CAPS, to[0], to[1]);
    GstVideoInfo in_info, out_info;
    GstVideoFrame a, b;
    double largest = 0;

    filter_info(&in_info, in_caps);
    filter_info(&out_info, out_caps);
    g_free(in_caps);
    g_free(out_caps);
    g_assert_true(gst_video_frame_map(&a, &in_info, in, GST_MAP_READ));
    g_assert_true(gst_video_frame_map(&b, &out_info, out, GST_MAP_READ));
    expect_same_ramp(&a, &b);
    for (int direction = 0; direction < 2; direction++)
        for (int line = 0; line < PERIODS; line++) {
            double step = (double)period(from[direction]) / from[direction];
            double was = centre(&a, direction, line * step, (line + 1) * step);
            double is = centre(&b, direction, line * step, (line + 1) * step);
            double shift = is - was * to[direction] / from[direction];
            largest = MAX(largest, fabs(shift));
        }
    gst_video_frame_unmap(&a);
    gst_video_frame_unmap(&b);
    return largest;
}

static GstHarness *
start_with(const char *fit, guint width, guint height, const char *model)
{
    GstElement *element = filter_make("model-path", model, "process-width", width, "process-height",
                                      height, "strength", 1.0, NULL);

    gst_util_set_object_arg(G_OBJECT(element), "fit", fit);
    return filter_start(element, NULL, FALSE);
}

static const int odd_sizes[][2] = {{97, 97},   {101, 149}, {333, 187}, {641, 361},
                                   {127, 255}, {255, 127}, {99, 501},  {501, 99},
                                   {321, 241}, {175, 143}, {427, 239}, {109, 113}};

static void
test_no_shift(void)
{
    static const guint process[][2] = {{0, 0}, {192, 128}, {160, 160}, {128, 0}, {0, 120}};
    static const char *const fits[] = {"crop", "letterbox", "stretch"};
    double largest = 0;

    for (guint i = 0; i < G_N_ELEMENTS(odd_sizes); i++)
        for (guint p = 0; p < G_N_ELEMENTS(process); p++)
            for (guint f = 0; f < (process[p][0] && process[p][1] ? G_N_ELEMENTS(fits) : 1); f++) {
                const int *size = odd_sizes[i];
                GstHarness *h =
                    start_with(fits[f], process[p][0], process[p][1], "fake:factor=32,copy");
                char *caps = g_strdup_printf(CAPS, size[0], size[1]);
                GstBuffer *in = grid(size[0], size[1]);
                gst_harness_set_src_caps_str(h, caps);
                GstBuffer *out = filter_through(h, gst_buffer_ref(in));
                double shift = largest_shift(in, out, size, size);
                if (shift > 0.2)
                    g_error("%d × %d at %u × %u, %s: %.3f pixels", size[0], size[1], process[p][0],
                            process[p][1], fits[f], shift);
                largest = MAX(largest, shift);
                gst_buffer_unref(in);
                gst_buffer_unref(out);
                g_free(caps);
                filter_stop(h);
            }
    g_test_message("largest shift: %.3f pixels", largest);
}

static void
test_no_shift_when_scaled(void)
{
    static const int to[2] = {320, 180};
    double largest = 0;

    for (guint i = 0; i < G_N_ELEMENTS(odd_sizes); i++) {
        const int *size = odd_sizes[i];
        GstHarness *h = start_with("crop", 160, 160, "fake:factor=32,copy");
        char *caps = g_strdup_printf(CAPS, size[0], size[1]);
        GstBuffer *in = grid(size[0], size[1]);
        gst_harness_set_sink_caps_str(h, "video/x-raw,format=RGB,width=320,height=180");
        gst_harness_set_src_caps_str(h, caps);
        GstBuffer *out = filter_through(h, gst_buffer_ref(in));
        double shift = largest_shift(in, out, size, to);
        largest = MAX(largest, shift);
        g_assert_cmpfloat(shift, <=, 0.2);
        gst_buffer_unref(in);
        gst_buffer_unref(out);
        g_free(caps);
        filter_stop(h);
    }
    g_test_message("largest shift: %.3f pixels", largest);
}

/* The rectangle where the flat colour of strength 1 is; everything else must be the input. */
static void
expect_drawn(const char *caps, GstBuffer *in, GstBuffer *out, GstVideoRectangle drawn)
{
    GstVideoInfo info;
    GstVideoFrame a, b;
    guint8 colour[3];

    fake_sana_colour("", 0, 1, 4.5, colour);
    filter_info(&info, caps);
    g_assert_true(gst_video_frame_map(&a, &info, in, GST_MAP_READ));
    g_assert_true(gst_video_frame_map(&b, &info, out, GST_MAP_READ));
    for (int y = 0; y < info.height; y++)
        for (int x = 0; x < info.width; x++) {
            const guint8 *p = (guint8 *)a.data[0] + y * a.info.stride[0] + 3 * x;
            const guint8 *q = (guint8 *)b.data[0] + y * b.info.stride[0] + 3 * x;
            gboolean inside =
                x >= drawn.x && x < drawn.x + drawn.w && y >= drawn.y && y < drawn.y + drawn.h;
            int apart = 0;
            for (int c = 0; c < 3; c++)
                apart = MAX(apart, ABS(q[c] - (inside ? colour : p)[c]));
            /* scaling rounds */
            if (apart > inside)
                g_error("(%d, %d) is %s", x, y, inside ? "not drawn" : "not the input");
        }
    gst_video_frame_unmap(&a);
    gst_video_frame_unmap(&b);
}

static void
test_fit(void)
{
    static const struct {
        int width, height;
        const char *more; /* of the caps */
        guint process[2];
        const char *fit;
        GstVideoRectangle drawn;
        int model[2];
    } cases[] = {
        {100, 60, "", {32, 32}, "crop", {20, 0, 60, 60}, {32, 32}},
        {60, 100, "", {32, 32}, "crop", {0, 20, 60, 60}, {32, 32}},
        {100, 60, "", {32, 32}, "letterbox", {0, 0, 100, 60}, {32, 32}},
        {100, 60, "", {32, 32}, "stretch", {0, 0, 100, 60}, {32, 32}},
        /* shapes that are equal but for rounding have no margins */
        {1366, 768, "", {640, 360}, "crop", {0, 0, 1366, 768}, {640, 360}},
        /* one of them: the other keeps the shape; up to the model's factor, 8 */
        {100, 60, "", {50, 0}, "crop", {0, 0, 100, 60}, {56, 32}},
        {100, 60, "", {0, 120}, "crop", {0, 0, 100, 60}, {200, 120}},
        {97, 61, "", {0, 0}, "crop", {0, 0, 97, 61}, {104, 64}},
        /* the shape that is seen counts: 4 : 3 pixels of 144 × 108 are 16 : 9 */
        {144, 108, ",pixel-aspect-ratio=4/3", {64, 36}, "crop", {0, 0, 144, 108}, {64, 40}},
        {144, 108, ",pixel-aspect-ratio=4/3", {64, 0}, "crop", {0, 0, 144, 108}, {64, 40}},
        {144, 108, ",pixel-aspect-ratio=4/3", {32, 32}, "crop", {31, 0, 81, 108}, {32, 32}},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *caps = g_strdup_printf(CAPS "%s", cases[i].width, cases[i].height, cases[i].more);
        GstHarness *h = start_with(cases[i].fit, cases[i].process[0], cases[i].process[1], "fake:");
        GstBuffer *in = filter_picture(caps, i, 0);
        FakeSanaCounts counts;
        g_test_message("%s at %u × %u, %s", caps, cases[i].process[0], cases[i].process[1],
                       cases[i].fit);
        gst_harness_set_src_caps_str(h, caps);
        GstBuffer *out = filter_through(h, gst_buffer_ref(in));
        expect_drawn(caps, in, out, cases[i].drawn);
        fake_sana_counts(&counts);
        g_assert_cmpint(counts.width, ==, cases[i].model[0]);
        g_assert_cmpint(counts.height, ==, cases[i].model[1]);
        gst_buffer_unref(in);
        gst_buffer_unref(out);
        g_free(caps);
        filter_stop(h);
    }
}

/* Frames queued before a change have the size of before, and all come in order. */
static void
test_change_while_playing(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=20", NULL), SMALL, FALSE);
    FakeSanaCounts counts;

    for (guint i = 0; i < 12; i++) {
        g_object_set(h->element, "process-width", 8 + 8 * i, "process-height", 16, NULL);
        g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, i, i)), ==, GST_FLOW_OK);
    }
    for (guint i = 0; i < 12; i++) {
        GstBuffer *out = gst_harness_pull(h);
        g_assert_cmpuint(GST_BUFFER_PTS(out), ==, i * 40 * GST_MSECOND);
        gst_buffer_unref(out);
    }
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.width, ==, 96);
    filter_expect_no_error(h->element);
    filter_stop(h);
}

static void
test_navigation(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), NULL, FALSE);
    GstEvent *event;
    double x = 0, y = 0;

    gst_harness_set_sink_caps_str(h, "video/x-raw,width=128,height=16");
    gst_harness_set_src_caps_str(h, SMALL);
    gst_buffer_unref(filter_through(h, filter_picture(SMALL, 0, 0)));
    gst_harness_push_upstream_event(h, gst_navigation_event_new_mouse_move(100, 8, 0));
    while ((event = gst_harness_try_pull_upstream_event(h)) &&
           GST_EVENT_TYPE(event) != GST_EVENT_NAVIGATION)
        gst_event_unref(event);
    g_assert_nonnull(event);
    g_assert_true(gst_navigation_event_get_coordinates(event, &x, &y));
    g_assert_cmpfloat(x, ==, 50);
    g_assert_cmpfloat(y, ==, 16);
    gst_event_unref(event);

    /* one that has no place comes as it is */
    gst_harness_push_upstream_event(h, gst_navigation_event_new_key_press("a", 0));
    event = gst_harness_pull_upstream_event(h);
    g_assert_cmpint(gst_navigation_event_get_type(event), ==, GST_NAVIGATION_EVENT_KEY_PRESS);
    gst_event_unref(event);
    filter_stop(h);
}

void
add_geometry_tests(void)
{
    g_test_add_func("/img2img/geometry/no shift at 12 odd sizes (row 13)", test_no_shift);
    g_test_add_func("/img2img/geometry/no shift when scaled (row 13)", test_no_shift_when_scaled);
    g_test_add_func("/img2img/geometry/fit and margins (row 13)", test_fit);
    g_test_add_func("/img2img/geometry/change while playing (row 13)", test_change_while_playing);
    g_test_add_func("/img2img/geometry/navigation (row 37)", test_navigation);
}
