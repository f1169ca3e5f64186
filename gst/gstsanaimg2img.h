/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SANA_IMG2IMG_H
#define GST_SANA_IMG2IMG_H

#include "gstsanacues.h"
#include "gstsanaframe.h"
#include "gstsanalatency.h"
#include "gstsanapace.h"
#include "gstsanaqos.h"
#include "gstsanaqueue.h"

G_BEGIN_DECLS

#define GST_TYPE_SANA_IMG2IMG (gst_sana_img2img_get_type ())
G_DECLARE_FINAL_TYPE (GstSanaImg2img, gst_sana_img2img, GST, SANA_IMG2IMG,
    GstElement)

GST_DEBUG_CATEGORY_EXTERN (gst_sana_img2img_debug);

/* Frames that may wait while one is computed. */
#define GST_SANA_QUEUE_DEPTH 1

/* What the time of a picture depends on, but for what is set in READY. */
typedef struct
{
  gint width, height;           /* worked at */
  guint steps;
} GstSanaMeasured;

/*
 * Three threads meet here.  Upstream's puts frames, events and queries into
 * `queue`; the source pad's task takes them out, gives frames to the worker's
 * compute thread, waits until they are done, and pushes.  So there is one order
 * and one thread that pushes.
 *
 * `lock` is never held while computing, pushing, querying, posting, or calling
 * a worker function that waits.
 */
struct _GstSanaImg2img
{
  GstElement element;
  GstPad *sinkpad, *srcpad;

  GstSanaCommon common;         /* locks itself */
  GstSanaCues cues;             /* of text_sink; locks itself */
  GstSanaImg2imgValues values;  /* OBJECT_LOCK */

  /* NULL in READY and below.  Set by state changes; worker_lock is held while
   * another thread flushes it, so that it is not stopped meanwhile. */
  GstSanaWorker *worker;
  GMutex worker_lock;
  GstSanaStartup startup_mode;  /* from READY on */
  gchar *model_name;            /* the same: what is running, on what */

  GstObject *cuda;              /* a GstCudaContext, or NULL; once set it stays */

  /* upstream's thread */
  GstSegment segment;
  gboolean have_caps;
  gboolean asked_live;
  guint64 n_frames;
  GstClockTime last_time;       /* running time of the last frame, or NONE */
  GstClockTime step;            /* from frame to frame, as the caps say, or 0 */
  gboolean restart;             /* of the next one: a scene begins */
  GstBuffer *carried;           /* captions of frames dropped before it, or NULL */

  /* the task */
  GstCaps *in_caps, *out_caps;
  GstBufferPool *pool;          /* NULL: to be agreed on; set with the lock */
  GstSanaConvert *convert;      /* NULL: no caps yet */
  gboolean skipping;            /* frames, until the next segment */
  GstSanaSettings announced;    /* the prompt last said to be applied */
  GstSanaMeasured measured;     /* what times are taken of, */
  gchar *pictures;              /* and its name; NULL: of nothing */
  guint64 epoch;                /* of the frames; with pace */
  GstSanaPace pace;
  gboolean missed;              /* frames were dropped since the last pushed */
  gboolean failing;             /* the last frame failed, which was said */
  gboolean drawn;               /* there was a picture since the start */
  gboolean bypassed;            /* and none since frames were copied */
  guint n_prompts;              /* of which key frames were asked for */

  GMutex lock;
  /* below: lock */
  GCond added, removed;         /* to and from the queue, or srcresult */
  GCond answered;               /* a query */
  GCond computed;               /* the busy frame, or srcresult */
  GstSanaQueue queue;
  GstFlowReturn srcresult;
  gboolean broken;              /* there is no model: srcresult stays ERROR */
  gboolean own_error;           /* downstream has to hear of it, by EOS */
  gboolean eos;                 /* came from upstream */
  gboolean unexpected;          /* downstream wants no more frames */
  gboolean live;                /* upstream said so */
  GstSanaLeaky leaky;           /* never AUTO */
  gboolean started;             /* the first prompt is encoded */
  gboolean discont;             /* frames were dropped since the last queued */
  GstQuery *asking;             /* being answered downstream */
  GstQuery *last_query;         /* last one answered, and how */
  gboolean last_answer;
  GstSanaFrame *busy;           /* with the worker */
  gboolean done;                /* it came back */
  GstSanaFrame *background;     /* with the worker; nobody waits for it */
  GstSanaFrame *newest;         /* came back, to be shown */
  GstSanaQos qos;
  GstSanaLatency latency;
  GstClockTime frame_duration;
  gdouble scale_x, scale_y;     /* from the output's pixels to the input's */
};

/* gstsanaimg2img.c */
/* The values of the properties now.  Any thread. */
void gst_sana_img2img_get_values (GstSanaImg2img * self,
    GstSanaImg2imgValues * values);

/* gstsanaimg2imgchain.c */
GstFlowReturn gst_sana_img2img_chain (GstPad * pad, GstObject * parent,
    GstBuffer * buffer);

/* Has a frame, which it takes, not shown, and says so; its captions are added to
 * `carried`.  No lock held. */
void gst_sana_img2img_drop (GstSanaImg2img * self, GstSanaFrame * frame,
    GstSanaCount why, GstBuffer ** carried);

/* With the lock: upstream is live, or not; `leaky` follows from that and the
 * properties. */
void gst_sana_img2img_set_live (GstSanaImg2img * self, gboolean live,
    const GstSanaImg2imgValues * values);

/* gstsanaimg2imgflow.c */
gboolean gst_sana_img2img_sink_event (GstPad * pad, GstObject * parent,
    GstEvent * event);
gboolean gst_sana_img2img_sink_query (GstPad * pad, GstObject * parent,
    GstQuery * query);
gboolean gst_sana_img2img_sink_activate (GstPad * pad, GstObject * parent,
    GstPadMode mode, gboolean active);
gboolean gst_sana_img2img_src_event (GstPad * pad, GstObject * parent,
    GstEvent * event);
gboolean gst_sana_img2img_src_query (GstPad * pad, GstObject * parent,
    GstQuery * query);
gboolean gst_sana_img2img_src_activate (GstPad * pad, GstObject * parent,
    GstPadMode mode, gboolean active);

/* Wakes every thread that waits in the element, and lets none wait again. */
void gst_sana_img2img_set_flushing (GstSanaImg2img * self);

/* Forgets what the frame being computed and those waiting for it are for. */
void gst_sana_img2img_flush_worker (GstSanaImg2img * self);

/* Asks upstream whether it is live, for `leaky`. */
void gst_sana_img2img_update_live (GstSanaImg2img * self);

/* A property that others have to hear of has changed.  No lock held. */
void gst_sana_img2img_timing_changed (GstSanaImg2img * self);

/* gstsanaimg2imgtask.c */
void gst_sana_img2img_loop (gpointer pad);

/* The frames from now on are worked at that size: all before are out. */
void gst_sana_img2img_set_process (GstSanaImg2img * self,
    const GstSanaProcess * process);

/* Agrees with downstream on a pool, if that is due. */
GstFlowReturn gst_sana_img2img_ensure_pool (GstSanaImg2img * self);

/* The element posted what is wrong; downstream is to be told by EOS. */
void gst_sana_img2img_set_own_error (GstSanaImg2img * self);

/* The task: there is no buffer for the output.  Posts so; ERROR. */
GstFlowReturn gst_sana_img2img_fail_buffer (GstSanaImg2img * self);

/* gstsanaimg2imgshow.c */
/* The task: shows the frame, which it takes, or drops it. */
GstFlowReturn gst_sana_img2img_show (GstSanaImg2img * self,
    GstSanaFrame * frame);

/* The picture that nobody waits for is not to be shown, nor the one that is on its
 * way. */
void gst_sana_img2img_forget_background (GstSanaImg2img * self);

void gst_sana_img2img_reset_output (GstSanaImg2img * self);

/* gstsanaimg2imgcompute.c */
/* Before the worker starts with these settings: what the process remembers times
 * of its pictures by. */
void gst_sana_img2img_name_model (GstSanaImg2img * self,
    const GstSanaSettings * settings);

/* The task: pictures as `convert` makes them are to come, in so many steps: times
 * are of these from now on.  TRUE: they are others than before, and live. */
gboolean gst_sana_img2img_expect (GstSanaImg2img * self, guint steps);

/* The same for what caps promise: if it is TRUE the worker warms up for them. */
void gst_sana_img2img_prepare (GstSanaImg2img * self);

/* The task, or when it has ended: has the process remember how long pictures
 * took; others are to come, or none. */
void gst_sana_img2img_remember (GstSanaImg2img * self);
extern const GstSanaWorkerFuncs gst_sana_img2img_worker_funcs;

GST_ELEMENT_REGISTER_DECLARE (sanaimg2img);

G_END_DECLS
#endif /* GST_SANA_IMG2IMG_H */
