/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sana-bench has measured: a table for people, JSON for machines. */
#ifndef SANA_TOOLS_BENCH_REPORT_H
#define SANA_TOOLS_BENCH_REPORT_H

#include "pipelines/sana.h"

/* Seconds of repeated runs. */
typedef GArray BenchSeries;

BenchSeries *bench_series_new(void);
void bench_series_add(BenchSeries *series, double seconds);
/* Sorts; 0 when empty. */
double bench_series_median(BenchSeries *series);

typedef struct {
    BenchSeries *cold, *warm;     /* without and with the instruction kept */
    int cold_tokens, warm_tokens; /* computed */
    int tokens;                   /* in all */
} BenchText;

typedef struct {
    int width, height, steps;
    BenchSeries *encode, *step, *decode, *frame;
    BenchSeries *prompted; /* as frame, while another thread encodes a prompt, */
    BenchSeries *prompt;   /* which takes so long meanwhile */
    SanaCost cost;
    gboolean compared;   /* the last picture, with another; */
    double db;           /* their PSNR */
    int differing;       /* pictures that are not, bit by bit, what the first of the series was */
    double first;        /* seconds of the first picture of a session, and its prompt */
    double host;         /* seconds of this machine's processor a picture, all threads together */
    double peak_rss;     /* GiB, of the process so far */
    double released_rss; /* GiB resident in a picture whose prompt's encoder was released */
    double device_used;  /* GiB of a GPU's memory, model included; 0 elsewhere */
    int sessions;        /* drawn with side by side afterwards, or 0 */
    double together;     /* pictures a second of all of them */
    double together_rss; /* GiB, as peak_rss */
} BenchSize;

typedef struct {
    const char *model, *precision;
    const SanaModelInfo *info;
    double load;   /* seconds */
    double peak;   /* FLOP/s of a bare product, */
    int peak_side; /* of this many rows, inputs and outputs */
    BenchText text;
    GPtrArray *sizes; /* BenchSize */
} BenchReport;

GPtrArray *bench_sizes_new(void);
BenchSize *bench_sizes_add(GPtrArray *sizes);
void bench_report_clear(BenchReport *report);

/* PSNR of a picture, −1 … 1, to one of as many bytes in a file, in dB, at most so many.  FALSE
 * where there is no such file, or either picture is not finite. */
#define BENCH_SAME_DB 200.0
gboolean bench_compare(const float *pixels, gsize bytes, const char *path, double *db,
                       GError **error);

/* GiB this process has had resident at most. */
double bench_peak_rss(void);

void bench_print_head(const BenchReport *report);
void bench_print_text(const BenchReport *report);
void bench_print_size(const BenchReport *report, const BenchSize *size);
gboolean bench_write_json(const BenchReport *report, const char *path, GError **error);

#endif
