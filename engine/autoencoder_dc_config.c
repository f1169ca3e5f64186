/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a configuration of AutoencoderDC may say, checked against what the reference can run. */
#include "engine/autoencoder_dc.h"

#include "engine/config.h"

#include <string.h>

#define MAX_WIDTH 16384

static const struct {
    const char *name;
    SanaAct act;
} activations[] = {
    {"silu", SANA_ACT_SILU}, {"swish", SANA_ACT_SILU}, {"relu", SANA_ACT_RELU},
    {"gelu", SANA_ACT_GELU}, {"mish", SANA_ACT_MISH},
};

/* As diffusers' get_activation(): lower-cased; null is the identity. */
static SanaAct
read_act(SanaJson *j, const char *key, const char *name)
{
    if (!name)
        return SANA_ACT_NONE;
    for (size_t i = 0; i < G_N_ELEMENTS(activations); i++)
        if (g_ascii_strcasecmp(name, activations[i].name) == 0)
            return activations[i].act;
    sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                   "%s \"%s\" is not run here; silu, swish, relu, gelu, mish and null are", key,
                   name);
    return SANA_ACT_NONE;
}

static bool
read_norm(SanaJson *j, const char *key, const char *name)
{
    if (name && strcmp(name, "batch_norm") == 0)
        return true;
    if (!name || strcmp(name, "rms_norm") != 0)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "%s \"%s\" is not run here; rms_norm and batch_norm are", key,
                       name ? name : "null");
    return false;
}

static bool
read_block_type(SanaJson *j, const char *key, const char *name)
{
    if (name && strcmp(name, "EfficientViTBlock") == 0)
        return true;
    if (!name || strcmp(name, "ResBlock") != 0)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "%s \"%s\" is not run here; ResBlock and EfficientViTBlock are", key,
                       name ? name : "null");
    return false;
}

/* The reference asks whether it is true; null is not. */
static bool
read_shortcut(SanaJson *j, const char *key)
{
    return sana_json_bool(j, key, !sana_json_is_null(j, key));
}

/* The lists of one half: <half>_block_out_channels, _layers_per_block, _block_types,
 * _qkv_multiscales.  Returns the number of stages. */
static int
read_half(SanaJson *j, SanaDcStageConfig *st, const char *half, const int *default_layers)
{
    static const int widths[] = {128, 256, 512, 512, 1024, 1024};
    static const int default_counts[SANA_JSON_MAX_LIST] = {0, 0, 0, 1, 1, 1};
    char key[64];
    int width[SANA_JSON_MAX_LIST], layers[SANA_JSON_MAX_LIST];
    g_snprintf(key, sizeof key, "%s_block_out_channels", half);
    int n = sana_json_ints(j, key, width, widths, 6, 1, MAX_WIDTH);
    if (n < 1 || n > SANA_DC_MAX_STAGES) {
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED, "%s must list 1 to %d stages, not %d", key,
                       SANA_DC_MAX_STAGES, n);
        return 0;
    }
    g_snprintf(key, sizeof key, "%s_layers_per_block", half);
    int n_layers = sana_json_ints(j, key, layers, default_layers, 6, 0, 64);
    if (sana_json_ok(j) && n_layers < n) {
        sana_json_fail(j, SANA_FILE_ERROR_MALFORMED,
                       "%s lists %d stages, but %s_block_out_channels %d", key, n_layers, half, n);
        return 0;
    }
    const char *types[SANA_JSON_MAX_LIST] = {0};
    g_snprintf(key, sizeof key, "%s_block_types", half);
    sana_json_strings(j, key, types, n, "ResBlock");
    for (int i = 0; i < n && sana_json_ok(j); i++)
        st[i] = (SanaDcStageConfig){.width = width[i],
                                    .layers = layers[i],
                                    .act = SANA_ACT_SILU,
                                    .attention = read_block_type(j, key, types[i])};

    int scales[SANA_JSON_MAX_LIST][SANA_JSON_MAX_LIST], counts[SANA_JSON_MAX_LIST];
    g_snprintf(key, sizeof key, "%s_qkv_multiscales", half);
    bool given = sana_json_has(j, key);
    if (given)
        sana_json_int_lists(j, key, scales, counts, n, 1, 31);
    for (int i = 0; i < n && sana_json_ok(j); i++) {
        st[i].n_scales = given ? counts[i] : default_counts[i];
        for (int k = 0; k < st[i].n_scales; k++) {
            st[i].scales[k] = given ? scales[i][k] : 5;
            if (st[i].scales[k] % 2 == 0)
                sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                               "%s has the even kernel %d; the reference runs odd ones", key,
                               st[i].scales[k]);
        }
    }
    return n;
}

static void
read_decoder_choices(SanaJson *j, SanaAutoencoderConfig *c)
{
    const char *norms[SANA_JSON_MAX_LIST] = {0}, *acts[SANA_JSON_MAX_LIST] = {0};
    sana_json_strings(j, "decoder_norm_types", norms, c->stages, "rms_norm");
    sana_json_strings(j, "decoder_act_fns", acts, c->stages, "silu");
    for (int i = 0; i < c->stages && sana_json_ok(j); i++) {
        c->decoder[i].batch_norm = read_norm(j, "decoder_norm_types", norms[i]);
        c->decoder[i].act = read_act(j, "decoder_act_fns", acts[i]);
    }
    c->decoder_conv_act =
        read_act(j, "decoder_conv_act_fn", sana_json_string(j, "decoder_conv_act_fn", "relu"));
}

static void
require(SanaJson *j, bool condition, const char *what)
{
    if (!condition)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED, "%s; the reference cannot run this either",
                       what);
}

/* What makes the reference fail when it is built or run. */
static void
check_half(SanaJson *j, const SanaAutoencoderConfig *c, const SanaDcStageConfig *st)
{
    require(j, st[0].layers > 0 || c->stages > 1, "layers_per_block is 0 at the only stage");
    for (int i = 0; i < c->stages; i++) {
        if (i > 0 && i < c->stages - 1)
            require(j, st[i].layers > 0, "layers_per_block is 0 at a middle stage");
        if (st[i].attention && st[i].layers > 0)
            require(j, st[i].width >= c->head_dim,
                    "an EfficientViTBlock is narrower than attention_head_dim");
        if (i == c->stages - 1)
            continue;
        int a = st[i].width, b = st[i + 1].width;
        if (st == c->encoder)
            require(j, !c->unshuffle || b % 4 == 0,
                    "pixel_unshuffle needs widths that are multiples of 4");
        if (i == 0 && st[0].layers == 0) /* from or to pixels, without a shortcut */
            continue;
        require(j, 4 * a % b == 0,
                st == c->encoder ? "a stage's width does not divide four times the one before"
                                 : "a stage's width does not divide four times the next");
    }
}

bool
sana_autoencoder_config(SanaAutoencoderConfig *c, const char *directory, GError **error)
{
    static const int encoder_layers[] = {2, 2, 2, 3, 3, 3}, decoder_layers[] = {3, 3, 3, 3, 3, 3};
    SanaJson *j = sana_json_open(directory, "config.json", error);
    if (!j)
        return false;
    *c = (SanaAutoencoderConfig){
        .latent_channels = sana_json_int(j, "latent_channels", 32, 1, 4096),
        .head_dim = sana_json_int(j, "attention_head_dim", 32, 1, 1024),
        .encoder_out_shortcut = read_shortcut(j, "encoder_out_shortcut"),
        .decoder_in_shortcut = read_shortcut(j, "decoder_in_shortcut"),
        .scaling_factor = sana_json_double(j, "scaling_factor", 1.0, 1e-6, 1e6),
    };
    const char *down = sana_json_string(
        j, "downsample_block_type",
        sana_json_is_null(j, "downsample_block_type") ? "conv" : "pixel_unshuffle");
    const char *up = sana_json_string(j, "upsample_block_type", "pixel_shuffle");
    c->unshuffle = strcmp(down, "pixel_unshuffle") == 0;
    c->interpolate = strcmp(up, "interpolate") == 0;
    if (sana_json_int(j, "in_channels", 3, 1, 4096) != 3)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED, "in_channels must be 3");

    c->stages = read_half(j, c->encoder, "encoder", encoder_layers);
    int decoder_stages = sana_json_ok(j) ? read_half(j, c->decoder, "decoder", decoder_layers) : 0;
    if (sana_json_ok(j) && decoder_stages != c->stages)
        sana_json_fail(j, SANA_FILE_ERROR_UNSUPPORTED,
                       "the encoder has %d stages, but the decoder %d", c->stages, decoder_stages);
    if (sana_json_ok(j)) {
        read_decoder_choices(j, c);
        check_half(j, c, c->encoder);
        check_half(j, c, c->decoder);
        require(j,
                !c->encoder_out_shortcut ||
                    c->encoder[c->stages - 1].width % c->latent_channels == 0,
                "latent_channels does not divide the encoder's last width");
        require(
            j, !c->decoder_in_shortcut || c->decoder[c->stages - 1].width % c->latent_channels == 0,
            "latent_channels does not divide the decoder's last width");
        c->factor = 1 << (c->stages - 1);
    }
    return sana_json_finish(j, error);
}
