/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backend that is a shared module of its own, so that its libraries need not be there. */
#define _GNU_SOURCE /* dladdr, realpath */
#include "kernels/backend.h"

#include <dlfcn.h>
#include <gmodule.h>
#include <stdlib.h>

/* The folder of the program or plugin that this code is part of; g_free. */
static char *
own_folder(void)
{
    Dl_info info;
    char *path = NULL, *folder;
    if (dladdr(&sana_reference_backend, &info) && info.dli_fname)
        path = realpath(info.dli_fname, NULL);
    folder = path ? g_path_get_dirname(path) : g_strdup(".");
    free(path);
    return folder;
}

/* Where the module lies: where the user says, beside this code, in the tree it was built in, or
 * installed; NULL if nowhere; g_free. */
static char *
find_module(const char *name)
{
    const char *given = g_getenv("SANA_MODULE_PATH");
    char *file = g_strdup_printf("libsana-%s.so", name);
    char *own = own_folder(), *found = NULL;
    char *folders[] = {
        g_strdup(given ? given : own),
        g_strdup(own),
        g_build_filename(own, "..", "kernels", "cuda", NULL),
        g_build_filename(own, "..", "sana", NULL),
        g_strdup(SANA_MODULE_DIR),
    };
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        char *path = g_build_filename(folders[i], file, NULL);
        if (!found && g_file_test(path, G_FILE_TEST_EXISTS))
            found = g_steal_pointer(&path);
        g_free(path);
        g_free(folders[i]);
    }
    g_free(own);
    g_free(file);
    return found;
}

/* Its entry point, checked; NULL with *why. */
static const SanaBackend *
module_backend(GModule *module, const char *path, char **why)
{
    gpointer symbol;
    if (!g_module_symbol(module, SANA_MODULE_SYMBOL, &symbol)) {
        *why = g_strdup_printf("%s is not a module of this project", path);
        return NULL;
    }
    const SanaModule *entry = symbol;
    if (g_strcmp0(entry->version, SANA_VERSION) != 0 ||
        entry->backend_bytes != sizeof(SanaBackend)) {
        *why = g_strdup_printf("%s is of version %s and this is %s; install both from one build",
                               path, entry->version, SANA_VERSION);
        return NULL;
    }
    return entry->backend;
}

bool
sana_module_exists(const char *name)
{
    char *path = find_module(name);
    bool exists = path != NULL;
    g_free(path);
    return exists;
}

const SanaBackend *
sana_module_backend(const char *name, char **why)
{
    char *path = find_module(name);
    const SanaBackend *backend = NULL;
    GModule *module = g_module_open(path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    if (!module)
        *why = g_strdup_printf("its module cannot be loaded (%s); install that library",
                               g_module_error());
    else
        backend = module_backend(module, path, why);
    /* devices may outlive the caller, and a GPU's libraries do not bear being unloaded */
    if (backend)
        g_module_make_resident(module);
    else if (module)
        g_module_close(module);
    g_free(path);
    return backend;
}

bool
sana_library_loads(const char *file)
{
    GModule *library = g_module_open(file, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    return library && g_module_close(library);
}
