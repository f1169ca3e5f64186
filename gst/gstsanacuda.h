/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pictures in the memory of an NVIDIA GPU, as GStreamer has them
 * (memory:CUDAMemory).  Its library, libgstcuda, is opened when such a picture
 * first comes, and only functions are called that it has had unchanged since
 * 1.22; nothing of CUDA is needed to build this.
 *
 * A picture may be of any CUDA context of the process: the model's device copies
 * it (SanaVideoImage).  Mapped without GST_SANA_MAP_CUDA it is like any other.
 */
#ifndef GST_SANA_CUDA_H
#define GST_SANA_CUDA_H

#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_SANA_CUDA_MEMORY "memory:CUDAMemory"

/* The formats that a model on cuda reads and writes by itself. */
#define GST_SANA_CUDA_CAPS GST_VIDEO_CAPS_MAKE_WITH_FEATURES \
    (GST_SANA_CUDA_MEMORY, "{ NV12, I420, YV12, Y444, RGBx, BGRx, RGB, BGR }")

/* GST_MAP_CUDA of <gst/cuda/gstcudamemory.h>: map to an address of the GPU's. */
#define GST_SANA_MAP_CUDA ((GstMapFlags) (GST_MAP_FLAG_LAST << 1))

/* Whether structure i of caps is of such pictures. */
gboolean gst_sana_cuda_in_caps (const GstCaps * caps, guint i);

/* Whether the buffer is one.  FALSE for NULL. */
gboolean gst_sana_cuda_is_buffer (GstBuffer * buffer);

/* Waits until what others have the GPU write into the buffer is there.  It is
 * mapped, as mapping it may have the GPU write. */
void gst_sana_cuda_wait (GstBuffer * buffer);

/* Whether the pool's buffers are such. */
gboolean gst_sana_cuda_is_pool (GstBufferPool * pool);

/*
 * A pool of them in *context (a GstCudaContext), or if that is NULL in the one
 * of the pipeline, or a new one, which it becomes.  NULL: there is no libgstcuda,
 * no driver, or no GPU.  Posts and queries; no lock held.
 */
GstBufferPool *gst_sana_cuda_pool_new (GstElement * element,
    GstObject ** context);

/* For GstElement.set_context: takes it over if it is CUDA's and *context NULL. */
void gst_sana_cuda_set_context (GstElement * element, GstContext * given,
    GstObject ** context);

/* Answers a CONTEXT query; FALSE: it is not about CUDA, or context is NULL. */
gboolean gst_sana_cuda_answer_context (GstElement * element, GstQuery * query,
    GstObject * context);

G_END_DECLS
#endif /* GST_SANA_CUDA_H */
