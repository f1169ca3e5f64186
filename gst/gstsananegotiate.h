/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Caps and buffers of sanaimg2img: which pictures it takes, which it makes of
 * them, and where it puts them.
 */
#ifndef GST_SANA_NEGOTIATE_H
#define GST_SANA_NEGOTIATE_H

#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/*
 * What the other pad can do when this one does `caps`: first the same, then
 * every format, size and colour at the same rate, last those in the other kind
 * of memory, the system's or a GPU's (gstsanacuda.h).  Progressive and one view.
 * refused: of what has only several fields or views, too.  When it comes, a
 * sentence refuses it; without, the elements would not even link.
 */
GstCaps *gst_sana_transform_caps (GstCaps * caps, gboolean refused);

/* For a sink pad's CAPS query: the above, and last the same with several
 * fields or views, which are refused by a sentence when they come. */
GstCaps *gst_sana_append_refused_caps (GstCaps * caps);

/* Why the element `name` takes no pictures of this kind, and what to do: a
 * sentence (g_free).  NULL: they are progressive, one view and SDR. */
gchar *gst_sana_refuse_info (const GstVideoInfo * info, const gchar * name);

/* Whether element can make pictures of this kind, SDR; FALSE: an ERROR message
 * was posted.  Call with no lock held. */
gboolean gst_sana_check_output (GstElement * element,
    const GstVideoInfo * info);

/*
 * The caps made of pictures of `in`: the same if peer takes them; else peer's
 * nearest, of two equally near the one in the same kind of memory.  One
 * dimension given keeps the display aspect, none given keeps the size; what a
 * change of format does not touch stays.  NULL: there are none.
 */
GstCaps *gst_sana_fixate_output (GstCaps * in, GstCaps * peer);

/*
 * Asks downstream for a pool for pictures of `caps`, or makes one; active and
 * with one buffer more than downstream needs, the one being computed.  context
 * as in gst_sana_cuda_pool_new().  NULL: there is no memory, or, of a GPU, none
 * of these.
 */
GstBufferPool *gst_sana_decide_allocation (GstElement * element,
    GstPad * srcpad, GstCaps * caps, const GstVideoInfo * info,
    GstObject ** context);

/* (transfer full).  Downstream's pool, or NULL if its buffers are not of the
 * memory that caps say. */
GstBufferPool *gst_sana_take_pool (GstBufferPool * theirs, GstCaps * caps);

/* A pool of such, not configured; NULL as above. */
GstBufferPool *gst_sana_new_pool (GstElement * element, GstCaps * caps,
    GstObject ** context);

/* Posts the ERROR of an element that has no pool for its output. */
void gst_sana_post_no_pool (GstElement * element, GstCaps * caps);

/* A pointer on the output made one on the input; takes the event, whatever it
 * is. */
GstEvent *gst_sana_scale_pointer (GstEvent * event, gdouble scale_x,
    gdouble scale_y);

/* Answers upstream's ALLOCATION query: GstVideoMeta, and a pool of our own
 * unless it is for a GPU's memory. */
gboolean gst_sana_propose_allocation (GstQuery * query);

G_END_DECLS
#endif /* GST_SANA_NEGOTIATE_H */
