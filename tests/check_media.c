/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sanaimg2img among real demuxers, decoders, encoders and players, on files.  Where it should not
 * be noticed, the same pipeline runs with identity in its place and the two are compared.
 */
#include "element_util.h"
#include "fake_sana.h"
#include "testdir.h"

#include <glib/gstdio.h>
#include <string.h>

#define N_FRAMES 60
#define FRAME (GST_SECOND / 30)
#define COPY "sanaimg2img name=e model-path=fake:copy,frame=1 strength=0.5"
#define DECODE(file) "filesrc location=" file " ! qtdemux ! h264parse ! avdec_h264"

/* What a sink saw of a frame. */
typedef struct {
    GstClockTime pts, duration, running;
    int width, height;
    guint8 pixel[3]; /* in the middle */
} Seen;

static void
see(GArray *list, GstSample *sample)
{
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    GstVideoInfo info;
    GstVideoFrame frame;
    Seen seen = {GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer),
                 gst_segment_to_running_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                             GST_BUFFER_PTS(buffer))};

    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    g_assert_true(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ));
    seen.width = info.width;
    seen.height = info.height;
    for (guint c = 0; c < 3; c++) {
        guint p = GST_VIDEO_INFO_COMP_PLANE(&info, c);
        const guint8 *plane = GST_VIDEO_FRAME_PLANE_DATA(&frame, p);
        int x = GST_VIDEO_INFO_COMP_WIDTH(&info, c) / 2;
        int y = GST_VIDEO_INFO_COMP_HEIGHT(&info, c) / 2;
        seen.pixel[c] = plane[y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, p) +
                              x * GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, c) +
                              GST_VIDEO_FRAME_COMP_POFFSET(&frame, c)];
    }
    gst_video_frame_unmap(&frame);
    g_array_append_val(list, seen);
}

/* All that comes to the appsink until EOS. */
static GArray *
collect(Pipe *pipe)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Seen));
    GstSample *sample;

    while ((sample = pipe_pull(pipe))) {
        see(list, sample);
        gst_sample_unref(sample);
    }
    g_assert_true(gst_app_sink_is_eos(pipe->out));
    g_assert_null(gst_bus_pop_filtered(pipe->bus, GST_MESSAGE_ERROR));
    return list;
}

/* The times must be the same, and the pictures but for rounding. */
static void
assert_same(GArray *got, GArray *want)
{
    g_assert_cmpuint(got->len, ==, want->len);
    for (guint n = 0; n < got->len; n++) {
        const Seen *a = &g_array_index(got, Seen, n), *b = &g_array_index(want, Seen, n);
        g_assert_cmpuint(a->pts, ==, b->pts);
        g_assert_cmpuint(a->duration, ==, b->duration);
        g_assert_cmpuint(a->running, ==, b->running);
        g_assert_cmpint(a->width, ==, b->width);
        g_assert_cmpint(a->height, ==, b->height);
        for (int c = 0; c < 3; c++)
            g_assert_cmpint(ABS(a->pixel[c] - b->pixel[c]), <=, 3);
    }
}

typedef void (*Play)(Pipe *pipe);

/* The line, with its %s the element, played by `play`, as with identity.  Returns what came. */
static GArray *
as_identity(const char *format, Play play)
{
    const char *elements[] = {"identity name=e", COPY};
    GArray *seen[2];

    for (int i = 0; i < 2; i++) {
        char **parts = g_strsplit(format, "%s", -1);
        char *line = g_strjoinv(elements[i], parts);
        Pipe pipe;

        pipe_open(&pipe, line);
        play(&pipe);
        seen[i] = collect(&pipe);
        pipe_close(&pipe);
        g_strfreev(parts);
        g_free(line);
    }
    assert_same(seen[1], seen[0]);
    g_array_unref(seen[0]);
    return seen[1];
}

/* --- to a file and back ---------------------------------------------------------------------- */

static GPtrArray *
packets(const char *file, const char *pad)
{
    char *line = g_strdup_printf("filesrc location=%s ! qtdemux name=d d.%s ! "
                                 "appsink name=out sync=false",
                                 file, pad);
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)gst_buffer_unref);
    GstSample *sample;
    Pipe pipe;

    pipe_open(&pipe, line);
    pipe_play(&pipe);
    while ((sample = pipe_pull(&pipe))) {
        g_ptr_array_add(list, gst_buffer_ref(gst_sample_get_buffer(sample)));
        gst_sample_unref(sample);
    }
    pipe_close(&pipe);
    g_free(line);
    return list;
}

static void
assert_same_packets(GPtrArray *got, GPtrArray *want)
{
    g_assert_cmpuint(want->len, >, 10);
    g_assert_cmpuint(got->len, ==, want->len);
    for (guint n = 0; n < want->len; n++) {
        GstBuffer *buffer = got->pdata[n];
        GstMapInfo map;

        g_assert_true(gst_buffer_map(buffer, &map, GST_MAP_READ));
        g_assert_cmpuint(gst_buffer_get_size(want->pdata[n]), ==, map.size);
        g_assert_cmpint(gst_buffer_memcmp(want->pdata[n], 0, map.data, map.size), ==, 0);
        gst_buffer_unmap(buffer, &map);
        g_assert_cmpint(ABS(GST_CLOCK_DIFF(GST_BUFFER_PTS(buffer), GST_BUFFER_PTS(want->pdata[n]))),
                        <, GST_MSECOND);
    }
}

static gint64
length_of(const char *file)
{
    char *line = g_strdup_printf("filesrc location=%s ! qtdemux ! fakesink", file);
    gint64 length = 0;
    Pipe pipe;

    pipe_open(&pipe, line);
    gst_element_set_state(pipe.bin, GST_STATE_PAUSED);
    gst_element_get_state(pipe.bin, NULL, NULL, ENOUGH);
    g_assert_true(gst_element_query_duration(pipe.bin, GST_FORMAT_TIME, &length));
    pipe_close(&pipe);
    g_free(line);
    return length;
}

static void
leaves_the_sound_of_an_mp4_alone(void)
{
    Pipe pipe;

    if (element_test_skips(
            element_test_missing("x264enc", "avenc_aac", "avdec_h264", "aacparse", NULL)))
        return;
    pipe_open(&pipe,
              "filesrc location=clip.mp4 ! qtdemux name=in "
              "in.video_0 ! queue ! h264parse ! avdec_h264 ! videoconvert ! "
              "sanaimg2img model-path=fake:frame=5,load=100 ! "
              "videoconvert ! video/x-raw,format=I420 ! x264enc ! h264parse ! film. "
              "in.audio_0 ! queue max-size-time=0 max-size-buffers=0 max-size-bytes=0 ! "
              "aacparse ! film. mp4mux name=film faststart=true ! filesink location=out.mp4");
    pipe_play(&pipe);
    g_assert_true(pipe_eos(&pipe));
    pipe_close(&pipe);

    GPtrArray *got = packets("out.mp4", "audio_0"), *want = packets("clip.mp4", "audio_0");
    assert_same_packets(got, want);
    g_ptr_array_unref(got);
    g_ptr_array_unref(want);
    got = packets("out.mp4", "video_0");
    g_assert_cmpuint(got->len, ==, N_FRAMES);
    g_ptr_array_unref(got);
    gint64 difference = length_of("out.mp4") - length_of("clip.mp4");
    g_test_message("%" G_GINT64_FORMAT " ns longer", difference);
    g_assert_cmpint(ABS(difference), <, FRAME);
    g_remove("out.mp4");
}

/* --- what stands behind ---------------------------------------------------------------------- */

static void
takes_one_film_after_another(void)
{
    if (element_test_skips(element_test_missing("x264enc", "avdec_h264", NULL)))
        return;
    GArray *seen =
        as_identity("concat name=c ! queue ! %s ! appsink name=out sync=false " DECODE(
                        "clip.mp4") " ! c. " DECODE("clip.mp4") " ! c. " DECODE("clip.mp4") " ! c.",
                    pipe_play);
    g_assert_cmpuint(seen->len, ==, 3 * N_FRAMES);
    g_array_unref(seen);
}

static void
lets_videorate_change_the_rate(void)
{
    if (element_test_skips(element_test_missing("x264enc", "avdec_h264", NULL)))
        return;
    g_array_unref(as_identity(DECODE("clip.mp4") " ! %s ! videorate ! video/x-raw,framerate=50/1 ! "
                                                 "appsink name=out sync=false",
                              pipe_play));
    g_array_unref(as_identity(DECODE("clip.mp4") " ! videorate ! video/x-raw,framerate=25/2 ! %s ! "
                                                 "appsink name=out sync=false",
                              pipe_play));
}

static void
stands_before_a_compositor(void)
{
    guint8 left[3], right[3];
    GstSample *sample;
    guint n = 0;
    Pipe pipe;

    fake_sana_colour("left", 0, 1, 4.5, left);
    fake_sana_colour("right", 0, 1, 4.5, right);
    pipe_open(
        &pipe,
        "compositor name=c sink_1::xpos=16 ! video/x-raw,format=RGB,framerate=30/1 ! "
        "appsink name=out sync=false "
        "videotestsrc num-buffers=30 ! video/x-raw,format=RGB,width=16,height=16,"
        "framerate=30/1 ! tee name=t "
        "t. ! queue ! sanaimg2img model-path=fake:frame=3 strength=1 prompt=left ! c.sink_0 "
        "t. ! queue ! sanaimg2img model-path=fake:frame=9 strength=1 prompt=right ! c.sink_1");
    pipe_play(&pipe);
    while ((sample = pipe_pull(&pipe))) {
        guint8 row[32 * 3];
        gst_buffer_extract(gst_sample_get_buffer(sample), 0, row, sizeof row);
        g_assert_cmpmem(row + 8 * 3, 3, left, 3);
        g_assert_cmpmem(row + 24 * 3, 3, right, 3);
        gst_sample_unref(sample);
        n++;
    }
    g_assert_cmpuint(n, ==, 30);
    pipe_close(&pipe);
}

/* --- players --------------------------------------------------------------------------------- */

static void
is_a_video_filter_of_playbin(void)
{
    GstElement *bin, *sink, *filter;
    char *uri;
    guint8 want[3];

    if (element_test_skips(element_test_missing("x264enc", "avdec_h264", "avdec_aac", NULL)))
        return;
    fake_sana_colour("a look", 0, 1, 4.5, want);
    bin = gst_element_factory_make("playbin", NULL);
    filter = gst_element_factory_make("sanaimg2img", NULL);
    sink = gst_parse_bin_from_description("videoconvert ! video/x-raw,format=RGB ! "
                                          "appsink name=out sync=false",
                                          TRUE, NULL);
    uri = gst_filename_to_uri("clip.mp4", NULL);
    g_object_set(filter, "model-path", "fake:frame=2", "strength", 1.0, "prompt", "a look", NULL);
    g_object_set(bin, "uri", uri, "video-filter", filter, "video-sink", sink, "audio-sink",
                 gst_element_factory_make("fakesink", NULL), NULL);
    g_free(uri);
    Pipe pipe = {bin, NULL, GST_APP_SINK(gst_bin_get_by_name(GST_BIN(sink), "out")),
                 gst_element_get_bus(bin)};
    pipe_play(&pipe);
    GArray *seen = collect(&pipe);
    g_assert_cmpuint(seen->len, ==, N_FRAMES);
    for (guint n = 0; n < seen->len; n++)
        for (int c = 0; c < 3; c++) /* to Y'CbCr and back */
            g_assert_cmpint(ABS(g_array_index(seen, Seen, n).pixel[c] - want[c]), <=, 4);
    g_array_unref(seen);
    pipe_close(&pipe);
}

/* --- seeks ----------------------------------------------------------------------------------- */

static void
pause_pipe(Pipe *pipe)
{
    gst_element_set_state(pipe->bin, GST_STATE_PAUSED);
    g_assert_cmpint(gst_element_get_state(pipe->bin, NULL, NULL, ENOUGH), ==,
                    GST_STATE_CHANGE_SUCCESS);
}

/* Where in the film the frame is that waits in the sink. */
static GstClockTime
preroll(Pipe *pipe)
{
    GstSample *sample = gst_app_sink_try_pull_preroll(pipe->out, ENOUGH);

    g_assert_nonnull(sample);
    GstClockTime time = gst_segment_to_stream_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                                   GST_BUFFER_PTS(gst_sample_get_buffer(sample)));
    gst_sample_unref(sample);
    return time;
}

static void
seek_about(Pipe *pipe)
{
    const int frames[] = {37, 5, 59, 20, 21, 0, 44};

    pause_pipe(pipe);
    g_assert_cmpuint(preroll(pipe), <, FRAME + GST_MSECOND);
    for (guint n = 0; n < G_N_ELEMENTS(frames); n++) {
        /* into the frame, which therefore has to show */
        gint64 to = frames[n] * FRAME + FRAME / 2;
        g_assert_true(gst_element_seek_simple(pipe->bin, GST_FORMAT_TIME,
                                              GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, to));
        GstClockTime at = preroll(pipe);
        g_assert_cmpint(ABS(GST_CLOCK_DIFF(at, to)), <=, FRAME / 2 + GST_MSECOND);
    }
    pipe_play(pipe);
}

static void
seeks_to_the_frame_in_paused(void)
{
    if (element_test_skips(element_test_missing("x264enc", "avdec_h264", NULL)))
        return;
    GArray *seen =
        as_identity(DECODE("clip.mp4") " ! queue ! %s ! appsink name=out sync=false", seek_about);
    g_assert_cmpuint(seen->len, ==, N_FRAMES - 44);
    g_array_unref(seen);
}

static void
step_through(Pipe *pipe)
{
    GstClockTime last;

    pause_pipe(pipe);
    last = preroll(pipe);
    for (int n = 1; n < 10; n++) {
        g_assert_true(gst_element_send_event(
            GST_ELEMENT(pipe->out), gst_event_new_step(GST_FORMAT_BUFFERS, 1, 1.0, TRUE, FALSE)));
        GstMessage *message = pipe_message(pipe, GST_MESSAGE_STEP_DONE | GST_MESSAGE_ERROR);
        g_assert_nonnull(message);
        g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_STEP_DONE);
        gst_message_unref(message);
        GstClockTime at = preroll(pipe);
        g_assert_cmpint(ABS(GST_CLOCK_DIFF(last, at) - (gint64)FRAME), <, GST_MSECOND);
        last = at;
    }
    pipe_play(pipe);
}

static void
steps_by_frames(void)
{
    if (element_test_skips(element_test_missing("x264enc", "avdec_h264", NULL)))
        return;
    g_array_unref(
        as_identity(DECODE("clip.mp4") " ! %s ! appsink name=out sync=false", step_through));
}

static void
play_backwards(Pipe *pipe)
{
    pause_pipe(pipe);
    g_assert_true(gst_element_seek(pipe->bin, -1.0, GST_FORMAT_TIME,
                                   GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, GST_SEEK_TYPE_SET,
                                   0, GST_SEEK_TYPE_SET, N_FRAMES * FRAME));
    pipe_play(pipe);
}

static void
plays_a_film_backwards(void)
{
    if (element_test_skips(element_test_missing("x264enc", "avdec_h264", NULL)))
        return;
    GArray *seen = as_identity(DECODE("clip.mp4") " ! queue ! %s ! appsink name=out sync=false",
                               play_backwards);
    g_assert_cmpuint(seen->len, >=, N_FRAMES - 1);
    for (guint n = 1; n < seen->len; n++) {
        g_assert_cmpuint(g_array_index(seen, Seen, n).pts, <, g_array_index(seen, Seen, n - 1).pts);
        g_assert_cmpuint(g_array_index(seen, Seen, n).running, >,
                         g_array_index(seen, Seen, n - 1).running);
    }
    g_array_unref(seen);
}

/* --- while it plays -------------------------------------------------------------------------- */

static GstPadProbeReturn
held(GstPad *pad, GstPadProbeInfo *info, gpointer reached)
{
    g_atomic_int_set((gint *)reached, 1);
    return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
drained(GstPad *pad, GstPadProbeInfo *info, gpointer reached)
{
    if (GST_EVENT_TYPE(info->data) != GST_EVENT_EOS)
        return GST_PAD_PROBE_OK;
    g_atomic_int_set((gint *)reached, 1);
    return GST_PAD_PROBE_DROP;
}

static void
wait_for(const gint *reached)
{
    gint64 until = g_get_monotonic_time() + ENOUGH / 1000;

    while (!g_atomic_int_get(reached) && g_get_monotonic_time() < until)
        g_usleep(500);
    g_assert_true(g_atomic_int_get(reached));
}

static gulong
hold(GstPad *pad, gint *reached)
{
    gulong probe = gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, held, reached, NULL);
    wait_for(reached);
    return probe;
}

static GstElement *
insert(GstElement *before, GstElement *after)
{
    GstElement *element = gst_element_factory_make("sanaimg2img", NULL);
    GstPad *pad = gst_element_get_static_pad(before, "src");
    gint reached = 0;
    gulong probe = hold(pad, &reached);

    g_object_set(element, "model-path", "fake:copy,load=20,frame=1", NULL);
    gst_element_unlink(before, after);
    gst_bin_add(GST_BIN(GST_OBJECT_PARENT(before)), element);
    g_assert_true(gst_element_link_many(before, element, after, NULL));
    g_assert_true(gst_element_sync_state_with_parent(element));
    gst_pad_remove_probe(pad, probe);
    gst_object_unref(pad);
    return element;
}

static void
take_out(GstElement *before, GstElement *element, GstElement *after)
{
    GstPad *pad = gst_element_get_static_pad(before, "src");
    GstPad *in = gst_element_get_static_pad(element, "sink");
    GstPad *out = gst_element_get_static_pad(element, "src");
    gint reached = 0, empty = 0;
    gulong probe = hold(pad, &reached);

    gst_pad_add_probe(out, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, drained, &empty, NULL);
    gst_pad_send_event(in, gst_event_new_eos());
    wait_for(&empty);
    gst_element_set_state(element, GST_STATE_NULL);
    g_assert_true(gst_bin_remove(GST_BIN(GST_OBJECT_PARENT(before)), element));
    g_assert_true(gst_element_link(before, after));
    gst_pad_remove_probe(pad, probe);
    gst_object_unref(pad);
    gst_object_unref(in);
    gst_object_unref(out);
}

static GstPadProbeReturn
count(GstPad *pad, GstPadProbeInfo *info, gpointer passed)
{
    g_atomic_int_inc((gint *)passed);
    return GST_PAD_PROBE_OK;
}

static void
comes_and_goes_while_playing(void)
{
    GstSample *sample;
    gint n_made = 0;
    guint n = 0;
    Pipe pipe;

    /* the sink sets the pace, and takes what comes whatever this thread does; the source goes on
     * until this thread has seen enough, however late that is */
    pipe_open(&pipe, "videotestsrc ! video/x-raw,format=RGB,width=16,height=16,"
                     "framerate=200/1 ! queue name=before max-size-buffers=3 ! "
                     "queue name=after max-size-buffers=3 ! appsink name=out sync=true");
    GstElement *before = gst_bin_get_by_name(GST_BIN(pipe.bin), "before");
    GstElement *after = gst_bin_get_by_name(GST_BIN(pipe.bin), "after");
    GstElement *element = NULL;
    FakeSanaCounts counts;

    GstPad *pad = gst_element_get_static_pad(before, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, count, &n_made, NULL);
    gst_object_unref(pad);
    fake_sana_forget();
    pipe_play(&pipe);
    while ((sample = pipe_pull(&pipe))) {
        g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), ==,
                         gst_util_uint64_scale(n, GST_SECOND, 200));
        gst_sample_unref(sample);
        if (n % 20 == 5 && n < 280)
            element = insert(before, after);
        else if (n % 20 == 15 && n < 280)
            take_out(before, element, after);
        if (++n == 280)
            g_assert_true(gst_element_send_event(pipe.bin, gst_event_new_eos()));
    }
    g_assert_cmpuint(n, >=, 280);
    g_assert_cmpuint(n, ==, (guint)g_atomic_int_get(&n_made));
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.frames, >=, 14);
    g_assert_null(gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
    gst_object_unref(before);
    gst_object_unref(after);
    pipe_close(&pipe);
}

/* A film with sound. */
static void
make_clip(void)
{
    Pipe pipe;

    if (element_test_missing("x264enc", "avenc_aac", NULL))
        return;
    pipe_open(&pipe,
              "videotestsrc num-buffers=60 pattern=ball ! video/x-raw,format=I420,width=64,"
              "height=48,framerate=30/1 ! x264enc key-int-max=12 bframes=2 ! mp4mux name=m ! "
              "filesink location=clip.mp4 "
              "audiotestsrc num-buffers=94 ! audio/x-raw,rate=48000 ! avenc_aac ! m.");
    pipe_play(&pipe);
    g_assert_true(pipe_eos(&pipe));
    pipe_close(&pipe);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
    char *dir = testdir_new();
    g_assert_cmpint(g_chdir(dir), ==, 0);
    make_clip();
#define TEST(f) g_test_add_func("/media/" #f, f)
    TEST(leaves_the_sound_of_an_mp4_alone);
    TEST(takes_one_film_after_another);
    TEST(lets_videorate_change_the_rate);
    TEST(stands_before_a_compositor);
    TEST(is_a_video_filter_of_playbin);
    TEST(seeks_to_the_frame_in_paused);
    TEST(steps_by_frames);
    TEST(plays_a_film_backwards);
    TEST(comes_and_goes_while_playing);
    int failed = g_test_run();
    testdir_free(dir);
    return failed;
}
