/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations whose kernels are not written yet. */
#include "kernels/cuda/cuda.h"

#include "cuda_host.h"

#define MISSING(op, ...)                                                           \
    __attribute__((weak)) void sana_cuda_##op(SanaStream *s, __VA_ARGS__)          \
    {                                                                              \
        sana_fail(s, SANA_DEVICE_ERROR_FAILED, "%s is not written yet", __func__); \
    }

MISSING(glu_depthwise, SanaTensor y, SanaTensor x, const SanaConv *k)
MISSING(linear_attention, SanaTensor y, SanaTensor qkv, int head_dim, SanaQkvOrder order)
MISSING(attention, SanaTensor y, SanaTensor q, SanaTensor k, SanaTensor v, SanaAttention a)
MISSING(rope, SanaTensor x, int head_dim, int first, float theta)
MISSING(pixel_unshuffle, SanaTensor y, SanaTensor x)
MISSING(pixel_shuffle, SanaTensor y, SanaTensor x)
MISSING(add_unshuffled_mean, SanaTensor y, SanaTensor x)
MISSING(add_shuffled_repeat, SanaTensor y, SanaTensor x)
MISSING(image_load, SanaTensor y, SanaTensor x)
MISSING(image_store, SanaTensor y, SanaTensor x)
MISSING(enlarge, SanaTensor y, SanaTensor x)
MISSING(depthwise, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)

bool
cuda_host_has(const char *op)
{
    static const char *const missing[] = {
        "glu_depthwise",   "linear_attention", "attention",           "rope",
        "pixel_unshuffle", "pixel_shuffle",    "add_unshuffled_mean", "add_shuffled_repeat",
        "image_load",      "image_store",      "conv_depthwise",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(missing); i++)
        if (g_strcmp0(op, missing[i]) == 0)
            return false;
    return true;
}
