/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices, memory and streams of work.
 *
 *   SanaDevice  a place that computes.  Shared, immutable, any thread.
 *   SanaPool    device memory with one owner and one end: all weights of a network, all buffers of
 *               a session.  One thread at a time.
 *   SanaStream  one ordered line of work on a device: scratch stack, sticky error, taps.  One
 *               thread at a time, except sana_stream_cancel().
 *
 * Devices: "reference" (plain f32 loops, the specification), "cpu" (oneDNN and vector loops),
 * "planner" (computes nothing: checks shapes, sums bytes and FLOP, finds the scratch peak), and
 * "cuda" or "cuda:N" where built.  CUDA is a module of its own, libsana-cuda.so, which is looked
 * for in the folder that the environment's SANA_MODULE_PATH names, beside the program or plugin,
 * and where it is installed.
 */
#ifndef SANA_KERNELS_DEVICE_H
#define SANA_KERNELS_DEVICE_H

#include <glib.h>

#include "tensor.h"

G_BEGIN_DECLS

typedef struct SanaDevice SanaDevice;
typedef struct SanaPool SanaPool;
typedef struct SanaStream SanaStream;

#define SANA_DEVICE_ERROR (sana_device_error_quark())
GQuark sana_device_error_quark(void);

typedef enum {
    SANA_DEVICE_ERROR_MISSING,   /* no such device on this machine or in this build */
    SANA_DEVICE_ERROR_MEMORY,    /* more memory than the device has */
    SANA_DEVICE_ERROR_FAILED,    /* an operation failed, or was asked something impossible */
    SANA_DEVICE_ERROR_CANCELLED, /* sana_stream_cancel() */
} SanaDeviceError;

/* --- devices ---------------------------------------------------------------------------------- */

/*
 * Opens a device by name: "auto" (the first CUDA device, else cpu) or one of those above.  A name
 * that is not there is SANA_DEVICE_ERROR_MISSING, never another device.  Returns a reference;
 * release with sana_device_unref().
 */
SanaDevice *sana_device_open(const char *name, GError **error);
SanaDevice *sana_device_ref(SanaDevice *dev);
void sana_device_unref(SanaDevice *dev);

/* The resolved name, "cpu" for instance.  Owned by the device. */
const char *sana_device_name(const SanaDevice *dev);

/* Whether the device has memory of its own, so that pixels are best brought there as they are. */
bool sana_device_has_own_memory(const SanaDevice *dev);

/* False with SANA_DEVICE_ERROR_FAILED when the device is beyond repair: it has no memory either. */
bool sana_device_check(SanaDevice *dev, GError **error);

/* Whether sana_stream_replay() repeats: from a forward's third run on, not at the first two. */
bool sana_device_replays(const SanaDevice *dev);

/* Whether the device computes in this type (F32 always). */
bool sana_device_supports(const SanaDevice *dev, SanaDType dtype);

/* The type that is fastest here and good enough: BF16 where the hardware has it, else F32. */
SanaDType sana_device_best_dtype(const SanaDevice *dev);

/* Whether products in `dtype` can use weights stored as `stored` where they lie in host memory. */
bool sana_device_computes_in_place(const SanaDevice *dev, SanaDType dtype, SanaDType stored);

/* Bytes that could be allocated now, an estimate; SIZE_MAX if unknown. */
size_t sana_device_free_memory(const SanaDevice *dev);

/* --- memory with an owner --------------------------------------------------------------------- */

SanaPool *sana_pool_new(SanaDevice *dev); /* holds a reference to dev */
void sana_pool_free(SanaPool *pool);      /* NULL is fine */
SanaDevice *sana_pool_device(SanaPool *pool);

/* A pool of the planner that counts what the same calls would take on dev, of which it holds a
 * reference.  One made with the planner itself counts as many values as are asked for. */
SanaPool *sana_pool_new_plan(SanaDevice *dev);

/* Bytes handed out so far (on the planner: that would have been). */
size_t sana_pool_bytes(const SanaPool *pool);

/* The most bytes at one time so far, on the planner: with what packing weights takes besides them
 * while it lasts, an upper bound.  Not what streams take. */
size_t sana_pool_peak(const SanaPool *pool);

/*
 * A dense tensor of uninitialised device memory, aligned to 64 bytes, freed with the pool.
 * NULL data and SANA_DEVICE_ERROR_MEMORY in sana_pool_error() when there is none left.
 */
SanaTensor sana_pool_tensor(SanaPool *pool, SanaDType dtype, int h, int w, int c);

/* The first failure in this pool, or NULL.  Owned by the pool. */
const GError *sana_pool_error(const SanaPool *pool);

/*
 * Weights in the device's own layout.  Filled by the pool functions below, immutable afterwards,
 * shared by any number of streams and threads.  `packed` belongs to the device and the pool.
 *
 * SanaLinear  y = x·Wᵀ + b, W (out, in)
 * SanaConv    square kernel, zero padding of kernel/2 on each side:
 *             stride    1 or 2 (output ⌈h/stride⌉ for the even maps that occur)
 *             upsample  1, or 2: the input is first enlarged by nearest neighbour
 *             groups    1 dense; = in = out depthwise; else grouped, in/groups → out/groups
 *             weights in checkpoint order (out, in/groups, kernel, kernel)
 */
typedef struct {
    int in, out;
    SanaTensor bias; /* (1, 1, out) F32, or SANA_NONE */
    void *packed;
} SanaLinear;

typedef struct {
    int in, out, kernel, stride, upsample, groups;
    SanaTensor bias; /* (1, 1, out) F32, or SANA_NONE */
    void *packed;
} SanaConv;

/*
 * A normalisation over channels, by sana_norm().
 *
 * SANA_NORM_RMS     x / √(mean(x²) + eps) · weight + bias
 * SANA_NORM_AFFINE  x · weight + bias (an inference batch norm, folded when it is bound)
 */
typedef enum { SANA_NORM_RMS, SANA_NORM_AFFINE } SanaNormKind;

typedef struct {
    SanaNormKind kind;
    SanaTensor weight; /* (1, 1, c) F32 */
    SanaTensor bias;   /* (1, 1, c) F32, or SANA_NONE */
    float eps;
    int groups; /* each of c/groups neighbouring channels has a mean of its own; 0 is 1 */
} SanaNorm;

static inline int
sana_norm_groups(const SanaNorm *norm)
{
    return norm->groups ? norm->groups : 1;
}

/*
 * Packs weights for computing in `dtype`, which the device supports; S8 and E4M3 are for rows of
 * its best type and mean products in 8 bits where they pay (dense, of many channels), else that
 * type.
 *
 * Sources are host tensors of F32, BF16 or F16, dense, of out × in (linear: (1, out, in), any
 * number stacked along out: q, k, v become one product; convolution: (1, out, in/groups·kernel²)
 * in checkpoint order); shape fields of *l and *k, and bias, are set by the caller before.  Returns
 * false with the reason in sana_pool_error().  Where `data` is NULL in a source (planner), only
 * bytes are counted.
 */
bool sana_pool_linear(SanaPool *pool, SanaLinear *l, SanaDType dtype, const SanaTensor *sources,
                      int n_sources);
bool sana_pool_conv(SanaPool *pool, SanaConv *k, SanaDType dtype, SanaTensor source);

/*
 * As sana_pool_linear(), for sources that outlive the pool, unchanged: where
 * sana_device_computes_in_place() for all of them they stay where they are (a mapped file, for
 * instance) and take no memory.  Meant for products of few rows, that are rarely computed.
 */
bool sana_pool_linear_in_place(SanaPool *pool, SanaLinear *l, SanaDType dtype,
                               const SanaTensor *sources, int n_sources);

/* Copies a host tensor (F32, BF16 or F16) into the pool as `dtype`. */
SanaTensor sana_pool_upload(SanaPool *pool, SanaTensor host, SanaDType dtype);

/* --- streams ---------------------------------------------------------------------------------- */

SanaStream *sana_stream_new(SanaDevice *dev, GError **error);
void sana_stream_free(SanaStream *s); /* NULL is fine; not while another thread uses s */
SanaDevice *sana_stream_device(SanaStream *s);

/*
 * The scratch stack: tensors that live until sana_pop() to a mark taken before.  Same calls in the
 * same order give the same addresses.  sana_stream_reserve() makes it at least so large: what is
 * smaller is first given back.  It never grows by itself: exceeding it is an error (the planner has
 * no limit and remembers the peak).
 */
bool sana_stream_reserve(SanaStream *s, size_t bytes, GError **error);
size_t sana_stream_reserved(const SanaStream *s);
SanaTensor sana_scratch(SanaStream *s, SanaDType dtype, int h, int w, int c);
size_t sana_mark(SanaStream *s);
void sana_pop(SanaStream *s, size_t mark);

/* Dense host memory ↔ device tensor, same dtype, in stream order; returns when the host memory
 * may be touched again. */
void sana_upload(SanaStream *s, SanaTensor dst, const void *host);
void sana_download(SanaStream *s, void *host, SanaTensor src);

/* The same of host memory whose rows, one for each of the tensor's h, are `pitch` bytes apart; what
 * lies between them is neither read nor written. */
void sana_upload_rows(SanaStream *s, SanaTensor dst, const void *host, size_t pitch);
void sana_download_rows(SanaStream *s, void *host, size_t pitch, SanaTensor src);

/* The same of memory that the device can address and somebody else owns: for cuda, of a GPU, in
 * whichever context of the process it was allocated.  Returns before it is done: the memory may be
 * touched again after sana_stream_finish(). */
void sana_read_rows(SanaStream *s, SanaTensor dst, const void *memory, size_t pitch);
void sana_write_rows(SanaStream *s, void *memory, size_t pitch, SanaTensor src);

/*
 * Errors are sticky: the first failing operation records one sentence, later ones do nothing.
 * sana_stream_finish() waits for the work, hands out the error and clears it (and the
 * cancellation).
 */
void sana_fail(SanaStream *s, SanaDeviceError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
bool sana_stream_ok(const SanaStream *s);
bool sana_stream_finish(SanaStream *s, GError **error);

/* Waits for the work given so far; an error stays for sana_stream_finish(). */
void sana_stream_wait(SanaStream *s);

/* From any thread: the next operation, and all after it until sana_stream_finish(), do nothing,
 * and that finish reports SANA_DEVICE_ERROR_CANCELLED. */
void sana_stream_cancel(SanaStream *s);

/*
 * Runs forward(s, user), or repeats what it did the last time *replay was used.  The caller
 * promises that the same operations on the same addresses are wanted: what differs between
 * frames lies in device memory.  On a CPU this is a plain call; a CUDA device captures a graph.
 * *replay starts as NULL; sana_replay_free() ends it.
 */
typedef struct SanaReplay SanaReplay;
typedef void (*SanaForward)(SanaStream *s, void *user);
void sana_stream_replay(SanaStream *s, SanaReplay **replay, SanaForward forward, void *user);
void sana_replay_free(SanaStream *s, SanaReplay **replay);

/*
 * Taps let a test read any inner tensor by the checkpoint's module name.  Free unless one listens.
 * The function is called in stream order while x is valid; read it with sana_download().
 */
typedef void (*SanaTapFunc)(SanaStream *s, const char *name, SanaTensor x, void *user);
void sana_stream_set_tap(SanaStream *s, SanaTapFunc func, void *user);
void sana_tap(SanaStream *s, SanaTensor x, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* What a planner stream has counted since the last reset; zeros on other devices.
 * flop: a multiply-add is 2, of products, convolutions and attention.  bytes: of maps, weights. */
typedef struct {
    double flop;
    double bytes;
    size_t scratch_peak;
} SanaPlan;
SanaPlan sana_stream_plan(const SanaStream *s);
void sana_stream_plan_reset(SanaStream *s);

G_END_DECLS
#endif
