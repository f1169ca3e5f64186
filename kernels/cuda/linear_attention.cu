/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linear_attention on the arithmetic units, in f32: one pass over keys and values sums S and
 * Σ relu(k) of a head over each of a few chunks of positions; one pass over queries adds the
 * chunks in their order and applies them.  Each reads its part of qkv once.  Heads are cut into
 * tiles of 32 channels.
 */
#include "kernels/cuda/linear_attention.h"

#define THREADS 256
#define TILE 32           /* channels */
#define SPAN 64           /* positions in shared memory */
#define TEAMS 4           /* of 64 threads; each sums every fourth position */
#define STRIDE (TILE + 4) /* of a row in shared memory: 16-byte rows in different banks */
#define MOST_CHUNKS 8
#define CHUNK 256    /* positions, at least */
#define OUTPUTS 1024 /* positions of a block of the second pass, at most */

/* --- kernels ---------------------------------------------------------------------------------- */

/* How it is cut. */
struct Cut : Heads {
    int tiles; /* of TILE channels in a head */
    int chunks;
    size_t chunk; /* positions of one */
    float *state; /* per chunk and head: S, and Σ relu(k), padded to whole tiles */
};

/* Where S (row j of k, column i of v) of a chunk and head begins; its Σ relu(k) is behind it. */
static __device__ __forceinline__ float *
state_of(const Cut &h, int chunk, int head)
{
    const size_t width = (size_t)h.tiles * TILE;
    return h.state + ((size_t)chunk * h.heads + head) * (width + 1) * width;
}

/* 8 channels of one part from channel `within` of the head; beyond the head 0. */
template <int S, int W>
static __device__ __forceinline__ void
load_eight(float (&v)[8], const Cut &h, size_t row, int head, int part, int within)
{
    const int ch = channel_of(h, head, part) + within;
    if constexpr (W == 8) {
        load<S>(v, h.qkv, row, ch);
    } else {
        float one[1];
#pragma unroll
        for (int e = 0; e < 8; e++) {
            one[0] = 0;
            if (within + e < h.d)
                load<S>(one, h.qkv, row, ch + e);
            v[e] = one[0];
        }
    }
    if (part < 2)
#pragma unroll
        for (int e = 0; e < 8; e++)
            v[e] = v[e] < 0 ? 0 : v[e];
}

/* The sum of the teams' sums to memory. */
static __device__ __forceinline__ void
write_sums(const Cut &h, int chunk, int head, int tile_j, int tile_i,
           const float (&sums)[TEAMS][TILE][STRIDE], const float (&totals)[TEAMS][TILE])
{
    float *state = state_of(h, chunk, head);
    const size_t width = (size_t)h.tiles * TILE;
    for (int e = (int)threadIdx.x; e < TILE * TILE; e += THREADS) {
        float sum = 0;
#pragma unroll
        for (int t = 0; t < TEAMS; t++)
            sum += sums[t][e / TILE][e % TILE];
        state[(tile_j + e / TILE) * width + tile_i + e % TILE] = sum;
    }
    if (tile_i == 0 && threadIdx.x < TILE) {
        float sum = 0;
#pragma unroll
        for (int t = 0; t < TEAMS; t++)
            sum += totals[t][threadIdx.x];
        state[width * width + tile_j + threadIdx.x] = sum;
    }
}

/* Blocks: head; chunk; tile of k · tiles + tile of v. */
template <int S, int W>
static __global__ void
__launch_bounds__(THREADS) state_kernel(Cut h)
{
    after_previous();
    ALIGNED_SHARED float k[SPAN][STRIDE], v[SPAN][STRIDE];
    ALIGNED_SHARED float sums[TEAMS][TILE][STRIDE], totals[TEAMS][TILE];
    const int thread = (int)threadIdx.x, team = thread / 64, lane = thread % 64;
    const int j0 = lane / 8 * 4, i0 = lane % 8 * 4; /* of this thread's 4 × 4 of S */
    const int head = (int)blockIdx.x, chunk = (int)blockIdx.y;
    const int tile_j = (int)blockIdx.z / h.tiles * TILE, tile_i = (int)blockIdx.z % h.tiles * TILE;
    const size_t first = (size_t)chunk * h.chunk;
    const size_t end = first + h.chunk < h.n ? first + h.chunk : h.n;
    const int p_load = thread / 4, ch_load = thread % 4 * 8; /* which 8 of each it fetches */
    float s[4][4] = {}, total[4] = {}, next_k[8] = {}, next_v[8] = {};

    if (first + p_load < end) {
        load_eight<S, W>(next_k, h, first + p_load, head, 1, tile_j + ch_load);
        load_eight<S, W>(next_v, h, first + p_load, head, 2, tile_i + ch_load);
    }
    for (size_t base = first; base < end; base += SPAN) {
        __syncthreads();
        store_as<float>((char *)&k[p_load][ch_load], next_k);
        store_as<float>((char *)&v[p_load][ch_load], next_v);
        __syncthreads();
        const size_t after = base + SPAN + p_load;
        if (after < end) {
            load_eight<S, W>(next_k, h, after, head, 1, tile_j + ch_load);
            load_eight<S, W>(next_v, h, after, head, 2, tile_i + ch_load);
        } else {
#pragma unroll
            for (int e = 0; e < 8; e++)
                next_k[e] = next_v[e] = 0;
        }
#pragma unroll 4
        for (int p = team; p < SPAN; p += TEAMS) {
            float a[4], b[4];
            load_as<float>(a, (const char *)&k[p][j0]);
            load_as<float>(b, (const char *)&v[p][i0]);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                total[j] += a[j];
#pragma unroll
                for (int i = 0; i < 4; i++)
                    s[j][i] += a[j] * b[i];
            }
        }
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
        store_as<float>((char *)&sums[team][j0 + j][i0], s[j]);
        if (i0 == 0)
            totals[team][j0 + j] = total[j];
    }
    __syncthreads();
    write_sums(h, chunk, head, tile_j, tile_i, sums, totals);
}

/* A tile of S, and Σ relu(k) of its rows, over all chunks. */
static __device__ __forceinline__ void
add_chunks(float (&s)[TILE][TILE], float (&total)[TILE], const Cut &h, int head, int tile_j,
           int tile_i)
{
    const size_t width = (size_t)h.tiles * TILE;
    for (int e = (int)threadIdx.x; e < TILE * TILE; e += THREADS) {
        float sum = 0;
        for (int chunk = 0; chunk < h.chunks; chunk++)
            sum += state_of(h, chunk, head)[(tile_j + e / TILE) * width + tile_i + e % TILE];
        s[e / TILE][e % TILE] = sum;
    }
    if (threadIdx.x < TILE) {
        float sum = 0;
        for (int chunk = 0; chunk < h.chunks; chunk++)
            sum += state_of(h, chunk, head)[width * width + tile_j + threadIdx.x];
        total[threadIdx.x] = sum;
    }
}

/* Blocks: head; span of positions; tile of v.  A thread has 8 outputs of two positions. */
template <int S, int W>
static __global__ void
__launch_bounds__(THREADS) apply_kernel(Cut h, size_t span)
{
    after_previous();
    ALIGNED_SHARED float s[TILE][TILE], total[TILE];
    const int head = (int)blockIdx.x, tile_i = (int)blockIdx.z * TILE;
    const int i0 = (int)threadIdx.x % 4 * 8;
    const size_t first = blockIdx.y * span, end = first + span < h.n ? first + span : h.n;

    for (size_t base = first; base < end; base += THREADS / 2) {
        const size_t p0 = base + threadIdx.x / 4, p1 = p0 + THREADS / 4;
        float o[2][8] = {}, below[2] = {};
        for (int tile_j = 0; tile_j < h.tiles * TILE; tile_j += TILE) {
            if (base == first || h.tiles > 1) {
                __syncthreads();
                add_chunks(s, total, h, head, tile_j, tile_i);
                __syncthreads();
            }
#pragma unroll
            for (int j0 = 0; j0 < TILE; j0 += 8) {
                float q[2][8] = {};
                if (p0 < end)
                    load_eight<S, W>(q[0], h, p0, head, 0, tile_j + j0);
                if (p1 < end)
                    load_eight<S, W>(q[1], h, p1, head, 0, tile_j + j0);
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    float row[8];
                    load_as<float>(row, (const char *)&s[j0 + j][i0]);
#pragma unroll
                    for (int p = 0; p < 2; p++) {
                        below[p] += q[p][j] * total[j0 + j];
#pragma unroll
                        for (int i = 0; i < 8; i++)
                            o[p][i] += q[p][j] * row[i];
                    }
                }
            }
        }
#pragma unroll
        for (int p = 0; p < 2; p++) {
            const size_t row = p == 0 ? p0 : p1;
            const float factor = 1 / (below[p] + 1e-15f);
#pragma unroll
            for (int i = 0; i < 8; i++)
                o[p][i] *= factor;
            if (row >= end)
                continue;
            if constexpr (W == 8) {
                store<S>(h.y, row, head * h.d + tile_i + i0, o[p]);
            } else {
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    const float one[1] = {o[p][i]};
                    if (tile_i + i0 + i < h.d)
                        store<S>(h.y, row, head * h.d + tile_i + i0 + i, one);
                }
            }
        }
    }
}

/* --- operation -------------------------------------------------------------------------------- */

static size_t
whole_spans(size_t positions)
{
    return (positions + SPAN - 1) / SPAN * SPAN;
}

/* Any width of heads, in f32. */
template <int S, int W>
static void
run_tiles(SanaStream *s, const Heads &heads)
{
    const size_t n = heads.n;
    Cut h = {};
    static_cast<Heads &>(h) = heads;
    h.tiles = (h.d + TILE - 1) / TILE;
    h.chunk = whole_spans(n > MOST_CHUNKS * CHUNK ? (n + MOST_CHUNKS - 1) / MOST_CHUNKS : CHUNK);
    h.chunks = (int)((n + h.chunk - 1) / h.chunk);
    const size_t width = (size_t)h.tiles * TILE;
    const size_t span = n > 4 * OUTPUTS ? OUTPUTS : whole_spans(n / 4 + 1);
    const size_t floats = (size_t)h.chunks * (size_t)h.heads * (width + 1) * width;
    h.state = (float *)sana_cuda_workspace(s, floats * sizeof(float));
    if (!h.state)
        return;
    launch(s, "linear_attention",
           dim3((unsigned)h.heads, (unsigned)h.chunks, (unsigned)(h.tiles * h.tiles)), THREADS,
           state_kernel<S, W>, h);
    launch(s, "linear_attention",
           dim3((unsigned)h.heads, (unsigned)((n + span - 1) / span), (unsigned)h.tiles), THREADS,
           apply_kernel<S, W>, h, span);
}

void
sana_cuda_linear_attention(SanaStream *s, SanaTensor y, SanaTensor qkv, int head_dim,
                           SanaQkvOrder order)
{
    const Heads h = {map_of(y), map_of(qkv),    sana_positions(y),
                     head_dim,  y.c / head_dim, order == SANA_QKV_BY_HEAD};
    with_form({qkv, y}, {}, [&](auto form) {
        typedef decltype(form) F;
        if (F::S == SANA_BF16 && head_dim == 32)
            sana_cuda_linear_attention_mma(s, h);
        else if (head_dim % TILE == 0)
            run_tiles<F::S, F::W>(s, h);
        else /* 8 channels must not reach into the next head */
            run_tiles<ANY, 1>(s, h);
    });
}
