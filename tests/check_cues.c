/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prompts with times, from a pad of texts. */
#include "element_util.h"
#include "fake_sana.h"
#include "img2img.h"
#include "testdir.h"

#include <string.h>

typedef struct {
    GstHarness *video, *text;
} Cues;

static void
cues_start(Cues *c, gboolean live)
{
    GstElement *element = filter_make("model-path", "fake:prompt=60,frame=1", "strength", 1.0,
                                      "prompt", "idle", NULL);
    c->text = gst_harness_new_with_element(element, "text_sink", NULL);
    gst_harness_set_src_caps_str(c->text, "text/x-raw,format=utf8");
    c->video = filter_start(element, SMALL, live);
}

static void
cues_stop(Cues *c)
{
    gst_element_set_state(c->video->element, GST_STATE_NULL);
    gst_harness_teardown(c->text);
    filter_stop(c->video);
}

static GstFlowReturn
say(Cues *c, const char *text, GstClockTime pts, GstClockTime duration)
{
    GstBuffer *buffer = gst_buffer_new_memdup(text, strlen(text));
    GST_BUFFER_PTS(buffer) = pts;
    GST_BUFFER_DURATION(buffer) = duration;
    return gst_harness_push(c->text, buffer);
}

/* Frame n, 40 ms each, shows this prompt. */
static void
shows(Cues *c, guint n, const char *prompt)
{
    guint8 want[3], pixel[3];
    g_assert_cmpint(gst_harness_push(c->video, filter_picture(SMALL, n, n)), ==, GST_FLOW_OK);
    GstBuffer *buffer = gst_harness_pull(c->video);
    g_assert_nonnull(buffer);
    gst_buffer_extract(buffer, 300, pixel, 3);
    gst_buffer_unref(buffer);
    fake_sana_colour(prompt, 0, 1, 4.5, want);
    g_test_message("frame %u, %s", n, prompt);
    g_assert_cmpmem(pixel, 3, want, 3);
}

#define MS(n) ((n)*GST_MSECOND)

/* §0.8: from its timestamp for its duration, then what was there before. */
static void
a_cue_is_on_for_its_time(void)
{
    Cues c;

    cues_start(&c, FALSE);
    say(&c, "two", MS(200), MS(80));
    say(&c, "one", MS(80), MS(80)); /* sorted, whatever the order */
    say(&c, "over all", MS(400), MS(200));
    say(&c, "inner", MS(480), MS(40));
    shows(&c, 0, "idle");
    shows(&c, 2, "one");
    shows(&c, 3, "one");
    shows(&c, 4, "idle");
    shows(&c, 5, "two");
    shows(&c, 7, "idle");
    shows(&c, 10, "over all");
    shows(&c, 12, "inner");
    shows(&c, 13, "over all");
    g_object_set(c.video->element, "prompt", "idle again", NULL);
    shows(&c, 14, "over all"); /* a cue outranks the property */
    shows(&c, 15, "idle again");
    cues_stop(&c);
}

static void
a_cue_without_times_is_on_at_once(void)
{
    Cues c;

    cues_start(&c, FALSE);
    shows(&c, 0, "idle");
    say(&c, "now", GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
    shows(&c, 1, "now");
    shows(&c, 50, "now");
    say(&c, "for a while", GST_CLOCK_TIME_NONE, MS(80));
    shows(&c, 51, "for a while");
    shows(&c, 52, "idle");
    cues_stop(&c);
}

static void
of_two_with_one_start_the_later_counts(void)
{
    Cues c;

    cues_start(&c, FALSE);
    shows(&c, 0, "idle");
    say(&c, "a", GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
    say(&c, "b", GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
    shows(&c, 1, "b");
    shows(&c, 2, "b");
    say(&c, "one", MS(200), MS(80));
    say(&c, "two", MS(200), MS(80));
    shows(&c, 4, "b");
    shows(&c, 5, "two");
    shows(&c, 7, "idle"); /* one without a duration ends where the next begins */
    cues_stop(&c);
}

static void
cues_follow_their_segment(void)
{
    Cues c;
    GstSegment segment;

    cues_start(&c, FALSE);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = segment.time = 10 * GST_SECOND;
    gst_harness_push_event(c.text, gst_event_new_segment(&segment));
    say(&c, "before", 9 * GST_SECOND, MS(500)); /* none of it is in the segment */
    say(&c, "one", 10 * GST_SECOND + MS(40), MS(40));
    shows(&c, 0, "idle");
    shows(&c, 1, "one");
    shows(&c, 2, "idle");
    cues_stop(&c);
}

/* What comes next is encoded while there is time, and while frames go on. */
static void
the_next_cue_is_encoded_ahead(void)
{
    FakeSanaCounts counts;
    guint n = 1;
    Cues c;

    cues_start(&c, FALSE);
    shows(&c, 0, "idle");
    fake_sana_forget();
    say(&c, "one", MS(20000), MS(400));
    do {
        g_assert_cmpuint(n, <, 490);
        shows(&c, n++, "idle");
        fake_sana_counts(&counts);
    } while (counts.prompts == 0);
    shows(&c, 500, "one");
    shows(&c, 510, "idle"); /* which was kept */
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.prompts, ==, 1);
    g_assert_cmpint(counts.cancelled, ==, 0);
    cues_stop(&c);
}

typedef struct {
    Cues *cues;
    gint pushed; /* atomic */
    GstFlowReturn result;
} Flood;

static gpointer
flood(gpointer data)
{
    Flood *f = data;
    for (guint i = 0; i < 1000; i++) {
        char *text = g_strdup_printf("cue %u", i);
        f->result = say(f->cues, text, MS(1000 + i * 40), MS(40));
        g_free(text);
        if (f->result != GST_FLOW_OK)
            break;
        g_atomic_int_inc(&f->pushed);
    }
    return NULL;
}

/* Texts of 40 KiB, of which 26 are more than 1 MiB, though far fewer than 64. */
static gpointer
flood_with_long_texts(gpointer data)
{
    Flood *f = data;
    char *text = g_strnfill(40 * 1024, 'x');

    for (guint i = 0; i < 64; i++) {
        f->result = say(f->cues, text, MS(1000 + i * 40), MS(40));
        if (f->result != GST_FLOW_OK)
            break;
        g_atomic_int_inc(&f->pushed);
    }
    g_free(text);
    return NULL;
}

static void
long_texts_fill_a_pad_by_their_bytes(void)
{
    Cues c;
    Flood f = {.cues = &c};

    cues_start(&c, FALSE);
    GThread *thread = g_thread_new("flood", flood_with_long_texts, &f);
    filter_wait_for(&f.pushed, 26);
    g_usleep(50000);
    g_assert_cmpint(g_atomic_int_get(&f.pushed), ==, 26);
    /* two are over and make room */
    shows(&c, 0, "idle");
    g_assert_cmpint(gst_harness_push(c.video, filter_picture(SMALL, 27, 27)), ==, GST_FLOW_OK);
    gst_buffer_unref(gst_harness_pull(c.video));
    filter_wait_for(&f.pushed, 28);
    g_usleep(50000);
    g_assert_cmpint(g_atomic_int_get(&f.pushed), ==, 28);
    gst_pad_push_event(c.text->srcpad, gst_event_new_flush_start());
    g_thread_join(thread);
    g_assert_cmpint(f.result, ==, GST_FLOW_FLUSHING);
    cues_stop(&c);
}

/* At most 64 wait, then the pad does; each of these ends that. */
static void
a_full_pad_waits_and_is_let_go(void)
{
    enum { VIDEO_EOS, TEXT_FLUSH, RELEASE, STOP, N };
    for (int how = 0; how < N; how++) {
        Cues c;
        Flood f = {.cues = &c};
        cues_start(&c, FALSE);
        GThread *thread = g_thread_new("flood", flood, &f);
        filter_wait_for(&f.pushed, 64);
        g_usleep(50000);
        g_assert_cmpint(g_atomic_int_get(&f.pushed), ==, 64);
        shows(&c, 0, "idle"); /* video does not wait for it */
        shows(&c, 27, "cue 2");
        filter_wait_for(&f.pushed, 66);
        gint64 begin = element_test_time();
        if (how == VIDEO_EOS)
            gst_harness_push_event(c.video, gst_event_new_eos());
        else if (how == TEXT_FLUSH)
            gst_pad_push_event(c.text->srcpad, gst_event_new_flush_start());
        else if (how == STOP)
            gst_element_set_state(c.video->element, GST_STATE_NULL);
        else {
            GstPad *pad = gst_element_get_static_pad(c.video->element, "text_sink");
            gst_pad_set_active(pad, FALSE);
            gst_object_unref(pad);
        }
        g_thread_join(thread);
        expect_quick(begin, "letting a full text pad go");
        g_assert_cmpint(f.result, ==, how == VIDEO_EOS ? GST_FLOW_EOS : GST_FLOW_FLUSHING);
        cues_stop(&c);
    }
}

/* A flush of video begins another time; cues of the old one are not of it. */
static void
a_flush_forgets_cues(void)
{
    GstSegment segment;
    Cues c;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    cues_start(&c, FALSE);
    say(&c, "old", MS(400), MS(4000));
    shows(&c, 10, "old");
    gst_harness_push_event(c.video, gst_event_new_flush_start());
    gst_harness_push_event(c.video, gst_event_new_flush_stop(TRUE));
    gst_harness_push_event(c.video, gst_event_new_segment(&segment));
    shows(&c, 10, "idle");

    /* both are flushed, texts first: what they say then is of the new time */
    say(&c, "old", MS(400), MS(4000));
    gst_harness_push_event(c.text, gst_event_new_flush_start());
    gst_harness_push_event(c.text, gst_event_new_flush_stop(TRUE));
    gst_harness_push_event(c.text, gst_event_new_segment(&segment));
    say(&c, "new", MS(80), MS(40));
    gst_harness_push_event(c.video, gst_event_new_flush_start());
    gst_harness_push_event(c.video, gst_event_new_flush_stop(TRUE));
    gst_harness_push_event(c.video, gst_event_new_segment(&segment));
    shows(&c, 1, "idle");
    shows(&c, 2, "new");
    shows(&c, 10, "idle");
    cues_stop(&c);
}

/* A seek of a pipeline whose texts cannot be sought, in its first run and in its second. */
static void
a_seek_forgets_cues_in_every_run(void)
{
    guint8 idle[3], now[3], pixel[3];
    Pipe pipe;

    fake_sana_colour("idle", 0, 1, 4.5, idle);
    fake_sana_colour("now", 0, 1, 4.5, now);
    pipe_open(&pipe, "videotestsrc ! video/x-raw,format=RGB,width=16,height=16,framerate=10/1 ! "
                     "sanaimg2img name=e prompt=idle strength=1 model-path=fake: ! "
                     "appsink name=out sync=false max-buffers=1 "
                     "appsrc name=t format=time caps=text/x-raw,format=utf8 ! e.text_sink");
    GstElement *text = gst_bin_get_by_name(GST_BIN(pipe.bin), "t");
    for (int run = 0; run < 2; run++) {
        GstFlowReturn flow;
        GstBuffer *cue = gst_buffer_new_memdup("now", 3);
        guint n = 0;
        pipe_play(&pipe);
        gst_sample_unref(pipe_pull(&pipe));
        g_signal_emit_by_name(text, "push-buffer", cue, &flow);
        g_assert_cmpint(flow, ==, GST_FLOW_OK);
        gst_buffer_unref(cue);
        do {
            GstSample *sample = pipe_pull(&pipe);
            g_assert_nonnull(sample);
            gst_buffer_extract(gst_sample_get_buffer(sample), 300, pixel, 3);
            gst_sample_unref(sample);
            g_assert_cmpuint(n++, <, 5000);
        } while (memcmp(pixel, now, 3));
        g_assert_true(gst_element_seek_simple(pipe.bin, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
        /* as far as to where the old one began */
        for (guint k = 0; k < n + 10; k++) {
            GstSample *sample = pipe_pull(&pipe);
            g_assert_nonnull(sample);
            gst_buffer_extract(gst_sample_get_buffer(sample), 300, pixel, 3);
            gst_sample_unref(sample);
            g_assert_cmpmem(pixel, 3, idle, 3);
        }
        pipe_stop(&pipe);
    }
    gst_object_unref(text);
    pipe_close(&pipe);
}

/* Nothing of the text pad goes on, and its end is not the end. */
static void
events_of_texts_stay_there(void)
{
    Recorder recorder;
    Cues c;

    cues_start(&c, FALSE);
    shows(&c, 0, "idle");
    recorder_init(&recorder, c.video);
    gst_harness_push_event(c.text, gst_event_new_tag(gst_tag_list_new_empty()));
    gst_harness_push_event(c.text, gst_event_new_gap(0, GST_SECOND));
    gst_harness_push_event(c.text, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                                                        gst_structure_new_empty("stray")));
    say(&c, "stays", MS(40), MS(4000));
    gst_harness_push_event(c.text, gst_event_new_eos());
    shows(&c, 1, "stays");
    shows(&c, 2, "stays");
    GstQuery *drain = gst_query_new_drain();
    g_assert_false(gst_pad_peer_query(c.text->srcpad, drain));
    gst_query_unref(drain);
    char *words = recorder_finish(&recorder);
    g_assert_cmpstr(words, ==, "buffer:40 buffer:80 ");
    g_free(words);
    cues_stop(&c);
    g_string_free(recorder.words, TRUE);
}

static void
expect_left_out(Cues *c, const char *part)
{
    GError *error = NULL;
    GstMessage *message = filter_message(c->video->element, GST_MESSAGE_WARNING);
    g_assert_nonnull(message);
    gst_message_parse_warning(message, &error, NULL);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, part));
    g_error_free(error);
    gst_message_unref(message);
}

static void
bad_texts_are_left_out(void)
{
    char *large = g_strnfill(10 * 1000 * 1000, 'x');
    Cues c;

    cues_start(&c, FALSE);
    g_assert_cmpint(say(&c, large, 0, MS(40)), ==, GST_FLOW_OK);
    expect_left_out(&c, "64 KiB");
    g_free(large);
    g_assert_cmpint(say(&c, "caf\xe9", 0, MS(40)), ==, GST_FLOW_OK);
    expect_left_out(&c, "UTF-8");
    shows(&c, 0, "idle");
    g_assert_cmpint(say(&c, "good", MS(40), MS(40)), ==, GST_FLOW_OK);
    shows(&c, 1, "good");
    cues_stop(&c);
}

/* Video runs for a minute, or is over, when the pad is asked for. */
static void
a_pad_that_comes_late_knows_the_time(void)
{
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    for (int again = 0; again < 2; again++) {
        Cues c;
        c.video = filter_start(filter_make("strength", 1.0, "prompt", "idle", NULL), SMALL, FALSE);
        shows(&c, 0, "idle");
        shows(&c, 1500, "idle");
        c.text = gst_harness_new_with_element(c.video->element, "text_sink", NULL);
        if (again) {
            gst_pad_set_active(GST_PAD_PEER(c.text->srcpad), FALSE);
            gst_pad_set_active(GST_PAD_PEER(c.text->srcpad), TRUE);
        }
        gst_harness_set_src_caps_str(c.text, "text/x-raw,format=utf8");
        say(&c, "late", GST_CLOCK_TIME_NONE, MS(5000));
        shows(&c, 1501, "late");
        shows(&c, 1624, "late");
        shows(&c, 1625, "idle");
        say(&c, "old", GST_CLOCK_TIME_NONE, MS(5000));
        gst_harness_push_event(c.video, gst_event_new_flush_start());
        gst_harness_push_event(c.video, gst_event_new_flush_stop(TRUE));
        gst_harness_push_event(c.video, gst_event_new_segment(&segment));
        shows(&c, 1626, "idle");
        cues_stop(&c);
    }

    Cues c;
    c.video = filter_start(filter_make("strength", 1.0, "prompt", "idle", NULL), SMALL, FALSE);
    shows(&c, 0, "idle");
    gst_harness_push_event(c.video, gst_event_new_eos());
    c.text = gst_harness_new_with_element(c.video->element, "text_sink", NULL);
    gst_harness_set_src_caps_str(c.text, "text/x-raw,format=utf8");
    g_assert_cmpint(say(&c, "too late", GST_CLOCK_TIME_NONE, MS(5000)), ==, GST_FLOW_EOS);
    cues_stop(&c);
}

static void
there_is_one_pad_of_texts(void)
{
    GstElement *element = filter_make(NULL, NULL);
    GstPadTemplate *template = gst_element_get_pad_template(element, "text_sink");
    for (int i = 0; i < 2; i++) {
        GstPad *pad = gst_element_request_pad(element, template, NULL, NULL);
        g_assert_nonnull(pad);
        g_assert_null(gst_element_request_pad(element, template, NULL, NULL));
        gst_element_release_request_pad(element, pad);
        gst_object_unref(pad);
    }
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

/* Row 26, as a user would: subtitles in, prompts at their times out. */
static void
subtitles_are_prompts(void)
{
    static const char srt[] = "1\n00:00:00,200 --> 00:00:00,400\none\n\n"
                              "2\n00:00:00,600 --> 00:00:00,800\ntwo\n\n";
    static const char *const prompts[] = {"idle", "one", "idle", "two", "idle"};
    char *dir = testdir_new(), *path = testdir_path(dir, "p.srt");
    char *line = g_strdup_printf(
        "videotestsrc num-buffers=10 ! video/x-raw,format=RGB,width=16,height=16,framerate=10/1 ! "
        "identity sleep-time=20000 ! "
        "sanaimg2img name=e prompt=idle strength=1 model-path=fake: ! appsink name=out sync=false "
        "filesrc location=%s ! subparse ! e.text_sink",
        path);
    Pipe pipe;

    testdir_write_text(dir, "p.srt", srt);
    if (!gst_registry_check_feature_version(gst_registry_get(), "subparse", 1, 0, 0)) {
        g_test_skip("GStreamer's subparse is not installed");
    } else {
        pipe_open(&pipe, line);
        /* texts first, as video does not wait */
        pipe_play(&pipe);
        for (guint n = 0; n < 10; n++) {
            guint8 want[3], pixel[3];
            GstSample *sample = pipe_pull(&pipe);
            g_assert_nonnull(sample);
            gst_buffer_extract(gst_sample_get_buffer(sample), 300, pixel, 3);
            gst_sample_unref(sample);
            fake_sana_colour(prompts[n / 2], 0, 1, 4.5, want);
            g_assert_cmpmem(pixel, 3, want, 3);
        }
        g_assert_null(pipe_pull(&pipe));
        g_assert_true(pipe_eos(&pipe));
        pipe_close(&pipe);
    }
    g_free(line);
    g_free(path);
    testdir_free(dir);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/cues/" #f, f)
    TEST(a_cue_is_on_for_its_time);
    TEST(a_cue_without_times_is_on_at_once);
    TEST(of_two_with_one_start_the_later_counts);
    TEST(cues_follow_their_segment);
    TEST(the_next_cue_is_encoded_ahead);
    TEST(a_full_pad_waits_and_is_let_go);
    TEST(long_texts_fill_a_pad_by_their_bytes);
    TEST(a_flush_forgets_cues);
    TEST(a_seek_forgets_cues_in_every_run);
    TEST(events_of_texts_stay_there);
    TEST(bad_texts_are_left_out);
    TEST(a_pad_that_comes_late_knows_the_time);
    TEST(there_is_one_pad_of_texts);
    TEST(subtitles_are_prompts);
    return g_test_run();
}
