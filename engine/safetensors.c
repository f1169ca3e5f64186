/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/safetensors.h"

#include "engine/untrusted.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_HEADER 100000000u /* what the format's own library allows */
#define MAX_INDEX (64u << 20)
#define MAX_TENSORS 4096 /* in all files: few enough that names made to collide are no harm */
#define MAX_SHARDS 100   /* few enough to be open all the time */
#define MAX_NAME 512

#define AGAIN "download it again"

GQuark
sana_file_error_quark(void)
{
    return g_quark_from_static_string("sana-file-error");
}

typedef struct {
    char *path;
    int fd; /* open for sana_safetensors_unchanged(); −1: not at all */
    struct timespec modified;
    uint8_t *map;
    size_t size;
} File;

struct SanaSafetensors {
    GPtrArray *files;   /* File */
    GPtrArray *tensors; /* SanaStoredTensor, with dtype and name their own */
    GHashTable *names;  /* name → SanaStoredTensor, borrowed */
};

static void
file_free(gpointer data)
{
    File *f = data;
    if (f->map)
        munmap(f->map, f->size);
    if (f->fd >= 0)
        close(f->fd);
    g_free(f->path);
    g_free(f);
}

static void
tensor_free(gpointer data)
{
    SanaStoredTensor *t = data;
    g_free((char *)t->name);
    g_free(t);
}

static G_GNUC_PRINTF(2, 3) bool malformed(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    GError *e = g_error_new_valist(SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED, format, args);
    va_end(args);
    g_propagate_error(error, e);
    return false;
}

/* --- one file's header ------------------------------------------------------------------------ */

/* Types of the format and their bits.  Those nothing here computes in may lie in a file unused. */
static const struct {
    const char *name;
    int bits;
} dtypes[] = {
    {"F32", 32},    {"BF16", 16},       {"F16", 16},        {"F64", 64},    {"I64", 64},
    {"I32", 32},    {"I16", 16},        {"I8", 8},          {"U64", 64},    {"U32", 32},
    {"U16", 16},    {"U8", 8},          {"BOOL", 8},        {"F8_E4M3", 8}, {"F8_E5M2", 8},
    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"C64", 64},    {"F4", 4},
    {"F6_E2M3", 6}, {"F6_E3M2", 6},
};

/* A header being read.  Its text is JSON for certain, so only meaning is left to check. */
typedef struct {
    SanaSafetensors *st;
    const File *file;
    SanaJsonScan scan;
    size_t data_start;
} Header;

static bool
read_ints(Header *h, int64_t *values, int limit, int *count)
{
    if (sana_json_scan_next(&h->scan) != SANA_JSON_ARRAY)
        return false;
    SanaJsonToken token = sana_json_scan_next(&h->scan);
    for (*count = 0; token != SANA_JSON_ARRAY_END; token = sana_json_scan_next(&h->scan)) {
        if (token == SANA_JSON_COMMA)
            continue;
        if (token != SANA_JSON_NUMBER || *count == limit ||
            !sana_json_scan_int(&h->scan, &values[*count]))
            return false;
        ++*count;
    }
    return true;
}

/* The table's own string for a known type; NULL for an unknown one. */
static const char *
read_dtype(Header *h, int *bits)
{
    if (sana_json_scan_next(&h->scan) != SANA_JSON_STRING)
        return NULL;
    size_t n = h->scan.at - h->scan.start - 2;
    const char *text = h->scan.text + h->scan.start + 1;
    for (size_t i = 0; i < G_N_ELEMENTS(dtypes); i++)
        if (strlen(dtypes[i].name) == n && memcmp(dtypes[i].name, text, n) == 0) {
            *bits = dtypes[i].bits;
            return dtypes[i].name;
        }
    /* A type of the future: its size cannot be checked, and nothing can bind it. */
    *bits = 0;
    return "an unknown type";
}

static bool
size_matches(const SanaStoredTensor *t, int bits)
{
    uint64_t count = 1;
    for (int i = 0; i < t->n_dims; i++)
        if (__builtin_mul_overflow(count, (uint64_t)t->dims[i], &count))
            return false;
    if (bits == 0)
        return true;
    return !__builtin_mul_overflow(count, (uint64_t)bits, &count) && count % 8 == 0 &&
           count / 8 == t->bytes;
}

static bool
read_offsets(Header *h, SanaStoredTensor *t, GError **error)
{
    int64_t range[2];
    int n;
    size_t available = h->file->size - h->data_start;
    if (!read_ints(h, range, 2, &n) || n != 2 || range[0] > range[1])
        return malformed(error, "%s: data_offsets of tensor %s are not two rising numbers; " AGAIN,
                         h->file->path, t->name);
    if ((uint64_t)range[1] > available)
        return malformed(error,
                         "%s is truncated: tensor %s ends at byte %" G_GINT64_FORMAT
                         " of the %" G_GSIZE_FORMAT " there are; " AGAIN,
                         h->file->path, t->name, range[1], available);
    t->data = h->file->map + h->data_start + range[0];
    t->bytes = (size_t)(range[1] - range[0]);
    return true;
}

static bool
read_shape(Header *h, SanaStoredTensor *t, GError **error)
{
    bool ok = read_ints(h, t->dims, SANA_SAFETENSORS_MAX_DIMS, &t->n_dims);
    for (int i = 0; ok && i < t->n_dims; i++)
        ok = t->dims[i] <= INT32_MAX;
    if (!ok)
        return malformed(error,
                         "%s: the shape of tensor %s is not a list of at most %d sizes; " AGAIN,
                         h->file->path, t->name, SANA_SAFETENSORS_MAX_DIMS);
    return true;
}

static bool
read_members(Header *h, SanaStoredTensor *t, GError **error)
{
    bool dtype = false, shape = false, offsets = false;
    int bits = 0;
    SanaJsonToken token = sana_json_scan_next(&h->scan);
    for (; token != SANA_JSON_OBJECT_END; token = sana_json_scan_next(&h->scan)) {
        if (token == SANA_JSON_COMMA)
            continue;
        g_autofree char *key = sana_json_scan_string(&h->scan);
        sana_json_scan_next(&h->scan); /* the colon */
        if (g_strcmp0(key, "dtype") == 0 && !dtype) {
            t->dtype = read_dtype(h, &bits);
            if (!t->dtype)
                return malformed(error, "%s: the dtype of tensor %s is not a string; " AGAIN,
                                 h->file->path, t->name);
            dtype = true;
        } else if (g_strcmp0(key, "shape") == 0 && !shape) {
            if (!read_shape(h, t, error))
                return false;
            shape = true;
        } else if (g_strcmp0(key, "data_offsets") == 0 && !offsets) {
            if (!read_offsets(h, t, error))
                return false;
            offsets = true;
        } else {
            return malformed(error,
                             "%s: tensor %s is described by a strange or repeated key; " AGAIN,
                             h->file->path, t->name);
        }
    }
    if (!dtype || !shape || !offsets)
        return malformed(error, "%s: tensor %s lacks its dtype, shape or data_offsets; " AGAIN,
                         h->file->path, t->name);
    if (!size_matches(t, bits))
        return malformed(error,
                         "%s: tensor %s holds %" G_GSIZE_FORMAT
                         " bytes, which its shape and dtype contradict; " AGAIN,
                         h->file->path, t->name, t->bytes);
    return true;
}

/* Names go into messages: one line, of bearable length. */
static bool
good_name(const char *name)
{
    if (!name || !*name || strlen(name) > MAX_NAME)
        return false;
    for (const char *p = name; *p; p++)
        if (g_ascii_iscntrl(*p))
            return false;
    return true;
}

static bool
read_tensor(Header *h, char *name, GError **error)
{
    SanaSafetensors *st = h->st;
    if (!good_name(name)) {
        g_free(name);
        return malformed(error,
                         "%s holds a tensor whose name is empty, too long or not text; " AGAIN,
                         h->file->path);
    }
    SanaStoredTensor *t = g_new0(SanaStoredTensor, 1);
    t->name = name;
    t->file = h->file->path;
    g_ptr_array_add(st->tensors, t);
    if (st->tensors->len > MAX_TENSORS)
        return malformed(error, "%s: the weights hold more than %d tensors; " AGAIN, h->file->path,
                         MAX_TENSORS);
    const SanaStoredTensor *twin = g_hash_table_lookup(st->names, name);
    if (twin)
        return malformed(error, "%s: tensor %s is already in %s; remove the file that is not meant",
                         h->file->path, name, twin->file);
    g_hash_table_insert(st->names, name, t);
    if (sana_json_scan_next(&h->scan) != SANA_JSON_OBJECT)
        return malformed(error, "%s: tensor %s is not described by an object; " AGAIN,
                         h->file->path, name);
    return read_members(h, t, error);
}

static gint
by_address(gconstpointer a, gconstpointer b)
{
    const SanaStoredTensor *x = *(SanaStoredTensor *const *)a, *y = *(SanaStoredTensor *const *)b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* Tensors first … last of st lie in one file. */
static bool
check_overlap(const SanaSafetensors *st, guint first, GError **error)
{
    guint n = st->tensors->len - first;
    if (n < 2)
        return true;
    SanaStoredTensor **sorted = g_memdup2(st->tensors->pdata + first, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_address);
    bool ok = true;
    for (guint i = 1; ok && i < n; i++) {
        const uint8_t *end = (const uint8_t *)sorted[i - 1]->data + sorted[i - 1]->bytes;
        ok = end <= (const uint8_t *)sorted[i]->data;
        if (!ok)
            malformed(error, "%s: tensors %s and %s overlap; " AGAIN, sorted[i]->file,
                      sorted[i - 1]->name, sorted[i]->name);
    }
    g_free(sorted);
    return ok;
}

static bool
read_header(SanaSafetensors *st, const File *file, size_t length, GError **error)
{
    const char *text = (const char *)file->map + 8, *reason;
    /* Seven values describe a tensor at least; a scalar's shape is empty. */
    size_t max_values = (size_t)MAX_TENSORS * 32;
    if (!sana_json_scan_check(text, length, 8, max_values, false, &reason))
        return malformed(error, "%s: its header %s; " AGAIN, file->path, reason);

    Header h = {
        .st = st, .file = file, .scan = {.text = text, .length = length}, .data_start = 8 + length};
    guint first = st->tensors->len;
    if (sana_json_scan_next(&h.scan) != SANA_JSON_OBJECT)
        return malformed(error, "%s: its header is not a JSON object; " AGAIN, file->path);
    SanaJsonToken token = sana_json_scan_next(&h.scan);
    for (; token != SANA_JSON_OBJECT_END; token = sana_json_scan_next(&h.scan)) {
        if (token == SANA_JSON_COMMA)
            continue;
        char *name = sana_json_scan_string(&h.scan);
        sana_json_scan_next(&h.scan); /* the colon */
        if (g_strcmp0(name, "__metadata__") == 0) {
            g_free(name);
            sana_json_scan_skip(&h.scan, sana_json_scan_next(&h.scan));
        } else if (!read_tensor(&h, name, error)) {
            return false;
        }
    }
    return check_overlap(st, first, error);
}

/* --- files ------------------------------------------------------------------------------------ */

static bool
map_file(File *file, GError **error)
{
    uint64_t size;
    struct stat st;
    file->fd = sana_untrusted_open(file->path, &size, error);
    if (file->fd < 0)
        return false;
    if (size < 8)
        return malformed(error, "%s is truncated: it holds %d bytes; " AGAIN, file->path,
                         (int)size);
    void *map = MAP_FAILED;
    if (size <= SIZE_MAX / 2 && fstat(file->fd, &st) == 0)
        map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file->fd, 0);
    if (map == MAP_FAILED)
        return malformed(error, "%s cannot be mapped: %s", file->path, g_strerror(errno));
    file->modified = st.st_mtim;
    file->map = map;
    file->size = size;
    return true;
}

static bool
add_file(SanaSafetensors *st, const char *path, GError **error)
{
    File *file = g_new0(File, 1);
    file->path = g_strdup(path);
    file->fd = -1;
    g_ptr_array_add(st->files, file);
    if (!map_file(file, error))
        return false;

    uint64_t length;
    memcpy(&length, file->map, 8);
    length = GUINT64_FROM_LE(length);
    if (length > MAX_HEADER)
        return malformed(error,
                         "%s is not a safetensors file: its header would have %" G_GUINT64_FORMAT
                         " bytes; " AGAIN,
                         path, length);
    if (length > file->size - 8)
        return malformed(error,
                         "%s is truncated: its header has %" G_GUINT64_FORMAT
                         " bytes, the file %" G_GSIZE_FORMAT "; " AGAIN,
                         path, length, file->size);
    return read_header(st, file, length, error);
}

/* --- shards ----------------------------------------------------------------------------------- */

typedef struct {
    SanaSafetensors *st;
    const char *path; /* of the index */
    char *directory;
    GHashTable *shards; /* file name → its path in st->files, borrowed */
    GHashTable *places; /* tensor → file name */
} Index;

static bool
index_entry(Index *ix, SanaJsonScan *scan, GError **error)
{
    g_autofree char *tensor = sana_json_scan_string(scan);
    sana_json_scan_next(scan); /* the colon */
    bool is_string = sana_json_scan_next(scan) == SANA_JSON_STRING;
    g_autofree char *shard = is_string ? sana_json_scan_string(scan) : NULL;
    if (!good_name(tensor))
        return malformed(error, "%s names a tensor that is empty, too long or not text; " AGAIN,
                         ix->path);
    if (!good_name(shard) || strlen(shard) > 255 || strchr(shard, '/') || strchr(shard, '\\') ||
        !g_str_has_suffix(shard, ".safetensors"))
        return malformed(error,
                         "%s: the shard of tensor %s is not a plain .safetensors file name; " AGAIN,
                         ix->path, tensor);
    if (g_hash_table_contains(ix->places, tensor))
        return malformed(error, "%s lists tensor %s twice; " AGAIN, ix->path, tensor);
    if (g_hash_table_size(ix->places) >= MAX_TENSORS)
        return malformed(error, "%s lists more than %d tensors; " AGAIN, ix->path, MAX_TENSORS);
    if (!g_hash_table_contains(ix->shards, shard)) {
        if (g_hash_table_size(ix->shards) >= MAX_SHARDS)
            return malformed(error, "%s lists more than %d shards; " AGAIN, ix->path, MAX_SHARDS);
        g_autofree char *path = g_build_filename(ix->directory, shard, NULL);
        if (!add_file(ix->st, path, error)) {
            g_prefix_error(error, "%s: ", ix->path);
            return false;
        }
        File *file = g_ptr_array_index(ix->st->files, ix->st->files->len - 1);
        g_hash_table_insert(ix->shards, g_strdup(shard), file->path);
    }
    const char *name = NULL;
    g_hash_table_lookup_extended(ix->shards, shard, (gpointer *)&name, NULL);
    g_hash_table_insert(ix->places, g_steal_pointer(&tensor), (gpointer)name);
    return true;
}

static bool
index_check(const Index *ix, GError **error)
{
    GHashTableIter iter;
    gpointer tensor, shard;
    g_hash_table_iter_init(&iter, ix->places);
    while (g_hash_table_iter_next(&iter, &tensor, &shard)) {
        const SanaStoredTensor *t = g_hash_table_lookup(ix->st->names, tensor);
        if (!t || g_strcmp0(t->file, g_hash_table_lookup(ix->shards, shard)) != 0)
            return malformed(error,
                             "%s says that tensor %s is in %s, but it is not; download both "
                             "again",
                             ix->path, (char *)tensor, (char *)shard);
    }
    return true;
}

static bool
index_read(Index *ix, const char *text, size_t length, GError **error)
{
    const char *reason;
    if (!sana_json_scan_check(text, length, 16, (size_t)MAX_TENSORS * 4, false, &reason))
        return malformed(error, "%s %s; " AGAIN, ix->path, reason);
    SanaJsonScan scan = {.text = text, .length = length};
    if (sana_json_scan_next(&scan) != SANA_JSON_OBJECT)
        return malformed(error, "%s is not a JSON object; " AGAIN, ix->path);
    SanaJsonToken token = sana_json_scan_next(&scan);
    for (; token != SANA_JSON_OBJECT_END; token = sana_json_scan_next(&scan)) {
        if (token == SANA_JSON_COMMA)
            continue;
        g_autofree char *key = sana_json_scan_string(&scan);
        sana_json_scan_next(&scan); /* the colon */
        token = sana_json_scan_next(&scan);
        if (g_strcmp0(key, "weight_map") != 0 || token != SANA_JSON_OBJECT) {
            sana_json_scan_skip(&scan, token);
            continue;
        }
        for (token = sana_json_scan_next(&scan); token != SANA_JSON_OBJECT_END;
             token = sana_json_scan_next(&scan))
            if (token != SANA_JSON_COMMA && !index_entry(ix, &scan, error))
                return false;
    }
    if (g_hash_table_size(ix->places) == 0)
        return malformed(error, "%s has no weight_map; " AGAIN, ix->path);
    return index_check(ix, error);
}

static bool
add_index(SanaSafetensors *st, const char *path, GError **error)
{
    size_t length;
    g_autofree char *text = sana_untrusted_read(path, MAX_INDEX, &length, error);
    if (!text)
        return false;
    Index ix = {.st = st,
                .path = path,
                .directory = g_path_get_dirname(path),
                .shards = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                .places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
    bool ok = index_read(&ix, text, length, error);
    g_hash_table_unref(ix.places);
    g_hash_table_unref(ix.shards);
    g_free(ix.directory);
    return ok;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Whether there is something of that name, a dangling link for instance: opening says what. */
static bool
present(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* The first that is there of the names a component's weights may have; NULL if none. */
static char *
find_weights(const char *directory, const char *stem, bool *is_index)
{
    static const char *const variants[] = {"", ".bf16", ".fp16"};
    /* What stands before and after the variant: of a single file, then of indices, which without
     * one have the same name.  transformers begins with the first, diffusers with the second. */
    static const char *const around[][2] = {{"", ".safetensors"},
                                            {".safetensors.index", ".json"},
                                            {".safetensors", ".index.json"},
                                            {"", ".safetensors.index.json"}};
    const size_t kinds = G_N_ELEMENTS(around), first = strcmp(stem, "model") == 0 ? 0 : 1;
    for (size_t v = 0; v < G_N_ELEMENTS(variants); v++) {
        for (size_t i = 0; i < kinds; i++) {
            const char *const *parts = around[(first + i) % kinds];
            g_autofree char *name = g_strconcat(stem, parts[0], variants[v], parts[1], NULL);
            char *path = g_build_filename(directory, name, NULL);
            *is_index = parts != around[0];
            if (present(path))
                return path;
            g_free(path);
        }
    }
    return NULL;
}

SanaSafetensors *
sana_safetensors_open(const char *directory, const char *stem, GError **error)
{
    bool is_index;
    g_autofree char *path = find_weights(directory, stem, &is_index);
    if (!path) {
        bool there = g_file_test(directory, G_FILE_TEST_IS_DIR);
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MISSING,
                    there ? "%s holds no %s.safetensors, no bf16 or fp16 variant and no index of "
                            "shards; download the weights in safetensors format"
                          : "%s is not a directory; it should hold %s.safetensors",
                    directory, stem);
        return NULL;
    }

    SanaSafetensors *st = g_new0(SanaSafetensors, 1);
    st->files = g_ptr_array_new_with_free_func(file_free);
    st->tensors = g_ptr_array_new_with_free_func(tensor_free);
    st->names = g_hash_table_new(g_str_hash, g_str_equal);
    if (!(is_index ? add_index : add_file)(st, path, error)) {
        sana_safetensors_free(st);
        return NULL;
    }
    return st;
}

void
sana_safetensors_free(SanaSafetensors *st)
{
    if (!st)
        return;
    g_hash_table_unref(st->names);
    g_ptr_array_unref(st->tensors);
    g_ptr_array_unref(st->files);
    g_free(st);
}

size_t
sana_safetensors_count(const SanaSafetensors *st)
{
    return st->tensors->len;
}

const SanaStoredTensor *
sana_safetensors_at(const SanaSafetensors *st, size_t i)
{
    return g_ptr_array_index(st->tensors, i);
}

const SanaStoredTensor *
sana_safetensors_find(const SanaSafetensors *st, const char *name)
{
    return g_hash_table_lookup(st->names, name);
}

void
sana_safetensors_release(const SanaSafetensors *st, const SanaStoredTensor *t)
{
    if (!t) {
        for (guint i = 0; i < st->files->len; i++) {
            File *file = g_ptr_array_index(st->files, i);
            madvise(file->map, file->size, MADV_DONTNEED);
        }
        return;
    }
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)t->data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)t->data + t->bytes) / page * page;
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

bool
sana_safetensors_unchanged(const SanaSafetensors *st, GError **error)
{
    for (guint i = 0; i < st->files->len; i++) {
        const File *file = g_ptr_array_index(st->files, i);
        struct stat now;
        if (fstat(file->fd, &now) != 0 || (size_t)now.st_size != file->size ||
            memcmp(&now.st_mtim, &file->modified, sizeof now.st_mtim) != 0)
            return malformed(error, "%s was written to after it was opened; load the model again",
                             file->path);
    }
    return true;
}
