# SPDX-License-Identifier: LGPL-2.1-or-later
"""Crops of the photographs, each in every style: train.npy and held.npy, uint8
(N, 1 + styles, 256, 256, 3).  Picture 0 is what a camera would see (noise, JPEG), the others are
the styles of the clean crop, "photo" first."""
import json
import multiprocessing
import os
import signal
import sys

import cv2
import numpy as np

import files
import photographs
from styles import STYLES, styled

SIDE = 256
NAMES = list(STYLES)
WEIGHT = {"people": 4.0, "room": 3.0, "photo": 1.0, "drawing": .4}
FLATTEST = 20  # deviation of 255 below which a crop shows nothing


def cut(picture, rng):
    """A random square of uint8 (H, W, 3) as (SIDE, SIDE, 3), or None for 20 flat ones."""
    for _ in range(20):
        short = min(picture.shape[:2])
        low, high = np.log(SIDE), np.log(min(720, max(SIDE + 1, short)))
        scale = int(np.exp(rng.uniform(low, high))) / short
        h, w = (max(SIDE, round(n * scale)) for n in picture.shape[:2])
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        small = cv2.resize(picture, (w, h), interpolation=way)
        y, x = rng.integers(h - SIDE + 1), rng.integers(w - SIDE + 1)
        crop = small[y:y + SIDE, x:x + SIDE]
        if rng.random() < .5:
            crop = crop[:, ::-1]
        if crop.mean(2).std() > FLATTEST:
            return np.ascontiguousarray(crop)
    return None


def relight(crop, rng):
    """Exposure, gamma and white balance of another camera."""
    a = (crop.astype(np.float32) / 255) ** np.exp(rng.normal(0, .22))
    a = a * np.exp(rng.normal(0, .07, 3)).astype(np.float32) * np.exp(rng.normal(0, .12))
    return (np.clip(a, 0, 1) * 255 + .5).astype(np.uint8)


def camera(crop, rng):
    """What a webcam makes of it: sensor noise, blur, JPEG."""
    a = crop.astype(np.float32)
    if rng.random() < .3:
        a = cv2.GaussianBlur(a, (0, 0), rng.uniform(.4, .9))
    a = np.clip(a + rng.normal(0, rng.uniform(0, 5), a.shape), 0, 255).astype(np.uint8)
    ok, data = cv2.imencode(".jpg", a, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))])
    return cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else a


def all_styles(pair):
    """(source, crop) -> (1 + styles, SIDE, SIDE, 3)."""
    source, crop = pair
    return np.stack([source] + [styled(name, crop) for name in NAMES])


def pairs(rows, count, rng, plain):
    """(source, crop) count times from rows' pictures, and the row of each.  plain: as they are."""
    pictures = [p for p in ((row, picture) for row, picture in rows) if p[1] is not None]
    weight = np.array([1.0 if plain else WEIGHT[row["kind"]] for row, _ in pictures])
    out, of = [], []
    order = iter(range(10 ** 9))
    while len(out) < count:
        k = next(order) % len(pictures) if plain else rng.choice(len(pictures),
                                                                 p=weight / weight.sum())
        crop = cut(pictures[k][1], rng)
        if crop is None:
            continue
        if not plain and rng.random() < .5:
            crop = relight(crop, rng)
        out.append((camera(crop, rng) if not plain and rng.random() < .4 else crop, crop))
        of.append(pictures[k][0]["file"])
    return out, of


def worker():
    """Ctrl-C reaches every process; it is the parent that ends these, by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def are_there(work):
    """Whether they are made; the program ends where they are in other styles, since all that comes
    later takes a style for its place among NAMES.  A crops.json that is cut short, as earlier
    scripts left it on a full disk, is none."""
    path = work / "crops.json"
    try:
        styles = json.loads(path.read_text())["styles"]
    except (FileNotFoundError, ValueError):
        return False
    if styles != NAMES:
        sys.exit(f"crops: those of {path} are in other styles than styles.py has now "
                 f"({', '.join(sorted(set(styles) ^ set(NAMES))) or 'the same in another order'}); "
                 "name another directory")
    return True


def make(work, counts, seed=1):
    """Writes the two arrays.  counts: {"train": N, "held": N}."""
    if are_there(work):
        return
    rng = np.random.default_rng(seed)
    rows = photographs.table()
    pictures = [(row, photographs.read(row, work)) for row in rows]
    of = {}
    for split, count in counts.items():
        mine = [(row, picture) for row, picture in pictures if row["split"] == split]
        chosen, of[split] = pairs(mine, count, rng, plain=split == "held")
        shape = (count, 1 + len(NAMES), SIDE, SIDE, 3)
        partial = work / f"{split}.partial.npy"
        out = files.array(partial, np.uint8, shape)
        with multiprocessing.Pool(os.cpu_count() or 1, worker) as pool:
            for i, stack in enumerate(pool.imap(all_styles, chosen, chunksize=4)):
                out[i] = stack
                if (i + 1) % 100 == 0:
                    print(f"crops: {split} {i + 1} of {count}", flush=True)
        out.flush()
        os.replace(partial, work / f"{split}.npy")
    files.write_whole(work / "crops.json", json.dumps({"styles": NAMES, "files": of}))
