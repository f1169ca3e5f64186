/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanaimg2img behind cameras of a network and in front of its servers, all of them on this host. */
#include "element_util.h"
#include "fake_sana.h"

#include <gio/gio.h>
#include <string.h>
#ifdef HAVE_RTSP_SERVER
#include <gst/rtsp-server/rtsp-server.h>
#endif

#define CAMERA                                                                    \
    "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=64,"  \
    "height=48,framerate=30/1 ! x264enc tune=zerolatency speed-preset=ultrafast " \
    "key-int-max=5 ! video/x-h264,profile=baseline "
#define LOOK "sanaimg2img name=e model-path=fake:frame=3 strength=1 prompt=\"a look\" "
#define ENCODE                                                                           \
    "videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency key-int-max=5 ! " \
    "h264parse config-interval=-1 "
#define SINK "videoconvert ! video/x-raw,format=RGB ! appsink name=out sync=false "

/* In the middle of a frame. */
static void
middle(GstSample *sample, guint8 pixel[3])
{
    GstVideoInfo info;

    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    gst_buffer_extract(gst_sample_get_buffer(sample),
                       info.height / 2 * info.stride[0] + info.width / 2 * 3, pixel, 3);
}

/* Frames come, in order; once the first is restyled, all are.  A demuxer that smooths the clock of
 * what arrives in bursts may give two frames one time. */
static void
expect_look(Pipe *pipe, guint count)
{
    guint8 want[3], pixel[3];
    GstClockTime last = 0;
    guint restyled = 0;

    fake_sana_colour("a look", 0, 1, 4.5, want);
    for (guint n = 0; n < 300 && restyled < count; n++) {
        GstSample *sample = pipe_pull(pipe);
        g_assert_nonnull(sample);
        GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
        g_assert_true(GST_CLOCK_TIME_IS_VALID(pts));
        if (n > 0)
            g_assert_cmpuint(pts, >=, last);
        last = pts;
        middle(sample, pixel);
        gst_sample_unref(sample);
        /* through Y'CbCr, and an encoder */
        gboolean same = ABS(pixel[0] - want[0]) < 8 && ABS(pixel[1] - want[1]) < 8 &&
                        ABS(pixel[2] - want[2]) < 8;
        g_assert_true(same || restyled == 0);
        restyled += same;
    }
    g_assert_cmpuint(restyled, ==, count);
    g_assert_null(gst_bus_pop_filtered(pipe->bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
}

static void
expect_latency(Pipe *pipe, GstClockTime least)
{
    GstQuery *query = gst_query_new_latency();
    GstPad *pad = gst_element_get_static_pad(GST_ELEMENT(pipe->out), "sink");
    GstClockTime min, max;
    gboolean live;

    g_assert_true(gst_pad_peer_query(pad, query));
    gst_object_unref(pad);
    gst_query_parse_latency(query, &live, &min, &max);
    gst_query_unref(query);
    g_assert_true(live);
    g_assert_cmpuint(min, >=, least);
    g_assert_cmpuint(max, >=, min);
}

/* --- RTSP ------------------------------------------------------------------------------------ */

#ifdef HAVE_RTSP_SERVER

typedef struct {
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
    GstRTSPServer *server;
    char *url;
} Server;

static gpointer
serve(gpointer loop)
{
    g_main_loop_run(loop);
    return NULL;
}

/* A server with one mount, which plays or records by the line. */
static void
server_open(Server *server, GstRTSPTransportMode mode, const char *line)
{
    GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
    GstRTSPMountPoints *mounts;

    server->context = g_main_context_new();
    server->loop = g_main_loop_new(server->context, FALSE);
    server->server = gst_rtsp_server_new();
    gst_rtsp_server_set_address(server->server, "127.0.0.1");
    gst_rtsp_server_set_service(server->server, "0");
    gst_rtsp_media_factory_set_launch(factory, line);
    gst_rtsp_media_factory_set_transport_mode(factory, mode);
    gst_rtsp_media_factory_set_shared(factory, TRUE);
    mounts = gst_rtsp_server_get_mount_points(server->server);
    gst_rtsp_mount_points_add_factory(mounts, "/camera", factory);
    g_object_unref(mounts);
    g_assert_cmpuint(gst_rtsp_server_attach(server->server, server->context), >, 0);
    server->url = g_strdup_printf("rtsp://127.0.0.1:%d/camera",
                                  gst_rtsp_server_get_bound_port(server->server));
    server->thread = g_thread_new("rtsp server", serve, server->loop);
}

static GstRTSPFilterResult
drop(GstRTSPServer *server, GstRTSPClient *client, gpointer data)
{
    return GST_RTSP_FILTER_REMOVE;
}

static void
server_close(Server *server)
{
    gst_rtsp_server_client_filter(server->server, drop, NULL);
    g_main_loop_quit(server->loop);
    g_thread_join(server->thread);
    g_object_unref(server->server);
    g_main_loop_unref(server->loop);
    g_main_context_unref(server->context);
    g_free(server->url);
}

static void
restyles_an_rtsp_camera(void)
{
    Server server;
    Pipe pipe;

    if (element_test_skips(
            element_test_missing("rtspsrc", "x264enc", "avdec_h264", "rtph264pay", NULL)))
        return;
    server_open(&server, GST_RTSP_TRANSPORT_MODE_PLAY,
                "( " CAMERA "! rtph264pay name=pay0 pt=96 )");
    char *line = g_strdup_printf("rtspsrc location=%s latency=60 protocols=tcp ! rtph264depay ! "
                                 "h264parse ! avdec_h264 ! " LOOK "! " SINK,
                                 server.url);
    pipe_open(&pipe, line);
    pipe_play(&pipe);
    expect_look(&pipe, 30);
    /* its own, and twice three milliseconds */
    expect_latency(&pipe, 66 * GST_MSECOND);
    pipe_close(&pipe);
    g_free(line);
    server_close(&server);
}

typedef struct {
    GMutex lock;
    GCond news;
    guint frames;
} Received;

static GstPadProbeReturn
receive(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Received *received = data;

    g_mutex_lock(&received->lock);
    received->frames++;
    g_cond_broadcast(&received->news);
    g_mutex_unlock(&received->lock);
    return GST_PAD_PROBE_OK;
}

static void
count_frames(GstRTSPMediaFactory *factory, GstRTSPMedia *media, gpointer data)
{
    GstElement *bin = gst_rtsp_media_get_element(media);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(bin), "sink");
    GstPad *pad = gst_element_get_static_pad(sink, "sink");

    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, receive, data, NULL);
    gst_object_unref(pad);
    gst_object_unref(sink);
    gst_object_unref(bin);
}

static void
streams_to_an_rtsp_server(void)
{
    Received received = {0};
    Server server;
    Pipe pipe;

    if (element_test_skips(element_test_missing("rtspclientsink", "x264enc", "avdec_h264", NULL)))
        return;
    server_open(&server, GST_RTSP_TRANSPORT_MODE_RECORD,
                "( rtph264depay name=depay0 ! h264parse ! avdec_h264 ! fakesink name=sink )");
    GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server.server);
    GstRTSPMediaFactory *factory = gst_rtsp_mount_points_match(mounts, "/camera", NULL);
    g_signal_connect(factory, "media-configure", G_CALLBACK(count_frames), &received);
    g_object_unref(factory);
    g_object_unref(mounts);
    char *line = g_strdup_printf("videotestsrc is-live=true ! video/x-raw,width=64,height=48,"
                                 "framerate=30/1 ! " LOOK "! " ENCODE
                                 "! rtspclientsink location=%s protocols=tcp",
                                 server.url);
    pipe_open(&pipe, line);
    pipe_play(&pipe);
    gint64 until = g_get_monotonic_time() + ENOUGH / 1000;
    g_mutex_lock(&received.lock);
    while (received.frames < 30 && g_cond_wait_until(&received.news, &received.lock, until))
        ;
    g_assert_cmpuint(received.frames, >=, 30);
    g_mutex_unlock(&received.lock);
    g_assert_null(gst_bus_pop_filtered(pipe.bus, GST_MESSAGE_ERROR));
    pipe_close(&pipe);
    g_free(line);
    server_close(&server);
}

#else

static void
restyles_an_rtsp_camera(void)
{
    g_test_skip("libgstrtspserver-1.0-dev was not installed at build time");
}

static void
streams_to_an_rtsp_server(void)
{
    restyles_an_rtsp_camera();
}

#endif

/* --- SRT ------------------------------------------------------------------------------------- */

/* One that was free a moment ago. */
static guint16
free_port(void)
{
    GInetAddress *host = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    GSocketAddress *address = g_inet_socket_address_new(host, 0);
    GSocket *socket = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, 0, NULL);
    guint16 port;

    g_assert_true(g_socket_bind(socket, address, FALSE, NULL));
    g_object_unref(address);
    address = g_socket_get_local_address(socket, NULL);
    port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address));
    g_object_unref(address);
    g_object_unref(host);
    g_object_unref(socket);
    return port;
}

static void
goes_over_srt_and_back(void)
{
    Pipe camera, studio, viewer;
    int raw = free_port(), restyled = free_port();

    if (element_test_skips(
            element_test_missing("srtsink", "x264enc", "avdec_h264", "tsdemux", "mpegtsmux", NULL)))
        return;
    char *lines[] = {
        g_strdup_printf(CAMERA "! h264parse config-interval=-1 ! mpegtsmux alignment=7 ! "
                               "srtsink uri=srt://127.0.0.1:%d?mode=listener latency=20",
                        raw),
        g_strdup_printf("srtsrc uri=srt://127.0.0.1:%d latency=20 ! tsdemux ! h264parse ! "
                        "avdec_h264 ! videoconvert ! " LOOK "! " ENCODE "! mpegtsmux alignment=7 ! "
                        "srtsink uri=srt://127.0.0.1:%d?mode=listener latency=20",
                        raw, restyled),
        g_strdup_printf("srtsrc uri=srt://127.0.0.1:%d latency=20 ! tsdemux ! h264parse ! "
                        "avdec_h264 ! " SINK,
                        restyled),
    };
    pipe_open(&camera, lines[0]);
    pipe_play(&camera);
    pipe_open(&studio, lines[1]);
    pipe_play(&studio);
    pipe_open(&viewer, lines[2]);
    pipe_play(&viewer);
    expect_look(&viewer, 30);
    g_assert_null(gst_bus_pop_filtered(studio.bus, GST_MESSAGE_ERROR));
    pipe_close(&viewer);
    pipe_close(&studio);
    pipe_close(&camera);
    for (guint n = 0; n < G_N_ELEMENTS(lines); n++)
        g_free(lines[n]);
}

/* --- cameras that send JPEG ------------------------------------------------------------------ */

static void
restyles_a_camera_that_sends_jpeg(void)
{
    Pipe pipe;

    if (element_test_skips(element_test_missing("jpegenc", "jpegdec", NULL)))
        return;
    /* webcams halve the colour across only */
    pipe_open(&pipe,
              "videotestsrc is-live=true ! video/x-raw,format=Y42B,width=64,height=48,"
              "framerate=30/1 ! jpegenc ! image/jpeg,framerate=30/1 ! jpegdec ! " LOOK "! " SINK);
    pipe_play(&pipe);
    expect_look(&pipe, 30);
    expect_latency(&pipe, 6 * GST_MSECOND);
    pipe_close(&pipe);
}

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
#define TEST(f) g_test_add_func("/network/" #f, f)
    TEST(restyles_an_rtsp_camera);
    TEST(streams_to_an_rtsp_server);
    TEST(goes_over_srt_and_back);
    TEST(restyles_a_camera_that_sends_jpeg);
    return g_test_run();
}
