/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions, and which kernel takes a product or convolution. */
#include "kernels/cuda/gemm.h"

#include <string.h>

/* Each candidate runs this often; the fastest of them counts. */
#define TRIALS 3

/* --- choosing --------------------------------------------------------------------------------- */

/* One entry of a device's table; the key comes first. */
typedef struct {
    gint32 shape[16];
    const SanaCudaGemmKernel *kernel;
} Choice;

static Choice
key_of(const SanaCudaGemm *g)
{
    return (Choice){.shape = {g->x_h, g->x_w, g->y_h, g->y_w, g->in, g->out, g->groups, g->kernel,
                              g->stride, g->pad, g->folded, g->bf16, g->y_f32, (gint32)g->act,
                              g->bias != NULL, g->residual != NULL}};
}

static guint
key_hash(gconstpointer key)
{
    const gint32 *shape = key;
    guint32 hash = 2166136261u;
    for (size_t i = 0; i < G_N_ELEMENTS(((Choice *)0)->shape); i++)
        hash = (hash ^ (guint32)shape[i]) * 16777619u;
    return hash;
}

static gboolean
key_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof((Choice *)0)->shape) == 0;
}

GHashTable *
sana_cuda_choices_new(void)
{
    return g_hash_table_new_full(key_hash, key_equal, g_free, NULL);
}

/* All that take the shape, the likeliest best first; ends in NULL. */
static void
candidates(const SanaCudaDevice *dev, const SanaCudaGemm *g, const SanaCudaGemmKernel **list)
{
    for (int i = 0; i < SANA_CUDA_MMA_KERNELS; i++)
        if (sana_cuda_gemm_mma[i].takes(dev, g))
            *list++ = &sana_cuda_gemm_mma[i];
    if (sana_cuda_gemm_tiled.takes(dev, g))
        *list++ = &sana_cuda_gemm_tiled;
    *list = NULL;
}

/* Milliseconds of one run, or a negative number after sana_fail(). */
static float
measure(SanaStream *s, const SanaCudaGemmKernel *kernel, const SanaCudaGemm *g, cudaEvent_t *mark)
{
    cudaStream_t stream = sana_cuda_stream(s);
    float best = -1;
    for (int i = 0; i < TRIALS && sana_stream_ok(s); i++) {
        float ms = 0;
        cudaError_t status = cudaEventRecord(mark[0], stream);
        kernel->run(s, g);
        if (status == cudaSuccess)
            status = cudaEventRecord(mark[1], stream);
        if (status == cudaSuccess)
            status = cudaEventSynchronize(mark[1]);
        if (status == cudaSuccess)
            status = cudaEventElapsedTime(&ms, mark[0], mark[1]);
        if (!sana_cuda_check(s, status, "measuring"))
            return -1;
        if (best < 0 || ms < best)
            best = ms;
    }
    return best;
}

static const SanaCudaGemmKernel *
fastest(SanaStream *s, const SanaCudaGemmKernel *const *list, const SanaCudaGemm *g)
{
    const SanaCudaGemmKernel *best = NULL;
    cudaEvent_t mark[2] = {NULL, NULL};
    float least = 0;
    cudaError_t status = cudaEventCreate(&mark[0]);
    if (status == cudaSuccess)
        status = cudaEventCreate(&mark[1]);
    /* the last is of use only where nothing else is: it takes ten times as long */
    for (; sana_cuda_check(s, status, "measuring") && *list; list++) {
        if (*list == &sana_cuda_gemm_tiled && best)
            continue;
        float ms = measure(s, *list, g, mark);
        if (ms >= 0 && (!best || ms < least)) {
            best = *list;
            least = ms;
        }
    }
    for (int i = 0; i < 2; i++)
        if (mark[i])
            cudaEventDestroy(mark[i]);
    return best;
}

void
sana_cuda_gemm(SanaStream *s, const SanaCudaGemm *g)
{
    SanaCudaDevice *dev = sana_cuda_device(s);
    const SanaCudaGemmKernel *list[SANA_CUDA_MMA_KERNELS + 2];
    Choice key = key_of(g);
    candidates(dev, g, list);
    const SanaCudaGemmKernel *chosen = list[0];
    if (list[1] && g->residual != g->y) {
        g_mutex_lock(&dev->lock);
        const Choice *known = g_hash_table_lookup(dev->choices, &key);
        if (known)
            chosen = known->kernel;
        g_mutex_unlock(&dev->lock);
        if (!known && !((SanaCudaStream *)s)->capturing) {
            /* two streams may measure at once, and the later finds what it likes */
            key.kernel = fastest(s, list, g);
            if (!key.kernel)
                return;
            g_mutex_lock(&dev->lock);
            g_hash_table_add(dev->choices, g_memdup2(&key, sizeof key));
            g_mutex_unlock(&dev->lock);
            return; /* y is computed, by the last that was measured */
        }
    }
    chosen->run(s, g);
}

/* --- convolutions ----------------------------------------------------------------------------- */

static SanaCudaGemm
conv_gemm(SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    const SanaCudaPacked *packed = k->packed;
    bool folded = sana_cuda_is_folded(k);
    return (SanaCudaGemm){
        .x = x.data,
        .w = packed->weights,
        .bias = packed->bias ? packed->bias : k->bias.data,
        .y = y.data,
        .x_h = x.h,
        .x_w = x.w,
        .y_h = folded ? x.h + 1 : y.h,
        .y_w = folded ? x.w + 1 : y.w,
        .in = k->in,
        .out = folded ? 4 * k->out : k->out,
        .groups = k->groups,
        .kernel = folded ? 2 : k->kernel,
        .stride = k->stride,
        .pad = k->kernel / 2,
        .x_stride = x.stride,
        .y_stride = y.stride,
        .act = act,
        .bf16 = packed->dtype == SANA_BF16,
        .folded = folded,
    };
}

/* Depthwise and dense ones that enlarge otherwise than folded; no published network has one. */
static bool
enlarge(SanaStream *s, SanaTensor *x)
{
    SanaTensor large = sana_tensor(NULL, x->dtype, 2 * x->h, 2 * x->w, x->c);
    large.data = sana_cuda_workspace(s, sana_bytes(large));
    if (large.data)
        sana_cuda_enlarge(s, large, *x);
    *x = large;
    return large.data && sana_stream_ok(s);
}

void
sana_cuda_conv(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    if (k->upsample == 2 && !sana_cuda_is_folded(k) && !enlarge(s, &x))
        return;
    if (sana_cuda_is_depthwise(k)) {
        sana_cuda_depthwise(s, y, x, k, act);
        return;
    }
    SanaCudaGemm g = conv_gemm(y, x, k, act);
    sana_cuda_gemm(s, &g);
}
