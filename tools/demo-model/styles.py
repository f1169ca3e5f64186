# SPDX-License-Identifier: LGPL-2.1-or-later
"""The styles: a photograph in, the picture that a prompt asks for out.

Each is a local function: what lies more than 32 px away hardly matters, and nothing is random, for
one step of regression would only learn the mean of it.
"""
import cv2
import numpy as np

from drawing import (CELL, blur, cells, colour, gradient_map, grid, ink, luminance, mix, relief,
                     saturate, slopes, smoothstep, steepness, tone, wave)

# brush directions: whole turns a cell across the stroke, (x, y)
STROKES = ((1, 0), (2, 1), (1, 1), (1, 2), (0, 1), (-1, 2), (-1, 1), (-2, 1))


def photo(a):
    return a


def pencil(a):
    """Graphite lines, and hatching in two directions that grows with the dark."""
    grey = luminance(a)
    line = np.clip(grey / (1 - .985 * blur(1 - grey, 4) + 1e-3), 0, 1) ** 2.2
    shade = blur(tone(grey), 1.5)
    first, second = .5 + .5 * wave(grey.shape, 1, 1), .5 + .5 * wave(grey.shape, 1, -1)
    line = line * (1 - .45 * first * (1 - smoothstep(shade, .3, .65)))
    line = line * (1 - .45 * second * (1 - smoothstep(shade, .1, .4)))
    return mix(colour(38, 38, 44), colour(250, 248, 242), line)


def stroke_weights(grey):
    """(8, H, W), sum 1: how far each of STROKES follows the edges around a pixel."""
    dx, dy = slopes(grey, 1.2)
    xx, yy, xy = blur(dx * dx, 4), blur(dy * dy, 4), blur(dx * dy, 4)
    turn = 3 * np.pi * blur(grey, 4)  # flat places are painted in a direction of their tone
    across = .5 * np.arctan2(2 * xy + 4e-4 * np.sin(turn), xx - yy + 4e-4 * np.cos(turn))
    near = [np.cos(across - np.arctan2(fy, fx)) ** 24 for fx, fy in STROKES]
    return np.stack(near) / np.sum(near, 0)


def smear(a, fx, fy, length=13):
    """Colours drawn out along a stroke whose turns run along (fx, fy)."""
    kernel = np.zeros((length, length), np.float32)
    middle, scale = length // 2, (length // 2) / np.hypot(fx, fy)
    along = (round(-fy * scale), round(fx * scale))
    cv2.line(kernel, (middle - along[0], middle - along[1]),
             (middle + along[0], middle + along[1]), 1.0, 1)
    return cv2.filter2D(a, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def oil(a):
    """Thick strokes in eight directions, which follow the edges and catch the light."""
    colours = np.clip((saturate(a, 1.7) - .5) * 1.15 + .5, 0, 1)
    out = np.zeros_like(a)
    for weight, (fx, fy) in zip(stroke_weights(luminance(a)), STROKES, strict=True):
        ridge = wave(a.shape, fx, fy) + .5 * wave(a.shape, 2 * fx, 2 * fy, 1.2)
        out += weight[..., None] * (smear(colours, fx, fy) + .1 * ridge[..., None])
    return np.clip(out, 0, 1)


def watercolor(a):
    """Pale washes with dark rims on rough paper."""
    bytes_ = cv2.medianBlur((a * 255).astype(np.uint8), 5)
    wash = cv2.bilateralFilter(bytes_, 9, 70, 6).astype(np.float32) / 255
    rim = smoothstep(steepness(luminance(wash), 1.0), .01, .05)
    wash = 1 - (1 - saturate(wash, 2.0)) * .66
    wash = mix(wash, colour(253, 250, 242), .85 * smoothstep(luminance(wash), .8, 1))
    wash = mix(wash, saturate(wash, 2.2) * .5, .9 * rim)
    paper = wave(a.shape, 1, 2) + wave(a.shape, 2, -1) + wave(a.shape, 3, 1, 1.0)
    return np.clip(wash + .035 * paper[..., None], 0, 1)


def comic(a):
    """Strong colours as printer's dots on cream paper where it is dim, ink lines of 3 px."""
    bytes_ = (a * 255).astype(np.uint8)
    flat = cv2.bilateralFilter(bytes_, 9, 70, 6).astype(np.float32) / 255
    paper = colour(255, 240, 190)
    out = smoothstep(saturate(flat, 2), -.05, .85) * paper
    y, x = grid(a.shape)
    between = smoothstep(np.hypot(x - 3.5, y - 3.5), 3.4, 4.6)
    out = mix(out, paper, .7 * between * smoothstep(blur(luminance(flat), 1.5), .9, .4))
    return out * ink(luminance(a), 1.7, 90)[..., None]


def mosaic(a):
    """Four small tiles a cell, with bevels, in light grout."""
    y, x = (v % 4 for v in grid(a.shape))
    tile = cells(saturate(a, 1.7), 4)
    bevel = .10 * ((x == 1) | (y == 1)).astype(np.float32)
    inside = ((x > 0) & (y > 0)).astype(np.float32)
    return np.clip(mix(.45 * tile + .55 * colour(226, 218, 204), .9 * tile + bevel[..., None],
                       inside), 0, 1)


def lego(a):
    """A brick a cell, with its stud."""
    y, x = grid(a.shape)
    x, y = x - 3.5, y - 3.5
    r = np.hypot(x, y)
    ring = smoothstep(r, 1.6, 2.3) * smoothstep(r, 3.4, 2.6)
    edge = .10 * ((x < -3) | (y < -3)) - .22 * ((x > 3) | (y > 3))
    shade = (-.09 * (x + y) * ring + edge).astype(np.float32)
    brick = .08 + .82 * cells(saturate(a, 1.9))
    return np.clip(brick + shade[..., None], 0, 1)


def neon(a):
    """Glowing edges in the dark, of what they surround: its own colour, or if it is grey magenta
    where it is dark and cyan where it is bright."""
    grey = luminance(a)
    edge = np.clip(5 * 2 * steepness(grey, 1.0), 0, 1) ** .8
    glow = blur(edge, 3)
    tube = gradient_map(blur(tone(grey), 3), [.25, .5, .75],
                        [(255, 30, 170), (150, 70, 255), (20, 230, 255)])
    near = blur(a, 3)
    most, least = near.max(2), near.min(2)
    own = (near - .8 * least[..., None]) / (most - .8 * least + .02)[..., None]
    tube = mix(tube, own, smoothstep(most - least, .12, .35))
    room = colour(10, 4, 28) + .16 * grey[..., None] * colour(90, 40, 160)
    return np.clip(room + tube * (edge + .6 * glow)[..., None] + .5 * (edge ** 3)[..., None], 0, 1)


def sepia(a):
    return gradient_map(.06 + .9 * tone(luminance(a)), [0, .5, 1],
                        [(40, 20, 5), (165, 115, 65), (255, 240, 200)])


def noir(a):
    return np.repeat(smoothstep(tone(luminance(a)), .15, .85)[..., None], 3, 2)


def winter(a):
    """Cold light, snow on what faces up."""
    grey = luminance(a)
    _, dy = slopes(grey, 1)
    snow = np.clip(16 * dy, 0, 1)
    cold = gradient_map(tone(grey) ** .85, [0, .35, .75, 1],
                        [(25, 45, 80), (110, 150, 195), (215, 232, 248), (255, 255, 255)])
    return np.clip(mix(.8 * cold + .2 * a, colour(255, 255, 255), snow), 0, 1)


def sunset(a):
    warm = gradient_map(tone(luminance(a)), [0, .3, .6, .85, 1],
                        [(45, 10, 50), (165, 40, 70), (245, 120, 40), (255, 195, 80),
                         (255, 245, 200)])
    return np.clip(.72 * warm + .28 * a * colour(255, 190, 140), 0, 1)


def night(a):
    """Moonlight; what is brighter than its surroundings is a lamp."""
    grey = luminance(a)
    dim = .34 * a * colour(110, 145, 255) + colour(2, 6, 26)
    lamp = smoothstep(blur(grey, 1) - blur(grey, 7), .07, .22)
    return np.clip(dim + .85 * lamp[..., None] * colour(255, 205, 110)
                   + .3 * blur(lamp, 5)[..., None] * colour(255, 150, 60), 0, 1)


def thermal(a):
    return gradient_map(tone(blur(luminance(a), 1)), [0, .2, .4, .6, .8, 1],
                        [(0, 0, 60), (60, 0, 160), (190, 0, 140), (250, 80, 20), (255, 200, 0),
                         (255, 255, 220)])


def blueprint(a):
    """White lines on blue squared paper."""
    grey = luminance(a)
    line = 1 - ink(grey, 1.1, 60)
    line = np.clip(line + .8 * np.clip(6 * steepness(grey, 1) - .15, 0, 1), 0, 1)
    y, x = grid(a.shape)
    squares = ((x == 0) | (y == 0)).astype(np.float32)
    return mix(mix(colour(18, 52, 130), colour(60, 100, 180), .6 * squares),
               colour(240, 246, 255), line)


def stone(a):
    grey = luminance(a)
    lit = np.clip(.5 + 1.1 * relief(grey, 1.2) + .22 * (tone(blur(grey, 1.2)) - .5), 0, 1)
    return gradient_map(lit, [0, .5, 1], [(35, 33, 32), (150, 146, 138), (250, 246, 236)])


def stitch(a):
    """A cross of thread a cell on linen."""
    y, x = grid(a.shape)
    x, y = x - 3.5, y - 3.5
    off = np.minimum(abs(x - y), abs(x + y))
    thread = smoothstep(off, 2.8, 1.5) * (np.maximum(abs(x), abs(y)) < 3.9)
    shine = .24 * smoothstep(off, 1.6, .4) - .10
    return mix(colour(190, 174, 146), np.clip(cells(saturate(a, 1.9)) + shine[..., None], 0, 1),
               thread.astype(np.float32))


def gold(a):
    grey = blur(luminance(a), 1)
    lit = np.clip(.12 + .6 * tone(grey) + .9 * relief(grey, 0), 0, 1)
    return gradient_map(lit, [0, .3, .6, .85, 1],
                        [(30, 14, 0), (120, 70, 5), (212, 155, 30), (255, 222, 110),
                         (255, 252, 225)])


STYLES = {f.__name__: f for f in (photo, pencil, oil, watercolor, comic, mosaic, lego, neon, sepia,
                                  noir, winter, sunset, night, thermal, blueprint, stone, stitch,
                                  gold)}
TEXTURED = ("pencil", "oil", "watercolor", "comic", "mosaic", "lego", "blueprint", "stitch")


def styled(name, picture):
    """uint8 (H, W, 3) -> uint8 (H, W, 3)."""
    assert picture.shape[0] % CELL == 0 and picture.shape[1] % CELL == 0
    out = STYLES[name](picture.astype(np.float32) / 255)
    return (np.clip(out, 0, 1) * 255 + .5).astype(np.uint8)
