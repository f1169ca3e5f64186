/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What sanaimg2img's own properties say, each a field of GstSanaImg2imgValues.
 * The element keeps one, behind its OBJECT_LOCK; who needs values takes a copy.
 *
 * A new property is a field here and one call of add() in the .c file: its id is
 * the place of its field, its default the one of its GParamSpec.  A property
 * that is no such value (a string, a statistic) has an id from
 * GST_SANA_IMG2IMG_PROP_LAST on and is the element's.
 */
#ifndef GST_SANA_IMG2IMG_PROPS_H
#define GST_SANA_IMG2IMG_PROPS_H

#include "gstsanacommon.h"
#include "gstsanageometry.h"
#include "gstsanapolicy.h"

G_BEGIN_DECLS

#define GST_TYPE_SANA_STRENGTH_MODE (gst_sana_strength_mode_get_type ())
GType gst_sana_strength_mode_get_type (void);

/*
 * FIXED gives each frame the noise of `seed`; PER_FRAME that of `seed` plus the
 * frame's number since the start or the last flush.
 */
typedef enum
{
  GST_SANA_NOISE_FIXED,
  GST_SANA_NOISE_PER_FRAME,
} GstSanaNoiseMode;

#define GST_TYPE_SANA_NOISE_MODE (gst_sana_noise_mode_get_type ())
GType gst_sana_noise_mode_get_type (void);

#define GST_TYPE_SANA_FIT (gst_sana_fit_get_type ())
GType gst_sana_fit_get_type (void);

/* Fields as in gstsanavalues.h. */
typedef struct
{
  gdouble strength;
  SanaStrengthMode strength_mode;
  GstSanaNoiseMode noise_mode;

  guint process_width, process_height;
  GstSanaFit fit;
  gdouble mix;
  gboolean bypass;
  gdouble temporal_smoothing;

  GstClockTime latency;         /* NONE: as measured */
  gboolean qos;
  GstSanaLeaky leaky;
  GstSanaPacing pacing;
  GstSanaStartup startup_mode;
  guint process_interval;
  gdouble similarity_threshold;
  GstSanaOnError on_error;
} GstSanaImg2imgValues;

/* The id of a value's property. */
#define GST_SANA_IMG2IMG_PROP(field) \
    (GST_SANA_PROP_LAST + G_STRUCT_OFFSET (GstSanaImg2imgValues, field))

enum
{
  GST_SANA_IMG2IMG_PROP_LAST =
      GST_SANA_PROP_LAST + sizeof (GstSanaImg2imgValues)
};

/* The size to work at. */
GstSanaProcess gst_sana_img2img_values_get_process (const GstSanaImg2imgValues *
    values);

/* Whether the output is the input, so that nothing is to be computed. */
gboolean gst_sana_img2img_values_copy (const GstSanaImg2imgValues * values);

void gst_sana_img2img_values_install (GObjectClass * klass);

/* The defaults of the properties installed in klass. */
void gst_sana_img2img_values_init (GstSanaImg2imgValues * values,
    GObjectClass * klass);

/* Call with the lock.  FALSE: the id is of no value. */
gboolean gst_sana_img2img_values_set (GstSanaImg2imgValues * values, guint id,
    const GValue * value);
gboolean gst_sana_img2img_values_get (const GstSanaImg2imgValues * values,
    guint id, GValue * value);

G_END_DECLS
#endif /* GST_SANA_IMG2IMG_PROPS_H */
