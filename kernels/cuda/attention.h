/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernels of attention share: which keys a query sees, and its softmax as it grows. */
#ifndef SANA_KERNELS_CUDA_ATTENTION_H
#define SANA_KERNELS_CUDA_ATTENTION_H

#include "kernels/cuda/elements.h"

struct Attention {
    Map y, q, k, v;
    int n, t, d, group; /* queries, keys, channels of a head, query heads of a key head */
    float scale, softcap;
    bool causal;
    int window;
};

/* On tensor cores: all maps BF16, rows of whole 16 bytes, d at most 128.  attention_mma.cu */
void sana_cuda_attention_mma(SanaStream *s, const Attention &a, int heads);

/* What a query knows of the keys so far: the largest score, Σ e^(score − largest). */
struct Running {
    float largest, sum;
};

/*
 * Scores, products of a query with some keys, to their exponentials; key_of(j) is the number of the
 * jth.  `lanes` threads next to each other have the other keys of this query.  Returns the factor
 * of what was summed with exponentials before.
 */
template <int COUNT, typename F>
static __device__ __forceinline__ float
exponentials(float (&s)[COUNT], Running &r, const Attention &a, int query, int lanes, F key_of)
{
    const int position = query + a.t - a.n;
    float largest = r.largest, sum = 0;
#pragma unroll
    for (int j = 0; j < COUNT; j++) {
        const int key = key_of(j);
        bool seen = key < a.t;
        if (a.causal)
            seen = seen && key <= position && (a.window == 0 || key > position - a.window);
        s[j] *= a.scale;
        if (a.softcap > 0)
            s[j] = a.softcap * tanhf(s[j] / a.softcap);
        s[j] = seen ? s[j] : -INFINITY;
        largest = fmaxf(largest, s[j]);
    }
    for (int other = lanes / 2; other > 0; other /= 2)
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, other));
    const float base = largest == -INFINITY ? 0 : largest; /* no key seen yet */
    const float factor = expf(r.largest - base);
#pragma unroll
    for (int j = 0; j < COUNT; j++)
        sum += s[j] = expf(s[j] - base);
    for (int other = lanes / 2; other > 0; other /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, other);
    r.largest = largest;
    r.sum = r.sum * factor + sum;
    return factor;
}

/*
 * The keys that some of `queries` from first sees: from *begin, which is a multiple of `tile`, to
 * *end.
 */
static __device__ __forceinline__ void
keys_of(const Attention &a, int first, int queries, int tile, int *begin, int *end)
{
    *begin = 0;
    *end = a.t;
    if (!a.causal)
        return;
    const int position = first + a.t - a.n;
    *end = position + queries < a.t ? position + queries : a.t;
    if (a.window > 0 && position - a.window + 1 > 0)
        *begin = (position - a.window + 1) / tile * tile;
}

#endif
