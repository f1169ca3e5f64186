# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the model card from a report:

    python3 tools/demo-model/card.py REPORT/figures.json docs/demo-model.md

Every figure is from figures.json.  What was seen on the contact sheets is in seen.md beside this
file, written by whoever looked; it begins with the digest of the weights it is about.
"""
import collections
import json
import pathlib
import sys

import photographs
import words

TEXT = """\
<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
<!-- Written by tools/demo-model/card.py. -->
# The bundled model

`models/demo/` is a SANA-Sprint in miniature, in diffusers layout, {megabytes:.1f} MB in bf16: an
AutoencoderDC of factor 8 (1.9 M parameters), a SANA transformer of 6 layers and width 192 (4.0 M),
a Gemma-2 of 2 layers and width 96 ({text} M). It was trained from scratch, without any published
weights, on photographs restyled by procedures.
[tools/demo-model](../tools/demo-model/README.md) makes such a model and measures it.

{training}

SHA-256 of its weights and tokenizer (`cat` of the files in the order of their names): `{digest}`.

## What it is for

To show and to test the elements where the published weights are not at hand. It has a few million
parameters. It knows no objects and no places, only how the pictures of a few words look: its
quality says nothing about SANA's.

Restyling, one step and a strength of 0.35 to 0.4 suit it best. From a text alone it draws textures
without objects or horizon. Which styles and materials it knows is under *What is seen*.

## Figures

Measured by `tools/demo-model/evaluate` on photographs and wordings kept out of training: {crops}
crops of {held} photographs, 256 × 256. "Nearest style": how often the nearest of the {count} looks'
procedural pictures (seventeen styles and the photo as it is) is that of the one asked for. The templates and synonyms that training does not
draw from were looked at while it was made, and most synonyms are words that it knows put together
otherwise. The strangers' prompts (`tools/demo-model/strangers.tsv`) were written by who knew no more than
what the styles are, and first used for these figures.

{table}

Most often mistaken, through the plugin, unseen templates, strength 0.35: {missed}

## What is seen

{seen}

## What it was trained on

{sources}

To train with there is one face (an astronaut's portrait), and five rooms. They were drawn three to
four times as often as other photographs and varied in light, colour and noise, which does not
replace others: **faces are the weakest point of the data**. Of those held out for the figures one is
a man with a camera, in grey, and one a garage. The rest is landscape and plants; {drawings} are drawn or
rendered wallpapers.
The weights contain no picture; they are under the project's
licence.

| picture | package | author | licence | used for |
|---|---|---|---|---|
{pictures}

## Limits

- Patterns (tiles, bricks, stitches, hatching, squared paper) and the noise are fixed to the screen;
  things move under them.
- Above a strength of about 0.6 one step of regression blurs; at 0.8 the content is gone.
- A second step exaggerates restyling rather than refining it.
- It reads English words it was told. Of other words it guesses by their parts.
- What changes slowly over a whole picture (the light of a room) it cannot see further than about
  six latent cells, 48 px.
"""


def percent(figure):
    """Of so many pictures, and where it is said, of so many wordings."""
    of = f" of {figure['wordings']} wordings" if "wordings" in figure else f" of {figure['of']}"
    return f"{100 * figure['share']:.1f} %{of}"


def row(what, goal, plugin, diffusers="–"):
    return f"| {what} | {goal} | {plugin} | {diffusers} |"


def table(f):
    """The issue's figures: through the plugin, through diffusers."""
    p, d = f.get("plugin", {}), f.get("diffusers", {})

    def both(name, pick):
        return [pick(x[name]) if name in x else "–" for x in (p, d)]

    lines = ["| what | goal | plugin | diffusers |", "|---|---|---|---|"]
    code = d.get("autoencoder")
    lines.append(row("autoencoder, PSNR mean / worst", "≥ 33 / 26 dB", "–",
                     f"{code['mean']} / {code['worst']} dB of {code['of']} crops" if code else "–"))
    for s in (.35, .5):
        lines.append(row(f"nearest style, unseen templates, strength {s}", "≥ 97 %",
                         *both(f"templates_{s}", percent)))
    lines.append(row("nearest style, unseen synonyms, strength 0.35", "≥ 80 %",
                     *both("synonyms_0.35", percent)))
    lines.append(row("nearest style, strangers' prompts, strength 0.35", "",
                     *both("strangers_0.35", percent)))
    lines.append(row("nearest style, strangers' paraphrases, strength 0.35", "",
                     *both("paraphrases_0.35", percent)))
    lines.append(row("nearest style, wordings as trained, strength 0.35", "",
                     *both("trained_0.35", percent)))
    lines.append(row("nearest material, unseen templates, one step", "",
                     *both("materials", percent)))
    lines.append(row('"a photo" at 0.35, PSNR to its source, mean / worst', "≥ 24 dB",
                     *both("photo", lambda x: f"{x['mean']} / {x['worst']} dB")))
    lines.append(row("prompts that name no style at 0.35, the same", "",
                     *both("photo", lambda x: spread_of(x["without_a_style"]))))
    lines.append(row("strangers' prompts that name no style, a photograph each, the same", "",
                     *both("photo", lambda x: spread_of(x["strangers_without_a_style"]))))
    if "stillness" in p:
        lines.append(row("sensor noise of σ = 2 in a still source: change of what is drawn",
                         "≤ 0.5 of 255", f"{p['stillness']['mean']}, most {most_of(p)} (source "
                         f"{p['stillness']['source']})"))
    if "panning" in p:
        moved = ", ".join(f"{k} {v['moved_along']}" for k, v in p["panning"].items())
        lines.append(row("panned 2 px a frame: difference of neighbours, moved along", "", moved))
    if "strength" in p:
        zero = "exact" if p["strength"]["zero_is_the_source"] else "differs"
        lines.append(row("strength 0 is the source; distance grows with strength", "exact; ≥ 95 %",
                         f"{zero}; {percent(p['strength'])}"))
    lines.append(row("size", "≤ 16 MB", f"{f['bytes'] / 1e6:.1f} MB"))
    lines.append(row("training, two cores", "≤ 120 min", minutes(f["training"])))
    return "\n".join(lines)


def minutes(trainings):
    """Of all networks together, and whether others came before."""
    if not trainings:
        return "not known"
    took = sum(t["minutes"] for name, t in trainings.items() if name != "from")
    return f"{took:.0f} min" + (", and the earlier models'" if "from" in trainings else "")


def spread_of(values):
    return f"{sum(values.values()) / len(values):.1f} / {min(values.values()):.1f} dB"


def most_of(plugin):
    style, value = max(plugin["stillness"]["styles"].items(), key=lambda pair: pair[1])
    return f"{value} in {style}"


def missed(figure):
    """The styles that were taken for others, or that none was."""
    if not figure:
        return "not measured."
    wrong = collections.Counter((m["style"], m["taken_for"]) for m in figure["misses"])
    if not wrong:
        return "none was taken for another."
    most = "; ".join(f"{a} taken for {b} {n} times" if n > 1 else f"{a} taken for {b} once"
                     for (a, b), n in wrong.most_common(8))
    return f"{most} ({len(figure['misses'])} of {figure['of']} in all)."


def training(f):
    """How long it took, or that other scripts made these weights."""
    if not f["training"]:
        return ("**These weights were made by earlier scripts**, on the same kind of data with "
                "another split, other\nwordings and other procedures: some of the photographs "
                "used for the figures below were in their\ntraining, they never saw many of "
                "the words, and the pictures they are compared with were drawn\ndifferently.")
    done = ", ".join(f"{name} {t['minutes']:g} minutes of two cores ({t['steps']} steps)"
                     for name, t in f["training"].items() if name != "from" and t["steps"])
    if "from" not in f["training"]:
        return f"Training: {done}."
    anew = f["training"].get("autoencoder", {}).get("anew")
    begun = "transformer and text encoder were the\nstart of its own, and its autoencoder is new" \
        if anew else "networks were the\nstart of its own"
    return (f"It goes on from an earlier model (digest `{f['training']['from'][:16]}…`), whose "
            f"{begun}; none of the photographs used for the figures below "
            "were in the training of either.\nTraining since: "
            f"{done}.")


def pictures(rows):
    used = {"train": "training", "held": "figures"}
    return "\n".join(
        f"| {photographs.name_of(r)} | {r['package']} | {r['author']} | {r['licence']} | "
        f"{used[r['split']]} |" for r in rows)


def drawings(rows):
    count = collections.Counter(r["split"] for r in rows if r["kind"] == "drawing")
    return f"{count['train']} of those to train with, and {count['held']} of the others,"


def sources(rows):
    count = collections.Counter(r["split"] for r in rows)
    return (f"{len(rows)} pictures of Debian packages and of the samples of scikit-image and "
            f"scikit-learn, split by picture:\n{count['train']} to train with, {count['held']} for "
            "the figures.")


def seen(digest):
    """The text of seen.md if it is about the weights of this digest."""
    text = pathlib.Path(__file__).with_name("seen.md").read_text(encoding="utf-8")
    if digest[:16] not in text:
        return "Nobody has described the contact sheets of these weights yet."
    return text.split("-->", 1)[-1].strip()


def main():
    source, target = map(pathlib.Path, sys.argv[1:3])
    f, rows = json.loads(source.read_text()), photographs.table()
    one = next((v for k, v in f.get("plugin", {}).items() if k.startswith("templates")), None)
    target.write_text(TEXT.format(
        megabytes=f["bytes"] / 1e6, digest=f["digest"], text=f["text_parameters"],
        training=training(f), table=table(f), missed=missed(one), sources=sources(rows),
        pictures=pictures(rows), count=len(words.STYLES), held=f["photographs"],
        crops=f["crops"], drawings=drawings(rows), seen=seen(f["digest"])), encoding="utf-8")


if __name__ == "__main__":
    main()
