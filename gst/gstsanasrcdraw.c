/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstsanasrcprivate.h"

#define GST_CAT_DEFAULT gst_sana_src_debug

/* splitmix64's finaliser: neighbours become unrelated */
static guint64
scatter (guint64 x)
{
  x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static guint64
seed_of (GstSanaSeedMode mode, guint64 seed, guint64 n)
{
  if (mode == GST_SANA_SEED_FIXED || n == 0)
    return seed;
  if (mode == GST_SANA_SEED_INCREMENT)
    return seed + n;
  return scatter (seed + n * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));
}

/* Picture n as the properties are now. */
static GstSanaPicture *
want_picture (GstSanaSrc * self, guint64 n)
{
  GstSanaPicture *picture;
  GstSanaSettings settings;
  GstSanaSeedMode mode;
  gboolean binning;

  /* as a whole: a preset changes several */
  GST_OBJECT_LOCK (self);
  gst_sana_common_snapshot (&self->common, &settings);
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->common.lock);
  mode = self->values.seed_mode;
  binning = self->values.resolution_binning;
  g_mutex_unlock (&self->common.lock);

  picture = gst_sana_picture_new (self->canvas, &settings,
      seed_of (mode, settings.seed, n), binning);
  picture->job.await_prompt = !gst_base_src_is_live (GST_BASE_SRC (self));
  return picture;
}

/* Picture n as the properties are when it begins: those under control take
 * their values of that stream time.  For a frame that is on at `on`. */
static GstSanaPicture *
want_picture_at (GstSanaSrc * self, guint64 n, GstClockTime begin,
    GstClockTime on)
{
  const GstSegment *segment = &GST_BASE_SRC (self)->segment;
  gint64 offset = gst_sana_src_get_offset (self);
  GstClockTime pts, stream_time, running_time;
  GstSanaPicture *picture;

  /* it may begin before the segment does */
  pts = gst_sana_timeline_shift (begin, offset);
  if (gst_segment_to_stream_time_full (segment, GST_FORMAT_TIME, pts,
          &stream_time) > 0)
    gst_object_sync_values (GST_OBJECT (self), stream_time);
  picture = want_picture (self, n);
  pts = gst_sana_timeline_shift (on, offset);
  if (gst_segment_to_running_time_full (segment, GST_FORMAT_TIME, pts,
          &running_time) <= 0)
    running_time = GST_CLOCK_TIME_NONE;
  picture->job.running_time = running_time;
  return picture;
}

static void
submit (GstSanaSrc * self, GstSanaPicture * picture)
{
  self->pending = picture;
  gst_sana_worker_submit (self->worker, &picture->job);
}

/* Forgets what is being drawn, and what was not shown yet. */
static void
forget_pending (GstSanaSrc * self)
{
  GstSanaPicture *drawn;

  if (self->pending == NULL)
    return;
  gst_sana_worker_flush (self->worker);
  g_mutex_lock (&self->lock);
  drawn = g_steal_pointer (&self->drawn);
  g_mutex_unlock (&self->lock);
  gst_sana_picture_free (drawn);
  self->pending = NULL;
}

void
gst_sana_src_forget_failure (GstSanaSrc * self)
{
  gboolean failed;

  g_mutex_lock (&self->lock);
  failed = self->ready && self->failed;
  if (failed)
    self->failed = FALSE;
  g_mutex_unlock (&self->lock);
  if (failed)
    forget_pending (self);
}

/* Takes the pending picture when it is finished; waits for it when `wait`. */
static GstFlowReturn
take_pending (GstSanaSrc * self, gboolean wait, GstSanaPicture ** picture)
{
  GstFlowReturn ret = GST_FLOW_OK;

  g_mutex_lock (&self->lock);
  while (wait && !self->drawn && !self->unlocked && !self->failed)
    g_cond_wait (&self->news, &self->lock);
  *picture = NULL;
  if (self->failed)
    ret = GST_FLOW_ERROR;
  else if (self->drawn)
    *picture = g_steal_pointer (&self->drawn);
  else if (self->unlocked)
    ret = GST_FLOW_FLUSHING;
  g_mutex_unlock (&self->lock);

  if (*picture)
    self->pending = NULL;
  return ret;
}

static void
show (GstSanaSrc * self, GstSanaPicture * picture)
{
  gst_sana_picture_free (self->shown);
  self->shown = picture;
  if (picture)
    gst_sana_stats_add (&self->common.stats, &picture->times, picture->seed);
}

gint64
gst_sana_src_get_offset (GstSanaSrc * self)
{
  gint64 offset;

  g_mutex_lock (&self->common.lock);
  offset = self->values.timestamp_offset;
  g_mutex_unlock (&self->common.lock);
  return offset;
}

/* Whether `frame`, after the next one, will be asked for. */
static gboolean
will_need (GstSanaSrc * self, gint64 frame)
{
  gint64 ahead = ABS (frame - self->line.frame);
  gint num_buffers;

  g_object_get (self, "num-buffers", &num_buffers, NULL);
  return (num_buffers < 0 || self->produced + ahead < (guint) num_buffers) &&
      gst_sana_timeline_reaches (&self->line, frame,
      &GST_BASE_SRC (self)->segment);
}

static gboolean
pad_flushing (GstPad * pad)
{
  gboolean flushing;

  GST_OBJECT_LOCK (pad);
  flushing = GST_PAD_IS_FLUSHING (pad);
  GST_OBJECT_UNLOCK (pad);
  return flushing;
}

gboolean
gst_sana_src_wait_model (GstSanaSrc * self, gboolean * ending)
{
  gboolean ready;

  g_mutex_lock (&self->lock);
  /* unlock() alone does not end this: a live source that is only paused would
   * have failed to negotiate */
  while (!self->ready && !self->failed && !self->ending &&
      !pad_flushing (GST_BASE_SRC_PAD (self)))
    g_cond_wait (&self->news, &self->lock);
  ready = self->ready;
  *ending = self->ending;
  g_mutex_unlock (&self->lock);
  return ready || *ending;
}

static GstClockTime
get_image_duration (GstSanaSrc * self)
{
  GstClockTime duration;

  g_mutex_lock (&self->common.lock);
  duration = self->values.image_duration;
  g_mutex_unlock (&self->common.lock);
  return duration;
}

/* Not live: the number of the picture that `frame` shows, and when it begins. */
static guint64
number_at (GstSanaSrc * self, gint64 frame, GstClockTime * begin)
{
  GstClockTime duration = get_image_duration (self);
  guint64 n;

  *begin = gst_sana_timeline_time (&self->line, frame, 0);
  if (duration == 0)
    return gst_sana_timeline_number (&self->line, frame);
  n = *begin / duration;
  *begin = n * duration;
  return n;
}

/* Not live: the frame at which another picture than that of the next one
 * begins; < 0: there is none. */
static gint64
following_picture (GstSanaSrc * self)
{
  const GstSanaTimeline *line = &self->line;
  GstClockTime duration = get_image_duration (self), begin;

  if (duration == 0)
    return gst_sana_timeline_following (line);
  number_at (self, line->frame, &begin);
  if (line->reverse)
    return begin == 0 ? -1 : gst_sana_timeline_frame_at (line, begin - 1);
  if (begin + duration < begin)
    return -1;
  return gst_sana_timeline_frame_at (line, begin + duration - 1) + 1;
}

/* Whether there is nothing new to draw. */
static gboolean
shows (GstSanaSrc * self, const GstSanaPicture * want)
{
  return self->shown && !self->shown->job.interim &&
      !self->shown->job.blending && gst_sana_picture_same (self->shown, want);
}

/* Whether the pending picture is the wanted one. */
static gboolean
awaits (GstSanaSrc * self, const GstSanaPicture * want)
{
  return self->pending && gst_sana_picture_same (self->pending, want) &&
      (want->job.settings.prompt_transition == 0 ||
      self->pending->job.running_time == want->job.running_time);
}

/* Not live: what `frame` is to show. */
static GstSanaPicture *
want_picture_of (GstSanaSrc * self, gint64 frame)
{
  GstClockTime begin;
  guint64 n = number_at (self, frame, &begin);

  return want_picture_at (self, n, begin,
      gst_sana_timeline_time (&self->line, frame, 0));
}

/* Whether the picture may be drawn before it is known to be the next one: where
 * a prompt takes over it would count as seen. */
static gboolean
may_come_ahead (GstSanaSrc * self, const GstSanaPicture * want)
{
  const GstSanaJob *shown = &self->shown->job;

  return !shown->blending && (want->job.settings.prompt_transition == 0 ||
      gst_sana_settings_same_prompt (&shown->settings, &want->job.settings));
}

/* Not live: every frame has its own picture, or that of its image-duration, and
 * the one after it is drawn while this one is on its way. */
static GstFlowReturn
own_picture (GstSanaSrc * self)
{
  GstSanaPicture *want = want_picture_of (self, self->line.frame), *picture;
  GstFlowReturn ret;
  gint64 next;

  if (shows (self, want)) {
    gst_sana_picture_free (want);
  } else {
    if (awaits (self, want)) {
      gst_sana_picture_free (want);
    } else {
      forget_pending (self);
      submit (self, want);
    }
    ret = take_pending (self, TRUE, &picture);
    if (picture == NULL)
      return ret;
    show (self, picture);
  }

  next = following_picture (self);
  if (self->pending == NULL && will_need (self, next)) {
    want = want_picture_of (self, next);
    if (shows (self, want) || !may_come_ahead (self, want))
      gst_sana_picture_free (want);
    else
      submit (self, want);
  }
  return GST_FLOW_OK;
}

/* 0 when there is no clock. */
static GstClockTime
running_time (GstSanaSrc * self)
{
  GstClock *clock = gst_element_get_clock (GST_ELEMENT (self));
  GstClockTimeDiff time;

  if (clock == NULL)
    return 0;
  time = GST_CLOCK_DIFF (gst_element_get_base_time (GST_ELEMENT (self)),
      gst_clock_get_time (clock));
  gst_object_unref (clock);
  return MAX (time, 0);
}

/* Live: until when what is shown stays. */
static GstClockTime
held_until (GstSanaSrc * self)
{
  if (self->shown == NULL || self->shown->canvas != self->canvas)
    return 0;
  return self->shown_since +
      MIN (get_image_duration (self), G_MAXINT64 - self->shown_since);
}

/* Live: has the next picture drawn, unless it would be the same. */
static void
draw_ahead (GstSanaSrc * self, GstClockTime now)
{
  GstClockTime begin = MAX (now, held_until (self));
  GstSanaPicture *want = want_picture_at (self, self->live_count, begin, begin);

  /* what is seen until then cannot show how a new prompt takes over */
  want->job.ahead = begin - now;
  if (shows (self, want)) {
    gst_sana_picture_free (want);
  } else {
    self->pending_begin = begin;
    submit (self, want);
  }
}

/* Live, and the next picture was not to be shown yet: if it is finished and not
 * what would be drawn now, it is not to be shown at all. */
static void
forget_stale (GstSanaSrc * self)
{
  GstClockTime begin = MAX (self->pending_begin, held_until (self));
  const GstSanaJob *job = &self->pending->job;
  GstSanaPicture *want;
  gboolean drawn;

  g_mutex_lock (&self->lock);
  drawn = self->drawn != NULL;
  g_mutex_unlock (&self->lock);
  if (!drawn)
    return;
  want = want_picture_at (self, self->live_count, begin, begin);
  if (job->interim || !gst_sana_picture_same (self->pending, want) ||
      (job->blending && job->running_time != want->job.running_time))
    forget_pending (self);
  gst_sana_picture_free (want);
}

/* Live: what there is.  Only the very first picture is waited for, and not if
 * it is black before that. */
static GstFlowReturn
newest_picture (GstSanaSrc * self, gboolean * repeated)
{
  GstClockTime now = gst_sana_timeline_time (&self->line, self->line.frame, 0);
  gboolean wait = self->shown == NULL && !self->black;
  gboolean held = now < held_until (self);
  GstSanaPicture *picture = NULL;
  GstFlowReturn ret = GST_FLOW_OK;

  *repeated = TRUE;
  /* another size or format was negotiated meanwhile */
  if (self->pending && self->pending->canvas != self->canvas)
    forget_pending (self);
  if (wait && self->pending == NULL)
    draw_ahead (self, running_time (self));

  /* and once when that time is over: what is finished later is shown whatever
   * has changed, or a slow model would show nothing while values go on changing */
  if (self->pending && (held || self->holding))
    forget_stale (self);
  self->holding = held;
  if (self->pending && !held)
    ret = take_pending (self, wait, &picture);
  if (picture) {
    show (self, picture);
    self->live_count++;
    self->holding = get_image_duration (self) > 0;
    *repeated = FALSE;
  }
  return ret;
}

GstFlowReturn
gst_sana_src_next_picture (GstSanaSrc * self, gboolean * repeated)
{
  if (gst_base_src_is_live (GST_BASE_SRC (self)))
    return newest_picture (self, repeated);
  *repeated = FALSE;
  return own_picture (self);
}

void
gst_sana_src_stamp (GstSanaSrc * self, GstBuffer * buffer)
{
  gst_sana_timeline_stamp (&self->line, gst_sana_src_get_offset (self), buffer);
  /* where it has none GstBaseSrc puts in when the frame was made */
  if (gst_base_src_get_do_timestamp (GST_BASE_SRC (self)))
    GST_BUFFER_DTS (buffer) = GST_BUFFER_PTS (buffer);
  self->end = GST_BUFFER_PTS (buffer);
  if (GST_BUFFER_DURATION_IS_VALID (buffer))
    self->end += GST_BUFFER_DURATION (buffer);
}

/* --- live ----------------------------------------------------------------- */

static void
skip_to (GstSanaSrc * self, gint64 frame)
{
  gint64 missed;

  for (missed = self->line.frame; missed < frame; missed++)
    gst_sana_stats_count (&self->common.stats, GST_SANA_COUNT_DROPPED);
  GST_DEBUG_OBJECT (self, "%" G_GINT64_FORMAT " frames missed",
      frame - self->line.frame);
  self->line.frame = frame;
  self->discont = TRUE;
}

void
gst_sana_src_make_up_for_lost (GstSanaSrc * self)
{
  /* GstBaseSrc counts what it has got past the clock */
  if (self->produced == 0 || GST_BASE_SRC (self)->segment.position == self->end)
    return;
  GST_DEBUG_OBJECT (self, "a frame was lost to a pause");
  gst_sana_stats_count (&self->common.stats, GST_SANA_COUNT_DROPPED);
  self->discont = TRUE;
  if (self->announcing)
    gst_sana_settings_clear (&self->announced);
}

void
gst_sana_src_set_playing (GstSanaSrc * self, gboolean playing)
{
  g_mutex_lock (&self->lock);
  self->playing = playing;
  if (playing)
    self->resumed = TRUE;
  g_cond_broadcast (&self->news);
  g_mutex_unlock (&self->lock);
}

/* GstBaseSrc lets create() run on while the source is paused, when the clock
 * less the base time counts the pause. */
static gboolean
wait_playing (GstSanaSrc * self)
{
  gboolean playing;

  g_mutex_lock (&self->lock);
  while (!self->playing && !self->unlocked)
    g_cond_wait (&self->news, &self->lock);
  playing = self->playing;
  g_mutex_unlock (&self->lock);
  return playing;
}

GstFlowReturn
gst_sana_src_go_on_air (GstSanaSrc * self, gboolean repeated)
{
  GstClockTime now;
  gint64 frame;

  if (!wait_playing (self))
    return GST_FLOW_FLUSHING;
  now = running_time (self);
  if (self->produced == 0)
    gst_sana_timeline_begin (&self->line, now);
  frame = gst_sana_timeline_frame_at (&self->line, now);
  if (frame > self->line.frame + 1)
    skip_to (self, frame);
  self->due = gst_sana_timeline_time (&self->line, self->line.frame, 0);
  if (!repeated)
    self->shown_since = self->due;
  if (self->pending == NULL)
    draw_ahead (self, self->due);
  return GST_FLOW_OK;
}

/* GstBaseSrc takes the lateness of the first frame after PLAYING for one of
 * all, and moves timestamps by it that were told of already.  So that frame is
 * not to wait: it begins now. */
void
gst_sana_src_get_times (GstBaseSrc * src, GstBuffer * buffer,
    GstClockTime * start, GstClockTime * end)
{
  GstSanaSrc *self = GST_SANA_SRC (src);
  gboolean first;

  g_mutex_lock (&self->lock);
  first = self->resumed;
  self->resumed = FALSE;
  g_mutex_unlock (&self->lock);
  *start = gst_base_src_is_live (src) && !first ? self->due :
      GST_CLOCK_TIME_NONE;
  *end = GST_CLOCK_TIME_NONE;
}

/* --- what the worker brings ----------------------------------------------- */

static void
on_ready (GstElement * element, const SanaModelInfo * info,
    const GError * error)
{
  GstSanaSrc *self = GST_SANA_SRC (element);

  g_mutex_lock (&self->lock);
  if (error) {
    self->failed = TRUE;
  } else {
    self->ready = TRUE;
    /* black came before the model, or might have */
    if (!self->black)
      self->native_size = info->native_size;
    gst_sana_stats_loaded (&self->common.stats, info);
  }
  g_cond_broadcast (&self->news);
  g_mutex_unlock (&self->lock);
}

static void
on_done (GstElement * element, GstSanaJob * job, const GError * error)
{
  GstSanaSrc *self = GST_SANA_SRC (element);

  g_mutex_lock (&self->lock);
  self->failed = error != NULL;
  self->drawn = (GstSanaPicture *) job;
  g_cond_broadcast (&self->news);
  g_mutex_unlock (&self->lock);
}

const GstSanaWorkerFuncs gst_sana_src_worker_funcs = {
  on_ready, NULL, NULL, on_done
};
