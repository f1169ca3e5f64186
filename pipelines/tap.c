/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inner tensors of a session's networks, as floats. */
#include "pipelines/internal.h"

#include "kernels/convert.h"

static void
on_tap(SanaStream *stream, const char *name, SanaTensor x, void *user)
{
    SanaSession *s = user;
    const size_t n = sana_positions(x) * (size_t)x.c;
    g_autofree float *values = g_new(float, n);
    if (x.dtype == SANA_BF16) {
        g_autofree uint16_t *stored = g_new(uint16_t, n);
        sana_download(stream, stored, x);
        for (size_t i = 0; i < n; i++)
            values[i] = sana_bf16_to_f32(stored[i]);
    } else {
        sana_download(stream, values, x);
    }
    s->tap(name, values, x.h, x.w, x.c, s->tap_data);
}

void
sana_session_set_tap(SanaSession *s, SanaTapFloats func, gpointer user_data)
{
    s->tap = func;
    s->tap_data = user_data;
    sana_stream_set_tap(s->stream, func ? on_tap : NULL, s);
    if (s->text_stream != s->stream)
        sana_stream_set_tap(s->text_stream, func ? on_tap : NULL, s);
}
