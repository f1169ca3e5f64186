/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Row 11: what GStreamer's own tests ask of queue (tests/check/elements/queue.c), asked of
 * sanaimg2img, which queues, too.  leaky is among the tests of row 9; time_level has no
 * counterpart. */
#include "gstsanapolicy.h"
#include "timing.h"

static void
send_segment(GstHarness *h)
{
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
}

/* queries_while_flushing: an answer, or none, but not a wait. */
static void
queries_while_flushing(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=5000", NULL), SMALL, FALSE);
    gint64 begin = element_test_time();

    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_harness_push_event(h, gst_event_new_flush_start());
    GstQuery *drain = gst_query_new_drain();
    g_assert_false(gst_pad_peer_query(h->srcpad, drain));
    gst_query_unref(drain);
    GstCaps *caps = gst_caps_from_string(SMALL);
    GstQuery *allocation = gst_query_new_allocation(caps, TRUE);
    gst_pad_peer_query(h->srcpad, allocation);
    gst_query_unref(allocation);
    gst_caps_unref(caps);
    expect_quick(begin, "queries of a flushing pad");
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    filter_stop(h);
}

static GstPadProbeReturn
answer_drain(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    GstHarness *h = user_data;

    if (GST_QUERY_TYPE(info->data) != GST_QUERY_DRAIN)
        return GST_PAD_PROBE_OK;
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 2);
    return GST_PAD_PROBE_HANDLED;
}

/* serialized_query: answered by downstream, behind the frames that were before it. */
static void
serialized_query(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=40", NULL), SMALL, FALSE);

    gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH,
                      answer_drain, h, NULL);
    timing_push(h, filter_picture(SMALL, 0, 0));
    timing_push(h, filter_picture(SMALL, 1, 1));
    GstQuery *drain = gst_query_new_drain();
    g_assert_true(gst_pad_peer_query(h->srcpad, drain));
    gst_query_unref(drain);
    filter_stop(h);
}

/* sticky_not_linked: events that come before it is linked are there when it is. */
static void
sticky_not_linked(void)
{
    GstElement *element = filter_make("leaky", GST_SANA_LEAKY_NO, NULL);
    GstHarness *h = gst_harness_new_with_element(element, "sink", NULL);

    gst_harness_set_src_caps_str(h, SMALL);
    gst_harness_push_event(h, gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "a title", NULL)));
    GstFlowReturn ret = GST_FLOW_OK;
    for (guint n = 0; n < 10 && ret == GST_FLOW_OK; n++)
        ret = gst_harness_push(h, filter_picture(SMALL, n, n));
    g_assert_cmpint(ret, ==, GST_FLOW_NOT_LINKED);
    gst_harness_add_element_src_pad(h, gst_element_get_static_pad(element, "src"));
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 0, 0)), ==, GST_FLOW_OK);
    gst_buffer_unref(timing_pull(h));
    GstEvent *event = gst_pad_get_sticky_event(h->sinkpad, GST_EVENT_TAG, 0);
    g_assert_nonnull(event);
    gst_event_unref(event);
    gst_object_unref(element);
    gst_element_set_state(h->element, GST_STATE_NULL);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

/* state_change_when_flushing */
static void
state_change_when_flushing(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=2000", NULL), SMALL, FALSE);
    gint64 begin = element_test_time();

    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_harness_push_event(h, gst_event_new_flush_start());
    g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_NULL), ==,
                    GST_STATE_CHANGE_SUCCESS);
    expect_quick(begin, "NULL between FLUSH_START and FLUSH_STOP");
    g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_PLAYING), ==,
                    GST_STATE_CHANGE_SUCCESS);
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_harness_push_event(h, gst_event_new_stream_start("again"));
    gst_harness_set_src_caps_str(h, SMALL);
    send_segment(h);
    g_object_set(h->element, "strength", 0.0, NULL);
    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(timing_pull(h));
    filter_stop(h);
}

static GstPadProbeReturn
refuse_buffers(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    gst_buffer_unref(info->data);
    info->data = NULL;
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_ERROR;
    return GST_PAD_PROBE_HANDLED;
}

/* flush_on_error: what waits is let go, and flows again after a flush. */
static void
flush_on_error(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), SMALL, FALSE);
    gulong probe =
        gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, refuse_buffers, NULL, NULL);
    GstFlowReturn ret = GST_FLOW_OK;

    for (guint n = 0; n < 20 && ret == GST_FLOW_OK; n++)
        ret = gst_harness_push(h, filter_picture(SMALL, n, n));
    g_assert_cmpint(ret, ==, GST_FLOW_ERROR);
    gst_pad_remove_probe(h->sinkpad, probe);
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    send_segment(h);
    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(timing_pull(h));
    filter_stop(h);
}

/* --- downstream that blocks ------------------------------------------------------------------ */

static GstPadProbeReturn
block(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    g_atomic_int_set((gint *)user_data, 1);
    return GST_PAD_PROBE_OK;
}

static void
stops_while_downstream_blocks(gconstpointer data)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), SMALL, FALSE);
    gint blocked = 0;

    gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, block,
                      &blocked, NULL);
    timing_push(h, filter_picture(SMALL, 0, 0));
    filter_wait_for(&blocked, 1);
    gint64 begin = element_test_time();
    if (GPOINTER_TO_INT(data)) {
        gst_harness_push_event(h, gst_event_new_flush_start());
        gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
        expect_quick(begin, "a flush with downstream blocked");
    } else {
        /* a pipeline stops its sinks first */
        gst_pad_set_active(h->sinkpad, FALSE);
        gst_element_set_state(h->element, GST_STATE_NULL);
        expect_quick(begin, "a stop with downstream blocked");
    }
    filter_stop(h);
}

/* --- a burst of flushes ---------------------------------------------------------------------- */

typedef struct {
    GstHarness *h;
    GMutex streaming; /* as a source holds it while pushing */
} Burst;

static gpointer
push_all(gpointer data)
{
    Burst *burst = data;

    for (guint n = 0; n < 400; n++) {
        g_mutex_lock(&burst->streaming);
        send_segment(burst->h);
        gst_harness_push(burst->h, filter_picture(SMALL, n, n));
        g_mutex_unlock(&burst->streaming);
    }
    return NULL;
}

static void
flush(Burst *burst)
{
    gst_harness_push_event(burst->h, gst_event_new_flush_start());
    g_mutex_lock(&burst->streaming);
    gst_harness_push_event(burst->h, gst_event_new_flush_stop(TRUE));
    g_mutex_unlock(&burst->streaming);
}

/* One thousand, as fast as they go, of a second thread. */
static void
a_thousand_flushes(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:load=20,frame=2", NULL), SMALL, FALSE);
    Burst burst = {.h = h};
    g_mutex_init(&burst.streaming);
    GThread *thread = g_thread_new("push", push_all, &burst);
    gint64 longest = 0, begin = element_test_time();

    for (guint n = 0; n < 1000; n++) {
        gint64 one = element_test_time();
        flush(&burst);
        longest = MAX(longest, element_test_time() - one);
        for (GstBuffer *buffer; (buffer = gst_harness_try_pull(h));)
            gst_buffer_unref(buffer);
    }
    g_test_message("1000 flushes took %.3f s, the longest %.3f s",
                   (element_test_time() - begin) * 1e-6, longest * 1e-6);
    g_thread_join(thread);
    flush(&burst);
    g_mutex_clear(&burst.streaming);
    send_segment(h);
    timing_push(h, filter_picture(SMALL, 0, 1000000));
    GstClockTime pts = 0;
    while (pts != 1000000 * 40 * GST_MSECOND) {
        GstBuffer *buffer = timing_pull(h);
        pts = GST_BUFFER_PTS(buffer);
        gst_buffer_unref(buffer);
    }
    g_assert_cmpint(longest, <, 500 * G_TIME_SPAN_MILLISECOND);
    filter_expect_no_error(h->element);
    filter_stop(h);
}

void
add_timing_queue_tests(void)
{
#define TEST(name, f) g_test_add_func("/timing/11 " name, f)
    TEST("queries while flushing", queries_while_flushing);
    TEST("a serialized query", serialized_query);
    TEST("sticky events of a pad that is not linked", sticky_not_linked);
    TEST("a state change when flushing", state_change_when_flushing);
    TEST("a flush on error", flush_on_error);
    g_test_add_data_func("/timing/11 a stop while downstream blocks", GINT_TO_POINTER(FALSE),
                         stops_while_downstream_blocks);
    g_test_add_data_func("/timing/11 a flush while downstream blocks", GINT_TO_POINTER(TRUE),
                         stops_while_downstream_blocks);
    TEST("a thousand flushes", a_thousand_flushes);
#undef TEST
}
