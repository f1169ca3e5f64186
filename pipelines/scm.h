/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SCM sampling (TrigFlow), scalar maths only: which angles are visited, and what a step multiplies
 * its tensors with.  Pure functions, any thread.
 *
 * An angle t runs from about π/2 (noise) to 0 (picture): a latent at t is
 * cos t · x0 + sin t · σd · noise, with the standard deviation σd ("sigma_data", 0.5) of latents.
 *
 * Source: diffusers 0.42.1, schedulers/scheduling_scm.py and pipelines/sana/.  The reference keeps
 * angles in f32 and makes linspace in f32; the angles here are those f32 values, held in doubles.
 */
#ifndef SANA_PIPELINES_SCM_H
#define SANA_PIPELINES_SCM_H

#include "pipelines/sana.h"

G_BEGIN_DECLS

#define SANA_MAX_STEPS 20

/*
 * Steps i = 0 … count − 1 go from angle t[i] to t[i + 1]; t[count] is 0 and entries beyond are 0.
 * count = 0: there is nothing to compute, the picture passes through (image-to-image only).
 */
typedef struct {
    int count;
    double t[SANA_MAX_STEPS + 1];
} SanaSchedule;

/*
 * Text-to-image.  Of params it reads steps (1 … 20), timesteps, max_timesteps (0 … π/2 + 1e-5),
 * intermediate_timesteps (to the same; it may lie above max_timesteps, as in the reference).
 *
 *   timesteps given          these steps + 1 angles, finite, each below the one before, within
 *                            0 … π/2 + 1e-5, the last 0; the two parameters below are not read
 *   steps 2, intermediate>0  max_timesteps, intermediate_timesteps, 0
 *   else                     linspace(max_timesteps, 0, steps + 1); intermediate_timesteps is
 *                            ignored where steps is not 2 (the reference raises there)
 *
 * FALSE: SANA_ERROR_SETTINGS naming parameter and range; the schedule is then untouched.
 */
gboolean sana_schedule_text(SanaSchedule *schedule, const SanaParams *params, GError **error);

/*
 * Image-to-image.  As above, and strength (0 … 1) by params->strength_mode:
 *
 *   CONTINUOUS  t0 = atan2(strength, 1 − strength), then linspace(t0, 0, steps + 1);
 *               max_timesteps and intermediate_timesteps are not read.  With `timesteps` given the
 *               caller has named the start angle, and they are used as they are: strength has then
 *               no say, except that 0 still passes the picture through.
 *   DIFFUSERS   the angles of text-to-image (custom ones too) less the first
 *               ⌊steps − min(steps · strength, steps)⌋, computed in double.
 *
 * Strength 0 gives count 0 in both modes, and so does a strength so small that DIFFUSERS drops
 * every step (the reference raises in both cases).
 */
gboolean sana_schedule_image(SanaSchedule *schedule, const SanaParams *params, GError **error);

/*
 * One step from angle t to t_next, for elements x of the latent, v of the network's output and
 * standard normal noise n:
 *
 *   v     = network(scale_in · x, time)
 *   x0    = x0_from_x · x + x0_from_v · v
 *   x'    = next_from_x0 · x0 + next_from_noise · n
 *
 * with s = sin t/(sin t + cos t), q = √(s² + (1 − s)²):
 *   scale_in = q/σd    time = s (unscaled; 1.0000037 at 1.57080 is as the reference has it)
 *   x0_from_x = cos t − sin t·(1 − 2s)    x0_from_v = −sin t·σd·(1 − 2s + 2s²)/q = −sin t·σd·q
 *   next_from_x0 = cos t'    next_from_noise = sin t'·σd
 *
 * This is x0 = cos t·x − sin t·F, F = σd·((1 − 2s)·x_in + (1 − 2s + 2s²)·v)/q, collected.  The
 * reference's last step has t' = 0, where its noise is drawn and multiplied by zero.
 */
typedef struct {
    float scale_in;
    float time;
    float x0_from_x, x0_from_v;
    float next_from_x0, next_from_noise;
} SanaStepCoefficients;

SanaStepCoefficients sana_step_coefficients(double t, double t_next, double sigma_data);

/*
 * The start of image-to-image at angle t0 from the latent z = encode(picture)·scaling_factor·σd:
 *   x = from_latent · z + from_noise · n,   from_latent = cos t0, from_noise = sin t0 · σd
 */
typedef struct {
    float from_latent, from_noise;
} SanaStartCoefficients;

SanaStartCoefficients sana_start_coefficients(double t0, double sigma_data);

G_END_DECLS
#endif
