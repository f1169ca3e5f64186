# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two ways to run a model directory, with the same methods:

    restyle(frames, prompt, strength)   uint8 (N, H, W, 3) -> uint8 (N, H, W, 3)
    draw(prompt, seed, side, steps)     -> uint8 (side, side, 3)

One step of restyling, all frames with the same noise (seed 0), as the element does by itself.
"""
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import prompts

LAUNCH = ("gst-launch-1.0", "-q")


class Plugin:
    """The elements, in a process for each call."""

    name = "plugin"

    def __init__(self, model):
        self.environment = dict(os.environ, SANA_MODEL_PATH=str(model), OMP_WAIT_POLICY="passive")

    def launch(self, *line):
        done = subprocess.run(LAUNCH + line, env=self.environment, capture_output=True, text=True)
        if done.returncode or "ERROR" in done.stderr:
            sys.exit(f"the plugin failed: {' '.join(line)}\n{done.stderr}")

    def restyle(self, frames, prompt, strength):
        count, height, width, _ = frames.shape
        with tempfile.TemporaryDirectory() as folder:
            source, out = pathlib.Path(folder) / "in", pathlib.Path(folder) / "out"
            source.write_bytes(np.ascontiguousarray(frames).tobytes())
            self.launch("filesrc", f"location={source}", f"blocksize={height * width * 3}", "!",
                        "rawvideoparse", "format=rgb", f"width={width}", f"height={height}",
                        "framerate=1/1", "!", "sanaimg2img", f"prompt={quoted(prompt)}",
                        f"strength={strength}", "steps=1", "!", "video/x-raw,format=RGB", "!",
                        "filesink", f"location={out}")
            return np.fromfile(out, np.uint8).reshape(count, height, width, 3)

    def draw(self, prompt, seed, side=512, steps=2):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out"
            self.launch("sanasrc", f"prompt={quoted(prompt)}", f"seed={seed}", f"steps={steps}",
                        "num-buffers=1", "!",
                        f"video/x-raw,format=RGB,width={side},height={side},framerate=1/1", "!",
                        "filesink", f"location={out}")
            return np.fromfile(out, np.uint8).reshape(side, side, 3)


def quoted(text):
    """A string for gst-launch, whatever it holds."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Diffusers:
    """The unmodified Sprint pipelines, f32."""

    name = "diffusers"

    def __init__(self, model):
        import torch
        from diffusers import SanaSprintImg2ImgPipeline, SanaSprintPipeline
        from diffusers.utils import logging
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.torch = torch
        self.text = SanaSprintPipeline.from_pretrained(model).to(torch.float32)
        self.picture = SanaSprintImg2ImgPipeline(**self.text.components)
        for pipeline in (self.text, self.picture):
            pipeline.set_progress_bar_config(disable=True)

    def generator(self, seed):
        return self.torch.Generator("cpu").manual_seed(seed)

    def restyle(self, frames, prompt, strength):
        from PIL import Image
        if strength == 0:
            return frames.copy()
        with self.torch.no_grad():
            embeds, mask = self.text.encode_prompt(
                prompt, complex_human_instruction=prompts.INSTRUCTION.split("\n"))
        return np.stack([eight_bits(self.picture(
            prompt_embeds=embeds, prompt_attention_mask=mask, image=Image.fromarray(frame),
            num_inference_steps=1, max_timesteps=math.atan2(strength, 1 - strength),
            intermediate_timesteps=None, strength=1.0, generator=self.generator(0),
            height=frame.shape[0], width=frame.shape[1], use_resolution_binning=False,
            output_type="np").images[0]) for frame in frames])

    def draw(self, prompt, seed, side=512, steps=2):
        middle = {} if steps == 2 else {"intermediate_timesteps": None}
        return eight_bits(self.text(
            prompt, height=side, width=side, num_inference_steps=steps,
            generator=self.generator(seed), output_type="np", use_resolution_binning=False,
            **middle).images[0])

    def reconstruct(self, frames):
        """Encoded and decoded, float (N, H, W, 3) in 0..255, clamped."""
        from training import tensor
        with self.torch.no_grad():
            y = [self.text.vae.decode(self.text.vae.encode(tensor(f[None], "cpu"))[0])[0]
                 for f in frames]
        return np.concatenate([((p.clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).numpy()
                               for p in y])


def eight_bits(picture):
    return (picture * 255).round().astype(np.uint8)
