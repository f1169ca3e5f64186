/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Row 10: frames that would come too late are dropped before they cost anything, and it is said. */
#include "gstsanapolicy.h"
#include "gstsanaqos.h"
#include "timing.h"

static GstHarness *
start(const char *property, gboolean value)
{
    GstElement *element = filter_make("model-path", "fake:frame=5", NULL);

    if (property)
        g_object_set(element, property, value, NULL);
    fake_sana_forget();
    return filter_start(element, SMALL, FALSE);
}

/* Tells that a frame of this time came so much too late. */
static void
too_late(GstHarness *h, GstClockTime time, GstClockTimeDiff late)
{
    gst_harness_push_upstream_event(h, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, late, time));
}

static void
drops_what_is_late(void)
{
    GstHarness *h = start(NULL, FALSE);
    guint64 processed, dropped;
    GstClockTime running;
    GstFormat format;
    gboolean live;

    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(timing_pull(h));
    /* at 0, 60 ms late: up to 0 + 120 + 40 ms nothing is worth it */
    too_late(h, 0, 60 * GST_MSECOND);
    for (guint n = 1; n <= 5; n++)
        timing_push(h, filter_picture(SMALL, n, n));
    GstBuffer *buffer = timing_pull(h);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, 5 * 40 * GST_MSECOND);
    g_assert_true(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT));
    gst_buffer_unref(buffer);
    g_assert_cmpint(timing_computed(), ==, 2);
    g_assert_cmpuint(timing_stat(h->element, "qos-dropped"), ==, 4);
    g_assert_cmpuint(timing_stat(h->element, "dropped"), ==, 4);
    for (guint n = 1; n <= 4; n++) {
        GstMessage *message = filter_message(h->element, GST_MESSAGE_QOS);
        g_assert_nonnull(message);
        gst_message_parse_qos(message, &live, &running, NULL, NULL, NULL);
        gst_message_parse_qos_stats(message, &format, &processed, &dropped);
        g_assert_false(live);
        g_assert_cmpuint(running, ==, n * 40 * GST_MSECOND);
        g_assert_cmpint(format, ==, GST_FORMAT_BUFFERS);
        g_assert_cmpuint(processed, ==, 1);
        g_assert_cmpuint(dropped, ==, n);
        gst_message_unref(message);
    }
    /* on time again */
    timing_push(h, filter_picture(SMALL, 6, 6));
    buffer = timing_pull(h);
    g_assert_false(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT));
    gst_buffer_unref(buffer);
    filter_stop(h);
}

static void
horizon(void)
{
    const struct {
        GstClockTime time;
        GstClockTimeDiff late;
        GstClockTime duration, last_late;
    } all[] = {
        {GST_SECOND, 100 * GST_MSECOND, 40 * GST_MSECOND, 1240 * GST_MSECOND},
        {GST_SECOND, 100 * GST_MSECOND, GST_CLOCK_TIME_NONE, 1200 * GST_MSECOND},
        /* one frame of ten seconds is no reason to drop twenty */
        {GST_SECOND, 10 * GST_SECOND, 40 * GST_MSECOND, 2040 * GST_MSECOND},
        {GST_SECOND, -100 * (gint64)GST_MSECOND, 40 * GST_MSECOND, 900 * GST_MSECOND},
        {GST_SECOND, -1 * (gint64)GST_SECOND, 40 * GST_MSECOND, 0},
        {GST_SECOND, G_MAXINT64, 40 * GST_MSECOND, 2040 * GST_MSECOND},
    };

    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        GstSanaQos qos = {0};
        GstEvent *event = gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1, all[i].late, all[i].time);

        gst_sana_qos_reset(&qos);
        g_assert_false(gst_sana_qos_is_late(&qos, 0));
        gst_sana_qos_update(&qos, event, all[i].duration);
        g_test_message("case %u", i);
        g_assert_true(gst_sana_qos_is_late(&qos, all[i].last_late));
        g_assert_false(gst_sana_qos_is_late(&qos, all[i].last_late + 1));
        g_assert_false(gst_sana_qos_is_late(&qos, GST_CLOCK_TIME_NONE));
        gst_sana_qos_reset(&qos);
        g_assert_false(gst_sana_qos_is_late(&qos, all[i].last_late));
        gst_event_unref(event);
    }
}

/* A recording keeps what its preview is too slow for. */
static void
off_for_recordings(void)
{
    GstHarness *h = start("qos", FALSE);

    too_late(h, 0, GST_SECOND);
    for (guint n = 0; n < 5; n++) {
        timing_push(h, filter_picture(SMALL, n, n));
        gst_buffer_unref(timing_pull(h));
    }
    g_assert_cmpint(timing_computed(), ==, 5);
    filter_stop(h);
}

static void
forgotten_by_a_flush(void)
{
    GstHarness *h = start(NULL, FALSE);
    GstSegment segment;

    too_late(h, 0, GST_SECOND);
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(timing_pull(h));
    filter_stop(h);
}

/* Upstream may save the work, too. */
static void
goes_on_upstream(void)
{
    GstHarness *h = start(NULL, FALSE);
    gboolean found = FALSE;

    too_late(h, 0, GST_SECOND);
    for (GstEvent *event; (event = gst_harness_try_pull_upstream_event(h));) {
        found = found || GST_EVENT_TYPE(event) == GST_EVENT_QOS;
        gst_event_unref(event);
    }
    g_assert_true(found);
    filter_stop(h);
}

static void
add_caption(GstBuffer *buffer, guint8 last)
{
    const guint8 data[] = {0xfc, 0x94, last};

    gst_buffer_add_video_caption_meta(buffer, GST_VIDEO_CAPTION_TYPE_CEA708_RAW, data, sizeof data);
}

/* The last bytes of a buffer's captions are those, in that order. */
static void
expect_captions(GstBuffer *buffer, const char *lasts)
{
    GString *found = g_string_new(NULL);
    gpointer state = NULL;
    GstMeta *meta;

    while (
        (meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_CAPTION_META_API_TYPE)))
        g_string_append_c(found, (char)((GstVideoCaptionMeta *)meta)->data[2]);
    g_assert_cmpstr(found->str, ==, lasts);
    g_string_free(found, TRUE);
}

/* Subtitles of frames that are not shown are still to be read, before those that follow; a time
 * code says which frame it is, and is no other's. */
static void
captions_move_on(void)
{
    GstHarness *h = start(NULL, FALSE);
    GstVideoTimeCode *code = gst_video_time_code_new(25, 1, NULL, 0, 0, 0, 0, 7, 0);
    GstBuffer *buffer = filter_picture(SMALL, 1, 1);

    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(timing_pull(h));
    too_late(h, 40 * GST_MSECOND, 10 * GST_MSECOND);
    add_caption(buffer, 'a');
    gst_buffer_add_video_time_code_meta(buffer, code);
    timing_push(h, buffer);
    buffer = filter_picture(SMALL, 2, 2);
    add_caption(buffer, 'b');
    timing_push(h, buffer);
    buffer = filter_picture(SMALL, 3, 3);
    add_caption(buffer, 'c');
    timing_push(h, buffer);
    timing_push(h, filter_picture(SMALL, 4, 4));
    buffer = timing_pull(h);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, 3 * 40 * GST_MSECOND);
    expect_captions(buffer, "abc");
    g_assert_null(gst_buffer_get_video_time_code_meta(buffer));
    gst_buffer_unref(buffer);
    buffer = timing_pull(h);
    g_assert_cmpuint(gst_buffer_get_n_meta(buffer, GST_VIDEO_CAPTION_META_API_TYPE), ==, 0);
    gst_buffer_unref(buffer);
    gst_video_time_code_free(code);
    filter_stop(h);
}

/* Also of one that found no room though a frame that came before it still waits. */
static void
captions_keep_their_order(void)
{
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:frame=200", "leaky", GST_SANA_LEAKY_UPSTREAM, NULL), SMALL,
        FALSE);
    static const char *const out[] = {"a", "b", "cd"};

    for (guint n = 0; n < 4; n++) {
        GstBuffer *buffer = filter_picture(SMALL, n, n);
        add_caption(buffer, (guint8)('a' + n));
        if (n == 3) /* b is computed, nothing waits */
            gst_buffer_unref(timing_pull(h));
        if (n == 1 || n == 3)
            g_usleep(50000);
        timing_push(h, buffer);
    }
    for (guint n = 1; n < G_N_ELEMENTS(out); n++) {
        GstBuffer *buffer = timing_pull(h);
        expect_captions(buffer, out[n]);
        gst_buffer_unref(buffer);
    }
    g_assert_cmpuint(timing_stat(h->element, "dropped"), ==, 1);
    filter_stop(h);
}

/* A frame that has its own keeps it. */
static void
time_codes_stay(void)
{
    GstHarness *h = start(NULL, FALSE);

    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(timing_pull(h));
    too_late(h, 40 * GST_MSECOND, 0);
    for (guint n = 1; n <= 2; n++) {
        GstBuffer *buffer = filter_picture(SMALL, n, n);
        gst_buffer_add_video_time_code_meta_full(buffer, 25, 1, NULL, 0, 0, 0, 0, n, 0);
        timing_push(h, buffer);
    }
    GstBuffer *buffer = timing_pull(h);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, 2 * 40 * GST_MSECOND);
    g_assert_cmpuint(gst_buffer_get_n_meta(buffer, GST_VIDEO_TIME_CODE_META_API_TYPE), ==, 1);
    g_assert_cmpuint(gst_buffer_get_video_time_code_meta(buffer)->tc.frames, ==, 2);
    gst_buffer_unref(buffer);
    filter_stop(h);
}

void
add_timing_qos_tests(void)
{
#define TEST(name, f) g_test_add_func("/timing/10 " name, f)
    TEST("late frames are dropped before they are computed", drops_what_is_late);
    TEST("the horizon of a late frame", horizon);
    TEST("qos=false for recordings", off_for_recordings);
    TEST("a flush forgets what was late", forgotten_by_a_flush);
    TEST("QOS goes on upstream", goes_on_upstream);
    TEST("captions of dropped frames move on", captions_move_on);
    TEST("captions keep their order", captions_keep_their_order);
    TEST("time codes stay", time_codes_stay);
#undef TEST
}
