/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prompts with times, from a text pad: which one is on at which running time.
 *
 * A cue is on from its start up to its end, or, without one, up to the start of
 * the next.  Where several are on, the one that started last counts, and of one
 * start the one added last.  At most GST_SANA_CUES_MAX cues and
 * GST_SANA_CUES_BYTES bytes are kept; who adds more waits until video has gone
 * past some.  Any thread; nothing is called back.
 */
#ifndef GST_SANA_CUES_H
#define GST_SANA_CUES_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_SANA_CUES_MAX 64
#define GST_SANA_CUES_BYTES (1024 * 1024)

typedef struct
{
  GMutex lock;
  GCond news;
  /* below: lock */
  GQueue queue;                 /* of cues, by start */
  gsize bytes;
  GstClockTime now;             /* running time of the last frame */
  gboolean flushing;            /* the pad of texts */
  gboolean ended;               /* video: nothing will make room any more */
  gboolean renewed;             /* texts were flushed since video was */
} GstSanaCues;

void gst_sana_cues_init (GstSanaCues * cues);
void gst_sana_cues_clear (GstSanaCues * cues);

/* Adds a text (transfer full).  start NONE: from the last frame on; duration
 * NONE: without end.  Waits for room, which ends with FLUSHING or EOS. */
GstFlowReturn gst_sana_cues_add (GstSanaCues * cues, gchar * text,
    GstClockTime start, GstClockTime duration);

/* Video starts: its running time begins. */
void gst_sana_cues_start (GstSanaCues * cues);

/* The pad of texts begins or ends to take them; ends: forgets all cues. */
void gst_sana_cues_set_active (GstSanaCues * cues, gboolean active);

/* The pad of texts begins to flush or ends to; begins: forgets all cues. */
void gst_sana_cues_set_flushing (GstSanaCues * cues, gboolean flushing);

/* Video ends, or a new stream of it begins. */
void gst_sana_cues_set_ended (GstSanaCues * cues, gboolean ended);

/* Video was flushed, so that running time starts again.  Forgets cues, unless
 * texts were flushed too and are of the new time. */
void gst_sana_cues_restart (GstSanaCues * cues);

/*
 * A frame of this running time (NONE: that of the last) is next: forgets what is
 * over.  *text is what is on, or NULL; *next what will be on after it, or NULL.
 * (transfer full)
 */
void gst_sana_cues_at (GstSanaCues * cues, GstClockTime running_time,
    gchar ** text, gchar ** next);

G_END_DECLS
#endif /* GST_SANA_CUES_H */
