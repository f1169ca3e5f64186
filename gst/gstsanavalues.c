/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanacommon.h"
#include "gstsanavalues.h"

GType
gst_sana_enum_register (gsize * type, const gchar * name,
    const GEnumValue * values)
{
  if (g_once_init_enter (type))
    g_once_init_leave (type, g_enum_register_static (name, values));
  return *type;
}

/* Where the value of a property is; NULL: nowhere. */
static gpointer
place (gconstpointer values, gsize size, guint id)
{
  if (id < GST_SANA_PROP_LAST || id >= GST_SANA_PROP_LAST + size)
    return NULL;
  return (guint8 *) values + (id - GST_SANA_PROP_LAST);
}

gboolean
gst_sana_values_set (gpointer values, gsize size, guint id,
    const GValue * value)
{
  gpointer at = place (values, size, id);

  if (!at)
    return FALSE;
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value))) {
    case G_TYPE_BOOLEAN:
      *(gboolean *) at = g_value_get_boolean (value);
      return TRUE;
    case G_TYPE_INT:
      *(gint *) at = g_value_get_int (value);
      return TRUE;
    case G_TYPE_UINT:
      *(guint *) at = g_value_get_uint (value);
      return TRUE;
    case G_TYPE_INT64:
      *(gint64 *) at = g_value_get_int64 (value);
      return TRUE;
    case G_TYPE_UINT64:
      *(guint64 *) at = g_value_get_uint64 (value);
      return TRUE;
    case G_TYPE_DOUBLE:
      *(gdouble *) at = g_value_get_double (value);
      return TRUE;
    case G_TYPE_ENUM:
      *(gint *) at = g_value_get_enum (value);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
gst_sana_values_get (gconstpointer values, gsize size, guint id, GValue * value)
{
  gconstpointer at = place (values, size, id);

  if (!at)
    return FALSE;
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value))) {
    case G_TYPE_BOOLEAN:
      g_value_set_boolean (value, *(const gboolean *) at);
      return TRUE;
    case G_TYPE_INT:
      g_value_set_int (value, *(const gint *) at);
      return TRUE;
    case G_TYPE_UINT:
      g_value_set_uint (value, *(const guint *) at);
      return TRUE;
    case G_TYPE_INT64:
      g_value_set_int64 (value, *(const gint64 *) at);
      return TRUE;
    case G_TYPE_UINT64:
      g_value_set_uint64 (value, *(const guint64 *) at);
      return TRUE;
    case G_TYPE_DOUBLE:
      g_value_set_double (value, *(const gdouble *) at);
      return TRUE;
    case G_TYPE_ENUM:
      g_value_set_enum (value, *(const gint *) at);
      return TRUE;
    default:
      return FALSE;
  }
}

void
gst_sana_values_init (gpointer values, gsize size, GObjectClass * klass)
{
  GParamSpec **specs = g_object_class_list_properties (klass, NULL);
  guint i;

  for (i = 0; specs[i]; i++) {
    /* others' ids mean other things */
    if (specs[i]->owner_type == G_OBJECT_CLASS_TYPE (klass))
      gst_sana_values_set (values, size, specs[i]->param_id,
          g_param_spec_get_default_value (specs[i]));
  }
  g_free (specs);
}
