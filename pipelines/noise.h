/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Standard normal noise equal to torch's CPU generator: torch.Generator("cpu").manual_seed(seed),
 * then torch.randn(n, generator=…) in f32 for each call of sana_generator_randn().
 *
 * The words of the Mersenne Twister (MT19937) and so the uniforms are the same, bit for bit.  The
 * values agree within 1e-6 (torch's own builds differ as much among themselves: its logarithm and
 * cosine depend on the processor), and are the same on every processor this runs on.
 *
 * A generator is plain data: copying it forks the sequence.  One thread at a time.
 */
#ifndef SANA_PIPELINES_NOISE_H
#define SANA_PIPELINES_NOISE_H

#include <glib.h>

G_BEGIN_DECLS

#define SANA_GENERATOR_WORDS 624

/* Opened only by noise.c. */
typedef struct SanaGenerator {
    guint32 state[SANA_GENERATOR_WORDS];
    guint32 words[SANA_GENERATOR_WORDS]; /* tempered output of this round */
    int used;                            /* words already given out */
    gboolean has_normal;                 /* the second value of the last pair drawn below 16 */
    double normal;
} SanaGenerator;

/* Starts the sequence of a seed.  Only its low 32 bits count, as in torch. */
void sana_generator_seed(SanaGenerator *g, guint64 seed);

/*
 * out: n floats, n ≥ 0.  Two kinds of draw, as torch has them:
 *
 *   n ≥ 16  n uniforms u = (word mod 2²⁴)·2⁻²⁴; blocks of 16 become r·cos θ (first eight) and
 *           r·sin θ (last eight) with r = √(−2 ln(1 − u[j])), θ = 2π·u[j + 8].  If n is not a
 *           multiple of 16 the last 16 values are made anew from 16 further uniforms.
 *   n < 16  pairs in double from 53-bit uniforms u1, u2: r = √(−2 ln(1 − u2)), θ = 2π·u1; r·cos θ
 *           is given and r·sin θ kept for the next value of such a call, also across calls.
 *
 * So n values drawn at once differ from the same n drawn in parts: a batch is one draw.
 */
void sana_generator_randn(SanaGenerator *g, float *out, gsize n);

G_END_DECLS
#endif
