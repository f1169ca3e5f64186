/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/backend.h"

#include <stdlib.h>
#include <string.h>

/* One line per backend. */
static const SanaBackend *const backends[] = {
    &sana_cpu_backend,
    &sana_reference_backend,
    &sana_planner_backend,
};

/* And one per backend that is a module, with the library of the driver that it needs. */
static const struct {
    const char *name, *driver;
} modules[] = {
    {"cuda", "libcuda.so.1"},
};

#define ALIGNMENT 64

static size_t
align_up(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Bytes of a dense tensor, or false when it cannot be addressed. */
static bool
tensor_bytes(SanaDType dtype, int h, int w, int c, size_t *bytes)
{
    if (h < 1 || w < 1 || c < 1)
        return false;
    size_t n = (size_t)h * (size_t)w; /* two ints always fit */
    return !__builtin_mul_overflow(n, (size_t)c, &n) &&
           !__builtin_mul_overflow(n, sana_dtype_size(dtype), bytes) && *bytes < SIZE_MAX / 2;
}

/* --- devices ---------------------------------------------------------------------------------- */

/* Those to choose from: neither the planner, which does not compute, nor the tests' reference, nor
 * a module that is not there. */
static char *
backend_names(void)
{
    GString *names = g_string_new("auto");
    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++)
        if (backends[i] != &sana_planner_backend && backends[i] != &sana_reference_backend)
            g_string_append_printf(names, ", %s", backends[i]->name);
    for (size_t i = 0; i < G_N_ELEMENTS(modules); i++)
        if (sana_module_exists(modules[i].name))
            g_string_append_printf(names, ", %s", modules[i].name);
    return g_string_free(names, FALSE);
}

static bool
is_named(const char *candidate, const char *name, size_t length)
{
    return strlen(candidate) == length && strncmp(candidate, name, length) == 0;
}

/* The backend of this name, or NULL with *why. */
static const SanaBackend *
find_backend(const char *name, size_t length, char **why)
{
    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++)
        if (is_named(backends[i]->name, name, length))
            return backends[i];
    for (size_t i = 0; i < G_N_ELEMENTS(modules); i++)
        if (is_named(modules[i].name, name, length) && sana_module_exists(modules[i].name))
            return sana_module_backend(modules[i].name, why);
    char *known = backend_names();
    *why = g_strdup_printf("there is none in this build; choose one of %s", known);
    g_free(known);
    return NULL;
}

/* "auto": a module's device where the machine has one, be it usable or not, else cpu. */
static const char *
automatic(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(modules); i++) {
        char *why = NULL;
        if (!sana_library_loads(modules[i].driver) || !sana_module_exists(modules[i].name))
            continue;
        const SanaBackend *backend = sana_module_backend(modules[i].name, &why);
        g_free(why);
        if (!backend || backend->present())
            return modules[i].name;
    }
    return "cpu";
}

SanaDevice *
sana_device_open(const char *name, GError **error)
{
    if (strcmp(name, "auto") == 0)
        name = automatic();
    const char *colon = strchr(name, ':');
    size_t length = colon ? (size_t)(colon - name) : strlen(name);
    char *why = NULL;
    const SanaBackend *backend = find_backend(name, length, &why);
    SanaDevice *dev = backend ? backend->open(colon ? colon + 1 : "", &why) : NULL;
    if (!dev) {
        g_set_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MISSING, "device \"%s\": %s", name,
                    why ? why : "not available");
        g_free(why);
        return NULL;
    }
    dev->backend = backend;
    dev->refs = 1;
    if (!dev->name[0])
        g_strlcpy(dev->name, backend->name, sizeof dev->name);
    return dev;
}

SanaDevice *
sana_device_ref(SanaDevice *dev)
{
    g_atomic_int_inc(&dev->refs);
    return dev;
}

void
sana_device_unref(SanaDevice *dev)
{
    if (dev && g_atomic_int_dec_and_test(&dev->refs))
        dev->backend->close(dev);
}

const char *
sana_device_name(const SanaDevice *dev)
{
    return dev->name;
}

bool
sana_device_has_own_memory(const SanaDevice *dev)
{
    return dev->backend->own_memory;
}

bool
sana_device_check(SanaDevice *dev, GError **error)
{
    if (!dev->backend->is_lost || !dev->backend->is_lost(dev))
        return true;
    g_set_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED,
                "device %s was lost to this program by an earlier failure; start it again",
                dev->name);
    return false;
}

bool
sana_device_replays(const SanaDevice *dev)
{
    return dev->backend->replay != NULL;
}

bool
sana_device_supports(const SanaDevice *dev, SanaDType dtype)
{
    return dtype == SANA_F32 || dev->backend->supports(dev, dtype);
}

bool
sana_device_computes_in_place(const SanaDevice *dev, SanaDType dtype, SanaDType stored)
{
    return dev->backend->computes_in_place && dev->backend->computes_in_place(dev, dtype, stored);
}

SanaDType
sana_device_best_dtype(const SanaDevice *dev)
{
    return dev->backend->best_dtype(dev);
}

size_t
sana_device_free_memory(const SanaDevice *dev)
{
    return dev->backend->free_memory(dev);
}

/* --- pools ------------------------------------------------------------------------------------ */

SanaPool *
sana_pool_new(SanaDevice *dev)
{
    SanaPool *pool = g_new0(SanaPool, 1);
    pool->device = sana_device_ref(dev);
    pool->blocks = g_ptr_array_new();
    pool->packed = g_ptr_array_new();
    return pool;
}

SanaPool *
sana_pool_new_plan(SanaDevice *dev)
{
    SanaDevice *planner = sana_device_open("planner", NULL);
    SanaPool *pool = sana_pool_new(planner);
    pool->planned = sana_device_ref(dev);
    sana_device_unref(planner);
    return pool;
}

void
sana_pool_free(SanaPool *pool)
{
    if (!pool)
        return;
    const SanaBackend *backend = pool->device->backend;
    for (guint i = 0; i < pool->packed->len; i++)
        backend->free_packed(pool->device, pool->packed->pdata[i]);
    for (guint i = 0; i < pool->blocks->len; i++)
        backend->free(pool->device, pool->blocks->pdata[i]);
    g_ptr_array_free(pool->packed, TRUE);
    g_ptr_array_free(pool->blocks, TRUE);
    g_clear_error(&pool->error);
    sana_device_unref(pool->planned);
    sana_device_unref(pool->device);
    g_free(pool);
}

SanaDevice *
sana_pool_device(SanaPool *pool)
{
    return pool->device;
}

size_t
sana_pool_bytes(const SanaPool *pool)
{
    return pool->bytes;
}

size_t
sana_pool_peak(const SanaPool *pool)
{
    return pool->peak;
}

const GError *
sana_pool_error(const SanaPool *pool)
{
    return pool->error;
}

static void
pool_fail(SanaPool *pool, const char *what, size_t bytes)
{
    if (pool->error || !sana_device_check(pool->device, &pool->error))
        return;
    g_set_error(&pool->error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MEMORY,
                "out of memory on device %s: %s of %.1f MiB after %.1f MiB; free memory or choose "
                "a smaller model or size",
                pool->device->name, what, (double)bytes / (1 << 20),
                (double)pool->bytes / (1 << 20));
}

static bool
is_planner(const SanaDevice *dev)
{
    return dev->backend == &sana_planner_backend;
}

static void
pool_add(SanaPool *pool, size_t bytes, size_t passing)
{
    pool->peak = MAX(pool->peak, pool->bytes + bytes + passing);
    pool->bytes += bytes;
}

SanaTensor
sana_pool_tensor(SanaPool *pool, SanaDType dtype, int h, int w, int c)
{
    SanaTensor x = sana_tensor(NULL, dtype, h, w, c);
    size_t bytes;
    if (!tensor_bytes(dtype, h, w, c, &bytes)) {
        pool_fail(pool, "a tensor too large to address", 0);
        return x;
    }
    if (!is_planner(pool->device)) {
        x.data = pool->device->backend->alloc(pool->device, align_up(bytes));
        if (!x.data) {
            pool_fail(pool, "a tensor", bytes);
            return x;
        }
        g_ptr_array_add(pool->blocks, x.data);
    }
    pool_add(pool, align_up(bytes), 0);
    return x;
}

static bool
keep_packed(SanaPool *pool, void *packed, void **slot, size_t bytes)
{
    if (!packed) {
        pool_fail(pool, "weights", bytes);
        return false;
    }
    g_ptr_array_add(pool->packed, packed);
    *slot = packed;
    pool_add(pool, bytes, 0);
    return true;
}

static bool
plan_packed(SanaPool *pool, const SanaConv *k, SanaDType dtype)
{
    const SanaDevice *dev = pool->planned ? pool->planned : pool->device;
    size_t passing = 0;
    size_t bytes = dev->backend->packed_bytes ? dev->backend->packed_bytes(dev, k, dtype, &passing)
                                              : sana_weight_count(k) * sana_dtype_size(dtype);
    pool_add(pool, bytes, passing);
    return true;
}

bool
sana_pool_linear(SanaPool *pool, SanaLinear *l, SanaDType dtype, const SanaTensor *sources,
                 int n_sources)
{
    const SanaConv k = {.in = l->in, .out = l->out, .groups = 1, .bias = l->bias};
    size_t bytes = sana_weight_count(&k) * sana_dtype_size(dtype);
    l->packed = NULL;
    if (is_planner(pool->device))
        return plan_packed(pool, &k, dtype);
    const SanaBackend *backend = sana_backend_entered(pool->device);
    void *packed = backend->pack_linear(pool->device, l, dtype, sources, n_sources, &bytes);
    return keep_packed(pool, packed, &l->packed, bytes);
}

bool
sana_pool_linear_in_place(SanaPool *pool, SanaLinear *l, SanaDType dtype, const SanaTensor *sources,
                          int n_sources)
{
    SanaDevice *dev = pool->device;
    for (int i = 0; i < n_sources; i++)
        if (!sana_device_computes_in_place(dev, dtype, sources[i].dtype))
            return sana_pool_linear(pool, l, dtype, sources, n_sources);
    void *packed = dev->backend->linear_in_place(dev, l, dtype, sources, n_sources);
    return keep_packed(pool, packed, &l->packed, 0);
}

bool
sana_pool_conv(SanaPool *pool, SanaConv *k, SanaDType dtype, SanaTensor source)
{
    size_t bytes = sana_weight_count(k) * sana_dtype_size(dtype);
    k->packed = NULL;
    if (is_planner(pool->device))
        return plan_packed(pool, k, dtype);
    const SanaBackend *backend = sana_backend_entered(pool->device);
    void *packed = backend->pack_conv(pool->device, k, dtype, source, &bytes);
    return keep_packed(pool, packed, &k->packed, bytes);
}

SanaTensor
sana_pool_upload(SanaPool *pool, SanaTensor host, SanaDType dtype)
{
    SanaTensor x = sana_pool_tensor(pool, dtype, host.h, host.w, host.c);
    if (x.data && !pool->device->backend->upload_convert(pool->device, x, host) && !pool->error &&
        sana_device_check(pool->device, &pool->error))
        g_set_error(&pool->error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED,
                    "device %s failed while a tensor was copied to it", pool->device->name);
    return x;
}

/* --- streams ---------------------------------------------------------------------------------- */

SanaStream *
sana_stream_new(SanaDevice *dev, GError **error)
{
    char *why = NULL;
    SanaStream *s = dev->backend->stream_open(dev, &why);
    if (!s) {
        g_set_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED,
                    "device %s cannot start a stream: %s", dev->name, why ? why : "unknown cause");
        g_free(why);
        return NULL;
    }
    s->device = sana_device_ref(dev);
    return s;
}

void
sana_stream_free(SanaStream *s)
{
    if (!s)
        return;
    SanaDevice *dev = s->device;
    if (s->scratch)
        dev->backend->free(dev, s->scratch);
    g_clear_error(&s->error);
    dev->backend->stream_close(s);
    sana_device_unref(dev);
}

SanaDevice *
sana_stream_device(SanaStream *s)
{
    return s->device;
}

bool
sana_stream_reserve(SanaStream *s, size_t bytes, GError **error)
{
    if (bytes <= s->size || is_planner(s->device))
        return true;
    g_return_val_if_fail(s->top == 0, false);
    const SanaBackend *backend = s->device->backend;
    if (s->scratch)
        backend->free(s->device, s->scratch);
    s->scratch = backend->alloc(s->device, align_up(bytes));
    s->size = s->scratch ? align_up(bytes) : 0;
    if (!s->scratch && sana_device_check(s->device, error))
        g_set_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MEMORY,
                    "out of memory on device %s: %.1f MiB of scratch; choose a smaller size",
                    s->device->name, (double)bytes / (1 << 20));
    return s->scratch != NULL;
}

size_t
sana_stream_reserved(const SanaStream *s)
{
    return s->size;
}

SanaTensor
sana_scratch(SanaStream *s, SanaDType dtype, int h, int w, int c)
{
    SanaTensor x = sana_tensor(NULL, dtype, h, w, c);
    size_t bytes;
    if (!tensor_bytes(dtype, h, w, c, &bytes)) {
        sana_fail(s, SANA_DEVICE_ERROR_FAILED, "impossible scratch tensor (%d, %d, %d)", h, w, c);
        return x;
    }
    size_t top = s->top + align_up(bytes);
    if (is_planner(s->device))
        s->plan.scratch_peak = MAX(s->plan.scratch_peak, top);
    else if (top > s->size)
        sana_fail(s, SANA_DEVICE_ERROR_FAILED,
                  "scratch of %zu bytes exceeds the %zu that were planned", top, s->size);
    else
        x.data = s->scratch + s->top;
    s->top = top;
    return x;
}

size_t
sana_mark(SanaStream *s)
{
    return s->top;
}

void
sana_pop(SanaStream *s, size_t mark)
{
    s->top = mark;
}

void
sana_upload(SanaStream *s, SanaTensor dst, const void *host)
{
    if (sana_stream_ok(s))
        s->device->backend->copy_in(s, dst.data, host, 0, sana_bytes(dst), 1);
}

void
sana_download(SanaStream *s, void *host, SanaTensor src)
{
    if (sana_stream_ok(s))
        s->device->backend->copy_out(s, host, 0, src.data, sana_bytes(src), 1);
}

/* Bytes of one of its h rows. */
static size_t
row_bytes(SanaTensor x)
{
    return sana_bytes(sana_rows(x, 0, x.w));
}

void
sana_upload_rows(SanaStream *s, SanaTensor dst, const void *host, size_t pitch)
{
    if (sana_stream_ok(s))
        s->device->backend->copy_in(s, dst.data, host, pitch, row_bytes(dst), (size_t)dst.h);
}

void
sana_download_rows(SanaStream *s, void *host, size_t pitch, SanaTensor src)
{
    if (sana_stream_ok(s))
        s->device->backend->copy_out(s, host, pitch, src.data, row_bytes(src), (size_t)src.h);
}

void
sana_read_rows(SanaStream *s, SanaTensor dst, const void *memory, size_t pitch)
{
    const SanaBackend *backend = s->device->backend;
    if (!backend->copy_rows)
        sana_upload_rows(s, dst, memory, pitch);
    else if (sana_stream_ok(s))
        backend->copy_rows(s, dst.data, row_bytes(dst), memory, pitch, row_bytes(dst),
                           (size_t)dst.h);
}

void
sana_write_rows(SanaStream *s, void *memory, size_t pitch, SanaTensor src)
{
    const SanaBackend *backend = s->device->backend;
    if (!backend->copy_rows)
        sana_download_rows(s, memory, pitch, src);
    else if (sana_stream_ok(s))
        backend->copy_rows(s, memory, pitch, src.data, row_bytes(src), row_bytes(src),
                           (size_t)src.h);
}

void
sana_stream_wait(SanaStream *s)
{
    s->device->backend->finish(s);
}

bool
sana_stream_finish(SanaStream *s, GError **error)
{
    s->device->backend->finish(s);
    bool cancelled = g_atomic_int_exchange(&s->cancelled, 0);
    GError *failure = g_steal_pointer(&s->error);
    s->failed = false;
    s->top = 0;
    if (cancelled) {
        g_clear_error(&failure);
        g_set_error_literal(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_CANCELLED, "cancelled");
        return false;
    }
    if (failure)
        g_propagate_error(error, failure);
    return failure == NULL;
}

void
sana_stream_cancel(SanaStream *s)
{
    g_atomic_int_set(&s->cancelled, 1);
}

void
sana_stream_replay(SanaStream *s, SanaReplay **replay, SanaForward forward, void *user)
{
    if (s->device->backend->replay && !s->tap)
        s->device->backend->replay(s, replay, forward, user);
    else
        forward(s, user);
}

void
sana_replay_free(SanaStream *s, SanaReplay **replay)
{
    if (*replay)
        s->device->backend->replay_free(s, *replay);
    *replay = NULL;
}

void
sana_stream_set_tap(SanaStream *s, SanaTapFunc func, void *user)
{
    s->tap = func;
    s->tap_user = user;
}

void
sana_tap(SanaStream *s, SanaTensor x, const char *format, ...)
{
    if (!s->tap || !sana_stream_ok(s))
        return;
    va_list args;
    va_start(args, format);
    char *name = g_strdup_vprintf(format, args);
    va_end(args);
    s->tap(s, name, x, s->tap_user);
    g_free(name);
}

SanaPlan
sana_stream_plan(const SanaStream *s)
{
    return s->plan;
}

void
sana_stream_plan_reset(SanaStream *s)
{
    s->plan = (SanaPlan){0};
}
