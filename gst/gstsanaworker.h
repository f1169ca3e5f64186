/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The compute thread of one element, from READY→PAUSED to PAUSED→READY.
 *
 * It loads the model (or shares it: gstsanamodel.h), owns a SanaSession for
 * frames, and a second one on a thread of its own that encodes prompts
 * (gstsanaencoder.h).
 * An element submits jobs; they are computed one after the other in the order
 * of submission, and handed back by done().  Inference never runs in a
 * streaming thread, and nothing here makes one wait except
 * gst_sana_worker_stop(), for at most about 0.3 s.
 *
 *   READY→PAUSED  worker = gst_sana_worker_start (element, &settings, &funcs);
 *   chain, create gst_sana_worker_submit (worker, &job->parent);
 *   FLUSH_START   gst_sana_worker_flush (worker);
 *   PAUSED→READY  gst_sana_worker_stop (worker);
 *
 * The worker posts every message about loading (PROGRESS of code "open"),
 * prompts and frames, ERROR messages too; the element decides what flows.
 *
 * No lock is held while loading, computing, posting or calling the element.
 */
#ifndef GST_SANA_WORKER_H
#define GST_SANA_WORKER_H

#include "gstsanamessages.h"

G_BEGIN_DECLS

typedef struct _GstSanaWorker GstSanaWorker;
typedef struct _GstSanaJob GstSanaJob;

/*
 * One frame to compute: the first member of an element's own struct.  It
 * belongs to the submitter until submitted, to the worker until done(), and
 * then to the submitter again.
 */
struct _GstSanaJob
{
  /* The values this frame is to be computed with, to be filled by
   * gst_sana_common_snapshot(). */
  GstSanaSettings settings;

  /* TRUE: the frame waits for the embedding of its own prompt (not live).
   * FALSE: it is computed with the newest embedding there is while the new one
   * is being encoded (live); only the very first frame waits. */
  gboolean await_prompt;

  /* TRUE: what goes wrong with it is left for done() to tell.  `doing` says what
   * that was. */
  gboolean quiet;
  GstSanaDoing doing;

  /* When the frame is on, for settings' prompt_transition; NONE: unknown, so
   * that a new prompt is there at once.  ahead: how long before that one that
   * is new with this frame begins to take over. */
  GstClockTime running_time, ahead;

  /* Set before run().  applied: the values of the prompt it is computed with;
   * the others are zero.  blending: that is not all yet, but lies between it and
   * the one before.  interim: settings' own is still being encoded. */
  GstSanaSettings applied;
  gboolean blending, interim;

  /* Compute thread, no lock held: computes one frame with calls of `session`,
   * which another thread may cancel.  prompt is NULL in a warm-up.  `session`'s
   * model lives at least as long.  Must not touch the element: it may be stopped
   * meanwhile. */
  gboolean (*run) (GstSanaJob * job, SanaSession * session,
      SanaPrompt * prompt, const SanaModelInfo * info, GError ** error);

  /* Any thread: frees a job that nobody waits for any more.  Must not touch the
   * element. */
  void (*free) (GstSanaJob * job);
};

typedef struct
{
  /* Compute thread, once: the model is there (info, valid until stop), or
   * error says why not, after it was posted. */
  void (*ready) (GstElement * element, const SanaModelInfo * info,
      const GError * error);

  /* Compute thread, once after ready() without error, or NULL: a warm-up for
   * pictures of the size that is to be expected, or NULL.  One that was asked
   * for meanwhile by gst_sana_worker_warm_up() goes before. */
  GstSanaJob *(*warm_up) (GstElement * element, const SanaModelInfo * info);

  /* Compute thread, once, or NULL: the first prompt is encoded and the warm-up
   * done; this is when PROGRESS said COMPLETE. */
  void (*started) (GstElement * element);

  /* Compute thread: the job is finished and belongs to the element again;
   * error is NULL, or why there is no frame, after it was posted unless the job
   * is quiet.  After an error of loading every job comes back with that error. */
  void (*done) (GstElement * element, GstSanaJob * job, const GError * error);
} GstSanaWorkerFuncs;

/* For free(). */
void gst_sana_job_clear (GstSanaJob * job);

/*
 * Returns at once; loads in the background what settings' model-path, device
 * and precision name, and then encodes its prompt.  funcs must be static.
 */
GstSanaWorker *gst_sana_worker_start (GstElement * element,
    const GstSanaSettings * settings, const GstSanaWorkerFuncs * funcs);

/* Takes the job; never blocks.  From any thread, done() included. */
void gst_sana_worker_submit (GstSanaWorker * worker, GstSanaJob * job);

/* This prompt will be wanted: encodes it ahead once nothing else waits to be.
 * The newest call counts.  Any thread; never blocks. */
void gst_sana_worker_prepare (GstSanaWorker * worker,
    const GstSanaSettings * settings);

/*
 * Has the job run before all that wait, without a prompt; done() hands it back
 * unless it fails, and a failure is not posted.  It takes the place of a
 * warm-up that has not finished.  Flushing leaves it alone.
 */
void gst_sana_worker_warm_up (GstSanaWorker * worker, GstSanaJob * job);

/*
 * Cancels the job being computed and frees it and all that wait.  When this
 * returns, done() has ended or will not be called for any job submitted before;
 * so hold no lock that done() takes.  Does not wait for the computation.
 */
void gst_sana_worker_flush (GstSanaWorker * worker);

/*
 * Flushes, cancels loading and encoding, and frees the worker.  When this
 * returns none of funcs runs or will be called, and no message will be posted,
 * also where a handler of one of them stops; so hold no lock that they take.  A
 * computation that does not end within 0.3 s is left to end by itself.  NULL is
 * fine.
 */
void gst_sana_worker_stop (GstSanaWorker * worker);

/* Of a thread, and those that it starts from here on, OpenMP's too: who captures,
 * shows or encodes on the same processor has little to do and has to be in time;
 * computing there takes what is left.  A thread that feeds a GPU does not: it has
 * little to do itself. */
void gst_sana_worker_come_after_others (void);

G_END_DECLS
#endif /* GST_SANA_WORKER_H */
