# SPDX-License-Identifier: LGPL-2.1-or-later
"""The three networks, with their shapes.

autoencoder   picture (B, 3, 8h, 8w) in -1..1 <-> latent (B, 32, h, w)       1.9 M parameters
transformer   latent, text (B, T, 96), s (B,) -> velocity (B, 32, h, w)      4.0 M
text encoder  tokens (B, T) -> (B, T, 96)                                    0.4 M
"""
from diffusers import AutoencoderDC, SanaTransformer2DModel
from transformers import Gemma2Config, Gemma2Model

CHANNELS, TEXT_WIDTH = 32, 96


def autoencoder():
    """Factor 8: no block at full resolution, a strided convolution in and a sub-pixel one out.

    Enlarged by repeating pixels, a map would not know one pixel of a cell from another."""
    widths, layers = (32, 48, 96, 128), (0, 1, 1, 1)
    blocks = ("ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock")
    scales = ((), (), (), (5,))
    return AutoencoderDC(
        in_channels=3, latent_channels=CHANNELS, attention_head_dim=32,
        encoder_block_types=blocks, decoder_block_types=blocks,
        encoder_block_out_channels=widths, decoder_block_out_channels=widths,
        encoder_layers_per_block=layers, decoder_layers_per_block=layers,
        encoder_qkv_multiscales=scales, decoder_qkv_multiscales=scales,
        upsample_block_type="pixel_shuffle", downsample_block_type="conv",
        decoder_norm_types="rms_norm", decoder_act_fns="silu", scaling_factor=1.0)


def transformer():
    return SanaTransformer2DModel(
        in_channels=CHANNELS, out_channels=CHANNELS, num_attention_heads=6,
        attention_head_dim=32, num_layers=6, num_cross_attention_heads=4,
        cross_attention_head_dim=48, cross_attention_dim=192, caption_channels=TEXT_WIDTH,
        mlp_ratio=2.5, sample_size=32, patch_size=1, qk_norm="rms_norm_across_heads",
        guidance_embeds=True, timestep_scale=1.0, interpolation_scale=None)


def text_encoder(vocabulary):
    return Gemma2Model(Gemma2Config(
        vocab_size=vocabulary, hidden_size=TEXT_WIDTH, intermediate_size=256,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
        query_pre_attn_scalar=32, sliding_window=4096, pad_token_id=0, eos_token_id=1,
        bos_token_id=2, attn_implementation="eager", max_position_embeddings=8192))
