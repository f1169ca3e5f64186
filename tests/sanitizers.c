/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the sanitizers have to know about GLib and GStreamer, not built with them.  Linked
 * into tests of the elements; empty in an ordinary build.
 *
 * AddressSanitizer.  GLib lets old tables of its names go on purpose; only a full stack tells that
 * from a leak of ours.
 *
 * ThreadSanitizer.  GLib's locks are its own, so every pair of threads that they order would look
 * like a race.  Here each of them says so; what happens inside the libraries is left out.
 */
#if defined(__SANITIZE_ADDRESS__)

__attribute__((visibility("default"))) const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *
__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0";
}

const char *
__lsan_default_suppressions(void)
{
    return "leak:_dl_init\nleak:g_quark_from\nleak:g_intern_string";
}

#elif defined(__SANITIZE_THREAD__)

#define _GNU_SOURCE
#include <dlfcn.h>
#include <gst/gst.h>

#pragma GCC visibility push(default)

void __tsan_acquire(void *where);
void __tsan_release(void *where);
const char *__tsan_default_options(void);

const char *
__tsan_default_options(void)
{
    return "ignore_noninstrumented_modules=1 second_deadlock_stack=1";
}

/* The function that this one stands in front of. */
#define REAL(name)                                 \
    static __typeof__(&name) real;                 \
    if (!__atomic_load_n(&real, __ATOMIC_ACQUIRE)) \
    __atomic_store_n(&real, (__typeof__(&name))dlsym(RTLD_NEXT, #name), __ATOMIC_RELEASE)

#define LOCK(name, type)      \
    void name(type *lock)     \
    {                         \
        REAL(name);           \
        real(lock);           \
        __tsan_acquire(lock); \
    }
#define TRY(name, type)           \
    gboolean name(type *lock)     \
    {                             \
        REAL(name);               \
        gboolean ok = real(lock); \
        if (ok)                   \
            __tsan_acquire(lock); \
        return ok;                \
    }
#define UNLOCK(name, type)    \
    void name(type *lock)     \
    {                         \
        REAL(name);           \
        __tsan_release(lock); \
        real(lock);           \
    }
LOCK(g_mutex_lock, GMutex)
TRY(g_mutex_trylock, GMutex)
UNLOCK(g_mutex_unlock, GMutex)
LOCK(g_rec_mutex_lock, GRecMutex)
TRY(g_rec_mutex_trylock, GRecMutex)
UNLOCK(g_rec_mutex_unlock, GRecMutex)

void
g_cond_wait(GCond *cond, GMutex *mutex)
{
    REAL(g_cond_wait);
    __tsan_release(mutex);
    real(cond, mutex);
    __tsan_acquire(mutex);
}

gboolean
g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end)
{
    REAL(g_cond_wait_until);
    __tsan_release(mutex);
    gboolean ok = real(cond, mutex, end);
    __tsan_acquire(mutex);
    return ok;
}

void
gst_mini_object_unref(GstMiniObject *object)
{
    REAL(gst_mini_object_unref);
    __tsan_release(object);
    __tsan_acquire(object);
    real(object);
}

void
gst_object_unref(gpointer object)
{
    REAL(gst_object_unref);
    __tsan_release(object);
    __tsan_acquire(object);
    real(object);
}

void
g_object_unref(gpointer object)
{
    REAL(g_object_unref);
    __tsan_release(object);
    __tsan_acquire(object);
    real(object);
}

void
g_atomic_rc_box_release_full(gpointer box, GDestroyNotify clear)
{
    REAL(g_atomic_rc_box_release_full);
    __tsan_release(box);
    __tsan_acquire(box);
    real(box, clear);
}

gboolean(g_once_init_enter)(volatile void *where)
{
    static gboolean (*real)(volatile void *);
    if (!__atomic_load_n(&real, __ATOMIC_ACQUIRE))
        __atomic_store_n(&real, dlsym(RTLD_NEXT, "g_once_init_enter"), __ATOMIC_RELEASE);
    gboolean first = real(where);
    __tsan_acquire((void *)where);
    return first;
}

void(g_once_init_leave)(volatile void *where, gsize value)
{
    static void (*real)(volatile void *, gsize);
    if (!__atomic_load_n(&real, __ATOMIC_ACQUIRE))
        __atomic_store_n(&real, dlsym(RTLD_NEXT, "g_once_init_leave"), __ATOMIC_RELEASE);
    __tsan_release((void *)where);
    real(where, value);
}

GThread *
g_thread_new(const gchar *name, GThreadFunc func, gpointer data)
{
    REAL(g_thread_new);
    __tsan_release(data);
    return real(name, func, data);
}

void
g_async_queue_push(GAsyncQueue *queue, gpointer data)
{
    REAL(g_async_queue_push);
    __tsan_release(queue);
    real(queue, data);
}

gpointer
g_async_queue_pop(GAsyncQueue *queue)
{
    REAL(g_async_queue_pop);
    gpointer data = real(queue);
    __tsan_acquire(queue);
    return data;
}

gpointer
g_async_queue_try_pop(GAsyncQueue *queue)
{
    REAL(g_async_queue_try_pop);
    gpointer data = real(queue);
    __tsan_acquire(queue);
    return data;
}

gpointer
g_async_queue_timeout_pop(GAsyncQueue *queue, guint64 timeout)
{
    REAL(g_async_queue_timeout_pop);
    gpointer data = real(queue, timeout);
    __tsan_acquire(queue);
    return data;
}

#pragma GCC visibility pop
#else

typedef int nothing_to_say;

#endif
