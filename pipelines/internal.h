/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of pipelines/ share behind sana.h.
 *
 * When things run:
 *   per model   weights are bound and packed                              model.c
 *   per prompt  Gemma, caption, keys and values of every cross-attention  prompt.c
 *   per size    buffers, scratch, first run                               session.c
 *   per frame   encode, steps, decode                                     text_to_image.c …
 */
#ifndef SANA_PIPELINES_INTERNAL_H
#define SANA_PIPELINES_INTERNAL_H

#include "engine/autoencoder_dc.h"
#include "engine/gemma2.h"
#include "engine/sana_transformer.h"
#include "engine/tokenizer.h"
#include "pipelines/noise.h"
#include "pipelines/sana.h"
#include "pipelines/scm.h"

G_BEGIN_DECLS

/* Largest side of a picture. */
#define SANA_MAX_SIDE 16384
#define SANA_MAX_IMAGES 64
#define SANA_IMAGE_FORMATS 3

struct _SanaModel {
    gint refs; /* atomic */
    SanaModelInfo info;
    SanaDevice *device;
    SanaDType dtype;         /* of tensors */
    SanaDType inner_dtype;   /* of products inside the transformer and the autoencoder */
    SanaDevice *text_device; /* that the text encoder lies on, a reference; often the same */
    SanaDType text_dtype;
    double sigma_data;
    SanaPool *pool;      /* all weights, */
    SanaPool *text_pool; /* but the text encoder's, where that lies elsewhere; else the same */
    SanaSafetensors *files[3];
    SanaTokenizer *tokenizer;
    SanaGemma2 text;
    SanaTransformer transformer;
    SanaAutoencoder autoencoder;
};

/* An encoded prompt, which is its own only part, or a blend of several, which has no tensors. */
struct _SanaPrompt {
    gint refs; /* atomic */
    SanaModel *model;
    int n_parts;
    SanaPrompt *parts[SANA_MAX_BLEND]; /* encoded ones; references in a blend */
    double weights[SANA_MAX_BLEND];    /* > 0, sum 1 */
    SanaPool *pool;
    SanaTensor embeds;   /* (rows, caption_channels) of the model's dtype */
    SanaTensor *kv;      /* [transformer layers] (rows, 2·E) */
    int computed, total; /* tokens */
};

/* Keys and values of the instruction, kept from prompt to prompt. */
typedef struct {
    SanaPool *pool;
    SanaTensor *kv; /* [text layers] (capacity, 2·K) */
    int capacity;   /* positions */
    SanaTensor bos; /* (1, D): last hidden state of position 0, which depends on nothing else */
    int32_t *ids;   /* the tokens in kv, */
    int count;      /* this many; 0: nothing is kept */
} SanaTextCache;

/* A video's planes on the device, of one format, size and place in the picture (video.c). */
typedef struct _SanaVideoEdge SanaVideoEdge;

/* What a picture size needs; all device memory, nothing else is touched per frame. */
typedef struct {
    int width, height; /* of pictures; 0: not prepared */
    int h, w;          /* of latents */
    int n_images;
    gsize scratch; /* bytes of the stream's stack */
    SanaPool *pool;
    SanaTensor pixels[SANA_IMAGE_FORMATS]; /* (H, W, ·) as each SanaImageFormat has them */
    SanaTensor picture;                    /* (H, W, 3) of the model's dtype */
    SanaTensor z;     /* (h, w, C) of the model's dtype: into and out of the autoencoder */
    SanaTensor x;     /* (n_images·h, w, C) F32: the latents on their way */
    SanaTensor x0;    /* (n_images·h, w, C) F32: the clean latents the network sees in them */
    SanaTensor noise; /* (h, w, C) F32 */
    SanaTensor input; /* (h, w, C) of the model's dtype */
    SanaTensor v;     /* (h, w, C) F32: the network's output */
    SanaTensor coef;  /* (4, 2) F32: rows of SanaFrameCoef */
    SanaTensor blend; /* (SANA_MAX_BLEND − 1, 2) F32: SanaCondition.weights */
    SanaTensor time, guidance; /* (1) F32 */
    SanaTensor positions;      /* (h, w, D) F32 or none */
    float *host;               /* host memory: latents of n_images, channels first */
    float *turned;             /* host memory: one latent, channels last */
    /* of the first picture: a replay repeats addresses, so each format of pixels has its own */
    SanaReplay *encode[SANA_IMAGE_FORMATS], *step, *decode[SANA_IMAGE_FORMATS];
    SanaVideoEdge *video_source, *video_target; /* of the last video, or NULL */
    SanaReplay *video_encode, *video_decode;
} SanaFrame;

/* Rows of SanaFrame.coef, pairs of factors for sana_mix(). */
enum { COEF_START, COEF_INPUT, COEF_CLEAN, COEF_NEXT, COEF_ROWS };

struct _SanaSession {
    SanaModel *model;
    SanaStream *stream, *planner;
    SanaStream *text_stream; /* of the text encoder; often the same */
    GMutex cancelling;       /* of both streams at once */
    SanaTextCache text;
    SanaFrame frame;
    SanaTimes times;
    SanaPrompt *prompt; /* of the last call, a reference: a replay holds its addresses */
    SanaTapFloats tap;
    gpointer tap_data;
    gboolean separate; /* sana_session_separate_parts() */
};

/* --- errors ----------------------------------------------------------------------------------- */

/* Moves an error of a lower floor into SANA_ERROR.  Always returns FALSE. */
gboolean sana_error_translate(GError **error, GError *cause);

/* Sets SANA_ERROR_SETTINGS.  Always returns FALSE. */
gboolean sana_error_settings(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* --- shared by the loops (session.c) ---------------------------------------------------------- */

/* Ends the work given to one of the session's two streams so far; FALSE with a SANA_ERROR if any
 * failed. */
gboolean sana_session_finish_stream(SanaSession *s, SanaStream *stream, GError **error);

/* The same of the one that draws. */
gboolean sana_session_finish(SanaSession *s, GError **error);

/* How a public call ends, and returns `ok`: a call that fails before it gives work to a stream
 * finishes both, so that a cancellation ends with it. */
gboolean sana_session_end(SanaSession *s, gboolean ok);

/* Draws as often as it takes until the next picture is as fast as any; args are run's. */
typedef gboolean (*SanaFirstRun)(SanaSession *s, void *args, GError **error);
gboolean sana_session_run_first(SanaSession *s, SanaFirstRun run, void *args, GError **error);

/* Checks prompt and params, and makes s->frame ready for n_images pictures of this size. */
gboolean sana_session_begin(SanaSession *s, SanaPrompt *prompt, const SanaParams *params, int width,
                            int height, GError **error);

/* pixels → device → s->frame.z = encode(picture). */
void sana_session_encode_image(SanaSession *s, const SanaImage *image);

/* z ← x0 of picture i, decoded into image. */
void sana_session_decode_image(SanaSession *s, int i, const SanaImage *image);

/* All steps of a schedule over x of n_images, ending in x0; draws from g what they need. */
void sana_session_sample(SanaSession *s, const SanaSchedule *schedule, const SanaParams *params,
                         SanaGenerator *g);

/* The clean latents of the last step as the caller sees them, x0/σd, channels first. */
void sana_session_read_latents(SanaSession *s, int n_images, float *out);

/* Ends a call that drew, pictures or latents: the clean latents must be finite. */
gboolean sana_session_finish_images(SanaSession *s, int n_images, GError **error);

/* The start noise of all pictures into s->frame.host: the caller's, or drawn. */
void sana_session_draw(SanaSession *s, const SanaParams *params, SanaGenerator *g);

/* frame.noise ← picture i's part of s->frame.host. */
void sana_session_upload_noise(SanaSession *s, int i);

/* Puts a pair of factors into one row of frame.coef. */
void sana_session_set_coef(SanaSession *s, int row, float a, float b);

/* The part of a (n·h, w, C) tensor that belongs to picture i, (h, w, C). */
SanaTensor sana_frame_slice(const SanaFrame *f, SanaTensor x, int i);

/* The factor from x0 to what the decoder takes, for sana_frame_decode_picture(). */
void sana_session_set_decode_coef(SanaSession *s);

/* Seconds since *mark, which becomes now. */
double sana_lap(SanaSession *s, gint64 *mark);

/* --- pictures (image.c) ----------------------------------------------------------------------- */

/* Whether the image is well formed; what names it in the error. */
gboolean sana_image_check(const SanaImage *image, const char *what, GError **error);

/* The same of params->n_images outputs, and that they are of one size; with latent_out only their
 * sizes are looked at. */
gboolean sana_images_check(const SanaImage *images, const SanaParams *params, GError **error);

/* Zeroed host memory (g_free) for a picture of image's size, where `more` bytes of the device's
 * will be needed beside it; NULL with SANA_ERROR_MEMORY if there is not so much. */
void *sana_session_host_memory(SanaSession *s, gsize bytes, gsize more, const SanaImage *image,
                               GError **error);

/* Writes floats (height, width, 3) in [−1, 1] into an image of that size. */
void sana_session_store_floats(SanaSession *s, const float *picture, const SanaImage *image);

/* Copies a picture, converting the format where they differ.  The size is that of s->frame. */
void sana_session_copy_image(SanaSession *s, const SanaImage *from, const SanaImage *to);

/* A tensor (height, width, ·) as the format has its pixels. */
SanaTensor sana_image_tensor(SanaImageFormat format, SanaPool *pool, int width, int height);

/* Between an image and such a tensor. */
void sana_image_upload(SanaStream *s, SanaTensor pixels, const SanaImage *image);
void sana_image_download(SanaStream *s, const SanaImage *image, SanaTensor pixels);

/* --- video (video.c) -------------------------------------------------------------------------- */

typedef struct {
    const SanaVideoImage *source, *target;
    const SanaContent *content;
} SanaVideoPair;

/* Has s->frame, which is of content's size, ready for such video. */
gboolean sana_video_prepare(SanaSession *s, const SanaVideoPair *pair, GError **error);

/* source → s->frame.z;  s->frame.x0 → target;  source → target. */
void sana_video_encode(SanaSession *s, const SanaVideoPair *pair);
void sana_video_decode(SanaSession *s, const SanaVideoPair *pair);
void sana_video_pass_through(SanaSession *s, const SanaVideoPair *pair);

void sana_video_edge_free(SanaVideoEdge *edge); /* NULL is fine */

/* The loop of image_to_image.c; everything but the prompt and the schedule was checked. */
gboolean sana_restyle_video(SanaSession *s, SanaPrompt *prompt, const SanaParams *params,
                            const SanaVideoPair *pair, GError **error);

/* --- weights (model.c) ------------------------------------------------------------------------ */

/* Whether the text encoder's files are still those that were loaded, else FALSE with a SANA_ERROR:
 * prompts are computed from them. */
gboolean sana_model_check_text_files(const SanaModel *m, GError **error);

/* --- per prompt (prompt.c) -------------------------------------------------------------------- */

void sana_text_cache_clear(SanaTextCache *cache);

/* The factors that mix the answers of p's parts, SANA_MAX_BLEND − 1 pairs. */
void sana_prompt_mix(const SanaPrompt *p, float *pairs);

/* Whether the network reads the same keys and values for both, weights aside. */
gboolean sana_prompt_same_parts(const SanaPrompt *a, const SanaPrompt *b);

/* Whether there is a prompt, of the session's model; else FALSE with SANA_ERROR_SETTINGS. */
gboolean sana_prompt_check(const SanaSession *s, const SanaPrompt *p, GError **error);

/* A prompt of zeros in one row, for planning and first runs. */
SanaPrompt *sana_prompt_blank(SanaSession *s, GError **error);

/* --- per size (frame.c) ----------------------------------------------------------------------- */

/* Allocates f's tensors from pool, which may be the planner's. */
void sana_frame_allocate(SanaFrame *f, SanaPool *pool, const SanaModel *model, int width,
                         int height, int n_images);
void sana_frame_clear(SanaFrame *f, SanaStream *stream);

/* The forwards of a frame, for sana_stream_replay() and for the planner. */
typedef struct {
    const SanaModel *model;
    const SanaFrame *frame;
    const SanaPrompt *prompt; /* of steps */
    SanaTensor source, out;   /* pixels in and out, of frame->pixels */
    int image;                /* which of n_images */
} SanaForwardArgs;

void sana_frame_encode(SanaStream *s, void *args);
void sana_frame_step(SanaStream *s, void *args);
void sana_frame_decode(SanaStream *s, void *args);

/* x0 of picture i → f->picture. */
void sana_frame_decode_picture(SanaStream *s, const SanaModel *model, const SanaFrame *f, int i);

G_END_DECLS
#endif
