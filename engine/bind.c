/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "sana"

#include "engine/bind.h"

#include "kernels/convert.h"

#include <math.h>
#include <string.h>

#define MAX_LISTED 20 /* names in one sentence; the rest goes to the log */

struct SanaBinder {
    SanaPool *pool;
    SanaDType dtype, inner;
    bool is_inner;
    SanaSafetensors *files;
    bool planner;
    const SanaDevice *in_place; /* computes from the files, or NULL */

    GString *prefix;
    GArray *lengths; /* gsize: of the prefix before each sana_bind_enter() */
    GString *name;   /* of the tensor at hand */

    GHashTable *used;    /* SanaStoredTensor */
    GPtrArray *problems; /* char *, one each */

    SanaBindList list; /* or NULL */
    GCancellable *cancellable;
    bool cancelled;
    SanaBindProgress progress;
    void *user;
    double bytes_done, bytes_total;
};

typedef struct {
    int n;
    int64_t d[4];
} Shape;

static const Shape none = {0, {0}};

SanaBinder *
sana_binder_new(SanaPool *pool, SanaDType dtype, SanaSafetensors *files)
{
    SanaBinder *b = g_new0(SanaBinder, 1);
    b->pool = pool;
    b->dtype = b->inner = dtype;
    b->files = files;
    b->planner = strcmp(sana_device_name(sana_pool_device(pool)), "planner") == 0;
    b->prefix = g_string_new(NULL);
    b->lengths = g_array_new(FALSE, FALSE, sizeof(gsize));
    b->name = g_string_new(NULL);
    b->used = g_hash_table_new(NULL, NULL);
    b->problems = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; files && i < sana_safetensors_count(files); i++)
        b->bytes_total += (double)sana_safetensors_at(files, i)->bytes;
    return b;
}

void
sana_binder_set_inner(SanaBinder *b, SanaDType inner)
{
    b->inner = inner;
}

void
sana_bind_inner(SanaBinder *b, bool begins)
{
    b->is_inner = begins;
}

static SanaDType
computed_in(const SanaBinder *b)
{
    return b->is_inner ? b->inner : b->dtype;
}

SanaBinder *
sana_binder_new_listing(SanaPool *pool, SanaBindList func, void *user)
{
    SanaBinder *b = sana_binder_new(pool, SANA_F32, NULL);
    b->list = func;
    b->user = user;
    return b;
}

void
sana_binder_watch(SanaBinder *b, GCancellable *cancellable, SanaBindProgress func, void *user)
{
    b->cancellable = cancellable;
    b->progress = func;
    b->user = user;
}

void
sana_binder_leave_in_place(SanaBinder *b, const SanaDevice *dev)
{
    b->in_place = dev;
}

void
sana_bind_enter(SanaBinder *b, const char *format, ...)
{
    va_list args;
    gsize length = b->prefix->len;
    g_array_append_val(b->lengths, length);
    va_start(args, format);
    g_string_append_vprintf(b->prefix, format, args);
    va_end(args);
    if (b->prefix->len > length)
        g_string_append_c(b->prefix, '.');
}

void
sana_bind_leave(SanaBinder *b)
{
    g_return_if_fail(b->lengths->len > 0);
    guint last = b->lengths->len - 1;
    g_string_truncate(b->prefix, g_array_index(b->lengths, gsize, last));
    g_array_set_size(b->lengths, last);
}

bool
sana_bind_has(const SanaBinder *b, const char *name)
{
    g_autofree char *full = g_strconcat(b->prefix->str, name, NULL);
    return b->files && sana_safetensors_find(b->files, full);
}

/* --- one stored tensor ------------------------------------------------------------------------ */

static G_GNUC_PRINTF(2, 3) void problem(SanaBinder *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(b->problems, g_strconcat(b->name->str, " ", text, NULL));
}

/* Nothing more is read after a cancellation or when memory ran out. */
static bool
stopped(SanaBinder *b)
{
    if (!b->cancelled)
        b->cancelled = g_cancellable_is_cancelled(b->cancellable);
    return b->cancelled || sana_pool_error(b->pool);
}

/* A network that cannot be complete is checked to its end, but no longer packed. */
static bool
packing(SanaBinder *b)
{
    return b->problems->len == 0 && !stopped(b);
}

static char *
shape_string(const int64_t *d, int n)
{
    GString *s = g_string_new("(");
    for (int i = 0; i < n; i++)
        g_string_append_printf(s, "%s%" G_GINT64_FORMAT, i ? "," : "", d[i]);
    g_string_append_c(s, ')');
    return g_string_free(s, FALSE);
}

static bool
has_shape(const SanaStoredTensor *t, Shape want)
{
    return want.n > 0 && t->n_dims == want.n &&
           memcmp(t->dims, want.d, sizeof want.d[0] * (size_t)want.n) == 0;
}

static bool
stored_dtype(const SanaStoredTensor *t, SanaDType *dtype)
{
    static const struct {
        const char *name;
        SanaDType dtype;
    } known[] = {{"F32", SANA_F32}, {"BF16", SANA_BF16}, {"F16", SANA_F16}};
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
        if (strcmp(t->dtype, known[i].name) == 0) {
            *dtype = known[i].dtype;
            return true;
        }
    return false;
}

/* A stored tensor that fits, as a host view (1, rows, c).  NULL data on the planner. */
typedef struct {
    const SanaStoredTensor *stored;
    SanaTensor view;
    bool odd;   /* the file keeps it where it cannot be read as numbers, */
    void *copy; /* and this is it elsewhere, while it is open */
} Source;

/* Finds prefix + name + suffix of one of two shapes; *stored is NULL after a problem. */
static bool
take(SanaBinder *b, Source *s, const char *name, const char *suffix, Shape want, Shape also)
{
    SanaDType dtype = SANA_F32;
    *s = (Source){0};
    if (stopped(b))
        return false;
    g_string_printf(b->name, "%s%s%s", b->prefix->str, name, suffix);
    if (b->list) {
        b->list(b->name->str, want.d, want.n, b->user);
        return false;
    }
    const SanaStoredTensor *t = sana_safetensors_find(b->files, b->name->str);
    if (!t) {
        problem(b, "is missing");
        return false;
    }
    g_hash_table_add(b->used, (gpointer)t);
    if (!has_shape(t, want) && !has_shape(t, also)) {
        g_autofree char *is = shape_string(t->dims, t->n_dims);
        g_autofree char *expected = shape_string(want.d, want.n);
        problem(b, "is stored %s, expected %s", is, expected);
        return false;
    }
    if (!stored_dtype(t, &dtype)) {
        problem(b, "is stored as %s, expected F32, BF16 or F16", t->dtype);
        return false;
    }
    int64_t row = 1;
    for (int i = 1; i < want.n; i++)
        row *= want.d[i];
    if (row > INT32_MAX) {
        problem(b, "has rows too long to compute with");
        return false;
    }
    bool vector = want.n == 1;
    s->stored = t;
    s->odd = (uintptr_t)t->data % sana_dtype_size(dtype) != 0;
    s->view = sana_tensor(b->planner ? NULL : (void *)t->data, dtype, 1,
                          vector ? 1 : (int)want.d[0], vector ? (int)want.d[0] : (int)row);
    return true;
}

#define ODD_PLACE "lies at an odd place in its file (save it again with the safetensors library)"

/* Whether the values can be used: in place for the device, and all numbers. */
static bool
open_values(SanaBinder *b, Source *s)
{
    if (b->planner)
        return true;
    if (s->odd) {
        s->view.data = s->copy = g_try_malloc(s->stored->bytes);
        if (!s->copy && s->stored->bytes > 0) {
            problem(b, ODD_PLACE " and there is no memory for a copy of %.1f MiB",
                    (double)s->stored->bytes / (1 << 20));
            return false;
        }
        memcpy(s->copy, s->stored->data, s->stored->bytes);
    }
    if (sana_all_finite(s->view))
        return true;
    problem(b, "holds NaN or infinity");
    return false;
}

static void
count(SanaBinder *b, const SanaStoredTensor *t)
{
    b->bytes_done += (double)t->bytes;
    if (b->progress)
        b->progress(b->bytes_total > 0 ? fmin(b->bytes_done / b->bytes_total, 1) : 1, b->user);
}

/* `stays`: the values will be read again soon. */
static void
close_values(SanaBinder *b, Source *s, bool stays)
{
    if (!s->stored)
        return;
    g_free(s->copy);
    if (!b->planner && !stays)
        sana_safetensors_release(b->files, s->stored);
    count(b, s->stored);
    *s = (Source){0};
}

static bool
take_values(SanaBinder *b, Source *s, const char *name, const char *suffix, Shape want, Shape also)
{
    if (take(b, s, name, suffix, want, also) && open_values(b, s))
        return true;
    close_values(b, s, false);
    return false;
}

/* --- vectors ---------------------------------------------------------------------------------- */

/* A vector as F32 (zeros on the planner; g_free), NULL after a problem. */
static float *
take_vector(SanaBinder *b, const char *name, const char *suffix, int c)
{
    Source s;
    Shape shape = {1, {c}};
    if (!take_values(b, &s, name, suffix, shape, none))
        return NULL;
    float *values = g_new0(float, (gsize)c);
    for (int i = 0; i < c && !b->planner; i++)
        values[i] = sana_host_value(s.view, (size_t)i);
    close_values(b, &s, false);
    return values;
}

/* Takes the array. */
static SanaTensor
keep_vector(SanaBinder *b, float *values, int c)
{
    SanaTensor x = SANA_NONE;
    if (values && packing(b))
        x = sana_pool_upload(b->pool, sana_tensor(values, SANA_F32, 1, 1, c), SANA_F32);
    g_free(values);
    return x;
}

/* --- products and convolutions ---------------------------------------------------------------- */

/* <name><suffix> (sizes[i]) of each of n names, one after the other: total values. */
static SanaTensor
bind_vectors(SanaBinder *b, const char *const *names, const char *suffix, const int *sizes, int n,
             int total)
{
    g_autofree float *all = g_new0(float, total);
    bool whole = true;
    for (int i = 0, at = 0; i < n; at += sizes[i++]) {
        g_autofree float *values = take_vector(b, names[i], suffix, sizes[i]);
        if (values)
            memcpy(all + at, values, (size_t)sizes[i] * sizeof *all);
        whole &= values != NULL;
    }
    return keep_vector(b, whole ? g_steal_pointer(&all) : NULL, total);
}

void
sana_bind_stack(SanaBinder *b, SanaLinear *l, const char *const *names, const int *outs, int in,
                bool bias)
{
    int n = 0, total = 0;
    bool whole = true;
    for (; names[n]; n++)
        total += outs[n];
    *l = (SanaLinear){.in = in, .out = total};
    if (bias)
        l->bias = bind_vectors(b, names, ".bias", outs, n, total);

    g_autofree Source *sources = g_new0(Source, n);
    g_autofree SanaTensor *views = g_new0(SanaTensor, n);
    bool in_place = b->in_place != NULL;
    for (int i = 0; i < n; i++) {
        Shape shape = {2, {outs[i], in}}, convolution = {4, {outs[i], in, 1, 1}};
        whole &= take_values(b, &sources[i], names[i], ".weight", shape, convolution);
        views[i] = sources[i].view;
        in_place = in_place && !sources[i].odd &&
                   sana_device_computes_in_place(b->in_place, b->dtype, views[i].dtype);
    }
    if (whole && packing(b) && !in_place)
        sana_pool_linear(b->pool, l, computed_in(b), views, n);
    else if (whole && packing(b) && !b->planner)
        sana_pool_linear_in_place(b->pool, l, b->dtype, views, n);
    for (int i = 0; i < n; i++)
        close_values(b, &sources[i], in_place);
}

void
sana_bind_linear(SanaBinder *b, SanaLinear *l, const char *name, int out, int in, bool bias)
{
    sana_bind_stack(b, l, (const char *[]){name, NULL}, &out, in, bias);
}

void
sana_bind_conv(SanaBinder *b, SanaConv *k, const char *name, bool bias)
{
    Source s;
    k->stride = MAX(k->stride, 1);
    k->upsample = MAX(k->upsample, 1);
    k->groups = MAX(k->groups, 1);
    k->bias = bias ? bind_vectors(b, &name, ".bias", &k->out, 1, k->out) : SANA_NONE;
    k->packed = NULL;
    Shape shape = {4, {k->out, k->in / k->groups, k->kernel, k->kernel}};
    if (take_values(b, &s, name, ".weight", shape, none) && packing(b))
        sana_pool_conv(b->pool, k, computed_in(b), s.view);
    close_values(b, &s, false);
}

/* --- norms and tables ------------------------------------------------------------------------- */

void
sana_bind_rms_norm(SanaBinder *b, SanaNorm *norm, const char *name, int c, float eps, float offset,
                   bool bias)
{
    *norm = (SanaNorm){.kind = SANA_NORM_RMS, .eps = eps};
    float *weight = take_vector(b, name, ".weight", c);
    for (int i = 0; weight && i < c; i++)
        weight[i] += offset;
    norm->weight = keep_vector(b, weight, c);
    if (bias)
        norm->bias = bind_vectors(b, &name, ".bias", &c, 1, c);
}

void
sana_bind_rms_norm_pair(SanaBinder *b, SanaNorm *norm, const char *first, const char *second, int c,
                        float eps)
{
    *norm = (SanaNorm){.kind = SANA_NORM_RMS, .eps = eps, .groups = 2};
    norm->weight =
        bind_vectors(b, (const char *[]){first, second}, ".weight", (int[]){c, c}, 2, 2 * c);
}

void
sana_bind_batch_norm(SanaBinder *b, SanaNorm *norm, const char *name, int c, float eps)
{
    *norm = (SanaNorm){.kind = SANA_NORM_AFFINE, .eps = eps};
    float *weight = take_vector(b, name, ".weight", c);
    float *bias = take_vector(b, name, ".bias", c);
    g_autofree float *mean = take_vector(b, name, ".running_mean", c);
    g_autofree float *variance = take_vector(b, name, ".running_var", c);
    for (int i = 0; weight && bias && mean && variance && i < c; i++) {
        double spread = (double)variance[i] + (double)eps;
        if (!(spread > 0) && !b->planner) {
            problem(b, "holds a negative variance");
            break;
        }
        double scale = b->planner ? 1 : weight[i] / sqrt(spread);
        weight[i] = (float)scale;
        bias[i] = (float)(bias[i] - mean[i] * scale);
    }
    norm->weight = keep_vector(b, weight, c);
    norm->bias = keep_vector(b, bias, c);
}

void
sana_bind_table(SanaBinder *b, SanaTensor *x, const char *name, int rows, int c)
{
    Source s;
    Shape shape = {2, {rows, c}}, vector = {rows == 1, {c}};
    *x = SANA_NONE;
    if (take_values(b, &s, name, "", shape, vector) && packing(b))
        *x = sana_pool_upload(b->pool, s.view, SANA_F32);
    close_values(b, &s, false);
}

/* Reads a table through once without ever holding much of it in memory. */
static bool
table_is_finite(SanaBinder *b, const Source *s)
{
    size_t row = (size_t)s->view.c * sana_dtype_size(s->view.dtype);
    int step = (int)MAX(1, ((size_t)16 << 20) / row), n;
    bool finite = true;
    for (int i = 0; finite && i < s->view.w && !stopped(b); i += n) {
        n = MIN(step, s->view.w - i);
        SanaTensor rows = sana_rows(s->view, i, n);
        SanaStoredTensor part = {.data = rows.data, .bytes = sana_bytes(rows)};
        finite = sana_all_finite(rows);
        sana_safetensors_release(b->files, &part);
    }
    return finite;
}

void
sana_bind_mapped(SanaBinder *b, SanaTensor *x, const char *name, int rows, int c)
{
    Source s;
    Shape shape = {2, {rows, c}};
    *x = SANA_NONE;
    if (rows <= 0) {
        g_autofree char *full = g_strconcat(b->prefix->str, name, NULL);
        const SanaStoredTensor *t = b->files ? sana_safetensors_find(b->files, full) : NULL;
        shape.d[0] = t && t->n_dims == 2 && t->dims[0] > 0 ? t->dims[0] : 1;
    }
    if (!take(b, &s, name, "", shape, none))
        return;
    if (s.odd)
        problem(b, ODD_PLACE);
    else if (!b->planner && !table_is_finite(b, &s))
        problem(b, "holds NaN or infinity");
    else
        *x = s.view;
    count(b, s.stored);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void
list_problems(SanaBinder *b, const char *what, GError **error)
{
    GString *text = g_string_new(NULL);
    guint n = b->problems->len;
    for (guint i = 0; i < MIN(n, MAX_LISTED); i++)
        g_string_append_printf(text, "%s%s", i ? "; " : "", (char *)b->problems->pdata[i]);
    if (n > MAX_LISTED) {
        g_string_append_printf(text, "; and %u more, which G_MESSAGES_DEBUG=sana lists",
                               n - MAX_LISTED);
        for (guint i = 0; i < n; i++)
            g_info("%s: %s", what, (char *)b->problems->pdata[i]);
    }
    const char *file = sana_safetensors_count(b->files) > 0 ? sana_safetensors_at(b->files, 0)->file
                                                            : "an empty file";
    g_set_error(
        error, SANA_FILE_ERROR, SANA_FILE_ERROR_WEIGHTS,
        "the weights of the %s (%s) cannot be used: %s; download them and config.json again", what,
        file, text->str);
    g_string_free(text, TRUE);
}

static bool
ignored(const char *name, const char *const *ignore)
{
    for (; ignore && *ignore; ignore++)
        if (g_pattern_match_simple(*ignore, name))
            return true;
    return false;
}

static void
warn_unused(SanaBinder *b, const char *what, const char *const *ignore)
{
    GString *text = g_string_new(NULL);
    guint n = 0;
    for (size_t i = 0; i < sana_safetensors_count(b->files); i++) {
        const SanaStoredTensor *t = sana_safetensors_at(b->files, i);
        if (g_hash_table_contains(b->used, t) || ignored(t->name, ignore))
            continue;
        if (n++ < MAX_LISTED)
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", t->name);
    }
    if (n > MAX_LISTED)
        g_string_append_printf(text, " and %u more", n - MAX_LISTED);
    if (n > 0)
        g_warning("unused weights of the %s: %s", what, text->str);
    g_string_free(text, TRUE);
}

static bool
finish(SanaBinder *b, const char *what, const char *const *ignore, GError **error)
{
    if (b->cancelled) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "loading the %s was cancelled", what);
        return false;
    }
    if (sana_pool_error(b->pool)) {
        g_propagate_error(error, g_error_copy(sana_pool_error(b->pool)));
        return false;
    }
    if (b->problems->len > 0)
        list_problems(b, what, error);
    /* A planner's pass is followed by the real one, unless it failed. */
    if (!b->planner || b->problems->len > 0)
        warn_unused(b, what, ignore);
    return b->problems->len == 0;
}

bool
sana_binder_finish(SanaBinder *b, const char *what, const char *const *ignore, GError **error)
{
    bool ok = b->list || finish(b, what, ignore, error);
    if (!b->planner && !b->in_place)
        sana_safetensors_release(b->files, NULL);
    g_ptr_array_unref(b->problems);
    g_hash_table_unref(b->used);
    g_string_free(b->name, TRUE);
    g_string_free(b->prefix, TRUE);
    g_array_unref(b->lengths);
    g_free(b);
    return ok;
}
