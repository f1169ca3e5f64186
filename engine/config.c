/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/config.h"

#include "engine/untrusted.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#define MAX_BYTES (16u << 20)
#define MAX_DEPTH 64
#define MAX_SENTENCE 400 /* characters */
#define MAX_VALUES 20000 /* few enough that keys made to collide in a hash table are no harm */

struct SanaJson {
    char *path;
    JsonNode *root;
    GError *error;
};

/* --- opening ---------------------------------------------------------------------------------- */

static bool
too_long(const char *number, size_t n)
{
    static const char largest[] = "9223372036854775807";
    size_t limit = sizeof largest - 1;
    return n > limit || (n == limit && memcmp(number, largest, n) > 0);
}

/*
 * json-glib knows no bare Infinity and wraps integers beyond 64 bits round.  The first become
 * strings, which no number key accepts; the second become floating point.
 */
static GString *
tame(const char *text, size_t length)
{
    GString *out = g_string_sized_new(length + 64);
    SanaJsonScan scan = {.text = text, .length = length};
    SanaJsonToken token;
    while ((token = sana_json_scan_next(&scan)) != SANA_JSON_END) {
        size_t n = scan.at - scan.start;
        const char *p = text + scan.start;
        bool quote = token == SANA_JSON_BARE;
        if (quote)
            g_string_append_c(out, '"');
        g_string_append_len(out, p, (gssize)n);
        if (quote)
            g_string_append_c(out, '"');
        if (token == SANA_JSON_NUMBER && too_long(p, n) && !memchr(p, '.', n) &&
            !memchr(p, 'e', n) && !memchr(p, 'E', n))
            g_string_append(out, ".0");
        g_string_append_c(out, ' ');
    }
    return out;
}

static JsonNode *
parse(const char *path, GError **error)
{
    size_t length;
    const char *reason;
    g_autofree char *text = sana_untrusted_read(path, MAX_BYTES, &length, error);
    if (!text)
        return NULL;
    if (!sana_json_scan_check(text, length, MAX_DEPTH, MAX_VALUES, true, &reason)) {
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED, "%s %s; download it again",
                    path, reason);
        return NULL;
    }

    GString *tamed = tame(text, length);
    GError *why = NULL;
    JsonNode *root = json_from_string(tamed->str, &why);
    g_string_free(tamed, TRUE);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED, "%s %s; download it again",
                    path, why ? "is not JSON" : "is not a JSON object");
        g_clear_error(&why);
        g_clear_pointer(&root, json_node_unref);
    }
    return root;
}

SanaJson *
sana_json_open(const char *directory, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    JsonNode *root = parse(path, error);
    if (!root)
        return NULL;
    SanaJson *j = g_new0(SanaJson, 1);
    j->path = g_steal_pointer(&path);
    j->root = root;
    return j;
}

void
sana_json_free(SanaJson *j)
{
    if (!j)
        return;
    json_node_unref(j->root);
    g_clear_error(&j->error);
    g_free(j->path);
    g_free(j);
}

/* --- errors ----------------------------------------------------------------------------------- */

/* On one line, whatever the file's strings hold, and where they are long without their middle: what
 * is wrong stands in front of them, and what to do behind. */
static char *
tidy(const char *sentence)
{
    GString *line = g_string_new(NULL);
    const glong length = g_utf8_strlen(sentence, -1);
    glong i = 0;
    for (const char *p = sentence; *p; p = g_utf8_next_char(p), i++) {
        gunichar c = g_utf8_get_char(p);
        bool kept =
            length <= MAX_SENTENCE || i < MAX_SENTENCE / 2 || i >= length - MAX_SENTENCE / 2;
        if (kept)
            g_string_append_unichar(line, g_unichar_isprint(c) ? c : '?');
        else if (i == MAX_SENTENCE / 2)
            g_string_append(line, "…");
    }
    return g_string_free(line, FALSE);
}

void
sana_json_fail(SanaJson *j, SanaFileError code, const char *format, ...)
{
    if (j->error)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *sentence = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *line = tidy(sentence);
    j->error = g_error_new(SANA_FILE_ERROR, code, "%s: %s", j->path, line);
}

bool
sana_json_ok(const SanaJson *j)
{
    return !j->error;
}

bool
sana_json_finish(SanaJson *j, GError **error)
{
    bool ok = !j->error;
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&j->error));
    sana_json_free(j);
    return ok;
}

/* A value as it may be shown in a sentence: one line, not long. */
static char *
show(JsonNode *node)
{
    if (!node)
        return g_strdup("absent");
    char *text = json_to_string(node, FALSE);
    if (g_utf8_strlen(text, -1) > 40) {
        char *cut = g_utf8_substring(text, 0, 40);
        g_free(text);
        text = g_strconcat(cut, "…", NULL);
        g_free(cut);
    }
    return text;
}

static void
fail_value(SanaJson *j, const char *key, JsonNode *node, const char *wanted)
{
    g_autofree char *text = show(node);
    sana_json_fail(j, SANA_FILE_ERROR_MALFORMED, "%s is %s, but must be %s; download it again", key,
                   text, wanted);
}

/* --- single values ---------------------------------------------------------------------------- */

/* NULL where the key, or an object on its way, is absent. */
static JsonNode *
lookup(const SanaJson *j, const char *key)
{
    JsonNode *node = j->root;
    g_auto(GStrv) parts = g_strsplit(key, ".", -1);
    for (char **part = parts; node && *part; part++) {
        if (!JSON_NODE_HOLDS_OBJECT(node))
            return NULL;
        node = json_object_get_member(json_node_get_object(node), *part);
    }
    return node;
}

/* NULL also where it is null. */
static JsonNode *
find(const SanaJson *j, const char *key)
{
    JsonNode *node = lookup(j, key);
    return node && JSON_NODE_HOLDS_NULL(node) ? NULL : node;
}

bool
sana_json_has(SanaJson *j, const char *key)
{
    return find(j, key) != NULL;
}

bool
sana_json_is_null(SanaJson *j, const char *key)
{
    JsonNode *node = lookup(j, key);
    return node && JSON_NODE_HOLDS_NULL(node);
}

static bool
is_number(JsonNode *node)
{
    if (!node || !JSON_NODE_HOLDS_VALUE(node))
        return false;
    GType type = json_node_get_value_type(node);
    return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

static bool
is_string(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
}

static int
read_int(SanaJson *j, const char *key, JsonNode *node, int min, int max)
{
    if (is_number(node)) {
        /* Exact: 28.0 is 28, and what a double rounds is out of range anyway. */
        double value = json_node_get_double(node);
        if (value >= min && value <= max && value == floor(value))
            return (int)value;
    }
    g_autofree char *wanted = g_strdup_printf("a whole number between %d and %d", min, max);
    fail_value(j, key, node, wanted);
    return min;
}

int
sana_json_int(SanaJson *j, const char *key, int fallback, int min, int max)
{
    JsonNode *node = find(j, key);
    return node ? read_int(j, key, node, min, max) : fallback;
}

double
sana_json_double(SanaJson *j, const char *key, double fallback, double min, double max)
{
    JsonNode *node = find(j, key);
    if (!node)
        return fallback;
    if (is_number(node)) {
        double value = json_node_get_double(node);
        if (value >= min && value <= max)
            return value;
    }
    g_autofree char *wanted = g_strdup_printf("a number between %g and %g", min, max);
    fail_value(j, key, node, wanted);
    return fallback;
}

bool
sana_json_bool(SanaJson *j, const char *key, bool fallback)
{
    JsonNode *node = find(j, key);
    if (!node)
        return fallback;
    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN)
        return json_node_get_boolean(node);
    fail_value(j, key, node, "true or false");
    return fallback;
}

const char *
sana_json_string(SanaJson *j, const char *key, const char *fallback)
{
    JsonNode *node = find(j, key);
    if (!node)
        return fallback;
    if (is_string(node))
        return json_node_get_string(node);
    fail_value(j, key, node, "a string");
    return fallback;
}

/* --- lists ------------------------------------------------------------------------------------ */

static int
read_ints(SanaJson *j, const char *key, JsonNode *node, int *values, int min, int max)
{
    JsonArray *list = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    if (!list || json_array_get_length(list) > SANA_JSON_MAX_LIST) {
        fail_value(j, key, node, "a list of at most " G_STRINGIFY(SANA_JSON_MAX_LIST) " numbers");
        return 0;
    }
    int n = (int)json_array_get_length(list);
    for (int i = 0; i < n; i++) {
        g_autofree char *entry = g_strdup_printf("%s[%d]", key, i);
        values[i] = read_int(j, entry, json_array_get_element(list, (guint)i), min, max);
    }
    return j->error ? 0 : n;
}

int
sana_json_ints(SanaJson *j, const char *key, int *values, const int *fallback, int fallback_count,
               int min, int max)
{
    JsonNode *node = find(j, key);
    if (node)
        return read_ints(j, key, node, values, min, max);
    for (int i = 0; i < fallback_count; i++)
        values[i] = fallback[i];
    return fallback_count;
}

void
sana_json_strings(SanaJson *j, const char *key, const char **values, int count,
                  const char *fallback)
{
    JsonNode *node = find(j, key);
    JsonArray *list = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    const char *all = node && is_string(node) ? json_node_get_string(node) : fallback;
    for (int i = 0; i < count; i++)
        values[i] = all;
    if (!node || is_string(node))
        return;
    if (!list || json_array_get_length(list) < (guint)count) {
        g_autofree char *wanted = g_strdup_printf("a string or a list of %d strings", count);
        fail_value(j, key, node, wanted);
        return;
    }
    for (int i = 0; i < count; i++) {
        JsonNode *entry = json_array_get_element(list, (guint)i);
        g_autofree char *name = g_strdup_printf("%s[%d]", key, i);
        if (JSON_NODE_HOLDS_NULL(entry))
            values[i] = NULL;
        else if (is_string(entry))
            values[i] = json_node_get_string(entry);
        else
            fail_value(j, name, entry, "a string or null");
    }
}

void
sana_json_int_lists(SanaJson *j, const char *key, int values[][SANA_JSON_MAX_LIST], int *counts,
                    int count, int min, int max)
{
    JsonNode *node = find(j, key);
    for (int i = 0; i < count; i++)
        counts[i] = 0;
    if (!node)
        return;
    JsonArray *list = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    if (!list || json_array_get_length(list) < (guint)count) {
        g_autofree char *wanted = g_strdup_printf("a list of %d lists of numbers", count);
        fail_value(j, key, node, wanted);
        return;
    }
    for (int i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("%s[%d]", key, i);
        JsonNode *entry = json_array_get_element(list, (guint)i);
        counts[i] = read_ints(j, name, entry, values[i], min, max);
    }
}

const char *
sana_json_list_string(SanaJson *j, const char *key, int i)
{
    JsonNode *node = find(j, key);
    if (!node || !JSON_NODE_HOLDS_ARRAY(node) || i < 0)
        return NULL;
    JsonArray *list = json_node_get_array(node);
    if ((guint)i >= json_array_get_length(list))
        return NULL;
    JsonNode *entry = json_array_get_element(list, (guint)i);
    return is_string(entry) ? json_node_get_string(entry) : NULL;
}
