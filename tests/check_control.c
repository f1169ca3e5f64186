/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Live control: changes from outside cost no frame, whoever makes them and whatever they ask. */
#include "element_util.h"
#include "fake_sana.h"
#include "img2img.h"
#include "testdir.h"

#include <gst/check/gsttestclock.h>
#include <gst/controller/controller.h>
#include <string.h>

/* --- a hundred prompts ------------------------------------------------------------------------ */

#define FRAMES 240

/* Plays FRAMES frames of 1/30 s, the clock moved from frame to frame, with another prompt every
 * second frame or none.  An encoding takes thirty times as long as a frame may. */
static void
play_by_the_clock(const char *line, gboolean changes, GstClockTime *times)
{
    Pipe pipe;
    GstClock *clock = gst_test_clock_new();
    guint changed = 0;
    gint64 longest = 0;

    pipe_open(&pipe, line);
    gst_pipeline_use_clock(GST_PIPELINE(pipe.bin), clock);
    pipe_play(&pipe);
    for (guint n = 0; n < FRAMES; n++) {
        if (changes && n >= 20 && n % 2 == 0 && changed < 100) {
            char *prompt = g_strdup_printf("prompt %u", changed++);
            g_object_set(pipe.element, "prompt", prompt, NULL);
            g_free(prompt);
        }
        g_assert_true(gst_test_clock_crank(GST_TEST_CLOCK(clock)));
        gint64 begin = element_test_time();
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        if (n > 20)
            longest = MAX(longest, element_test_time() - begin);
        times[n] = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
        gst_sample_unref(sample);
    }
    g_test_message("%u prompts, the longest wait %.1f ms", changed, (double)longest / 1000);
    g_assert_cmpuint(changed, ==, changes ? 100 : 0);
    g_assert_cmpint(longest, <, 700 * G_TIME_SPAN_MILLISECOND);
    pipe_close(&pipe);
    gst_object_unref(clock);
}

/* Row 24. */
static void
a_hundred_prompts_cost_no_frame(void)
{
    static const char *const lines[] = {
        "sanasrc name=e is-live=true prompt=first model-path=fake:prompt=1000,frame=5 ! "
        "video/x-raw,width=16,height=16,framerate=30/1 ! appsink name=out sync=false",
        "videotestsrc is-live=true ! video/x-raw,width=16,height=16,framerate=30/1 ! "
        "sanaimg2img name=e prompt=first model-path=fake:prompt=1000,frame=5 ! "
        "appsink name=out sync=false",
    };
    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        GstClockTime without[FRAMES], with[FRAMES];
        play_by_the_clock(lines[i], FALSE, without);
        play_by_the_clock(lines[i], TRUE, with);
        g_assert_cmpmem(without, sizeof without, with, sizeof with);
        for (guint n = 1; n < FRAMES; n++)
            g_assert_cmpuint(with[n] - with[n - 1], <=, GST_SECOND / 30 + 1);
    }
}

/* --- from four threads ------------------------------------------------------------------------ */

typedef struct {
    GstElement *element;
    const char *path;
    guint which;
    gint *stop; /* atomic */
} Setter;

static gpointer
set_properties(gpointer data)
{
    Setter *s = data;
    gboolean filter =
        g_object_class_find_property(G_OBJECT_GET_CLASS(s->element), "strength") != NULL;

    for (guint n = 0; !g_atomic_int_get(s->stop); n++) {
        char *text = g_strdup_printf("prompt %u of %u", n, s->which), *got;
        GObject *o = G_OBJECT(s->element);
        g_object_set(o, "prompt", text, "seed", (guint64)n, "steps", 1 + n % 20, "guidance-scale",
                     (n % 40) / 2.0, "prompt-transition", (n % 3) * 100 * GST_MSECOND,
                     "force-key-unit", n % 2, "instruction", n % 2 ? "Paint: " : NULL, NULL);
        if (filter)
            g_object_set(o, "strength", (n % 11) / 10.0, "noise-mode", n % 2, NULL);
        else
            g_object_set(o, "image-duration", (n % 3) * 50 * GST_MSECOND, "seed-mode", n % 3, NULL);
        if (n % 5 == s->which)
            g_object_set(o, "prompt-file", n % 2 ? s->path : NULL, NULL);
        if (n % 7 == s->which)
            gst_preset_load_preset(GST_PRESET(s->element), filter ? "winter" : "lava");
        g_object_get(o, "prompt", &got, NULL);
        g_assert_nonnull(got);
        g_free(got);
        g_free(text);
        g_usleep(300);
    }
    return NULL;
}

/* Four threads, each with a will of its own, while frames run: TSan watches. */
static void
four_threads_set_everything(void)
{
    static const char *const lines[] = {
        "sanasrc name=e is-live=true model-path=fake:prompt=2,frame=2 ! "
        "video/x-raw,width=16,height=16,framerate=100/1 ! appsink name=out sync=false drop=true "
        "max-buffers=1",
        "sanasrc name=e model-path=fake:prompt=2,frame=2 ! video/x-raw,width=16,height=16 ! "
        "appsink name=out sync=false max-buffers=1",
        "videotestsrc is-live=true ! video/x-raw,width=16,height=16,framerate=100/1 ! "
        "sanaimg2img name=e model-path=fake:prompt=2,frame=2 ! appsink name=out sync=false",
        "videotestsrc ! video/x-raw,width=16,height=16 ! "
        "sanaimg2img name=e model-path=fake:prompt=2,frame=2 ! appsink name=out sync=false "
        "max-buffers=1",
    };
    char *dir = testdir_new(), *path = testdir_path(dir, "p.txt");

    testdir_write_text(dir, "p.txt", "from the file");
    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        Pipe pipe;
        GThread *threads[4];
        Setter setters[4];
        gint stop = 0;
        pipe_open(&pipe, lines[i]);
        pipe_play(&pipe);
        for (guint k = 0; k < 4; k++) {
            setters[k] = (Setter){pipe.element, path, k, &stop};
            threads[k] = g_thread_new("setter", set_properties, &setters[k]);
        }
        for (guint n = 0; n < 100; n++) {
            GstSample *sample = pipe_pull(&pipe);
            g_assert_nonnull(sample);
            gst_sample_unref(sample);
        }
        g_assert_null(gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ERROR));
        g_atomic_int_set(&stop, 1);
        for (guint k = 0; k < 4; k++)
            g_thread_join(threads[k]);
        g_assert_cmpint(pipe_stop(&pipe), <, 500);
        pipe_close(&pipe);
    }
    g_free(path);
    testdir_free(dir);
}

/* --- controllers ------------------------------------------------------------------------------ */

/* Row 25: each is under control; seeds, prompts and steps are not. */
static void
what_can_be_controlled_says_so(void)
{
    static const struct {
        const char *factory, *property;
        gboolean controllable;
    } all[] = {
        {"sanasrc", "guidance-scale", TRUE},
        {"sanaimg2img", "guidance-scale", TRUE},
        {"sanaimg2img", "mix", TRUE},
        {"sanaimg2img", "bypass", TRUE},
        {"sanaimg2img", "temporal-smoothing", TRUE},
        {"sanaimg2img", "strength", TRUE},
        {"sanaimg2img", "seed", FALSE},
        {"sanaimg2img", "prompt", FALSE},
        {"sanaimg2img", "steps", FALSE},
        {"sanasrc", "image-duration", FALSE},
        {"sanasrc", "seed", FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        GstElement *element = gst_element_factory_make(all[i].factory, NULL);
        GParamSpec *spec =
            g_object_class_find_property(G_OBJECT_GET_CLASS(element), all[i].property);
        g_test_message("%s %s", all[i].factory, all[i].property);
        g_assert_nonnull(spec);
        g_assert_cmpint((spec->flags & GST_PARAM_CONTROLLABLE) != 0, ==, all[i].controllable);
        gst_object_unref(element);
    }
}

/* Values beyond the range are refused with a warning, and the value before stays. */
static void
a_curve_out_of_range_keeps_the_value_before(void)
{
    GstElement *element = filter_make("prompt", "x", "strength", 1.0, "guidance-scale", 5.0, NULL);
    GstControlSource *curve = gst_interpolation_control_source_new();
    guint8 want[3], pixel[3];

    g_object_set(curve, "mode", GST_INTERPOLATION_MODE_NONE, NULL);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(curve), 0, 50.0);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(curve), 80 * GST_MSECOND,
                                       4.0);
    g_assert_true(gst_object_add_control_binding(
        GST_OBJECT(element),
        gst_direct_control_binding_new_absolute(GST_OBJECT(element), "guidance-scale", curve)));
    gst_object_unref(curve);
    GstHarness *h = filter_start(element, SMALL, FALSE);
    g_test_expect_message("GLib-GObject", G_LOG_LEVEL_WARNING, "*out of range*guidance-scale*");
    for (guint n = 0; n < 4; n++) {
        gst_harness_push(h, filter_picture(SMALL, n, n));
        GstBuffer *buffer = gst_harness_pull(h);
        gst_buffer_extract(buffer, 300, pixel, 3);
        gst_buffer_unref(buffer);
        fake_sana_colour("x", 0, 1, n < 2 ? 5.0 : 4.0, want);
        g_assert_cmpmem(pixel, 3, want, 3);
    }
    g_test_assert_expected_messages();
    filter_stop(h);
}

/* --- the source's clock ----------------------------------------------------------------------- */

/* Row 32: frames carry the time they are due at, whatever the base class would put in. */
static void
do_timestamp_changes_no_time(void)
{
    for (int live = 0; live < 2; live++) {
        GstClockTime last = GST_CLOCK_TIME_NONE;
        Pipe pipe;
        pipe_open(&pipe, "sanasrc name=e do-timestamp=true model-path=fake:load=300 ! "
                         "video/x-raw,width=16,height=16,framerate=10/1 ! "
                         "appsink name=out sync=false max-buffers=1");
        g_object_set(pipe.element, "is-live", live, NULL);
        pipe_play(&pipe);
        for (guint n = 0; n < 5; n++) {
            GstSample *sample = pipe_pull(&pipe);
            g_assert_nonnull(sample);
            GstBuffer *buffer = gst_sample_get_buffer(sample);
            if (n > 0)
                g_assert_cmpuint((GST_BUFFER_PTS(buffer) - last) % (100 * GST_MSECOND), ==, 0);
            if (GST_BUFFER_DTS_IS_VALID(buffer))
                g_assert_cmpuint(GST_BUFFER_DTS(buffer), ==, GST_BUFFER_PTS(buffer));
            last = GST_BUFFER_PTS(buffer);
            gst_sample_unref(sample);
        }
        pipe_close(&pipe);
    }
}

/* What the clock does while the source is paused is no running time, before the first
 * picture as well. */
static void
a_pause_in_the_first_picture_takes_no_time(void)
{
    GstClock *clock = gst_test_clock_new();
    FakeSanaCounts counts;
    FakeSanaLast last;
    Pipe pipe;

    fake_sana_forget();
    pipe_open(&pipe, "sanasrc name=e is-live=true seed=4711 model-path=fake:frame=500 ! "
                     "video/x-raw,width=16,height=16,framerate=50/1 ! appsink name=out sync=false");
    gst_pipeline_use_clock(GST_PIPELINE(pipe.bin), clock);
    pipe_play(&pipe);
    do {
        g_usleep(1000);
        fake_sana_last(&last);
    } while (last.params.seed != 4711);
    gst_element_set_state(pipe.bin, GST_STATE_PAUSED);
    gst_test_clock_advance_time(GST_TEST_CLOCK(clock), 60 * GST_SECOND);
    do {
        g_usleep(1000);
        fake_sana_counts(&counts);
    } while (counts.frames == 0);
    g_usleep(100000); /* for the source to come as far as it does before it plays */
    pipe_play(&pipe);
    for (guint n = 0; n < 5; n++) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), ==, n * 20 * GST_MSECOND);
        gst_sample_unref(sample);
        gst_test_clock_wait_for_next_pending_id(GST_TEST_CLOCK(clock), NULL);
        g_assert_true(gst_test_clock_crank(GST_TEST_CLOCK(clock)));
    }
    pipe_close(&pipe);

    /* and one that does not go on ends */
    pipe_open(&pipe, "sanasrc name=e is-live=true model-path=fake:frame=100 ! "
                     "video/x-raw,width=16,height=16,framerate=50/1 ! appsink name=out sync=false");
    pipe_play(&pipe);
    gst_element_set_state(pipe.bin, GST_STATE_PAUSED);
    g_usleep(300000);
    g_assert_cmpint(pipe_stop(&pipe), <, 500);
    pipe_close(&pipe);
    gst_object_unref(clock);
}

int
main(int argc, char **argv)
{
    g_setenv("GST_PRESET_PATH", SANA_PRESETS, TRUE);
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/control/" #f, f)
    TEST(a_hundred_prompts_cost_no_frame);
    TEST(four_threads_set_everything);
    TEST(what_can_be_controlled_says_so);
    TEST(a_curve_out_of_range_keeps_the_value_before);
    TEST(do_timestamp_changes_no_time);
    TEST(a_pause_in_the_first_picture_takes_no_time);
    return g_test_run();
}
