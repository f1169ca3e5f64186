/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From checkpoint names to the fields of a network, one call per weight.
 *
 * Each call names the field, the checkpoint's name (verbatim, below the names entered) and the
 * shape; the stored tensor is checked and packed once for the device.  Errors are collected:
 * sana_binder_finish() names *all* missing, mis-shaped and non-finite tensors at once (an error)
 * and warns of those nothing asked for.  On the planner device nothing is packed and no weight is
 * read, which checks a file and sums its memory in no time.
 *
 * A binder is used by one thread and lives for one load.  The pool and files outlive it.
 */
#ifndef SANA_ENGINE_BIND_H
#define SANA_ENGINE_BIND_H

#include "engine/safetensors.h"
#include "kernels/ops.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct SanaBinder SanaBinder;

/* fraction 0 … 1 of the stored bytes bound so far; called from the loading thread. */
typedef void (*SanaBindProgress)(double fraction, void *user);

/* pool: where weights go.  dtype: what products compute in; vectors of norms and biases are F32. */
SanaBinder *sana_binder_new(SanaPool *pool, SanaDType dtype, SanaSafetensors *files);

/*
 * The type that products and dense convolutions in the middle of a network compute in, SANA_S8 for
 * instance; dtype unless it is said.  A network says where its middle is: what many others follow
 * and average, away from pixels, latents, prompts and times.
 */
void sana_binder_set_inner(SanaBinder *b, SanaDType inner);
void sana_bind_inner(SanaBinder *b, bool begins);

/*
 * A binder without files: every tensor asked for is told to func instead, with the shape the
 * network expects (products as (out, in)).  For tools that make models.  pool: a planner's.
 */
typedef void (*SanaBindList)(const char *name, const int64_t *dims, int n_dims, void *user);
SanaBinder *sana_binder_new_listing(SanaPool *pool, SanaBindList func, void *user);

/* Optional: cancellable (not owned, may be NULL) is looked at between two tensors. */
void sana_binder_watch(SanaBinder *b, GCancellable *cancellable, SanaBindProgress func, void *user);

/*
 * Products bound from here on are computed from the mapped files where `dev`, for which the pool's
 * or a planner's bytes count, does so: the files then have to outlive the pool.
 */
void sana_binder_leave_in_place(SanaBinder *b, const SanaDevice *dev);

/* Prefixes: enter("blocks.%d", 3) then bind "attn.to_q" reads "blocks.3.attn.to_q". */
void sana_bind_enter(SanaBinder *b, const char *format, ...) G_GNUC_PRINTF(2, 3);
void sana_bind_leave(SanaBinder *b);

/* A name that may be absent in some files, below the current prefix. */
bool sana_bind_has(const SanaBinder *b, const char *name);

/* <name>.weight (out, in) or (out, in, 1, 1), and <name>.bias (out) if bias. */
void sana_bind_linear(SanaBinder *b, SanaLinear *l, const char *name, int out, int in, bool bias);

/* Products that share their input, stacked along out: names is NULL-terminated, names[i] is
 * (outs[i], in).  The outs are at most 2^21 each. */
void sana_bind_stack(SanaBinder *b, SanaLinear *l, const char *const *names, const int *outs,
                     int in, bool bias);

/* <name>.weight (out, in/groups, kernel, kernel), and <name>.bias if bias.  The shape fields of
 * *k (in, out, kernel, stride, upsample, groups; 0 is 1 for the last three) are set before. */
void sana_bind_conv(SanaBinder *b, SanaConv *k, const char *name, bool bias);

/* <name>.weight (c) plus `offset` (Gemma stores w − 1), and <name>.bias (c) if bias. */
void sana_bind_rms_norm(SanaBinder *b, SanaNorm *norm, const char *name, int c, float eps,
                        float offset, bool bias);

/* Two norms of c neighbouring channels each as one of 2·c in two groups: <first>.weight (c) and
 * <second>.weight (c). */
void sana_bind_rms_norm_pair(SanaBinder *b, SanaNorm *norm, const char *first, const char *second,
                             int c, float eps);

/* <name>.weight, .bias, .running_mean, .running_var (c) folded into SANA_NORM_AFFINE. */
void sana_bind_batch_norm(SanaBinder *b, SanaNorm *norm, const char *name, int c, float eps);

/* <name> (rows, c), or (c) when rows is 1, as F32 (1, rows, c). */
void sana_bind_table(SanaBinder *b, SanaTensor *x, const char *name, int rows, int c);

/* <name> (rows, c) left where it is, in the mapped file: *x is a HOST tensor (1, rows, c) of the
 * stored dtype.  rows ≤ 0: as many as are stored. */
void sana_bind_mapped(SanaBinder *b, SanaTensor *x, const char *name, int rows, int c);

/*
 * Ends the load and frees the binder.  `what` names the component ("transformer").  False with
 * SANA_FILE_ERROR_WEIGHTS listing every problem, the pool's error, or G_IO_ERROR_CANCELLED.
 * Unused tensors that match none of `ignore` (NULL-terminated glob patterns, may be NULL) are
 * logged as one g_warning-level message through g_log domain "sana" (on the planner, which a real
 * load follows, only if there were problems).  Errors and warnings list 20 names each and count the
 * rest; all problems are then in the log at level info.
 */
bool sana_binder_finish(SanaBinder *b, const char *what, const char *const *ignore, GError **error);

G_END_DECLS
#endif
