# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the autoencoder is before its training: the best linear code of 8 x 8 blocks.

A block's 192 numbers, in the order of three pixel-unshuffles, go through the encoder's strided
convolutions to their first principal components and through the decoder's sub-pixel convolutions
back.  Residual blocks begin at zero, the channels beside this path at random.  Training from here
never falls behind that code; from random weights it did for minutes, on fine texture for ever.
"""
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_dc import DCDownBlock2d

CONSTANT = 32.0     # in the last channel before norm_out: the norm of the others hardly matters


def blocks(x):
    """Pictures (B, 3, H, W) -> (B H/8 W/8, 192)."""
    for _ in range(3):
        x = F.pixel_unshuffle(x, 2)
    return x.movedim(1, -1).reshape(-1, x.shape[1])


def components(x, count):
    """Blocks (N, 192) -> analysis (count, 192), synthesis (192, count), mean (192).

    Each component is divided by the root of its deviation: of all gains this loses least when
    the code is met by white noise."""
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((x - mean).T))
    values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
    gain = values.clamp(min=1e-8) ** -.25
    return gain[:, None] * vectors.T, vectors / gain, mean


def strided(block, rows, bias=None):
    """Makes the first outputs of a DCDownBlock2d the rows (n, 4 inputs) of its unshuffled input."""
    n, inputs = len(rows), block.conv.in_channels
    rows = rows.clone()
    if block.shortcut:
        for k in range(n):
            rows[k, k * block.group_size:(k + 1) * block.group_size] -= 1 / block.group_size
    weight = torch.zeros(n, inputs, 3, 3)
    weight[:, :, 1:, 1:] = rows.view(n, inputs, 2, 2)
    block.conv.weight[:n] = weight
    block.conv.bias[:n] = 0 if bias is None else bias


def subpixel(block, rows, first=0, bias=0):
    """Makes the outputs from `first` on, before the pixel-shuffle, the rows (n, inputs)."""
    outputs = torch.arange(first, first + len(rows))
    rows = rows.clone()
    if block.shortcut:
        rows[torch.arange(len(rows)), outputs // block.repeats] -= 1
    block.conv.weight[outputs] = 0
    block.conv.weight[outputs, :, 1, 1] = rows
    block.conv.bias[outputs] = bias


@torch.no_grad()
def begin(vae, pictures):
    """Sets the weights, in host memory.  pictures: (B, 3, H, W) in -1..1, of what it will see."""
    encoder, decoder, count = vae.encoder, vae.decoder, vae.config.latent_channels
    analysis, synthesis, mean = components(blocks(pictures), count)
    for name, parameter in vae.named_parameters():
        if name.endswith(("norm.weight", "norm_out.weight")):
            parameter.zero_()

    half, quarter, eighth = (m for m in encoder.modules() if isinstance(m, DCDownBlock2d))
    strided(half, torch.eye(12))
    strided(quarter, torch.eye(48, 4 * half.conv.out_channels))
    strided(eighth, F.pad(analysis, (0, 4 * quarter.conv.out_channels - 192)), -analysis @ mean)
    wide = eighth.conv.out_channels // count
    encoder.conv_out.weight[:] = 0
    encoder.conv_out.weight[:, :, 1, 1] = torch.eye(count, wide * count) \
        - torch.eye(count).repeat_interleave(wide, 1) / wide
    encoder.conv_out.bias[:] = 0

    decoder.conv_in.weight[::wide] = 0
    decoder.conv_in.bias[::wide] = 0
    to_quarter, to_half = (b[0] for b in reversed(decoder.up_blocks) if len(b) > 1)
    taken = torch.zeros(192, wide * count)
    taken[:, ::wide] = synthesis
    subpixel(to_quarter, taken, bias=mean)
    subpixel(to_half, torch.eye(48, to_half.conv.in_channels))
    width = decoder.norm_out.weight.shape[0]
    subpixel(to_half, torch.zeros(4, to_half.conv.in_channels), 4 * (width - 1), CONSTANT)
    decoder.norm_out.weight[:] = CONSTANT / width ** .5
    decoder.norm_out.bias[:12] = 1          # so that the activation lets all of -1..1 pass
    decoder.conv_out.conv.weight[:] = 0
    decoder.conv_out.conv.weight[:, :, 1, 1] = torch.eye(12, width)
    decoder.conv_out.conv.bias[:] = -1
