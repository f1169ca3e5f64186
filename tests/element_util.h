/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pipelines of one element under test, on the fake model. */
#ifndef ELEMENT_UTIL_H
#define ELEMENT_UTIL_H

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

/* What a test may wait for anything that is to come. */
#define ENOUGH (20 * GST_SECOND)

/* GStreamer, GTest and both elements, with no model of the environment's. */
void element_test_init(int *argc, char ***argv);

/* How long this process has stood still, in microseconds, as seen by a thread of
 * element_test_init(). */
gint64 element_test_stood_still(void);

/* g_get_monotonic_time() less that: what to measure by how long something takes on a machine that
 * others use. */
gint64 element_test_time(void);

/* The first of these elements that is not installed; NULL: all are there. */
const char *element_test_missing(const char *element, ...) G_GNUC_NULL_TERMINATED;

/* TRUE after marking the test as skipped, for want of the one that is missing. */
gboolean element_test_skips(const char *missing);

/* A pipeline from a launch line.  The element under test is named "e", the appsink "out"; both may
 * be missing. */
typedef struct {
    GstElement *bin, *element;
    GstAppSink *out;
    GstBus *bus;
} Pipe;

void pipe_open(Pipe *pipe, const char *line);
void pipe_play(Pipe *pipe);       /* to PLAYING, which must not fail at once */
GstSample *pipe_pull(Pipe *pipe); /* NULL at EOS, after an error, or after ENOUGH */
gboolean pipe_eos(Pipe *pipe);    /* whether EOS came, within ENOUGH, before any error */

/* The next message of the kinds, within ENOUGH. */
GstMessage *pipe_message(Pipe *pipe, GstMessageType types);

/* Waits for an ERROR of the element; asserts its code and a piece of its sentence. */
void pipe_assert_error(Pipe *pipe, GQuark domain, int code, const char *piece);

/* To NULL, and how long that took, in milliseconds of element_test_time(). */
int pipe_stop(Pipe *pipe);
void pipe_close(Pipe *pipe);

/* After buffer n has passed the pad, sets the element's prompt to prompts[n + 1]. */
void prompt_changer_add(GstPad *pad, GstElement *element, const char *const *prompts, guint count);

#endif
