/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times a case.  FLOP and bytes are what the planner counts for it. */
#include "ops_case.h"

#include <stdlib.h>

#define RUNS_MAX 100
#define RUNS_MIN 3
#define BUDGET_US 400000

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
run_once(Side *side)
{
    side->call.call(side->stream, &side->call, side->t);
    sana_stream_finish(side->stream, NULL);
}

/* Median seconds of a run, after one to warm up. */
static double
median_seconds(Side *side)
{
    double seconds[RUNS_MAX];
    int runs = 0;
    gint64 begin = g_get_monotonic_time();

    run_once(side);
    while (runs < RUNS_MAX && (runs < RUNS_MIN || g_get_monotonic_time() - begin < BUDGET_US)) {
        gint64 start = g_get_monotonic_time();
        run_once(side);
        seconds[runs++] = (double)(g_get_monotonic_time() - start) * 1e-6;
    }
    qsort(seconds, (size_t)runs, sizeof seconds[0], by_value);
    return seconds[runs / 2];
}

static SanaPlan
plan_of(Runner *r, const Case *c, const Values *v)
{
    Side side;
    ops_side_open(&side, r->planner, c, v, r->dtype, r->weights);
    sana_stream_plan_reset(side.stream);
    c->call(side.stream, &side.call, side.t);
    SanaPlan plan = sana_stream_plan(side.stream);
    ops_side_close(&side);
    return plan;
}

void
ops_measure(Runner *r, const Case *c)
{
    Values v = ops_values_new(c, r->dtype, &r->random);
    SanaPlan plan = plan_of(r, c, &v);
    Side side;
    GError *error = NULL;

    ops_side_open(&side, r->device, c, &v, r->dtype, r->weights);
    char *what = ops_describe(c, r->dtype, r->weights);
    c->call(side.stream, &side.call, side.t);
    if (sana_stream_finish(side.stream, &error)) {
        double seconds = MAX(median_seconds(&side), 1e-9);
        g_print("%10.3f %9.2f %9.1f  %-9s %s\n", seconds * 1e3, plan.bytes / seconds * 1e-9,
                plan.flop / seconds * 1e-9, sana_device_name(r->device), what);
    } else {
        g_print("%s: %s\n", what, error->message);
        g_clear_error(&error);
    }
    g_free(what);
    ops_side_close(&side);
    ops_values_free(&v);
}
