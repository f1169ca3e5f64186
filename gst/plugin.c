/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * plugin-sana:
 *
 * Pictures from text and restyled video by SANA-Sprint.  Loading the plugin
 * opens no device and no model, so that both elements are there on every
 * machine and say for themselves what they miss.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstsanaimg2img.h"
#include "gstsanasrc.h"

/* What the library below tells of itself, to where GStreamer's messages go. */
static void
log_to_gst (const gchar * domain, GLogLevelFlags level, const gchar * message,
    gpointer unused)
{
  GstDebugLevel as = GST_LEVEL_DEBUG;

  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    as = GST_LEVEL_ERROR;
  else if (level & G_LOG_LEVEL_WARNING)
    as = GST_LEVEL_WARNING;
  else if (level & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO))
    as = GST_LEVEL_INFO;
  GST_CAT_LEVEL_LOG (gst_sana_category (), as, NULL, "%s", message);
}

static gboolean
plugin_init (GstPlugin * plugin)
{
  gboolean ok = FALSE;

  bindtextdomain (GETTEXT_PACKAGE, LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");

  g_log_set_handler ("sana", G_LOG_LEVEL_MASK, log_to_gst, NULL);
  ok |= GST_ELEMENT_REGISTER (sanasrc, plugin);
  ok |= GST_ELEMENT_REGISTER (sanaimg2img, plugin);
  return ok;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, sana,
    "Pictures from text and restyled video by SANA-Sprint",
    plugin_init, VERSION, "LGPL", PACKAGE_NAME, SANA_ORIGIN)
