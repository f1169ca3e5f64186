/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sana-bench: how long each part of a picture takes, and how near that is to the machine's limit.
 *
 * Every figure is the median of --frames runs after warm-up, fastest and slowest beside it.
 * The peak is measured in the same run: a bare product in the same type, of 2048³ on all cores or
 * of 8192³ on a GPU.
 */
#include "tools/bench_report.h"

#include "kernels/ops.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct {
    char *model, *device, *precision, *prompt, *json, *input, *output, *other;
    char **sizes;
    int frames, steps, sessions;
    double strength;
    gboolean text_to_image;
    SanaDevice *opened;
    gsize available; /* of its memory, before the model */
} Options;

/* --- measuring -------------------------------------------------------------------------------- */

static double
now(void)
{
    return (double)g_get_monotonic_time() * 1e-6;
}

double
bench_peak_rss(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / (1 << 20);
}

/* GiB of this process that are resident now; 0 where nothing says so. */
static double
resident(void)
{
    g_autofree char *statm = NULL;
    unsigned long pages = 0;
    if (g_file_get_contents("/proc/self/statm", &statm, NULL, NULL))
        sscanf(statm, "%*u %lu", &pages);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 30);
}

/* Seconds of the processor, of all threads. */
static double
processor_time(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

#define PEAK_RUNS 12
#define MAX_SESSIONS 64
#define MAX_STEPS 20

/* side² numbers that are no pattern: zeros run faster than any picture. */
static float *
make_numbers(int side)
{
    const gsize n = (gsize)side * (gsize)side;
    float *numbers = g_new(float, n);
    guint32 noise = 1;
    for (gsize i = 0; i < n; i++) {
        noise = noise * 1664525u + 1013904223u;
        numbers[i] = (float)(noise >> 8) * 0x1p-23f - 1;
    }
    return numbers;
}

/* FLOP/s of one large product in this type; of weights: rows of the device's best are made it. */
static double
measure_peak(const char *device, SanaDType dtype, int side)
{
    double best = 0;
    SanaDevice *dev = sana_device_open(device, NULL);
    SanaStream *s = dev ? sana_stream_new(dev, NULL) : NULL;
    SanaPool *pool = dev ? sana_pool_new(dev) : NULL;
    if (s) {
        g_autofree float *numbers = make_numbers(side);
        SanaTensor source = sana_tensor(numbers, SANA_F32, 1, side, side);
        SanaLinear l = {.in = side, .out = side};
        SanaDType rows = sana_dtype_is_of_weights(dtype) ? sana_device_best_dtype(dev) : dtype;
        sana_pool_linear(pool, &l, dtype, &source, 1);
        SanaTensor x = sana_pool_upload(pool, source, rows);
        SanaTensor y = sana_pool_tensor(pool, rows, 1, side, side);
        for (int i = 0; i < PEAK_RUNS && !sana_pool_error(pool); i++) {
            double start = now();
            sana_linear(s, y, x, &l, SANA_ACT_NONE, SANA_NONE);
            sana_stream_finish(s, NULL);
            best = MAX(best, 2.0 * side * side * side / (now() - start));
        }
    }
    sana_stream_free(s);
    sana_pool_free(pool);
    sana_device_unref(dev);
    return best;
}

/* A picture with edges, gradients and grain, the same on every machine. */
static guint8 *
make_picture(int width, int height)
{
    guint8 *p = g_malloc((gsize)width * (gsize)height * 3);
    guint32 noise = 1;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            noise = noise * 1664525u + 1013904223u;
            guint8 *pixel = p + ((gsize)y * (gsize)width + (gsize)x) * 3;
            int grain = (int)(noise >> 28), check = ((x / 32) ^ (y / 32)) & 1;
            pixel[0] = (guint8)(x * 200 / width + grain);
            pixel[1] = (guint8)(y * 200 / height + grain);
            pixel[2] = (guint8)(check * 180 + grain);
        }
    }
    return p;
}

/* --- text ------------------------------------------------------------------------------------- */

static gboolean
bench_text(SanaModel *model, const Options *o, BenchText *text, GError **error)
{
    text->cold = bench_series_new();
    text->warm = bench_series_new();
    for (int i = 0; i < 3; i++) { /* a session knows no instruction yet: cold */
        SanaSession *s = sana_session_new(model, error);
        SanaPrompt *p = s ? sana_session_encode(s, o->prompt, NULL, error) : NULL;
        if (p) {
            bench_series_add(text->cold, sana_session_times(s)->text);
            sana_prompt_tokens(p, &text->cold_tokens, &text->tokens);
            sana_prompt_unref(p);
        }
        for (int k = 0; p && k < MAX(o->frames, 10); k++) {
            p = sana_session_encode(s, o->prompt, NULL, error);
            if (!p)
                break;
            bench_series_add(text->warm, sana_session_times(s)->text);
            sana_prompt_tokens(p, &text->warm_tokens, &text->tokens);
            sana_prompt_unref(p);
        }
        sana_session_free(s);
        if (!p)
            return FALSE;
    }
    return TRUE;
}

/* --- pictures --------------------------------------------------------------------------------- */

/* What a session draws from and to. */
typedef struct {
    SanaImage source, image;
    SanaParams params;
    void *first; /* the pixels of its first picture, or NULL */
} Canvas;

static Canvas
canvas_new(const Options *o, const BenchSize *r)
{
    const gsize row = (gsize)r->width * 3;
    Canvas c = {.params = SANA_PARAMS_DEFAULT};
    c.source = c.image = (SanaImage){SANA_IMAGE_RGB, r->width, r->height, row, NULL};
    c.source.pixels = make_picture(r->width, r->height);
    c.image.pixels = g_malloc(row * (gsize)r->height);
    c.params.steps = o->steps;
    c.params.strength = o->strength;
    return c;
}

static void
canvas_clear(Canvas *c)
{
    g_free(c->source.pixels);
    g_free(c->image.pixels);
    g_free(c->first);
}

/* One request is one picture, also where a device repeats what it recorded: the first run is none
 * of those. */
static void
compare(Canvas *c, BenchSize *r)
{
    const gsize bytes = c->image.stride * (gsize)c->image.height;
    if (!c->first)
        c->first = g_memdup2(c->image.pixels, bytes);
    r->differing += memcmp(c->first, c->image.pixels, bytes) != 0;
}

static gboolean
draw(SanaSession *s, SanaPrompt *prompt, const Options *o, const SanaParams *params,
     const SanaImage *source, const SanaImage *image, GError **error)
{
    return o->text_to_image ? sana_session_text_to_image(s, prompt, params, image, error)
                            : sana_session_image_to_image(s, prompt, params, source, image, error);
}

/* The last picture as floats, for a comparison by other programs, and by this one. */
static gboolean
keep_output(SanaSession *s, SanaPrompt *prompt, const Options *o, const SanaParams *params,
            const SanaImage *source, double *db, GError **error)
{
    const gsize row = (gsize)source->width * 3 * sizeof(float), bytes = row * (gsize)source->height;
    g_autofree float *pixels = g_malloc(bytes);
    SanaImage image = {SANA_IMAGE_RGB_F32, source->width, source->height, row, pixels};
    if (!o->output && !o->other)
        return TRUE;
    return draw(s, prompt, o, params, source, &image, error) &&
           (!o->other || bench_compare(pixels, bytes, o->other, db, error)) &&
           (!o->output || g_file_set_contents(o->output, (char *)pixels, (gssize)bytes, error));
}

/* GiB of the device's memory that we have; 0 where it is the host's, which others use too. */
static double
device_used(const Options *o)
{
    const gsize left = sana_device_free_memory(o->opened);
    return g_str_has_prefix(sana_device_name(o->opened), "cuda") && left < o->available
               ? (double)(o->available - left) / (1 << 30)
               : 0;
}

typedef struct {
    SanaSession *session;
    const char *text;
    SanaPrompt *prompt; /* or */
    GError *error;
} Encoding;

static gpointer
encode(gpointer data)
{
    Encoding *e = data;
    e->prompt = sana_session_encode(e->session, e->text, NULL, &e->error);
    return NULL;
}

/* What a prompt on a thread of its own costs the pictures that are drawn meanwhile. */
static gboolean
bench_prompted(SanaSession *s, SanaPrompt *prompt, const Options *o, const Canvas *c, BenchSize *r,
               GError **error)
{
    Encoding e = {.session = sana_session_new(sana_session_get_model(s), error), .text = o->prompt};
    gboolean ok = e.session != NULL;
    for (int i = -1; ok && i < o->frames; i++) { /* the first also computes the instruction */
        GThread *thread = g_thread_new("prompt", encode, &e);
        ok = draw(s, prompt, o, &c->params, &c->source, &c->image, error);
        g_thread_join(thread);
        if (ok && !e.prompt)
            g_propagate_error(error, g_steal_pointer(&e.error));
        ok = ok && e.prompt;
        if (ok && i >= 0) {
            bench_series_add(r->prompted, sana_session_times(s)->total);
            bench_series_add(r->prompt, sana_session_times(e.session)->text);
        }
        g_clear_pointer(&e.prompt, sana_prompt_unref);
        g_clear_error(&e.error);
    }
    sana_session_free(e.session);
    return ok;
}

static gboolean
bench_size(SanaModel *model, const Options *o, BenchSize *r, gboolean last, GError **error)
{
    gboolean ok = FALSE;
    Canvas c = canvas_new(o, r);
    const double begin = now();
    double busy = 0;
    SanaSession *s = sana_session_new(model, error);
    SanaPrompt *prompt = s ? sana_session_encode(s, o->prompt, NULL, error) : NULL;
    if (!prompt || !sana_session_cost(s, prompt, r->width, r->height, &r->cost, error))
        goto done;
    if (o->input && !g_file_set_contents(o->input, c.source.pixels,
                                         (gssize)(c.source.stride * (gsize)r->height), error))
        goto done;
    /* parts are not told apart while the frame is measured where that costs time: see there */
    const gboolean beside = !g_str_equal(sana_model_info(model)->device, "cpu");
    for (int i = -2; i < (beside ? 2 : 1) * o->frames; i++) {
        sana_session_separate_parts(s, i >= o->frames);
        const double before = processor_time();
        if (!draw(s, prompt, o, &c.params, &c.source, &c.image, error))
            goto done;
        if (i == -2)
            r->first = now() - begin;
        const SanaTimes *t = sana_session_times(s);
        if (i >= 0 && i < o->frames) {
            bench_series_add(r->frame, t->total);
            busy += processor_time() - before;
        }
        if (i >= 0 && (i >= o->frames || !beside)) {
            bench_series_add(r->encode, t->encode);
            bench_series_add(r->step, t->transformer / o->steps);
            bench_series_add(r->decode, t->decode);
        }
        compare(&c, r);
    }
    r->steps = o->steps;
    r->host = busy / o->frames;
    r->peak_rss = bench_peak_rss();
    r->device_used = device_used(o);
    if (!bench_prompted(s, prompt, o, &c, r, error))
        goto done;
    sana_model_release_text_encoder(model);
    if (!draw(s, prompt, o, &c.params, &c.source, &c.image, error))
        goto done;
    r->released_rss = resident();
    ok = !last || keep_output(s, prompt, o, &c.params, &c.source, &r->db, error);
    r->compared = ok && last && o->other;
done:
    if (prompt)
        sana_prompt_unref(prompt);
    sana_session_free(s);
    canvas_clear(&c);
    return ok;
}

/* --- several sessions of one model ------------------------------------------------------------ */

typedef struct {
    SanaModel *model;
    const Options *options;
    const BenchSize *size;
    GMutex lock;
    GCond ready;
    int waiting; /* sessions that have drawn once and are to go on together */
    GError *error;
} Together;

static gboolean
draw_together(Together *t, SanaSession *s, SanaPrompt *prompt, GError **error)
{
    Canvas c = canvas_new(t->options, t->size);
    gboolean ok = draw(s, prompt, t->options, &c.params, &c.source, &c.image, error);
    g_mutex_lock(&t->lock);
    t->waiting--;
    g_cond_broadcast(&t->ready);
    while (t->waiting > 0)
        g_cond_wait(&t->ready, &t->lock);
    g_mutex_unlock(&t->lock);
    for (int i = 0; ok && i < t->options->frames; i++)
        ok = draw(s, prompt, t->options, &c.params, &c.source, &c.image, error);
    canvas_clear(&c);
    return ok;
}

static gpointer
one_of_several(gpointer data)
{
    Together *t = data;
    GError *error = NULL;
    SanaSession *s = sana_session_new(t->model, &error);
    SanaPrompt *prompt = s ? sana_session_encode(s, t->options->prompt, NULL, &error) : NULL;
    if (prompt)
        draw_together(t, s, prompt, &error);
    g_mutex_lock(&t->lock);
    if (!prompt && --t->waiting == 0)
        g_cond_broadcast(&t->ready);
    if (error && !t->error)
        t->error = g_steal_pointer(&error);
    g_mutex_unlock(&t->lock);
    g_clear_error(&error);
    if (prompt)
        sana_prompt_unref(prompt);
    sana_session_free(s);
    return NULL;
}

/* Pictures a second of all sessions, each on a thread of its own. */
static gboolean
bench_together(SanaModel *model, const Options *o, BenchSize *r, GError **error)
{
    Together t = {.model = model, .options = o, .size = r, .waiting = o->sessions};
    g_autofree GThread **threads = g_new0(GThread *, o->sessions);
    g_mutex_init(&t.lock);
    g_cond_init(&t.ready);
    for (int i = 0; i < o->sessions; i++)
        threads[i] = g_thread_new("session", one_of_several, &t);
    g_mutex_lock(&t.lock);
    while (t.waiting > 0)
        g_cond_wait(&t.ready, &t.lock);
    const double begin = now();
    g_mutex_unlock(&t.lock);
    for (int i = 0; i < o->sessions; i++)
        g_thread_join(threads[i]);
    r->sessions = o->sessions;
    r->together = o->sessions * o->frames / (now() - begin);
    r->together_rss = bench_peak_rss();
    g_mutex_clear(&t.lock);
    g_cond_clear(&t.ready);
    if (!t.error)
        return TRUE;
    g_propagate_error(error, t.error);
    return FALSE;
}

/* --- the run ---------------------------------------------------------------------------------- */

static const char *const precision_names[] = {"auto", "f32", "f16", "bf16", "fp8", "int8"};

static gboolean
parse_precision(const char *name, SanaPrecision *precision, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(precision_names); i++) {
        if (strcmp(name, precision_names[i]) == 0) {
            *precision = (SanaPrecision)i;
            return TRUE;
        }
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "there is no precision \"%s\"; choose auto, f32, f16, bf16, fp8 or int8", name);
    return FALSE;
}

static gboolean
parse_size(const char *text, int *width, int *height, GError **error)
{
    char *end;
    long w = strtol(text, &end, 10), h = w;
    if (*end == 'x')
        h = strtol(end + 1, &end, 10);
    *width = (int)CLAMP(w, 0, 65536);
    *height = (int)CLAMP(h, 0, 65536);
    if (*end == '\0' && *width > 0 && *height > 0)
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "\"%s\" is no size; write 512 or 1280x704", text);
    return FALSE;
}

static gboolean
check_numbers(const Options *o, gboolean has_model, GError **error)
{
    if (has_model && o->frames >= 1 && o->steps >= 1 && o->steps <= MAX_STEPS && o->sessions >= 0 &&
        o->sessions <= MAX_SESSIONS && o->strength > 0 && o->strength <= 1)
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "give a model directory, frames and steps from 1, steps to %d, sessions to %d and "
                "a strength above 0 to 1 (see --help)",
                MAX_STEPS, MAX_SESSIONS);
    return FALSE;
}

/* A size that cannot be read is named before minutes are spent on the model. */
static gboolean
check_sizes(const Options *o, GError **error)
{
    int width, height;
    for (int i = 0; o->sizes[i]; i++)
        if (!parse_size(o->sizes[i], &width, &height, error))
            return FALSE;
    return TRUE;
}

static gboolean
is_repeated(const BenchSize *r, GError **error)
{
    if (r->differing == 0)
        return TRUE;
    g_set_error(error, SANA_ERROR, SANA_ERROR_FAILED,
                "%d pictures of %d×%d differ from the first of the same request; the device "
                "computes something else when it repeats",
                r->differing, r->width, r->height);
    return FALSE;
}

static gboolean
run(Options *o, GError **error)
{
    SanaModelOptions options = {.device = o->device};
    BenchReport report = {.model = o->model};
    if (!parse_precision(o->precision, &options.precision, error) || !check_sizes(o, error))
        return FALSE;
    o->opened = sana_device_open(o->device ? o->device : "auto", error);
    if (!o->opened)
        return FALSE;
    o->available = sana_device_free_memory(o->opened);
    double start = now();
    SanaModel *model = sana_model_load(o->model, &options, NULL, error);
    if (!model)
        return FALSE;
    report.load = now() - start;
    report.info = sana_model_info(model);
    report.precision = precision_names[report.info->precision];
    report.peak_side = g_str_has_prefix(report.info->device, "cuda") ? 8192 : 2048;
    report.peak = measure_peak(report.info->device,
                               report.info->precision == SANA_PRECISION_BF16   ? SANA_BF16
                               : report.info->precision == SANA_PRECISION_INT8 ? SANA_S8
                               : report.info->precision == SANA_PRECISION_FP8  ? SANA_E4M3
                                                                               : SANA_F32,
                               report.peak_side);
    bench_print_head(&report);
    gboolean ok = bench_text(model, o, &report.text, error);
    if (ok)
        bench_print_text(&report);
    report.sizes = bench_sizes_new();
    for (int i = 0; ok && o->sizes[i]; i++) {
        BenchSize *r = bench_sizes_add(report.sizes);
        ok = parse_size(o->sizes[i], &r->width, &r->height, error) &&
             bench_size(model, o, r, !o->sizes[i + 1], error) &&
             (o->sessions < 2 || bench_together(model, o, r, error));
        if (ok)
            bench_print_size(&report, r);
    }
    if (ok && o->json)
        ok = bench_write_json(&report, o->json, error);
    for (guint i = 0; ok && i < report.sizes->len; i++)
        ok = is_repeated(report.sizes->pdata[i], error);
    bench_report_clear(&report);
    sana_model_unref(model);
    return ok;
}

int
main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    Options o = {.frames = 10, .steps = 1, .strength = 0.5};
    GError *error = NULL;
    GOptionEntry entries[] = {
        {"device", 0, 0, G_OPTION_ARG_STRING, &o.device, "auto (default), cpu, cuda, …", "NAME"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &o.precision,
         "auto (default), f32, bf16, fp8, int8", "TYPE"},
        {"size", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.sizes,
         "Picture size, 512 or 1280x704; may be repeated (default 512)", "SIZE"},
        {"frames", 0, 0, G_OPTION_ARG_INT, &o.frames, "Pictures measured a size (default 10)", "N"},
        {"steps", 0, 0, G_OPTION_ARG_INT, &o.steps, "Steps a picture (default 1)", "N"},
        {"sessions", 0, 0, G_OPTION_ARG_INT, &o.sessions,
         "Then draw with so many sessions of the model side by side", "N"},
        {"strength", 0, 0, G_OPTION_ARG_DOUBLE, &o.strength, "Above 0, to 1 (default 0.5)", "S"},
        {"text-to-image", 0, 0, G_OPTION_ARG_NONE, &o.text_to_image,
         "Draw from text alone instead of restyling", NULL},
        {"prompt", 0, 0, G_OPTION_ARG_STRING, &o.prompt, "Prompt (default: one of about 15 tokens)",
         "TEXT"},
        {"json", 0, 0, G_OPTION_ARG_FILENAME, &o.json, "Also write the figures as JSON", "FILE"},
        {"write-input", 0, 0, G_OPTION_ARG_FILENAME, &o.input,
         "Write the source picture, RGB bytes", "FILE"},
        {"write-output", 0, 0, G_OPTION_ARG_FILENAME, &o.output,
         "Write the picture of the last size, RGB floats", "FILE"},
        {"compare-with", 0, 0, G_OPTION_ARG_FILENAME, &o.other,
         "Say how near the picture is to one that --write-output wrote, in dB", "FILE"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("MODEL-DIRECTORY");
    g_option_context_set_summary(context, "Measures the parts of a picture on this machine.");
    g_option_context_add_main_entries(context, entries, NULL);
    gboolean ok = g_option_context_parse(context, &argc, &argv, &error);
    ok = ok && check_numbers(&o, argc == 2, &error);
    o.model = ok ? argv[1] : NULL;
    if (!o.prompt)
        o.prompt = g_strdup("a watercolour painting of a harbour town at dusk, warm light");
    if (!o.precision)
        o.precision = g_strdup("auto");
    if (!o.sizes)
        o.sizes = g_strsplit("512", ",", 1);
    ok = ok && run(&o, &error);
    if (!ok) {
        g_printerr("sana-bench: %s\n", error->message);
        g_error_free(error);
    }
    sana_device_unref(o.opened);
    g_strfreev(o.sizes);
    g_free(o.device);
    g_free(o.precision);
    g_free(o.prompt);
    g_free(o.json);
    g_free(o.input);
    g_free(o.output);
    g_free(o.other);
    return ok ? 0 : 1;
}
