/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What sanasrc prefers of what it may push, and where it puts it.
 */
#ifndef GST_SANA_SRC_CAPS_H
#define GST_SANA_SRC_CAPS_H

#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* (transfer full) both.  Native size, or a square when one side is given; 30
 * frames per second live, one otherwise; square pixels; RGB, or else what
 * downstream likes best. */
GstCaps *gst_sana_src_caps_prefer (GstCaps * caps, gint native_size,
    gboolean live);

/* (transfer full) both.  Fixed caps, with their colours spelled out. */
GstCaps *gst_sana_src_caps_complete (GstCaps * caps);

/* Answers an ALLOCATION query: downstream's pool, or one of our own; padded
 * strides only when downstream reads GstVideoMeta.  context as in
 * gst_sana_cuda_pool_new().  FALSE: the element posted that there is none. */
gboolean gst_sana_src_caps_set_pool (GstElement * element, GstQuery * query,
    const GstVideoInfo * info, GstObject ** context);

G_END_DECLS
#endif /* GST_SANA_SRC_CAPS_H */
