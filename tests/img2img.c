/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "img2img.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE (5 * G_TIME_SPAN_SECOND)

GstElement *
filter_make(const char *first_property, ...)
{
    GstElement *element = gst_element_factory_make("sanaimg2img", NULL);
    GstBus *bus = gst_bus_new();
    va_list list;

    g_assert_nonnull(element);
    g_object_set(element, "model-path", "fake:", NULL);
    va_start(list, first_property);
    if (first_property)
        g_object_set_valist(G_OBJECT(element), first_property, list);
    va_end(list);
    gst_element_set_bus(element, bus);
    gst_object_unref(bus);
    return gst_object_ref_sink(element);
}

GstHarness *
filter_start(GstElement *element, const char *caps, gboolean live)
{
    static GstStaticPadTemplate src =
        GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
    static GstStaticPadTemplate sink =
        GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
    GstHarness *h = gst_harness_new_empty();

    /* before the element plays: it asks when its model is there as well */
    gst_harness_set_live(h, live);
    gst_harness_add_element_full(h, element, &src, "sink", &sink, "src");
    if (caps)
        gst_harness_set_src_caps_str(h, caps);
    gst_object_unref(element);
    return h;
}

void
filter_stop(GstHarness *h)
{
    GstElement *element = gst_object_ref(h->element);

    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL);
    gst_harness_teardown(h);
    /* a computation that was left to end by itself still has one */
    for (int i = 0; i < 5000 && GST_OBJECT_REFCOUNT_VALUE(element) > 1; i++)
        g_usleep(1000);
    g_assert_cmpint(GST_OBJECT_REFCOUNT_VALUE(element), ==, 1);
    gst_object_unref(element);
}

GstBuffer *
filter_picture(const char *caps_string, guint seed, guint n)
{
    GstCaps *caps = gst_caps_from_string(caps_string);
    GstVideoInfo info;
    GstMapInfo map;
    GstBuffer *buffer;
    GRand *random = g_rand_new_with_seed(seed);
    gsize i;

    g_assert_true(gst_video_info_from_caps(&info, caps));
    gst_caps_unref(caps);
    buffer = gst_buffer_new_allocate(NULL, info.size, NULL);
    gst_buffer_map(buffer, &map, GST_MAP_WRITE);
    for (i = 0; i + 4 <= map.size; i += 4) {
        guint32 noise = g_rand_int(random);
        memcpy(map.data + i, &noise, 4);
    }
    for (; i < map.size; i++)
        map.data[i] = (guint8)g_rand_int(random);
    gst_buffer_unmap(buffer, &map);
    g_rand_free(random);
    if (info.fps_n > 0) {
        GST_BUFFER_DURATION(buffer) = gst_util_uint64_scale(GST_SECOND, info.fps_d, info.fps_n);
        GST_BUFFER_PTS(buffer) = n * GST_BUFFER_DURATION(buffer);
    }
    return buffer;
}

void
filter_info(GstVideoInfo *info, const char *string)
{
    GstCaps *caps = gst_caps_from_string(string);

    g_assert_true(gst_video_info_from_caps(info, caps));
    gst_caps_unref(caps);
}

GstBuffer *
filter_through(GstHarness *h, GstBuffer *buffer)
{
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    buffer = gst_harness_pull(h);
    if (!buffer) {
        filter_expect_no_error(h->element);
        g_error("nothing came");
    }
    return buffer;
}

GstMessage *
filter_message(GstElement *element, GstMessageType types)
{
    GstBus *bus = gst_element_get_bus(element);
    GstMessage *message = gst_bus_timed_pop_filtered(bus, 5 * GST_SECOND, types);

    gst_object_unref(bus);
    return message;
}

void
filter_expect_error(GstElement *element, GQuark domain, gint code, const char *part)
{
    GstMessage *message = filter_message(element, GST_MESSAGE_ERROR);
    GError *error = NULL;

    g_assert_nonnull(message);
    gst_message_parse_error(message, &error, NULL);
    g_assert_error(error, domain, code);
    if (!strstr(error->message, part) || strchr(error->message, '\n'))
        g_error("expected \"%s\" in: %s", part, error->message);
    g_error_free(error);
    gst_message_unref(message);
}

void
filter_expect_no_error(GstElement *element)
{
    GstBus *bus = gst_element_get_bus(element);
    GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);

    if (message)
        g_error("unexpected: %s", gst_structure_to_string(gst_message_get_structure(message)));
    gst_object_unref(bus);
}

void
filter_query_latency(GstHarness *h, gboolean *live, GstClockTime *min, GstClockTime *max)
{
    GstQuery *query = gst_query_new_latency();

    g_assert_true(gst_pad_peer_query(h->sinkpad, query));
    gst_query_parse_latency(query, live, min, max);
    gst_query_unref(query);
}

void
filter_wait_for(const gint *value, gint least)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE;

    while (g_atomic_int_get(value) < least && g_get_monotonic_time() < deadline)
        g_usleep(1000);
    g_assert_cmpint(g_atomic_int_get(value), >=, least);
}

static gpointer
pusher_thread(gpointer data)
{
    Pusher *pusher = data;
    GstFlowReturn ret = GST_FLOW_OK;

    for (guint i = 0; i < pusher->count && ret == GST_FLOW_OK; i++) {
        ret = gst_harness_push(pusher->h, filter_picture(pusher->caps, i, i));
        if (ret == GST_FLOW_OK)
            g_atomic_int_inc(&pusher->pushed);
    }
    if (pusher->eos)
        gst_harness_push_event(pusher->h, gst_event_new_eos());
    return GINT_TO_POINTER(ret);
}

void
pusher_start(Pusher *pusher)
{
    pusher->thread = g_thread_new("pusher", pusher_thread, pusher);
}

GstFlowReturn
pusher_join(Pusher *pusher)
{
    return (GstFlowReturn)GPOINTER_TO_INT(g_thread_join(pusher->thread));
}

static void
record_event(Recorder *recorder, GstEvent *event)
{
    const GstStructure *structure = gst_event_get_structure(event);

    if (GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM)
        g_string_append_printf(recorder->words, "%s ", gst_structure_get_name(structure));
    else
        g_string_append_printf(recorder->words, "%s ", GST_EVENT_TYPE_NAME(event));
}

static GstPadProbeReturn
record(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    Recorder *recorder = user_data;

    g_mutex_lock(&recorder->lock);
    if (GST_IS_BUFFER(info->data))
        g_string_append_printf(recorder->words, "buffer:%d ",
                               (int)(GST_BUFFER_PTS(info->data) / GST_MSECOND));
    else if (GST_IS_EVENT(info->data))
        record_event(recorder, info->data);
    else if (GST_IS_QUERY(info->data) && GST_QUERY_IS_SERIALIZED(info->data) &&
             GST_QUERY_TYPE(info->data) != GST_QUERY_ALLOCATION)
        g_string_append_printf(recorder->words, "query:%s ", GST_QUERY_TYPE_NAME(info->data));
    g_mutex_unlock(&recorder->lock);
    return GST_PAD_PROBE_OK;
}

void
recorder_init(Recorder *recorder, GstHarness *h)
{
    g_mutex_init(&recorder->lock);
    recorder->words = g_string_new(NULL);
    gst_pad_add_probe(h->sinkpad,
                      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                          GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH,
                      record, recorder, NULL);
}

char *
recorder_finish(Recorder *recorder)
{
    g_mutex_lock(&recorder->lock);
    char *words = g_string_free(recorder->words, FALSE);

    recorder->words = g_string_new(NULL);
    g_mutex_unlock(&recorder->lock);
    return words;
}

/* Half a second, and less than the two that the slowest model goes on after it was cancelled: on a
 * machine with more to do than it can, or under a sanitizer, threads also wait for each other. */
static double
patience(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 1.5;
#else
    double load = 0;

    return getloadavg(&load, 1) == 1 && load > g_get_num_processors() ? 1.5 : 0.5;
#endif
}

void
expect_quick(gint64 begin, const char *what)
{
    double seconds = (double)(element_test_time() - begin) / G_TIME_SPAN_SECOND;

    g_test_message("%s took %.3f s", what, seconds);
    g_assert_cmpfloat(seconds, <, patience());
}
