/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Per prompt: text → tokens → Gemma → embedding → keys and values of every cross-attention.
 *
 * Gemma is causal and the instruction constant, so its keys and values are kept.  Kept are all its
 * tokens but the last: its trailing space merges into the prompt's first piece.  A prompt whose
 * tokens do not start with them is run whole.  The split never depends on the prompts before, so a
 * prompt's embedding is always the same, bit for bit.
 */
#include "pipelines/internal.h"

#include "pipelines/text.h"

#include <string.h>

#define DEFAULT_ROWS 300
#define MAX_ROWS 4096
/* Cache positions are allocated in steps, so that prompts of like length share one. */
#define CACHE_STEP 64

/* --- prompts ---------------------------------------------------------------------------------- */

static SanaPrompt *
prompt_new(SanaSession *s, int rows)
{
    const SanaModel *m = s->model;
    const SanaTransformerConfig *c = &m->transformer.config;
    SanaPrompt *p = g_new0(SanaPrompt, 1);
    p->refs = 1;
    p->model = sana_model_ref(s->model);
    p->n_parts = 1;
    p->parts[0] = p;
    p->weights[0] = 1;
    p->pool = sana_pool_new(m->device);
    p->embeds = sana_pool_tensor(p->pool, m->dtype, 1, rows, c->caption_channels);
    p->kv = g_new0(SanaTensor, c->layers);
    for (int i = 0; i < c->layers; i++)
        p->kv[i] = sana_pool_tensor(p->pool, m->dtype, 1, rows, 2 * c->cross_dim);
    return p;
}

SanaPrompt *
sana_prompt_ref(SanaPrompt *p)
{
    g_atomic_int_inc(&p->refs);
    return p;
}

void
sana_prompt_unref(SanaPrompt *p)
{
    if (!g_atomic_int_dec_and_test(&p->refs))
        return;
    for (int i = 0; i < p->n_parts; i++)
        if (p->parts[i] != p)
            sana_prompt_unref(p->parts[i]);
    sana_pool_free(p->pool);
    g_free(p->kv);
    sana_model_unref(p->model);
    g_free(p);
}

int
sana_prompt_rows(SanaPrompt *p)
{
    int rows = 0;
    for (int i = 0; i < p->n_parts; i++)
        rows += p->parts[i]->embeds.w;
    return rows;
}

void
sana_prompt_tokens(SanaPrompt *p, int *computed, int *total)
{
    *computed = p->computed;
    *total = p->total;
}

gboolean
sana_prompt_check(const SanaSession *s, const SanaPrompt *p, GError **error)
{
    if (!p)
        return sana_error_settings(error, "no prompt is given; encode one");
    if (p->model == s->model)
        return TRUE;
    return sana_error_settings(error, "the prompt was encoded by another model; encode it with a "
                                      "session of this one");
}

static gboolean
pool_ok(SanaPool *pool, GError **error)
{
    const GError *failure = sana_pool_error(pool);
    return !failure || sana_error_translate(error, g_error_copy(failure));
}

/* --- running what was planned ----------------------------------------------------------------- */

typedef struct {
    const SanaModel *model;
    SanaTensor y;
    const int32_t *ids;
    int first;
    const SanaTensor *kv;
} TextArgs;

static void
text_forward(SanaStream *stream, void *user)
{
    const TextArgs *a = user;
    sana_gemma2_forward(stream, &a->model->text, a->y, a->ids, a->first, a->kv);
}

static void
caption_forward(SanaStream *stream, void *user)
{
    const SanaPrompt *p = user;
    sana_transformer_caption(stream, &p->model->transformer, p->kv, p->embeds);
}

/* Plans the forward, makes scratch for it, runs it to its end. */
static gboolean
run_planned(SanaSession *s, SanaStream *stream, SanaForward forward, void *user, GError **error)
{
    GError *cause = NULL;
    sana_stream_plan_reset(s->planner);
    forward(s->planner, user);
    size_t scratch = sana_stream_plan(s->planner).scratch_peak;
    if (!sana_stream_finish(s->planner, &cause) || !sana_stream_reserve(stream, scratch, &cause))
        return sana_error_translate(error, cause);
    forward(stream, user);
    return sana_session_finish_stream(s, stream, error);
}

/* --- the instruction's cache ------------------------------------------------------------------ */

void
sana_text_cache_clear(SanaTextCache *cache)
{
    sana_pool_free(cache->pool);
    g_free(cache->kv);
    g_free(cache->ids);
    *cache = (SanaTextCache){0};
}

/* Room for `positions`; what was kept is lost when it has to grow. */
static gboolean
cache_reserve(SanaSession *s, int positions, GError **error)
{
    SanaTextCache *cache = &s->text;
    const SanaModel *m = s->model;
    if (positions <= cache->capacity)
        return TRUE;
    sana_text_cache_clear(cache);
    int capacity = (positions + CACHE_STEP - 1) / CACHE_STEP * CACHE_STEP;
    cache->pool = sana_pool_new(m->text_device);
    cache->kv = g_new0(SanaTensor, m->text.config.layers);
    for (int i = 0; i < m->text.config.layers; i++)
        cache->kv[i] = sana_pool_tensor(cache->pool, m->text_dtype, 1, capacity,
                                        sana_gemma2_cache_channels(&m->text.config));
    cache->bos = sana_pool_tensor(cache->pool, m->text_dtype, 1, 1, m->text.config.hidden);
    if (!pool_ok(cache->pool, error)) {
        sana_text_cache_clear(cache);
        return FALSE;
    }
    cache->capacity = capacity;
    return TRUE;
}

static gboolean
cache_holds(const SanaTextCache *cache, const int32_t *ids, int count)
{
    return cache->count == count && memcmp(cache->ids, ids, (size_t)count * sizeof *ids) == 0;
}

typedef struct {
    SanaSession *session;
    TextArgs text;
    SanaTensor into; /* where the rows from `from` on go, or SANA_NONE */
    int from;
} EncodeArgs;

/* Gemma on some tokens, of whose hidden states row 0 goes to the cache (first = 0) and those from
 * `from` on into the embedding. */
static void
encode_forward(SanaStream *stream, void *user)
{
    EncodeArgs *a = user;
    const SanaModel *m = a->text.model;
    size_t mark = sana_mark(stream);
    TextArgs t = a->text;
    t.y = sana_scratch(stream, m->text_dtype, 1, a->text.y.w, m->text.config.hidden);
    text_forward(stream, &t);
    if (t.first == 0)
        sana_activate(stream, a->session->text.bos, sana_rows(t.y, 0, 1), SANA_ACT_NONE);
    if (!sana_is_none(a->into))
        sana_activate(stream, a->into, sana_rows(t.y, a->from, a->into.w), SANA_ACT_NONE);
    sana_pop(stream, mark);
}

/* Hidden states of ids[first … first + n): those from position `from` on go `into`. */
static gboolean
encode_tokens(SanaSession *s, const int32_t *ids, int first, int n, SanaTensor into, int from,
              GError **error)
{
    EncodeArgs args = {
        .session = s,
        .text = {.model = s->model, .ids = ids + first, .first = first, .kv = s->text.kv},
        .into = into,
        .from = from - first,
    };
    args.text.y.w = n;
    return run_planned(s, s->text_stream, encode_forward, &args, error);
}

/* Makes the cache hold these tokens. */
static gboolean
cache_fill(SanaSession *s, const int32_t *ids, int count, int *computed, GError **error)
{
    SanaTextCache *cache = &s->text;
    if (cache_holds(cache, ids, count))
        return TRUE;
    cache->count = 0;
    if (!encode_tokens(s, ids, 0, count, SANA_NONE, 0, error))
        return FALSE;
    g_free(cache->ids);
    cache->ids = g_memdup2(ids, (size_t)count * sizeof *ids);
    cache->count = count;
    *computed += count;
    return TRUE;
}

/* --- text → embedding ------------------------------------------------------------------------- */

/*
 * count tokens, cut to what the reference keeps; of them the last hidden states of position 0 and
 * of `head` (≥ 1) on are the embedding.  instruction: the first of them that are constant.
 */
typedef struct {
    int32_t *ids;
    int count, head;
    int instruction; /* head or 0 */
} Tokens;

static gboolean
tokenize(SanaSession *s, const char *text, const SanaPromptParams *params, Tokens *t,
         GError **error)
{
    const SanaTokenizer *tokenizer = s->model->tokenizer;
    const char *instruction =
        params->instruction ? params->instruction : sana_default_instruction();
    int rows = params->max_sequence_length ? params->max_sequence_length : DEFAULT_ROWS;
    size_t n, n_chi = 0;
    GError *cause = NULL;
    g_autofree int32_t *chi = NULL;
    if (*instruction && !g_utf8_validate(instruction, -1, NULL))
        return sana_error_settings(error, "the instruction is not UTF-8; give it as UTF-8 text");
    if (strlen(instruction) > SANA_TEXT_MAX_BYTES)
        return sana_error_settings(error,
                                   "the instruction has %zu bytes, and at most %d are read; "
                                   "shorten it",
                                   strlen(instruction), SANA_TEXT_MAX_BYTES);
    g_autofree char *whole = g_strconcat(instruction, text, NULL);
    g_autofree int32_t *ids = sana_tokenizer_encode(tokenizer, whole, &n, &cause);
    if (ids && *instruction)
        chi = sana_tokenizer_encode(tokenizer, instruction, &n_chi, &cause);
    if (cause)
        return sana_error_translate(error, cause);

    /* one is always kept, also where the instruction has none but BOS */
    size_t longest = *instruction ? MAX(n_chi + (size_t)rows - 2, 1) : (size_t)rows;
    n = MIN(n, longest);
    if (n > (size_t)s->model->text.config.max_tokens)
        return sana_error_settings(error,
                                   "instruction and prompt are %zu tokens, but the text encoder "
                                   "takes %d; shorten them",
                                   n, s->model->text.config.max_tokens);
    t->count = (int)n;
    t->head = *instruction ? MAX((int)n_chi - 1, 1) : 1;
    t->instruction =
        *instruction && t->count >= t->head && memcmp(ids, chi, (size_t)t->head * sizeof *ids) == 0
            ? t->head
            : 0;
    t->ids = g_steal_pointer(&ids);
    return TRUE;
}

/* The embedding of tokens, on the text encoder's device; rows: position 0, and from head on. */
static gboolean
encode_embeds(SanaSession *s, SanaPrompt *p, SanaTensor embeds, const Tokens *t, GError **error)
{
    int tail = MAX(t->count - t->head, 0);
    SanaTensor rest = tail > 0 ? sana_rows(embeds, 1, tail) : SANA_NONE;
    if (!cache_reserve(s, t->count, error))
        return FALSE;
    if (t->instruction > 0) {
        if (!cache_fill(s, t->ids, t->instruction, &p->computed, error))
            return FALSE;
        if (tail > 0 && !encode_tokens(s, t->ids, t->instruction, tail, rest, t->head, error))
            return FALSE;
        p->computed += tail;
    } else {
        s->text.count = 0;
        if (!encode_tokens(s, t->ids, 0, t->count, rest, t->head, error))
            return FALSE;
        p->computed = t->count;
    }
    p->total = t->count;
    sana_activate(s->text_stream, sana_rows(embeds, 0, 1), s->text.bos, SANA_ACT_NONE);
    return sana_session_finish_stream(s, s->text_stream, error);
}

/* Puts host floats (rows, c) into a tensor of the model's dtype. */
static gboolean
upload_floats(SanaSession *s, SanaTensor dst, const float *values, GError **error)
{
    GError *cause = NULL;
    size_t bytes = sana_positions(dst) * (size_t)dst.c * sizeof *values;
    if (!sana_stream_reserve(s->stream, bytes + 64, &cause))
        return sana_error_translate(error, cause);
    size_t mark = sana_mark(s->stream);
    SanaTensor f32 = sana_scratch(s->stream, SANA_F32, dst.h, dst.w, dst.c);
    sana_upload(s->stream, f32, values);
    sana_activate(s->stream, dst, f32, SANA_ACT_NONE);
    sana_pop(s->stream, mark);
    return sana_session_finish(s, error);
}

/* A tensor of the device of one of the session's streams as host floats. */
static gboolean
download_floats(SanaSession *s, SanaStream *stream, float *values, SanaTensor src, GError **error)
{
    GError *cause = NULL;
    size_t bytes = sana_positions(src) * (size_t)src.c * sizeof *values;
    if (!sana_stream_reserve(stream, bytes + 64, &cause))
        return sana_error_translate(error, cause);
    size_t mark = sana_mark(stream);
    SanaTensor f32 = sana_scratch(stream, SANA_F32, src.h, src.w, src.c);
    sana_activate(stream, f32, src, SANA_ACT_NONE);
    sana_download(stream, values, f32);
    sana_pop(stream, mark);
    return sana_session_finish_stream(s, stream, error);
}

/* On another device: encoded there, and brought here by the host. */
static gboolean
encode_apart(SanaSession *s, SanaPrompt *p, const Tokens *t, GError **error)
{
    const SanaModel *m = s->model;
    SanaPool *pool = sana_pool_new(m->text_device);
    SanaTensor there = sana_pool_tensor(pool, m->text_dtype, 1, p->embeds.w, p->embeds.c);
    g_autofree float *values = g_new(float, (gsize)p->embeds.w *(gsize)p->embeds.c);
    gboolean ok = pool_ok(pool, error) && encode_embeds(s, p, there, t, error) &&
                  download_floats(s, s->text_stream, values, there, error) &&
                  upload_floats(s, p->embeds, values, error);
    sana_pool_free(pool);
    return ok;
}

static gboolean
encode_prompt(SanaSession *s, SanaPrompt *p, const Tokens *t, GError **error)
{
    gboolean ok = s->text_stream == s->stream ? encode_embeds(s, p, p->embeds, t, error)
                                              : encode_apart(s, p, t, error);
    return ok && run_planned(s, s->stream, caption_forward, p, error);
}

static SanaPrompt *
encode(SanaSession *s, const char *text, const SanaPromptParams *params, GError **error)
{
    gint64 start = g_get_monotonic_time();
    Tokens t = {0};
    SanaPrompt *p = NULL;
    if (params->max_sequence_length < 0 || params->max_sequence_length > MAX_ROWS) {
        sana_error_settings(error, "max_sequence_length is %d, but must be 1 to %d",
                            params->max_sequence_length, MAX_ROWS);
        return NULL;
    }
    g_autofree char *prepared = sana_text_prepare(text, params->clean_caption, error);
    if (!prepared || !sana_model_check_text_files(s->model, error) ||
        !tokenize(s, prepared, params, &t, error))
        return NULL;
    p = prompt_new(s, 1 + MAX(t.count - t.head, 0));
    if (!pool_ok(p->pool, error) || !encode_prompt(s, p, &t, error))
        g_clear_pointer(&p, sana_prompt_unref);
    g_free(t.ids);
    s->times = (SanaTimes){0};
    s->times.text = s->times.total = (double)(g_get_monotonic_time() - start) * 1e-6;
    return p;
}

SanaPrompt *
sana_session_encode(SanaSession *s, const char *text, const SanaPromptParams *params,
                    GError **error)
{
    static const SanaPromptParams defaults;
    SanaPrompt *p = encode(s, text, params ? params : &defaults, error);
    sana_session_end(s, p != NULL);
    return p;
}

/* --- embeddings from outside ------------------------------------------------------------------ */

static SanaPrompt *
prompt_of_rows(SanaSession *s, const float *values, int rows, GError **error)
{
    SanaPrompt *p = prompt_new(s, rows);
    if (pool_ok(p->pool, error) && upload_floats(s, p->embeds, values, error) &&
        run_planned(s, s->stream, caption_forward, p, error))
        return p;
    sana_prompt_unref(p);
    return NULL;
}

static SanaPrompt *
encode_given(SanaSession *s, const float *embeds, const guint8 *mask, int rows, GError **error)
{
    const size_t c = (size_t)s->model->info.caption_channels;
    if (rows < 1 || rows > MAX_ROWS) {
        sana_error_settings(error, "prompt embeddings have %d rows, but must have 1 to %d", rows,
                            MAX_ROWS);
        return NULL;
    }
    int valid = 0;
    g_autofree float *kept = g_new(float, (size_t)rows *c);
    for (int i = 0; i < rows; i++)
        if (!mask || mask[i])
            memcpy(kept + (size_t)valid++ * c, embeds + (size_t)i * c, c * sizeof *kept);
    if (valid == 0) {
        sana_error_settings(error, "the mask of the prompt embeddings keeps no row; keep one");
        return NULL;
    }
    return prompt_of_rows(s, kept, valid, error);
}

SanaPrompt *
sana_session_encode_embeds(SanaSession *s, const float *embeds, const guint8 *mask, int rows,
                           GError **error)
{
    SanaPrompt *p = encode_given(s, embeds, mask, rows, error);
    sana_session_end(s, p != NULL);
    return p;
}

SanaPrompt *
sana_prompt_blank(SanaSession *s, GError **error)
{
    g_autofree float *zeros = g_new0(float, s->model->info.caption_channels);
    return prompt_of_rows(s, zeros, 1, error);
}

static gboolean
is_no_blend(const SanaPrompt *p, GError **error)
{
    return p->n_parts == 1 || sana_error_settings(error,
                                                  "a blend of %d prompts has no embedding; ask for "
                                                  "that of one of them",
                                                  p->n_parts);
}

gboolean
sana_session_get_embeds(SanaSession *s, SanaPrompt *p, float *embeds, GError **error)
{
    return sana_session_end(s, sana_prompt_check(s, p, error) && is_no_blend(p, error) &&
                                   download_floats(s, s->stream, embeds, p->embeds, error));
}
