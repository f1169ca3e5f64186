/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernels of linear_attention share. */
#ifndef SANA_KERNELS_CUDA_LINEAR_ATTENTION_H
#define SANA_KERNELS_CUDA_LINEAR_ATTENTION_H

#include "kernels/cuda/elements.h"

struct Heads {
    Map y, qkv;
    size_t n;
    int d, heads;
    bool by_head;
};

/* First channel of part 0 (q), 1 (k) or 2 (v) of a head. */
static __device__ __forceinline__ int
channel_of(const Heads &h, int head, int part)
{
    return h.by_head ? (3 * head + part) * h.d : (part * h.heads + head) * h.d;
}

/* On tensor cores: both maps BF16, rows of whole 16 bytes, d = 32.  linear_attention_mma.cu */
void sana_cuda_linear_attention_mma(SanaStream *s, const Heads &h);

#endif
