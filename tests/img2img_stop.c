/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Flushing and stopping: at once, from anywhere, as often as one likes. */
#include "img2img.h"

/* What takes 5 s when it is stopped; "stubborn" goes on for 2 s after it was cancelled. */
static const char *const slow_models[] = {
    "fake:load=5000,id=stop",
    "fake:prompt=5000,id=stop",
    "fake:frame=5000,id=stop",
    "fake:frame=5000,stubborn=2000,id=stop",
};

static void
test_stop(gconstpointer data)
{
    static const GstState states[] = {GST_STATE_NULL, GST_STATE_READY};

    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        GstHarness *h = filter_start(filter_make("model-path", data, NULL), SMALL, FALSE);
        Pusher pusher = {h, SMALL, 10, FALSE, 0, NULL};
        pusher_start(&pusher);
        /* one is with the model, one waits, one blocks */
        filter_wait_for(&pusher.pushed, 2);
        g_usleep(30000);
        gint64 begin = element_test_time();
        gst_element_set_state(h->element, states[i]);
        expect_quick(begin, "stopping");
        g_assert_cmpint(pusher_join(&pusher), ==, GST_FLOW_FLUSHING);
        filter_expect_no_error(h->element);
        filter_stop(h);
    }
}

static void
test_flush(gconstpointer data)
{
    GstHarness *h = filter_start(filter_make("model-path", data, NULL), SMALL, FALSE);

    for (guint i = 0; i < 2; i++) {
        Pusher pusher = {h, SMALL, 10, FALSE, 0, NULL};
        pusher_start(&pusher);
        filter_wait_for(&pusher.pushed, 2);
        g_usleep(30000);
        gint64 begin = element_test_time();
        gst_harness_push_event(h, gst_event_new_flush_start());
        g_assert_cmpint(pusher_join(&pusher), ==, GST_FLOW_FLUSHING);
        gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
        expect_quick(begin, "flushing");
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(h, gst_event_new_segment(&segment));
    }
    filter_expect_no_error(h->element);
    gint64 begin = element_test_time();
    gst_element_set_state(h->element, GST_STATE_NULL);
    expect_quick(begin, "stopping after a flush");
    filter_stop(h);
}

/* Paused task, query behind a frame, EOS behind a frame: nothing waits longer than the flush. */
static gpointer
drain_thread(gpointer data)
{
    GstHarness *h = data;
    GstQuery *drain = gst_query_new_drain();
    gboolean answer = gst_pad_peer_query(h->srcpad, drain);

    gst_query_unref(drain);
    return GINT_TO_POINTER(answer);
}

static void
test_query_is_answered_by_a_flush(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=5000", NULL), SMALL, FALSE);
    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    GThread *thread = g_thread_new("drain", drain_thread, h);
    g_usleep(50000);
    gint64 begin = element_test_time();
    gst_harness_push_event(h, gst_event_new_flush_start());
    g_assert_false(GPOINTER_TO_INT(g_thread_join(thread)));
    expect_quick(begin, "a query met by a flush");
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    filter_stop(h);
}

/* streaming: held while pushing, as a source holds its stream lock. */
typedef struct {
    GstHarness *h;
    GMutex streaming;
    gint stop;
} Storm;

static void
storm_flush(Storm *storm)
{
    gst_harness_push_event(storm->h, gst_event_new_flush_start());
    g_mutex_lock(&storm->streaming);
    gst_harness_push_event(storm->h, gst_event_new_flush_stop(TRUE));
    g_mutex_unlock(&storm->streaming);
}

static gpointer
storm_thread(gpointer data)
{
    Storm *storm = data;
    GRand *random = g_rand_new_with_seed(7);
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    for (guint n = 0; !g_atomic_int_get(&storm->stop); n++) {
        g_mutex_lock(&storm->streaming);
        gst_harness_push_event(storm->h, gst_event_new_segment(&segment));
        gst_harness_push(storm->h, filter_picture(SMALL, n, n));
        if (g_rand_int_range(random, 0, 8) == 0)
            gst_harness_push_event(storm->h, gst_event_new_eos());
        else if (g_rand_int_range(random, 0, 8) == 0)
            drain_thread(storm->h);
        g_mutex_unlock(&storm->streaming);
    }
    g_rand_free(random);
    return NULL;
}

static void
test_flush_storm(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:load=20,prompt=5,frame=3", NULL),
                                 SMALL, FALSE);
    Storm storm = {.h = h};
    g_mutex_init(&storm.streaming);
    GThread *thread = g_thread_new("storm", storm_thread, &storm);
    GRand *random = g_rand_new_with_seed(11);
    GstSegment segment;

    g_test_message("seeds 7 and 11");
    for (guint n = 0; n < 150; n++) {
        char *prompt = g_strdup_printf("prompt %u", n);
        g_object_set(h->element, "prompt", prompt, NULL);
        g_free(prompt);
        g_usleep(g_rand_int_range(random, 0, 8000));
        gint64 begin = element_test_time();
        storm_flush(&storm);
        expect_quick(begin, "a flush");
    }
    g_atomic_int_set(&storm.stop, 1);
    g_thread_join(thread);
    storm_flush(&storm);
    g_mutex_clear(&storm.streaming);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    /* what the storm left is older than this one */
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, 0, 1000000)), ==, GST_FLOW_OK);
    GstClockTime pts = 0;
    while (pts != 1000000 * 40 * GST_MSECOND) {
        GstBuffer *buffer = gst_harness_pull(h);
        g_assert_nonnull(buffer);
        pts = GST_BUFFER_PTS(buffer);
        gst_buffer_unref(buffer);
    }
    filter_expect_no_error(h->element);
    g_rand_free(random);
    filter_stop(h);
}

/* A flush before the task has seen the caps must not lose them. */
static void
test_flush_keeps_caps(void)
{
    static const char *const other = "video/x-raw,format=RGB,width=96,height=40,framerate=25/1";
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=200", NULL), SMALL, FALSE);
    GstSegment segment;

    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    GstCaps *caps = gst_caps_from_string(other);
    gst_harness_push_event(h, gst_event_new_caps(caps));
    gst_caps_unref(caps);
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    g_assert_cmpint(gst_harness_push(h, filter_picture(other, 0, 0)), ==, GST_FLOW_OK);
    GstBuffer *buffer = gst_harness_pull(h);
    g_assert_cmpuint(gst_buffer_get_size(buffer), ==, 96 * 40 * 3);
    gst_buffer_unref(buffer);
    filter_stop(h);
}

static void
test_cycles(void)
{
    FakeSanaCounts counts;

    GstElement *element = filter_make("model-path", "fake:load=5,frame=2", NULL);
    GstHarness *h = filter_start(gst_object_ref(element), NULL, FALSE);
    for (guint n = 0; n < 50; n++) {
        gst_element_set_state(element, n % 3 ? GST_STATE_READY : GST_STATE_NULL);
        g_assert_cmpint(gst_element_set_state(element, GST_STATE_PLAYING), ==,
                        GST_STATE_CHANGE_SUCCESS);
        gst_harness_push_event(h, gst_event_new_stream_start("cycle"));
        gst_harness_set_src_caps_str(h, SMALL);
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(h, gst_event_new_segment(&segment));
        g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, n, n)), ==, GST_FLOW_OK);
        if (n % 2)
            gst_buffer_unref(gst_harness_pull(h));
    }
    filter_expect_no_error(element);
    gst_object_unref(element);
    filter_stop(h);
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.busy, ==, 0);
}

/* Up and down without ever a frame. */
static void
test_states_without_data(void)
{
    GstElement *element = filter_make("model-path", "fake:load=10", NULL);
    static const GstState states[] = {GST_STATE_READY,  GST_STATE_PAUSED, GST_STATE_PLAYING,
                                      GST_STATE_PAUSED, GST_STATE_READY,  GST_STATE_PLAYING,
                                      GST_STATE_NULL};

    for (guint round = 0; round < 5; round++) {
        for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
            gint64 begin = element_test_time();
            g_assert_cmpint(gst_element_set_state(element, states[i]), ==,
                            GST_STATE_CHANGE_SUCCESS);
            expect_quick(begin, gst_element_state_get_name(states[i]));
        }
    }
    filter_expect_no_error(element);
    gst_object_unref(element);
}

/* Downstream offers a pool of one buffer only. */
static GstPadProbeReturn
offer_one_buffer(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    GstQuery *query = info->data;
    GstCaps *caps = gst_caps_from_string(SMALL);
    guint size = 64 * 32 * 3;

    if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION) {
        GstBufferPool *pool = gst_video_buffer_pool_new();
        GstStructure *config = gst_buffer_pool_get_config(pool);
        gst_buffer_pool_config_set_params(config, caps, size, 1, 1);
        gst_buffer_pool_set_config(pool, config);
        gst_query_add_allocation_pool(query, pool, size, 1, 1);
        gst_object_unref(pool);
    }
    gst_caps_unref(caps);
    return GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION ? GST_PAD_PROBE_HANDLED : GST_PAD_PROBE_OK;
}

/* The one buffer is out and does not come back before the element stops. */
static void
test_no_buffer_left(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), NULL, FALSE);
    GstSegment segment;

    gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH,
                      offer_one_buffer, NULL, NULL);
    gst_harness_set_src_caps_str(h, SMALL);
    for (guint i = 0; i < 2; i++) {
        gst_harness_push(h, filter_picture(SMALL, 0, 0));
        GstBuffer *kept = gst_harness_pull(h);
        g_assert_nonnull(kept);
        gst_harness_push(h, filter_picture(SMALL, 1, 1));
        g_usleep(50000);
        gint64 begin = element_test_time();
        if (i == 0) {
            gst_harness_push_event(h, gst_event_new_flush_start());
            expect_quick(begin, "flushing without a buffer");
            gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
            gst_segment_init(&segment, GST_FORMAT_TIME);
            gst_harness_push_event(h, gst_event_new_segment(&segment));
        } else {
            gst_element_set_state(h->element, GST_STATE_READY);
            expect_quick(begin, "stopping without a buffer");
        }
        gst_buffer_unref(kept);
    }
    filter_expect_no_error(h->element);
    filter_stop(h);
}

void
add_stop_tests(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(slow_models); i++) {
        char *path = g_strdup_printf("/img2img/stop/stop with %s", slow_models[i]);
        g_test_add_data_func(path, slow_models[i], test_stop);
        g_free(path);
        path = g_strdup_printf("/img2img/stop/flush with %s", slow_models[i]);
        g_test_add_data_func(path, slow_models[i], test_flush);
        g_free(path);
    }
    g_test_add_func("/img2img/stop/a query is answered by a flush",
                    test_query_is_answered_by_a_flush);
    g_test_add_func("/img2img/stop/flush storm", test_flush_storm);
    g_test_add_func("/img2img/stop/a flush keeps caps", test_flush_keeps_caps);
    g_test_add_func("/img2img/stop/fifty cycles", test_cycles);
    g_test_add_func("/img2img/stop/states without data", test_states_without_data);
    g_test_add_func("/img2img/stop/no buffer left", test_no_buffer_left);
}
