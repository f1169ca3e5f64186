/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linear_attention, attention, rope */
#include "reference.h"

#include <math.h>

/* First channels of one head's query, key and value in a row of qkv. */
typedef struct {
    int q, k, v;
} HeadChannels;

static HeadChannels
channels_of(int head, int heads, int d, SanaQkvOrder order)
{
    if (order == SANA_QKV_BY_HEAD)
        return (HeadChannels){3 * head * d, (3 * head + 1) * d, (3 * head + 2) * d};
    return (HeadChannels){head * d, (heads + head) * d, (2 * heads + head) * d};
}

/* S (d + 1, d) = Σ_n (v, 1) relu(k)ᵀ */
static void
sum_outer(double *state, SanaTensor qkv, HeadChannels ch, int d)
{
    for (int e = 0; e < (d + 1) * d; e++)
        state[e] = 0;
    for (size_t row = 0; row < sana_positions(qkv); row++)
        for (int i = 0; i <= d; i++) {
            double v = i < d ? load(qkv, row, ch.v + i) : 1;
            for (int j = 0; j < d; j++)
                state[i * d + j] += v * sana_reference_act(SANA_ACT_RELU, load(qkv, row, ch.k + j));
        }
}

/* S[i] · relu(q) */
static double
read_state(const double *state, SanaTensor qkv, size_t row, int q, int d)
{
    double sum = 0;
    for (int j = 0; j < d; j++)
        sum += state[j] * sana_reference_act(SANA_ACT_RELU, load(qkv, row, q + j));
    return sum;
}

void
sana_reference_linear_attention(SanaStream *s, SanaTensor y, SanaTensor qkv, int head_dim,
                                SanaQkvOrder order)
{
    int d = head_dim, heads = y.c / d;
    double *state = g_new(double, (size_t)(d + 1) * (size_t)d);

    for (int head = 0; head < heads; head++) {
        HeadChannels ch = channels_of(head, heads, d, order);
        sum_outer(state, qkv, ch, d);
        for (size_t row = 0; row < sana_positions(qkv); row++) {
            double below = read_state(state + d * d, qkv, row, ch.q, d) + 1e-15;
            for (int i = 0; i < d; i++)
                store(y, row, head * d + i, read_state(state + i * d, qkv, row, ch.q, d) / below);
        }
    }
    g_free(state);
}

static bool
sees(SanaAttention a, int64_t query, int64_t key, int64_t n, int64_t t)
{
    int64_t position = query + t - n;
    return !a.causal || (key <= position && (a.window == 0 || key > position - a.window));
}

/* weights[t]: softmax over the keys that one query sees, 0 for the others. */
static void
softmax(double *weights, SanaTensor q, SanaTensor k, SanaAttention a, size_t row, int head)
{
    int d = q.c / a.heads, kv = head / (a.heads / a.kv_heads);
    size_t n = sana_positions(q), t = sana_positions(k);
    double largest = -INFINITY, sum = 0;

    for (size_t key = 0; key < t; key++) {
        double score = 0;
        for (int i = 0; i < d; i++)
            score += (double)load(q, row, head * d + i) * load(k, key, kv * d + i);
        score *= (double)a.scale;
        if (a.softcap > 0)
            score = a.softcap * tanh(score / a.softcap);
        if (!sees(a, (int64_t)row, (int64_t)key, (int64_t)n, (int64_t)t))
            score = -INFINITY;
        weights[key] = score;
        largest = fmax(largest, weights[key]);
    }
    for (size_t key = 0; key < t; key++)
        sum += weights[key] = exp(weights[key] - largest);
    for (size_t key = 0; key < t; key++)
        weights[key] /= sum;
}

void
sana_reference_attention(SanaStream *s, SanaTensor y, SanaTensor q, SanaTensor k, SanaTensor v,
                         SanaAttention a)
{
    int d = q.c / a.heads;
    size_t t = sana_positions(k);
    double *weights = g_new(double, t);

    for (size_t row = 0; row < sana_positions(q); row++)
        for (int head = 0; head < a.heads; head++) {
            int kv = head / (a.heads / a.kv_heads);
            softmax(weights, q, k, a, row, head);
            for (int i = 0; i < d; i++) {
                double sum = 0;
                for (size_t key = 0; key < t; key++)
                    sum += weights[key] * load(v, key, kv * d + i);
                store(y, row, head * d + i, sum);
            }
        }
    g_free(weights);
}

void
sana_reference_rope(SanaStream *s, SanaTensor x, int head_dim, int first, float theta)
{
    int d = head_dim;

    for (size_t row = 0; row < sana_positions(x); row++)
        for (int head = 0; head < x.c / d; head++)
            for (int i = 0; i < d / 2; i++) {
                float p = (float)(first + (int)row);
                float frequency = 1 / powf(theta, (float)(2 * i) / (float)d);
                float angle = p * frequency;
                int low = head * d + i, high = low + d / 2;
                double a = load(x, row, low), b = load(x, row, high);
                store(x, row, low, a * cos(angle) - b * sin(angle));
                store(x, row, high, b * cos(angle) + a * sin(angle));
            }
}
