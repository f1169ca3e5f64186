/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pipelines/scm.h"

#include <math.h>
#include <string.h>

#define MAX_ANGLE (G_PI_2 + 1e-5)

static gboolean
check_steps(int steps, GError **error)
{
    if (steps >= 1 && steps <= SANA_MAX_STEPS)
        return TRUE;
    g_set_error(error, SANA_ERROR, SANA_ERROR_SETTINGS, "steps is %d; it must be from 1 to %d",
                steps, SANA_MAX_STEPS);
    return FALSE;
}

/* Written so that a NaN fails. */
static gboolean
check_range(const char *name, double value, double low, double high, GError **error)
{
    if (value >= low && value <= high)
        return TRUE;
    g_set_error(error, SANA_ERROR, SANA_ERROR_SETTINGS, "%s is %g; it must be from %g to %.7g",
                name, value, low, high);
    return FALSE;
}

/* volatile: GCC 12 at -O2 makes vectors of two neighbouring (double)(float) and drops both. */
static double
round_to_f32(double value)
{
    volatile float f = (float)value;
    return f;
}

static gboolean
custom_angles(SanaSchedule *out, const SanaParams *p, GError **error)
{
    for (int i = 0; i <= p->steps; i++) {
        double t = p->timesteps[i];
        if (!check_range("an angle of timesteps", t, 0, MAX_ANGLE, error))
            return FALSE;
        if (i > 0 && !(t < p->timesteps[i - 1])) {
            g_set_error(error, SANA_ERROR, SANA_ERROR_SETTINGS,
                        "timesteps must fall from each angle to the next; angle %d is %g after %g",
                        i, t, p->timesteps[i - 1]);
            return FALSE;
        }
        out->t[i] = round_to_f32(t);
    }
    if (p->timesteps[p->steps] != 0) {
        g_set_error(error, SANA_ERROR, SANA_ERROR_SETTINGS,
                    "timesteps must be steps + 1 angles ending in 0; angle %d is %g", p->steps,
                    p->timesteps[p->steps]);
        return FALSE;
    }
    return TRUE;
}

/* torch.linspace in f32 fills the two halves from their own ends, so rounding is symmetric. */
static void
linspace(SanaSchedule *out, double start, int steps)
{
    int n = steps + 1;
    float first = (float)start, step = (0.0f - first) / (float)steps;
    for (int i = 0; i < n; i++)
        out->t[i] = i < n / 2 ? fmaf(step, (float)i, first) : -(step * (float)(n - 1 - i));
    out->t[steps] = 0;
}

static gboolean
text_angles(SanaSchedule *out, const SanaParams *p, GError **error)
{
    *out = (SanaSchedule){.count = p->steps};
    if (p->timesteps)
        return custom_angles(out, p, error);
    if (!check_range("max_timesteps", p->max_timesteps, 0, MAX_ANGLE, error))
        return FALSE;
    if (p->steps == 2 && !(p->intermediate_timesteps <= 0)) {
        if (!check_range("intermediate_timesteps", p->intermediate_timesteps, 0, MAX_ANGLE, error))
            return FALSE;
        out->t[0] = round_to_f32(p->max_timesteps);
        out->t[1] = round_to_f32(p->intermediate_timesteps);
        return TRUE;
    }
    linspace(out, p->max_timesteps, p->steps);
    return TRUE;
}

gboolean
sana_schedule_text(SanaSchedule *schedule, const SanaParams *params, GError **error)
{
    SanaSchedule s;
    if (!check_steps(params->steps, error) || !text_angles(&s, params, error))
        return FALSE;
    *schedule = s;
    return TRUE;
}

/* Double throughout: in f32, strength 0.3 of 10 steps would drop 6 instead of 7. */
static void
drop_steps(SanaSchedule *s, double strength)
{
    int steps = s->count, drop = (int)fmax(steps - fmin(steps * strength, steps), 0);
    s->count -= drop;
    memmove(s->t, s->t + drop, (s->count + 1) * sizeof(s->t[0]));
    memset(s->t + s->count + 1, 0, drop * sizeof(s->t[0]));
}

gboolean
sana_schedule_image(SanaSchedule *schedule, const SanaParams *params, GError **error)
{
    SanaSchedule s = {.count = params->steps};
    double strength = params->strength;
    if (!check_steps(params->steps, error) || !check_range("strength", strength, 0, 1, error))
        return FALSE;
    switch (params->strength_mode) {
    case SANA_STRENGTH_CONTINUOUS:
        if (params->timesteps) {
            if (!text_angles(&s, params, error))
                return FALSE;
        } else {
            linspace(&s, atan2(strength, 1 - strength), params->steps);
        }
        break;
    case SANA_STRENGTH_DIFFUSERS:
        if (!text_angles(&s, params, error))
            return FALSE;
        drop_steps(&s, strength);
        break;
    default:
        g_set_error(error, SANA_ERROR, SANA_ERROR_SETTINGS,
                    "strength_mode is %d; it must be continuous or diffusers",
                    (int)params->strength_mode);
        return FALSE;
    }
    *schedule = strength > 0 ? s : (SanaSchedule){.count = 0};
    return TRUE;
}

SanaStepCoefficients
sana_step_coefficients(double t, double t_next, double sigma_data)
{
    double st = sin(t), ct = cos(t), s = st / (ct + st);
    double q = sqrt(s * s + (1 - s) * (1 - s)); /* never below √½ */
    return (SanaStepCoefficients){
        .scale_in = (float)(q / sigma_data),
        .time = (float)s,
        .x0_from_x = (float)(ct - st * (1 - 2 * s)),
        .x0_from_v = (float)(-st * sigma_data * q),
        .next_from_x0 = (float)cos(t_next),
        .next_from_noise = (float)(sin(t_next) * sigma_data),
    };
}

SanaStartCoefficients
sana_start_coefficients(double t0, double sigma_data)
{
    return (SanaStartCoefficients){(float)cos(t0), (float)(sin(t0) * sigma_data)};
}
