/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks by name, pictures by address, and key frames where a prompt begins. */
#include "element_util.h"
#include "fake_sana.h"
#include "img2img.h"
#include "testdir.h"

#include <gst/video/video-event.h>
#include <string.h>

/* --- presets ---------------------------------------------------------------------------------- */

/* Row 39: what is installed. */
static void
assert_looks(const char *factory, guint at_least)
{
    GstElement *element = gst_element_factory_make(factory, NULL);
    char **looks = gst_preset_get_preset_names(GST_PRESET(element));
    GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    g_assert_nonnull(looks);
    g_assert_cmpuint(g_strv_length(looks), >=, at_least);
    for (char **look = looks; *look; look++) {
        char *prompt, *comment = NULL;
        double guidance;
        g_test_message("%s @preset=%s", factory, *look);
        g_object_set(element, "prompt", "", NULL);
        g_assert_true(gst_preset_load_preset(GST_PRESET(element), *look));
        g_object_get(element, "prompt", &prompt, "guidance-scale", &guidance, NULL);
        g_assert_cmpuint(strlen(prompt), >, 3);
        g_assert_cmpfloat(guidance, >=, 4.0);
        g_assert_cmpfloat(guidance, <=, 5.0);
        g_assert_true(g_hash_table_add(seen, prompt)); /* no two are the same */
        g_assert_true(gst_preset_get_meta(GST_PRESET(element), *look, "comment", &comment));
        g_assert_cmpuint(strlen(comment), >, 3);
        g_free(comment);
        if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), "strength")) {
            double strength;
            g_object_get(element, "strength", &strength, NULL);
            g_assert_cmpfloat(strength, >=, 0.2);
            g_assert_cmpfloat(strength, <=, 0.6);
        }
    }
    g_hash_table_unref(seen);
    g_strfreev(looks);
    gst_object_unref(element);
}

static void
looks_are_installed(void)
{
    assert_looks("sanaimg2img", 12);
    assert_looks("sanasrc", 12);
}

static void
a_look_is_a_launch_line(void)
{
    GError *error = NULL;
    GstElement *element = gst_parse_launch("sanaimg2img @preset=watercolour seed=7", &error);
    char *prompt;
    guint64 seed;
    double strength, smoothing;

    g_assert_no_error(error);
    g_object_get(element, "prompt", &prompt, "seed", &seed, "strength", &strength,
                 "temporal-smoothing", &smoothing, NULL);
    g_assert_nonnull(strstr(prompt, "watercolour"));
    g_assert_cmpfloat(strength, ==, 0.35);
    g_assert_cmpfloat(smoothing, ==, 0.2);
    g_assert_cmpuint(seed, ==, 7);
    g_free(prompt);
    gst_object_unref(element);
}

/* A look says nothing of the seed, the model or the device. */
static void
a_look_is_no_more_than_a_look(void)
{
    static const char *const factories[] = {"sanaimg2img", "sanasrc"};
    static const char *const others[] = {"name",        "parent",      "qos",       "seed",
                                         "model-path",  "device",      "precision", "prompt-file",
                                         "num-buffers", "startup-mode"};
    for (guint i = 0; i < G_N_ELEMENTS(factories); i++) {
        GstElement *element = gst_element_factory_make(factories[i], NULL);
        char **names = gst_preset_get_property_names(GST_PRESET(element));
        g_assert_true(g_strv_contains((const char *const *)names, "prompt"));
        for (guint k = 0; k < G_N_ELEMENTS(others); k++)
            g_assert_false(g_strv_contains((const char *const *)names, others[k]));
        g_strfreev(names);
        g_object_set(element, "seed", G_GUINT64_CONSTANT(9), "model-path", "fake:", NULL);
        char **looks = gst_preset_get_preset_names(GST_PRESET(element)), *path;
        g_assert_true(gst_preset_load_preset(GST_PRESET(element), looks[0]));
        guint64 seed;
        g_object_get(element, "seed", &seed, "model-path", &path, NULL);
        g_assert_cmpuint(seed, ==, 9);
        g_assert_cmpstr(path, ==, "fake:");
        g_free(path);
        g_strfreev(looks);
        gst_object_unref(element);
    }
}

static void
a_look_of_ones_own_is_kept(void)
{
    GstElement *element = filter_make("prompt", "mine", "strength", 0.25, NULL);
    char *prompt;
    double strength;

    g_assert_true(gst_preset_save_preset(GST_PRESET(element), "mine"));
    g_object_set(element, "prompt", "other", "strength", 0.5, NULL);
    g_assert_true(gst_preset_load_preset(GST_PRESET(element), "mine"));
    g_object_get(element, "prompt", &prompt, "strength", &strength, NULL);
    g_assert_cmpstr(prompt, ==, "mine");
    g_assert_cmpfloat(strength, ==, 0.25);
    g_free(prompt);
    g_assert_false(gst_preset_load_preset(GST_PRESET(element), "nobody's"));
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

typedef struct {
    GstElement *element;
    gint stop; /* atomic */
} Loader;

static gpointer
load_by_turns(gpointer data)
{
    Loader *loader = data;
    for (guint i = 0; !g_atomic_int_get(&loader->stop); i++) {
        gst_preset_load_preset(GST_PRESET(loader->element), i % 2 ? "odd" : "even");
        g_thread_yield();
    }
    return NULL;
}

static void
save(GstElement *element, const char *name, double guidance, guint steps)
{
    g_object_set(element, "prompt", name, "guidance-scale", guidance, "steps", steps, "strength",
                 1.0, NULL);
    g_assert_true(gst_preset_save_preset(GST_PRESET(element), name));
}

/* §0.17: no frame has the prompt of one and the guidance of the other. */
static void
a_look_changes_between_frames(void)
{
    GstElement *element = filter_make("model-path", "fake:", NULL);
    guint8 even[3], odd[3], pixel[3];
    guint seen[2] = {0, 0};
    Loader loader = {element, 0};

    save(element, "odd", 5.0, 3);
    save(element, "even", 4.0, 1);
    fake_sana_colour("odd", 0, 3, 5.0, odd);
    fake_sana_colour("even", 0, 1, 4.0, even);
    GstHarness *h = filter_start(element, SMALL, FALSE);
    GThread *thread = g_thread_new("loader", load_by_turns, &loader);
    /* and on until both were seen, should the other thread have had no turn */
    const gint64 enough = g_get_monotonic_time() + ENOUGH / 1000;
    for (guint n = 0; n < 300 || ((!seen[0] || !seen[1]) && g_get_monotonic_time() < enough); n++) {
        gst_harness_push(h, filter_picture(SMALL, n, n));
        GstBuffer *buffer = gst_harness_pull(h);
        g_assert_nonnull(buffer);
        gst_buffer_extract(buffer, 300, pixel, 3);
        gst_buffer_unref(buffer);
        gboolean is_odd = !memcmp(pixel, odd, 3);
        g_assert_true(is_odd || !memcmp(pixel, even, 3));
        seen[is_odd]++;
    }
    g_atomic_int_set(&loader.stop, 1);
    g_thread_join(thread);
    g_test_message("%u even, %u odd frames", seen[0], seen[1]);
    g_assert_cmpuint(seen[0], >, 0);
    g_assert_cmpuint(seen[1], >, 0);
    filter_stop(h);
}

/* --- addresses -------------------------------------------------------------------------------- */

static void
an_address_is_a_source(void)
{
    GError *error = NULL;
    GstElement *src = gst_element_make_from_uri(
        GST_URI_SRC, "sana://?prompt=a%20forest%20%26%20a%20lake&seed=7&steps=1&seed-mode=fixed",
        NULL, &error);
    guint64 seed;
    guint steps;
    char *prompt, *mode;

    g_assert_no_error(error);
    g_object_get(src, "prompt", &prompt, "seed", &seed, "steps", &steps, NULL);
    g_assert_cmpstr(prompt, ==, "a forest & a lake");
    g_assert_cmpuint(seed, ==, 7);
    g_assert_cmpuint(steps, ==, 1);
    g_free(prompt);

    char *uri = gst_uri_handler_get_uri(GST_URI_HANDLER(src));
    g_test_message("%s", uri);
    GstElement *again = gst_element_make_from_uri(GST_URI_SRC, uri, NULL, &error);
    g_assert_no_error(error);
    g_object_get(again, "prompt", &prompt, "seed", &seed, NULL);
    GValue value = G_VALUE_INIT;
    g_value_init(&value,
                 g_object_class_find_property(G_OBJECT_GET_CLASS(again), "seed-mode")->value_type);
    g_object_get_property(G_OBJECT(again), "seed-mode", &value);
    mode = gst_value_serialize(&value);
    g_assert_cmpstr(mode, ==, "fixed");
    g_assert_cmpstr(prompt, ==, "a forest & a lake");
    g_assert_cmpuint(seed, ==, 7);
    g_value_unset(&value);
    g_free(mode);
    g_free(prompt);
    g_free(uri);
    gst_object_unref(again);
    gst_object_unref(src);
}

static void
an_address_says_what_is_wrong_with_it(void)
{
    static const struct {
        const char *uri, *part;
    } bad[] = {
        {"sana://?promt=x", "promt"},
        {"sana://?model-path=/etc", "model-path"},
        {"sana://?prompt-file=/etc/passwd", "prompt-file"},
        {"sana://?seed=many", "many"},
        {"sana://?steps=21", "21"},
        {"sana://?guidance-scale=-1", "-1"},
        {"sana://?prompt=new&steps=0", "0"},
        {"sana://?steps", "steps"},
    };
    GstElement *src = gst_element_factory_make("sanasrc", NULL);

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        GError *error = NULL;
        char *prompt;
        g_assert_false(gst_uri_handler_set_uri(GST_URI_HANDLER(src), bad[i].uri, &error));
        g_test_message("%s: %s", bad[i].uri, error->message);
        g_assert_true(error->domain == GST_URI_ERROR);
        g_assert_nonnull(strstr(error->message, bad[i].part));
        g_error_free(error);
        /* nothing of it was taken */
        g_object_get(src, "prompt", &prompt, NULL);
        g_assert_cmpstr(prompt, ==, "");
        g_free(prompt);
    }
    gst_object_unref(src);
}

/* Row 40: what plays addresses plays these. */
static void
an_address_plays(void)
{
    Pipe pipe;

    g_setenv("SANA_MODEL_PATH", "fake:native=32", TRUE);
    pipe_open(&pipe, "uridecodebin uri=sana://?prompt=x&seed=5&seed-mode=fixed ! videoconvert ! "
                     "video/x-raw,format=RGB ! appsink name=out sync=false max-buffers=1");
    pipe_play(&pipe);
    GstSample *sample = pipe_pull(&pipe);
    g_assert_nonnull(sample);
    guint8 want[3], pixel[3];
    fake_sana_colour("x", 5, 2, 4.5, want);
    gst_buffer_extract(gst_sample_get_buffer(sample), (16 * 32 + 16) * 3, pixel, 3);
    g_assert_cmpmem(pixel, 3, want, 3);
    gst_sample_unref(sample);
    pipe_close(&pipe);
    g_unsetenv("SANA_MODEL_PATH");
}

/* --- key frames ------------------------------------------------------------------------------- */

/* What passes a pad, as words: "buffer:100" and "key:200", in ms of PTS and running time. */
static GstPadProbeReturn
note(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    GString *words = data;
    GstClockTime running_time;

    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
        g_string_append_printf(words, "%" G_GUINT64_FORMAT " ",
                               GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)) / GST_MSECOND);
    } else if (gst_video_event_is_force_key_unit(GST_PAD_PROBE_INFO_EVENT(info))) {
        g_assert_true(gst_video_event_parse_downstream_force_key_unit(
            GST_PAD_PROBE_INFO_EVENT(info), NULL, NULL, &running_time, NULL, NULL));
        g_string_append_printf(words, "key:%" G_GUINT64_FORMAT " ", running_time / GST_MSECOND);
    }
    return GST_PAD_PROBE_OK;
}

/* Row 38: before the first frame of another prompt, and not before the first prompt. */
static void
another_prompt_asks_for_a_key_frame(void)
{
    static const char *const prompts[] = {"one", "one", "two", "two", "three"};
    static const char *const lines[] = {
        "sanasrc name=e num-buffers=6 prompt=one %s model-path=fake: ! "
        "video/x-raw,width=16,height=16,framerate=10/1 ! fakesink",
        "videotestsrc num-buffers=6 ! video/x-raw,width=16,height=16,framerate=10/1 ! "
        "sanaimg2img name=e prompt=one %s model-path=fake: ! fakesink",
    };
    for (guint i = 0; i < 4; i++) {
        char *line = i % 2 ? g_strdup_printf(lines[i / 2], "force-key-unit=true")
                           : g_strdup_printf(lines[i / 2], "");
        GString *words = g_string_new(NULL);
        Pipe pipe;
        pipe_open(&pipe, line);
        GstPad *pad = gst_element_get_static_pad(pipe.element, "src");
        gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
                          note, words, NULL);
        /* the filter takes its values when a frame comes in */
        GstPad *in = gst_element_get_static_pad(pipe.element, "sink");
        prompt_changer_add(in ? in : pad, pipe.element, prompts, G_N_ELEMENTS(prompts));
        gst_clear_object(&in);
        gst_object_unref(pad);
        pipe_play(&pipe);
        g_assert_true(pipe_eos(&pipe));
        pipe_close(&pipe);
        g_test_message("%s", words->str);
        if (i % 2 == 0)
            g_assert_cmpstr(words->str, ==, "0 100 200 300 400 500 ");
        else if (i == 1)
            g_assert_cmpstr(words->str, ==, "0 100 key:200 200 300 key:400 400 500 ");
        else /* a probe there is before the frame it changes */
            g_assert_cmpstr(words->str, ==, "0 key:100 100 200 key:300 300 400 500 ");
        g_string_free(words, TRUE);
        g_free(line);
    }
}

int
main(int argc, char **argv)
{
    char *home = testdir_new();

    g_setenv("XDG_DATA_HOME", home, TRUE);
    g_setenv("GST_PRESET_PATH", SANA_PRESETS, TRUE);
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/looks/" #f, f)
    TEST(looks_are_installed);
    TEST(a_look_is_a_launch_line);
    TEST(a_look_is_no_more_than_a_look);
    TEST(a_look_of_ones_own_is_kept);
    TEST(a_look_changes_between_frames);
    TEST(an_address_is_a_source);
    TEST(an_address_says_what_is_wrong_with_it);
    TEST(an_address_plays);
    TEST(another_prompt_asks_for_a_key_frame);
    int status = g_test_run();
    testdir_free(home);
    return status;
}
