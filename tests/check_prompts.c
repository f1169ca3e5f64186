/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes while frames run: from prompt to prompt, from picture to picture. */
#include "element_util.h"
#include "fake_sana.h"
#include "gstsanapolicy.h"
#include "img2img.h"

#include <gst/base/gstbasesrc.h>
#include <gst/check/gsttestclock.h>
#include <gst/controller/controller.h>

/* The colour of a picture's middle; frees the sample. */
static void
middle(GstSample *sample, guint8 pixel[3])
{
    g_assert_nonnull(sample);
    gst_buffer_extract(gst_sample_get_buffer(sample), (8 * 16 + 8) * 3, pixel, 3);
    gst_sample_unref(sample);
}

/* What lies `weight` of the way from one prompt's colour to the other's. */
static void
assert_between(const guint8 pixel[3], const char *from, const char *to, int steps, double weight)
{
    guint8 a[3], b[3];

    fake_sana_colour(from, 0, steps, 4.5, a);
    fake_sana_colour(to, 0, steps, 4.5, b);
    for (int c = 0; c < 3; c++)
        g_assert_cmpfloat_with_epsilon(pixel[c], a[c] + weight * (b[c] - a[c]), 1);
}

/* --- prompt-transition ------------------------------------------------------------------------ */

#define TENTHS "video/x-raw,format=RGB,width=16,height=16,framerate=10/1"

/* Plays; after each buffer that leaves the element of that name the prompt is the next. */
static void
play_changing(Pipe *pipe, const char *name, const char *const *prompts, guint count)
{
    GstElement *element = gst_bin_get_by_name(GST_BIN(pipe->bin), name);
    GstPad *pad = gst_element_get_static_pad(element, "src");

    prompt_changer_add(pad, pipe->element, prompts, count);
    gst_object_unref(pad);
    gst_object_unref(element);
    pipe_play(pipe);
}

/* Row 27: a prompt set after frame 1 takes over from frame 2 on, in 400 ms. */
static void
a_source_goes_over_in_the_time_said(void)
{
    static const char *const prompts[] = {"one", "one", "two"};
    static const double weights[] = {0, 0, 0, 0.25, 0.5, 0.75, 1, 1};
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e num-buffers=8 prompt=one seed-mode=fixed model-path=fake: "
                     "prompt-transition=400000000 ! " TENTHS " ! appsink name=out sync=false");
    play_changing(&pipe, "e", prompts, G_N_ELEMENTS(prompts));
    for (guint n = 0; n < 8; n++) {
        guint8 pixel[3];
        middle(pipe_pull(&pipe), pixel);
        g_test_message("frame %u", n);
        assert_between(pixel, "one", "two", 2, weights[n]);
    }
    pipe_close(&pipe);
}

/* And from frame to frame of one picture, which stays until one second: that is drawn again on the
 * way, and the next one not before there is nothing between it and the prompt. */
static void
a_still_goes_over_in_the_time_said(void)
{
    static const char *const prompts[] = {"one", "one", "two"};
    static const double weights[] = {0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1};
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e num-buffers=11 prompt=one model-path=fake: "
                     "image-duration=1000000000 prompt-transition=400000000 ! " TENTHS
                     " ! identity name=i sleep-time=20000 ! appsink name=out sync=false");
    play_changing(&pipe, "i", prompts, G_N_ELEMENTS(prompts));
    for (guint n = 0; n < 11; n++) {
        guint8 pixel[3], want[3];
        middle(pipe_pull(&pipe), pixel);
        g_test_message("frame %u", n);
        fake_sana_colour("two", n / 10, 2, 4.5, want);
        if (n < G_N_ELEMENTS(weights))
            assert_between(pixel, "one", "two", 2, weights[n]);
        else
            g_assert_cmpmem(pixel, 3, want, 3);
    }
    pipe_close(&pipe);
}

/* A third prompt starts from the last frame, whatever was drawn ahead: the one that takes its time
 * on the way lets that be finished. */
static void
what_was_drawn_ahead_was_not_seen(void)
{
    static const char *const prompts[] = {"one", "one", "two", "two", "three"};
    guint8 pixel[3];
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e num-buffers=5 prompt=one seed-mode=fixed model-path=fake: "
                     "prompt-transition=400000000 ! " TENTHS
                     " ! identity name=i sleep-time=20000 ! appsink name=out sync=false");
    play_changing(&pipe, "i", prompts, G_N_ELEMENTS(prompts));
    for (guint n = 0; n < 5; n++) {
        middle(pipe_pull(&pipe), pixel);
        g_test_message("frame %u", n);
        assert_between(pixel, "one", "two", 2, n < 3 ? 0 : 0.25);
    }
    pipe_close(&pipe);
}

static void
push(GstHarness *h, guint n)
{
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, n, n)), ==, GST_FLOW_OK);
}

static void
expect_between(GstHarness *h, const char *from, const char *to, double weight)
{
    GstBuffer *buffer = gst_harness_pull(h);
    guint8 pixel[3];

    g_assert_nonnull(buffer);
    gst_buffer_extract(buffer, 300, pixel, 3);
    gst_buffer_unref(buffer);
    assert_between(pixel, from, to, 1, weight);
}

/* Row 27: 25 frames a second, 200 ms. */
static void
a_filter_goes_over_in_the_time_said(void)
{
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:prompt=30,frame=2", "strength", 1.0, "prompt",
                                 "one", "prompt-transition", 200 * GST_MSECOND, NULL),
                     SMALL, FALSE);
    for (guint n = 0; n < 10; n++) {
        if (n == 3)
            g_object_set(h->element, "prompt", "two", NULL);
        push(h, n);
        expect_between(h, "one", "two", n < 3 ? 0 : MIN(1.0, (n - 3) / 5.0));
    }
    filter_stop(h);
}

/* A third prompt half way starts from what is seen then; and a seek does not wait for the end. */
static void
a_transition_starts_from_what_is_seen(void)
{
    GstHarness *h = filter_start(
        filter_make("strength", 1.0, "prompt", "one", "prompt-transition", 400 * GST_MSECOND, NULL),
        SMALL, FALSE);
    guint8 half[3], one[3], two[3], three[3], pixel[3];
    GstSegment segment;
    guint n = 0;

    fake_sana_colour("one", 0, 1, 4.5, one);
    fake_sana_colour("two", 0, 1, 4.5, two);
    fake_sana_colour("three", 0, 1, 4.5, three);
    push(h, n++);
    expect_between(h, "one", "one", 0);
    g_object_set(h->element, "prompt", "two", NULL);
    for (; n <= 6; n++) {
        push(h, n);
        expect_between(h, "one", "two", (n - 1) / 10.0);
    }
    for (int c = 0; c < 3; c++)
        half[c] = (guint8)((one[c] + two[c]) / 2);
    g_object_set(h->element, "prompt", "three", NULL);
    for (guint k = 0; k <= 5; k++, n++) {
        push(h, n);
        GstBuffer *buffer = gst_harness_pull(h);
        gst_buffer_extract(buffer, 300, pixel, 3);
        gst_buffer_unref(buffer);
        for (int c = 0; c < 3; c++)
            g_assert_cmpfloat_with_epsilon(pixel[c], half[c] + k / 10.0 * (three[c] - half[c]), 2);
    }
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    push(h, 0);
    expect_between(h, "three", "three", 0);
    filter_stop(h);
}

/* Without times nothing can be gone over in time. */
static void
a_transition_without_timestamps_is_at_once(void)
{
    GstHarness *h = filter_start(
        filter_make("strength", 1.0, "prompt", "one", "prompt-transition", GST_SECOND, NULL), SMALL,
        FALSE);
    for (guint n = 0; n < 3; n++) {
        GstBuffer *buffer = filter_picture(SMALL, n, n);
        GST_BUFFER_PTS(buffer) = GST_CLOCK_TIME_NONE;
        if (n == 1)
            g_object_set(h->element, "prompt", "two", NULL);
        gst_harness_push(h, buffer);
        expect_between(h, "one", "two", n > 0);
    }
    filter_stop(h);
}

/* Each frame on the way has a blend of its own, which a prompt that is encoded meanwhile must not
 * keep alive. */
static void
blends_do_not_pile_up(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:prompt=500", "prompt", "one",
                                             "startup-mode", GST_SANA_STARTUP_BLOCK,
                                             "prompt-transition", 600 * GST_SECOND, NULL),
                                 SMALL, TRUE);
    FakeSanaCounts counts = {0};
    guint n = 0, meanwhile = 0;
    int encoded;

    fake_sana_forget();
    for (; counts.blends == 0; n++) {
        push(h, n);
        gst_buffer_unref(gst_harness_pull(h));
        g_object_set(h->element, "prompt", "two", NULL);
        fake_sana_counts(&counts);
    }
    encoded = counts.prompts;
    g_object_set(h->element, "prompt", "three", NULL);
    for (; counts.prompts == encoded; n++, meanwhile++) {
        push(h, n);
        gst_buffer_unref(gst_harness_pull(h));
        fake_sana_counts(&counts);
        g_assert_cmpint(counts.blends, <=, 3);
    }
    g_assert_cmpuint(meanwhile, >, 5);
    filter_stop(h);
}

/* A prompt that comes back is not encoded again. */
static void
prompts_are_kept(void)
{
    GstHarness *h = filter_start(filter_make("strength", 1.0, NULL), SMALL, FALSE);
    static const char *const prompts[] = {"one", "two", "one", "three", "two", "one"};
    FakeSanaCounts counts;

    fake_sana_forget();
    for (guint n = 0; n < G_N_ELEMENTS(prompts); n++) {
        g_object_set(h->element, "prompt", prompts[n], NULL);
        push(h, n);
        expect_between(h, prompts[n], prompts[n], 0);
    }
    fake_sana_counts(&counts);
    /* the one at the start, which may have been replaced before it was begun, and three more */
    g_assert_cmpint(counts.prompts, >=, 3);
    g_assert_cmpint(counts.prompts, <=, 4);
    filter_stop(h);
}

/* How often `n` prompts in turn are encoded in three rounds. */
static int
encodings_in_turn(guint n)
{
    GstHarness *h = filter_start(filter_make("strength", 1.0, NULL), SMALL, FALSE);
    FakeSanaCounts counts;

    fake_sana_forget();
    for (guint i = 0; i < 3 * n; i++) {
        char *prompt = g_strdup_printf("prompt %u", i % n);
        g_object_set(h->element, "prompt", prompt, NULL);
        push(h, i);
        expect_between(h, prompt, prompt, 0);
        g_free(prompt);
    }
    fake_sana_counts(&counts);
    filter_stop(h);
    return counts.prompts;
}

/* And the one at the start, as above. */
static void
four_prompts_in_turn_are_kept_and_eight_are_not(void)
{
    g_assert_cmpint(encodings_in_turn(4), <=, 5);
    g_assert_cmpint(encodings_in_turn(8), >=, 24);
}

/* --- image-duration --------------------------------------------------------------------------- */

#define STILLS                                                                            \
    "sanasrc name=e prompt=x seed=50 image-duration=300000000 model-path=fake: ! " TENTHS \
    " ! appsink name=out sync=false max-buffers=2"

static void
assert_seed(GstSample *sample, guint64 seed)
{
    guint8 pixel[3], want[3];

    middle(sample, pixel);
    fake_sana_colour("x", seed, 2, 4.5, want);
    g_assert_cmpmem(pixel, 3, want, 3);
}

/* Row 34: picture n lasts from n times image-duration on, whichever way one gets there. */
static void
a_picture_stays_for_its_duration(void)
{
    FakeSanaCounts counts;
    Pipe pipe;

    fake_sana_forget();
    pipe_open(&pipe, STILLS);
    g_object_set(pipe.element, "num-buffers", 10, NULL);
    pipe_play(&pipe);
    for (guint n = 0; n < 10; n++)
        assert_seed(pipe_pull(&pipe), 50 + n / 3);
    g_assert_null(pipe_pull(&pipe));
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.frames, ==, 4);
    pipe_close(&pipe);

    pipe_open(&pipe, STILLS);
    pipe_play(&pipe);
    for (int i = 0; i < 10; i++) {
        guint64 n = g_test_rand_int_range(0, 1000);
        g_assert_true(gst_element_seek_simple(pipe.bin, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                              n * 100 * GST_MSECOND + 10 * GST_MSECOND));
        assert_seed(pipe_pull(&pipe), 50 + n / 3);
        assert_seed(pipe_pull(&pipe), 50 + (n + 1) / 3);
    }
    pipe_close(&pipe);
}

static void
a_picture_stays_backwards_too(void)
{
    Pipe pipe;

    pipe_open(&pipe, STILLS);
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    g_assert_true(gst_element_seek(pipe.bin, -1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                   GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_SET, 800 * GST_MSECOND));
    for (int n = 7; n >= 0; n--)
        assert_seed(pipe_pull(&pipe), 50 + (guint)n / 3);
    g_assert_null(pipe_pull(&pipe));
    pipe_close(&pipe);
}

/* Row 33: fast enough for fifty a second, it changes its picture four times a second only. */
static void
a_live_picture_stays_for_its_duration(void)
{
    GstClockTime last = GST_CLOCK_TIME_NONE;
    guint fresh = 0;
    Pipe pipe;

    /* the first picture too, although the model took longer to load */
    pipe_open(&pipe, "sanasrc name=e is-live=true image-duration=240000000 "
                     "model-path=fake:frame=2,load=600 ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=50/1 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    for (guint n = 0; n < 75; n++) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        GstBuffer *buffer = gst_sample_get_buffer(sample);
        if (!GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) {
            if (GST_CLOCK_TIME_IS_VALID(last))
                g_assert_cmpuint(GST_BUFFER_PTS(buffer) - last, >=, 240 * GST_MSECOND);
            last = GST_BUFFER_PTS(buffer);
            fresh++;
        }
        gst_sample_unref(sample);
    }
    g_assert_cmpuint(fresh, >=, 4);
    g_assert_cmpuint(fresh, <=, 8);
    pipe_close(&pipe);
}

/* §0.13: what was drawn ahead with the old values is not shown. */
static void
a_change_discards_what_was_drawn_ahead(void)
{
    gboolean old_over = FALSE;
    guint8 pixel[3], want[3];
    guint seen = 0;
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e is-live=true seed-mode=increment prompt=one "
                     "image-duration=500000000 model-path=fake:frame=2,prompt=50 ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=50/1 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    for (guint n = 0; n < 100 && seen < 2; n++) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        gboolean fresh =
            !GST_BUFFER_FLAG_IS_SET(gst_sample_get_buffer(sample), GST_BUFFER_FLAG_GAP);
        middle(sample, pixel);
        /* the second picture is finished by now, and waits for its time */
        if (n == 5)
            g_object_set(pipe.element, "prompt", "two", NULL);
        if (n == 5 && gst_element_get_current_running_time(pipe.element) > 450 * GST_MSECOND) {
            g_test_skip("the machine is too busy to change the prompt before that time");
            pipe_close(&pipe);
            return;
        }
        if (!fresh)
            continue;
        fake_sana_colour(old_over ? "two" : "one", seen, 2, 4.5, want);
        g_assert_cmpmem(pixel, 3, want, 3);
        old_over = TRUE;
        seen++;
    }
    g_assert_cmpuint(seen, ==, 2);
    pipe_close(&pipe);
}

/* A live source of a fixed seed, ten frames a second, whose pictures stay for a second, in PLAYING;
 * its clock is at one second when the first one is begun, as a model of another name is loaded. */
static GstClock *
play_live_stills(Pipe *pipe, GObject *curve, GstClockTime transition)
{
    static guint count;
    GstClock *clock = gst_test_clock_new();
    char *model = g_strdup_printf("fake:load=500,id=%u", count++);

    pipe_open(pipe, "sanasrc name=e is-live=true seed-mode=fixed prompt=one "
                    "image-duration=1000000000 ! " TENTHS " ! appsink name=out sync=false");
    g_object_set(pipe->element, "model-path", model, "prompt-transition", transition, NULL);
    if (curve)
        g_assert_true(gst_object_add_control_binding(
            GST_OBJECT(pipe->element),
            gst_direct_control_binding_new_absolute(GST_OBJECT(pipe->element), "guidance-scale",
                                                    GST_CONTROL_SOURCE(curve))));
    gst_pipeline_use_clock(GST_PIPELINE(pipe->bin), clock);
    pipe_play(pipe);
    gst_test_clock_advance_time(GST_TEST_CLOCK(clock), GST_SECOND);
    g_free(model);
    return clock;
}

/* The next frame, after the worker has had time to draw ahead.  Whether it has another picture. */
static gboolean
next_of_live_stills(Pipe *pipe, GstClock *clock, GstClockTime *pts, guint8 pixel[3])
{
    if (GST_CLOCK_TIME_IS_VALID(*pts)) {
        gst_test_clock_wait_for_next_pending_id(GST_TEST_CLOCK(clock), NULL);
        g_usleep(20000);
        g_assert_true(gst_test_clock_crank(GST_TEST_CLOCK(clock)));
    }
    GstSample *sample = pipe_pull(pipe);
    g_assert_nonnull(sample);
    gboolean fresh = !GST_BUFFER_FLAG_IS_SET(gst_sample_get_buffer(sample), GST_BUFFER_FLAG_GAP);
    *pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
    middle(sample, pixel);
    return fresh;
}

/* Row 27: what of the way to a new prompt falls into the time of a picture that stays is over then:
 * the next one does not look like the old one for another second. */
static void
a_live_still_hides_its_part_of_the_way(void)
{
    static const double seconds[] = {0.1, 2};

    for (guint i = 0; i < G_N_ELEMENTS(seconds); i++) {
        GstClockTime pts = GST_CLOCK_TIME_NONE;
        guint8 pixel[3], one[3], two[3];
        Pipe pipe;
        GstClock *clock = play_live_stills(&pipe, NULL, (GstClockTime)(seconds[i] * GST_SECOND));
        fake_sana_colour("one", 0, 2, 4.5, one);
        fake_sana_colour("two", 0, 2, 4.5, two);
        for (guint n = 0; n <= 10; n++) {
            g_assert_cmpint(next_of_live_stills(&pipe, clock, &pts, pixel), ==, n % 10 == 0);
            if (n < 10)
                g_assert_cmpmem(pixel, 3, one, 3);
            if (n == 1) {
                gst_test_clock_wait_for_next_pending_id(GST_TEST_CLOCK(clock), NULL);
                g_object_set(pipe.element, "prompt", "two", NULL);
            }
        }
        g_assert_cmpuint(pts, ==, 2 * GST_SECOND);
        /* since 1.4 s, when the prompt was encoded, or a later frame if that took longer */
        double weight = (pixel[0] - one[0]) / (double)(two[0] - one[0]);
        g_test_message("%g of the way", weight);
        g_assert_cmpfloat(weight, >=, MIN(1, 0.1 / seconds[i]) - 0.02);
        g_assert_cmpfloat(weight, <=, MIN(1, 0.6 / seconds[i]) + 0.02);
        pipe_close(&pipe);
        gst_object_unref(clock);
    }
}

/* Row 25: the value of the time at which a picture begins, not of that at which it is drawn. */
static void
a_live_still_takes_the_value_of_its_time(void)
{
    GstControlSource *curve = gst_interpolation_control_source_new();
    GstClockTime pts = GST_CLOCK_TIME_NONE;
    guint8 pixel[3], want[3];
    Pipe pipe;
    GstClock *clock;

    g_object_set(curve, "mode", GST_INTERPOLATION_MODE_LINEAR, NULL);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(curve), 0, 4.0);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(curve), 4 * GST_SECOND, 8.0);
    clock = play_live_stills(&pipe, G_OBJECT(curve), 0);
    gst_object_unref(curve);
    for (guint n = 0; n < 25; n++) {
        next_of_live_stills(&pipe, clock, &pts, pixel);
        g_assert_cmpuint(pts, ==, (10 + n) * 100 * GST_MSECOND);
        fake_sana_colour("one", 0, 2, 5.0 + n / 10, want);
        g_assert_cmpmem(pixel, 3, want, 3);
    }
    pipe_close(&pipe);
    gst_object_unref(clock);
}

/* §0.13: up to its last frame, though not for ever: one that is finished after its time is shown,
 * whatever has changed since. */
static void
a_change_at_the_end_discards_what_was_drawn_ahead(void)
{
    GstClockTime pts = GST_CLOCK_TIME_NONE;
    guint seen = 0, steps = 2, last = 0;
    guint8 pixel[3], want[3];
    Pipe pipe;
    GstClock *clock = play_live_stills(&pipe, NULL, 0);

    gst_util_set_object_arg(G_OBJECT(pipe.element), "seed-mode", "increment");
    for (guint n = 0; n < 50 && seen < 3; n++) {
        if (next_of_live_stills(&pipe, clock, &pts, pixel)) {
            g_test_message("picture %u in frame %u", seen, n);
            g_assert_cmpuint(n, >=, last + (seen ? 10 : 0));
            g_assert_cmpuint(n, <=, last + 15);
            fake_sana_colour("one", seen, seen ? 3 : 2, 4.5, want);
            if (seen < 2)
                g_assert_cmpmem(pixel, 3, want, 3);
            last = n;
            seen++;
        }
        /* the frame after this one waits, and the one after that shows another picture; from
         * then on there is no frame without a change */
        gst_test_clock_wait_for_next_pending_id(GST_TEST_CLOCK(clock), NULL);
        if (n == 8 || seen == 2)
            g_object_set(pipe.element, "steps", ++steps, NULL);
    }
    g_assert_cmpuint(seen, ==, 3);
    pipe_close(&pipe);
    gst_object_unref(clock);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/prompts/" #f, f)
    TEST(a_source_goes_over_in_the_time_said);
    TEST(a_still_goes_over_in_the_time_said);
    TEST(what_was_drawn_ahead_was_not_seen);
    TEST(a_filter_goes_over_in_the_time_said);
    TEST(a_transition_starts_from_what_is_seen);
    TEST(a_transition_without_timestamps_is_at_once);
    TEST(blends_do_not_pile_up);
    TEST(prompts_are_kept);
    TEST(four_prompts_in_turn_are_kept_and_eight_are_not);
    TEST(a_picture_stays_for_its_duration);
    TEST(a_picture_stays_backwards_too);
    TEST(a_live_picture_stays_for_its_duration);
    TEST(a_change_discards_what_was_drawn_ahead);
    TEST(a_live_still_hides_its_part_of_the_way);
    TEST(a_live_still_takes_the_value_of_its_time);
    TEST(a_change_at_the_end_discards_what_was_drawn_ahead);
    return g_test_run();
}
