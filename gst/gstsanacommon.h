/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What both elements share: the common properties and their values, where the
 * model is found, how a GError becomes a message on the bus, and the pixels
 * that pass between GStreamer and pipelines/sana.h.
 *
 * A GstSanaSettings is a set of values that belongs to one thread; its strings
 * are reference counted and never change, so that taking a copy is cheap.  A
 * GstSanaCommon is the one of an element that setters and the streaming thread
 * share, behind a lock of its own that is held only while copying.
 */
#ifndef GST_SANA_COMMON_H
#define GST_SANA_COMMON_H

#include <gst/gst.h>

#include "gstsanastats.h"

#include "gstsanapromptfile.h"

G_BEGIN_DECLS

/* Where the elements are documented: beside the plugin. */
#define GST_SANA_DOC_URI "file://" SANA_DOC_DIR "/README.md"

/* The debug category "sana", of what belongs to no other. */
GstDebugCategory *gst_sana_category (void);

#define GST_TYPE_SANA_PRECISION (gst_sana_precision_get_type ())
GType gst_sana_precision_get_type (void);

#define GST_TYPE_SANA_TEXT_ENCODER_MEMORY \
    (gst_sana_text_encoder_memory_get_type ())
GType gst_sana_text_encoder_memory_get_type (void);

typedef enum
{
  GST_SANA_TEXT_ENCODER_KEEP,
  GST_SANA_TEXT_ENCODER_RELEASE,        /* between prompts */
} GstSanaTextEncoderMemory;

/* Property ids of the common properties; an element's own follow. */
enum
{
  GST_SANA_PROP_0,
  GST_SANA_PROP_MODEL_PATH,
  GST_SANA_PROP_DEVICE,
  GST_SANA_PROP_TEXT_ENCODER_DEVICE,
  GST_SANA_PROP_PRECISION,
  GST_SANA_PROP_TEXT_ENCODER_MEMORY,
  GST_SANA_PROP_PROMPT,
  GST_SANA_PROP_SEED,
  GST_SANA_PROP_STEPS,
  GST_SANA_PROP_GUIDANCE_SCALE,
  GST_SANA_PROP_INSTRUCTION,
  GST_SANA_PROP_CLEAN_CAPTION,
  GST_SANA_PROP_MAX_SEQUENCE_LENGTH,
  GST_SANA_PROP_MAX_TIMESTEPS,
  GST_SANA_PROP_INTERMEDIATE_TIMESTEPS,
  GST_SANA_PROP_STATS,
  GST_SANA_PROP_POST_MESSAGES,
  GST_SANA_PROP_PROMPT_TRANSITION,
  GST_SANA_PROP_PROMPT_FILE,
  GST_SANA_PROP_FORCE_KEY_UNIT,
  GST_SANA_PROP_LAST
};

/* Values of the common properties.  The strings are GRefStrings. */
typedef struct
{
  char *model_path;             /* or NULL */
  char *device, *text_device;
  SanaPrecision precision;
  GstSanaTextEncoderMemory text_encoder_memory;
  char *prompt;
  guint64 seed;
  guint steps;
  gdouble guidance_scale;
  char *instruction;            /* or NULL: the one the model was trained with */
  gboolean clean_caption;
  guint max_sequence_length;
  gdouble max_timesteps;
  gdouble intermediate_timesteps;
  GstClockTime prompt_transition;
  gboolean force_key_unit;
} GstSanaSettings;

typedef struct
{
  GMutex lock;
  GstSanaSettings settings;
  GstSanaStats stats;           /* locks itself */

  /* Of prompt and this the one that spoke last counts; locks itself. */
  GstSanaPromptFile *file;
} GstSanaCommon;

/* How they want their model loaded; its strings are those of the settings. */
SanaModelOptions gst_sana_settings_model_options (const GstSanaSettings *
    settings);

/* Frees what *settings holds and makes it all zeros. */
void gst_sana_settings_clear (GstSanaSettings * settings);

/* dest holds nothing, or all zeros. */
void gst_sana_settings_copy (GstSanaSettings * dest,
    const GstSanaSettings * src);

/* Another prompt. */
void gst_sana_settings_set_text (GstSanaSettings * settings,
    const gchar * prompt);

/* Takes over what decides the embedding. */
void gst_sana_settings_set_prompt (GstSanaSettings * settings,
    const GstSanaSettings * from);

/* Whether both give the same embedding: prompt, instruction, clean-caption and
 * max-sequence-length. */
gboolean gst_sana_settings_same_prompt (const GstSanaSettings * a,
    const GstSanaSettings * b);

/* Whether both give the same picture from the same seed: that and steps,
 * guidance and timesteps. */
gboolean gst_sana_settings_same_picture (const GstSanaSettings * a,
    const GstSanaSettings * b);

/* Steps, guidance, seed and timesteps; the rest is SANA_PARAMS_DEFAULT. */
void gst_sana_settings_get_params (const GstSanaSettings * settings,
    SanaParams * params);

/* default_steps is the only default in which the elements differ. */
void gst_sana_common_install_properties (GObjectClass * klass,
    guint default_steps);
void gst_sana_common_init (GstSanaCommon * common, guint default_steps);
void gst_sana_common_clear (GstSanaCommon * common);

/* READY to PAUSED, before the first snapshot, and back; no lock held: whether
 * prompt-file is watched. */
void gst_sana_common_start (GstSanaCommon * common, GstElement * element);
void gst_sana_common_stop (GstSanaCommon * common);

/* Warns of a property that was set and is used from the next READY on. */
void gst_sana_warn_if_late (GstElement * element, GParamSpec * pspec);

/* Any thread; never block.  FALSE when the id is not a common one. */
gboolean gst_sana_common_set_property (GstSanaCommon * common,
    GstElement * element, guint id, const GValue * value, GParamSpec * pspec);
gboolean gst_sana_common_get_property (GstSanaCommon * common, guint id,
    GValue * value);

/* The values now, a copy to be cleared.  snapshot holds nothing, or all
 * zeros. */
void gst_sana_common_snapshot (GstSanaCommon * common,
    GstSanaSettings * snapshot);

/* --- model ---------------------------------------------------------------- */

/* NULL to READY: what can be said without loading.  FALSE: an ERROR message
 * was posted.  Call with no lock held. */
gboolean gst_sana_common_check_model (GstSanaCommon * common,
    GstElement * element);

G_END_DECLS

#endif /* GST_SANA_COMMON_H */
