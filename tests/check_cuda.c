/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cuda device on a driver that does as it is told: what is said where memory ends and where a
 * kernel fails; and that a frame is repeated as a graph, without an allocation and without waiting.
 */
#include <string.h>

#include "cuda_host/cuda_host.h"
#include "kernels/ops.h"

#define CONTAINED 226
#define ILLEGAL_ADDRESS 700
#define TENSOR_MEMORY_LEAK 721
#define MPS_CLIENT_TERMINATED 810
#define EXTERNAL_DEVICE 911
#define INVALID_CONFIGURATION 9
#define OUT_OF_MEMORY 2
#define CUBLAS_STATUS_NOT_SUPPORTED 15

static SanaDevice *
open_device(void)
{
    char *why = NULL;
    SanaDevice *dev = cuda_host_open("", &why);
    g_assert_cmpstr(why, ==, NULL);
    g_assert_nonnull(dev);
    return dev;
}

static SanaStream *
open_stream(SanaDevice *dev)
{
    GError *error = NULL;
    SanaStream *s = sana_stream_new(dev, &error);
    g_assert_no_error(error);
    return s;
}

/* --- memory ----------------------------------------------------------------------------------- */

static void
says_when_memory_ends(void)
{
    cuda_host_reset();
    size_t before = cuda_host.used;
    SanaDevice *dev = open_device();
    SanaPool *pool = sana_pool_new(dev);
    g_assert_cmpuint(sana_device_free_memory(dev), ==, cuda_host.memory - cuda_host.used);
    cuda_host.memory = cuda_host.used + (1 << 20);
    g_assert_nonnull(sana_pool_tensor(pool, SANA_F32, 1, 256, 256).data);
    g_assert_null(sana_pool_tensor(pool, SANA_F32, 1, 1024, 1024).data);
    g_assert_error(sana_pool_error(pool), SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MEMORY);
    g_assert_nonnull(strstr(sana_pool_error(pool)->message, "out of memory on device cuda:0"));

    GError *error = NULL;
    g_assert_null(sana_stream_new(dev, &error));
    g_assert_nonnull(strstr(error->message, "out of memory on device cuda:0"));
    g_clear_error(&error);

    cuda_host.memory = (size_t)4 << 30;
    sana_stream_free(open_stream(dev));
    sana_pool_free(pool);
    sana_device_unref(dev);
    g_assert_cmpuint(cuda_host.used, ==, before);
}

static void
gives_weights_back_when_one_does_not_fit(void)
{
    cuda_host_reset();
    size_t before = cuda_host.used;
    SanaDevice *dev = open_device();
    for (int nth = 1; nth <= 3; nth++) {
        float host[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        SanaPool *pool = sana_pool_new(dev);
        SanaLinear l = {.in = 4, .out = 2};
        SanaTensor source = sana_tensor(host, SANA_F32, 1, 2, 4);
        l.bias = sana_pool_upload(pool, sana_tensor(host, SANA_F32, 1, 1, 2), SANA_F32);
        cuda_host.fail = nth < 3 ? "cudaMalloc" : "cudaMemcpy";
        cuda_host.nth = nth < 3 ? nth : 2;
        cuda_host.with = OUT_OF_MEMORY;
        g_assert_false(sana_pool_linear(pool, &l, SANA_BF16, &source, 1));
        g_assert_nonnull(sana_pool_error(pool));
        sana_pool_free(pool);
    }
    sana_device_unref(dev);
    g_assert_cmpuint(cuda_host.used, ==, before);
}

/* --- products --------------------------------------------------------------------------------- */

/* cuBLASLt may return advice that is none. */
static void
multiplies_without_the_library(void)
{
    const float weights[8] = {1, 2, 3, 4, 5, 6, 7, 8}, ones[4] = {1, 1, 1, 1};
    float got[2];
    GError *error = NULL;
    cuda_host_reset();
    cuda_host.advice = CUBLAS_STATUS_NOT_SUPPORTED;
    SanaDevice *dev = open_device();
    SanaPool *pool = sana_pool_new(dev);
    SanaStream *s = open_stream(dev);
    SanaLinear l = {.in = 4, .out = 2};
    SanaTensor source = sana_tensor((void *)weights, SANA_F32, 1, 2, 4);
    SanaTensor x = sana_pool_upload(pool, sana_tensor((void *)ones, SANA_F32, 1, 1, 4), SANA_F32);
    SanaTensor y = sana_pool_tensor(pool, SANA_F32, 1, 1, 2);
    g_assert_true(sana_pool_linear(pool, &l, SANA_F32, &source, 1));
    sana_linear(s, y, x, &l, SANA_ACT_NONE, SANA_NONE);
    sana_download(s, got, y);
    sana_stream_finish(s, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(got[0], ==, 10);
    g_assert_cmpfloat(got[1], ==, 26);
    sana_stream_free(s);
    sana_pool_free(pool);
    sana_device_unref(dev);
}

/* --- failures --------------------------------------------------------------------------------- */

typedef struct {
    SanaDevice *dev;
    SanaPool *pool;
    SanaStream *stream;
    SanaTensor x, y;
    SanaReplay *replay;
    int forwards;
} Frame;

/* On the driver as it was told to be. */
static void
frame_open_as_is(Frame *f)
{
    const float host[4] = {1, 2, 3, 4};
    *f = (Frame){0};
    f->dev = open_device();
    f->pool = sana_pool_new(f->dev);
    f->stream = open_stream(f->dev);
    f->x = sana_pool_tensor(f->pool, SANA_F32, 1, 1, 4);
    f->y = sana_pool_tensor(f->pool, SANA_F32, 1, 1, 4);
    sana_upload(f->stream, f->x, host);
}

static void
frame_open(Frame *f)
{
    cuda_host_reset();
    frame_open_as_is(f);
}

static void
frame_close(Frame *f)
{
    sana_replay_free(f->stream, &f->replay);
    sana_stream_free(f->stream);
    sana_pool_free(f->pool);
    sana_device_unref(f->dev);
}

/* y = 2·x, in two operations. */
static void
forward(SanaStream *s, void *user)
{
    Frame *f = user;
    f->forwards++;
    sana_activate(s, f->y, f->x, SANA_ACT_NONE);
    sana_add(s, f->y, f->y, f->x);
    sana_tap(s, f->y, "y");
}

static void
run(Frame *f)
{
    sana_stream_replay(f->stream, &f->replay, forward, f);
}

static void
assert_y(Frame *f, float first)
{
    float host[4];
    GError *error = NULL;
    sana_download(f->stream, host, f->y);
    sana_stream_finish(f->stream, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(host[0], ==, first);
    g_assert_cmpfloat(host[3], ==, first * 4);
}

static void
loses_a_broken_context_once(void)
{
    Frame f;
    GError *error = NULL;
    frame_open(&f);
    cuda_host.fail = "cudaLaunchKernel";
    cuda_host.nth = 1;
    cuda_host.with = ILLEGAL_ADDRESS;
    int before = cuda_host.launches;
    forward(f.stream, &f);
    g_assert_cmpint(cuda_host.launches, ==, before);
    g_assert_false(sana_stream_finish(f.stream, &error));
    g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "device cuda:0 is lost to this program ("));
    g_assert_nonnull(strstr(error->message, "an illegal memory access was encountered"));
    g_clear_error(&error);

    /* nothing is tried again, and nothing is worse than an error */
    g_assert_null(sana_stream_new(f.dev, &error));
    g_assert_nonnull(strstr(error->message, "it was lost to this program by an earlier failure"));
    g_clear_error(&error);
    run(&f);
    g_assert_false(sana_stream_finish(f.stream, NULL));
    g_assert_cmpint(cuda_host.launches, ==, before);
    frame_close(&f);
}

static void
expect_lost(const GError *error)
{
    g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "device cuda:0 was lost to this program"));
}

/* Whatever call is the first to say so: what comes later is no lack of memory. */
static void
tells_a_lost_context_from_a_lack_of_memory(void)
{
    const char *const calls[] = {"cudaMalloc", "cudaMemcpy", "cudaMemGetInfo"};
    const float host[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        Frame f;
        GError *error = NULL;
        frame_open(&f);
        g_assert_true(sana_device_check(f.dev, NULL));
        cuda_host.fail = calls[i];
        cuda_host.nth = 1;
        cuda_host.with = ILLEGAL_ADDRESS;
        sana_device_free_memory(f.dev);
        sana_pool_upload(f.pool, sana_tensor((void *)host, SANA_F32, 1, 1, 4), SANA_F32);
        expect_lost(sana_pool_error(f.pool));
        g_assert_false(sana_stream_reserve(f.stream, 1 << 20, &error));
        expect_lost(error);
        g_clear_error(&error);
        g_assert_false(sana_device_check(f.dev, &error));
        expect_lost(error);
        g_clear_error(&error);
        frame_close(&f);
    }
}

/* cuBLASLt has no words for it, and says that execution failed. */
static void
loses_the_context_in_a_product(void)
{
    const float host[4] = {1, 2, 3, 4};
    GError *error = NULL;
    Frame f;
    frame_open(&f);
    SanaLinear l = {.in = 4, .out = 4};
    float weights[16] = {1};
    SanaTensor source = sana_tensor(weights, SANA_F32, 1, 4, 4);
    g_assert_true(sana_pool_linear(f.pool, &l, SANA_F32, &source, 1));
    sana_upload(f.stream, f.x, host);
    cuda_host.fail = "cublasLtMatmul";
    cuda_host.nth = 1;
    cuda_host.with = ILLEGAL_ADDRESS;
    sana_linear(f.stream, f.y, f.x, &l, SANA_ACT_NONE, SANA_NONE);
    g_assert_false(sana_stream_finish(f.stream, &error));
    g_assert_nonnull(strstr(error->message, "device cuda:0 is lost to this program (multiplying"));
    g_clear_error(&error);
    frame_close(&f);
}

/* Those of which NVIDIA says that the process must be terminated and launched again. */
static void
loses_the_context_by_every_error_that_stays(void)
{
    const int errors[] = {CONTAINED, TENSOR_MEMORY_LEAK, MPS_CLIENT_TERMINATED, EXTERNAL_DEVICE};
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
        Frame f;
        frame_open(&f);
        cuda_host.fail = "cudaLaunchKernel";
        cuda_host.nth = 1;
        cuda_host.with = errors[i];
        forward(f.stream, &f);
        g_assert_false(sana_stream_finish(f.stream, NULL));
        g_assert_null(sana_stream_new(f.dev, NULL));
        frame_close(&f);
    }
}

static void
goes_on_after_a_refused_launch(void)
{
    Frame f;
    GError *error = NULL;
    frame_open(&f);
    cuda_host.fail = "cudaLaunchKernel";
    cuda_host.nth = 2;
    cuda_host.with = INVALID_CONFIGURATION;
    forward(f.stream, &f);
    g_assert_false(sana_stream_finish(f.stream, &error));
    g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_FAILED);
    g_clear_error(&error);
    forward(f.stream, &f);
    assert_y(&f, 2);
    frame_close(&f);
}

/* --- replay ----------------------------------------------------------------------------------- */

static void
repeats_a_frame_as_a_graph(void)
{
    Frame f;
    const float other[4] = {3, 6, 9, 12};
    frame_open(&f);
    run(&f);
    assert_y(&f, 2);
    g_assert_cmpint(cuda_host.captures, ==, 0);
    run(&f);
    assert_y(&f, 2);
    g_assert_cmpint(cuda_host.captures, ==, 1);
    g_assert_cmpint(cuda_host.replays, ==, 1);

    sana_upload(f.stream, f.x, other);
    int mallocs = cuda_host.mallocs, waits = cuda_host.synchronisations;
    int launches = cuda_host.launches;
    for (int i = 0; i < 3; i++)
        run(&f);
    g_assert_cmpint(cuda_host.mallocs, ==, mallocs);
    g_assert_cmpint(cuda_host.synchronisations, ==, waits);
    g_assert_cmpint(cuda_host.launches, ==, launches);
    g_assert_cmpint(cuda_host.replays, ==, 4);
    g_assert_cmpint(f.forwards, ==, 2);
    assert_y(&f, 6);
    frame_close(&f);
}

/* y = 2·x by way of scratch. */
static void
forward_through_scratch(SanaStream *s, void *user)
{
    Frame *f = user;
    size_t mark = sana_mark(s);
    SanaTensor copy = sana_scratch(s, SANA_F32, 1, 1, 4);
    sana_activate(s, copy, f->x, SANA_ACT_NONE);
    sana_add(s, f->y, copy, copy);
    sana_pop(s, mark);
}

/* As a longer prompt does between two frames. */
static void
captures_again_when_the_scratch_moves(void)
{
    Frame f;
    frame_open(&f);
    for (int round = 0; round < 2; round++) {
        /* so much more that it cannot lie where the little was */
        g_assert_true(sana_stream_reserve(f.stream, round ? 16 << 20 : 64, NULL));
        for (int i = 0; i < 3; i++) {
            sana_stream_replay(f.stream, &f.replay, forward_through_scratch, &f);
            assert_y(&f, 2);
        }
    }
    g_assert_cmpint(cuda_host.captures, ==, 2);
    g_assert_cmpint(cuda_host.replays, ==, 5);
    frame_close(&f);
}

static void
on_tap(SanaStream *s, const char *name, SanaTensor x, void *user)
{
    float host[4];
    sana_download(s, host, x);
    *(float *)user = host[0];
}

static void
runs_plainly_while_a_tap_listens(void)
{
    Frame f;
    float seen = 0;
    frame_open(&f);
    for (int i = 0; i < 3; i++)
        run(&f);
    sana_stream_set_tap(f.stream, on_tap, &seen);
    run(&f);
    g_assert_cmpfloat(seen, ==, 2);
    g_assert_cmpint(f.forwards, ==, 3);
    frame_close(&f);
}

static void
captures_again_after_a_failure(void)
{
    Frame f;
    frame_open(&f);
    run(&f);
    cuda_host.fail = "cudaLaunchKernel";
    cuda_host.nth = 2;
    cuda_host.with = INVALID_CONFIGURATION;
    run(&f);
    g_assert_false(sana_stream_finish(f.stream, NULL));
    g_assert_cmpint(cuda_host.replays, ==, 0);
    run(&f);
    assert_y(&f, 2);
    g_assert_cmpint(cuda_host.replays, ==, 1);
    frame_close(&f);
}

static void
cancel_ends_a_capture(void)
{
    Frame f;
    GError *error = NULL;
    frame_open(&f);
    run(&f);
    sana_stream_cancel(f.stream);
    run(&f);
    g_assert_false(sana_stream_finish(f.stream, &error));
    g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_CANCELLED);
    g_clear_error(&error);
    run(&f);
    assert_y(&f, 2);
    frame_close(&f);
}

/* What waits has no place in what is repeated. */
static void
forward_and_wait(SanaStream *s, void *user)
{
    float host[4];
    forward(s, user);
    sana_download(s, host, ((Frame *)user)->y);
}

static void
says_that_a_capture_cannot_wait(void)
{
    GError *error = NULL;
    Frame f;
    frame_open(&f);
    sana_stream_replay(f.stream, &f.replay, forward_and_wait, &f);
    assert_y(&f, 2);
    sana_stream_replay(f.stream, &f.replay, forward_and_wait, &f);
    g_assert_false(sana_stream_finish(f.stream, &error));
    g_assert_nonnull(strstr(error->message, "not permitted when stream is capturing"));
    g_clear_error(&error);
    g_assert_cmpint(cuda_host.replays, ==, 0);
    frame_close(&f);
}

/* --- order ------------------------------------------------------------------------------------ */

/* Those that do not wait for the one before them must not come before it has ended. */
static void
lets_kernels_come_early_only_where_they_wait(void)
{
    const int made_for[] = {80, 90, 100};
    for (size_t i = 0; i < G_N_ELEMENTS(made_for); i++) {
        Frame f;
        cuda_host_reset();
        cuda_host.capability = 100;
        cuda_host.made_for = made_for[i];
        frame_open_as_is(&f);
        run(&f);
        assert_y(&f, 2);
        g_assert_cmpint(cuda_host.early, ==, made_for[i] >= 90 ? 2 : 0);
        run(&f);
        assert_y(&f, 2);
        g_assert_cmpint(cuda_host.early, ==, made_for[i] >= 90 ? 4 : 0);
        frame_close(&f);
    }
}

/* --- copies ----------------------------------------------------------------------------------- */

static void
copies_more_than_its_slots_hold(void)
{
    cuda_host_reset();
    const size_t n = (20 << 20) / sizeof(float) + 3; /* sixteen slots of a MiB, and some */
    SanaDevice *dev = open_device();
    SanaPool *pool = sana_pool_new(dev);
    SanaStream *s = open_stream(dev);
    SanaTensor x = sana_pool_tensor(pool, SANA_F32, 1, 1, (int)n);
    float *out = g_new(float, n), *in = g_new0(float, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)i;
    sana_upload(s, x, out);
    sana_download(s, in, x);
    g_assert_true(sana_stream_finish(s, NULL));
    g_assert_cmpmem(in, n * sizeof *in, out, n * sizeof *out);
    g_free(in);
    g_free(out);
    sana_stream_free(s);
    sana_pool_free(pool);
    sana_device_unref(dev);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cuda/says_when_memory_ends", says_when_memory_ends);
    g_test_add_func("/cuda/gives_weights_back_when_one_does_not_fit",
                    gives_weights_back_when_one_does_not_fit);
    g_test_add_func("/cuda/multiplies_without_the_library", multiplies_without_the_library);
    g_test_add_func("/cuda/loses_a_broken_context_once", loses_a_broken_context_once);
    g_test_add_func("/cuda/loses_the_context_in_a_product", loses_the_context_in_a_product);
    g_test_add_func("/cuda/tells_a_lost_context_from_a_lack_of_memory",
                    tells_a_lost_context_from_a_lack_of_memory);
    g_test_add_func("/cuda/loses_the_context_by_every_error_that_stays",
                    loses_the_context_by_every_error_that_stays);
    g_test_add_func("/cuda/goes_on_after_a_refused_launch", goes_on_after_a_refused_launch);
    g_test_add_func("/cuda/repeats_a_frame_as_a_graph", repeats_a_frame_as_a_graph);
    g_test_add_func("/cuda/captures_again_when_the_scratch_moves",
                    captures_again_when_the_scratch_moves);
    g_test_add_func("/cuda/runs_plainly_while_a_tap_listens", runs_plainly_while_a_tap_listens);
    g_test_add_func("/cuda/captures_again_after_a_failure", captures_again_after_a_failure);
    g_test_add_func("/cuda/says_that_a_capture_cannot_wait", says_that_a_capture_cannot_wait);
    g_test_add_func("/cuda/cancel_ends_a_capture", cancel_ends_a_capture);
    g_test_add_func("/cuda/lets_kernels_come_early_only_where_they_wait",
                    lets_kernels_come_early_only_where_they_wait);
    g_test_add_func("/cuda/copies_more_than_its_slots_hold", copies_more_than_its_slots_hold);
    return g_test_run();
}
