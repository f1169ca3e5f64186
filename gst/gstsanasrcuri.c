/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sana://?prompt=a%20forest&seed=7: properties of sanasrc as a query, for playbin
 * and whatever else plays addresses. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>
#include <string.h>

#include "gstsanasrcprivate.h"

/* An address may come from anywhere: it draws, but it names no file. */
static const gchar *const keys[] = {
  "prompt", "seed", "seed-mode", "steps", "guidance-scale", "image-duration",
  "is-live", NULL
};

static GstURIType
get_type (GType type)
{
  return GST_URI_SRC;
}

static const gchar *const *
get_protocols (GType type)
{
  static const gchar *const protocols[] = { "sana", NULL };

  return protocols;
}

/* Every key that is not at its default. */
static gchar *
get_uri (GstURIHandler * handler)
{
  GObject *object = G_OBJECT (handler);
  GString *uri = g_string_new ("sana://");
  guint i;

  for (i = 0; keys[i]; i++) {
    GParamSpec *spec =
        g_object_class_find_property (G_OBJECT_GET_CLASS (object), keys[i]);
    GValue value = G_VALUE_INIT;

    g_value_init (&value, spec->value_type);
    g_object_get_property (object, keys[i], &value);
    if (!g_param_value_defaults (spec, &value)) {
      gchar *text = G_VALUE_HOLDS_STRING (&value) ?
          g_value_dup_string (&value) : gst_value_serialize (&value);
      /* GstUri would write a plus for a space, and not read it as one */
      gchar *escaped = g_uri_escape_string (text, NULL, FALSE);

      g_string_append_printf (uri, "%c%s=%s", strchr (uri->str, '?') ? '&' :
          '?', keys[i], escaped);
      g_free (escaped);
      g_free (text);
    }
    g_value_unset (&value);
  }
  return g_string_free (uri, FALSE);
}

static gboolean
read_value (GParamSpec * spec, const gchar * text, GValue * value)
{
  g_value_init (value, spec->value_type);
  if (G_VALUE_HOLDS_STRING (value)) {
    g_value_set_string (value, text);
    return TRUE;
  }
  return text && gst_value_deserialize (value, text) &&
      !g_param_value_validate (spec, value);
}

/* Sets the property when `set`; otherwise looks only. */
static gboolean
take (GstSanaSrc * self, const gchar * key, const gchar * text, gboolean set,
    GError ** error)
{
  GParamSpec *spec;
  GValue value = G_VALUE_INIT;
  gboolean ok;

  if (!g_strv_contains (keys, key)) {
    gchar *known = g_strjoinv (", ", (gchar **) keys);

    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_REFERENCE,
        _("sana:// has no \"%s\"; it takes %s"), key, known);
    g_free (known);
    return FALSE;
  }
  spec = g_object_class_find_property (G_OBJECT_GET_CLASS (self), key);
  ok = read_value (spec, text, &value);
  if (!ok)
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_REFERENCE,
        _("\"%s\" is no value of \"%s\" in a sana:// address; "
            "gst-inspect-1.0 sanasrc lists its values"), text ? text : "", key);
  else if (set)
    g_object_set_property (G_OBJECT (self), key, &value);
  g_value_unset (&value);
  return ok;
}

static gboolean
set_uri (GstURIHandler * handler, const gchar * string, GError ** error)
{
  GstSanaSrc *self = GST_SANA_SRC (handler);
  GstUri *uri = gst_uri_from_string (string);
  GHashTable *query;
  GHashTableIter iter;
  gpointer key, text;
  gboolean ok = TRUE;
  gint set;

  if (!uri) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
        _("\"%s\" is no address such as sana://?prompt=clouds"), string);
    return FALSE;
  }
  query = gst_uri_get_query_table (uri);
  /* all or nothing */
  for (set = 0; query && ok && set <= 1; set++) {
    g_hash_table_iter_init (&iter, query);
    while (ok && g_hash_table_iter_next (&iter, &key, &text))
      ok = take (self, key, text, set, error);
  }
  if (query)
    g_hash_table_unref (query);
  gst_uri_unref (uri);
  return ok;
}

void
gst_sana_src_uri_init (gpointer iface, gpointer data)
{
  GstURIHandlerInterface *handler = iface;

  handler->get_type = get_type;
  handler->get_protocols = get_protocols;
  handler->get_uri = get_uri;
  handler->set_uri = set_uri;
}
