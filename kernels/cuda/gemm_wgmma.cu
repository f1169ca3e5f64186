/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Products and convolutions on Hopper's tensor cores, of BF16 and of E4M3: two of those are one
 * channel of two bytes to all but the instruction that multiplies.
 *
 * A block of three groups of four warps stays on its multiprocessor and takes tile after tile.  One
 * thread of the first group has the copy engine fill two rings of shared memory: of the map, and
 * of 64 channels of one tap of BN filters.  The other two groups multiply, each its own rows, and
 * only barriers in shared memory hold them together.  The first is some steps ahead: while one
 * leaves with its result the other has the tensor cores for itself, and copies go on for the next
 * tile.
 *
 * The 64 rows that an instruction multiplies are a patch of 8 × 8 positions (of products: 64 rows).
 * A patch seen through another tap is the same memory a few rows further.  So where the stride is 1
 * the ring holds a tile with its border, 64 channels deep, once for all taps; where it is 2, a tile
 * for each tap.  Beyond the edges of a map the copy engine reads zeros and writes nothing.
 */
#include "kernels/cuda/gemm_wgmma.h"

#if HOPPER

/* --- shared memory ---------------------------------------------------------------------------- */

struct Ring {
    char *memory;
    uint64_t *full, *empty;
    int slot, phase, slots, bytes;

    __device__ __forceinline__ void next(void)
    {
        if (++slot == slots) {
            slot = 0;
            phase ^= 1;
        }
    }

    __device__ __forceinline__ char *here(void) const
    {
        return memory + slot * bytes;
    }

    /* Waits until the slot may be filled, with this many bytes, which arrive at filled(). */
    __device__ __forceinline__ char *fill(int count) const
    {
        barrier_wait(&empty[slot], phase ^ 1);
        barrier_arrive_with(&full[slot], count);
        return here();
    }

    __device__ __forceinline__ uint64_t *filled(void) const
    {
        return &full[slot];
    }

    __device__ __forceinline__ void wait(void) const
    {
        barrier_wait(&full[slot], phase);
    }

    /* Goes on; gives where to release the slot. */
    __device__ __forceinline__ uint64_t *read(void)
    {
        uint64_t *released = &empty[slot];
        next();
        return released;
    }
};

/* This warp has read a slot, which `pair` blocks fill. */
__device__ __forceinline__ void
release(uint64_t *empty, int pair)
{
    if (!empty || threadIdx.x % 32 != 0)
        return;
    if (pair == 1)
        barrier_arrive(empty);
    else
        for (int block = 0; block < 2; block++)
            barrier_arrive_at(empty, block);
}

template <int BN> struct Shared {
    Ring x, w;
    uint64_t *led; /* the first group is ahead */
    char *leaving; /* two patches of 64 channels for each group that multiplies */

    __device__ __forceinline__ Shared(const Job &job, char *memory)
    {
        uint64_t *barriers = (uint64_t *)memory;
        led = barriers + 4 * MOST_SLOTS;
        leaving = memory + 1024;
        x = {leaving + 4 * LEAVING, barriers, barriers + MOST_SLOTS, 0, 0, job.x_slots, job.x_slot};
        w = {x.memory + job.x_slots * job.x_slot,
             barriers + 2 * MOST_SLOTS,
             barriers + 3 * MOST_SLOTS,
             0,
             0,
             job.w_slots,
             BN * ROW};
    }

    __device__ __forceinline__ void begin(const Job &job) const
    {
        for (int i = 0; i < MOST_SLOTS; i++) {
            barrier_begin(&x.full[i], 1);
            barrier_begin(&w.full[i], 1);
            barrier_begin(&x.empty[i], MULTIPLIERS);
            barrier_begin(&w.empty[i], MULTIPLIERS * job.pair);
        }
        barrier_begin(led, MULTIPLIERS / 2);
        show_to_tensor_cores();
    }
};

/* --- the groups ------------------------------------------------------------------------------- */

/* 64 channels of one tap of BN filters: of a pair each block loads half, for both. */
template <int BN>
__device__ __forceinline__ void
feed_filters(const Job &job, Ring &w, int channel, int tap, int filter)
{
    char *slot = w.fill(BN * ROW);
    const int half = (int)blockIdx.x % job.pair * (BN / 2);
    if (job.pair == 2)
        tile_load_both(slot + half * ROW, &job.w, w.filled(), channel, tap, filter + half);
    else
        tile_load(slot, &job.w, w.filled(), channel, tap, filter);
    w.next();
}

/* One thread: fills the rings for all tiles of this block. */
template <int BN>
__device__ __forceinline__ void
feed(const Job &job, Shared<BN> &shared)
{
    each_tile<BN>(job, [&](const Place &at) {
        const int x = at.x * job.stride - job.pad + at.b, y = at.y * job.stride - job.pad + at.a;
        for (int chunk = 0; chunk < job.chunks; chunk++)
            for (int dy = 0; dy < job.kernel; dy++)
                for (int dx = 0; dx < job.kernel; dx++) {
                    if (!job.bordered || dx + dy == 0) {
                        char *slot = shared.x.fill(job.x_bytes);
                        tile_load(slot, &job.x, shared.x.filled(), chunk * DEPTH, x + dx, y + dy);
                        shared.x.next();
                    }
                    feed_filters<BN>(job, shared.w, chunk * DEPTH, dy * job.kernel + dx, at.filter);
                }
    });
}

/* Starts the products of a step: 64 channels of one tap, seen `seen` bytes into the slot of x. */
template <int PARTS, int BN, typename T>
__device__ __forceinline__ void
start_step(const Job &job, const Shared<BN> &shared, const int (&first)[PARTS], int seen, bool more,
           float (&sum)[PARTS][BN / 2])
{
    const char *x = shared.x.here() + seen, *w = shared.w.here();
    products_begin();
#pragma unroll
    for (int k = 0; k < DEPTH / 16; k++)
#pragma unroll
        for (int part = 0; part < PARTS; part++)
            multiply_add_64<T>(sum[part], matrix_descriptor(x + first[part] + k * 32, job.between),
                               matrix_descriptor(w + k * 32, 8 * ROW), more || k > 0);
    products_group();
}

/* The sums of one tile.  A slot is released when the step after the one that read it has begun.
 * led: where to tell that this group is ahead, or NULL. */
template <int PARTS, int BN, typename T>
__device__ __forceinline__ void
multiply(const Job &job, Shared<BN> &shared, int group, uint64_t *led, float (&sum)[PARTS][BN / 2])
{
    uint64_t *x_read = NULL, *w_read = NULL;
    int first[PARTS], step = 0;
#pragma unroll
    for (int part = 0; part < PARTS; part++) {
        const int p = group * PARTS + part;
        first[part] = (p / 2 * job.below * job.pitch + p % 2 * job.right + p / 2 * job.over) * ROW;
    }
    for (int chunk = 0; chunk < job.chunks; chunk++)
        for (int dy = 0; dy < job.kernel; dy++)
            for (int dx = 0; dx < job.kernel; dx++) {
                const bool last = dx + dy == 2 * (job.kernel - 1);
                if (!job.bordered || dx + dy == 0)
                    shared.x.wait();
                shared.w.wait();
                start_step<PARTS, BN, T>(job, shared, first,
                                         job.bordered ? (dy * job.pitch + dx) * ROW : 0,
                                         chunk + dy + dx > 0, sum);
                products_wait<1>();
                release(w_read, job.pair);
                release(x_read, 1);
                if (++step == job.lead)
                    release(led, 1);
                w_read = shared.w.read();
                x_read = !job.bordered || last ? shared.x.read() : NULL;
            }
    products_wait<0>();
#pragma unroll
    for (int part = 0; part < PARTS; part++)
        products_read(sum[part]);
    release(w_read, job.pair);
    release(x_read, 1);
}

#endif

/* NORM: a tile has all channels of its positions. */
template <int PARTS, int BN, typename T, bool NORM>
static __global__ void
__launch_bounds__(THREADS, 1) gemm_wgmma(const __grid_constant__ Job job)
{
    after_previous();
#if HOPPER
    DYNAMIC_SHARED(memory);
    Shared<BN> shared(job, memory);
    if (threadIdx.x == 0)
        shared.begin(job);
    __syncwarp(); /* what follows is for whole warps */
    if (job.pair == 2)
        cluster_barrier();
    else
        __syncthreads();
    if (threadIdx.x < 128) {
        registers_give<40>();
        if (threadIdx.x == 0)
            feed<BN>(job, shared);
    } else {
        registers_take<232>();
        const int group = (int)threadIdx.x / 128 - 1;
        char *buffers = shared.leaving + group * 2 * LEAVING;
        uint64_t *led = group == 0 ? shared.led : NULL; /* of the first tile */
        int turn = 0;
        if (group == 1)
            barrier_wait(shared.led, 0);
        each_tile<BN>(job, [&](const Place &at) {
            float sum[PARTS][BN / 2];
            multiply<PARTS, BN, T>(job, shared, group, led, sum);
            led = NULL;
            leave_tile<PARTS, BN, T, NORM>(job, buffers, turn, at, group, sum);
        });
        if (threadIdx.x % 128 == 0)
            tile_store_wait<0>();
    }
    __syncwarp();
    if (job.pair == 2) /* the other may still write here */
        cluster_barrier();
#endif
}

/* --- launching -------------------------------------------------------------------------------- */

/* A map of up to five dimensions, the innermost first; strides in elements, from the second on. */
struct Layout {
    const void *data;
    int dims;
    size_t size[5], stride[4];
    int box[5], step[5];
};

static bool
describe(SanaStream *s, CUtensorMap *map, const Layout &l)
{
    cuuint64_t size[5], stride[4];
    cuuint32_t box[5], step[5];
    for (int i = 0; i < l.dims; i++) {
        size[i] = l.size[i];
        box[i] = (cuuint32_t)l.box[i];
        step[i] = (cuuint32_t)l.step[i];
        if (i > 0)
            stride[i - 1] = l.stride[i - 1] * sizeof(__nv_bfloat16);
    }
    CUresult status = sana_cuda_device(s)->describe_map(
        map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, (cuuint32_t)l.dims, (void *)l.data, size, stride,
        box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
        CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (status != CUDA_SUCCESS)
        sana_fail(s, SANA_DEVICE_ERROR_FAILED, "gemm_wgmma: the driver refuses a map (%d)",
                  (int)status);
    return status == CUDA_SUCCESS;
}

static bool
is_product(const SanaCudaGemm *g)
{
    return g->kernel == 1 && g->stride == 1;
}

/* Positions of the map that tiles are laid over: of products a row; folded, every other of y's. */
struct Extent {
    int w, h;
};

static Extent
extent_of(const SanaCudaGemm *g)
{
    if (is_product(g))
        return {g->y_h * g->y_w, 1};
    if (g->folded)
        return {g->x_w, g->x_h};
    return {g->y_w, g->y_h};
}

/* All but the maps, of halves.  False where the rings do not fit. */
static bool
lay_out(const SanaCudaDevice *dev, const SanaCudaGemm *g, int parts, int bn, int pair, Job *job)
{
    const bool product = is_product(g);
    const Extent y = extent_of(g);
    job->scales = g->scales;
    job->x_scale = g->x_scale;
    job->bias = g->bias;
    job->act = g->act;
    job->kernel = g->kernel;
    job->stride = g->stride;
    job->pad = g->pad;
    job->chunks = (g->in + DEPTH - 1) / DEPTH;
    job->channels = g->folded ? g->out / 4 : g->out;
    job->right = product ? PATCH * PATCH : PATCH;
    job->over = product ? 2 * PATCH * PATCH : 0;
    job->below = product ? 0 : PATCH;
    job->tile_w = (product ? parts : 1) * 2 * job->right;
    job->tile_h = product ? 1 : parts * PATCH;
    job->columns = (g->out + bn - 1) / bn;
    job->across = (y.w + job->tile_w - 1) / job->tile_w;
    const int rows = job->across * ((y.h + job->tile_h - 1) / job->tile_h);
    job->pair = pair;
    job->turns = job->columns * ((rows + job->pair - 1) / job->pair);
    job->bordered = g->kernel > 1 && g->stride == 1;
    const int border = job->bordered ? g->kernel - 1 : 0;
    job->pitch = job->tile_w + border;
    job->between = (product ? PATCH : job->pitch) * ROW;
    job->x_bytes = job->pitch * (job->tile_h + border) * ROW;
    job->x_slot = (job->x_bytes + 1023) / 1024 * 1024;
    const int left = (int)dev->shared_bytes - 1024 - 4 * LEAVING, w_slot = bn * ROW;
    const int both = left / (job->x_slot + w_slot);
    job->x_slots = MIN(MOST_SLOTS, job->bordered ? 2 : both);
    job->w_slots = MIN(MOST_SLOTS, (left - job->x_slots * job->x_slot) / w_slot);
    /* no slot is filled again before the second group has read it */
    const int slots = job->bordered ? job->w_slots : MIN(job->x_slots, job->w_slots);
    job->lead = MIN(MIN(LEAD, slots), job->chunks * g->kernel * g->kernel);
    return job->x_slots >= 2 && job->w_slots >= 2;
}

static bool
describe_maps(SanaStream *s, const SanaCudaGemm *g, int bn, Job *job)
{
    const bool product = is_product(g);
    const size_t taps = (size_t)(g->kernel * g->kernel), in = (size_t)g->in;
    const size_t x_w = (size_t)(product ? g->x_h * g->x_w : g->x_w);
    const size_t x_h = product ? 1 : (size_t)g->x_h, x_stride = (size_t)g->x_stride;
    const int times = job->stride, border = job->pitch - job->tile_w;
    const Layout x = {g->x,
                      3,
                      {in, x_w, x_h},
                      {x_stride, x_w * x_stride},
                      {DEPTH, job->pitch * times, (job->tile_h + border) * times},
                      {1, times, times}};
    const Layout w = {
        g->w,     3, {in, taps, (size_t)g->out}, {in, taps * in}, {DEPTH, 1, bn / job->pair},
        {1, 1, 1}};
    /* a folded map is four maps, of every other position of every other row */
    const size_t y_w = (size_t)extent_of(g).w, y_h = (size_t)extent_of(g).h;
    const size_t apart = g->folded ? 2 : 1, y_stride = (size_t)g->y_stride;
    const int patch_w = product ? PATCH * PATCH : PATCH, patch_h = product ? 1 : PATCH;
    const Layout y = {
        g->y,
        5,
        {(size_t)job->channels, apart, y_w, apart, y_h},
        {y_stride, apart * y_stride, apart * y_w * y_stride, apart * apart * y_w * y_stride},
        {DEPTH, 1, patch_w, 1, patch_h},
        {1, 1, 1, 1, 1}};
    return describe(s, &job->x, x) && describe(s, &job->w, w) && describe(s, &job->y, y);
}

/* Whether a vector can be read two numbers at a time; NULL can. */
static inline bool
in_pairs(const float *vector)
{
    return (uintptr_t)vector % (2 * sizeof *vector) == 0;
}

/* Whether rows and filters can be copied in tiles, and leave so; of halves. */
static bool
copies(const SanaCudaDevice *dev, const SanaCudaGemm *g, int bn)
{
#ifdef SANA_CUDA_90A
    return dev->hopper && dev->describe_map && readable(g) && g->y_dtype == SANA_BF16 &&
           g->groups == 1 && g->in >= DEPTH && leaves_in_vectors(g) && in_pairs(g->bias) &&
           in_pairs(g->scales) && (g->folded ? g->out / 4 % bn == 0 : g->out >= DEPTH);
#else
    return false; /* this build has no code for it */
#endif
}

template <int PARTS, int BN, int PAIR>
static bool
takes(const SanaCudaDevice *dev, const SanaCudaGemm *g)
{
    const SanaCudaGemm halves = halves_of(g);
    Job job;
    return !g->residual && copies(dev, &halves, BN) && lay_out(dev, &halves, PARTS, BN, PAIR, &job);
}

template <int PARTS, int BN, typename T, bool NORM>
static void
run_as(SanaStream *s, const SanaCudaGemm *halves, Job *job)
{
    const SanaCudaDevice *dev = sana_cuda_device(s);
    const auto kernel = gemm_wgmma<PARTS, BN, T, NORM>;
    const int at_once = dev->multiprocessors / job->pair;
    if (!describe_maps(s, halves, BN, job) ||
        !sana_cuda_check(s,
                         cudaFuncSetAttribute((const void *)kernel,
                                              cudaFuncAttributeMaxDynamicSharedMemorySize,
                                              (int)dev->shared_bytes),
                         "gemm_wgmma"))
        return;
    launch_clusters(s, "gemm_wgmma", (unsigned)(MIN(job->turns, at_once) * job->pair),
                    (unsigned)job->pair, THREADS, dev->shared_bytes, kernel, *job);
}

template <int PARTS, int BN, bool NORM>
static void
run_job(SanaStream *s, const SanaCudaGemm *halves, Job *job)
{
    if (halves->dtype == SANA_E4M3)
        run_as<PARTS, BN, __nv_fp8_e4m3, NORM>(s, halves, job);
    else
        run_as<PARTS, BN, __nv_bfloat16, NORM>(s, halves, job);
}

template <int PARTS, int BN, int PAIR>
static void
run(SanaStream *s, const SanaCudaGemm *g)
{
    const SanaCudaGemm halves = halves_of(g);
    Job job;
    if (lay_out(sana_cuda_device(s), &halves, PARTS, BN, PAIR, &job))
        run_job<PARTS, BN, false>(s, &halves, &job);
}

const SanaCudaGemmKernel sana_cuda_gemm_wgmma[SANA_CUDA_WGMMA_KERNELS] = {
    {"wgmma 256x128", takes<2, 128, 1>, run<2, 128, 1>},
    {"wgmma 128x256", takes<1, 256, 1>, run<1, 256, 1>},
    {"wgmma 128x128", takes<1, 128, 1>, run<1, 128, 1>},
    {"wgmma pair 256x128", takes<2, 128, 2>, run<2, 128, 2>},
    {"wgmma pair 128x256", takes<1, 256, 2>, run<1, 256, 2>},
};

/* Two groups have a tile of so many patches each: with 128 channels there is room for two. */
static int
norm_parts(const SanaCudaGemm *g)
{
    return g->out == 128 ? 2 : 1;
}

bool
sana_cuda_gemm_norm_takes(const SanaCudaDevice *dev, const SanaCudaGemm *g)
{
    const SanaCudaGemm halves = halves_of(g);
    Job job;
    return (g->out == 128 || g->out == 256) && !g->bias && in_pairs(g->norm_weight) &&
           in_pairs(g->norm_bias) && !is_product(g) && g->stride == 1 &&
           copies(dev, &halves, g->out) && lay_out(dev, &halves, norm_parts(g), g->out, 1, &job);
}

void
sana_cuda_gemm_norm(SanaStream *s, const SanaCudaGemm *g)
{
    const SanaCudaGemm halves = halves_of(g);
    Job job;
    if (!lay_out(sana_cuda_device(s), &halves, norm_parts(g), g->out, 1, &job))
        return;
    job.norm_weight = g->norm_weight;
    job.norm_bias = g->norm_bias;
    job.eps = g->eps;
    job.residual = (const char *)g->residual;
    job.residual_stride = g->residual_stride;
    job.w_positions = g->y_w;
    job.h_positions = g->y_h;
    if (norm_parts(g) == 2)
        run_job<2, 128, true>(s, &halves, &job);
    else
        run_job<1, 256, true>(s, &halves, &job);
}
