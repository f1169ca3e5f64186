# SPDX-License-Identifier: LGPL-2.1-or-later
"""Photographs to model directory, stage by stage; what is done is not done again.

Called by tools/demo-model/make, which has the options' explanation.
"""
import argparse
import fcntl
import os
import pathlib
import signal
import sys
import time

import files
import photographs

# Threads that spin while they wait would count as work, and a budget is processor time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# minutes of two cores; --minutes scales the trainings
MINUTES = {"autoencoder": 24.0, "transformer": 52.0, "text": 8.0}
GPU_SHARE = .1  # of them, by the clock
COUNTS = {"train": 420, "held": 24}
ENCODED = 320
TOY = {"minutes": 0.5, "counts": {"train": 12, "held": 4}, "encoded": 8}


def parse(words=None):
    p = argparse.ArgumentParser(prog="make", description="Trains the demonstration model.",
                                allow_abbrev=False)  # make knows --until by its name
    p.add_argument("--work", type=pathlib.Path, required=True,
                   help="directory for photographs, crops, checkpoints and the result (9 GB)")
    whole = sum(MINUTES.values())
    p.add_argument("--minutes", type=float,
                   help=f"for all trainings, of two cores (default {whole:g}), or with --device "
                        f"cuda by the clock (default {GPU_SHARE * whole:g})")
    p.add_argument("--from", dest="model", type=pathlib.Path, metavar="MODEL",
                   help="a model directory to go on from: the trainings begin with its networks")
    p.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--toy", action="store_true",
                   help="half a minute of training on a dozen crops: shows that everything runs")
    p.add_argument("--until", choices=("crops", "autoencoder", "latents", "transformer", "text",
                                     "export"),
                   default="export", help="the last stage to do")
    return p.parse_args(words)


def budget(o):
    """Minutes of all trainings."""
    if o.toy:
        return TOY["minutes"]
    if o.minutes is not None:
        return o.minutes
    return sum(MINUTES.values()) * (1 if o.device == "cpu" else GPU_SHARE)


def stages(o):
    """(name, call) in order.  Imports wait until here: --help needs no torch."""
    import crops
    import export
    import latents
    import train_autoencoder
    import train_text
    import train_transformer
    share = {k: budget(o) * v / sum(MINUTES.values()) for k, v in MINUTES.items()}
    counts = TOY["counts"] if o.toy else COUNTS
    encoded = TOY["encoded"] if o.toy else ENCODED
    return [
        ("photographs", lambda: photographs.fetch(o.work)),
        ("crops", lambda: crops.make(o.work, counts)),
        ("autoencoder", lambda: train_autoencoder.train(o.work, share["autoencoder"], o.device,
                                                        o.model)),
        ("latents", lambda: latents.make(o.work, encoded, o.device)),
        ("transformer", lambda: train_transformer.train(o.work, share["transformer"], o.device,
                                                        o.model)),
        ("text", lambda: train_text.train(o.work, share["text"], o.device)),
        ("export", lambda: export.make(o.work)),
    ]


def claim(work, toy, model):
    """A directory holds a toy or the real thing, from nothing or from one model, never parts of
    two."""
    import export
    if model and not (model / "model_index.json").exists():
        sys.exit(f"--from {model} is no model directory (it has no model_index.json)")
    mine = {"kind": "toy" if toy else "whole", "from": export.digest(model) if model else ""}
    for name, value in mine.items():
        path = work / name
        if path.exists() and path.read_text() != value:
            sys.exit(f"{work} holds another run ({name}: {path.read_text() or 'nothing'}, and not "
                     f"{value or 'nothing'}); name another directory")
    for name, value in mine.items():
        files.write_whole(work / name, value)


def lock(work):
    """A file whose lock keeps other runs out of the directory until this process ends, however."""
    work.mkdir(parents=True, exist_ok=True)
    file = (work / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        sys.exit(f"another run is at work in {work}; wait until it ends or name another directory")
    return file


def attempt(name, call):
    """What the call returns; what it cannot do ends the program with one sentence."""
    try:
        return call()
    except photographs.Missing as error:
        sys.exit(f"{name}: {error}")
    except OSError as error:
        sys.exit(f"{name}: {error}; make room or correct it and run the same command again")


def make(o):
    attempt(o.work, lambda: claim(o.work, o.toy, o.model))
    from training import prepare
    prepare(o.device, o.threads)
    for name, call in stages(o):
        start = time.monotonic()
        attempt(name, call)
        print(f"{name}: done, {time.monotonic() - start:.0f} s", flush=True)
        if name == o.until:
            break


def main():
    o = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with attempt(o.work, lambda: lock(o.work)):
            make(o)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from what is kept", flush=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
