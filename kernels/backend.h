/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a device implements.  Private to kernels/.
 *
 * A backend is one folder and one line in device.c's table.  Its operations have the signatures of
 * ops.h and may trust every argument.  Structs of a backend begin with the base structs here.
 */
#ifndef SANA_KERNELS_BACKEND_H
#define SANA_KERNELS_BACKEND_H

#include "ops.h"

G_BEGIN_DECLS

typedef struct SanaBackend SanaBackend;

struct SanaDevice {
    const SanaBackend *backend;
    gint refs; /* atomic */
    char name[32];
};

struct SanaPool {
    SanaDevice *device;
    GPtrArray *blocks; /* from backend->alloc */
    GPtrArray *packed; /* from backend->pack_*, freed by backend->free_packed */
    size_t bytes, peak;
    SanaDevice *planned; /* of the planner: for which bytes are counted, or NULL */
    GError *error;
};

struct SanaStream {
    SanaDevice *device;
    gint cancelled;   /* atomic; set by any thread */
    bool failed;      /* the sticky error stands */
    GError *error;    /* it */
    char *scratch;    /* base of the stack, 64-byte aligned */
    size_t size, top; /* bytes reserved, in use */
    SanaTapFunc tap;  /* or NULL */
    void *tap_user;
    SanaPlan plan; /* planner only */
};

/* How many weights there are; a k of kernel 0 is a product. */
static inline size_t
sana_weight_count(const SanaConv *k)
{
    size_t side = (size_t)MAX(k->kernel, 1);
    return (size_t)k->out * (size_t)(k->in / k->groups) * side * side;
}

/*
 * Sums of the taps that meet the same input when a map is enlarged twice and convolved by 3×3: a
 * window (p, q) of 2×2 inputs gives the four outputs (2p − a, 2q − b), channel o of which is
 * channel (2a + b)·out + o of a 2×2 convolution of the map itself.  From tap t of 3×3 to (a, b)
 * and the tap of 2×2 that it falls on.
 */
static inline void
sana_fold_taps(float to[4], const float w[9], size_t a, size_t b)
{
    to[0] = to[1] = to[2] = to[3] = 0;
    for (size_t t = 0; t < 9; t++)
        to[(t / 3 + 1 - a) / 2 * 2 + (t % 3 + 1 - b) / 2] += w[t];
}

/* FNV-1a over n words, for keys of a GHashTable that are words without padding. */
static inline guint
sana_hash_words(gconstpointer key, size_t n)
{
    const guint32 *words = (const guint32 *)key;
    guint32 hash = 2166136261u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ words[i]) * 16777619u;
    return hash;
}

struct SanaBackend {
    const char *name;
    bool own_memory; /* that the host cannot touch */

    /* modules: whether the machine has any such device, be it usable or not */
    bool (*present)(void);
    /* device: open returns NULL with one sentence in *why (g_free).  which: "" or the text after
     * the colon of the name. */
    SanaDevice *(*open)(const char *which, char **why);
    void (*close)(SanaDevice *dev);
    bool (*supports)(const SanaDevice *dev, SanaDType dtype);
    SanaDType (*best_dtype)(const SanaDevice *dev);
    size_t (*free_memory)(const SanaDevice *dev);

    /* The calling thread is about to compute or to pack weights.  NULL: nothing is done. */
    void (*enter)(void);

    /* whether nothing works on it any more; NULL: never */
    bool (*is_lost)(const SanaDevice *dev);

    /* memory: 64-byte aligned, NULL when there is none, or when the device is lost */
    void *(*alloc)(SanaDevice *dev, size_t bytes);
    void (*free)(SanaDevice *dev, void *p);
    /* dst on the device ← src on the host, dense, converting dtypes; at load time only.  False
     * when the device has failed. */
    bool (*upload_convert)(SanaDevice *dev, SanaTensor dst, SanaTensor src);

    /* weights: *bytes is what the packed form takes; return NULL when there is no memory */
    void *(*pack_linear)(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                         const SanaTensor *sources, int n_sources, size_t *bytes);
    void *(*pack_conv)(SanaDevice *dev, const SanaConv *k, SanaDType dtype, SanaTensor source,
                       size_t *bytes);
    void (*free_packed)(SanaDevice *dev, void *packed);
    /* The same *bytes without packing, a product as a k of kernel 0 and groups 1; to *passing,
     * which is 0, what packing takes of the device's memory besides, at most.  Only k's shape
     * counts, and whether it has a bias.  NULL: as many values as there are, of dtype. */
    size_t (*packed_bytes)(const SanaDevice *dev, const SanaConv *k, SanaDType dtype,
                           size_t *passing);
    /* NULL: never.  Then for each source; all of them outlive the result. */
    bool (*computes_in_place)(const SanaDevice *dev, SanaDType dtype, SanaDType stored);
    void *(*linear_in_place)(SanaDevice *dev, const SanaLinear *l, SanaDType dtype,
                             const SanaTensor *sources, int n_sources);

    /* streams */
    SanaStream *(*stream_open)(SanaDevice *dev, char **why); /* zeroed base, NULL on failure */
    void (*stream_close)(SanaStream *s);
    /* rows of `bytes`, on the host `pitch` bytes apart, on the device one behind the other */
    void (*copy_in)(SanaStream *s, void *dst, const void *host, size_t pitch, size_t bytes,
                    size_t rows);
    void (*copy_out)(SanaStream *s, void *host, size_t pitch, const void *src, size_t bytes,
                     size_t rows);
    /* rows in memory of the device, `pitch` bytes apart at each end, in stream order without
     * waiting; NULL where that is the host's, and the two above do */
    void (*copy_rows)(SanaStream *s, void *dst, size_t dst_pitch, const void *src, size_t src_pitch,
                      size_t bytes, size_t rows);
    void (*finish)(SanaStream *s); /* waits, and records what failed meanwhile */
    /* NULL: forward is simply called */
    void (*replay)(SanaStream *s, SanaReplay **replay, SanaForward forward, void *user);
    void (*replay_free)(SanaStream *s, SanaReplay *replay);

    /* false where it has nothing better than the two operations; may be NULL */
    bool (*conv_norm_add)(SanaStream *s, SanaTensor x, SanaTensor y, const SanaConv *k,
                          const SanaNorm *norm);

    /* operations, all of them */
    __typeof__(sana_linear) *linear;
    __typeof__(sana_conv) *conv;
    __typeof__(sana_glu_depthwise) *glu_depthwise;
    __typeof__(sana_linear_attention) *linear_attention;
    __typeof__(sana_attention) *attention;
    __typeof__(sana_rope) *rope;
    __typeof__(sana_norm) *norm;
    __typeof__(sana_norm_modulate) *norm_modulate;
    __typeof__(sana_add_gated) *add_gated;
    __typeof__(sana_activate) *activate;
    __typeof__(sana_add) *add;
    __typeof__(sana_mix) *mix;
    __typeof__(sana_geglu) *geglu;
    __typeof__(sana_embed_tokens) *embed_tokens;
    __typeof__(sana_timestep_embedding) *timestep_embedding;
    __typeof__(sana_pixel_unshuffle) *pixel_unshuffle;
    __typeof__(sana_pixel_shuffle) *pixel_shuffle;
    __typeof__(sana_add_unshuffled_mean) *add_unshuffled_mean;
    __typeof__(sana_add_shuffled_repeat) *add_shuffled_repeat;
    __typeof__(sana_image_load) *image_load;
    __typeof__(sana_image_store) *image_store;
    __typeof__(sana_video_load) *video_load;
    __typeof__(sana_video_store) *video_store;
};

/* The functions of a device that is about to compute or to pack weights on this thread. */
static inline const SanaBackend *
sana_backend_entered(const SanaDevice *dev)
{
    if (dev->backend->enter)
        dev->backend->enter();
    return dev->backend;
}

extern const SanaBackend sana_reference_backend;
extern const SanaBackend sana_cpu_backend;
extern const SanaBackend sana_planner_backend;

/*
 * A backend may lie in a shared module, libsana-<name>.so, that is opened when its device is asked
 * for.  It defines SANA_MODULE_SYMBOL, a SanaModule, and links tensor.c but nothing else of this
 * folder's programs.
 */
#define SANA_MODULE_SYMBOL "sana_module"

typedef struct {
    const char *version; /* SANA_VERSION, of one build with the program's */
    size_t backend_bytes;
    const SanaBackend *backend;
} SanaModule;

/* Whether there is such a module, be it usable or not. */
bool sana_module_exists(const char *name);
/* The backend in a module that exists; NULL with *why (g_free). */
const SanaBackend *sana_module_backend(const char *name, char **why);
/* Whether the dynamic linker finds a library of this name. */
bool sana_library_loads(const char *file);

/* Host memory, shared by the devices that compute on the host. */
void *sana_host_alloc(SanaDevice *dev, size_t bytes);
void sana_host_free(SanaDevice *dev, void *p);
size_t sana_host_free_memory(const SanaDevice *dev);

/* Bytes that a control group (cgroup v2) and those above it, up to `root`, leave; SIZE_MAX where
 * they set no limit.  Both are directories, `directory` is `root` or lies below it. */
size_t sana_host_group_memory(const char *directory, const char *root);

/* Threads that they have processor time for (cpu.max) and that one thread may make for itself
 * without taking all that may be made (pids.max); INT_MAX where they set no limit. */
int sana_host_group_threads(const char *directory, const char *root);
int sana_host_threads(void); /* of this process's groups */

void sana_host_copy_in(SanaStream *s, void *dst, const void *host, size_t pitch, size_t bytes,
                       size_t rows);
void sana_host_copy_out(SanaStream *s, void *host, size_t pitch, const void *src, size_t bytes,
                        size_t rows);
SanaStream *sana_host_stream_open(SanaDevice *dev, char **why);
void sana_host_stream_close(SanaStream *s);

G_END_DECLS
#endif
