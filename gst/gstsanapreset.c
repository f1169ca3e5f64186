/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanapreset.h"

gchar **
gst_sana_preset_names (GstPreset * preset, const gchar * const *names)
{
  GPtrArray *array = g_ptr_array_new ();

  for (; *names; names++) {
    if (g_object_class_find_property (G_OBJECT_GET_CLASS (preset), *names))
      g_ptr_array_add (array, g_strdup (*names));
  }
  g_ptr_array_add (array, NULL);
  return (gchar **) g_ptr_array_free (array, FALSE);
}

/* Has GStreamer load it into another element, as it sets one property after the
 * other.  One at a time: it keeps what it read of a type's presets with the
 * type, without a lock. */
static gboolean
load_into (GObject * other, const gchar * name)
{
  static GMutex reading;
  GstPresetInterface *standard =
      g_type_default_interface_peek (GST_TYPE_PRESET);
  gboolean ok;

  g_mutex_lock (&reading);
  ok = standard->load_preset (GST_PRESET (other), name);
  g_mutex_unlock (&reading);
  return ok;
}

gboolean
gst_sana_preset_load (GstPreset * preset, const gchar * name,
    GstSanaPresetApply apply)
{
  GObjectClass *klass = G_OBJECT_GET_CLASS (preset);
  gchar **names = gst_preset_get_property_names (preset);
  guint i, n = g_strv_length (names);
  GParamSpec **specs = g_new0 (GParamSpec *, n);
  GValue *values = g_new0 (GValue, n);
  GObject *other =
      gst_object_ref_sink (g_object_new (G_OBJECT_TYPE (preset), NULL));
  gboolean ok;

  /* a preset may leave some as they are */
  for (i = 0; i < n; i++) {
    specs[i] = g_object_class_find_property (klass, names[i]);
    g_value_init (&values[i], specs[i]->value_type);
    g_object_get_property (G_OBJECT (preset), names[i], &values[i]);
    g_object_set_property (other, names[i], &values[i]);
  }
  ok = load_into (other, name);
  if (ok) {
    for (i = 0; i < n; i++)
      g_object_get_property (other, names[i], &values[i]);
    apply (GST_ELEMENT (preset), specs, values, n);
    for (i = 0; i < n; i++)
      g_object_notify_by_pspec (G_OBJECT (preset), specs[i]);
  }
  for (i = 0; i < n; i++)
    g_value_unset (&values[i]);
  gst_object_unref (other);
  g_free (specs);
  g_free (values);
  g_strfreev (names);
  return ok;
}
