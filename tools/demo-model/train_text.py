# SPDX-License-Identifier: LGPL-2.1-or-later
"""Teaches the text encoder more wordings, the transformer fixed: text.pt, {"text"} state.

The transformer's own training sees some thirty thousand prompts, too few for words it has not met.
What a prompt is to the transformer is what its cross-attentions read from it; so what they read
from any wording is brought to what they read from the one that is drawn best, without drawing.
A step takes a third of the time and has six times the prompts.
"""
import random

import numpy as np
import torch

import networks
import prompts
import tokenizer
import train_autoencoder
import train_transformer
import words
from crops import NAMES
from latents import encode
from materials import MATERIALS
from text import Text
from training import Average, Stage, save

BATCH, POOL = 96, 8     # prompts a step, and steps whose prompts are sorted by length together
NOTHING, STYLE = .25, .6    # of the prompts: those that name nothing, those of a style
LONG, LONG_BATCH, LONG_SHARE = 8, 8, .5     # one step in so many has long prompts too, so many,
                                            # whose loss has this weight
LONG_AMID = 40              # words around what such a prompt says
QUERIES = 8             # places in pictures that read, of each kind and cross-attention
WORDINGS = 4            # nouns and tags tried for a kind's best, on half of the pictures
KINDS = list(NAMES) + list(MATERIALS)


def plainest(kind):
    """The first nouns and tags, which are the commonest."""
    if kind in words.STYLES:
        nouns, tags, _ = map(words.phrases, words.STYLES[kind])
        return nouns[:WORDINGS] + tags[:WORDINGS]
    return words.phrases(words.MATERIALS[kind])


class Readings:
    """What each cross-attention of the fixed transformer reads at some places of pictures of each
    kind, from the wording that draws them best:

    queries[kind][layer] (Q, C)     the inputs of block `layer`'s attn2
    goals[layer] (kinds, Q, C)      its outputs; scale[layer] their mean square
    """

    def __init__(self, net, text, samples, count=8):
        self.net, self.text, self.samples, self.count = net, text, samples, count
        self.blocks = [b.attn2 for b in net.transformer_blocks]
        read = [self.of(kind) for kind in KINDS]
        self.queries, self.goals = (
            [torch.stack([r[i][layer] for r in read]) for layer in range(len(self.blocks))]
            for i in range(2))
        self.scale = [g.square().mean() for g in self.goals]

    def pictures(self, kind, side=16):
        """x, x0 (count, 32, side, side), s (count) of one kind."""
        if kind in MATERIALS:
            made = [(kind, *self.samples.noisy(kind, side)) for _ in range(self.count)]
            styles = []
        else:
            k = list(NAMES).index(kind)
            made, styles = [], [self.samples.style(side, k) for _ in range(self.count)]
        return self.samples.assemble(made, styles)[:3]

    def draw(self, wording, x, s):
        h, mask = self.text([wording])
        v = self.net(x, encoder_hidden_states=h.expand(len(x), -1, -1),
                     encoder_attention_mask=mask.float().expand(len(x), -1), timestep=s,
                     guidance=torch.full_like(s, .45), return_dict=False)[0]
        return x - s.view(-1, 1, 1, 1) * v

    @torch.no_grad()
    def of(self, kind):
        """queries, goals: two lists over layers of (Q, C)."""
        device = self.text.device
        x, x0, s = (t.to(device) for t in self.pictures(kind))
        half = np.s_[:self.count // 2]
        best = min(plainest(kind), key=lambda w: (self.draw(w, x[half], s[half]) - x0[half])
                   .abs().mean().item())
        seen = []

        def note(_, inputs, output):
            places = torch.randperm(output.shape[0] * output.shape[1])[:QUERIES].to(device)
            seen.append((inputs[0].flatten(0, 1)[places], output.flatten(0, 1)[places]))

        hooks = [b.register_forward_hook(note) for b in self.blocks]
        self.draw(best, x, s)
        for hook in hooks:
            hook.remove()
        return [q for q, _ in seen], [g for _, g in seen]

    def __call__(self, texts, kinds):
        """How far off what is read from prompts (B) of kinds (B, indices), over the mean square."""
        kinds = list(kinds)
        h, mask = self.text(texts)
        h = self.net.caption_norm(self.net.caption_projection(h))
        bias = (1 - mask.float()).unsqueeze(1) * -10000.0
        return sum((attend(queries[kinds], encoder_hidden_states=h, attention_mask=bias)
                    - goals[kinds]).square().mean() / scale
                   for attend, queries, goals, scale
                   in zip(self.blocks, self.queries, self.goals, self.scale, strict=True)
                   ) / len(self.blocks)


def prompt(r, long):
    """A prompt and its kind's index; one that names nothing is of the first kind, a photo."""
    share = r.random()
    if share < NOTHING:
        text, k = (prompts.long_nothing if long else prompts.of_nothing)(r), 0
    elif share < NOTHING + STYLE:
        k = r.randrange(len(NAMES))
        text = prompts.of_style(NAMES[k], r)
    else:
        k = r.randrange(len(MATERIALS))
        text, k = prompts.of_material(list(MATERIALS)[k], r), len(NAMES) + k
    return prompts.amid(text, r, LONG_AMID if long else 5), k


def batches(text):
    """(prompts, kinds) without end, of about one length each: a short prompt costs as much as the
    longest beside it."""
    while True:
        some = sorted((prompt(random, False) for _ in range(POOL * BATCH)),
                      key=lambda p: len(text.ids(p[0])))
        some = [some[i:i + BATCH] for i in range(0, len(some), BATCH)]
        random.shuffle(some)
        yield from some


def train(work, minutes, device, seed=4):
    done = work / "text.pt"
    if done.exists():
        return
    state = torch.load(work / "transformer.pt", map_location=device)
    tokens = tokenizer.make(work / "tokenizer")
    encoder = networks.text_encoder(len(state["text"]["embed_tokens.weight"])).to(device)
    encoder.load_state_dict(state["text"])
    net = networks.transformer().to(device)
    net.load_state_dict(state["transformer"])
    net.requires_grad_(False)
    parameters = list(encoder.parameters())
    adam = torch.optim.AdamW(parameters, lr=1e-3, betas=(.9, .98), weight_decay=1e-3)
    average = Average(parameters, .995)
    vae, scale = train_autoencoder.load(work, device)
    torch.manual_seed(seed)
    samples = train_transformer.Samples(work, lambda u: encode(vae, scale, u, device), seed)
    # of the encoder as it was: a run that is resumed must aim at what it aimed at
    read = Readings(net, Text(encoder, tokens, device), samples)
    drawn = batches(read.text)
    stage = Stage("text", work / "text.checkpoint", minutes,
                  {"text": encoder, "adam": adam, "average": average}, device, seed)
    while stage.running():
        adam.zero_grad()
        loss = read(*zip(*next(drawn), strict=True))
        stage.check(loss)
        loss.backward()
        if stage.steps % LONG == 0:
            long = [prompt(random, True) for _ in range(LONG_BATCH)]
            (LONG_SHARE * read(*zip(*long, strict=True))).backward()
        stage.clip(parameters)
        for group in adam.param_groups:
            group["lr"] = 1e-3 * stage.rate()
        adam.step()
        average.step()
        stage.done({"misread": loss.detach()})
    average.swap()
    save({"text": encoder.state_dict()} | stage.took(), done)
