/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames in the memory of another context of the same GPU, as libgstcuda's are, copied to and from
 * the device's own where they lie.  Wants a GPU; GStreamer is not needed.
 */
#include "kernels/device.h"

#include <gmodule.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1920
#define HEIGHT 1080
#define PITCH 2048
#define ROWS (HEIGHT + HEIGHT / 2) /* NV12: both planes, one behind the other */
#define BYTES ((size_t)PITCH * ROWS)
#define COPIES 100

/* What is used of the driver, which no build links; all give 0 for success. */
static struct {
    int (*cuInit)(unsigned flags);
    int (*cuCtxCreate_v2)(void **context, unsigned flags, int device);
    int (*cuCtxDestroy_v2)(void *context);
    int (*cuCtxPushCurrent_v2)(void *context);
    int (*cuCtxPopCurrent_v2)(void **context);
    int (*cuStreamCreate)(void **stream, unsigned flags);
    int (*cuStreamSynchronize)(void *stream);
    int (*cuStreamDestroy_v2)(void *stream);
    int (*cuMemAlloc_v2)(guint64 *address, size_t bytes);
    int (*cuMemFree_v2)(guint64 address);
    int (*cuMemAllocAsync)(guint64 *address, size_t bytes, void *stream);
    int (*cuMemFreeAsync)(guint64 address, void *stream);
    int (*cuMemcpyHtoD_v2)(guint64 to, const void *from, size_t bytes);
    int (*cuMemcpyDtoH_v2)(void *to, guint64 from, size_t bytes);
} driver;

#define FIND(name) g_module_symbol(module, #name, (gpointer *)&driver.name)

static gboolean
find_driver(void)
{
    GModule *module = g_module_open("libcuda.so.1", G_MODULE_BIND_LAZY);
    gpointer fake;
    return module && !g_module_symbol(module, "fake_driver_counts", &fake) && FIND(cuInit) &&
           FIND(cuCtxCreate_v2) && FIND(cuCtxDestroy_v2) && FIND(cuCtxPushCurrent_v2) &&
           FIND(cuCtxPopCurrent_v2) && FIND(cuStreamCreate) && FIND(cuStreamSynchronize) &&
           FIND(cuStreamDestroy_v2) && FIND(cuMemAlloc_v2) && FIND(cuMemFree_v2) &&
           FIND(cuMemAllocAsync) && FIND(cuMemFreeAsync) && FIND(cuMemcpyHtoD_v2) &&
           FIND(cuMemcpyDtoH_v2);
}

typedef struct {
    SanaDevice *device;
    SanaPool *pool;
    SanaStream *stream;
    SanaTensor planes[2]; /* luma, and both components of colour */
    void *context, *other_stream;
    guint64 in, out; /* frames, of context */
} Fixture;

static void
pop(void)
{
    void *context;
    g_assert_cmpint(driver.cuCtxPopCurrent_v2(&context), ==, 0);
}

/* A copy of both planes; the second begins behind the first's rows. */
static void
read_frame(Fixture *f)
{
    char *frame = (char *)(gsize)f->in;
    sana_read_rows(f->stream, f->planes[0], frame, PITCH);
    sana_read_rows(f->stream, f->planes[1], frame + (size_t)PITCH * HEIGHT, PITCH);
}

static void
write_frame(Fixture *f)
{
    char *frame = (char *)(gsize)f->out;
    sana_write_rows(f->stream, frame, PITCH, f->planes[0]);
    sana_write_rows(f->stream, frame + (size_t)PITCH * HEIGHT, PITCH, f->planes[1]);
}

static void
finish(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    sana_stream_finish(f->stream, &error);
    g_assert_no_error(error);
}

static void
measure(Fixture *f, const char *what, void (*copy)(Fixture *f))
{
    const gint64 begin = g_get_monotonic_time();
    for (int i = 0; i < COPIES; i++)
        copy(f);
    finish(f);
    g_test_message("%s: %.3f ms a frame of NV12, %d×%d", what,
                   (double)(g_get_monotonic_time() - begin) * 1e-3 / COPIES, WIDTH, HEIGHT);
}

/* In from one frame, out to another whose padding stays. */
static void
check_copies(Fixture *f, const char *what)
{
    g_autofree guint8 *sent = g_malloc(BYTES), *got = g_malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        sent[i] = (guint8)g_test_rand_int();
    memset(got, 77, BYTES);
    g_assert_cmpint(driver.cuCtxPushCurrent_v2(f->context), ==, 0);
    g_assert_cmpint(driver.cuMemcpyHtoD_v2(f->in, sent, BYTES), ==, 0);
    g_assert_cmpint(driver.cuMemcpyHtoD_v2(f->out, got, BYTES), ==, 0);
    pop();
    read_frame(f);
    write_frame(f);
    finish(f);
    measure(f, what, read_frame);
    measure(f, what, write_frame);
    g_assert_cmpint(driver.cuCtxPushCurrent_v2(f->context), ==, 0);
    g_assert_cmpint(driver.cuMemcpyDtoH_v2(got, f->out, BYTES), ==, 0);
    pop();
    for (size_t i = 0; i < BYTES; i++)
        if (got[i] != (i % PITCH < WIDTH ? sent[i] : 77))
            g_error("%s: byte %zu of row %zu is %d", what, i % PITCH, i / PITCH, got[i]);
}

/* Memory of cuMemAlloc, and of the pool that a stream allocates from. */
static void
check_both(Fixture *f)
{
    g_assert_cmpint(driver.cuCtxPushCurrent_v2(f->context), ==, 0);
    g_assert_cmpint(driver.cuMemAlloc_v2(&f->in, BYTES), ==, 0);
    g_assert_cmpint(driver.cuMemAlloc_v2(&f->out, BYTES), ==, 0);
    pop();
    check_copies(f, "cuMemAlloc");
    g_assert_cmpint(driver.cuCtxPushCurrent_v2(f->context), ==, 0);
    driver.cuMemFree_v2(f->in);
    driver.cuMemFree_v2(f->out);
    g_assert_cmpint(driver.cuMemAllocAsync(&f->in, BYTES, f->other_stream), ==, 0);
    g_assert_cmpint(driver.cuMemAllocAsync(&f->out, BYTES, f->other_stream), ==, 0);
    g_assert_cmpint(driver.cuStreamSynchronize(f->other_stream), ==, 0);
    pop();
    check_copies(f, "cuMemAllocAsync");
    g_assert_cmpint(driver.cuCtxPushCurrent_v2(f->context), ==, 0);
    driver.cuMemFreeAsync(f->in, f->other_stream);
    driver.cuMemFreeAsync(f->out, f->other_stream);
    driver.cuStreamSynchronize(f->other_stream);
    pop();
}

static void
frames_of_another_context_are_copied(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = {.device = sana_device_open("cuda", &error)};
    if (!f.device || !find_driver()) {
        g_test_skip(error ? error->message : "the driver is no real one");
        sana_device_unref(f.device);
        return;
    }
    const char *number = strchr(sana_device_name(f.device), ':');
    f.stream = sana_stream_new(f.device, &error);
    g_assert_no_error(error);
    f.pool = sana_pool_new(f.device);
    f.planes[0] = sana_pool_tensor(f.pool, SANA_U8, HEIGHT, WIDTH, 1);
    f.planes[1] = sana_pool_tensor(f.pool, SANA_U8, HEIGHT / 2, WIDTH, 1);
    g_assert_cmpint(driver.cuInit(0), ==, 0);
    g_assert_cmpint(driver.cuCtxCreate_v2(&f.context, 0, number ? atoi(number + 1) : 0), ==, 0);
    g_assert_cmpint(driver.cuStreamCreate(&f.other_stream, 1), ==, 0); /* waits for no other */
    pop();
    check_both(&f);
    sana_pool_free(f.pool);
    sana_stream_free(f.stream);
    g_assert_cmpint(driver.cuCtxPushCurrent_v2(f.context), ==, 0);
    driver.cuStreamDestroy_v2(f.other_stream);
    pop();
    driver.cuCtxDestroy_v2(f.context);
    sana_device_unref(f.device);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cuda-context/frames_of_another_context_are_copied",
                    frames_of_another_context_are_copied);
    return g_test_run();
}
