/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gstsanapromptfile.h"

/* How often the file is looked at; unchanged twice, it stands still. */
#define INTERVAL (200 * G_TIME_SPAN_MILLISECOND)

struct _GstSanaPromptFile
{
  gint refs;                    /* atomic: the owner and the thread */
  GstSanaPromptFileFunc func;
  gpointer user_data;

  GMutex lock;
  GCond news;
  /* below: lock */
  GstElement *element;          /* a reference; NULL: stopped */
  gchar *path;
  guint serial;                 /* of path; and of each start */
  gboolean fresh;               /* what it holds is to be told, changed or not */
  gchar *told;                  /* the text, or sentence, last told or known */
  GThread *thread;
  GQueue tellers;               /* GThreads in func */
};

/* --- reading -------------------------------------------------------------- */

gchar *
gst_sana_prompt_read (const gchar * bytes, gsize length, const gchar * what,
    GError ** error)
{
  gchar *text;

  if (length > GST_SANA_PROMPT_MAX) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
        _("%s is longer than %d KiB; give a shorter text"), what,
        GST_SANA_PROMPT_MAX / 1024);
    return NULL;
  }
  while (length > 0 && bytes[length - 1] == '\0')
    length--;
  if (length >= 3 && memcmp (bytes, "\357\273\277", 3) == 0) {
    bytes += 3;
    length -= 3;
  }
  if (!g_utf8_validate (bytes, length, NULL)) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
        _("%s is not UTF-8; convert it"), what);
    return NULL;
  }
  text = g_strndup (bytes, length);
  return g_strstrip (text);
}

static gchar *
read_open_file (int fd, const gchar * what, GError ** error)
{
  gchar *bytes = g_malloc (GST_SANA_PROMPT_MAX + 1), *text = NULL;
  gsize length = 0;
  gssize n;

  do {
    n = read (fd, bytes + length, GST_SANA_PROMPT_MAX + 1 - length);
    if (n > 0)
      length += n;
  } while (length <= GST_SANA_PROMPT_MAX && (n > 0 || (n < 0
              && errno == EINTR)));
  if (n < 0)
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
        _("%s cannot be read: %s"), what, g_strerror (errno));
  else
    text = gst_sana_prompt_read (bytes, length, what, error);
  g_free (bytes);
  return text;
}

/* -1: it cannot be opened, or is no regular file.  Never waits, and does not even
 * open what is no file: at the other end of a FIFO that would be noticed. */
static int
open_regular (const gchar * path, const gchar * what, GError ** error)
{
  struct stat info;
  gboolean there = stat (path, &info) == 0;
  int fd = -1;

  if (there && S_ISREG (info.st_mode)) {
    fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    there = fd >= 0 && fstat (fd, &info) == 0;
  }
  if (!there)
    g_set_error (error, GST_RESOURCE_ERROR,
        errno == ENOENT ? GST_RESOURCE_ERROR_NOT_FOUND :
        GST_RESOURCE_ERROR_OPEN_READ,
        _("%s cannot be opened: %s"), what, g_strerror (errno));
  else if (!S_ISREG (info.st_mode))
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
        _("%s is %s; name a text file"), what, S_ISDIR (info.st_mode) ?
        _("a directory") : _("not a regular file"));
  else
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

static gchar *
read_path (const gchar * path, GError ** error)
{
  gchar *what = g_strdup_printf (_("The prompt file %s"), path);
  int fd = open_regular (path, what, error);
  gchar *text = NULL;

  if (fd >= 0) {
    text = read_open_file (fd, what, error);
    close (fd);
  }
  g_free (what);
  return text;
}

/* --- watching ------------------------------------------------------------- */

static void
file_unref (GstSanaPromptFile * file)
{
  if (!g_atomic_int_dec_and_test (&file->refs))
    return;
  g_mutex_clear (&file->lock);
  g_cond_clear (&file->news);
  g_free (file->path);
  g_free (file->told);
  g_free (file);
}

/* With the lock, which is let go while telling: the file says this, or that is
 * wrong with it. */
static void
tell_locked (GstSanaPromptFile * file, const gchar * text, const GError * error)
{
  const gchar *news = text ? text : error->message;
  gboolean same = g_strcmp0 (news, file->told) == 0;
  GstElement *element;

  if (file->element == NULL || (same && !(text && file->fresh)))
    return;
  /* not told is what stood there before somebody set another prompt */
  if (file->told == NULL && !file->fresh && text) {
    file->told = g_strdup (news);
    return;
  }
  if (text)
    file->fresh = FALSE;
  g_free (file->told);
  file->told = g_strdup (news);
  element = gst_object_ref (file->element);
  g_queue_push_tail (&file->tellers, g_thread_self ());
  g_mutex_unlock (&file->lock);
  file->func (file->user_data, element, text, error);
  gst_object_unref (element);
  g_mutex_lock (&file->lock);
  g_queue_remove (&file->tellers, g_thread_self ());
  g_cond_broadcast (&file->news);
}

/* With the lock, which is let go while reading.  `before` is what stood there
 * the last time; only what stands there again is told, unless `now`. */
static void
look_locked (GstSanaPromptFile * file, gchar ** before, gboolean now)
{
  gchar *path = g_strdup (file->path), *text, *news;
  guint serial = file->serial;
  GError *error = NULL;

  g_mutex_unlock (&file->lock);
  text = read_path (path, &error);
  g_free (path);
  news = g_strdup (text ? text : error->message);
  g_mutex_lock (&file->lock);
  if (serial == file->serial && (now || g_strcmp0 (*before, news) == 0))
    tell_locked (file, text, error);
  g_free (*before);
  *before = news;
  g_free (text);
  g_clear_error (&error);
}

static gpointer
watch_thread (gpointer data)
{
  GstSanaPromptFile *file = data;
  gchar *before = NULL;

  g_mutex_lock (&file->lock);
  while (file->element && file->thread == g_thread_self ()) {
    gint64 then;

    if (file->path)
      look_locked (file, &before, FALSE);
    /* after the look: one that took long is no reason for two in a row */
    then = g_get_monotonic_time () + INTERVAL;
    while (file->element && file->thread == g_thread_self () &&
        g_cond_wait_until (&file->news, &file->lock, then));
  }
  g_mutex_unlock (&file->lock);
  g_free (before);
  file_unref (file);
  return NULL;
}

/* With the lock: a thread, once there is something to watch. */
static void
watch_locked (GstSanaPromptFile * file)
{
  if (file->element == NULL || file->path == NULL || file->thread)
    return;
  g_atomic_int_inc (&file->refs);
  file->thread = g_thread_new ("sana-prompt-file", watch_thread, file);
}

/* --- for the element ------------------------------------------------------ */

GstSanaPromptFile *
gst_sana_prompt_file_new (GstSanaPromptFileFunc func, gpointer user_data)
{
  GstSanaPromptFile *file = g_new0 (GstSanaPromptFile, 1);

  file->refs = 1;
  file->func = func;
  file->user_data = user_data;
  g_mutex_init (&file->lock);
  g_cond_init (&file->news);
  return file;
}

void
gst_sana_prompt_file_free (GstSanaPromptFile * file)
{
  file_unref (file);
}

void
gst_sana_prompt_file_set_path (GstSanaPromptFile * file, const gchar * path)
{
  g_mutex_lock (&file->lock);
  g_free (file->path);
  file->path = path && *path ? g_strdup (path) : NULL;
  file->serial++;
  file->fresh = TRUE;
  g_clear_pointer (&file->told, g_free);
  watch_locked (file);
  g_mutex_unlock (&file->lock);
}

gchar *
gst_sana_prompt_file_get_path (GstSanaPromptFile * file)
{
  gchar *path;

  g_mutex_lock (&file->lock);
  path = g_strdup (file->path);
  g_mutex_unlock (&file->lock);
  return path;
}

void
gst_sana_prompt_file_yield (GstSanaPromptFile * file)
{
  g_mutex_lock (&file->lock);
  file->fresh = FALSE;
  g_mutex_unlock (&file->lock);
}

void
gst_sana_prompt_file_start (GstSanaPromptFile * file, GstElement * element)
{
  gchar *before = NULL;

  g_mutex_lock (&file->lock);
  file->element = gst_object_ref (element);
  file->serial++;
  if (file->path)
    look_locked (file, &before, TRUE);
  watch_locked (file);
  g_mutex_unlock (&file->lock);
  g_free (before);
}

/* Whether another thread than this one is in func. */
static gboolean
is_told_locked (GstSanaPromptFile * file)
{
  GList *link;

  for (link = file->tellers.head; link; link = link->next)
    if (link->data != g_thread_self ())
      return TRUE;
  return FALSE;
}

void
gst_sana_prompt_file_stop (GstSanaPromptFile * file)
{
  GstElement *element;
  GThread *thread;

  g_mutex_lock (&file->lock);
  element = g_steal_pointer (&file->element);
  thread = g_steal_pointer (&file->thread);
  file->serial++;
  g_cond_broadcast (&file->news);
  while (is_told_locked (file))
    g_cond_wait (&file->news, &file->lock);
  g_mutex_unlock (&file->lock);
  /* not joined, as it may be in a read() that does not return */
  if (thread)
    g_thread_unref (thread);
  gst_clear_object (&element);
}
