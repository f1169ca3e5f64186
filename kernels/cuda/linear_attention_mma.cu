/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linear_attention on tensor cores, for heads of 32 channels.  A warp takes 16 positions at a time:
 * S += v' relu(k)ᵀ, in f32 registers, from keys and values that come into shared memory ahead of
 * their use; then o = S · relu(q), with S as the sum of two BF16, which is 16 bits of it.  Few
 * positions are done in one launch, where each block makes the whole S of its head; more in two,
 * which pass parts of S through memory.
 */
#include "kernels/cuda/linear_attention.h"

#define D 32     /* channels of a head */
#define ROWS 33  /* of S: those of v, and Σ relu(k) */
#define STEP 16  /* positions of a warp at a time */
#define STAGES 3 /* steps of a warp in shared memory */

#define STATE_WARPS 16
#define APPLY_WARPS 8
#define SHARED (STATE_WARPS * STAGES * STEP * 8 * sizeof(Eight))

#define AT_ONCE 1024     /* positions, at most, of one launch */
#define QUERIES 512      /* of a block of that */
#define MOST_CHUNKS 8    /* parts of S */
#define STATE_BLOCKS 128 /* as many as multiprocessors, about */
#define APPLY_BLOCKS 256

/* --- kernels ---------------------------------------------------------------------------------- */

typedef Vector<__nv_bfloat16, 8> Eight;
typedef Eight Stage[STEP][8]; /* 32 of k, 32 of v; vector v of position p at v ^ p % 8 */
typedef float Sums[ROWS][40]; /* of a warp */
typedef float State[ROWS][36];

static_assert(STATE_WARPS * sizeof(Sums) + sizeof(State) <= SHARED, "they leave through it");

/* Starts copying keys and values of 16 positions from p. */
static __device__ __forceinline__ void
start_step(Stage &stage, const Heads &h, int head, size_t p, size_t end)
{
    const int lane = (int)threadIdx.x % 32, v = lane % 8;
    const int ch = channel_of(h, head, v < 4 ? 1 : 2) + v % 4 * 8;
    if (p < end)
#pragma unroll
        for (int i = 0; i < STEP / 4; i++) {
            const int row = 4 * i + lane / 8;
            const bool valid = p + row < end;
            const size_t at = valid ? (p + row) * h.qkv.stride + ch : 0;
            copy_start(&stage[row][v ^ row % 8], h.qkv.data + 2 * at, valid);
        }
    copy_group();
}

/* s += v' relu(k)ᵀ of one step: 16 rows of v in s[0] and s[1], ones in s[2]; 8 columns of k in
 * each s[i][j]. */
static __device__ __forceinline__ void
add_step(float (&s)[3][4][4], const Stage &stage, int lane)
{
    const uint32_t one = 0x3f803f80, ones[4] = {one, one, one, one};
    const int p = lane % 8 + lane / 16 * 8; /* for values; keys have the halves the other way */
    const int q = lane % 8 + lane / 8 % 2 * 8;
    uint32_t v[2][4];
#pragma unroll
    for (int i = 0; i < 2; i++)
        load_matrices_turned(v[i], &stage[p][(4 + 2 * i + lane / 8 % 2) ^ lane % 8]);
#pragma unroll
    for (int j = 0; j < 4; j += 2) {
        uint32_t k[4];
        load_matrices_turned(k, &stage[q][(j + lane / 16) ^ lane % 8]);
#pragma unroll
        for (int e = 0; e < 4; e++)
            k[e] = relu_pair(k[e]);
#pragma unroll
        for (int e = 0; e < 2; e++) {
            multiply_add(s[0][j + e], v[0], k[2 * e], k[2 * e + 1]);
            multiply_add(s[1][j + e], v[1], k[2 * e], k[2 * e + 1]);
            multiply_add(s[2][j + e], ones, k[2 * e], k[2 * e + 1]);
        }
    }
}

/*
 * S over positions first … end − 1 by all warps of the block, added up in their order: calls
 * f(element, sum) for each of ROWS · D elements, some in each thread.
 */
template <typename F>
static __device__ __forceinline__ void
make_state(char *shared, const Heads &h, int head, size_t first, size_t end, F f)
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    Stage *const stages = (Stage *)shared + warp * STAGES;
    Sums *const sums = (Sums *)shared;
    float s[3][4][4] = {};
    size_t next = first + (size_t)warp * STEP;
    int stage = 0;

#pragma unroll
    for (int i = 0; i < STAGES - 1; i++, next += STATE_WARPS * STEP)
        start_step(stages[i], h, head, next, end);
    for (size_t p = first + (size_t)warp * STEP; p < end; p += STATE_WARPS * STEP) {
        copy_wait<STAGES - 2>();
        __syncwarp();
        start_step(stages[(stage + STAGES - 1) % STAGES], h, head, next, end);
        next += STATE_WARPS * STEP;
        add_step(s, stages[stage], lane);
        stage = (stage + 1) % STAGES;
    }
    __syncthreads();
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const int row = lane / 4, column = 8 * j + lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float two[2] = {s[i / 2][j][i % 2 * 2], s[i / 2][j][i % 2 * 2 + 1]};
            store_as<float>((char *)&sums[warp][8 * i + row][column], two);
        }
        const float two[2] = {s[2][j][0], s[2][j][1]};
        if (row == 0)
            store_as<float>((char *)&sums[warp][D][column], two);
    }
    __syncthreads();
    for (int e = (int)threadIdx.x; e < ROWS * D; e += STATE_WARPS * 32) {
        float sum = 0;
#pragma unroll
        for (int w = 0; w < STATE_WARPS; w++)
            sum += sums[w][e / D][e % D];
        f(e, sum);
    }
}

/* S as tensor cores want it: high + low.  Lane l has, of columns 8(l%4) + 4t …, rows
 * 8(l/8) + 2u + l/4%2; u = 4 is Σ relu(k). */
struct Factors {
    uint32_t high[2][5][2], low[2][5][2];

    __device__ __forceinline__ Factors(const State &state, int lane)
    {
#pragma unroll
        for (int t = 0; t < 2; t++)
#pragma unroll
            for (int u = 0; u < 5; u++) {
                const int row = u < 4 ? lane / 8 * 8 + 2 * u + lane / 4 % 2 : D;
                float x[4];
                load_as<float>(x, (const char *)&state[row][lane % 4 * 8 + 4 * t]);
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float rounded[2];
                    high[t][u][e] = pair_of(x[2 * e], x[2 * e + 1]);
                    from_pair(rounded, high[t][u][e]);
                    low[t][u][e] = pair_of(x[2 * e] - rounded[0], x[2 * e + 1] - rounded[1]);
                }
            }
    }
};

/* Channels 8(l%4) … of queries l/4 and l/4 + 8 from p, or zeros. */
struct Queries {
    uint32_t q[2][4];

    __device__ __forceinline__ void get(const Heads &h, int head, size_t p, size_t end)
    {
        const int lane = (int)threadIdx.x % 32;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const size_t row = p + 8 * i + lane / 4;
            Vector<uint32_t, 4> words = {};
            if (row < end)
                words = *(const Vector<uint32_t, 4> *)(h.qkv.data +
                                                       2 * (row * h.qkv.stride +
                                                            channel_of(h, head, 0) + lane % 4 * 8));
#pragma unroll
            for (int e = 0; e < 4; e++)
                q[i][e] = relu_pair(words.e[e]);
        }
    }
};

/* y of 16 positions from p. */
static __device__ __forceinline__ void
apply_step(const Heads &h, int head, const Factors &f, const Queries &q, size_t p, size_t end)
{
    const int lane = (int)threadIdx.x % 32;
    float o[5][4] = {};
#pragma unroll
    for (int t = 0; t < 2; t++) {
        const uint32_t a[4] = {q.q[0][2 * t], q.q[1][2 * t], q.q[0][2 * t + 1], q.q[1][2 * t + 1]};
#pragma unroll
        for (int u = 0; u < 5; u++)
            multiply_add(o[u], a, f.high[t][u][0], f.high[t][u][1]);
#pragma unroll
        for (int u = 0; u < 5; u++)
            multiply_add(o[u], a, f.low[t][u][0], f.low[t][u][1]);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const size_t row = p + 8 * i + lane / 4;
        const float factor = reciprocal(o[4][2 * i] + 1e-15f);
        float out[8];
#pragma unroll
        for (int e = 0; e < 8; e++)
            out[e] = o[e / 2][2 * i + e % 2] * factor;
        if (row < end)
            store<SANA_BF16>(h.y, row, head * D + lane % 4 * 8, out);
    }
}

/* y of positions first … end − 1, by `warps` warps; q: those of this warp's first step. */
static __device__ __forceinline__ void
apply(const Heads &h, int head, const State &state, Queries q, size_t first, size_t end, int warps)
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const Factors factors(state, lane);
    for (size_t p = first + (size_t)warp * STEP; p < end; p += (size_t)warps * STEP) {
        const Queries now = q;
        q.get(h, head, p + (size_t)warps * STEP, end);
        apply_step(h, head, factors, now, p, end);
    }
}

/* Blocks: head; queries. */
static __global__ void
__launch_bounds__(STATE_WARPS * 32) whole_kernel(Heads h)
{
    after_previous();
    DYNAMIC_SHARED(shared);
    State &state = *(State *)(shared + STATE_WARPS * sizeof(Sums));
    const int head = (int)blockIdx.x;
    const size_t first = (size_t)blockIdx.y * QUERIES;
    const size_t end = first + QUERIES < h.n ? first + QUERIES : h.n;
    Queries q;
    q.get(h, head, first + threadIdx.x / 32 * STEP, end);
    make_state(shared, h, head, 0, h.n, [&](int e, float sum) { state[e / D][e % D] = sum; });
    __syncthreads();
    apply(h, head, state, q, first, end, STATE_WARPS);
}

/* Blocks: head; chunk.  parts: S of each chunk and head. */
static __global__ void
__launch_bounds__(STATE_WARPS * 32) state_kernel(Heads h, float *parts, size_t chunk)
{
    after_previous();
    DYNAMIC_SHARED(shared);
    const int head = (int)blockIdx.x;
    const size_t first = (size_t)blockIdx.y * chunk;
    float *part = parts + ((size_t)blockIdx.y * h.heads + head) * (ROWS * D);
    make_state(shared, h, head, first, first + chunk < h.n ? first + chunk : h.n,
               [&](int e, float sum) { part[e] = sum; });
}

/* Blocks: head; span of queries. */
static __global__ void
__launch_bounds__(APPLY_WARPS * 32, 2)
    apply_kernel(Heads h, const float *parts, int chunks, size_t span)
{
    after_previous();
    ALIGNED_SHARED State state;
    const int head = (int)blockIdx.x;
    const size_t first = (size_t)blockIdx.y * span, end = first + span < h.n ? first + span : h.n;
    Queries q;
    q.get(h, head, first + threadIdx.x / 32 * STEP, end);
    for (int e = (int)threadIdx.x * 4; e < ROWS * D; e += APPLY_WARPS * 32 * 4) {
        float sum[4] = {};
#pragma unroll 8
        for (int chunk = 0; chunk < chunks; chunk++) {
            float x[4];
            load_as<float>(x,
                           (const char *)&parts[((size_t)chunk * h.heads + head) * (ROWS * D) + e]);
#pragma unroll
            for (int i = 0; i < 4; i++)
                sum[i] += x[i];
        }
        store_as<float>((char *)&state[e / D][e % D], sum);
    }
    __syncthreads();
    apply(h, head, state, q, first, end, APPLY_WARPS);
}

/* --- launchers -------------------------------------------------------------------------------- */

template <typename... Parameters, typename... Arguments>
static void
launch_large(SanaStream *s, dim3 grid, void (*kernel)(Parameters...), Arguments... arguments)
{
    const char *op = "linear_attention";
    if (sana_cuda_check(s,
                        cudaFuncSetAttribute((const void *)kernel,
                                             cudaFuncAttributeMaxDynamicSharedMemorySize,
                                             (int)SHARED),
                        op))
        launch_shared(s, op, grid, STATE_WARPS * 32, SHARED, kernel, arguments...);
}

/* Positions of one of about `blocks` / heads parts, in whole steps of all warps. */
static size_t
part_of(const Heads &h, size_t blocks, size_t most, size_t step)
{
    size_t parts = blocks / (size_t)h.heads;
    parts = parts < 1 ? 1 : parts > most ? most : parts;
    const size_t steps = (h.n + step - 1) / step;
    return (steps + parts - 1) / parts * step;
}

void
sana_cuda_linear_attention_mma(SanaStream *s, const Heads &h)
{
    const unsigned heads = (unsigned)h.heads;
    if (h.n <= AT_ONCE)
        return launch_large(s, dim3(heads, sana_cuda_blocks(h.n, QUERIES)), whole_kernel, h);

    const size_t chunk = part_of(h, STATE_BLOCKS, MOST_CHUNKS, STATE_WARPS * STEP);
    const size_t span = part_of(h, APPLY_BLOCKS, APPLY_BLOCKS, APPLY_WARPS * STEP);
    const unsigned chunks = (unsigned)((h.n + chunk - 1) / chunk);
    float *parts =
        (float *)sana_cuda_workspace(s, (size_t)chunks * heads * ROWS * D * sizeof(float));
    if (!parts)
        return;
    launch_large(s, dim3(heads, chunks), state_kernel, h, parts, chunk);
    launch(s, "linear_attention", dim3(heads, (unsigned)((h.n + span - 1) / span)),
           APPLY_WARPS * 32, apply_kernel, h, parts, (int)chunks, span);
}
