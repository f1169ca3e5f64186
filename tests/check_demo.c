/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bundled model: that it loads and draws, draws what diffusers draws with it, obeys its prompts
 * on photographs it was not trained on, lives with any prompt, and that its card is about it.
 *
 * tests/golden/demo, made by tools/demo-model/testdata.py, has the photographs: NN.jpg shows one in
 * the 18 styles of styles.txt, 6 × 3 tiles of 128 px, the first the photograph itself.  A style
 * marked "weak" there is one that the model's card calls so.
 */
#include "tests/tiny.h"

#include <gst/app/app.h>
#include <gst/video/video.h>

#include <math.h>
#include <string.h>

#define SIDE 128
#define ACROSS 6
#define N_STYLES 18
#define N_PHOTOGRAPHS 12
#define VALUES (SIDE * SIDE * 3)

/* --- pictures --------------------------------------------------------------------------------- */

typedef struct {
    int width, height;
    guint8 *pixels; /* RGB, rows without padding */
} Picture;

static char *
demo_path(const char *name)
{
    return g_build_filename(SANA_GOLDEN_DIR, "demo", name, NULL);
}

static Picture
copy_frame(GstSample *sample)
{
    GstVideoInfo info;
    GstVideoFrame frame;
    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    g_assert_true(gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ));
    Picture p = {info.width, info.height, g_malloc((gsize)info.width * (gsize)info.height * 3)};
    for (int y = 0; y < info.height; y++)
        memcpy(p.pixels + (gsize)y * (gsize)info.width * 3,
               (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&frame, 0) +
                   (gsize)y * (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0),
               (gsize)info.width * 3);
    gst_video_frame_unmap(&frame);
    return p;
}

/* Decodes tests/golden/demo/name. */
static Picture
read_picture(const char *name)
{
    g_autofree char *path = demo_path(name);
    g_autofree char *line = g_strdup_printf("filesrc location=\"%s\" ! decodebin ! videoconvert ! "
                                            "video/x-raw,format=RGB ! appsink name=sink sync=false",
                                            path);
    g_autoptr(GError) error = NULL;
    GstElement *pipeline = gst_parse_launch(line, &error);
    g_assert_no_error(error);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstSample *sample = gst_app_sink_pull_sample(GST_APP_SINK(sink));
    if (!sample)
        g_error("%s: does not decode (is gstreamer1.0-plugins-good there?)", path);
    Picture p = copy_frame(sample);
    gst_sample_unref(sample);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(sink);
    gst_object_unref(pipeline);
    return p;
}

/* --- the model -------------------------------------------------------------------------------- */

typedef struct {
    SanaModel *model;
    SanaSession *session;
} Demo;

static Demo
open_demo(const char *device, SanaPrecision precision)
{
    SanaModelOptions options = {.device = device, .precision = precision};
    g_autoptr(GError) error = NULL;
    Demo d = {.model = sana_model_load(SANA_DEMO_MODEL, &options, NULL, &error)};
    g_assert_no_error(error);
    d.session = tiny_session(d.model);
    return d;
}

static void
close_demo(Demo *d)
{
    sana_session_free(d->session);
    sana_model_unref(d->model);
}

/* One step at this strength, SIDE × SIDE, into out. */
static void
restyle(SanaSession *s, const char *text, double strength, guint8 *photograph, guint8 *out)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage source = {SANA_IMAGE_RGB, SIDE, SIDE, SIDE * 3, photograph};
    SanaImage image = {SANA_IMAGE_RGB, SIDE, SIDE, SIDE * 3, out};
    g_autoptr(GError) error = NULL;
    SanaPrompt *prompt = tiny_prompt(s, text);
    params.steps = 1;
    params.strength = strength;
    gboolean ok = sana_session_image_to_image(s, prompt, &params, &source, &image, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    sana_prompt_unref(prompt);
}

static double
decibel(const guint8 *a, const guint8 *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (a[i] - b[i]) * (double)(a[i] - b[i]);
    return 10 * log10(255.0 * 255.0 * (double)count / MAX(sum, 1e-9));
}

/* Standard deviation of all values. */
static double
deviation(const guint8 *pixels)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < VALUES; i++) {
        sum += pixels[i];
        squares += pixels[i] * (double)pixels[i];
    }
    return sqrt(squares / VALUES - sum / VALUES * (sum / VALUES));
}

/* --- what it draws ---------------------------------------------------------------------------- */

typedef struct {
    const char *device;
    SanaPrecision precision;
    double least; /* dB */
} DeviceCase;

static const DeviceCase device_cases[] = {
    {"cpu", SANA_PRECISION_F32, 45},  {"cpu", SANA_PRECISION_BF16, 30},
    {"cpu", SANA_PRECISION_INT8, 30}, {"reference", SANA_PRECISION_F32, 45},
    {"cuda", SANA_PRECISION_F32, 40}, {"cuda", SANA_PRECISION_BF16, 30},
};

/* drawn.png is diffusers' picture in f32. */
static void
draws_what_diffusers_draws(gconstpointer data)
{
    const DeviceCase *g = data;
    SanaModelOptions options = {.device = g->device, .precision = g->precision};
    g_autofree char *path = demo_path("drawn.txt");
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    if (!sana_model_check(SANA_DEMO_MODEL, &options, &error) &&
        g_error_matches(error, SANA_ERROR, SANA_ERROR_UNSUPPORTED)) {
        g_test_skip(error->message);
        return;
    }
    g_assert_no_error(error);
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    Picture expected = read_picture("drawn.png");
    Demo d = open_demo(g->device, g->precision);
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaPrompt *prompt = tiny_prompt(d.session, lines[0]);
    params.seed = g_ascii_strtoull(lines[1], NULL, 10);
    params.steps = atoi(lines[2]);
    g_autofree guint8 *drawn =
        tiny_draw(d.session, prompt, &params, expected.width, expected.height);
    double db = decibel(drawn, expected.pixels, (size_t)expected.width * expected.height * 3);
    g_test_message("%.1f dB", db);
    g_assert_cmpfloat(db, >=, g->least);
    sana_prompt_unref(prompt);
    close_demo(&d);
    g_free(expected.pixels);
}

static void
another_seed_is_another_picture(void)
{
    Demo d = open_demo("cpu", SANA_PRECISION_F32);
    SanaPrompt *prompt = tiny_prompt(d.session, "molten lava");
    SanaParams params = SANA_PARAMS_DEFAULT;
    params.steps = 1;
    g_autofree guint8 *first = tiny_draw(d.session, prompt, &params, SIDE, SIDE);
    params.seed = 1;
    g_autofree guint8 *second = tiny_draw(d.session, prompt, &params, SIDE, SIDE);
    g_assert_cmpfloat(decibel(first, second, VALUES), <, 20);
    sana_prompt_unref(prompt);
    close_demo(&d);
}

/* --- whether it obeys ------------------------------------------------------------------------- */

/* A Gaussian of deviation 1 along one way; the borders are repeated. */
static void
soften(const float *in, float *out, int step, gboolean down)
{
    static const float weight[] = {.3990503f, .2420362f, .0540056f, .0044330f};
    for (int i = 0; i < VALUES; i++) {
        int at = down ? i / (3 * SIDE) : i / 3 % SIDE;
        float sum = weight[0] * in[i];
        for (int k = 1; k < 4; k++)
            sum += weight[k] * (in[i - step * MIN(k, at)] + in[i + step * MIN(k, SIDE - 1 - at)]);
        out[i] = sum;
    }
}

static float *
softened(const guint8 *pixels)
{
    float *a = g_new(float, VALUES);
    g_autofree float *b = g_new(float, VALUES);
    for (int i = 0; i < VALUES; i++)
        a[i] = pixels[i];
    soften(a, b, 3, FALSE);
    soften(b, a, 3 * SIDE, TRUE);
    return a;
}

/* Tile n of a sheet, RGB without padding. */
static guint8 *
cut_tile(const Picture *sheet, int n)
{
    guint8 *tile = g_malloc(VALUES);
    const int x = n % ACROSS * SIDE, y = n / ACROSS * SIDE;
    g_assert_cmpint(sheet->width, ==, ACROSS * SIDE);
    g_assert_cmpint(sheet->height, ==, N_STYLES / ACROSS * SIDE);
    for (int row = 0; row < SIDE; row++)
        memcpy(tile + row * SIDE * 3, sheet->pixels + ((y + row) * sheet->width + x) * 3, SIDE * 3);
    return tile;
}

static int
nearest(const guint8 *drawn, float *const *targets)
{
    g_autofree float *a = softened(drawn);
    double least = G_MAXDOUBLE;
    int best = -1;
    for (int k = 0; k < N_STYLES; k++) {
        double sum = 0;
        for (int i = 0; i < VALUES; i++)
            sum += fabsf(a[i] - targets[k][i]);
        if (sum < least) {
            least = sum;
            best = k;
        }
    }
    return best;
}

/* Asks for every style that is not weak on photograph n: how many were asked for, and how many came
 * out nearest to themselves. */
static void
ask(SanaSession *session, char *const *styles, int n, int *asked, int *right)
{
    g_autofree char *name = g_strdup_printf("%02d.jpg", n);
    Picture sheet = read_picture(name);
    float *targets[N_STYLES];
    g_autofree guint8 *photograph = cut_tile(&sheet, 0);
    g_autofree guint8 *drawn = g_malloc(VALUES);
    for (int k = 0; k < N_STYLES; k++) {
        g_autofree guint8 *tile = cut_tile(&sheet, k);
        targets[k] = softened(tile);
    }
    for (int k = 0; k < N_STYLES; k++) {
        if (g_str_has_suffix(styles[k], " weak"))
            continue;
        g_autofree char *text = g_strdup_printf("make it %s", styles[k]);
        restyle(session, text, .4, photograph, drawn);
        int best = nearest(drawn, targets);
        ++*asked;
        *right += best == k;
        if (best != k)
            g_test_message("%s: %s came out as %s", name, styles[k], styles[best]);
    }
    for (int k = 0; k < N_STYLES; k++)
        g_free(targets[k]);
    g_free(sheet.pixels);
}

static void
obeys_its_prompts(void)
{
    Demo d = open_demo("cpu", SANA_PRECISION_AUTO);
    g_autofree char *path = demo_path("styles.txt");
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    int asked = 0, right = 0;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_auto(GStrv) styles = g_strsplit(g_strchomp(text), "\n", -1);
    g_assert_cmpint(g_strv_length(styles), ==, N_STYLES);
    for (int n = 1; n <= N_PHOTOGRAPHS; n++)
        ask(d.session, styles, n, &asked, &right);
    g_test_message("%d of %d", right, asked);
    g_assert_cmpint(asked, >=, N_PHOTOGRAPHS * 15);
    g_assert_cmpint(100 * right, >=, 90 * asked);
    close_demo(&d);
}

/* --- any prompt ------------------------------------------------------------------------------- */

/* None is an error or comes out flat, and none of these names a style: the photograph stays. */
static void
lives_with_any_prompt(void)
{
    Demo d = open_demo("cpu", SANA_PRECISION_F32);
    Picture sheet = read_picture("11.jpg");
    g_autofree guint8 *photograph = cut_tile(&sheet, 0);
    g_autofree guint8 *drawn = g_malloc(VALUES);
    g_autofree char *lengthy = g_strnfill(100000, 'z');
    const char *const texts[] = {"",         " \t\n", "ein sonniger Tag am See",
                                 "你好世界", "مرحبا", "\xf0\x9f\xa6\x8a",
                                 "</s>",     lengthy};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        restyle(d.session, texts[i], .35, photograph, drawn);
        double db = decibel(drawn, photograph, VALUES);
        g_test_message("prompt %zu: %.1f dB to its source, deviation %.1f", i, db,
                       deviation(drawn));
        g_assert_cmpfloat(deviation(drawn), >=, 15);
        g_assert_cmpfloat(db, >=, 20);
    }
    g_free(sheet.pixels);
    close_demo(&d);
}

/* --- its card --------------------------------------------------------------------------------- */

/* The order is that of the files' names. */
static void
the_card_is_of_these_weights(void)
{
    static const char *const files[] = {"text_encoder/model.safetensors",
                                        "tokenizer/tokenizer.model",
                                        "transformer/diffusion_pytorch_model.safetensors",
                                        "vae/diffusion_pytorch_model.safetensors"};
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree char *card = NULL;
    g_autoptr(GError) error = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        gsize length;
        g_autofree char *bytes = tiny_read(SANA_DEMO_MODEL, files[i], &length);
        g_checksum_update(sum, (guint8 *)bytes, (gssize)length);
    }
    g_file_get_contents(SANA_DEMO_CARD, &card, NULL, &error);
    g_assert_no_error(error);
    if (!strstr(card, g_checksum_get_string(sum)))
        g_error("docs/demo-model.md is not about models/demo, whose digest is %s; "
                "tools/demo-model/make --install writes it",
                g_checksum_get_string(sum));
    g_checksum_free(sum);
}

int
main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(device_cases); i++) {
        const DeviceCase *g = &device_cases[i];
        g_autofree char *path = g_strdup_printf("/demo/draws_what_diffusers_draws/%s/%s", g->device,
                                                g->precision == SANA_PRECISION_F32    ? "f32"
                                                : g->precision == SANA_PRECISION_BF16 ? "bf16"
                                                                                      : "int8");
        g_test_add_data_func(path, g, draws_what_diffusers_draws);
    }
    g_test_add_func("/demo/another_seed_is_another_picture", another_seed_is_another_picture);
    g_test_add_func("/demo/obeys_its_prompts", obeys_its_prompts);
    g_test_add_func("/demo/lives_with_any_prompt", lives_with_any_prompt);
    g_test_add_func("/demo/the_card_is_of_these_weights", the_card_is_of_these_weights);
    return g_test_run();
}
