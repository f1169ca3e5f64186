/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanasrc on a fake model: sizes, formats, colours. */
#include "element_util.h"
#include "fake_sana.h"

static void
draws_native_size_when_nothing_asks(void)
{
    Pipe pipe;
    GstVideoInfo info;

    pipe_open(&pipe, "sanasrc name=e num-buffers=1 model-path=fake:native=48 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    GstSample *sample = pipe_pull(&pipe);
    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    g_assert_cmpint(info.width, ==, 48);
    g_assert_cmpint(info.height, ==, 48);
    g_assert_cmpint(info.fps_n, ==, 1);
    g_assert_cmpint(info.fps_d, ==, 1);
    g_assert_cmpint(info.par_n, ==, info.par_d);
    g_assert_cmpint(info.interlace_mode, ==, GST_VIDEO_INTERLACE_MODE_PROGRESSIVE);
    g_assert_cmpint(GST_VIDEO_INFO_FORMAT(&info), ==, GST_VIDEO_FORMAT_RGB);
    GstStructure *s = gst_caps_get_structure(gst_sample_get_caps(sample), 0);
    g_assert_cmpstr(gst_structure_get_string(s, "colorimetry"), ==, "sRGB");
    gst_sample_unref(sample);
    pipe_close(&pipe);
}

static void
squares_a_single_given_side(void)
{
    Pipe pipe;
    GstVideoInfo info;

    pipe_open(&pipe, "sanasrc name=e num-buffers=1 model-path=fake: ! video/x-raw,height=40 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    GstSample *sample = pipe_pull(&pipe);
    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    g_assert_cmpint(info.width, ==, 40);
    gst_sample_unref(sample);
    pipe_close(&pipe);
}

/* A picture's green at a pixel: of RGB, or of ARGB64, which the model draws in 16 bits. */
static int
green_at(GstVideoFrame *frame, int x, int y)
{
    const guint8 *row = (const guint8 *)GST_VIDEO_FRAME_PLANE_DATA(frame, 0) +
                        y * GST_VIDEO_FRAME_PLANE_STRIDE(frame, 0);

    return GST_VIDEO_FRAME_FORMAT(frame) == GST_VIDEO_FORMAT_RGB
               ? row[3 * x + 1]
               : ((const guint16 *)row)[4 * x + 2] / 257;
}

static void
expect_middle(const char *format, int w, int h)
{
    int left = ((w + 7) / 8 * 8 - w) / 2, top = ((h + 7) / 8 * 8 - h) / 2;
    Pipe pipe;
    GstVideoInfo info;
    GstVideoFrame frame;
    guint8 colour[3];
    char *line = g_strdup_printf("sanasrc name=e num-buffers=1 prompt=x model-path=fake: ! "
                                 "video/x-raw,format=%s,width=%d,height=%d ! "
                                 "appsink name=out sync=false",
                                 format, w, h);

    g_test_message("%s, %d × %d", format, w, h);
    pipe_open(&pipe, line);
    g_free(line);
    pipe_play(&pipe);
    GstSample *sample = pipe_pull(&pipe);
    g_assert_nonnull(sample);
    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    g_assert_true(gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ));
    fake_sana_colour("x", 0, 2, 4.5, colour);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int dx = x + left - (w + 7) / 8 * 8 / 2, dy = y + top - (h + 7) / 8 * 8 / 2;
            g_assert_cmpint(green_at(&frame, x, y), ==, (guint8)(colour[1] + dx + 2 * dy));
        }
    gst_video_frame_unmap(&frame);
    gst_sample_unref(sample);
    pipe_close(&pipe);
}

/* The middle is kept whatever the size: x − width/2 at a pixel is that of the larger picture. */
static void
cuts_the_middle_of_a_larger_picture(void)
{
    static const int sizes[][2] = {{16, 16}, {1, 1}, {2, 2}, {1, 9}, {33, 15}, {17, 8}, {100, 7}};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        expect_middle("RGB", sizes[i][0], sizes[i][1]);
        expect_middle("ARGB64", sizes[i][0], sizes[i][1]);
    }
}

/* A seed of colours around which nothing wraps, so that neighbours are alike. */
static guint64
calm_seed(const char *prompt, guint8 colour[3])
{
    for (guint64 seed = 0;; seed++) {
        fake_sana_colour(prompt, seed, 2, 4.5, colour);
        if (MIN(MIN(colour[0], colour[1]), colour[2]) > 60 &&
            MAX(MAX(colour[0], colour[1]), colour[2]) < 190)
            return seed;
    }
}

/* How far a component may be off, in 255ths.  A level of Y, U and V of 8 bits, dithered, is up to
 * five of blue, one of 5 bits eight, and another processor or converter may round the other way;
 * RGB8P has a palette, and gray no colour to give back. */
static int
coarseness(const char *format)
{
    const GstVideoFormatInfo *info =
        gst_video_format_get_info(gst_video_format_from_string(format));
    guint depth = GST_VIDEO_FORMAT_INFO_DEPTH(info, 0);

    if (GST_VIDEO_FORMAT_INFO_IS_GRAY(info))
        return 255;
    if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE(info))
        return 48;
    if (GST_VIDEO_FORMAT_INFO_IS_YUV(info) && depth == 8)
        return 6;
    return depth < 8 ? 9 : 2;
}

/* Chroma of odd sizes is videoconvert's, and not looked at.  more: of the caps. */
static void
come_back_as_rgb(const char *format, const char *more, int size, guint64 seed,
                 const guint8 colour[3])
{
    char *line = g_strdup_printf(
        "sanasrc name=e num-buffers=1 prompt=x seed=%d model-path=fake: ! "
        "video/x-raw,format=%s,width=%d,height=%d%s ! videoconvert dither=none chroma-mode=none ! "
        "video/x-raw,format=RGB ! appsink name=out sync=false",
        (int)seed, format, size, size, more);
    guint8 pixels[16 * 16 * 3 + 64];
    int off = 0;
    Pipe pipe;

    pipe_open(&pipe, line);
    g_free(line);
    pipe_play(&pipe);
    GstSample *sample = pipe_pull(&pipe);
    g_assert_nonnull(sample);
    gst_buffer_extract(gst_sample_get_buffer(sample), 0, pixels, sizeof pixels);
    const guint8 *middle = pixels + 8 * 16 * 3 + 8 * 3;
    for (int c = 0; c < 3 && size == 16; c++)
        off = MAX(off, ABS(middle[c] - colour[c]));
    g_test_message("%s%s, %d: %d of 255", format, more, size, off);
    g_assert_cmpint(off, <=, coarseness(format));
    gst_sample_unref(sample);
    pipe_close(&pipe);
}

/* Every format of the template, odd sizes too, brought back to RGB by videoconvert. */
static void
speaks_every_raw_format(void)
{
    GstElementFactory *factory = gst_element_factory_find("sanasrc");
    const GstStaticPadTemplate *template =
        gst_element_factory_get_static_pad_templates(factory)->data;
    GstCaps *caps = gst_static_caps_get((GstStaticCaps *)&template->static_caps);
    const GValue *formats = gst_structure_get_value(gst_caps_get_structure(caps, 0), "format");

    guint8 colour[3];
    guint64 seed = calm_seed("x", colour);

    g_assert_cmpuint(gst_value_list_get_size(formats), >, 60);
    for (guint i = 0; i < gst_value_list_get_size(formats); i++)
        for (int size = 15; size <= 16; size++)
            come_back_as_rgb(g_value_get_string(gst_value_list_get_value(formats, i)), "", size,
                             seed, colour);
    gst_caps_unref(caps);
    gst_object_unref(factory);
}

/* Both matrices in both ranges, full and limited; the last two by number. */
static void
speaks_yuv_of_every_colorimetry(void)
{
    static const char *const formats[] = {"NV12", "I420", "YUY2", "Y444", "AYUV", "P010_10LE"};
    static const char *const colours[] = {",colorimetry=bt601", ",colorimetry=bt709",
                                          ",colorimetry=1:4:0:0", ",colorimetry=1:3:5:1"};
    guint8 colour[3];
    guint64 seed = calm_seed("x", colour);

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
        for (guint c = 0; c < G_N_ELEMENTS(colours); c++)
            come_back_as_rgb(formats[i], colours[c], 16, seed, colour);
}

static void
names_the_colours_of_yuv(void)
{
    static const char *const want[][2] = {{"16", "bt601"}, {"720", "bt709"}};

    for (guint i = 0; i < 2; i++) {
        Pipe pipe;
        char *line = g_strdup_printf("sanasrc name=e num-buffers=1 model-path=fake: ! "
                                     "video/x-raw,format=NV12,width=16,height=%s ! "
                                     "appsink name=out sync=false",
                                     want[i][0]);
        pipe_open(&pipe, line);
        g_free(line);
        pipe_play(&pipe);
        GstSample *sample = pipe_pull(&pipe);
        GstStructure *s = gst_caps_get_structure(gst_sample_get_caps(sample), 0);
        g_assert_cmpstr(gst_structure_get_string(s, "colorimetry"), ==, want[i][1]);
        gst_sample_unref(sample);
        pipe_close(&pipe);
    }
}

/* No crop, no rounding: the pipelines scale and cut by themselves. */
static void
leaves_any_size_to_binning(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e num-buffers=1 resolution-binning=true model-path=fake: ! "
                     "video/x-raw,format=RGB,width=13,height=9 ! appsink name=out sync=false");
    pipe_play(&pipe);
    GstSample *sample = pipe_pull(&pipe);
    g_assert_nonnull(sample);
    guint8 pixel[3], colour[3];
    gst_buffer_extract(gst_sample_get_buffer(sample), 4 * 40 + 6 * 3, pixel, 3);
    fake_sana_colour("", 0, 2, 4.5, colour);
    g_assert_cmpmem(pixel, 3, colour, 3);
    gst_sample_unref(sample);
    pipe_close(&pipe);
}

static void
refuses_a_picture_larger_than_memory(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e num-buffers=1 model-path=fake: ! "
                     "video/x-raw,format=GRAY8,width=2000000000,height=2000000000 ! fakesink");
    pipe_play(&pipe);
    GstMessage *message = pipe_message(&pipe, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
    g_assert_nonnull(message);
    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_ERROR);
    gst_message_unref(message);
    pipe_close(&pipe);
}

static void
makes_no_hdr(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e num-buffers=1 model-path=fake: ! "
                     "video/x-raw,format=P010_10LE,colorimetry=bt2100-pq ! fakesink");
    pipe_play(&pipe);
    pipe_assert_error(&pipe, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "HDR video (PQ)");
    pipe_close(&pipe);
}

static void
makes_progressive_video_only(void)
{
    GstElementFactory *factory = gst_element_factory_find("sanasrc");
    GstCaps *interlaced = gst_caps_from_string("video/x-raw,interlace-mode=interleaved");
    GstCaps *unsaid = gst_caps_from_string("video/x-raw");

    g_assert_false(gst_element_factory_can_src_any_caps(factory, interlaced));
    g_assert_true(gst_element_factory_can_src_any_caps(factory, unsaid));
    gst_caps_unref(interlaced);
    gst_caps_unref(unsaid);
    gst_object_unref(factory);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/formats/" #f, f)
    TEST(draws_native_size_when_nothing_asks);
    TEST(squares_a_single_given_side);
    TEST(cuts_the_middle_of_a_larger_picture);
    TEST(speaks_every_raw_format);
    TEST(speaks_yuv_of_every_colorimetry);
    TEST(names_the_colours_of_yuv);
    TEST(leaves_any_size_to_binning);
    TEST(refuses_a_picture_larger_than_memory);
    TEST(makes_no_hdr);
    TEST(makes_progressive_video_only);
    return g_test_run();
}
