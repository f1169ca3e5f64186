# SPDX-License-Identifier: LGPL-2.1-or-later
"""Contact sheets, JPEG."""
import sys

import cv2
import numpy as np

import words
from styles import STYLES

STRENGTHS = (.2, .35, .5, .6, .8)


def labelled(picture, text, side):
    """(side, side, 3) with a caption."""
    out = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    cv2.rectangle(out, (0, 0), (7 * len(text) + 6, 15), (0, 0, 0), -1)
    cv2.putText(out, text, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, .4, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def write(path, rows):
    """rows: lists of equally large pictures, RGB."""
    wide = max(map(len, rows))
    rows = [row + [np.zeros_like(row[0])] * (wide - len(row)) for row in rows]
    sheet = np.concatenate([np.concatenate(row, 1) for row in rows], 0)
    if not cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85]):
        sys.exit(f"{path} could not be written; make room and run the same command again")
    print(f"sheet: {path}", flush=True)


def first_prompt(style):
    return words.phrases(words.STYLES[style][0])[0]


def styles(painter, photographs, folder, side=160):
    """A sheet a strength: a row a photograph, a column a style."""
    for strength in STRENGTHS:
        columns = [painter.restyle(photographs, first_prompt(s), strength) for s in STYLES]
        rows = [[labelled(p, "source", side)] + [
            labelled(column[i], s, side) for column, s in zip(columns, STYLES, strict=True)]
            for i, p in enumerate(photographs)]
        write(folder / f"styles-{round(100 * strength):02}.jpg", rows)


def large(painter, picture, folder, strength=.35, across=5):
    """One picture (512, 512, 3) in every style at its full size."""
    tiles = [labelled(picture, "source", 512)]
    for style in STYLES:
        text = first_prompt(style)
        tiles.append(labelled(painter.restyle(picture[None], text, strength)[0], text, 512))
    write(folder / "large.jpg", [tiles[i:i + across] for i in range(0, len(tiles), across)])


def materials(painter, folder, side=256, seeds=(1, 2, 3)):
    """A row a seed and number of steps, a column a material."""
    rows = []
    for steps in (1, 2):
        for seed in seeds:
            rows.append([labelled(painter.draw(words.phrases(text)[0], seed, side, steps),
                                  f"{name} {steps}/{seed}", side)
                         for name, text in words.MATERIALS.items()])
    write(folder / "materials.jpg", rows)
