/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * norm, norm_modulate: 4 to 32 lanes of a warp, or a block, have a row, each thread up to PARTS
 * vectors of it in registers between the sums and the result, so that a map is read once and
 * written once.  A thread asks for all that it reads before it uses any of it: a small map costs
 * the latency of memory once, and for a large one enough is on its way.  Longer rows, and
 * activations whose code is long, are taken vector by vector and read again, from the cache.
 */
#include "kernels/cuda/elements.h"

#define THREADS 128
#define WARP_SHIFT 5  /* 32 lanes have a row */
#define BLOCK_SHIFT 7 /* all threads */

/* --- kernels ---------------------------------------------------------------------------------- */

/* Rows of c channels, 2^shift threads to each.  A block has those of group blockIdx.y. */
struct Rows {
    size_t count, blocks;
    int c, shift;
    float inverse; /* 1 / c */
};

struct Norm {
    Map y, x, residual, weight, bias; /* of residual and bias data or NULL */
    bool rms;
    float eps;
    SanaAct act;
};

struct Modulate {
    Map y, x, shift, scale;
    float eps;
};

/* What a thread holds: N vectors of a row of 2^SH threads (ANY: known at run time). */
template <int N, int SH> struct Hold {
    static constexpr int PARTS = N, SHIFT = SH;
    static constexpr int BLOCKS = N > 2 ? 4 : 8; /* of a multiprocessor */
    static constexpr bool NARROW = N <= 2;
};

/* A group of a row, from channel `first`, and a thread's share of it: each `lanes`th vector from
 * `lane`, as far as `end`. */
struct Share {
    size_t row, first;
    int lanes, lane;
    int end; /* c; 0 past the last row, where nothing is read or written */

    /* Where its part p begins, if it has one. */
    template <int W> __device__ __forceinline__ int channel(int p) const
    {
        return (p * lanes + lane) * W;
    }
};

/* Of a row of the nth block of rows.  SHIFT is that of the rows, or ANY. */
template <int SHIFT>
static __device__ __forceinline__ Share
share_of(const Rows &rows, size_t block)
{
    const int shift = SHIFT == ANY ? rows.shift : SHIFT;
    Share s;
    s.lanes = 1 << shift;
    s.lane = (int)threadIdx.x & (s.lanes - 1);
    s.row = block * (THREADS >> shift) + (threadIdx.x >> shift);
    s.first = (size_t)blockIdx.y * rows.c;
    s.end = s.row < rows.count ? rows.c : 0;
    return s;
}

/* Adds over the threads of each of N rows; each gets the sum. */
template <int SHIFT, int N>
static __device__ __forceinline__ void
sum_over(float (&x)[N], int lanes)
{
#pragma unroll
    for (int other = 1 << WARP_SHIFT >> 1; other > 0; other /= 2)
        if (other < lanes)
#pragma unroll
            for (int n = 0; n < N; n++)
                x[n] += __shfl_xor_sync(0xffffffffu, x[n], other);
    if constexpr (SHIFT == BLOCK_SHIFT) {
        __shared__ float sums[THREADS >> WARP_SHIFT];
        static_assert(N == 1, "a block has one row");
        __syncthreads(); /* those of the sum before have been read */
        if (threadIdx.x % (1 << WARP_SHIFT) == 0)
            sums[threadIdx.x >> WARP_SHIFT] = x[0];
        __syncthreads();
        x[0] = 0;
#pragma unroll
        for (int w = 0; w < THREADS >> WARP_SHIFT; w++)
            x[0] += sums[w];
    }
}

/* The sum of term(part, e) over a share, each part's by itself: additions that wait for few. */
template <int W, int PARTS, typename F>
static __device__ __forceinline__ float
sum_parts(const Share &s, F term)
{
    float sum = 0;
#pragma unroll
    for (int p = 0; p < PARTS; p++) {
        float part = 0;
#pragma unroll
        for (int e = 0; e < W; e++)
            part += term(p, e);
        sum += s.channel<W>(p) < s.end ? part : 0;
    }
    return sum;
}

/* A vector of type S as it was read: nothing waits for it before it is used. */
template <int S, int W> struct Raw {
    Vector<float, W> f;

    __device__ __forceinline__ float operator[](int e) const
    {
        return f.e[e];
    }
};

template <int W> struct Raw<SANA_BF16, W> {
    Vector<uint32_t, W / 2> pair;

    __device__ __forceinline__ float operator[](int e) const
    {
        const uint32_t bits = e % 2 ? pair.e[e / 2] & 0xffff0000u : pair.e[e / 2] << 16;
        float f;
        memcpy(&f, &bits, sizeof f);
        return f;
    }
};

/* Calls f(part, ch) for the parts of a share. */
template <int W, int PARTS, typename F>
static __device__ __forceinline__ void
each_part(const Share &s, F f)
{
#pragma unroll
    for (int p = 0; p < PARTS; p++)
        if (s.channel<W>(p) < s.end)
            f(p, s.channel<W>(p));
}

/* The parts of a share of x that begin before `end`; zeros for the others. */
template <int S, int W, int PARTS>
static __device__ __forceinline__ void
load_share(Raw<S, W> (&v)[PARTS], const Map &x, const Share &s, int end)
{
    const size_t first = s.row * x.stride + s.first;
#pragma unroll
    for (int p = 0; p < PARTS; p++) {
        const int ch = s.channel<W>(p);
        v[p] = {};
        if (ch < end) {
            if constexpr (S == ANY)
                load<S>(v[p].f.e, x, s.row, s.first + ch);
            else
                v[p] = *((const Raw<S, W> *)(x.data + sizeof(Raw<S, W>) * (first / W)) + ch / W);
        }
    }
}

/*
 * A vector of c, F32, in shared memory: read once for all rows of a block.  The halves of 32
 * neighbouring vectors of 8 lie apart, so that 32 lanes read theirs from different banks.
 */
template <typename H> struct Staged {
    typedef Vector<float, 4> Half;
    static constexpr int HALVES = H::PARTS * 2 * (H::SHIFT == BLOCK_SHIFT ? THREADS : 32);
    Half v[HALVES];

    __device__ __forceinline__ void ask(const Map &x, int c)
    {
        const int t = (int)threadIdx.x, to = t / 64 * 64 + t % 2 * 32 + t % 64 / 2;
        const Half *from = (const Half *)x.data + (size_t)blockIdx.y * c / 4;
#pragma unroll
        for (int first = 0; first < HALVES; first += THREADS)
            if (4 * (first + t) < c)
                copy_start(&v[first + to], from + first + t, true);
    }

    /* Channels ch … ch + 7 */
    __device__ __forceinline__ void get(float (&to)[8], int ch) const
    {
        const Half *low = &v[ch / 256 * 64 + ch / 8 % 32];
#pragma unroll
        for (int e = 0; e < 4; e++) {
            to[e] = low[0].e[e];
            to[e + 4] = low[32].e[e];
        }
    }
};

/* What was asked for is there, for all threads of the block. */
static __device__ __forceinline__ void
wait_for_staged(void)
{
    copy_wait<0>();
    __syncthreads();
}

/* Never true, which the compiler does not know: it puts no load off past a branch.  In straight
 * code it would, until others have arrived, to save registers. */
static __device__ __forceinline__ bool
never(const Rows &rows)
{
    return rows.inverse <= 0;
}

/* What norm_kernel has of a row before it computes. */
template <int S, int W, int PARTS, bool MORE> struct Asked {
    Share share;
    Raw<S, W> x[PARTS], residual[MORE ? PARTS : 1];

    __device__ __forceinline__ void ask(const Norm &n, const Share &s)
    {
        share = s;
        load_share<S, W>(x, n.x, s, s.end);
        if constexpr (MORE)
            load_share<S, W>(residual, n.residual, s, n.residual.data ? s.end : 0);
    }
};

template <typename F, typename H, bool MORE>
static __device__ __forceinline__ void
finish_row(const Norm &n, const Rows &rows, const Staged<H> &weight, const Staged<H> &bias,
           const Asked<F::S, F::W, H::PARTS, MORE> &row)
{
    constexpr int S = F::S, W = F::W, PARTS = H::PARTS;
    float factor[1];
    factor[0] =
        sum_parts<W, PARTS>(row.share, [&](int p, int e) { return row.x[p][e] * row.x[p][e]; });
    sum_over<H::SHIFT>(factor, row.share.lanes);
    factor[0] = n.rms ? rsqrtf(factor[0] * rows.inverse + n.eps) : 1;
    each_part<W, PARTS>(row.share, [&](int p, int ch) {
        float v[W], w[W];
        weight.get(w, ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = row.x[p][e] * (factor[0] * w[e]);
        if (MORE && n.bias.data) {
            bias.get(w, ch);
#pragma unroll
            for (int e = 0; e < W; e++)
                v[e] += w[e];
        }
        if (MORE && n.act == SANA_ACT_RELU)
            activate(v, SANA_ACT_RELU);
#pragma unroll
        for (int e = 0; e < W; e++)
            if (MORE)
                v[e] += row.residual[p][e];
        store<S>(n.y, row.share.row, row.share.first + ch, v);
    });
}

/* Narrow rows are many: a block goes through them with the next on their way. */
template <typename F, typename H> static constexpr bool streams = F::S == SANA_BF16 &&H::NARROW;

/* MORE: with a bias, an activation or a residual. */
template <typename F, typename H, bool MORE>
static __global__ void
__launch_bounds__(THREADS, H::BLOCKS) norm_kernel(Norm n, Rows rows)
{
    after_previous();
    typedef Asked<F::S, F::W, H::PARTS, MORE> Row;
    __shared__ Staged<H> weight, bias;
    Row row = {};

    weight.ask(n.weight, rows.c);
    if (MORE && n.bias.data)
        bias.ask(n.bias, rows.c);
    copy_group();
    row.ask(n, share_of<H::SHIFT>(rows, blockIdx.x));
    if (never(rows))
        return;
    wait_for_staged();
    if constexpr (streams<F, H>)
        for (size_t block = blockIdx.x + gridDim.x; block < rows.blocks; block += gridDim.x) {
            Row next;
            next.ask(n, share_of<H::SHIFT>(rows, block));
            if (never(rows))
                return;
            finish_row<F, H, MORE>(n, rows, weight, bias, row);
            row = next;
        }
    finish_row<F, H, MORE>(n, rows, weight, bias, row);
}

/* The variance is a mean of squared deviations: a difference of two means would cancel. */
template <typename F, typename H>
static __global__ void
__launch_bounds__(THREADS, H::BLOCKS) modulate_kernel(Modulate n, Rows rows)
{
    after_previous();
    constexpr int S = F::S, W = F::W, PARTS = H::PARTS;
    __shared__ Staged<H> scale, shift;
    const Share share = share_of<H::SHIFT>(rows, blockIdx.x);
    Raw<S, W> x[PARTS];
    float sum[1];

    scale.ask(n.scale, rows.c);
    shift.ask(n.shift, rows.c);
    copy_group();
    load_share<S, W>(x, n.x, share, share.end);
    if (never(rows))
        return;
    sum[0] = sum_parts<W, PARTS>(share, [&](int p, int e) { return x[p][e]; });
    sum_over<H::SHIFT>(sum, share.lanes);
    const float mean = sum[0] * rows.inverse;
    sum[0] = sum_parts<W, PARTS>(share,
                                 [&](int p, int e) { return (x[p][e] - mean) * (x[p][e] - mean); });
    sum_over<H::SHIFT>(sum, share.lanes);
    const float factor = rsqrtf(sum[0] * rows.inverse + n.eps);
    wait_for_staged();
    each_part<W, PARTS>(share, [&](int p, int ch) {
        float v[W], by[W], to[W];
        scale.get(by, ch);
        shift.get(to, ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = (x[p][e] - mean) * factor * (1 + by[e]) + to[e];
        store<S>(n.y, share.row, (size_t)ch, v);
    });
}

/* --- kernels that read again ------------------------------------------------------------------ */

/* Calls f(ch, v) with each vector of a share of x. */
template <int S, int W, typename F>
static __device__ __forceinline__ void
each_vector(const Map &x, const Share &s, F f)
{
    float v[W];
    for (int ch = s.lane * W; ch < s.end; ch += s.lanes * W) {
        load<S>(v, x, s.row, s.first + ch);
        f(s.first + ch, v);
    }
}

/* The mean over a row. */
template <int S, int W, typename F>
static __device__ __forceinline__ float
mean_of(const Map &x, const Share &s, const Rows &rows, F term)
{
    float sum[1] = {0};
    each_vector<S, W>(x, s, [&](size_t ch, const float(&v)[W]) {
#pragma unroll
        for (int e = 0; e < W; e++)
            sum[0] += term(v[e]);
    });
    sum_over<ANY>(sum, s.lanes);
    return sum[0] * rows.inverse;
}

template <int S, int W>
static __global__ void
__launch_bounds__(THREADS, 8) norm_any_kernel(Norm n, Rows rows)
{
    after_previous();
    const Share share = share_of<ANY>(rows, blockIdx.x);
    float factor = 1;

    if (n.rms)
        factor = rsqrtf(mean_of<S, W>(n.x, share, rows, [](float v) { return v * v; }) + n.eps);
    each_vector<S, W>(n.x, share, [&](size_t ch, float(&v)[W]) {
        float w[W], b[W] = {};
        load<SANA_F32>(w, n.weight, 0, ch);
        if (n.bias.data)
            load<SANA_F32>(b, n.bias, 0, ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = v[e] * (factor * w[e]) + b[e];
        activate(v, n.act);
        if (n.residual.data) {
            load<S>(w, n.residual, share.row, ch);
#pragma unroll
            for (int e = 0; e < W; e++)
                v[e] += w[e];
        }
        store<S>(n.y, share.row, ch, v);
    });
}

template <int S, int W>
static __global__ void
__launch_bounds__(THREADS, 8) modulate_any_kernel(Modulate n, Rows rows)
{
    after_previous();
    const Share share = share_of<ANY>(rows, blockIdx.x);
    const float mean = mean_of<S, W>(n.x, share, rows, [](float v) { return v; });
    const float variance =
        mean_of<S, W>(n.x, share, rows, [&](float v) { return (v - mean) * (v - mean); });
    const float factor = rsqrtf(variance + n.eps);

    each_vector<S, W>(n.x, share, [&](size_t ch, float(&v)[W]) {
        float scale[W], shift[W];
        load<ANY>(scale, n.scale, 0, ch);
        load<ANY>(shift, n.shift, 0, ch);
#pragma unroll
        for (int e = 0; e < W; e++)
            v[e] = (v[e] - mean) * factor * (1 + scale[e]) + shift[e];
        store<S>(n.y, share.row, ch, v);
    });
}

/* --- launchers -------------------------------------------------------------------------------- */

/*
 * Calls f(Form, Hold, rows).  256, 2 × 256, 5 × 256 and 3 × 1024 channels hold the rows of all
 * SANA's networks.
 */
template <typename F>
static void
with_rows(std::initializer_list<SanaTensor> maps, std::initializer_list<SanaTensor> vectors,
          bool hold, F f)
{
    const SanaTensor x = *maps.begin();
    with_form(maps, vectors, [&](auto form) {
        typedef decltype(form) Instance;
        const int count = (x.c + Instance::W - 1) / Instance::W;
        Rows rows = {sana_positions(x), 0, x.c, 2, 1 / (float)x.c};
        while (rows.shift < WARP_SHIFT && 1 << rows.shift < count)
            rows.shift++;
        if constexpr (Instance::W > 1) {
            if (hold && count <= 32)
                return f(form, Hold<1, ANY>(), rows);
            if (hold && count <= 2 * 32)
                return f(form, Hold<2, WARP_SHIFT>(), rows);
            if (hold && count <= 5 * 32)
                return f(form, Hold<5, WARP_SHIFT>(), rows);
            if (hold && count <= 3 * THREADS) {
                rows.shift = BLOCK_SHIFT;
                return f(form, Hold<3, BLOCK_SHIFT>(), rows);
            }
        }
        f(form, Hold<0, ANY>(), rows);
    });
}

/* A block for each so many rows; `some`: as many as run at a time, which go on to further rows. */
template <typename Operation>
static void
run(SanaStream *s, const char *name, void (*kernel)(Operation, Rows), const Operation &op,
    Rows rows, int groups, int some)
{
    rows.blocks = sana_cuda_blocks(rows.count, (unsigned)(THREADS >> rows.shift));
    const size_t at_once = (size_t)(sana_cuda_device(s)->multiprocessors * some / groups);
    const unsigned blocks =
        (unsigned)(at_once > 0 && rows.blocks > at_once ? at_once : rows.blocks);
    launch(s, name, dim3(blocks, (unsigned)groups), THREADS, kernel, op, rows);
}

/* --- operations ------------------------------------------------------------------------------- */

void
sana_cuda_norm(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
               SanaTensor residual)
{
    const bool hold = act == SANA_ACT_NONE || act == SANA_ACT_RELU;
    const int groups = sana_norm_groups(norm), c = x.c / groups;
    const Norm n = {map_of(y),          map_of(x),
                    map_of(residual),   map_of(norm->weight),
                    map_of(norm->bias), norm->kind == SANA_NORM_RMS,
                    norm->eps,          act};
    const bool more = act != SANA_ACT_NONE || n.bias.data || n.residual.data;
    const SanaTensor added = sana_is_none(residual) ? residual : sana_columns(residual, 0, c);
    with_rows({sana_columns(y, 0, c), sana_columns(x, 0, c), added}, {norm->weight, norm->bias},
              hold, [&](auto form, auto held, const Rows &rows) {
                  typedef decltype(form) F;
                  typedef decltype(held) H;
                  const int some = streams<F, H> ? H::BLOCKS : 0;
                  if constexpr (H::PARTS == 0)
                      run(s, "norm", norm_any_kernel<F::S, F::W>, n, rows, groups, 0);
                  else if (more)
                      run(s, "norm", norm_kernel<F, H, true>, n, rows, groups, some);
                  else
                      run(s, "norm", norm_kernel<F, H, false>, n, rows, groups, some);
              });
}

void
sana_cuda_norm_modulate(SanaStream *s, SanaTensor y, SanaTensor x, SanaTensor shift,
                        SanaTensor scale, float eps)
{
    const Modulate n = {map_of(y), map_of(x), map_of(shift), map_of(scale), eps};
    const bool hold = shift.dtype == SANA_F32 && scale.dtype == SANA_F32; /* as SANA's are */
    with_rows({y, x}, {shift, scale}, hold, [&](auto form, auto held, const Rows &rows) {
        typedef decltype(form) F;
        typedef decltype(held) H;
        if constexpr (H::PARTS == 0)
            run(s, "norm_modulate", modulate_any_kernel<F::S, F::W>, n, rows, 1, 0);
        else
            run(s, "norm_modulate", modulate_kernel<F, H>, n, rows, 1, 0);
    });
}
