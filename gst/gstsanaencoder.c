/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstsanaencoder.h"

#include "gstsanavalues.h"

GST_DEBUG_CATEGORY_STATIC (gst_sana_encoder_debug);
#define GST_CAT_DEFAULT gst_sana_encoder_debug

/* A text cue, what returns after it, the next cue, and one more. */
#define N_KEPT 4

/* A prompt and what came of it: an embedding, or why there is none. */
typedef struct
{
  GstSanaSettings settings;
  SanaPrompt *prompt;
  GError *refusal;
  guint64 used;                 /* when last */
} Kept;

struct _GstSanaEncoder
{
  GMutex *lock;
  GCond *news;
  GstSanaEncoderRefused refused;
  gpointer user_data;

  /* below: *lock */
  SanaSession *session;
  GThread *thread;
  gboolean stopping;
  gboolean encoding;            /* the session may be cancelled */
  GstSanaSettings making;       /* what it encodes, */
  gboolean making_wanted;       /* because a job wants it */
  GstSanaSettings wanted;       /* the prompt of the newest job */
  gboolean awaiting;            /* and that job cannot go on without */
  GstSanaSettings ahead;        /* prompt NULL: nothing */
  Kept kept[N_KEPT];
  guint64 uses;
  gboolean used;                /* since the text encoder was released */

  Kept newest;                  /* the newest one that was wanted and is there */
  SanaPrompt *to;               /* where jobs are going, or are; */
  SanaPrompt *from;             /* from here; NULL: they are there */
  GstClockTime begin;           /* since then, in running time */
  SanaPrompt *shown;            /* what the last job was computed with */
  GSList *dropped;              /* references to be given up without the lock */
};

GType
gst_sana_text_encoder_memory_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_SANA_TEXT_ENCODER_KEEP, "Always", "keep"},
    {GST_SANA_TEXT_ENCODER_RELEASE, "Only while a prompt is encoded",
        "release"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaTextEncoderMemory", values);
}

/* On a GPU a prompt's last reference waits for what runs there, once for each of
 * its layers: that is not done while frames wait for the lock. */
static void
drop_locked (GstSanaEncoder * self, SanaPrompt ** prompt)
{
  if (*prompt)
    self->dropped = g_slist_prepend (self->dropped, g_steal_pointer (prompt));
}

void
gst_sana_encoder_free_dropped_locked (GstSanaEncoder * self)
{
  GSList *dropped = g_steal_pointer (&self->dropped);

  g_mutex_unlock (self->lock);
  g_slist_free_full (dropped, (GDestroyNotify) sana_prompt_unref);
  g_mutex_lock (self->lock);
}

static void
kept_clear_locked (GstSanaEncoder * self, Kept * kept)
{
  gst_sana_settings_clear (&kept->settings);
  drop_locked (self, &kept->prompt);
  g_clear_error (&kept->refusal);
  kept->used = 0;
}

static Kept *
find_locked (GstSanaEncoder * self, const GstSanaSettings * settings)
{
  guint i;

  for (i = 0; i < N_KEPT; i++) {
    Kept *kept = &self->kept[i];

    if (kept->used > 0 &&
        gst_sana_settings_same_prompt (&kept->settings, settings)) {
      kept->used = ++self->uses;
      return kept;
    }
  }
  return NULL;
}

/* A place for one more: free, or that of the one longest not used. */
static Kept *
make_place_locked (GstSanaEncoder * self)
{
  Kept *oldest = &self->kept[0];
  guint i;

  for (i = 1; i < N_KEPT; i++) {
    if (self->kept[i].used < oldest->used)
      oldest = &self->kept[i];
  }
  kept_clear_locked (self, oldest);
  oldest->used = ++self->uses;
  return oldest;
}

static void
set_newest_locked (GstSanaEncoder * self, const Kept * kept)
{
  if (self->newest.prompt == kept->prompt)
    return;
  kept_clear_locked (self, &self->newest);
  gst_sana_settings_copy (&self->newest.settings, &kept->settings);
  self->newest.prompt = sana_prompt_ref (kept->prompt);
}

/* --- the thread ----------------------------------------------------------- */

/* What is to be encoded next, or NULL. */
static const GstSanaSettings *
next_locked (GstSanaEncoder * self)
{
  if (!find_locked (self, &self->wanted))
    return &self->wanted;
  if (self->ahead.prompt && !find_locked (self, &self->ahead))
    return &self->ahead;
  return NULL;
}

/* Keeps the outcome of encoding what `making` says; takes both. */
static void
keep_locked (GstSanaEncoder * self, SanaPrompt * prompt, GError * error)
{
  Kept *kept;

  if (g_error_matches (error, SANA_ERROR, SANA_ERROR_CANCELLED)) {
    gst_sana_settings_clear (&self->making);
    g_error_free (error);
  } else {
    kept = make_place_locked (self);
    kept->settings = self->making;
    kept->prompt = prompt;
    kept->refusal = error;
    /* though it may not be wanted any more: a live source that is given
     * prompts faster than it can encode them would never get one */
    if (prompt && self->making_wanted)
      set_newest_locked (self, kept);
  }
  memset (&self->making, 0, sizeof (self->making));
  g_cond_broadcast (self->news);
}

static SanaPrompt *
encode (SanaSession * session, const GstSanaSettings * settings,
    GError ** error)
{
  SanaPromptParams params = { settings->instruction, settings->clean_caption,
    settings->max_sequence_length
  };

  GST_DEBUG ("encoding the prompt '%.60s'", settings->prompt);
  return sana_session_encode (session, settings->prompt, &params, error);
}

/* Nothing is to be encoded. */
static void
idle_locked (GstSanaEncoder * self)
{
  if (!self->used ||
      self->wanted.text_encoder_memory != GST_SANA_TEXT_ENCODER_RELEASE) {
    g_cond_wait (self->news, self->lock);
    return;
  }
  self->used = FALSE;
  g_mutex_unlock (self->lock);
  sana_model_release_text_encoder (sana_session_get_model (self->session));
  g_mutex_lock (self->lock);
}

static gpointer
encoder_thread (gpointer data)
{
  GstSanaEncoder *self = data;
  const SanaModelInfo *info =
      sana_model_info (sana_session_get_model (self->session));

  /* else it was started by a thread that does, or has a GPU compute */
  if (info->own_memory && strcmp (info->text_device, info->device) != 0)
    gst_sana_worker_come_after_others ();
  g_mutex_lock (self->lock);
  while (!self->stopping) {
    const GstSanaSettings *next = next_locked (self);
    SanaPrompt *prompt;
    GError *error = NULL, *told = NULL;

    if (next == NULL) {
      idle_locked (self);
      continue;
    }
    self->used = TRUE;
    gst_sana_settings_copy (&self->making, next);
    self->making_wanted = next == &self->wanted;
    self->encoding = TRUE;
    g_mutex_unlock (self->lock);
    prompt = encode (self->session, &self->making, &error);
    g_mutex_lock (self->lock);
    self->encoding = FALSE;
    /* nobody cancels from here on; forget what came too late */
    sana_session_reset (self->session);

    /* a frame that cannot go on without says it itself, as an error */
    if (error && self->making_wanted && self->newest.prompt &&
        !self->awaiting &&
        !g_error_matches (error, SANA_ERROR, SANA_ERROR_CANCELLED))
      told = g_error_copy (error);
    keep_locked (self, prompt, error);
    gst_sana_encoder_free_dropped_locked (self);
    if (told) {
      g_mutex_unlock (self->lock);
      self->refused (self->user_data, told);
      g_error_free (told);
      g_mutex_lock (self->lock);
    }
  }
  g_mutex_unlock (self->lock);
  return NULL;
}

/* --- for the worker ------------------------------------------------------- */

GstSanaEncoder *
gst_sana_encoder_new (GMutex * lock, GCond * news,
    const GstSanaSettings * settings, GstSanaEncoderRefused refused,
    gpointer user_data)
{
  static gsize once = 0;
  GstSanaEncoder *self = g_new0 (GstSanaEncoder, 1);

  if (g_once_init_enter (&once)) {
    GST_DEBUG_CATEGORY_INIT (gst_sana_encoder_debug, "sanaencoder", 0,
        "SANA: prompts in the background");
    g_once_init_leave (&once, 1);
  }
  self->lock = lock;
  self->news = news;
  self->refused = refused;
  self->user_data = user_data;
  gst_sana_settings_copy (&self->wanted, settings);
  return self;
}

void
gst_sana_encoder_start_locked (GstSanaEncoder * self, SanaSession * session)
{
  self->session = session;
  self->thread = g_thread_new ("sana-prompt", encoder_thread, self);
}

void
gst_sana_encoder_stop_locked (GstSanaEncoder * self)
{
  self->stopping = TRUE;
  if (self->encoding)
    sana_session_cancel (self->session);
  g_cond_broadcast (self->news);
}

void
gst_sana_encoder_free (GstSanaEncoder * self)
{
  guint i;

  if (self->thread)
    g_thread_join (self->thread);
  for (i = 0; i < N_KEPT; i++)
    kept_clear_locked (self, &self->kept[i]);
  kept_clear_locked (self, &self->newest);
  drop_locked (self, &self->to);
  drop_locked (self, &self->from);
  drop_locked (self, &self->shown);
  g_slist_free_full (self->dropped, (GDestroyNotify) sana_prompt_unref);
  gst_sana_settings_clear (&self->wanted);
  gst_sana_settings_clear (&self->ahead);
  sana_session_free (self->session);
  g_free (self);
}

gboolean
gst_sana_encoder_is_own_thread_locked (GstSanaEncoder * self)
{
  return g_thread_self () == self->thread;
}

gboolean
gst_sana_encoder_has_tried_locked (GstSanaEncoder * self)
{
  return self->newest.prompt || find_locked (self, &self->wanted);
}

/* The job's prompt is the one to be encoded now. */
static void
want_locked (GstSanaEncoder * self, const GstSanaJob * job)
{
  Kept *kept = find_locked (self, &job->settings);

  /* wanted anew, so worth another try */
  if (kept && kept->refusal &&
      !gst_sana_settings_same_prompt (&self->wanted, &job->settings)) {
    kept_clear_locked (self, kept);
    kept = NULL;
  }
  gst_sana_settings_clear (&self->wanted);
  gst_sana_settings_copy (&self->wanted, &job->settings);
  /* what is there already can wait for nothing */
  if (self->encoding && !kept &&
      (job->await_prompt || !self->making_wanted) &&
      !gst_sana_settings_same_prompt (&self->making, &job->settings))
    sana_session_cancel (self->session);
  g_cond_broadcast (self->news);
}

/* How far on the way to newest the job is, 0 to 1. */
static gdouble
progress_locked (GstSanaEncoder * self, const GstSanaJob * job)
{
  GstClockTime duration = job->settings.prompt_transition;

  if (!self->from || duration == 0 ||
      !GST_CLOCK_TIME_IS_VALID (job->running_time) ||
      !GST_CLOCK_TIME_IS_VALID (self->begin) ||
      job->running_time < self->begin ||
      job->running_time - self->begin >= duration)
    return 1;
  return (job->running_time - self->begin) / (gdouble) duration;
}

/* newest, or what lies on the way to it; a reference. */
static SanaPrompt *
go_on_locked (GstSanaEncoder * self, GstSanaJob * job)
{
  SanaPrompt *now = NULL;
  gdouble progress;

  if (self->to != self->newest.prompt) {
    drop_locked (self, &self->from);
    self->from = g_steal_pointer (&self->shown);
    self->begin = job->running_time;
    if (GST_CLOCK_TIME_IS_VALID (self->begin))
      self->begin -= MIN (job->ahead, self->begin);
    drop_locked (self, &self->to);
    self->to = sana_prompt_ref (self->newest.prompt);
  }
  progress = progress_locked (self, job);
  if (progress < 1)
    now = sana_prompt_blend (self->from, self->to, progress, NULL);
  if (!now) {
    drop_locked (self, &self->from);
    now = sana_prompt_ref (self->to);
  }
  job->blending = self->from != NULL;
  drop_locked (self, &self->shown);
  self->shown = sana_prompt_ref (now);
  return now;
}

SanaPrompt *
gst_sana_encoder_get_locked (GstSanaEncoder * self, GstSanaJob * job,
    const gboolean * drop, GError ** error)
{
  SanaPrompt *prompt = NULL;

  want_locked (self, job);
  while (!prompt && !self->stopping && !*drop) {
    Kept *kept = find_locked (self, &job->settings);
    gboolean there = kept && kept->prompt;

    if (there)
      set_newest_locked (self, kept);
    if (there || (self->newest.prompt && !job->await_prompt)) {
      gst_sana_settings_set_prompt (&job->applied, &self->newest.settings);
      job->interim = kept == NULL;
      prompt = go_on_locked (self, job);
    } else if (kept) {
      g_propagate_error (error, g_error_copy (kept->refusal));
      return NULL;
    } else {
      self->awaiting = job->await_prompt;
      g_cond_wait (self->news, self->lock);
      self->awaiting = FALSE;
    }
  }
  return prompt;
}

void
gst_sana_encoder_prepare_locked (GstSanaEncoder * self,
    const GstSanaSettings * settings)
{
  if (self->ahead.prompt &&
      gst_sana_settings_same_prompt (&self->ahead, settings))
    return;
  gst_sana_settings_clear (&self->ahead);
  gst_sana_settings_copy (&self->ahead, settings);
  g_cond_broadcast (self->news);
}
