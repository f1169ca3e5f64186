# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prompts of a style or a material: phrases of words.py in templates.

    "train"      templates and phrases that training draws from
    "templates"  templates it never sees, around phrases that it does
    "synonyms"   phrases it never sees, in templates that it does
"""
import inspect
import re

from diffusers import SanaSprintPipeline

import words

NOUN = ("{n}", "{n}", "{n} of {c}", "{n}, {a}", "{a} {n} of {c}", "{n} of {c}, {a}", "{c} as {n}",
        "turn this into {n}", "{c}, {n}", "make it {n}", "{c} in the style of {n}",
        "in the style of {n}", "like {n}", "{n} showing {c}", "give me {n}", "show {c} as {n}",
        "draw {c} as {n}", "can you make this {n} with {c}", "as if it were {n}",
        "this should resemble {n}", "change the picture to {n}, {a} and {a2}",
        "i would like {n}", "let it be {n}", "it has to be {n}", "we need {n} here",
        "imagine {c} as {n}", "could this be {n} from now on", "my camera should see {n}",
        "change it to {n}", "i need this to be {n}")
TAG = ("{t}", "{t}", "{t} style", "in {t} style", "{c}, {t}", "{c} in {t} style", "{t}, {a}",
       "{a} {t}", "{c}, {t}, {a}", "{t} of {c}", "{t} {c}", "{a}, {t}", "make it {t}", "{t}!",
       "with {t}", "give this a {t} touch", "{c} but {t}", "the whole picture in {t}, please",
       "change {c} into {t}", "{t}: {c} and {c2}", "i want {t}", "something like {t}",
       "apply {t} to my camera", "let us go {t}", "paint it {t}", "{c} should look {t} to me",
       "set it to {t}", "i want to see {t}")
UNSEEN = ("please convert my video to {t}", "i want it to look like {n}",
          "{c} and {c2}, rendered as {n}, trending", "everything becomes {t} now",
          "a very nice {t} look for {c}", "transform the scene: {t}!")
MATERIAL = ("{m}", "{m}", "a picture of {m}", "{m}, {a}", "{a} {m}", "an image of {m}, {a}",
            "{m} texture", "view of {m}", "{m}, {a}, {a2}")
UNSEEN_MATERIAL = ("behold {m}", "show me {m}", "{a} view of {m} today", "a lot of {m}",
                   "wallpaper with {m}")
INSTRUCTION = "\n".join(inspect.signature(SanaSprintPipeline.__call__)
                        .parameters["complex_human_instruction"].default)
CONTENT, ADJECTIVES, OTHER = (words.phrases(t) for t in (words.CONTENT, words.ADJECTIVES,
                                                         words.OTHER))
LETTERS = "abcdefghijklmnopqrstuvwxyz  "
SYLLABLES = ("bcdfghjklmnprstvwz", "aeiou", "  nrstlm")


def said(*texts):
    """The words of phrases and templates."""
    return set(re.findall(r"[a-z']+", " ".join(texts)))


TOLD = said(*words.MATERIALS.values(),
             *(p for three in words.STYLES.values() for p in three))
# Templates are kept out, not their words: where training met "to" only as a piece of "toon" it read
# "i want it to be a marble sculpture" as half a comic; where "it to" was met only in "make it toon",
# it did as well.
FEW = {"a", "the", "of", "in", "and", "to", "it", "i", "my", "for", "as"}
COMMON, PAIRS = sorted(set(words.COMMON) - TOLD | FEW), words.phrases(words.PAIRS)


def fill(template, r, **phrases):
    """A template with its phrases, content and adjectives.  r: random.Random."""
    return template.format(c=r.choice(CONTENT), c2=r.choice(CONTENT), a=r.choice(ADJECTIVES),
                           a2=r.choice(ADJECTIVES), **phrases)


def word(r):
    """One or two that mean nothing: of the language, or of none."""
    kind = r.random()
    if kind < .6:
        return r.choice(COMMON)
    if kind < .7:
        return r.choice(PAIRS)
    made = "".join("".join(map(r.choice, SYLLABLES)).strip() for _ in range(r.randint(1, 3)))
    return r.choice(COMMON) if made in TOLD else made


def amid(text, r, most=5):
    """The prompt with up to `most` words that mean nothing before and after it, or with a letter
    wrong; often as it is."""
    if r.random() < .5:
        before, after = ([word(r) for _ in range(r.randint(0, most))] for _ in range(2))
        text = " ".join(before + [text] + after)
    if r.random() < .1 and len(text) > 8:
        at = r.randrange(1, len(text) - 1)
        text = text[:at] + r.choice(("", text[at] * 2, r.choice(LETTERS))) + text[at + 1:]
    return text


def of_style(style, r, kind="train"):
    nouns, tags, unseen = map(words.phrases, words.STYLES[style])
    if kind == "templates":
        return fill(r.choice(UNSEEN), r, n=r.choice(nouns), t=r.choice(tags))
    if kind == "synonyms":
        return fill(r.choice(("{n}", "{n}, {a}", "{c}, {n}", "make it {n}")), r, n=r.choice(unseen))
    if r.random() < .4:
        return fill(r.choice(NOUN), r, n=r.choice(nouns))
    return fill(r.choice(TAG), r, t=r.choice(tags))


def of_material(name, r, kind="train"):
    template = r.choice(MATERIAL if kind == "train" else UNSEEN_MATERIAL)
    return fill(template, r, m=r.choice(words.phrases(words.MATERIALS[name])))


def of_nothing(r):
    """A prompt without a style: empty, words that name none, another language, no language."""
    kind = r.random()
    if kind < .2:
        return ""
    if kind < .4:
        return " ".join(word(r) for _ in range(r.randint(1, 12)))
    if kind < .65:
        return fill(r.choice(("{c}", "{a} {c}", "{c} and {c2}", "{c} with {c2}", "{a}")), r)
    if kind < .8:
        return r.choice(OTHER)
    return "".join(r.choice(LETTERS) for _ in range(r.randint(1, 40)))


def long_nothing(r):
    """More of it than most prompts have: words, or a few of them or a letter again and again."""
    kind = r.random()
    if kind < .4:
        return " ".join(word(r) for _ in range(r.randint(20, 250)))
    if kind < .8:
        few = " ".join(word(r) for _ in range(r.randint(1, 12)))
        return " ".join([few] * r.randint(3, 60))
    return r.choice(LETTERS.strip() + "!?.0123456789") * r.randint(20, 600)
