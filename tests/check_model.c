/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every golden case, drawn here and compared with what diffusers drew: in f32 on the reference,
 * cpu and cuda devices, and where they have the type in bf16 on both, in int8 on the cpu and in fp8
 * on cuda.
 *
 * --verbose prints a line of figures a case.
 */
#include "kernels/device.h"
#include "pipelines/sana.h"
#include "tests/golden.h"
#include "tests/golden_network.h"

#include <string.h>

/* Against f32 of the reference.  Real mistakes hide between 60 and 100 dB; a faithful network
 * leaves 110 dB or more (docs/parity.md). */
#define MAX_EMBEDS_ERROR 1e-5
#define MAX_LATENT_ERROR 2e-5
#define MIN_PICTURE_DB 105.0
#define MAX_TAP_ERROR 5e-5
/* bf16: against f32 of the reference, and against the reference's own bf16. */
#define MIN_BF16_DB 30.0
#define MAX_BF16_LOSS_DB 1.0
/* int8, fp8: against f32 of the reference; the narrow layers of these models stay as they are. */
#define MIN_EIGHT_BIT_DB 25.0

typedef struct {
    const char *device;
    SanaPrecision precision;
    const char *name; /* of the case */
} Run;

typedef struct {
    double embeds, latent, picture; /* errors, and dB */
    int rows;
    bool has_embeds, has_picture;
} Figures;

static const char *
precision_name(SanaPrecision precision)
{
    return precision == SANA_PRECISION_F32    ? "f32"
           : precision == SANA_PRECISION_BF16 ? "bf16"
           : precision == SANA_PRECISION_FP8  ? "fp8"
                                              : "int8";
}

static SanaModel *
load(const Run *run, const char *directory)
{
    SanaModelOptions options = {.device = run->device, .precision = run->precision};
    g_autoptr(GError) error = NULL;
    SanaModel *model = sana_model_load(directory, &options, NULL, &error);
    g_assert_no_error(error);
    if (run->precision != SANA_PRECISION_AUTO)
        g_assert_cmpint(sana_model_info(model)->precision, ==, run->precision);
    return model;
}

static SanaPrompt *
encode(SanaSession *session, const Golden *g)
{
    g_autoptr(GError) error = NULL;
    SanaPrompt *prompt;
    if (g->prompt) {
        SanaPromptParams params = {.instruction = g->instruction,
                                   .max_sequence_length = g->max_sequence_length};
        prompt = sana_session_encode(session, g->prompt, &params, &error);
    } else {
        const float *embeds = golden_floats(g, "given_embeds", NULL);
        const guint8 *mask = golden_bytes(g, "given_mask", NULL);
        prompt = sana_session_encode_embeds(session, embeds, mask, golden_dim(g, "given_embeds", 0),
                                            &error);
    }
    g_assert_no_error(error);
    return prompt;
}

static void
measure_embeds(SanaSession *session, SanaPrompt *prompt, const Golden *g, Figures *f)
{
    size_t count;
    const float *expected = golden_floats(g, "embeds", &count);
    if (!expected)
        return;
    f->rows = sana_prompt_rows(prompt);
    g_assert_cmpint(f->rows, ==, golden_dim(g, "embeds", 0));
    g_autofree float *embeds = g_new(float, count);
    g_autoptr(GError) error = NULL;
    sana_session_get_embeds(session, prompt, embeds, &error);
    g_assert_no_error(error);
    f->embeds = golden_error(embeds, expected, count);
    f->has_embeds = true;
}

static SanaParams
settings(const Golden *g)
{
    SanaParams p = SANA_PARAMS_DEFAULT;
    p.steps = g->steps;
    p.guidance_scale = g->guidance_scale;
    p.seed = g->seed;
    p.max_timesteps = g->max_timesteps;
    p.intermediate_timesteps = g->intermediate_timesteps;
    p.timesteps = g->has_timesteps ? g->timesteps : NULL;
    p.strength = g->strength;
    p.strength_mode = g->continuous ? SANA_STRENGTH_CONTINUOUS : SANA_STRENGTH_DIFFUSERS;
    p.n_images = g->n_images;
    p.resolution_binning = g->binning;
    p.latents = golden_floats(g, "start_latents", NULL);
    return p;
}

static void
draw_once(SanaSession *session, SanaPrompt *prompt, const Golden *g, const SanaParams *params,
          const SanaImage *images)
{
    g_autoptr(GError) error = NULL;
    if (g->call == GOLDEN_TEXT_TO_IMAGE) {
        sana_session_text_to_image(session, prompt, params, images, &error);
    } else {
        g_autofree guint8 *pixels =
            g_memdup2(golden_bytes(g, "source", NULL), (size_t)g->width * (size_t)g->height * 3);
        SanaImage source = {SANA_IMAGE_RGB, g->width, g->height, (gsize)g->width * 3, pixels};
        sana_session_image_to_image(session, prompt, params, &source, images, &error);
    }
    g_assert_no_error(error);
}

/* (3, h, w) ← (h, w, 3) */
static void
planes(float *out, const float *in, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++) {
        for (size_t c = 0; c < 3; c++)
            out[c * pixels + i] = in[i * 3 + c];
    }
}

static void
measure_pictures(SanaSession *session, SanaPrompt *prompt, const Golden *g, Figures *f)
{
    size_t n_latent, n_image, pixels = (size_t)g->width * (size_t)g->height;
    const float *latent = golden_floats(g, "latent", &n_latent);
    const float *image = golden_floats(g, "image", &n_image);
    g_assert_cmpuint(n_image, ==, (size_t)g->n_images * pixels * 3);
    g_autofree float *ours = g_new(float, n_latent);
    g_autofree float *rows = g_new(float, n_image);
    g_autofree float *ours_image = g_new(float, n_image);
    g_autofree SanaImage *images = g_new0(SanaImage, g->n_images);
    for (int i = 0; i < g->n_images; i++)
        images[i] = (SanaImage){SANA_IMAGE_RGB_F32, g->width, g->height,
                                (gsize)g->width * 3 * sizeof(float), rows + (size_t)i * pixels * 3};

    SanaParams params = settings(g);
    draw_once(session, prompt, g, &params, images);
    params.latent_out = ours;
    draw_once(session, prompt, g, &params, images);
    for (int i = 0; i < g->n_images; i++)
        planes(ours_image + (size_t)i * pixels * 3, images[i].pixels, pixels);
    for (size_t i = 0; g->binning && i < n_image; i++)
        ours_image[i] = CLAMP(ours_image[i], -1, 1);
    f->latent = golden_error(ours, latent, n_latent);
    f->picture = golden_psnr(ours_image, image, n_image);
    f->has_picture = true;
}

static void
report(const Run *run, const Golden *g, const Figures *f, const GoldenTaps *taps)
{
    g_autoptr(GString) line = g_string_new(NULL);
    double worst;
    int n = golden_taps_compared(taps, &worst);
    g_string_printf(line, "%-9s %-4s %-34s", run->device, precision_name(run->precision), g->name);
    if (f->has_embeds)
        g_string_append_printf(line, "  embeds %.1e", f->embeds);
    if (f->has_picture)
        g_string_append_printf(line, "  latent %.1e  picture %5.1f dB", f->latent, f->picture);
    if (f->has_picture && run->precision == SANA_PRECISION_BF16)
        g_string_append_printf(line, " (diffusers %.1f)", g->bf16_db);
    g_string_append_printf(line, "  taps %d, worst %.1e", n, worst);
    g_test_message("%s", line->str);
}

/* A failure does not keep the other cases from being seen. */
static void
judge(const Run *run, const Golden *g, const Figures *f, const GoldenTaps *taps)
{
    double worst;
    int n = golden_taps_compared(taps, &worst);
    g_autofree char *unknown = golden_taps_unknown(taps);
    g_autofree char *missing = golden_taps_missing(taps);
    if (missing[0])
        g_test_fail_printf("%s: the reference has a tap for %s", g->name, missing);
    /* with latents given the reference does not encode the picture */
    if (golden_floats(g, "tap:norm", NULL) && !golden_floats(g, "start_latents", NULL)) {
        if (n < (f->has_picture ? 12 : 2))
            g_test_fail_printf("%s: only %d inner tensors were compared", g->name, n);
        if (f->has_picture && unknown[0])
            g_test_fail_printf("%s: the reference has no tap for %s", g->name, unknown);
    }
    if (run->precision == SANA_PRECISION_BF16) {
        if (!(f->picture >= MIN_BF16_DB && f->picture >= g->bf16_db - MAX_BF16_LOSS_DB))
            g_test_fail_printf("%s: %.1f dB, diffusers' own bf16 %.1f dB", g->name, f->picture,
                               g->bf16_db);
        return;
    }
    if (run->precision == SANA_PRECISION_INT8 || run->precision == SANA_PRECISION_FP8) {
        if (!(f->picture >= MIN_EIGHT_BIT_DB))
            g_test_fail_printf("%s: %.1f dB", g->name, f->picture);
        return;
    }
    bool right =
        worst <= MAX_TAP_ERROR && (!f->has_embeds || f->embeds <= MAX_EMBEDS_ERROR) &&
        (!f->has_picture || (f->latent <= MAX_LATENT_ERROR && f->picture >= MIN_PICTURE_DB));
    g_autofree char *wrong = golden_taps_first_wrong(taps, MAX_TAP_ERROR / 2);
    if (!right)
        g_test_fail_printf("%s: embeds %.1e, latent %.1e, picture %.1f dB; %s", g->name, f->embeds,
                           f->latent, f->picture, wrong ? wrong : "no inner tensor differs");
}

static void
run_pipelines(const Run *run, Golden *g)
{
    char *directory = golden_assemble(g);
    SanaModel *model = load(run, directory);
    g_autoptr(GError) error = NULL;
    SanaSession *session = sana_session_new(model, &error);
    g_assert_no_error(error);
    bool draws = g->call != GOLDEN_ENCODE;
    if (draws && !g->binning) /* its trial run is not to be seen by the taps */
        sana_session_prepare(session, g->width, g->height, &error);
    g_assert_no_error(error);

    Figures f = {0};
    GoldenTaps *taps = golden_taps_new(g);
    sana_session_set_tap(session, golden_taps_see, taps);
    SanaPrompt *prompt = encode(session, g);
    measure_embeds(session, prompt, g, &f);
    if (draws)
        measure_pictures(session, prompt, g, &f);
    report(run, g, &f, taps);
    judge(run, g, &f, taps);

    golden_taps_free(taps);
    sana_prompt_unref(prompt);
    sana_session_free(session);
    sana_model_unref(model);
    golden_discard(directory);
}

static void
run_transformer(const Run *run, const Golden *g)
{
    GoldenTaps *taps = golden_taps_new(g);
    double error = golden_transformer_error(g, run->device, taps);
    double worst;
    int n = golden_taps_compared(taps, &worst);
    g_test_message("%-9s f32  %-34s  output %.1e  taps %d, worst %.1e", run->device, g->name, error,
                   n, worst);
    g_autofree char *wrong = golden_taps_first_wrong(taps, MAX_TAP_ERROR / 2);
    g_autofree char *missing = golden_taps_missing(taps);
    if (n < 8)
        g_test_fail_printf("%s: only %d inner tensors were compared", g->name, n);
    if (missing[0])
        g_test_fail_printf("%s: the reference has a tap for %s", g->name, missing);
    if (!(error <= MAX_LATENT_ERROR && worst <= MAX_TAP_ERROR))
        g_test_fail_printf("%s: output %.1e; %s", g->name, error,
                           wrong ? wrong : "no inner tensor differs");
    golden_taps_free(taps);
}

static bool
has_precision(const Run *run, const Golden *g)
{
    SanaModelOptions options = {.device = run->device, .precision = run->precision};
    g_autoptr(GError) error = NULL;
    char *directory = golden_assemble(g);
    bool has = sana_model_check(directory, &options, &error);
    golden_discard(directory);
    SanaDevice *dev = sana_device_open(run->device, NULL);
    g_assert_cmpint(has, ==,
                    sana_device_supports(dev, run->precision == SANA_PRECISION_INT8  ? SANA_S8
                                              : run->precision == SANA_PRECISION_FP8 ? SANA_E4M3
                                                                                     : SANA_BF16));
    sana_device_unref(dev);
    if (!has)
        g_assert_error(error, SANA_ERROR, SANA_ERROR_UNSUPPORTED);
    return has;
}

/* What AUTO is to be. */
static SanaPrecision
best_precision(const char *device)
{
    SanaDevice *dev = sana_device_open(device, NULL);
    SanaPrecision best =
        sana_device_best_dtype(dev) == SANA_BF16 ? SANA_PRECISION_BF16 : SANA_PRECISION_F32;
    sana_device_unref(dev);
    return best;
}

/* The case's picture, g_free(), and what its model says of itself. */
static float *
draw_in(SanaPrecision precision, const Golden *g, SanaModelInfo *info)
{
    const Run run = {"cpu", precision, g->name};
    g_autoptr(GError) error = NULL;
    char *directory = golden_assemble(g);
    SanaModel *model = load(&run, directory);
    SanaSession *session = sana_session_new(model, &error);
    g_assert_no_error(error);
    SanaPrompt *prompt = encode(session, g);
    float *pixels = g_new(float, (size_t)g->width *(size_t)g->height * 3);
    SanaImage image = {SANA_IMAGE_RGB_F32, g->width, g->height, (gsize)g->width * 3 * sizeof(float),
                       pixels};
    const SanaParams params = settings(g);
    draw_once(session, prompt, g, &params, &image);
    *info = *sana_model_info(model);
    sana_prompt_unref(prompt);
    sana_session_free(session);
    sana_model_unref(model);
    golden_discard(directory);
    return pixels;
}

/* A model computes in what was asked for: its weights have another size, its pictures other
 * figures. */
static void
check_precisions(void)
{
    static const SanaPrecision all[] = {SANA_PRECISION_F32, SANA_PRECISION_BF16,
                                        SANA_PRECISION_INT8};
    Golden *g = golden_open("i2i_sprint_steps2_strength50");
    const size_t bytes = (size_t)g->width * (size_t)g->height * 3 * sizeof(float);
    const SanaPrecision best = best_precision("cpu");
    float *pictures[G_N_ELEMENTS(all)] = {NULL};
    SanaModelInfo infos[G_N_ELEMENTS(all)], automatic;
    float *by_itself = draw_in(SANA_PRECISION_AUTO, g, &automatic);
    g_assert_cmpint(automatic.precision, ==, best);
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        const Run run = {"cpu", all[i], g->name};
        if (all[i] != SANA_PRECISION_F32 && !has_precision(&run, g))
            continue;
        pictures[i] = draw_in(all[i], g, &infos[i]);
        g_test_message("%s: %zu bytes of weights", precision_name(all[i]), infos[i].weight_bytes);
        if (all[i] == best)
            g_assert_cmpmem(by_itself, bytes, pictures[i], bytes);
        for (size_t k = 0; k < i; k++) {
            if (!pictures[k])
                continue;
            g_assert_cmpuint(infos[i].weight_bytes, <, infos[0].weight_bytes);
            g_assert_cmpint(memcmp(pictures[i], pictures[k], bytes), !=, 0);
        }
    }
    g_free(by_itself);
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        g_free(pictures[i]);
    golden_free(g);
}

/* False, and the test skipped, where this machine or this build has no such device. */
static bool
has_device(const Run *run)
{
    g_autoptr(GError) error = NULL;
    SanaDevice *dev = sana_device_open(run->device, &error);
    if (!dev) {
        g_assert_cmpstr(run->device, ==, "cuda"); /* the others are everywhere */
        g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MISSING);
        g_test_skip(error->message);
    }
    sana_device_unref(dev);
    return dev != NULL;
}

static void
check_case(gconstpointer data)
{
    const Run *run = data;
    if (!has_device(run))
        return;
    Golden *g = golden_open(run->name);
    if (g->call == GOLDEN_TRANSFORMER) {
        run_transformer(run, g);
    } else if (run->precision == SANA_PRECISION_F32 || has_precision(run, g)) {
        run_pipelines(run, g);
    } else {
        g_test_skip("the device does not compute in this precision");
    }
    golden_free(g);
}

static void
free_run(gpointer data)
{
    g_free((char *)((Run *)data)->name);
    g_free(data);
}

static void
add(const char *device, SanaPrecision precision, const char *name)
{
    g_autofree char *path =
        g_strdup_printf("/model/%s/%s/%s", device, precision_name(precision), name);
    Run *run = g_new(Run, 1);
    *run = (Run){device, precision, g_strdup(name)};
    g_test_add_data_func_full(path, run, check_case, free_run);
}

int
main(int argc, char **argv)
{
    /* -k: one failing case does not hide the next */
    g_autofree char **args = g_new0(char *, argc + 2);
    memcpy(args, argv, sizeof(char *) * (size_t)argc);
    args[argc] = (char *)"-k";
    char **all = args;
    int n_args = argc + 1;
    g_test_init(&n_args, &all, NULL);
    g_auto(GStrv) names = golden_names();
    g_assert_cmpuint(g_strv_length(names), >, 80);
    g_test_add_func("/model/precisions", check_precisions);
    for (char **name = names; *name; name++) {
        bool draws =
            !g_str_has_prefix(*name, "prompt_") && !g_str_has_prefix(*name, "transformer_");
        add("cpu", SANA_PRECISION_F32, *name);
        if (!g_str_has_suffix(*name, "_binning")) /* a megapixel, too slow there */
            add("reference", SANA_PRECISION_F32, *name);
        add("cuda", SANA_PRECISION_F32, *name);
        if (draws) {
            add("cpu", SANA_PRECISION_BF16, *name);
            add("cpu", SANA_PRECISION_INT8, *name);
            add("cuda", SANA_PRECISION_BF16, *name);
            add("cuda", SANA_PRECISION_FP8, *name);
        }
    }
    return g_test_run();
}
