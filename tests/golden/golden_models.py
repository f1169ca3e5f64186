# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tiny random models in diffusers layout, each component in a folder of its own.

Every parameter is drawn from a generator seeded by its component and its name, so that a component
does not change when another is added.  Norm weights differ from 1 and biases from 0, gates are
open, and the last convolutions of encoder and decoder are scaled until latents have unit deviation
and a picture spans its range: otherwise every mistake hides in a grey picture.
"""
import fnmatch
import inspect
import json
import math
import zlib

import numpy as np
import sentencepiece
import torch
from diffusers import AutoencoderDC, SanaTransformer2DModel
from safetensors.torch import load_file, save_file
from transformers import Gemma2Config, Gemma2Model

F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16

ONES = ("<start_of_turn>", "<end_of_turn>", "\n", "\n\n")

# --- what there is ------------------------------------------------------------------------------

TRANSFORMERS = {
    # as SANA-Sprint
    "sprint": dict(
        store=dict(dtype=BF16),
        config=dict(in_channels=16, out_channels=16, num_attention_heads=4, attention_head_dim=16,
                    num_layers=3, num_cross_attention_heads=2, cross_attention_head_dim=32,
                    cross_attention_dim=64, caption_channels=48, guidance_embeds=True,
                    qk_norm="rms_norm_across_heads")),
    # no query and key norm; keys at their defaults are absent; another guidance scale
    "plain": dict(
        store=dict(dtype=F16, sparse=True),
        config=dict(in_channels=8, out_channels=8, num_attention_heads=3, attention_head_dim=16,
                    num_layers=2, num_cross_attention_heads=4, cross_attention_head_dim=12,
                    cross_attention_dim=48, caption_channels=48, guidance_embeds=True,
                    guidance_embeds_scale=0.2)),
    # sin-cos positions of the 4K models, stored in full precision
    "grid": dict(
        store=dict(dtype=F32),
        config=dict(in_channels=32, out_channels=32, num_attention_heads=2, attention_head_dim=16,
                    num_layers=2, num_cross_attention_heads=2, cross_attention_head_dim=16,
                    cross_attention_dim=32, caption_channels=32, guidance_embeds=True,
                    mlp_ratio=2.0, interpolation_scale=2.0, attention_bias=True, norm_eps=1e-5,
                    qk_norm="rms_norm_across_heads")),
    # sin-cos positions of the 2K models, shards of a variant
    "shards": dict(
        store=dict(dtype=BF16, variant="bf16", max_shard_size=60000),
        config=dict(in_channels=16, out_channels=16, num_attention_heads=2, attention_head_dim=24,
                    num_layers=2, num_cross_attention_heads=3, cross_attention_head_dim=16,
                    cross_attention_dim=48, caption_channels=48, guidance_embeds=True,
                    mlp_ratio=2.3, interpolation_scale=1.0, sample_size=64)),
    # the class without a guidance embedding
    "base": dict(
        store=dict(dtype=BF16),
        config=dict(in_channels=16, out_channels=16, num_attention_heads=2, attention_head_dim=16,
                    num_layers=2, num_cross_attention_heads=2, cross_attention_head_dim=16,
                    cross_attention_dim=32, caption_channels=48, guidance_embeds=False)),
}

AUTOENCODERS = {
    "three": dict(
        store=dict(dtype=BF16),
        config=dict(latent_channels=16, attention_head_dim=16,
                    encoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock"),
                    decoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock"),
                    encoder_block_out_channels=(16, 32, 32),
                    decoder_block_out_channels=(16, 32, 32),
                    encoder_layers_per_block=(1, 1, 1), decoder_layers_per_block=(1, 2, 1),
                    encoder_qkv_multiscales=((), (), (5,)), decoder_qkv_multiscales=((), (), (5,)),
                    upsample_block_type="interpolate", downsample_block_type="conv")),
    "five": dict(
        store=dict(dtype=BF16),
        config=dict(latent_channels=32, attention_head_dim=32,
                    encoder_block_types=("ResBlock",) * 3 + ("EfficientViTBlock",) * 2,
                    decoder_block_types=("ResBlock",) * 3 + ("EfficientViTBlock",) * 2,
                    encoder_block_out_channels=(16, 16, 32, 32, 64),
                    decoder_block_out_channels=(16, 16, 32, 32, 64),
                    encoder_layers_per_block=(1, 1, 1, 1, 1),
                    decoder_layers_per_block=(1, 1, 1, 1, 2),
                    encoder_qkv_multiscales=((), (), (), (5,), (5,)),
                    decoder_qkv_multiscales=((), (), (), (5,), (5,)),
                    upsample_block_type="interpolate", downsample_block_type="conv")),
    # no first stage; a head that does not divide its width
    "shuffle": dict(
        store=dict(dtype=F16, variant="fp16"),
        config=dict(latent_channels=8, attention_head_dim=24,
                    encoder_block_types=("ResBlock", "EfficientViTBlock", "EfficientViTBlock"),
                    decoder_block_types=("ResBlock", "EfficientViTBlock", "EfficientViTBlock"),
                    encoder_block_out_channels=(16, 32, 64),
                    decoder_block_out_channels=(16, 32, 64),
                    encoder_layers_per_block=(0, 1, 1), decoder_layers_per_block=(0, 1, 1),
                    encoder_qkv_multiscales=((), (), (3, 5)),
                    decoder_qkv_multiscales=((), (3, 5), ()),
                    upsample_block_type="pixel_shuffle",
                    downsample_block_type="pixel_unshuffle")),
    # every norm and activation; no shortcuts; block kinds spelt in ways that mean the other kind
    "norms": dict(
        store=dict(dtype=F32),
        config=dict(latent_channels=16, attention_head_dim=16,
                    encoder_block_types="ResBlock",
                    decoder_block_types=("ResBlock",) * 3 + ("EfficientViTBlock",),
                    encoder_block_out_channels=(8, 16, 16, 32),
                    decoder_block_out_channels=(8, 16, 16, 32),
                    encoder_layers_per_block=(1, 1, 2, 0), decoder_layers_per_block=(0, 2, 1, 1),
                    encoder_qkv_multiscales=((), (), (), ()),
                    decoder_qkv_multiscales=((), (), (), (3,)),
                    decoder_norm_types=("rms_norm", "batch_norm", "rms_norm", "batch_norm"),
                    decoder_act_fns=("silu", "mish", "gelu", "relu"),
                    decoder_conv_act_fn="gelu",
                    encoder_out_shortcut=False, decoder_in_shortcut=False,
                    upsample_block_type="Interpolate", downsample_block_type="Conv")),
    "identity": dict(
        store=dict(dtype=BF16),
        config=dict(latent_channels=16, attention_head_dim=16,
                    encoder_block_types="ResBlock", decoder_block_types="ResBlock",
                    encoder_block_out_channels=(8, 16), decoder_block_out_channels=(8, 16),
                    encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1),
                    encoder_qkv_multiscales=((), ()), decoder_qkv_multiscales=((), ()),
                    decoder_norm_types="batch_norm", decoder_act_fns=(None, "swish"),
                    decoder_conv_act_fn="mish",
                    upsample_block_type="interpolate", downsample_block_type="conv")),
    # six stages with everything that has a default left out of the configuration
    "lean": dict(
        store=dict(dtype=BF16, sparse=True),
        config=dict(encoder_block_out_channels=(8, 8, 16, 16, 32, 32),
                    decoder_block_out_channels=(8, 8, 16, 16, 32, 32))),
}

TEXT_ENCODERS = {
    "gemma": dict(
        store=dict(dtype=BF16),
        config=dict(hidden_size=48, intermediate_size=96, num_hidden_layers=3,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                    query_pre_attn_scalar=24)),
    # as transformers 4 wrote it, sharded, with a causal model's prefix and head; a window so short
    # that the instruction does not fit
    "gemma_old": dict(
        store=dict(dtype=F32, old=True),
        config=dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                    num_attention_heads=2, num_key_value_heads=1, head_dim=16,
                    query_pre_attn_scalar=16, attn_logit_softcapping=3.0, rms_norm_eps=1e-5,
                    sliding_window=64,
                    rope_parameters=dict(rope_type="default", rope_theta=500.0))),
}


# --- drawing ------------------------------------------------------------------------------------


def normal(shape, *key):
    g = torch.Generator("cpu").manual_seed(zlib.crc32("/".join(map(str, key)).encode()))
    return torch.randn(shape, generator=g)


# Outputs that a norm follows at once: small, so that the norm's eps matters.
SMALL = ("caption_projection.linear_2.*", "*coder.*.conv2.weight", "*coder.*.conv_point.weight",
         "*coder.*.to_out.weight")
SMALL_OF = {"transformer_sprint": ("*.attn?.to_q.*", "*.attn?.to_k.*"),
            "transformer_grid": ("*.attn?.to_q.*", "*.attn?.to_k.*"),
            "transformer_base": ("patch_embed.*",)}


def spread(name, parameter, key):
    """The value of one parameter or buffer by what it is."""
    x = normal(parameter.shape, key, name)
    leaf = name.rsplit(".", 1)[-1]
    patterns = SMALL + SMALL_OF.get(key, ())
    small = 0.1 if any(fnmatch.fnmatch(name, p) for p in patterns) else 1.0
    if leaf == "running_var":
        return torch.exp(0.4 * x) * 0.02
    if leaf == "running_mean":
        return 0.03 * x
    if leaf == "scale_shift_table":
        return 0.7 * x
    if fnmatch.fnmatch(name, "*.attn2.norm_?.weight"):
        return 0.25 * x + 1.6
    if "norm" in name and leaf == "weight":
        return 0.25 * x + (0.0 if key.startswith("gemma") else 1.0)
    if leaf == "bias":
        return 0.2 * small * x
    if "embed_tokens" in name:
        return x / math.sqrt(parameter.shape[1])
    gain = small
    if name == "time_embed.linear.weight":
        gain = 0.6
    if name == "caption_projection.linear_1.weight":
        gain = 2.0
    if ".to_qkv_multiscale." in name and name.endswith("proj_in.weight"):
        gain = 1.5
    if ".attn2.to_q" in name or ".attn2.to_k" in name:
        gain *= 1.3 if key == "transformer_plain" else 2.4
    if "q_proj" in name or "k_proj" in name:
        gain = 2.4
    return gain * x / math.sqrt(parameter[0].numel())


@torch.no_grad()
def randomise(model, key):
    for name, p in model.named_parameters():
        p.copy_(spread(name, p, key))
    for name, p in model.named_buffers():
        if name.rsplit(".", 1)[-1] in ("running_mean", "running_var"):
            p.copy_(spread(name, p, key))
    return model.eval().requires_grad_(False)


@torch.no_grad()
def round_to(model, dtype):
    """Leaves values that the stored type holds exactly."""
    for p in list(model.parameters()) + [b for b in model.buffers() if b.is_floating_point()]:
        p.copy_(p.to(dtype).float())
    return model


@torch.no_grad()
def scale_to(conv, factor):
    conv.weight.mul_(factor)
    if conv.bias is not None:
        conv.bias.mul_(factor)


def last_conv(module):
    return module.conv if hasattr(module, "conv") else module


# --- components ---------------------------------------------------------------------------------


def transformer(name):
    spec = TRANSFORMERS[name]
    model = randomise(SanaTransformer2DModel(**spec["config"]), "transformer_" + name)
    c = spec["config"]
    x = normal((1, c["in_channels"], 8, 12), "calibrate", name)
    text = normal((1, 12, c["caption_channels"]), "calibrate text", name)
    guidance = torch.tensor([0.45]) if c["guidance_embeds"] else None
    y = model(x, encoder_hidden_states=text, timestep=torch.tensor([0.8]), guidance=guidance,
              return_dict=False)[0]
    scale_to(model.proj_out, 1.0 / float(y.std()))
    return round_to(model, spec["store"]["dtype"])


def autoencoder(name):
    spec = AUTOENCODERS[name]
    model = randomise(AutoencoderDC(**spec["config"]), "vae_" + name)
    side = 8 * 2 ** (len(spec["config"]["encoder_block_out_channels"]) - 1)
    x = torch.from_numpy(picture(side, side, 0)).permute(2, 0, 1)[None].float() / 127.5 - 1
    z = model.encoder(x)
    if "lean" != name:
        model.register_to_config(scaling_factor=round(1.0 / float(z.std()), 5))
    latent = normal((1, model.config.latent_channels, 8, 12), "calibrate", name)
    y = model.decoder(latent / model.config.scaling_factor)
    scale_to(last_conv(model.decoder.conv_out), 0.55 / float(y.std()))
    return round_to(model, spec["store"]["dtype"])


def text_encoder(name, vocabulary):
    spec = TEXT_ENCODERS[name]
    config = Gemma2Config(vocab_size=vocabulary, **spec["config"])
    model = Gemma2Model(config)
    return round_to(randomise(model, name), spec["store"]["dtype"])


# --- files --------------------------------------------------------------------------------------


def rewrite_config(path, drop=(), add=None):
    config = json.loads(path.read_text())
    for key in ("_name_or_path",) + tuple(drop):
        config.pop(key, None)
    config.update(add or {})
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def save_diffusers(model, directory, dtype, variant=None, max_shard_size=None, sparse=False):
    directory.mkdir(parents=True, exist_ok=True)
    model.to(dtype).save_pretrained(directory, variant=variant,
                                    max_shard_size=max_shard_size or "10GB")
    drop = []
    if sparse:
        signature = inspect.signature(type(model).__init__).parameters
        drop = [k for k, p in signature.items()
                if k in model.config and same(model.config[k], p.default)]
    rewrite_config(directory / "config.json", drop)


def same(a, b):
    return json.dumps(a) == json.dumps(b)


def save_text_encoder(model, directory, dtype, old=False):
    directory.mkdir(parents=True, exist_ok=True)
    model.to(dtype).save_pretrained(directory)
    if not old:
        rewrite_config(directory / "config.json")
        return
    file = directory / "model.safetensors"
    tensors = {"model." + k: v for k, v in load_file(file).items()}
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"][:8].clone()
    names = sorted(tensors)
    half = len(names) // 2
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": {}}
    for i, part in enumerate((names[:half], names[half:])):
        shard = f"model-{i + 1:05d}-of-00002.safetensors"
        save_file({k: tensors[k] for k in part}, directory / shard, metadata={"format": "pt"})
        index["weight_map"].update({k: shard for k in part})
    file.unlink()
    (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    theta = model.config.rope_parameters["rope_theta"]
    rewrite_config(directory / "config.json",
                   drop=("rope_parameters", "layer_types", "dtype", "use_bidirectional_attention"),
                   add=dict(architectures=["Gemma2ForCausalLM"], torch_dtype="float32",
                            rope_theta=theta, hidden_act="gelu_pytorch_tanh",
                            transformers_version="4.46.1"))


def train_tokenizer(file, texts):
    """A Gemma-like vocabulary: BPE with byte fallback and no dummy prefix."""
    with open(file, "wb") as out:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_writer=out, model_type="bpe", vocab_size=760,
            byte_fallback=True, add_dummy_prefix=False, normalization_rule_name="identity",
            remove_extra_whitespaces=False, split_digits=True, character_coverage=1.0,
            allow_whitespace_only_pieces=True, num_threads=1, minloglevel=2,
            pad_id=0, eos_id=1, bos_id=2, unk_id=3, user_defined_symbols=list(ONES))


def picture(width, height, kind):
    """A test picture, 8 bits RGB: ramps, a disc, stripes and a little noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / width, y / height
    r = 0.5 + 0.45 * np.sin(5.0 * u + 3.0 * v + kind)
    g = 0.15 + 0.7 * v
    b = np.where((x.astype(int) // 5 + y.astype(int) // 7) % 2 == 0, 0.8 - 0.5 * u, 0.25)
    disc = (u - 0.4) ** 2 + (v - 0.55) ** 2 < 0.06
    r, g = np.where(disc, 0.95, r), np.where(disc, 0.3, g)
    noise = np.random.Generator(np.random.PCG64(100 + kind)).normal(0, 0.03, (height, width, 3))
    rgb = np.stack([r, g, b], -1) + noise
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)
