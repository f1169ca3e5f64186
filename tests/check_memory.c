/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory: what is too much is refused before anything is allocated, the frame path allocates
 * nothing, and nothing grows from frame to frame.
 */
#define _GNU_SOURCE
#include "engine/autoencoder_dc.h"
#include "engine/sana_transformer.h"
#include "tests/testdir.h"
#include "tests/tiny.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- counting --------------------------------------------------------------------------------- */

/*
 * The program's own malloc() and its like stand in front of the C library's and count, by who
 * calls: oneDNN, OpenMP and the C++ library are told apart by the file their code lies in.
 * Sanitizers bring their own, so with one nothing is counted.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS FALSE
#define SLACK (64 << 20) /* its own bookkeeping */
static void
start_counting(void)
{
}
static void
stop_counting(int *ours, int *theirs)
{
}
#else
#define COUNTS TRUE
#define SLACK (8 << 20)

static gint counting, n_ours, n_theirs;
static __thread gboolean inside; /* dladdr() may allocate */

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static void
count(const void *caller)
{
    Dl_info info;
    if (inside || !g_atomic_int_get(&counting))
        return;
    inside = TRUE;
    gboolean theirs = dladdr(caller, &info) && info.dli_fname &&
                      (strstr(info.dli_fname, "libdnnl") || strstr(info.dli_fname, "libgomp") ||
                       strstr(info.dli_fname, "libstdc++"));
    g_atomic_int_inc(theirs ? &n_theirs : &n_ours);
    inside = FALSE;
}

#pragma GCC visibility push(default)

void *
malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(p, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

void *
memalign(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int
posix_memalign(void **p, size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    *p = __libc_memalign(alignment, size);
    return *p ? 0 : ENOMEM;
}

#pragma GCC visibility pop

static void
start_counting(void)
{
    n_ours = n_theirs = 0;
    g_atomic_int_set(&counting, 1);
}

static void
stop_counting(int *ours, int *theirs)
{
    g_atomic_int_set(&counting, 0);
    *ours = n_ours;
    *theirs = n_theirs;
}
#endif

/* --- the frame path --------------------------------------------------------------------------- */

#define SIDE 64

typedef struct {
    char *dir;
    SanaModel *model;
    SanaSession *session;
    SanaPrompt *prompt;
    SanaImage image;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = tiny_copy();
    f->model = tiny_load(f->dir);
    f->session = tiny_session(f->model);
    f->prompt = tiny_prompt(f->session, "a fox");
    f->image = tiny_picture(SANA_IMAGE_RGB, SIDE, SIDE);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_free(f->image.pixels);
    sana_prompt_unref(f->prompt);
    sana_session_free(f->session);
    sana_model_unref(f->model);
    testdir_free(f->dir);
}

static void
frame(Fixture *f, int i)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    g_autoptr(GError) error = NULL;
    params.seed = (guint64)i;
    gboolean ok =
        i % 2 ? sana_session_text_to_image(f->session, f->prompt, &params, &f->image, &error)
              : sana_session_image_to_image(f->session, f->prompt, &params, &f->image, &f->image,
                                            &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

static void
frames_allocate_nothing(Fixture *f, gconstpointer data)
{
    int ours = 0, theirs = 0;
    if (!COUNTS) {
        g_test_skip("a sanitizer has its own malloc()");
        return;
    }
    start_counting();
    g_free(g_malloc(100));
    free(aligned_alloc(64, 4096));
    stop_counting(&ours, &theirs);
    g_assert_cmpint(ours, ==, 2); /* the counter counts */
    for (int i = 0; i < 4; i++)
        frame(f, i);
    start_counting();
    for (int i = 4; i < 24; i++)
        frame(f, i);
    stop_counting(&ours, &theirs);
    g_test_message("20 frames: %d allocations here, %d in oneDNN and OpenMP", ours, theirs);
    g_assert_cmpint(ours, ==, 0);
}

static void
preparing_leaves_nothing_to_allocate(Fixture *f, gconstpointer data)
{
    int ours = 0, theirs = 0;
    g_autoptr(GError) error = NULL;
    if (!COUNTS) {
        g_test_skip("a sanitizer has its own malloc()");
        return;
    }
    g_assert_true(sana_session_prepare(f->session, SIDE, SIDE, &error));
    g_assert_no_error(error);
    start_counting();
    frame(f, 0);
    stop_counting(&ours, &theirs);
    g_test_message("the first frame: %d allocations here, %d in oneDNN and OpenMP", ours, theirs);
    g_assert_cmpint(ours, ==, 0);
}

static void
resident_memory_does_not_grow(Fixture *f, gconstpointer data)
{
    for (int i = 0; i < 20; i++)
        frame(f, i);
    const gsize before = tiny_resident();
    for (int i = 0; i < 200; i++)
        frame(f, i);
    const gsize after = tiny_resident();
    g_test_message("resident: %zu KiB, after 200 frames %zu KiB", before >> 10, after >> 10);
    if (COUNTS) /* a sanitizer keeps what is freed */
        g_assert_cmpuint(after, <=, before + (64 << 10));
}

/* Other sizes and prompts come and go. */
static void
changes_do_not_pile_up(Fixture *f, gconstpointer data)
{
    gsize before = 0;
    for (int round = 0; round < 60; round++) {
        if (round == 20)
            before = tiny_resident();
        SanaPrompt *prompt = tiny_prompt(f->session, round % 2 ? "a fox" : "a cat in the rain");
        const int side = 32 + round % 3 * 16;
        g_free(tiny_draw(f->session, prompt, NULL, side, side));
        sana_prompt_unref(prompt);
    }
    const gsize after = tiny_resident();
    g_test_message("resident: %zu KiB, after 40 changes %zu KiB", before >> 10, after >> 10);
    if (COUNTS)
        g_assert_cmpuint(after, <=, before + (1 << 20));
}

/* KiB of this file that are resident in maps of it. */
static int
resident_of(const char *path)
{
    g_autofree char *maps = NULL;
    g_assert_true(g_file_get_contents("/proc/self/smaps", &maps, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);
    gboolean inside_it = FALSE;
    int kib = 0, found = -1;
    for (char **line = lines; *line; line++) {
        if (g_ascii_isxdigit(**line)) /* "begin-end rwxp offset device inode path" */
            inside_it = g_str_has_suffix(*line, path);
        else if (inside_it && sscanf(*line, "Rss: %d", &kib) == 1)
            found = MAX(found, 0) + kib;
    }
    return found;
}

static void
a_released_text_encoder_comes_back(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, TINY_TEXT, NULL);
    const gsize count =
        (gsize)sana_prompt_rows(f->prompt) * (gsize)sana_model_info(f->model)->caption_channels;
    g_autofree float *before = g_new(float, count), *after = g_new(float, count);
    g_assert_true(sana_session_get_embeds(f->session, f->prompt, before, NULL));
    g_assert_cmpint(resident_of(path), >, 0);
    sana_model_release_text_encoder(f->model);
    g_assert_cmpint(resident_of(path), ==, 0);

    SanaSession *session = tiny_session(f->model);
    SanaPrompt *again = tiny_prompt(session, "a fox");
    g_assert_true(sana_session_get_embeds(session, again, after, NULL));
    g_assert_cmpmem(before, count * sizeof *before, after, count * sizeof *after);
    g_assert_cmpint(resident_of(path), >, 0);
    sana_prompt_unref(again);
    sana_session_free(session);
}

/* --- too much --------------------------------------------------------------------------------- */

static gsize
available(void)
{
    SanaDevice *cpu = sana_device_open("cpu", NULL);
    gsize bytes = sana_device_free_memory(cpu);
    sana_device_unref(cpu);
    return bytes;
}

static void
a_picture_larger_than_memory(Fixture *f, gconstpointer data)
{
    SanaParams params = SANA_PARAMS_DEFAULT;
    SanaImage huge = {SANA_IMAGE_RGB, 16384, 16384, 16384 * 3, f->image.pixels};
    GError *error = NULL;
    SanaCost cost;
    SanaModel *demo = tiny_load(SANA_DEMO_MODEL);
    SanaSession *session = tiny_session(demo);
    SanaPrompt *prompt = tiny_prompt(session, "a fox");
    g_assert_true(sana_session_cost(session, prompt, 16384, 16384, &cost, &error));
    g_assert_no_error(error);
    g_test_message("16384×16384 takes %.1f GiB, %.1f GiB are free",
                   (double)cost.buffer_bytes / (1 << 30), (double)available() / (1 << 30));
    if (cost.buffer_bytes < available()) {
        g_test_skip("this machine has the memory");
    } else {
        g_free(tiny_draw(session, prompt, NULL, 64, 64));
        const gsize before = tiny_resident();
        g_assert_false(sana_session_prepare(session, 16384, 16384, &error));
        tiny_expect(&error, SANA_ERROR_MEMORY, "16384×16384", "GiB");
        g_assert_false(sana_session_text_to_image(session, prompt, &params, &huge, &error));
        tiny_expect(&error, SANA_ERROR_MEMORY, "16384×16384", "GiB");
        g_assert_cmpuint(tiny_resident(), <=, before + SLACK);
        g_free(tiny_draw(session, prompt, NULL, 64, 64));
    }
    sana_prompt_unref(prompt);
    sana_session_free(session);
    sana_model_unref(demo);
}

/* Less address space than it takes, in a process of its own. */
static void
a_binned_picture_larger_than_memory(Fixture *f, gconstpointer data)
{
    if (!COUNTS) {
        g_test_skip("a sanitizer needs all address space");
    } else if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
    } else {
        SanaParams params = SANA_PARAMS_DEFAULT;
        GError *error = NULL;
        gulong pages = 0;
        SanaModel *demo = tiny_load(SANA_DEMO_MODEL);
        SanaSession *session = tiny_session(demo);
        SanaPrompt *prompt = tiny_prompt(session, "a fox");
        SanaImage huge = tiny_image(SANA_IMAGE_RGB, 16384, 16384, 0);
        g_autofree char *statm = NULL;
        g_free(tiny_draw(session, prompt, NULL, 64, 64)); /* threads have their stacks */
        g_assert_true(g_file_get_contents("/proc/self/statm", &statm, NULL, NULL));
        g_assert_cmpint(sscanf(statm, "%lu", &pages), ==, 1);
        const rlim_t most = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)2 << 30);
        g_assert_cmpint(setrlimit(RLIMIT_AS, &(struct rlimit){most, most}), ==, 0);
        params.steps = 1;
        params.resolution_binning = TRUE;
        g_assert_false(sana_session_text_to_image(session, prompt, &params, &huge, &error));
        tiny_expect(&error, SANA_ERROR_MEMORY, "16384×16384", "GiB");
        /* latents have the bin's size, whatever is asked for */
        const SanaModelInfo *info = sana_model_info(demo);
        const int side = 1024 / info->factor;
        g_autofree float *latents = g_new(float, side *side * info->latent_channels);
        params.latent_out = latents;
        g_assert_true(sana_session_text_to_image(session, prompt, &params, &huge, &error));
        g_free(tiny_draw(session, prompt, NULL, 64, 64));
        g_free(huge.pixels);
        sana_prompt_unref(prompt);
        sana_session_free(session);
        sana_model_unref(demo);
    }
}

/* A weight file as large as its header says, without anything on the disk. */
typedef struct {
    GString *header;
    gsize bytes;
} Sparse;

static void
on_tensor(const char *name, const int64_t *dims, int n_dims, void *user)
{
    Sparse *s = user;
    gsize count = 1;
    g_string_append_printf(s->header, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[",
                           s->header->len > 1 ? "," : "", name);
    for (int i = 0; i < n_dims; i++) {
        g_string_append_printf(s->header, "%s%" G_GINT64_FORMAT, i ? "," : "", dims[i]);
        count *= (gsize)dims[i];
    }
    g_string_append_printf(s->header, "],\"data_offsets\":[%zu,%zu]}", s->bytes,
                           s->bytes + 2 * count);
    s->bytes += 2 * count;
}

/* What a network asks of its file, asked anew each time. */
typedef void (*Bind)(void *net, SanaBinder *b);

static void
bind_transformer(void *net, SanaBinder *b)
{
    g_autoptr(GError) error = NULL;
    sana_transformer_clear(net);
    sana_transformer_bind(net, b);
    sana_binder_finish(b, "transformer", NULL, &error);
    g_assert_no_error(error);
}

static void
bind_autoencoder(void *net, SanaBinder *b)
{
    g_autoptr(GError) error = NULL;
    sana_autoencoder_clear(net);
    sana_autoencoder_bind(net, b);
    sana_binder_finish(b, "vae", NULL, &error);
    g_assert_no_error(error);
}

/* How many bytes of weights; 0 where the file system has no files of that size. */
static gsize
write_sparse(const char *dir, const char *name, void *net, Bind bind)
{
    Sparse sparse = {.header = g_string_new("{")};
    SanaDevice *planner = sana_device_open("planner", NULL);
    SanaPool *pool = sana_pool_new(planner);
    bind(net, sana_binder_new_listing(pool, on_tensor, &sparse));
    sana_pool_free(pool);
    sana_device_unref(planner);

    g_string_append_c(sparse.header, '}');
    g_test_message("%s: %.1f GiB", name, (double)sparse.bytes / (1 << 30));
    gboolean ok = testdir_write_sparse(dir, name, sparse.header->str, sparse.bytes);
    if (!ok)
        g_test_skip("the file system has no files of that size");
    g_string_free(sparse.header, TRUE);
    return ok ? sparse.bytes : 0;
}

static void
weights_larger_than_memory(void)
{
    char *dir = tiny_copy();
    g_autofree char *directory = testdir_path(dir, "transformer");
    SanaTransformer net = {.dtype = SANA_BF16};
    GError *error = NULL;
    /* 1024 heads of 64, twice as many blocks as three: some hundred GiB in bf16 */
    tiny_edit(dir, "transformer/config.json", "\"num_attention_heads\": 4",
              "\"num_attention_heads\": 1024");
    tiny_edit(dir, "transformer/config.json", "\"attention_head_dim\": 16",
              "\"attention_head_dim\": 64");
    tiny_edit(dir, "transformer/config.json", "\"cross_attention_dim\": 64",
              "\"cross_attention_dim\": 65536");
    tiny_edit(dir, "transformer/config.json", "\"num_cross_attention_heads\": 2",
              "\"num_cross_attention_heads\": 1024");
    tiny_edit(dir, "transformer/config.json", "\"cross_attention_head_dim\": 32",
              "\"cross_attention_head_dim\": 64");
    g_assert_true(sana_transformer_config(&net.config, directory, &error));
    g_assert_no_error(error);
    gsize bytes = write_sparse(dir, TINY_TRANSFORMER, &net, bind_transformer);
    sana_transformer_clear(&net);
    if (bytes > 0 && available() >= 2 * bytes) { /* they are loaded as f32 */
        g_test_skip("this machine has the memory");
    } else if (bytes > 0) {
        const SanaModelOptions options = {.device = "cpu", .precision = SANA_PRECISION_F32};
        const gsize before = tiny_resident();
        const gint64 start = g_get_monotonic_time();
        g_assert_null(sana_model_load(dir, &options, NULL, &error));
        tiny_expect(&error, SANA_ERROR_MEMORY, "weights", "GiB");
        g_assert_cmpuint(tiny_resident(), <=, before + SLACK);
        g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
    }
    testdir_free(dir);
}

/* --- what the published model costs ----------------------------------------------------------- */

static const char transformer_config[] =
    "{\"attention_head_dim\": 32, \"caption_channels\": 2304, \"cross_attention_dim\": 1152, "
    "\"cross_attention_head_dim\": 72, \"guidance_embeds\": true, \"in_channels\": 32, "
    "\"mlp_ratio\": 2.5, \"num_attention_heads\": 36, \"num_cross_attention_heads\": 16, "
    "\"num_layers\": 28, \"out_channels\": 32, \"patch_size\": 1, "
    "\"qk_norm\": \"rms_norm_across_heads\", \"sample_size\": 32}";

static const char autoencoder_config[] =
    "{\"attention_head_dim\": 32, \"latent_channels\": 32, \"scaling_factor\": 0.41407, "
    "\"encoder_block_out_channels\": [128, 256, 512, 512, 1024, 1024], "
    "\"decoder_block_out_channels\": [128, 256, 512, 512, 1024, 1024], "
    "\"encoder_block_types\": [\"ResBlock\", \"ResBlock\", \"ResBlock\", \"EfficientViTBlock\", "
    "\"EfficientViTBlock\", \"EfficientViTBlock\"], "
    "\"decoder_block_types\": [\"ResBlock\", \"ResBlock\", \"ResBlock\", \"EfficientViTBlock\", "
    "\"EfficientViTBlock\", \"EfficientViTBlock\"], "
    "\"encoder_layers_per_block\": [2, 2, 2, 3, 3, 3], "
    "\"decoder_layers_per_block\": [3, 3, 3, 3, 3, 3], "
    "\"encoder_qkv_multiscales\": [[], [], [], [5], [5], [5]], "
    "\"decoder_qkv_multiscales\": [[], [], [], [5], [5], [5]], "
    "\"downsample_block_type\": \"conv\", \"upsample_block_type\": \"interpolate\"}";

/* Binds to files of nothing, of which the planner reads nothing. */
static gboolean
bind_planned(const char *dir, SanaPool *pool, void *net, Bind bind)
{
    g_autoptr(GError) error = NULL;
    if (!write_sparse(dir, "model.safetensors", net, bind))
        return FALSE;
    SanaSafetensors *files = sana_safetensors_open(dir, "model", &error);
    g_assert_no_error(error);
    bind(net, sana_binder_new(pool, SANA_BF16, files));
    sana_safetensors_free(files);
    return TRUE;
}

static void
expect_flop(SanaStream *planner, const char *name, double known)
{
    g_autoptr(GError) error = NULL;
    double tflop = sana_stream_plan(planner).flop * 1e-12;
    sana_stream_finish(planner, &error);
    g_assert_no_error(error);
    g_test_message("%s: %.3f TFLOP, published %.2f", name, tflop, known);
    g_assert_cmpfloat_with_epsilon(tflop / known, 1, 0.05);
    sana_stream_plan_reset(planner);
}

static void
plan_autoencoder(const char *dir, SanaPool *pool, SanaStream *planner)
{
    g_autoptr(GError) error = NULL;
    SanaAutoencoder net = {.dtype = SANA_BF16};
    testdir_write_text(dir, "config.json", autoencoder_config);
    g_assert_true(sana_autoencoder_config(&net.config, dir, &error));
    g_assert_no_error(error);
    if (!bind_planned(dir, pool, &net, bind_autoencoder))
        return;
    SanaTensor picture = sana_pool_tensor(pool, SANA_BF16, 512, 512, 3);
    SanaTensor latent = sana_pool_tensor(pool, SANA_BF16, 16, 16, 32);
    sana_autoencoder_encode(planner, &net, latent, picture);
    expect_flop(planner, "encode", 1.30);
    sana_autoencoder_decode(planner, &net, picture, latent);
    expect_flop(planner, "decode", 2.09);
    sana_autoencoder_clear(&net);
}

static void
plan_transformer(const char *dir, SanaPool *pool, SanaStream *planner)
{
    g_autoptr(GError) error = NULL;
    SanaTransformer net = {.dtype = SANA_BF16};
    SanaTensor kv[28];
    testdir_write_text(dir, "config.json", transformer_config);
    g_assert_true(sana_transformer_config(&net.config, dir, &error));
    g_assert_no_error(error);
    if (!bind_planned(dir, pool, &net, bind_transformer))
        return;
    for (int i = 0; i < 28; i++)
        kv[i] = sana_pool_tensor(pool, SANA_BF16, 1, 40, 2 * net.config.cross_dim);
    SanaTensor x = sana_pool_tensor(pool, SANA_BF16, 16, 16, 32);
    SanaTensor v = sana_pool_tensor(pool, SANA_F32, 16, 16, 32);
    SanaTensor one = sana_pool_tensor(pool, SANA_F32, 1, 1, 1);
    sana_transformer_forward(planner, &net, v, x,
                             &(SanaCondition){.time = one, .guidance = one, .kv = kv});
    expect_flop(planner, "step", 0.27);
    sana_transformer_clear(&net);
}

/* 0.6B at 512², against the figures worked out by hand from its configuration. */
static void
the_planner_counts_the_published_work(void)
{
    char *dir = testdir_new();
    SanaDevice *device = sana_device_open("planner", NULL);
    SanaPool *pool = sana_pool_new(device);
    SanaStream *planner = sana_stream_new(device, NULL);
    const gsize before = tiny_resident();
    plan_autoencoder(dir, pool, planner);
    plan_transformer(dir, pool, planner);
    g_assert_cmpuint(tiny_resident(), <=, before + SLACK);
    sana_stream_free(planner);
    sana_pool_free(pool);
    sana_device_unref(device);
    testdir_free(dir);
}

#define ADD(name, func) g_test_add("/memory/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("frames-allocate-nothing", frames_allocate_nothing);
    ADD("preparing-leaves-nothing-to-allocate", preparing_leaves_nothing_to_allocate);
    ADD("resident-memory-does-not-grow", resident_memory_does_not_grow);
    ADD("changes-do-not-pile-up", changes_do_not_pile_up);
    ADD("a-released-text-encoder-comes-back", a_released_text_encoder_comes_back);
    ADD("a-picture-larger-than-memory", a_picture_larger_than_memory);
    ADD("a-binned-picture-larger-than-memory", a_binned_picture_larger_than_memory);
    g_test_add_func("/memory/weights-larger-than-memory", weights_larger_than_memory);
    g_test_add_func("/memory/the-planner-counts-the-published-work",
                    the_planner_counts_the_published_work);
    return g_test_run();
}
