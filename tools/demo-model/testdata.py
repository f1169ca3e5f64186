# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes tests/golden/demo/ from a work directory and a model:

    WORK/venv/bin/python tools/demo-model/testdata.py WORK MODEL tests/golden/demo [WEAK...]

NAME.jpg     a held-out photograph of 128 px in its 18 procedural styles, 6 x 3 tiles in the order
             of styles.txt, the first the photograph itself.  A style followed by "weak" there,
             one of WEAK, is one that the model's card calls so: the test does not ask for it
drawn.png    what diffusers draws with MODEL in f32, 64 px: prompt, seed and steps in drawn.txt
README.md    authors and licences
"""
import json
import pathlib
import sys

import cv2
import numpy as np

import painters
import photographs
from styles import STYLES, styled

SIDE, ACROSS, BYTES = 128, 6, 49000
LICENCES = ("CC", "LGPL", "public domain")
DRAWN = {"prompt": "molten lava", "seed": 7, "steps": 1, "side": 64}
README = """\
<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
# Photographs of the tests

Crops of 128 px of photographs that the demonstration model was not trained on, each in every style;
the styled tiles are under the photograph's licence. Made by `tools/demo-model/testdata.py`.

| file | of | author | licence |
|---|---|---|---|"""


def chosen(work, count=12):
    """(name, row, uint8 (256, 256, 3)) of held-out crops: one of each photograph that may be
    passed on, then second ones, those with the most contrast first."""
    files = json.loads((work / "crops.json").read_text())["files"]["held"]
    rows = {row["file"]: row for row in photographs.table()}
    crops = np.load(work / "held.npy", mmap_mode="r")[:, 1]
    free = [(rows[f], crop) for f, crop in zip(files, crops, strict=True)
            if rows[f]["licence"].startswith(LICENCES)]
    one = len({row["file"] for row, _ in free})
    free[one:] = sorted(free[one:], key=lambda pair: -pair[1].std())
    return [(f"{i + 1:02}", row, crop) for i, (row, crop) in enumerate(free[:count])]


def tiles(crop):
    """uint8 (3 * SIDE, 6 * SIDE, 3)."""
    small = cv2.resize(np.array(crop), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    drawn = [styled(name, small) for name in STYLES]
    return np.concatenate([np.concatenate(drawn[i:i + ACROSS], 1)
                           for i in range(0, len(drawn), ACROSS)], 0)


def jpeg(picture, limit):
    """The best JPEG of at most `limit` bytes."""
    for quality in range(92, 20, -4):
        ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if ok and len(data) <= limit:
            return data.tobytes()
    raise ValueError("no quality is small enough")


def main():
    work, model, out = map(pathlib.Path, sys.argv[1:4])
    out.mkdir(parents=True, exist_ok=True)
    lines = [README]
    for name, row, crop in chosen(work):
        (out / f"{name}.jpg").write_bytes(jpeg(tiles(crop), BYTES))
        lines.append(f"| {name}.jpg | {row['package']}, {photographs.name_of(row)} | "
                     f"{row['author']} | {row['licence']} |")
    weak = set(sys.argv[4:])
    (out / "styles.txt").write_text("".join(f"{s} weak\n" if s in weak else f"{s}\n"
                                            for s in STYLES))
    drawn = painters.Diffusers(model).draw(**DRAWN)
    cv2.imwrite(str(out / "drawn.png"), drawn[..., ::-1])
    (out / "drawn.txt").write_text(f"{DRAWN['prompt']}\n{DRAWN['seed']}\n{DRAWN['steps']}\n")
    (out / "README.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
