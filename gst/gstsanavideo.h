/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pictures of a stream as the pipelines take video: where their components lie
 * and what their levels mean.  Those of 8 bits, SDR primaries and no alpha;
 * others are converted (gstsanaconvert.h).
 */
#ifndef GST_SANA_VIDEO_H
#define GST_SANA_VIDEO_H

#include <gst/video/video.h>

#include "pipelines/sana.h"

G_BEGIN_DECLS
/*
 * Describes pictures of `info`, as a target if they are to be written, else as
 * a source.  Planes and strides are left out.  FALSE: they have to be
 * converted.
 */
    gboolean gst_sana_video_describe (SanaVideoImage * image,
    const GstVideoInfo * info, gboolean target);

/* Points `image` at the planes of a mapped frame; valid while it is mapped. */
void gst_sana_video_set_planes (SanaVideoImage * image,
    const GstVideoFrame * frame);

G_END_DECLS
#endif /* GST_SANA_VIDEO_H */
