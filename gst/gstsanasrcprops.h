/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sanasrc's own properties say; the element keeps them behind common.lock. */
#ifndef GST_SANA_SRC_PROPS_H
#define GST_SANA_SRC_PROPS_H

#include "gstsanacommon.h"

G_BEGIN_DECLS

/*
 * Which seed image n is drawn with.
 *
 * FIXED      seed                        INCREMENT  seed + n
 * RANDOM     a number that looks random and depends on seed and n alone;
 *            image 0 uses seed itself
 */
typedef enum
{
  GST_SANA_SEED_FIXED,
  GST_SANA_SEED_INCREMENT,
  GST_SANA_SEED_RANDOM,
} GstSanaSeedMode;

#define GST_TYPE_SANA_SEED_MODE (gst_sana_seed_mode_get_type ())
GType gst_sana_seed_mode_get_type (void);

/* What a live source shows until its first picture is there. */
typedef enum
{
  GST_SANA_SRC_STARTUP_AUTO,    /* BLOCK */
  GST_SANA_SRC_STARTUP_BLOCK,   /* nothing: frames begin with it */
  GST_SANA_SRC_STARTUP_BLACK,
} GstSanaSrcStartup;

#define GST_TYPE_SANA_SRC_STARTUP (gst_sana_src_startup_get_type ())
GType gst_sana_src_startup_get_type (void);

/* Fields as in gstsanavalues.h. */
typedef struct
{
  GstSanaSeedMode seed_mode;
  gboolean resolution_binning;
  gboolean is_live;             /* from the next READY on, as the next one */
  GstSanaSrcStartup startup_mode;
  gint64 timestamp_offset;
  GstClockTime image_duration;  /* 0: every frame has a picture of its own */
} GstSanaSrcValues;

void gst_sana_src_values_install (GObjectClass * klass);

/* The defaults of the properties installed in klass. */
void gst_sana_src_values_init (GstSanaSrcValues * values, GObjectClass * klass);

/* Call with the lock.  FALSE: the id is of no value. */
gboolean gst_sana_src_values_set (GstSanaSrcValues * values, guint id,
    const GValue * value);
gboolean gst_sana_src_values_get (const GstSanaSrcValues * values, guint id,
    GValue * value);

G_END_DECLS
#endif /* GST_SANA_SRC_PROPS_H */
