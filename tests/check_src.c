/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanasrc on a fake model: properties, time, seeds, seeking, prompts. */
#include "element_util.h"
#include "fake_sana.h"

#include <gst/check/gstharness.h>
#include <gst/controller/controller.h>

/* --- properties ------------------------------------------------------------------------------ */

typedef struct {
    const char *name;
    GType type;
    const char *value; /* the default, as gst_value_serialize() writes it */
    GParamFlags flags;
} Property;

static void
has_the_properties_of_the_documentation(void)
{
    const Property all[] = {
        {"model-path", G_TYPE_STRING, "NULL", GST_PARAM_MUTABLE_READY},
        {"device", G_TYPE_STRING, "auto", GST_PARAM_MUTABLE_READY},
        {"text-encoder-device", G_TYPE_STRING, "auto", GST_PARAM_MUTABLE_READY},
        {"precision", G_TYPE_ENUM, "auto", GST_PARAM_MUTABLE_READY},
        {"prompt", G_TYPE_STRING, "\"\"", GST_PARAM_MUTABLE_PLAYING},
        {"seed", G_TYPE_UINT64, "0", GST_PARAM_MUTABLE_PLAYING},
        {"steps", G_TYPE_UINT, "2", GST_PARAM_MUTABLE_PLAYING},
        {"guidance-scale", G_TYPE_DOUBLE, "4.5",
         GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE},
        {"instruction", G_TYPE_STRING, "NULL", GST_PARAM_MUTABLE_PLAYING},
        {"clean-caption", G_TYPE_BOOLEAN, "false", GST_PARAM_MUTABLE_PLAYING},
        {"max-sequence-length", G_TYPE_UINT, "300", GST_PARAM_MUTABLE_PLAYING},
        {"max-timesteps", G_TYPE_DOUBLE, "1.5708", GST_PARAM_MUTABLE_PLAYING},
        {"intermediate-timesteps", G_TYPE_DOUBLE, "1.3", GST_PARAM_MUTABLE_PLAYING},
        {"prompt-file", G_TYPE_STRING, "NULL", GST_PARAM_MUTABLE_PLAYING},
        {"force-key-unit", G_TYPE_BOOLEAN, "false", GST_PARAM_MUTABLE_PLAYING},
        {"prompt-transition", G_TYPE_UINT64, "0", GST_PARAM_MUTABLE_PLAYING},
        {"image-duration", G_TYPE_UINT64, "0", GST_PARAM_MUTABLE_PLAYING},
        {"seed-mode", G_TYPE_ENUM, "increment", GST_PARAM_MUTABLE_PLAYING},
        {"resolution-binning", G_TYPE_BOOLEAN, "false", GST_PARAM_MUTABLE_PLAYING},
        {"is-live", G_TYPE_BOOLEAN, "false", GST_PARAM_MUTABLE_READY},
        {"startup-mode", G_TYPE_ENUM, "auto", GST_PARAM_MUTABLE_READY},
        {"timestamp-offset", G_TYPE_INT64, "0", GST_PARAM_MUTABLE_PLAYING},
    };
    const GParamFlags states =
        GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED | GST_PARAM_MUTABLE_PLAYING;
    GstElement *src = gst_element_factory_make("sanasrc", NULL);

    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(src), all[i].name);
        g_test_message("%s", all[i].name);
        g_assert_nonnull(spec);
        g_assert_true(g_type_is_a(spec->value_type, all[i].type));
        g_assert_true((spec->flags & G_PARAM_READWRITE) == G_PARAM_READWRITE);
        g_assert_cmphex(spec->flags & (states | GST_PARAM_CONTROLLABLE), ==, all[i].flags);
        g_assert_cmpuint(strlen(g_param_spec_get_blurb(spec)), >, 15);

        GValue value = G_VALUE_INIT;
        g_value_init(&value, spec->value_type);
        g_object_get_property(G_OBJECT(src), all[i].name, &value);
        g_assert_true(g_param_value_defaults(spec, &value));
        char *text = gst_value_serialize(&value);
        g_assert_cmpstr(text ? text : "NULL", ==, all[i].value);
        g_free(text);
        g_value_unset(&value);
    }
    gst_object_unref(src);
}

static void
keeps_what_is_set(void)
{
    GstElement *src = gst_element_factory_make("sanasrc", NULL);
    char *prompt, *device;
    guint64 seed;

    g_object_set(src, "prompt", "ein Hütehund", "seed", G_MAXUINT64, "device", NULL, NULL);
    g_object_get(src, "prompt", &prompt, "seed", &seed, "device", &device, NULL);
    g_assert_cmpstr(prompt, ==, "ein Hütehund");
    g_assert_cmpstr(device, ==, "auto");
    g_assert_true(seed == G_MAXUINT64);
    g_free(prompt);
    g_free(device);

    g_object_set(src, "prompt", NULL, NULL);
    g_object_get(src, "prompt", &prompt, NULL);
    g_assert_cmpstr(prompt, ==, "");
    g_free(prompt);
    gst_object_unref(src);
}

static void
says_what_it_is(void)
{
    GstElementFactory *factory = gst_element_factory_find("sanasrc");

    g_assert_cmpstr(gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS), ==,
                    "Source/Video");
    g_assert_nonnull(gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_DOC_URI));
    g_assert_cmpint(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory)), ==, GST_RANK_NONE);
    gst_object_unref(factory);
}

/* --- time ------------------------------------------------------------------------------------ */

static void
stamps_frames_one_after_the_other(void)
{
    Pipe pipe;
    GstSample *sample;

    pipe_open(&pipe, "sanasrc name=e num-buffers=5 model-path=fake: ! "
                     "video/x-raw,width=16,height=16,framerate=3/1 ! appsink name=out sync=false");
    pipe_play(&pipe);
    for (guint n = 0; n < 5; n++) {
        sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        GstBuffer *buffer = gst_sample_get_buffer(sample);
        GstClockTime pts = gst_util_uint64_scale(n, GST_SECOND, 3);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, pts);
        g_assert_false(GST_BUFFER_DTS_IS_VALID(buffer));
        g_assert_cmpuint(GST_BUFFER_DURATION(buffer), ==,
                         gst_util_uint64_scale(n + 1, GST_SECOND, 3) - pts);
        g_assert_cmpuint(GST_BUFFER_OFFSET(buffer), ==, n);
        g_assert_cmpuint(GST_BUFFER_OFFSET_END(buffer), ==, n + 1);
        g_assert_cmpint(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), ==, n == 0);
        g_assert_false(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP));
        gst_sample_unref(sample);
    }
    g_assert_null(pipe_pull(&pipe));
    g_assert_true(pipe_eos(&pipe));
    pipe_close(&pipe);
}

static void
shifts_by_timestamp_offset(void)
{
    Pipe pipe;
    GstSample *sample;

    pipe_open(&pipe, "sanasrc name=e num-buffers=2 timestamp-offset=250000000 model-path=fake: ! "
                     "video/x-raw,width=16,height=16,framerate=10/1 ! appsink name=out sync=false");
    pipe_play(&pipe);
    sample = pipe_pull(&pipe);
    g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), ==, 250 * GST_MSECOND);
    gst_sample_unref(sample);
    pipe_close(&pipe);
}

static void
gives_one_picture_at_framerate_zero(void)
{
    Pipe pipe;
    GstSample *sample;

    pipe_open(&pipe,
              "sanasrc name=e model-path=fake: ! video/x-raw,width=16,height=16,framerate=0/1 ! "
              "appsink name=out sync=false");
    pipe_play(&pipe);
    sample = pipe_pull(&pipe);
    g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), ==, 0);
    g_assert_false(GST_BUFFER_DURATION_IS_VALID(gst_sample_get_buffer(sample)));
    gst_sample_unref(sample);
    g_assert_null(pipe_pull(&pipe));
    g_assert_true(pipe_eos(&pipe));
    pipe_close(&pipe);
}

static void
knows_its_duration_and_latency(void)
{
    Pipe pipe;
    gint64 value;
    GstClockTime min, max;
    gboolean live;

    pipe_open(&pipe, "sanasrc name=e num-buffers=6 model-path=fake: ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=4/1 ! "
                     "appsink name=out sync=false");
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    g_assert_true(gst_element_query_duration(pipe.element, GST_FORMAT_TIME, &value));
    g_assert_cmpint(value, ==, 1500 * GST_MSECOND);
    g_assert_true(gst_element_query_duration(pipe.element, GST_FORMAT_BYTES, &value));
    g_assert_cmpint(value, ==, 6 * 16 * 16 * 3);
    g_assert_true(
        gst_element_query_convert(pipe.element, GST_FORMAT_DEFAULT, 3, GST_FORMAT_TIME, &value));
    g_assert_cmpint(value, ==, 750 * GST_MSECOND);

    GstQuery *query = gst_query_new_latency();
    g_assert_true(gst_element_query(pipe.element, query));
    gst_query_parse_latency(query, &live, &min, &max);
    g_assert_false(live);
    g_assert_cmpuint(min, ==, 250 * GST_MSECOND);
    gst_query_unref(query);
    pipe_close(&pipe);
}

/* From its fifth buffer on another size is wanted: on the source's thread, that it be so early. */
static GstPadProbeReturn
want_another_size(GstPad *pad, GstPadProbeInfo *info, gpointer harness)
{
    if (GST_BUFFER_OFFSET(GST_PAD_PROBE_INFO_BUFFER(info)) == 3)
        gst_harness_set_sink_caps_str(harness,
                                      "video/x-raw,format=I420,width=24,height=8,framerate=5/1");
    return GST_PAD_PROBE_OK;
}

static void
runs_on_over_a_change_of_caps(void)
{
    GstHarness *h = gst_harness_new("sanasrc");
    GstPad *pad = gst_element_get_static_pad(h->element, "src");
    GstClockTime pts = 0;

    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, want_another_size, h, NULL);
    gst_object_unref(pad);
    g_object_set(h->element, "model-path", "fake:", "num-buffers", 12, NULL);
    gst_harness_set_sink_caps_str(h, "video/x-raw,format=RGB,width=16,height=16,framerate=10/1");
    gst_harness_play(h);
    for (guint n = 0; n < 12; n++) {
        GstBuffer *buffer = gst_harness_pull(h);
        g_assert_nonnull(buffer);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, pts);
        g_assert_cmpuint(GST_BUFFER_OFFSET(buffer), ==, n);
        g_assert_cmpuint(GST_BUFFER_DURATION(buffer), ==, GST_SECOND / (n <= 3 ? 10 : 5));
        pts += GST_BUFFER_DURATION(buffer);
        gst_buffer_unref(buffer);
    }
    GstCaps *caps = gst_pad_get_current_caps(h->sinkpad);
    GstVideoInfo info;
    g_assert_true(gst_video_info_from_caps(&info, caps));
    g_assert_cmpint(info.width, ==, 24);
    gst_caps_unref(caps);
    gst_harness_teardown(h);
}

/* --- pictures -------------------------------------------------------------------------------- */

/* The colour of the middle of an RGB picture of even size. */
static void
assert_colour(GstSample *sample, const char *prompt, guint64 seed, int steps, double guidance)
{
    GstVideoInfo info;
    GstVideoFrame frame;
    guint8 want[3];

    g_assert_nonnull(sample);
    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    g_assert_true(gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ));
    const guint8 *row = (const guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&frame, 0) +
                        info.height / 2 * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
    fake_sana_colour(prompt, seed, steps, guidance, want);
    g_assert_cmpmem(row + info.width / 2 * 3, 3, want, 3);
    gst_video_frame_unmap(&frame);
    gst_sample_unref(sample);
}

static void
counts_seeds_up_from_the_first(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e num-buffers=4 seed=7 prompt=x model-path=fake: ! "
                     "video/x-raw,format=RGB,width=16,height=16 ! appsink name=out sync=false");
    pipe_play(&pipe);
    for (guint n = 0; n < 4; n++)
        assert_colour(pipe_pull(&pipe), "x", 7 + n, 2, 4.5);
    pipe_close(&pipe);
}

static void
draws_a_fixed_seed_once(void)
{
    Pipe pipe;
    FakeSanaCounts counts;

    fake_sana_forget();
    pipe_open(&pipe, "sanasrc name=e num-buffers=6 seed=7 seed-mode=fixed prompt=x steps=3 "
                     "guidance-scale=5 model-path=fake: ! "
                     "video/x-raw,format=RGB,width=16,height=16 ! appsink name=out sync=false");
    pipe_play(&pipe);
    for (guint n = 0; n < 6; n++)
        assert_colour(pipe_pull(&pipe), "x", 7, 3, 5.0);
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.frames, ==, 1);
    pipe_close(&pipe);
}

static void
scatters_random_seeds_the_same_each_time(void)
{
    guint8 first[5][16 * 16 * 3];

    for (guint run = 0; run < 2; run++) {
        Pipe pipe;
        pipe_open(&pipe, "sanasrc name=e num-buffers=5 seed=7 seed-mode=random prompt=x "
                         "model-path=fake: ! video/x-raw,format=RGB,width=16,height=16 ! "
                         "appsink name=out sync=false");
        pipe_play(&pipe);
        for (guint n = 0; n < 5; n++) {
            guint8 pixels[16 * 16 * 3];
            GstSample *sample = pipe_pull(&pipe);
            gst_buffer_extract(gst_sample_get_buffer(sample), 0, pixels, sizeof pixels);
            if (run == 0)
                memcpy(first[n], pixels, sizeof pixels);
            else
                g_assert_cmpmem(pixels, sizeof pixels, first[n], sizeof pixels);
            if (n == 0)
                assert_colour(sample, "x", 7, 2, 4.5);
            else
                gst_sample_unref(sample);
        }
        pipe_close(&pipe);
    }
    for (guint n = 1; n < 5; n++)
        g_assert_cmpint(memcmp(first[n], first[n - 1], sizeof first[n]), !=, 0);
}

static void
draws_frame_n_after_any_seek(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e seed=100 prompt=x model-path=fake: ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=10/1 ! "
                     "appsink name=out sync=false max-buffers=2");
    gst_element_set_state(pipe.bin, GST_STATE_PAUSED);
    g_assert_cmpint(gst_element_get_state(pipe.bin, NULL, NULL, 10 * GST_SECOND), ==,
                    GST_STATE_CHANGE_SUCCESS);
    pipe_play(&pipe);
    assert_colour(pipe_pull(&pipe), "x", 100, 2, 4.5);
    for (int i = 0; i < 20; i++) {
        guint64 n = g_test_rand_int_range(0, 1000);
        g_assert_true(gst_element_seek_simple(pipe.bin, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                              n * 100 * GST_MSECOND + 30 * GST_MSECOND));
        GstSample *sample = pipe_pull(&pipe);
        g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), ==, n * 100 * GST_MSECOND);
        assert_colour(sample, "x", 100 + n, 2, 4.5);
        assert_colour(pipe_pull(&pipe), "x", 101 + n, 2, 4.5);
    }
    pipe_close(&pipe);
}

static void
plays_backwards(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e seed=100 prompt=x model-path=fake: ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=10/1 ! "
                     "appsink name=out sync=false max-buffers=2");
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    g_assert_true(gst_element_seek(pipe.bin, -1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                   GST_SEEK_TYPE_SET, 200 * GST_MSECOND, GST_SEEK_TYPE_SET,
                                   500 * GST_MSECOND));
    for (int n = 4; n >= 2; n--) {
        GstSample *sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
        g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), ==, n * 100 * GST_MSECOND);
        g_assert_cmpuint(GST_BUFFER_DURATION(gst_sample_get_buffer(sample)), ==, 100 * GST_MSECOND);
        assert_colour(sample, "x", 100 + n, 2, 4.5);
    }
    g_assert_null(pipe_pull(&pipe));
    g_assert_true(pipe_eos(&pipe));
    pipe_close(&pipe);
}

static void
ends_at_the_segments_stop(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e prompt=x model-path=fake: ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=10/1 ! "
                     "appsink name=out sync=false max-buffers=2");
    pipe_play(&pipe);
    gst_sample_unref(pipe_pull(&pipe));
    g_assert_true(gst_element_seek(pipe.bin, 1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                   GST_SEEK_TYPE_SET, 200 * GST_MSECOND, GST_SEEK_TYPE_SET,
                                   500 * GST_MSECOND));
    for (int n = 2; n < 5; n++)
        assert_colour(pipe_pull(&pipe), "x", n, 2, 4.5);
    g_assert_null(pipe_pull(&pipe));
    g_assert_true(pipe_eos(&pipe));
    pipe_close(&pipe);
}

/* Backwards over a change of caps, too. */
static void
plays_backwards_over_a_change_of_caps(void)
{
    GstHarness *h = gst_harness_new("sanasrc");
    GstClockTime before = 2 * GST_SECOND;

    g_object_set(h->element, "model-path", "fake:", NULL);
    gst_harness_set_sink_caps_str(h, "video/x-raw,format=RGB,width=16,height=16,framerate=10/1");
    gst_element_set_state(h->element, GST_STATE_PAUSED);
    g_assert_true(gst_element_seek(h->element, -1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                   GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_SET, before));
    gst_harness_play(h);
    for (guint n = 0; before > 0; n++) {
        GstBuffer *buffer = gst_harness_pull(h);
        g_assert_nonnull(buffer);
        if (n == 0 && GST_BUFFER_PTS(buffer) == 0) {
            /* of before the seek */
            gst_buffer_unref(buffer);
            n--;
            continue;
        }
        g_assert_cmpuint(GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer), ==, before);
        g_assert_cmpuint(GST_BUFFER_OFFSET(buffer), ==,
                         GST_BUFFER_PTS(buffer) / GST_BUFFER_DURATION(buffer));
        before = GST_BUFFER_PTS(buffer);
        gst_buffer_unref(buffer);
        if (n == 3) {
            gst_harness_set_sink_caps_str(
                h, "video/x-raw,format=I420,width=24,height=8,framerate=10/1");
            gst_harness_push_upstream_event(h, gst_event_new_reconfigure());
        }
    }
    gst_harness_teardown(h);
}

/* There is no last frame to begin with, so from where it is. */
static void
turns_round_without_an_end(void)
{
    Pipe pipe;

    for (guint i = 0; i < 2; i++) {
        GstClockTime last = GST_CLOCK_TIME_NONE;
        GstSample *sample;

        pipe_open(&pipe, "sanasrc name=e model-path=fake: ! "
                         "video/x-raw,format=RGB,width=16,height=16,framerate=10/1 ! "
                         "appsink name=out sync=false max-buffers=2");
        pipe_play(&pipe);
        for (guint n = 0; n < 5; n++)
            gst_sample_unref(pipe_pull(&pipe));
        g_assert_true(gst_element_seek(pipe.bin, -1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                       GST_SEEK_TYPE_SET, 0,
                                       i == 0 ? GST_SEEK_TYPE_NONE : GST_SEEK_TYPE_SET, -1));
        while ((sample = pipe_pull(&pipe)) != NULL) {
            GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
            g_assert_cmpuint(pts, <, last);
            g_assert_cmpuint(pts, <, 2 * GST_SECOND);
            last = pts;
            gst_sample_unref(sample);
        }
        g_assert_true(pipe_eos(&pipe));
        if (i == 0)
            g_assert_cmpuint(last, ==, 0);
        pipe_close(&pipe);
    }
}

/* The position is not lost although the rate is not known yet. */
static void
seeks_before_the_model_is_there(void)
{
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e seed=100 prompt=x model-path=fake:load=300 ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=10/1 ! "
                     "appsink name=out sync=false max-buffers=2");
    pipe_play(&pipe);
    g_assert_true(gst_element_send_event(
        pipe.element,
        gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
                           2 * GST_SECOND, GST_SEEK_TYPE_NONE, 0)));
    GstSample *sample = pipe_pull(&pipe);
    g_assert_nonnull(sample);
    g_assert_cmpuint(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), ==, 2 * GST_SECOND);
    assert_colour(sample, "x", 120, 2, 4.5);
    pipe_close(&pipe);
}

static void
says_when_a_prompt_is_seen_first(void)
{
    static const char *const prompts[] = {"one", "one", "two", "two", "two"};
    static const guint frames[] = {0, 2};
    Pipe pipe;

    pipe_open(&pipe, "sanasrc name=e num-buffers=5 prompt=one model-path=fake: ! "
                     "video/x-raw,width=16,height=16,framerate=10/1 ! fakesink");
    GstPad *pad = gst_element_get_static_pad(pipe.element, "src");
    prompt_changer_add(pad, pipe.element, prompts, G_N_ELEMENTS(prompts));
    gst_object_unref(pad);
    pipe_play(&pipe);
    for (guint i = 0; i < 2; i++) {
        GstMessage *message = pipe_message(&pipe, GST_MESSAGE_ELEMENT);
        GstClockTime timestamp, stream_time, running_time, duration;
        char *prompt;
        g_assert_nonnull(message);
        g_assert_true(gst_message_has_name(message, "sana-prompt-applied"));
        g_assert_true(gst_structure_get(gst_message_get_structure(message), "prompt", G_TYPE_STRING,
                                        &prompt, "timestamp", GST_TYPE_CLOCK_TIME, &timestamp,
                                        "stream-time", GST_TYPE_CLOCK_TIME, &stream_time,
                                        "running-time", GST_TYPE_CLOCK_TIME, &running_time,
                                        "duration", GST_TYPE_CLOCK_TIME, &duration, NULL));
        g_assert_cmpstr(prompt, ==, prompts[frames[i]]);
        g_assert_cmpuint(timestamp, ==, frames[i] * 100 * GST_MSECOND);
        g_assert_cmpuint(stream_time, ==, timestamp);
        g_assert_cmpuint(running_time, ==, timestamp);
        g_assert_cmpuint(duration, ==, 100 * GST_MSECOND);
        g_free(prompt);
        gst_message_unref(message);
    }
    g_assert_true(pipe_eos(&pipe));
    g_assert_null(gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ELEMENT));
    pipe_close(&pipe);
}

static void
applies_a_prompt_to_the_next_frame(void)
{
    GstHarness *h = gst_harness_new("sanasrc");
    const char *const prompts[] = {"one", "two", "two", "three", "one"};
    FakeSanaCounts counts;

    fake_sana_forget();
    g_object_set(h->element, "model-path", "fake:prompt=20,frame=5", "num-buffers", 5, NULL);
    gst_harness_set_sink_caps_str(h, "video/x-raw,format=RGB,width=16,height=16,framerate=5/1");
    /* a buffer is pushed while the one before waits here; so every one is asked for alone */
    GstPad *pad = gst_element_get_static_pad(h->element, "src");
    g_object_set(h->element, "prompt", prompts[0], NULL);
    prompt_changer_add(pad, h->element, prompts, G_N_ELEMENTS(prompts));
    gst_harness_play(h);
    for (guint n = 0; n < 5; n++) {
        GstBuffer *buffer = gst_harness_pull(h);
        GstCaps *caps = gst_pad_get_current_caps(pad);
        assert_colour(gst_sample_new(buffer, caps, NULL, NULL), prompts[n], n, 2, 4.5);
        gst_buffer_unref(buffer);
        gst_caps_unref(caps);
    }
    fake_sana_counts(&counts);
    g_assert_cmpint(counts.busy, ==, 0);
    gst_object_unref(pad);
    gst_harness_teardown(h);
}

static void
follows_a_controlled_property_by_stream_time(void)
{
    Pipe pipe;
    GstControlSource *curve = gst_interpolation_control_source_new();

    pipe_open(&pipe, "sanasrc name=e num-buffers=5 seed-mode=fixed prompt=x model-path=fake: ! "
                     "video/x-raw,format=RGB,width=16,height=16,framerate=1/1 ! "
                     "appsink name=out sync=false");
    g_object_set(curve, "mode", GST_INTERPOLATION_MODE_LINEAR, NULL);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(curve), 0, 4.0);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(curve), 4 * GST_SECOND, 8.0);
    g_assert_true(gst_object_add_control_binding(
        GST_OBJECT(pipe.element), gst_direct_control_binding_new_absolute(
                                      GST_OBJECT(pipe.element), "guidance-scale", curve)));
    gst_object_unref(curve);
    pipe_play(&pipe);
    for (guint n = 0; n < 5; n++)
        assert_colour(pipe_pull(&pipe), "x", 0, 2, 4.0 + n);
    pipe_close(&pipe);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/src/" #f, f)
    TEST(has_the_properties_of_the_documentation);
    TEST(keeps_what_is_set);
    TEST(says_what_it_is);
    TEST(stamps_frames_one_after_the_other);
    TEST(shifts_by_timestamp_offset);
    TEST(gives_one_picture_at_framerate_zero);
    TEST(knows_its_duration_and_latency);
    TEST(runs_on_over_a_change_of_caps);
    TEST(counts_seeds_up_from_the_first);
    TEST(draws_a_fixed_seed_once);
    TEST(scatters_random_seeds_the_same_each_time);
    TEST(draws_frame_n_after_any_seek);
    TEST(plays_backwards);
    TEST(plays_backwards_over_a_change_of_caps);
    TEST(turns_round_without_an_end);
    TEST(ends_at_the_segments_stop);
    TEST(seeks_before_the_model_is_there);
    TEST(says_when_a_prompt_is_seen_first);
    TEST(applies_a_prompt_to_the_next_frame);
    TEST(follows_a_controlled_property_by_stream_time);
    return g_test_run();
}
