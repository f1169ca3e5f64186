/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pictures of video, restyled where they lie: the same as through images of RGB, whatever their
 * format, and what is no video refused.
 */
#include "gst/gstsanavideo.h"
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <string.h>

#define WIDTH 32
#define HEIGHT 24

typedef struct {
    char *dir;
    SanaModel *model;
    SanaSession *session;
    SanaPrompt *prompt;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = tiny_copy();
    f->model = tiny_load(f->dir);
    f->session = tiny_session(f->model);
    f->prompt = tiny_prompt(f->session, "a fox");
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    sana_prompt_unref(f->prompt);
    sana_session_free(f->session);
    sana_model_unref(f->model);
    testdir_free(f->dir);
}

/* --- pictures --------------------------------------------------------------------------------- */

/* A frame of video with memory of its own, every byte `fill`. */
typedef struct {
    GstVideoInfo info;
    GstBuffer *buffer;
    GstVideoFrame frame;
} Picture;

static void
picture_init(Picture *p, GstVideoFormat format, int width, int height, guint8 fill)
{
    g_assert_true(gst_video_info_set_format(&p->info, format, (guint)width, (guint)height));
    p->buffer = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(&p->info), NULL);
    gst_buffer_memset(p->buffer, 0, fill, GST_VIDEO_INFO_SIZE(&p->info));
    g_assert_true(gst_video_frame_map(&p->frame, &p->info, p->buffer, GST_MAP_READWRITE));
}

static void
picture_set_colours(Picture *p, const char *colorimetry)
{
    g_assert_true(gst_video_colorimetry_from_string(&p->info.colorimetry, colorimetry));
    p->frame.info.colorimetry = p->info.colorimetry;
}

static void
picture_clear(Picture *p)
{
    gst_video_frame_unmap(&p->frame);
    gst_buffer_unref(p->buffer);
}

static void
convert_once(Picture *from, Picture *to)
{
    GstVideoConverter *c = gst_video_converter_new(&from->info, &to->info, NULL);
    gst_video_converter_frame(c, &from->frame, &to->frame);
    gst_video_converter_free(c);
}

/* By way of 16 bits: between some formats of 8 bits the converter repeats samples of colour. */
static void
convert(Picture *from, Picture *to)
{
    Picture deep;
    picture_init(&deep, GST_VIDEO_FORMAT_ARGB64, GST_VIDEO_INFO_WIDTH(&from->info),
                 GST_VIDEO_INFO_HEIGHT(&from->info), 0);
    convert_once(from, &deep);
    convert_once(&deep, to);
    picture_clear(&deep);
}

/* Gradients, which interpolation gives back away from the edge, and colours in the wrong place do
 * not. */
static void
paint(Picture *rgb)
{
    guint8 *data = GST_VIDEO_FRAME_PLANE_DATA(&rgb->frame, 0);
    const int stride = GST_VIDEO_FRAME_PLANE_STRIDE(&rgb->frame, 0);
    const int width = GST_VIDEO_INFO_WIDTH(&rgb->info), height = GST_VIDEO_INFO_HEIGHT(&rgb->info);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            guint8 *pixel = data + y * stride + x * 3;
            pixel[0] = (guint8)(20 + 200 * x / width);
            pixel[1] = (guint8)(20 + 200 * y / height);
            pixel[2] = (guint8)(220 - 100 * x / width - 100 * y / height);
        }
}

static SanaVideoImage
video_of(const Picture *p, gboolean target)
{
    SanaVideoImage video;
    g_assert_true(gst_sana_video_describe(&video, &p->info, target));
    gst_sana_video_set_planes(&video, &p->frame);
    return video;
}

static SanaImage
image_of(const Picture *p)
{
    return (SanaImage){SANA_IMAGE_RGB, WIDTH, HEIGHT,
                       (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(&p->frame, 0),
                       GST_VIDEO_FRAME_PLANE_DATA(&p->frame, 0)};
}

static const SanaContent whole = {WIDTH, HEIGHT, 0, 0, WIDTH, HEIGHT};

static void
restyle_within(Fixture *f, const Picture *source, Picture *target, double strength,
               const SanaContent *content)
{
    g_autoptr(GError) error = NULL;
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaVideoImage in = video_of(source, FALSE), out = video_of(target, TRUE);
    params.strength = strength;
    gboolean ok =
        sana_session_restyle_video(f->session, f->prompt, &params, &in, &out, content, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

static void
restyle(Fixture *f, const Picture *source, Picture *target, double strength)
{
    restyle_within(f, source, target, strength, &whole);
}

/* The largest difference of two pictures of 8-bit RGB, `margin` pixels from the edge. */
static int
largest_difference(const Picture *a, const Picture *b, int margin)
{
    const int width = GST_VIDEO_INFO_WIDTH(&a->info), height = GST_VIDEO_INFO_HEIGHT(&a->info);
    int worst = 0;
    for (int y = margin; y < height - margin; y++)
        for (int x = 3 * margin; x < 3 * (width - margin); x++) {
            const guint8 *p = GST_VIDEO_FRAME_PLANE_DATA(&a->frame, 0);
            const guint8 *q = GST_VIDEO_FRAME_PLANE_DATA(&b->frame, 0);
            int d = p[y * GST_VIDEO_FRAME_PLANE_STRIDE(&a->frame, 0) + x] -
                    q[y * GST_VIDEO_FRAME_PLANE_STRIDE(&b->frame, 0) + x];
            worst = MAX(worst, ABS(d));
        }
    return worst;
}

/* --- the same pictures ------------------------------------------------------------------------ */

static void
rgb_is_drawn_as_an_image_is(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const SanaParams params = SANA_PARAMS_DEFAULT;
    Picture source, expected, drawn;
    picture_init(&source, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 0);
    picture_init(&expected, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 0);
    picture_init(&drawn, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 0);
    paint(&source);
    SanaImage in = image_of(&source), out = image_of(&expected);
    g_assert_true(sana_session_image_to_image(f->session, f->prompt, &params, &in, &out, &error));
    /* twice: the second is what a device repeats */
    restyle(f, &source, &drawn, params.strength);
    g_assert_cmpint(largest_difference(&expected, &drawn, 0), <=, 1);
    restyle(f, &source, &drawn, params.strength);
    restyle(f, &source, &drawn, params.strength);
    g_assert_cmpint(largest_difference(&expected, &drawn, 0), <=, 1);
    picture_clear(&source);
    picture_clear(&expected);
    picture_clear(&drawn);
}

/* What the network sees and gives is the same, so all that differs is how a format rounds. */
static void
expect_read_and_written(Fixture *f, GstVideoFormat format, const char *colorimetry)
{
    Picture rgb, source, seen, expected, back, back_rgb;
    picture_init(&rgb, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 0);
    picture_init(&source, format, WIDTH, HEIGHT, 7);
    picture_init(&seen, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 0);
    picture_init(&expected, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 0);
    picture_init(&back, format, WIDTH, HEIGHT, 7);
    picture_init(&back_rgb, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 0);
    picture_set_colours(&source, colorimetry);
    picture_set_colours(&back, colorimetry);
    paint(&rgb);
    convert(&rgb, &source);
    convert(&source, &expected);
    restyle(f, &source, &seen, 0);
    restyle(f, &rgb, &back, 0);
    convert(&back, &back_rgb);
    g_test_message("%s %s: read %d, written %d", GST_VIDEO_INFO_NAME(&source.info), colorimetry,
                   largest_difference(&seen, &expected, 2), largest_difference(&back_rgb, &rgb, 2));
    /* 6 if colours lay half a pixel farther on */
    g_assert_cmpint(largest_difference(&seen, &expected, 2), <=, 4);
    /* a level of BT.709's U is 2.1 of blue, the most of these */
    g_assert_cmpint(largest_difference(&back_rgb, &rgb, 2), <=,
                    strcmp(colorimetry, "bt709") ? 4 : 5);
    picture_clear(&rgb);
    picture_clear(&source);
    picture_clear(&seen);
    picture_clear(&expected);
    picture_clear(&back);
    picture_clear(&back_rgb);
}

static void
every_format_is_read_and_written(Fixture *f, gconstpointer data)
{
    static const GstVideoFormat formats[] = {
        GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_NV21, GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_YV12,
        GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_UYVY, GST_VIDEO_FORMAT_Y42B, GST_VIDEO_FORMAT_Y444,
        GST_VIDEO_FORMAT_RGB,  GST_VIDEO_FORMAT_BGR,  GST_VIDEO_FORMAT_RGBx, GST_VIDEO_FORMAT_xBGR};
    /* both matrices in both ranges, full and limited; the last two by number */
    static const char *const colours[] = {"bt601", "bt709", "1:4:0:0", "1:3:5:1"};
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        gboolean yuv = GST_VIDEO_FORMAT_INFO_IS_YUV(gst_video_format_get_info(formats[i]));
        for (gsize c = 0; c < (yuv ? G_N_ELEMENTS(colours) : 1); c++)
            expect_read_and_written(f, formats[i], yuv ? colours[c] : "sRGB");
    }
}

/* Of an image and of video alike. */
static void
the_parts_of_a_frame_are_timed(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const SanaParams params = SANA_PARAMS_DEFAULT;
    const SanaTimes *t = sana_session_times(f->session);
    Picture source, drawn;
    picture_init(&source, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 90);
    picture_init(&drawn, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 0);
    SanaImage in = image_of(&source), out = image_of(&drawn);
    for (int video = 0; video < 2; video++) {
        if (video)
            restyle(f, &source, &drawn, params.strength);
        else
            g_assert_true(
                sana_session_image_to_image(f->session, f->prompt, &params, &in, &out, &error));
        g_assert_true(t->encode > 0 && t->transformer > 0 && t->decode > 0 && t->text == 0);
        g_assert_cmpfloat(t->total, >=, (t->encode + t->transformer + t->decode) * 0.999);
    }
    picture_clear(&source);
    picture_clear(&drawn);
}

/* Of a picture so large that no clock of microseconds calls its copy nothing. */
static void
a_copy_is_timed(Fixture *f, gconstpointer data)
{
    enum { LARGE = 1024 };
    g_autoptr(GError) error = NULL;
    const SanaContent content = {LARGE, LARGE, 0, 0, LARGE, LARGE};
    SanaParams params = SANA_PARAMS_DEFAULT;
    const SanaTimes *t = sana_session_times(f->session);
    Picture source, copy;
    params.strength = 0;
    picture_init(&source, GST_VIDEO_FORMAT_RGB, LARGE, LARGE, 90);
    picture_init(&copy, GST_VIDEO_FORMAT_RGB, LARGE, LARGE, 0);
    restyle_within(f, &source, &copy, 0, &content);
    g_assert_cmpfloat(t->total, >, 0);
    SanaImage in = tiny_picture(SANA_IMAGE_RGB, LARGE, LARGE);
    SanaImage out = tiny_image(SANA_IMAGE_RGB_F32, LARGE, LARGE, 0);
    g_assert_true(sana_session_image_to_image(f->session, f->prompt, &params, &in, &out, &error));
    g_assert_cmpfloat(t->total, >, 0);
    g_assert_true(t->encode == 0 && t->transformer == 0 && t->decode == 0);
    g_free(in.pixels);
    g_free(out.pixels);
    picture_clear(&source);
    picture_clear(&copy);
}

static void
strength_zero_copies_one_format(Fixture *f, gconstpointer data)
{
    Picture source, copy;
    picture_init(&source, GST_VIDEO_FORMAT_NV12, 33, 19, 0);
    picture_init(&copy, GST_VIDEO_FORMAT_NV12, 33, 19, 255);
    for (gsize i = 0; i < GST_VIDEO_INFO_SIZE(&source.info); i++)
        ((guint8 *)source.frame.map[0].data)[i] = (guint8)(i * 37);
    restyle(f, &source, &copy, 0);
    for (guint p = 0; p < 2; p++)
        for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&source.frame, p); y++) {
            const gsize row = p == 0 ? 33 : 34;
            const gsize at = (gsize)(y * GST_VIDEO_FRAME_PLANE_STRIDE(&source.frame, p));
            g_assert_cmpmem((guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&source.frame, p) + at, row,
                            (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&copy.frame, p) + at, row);
        }
    picture_clear(&source);
    picture_clear(&copy);
}

/* A request's answer does not depend on the formats and places before it. */
static void
the_same_bytes_whatever_went_before(Fixture *f, gconstpointer data)
{
    static const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_RGB,
                                             GST_VIDEO_FORMAT_YUY2};
    static const SanaContent places[] = {{WIDTH, HEIGHT, 0, 0, WIDTH, HEIGHT},
                                         {WIDTH, HEIGHT, 0, 4, WIDTH, 16},
                                         {24, 32, 0, 0, 24, 32}};
    guint32 seed = (guint32)g_test_rand_int();
    GRand *rand = g_rand_new_with_seed(seed);
    guint8 *first[G_N_ELEMENTS(formats)][G_N_ELEMENTS(places)] = {{NULL}};
    g_test_message("seed %u", seed);
    for (int i = 0; i < 40; i++) {
        int k = g_rand_int_range(rand, 0, G_N_ELEMENTS(formats));
        int p = g_rand_int_range(rand, 0, G_N_ELEMENTS(places));
        Picture rgb, source, drawn;
        picture_init(&rgb, GST_VIDEO_FORMAT_RGB, 40, 30, 0);
        picture_init(&source, formats[k], 40, 30, 0);
        picture_init(&drawn, formats[k], 40, 30, 0);
        paint(&rgb);
        convert(&rgb, &source);
        restyle_within(f, &source, &drawn, .4, &places[p]);
        gsize size = GST_VIDEO_INFO_SIZE(&drawn.info);
        if (!first[k][p])
            first[k][p] = g_memdup2(drawn.frame.map[0].data, size);
        g_assert_cmpmem(first[k][p], size, drawn.frame.map[0].data, size);
        picture_clear(&rgb);
        picture_clear(&source);
        picture_clear(&drawn);
    }
    for (gsize k = 0; k < G_N_ELEMENTS(formats); k++)
        for (gsize p = 0; p < G_N_ELEMENTS(places); p++)
            g_free(first[k][p]);
    g_rand_free(rand);
}

/* Whatever was in the buffers. */
static void
what_was_prepared_is_drawn(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    Picture rgb, source, first, second;
    picture_init(&rgb, GST_VIDEO_FORMAT_RGB, 40, 30, 0);
    picture_init(&source, GST_VIDEO_FORMAT_NV12, 40, 30, 0);
    picture_init(&first, GST_VIDEO_FORMAT_NV12, 40, 30, 0);
    picture_init(&second, GST_VIDEO_FORMAT_NV12, 40, 30, 0);
    paint(&rgb);
    convert(&rgb, &source);
    SanaVideoImage in = video_of(&source, FALSE), out = video_of(&first, TRUE);
    memset(in.planes, 0, sizeof in.planes);
    out.in_device_memory = TRUE;
    g_assert_true(sana_session_prepare_video(f->session, &in, &out, &whole, &error));
    g_assert_no_error(error);
    restyle(f, &source, &first, .4);
    restyle(f, &source, &second, .4);
    g_assert_cmpmem(first.frame.map[0].data, GST_VIDEO_INFO_SIZE(&first.info),
                    second.frame.map[0].data, GST_VIDEO_INFO_SIZE(&second.info));
    picture_clear(&rgb);
    picture_clear(&source);
    picture_clear(&first);
    picture_clear(&second);
}

/* Memory that the device can address is read and written row by row; the rest of it is left. */
static void
device_memory_is_read_and_written(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const SanaParams params = SANA_PARAMS_DEFAULT;
    Picture rgb, source, expected, drawn;
    picture_init(&rgb, GST_VIDEO_FORMAT_RGB, 33, HEIGHT, 0);
    picture_init(&source, GST_VIDEO_FORMAT_NV12, 33, HEIGHT, 0);
    picture_init(&expected, GST_VIDEO_FORMAT_NV12, 33, HEIGHT, 7);
    picture_init(&drawn, GST_VIDEO_FORMAT_NV12, 33, HEIGHT, 7);
    paint(&rgb);
    convert(&rgb, &source);
    restyle(f, &source, &expected, params.strength);
    SanaVideoImage in = video_of(&source, FALSE), out = video_of(&drawn, TRUE);
    in.in_device_memory = out.in_device_memory = TRUE;
    gboolean ok =
        sana_session_restyle_video(f->session, f->prompt, &params, &in, &out, &whole, &error);
    if (sana_model_info(f->model)->own_memory) {
        g_assert_no_error(error);
        g_assert_true(ok);
        g_assert_cmpmem(expected.frame.map[0].data, GST_VIDEO_INFO_SIZE(&expected.info),
                        drawn.frame.map[0].data, GST_VIDEO_INFO_SIZE(&drawn.info));
    } else {
        g_assert_false(ok);
        tiny_expect(&error, SANA_ERROR_SETTINGS, "the source is in memory of a GPU", "cpu",
                    "host memory");
        in.in_device_memory = FALSE;
        g_assert_false(
            sana_session_restyle_video(f->session, f->prompt, &params, &in, &out, &whole, &error));
        tiny_expect(&error, SANA_ERROR_SETTINGS, "the target is in memory of a GPU");
    }
    picture_clear(&rgb);
    picture_clear(&source);
    picture_clear(&expected);
    picture_clear(&drawn);
}

/* Odd rows of YUY2 end in a sample of no pixel, which comes from no other place either, also where
 * a call that was cancelled has made the planes. */
static void
bytes_of_no_component_are_zero(Fixture *f, gconstpointer data)
{
    const SanaParams params = SANA_PARAMS_DEFAULT;
    GError *error = NULL;
    Picture source, drawn;
    picture_init(&source, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, 90);
    restyle(f, &source, &source, .5); /* the size is ready */
    picture_clear(&source);
    picture_init(&source, GST_VIDEO_FORMAT_YUY2, 33, HEIGHT, 90);
    picture_init(&drawn, GST_VIDEO_FORMAT_YUY2, 33, HEIGHT, 171);
    SanaVideoImage in = video_of(&source, FALSE), out = video_of(&drawn, TRUE);
    sana_session_cancel(f->session);
    g_assert_false(
        sana_session_restyle_video(f->session, f->prompt, &params, &in, &out, &whole, &error));
    g_assert_error(error, SANA_ERROR, SANA_ERROR_CANCELLED);
    g_clear_error(&error);
    restyle(f, &source, &drawn, .5);
    for (int y = 0; y < HEIGHT; y++) {
        const guint8 *row = (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&drawn.frame, 0) +
                            y * GST_VIDEO_FRAME_PLANE_STRIDE(&drawn.frame, 0);
        g_assert_cmpint(row[33 * 2], ==, 0);
    }
    picture_clear(&source);
    picture_clear(&drawn);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void
expect_no_target(Fixture *f, const SanaVideoImage *in, const SanaVideoImage *bad, const char *named)
{
    const SanaParams params = SANA_PARAMS_DEFAULT;
    GError *error = NULL;
    g_assert_false(
        sana_session_restyle_video(f->session, f->prompt, &params, in, bad, &whole, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, named);
    g_assert_false(sana_session_prepare_video(f->session, in, bad, &whole, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, named);
}

/* A filler is a byte of the pixels that component 0 lies in. */
static void
fillers_elsewhere_are_refused(Fixture *f, gconstpointer data)
{
    static const char named[] = "the target has a filler";
    Picture p;
    picture_init(&p, GST_VIDEO_FORMAT_RGBx, WIDTH, HEIGHT, 0);
    const SanaVideoImage in = video_of(&p, FALSE), out = video_of(&p, TRUE);
    SanaVideoImage bad = out;
    g_assert_cmpint(out.filler, ==, 3);
    bad.filler = 4;
    expect_no_target(f, &in, &bad, named);
    for (int i = 0; i < 3; i++)
        bad.components[i].sub_y = 2;
    bad.filler = 3; /* of every row, and there are half as many */
    expect_no_target(f, &in, &bad, named);
    bad = out;
    bad.components[0].sub_x = 2; /* of every column */
    expect_no_target(f, &in, &bad, named);
    bad = out;
    bad.components[0].plane = 1; /* with the pitch of another plane */
    bad.planes[1] = bad.planes[0];
    bad.strides[1] = bad.strides[0];
    expect_no_target(f, &in, &bad, named);
    for (int i = 0; i < 3; i++) /* in a plane of nothing */
        bad.components[i].plane = 1;
    expect_no_target(f, &in, &bad, named);
    picture_clear(&p);
}

static void
what_is_no_video_is_refused(Fixture *f, gconstpointer data)
{
    GError *error = NULL;
    SanaParams params = SANA_PARAMS_DEFAULT;
    Picture p;
    picture_init(&p, GST_VIDEO_FORMAT_NV12, WIDTH, HEIGHT, 0);
    const SanaVideoImage in = video_of(&p, FALSE), out = video_of(&p, TRUE);
    SanaVideoImage bad = in;
    SanaContent outside = whole;

    bad.strides[1] = WIDTH - 1;
    g_assert_false(
        sana_session_restyle_video(f->session, f->prompt, &params, &bad, &out, &whole, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "plane 1 of the source", "stride of 31");
    bad = out;
    bad.planes[1] = NULL;
    g_assert_false(
        sana_session_restyle_video(f->session, f->prompt, &params, &in, &bad, &whole, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "plane 1 of the target is NULL");
    bad = out;
    bad.components[1].plane = 3;
    expect_no_target(f, &in, &bad, "component 1 of the target");
    outside.x = 1;
    g_assert_false(
        sana_session_restyle_video(f->session, f->prompt, &params, &in, &out, &outside, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "outside of the picture", "32×24");
    outside.width = G_MININT;
    g_assert_false(
        sana_session_restyle_video(f->session, f->prompt, &params, &in, &out, &outside, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "outside of the picture");
    Picture wide;
    picture_init(&wide, GST_VIDEO_FORMAT_NV12, 64 * WIDTH + 1, HEIGHT, 0);
    const SanaVideoImage far = video_of(&wide, FALSE);
    g_assert_false(
        sana_session_restyle_video(f->session, f->prompt, &params, &far, &out, &whole, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "the source is 2049×24", "32×24", "64 times");
    picture_clear(&wide);
    params.n_images = 2;
    g_assert_false(
        sana_session_restyle_video(f->session, f->prompt, &params, &in, &out, &whole, &error));
    tiny_expect(&error, SANA_ERROR_SETTINGS, "one picture");
    picture_clear(&p);
}

static void
what_has_to_be_converted_is_known(Fixture *f, gconstpointer data)
{
    static const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_RGBA,      GST_VIDEO_FORMAT_AYUV,
                                             GST_VIDEO_FORMAT_P010_10LE, GST_VIDEO_FORMAT_GRAY8,
                                             GST_VIDEO_FORMAT_RGB16,     GST_VIDEO_FORMAT_v210,
                                             GST_VIDEO_FORMAT_NV12_4L4,  GST_VIDEO_FORMAT_YUV9};
    SanaVideoImage video;
    GstVideoInfo info;
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        gst_video_info_set_format(&info, formats[i], WIDTH, HEIGHT);
        g_test_message("%s", GST_VIDEO_INFO_NAME(&info));
        g_assert_false(gst_sana_video_describe(&video, &info, FALSE));
    }
    gst_video_info_set_format(&info, GST_VIDEO_FORMAT_NV12, WIDTH, HEIGHT);
    g_assert_true(gst_sana_video_describe(&video, &info, FALSE));
    g_assert_true(gst_video_colorimetry_from_string(&info.colorimetry, "bt2020"));
    g_assert_false(gst_sana_video_describe(&video, &info, FALSE));
}

#define ADD(name, test) g_test_add("/video/" name, Fixture, NULL, set_up, test, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);
    ADD("rgb-is-drawn-as-an-image-is", rgb_is_drawn_as_an_image_is);
    ADD("every-format-is-read-and-written", every_format_is_read_and_written);
    ADD("the-parts-of-a-frame-are-timed", the_parts_of_a_frame_are_timed);
    ADD("a-copy-is-timed", a_copy_is_timed);
    ADD("strength-zero-copies-one-format", strength_zero_copies_one_format);
    ADD("the-same-bytes-whatever-went-before", the_same_bytes_whatever_went_before);
    ADD("what-was-prepared-is-drawn", what_was_prepared_is_drawn);
    ADD("device-memory-is-read-and-written", device_memory_is_read_and_written);
    ADD("bytes-of-no-component-are-zero", bytes_of_no_component_are_zero);
    ADD("fillers-elsewhere-are-refused", fillers_elsewhere_are_refused);
    ADD("what-is-no-video-is-refused", what_is_no_video_is_refused);
    ADD("what-has-to-be-converted-is-known", what_has_to_be_converted_is_known);
    return g_test_run();
}
