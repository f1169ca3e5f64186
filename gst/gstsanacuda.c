/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsanacuda.h"

#include <gmodule.h>

#define LIBRARY "libgstcuda-1.0.so.0"
#define CONTEXT_TYPE "gst.cuda.context"
#define MEMORY_TYPE "gst.cuda.memory"
#define ANY_DEVICE (-1)

/* A GstCudaContext is a GstObject, and that is all of it that is used. */
typedef struct
{
  gboolean (*load_library) (void);
  void (*memory_init_once) (void);
    gboolean (*ensure_element_context) (GstElement * element, gint device_id,
      GstObject ** context);
    gboolean (*handle_set_context) (GstElement * element, GstContext * given,
      gint device_id, GstObject ** context);
    gboolean (*handle_context_query) (GstElement * element, GstQuery * query,
      GstObject * context);
  GstBufferPool *(*buffer_pool_new) (GstObject * context);
  void (*memory_sync) (GstMemory * memory);     /* 1.24 and later, else NULL */
} Library;

static gboolean
find_all (GModule * module, Library * library)
{
  const struct
  {
    const gchar *name;
    gpointer *place;
  } symbols[] = {
    {"gst_cuda_load_library", (gpointer *) & library->load_library},
    {"gst_cuda_memory_init_once", (gpointer *) & library->memory_init_once},
    {"gst_cuda_ensure_element_context",
        (gpointer *) & library->ensure_element_context},
    {"gst_cuda_handle_set_context", (gpointer *) & library->handle_set_context},
    {"gst_cuda_handle_context_query",
        (gpointer *) & library->handle_context_query},
    {"gst_cuda_buffer_pool_new", (gpointer *) & library->buffer_pool_new},
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (symbols); i++)
    if (!g_module_symbol (module, symbols[i].name, symbols[i].place))
      return FALSE;
  g_module_symbol (module, "gst_cuda_memory_sync",
      (gpointer *) & library->memory_sync);
  return TRUE;
}

static gpointer
open_library (gpointer data)
{
  static Library library;
  GModule *module = g_module_open (LIBRARY, G_MODULE_BIND_LAZY |
      G_MODULE_BIND_LOCAL);

  if (!module) {
    GST_INFO ("no %s: %s", LIBRARY, g_module_error ());
    return NULL;
  }
  /* it registers types */
  g_module_make_resident (module);
  if (!find_all (module, &library)) {
    GST_WARNING ("%s is not what was expected: %s", LIBRARY, g_module_error ());
    return NULL;
  }
  return &library;
}

static const Library *
get_library (void)
{
  static GOnce once = G_ONCE_INIT;

  return g_once (&once, open_library, NULL);
}

/* --- pictures ------------------------------------------------------------- */

gboolean
gst_sana_cuda_in_caps (const GstCaps * caps, guint i)
{
  GstCapsFeatures *features = gst_caps_get_features (caps, i);

  return features && !gst_caps_features_is_any (features) &&
      gst_caps_features_get_size (features) == 1 &&
      gst_caps_features_contains (features, GST_SANA_CUDA_MEMORY);
}

gboolean
gst_sana_cuda_is_buffer (GstBuffer * buffer)
{
  return buffer && gst_buffer_n_memory (buffer) == 1 &&
      gst_memory_is_type (gst_buffer_peek_memory (buffer, 0), MEMORY_TYPE);
}

void
gst_sana_cuda_wait (GstBuffer * buffer)
{
  const Library *library = get_library ();

  /* before 1.24 they did themselves */
  if (library && library->memory_sync)
    library->memory_sync (gst_buffer_peek_memory (buffer, 0));
}

/* --- pools and contexts --------------------------------------------------- */

gboolean
gst_sana_cuda_is_pool (GstBufferPool * pool)
{
  GType type = g_type_from_name ("GstCudaBufferPool");

  return type && g_type_is_a (G_OBJECT_TYPE (pool), type);
}

GstBufferPool *
gst_sana_cuda_pool_new (GstElement * element, GstObject ** context)
{
  const Library *library = get_library ();

  if (!library || !library->load_library ())
    return NULL;
  library->memory_init_once ();
  if (!library->ensure_element_context (element, ANY_DEVICE, context))
    return NULL;
  return library->buffer_pool_new (*context);
}

void
gst_sana_cuda_set_context (GstElement * element, GstContext * given,
    GstObject ** context)
{
  const Library *library;

  if (*context || !given || !gst_context_has_context_type (given, CONTEXT_TYPE))
    return;
  library = get_library ();
  if (library)
    library->handle_set_context (element, given, ANY_DEVICE, context);
}

gboolean
gst_sana_cuda_answer_context (GstElement * element, GstQuery * query,
    GstObject * context)
{
  const Library *library = context ? get_library () : NULL;

  return library && library->handle_context_query (element, query, context);
}
