/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pipelines/noise.h"

#include <math.h>
#include <string.h>

enum { N = SANA_GENERATOR_WORDS, M = 397, BLOCK = 16, HALF = 8 };

void
sana_generator_seed(SanaGenerator *g, guint64 seed)
{
    g->state[0] = (guint32)seed;
    for (guint32 i = 1; i < N; i++)
        g->state[i] = 1812433253u * (g->state[i - 1] ^ (g->state[i - 1] >> 30)) + i;
    g->used = N;
    g->has_normal = FALSE;
    g->normal = 0;
}

static inline guint32
twist(guint32 a, guint32 b, guint32 m)
{
    guint32 y = (a & 0x80000000u) | (b & 0x7fffffffu);
    return m ^ (y >> 1) ^ (-(b & 1u) & 0x9908b0dfu);
}

/* Whole rounds at once, in loops without a dependency the compiler cannot see past. */
static void
next_round(SanaGenerator *g)
{
    guint32 *s = g->state;
    for (int i = 0; i < N - M; i++)
        s[i] = twist(s[i], s[i + 1], s[i + M]);
    for (int i = N - M; i < N - 1; i++)
        s[i] = twist(s[i], s[i + 1], s[i + M - N]);
    s[N - 1] = twist(s[N - 1], s[0], s[M - 1]);
    for (int i = 0; i < N; i++) {
        guint32 y = s[i];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680u;
        y ^= (y << 15) & 0xefc60000u;
        g->words[i] = y ^ (y >> 18);
    }
    g->used = 0;
}

static guint32
next_word(SanaGenerator *g)
{
    if (g->used == N)
        next_round(g);
    return g->words[g->used++];
}

static void
fill_uniform(SanaGenerator *g, float *out, gsize n)
{
    while (n > 0) {
        if (g->used == N)
            next_round(g);
        gsize count = MIN(n, (gsize)(N - g->used));
        const guint32 *words = g->words + g->used;
        for (gsize i = 0; i < count; i++)
            out[i] = (float)(gint32)(words[i] & 0xffffffu) * 0x1p-24f;
        g->used += (int)count;
        out += count;
        n -= count;
    }
}

/*
 * ln x for x in [2⁻²⁴, 1]: x = 2ᵉ·m, m in [√½, √2), a polynomial in m − 1 (Cephes' logf, public
 * coefficients).  Branch-free integer and float steps, so that the compiler makes vectors of it.
 */
static inline float
log_unit(float x)
{
    gint32 bits;
    memcpy(&bits, &x, sizeof bits);
    gint32 shifted = bits - 0x3f3504f3; /* √½ */
    gint32 e = shifted >> 23;
    bits -= e * (1 << 23);
    float m;
    memcpy(&m, &bits, sizeof m);
    float f = m - 1, f2 = f * f, k = (float)e;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    float low = p * f * f2 - 2.12194440e-4f * k - 0.5f * f2;
    return f + low + 0.693359375f * k;
}

/* sin and cos of θ in [0, 2π]: the nearest multiple of π/2 is taken off in three parts. */
static inline void
sin_cos(float theta, float *sine, float *cosine)
{
    gint32 quadrant = (gint32)(theta * (float)M_2_PI + 0.5f);
    float k = (float)quadrant;
    float r = ((theta - k * 1.5703125f) - k * 4.837512969970703125e-4f) - k * 7.549789948768648e-8f;
    float r2 = r * r;
    float s = ((-1.9515295891e-4f * r2 + 8.3321608736e-3f) * r2 - 1.6666654611e-1f) * r2 * r + r;
    float c = ((2.443315711809948e-5f * r2 - 1.388731625493765e-3f) * r2 + 4.166664568298827e-2f) *
                  r2 * r2 -
              0.5f * r2 + 1;
    float a = quadrant & 1 ? c : s, b = quadrant & 1 ? s : c;
    *sine = quadrant & 2 ? -a : a;
    *cosine = (quadrant + 1) & 2 ? -b : b;
}

/* θ is rounded to f32 where torch rounds it: half an ulp of 2π, times r, is more than 1e-6. */
static void
transform_block(float *restrict block)
{
    float r[HALF], s[HALF], c[HALF];
    for (int j = 0; j < HALF; j++)
        r[j] = sqrtf(-2.0f * log_unit(1.0f - block[j]));
    for (int j = 0; j < HALF; j++)
        sin_cos((float)(2 * G_PI) * block[j + HALF], &s[j], &c[j]);
    for (int j = 0; j < HALF; j++) {
        block[j] = r[j] * c[j];
        block[j + HALF] = r[j] * s[j];
    }
}

static double
next_double(SanaGenerator *g)
{
    guint64 high = next_word(g), low = next_word(g);
    return (double)((high << 32 | low) & ((G_GUINT64_CONSTANT(1) << 53) - 1)) * 0x1p-53;
}

static double
next_normal(SanaGenerator *g)
{
    if (g->has_normal) {
        g->has_normal = FALSE;
        return g->normal;
    }
    double u1 = next_double(g), u2 = next_double(g);
    double r = sqrt(-2.0 * log1p(-u2)), theta = 2.0 * G_PI * u1;
    g->normal = r * sin(theta);
    g->has_normal = TRUE;
    return r * cos(theta);
}

void
sana_generator_randn(SanaGenerator *g, float *out, gsize n)
{
    if (n < BLOCK) {
        for (gsize i = 0; i < n; i++)
            out[i] = (float)next_normal(g);
        return;
    }
    fill_uniform(g, out, n);
    for (gsize i = 0; i + BLOCK <= n; i += BLOCK)
        transform_block(out + i);
    if (n % BLOCK) {
        fill_uniform(g, out + n - BLOCK, BLOCK);
        transform_block(out + n - BLOCK);
    }
}
