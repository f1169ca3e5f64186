/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of sanaimg2img share: an element between two pads, pictures, and what it said. */
#ifndef SANA_TESTS_IMG2IMG_H
#define SANA_TESTS_IMG2IMG_H

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "element_util.h"
#include "fake_sana.h"

#define SMALL "video/x-raw,format=RGB,width=64,height=32,framerate=25/1"

/* An element with the properties given, not started, with a bus. */
GstElement *filter_make(const char *first_property, ...) G_GNUC_NULL_TERMINATED;

/* Starts `element` (taken) behind a source that is live or not and pushes caps and segment. */
GstHarness *filter_start(GstElement *element, const char *caps, gboolean live);
void filter_stop(GstHarness *h);

/* Noise as a picture of these caps; the same for the same seed; frame n of the caps' rate. */
GstBuffer *filter_picture(const char *caps, guint seed, guint n);

/* The picture of fixed caps. */
void filter_info(GstVideoInfo *info, const char *caps);

/* What comes out of `buffer` (taken). */
GstBuffer *filter_through(GstHarness *h, GstBuffer *buffer);

/* The next message of these types within 5 s; NULL: none came. */
GstMessage *filter_message(GstElement *element, GstMessageType types);
/* An ERROR must have come, of this domain and code, with this in its sentence. */
void filter_expect_error(GstElement *element, GQuark domain, gint code, const char *part);
void filter_expect_no_error(GstElement *element);

/* What the element's source pad answers. */
void filter_query_latency(GstHarness *h, gboolean *live, GstClockTime *min, GstClockTime *max);

/* Waits up to 5 s until *value (atomic) is at least `least`. */
void filter_wait_for(const gint *value, gint least);

/* Pushes from a thread of its own; join returns the last flow. */
typedef struct {
    GstHarness *h;
    const char *caps;
    guint count; /* pictures, then EOS if `eos` */
    gboolean eos;
    gint pushed; /* atomic */
    GThread *thread;
} Pusher;
void pusher_start(Pusher *pusher);
GstFlowReturn pusher_join(Pusher *pusher);

/* Everything that crosses the harness's sink pad, in order, as words such as "buffer:40" (ms),
 * "caps", "eos", "query:drain" and the names of custom events. */
typedef struct {
    GMutex lock;
    GString *words;
} Recorder;
void recorder_init(Recorder *recorder, GstHarness *h);
char *recorder_finish(Recorder *recorder); /* (g_free) */

/* What began then (monotonic) must have taken less than half a second. */
void expect_quick(gint64 begin, const char *what);

void add_flow_tests(void);
void add_stop_tests(void);
void add_caps_tests(void);
void add_picture_tests(void);
void add_geometry_tests(void);
void add_blend_tests(void);
void add_colour_tests(void);
void add_buffer_tests(void);
void add_live_tests(void);
void add_values_tests(void);

#endif
