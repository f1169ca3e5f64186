/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SANA_SRC_H
#define GST_SANA_SRC_H

#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SANA_SRC (gst_sana_src_get_type ())
G_DECLARE_FINAL_TYPE (GstSanaSrc, gst_sana_src, GST, SANA_SRC, GstPushSrc)

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

GST_ELEMENT_REGISTER_DECLARE (sanasrc);

G_END_DECLS
#endif /* GST_SANA_SRC_H */
