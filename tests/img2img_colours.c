/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Colours come back through a model that copies: matrix, range, primaries, depth. */
#include "img2img.h"

#include <math.h>
#include <string.h>

/* A row as four components a pixel, scaled to 8 bits. */
static double *
unpack(GstVideoFrame *frame, int y)
{
    const GstVideoFormatInfo *format = frame->info.finfo;
    gboolean deep =
        GST_VIDEO_FORMAT_INFO_BITS(gst_video_format_get_info(format->unpack_format)) > 8;
    int n = 4 * frame->info.width;
    guint16 *packed = g_new(guint16, n + 64);
    double *row = g_new(double, n);

    format->unpack_func(format, GST_VIDEO_PACK_FLAG_NONE, packed, frame->data, frame->info.stride,
                        0, y, frame->info.width);
    for (int i = 0; i < n; i++)
        row[i] = deep ? packed[i] / 256.0 : ((guint8 *)packed)[i];
    g_free(packed);
    return row;
}

/* The largest difference of a component of row y in [from, to). */
static double
difference_in(GstVideoFrame *a, GstVideoFrame *b, int y, int from, int to)
{
    double *p = unpack(a, y), *q = unpack(b, y), largest = 0;

    for (int i = 4 * from; i < 4 * to; i++)
        largest = MAX(largest, fabs(p[i] - q[i]));
    g_free(p);
    g_free(q);
    return largest;
}

/* Colour bars as videotestsrc draws them. */
static GstBuffer *
colour_bars(const char *caps)
{
    char *line =
        g_strdup_printf("videotestsrc num-buffers=1 pattern=smpte75 ! video/x-raw,format=AYUV64 ! "
                        "videoconvert dither=none ! %s ! appsink name=s",
                        caps);
    GstElement *pipeline = gst_parse_launch(line, NULL);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "s");
    GstSample *bars = NULL;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    g_signal_emit_by_name(sink, "pull-sample", &bars);
    g_assert_nonnull(bars);
    GstBuffer *buffer = gst_buffer_copy(gst_sample_get_buffer(bars));
    gst_sample_unref(bars);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(sink);
    gst_object_unref(pipeline);
    g_free(line);
    return buffer;
}

/* Of the flat parts: bar by bar, eight pixels away from where they meet. */
static double
largest_difference(const char *caps, GstBuffer *in, GstBuffer *out)
{
    GstVideoInfo info;
    GstVideoFrame a, b;
    double largest = 0;

    filter_info(&info, caps);
    g_assert_true(gst_video_frame_map(&a, &info, in, GST_MAP_READ));
    g_assert_true(gst_video_frame_map(&b, &info, out, GST_MAP_READ));
    for (int y = 0; y < info.height * 6 / 10; y++)
        for (int bar = 0; bar < 7; bar++)
            largest = MAX(largest, difference_in(&a, &b, y, info.width * bar / 7 + 8,
                                                 info.width * (bar + 1) / 7 - 8));
    gst_video_frame_unmap(&a);
    gst_video_frame_unmap(&b);
    return largest;
}

static void
test_colour_bars(void)
{
    static const char *const formats[] = {"I420", "NV12",      "Y444",      "YUY2", "UYVY",
                                          "AYUV", "I420_10LE", "P010_10LE", "BGRx", "RGBA"};
    /* both matrices in both ranges; the last two by number, full and limited */
    static const char *const colours[] = {"bt601", "bt709", "1:4:0:0", "1:3:5:1", "2:4:5:4"};
    static const char *const models[] = {"fake:factor=32,copy", "fake:factor=32,copy,id=mixed",
                                         "fake:factor=32,copy,own-memory"};

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
        for (guint c = 0; c < G_N_ELEMENTS(colours); c++)
            for (guint m = 0; m < G_N_ELEMENTS(models); m++) {
                gboolean rgb = strstr(formats[i], "RG") || strstr(formats[i], "GR");
                if (rgb && c > 0)
                    continue;
                char *caps = g_strdup_printf(
                    "video/x-raw,format=%s,colorimetry=%s,width=322,height=242,framerate=25/1",
                    formats[i], rgb ? "sRGB" : colours[c]);
                /* as usual, by way of what mix needs, and by the model's device */
                double mix = m == 1 ? 0.5 : 1;
                GstHarness *h = filter_start(filter_make("model-path", models[m], "mix", mix, NULL),
                                             caps, FALSE);
                GstBuffer *in = colour_bars(caps);
                GstBuffer *out = filter_through(h, gst_buffer_ref(in));
                double largest = largest_difference(caps, in, out);
                g_test_message("%s %s, %s, mix %g: %.2f of 255", formats[i],
                               rgb ? "sRGB" : colours[c], models[m], mix, largest);
                g_assert_cmpfloat(largest, <=, rgb ? 0 : 2);
                gst_buffer_unref(in);
                gst_buffer_unref(out);
                filter_stop(h);
                g_free(caps);
            }
}

/* --- by the model's device -------------------------------------------------------------------- */

/* How many pictures of three went to the model's device as they were. */
static int
videos_of(const char *in, const char *out, const char *property, const char *value)
{
    FakeSanaCounts counts;
    GstElement *element = filter_make("model-path", "fake:own-memory", "process-width", 32,
                                      "process-height", 32, NULL);
    gst_util_set_object_arg(G_OBJECT(element), "fit", "letterbox");
    if (property)
        gst_util_set_object_arg(G_OBJECT(element), property, value);
    GstHarness *h = filter_start(element, in, FALSE);
    if (out)
        gst_harness_set_sink_caps_str(h, out);
    fake_sana_forget();
    for (guint i = 0; i < 3; i++)
        gst_buffer_unref(filter_through(h, filter_picture(in, i, i)));
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.frames, ==, 3);
    filter_stop(h);
    return counts.videos;
}

/* What a live element warms up for. */
static void
test_what_the_device_converts_is_warmed_up(void)
{
    FakeSanaCounts counts;
    fake_sana_forget();
    GstHarness *h = filter_start(filter_make("model-path", "fake:own-memory", NULL),
                                 "video/x-raw,format=NV12,width=64,height=32,framerate=25/1", TRUE);
    gst_buffer_unref(filter_through(
        h, filter_picture("video/x-raw,format=NV12,width=64,height=32,framerate=25/1", 0, 0)));
    /* what came may have passed while the model was loading */
    gint64 deadline = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    do {
        g_usleep(1000);
        fake_sana_counts(&counts);
    } while (counts.videos_prepared == 0 && g_get_monotonic_time() < deadline);
    g_assert_cmpint(counts.videos_prepared, >, 0);
    filter_stop(h);
}

#define OF(format) "video/x-raw,format=" format ",width=50,height=40,framerate=25/1"

static void
test_what_the_device_converts(void)
{
    static const char scaled[] = "video/x-raw,format=RGB,width=64,height=64,framerate=25/1";
    g_assert_cmpint(videos_of(OF("NV12"), NULL, NULL, NULL), ==, 3);
    g_assert_cmpint(videos_of(OF("I420"), scaled, NULL, NULL), ==, 3);
    /* depth, alpha, a wide gamut, and pictures that are made of two stay with the host */
    g_assert_cmpint(videos_of(OF("P010_10LE"), NULL, NULL, NULL), ==, 0);
    g_assert_cmpint(videos_of(OF("RGBA"), NULL, NULL, NULL), ==, 0);
    g_assert_cmpint(videos_of(OF("NV12") ",colorimetry=bt2020", NULL, NULL, NULL), ==, 0);
    g_assert_cmpint(videos_of(OF("NV12"), NULL, "mix", "0.5"), ==, 0);
    g_assert_cmpint(videos_of(OF("NV12"), NULL, "temporal-smoothing", "0.5"), ==, 0);
    g_assert_cmpint(videos_of(OF("NV12"), NULL, "fit", "crop"), ==, 0);
}

/* --- BT.2020 ---------------------------------------------------------------------------------- */

static double
to_light(double v)
{
    return v < 0.081 ? v / 4.5 : pow((v + 0.099) / 1.099, 1 / 0.45);
}

static double
from_light(double v)
{
    return v < 0.018 ? v * 4.5 : 1.099 * pow(v, 0.45) - 0.099;
}

/* The limited range code of 8 bits of what BT.2020 makes of a colour of BT.709, 0 … 255. */
static void
bt2020_code(const int rgb[3], double code[3])
{
    static const double matrix[3][3] = {
        {0.6274, 0.3293, 0.0433}, {0.0691, 0.9195, 0.0114}, {0.0164, 0.0880, 0.8956}};
    double light[3], wide[3];

    for (int i = 0; i < 3; i++)
        light[i] = to_light(rgb[i] / 255.0);
    for (int i = 0; i < 3; i++)
        wide[i] =
            from_light(matrix[i][0] * light[0] + matrix[i][1] * light[1] + matrix[i][2] * light[2]);
    double y = 0.2627 * wide[0] + 0.6780 * wide[1] + 0.0593 * wide[2];
    code[0] = 16 + 219 * y;
    code[1] = 128 + 224 * (wide[2] - y) / 1.8814;
    code[2] = 128 + 224 * (wide[0] - y) / 1.4746;
}

static const int inside_bt709[][3] = {
    {0, 0, 0},     {255, 255, 255}, {128, 128, 128}, {191, 191, 0},  {0, 191, 191},
    {0, 191, 0},   {191, 0, 191},   {191, 0, 0},     {0, 0, 191},    {255, 0, 0},
    {0, 255, 0},   {0, 0, 255},     {200, 150, 120}, {30, 60, 20},   {240, 220, 60},
    {90, 40, 140}, {16, 16, 16},    {64, 90, 200},   {250, 128, 10}, {10, 100, 90}};

/* A flat picture of 32 × 32 in Y444 of 8 or 10 bits. */
static GstBuffer *
flat_picture(const char *caps, const double code[3])
{
    GstBuffer *buffer = filter_picture(caps, 0, 0);
    GstVideoInfo info;
    GstVideoFrame frame;

    filter_info(&info, caps);
    g_assert_true(gst_video_frame_map(&frame, &info, buffer, GST_MAP_WRITE));
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 32 * 32; i++)
            if (GST_VIDEO_INFO_COMP_DEPTH(&info, 0) > 8)
                ((guint16 *)frame.data[k])[i] = (guint16)(code[k] * 4 + 0.5);
            else
                ((guint8 *)frame.data[k])[i] = (guint8)(code[k] + 0.5);
    gst_video_frame_unmap(&frame);
    return buffer;
}

/* There and back: what the model saw does not matter, only that nothing was cut off. */
static void
test_bt2020_comes_back(void)
{
    static const char *const formats[] = {"Y444", "Y444_10LE"};
    double largest = 0;

    for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
        char *caps = g_strdup_printf(
            "video/x-raw,format=%s,colorimetry=bt2020,width=32,height=32,framerate=25/1",
            formats[f]);
        GstHarness *h = filter_start(filter_make("model-path", "fake:copy", NULL), caps, FALSE);
        for (guint i = 0; i < G_N_ELEMENTS(inside_bt709); i++) {
            double code[3];
            GstVideoInfo info;
            GstVideoFrame a, b;
            bt2020_code(inside_bt709[i], code);
            GstBuffer *in = flat_picture(caps, code);
            GstBuffer *out = filter_through(h, gst_buffer_ref(in));
            filter_info(&info, caps);
            g_assert_true(gst_video_frame_map(&a, &info, in, GST_MAP_READ));
            g_assert_true(gst_video_frame_map(&b, &info, out, GST_MAP_READ));
            largest = MAX(largest, difference_in(&a, &b, 16, 0, 32));
            gst_video_frame_unmap(&a);
            gst_video_frame_unmap(&b);
            gst_buffer_unref(in);
            gst_buffer_unref(out);
        }
        g_test_message("%s: %.2f of 255", formats[f], largest);
        g_assert_cmpfloat(largest, <=, 5);
        filter_stop(h);
        g_free(caps);
    }
}

/* The model, and whoever takes RGB behind it, sees the colours of BT.709 that were meant. */
static void
test_bt2020_is_understood(void)
{
    static const char *const caps =
        "video/x-raw,format=Y444_10LE,colorimetry=bt2020,width=32,height=32,framerate=25/1";
    double largest = 0;

    for (guint bypass = 0; bypass < 2; bypass++) {
        GstHarness *h = filter_start(filter_make("model-path", "fake:copy", "bypass", bypass, NULL),
                                     NULL, FALSE);
        gst_harness_set_sink_caps_str(h, "video/x-raw,format=RGB");
        gst_harness_set_src_caps_str(h, caps);
        for (guint i = 0; i < G_N_ELEMENTS(inside_bt709); i++) {
            double code[3];
            guint8 pixel[3];
            bt2020_code(inside_bt709[i], code);
            GstBuffer *out = filter_through(h, flat_picture(caps, code));
            gst_buffer_extract(out, 0, pixel, 3);
            gst_buffer_unref(out);
            for (guint k = 0; k < 3; k++)
                largest = MAX(largest, fabs((double)pixel[k] - inside_bt709[i][k]));
        }
        g_test_message("%s: %.2f of 255", bypass ? "bypass" : "drawn", largest);
        g_assert_cmpfloat(largest, <=, 3);
        filter_stop(h);
    }
}

/* --- HDR -------------------------------------------------------------------------------------- */

static void
test_hdr_is_refused(void)
{
    static const char *const names[][2] = {{"bt2100-pq", "PQ"}, {"bt2100-hlg", "HLG"}};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        char *string = g_strdup_printf("video/x-raw,format=P010_10LE,width=64,height=32,"
                                       "framerate=25/1,colorimetry=%s",
                                       names[i][0]);
        char *part = g_strdup_printf("The video is HDR (%s); convert it to SDR, colorimetry=bt709",
                                     names[i][1]);
        GstCaps *caps = gst_caps_from_string(string);
        GstHarness *h = filter_start(filter_make(NULL, NULL), NULL, FALSE);
        gst_harness_push_event(h, gst_event_new_stream_start("bright"));
        gst_harness_push_event(h, gst_event_new_caps(caps));
        filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, part);
        filter_stop(h);

        /* nor is it made */
        h = filter_start(filter_make(NULL, NULL), NULL, FALSE);
        gst_harness_set_sink_caps(h, gst_caps_ref(caps));
        gst_harness_set_src_caps_str(h, SMALL);
        gst_harness_push(h, filter_picture(SMALL, 0, 0));
        filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                            "ask for colorimetry=bt709");
        filter_stop(h);
        gst_caps_unref(caps);
        g_free(string);
        g_free(part);
    }
}

void
add_colour_tests(void)
{
    g_test_add_func("/img2img/colours/bars (rows 19, 21)", test_colour_bars);
    g_test_add_func("/img2img/colours/what the device converts", test_what_the_device_converts);
    g_test_add_func("/img2img/colours/what the device converts is warmed up",
                    test_what_the_device_converts_is_warmed_up);
    g_test_add_func("/img2img/colours/BT.2020 comes back (row 19)", test_bt2020_comes_back);
    g_test_add_func("/img2img/colours/BT.2020 is understood (row 19)", test_bt2020_is_understood);
    g_test_add_func("/img2img/colours/HDR is refused (row 19)", test_hdr_is_refused);
}
