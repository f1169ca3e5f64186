/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties that are fields of one struct of an element: gboolean, gint, guint,
 * gint64, guint64, gdouble or an enum.  The id of a property is
 * GST_SANA_PROP_LAST plus the offset of its field, its default that of its
 * GParamSpec.  size is that of the struct.
 */
#ifndef GST_SANA_VALUES_H
#define GST_SANA_VALUES_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* The type of an enum whose values have their blurb as a name; *type is 0 until
 * the first call.  Any thread. */
GType gst_sana_enum_register (gsize * type, const gchar * name,
    const GEnumValue * values);

/* The defaults of the properties installed in klass. */
void gst_sana_values_init (gpointer values, gsize size, GObjectClass * klass);

/* FALSE: the id is of no field. */
gboolean gst_sana_values_set (gpointer values, gsize size, guint id,
    const GValue * value);
gboolean gst_sana_values_get (gconstpointer values, gsize size, guint id,
    GValue * value);

G_END_DECLS
#endif /* GST_SANA_VALUES_H */
