/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers that are not what they say, and caps that change all the time. */
#include "img2img.h"

#include <string.h>

static GstBuffer *
with_meta(gsize size, guint width, guint height, gsize at, gint row)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, size, NULL);
    gsize offset[4] = {at};
    gint stride[4] = {row};

    gst_buffer_memset(buffer, 0, 100, size);
    gst_buffer_add_video_meta_full(buffer, 0, GST_VIDEO_FORMAT_RGB, width, height, 1, offset,
                                   stride);
    return buffer;
}

static GstBuffer *
untrue_buffer(guint kind)
{
    switch (kind) {
    case 0: /* shorter than the caps say */
        return gst_buffer_new_allocate(NULL, 64 * 32 * 3 - 1, NULL);
    case 1:
        return gst_buffer_new();
    case 2: /* rows that end outside */
        return with_meta(64 * 32 * 3, 64, 32, 0, 64 * 3 + 1);
    case 3:
        return with_meta(64 * 32 * 3, 64, 32, 1, 64 * 3);
    case 4: /* upside down, from the top */
        return with_meta(64 * 32 * 3, 64, 32, 0, -64 * 3);
    case 5:
        return with_meta(64 * 32 * 3, 64, 32, G_MAXSIZE / 2, 64 * 3);
    default: /* another picture */
        return with_meta(64 * 32 * 3, 32, 64, 0, 32 * 3);
    }
}

static void
test_untrue_buffers(void)
{
    /* drawn, copied, compared with the one before, and that while another is drawn */
    static const struct {
        gboolean bypass;
        gdouble threshold;
        gint pacing;
    } all[] = {{FALSE, 0, 0}, {TRUE, 0, 0}, {FALSE, 0.9, 0}, {FALSE, 0.9, 1}};

    for (guint kind = 0; kind < 7; kind++)
        for (guint way = 0; way < G_N_ELEMENTS(all); way++) {
            GstHarness *h =
                filter_start(filter_make("bypass", all[way].bypass, "similarity-threshold",
                                         all[way].threshold, "pacing", all[way].pacing, NULL),
                             SMALL, FALSE);
            gst_harness_push(h, untrue_buffer(kind));
            filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "buffer");
            filter_stop(h);
        }
}

static void
test_odd_strides(void)
{
    static const gint strides[] = {192, 193, 201, 1000};

    for (guint i = 0; i < G_N_ELEMENTS(strides); i++)
        for (guint upside = 0; upside < 2; upside++) {
            gint stride = strides[i];
            GstHarness *h =
                filter_start(filter_make("model-path", "fake:copy", NULL), SMALL, FALSE);
            gsize size = 7 + (gsize)stride * 32;
            GstBuffer *in =
                with_meta(size, 64, 32, upside ? 7 + 31 * stride : 7, upside ? -stride : stride);
            guint8 row[192], is[192];
            for (guint y = 0; y < 32; y++) {
                memset(row, (int)(5 * y), sizeof row);
                gst_buffer_fill(in, 7 + (upside ? 31 - y : y) * stride, row, sizeof row);
            }
            GstBuffer *out = filter_through(h, in);
            for (guint y = 0; y < 32; y++) {
                memset(row, (int)(5 * y), sizeof row);
                gst_buffer_extract(out, y * 192, is, sizeof is);
                g_assert_cmpmem(is, sizeof is, row, sizeof row);
            }
            gst_buffer_unref(out);
            filter_stop(h);
        }
}

/* Quarters of a picture, each of its own colour, that survive another format. */
static guint8
quarter(guint plane, gboolean right, gboolean low)
{
    return plane ? 108 + 20 * right + 10 * low : 60 + 60 * right + 30 * low;
}

static void
draw_quarters(GstBuffer *buffer, const GstVideoInfo *info)
{
    GstVideoFrame frame;

    g_assert_true(gst_video_frame_map(&frame, info, buffer, GST_MAP_WRITE));
    for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES(&frame); p++) {
        gint w = GST_VIDEO_FRAME_COMP_WIDTH(&frame, p), h = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, p);
        gsize step = GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, p), left = (gsize)(w / 2) * step;
        for (gint y = 0; y < h; y++) {
            guint8 *row = (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&frame, p) +
                          y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, p);
            memset(row, quarter(p, FALSE, y >= h / 2), left);
            memset(row + left, quarter(p, TRUE, y >= h / 2), (gsize)w * step - left);
        }
    }
    gst_video_frame_unmap(&frame);
}

/* They are there, up to what rounding and, beside the lines between them, enlarging does. */
static void
expect_quarters(GstBuffer *buffer, const GstVideoInfo *info)
{
    GstVideoFrame frame;

    g_assert_true(gst_video_frame_map(&frame, info, buffer, GST_MAP_READ));
    for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES(&frame); p++) {
        gint w = GST_VIDEO_FRAME_COMP_WIDTH(&frame, p), h = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, p);
        gint step = GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, p), wrong = 0;
        for (gint y = 0; y < h; y++) {
            const guint8 *row = (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&frame, p) +
                                y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, p);
            for (gint x = 0; x < w; x++)
                for (gint i = 0; i < step; i++)
                    if (ABS(x - w / 2) >= w / 16 && ABS(y - h / 2) >= h / 16)
                        wrong += ABS(row[x * step + i] - quarter(p, x >= w / 2, y >= h / 2)) > 2;
        }
        g_assert_cmpint(wrong, ==, 0);
    }
    gst_video_frame_unmap(&frame);
}

/* A plane per memory, and a plane in two. */
static void
test_several_memories(void)
{
    static const char *const caps = "video/x-raw,format=NV12,width=64,height=32,framerate=25/1";
    gsize offset[4] = {0, 64 * 32};
    gint stride[4] = {64, 64};
    GstVideoInfo info;

    filter_info(&info, caps);
    for (guint split = 0; split < 2; split++) {
        GstHarness *h = filter_start(filter_make("model-path", "fake:copy", NULL), caps, FALSE);
        GstBuffer *in = gst_buffer_new();
        gsize first = split ? 64 * 20 : 64 * 32;
        gst_buffer_append_memory(in, gst_allocator_alloc(NULL, first, NULL));
        gst_buffer_append_memory(in, gst_allocator_alloc(NULL, 64 * 48 - first, NULL));
        gst_buffer_memset(in, 0, 120, -1);
        gst_buffer_add_video_meta_full(in, 0, GST_VIDEO_FORMAT_NV12, 64, 32, 2, offset, stride);
        if (split) {
            gst_harness_push(h, in);
            filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "buffer");
        } else {
            draw_quarters(in, &info);
            GstBuffer *out = filter_through(h, in);
            expect_quarters(out, &info);
            gst_buffer_unref(out);
        }
        filter_stop(h);
    }
}

static void
test_smallest_and_largest(void)
{
    static const gint sizes[][2] = {{1, 1}, {8192, 4320}};
    static const char *const formats[] = {"NV12", "RGB", "RGBA"};

    for (guint i = 0; i < G_N_ELEMENTS(sizes) * G_N_ELEMENTS(formats); i++) {
        const gint *size = sizes[i / G_N_ELEMENTS(formats)];
        char *caps = g_strdup_printf("video/x-raw,format=%s,width=%d,height=%d,framerate=25/1",
                                     formats[i % G_N_ELEMENTS(formats)], size[0], size[1]);
        GstHarness *h = filter_start(
            filter_make("model-path", "fake:factor=32,copy", "process-width", 64, NULL), caps,
            FALSE);
        GstBuffer *in = filter_picture(caps, i, 0);
        GstVideoInfo info;
        filter_info(&info, caps);
        draw_quarters(in, &info);
        GstBuffer *out = filter_through(h, in);
        g_assert_cmpuint(gst_buffer_get_size(out), ==, info.size);
        expect_quarters(out, &info);
        gst_buffer_unref(out);
        filter_stop(h);
        g_free(caps);
    }
}

/* Two hundred times another size, format or rate, with frames on their way. */
static void
test_200_renegotiations(void)
{
    static const char *const formats[] = {"RGB", "I420", "NV12", "BGRA", "YUY2"};
    GstHarness *h =
        filter_start(filter_make("temporal-smoothing", 0.5, "mix", 0.9, NULL), NULL, FALSE);
    GRand *random = g_rand_new_with_seed(12);
    FakeSanaCounts counts;

    fake_sana_forget();
    for (guint i = 0; i < 200; i++) {
        char *caps = g_strdup_printf("video/x-raw,format=%s,width=%d,height=%d,framerate=%d/1",
                                     formats[g_rand_int_range(random, 0, 5)],
                                     g_rand_int_range(random, 1, 80),
                                     g_rand_int_range(random, 1, 60), 25 + (gint)i % 3);
        GstVideoInfo info;
        filter_info(&info, caps);
        gst_harness_set_src_caps_str(h, caps);
        if (i % 4 == 0)
            gst_harness_push_upstream_event(h, gst_event_new_reconfigure());
        for (guint n = 0; n < 2; n++)
            g_assert_cmpint(gst_harness_push(h, filter_picture(caps, i, 2 * i + n)), ==,
                            GST_FLOW_OK);
        for (guint n = 0; n < 2; n++) {
            GstBuffer *out = gst_harness_pull(h);
            g_assert_nonnull(out);
            g_assert_cmpuint(gst_buffer_get_size(out), ==, info.size);
            gst_buffer_unref(out);
        }
        g_free(caps);
    }
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.loads, <=, 1);
    g_assert_cmpint(counts.frames, ==, 400);
    filter_expect_no_error(h->element);
    g_rand_free(random);
    filter_stop(h);
}

void
add_buffer_tests(void)
{
    g_test_add_func("/img2img/buffers/that are not what they say (row 20)", test_untrue_buffers);
    g_test_add_func("/img2img/buffers/odd strides (row 20)", test_odd_strides);
    g_test_add_func("/img2img/buffers/several memories (row 20)", test_several_memories);
    g_test_add_func("/img2img/buffers/1 x 1 and 8192 x 4320 (row 13)", test_smallest_and_largest);
    g_test_add_func("/img2img/buffers/200 renegotiations (row 12)", test_200_renegotiations);
}
