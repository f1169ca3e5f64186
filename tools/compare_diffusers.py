#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast sana-bench and diffusers restyle the same picture with the same weights.

    python3 -m venv V
    V/bin/pip install torch==2.15.0 numpy==2.4.6 diffusers==0.42.1 transformers==5.23.0 \\
        safetensors==0.8.0 sentencepiece==0.2.3 tokenizers==0.23.3 pillow==13.0.0 protobuf
    V/bin/python tools/compare_diffusers.py MODEL_DIR --bench build/tools/sana-bench

Nothing here is needed to build, run or test the plugin.

Both sides get the same directory, picture, prompt, seed 0, type and threads.  They run one after
the other, every diffusers variant (memory layout, torch.compile) and the text encoder in a process
of its own, so that each peak of memory is one thing's alone.  Pictures are compared first:

    f32                          PSNR of the two pictures ≥ 60 dB
    bf16                         PSNR of the two pictures ≥ 30 dB
    bf16 with --reference-f32    against diffusers in f32, ours ≥ 20 dB and at most 1 dB below
                                 diffusers' bf16

where PSNR = 10·log10(4 / mean square difference) of float pictures in [-1, 1] before clamping.  A
picture flatter than a deviation of 0.05 proves nothing and counts as disagreement.  When they
disagree no ratio is printed, no JSON written, and the exit status is 1.  These rules tell two
runs of the same work from runs of different work, no more: a slightly wrong guidance passes them.
That the model is computed rightly is shown by the golden tests.  In bf16 the rule with a reference
is the one to trust: a fixed number cannot know how much rounding a model amplifies.

Our text encoder keeps the instruction's keys and values, and our transformer step the prompt's
(valid tokens only); diffusers computes every one of the 300 padded rows each time.  Each part is
held against whichever diffusers variant is fastest at that part.
"""
import argparse
import json
import math
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version

PINNED = {"torch": "2.15.0", "numpy": "2.4.6", "diffusers": "0.42.1", "transformers": "5.23.0",
          "safetensors": "0.8.0", "sentencepiece": "0.2.3", "tokenizers": "0.23.3",
          "pillow": "13.0.0"}
PROMPT = "a watercolour painting of a harbour town at dusk, warm light"
SEED = 0  # sana-bench's
GUIDANCE = 4.5
WARM_UP = 2
F32_DB, BF16_DB, FLATTEST = 60.0, 30.0, 0.05
BELOW_DB, REFERENCE_DB = 1.0, 20.0  # with a reference
THREADING = ("OMP_", "GOMP_", "KMP_", "MKL_", "DNNL_", "ONEDNN_")

# part: (what it is, the series of sana-bench's JSON, the series of the peer)
PARTS = {
    "text_cold": ("text, instruction + prompt", ("text", "cold"), "text"),
    "text_warm": ("text, next prompt", ("text", "warm"), "text"),
    "encode": ("encode", ("size", "encode"), "encode"),
    "step": ("transformer step", ("size", "step"), "step"),
    "decode": ("decode", ("size", "decode"), "decode"),
    "frame": ("whole picture", ("size", "frame"), "frame"),
}

# --- pictures -------------------------------------------------------------------------------------


def read_floats(path, task):
    """A float picture (H, W, 3) from its raw file."""
    import numpy as np
    return np.fromfile(path, np.float32).reshape(task["height"], task["width"], 3)


def read_source(task):
    """The picture both sides are given, 8 bits (H, W, 3)."""
    import numpy as np
    from PIL import Image
    flat = np.fromfile(task["source"], np.uint8)
    return Image.fromarray(flat.reshape(task["height"], task["width"], 3))


def decibel(a, b):
    """PSNR of two float pictures (H, W, 3) in [-1, 1]; 200 when they are equal."""
    import numpy as np
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return 10 * math.log10(4 / error) if error > 0 else 200.0


def judge(ours, peer, reference, precision):
    """Whether two pictures (H, W, 3) agree by the rules above.  reference: diffusers' f32, None."""
    import numpy as np
    verdict = {"db": decibel(ours, peer), "deviation": float(np.std(peer))}
    if not (np.isfinite(ours).all() and np.isfinite(peer).all()):
        return {"agrees": False, "says": "a picture holds values that are not finite"}
    if reference is not None:
        verdict.update(ours_to_f32_db=decibel(ours, reference),
                       diffusers_to_f32_db=decibel(peer, reference))
        have = verdict["ours_to_f32_db"]
        need = max(verdict["diffusers_to_f32_db"] - BELOW_DB, REFERENCE_DB)
        what = "ours against diffusers' f32"
    else:
        have, need = verdict["db"], F32_DB if precision == "f32" else BF16_DB
        what = "ours against diffusers"
    verdict["says"] = f"{what} {have:.1f} dB, needed {need:.1f} dB, " \
                      f"picture deviation {verdict['deviation']:.2f}"
    verdict["agrees"] = have >= need and verdict["deviation"] >= FLATTEST
    return verdict


# --- diffusers, in a process of its own -----------------------------------------------------------


def dtype_of(precision):
    """The type diffusers computes in; it has no int8 or fp8 of its own."""
    import torch
    return {"f32": torch.float32, "bf16": torch.bfloat16, "int8": torch.bfloat16,
            "fp8": torch.bfloat16}[precision]


def peak_rss():
    """GiB this process has had resident at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def time_runs(call, runs):
    """Seconds of each of `runs` calls after warm-up, to the end of what they started."""
    import torch
    wait = torch.cuda.synchronize if torch.cuda.is_initialized() else lambda: None
    seconds = []
    for i in range(-WARM_UP, runs):
        start = time.perf_counter()
        call()
        wait()
        if i >= 0:
            seconds.append(time.perf_counter() - start)
    return seconds


def encode_text(task):
    """Writes embeds (1, 300, channels) and mask (1, 300) of the prompt, and times it when asked."""
    import inspect

    import torch
    from diffusers import SanaSprintImg2ImgPipeline, SCMScheduler
    from transformers import AutoTokenizer, Gemma2Model
    model = pathlib.Path(task["model"])
    encoder = Gemma2Model.from_pretrained(model / "text_encoder", dtype=dtype_of(task["precision"]),
                                          attn_implementation="eager").eval()
    encoder.to(task["device"])
    if task["compile"]:
        encoder.compile()
    pipe = SanaSprintImg2ImgPipeline(tokenizer=AutoTokenizer.from_pretrained(model / "tokenizer"),
                                     text_encoder=encoder, vae=None, transformer=None,
                                     scheduler=SCMScheduler())
    instruction = inspect.signature(pipe.__call__).parameters["complex_human_instruction"].default

    def encode():
        return pipe.encode_prompt(task["prompt"], device=task["device"],
                                  complex_human_instruction=instruction)

    embeds, mask = encode()
    torch.save({"embeds": embeds, "mask": mask}, task["embeds"])
    times = {"text": time_runs(encode, task["runs"])} if task["runs"] else {}
    return {"times": times, "peak_rss_gib": peak_rss(), "rows": int(mask.sum())}


def load_pictures(task):
    """The image-to-image pipeline without its text encoder."""
    import torch
    from diffusers import (AutoencoderDC, SanaSprintImg2ImgPipeline, SanaTransformer2DModel,
                           SCMScheduler)
    model, dtype = pathlib.Path(task["model"]), dtype_of(task["precision"])
    transformer = SanaTransformer2DModel.from_pretrained(model / "transformer", torch_dtype=dtype)
    vae = AutoencoderDC.from_pretrained(model / "vae", torch_dtype=dtype)
    layout = getattr(torch, task["layout"] + "_format" * (task["layout"] == "contiguous"))
    for module in (transformer.eval(), vae.eval()):
        module.to(device=task["device"], memory_format=layout)
    if task["compile"]:
        mode = "max-autotune" if task["device"] == "cuda" else "default"
        for module in (transformer, vae.encoder, vae.decoder):
            module.compile(mode=mode)
    pipe = SanaSprintImg2ImgPipeline(
        tokenizer=None, text_encoder=None, vae=vae, transformer=transformer,
        scheduler=SCMScheduler.from_pretrained(model / "scheduler"))
    pipe.set_progress_bar_config(disable=True)
    return pipe, layout


def restyle(pipe, task, text, source):
    """One call, 8-bit picture in and out.  Our continuous strength s is the pipeline's strength 1
    from the angle atan2(s, 1 - s)."""
    import torch
    s = task["strength"]
    return pipe(prompt_embeds=text["embeds"], prompt_attention_mask=text["mask"], image=source,
                num_inference_steps=task["steps"], max_timesteps=math.atan2(s, 1 - s),
                intermediate_timesteps=None, strength=1.0, guidance_scale=GUIDANCE,
                generator=torch.Generator("cpu").manual_seed(SEED), height=task["height"],
                width=task["width"], use_resolution_binning=False, output_type="pil").images[0]


def draw(pipe, task, text, source):
    """The decoder's float picture (H, W, 3), before clamping."""
    decoded = []
    hook = pipe.vae.decoder.register_forward_hook(lambda _, __, y: decoded.append(y))
    restyle(pipe, task, text, source)
    hook.remove()
    return decoded[0][0].float().cpu().movedim(0, -1).contiguous().numpy()


def parts_of(pipe, layout, task, text, source):
    """A call without arguments for each part, on inputs of the shapes and types of the pipeline."""
    import torch
    dtype, config = dtype_of(task["precision"]), pipe.transformer.config
    factor = pipe.vae_scale_factor
    x = pipe.image_processor.preprocess(source, height=task["height"], width=task["width"])
    x = x.to(task["device"], dtype).contiguous(memory_format=layout)  # (1, 3, H, W)
    z = torch.randn((1, config.in_channels, task["height"] // factor, task["width"] // factor))
    z = z.to(task["device"], dtype).contiguous(memory_format=layout)
    guidance = torch.full([1], GUIDANCE).to(z) * config.guidance_embeds_scale
    s = torch.tensor([task["strength"]]).to(task["device"])

    def step():
        return pipe.transformer(z, encoder_hidden_states=text["embeds"],
                                encoder_attention_mask=text["mask"], guidance=guidance,
                                timestep=s, return_dict=False)[0]

    return {"encode": lambda: pipe.vae.encode(x).latent, "step": step,
            "decode": lambda: pipe.vae.decode(z, return_dict=False)[0],
            "frame": lambda: restyle(pipe, task, text, source)}


def time_pictures(task):
    """Draws the picture to task["drawn"]; where ours is given, compares, then times the parts."""
    import torch
    pipe, layout = load_pictures(task)
    text = torch.load(task["embeds"], map_location=task["device"])
    source = read_source(task)
    picture = draw(pipe, task, text, source)
    picture.tofile(task["drawn"])
    if not task["ours"]:
        return {"peak_rss_gib": peak_rss()}
    reference = read_floats(task["reference"], task) if task["reference"] else None
    verdict = judge(read_floats(task["ours"], task), picture, reference, task["precision"])
    if not verdict["agrees"]:
        return {"agreement": verdict}
    parts = parts_of(pipe, layout, task, text, source)
    times = {name: time_runs(call, task["runs"]) for name, call in parts.items()}
    return {"agreement": verdict, "times": times, "peak_rss_gib": peak_rss()}


def child(path):
    """Does the task in a JSON file and writes its result beside it."""
    import torch
    task = json.loads(pathlib.Path(path).read_text())
    torch.set_num_threads(task["threads"])
    torch.backends.cudnn.allow_tf32 = False  # f32 means f32; products already are
    with torch.no_grad():
        result = {"text": encode_text, "pictures": time_pictures}[task["role"]](task)
    pathlib.Path(path + ".result").write_text(json.dumps(result))


# --- running both ---------------------------------------------------------------------------------


def run(command, environment):
    """Runs a command to its end; its failure is ours."""
    try:
        done = subprocess.run(command, env=environment)
    except OSError as e:
        sys.exit(f"compare_diffusers: {command[0]} cannot be run: {e.strerror}")
    if done.returncode:
        sys.exit(f"compare_diffusers: {pathlib.Path(command[0]).name} ended with status "
                 f"{done.returncode}")


def environment_of(threads):
    """The environment of every process that is measured."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads),
            "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}


def size_text(o):
    return str(o.width) if o.width == o.height else f"{o.width}x{o.height}"


def run_ours(o, folder, environment):
    """sana-bench's report, with the picture it was given and the one it drew in `folder`."""
    report = folder / "ours.json"
    run([str(o.bench), f"--device={o.device}", f"--precision={o.precision}",
         f"--size={size_text(o)}", f"--frames={o.frames}", f"--steps={o.steps}",
         f"--strength={o.strength}", f"--prompt={o.prompt}", f"--json={report}",
         f"--write-input={folder / 'source.rgb'}", f"--write-output={folder / 'ours.f32'}",
         str(o.model)], environment)
    return json.loads(report.read_text())


def run_peer(o, folder, environment, name, **more):
    """One diffusers process; more: what differs between them."""
    task = dict(model=str(o.model), width=o.width, height=o.height, steps=o.steps,
                strength=o.strength, prompt=o.prompt, precision=o.precision, threads=o.threads,
                runs=o.frames, compile=False, device=o.device, source=str(folder / "source.rgb"),
                embeds=str(folder / f"{more.get('precision', o.precision)}.embeds.pt"),
                drawn=str(folder / f"{name}.f32"))
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**task, **more}))
    print(f"diffusers: {name}", flush=True)
    run([sys.executable, str(pathlib.Path(__file__).resolve()), "--child", str(path)], environment)
    return json.loads(pathlib.Path(f"{path}.result").read_text())


def draw_reference(o, folder, environment):
    """Path of diffusers' picture in f32."""
    name = "reference-f32"
    run_peer(o, folder, environment, name + "-text", role="text", precision="f32", runs=0)
    run_peer(o, folder, environment, name, role="pictures", precision="f32", ours=None,
             layout="contiguous")
    return str(folder / f"{name}.f32")


def variants(o):
    """Yields (layout, compiled)."""
    for compiled in (False, True)[:1 + o.compile]:
        for layout in ("contiguous", "channels_last"):
            if o.layout in ("both", layout):
                yield layout, compiled


def run_peers(o, folder, environment):
    """Results by variant; ends the program at the first picture that disagrees with ours."""
    results = {"text": run_peer(o, folder, environment, "text", role="text",
                                runs=0 if o.no_text else o.frames)}
    if o.compile and not o.no_text:
        results["text, compiled"] = run_peer(
            o, folder, environment, "text-compiled", role="text", compile=True,
            embeds=str(folder / "compiled.embeds.pt"))
    reference = draw_reference(o, folder, environment) if o.reference_f32 else None
    for layout, compiled in variants(o):
        name = layout + (", compiled" if compiled else "")
        result = run_peer(o, folder, environment, name.replace(", ", "-"), role="pictures",
                          layout=layout, compile=compiled, reference=reference,
                          ours=str(folder / "ours.f32"))
        print(f"{name}: {result['agreement']['says']}", flush=True)
        if not result["agreement"]["agrees"]:
            hint = "" if o.reference_f32 or o.precision == "f32" else \
                "; --reference-f32 tells rounding from mistakes"
            sys.exit(f"compare_diffusers: the pictures disagree, so no ratio is given{hint}")
        results[name] = result
    return results


# --- the report -----------------------------------------------------------------------------------


def series(seconds):
    return {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds),
            "runs_s": seconds}


def compare_parts(ours, peers):
    """Per part: both sides' series, the peer's fastest variant, and the ratio peer / ours."""
    parts = {}
    for part, (_, (group, key), peer_key) in PARTS.items():
        measured = {name: series(p["times"][peer_key]) for name, p in peers.items()
                    if peer_key in p.get("times", {})}
        if not measured:
            continue
        a = series((ours["text"] if group == "text" else ours["sizes"][0])[key]["runs_s"])
        best = min(measured, key=lambda name: measured[name]["median_s"])
        b = measured[best]
        parts[part] = {"ours": a, "diffusers": measured, "best": best,
                       "ratio": b["median_s"] / a["median_s"],
                       "ratio_range": [b["min_s"] / a["max_s"], b["max_s"] / a["min_s"]]}
    return parts


def print_table(parts):
    def cell(s):
        return f"{s['median_s'] * 1e3:9.1f} ({s['min_s'] * 1e3:.1f} … {s['max_s'] * 1e3:.1f})"

    print(f"\n{'part':<27} {'ours, ms':<31} {'diffusers, ms':<31} {'ratio':<24} variant")
    for part, p in parts.items():
        low, high = p["ratio_range"]
        ratio = f"{p['ratio']:6.2f} ({low:.2f} … {high:.2f})"
        print(f"{PARTS[part][0]:<27} {cell(p['ours']):<31} {cell(p['diffusers'][p['best']]):<31} "
              f"{ratio:<24} {p['best']}")


def print_memory(memory):
    print("\npeak RSS, GiB")
    width = max(map(len, memory))
    for name, value in memory.items():
        print(f"  {name:<{width}} {value:6.2f}")


def memory_of(ours, peers):
    """GiB by process.  Ours holds the text encoder's weights too."""
    peak = {"ours, text encoder included": ours["sizes"][0]["peak_rss_gib"]}
    for name, p in peers.items():
        alone = "text encoder alone" if name.startswith("text") else "without text encoder"
        peak[f"diffusers {name}, {alone}"] = p["peak_rss_gib"]
    return peak


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True,
                              cwd=pathlib.Path(__file__).resolve().parent).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def package_versions():
    found = {}
    for package, wanted in PINNED.items():
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            sys.exit(f"compare_diffusers: {package} is not installed; the head of this file says "
                     "how to make an environment that has it")
        if found[package].split("+")[0] != wanted:
            print(f"note: {package} is {found[package]}, this was written for {wanted}")
    return found


def revision():
    """The commit of the code, and whether files differ from it; nulls where nothing tells.  In the
    folder that scripts/gpu-pack makes the file `commit` does."""
    commit = output_of("git", "rev-parse", "HEAD")
    if commit:
        return {"commit": commit,
                "uncommitted_changes": bool(output_of("git", "status", "--porcelain", "-uno"))}
    noted = pathlib.Path(__file__).resolve().parent / "commit"
    said = noted.read_text().strip() if noted.is_file() else "unknown"
    if said == "unknown":
        return {"commit": None, "uncommitted_changes": None}
    return {"commit": said.removesuffix("-dirty"), "uncommitted_changes": said.endswith("-dirty")}


def host():
    """The processor and the code, as every report names them."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        fields = [line.split(":", 1) for line in f if ":" in line]
    cpu = {k.strip(): v.strip() for k, v in fields}
    units = ("avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return {"cpu": cpu.get("model name", "unknown"), "cores": len(os.sched_getaffinity(0)),
            "units": [u for u in units if u in cpu.get("flags", "").split()],
            "load_average_before": os.getloadavg()[0],
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **revision()}


def machine(o, environment):
    """What the figures depend on besides the code."""
    gpu = output_of("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    return {**host(), "gpu": gpu if o.device == "cuda" else None, "threads": o.threads,
            "threading": {k: v for k, v in sorted(environment.items()) if k.startswith(THREADING)},
            "versions": {"python": sys.version.split()[0], **package_versions()}}


def print_machine(m):
    threading = " ".join(f"{k}={v}" for k, v in m["threading"].items())
    print(f"{m['gpu'] or m['cpu']}, {m['cores']} cores, {' '.join(m['units']) or 'no AVX-512'}; both sides: "
          f"{threading}")
    print(f"torch {m['versions']['torch']}, diffusers {m['versions']['diffusers']}, transformers "
          f"{m['versions']['transformers']}; commit {(m['commit'] or 'unknown')[:12]}"
          f"{' with uncommitted changes' if m['uncommitted_changes'] else ''}; {m['date']}")
    if m["load_average_before"] > 0.5:
        print(f"note: the load average is {m['load_average_before']:.1f}; figures of a busy "
              "machine compare badly")


# --- the program ----------------------------------------------------------------------------------


def size(text):
    """(width, height) of "512" or "1280x704"."""
    width, _, height = text.partition("x")
    return int(width), int(height or width)


def fraction(text):
    value = float(text)
    if not 0 < value <= 1:
        raise ValueError
    return value


def positive(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def parse():
    p = argparse.ArgumentParser(description="Times sana-bench and diffusers on the same picture.")
    p.add_argument("model", type=pathlib.Path, help="directory in diffusers layout")
    p.add_argument("--bench", type=pathlib.Path, required=True, help="path of sana-bench")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of both sides")
    p.add_argument("--size", type=size, default=(512, 512), help="512 (default) or 1280x704")
    p.add_argument("--precision", choices=("bf16", "f32", "int8", "fp8"), default="bf16",
                   help="of both sides; int8, fp8: ours, beside diffusers in bf16")
    p.add_argument("--steps", type=positive, default=1)
    p.add_argument("--strength", type=fraction, default=0.5, help="above 0 to 1 (default 0.5)")
    p.add_argument("--prompt", default=PROMPT)
    p.add_argument("--frames", type=positive, default=10, help="runs after warm-up (default 10)")
    p.add_argument("--layout", choices=("both", "contiguous", "channels_last"), default="both")
    p.add_argument("--compile", action="store_true", help="measure torch.compile as well")
    p.add_argument("--no-text", action="store_true",
                   help="let diffusers encode the prompt once and do not time it")
    p.add_argument("--reference-f32", action="store_true",
                   help="in bf16: judge both sides against diffusers in f32")
    p.add_argument("--threads", type=positive, default=len(os.sched_getaffinity(0)))
    p.add_argument("--json", type=pathlib.Path, help="also write the figures as JSON")
    p.add_argument("--keep", type=pathlib.Path, help="leave pictures and reports in this directory")
    o = p.parse_args()
    o.width, o.height = o.size
    o.model, o.bench = o.model.resolve(), o.bench.resolve()
    if o.reference_f32 and o.precision == "f32":
        p.error("--reference-f32 is not for --precision=f32")
    if o.json and not o.json.absolute().parent.is_dir():
        p.error(f"there is no directory for {o.json}")  # before hours are spent, not after
    return o


def compare(o, folder):
    environment = environment_of(o.threads)
    about = machine(o, environment)
    print_machine(about)
    ours = run_ours(o, folder, environment)
    peers = run_peers(o, folder, environment)
    parts, memory = compare_parts(ours, peers), memory_of(ours, peers)
    print_table(parts)
    print_memory(memory)
    if o.json:
        settings = {k: v for k, v in vars(o).items() if k not in ("bench", "json", "keep", "size")}
        settings["model"] = o.model.name
        agreement = {k: p["agreement"] for k, p in peers.items() if "agreement" in p}
        o.json.write_text(json.dumps(
            {"machine": about, "settings": settings, "agreement": agreement, "parts": parts,
             "peak_rss_gib": memory, "sana_bench": ours}, indent=1) + "\n")


def main():
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
        return
    o = parse()
    if o.keep:
        o.keep.mkdir(parents=True, exist_ok=True)
        compare(o, o.keep.resolve())
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(o, pathlib.Path(folder))


if __name__ == "__main__":
    main()
