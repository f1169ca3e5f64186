/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Angles, strengths and steps against SCMScheduler and the two pipelines of diffusers; and what is
 * out of range is refused in one sentence. */
#include "pipelines/scm.h"
#include "tests/golden/scm_tables.h"

#include <math.h>
#include <string.h>

static double
as_f32(double value)
{
    volatile float f = (float)value; /* GCC 12 may drop the rounding otherwise */
    return f;
}

/* An angle that was printed with nine digits is that f32 again; a double near it is not. */
static void
assert_angles(const SanaSchedule *s, int count, const double *t)
{
    g_assert_cmpint(s->count, ==, count);
    for (int i = 0; i <= count; i++)
        g_assert_cmpfloat(s->t[i], ==, as_f32(t[i]));
    for (int i = count; i <= SANA_MAX_STEPS; i++)
        g_assert_cmpfloat(s->t[i], ==, 0);
}

static void
text_angles_are_the_reference(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(text_schedules); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        SanaSchedule s;
        GError *error = NULL;
        p.steps = text_schedules[i].steps;
        p.max_timesteps = text_schedules[i].max;
        p.intermediate_timesteps = text_schedules[i].intermediate;
        g_assert_true(sana_schedule_text(&s, &p, &error));
        g_assert_no_error(error);
        assert_angles(&s, p.steps, text_schedules[i].t);
    }
}

static void
intermediate_is_ignored_but_for_two_steps(void)
{
    static const int steps[] = {1, 3, 4, 20};
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        SanaSchedule with, without;
        p.steps = steps[i];
        g_assert_true(sana_schedule_text(&with, &p, NULL));
        p.intermediate_timesteps = 0;
        g_assert_true(sana_schedule_text(&without, &p, NULL));
        g_assert_cmpmem(&with, sizeof with, &without, sizeof without);
    }
}

static const double custom[] = {1.5, 1.2, 0.7, 0.1, 0};

static SanaParams
custom_params(void)
{
    SanaParams p = SANA_PARAMS_DEFAULT;
    p.steps = 4;
    p.timesteps = custom;
    p.max_timesteps = NAN; /* not read */
    p.intermediate_timesteps = NAN;
    return p;
}

static void
custom_angles_are_used_as_given(void)
{
    SanaParams p = custom_params();
    SanaSchedule s;
    g_assert_true(sana_schedule_text(&s, &p, NULL));
    assert_angles(&s, 4, custom);
    g_assert_true(sana_schedule_image(&s, &p, NULL)); /* continuous, strength 0.4 */
    assert_angles(&s, 4, custom);
    p.strength_mode = SANA_STRENGTH_DIFFUSERS;
    p.strength = 0.5;
    g_assert_true(sana_schedule_image(&s, &p, NULL));
    assert_angles(&s, 2, custom + 2);
}

/* The reference does not compare them. */
static void
the_second_angle_may_lie_above_the_first(void)
{
    static const double angles[] = {1.2f, 1.3f, 0};
    SanaParams p = SANA_PARAMS_DEFAULT;
    SanaSchedule s;
    p.max_timesteps = 1.2;
    g_assert_true(sana_schedule_text(&s, &p, NULL));
    assert_angles(&s, 2, angles);
}

static void
diffusers_strength_drops_steps_as_there(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(diffusers_strengths); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        SanaSchedule s;
        GError *error = NULL;
        p.steps = diffusers_strengths[i].steps;
        p.strength = diffusers_strengths[i].strength;
        p.strength_mode = SANA_STRENGTH_DIFFUSERS;
        g_assert_true(sana_schedule_image(&s, &p, &error));
        g_assert_no_error(error);
        assert_angles(&s, diffusers_strengths[i].count, diffusers_strengths[i].t);
    }
}

static void
continuous_strength_is_the_start_angle(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(continuous_strengths); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        SanaSchedule s;
        GError *error = NULL;
        p.steps = continuous_strengths[i].steps;
        p.strength = continuous_strengths[i].strength;
        p.max_timesteps = 0.1; /* neither applies */
        p.intermediate_timesteps = 7;
        g_assert_true(sana_schedule_image(&s, &p, &error));
        g_assert_no_error(error);
        assert_angles(&s, p.steps, continuous_strengths[i].t);
        g_assert_cmpfloat_with_epsilon(sana_step_coefficients(s.t[0], 0, 0.5).time, p.strength,
                                       1e-7);
    }
}

static void
strength_zero_passes_the_picture_through(void)
{
    for (int mode = 0; mode < 4; mode++) {
        SanaParams p = mode & 2 ? custom_params() : (SanaParams)SANA_PARAMS_DEFAULT;
        SanaSchedule s;
        p.strength = 0;
        p.strength_mode = mode & 1 ? SANA_STRENGTH_DIFFUSERS : SANA_STRENGTH_CONTINUOUS;
        g_assert_true(sana_schedule_image(&s, &p, NULL));
        assert_angles(&s, 0, (double[]){0});
    }
}

static gboolean
is_near(double value, double wanted)
{
    return fabs(value - wanted) <= 2e-6 * (1 + fabs(wanted));
}

static void
a_step_is_the_scheduler_s(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(scheduler_steps); i++) {
        SanaStepCoefficients c =
            sana_step_coefficients(scheduler_steps[i].t, scheduler_steps[i].next, 0.5);
        double x0 =
            (double)c.x0_from_x * scheduler_steps[i].x + (double)c.x0_from_v * scheduler_steps[i].v;
        g_assert_true(is_near(c.time, scheduler_steps[i].time));
        g_assert_true(is_near(c.scale_in * scheduler_steps[i].x, scheduler_steps[i].x_in));
        g_assert_true(is_near(x0, scheduler_steps[i].x0));
        g_assert_true(is_near(c.next_from_x0 * x0 + c.next_from_noise * scheduler_steps[i].n,
                              scheduler_steps[i].prev));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(starts); i++) {
        SanaStartCoefficients c = sana_start_coefficients(starts[i].t, 0.5);
        g_assert_true(
            is_near(c.from_latent * starts[i].z + c.from_noise * starts[i].n, starts[i].x));
    }
}

/* The formula of the header in its first form, for another σd than the table's. */
static void
a_step_scales_with_sigma(void)
{
    for (double t = 0.05; t < 1.6; t += 0.05) {
        double x = 0.8, v = -1.3, sd = 1.7;
        SanaStepCoefficients c = sana_step_coefficients(t, 0, sd);
        double s = sin(t) / (sin(t) + cos(t)), q = sqrt(s * s + (1 - s) * (1 - s));
        double x_in = x / sd * q;
        double f = sd * ((1 - 2 * s) * x_in + (1 - 2 * s + 2 * s * s) * v) / q;
        g_assert_true(is_near(c.scale_in * x, x_in));
        g_assert_true(is_near(c.x0_from_x * x + c.x0_from_v * v, cos(t) * x - sin(t) * f));
    }
}

/* The call fails with SETTINGS, says `word`, and leaves the schedule as it was. */
static void
assert_refused(const SanaParams *p, gboolean image, const char *word)
{
    SanaSchedule s, before;
    GError *error = NULL;
    memset(&s, 0x5a, sizeof s);
    before = s;
    g_assert_false(image ? sana_schedule_image(&s, p, &error) : sana_schedule_text(&s, p, &error));
    g_assert_error(error, SANA_ERROR, SANA_ERROR_SETTINGS);
    g_assert_nonnull(strstr(error->message, word));
    g_assert_null(strchr(error->message, '\n'));
    g_assert_cmpmem(&s, sizeof s, &before, sizeof before);
    g_error_free(error);
}

static void
what_is_out_of_range_is_refused(void)
{
    static const int bad_steps[] = {0, -1, 21, G_MAXINT, G_MININT};
    for (gsize i = 0; i < G_N_ELEMENTS(bad_steps); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        p.steps = bad_steps[i];
        assert_refused(&p, FALSE, "steps");
        assert_refused(&p, TRUE, "steps");
    }
    static const double bad_angles[] = {-1e-9, 1.5709, 1e300, NAN, INFINITY, -INFINITY};
    for (gsize i = 0; i < G_N_ELEMENTS(bad_angles); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        p.max_timesteps = bad_angles[i];
        assert_refused(&p, FALSE, "max_timesteps");
        double angles[] = {1.5, bad_angles[i], 0};
        p.timesteps = angles;
        assert_refused(&p, FALSE, "timesteps");
    }
    SanaParams p = SANA_PARAMS_DEFAULT;
    p.intermediate_timesteps = 1.5709;
    assert_refused(&p, FALSE, "intermediate_timesteps");
    p.intermediate_timesteps = NAN;
    assert_refused(&p, FALSE, "intermediate_timesteps");
}

static void
bad_custom_angles_are_refused(void)
{
    static const double bad[][3] = {{1.2, 1.2, 0}, {1.0, 1.2, 0}, {1.2, 0, 0}, {1.2, 0.5, 0.1}};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        p.timesteps = bad[i];
        assert_refused(&p, FALSE, "timesteps");
        p.strength = 1;
        assert_refused(&p, TRUE, "timesteps");
        p.strength_mode = SANA_STRENGTH_DIFFUSERS;
        assert_refused(&p, TRUE, "timesteps");
    }
}

static void
bad_strengths_are_refused(void)
{
    static const double bad[] = {-0.01, 1.0000001, NAN, INFINITY, -INFINITY};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        SanaParams p = SANA_PARAMS_DEFAULT;
        p.strength = bad[i];
        assert_refused(&p, TRUE, "strength");
        p.strength_mode = SANA_STRENGTH_DIFFUSERS;
        assert_refused(&p, TRUE, "strength");
        SanaSchedule s;
        g_assert_true(sana_schedule_text(&s, &p, NULL)); /* not read there */
    }
    SanaParams p = SANA_PARAMS_DEFAULT;
    p.strength_mode = (SanaStrengthMode)7;
    assert_refused(&p, TRUE, "strength_mode");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scm/text_angles_are_the_reference", text_angles_are_the_reference);
    g_test_add_func("/scm/intermediate_is_ignored_but_for_two_steps",
                    intermediate_is_ignored_but_for_two_steps);
    g_test_add_func("/scm/custom_angles_are_used_as_given", custom_angles_are_used_as_given);
    g_test_add_func("/scm/the-second-angle-may-lie-above-the-first",
                    the_second_angle_may_lie_above_the_first);
    g_test_add_func("/scm/diffusers_strength_drops_steps_as_there",
                    diffusers_strength_drops_steps_as_there);
    g_test_add_func("/scm/continuous_strength_is_the_start_angle",
                    continuous_strength_is_the_start_angle);
    g_test_add_func("/scm/strength_zero_passes_the_picture_through",
                    strength_zero_passes_the_picture_through);
    g_test_add_func("/scm/a_step_is_the_scheduler_s", a_step_is_the_scheduler_s);
    g_test_add_func("/scm/a_step_scales_with_sigma", a_step_scales_with_sigma);
    g_test_add_func("/scm/what_is_out_of_range_is_refused", what_is_out_of_range_is_refused);
    g_test_add_func("/scm/bad_custom_angles_are_refused", bad_custom_angles_are_refused);
    g_test_add_func("/scm/bad_strengths_are_refused", bad_strengths_are_refused);
    return g_test_run();
}
