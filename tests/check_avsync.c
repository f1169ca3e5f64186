/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Picture and sound of one moment leave the sinks at one moment, though restyling takes three times
 * as long as a frame lasts; and without sanaimg2img's answer to the LATENCY query they do not.
 */
#include "element_util.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RATE 30
#define FRAME (GST_SECOND / RATE)
#define SECONDS 7
/* A flash shows how old it is by its brightness; one of its frames is sure to be drawn. */
#define FLASH_FRAMES 6
#define FLASH_FIRST 60
#define FLASH_STEP 30
#define SAMPLES 48000

/* A camera with a flash, a microphone with a beep, both each second. */
typedef struct {
    GstElement *bin, *filter;
    GstBus *bus;
    GMutex lock;
    /* Clock time at which each second's flash and beep began, by what was handed off. */
    GstClockTime flash[SECONDS + 1], beep[SECONDS + 1];
} Scene;

static GstPadProbeReturn
light_up(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
    guint frame = gst_util_uint64_scale_round(GST_BUFFER_PTS(buffer), RATE, GST_SECOND) % RATE;

    gst_buffer_memset(buffer, 0, frame < FLASH_FRAMES ? FLASH_FIRST + FLASH_STEP * frame : 0,
                      gst_buffer_get_size(buffer));
    info->data = buffer;
    return GST_PAD_PROBE_OK;
}

/* What upstream says, as if the element took no time. */
static GstPadProbeReturn
suppress_latency(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    GstPad *sink;
    gboolean ok;

    if (GST_QUERY_TYPE(info->data) != GST_QUERY_LATENCY)
        return GST_PAD_PROBE_OK;
    sink = gst_element_get_static_pad(data, "sink");
    ok = gst_pad_peer_query(sink, info->data);
    gst_object_unref(sink);
    return ok ? GST_PAD_PROBE_HANDLED : GST_PAD_PROBE_DROP;
}

static GstClockTime
now(GstElement *element)
{
    return gst_element_get_current_running_time(element);
}

static void
begins(Scene *scene, GstClockTime *list, GstClockTime content, GstClockTime handoff)
{
    guint second = content / GST_SECOND;

    g_mutex_lock(&scene->lock);
    if (second <= SECONDS && list[second] == GST_CLOCK_TIME_NONE)
        list[second] = handoff - content % GST_SECOND;
    g_mutex_unlock(&scene->lock);
}

static void
show(GstElement *sink, GstBuffer *buffer, GstPad *pad, Scene *scene)
{
    GstClockTime handoff = now(sink);
    guint8 light;

    gst_buffer_extract(buffer, 0, &light, 1);
    if (light < FLASH_FIRST - FLASH_STEP / 2)
        return;
    guint frame = (light - FLASH_FIRST + FLASH_STEP / 2) / FLASH_STEP;
    /* the second that has just begun, and as much of it as the brightness tells */
    GstClockTime second = (GST_BUFFER_PTS(buffer) + FRAME / 2) / GST_SECOND;
    begins(scene, scene->flash, second * GST_SECOND + frame * FRAME, handoff);
}

static void
sound(GstElement *sink, GstBuffer *buffer, GstPad *pad, Scene *scene)
{
    GstClockTime handoff = now(sink);
    GstMapInfo map;

    g_assert_true(gst_buffer_map(buffer, &map, GST_MAP_READ));
    const gint16 *samples = (const gint16 *)map.data;
    for (guint n = 0; n < map.size / 2; n++) {
        if (abs(samples[n]) > 2000) {
            GstClockTime into = gst_util_uint64_scale(n, GST_SECOND, SAMPLES);
            GstClockTime content = GST_BUFFER_PTS(buffer) + into;
            begins(scene, scene->beep, content, handoff + into);
            break;
        }
    }
    gst_buffer_unmap(buffer, &map);
}

static void
scene_open(Scene *scene, gboolean suppress)
{
    GError *error = NULL;
    GstPad *pad;

    memset(scene, 0, sizeof *scene);
    memset(scene->flash, 0xff, sizeof scene->flash);
    memset(scene->beep, 0xff, sizeof scene->beep);
    scene->bin = gst_parse_launch(
        "videotestsrc name=camera is-live=true ! video/x-raw,format=RGB,width=16,height=16,"
        "framerate=30/1 ! queue ! sanaimg2img name=e model-path=fake:copy,frame=100 ! queue ! "
        "fakesink name=screen sync=true signal-handoffs=true "
        "audiotestsrc is-live=true wave=ticks samplesperbuffer=480 ! "
        "audio/x-raw,format=S16LE,rate=48000,channels=1 ! "
        "queue max-size-time=3000000000 max-size-buffers=0 max-size-bytes=0 ! "
        "fakesink name=speaker sync=true signal-handoffs=true",
        &error);
    g_assert_no_error(error);
    scene->bus = gst_element_get_bus(scene->bin);
    scene->filter = gst_bin_get_by_name(GST_BIN(scene->bin), "e");
    GstElement *camera = gst_bin_get_by_name(GST_BIN(scene->bin), "camera");
    GstElement *screen = gst_bin_get_by_name(GST_BIN(scene->bin), "screen");
    GstElement *speaker = gst_bin_get_by_name(GST_BIN(scene->bin), "speaker");
    pad = gst_element_get_static_pad(camera, "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, light_up, NULL, NULL);
    gst_object_unref(pad);
    g_signal_connect(screen, "handoff", G_CALLBACK(show), scene);
    g_signal_connect(speaker, "handoff", G_CALLBACK(sound), scene);
    if (suppress) {
        pad = gst_element_get_static_pad(scene->filter, "src");
        gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM, suppress_latency, scene->filter,
                          NULL);
        gst_object_unref(pad);
    }
    gst_object_unref(camera);
    gst_object_unref(screen);
    gst_object_unref(speaker);
    g_assert_cmpint(gst_element_set_state(scene->bin, GST_STATE_PLAYING), !=,
                    GST_STATE_CHANGE_FAILURE);
}

/* As every application does. */
static void
scene_serve(Scene *scene)
{
    GstMessage *message;

    while ((message = gst_bus_pop_filtered(scene->bus, GST_MESSAGE_LATENCY | GST_MESSAGE_ERROR))) {
        g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_LATENCY);
        gst_bin_recalculate_latency(GST_BIN(scene->bin));
        gst_message_unref(message);
    }
}

static void
scene_close(Scene *scene)
{
    gst_element_set_state(scene->bin, GST_STATE_NULL);
    gst_object_unref(scene->filter);
    gst_object_unref(scene->bus);
    gst_object_unref(scene->bin);
}

static int
compare(const void *a, const void *b)
{
    const GstClockTimeDiff *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* By how much the picture is later than the sound, in the median of all seconds but the first. */
static GstClockTimeDiff
median_delay(Scene *scene, const char *what)
{
    GstClockTimeDiff delays[SECONDS + 1];
    guint n = 0;

    for (guint second = 1; second <= SECONDS; second++) {
        if (scene->flash[second] == GST_CLOCK_TIME_NONE ||
            scene->beep[second] == GST_CLOCK_TIME_NONE)
            continue;
        delays[n] = GST_CLOCK_DIFF(scene->beep[second], scene->flash[second]);
        g_test_message("%s: second %u, picture %" G_GINT64_FORMAT " us after the sound", what,
                       second, delays[n] / 1000);
        n++;
    }
    g_assert_cmpuint(n, >=, SECONDS - 2);
    qsort(delays, n, sizeof delays[0], compare);
    return delays[n / 2];
}

static void
keeps_picture_and_sound_together(void)
{
    Scene told, untold;
    gint64 before = element_test_stood_still();

    scene_open(&told, FALSE);
    scene_open(&untold, TRUE);
    for (int n = 0; n < (SECONDS * 10 + 8) * 2; n++) {
        g_usleep(50000);
        scene_serve(&told);
        scene_serve(&untold);
    }
    scene_close(&told);
    scene_close(&untold);
    gint64 still = element_test_stood_still() - before;
    if (still > SECONDS * 100 * G_TIME_SPAN_MILLISECOND) {
        g_test_skip("the machine stood still too often to see or hear it well");
        return;
    }
    g_assert_cmpint(ABS(median_delay(&told, "latency told")), <=, FRAME);
    g_assert_cmpint(median_delay(&untold, "latency not told"), >, FRAME);
}

/* Threads of this process by name prefix: the least of their nice values, G_MAXINT for none. */
static int
least_nice(const char *prefix)
{
    GDir *tasks = g_dir_open("/proc/self/task", 0, NULL);
    const char *id;
    int least = G_MAXINT;

    while (tasks && (id = g_dir_read_name(tasks))) {
        char *path = g_build_filename("/proc/self/task", id, "comm", NULL), *name = NULL;
        if (g_file_get_contents(path, &name, NULL, NULL) && g_str_has_prefix(name, prefix))
            least = MIN(least, getpriority(PRIO_PROCESS, (id_t)atoi(id)));
        g_free(name);
        g_free(path);
    }
    if (tasks)
        g_dir_close(tasks);
    return least;
}

/* How much later than this process the threads compute that a model of these words has. */
static void
niceness(const char *words, int *compute, int *prompt)
{
    Pipe pipe;
    const int ours = getpriority(PRIO_PROCESS, 0);
    char *line = g_strdup_printf("videotestsrc ! video/x-raw,width=16,height=16 ! "
                                 "sanaimg2img model-path=fake:frame=20,%s ! "
                                 "appsink name=out sync=false",
                                 words);
    pipe_open(&pipe, line);
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    *compute = least_nice("sana-compute");
    *prompt = least_nice("sana-prompt");
    pipe_close(&pipe);
    g_free(line);
    g_test_message("nice %d here, %d computing, %d encoding prompts", ours, *compute, *prompt);
    g_assert_cmpint(*compute, !=, G_MAXINT);
    g_assert_cmpint(*prompt, !=, G_MAXINT);
    *compute -= ours;
    *prompt -= ours;
}

/* What captures, shows or encodes on the same processor comes first; a GPU waits for nobody. */
static void
computes_when_others_are_served(void)
{
    int compute = 0, prompt = 0;

#ifndef __linux__
    g_test_skip("a thread has no nice value of its own here");
    return;
#endif
    if (getpriority(PRIO_PROCESS, 0) >= 19) {
        g_test_skip("this process has the highest nice value there is");
        return;
    }
    niceness("factor=8", &compute, &prompt);
    g_assert_cmpint(compute, >, 0);
    g_assert_cmpint(prompt, ==, compute);
    niceness("own-memory", &compute, &prompt);
    g_assert_cmpint(compute, ==, 0);
    g_assert_cmpint(prompt, ==, 0);
    niceness("cuda text-encoder-device=cpu", &compute, &prompt);
    g_assert_cmpint(compute, ==, 0);
    g_assert_cmpint(prompt, >, 0);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
    g_test_add_func("/avsync/computes_when_others_are_served", computes_when_others_are_served);
    g_test_add_func("/avsync/keeps_picture_and_sound_together", keeps_picture_and_sound_together);
    return g_test_run();
}
