/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanasrc as a live source, on a fake model that is slower than it. */
#include "element_util.h"
#include "fake_sana.h"

#include <gst/base/gstbasesrc.h>
#include <gst/check/gsttestclock.h>

static void
keeps_its_rate_with_a_slow_model(void)
{
    Pipe pipe;
    int repeats = 0, fresh = 0;
    GstClockTime first = 0, last = 0;
    gint64 still = element_test_stood_still();

    pipe_open(&pipe, "sanasrc name=e is-live=true model-path=fake:frame=200 ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=50/1 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    for (int n = 0; n < 75; n++) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        GstBuffer *buffer = gst_sample_get_buffer(sample);
        if (n == 0)
            first = GST_BUFFER_PTS(buffer);
        else
            g_assert_cmpuint(GST_BUFFER_PTS(buffer), >, last);
        last = GST_BUFFER_PTS(buffer);
        g_assert_cmpuint((last - first) % (20 * GST_MSECOND), ==, 0);
        g_assert_cmpuint(GST_BUFFER_DURATION(buffer), ==, 20 * GST_MSECOND);
        /* not before its time */
        g_assert_cmpuint(gst_element_get_current_running_time(pipe.element), >=, last);
        if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP))
            repeats++;
        else
            fresh++;
        gst_sample_unref(sample);
    }
    /* 74 frames of 20 ms, but for those that a busy machine misses; a new picture every 200 */
    g_assert_cmpuint(last - first, >=, 74 * 20 * GST_MSECOND);
    still = element_test_stood_still() - still;
    g_assert_cmpuint(last - first, <, 2500 * GST_MSECOND + (guint64)still * GST_USECOND);
    g_assert_cmpint(fresh, >=, 4);
    g_assert_cmpint(fresh, <=, 9);
    g_assert_cmpint(repeats, ==, 75 - fresh);
    pipe_close(&pipe);
}

/* Row 28: black from the first frame on, flagged GAP, until there is something to see. */
static void
is_black_until_there_is_a_picture(void)
{
    static const guint8 black[3];
    guint8 want[3], pixel[3];
    int dark = 0;
    Pipe pipe;

    fake_sana_colour("x", 0, 2, 4.5, want);
    pipe_open(&pipe, "sanasrc name=e is-live=true startup-mode=black prompt=x seed-mode=fixed "
                     "model-path=fake:load=600,native=64 ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=50/1 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    for (int n = 0; n < 200; n++) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        GstBuffer *buffer = gst_sample_get_buffer(sample);
        gst_buffer_extract(buffer, (8 * 16 + 8) * 3, pixel, 3);
        gboolean gap = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
        gst_sample_unref(sample);
        if (!memcmp(pixel, want, 3))
            break;
        g_assert_cmpmem(pixel, 3, black, 3);
        g_assert_true(gap);
        dark++;
    }
    g_assert_cmpmem(pixel, 3, want, 3);
    g_assert_cmpint(dark, >=, 10);
    pipe_close(&pipe);

    /* and ends while there is none */
    pipe_open(&pipe, "sanasrc name=e is-live=true startup-mode=black model-path=fake:load=5000 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    gst_element_send_event(pipe.bin, gst_event_new_eos());
    g_assert_true(pipe_eos(&pipe));
    g_assert_cmpint(pipe_stop(&pipe), <, 500);
    pipe_close(&pipe);
}

static void
expect_latency(GstElement *element, GstClockTime want)
{
    GstQuery *query = gst_query_new_latency();
    GstClockTime min, max;
    gboolean live;

    g_assert_true(gst_element_query(element, query));
    gst_query_parse_latency(query, &live, &min, &max);
    g_assert_true(live);
    g_assert_cmpuint(min, ==, want);
    g_assert_cmpuint(max, ==, GST_CLOCK_TIME_NONE);
    gst_query_unref(query);
}

/* Thirty frames a second, and a frame's time is its latency, before there are caps as well.  The
 * size is the model's, or what is likely as long as there is none. */
static void
chooses_a_rate_when_nothing_asks(void)
{
    static const struct {
        const char *more, *filter;
        int side, rate;
    } cases[] = {{"", "", 48, 30},
                 {"startup-mode=black", "", 512, 30},
                 {"", "video/x-raw,framerate=20/1 ! ", 48, 20}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *line = g_strdup_printf("sanasrc name=e is-live=true %s model-path=fake:native=48 ! "
                                     "%sappsink name=out sync=false",
                                     cases[i].more, cases[i].filter);
        GstVideoInfo info;
        Pipe pipe;
        pipe_open(&pipe, line);
        g_free(line);
        pipe_play(&pipe);
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
        gst_sample_unref(sample);
        g_assert_cmpint(info.width, ==, cases[i].side);
        g_assert_cmpint(info.height, ==, cases[i].side);
        g_assert_cmpint(info.fps_n, ==, cases[i].rate);
        g_assert_cmpint(info.fps_d, ==, 1);
        expect_latency(pipe.element, GST_SECOND / (guint)cases[i].rate);
        pipe_close(&pipe);
    }
}

static int
width_of(GstSample *sample)
{
    GstVideoInfo info;

    g_assert_nonnull(sample);
    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    return info.width;
}

/* Whether the model is there before black is, or when a peer asks anew. */
static void
black_has_a_size_that_stays(void)
{
    gboolean drawn = FALSE;
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e is-live=true startup-mode=black model-path=fake:native=48 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    for (guint n = 0; n < 200 && !drawn; n++) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_cmpint(width_of(sample), ==, 512);
        drawn = !GST_BUFFER_FLAG_IS_SET(gst_sample_get_buffer(sample), GST_BUFFER_FLAG_GAP);
        gst_sample_unref(sample);
    }
    g_assert_true(drawn);
    gst_element_send_event(GST_ELEMENT(pipe.out), gst_event_new_reconfigure());
    for (guint n = 0; n < 5; n++) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_cmpint(width_of(sample), ==, 512);
        gst_sample_unref(sample);
    }
    pipe_close(&pipe);
}

/* The pipeline asks as soon as it plays, which may be before the model is there. */
static void
knows_its_latency_before_its_caps(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e is-live=true model-path=fake:load=500,id=latency ! "
                     "video/x-raw,width=16,height=16,framerate=10/1 ! appsink name=out sync=false");
    pipe_play(&pipe);
    expect_latency(pipe.element, GST_SECOND / 30);
    gst_sample_unref(pipe_pull(&pipe));
    expect_latency(pipe.element, GST_SECOND / 10);
    pipe_close(&pipe);
}

static void
begins_live_at_the_time_it_is(void)
{
    Pipe pipe;
    GstClockTime running;

    pipe_open(&pipe, "sanasrc name=e is-live=true model-path=fake:load=500 ! "
                     "video/x-raw,width=16,height=16,framerate=50/1 ! appsink name=out sync=false");
    pipe_play(&pipe);
    GstSample *sample = pipe_pull(&pipe);
    running = gst_element_get_current_running_time(pipe.element);
    GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
    g_assert_cmpuint(pts, >=, 400 * GST_MSECOND);
    g_assert_cmpuint(pts, <=, running + 100 * GST_MSECOND);
    gst_sample_unref(sample);
    pipe_close(&pipe);
}

static void
changes_its_prompt_live_without_a_pause(void)
{
    Pipe pipe;
    guint8 want[3];
    gboolean seen = FALSE;
    gint64 longest = 0, last = 0;

    fake_sana_colour("two", 0, 2, 4.5, want);
    pipe_open(&pipe, "sanasrc name=e is-live=true seed-mode=fixed prompt=one "
                     "model-path=fake:prompt=400,frame=10 ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=50/1 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    g_object_set(pipe.element, "prompt", "two", NULL);
    for (int n = 0; n < 60; n++) {
        guint8 pixel[3];
        GstSample *sample = pipe_pull(&pipe);
        gint64 now = element_test_time();
        g_assert_nonnull(sample);
        gst_buffer_extract(gst_sample_get_buffer(sample), (8 * 16 + 8) * 3, pixel, 3);
        g_assert_false(seen && memcmp(pixel, want, 3));
        seen = !memcmp(pixel, want, 3);
        if (last)
            longest = MAX(longest, now - last);
        last = now;
        gst_sample_unref(sample);
    }
    g_assert_true(seen);
    /* encoding takes 400 ms; frames go on meanwhile */
    g_assert_cmpint(longest, <, 200 * G_TIME_SPAN_MILLISECOND);
    pipe_close(&pipe);
}

static void
pauses_a_live_source(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e is-live=true model-path=fake:load=200,frame=5 ! "
                     "video/x-raw,width=16,height=16,framerate=50/1 ! appsink name=out sync=false");
    for (int n = 0; n < 5; n++) {
        g_assert_cmpint(gst_element_set_state(pipe.bin, GST_STATE_PAUSED), !=,
                        GST_STATE_CHANGE_FAILURE);
        g_usleep(30000);
        pipe_play(&pipe);
        g_usleep(g_test_rand_int_range(0, 100000));
    }
    GstSample *sample = pipe_pull(&pipe);
    g_assert_nonnull(sample);
    gst_sample_unref(sample);
    g_assert_null(gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ERROR));
    pipe_close(&pipe);
}

/* Neither PAUSED nor PLAYING ends the wait for the first picture. */
static void
goes_on_after_a_pause_in_the_first_picture(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e is-live=true model-path=fake:frame=700 ! "
                     "video/x-raw,width=16,height=16,framerate=50/1 ! appsink name=out sync=false");
    pipe_play(&pipe);
    g_usleep(200000);
    for (int n = 0; n < 3; n++) {
        gst_element_set_state(pipe.bin, GST_STATE_PAUSED);
        g_usleep(30000);
        pipe_play(&pipe);
        g_usleep(30000);
    }
    GstSample *sample = gst_app_sink_try_pull_sample(pipe.out, 5 * GST_SECOND);
    g_assert_nonnull(sample);
    gst_sample_unref(sample);
    g_assert_null(gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ERROR));
    pipe_close(&pipe);
}

/* An offset that changes moves what follows, once: the time it adds is not time that was missed. */
static void
shifts_by_a_new_offset_once(void)
{
    Pipe pipe;
    GstClockTime first = 0, last = 0;

    pipe_open(&pipe, "sanasrc name=e is-live=true timestamp-offset=1000000000 model-path=fake: ! "
                     "video/x-raw,width=16,height=16,framerate=10/1 ! "
                     "appsink name=out sync=false max-buffers=1");
    pipe_play(&pipe);
    for (int n = 0; n < 12; n++) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        last = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
        if (n == 0)
            first = last;
        gst_sample_unref(sample);
        if (n == 3)
            g_object_set(pipe.element, "timestamp-offset", G_GINT64_CONSTANT(1400000000), NULL);
    }
    /* 11 frames and the shift, and what a busy machine misses; not a shift for each frame */
    g_assert_cmpuint(last - first, >=, 1500 * GST_MSECOND);
    g_assert_cmpuint(last - first, <, 3 * GST_SECOND);
    pipe_close(&pipe);
}

typedef struct {
    GstClockTime key; /* of the last request, or NONE */
    guint keys;
} Keys;

/* A request for a key frame names the frame behind it. */
static GstPadProbeReturn
watch_keys(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    Keys *k = user_data;
    GstClockTime stream_time, running_time;

    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) {
        if (GST_CLOCK_TIME_IS_VALID(k->key))
            g_assert_cmpuint(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)), ==, k->key);
        k->key = GST_CLOCK_TIME_NONE;
    } else if (gst_video_event_is_force_key_unit(GST_PAD_PROBE_INFO_EVENT(info))) {
        gst_video_event_parse_downstream_force_key_unit(GST_PAD_PROBE_INFO_EVENT(info), &k->key,
                                                        &stream_time, &running_time, NULL, NULL);
        g_assert_cmpuint(stream_time, ==, k->key);
        g_assert_cmpuint(running_time, ==, k->key);
        k->keys++;
    }
    return GST_PAD_PROBE_OK;
}

static guint32
middle(GstSample *sample)
{
    guint8 p[3];

    gst_buffer_extract(gst_sample_get_buffer(sample), (8 * 16 + 8) * 3, p, 3);
    return (guint32)(p[0] << 16 | p[1] << 8 | p[2]);
}

/* Messages, requests for key frames and buffers have the same times, with and without an offset. */
static void
tells_the_times_of_its_frames(void)
{
    static const char *const prompts[] = {"a", "b", "c", "d"};
    static const gint64 offsets[] = {0, GST_SECOND};

    for (guint i = 0; i < G_N_ELEMENTS(offsets); i++) {
        Keys keys = {GST_CLOCK_TIME_NONE, 0};
        guint32 last = 0, colour;
        Pipe pipe;
        pipe_open(&pipe, "sanasrc name=e is-live=true seed-mode=fixed force-key-unit=true "
                         "model-path=fake:load=70 ! appsink name=out sync=false "
                         "caps=video/x-raw,format=RGB,width=16,height=16,framerate=20/1");
        g_object_set(pipe.element, "prompt", prompts[0], "timestamp-offset", offsets[i], NULL);
        GstPad *pad = gst_element_get_static_pad(pipe.element, "src");
        gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
                          watch_keys, &keys, NULL);
        gst_object_unref(pad);
        pipe_play(&pipe);
        for (guint seen = 0; seen < G_N_ELEMENTS(prompts);) {
            GstSample *sample = pipe_pull(&pipe);
            g_assert_nonnull(sample);
            GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample)), told[3];
            colour = middle(sample);
            gst_sample_unref(sample);
            g_assert_cmpuint(pts, >=, (guint64)offsets[i]);
            g_assert_cmpuint(pts, <=,
                             offsets[i] + gst_element_get_current_running_time(pipe.element));
            if (colour == last)
                continue;
            last = colour;
            GstMessage *message = pipe_message(&pipe, GST_MESSAGE_ELEMENT);
            g_assert_true(gst_structure_get(gst_message_get_structure(message), "timestamp",
                                            GST_TYPE_CLOCK_TIME, &told[0], "stream-time",
                                            GST_TYPE_CLOCK_TIME, &told[1], "running-time",
                                            GST_TYPE_CLOCK_TIME, &told[2], NULL));
            gst_message_unref(message);
            for (guint k = 0; k < 3; k++)
                g_assert_cmpuint(told[k], ==, pts);
            if (++seen < G_N_ELEMENTS(prompts))
                g_object_set(pipe.element, "prompt", prompts[seen], NULL);
        }
        g_assert_cmpuint(keys.keys, ==, G_N_ELEMENTS(prompts) - 1);
        pipe_close(&pipe);
    }
}

/* The frame that waits for its time when the source is paused does not come.  The next one says so,
 * and its prompt is told of again. */
static void
tells_of_a_frame_that_a_pause_lost(void)
{
    GstClock *clock = gst_test_clock_new();
    GstClockTime lost, told;
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e is-live=true prompt=one model-path=fake: ! "
                     "video/x-raw,width=16,height=16,framerate=10/1 ! appsink name=out sync=false");
    gst_pipeline_use_clock(GST_PIPELINE(pipe.bin), clock);
    pipe_play(&pipe);
    for (guint told_of = 0; told_of < 2;) {
        gst_test_clock_wait_for_next_pending_id(GST_TEST_CLOCK(clock), NULL);
        GstMessage *message = gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ELEMENT);
        if (!message) {
            g_assert_true(gst_test_clock_crank(GST_TEST_CLOCK(clock)));
            continue;
        }
        gst_structure_get(gst_message_get_structure(message), "timestamp", GST_TYPE_CLOCK_TIME,
                          &lost, NULL);
        gst_message_unref(message);
        if (told_of++ == 0)
            g_object_set(pipe.element, "prompt", "two", NULL);
    }
    /* it waits, and what came before it is out */
    gst_element_set_state(pipe.bin, GST_STATE_PAUSED);
    GstSample *sample;
    while ((sample = gst_app_sink_try_pull_sample(pipe.out, 0))) {
        g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), <, lost);
        gst_sample_unref(sample);
    }
    pipe_play(&pipe);
    g_assert_true(gst_test_clock_crank(GST_TEST_CLOCK(clock)));
    sample = pipe_pull(&pipe);
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), >, lost);
    g_assert_true(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT));
    GstMessage *message = pipe_message(&pipe, GST_MESSAGE_ELEMENT);
    gst_structure_get(gst_message_get_structure(message), "timestamp", GST_TYPE_CLOCK_TIME, &told,
                      NULL);
    g_assert_cmpuint(told, ==, GST_BUFFER_PTS(buffer));
    gst_message_unref(message);
    gst_sample_unref(sample);
    pipe_close(&pipe);
    gst_object_unref(clock);
}

/* Another size or format in mid-stream: what was seen goes on, made to fit, until there is more. */
static void
keeps_its_rate_over_a_change_of_caps(void)
{
    static const char *const caps[] = {
        "video/x-raw,format=RGB,width=16,height=16,framerate=50/1",
        "video/x-raw,format=RGB,width=48,height=32,framerate=50/1",
        "video/x-raw,format=RGBA,width=16,height=16,framerate=25/1",
    };
    guint8 want[3], pixel[3];
    Pipe pipe;

    fake_sana_colour("x", 0, 2, 4.5, want);
    pipe_open(&pipe, "sanasrc name=e is-live=true seed-mode=fixed prompt=x "
                     "model-path=fake:frame=1000 ! capsfilter name=c ! "
                     "appsink name=out sync=false");
    GstElement *filter = gst_bin_get_by_name(GST_BIN(pipe.bin), "c");
    gst_util_set_object_arg(G_OBJECT(filter), "caps", caps[0]);
    pipe_play(&pipe);
    for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
        GstCaps *now = gst_caps_from_string(caps[i]);
        GstClockTime last = GST_CLOCK_TIME_NONE;
        gboolean there = FALSE;
        guint held = 0;
        gst_util_set_object_arg(G_OBJECT(filter), "caps", caps[i]);
        for (guint n = 0; n < 100 && !there; n++) {
            GstSample *sample = pipe_pull(&pipe);
            g_assert_nonnull(sample);
            GstBuffer *buffer = gst_sample_get_buffer(sample);
            GstVideoInfo info;
            gst_video_info_from_caps(&info, gst_sample_get_caps(sample));
            if (GST_CLOCK_TIME_IS_VALID(last))
                g_assert_cmpuint(GST_BUFFER_PTS(buffer) - last, <, 500 * GST_MSECOND);
            last = GST_BUFFER_PTS(buffer);
            gst_buffer_extract(buffer,
                               (gsize)info.height / 2 * info.stride[0] +
                                   (gsize)info.width / 2 * info.finfo->pixel_stride[0],
                               pixel, 3);
            for (guint c = 0; c < 3; c++) /* what is scaled is not quite that */
                g_assert_cmpint(ABS((gint8)(pixel[c] - want[c])), <=, 8);
            held += GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
            there = gst_caps_is_subset(gst_sample_get_caps(sample), now) &&
                    !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
            gst_sample_unref(sample);
        }
        g_assert_true(there);
        if (i > 0)
            g_assert_cmpuint(held, >=, 10);
        gst_caps_unref(now);
    }
    gst_object_unref(filter);
    pipe_close(&pipe);
}

/* As every property that is only used from READY on. */
static void
becomes_live_at_the_next_start(void)
{
    GstElement *src = gst_element_factory_make("sanasrc", NULL);
    gboolean live;

    g_object_set(src, "model-path", "fake:", NULL);
    g_assert_cmpint(gst_element_set_state(src, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_SUCCESS);
    g_object_set(src, "is-live", TRUE, NULL);
    g_object_get(src, "is-live", &live, NULL);
    g_assert_true(live);
    g_assert_false(gst_base_src_is_live(GST_BASE_SRC(src)));
    gst_element_set_state(src, GST_STATE_READY);
    g_assert_cmpint(gst_element_set_state(src, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_NO_PREROLL);
    g_assert_true(gst_base_src_is_live(GST_BASE_SRC(src)));
    gst_element_set_state(src, GST_STATE_NULL);
    gst_object_unref(src);
}

static void
keeps_a_live_source_on_after_a_bad_prompt(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e is-live=true prompt=good model-path=fake:frame=5 ! "
                     "video/x-raw,width=16,height=16,framerate=50/1 ! appsink name=out");
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    g_object_set(pipe.element, "prompt", "refused", NULL);
    GstMessage *message = pipe_message(&pipe, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
    g_assert_nonnull(message);
    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_WARNING);
    gst_message_unref(message);
    for (int n = 0; n < 10; n++) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        gst_sample_unref(sample);
    }
    pipe_close(&pipe);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/live/" #f, f)
    TEST(keeps_its_rate_with_a_slow_model);
    TEST(is_black_until_there_is_a_picture);
    TEST(chooses_a_rate_when_nothing_asks);
    TEST(black_has_a_size_that_stays);
    TEST(knows_its_latency_before_its_caps);
    TEST(begins_live_at_the_time_it_is);
    TEST(changes_its_prompt_live_without_a_pause);
    TEST(pauses_a_live_source);
    TEST(goes_on_after_a_pause_in_the_first_picture);
    TEST(shifts_by_a_new_offset_once);
    TEST(keeps_its_rate_over_a_change_of_caps);
    TEST(tells_the_times_of_its_frames);
    TEST(tells_of_a_frame_that_a_pause_lost);
    TEST(becomes_live_at_the_next_start);
    TEST(keeps_a_live_source_on_after_a_bad_prompt);
    return g_test_run();
}
