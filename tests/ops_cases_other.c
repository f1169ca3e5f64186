/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases of norms and pointwise operations. */
#include "ops_case.h"

static const int shapes[][3] = {{1, 1, 1},    {1, 1, 48},   {1, 17, 5},  {3, 5, 33},
                                {7, 13, 64},  {3, 3, 256},  {2, 5, 264}, {2, 3, 1152},
                                {1, 3, 2304}, {1, 2, 3080}, {31, 33, 40}};

/* --- norm: y, x, residual, weight, bias ------------------------------------------------------ */

static void
call_norm(SanaStream *s, const Case *c, SanaTensor *t)
{
    SanaNorm norm = {c->norm, t[3], t[4], c->number, c->groups};
    sana_norm(s, t[0], t[1], &norm, c->act, t[2]);
}

static Case
norm(int h, int w, int ch)
{
    return (Case){.op = "norm",
                  .call = call_norm,
                  .number = 1e-5f,
                  .args = {{OUT, h, w, ch},
                           {IN, h, w, ch},
                           {NONE},
                           {IN, 1, 1, ch, .type = FIXED_F32},
                           {IN, 1, 1, ch, .type = FIXED_F32}}};
}

/* Everything that may be left out, aliased, viewed or of another type. */
static void
check_norm_forms(Runner *r, Case plain)
{
    Arg like = plain.args[1], residual = like;
    Case c = plain;
    c.args[0].pad = 10;
    c.args[1].pad = 6;
    c.args[2] = residual;
    r->run(r, &c);
    c = plain; /* in place on x */
    c.args[0].role = INOUT;
    c.args[1] = (Arg){SAME, .same = 0};
    r->run(r, &c);
    c.args[2] = residual;
    c.args[0].pad = 8;
    r->run(r, &c);
    c = plain; /* in place on the residual */
    c.args[0].role = INOUT;
    c.args[2] = (Arg){SAME, .same = 0};
    r->run(r, &c);
    c = plain; /* F32 in and out of the type under test, and the reverse */
    c.args[1].type = FIXED_F32;
    r->run(r, &c);
    c = plain;
    c.args[0].type = FIXED_F32;
    c.args[2] = residual;
    r->run(r, &c);
}

static void
check_norm(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        Case c = norm(shapes[i][0], shapes[i][1], shapes[i][2]);
        for (int kind = SANA_NORM_RMS; kind <= SANA_NORM_AFFINE; kind++) {
            c.norm = (SanaNormKind)kind;
            r->run(r, &c);
        }
        c.norm = SANA_NORM_RMS;
        c.args[4] = (Arg){NONE};
        r->run(r, &c);
        c.args[1].lo = -1e-3f; /* eps counts */
        c.args[1].hi = 1e-3f;
        r->run(r, &c);
    }
    for (int kind = SANA_NORM_RMS; kind <= SANA_NORM_AFFINE; kind++) {
        const int widths[] = {48, 264, 1152, 2304};
        for (size_t i = 0; i < G_N_ELEMENTS(widths); i++) {
            Case c = norm(3, 3, widths[i]);
            c.norm = (SanaNormKind)kind;
            check_norm_forms(r, c);
            c.groups = 2;
            check_norm_forms(r, c);
        }
        Case c = norm(7, 13, 33); /* groups that nothing is aligned to */
        c.norm = (SanaNormKind)kind;
        for (c.groups = 3; c.groups <= 33; c.groups *= 11)
            check_norm_forms(r, c);
        c = norm(5, 7, 48);
        c.norm = (SanaNormKind)kind;
        for (c.act = SANA_ACT_SILU; c.act <= SANA_ACT_MISH; c.act++)
            r->run(r, &c);
        c.act = SANA_ACT_RELU; /* before the residual */
        c.args[2] = c.args[1];
        r->run(r, &c);
    }
}

static void
bench_norm(Runner *r)
{
    Case c = norm(512, 512, 128);
    c.args[2] = c.args[1];
    r->run(r, &c);
    c = norm(256, 256, 256);
    c.args[2] = c.args[1];
    r->run(r, &c);
    c = norm(128, 128, 512);
    c.args[2] = c.args[1];
    r->run(r, &c);
    c = norm(16, 16, 1152);
    c.args[4] = (Arg){NONE};
    r->run(r, &c);
}

/* --- norm_modulate: y, x, shift, scale ------------------------------------------------------- */

static void
call_norm_modulate(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_norm_modulate(s, t[0], t[1], t[2], t[3], c->number);
}

static Case
norm_modulate(int h, int w, int ch)
{
    return (Case){
        .op = "norm_modulate",
        .call = call_norm_modulate,
        .number = 1e-6f,
        .args = {
            {OUT, h, w, ch}, {IN, h, w, ch}, {IN, 1, 1, ch, .type = FIXED_F32}, {IN, 1, 1, ch}}};
}

static void
check_norm_modulate(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        Case c = norm_modulate(shapes[i][0], shapes[i][1], shapes[i][2]);
        r->run(r, &c);
        c.args[3].type = FIXED_F32;
        r->run(r, &c);
        c.args[1].lo = 3; /* mean far from zero: the variance must not be a difference of sums */
        c.args[1].hi = 5;
        if (c.args[1].c > 1)
            r->run(r, &c);
        c.args[1] = (Arg){SAME, .same = 0};
        c.args[0].role = INOUT;
        r->run(r, &c);
    }
}

static void
bench_norm_modulate(Runner *r)
{
    Case c = norm_modulate(16, 16, 1152);
    r->run(r, &c);
}

/* --- add_gated: x, y, gate ------------------------------------------------------------------- */

static void
call_add_gated(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_add_gated(s, t[0], t[1], t[2]);
}

static void
run_add_gated(Runner *r, int h, int w, int ch, ArgType type)
{
    Case c = {.op = "add_gated",
              .call = call_add_gated,
              .args = {{INOUT, h, w, ch, .type = type},
                       {IN, h, w, ch},
                       {IN, 1, 1, ch, .type = FIXED_F32}}};
    r->run(r, &c);
    c.args[2].type = CASE_DTYPE;
    r->run(r, &c);
}

static void
check_add_gated(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_add_gated(r, shapes[i][0], shapes[i][1], shapes[i][2], CASE_DTYPE);
        run_add_gated(r, shapes[i][0], shapes[i][1], shapes[i][2], FIXED_F32);
    }
}

static void
bench_add_gated(Runner *r)
{
    run_add_gated(r, 16, 16, 1152, CASE_DTYPE);
}

/* --- add: y, a, b ---------------------------------------------------------------------------- */

static void
call_add(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_add(s, t[0], t[1], t[2]);
}

static void
check_add(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        int h = shapes[i][0], w = shapes[i][1], ch = shapes[i][2];
        Arg out = {OUT, h, w, ch}, in = {IN, h, w, ch}, one = {IN, 1, 1, ch};
        Arg in_place = {INOUT, h, w, ch}, y = {SAME, .same = 0}, f32 = in, f32_out = out;
        f32.type = f32_out.type = FIXED_F32;
        Case cases[] = {{.args = {out, in, in}},      {.args = {out, in, one}},
                        {.args = {in_place, y, in}},  {.args = {in_place, in, y}},
                        {.args = {in_place, y, one}}, {.args = {out, f32, in}},
                        {.args = {f32_out, in, f32}}, {.args = {in_place, y, y}}};
        for (size_t k = 0; k < G_N_ELEMENTS(cases); k++) {
            cases[k].op = "add";
            cases[k].call = call_add;
            r->run(r, &cases[k]);
        }
    }
}

static void
bench_add(Runner *r)
{
    Case c = {.op = "add",
              .call = call_add,
              .args = {{OUT, 256, 256, 256}, {IN, 256, 256, 256}, {IN, 256, 256, 256}}};
    r->run(r, &c);
}

/* --- mix: y, a, b, coef ---------------------------------------------------------------------- */

static void
call_mix(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_mix(s, t[0], t[1], t[2], t[3]);
}

static void
run_mix(Runner *r, int h, int w, int ch)
{
    Case c = {
        .op = "mix",
        .call = call_mix,
        .args = {
            {OUT, h, w, ch}, {IN, h, w, ch}, {IN, h, w, ch}, {IN, 1, 1, 2, .type = FIXED_F32}}};
    r->run(r, &c);
    c.args[0].role = INOUT;
    c.args[1] = (Arg){SAME, .same = 0};
    r->run(r, &c);
    c.args[2] = c.args[1];
    c.args[1] = (Arg){IN, h, w, ch, .type = FIXED_F32};
    r->run(r, &c);
}

static void
check_mix(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++)
        run_mix(r, shapes[i][0], shapes[i][1], shapes[i][2]);
}

static void
bench_mix(Runner *r)
{
    run_mix(r, 16, 16, 32);
}

/* --- activate, geglu: y, x ------------------------------------------------------------------- */

static void
call_activate(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_activate(s, t[0], t[1], c->act);
}

static void
check_activate(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        int h = shapes[i][0], w = shapes[i][1], ch = shapes[i][2];
        for (int act = SANA_ACT_NONE; act <= SANA_ACT_MISH; act++) {
            Case c = {.op = "activate", .call = call_activate, .act = (SanaAct)act};
            c.args[0] = (Arg){OUT, h, w, ch};
            c.args[1] = (Arg){IN, h, w, ch, .lo = -3.5f, .hi = 6};
            r->run(r, &c);
            c.args[0].pad = 6;
            c.args[1].pad = 10;
            r->run(r, &c);
            c.args[1].type = FIXED_F32;
            r->run(r, &c);
            c.args[0] = (Arg){OUT, h, w, ch, .type = FIXED_F32};
            c.args[1] = (Arg){IN, h, w, ch, .lo = -200, .hi = 200}; /* tails must not overflow */
            r->run(r, &c);
            c.args[0] = (Arg){INOUT, h, w, ch};
            c.args[1] = (Arg){SAME, .same = 0};
            r->run(r, &c);
        }
    }
}

static void
bench_activate(Runner *r)
{
    Case c = {.op = "activate",
              .call = call_activate,
              .act = SANA_ACT_SILU,
              .args = {{OUT, 256, 256, 256}, {IN, 256, 256, 256}}};
    r->run(r, &c);
}

static void
call_geglu(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_geglu(s, t[0], t[1]);
}

static void
run_geglu(Runner *r, int n, int ch)
{
    Case c = {.op = "geglu",
              .call = call_geglu,
              .args = {{OUT, 1, n, ch}, {IN, 1, n, 2 * ch, .lo = -4, .hi = 4}}};
    r->run(r, &c);
}

static void
check_geglu(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++)
        run_geglu(r, shapes[i][0] * shapes[i][1], shapes[i][2]);
}

static void
bench_geglu(Runner *r)
{
    run_geglu(r, 300, 9216);
}

/* --- embed_tokens: y, table; timestep_embedding: y, t ---------------------------------------- */

static void
call_embed_tokens(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_embed_tokens(s, t[0], t[1], c->ids, c->number);
}

static void
run_embed_tokens(Runner *r, int count, int vocabulary, int ch, ArgType table)
{
    int32_t *ids = g_new(int32_t, count);
    for (int i = 0; i < count; i++) /* the last row twice, the first row last */
        ids[i] = i == count - 1 ? 0 : i > 1 ? (i * 37) % vocabulary : vocabulary - 1;
    Case c = {.op = "embed_tokens",
              .call = call_embed_tokens,
              .number = 6.7f,
              .ids = ids,
              .args = {{OUT, 1, count, ch}, {HOST, 1, vocabulary, ch, .type = table}}};
    r->run(r, &c);
    g_free(ids);
}

static void
check_embed_tokens(Runner *r)
{
    for (int table = CASE_DTYPE; table <= FIXED_BF16; table++) {
        run_embed_tokens(r, 1, 1, 1, (ArgType)table);
        run_embed_tokens(r, 13, 50, 33, (ArgType)table);
        run_embed_tokens(r, 40, 300, 2304, (ArgType)table);
    }
}

static void
bench_embed_tokens(Runner *r)
{
    run_embed_tokens(r, 300, 1000, 2304, FIXED_BF16);
}

static void
call_timestep_embedding(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_timestep_embedding(s, t[0], t[1]);
}

static void
check_timestep_embedding(Runner *r)
{
    for (int ch = 2; ch <= 256; ch *= 2) {
        Case c = {.op = "timestep_embedding",
                  .call = call_timestep_embedding,
                  .args = {{OUT, 1, 1, ch}, {IN, 1, 1, 1, .type = FIXED_F32, .lo = 0, .hi = 1.6f}}};
        r->run(r, &c);
        c.args[1].hi = 30;
        r->run(r, &c);
    }
}

static void
bench_timestep_embedding(Runner *r)
{
    Case c = {.op = "timestep_embedding",
              .call = call_timestep_embedding,
              .args = {{OUT, 1, 1, 256}, {IN, 1, 1, 1, .type = FIXED_F32, .lo = 0, .hi = 1}}};
    r->run(r, &c);
}

const CaseSet ops_other_sets[] = {
    {"norm", check_norm, bench_norm},
    {"norm_modulate", check_norm_modulate, bench_norm_modulate},
    {"add_gated", check_add_gated, bench_add_gated},
    {"add", check_add, bench_add},
    {"mix", check_mix, bench_mix},
    {"activate", check_activate, bench_activate},
    {"geglu", check_geglu, bench_geglu},
    {"embed_tokens", check_embed_tokens, bench_embed_tokens},
    {"timestep_embedding", check_timestep_embedding, bench_timestep_embedding},
    {NULL},
};
