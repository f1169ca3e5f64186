/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * glu_depthwise, depthwise: a thread sweeps down BAND rows of J columns of C channels.  Taps and
 * the unfinished sums stay in registers, so that an input is fetched (J + K − 1) / J times and not
 * K² times, from the first cache after the first time.  8 channels would be 16 bytes of bf16, but
 * the taps of so many do not fit.
 */
#include "kernels/cuda/elements.h"

#define LANES 32 /* along channels */
#define GROUPS 4 /* of J columns */
#define BAND 8   /* rows */

/* --- kernels ---------------------------------------------------------------------------------- */

/* taps: tap t of channel ch at t·taps_row + ch; bias or NULL */
struct Kernel {
    Map x;
    int h, w;
    const float *taps, *bias;
    int taps_row;
};

/* J columns from j of C channels from ch, downwards. */
template <int S, int K, int C, int J> struct Sweep {
    float tap[K][K][C], start[C];
    float sum[K][J][C]; /* sum[a] belongs to output row r + K/2 − a while input row r is added */

    __device__ __forceinline__ Sweep(const Kernel &k, int ch)
    {
#pragma unroll
        for (int t = 0; t < K * K; t++)
            load_as<float>(tap[t / K][t % K], (const char *)(k.taps + (size_t)t * k.taps_row + ch));
#pragma unroll
        for (int c = 0; c < C; c++)
            start[c] = 0;
        if (k.bias)
            load_as<float>(start, (const char *)(k.bias + ch));
#pragma unroll
        for (int a = 0; a < K; a++)
            reset(a);
    }

    __device__ __forceinline__ void reset(int a)
    {
#pragma unroll
        for (int j = 0; j < J; j++)
#pragma unroll
            for (int c = 0; c < C; c++)
                sum[a][j][c] = start[c];
    }

    __device__ __forceinline__ void add_row(const Kernel &k, int row, int j, int ch)
    {
        float v[J + K - 1][C];
#pragma unroll
        for (int q = 0; q < J + K - 1; q++) {
            const int column = j - K / 2 + q;
#pragma unroll
            for (int c = 0; c < C; c++)
                v[q][c] = 0;
            if (column >= 0 && column < k.w)
                load<S>(v[q], k.x, (size_t)row * k.w + column, ch);
        }
#pragma unroll
        for (int q = 0; q < J + K - 1; q++)
#pragma unroll
            for (int j1 = 0; j1 < J; j1++)
                if (q - j1 >= 0 && q - j1 < K)
#pragma unroll
                    for (int a = 0; a < K; a++)
#pragma unroll
                        for (int c = 0; c < C; c++)
                            sum[a][j1][c] += v[q][c] * tap[a][q - j1][c];
    }

    /* The oldest row is done; the next ones move up. */
    __device__ __forceinline__ void next_row()
    {
#pragma unroll
        for (int a = K - 1; a > 0; a--)
#pragma unroll
            for (int j = 0; j < J; j++)
#pragma unroll
                for (int c = 0; c < C; c++)
                    sum[a][j][c] = sum[a - 1][j][c];
        reset(0);
    }
};

template <int S, int C, int J>
static __global__ void
__launch_bounds__(LANES *GROUPS) glu_kernel(Map y, Kernel k, int channels)
{
    after_previous();
    const int ch = (int)(blockIdx.x * LANES + threadIdx.x) * C;
    const int j = (int)(blockIdx.y * GROUPS + threadIdx.y) * J, first = (int)blockIdx.z * BAND;
    if (ch >= channels || j >= k.w)
        return;
    const int end = first + BAND < k.h ? first + BAND : k.h;
    Sweep<S, 3, C, J> value(k, ch), gate(k, channels + ch);
#pragma unroll 1
    for (int row = first - 1; row <= end; row++) {
        if (row >= 0 && row < k.h) {
            value.add_row(k, row, j, ch);
            gate.add_row(k, row, j, channels + ch);
        }
        if (row > first)
#pragma unroll
            for (int j1 = 0; j1 < J; j1++) {
                float v[C];
#pragma unroll
                for (int c = 0; c < C; c++)
                    v[c] = value.sum[2][j1][c] * silu(gate.sum[2][j1][c]);
                if (j + j1 < k.w)
                    store<S>(y, (size_t)(row - 1) * k.w + j + j1, ch, v);
            }
        value.next_row();
        gate.next_row();
    }
}

/* Stride 1. */
template <int S, int K, int C, int J>
static __global__ void
__launch_bounds__(LANES *GROUPS) sweep_kernel(Map y, Kernel k, int channels, SanaAct act)
{
    after_previous();
    const int ch = (int)(blockIdx.x * LANES + threadIdx.x) * C;
    const int j = (int)(blockIdx.y * GROUPS + threadIdx.y) * J, first = (int)blockIdx.z * BAND;
    if (ch >= channels || j >= k.w)
        return;
    const int end = first + BAND < k.h ? first + BAND : k.h;
    Sweep<S, K, C, J> sweep(k, ch);
#pragma unroll 1
    for (int row = first - K / 2; row < end + K / 2; row++) {
        if (row >= 0 && row < k.h)
            sweep.add_row(k, row, j, ch);
        if (row - K / 2 >= first)
#pragma unroll
            for (int j1 = 0; j1 < J; j1++) {
                activate(sweep.sum[K - 1][j1], act);
                if (j + j1 < k.w)
                    store<S>(y, (size_t)(row - K / 2) * k.w + j + j1, ch, sweep.sum[K - 1][j1]);
            }
        sweep.next_row();
    }
}

/* Any kernel and stride, one output of W channels a thread. */
template <int S, int W>
static __global__ void __launch_bounds__(256)
    window_kernel(Map y, int y_w, Kernel k, int kernel, int stride, size_t items, int per_row,
                  SanaAct act)
{
    after_previous();
    const size_t step = (size_t)gridDim.x * 256;
    for (size_t i = (size_t)blockIdx.x * 256 + threadIdx.x; i < items; i += step) {
        const size_t position = i / per_row;
        const int ch = (int)(i % per_row) * W;
        const int top = (int)(position / y_w) * stride - kernel / 2;
        const int left = (int)(position % y_w) * stride - kernel / 2;
        float sum[W] = {}, v[W], tap[W];
        if (k.bias)
            load_as<float>(sum, (const char *)(k.bias + ch));
        for (int t = 0; t < kernel * kernel; t++) {
            const int row = top + t / kernel, column = left + t % kernel;
            if (row < 0 || row >= k.h || column < 0 || column >= k.w)
                continue;
            load<S>(v, k.x, (size_t)row * k.w + column, ch);
            load_as<float>(tap, (const char *)(k.taps + (size_t)t * k.taps_row + ch));
#pragma unroll
            for (int e = 0; e < W; e++)
                sum[e] += v[e] * tap[e];
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

static dim3
grid_of(SanaTensor y, int c, int j)
{
    return dim3(sana_cuda_blocks((size_t)y.c, (unsigned)(LANES * c)),
                sana_cuda_blocks((size_t)y.w, (unsigned)(GROUPS * j)),
                sana_cuda_blocks((size_t)y.h, BAND));
}

template <int K, int C, int J>
static void
run_sweep(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    with_form({x, y}, {k->bias}, [&](auto form) {
        typedef decltype(form) F;
        constexpr int c = F::W > 1 ? C : 1;
        launch(s, "conv", grid_of(y, c, J), dim3(LANES, GROUPS), sweep_kernel<F::S, K, c, J>,
               map_of(y), kernel_of(x, k), y.c, act);
    });
}

/* --- operations ------------------------------------------------------------------------------- */

void
sana_cuda_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    if (k->stride == 1 && k->kernel == 3)
        return run_sweep<3, 4, 2>(s, y, x, k, act);
    if (k->stride == 1 && k->kernel == 5)
        return run_sweep<5, 2, 4>(s, y, x, k, act);
    with_form({x, y}, {k->bias}, [&](auto form) {
        typedef decltype(form) F;
        const int per_row = y.c / F::W;
        const size_t items = sana_positions(y) * (size_t)per_row;
        launch(s, "conv", blocks_for(s, items, 256), 256, window_kernel<F::S, F::W>, map_of(y), y.w,
               kernel_of(x, k), k->kernel, k->stride, items, per_row, act);
    });
}

void
sana_cuda_glu_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k)
{
    with_form({x, y}, {k->bias}, [&](auto form) {
        typedef decltype(form) F;
        constexpr int C = F::W > 1 ? 4 : 1, J = 2;
        launch(s, "glu_depthwise", grid_of(y, C, J), dim3(LANES, GROUPS), glu_kernel<F::S, C, J>,
               map_of(y), kernel_of(x, k), y.c);
    });
}
