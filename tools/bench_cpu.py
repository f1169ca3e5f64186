#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The processor's speed and memory in one command: times beside goals, as bench-cpu.md and .json.

    tools/bench_cpu.py --build build --out DIR [--model DIR] [--diffusers V/bin/python]

Without --model a 0.6B model of random weights is made in DIR, 7 GB.  With --diffusers, a Python
with what compare_diffusers.py asks for, diffusers draws the same pictures in the same run, eager
and compiled.  Run it on a quiet machine.

The goals are those of 0.6B in bf16 on two AMX cores; elsewhere they only say how far that is.  Of the
bundled model those are left out that it meets by being small.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

from compare_diffusers import host, positive, size

HERE = pathlib.Path(__file__).resolve().parent
DEMO = HERE.parent / "models/demo"
SIZES = ("256", "384", "512", "768", "1024", "1280x704")
PEER_LAYOUT = "channels_last"  # diffusers' faster one on processors
FLAT = .15                     # what time per pixel may differ from that at 512²
SECONDS = 15                   # of pictures through the element
# rows whose goal holds for any model, or is the bundled one's
ANY_MODEL = ("ns a pixel", "sessions side by side", "bundled model")

# --- what is run ----------------------------------------------------------------------------------


def run(command, threads=None, **more):
    """Runs a command to its end; its failure is ours."""
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    try:
        done = subprocess.run([str(c) for c in command], env={**environment, **more},
                              stdout=subprocess.DEVNULL)
    except OSError as e:
        sys.exit(f"bench_cpu: {command[0]} cannot be run: {e.strerror}")
    if done.returncode:
        sys.exit(f"bench_cpu: {pathlib.Path(command[0]).name} ended with status {done.returncode}")


def report(o, name, command, threads=None):
    """What a command, one of two with the same options, writes as JSON."""
    print(f"{name} …", flush=True)
    path = o.out / f"{name}.json"
    run([*command, f"--frames={o.frames}", f"--json={path}"], threads)
    o.reports[name] = json.loads(path.read_text())
    return o.reports[name]


def bench(o, name, model, *options, threads=None):
    """sana-bench's report."""
    return report(o, name, [o.build / "tools/sana-bench", model, "--device=cpu", *options],
                  threads)


def peer(o, name, model, precision, *options):
    """compare_diffusers' report."""
    return report(o, name, [o.diffusers, HERE / "compare_diffusers.py", model, "--bench",
                            o.build / "tools/sana-bench", "--precision", precision, "--layout",
                            PEER_LAYOUT, "--no-text", *options])


def seconds_of_pipeline(o, side, count):
    """Of gst-launch from start to end, `count` pictures through sanaimg2img."""
    start = time.monotonic()
    run(["gst-launch-1.0", "-q", "videotestsrc", "pattern=ball", f"num-buffers={count}", "!",
         f"video/x-raw,format=RGB,width={side},height={side},framerate=30/1", "!", "sanaimg2img",
         f"model-path={DEMO}", "device=cpu", "prompt=a pencil sketch", "startup-mode=block", "!",
         "fakesink", "sync=false"], GST_PLUGIN_PATH=str(o.build / "gst"))
    return time.monotonic() - start


def element_rate(o, side, frame):
    """Frames a second, of what more pictures take longer; frame: seconds of one, about."""
    few, many = 3, 3 + max(10, round(SECONDS / frame))
    return (many - few) / (seconds_of_pipeline(o, side, many) - seconds_of_pipeline(o, side, few))


# --- what it says ---------------------------------------------------------------------------------


def spread(series):
    runs = series["runs_s"]
    return f"{series['median_s']:.4g} ({min(runs):.4g} … {max(runs):.4g})"


def at(measured, text):
    return next(s for s in measured["sizes"] if (s["width"], s["height"]) == size(text))


def stored_gib(model, component="*"):
    return sum(f.stat().st_size for f in model.glob(f"{component}/*.safetensors")) / (1 << 30)


def pixel_time(s):
    """ns."""
    return s["frame"]["median_s"] / s["width"] / s["height"] * 1e9


def frame_rows(measured):
    s, small = at(measured, "512"), at(measured, "256")
    flop = sum(s[f"{part}_flop"] for part in ("encode", "step", "decode"))
    share = flop / s["frame"]["median_s"] / measured["product_peak_flops"]
    yield "512², whole picture, s", spread(s["frame"]), "≤ 1.0"
    for part, goal in (("encode", ""), ("step", "≤ 0.12"), ("decode", "")):
        rate = s[f"{part}_flop"] / s[part]["median_s"] / measured["product_peak_flops"]
        yield f"512², {part}, s; share of a bare product's rate", \
            f"{spread(s[part])}; {rate:.0%}", goal
    yield "512², whole picture, the same share", f"{share:.0%}", "≥ 75 %"
    yield "256², whole picture, s", spread(small["frame"]), "≤ 0.28"
    yield f"another prompt, {measured['text']['warm_tokens_computed']:.0f} tokens, s", \
        spread(measured["text"]["warm"]), "≤ 0.4"
    slower = s["prompted_frame"]["median_s"] / s["frame"]["median_s"] - 1
    yield "a picture of 512² with such a prompt meanwhile, s; over one without", \
        f"{spread(s['prompted_frame'])}; {slower:+.0%}", "≤ +20 %"


def start_rows(measured, model):
    """measured: at one size, so that its first picture is the process's."""
    s = measured["sizes"][0]
    first = measured["load_s"] + measured["text"]["cold"]["median_s"] + s["first_s"]
    peak, stored = s["peak_rss_gib"], stored_gib(model)
    yield "load, prompt and first picture, s", f"{first:.2f}", "≤ 3"
    yield "peak RSS at 512² less the weights as stored, GiB", \
        f"{peak:.2f} − {stored:.2f} = {peak - stored:.2f}", "≤ 0.7"
    released, drawing = s["released_rss_gib"], stored_gib(model, "vae") \
        + stored_gib(model, "transformer")
    yield "RSS at 512², text encoder released, less autoencoder and transformer as stored, GiB", \
        f"{released:.2f} − {drawing:.2f} = {released - drawing:.2f}", "≤ 1.0"


def size_rows(measured):
    middle = pixel_time(at(measured, "512"))
    for text in SIZES:
        t = pixel_time(at(measured, text))
        yield f"{text}: ns a pixel, of that at 512²", f"{t:.0f}, {t / middle - 1:+.0%}", \
            f"within {FLAT:.0%}"


def scaling_rows(one, all_threads):
    a, b = at(one, "512"), at(all_threads, "512")
    alone = 1 / b["frame"]["median_s"]
    yield f"all {len(os.sched_getaffinity(0))} cores over one, 512²", \
        f"{a['frame']['median_s'] / b['frame']['median_s']:.2f} ×", ""
    yield "two sessions side by side, in sum, of one alone", \
        f"{b['sessions_frames_per_s'] / alone:.0%}", "≥ 90 %"
    yield "peak RSS of two sessions over that of one, GiB", \
        f"{b['sessions_peak_rss_gib'] - b['peak_rss_gib']:.2f}", ""


def integer_rows(o, best):
    """8-bit products against those of the precision that is chosen by itself."""
    path = o.out / f"picture-{best}.rgb"
    usual, integers = (at(bench(o, f"picture-{precision}", o.model, "--size=512",
                                f"--precision={precision}", option), "512")
                       for precision, option in ((best, f"--write-output={path}"),
                                                 ("int8", f"--compare-with={path}")))
    yield "512², int8, whole picture, s", spread(integers["frame"]), ""
    yield f"512², int8 over {best}; PSNR between their pictures", \
        f"{usual['frame']['median_s'] / integers['frame']['median_s']:.2f} ×; " \
        f"{integers['compared_db']:.1f} dB", ""


def peer_rows(measured, what, goals):
    """goals: by variant."""
    frame = measured["parts"]["frame"]
    for variant, goal in goals.items():
        theirs, ours = frame["diffusers"][variant], frame["ours"]
        low, high = theirs["min_s"] / ours["max_s"], theirs["max_s"] / ours["min_s"]
        agreement = measured["agreement"][variant]["db"]
        yield f"{what}, diffusers {variant}, s; over ours", \
            f"{theirs['median_s']:.4g}; {theirs['median_s'] / ours['median_s']:.2f} × " \
            f"({low:.2f} … {high:.2f}), pictures {agreement:.1f} dB alike", goal


def goal_of(model, what, goal):
    """The goal, or "" where the model makes it mean nothing."""
    return goal if model != DEMO or any(part in what for part in ANY_MODEL) else ""


def measure(o):
    """Yields (what, measured, goal)."""
    sizes = [f"--size={s}" for s in SIZES]
    full = bench(o, "sizes", o.model, *sizes)
    yield from frame_rows(full)
    yield from size_rows(full)
    both = bench(o, "sessions", o.model, "--size=512", "--sessions=2")
    yield from start_rows(both, o.model)
    yield from scaling_rows(bench(o, "one-core", o.model, "--size=512", threads=1), both)
    demo = bench(o, "demo", DEMO, "--size=512", "--size=256")
    for side, goal in ((512, "≥ 15"), (256, "≥ 45")):
        print(f"demo, {side}², through the element …", flush=True)
        rate = element_rate(o, side, at(demo, str(side))["frame"]["median_s"])
        yield f"bundled model, {side}², element to element, frames a second", f"{rate:.1f}", goal
    if "avx512_vnni" in host()["units"]:
        yield from integer_rows(o, full["precision"])
    if o.diffusers:
        if full["precision"] == "bf16":
            yield from peer_rows(
                peer(o, "peer-bf16", o.model, "bf16", "--compile", "--reference-f32"), "512², bf16",
                {PEER_LAYOUT: "≥ 6 ×", f"{PEER_LAYOUT}, compiled": "≥ 3 ×"})
        yield from peer_rows(peer(o, "peer-f32", o.model, "f32"), "512², f32",
                             {PEER_LAYOUT: "≥ 1.3 ×"})


def parse():
    p = argparse.ArgumentParser(description="Measures this processor against the goals.")
    p.add_argument("--build", type=pathlib.Path, required=True, help="meson's build directory")
    p.add_argument("--out", type=pathlib.Path, required=True, help="where reports go")
    p.add_argument("--model", type=pathlib.Path, help="(default: 0.6B of random weights, made)")
    p.add_argument("--diffusers", type=pathlib.Path, metavar="PYTHON",
                   help="a Python with diffusers; without it nothing is compared")
    p.add_argument("--frames", type=positive, default=10, help="pictures measured (default 10)")
    o = p.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    o.build, o.out, o.reports = o.build.resolve(), o.out.resolve(), {}
    if not o.model:
        o.model = o.out / "random-0.6b"
        if not (o.model / "model_index.json").exists():
            print("making a 0.6B model of random weights …", flush=True)
            run([o.build / "tools/sana-make-model", "0.6b", o.model])
    o.model = o.model.resolve()
    return o


def main():
    o = parse()
    machine = {**host(), "model": o.model.name, "frames": o.frames}
    rows = []
    for what, measured, goal in measure(o):
        rows.append((what, measured, goal_of(o.model, what, goal)))
        print(f"  {what}: {measured}", flush=True)
    units = " ".join(machine["units"]) or "no AVX-512"
    head = f"{machine['cpu']}, {machine['cores']} cores, {units}; " \
           f"{machine['model']}, {o.reports['sizes']['precision']}, median (least … most) of " \
           f"{o.frames}; commit {(machine['commit'] or 'unknown')[:12]}"
    lines = [head, "", "| what | measured | goal on two AMX cores |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    (o.out / "bench-cpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (o.out / "bench-cpu.json").write_text(json.dumps(
        {"machine": machine, "rows": rows, "reports": o.reports}, indent=1) + "\n")


if __name__ == "__main__":
    main()
