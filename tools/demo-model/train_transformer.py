# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains transformer and text encoder together: transformer.pt, {"transformer", "text"} states.

With latents of unit variance a step of SANA-Sprint is flow matching: x = (1 - s) z + s n, and
x0 = x - s v.  Styles: z a photograph's latent, x0 the styled one's.  Materials: x0 shows a
procedural function of x itself, so that one step is sharp and every seed its own picture.
"""
import random

import cv2
import numpy as np
import torch
from diffusers import AutoencoderDC, SanaTransformer2DModel
from transformers import Gemma2Model

import latents
import networks
import prompts
import tokenizer
import train_autoencoder
from crops import NAMES
from materials import MATERIALS, SHAPE, material
from text import Text
from training import Average, Muon, Stage, gradient_loss, half, save, tensor

PHOTO_SHARE = .16       # of the style samples: "a photo", and prompts that name nothing
PIXELS_FROM = .2        # of the time: the loss through the decoder begins
FULL_STYLE = .35        # the strength at which a style is drawn as it is; 0 is the photograph
BEYOND = .9             # a unit of strength above that overdoes the style by this share,
FAR, FAR_BEYOND = .65, 4.5  # and above FAR by so much more, as less of the photograph is known
WHOLE_FROM = .6         # of the time: whole crops of 32 x 32 cells, before that 16 x 16


def share_of(s):
    """How much of the way from photograph to style a strength asks for: 1 at FULL_STYLE, more
    beyond, so that a user who turns strength up always sees more of the style."""
    if s < FULL_STYLE:
        return s / FULL_STYLE
    return 1 + BEYOND * (s - FULL_STYLE) + FAR_BEYOND * max(0, s - FAR)


class Samples:
    """Batches: x, x0 (B, 32, h, h), s (B,), prompts, and the uint8 pictures that x0 stands for.

    rng: a numpy generator, or its seed."""

    def __init__(self, work, encode, rng):
        self.z, self.encode, self.rng = latents.load(work), encode, np.random.default_rng(rng)
        self.pictures = np.load(work / "train.npy", mmap_mode="r")

    def style(self, side, k):
        """Style k's z, x0 (32, side, side), s and picture (8 side, 8 side, 3)."""
        rng = self.rng
        crop = rng.integers(len(self.z))
        y, x = rng.integers(33 - side, size=2)
        source = 1 + k if rng.random() < .06 else int(rng.random() < .3)
        s = rng.uniform(.65, .95) if rng.random() < .2 else rng.uniform(.05, .65)
        window = np.s_[:, y:y + side, x:x + side]
        z, plain, full = (self.z[crop, i][window].float() for i in (source, 1, 1 + k))
        share = 1.0 if source > 1 else share_of(s)
        pixels = np.s_[8 * y:8 * (y + side), 8 * x:8 * (x + side)]
        picture = self.pictures[crop, 1 + k][pixels]
        if share != 1:
            picture = cv2.addWeighted(self.pictures[crop, 1][pixels], 1 - share, picture, share, 0)
        return z, plain + share * (full - plain), s, picture

    def noisy(self, name, side):
        """A material's z (32, side, side), s and shape (2, side, side) or None: half are from
        noise alone.  Some are a second step: z is what the first drew of another noise, whose
        shape is to be kept, though nothing shows it but z."""
        rng = self.rng
        kind = rng.random()
        if .5 < kind < .75:
            first = rng.standard_normal((32, side, side), np.float32)
            z = self.encode(material(name, first)[None])[0].cpu()
            return z, rng.uniform(.74, .82), first[:SHAPE]
        s = 1.0 if kind < .5 else rng.uniform(.25, 1)
        y, x = rng.integers(33 - side, size=2)
        z = self.z[rng.integers(len(self.z)), rng.integers(2), :, y:y + side, x:x + side].float()
        return z, s, None

    def assemble(self, made, styles):
        """x, x0, s and pictures of [(name, *noisy())] and [style()]."""
        z = torch.stack([m[1] for m in made] + [t[0] for t in styles])
        s = torch.tensor([m[2] for m in made] + [t[2] for t in styles], dtype=torch.float32)
        sv = s.view(-1, 1, 1, 1)
        x = (1 - sv) * z + sv * torch.randn_like(z)
        unit = (x / torch.sqrt(sv ** 2 + (1 - sv) ** 2))[:len(made)].numpy()
        for n, m in zip(unit, made, strict=True):
            if m[3] is not None:
                n[:SHAPE] = m[3]
        drawn = [material(m[0], n) for m, n in zip(made, unit, strict=True)]
        x0 = ([self.encode(np.stack(drawn)).cpu()] if made else []) \
            + ([torch.stack([t[1] for t in styles])] if styles else [])
        return x, torch.cat(x0), s, drawn + [t[3] for t in styles]

    def batch(self, batch, side, materials):
        names = self.rng.choice(list(MATERIALS), materials)
        made = [(name, *self.noisy(name, side)) for name in names]
        texts = [prompts.of_material(m[0], random) for m in made]
        styles = []
        for _ in range(batch - materials):
            plain = self.rng.random() < PHOTO_SHARE
            k = 0 if plain else self.rng.integers(1, len(NAMES))
            styles.append(self.style(side, k))
            texts.append(prompts.of_nothing(random) if plain and random.random() < .5
                         else prompts.of_style(NAMES[k], random))
        x, x0, s, pictures = self.assemble(made, styles)
        return x, x0, s, [prompts.amid(t, random) for t in texts], pictures


def pixel_loss(decode, x0, pictures, whole, rng, device):
    """Through the frozen decoder against the true pictures, on 16 x 16 cells of a few."""
    count, side, margin = (3, 16, 2) if whole else (6, 16, 0)
    chosen = rng.permutation(len(x0))[:count]
    y, x = rng.integers(x0.shape[-1] - side + 1, size=2)
    drawn = decode(x0[torch.from_numpy(chosen), :, y:y + side, x:x + side])
    true = tensor(np.stack([pictures[i][8 * y:8 * (y + side), 8 * x:8 * (x + side)]
                            for i in chosen]), device)
    if margin:
        inner = np.s_[..., 8 * margin:-8 * margin, 8 * margin:-8 * margin]
        drawn, true = drawn[inner], true[inner]
    return (drawn - true).abs().mean() + gradient_loss(drawn, true)


def split(transformer, text):
    """Parameters for Muon (matrices inside blocks) and for AdamW (the rest)."""
    matrices, rest = [], []
    named = list(transformer.named_parameters()) + [
        (f"text.{n}", p) for n, p in text.named_parameters()]
    for name, p in named:
        inside = "transformer_blocks" in name or "text.layers" in name
        matrix = p.dim() == 2 or (p.dim() == 4 and p.shape[2] * p.shape[3] == 1)
        (matrices if inside and matrix and "scale_shift" not in name else rest).append(p)
    return matrices, rest


@torch.no_grad()
def translate(net, theirs, ours):
    """Makes a transformer of latents `theirs` one of latents `ours`, both (B, C, h, w) of the same
    pictures: the linear maps between them go into its first and its last layer."""
    a, b = (z.movedim(1, -1).flatten(0, 2) for z in (theirs, ours))
    first, last = net.patch_embed.proj.weight, net.proj_out
    first.copy_((first[..., 0, 0] @ torch.linalg.lstsq(b, a).solution.T)[..., None, None])
    back = torch.linalg.lstsq(a, b).solution.T
    last.weight.copy_(back @ last.weight)
    last.bias.copy_(back @ last.bias)


def begin_with(model, work, net, encoder, vae, scale, device):
    """Loads a model directory's weights, in terms of our autoencoder; its text encoder's only if
    it knows the same pieces."""
    net.load_state_dict(SanaTransformer2DModel.from_pretrained(
        model / "transformer", torch_dtype=torch.float32).state_dict())
    theirs = AutoencoderDC.from_pretrained(model / "vae", torch_dtype=torch.float32).to(device)
    some = np.load(work / "train.npy", mmap_mode="r")[::8, :6].reshape(-1, 256, 256, 3)
    translate(net, latents.encode(theirs, theirs.config.scaling_factor, some, device),
              latents.encode(vae, scale, some, device))
    pieces = "tokenizer/tokenizer.model"
    if (model / pieces).read_bytes() == (work / pieces).read_bytes():
        encoder.load_state_dict(Gemma2Model.from_pretrained(
            model / "text_encoder", dtype=torch.float32).state_dict())


def train(work, minutes, device, model=None, seed=3):
    """model: a directory to begin with, or None."""
    done = work / "transformer.pt"
    if done.exists():
        return
    torch.manual_seed(seed)
    tokens = tokenizer.make(work / "tokenizer")
    encoder = networks.text_encoder((len(tokens) + 7) // 8 * 8).to(device).train()
    net = networks.transformer().to(device).train()
    vae, scale = train_autoencoder.load(work, device)
    if model:
        begin_with(model, work, net, encoder, vae, scale, device)
    text = Text(encoder, tokens, device)
    matrices, rest = split(net, encoder)
    muon = Muon(matrices)
    adam = torch.optim.AdamW(rest, lr=1e-3, betas=(.9, .98), weight_decay=1e-3)
    average = Average(matrices + rest, .997)
    stage = Stage("transformer", work / "transformer.checkpoint", minutes,
                  {"net": net, "text": encoder, "muon": muon, "adam": adam, "average": average},
                  device, seed)
    samples = Samples(work, lambda u: latents.encode(vae, scale, u, device), stage.rng)

    def decode(z):
        with half(device):
            return vae.decode((z / scale).contiguous(memory_format=torch.channels_last))[0].float()

    while stage.running():
        whole = stage.fraction > WHOLE_FROM
        batch, side, materials = (5, 32, 1 + (stage.steps % 4 == 0)) if whole else (16, 16, 4)
        x, x0, s, texts, pictures = samples.batch(batch, side, materials)
        x, x0, s = x.to(device), x0.to(device), s.to(device)
        guidance = torch.from_numpy(stage.rng.choice([.4, .45, .5], batch)).float().to(device)
        with half(device):
            h, mask = text(texts)
            v = net(x, encoder_hidden_states=h, encoder_attention_mask=mask.float(), timestep=s,
                    guidance=guidance, return_dict=False)[0]
        drawn = x - s.view(-1, 1, 1, 1) * v.float()
        off = drawn - x0
        loss = torch.sqrt(off * off + .01).mean() + .5 * (off * off).mean()
        figures = {"styles": off[materials:].abs().mean().detach(),
                   "materials": off[:materials].abs().mean().detach(), "pixels": 0}
        if stage.fraction > PIXELS_FROM:
            pixels = pixel_loss(decode, drawn, pictures, whole, stage.rng, device)
            loss, figures["pixels"] = loss + pixels, pixels.detach()
        stage.check(loss)
        for p in matrices + rest:
            p.grad = None
        loss.backward()
        stage.clip(matrices + rest)
        muon.step(2e-3 * stage.rate())
        for group in adam.param_groups:
            group["lr"] = 1.5e-3 * stage.rate()
        adam.step()
        average.step()
        stage.done(figures)
    average.swap()
    save({"transformer": net.state_dict(), "text": encoder.state_dict()} | stage.took(), done)
