/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions on a driver that does as it is told, that of the cuda device on this processor: memory
 * that is just enough, and copies that fail.  On other devices there is nothing to tell.
 */
#include "tests/cuda_host/cuda_host.h"
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <gmodule.h>

#define WIDTH 32
#define HEIGHT 24

typedef struct {
    char *dir;
    SanaModel *model;
    SanaSession *session;
    SanaPrompt *prompt;
    SanaImage image;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = tiny_copy();
    f->model = tiny_load(f->dir);
    f->session = tiny_session(f->model);
    f->prompt = tiny_prompt(f->session, "a fox");
    f->image = tiny_image(SANA_IMAGE_RGB, WIDTH, HEIGHT, 0);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_free(f->image.pixels);
    sana_prompt_unref(f->prompt);
    sana_session_free(f->session);
    sana_model_unref(f->model);
    testdir_free(f->dir);
}

/* The driver that the module of the cuda device has on this processor, or NULL. */
static CudaHost *
find_cuda_host(void)
{
    const char *folder = g_getenv("SANA_MODULE_PATH");
    g_autofree char *path = folder ? g_build_filename(folder, "libsana-cuda.so", NULL) : NULL;
    GModule *module = path ? g_module_open(path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL) : NULL;
    gpointer symbol = NULL;
    if (module) {
        g_module_symbol(module, "cuda_host", &symbol);
        g_module_close(module); /* the model's device keeps it */
    }
    return symbol;
}

/* What a session holds is its own to use for the next size. */
static void
sizes_that_just_fit_follow_each_other(Fixture *f, gconstpointer data)
{
    CudaHost *host = find_cuda_host();
    GError *error = NULL;
    SanaCost cost;
    if (!host) {
        g_test_skip("how much memory there is can be set on one device only");
        return;
    }
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

/* Latents of some values, the first ones told. */
static gboolean
expect_the_same(int step, int n_steps, const float *latent, gpointer user)
{
    float **first = user;
    const gsize bytes = 16 * (WIDTH / 4) * (HEIGHT / 4) * sizeof *latent;
    if (!*first)
        *first = g_memdup2(latent, bytes);
    g_assert_cmpmem(latent, bytes, *first, bytes);
    return TRUE;
}

/* Whichever copy fails: those of the latents themselves are among them. */
static void
a_step_is_told_what_was_copied(Fixture *f, gconstpointer data)
{
    CudaHost *host = find_cuda_host();
    SanaParams params = SANA_PARAMS_DEFAULT;
    g_autofree float *first = NULL;
    gboolean ok = FALSE;
    if (!host) {
        g_test_skip("copies fail as they are told on one device only");
        return;
    }
    params.steps = 1;
    params.step = expect_the_same;
    params.step_data = &first;
    g_free(tiny_draw(f->session, f->prompt, &params, WIDTH, HEIGHT));
    for (int nth = 1; !ok; nth++) {
        GError *error = NULL;
        host->fail = "cudaMemcpyAsync";
        host->nth = nth;
        host->with = 1; /* cudaErrorInvalidValue */
        ok = sana_session_text_to_image(f->session, f->prompt, &params, &f->image, &error);
        if (!ok)
            tiny_expect(&error, SANA_ERROR_FAILED, "copying");
        g_assert_true(ok || nth < 50);
        g_assert_true(!ok || nth > 10);
    }
    host->fail = NULL;
}

#define ADD(name, func) g_test_add("/driver/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("sizes-that-just-fit-follow-each-other", sizes_that_just_fit_follow_each_other);
    ADD("a-step-is-told-what-was-copied", a_step_is_told_what_was_copied);
    return g_test_run();
}
