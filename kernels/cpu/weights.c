/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/cpu.h"

#include <omp.h>
#include <string.h>

#include "kernels/convert.h"

typedef struct {
    SanaDnnlLayout *layout;
    void *data;
    bool borrowed; /* data is somebody else's, and only read */
} CpuWeights;

/* One entry of a stream's table; the key comes first. */
typedef struct {
    guint id;
    SanaDnnlShape shape;
    SanaDnnlPrimitive *primitive;
    bool used; /* since the table was last looked through */
} CpuPrimitive;

/* Primitives of a stream to begin with: more than most frames need, each some 50 KiB. */
#define PRIMITIVES 1024

/* --- packed weights -------------------------------------------------------------------------- */

static void
weights_free(void *p)
{
    CpuWeights *w = p;
    if (w)
        sana_dnnl_layout_free(w->layout);
    if (w && !w->borrowed)
        sana_host_free(NULL, w->data);
    g_free(w);
}

static CpuWeights *
weights_new(SanaDnnlLayout *layout)
{
    CpuWeights *w = g_new0(CpuWeights, 1);
    w->layout = layout;
    w->data = sana_host_alloc(NULL, MAX(sana_dnnl_layout_bytes(layout), 1));
    if (w->data)
        return w;
    weights_free(w);
    return NULL;
}

static SanaCpuPacked *
packed_alloc(SanaCpuDevice *dev)
{
    SanaCpuPacked *p = g_new0(SanaCpuPacked, 1);
    p->id = (guint)g_atomic_int_add(&dev->next_id, 1);
    p->copies = g_ptr_array_new_with_free_func(weights_free);
    g_mutex_init(&p->lock);
    return p;
}

void
sana_cpu_packed_free(SanaDevice *dev, void *packed)
{
    SanaCpuPacked *p = packed;
    if (!p)
        return;
    g_ptr_array_unref(p->copies);
    g_clear_pointer(&p->parts, g_ptr_array_unref);
    g_mutex_clear(&p->lock);
    sana_host_free(NULL, p->taps);
    sana_host_free(NULL, p->points);
    sana_host_free(NULL, p->bias);
    sana_host_free(NULL, p->scales);
    g_free(p);
}

void
sana_cpu_source_to_f32(float *dst, SanaTensor src, size_t first, size_t count)
{
    const uint16_t *half = (const uint16_t *)src.data + first;
    if (src.dtype == SANA_F32)
        memcpy(dst, (const float *)src.data + first, count * sizeof *dst);
    else if (src.dtype == SANA_BF16)
        for (size_t i = 0; i < count; i++)
            dst[i] = sana_bf16_to_f32(half[i]);
    else
        for (size_t i = 0; i < count; i++)
            dst[i] = sana_f16_to_f32(half[i]);
}

/* The same, each rounded to what dtype can tell. */
static void
source_rounded(float *dst, SanaDType dtype, SanaTensor src, size_t first, size_t count)
{
    sana_cpu_source_to_f32(dst, src, first, count);
    for (size_t i = 0; i < count && dtype == SANA_BF16; i++)
        dst[i] = sana_bf16_to_f32(sana_f32_to_bf16(dst[i]));
}

/* Bytes of f32 to convert at a time: what a cache holds, and no new pages for each. */
#define CONVERT_BYTES ((size_t)4 << 20)

/*
 * Rows of a source into the packed form, by way of f32 where oneDNN converts an element at a time:
 * from bf16 to another type, and f16, which it does not know.
 */
static int
pack_rows(SanaCpuDevice *dev, const CpuWeights *w, const SanaDnnlShape *shape, int first,
          SanaTensor src, size_t row)
{
    const int rows = (int)(sana_positions(src) * (size_t)src.c / row);
    if (src.dtype == SANA_F32 || (gint32)src.dtype == shape->x_dtype)
        return sana_dnnl_pack(dev->dnnl, w->layout, w->data, first, rows, src.data, src.dtype);
    size_t some = CONVERT_BYTES / sizeof(float) / row / 64 * 64;
    int step = shape->kernel ? rows : (int)CLAMP(some, 64, (size_t)rows), status = 0;
    float *converted = sana_host_alloc(NULL, (size_t)step * row * sizeof(float));
    if (!converted)
        return sana_dnnl_no_memory();
    for (int at = 0; at < rows && !status; at += step) {
        int count = MIN(step, rows - at);
        sana_cpu_source_to_f32(converted, src, (size_t)at * row, (size_t)count * row);
        status =
            sana_dnnl_pack(dev->dnnl, w->layout, w->data, first + at, count, converted, SANA_F32);
    }
    sana_host_free(NULL, converted);
    return status;
}

/* All sources one after the other through a plain copy, where parts that are written apart cut a
 * block in two. */
static int
pack_joined(SanaCpuDevice *dev, const CpuWeights *w, int out, size_t row, const SanaTensor *sources,
            int n_sources)
{
    float *joined = sana_host_alloc(NULL, (size_t)out * row * sizeof(float));
    if (!joined)
        return sana_dnnl_no_memory();
    size_t at = 0;
    for (int i = 0; i < n_sources; i++) {
        size_t count = sana_positions(sources[i]) * (size_t)sources[i].c;
        sana_cpu_source_to_f32(joined + at, sources[i], 0, count);
        at += count;
    }
    int status = sana_dnnl_pack(dev->dnnl, w->layout, w->data, 0, out, joined, SANA_F32);
    sana_host_free(NULL, joined);
    return status;
}

SanaCpuPacked *
sana_cpu_packed_empty(SanaCpuDevice *dev, SanaDnnlLayout *layout, void **data)
{
    CpuWeights *w = weights_new(layout);
    if (!w)
        return NULL;
    SanaCpuPacked *p = packed_alloc(dev);
    g_ptr_array_add(p->copies, w);
    *data = w->data;
    return p;
}

SanaCpuPacked *
sana_cpu_packed_new(SanaCpuDevice *dev, const SanaDnnlShape *shape, const SanaTensor *sources,
                    int n_sources, size_t *bytes)
{
    if (shape->x_dtype == SANA_S8)
        return sana_cpu_packed_eight_bit(dev, shape, sources, n_sources, bytes);
    int status, first = 0;
    SanaDnnlLayout *layout = sana_dnnl_layout_for(dev->dnnl, shape, &status);
    void *data;
    SanaCpuPacked *p = layout ? sana_cpu_packed_empty(dev, layout, &data) : NULL;
    if (!p)
        return NULL;

    const CpuWeights *w = g_ptr_array_index(p->copies, 0);
    const size_t row = sana_dnnl_row(shape);
    *bytes = sana_dnnl_layout_bytes(layout);
    /* parts of a block are written one after the other: what lies behind the last is padding */
    if (n_sources > 1 || (gint32)sources[0].dtype != shape->x_dtype)
        memset(data, 0, *bytes);
    for (int i = 0; i < n_sources && !status; i++) {
        status = pack_rows(dev, w, shape, first, sources[i], row);
        first += (int)(sana_positions(sources[i]) * (size_t)sources[i].c / row);
    }
    if (status && status != sana_dnnl_no_memory())
        status = pack_joined(dev, w, shape->out, row, sources, n_sources);
    if (status) {
        sana_cpu_packed_free(NULL, p);
        return NULL;
    }
    return p;
}

size_t
sana_cpu_packed_new_bytes(const SanaCpuDevice *dev, const SanaDnnlShape *shape)
{
    size_t bytes = (size_t)shape->out * sana_dnnl_row(shape);
    bytes *= sana_dtype_size((SanaDType)shape->x_dtype);
    if (shape->x_dtype == SANA_S8)
        return sana_cpu_packed_eight_bit_bytes(shape, bytes);
    int status;
    SanaDnnlLayout *layout = sana_dnnl_layout_for(dev->dnnl, shape, &status);
    if (layout)
        bytes = sana_dnnl_layout_bytes(layout);
    sana_dnnl_layout_free(layout);
    return bytes;
}

SanaCpuPacked *
sana_cpu_packed_in_place(SanaCpuDevice *dev, const SanaDnnlShape *shape, SanaTensor weights)
{
    SanaDnnlLayout *layout = sana_dnnl_layout_plain(shape);
    if (!layout)
        return NULL;
    CpuWeights *w = g_new0(CpuWeights, 1);
    *w = (CpuWeights){.layout = layout, .data = weights.data, .borrowed = true};
    SanaCpuPacked *p = packed_alloc(dev);
    p->in_place = weights;
    g_ptr_array_add(p->copies, w);
    return p;
}

SanaCpuPacked *
sana_cpu_packed_parts(SanaCpuDevice *dev, GPtrArray *parts)
{
    SanaCpuPacked *p = packed_alloc(dev);
    p->parts = parts;
    return p;
}

size_t
sana_cpu_packed_taps_bytes(const SanaConv *k)
{
    return (size_t)k->kernel * (size_t)k->kernel * (size_t)k->out * sizeof(float);
}

SanaCpuPacked *
sana_cpu_packed_taps(SanaCpuDevice *dev, const SanaConv *k, SanaDType dtype, SanaTensor source,
                     size_t *bytes)
{
    size_t taps = (size_t)k->kernel * (size_t)k->kernel, out = (size_t)k->out;
    float *row = g_new(float, taps);
    SanaCpuPacked *p = packed_alloc(dev);
    *bytes = sana_cpu_packed_taps_bytes(k);
    p->taps = sana_host_alloc(NULL, *bytes);
    for (size_t ch = 0; ch < out && p->taps; ch++) {
        source_rounded(row, dtype, source, ch * taps, taps);
        for (size_t t = 0; t < taps; t++)
            p->taps[t * out + ch] = row[t];
    }
    g_free(row);
    if (p->taps)
        return p;
    sana_cpu_packed_free(NULL, p);
    return NULL;
}

/* G of F(4×4, 3×3), its row for the point −1 last: an enlarged map does without (winograd.c).  And
 * taps as they are. */
static const float winograd[SANA_CPU_WINDOW][3] = {{1 / 4.f, 0, 0},
                                                   {-1 / 6.f, -1 / 6.f, -1 / 6.f},
                                                   {1 / 24.f, 1 / 12.f, 1 / 6.f},
                                                   {1 / 24.f, -1 / 12.f, 1 / 6.f},
                                                   {0, 0, 1},
                                                   {-1 / 6.f, 1 / 6.f, -1 / 6.f}};
static const float identity[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};

/* G g Gᵀ of a panel's weights for one input, G (side, 3): w (PANEL, 9), `row` floats from one to
 * the next, to u (side², PANEL), u_point floats from one to the next. */
static void
transform_taps(float *u, size_t u_point, const float (*g)[3], int side, const float *w, size_t row)
{
    for (int p = 0; p < side * side; p++) {
        const float *down = g[p / side], *across = g[p % side];
        for (size_t o = 0; o < SANA_CPU_PANEL; o++) {
            double sum = 0;
            for (int i = 0; i < 9; i++)
                sum += (double)down[i / 3] * (double)across[i % 3] * (double)w[o * row + (size_t)i];
            u[(size_t)p * u_point + o] = (float)sum;
        }
    }
}

static int
points_side(const SanaConv *k)
{
    return k->stride > 1 ? 3 : sana_cpu_winograd_side(k);
}

size_t
sana_cpu_packed_points_bytes(const SanaConv *k)
{
    return (size_t)(points_side(k) * points_side(k)) * (size_t)k->out * (size_t)k->in *
           sizeof(float);
}

SanaCpuPacked *
sana_cpu_packed_points(SanaCpuDevice *dev, const SanaConv *k, SanaDType dtype, SanaTensor source,
                       size_t *bytes)
{
    const size_t in = (size_t)k->in, out = (size_t)k->out, row = 9 * in;
    const float(*g)[3] = k->stride > 1 ? identity : winograd;
    const int side = points_side(k);
    float *plain = sana_host_alloc(NULL, out * row * sizeof(float));
    SanaCpuPacked *p = packed_alloc(dev);
    *bytes = sana_cpu_packed_points_bytes(k);
    p->points = sana_host_alloc(NULL, *bytes);
    if (plain && p->points) {
        source_rounded(plain, dtype, source, 0, out * row);
#pragma omp parallel for schedule(static)
        for (size_t o = 0; o < out; o += SANA_CPU_PANEL)
            for (size_t i = 0; i < in; i++)
                transform_taps(p->points + o * in + i * SANA_CPU_PANEL, out * in, g, side,
                               plain + o * row + 9 * i, row);
    } else {
        sana_cpu_packed_free(NULL, p);
        p = NULL;
    }
    sana_host_free(NULL, plain);
    return p;
}

/* A 3×3 convolution of a map enlarged twice, as one of 2×2 on the map itself: sana_fold_taps(). */
SanaCpuPacked *
sana_cpu_packed_folded(SanaCpuDevice *dev, const SanaConv *k, const SanaDnnlShape *shape,
                       SanaTensor source, size_t *bytes)
{
    size_t out = (size_t)k->out, in = (size_t)k->in;
    float *folded = sana_host_alloc(NULL, 16 * out * in * sizeof(float));
    SanaCpuPacked *p = NULL;
    if (!folded)
        return NULL;
    for (size_t i = 0; i < 4 * out * in; i++) {
        size_t a = i / (2 * out * in), b = i / (out * in) % 2;
        float w[9];
        sana_cpu_source_to_f32(w, source, i % (out * in) * 9, 9);
        sana_fold_taps(folded + 4 * i, w, a, b);
    }
    SanaTensor plain = sana_tensor(folded, SANA_F32, 1, 4 * k->out, 4 * k->in);
    p = sana_cpu_packed_new(dev, shape, &plain, 1, bytes);
    sana_host_free(NULL, folded);
    if (p && !sana_is_none(k->bias)) {
        p->bias = sana_host_alloc(NULL, 4 * out * sizeof(float));
        if (!p->bias) {
            sana_cpu_packed_free(NULL, p);
            return NULL;
        }
        for (size_t i = 0; i < 4; i++)
            memcpy(p->bias + i * out, k->bias.data, out * sizeof(float));
    }
    return p;
}

/* --- primitives ------------------------------------------------------------------------------ */

/* For each thread: twice a second-level cache.  Half and double are no faster. */
#define STRIP_BYTES ((size_t)4 << 20)

size_t
sana_cpu_strip(size_t n, size_t row_bytes, size_t multiple)
{
    size_t most = MAX(STRIP_BYTES * (size_t)omp_get_max_threads() / row_bytes, 1);
    size_t strips = (n + most - 1) / most;
    size_t rows = (n + strips - 1) / strips;
    return MIN((rows + multiple - 1) / multiple * multiple, n);
}

bool
sana_cpu_check(SanaStream *s, const SanaDnnlShape *shape, int status)
{
    if (status == 0)
        return true;
    SanaDeviceError code =
        status == sana_dnnl_no_memory() ? SANA_DEVICE_ERROR_MEMORY : SANA_DEVICE_ERROR_FAILED;
    if (shape->kernel == 0)
        sana_fail(s, code, "product of %d rows, %d to %d channels, in %s: oneDNN says %s", shape->w,
                  shape->in, shape->out, sana_dtype_name((SanaDType)shape->x_dtype),
                  sana_dnnl_status_text(status));
    else
        sana_fail(s, code,
                  "convolution %d×%d of a map %d×%d, %d to %d channels, in %s: oneDNN says %s",
                  shape->kernel, shape->kernel, shape->h, shape->w, shape->in, shape->out,
                  sana_dtype_name((SanaDType)shape->x_dtype), sana_dnnl_status_text(status));
    return false;
}

/* The weights in this layout; a new copy if there is none yet.  NULL with *status. */
static const void *
weights_in(SanaCpuDevice *dev, SanaCpuPacked *p, const SanaDnnlLayout *layout, int *status)
{
    CpuWeights *found = NULL;
    *status = 0;
    g_mutex_lock(&p->lock);
    for (guint i = 0; i < p->copies->len && !found; i++) {
        CpuWeights *w = g_ptr_array_index(p->copies, i);
        if (sana_dnnl_layout_equal(w->layout, layout))
            found = w;
    }
    if (!found) {
        const CpuWeights *first = g_ptr_array_index(p->copies, 0);
        SanaDnnlLayout *copy = sana_dnnl_layout_copy(layout);
        found = copy ? weights_new(copy) : NULL;
        *status = found ? sana_dnnl_repack(dev->dnnl, found->layout, found->data, first->layout,
                                           first->data)
                        : sana_dnnl_no_memory();
        if (*status) {
            weights_free(found);
            found = NULL;
        } else {
            g_ptr_array_add(p->copies, found);
        }
    }
    g_mutex_unlock(&p->lock);
    return found ? found->data : NULL;
}

static SanaDnnlPrimitive *
primitive_new(SanaCpuDevice *dev, SanaCpuPacked *packed, const SanaDnnlShape *shape, int *status)
{
    bool in_place = !sana_is_none(packed->in_place);
    const CpuWeights *only = in_place ? g_ptr_array_index(packed->copies, 0) : NULL;
    SanaDnnlPrimitive *p =
        sana_dnnl_primitive_new(dev->dnnl, shape, only ? only->layout : NULL, status);
    if (!p)
        return NULL;
    const void *data = weights_in(dev, packed, sana_dnnl_primitive_layout(p), status);
    if (!*status)
        *status = sana_dnnl_primitive_bind(p, data);
    if (!*status)
        return p;
    sana_dnnl_primitive_free(p);
    return NULL;
}

static guint
key_hash(gconstpointer key)
{
    return sana_hash_words(key, (sizeof(guint) + sizeof(SanaDnnlShape)) / sizeof(guint32));
}

static gboolean
key_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(guint) + sizeof(SanaDnnlShape)) == 0;
}

static void
entry_free(void *p)
{
    sana_dnnl_primitive_free(((CpuPrimitive *)p)->primitive);
    g_free(p);
}

static gboolean
entry_is_idle(gpointer key, gpointer value, gpointer user_data)
{
    CpuPrimitive *entry = value;
    bool idle = !entry->used;
    entry->used = false;
    return idle;
}

/* A prompt of another length has other shapes: when the table is full, those not used since the
 * last time go, and if they are few it is to grow.  So what each frame needs stays. */
static void
make_room(SanaCpuStream *s)
{
    if (!s->primitives) {
        s->primitives = g_hash_table_new_full(key_hash, key_equal, NULL, entry_free);
        s->most_primitives = PRIMITIVES;
    }
    if (g_hash_table_size(s->primitives) < s->most_primitives)
        return;
    g_hash_table_foreach_remove(s->primitives, entry_is_idle, NULL);
    s->most_primitives = MAX(PRIMITIVES, 2 * g_hash_table_size(s->primitives));
}

SanaDnnlPrimitive *
sana_cpu_primitive(SanaStream *base, SanaCpuPacked *packed, const SanaDnnlShape *shape)
{
    SanaCpuStream *s = (SanaCpuStream *)base;
    CpuPrimitive key = {.id = packed->id, .shape = *shape, .used = true};
    CpuPrimitive *entry = s->primitives ? g_hash_table_lookup(s->primitives, &key) : NULL;
    if (entry) {
        entry->used = true;
        return entry->primitive;
    }

    int status;
    make_room(s);
    SanaDnnlPrimitive *p = primitive_new((SanaCpuDevice *)base->device, packed, shape, &status);
    if (!sana_cpu_check(base, shape, status))
        return NULL;
    entry = g_memdup2(&key, sizeof key);
    entry->primitive = p;
    g_hash_table_add(s->primitives, entry);
    return p;
}

void
sana_cpu_primitives_free(SanaCpuStream *s)
{
    if (s->primitives)
        g_hash_table_unref(s->primitives);
}
