/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SANA-Sprint: pictures from text, and pictures from pictures and text.
 *
 *   SanaModel    a loaded model directory.  Immutable, reference counted, any thread.
 *   SanaPrompt   an encoded prompt of one model.  Immutable, reference counted, any thread.
 *   SanaSession  one line of work with its own buffers.  One thread at a time, except
 *                sana_session_cancel().  Two sessions of one model share its weights: one may draw
 *                while the other encodes the next prompt.
 *
 *     SanaModel *model = sana_model_load ("dir", NULL, NULL, &error);
 *     SanaSession *session = sana_session_new (model, &error);
 *     SanaPrompt *prompt = sana_session_encode (session, "a cat", NULL, &error);
 *     SanaImage out = { SANA_IMAGE_RGB, 1024, 1024, 1024 * 3, pixels };
 *     SanaParams params = SANA_PARAMS_DEFAULT;
 *     sana_session_text_to_image (session, prompt, &params, &out, &error);
 *
 * Functions that can fail return NULL or FALSE and set a GError whose message is one sentence that
 * names the file, tensor or parameter and what to do.  A failed call leaves everything usable, and
 * in the caller's pixels and floats anything.  Pointers are not NULL but where it says so.
 */
#ifndef SANA_H
#define SANA_H

#include <gio/gio.h>

G_BEGIN_DECLS

#define SANA_ERROR (sana_error_quark())
GQuark sana_error_quark(void);

/*
 * NOT_FOUND    a path that is not there          UNSUPPORTED  a class, device or type not run here
 * MALFORMED    a file that is not what it says   SETTINGS     a parameter out of range
 * MEMORY       more than there is                CANCELLED    sana_session_cancel(), GCancellable
 * NOT_FINITE   the latents drawn hold infinities or no numbers; the next call may be fine
 * FAILED       anything else while computing
 */
typedef enum {
    SANA_ERROR_NOT_FOUND,
    SANA_ERROR_MALFORMED,
    SANA_ERROR_UNSUPPORTED,
    SANA_ERROR_MEMORY,
    SANA_ERROR_SETTINGS,
    SANA_ERROR_CANCELLED,
    SANA_ERROR_FAILED,
    SANA_ERROR_NOT_FINITE,
} SanaError;

/* --- pictures --------------------------------------------------------------------------------- */

/*
 * RGB     8 bits, 3 bytes a pixel                    RGBA64  16 bits, host order, 4 a pixel; alpha
 * RGB_F32 float in [-1, 1], not clamped on output            is ignored on input, full on output
 */
typedef enum {
    SANA_IMAGE_RGB,
    SANA_IMAGE_RGBA64,
    SANA_IMAGE_RGB_F32,
} SanaImageFormat;

/* Pixels the caller owns.  width, height: 1 … 16384.  stride: bytes from one row to the next, a
 * multiple of the component size, at least a row's bytes. */
typedef struct {
    SanaImageFormat format;
    int width, height;
    gsize stride;
    void *pixels;
} SanaImage;

/* --- models ----------------------------------------------------------------------------------- */

typedef struct _SanaModel SanaModel;

/* AUTO is the device's fastest type of F32 and BF16.  INT8, of the CPU, and FP8, of CUDA, multiply
 * in 8 bits inside the transformer and the autoencoder: INT8 is faster than BF16, and neither is
 * quite the same picture (docs/speed-log.md, docs/cuda.md).  A type the device lacks is
 * SANA_ERROR_UNSUPPORTED listing those it has. */
typedef enum {
    SANA_PRECISION_AUTO,
    SANA_PRECISION_F32,
    SANA_PRECISION_F16,
    SANA_PRECISION_BF16,
    SANA_PRECISION_FP8,
    SANA_PRECISION_INT8,
} SanaPrecision;

/* Called from the loading thread; fraction 0 … 1 never falls. */
typedef void (*SanaProgressFunc)(double fraction, gpointer user_data);

/* All zeros are the defaults. */
typedef struct {
    const char *device; /* NULL or "auto"; "cpu", "reference", "cuda", "cuda:N" */
    SanaPrecision precision;
    const char *text_device;   /* that encodes prompts; NULL or "auto": the same device */
    SanaProgressFunc progress; /* or NULL */
    gpointer progress_data;
} SanaModelOptions;

/*
 * Checks in a few milliseconds what can be checked without loading: the directory, its
 * configurations, that the device exists and has the precision, that every tensor is there in the
 * right shape, that there is memory for all of them, and a tokenizer of the right kind.  options
 * NULL: defaults.
 */
gboolean sana_model_check(const char *path, const SanaModelOptions *options, GError **error);

/*
 * Loads a directory in diffusers layout.  Blocks for seconds; cancellable may be NULL.
 *
 * The text encoder's files stay mapped, and on the CPU it computes from them: put a new file in the
 * place of an old one rather than write into it while a model that was loaded from it lives.  A
 * prompt encoded after they were written to, as size or time of change tell, fails with
 * SANA_ERROR_MALFORMED; cutting them while one
 * is being encoded, or the model loaded, ends the process.
 */
SanaModel *sana_model_load(const char *path, const SanaModelOptions *options,
                           GCancellable *cancellable, GError **error);
SanaModel *sana_model_ref(SanaModel *model);
void sana_model_unref(SanaModel *model);

/*
 * Gives back the memory that holds the text encoder's weights; the next prompt reads them from
 * their files again.  Any thread, also while prompts are being encoded.  Does nothing where the
 * device has copies of its own: any but the CPU, and there too for weights of a type that it cannot
 * compute from (F16; F32 where precision is bf16).
 */
void sana_model_release_text_encoder(SanaModel *model);

typedef struct {
    int factor;      /* pictures must be multiples of this, 32 for SANA */
    int native_size; /* side of the pictures it was trained on, sample_size · factor */
    int latent_channels;
    int caption_channels;    /* width of a prompt embedding */
    const char *device;      /* resolved, "cpu" */
    SanaPrecision precision; /* resolved, never AUTO */
    const char *text_device; /* resolved as well */
    gsize weight_bytes;      /* memory of the device that the weights take */
    gboolean own_memory;     /* pixels are computed beside the host: sana_session_restyle_video()
                              * spares it converting them */
} SanaModelInfo;

/* Owned by the model. */
const SanaModelInfo *sana_model_info(SanaModel *model);

/* --- prompts ---------------------------------------------------------------------------------- */

typedef struct _SanaPrompt SanaPrompt;

/* All zeros are the defaults. */
typedef struct {
    /* The text put in front of the prompt ("complex human instruction"); NULL: the eight lines
     * SANA was trained with; "": none.  At most 512 KiB. */
    const char *instruction;
    gboolean clean_caption;  /* the reference's long clean-up of web captions; FALSE */
    int max_sequence_length; /* rows of text kept, 1 … 4096; 0: 300 */
} SanaPromptParams;

/* The default instruction. */
const char *sana_default_instruction(void);

SanaPrompt *sana_prompt_ref(SanaPrompt *prompt);
void sana_prompt_unref(SanaPrompt *prompt);

/* Valid rows of the embedding: BOS and the prompt's tokens; of a blend, of all its prompts. */
int sana_prompt_rows(SanaPrompt *prompt);

/* Tokens the text encoder computed for this prompt (those of the instruction are kept from the
 * prompt before) and tokens in all; both 0 of a blend and of a caller's own embedding. */
void sana_prompt_tokens(SanaPrompt *prompt, int *computed, int *total);

/* Prompts that a blend has at most. */
#define SANA_MAX_BLEND 4

/*
 * A prompt between two of one model; either may be a blend itself.  Every cross-attention asks the
 * prompts one by one and adds their answers, (1 − weight)·from + weight·to.  So weight, 0 … 1,
 * gives `from` itself at 0 and `to` itself at 1 however many rows each has, and pictures without a
 * jump between.  Computes nothing and takes no device memory; a frame of it costs one
 * cross-attention more for each further prompt.  Of more than SANA_MAX_BLEND prompts the weakest
 * are left out.
 */
SanaPrompt *sana_prompt_blend(SanaPrompt *from, SanaPrompt *to, double weight, GError **error);

/* --- sessions --------------------------------------------------------------------------------- */

typedef struct _SanaSession SanaSession;

SanaSession *sana_session_new(SanaModel *model, GError **error);
void sana_session_free(SanaSession *session); /* NULL is fine; not while another thread uses it */

/* Owned by the session. */
SanaModel *sana_session_get_model(SanaSession *session);

/* From any thread: the call in progress, or else the next one that computes, ends between two
 * layers with SANA_ERROR_CANCELLED, if it does not fail for another reason. */
void sana_session_cancel(SanaSession *session);

/* Forgets a cancellation that met no call.  The session's thread. */
void sana_session_reset(SanaSession *session);

/* text: any bytes; lower-cased and stripped as the reference does; what is not UTF-8 is
 * SANA_ERROR_SETTINGS.  NULL is "".  params NULL: defaults. */
SanaPrompt *sana_session_encode(SanaSession *session, const char *text,
                                const SanaPromptParams *params, GError **error);

/* A caller's own embedding: rows × caption_channels floats, and mask (rows bytes, 0 = ignore the
 * row) or NULL.  At least one row must be valid. */
SanaPrompt *sana_session_encode_embeds(SanaSession *session, const float *embeds,
                                       const guint8 *mask, int rows, GError **error);

/* Copies the embedding, sana_prompt_rows() × caption_channels floats.  A blend has none:
 * SANA_ERROR_SETTINGS. */
gboolean sana_session_get_embeds(SanaSession *session, SanaPrompt *prompt, float *embeds,
                                 GError **error);

/*
 * CONTINUOUS  strength is the noise fraction s of the start, t0 = atan2(s, 1 − s), then `steps`
 *             equal angles down to 0.  0 copies the picture through, 1 starts from pure noise.
 * DIFFUSERS   as SanaSprintImg2ImgPipeline: of the `steps` angles the last strength·steps, rounded
 *             up, are kept; 0 copies the picture through (there it raises).
 */
typedef enum {
    SANA_STRENGTH_CONTINUOUS,
    SANA_STRENGTH_DIFFUSERS,
} SanaStrengthMode;

/* After each step, on the session's thread: step 0 … n_steps − 1, the denoised latent so far as
 * (n_images, latent_channels, height/factor, width/factor) floats, valid during the call.  FALSE
 * ends the call with SANA_ERROR_CANCELLED.  Of this session it may call sana_session_cancel() only.
 */
typedef gboolean (*SanaStepFunc)(int step, int n_steps, const float *latent, gpointer user_data);

typedef struct {
    int steps;                     /* 1 … 20; 2 */
    double guidance_scale;         /* 0 … 20; 4.5; the model knows 4, 4.5 and 5 */
    guint64 seed;                  /* low 32 bits count, as torch.Generator("cpu") */
    double max_timesteps;          /* first angle, in radians, 0 … π/2 + 1e-5; 1.57080 */
    double intermediate_timesteps; /* second angle of two steps, in radians, to π/2 + 1e-5; 1.3;
                                    * ≤ 0: equal angles.  Of other numbers of steps it is not
                                    * looked at */
    const double *timesteps;       /* steps + 1 falling angles, in radians, ending in 0, in place of
                                    * those of the two above and of CONTINUOUS; or NULL */
    double strength;               /* 0 … 1; image-to-image only; 0.4 */
    SanaStrengthMode strength_mode;
    int n_images;         /* pictures of this prompt, 1 … 64; one draw of noise over all; 1 */
    const float *latents; /* (n_images, latent_channels, height/factor, width/factor), or NULL:
                           * drawn.  Text-to-image: the start noise; image-to-image: the noisy start
                           * itself, whatever the source shows */
    float *latent_out;    /* where the final latent goes, of the same shape, instead of decoding, or
                           * NULL */
    gboolean resolution_binning; /* text-to-image of 1024 px models at the reference's sizes, then
                                  * scaled and cropped to the size asked; FALSE.  Latents are of the
                                  * size that is drawn, see sana_resolution_bin() */
    SanaStepFunc step;           /* or NULL */
    gpointer step_data;
} SanaParams;

#define SANA_PARAMS_DEFAULT                                                                       \
    {                                                                                             \
        2, 4.5, 0, 1.57080, 1.3, NULL, 0.4, SANA_STRENGTH_CONTINUOUS, 1, NULL, NULL, FALSE, NULL, \
            NULL                                                                                  \
    }

/*
 * Replaces width × height (both ≥ 1) by the size that resolution_binning draws for it: the bin
 * whose ratio height/width is nearest; of two equally near the one with the smaller ratio.  Bins
 * are multiples of 32 of about 1024² pixels.
 */
void sana_resolution_bin(int *width, int *height);

/*
 * Plans and allocates for pictures of this size and draws one, so that the next frame is as fast as
 * any.  sana_session_times() tells how fast, with its parts apart.  A device that replays what it
 * has drawn draws three; the steps it replays are those of one prompt, so the first two frames
 * with another take somewhat longer, without measuring anything again.  SANA_ERROR_MEMORY before
 * anything is allocated if there is not enough.  Optional: the calls below do it when the size is
 * new.
 */
gboolean sana_session_prepare(SanaSession *session, int width, int height, GError **error);

/*
 * Draws params->n_images pictures of the size and format of `images` (an array of n_images, equal
 * sizes, multiples of the model's factor unless binned).  With latent_out set, the sizes are read
 * and the pixels are not touched.
 */
gboolean sana_session_text_to_image(SanaSession *session, SanaPrompt *prompt,
                                    const SanaParams *params, const SanaImage *images,
                                    GError **error);

/* Restyles `source` into params->n_images pictures of the same size.  `images` may be `source`. */
gboolean sana_session_image_to_image(SanaSession *session, SanaPrompt *prompt,
                                     const SanaParams *params, const SanaImage *source,
                                     const SanaImage *images, GError **error);

/*
 * One of Y, U, V or R, G, B in a picture of video: its sample (x, y) is the byte at
 * planes[plane] + offset + x·step + y·strides[plane].
 */
typedef struct {
    int plane;         /* 0 … 2 */
    gsize offset;      /* 0 … 3 */
    int step;          /* 1 … 4 */
    int sub_x, sub_y;  /* pixels a sample stands for, 1 or 2; an odd picture has one sample more */
    double at_x, at_y; /* where the first lies, 0 … 2 pixels from the upper left corner: 0.5 in the
                        * middle of the first pixel, 1 between the first two */
} SanaComponent;

/* Pixels as video has them, 8 bits, that the caller owns. */
typedef struct {
    int width, height;
    SanaComponent components[3];
    int filler;          /* offset in each pixel of plane 0 of a byte that is no colour, less than
                          * the step of component 0, which has a sample in each of them; or −1.
                          * It is ignored on input, 255 on output.  Other bytes of a row that no
                          * component has are 0 on output, up to its last component's */
    double matrix[3][4]; /* of a source: R, G, B in [−1, 1] = matrix · (levels 0 … 255, 1);
                          * of a target: levels = matrix · (R, G, B in [−1, 1], 1), rounded */
    void *planes[3];
    gsize strides[3];
    gboolean in_device_memory; /* the planes are in memory of a GPU, of any context of the process;
                                * only with a model on cuda.  FALSE: host memory */
} SanaVideoImage;

/* The picture that is drawn, width × height, multiples of the model's factor, and the rectangle of
 * it that shows the whole video; beside it is the mirror image.  Neither side of the rectangle is
 * more than 64 times a video's, nor the other way round. */
typedef struct {
    int width, height;
    int x, y, w, h;
} SanaContent;

/*
 * sana_session_image_to_image() of video: read, scaled, restyled and written on the device.  Sizes
 * and formats of the two may differ.  Strength 0 copies where they do not, also the bytes that no
 * component has.  One picture: n_images, latents and latent_out are at their defaults, or
 * SANA_ERROR_SETTINGS.  The target may be the source.
 */
gboolean sana_session_restyle_video(SanaSession *session, SanaPrompt *prompt,
                                    const SanaParams *params, const SanaVideoImage *source,
                                    const SanaVideoImage *target, const SanaContent *content,
                                    GError **error);

/* sana_session_prepare() for video of these sizes and formats; planes, strides and where they lie
 * are not looked at. */
gboolean sana_session_prepare_video(SanaSession *session, const SanaVideoImage *source,
                                    const SanaVideoImage *target, const SanaContent *content,
                                    GError **error);

/* How long the parts of the last call that encoded a text or drew took, in seconds; zero where they
 * did not run. */
typedef struct {
    double encode;      /* picture → latent */
    double transformer; /* all steps */
    double decode;      /* latent → picture */
    double text;        /* sana_session_encode() */
    double total;
} SanaTimes;

const SanaTimes *sana_session_times(SanaSession *session);

/* Whether each part is waited for.  Where the device works beside the caller, only then do the
 * times of parts tell them apart (total is right in any case); it costs a little.  Default:
 * FALSE. */
void sana_session_separate_parts(SanaSession *session, gboolean separate);

/* What one frame costs, from the plan: FLOP per part (image-to-image, one step), and the bytes of
 * the session's buffers. */
typedef struct {
    double encode_flop, step_flop, decode_flop;
    gsize buffer_bytes;
} SanaCost;

gboolean sana_session_cost(SanaSession *session, SanaPrompt *prompt, int width, int height,
                           SanaCost *cost, GError **error);

/* Tests: reads any inner tensor as floats by the checkpoint's module name ("transformer_blocks.0",
 * "encoder.down_blocks.1.0"); shape (h, w, c).  NULL stops. */
typedef void (*SanaTapFloats)(const char *name, const float *values, int h, int w, int c,
                              gpointer user_data);
void sana_session_set_tap(SanaSession *session, SanaTapFloats func, gpointer user_data);

G_END_DECLS
#endif
