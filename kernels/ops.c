/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks once, then dispatches; devices trust what comes through here. */
#include "kernels/backend.h"

#define OPS sana_backend_entered(s->device)

/* Ends the operation, with the failed condition as the error, unless the stream is already out of
 * order. */
#define REQUIRE(condition)                                                                   \
    do {                                                                                     \
        if (!sana_stream_ok(s))                                                              \
            return;                                                                          \
        if (!(condition)) {                                                                  \
            sana_fail(s, SANA_DEVICE_ERROR_FAILED, "%s: requires %s", __func__, #condition); \
            return;                                                                          \
        }                                                                                    \
    } while (0)

static bool
is_float(SanaTensor x)
{
    return x.dtype == SANA_F32 || x.dtype == SANA_BF16 || x.dtype == SANA_F16;
}

static bool
is_shape(SanaTensor x)
{
    return x.h > 0 && x.w > 0 && x.c > 0 && x.stride >= x.c;
}

/* A tensor of floats that the operation reads or writes, in a type that the device computes in. */
static bool
valid(const SanaStream *s, SanaTensor x)
{
    return is_shape(x) && is_float(x) && sana_device_supports(s->device, x.dtype);
}

static bool
valid_dense(const SanaStream *s, SanaTensor x)
{
    return valid(s, x) && sana_is_dense(x);
}

static bool
same_positions(SanaTensor a, SanaTensor b)
{
    return sana_positions(a) == sana_positions(b);
}

static bool
same_shape(SanaTensor a, SanaTensor b)
{
    return same_positions(a, b) && a.c == b.c;
}

static bool
is_vector(const SanaStream *s, SanaTensor x, int c)
{
    return valid(s, x) && sana_positions(x) == 1 && x.c == c;
}

/* Bytes from x's first element to behind its last. */
static size_t
span(SanaTensor x)
{
    size_t last = (sana_positions(x) - 1) * (size_t)x.stride + (size_t)x.c;
    return last * sana_dtype_size(x.dtype);
}

/* Whether no byte belongs to both: neither the memory nor, where both are views of the same rows,
 * the columns meet.  Absent tensors and the planner's have no memory. */
static bool
apart(SanaTensor a, SanaTensor b)
{
    uintptr_t p = (uintptr_t)a.data, q = (uintptr_t)b.data;
    if (!p || !q || p + span(a) <= q || q + span(b) <= p)
        return true;
    size_t size = sana_dtype_size(a.dtype), row = (size_t)a.stride * size;
    if (a.stride != b.stride || size != sana_dtype_size(b.dtype))
        return false;
    size_t after = p >= q ? (p - q) % row : (row - (q - p) % row) % row; /* of a, in b's row */
    return after >= (size_t)b.c * size && after + (size_t)a.c * size <= row;
}

/* The very same elements: what "in place" allows. */
static bool
same_or_apart(SanaTensor a, SanaTensor b)
{
    return apart(a, b) || (a.data == b.data && a.dtype == b.dtype && a.stride == b.stride &&
                           a.c == b.c && same_positions(a, b));
}

/* --- products and convolutions ---------------------------------------------------------------- */

void
sana_linear(SanaStream *s, SanaTensor y, SanaTensor x, const SanaLinear *l, SanaAct act,
            SanaTensor residual)
{
    REQUIRE(valid(s, x) && valid(s, y) && same_positions(x, y));
    REQUIRE(x.c == l->in && y.c == l->out);
    REQUIRE(y.dtype == x.dtype || y.dtype == SANA_F32);
    REQUIRE(sana_is_none(residual) || (valid(s, residual) && same_shape(residual, y)));
    REQUIRE(sana_is_none(residual) || residual.dtype == y.dtype);
    REQUIRE(apart(y, x) && same_or_apart(y, residual));
    OPS->linear(s, y, x, l, act, residual);
}

static bool
conv_fits(SanaTensor y, SanaTensor x, const SanaConv *k)
{
    int h = (x.h * k->upsample - 1) / k->stride + 1, w = (x.w * k->upsample - 1) / k->stride + 1;
    return x.c == k->in && y.c == k->out && y.h == h && y.w == w;
}

void
sana_conv(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act)
{
    REQUIRE(valid_dense(s, x) && valid_dense(s, y) && x.dtype == y.dtype);
    REQUIRE(x.h <= INT32_MAX / 4 && x.w <= INT32_MAX / 4);
    REQUIRE(conv_fits(y, x, k));
    REQUIRE(k->upsample == 1 || (k->kernel == 3 && k->stride == 1 && k->groups == 1));
    REQUIRE(act == SANA_ACT_NONE || k->groups == 1 || k->groups == MAX(k->in, k->out));
    REQUIRE(apart(y, x));
    OPS->conv(s, y, x, k, act);
}

void
sana_glu_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k)
{
    REQUIRE(valid_dense(s, x) && valid_dense(s, y) && x.dtype == y.dtype);
    REQUIRE(k->kernel == 3 && k->groups == k->in && k->out == k->in);
    REQUIRE(k->stride == 1 && k->upsample == 1);
    REQUIRE(x.c == k->in && x.c == 2 * y.c && x.h == y.h && x.w == y.w);
    REQUIRE(apart(y, x));
    OPS->glu_depthwise(s, y, x, k);
}

/* --- attention -------------------------------------------------------------------------------- */

void
sana_linear_attention(SanaStream *s, SanaTensor y, SanaTensor qkv, int head_dim, SanaQkvOrder order)
{
    REQUIRE(valid(s, y) && valid_dense(s, qkv) && same_positions(y, qkv));
    REQUIRE(head_dim > 0 && y.c % head_dim == 0 && qkv.c == 3 * y.c);
    REQUIRE(apart(y, qkv));
    OPS->linear_attention(s, y, qkv, head_dim, order);
}

static bool
attention_fits(SanaTensor q, SanaTensor k, SanaAttention a)
{
    return a.heads > 0 && a.kv_heads > 0 && a.heads % a.kv_heads == 0 && q.c % a.heads == 0 &&
           k.c == q.c / a.heads * a.kv_heads &&
           (!a.causal || sana_positions(k) >= sana_positions(q));
}

void
sana_attention(SanaStream *s, SanaTensor y, SanaTensor q, SanaTensor k, SanaTensor v,
               SanaAttention a)
{
    REQUIRE(valid(s, y) && valid(s, q) && same_shape(y, q));
    REQUIRE(valid(s, k) && valid(s, v) && same_shape(k, v) && k.dtype == v.dtype);
    REQUIRE(attention_fits(q, k, a));
    REQUIRE(apart(y, q) && apart(y, k) && apart(y, v));
    OPS->attention(s, y, q, k, v, a);
}

void
sana_rope(SanaStream *s, SanaTensor x, int head_dim, int first, float theta)
{
    REQUIRE(valid(s, x) && head_dim > 0 && head_dim % 2 == 0 && x.c % head_dim == 0);
    REQUIRE(first >= 0 && theta > 0);
    OPS->rope(s, x, head_dim, first, theta);
}

/* --- norms and modulation --------------------------------------------------------------------- */

/* Whether vectors and groups of a norm go with c channels. */
static bool
norm_fits(const SanaStream *s, const SanaNorm *norm, int c)
{
    return norm->groups >= 0 && c % sana_norm_groups(norm) == 0 && is_vector(s, norm->weight, c) &&
           norm->weight.dtype == SANA_F32 &&
           (sana_is_none(norm->bias) ||
            (is_vector(s, norm->bias, c) && norm->bias.dtype == SANA_F32));
}

void
sana_norm(SanaStream *s, SanaTensor y, SanaTensor x, const SanaNorm *norm, SanaAct act,
          SanaTensor residual)
{
    REQUIRE(valid(s, x) && valid(s, y) && same_shape(x, y));
    REQUIRE(norm_fits(s, norm, x.c));
    REQUIRE(sana_is_none(residual) || (valid(s, residual) && same_shape(residual, y)));
    REQUIRE(same_or_apart(y, x) && same_or_apart(y, residual));
    OPS->norm(s, y, x, norm, act, residual);
}

void
sana_conv_norm_add(SanaStream *s, SanaTensor x, SanaTensor y, const SanaConv *k,
                   const SanaNorm *norm)
{
    REQUIRE(valid_dense(s, x) && valid_dense(s, y) && x.dtype == y.dtype && apart(x, y));
    REQUIRE(x.h <= INT32_MAX / 4 && x.w <= INT32_MAX / 4);
    REQUIRE(conv_fits(x, y, k) && same_positions(x, y));
    REQUIRE(norm_fits(s, norm, x.c));
    size_t mark = sana_mark(s);
    SanaTensor z = sana_scratch(s, x.dtype, x.h, x.w, x.c);
    if (!sana_stream_ok(s) || !OPS->conv_norm_add || !OPS->conv_norm_add(s, x, y, k, norm)) {
        sana_conv(s, z, y, k, SANA_ACT_NONE);
        sana_norm(s, x, z, norm, SANA_ACT_NONE, x);
    }
    sana_pop(s, mark);
}

void
sana_norm_modulate(SanaStream *s, SanaTensor y, SanaTensor x, SanaTensor shift, SanaTensor scale,
                   float eps)
{
    REQUIRE(valid(s, x) && valid(s, y) && same_shape(x, y));
    REQUIRE(is_vector(s, shift, x.c) && is_vector(s, scale, x.c));
    REQUIRE(same_or_apart(y, x) && apart(y, shift) && apart(y, scale));
    OPS->norm_modulate(s, y, x, shift, scale, eps);
}

void
sana_add_gated(SanaStream *s, SanaTensor x, SanaTensor y, SanaTensor gate)
{
    REQUIRE(valid(s, x) && valid(s, y) && same_shape(x, y));
    REQUIRE(is_vector(s, gate, x.c));
    REQUIRE(apart(x, y) && apart(x, gate));
    OPS->add_gated(s, x, y, gate);
}

/* --- pointwise -------------------------------------------------------------------------------- */

void
sana_activate(SanaStream *s, SanaTensor y, SanaTensor x, SanaAct act)
{
    REQUIRE(valid(s, x) && valid(s, y) && same_shape(x, y));
    REQUIRE(same_or_apart(y, x));
    OPS->activate(s, y, x, act);
}

void
sana_add(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b)
{
    REQUIRE(valid_dense(s, y) && valid_dense(s, a) && valid_dense(s, b) && same_shape(y, a));
    REQUIRE(same_shape(a, b) || is_vector(s, b, a.c));
    REQUIRE(same_or_apart(y, a) && same_or_apart(y, b));
    OPS->add(s, y, a, b);
}

void
sana_mix(SanaStream *s, SanaTensor y, SanaTensor a, SanaTensor b, SanaTensor coef)
{
    REQUIRE(valid_dense(s, y) && valid_dense(s, a) && valid_dense(s, b));
    REQUIRE(same_shape(y, a) && same_shape(y, b));
    REQUIRE(is_vector(s, coef, 2) && coef.dtype == SANA_F32);
    REQUIRE(same_or_apart(y, a) && same_or_apart(y, b));
    OPS->mix(s, y, a, b, coef);
}

void
sana_geglu(SanaStream *s, SanaTensor y, SanaTensor x)
{
    REQUIRE(valid_dense(s, x) && valid_dense(s, y) && same_positions(x, y) && x.c == 2 * y.c);
    REQUIRE(apart(y, x));
    OPS->geglu(s, y, x);
}

void
sana_embed_tokens(SanaStream *s, SanaTensor y, SanaTensor table, const int32_t *ids, float scale)
{
    REQUIRE(valid_dense(s, y) && y.c == table.c && is_shape(table));
    REQUIRE(is_float(table) && sana_is_dense(table)); /* on the host, of any type */
    for (size_t i = 0; i < sana_positions(y); i++)
        REQUIRE(ids[i] >= 0 && (size_t)ids[i] < sana_positions(table));
    OPS->embed_tokens(s, y, table, ids, scale);
}

void
sana_timestep_embedding(SanaStream *s, SanaTensor y, SanaTensor t)
{
    REQUIRE(is_vector(s, t, 1) && t.dtype == SANA_F32);
    REQUIRE(valid_dense(s, y) && sana_positions(y) == 1 && y.c % 2 == 0);
    REQUIRE(apart(y, t));
    OPS->timestep_embedding(s, y, t);
}

/* --- resolution ------------------------------------------------------------------------------- */

void
sana_pixel_unshuffle(SanaStream *s, SanaTensor y, SanaTensor x)
{
    REQUIRE(valid_dense(s, x) && valid_dense(s, y) && x.dtype == y.dtype);
    REQUIRE(x.h == 2 * y.h && x.w == 2 * y.w && y.c == 4 * x.c);
    REQUIRE(apart(y, x));
    OPS->pixel_unshuffle(s, y, x);
}

void
sana_pixel_shuffle(SanaStream *s, SanaTensor y, SanaTensor x)
{
    REQUIRE(valid_dense(s, x) && valid_dense(s, y) && x.dtype == y.dtype);
    REQUIRE(y.h == 2 * x.h && y.w == 2 * x.w && x.c == 4 * y.c);
    REQUIRE(apart(y, x));
    OPS->pixel_shuffle(s, y, x);
}

/* large is small enlarged by f ∈ {1, 2}. */
static bool
is_enlarged(SanaTensor large, SanaTensor small)
{
    int f = large.h / small.h;
    return (f == 1 || f == 2) && large.h == f * small.h && large.w == f * small.w;
}

void
sana_add_unshuffled_mean(SanaStream *s, SanaTensor y, SanaTensor x)
{
    REQUIRE(valid_dense(s, x) && valid_dense(s, y) && x.dtype == y.dtype);
    REQUIRE(is_enlarged(x, y));
    REQUIRE((size_t)x.c * (size_t)(x.h / y.h * (x.h / y.h)) % (size_t)y.c == 0);
    REQUIRE(apart(y, x));
    OPS->add_unshuffled_mean(s, y, x);
}

void
sana_add_shuffled_repeat(SanaStream *s, SanaTensor y, SanaTensor x)
{
    REQUIRE(valid_dense(s, x) && valid_dense(s, y) && x.dtype == y.dtype);
    REQUIRE(is_enlarged(y, x));
    REQUIRE((size_t)y.c * (size_t)(y.h / x.h * (y.h / x.h)) % (size_t)x.c == 0);
    REQUIRE(apart(y, x));
    OPS->add_shuffled_repeat(s, y, x);
}

/* --- pictures --------------------------------------------------------------------------------- */

static bool
is_picture(SanaTensor x)
{
    return is_shape(x) && (x.c == 3 || x.c == 4) &&
           (x.dtype == SANA_U8 || x.dtype == SANA_U16 || x.dtype == SANA_F32);
}

void
sana_image_load(SanaStream *s, SanaTensor y, SanaTensor x)
{
    REQUIRE(is_picture(x) && valid_dense(s, y) && y.c == 3 && x.h == y.h && x.w == y.w);
    REQUIRE(apart(y, x));
    OPS->image_load(s, y, x);
}

void
sana_image_store(SanaStream *s, SanaTensor y, SanaTensor x)
{
    REQUIRE(is_picture(y) && valid_dense(s, x) && x.c == 3 && x.h == y.h && x.w == y.w);
    REQUIRE(apart(y, x));
    OPS->image_store(s, y, x);
}

/* --- video ------------------------------------------------------------------------------------ */

static bool
is_component(const SanaVideoComponent *c)
{
    return c->step >= 1 && c->step <= 4 && (c->sub_x == 1 || c->sub_x == 2) &&
           (c->sub_y == 1 || c->sub_y == 2) && c->at_x >= 0 && c->at_x <= 2 && c->at_y >= 0 &&
           c->at_y <= 2;
}

static bool
is_video(const SanaVideo *v)
{
    return v->width > 0 && v->height > 0 && is_component(&v->component[0]) &&
           is_component(&v->component[1]) && is_component(&v->component[2]);
}

static bool
is_inside(SanaRectangle r, SanaTensor x)
{
    return r.w > 0 && r.h > 0 && r.x >= 0 && r.y >= 0 && r.w <= x.w - r.x && r.h <= x.h - r.y;
}

void
sana_video_load(SanaStream *s, SanaTensor y, const SanaVideo *x)
{
    REQUIRE(is_video(x) && valid_dense(s, y) && y.c == 3 && is_inside(x->content, y));
    REQUIRE(sana_video_scales(x->width, x->content.w));
    REQUIRE(sana_video_scales(x->height, x->content.h));
    OPS->video_load(s, y, x);
}

void
sana_video_store(SanaStream *s, const SanaVideo *y, SanaTensor x)
{
    REQUIRE(is_video(y) && valid_dense(s, x) && x.c == 3 && is_inside(y->content, x));
    REQUIRE(sana_video_scales(y->width, y->content.w));
    REQUIRE(sana_video_scales(y->height, y->content.h));
    OPS->video_store(s, y, x);
}

/* --- checks ----------------------------------------------------------------------------------- */

/* A float is finite unless all exponent bits are set.  An or over blocks, in the elements' own
 * width and up to a plain bound, is what compilers make vectors of: 27 GB/s in place of 2.4. */
#define BLOCK 4096

static bool
finite32(const uint32_t *bits, size_t n)
{
    for (size_t i = 0; i < n; i += BLOCK) {
        uint32_t bad = 0;
        size_t end = MIN(n, i + BLOCK);
        for (size_t j = i; j < end; j++)
            bad |= (bits[j] & 0x7f800000u) == 0x7f800000u ? UINT32_MAX : 0;
        if (bad)
            return false;
    }
    return true;
}

static bool
finite16(const uint16_t *bits, size_t n, uint16_t exponent)
{
    for (size_t i = 0; i < n; i += BLOCK) {
        uint16_t bad = 0;
        size_t end = MIN(n, i + BLOCK);
        for (size_t j = i; j < end; j++)
            bad |= (bits[j] & exponent) == exponent ? UINT16_MAX : 0;
        if (bad)
            return false;
    }
    return true;
}

bool
sana_all_finite(SanaTensor host)
{
    size_t n = sana_positions(host) * (size_t)host.c;
    switch (host.dtype) {
    case SANA_F32:
        return finite32(host.data, n);
    case SANA_BF16:
        return finite16(host.data, n, 0x7f80);
    case SANA_F16:
        return finite16(host.data, n, 0x7c00);
    default:
        return true;
    }
}
