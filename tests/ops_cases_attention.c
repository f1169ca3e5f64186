/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases of linear_attention, attention and rope. */
#include "ops_case.h"

#include <math.h>

/* --- linear_attention: y, qkv ---------------------------------------------------------------- */

static void
call_linear_attention(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_linear_attention(s, t[0], t[1], c->head_dim, c->order);
}

static void
run_linear_attention(Runner *r, int n, int heads, int d, int pad)
{
    for (int order = SANA_QKV_BY_PART; order <= SANA_QKV_BY_HEAD; order++) {
        /* more below zero than above: some rows of relu(q) and relu(k) are nearly empty, and
         * wholly negative rows divide nothing by 1e-15 */
        Case c = {
            .op = "linear_attention",
            .call = call_linear_attention,
            .head_dim = d,
            .order = (SanaQkvOrder)order,
            .args = {{OUT, 1, n, heads * d, pad}, {IN, 1, n, 3 * heads * d, .lo = -1.5f, .hi = 2}}};
        r->run(r, &c);
    }
}

static void
check_linear_attention(Runner *r)
{
    static const int shapes[][3] = {{1, 1, 32},    {15, 3, 32}, {91, 2, 32},   {35, 5, 8},
                                    {64, 1, 16},   {33, 2, 7},  {300, 4, 32},  {2500, 1, 32},
                                    {70, 1, 64},   {20, 2, 40}, {1024, 2, 32}, {1025, 3, 32},
                                    {1300, 66, 32}};
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        if (r->brief && shapes[i][1] == 66)
            continue;
        run_linear_attention(r, shapes[i][0], shapes[i][1], shapes[i][2], 0);
        run_linear_attention(r, shapes[i][0], shapes[i][1], shapes[i][2], 12);
    }
}

static void
bench_linear_attention(Runner *r)
{
    run_linear_attention(r, 256, 36, 32, 0);
    run_linear_attention(r, 4096, 32, 32, 0);
}

/* --- attention: y, q, k, v ------------------------------------------------------------------- */

static void
call_attention(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_attention(s, t[0], t[1], t[2], t[3], c->attention);
}

static void
run_attention(Runner *r, int n, int t, int d, int pad, SanaAttention a)
{
    int width = a.heads * d, narrow = a.kv_heads * d;
    a.scale = a.scale > 0 ? a.scale : 1 / sqrtf((float)d);
    Case c = {.op = "attention",
              .call = call_attention,
              .attention = a,
              .args = {{OUT, 1, n, width, pad},
                       {IN, 1, n, width, pad},
                       {IN, 1, t, narrow, pad},
                       {IN, 1, t, narrow, pad}}};
    r->run(r, &c);
}

static void
check_attention(Runner *r)
{
    for (int pad = 0; pad <= 10; pad += 10) {
        run_attention(r, 1, 1, 2, pad, (SanaAttention){1, 1});
        run_attention(r, 1, 300, 72, pad, (SanaAttention){2, 2});
        run_attention(r, 15, 9, 112, pad, (SanaAttention){3, 3});
        run_attention(r, 91, 40, 72, pad, (SanaAttention){4, 4});
        run_attention(r, 3, 5, 288, pad, (SanaAttention){1, 1});
        run_attention(r, 7, 13, 16, pad, (SanaAttention){4, 2});
        run_attention(r, 33, 33, 12, pad, (SanaAttention){6, 1, .causal = true});
        run_attention(r, 5, 33, 256, pad, (SanaAttention){4, 2, .softcap = 1.5f, .causal = true});
        run_attention(r, 1, 70, 16, pad, (SanaAttention){2, 1, .causal = true});
        run_attention(r, 20, 50, 16, pad, (SanaAttention){4, 2, .causal = true, .window = 7});
        run_attention(r, 50, 50, 16, pad, (SanaAttention){2, 2, .causal = true, .window = 1});
        run_attention(r, 30, 30, 16, pad,
                      (SanaAttention){2, 1, .softcap = 2, .causal = true, .window = 100});
    }
    /* scores of hundreds: only subtracting the largest keeps the exponentials finite */
    run_attention(r, 9, 20, 64, 0, (SanaAttention){2, 2, .scale = 8});
    run_attention(r, 9, 20, 64, 0, (SanaAttention){2, 2, .scale = 3, .softcap = 50});
    /* a cap far above all scores must leave them as they are */
    run_attention(r, 9, 20, 64, 0, (SanaAttention){2, 2, .softcap = 1e6f});
    run_attention(r, 257, 130, 32, 0, (SanaAttention){2, 2});
}

static void
bench_attention(Runner *r)
{
    run_attention(r, 256, 40, 72, 0, (SanaAttention){16, 16});
    run_attention(r, 20, 300, 256, 0, (SanaAttention){8, 4, .softcap = 50, .causal = true});
    run_attention(r, 300, 300, 256, 0, (SanaAttention){8, 4, .softcap = 50, .causal = true});
}

/* --- rope: x --------------------------------------------------------------------------------- */

static void
call_rope(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_rope(s, t[0], c->head_dim, c->first, c->number);
}

static void
run_rope(Runner *r, int n, int heads, int d, int first, int pad)
{
    Case c = {.op = "rope",
              .call = call_rope,
              .head_dim = d,
              .first = first,
              .number = 10000,
              .args = {{INOUT, 1, n, heads * d, pad}}};
    r->run(r, &c);
}

static void
check_rope(Runner *r)
{
    for (int pad = 0; pad <= 6; pad += 6) {
        run_rope(r, 1, 1, 2, 0, pad);
        run_rope(r, 1, 2, 6, 300, pad);
        run_rope(r, 13, 4, 16, 5, pad);
        run_rope(r, 91, 3, 256, 0, pad);
        run_rope(r, 40, 2, 48, 260, pad);
    }
}

static void
bench_rope(Runner *r)
{
    run_rope(r, 300, 8, 256, 0, 0);
}

const CaseSet ops_attention_sets[] = {
    {"linear_attention", check_linear_attention, bench_linear_attention},
    {"attention", check_attention, bench_attention},
    {"rope", check_rope, bench_rope},
    {NULL},
};
