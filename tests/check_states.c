/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both elements on a fake model: loading, sharing, errors, stopping, states. */
#include "element_util.h"
#include "fake_sana.h"
#include "gstsanamodel.h"

#define SRC(properties)                         \
    "sanasrc name=e num-buffers=50 " properties \
    " ! video/x-raw,format=RGB,width=16,height=16,framerate=25/1 ! "
#define FILTER(properties)                                                                      \
    "videotestsrc num-buffers=50 ! video/x-raw,format=RGB,width=16,height=16,framerate=25/1 ! " \
    "sanaimg2img name=e " properties " ! "

/* How long stopping may take: half a second, and what a busy machine adds. */
#define STOP_MS 600

static FakeSanaCounts
counts_now(void)
{
    FakeSanaCounts counts;

    fake_sana_counts(&counts);
    return counts;
}

/* A thread that was left to end by itself may take a moment. */
static void
assert_all_gone(void)
{
    for (int i = 0; i < 500 && (counts_now().models || counts_now().sessions); i++) {
        gst_sana_model_drop_idle();
        g_usleep(10000);
    }
    g_assert_cmpint(counts_now().sessions, ==, 0);
    g_assert_cmpint(counts_now().models, ==, 0);
    g_assert_cmpint(counts_now().busy, ==, 0);
}

static void
wait_until(int (*value)(void), int least)
{
    for (int i = 0; i < 2000 && value() < least; i++)
        g_usleep(5000);
    g_assert_cmpint(value(), >=, least);
}

static int
sessions_now(void)
{
    return counts_now().sessions;
}

static int
loads_now(void)
{
    return counts_now().loads;
}

static int
prompts_now(void)
{
    return counts_now().prompts;
}

/* --- loading --------------------------------------------------------------------------------- */

static void
tells_its_progress(void)
{
    static const char *const lines[] = {
        SRC("model-path=fake:load=200") "fakesink sync=false",
        FILTER("model-path=fake:load=200") "fakesink sync=false",
    };

    for (guint i = 0; i < 2; i++) {
        Pipe pipe;
        GstProgressType type = GST_PROGRESS_TYPE_START;
        int percent = -1, continued = 0;

        pipe_open(&pipe, lines[i]);
        pipe_play(&pipe);
        for (int n = 0; type != GST_PROGRESS_TYPE_COMPLETE; n++) {
            GstMessage *message = pipe_message(&pipe, GST_MESSAGE_PROGRESS | GST_MESSAGE_ERROR);
            char *code, *text;
            int next;
            g_assert_nonnull(message);
            g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_PROGRESS);
            gst_message_parse_progress(message, &type, &code, &text);
            g_assert_cmpstr(code, ==, "open");
            g_assert_cmpint(type == GST_PROGRESS_TYPE_START, ==, n == 0);
            g_assert_true(
                gst_structure_get_int(gst_message_get_structure(message), "percent", &next));
            g_assert_cmpint(next, >, percent);
            percent = next;
            g_assert_cmpint(next == 100, ==, type == GST_PROGRESS_TYPE_COMPLETE);
            continued += type == GST_PROGRESS_TYPE_CONTINUE;
            g_free(code);
            g_free(text);
            gst_message_unref(message);
        }
        g_assert_cmpint(percent, ==, 100);
        g_assert_cmpint(continued, >=, 3);
        /* gst-launch prints a line for each */
        g_assert_cmpint(continued, <=, 10);
        pipe_close(&pipe);
        /* the next is to load it again */
        gst_sana_model_drop_idle();
    }
    assert_all_gone();
}

static void
shares_a_model_between_elements(void)
{
    Pipe one, two, other;

    fake_sana_forget();
    pipe_open(&one, SRC("model-path=fake:load=100") "fakesink sync=false");
    pipe_open(&two, FILTER("model-path=fake:load=100") "fakesink sync=false");
    pipe_open(&other, SRC("model-path=fake:load=100,id=other") "fakesink sync=false");
    pipe_play(&one);
    pipe_play(&two);
    pipe_play(&other);
    g_assert_true(pipe_eos(&one));
    g_assert_true(pipe_eos(&two));
    g_assert_true(pipe_eos(&other));
    g_assert_cmpint(counts_now().loads, ==, 2);
    g_assert_cmpint(counts_now().models, ==, 2);
    pipe_close(&one);
    g_assert_cmpint(counts_now().models, ==, 2);
    pipe_close(&two);
    pipe_close(&other);
    assert_all_gone();
}

/* As OBS does with each change of a setting. */
static void
keeps_a_model_for_who_comes_back(void)
{
    Pipe pipe, other;

    fake_sana_forget();
    for (int n = 0; n < 3; n++) {
        pipe_open(&pipe, SRC("model-path=fake:load=50") "fakesink sync=false");
        pipe_play(&pipe);
        g_assert_true(pipe_eos(&pipe));
        pipe_close(&pipe);
    }
    g_assert_cmpint(counts_now().loads, ==, 1);
    g_assert_cmpint(counts_now().models, ==, 1);
    /* another takes its place, not the place beside it */
    pipe_open(&other, FILTER("model-path=fake:load=50,id=other") "fakesink sync=false");
    pipe_play(&other);
    g_assert_true(pipe_eos(&other));
    g_assert_cmpint(counts_now().loads, ==, 2);
    g_assert_cmpint(counts_now().models, ==, 1);
    /* and goes by itself, but not soon */
    const gint64 left = g_get_monotonic_time();
    pipe_close(&other);
    for (int i = 0; i < 2500 && counts_now().models; i++)
        g_usleep(10000);
    g_assert_cmpint(g_get_monotonic_time() - left, >=, 5 * G_TIME_SPAN_SECOND);
    g_assert_cmpint(counts_now().models, ==, 0);
    assert_all_gone();
}

static void
cancels_a_load_when_the_last_leaves(void)
{
    Pipe one, two;

    fake_sana_forget();
    pipe_open(&one, SRC("model-path=fake:load=2000") "fakesink sync=false");
    pipe_open(&two, FILTER("model-path=fake:load=2000") "fakesink sync=false");
    pipe_play(&one);
    pipe_play(&two);
    wait_until(loads_now, 1);
    g_assert_cmpint(pipe_stop(&one), <, STOP_MS);
    g_usleep(100000);
    g_assert_cmpint(counts_now().cancelled, ==, 0);
    g_assert_cmpint(pipe_stop(&two), <, STOP_MS);
    for (int i = 0; i < 500 && counts_now().cancelled == 0; i++)
        g_usleep(10000);
    g_assert_cmpint(counts_now().cancelled, ==, 1);
    g_assert_cmpint(counts_now().loads, ==, 1);
    pipe_close(&one);
    pipe_close(&two);
    assert_all_gone();
}

static void
says_that_loading_was_cancelled(void)
{
    static const char *const lines[] = {
        SRC("model-path=fake:load=5000") "fakesink sync=false",
        FILTER("model-path=fake:load=5000") "fakesink sync=false",
    };

    for (guint i = 0; i < 2; i++) {
        Pipe pipe;
        GstProgressType type = GST_PROGRESS_TYPE_START;

        fake_sana_forget();
        pipe_open(&pipe, lines[i]);
        pipe_play(&pipe);
        wait_until(loads_now, 1);
        /* NULL would flush the bus */
        gst_element_set_state(pipe.bin, GST_STATE_READY);
        while (type != GST_PROGRESS_TYPE_CANCELED) {
            GstMessage *message = pipe_message(&pipe, GST_MESSAGE_PROGRESS | GST_MESSAGE_ERROR);
            g_assert_nonnull(message);
            g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_PROGRESS);
            gst_message_parse_progress(message, &type, NULL, NULL);
            g_assert_cmpint(type, !=, GST_PROGRESS_TYPE_ERROR);
            gst_message_unref(message);
        }
        pipe_close(&pipe);
    }
    assert_all_gone();
}

/* --- errors ---------------------------------------------------------------------------------- */

typedef struct {
    const char *path, *property, *value;
    GQuark domain;
    int code;
    const char *piece;
} Refusal;

static void
refuses_at_once_what_can_be_seen_at_once(void)
{
    const Refusal all[] = {
        {"/no/such/model", NULL, NULL, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
         "/no/such/model is not there"},
        {"fake:check=malformed", NULL, NULL, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
         "malformed"},
        {"fake:", "device", "cuda", GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, "there are: cpu"},
        {"fake:", "text-encoder-device", "cuda", GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
         "there are: cpu"},
        {"fake:", "precision", "fp8", GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, "f32, bf16"},
        {"fake:check=settings", NULL, NULL, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, NULL},
        {"fake:check=memory", NULL, NULL, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
         NULL},
    };
    static const char *const lines[] = {SRC("") "fakesink", FILTER("") "fakesink"};

    for (guint i = 0; i < 2 * G_N_ELEMENTS(all); i++) {
        const Refusal *r = &all[i / 2];
        Pipe pipe;

        g_test_message("%s, %s", r->path, lines[i % 2]);
        pipe_open(&pipe, lines[i % 2]);
        g_object_set(pipe.element, "model-path", r->path, NULL);
        if (r->property)
            gst_util_set_object_arg(G_OBJECT(pipe.element), r->property, r->value);
        g_assert_cmpint(gst_element_set_state(pipe.bin, GST_STATE_READY), ==,
                        GST_STATE_CHANGE_FAILURE);
        pipe_assert_error(&pipe, r->domain, r->code, r->piece);
        pipe_close(&pipe);
    }
    g_assert_cmpint(counts_now().models, ==, 0);
}

/* gst-launch-1.0 -e sends it when it is interrupted, and a seek begins anew. */
static void
ends_during_a_long_load(void)
{
    Pipe pipe;

    pipe_open(&pipe, SRC("model-path=fake:load=4000") "appsink name=out sync=false");
    pipe_play(&pipe);
    g_usleep(50000);
    gint64 begin = element_test_time();
    g_assert_true(gst_element_send_event(pipe.bin, gst_event_new_eos()));
    g_assert_true(pipe_eos(&pipe));
    g_assert_cmpint(element_test_time() - begin, <, 2 * G_TIME_SPAN_SECOND);
    g_assert_true(gst_element_seek_simple(pipe.bin, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
    GstSample *sample = pipe_pull(&pipe);
    g_assert_nonnull(sample);
    gst_sample_unref(sample);
    pipe_close(&pipe);
}

static void
refuses_pictures_that_no_buffer_holds(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e model-path=fake: ! video/x-raw,width=50000,height=50000 ! "
                     "fakesink");
    pipe_play(&pipe);
    pipe_assert_error(&pipe, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "ask for smaller ones");
    pipe_close(&pipe);
}

static void
recovers_from_a_failed_load(void)
{
    static const char *const lines[] = {
        SRC("model-path=fake:load=50,open=malformed") "fakesink sync=false",
        FILTER("model-path=fake:load=50,open=malformed") "fakesink sync=false",
    };

    for (guint i = 0; i < 2; i++) {
        Pipe pipe;
        GstProgressType type;

        pipe_open(&pipe, lines[i]);
        pipe_play(&pipe);
        pipe_assert_error(&pipe, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "is malformed");
        do {
            GstMessage *message = pipe_message(&pipe, GST_MESSAGE_PROGRESS);
            g_assert_nonnull(message);
            gst_message_parse_progress(message, &type, NULL, NULL);
            gst_message_unref(message);
        } while (type != GST_PROGRESS_TYPE_ERROR);

        gst_element_set_state(pipe.bin, GST_STATE_READY);
        gst_bus_set_flushing(pipe.bus, TRUE);
        gst_bus_set_flushing(pipe.bus, FALSE);
        g_object_set(pipe.element, "model-path", "fake:load=50", NULL);
        pipe_play(&pipe);
        g_assert_true(pipe_eos(&pipe));
        pipe_close(&pipe);
    }
    assert_all_gone();
}

/* In the thread that tells how a load ended: another run. */
static GstBusSyncReply
begin_again(GstBus *bus, GstMessage *message, gpointer pipe)
{
    GObject *element = G_OBJECT(((Pipe *)pipe)->element);
    GstProgressType type = GST_PROGRESS_TYPE_START;
    const char *next;

    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_PROGRESS)
        gst_message_parse_progress(message, &type, NULL, NULL);
    g_assert_cmpint(type, !=, GST_PROGRESS_TYPE_ERROR);
    if ((GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR || type == GST_PROGRESS_TYPE_COMPLETE) &&
        (next = g_object_steal_data(element, "next"))) {
        gst_element_set_state(((Pipe *)pipe)->bin, GST_STATE_NULL);
        g_object_set(element, "model-path", next, NULL);
        gst_element_set_state(((Pipe *)pipe)->bin, GST_STATE_PLAYING);
        g_object_set_data(element, "begun", pipe);
    }
    return GST_BUS_PASS;
}

static void
tells_nothing_of_a_run_that_was_stopped(void)
{
    static const char *const lines[][2] = {
        {SRC("model-path=fake:load=99,open=malformed") "appsink name=out", "fake:"},
        {FILTER("model-path=fake:load=99,open=malformed") "appsink name=out", "fake:"},
        /* black until its own model is there */
        {FILTER("startup-mode=black model-path=fake:") "appsink name=out", "fake:load=60000"}};

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        Pipe pipe;
        pipe_open(&pipe, lines[i][0]);
        g_object_set_data(G_OBJECT(pipe.element), "next", (gpointer)lines[i][1]);
        gst_bus_set_sync_handler(pipe.bus, begin_again, &pipe, NULL);
        pipe_play(&pipe);
        while (!g_object_get_data(G_OBJECT(pipe.element), "begun"))
            g_usleep(1000);
        gst_sample_unref(pipe_pull(&pipe));
        pipe_close(&pipe);
    }
}

static void
says_which_frame_failed(void)
{
    static const char *const lines[] = {
        SRC("model-path=fake:fail-frame=3") "fakesink sync=false",
        FILTER("model-path=fake:fail-frame=3") "fakesink sync=false",
    };

    for (guint i = 0; i < 2; i++) {
        Pipe pipe;

        fake_sana_forget();
        pipe_open(&pipe, lines[i]);
        pipe_play(&pipe);
        pipe_assert_error(&pipe, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "frame 3 failed");
        g_assert_cmpint(counts_now().frames, ==, 3);
        pipe_close(&pipe);
    }
    assert_all_gone();
}

static void
refuses_a_prompt(void)
{
    static const char *const lines[] = {
        SRC("model-path=fake: prompt=refused") "fakesink sync=false",
        FILTER("model-path=fake: prompt=refused") "fakesink sync=false",
        SRC("model-path=fake:") "fakesink sync=false",
        FILTER("model-path=fake:") "fakesink sync=false",
    };

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        Pipe pipe;

        pipe_open(&pipe, lines[i]);
        if (i >= 2)
            g_object_set(pipe.element, "prompt", "\xff\xfe not UTF-8", NULL);
        pipe_play(&pipe);
        pipe_assert_error(&pipe, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "is not UTF-8");
        pipe_close(&pipe);
    }
    assert_all_gone();
}

/* --- stopping -------------------------------------------------------------------------------- */

static void
stops_quickly(const char *line, int (*value)(void), int least)
{
    for (int target = 0; target < 2; target++) {
        Pipe pipe;

        fake_sana_forget();
        pipe_open(&pipe, line);
        pipe_play(&pipe);
        wait_until(value, least);
        g_usleep(50000);
        if (target == 0) {
            g_assert_cmpint(pipe_stop(&pipe), <, STOP_MS);
        } else {
            gint64 begin = element_test_time();
            gst_element_set_state(pipe.bin, GST_STATE_READY);
            g_assert_cmpint(element_test_time() - begin, <, STOP_MS * G_TIME_SPAN_MILLISECOND);
        }
        pipe_close(&pipe);
    }
    assert_all_gone();
}

static void
stops_during_a_long_load(void)
{
    stops_quickly(SRC("model-path=fake:load=5000") "fakesink", loads_now, 1);
    stops_quickly(FILTER("model-path=fake:load=5000") "fakesink", loads_now, 1);
}

static void
stops_during_a_long_prompt(void)
{
    stops_quickly(SRC("model-path=fake:prompt=5000") "fakesink", sessions_now, 2);
    stops_quickly(FILTER("model-path=fake:prompt=5000") "fakesink", sessions_now, 2);
}

static void
stops_during_a_long_frame(void)
{
    stops_quickly(SRC("model-path=fake:frame=5000") "fakesink", prompts_now, 1);
    stops_quickly(FILTER("model-path=fake:frame=5000") "fakesink", prompts_now, 1);
    stops_quickly(SRC("is-live=true model-path=fake:frame=5000") "fakesink", prompts_now, 1);
}

static void
stops_without_a_frame_that_will_not_end(void)
{
    stops_quickly(SRC("model-path=fake:frame=5000,stubborn=1500") "fakesink", prompts_now, 1);
    stops_quickly(FILTER("model-path=fake:frame=5000,stubborn=1500") "fakesink", prompts_now, 1);
}

static void
seeks_during_a_long_frame(void)
{
    Pipe pipe;
    gint64 begin;

    pipe_open(&pipe, SRC("model-path=fake:frame=5000") "fakesink");
    fake_sana_forget();
    pipe_play(&pipe);
    wait_until(prompts_now, 1);
    g_usleep(50000);
    begin = element_test_time();
    g_assert_true(gst_element_send_event(
        pipe.element, gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                         GST_SEEK_TYPE_SET, GST_SECOND, GST_SEEK_TYPE_NONE, 0)));
    g_assert_cmpint(element_test_time() - begin, <, STOP_MS * G_TIME_SPAN_MILLISECOND);
    g_assert_cmpint(pipe_stop(&pipe), <, STOP_MS);
    pipe_close(&pipe);
    assert_all_gone();
}

static void
goes_up_and_down_fifty_times(void)
{
    static const char *const lines[] = {
        SRC("model-path=fake:load=3,prompt=3,frame=3") "fakesink",
        FILTER("model-path=fake:load=3,prompt=3,frame=3") "fakesink",
        ("sanasrc is-live=true name=e model-path=fake:load=3,prompt=3,frame=3 ! "
         "sanaimg2img model-path=fake:load=3,prompt=3,frame=3 ! fakesink"),
    };
    const GstState tops[] = {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING};

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        Pipe pipe;
        pipe_open(&pipe, lines[i]);
        for (int n = 0; n < 50; n++) {
            gst_element_set_state(pipe.bin, tops[g_test_rand_int_range(0, 3)]);
            g_usleep(g_test_rand_int_range(0, 12000));
            gst_element_set_state(pipe.bin, tops[g_test_rand_int_range(0, 3)]);
            g_usleep(g_test_rand_int_range(0, 5000));
            g_assert_cmpint(pipe_stop(&pipe), <, STOP_MS);
        }
        pipe_close(&pipe);
    }
    assert_all_gone();
}

/* Upstream's generic sequence: every element alone, without a peer. */
static void
changes_state_alone(void)
{
    for (guint i = 0; i < 2; i++) {
        GstElement *element = gst_element_factory_make(i ? "sanaimg2img" : "sanasrc", NULL);
        g_object_set(element, "model-path", "fake:", NULL);
        static const GstState states[] = {
            GST_STATE_READY, GST_STATE_PAUSED,  GST_STATE_PLAYING, GST_STATE_PAUSED,
            GST_STATE_READY, GST_STATE_NULL,    GST_STATE_PLAYING, GST_STATE_NULL,
            GST_STATE_READY, GST_STATE_PLAYING, GST_STATE_READY,   GST_STATE_NULL,
        };
        for (guint s = 0; s < G_N_ELEMENTS(states); s++) {
            g_assert_true(gst_element_set_state(element, states[s]) != GST_STATE_CHANGE_FAILURE);
            g_assert_cmpint(gst_element_get_state(element, NULL, NULL, ENOUGH), ==,
                            GST_STATE_CHANGE_SUCCESS);
            g_assert_cmpint(GST_STATE(element), ==, states[s]);
        }
        gst_object_unref(element);
    }
    assert_all_gone();
}

static void
takes_properties_while_it_runs(void)
{
    static const char *const lines[] = {
        "sanasrc name=e model-path=fake:prompt=1,frame=1 ! "
        "video/x-raw,width=16,height=16 ! fakesink sync=false",
        "videotestsrc ! video/x-raw,width=16,height=16 ! "
        "sanaimg2img name=e model-path=fake:prompt=1,frame=1 ! fakesink sync=false",
    };

    for (guint i = 0; i < 2; i++) {
        Pipe pipe;
        pipe_open(&pipe, lines[i]);
        pipe_play(&pipe);
        for (int n = 0; n < 300; n++) {
            char *prompt = g_strdup_printf("prompt %d", n), *got;
            g_object_set(pipe.element, "prompt", prompt, "seed", (guint64)n, "steps", n % 20 + 1,
                         "guidance-scale", n % 7 / 2.0, "model-path", "fake:prompt=1,frame=1",
                         NULL);
            g_object_get(pipe.element, "prompt", &got, NULL);
            g_assert_cmpstr(got, ==, prompt);
            g_free(prompt);
            g_free(got);
            g_usleep(500);
        }
        GstMessage *error = gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ERROR);
        g_assert_null(error);
        pipe_close(&pipe);
    }
    assert_all_gone();
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/states/" #f, f)
    TEST(tells_its_progress);
    TEST(shares_a_model_between_elements);
    TEST(keeps_a_model_for_who_comes_back);
    TEST(cancels_a_load_when_the_last_leaves);
    TEST(says_that_loading_was_cancelled);
    TEST(refuses_at_once_what_can_be_seen_at_once);
    TEST(ends_during_a_long_load);
    TEST(refuses_pictures_that_no_buffer_holds);
    TEST(recovers_from_a_failed_load);
    TEST(tells_nothing_of_a_run_that_was_stopped);
    TEST(says_which_frame_failed);
    TEST(refuses_a_prompt);
    TEST(stops_during_a_long_load);
    TEST(stops_during_a_long_prompt);
    TEST(stops_during_a_long_frame);
    TEST(stops_without_a_frame_that_will_not_end);
    TEST(seeks_during_a_long_frame);
    TEST(goes_up_and_down_fifty_times);
    TEST(changes_state_alone);
    TEST(takes_properties_while_it_runs);
    return g_test_run();
}
