# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains the autoencoder: autoencoder.pt, {"weights": state, "scale": 1 / deviation, "anew":
whether it began from nothing}.

From nothing it begins as the best linear code.  First on 128 px squares, then on whole 256 px
crops, whose attention sees as much as later.  The decoder sees latents with noise, so that it can
live with a transformer's errors.
"""
import json

import numpy as np
import torch
from diffusers import AutoencoderDC

import linear
import networks
from crops import NAMES, SIDE
from materials import MATERIALS, material
from styles import TEXTURED
from training import Average, Stage, gradient_loss, half, save, tensor

SMALL_UNTIL = .5        # of the time, on 128 px squares
LATENT_NOISE = .5       # the largest deviation, of that of the latent
TEXTURE_WEIGHT = 3.0
RATE = 6e-4


def squares(pictures, small, rng):
    """uint8 (B, S, S, 3): photographs, styled crops (in step with the cells), materials."""
    side, batch = (128, 12) if small else (SIDE, 3)
    weights = np.array([TEXTURE_WEIGHT if name in TEXTURED else 1.0 for name in NAMES])
    out = []
    for _ in range(batch):
        kind = rng.random()
        if kind < .08:
            name = rng.choice(list(MATERIALS))
            out.append(material(name, rng.standard_normal((32, side // 8, side // 8))))
            continue
        crop = pictures[rng.integers(len(pictures))]
        if kind < .50:
            y, x = rng.integers(SIDE - side + 1, size=2)
            square = crop[rng.integers(2), y:y + side, x:x + side]
            square = square[:, ::-1] if rng.random() < .5 else square
            square = square[..., rng.permutation(3)] if rng.random() < .3 else square
        else:
            y, x = 8 * rng.integers((SIDE - side) // 8 + 1, size=2)
            style = rng.choice(len(NAMES), p=weights / weights.sum())
            square = crop[1 + style, y:y + side, x:x + side]
        out.append(square)
    return np.stack(out)


def loss_of(vae, x, device):
    """Loss, and what to print of it, of pictures (B, 3, H, W)."""
    with half(device):
        z = vae.encode(x)[0]
    z = z.float()
    sigma = LATENT_NOISE * torch.rand(len(x), 1, 1, 1, device=device)
    sigma = sigma * (torch.rand_like(sigma) < .55)
    with half(device):
        y = vae.decode(z + sigma * z.std().detach() * torch.randn_like(z))[0]
    y = y.float()
    plain, edges = (y - x).abs().mean(), gradient_loss(y, x)
    centre = z.mean((0, 2, 3)).square().mean()
    spread = z.var((0, 2, 3)).add(1e-6).log().square().mean()
    loss = plain + edges + (y - x).square().mean() + .02 * centre + .01 * spread
    return loss, {"l1": plain.detach(), "edges": edges.detach()}


@torch.no_grad()
def psnr(vae, pictures, device):
    """dB of each of uint8 (N, H, W, 3), encoded and decoded."""
    out = []
    for picture in pictures:
        x = tensor(picture[None], device)
        with half(device):
            y = vae.decode(vae.encode(x)[0])[0].float().clamp(-1, 1)
        out.append(float(-10 * torch.log10(((y - x) / 2).square().mean() + 1e-9)))
    return np.array(out)


@torch.no_grad()
def scale(vae, pictures, device, rng):
    """1 / deviation of the latents of photographs and styles."""
    some = [pictures[rng.integers(len(pictures)), rng.integers(1 + len(NAMES))]
            for _ in range(64)]
    z = torch.cat([vae.encode(tensor(picture[None], device))[0] for picture in some])
    return 1 / float(z.std())


def layers(config):
    """What of a configuration says which layers there are."""
    plain = json.loads(json.dumps(dict(config)))
    return {k: v for k, v in plain.items() if k[0] != "_" and k != "scaling_factor"}


def train(work, minutes, device, model=None, seed=2):
    """model: a directory to begin with, if its autoencoder has the same layers, or None."""
    done = work / "autoencoder.pt"
    if done.exists():
        return
    pictures = np.load(work / "train.npy", mmap_mode="r")
    held = np.load(work / "held.npy", mmap_mode="r")
    torch.manual_seed(seed)
    vae = networks.autoencoder()
    goes_on = model is not None and \
        layers(vae.config) == layers(AutoencoderDC.load_config(model / "vae"))
    if goes_on:
        vae.load_state_dict(AutoencoderDC.from_pretrained(
            model / "vae", torch_dtype=torch.float32).state_dict())
    else:
        rng = np.random.default_rng(seed)
        linear.begin(vae, torch.cat([tensor(squares(pictures, False, rng), "cpu")
                                     for _ in range(40)]))
    vae.to(device, memory_format=torch.channels_last)
    small_until = 0 if goes_on else SMALL_UNTIL
    parameters = list(vae.parameters())
    average = Average(parameters, .998)
    adam = torch.optim.AdamW(parameters, lr=RATE, betas=(.9, .98), weight_decay=1e-3)
    stage = Stage("autoencoder", work / "autoencoder.checkpoint", minutes,
                  {"vae": vae, "average": average, "adam": adam}, device, seed)
    while stage.running():
        x = tensor(squares(pictures, stage.fraction < small_until, stage.rng), device)
        loss, figures = loss_of(vae, x, device)
        stage.check(loss)
        adam.zero_grad()
        loss.backward()
        stage.clip(parameters)
        for group in adam.param_groups:
            group["lr"] = RATE * stage.rate()
        adam.step()
        average.step()
        stage.done(figures)
        if stage.steps % 500 == 0:
            average.swap()
            print(f"autoencoder: held photographs {psnr(vae, held[:8, 1], device).mean():.2f} dB",
                  flush=True)
            average.swap()
    average.swap()
    vae.eval()
    for k, name in enumerate(NAMES):
        values = psnr(vae, held[:24 if k == 0 else 4, 1 + k], device)
        print(f"autoencoder: {name} {values.mean():.2f} dB, worst {values.min():.2f}", flush=True)
    save({"weights": vae.state_dict(), "anew": not goes_on,
          "scale": round(scale(vae, pictures, device, stage.rng), 5)} | stage.took(), done)


def load(work, device):
    """The trained autoencoder, frozen, and its scale."""
    state = torch.load(work / "autoencoder.pt", map_location=device)
    vae = networks.autoencoder().to(device, memory_format=torch.channels_last)
    vae.load_state_dict(state["weights"])
    return vae.eval().requires_grad_(False), state["scale"]
