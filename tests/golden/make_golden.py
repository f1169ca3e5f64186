# SPDX-License-Identifier: LGPL-2.1-or-later
"""Remakes everything under tests/golden bit for bit:

    python3 -m venv V
    V/bin/pip install torch==2.15.0 numpy==2.4.6 diffusers==0.42.1 transformers==5.23.0 \\
        safetensors==0.8.0 sentencepiece==0.2.3 tokenizers==0.23.3 pillow==13.0.0 protobuf
    V/bin/python tests/golden/make_golden.py [case pattern …]

With patterns ("t2i_*") only those cases are run again; models are remade only without any.

What a case holds: cases/<name>.json says which components and settings, and how far diffusers'
own bf16 is from its f32 (bf16_db).  cases/<name>.safetensors holds, in f32:

    latent   (n, c, h, w)        final latent, before scaling_factor
    image    (n, 3, H, W)        decoded picture, not clamped, [-1, 1] in the main
    embeds   (rows, channels)    prompt embedding, valid rows only
    source   (H, W, 3) U8        picture given to image-to-image
    start_latents, given_embeds, given_mask                   what the case hands in
    tap:<module>                 [count, mean, rms, sample …] of a module's first output, channels
                                 last: element i·stride of the flattened tensor, where stride is
                                 the first number ≥ max(1, count / 40) that shares no divisor with
                                 count, while there are elements.  For the text encoder
                                 (layers.i, norm) only the last valid position counts as the tensor.
                                 caption_norm counts valid rows only.
"""
import fnmatch
import json
import math
import pathlib
import shutil
import sys
from importlib.metadata import version

PINNED = {"torch": "2.15.0", "numpy": "2.4.6", "diffusers": "0.42.1", "transformers": "5.23.0",
          "safetensors": "0.8.0", "sentencepiece": "0.2.3", "tokenizers": "0.23.3",
          "pillow": "13.0.0"}
for package, wanted in PINNED.items():
    found = version(package).split("+")[0]
    if found != wanted:
        sys.exit(f"{package} is {found}; golden files are made with {wanted}")

import diffusers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from diffusers import (AutoencoderDC, SanaSprintImg2ImgPipeline, SanaSprintPipeline,  # noqa: E402
                       SanaTransformer2DModel, SCMScheduler)
from PIL import Image  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoConfig, Gemma2Model, GemmaTokenizer  # noqa: E402

import golden_cases  # noqa: E402
import golden_models as models  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = 40

# --- models -------------------------------------------------------------------------------------


def default_instruction():
    import inspect
    call = inspect.signature(SanaSprintPipeline.__call__)
    return call.parameters["complex_human_instruction"].default


def make_models():
    for folder in ("transformer", "vae", "text_encoder", "tokenizer", "scheduler", "configs"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
    (HERE / "tokenizer").mkdir()
    lines = "\n".join(default_instruction())
    corpus = [lines] * 30 + [golden_cases.PROMPT, golden_cases.LONG, golden_cases.CUSTOM] * 3
    models.train_tokenizer(HERE / "tokenizer" / "tokenizer.model", corpus)
    config = dict(tokenizer_class="GemmaTokenizer", bos_token="<s>", eos_token="</s>",
                  pad_token="<pad>", unk_token="<unk>", add_bos_token=True, add_eos_token=False)
    (HERE / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    SCMScheduler().save_pretrained(HERE / "scheduler" / "sprint")
    SCMScheduler(sigma_data=0.8).save_pretrained(HERE / "scheduler" / "sigma")
    classes = dict(scheduler="SCMScheduler", transformer="SanaTransformer2DModel",
                   vae="AutoencoderDC", text_encoder="Gemma2Model", tokenizer="GemmaTokenizer")
    index = {k: ["transformers" if k.startswith("t") and k != "transformer" else "diffusers", v]
             for k, v in classes.items()}
    index["_class_name"] = "SanaSprintPipeline"
    (HERE / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    for name, spec in models.TRANSFORMERS.items():
        models.save_diffusers(models.transformer(name), HERE / "transformer" / name,
                              **spec["store"])
    for name, spec in models.AUTOENCODERS.items():
        models.save_diffusers(models.autoencoder(name), HERE / "vae" / name, **spec["store"])
    vocabulary = len(tokenizer()) - 1  # "<mask>" is added beyond it
    for name, spec in models.TEXT_ENCODERS.items():
        models.save_text_encoder(models.text_encoder(name, vocabulary),
                                 HERE / "text_encoder" / name, **spec["store"])
    make_configs()


def make_configs():
    """config.json of the text encoder as other versions write it."""
    folder = HERE / "configs"
    folder.mkdir()
    full = json.loads((HERE / "text_encoder" / "gemma" / "config.json").read_text())
    bare = {k: v for k, v in full.items()
            if k in ("architectures", "model_type", "hidden_size", "intermediate_size",
                     "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
                     "query_pre_attn_scalar", "vocab_size")}
    renamed = {k: v for k, v in full.items()
               if k not in ("hidden_activation", "layer_types", "dtype", "rope_parameters")}
    renamed.update(hidden_act="gelu_pytorch_tanh", torch_dtype="bfloat16", rope_theta=10000.0)
    for name, config in (("bare", bare), ("hidden_act", renamed)):
        (folder / f"{name}.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


# --- loading ------------------------------------------------------------------------------------


def tokenizer():
    import sentencepiece
    t = GemmaTokenizer.from_pretrained(HERE / "tokenizer")
    sp = sentencepiece.SentencePieceProcessor(str(HERE / "tokenizer" / "tokenizer.model"))
    for text in list(golden_cases.PROMPTS.values()) + ["\n".join(default_instruction())]:
        text = text.lower().strip()
        if t.encode(text) != [2] + sp.encode(text):
            sys.exit(f"the two tokenizers differ on {text!r}")
    return t


def load_transformer(name, dtype):
    spec = models.TRANSFORMERS[name]["store"]
    return SanaTransformer2DModel.from_pretrained(
        HERE / "transformer" / name, variant=spec.get("variant"), torch_dtype=dtype).eval()


def load_autoencoder(name, dtype):
    spec = models.AUTOENCODERS[name]["store"]
    return AutoencoderDC.from_pretrained(
        HERE / "vae" / name, variant=spec.get("variant"), torch_dtype=dtype).eval()


def load_text_encoder(name, config, dtype):
    path = HERE / "text_encoder" / name
    config = AutoConfig.from_pretrained(HERE / "configs" / f"{config}.json" if config else path)
    return Gemma2Model.from_pretrained(path, config=config, attn_implementation="eager",
                                       dtype=dtype).eval()


class CustomAngles(SCMScheduler):
    """The pipelines crash on `timesteps`; this hands the list to the scheduler's own code."""

    angles = None

    def set_timesteps(self, num_inference_steps, device=None, **_):
        super().set_timesteps(num_inference_steps, timesteps=self.angles, device=device,
                              max_timesteps=None, intermediate_timesteps=None)


def load_pipeline(case, dtype):
    cls = SanaSprintPipeline if case["call"] == "text_to_image" else SanaSprintImg2ImgPipeline
    scheduler = SCMScheduler.from_pretrained(HERE / "scheduler" / case.get("scheduler", "sprint"))
    if "timesteps" in case:
        scheduler = CustomAngles.from_config(scheduler.config)
        scheduler.angles = [float(t) for t in case["timesteps"]]
    pipe = cls(tokenizer=tokenizer(),
               text_encoder=load_text_encoder(case["text_encoder"],
                                              case.get("text_encoder_config"), dtype),
               vae=load_autoencoder(case["vae"], dtype),
               transformer=load_transformer(case["transformer"], dtype), scheduler=scheduler)
    pipe.set_progress_bar_config(disable=True)
    return pipe


# --- taps ---------------------------------------------------------------------------------------


def sample(x):
    x = x.detach().float().reshape(-1)
    stride = max(1, x.numel() // SAMPLES)
    while math.gcd(stride, x.numel()) != 1:
        stride += 1
    d = x.double()
    head = torch.tensor([x.numel(), d.mean(), d.square().mean().sqrt()], dtype=torch.float32)
    return torch.cat([head, x[::stride]])


TAPPED = ("patch_embed", "time_embed", "caption_norm", "norm_out", "proj_out",
          "transformer_blocks.*", "norm", "layers.*", "encoder", "encoder.*", "decoder", "decoder.*")
UNTAPPED = ("*.to_q", "*.to_k", "*.to_v", "*.to_out*", "*.norm_q", "*.norm_k", "*.nonlinearity",
            "*.conv_act", "layers.*.*", "patch_embed.*", "time_embed.*", "*.norm1", "*.norm2",
            "*.attn.*", "*.conv_out.*", "*.ff.*", "*.down_blocks", "*.up_blocks", "*.conv",
            "*.norm", "*.conv1", "*.conv2", "*.attn2")


def watch(module, taps, rows):
    """Stores each tapped module's first output.  rows(): valid rows of the caption."""

    def hook(name):
        def store(_, __, y):
            if "tap:" + name in taps:
                return
            y = y[0] if isinstance(y, tuple) else y
            if name == "norm" or name.startswith("layers."):
                y = y[0, rows("all") - 1][None]
            elif name == "caption_norm":
                y = y[0][rows("mask")]
            elif y.dim() == 4:
                y = y[0].movedim(0, -1)
            taps["tap:" + name] = sample(y)
        return store

    for name, m in module.named_modules():
        if any(fnmatch.fnmatch(name, p) for p in TAPPED) and not any(
                fnmatch.fnmatch(name, p) for p in UNTAPPED):
            if "rotary" not in name and name:
                m.register_forward_hook(hook(name))


# --- cases --------------------------------------------------------------------------------------


def instruction_of(case):
    if "instruction" not in case:
        return {}
    return dict(complex_human_instruction=[case["instruction"]] if case["instruction"] else None)


def source_of(case):
    return models.picture(case["width"], case["height"], case["seed"] % 7)


def arguments(case, given):
    n = case.get("steps", 2)
    kwargs = dict(num_inference_steps=n, height=case["height"], width=case["width"],
                  guidance_scale=case.get("guidance_scale", 4.5),
                  num_images_per_prompt=case.get("n_images", 1),
                  generator=torch.Generator("cpu").manual_seed(case["seed"]),
                  use_resolution_binning=case.get("resolution_binning", False),
                  **instruction_of(case))
    kwargs["max_timesteps"] = case.get("max_timesteps", 1.57080)
    kwargs["intermediate_timesteps"] = case.get("intermediate_timesteps", 1.3) or None
    if n != 2:
        kwargs["intermediate_timesteps"] = None
    if "max_sequence_length" in case:
        kwargs["max_sequence_length"] = case["max_sequence_length"]
    if case["call"] == "image_to_image":
        kwargs["image"] = Image.fromarray(source_of(case))
        kwargs["strength"] = case["strength"]
        if case.get("strength_mode") == "continuous":
            s = case["strength"]
            kwargs.update(strength=1.0, max_timesteps=math.atan2(s, 1 - s),
                          intermediate_timesteps=None)
    if "given_embeds" in given:
        kwargs["prompt_embeds"] = given["given_embeds"][None]
        kwargs["prompt_attention_mask"] = given["given_mask"][None].long()
    else:
        kwargs["prompt"] = case["prompt"]
    if "start_latents" in given:
        kwargs["latents"] = given["start_latents"]
    return kwargs


def given_of(case, pipe):
    given = {}
    if case.get("given_embeds"):
        given["given_embeds"] = models.normal((11, pipe.transformer.config.caption_channels),
                                              "given", case["seed"])
        given["given_mask"] = torch.tensor([1, 1, 0, 1, 1, 1, 0, 1, 0, 0, 1], dtype=torch.uint8)
    if case.get("given_latents"):
        f = pipe.vae_scale_factor
        given["start_latents"] = models.normal(
            (case.get("n_images", 1), pipe.transformer.config.in_channels, case["height"] // f,
             case["width"] // f), "latents", case["seed"])
    return given


def prompt_rows(pipe, case):
    """Valid rows of the prompt's embedding, its mask, and tokens in all."""
    embeds, mask = pipe.encode_prompt(
        case["prompt"], device="cpu", max_sequence_length=case.get("max_sequence_length", 300),
        **instruction_of_encode(case))
    text = case["prompt"].lower().strip()
    chi = "\n".join(instruction_of_encode(case)["complex_human_instruction"] or [])
    m = case.get("max_sequence_length", 300)
    limit = len(pipe.tokenizer.encode(chi)) + m - 2 if chi else m
    total = min(len(pipe.tokenizer.encode(chi + text)), limit)
    return embeds[0].float(), mask[0].bool(), total


def instruction_of_encode(case):
    return instruction_of(case) or dict(complex_human_instruction=default_instruction())


@torch.no_grad()
def draw(case, dtype, out=None):
    """Runs the pipeline; returns its picture before clamping.  out: also fills the golden file."""
    pipe = load_pipeline(case, dtype)
    given = given_of(case, pipe)
    if out is not None:
        out.update(given)
        if "given_embeds" in given:
            mask, total = given["given_mask"].bool(), 0
        else:
            embeds, mask, total = prompt_rows(pipe, case)
            out["embeds"] = embeds[mask].clone()
        out["latent"] = pipe(output_type="latent", **arguments(case, given)).images.clone()
        if case.get("n_images", 1) == 1 and not case.get("resolution_binning"):
            for module in (pipe.text_encoder, pipe.vae, pipe.transformer):
                watch(module, out, lambda what: total if what == "all" else mask)
    decoded = []
    pipe.vae.decoder.register_forward_hook(lambda _, __, y: decoded.append(y.float().clone()))
    final = pipe(output_type="pt", **arguments(case, given)).images.float() * 2 - 1
    return final if case.get("resolution_binning") else decoded[0]


def decibel(a, b):
    return 10 * math.log10(4.0 / float((a - b).double().square().mean()))


def make_picture_case(case, out):
    image = draw(case, torch.float32, out)
    out["image"] = image
    if case["call"] == "image_to_image":
        out["source"] = torch.from_numpy(source_of(case))
    low = draw(case, torch.bfloat16)
    case["bf16_db"] = round(decibel(image, low), 2)
    clipped = float((image.abs() > 1).float().mean())
    return f"deviation {float(image.std()) * 127.5:.0f}, clipped {clipped:.0%}, " \
           f"bf16 {case['bf16_db']:.1f} dB, latent {float(out['latent'].std()):.2f}"


@torch.no_grad()
def make_encode_case(case, out):
    pipe = load_pipeline(dict(case, call="text_to_image"), torch.float32)
    embeds, mask, total = prompt_rows(pipe, case)
    out["embeds"] = embeds[mask].clone()
    watch(pipe.text_encoder, out, lambda what: total)
    prompt_rows(pipe, case)
    return f"{int(mask.sum())} rows, {total} tokens"


@torch.no_grad()
def make_transformer_case(case, out):
    model = load_transformer(case["transformer"], torch.float32)
    c = model.config
    out["input"] = models.normal((1, c.in_channels, case["height"], case["width"]), "input",
                                 case["seed"])
    out["given_embeds"] = models.normal((9, c.caption_channels), "embeds", case["seed"])
    out["given_mask"] = torch.tensor([1, 1, 1, 1, 0, 1, 1, 0, 0], dtype=torch.uint8)
    watch(model, out, lambda what: out["given_mask"].bool())
    case["timestep"], case["guidance"] = 0.625, 0.45
    guidance = torch.tensor([0.45]) if c.guidance_embeds else None
    out["output"] = model(out["input"], encoder_hidden_states=out["given_embeds"][None],
                          encoder_attention_mask=out["given_mask"][None].long(),
                          timestep=torch.tensor([0.625]), guidance=guidance,
                          return_dict=False)[0].clone()
    return f"deviation {float(out['output'].std()):.2f}"


def make_case(name, case):
    out = {}
    make = {"encode": make_encode_case, "transformer": make_transformer_case}
    note = make.get(case["call"], make_picture_case)(case, out)
    save_file({k: v.contiguous() for k, v in out.items()}, HERE / "cases" / f"{name}.safetensors")
    text = json.dumps(case, indent=2, sort_keys=True) + "\n"
    (HERE / "cases" / f"{name}.json").write_text(text)
    print(f"{name:34} {note}", flush=True)


def main(patterns):
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if not patterns:
        make_models()
        shutil.rmtree(HERE / "cases", ignore_errors=True)
    (HERE / "cases").mkdir(exist_ok=True)
    for name, case in golden_cases.cases():
        if not patterns or any(fnmatch.fnmatch(name, p) for p in patterns):
            make_case(name, case)
    size = sum(f.stat().st_size for f in HERE.rglob("*") if f.is_file() and f.suffix != ".pyc")
    print(f"tests/golden holds {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
