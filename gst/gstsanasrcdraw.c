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

static GstSanaPicture *
want_picture (GstSanaSrc * self, guint64 n)
{
  gboolean live = gst_base_src_is_live (GST_BASE_SRC (self));
  GstSanaSettings settings;
  GstSanaSeedMode mode;
  gboolean binning;

  gst_sana_common_snapshot (&self->common, &settings);
  g_mutex_lock (&self->common.lock);
  mode = self->seed_mode;
  binning = self->resolution_binning;
  g_mutex_unlock (&self->common.lock);

  return gst_sana_picture_new (self->canvas, &settings,
      seed_of (mode, settings.seed, n), binning, live);
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
}

gint64
gst_sana_src_get_offset (GstSanaSrc * self)
{
  gint64 offset;

  g_mutex_lock (&self->common.lock);
  offset = self->timestamp_offset;
  g_mutex_unlock (&self->common.lock);
  return offset;
}

/* Properties under control take their values of the frame's stream time. */
static void
sync_values (GstSanaSrc * self, gint64 frame)
{
  GstClockTime pts = gst_sana_timeline_time (&self->line, frame,
      gst_sana_src_get_offset (self));
  GstClockTime time = gst_segment_to_stream_time (&GST_BASE_SRC (self)->segment,
      GST_FORMAT_TIME, pts);

  if (GST_CLOCK_TIME_IS_VALID (time))
    gst_object_sync_values (GST_OBJECT (self), time);
}

/* Whether a frame after the next one will be asked for. */
static gboolean
will_need (GstSanaSrc * self, gint64 frame)
{
  gint num_buffers;

  g_object_get (self, "num-buffers", &num_buffers, NULL);
  return (num_buffers < 0 || self->produced + 1 < (guint) num_buffers) &&
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

/* Not live: every frame has its own picture, and the one after it is drawn
 * while this one is on its way. */
static GstFlowReturn
own_picture (GstSanaSrc * self)
{
  GstSanaTimeline *line = &self->line;
  gint64 next = gst_sana_timeline_following (line);
  GstSanaPicture *want, *picture;
  GstFlowReturn ret;

  sync_values (self, line->frame);
  want = want_picture (self, gst_sana_timeline_number (line, line->frame));
  if (self->shown && gst_sana_picture_same (self->shown, want)) {
    gst_sana_picture_free (want);
  } else {
    if (self->pending && gst_sana_picture_same (self->pending, want)) {
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

  if (self->pending == NULL && will_need (self, next)) {
    sync_values (self, next);
    want = want_picture (self, gst_sana_timeline_number (line, next));
    if (gst_sana_picture_same (self->shown, want))
      gst_sana_picture_free (want);
    else
      submit (self, want);
  }
  return GST_FLOW_OK;
}

/* Live: what there is.  Only the very first picture is waited for. */
static GstFlowReturn
newest_picture (GstSanaSrc * self, gboolean * repeated)
{
  GstSanaPicture *want, *picture = NULL;
  GstFlowReturn ret = GST_FLOW_OK;

  *repeated = TRUE;
  /* another size or format was negotiated meanwhile */
  if (self->shown && self->shown->canvas != self->canvas)
    show (self, NULL);
  if (self->pending && self->pending->canvas != self->canvas)
    forget_pending (self);

  do {
    if (self->pending)
      ret = take_pending (self, self->shown == NULL, &picture);
    if (picture) {
      show (self, picture);
      self->live_count++;
      *repeated = FALSE;
    } else if (ret != GST_FLOW_OK) {
      return ret;
    }
    if (self->pending == NULL) {
      sync_values (self, self->line.frame);
      want = want_picture (self, self->live_count);
      if (self->shown && self->shown->job.prompt_applied &&
          gst_sana_picture_same (self->shown, want))
        gst_sana_picture_free (want);
      else
        submit (self, want);
    }
  } while (self->shown == NULL);
  return GST_FLOW_OK;
}

GstFlowReturn
gst_sana_src_next_picture (GstSanaSrc * self, gboolean * repeated)
{
  if (gst_base_src_is_live (GST_BASE_SRC (self)))
    return newest_picture (self, repeated);
  *repeated = FALSE;
  return own_picture (self);
}

/* The frame that the clock is at; 0 when there is none.  GstBaseSrc takes the
 * first frame's offset for a latency and undoes it, so only what was added
 * since delays frames. */
static gint64
frame_on_air (GstSanaSrc * self)
{
  GstClock *clock = gst_element_get_clock (GST_ELEMENT (self));
  GstClockTimeDiff time;

  if (clock == NULL)
    return 0;
  if (self->produced == 0)
    self->first_offset = gst_sana_src_get_offset (self);
  time = GST_CLOCK_DIFF (gst_element_get_base_time (GST_ELEMENT (self)),
      gst_clock_get_time (clock));
  time -= gst_sana_src_get_offset (self) - self->first_offset;
  gst_object_unref (clock);
  return time < 0 ? 0 : gst_sana_timeline_frame_at (&self->line, time);
}

void
gst_sana_src_skip_missed (GstSanaSrc * self)
{
  gint64 frame = frame_on_air (self);

  if (frame <= self->line.frame + 1)
    return;
  GST_DEBUG_OBJECT (self, "%" G_GINT64_FORMAT " frames missed",
      frame - self->line.frame);
  self->line.frame = frame;
  self->discont = TRUE;
}

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
    self->native_size = info->native_size;
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
