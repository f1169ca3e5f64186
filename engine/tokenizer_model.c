/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/tokenizer_model.h"

#include "engine/safetensors.h" /* SANA_FILE_ERROR */

#include <stdint.h>

#define MAX_PIECE 512

/* Numbers of fields. */
enum {
    MODEL_PIECE = 1,
    MODEL_NORMALIZER = 3,
    MODEL_DENORMALIZER = 5,
    PIECE_TEXT = 1,
    NORMALIZER_CHARSMAP = 2,
};

/* What a tag says of the bytes behind it; groups (3, 4) no version of the file has. */
enum { WIRE_VARINT = 0, WIRE_8_BYTES = 1, WIRE_BYTES = 2, WIRE_4_BYTES = 5 };

/* Bytes not read yet. */
typedef struct {
    const uint8_t *at;
    size_t left;
} Message;

typedef struct {
    uint32_t number;
    bool is_bytes;
    Message bytes; /* of WIRE_BYTES */
} Field;

static bool
read_varint(Message *m, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && m->left > 0; shift += 7) {
        uint64_t byte = *m->at++;
        m->left--;
        *value |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool
skip(Message *m, uint64_t bytes)
{
    if (bytes > m->left)
        return false;
    m->at += bytes;
    m->left -= (size_t)bytes;
    return true;
}

/* The next field of a message that is not at its end; false where there is none. */
static bool
read_field(Message *m, Field *f)
{
    uint64_t tag, value;
    if (!read_varint(m, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return false;
    *f = (Field){.number = (uint32_t)tag >> 3, .is_bytes = (tag & 7) == WIRE_BYTES};
    switch (tag & 7) {
    case WIRE_VARINT:
        return read_varint(m, &value);
    case WIRE_8_BYTES:
        return skip(m, 8);
    case WIRE_4_BYTES:
        return skip(m, 4);
    case WIRE_BYTES:
        if (!read_varint(m, &value))
            return false;
        f->bytes = (Message){m->at, (size_t)value};
        return skip(m, value);
    default:
        return false;
    }
}

static bool
malformed(const char *path, GError **error)
{
    g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED,
                "%s is not a SentencePiece model; download it again", path);
    return false;
}

static bool
check_piece(const char *path, Message piece, GError **error)
{
    Field f;
    while (piece.left > 0) {
        if (!read_field(&piece, &f))
            return malformed(path, error);
        if (f.number != PIECE_TEXT || !f.is_bytes || f.bytes.left <= MAX_PIECE)
            continue;
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED,
                    "%s holds a piece of %zu bytes, more than the %d one may have; download it "
                    "again",
                    path, f.bytes.left, MAX_PIECE);
        return false;
    }
    return true;
}

static bool
check_normalizer(const char *path, Message normalizer, GError **error)
{
    Field f;
    while (normalizer.left > 0) {
        if (!read_field(&normalizer, &f))
            return malformed(path, error);
        if (f.number != NORMALIZER_CHARSMAP || !f.is_bytes || f.bytes.left == 0)
            continue;
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_UNSUPPORTED,
                    "%s holds rules for normalising text (precompiled_charsmap), which the "
                    "tokenizer of a Gemma model does not; put that of the original model "
                    "repository there",
                    path);
        return false;
    }
    return true;
}

bool
sana_tokenizer_model_check(const char *path, const char *model, size_t length, GError **error)
{
    Message m = {(const uint8_t *)model, length};
    Field f;
    while (m.left > 0) {
        if (!read_field(&m, &f))
            return malformed(path, error);
        if (!f.is_bytes)
            continue;
        if (f.number == MODEL_PIECE && !check_piece(path, f.bytes, error))
            return false;
        if ((f.number == MODEL_NORMALIZER || f.number == MODEL_DENORMALIZER) &&
            !check_normalizer(path, f.bytes, error))
            return false;
    }
    return true;
}
