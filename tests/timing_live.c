/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows 6, 7, 9, 14 and 28: what a live pipeline is told, and what it is given meanwhile. */
#include "gstsanamodel.h"
#include "gstsanapolicy.h"
#include "timing.h"

#include <string.h>

static void
expect_latency_message(GstElement *element)
{
    GstMessage *message = filter_message(element, GST_MESSAGE_LATENCY);

    g_assert_nonnull(message);
    gst_message_unref(message);
}

/* A camera gives no caps before PLAYING, and PLAYING asks for the latency. */
static void
known_before_caps(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:load=50,frame=50", NULL), NULL, TRUE);
    GstClockTime min, max;
    gboolean live;

    gst_harness_set_upstream_latency(h, 10 * GST_MSECOND);
    expect_latency_message(h->element);
    filter_query_latency(h, &live, &min, &max);
    g_assert_true(live);
    g_assert_cmpuint(min, >=, 120 * GST_MSECOND);
    g_assert_cmpuint(min, <, 1000 * GST_MSECOND);
    g_assert_true(max >= min);
    g_assert_cmpuint(timing_stat(h->element, "latency"), ==, min - 10 * GST_MSECOND);
    filter_stop(h);
}

/* COMPLETE, which lets gst-launch play, comes after the answer is known. */
static void
known_before_loading_is_complete(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:load=50,frame=50", NULL), NULL, TRUE);
    GstProgressType type = GST_PROGRESS_TYPE_START;
    gboolean latency = FALSE;

    while (type != GST_PROGRESS_TYPE_COMPLETE) {
        GstMessage *message =
            filter_message(h->element, GST_MESSAGE_LATENCY | GST_MESSAGE_PROGRESS);
        g_assert_nonnull(message);
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY)
            latency = TRUE;
        else
            gst_message_parse_progress(message, &type, NULL, NULL);
        gst_message_unref(message);
    }
    g_assert_true(latency);
    filter_stop(h);
}

/* What took long was drawn in twenty steps; one takes what it took. */
static void
remembered_by_what_was_drawn(void)
{
    GstElement *element =
        gst_object_ref(filter_make("model-path", "fake:frame=20,step=30,id=remember",
                                   "startup-mode", GST_SANA_STARTUP_BLOCK, NULL));
    GstHarness *h = filter_start(element, SMALL, TRUE);
    GstClockTime min, max;
    GstSegment segment;
    gboolean live;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    for (guint run = 0; run < 2; run++) {
        for (guint n = 0; n < 6 && (run == 0 || n < 3); n++) {
            if (n == 3)
                g_object_set(element, "steps", 20, NULL);
            timing_push(h, filter_picture(SMALL, n, n));
            gst_buffer_unref(timing_pull(h));
        }
        if (run == 1)
            break;
        gst_element_set_state(element, GST_STATE_READY);
        g_object_set(element, "steps", 1, NULL);
        gst_element_set_state(element, GST_STATE_PLAYING);
        gst_harness_push_event(h, gst_event_new_stream_start("again"));
        gst_harness_set_src_caps_str(h, SMALL);
        gst_harness_push_event(h, gst_event_new_segment(&segment));
    }
    filter_query_latency(h, &live, &min, &max);
    g_test_message("%" GST_TIME_FORMAT, GST_TIME_ARGS(min));
    g_assert_cmpuint(min, <, 600 * GST_MSECOND);
    gst_object_unref(element);
    filter_stop(h);
}

/* A model that is chosen for the next start has not drawn these. */
static void
remembered_by_what_is_running(void)
{
    GstElement *element = gst_object_ref(filter_make("model-path", "fake:frame=200,id=running",
                                                     "startup-mode", GST_SANA_STARTUP_BLOCK, NULL));
    GstHarness *h = filter_start(element, SMALL, TRUE);
    GstClockTime min, max;
    gboolean live;

    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(timing_pull(h));
    g_object_set(element, "model-path", "fake:frame=1,id=next", "steps", 2, NULL);
    timing_push(h, filter_picture(SMALL, 1, 1));
    gst_buffer_unref(timing_pull(h));
    gst_element_set_state(element, GST_STATE_READY);
    gst_element_set_state(element, GST_STATE_PLAYING);
    gst_harness_push_event(h, gst_event_new_stream_start("again"));
    gst_harness_set_src_caps_str(h, SMALL);
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(timing_pull(h));
    filter_query_latency(h, &live, &min, &max);
    g_assert_cmpuint(min, <, 200 * GST_MSECOND);
    gst_object_unref(element);
    filter_stop(h);
}

/* An application may ask at once, in the thread that tells. */
static GstBusSyncReply
ask_at_once(GstBus *bus, GstMessage *message, gpointer user_data)
{
    gint *asked = user_data;
    GstClockTime latency;

    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_STREAM_STATUS) {
        GstElement *owner;
        gst_message_parse_stream_status(message, NULL, &owner);
        g_object_set(owner, "leaky", GST_SANA_LEAKY_AUTO, NULL);
    }
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY ||
        GST_MESSAGE_TYPE(message) == GST_MESSAGE_QOS) {
        GstElement *element = GST_ELEMENT(GST_MESSAGE_SRC(message));
        GstQuery *query = gst_query_new_latency();
        gst_element_query(element, query);
        gst_query_unref(query);
        g_object_get(element, "latency", &latency, NULL);
        g_object_set(element, "qos", TRUE, NULL);
        g_atomic_int_inc(asked);
    }
    return GST_BUS_PASS;
}

static void
messages_hold_no_lock(void)
{
    GstElement *element = filter_make("model-path", "fake:load=20,frame=30", NULL);
    GstBus *bus = gst_element_get_bus(element);
    gint asked = 0;

    gst_bus_set_sync_handler(bus, ask_at_once, &asked, NULL);
    GstHarness *h = filter_start(element, SMALL, TRUE);
    filter_wait_for(&asked, 1);
    g_object_set(h->element, "latency", 50 * GST_MSECOND, NULL);
    filter_wait_for(&asked, 2);
    /* those that are dropped say so */
    for (guint n = 0; n < 20 && g_atomic_int_get(&asked) < 4; n++) {
        timing_push(h, filter_picture(SMALL, n, n));
        g_usleep(5000);
    }
    filter_wait_for(&asked, 3);
    gst_bus_set_sync_handler(bus, NULL, NULL, NULL);
    /* what nobody took refers to the element */
    gst_bus_set_flushing(bus, TRUE);
    gst_object_unref(bus);
    filter_stop(h);
}

static void
property_overrides_and_warns(void)
{
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:frame=40", "latency", (guint64)(60 * GST_MSECOND), NULL),
        SMALL, TRUE);
    GstClockTime min, max;
    gboolean live;

    filter_query_latency(h, &live, &min, &max);
    g_assert_cmpuint(min, ==, 60 * GST_MSECOND);
    timing_messages(h->element, GST_MESSAGE_LATENCY);
    g_object_set(h->element, "latency", 70 * GST_MSECOND, NULL);
    expect_latency_message(h->element);
    filter_query_latency(h, &live, &min, &max);
    g_assert_cmpuint(min, ==, 70 * GST_MSECOND);
    for (guint n = 0; n < 30 && timing_stat(h->element, "out") < 5; n++) {
        timing_push(h, filter_picture(SMALL, n, n));
        g_usleep(50000);
    }
    /* 2 · 40 ms and a tenth; said once */
    GstMessage *message = filter_message(h->element, GST_MESSAGE_WARNING);
    GError *error;
    g_assert_nonnull(message);
    gst_message_parse_warning(message, &error, NULL);
    g_assert_nonnull(strstr(error->message, "latency"));
    g_error_free(error);
    gst_message_unref(message);
    g_assert_cmpuint(timing_messages(h->element, GST_MESSAGE_WARNING), ==, 0);
    g_object_set(h->element, "latency", GST_CLOCK_TIME_NONE, NULL);
    filter_query_latency(h, &live, &min, &max);
    g_assert_cmpuint(min, >=, 88 * GST_MSECOND);
    filter_stop(h);
}

/* --- leaky ----------------------------------------------------------------------------------- */

static void
leaky_upstream_drops_the_newest(void)
{
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:frame=600", "leaky", GST_SANA_LEAKY_UPSTREAM, NULL), SMALL,
        FALSE);
    gint64 begin = element_test_time();

    for (guint n = 0; n < 10; n++) {
        timing_push(h, filter_picture(SMALL, n, n));
        if (n == 0)
            g_usleep(50000);
    }
    g_assert_cmpint(element_test_time() - begin, <, 400 * G_TIME_SPAN_MILLISECOND);
    gst_harness_push_event(h, gst_event_new_eos());
    /* one is computed, one waits, all others find no room */
    for (guint n = 0; n < 2; n++) {
        GstBuffer *buffer = timing_pull(h);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), <=, (n + 1) * 40 * GST_MSECOND);
        gst_buffer_unref(buffer);
    }
    g_usleep(200000);
    g_assert_null(gst_harness_try_pull(h));
    g_assert_cmpuint(timing_stat(h->element, "in"), ==, 10);
    g_assert_cmpuint(timing_stat(h->element, "out"), ==, 2);
    g_assert_cmpuint(timing_stat(h->element, "dropped"), ==, 8);
    g_assert_cmpuint(timing_messages(h->element, GST_MESSAGE_QOS), ==, 8);
    filter_stop(h);
}

static void
leaky_downstream_drops_the_oldest(void)
{
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:frame=600", "leaky", GST_SANA_LEAKY_DOWNSTREAM, NULL),
        SMALL, FALSE);

    for (guint n = 0; n < 10; n++) {
        timing_push(h, filter_picture(SMALL, n, n));
        if (n == 0)
            g_usleep(50000);
    }
    GstBuffer *buffer = timing_pull(h);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, 0);
    gst_buffer_unref(buffer);
    buffer = timing_pull(h);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, 9 * 40 * GST_MSECOND);
    g_assert_true(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT));
    gst_buffer_unref(buffer);
    g_assert_cmpuint(timing_stat(h->element, "dropped"), ==, 8);
    filter_stop(h);
}

static void
leaky_no_keeps_every_live_frame(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:frame=20", "leaky", GST_SANA_LEAKY_NO,
                                 "startup-mode", GST_SANA_STARTUP_BLOCK, NULL),
                     SMALL, TRUE);

    timing_drops_nothing(h, 8);
    filter_stop(h);
}

/* Changed while upstream waits for room. */
static void
leaky_changes_while_playing(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:frame=5000", NULL), SMALL, FALSE);
    Pusher pusher = {h, SMALL, 6, FALSE, 0, NULL};

    pusher_start(&pusher);
    filter_wait_for(&pusher.pushed, 2);
    g_usleep(30000);
    g_assert_cmpint(g_atomic_int_get(&pusher.pushed), ==, 2);
    g_object_set(h->element, "leaky", GST_SANA_LEAKY_DOWNSTREAM, NULL);
    g_assert_cmpint(pusher_join(&pusher), ==, GST_FLOW_OK);
    filter_stop(h);
}

/* --- before the model is there --------------------------------------------------------------- */

typedef struct {
    GstSanaStartup mode;
    gboolean live;
    int pixel; /* of a picture of 200s; −1: nothing comes */
} Startup;

static const Startup startups[] = {
    {GST_SANA_STARTUP_AUTO, TRUE, 0xc8c8c8},
    {GST_SANA_STARTUP_AUTO, FALSE, -1},
    {GST_SANA_STARTUP_PASSTHROUGH, FALSE, 0xc8c8c8},
    {GST_SANA_STARTUP_BLACK, FALSE, 0},
    {GST_SANA_STARTUP_BLACK, TRUE, 0},
    {GST_SANA_STARTUP_BLOCK, TRUE, -1},
};

static void
shows_meanwhile(gconstpointer data)
{
    const Startup *s = data;

    /* or it would be there at once */
    gst_sana_model_drop_idle();
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:load=400", "startup-mode", s->mode, "strength", 1.0, NULL),
        SMALL, s->live);
    guint8 colour[3];
    gint64 begin = element_test_time();
    GstBuffer *buffer = NULL;

    timing_push(h, timing_flat(200, 0));
    if (s->pixel < 0) {
        g_usleep(100000);
        g_assert_null(gst_harness_try_pull(h));
    } else {
        buffer = timing_pull(h);
        g_assert_cmpint(element_test_time() - begin, <, 350 * G_TIME_SPAN_MILLISECOND);
        g_assert_cmphex(timing_pixel(buffer), ==, (guint)s->pixel);
        gst_buffer_unref(buffer);
    }
    /* and then the prompt's picture */
    fake_sana_colour("", 0, 1, 4.5, colour);
    guint32 want = (guint32)(colour[0] << 16 | colour[1] << 8 | colour[2]), pixel = 0;
    for (guint n = 1; n < 200 && pixel != want; n++) {
        timing_push(h, timing_flat(200, n));
        buffer = timing_pull(h);
        pixel = timing_pixel(buffer);
        g_assert_true(pixel == want || (int)pixel == s->pixel);
        gst_buffer_unref(buffer);
        g_usleep(10000);
    }
    g_assert_cmphex(pixel, ==, want);
    filter_stop(h);
}

/* Black is another number in each format. */
static void
black_is_black_in_every_format(void)
{
    static const char *const caps[] = {
        "video/x-raw,format=NV12,width=64,height=32,framerate=25/1,colorimetry=bt709",
        "video/x-raw,format=I420,width=64,height=32,framerate=25/1,colorimetry=bt601",
        "video/x-raw,format=BGRA,width=64,height=32,framerate=25/1",
        "video/x-raw,format=I420_10LE,width=64,height=32,framerate=25/1",
    };

    for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
        gst_sana_model_drop_idle();
        GstHarness *h = filter_start(filter_make("model-path", "fake:load=2000", "startup-mode",
                                                 GST_SANA_STARTUP_BLACK, NULL),
                                     caps[i], FALSE);
        timing_push(h, filter_picture(caps[i], 1, 0));
        GstBuffer *buffer = timing_pull(h);
        GstSample *rgb, *sample;
        GstCaps *from = gst_caps_from_string(caps[i]);
        GstCaps *to = gst_caps_from_string("video/x-raw,format=RGB,width=64,height=32");
        GError *error = NULL;
        GstMapInfo map;

        sample = gst_sample_new(buffer, from, NULL, NULL);
        rgb = gst_video_convert_sample(sample, to, 5 * GST_SECOND, &error);
        g_assert_no_error(error);
        gst_buffer_map(gst_sample_get_buffer(rgb), &map, GST_MAP_READ);
        for (gsize k = 0; k < map.size; k++)
            g_assert_cmpuint(map.data[k], <=, 1);
        gst_buffer_unmap(gst_sample_get_buffer(rgb), &map);
        gst_sample_unref(rgb);
        gst_sample_unref(sample);
        gst_caps_unref(from);
        gst_caps_unref(to);
        gst_buffer_unref(buffer);
        filter_stop(h);
    }
}

/* --- times ----------------------------------------------------------------------------------- */

static void
odd_framerates(void)
{
    static const char *const rates[] = {"0/1", "240/1", "30000/1001", "1/3"};

    for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
        char *caps =
            g_strdup_printf("video/x-raw,format=RGB,width=64,height=32,framerate=%s", rates[i]);
        GstHarness *h = filter_start(filter_make("model-path", "fake:frame=20", NULL), caps, TRUE);
        GstClockTime min, max;
        gboolean live;

        expect_latency_message(h->element);
        filter_query_latency(h, &live, &min, &max);
        g_test_message("%s: %" GST_TIME_FORMAT " … %" GST_TIME_FORMAT, rates[i], GST_TIME_ARGS(min),
                       GST_TIME_ARGS(max));
        g_assert_cmpuint(min, >=, 44 * GST_MSECOND);
        g_assert_true(max >= min);
        GstBuffer *buffer = filter_picture(caps, 0, 0);
        GST_BUFFER_DURATION(buffer) = GST_CLOCK_TIME_NONE;
        GST_BUFFER_PTS(buffer) = 5;
        timing_push(h, buffer);
        buffer = timing_pull(h);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, 5);
        g_assert_false(GST_BUFFER_DURATION_IS_VALID(buffer));
        gst_buffer_unref(buffer);
        filter_stop(h);
        g_free(caps);
    }
}

/* Without, repeated, backwards: each comes out as it went in. */
static void
odd_timestamps(void)
{
    static const GstClockTime times[] = {
        0,          GST_CLOCK_TIME_NONE, 40 * GST_MSECOND,    40 * GST_MSECOND,
        GST_SECOND, 20 * GST_MSECOND,    GST_CLOCK_TIME_NONE, 3600 * GST_SECOND};

    for (guint live = 0; live < 2; live++) {
        GstHarness *h = filter_start(filter_make("model-path", "fake:frame=5", "process-interval",
                                                 2, "similarity-threshold", 0.9, NULL),
                                     SMALL, live);
        for (guint n = 0; n < G_N_ELEMENTS(times); n++) {
            GstBuffer *buffer = filter_picture(SMALL, n, n);
            GST_BUFFER_PTS(buffer) = times[n];
            timing_push(h, buffer);
            buffer = timing_pull(h);
            g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, times[n]);
            gst_buffer_unref(buffer);
        }
        filter_expect_no_error(h->element);
        filter_stop(h);
    }
}

void
add_timing_live_tests(void)
{
#define TEST(name, f) g_test_add_func("/timing/" name, f)
    TEST("6 latency is known before caps", known_before_caps);
    TEST("6 latency is known before loading is complete", known_before_loading_is_complete);
    TEST("6 latency is remembered by what was drawn", remembered_by_what_was_drawn);
    TEST("6 latency is remembered by what is running", remembered_by_what_is_running);
    TEST("6 messages hold no lock", messages_hold_no_lock);
    TEST("7 latency overrides and warns", property_overrides_and_warns);
    TEST("9 leaky=upstream drops the newest", leaky_upstream_drops_the_newest);
    TEST("9 leaky=downstream drops the oldest", leaky_downstream_drops_the_oldest);
    TEST("9 leaky=no keeps every live frame", leaky_no_keeps_every_live_frame);
    TEST("9 leaky changes while playing", leaky_changes_while_playing);
    TEST("14 odd framerates", odd_framerates);
    TEST("14 odd timestamps", odd_timestamps);
    for (guint i = 0; i < G_N_ELEMENTS(startups); i++) {
        char *path = g_strdup_printf("/timing/28 startup-mode %d, live %d", startups[i].mode,
                                     startups[i].live);
        g_test_add_data_func(path, &startups[i], shows_meanwhile);
        g_free(path);
    }
    TEST("28 black in every format", black_is_black_in_every_format);
#undef TEST
}
