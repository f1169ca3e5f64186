/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* That every property of both elements arrives where it counts: at the model, its prompts and its
 * pictures, before the start and while playing. */
#include "element_util.h"
#include "fake_sana.h"
#include "img2img.h"

#include <stdlib.h>

typedef enum { INT, SEED, DOUBLE, STRING } Kind;

/* A property, where its value is to be seen, what it is at the start and what it becomes. */
typedef struct {
    const char *name;
    Kind kind;
    gsize offset; /* in FakeSanaLast */
    const char *first, *then;
} Row;

#define AT(field) G_STRUCT_OFFSET(FakeSanaLast, field)
#define COMMON                                                                               \
    {"prompt", STRING, AT(text), "one", "two"},                                              \
        {"instruction", STRING, AT(prompt.instruction), "Paint:", "Draw:"},                  \
        {"clean-caption", INT, AT(prompt.clean_caption), "1", "0"},                          \
        {"max-sequence-length", INT, AT(prompt.max_sequence_length), "77", "9"},             \
        {"steps", INT, AT(params.steps), "3", "2"},                                          \
        {"guidance-scale", DOUBLE, AT(params.guidance_scale), "5", "4"},                     \
        {"seed", SEED, AT(params.seed), "11", "12"},                                         \
        {"max-timesteps", DOUBLE, AT(params.max_timesteps), "1.5", "1.25"},                  \
    {                                                                                        \
        "intermediate-timesteps", DOUBLE, AT(params.intermediate_timesteps), "1.125", "0.75" \
    }

static const Row of_a_filter[] = {
    COMMON,
    {"strength", DOUBLE, AT(params.strength), "0.5", "0.25"},
    {"strength-mode", INT, AT(params.strength_mode), "1", "0"},
};

static const Row of_a_source[] = {
    COMMON,
    {"resolution-binning", INT, AT(params.resolution_binning), "1", "0"},
};

/* Every value that a property decides, and those that none may touch. */
static char *
describe(const FakeSanaLast *last)
{
    const SanaParams *p = &last->params;

    return g_strdup_printf(
        "prompt %s, instruction %s, clean %d, tokens %d, steps %d, guidance %g, "
        "seed %" G_GUINT64_FORMAT ", max %g, intermediate %g, strength %g, mode %d, binning %d, "
        "pictures %d, given %d",
        last->text, last->prompt.instruction, last->prompt.clean_caption,
        last->prompt.max_sequence_length, p->steps, p->guidance_scale, p->seed, p->max_timesteps,
        p->intermediate_timesteps, p->strength, p->strength_mode, p->resolution_binning,
        p->n_images, p->timesteps || p->latents || p->latent_out || p->step);
}

static void
set(GstElement *element, const Row *row, const char *value, FakeSanaLast *want)
{
    gpointer field = (guint8 *)want + row->offset;

    gst_util_set_object_arg(G_OBJECT(element), row->name, value);
    if (row->kind == INT)
        *(int *)field = atoi(value);
    else if (row->kind == SEED)
        *(guint64 *)field = g_ascii_strtoull(value, NULL, 10);
    else if (row->kind == DOUBLE)
        *(double *)field = g_ascii_strtod(value, NULL);
    else
        *(const char **)field = value;
}

static void
assert_arrived(const char *name, const FakeSanaLast *want)
{
    FakeSanaLast last;

    fake_sana_last(&last);
    char *is = describe(&last), *should = describe(want);
    g_test_message("%s: %s", name, is);
    g_assert_cmpstr(is, ==, should);
    g_free(is);
    g_free(should);
}

static int
drawn(void)
{
    FakeSanaCounts counts;

    fake_sana_counts(&counts);
    return counts.frames;
}

/* The same picture all the time, which is drawn anew for another value alone. */
static void
what_a_filter_is_told_arrives(void)
{
    FakeSanaLast want = {.params = SANA_PARAMS_DEFAULT};
    GstElement *element = filter_make("similarity-threshold", 1.0, NULL);
    guint n = 0;

    for (guint i = 0; i < G_N_ELEMENTS(of_a_filter); i++)
        set(element, &of_a_filter[i], of_a_filter[i].first, &want);
    fake_sana_forget();
    GstHarness *h = filter_start(element, SMALL, FALSE);
    gst_buffer_unref(filter_through(h, filter_picture(SMALL, 0, n++)));
    assert_arrived("at the start", &want);
    for (guint i = 0; i < G_N_ELEMENTS(of_a_filter); i++) {
        gst_buffer_unref(filter_through(h, filter_picture(SMALL, 0, n++)));
        g_assert_cmpint(drawn(), ==, (int)i + 1);
        set(element, &of_a_filter[i], of_a_filter[i].then, &want);
        gst_buffer_unref(filter_through(h, filter_picture(SMALL, 0, n++)));
        assert_arrived(of_a_filter[i].name, &want);
        g_assert_cmpint(drawn(), ==, (int)i + 2);
    }
    filter_stop(h);
}

/* One picture, which is drawn anew for another value alone. */
static void
what_a_source_is_told_arrives(void)
{
    FakeSanaLast want = {.params = SANA_PARAMS_DEFAULT};
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e seed-mode=fixed model-path=fake: ! "
                     "video/x-raw,format=RGB,width=16,height=16 ! "
                     "appsink name=out sync=false max-buffers=1");
    for (guint i = 0; i < G_N_ELEMENTS(of_a_source); i++)
        set(pipe.element, &of_a_source[i], of_a_source[i].first, &want);
    fake_sana_forget();
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    assert_arrived("at the start", &want);
    for (guint i = 0; i < G_N_ELEMENTS(of_a_source); i++) {
        g_assert_cmpint(drawn(), ==, (int)i + 1);
        set(pipe.element, &of_a_source[i], of_a_source[i].then, &want);
        /* some were made before */
        for (guint n = 0; n < 20 && drawn() == (int)i + 1; n++)
            gst_sample_unref(pipe_pull(&pipe));
        assert_arrived(of_a_source[i].name, &want);
        g_assert_cmpint(drawn(), ==, (int)i + 2);
    }
    pipe_close(&pipe);
}

/* --- the model -------------------------------------------------------------------------------- */

/* Started with these properties; the caller closes it. */
static void
start(Pipe *pipe, const char *properties)
{
    char *line = g_strdup_printf("sanasrc name=e %s ! video/x-raw,width=16,height=16 ! "
                                 "appsink name=out sync=false max-buffers=1",
                                 properties);

    pipe_open(pipe, line);
    g_free(line);
    pipe_play(pipe);
    GstSample *sample = pipe_pull(pipe);
    g_assert_nonnull(sample);
    gst_sample_unref(sample);
}

/* A model is another one in another precision or on another device, and is loaded as asked. */
static void
a_model_is_loaded_as_it_is_asked_for(void)
{
    static const struct {
        const char *properties;
        int loads; /* so far */
        const char *device, *text_device;
        SanaPrecision precision;
    } cases[] = {
        {"precision=f32", 1, "auto", "auto", SANA_PRECISION_F32},
        {"precision=f32", 1, "auto", "auto", SANA_PRECISION_F32},
        {"precision=bf16", 2, "auto", "auto", SANA_PRECISION_BF16},
        {"precision=bf16 text-encoder-device=cpu", 3, "auto", "cpu", SANA_PRECISION_BF16},
        {"precision=bf16 device=cpu", 4, "cpu", "auto", SANA_PRECISION_BF16},
        {"precision=auto", 5, "auto", "auto", SANA_PRECISION_AUTO},
    };
    Pipe pipes[G_N_ELEMENTS(cases)];

    fake_sana_forget();
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *properties = g_strdup_printf("%s model-path=fake:id=asked", cases[i].properties);
        FakeSanaCounts counts;
        FakeSanaLast last;
        start(&pipes[i], properties);
        g_test_message("%s", properties);
        g_free(properties);
        fake_sana_counts(&counts);
        fake_sana_last(&last);
        g_assert_cmpint(counts.loads, ==, cases[i].loads);
        g_assert_cmpstr(last.device, ==, cases[i].device);
        g_assert_cmpstr(last.text_device, ==, cases[i].text_device);
        g_assert_cmpint(last.precision, ==, cases[i].precision);
    }
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        pipe_close(&pipes[i]);
}

/* Whether an element gets to READY with this environment and this property. */
static gboolean
finds_a_model(const char *element, const char *environment, const char *path)
{
    GstElement *e = gst_element_factory_make(element, NULL);

    if (environment)
        g_setenv("SANA_MODEL_PATH", environment, TRUE);
    g_object_set(e, "model-path", path, NULL);
    gboolean found = gst_element_set_state(e, GST_STATE_READY) == GST_STATE_CHANGE_SUCCESS;
    gst_element_set_state(e, GST_STATE_NULL);
    gst_object_unref(e);
    g_unsetenv("SANA_MODEL_PATH");
    return found;
}

/* The environment's model is that of elements that are told of none. */
static void
model_path_goes_before_the_environment(void)
{
    static const char *const elements[] = {"sanasrc", "sanaimg2img"};

    for (guint i = 0; i < G_N_ELEMENTS(elements); i++) {
        g_assert_true(finds_a_model(elements[i], "/no/such", "fake:"));
        g_assert_false(finds_a_model(elements[i], "fake:", "/no/such"));
        g_assert_true(finds_a_model(elements[i], "fake:", NULL));
        g_assert_true(finds_a_model(elements[i], "fake:", ""));
        g_assert_false(finds_a_model(elements[i], "/no/such", NULL));
    }
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/values/" #f, f)
    TEST(what_a_filter_is_told_arrives);
    TEST(what_a_source_is_told_arrives);
    TEST(a_model_is_loaded_as_it_is_asked_for);
    TEST(model_path_goes_before_the_environment);
    return g_test_run();
}
