/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker in two files: gstsanaworkeropen.c is what its compute thread does
 * before the first job, gstsanaworker.c the rest.
 */
#ifndef GST_SANA_WORKER_PRIVATE_H
#define GST_SANA_WORKER_PRIVATE_H

#include "gstsanaencoder.h"
#include "gstsanamodel.h"
#include "gstsanaworker.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_sana_worker_debug);

struct _GstSanaWorker
{
  gint refs;                    /* atomic: the element and the thread */
  GstElement *element;          /* a reference */
  const GstSanaWorkerFuncs *funcs;

  /* compute thread */
  SanaSession *draw_session;
  const SanaModelInfo *info;
  GError *broken;               /* why there is no model */
  gint percent;                 /* told last, and when */
  gint64 told;

  GstSanaModelUse *use;         /* cancel: any thread */

  GMutex lock;                  /* the encoder's too */
  GCond news;
  /* below: lock */
  GThread *thread;
  gboolean stopping;
  gboolean opening;
  gboolean finished;            /* the compute thread touches nothing any more */
  guint outside;                /* threads that are calling the element */
  GQueue jobs;                  /* not started */
  gboolean busy;                /* with a job */
  gboolean drop;                /* that job was flushed */
  gboolean drawing;             /* in run(): draw_session may be cancelled */
  GstSanaJob *warm;             /* to run before the jobs, not started */
  gboolean warming;             /* what draws is that */
  gboolean delivering;          /* in done() */
  GstSanaEncoder *encoder;
};

/* Between the two the element may be called, with no lock held; FALSE when it
 * may not any more. */
gboolean gst_sana_worker_enter (GstSanaWorker * worker);
void gst_sana_worker_leave (GstSanaWorker * worker);

/* With the lock, which is released while running. */
gboolean gst_sana_worker_run_locked (GstSanaWorker * worker, GstSanaJob * job,
    SanaPrompt * prompt, GError ** error);

/* The compute thread: loads, warms up, and tells the element. */
void gst_sana_worker_open (GstSanaWorker * worker);

/* With the lock, which is released while running: the warm-up that waits. */
void gst_sana_worker_run_warm_up_locked (GstSanaWorker * worker);

G_END_DECLS
#endif /* GST_SANA_WORKER_PRIVATE_H */
