/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an application may choose about time and failure: the enums of
 * sanaimg2img's properties leaky, pacing, startup-mode and on-error.
 */
#ifndef GST_SANA_POLICY_H
#define GST_SANA_POLICY_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* What becomes of a frame that finds the queue full. */
typedef enum
{
  GST_SANA_LEAKY_AUTO,          /* DOWNSTREAM behind a live source, else NO; NO
                                 * with REPEAT, where no frame waits for long */
  GST_SANA_LEAKY_NO,            /* it waits, and upstream with it */
  GST_SANA_LEAKY_UPSTREAM,      /* it goes itself */
  GST_SANA_LEAKY_DOWNSTREAM,    /* the oldest that has not started goes */
} GstSanaLeaky;

/* What an output shows. */
typedef enum
{
  GST_SANA_PACING_WAIT,         /* its own input, finished */
  GST_SANA_PACING_REPEAT,       /* at once: the newest picture that is finished */
} GstSanaPacing;

/* What is shown until the model is loaded and the first prompt encoded. */
typedef enum
{
  GST_SANA_STARTUP_AUTO,        /* PASSTHROUGH behind a live source, else BLOCK */
  GST_SANA_STARTUP_BLOCK,       /* nothing: frames wait */
  GST_SANA_STARTUP_PASSTHROUGH, /* the input */
  GST_SANA_STARTUP_BLACK,
} GstSanaStartup;

/* What becomes of a frame that could not be computed. */
typedef enum
{
  GST_SANA_ON_ERROR_ERROR,      /* an error, and the stream ends */
  GST_SANA_ON_ERROR_PASSTHROUGH,        /* a warning, and the input is shown */
} GstSanaOnError;

#define GST_TYPE_SANA_LEAKY (gst_sana_leaky_get_type ())
GType gst_sana_leaky_get_type (void);
#define GST_TYPE_SANA_PACING (gst_sana_pacing_get_type ())
GType gst_sana_pacing_get_type (void);
#define GST_TYPE_SANA_STARTUP (gst_sana_startup_get_type ())
GType gst_sana_startup_get_type (void);
#define GST_TYPE_SANA_ON_ERROR (gst_sana_on_error_get_type ())
GType gst_sana_on_error_get_type (void);

/* The two AUTOs, resolved. */
GstSanaLeaky gst_sana_leaky_resolve (GstSanaLeaky leaky, gboolean live,
    GstSanaPacing pacing);
GstSanaStartup gst_sana_startup_resolve (GstSanaStartup mode, gboolean live);

G_END_DECLS
#endif /* GST_SANA_POLICY_H */
