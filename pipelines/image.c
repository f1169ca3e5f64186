/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures at the session's edge: checks, and moves between host memory and the device. */
#include "pipelines/internal.h"

#include <string.h>

static const struct {
    gsize pixel, unit; /* bytes */
    SanaDType dtype;
    int channels;
} formats[] = {
    [SANA_IMAGE_RGB] = {3, 1, SANA_U8, 3},
    [SANA_IMAGE_RGBA64] = {8, 2, SANA_U16, 4},
    [SANA_IMAGE_RGB_F32] = {12, 4, SANA_F32, 3},
};

SanaTensor
sana_image_tensor(SanaImageFormat format, SanaPool *pool, int width, int height)
{
    return sana_pool_tensor(pool, formats[format].dtype, height, width, formats[format].channels);
}

/* --- checks ----------------------------------------------------------------------------------- */

static gboolean
check_geometry(const SanaImage *image, const char *what, GError **error)
{
    if (image->width < 1 || image->height < 1 || image->width > SANA_MAX_SIDE ||
        image->height > SANA_MAX_SIDE)
        return sana_error_settings(error, "%s is %d×%d, but sides must be 1 to %d", what,
                                   image->width, image->height, SANA_MAX_SIDE);
    return TRUE;
}

gboolean
sana_image_check(const SanaImage *image, const char *what, GError **error)
{
    if (!image || !image->pixels)
        return sana_error_settings(error, "%s has no pixels", what);
    if ((unsigned)image->format >= G_N_ELEMENTS(formats))
        return sana_error_settings(error, "%s has the unknown format %d", what, image->format);
    if (!check_geometry(image, what, error))
        return FALSE;
    if (image->stride < (gsize)image->width * formats[image->format].pixel ||
        image->stride % formats[image->format].unit != 0)
        return sana_error_settings(
            error, "%s has a stride of %" G_GSIZE_FORMAT " bytes, which does not fit its width",
            what, image->stride);
    return TRUE;
}

gboolean
sana_images_check(const SanaImage *images, const SanaParams *params, GError **error)
{
    if (params->n_images < 1 || params->n_images > SANA_MAX_IMAGES)
        return sana_error_settings(error, "n_images is %d, but must be 1 to %d", params->n_images,
                                   SANA_MAX_IMAGES);
    if (!images)
        return sana_error_settings(error, "the output has no pixels");
    for (int i = 0; i < params->n_images; i++) {
        if (!(params->latent_out ? check_geometry(&images[i], "the output", error)
                                 : sana_image_check(&images[i], "the output", error)))
            return FALSE;
        if (images[i].width != images[0].width || images[i].height != images[0].height)
            return sana_error_settings(error, "outputs of one call must have one size");
        if (params->latent_out)
            break; /* one size is read for all */
    }
    return TRUE;
}

/* --- memory ----------------------------------------------------------------------------------- */

void *
sana_session_host_memory(SanaSession *s, gsize bytes, gsize more, const SanaImage *image,
                         GError **error)
{
    SanaDevice *dev = s->model->device;
    const gsize of_device = sana_device_has_own_memory(dev) ? more : bytes + more;
    void *memory = of_device <= sana_device_free_memory(dev) ? g_try_malloc0(bytes) : NULL;
    if (!memory)
        g_set_error(error, SANA_ERROR, SANA_ERROR_MEMORY,
                    "a picture of %d×%d takes another %.1f GiB, and so much is not free; choose "
                    "a smaller size",
                    image->width, image->height, (double)(bytes + more) / (1 << 30));
    return memory;
}

/* --- moves ------------------------------------------------------------------------------------ */

void
sana_image_upload(SanaStream *s, SanaTensor pixels, const SanaImage *image)
{
    sana_upload_rows(s, pixels, image->pixels, image->stride);
}

void
sana_image_download(SanaStream *s, const SanaImage *image, SanaTensor pixels)
{
    sana_download_rows(s, image->pixels, image->stride, pixels);
}

/* The same format, and `to` may be `from`. */
static void
copy_rows(const SanaImage *from, const SanaImage *to)
{
    const size_t row = (size_t)from->width * formats[from->format].pixel;
    for (int y = 0; y < from->height; y++) {
        void *out = (char *)to->pixels + (size_t)y * to->stride;
        if (from->pixels != to->pixels)
            memcpy(out, (char *)from->pixels + (size_t)y * from->stride, row);
        for (int x = 0; x < to->width && to->format == SANA_IMAGE_RGBA64; x++)
            ((guint16 *)out)[x * 4 + 3] = G_MAXUINT16;
    }
}

void
sana_session_copy_image(SanaSession *s, const SanaImage *from, const SanaImage *to)
{
    SanaFrame *f = &s->frame;
    if (from->format == to->format) {
        copy_rows(from, to);
        return;
    }
    SanaTensor floats = f->pixels[SANA_IMAGE_RGB_F32];
    sana_image_upload(s->stream, f->pixels[from->format], from);
    if (from->format != SANA_IMAGE_RGB_F32)
        sana_image_load(s->stream, floats, f->pixels[from->format]);
    if (to->format != SANA_IMAGE_RGB_F32)
        sana_image_store(s->stream, f->pixels[to->format], floats);
    sana_image_download(s->stream, to, f->pixels[to->format]);
}

void
sana_session_store_floats(SanaSession *s, const float *picture, const SanaImage *image)
{
    SanaPool *pool = sana_pool_new(s->model->device);
    SanaTensor floats = sana_image_tensor(SANA_IMAGE_RGB_F32, pool, image->width, image->height);
    SanaTensor pixels = sana_image_tensor(image->format, pool, image->width, image->height);
    const GError *failure = sana_pool_error(pool);
    if (failure)
        sana_fail(s->stream, SANA_DEVICE_ERROR_MEMORY, "%s", failure->message);
    sana_upload(s->stream, floats, picture);
    sana_image_store(s->stream, pixels, floats);
    sana_image_download(s->stream, image, pixels);
    sana_pool_free(pool);
}
