/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/bench_report.h"

#include "tools/commit.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

/* --- series ----------------------------------------------------------------------------------- */

BenchSeries *
bench_series_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(double));
}

void
bench_series_add(BenchSeries *series, double seconds)
{
    g_array_append_val(series, seconds);
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
at(BenchSeries *series, guint i)
{
    return g_array_index(series, double, i);
}

double
bench_series_median(BenchSeries *series)
{
    guint n = series->len;
    if (n == 0)
        return 0;
    g_array_sort(series, compare);
    return n % 2 ? at(series, n / 2) : (at(series, n / 2 - 1) + at(series, n / 2)) / 2;
}

/* --- reports ---------------------------------------------------------------------------------- */

static void
free_size(gpointer data)
{
    BenchSize *r = data;
    g_array_unref(r->encode);
    g_array_unref(r->step);
    g_array_unref(r->decode);
    g_array_unref(r->frame);
    g_array_unref(r->prompted);
    g_array_unref(r->prompt);
    g_free(r);
}

GPtrArray *
bench_sizes_new(void)
{
    return g_ptr_array_new_with_free_func(free_size);
}

BenchSize *
bench_sizes_add(GPtrArray *sizes)
{
    BenchSize *r = g_new0(BenchSize, 1);
    r->encode = bench_series_new();
    r->step = bench_series_new();
    r->decode = bench_series_new();
    r->frame = bench_series_new();
    r->prompted = bench_series_new();
    r->prompt = bench_series_new();
    g_ptr_array_add(sizes, r);
    return r;
}

void
bench_report_clear(BenchReport *report)
{
    g_clear_pointer(&report->sizes, g_ptr_array_unref);
    g_clear_pointer(&report->text.cold, g_array_unref);
    g_clear_pointer(&report->text.warm, g_array_unref);
}

/* --- for people ------------------------------------------------------------------------------- */

static void
print_row(const char *name, BenchSeries *series, double flop, double peak)
{
    double median = bench_series_median(series);
    if (median <= 0)
        return;
    g_print("  %-18s %9.1f ms  (%.1f … %.1f, n = %u)", name, median * 1e3, at(series, 0) * 1e3,
            at(series, series->len - 1) * 1e3, series->len);
    if (flop > 0)
        g_print("  %7.1f GFLOP  %6.2f TFLOP/s  %3.0f %% of the product peak", flop * 1e-9,
                flop / median * 1e-12, 100 * flop / median / peak);
    g_print("\n");
}

void
bench_print_head(const BenchReport *r)
{
    g_print("%s on %s in %s: loaded in %.2f s, weights %.2f GiB, peak RSS %.2f GiB\n", r->model,
            r->info->device, r->precision, r->load, (double)r->info->weight_bytes / (1 << 30),
            bench_peak_rss());
    g_print("bare product of %d³: %.2f TFLOP/s\n", r->peak_side, r->peak * 1e-12);
}

void
bench_print_text(const BenchReport *r)
{
    const BenchText *t = &r->text;
    g_print("text: %d tokens\n", t->tokens);
    print_row("instruction+prompt", t->cold, 0, 0);
    print_row("prompt alone", t->warm, 0, 0);
    g_print("  computed %d tokens, then %d: %.2f × the full run\n", t->cold_tokens, t->warm_tokens,
            bench_series_median(t->warm) / bench_series_median(t->cold));
}

static double
frame_flop(const BenchSize *s)
{
    double encode = bench_series_median(s->encode) > 0 ? s->cost.encode_flop : 0;
    return encode + s->steps * s->cost.step_flop + s->cost.decode_flop;
}

void
bench_print_size(const BenchReport *r, const BenchSize *s)
{
    g_print("%d×%d, %d step%s\n", s->width, s->height, s->steps, s->steps > 1 ? "s" : "");
    print_row("encode", s->encode, s->cost.encode_flop, r->peak);
    print_row("transformer step", s->step, s->cost.step_flop, r->peak);
    print_row("decode", s->decode, s->cost.decode_flop, r->peak);
    print_row("whole frame", s->frame, frame_flop(s), r->peak);
    print_row("  with a prompt", s->prompted, 0, 0);
    print_row("  that prompt", s->prompt, 0, 0);
    g_print("  %.2f frames/s, buffers %.2f GiB, peak RSS %.2f GiB, %.2f with the text encoder "
            "released\n",
            1 / bench_series_median(s->frame), (double)s->cost.buffer_bytes / (1 << 30),
            s->peak_rss, s->released_rss);
    if (s->compared)
        g_print("  %.1f dB from the picture it was compared with\n", s->db);
    g_print("  first picture after %.2f s, %.2f ms of the processor for each later one\n", s->first,
            s->host * 1e3);
    if (s->device_used > 0)
        g_print("  %.2f GiB of the device's memory, model included\n", s->device_used);
    if (s->sessions > 0)
        g_print("  %d sessions side by side: %.2f frames/s, %.0f %% of one alone, "
                "peak RSS %.2f GiB\n",
                s->sessions, s->together, 100 * s->together * bench_series_median(s->frame),
                s->together_rss);
}

/* --- for machines ----------------------------------------------------------------------------- */

static void
add_series(JsonBuilder *b, const char *name, BenchSeries *series)
{
    json_builder_set_member_name(b, name);
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "median_s");
    json_builder_add_double_value(b, bench_series_median(series));
    json_builder_set_member_name(b, "runs_s");
    json_builder_begin_array(b);
    for (guint i = 0; i < series->len; i++)
        json_builder_add_double_value(b, at(series, i));
    json_builder_end_array(b);
    json_builder_end_object(b);
}

static void
add_double(JsonBuilder *b, const char *name, double value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_double_value(b, value);
}

static void
add_string(JsonBuilder *b, const char *name, const char *value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_string_value(b, value);
}

/* The first "model name" of /proc/cpuinfo, or ""; g_free. */
static char *
processor_name(void)
{
    char *text = NULL, *name = NULL;
    if (g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL)) {
        const char *field = strstr(text, "model name"), *colon = field ? strchr(field, ':') : NULL;
        if (colon)
            name = g_strndup(colon + 1, strcspn(colon + 1, "\n"));
    }
    g_free(text);
    return name ? g_strstrip(name) : g_strdup("");
}

/* Name and driver of the GPU that "cuda:N" means, or "" where nvidia-smi does not say; g_free. */
static char *
gpu_name(const char *device)
{
    const char *colon = strchr(device, ':');
    g_autofree char *index = g_strdup_printf("--id=%s", colon ? colon + 1 : "0");
    char *argv[] = {"nvidia-smi", index, "--query-gpu=name,driver_version", "--format=csv,noheader",
                    NULL};
    char *said = NULL;
    int status;
    if (g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                     &said, NULL, &status, NULL) &&
        status == 0)
        return g_strstrip(said);
    g_free(said);
    return g_strdup("");
}

/* What the figures are of; what nothing tells is left out. */
static void
add_machine(JsonBuilder *b, const char *device)
{
    g_autofree char *processor = processor_name();
    g_autofree char *gpu = g_str_has_prefix(device, "cuda") ? gpu_name(device) : g_strdup("");
    g_autoptr(GDateTime) today = g_date_time_new_now_utc();
    g_autofree char *date = g_date_time_format(today, "%Y-%m-%dT%H:%M:%SZ");
    json_builder_set_member_name(b, "machine");
    json_builder_begin_object(b);
    if (*processor)
        add_string(b, "processor", processor);
    if (*gpu)
        add_string(b, "gpu", gpu); /* and its driver */
    add_double(b, "cores", g_get_num_processors());
    add_string(b, "date", date);
    if (*SANA_COMMIT)
        add_string(b, "commit", SANA_COMMIT);
    json_builder_end_object(b);
}

static void
add_text(JsonBuilder *b, const BenchText *t)
{
    json_builder_set_member_name(b, "text");
    json_builder_begin_object(b);
    add_series(b, "cold", t->cold);
    add_series(b, "warm", t->warm);
    add_double(b, "cold_tokens_computed", t->cold_tokens);
    add_double(b, "warm_tokens_computed", t->warm_tokens);
    add_double(b, "tokens", t->tokens);
    json_builder_end_object(b);
}

static void
add_size(JsonBuilder *b, const BenchSize *s)
{
    json_builder_begin_object(b);
    add_double(b, "width", s->width);
    add_double(b, "height", s->height);
    add_double(b, "steps", s->steps);
    add_series(b, "encode", s->encode);
    add_series(b, "step", s->step);
    add_series(b, "decode", s->decode);
    add_series(b, "frame", s->frame);
    add_series(b, "prompted_frame", s->prompted);
    add_series(b, "prompt_meanwhile", s->prompt);
    add_double(b, "encode_flop", s->cost.encode_flop);
    add_double(b, "step_flop", s->cost.step_flop);
    add_double(b, "decode_flop", s->cost.decode_flop);
    add_double(b, "buffer_bytes", (double)s->cost.buffer_bytes);
    add_double(b, "differing_frames", s->differing);
    if (s->compared)
        add_double(b, "compared_db", s->db);
    add_double(b, "first_s", s->first);
    add_double(b, "host_s", s->host);
    add_double(b, "peak_rss_gib", s->peak_rss);
    add_double(b, "released_rss_gib", s->released_rss);
    add_double(b, "device_used_gib", s->device_used);
    add_double(b, "sessions", s->sessions);
    add_double(b, "sessions_frames_per_s", s->together);
    add_double(b, "sessions_peak_rss_gib", s->together_rss);
    json_builder_end_object(b);
}

gboolean
bench_write_json(const BenchReport *r, const char *path, GError **error)
{
    g_autoptr(JsonBuilder) b = json_builder_new();
    json_builder_begin_object(b);
    add_machine(b, r->info->device);
    add_string(b, "device", r->info->device);
    add_string(b, "precision", r->precision);
    add_double(b, "load_s", r->load);
    add_double(b, "weight_bytes", (double)r->info->weight_bytes);
    add_double(b, "product_peak_flops", r->peak);
    add_double(b, "product_peak_side", r->peak_side);
    add_text(b, &r->text);
    json_builder_set_member_name(b, "sizes");
    json_builder_begin_array(b);
    for (guint i = 0; i < r->sizes->len; i++)
        add_size(b, r->sizes->pdata[i]);
    json_builder_end_array(b);
    json_builder_end_object(b);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    JsonNode *root = json_builder_get_root(b);
    json_generator_set_pretty(generator, TRUE);
    json_generator_set_root(generator, root);
    gboolean ok = json_generator_to_file(generator, path, error);
    json_node_unref(root);
    return ok;
}

gboolean
bench_compare(const float *pixels, gsize bytes, const char *path, double *db, GError **error)
{
    const gsize n = bytes / sizeof(float);
    g_autofree char *other = NULL;
    double sum = 0;
    gsize length;
    if (!g_file_get_contents(path, &other, &length, error))
        return FALSE;
    if (length != bytes) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s has %zu bytes, and a picture of this size %zu", path, length, bytes);
        return FALSE;
    }
    for (gsize i = 0; i < n; i++) {
        double off = (double)pixels[i] - (double)((const float *)(void *)other)[i];
        sum += off * off;
    }
    if (!isfinite(sum)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "the picture, or that of %s, is not finite", path);
        return FALSE;
    }
    *db = MIN(10 * log10(4 * (double)n / sum), BENCH_SAME_DB);
    return TRUE;
}
