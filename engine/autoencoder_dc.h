/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * AutoencoderDC: the deep-compression autoencoder between pictures and latents.
 *
 * Source: DC-AE (arXiv 2410.10733) and diffusers' models/autoencoders/autoencoder_dc.py, whose
 * module names the checkpoint and the taps use.  Every choice its configuration can express is run
 * (lists longer than there are stages are cut short, as there); what the reference itself cannot
 * run is refused.
 *
 * A picture (H, W, 3) in [−1, 1] becomes a latent (H/f, W/f, C), f = 2^(stages − 1).  Both ways are
 * deterministic and global: linear attention looks at the whole map.
 */
#ifndef SANA_ENGINE_AUTOENCODER_DC_H
#define SANA_ENGINE_AUTOENCODER_DC_H

#include "engine/bind.h"

G_BEGIN_DECLS

#define SANA_DC_MAX_STAGES 10
#define SANA_DC_MAX_SCALES 16

/* One stage of one half, as the configuration lists it. */
typedef struct {
    int width, layers;
    bool attention;  /* EfficientViTBlock, else ResBlock */
    bool batch_norm; /* of ResBlock's norm and attention's norm_out; else RMS */
    SanaAct act;     /* of ResBlock */
    int n_scales, scales[SANA_DC_MAX_SCALES]; /* qkv_multiscales: kernel sizes */
} SanaDcStageConfig;

typedef struct {
    int latent_channels; /* C */
    int head_dim;
    int stages;
    SanaDcStageConfig encoder[SANA_DC_MAX_STAGES], decoder[SANA_DC_MAX_STAGES];
    bool unshuffle;   /* down: 3×3 then pixel-unshuffle, else strided 3×3 */
    bool interpolate; /* up: nearest ×2 then 3×3, else 3×3 then pixel-shuffle */
    bool encoder_out_shortcut, decoder_in_shortcut;
    SanaAct decoder_conv_act;
    double scaling_factor;
    int factor; /* f */
} SanaAutoencoderConfig;

/* Reads and checks directory/config.json. */
bool sana_autoencoder_config(SanaAutoencoderConfig *c, const char *directory, GError **error);

typedef struct {
    SanaConv conv1, conv2; /* (c, c, 3, 3) */
    SanaNorm norm;
} SanaDcResBlock;

/* I = ⌊c/head_dim⌋·head_dim */
typedef struct {
    SanaLinear qkv; /* (3·I, c) */
    struct {
        SanaConv proj_in;  /* (3·I, 1, k, k) */
        SanaConv proj_out; /* (3·I, head_dim, 1, 1), 3·heads groups */
    } scales[SANA_DC_MAX_SCALES];
    SanaLinear to_out; /* (c, I·(1 + n_scales)) */
    SanaNorm norm_out;
    SanaLinear inverted; /* (8·c, c) */
    SanaConv depth;      /* (8·c, 1, 3, 3) */
    SanaLinear point;    /* (c, 4·c) */
    SanaNorm norm;
} SanaDcAttentionBlock;

typedef struct {
    SanaDcResBlock *res;             /* [layers], one of the two */
    SanaDcAttentionBlock *attention; /* [layers] */
    SanaConv resample;               /* down to the next stage, or up from it */
} SanaDcStage;

typedef struct {
    SanaConv conv_in, conv_out;
    SanaNorm norm_out; /* decoder only */
    SanaDcStage stages[SANA_DC_MAX_STAGES];
} SanaDcHalf;

typedef struct {
    SanaAutoencoderConfig config;
    SanaDType dtype;
    SanaDcHalf encoder, decoder;
} SanaAutoencoder;

/* Binds every weight of net->config (set before); net->dtype is what products compute in.
 * sana_autoencoder_clear() frees what bind allocated outside the pool. */
void sana_autoencoder_bind(SanaAutoencoder *net, SanaBinder *b);
void sana_autoencoder_clear(SanaAutoencoder *net);

/* latent (H/f, W/f, C) ← picture (H, W, 3), both of net->dtype; H, W multiples of f.  The latent is
 * the network's own: not multiplied by scaling_factor. */
void sana_autoencoder_encode(SanaStream *s, const SanaAutoencoder *net, SanaTensor latent,
                             SanaTensor picture);

/* The way back. */
void sana_autoencoder_decode(SanaStream *s, const SanaAutoencoder *net, SanaTensor picture,
                             SanaTensor latent);

G_END_DECLS
#endif
