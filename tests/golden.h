/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The golden cases of tests/golden: what diffusers computed, and the model directories it used.
 *
 * make_golden.py says what a case holds.  Everything here ends the test with a message when a file
 * is not as it should be.
 */
#ifndef SANA_TESTS_GOLDEN_H
#define SANA_TESTS_GOLDEN_H

#include "engine/config.h"
#include "engine/safetensors.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum {
    GOLDEN_TEXT_TO_IMAGE,
    GOLDEN_IMAGE_TO_IMAGE,
    GOLDEN_ENCODE,      /* prompt embedding alone */
    GOLDEN_TRANSFORMER, /* the network alone, without pipelines */
} GoldenCall;

#define GOLDEN_MAX_TIMESTEPS 16

typedef struct {
    char *name;
    GoldenCall call;
    SanaJson *json; /* owns the strings below */
    SanaSafetensors *data;

    const char *transformer, *vae, *text_encoder, *scheduler; /* tests/golden/<component>/<it> */
    const char *text_encoder_config; /* tests/golden/configs/<it>.json, or NULL */
    const char *prompt;              /* NULL: given_embeds */
    const char *instruction;         /* NULL: the default */
    int max_sequence_length;         /* 0: the default */

    int width, height, steps, n_images;
    double guidance_scale, max_timesteps, intermediate_timesteps, strength;
    double timesteps[GOLDEN_MAX_TIMESTEPS]; /* where has_timesteps */
    bool has_timesteps, continuous, binning;
    guint64 seed;
    double bf16_db;            /* diffusers' bf16 picture against its f32 one; 0: no picture */
    double timestep, guidance; /* GOLDEN_TRANSFORMER */
} Golden;

/* Names of all cases, sorted; g_strfreev(). */
char **golden_names(void);

/* The folder of golden data: what SANA_GOLDEN_DIR in the environment says, or the source tree's. */
const char *golden_root(void);

Golden *golden_open(const char *name);
void golden_free(Golden *g);

/* A stored tensor's floats (bytes), and how many; NULL where the case has none of that name. */
const float *golden_floats(const Golden *g, const char *tensor, size_t *count);
const guint8 *golden_bytes(const Golden *g, const char *tensor, size_t *count);
/* Size of dimension `dim` of a tensor that is there. */
int golden_dim(const Golden *g, const char *tensor, int dim);

/* The case's model directory, made of links in a new temporary directory. */
char *golden_assemble(const Golden *g);
/* Removes it and frees the path. */
void golden_discard(char *directory);

/* ‖a − b‖ / ‖b‖.  Not a number anywhere in a gives infinity. */
double golden_error(const float *a, const float *b, size_t count);
/* Of pictures in [−1, 1]: peak 2. */
double golden_psnr(const float *a, const float *b, size_t count);

/* --- taps ------------------------------------------------------------------------------------- */

/* Compares inner tensors with the case's taps as they pass by. */
typedef struct GoldenTaps GoldenTaps;

GoldenTaps *golden_taps_new(const Golden *g);
void golden_taps_free(GoldenTaps *t);

/* A SanaTapFloats.  user: GoldenTaps.  The first tensor of a name counts; of the text encoder, the
 * last position of the last one. */
void golden_taps_see(const char *name, const float *values, int h, int w, int c, void *user);

/* How many tensors were compared, and the largest error among them. */
int golden_taps_compared(const GoldenTaps *t, double *worst);
/* In the order they were computed, the first that is further off than `bound`, in words; NULL where
 * none is.  g_free(). */
char *golden_taps_first_wrong(const GoldenTaps *t, double bound);
/* Names that were seen and are not in the case, separated by spaces; "" where none.  g_free(). */
char *golden_taps_unknown(const GoldenTaps *t);
/* Names that are in the case and were not seen, likewise; without those that cannot be, because
 * another tensor here has their values or none has. */
char *golden_taps_missing(const GoldenTaps *t);

G_END_DECLS
#endif
