/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes in, what goes out, and who provides the memory. */
#include "img2img.h"

#include <string.h>

/* Pushes one picture of `in` and returns what comes out. */
static GstBuffer *
through(GstHarness *h, const char *in)
{
    g_assert_cmpint(gst_harness_push(h, filter_picture(in, 1, 1)), ==, GST_FLOW_OK);
    GstBuffer *buffer = gst_harness_pull(h);

    if (!buffer) {
        filter_expect_no_error(h->element);
        g_error("nothing came of %s", in);
    }
    return buffer;
}

/* The caps that go out are those, or have those fields. */
static void
expect_caps(GstHarness *h, const char *expected)
{
    GstCaps *want = gst_caps_from_string(expected);
    GstCaps *caps = gst_pad_get_current_caps(h->sinkpad);

    if (!caps || !gst_caps_is_subset(caps, want))
        g_error("expected %s, not %s", expected, caps ? gst_caps_to_string(caps) : "nothing");
    gst_caps_unref(caps);
    gst_caps_unref(want);
}

static void
set_caps(GstHarness *h, const char *caps)
{
    gst_harness_set_src_caps_str(h, caps);
}

static void
test_every_format(void)
{
    GstVideoFormat formats[256];
    guint n = 0, n_listed;
    GstCaps *all = gst_caps_from_string(GST_VIDEO_CAPS_MAKE(GST_VIDEO_FORMATS_ALL));
    const GValue *list = gst_structure_get_value(gst_caps_get_structure(all, 0), "format");

    n_listed = gst_value_list_get_size(list);
    for (guint i = 0; i < n_listed; i++)
        formats[n++] =
            gst_video_format_from_string(g_value_get_string(gst_value_list_get_value(list, i)));
    gst_caps_unref(all);
    g_assert_cmpuint(n, >, 90);

    GstHarness *h = filter_start(filter_make("strength", 1.0, NULL), NULL, FALSE);
    for (guint i = 0; i < n; i++) {
        char *in = g_strdup_printf("video/x-raw,format=%s,width=34,height=22,framerate=25/1",
                                   gst_video_format_to_string(formats[i]));
        set_caps(h, in);
        GstBuffer *buffer = through(h, in);
        GstVideoInfo info;
        GstCaps *caps = gst_caps_from_string(in);
        gst_video_info_from_caps(&info, caps);
        g_assert_cmpuint(gst_buffer_get_size(buffer), ==, info.size);
        expect_caps(h, in);
        gst_caps_unref(caps);
        gst_buffer_unref(buffer);
        g_free(in);
    }
    filter_stop(h);

    /* each out of one other */
    for (guint i = 0; i < n; i++) {
        char *out = g_strdup_printf("video/x-raw,format=%s,width=34,height=22",
                                    gst_video_format_to_string(formats[i]));
        static const char *const in = "video/x-raw,format=YUY2,width=34,height=22,framerate=25/1";
        h = filter_start(filter_make("strength", 1.0, NULL), NULL, FALSE);
        gst_harness_set_sink_caps_str(h, out);
        set_caps(h, in);
        gst_buffer_unref(through(h, in));
        expect_caps(h, out);
        filter_stop(h);
        g_free(out);
    }
}

static void
test_sizes(void)
{
    static const gint sizes[][2] = {{1, 1},   {1, 77},  {77, 1},      {2, 3},      {31, 33},
                                    {32, 32}, {33, 65}, {1920, 1081}, {7680, 4320}};
    static const char *const formats[] = {"RGB", "I420"};

    for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
        GstHarness *h =
            filter_start(filter_make("model-path", "fake:factor=32,copy", NULL), NULL, FALSE);
        for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
            if (f > 0 && sizes[i][0] > 4000)
                continue;
            char *caps = g_strdup_printf("video/x-raw,format=%s,width=%d,height=%d,framerate=25/1",
                                         formats[f], sizes[i][0], sizes[i][1]);
            set_caps(h, caps);
            gst_buffer_unref(through(h, caps));
            expect_caps(h, caps);
            g_free(caps);
        }
        filter_expect_no_error(h->element);
        filter_stop(h);
    }
}

static void
test_renegotiation(void)
{
    static const char *const caps[] = {
        "video/x-raw,format=RGB,width=64,height=32,framerate=25/1",
        "video/x-raw,format=RGB,width=64,height=32,framerate=30/1",
        "video/x-raw,format=NV12,width=64,height=32,framerate=30/1",
        "video/x-raw,format=NV12,width=96,height=32,framerate=30/1",
        "video/x-raw,format=NV12,width=96,height=32,framerate=0/1",
        "video/x-raw,format=BGRA,width=40,height=50,framerate=30/1,pixel-aspect-ratio=4/3",
    };
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=20", NULL), NULL, FALSE);
    FakeSanaCounts counts;

    fake_sana_forget();
    /* without waiting for one before the next caps */
    for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
        set_caps(h, caps[i]);
        gst_harness_push(h, filter_picture(caps[i], i, i));
    }
    for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
        GstVideoInfo info;
        GstCaps *c = gst_caps_from_string(caps[i]);
        GstBuffer *buffer = gst_harness_pull(h);
        gst_video_info_from_caps(&info, c);
        g_assert_cmpuint(gst_buffer_get_size(buffer), ==, info.size);
        gst_buffer_unref(buffer);
        gst_caps_unref(c);
    }
    expect_caps(h, caps[G_N_ELEMENTS(caps) - 1]);
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.loads, <=, 1);
    filter_stop(h);
}

static void
test_other_output(void)
{
    static const struct {
        const char *in, *allowed, *out;
    } cases[] = {
        /* another size keeps the shape of the picture by that of the pixels */
        {"width=64,height=32", "width=32,height=32", "width=32,height=32,pixel-aspect-ratio=2/1"},
        /* one dimension gives the other */
        {"width=64,height=32", "width=32", "width=32,height=16,pixel-aspect-ratio=1/1"},
        {"width=64,height=32", "height=64", "width=128,height=64,pixel-aspect-ratio=1/1"},
        {"width=64,height=32,pixel-aspect-ratio=2/1", "width=32,pixel-aspect-ratio=1/1",
         "width=32,height=8,pixel-aspect-ratio=1/1"},
        /* and is no larger than may be */
        {"width=64,height=32", "width=[1,32],pixel-aspect-ratio=1/1",
         "width=32,height=16,pixel-aspect-ratio=1/1"},
        {"width=64,height=32", "height=[1,16],width=[1,4096],pixel-aspect-ratio=1/1",
         "width=32,height=16,pixel-aspect-ratio=1/1"},
        {"width=64,height=32", "width=[1,32],height=[24,4096]",
         "width=32,height=24,pixel-aspect-ratio=3/2"},
        {"width=64,height=32", "width=32,height=[24,4096]",
         "width=32,height=24,pixel-aspect-ratio=3/2"},
        /* none keeps it */
        {"width=64,height=32", "format=I420", "format=I420,width=64,height=32"},
        {"width=64,height=32", "width=[1,4096],height=[1,4096],format=NV12",
         "width=64,height=32,format=NV12"},
        /* the nearest format */
        {"width=64,height=32,format=NV12", "format={GRAY8,RGB,I420}", "format=I420"},
        {"width=64,height=32,format=I420_10LE", "format={I420,P010_10LE}", "format=P010_10LE"},
        {"width=64,height=32,format=RGB", "format={GRAY8,RGB16,BGRx,I420}", "format=BGRx"},
        /* colours that the format can keep */
        {"width=64,height=32,format=NV12,colorimetry=bt709,chroma-site=mpeg2", "format=I420",
         "format=I420,colorimetry=bt709,chroma-site=mpeg2"},
        {"width=64,height=32,format=NV12,colorimetry=bt709", "format=I420,colorimetry=bt601",
         "format=I420,colorimetry=bt601"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        GstHarness *h = filter_start(filter_make(NULL, NULL), NULL, FALSE);
        char *in = g_strdup_printf("video/x-raw,framerate=25/1,%s%s", cases[i].in,
                                   strstr(cases[i].in, "format") ? "" : ",format=RGB");
        char *allowed = g_strconcat("video/x-raw,", cases[i].allowed, NULL);
        char *out = g_strconcat("video/x-raw,framerate=25/1,", cases[i].out, NULL);
        gst_harness_set_sink_caps_str(h, allowed);
        set_caps(h, in);
        gst_buffer_unref(through(h, in));
        expect_caps(h, out);
        filter_stop(h);
        g_free(in);
        g_free(allowed);
        g_free(out);
    }
}

/* videorate, imagefreeze and a capsfilter of ANY memory say so of their caps, and the sink behind
 * them takes anything. */
static void
test_any_memory(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), NULL, FALSE);

    gst_harness_set_sink_caps_str(h, "video/x-raw(ANY); image/png(ANY)");
    set_caps(h, SMALL);
    gst_buffer_unref(through(h, SMALL));
    expect_caps(h, SMALL);
    filter_stop(h);

    h = filter_start(filter_make(NULL, NULL), NULL, FALSE);
    gst_harness_set_sink_caps_str(h, "video/x-raw(ANY),width=32");
    set_caps(h, SMALL);
    gst_buffer_unref(through(h, SMALL));
    expect_caps(h, "video/x-raw,format=RGB,width=32,height=16");
    filter_stop(h);
}

static void
test_downstream_changes_its_mind(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), SMALL, FALSE);

    gst_buffer_unref(through(h, SMALL));
    gst_harness_set_sink_caps_str(h, "video/x-raw,format=I420,width=32,height=16");
    gst_harness_push_upstream_event(h, gst_event_new_reconfigure());
    gst_buffer_unref(through(h, SMALL));
    expect_caps(h, "video/x-raw,format=I420,width=32,height=16,framerate=25/1");
    filter_stop(h);
}

/* As a muxer that is exchanged while a frame is computed: that frame is lost, the stream is not. */
static void
test_another_peer_meanwhile(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=100", NULL), SMALL, FALSE);
    GstPad *srcpad = gst_pad_get_peer(h->sinkpad);

    gst_buffer_unref(through(h, SMALL));
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 1, 1)), ==, GST_FLOW_OK);
    g_usleep(30000);
    g_assert_true(gst_pad_unlink(srcpad, h->sinkpad));
    gst_harness_set_sink_caps_str(h, "video/x-raw,format=I420,width=32,height=16");
    /* it forgets the caps of before, as another pad */
    gst_pad_set_active(h->sinkpad, FALSE);
    gst_pad_set_active(h->sinkpad, TRUE);
    g_assert_cmpint(gst_pad_link(srcpad, h->sinkpad), ==, GST_PAD_LINK_OK);
    g_usleep(150000);
    gst_buffer_unref(through(h, SMALL));
    expect_caps(h, "video/x-raw,format=I420,width=32,height=16,framerate=25/1");
    filter_expect_no_error(h->element);
    gst_object_unref(srcpad);
    filter_stop(h);
}

/* Downstream accepts only caps that say what it asks for, though the input leaves it open. */
static void
test_unsaid_fields(void)
{
    static const char *const in = "video/x-raw,format=I420,width=64,height=32";
    static const char *const out = "video/x-raw,format=I420,width=64,height=32,framerate=0/1,"
                                   "pixel-aspect-ratio=1/1,interlace-mode=progressive";
    GstHarness *h = filter_start(filter_make("strength", 0.0, NULL), NULL, FALSE);

    gst_harness_set_sink_caps_str(h, "video/x-raw,format={NV12,I420},framerate=[0/1,60/1],"
                                     "pixel-aspect-ratio=[1/2,2/1],interlace-mode=progressive");
    set_caps(h, in);
    gst_buffer_unref(through(h, in));
    expect_caps(h, out);
    filter_stop(h);
}

/* A rate that only downstream has is no other picture: drawn, compared, mixed, copied. */
static void
test_unsaid_rate(void)
{
    static const char *const caps = "video/x-raw,format=RGB,width=64,height=32";
    static const gdouble mixes[] = {1, 0.5, 0};

    for (guint i = 0; i < 2 * G_N_ELEMENTS(mixes); i++) {
        GstHarness *h = filter_start(
            filter_make("strength", 0.5, "mix", mixes[i / 2], "similarity-threshold", 0.9, NULL),
            NULL, FALSE);
        GstVideoInfo info;
        gst_harness_set_sink_caps_str(h, i % 2 ? "video/x-raw,format=I420,framerate=25/1"
                                               : "video/x-raw,framerate=25/1");
        gst_harness_set_src_caps_str(h, caps);
        gst_buffer_unref(filter_through(h, filter_picture(caps, 0, 0)));
        GstCaps *out = gst_pad_get_current_caps(h->sinkpad);
        g_assert_true(gst_video_info_from_caps(&info, out));
        g_assert_cmpint(info.fps_n, ==, 25);
        gst_caps_unref(out);
        filter_expect_no_error(h->element);
        filter_stop(h);
    }
}

static void
test_nothing_in_common(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), NULL, FALSE);

    gst_harness_set_sink_caps_str(h, "video/x-raw,framerate=50/1");
    gst_harness_push_event(h, gst_event_new_stream_start("odd"));
    GstCaps *caps = gst_caps_from_string(SMALL);
    /* said at once, by the query */
    g_assert_false(gst_pad_peer_query_accept_caps(h->srcpad, caps));
    gst_caps_unref(caps);
    filter_stop(h);
}

static void
test_refused(void)
{
    static const struct {
        const char *caps, *part;
    } cases[] = {
        {"interlace-mode=interleaved", "insert deinterlace before"},
        {"interlace-mode=mixed", "insert deinterlace before"},
        {"interlace-mode=fields", "insert deinterlace before"},
        {"width=50000,height=50000", "use smaller video"},
        {"multiview-mode=left", "insert glviewconvert output-mode-override=mono before"},
        {"multiview-mode=side-by-side", "insert glviewconvert output-mode-override=mono before"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        GstHarness *h = filter_start(filter_make(NULL, NULL), NULL, FALSE);
        char *string = g_strdup_printf("%s,%s", SMALL, cases[i].caps);
        GstCaps *caps = gst_caps_from_string(string);
        gst_harness_push_event(h, gst_event_new_stream_start("two of them"));
        g_assert_true(gst_pad_peer_query_accept_caps(h->srcpad, caps));
        gst_harness_push_event(h, gst_event_new_caps(caps));
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(h, gst_event_new_segment(&segment));
        filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, cases[i].part);
        g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 0, 0)), ==,
                        GST_FLOW_NOT_NEGOTIATED);
        gst_caps_unref(caps);
        g_free(string);
        filter_stop(h);
    }
}

/* Said by the element in a launch line, where others would just not link. */
static void
test_refused_in_a_pipeline(void)
{
    static const char *const sources[] = {
        "fakesrc num-buffers=2 sizetype=fixed sizemax=6144 format=time ! capsfilter "
        "caps=video/x-raw,format=RGB,width=64,height=32,framerate=25/1,interlace-mode=interleaved",
        "fakesrc num-buffers=2 sizetype=fixed sizemax=6144 format=time ! capsfilter "
        "caps=video/x-raw(format:Interlaced),format=RGB,width=64,height=32,framerate=25/1,"
        "interlace-mode=alternate",
    };

    for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
        char *line =
            g_strconcat(sources[i], " ! sanaimg2img name=e model-path=fake: ! fakesink", NULL);
        GError *error = NULL;
        GstElement *pipeline = gst_parse_launch(line, &error);
        g_assert_no_error(error);
        gst_element_set_state(pipeline, GST_STATE_PLAYING);
        filter_expect_error(pipeline, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                            "The video is interlaced; insert deinterlace before e.");
        gst_element_set_state(pipeline, GST_STATE_NULL);
        gst_object_unref(pipeline);
        g_free(line);
    }
}

/* A source that can do both is asked for the plain one. */
static void
test_progressive_first(void)
{
    GstElement *element = filter_make(NULL, NULL);
    GstPad *pad = gst_element_get_static_pad(element, "sink");
    GstCaps *caps = gst_pad_query_caps(pad, NULL);
    GstCaps *interlaced = gst_caps_from_string("video/x-raw,interlace-mode=interleaved");
    const GstStructure *first = gst_caps_get_structure(caps, 0);

    g_assert_cmpstr(gst_structure_get_string(first, "interlace-mode"), ==, "progressive");
    g_assert_cmpstr(gst_structure_get_string(first, "multiview-mode"), ==, "mono");
    g_assert_true(gst_caps_can_intersect(caps, interlaced));
    gst_caps_unref(interlaced);
    gst_caps_unref(caps);
    gst_object_unref(pad);
    gst_object_unref(element);
}

static void
test_upstream_allocation(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:load=5000", NULL), SMALL, FALSE);
    GstCaps *caps = gst_caps_from_string(SMALL);
    GstQuery *query = gst_query_new_allocation(caps, TRUE);
    GstBufferPool *pool;
    guint size, min, max;

    /* it must not wait behind frames: this one blocks until the model is there */
    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    gint64 begin = element_test_time();
    g_assert_true(gst_pad_peer_query(h->srcpad, query));
    expect_quick(begin, "the ALLOCATION query");
    g_assert_true(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL));
    g_assert_cmpuint(gst_query_get_n_allocation_pools(query), ==, 1);
    gst_query_parse_nth_allocation_pool(query, 0, &pool, &size, &min, &max);
    g_assert_nonnull(pool);
    g_assert_cmpuint(size, ==, 64 * 32 * 3);
    g_assert_cmpuint(min, >=, 2);
    gst_object_unref(pool);
    gst_query_unref(query);
    gst_caps_unref(caps);
    filter_stop(h);
}

/* A pool that pads rows if it may. */
static GstBuffer *
with_padding_pool(gboolean video_meta)
{
    static const char *const caps_string =
        "video/x-raw,format=RGB,width=70,height=30,framerate=25/1";
    GstHarness *h = filter_start(filter_make("strength", 1.0, NULL), NULL, FALSE);
    GstAllocationParams params = {0, 63, 0, 0};

    gst_harness_set_propose_allocator(h, NULL, &params);
    if (video_meta)
        gst_harness_add_propose_allocation_meta(h, GST_VIDEO_META_API_TYPE, NULL);
    gst_harness_set_src_caps_str(h, caps_string);
    GstBuffer *buffer = through(h, caps_string);
    filter_stop(h);
    return buffer;
}

static void
test_downstream_allocation(void)
{
    GstBuffer *buffer = with_padding_pool(FALSE);
    g_assert_null(gst_buffer_get_video_meta(buffer));
    gst_buffer_unref(buffer);
    buffer = with_padding_pool(TRUE);
    g_assert_nonnull(gst_buffer_get_video_meta(buffer));
    gst_buffer_unref(buffer);
}

#define SLIM "video/x-raw,format=RGB,width=70,height=30,framerate=25/1"

/* Answers as a sink whose rows are longer than the picture, and begin later. */
static GstPadProbeReturn
offer_aligned_pool(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);
    GstVideoAlignment align;
    GstVideoInfo video;
    GstCaps *caps;

    if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION)
        return GST_PAD_PROBE_OK;
    gst_query_parse_allocation(query, &caps, NULL);
    g_assert_true(gst_video_info_from_caps(&video, caps));
    GstBufferPool *pool = gst_video_buffer_pool_new();
    GstStructure *config = gst_buffer_pool_get_config(pool);
    gst_video_alignment_reset(&align);
    align.padding_left = 16;
    align.padding_right = 21;
    align.padding_top = 3;
    gst_buffer_pool_config_set_params(config, caps, (guint)video.size, 0, 0);
    gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
    gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
    gst_buffer_pool_config_set_video_alignment(config, &align);
    g_assert_true(gst_buffer_pool_set_config(pool, config));
    gst_query_add_allocation_pool(query, pool, (guint)video.size, 0, 0);
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL);
    gst_object_unref(pool);
    return GST_PAD_PROBE_HANDLED;
}

/* A picture, drawn or let through for one who offers that pool or not. */
static GstBuffer *
drawn_for(gboolean aligned, gboolean bypass)
{
    GstHarness *h = filter_start(filter_make("strength", 0.5, "bypass", bypass, NULL), NULL, FALSE);

    if (aligned)
        gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, offer_aligned_pool, NULL,
                          NULL);
    gst_harness_set_src_caps_str(h, SLIM);
    GstBuffer *buffer = through(h, SLIM);
    filter_stop(h);
    return buffer;
}

static void
test_downstream_alignment(void)
{
    GstVideoInfo info;
    GstVideoFrame wide, slim;

    filter_info(&info, SLIM);
    for (guint bypass = 0; bypass < 2; bypass++) {
        GstBuffer *plain = drawn_for(FALSE, bypass), *aligned = drawn_for(TRUE, bypass);
        g_assert_true(gst_video_frame_map(&slim, &info, plain, GST_MAP_READ));
        g_assert_true(gst_video_frame_map(&wide, &info, aligned, GST_MAP_READ));
        g_assert_cmpint(wide.info.stride[0], >, slim.info.stride[0]);
        g_assert_cmpuint(wide.info.offset[0], >, 0);
        for (gint y = 0; y < info.height; y++)
            g_assert_cmpmem((guint8 *)wide.data[0] + y * wide.info.stride[0], 3 * 70,
                            (guint8 *)slim.data[0] + y * slim.info.stride[0], 3 * 70);
        gst_video_frame_unmap(&wide);
        gst_video_frame_unmap(&slim);
        gst_buffer_unref(plain);
        gst_buffer_unref(aligned);
    }
}

/* Rows that are longer than the picture, said by GstVideoMeta only. */
static void
test_padded_input(void)
{
    GstHarness *h = filter_start(filter_make("strength", 0.0, NULL), SMALL, FALSE);
    gsize offset[4] = {100}, size = 100 + 32 * 256;
    gint stride[4] = {256};
    GstBuffer *in = gst_buffer_new_allocate(NULL, size, NULL);
    GstMapInfo map;

    gst_buffer_add_video_meta_full(in, 0, GST_VIDEO_FORMAT_RGB, 64, 32, 1, offset, stride);
    gst_buffer_map(in, &map, GST_MAP_WRITE);
    for (gsize i = 0; i < size; i++)
        map.data[i] = (guint8)(i * 7);
    gst_buffer_unmap(in, &map);
    g_assert_cmpint(gst_harness_push(h, in), ==, GST_FLOW_OK);
    GstBuffer *out = gst_harness_pull(h);
    g_assert_cmpuint(gst_buffer_get_size(out), ==, 64 * 32 * 3);
    gst_buffer_map(out, &map, GST_MAP_READ);
    for (guint y = 0; y < 32; y++)
        for (guint x = 0; x < 64 * 3; x++)
            g_assert_cmpuint(map.data[y * 64 * 3 + x], ==, (guint8)((100 + y * 256 + x) * 7));
    gst_buffer_unmap(out, &map);
    gst_buffer_unref(out);
    filter_stop(h);
}

void
add_caps_tests(void)
{
    g_test_add_func("/img2img/caps/every format", test_every_format);
    g_test_add_func("/img2img/caps/sizes from 1 x 1 to 8K", test_sizes);
    g_test_add_func("/img2img/caps/renegotiation", test_renegotiation);
    g_test_add_func("/img2img/caps/another output", test_other_output);
    g_test_add_func("/img2img/caps/any memory", test_any_memory);
    g_test_add_func("/img2img/caps/downstream changes its mind", test_downstream_changes_its_mind);
    g_test_add_func("/img2img/caps/another peer meanwhile", test_another_peer_meanwhile);
    g_test_add_func("/img2img/caps/unsaid fields", test_unsaid_fields);
    g_test_add_func("/img2img/caps/unsaid rate", test_unsaid_rate);
    g_test_add_func("/img2img/caps/nothing in common", test_nothing_in_common);
    g_test_add_func("/img2img/caps/interlaced and stereoscopic", test_refused);
    g_test_add_func("/img2img/caps/interlaced in a pipeline", test_refused_in_a_pipeline);
    g_test_add_func("/img2img/caps/progressive first", test_progressive_first);
    g_test_add_func("/img2img/caps/upstream's allocation", test_upstream_allocation);
    g_test_add_func("/img2img/caps/downstream's allocation", test_downstream_allocation);
    g_test_add_func("/img2img/caps/downstream's alignment", test_downstream_alignment);
    g_test_add_func("/img2img/caps/padded input", test_padded_input);
}
