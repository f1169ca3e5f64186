/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element_util.h"

#include "gst/gstsanaimg2img.h"
#include "gst/gstsanasrc.h"

#ifdef __linux__
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* --- time ------------------------------------------------------------------------------------ */

/* The thread wakes every BEAT; more than LATE later than it should, everything stood still. */
#define BEAT (5 * G_TIME_SPAN_MILLISECOND)
#define LATE (20 * G_TIME_SPAN_MILLISECOND)

static GMutex time_lock;
static gint64 due, stood_still; /* time_lock */

static gint64
late_locked(gint64 now)
{
    return due && now - due > LATE ? now - due : 0;
}

static gpointer
beat(gpointer nothing)
{
    for (;;) {
        gint64 now = g_get_monotonic_time();
        g_mutex_lock(&time_lock);
        stood_still += late_locked(now);
        due = now + BEAT;
        g_mutex_unlock(&time_lock);
        g_usleep(BEAT);
    }
    return NULL;
}

gint64
element_test_stood_still(void)
{
    g_mutex_lock(&time_lock);
    gint64 still = stood_still + late_locked(g_get_monotonic_time());
    g_mutex_unlock(&time_lock);
    return still;
}

gint64
element_test_time(void)
{
    g_mutex_lock(&time_lock);
    gint64 now = g_get_monotonic_time(), time = now - stood_still - late_locked(now);
    g_mutex_unlock(&time_lock);
    return time;
}

/* --- elements -------------------------------------------------------------------------------- */

/* Most people are not root: what has made itself less urgent stays so. */
static void
forbid_more_urgency(void)
{
#ifdef __linux__
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    g_assert_cmpint(syscall(SYS_capget, &header, data), ==, 0);
    data[0].effective &= ~(1u << CAP_SYS_NICE);
    data[0].permitted &= ~(1u << CAP_SYS_NICE);
    g_assert_cmpint(syscall(SYS_capset, &header, data), ==, 0);
#endif
}

void
element_test_init(int *argc, char ***argv)
{
    forbid_more_urgency();
    g_unsetenv("SANA_MODEL_PATH");
    g_setenv("GST_GL_PLATFORM", "none", FALSE);
    gst_init(argc, argv);
    g_test_init(argc, argv, NULL);
    g_assert_true(GST_ELEMENT_REGISTER(sanasrc, NULL));
    g_assert_true(GST_ELEMENT_REGISTER(sanaimg2img, NULL));
    g_thread_unref(g_thread_new("beat", beat, NULL));
}

const char *
element_test_missing(const char *element, ...)
{
    va_list list;

    va_start(list, element);
    while (element) {
        GstElementFactory *factory = gst_element_factory_find(element);
        if (!factory)
            break;
        gst_object_unref(factory);
        element = va_arg(list, const char *);
    }
    va_end(list);
    return element;
}

gboolean
element_test_skips(const char *missing)
{
    char *why;

    if (!missing)
        return FALSE;
    why = g_strdup_printf("GStreamer's %s is not installed", missing);
    g_test_skip(why);
    g_free(why);
    return TRUE;
}

void
pipe_open(Pipe *pipe, const char *line)
{
    GError *error = NULL;

    pipe->bin = gst_parse_launch_full(line, NULL, GST_PARSE_FLAG_PLACE_IN_BIN, &error);
    g_assert_no_error(error);
    if (!GST_IS_PIPELINE(pipe->bin)) {
        GstElement *inner = pipe->bin;
        pipe->bin = gst_pipeline_new(NULL);
        gst_bin_add(GST_BIN(pipe->bin), inner);
    }
    pipe->element = gst_bin_get_by_name(GST_BIN(pipe->bin), "e");
    GstElement *out = gst_bin_get_by_name(GST_BIN(pipe->bin), "out");
    pipe->out = out ? GST_APP_SINK(out) : NULL;
    pipe->bus = gst_element_get_bus(pipe->bin);
}

void
pipe_play(Pipe *pipe)
{
    g_assert_cmpint(gst_element_set_state(pipe->bin, GST_STATE_PLAYING), !=,
                    GST_STATE_CHANGE_FAILURE);
}

GstSample *
pipe_pull(Pipe *pipe)
{
    return gst_app_sink_try_pull_sample(pipe->out, ENOUGH);
}

GstMessage *
pipe_message(Pipe *pipe, GstMessageType types)
{
    return gst_bus_timed_pop_filtered(pipe->bus, ENOUGH, types);
}

gboolean
pipe_eos(Pipe *pipe)
{
    GstMessage *message = pipe_message(pipe, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    gboolean eos = message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;

    if (message)
        gst_message_unref(message);
    return eos;
}

void
pipe_assert_error(Pipe *pipe, GQuark domain, int code, const char *piece)
{
    GstMessage *message = pipe_message(pipe, GST_MESSAGE_ERROR);
    GError *error = NULL;
    char *debug = NULL;

    g_assert_nonnull(message);
    gst_message_parse_error(message, &error, &debug);
    g_test_message("%s (%s)", error->message, debug);
    g_assert_true(GST_MESSAGE_SRC(message) == GST_OBJECT(pipe->element));
    g_assert_error(error, domain, code);
    if (piece)
        g_assert_nonnull(strstr(error->message, piece));
    g_assert_nonnull(debug);
    g_error_free(error);
    g_free(debug);
    gst_message_unref(message);
}

int
pipe_stop(Pipe *pipe)
{
    gint64 begin = element_test_time();

    g_assert_cmpint(gst_element_set_state(pipe->bin, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
    return (element_test_time() - begin) / G_TIME_SPAN_MILLISECOND;
}

void
pipe_close(Pipe *pipe)
{
    pipe_stop(pipe);
    gst_clear_object(&pipe->element);
    gst_clear_object(&pipe->out);
    gst_clear_object(&pipe->bus);
    gst_clear_object(&pipe->bin);
}

typedef struct {
    GstElement *element;
    const char *const *prompts;
    guint count, passed;
} Changer;

static GstPadProbeReturn
change_prompt(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Changer *changer = data;

    if (++changer->passed < changer->count)
        g_object_set(changer->element, "prompt", changer->prompts[changer->passed], NULL);
    return GST_PAD_PROBE_OK;
}

void
prompt_changer_add(GstPad *pad, GstElement *element, const char *const *prompts, guint count)
{
    Changer *changer = g_new0(Changer, 1);

    changer->element = element;
    changer->prompts = prompts;
    changer->count = count;
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, change_prompt, changer, g_free);
}
