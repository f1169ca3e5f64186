/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GstPreset as both elements have it.  A preset is a look: what is drawn and how
 * strongly, but no seed, model or device.  Loading one changes all its properties
 * between two frames.
 */
#ifndef GST_SANA_PRESET_H
#define GST_SANA_PRESET_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Sets n properties of the element while no frame takes its values. */
typedef void (*GstSanaPresetApply) (GstElement * element,
    GParamSpec ** specs, const GValue * values, guint n);

/* For GstPresetInterface; names: NULL-terminated.  One that the element has not
 * is left out. */
gchar **gst_sana_preset_names (GstPreset * preset, const gchar * const *names);
gboolean gst_sana_preset_load (GstPreset * preset, const gchar * name,
    GstSanaPresetApply apply);

G_END_DECLS
#endif /* GST_SANA_PRESET_H */
