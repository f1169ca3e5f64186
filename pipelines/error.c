/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pipelines/internal.h"

GQuark
sana_error_quark(void)
{
    return g_quark_from_static_string("sana-error");
}

static SanaError
translate_code(const GError *cause)
{
    if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return SANA_ERROR_CANCELLED;
    if (cause->domain == SANA_FILE_ERROR) {
        switch ((SanaFileError)cause->code) {
        case SANA_FILE_ERROR_MISSING:
            return SANA_ERROR_NOT_FOUND;
        case SANA_FILE_ERROR_UNSUPPORTED:
            return SANA_ERROR_UNSUPPORTED;
        case SANA_FILE_ERROR_MALFORMED:
        case SANA_FILE_ERROR_WEIGHTS:
            return SANA_ERROR_MALFORMED;
        }
    }
    if (cause->domain == SANA_DEVICE_ERROR) {
        switch ((SanaDeviceError)cause->code) {
        case SANA_DEVICE_ERROR_MISSING:
            return SANA_ERROR_UNSUPPORTED;
        case SANA_DEVICE_ERROR_MEMORY:
            return SANA_ERROR_MEMORY;
        case SANA_DEVICE_ERROR_CANCELLED:
            return SANA_ERROR_CANCELLED;
        case SANA_DEVICE_ERROR_FAILED:
            return SANA_ERROR_FAILED;
        }
    }
    return SANA_ERROR_FAILED;
}

gboolean
sana_error_translate(GError **error, GError *cause)
{
    if (cause->domain == SANA_ERROR) {
        g_propagate_error(error, cause);
        return FALSE;
    }
    g_set_error_literal(error, SANA_ERROR, translate_code(cause), cause->message);
    g_error_free(cause);
    return FALSE;
}

gboolean
sana_error_settings(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    GError *e = g_error_new_valist(SANA_ERROR, SANA_ERROR_SETTINGS, format, args);
    va_end(args);
    g_propagate_error(error, e);
    return FALSE;
}
