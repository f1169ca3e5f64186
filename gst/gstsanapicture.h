/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One picture of sanasrc: drawn by the compute thread in the format of the
 * caps, kept until the next one, and copied out as often as it is shown.
 */
#ifndef GST_SANA_PICTURE_H
#define GST_SANA_PICTURE_H

#include "gstsanacolour.h"
#include "gstsanaworker.h"

G_BEGIN_DECLS

/* Negotiated video and the way to it.  Reference counted; its converter is
 * used by the compute thread only. */
typedef struct _GstSanaCanvas GstSanaCanvas;

GstSanaCanvas *gst_sana_canvas_new (const GstVideoInfo * info);
GstSanaCanvas *gst_sana_canvas_ref (GstSanaCanvas * canvas);
void gst_sana_canvas_unref (GstSanaCanvas * canvas);

/* Whether pictures made for the canvas fit video of this info: all but the
 * framerate. */
gboolean gst_sana_canvas_fits (GstSanaCanvas * canvas,
    const GstVideoInfo * info);

typedef struct
{
  GstSanaJob job;
  GstSanaCanvas *canvas;
  guint64 seed;                 /* of this picture */
  gboolean binning;
  GstBuffer *buffer;            /* the pixels, once drawn, */
  SanaTimes times;              /* and how long that took */
} GstSanaPicture;

/* Takes what `settings` holds and leaves zeros. */
GstSanaPicture *gst_sana_picture_new (GstSanaCanvas * canvas,
    GstSanaSettings * settings, guint64 seed, gboolean binning);
void gst_sana_picture_free (GstSanaPicture * picture);

/* Whether `picture`, drawn or being drawn, is what `want` would be. */
gboolean gst_sana_picture_same (const GstSanaPicture * picture,
    const GstSanaPicture * want);

/* Copies a drawn picture into a buffer of video of `info`, scaled and converted if
 * it is of another. */
gboolean gst_sana_picture_copy (const GstSanaPicture * picture,
    const GstVideoInfo * info, GstBuffer * buffer);

G_END_DECLS
#endif /* GST_SANA_PICTURE_H */
