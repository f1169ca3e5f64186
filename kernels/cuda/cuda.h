/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cuda device: products by cuBLASLt, convolutions and everything else by kernels of its own.
 * A shared module that kernels/device.c opens at run time; nothing outside this folder names CUDA.
 * Private to this folder.
 *
 *   cuda.c                device, memory, the backend's table
 *   stream.c              streams, copies, workspace, replay by graphs
 *   weights.c             packed weights
 *   linear.c              products: cuBLASLt's, or own
 *   conv.c                convolutions, in terms of gemm.h
 *   gemm.h gemm_*.cu      products and convolutions as kernels: tiles of f32, and tensor cores;
 *                         gemm_map.h, gemm_tile.h and gemm_wgmma.h are inside of these
 *   warp.h                the instructions of a warp that C++ has no words for
 *   elements.h            what files of kernels share
 *   eight_bit.cu          rows for products of E4M3
 *   *.cu                  the other kernels, under the names of the cpu device's files, those on
 *                         tensor cores in *_mma.cu, with attention.h and linear_attention.h
 *
 * A file of kernels is C++17 in this order: kernels (__global__, static), launchers where an
 * operation has several forms, the operation (sana_cuda_<op>).  An operation
 *
 *   - trusts its arguments: ops.c has checked shapes, types, views and aliasing, and that the
 *     stream is in order; every tensor has at least one element and lies in device memory, unless
 *     ops.h says host; storage is F32 or BF16 (pictures: also U8, U16); x and y may differ in type
 *   - launches on sana_cuda_stream(s) and nowhere else, at most 2³¹ − 1 blocks in x, 65535 in y
 *     and z, by launch() of elements.h; each kernel begins with after_previous() (warp.h)
 *   - counts elements and offsets in size_t (or 64 bits) where they can pass 2³¹
 *   - may read and write 16 bytes at once only where sana_cuda_vectors() allows it: a tensor of the
 *     pool or scratch begins at a multiple of 64 bytes, a view at any multiple of its element
 *   - takes memory from sana_cuda_workspace() only.  It neither allocates nor waits for the device,
 *     and what changes from frame to frame is read from device memory, never passed as an argument:
 *     the launches are captured into a graph and repeated as they were
 *   - computes in f32 with round to nearest, but adds products of E4M3 as tensor cores do;
 *     --use_fast_math is off, TF32 is never used.  Sums over many elements are split and added in
 *     the same order each time: no floating-point atomics
 */
#ifndef SANA_KERNELS_CUDA_CUDA_H
#define SANA_KERNELS_CUDA_CUDA_H

#include <cublasLt.h>
#include <cuda.h>
#include <cuda_runtime_api.h>

#include "kernels/backend.h"

G_BEGIN_DECLS

typedef struct {
    SanaDevice base;
    int ordinal;         /* CUDA's number of it */
    int capability;      /* 10·major + minor, ≥ 80 */
    bool overlaps;       /* kernels may be launched before the one before them has ended */
    bool hopper;         /* what runs is made for 9.0: gemm_wgmma.cu is there */
    bool eight_bit;      /* what runs has products of E4M3 */
    int multiprocessors; /* to spread a grid over */
    size_t shared_bytes; /* shared memory a block may opt in to */
    cublasLtHandle_t blas;
    __typeof__(cuTensorMapEncodeTiled) *describe_map; /* the driver's; NULL below 9.0 */
    gint lost;           /* atomic; the context is beyond repair: see sana_cuda_check() */
    GMutex measuring;    /* held by the stream that measures; taken before lock */
    GMutex lock;         /* of choices */
    GHashTable *choices; /* which kernel a shape runs; conv.c */
} SanaCudaDevice;

typedef struct SanaCudaCopies SanaCudaCopies; /* stream.c */

/* Bytes a stream begins with, and all that cuBLASLt may use, whatever else ran before: what its
 * fastest algorithms ask for; others rarely ask for more. */
#define SANA_CUDA_WORKSPACE ((size_t)32 << 20)

typedef struct {
    SanaStream base;
    cudaStream_t stream;
    GPtrArray *workspaces; /* the last is in use; none is freed before the stream is */
    size_t workspace_bytes;
    size_t strip_bytes; /* of gathered rows at a time; the same for every stream, but in tests */
    SanaCudaCopies *copies;
    GHashTable *plans; /* of products, by shape; linear.c */
    bool capturing;
} SanaCudaStream;

/*
 * Packed weights, in device memory.
 *
 * linear     weights (out, in) of dtype
 * depthwise  taps f32, rounded to dtype: tap t of channel ch at t·out + ch
 * conv       weights (out, kernel, kernel, in/groups) of dtype; folded (see sana_cuda_is_folded()):
 *            (4·out, 2, 2, in); gathered (see sana_cuda_gathered()): rows filled up with zeros
 */
typedef struct {
    SanaDType dtype;
    void *weights;
    float *scales; /* E4M3: of each row of weights; else NULL */
    float *taps;
    float *bias;     /* folded: the bias four times */
    void *bias_bf16; /* of BF16 weights, where it is exact: the bias as cuBLASLt wants it */
} SanaCudaPacked;

static inline SanaCudaDevice *
sana_cuda_device(SanaStream *s)
{
    return (SanaCudaDevice *)s->device;
}

/* Where an operation launches.  Makes the device current for this thread. */
static inline cudaStream_t
sana_cuda_stream(SanaStream *s)
{
    cudaSetDevice(((SanaCudaDevice *)s->device)->ordinal);
    return ((SanaCudaStream *)s)->stream;
}

/*
 * Fails the stream with CUDA's own words if status is not success; `what` was being done.  An
 * error that CUDA does not recover from marks the device as lost: everything later on it fails at
 * once with a sentence that says so.
 */
bool sana_cuda_check(SanaStream *s, cudaError_t status, const char *what);

/* status, which the next call does not report again; marks the device as lost where it says so. */
cudaError_t sana_cuda_forget(SanaDevice *dev, cudaError_t status);

/* Device memory of this stream, 256-byte aligned, until the next call; NULL after sana_fail().
 * Nothing is kept between operations. */
void *sana_cuda_workspace(SanaStream *s, size_t bytes);

/* Blocks of `threads` that cover n elements. */
static inline unsigned
sana_cuda_blocks(size_t n, unsigned threads)
{
    return (unsigned)((n + threads - 1) / threads);
}

/* Whether every row of x can be read `elements` at a time as one aligned vector. */
static inline bool
sana_cuda_vectors(SanaTensor x, int elements)
{
    size_t bytes = (size_t)elements * sana_dtype_size(x.dtype);
    return (uintptr_t)x.data % bytes == 0 && x.c % elements == 0 && x.stride % elements == 0;
}

/* --- for the table in cuda.c ------------------------------------------------------------------ */

/* stream.c */
SanaStream *sana_cuda_stream_open(SanaDevice *dev, char **why);
void sana_cuda_stream_close(SanaStream *s);
void sana_cuda_finish_stream(SanaStream *s);
void sana_cuda_copy_in(SanaStream *s, void *dst, const void *host, size_t pitch, size_t bytes,
                       size_t rows);
void sana_cuda_copy_rows(SanaStream *s, void *dst, size_t dst_pitch, const void *src,
                         size_t src_pitch, size_t bytes, size_t rows);
void sana_cuda_copy_out(SanaStream *s, void *host, size_t pitch, const void *src, size_t bytes,
                        size_t rows);
void sana_cuda_replay(SanaStream *s, SanaReplay **replay, SanaForward forward, void *user);
void sana_cuda_replay_free(SanaStream *s, SanaReplay *replay);

/* weights.c */
bool sana_cuda_upload_convert(SanaDevice *dev, SanaTensor dst, SanaTensor src);
void *sana_cuda_pack_linear(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                            const SanaTensor *sources, int n_sources, size_t *bytes);
void *sana_cuda_pack_conv(SanaDevice *dev, const SanaConv *k, SanaDType dtype, SanaTensor source,
                          size_t *bytes);
size_t sana_cuda_packed_bytes(const SanaDevice *dev, const SanaConv *k, SanaDType dtype,
                              size_t *passing);
void sana_cuda_free_packed(SanaDevice *dev, void *packed);

/* --- shared by the C files -------------------------------------------------------------------- */

/* cuda.c: NULL without memory; p may be NULL. */
void *sana_cuda_alloc(SanaDevice *dev, size_t bytes);
void sana_cuda_free(SanaDevice *dev, void *p);

/* conv.c */
GHashTable *sana_cuda_choices_new(void);

/* linear.c; plans may be NULL. */

/* gemm_tiled.cu: success, or why the kernels of this build do not run on the current GPU; *made_for
 * is the compute capability whose instructions they were compiled to, 10·major + minor. */
cudaError_t sana_cuda_has_code(int *made_for);

/* weights.c: element i of an array of F32, BF16 or E4M3. */
void sana_cuda_set_host_value(void *data, SanaDType dtype, size_t i, float value);

static inline bool
sana_cuda_is_depthwise(const SanaConv *k)
{
    return k->groups > 1 && k->groups == k->in && k->groups == k->out;
}

/* An enlarging convolution is computed as one of 2×2 on the small map (weights.c). */
static inline bool
sana_cuda_is_folded(const SanaConv *k)
{
    return k->upsample == 2;
}

/* Terms of a row, when a BF16 convolution has too few channels for tensor cores to read where they
 * lie (gather.cu), else 0. */
static inline int
sana_cuda_gathered(const SanaConv *k, SanaDType dtype)
{
    bool few = k->groups == 1 && k->upsample == 1 && k->in % 8 != 0;
    return few && dtype == SANA_BF16 ? (k->kernel * k->kernel * k->in + 7) / 8 * 8 : 0;
}

/* conv.c: see backend.h. */
bool sana_cuda_conv_norm_add(SanaStream *s, SanaTensor x, SanaTensor y, const SanaConv *k,
                             const SanaNorm *norm);

/* --- operations ------------------------------------------------------------------------------ */

__typeof__(sana_linear) sana_cuda_linear;                           /* linear.c */
__typeof__(sana_conv) sana_cuda_conv;                               /* conv.c */
__typeof__(sana_glu_depthwise) sana_cuda_glu_depthwise;             /* depthwise.cu */
__typeof__(sana_linear_attention) sana_cuda_linear_attention;       /* linear_attention.cu */
__typeof__(sana_attention) sana_cuda_attention;                     /* attention.cu */
__typeof__(sana_rope) sana_cuda_rope;                               /* attention.cu */
__typeof__(sana_norm) sana_cuda_norm;                               /* norm.cu */
__typeof__(sana_norm_modulate) sana_cuda_norm_modulate;             /* norm.cu */
__typeof__(sana_add_gated) sana_cuda_add_gated;                     /* pointwise.cu */
__typeof__(sana_activate) sana_cuda_activate;                       /* pointwise.cu */
__typeof__(sana_add) sana_cuda_add;                                 /* pointwise.cu */
__typeof__(sana_mix) sana_cuda_mix;                                 /* pointwise.cu */
__typeof__(sana_geglu) sana_cuda_geglu;                             /* pointwise.cu */
__typeof__(sana_embed_tokens) sana_cuda_embed_tokens;               /* stream.c: a copy */
__typeof__(sana_timestep_embedding) sana_cuda_timestep_embedding;   /* pointwise.cu */
__typeof__(sana_pixel_unshuffle) sana_cuda_pixel_unshuffle;         /* shuffle.cu */
__typeof__(sana_pixel_shuffle) sana_cuda_pixel_shuffle;             /* shuffle.cu */
__typeof__(sana_add_unshuffled_mean) sana_cuda_add_unshuffled_mean; /* shuffle.cu */
__typeof__(sana_add_shuffled_repeat) sana_cuda_add_shuffled_repeat; /* shuffle.cu */
__typeof__(sana_image_load) sana_cuda_image_load;                   /* image.cu */
__typeof__(sana_image_store) sana_cuda_image_store;                 /* image.cu */
__typeof__(sana_video_load) sana_cuda_video_load;                   /* video.cu */
__typeof__(sana_video_store) sana_cuda_video_store;                 /* video.cu */

/* y = act(x) + residual (or SANA_NONE), rows of any type and stride; y may be x or residual: what a
 * product's epilogue does not do.  pointwise.cu */
void sana_cuda_finish(SanaStream *s, SanaTensor y, SanaTensor x, SanaAct act, SanaTensor residual);

/* y = act(k ∗ x + bias), k depthwise with stride 1 or 2.  depthwise.cu */
void sana_cuda_depthwise(SanaStream *s, SanaTensor y, SanaTensor x, const SanaConv *k, SanaAct act);

G_END_DECLS

#endif
