/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions, and which kernel takes a product or convolution. */
#define G_LOG_DOMAIN "sana"

#include "kernels/cuda/gemm.h"

#include <math.h>
#include <string.h>

#include "kernels/convert.h"

/* Each candidate runs this often, the fastest of them counts; or once, where that takes so long
 * that noise is a small part of it. */
#define TRIALS 3
#define LONG_MS 20.0f

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
                              g->stride, g->pad, g->folded, (gint32)g->dtype, (gint32)g->y_dtype,
                              (gint32)g->act, g->bias != NULL, g->residual != NULL}};
}

static guint
key_hash(gconstpointer key)
{
    return sana_hash_words(key, G_N_ELEMENTS(((Choice *)0)->shape));
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

#define KERNELS (SANA_CUDA_MMA_KERNELS + SANA_CUDA_WGMMA_KERNELS + 1)

/* Whether the environment lets a kernel of this name run. */
static bool
is_wanted(const char *name)
{
    const char *wanted = g_getenv("SANA_CUDA_GEMM");
    return !wanted || g_str_has_prefix(name, wanted);
}

/* All that take the shape, the one to trust first and the slow one last; ends in NULL. */
static void
candidates(const SanaCudaDevice *dev, const SanaCudaGemm *g, const SanaCudaGemmKernel **list)
{
    const SanaCudaGemmKernel *all[KERNELS], **end = list;
    for (int i = 0; i < SANA_CUDA_MMA_KERNELS; i++)
        all[i] = &sana_cuda_gemm_mma[i];
    for (int i = 0; i < SANA_CUDA_WGMMA_KERNELS; i++)
        all[SANA_CUDA_MMA_KERNELS + i] = &sana_cuda_gemm_wgmma[i];
    all[KERNELS - 1] = &sana_cuda_gemm_tiled;
    for (int i = 0; i < KERNELS; i++)
        if (all[i]->takes(dev, g) && is_wanted(all[i]->name))
            *end++ = all[i];
    if (end == list) /* what is wanted does not take it */
        *end++ = &sana_cuda_gemm_tiled;
    *end = NULL;
}

/* --- measuring -------------------------------------------------------------------------------- */

/* Some of a result: bytes of its beginning, middle and end. */
#define SAMPLE 8192

typedef struct {
    char bytes[3][SAMPLE];
    size_t each;
} Sample;

static void
take_sample(SanaStream *s, const SanaCudaGemm *g, Sample *sample)
{
    size_t rows = g->folded ? 4 * (size_t)g->x_h * (size_t)g->x_w : (size_t)g->y_h * (size_t)g->y_w;
    size_t channels = (size_t)(g->folded ? g->out / 4 : g->out);
    size_t size = sana_dtype_size(g->y_dtype);
    size_t whole = ((rows - 1) * (size_t)g->y_stride + channels) * size;
    sample->each = MIN(whole, SAMPLE) / size * size;
    for (size_t i = 0; i < 3; i++)
        sana_cuda_copy_out(s, sample->bytes[i], 0,
                           (char *)g->y + (whole - sample->each) / size * i / 2 * size,
                           sample->each, 1);
}

/* Whether two samples are one result, rounded differently: to a thousandth of their power. */
static bool
same_result(const Sample *a, const Sample *b, SanaDType dtype)
{
    double power = 0, error = 0;
    SanaTensor x = {.dtype = dtype}, y = x;
    for (size_t i = 0; i < 3; i++) {
        x.data = (void *)a->bytes[i];
        y.data = (void *)b->bytes[i];
        for (size_t e = 0; e < a->each / sana_dtype_size(x.dtype); e++) {
            double u = sana_host_value(x, e), v = sana_host_value(y, e);
            if (u == v ? isinf(u) : u != u && v != v) /* beside a view, or no number in either */
                continue;
            power += u * u;
            error += (u - v) * (u - v);
        }
    }
    return error <= 1e-3 * power;
}

/* Milliseconds of one run, after one that loads code and fills caches; or a negative number after
 * sana_fail(). */
static float
measure(SanaStream *s, const SanaCudaGemmKernel *kernel, const SanaCudaGemm *g, cudaEvent_t *mark)
{
    cudaStream_t stream = sana_cuda_stream(s);
    float best = -1;
    kernel->run(s, g);
    for (int i = 0; i < TRIALS && best < LONG_MS && sana_stream_ok(s); i++) {
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
    Sample *samples = g_new(Sample, 2);
    cudaEvent_t mark[2] = {NULL, NULL};
    float least = 0;
    cudaError_t status = cudaEventCreate(&mark[0]);
    if (status == cudaSuccess)
        status = cudaEventCreate(&mark[1]);
    for (int i = 0; sana_cuda_check(s, status, "measuring") && list[i]; i++) {
        if (list[i] == &sana_cuda_gemm_tiled && best) /* it takes ten times as long */
            continue;
        float ms = measure(s, list[i], g, mark);
        take_sample(s, g, &samples[i > 0]);
        if (!sana_stream_ok(s))
            break;
        bool right = i == 0 || same_result(&samples[0], &samples[1], g->y_dtype);
        g_debug("%s %d×%d×%d to %d×%d×%d, kernel %d, stride %d, act %d%s: %s %.1f µs%s",
                sana_dtype_name(g->dtype), g->x_h, g->x_w, g->in, g->y_h, g->y_w, g->out, g->kernel,
                g->stride, g->act, g->folded ? ", folded" : "", list[i]->name, (double)ms * 1e3,
                right ? "" : ", and differs");
        if (!right)
            g_warning("%s differs from %s and is not used: %d×%d×%d to %d×%d×%d in %s",
                      list[i]->name, list[0]->name, g->x_h, g->x_w, g->in, g->y_h, g->y_w, g->out,
                      sana_dtype_name(g->dtype));
        if (right && (!best || ms < least)) {
            best = list[i];
            least = ms;
        }
    }
    for (int i = 0; i < 2; i++)
        if (mark[i])
            cudaEventDestroy(mark[i]);
    g_free(samples);
    return sana_stream_ok(s) ? best : NULL;
}

/* The kernel that was chosen for this shape, or NULL. */
static const SanaCudaGemmKernel *
find_choice(SanaCudaDevice *dev, const Choice *key)
{
    g_mutex_lock(&dev->lock);
    const Choice *known = g_hash_table_lookup(dev->choices, key);
    const SanaCudaGemmKernel *kernel = known ? known->kernel : NULL;
    g_mutex_unlock(&dev->lock);
    return kernel;
}

/* The same, measured if need be: one stream at a time, as two would slow each other down. */
static const SanaCudaGemmKernel *
choose(SanaStream *s, const SanaCudaGemmKernel *const *list, const SanaCudaGemm *g)
{
    SanaCudaDevice *dev = sana_cuda_device(s);
    Choice key = key_of(g);
    const SanaCudaGemmKernel *kernel = find_choice(dev, &key);
    if (kernel) /* strides are no part of the key */
        return kernel->takes(dev, g) ? kernel : list[0];
    if (((SanaCudaStream *)s)->capturing)
        return list[0];
    g_mutex_lock(&dev->measuring);
    kernel = find_choice(dev, &key); /* meanwhile */
    if (!kernel && (kernel = key.kernel = fastest(s, list, g))) {
        g_mutex_lock(&dev->lock);
        g_hash_table_add(dev->choices, g_memdup2(&key, sizeof key));
        g_mutex_unlock(&dev->lock);
    }
    g_mutex_unlock(&dev->measuring);
    return !kernel || kernel->takes(dev, g) ? kernel : list[0];
}

void
sana_cuda_gemm(SanaStream *s, const SanaCudaGemm *g)
{
    const SanaCudaGemmKernel *list[KERNELS + 1];
    candidates(sana_cuda_device(s), g, list);
    /* after measuring, too: the last that ran may be wrong */
    const SanaCudaGemmKernel *kernel =
        list[1] && g->residual != g->y ? choose(s, list, g) : list[0];
    if (kernel)
        kernel->run(s, g);
}

/* --- convolutions ----------------------------------------------------------------------------- */

/* As far as it is known before x is rounded to eight bits. */
static SanaCudaGemm
conv_gemm(SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    const SanaCudaPacked *packed = k->packed;
    bool folded = sana_cuda_is_folded(k);
    return (SanaCudaGemm){
        .x = packed->scales ? NULL : x.data,
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
        .x_stride = packed->scales ? x.c : x.stride,
        .y_stride = y.stride,
        .act = act,
        .dtype = packed->dtype,
        .y_dtype = y.dtype,
        .folded = folded,
    };
}

/* As a product of what each position sees, in strips of about equally many rows, so that no plan
 * has to know of it: at 64 bytes a position a large picture's would take a gigabyte. */
static void
conv_gathered(SanaStream *s, SanaCudaGemm g, int terms)
{
    const SanaCudaGemm all = g;
    const size_t row = (size_t)g.y_w * (size_t)terms * 2;
    const int most = (int)CLAMP(((SanaCudaStream *)s)->strip_bytes / row, 1, (size_t)g.y_h);
    const int strips = (g.y_h + most - 1) / most, each = (g.y_h + strips - 1) / strips;
    void *rows = sana_cuda_workspace(s, (size_t)each * row);
    g.in = g.x_stride = terms;
    g.kernel = g.stride = 1;
    g.pad = 0;
    g.x_h = g.y_h = 1;
    g.x = rows;
    for (int from = 0; rows && from < all.y_h && sana_stream_ok(s); from += each) {
        const int n = MIN(each, all.y_h - from);
        g.x_w = g.y_w = n * all.y_w;
        g.y = (char *)all.y + (size_t)from * (size_t)all.y_w * (size_t)all.y_stride * 2;
        sana_cuda_gather(s, rows, &all, terms, from, n);
        sana_cuda_gemm(s, &g);
    }
}

void
sana_cuda_conv(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    if (sana_cuda_is_depthwise(k)) {
        sana_cuda_depthwise(s, y, x, k, act);
        return;
    }
    const SanaCudaPacked *packed = k->packed;
    SanaCudaGemm g = conv_gemm(y, x, k, act);
    int terms = sana_cuda_gathered(k, packed->dtype);
    if (terms)
        conv_gathered(s, g, terms);
    else if (!packed->scales || sana_cuda_round_to_eight_bit(s, &g, x, packed->scales, 0))
        sana_cuda_gemm(s, &g);
}

bool
sana_cuda_conv_norm_add(SanaStream *s, SanaTensor x, SanaTensor y, const SanaConv *k,
                        const SanaNorm *norm)
{
    const SanaCudaPacked *packed = k->packed;
    if (!is_wanted("wgmma norm") || norm->kind != SANA_NORM_RMS || sana_norm_groups(norm) != 1 ||
        k->upsample != 1 || sana_cuda_is_depthwise(k) || sana_cuda_gathered(k, packed->dtype))
        return false;
    SanaCudaGemm g = conv_gemm(x, y, k, SANA_ACT_NONE);
    g.residual = x.data;
    g.residual_stride = x.stride;
    g.norm_weight = norm->weight.data;
    g.norm_bias = norm->bias.data;
    g.eps = norm->eps;
    if (!sana_cuda_gemm_norm_takes(sana_cuda_device(s), &g))
        return false;
    if (!packed->scales || sana_cuda_round_to_eight_bit(s, &g, y, packed->scales, 0))
        sana_cuda_gemm_norm(s, &g);
    return true;
}
