# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cases: which components, which call, which settings.  Keys that are absent are defaults."""

PROMPT = "A red fox in the snow, watercolour"
CUSTOM = "Paint the following scene.\nScene: "
OPEN_END = "Paint a c"  # ends inside a piece
LONG = ("a crowded harbour at dawn with 12 fishing boats, gulls and nets; then " * 40).strip()

# texts whose embeddings alone are compared
PROMPTS = {
    "plain": PROMPT,
    "leading_space": "  A Cat  ",
    "tab_newline": "\tthree\n\nlines\nof text",
    "punctuation": "... , !?; \"quoted\" (aside) -- end.",
    "digits": "1234567 years and 3.14 metres",
    "cjk": "雪の中の赤い狐 水彩画",
    "cyrillic": "Красная Лиса в снегу",
    "arabic": "ثعلب أحمر في الثلج",
    "emoji": "a fox 🦊 in ❄️ snow 👩‍👩‍👧",
    "accents": "Ein Fuchs über dem Île-Saint, São João",
    "turn": "<start_of_turn>user a cat<end_of_turn>",
    "empty": "",
    "spaces": "    ",
    "long": LONG,
    "mixed_spaces": "a   b    c     d",
}


SPRINT = dict(transformer="sprint", vae="three", text_encoder="gemma", width=64, height=32)
PLAIN = dict(transformer="plain", vae="shuffle", text_encoder="gemma", width=32, height=64)
GRID = dict(transformer="grid", vae="five", text_encoder="gemma_old", width=128, height=96)
SHARDS = dict(transformer="shards", vae="norms", text_encoder="gemma", width=96, height=64)
OTHERS = (("plain", PLAIN), ("grid", GRID), ("shards", SHARDS))


def t2i(base, **more):
    return {**base, "call": "text_to_image", "prompt": PROMPT, **more}


def i2i(base, **more):
    return {**base, "call": "image_to_image", "prompt": PROMPT, **more}


def text_to_image():
    for steps in (1, 2, 3, 4):
        yield f"t2i_sprint_steps{steps}", t2i(SPRINT, steps=steps, seed=steps)
    # with seed 12 a position of "grid" has next to no query left after its ReLU, and chance decides
    # what bf16 makes of it
    for name, base in OTHERS:
        for steps in (1, 2, 4):
            yield f"t2i_{name}_steps{steps}", t2i(base, steps=steps, seed=13 + steps)
    lean = dict(GRID, vae="lean")
    yield "t2i_identity", t2i(SPRINT, vae="identity", seed=5)
    yield "t2i_lean", t2i(lean, width=96, height=64, seed=6)
    yield "t2i_lean_one_pixel", t2i(lean, width=32, height=32, seed=6)
    yield "t2i_square", t2i(SPRINT, width=96, height=96, seed=7)
    yield "t2i_small_maps", t2i(GRID, width=128, height=64, seed=8)
    yield "t2i_wide", t2i(GRID, width=288, height=32, seed=9)
    yield "t2i_shards_three", t2i(SHARDS, vae="three", width=32, height=96, seed=12)
    yield "t2i_binning", t2i(lean, width=100, height=60, resolution_binning=True, seed=13)


def settings():
    yield "t2i_equal_angles", t2i(SPRINT, steps=2, intermediate_timesteps=0, seed=20)
    yield "t2i_intermediate", t2i(SPRINT, intermediate_timesteps=0.9, seed=21)
    yield "t2i_max_timesteps", t2i(SPRINT, steps=3, max_timesteps=1.2, seed=22)
    yield "t2i_timesteps", t2i(SPRINT, steps=3, timesteps=["1.5", "1.25", "0.5", "0"], seed=23)
    yield "t2i_guidance_1", t2i(SPRINT, guidance_scale=1.0, seed=24)
    yield "t2i_guidance_7", t2i(SPRINT, guidance_scale=7.25, seed=24)
    yield "t2i_seed_large", t2i(SPRINT, seed=2**32 + 77)
    yield "t2i_sigma_data", t2i(SPRINT, scheduler="sigma", seed=25)
    yield "t2i_images", t2i(SPRINT, n_images=3, seed=25)
    yield "t2i_latents", t2i(SPRINT, given_latents=True, n_images=2, seed=26)
    yield "t2i_embeds", t2i(SPRINT, given_embeds=True, seed=27)
    yield "t2i_long_prompt", t2i(SPRINT, prompt=LONG, seed=28)
    yield "t2i_empty_prompt", t2i(SPRINT, prompt="", seed=29)
    yield "t2i_no_instruction", t2i(SPRINT, instruction="", seed=30)
    yield "t2i_custom_instruction", t2i(SPRINT, instruction=CUSTOM, seed=31)


def image_to_image():
    """As the reference counts strength."""
    for steps in (2, 4):
        for strength in (0.3, 0.5, 0.6, 0.75, 1.0):
            yield (f"i2i_sprint_steps{steps}_strength{round(strength * 100)}",
                   i2i(SPRINT, steps=steps, strength=strength, seed=40 + steps))
    for name, base in OTHERS:
        yield f"i2i_{name}_steps2_strength50", i2i(base, steps=2, strength=0.5, seed=50)
        yield f"i2i_{name}_steps4_strength75", i2i(base, steps=4, strength=0.75, seed=51)
    yield "i2i_sprint_steps1_strength100", i2i(SPRINT, steps=1, strength=1.0, seed=52)
    yield "i2i_sprint_steps10_strength30", i2i(SPRINT, steps=10, strength=0.3, seed=53)
    yield "i2i_equal_angles", i2i(SPRINT, intermediate_timesteps=0, strength=0.5, seed=53)
    yield "i2i_intermediate", i2i(SPRINT, intermediate_timesteps=0.8, strength=0.5, seed=53)
    yield "i2i_identity", i2i(SPRINT, vae="identity", strength=0.5, seed=54)
    yield "i2i_lean", i2i(GRID, vae="lean", width=96, height=64, strength=0.5, seed=55)
    yield "i2i_small_maps", i2i(GRID, width=96, height=64, strength=0.5, seed=56)
    yield "i2i_sigma_data", i2i(SPRINT, scheduler="sigma", strength=0.5, seed=25)
    yield "i2i_images", i2i(SPRINT, n_images=2, strength=0.5, seed=57)
    yield "i2i_latents", i2i(SPRINT, given_latents=True, strength=0.5, seed=58)


def continuous():
    for steps in (1, 2):
        for strength in (0.1, 0.35, 0.7, 1.0):
            yield (f"continuous_sprint_steps{steps}_strength{round(strength * 100)}",
                   i2i(SPRINT, steps=steps, strength=strength, strength_mode="continuous",
                       seed=60 + steps))
    for name, base in OTHERS:
        yield (f"continuous_{name}",
               i2i(base, steps=1, strength=0.45, strength_mode="continuous", seed=63))


def encode(text, **more):
    """A prompt's embedding alone."""
    return dict(call="encode", text_encoder="gemma", transformer="sprint", vae="three",
                prompt=text, **more)


def encode_old(text):
    return {**encode(text), "text_encoder": "gemma_old", "transformer": "grid", "vae": "five"}


def prompts():
    for name, text in PROMPTS.items():
        yield f"prompt_{name}", encode(text)
    for name in ("plain", "leading_space", "cjk", "empty", "long"):
        yield f"prompt_old_{name}", encode_old(PROMPTS[name])
    for name in ("plain", "leading_space", "punctuation", "digits", "empty"):
        yield f"prompt_none_{name}", encode(PROMPTS[name], instruction="")
        yield f"prompt_custom_{name}", encode(PROMPTS[name], instruction=CUSTOM)
    yield "prompt_open_end", encode("at on a mat", instruction=OPEN_END)
    yield "prompt_open_end_empty", encode("", instruction=OPEN_END)
    for n in (1, 2, 8, 17, 400):
        yield f"prompt_max{n}", encode(LONG, max_sequence_length=n)
        yield f"prompt_none_max{n}", encode(LONG, instruction="", max_sequence_length=n)
    yield "prompt_max8_short", encode("a cat", max_sequence_length=8)
    # configurations as other versions write them, over the same weights
    for config in ("bare", "hidden_act"):
        yield f"prompt_config_{config}", encode(PROMPT, text_encoder_config=config)


def networks():
    """The transformer alone."""
    for name, (h, w) in (("base", (6, 9)), ("sprint", (5, 7))):
        yield f"transformer_{name}", dict(call="transformer", transformer=name, height=h, width=w,
                                          seed=70)


def cases():
    """Yields (name, settings)."""
    for group in (text_to_image, settings, image_to_image, continuous, prompts, networks):
        yield from group()
