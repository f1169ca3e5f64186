/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The generator against torch.randn: every seed and count of the table, draws one after the other,
 * large draws by samples and sums. */
#include "pipelines/noise.h"

#include "tests/golden/noise_tables.h"

#include <math.h>

#define TOLERANCE 1e-6

static void
assert_values(const float *values, const float *wanted, int count)
{
    for (int i = 0; i < count; i++)
        g_assert_cmpfloat_with_epsilon(values[i], wanted[i], TOLERANCE);
}

static void
a_fresh_draw_is_torch_s(void)
{
    const float *wanted = draw_values;
    for (gsize i = 0; i < G_N_ELEMENTS(draws); i++) {
        float values[128];
        SanaGenerator g;
        sana_generator_seed(&g, draws[i].seed);
        sana_generator_randn(&g, values, draws[i].count);
        assert_values(values, wanted, draws[i].count);
        wanted += draws[i].count;
    }
    g_assert_true(wanted == draw_values + G_N_ELEMENTS(draw_values));
}

static void
draws_follow_each_other_as_in_torch(void)
{
    const float *wanted = sequence_values;
    SanaGenerator g;
    sana_generator_seed(&g, 7);
    for (gsize i = 0; i < G_N_ELEMENTS(sequence); i++) {
        float values[128];
        sana_generator_randn(&g, values, sequence[i]);
        assert_values(values, wanted, sequence[i]);
        wanted += sequence[i];
    }
    g_assert_true(wanted == sequence_values + G_N_ELEMENTS(sequence_values));
}

static void
large_draws_have_torch_s_values_and_sums(void)
{
    const float *wanted = large_values;
    for (gsize i = 0; i < G_N_ELEMENTS(large); i++) {
        float *values = g_new(float, large[i].count);
        double sum = 0, weighted = 0;
        SanaGenerator g;
        sana_generator_seed(&g, large[i].seed);
        sana_generator_randn(&g, values, large[i].count);
        for (int k = 0; k < large[i].count; k++) {
            sum += values[k];
            weighted += (double)values[k] * (k % 7 - 3);
            if (k % large[i].stride == 0)
                assert_values(&values[k], wanted++, 1);
        }
        g_assert_cmpfloat_with_epsilon(sum, large[i].sum, 2e-3);
        g_assert_cmpfloat_with_epsilon(weighted, large[i].weighted, 4e-3);
        g_free(values);
    }
    g_assert_true(wanted == large_values + G_N_ELEMENTS(large_values));
}

static void
only_the_low_32_bits_of_a_seed_count(void)
{
    static const guint64 seeds[] = {0, 5, 0xffffffffu};
    for (gsize i = 0; i < G_N_ELEMENTS(seeds); i++) {
        float low[40], high[40];
        SanaGenerator g;
        sana_generator_seed(&g, seeds[i]);
        sana_generator_randn(&g, low, 40);
        sana_generator_seed(&g, seeds[i] | G_GUINT64_CONSTANT(0xabcdef) << 32);
        sana_generator_randn(&g, high, 40);
        g_assert_cmpmem(low, sizeof low, high, sizeof high);
    }
}

/* Seeding forgets the value kept from a pair; an empty draw changes nothing. */
static void
seeding_starts_over(void)
{
    float first[3], again[3], unused[1];
    SanaGenerator g;
    sana_generator_seed(&g, 9);
    sana_generator_randn(&g, first, 3);
    sana_generator_seed(&g, 9);
    sana_generator_randn(&g, unused, 0);
    sana_generator_randn(&g, again, 3);
    g_assert_cmpmem(first, sizeof first, again, sizeof again);
}

/* Nothing is written behind the count asked, whatever the tail. */
static void
a_draw_stays_within_its_count(void)
{
    for (int count = 0; count < 70; count++) {
        float values[71];
        SanaGenerator g;
        for (int i = 0; i < 71; i++)
            values[i] = 99;
        sana_generator_seed(&g, count);
        sana_generator_randn(&g, values, count);
        for (int i = 0; i < count; i++)
            g_assert_cmpfloat(fabsf(values[i]), <, 7);
        for (int i = count; i < 71; i++)
            g_assert_cmpfloat(values[i], ==, 99);
    }
}

/* With r = √(−2 ln 2⁻²⁴) no value is beyond 5.77; all are finite, also where u is 0. */
static void
a_million_values_are_normal(void)
{
    enum { COUNT = 1 << 20 };
    float *values = g_new(float, COUNT);
    double moments[5] = {0};
    SanaGenerator g;
    sana_generator_seed(&g, 2026);
    sana_generator_randn(&g, values, COUNT);
    for (int i = 0; i < COUNT; i++) {
        g_assert_cmpfloat(fabsf(values[i]), <, 5.78);
        for (int k = 1; k <= 4; k++)
            moments[k] += pow(values[i], k) / COUNT;
    }
    g_assert_cmpfloat_with_epsilon(moments[1], 0, 0.005);
    g_assert_cmpfloat_with_epsilon(moments[2], 1, 0.01);
    g_assert_cmpfloat_with_epsilon(moments[3], 0, 0.02);
    g_assert_cmpfloat_with_epsilon(moments[4], 3, 0.06);
    g_free(values);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/noise/a_fresh_draw_is_torch_s", a_fresh_draw_is_torch_s);
    g_test_add_func("/noise/draws_follow_each_other_as_in_torch",
                    draws_follow_each_other_as_in_torch);
    g_test_add_func("/noise/large_draws_have_torch_s_values_and_sums",
                    large_draws_have_torch_s_values_and_sums);
    g_test_add_func("/noise/only_the_low_32_bits_of_a_seed_count",
                    only_the_low_32_bits_of_a_seed_count);
    g_test_add_func("/noise/seeding_starts_over", seeding_starts_over);
    g_test_add_func("/noise/a_draw_stays_within_its_count", a_draw_stays_within_its_count);
    g_test_add_func("/noise/a_million_values_are_normal", a_million_values_are_normal);
    return g_test_run();
}
