/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTML as far as captions need it.  Pure functions over valid UTF-8, any thread; results g_free.
 *
 * Entity names are looked up in lower case only: captions are lower-cased before.
 */
#ifndef SANA_PIPELINES_MARKUP_H
#define SANA_PIPELINES_MARKUP_H

#include <glib.h>

G_BEGIN_DECLS

/*
 * The text of a piece of HTML, as BeautifulSoup(text, "html.parser").text gives it (Beautiful Soup
 * 4.15, CPython 3.11.7): tags, comments, declarations and the contents of script, style, template,
 * rt and rp go (CDATA sections in the last three stay), references become characters, what is no
 * HTML stays, white space between two tags becomes one space or newline.  Where Beautiful Soup
 * raises ("<![x") the section is dropped.
 */
char *sana_markup_text(const char *html);

/*
 * Replaces character references.  only_closed FALSE is Python's html.unescape(), which also knows
 * "&amp" and "&notit;" (¬it;); TRUE replaces only whole references that end in a semicolon.
 */
char *sana_markup_unescape(const char *text, gboolean only_closed);

G_END_DECLS
#endif
