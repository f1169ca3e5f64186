# SPDX-License-Identifier: LGPL-2.1-or-later
"""The trained weights as a directory in diffusers layout, bf16: WORK/model."""
import hashlib
import json
import pathlib
import shutil

import torch
from diffusers import SanaSprintPipeline, SCMScheduler
from diffusers.utils import logging

import networks
import tokenizer
import train_autoencoder


def make(work):
    logging.set_verbosity_error()
    state = torch.load(work / "transformer.pt", map_location="cpu")
    state["text"] = torch.load(work / "text.pt", map_location="cpu")["text"]
    vae, scale = train_autoencoder.load(work, "cpu")
    vae.register_to_config(scaling_factor=scale)
    net = networks.transformer()
    net.load_state_dict(state["transformer"])
    text = networks.text_encoder(len(state["text"]["embed_tokens.weight"]))
    text.load_state_dict(state["text"])
    for module in (vae, net, text):
        module.to(torch.bfloat16)
    scheduler = SCMScheduler(num_train_timesteps=1000, prediction_type="trigflow", sigma_data=.5)
    partial, folder = work / "model.partial", work / "model"
    shutil.rmtree(partial, ignore_errors=True)
    SanaSprintPipeline(tokenizer=tokenizer.load(work / "tokenizer"), text_encoder=text,
                       vae=vae, transformer=net, scheduler=scheduler).save_pretrained(partial)
    shutil.copy(work / "tokenizer/tokenizer.model", partial / "tokenizer/tokenizer.model")
    forget_path(partial / "tokenizer/tokenizer_config.json")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    print(f"export: {folder}, {size(folder) / 1e6:.1f} MB", flush=True)


def forget_path(path):
    """Takes out of a tokenizer's configuration where its vocabulary lay on this machine."""
    config = json.loads(path.read_text())
    config.pop("vocab_file", None)
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def files(folder):
    return sorted(p for p in pathlib.Path(folder).rglob("*") if p.is_file())


def size(folder):
    """Bytes."""
    return sum(p.stat().st_size for p in files(folder))


def digest(folder):
    """SHA-256 over the weights' files, in the order of their names."""
    h = hashlib.sha256()
    for path in files(folder):
        if path.suffix in (".safetensors", ".model"):
            h.update(path.read_bytes())
    return h.hexdigest()
