/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanaimg2img's time and failures, on a model that sleeps.  Names begin with the row of
 * docs/elements-checklist.md that the test shows. */
#include "tests/timing.h"

guint32
timing_pixel(GstBuffer *buffer)
{
    guint8 bytes[3];

    gst_buffer_extract(buffer, gst_buffer_get_size(buffer) / 2 / 3 * 3, bytes, 3);
    return (guint32)(bytes[0] << 16 | bytes[1] << 8 | bytes[2]);
}

GstBuffer *
timing_flat(guint8 grey, guint n)
{
    GstBuffer *buffer = filter_picture(SMALL, n, n);

    gst_buffer_memset(buffer, 0, grey, gst_buffer_get_size(buffer));
    return buffer;
}

GstBuffer *
timing_pull(GstHarness *h)
{
    GstBuffer *buffer = NULL;

    /* gst_harness_pull() waits for a minute */
    for (int i = 0; i < 5000 && !buffer; i++) {
        buffer = gst_harness_try_pull(h);
        if (!buffer)
            g_usleep(1000);
    }
    g_assert_nonnull(buffer);
    return buffer;
}

void
timing_push(GstHarness *h, GstBuffer *buffer)
{
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
}

guint64
timing_stat(GstElement *element, const char *name)
{
    GstStructure *stats;
    guint64 value;

    g_object_get(element, "stats", &stats, NULL);
    g_assert_cmpstr(gst_structure_get_name(stats), ==, "application/x-sana-stats");
    g_assert_true(gst_structure_get_uint64(stats, name, &value));
    gst_structure_free(stats);
    return value;
}

int
timing_computed(void)
{
    FakeSanaCounts counts;

    fake_sana_counts(&counts);
    return counts.frames;
}

guint
timing_messages(GstElement *element, GstMessageType type)
{
    GstBus *bus = gst_element_get_bus(element);
    GstMessage *message;
    guint count = 0;

    while ((message = gst_bus_pop_filtered(bus, type))) {
        gst_message_unref(message);
        count++;
    }
    gst_object_unref(bus);
    return count;
}

void
timing_drops_nothing(GstHarness *h, guint count)
{
    Pusher pusher = {h, SMALL, count, FALSE, 0, NULL};

    pusher_start(&pusher);
    for (guint n = 0; n < count; n++) {
        GstBuffer *buffer = timing_pull(h);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * 40 * GST_MSECOND);
        gst_buffer_unref(buffer);
    }
    g_assert_cmpint(pusher_join(&pusher), ==, GST_FLOW_OK);
    g_assert_cmpuint(timing_stat(h->element, "dropped"), ==, 0);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
    add_timing_live_tests();
    add_timing_qos_tests();
    add_timing_pace_tests();
    add_timing_failure_tests();
    add_timing_stats_tests();
    add_timing_queue_tests();
    add_timing_play_tests();
    int status = g_test_run();
    gst_deinit();
    return status;
}
