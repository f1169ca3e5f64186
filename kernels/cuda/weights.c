/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the host's numbers to the device's, once, at load. */
#include "kernels/cuda/cuda.h"

#include <string.h>

#include "kernels/convert.h"

/* Numbers converted at a time. */
#define CHUNK ((size_t)1 << 20)

void
sana_cuda_set_host_value(void *data, SanaDType dtype, size_t i, float value)
{
    if (dtype == SANA_BF16)
        ((uint16_t *)data)[i] = sana_f32_to_bf16(value);
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

void
sana_cuda_free_packed(SanaDevice *dev, void *packed)
{
    SanaCudaPacked *p = packed;
    if (!p)
        return;
    sana_cuda_free(dev, p->weights);
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

void *
sana_cuda_pack_linear(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                      const SanaTensor *sources, int n_sources, size_t *bytes)
{
    SanaCudaPacked *p = g_new0(SanaCudaPacked, 1);
    size_t at = 0;
    p->dtype = dtype;
    *bytes = (size_t)l->in * (size_t)l->out * sana_dtype_size(dtype);
    p->weights = sana_cuda_alloc(dev, *bytes);
    bool ok = p->weights && round_bias(dev, p, l->bias);
    for (int i = 0; i < n_sources && ok; i++) {
        SanaTensor part = sources[i];
        part.dtype = dtype;
        part.data = (char *)p->weights + at;
        ok = sana_cuda_upload_convert(dev, part, sources[i]);
        at += sana_bytes(part);
    }
    if (ok)
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

/*
 * Sums of the taps that meet the same input when an enlarged map is convolved: window (p, q) of
 * 2×2 inputs gives the four outputs (2p − a, 2q − b), channel o of which is channel
 * (2a + b)·out + o here.  From tap t of 3×3 to (a, b) and the tap of 2×2 it falls on.
 */
static void
fold(float to[4], const float w[9], size_t a, size_t b)
{
    memset(to, 0, 4 * sizeof *to);
    for (size_t t = 0; t < 9; t++)
        to[(t / 3 + 1 - a) / 2 * 2 + (t % 3 + 1 - b) / 2] += w[t];
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
    const size_t out = (size_t)k->out, size = sana_dtype_size(dtype);
    if (k->kernel == 0)
        return sana_weight_count(k) * size;
    if (sana_cuda_is_depthwise(k))
        return sana_weight_count(k) * sizeof(float);
    return (sana_cuda_is_folded(k) ? 4 : 1) * out * dense_row(k, dtype) * size;
}

/* From (out, in/groups, taps) to (out, taps, in/groups); folded: to (4·out, 4, in). */
static bool
pack_dense(SanaDevice *dev, SanaCudaPacked *p, const SanaConv *k, SanaTensor source, size_t *bytes)
{
    bool folded = sana_cuda_is_folded(k);
    size_t from = (size_t)(k->kernel * k->kernel), taps = folded ? 4 : from;
    size_t in = (size_t)(k->in / k->groups), out = (size_t)k->out, parts = folded ? 4 : 1;
    size_t row = dense_row(k, p->dtype);
    *bytes = parts * out * row * sana_dtype_size(p->dtype);
    char *host = g_malloc0(*bytes);
    float *w = g_new(float, MAX(from, 4)), sums[4];
    for (size_t o = 0; o < parts * out; o++)
        for (size_t c = 0; c < in; c++) {
            for (size_t t = 0; t < from; t++)
                w[t] = sana_host_value(source, (o % out * in + c) * from + t);
            if (folded)
                fold(sums, w, o / out / 2, o / out % 2);
            for (size_t t = 0; t < taps; t++)
                sana_cuda_set_host_value(host, p->dtype, o * row + t * in + c,
                                         folded ? sums[t] : w[t]);
        }
    p->weights = to_device(dev, host, *bytes);
    g_free(host);
    g_free(w);
    return p->weights && repeat_bias(dev, p, k->bias, parts);
}

void *
sana_cuda_pack_conv(SanaDevice *dev, const SanaConv *k, SanaDType dtype, SanaTensor source,
                    size_t *bytes)
{
    SanaCudaPacked *p = g_new0(SanaCudaPacked, 1);
    p->dtype = dtype;
    if (sana_cuda_is_depthwise(k) ? pack_taps(dev, p, k, source, bytes)
                                  : pack_dense(dev, p, k, source, bytes))
        return p;
    sana_cuda_free_packed(dev, p);
    return NULL;
}
