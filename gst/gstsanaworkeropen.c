/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the compute thread does before its first job: load, and warm up. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsanaworkerprivate.h"

#define GST_CAT_DEFAULT gst_sana_worker_debug

/* Progress is told at each tenth, or when this long nothing was. */
#define SILENCE G_TIME_SPAN_SECOND

/* --- loading -------------------------------------------------------------- */

static void
on_progress (gint percent, gpointer user_data)
{
  GstSanaWorker *worker = user_data;
  gint64 now = g_get_monotonic_time ();

  /* the end is told as COMPLETE */
  if (percent >= 100 || (percent < worker->percent + 10 &&
          now < worker->told + SILENCE))
    return;
  worker->percent = percent;
  worker->told = now;
  if (gst_sana_worker_enter (worker)) {
    gst_sana_post_progress (worker->element, GST_PROGRESS_TYPE_CONTINUE,
        percent, _("Loading the model"));
    gst_sana_worker_leave (worker);
  }
}

static gboolean
open_sessions (GstSanaWorker * worker, GError ** error)
{
  SanaSession *text_session;
  SanaModel *model =
      gst_sana_model_use_wait (worker->use, on_progress, worker, error);

  if (model == NULL)
    return FALSE;
  worker->info = sana_model_info (model);
  if (!worker->info->own_memory)
    gst_sana_worker_come_after_others ();
  worker->draw_session = sana_session_new (model, error);
  if (worker->draw_session == NULL)
    return FALSE;
  text_session = sana_session_new (model, error);
  if (text_session == NULL)
    return FALSE;
  g_mutex_lock (&worker->lock);
  gst_sana_encoder_start_locked (worker->encoder, text_session);
  g_mutex_unlock (&worker->lock);
  return TRUE;
}

/* After each message that was posted: its handler may have stopped us. */
static gboolean
reenter (GstSanaWorker * worker)
{
  gst_sana_worker_leave (worker);
  return gst_sana_worker_enter (worker);
}

static void
set_opened (GstSanaWorker * worker)
{
  g_mutex_lock (&worker->lock);
  worker->opening = FALSE;
  g_mutex_unlock (&worker->lock);
}

static void
open_model (GstSanaWorker * worker)
{
  GError *error = NULL;

  worker->told = g_get_monotonic_time ();
  if (gst_sana_worker_enter (worker)) {
    gst_sana_post_progress (worker->element, GST_PROGRESS_TYPE_START, 0,
        _("Loading the model"));
    gst_sana_worker_leave (worker);
  }
  if (!open_sessions (worker, &error))
    worker->broken = error;

  if (!gst_sana_worker_enter (worker))
    return;
  if (error) {
    /* the error itself before the end of the progress it ends */
    gst_sana_post_error (worker->element, GST_SANA_DOING_OPEN, error);
    if (!reenter (worker))
      return;
    set_opened (worker);
    gst_sana_post_progress (worker->element, GST_PROGRESS_TYPE_ERROR, -1,
        _("The model could not be loaded"));
    if (!reenter (worker))
      return;
  } else {
    GST_INFO_OBJECT (worker->element, "model of %d px on %s",
        worker->info->native_size, worker->info->device);
  }
  worker->funcs->ready (worker->element, worker->info, error);
  gst_sana_worker_leave (worker);
}

/* --- warming up ----------------------------------------------------------- */

/* What goes wrong here goes wrong again with the first frame, which says so. */
void
gst_sana_worker_run_warm_up_locked (GstSanaWorker * worker)
{
  GstSanaJob *job = g_steal_pointer (&worker->warm);
  GError *error = NULL;
  gboolean ok;

  worker->warming = TRUE;
  ok = gst_sana_worker_run_locked (worker, job, NULL, &error);
  worker->warming = FALSE;
  if (!ok)
    GST_DEBUG_OBJECT (worker->element, "warming up: %s",
        error ? error->message : "cancelled");
  ok = ok && !worker->stopping;
  if (ok)
    worker->outside++;
  g_mutex_unlock (&worker->lock);
  g_clear_error (&error);
  if (ok)
    worker->funcs->done (worker->element, job, NULL);
  else
    job->free (job);
  g_mutex_lock (&worker->lock);
  if (ok)
    worker->outside--;
  g_cond_broadcast (&worker->news);
}

/* The first embedding, then one frame of nothing: from here on everything is as
 * fast as it will be. */
static void
warm_up (GstSanaWorker * worker)
{
  GstSanaJob *job = NULL;

  g_mutex_lock (&worker->lock);
  while (!worker->stopping && !gst_sana_encoder_has_tried_locked
      (worker->encoder))
    g_cond_wait (&worker->news, &worker->lock);
  g_mutex_unlock (&worker->lock);

  if (worker->funcs->warm_up && gst_sana_worker_enter (worker)) {
    job = worker->funcs->warm_up (worker->element, worker->info);
    gst_sana_worker_leave (worker);
  }
  g_mutex_lock (&worker->lock);
  if (!worker->warm && !worker->stopping)
    worker->warm = g_steal_pointer (&job);
  while (worker->warm && !worker->stopping)
    gst_sana_worker_run_warm_up_locked (worker);
  g_mutex_unlock (&worker->lock);
  if (job)
    job->free (job);
}

void
gst_sana_worker_open (GstSanaWorker * worker)
{
  open_model (worker);
  if (worker->broken)
    return;
  warm_up (worker);
  if (!gst_sana_worker_enter (worker))
    return;
  set_opened (worker);
  gst_sana_post_progress (worker->element, GST_PROGRESS_TYPE_COMPLETE, 100,
      _("The model is loaded"));
  if (!reenter (worker))
    return;
  if (worker->funcs->started)
    worker->funcs->started (worker->element);
  gst_sana_worker_leave (worker);
}

void
gst_sana_worker_warm_up (GstSanaWorker * worker, GstSanaJob * job)
{
  GstSanaJob *old;

  g_mutex_lock (&worker->lock);
  old = worker->warm;
  worker->warm = job;
  if (worker->warming)
    sana_session_cancel (worker->draw_session);
  g_cond_broadcast (&worker->news);
  g_mutex_unlock (&worker->lock);
  if (old)
    old->free (old);
}
