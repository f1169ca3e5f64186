# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the procedural pictures are made of.

A picture is float32 (H, W, 3) in 0..1, a map float32 (H, W).  H and W are multiples of CELL, the
pixels under one latent cell: what repeats in a picture repeats with a period that divides CELL, or
a transformer without position embedding could not draw it.
"""
import cv2
import numpy as np

CELL = 8
cv2.setNumThreads(1)


def colour(*rgb):
    """(3,) in 0..1 of three values in 0..255."""
    return np.array(rgb, np.float32) / 255


def luminance(a):
    """(H, W, 3) -> (H, W)."""
    return a @ np.array([.299, .587, .114], np.float32)


def smoothstep(x, low, high):
    """0 below low, 1 above high, a cubic between; high < low turns it round."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a, b, t):
    """a where t is 0, b where it is 1.  a, b: (H, W, 3) or (3,); t: (H, W)."""
    return a + (b - a) * t[..., None]


def blur(a, sigma):
    return cv2.GaussianBlur(a, (0, 0), sigma)


def saturate(a, k):
    """Colours k times as far from grey."""
    grey = luminance(a)[..., None]
    return np.clip(grey + (a - grey) * k, 0, 1)


def gradient_map(x, stops, colours):
    """(H, W) -> (H, W, 3): linear between `colours` (0..255) at `stops`."""
    return np.stack([np.interp(x, stops, [c[i] / 255 for c in colours]) for i in range(3)],
                    -1).astype(np.float32)


def grid(shape):
    """y, x: (H, W) pixel numbers, within their cell."""
    y, x = np.mgrid[0:shape[0], 0:shape[1]].astype(np.float32)
    return y % CELL, x % CELL


def wave(shape, fx, fy, phase=0.0):
    """(H, W) in -1..1: a cosine of fx, fy whole turns a cell."""
    y, x = grid(shape)
    return np.cos(2 * np.pi * (fx * x + fy * y) / CELL + phase).astype(np.float32)


def cells(a, side=CELL):
    """Every square of `side` px its mean colour."""
    h, w = a.shape[:2]
    small = cv2.resize(a, (w // side, h // side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST)


def slopes(grey, sigma):
    """dx, dy: (H, W) of the blurred map, per pixel."""
    g = blur(grey, sigma) if sigma else grey
    return cv2.Sobel(g, -1, 1, 0) / 8, cv2.Sobel(g, -1, 0, 1) / 8


def steepness(grey, sigma):
    """(H, W) >= 0: about 0.1 at a clear edge."""
    return np.hypot(*slopes(grey, sigma))


def relief(grey, sigma):
    """(H, W), about -1..1: the map as a surface lit from the upper left."""
    dx, dy = slopes(grey, sigma)
    return 8 * (dx + dy)


def tone(grey):
    """Local contrast, so that a dim picture and a bright one come out alike: (H, W) -> 0..1.

    It looks 32 px far, which is what the transformer can see."""
    mean = blur(grey, 16)
    return np.clip(.5 + .75 * (mean - .5) + 1.5 * (grey - mean), 0, 1)


def ink(grey, sigma, gain):
    """(H, W): 1 = paper, 0 = a line about 2 sigma wide, by a difference of Gaussians."""
    difference = blur(grey, sigma) - .98 * blur(grey, sigma * 1.6)
    return np.clip(1 + np.tanh(gain * (difference - .004)), 0, 1)
