# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Gemma-like tokenizer, trained on the prompts, the instruction and some English prose."""
import io
import json
import pydoc_data.topics
import random

import sentencepiece
from transformers import GemmaTokenizer

import files
import prompts
import words

PIECES = 2048
CONFIG = {"tokenizer_class": "GemmaTokenizer", "bos_token": "<s>", "eos_token": "</s>",
          "pad_token": "<pad>", "unk_token": "<unk>", "add_bos_token": True,
          "add_eos_token": False}


def known():
    """The words of what training says of styles and materials, then of what means nothing."""
    told = [p for three in words.STYLES.values() for p in three[:2]]
    return (prompts.said(*told, *words.MATERIALS.values()),
            prompts.said(words.CONTENT, words.ADJECTIVES, *words.COMMON))


def corpus():
    """Lines of text.  The instruction is repeated so that it becomes few, long pieces; words, so
    that each is one: of five pieces that are met everywhere, "nostalgic" was read as nothing."""
    r = random.Random(0)
    lines = [prompts.of_style(s, r) for s in words.STYLES for _ in range(200)]
    lines += [prompts.of_material(m, r) for m in words.MATERIALS for _ in range(150)]
    lines += [p for p in prompts.CONTENT + prompts.ADJECTIVES for _ in range(10)]
    lines += prompts.INSTRUCTION.split("\n") * 400
    for some, times in zip(known(), (300, 200), strict=True):
        lines += [f" {word}" for word in sorted(some) for _ in range(times)]
    return lines + list(pydoc_data.topics.topics.values())[:12]


def load(folder):
    tokenizer = GemmaTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "right"
    return tokenizer


def make(folder):
    """Trains it into folder/tokenizer.model unless it is there."""
    if (folder / "tokenizer_config.json").exists():
        return load(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()  # a file's name would stand in the model
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(corpus()).split("\n")), model_writer=model,
        vocab_size=PIECES,
        model_type="bpe", byte_fallback=True, add_dummy_prefix=False,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        allow_whitespace_only_pieces=True, character_coverage=.9995, pad_id=0, eos_id=1, bos_id=2,
        unk_id=3, user_defined_symbols=["<start_of_turn>", "<end_of_turn>", "\n", "\n\n"],
        max_sentence_length=100000, minloglevel=2, num_threads=1)
    files.write_whole(folder / "tokenizer.model", model.getvalue())
    files.write_whole(folder / "tokenizer_config.json", json.dumps(CONFIG))
    return load(folder)
