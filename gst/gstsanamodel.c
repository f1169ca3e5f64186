/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE             /* dladdr, realpath */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <dlfcn.h>
#include <stdlib.h>

#include "gstsanamodel.h"

/* How long a model that nobody uses is kept. */
#define LINGER (5 * G_TIME_SPAN_SECOND)

typedef struct
{
  gchar *key;
  gchar *path, *device, *text_device;
  SanaPrecision precision;

  /* below: cache.lock */
  guint refs;                   /* users, the thread that loads, idleness */
  guint users;
  gboolean idle;                /* loaded, and nobody uses it */
  gint64 until;                 /* then: monotonic time */
  gboolean loading;
  gint percent;
  SanaModel *model;
  GError *error;
  GCancellable *cancellable;
} Entry;

struct _GstSanaModelUse
{
  Entry *entry;
  gboolean cancelled;           /* cache.lock */
};

static struct
{
  GMutex lock;
  GCond news;                   /* of any entry */
  GHashTable *entries;          /* those that a new user may join, by key */
  gboolean reaping;             /* the thread that ends idleness runs */
} cache;

/* With the lock; the caller frees what it returns, without. */
static Entry *
unref_locked (Entry * entry)
{
  return --entry->refs == 0 ? entry : NULL;
}

static void
free_entry (Entry * entry)
{
  if (entry == NULL)
    return;
  if (entry->model)
    sana_model_unref (entry->model);
  g_clear_error (&entry->error);
  g_object_unref (entry->cancellable);
  g_free (entry->path);
  g_free (entry->device);
  g_free (entry->text_device);
  g_free (entry->key);
  g_free (entry);
}

static void
leave_table_locked (Entry * entry)
{
  if (g_hash_table_lookup (cache.entries, entry->key) == entry)
    g_hash_table_remove (cache.entries, entry->key);
}

static void
on_progress (double fraction, gpointer user_data)
{
  Entry *entry = user_data;
  gint percent = CLAMP (fraction, 0.0, 1.0) * 100.0;

  g_mutex_lock (&cache.lock);
  if (percent > entry->percent) {
    entry->percent = percent;
    g_cond_broadcast (&cache.news);
  }
  g_mutex_unlock (&cache.lock);
}

/* --- idle models ---------------------------------------------------------- */

/* With the lock: takes out one that is idle at that time, the first to end; the
 * caller frees it, without.  next: when the one that stays longest ends. */
static Entry *
take_idle_locked (gint64 now, gint64 * next)
{
  GHashTableIter iter;
  gpointer value;
  Entry *first = NULL;

  if (cache.entries == NULL)
    return NULL;
  g_hash_table_iter_init (&iter, cache.entries);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Entry *entry = value;

    if (entry->idle && (first == NULL || entry->until < first->until))
      first = entry;
  }
  *next = first ? first->until : 0;
  if (first == NULL || first->until > now)
    return NULL;
  first->idle = FALSE;
  leave_table_locked (first);
  return unref_locked (first);
}

static gpointer
reap (gpointer unused)
{
  Entry *entry;
  gint64 next;

  g_mutex_lock (&cache.lock);
  for (;;) {
    entry = take_idle_locked (g_get_monotonic_time (), &next);
    if (entry) {
      g_mutex_unlock (&cache.lock);
      free_entry (entry);
      g_mutex_lock (&cache.lock);
    } else if (next) {
      g_cond_wait_until (&cache.news, &cache.lock, next);
    } else {
      break;
    }
  }
  cache.reaping = FALSE;
  g_mutex_unlock (&cache.lock);
  return NULL;
}

/* With the lock: the entry's last user has left its reference. */
static void
become_idle_locked (Entry * entry)
{
  entry->idle = TRUE;
  entry->until = g_get_monotonic_time () + LINGER;
  if (!cache.reaping) {
    cache.reaping = TRUE;
    g_thread_unref (g_thread_new ("sana-linger", reap, NULL));
  }
}

void
gst_sana_model_drop_idle (void)
{
  Entry *entry;
  gint64 next;

  do {
    g_mutex_lock (&cache.lock);
    entry = take_idle_locked (G_MAXINT64, &next);
    g_mutex_unlock (&cache.lock);
    free_entry (entry);
  } while (entry);
}

/* --- loading -------------------------------------------------------------- */

static gpointer
load (gpointer data)
{
  Entry *entry = data, *dead;
  const SanaModelOptions options = {
    .device = entry->device,
    .text_device = entry->text_device,
    .precision = entry->precision,
    .progress = on_progress,
    .progress_data = entry,
  };
  GError *error = NULL;
  SanaModel *model;

  /* there may not be room for both */
  gst_sana_model_drop_idle ();
  model = sana_model_load (entry->path, &options, entry->cancellable, &error);

  g_mutex_lock (&cache.lock);
  entry->model = model;
  entry->error = error;
  entry->loading = FALSE;
  if (model == NULL)
    leave_table_locked (entry);
  dead = unref_locked (entry);
  g_cond_broadcast (&cache.news);
  g_mutex_unlock (&cache.lock);

  free_entry (dead);
  return NULL;
}

static Entry *
new_entry (gchar * key, const gchar * path, const SanaModelOptions * options)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->key = key;
  entry->path = g_strdup (path);
  entry->device = g_strdup (options->device);
  entry->text_device = g_strdup (options->text_device);
  entry->precision = options->precision;
  entry->cancellable = g_cancellable_new ();
  entry->loading = TRUE;
  entry->refs = 1;              /* the thread's */
  return entry;
}

GstSanaModelUse *
gst_sana_model_use (const gchar * path, const SanaModelOptions * options)
{
  GstSanaModelUse *use = g_new0 (GstSanaModelUse, 1);
  gchar *whole = g_canonicalize_filename (path, NULL);
  gchar *key = g_strdup_printf ("%s\n%s\n%s\n%d", whole, options->device,
      options->text_device, options->precision);
  Entry *entry;

  g_free (whole);
  g_mutex_lock (&cache.lock);
  if (cache.entries == NULL)
    cache.entries = g_hash_table_new (g_str_hash, g_str_equal);
  entry = g_hash_table_lookup (cache.entries, key);
  if (entry == NULL) {
    entry = new_entry (key, path, options);
    g_hash_table_insert (cache.entries, entry->key, entry);
    g_thread_unref (g_thread_new ("sana-load", load, entry));
  } else {
    g_free (key);
  }
  entry->users++;
  if (entry->idle)
    entry->idle = FALSE;
  else
    entry->refs++;
  use->entry = entry;
  g_mutex_unlock (&cache.lock);
  return use;
}

SanaModel *
gst_sana_model_use_wait (GstSanaModelUse * use, GstSanaModelProgress progress,
    gpointer user_data, GError ** error)
{
  Entry *entry = use->entry;
  SanaModel *model = NULL;
  gint told = 0;

  g_mutex_lock (&cache.lock);
  while (entry->loading && !use->cancelled) {
    if (entry->percent > told) {
      told = entry->percent;
      g_mutex_unlock (&cache.lock);
      progress (told, user_data);
      g_mutex_lock (&cache.lock);
    } else {
      g_cond_wait (&cache.news, &cache.lock);
    }
  }
  if (use->cancelled)
    g_set_error_literal (error, SANA_ERROR, SANA_ERROR_CANCELLED,
        "loading the model was cancelled");
  else if (entry->error)
    g_propagate_error (error, g_error_copy (entry->error));
  else
    model = entry->model;
  g_mutex_unlock (&cache.lock);
  return model;
}

void
gst_sana_model_use_cancel (GstSanaModelUse * use)
{
  g_mutex_lock (&cache.lock);
  use->cancelled = TRUE;
  g_cond_broadcast (&cache.news);
  g_mutex_unlock (&cache.lock);
}

void
gst_sana_model_use_release (GstSanaModelUse * use)
{
  Entry *entry = use->entry, *dead = NULL;
  GCancellable *cancel = NULL;

  g_mutex_lock (&cache.lock);
  if (--entry->users == 0 && entry->model) {
    become_idle_locked (entry);
  } else {
    if (entry->users == 0)
      leave_table_locked (entry);
    if (entry->users == 0 && entry->loading)
      cancel = g_object_ref (entry->cancellable);
    dead = unref_locked (entry);
  }
  g_mutex_unlock (&cache.lock);

  if (cancel) {
    g_cancellable_cancel (cancel);
    g_object_unref (cancel);
  }
  free_entry (dead);
  g_free (use);
}

/* --- which model ---------------------------------------------------------- */

/* What is at this place, seen from the file this code is part of, or NULL. */
static gchar *
beside_plugin (const gchar * relative)
{
  Dl_info info;
  char *file = NULL, *found = NULL;
  gchar *folder, *path;

  if (dladdr ((gconstpointer) gst_sana_find_model, &info) && info.dli_fname)
    file = realpath (info.dli_fname, NULL);
  if (file == NULL)
    return NULL;
  folder = g_path_get_dirname (file);
  path = g_build_filename (folder, relative, NULL);
  found = realpath (path, NULL);
  g_free (path);
  g_free (folder);
  free (file);
  path = g_strdup (found);
  free (found);
  return path;
}

gchar *
gst_sana_find_model (const gchar * model_path)
{
  gchar *demo;

  if (model_path == NULL || *model_path == '\0')
    model_path = g_getenv ("SANA_MODEL_PATH");
  if (model_path != NULL && *model_path != '\0')
    return g_strdup (model_path);
  /* in the build tree; installed, wherever that is now */
  demo = beside_plugin ("../models/demo");
  if (demo == NULL)
    demo = beside_plugin (SANA_DEMO_MODEL_FROM_PLUGIN);
  /* where nothing is, the error is to name the place that should be filled */
  return demo != NULL ? demo : g_strdup (SANA_DEMO_MODEL);
}
