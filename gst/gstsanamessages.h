/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the elements say on the bus. */
#ifndef GST_SANA_MESSAGES_H
#define GST_SANA_MESSAGES_H

#include "gstsanacommon.h"

G_BEGIN_DECLS

/* What was being done when an error came; it makes the first half of the
 * sentence. */
typedef enum
{
  GST_SANA_DOING_OPEN,          /* "Cannot open the model: …" */
  GST_SANA_DOING_PROMPT,        /* "Cannot encode the prompt: …" */
  GST_SANA_DOING_FRAME,         /* "Cannot compute a frame: …" */
} GstSanaDoing;

/* Posts an ERROR message for a SANA_ERROR, or nothing when it says CANCELLED.
 * Call with no lock held. */
void gst_sana_post_error (GstElement * element, GstSanaDoing doing,
    const GError * error);

/* The same sentence as a WARNING message. */
void gst_sana_post_warning (GstElement * element, GstSanaDoing doing,
    const GError * error);

/* A PROGRESS message of code "open"; percent < 0: none.  No lock held. */
void gst_sana_post_progress (GstElement * element, GstProgressType type,
    gint percent, const gchar * text);

/* An element message "sana-prompt-applied": buffer is the first that shows what
 * settings' prompt says.  Fields prompt, timestamp, stream-time, running-time
 * and duration; times that the segment cannot give are NONE.  No lock held. */
void gst_sana_post_prompt_applied (GstElement * element,
    const GstSanaSettings * settings, const GstSegment * segment,
    GstBuffer * buffer);

/*
 * Downstream, before the first frame of another prompt: asks encoders to begin
 * anew there.
 */
GstEvent *gst_sana_new_force_key_unit (const GstSegment * segment,
    GstBuffer * buffer, guint count);

G_END_DECLS
#endif /* GST_SANA_MESSAGES_H */
