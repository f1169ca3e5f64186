# SPDX-License-Identifier: LGPL-2.1-or-later
"""Encodes the training crops once: latents.npy, the bits of bf16 as int16
(N, 1 + styles, 32, 32, 32), unit variance."""
import os

import numpy as np
import torch

import files
import train_autoencoder
from training import half, tensor


def encode(vae, scale, pictures, device):
    """uint8 (B, H, W, 3) -> (B, 32, H/8, W/8)."""
    with torch.no_grad(), half(device):
        return vae.encode(tensor(pictures, device))[0].float() * scale


def load(work):
    """The cached latents as a bf16 tensor, not yet in memory."""
    return torch.from_numpy(np.load(work / "latents.npy", mmap_mode="c")).view(torch.bfloat16)


def make(work, count, device):
    """Writes the first `count` crops' latents; what an interrupted run wrote is kept."""
    if (work / "latents.npy").exists():
        return
    vae, scale = train_autoencoder.load(work, device)
    pictures = np.load(work / "train.npy", mmap_mode="r")
    count = min(count, len(pictures))
    shape = (count, pictures.shape[1], 32, 32, 32)
    partial, progress = work / "latents.partial.npy", work / "latents.progress"
    begun = partial.exists() and progress.exists()
    out = files.array(partial, np.int16, shape, begun)
    for i in range(int(progress.read_text()) if begun else 0, count):
        z = encode(vae, scale, pictures[i], device)
        out[i] = z.bfloat16().view(torch.int16).cpu().numpy()
        if (i + 1) % 20 == 0:
            out.flush()
            files.write_whole(progress, str(i + 1))
            print(f"latents: {i + 1} of {count}", flush=True)
    out.flush()
    os.replace(partial, work / "latents.npy")
    progress.unlink(missing_ok=True)
