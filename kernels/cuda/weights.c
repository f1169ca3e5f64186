/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the host's numbers to the device's, once, at load. */
#include "kernels/cuda/cuda.h"

#include <math.h>
#include <string.h>

#include "kernels/convert.h"

/* Numbers converted at a time. */
#define CHUNK ((size_t)1 << 20)

void
sana_cuda_set_host_value(void *data, SanaDType dtype, size_t i, float value)
{
    if (dtype == SANA_BF16)
        ((uint16_t *)data)[i] = sana_f32_to_bf16(value);
    else if (dtype == SANA_E4M3)
        ((uint8_t *)data)[i] = sana_f32_to_e4m3(value);
    else
        ((float *)data)[i] = value;
}

static bool
copy(SanaDevice *dev, void *dst, const void *src, size_t bytes)
{
    cudaSetDevice(((SanaCudaDevice *)dev)->ordinal);
    cudaError_t status = cudaMemcpy(dst, src, bytes, cudaMemcpyDefault);
    /* it may return while the last part is on its way, and our streams wait for no other */
    if (status == cudaSuccess)
        status = cudaStreamSynchronize(NULL);
    return sana_cuda_forget(dev, status) == cudaSuccess;
}

bool
sana_cuda_upload_convert(SanaDevice *dev, SanaTensor dst, SanaTensor src)
{
    size_t n = sana_positions(src) * (size_t)src.c, size = sana_dtype_size(dst.dtype);
    if (src.dtype == dst.dtype)
        return copy(dev, dst.data, src.data, n * size);
    char *converted = g_malloc(MIN(n, CHUNK) * size);
    bool ok = true;
    for (size_t at = 0; at < n && ok; at += CHUNK) {
        size_t count = MIN(CHUNK, n - at);
        for (size_t i = 0; i < count; i++)
            sana_cuda_set_host_value(converted, dst.dtype, i, sana_host_value(src, at + i));
        ok = copy(dev, (char *)dst.data + at * size, converted, count * size);
    }
    g_free(converted);
    return ok;
}

/* --- packed weights --------------------------------------------------------------------------- */

#define E4M3_MAX 448.0f

/* Channels below which eight bits gain nothing, or lose too much: pixels, latents. */
#define WORTH_CHANNELS 64

/* What to pack for when `wanted` is asked for. */
static SanaDType
pack_dtype(const SanaConv *k, SanaDType wanted)
{
    const bool worth =
        k->groups == 1 && k->in % 16 == 0 && k->in >= WORTH_CHANNELS && k->out >= WORTH_CHANNELS;
    return wanted == SANA_E4M3 && !worth ? SANA_BF16 : wanted;
}

void
sana_cuda_free_packed(SanaDevice *dev, void *packed)
{
    SanaCudaPacked *p = packed;
    if (!p)
        return;
    sana_cuda_free(dev, p->weights);
    sana_cuda_free(dev, p->scales);
    sana_cuda_free(dev, p->taps);
    sana_cuda_free(dev, p->bias);
    sana_cuda_free(dev, p->bias_bf16);
    g_free(p);
}

/* Device memory with a copy of the host's; NULL when there is none. */
static void *
to_device(SanaDevice *dev, const void *host, size_t bytes)
{
    void *p = sana_cuda_alloc(dev, bytes);
    if (p && copy(dev, p, host, bytes))
        return p;
    sana_cuda_free(dev, p);
    return NULL;
}

/* Rows of weights on their way: in E4M3 each has a scale, the largest of it being 448. */
typedef struct {
    SanaDType dtype;
    size_t count, length;
    char *values;
    float *scales; /* NULL where there are none */
} HostRows;

static HostRows
host_rows_new(SanaDType dtype, size_t count, size_t length)
{
    return (HostRows){dtype, count, length, g_malloc0(count * length * sana_dtype_size(dtype)),
                      dtype == SANA_E4M3 ? g_new(float, count) : NULL};
}

static void
put_row(const HostRows *rows, size_t row, const float *values)
{
    float most = 0, inverse = 1;
    if (rows->scales) {
        for (size_t i = 0; i < rows->length; i++)
            most = fmaxf(most, fabsf(values[i]));
        rows->scales[row] = most / E4M3_MAX;
        inverse = most > 1e-30f ? E4M3_MAX / most : 0;
    }
    for (size_t i = 0; i < rows->length; i++)
        sana_cuda_set_host_value(rows->values, rows->dtype, row * rows->length + i,
                                 values[i] * inverse);
}

static size_t
rows_bytes(SanaDType dtype, size_t count, size_t length)
{
    return count * (length * sana_dtype_size(dtype) + (dtype == SANA_E4M3 ? sizeof(float) : 0));
}

/* To the device; the rows are spent. */
static bool
take_rows(SanaDevice *dev, SanaCudaPacked *p, HostRows *rows)
{
    p->weights =
        to_device(dev, rows->values, rows->count * rows->length * sana_dtype_size(rows->dtype));
    if (p->weights && rows->scales)
        p->scales = to_device(dev, rows->scales, rows->count * sizeof *rows->scales);
    bool ok = p->weights && (p->scales || !rows->scales);
    g_free(rows->values);
    g_free(rows->scales);
    return ok;
}

/* The bias in BF16, as cuBLASLt wants it for a BF16 result, where that is exact. */
static bool
round_bias(SanaDevice *dev, SanaCudaPacked *p, SanaTensor bias)
{
    if (sana_is_none(bias) || p->dtype != SANA_BF16)
        return true;
    size_t n = (size_t)bias.c;
    float *host = g_new(float, n);
    uint16_t *rounded = g_new(uint16_t, n);
    bool ok = copy(dev, host, bias.data, n * sizeof *host), exact = true;
    for (size_t i = 0; i < n; i++) {
        rounded[i] = sana_f32_to_bf16(host[i]);
        exact = exact && sana_bf16_to_f32(rounded[i]) == host[i];
    }
    if (ok && exact)
        ok = (p->bias_bf16 = to_device(dev, rounded, n * sizeof *rounded)) != NULL;
    g_free(host);
    g_free(rounded);
    return ok;
}

/* The bias as often as folded weights repeat it. */
static bool
repeat_bias(SanaDevice *dev, SanaCudaPacked *p, SanaTensor bias, size_t times)
{
    if (sana_is_none(bias) || times == 1)
        return true;
    size_t n = (size_t)bias.c;
    float *host = g_new(float, n *times);
    bool ok = copy(dev, host, bias.data, n * sizeof *host);
    for (size_t t = 1; t < times; t++)
        memcpy(host + t * n, host, n * sizeof *host);
    ok = ok && (p->bias = to_device(dev, host, n * times * sizeof *host)) != NULL;
    g_free(host);
    return ok;
}

/* All sources, stacked along out. */
static bool
pack_rows(SanaDevice *dev, SanaCudaPacked *p, const SanaLinear *l, const SanaTensor *sources,
          int n_sources)
{
    HostRows rows = host_rows_new(p->dtype, (size_t)l->out, (size_t)l->in);
    float *values = g_new(float, rows.length);
    size_t row = 0;
    for (int i = 0; i < n_sources; i++) {
        size_t count = sana_positions(sources[i]) * (size_t)sources[i].c;
        for (size_t at = 0; at < count; at += rows.length) {
            for (size_t e = 0; e < rows.length; e++)
                values[e] = sana_host_value(sources[i], at + e);
            put_row(&rows, row++, values);
        }
    }
    g_free(values);
    return take_rows(dev, p, &rows);
}

/* The same as they are: without a copy on the host where they are of this type. */
static bool
upload_rows(SanaDevice *dev, SanaCudaPacked *p, const SanaLinear *l, const SanaTensor *sources,
            int n_sources)
{
    size_t at = 0;
    p->weights = sana_cuda_alloc(dev, rows_bytes(p->dtype, (size_t)l->out, (size_t)l->in));
    bool ok = p->weights != NULL;
    for (int i = 0; i < n_sources && ok; i++) {
        SanaTensor part = sources[i];
        part.dtype = p->dtype;
        part.data = (char *)p->weights + at;
        ok = sana_cuda_upload_convert(dev, part, sources[i]);
        at += sana_bytes(part);
    }
    return ok;
}

void *
sana_cuda_pack_linear(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                      const SanaTensor *sources, int n_sources, size_t *bytes)
{
    const SanaConv k = {.in = l->in, .out = l->out, .groups = 1};
    SanaCudaPacked *p = g_new0(SanaCudaPacked, 1);
    p->dtype = pack_dtype(&k, dtype);
    *bytes = rows_bytes(p->dtype, (size_t)l->out, (size_t)l->in);
    if ((p->dtype == SANA_E4M3 ? pack_rows(dev, p, l, sources, n_sources)
                               : upload_rows(dev, p, l, sources, n_sources)) &&
        round_bias(dev, p, l->bias))
        return p;
    sana_cuda_free_packed(dev, p);
    return NULL;
}

/* --- convolutions ----------------------------------------------------------------------------- */

/* f32, rounded to dtype, from (out, 1, kernel, kernel) to (kernel, kernel, out). */
static bool
pack_taps(SanaDevice *dev, SanaCudaPacked *p, const SanaConv *k, SanaTensor source, size_t *bytes)
{
    size_t taps = (size_t)(k->kernel * k->kernel), out = (size_t)k->out;
    float *host = g_new(float, taps *out);
    for (size_t i = 0; i < taps * out; i++) {
        float v = sana_host_value(source, i);
        host[i % taps * out + i / taps] =
            p->dtype == SANA_BF16 ? sana_bf16_to_f32(sana_f32_to_bf16(v)) : v;
    }
    *bytes = taps * out * sizeof *host;
    p->taps = to_device(dev, host, *bytes);
    g_free(host);
    return p->taps != NULL;
}

/* Values of one output's weights, (taps, in/groups). */
static size_t
dense_row(const SanaConv *k, SanaDType dtype)
{
    size_t gathered = (size_t)sana_cuda_gathered(k, dtype);
    size_t taps = sana_cuda_is_folded(k) ? 4 : (size_t)(k->kernel * k->kernel);
    return gathered ? gathered : taps * (size_t)(k->in / k->groups);
}

size_t
sana_cuda_packed_bytes(const SanaDevice *dev, const SanaConv *k, SanaDType dtype, size_t *passing)
{
    const size_t out = (size_t)k->out;
    dtype = pack_dtype(k, dtype);
    if (k->kernel == 0)
        return rows_bytes(dtype, out, (size_t)k->in);
    if (sana_cuda_is_depthwise(k))
        return sana_weight_count(k) * sizeof(float);
    return rows_bytes(dtype, (sana_cuda_is_folded(k) ? 4 : 1) * out, dense_row(k, dtype));
}

/* From (out, in/groups, taps) to (out, taps, in/groups); folded: to (4·out, 4, in). */
static bool
pack_dense(SanaDevice *dev, SanaCudaPacked *p, const SanaConv *k, SanaTensor source, size_t *bytes)
{
    bool folded = sana_cuda_is_folded(k);
    size_t from = (size_t)(k->kernel * k->kernel), taps = folded ? 4 : from;
    size_t in = (size_t)(k->in / k->groups), out = (size_t)k->out, parts = folded ? 4 : 1;
    HostRows rows = host_rows_new(p->dtype, parts * out, dense_row(k, p->dtype));
    float *values = g_new0(float, rows.length), *w = g_new(float, MAX(from, 4)), sums[4];
    *bytes = rows_bytes(p->dtype, rows.count, rows.length);
    for (size_t o = 0; o < parts * out; o++) {
        for (size_t c = 0; c < in; c++) {
            for (size_t t = 0; t < from; t++)
                w[t] = sana_host_value(source, (o % out * in + c) * from + t);
            if (folded)
                sana_fold_taps(sums, w, o / out / 2, o / out % 2);
            for (size_t t = 0; t < taps; t++)
                values[t * in + c] = folded ? sums[t] : w[t];
        }
        put_row(&rows, o, values);
    }
    g_free(values);
    g_free(w);
    return take_rows(dev, p, &rows) && repeat_bias(dev, p, k->bias, parts);
}

void *
sana_cuda_pack_conv(SanaDevice *dev, const SanaConv *k, SanaDType dtype, SanaTensor source,
                    size_t *bytes)
{
    SanaCudaPacked *p = g_new0(SanaCudaPacked, 1);
    p->dtype = pack_dtype(k, dtype);
    if (sana_cuda_is_depthwise(k) ? pack_taps(dev, p, k, source, bytes)
                                  : pack_dense(dev, p, k, source, bytes))
        return p;
    sana_cuda_free_packed(dev, p);
    return NULL;
}
