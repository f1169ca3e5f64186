/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory and streams of the devices that compute on the host. */
#include "kernels/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* From here on a block is worth huge pages: fewer TLB misses in maps of many megabytes. */
#define HUGE_PAGE ((size_t)2 << 20)

void *
sana_host_alloc(SanaDevice *dev, size_t bytes)
{
    size_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void *p = aligned_alloc(alignment, rounded);
#ifdef MADV_HUGEPAGE
    if (p && alignment == HUGE_PAGE)
        madvise(p, rounded, MADV_HUGEPAGE);
#endif
    return p;
}

void
sana_host_free(SanaDevice *dev, void *p)
{
    free(p);
}

/* What the kernel believes can be had without swapping. */
size_t
sana_host_free_memory(const SanaDevice *dev)
{
    char *text = NULL;
    size_t available = SIZE_MAX;
    unsigned long long kib;
    if (g_file_get_contents("/proc/meminfo", &text, NULL, NULL)) {
        const char *line = strstr(text, "MemAvailable:");
        if (line && sscanf(line, "MemAvailable: %llu", &kib) == 1)
            available = (size_t)kib * 1024;
    }
    g_free(text);
    return available;
}

void
sana_host_copy_in(SanaStream *s, void *dst, const void *host, size_t pitch, size_t bytes,
                  size_t rows)
{
    for (size_t y = 0; y < rows; y++)
        memcpy((char *)dst + y * bytes, (const char *)host + y * pitch, bytes);
}

void
sana_host_copy_out(SanaStream *s, void *host, size_t pitch, const void *src, size_t bytes,
                   size_t rows)
{
    for (size_t y = 0; y < rows; y++)
        memcpy((char *)host + y * pitch, (const char *)src + y * bytes, bytes);
}

SanaStream *
sana_host_stream_open(SanaDevice *dev, char **why)
{
    return g_new0(SanaStream, 1);
}

void
sana_host_stream_close(SanaStream *s)
{
    g_free(s);
}
