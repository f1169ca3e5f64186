/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sink pad for prompts as text/x-raw, such as subtitles: each buffer is a cue.
 * Nothing of what it gets goes on from it, and who reads the cues never waits.
 */
#ifndef GST_SANA_TEXT_PAD_H
#define GST_SANA_TEXT_PAD_H

#include "gstsanacues.h"

G_BEGIN_DECLS

#define GST_SANA_TEXT_CAPS "text/x-raw, format=(string)utf8"

#define GST_TYPE_SANA_TEXT_PAD (gst_sana_text_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstSanaTextPad, gst_sana_text_pad, GST, SANA_TEXT_PAD,
    GstPad)

/* cues belong to the pad's parent and live longer. */
GstPad *gst_sana_text_pad_new (GstPadTemplate * template, const gchar * name,
    GstSanaCues * cues);

G_END_DECLS
#endif /* GST_SANA_TEXT_PAD_H */
