/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions and more than one thread: calls are cancelled from outside and from within, and two
 * sessions of one model work at once.
 */
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <string.h>

#define WIDTH 32
#define HEIGHT 24
#define BYTES (WIDTH * HEIGHT * 3)

typedef struct {
    char *dir;
    SanaModel *model;
    SanaSession *session;
    SanaPrompt *prompt;
    guint8 *expected; /* what the defaults draw */
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = tiny_copy();
    f->model = tiny_load(f->dir);
    f->session = tiny_session(f->model);
    f->prompt = tiny_prompt(f->session, "a fox");
    f->expected = tiny_draw(f->session, f->prompt, NULL, WIDTH, HEIGHT);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_free(f->expected);
    sana_prompt_unref(f->prompt);
    sana_session_free(f->session);
    sana_model_unref(f->model);
    testdir_free(f->dir);
}

static void
still_draws(Fixture *f)
{
    g_autofree guint8 *pixels = tiny_draw(f->session, f->prompt, NULL, WIDTH, HEIGHT);
    g_assert_cmpmem(pixels, BYTES, f->expected, BYTES);
}

/* --- cancelling before a call ----------------------------------------------------------------- */

static void
expect_cancelled(gboolean ok, GError **error)
{
    g_assert_false(ok);
    g_assert_error(*error, SANA_ERROR, SANA_ERROR_CANCELLED);
    g_clear_error(error);
}

static void
a_cancellation_meets_the_next_call(Fixture *f, gconstpointer data)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage image = tiny_picture(SANA_IMAGE_RGB, WIDTH, HEIGHT);
    SanaImage larger = tiny_picture(SANA_IMAGE_RGB, WIDTH * 2, HEIGHT);
    GError *error = NULL;
    sana_session_cancel(f->session);
    expect_cancelled(sana_session_text_to_image(f->session, f->prompt, &params, &image, &error),
                     &error);
    still_draws(f); /* and only the next */
    sana_session_cancel(f->session);
    sana_session_cancel(f->session);
    expect_cancelled(
        sana_session_image_to_image(f->session, f->prompt, &params, &image, &image, &error),
        &error);
    still_draws(f);
    sana_session_cancel(f->session);
    expect_cancelled(
        sana_session_image_to_image(f->session, f->prompt, &params, &larger, &larger, &error),
        &error); /* while a new size is made ready */
    still_draws(f);
    sana_session_cancel(f->session);
    expect_cancelled(sana_session_encode(f->session, "a cat", NULL, &error) != NULL, &error);
    still_draws(f);
    sana_session_cancel(f->session);
    expect_cancelled(sana_session_prepare(f->session, 64, 64, &error), &error);
    still_draws(f);
    params.strength = 0;
    sana_session_cancel(f->session);
    expect_cancelled(
        sana_session_image_to_image(f->session, f->prompt, &params, &image, &image, &error),
        &error);
    still_draws(f);
    g_free(image.pixels);
    g_free(larger.pixels);
}

/* A call that is refused for itself is a call as well. */
static void
a_cancellation_ends_with_a_refused_call(Fixture *f, gconstpointer data)
{
    SanaParams wrong = SANA_PARAMS_DEFAULT;
    SanaImage image = tiny_picture(SANA_IMAGE_RGB, WIDTH, HEIGHT);
    const SanaVideoImage video = {0};
    const SanaContent content = {0};
    const SanaPromptParams no_length = {.max_sequence_length = -1};
    const float embeds[1] = {0};
    wrong.steps = 0;
    for (int call = 0; call < 7; call++) {
        g_autoptr(GError) error = NULL;
        gboolean ok = TRUE;
        sana_session_cancel(f->session);
        if (call == 0)
            ok = sana_session_text_to_image(f->session, f->prompt, &wrong, &image, &error);
        else if (call == 1)
            ok = sana_session_image_to_image(f->session, f->prompt, &wrong, &image, &image, &error);
        else if (call == 2)
            ok = sana_session_restyle_video(f->session, f->prompt, &wrong, &video, &video, &content,
                                            &error);
        else if (call == 3)
            ok = sana_session_prepare_video(f->session, &video, &video, &content, &error);
        else if (call == 4)
            ok = sana_session_encode(f->session, "a cat", &no_length, &error) != NULL;
        else if (call == 5)
            ok = sana_session_encode_embeds(f->session, embeds, NULL, 0, &error) != NULL;
        else
            ok = sana_session_get_embeds(f->session, NULL, NULL, &error);
        g_assert_false(ok);
        g_assert_error(error, SANA_ERROR, SANA_ERROR_SETTINGS);
        still_draws(f);
    }
    g_free(image.pixels);
}

/* Of a session whose prompts are encoded on another device than pictures are drawn on. */
static void
a_cancellation_meets_one_call_on_two_devices(Fixture *f, gconstpointer data)
{
    const char *device = sana_model_info(f->model)->device;
    const SanaModelOptions options = {
        .device = device,
        .precision = SANA_PRECISION_F32,
        .text_device = g_str_equal(device, "reference") ? "cpu" : "reference",
    };
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage image = tiny_picture(SANA_IMAGE_RGB, WIDTH, HEIGHT);
    GError *error = NULL;
    SanaModel *model = sana_model_load(f->dir, &options, NULL, &error);
    g_assert_no_error(error);
    SanaSession *s = tiny_session(model);
    SanaPrompt *prompt = tiny_prompt(s, "a fox");
    sana_session_cancel(s);
    expect_cancelled(sana_session_encode(s, "a cat", NULL, &error) != NULL, &error);
    g_free(tiny_draw(s, prompt, NULL, WIDTH, HEIGHT));
    sana_session_cancel(s);
    expect_cancelled(sana_session_text_to_image(s, prompt, &params, &image, &error), &error);
    sana_prompt_unref(tiny_prompt(s, "a cat"));
    g_free(image.pixels);
    sana_prompt_unref(prompt);
    sana_session_free(s);
    sana_model_unref(model);
}

static void
reset_forgets_a_cancellation(Fixture *f, gconstpointer data)
{
    sana_session_cancel(f->session);
    sana_session_reset(f->session);
    still_draws(f);
    sana_session_reset(f->session);
    still_draws(f);
}

/* --- cancelling a call ------------------------------------------------------------------------ */

typedef struct {
    SanaSession *session;
    int calls, stop_at;
    gboolean by_cancel;
} Steps;

static gboolean
on_step(int step, int n_steps, const float *latent, gpointer user)
{
    Steps *s = user;
    if (s->calls++ != s->stop_at)
        return TRUE;
    if (s->by_cancel)
        sana_session_cancel(s->session);
    return s->by_cancel;
}

static void
a_step_ends_a_call(Fixture *f, gconstpointer data)
{
    SanaImage image = tiny_picture(SANA_IMAGE_RGB, WIDTH, HEIGHT);
    for (int by_cancel = 0; by_cancel < 2; by_cancel++) {
        for (int stop_at = 0; stop_at < 4; stop_at++) {
            Steps steps = {f->session, 0, stop_at, by_cancel};
            SanaParams params = SANA_PARAMS_DEFAULT;
            GError *error = NULL;
            params.steps = 4;
            params.step = on_step;
            params.step_data = &steps;
            expect_cancelled(
                sana_session_text_to_image(f->session, f->prompt, &params, &image, &error), &error);
            g_assert_cmpint(steps.calls, ==, stop_at + 1);
            still_draws(f);
        }
    }
    g_free(image.pixels);
}

typedef struct {
    SanaSession *session;
    gint64 delay; /* µs */
    gint steps;   /* atomic: that are done */
    gint seen;    /* of them, soon after cancelling */
} Canceller;

static gboolean
count_step(int step, int n_steps, const float *latent, gpointer user)
{
    g_atomic_int_inc(&((Canceller *)user)->steps);
    return TRUE;
}

static gpointer
cancel_later(gpointer user)
{
    Canceller *c = user;
    g_usleep((gulong)c->delay);
    sana_session_cancel(c->session);
    c->seen = g_atomic_int_get(&c->steps);
    return NULL;
}

/* On the bundled model, so that twenty steps take a while. */
static void
another_thread_ends_a_call_soon(void)
{
    SanaModel *model = tiny_load(SANA_DEMO_MODEL);
    SanaSession *session = tiny_session(model);
    SanaPrompt *prompt = tiny_prompt(session, "a fox");
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage image = tiny_picture(SANA_IMAGE_RGB, 192, 192);
    g_autoptr(GError) error = NULL;
    gint64 start;
    params.steps = 1;
    g_assert_true(sana_session_image_to_image(session, prompt, &params, &image, &image, &error));
    start = g_get_monotonic_time();
    g_assert_true(sana_session_image_to_image(session, prompt, &params, &image, &image, &error));
    const gint64 frame = g_get_monotonic_time() - start;
    params.steps = 20;
    for (int i = 0; i < 4; i++) {
        Canceller c = {.session = session, .delay = frame * i / 4};
        params.step = count_step;
        params.step_data = &c;
        GThread *thread = g_thread_new("cancel", cancel_later, &c);
        gboolean ok = sana_session_image_to_image(session, prompt, &params, &image, &image, &error);
        g_thread_join(thread);
        g_test_message(
            "cancelled after %.1f ms and %d steps, ended after %d; a frame takes %.1f ms",
            (double)c.delay / 1e3, c.seen, c.steps, (double)frame / 1e3);
        expect_cancelled(ok, &error);
        /* the one that was under way may have been at its end */
        g_assert_cmpint(c.steps - c.seen, <=, 1);
    }
    params.steps = 1;
    params.step = NULL;
    g_assert_true(sana_session_image_to_image(session, prompt, &params, &image, &image, &error));
    g_free(image.pixels);
    sana_prompt_unref(prompt);
    sana_session_free(session);
    sana_model_unref(model);
}

static gpointer
cancel_often(gpointer user)
{
    Canceller *c = user;
    GRand *rand = g_rand_new_with_seed((guint32)c->delay);
    for (int i = 0; i < 200; i++) {
        g_usleep((gulong)g_rand_int_range(rand, 0, 4000));
        sana_session_cancel(c->session);
    }
    g_rand_free(rand);
    return NULL;
}

/* Whenever it comes, a call either ends cancelled or is right. */
static void
cancellations_at_any_time(Fixture *f, gconstpointer data)
{
    const guint32 seed = (guint32)g_test_rand_int();
    Canceller c = {.session = f->session, .delay = seed};
    const SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage image = tiny_image(SANA_IMAGE_RGB, WIDTH, HEIGHT, 0);
    int done = 0, cancelled = 0;
    g_test_message("seed %u", seed);
    GThread *thread = g_thread_new("cancel", cancel_often, &c);
    while (done + cancelled < 300) {
        GError *error = NULL;
        SanaPrompt *prompt = sana_session_encode(f->session, "a fox", NULL, &error);
        gboolean ok =
            prompt && sana_session_text_to_image(f->session, prompt, &params, &image, &error);
        if (ok)
            g_assert_cmpmem(image.pixels, BYTES, f->expected, BYTES);
        else
            expect_cancelled(ok, &error);
        done += ok;
        cancelled += !ok;
        g_clear_pointer(&prompt, sana_prompt_unref);
    }
    g_thread_join(thread);
    g_test_message("%d done, %d cancelled", done, cancelled);
    g_assert_cmpint(cancelled, >, 0);
    sana_session_reset(f->session);
    still_draws(f);
    g_free(image.pixels);
}

/* --- two sessions ----------------------------------------------------------------------------- */

typedef struct {
    SanaModel *model;
    const char *text;
    int width, height, rounds;
    guint8 *expected;
} Work;

static gpointer
work(gpointer user)
{
    Work *w = user;
    SanaSession *session = tiny_session(w->model);
    const gsize bytes = (gsize)w->width * (gsize)w->height * 3;
    for (int i = 0; i < w->rounds; i++) {
        SanaPrompt *prompt = tiny_prompt(session, w->text);
        guint8 *pixels = tiny_draw(session, prompt, NULL, w->width, w->height);
        if (w->expected)
            g_assert_cmpmem(pixels, bytes, w->expected, bytes);
        else
            w->expected = g_steal_pointer(&pixels);
        g_free(pixels);
        sana_prompt_unref(prompt);
    }
    sana_session_free(session);
    return NULL;
}

static void
two_sessions_work_at_once(Fixture *f, gconstpointer data)
{
    Work works[] = {
        {f->model, "a fox", 32, 24, 1, NULL},
        {f->model, "a cat in the rain", 24, 40, 1, NULL},
        {f->model, "", 32, 24, 1, NULL},
    };
    GThread *threads[G_N_ELEMENTS(works)];
    for (gsize i = 0; i < G_N_ELEMENTS(works); i++) {
        work(&works[i]); /* alone */
        works[i].rounds = 20;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(works); i++)
        threads[i] = g_thread_new("work", work, &works[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(works); i++) {
        g_thread_join(threads[i]);
        g_free(works[i].expected);
    }
}

/* One encodes and lets go while the other draws with what was encoded before. */
static gpointer
encode_and_hand_over(gpointer user)
{
    GAsyncQueue *queue = ((gpointer *)user)[0];
    SanaSession *session = tiny_session(((gpointer *)user)[1]);
    for (int i = 0; i < 20; i++)
        g_async_queue_push(queue, tiny_prompt(session, i % 2 ? "a fox" : "a cat"));
    sana_session_free(session);
    return NULL;
}

static void
prompts_pass_between_threads(Fixture *f, gconstpointer data)
{
    GAsyncQueue *queue = g_async_queue_new();
    gpointer both[] = {queue, f->model};
    SanaPrompt *cat = tiny_prompt(f->session, "a cat");
    g_autofree guint8 *expected = tiny_draw(f->session, cat, NULL, WIDTH, HEIGHT);
    GThread *thread = g_thread_new("encode", encode_and_hand_over, both);
    for (int i = 0; i < 20; i++) {
        SanaPrompt *prompt = g_async_queue_pop(queue);
        g_autofree guint8 *pixels = tiny_draw(f->session, prompt, NULL, WIDTH, HEIGHT);
        g_assert_cmpmem(pixels, BYTES, i % 2 ? f->expected : expected, BYTES);
        sana_prompt_unref(prompt);
    }
    g_thread_join(thread);
    g_async_queue_unref(queue);
    sana_prompt_unref(cat);
}

#define ADD(name, func) g_test_add("/threads/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("a-cancellation-meets-the-next-call", a_cancellation_meets_the_next_call);
    ADD("a-cancellation-ends-with-a-refused-call", a_cancellation_ends_with_a_refused_call);
    ADD("a-cancellation-meets-one-call-on-two-devices",
        a_cancellation_meets_one_call_on_two_devices);
    ADD("reset-forgets-a-cancellation", reset_forgets_a_cancellation);
    ADD("a-step-ends-a-call", a_step_ends_a_call);
    g_test_add_func("/threads/another-thread-ends-a-call-soon", another_thread_ends_a_call_soon);
    ADD("cancellations-at-any-time", cancellations_at_any_time);
    ADD("two-sessions-work-at-once", two_sessions_work_at_once);
    ADD("prompts-pass-between-threads", prompts_pass_between_threads);
    return g_test_run();
}
