/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading the weights of one component: a .safetensors file, or the shards an index names.
 *
 * Files are mapped, not read, and hostile until checked: opening verifies every header length,
 * offset, shape and dtype before anything points into the map.  Any thread; immutable once open.
 *
 * That holds while nobody writes to the files.  One that is put in the place of another does no
 * harm: the old one stays mapped.  One that is written to changes what is computed, and reading
 * what was cut off ends the process (SIGBUS): before tensors are read again after a while, ask
 * sana_safetensors_unchanged().
 */
#ifndef SANA_ENGINE_SAFETENSORS_H
#define SANA_ENGINE_SAFETENSORS_H

#include "kernels/tensor.h"

#include <glib.h>

G_BEGIN_DECLS

#define SANA_FILE_ERROR (sana_file_error_quark())
GQuark sana_file_error_quark(void);

typedef enum {
    SANA_FILE_ERROR_MISSING,     /* no such file or directory */
    SANA_FILE_ERROR_MALFORMED,   /* not what it says it is, or absurd */
    SANA_FILE_ERROR_UNSUPPORTED, /* well formed, but nothing here runs it */
    SANA_FILE_ERROR_WEIGHTS,     /* tensors missing, mis-shaped or not finite */
} SanaFileError;

typedef struct SanaSafetensors SanaSafetensors;

#define SANA_SAFETENSORS_MAX_DIMS 8

/* One stored tensor; name and data belong to the SanaSafetensors. */
typedef struct {
    const char *name;
    const char *file;  /* path of the file it lies in, for error messages */
    const char *dtype; /* as written: "F32", "BF16", "F16", "I64", …; or "an unknown type" */
    int n_dims;        /* 0: a scalar */
    int64_t dims[SANA_SAFETENSORS_MAX_DIMS]; /* each 0 … INT32_MAX, row-major */
    const void *data;
    size_t bytes;
} SanaStoredTensor;

/*
 * Opens <directory>/<stem>*.safetensors as diffusers and transformers name them: with a variant
 * infix ("", "bf16", "fp16"; `<stem>.<variant>.safetensors`, shards
 * `<stem>.<variant>-00001-of-00002.safetensors` or `<stem>-00001-of-00002.<variant>.safetensors`
 * through `<stem>.safetensors.index[.<variant>].json` / `<stem>.<variant>.safetensors.index.json`)
 * or without.  stem is "diffusion_pytorch_model" or "model".  Without a variant wins; else bf16,
 * else fp16; of one variant an index wins over a single file as in diffusers, but not of "model",
 * as in transformers.  A shard name is a plain file name in that directory.
 */
SanaSafetensors *sana_safetensors_open(const char *directory, const char *stem, GError **error);
void sana_safetensors_free(SanaSafetensors *st); /* NULL is fine */

size_t sana_safetensors_count(const SanaSafetensors *st);
const SanaStoredTensor *sana_safetensors_at(const SanaSafetensors *st, size_t i);
/* NULL if there is none of that name. */
const SanaStoredTensor *sana_safetensors_find(const SanaSafetensors *st, const char *name);

/* Tells the system that these bytes are not needed now: they leave resident memory and come back
 * from the file when touched.  t NULL: everything.  Bytes may lie on pages shared with neighbours,
 * which stay. */
void sana_safetensors_release(const SanaSafetensors *st, const SanaStoredTensor *t);

/* False with SANA_FILE_ERROR_MALFORMED when a file's size or time of change is no more what it was
 * when it was opened.  Microseconds.  What happens after the call it cannot tell. */
bool sana_safetensors_unchanged(const SanaSafetensors *st, GError **error);

G_END_DECLS
#endif
