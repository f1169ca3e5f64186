/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions on the cuda device of tests/cuda_host, which counts what it did and fails when it is
 * told to; without that the tests are skipped.
 */
#include "cuda_host/cuda_host.h"
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <gmodule.h>

#define SIDE 32
#define PARTS 3 /* encode, step, decode */

typedef struct {
    char *dir;
    SanaModel *model;
    SanaSession *session;
    SanaPrompt *prompt;
    CudaHost *host;
    GModule *module;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    const char *folder = g_getenv("SANA_MODULE_PATH");
    g_autofree char *path = g_build_filename(folder ? folder : ".", "libsana-cuda.so", NULL);
    f->dir = tiny_copy();
    f->model = tiny_load(f->dir);
    f->session = tiny_session(f->model);
    SanaSession *other = tiny_session(f->model);
    f->prompt = tiny_prompt(other, "a fox");
    sana_session_free(other);
    f->module = g_module_open(path, G_MODULE_BIND_LAZY);
    if (!sana_model_info(f->model)->own_memory || !f->module ||
        !g_module_symbol(f->module, "cuda_host", (gpointer *)&f->host))
        g_test_skip("nothing counts what this device does");
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    sana_prompt_unref(f->prompt);
    sana_session_free(f->session);
    sana_model_unref(f->model);
    testdir_free(f->dir);
    if (f->module)
        g_module_close(f->module);
}

static void
expect_all_replayed(Fixture *f)
{
    const SanaTimes *t = sana_session_times(f->session);
    g_assert_cmpint(f->host->captures, ==, PARTS);
    g_assert_cmpint(f->host->replays, ==, 2 * PARTS);
    g_assert_cmpfloat(t->total, >, 0);
    g_assert_cmpfloat(t->encode + t->transformer + t->decode, <=, t->total * 1.001);
}

/* Of so many frames, each of one step. */
static void
expect_frames(const CudaHost *before, const CudaHost *after, int captures, int replays)
{
    g_assert_cmpint(after->captures - before->captures, ==, captures);
    g_assert_cmpint(after->replays - before->replays, ==, replays);
    g_assert_cmpint(after->mallocs - before->mallocs, ==, 0);
}

/* --- images ----------------------------------------------------------------------------------- */

static void
restyle(Fixture *f, const SanaImage *image)
{
    g_autoptr(GError) error = NULL;
    SanaParams params = SANA_PARAMS_DEFAULT;
    params.steps = 1;
    sana_session_image_to_image(f->session, f->prompt, &params, image, image, &error);
    g_assert_no_error(error);
}

static void
a_prepared_image_is_replayed(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    if (!f->host)
        return;
    f->host->captures = f->host->replays = 0;
    sana_session_prepare(f->session, SIDE, SIDE, &error);
    g_assert_no_error(error);
    expect_all_replayed(f);

    SanaImage image = tiny_picture(SANA_IMAGE_RGB, SIDE, SIDE);
    CudaHost before = *f->host;
    restyle(f, &image); /* the steps of this prompt, plainly */
    expect_frames(&before, f->host, 0, PARTS - 1);
    before = *f->host;
    restyle(f, &image);
    expect_frames(&before, f->host, 1, PARTS);
    before = *f->host;
    restyle(f, &image);
    expect_frames(&before, f->host, 0, PARTS);
    g_assert_cmpint(f->host->early - before.early, ==, 1); /* what mixes picture and noise */
    g_free(image.pixels);
}

/* --- video ------------------------------------------------------------------------------------ */

/* R, G, B, one after the other. */
static SanaVideoImage
video_of(const SanaImage *image, gboolean target)
{
    SanaVideoImage v = {.width = image->width, .height = image->height, .filler = -1};
    for (int i = 0; i < 3; i++) {
        v.components[i] = (SanaComponent){0, (gsize)i, 3, 1, 1, .5, .5};
        v.matrix[i][i] = target ? 127.5 : 1 / 127.5;
        v.matrix[i][3] = target ? 127.5 : -1;
    }
    v.planes[0] = image->pixels;
    v.strides[0] = image->stride;
    return v;
}

static void
prepared_video_is_replayed(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage image = tiny_picture(SANA_IMAGE_RGB, SIDE, SIDE);
    const SanaVideoImage source = video_of(&image, FALSE), target = video_of(&image, TRUE);
    const SanaContent whole = {SIDE, SIDE, 0, 0, SIDE, SIDE};
    params.steps = 1;
    if (f->host) {
        f->host->captures = f->host->replays = 0;
        sana_session_prepare_video(f->session, &source, &target, &whole, &error);
        g_assert_no_error(error);
        expect_all_replayed(f);
        CudaHost before = *f->host;
        sana_session_restyle_video(f->session, f->prompt, &params, &source, &target, &whole,
                                   &error);
        g_assert_no_error(error);
        expect_frames(&before, f->host, 0, PARTS - 1);
    }
    g_free(image.pixels);
}

/* --- memory that is just enough --------------------------------------------------------------- */

/* What a session holds is its own to use for the next size. */
static void
sizes_that_just_fit_follow_each_other(Fixture *f, gconstpointer data)
{
    CudaHost *host = f->host;
    GError *error = NULL;
    SanaCost cost;
    if (!host)
        return;
    SanaSession *session = tiny_session(f->model);
    g_assert_true(sana_session_cost(session, f->prompt, 64, 32, &cost, &error));
    const size_t all = host->memory;
    host->memory = host->used + cost.buffer_bytes / 10 * 13;
    g_free(tiny_draw(session, f->prompt, NULL, 64, 32));
    g_free(tiny_draw(session, f->prompt, NULL, 32, 64));
    g_assert_false(sana_session_prepare(session, 1024, 1024, &error));
    tiny_expect(&error, SANA_ERROR_MEMORY, "1024×1024", "GiB");
    g_free(tiny_draw(session, f->prompt, NULL, 64, 32));
    host->memory = all;
    sana_session_free(session);
}

/* --- failures --------------------------------------------------------------------------------- */

/* Latents of some values, the first ones told. */
static gboolean
expect_the_same(int step, int n_steps, const float *latent, gpointer user)
{
    float **first = user;
    const gsize bytes = 16 * (SIDE / 4) * (SIDE / 4) * sizeof *latent;
    if (!*first)
        *first = g_memdup2(latent, bytes);
    g_assert_cmpmem(latent, bytes, *first, bytes);
    return TRUE;
}

/* Whichever copy fails: those of the latents themselves are among them. */
static void
a_step_is_told_what_was_copied(Fixture *f, gconstpointer data)
{
    CudaHost *host = f->host;
    SanaParams params = SANA_PARAMS_DEFAULT;
    g_autofree float *first = NULL;
    gboolean ok = FALSE;
    if (!host)
        return;
    SanaImage image = tiny_image(SANA_IMAGE_RGB, SIDE, SIDE, 0);
    params.steps = 1;
    params.step = expect_the_same;
    params.step_data = &first;
    g_free(tiny_draw(f->session, f->prompt, &params, SIDE, SIDE));
    for (int nth = 1; !ok; nth++) {
        GError *error = NULL;
        host->fail = "cudaMemcpyAsync";
        host->nth = nth;
        host->with = 1; /* cudaErrorInvalidValue */
        ok = sana_session_text_to_image(f->session, f->prompt, &params, &image, &error);
        if (!ok)
            tiny_expect(&error, SANA_ERROR_FAILED, "copying");
        g_assert_true(ok || nth < 50);
        g_assert_true(!ok || nth > 10);
    }
    host->fail = NULL;
    g_free(image.pixels);
}

/* Another size, and another prompt, want memory that a lost device has not: that is not why. */
static void
a_lost_device_is_named(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    if (!f->host)
        return;
    sana_session_prepare(f->session, SIDE, SIDE, &error);
    g_assert_no_error(error);
    f->host->fail = "cudaGraphLaunch";
    f->host->nth = 1;
    f->host->with = 700; /* cudaErrorIllegalAddress */
    g_assert_false(sana_session_prepare(f->session, SIDE, SIDE, &error));
    tiny_expect(&error, SANA_ERROR_FAILED, "device cuda:0 is lost to this program");
    g_assert_false(sana_session_prepare(f->session, 2 * SIDE, SIDE, &error));
    tiny_expect(&error, SANA_ERROR_FAILED, "device cuda:0 was lost to this program");
    g_assert_null(sana_session_encode(f->session, "another", NULL, &error));
    tiny_expect(&error, SANA_ERROR_FAILED, "device cuda:0", "lost to this program");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/cuda-session/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("a-prepared-image-is-replayed", a_prepared_image_is_replayed);
    ADD("prepared-video-is-replayed", prepared_video_is_replayed);
    ADD("sizes-that-just-fit-follow-each-other", sizes_that_just_fit_follow_each_other);
    ADD("a-step-is-told-what-was-copied", a_step_is_told_what_was_copied);
    ADD("a-lost-device-is-named", a_lost_device_is_named); /* it stays so: the last */
    return g_test_run();
}
