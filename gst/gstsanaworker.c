/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef __linux__
#include <sys/resource.h>
#endif

#include <glib/gi18n-lib.h>

#include "gstsanaworkerprivate.h"

GST_DEBUG_CATEGORY (gst_sana_worker_debug);
#define GST_CAT_DEFAULT gst_sana_worker_debug

/* How long stop() waits for a computation to notice that it is cancelled. */
#define PATIENCE (300 * G_TIME_SPAN_MILLISECOND)
/* Of a thread that computes, added to that of the process. */
#define NICENESS 10

static void
worker_unref (GstSanaWorker * worker)
{
  if (!g_atomic_int_dec_and_test (&worker->refs))
    return;
  g_clear_error (&worker->broken);
  g_mutex_clear (&worker->lock);
  g_cond_clear (&worker->news);
  gst_object_unref (worker->element);
  g_free (worker);
}

gboolean
gst_sana_worker_enter (GstSanaWorker * worker)
{
  gboolean ok;

  g_mutex_lock (&worker->lock);
  ok = !worker->stopping;
  if (ok)
    worker->outside++;
  g_mutex_unlock (&worker->lock);
  return ok;
}

void
gst_sana_worker_leave (GstSanaWorker * worker)
{
  g_mutex_lock (&worker->lock);
  worker->outside--;
  g_cond_broadcast (&worker->news);
  g_mutex_unlock (&worker->lock);
}

static void
post_error (GstSanaWorker * worker, GstSanaDoing doing, const GError * error)
{
  if (gst_sana_worker_enter (worker)) {
    gst_sana_post_error (worker->element, doing, error);
    gst_sana_worker_leave (worker);
  }
}

/* Another thread than that of jobs: frames go on with the prompt before. */
static void
on_refused (gpointer user_data, const GError * error)
{
  GstSanaWorker *worker = user_data;

  if (gst_sana_worker_enter (worker)) {
    gst_sana_post_warning (worker->element, GST_SANA_DOING_PROMPT, error);
    gst_sana_worker_leave (worker);
  }
}

/* --- jobs ----------------------------------------------------------------- */

gboolean
gst_sana_worker_run_locked (GstSanaWorker * worker, GstSanaJob * job,
    SanaPrompt * prompt, GError ** error)
{
  gint64 begin, took;
  gboolean ok;

  worker->drawing = TRUE;
  g_mutex_unlock (&worker->lock);
  begin = g_get_monotonic_time ();
  ok = job->run (job, worker->draw_session, prompt, worker->info, error);
  took = g_get_monotonic_time () - begin;
  g_mutex_lock (&worker->lock);
  worker->drawing = FALSE;
  /* nobody cancels from here on; forget what came too late */
  sana_session_reset (worker->draw_session);

  if (ok)
    GST_LOG_OBJECT (worker->element, "frame took %" G_GINT64_FORMAT " us",
        took);
  return ok;
}

static void
deliver (GstSanaWorker * worker, GstSanaJob * job, const GError * error)
{
  gboolean drop;

  g_mutex_lock (&worker->lock);
  drop = worker->drop || worker->stopping;
  worker->busy = FALSE;
  worker->delivering = !drop;
  if (!drop)
    worker->outside++;
  g_mutex_unlock (&worker->lock);

  if (drop) {
    job->free (job);
    return;
  }
  worker->funcs->done (worker->element, job, error);

  g_mutex_lock (&worker->lock);
  worker->delivering = FALSE;
  worker->outside--;
  g_cond_broadcast (&worker->news);
  g_mutex_unlock (&worker->lock);
}

static void
work (GstSanaWorker * worker, GstSanaJob * job)
{
  GstSanaDoing doing = GST_SANA_DOING_PROMPT;
  SanaPrompt *prompt = NULL;
  GError *error = NULL;
  gboolean dropped, ok = FALSE;

  if (worker->broken) {
    deliver (worker, job, worker->broken);
    return;
  }
  g_mutex_lock (&worker->lock);
  prompt = gst_sana_encoder_get_locked (worker->encoder, job, &worker->drop,
      &error);
  if (prompt) {
    doing = GST_SANA_DOING_FRAME;
    ok = gst_sana_worker_run_locked (worker, job, prompt, &error);
    gst_sana_encoder_free_dropped_locked (worker->encoder);
  }
  dropped = worker->drop || worker->stopping;
  g_mutex_unlock (&worker->lock);

  if (prompt)
    sana_prompt_unref (prompt);
  if (!ok && error == NULL)
    g_set_error_literal (&error, SANA_ERROR, SANA_ERROR_CANCELLED,
        "the frame was cancelled");
  job->doing = doing;
  if (error && !dropped && !job->quiet)
    post_error (worker, doing, error);
  deliver (worker, job, ok ? NULL : error);
  g_clear_error (&error);
}

/* --- the thread ----------------------------------------------------------- */

void
gst_sana_worker_come_after_others (void)
{
#ifdef __linux__
  setpriority (PRIO_PROCESS, 0, getpriority (PRIO_PROCESS, 0) + NICENESS);
#endif
}

/* What came before the model was found to be broken. */
static void
discard_warm_up_locked (GstSanaWorker * worker)
{
  GstSanaJob *job = g_steal_pointer (&worker->warm);

  g_mutex_unlock (&worker->lock);
  job->free (job);
  g_mutex_lock (&worker->lock);
}

static gpointer
compute_thread (gpointer data)
{
  GstSanaWorker *worker = data;
  GstSanaJob *job;

  gst_sana_worker_open (worker);

  g_mutex_lock (&worker->lock);
  while (!worker->stopping) {
    if (worker->warm) {
      if (worker->broken)
        discard_warm_up_locked (worker);
      else
        gst_sana_worker_run_warm_up_locked (worker);
      continue;
    }
    job = g_queue_pop_head (&worker->jobs);
    if (job == NULL) {
      g_cond_wait (&worker->news, &worker->lock);
      continue;
    }
    worker->busy = TRUE;
    worker->drop = FALSE;
    g_mutex_unlock (&worker->lock);
    work (worker, job);
    g_mutex_lock (&worker->lock);
  }
  g_mutex_unlock (&worker->lock);

  gst_sana_encoder_free (worker->encoder);
  sana_session_free (worker->draw_session);
  gst_sana_model_use_release (worker->use);

  g_mutex_lock (&worker->lock);
  worker->finished = TRUE;
  g_cond_broadcast (&worker->news);
  g_mutex_unlock (&worker->lock);
  worker_unref (worker);
  return NULL;
}

void
gst_sana_job_clear (GstSanaJob * job)
{
  gst_sana_settings_clear (&job->settings);
  gst_sana_settings_clear (&job->applied);
}

/* --- for the element ------------------------------------------------------ */

GstSanaWorker *
gst_sana_worker_start (GstElement * element, const GstSanaSettings * settings,
    const GstSanaWorkerFuncs * funcs)
{
  static gsize once = 0;
  GstSanaWorker *worker = g_new0 (GstSanaWorker, 1);
  gchar *path = gst_sana_find_model (settings->model_path);
  SanaModelOptions options = gst_sana_settings_model_options (settings);

  if (g_once_init_enter (&once)) {
    GST_DEBUG_CATEGORY_INIT (gst_sana_worker_debug, "sanaworker", 0,
        "SANA: loading, prompts and frames in the background");
    g_once_init_leave (&once, 1);
  }
  worker->refs = 2;
  worker->element = gst_object_ref (element);
  worker->funcs = funcs;
  worker->opening = TRUE;
  g_mutex_init (&worker->lock);
  g_cond_init (&worker->news);
  g_queue_init (&worker->jobs);
  worker->encoder = gst_sana_encoder_new (&worker->lock, &worker->news,
      settings, on_refused, worker);
  worker->use = gst_sana_model_use (path, &options);
  g_free (path);

  /* with the lock, as stop() reads the thread */
  g_mutex_lock (&worker->lock);
  worker->thread = g_thread_new ("sana-compute", compute_thread, worker);
  g_mutex_unlock (&worker->lock);
  return worker;
}

void
gst_sana_worker_submit (GstSanaWorker * worker, GstSanaJob * job)
{
  g_mutex_lock (&worker->lock);
  g_queue_push_tail (&worker->jobs, job);
  g_cond_broadcast (&worker->news);
  g_mutex_unlock (&worker->lock);
}

void
gst_sana_worker_prepare (GstSanaWorker * worker,
    const GstSanaSettings * settings)
{
  g_mutex_lock (&worker->lock);
  if (!worker->stopping)
    gst_sana_encoder_prepare_locked (worker->encoder, settings);
  g_mutex_unlock (&worker->lock);
}

/* With the lock; the caller frees what it returns, without. */
static GQueue
flush_locked (GstSanaWorker * worker)
{
  GQueue waiting = worker->jobs;

  g_queue_init (&worker->jobs);
  if (worker->busy)
    worker->drop = TRUE;
  if (worker->drawing && (!worker->warming || worker->stopping))
    sana_session_cancel (worker->draw_session);
  g_cond_broadcast (&worker->news);
  return waiting;
}

static void
free_jobs (GQueue * jobs)
{
  GstSanaJob *job;

  while ((job = g_queue_pop_head (jobs)) != NULL)
    job->free (job);
}

void
gst_sana_worker_flush (GstSanaWorker * worker)
{
  GQueue waiting;

  g_mutex_lock (&worker->lock);
  waiting = flush_locked (worker);
  while (worker->delivering && g_thread_self () != worker->thread)
    g_cond_wait (&worker->news, &worker->lock);
  g_mutex_unlock (&worker->lock);
  free_jobs (&waiting);
}

void
gst_sana_worker_stop (GstSanaWorker * worker)
{
  GQueue waiting;
  GThread *thread;
  guint self;
  gboolean opening, finished;
  gint64 deadline = g_get_monotonic_time () + PATIENCE;

  if (worker == NULL)
    return;
  g_mutex_lock (&worker->lock);
  worker->stopping = TRUE;
  waiting = flush_locked (worker);
  if (worker->warm)
    g_queue_push_tail (&waiting, g_steal_pointer (&worker->warm));
  gst_sana_encoder_stop_locked (worker->encoder);
  gst_sana_model_use_cancel (worker->use);

  /* a handler of one of our messages may be what stops us */
  thread = worker->thread;
  self = g_thread_self () == thread ||
      gst_sana_encoder_is_own_thread_locked (worker->encoder);
  while (worker->outside > self)
    g_cond_wait (&worker->news, &worker->lock);
  while (!worker->finished && !self &&
      g_cond_wait_until (&worker->news, &worker->lock, deadline));
  finished = worker->finished;
  opening = worker->opening;
  g_mutex_unlock (&worker->lock);

  free_jobs (&waiting);
  if (opening)
    gst_sana_post_progress (worker->element, GST_PROGRESS_TYPE_CANCELED, -1,
        _("Loading the model was cancelled"));
  if (finished)
    g_thread_join (thread);
  else
    g_thread_unref (thread);
  worker_unref (worker);
}
