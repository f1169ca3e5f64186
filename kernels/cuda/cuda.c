/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device: which GPU, its memory, and the table of what it does. */
#include "kernels/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>

#define MIN_CAPABILITY 80

/* --- which GPU -------------------------------------------------------------------------------- */

/* CUDA's last error, so that the next call does not report it again. */
static cudaError_t
forget(cudaError_t status)
{
    if (status != cudaSuccess)
        cudaGetLastError();
    return status;
}

static bool
cuda_present(void)
{
    int count = 0, driver = 0;
    cudaError_t status = forget(cudaGetDeviceCount(&count));
    forget(cudaDriverGetVersion(&driver));
    /* with a driver that is too old, or at odds with its kernel module, there is one */
    return count > 0 || (driver > 0 && status != cudaSuccess && status != cudaErrorNoDevice);
}

/* How many GPUs there are; 0 with *why. */
static int
count_devices(char **why)
{
    int count = 0, driver = 0, runtime = 0;
    cudaError_t status = forget(cudaGetDeviceCount(&count));
    if (status == cudaSuccess && count > 0)
        return count;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    forget(cudaSuccess);
    if (status == cudaErrorInsufficientDriver && driver > 0)
        *why =
            g_strdup_printf("the NVIDIA driver is for CUDA %d.%d and this build needs %d.%d or "
                            "later; update the driver",
                            driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    else if (status == cudaErrorInsufficientDriver)
        *why = g_strdup("there is no NVIDIA driver on this machine; install one or choose cpu");
    else if (status == cudaErrorNoDevice || status == cudaSuccess)
        *why = g_strdup("the NVIDIA driver finds no GPU; choose cpu");
    else
        *why = g_strdup_printf("the NVIDIA driver does not start: %s", cudaGetErrorString(status));
    return 0;
}

static int
capability_of(int ordinal)
{
    int major = 0, minor = 0;
    if (forget(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal)) ||
        forget(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal)))
        return 0;
    return 10 * major + minor;
}

/* The number that the name asks for, or that of the first usable GPU; −1 with *why. */
static int
choose_ordinal(const char *which, int count, char **why)
{
    char *end;
    if (!which[0]) {
        for (int i = 0; i < count; i++)
            if (capability_of(i) >= MIN_CAPABILITY)
                return i;
        return 0;
    }
    long ordinal = g_ascii_isdigit(which[0]) ? strtol(which, &end, 10) : -1;
    if (ordinal < 0 || *end)
        *why = g_strdup_printf("\"%s\" is not the number of a GPU", which);
    else if (ordinal >= count)
        *why = g_strdup_printf("this machine has %d GPU%s, numbered from 0", count,
                               count == 1 ? "" : "s");
    else
        return (int)ordinal;
    return -1;
}

static bool
read_properties(SanaCudaDevice *dev, char **why)
{
    struct cudaDeviceProp p = {0};
    cudaError_t status = forget(cudaGetDeviceProperties(&p, dev->ordinal));
    if (status != cudaSuccess) {
        *why = g_strdup_printf("it does not answer: %s", cudaGetErrorString(status));
        return false;
    }
    dev->capability = 10 * p.major + p.minor;
    dev->multiprocessors = p.multiProcessorCount;
    dev->shared_bytes = p.sharedMemPerBlockOptin;
    g_snprintf(dev->base.name, sizeof dev->base.name, "cuda:%d", dev->ordinal);
    if (dev->capability < MIN_CAPABILITY) {
        *why = g_strdup_printf("%s has compute capability %d.%d and 8.0 is needed; choose cpu",
                               p.name, p.major, p.minor);
        return false;
    }
    int made_for = 0;
    status = forget(cudaSetDevice(dev->ordinal));
    if (status == cudaSuccess)
        status = forget(sana_cuda_has_code(&made_for));
    dev->overlaps = made_for >= 90; /* code for less, compiled by the driver, does not wait */
    dev->hopper = dev->capability == 90 && dev->overlaps;
    /* 10.x has them in instructions of its own only, and makes mma.sync's of f16 */
    dev->eight_bit = made_for >= 89 && made_for / 10 != 10;
    if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction)
        *why = g_strdup_printf("%s has compute capability %d.%d, which this build holds no code "
                               "for; build with ptx in -Dgpu_archs",
                               p.name, p.major, p.minor);
    else if (status != cudaSuccess)
        *why = g_strdup_printf("%s does not start: %s", p.name, cudaGetErrorString(status));
    return status == cudaSuccess;
}

/* What describes a map to the copy engine is the driver's, which nothing here links. */
static void
find_describe_map(SanaCudaDevice *dev)
{
    enum cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
    void *function = NULL;
    if (dev->capability >= 90 &&
        forget(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                                cudaEnableDefault, &found)) == cudaSuccess &&
        found == cudaDriverEntryPointSuccess)
        dev->describe_map = (__typeof__(dev->describe_map))function;
}

static void
cuda_close(SanaDevice *base)
{
    SanaCudaDevice *dev = (SanaCudaDevice *)base;
    cudaSetDevice(dev->ordinal);
    if (dev->blas)
        cublasLtDestroy(dev->blas);
    g_hash_table_unref(dev->choices);
    g_mutex_clear(&dev->lock);
    g_mutex_clear(&dev->measuring);
    g_free(dev);
}

static SanaDevice *
cuda_open(const char *which, char **why)
{
    int count = count_devices(why);
    int ordinal = count > 0 ? choose_ordinal(which, count, why) : -1;
    if (ordinal < 0)
        return NULL;
    SanaCudaDevice *dev = g_new0(SanaCudaDevice, 1);
    dev->ordinal = ordinal;
    if (!read_properties(dev, why)) {
        g_free(dev);
        return NULL;
    }
    find_describe_map(dev);
    g_mutex_init(&dev->lock);
    g_mutex_init(&dev->measuring);
    dev->choices = sana_cuda_choices_new();
    cublasStatus_t status = cublasLtCreate(&dev->blas);
    if (status == CUBLAS_STATUS_SUCCESS)
        return &dev->base;
    *why = g_strdup_printf("cuBLASLt does not start: %s", cublasLtGetStatusString(status));
    dev->blas = NULL;
    cuda_close(&dev->base);
    return NULL;
}

static bool
cuda_supports(const SanaDevice *dev, SanaDType dtype)
{
    const bool eight_bit = ((const SanaCudaDevice *)dev)->eight_bit;
    return dtype == SANA_F32 || dtype == SANA_BF16 || (dtype == SANA_E4M3 && eight_bit);
}

static SanaDType
cuda_best_dtype(const SanaDevice *dev)
{
    return SANA_BF16;
}

/* --- memory ----------------------------------------------------------------------------------- */

static size_t
cuda_free_memory(const SanaDevice *base)
{
    size_t available = 0, total;
    cudaSetDevice(((const SanaCudaDevice *)base)->ordinal);
    cudaError_t status = cudaMemGetInfo(&available, &total);
    return sana_cuda_forget((SanaDevice *)base, status) == cudaSuccess ? available : 0;
}

/* It may be another's work that is the first to fail: asks for anything at all. */
static bool
cuda_is_lost(const SanaDevice *base)
{
    cuda_free_memory(base);
    return g_atomic_int_get(&((const SanaCudaDevice *)base)->lost) != 0;
}

void *
sana_cuda_alloc(SanaDevice *base, size_t bytes)
{
    void *p = NULL;
    cudaSetDevice(((SanaCudaDevice *)base)->ordinal);
    return sana_cuda_forget(base, cudaMalloc(&p, bytes)) == cudaSuccess ? p : NULL;
}

void
sana_cuda_free(SanaDevice *base, void *p)
{
    cudaSetDevice(((SanaCudaDevice *)base)->ordinal);
    sana_cuda_forget(base, cudaFree(p));
}

/* --- the table -------------------------------------------------------------------------------- */

static const SanaBackend cuda_backend = {
    .name = "cuda",
    .own_memory = true,
    .present = cuda_present,
    .open = cuda_open,
    .close = cuda_close,
    .supports = cuda_supports,
    .best_dtype = cuda_best_dtype,
    .free_memory = cuda_free_memory,
    .is_lost = cuda_is_lost,
    .alloc = sana_cuda_alloc,
    .free = sana_cuda_free,
    .upload_convert = sana_cuda_upload_convert,
    .pack_linear = sana_cuda_pack_linear,
    .pack_conv = sana_cuda_pack_conv,
    .packed_bytes = sana_cuda_packed_bytes,
    .free_packed = sana_cuda_free_packed,
    .stream_open = sana_cuda_stream_open,
    .stream_close = sana_cuda_stream_close,
    .copy_in = sana_cuda_copy_in,
    .copy_out = sana_cuda_copy_out,
    .copy_rows = sana_cuda_copy_rows,
    .finish = sana_cuda_finish_stream,
    .replay = sana_cuda_replay,
    .replay_free = sana_cuda_replay_free,
    .conv_norm_add = sana_cuda_conv_norm_add,
    .linear = sana_cuda_linear,
    .conv = sana_cuda_conv,
    .glu_depthwise = sana_cuda_glu_depthwise,
    .linear_attention = sana_cuda_linear_attention,
    .attention = sana_cuda_attention,
    .rope = sana_cuda_rope,
    .norm = sana_cuda_norm,
    .norm_modulate = sana_cuda_norm_modulate,
    .add_gated = sana_cuda_add_gated,
    .activate = sana_cuda_activate,
    .add = sana_cuda_add,
    .mix = sana_cuda_mix,
    .geglu = sana_cuda_geglu,
    .embed_tokens = sana_cuda_embed_tokens,
    .timestep_embedding = sana_cuda_timestep_embedding,
    .pixel_unshuffle = sana_cuda_pixel_unshuffle,
    .pixel_shuffle = sana_cuda_pixel_shuffle,
    .add_unshuffled_mean = sana_cuda_add_unshuffled_mean,
    .add_shuffled_repeat = sana_cuda_add_shuffled_repeat,
    .image_load = sana_cuda_image_load,
    .image_store = sana_cuda_image_store,
    .video_load = sana_cuda_video_load,
    .video_store = sana_cuda_video_store,
};

__attribute__((visibility("default"))) const SanaModule sana_module = {
    .version = SANA_VERSION,
    .backend_bytes = sizeof(SanaBackend),
    .backend = &cuda_backend,
};
