/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of frames, events and queries, and what ends it. */
#include "img2img.h"

#include <gst/app/app.h>

static void
test_one_in_one_out(void)
{
    GError *error = NULL;
    GstElement *pipeline = gst_parse_launch(
        "appsrc name=in caps=video/x-raw,format=RGB,width=64,height=32,framerate=0/1 format=time ! "
        "videoconvert ! sanaimg2img model-path=fake:frame=20 ! videoconvert ! "
        "appsink name=out sync=false",
        &error);
    g_assert_no_error(error);
    GstElement *in = gst_bin_get_by_name(GST_BIN(pipeline), "in");
    GstElement *out = gst_bin_get_by_name(GST_BIN(pipeline), "out");

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (guint n = 0; n < 3; n++) {
        GstBuffer *buffer = filter_picture(SMALL, n, n);
        GST_BUFFER_DURATION(buffer) = GST_CLOCK_TIME_NONE;
        g_assert_cmpint(gst_app_src_push_buffer(GST_APP_SRC(in), buffer), ==, GST_FLOW_OK);
        GstSample *sample = gst_app_sink_try_pull_sample(GST_APP_SINK(out), 5 * GST_SECOND);
        g_assert_nonnull(sample);
        g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), ==, n * 40 * GST_MSECOND);
        gst_sample_unref(sample);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(in);
    gst_object_unref(out);
    gst_object_unref(pipeline);
}

static GstEvent *
custom(const char *name)
{
    return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty(name));
}

static void
test_serialized_order(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:load=50,frame=20", NULL), NULL, FALSE);
    Recorder recorder;
    recorder_init(&recorder, h);
    gst_harness_set_src_caps_str(h, SMALL);
    for (guint n = 0; n < 3; n++) {
        char *before = g_strdup_printf("before%u", n), *after = g_strdup_printf("after%u", n);
        g_assert_true(gst_harness_push_event(h, custom(before)));
        g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, n, n)), ==, GST_FLOW_OK);
        g_assert_true(gst_harness_push_event(h, custom(after)));
        g_free(before);
        g_free(after);
    }
    g_assert_true(
        gst_harness_push_event(h, gst_event_new_gap(120 * GST_MSECOND, 40 * GST_MSECOND)));
    GstQuery *drain = gst_query_new_drain();
    gst_pad_peer_query(h->srcpad, drain);
    gst_query_unref(drain);
    char *words = recorder_finish(&recorder);
    g_assert_cmpstr(words, ==,
                    "stream-start caps segment before0 buffer:0 after0 before1 buffer:40 after1 "
                    "before2 buffer:80 after2 gap query:drain ");
    g_free(words);
    filter_expect_no_error(h->element);
    filter_stop(h);
    g_string_free(recorder.words, TRUE);
}

/* A query among frames waits for those before it. */
static void
test_drain_waits_for_frames(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=100", NULL), SMALL, FALSE);
    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    gst_harness_push(h, filter_picture(SMALL, 1, 1));
    g_assert_cmpuint(gst_harness_buffers_received(h), <, 2);
    GstQuery *drain = gst_query_new_drain();
    gst_pad_peer_query(h->srcpad, drain);
    gst_query_unref(drain);
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 2);
    filter_stop(h);
}

static void
test_eos_comes_last(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:load=100,frame=30", NULL), NULL, FALSE);
    Recorder recorder;
    recorder_init(&recorder, h);
    gst_harness_set_src_caps_str(h, SMALL);
    Pusher pusher = {h, SMALL, 4, TRUE, 0, NULL};
    pusher_start(&pusher);
    for (guint n = 0; n < 4; n++)
        gst_buffer_unref(gst_harness_pull(h));
    g_assert_cmpint(pusher_join(&pusher), ==, GST_FLOW_OK);
    for (int i = 0; i < 1000 && !gst_harness_events_in_queue(h); i++)
        g_usleep(1000);
    GstQuery *drain = gst_query_new_drain();
    g_assert_false(gst_pad_peer_query(h->srcpad, drain));
    gst_query_unref(drain);
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 9, 9)), ==, GST_FLOW_EOS);
    filter_stop(h);
    char *words = recorder_finish(&recorder);
    g_assert_cmpstr(words, ==,
                    "stream-start caps segment buffer:0 buffer:40 buffer:80 buffer:120 eos ");
    g_free(words);
    g_string_free(recorder.words, TRUE);
}

/* Waits until an event of this type is out; FALSE after 5 s. */
static gboolean
event_comes(GstHarness *h, GstEventType type)
{
    gint64 deadline = g_get_monotonic_time() + 5 * G_TIME_SPAN_SECOND;

    while (g_get_monotonic_time() < deadline) {
        GstEvent *event = gst_harness_try_pull_event(h);
        gboolean found = event && GST_EVENT_TYPE(event) == type;
        if (event)
            gst_event_unref(event);
        else
            g_usleep(1000);
        if (found)
            return TRUE;
    }
    return FALSE;
}

static void
test_caps_and_eos_do_not_wait_for_the_model(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:load=5000", NULL), SMALL, FALSE);
    gint64 begin = element_test_time();
    g_assert_true(event_comes(h, GST_EVENT_CAPS));
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    g_assert_true(event_comes(h, GST_EVENT_EOS));
    expect_quick(begin, "caps and EOS while loading");
    filter_stop(h);
}

static void
test_stream_after_eos(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=10", NULL), SMALL, FALSE);
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    for (guint n = 0; n < 3; n++) {
        gst_harness_push(h, filter_picture(SMALL, n, n));
        gst_harness_push_event(h, gst_event_new_eos());
        /* with and without the task having got to the end */
        if (n == 1)
            g_assert_true(event_comes(h, GST_EVENT_EOS));
        g_assert_true(gst_harness_push_event(h, gst_event_new_stream_start("another")));
        g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
        gst_buffer_unref(gst_harness_pull(h));
    }
    gst_harness_push(h, filter_picture(SMALL, 3, 3));
    gst_buffer_unref(gst_harness_pull(h));
    filter_expect_no_error(h->element);
    filter_stop(h);
}

/* As long as the first frame takes there is the end of two streams behind it. */
static void
test_short_streams_in_a_row(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=100", NULL), NULL, FALSE);
    Recorder recorder;
    GstSegment segment;

    recorder_init(&recorder, h);
    gst_harness_set_src_caps_str(h, SMALL);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    gst_harness_push_event(h, gst_event_new_eos());
    gst_harness_push_event(h, gst_event_new_stream_start("another"));
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    gst_harness_push(h, filter_picture(SMALL, 1, 1));
    gst_harness_push_event(h, gst_event_new_eos());
    g_assert_true(event_comes(h, GST_EVENT_EOS));
    g_assert_true(event_comes(h, GST_EVENT_EOS));
    char *words = recorder_finish(&recorder);
    g_assert_cmpstr(words, ==,
                    "stream-start caps segment buffer:0 eos stream-start segment buffer:40 eos ");
    g_free(words);
    filter_stop(h);
    g_string_free(recorder.words, TRUE);
}

static GstPadProbeReturn
refuse_buffers(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    gst_buffer_unref(info->data);
    info->data = NULL;
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = (GstFlowReturn)GPOINTER_TO_INT(user_data);
    return GST_PAD_PROBE_HANDLED;
}

static GstFlowReturn
push_until_refused(GstHarness *h)
{
    GstFlowReturn ret = GST_FLOW_OK;

    for (guint n = 0; n < 20 && ret == GST_FLOW_OK; n++)
        ret = gst_harness_push(h, filter_picture(SMALL, n, n));
    return ret;
}

static void
test_downstream_has_enough(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), SMALL, FALSE);
    gulong probe = gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, refuse_buffers,
                                     GINT_TO_POINTER(GST_FLOW_EOS), NULL);
    GstSegment segment;

    g_assert_cmpint(push_until_refused(h), ==, GST_FLOW_EOS);
    gst_pad_remove_probe(h->sinkpad, probe);
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 0, 0)), ==, GST_FLOW_EOS);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 0, 0)), ==, GST_FLOW_OK);
    gst_buffer_unref(gst_harness_pull(h));
    filter_expect_no_error(h->element);
    filter_stop(h);
}

static void
test_downstream_not_linked(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), SMALL, FALSE);
    gulong probe = gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, refuse_buffers,
                                     GINT_TO_POINTER(GST_FLOW_NOT_LINKED), NULL);

    g_assert_cmpint(push_until_refused(h), ==, GST_FLOW_NOT_LINKED);
    gst_pad_remove_probe(h->sinkpad, probe);
    gst_harness_push_upstream_event(h, gst_event_new_reconfigure());
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 0, 0)), ==, GST_FLOW_OK);
    gst_buffer_unref(gst_harness_pull(h));
    filter_stop(h);
}

static void
test_downstream_fails_before_eos(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=50", NULL), SMALL, FALSE);
    gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, refuse_buffers,
                      GINT_TO_POINTER(GST_FLOW_ERROR), NULL);
    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    gst_harness_push_event(h, gst_event_new_eos());
    filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "data stream");
    g_assert_true(event_comes(h, GST_EVENT_EOS));
    filter_stop(h);
}

static void
test_frame_that_fails(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:fail-frame=2", NULL), SMALL, FALSE);
    fake_sana_forget();
    g_assert_cmpint(push_until_refused(h), ==, GST_FLOW_ERROR);
    filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "frame 2 failed");
    g_assert_true(event_comes(h, GST_EVENT_EOS));
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 2);
    filter_stop(h);
}

static void
test_load_that_fails(void)
{
    GstElement *element =
        gst_object_ref(filter_make("model-path", "fake:load=20,open=malformed", NULL));
    GstHarness *h = filter_start(element, SMALL, FALSE);
    g_assert_cmpint(push_until_refused(h), ==, GST_FLOW_ERROR);
    filter_expect_error(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "is malformed");
    g_assert_true(event_comes(h, GST_EVENT_EOS));
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 0);

    /* and then one that works */
    gst_element_set_state(element, GST_STATE_READY);
    g_object_set(element, "model-path", "fake:", NULL);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PLAYING), ==,
                    GST_STATE_CHANGE_SUCCESS);
    gst_harness_push_event(h, gst_event_new_stream_start("again"));
    gst_harness_set_src_caps_str(h, SMALL);
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 0, 0)), ==, GST_FLOW_OK);
    gst_buffer_unref(gst_harness_pull(h));
    gst_object_unref(element);
    filter_stop(h);
}

static void
test_load_that_fails_without_data(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:load=20,open=memory", NULL), NULL, FALSE);
    filter_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "memory");
    g_assert_true(event_comes(h, GST_EVENT_EOS));
    filter_stop(h);
}

static void
test_no_model(void)
{
    GstElement *element = filter_make("model-path", "/no/such/place", NULL);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_READY), ==, GST_STATE_CHANGE_FAILURE);
    filter_expect_error(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                        "/no/such/place");
    gst_object_unref(element);
}

static void
test_buffer_before_caps(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), NULL, FALSE);
    GstSegment segment;

    gst_harness_push_event(h, gst_event_new_stream_start("bare"));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 0, 0)), ==, GST_FLOW_NOT_NEGOTIATED);
    filter_stop(h);
}

static void
test_buffer_too_small(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), SMALL, FALSE);
    gst_harness_push(h, gst_buffer_new_allocate(NULL, 10, NULL));
    filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "10 bytes");
    g_assert_true(event_comes(h, GST_EVENT_EOS));
    filter_stop(h);
}

/* Takes the events that came out up to one of this type. */
static void
await_event(GstHarness *h, GstEventType type)
{
    GstEventType last = GST_EVENT_UNKNOWN;

    while (last != type) {
        GstEvent *event = gst_harness_pull_event(h);
        g_assert_nonnull(event);
        last = GST_EVENT_TYPE(event);
        gst_event_unref(event);
    }
}

/* What downstream takes from now on is on its way behind frames that it took. */
static void
test_another_rate_from_downstream(void)
{
    static const char *const rates[] = {SMALL, "video/x-raw,format=RGB,width=64,height=32,"
                                               "framerate=15/1"};
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=100", NULL), SMALL, FALSE);

    await_event(h, GST_EVENT_CAPS);
    for (guint n = 0; n < 2; n++)
        g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, n, n)), ==, GST_FLOW_OK);
    gst_harness_set_sink_caps_str(h, rates[1]);
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 2, 2)), ==, GST_FLOW_OK);
    gst_harness_set_src_caps_str(h, rates[1]);
    g_assert_cmpint(gst_harness_push(h, filter_picture(rates[1], 3, 3)), ==, GST_FLOW_OK);
    for (guint n = 0; n < 4; n++)
        gst_buffer_unref(gst_harness_pull(h));
    g_autoptr(GstCaps) caps = gst_pad_get_current_caps(h->sinkpad);
    g_autoptr(GstCaps) expected = gst_caps_from_string(rates[1]);
    g_assert_true(gst_caps_is_subset(caps, expected));
    filter_expect_no_error(h->element);
    filter_stop(h);
}

/* Caps were fine when they came, and are not when their turn comes: who waits behind the element
 * is told, too. */
static void
test_nothing_in_common_later(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=1000", NULL), SMALL, FALSE);
    await_event(h, GST_EVENT_CAPS);
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 0, 0)), ==, GST_FLOW_OK);
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGB,width=32,height=32,framerate=30/1");
    gst_harness_set_sink_caps_str(h, "video/x-raw,framerate=15/1");
    filter_expect_error(h->element, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "videorate");
    GstFlowReturn ret = GST_FLOW_OK;
    for (guint n = 1; n < 10 && ret == GST_FLOW_OK; n++)
        ret = gst_harness_push(h, filter_picture(SMALL, n, n));
    g_assert_cmpint(ret, ==, GST_FLOW_NOT_NEGOTIATED);
    await_event(h, GST_EVENT_EOS);
    filter_stop(h);
}

void
add_flow_tests(void)
{
    g_test_add_func("/img2img/flow/one in, one out", test_one_in_one_out);
    g_test_add_func("/img2img/flow/serialized order", test_serialized_order);
    g_test_add_func("/img2img/flow/drain waits for frames", test_drain_waits_for_frames);
    g_test_add_func("/img2img/flow/EOS comes last", test_eos_comes_last);
    g_test_add_func("/img2img/flow/caps and EOS do not wait for the model",
                    test_caps_and_eos_do_not_wait_for_the_model);
    g_test_add_func("/img2img/flow/a stream after EOS", test_stream_after_eos);
    g_test_add_func("/img2img/flow/short streams in a row", test_short_streams_in_a_row);
    g_test_add_func("/img2img/flow/downstream has enough", test_downstream_has_enough);
    g_test_add_func("/img2img/flow/downstream not linked", test_downstream_not_linked);
    g_test_add_func("/img2img/flow/downstream fails before EOS", test_downstream_fails_before_eos);
    g_test_add_func("/img2img/flow/a frame that fails", test_frame_that_fails);
    g_test_add_func("/img2img/flow/a load that fails", test_load_that_fails);
    g_test_add_func("/img2img/flow/a load that fails without data",
                    test_load_that_fails_without_data);
    g_test_add_func("/img2img/flow/no model", test_no_model);
    g_test_add_func("/img2img/flow/a buffer before caps", test_buffer_before_caps);
    g_test_add_func("/img2img/flow/a buffer too small", test_buffer_too_small);
    g_test_add_func("/img2img/flow/another rate from downstream",
                    test_another_rate_from_downstream);
    g_test_add_func("/img2img/flow/nothing in common later", test_nothing_in_common_later);
}
