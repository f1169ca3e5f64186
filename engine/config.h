/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading config.json files: checked values with defaults, and errors that name file and key.
 *
 * Errors are sticky, so that a network's configuration reads as a list.  Absent keys and null give
 * the default.  Hostile until checked: size, nesting and number ranges are limited.
 */
#ifndef SANA_ENGINE_CONFIG_H
#define SANA_ENGINE_CONFIG_H

#include "engine/safetensors.h" /* SANA_FILE_ERROR */

#include <stdbool.h>

G_BEGIN_DECLS

typedef struct SanaJson SanaJson;

/* Longest list a configuration may hold. */
#define SANA_JSON_MAX_LIST 16

/* Opens directory/name (at most 16 MiB, at most 64 levels; bare Infinity, -Infinity and NaN
 * are tolerated where nothing asks for them).  The top must be an object. */
SanaJson *sana_json_open(const char *directory, const char *name, GError **error);
void sana_json_free(SanaJson *j); /* NULL is fine */

/* Whether the key is there and not null; whether it is there and null. */
bool sana_json_has(SanaJson *j, const char *key);
bool sana_json_is_null(SanaJson *j, const char *key);

/* key may be a path "a.b".  Values outside [min, max] are errors naming both. */
int sana_json_int(SanaJson *j, const char *key, int fallback, int min, int max);
double sana_json_double(SanaJson *j, const char *key, double fallback, double min, double max);
bool sana_json_bool(SanaJson *j, const char *key, bool fallback);
/* Owned by j; fallback may be NULL. */
const char *sana_json_string(SanaJson *j, const char *key, const char *fallback);

/* Lists; return the count (fallback_count where the key is absent) or 0 after an error.
 * At most SANA_JSON_MAX_LIST entries. */
int sana_json_ints(SanaJson *j, const char *key, int *values, const int *fallback,
                   int fallback_count, int min, int max);
/* One string for all `count` entries, or the first `count` of a list; a null entry gives NULL. */
void sana_json_strings(SanaJson *j, const char *key, const char **values, int count,
                       const char *fallback);
/* The first `count` of a list of lists of ints ("[[], [5]]") into values[i][…], counts[i]; absent:
 * all empty. */
void sana_json_int_lists(SanaJson *j, const char *key, int values[][SANA_JSON_MAX_LIST],
                         int *counts, int count, int min, int max);
/* Entry i of list `key`, a string such as model_index.json's ["diffusers", "SCMScheduler"];
 * NULL where absent or not a string. */
const char *sana_json_list_string(SanaJson *j, const char *key, int i);

/* Records a problem the caller found; the file's name is put in front.  The sentence may show the
 * file's strings: it becomes one line of at most 401 characters. */
void sana_json_fail(SanaJson *j, SanaFileError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
bool sana_json_ok(const SanaJson *j);
/* Frees j; false and the first error if there was one. */
bool sana_json_finish(SanaJson *j, GError **error);

G_END_DECLS
#endif
