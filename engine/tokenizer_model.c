/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/tokenizer_model.h"

#include "engine/config.h"

#include <stdint.h>

#define MAX_PIECE 512
#define MAX_PIECES (1 << 20) /* Gemma has 256000 */

/* Numbers of fields. */
enum {
    MODEL_PIECE = 1,
    MODEL_TRAINER = 2,
    PIECE_TEXT = 1,
    TRAINER_TYPE = 3,
};

/* Values of TRAINER_TYPE, and that of a file in which no trainer said anything. */
enum { TYPE_NONE = 0, TYPE_UNIGRAM = 1, TYPE_BPE = 2 };

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
    Message bytes;  /* of WIRE_BYTES */
    uint64_t value; /* of WIRE_VARINT */
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
    uint64_t tag, length;
    if (!read_varint(m, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return false;
    *f = (Field){.number = (uint32_t)tag >> 3, .is_bytes = (tag & 7) == WIRE_BYTES};
    switch (tag & 7) {
    case WIRE_VARINT:
        return read_varint(m, &f->value);
    case WIRE_8_BYTES:
        return skip(m, 8);
    case WIRE_4_BYTES:
        return skip(m, 4);
    case WIRE_BYTES:
        if (!read_varint(m, &length))
            return false;
        f->bytes = (Message){m->at, (size_t)length};
        return skip(m, length);
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
read_trainer(const char *path, Message trainer, uint64_t *type, GError **error)
{
    Field f;
    if (*type == TYPE_NONE)
        *type = TYPE_UNIGRAM;
    while (trainer.left > 0) {
        if (!read_field(&trainer, &f))
            return malformed(path, error);
        if (f.number == TRAINER_TYPE && !f.is_bytes)
            *type = f.value;
    }
    return true;
}

bool
sana_tokenizer_model_check(const char *path, const char *model, size_t length, GError **error)
{
    Message m = {(const uint8_t *)model, length};
    Field f;
    uint64_t type = TYPE_NONE;
    int pieces = 0;
    while (m.left > 0) {
        if (!read_field(&m, &f))
            return malformed(path, error);
        if (!f.is_bytes)
            continue;
        if (f.number == MODEL_PIECE && !check_piece(path, f.bytes, error))
            return false;
        if (f.number == MODEL_TRAINER && !read_trainer(path, f.bytes, &type, error))
            return false;
        if (f.number == MODEL_PIECE && ++pieces > MAX_PIECES) {
            g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED,
                        "%s holds more than %d pieces; download it again", path, MAX_PIECES);
            return false;
        }
    }
    if (pieces == 0 || type == TYPE_NONE)
        return malformed(path, error);
    if (type != TYPE_BPE) {
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_UNSUPPORTED,
                    "%s does not join pairs of pieces (BPE), as the tokenizer of a Gemma model "
                    "does; put that of the original model repository there",
                    path);
        return false;
    }
    return true;
}

bool
sana_tokenizer_config_check(const char *directory, GError **error)
{
    g_autofree char *json = g_build_filename(directory, "tokenizer.json", NULL);
    g_autofree char *config = g_build_filename(directory, "tokenizer_config.json", NULL);
    if (g_file_test(json, G_FILE_TEST_EXISTS) || !g_file_test(config, G_FILE_TEST_EXISTS))
        return true;
    SanaJson *j = sana_json_open(directory, "tokenizer_config.json", error);
    if (!j)
        return false;
    if (!sana_json_bool(j, "add_bos_token", true))
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "add_bos_token false is not run here; the prompts of a Gemma model begin "
                       "with that token");
    if (sana_json_bool(j, "add_eos_token", false))
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "add_eos_token true is not run here; the prompts of a Gemma model end "
                       "without that token");
    return sana_json_finish(j, error);
}
