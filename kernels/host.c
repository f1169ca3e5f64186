/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory and streams of the devices that compute on the host. */
#include "kernels/backend.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* From here on a block is worth huge pages: fewer TLB misses in maps of many megabytes. */
#define HUGE_PAGE ((size_t)2 << 20)

void *
sana_host_alloc(SanaDevice *dev, size_t bytes)
{
    const size_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
    void *p = NULL;
    bytes = (bytes + 63) / 64 * 64;
    if (posix_memalign(&p, alignment, bytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    /* not what begins in the last one: plans count bytes, not the rest of a huge page */
    const size_t tail = bytes % HUGE_PAGE;
    if (alignment == HUGE_PAGE) {
        madvise(p, bytes - tail, MADV_HUGEPAGE);
        if (tail > 0)
            madvise((char *)p + (bytes - tail), tail, MADV_NOHUGEPAGE);
    }
#endif
    return p;
}

void
sana_host_free(SanaDevice *dev, void *p)
{
    free(p);
}

/* The number after `key` in a file, or at its beginning; `absent` where there is none ("max"). */
static guint64
number_in(const char *directory, const char *file, const char *key, guint64 absent)
{
    g_autofree char *path = g_build_filename(directory, file, NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return absent;
    const char *at = strstr(text, key);
    char *end = NULL;
    guint64 number = at ? g_ascii_strtoull(at + strlen(key), &end, 10) : 0;
    return at && end != at + strlen(key) ? number : absent;
}

/* Bytes that one group leaves; G_MAXUINT64: it has no limit. */
static guint64
bytes_left_in(const char *group)
{
    const guint64 most = number_in(group, "memory.max", "", G_MAXUINT64);
    if (most == G_MAXUINT64)
        return most;
    guint64 used = number_in(group, "memory.current", "", 0);
    /* pages of files can be had again, those that are mapped and in use among them */
    used -= MIN(used, number_in(group, "memory.stat", "\ninactive_file ", 0));
    used -= MIN(used, number_in(group, "memory.stat", "\nactive_file ", 0));
    return most - MIN(most, used);
}

/* Threads that one group has time for, and half of those that it lets be made besides the one that
 * asks: others of this process ask as well. */
static guint64
threads_left_in(const char *group)
{
    const guint64 time = number_in(group, "cpu.max", "", G_MAXUINT64);
    const guint64 period = MAX(number_in(group, "cpu.max", " ", 100000), 1);
    const guint64 most = number_in(group, "pids.max", "", G_MAXUINT64);
    const guint64 made = number_in(group, "pids.current", "", 0);
    return MIN(MAX(time / period + (time % period > 0), 1), (most - MIN(most, made)) / 2 + 1);
}

/* The least that the groups from `directory` up to `root` leave. */
static guint64
least_of(guint64 (*left_in)(const char *group), const char *directory, const char *root)
{
    g_autofree char *group = g_strdup(directory);
    guint64 least = G_MAXUINT64;
    while (g_str_has_prefix(group, root)) {
        least = MIN(least, left_in(group));
        char *above = g_path_get_dirname(group);
        g_free(group);
        group = above;
    }
    return least;
}

size_t
sana_host_group_memory(const char *directory, const char *root)
{
    return (size_t)MIN(least_of(bytes_left_in, directory, root), SIZE_MAX);
}

int
sana_host_group_threads(const char *directory, const char *root)
{
    return (int)MIN(least_of(threads_left_in, directory, root), INT_MAX);
}

#define GROUPS "/sys/fs/cgroup"

/* The directory of this process's group, or NULL; g_free. */
static char *
own_group(void)
{
    g_autofree char *text = NULL;
    const char *own =
        g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL) ? strstr(text, "0::/") : NULL;
    if (!own)
        return NULL;
    g_autofree char *name = g_strndup(own + 3, strcspn(own + 3, "\n"));
    return g_build_filename(GROUPS, name, NULL);
}

/* What the kernel believes can be had without swapping, and the groups of this process allow. */
size_t
sana_host_free_memory(const SanaDevice *dev)
{
    const guint64 kib = number_in("/proc", "meminfo", "MemAvailable:", G_MAXUINT64);
    const size_t available = kib == G_MAXUINT64 ? SIZE_MAX : (size_t)kib * 1024;
    g_autofree char *group = own_group();
    return group ? MIN(available, sana_host_group_memory(group, GROUPS)) : available;
}

int
sana_host_threads(void)
{
    g_autofree char *group = own_group();
    return group ? sana_host_group_threads(group, GROUPS) : INT_MAX;
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
