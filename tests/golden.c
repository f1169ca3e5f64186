/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/golden.h"

#include <glib/gstdio.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

const char *
golden_root(void)
{
    const char *given = g_getenv("SANA_GOLDEN_DIR");
    return given ? given : SANA_GOLDEN_DIR;
}

static char *
golden_path(const char *first, const char *second)
{
    return g_build_filename(golden_root(), first, second, NULL);
}

static int
compare_names(gconstpointer a, gconstpointer b, gpointer user)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **
golden_names(void)
{
    g_autofree char *path = golden_path("cases", NULL);
    g_autoptr(GError) error = NULL;
    GDir *dir = g_dir_open(path, 0, &error);
    g_assert_no_error(error);
    GPtrArray *names = g_ptr_array_new();
    for (const char *file; (file = g_dir_read_name(dir));) {
        if (g_str_has_suffix(file, ".json"))
            g_ptr_array_add(names, g_strndup(file, strlen(file) - strlen(".json")));
    }
    g_dir_close(dir);
    g_ptr_array_sort_with_data(names, compare_names, NULL);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

static GoldenCall
parse_call(const char *call)
{
    static const char *const names[] = {"text_to_image", "image_to_image", "encode", "transformer"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_strcmp0(call, names[i]) == 0)
            return (GoldenCall)i;
    }
    g_error("the call “%s” of a case is unknown", call);
}

static void
read_settings(Golden *g)
{
    SanaJson *j = g->json;
    g->call = parse_call(sana_json_string(j, "call", NULL));
    g->transformer = sana_json_string(j, "transformer", NULL);
    g->scheduler = sana_json_string(j, "scheduler", "sprint");
    g->vae = sana_json_string(j, "vae", NULL);
    g->text_encoder = sana_json_string(j, "text_encoder", NULL);
    g->text_encoder_config = sana_json_string(j, "text_encoder_config", NULL);
    g->prompt = sana_json_bool(j, "given_embeds", false) ? NULL : sana_json_string(j, "prompt", "");
    g->instruction = sana_json_string(j, "instruction", NULL);
    g->max_sequence_length = sana_json_int(j, "max_sequence_length", 0, 1, 4096);
    g->width = sana_json_int(j, "width", 0, 1, 4096);
    g->height = sana_json_int(j, "height", 0, 1, 4096);
    g->steps = sana_json_int(j, "steps", 2, 1, GOLDEN_MAX_TIMESTEPS - 1);
    g->n_images = sana_json_int(j, "n_images", 1, 1, 16);
    g->guidance_scale = sana_json_double(j, "guidance_scale", 4.5, 0, 20);
    g->max_timesteps = sana_json_double(j, "max_timesteps", 1.57080, 0, 2);
    g->intermediate_timesteps = sana_json_double(j, "intermediate_timesteps", 1.3, 0, 2);
    g->strength = sana_json_double(j, "strength", 0, 0, 1);
    g->continuous = g_strcmp0(sana_json_string(j, "strength_mode", NULL), "continuous") == 0;
    g->binning = sana_json_bool(j, "resolution_binning", false);
    g->seed = (guint64)sana_json_double(j, "seed", 0, 0, 1e15);
    g->bf16_db = sana_json_double(j, "bf16_db", 0, 0, 200);
    g->timestep = sana_json_double(j, "timestep", 0, 0, 1);
    g->guidance = sana_json_double(j, "guidance", 0, 0, 1);
    g->has_timesteps = sana_json_has(j, "timesteps");
    for (int i = 0; g->has_timesteps && i <= g->steps; i++)
        g->timesteps[i] = g_ascii_strtod(sana_json_list_string(j, "timesteps", i), NULL);
}

Golden *
golden_open(const char *name)
{
    g_autofree char *cases = golden_path("cases", NULL);
    g_autofree char *file = g_strconcat(name, ".json", NULL);
    g_autoptr(GError) error = NULL;
    Golden *g = g_new0(Golden, 1);
    g->name = g_strdup(name);
    g->json = sana_json_open(cases, file, &error);
    g_assert_no_error(error);
    read_settings(g);
    g_assert_true(sana_json_ok(g->json));
    g->data = sana_safetensors_open(cases, name, &error);
    g_assert_no_error(error);
    return g;
}

void
golden_free(Golden *g)
{
    sana_safetensors_free(g->data);
    sana_json_free(g->json);
    g_free(g->name);
    g_free(g);
}

static const void *
stored(const Golden *g, const char *tensor, const char *dtype, size_t item, size_t *count)
{
    const SanaStoredTensor *t = sana_safetensors_find(g->data, tensor);
    if (!t)
        return NULL;
    g_assert_cmpstr(t->dtype, ==, dtype);
    if (count)
        *count = t->bytes / item;
    return t->data;
}

const float *
golden_floats(const Golden *g, const char *tensor, size_t *count)
{
    return stored(g, tensor, "F32", sizeof(float), count);
}

const guint8 *
golden_bytes(const Golden *g, const char *tensor, size_t *count)
{
    return stored(g, tensor, "U8", 1, count);
}

int
golden_dim(const Golden *g, const char *tensor, int dim)
{
    const SanaStoredTensor *t = sana_safetensors_find(g->data, tensor);
    g_assert_nonnull(t);
    g_assert_cmpint(dim, <, t->n_dims);
    return (int)t->dims[dim];
}

/* --- model directories ------------------------------------------------------------------------ */

static void
link_file(const char *directory, const char *name, char *target)
{
    g_autofree char *link = g_build_filename(directory, name, NULL);
    g_assert_cmpint(symlink(target, link), ==, 0);
    g_free(target);
}

/* A text encoder whose weights are those of `from` and whose config.json is another. */
static void
link_with_config(const char *directory, char *from, char *config)
{
    g_autofree char *path = g_build_filename(directory, "text_encoder", NULL);
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    link_file(path, "config.json", config);
    g_autoptr(GError) error = NULL;
    GDir *dir = g_dir_open(from, 0, &error);
    g_assert_no_error(error);
    for (const char *file; (file = g_dir_read_name(dir));) {
        if (strcmp(file, "config.json") != 0)
            link_file(path, file, g_build_filename(from, file, NULL));
    }
    g_dir_close(dir);
    g_free(from);
}

char *
golden_assemble(const Golden *g)
{
    g_autoptr(GError) error = NULL;
    char *directory = g_dir_make_tmp("sana-golden-XXXXXX", &error);
    g_assert_no_error(error);
    link_file(directory, "model_index.json", golden_path("model_index.json", NULL));
    link_file(directory, "scheduler", golden_path("scheduler", g->scheduler));
    link_file(directory, "tokenizer", golden_path("tokenizer", NULL));
    link_file(directory, "transformer", golden_path("transformer", g->transformer));
    link_file(directory, "vae", golden_path("vae", g->vae));
    char *encoder = golden_path("text_encoder", g->text_encoder);
    if (g->text_encoder_config) {
        g_autofree char *file = g_strconcat(g->text_encoder_config, ".json", NULL);
        link_with_config(directory, encoder, golden_path("configs", file));
    } else {
        link_file(directory, "text_encoder", encoder);
    }
    return directory;
}

static void
remove_links(const char *directory)
{
    GDir *dir = g_dir_open(directory, 0, NULL);
    g_assert_nonnull(dir);
    for (const char *file; (file = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(directory, file, NULL);
        if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK) && g_file_test(path, G_FILE_TEST_IS_DIR))
            remove_links(path);
        else
            g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_dir_close(dir);
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

void
golden_discard(char *directory)
{
    remove_links(directory);
    g_free(directory);
}

/* --- errors ----------------------------------------------------------------------------------- */

double
golden_error(const float *a, const float *b, size_t count)
{
    double off = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        off += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return isfinite(off) ? sqrt(off / (size > 0 ? size : 1)) : INFINITY;
}

double
golden_psnr(const float *a, const float *b, size_t count)
{
    double off = 0;
    for (size_t i = 0; i < count; i++)
        off += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return isfinite(off) ? 10 * log10(4.0 * (double)count / (off > 0 ? off : 1e-30)) : -INFINITY;
}

/* --- taps ------------------------------------------------------------------------------------- */

typedef struct {
    char *name;
    double error;
    bool known;
} Seen;

struct GoldenTaps {
    const Golden *golden;
    GArray *seen; /* Seen, in the order of first sight */
};

static void
clear_seen(gpointer seen)
{
    g_free(((Seen *)seen)->name);
}

GoldenTaps *
golden_taps_new(const Golden *g)
{
    GoldenTaps *t = g_new0(GoldenTaps, 1);
    t->golden = g;
    t->seen = g_array_new(FALSE, TRUE, sizeof(Seen));
    g_array_set_clear_func(t->seen, clear_seen);
    return t;
}

void
golden_taps_free(GoldenTaps *t)
{
    g_array_unref(t->seen);
    g_free(t);
}

static size_t
greatest_common_divisor(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Error of a whole tensor by the sample that is stored: count, mean, rms, elements. */
static double
sample_error(const float *values, size_t count, const float *tap, size_t n_tap)
{
    if ((double)count != (double)tap[0])
        return INFINITY;
    size_t stride = MAX(1, count / 40);
    while (greatest_common_divisor(stride, count) != 1)
        stride++;
    size_t n = (count + stride - 1) / stride;
    g_assert_cmpuint(n + 3, ==, n_tap);
    g_autofree float *sample = g_new(float, n);
    for (size_t i = 0; i < n; i++)
        sample[i] = values[i * stride];
    double sum = 0, square = 0;
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        square += (double)values[i] * values[i];
    }
    double rms = sqrt(square / (double)count), size = MAX(tap[2], 1e-30);
    double error = golden_error(sample, tap + 3, n);
    error = MAX(error, fabs(rms - tap[2]) / size);
    error = MAX(error, fabs(sum / (double)count - tap[1]) / size);
    return isfinite(rms) ? error : INFINITY;
}

static Seen *
find_seen(const GoldenTaps *t, const char *name)
{
    for (guint i = 0; i < t->seen->len; i++) {
        Seen *s = &g_array_index(t->seen, Seen, i);
        if (strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

void
golden_taps_see(const char *name, const float *values, int h, int w, int c, void *user)
{
    GoldenTaps *t = user;
    bool text = strcmp(name, "norm") == 0 || g_str_has_prefix(name, "layers.");
    Seen *s = find_seen(t, name);
    if (s && !text)
        return;
    if (!s) {
        Seen fresh = {.name = g_strdup(name)};
        g_array_append_val(t->seen, fresh);
        s = &g_array_index(t->seen, Seen, t->seen->len - 1);
    }
    size_t n_tap, count = (size_t)h * (size_t)w * (size_t)c;
    g_autofree char *key = g_strconcat("tap:", name, NULL);
    const float *tap = golden_floats(t->golden, key, &n_tap);
    s->known = tap != NULL;
    if (!tap)
        return;
    if (text) {
        values += count - (size_t)c;
        count = (size_t)c;
    }
    s->error = sample_error(values, count, tap, n_tap);
}

int
golden_taps_compared(const GoldenTaps *t, double *worst)
{
    int n = 0;
    *worst = 0;
    for (guint i = 0; i < t->seen->len; i++) {
        const Seen *s = &g_array_index(t->seen, Seen, i);
        n += s->known;
        *worst = s->known ? MAX(*worst, s->error) : *worst;
    }
    return n;
}

char *
golden_taps_first_wrong(const GoldenTaps *t, double bound)
{
    for (guint i = 0; i < t->seen->len; i++) {
        const Seen *s = &g_array_index(t->seen, Seen, i);
        if (s->known && !(s->error <= bound))
            return g_strdup_printf("%s is the first inner tensor that differs, by %.1e", s->name,
                                   s->error);
    }
    return NULL;
}

char *
golden_taps_unknown(const GoldenTaps *t)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < t->seen->len; i++) {
        const Seen *s = &g_array_index(t->seen, Seen, i);
        if (!s->known)
            g_string_append_printf(names, "%s%s", names->len ? " " : "", s->name);
    }
    return g_string_free(names, FALSE);
}

static bool
is_tensor_of_its_own(const char *name)
{
    /* a stage is its last block, a block its conv_out; the decoder's last norm is never without its
     * activation, and what comes after its convolution is the picture */
    static const char other[] = "^((en|de)coder\\.(down|up)_blocks\\.[0-9]+"
                                "(\\.[0-9]+\\.conv_out)?|decoder\\.(norm_out|conv_out))$";
    return !g_regex_match_simple(other, name, 0, 0);
}

char *
golden_taps_missing(const GoldenTaps *t)
{
    GString *names = g_string_new(NULL);
    for (size_t i = 0; i < sana_safetensors_count(t->golden->data); i++) {
        const char *key = sana_safetensors_at(t->golden->data, i)->name;
        if (!g_str_has_prefix(key, "tap:"))
            continue;
        const char *name = key + strlen("tap:");
        if (is_tensor_of_its_own(name) && !find_seen(t, name))
            g_string_append_printf(names, "%s%s", names->len ? " " : "", name);
    }
    return g_string_free(names, FALSE);
}
