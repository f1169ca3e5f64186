/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Row 30: what the element tells of itself, and how often. */
#include "timing.h"

static double
number(const GstStructure *stats, const char *name)
{
    double value;

    g_assert_true(gst_structure_get_double(stats, name, &value));
    return value;
}

static void
push_drawn_in(GstHarness *h, guint n, guint steps)
{
    g_object_set(h->element, "steps", steps, NULL);
    timing_push(h, filter_picture(SMALL, n, n));
    gst_buffer_unref(timing_pull(h));
}

/* Each part's mean and 95th percentile, in the order of parts[]. */
static void
expect_parts(GstElement *element, const double means[4], const double highs[4])
{
    static const char *const parts[] = {"encode", "transformer", "decode", "total"};
    GstStructure *stats;

    g_object_get(element, "stats", &stats, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        char *mean = g_strdup_printf("%s-ms-avg", parts[i]);
        char *p95 = g_strdup_printf("%s-ms-p95", parts[i]);
        g_test_message("%s: %g, %g", parts[i], number(stats, mean), number(stats, p95));
        g_assert_cmpfloat_with_epsilon(number(stats, mean), means[i], 1e-6);
        g_assert_cmpfloat_with_epsilon(number(stats, p95), highs[i], 1e-6);
        g_free(mean);
        g_free(p95);
    }
    gst_structure_free(stats);
}

/* A picture takes 8 ms in one step, 24 in two: an eighth, half, and the rest of that. */
static void
times(void)
{
    static const double all[] = {1.1, 4.4, 3.3, 8.8}, most[] = {1, 4, 3, 8};
    static const double more[] = {25. / 21, 100. / 21, 75. / 21, 200. / 21},
                        slow[] = {3, 12, 9, 24};
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:frame=8,step=16", NULL), SMALL, FALSE);
    guint n = 0;

    for (; n < 20; n++)
        push_drawn_in(h, n, n == 5 ? 2 : 1);
    /* one of twenty lies beyond 95 in a hundred, two of 21 do not */
    expect_parts(h->element, all, most);
    push_drawn_in(h, n++, 2);
    expect_parts(h->element, more, slow);
    /* of the last 64 */
    for (; n < 21 + 64; n++)
        push_drawn_in(h, n, 1);
    expect_parts(h->element, most, most);
    filter_stop(h);
}

static void
fields(void)
{
    static const char *const integers[] = {
        "in",         "out",     "dropped",    "qos-dropped",   "repeated", "passed-through",
        "not-finite", "latency", "vram-bytes", "model-load-ms", "seed"};
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:load=100,frame=20", "seed", G_GUINT64_CONSTANT(77), NULL),
        SMALL, FALSE);
    GstStructure *stats;

    for (guint n = 0; n < 10; n++) {
        timing_push(h, filter_picture(SMALL, n, n));
        gst_buffer_unref(timing_pull(h));
    }
    g_object_get(h->element, "stats", &stats, NULL);
    char *text = gst_structure_to_string(stats);
    g_test_message("%s", text);
    g_free(text);
    for (guint i = 0; i < G_N_ELEMENTS(integers); i++)
        g_assert_true(gst_structure_has_field_typed(stats, integers[i], G_TYPE_UINT64));
    g_assert_true(gst_structure_has_field_typed(stats, "fps", G_TYPE_DOUBLE));
    gst_structure_free(stats);
    g_assert_cmpuint(timing_stat(h->element, "in"), ==, 10);
    g_assert_cmpuint(timing_stat(h->element, "out"), ==, 10);
    g_assert_cmpuint(timing_stat(h->element, "dropped"), ==, 0);
    g_assert_cmpuint(timing_stat(h->element, "seed"), ==, 77);
    g_assert_cmpuint(timing_stat(h->element, "vram-bytes"), ==, FAKE_SANA_WEIGHT_BYTES);
    g_assert_cmpuint(timing_stat(h->element, "model-load-ms"), >=, 90);

    /* from zero with each start */
    gst_element_set_state(h->element, GST_STATE_READY);
    gst_element_set_state(h->element, GST_STATE_PLAYING);
    g_assert_cmpuint(timing_stat(h->element, "in"), ==, 0);
    g_assert_cmpuint(timing_stat(h->element, "seed"), ==, 0);
    filter_stop(h);
}

static void
on_notify(GObject *object, GParamSpec *spec, gpointer user_data)
{
    GstStructure *stats;

    /* no lock is held: it may be read at once */
    g_object_get(object, "stats", &stats, NULL);
    gst_structure_free(stats);
    g_atomic_int_inc((gint *)user_data);
}

/* 25 frames a second for 2.4 s, or what a busy machine makes of it. */
static void
once_a_second(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), SMALL, FALSE);
    gint notified = 0;
    guint posted = 0;

    const gint64 begin = g_get_monotonic_time(), still = element_test_stood_still();
    g_signal_connect(h->element, "notify::stats", G_CALLBACK(on_notify), &notified);
    for (guint n = 0; n < 60; n++) {
        if (n == 30)
            g_object_set(h->element, "post-messages", TRUE, NULL);
        timing_push(h, filter_picture(SMALL, n, n));
        gst_buffer_unref(timing_pull(h));
        g_usleep(40000);
    }
    g_assert_cmpint(g_atomic_int_get(&notified), >=, 1);
    g_assert_cmpint(g_atomic_int_get(&notified), <=,
                    (g_get_monotonic_time() - begin) / G_TIME_SPAN_SECOND + 1);
    const gboolean stood_still = element_test_stood_still() > still;
    GstBus *bus = gst_element_get_bus(h->element);
    GstMessage *message;
    while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT))) {
        const GstStructure *structure = gst_message_get_structure(message);
        if (gst_structure_has_name(structure, "sana-stats")) {
            posted++;
            g_assert_true(stood_still || number(structure, "fps") > 10);
            g_assert_cmpfloat(number(structure, "fps"), <, 27);
        }
        gst_message_unref(message);
    }
    gst_object_unref(bus);
    /* those of the first half were not asked for */
    g_assert_cmpint((gint)posted, >=, 1);
    g_assert_cmpint((gint)posted, <, g_atomic_int_get(&notified));
    filter_stop(h);
}

/* prompt-applied is what an application waits for, not a statistic. */
static void
prompts_are_told_whatever(void)
{
    GstHarness *h = filter_start(filter_make("prompt", "one", NULL), SMALL, FALSE);

    timing_push(h, filter_picture(SMALL, 0, 0));
    gst_buffer_unref(timing_pull(h));
    GstMessage *message = filter_message(h->element, GST_MESSAGE_ELEMENT);
    g_assert_nonnull(message);
    g_assert_true(gst_message_has_name(message, "sana-prompt-applied"));
    gst_message_unref(message);
    filter_stop(h);
}

/* The source's: frames drawn and none taken in, from zero with each start. */
static void
of_a_source(void)
{
    GstHarness *h = gst_harness_new("sanasrc");
    GstStructure *stats;

    g_object_set(h->element, "model-path", "fake:load=50,frame=20", "prompt", "x", "seed",
                 G_GUINT64_CONSTANT(40), "num-buffers", 3, NULL);
    gst_harness_set_sink_caps_str(h, "video/x-raw,format=RGB,width=16,height=16,framerate=10/1");
    gst_harness_play(h);
    for (guint n = 0; n < 3; n++)
        gst_buffer_unref(gst_harness_pull(h));
    for (gboolean end = FALSE; !end;) { /* after the last has been counted */
        GstEvent *event = gst_harness_pull_event(h);
        end = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
        gst_event_unref(event);
    }
    g_assert_cmpuint(timing_stat(h->element, "in"), ==, 0);
    g_assert_cmpuint(timing_stat(h->element, "out"), ==, 3);
    g_assert_cmpuint(timing_stat(h->element, "dropped"), ==, 0);
    g_assert_cmpuint(timing_stat(h->element, "seed"), ==, 42);
    g_assert_cmpuint(timing_stat(h->element, "vram-bytes"), ==, FAKE_SANA_WEIGHT_BYTES);
    g_assert_cmpuint(timing_stat(h->element, "model-load-ms"), >=, 45);
    g_object_get(h->element, "stats", &stats, NULL);
    g_assert_cmpfloat_with_epsilon(number(stats, "total-ms-avg"), 20, 1e-6);
    gst_structure_free(stats);

    gst_element_set_state(h->element, GST_STATE_READY);
    gst_element_set_state(h->element, GST_STATE_PAUSED);
    g_assert_cmpuint(timing_stat(h->element, "seed"), !=, 42);
    gst_harness_teardown(h);
}

/* A live one repeats pictures, and each that it repeats is a GAP. */
static void
repeats_of_a_source(void)
{
    guint gaps = 0, all = 0;
    GstSample *sample;
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e is-live=true num-buffers=30 model-path=fake:frame=100 ! "
                     "video/x-raw,width=16,height=16,framerate=50/1 ! appsink name=out sync=false");
    pipe_play(&pipe);
    while ((sample = pipe_pull(&pipe))) {
        gaps += GST_BUFFER_FLAG_IS_SET(gst_sample_get_buffer(sample), GST_BUFFER_FLAG_GAP);
        all++;
        gst_sample_unref(sample);
    }
    g_assert_true(pipe_eos(&pipe));
    g_assert_cmpuint(gaps, >, 0);
    g_assert_cmpuint(timing_stat(pipe.element, "repeated"), ==, gaps);
    g_assert_cmpuint(timing_stat(pipe.element, "out"), ==, all);
    pipe_close(&pipe);
}

void
add_timing_stats_tests(void)
{
#define TEST(name, f) g_test_add_func("/timing/30 " name, f)
    TEST("the fields of stats", fields);
    TEST("times of the parts", times);
    TEST("the stats of a source", of_a_source);
    TEST("what a source repeats is counted", repeats_of_a_source);
    TEST("stats are told once a second", once_a_second);
    TEST("post-messages does not gate prompts", prompts_are_told_whatever);
#undef TEST
}
