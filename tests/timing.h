/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of time and failure share beside img2img.h. */
#ifndef SANA_TESTS_TIMING_H
#define SANA_TESTS_TIMING_H

#include "img2img.h"

/* The three bytes in the middle of an RGB picture. */
guint32 timing_pixel(GstBuffer *buffer);
/* A flat picture of SMALL, frame n. */
GstBuffer *timing_flat(guint8 grey, guint n);

/* The next buffer; there must be one within 5 s. */
GstBuffer *timing_pull(GstHarness *h);
/* Pushes, which must be OK. */
void timing_push(GstHarness *h, GstBuffer *buffer);

/* Pushes so many pictures from another thread: each comes out in its turn, and none is dropped. */
void timing_drops_nothing(GstHarness *h, guint count);

/* A number of `stats`. */
guint64 timing_stat(GstElement *element, const char *name);
/* Frames that the model has finished since fake_sana_forget(). */
int timing_computed(void);
/* Messages of this type that have come so far; takes them. */
guint timing_messages(GstElement *element, GstMessageType type);

void add_timing_live_tests(void);
void add_timing_qos_tests(void);
void add_timing_pace_tests(void);
void add_timing_failure_tests(void);
void add_timing_stats_tests(void);
void add_timing_queue_tests(void);
void add_timing_play_tests(void);

#endif
