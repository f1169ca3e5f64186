/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * glu_depthwise, depthwise: a block sweeps down 16 columns of 64 channels.  Rows of its inputs come
 * into shared memory K − 1 ahead of their use; a thread keeps the taps and the unfinished sums of
 * 4 columns of 2 channels in registers, so that an input is read from shared memory (4 + K − 1) / 4
 * times and not K² times.  Kernels of other sizes, strides, and what is not aligned go output by
 * output.
 */
#include <type_traits>

#include "kernels/cuda/elements.h"

#define LANES 32 /* along channels */
#define GROUPS 4 /* of columns */
#define THREADS (LANES * GROUPS)
#define C 2 /* channels of a thread */
#define J 4 /* columns of a thread */
#define CHANNELS (LANES * C)
#define COLUMNS (GROUPS * J)

/* --- kernels ---------------------------------------------------------------------------------- */

/* taps: tap t of channel ch at t·taps_row + ch; bias or NULL */
struct Kernel {
    Map x;
    int h, w;
    const float *taps, *bias;
    int taps_row;
};

template <int S>
using Element = typename std::conditional<S == SANA_BF16, __nv_bfloat16, float>::type;

/* A block's part of PARTS rows of channels, `channels` apart, on its way through shared memory. */
template <int S, int K, int PARTS> struct Rows {
    typedef Element<S> T;
    typedef Vector<T, 16 / sizeof(T)> Sixteen;
    static constexpr int WIDTH = COLUMNS + K - 1, VECTORS = CHANNELS * (int)sizeof(T) / 16;
    static constexpr int COUNT = PARTS * WIDTH * VECTORS, COPIES = (COUNT + THREADS - 1) / THREADS;
    typedef Sixteen Stage[PARTS * WIDTH][VECTORS];

    uintptr_t next; /* where the next row's first column would be */
    size_t pitch;
    int row, h;
    uint32_t offset[COPIES]; /* from there, in bytes; NOWHERE outside of the map */
    static constexpr uint32_t NOWHERE = 0xfffffff0;

    __device__ __forceinline__ Rows(const Kernel &k, int first, int left, int ch, int channels)
    {
        const size_t stride = k.x.stride * sizeof(T);
        row = first;
        h = k.h;
        pitch = (size_t)k.w * stride;
        /* may lie before the map, where nothing is read */
        next = (uintptr_t)k.x.data + (size_t)first * pitch + (size_t)left * stride;
#pragma unroll
        for (int n = 0; n < COPIES; n++) {
            const int i = thread() + n * THREADS;
            const int part = i / VECTORS / WIDTH, column = i / VECTORS % WIDTH;
            const int within = ch + i % VECTORS * (16 / (int)sizeof(T));
            const bool inside = left + column >= 0 && left + column < k.w && within < channels;
            const size_t at =
                (size_t)column * stride + (size_t)(part * channels + within) * sizeof(T);
            offset[n] = inside ? (uint32_t)at : NOWHERE;
        }
    }

    static __device__ __forceinline__ int thread()
    {
        return (int)(threadIdx.y * LANES + threadIdx.x);
    }

    /* Starts the copy of the next row, if it is before `end`; zeros outside of the map. */
    __device__ __forceinline__ void start(Stage &stage, int end)
    {
        if (row < end) {
            const bool inside = row >= 0 && row < h;
#pragma unroll
            for (int n = 0; n < COPIES; n++)
                if ((n + 1) * THREADS <= COUNT || thread() + n * THREADS < COUNT)
                    copy_start(&stage[0][0] + thread() + n * THREADS,
                               (const void *)(next + offset[n]), inside && offset[n] != NOWHERE);
        }
        copy_group();
        next += pitch;
        row++;
    }
};

/* Two channels as f32. */
template <int S>
static __device__ __forceinline__ void
load_two(float (&v)[2], const Element<S> *from)
{
    if constexpr (S == SANA_BF16)
        from_pair(v, *(const uint32_t *)from);
    else
        load_as<float>(v, (const char *)from);
}

/* J columns of C channels, downwards. */
template <int S, int K> struct Sweep {
    float tap[K][K][C], start[C];
    float sum[K][J][C]; /* of K output rows, each in its place until it is done */

    __device__ __forceinline__ void begin(const Kernel &k, int ch)
    {
#pragma unroll
        for (int t = 0; t < K * K; t++)
            load_as<float>(tap[t / K][t % K], (const char *)(k.taps + (size_t)t * k.taps_row + ch));
#pragma unroll
        for (int c = 0; c < C; c++)
            start[c] = 0;
        if (k.bias)
            load_as<float>(start, (const char *)(k.bias + ch));
    }

    /* One row, the n-th.  The sums of output row n begin with it, those of n − K + 1 are then done;
     * u = n mod K. */
    template <typename Column> __device__ __forceinline__ void add_row(const Column *columns, int u)
    {
#pragma unroll
        for (int j = 0; j < J; j++)
#pragma unroll
            for (int c = 0; c < C; c++)
                sum[u][j][c] = start[c];
#pragma unroll
        for (int q = 0; q < J + K - 1; q++) {
            float v[C];
            load_two<S>(v, (const Element<S> *)columns[q] + threadIdx.x * C);
#pragma unroll
            for (int j = 0; j < J; j++)
                if (q - j >= 0 && q - j < K)
#pragma unroll
                    for (int a = 0; a < K; a++)
#pragma unroll
                        for (int c = 0; c < C; c++)
                            sum[(u - a + K) % K][j][c] += v[c] * tap[a][q - j][c];
        }
    }
};

/* Stride 1.  Blocks: channels; columns; bands of rows.  GATED: x has twice the channels of y. */
template <int S, int K, bool GATED>
static __global__ void
__launch_bounds__(THREADS, 4) sweep_kernel(Map y, Kernel k, int channels, int band)
{
    after_previous();
    constexpr int PARTS = GATED ? 2 : 1;
    typedef Rows<S, K, PARTS> R;
    ALIGNED_SHARED typename R::Stage stages[K];
    const int ch = (int)(blockIdx.x * CHANNELS + threadIdx.x * C);
    const int left = (int)(blockIdx.y * COLUMNS), j = left + (int)threadIdx.y * J;
    const int first = (int)blockIdx.z * band, end = first + band < k.h ? first + band : k.h;
    const int columns = ch < channels ? k.w - j : 0; /* that this thread writes, of J */
    R rows(k, first - K / 2, left - K / 2, (int)blockIdx.x * CHANNELS, channels);
    Sweep<S, K> sweep[PARTS];

#pragma unroll
    for (int i = 0; i < K - 1; i++)
        rows.start(stages[i], end + K / 2);
#pragma unroll
    for (int part = 0; part < PARTS; part++)
        sweep[part].begin(k, part * channels + (ch < channels ? ch : 0));
    y.data += ((size_t)first * k.w + j) * y.stride * sizeof(Element<S>);
    for (int n = 0;; n += K)
#pragma unroll
        for (int u = 0; u < K; u++) {
            if (first + n + u >= end + K - 1)
                return;
            copy_wait<K - 2>();
            __syncthreads();
            rows.start(stages[(u + K - 1) % K], end + K / 2);
#pragma unroll
            for (int part = 0; part < PARTS; part++)
                sweep[part].add_row(&stages[u][part * R::WIDTH + (int)threadIdx.y * J], u);
            if (n + u < K - 1)
                continue;
#pragma unroll
            for (int j1 = 0; j1 < J; j1++) {
                float v[C];
#pragma unroll
                for (int c = 0; c < C; c++) {
                    v[c] = sweep[0].sum[(u + 1) % K][j1][c];
                    if constexpr (GATED)
                        v[c] *= silu_short(sweep[PARTS - 1].sum[(u + 1) % K][j1][c]);
                }
                if (j1 < columns)
                    store<S>(y, j1, ch, v);
            }
            y.data += (size_t)k.w * y.stride * sizeof(Element<S>);
        }
}

/* Output row, column of kernel k around it: sums of W channels from ch of x. */
template <int S, int W>
static __device__ __forceinline__ void
add_window(float (&sum)[W], const Kernel &k, int kernel, int top, int left, int ch)
{
#pragma unroll
    for (int e = 0; e < W; e++)
        sum[e] = 0;
    if (k.bias)
        load_as<float>(sum, (const char *)(k.bias + ch));
    for (int t = 0; t < kernel * kernel; t++) {
        float v[W], tap[W];
        const int row = top + t / kernel, column = left + t % kernel;
        if (row < 0 || row >= k.h || column < 0 || column >= k.w)
            continue;
        load<S>(v, k.x, (size_t)row * k.w + column, ch);
        load_as<float>(tap, (const char *)(k.taps + (size_t)t * k.taps_row + ch));
#pragma unroll
        for (int e = 0; e < W; e++)
            sum[e] += v[e] * tap[e];
    }
}

/* Any kernel and stride, one output of W channels a thread.  gate: how many channels further the
 * gate's are, 0 without. */
template <int S, int W>
static __global__ void __launch_bounds__(256)
    window_kernel(Map y, int y_w, Kernel k, int kernel, int stride, size_t items, int per_row,
                  SanaAct act, int gate)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * 256;
    for (size_t i = (size_t)blockIdx.x * 256 + threadIdx.x; i < items; i += step) {
        const size_t position = i / per_row;
        const int ch = (int)(i % per_row) * W;
        const int top = (int)(position / y_w) * stride - kernel / 2;
        const int left = (int)(position % y_w) * stride - kernel / 2;
        float sum[W];
        add_window<S>(sum, k, kernel, top, left, ch);
        if (gate > 0) {
            float factor[W];
            add_window<S>(factor, k, kernel, top, left, gate + ch);
#pragma unroll
            for (int e = 0; e < W; e++)
                sum[e] *= silu(factor[e]);
        }
        activate(sum, act);
        store<S>(y, position, ch, sum);
    }
}

/* --- launchers -------------------------------------------------------------------------------- */

static Kernel
kernel_of(SanaTensor x, const SanaConv *k)
{
    const SanaCudaPacked *packed = (const SanaCudaPacked *)k->packed;
    return Kernel{map_of(x), x.h, x.w, packed->taps, (const float *)k->bias.data, k->out};
}

/*
 * Rows of a band, such that the busiest multiprocessor is done soonest.  Of its blocks four run at
 * a time; a row takes each of them one turn, and half a turn of waiting that the others of the four
 * do not add to; a block takes about two rows' time before its first.
 */
static int
band_of(SanaStream *s, size_t blocks, int h, int kernel)
{
    const size_t processors = (size_t)sana_cuda_device(s)->multiprocessors;
    size_t least = SIZE_MAX;
    int best = h;
    for (int bands = 1; bands <= h; bands++) {
        const int band = (h + bands - 1) / bands;
        const size_t share = (blocks * (size_t)bands + processors - 1) / processors;
        const size_t halves = (2 * share + (share + 3) / 4) * (size_t)(band + kernel + 1);
        if (halves < least) {
            least = halves;
            best = band;
        }
    }
    return best;
}

template <int S, int K, bool GATED>
static void
run_sweep(SanaStream *s, const char *op, SanaTensor y, SanaTensor x, const SanaConv *k)
{
    dim3 grid(sana_cuda_blocks((size_t)y.c, CHANNELS), sana_cuda_blocks((size_t)y.w, COLUMNS));
    const int band = band_of(s, (size_t)grid.x * grid.y, y.h, K);
    grid.z = sana_cuda_blocks((size_t)y.h, (unsigned)band);
    launch(s, op, grid, dim3(LANES, GROUPS), sweep_kernel<S, K, GATED>, map_of(y), kernel_of(x, k),
           y.c, band);
}

template <int S, int W>
static void
run_window(SanaStream *s, const char *op, SanaTensor y, SanaTensor x, const SanaConv *k,
           SanaAct act, int gate)
{
    const int per_row = y.c / W;
    const size_t items = sana_positions(y) * (size_t)per_row;
    launch(s, op, blocks_for(s, items, 256), 256, window_kernel<S, W>, map_of(y), y.w,
           kernel_of(x, k), k->kernel, k->stride, items, per_row, act, gate);
}

/* --- operations ------------------------------------------------------------------------------- */

void
sana_cuda_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    with_form({x, y}, {k->bias}, [&](auto form) {
        typedef decltype(form) F;
        if constexpr (F::S != ANY) {
            const bool sweeps = k->stride == 1 && act == SANA_ACT_NONE;
            if (sweeps && k->kernel == 3)
                return run_sweep<F::S, 3, false>(s, "conv", y, x, k);
            if (sweeps && k->kernel == 5)
                return run_sweep<F::S, 5, false>(s, "conv", y, x, k);
        }
        run_window<F::S, F::W>(s, "conv", y, x, k, act, 0);
    });
}

void
sana_cuda_glu_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k)
{
    with_form({x, y}, {k->bias}, [&](auto form) {
        typedef decltype(form) F;
        if constexpr (F::S != ANY)
            run_sweep<F::S, 3, true>(s, "glu_depthwise", y, x, k);
        else
            run_window<F::S, F::W>(s, "glu_depthwise", y, x, k, SANA_ACT_NONE, y.c);
    });
}
