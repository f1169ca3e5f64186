/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Behind a camera: the newest picture wins, and the pipeline knows how long it takes. */
#include "gstsanapolicy.h"
#include "img2img.h"

#include <string.h>

/* Thirty frames, 10 ms apart, for a model that takes 50 ms. */
static void
test_oldest_frame_is_dropped(void)
{
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:frame=50", "startup-mode", GST_SANA_STARTUP_BLOCK, NULL),
        SMALL, TRUE);
    guint n_out = 0, n_discont = 0;
    GstClockTime last = GST_CLOCK_TIME_NONE, newest = 0;
    gint64 pushing = 0;

    for (guint n = 0; n < 30; n++) {
        gint64 begin = element_test_time();
        g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, n, n)), ==, GST_FLOW_OK);
        pushing += element_test_time() - begin;
        newest = n * 40 * GST_MSECOND;
        g_usleep(10000);
    }
    /* waiting for room would have taken three times as long */
    g_assert_cmpint(pushing, <, 400000);
    gst_harness_push_event(h, gst_event_new_eos());
    while (last != newest) {
        GstBuffer *buffer = gst_harness_pull(h);
        g_assert_nonnull(buffer);
        GstClockTime pts = GST_BUFFER_PTS(buffer);
        if (GST_CLOCK_TIME_IS_VALID(last)) {
            gboolean gap = pts > last + 40 * GST_MSECOND;
            g_assert_cmpuint(pts, >, last);
            g_assert_cmpint(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), ==, gap);
            n_discont += gap;
        }
        last = pts;
        n_out++;
        gst_buffer_unref(buffer);
    }
    g_test_message("%u of 30 frames, %u after a gap", n_out, n_discont);
    g_assert_cmpuint(n_out, <, 20);
    g_assert_cmpuint(n_discont, >, 0);
    filter_stop(h);
}

/* Dropping a frame leaves what stands around it in place. */
static void
test_events_are_not_dropped(void)
{
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:load=500", "startup-mode", GST_SANA_STARTUP_BLOCK, NULL),
        NULL, TRUE);
    Recorder recorder;
    recorder_init(&recorder, h);
    gst_harness_set_src_caps_str(h, SMALL);
    for (guint n = 0; n < 20; n++) {
        char *name = g_strdup_printf("event%u", n);
        gst_harness_push_event(
            h, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty(name)));
        gst_harness_push(h, filter_picture(SMALL, n, n));
        g_free(name);
    }
    GstQuery *drain = gst_query_new_drain();
    gst_pad_peer_query(h->srcpad, drain);
    gst_query_unref(drain);
    char *words = recorder_finish(&recorder);
    guint at = 0;
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        if (!g_str_has_prefix(word, "event"))
            continue;
        g_assert_cmpint(atoi(word + 5), ==, at);
        at++;
    }
    g_assert_cmpuint(at, ==, 20);
    g_assert_cmpuint(gst_harness_buffers_received(h), <, 5);
    g_free(words);
    filter_stop(h);
    g_string_free(recorder.words, TRUE);
}

static void
test_not_live_keeps_every_frame(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=10", NULL), SMALL, FALSE);
    Pusher pusher = {h, SMALL, 20, TRUE, 0, NULL};

    pusher_start(&pusher);
    for (guint n = 0; n < 20; n++) {
        GstBuffer *buffer = gst_harness_pull(h);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * 40 * GST_MSECOND);
        gst_buffer_unref(buffer);
    }
    g_assert_cmpint(pusher_join(&pusher), ==, GST_FLOW_OK);
    filter_stop(h);
}

/* Live: the old prompt goes on while the new one is encoded. */
static void
test_prompt_change_does_not_stutter(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:prompt=300,frame=5", "startup-mode",
                                 GST_SANA_STARTUP_BLOCK, "strength", 1.0, "prompt", "old", NULL),
                     SMALL, TRUE);
    guint8 old[3], new[3], pixel[3];
    guint n_old = 0;

    fake_sana_colour("old", 0, 1, 4.5, old);
    fake_sana_colour("new", 0, 1, 4.5, new);
    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(gst_harness_pull(h));
    g_object_set(h->element, "prompt", "new", NULL);
    for (guint n = 1; n < 500; n++) {
        gst_harness_push(h, filter_picture(SMALL, n, n));
        GstBuffer *buffer = gst_harness_pull(h);
        gst_buffer_extract(buffer, 0, pixel, 3);
        gst_buffer_unref(buffer);
        if (!memcmp(pixel, new, 3))
            break;
        g_assert_cmpmem(pixel, 3, old, 3);
        n_old++;
    }
    g_assert_cmpmem(pixel, 3, new, 3);
    g_assert_cmpuint(n_old, >, 3);
    filter_stop(h);
}

static void
test_latency(void)
{
    const gint64 still = element_test_stood_still();
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:frame=50", "startup-mode", GST_SANA_STARTUP_BLOCK, NULL),
        SMALL, TRUE);
    GstClockTime min, max;
    gboolean live;

    gst_harness_set_upstream_latency(h, 10 * GST_MSECOND);
    /* known before the first frame, and said */
    GstMessage *message = filter_message(h->element, GST_MESSAGE_LATENCY);
    g_assert_nonnull(message);
    gst_message_unref(message);
    filter_query_latency(h, &live, &min, &max);
    g_assert_true(live);
    /* one that waits and one that is computed, and the upstream's */
    g_assert_cmpuint(min, >=, 110 * GST_MSECOND);
    /* a second of patience, and both frames may have stood still */
    g_assert_cmpuint(min, <=,
                     1000 * GST_MSECOND +
                         2 * (guint64)(element_test_stood_still() - still) * GST_USECOND);
    g_assert_cmpuint(max, >=, min);
    /* until the first frame a slower warm-up may correct it, and says so; then frames as slow
     * change nothing */
    GstClockTime again;
    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(gst_harness_pull(h));
    filter_query_latency(h, &live, &again, &max);
    if (again != min) {
        message = filter_message(h->element, GST_MESSAGE_LATENCY);
        g_assert_nonnull(message);
        gst_message_unref(message);
        min = again;
    }
    for (guint n = 1; n < 5; n++) {
        gst_harness_push(h, filter_picture(SMALL, n, n));
        gst_buffer_unref(gst_harness_pull(h));
    }
    filter_query_latency(h, &live, &again, &max);
    g_assert_cmpuint(again, ==, min);
    filter_stop(h);

    h = filter_start(filter_make("model-path", "fake:frame=50", NULL), SMALL, FALSE);
    filter_query_latency(h, &live, &min, &max);
    g_assert_false(live);
    filter_stop(h);
}

void
add_live_tests(void)
{
    g_test_add_func("/img2img/live/oldest frame is dropped", test_oldest_frame_is_dropped);
    g_test_add_func("/img2img/live/events are not dropped", test_events_are_not_dropped);
    g_test_add_func("/img2img/live/not live keeps every frame", test_not_live_keeps_every_frame);
    g_test_add_func("/img2img/live/prompt change does not stutter",
                    test_prompt_change_does_not_stutter);
    g_test_add_func("/img2img/live/latency", test_latency);
}
