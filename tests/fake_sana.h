/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stand-in for pipelines/sana.h, for tests of the elements: no network, only times, failures and
 * pixels that can be foretold.
 *
 * A model is a path that begins with "fake:" and goes on with any of these, separated by commas:
 *
 *   load=MS prompt=MS frame=MS   how long each takes (0); all end early when cancelled
 *   step=MS                      frames take this much longer for each step but the first (0)
 *   stubborn=MS                  frames, once cancelled, end this much later (0)
 *   factor=N native=N            of SanaModelInfo (8, 64)
 *   check=ERROR open=ERROR       sana_model_check(), sana_model_load() fail, ERROR being not-found,
 *                                malformed, unsupported, memory, settings or failed
 *   fail-frame=N                 the n-th frame of the process since fake_sana_forget() fails
 *   fail-from=N                  all fail from the n-th on
 *   nan-frame=N                  the n-th is not finite
 *   copy                         image-to-image returns its source
 *   own-memory                   of SanaModelInfo
 *   cuda                         own-memory, and the device that is said to be used is "cuda:0"
 *   id=TEXT                      nothing: makes another model of it
 *
 * Any other path is not there.  A prompt that begins with "refuse" is refused.  The device is "cpu"
 * and has f32 and bf16; "cuda" is missing.
 *
 * Of a frame's time an eighth is said to be encoding, half the transformer, the rest decoding.
 *
 * Pixels.  Text-to-image: pixel (x, y) of component c is the byte
 *     fake_sana_colour (…)[c] + x + 2 y   (mod 256)
 * and its place counts from the middle of the picture, so that a crop of the middle shows which
 * middle it is: x − width/2, y − height/2.  Image-to-image: round (source + strength · (colour −
 * source)), flat colour; with strength 0 a copy.  16-bit components are bytes times 257.  The
 * colour of a blend lies that far from one to the other.
 */
#ifndef FAKE_SANA_H
#define FAKE_SANA_H

#include "pipelines/sana.h"

/* What the colour depends on: all of the arguments. */
void fake_sana_colour(const char *prompt, guint64 seed, int steps, double guidance,
                      guint8 colour[3]);

/* Counts of the process, from any thread. */
typedef struct {
    int checks, loads;   /* calls of sana_model_check(), sana_model_load() */
    int models;          /* alive now */
    int sessions;        /* alive now */
    int prompts;         /* encoded, refused ones not counted */
    int blends;          /* of prompts, alive now */
    int frames;          /* finished, failed ones not counted */
    int videos;          /* of them, those of sana_session_restyle_video() */
    int videos_prepared; /* calls of sana_session_prepare_video() */
    int width, height;   /* of the last frame */
    int cancelled;       /* calls and loads that ended by cancellation */
    int released;        /* calls of sana_model_release_text_encoder() */
    int busy;            /* calls of one session that met another: always 0 */
} FakeSanaCounts;

void fake_sana_counts(FakeSanaCounts *counts);

/* Of SanaModelInfo. */
#define FAKE_SANA_WEIGHT_BYTES 1234

/* What was asked for last, from any thread; the strings live for ever. */
typedef struct {
    const char *device, *text_device; /* sana_model_load() */
    SanaPrecision precision;
    const char *text; /* sana_session_encode() */
    SanaPromptParams prompt;
    SanaParams params; /* of a frame */
} FakeSanaLast;

void fake_sana_last(FakeSanaLast *last);

/* Where the processor finds what is at an address of the device's memory; to be set by who gives
 * any. */
extern void *(*fake_sana_twin)(const void *address);

/* Zeroes checks, loads, prompts, frames, videos, videos_prepared, cancelled, released. */
void fake_sana_forget(void);

#endif
