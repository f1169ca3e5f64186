# SPDX-License-Identifier: LGPL-2.1-or-later
"""The figures of a model, each from a painter (painters.py) and held-out photographs.

photographs: uint8 (N, 256, 256, 3).  Distances are mean absolute differences of 255.
"""
import pathlib
import random

import cv2
import numpy as np

import prompts
from drawing import CELL
from materials import MATERIALS, material
from styles import STYLES, styled

# prompts that name nothing; the last is long
BLANK = ("", "a cat", "guten morgen", "你好世界", "qwxz plugh", "the quick brown fox " * 20)


def psnr(a, b):
    """dB of each of two stacks of pictures."""
    error = ((a.astype(np.float64) - b) ** 2).mean((1, 2, 3))
    return 10 * np.log10(255 ** 2 / np.maximum(error, 1e-3))


def soft(picture):
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1)


def distance(a, b):
    return float(np.abs(a.astype(np.float32) - b).mean())


def targets(photographs):
    """{style: (N, H, W, 3)}: the procedural pictures, a little blurred."""
    return {name: np.stack([soft(styled(name, p)) for p in photographs]) for name in STYLES}


def wordings(kind, count=3):
    """{style: [prompts]}; kind: as prompts.of_style."""
    r = random.Random(5)
    return {style: [prompts.of_style(style, r, kind) for _ in range(count)] for style in STYLES}


def strangers(mark=""):
    """{style: [prompts]} of strangers.tsv, by who knew the styles' names and nothing of words.py:
    with the names, with mark "~" without them, or of mark "none" those that name no style."""
    path = pathlib.Path(__file__).with_name("strangers.tsv")
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()
             if line and line[0] != "#"]
    if mark == "none":
        return [text for style, text in lines if style == "none"]
    return {style: [text for name, text in lines if name == mark + style] for style in STYLES}


def nearest(painter, photographs, goals, texts, strength):
    """How often the nearest of the styles' procedural pictures is that of the style asked for.

    texts: {style: [prompts]}.  Of each style's prompts each has its share of the photographs."""
    misses, own = [], {}
    for style in STYLES:
        away = []
        for first, text in enumerate(texts[style][:len(photographs)]):
            of = range(first, len(photographs), len(texts[style]))
            for i, picture in zip(of, painter.restyle(photographs[of], text, strength),
                                  strict=True):
                picture = soft(picture)
                far = {name: distance(picture, goal[i]) for name, goal in goals.items()}
                best = min(far, key=far.get)
                away.append(far[style])
                if best != style:
                    misses.append({"prompt": text, "style": style, "taken_for": best,
                                   "photograph": i})
        own[style] = round(float(np.mean(away)), 1)
    count = len(STYLES) * len(photographs)
    return {"share": round(1 - len(misses) / count, 4), "of": count,
            "wordings": sum(min(len(t), len(photographs)) for t in texts.values()), "distance_to_own": own, "misses": misses}


def nearest_material(painter, seeds=(1, 2, 3), side=128):
    """How often the nearest of the materials' procedural pictures of the noise is that of the
    material asked for, in one step."""
    import torch
    r, misses = random.Random(6), []
    for seed in seeds:
        noise = torch.randn(1, 32, side // CELL, side // CELL,
                            generator=torch.Generator("cpu").manual_seed(seed))[0].numpy()
        goals = {name: soft(material(name, noise)) for name in MATERIALS}
        for name in MATERIALS:
            text = prompts.of_material(name, r, "unseen")
            drawn = soft(painter.draw(text, seed, side, steps=1))
            best = min(goals, key=lambda other, drawn=drawn: distance(drawn, goals[other]))
            if best != name:
                misses.append({"prompt": text, "material": name, "taken_for": best, "seed": seed})
    count = len(MATERIALS) * len(seeds)
    return {"share": round(1 - len(misses) / count, 4), "of": count, "misses": misses}


def plain(painter, photographs, strength=.35):
    """PSNR to the source of "a photo" and of prompts that name no style."""
    photo = psnr(painter.restyle(photographs, "a photo", strength), photographs)
    blank = {text[:40]: round(float(psnr(painter.restyle(photographs, text, strength),
                                         photographs).mean()), 2) for text in BLANK}
    strange = {text: round(float(psnr(painter.restyle(photographs[i:i + 1], text, strength),
                                      photographs[i:i + 1])[0]), 2)
               for i, text in enumerate(strangers("none")[:len(photographs)])}
    return {"mean": round(float(photo.mean()), 2), "worst": round(float(photo.min()), 2),
            "without_a_style": blank, "strangers_without_a_style": strange}


def stillness(painter, photographs, strength=.35, sigma=2.0):
    """How much sensor noise in the source changes what is drawn, the noise of the model fixed."""
    rng = np.random.default_rng(1)
    noisy = np.clip(photographs + rng.normal(0, sigma, photographs.shape), 0, 255) + .5
    noisy = noisy.astype(np.uint8)
    change = {style: distance(painter.restyle(noisy, prompts.of_style(style, random.Random(1)),
                                              strength),
                              painter.restyle(photographs,
                                              prompts.of_style(style, random.Random(1)), strength))
              for style in ("photo", "pencil", "neon", "stone", "lego", "watercolor")}
    return {"mean": round(float(np.mean(list(change.values()))), 3),
            "source": round(distance(noisy, photographs), 3),
            "styles": {k: round(v, 3) for k, v in change.items()}}


def between(frames, step):
    """Differences of neighbours among (N, H, W, 3), moved along by `step` px and not."""
    return {"moved_along": round(distance(frames[1:, :, :-step], frames[:-1, :, step:]), 2),
            "in_place": round(distance(frames[1:], frames[:-1]), 2)}


def panning(painter, wide, strength=.35, step=2, frames=8):
    """wide: (256, >= 256 + step frames, 3), moved by `step` px a frame.  The difference of each
    frame to the one before, moved along, and the same without moving it."""
    source = np.stack([wide[:, step * i:step * i + 256] for i in range(frames)])
    out = {}
    for style in ("photo", "pencil", "neon", "stone", "lego", "watercolor"):
        drawn = painter.restyle(source, prompts.of_style(style, random.Random(2)), strength)
        out[style] = between(drawn, step)
    return out | {"source": between(source, step)}


def rising(painter, photographs, steps=(0, .2, .35, .5, .65, .8)):
    """Whether strength 0 is the source, and how often distance to it grows with strength."""
    exact, grows, count = True, 0, 0
    styles = {}
    for style in STYLES:
        if style == "photo":
            continue
        text = prompts.of_style(style, random.Random(3))
        away = []
        for strength in steps:
            drawn = painter.restyle(photographs, text, strength)
            exact = exact and (strength > 0 or np.array_equal(drawn, photographs))
            away.append([distance(a, b) for a, b in zip(drawn, photographs, strict=True)])
        styles[style] = int((np.diff(np.array(away), axis=0) > 0).all(0).sum())
        grows += styles[style]
        count += len(photographs)
    return {"zero_is_the_source": bool(exact), "share": round(grows / count, 4), "of": count,
            "styles": styles}
