/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sanasrc in two files: gstsanasrc.c is the element, gstsanasrcdraw.c says
 * which picture a frame shows and waits for it.
 */
#ifndef GST_SANA_SRC_PRIVATE_H
#define GST_SANA_SRC_PRIVATE_H

#include "gstsanapicture.h"
#include "gstsanasrc.h"
#include "gstsanasrcprops.h"
#include "gstsanatimeline.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_sana_src_debug);

struct _GstSanaSrc
{
  GstPushSrc parent;

  GstSanaCommon common;
  /* common.lock */
  GstSanaSrcValues values;

  GstSanaWorker *worker;        /* between start() and stop() */
  gboolean black;               /* until there is a picture; set by start() */

  GMutex lock;
  GCond news;
  /* lock */
  gboolean unlocked;            /* create() is not to wait */
  gboolean ready;               /* the model is there */
  gboolean failed;              /* and this was said on the bus */
  gboolean ending;              /* EOS was sent to the element */
  gboolean playing;             /* live: running time goes on */
  gboolean resumed;             /* live: none was shown since PLAYING */
  gint native_size;
  GstSanaPicture *drawn;        /* just finished */

  GstObject *cuda;              /* a GstCudaContext, or NULL; once set it stays */

  /* streaming thread, and seek and caps, which exclude it */
  GstVideoInfo info;
  GstSanaCanvas *canvas;        /* NULL: not negotiated */
  GstSanaPicture *shown;        /* the last one pushed */
  GstSanaSettings announced;    /* the prompt last said to be applied */
  guint n_prompts;              /* of which key frames were asked for */
  GstSanaPicture *pending;      /* the worker's: only compared with, */
  GstClockTime pending_begin;   /* and, live, when it is to begin */
  guint64 live_count;           /* pictures shown, live, */
  GstClockTime shown_since;     /* and when the last one began; */
  gboolean holding;             /* it had to stay up to the last frame */
  GstSanaTimeline line;
  gboolean discont;             /* the next frame does not follow the last */
  guint64 produced;             /* since start() */
  GstClockTime due;             /* live: when the last one begins by the clock */
  GstClockTime end;             /* and ends by its timestamps */
  gboolean announcing;          /* it was the first of its prompt */
};

extern const GstSanaWorkerFuncs gst_sana_src_worker_funcs;

/* gstsanasrcuri.c: sana://?prompt=…, for G_IMPLEMENT_INTERFACE(). */
void gst_sana_src_uri_init (gpointer iface, gpointer data);

/* timestamp-offset now. */
gint64 gst_sana_src_get_offset (GstSanaSrc * self);

/* Streaming thread: waits for the model.  FALSE when the pad is flushing, or
 * something was said on the bus.  ending: EOS comes before the model. */
gboolean gst_sana_src_wait_model (GstSanaSrc * self, gboolean * ending);

/* Streaming thread, live: what the last frame was to be, if it did not go out as
 * the source was paused, the next one is. */
void gst_sana_src_make_up_for_lost (GstSanaSrc * self);

/* Whoever changes the state: PLAYING begins or ends. */
void gst_sana_src_set_playing (GstSanaSrc * self, gboolean playing);

/* Streaming thread, live: goes on to the frame that is on now; the first one
 * begins now.  Time that passed without us is not caught up with.  There a
 * picture that is not repeated begins to be shown, and the next one to be
 * drawn.  Waits for PLAYING. */
GstFlowReturn gst_sana_src_go_on_air (GstSanaSrc * self, gboolean repeated);

/* GstBaseSrcClass.get_times(): frames wait for their time by the clock, whatever
 * timestamp-offset is. */
void gst_sana_src_get_times (GstBaseSrc * src, GstBuffer * buffer,
    GstClockTime * start, GstClockTime * end);

/* Streaming thread: gives the next frame its times, and goes on. */
void gst_sana_src_stamp (GstSanaSrc * self, GstBuffer * buffer);

/* Seek: a picture that failed, unlike a model, is tried again. */
void gst_sana_src_forget_failure (GstSanaSrc * self);

/* Streaming thread: makes `shown` what the next frame is to show.  repeated: the
 * frame before showed it already. */
GstFlowReturn gst_sana_src_next_picture (GstSanaSrc * self,
    gboolean * repeated);

G_END_DECLS
#endif /* GST_SANA_SRC_PRIVATE_H */
