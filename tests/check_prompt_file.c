/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prompts out of a file that is watched. */
#include "element_util.h"
#include "fake_sana.h"
#include "img2img.h"
#include "gst/gstsanapromptfile.h"
#include "testdir.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* µs a file may stand still, or be away, unnoticed. */
#define LOOKED_AT_TWICE (150 * G_TIME_SPAN_MILLISECOND)

typedef struct {
    char *dir, *path;
    Pipe pipe;
} Watched;

/* A live source of one seed, with no main loop anywhere. */
static void
watch(Watched *w, const char *name)
{
    w->dir = testdir_new();
    w->path = testdir_path(w->dir, name);
    pipe_open(&w->pipe, "sanasrc name=e is-live=true seed-mode=fixed model-path=fake: ! "
                        "video/x-raw,format=RGB,width=16,height=16,framerate=50/1 ! "
                        "appsink name=out sync=false max-buffers=1 drop=true");
    g_object_set(w->pipe.element, "prompt-file", w->path, "prompt", "before", NULL);
}

static void
unwatch(Watched *w)
{
    int took = pipe_stop(&w->pipe);
    g_assert_cmpint(took, <, 500);
    pipe_close(&w->pipe);
    g_free(w->path);
    testdir_free(w->dir);
}

/* Waits until frames show this prompt; all before must show `old`. */
static void
expect_prompt(Watched *w, const char *old, const char *prompt)
{
    guint8 want[3], before[3], pixel[3];
    fake_sana_colour(prompt, 0, 2, 4.5, want);
    fake_sana_colour(old, 0, 2, 4.5, before);
    for (int n = 0; n < 500; n++) {
        GstSample *sample = pipe_pull(&w->pipe);
        g_assert_nonnull(sample);
        gst_buffer_extract(gst_sample_get_buffer(sample), (8 * 16 + 8) * 3, pixel, 3);
        gst_sample_unref(sample);
        if (!memcmp(pixel, want, 3))
            return;
        g_assert_cmpmem(pixel, 3, before, 3);
    }
    g_error("\"%s\" was never shown", prompt);
}

/* A file of "one", which is shown. */
static void
watch_one(Watched *w)
{
    watch(w, "p.txt");
    testdir_write_text(w->dir, "p.txt", "one");
    g_object_set(w->pipe.element, "prompt-file", w->path, NULL);
    pipe_play(&w->pipe);
    expect_prompt(w, "one", "one");
}

/* A WARNING came that says this, and then none for a while. */
static void
expect_warning(Watched *w, const char *part)
{
    GError *error = NULL;
    GstMessage *message = pipe_message(&w->pipe, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
    g_assert_nonnull(message);
    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_WARNING);
    gst_message_parse_warning(message, &error, NULL);
    g_test_message("%s", error->message);
    if (!strstr(error->message, part) || !strstr(error->message, "stays"))
        g_error("expected \"%s\" in: %s", part, error->message);
    g_error_free(error);
    gst_message_unref(message);
    message = gst_bus_timed_pop_filtered(w->pipe.bus, 700 * GST_MSECOND, GST_MESSAGE_WARNING);
    g_assert_null(message);
}

static void
a_file_is_read_again_when_it_changes(void)
{
    Watched w;
    char *prompt;

    watch(&w, "p.txt");
    testdir_write_text(w.dir, "p.txt", "\xef\xbb\xbf one \n");
    g_object_set(w.pipe.element, "prompt-file", w.path, NULL);
    pipe_play(&w.pipe);
    expect_prompt(&w, "one", "one");
    testdir_write_text(w.dir, "p.txt", "two\r\n");
    expect_prompt(&w, "one", "two");
    g_object_get(w.pipe.element, "prompt", &prompt, NULL);
    g_assert_cmpstr(prompt, ==, "two");
    g_free(prompt);

    /* an editor that puts a new file in the old one's place */
    char *swap = testdir_path(w.dir, ".p.swp");
    testdir_write_text(w.dir, ".p.swp", "three");
    g_assert_cmpint(g_rename(swap, w.path), ==, 0);
    expect_prompt(&w, "two", "three");
    /* and one that takes it away first */
    gint64 begin = g_get_monotonic_time();
    g_assert_cmpint(g_unlink(w.path), ==, 0);
    g_usleep(20000);
    testdir_write_text(w.dir, "p.txt", "four");
    gint64 away = g_get_monotonic_time() - begin;
    expect_prompt(&w, "three", "four");
    if (away > LOOKED_AT_TWICE)
        g_test_skip("the machine is too busy to put a file back soon");
    else
        g_assert_null(gst_bus_pop_filtered(w.pipe.bus, GST_MESSAGE_WARNING));
    g_free(swap);
    unwatch(&w);
}

/* Written in pieces 20 ms apart: none of them is ever a prompt. */
static void
a_file_is_taken_whole(void)
{
    static const char whole[] = "a fox in the snow, at night";
    Watched w;

    watch_one(&w);
    FILE *file = g_fopen(w.path, "w");
    gint64 longest = 0;
    for (const char *c = whole; *c; c++) {
        gint64 begin = g_get_monotonic_time();
        fputc(*c, file);
        fflush(file);
        g_usleep(20000);
        longest = MAX(longest, g_get_monotonic_time() - begin);
    }
    fclose(file);
    if (longest > LOOKED_AT_TWICE)
        g_test_skip("the machine is too busy to write a file in one go");
    else
        expect_prompt(&w, "one", whole);
    unwatch(&w);
}

/* Of prompt and file the one that spoke last counts. */
static void
the_last_writer_wins(void)
{
    Watched w;

    watch(&w, "p.txt");
    testdir_write_text(w.dir, "p.txt", "from the file");
    /* watch() set the prompt after the file */
    pipe_play(&w.pipe);
    expect_prompt(&w, "before", "before");
    g_usleep(700000);
    expect_prompt(&w, "before", "before");
    testdir_write_text(w.dir, "p.txt", "from the file again");
    expect_prompt(&w, "before", "from the file again");
    g_object_set(w.pipe.element, "prompt", "by hand", NULL);
    expect_prompt(&w, "from the file again", "by hand");
    g_object_set(w.pipe.element, "prompt-file", NULL, NULL);
    testdir_write_text(w.dir, "p.txt", "nobody looks");
    g_usleep(700000);
    expect_prompt(&w, "by hand", "by hand");
    unwatch(&w);
}

/* The first frame already shows it, whatever comes before. */
static void
a_file_counts_from_the_first_frame(void)
{
    char *dir = testdir_new(), *path = testdir_path(dir, "p.txt");
    GstElement *element =
        filter_make("prompt", "before", "strength", 1.0, "prompt-file", path, NULL);
    guint8 want[3], pixel[3];

    testdir_write_text(dir, "p.txt", "one");
    GstHarness *h = filter_start(element, SMALL, FALSE);
    gst_harness_push(h, filter_picture(SMALL, 0, 0));
    GstBuffer *buffer = gst_harness_pull(h);
    gst_buffer_extract(buffer, 300, pixel, 3);
    gst_buffer_unref(buffer);
    fake_sana_colour("one", 0, 1, 4.5, want);
    g_assert_cmpmem(pixel, 3, want, 3);
    filter_stop(h);
    g_free(path);
    testdir_free(dir);
}

static void
a_bad_file_is_named(void)
{
    Watched w;

    watch(&w, "p.txt");
    /* from the start there is none */
    g_object_set(w.pipe.element, "prompt-file", w.path, NULL);
    pipe_play(&w.pipe);
    expect_warning(&w, "No such file");
    expect_prompt(&w, "before", "before");
    testdir_write_text(w.dir, "p.txt", "one");
    expect_prompt(&w, "before", "one");

    testdir_write(w.dir, "p.txt", "caf\xe9", 4);
    expect_warning(&w, "UTF-8");
    g_assert_cmpint(g_unlink(w.path), ==, 0);
    expect_warning(&w, "No such file");
    g_assert_cmpint(mkfifo(w.path, 0600), ==, 0);
    expect_warning(&w, "not a regular file");
    g_assert_cmpint(g_unlink(w.path), ==, 0);
    testdir_mkdir(w.dir, "p.txt");
    expect_warning(&w, "directory");
    g_assert_cmpint(g_rmdir(w.path), ==, 0);
    char *large = g_strnfill(GST_SANA_PROMPT_MAX + 1, 'x');
    testdir_write_text(w.dir, "p.txt", large);
    g_free(large);
    expect_warning(&w, "64 KiB");
    if (geteuid() != 0) {
        testdir_write_text(w.dir, "p.txt", "secret");
        g_assert_cmpint(g_chmod(w.path, 0), ==, 0);
        expect_warning(&w, "Permission denied");
        g_assert_cmpint(g_unlink(w.path), ==, 0);
    }
    /* the prompt is the old one still */
    expect_prompt(&w, "one", "one");
    testdir_write_text(w.dir, "p.txt", "two");
    expect_prompt(&w, "one", "two");
    unwatch(&w);
}

static void
starting_and_stopping_does_not_wait_for_a_file(void)
{
    Watched w;

    watch(&w, "fifo");
    g_assert_cmpint(mkfifo(w.path, 0600), ==, 0);
    g_object_set(w.pipe.element, "prompt-file", w.path, NULL);
    /* and whoever writes into it waits for a reader, which this is not */
    g_assert_cmpint(open(w.path, O_WRONLY | O_NONBLOCK), ==, -1);
    for (int i = 0; i < 10; i++) {
        pipe_play(&w.pipe);
        gint64 end = g_get_monotonic_time() + g_test_rand_int_range(0, 300000);
        do
            g_assert_cmpint(open(w.path, O_WRONLY | O_NONBLOCK), ==, -1);
        while (g_get_monotonic_time() < end);
        g_assert_cmpint(pipe_stop(&w.pipe), <, 500);
    }
    unwatch(&w);
}

static gint hangs, reading; /* atomic */

/* Of this program alone: a file on a mount that does not answer. */
ssize_t
read(int fd, void *bytes, size_t length)
{
    struct stat info;

    if (g_atomic_int_get(&hangs) && fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        for (g_atomic_int_set(&reading, 1); g_atomic_int_get(&hangs);)
            g_usleep(1000);
    return syscall(SYS_read, fd, bytes, length);
}

static void
stopping_does_not_wait_for_a_mount(void)
{
    Watched w;

    watch_one(&w);
    g_atomic_int_set(&hangs, 1);
    filter_wait_for(&reading, 1);
    int took = pipe_stop(&w.pipe);
    g_atomic_int_set(&hangs, 0);
    g_assert_cmpint(took, <, 500);
    /* another run is not told what that reading brings */
    testdir_write_text(w.dir, "p.txt", "two");
    pipe_play(&w.pipe);
    expect_prompt(&w, "two", "two");
    unwatch(&w);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/prompt_file/" #f, f)
    TEST(a_file_is_read_again_when_it_changes);
    TEST(a_file_is_taken_whole);
    TEST(the_last_writer_wins);
    TEST(a_file_counts_from_the_first_frame);
    TEST(a_bad_file_is_named);
    TEST(starting_and_stopping_does_not_wait_for_a_file);
    TEST(stopping_does_not_wait_for_a_mount);
    return g_test_run();
}
