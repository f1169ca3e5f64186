/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sanaimg2img's pictures in a GPU's memory (rows 22 and 23), on a driver that has none: what the
 * processor touches there crashes.  Without libgstcuda the tests are skipped.
 */
#include "gst/gstsanacuda.h"
#include "tests/cuda_host/driver/driver.h"
#include "tests/element_util.h"
#include "tests/img2img.h"

#include <gmodule.h>
#include <string.h>

#define PICTURE "format=NV12,width=64,height=32,framerate=25/1"
#define SYSTEM "video/x-raw," PICTURE
#define GPU "video/x-raw(memory:CUDAMemory)," PICTURE

static __typeof__(fake_driver_counts) *driver_counts;

/* A pool in a context of its own; *context (unref) is that. */
static GstBufferPool *
gpu_pool(const char *caps_string, GstObject **context)
{
    GstElement *element = gst_bin_new(NULL);
    GstCaps *caps = gst_caps_from_string(caps_string);
    GstVideoInfo info;
    GstBufferPool *pool = gst_sana_cuda_pool_new(element, context);

    filter_info(&info, caps_string);
    g_assert_nonnull(pool);
    g_assert_true(gst_sana_cuda_is_pool(pool));
    GstStructure *config = gst_buffer_pool_get_config(pool);
    gst_buffer_pool_config_set_params(config, caps, (guint)info.size, 0, 0);
    g_assert_true(gst_buffer_pool_set_config(pool, config));
    g_assert_true(gst_buffer_pool_set_active(pool, TRUE));
    gst_caps_unref(caps);
    gst_object_unref(element);
    return pool;
}

/* A copy of `system` (taken), both pictures of these caps, in a buffer of the pool. */
static GstBuffer *
to_gpu(GstBufferPool *pool, const char *caps, GstBuffer *system)
{
    GstVideoFrame from, to;
    GstVideoInfo info;
    GstBuffer *buffer;

    filter_info(&info, caps);
    g_assert_cmpint(gst_buffer_pool_acquire_buffer(pool, &buffer, NULL), ==, GST_FLOW_OK);
    g_assert_true(gst_video_frame_map(&from, &info, system, GST_MAP_READ));
    g_assert_true(gst_video_frame_map(&to, &info, buffer, GST_MAP_WRITE));
    gst_video_frame_copy(&to, &from);
    gst_video_frame_unmap(&to);
    gst_video_frame_unmap(&from);
    gst_buffer_copy_into(buffer, system, GST_BUFFER_COPY_METADATA & ~GST_BUFFER_COPY_META, 0, -1);
    gst_buffer_unref(system);
    /* written by the GPU, as a decoder's are: what the host has of it is out of date */
    g_assert_true(gst_video_frame_map(&to, &info, buffer, GST_MAP_READWRITE | GST_SANA_MAP_CUDA));
    gst_video_frame_unmap(&to);
    return buffer;
}

/* The bytes of a picture without what lies between its rows (g_bytes_unref). */
static GBytes *
dense(GstBuffer *buffer, const char *caps)
{
    GstVideoFrame from, to;
    GstVideoInfo info;
    GBytes *bytes;

    filter_info(&info, caps);
    GstBuffer *copy = gst_buffer_new_allocate(NULL, info.size, NULL);
    gst_buffer_memset(copy, 0, 0, info.size);
    g_assert_true(gst_video_frame_map(&from, &info, buffer, GST_MAP_READ));
    g_assert_true(gst_video_frame_map(&to, &info, copy, GST_MAP_WRITE));
    gst_video_frame_copy(&to, &from);
    gst_video_frame_unmap(&to);
    gst_video_frame_unmap(&from);
    gpointer data = g_malloc(info.size);
    gst_buffer_extract(copy, 0, data, info.size);
    bytes = g_bytes_new_take(data, info.size);
    gst_buffer_unref(copy);
    return bytes;
}

/* Three pictures, the last of which comes back; in and out are each in system memory or a GPU's. */
static GBytes *
restyle(const char *model, const char *in_caps, const char *out_caps, FakeDriverCounts *copies)
{
    GstElement *element = filter_make("model-path", model, "prompt", "snow", NULL);
    GstHarness *h = filter_start(element, NULL, FALSE);
    gboolean in_gpu = strstr(in_caps, "CUDA") != NULL, out_gpu = strstr(out_caps, "CUDA") != NULL;
    GstObject *context = NULL;
    GstBufferPool *pool = in_gpu ? gpu_pool(in_caps, &context) : NULL;
    FakeDriverCounts before = {0}, after = {0};
    GBytes *bytes = NULL;

    gst_harness_set_sink_caps_str(h, out_caps);
    gst_harness_set_src_caps_str(h, in_caps);
    for (guint i = 0; i < 3; i++) {
        GstBuffer *in = filter_picture(in_caps, i, i), *out;
        if (pool)
            in = to_gpu(pool, in_caps, in);
        driver_counts(&before);
        out = filter_through(h, in);
        driver_counts(&after);
        g_assert_cmpint(gst_sana_cuda_is_buffer(out), ==, out_gpu);
        g_clear_pointer(&bytes, g_bytes_unref);
        bytes = dense(out, out_caps);
        gst_buffer_unref(out);
    }
    copies->uploads = after.uploads - before.uploads;
    copies->downloads = after.downloads - before.downloads;
    filter_stop(h);
    if (pool) {
        gst_buffer_pool_set_active(pool, FALSE);
        gst_object_unref(pool);
    }
    gst_clear_object(&context);
    return bytes;
}

/* --- pictures --------------------------------------------------------------------------------- */

static void
test_frames_stay_on_the_gpu(void)
{
    FakeDriverCounts none = {0}, copies;
    GBytes *expected = restyle("fake:own-memory", SYSTEM, SYSTEM, &none);
    GBytes *drawn = restyle("fake:cuda", GPU, GPU, &copies);

    g_assert_true(g_bytes_equal(expected, drawn));
    g_assert_cmpint(copies.uploads, ==, 0);
    g_assert_cmpint(copies.downloads, ==, 0);
    g_bytes_unref(drawn);

    /* in or out alone: one way by way of the host */
    drawn = restyle("fake:cuda", GPU, SYSTEM, &copies);
    g_assert_true(g_bytes_equal(expected, drawn));
    g_assert_cmpint(copies.downloads, ==, 0);
    g_bytes_unref(drawn);
    drawn = restyle("fake:cuda", SYSTEM, GPU, &copies);
    g_assert_true(g_bytes_equal(expected, drawn));
    g_assert_cmpint(copies.uploads, ==, 0);
    g_bytes_unref(drawn);
    g_bytes_unref(expected);
}

/* A model on the processor takes them, too. */
static void
test_a_model_on_the_cpu_reads_them(void)
{
    FakeDriverCounts copies;
    GBytes *expected = restyle("fake:", SYSTEM, SYSTEM, &copies);
    GBytes *drawn = restyle("fake:", GPU, GPU, &copies);

    g_assert_true(g_bytes_equal(expected, drawn));
    g_assert_cmpint(copies.downloads, >, 0);
    g_bytes_unref(expected);
    g_bytes_unref(drawn);
}

/* Values that need the host, bypass, and pictures that are shown again. */
static void
test_every_value_works(void)
{
    static const char *const values[][2] = {{"bypass", "true"},
                                            {"mix", "0.5"},
                                            {"temporal-smoothing", "0.5"},
                                            {"pacing", "repeat"},
                                            {"process-interval", "2"},
                                            {"similarity-threshold", "0.5"},
                                            {"startup-mode", "passthrough"}};

    for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
        GstObject *context = NULL;
        GstBufferPool *pool = gpu_pool(GPU, &context);
        GstElement *element = filter_make("model-path", "fake:cuda", "prompt", "snow", NULL);
        gst_util_set_object_arg(G_OBJECT(element), values[i][0], values[i][1]);
        GstHarness *h = filter_start(element, NULL, FALSE);
        g_test_message("%s=%s", values[i][0], values[i][1]);
        gst_harness_set_sink_caps_str(h, GPU);
        gst_harness_set_src_caps_str(h, GPU);
        for (guint n = 0; n < 4; n++) {
            GstBuffer *out = filter_through(h, to_gpu(pool, GPU, filter_picture(GPU, 1, n)));
            g_assert_true(gst_sana_cuda_is_buffer(out));
            gst_buffer_unref(out);
        }
        filter_expect_no_error(h->element);
        filter_stop(h);
        gst_buffer_pool_set_active(pool, FALSE);
        gst_object_unref(pool);
        gst_clear_object(&context);
    }
}

/* --- negotiation ------------------------------------------------------------------------------ */

static char *
negotiated(const char *in, const char *out)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:cuda", NULL), NULL, FALSE);
    GstObject *context = NULL;
    GstBufferPool *pool = strstr(in, "CUDA") ? gpu_pool(in, &context) : NULL;
    GstBuffer *picture = filter_picture(in, 0, 0);

    gst_harness_set_sink_caps_str(h, out);
    gst_harness_set_src_caps_str(h, in);
    gst_buffer_unref(filter_through(h, pool ? to_gpu(pool, in, picture) : picture));
    GstCaps *caps = gst_pad_get_current_caps(h->sinkpad);
    GstVideoInfo info;
    g_assert_true(gst_video_info_from_caps(&info, caps));
    char *words = g_strdup_printf("%s %s", GST_VIDEO_INFO_NAME(&info),
                                  gst_sana_cuda_in_caps(caps, 0) ? "GPU" : "system");
    gst_caps_unref(caps);
    filter_stop(h);
    if (pool) {
        gst_buffer_pool_set_active(pool, FALSE);
        gst_object_unref(pool);
    }
    gst_clear_object(&context);
    return words;
}

static void
test_memory_and_format_are_kept_if_they_can_be(void)
{
    static const char *const cases[][3] = {
        {GPU, "video/x-raw;video/x-raw(memory:CUDAMemory)", "NV12 GPU"},
        {SYSTEM, "video/x-raw(memory:CUDAMemory);video/x-raw", "NV12 system"},
        {GPU, "video/x-raw,format=I420;video/x-raw(memory:CUDAMemory),format=I420", "I420 GPU"},
        {GPU, "video/x-raw,format=NV12;video/x-raw(memory:CUDAMemory),format=RGB", "NV12 system"},
        {GPU, "video/x-raw", "NV12 system"},
        {SYSTEM, "video/x-raw(memory:CUDAMemory)", "NV12 GPU"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *words = negotiated(cases[i][0], cases[i][1]);
        g_test_message("%s to %s", cases[i][0], cases[i][1]);
        g_assert_cmpstr(words, ==, cases[i][2]);
        g_free(words);
    }
}

/* --- contexts --------------------------------------------------------------------------------- */

/* The first member behind the memory's own is the context. */
static GstObject *
context_of(GstBuffer *buffer)
{
    return *(GstObject **)(gst_buffer_peek_memory(buffer, 0) + 1);
}

static GstContext *
context_message(GstElement *element, GstMessageType type)
{
    GstContext *context = NULL;
    GstMessage *message = filter_message(element, type);

    if (message && type == GST_MESSAGE_HAVE_CONTEXT)
        gst_message_parse_have_context(message, &context);
    gst_clear_message(&message);
    return context;
}

/* Who comes first makes one and says so; who is given one uses it; who asks is told. */
static void
test_one_context_in_a_pipeline(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:cuda", NULL), NULL, FALSE);
    gst_harness_set_sink_caps_str(h, GPU);
    gst_harness_set_src_caps_str(h, SYSTEM);
    GstBuffer *out = filter_through(h, filter_picture(SYSTEM, 0, 0));
    GstContext *made = context_message(h->element, GST_MESSAGE_HAVE_CONTEXT);
    g_assert_nonnull(made);

    GstQuery *query = gst_query_new_context("gst.cuda.context");
    g_assert_true(gst_pad_peer_query(h->srcpad, query));
    g_assert_true(gst_pad_peer_query(h->sinkpad, query));
    gst_query_unref(query);
    query = gst_query_new_context("gst.gl.GLDisplay");
    g_assert_false(gst_pad_peer_query(h->srcpad, query));
    gst_query_unref(query);

    GstElement *other = filter_make("model-path", "fake:cuda", NULL);
    gst_element_set_context(other, made);
    GstHarness *second = filter_start(other, NULL, FALSE);
    gst_harness_set_sink_caps_str(second, GPU);
    gst_harness_set_src_caps_str(second, SYSTEM);
    GstBuffer *next = filter_through(second, filter_picture(SYSTEM, 0, 0));
    g_assert_true(context_of(next) == context_of(out));

    gst_buffer_unref(out);
    gst_buffer_unref(next);
    gst_context_unref(made);
    filter_stop(h);
    filter_stop(second);
}

/* --- sanasrc ---------------------------------------------------------------------------------- */

/* The last of two pictures, in the caps' memory. */
static GBytes *
draw(const char *caps)
{
    Pipe pipe;
    GstSample *sample = NULL;
    char *line = g_strdup_printf("sanasrc name=e model-path=fake: prompt=snow num-buffers=2 ! "
                                 "appsink name=out sync=false caps=\"%s\"",
                                 caps);
    pipe_open(&pipe, line);
    pipe_play(&pipe);
    for (int i = 0; i < 2; i++) {
        g_clear_pointer(&sample, gst_sample_unref);
        sample = pipe_pull(&pipe);
        g_assert_nonnull(sample);
    }
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    g_assert_cmpint(gst_sana_cuda_is_buffer(buffer), ==, strstr(caps, "CUDA") != NULL);
    GBytes *bytes = dense(buffer, caps);
    gst_sample_unref(sample);
    pipe_close(&pipe);
    g_free(line);
    return bytes;
}

static void
test_pictures_are_drawn_for_a_gpu(void)
{
    GBytes *expected = draw(SYSTEM), *drawn = draw(GPU);
    g_assert_true(g_bytes_equal(expected, drawn));
    g_bytes_unref(expected);
    g_bytes_unref(drawn);
}

/* --- what is not there, and what is left ------------------------------------------------------ */

static void
test_no_gpu_for_the_source_is_one_sentence(void)
{
    Pipe pipe;
    pipe_open(&pipe, "sanasrc name=e model-path=fake: ! appsink name=out caps=\"" GPU "\"");
    gst_element_set_state(pipe.bin, GST_STATE_PLAYING);
    pipe_assert_error(&pipe, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                      "without memory:CUDAMemory");
    pipe_close(&pipe);
}

static void
test_a_gpu_that_is_not_there_is_one_sentence(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:", NULL), NULL, FALSE);
    gst_harness_set_sink_caps_str(h, GPU);
    gst_harness_set_src_caps_str(h, SYSTEM);
    gst_harness_push(h, filter_picture(SYSTEM, 0, 0));
    filter_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                        "without memory:CUDAMemory");
    filter_stop(h);
}

/* Whatever ran before, nothing is left on the GPU. */
static void
test_nothing_is_left_on_the_gpu(void)
{
    FakeDriverCounts counts, copies;
    g_bytes_unref(restyle("fake:cuda", GPU, GPU, &copies));
    driver_counts(&counts);
    g_assert_cmpint(counts.blocks, ==, 0);
    g_assert_cmpint(counts.contexts, ==, 0);
}

int
main(int argc, char **argv)
{
    GModule *library, *driver;

    element_test_init(&argc, &argv);
    library = g_module_open("libgstcuda-1.0.so.0", G_MODULE_BIND_LAZY);
    driver = g_module_open("libcuda.so.1", G_MODULE_BIND_LAZY);
    if (!driver) {
        g_test_add_func("/gpu-memory/a GPU that is not there is one sentence",
                        test_a_gpu_that_is_not_there_is_one_sentence);
        g_test_add_func("/gpu-memory/no GPU for the source is one sentence",
                        test_no_gpu_for_the_source_is_one_sentence);
        return g_test_run();
    }
    if (!library || !g_module_symbol(driver, "fake_driver_counts", (gpointer *)&driver_counts) ||
        !g_module_symbol(driver, "fake_driver_twin", (gpointer *)&fake_sana_twin)) {
        g_print("1..0 # SKIP no libgstcuda, or the driver is a real one\n");
        return 0;
    }
    g_test_add_func("/gpu-memory/frames stay on the GPU (row 22)", test_frames_stay_on_the_gpu);
    g_test_add_func("/gpu-memory/a model on the CPU reads them",
                    test_a_model_on_the_cpu_reads_them);
    g_test_add_func("/gpu-memory/every value works", test_every_value_works);
    g_test_add_func("/gpu-memory/memory and format are kept if they can be",
                    test_memory_and_format_are_kept_if_they_can_be);
    g_test_add_func("/gpu-memory/one context in a pipeline (row 23)",
                    test_one_context_in_a_pipeline);
    g_test_add_func("/gpu-memory/pictures are drawn for a GPU", test_pictures_are_drawn_for_a_gpu);
    g_test_add_func("/gpu-memory/nothing is left on the GPU", test_nothing_is_left_on_the_gpu);
    return g_test_run();
}
