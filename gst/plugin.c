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

static gboolean
plugin_init (GstPlugin * plugin)
{
  gboolean ok = FALSE;

  bindtextdomain (GETTEXT_PACKAGE, LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");

  ok |= GST_ELEMENT_REGISTER (sanasrc, plugin);
  ok |= GST_ELEMENT_REGISTER (sanaimg2img, plugin);
  return ok;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, sana,
    "Pictures from text and restyled video by SANA-Sprint",
    plugin_init, VERSION, "LGPL", PACKAGE_NAME, SANA_ORIGIN)
