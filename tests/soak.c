/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What takes minutes: memory over a long run and over many starts, with the bundled model.  Run by
 * scripts/soak; prints TAP with the figures.
 *
 *   soak play MINUTES    the demo's line, live; the median of resident memory in the last whole
 *                        minute less that in the third must be at most 4 MiB
 *   soak cycles ROUNDS   play, stop, play; the median of the last fifth less that of the second
 *                        fifth must be at most 4 MiB
 *   soak caps ROUNDS     as many renegotiations, likewise
 */
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024.0 * 1024.0)
#define LIMIT 4.0 /* MiB */

/* Resident memory in MiB, of what is in use: freed memory is given back first. */
static double
resident(void)
{
    g_autofree char *text = NULL;
    long pages = 0;

    malloc_trim(0);
    if (g_file_get_contents("/proc/self/statm", &text, NULL, NULL))
        sscanf(text, "%*s %ld", &pages);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / MIB;
}

static int
compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static double
median(const double *values, guint from, guint to)
{
    guint n = to - from;
    g_autofree double *sorted = g_new(double, n);

    memcpy(sorted, values + from, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    return sorted[n / 2];
}

static int
verdict(const char *what, double before, double after)
{
    gboolean ok = after - before <= LIMIT;

    printf("1..1\n%sok 1 %s # %.1f MiB, then %.1f MiB: %+.1f MiB\n", ok ? "" : "not ", what, before,
           after, after - before);
    return !ok;
}

static GstElement *
launch(const char *line)
{
    g_autoptr(GError) error = NULL;
    GstElement *pipeline = gst_parse_launch(line, &error);

    if (!pipeline) {
        printf("Bail out! %s\n", error->message);
        exit(1);
    }
    return pipeline;
}

static void
stop_on_error(GstElement *pipeline)
{
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);

    if (message) {
        g_autoptr(GError) error = NULL;
        gst_message_parse_error(message, &error, NULL);
        printf("Bail out! %s\n", error->message);
        exit(1);
    }
    /* an application that never looks would keep them all */
    while ((message = gst_bus_pop(bus)))
        gst_message_unref(message);
    gst_object_unref(bus);
}

/* One frame must come within a minute. */
static void
pull_one(GstElement *pipeline, GstElement *out)
{
    GstSample *sample = gst_app_sink_try_pull_sample(GST_APP_SINK(out), 60 * GST_SECOND);

    stop_on_error(pipeline);
    if (!sample) {
        printf("Bail out! no frame within a minute\n");
        exit(1);
    }
    gst_sample_unref(sample);
}

static int
play(guint minutes)
{
    GstElement *pipeline =
        launch("videotestsrc is-live=true pattern=ball ! "
               "video/x-raw,format=I420,width=256,height=192,framerate=30/1 ! "
               "sanaimg2img prompt=\"an oil painting\" strength=0.35 post-messages=true ! "
               "videoconvert ! fakesink sync=true");
    guint n = minutes * 60;
    g_autofree double *values = g_new0(double, n);

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (guint second = 0; second < n; second++) {
        g_usleep(G_USEC_PER_SEC);
        stop_on_error(pipeline);
        values[second] = resident();
        if (second % 60 == 59)
            printf("# minute %u: %.1f MiB\n", second / 60,
                   median(values, second / 60 * 60, second + 1));
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    guint first = MIN(2, minutes - 1), last = minutes - 1;
    return verdict("memory stays while playing", median(values, first * 60, first * 60 + 60),
                   median(values, last * 60, last * 60 + 60));
}

static int
cycles(guint rounds)
{
    GstElement *pipeline = launch("videotestsrc ! video/x-raw,width=128,height=96,framerate=25/1 ! "
                                  "sanaimg2img ! appsink name=out sync=false max-buffers=2");
    GstElement *out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
    g_autofree double *values = g_new0(double, rounds);
    gint64 longest = 0;

    for (guint n = 0; n < rounds; n++) {
        gst_element_set_state(pipeline, GST_STATE_PLAYING);
        pull_one(pipeline, out);
        gint64 begin = g_get_monotonic_time();
        gst_element_set_state(pipeline, GST_STATE_NULL);
        longest = MAX(longest, g_get_monotonic_time() - begin);
        values[n] = resident();
    }
    printf("# the longest stop took %.3f s\n", (double)longest * 1e-6);
    gst_object_unref(out);
    gst_object_unref(pipeline);
    return verdict("memory stays over play and stop", median(values, rounds / 5, 2 * rounds / 5),
                   median(values, 4 * rounds / 5, rounds));
}

static void
push(GstElement *in, int width, int height)
{
    g_autofree char *text =
        g_strdup_printf("video/x-raw,format=RGB,width=%d,height=%d,framerate=25/1", width, height);
    GstCaps *caps = gst_caps_from_string(text);
    GstBuffer *buffer =
        gst_buffer_new_allocate(NULL, (gsize)(width * 3 + 3) / 4 * 4 * height, NULL);

    gst_buffer_memset(buffer, 0, 100, gst_buffer_get_size(buffer));
    GstSample *sample = gst_sample_new(buffer, caps, NULL, NULL);
    gst_app_src_push_sample(GST_APP_SRC(in), sample);
    gst_sample_unref(sample);
    gst_buffer_unref(buffer);
    gst_caps_unref(caps);
}

static int
renegotiate(guint rounds)
{
    GstElement *pipeline = launch("appsrc name=in format=time do-timestamp=true ! sanaimg2img ! "
                                  "appsink name=out sync=false");
    GstElement *in = gst_bin_get_by_name(GST_BIN(pipeline), "in");
    GstElement *out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
    g_autofree double *values = g_new0(double, rounds);

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (guint n = 0; n < rounds; n++) {
        push(in, 64 + (int)(n % 5) * 24, 64 + (int)(n % 3) * 32);
        pull_one(pipeline, out);
        values[n] = resident();
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(in);
    gst_object_unref(out);
    gst_object_unref(pipeline);
    return verdict("memory stays over renegotiations", median(values, rounds / 5, 2 * rounds / 5),
                   median(values, 4 * rounds / 5, rounds));
}

int
main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    int n = argc == 3 ? atoi(argv[2]) : 0;
    if (n >= 4 && !strcmp(argv[1], "play")) /* its first quarter and its last */
        return play((guint)n);
    if (n >= 10 && !strcmp(argv[1], "cycles"))
        return cycles((guint)n);
    if (n >= 10 && !strcmp(argv[1], "caps"))
        return renegotiate((guint)n);
    fprintf(stderr, "usage: soak play MINUTES | cycles ROUNDS | caps ROUNDS (from 4 and 10 on)\n");
    return 2;
}
