/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a new prompt costs a live picture, in real time and with the real networks: restyles a live
 * 30 frames a second, sets a hundred prompts on the way, and prints how far apart the frames came,
 * in frames.  Fails if any two were more than five apart.
 *
 *   meson test -C build --benchmark prompts -v
 *   build/tests/bench_prompts [WIDTH HEIGHT [TRANSITION_MS [MODEL_DIRECTORY]]]
 */
#include "gst/gstsanaimg2img.h"

#include <gst/app/gstappsink.h>
#include <stdio.h>
#include <stdlib.h>

#define CHANGES 100
#define EVERY 3 /* frames from prompt to prompt */
#define FRAMES (CHANGES * EVERY + 30)
#define LONGEST 5
#define BINS 12

static const char *const things[] = {"a pencil sketch", "neon lights", "a watercolour",
                                     "lego bricks",     "a blueprint", "made of gold",
                                     "film noir",       "at night"};

typedef struct {
    GstElement *element;
    guint frames, changes;
} Changer;

/* In the thread that frames come in, so that changes are as regular as they. */
static GstPadProbeReturn
change(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Changer *c = data;
    if (c->frames++ % EVERY == 0 && c->changes < CHANGES) {
        /* never the same text twice, or it would not be encoded again */
        char *prompt =
            g_strdup_printf("%s, %u", things[c->changes % G_N_ELEMENTS(things)], c->changes);
        g_object_set(c->element, "prompt", prompt, NULL);
        g_free(prompt);
        c->changes++;
    }
    return GST_PAD_PROBE_OK;
}

static gboolean
await_start(GstBus *bus)
{
    GstMessage *message;
    while ((message = gst_bus_timed_pop_filtered(bus, 60 * GST_SECOND,
                                                 GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR))) {
        gboolean error = GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR;
        gboolean applied = gst_message_has_name(message, "sana-prompt-applied");
        gst_message_unref(message);
        if (error || applied)
            return applied;
    }
    return FALSE;
}

static guint
count_applied(GstBus *bus)
{
    GstMessage *message;
    guint n = 0;
    while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT))) {
        n += gst_message_has_name(message, "sana-prompt-applied");
        gst_message_unref(message);
    }
    return n;
}

/* Frames of the clock from one to the next, by arrival; returns the longest. */
static guint
measure(GstAppSink *out, guint frames, guint bins[BINS])
{
    const double frame = 1e6 / 30;
    gint64 last = 0;
    guint longest = 0;
    for (guint n = 0; n < frames; n++) {
        GstSample *sample = gst_app_sink_try_pull_sample(out, 20 * GST_SECOND);
        if (!sample)
            return G_MAXUINT;
        gst_sample_unref(sample);
        gint64 now = g_get_monotonic_time();
        if (last > 0) {
            guint gap = (guint)((double)(now - last) / frame + 0.5);
            longest = MAX(longest, gap);
            bins[MIN(gap, BINS - 1)]++;
        }
        last = now;
    }
    return longest;
}

int
main(int argc, char **argv)
{
    int width = argc > 2 ? atoi(argv[1]) : 128, height = argc > 2 ? atoi(argv[2]) : 96;
    int transition = argc > 3 ? atoi(argv[3]) : 0;
    const char *model = argc > 4 ? argv[4] : SANA_DEMO_MODEL;
    guint bins[BINS] = {0};

    gst_init(NULL, NULL);
    if (!GST_ELEMENT_REGISTER(sanaimg2img, NULL))
        return 1;
    char *line = g_strdup_printf("videotestsrc is-live=true pattern=ball ! "
                                 "video/x-raw,format=RGB,width=%d,height=%d,framerate=30/1 ! "
                                 "sanaimg2img name=e prompt=sepia strength=0.35 model-path=%s "
                                 "prompt-transition=%d000000 ! appsink name=out sync=false",
                                 width, height, model, transition);
    GstElement *bin = gst_parse_launch(line, NULL);
    GstElement *element = gst_bin_get_by_name(GST_BIN(bin), "e");
    GstElement *out = gst_bin_get_by_name(GST_BIN(bin), "out");
    GstBus *bus = gst_element_get_bus(bin);
    GstPad *pad = gst_element_get_static_pad(element, "sink");
    Changer changer = {element, 0, 0};

    gst_element_set_state(bin, GST_STATE_PLAYING);
    gboolean started = await_start(bus);
    while (started && gst_app_sink_try_pull_sample(GST_APP_SINK(out), 0))
        ;
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, change, &changer, NULL);
    guint longest = started ? measure(GST_APP_SINK(out), FRAMES, bins) : G_MAXUINT;
    printf("%dx%d, %d frames, %u prompts set, %u of them seen\n", width, height, FRAMES,
           changer.changes, count_applied(bus));
    for (guint i = 0; i < BINS; i++)
        if (bins[i] > 0)
            printf("%s%u frames apart: %u\n", i == BINS - 1 ? "≥ " : "", i, bins[i]);
    printf("longest: %u, at most %d are allowed\n", longest, LONGEST);
    gst_element_set_state(bin, GST_STATE_NULL);
    gst_object_unref(pad);
    gst_object_unref(bus);
    gst_object_unref(out);
    gst_object_unref(element);
    gst_object_unref(bin);
    g_free(line);
    return longest > LONGEST;
}
