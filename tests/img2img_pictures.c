/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pixels and what goes with them: nothing moves, nothing fades, nothing gets lost. */
#include "img2img.h"

#include <string.h>

/* The largest difference of any byte of two pictures, but not of what fills up their rows. */
static int
largest_difference(const char *caps, GstBuffer *a, GstBuffer *b)
{
    GstVideoInfo info;
    GstVideoFrame x, y;
    int largest = 0;

    filter_info(&info, caps);
    g_assert_true(gst_video_frame_map(&x, &info, a, GST_MAP_READ));
    g_assert_true(gst_video_frame_map(&y, &info, b, GST_MAP_READ));
    for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES(&x); p++) {
        gint comp[GST_VIDEO_MAX_COMPONENTS];
        gst_video_format_info_component(info.finfo, p, comp);
        int row =
            GST_VIDEO_FRAME_COMP_WIDTH(&x, comp[0]) * GST_VIDEO_FRAME_COMP_PSTRIDE(&x, comp[0]);
        if (row == 0)
            row = MIN(GST_VIDEO_FRAME_PLANE_STRIDE(&x, p), GST_VIDEO_FRAME_PLANE_STRIDE(&y, p));
        for (int r = 0; r < GST_VIDEO_FRAME_COMP_HEIGHT(&x, comp[0]); r++) {
            const guint8 *m = (guint8 *)x.data[p] + r * GST_VIDEO_FRAME_PLANE_STRIDE(&x, p);
            const guint8 *n = (guint8 *)y.data[p] + r * GST_VIDEO_FRAME_PLANE_STRIDE(&y, p);
            for (int i = 0; i < row; i++)
                largest = MAX(largest, ABS(m[i] - n[i]));
        }
    }
    gst_video_frame_unmap(&x);
    gst_video_frame_unmap(&y);
    return largest;
}

static int
difference_through(GstHarness *h, const char *caps, GstBuffer *in)
{
    g_assert_cmpint(gst_harness_push(h, gst_buffer_ref(in)), ==, GST_FLOW_OK);
    GstBuffer *out = gst_harness_pull(h);
    int largest = largest_difference(caps, in, out);

    gst_buffer_unref(out);
    gst_buffer_unref(in);
    return largest;
}

static void
test_strength_zero_is_a_copy(void)
{
    static const char *const formats[] = {"RGB",  "BGRA",  "I420",      "NV12",  "YUY2",
                                          "v210", "GRAY8", "P010_10LE", "ARGB64"};
    static const char *const sizes[] = {"width=64,height=32", "width=35,height=21"};

    for (guint i = 0; i < G_N_ELEMENTS(formats) * G_N_ELEMENTS(sizes); i++) {
        char *caps = g_strdup_printf("video/x-raw,format=%s,%s,framerate=25/1", formats[i / 2],
                                     sizes[i % 2]);
        GstHarness *h = filter_start(filter_make("strength", 0.0, NULL), caps, FALSE);
        g_assert_cmpint(difference_through(h, caps, filter_picture(caps, i, 0)), ==, 0);
        filter_stop(h);
        g_free(caps);
    }
}

/* Every pixel of noise is where it was, whatever the factor adds and cuts off. */
static void
test_nothing_moves(void)
{
    static const char *const caps[] = {
        "video/x-raw,format=RGB,width=64,height=32,framerate=25/1",
        "video/x-raw,format=RGB,width=45,height=37,framerate=25/1",
        "video/x-raw,format=RGB,width=1,height=1,framerate=25/1",
        "video/x-raw,format=BGRx,width=33,height=95,framerate=25/1",
        "video/x-raw,format=GBR,width=50,height=31,framerate=25/1",
    };

    for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
        GstHarness *h =
            filter_start(filter_make("model-path", "fake:factor=32,copy", NULL), caps[i], FALSE);
        GstBuffer *in = filter_picture(caps[i], i, 0);
        if (strstr(caps[i], "BGRx")) {
            GstMapInfo map;
            gst_buffer_map(in, &map, GST_MAP_WRITE);
            for (gsize k = 3; k < map.size; k += 4)
                map.data[k] = 255;
            gst_buffer_unmap(in, &map);
        }
        g_assert_cmpint(difference_through(h, caps[i], in), ==, 0);
        filter_stop(h);
    }
}

/* What the model adds at the edges shows the picture: its mean stays that of a flat picture. */
static void
test_flat_stays_flat_at_odd_sizes(void)
{
    static const char *const caps = "video/x-raw,format=I420,width=35,height=21,framerate=25/1";
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:factor=32,copy", NULL), caps, FALSE);
    GstBuffer *in = filter_picture(caps, 0, 0);

    gst_buffer_memset(in, 0, 120, gst_buffer_get_size(in));
    g_assert_cmpint(difference_through(h, caps, in), <=, 2);
    filter_stop(h);
}

static void
test_timestamps_and_flags(void)
{
    static const gdouble strengths[] = {0.0, 0.4};

    for (guint i = 0; i < G_N_ELEMENTS(strengths); i++) {
        GstHarness *h = filter_start(filter_make("strength", strengths[i], NULL), SMALL, FALSE);
        GstBuffer *in = filter_picture(SMALL, 0, 0);
        GST_BUFFER_PTS(in) = 3 * GST_SECOND;
        GST_BUFFER_DTS(in) = 2 * GST_SECOND;
        GST_BUFFER_DURATION(in) = 77;
        GST_BUFFER_OFFSET(in) = 11;
        GST_BUFFER_OFFSET_END(in) = 12;
        GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_MARKER |
                                    GST_BUFFER_FLAG_DROPPABLE | GST_BUFFER_FLAG_GAP);
        gst_harness_push(h, in);
        GstBuffer *out = gst_harness_pull(h);
        g_assert_cmpuint(GST_BUFFER_PTS(out), ==, 3 * GST_SECOND);
        g_assert_cmpuint(GST_BUFFER_DTS(out), ==, 2 * GST_SECOND);
        g_assert_cmpuint(GST_BUFFER_DURATION(out), ==, 77);
        g_assert_cmpuint(GST_BUFFER_OFFSET(out), ==, 11);
        g_assert_cmpuint(GST_BUFFER_OFFSET_END(out), ==, 12);
        g_assert_cmpuint(GST_BUFFER_FLAGS(out) & ~GST_BUFFER_FLAG_TAG_MEMORY, ==,
                         GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_MARKER |
                             GST_BUFFER_FLAG_DROPPABLE);
        gst_buffer_unref(out);

        /* nothing known stays nothing known */
        in = filter_picture(SMALL, 0, 0);
        GST_BUFFER_PTS(in) = GST_BUFFER_DURATION(in) = GST_CLOCK_TIME_NONE;
        gst_harness_push(h, in);
        out = gst_harness_pull(h);
        g_assert_false(GST_BUFFER_PTS_IS_VALID(out) || GST_BUFFER_DTS_IS_VALID(out) ||
                       GST_BUFFER_DURATION_IS_VALID(out) || GST_BUFFER_OFFSET_IS_VALID(out));
        gst_buffer_unref(out);
        filter_stop(h);
    }
}

/* One of each kind; a region of interest at 16, 8 of 32 × 16. */
static GstBuffer *
picture_with_metas(void)
{
    GstBuffer *in = filter_picture(SMALL, 0, 0);
    GstCaps *reference = gst_caps_from_string("timestamp/x-ntp");
    static const guint8 captions[] = {0xfc, 0x94, 0x20};

    gst_buffer_add_video_region_of_interest_meta(in, "face", 16, 8, 32, 16);
    gst_buffer_add_video_time_code_meta_full(in, 25, 1, NULL, 0, 10, 11, 12, 13, 0);
    gst_buffer_add_reference_timestamp_meta(in, reference, 99, 100);
    gst_buffer_add_video_caption_meta(in, GST_VIDEO_CAPTION_TYPE_CEA608_RAW, captions, 3);
    gst_buffer_add_video_afd_meta(in, 0, GST_VIDEO_AFD_SPEC_ATSC_A53,
                                  GST_VIDEO_AFD_4_3_FULL_16_9_FULL);
    gst_caps_unref(reference);
    return in;
}

static void
test_metas(void)
{
    for (guint scaled = 0; scaled < 2; scaled++) {
        GstHarness *h = filter_start(filter_make(NULL, NULL), NULL, FALSE);
        GstBuffer *in = picture_with_metas();
        if (scaled)
            gst_harness_set_sink_caps_str(h, "video/x-raw,width=32,height=16,format=I420");
        gst_harness_set_src_caps_str(h, SMALL);
        gst_harness_push(h, in);
        GstBuffer *out = gst_harness_pull(h);
        GstVideoRegionOfInterestMeta *region =
            gst_buffer_get_video_region_of_interest_meta_id(out, 0);
        GstVideoTimeCodeMeta *code = gst_buffer_get_video_time_code_meta(out);
        GstVideoCaptionMeta *caption = gst_buffer_get_video_caption_meta(out);
        g_assert_nonnull(region);
        g_assert_cmpuint(region->x, ==, scaled ? 8 : 16);
        g_assert_cmpuint(region->y, ==, scaled ? 4 : 8);
        g_assert_cmpuint(region->w, ==, scaled ? 16 : 32);
        g_assert_cmpuint(region->h, ==, scaled ? 8 : 16);
        g_assert_nonnull(code);
        g_assert_cmpuint(code->tc.minutes, ==, 11);
        g_assert_nonnull(caption);
        g_assert_cmpuint(caption->size, ==, 3);
        g_assert_nonnull(gst_buffer_get_reference_timestamp_meta(out, NULL));
        g_assert_nonnull(gst_buffer_get_video_afd_meta(out));
        gst_buffer_unref(out);
        filter_stop(h);
    }
}

static void
when_freed(gpointer data, GstMiniObject *where)
{
    g_atomic_int_inc((gint *)data);
}

/* A camera has four buffers; none may be held while a frame is computed. */
static void
test_input_is_let_go(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=3000", NULL), SMALL, FALSE);
    GstBuffer *in = filter_picture(SMALL, 0, 0);
    gint freed = 0;

    gst_mini_object_weak_ref(GST_MINI_OBJECT(in), when_freed, &freed);
    gst_harness_push(h, in);
    gint64 begin = element_test_time();
    filter_wait_for(&freed, 1);
    expect_quick(begin, "letting the input go");
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 0);
    filter_stop(h);
}

/* Nor what the input was cut out of: it hangs on a meta. */
static void
test_parent_is_let_go(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), SMALL, FALSE);
    GstBuffer *in = filter_picture(SMALL, 0, 0), *parent = gst_buffer_new();

    gst_buffer_add_parent_buffer_meta(in, parent);
    gst_buffer_unref(parent);
    gst_harness_push(h, in);
    GstBuffer *out = gst_harness_pull(h);
    g_assert_nonnull(out);
    g_assert_null(gst_buffer_get_parent_buffer_meta(out));
    gst_buffer_unref(out);
    filter_stop(h);
}

void
add_picture_tests(void)
{
    g_test_add_func("/img2img/pictures/strength 0 is a copy", test_strength_zero_is_a_copy);
    g_test_add_func("/img2img/pictures/nothing moves", test_nothing_moves);
    g_test_add_func("/img2img/pictures/flat stays flat at odd sizes",
                    test_flat_stays_flat_at_odd_sizes);
    g_test_add_func("/img2img/pictures/timestamps and flags", test_timestamps_and_flags);
    g_test_add_func("/img2img/pictures/metas", test_metas);
    g_test_add_func("/img2img/pictures/input is let go", test_input_is_let_go);
    g_test_add_func("/img2img/pictures/parent is let go", test_parent_is_let_go);
}
