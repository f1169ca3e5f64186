/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A text file that is watched for prompts, on a thread of its own, so that no
 * main loop is needed.
 *
 * A text is told when the whole file has stood still for 0.2 s: whoever writes
 * it may truncate it, write it in pieces, or put another in its place.  White
 * space around it and a byte order mark are taken away; at most
 * GST_SANA_PROMPT_MAX bytes are read, and only of a regular file.  What is wrong
 * with a file is told once, not again and again.
 */
#ifndef GST_SANA_PROMPT_FILE_H
#define GST_SANA_PROMPT_FILE_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Bytes of a prompt that a file or a text pad gives. */
#define GST_SANA_PROMPT_MAX (64 * 1024)

/*
 * Takes text of outside: `length` bytes, as they came.  (transfer full), or NULL
 * with GST_RESOURCE_ERROR or GST_STREAM_ERROR; what is a noun for where it is
 * from.
 */
gchar *gst_sana_prompt_read (const gchar * bytes, gsize length,
    const gchar * what, GError ** error);

typedef struct _GstSanaPromptFile GstSanaPromptFile;

/* No lock held; from the thread of start(), or the watching one.  Either text
 * or, of domain GST_RESOURCE_ERROR, error. */
typedef void (*GstSanaPromptFileFunc) (gpointer user_data,
    GstElement * element, const gchar * text, const GError * error);

/* func must not be called after free(), which is after stop(). */
GstSanaPromptFile *gst_sana_prompt_file_new (GstSanaPromptFileFunc func,
    gpointer user_data);
void gst_sana_prompt_file_free (GstSanaPromptFile * file);

/* Any thread, never blocks.  NULL: none.  What it holds will be told even if it
 * does not change. */
void gst_sana_prompt_file_set_path (GstSanaPromptFile * file,
    const gchar * path);
gchar *gst_sana_prompt_file_get_path (GstSanaPromptFile * file);

/* Any thread, never blocks: another prompt was set since; from now on only
 * changes of the file are told. */
void gst_sana_prompt_file_yield (GstSanaPromptFile * file);

/* Reads once, at once, and then watches.  When stop returns func has, unless it
 * is what called it, and will not be called; the thread ends by itself, once a
 * file that it reads lets go of it. */
void gst_sana_prompt_file_start (GstSanaPromptFile * file,
    GstElement * element);
void gst_sana_prompt_file_stop (GstSanaPromptFile * file);

G_END_DECLS
#endif /* GST_SANA_PROMPT_FILE_H */
