/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases of linear, conv and glu_depthwise. */
#include "ops_case.h"

#include <string.h>

/* --- linear: y, x, residual ------------------------------------------------------------------ */

static void
call_linear(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_linear(s, t[0], t[1], &c->linear, c->act, t[2]);
}

static Case
linear(int n, int in, int out)
{
    return (Case){.op = "linear",
                  .call = call_linear,
                  .linear = {.in = in, .out = out},
                  .args = {{OUT, 1, n, out}, {IN, 1, n, in}, {NONE}}};
}

static void
check_linear_forms(Runner *r, Case c)
{
    int n = c.args[0].w, out = c.args[0].c;

    c.bias = true;
    for (c.act = SANA_ACT_NONE; c.act <= SANA_ACT_MISH; c.act++)
        r->run(r, &c);
    c.act = SANA_ACT_NONE;
    c.args[2] = (Arg){IN, 1, n, out};
    r->run(r, &c);
    c.act = SANA_ACT_SILU; /* the activation comes before the residual */
    r->run(r, &c);
    c.act = SANA_ACT_NONE;
    c.op = "linear add";
    c.bias = false;
    c.args[0].role = INOUT;
    c.args[2] = (Arg){SAME, .same = 0};
    r->run(r, &c);
    c.args[0].pad = 6;
    c.args[1].pad = 10;
    r->run(r, &c);
    c.op = "linear";
    c.args[2] = (Arg){NONE};
    c.args[0].role = OUT;
    r->run(r, &c);
    c.args[0] = (Arg){OUT, 1, n, out, .type = FIXED_F32};
    r->run(r, &c);
    c.args[2] = (Arg){IN, 1, n, out, .type = FIXED_F32};
    c.bias = true;
    r->run(r, &c);
}

static void
check_linear(Runner *r)
{
    static const int shapes[][3] = {
        {1, 1, 1},     {1, 8, 3},       {2, 3, 5},     {17, 33, 17},   {91, 64, 96},  {1, 256, 48},
        {5, 1152, 40}, {300, 257, 130}, {64, 32, 224}, {1000, 16, 32}, {9, 300, 700},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        Case c = linear(shapes[i][0], shapes[i][1], shapes[i][2]);
        r->run(r, &c);
        c.bias = true;
        r->run(r, &c);
    }
    check_linear_forms(r, linear(13, 40, 24));
    check_linear_forms(r, linear(1, 17, 33));
    check_linear_forms(r, linear(13, 128, 72)); /* wide enough for eight bits, */
    check_linear_forms(r, linear(1, 64, 128));

    Case again = linear(300, 64, 128); /* another kernel, where no vector fits */
    again.act = SANA_ACT_SILU;
    r->run(r, &again);
    again.args[0].pad = 3;
    r->run(r, &again);

    Case stacked = linear(7, 48, 96);
    stacked.parts = 3;
    stacked.bias = true;
    r->run(r, &stacked);
    stacked.source = FIXED_BF16;
    r->run(r, &stacked);
    stacked = linear(200, 128, 192);
    stacked.parts = 3;
    r->run(r, &stacked);

    /* more than is converted at a time; the last rows are no whole block */
    Case large = linear(7, 1152, 1000);
    large.source = FIXED_BF16;
    r->run(r, &large);
}

static void
bench_linear(Runner *r)
{
    Case c = linear(256, 1152, 3456);
    r->run(r, &c);
    c = linear(256, 1152, 5760); /* Mix-FFN */
    c.bias = true;
    c.act = SANA_ACT_SILU;
    r->run(r, &c);
    c = linear(256, 2880, 1152);
    r->run(r, &c);
    c = linear(4096, 512, 4096); /* autoencoder, stage 3 at 64 × 64 */
    r->run(r, &c);
    c = linear(20, 2304, 9216); /* Gemma, a new prompt */
    r->run(r, &c);
}

static void
check_linear_in_place(Runner *r)
{
    static const int shapes[][3] = {
        {1, 1, 1},     {1, 8, 3},     {2, 3, 5},     {6, 33, 17},   {7, 64, 4},
        {13, 257, 51}, {64, 100, 30}, {65, 100, 30}, {300, 48, 96}, {40, 4000, 6},
    };
    for (ArgType source = CASE_DTYPE; source <= FIXED_BF16; source++) {
        SanaDType stored = ops_arg_dtype(&(Arg){.type = source}, SANA_F32);
        if (!sana_device_computes_in_place(r->device, r->dtype, stored))
            continue; /* it packs them: as above */
        for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
            Case c = linear(shapes[i][0], shapes[i][1], shapes[i][2]);
            c.in_place = true;
            c.source = source;
            r->run(r, &c);
            c.bias = true;
            r->run(r, &c);
        }
        for (int n = 5; n <= 95; n += 90) {
            Case stacked = linear(n, 48, 96);
            stacked.in_place = true;
            stacked.source = source;
            stacked.parts = 3;
            check_linear_forms(r, stacked);
        }
    }
}

static void
bench_linear_in_place(Runner *r)
{
    Case c = linear(20, 2304, 9216);
    c.in_place = true;
    c.source = FIXED_BF16;
    r->run(r, &c);
    c = linear(220, 2304, 9216);
    c.in_place = true;
    c.source = FIXED_BF16;
    r->run(r, &c);
    c = linear(15, 9216, 2304);
    c.in_place = true;
    c.source = FIXED_BF16;
    r->run(r, &c);
}

/* --- conv: y, x ------------------------------------------------------------------------------ */

static void
call_conv(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_conv(s, t[0], t[1], &c->conv, c->act);
}

static Case
conv(int h, int w, SanaConv k)
{
    k.upsample = MAX(k.upsample, 1);
    k.stride = MAX(k.stride, 1);
    k.groups = MAX(k.groups, 1);
    int to_h = (h * k.upsample - 1) / k.stride + 1, to_w = (w * k.upsample - 1) / k.stride + 1;
    return (Case){.op = k.upsample == 2 ? "conv upsample" : "conv",
                  .call = call_conv,
                  .conv = k,
                  .bias = true,
                  .args = {{OUT, to_h, to_w, k.out}, {IN, h, w, k.in}}};
}

static void
run_conv(Runner *r, int h, int w, SanaConv k)
{
    Case c = conv(h, w, k);
    r->run(r, &c);
}

static const int maps[][2] = {{1, 1}, {1, 9}, {9, 1}, {3, 5}, {7, 13}, {16, 22}};

static void
check_conv_dense(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        int h = maps[i][0], w = maps[i][1];
        run_conv(r, h, w, (SanaConv){.in = 17, .out = 9, .kernel = 3});
        run_conv(r, h, w, (SanaConv){.in = 32, .out = 48, .kernel = 3});
        run_conv(r, h, w, (SanaConv){.in = 16, .out = 33, .kernel = 3, .stride = 2});
        run_conv(r, h, w, (SanaConv){.in = 7, .out = 5, .kernel = 3, .upsample = 2});
        run_conv(r, h, w, (SanaConv){.in = 32, .out = 16, .kernel = 3, .upsample = 2});
        for (int stride = 1; stride <= 3; stride++)
            run_conv(r, h, w, (SanaConv){.in = 48, .out = 32, .kernel = 3, .stride = stride});
        run_conv(r, h, w, (SanaConv){.in = 16, .out = 64, .kernel = 3, .upsample = 2});
        run_conv(r, h, w, (SanaConv){.in = 24, .out = 40, .kernel = 1});
        run_conv(r, h, w, (SanaConv){.in = 3, .out = 128, .kernel = 3});
        run_conv(r, h, w, (SanaConv){.in = 128, .out = 3, .kernel = 3});
    }
    run_conv(r, 40, 46, (SanaConv){.in = 64, .out = 64, .kernel = 3});
    run_conv(r, 9, 10, (SanaConv){.in = 72, .out = 136, .kernel = 3});
    run_conv(r, 19, 16, (SanaConv){.in = 64, .out = 128, .kernel = 3, .upsample = 2});
    run_conv(r, 33, 71, (SanaConv){.in = 80, .out = 64, .kernel = 3, .stride = 2});
    run_conv(r, 13, 10, (SanaConv){.in = 128, .out = 136, .kernel = 3}); /* and for a GPU's */
    run_conv(r, 6, 5, (SanaConv){.in = 128, .out = 128, .kernel = 3, .upsample = 2});
    run_conv(r, 17, 9, (SanaConv){.in = 144, .out = 128, .kernel = 3, .stride = 2});
    run_conv(r, 5, 4, (SanaConv){.in = 40, .out = 520, .kernel = 1});
    run_conv(r, 5, 4, (SanaConv){.in = 270, .out = 300, .kernel = 3});
    run_conv(r, 4, 6, (SanaConv){.in = 3, .out = 40, .kernel = 3, .stride = 2});
    run_conv(r, 5, 3, (SanaConv){.in = 40, .out = 3, .kernel = 3, .upsample = 2});
}

static void
check_conv_grouped(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        int h = maps[i][0], w = maps[i][1];
        run_conv(r, h, w, (SanaConv){.in = 192, .out = 192, .kernel = 1, .groups = 6});
        run_conv(r, h, w, (SanaConv){.in = 48, .out = 48, .kernel = 1, .groups = 6});
        run_conv(r, h, w, (SanaConv){.in = 12, .out = 24, .kernel = 3, .groups = 3});
        run_conv(r, h, w, (SanaConv){.in = 64, .out = 64, .kernel = 1, .groups = 2});
    }
}

static void
check_conv_forms(Runner *r, SanaConv k)
{
    Case c = conv(7, 5, k);
    for (c.act = SANA_ACT_SILU; c.act <= SANA_ACT_MISH; c.act++)
        r->run(r, &c);
    c.act = SANA_ACT_NONE;
    c.source = FIXED_BF16;
    r->run(r, &c);
    c.bias = false;
    r->run(r, &c);
}

static void
check_conv(Runner *r)
{
    check_conv_dense(r);
    check_conv_grouped(r);
    check_conv_forms(r, (SanaConv){.in = 16, .out = 24, .kernel = 3});
    check_conv_forms(r, (SanaConv){.in = 16, .out = 24, .kernel = 3, .upsample = 2});
    check_conv_forms(r, (SanaConv){.in = 32, .out = 32, .kernel = 3});
    check_conv_forms(r, (SanaConv){.in = 32, .out = 32, .kernel = 3, .stride = 2});
    check_conv_forms(r, (SanaConv){.in = 32, .out = 32, .kernel = 3, .upsample = 2});
    check_conv_forms(r, (SanaConv){.in = 16, .out = 8, .kernel = 1});
}

/* --- conv_norm_add: x, y, weight, bias ------------------------------------------------------- */

static void
call_conv_norm_add(SanaStream *s, const Case *c, SanaTensor *t)
{
    SanaNorm norm = {c->norm, t[2], t[3], c->number, c->groups};
    sana_conv_norm_add(s, t[0], t[1], &c->conv, &norm);
}

static Case
conv_norm_add(int h, int w, int in, int out, int kernel)
{
    Case c = conv(h, w, (SanaConv){.in = in, .out = out, .kernel = kernel});
    c.op = "conv_norm_add";
    c.call = call_conv_norm_add;
    c.bias = false;
    c.number = 1e-5f;
    c.args[0].role = INOUT;
    c.args[2] = c.args[3] = (Arg){IN, 1, 1, out, .type = FIXED_F32};
    return c;
}

static void
check_conv_norm_add(Runner *r)
{
    Case cases[] = {
        conv_norm_add(7, 13, 24, 40, 3),    conv_norm_add(1, 9, 17, 9, 3),
        conv_norm_add(19, 37, 128, 128, 3), conv_norm_add(21, 16, 72, 128, 3),
        conv_norm_add(9, 35, 128, 256, 3),  conv_norm_add(6, 10, 64, 128, 1),
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        r->run(r, &cases[i]);
    Case c = cases[2];
    c.args[3] = (Arg){NONE};
    r->run(r, &c);
    c = cases[2];
    c.bias = true;
    r->run(r, &c);
    c = cases[2];
    c.norm = SANA_NORM_AFFINE;
    r->run(r, &c);
    c = cases[2];
    c.groups = 2;
    r->run(r, &c);
    c = cases[2];
    c.number = 400; /* of the size of the sums' squares */
    r->run(r, &c);
    /* which takes large maps in strips */
    if (!r->brief && strcmp(sana_device_name(r->device), "cpu") == 0) {
        c = conv_norm_add(1030, 1030, 3, 2, 3);
        r->run(r, &c);
    }
}

static void
bench_conv_norm_add(Runner *r)
{
    Case c = conv_norm_add(512, 512, 128, 128, 3);
    r->run(r, &c);
    c = conv_norm_add(256, 256, 256, 256, 3);
    r->run(r, &c);
}

void
ops_cases_many_tiles(Runner *r)
{
    const int in = r->weights == SANA_E4M3 ? 128 : 64; /* Hopper's step */
    Case c = linear(40001, 256, 648);
    c.bias = true;
    c.act = SANA_ACT_SILU; /* what the library does not do */
    r->run(r, &c);
    c = linear(5001, 9216, 256); /* as long sums as any */
    r->run(r, &c);
    run_conv(r, 509, 515, (SanaConv){.in = in, .out = 128, .kernel = 3});
    run_conv(r, 253, 261, (SanaConv){.in = in, .out = 256, .kernel = 3});
    run_conv(r, 253, 261, (SanaConv){.in = in, .out = 128, .kernel = 3, .upsample = 2});
    run_conv(r, 509, 515, (SanaConv){.in = in, .out = 128, .kernel = 3, .stride = 2});
    c = conv_norm_add(509, 515, in, 128, 3);
    r->run(r, &c);
    c = conv_norm_add(253, 261, in, 256, 3);
    r->run(r, &c);
}

static void
check_conv_depthwise(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        int h = maps[i][0], w = maps[i][1];
        run_conv(r, h, w, (SanaConv){.in = 37, .out = 37, .kernel = 3, .groups = 37});
        run_conv(r, h, w, (SanaConv){.in = 64, .out = 64, .kernel = 3, .groups = 64});
        run_conv(r, h, w, (SanaConv){.in = 40, .out = 40, .kernel = 3, .stride = 2, .groups = 40});
        run_conv(r, h, w, (SanaConv){.in = 48, .out = 48, .kernel = 5, .groups = 48});
        run_conv(r, h, w, (SanaConv){.in = 9, .out = 9, .kernel = 5, .stride = 2, .groups = 9});
        run_conv(r, h, w, (SanaConv){.in = 6, .out = 6, .kernel = 7, .groups = 6});
    }
    /* more columns, rows and channels than one block of a device has */
    run_conv(r, 37, 35, (SanaConv){.in = 136, .out = 136, .kernel = 5, .groups = 136});
    run_conv(r, 37, 35, (SanaConv){.in = 72, .out = 72, .kernel = 3, .groups = 72});
    check_conv_forms(r, (SanaConv){.in = 24, .out = 24, .kernel = 3, .groups = 24});
    check_conv_forms(r, (SanaConv){.in = 16, .out = 16, .kernel = 5, .groups = 16});
}

static void
bench_conv(Runner *r)
{
    Case c = conv(512, 512, (SanaConv){.in = 128, .out = 128, .kernel = 3});
    c.act = SANA_ACT_SILU;
    r->run(r, &c);
    run_conv(r, 256, 256, (SanaConv){.in = 256, .out = 256, .kernel = 3});
    run_conv(r, 128, 128, (SanaConv){.in = 512, .out = 512, .kernel = 3});
    run_conv(r, 512, 512, (SanaConv){.in = 3, .out = 128, .kernel = 3});
    run_conv(r, 512, 512, (SanaConv){.in = 128, .out = 3, .kernel = 3});
    run_conv(r, 512, 512, (SanaConv){.in = 128, .out = 256, .kernel = 3, .stride = 2});
    run_conv(r, 256, 256, (SanaConv){.in = 256, .out = 128, .kernel = 3, .upsample = 2});
    run_conv(r, 64, 64, (SanaConv){.in = 1536, .out = 1536, .kernel = 1, .groups = 48});
}

static void
bench_conv_depthwise(Runner *r)
{
    run_conv(r, 64, 64, (SanaConv){.in = 1536, .out = 1536, .kernel = 5, .groups = 1536});
}

/* --- glu_depthwise: y, x --------------------------------------------------------------------- */

static void
call_glu_depthwise(SanaStream *s, const Case *c, SanaTensor *t)
{
    sana_glu_depthwise(s, t[0], t[1], &c->conv);
}

static void
run_glu_depthwise(Runner *r, int h, int w, int ch, bool bias)
{
    Case c = {.op = "glu_depthwise",
              .call = call_glu_depthwise,
              .bias = bias,
              .conv = {.in = 2 * ch,
                       .out = 2 * ch,
                       .kernel = 3,
                       .stride = 1,
                       .upsample = 1,
                       .groups = 2 * ch},
              .args = {{OUT, h, w, ch}, {IN, h, w, 2 * ch}}};
    r->run(r, &c);
}

static void
check_glu_depthwise(Runner *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        run_glu_depthwise(r, maps[i][0], maps[i][1], 1, true);
        run_glu_depthwise(r, maps[i][0], maps[i][1], 21, true);
        run_glu_depthwise(r, maps[i][0], maps[i][1], 80, true);
        run_glu_depthwise(r, maps[i][0], maps[i][1], 64, false);
    }
    run_glu_depthwise(r, 33, 40, 47, true);
    run_glu_depthwise(r, 33, 40, 136, true);
}

static void
bench_glu_depthwise(Runner *r)
{
    run_glu_depthwise(r, 16, 16, 2880, true);
    run_glu_depthwise(r, 64, 64, 2048, true);
}

const CaseSet ops_product_sets[] = {
    {"linear", check_linear, bench_linear},
    {"conv", check_conv, bench_conv},
    {"conv_norm_add", check_conv_norm_add, bench_conv_norm_add},
    {"linear_in_place", check_linear_in_place, bench_linear_in_place},
    {"conv_depthwise", check_conv_depthwise, bench_conv_depthwise},
    {"glu_depthwise", check_glu_depthwise, bench_glu_depthwise},
    {NULL},
};
