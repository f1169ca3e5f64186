/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The built plugin itself, named by SANA_PLUGIN: what it exports, and what scanning it costs. */
#define _GNU_SOURCE /* memmem */
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <math.h>
#include <string.h>

static const char *plugin;

static gboolean
is_instrumented(void)
{
    char *text;
    gsize length;
    gboolean found;

    g_assert_true(g_file_get_contents(plugin, &text, &length, NULL));
    found = memmem(text, length, "__asan_init", 11) || memmem(text, length, "__tsan_init", 11);
    g_free(text);
    return found;
}

static void
exports_its_entry_points_only(void)
{
    char *argv[] = {"nm", "-D", "--defined-only", (char *)plugin, NULL};
    char *out = NULL;
    GError *error = NULL;
    int symbols = 0;

    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, NULL,
                      &error)) {
        g_test_skip(error->message);
        g_error_free(error);
        return;
    }
    char **lines = g_strsplit(g_strstrip(out), "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *name = strrchr(*line, ' ');
        g_test_message("%s", *line);
        g_assert_nonnull(name);
        g_assert_true(g_str_has_prefix(name + 1, "gst_plugin_"));
        symbols++;
    }
    g_assert_cmpint(symbols, ==, 2);
    g_strfreev(lines);
    g_free(out);
}

/* gst-inspect-1.0 with this plugin alone and a registry to be written: what scanning adds. */
static int
scan_ms(const char *folder)
{
    char *registry = g_build_filename(folder, "registry", NULL);
    char *plugins = g_path_get_dirname(plugin);
    char **env = g_get_environ();
    char *argv[] = {"gst-inspect-1.0", "sanasrc", NULL};
    GError *error = NULL;
    int status;

    env = g_environ_setenv(env, "GST_REGISTRY", registry, TRUE);
    env = g_environ_setenv(env, "GST_REGISTRY_1_0", registry, TRUE);
    env = g_environ_setenv(env, "GST_PLUGIN_PATH", plugins, TRUE);
    env = g_environ_setenv(env, "GST_PLUGIN_PATH_1_0", plugins, TRUE);
    env = g_environ_setenv(env, "GST_PLUGIN_SYSTEM_PATH", "", TRUE);
    env = g_environ_setenv(env, "GST_PLUGIN_SYSTEM_PATH_1_0", "", TRUE);
    gint64 begin = g_get_monotonic_time();
    gboolean ok =
        g_spawn_sync(NULL, argv, env,
                     G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                     NULL, NULL, NULL, NULL, &status, &error);
    int ms = (g_get_monotonic_time() - begin) / 1000;
    if (!ok) {
        g_test_skip(error->message);
        g_error_free(error);
        ms = -1;
    } else {
        g_assert_cmpint(status, ==, 0);
        g_assert_true(g_file_test(registry, G_FILE_TEST_EXISTS));
    }
    g_remove(registry);
    g_strfreev(env);
    g_free(plugins);
    g_free(registry);
    return ms;
}

static void
is_scanned_within_a_tenth_of_a_second(void)
{
    GError *error = NULL;
    char *folder;
    int best = G_MAXINT;

    if (is_instrumented()) {
        g_test_skip("the plugin is built with a sanitizer, which gst-inspect-1.0 is not");
        return;
    }
    folder = g_dir_make_tmp("sana-scan-XXXXXX", &error);
    g_assert_no_error(error);
    /* the best of several, as the machine may be busy with other tests */
    for (int i = 0; i < 8 && best >= 100; i++) {
        int ms = scan_ms(folder);
        if (ms < 0)
            break;
        g_test_message("%d ms", ms);
        best = MIN(best, ms);
    }
    if (best != G_MAXINT)
        g_assert_cmpint(best, <, 100);
    g_rmdir(folder);
    g_free(folder);
}

static int
entries(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    int n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir))
        n++;
    g_dir_close(dir);
    return n;
}

static void
load(void)
{
    GError *error = NULL;
    GstPlugin *loaded = gst_plugin_load_file(plugin, &error);

    g_assert_no_error(error);
    g_assert_true(gst_registry_add_plugin(gst_registry_get(), gst_object_ref(loaded)));
    gst_object_unref(loaded);
}

/* In a process of its own, after what GStreamer itself opens and starts is there. */
static void
opens_and_starts_nothing_when_loaded(void)
{
    GstElement *element;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        return;
    }
    int files = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    load();
    static const char *const names[] = {"sanasrc", "sanaimg2img"};
    for (guint i = 0; i < 2; i++) {
        element = gst_element_factory_make(names[i], NULL);
        g_assert_nonnull(element);
        gst_object_unref(element);
    }
    g_assert_cmpint(entries("/proc/self/fd"), ==, files);
    g_assert_cmpint(entries("/proc/self/task"), ==, threads);

    char *maps;
    g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    g_assert_null(strstr(maps, "libcuda"));
    g_assert_null(strstr(maps, "libcudart"));
    g_free(maps);
}

static gboolean
is_time(GParamSpec *spec)
{
    return (spec->value_type == G_TYPE_UINT64 || spec->value_type == G_TYPE_INT64) &&
           strcmp(spec->name, "seed") != 0;
}

/* As the pages write it; g_free. */
static char *
default_of(GParamSpec *spec)
{
    const GValue *value = g_param_spec_get_default_value(spec);
    if (G_VALUE_HOLDS_STRING(value)) {
        const char *text = g_value_get_string(value);
        return g_strdup(!text ? "NULL" : *text ? text : "empty");
    }
    if (G_IS_PARAM_SPEC_ENUM(spec))
        return g_strdup(
            g_enum_get_value(G_PARAM_SPEC_ENUM(spec)->enum_class, g_value_get_enum(value))
                ->value_nick);
    if (G_VALUE_HOLDS_BOOLEAN(value))
        return g_strdup(g_value_get_boolean(value) ? "true" : "false");
    if (G_VALUE_HOLDS_DOUBLE(value))
        return g_strdup_printf("%g", g_value_get_double(value));
    if (G_VALUE_HOLDS_UINT64(value) && g_value_get_uint64(value) == G_MAXUINT64)
        return g_strdup("2⁶⁴−1");
    return gst_value_serialize(value);
}

/* A limit as the pages write it. */
static void
append_limit(GString *text, double limit)
{
    if (limit == G_MAXUINT)
        g_string_append(text, "2³²−1");
    else if (limit == 0x1p64)
        g_string_append(text, "2⁶⁴−1");
    else
        g_string_append_printf(text, "%s%g", limit < 0 ? "−" : "", fabs(limit));
}

/* As the pages write it, without a unit; g_free.  NULL of text, which has none. */
static char *
range_of(GParamSpec *spec)
{
    GString *text = g_string_new(NULL);
    double low = 0, high = 0;
    if (spec->value_type == G_TYPE_STRING)
        return g_string_free(text, TRUE);
    if (G_IS_PARAM_SPEC_BOOLEAN(spec))
        return g_string_free(g_string_append(text, "boolean"), FALSE);
    if (G_IS_PARAM_SPEC_ENUM(spec)) {
        const GEnumClass *all = G_PARAM_SPEC_ENUM(spec)->enum_class;
        for (guint i = 0; i < all->n_values; i++)
            g_string_append_printf(text, "%s%s", i ? ", " : "", all->values[i].value_nick);
        return g_string_free(text, FALSE);
    }
    if (G_IS_PARAM_SPEC_UINT(spec)) {
        low = G_PARAM_SPEC_UINT(spec)->minimum, high = G_PARAM_SPEC_UINT(spec)->maximum;
    } else if (G_IS_PARAM_SPEC_DOUBLE(spec)) {
        low = G_PARAM_SPEC_DOUBLE(spec)->minimum, high = G_PARAM_SPEC_DOUBLE(spec)->maximum;
    } else if (G_IS_PARAM_SPEC_UINT64(spec)) {
        low = G_PARAM_SPEC_UINT64(spec)->minimum, high = G_PARAM_SPEC_UINT64(spec)->maximum;
    } else {
        low = G_PARAM_SPEC_INT64(spec)->minimum, high = G_PARAM_SPEC_INT64(spec)->maximum;
    }
    /* of times that are not limited only the unit */
    if (is_time(spec) && high == (low < 0 ? 0x1p63 : 0x1p64) && low == (low < 0 ? -0x1p63 : 0))
        return g_string_free(g_string_append(text, low < 0 ? "ns, may be negative" : "ns"), FALSE);
    append_limit(text, low);
    g_string_append(text, " … ");
    append_limit(text, high);
    return g_string_free(text, FALSE);
}

/* Its row in a page says range and default, and when it may be set. */
static void
check_row(const char *page, const char *text, GParamSpec *spec)
{
    g_autofree char *begin = g_strdup_printf("\n| `%s` | ", spec->name);
    const char *row = strstr(text, begin);
    if (!row)
        g_error("%s has no row of %s", page, spec->name);
    if (!(spec->flags & G_PARAM_WRITABLE))
        return;
    g_autofree char *value = default_of(spec), *range = range_of(spec);
    g_auto(GStrv) cells = g_strsplit(row + strlen(begin), " | ", 3);
    g_auto(GStrv) parts = g_strsplit(cells[0], "; ", 2);
    static const char *const units[] = {" tokens", " radians", " pixels"};
    for (guint i = 0; i < G_N_ELEMENTS(units); i++)
        if (g_str_has_suffix(parts[0], units[i]))
            parts[0][strlen(parts[0]) - strlen(units[i])] = 0;
    if (range)
        g_assert_cmpstr(parts[0], ==, range);
    /* what it means may follow */
    g_auto(GStrv) said = g_strsplit(parts[1] ? parts[1] : "", " = ", 2);
    g_assert_cmpstr(said[0], ==, value);
    g_assert_cmpstr(cells[1], ==,
                    spec->flags & GST_PARAM_CONTROLLABLE      ? "any time, controllable"
                    : spec->flags & GST_PARAM_MUTABLE_PLAYING ? "any time"
                                                              : "READY");
}

/* Rows 25 and 41: gst-inspect-1.0 and the page in docs/ tell of every property; types are part of
 * what the plugin offers. */
static void
check_manual(const char *factory)
{
    char *page = g_strdup_printf("%s/%s.md", SANA_DOCS, factory), *text;
    GstElement *element = gst_element_factory_make(factory, NULL);
    GstElementClass *klass = GST_ELEMENT_GET_CLASS(element);
    static const char *const metadata[] = {
        GST_ELEMENT_METADATA_LONGNAME, GST_ELEMENT_METADATA_KLASS, GST_ELEMENT_METADATA_DESCRIPTION,
        GST_ELEMENT_METADATA_AUTHOR, GST_ELEMENT_METADATA_DOC_URI};
    for (guint i = 0; i < G_N_ELEMENTS(metadata); i++)
        g_assert_nonnull(gst_element_class_get_metadata(klass, metadata[i]));

    g_assert_true(g_file_get_contents(page, &text, NULL, NULL));
    GParamSpec **specs = g_object_class_list_properties(G_OBJECT_CLASS(klass), NULL);
    for (GParamSpec **spec = specs; *spec; spec++) {
        const char *blurb = g_param_spec_get_blurb(*spec);
        if (g_str_has_prefix(g_type_name((*spec)->owner_type), "GstSana")) {
            g_test_message("%s %s: %s", factory, (*spec)->name, blurb);
            g_assert_cmpuint(strlen(blurb), >, 15);
            g_assert_cmpint(blurb[strlen(blurb) - 1], !=, '.');
            if (is_time(*spec))
                g_assert_true(strstr(blurb, "anosecond") || strstr(blurb, "in ns"));
            if ((*spec)->flags & G_PARAM_WRITABLE)
                g_assert_true((*spec)->flags &
                              (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PLAYING));
            if (G_IS_PARAM_SPEC_ENUM(*spec))
                g_assert_true(gst_type_is_plugin_api((*spec)->value_type, NULL));
            check_row(page, text, *spec);
        }
    }
    g_free(specs);
    g_free(text);
    g_free(page);
    gst_object_unref(element);
}

static void
is_its_own_manual(void)
{
    load();
    check_manual("sanasrc");
    check_manual("sanaimg2img");
}

/* Without model-path and SANA_MODEL_PATH it is the demo model that is opened; here as it lies in
 * the source tree, or installed. */
static void
finds_the_demo_model(void)
{
    load();
    GstElement *src = gst_element_factory_make("sanasrc", NULL);

    g_assert_nonnull(src);
    g_assert_cmpint(gst_element_set_state(src, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state(src, GST_STATE_NULL);
    g_setenv("SANA_MODEL_PATH", "/no/such/model", TRUE);
    g_assert_cmpint(gst_element_set_state(src, GST_STATE_READY), ==, GST_STATE_CHANGE_FAILURE);
    gst_element_set_state(src, GST_STATE_NULL);
    g_unsetenv("SANA_MODEL_PATH");
    gst_object_unref(src);
}

/* A directory without a model in it, by the real pipelines: one sentence that names it. */
static void
says_what_is_wrong_with_a_directory(void)
{
    GError *error = NULL;
    char *folder = g_dir_make_tmp("sana-empty-XXXXXX", &error), *debug = NULL;
    load();
    GstElement *src = gst_element_factory_make("sanasrc", NULL);
    GstBus *bus = gst_bus_new();

    g_assert_no_error(error);
    gst_element_set_bus(src, bus);
    g_object_set(src, "model-path", folder, NULL);
    g_assert_cmpint(gst_element_set_state(src, GST_STATE_READY), ==, GST_STATE_CHANGE_FAILURE);
    GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    g_assert_nonnull(message);
    gst_message_parse_error(message, &error, &debug);
    g_test_message("%s", error->message);
    g_assert_true(error->domain == GST_RESOURCE_ERROR);
    g_assert_nonnull(strstr(error->message, folder));
    g_error_free(error);
    g_free(debug);
    gst_message_unref(message);
    gst_element_set_state(src, GST_STATE_NULL);
    gst_element_set_bus(src, NULL);
    gst_object_unref(bus);
    gst_object_unref(src);
    g_rmdir(folder);
    g_free(folder);
}

static void
note(GstDebugCategory *category, GstDebugLevel level, const gchar *file, const gchar *function,
     gint line, GObject *object, GstDebugMessage *message, gpointer data)
{
    if (g_str_equal(gst_debug_category_get_name(category), "sana") &&
        g_str_equal(gst_debug_message_get(message), "a word of the library's"))
        *(GstDebugLevel *)data = level;
}

/* Not to the program's standard error, past GST_DEBUG. */
static void
has_the_library_speak_through_gstreamer(void)
{
    GstDebugLevel heard = GST_LEVEL_NONE;
    GError *error = NULL;
    GstPlugin *loaded = gst_plugin_load_file(plugin, &error);

    g_assert_no_error(error);
    gst_debug_add_log_function(note, &heard, NULL);
    gst_debug_set_threshold_from_string("sana:6", FALSE);
    g_log("sana", G_LOG_LEVEL_MESSAGE, "a word of the library's");
    gst_debug_remove_log_function(note);
    g_assert_cmpint(heard, ==, GST_LEVEL_INFO);
    gst_object_unref(loaded);
}

int
main(int argc, char **argv)
{
    plugin = g_getenv("SANA_PLUGIN");
    g_unsetenv("SANA_MODEL_PATH");
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_assert_nonnull(plugin);
#define TEST(f) g_test_add_func("/plugin/" #f, f)
    TEST(exports_its_entry_points_only);
    TEST(is_scanned_within_a_tenth_of_a_second);
    TEST(opens_and_starts_nothing_when_loaded);
    TEST(is_its_own_manual);
    TEST(finds_the_demo_model);
    TEST(says_what_is_wrong_with_a_directory);
    TEST(has_the_library_speak_through_gstreamer);
    return g_test_run();
}
