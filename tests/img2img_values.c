/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which values a frame is drawn with. */
#include "img2img.h"

#include <gst/controller/controller.h>

#include <stdlib.h>
#include <string.h>

/* The model draws at strength 1 a flat colour that tells prompt, seed, steps and guidance. */
static void
expect_colour(GstHarness *h, const char *prompt, guint64 seed, int steps, double guidance)
{
    guint8 colour[3], pixel[3];
    GstBuffer *buffer = gst_harness_pull(h);

    g_assert_nonnull(buffer);
    gst_buffer_extract(buffer, 300, pixel, 3);
    gst_buffer_unref(buffer);
    fake_sana_colour(prompt, seed, steps, guidance, colour);
    g_assert_cmpmem(pixel, 3, colour, 3);
}

static void
push(GstHarness *h, guint n)
{
    g_assert_cmpint(gst_harness_push(h, filter_picture(SMALL, n, n)), ==, GST_FLOW_OK);
}

/* A property as docs/sanaimg2img.md has it, values as gst_value_serialize() writes them. */
typedef struct {
    const char *name, *value; /* the default */
    const char *least, *most; /* NULL: no number */
    GParamFlags flags;
} Property;

#define READY GST_PARAM_MUTABLE_READY
#define PLAYING GST_PARAM_MUTABLE_PLAYING
#define CONTROLLED (PLAYING | GST_PARAM_CONTROLLABLE)
#define MOST64 "18446744073709551615"

static const Property properties[] = {
    {"model-path", NULL, NULL, NULL, READY},
    {"device", "auto", NULL, NULL, READY},
    {"precision", "auto", NULL, NULL, READY},
    {"text-encoder-device", "auto", NULL, NULL, READY},
    {"text-encoder-memory", "keep", NULL, NULL, PLAYING},
    {"prompt", "\"\"", NULL, NULL, PLAYING},
    {"prompt-file", NULL, NULL, NULL, PLAYING},
    {"prompt-transition", "0", "0", MOST64, PLAYING},
    {"force-key-unit", "false", NULL, NULL, PLAYING},
    {"instruction", NULL, NULL, NULL, PLAYING},
    {"clean-caption", "false", NULL, NULL, PLAYING},
    {"max-sequence-length", "300", "1", "4096", PLAYING},
    {"seed", "0", "0", MOST64, PLAYING},
    {"noise-mode", "fixed", NULL, NULL, PLAYING},
    {"steps", "1", "1", "20", PLAYING},
    {"guidance-scale", "4.5", "0", "20", CONTROLLED},
    {"max-timesteps", "1.5708", "0", "1.5708", PLAYING},
    {"intermediate-timesteps", "1.3", "-1", "1.5708", PLAYING},
    {"strength", "0.4", "0", "1", CONTROLLED},
    {"strength-mode", "continuous", NULL, NULL, PLAYING},
    {"process-width", "0", "0", "16384", PLAYING},
    {"process-height", "0", "0", "16384", PLAYING},
    {"fit", "crop", NULL, NULL, PLAYING},
    {"mix", "1", "0", "1", CONTROLLED},
    {"bypass", "false", NULL, NULL, CONTROLLED},
    {"temporal-smoothing", "0", "0", "1", CONTROLLED},
    {"latency", MOST64, "0", MOST64, PLAYING},
    {"qos", "true", NULL, NULL, PLAYING},
    {"leaky", "auto", NULL, NULL, PLAYING},
    {"pacing", "wait", NULL, NULL, PLAYING},
    {"startup-mode", "auto", NULL, NULL, READY},
    {"process-interval", "1", "1", "4294967295", PLAYING},
    {"similarity-threshold", "0", "0", "1", PLAYING},
    {"on-error", "error", NULL, NULL, PLAYING},
    {"post-messages", "false", NULL, NULL, PLAYING},
};

static void
assert_number(const char *text, double value)
{
    g_assert_nonnull(text);
    g_assert_cmpfloat(g_ascii_strtod(text, NULL), ==, value);
}

static void
assert_range(const Property *want, GParamSpec *spec)
{
    if (G_IS_PARAM_SPEC_DOUBLE(spec)) {
        assert_number(want->least, G_PARAM_SPEC_DOUBLE(spec)->minimum);
        assert_number(want->most, G_PARAM_SPEC_DOUBLE(spec)->maximum);
    } else if (G_IS_PARAM_SPEC_UINT(spec)) {
        assert_number(want->least, G_PARAM_SPEC_UINT(spec)->minimum);
        assert_number(want->most, G_PARAM_SPEC_UINT(spec)->maximum);
    } else if (G_IS_PARAM_SPEC_UINT64(spec)) {
        g_assert_cmpuint(g_ascii_strtoull(want->least, NULL, 10), ==,
                         G_PARAM_SPEC_UINT64(spec)->minimum);
        g_assert_cmpuint(g_ascii_strtoull(want->most, NULL, 10), ==,
                         G_PARAM_SPEC_UINT64(spec)->maximum);
    } else {
        g_assert_null(want->least);
    }
}

static void
test_defaults(void)
{
    const GParamFlags flags = READY | GST_PARAM_MUTABLE_PAUSED | CONTROLLED;
    GstElement *element = gst_element_factory_make("sanaimg2img", NULL);
    GObjectClass *class = G_OBJECT_GET_CLASS(element);

    for (guint i = 0; i < G_N_ELEMENTS(properties); i++) {
        const Property *want = &properties[i];
        GParamSpec *spec = g_object_class_find_property(class, want->name);
        GValue value = G_VALUE_INIT;
        g_test_message("%s", want->name);
        g_assert_nonnull(spec);
        g_value_init(&value, spec->value_type);
        g_object_get_property(G_OBJECT(element), want->name, &value);
        g_assert_true(g_param_value_defaults(spec, &value));
        if (G_VALUE_HOLDS_DOUBLE(&value)) {
            assert_number(want->value, g_value_get_double(&value));
        } else {
            char *text = gst_value_serialize(&value);
            g_assert_cmpstr(text, ==, want->value);
            g_free(text);
        }
        assert_range(want, spec);
        g_assert_cmphex(spec->flags & flags, ==, want->flags);
        g_value_unset(&value);
    }
    g_assert_nonnull(
        gst_element_class_get_metadata(GST_ELEMENT_CLASS(class), GST_ELEMENT_METADATA_DOC_URI));
    gst_object_unref(element);
}

static void
test_values_of_a_frame(void)
{
    GstHarness *h =
        filter_start(filter_make("strength", 1.0, "prompt", "one", "seed", G_GUINT64_CONSTANT(5),
                                 "steps", 3, "guidance-scale", 5.0, NULL),
                     SMALL, FALSE);
    push(h, 0);
    expect_colour(h, "one", 5, 3, 5.0);
    g_object_set(h->element, "steps", 1, "seed", G_GUINT64_CONSTANT(6), NULL);
    push(h, 1);
    expect_colour(h, "one", 6, 1, 5.0);
    filter_stop(h);
}

static void
test_noise_modes(void)
{
    GstHarness *h = filter_start(filter_make("strength", 1.0, "seed", G_GUINT64_CONSTANT(40), NULL),
                                 SMALL, FALSE);

    for (guint n = 0; n < 3; n++) {
        push(h, n);
        expect_colour(h, "", 40, 1, 4.5);
    }
    gst_util_set_object_arg(G_OBJECT(h->element), "noise-mode", "per-frame");
    for (guint n = 3; n < 6; n++) {
        push(h, n);
        expect_colour(h, "", 40 + n, 1, 4.5);
    }
    filter_stop(h);
}

/* How often the text encoder was released within a second, until it is `enough`. */
static int
releases(int enough)
{
    FakeSanaCounts counts;
    gint64 end = g_get_monotonic_time() + G_TIME_SPAN_SECOND;

    do {
        g_usleep(1000);
        fake_sana_counts(&counts);
    } while (counts.released < enough && g_get_monotonic_time() < end);
    return counts.released;
}

/* Kept by default; else given back once after each prompt, however many frames follow. */
static void
test_text_encoder_memory(void)
{
    GstHarness *h = filter_start(filter_make("strength", 1.0, "prompt", "one", NULL), SMALL, FALSE);

    fake_sana_forget();
    push(h, 0);
    expect_colour(h, "one", 0, 1, 4.5);
    g_assert_cmpint(releases(1), ==, 0);
    gst_util_set_object_arg(G_OBJECT(h->element), "text-encoder-memory", "release");
    for (guint n = 1; n < 4; n++) {
        push(h, n);
        expect_colour(h, "one", 0, 1, 4.5);
    }
    g_assert_cmpint(releases(1), ==, 1);
    g_object_set(h->element, "prompt", "two", NULL);
    push(h, 4);
    expect_colour(h, "two", 0, 1, 4.5);
    g_assert_cmpint(releases(2), ==, 2);
    g_assert_cmpint(releases(3), ==, 2);
    filter_stop(h);
}

/* File to file: a frame that came before a change has the old prompt, one that came after the new,
 * though the embedding takes longer than the frame. */
static void
test_prompt_changes_between_frames(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:prompt=50,frame=5", "strength",
                                             1.0, "prompt", "prompt 0", NULL),
                                 SMALL, FALSE);
    for (guint n = 0; n < 6; n++) {
        char *prompt = g_strdup_printf("prompt %u", n / 2);
        g_object_set(h->element, "prompt", prompt, NULL);
        push(h, n);
        g_free(prompt);
    }
    for (guint n = 0; n < 6; n++) {
        char *prompt = g_strdup_printf("prompt %u", n / 2);
        expect_colour(h, prompt, 0, 1, 4.5);
        g_free(prompt);
    }
    filter_stop(h);
}

/* The first frame that shows a prompt is named on the bus, with its times. */
static void
test_prompt_is_announced(void)
{
    GstHarness *h = filter_start(filter_make("prompt", "one", NULL), SMALL, FALSE);
    static const char *const prompts[] = {"one", "two"};

    for (guint n = 0; n < 4; n++) {
        if (n == 2)
            g_object_set(h->element, "prompt", "two", NULL);
        push(h, n);
        gst_buffer_unref(gst_harness_pull(h));
    }
    for (guint i = 0; i < 2; i++) {
        GstMessage *message = filter_message(h->element, GST_MESSAGE_ELEMENT);
        g_assert_nonnull(message);
        const GstStructure *s = gst_message_get_structure(message);
        GstClockTime timestamp, running_time;
        g_assert_true(gst_structure_has_name(s, "sana-prompt-applied"));
        g_assert_cmpstr(gst_structure_get_string(s, "prompt"), ==, prompts[i]);
        g_assert_true(gst_structure_get(s, "timestamp", GST_TYPE_CLOCK_TIME, &timestamp,
                                        "running-time", GST_TYPE_CLOCK_TIME, &running_time, NULL));
        g_assert_cmpuint(timestamp, ==, i * 2 * 40 * GST_MSECOND);
        g_assert_cmpuint(running_time, ==, timestamp);
        gst_message_unref(message);
    }
    GstBus *bus = gst_element_get_bus(h->element);
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT));
    gst_object_unref(bus);
    filter_stop(h);
}

/* Live, and a new prompt with each frame: what is seen is always some frames old, and named so. */
static void
test_late_prompts_are_announced(void)
{
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:prompt=60,frame=5", "prompt", "prompt 0", NULL), SMALL,
        TRUE);
    guint last = 0, count = 0;
    GstMessage *message;

    for (guint n = 0; n < 15; n++) {
        char *prompt = g_strdup_printf("prompt %u", n);
        g_object_set(h->element, "prompt", prompt, NULL);
        g_free(prompt);
        push(h, n);
        gst_buffer_unref(gst_harness_pull(h));
        g_usleep(20000);
    }
    GstBus *bus = gst_element_get_bus(h->element);
    while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT)) != NULL) {
        const char *prompt = gst_structure_get_string(gst_message_get_structure(message), "prompt");
        guint number = atoi(prompt + strlen("prompt "));
        g_assert_true(count == 0 || number > last);
        last = number;
        count++;
        gst_message_unref(message);
    }
    gst_object_unref(bus);
    g_assert_cmpuint(count, >=, 3);
    filter_stop(h);
}

static void
test_refused_prompt(void)
{
    GstHarness *h = filter_start(filter_make("prompt", "refuse this", NULL), SMALL, FALSE);
    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    filter_expect_error(h->element, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "prompt");
    filter_stop(h);
}

/* A ramp from 0 to 1 in the second from 1 s of stream time, which begins at 10 s of PTS. */
static void
test_strength_follows_a_curve(void)
{
    GstElement *element = filter_make("prompt", "curve", NULL);
    GstControlSource *source = gst_interpolation_control_source_new();
    g_object_set(source, "mode", GST_INTERPOLATION_MODE_LINEAR, NULL);
    GstTimedValueControlSource *values = GST_TIMED_VALUE_CONTROL_SOURCE(source);
    gst_timed_value_control_source_set(values, 1 * GST_SECOND, 0.0);
    gst_timed_value_control_source_set(values, 2 * GST_SECOND, 1.0);
    g_assert_true(gst_object_add_control_binding(
        GST_OBJECT(element),
        gst_direct_control_binding_new(GST_OBJECT(element), "strength", source)));
    GstHarness *h = filter_start(element, SMALL, FALSE);
    guint8 colour[3];
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = 10 * GST_SECOND;
    segment.time = 0;
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    fake_sana_colour("curve", 0, 1, 4.5, colour);
    for (guint tenth = 0; tenth <= 10; tenth++) {
        GstBuffer *in = filter_picture(SMALL, 0, 0);
        guint8 pixel[3];
        gst_buffer_memset(in, 0, 128, gst_buffer_get_size(in));
        GST_BUFFER_PTS(in) = 11 * GST_SECOND + tenth * 100 * GST_MSECOND;
        gst_harness_push(h, in);
        GstBuffer *out = gst_harness_pull(h);
        gst_buffer_extract(out, 600, pixel, 3);
        gst_buffer_unref(out);
        for (guint c = 0; c < 3; c++)
            g_assert_cmpfloat_with_epsilon(pixel[c], 128 + tenth / 10.0 * (colour[c] - 128), 0.51);
    }
    gst_object_unref(source);
    filter_stop(h);
}

/* Setters return at once while everything is busy. */
static void
test_setters_do_not_wait(void)
{
    static const char *const models[] = {"fake:load=2000", "fake:prompt=2000", "fake:frame=2000"};

    for (guint i = 0; i < G_N_ELEMENTS(models); i++) {
        GstHarness *h = filter_start(filter_make("model-path", models[i], NULL), SMALL, FALSE);
        push(h, 0);
        push(h, 1);
        g_usleep(30000);
        gint64 begin = element_test_time();
        for (guint n = 0; n < 50; n++) {
            char *prompt = g_strdup_printf("%u", n);
            g_object_set(h->element, "prompt", prompt, "strength", n / 50.0, "seed", (guint64)n,
                         "steps", 1 + n % 4, NULL);
            g_free(prompt);
        }
        expect_quick(begin, "two hundred setters");
        filter_stop(h);
    }
}

void
add_values_tests(void)
{
    g_test_add_func("/img2img/values/defaults", test_defaults);
    g_test_add_func("/img2img/values/of a frame", test_values_of_a_frame);
    g_test_add_func("/img2img/values/noise modes", test_noise_modes);
    g_test_add_func("/img2img/values/text encoder memory", test_text_encoder_memory);
    g_test_add_func("/img2img/values/prompt changes between frames",
                    test_prompt_changes_between_frames);
    g_test_add_func("/img2img/values/prompt is announced", test_prompt_is_announced);
    g_test_add_func("/img2img/values/late prompts are announced", test_late_prompts_are_announced);
    g_test_add_func("/img2img/values/refused prompt", test_refused_prompt);
    g_test_add_func("/img2img/values/strength follows a curve", test_strength_follows_a_curve);
    g_test_add_func("/img2img/values/setters do not wait", test_setters_do_not_wait);
}
