/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/tokenizer.h"

#include "engine/tokenizer_model.h"
#include "engine/untrusted.h"
#include "kernels/device.h"

#include <sentencepiece_processor.h>

#include <exception>
#include <new>
#include <string>
#include <vector>

#define MAX_BYTES (64u << 20)

struct SanaTokenizer {
    sentencepiece::SentencePieceProcessor processor;
};

/*
 * transformers takes the pieces of the file and none of its rules for text: spaces become "▁", and
 * that is all.  Of a field that comes twice the last counts, so these follow the file's:
 * normalizer_spec {precompiled_charsmap "", add_dummy_prefix 0, remove_extra_whitespaces 0,
 * escape_whitespaces 1}, denormalizer_spec {precompiled_charsmap ""}.
 */
static const char rules[] = "\x1a\x08\x12\x00\x18\x00\x20\x00\x28\x01\x2a\x02\x12\x00";

static bool
load(SanaTokenizer *t, const char *path, const char *model, size_t length, GError **error)
{
    std::string bytes(model, length);
    bytes.append(rules, sizeof rules - 1);
    const auto status = t->processor.LoadFromSerializedProto(bytes);
    if (!status.ok()) {
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED,
                    "%s is not a SentencePiece model; download it again", path);
        return false;
    }
    if (t->processor.GetPieceSize() < 1 || t->processor.bos_id() < 0) {
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_UNSUPPORTED,
                    "%s has no begin-of-sequence piece; it is not the tokenizer of a Gemma model",
                    path);
        return false;
    }
    return true;
}

static char *
read_model(const char *directory, const char *path, size_t *length, GError **error)
{
    g_autofree char *json = g_build_filename(directory, "tokenizer.json", nullptr);
    if (!g_file_test(path, G_FILE_TEST_EXISTS) && g_file_test(json, G_FILE_TEST_EXISTS)) {
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MISSING,
                    "%s is missing and tokenizer.json beside it cannot replace it; put the "
                    "tokenizer.model of the original model repository there",
                    path);
        return nullptr;
    }
    return sana_untrusted_read(path, MAX_BYTES, length, error);
}

/* The checked bytes of tokenizer.model. */
static char *
read_checked(const char *directory, const char *path, size_t *length, GError **error)
{
    g_autofree char *model = read_model(directory, path, length, error);
    if (!model || !sana_tokenizer_model_check(path, model, *length, error) ||
        !sana_tokenizer_config_check(directory, error))
        return nullptr;
    return static_cast<char *>(g_steal_pointer(&model));
}

/* What the library or its containers throw. */
static void
set_thrown(GError **error, const char *what, const std::exception &e)
{
    if (dynamic_cast<const std::bad_alloc *>(&e))
        g_set_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MEMORY,
                    "out of memory: %s; free memory", what);
    else
        g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED, "%s: %s", what, e.what());
}

bool
sana_tokenizer_check(const char *directory, GError **error)
{
    size_t length = 0;
    g_autofree char *path = g_build_filename(directory, "tokenizer.model", nullptr);
    g_autofree char *model = read_checked(directory, path, &length, error);
    return model != nullptr;
}

SanaTokenizer *
sana_tokenizer_open(const char *directory, GError **error)
{
    size_t length = 0;
    g_autofree char *path = g_build_filename(directory, "tokenizer.model", nullptr);
    g_autofree char *model = read_checked(directory, path, &length, error);
    if (!model)
        return nullptr;
    SanaTokenizer *t = nullptr;
    try {
        t = new SanaTokenizer;
        if (load(t, path, model, length, error))
            return t;
    } catch (const std::exception &e) {
        g_autofree char *what = g_strconcat(path, " cannot be loaded", nullptr);
        set_thrown(error, what, e);
    }
    delete t;
    return nullptr;
}

void
sana_tokenizer_free(SanaTokenizer *t)
{
    delete t;
}

int
sana_tokenizer_size(const SanaTokenizer *t)
{
    return t->processor.GetPieceSize();
}

int32_t *
sana_tokenizer_encode(const SanaTokenizer *t, const char *text, size_t *count, GError **error)
{
    if (!g_utf8_validate(text, -1, nullptr)) {
        g_set_error_literal(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED,
                            "the prompt is not UTF-8 text; convert it to UTF-8");
        return nullptr;
    }
    try {
        std::vector<int> pieces;
        const auto status = t->processor.Encode(text, &pieces);
        if (!status.ok()) {
            g_set_error(error, SANA_FILE_ERROR, SANA_FILE_ERROR_MALFORMED,
                        "the prompt cannot be tokenized: %s", status.ToString().c_str());
            return nullptr;
        }
        int32_t *ids = g_new(int32_t, pieces.size() + 1);
        ids[0] = t->processor.bos_id();
        for (size_t i = 0; i < pieces.size(); i++)
            ids[i + 1] = pieces[i];
        *count = pieces.size() + 1;
        return ids;
    } catch (const std::exception &e) {
        set_thrown(error, "the prompt cannot be tokenized", e);
        return nullptr;
    }
}
