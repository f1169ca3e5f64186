# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures and contact sheets of a model directory; tools/demo-model/evaluate explains the options.

The figures of each painter are kept as soon as they are measured, so that a run that was stopped
goes on where it was.
"""
import argparse
import hashlib
import json
import os
import pathlib
import sys

import cv2
import numpy as np
import safetensors

import export
import figures
import files
import painters
import photographs
import sheets


def parse():
    p = argparse.ArgumentParser(prog="evaluate", description="Measures a demonstration model.")
    p.add_argument("--work", type=pathlib.Path, required=True)
    p.add_argument("--model", type=pathlib.Path, help="default: WORK/model")
    p.add_argument("--report", type=pathlib.Path, help="default: WORK/report")
    p.add_argument("--only", choices=("plugin", "diffusers"), help="one way to run it")
    p.add_argument("--toy", action="store_true", help="two photographs, no sheets")
    o = p.parse_args()
    o.model, o.report = o.model or o.work / "model", o.report or o.work / "report"
    if not (o.model / "model_index.json").exists():
        sys.exit(f"{o.model} is no model directory (it has no model_index.json)")
    return o


def held(work, count):
    """uint8 (count, 256, 256, 3): a crop of each held-out photograph."""
    return np.array(np.load(work / "held.npy", mmap_mode="r")[:count, 1])


def square(work, name, side=512):
    """uint8 (side, side, 3): the middle of a photograph."""
    row = next(r for r in photographs.table() if name in r["file"])
    picture = photographs.read(row, work)
    if picture is None:
        sys.exit(f"figures need {name}; run tools/demo-model/make {work} to fetch it again")
    scale = side / picture.shape[0]
    wide = cv2.resize(picture, (round(picture.shape[1] * scale), side),
                      interpolation=cv2.INTER_AREA)
    x = (wide.shape[1] - side) // 2
    return np.ascontiguousarray(wide[:, x:x + side])


def measures(painter, pictures, crops, goals, wide, toy):
    """(name, call) of one painter's figures; of all crops that of the autoencoder."""
    def nearest(texts, strength):
        return lambda: figures.nearest(painter, pictures, goals, texts, strength)

    out = {"templates_0.35": nearest(figures.wordings("templates"), .35),
           "photo": lambda: figures.plain(painter, pictures)}
    if painter.name == "diffusers":
        out = {"autoencoder": lambda: reconstruction(painter, crops)} | out
    if not toy:
        out |= {"templates_0.5": nearest(figures.wordings("templates"), .5),
                "synonyms_0.35": nearest(figures.wordings("synonyms"), .35),
                "strangers_0.35": nearest(figures.strangers(), .35),
                "paraphrases_0.35": nearest(figures.strangers("~"), .35),
                "materials": lambda: figures.nearest_material(painter)}
    if painter.name == "plugin" and not toy:
        out |= {"trained_0.35": nearest(figures.wordings("train"), .35),
                "stillness": lambda: figures.stillness(painter, pictures),
                "panning": lambda: figures.panning(painter, wide),
                "strength": lambda: figures.rising(painter, pictures)}
    return out.items()


def reconstruction(painter, pictures):
    values = figures.psnr(painter.reconstruct(pictures), pictures)
    return {"mean": round(float(values.mean()), 2), "worst": round(float(values.min()), 2),
            "of": len(values)}


def training(work):
    """Steps and minutes of the trainings, where they were made in this directory, and the digest
    of the model that they went on from."""
    import torch
    out = {}
    if (work / "from").exists() and (work / "from").read_text():
        out["from"] = (work / "from").read_text()
    for name in ("autoencoder", "transformer", "text"):
        path = work / f"{name}.pt"
        if path.exists():
            state = torch.load(path, map_location="cpu")
            out[name] = {"steps": state["steps"], "minutes": round(state["minutes"], 1)}
            if state.get("anew"):
                out[name]["anew"] = True
    return out


def fingerprint(o):
    """SHA-256 over all that figures depend on but the weights: these sources, the photographs,
    the plugin, and whether it is a toy."""
    here = pathlib.Path(__file__).parent
    of = sorted(here.glob("*.py")) + [here / "strangers.tsv", o.work / "held.npy"]
    of += sorted(pathlib.Path(os.environ.get("GST_PLUGIN_PATH", "")).glob("libgstsana.so"))
    h = hashlib.sha256(b"toy" if o.toy else b"whole")
    for path in of:
        h.update(path.read_bytes())
    return h.hexdigest()


def same_model(o):
    """Whether it is the one that was trained in this work directory."""
    mine = o.work / "model"
    return mine.exists() and export.digest(mine) == export.digest(o.model)


def about(o, count):
    of = json.loads((o.work / "crops.json").read_text())["files"]["held"][:count]
    with safetensors.safe_open(o.model / "text_encoder/model.safetensors", "np") as f:
        text = sum(int(np.prod(f.get_slice(k).get_shape())) for k in f.keys())
    return {"digest": export.digest(o.model), "fingerprint": fingerprint(o),
            "bytes": export.size(o.model), "text_parameters": round(text / 1e6, 1),
            "crops": count, "photographs": len(set(of)),
            "training": training(o.work) if same_model(o) else {}}


def keep(known, path):
    files.write_whole(path, json.dumps(known, indent=1, ensure_ascii=False) + "\n")


def main():
    o = parse()
    o.report.mkdir(parents=True, exist_ok=True)
    path, known = o.report / "figures.json", {}
    if path.exists():
        known = json.loads(path.read_text())
    if (known.get("digest"), known.get("fingerprint")) != (export.digest(o.model), fingerprint(o)):
        known = {}
    crops = held(o.work, 2 if o.toy else 24)
    pictures = crops[:12]
    known.update(about(o, len(pictures)))
    goals = figures.targets(pictures)
    big = square(o.work, "china.jpg")
    wide = cv2.resize(big, (320, 320))[32:288]
    for kind in (painters.Plugin, painters.Diffusers):
        if o.only and kind.name != o.only:
            continue
        painter = kind(o.model)
        mine = known.setdefault(kind.name, {})
        for name, call in measures(painter, pictures, crops, goals, wide, o.toy):
            if name not in mine:
                mine[name] = call()
                keep(known, path)
            shown = {k: v for k, v in mine[name].items() if k not in ("misses", "distance_to_own")}
            print(f"{kind.name} {name}: {shown}", flush=True)
        if kind is painters.Plugin and not o.toy and not known.get("sheets"):
            sheets.styles(painter, pictures[:10], o.report)
            sheets.large(painter, big, o.report)
            sheets.materials(painter, o.report)
            known["sheets"] = True
            keep(known, path)


if __name__ == "__main__":
    main()
