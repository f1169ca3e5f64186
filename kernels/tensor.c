/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operations need of tensors and streams, in the program and in a device's module alike. */
#include "kernels/backend.h"

/* --- tensors ---------------------------------------------------------------------------------- */

const char *
sana_dtype_name(SanaDType dtype)
{
    static const char *const names[] = {"f32", "bf16", "f16", "u8", "u16", "s8", "e4m3"};
    return names[dtype];
}

SanaTensor
sana_tensor(void *data, SanaDType dtype, int h, int w, int c)
{
    return (SanaTensor){data, dtype, h, w, c, c};
}

static void *
offset(SanaTensor x, size_t elements)
{
    return x.data ? (char *)x.data + elements * sana_dtype_size(x.dtype) : NULL;
}

SanaTensor
sana_rows(SanaTensor x, int first, int count)
{
    x.data = offset(x, (size_t)first * (size_t)x.stride);
    x.h = 1;
    x.w = count;
    return x;
}

SanaTensor
sana_columns(SanaTensor x, int first, int count)
{
    x.data = offset(x, (size_t)first);
    x.c = count;
    return x;
}

SanaTensor
sana_reshape(SanaTensor x, int h, int w, int c)
{
    return sana_tensor(x.data, x.dtype, h, w, c);
}

/* --- errors ----------------------------------------------------------------------------------- */

GQuark
sana_device_error_quark(void)
{
    return g_quark_from_static_string("sana-device-error");
}

void
sana_fail(SanaStream *s, SanaDeviceError code, const char *format, ...)
{
    if (s->failed)
        return;
    va_list args;
    va_start(args, format);
    s->error = g_error_new_valist(SANA_DEVICE_ERROR, code, format, args);
    va_end(args);
    s->failed = true;
}

bool
sana_stream_ok(const SanaStream *s)
{
    return !s->failed && !g_atomic_int_get(&s->cancelled);
}
