/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows 8, 15, 29 and 33: which frames are computed, and what the others show. */
#include "gstsanapolicy.h"
#include "gstsanasimilar.h"
#include "timing.h"

static guint32
colour_of(const char *prompt)
{
    guint8 c[3];

    fake_sana_colour(prompt, 0, 1, 4.5, c);
    return (guint32)(c[0] << 16 | c[1] << 8 | c[2]);
}

/* --- some frames only ------------------------------------------------------------------------ */

static void
every_third(void)
{
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:", "process-interval", 3, "strength", 0.5, NULL), SMALL,
        FALSE);
    guint32 shown = 0;

    fake_sana_forget();
    for (guint n = 0; n < 9; n++) {
        timing_push(h, timing_flat(20 * n, n));
        GstBuffer *buffer = timing_pull(h);
        gboolean gap = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
        g_assert_cmpint(gap, ==, n % 3 != 0);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * 40 * GST_MSECOND);
        if (gap)
            g_assert_cmphex(timing_pixel(buffer), ==, shown);
        else
            g_assert_cmphex(timing_pixel(buffer), !=, shown);
        shown = timing_pixel(buffer);
        gst_buffer_unref(buffer);
    }
    g_assert_cmpint(timing_computed(), ==, 3);
    g_assert_cmpuint(timing_stat(h->element, "repeated"), ==, 6);
    filter_stop(h);
}

static void
flush(GstHarness *h)
{
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_harness_push_event(h, gst_event_new_segment(&segment));
}

/* What was held has nothing to do with what comes after a flush, a jump or other caps. */
static void
held_pictures_end_with_their_scene(void)
{
    static const char *const other = "video/x-raw,format=RGB,width=96,height=40,framerate=25/1";
    GstHarness *h = filter_start(filter_make("model-path", "fake:", "process-interval", 1000, NULL),
                                 SMALL, FALSE);

    fake_sana_forget();
    for (guint n = 0; n < 3; n++) {
        timing_push(h, filter_picture(SMALL, n, n));
        gst_buffer_unref(timing_pull(h));
    }
    g_assert_cmpint(timing_computed(), ==, 1);
    flush(h);
    timing_push(h, filter_picture(SMALL, 3, 3));
    gst_buffer_unref(timing_pull(h));
    g_assert_cmpint(timing_computed(), ==, 2);
    /* two seconds on, and back */
    timing_push(h, filter_picture(SMALL, 4, 54));
    gst_buffer_unref(timing_pull(h));
    g_assert_cmpint(timing_computed(), ==, 3);
    timing_push(h, filter_picture(SMALL, 5, 53));
    gst_buffer_unref(timing_pull(h));
    g_assert_cmpint(timing_computed(), ==, 4);
    gst_harness_set_src_caps_str(h, other);
    timing_push(h, filter_picture(other, 6, 54));
    gst_buffer_unref(timing_pull(h));
    g_assert_cmpint(timing_computed(), ==, 5);
    filter_stop(h);
}

/* DISCONT alone follows each dropped frame. */
static void
discont_holds_on(void)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:", "process-interval", 1000, NULL),
                                 SMALL, FALSE);

    fake_sana_forget();
    for (guint n = 0; n < 5; n++) {
        GstBuffer *buffer = filter_picture(SMALL, n, n);
        GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
        timing_push(h, buffer);
        gst_buffer_unref(timing_pull(h));
    }
    g_assert_cmpint(timing_computed(), ==, 1);
    filter_stop(h);
}

static GstHarness *
similar_start(double threshold)
{
    GstHarness *h = filter_start(filter_make("model-path", "fake:", "similarity-threshold",
                                             threshold, "strength", 0.5, NULL),
                                 SMALL, FALSE);

    fake_sana_forget();
    return h;
}

static void
still_pictures(void)
{
    GstHarness *h = similar_start(0.95);

    /* ten repeats after one that is computed */
    for (guint n = 0; n < 33; n++) {
        timing_push(h, timing_flat(100, n));
        GstBuffer *buffer = timing_pull(h);
        g_assert_cmpint(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP), ==, n % 11 != 0);
        gst_buffer_unref(buffer);
    }
    g_assert_cmpint(timing_computed(), ==, 3);
    /* what moves is computed at once */
    for (guint n = 0; n < 5; n++) {
        timing_push(h, timing_flat(120 + 20 * n, 33 + n));
        gst_buffer_unref(timing_pull(h));
    }
    g_assert_cmpint(timing_computed(), ==, 8);
    filter_stop(h);
}

static void
off_by_default(void)
{
    GstHarness *h = filter_start(filter_make(NULL, NULL), SMALL, FALSE);

    fake_sana_forget();
    for (guint n = 0; n < 5; n++) {
        timing_push(h, timing_flat(100, n));
        gst_buffer_unref(timing_pull(h));
    }
    g_assert_cmpint(timing_computed(), ==, 5);
    filter_stop(h);
}

/* A picture is like another only if it would be drawn alike. */
static void
new_prompts_are_seen(void)
{
    GstHarness *h = similar_start(0.9);

    g_object_set(h->element, "strength", 1.0, "prompt", "one", NULL);
    for (guint n = 0; n < 3; n++) {
        timing_push(h, timing_flat(100, n));
        GstBuffer *buffer = timing_pull(h);
        g_assert_cmphex(timing_pixel(buffer), ==, colour_of("one"));
        gst_buffer_unref(buffer);
    }
    g_object_set(h->element, "prompt", "two", NULL);
    /* 20 of 255 from the one before, and so from the next one, which is compared with this */
    for (guint n = 0; n < 2; n++) {
        timing_push(h, timing_flat(120 + 20 * n, 3 + n));
        GstBuffer *buffer = timing_pull(h);
        g_assert_cmphex(timing_pixel(buffer), ==, colour_of("two"));
        gst_buffer_unref(buffer);
        g_assert_cmpint(timing_computed(), ==, 2);
    }
    filter_stop(h);
}

static GstBuffer *
noisy(GRand *random, int level, int noise)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 640 * 360 * 3, NULL);
    GstMapInfo map;

    gst_buffer_map(buffer, &map, GST_MAP_WRITE);
    for (gsize i = 0; i < map.size; i++)
        map.data[i] = (guint8)(level + (noise ? g_rand_int_range(random, -noise, noise + 1) : 0));
    gst_buffer_unmap(buffer, &map);
    return buffer;
}

static gboolean
check_level(GstSanaSimilar *similar, const GstVideoInfo *info, GRand *random, int level, int noise)
{
    GstBuffer *buffer = noisy(random, level, noise);
    gboolean like = gst_sana_similar_check(similar, info, buffer, 0.9);

    gst_buffer_unref(buffer);
    return like;
}

static void
likeness(void)
{
    GstSanaSimilar similar = {0};
    GRand *random = g_rand_new_with_seed(3);
    GstVideoInfo info;

    g_test_message("seed 3");
    gst_video_info_set_format(&info, GST_VIDEO_FORMAT_RGB, 640, 360);
    g_assert_false(check_level(&similar, &info, random, 100, 30));
    /* a sensor's noise averages out */
    g_assert_true(check_level(&similar, &info, random, 100, 30));
    /* 0.9: 25 of 255; once like, 38 of 255 */
    gst_sana_similar_reset(&similar);
    g_assert_false(check_level(&similar, &info, random, 100, 0));
    g_assert_false(check_level(&similar, &info, random, 130, 0));
    g_assert_true(check_level(&similar, &info, random, 150, 0));
    g_assert_true(check_level(&similar, &info, random, 160, 0));
    g_assert_false(check_level(&similar, &info, random, 170, 0));

    /* a small thing that moves: one part in four hundred of the picture */
    GstBuffer *buffer = noisy(random, 170, 0);
    for (int y = 100; y < 124; y++)
        gst_buffer_memset(buffer, (gsize)(y * 640 + 300) * 3, 20, 24 * 3);
    g_assert_false(gst_sana_similar_check(&similar, &info, buffer, 0.9));
    gst_buffer_unref(buffer);
    g_rand_free(random);
    gst_sana_similar_clear(&similar);
}

/* --- at once --------------------------------------------------------------------------------- */

static GstHarness *
repeat_start(const char *model, GstSanaStartup mode)
{
    GstHarness *h =
        filter_start(filter_make("model-path", model, "pacing", GST_SANA_PACING_REPEAT,
                                 "startup-mode", mode, "strength", 1.0, "prompt", "one", NULL),
                     SMALL, FALSE);

    fake_sana_forget();
    return h;
}

static void
input_is_gone(gpointer user_data, GstMiniObject *buffer)
{
    g_atomic_int_set((gint *)user_data, 1);
}

/* obs-gstreamer pushes one and blocks for one, in OBS's video thread. */
static void
one_gives_one_at_once(void)
{
    GstHarness *h = repeat_start("fake:load=100,frame=300", GST_SANA_STARTUP_PASSTHROUGH);
    guint n_source = 0, n_drawn = 0, n_fresh = 0;
    gint64 longest = 0, start = g_get_monotonic_time();

    for (guint n = 0; n < 60; n++) {
        GstBuffer *buffer = timing_flat(200, n);
        gint gone = 0;
        gst_mini_object_weak_ref(GST_MINI_OBJECT(buffer), input_is_gone, &gone);
        gint64 begin = element_test_time();
        timing_push(h, buffer);
        buffer = timing_pull(h);
        longest = MAX(longest, element_test_time() - begin);
        /* the host's own memory is not looked at any more */
        g_assert_cmpint(g_atomic_int_get(&gone), ==, 1);
        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * 40 * GST_MSECOND);
        if (timing_pixel(buffer) == 0xc8c8c8) {
            g_assert_cmpuint(n_drawn, ==, 0);
            n_source++;
        } else {
            g_assert_cmphex(timing_pixel(buffer), ==, colour_of("one"));
            n_fresh += !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
            n_drawn++;
        }
        gst_buffer_unref(buffer);
        g_usleep(20000);
    }
    g_test_message("%u of the source, %u drawn of which %u fresh, the longest wait %.1f ms",
                   n_source, n_drawn, n_fresh, longest / 1000.0);
    g_assert_cmpuint(n_source, >, 3);
    g_assert_cmpuint(n_drawn, >, 10);
    g_assert_cmpuint(n_fresh, >=, 2);
    g_assert_cmpint(n_fresh, <=, 2 + (g_get_monotonic_time() - start) / 300000);
    g_assert_cmpuint(timing_stat(h->element, "repeated"), ==, n_drawn - n_fresh);
    g_assert_cmpint(longest, <, 150 * G_TIME_SPAN_MILLISECOND);
    filter_stop(h);
}

static GstPadProbeReturn
take_a_while(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    g_usleep(20000);
    return GST_PAD_PROBE_OK;
}

/* A camera and a sink that takes its time: who takes one for each he gives counts on it. */
static void
at_once_drops_nothing_live(void)
{
    GstHarness *h = filter_start(
        filter_make("model-path", "fake:frame=100", "pacing", GST_SANA_PACING_REPEAT, NULL), SMALL,
        TRUE);

    gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, take_a_while, NULL, NULL);
    timing_drops_nothing(h, 20);
    filter_stop(h);
}

static void
at_once_is_no_latency(void)
{
    GstHarness *h = repeat_start("fake:frame=100", GST_SANA_STARTUP_PASSTHROUGH);
    GstClockTime min, max;
    gboolean live;

    gst_harness_set_live(h, TRUE);
    for (guint n = 0; n < 10; n++) {
        timing_push(h, timing_flat(200, n));
        gst_buffer_unref(timing_pull(h));
        g_usleep(20000);
    }
    filter_query_latency(h, &live, &min, &max);
    g_assert_cmpuint(min, ==, 0);
    g_object_set(h->element, "pacing", GST_SANA_PACING_WAIT, NULL);
    filter_query_latency(h, &live, &min, &max);
    g_assert_cmpuint(min, >=, 200 * GST_MSECOND);
    filter_stop(h);
}

/* Who blocks for one must get one, however late it is. */
static void
at_once_drops_nothing(void)
{
    GstHarness *h = repeat_start("fake:frame=50", GST_SANA_STARTUP_PASSTHROUGH);

    gst_harness_push_upstream_event(h,
                                    gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, GST_SECOND, 0));
    for (guint n = 0; n < 10; n++) {
        timing_push(h, timing_flat(200, n));
        gst_buffer_unref(timing_pull(h));
    }
    filter_stop(h);
}

static void
at_once_may_wait_for_the_first(void)
{
    GstHarness *h = repeat_start("fake:load=50,frame=50", GST_SANA_STARTUP_BLOCK);

    for (guint n = 0; n < 10; n++) {
        timing_push(h, timing_flat(200, n));
        GstBuffer *buffer = timing_pull(h);
        g_assert_cmphex(timing_pixel(buffer), ==, colour_of("one"));
        gst_buffer_unref(buffer);
    }
    filter_stop(h);
}

/* The one that was waited for is not drawn once more. */
static void
at_once_draws_the_first_once(void)
{
    GstHarness *h = repeat_start("fake:frame=20", GST_SANA_STARTUP_BLOCK);
    FakeSanaCounts before, after;

    fake_sana_counts(&before);
    timing_push(h, timing_flat(200, 0));
    gst_buffer_unref(timing_pull(h));
    g_usleep(100000);
    fake_sana_counts(&after);
    g_assert_cmpint(after.frames - before.frames, ==, 1);
    filter_stop(h);
}

/* How a flat picture of this grey is drawn: half of the way to the prompt's colour. */
static guint32
drawn_of(guint8 grey)
{
    guint32 colour = colour_of("one"), pixel = 0;

    for (int shift = 16; shift >= 0; shift -= 8)
        pixel = pixel << 8 | (grey + (colour >> shift & 255) + 1) / 2;
    return pixel;
}

static guint32
pixel_of(GstHarness *h, guint8 grey, guint n)
{
    timing_push(h, timing_flat(grey, n));
    GstBuffer *buffer = timing_pull(h);
    guint32 pixel = timing_pixel(buffer);

    gst_buffer_unref(buffer);
    return pixel;
}

/* pacing=repeat at half the strength, from frame 0 to n - 1 of this grey until that is drawn. */
static GstHarness *
repeat_until_drawn(GstSanaStartup mode, guint8 grey, guint *n)
{
    GstHarness *h = repeat_start("fake:frame=20", mode);

    g_object_set(h->element, "strength", 0.5, NULL);
    for (*n = 0; pixel_of(h, grey, (*n)++) != drawn_of(grey);) {
        g_assert_cmpuint(*n, <, 500);
        g_usleep(5000);
    }
    return h;
}

/* The camera itself is shown until there is a first picture, and never again; nor is what was drawn
 * of another scene. */
static void
at_once_shows_no_input_between_scenes(void)
{
    guint n;
    GstHarness *h = repeat_until_drawn(GST_SANA_STARTUP_PASSTHROUGH, 200, &n);

    flush(h);
    g_assert_cmphex(pixel_of(h, 40, 0), ==, drawn_of(40));
    /* the worker is at a picture of the scene before */
    g_assert_cmphex(pixel_of(h, 80, 200), ==, drawn_of(80));
    g_assert_cmphex(pixel_of(h, 120, 400), ==, drawn_of(120));
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGB,width=64,height=32,framerate=30/1");
    g_assert_cmphex(pixel_of(h, 160, 401), ==, drawn_of(160));
    filter_stop(h);
}

/* A fader at 0 shows the input; on its way up it shows that until there is a picture. */
static void
at_once_after_bypass_shows_nothing_old(void)
{
    guint n;
    GstHarness *h = repeat_until_drawn(GST_SANA_STARTUP_BLACK, 200, &n);
    guint32 pixel;

    g_object_set(h->element, "mix", 0.0, NULL);
    for (guint i = 0; i < 3; i++)
        g_assert_cmphex(pixel_of(h, 40, n++), ==, 0x282828);
    g_object_set(h->element, "mix", 1.0, NULL);
    while ((pixel = pixel_of(h, 80, n++)) == 0x505050)
        g_usleep(5000);
    g_assert_cmphex(pixel, ==, drawn_of(80));
    filter_stop(h);
}

/* Every frame is far from the one before, which is no reason to take each for another scene. */
static void
slow_video_is_one_scene(void)
{
    static const char *const slow = "video/x-raw,format=RGB,width=64,height=32,framerate=1/2";
    GstHarness *h =
        filter_start(filter_make("model-path", "fake:", "process-interval", 3, NULL), slow, FALSE);

    fake_sana_forget();
    for (guint n = 0; n < 6; n++) {
        timing_push(h, filter_picture(slow, n, n));
        gst_buffer_unref(timing_pull(h));
    }
    g_assert_cmpint(timing_computed(), ==, 2);
    filter_stop(h);
}

static void
at_once_follows_flushes_and_caps(void)
{
    static const char *const other = "video/x-raw,format=RGB,width=96,height=40,framerate=25/1";
    GstHarness *h = repeat_start("fake:frame=60", GST_SANA_STARTUP_PASSTHROUGH);

    for (guint n = 0; n < 40; n++) {
        const char *caps = n % 10 < 5 ? SMALL : other;
        if (n % 5 == 0)
            gst_harness_set_src_caps_str(h, caps);
        if (n % 7 == 0)
            flush(h);
        timing_push(h, filter_picture(caps, n, n));
        GstBuffer *buffer = timing_pull(h);
        g_assert_cmpuint(gst_buffer_get_size(buffer), ==, n % 10 < 5 ? 64 * 32 * 3 : 96 * 40 * 3);
        gst_buffer_unref(buffer);
        g_usleep(10000);
    }
    filter_expect_no_error(h->element);
    filter_stop(h);
}

/* Nor the picture that was begun before frames waited for their own. */
static void
at_once_after_waiting_shows_nothing_old(void)
{
    GstHarness *h = repeat_start("fake:frame=50", GST_SANA_STARTUP_BLOCK);

    for (guint n = 0; n < 4; n++) {
        if (n == 2)
            g_object_set(h->element, "prompt", "two", "pacing", GST_SANA_PACING_WAIT, NULL);
        else if (n == 3)
            g_object_set(h->element, "pacing", GST_SANA_PACING_REPEAT, NULL);
        timing_push(h, timing_flat(200, n));
        GstBuffer *buffer = timing_pull(h);
        g_assert_cmphex(timing_pixel(buffer), ==, colour_of(n < 2 ? "one" : "two"));
        gst_buffer_unref(buffer);
    }
    filter_stop(h);
}

void
add_timing_pace_tests(void)
{
#define TEST(name, f) g_test_add_func("/timing/" name, f)
    TEST("29 process-interval computes every third", every_third);
    TEST("29 held pictures end with their scene", held_pictures_end_with_their_scene);
    TEST("29 DISCONT alone holds on", discont_holds_on);
    TEST("29 still pictures are computed once in eleven", still_pictures);
    TEST("29 similarity-threshold is off by default", off_by_default);
    TEST("29 a new prompt is seen in a still picture", new_prompts_are_seen);
    TEST("29 likeness", likeness);
    TEST("8 pacing=repeat: one gives one at once", one_gives_one_at_once);
    TEST("8 pacing=repeat: nothing is dropped live", at_once_drops_nothing_live);
    TEST("8 pacing=repeat: no latency", at_once_is_no_latency);
    TEST("8 pacing=repeat: nothing is dropped", at_once_drops_nothing);
    TEST("8 pacing=repeat: may wait for the first", at_once_may_wait_for_the_first);
    TEST("8 pacing=repeat: draws the first once", at_once_draws_the_first_once);
    TEST("29 slow video is one scene", slow_video_is_one_scene);
    TEST("8 pacing=repeat: flushes and caps", at_once_follows_flushes_and_caps);
    TEST("8 pacing=repeat: no input between scenes", at_once_shows_no_input_between_scenes);
    TEST("8 pacing=repeat: nothing old after bypass", at_once_after_bypass_shows_nothing_old);
    TEST("8 pacing=repeat: nothing old after waiting", at_once_after_waiting_shows_nothing_old);
#undef TEST
}
