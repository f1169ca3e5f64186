/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SANA_SRC_H
#define GST_SANA_SRC_H

#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SANA_SRC (gst_sana_src_get_type ())
G_DECLARE_FINAL_TYPE (GstSanaSrc, gst_sana_src, GST, SANA_SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE (sanasrc);

G_END_DECLS
#endif /* GST_SANA_SRC_H */
