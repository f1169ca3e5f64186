/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows 3, 19 and 35: frames that fail, models that are not there any more. */
#include "gstsanapolicy.h"
#include "timing.h"

#include <string.h>

static GstHarness *
start(const char *model, GstSanaOnError on_error)
{
    fake_sana_forget();
    return filter_start(
        filter_make("model-path", model, "on-error", on_error, "strength", 0.5, NULL), SMALL,
        FALSE);
}

/* Pushes n flat pictures of 100 + 10·i; pixels[i] is what came of each. */
static void
run(GstHarness *h, guint n, guint32 *pixels)
{
    for (guint i = 0; i < n; i++) {
        timing_push(h, timing_flat((guint8)(100 + 10 * i), i));
        GstBuffer *buffer = timing_pull(h);
        pixels[i] = timing_pixel(buffer);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, i * 40 * GST_MSECOND);
        gst_buffer_unref(buffer);
    }
}

static void
shows_the_input_instead(void)
{
    GstHarness *h = start("fake:fail-frame=2", GST_SANA_ON_ERROR_PASSTHROUGH);
    guint32 pixels[5];

    run(h, 5, pixels);
    for (guint i = 0; i < 5; i++) {
        guint32 grey = (100 + 10 * i) * 0x010101;
        if (i == 2)
            g_assert_cmphex(pixels[i], ==, grey);
        else
            g_assert_cmphex(pixels[i], !=, grey);
    }
    g_assert_cmpuint(timing_stat(h->element, "passed-through"), ==, 1);
    GstMessage *message = filter_message(h->element, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
    GError *error;
    g_assert_nonnull(message);
    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_WARNING);
    gst_message_parse_warning(message, &error, NULL);
    g_assert_nonnull(strstr(error->message, "frame 2 failed"));
    g_error_free(error);
    gst_message_unref(message);
    filter_expect_no_error(h->element);
    filter_stop(h);
}

/* A device that is lost fails with each frame, and says so once. */
static void
says_once_what_lasts(void)
{
    GstHarness *h = start("fake:fail-from=2", GST_SANA_ON_ERROR_PASSTHROUGH);
    guint32 pixels[10];

    run(h, 10, pixels);
    g_assert_cmpuint(timing_messages(h->element, GST_MESSAGE_WARNING), ==, 1);
    g_assert_cmpuint(timing_messages(h->element, GST_MESSAGE_ERROR), ==, 0);
    g_assert_cmpuint(timing_stat(h->element, "passed-through"), ==, 8);
    for (guint i = 2; i < 10; i++)
        g_assert_cmphex(pixels[i], ==, (100 + 10 * i) * 0x010101);
    filter_stop(h);
}

static void
shows_the_input_at_once(void)
{
    GstElement *element =
        filter_make("model-path", "fake:frame=20,fail-from=1", "on-error",
                    GST_SANA_ON_ERROR_PASSTHROUGH, "pacing", GST_SANA_PACING_REPEAT, NULL);

    fake_sana_forget();
    GstHarness *h = filter_start(element, SMALL, FALSE);
    for (guint i = 0; i < 20; i++) {
        timing_push(h, timing_flat(200, i));
        gst_buffer_unref(timing_pull(h));
        g_usleep(10000);
    }
    g_assert_cmpuint(timing_messages(h->element, GST_MESSAGE_WARNING), ==, 1);
    g_assert_cmpuint(timing_messages(h->element, GST_MESSAGE_ERROR), ==, 0);
    g_assert_cmpuint(timing_stat(h->element, "passed-through"), >=, 2);
    filter_stop(h);
}

static void
ends_with_an_error(void)
{
    GstHarness *h = start("fake:fail-frame=1", GST_SANA_ON_ERROR_ERROR);
    GstFlowReturn ret = GST_FLOW_OK;

    for (guint i = 0; i < 20 && ret == GST_FLOW_OK; i++)
        ret = gst_harness_push(h, timing_flat(100, i));
    g_assert_cmpint(ret, ==, GST_FLOW_ERROR);
    filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "frame 1 failed");
    /* a host that blocks for a frame is woken by it */
    gboolean eos = FALSE;
    for (int i = 0; i < 2000 && !eos; i++) {
        GstEvent *event = gst_harness_try_pull_event(h);
        eos = event && GST_EVENT_TYPE(event) == GST_EVENT_EOS;
        if (event)
            gst_event_unref(event);
        else
            g_usleep(1000);
    }
    g_assert_true(eos);
    filter_stop(h);
}

static void
shows_the_last_good_one_for_no_numbers(gconstpointer data)
{
    GstHarness *h = start("fake:nan-frame=2", (GstSanaOnError)GPOINTER_TO_INT(data));
    guint32 pixels[5];

    run(h, 5, pixels);
    g_assert_cmphex(pixels[2], ==, pixels[1]);
    g_assert_cmphex(pixels[3], !=, pixels[1]);
    g_assert_cmpuint(timing_stat(h->element, "not-finite"), ==, 1);
    g_assert_cmpuint(timing_messages(h->element, GST_MESSAGE_WARNING), ==, 1);
    g_assert_cmpuint(timing_messages(h->element, GST_MESSAGE_ERROR), ==, 0);
    filter_stop(h);
}

/* There is no good one yet. */
static void
no_numbers_at_first(void)
{
    GstHarness *h = start("fake:nan-frame=0", GST_SANA_ON_ERROR_ERROR);

    gst_harness_push(h, timing_flat(100, 0));
    filter_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "not finite");
    filter_stop(h);

    h = start("fake:nan-frame=0", GST_SANA_ON_ERROR_PASSTHROUGH);
    guint32 pixels[2];
    run(h, 2, pixels);
    g_assert_cmphex(pixels[0], ==, 0x646464);
    filter_stop(h);
}

/* A model that is not there is nothing that passes. */
static void
a_load_that_fails_is_an_error_always(gconstpointer data)
{
    GstHarness *h = start(data, GST_SANA_ON_ERROR_PASSTHROUGH);
    GstMessage *message = filter_message(h->element, GST_MESSAGE_ERROR);
    GstFlowReturn ret = GST_FLOW_OK;

    g_assert_nonnull(message);
    gst_message_unref(message);
    for (guint i = 0; i < 20 && ret == GST_FLOW_OK; i++)
        ret = gst_harness_push(h, timing_flat(100, i));
    g_assert_cmpint(ret, ==, GST_FLOW_ERROR);
    filter_stop(h);
}

/* Nor is it waited for. */
static void
a_load_that_fails_ends_the_wait_for_the_first(void)
{
    GstElement *element =
        filter_make("model-path", "fake:load=50,open=malformed", "pacing", GST_SANA_PACING_REPEAT,
                    "startup-mode", GST_SANA_STARTUP_BLOCK, NULL);
    GstHarness *h = filter_start(element, SMALL, FALSE);
    GstMessage *message;

    gst_harness_push(h, timing_flat(100, 0));
    message = filter_message(h->element, GST_MESSAGE_ERROR);
    g_assert_nonnull(message);
    gst_message_unref(message);
    /* the task has ended, and does not spin */
    GstTask *task = GST_PAD_TASK(GST_PAD_PEER(h->sinkpad));
    for (int i = 0; i < 1000 && gst_task_get_state(task) == GST_TASK_STARTED; i++)
        g_usleep(1000);
    g_assert_cmpint(gst_task_get_state(task), ==, GST_TASK_PAUSED);
    /* it was said once */
    g_usleep(50000);
    g_assert_cmpuint(timing_messages(h->element, GST_MESSAGE_ERROR), ==, 0);
    filter_stop(h);
}

/* Whose caps come while it loads, and with them what is to be drawn once before. */
static void
a_load_that_fails_behind_a_camera(void)
{
    Pipe pipe;

    pipe_open(&pipe, "videotestsrc is-live=true ! video/x-raw,width=16,height=16 ! sanaimg2img "
                     "name=e model-path=fake:load=300,open=memory ! fakesink");
    gst_element_set_state(pipe.bin, GST_STATE_PLAYING);
    pipe_assert_error(&pipe, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "memory");
    g_usleep(100000);
    pipe_close(&pipe);
}

/* It was there in READY. */
static void
a_model_that_vanished(void)
{
    GstElement *element = gst_object_ref(filter_make("model-path", "fake:open=not-found", NULL));
    GstHarness *h = filter_start(element, SMALL, FALSE);

    filter_expect_error(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "not-found");
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
    g_object_set(element, "model-path", "fake:", NULL);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PLAYING), ==,
                    GST_STATE_CHANGE_SUCCESS);
    gst_harness_push_event(h, gst_event_new_stream_start("again"));
    gst_harness_set_src_caps_str(h, SMALL);
    timing_push(h, timing_flat(100, 0));
    gst_buffer_unref(timing_pull(h));
    gst_object_unref(element);
    filter_stop(h);
}

/* Whoever seeks after a picture that failed has it drawn again. */
static void
a_source_goes_on_after_a_seek(void)
{
    fake_sana_forget();
    GstHarness *h = gst_harness_new("sanasrc");
    g_object_set(h->element, "model-path", "fake:fail-frame=1", "prompt", "x", NULL);
    gst_harness_set_sink_caps_str(h, "video/x-raw,format=RGB,width=16,height=16,framerate=10/1");
    gst_harness_play(h);
    gst_buffer_unref(timing_pull(h));
    for (gboolean end = FALSE; !end;) {
        GstEvent *event = gst_harness_pull_event(h);
        end = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
        gst_event_unref(event);
    }
    g_assert_true(gst_harness_push_upstream_event(
        h, gst_event_new_seek(1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                              GST_SEEK_TYPE_NONE, 0)));
    for (guint n = 0; n < 3; n++) {
        GstBuffer *buffer = timing_pull(h);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * 100 * GST_MSECOND);
        gst_buffer_unref(buffer);
    }
    gst_harness_teardown(h);
}

void
add_timing_failure_tests(void)
{
#define TEST(name, f) g_test_add_func("/timing/35 " name, f)
    TEST("on-error=passthrough shows the input", shows_the_input_instead);
    TEST("on-error=passthrough says once what lasts", says_once_what_lasts);
    TEST("on-error=passthrough with pacing=repeat", shows_the_input_at_once);
    TEST("on-error=error ends the stream", ends_with_an_error);
    g_test_add_data_func("/timing/35 no numbers: the last good one, on-error=error",
                         GINT_TO_POINTER(GST_SANA_ON_ERROR_ERROR),
                         shows_the_last_good_one_for_no_numbers);
    g_test_add_data_func("/timing/35 no numbers: the last good one, on-error=passthrough",
                         GINT_TO_POINTER(GST_SANA_ON_ERROR_PASSTHROUGH),
                         shows_the_last_good_one_for_no_numbers);
    TEST("no numbers in the first frame", no_numbers_at_first);
    g_test_add_data_func("/timing/35 a load that fails is an error", "fake:load=20,open=malformed",
                         a_load_that_fails_is_an_error_always);
    g_test_add_data_func("/timing/35 no memory for the model is an error",
                         "fake:load=20,open=memory", a_load_that_fails_is_an_error_always);
    TEST("a load that fails ends the wait for the first",
         a_load_that_fails_ends_the_wait_for_the_first);
    TEST("a load that fails behind a camera", a_load_that_fails_behind_a_camera);
    TEST("a source goes on after a seek", a_source_goes_on_after_a_seek);
    TEST("a model that vanished, and another", a_model_that_vanished);
#undef TEST
}
