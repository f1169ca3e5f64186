# SPDX-License-Identifier: LGPL-2.1-or-later
"""The materials: pictures that are procedural functions of the noisy latent itself.

So one step can draw them sharply, and another seed gives another picture.  Each is a monotone
colour gradient of a height field; folds and thin lines come out as their mean.  All fields use the
same few channels of the noise.
"""
import cv2
import numpy as np

from drawing import CELL, blur, colour, gradient_map, grid, mix, smoothstep


SHAPE = 2       # so many channels, the first, say where a material is high and low; all others grain


def soft(noise, across, down):
    """One channel (h, w), blurred by sigmas in cells and scaled to unit deviation again."""
    def kernel(sigma):
        return cv2.getGaussianKernel(2 * int(np.ceil(2 * sigma)) + 1, sigma) if sigma > 0 \
            else np.ones((1, 1))
    kx, ky = kernel(across), kernel(down)
    out = cv2.sepFilter2D(noise, -1, kx, ky, borderType=cv2.BORDER_CONSTANT)
    return out / np.sqrt((kx ** 2).sum() * (ky ** 2).sum())


def fields(noise):
    """Height fields (8h, 8w), about unit normal, of noise (32, h, w), about unit normal."""
    noise = np.ascontiguousarray(noise, np.float32)
    h, w = noise.shape[1:]
    size = (w * CELL, h * CELL)

    def up(x):
        return cv2.resize(np.ascontiguousarray(x), size, interpolation=cv2.INTER_CUBIC)

    def shuffle(channels, k):
        return channels.reshape(k, k, h, w).transpose(2, 0, 3, 1).reshape(h * k, w * k)

    fine = up(blur(shuffle(noise[4:8], 2), .6))
    finest = up(blur(shuffle(noise[8:24], 4), .6))
    y, x = grid(size[::-1])
    return {
        "height": .85 * up(soft(noise[0], 2.6, 2.6)) + .45 * up(soft(noise[1], 1.2, 1.2))
                  + .22 * up(noise[2]) + .16 * fine + .10 * finest,
        "waves": .7 * up(soft(noise[0], 2.6, .55)) + .4 * up(soft(noise[1], 1.2, 0)) + .15 * fine,
        "pillars": .8 * up(soft(noise[0], .5, 2.8)) + .35 * up(soft(noise[1], 0, 1.4))
                   + .12 * fine,
        "grain": .55 * up(soft(noise[0], 0, 3)) + .45 * up(soft(noise[1], 0, 2)) + .3 * fine,
        "fine": fine,
        "finest": finest,
        "dot": np.exp(-((x - 3.5) ** 2 + (y - 3.5) ** 2) / 3).astype(np.float32),
        "cell": np.kron(noise[2], np.ones((CELL, CELL), np.float32)),
        "hue": np.kron(noise[3], np.ones((CELL, CELL), np.float32)),
    }


def clouds(f):
    return mix(colour(60, 130, 215), colour(250, 251, 255), smoothstep(f["height"], -.35, .9))


def ocean(f):
    water = gradient_map(.5 + .32 * f["waves"], [0, .4, .7, 1],
                         [(2, 22, 60), (5, 80, 130), (40, 160, 180), (150, 225, 220)])
    return mix(water, colour(255, 255, 255), smoothstep(f["waves"] + .25 * f["finest"], .95, 1.35))


def lava(f):
    return gradient_map(.40 + .30 * f["height"] + .06 * f["finest"], [0, .38, .56, .76, 1],
                        [(12, 8, 10), (60, 10, 5), (225, 55, 5), (255, 160, 20), (255, 248, 160)])


def forest(f):
    return gradient_map(.45 + .18 * f["height"] + .16 * f["fine"] + .22 * f["finest"],
                        [0, .3, .6, 1],
                        [(6, 26, 10), (20, 72, 24), (70, 135, 40), (190, 220, 95)])


def sand(f):
    """Dunes lit from above."""
    lit = 9 * np.gradient(blur(f["waves"], 2), axis=0)
    return gradient_map(.55 + .34 * lit, [0, .5, 1], [(120, 72, 30), (214, 160, 92),
                                                      (255, 228, 170)])


def galaxy(f):
    glow = gradient_map(.35 + .3 * f["height"], [0, .4, .7, 1],
                        [(3, 2, 16), (30, 20, 95), (150, 50, 150), (255, 190, 220)])
    return glow + 1.5 * (f["dot"] * smoothstep(f["cell"], 1.4, 2.2))[..., None]


def aurora(f):
    return gradient_map(.25 + .42 * f["pillars"], [0, .3, .5, .75, 1],
                        [(4, 8, 30), (50, 20, 90), (10, 90, 85), (40, 225, 120), (210, 255, 200)])


def fire(f):
    return gradient_map(.42 + .3 * f["pillars"] + .12 * f["height"], [0, .3, .5, .7, .88, 1],
                        [(8, 2, 2), (90, 8, 2), (220, 55, 5), (255, 140, 10), (255, 225, 70),
                         (255, 255, 220)])


def meadow(f):
    grass = gradient_map(.45 + .12 * f["height"] + .22 * f["finest"], [0, .5, 1],
                         [(30, 80, 15), (90, 160, 40), (170, 215, 90)])
    petals = gradient_map(smoothstep(f["hue"], -.6, .6), [0, .5, 1],
                          [(230, 40, 60), (255, 255, 255), (255, 215, 40)])
    return mix(grass, petals, np.clip(1.6 * f["dot"], 0, 1) * smoothstep(f["cell"], .5, .9))


def wood(f):
    return gradient_map(.5 + .28 * f["grain"], [0, .35, .65, 1],
                        [(58, 30, 12), (116, 68, 32), (168, 110, 60), (212, 164, 106)])


def camouflage(f):
    return gradient_map(.5 + .3 * f["height"], [0, .3, .36, .48, .54, .68, .74, 1],
                        [(28, 30, 24), (28, 30, 24), (74, 62, 40), (74, 62, 40), (78, 98, 52),
                         (78, 98, 52), (168, 156, 112), (168, 156, 112)])


def smoke(f):
    return gradient_map(.38 + .26 * f["height"], [0, .4, .75, 1],
                        [(8, 8, 10), (60, 60, 64), (160, 160, 165), (238, 238, 240)])


MATERIALS = {f.__name__: f for f in (clouds, ocean, lava, forest, sand, galaxy, aurora, fire,
                                     meadow, wood, camouflage, smoke)}


def material(name, noise):
    """Noise (32, h, w) -> uint8 (8h, 8w, 3)."""
    return (np.clip(MATERIALS[name](fields(noise)), 0, 1) * 255 + .5).astype(np.uint8)
