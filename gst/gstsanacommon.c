/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsanacommon.h"
#include "gstsanamessages.h"
#include "gstsanamodel.h"
#include "gstsanavalues.h"

GST_DEBUG_CATEGORY_STATIC (gst_sana_common_debug);
#define GST_CAT_DEFAULT gst_sana_category ()

#define DEFAULT_DEVICE "auto"
#define DEFAULT_PRECISION SANA_PRECISION_AUTO
#define DEFAULT_PROMPT ""
#define DEFAULT_SEED 0
#define DEFAULT_GUIDANCE_SCALE 4.5
#define DEFAULT_CLEAN_CAPTION FALSE
#define DEFAULT_MAX_SEQUENCE_LENGTH 300
#define DEFAULT_MAX_TIMESTEPS 1.57080
#define DEFAULT_INTERMEDIATE_TIMESTEPS 1.3
#define DEFAULT_PROMPT_TRANSITION 0
#define DEFAULT_FORCE_KEY_UNIT FALSE

/* An angle; the reference's 1.57080 is a little more than π/2. */
#define MAX_ANGLE 1.5708

GstDebugCategory *
gst_sana_category (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once)) {
    GST_DEBUG_CATEGORY_INIT (gst_sana_common_debug, "sana", 0,
        "SANA: settings, models and messages");
    g_once_init_leave (&once, 1);
  }
  return gst_sana_common_debug;
}

GType
gst_sana_precision_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {SANA_PRECISION_AUTO, "bf16 where the device has it, else f32", "auto"},
    {SANA_PRECISION_F32, "32 bit floating point", "f32"},
    {SANA_PRECISION_F16, "16 bit floating point; no device has it so far",
        "f16"},
    {SANA_PRECISION_BF16, "Brain floating point, 16 bits", "bf16"},
    {SANA_PRECISION_FP8,
          "8 bit floating point inside the transformer and the autoencoder, cuda only",
        "fp8"},
    {SANA_PRECISION_INT8,
          "8 bit integers inside the transformer and the autoencoder, cpu only",
        "int8"},
    {0, NULL, NULL}
  };

  return gst_sana_enum_register (&type, "GstSanaPrecision", values);
}

/* --- settings ------------------------------------------------------------- */

static char *
ref_string (char *string)
{
  return string ? g_ref_string_acquire (string) : NULL;
}

static void
replace_string (char **place, const gchar * value)
{
  if (*place)
    g_ref_string_release (*place);
  *place = value ? g_ref_string_new (value) : NULL;
}

void
gst_sana_settings_clear (GstSanaSettings * settings)
{
  replace_string (&settings->model_path, NULL);
  replace_string (&settings->device, NULL);
  replace_string (&settings->text_device, NULL);
  replace_string (&settings->prompt, NULL);
  replace_string (&settings->instruction, NULL);
  memset (settings, 0, sizeof (*settings));
}

void
gst_sana_settings_copy (GstSanaSettings * dest, const GstSanaSettings * src)
{
  *dest = *src;
  ref_string (dest->model_path);
  ref_string (dest->device);
  ref_string (dest->text_device);
  ref_string (dest->prompt);
  ref_string (dest->instruction);
}

SanaModelOptions
gst_sana_settings_model_options (const GstSanaSettings * settings)
{
  SanaModelOptions options = { 0 };

  options.device = settings->device;
  options.text_device = settings->text_device;
  options.precision = settings->precision;
  return options;
}

void
gst_sana_settings_set_text (GstSanaSettings * settings, const gchar * prompt)
{
  replace_string (&settings->prompt, prompt);
}

void
gst_sana_settings_set_prompt (GstSanaSettings * settings,
    const GstSanaSettings * from)
{
  replace_string (&settings->prompt, from->prompt);
  replace_string (&settings->instruction, from->instruction);
  settings->clean_caption = from->clean_caption;
  settings->max_sequence_length = from->max_sequence_length;
}

gboolean
gst_sana_settings_same_prompt (const GstSanaSettings * a,
    const GstSanaSettings * b)
{
  return (a->prompt == b->prompt || !g_strcmp0 (a->prompt, b->prompt)) &&
      (a->instruction == b->instruction ||
      !g_strcmp0 (a->instruction, b->instruction)) &&
      a->clean_caption == b->clean_caption &&
      a->max_sequence_length == b->max_sequence_length;
}

gboolean
gst_sana_settings_same_picture (const GstSanaSettings * a,
    const GstSanaSettings * b)
{
  return gst_sana_settings_same_prompt (a, b) && a->steps == b->steps &&
      a->guidance_scale == b->guidance_scale &&
      a->max_timesteps == b->max_timesteps &&
      a->intermediate_timesteps == b->intermediate_timesteps;
}

void
gst_sana_settings_get_params (const GstSanaSettings * settings,
    SanaParams * params)
{
  static const SanaParams defaults = SANA_PARAMS_DEFAULT;

  *params = defaults;
  params->steps = settings->steps;
  params->guidance_scale = settings->guidance_scale;
  params->seed = settings->seed;
  params->max_timesteps = settings->max_timesteps;
  params->intermediate_timesteps = settings->intermediate_timesteps;
}

/* --- properties ----------------------------------------------------------- */

#define READY (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | \
    GST_PARAM_MUTABLE_READY)
#define PLAYING (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | \
    GST_PARAM_MUTABLE_PLAYING)

static void
install_model_properties (GObjectClass * klass)
{
  g_object_class_install_property (klass, GST_SANA_PROP_MODEL_PATH,
      g_param_spec_string ("model-path", "Model path",
          "Directory of a SANA-Sprint model in diffusers layout (NULL = the "
          "environment's SANA_MODEL_PATH, or else the bundled demo model)",
          NULL, READY));
  g_object_class_install_property (klass, GST_SANA_PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "Where to compute: auto, cpu, cuda or cuda:N (auto = the first CUDA "
          "device, or else the processor; a named one that is missing is an "
          "error)", DEFAULT_DEVICE, READY));
  g_object_class_install_property (klass, GST_SANA_PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "Number format to compute in (one that the device lacks is an error)",
          GST_TYPE_SANA_PRECISION, DEFAULT_PRECISION, READY));
}

static void
install_text_encoder_properties (GObjectClass * klass)
{
  g_object_class_install_property (klass, GST_SANA_PROP_TEXT_ENCODER_DEVICE,
      g_param_spec_string ("text-encoder-device", "Text encoder device",
          "Where to encode prompts: auto, cpu, cuda or cuda:N (auto = as device; "
          "cpu leaves the memory of the GPU to pictures, and a new prompt takes "
          "longer)", DEFAULT_DEVICE, READY));
  g_object_class_install_property (klass, GST_SANA_PROP_TEXT_ENCODER_MEMORY,
      g_param_spec_enum ("text-encoder-memory", "Text encoder memory",
          "Whether the text encoder's weights stay in memory between two "
          "prompts; released ones are read from their files again (no effect "
          "where the device has copies of its own)",
          GST_TYPE_SANA_TEXT_ENCODER_MEMORY, GST_SANA_TEXT_ENCODER_KEEP,
          PLAYING));
  gst_type_mark_as_plugin_api (GST_TYPE_SANA_TEXT_ENCODER_MEMORY, 0);
}

static void
install_prompt_properties (GObjectClass * klass)
{
  g_object_class_install_property (klass, GST_SANA_PROP_PROMPT,
      g_param_spec_string ("prompt", "Prompt",
          "What the picture is to show, UTF-8", DEFAULT_PROMPT, PLAYING));
  g_object_class_install_property (klass, GST_SANA_PROP_PROMPT_FILE,
      g_param_spec_string ("prompt-file", "Prompt file",
          "Text file to take the prompt from, UTF-8, at most 64 KiB, read again "
          "when it changes; of prompt and file the one that changed last counts "
          "(NULL = none)", NULL, PLAYING));
  g_object_class_install_property (klass, GST_SANA_PROP_INSTRUCTION,
      g_param_spec_string ("instruction", "Instruction",
          "Text put in front of the prompt (NULL = the instruction the model "
          "was trained with, empty = none)", NULL, PLAYING));
  g_object_class_install_property (klass, GST_SANA_PROP_CLEAN_CAPTION,
      g_param_spec_boolean ("clean-caption", "Clean caption",
          "Remove addresses, markup and the like from the prompt, as the "
          "reference does for captions found on the web",
          DEFAULT_CLEAN_CAPTION, PLAYING));
  g_object_class_install_property (klass, GST_SANA_PROP_MAX_SEQUENCE_LENGTH,
      g_param_spec_uint ("max-sequence-length", "Maximum sequence length",
          "How many tokens of the text are kept, counted from its start",
          1, 4096, DEFAULT_MAX_SEQUENCE_LENGTH, PLAYING));
  g_object_class_install_property (klass, GST_SANA_PROP_PROMPT_TRANSITION,
      g_param_spec_uint64 ("prompt-transition", "Prompt transition",
          "Nanoseconds in which a new prompt takes over from the one before "
          "(0 = at once)", 0, G_MAXUINT64, DEFAULT_PROMPT_TRANSITION, PLAYING));
  g_object_class_install_property (klass, GST_SANA_PROP_FORCE_KEY_UNIT,
      g_param_spec_boolean ("force-key-unit", "Force key unit",
          "Ask encoders downstream for a key frame where another prompt begins",
          DEFAULT_FORCE_KEY_UNIT, PLAYING));
}

static void
install_stats_properties (GObjectClass * klass)
{
  g_object_class_install_property (klass, GST_SANA_PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "What the element has done since it was started: counts of frames, "
          "ms per part of a frame, frames a second, ns of latency, bytes of "
          "memory; notified about once a second", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (klass, GST_SANA_PROP_POST_MESSAGES,
      g_param_spec_boolean ("post-messages", "Post messages",
          "Post the statistics as an element message sana-stats about once a "
          "second", FALSE, PLAYING));
}

void
gst_sana_common_install_properties (GObjectClass * klass, guint default_steps)
{
  gst_sana_category ();
  install_model_properties (klass);
  install_text_encoder_properties (klass);
  install_prompt_properties (klass);

  g_object_class_install_property (klass, GST_SANA_PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Seed of the noise a picture starts from (the low 32 bits count)",
          0, G_MAXUINT64, DEFAULT_SEED, PLAYING));
  g_object_class_install_property (klass, GST_SANA_PROP_STEPS,
      g_param_spec_uint ("steps", "Steps",
          "Steps of denoising per picture: more is slower and finer",
          1, 20, default_steps, PLAYING));
  g_object_class_install_property (klass, GST_SANA_PROP_GUIDANCE_SCALE,
      g_param_spec_double ("guidance-scale", "Guidance scale",
          "How strongly the prompt is followed (trained on 4, 4.5 and 5)",
          0.0, 20.0, DEFAULT_GUIDANCE_SCALE, PLAYING | GST_PARAM_CONTROLLABLE));
  g_object_class_install_property (klass, GST_SANA_PROP_MAX_TIMESTEPS,
      g_param_spec_double ("max-timesteps", "Maximum timesteps",
          "First angle of the schedule, in radians (pi/2 = pure noise)",
          0.0, MAX_ANGLE, DEFAULT_MAX_TIMESTEPS, PLAYING));
  g_object_class_install_property (klass,
      GST_SANA_PROP_INTERMEDIATE_TIMESTEPS,
      g_param_spec_double ("intermediate-timesteps", "Intermediate timesteps",
          "Second angle of a schedule of two steps, in radians (0 or less = "
          "none, equal angles; other numbers of steps always have equal "
          "angles)", -1.0, MAX_ANGLE, DEFAULT_INTERMEDIATE_TIMESTEPS, PLAYING));

  install_stats_properties (klass);

  gst_type_mark_as_plugin_api (GST_TYPE_SANA_PRECISION, 0);
}

/* Another thread than the setters', perhaps. */
static void
on_prompt_file (gpointer user_data, GstElement * element, const gchar * text,
    const GError * error)
{
  GstSanaCommon *common = user_data;

  if (text) {
    GST_INFO_OBJECT (element, "the prompt file says '%.60s'", text);
    g_mutex_lock (&common->lock);
    replace_string (&common->settings.prompt, text);
    g_mutex_unlock (&common->lock);
    g_object_notify (G_OBJECT (element), "prompt");
  } else {
    gst_element_message_full (element, GST_MESSAGE_WARNING, error->domain,
        error->code, g_strdup_printf (_("%s.  The prompt stays as it was."),
            error->message), NULL, __FILE__, GST_FUNCTION, __LINE__);
  }
}

void
gst_sana_common_init (GstSanaCommon * common, guint default_steps)
{
  GstSanaSettings *s = &common->settings;

  memset (common, 0, sizeof (*common));
  common->file = gst_sana_prompt_file_new (on_prompt_file, common);
  g_mutex_init (&common->lock);
  gst_sana_stats_init (&common->stats);
  s->device = g_ref_string_new (DEFAULT_DEVICE);
  s->text_device = g_ref_string_new (DEFAULT_DEVICE);
  s->precision = DEFAULT_PRECISION;
  s->prompt = g_ref_string_new (DEFAULT_PROMPT);
  s->seed = DEFAULT_SEED;
  s->steps = default_steps;
  s->guidance_scale = DEFAULT_GUIDANCE_SCALE;
  s->clean_caption = DEFAULT_CLEAN_CAPTION;
  s->max_sequence_length = DEFAULT_MAX_SEQUENCE_LENGTH;
  s->max_timesteps = DEFAULT_MAX_TIMESTEPS;
  s->intermediate_timesteps = DEFAULT_INTERMEDIATE_TIMESTEPS;
  s->prompt_transition = DEFAULT_PROMPT_TRANSITION;
  s->force_key_unit = DEFAULT_FORCE_KEY_UNIT;
}

void
gst_sana_common_clear (GstSanaCommon * common)
{
  gst_sana_prompt_file_free (common->file);
  gst_sana_settings_clear (&common->settings);
  gst_sana_stats_clear (&common->stats);
  g_mutex_clear (&common->lock);
}

void
gst_sana_common_start (GstSanaCommon * common, GstElement * element)
{
  gst_sana_prompt_file_start (common->file, element);
}

void
gst_sana_common_stop (GstSanaCommon * common)
{
  gst_sana_prompt_file_stop (common->file);
}

static gboolean
set_locked (GstSanaSettings * s, guint id, const GValue * value)
{
  const gchar *string = G_VALUE_HOLDS_STRING (value) ?
      g_value_get_string (value) : NULL;

  switch (id) {
    case GST_SANA_PROP_MODEL_PATH:
      replace_string (&s->model_path, string);
      return TRUE;
    case GST_SANA_PROP_DEVICE:
      replace_string (&s->device, string ? string : DEFAULT_DEVICE);
      return TRUE;
    case GST_SANA_PROP_TEXT_ENCODER_DEVICE:
      replace_string (&s->text_device, string ? string : DEFAULT_DEVICE);
      return TRUE;
    case GST_SANA_PROP_PRECISION:
      s->precision = g_value_get_enum (value);
      return TRUE;
    case GST_SANA_PROP_TEXT_ENCODER_MEMORY:
      s->text_encoder_memory = g_value_get_enum (value);
      return TRUE;
    case GST_SANA_PROP_PROMPT:
      replace_string (&s->prompt, string ? string : DEFAULT_PROMPT);
      return TRUE;
    case GST_SANA_PROP_SEED:
      s->seed = g_value_get_uint64 (value);
      return TRUE;
    case GST_SANA_PROP_STEPS:
      s->steps = g_value_get_uint (value);
      return TRUE;
    case GST_SANA_PROP_GUIDANCE_SCALE:
      s->guidance_scale = g_value_get_double (value);
      return TRUE;
    case GST_SANA_PROP_INSTRUCTION:
      replace_string (&s->instruction, string);
      return TRUE;
    case GST_SANA_PROP_CLEAN_CAPTION:
      s->clean_caption = g_value_get_boolean (value);
      return TRUE;
    case GST_SANA_PROP_MAX_SEQUENCE_LENGTH:
      s->max_sequence_length = g_value_get_uint (value);
      return TRUE;
    case GST_SANA_PROP_MAX_TIMESTEPS:
      s->max_timesteps = g_value_get_double (value);
      return TRUE;
    case GST_SANA_PROP_INTERMEDIATE_TIMESTEPS:
      s->intermediate_timesteps = g_value_get_double (value);
      return TRUE;
    case GST_SANA_PROP_PROMPT_TRANSITION:
      s->prompt_transition = g_value_get_uint64 (value);
      return TRUE;
    case GST_SANA_PROP_FORCE_KEY_UNIT:
      s->force_key_unit = g_value_get_boolean (value);
      return TRUE;
    default:
      return FALSE;
  }
}

void
gst_sana_warn_if_late (GstElement * element, GParamSpec * pspec)
{
  if ((pspec->flags & GST_PARAM_MUTABLE_READY) &&
      GST_STATE (element) > GST_STATE_READY)
    GST_WARNING_OBJECT (element, "%s is used from the next change from READY "
        "to PAUSED on", pspec->name);
}

gboolean
gst_sana_common_set_property (GstSanaCommon * common, GstElement * element,
    guint id, const GValue * value, GParamSpec * pspec)
{
  gboolean known;

  if (id == GST_SANA_PROP_POST_MESSAGES) {
    gst_sana_stats_set_post (&common->stats, g_value_get_boolean (value));
    return TRUE;
  }
  if (id == GST_SANA_PROP_PROMPT_FILE) {
    gst_sana_prompt_file_set_path (common->file, g_value_get_string (value));
    return TRUE;
  }
  if (id == GST_SANA_PROP_PROMPT)
    gst_sana_prompt_file_yield (common->file);
  g_mutex_lock (&common->lock);
  known = set_locked (&common->settings, id, value);
  g_mutex_unlock (&common->lock);

  if (known)
    gst_sana_warn_if_late (element, pspec);
  return known;
}

static gboolean
get_locked (const GstSanaSettings * s, guint id, GValue * value)
{
  switch (id) {
    case GST_SANA_PROP_MODEL_PATH:
      g_value_set_string (value, s->model_path);
      return TRUE;
    case GST_SANA_PROP_DEVICE:
      g_value_set_string (value, s->device);
      return TRUE;
    case GST_SANA_PROP_TEXT_ENCODER_DEVICE:
      g_value_set_string (value, s->text_device);
      return TRUE;
    case GST_SANA_PROP_PRECISION:
      g_value_set_enum (value, s->precision);
      return TRUE;
    case GST_SANA_PROP_TEXT_ENCODER_MEMORY:
      g_value_set_enum (value, s->text_encoder_memory);
      return TRUE;
    case GST_SANA_PROP_PROMPT:
      g_value_set_string (value, s->prompt);
      return TRUE;
    case GST_SANA_PROP_SEED:
      g_value_set_uint64 (value, s->seed);
      return TRUE;
    case GST_SANA_PROP_STEPS:
      g_value_set_uint (value, s->steps);
      return TRUE;
    case GST_SANA_PROP_GUIDANCE_SCALE:
      g_value_set_double (value, s->guidance_scale);
      return TRUE;
    case GST_SANA_PROP_INSTRUCTION:
      g_value_set_string (value, s->instruction);
      return TRUE;
    case GST_SANA_PROP_CLEAN_CAPTION:
      g_value_set_boolean (value, s->clean_caption);
      return TRUE;
    case GST_SANA_PROP_MAX_SEQUENCE_LENGTH:
      g_value_set_uint (value, s->max_sequence_length);
      return TRUE;
    case GST_SANA_PROP_MAX_TIMESTEPS:
      g_value_set_double (value, s->max_timesteps);
      return TRUE;
    case GST_SANA_PROP_INTERMEDIATE_TIMESTEPS:
      g_value_set_double (value, s->intermediate_timesteps);
      return TRUE;
    case GST_SANA_PROP_PROMPT_TRANSITION:
      g_value_set_uint64 (value, s->prompt_transition);
      return TRUE;
    case GST_SANA_PROP_FORCE_KEY_UNIT:
      g_value_set_boolean (value, s->force_key_unit);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
gst_sana_common_get_property (GstSanaCommon * common, guint id, GValue * value)
{
  gboolean known;

  if (id == GST_SANA_PROP_STATS) {
    g_value_take_boxed (value, gst_sana_stats_to_structure (&common->stats));
    return TRUE;
  }
  if (id == GST_SANA_PROP_POST_MESSAGES) {
    g_value_set_boolean (value, gst_sana_stats_get_post (&common->stats));
    return TRUE;
  }
  if (id == GST_SANA_PROP_PROMPT_FILE) {
    g_value_take_string (value, gst_sana_prompt_file_get_path (common->file));
    return TRUE;
  }
  g_mutex_lock (&common->lock);
  known = get_locked (&common->settings, id, value);
  g_mutex_unlock (&common->lock);
  return known;
}

void
gst_sana_common_snapshot (GstSanaCommon * common, GstSanaSettings * snapshot)
{
  g_mutex_lock (&common->lock);
  gst_sana_settings_copy (snapshot, &common->settings);
  g_mutex_unlock (&common->lock);
}

/* --- model ---------------------------------------------------------------- */

gboolean
gst_sana_common_check_model (GstSanaCommon * common, GstElement * element)
{
  GstSanaSettings settings;
  SanaModelOptions options;
  GError *error = NULL;
  gchar *path;
  gboolean ok;

  gst_sana_common_snapshot (common, &settings);
  options = gst_sana_settings_model_options (&settings);
  path = gst_sana_find_model (settings.model_path);
  ok = sana_model_check (path, &options, &error);
  GST_INFO_OBJECT (element, "model %s on %s: %s", path, settings.device,
      ok ? "found" : error->message);
  if (!ok)
    gst_sana_post_error (element, GST_SANA_DOING_OPEN, error);
  g_clear_error (&error);
  g_free (path);
  gst_sana_settings_clear (&settings);
  return ok;
}
