/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows 11 and 16: what players and applications do with a pipeline. */
#include "element_util.h"
#include "timing.h"

#define LINE(model)                                                                  \
    "videotestsrc num-buffers=250 name=s ! "                                         \
    "video/x-raw,format=RGB,width=32,height=32,framerate=25/1 ! sanaimg2img name=e " \
    "model-path=" model " ! "
#define FRAME (40 * GST_MSECOND)

static void
wait_async_done(Pipe *pipe)
{
    GstMessage *message = pipe_message(pipe, GST_MESSAGE_ASYNC_DONE | GST_MESSAGE_ERROR);

    g_assert_nonnull(message);
    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_ASYNC_DONE);
    gst_message_unref(message);
}

static GstClockTime
shown_time(GstElement *sink)
{
    GstSample *sample = NULL;

    g_object_get(sink, "last-sample", &sample, NULL);
    g_assert_nonnull(sample);
    GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
    gst_sample_unref(sample);
    return pts;
}

static GstElement *
pause_on(Pipe *pipe, const char *line)
{
    pipe_open(pipe, line);
    gst_element_set_state(pipe->bin, GST_STATE_PAUSED);
    wait_async_done(pipe);
    return gst_bin_get_by_name(GST_BIN(pipe->bin), "o");
}

static void
frame_step(void)
{
    Pipe pipe;
    GstElement *sink = pause_on(&pipe, LINE("fake:frame=10") "fakesink name=o sync=true");

    g_assert_cmpuint(shown_time(sink), ==, 0);
    for (guint n = 1; n <= 5; n++) {
        g_assert_true(gst_element_send_event(
            sink, gst_event_new_step(GST_FORMAT_BUFFERS, 1, 1.0, TRUE, FALSE)));
        wait_async_done(&pipe);
        g_assert_cmpuint(shown_time(sink), ==, n * FRAME);
    }
    gst_object_unref(sink);
    pipe_close(&pipe);
}

static void
accurate_seek_in_paused(void)
{
    static const int frames[] = {50, 3, 249, 100, 0};
    Pipe pipe;
    GstElement *sink = pause_on(&pipe, LINE("fake:frame=10") "fakesink name=o sync=true");

    for (guint i = 0; i < G_N_ELEMENTS(frames); i++) {
        gint64 begin = element_test_time();
        g_assert_true(gst_element_seek_simple(pipe.bin, GST_FORMAT_TIME,
                                              GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE,
                                              (gint64)(frames[i] * FRAME)));
        wait_async_done(&pipe);
        expect_quick(begin, "a seek");
        g_assert_cmpuint(shown_time(sink), ==, frames[i] * FRAME);
    }
    gst_object_unref(sink);
    pipe_close(&pipe);
}

/* Times of the stream fall; none is late, none is lost, no scene ends. */
static void
reverse_playback(void)
{
    Pipe pipe;
    GstClockTime last = GST_CLOCK_TIME_NONE;
    guint count = 0;

    pipe_open(&pipe, LINE("fake:frame=2") "appsink name=out sync=false");
    g_object_set(pipe.element, "process-interval", 1000, NULL);
    fake_sana_forget();
    gst_element_set_state(pipe.bin, GST_STATE_PAUSED);
    wait_async_done(&pipe);
    g_assert_true(gst_element_seek(pipe.bin, -1.0, GST_FORMAT_TIME,
                                   GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, GST_SEEK_TYPE_SET,
                                   0, GST_SEEK_TYPE_SET, (gint64)(50 * FRAME)));
    pipe_play(&pipe);
    for (GstSample *sample; (sample = pipe_pull(&pipe)); count++) {
        GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
        if (GST_CLOCK_TIME_IS_VALID(last))
            g_assert_cmpuint(pts, ==, last - FRAME);
        last = pts;
        gst_sample_unref(sample);
    }
    g_assert_cmpuint(count, >=, 50);
    g_assert_cmpuint(last, ==, 0);
    g_assert_cmpuint(timing_stat(pipe.element, "dropped"), ==, 0);
    /* one before the seek, one after */
    g_assert_cmpint(timing_computed(), <=, 2);
    pipe_close(&pipe);
}

/* --- insertion and removal ------------------------------------------------------------------- */

typedef struct {
    GstElement *bin, *before, *after, *filter;
    gint done;
} Change;

static GstPadProbeReturn
insert(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    Change *c = user_data;

    gst_element_unlink(c->before, c->after);
    gst_bin_add(GST_BIN(c->bin), gst_object_ref(c->filter));
    g_assert_true(gst_element_link_many(c->before, c->filter, c->after, NULL));
    g_assert_true(gst_element_sync_state_with_parent(c->filter));
    g_atomic_int_set(&c->done, 1);
    return GST_PAD_PROBE_REMOVE;
}

static GstPadProbeReturn
take_out(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    Change *c = user_data;
    gint64 begin = element_test_time();

    gst_element_unlink_many(c->before, c->filter, c->after, NULL);
    gst_element_set_state(c->filter, GST_STATE_NULL);
    gst_bin_remove(GST_BIN(c->bin), c->filter);
    g_assert_true(gst_element_link(c->before, c->after));
    expect_quick(begin, "taking the filter out");
    g_atomic_int_set(&c->done, 1);
    return GST_PAD_PROBE_REMOVE;
}

static void
change(Change *c, GstPadProbeCallback how)
{
    GstPad *pad = gst_element_get_static_pad(c->before, "src");

    g_atomic_int_set(&c->done, 0);
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_IDLE, how, c, NULL);
    filter_wait_for(&c->done, 1);
    gst_object_unref(pad);
}

static void
in_and_out_while_playing(void)
{
    Pipe pipe;
    Change c = {0};
    GstClockTime last = 0;

    pipe_open(&pipe, "videotestsrc is-live=true ! "
                     "video/x-raw,format=RGB,width=32,height=32,framerate=50/1 ! "
                     "identity name=b ! identity name=a ! appsink name=out sync=false");
    c.before = gst_bin_get_by_name(GST_BIN(pipe.bin), "b");
    c.bin = GST_ELEMENT(GST_OBJECT_PARENT(c.before));
    c.after = gst_bin_get_by_name(GST_BIN(pipe.bin), "a");
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    for (guint round = 0; round < 6; round++) {
        if (round % 2 == 0) {
            c.filter = gst_object_ref_sink(gst_element_factory_make("sanaimg2img", NULL));
            g_object_set(c.filter, "model-path", "fake:load=50,frame=10", NULL);
            change(&c, insert);
        } else {
            change(&c, take_out);
            gst_clear_object(&c.filter);
        }
        for (guint n = 0; n < 15; n++) {
            GstSample *sample = pipe_pull(&pipe);
            g_assert_nonnull(sample);
            GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
            g_assert_cmpuint(pts, >=, last);
            last = pts;
            gst_sample_unref(sample);
        }
    }
    g_assert_null(gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ERROR));
    gst_object_unref(c.before);
    gst_object_unref(c.after);
    pipe_close(&pipe);
}

/* --- again and again ------------------------------------------------------------------------- */

/* Until so many frames have been shown since the start.  (appsink keeps old ones until NULL.) */
static void
wait_shown(Pipe *pipe, guint64 least)
{
    gint64 end = g_get_monotonic_time() + (gint64)(ENOUGH / 1000);

    while (timing_stat(pipe->element, "out") < least && g_get_monotonic_time() < end)
        g_usleep(1000);
    g_assert_cmpuint(timing_stat(pipe->element, "out"), >=, least);
}

static void
play_stop_play(void)
{
    Pipe pipe;

    pipe_open(&pipe, LINE("fake:load=5,frame=2") "fakesink sync=false");
    for (guint n = 0; n < 50; n++) {
        pipe_play(&pipe);
        wait_shown(&pipe, 1);
        gint64 begin = element_test_time();
        g_assert_cmpint(gst_element_set_state(pipe.bin, n % 2 ? GST_STATE_READY : GST_STATE_NULL),
                        ==, GST_STATE_CHANGE_SUCCESS);
        expect_quick(begin, "a stop");
    }
    g_assert_null(gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ERROR));
    pipe_close(&pipe);
}

static void
again_after_an_error(void)
{
    Pipe pipe;

    fake_sana_forget();
    pipe_open(&pipe, LINE("fake:fail-frame=3") "fakesink sync=false");
    pipe_play(&pipe);
    pipe_assert_error(&pipe, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "frame 3");
    for (guint n = 0; n < 3; n++) {
        char *model = g_strdup_printf("fake:id=again%u", n);
        gst_element_set_state(pipe.bin, GST_STATE_READY);
        /* the source says that it met an error, too */
        gst_bus_set_flushing(pipe.bus, TRUE);
        gst_bus_set_flushing(pipe.bus, FALSE);
        g_object_set(pipe.element, "model-path", model, NULL);
        g_free(model);
        pipe_play(&pipe);
        wait_shown(&pipe, 10);
    }
    g_assert_null(gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ERROR));
    pipe_close(&pipe);
}

/* A sink that is slower than the model, and one that waits for it. */
static void
slow_and_fast_consumers(void)
{
    for (guint slow = 0; slow < 2; slow++) {
        Pipe pipe;
        pipe_open(&pipe, slow ? LINE("fake:frame=2") "appsink name=out sync=false max-buffers=1"
                              : LINE("fake:frame=20") "appsink name=out sync=false");
        pipe_play(&pipe);
        for (guint n = 0; n < 20; n++) {
            GstSample *sample = pipe_pull(&pipe);
            g_assert_nonnull(sample);
            g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), ==, n * FRAME);
            gst_sample_unref(sample);
            g_usleep(slow ? 20000 : 0);
        }
        g_assert_cmpuint(timing_stat(pipe.element, "dropped"), ==, 0);
        pipe_close(&pipe);
    }
}

void
add_timing_play_tests(void)
{
#define TEST(name, f) g_test_add_func("/timing/11 " name, f)
    TEST("frame step", frame_step);
    TEST("accurate seek in PAUSED", accurate_seek_in_paused);
    TEST("reverse playback", reverse_playback);
    TEST("insertion and removal while playing", in_and_out_while_playing);
    TEST("play, stop, play, fifty times", play_stop_play);
    TEST("again after an error, with another model", again_after_an_error);
    TEST("slow and fast consumers", slow_and_fast_consumers);
#undef TEST
}
