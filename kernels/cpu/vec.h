/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the loops are made of.
 *
 * Two habits.  Pointwise work runs over short f32 blocks on the stack: load (converts), compute in
 * plain scalar C that the compiler vectorises, store (converts); blocks live in the first-level
 * cache, so only the tensors' own bytes count.  Sums of products use vectors written out (Vec),
 * as wide as the instruction set has, with accumulators that stay in registers.
 *
 * A NaN goes in and a NaN comes out everywhere: maxima and clamps are written so that a comparison
 * with NaN keeps it.  Where bf16 is rounded by an instruction of its own (AVX512_BF16), subnormals
 * become zeros of their sign, which convert.h keeps.
 */
#ifndef SANA_KERNELS_CPU_VEC_H
#define SANA_KERNELS_CPU_VEC_H

#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "kernels/convert.h"
#include "kernels/cpu/loops.h"

#define INLINE static inline __attribute__((always_inline))

/* Elements of a block: of several it takes, all fit the first-level cache. */
#define BLOCK 512

/* Work below this many elements is not worth waking threads for. */
#define WORTH_THREADS 16384

#define PRAGMA(x) _Pragma(#x)
#define SIMD PRAGMA(omp simd)

/* A loop dealt to the threads, when the elements it touches are worth it. */
#define PARALLEL_FOR(type, i, n, elements)                                            \
    PRAGMA(omp parallel for schedule(static) if ((size_t)(elements) > WORTH_THREADS)) \
    for (type i = 0; i < (n); i++)

/* The rows of a tensor, and the rows of a map. */
#define FOR_ROWS(x) PARALLEL_FOR(size_t, row, sana_positions(x), sana_positions(x) * (size_t)(x).c)
#define FOR_MAP_ROWS(i, x) PARALLEL_FOR(int, i, (x).h, sana_positions(x) * (size_t)(x).c)

/* Blocks of n channels from channel ch of c. */
#define FOR_BLOCKS(ch, n, c) \
    for (int ch = 0, n; n = (c)-ch < BLOCK ? (c)-ch : BLOCK, ch < (c); ch += BLOCK)

/* --- blocks ---------------------------------------------------------------------------------- */

INLINE void *
address(SanaTensor x, size_t row, int ch)
{
    return (char *)x.data + (row * (size_t)x.stride + (size_t)ch) * sana_dtype_size(x.dtype);
}

INLINE void
load_from(float *restrict to, const void *from, SanaDType dtype, int n)
{
    if (dtype == SANA_F32) {
        memcpy(to, from, (size_t)n * sizeof *to);
    } else if (dtype == SANA_BF16) {
        const uint16_t *restrict half = from;
        SIMD for (int i = 0; i < n; i++) to[i] = sana_bf16_to_f32(half[i]);
    } else {
        const uint16_t *restrict half = from;
        for (int i = 0; i < n; i++)
            to[i] = sana_f16_to_f32(half[i]);
    }
}

INLINE void
store_to(void *to, SanaDType dtype, const float *restrict from, int n)
{
    if (dtype == SANA_F32) {
        memcpy(to, from, (size_t)n * sizeof *from);
    } else if (dtype == SANA_BF16) {
        uint16_t *restrict half = to;
        int i = 0;
#ifdef __AVX512BF16__
        for (; i + 16 <= n; i += 16) {
            __m256bh rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(from + i));
            memcpy(half + i, &rounded, sizeof rounded);
        }
#endif
        SIMD for (int j = i; j < n; j++) half[j] = sana_f32_to_bf16(from[j]);
    } else {
        uint16_t *restrict half = to;
        for (int i = 0; i < n; i++)
            half[i] = sana_f32_to_f16(from[i]);
    }
}

/* n channels of a row from channel ch. */
INLINE void
load(float *restrict to, SanaTensor x, size_t row, int ch, int n)
{
    load_from(to, address(x, row, ch), x.dtype, n);
}

INLINE void
store(SanaTensor y, size_t row, int ch, const float *restrict from, int n)
{
    store_to(address(y, row, ch), y.dtype, from, n);
}

/* --- functions ------------------------------------------------------------------------------- */

/* e^x to about one unit in the last place between −87 and 88, where it stops growing. */
INLINE float
fast_exp(float x)
{
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    /* adding 1.5·2^23 rounds to an integer, which then stands in the low bits */
    float shifted = x * 1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * sana_f32_from_bits((sana_f32_bits(shifted) << 23) + 0x3f800000u);
}

INLINE float
silu(float x)
{
    return x / (1.0f + fast_exp(-x));
}

/* x/2·(1 + tanh u) = x / (1 + e^(−2u)), without the cancellation */
INLINE float
gelu_tanh(float x)
{
    float u = 0.7978845608f * (x + 0.044715f * x * x * x);
    return x / (1.0f + fast_exp(-2.0f * u));
}

/* tanh ln(1 + e^x) = (e² + 2e)/(e² + 2e + 2) with e = e^x; 1 from x = 20 on */
INLINE float
mish(float x)
{
    float e = fast_exp(x > 20.0f ? 20.0f : x);
    float q = e * (e + 2.0f);
    return x * (q / (q + 2.0f));
}

/* x·Φ(x): erf by its polynomial of Abramowitz and Stegun 7.1.26 around e^(−x²/2), 1.5e-7 off at
 * most. */
INLINE float
gelu_erf(float x)
{
    float z = __builtin_fabsf(x) * 0.7071067812f;
    float t = 1.0f / (1.0f + 0.3275911f * z);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    float tail = 0.5f * p * t * fast_exp(-z * z);
    return x < 0 ? x * tail : x - x * tail;
}

/* SiLU to what bf16 can tell, relative error 1e-4: a third of the time. */
INLINE void
silu_for_bf16(float *restrict v, int n)
{
    int i = 0;
#ifdef __AVX512BF16__
    const __m512 one = _mm512_set1_ps(1.0f);
    for (; i + 16 <= n; i += 16) {
        __m512 x = _mm512_loadu_ps(v + i);
        __m512 t = _mm512_mul_ps(x, _mm512_set1_ps(-1.44269504f));
        /* beyond are 0 and 1 for any x; the difference below must not be that of infinities */
        t = _mm512_min_ps(_mm512_set1_ps(128), _mm512_max_ps(_mm512_set1_ps(-128), t));
        __m512 whole = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        __m512 r = _mm512_sub_ps(t, whole);
        __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.0096181f), r, _mm512_set1_ps(0.0555041f));
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.2402265f));
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6931472f));
        p = _mm512_fmadd_ps(p, r, one);
        __m512 bottom = _mm512_add_ps(_mm512_scalef_ps(p, whole), one);
        _mm512_storeu_ps(v + i, _mm512_mul_ps(x, _mm512_rcp14_ps(bottom)));
    }
#endif
    SIMD for (int j = i; j < n; j++) v[j] = silu(v[j]);
}

/* The activation of v; `to` is where the result will be stored. */
INLINE void
activate(float *restrict v, int n, SanaAct act, SanaDType to)
{
    switch (act) {
    case SANA_ACT_SILU:
        if (to == SANA_BF16) {
            silu_for_bf16(v, n);
            break;
        }
        SIMD for (int i = 0; i < n; i++) v[i] = silu(v[i]);
        break;
    case SANA_ACT_RELU:
        SIMD for (int i = 0; i < n; i++) v[i] = v[i] < 0 ? 0 : v[i];
        break;
    case SANA_ACT_GELU:
        SIMD for (int i = 0; i < n; i++) v[i] = gelu_erf(v[i]);
        break;
    case SANA_ACT_GELU_TANH:
        SIMD for (int i = 0; i < n; i++) v[i] = gelu_tanh(v[i]);
        break;
    case SANA_ACT_MISH:
        SIMD for (int i = 0; i < n; i++) v[i] = mish(v[i]);
        break;
    default:
        break;
    }
}

/* --- vectors --------------------------------------------------------------------------------- */

#if defined(__AVX512F__)
#define LANES 16
#define TILE_ROWS 8
#elif defined(__AVX2__)
#define LANES 8
#define TILE_ROWS 4
#else
#define LANES 4
#define TILE_ROWS 4
#endif

/* Widths that loops over Vec work on are rounded up to this: a multiple of LANES everywhere. */
#define PAD 16
/* Likewise numbers of rows. */
#define PAD_ROWS 8

typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef uint32_t VecBits __attribute__((vector_size(LANES * 4)));
typedef uint16_t VecHalf __attribute__((vector_size(LANES * 2)));

INLINE int
padded(int n)
{
    return (n + PAD - 1) / PAD * PAD;
}

INLINE Vec
vec_load(const float *from)
{
    Vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void
vec_store(float *to, Vec v)
{
    memcpy(to, &v, sizeof v);
}

/* Written out where compilers take the conversion apart and put it together through memory. */
INLINE Vec
vec_load_bf16(const uint16_t *from)
{
#if defined(__AVX512F__)
    __m256i half = _mm256_loadu_si256((const __m256i *)from);
    return (Vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
#elif defined(__AVX2__)
    __m128i half = _mm_loadu_si128((const __m128i *)from);
    return (Vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
#else
    VecHalf half;
    memcpy(&half, from, sizeof half);
    return (Vec)(__builtin_convertvector(half, VecBits) << 16);
#endif
}

INLINE Vec
vec_set(float x)
{
    return (Vec){0} + x;
}

INLINE float
vec_sum(Vec v)
{
    float lanes[LANES];
    vec_store(lanes, v);
#pragma GCC unroll 4
    for (int half = LANES / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

/* n ≤ LANES elements of what dtype stores, zeros behind them. */
INLINE Vec
vec_read(const void *from, SanaDType dtype, int n)
{
    if (n == LANES && dtype == SANA_BF16)
        return vec_load_bf16(from);
    if (n == LANES && dtype == SANA_F32)
        return vec_load(from);
    float lanes[LANES] = {0};
    load_from(lanes, from, dtype, n);
    return vec_load(lanes);
}

INLINE void
vec_write(void *to, SanaDType dtype, Vec v, int n)
{
#ifdef __AVX512BF16__
    if (n == LANES && dtype == SANA_BF16) {
        __m256bh rounded = _mm512_cvtneps_pbh((__m512)v);
        memcpy(to, &rounded, sizeof rounded);
        return;
    }
#endif
    float lanes[LANES];
    vec_store(lanes, v);
    store_to(to, dtype, lanes, n);
}

INLINE Vec
vec_activate(Vec v, SanaAct act, SanaDType to)
{
    float lanes[LANES];
    vec_store(lanes, v);
    activate(lanes, LANES, act, to);
    return vec_load(lanes);
}

/* Vectors of n channels from channel ch of c. */
#define FOR_VECTORS(ch, n, c) \
    for (int ch = 0, n; n = (c)-ch < LANES ? (c)-ch : LANES, ch < (c); ch += LANES)

/*
 * C (rows, cols) = [C +] A·B over `steps`: element (r, p) of A at a[r·a_row + p·a_step], rows of B
 * and C b_row and c_row apart.  Rows a multiple of PAD_ROWS, columns of PAD.
 */
typedef struct {
    float *c;
    size_t c_row;
    const float *a;
    size_t a_row, a_step;
    const float *b;
    size_t b_row;
    int steps;
    bool add;
} Product;

/* TILE_ROWS rows from r and `vectors` vectors of columns from j; vectors is a constant 1 or 2. */
INLINE void
tile(const Product *m, int r, int j, const int vectors)
{
    float *c = m->c + (size_t)r * m->c_row + j;
    const float *a = m->a + (size_t)r * m->a_row, *b = m->b + j;
    Vec acc[TILE_ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            acc[i][v] = m->add ? vec_load(c + (size_t)i * m->c_row + v * LANES) : (Vec){0};
    for (int p = 0; p < m->steps; p++, b += m->b_row) {
        Vec right[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            right[v] = vec_load(b + v * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < TILE_ROWS; i++) {
            Vec left = vec_set(a[(size_t)i * m->a_row + (size_t)p * m->a_step]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                acc[i][v] += left * right[v];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            vec_store(c + (size_t)i * m->c_row + v * LANES, acc[i][v]);
}

static inline void
multiply(Product m, int rows, int cols)
{
    for (int r = 0; r < rows; r += TILE_ROWS) {
        int j = 0;
        for (; j + 2 * LANES <= cols; j += 2 * LANES)
            tile(&m, r, j, 2);
        for (; j < cols; j += LANES)
            tile(&m, r, j, 1);
    }
}

#endif
