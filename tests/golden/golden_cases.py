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


def cases():
    """Yields (name, settings)."""
    sprint = dict(transformer="sprint", vae="three", text_encoder="gemma", width=64, height=32)
    plain = dict(transformer="plain", vae="shuffle", text_encoder="gemma", width=32, height=64)
    grid = dict(transformer="grid", vae="five", text_encoder="gemma_old", width=128, height=96)
    shards = dict(transformer="shards", vae="norms", text_encoder="gemma", width=96, height=64)

    def t2i(base, **more):
        return dict(base, call="text_to_image", prompt=PROMPT, **more)

    def i2i(base, **more):
        return dict(base, call="image_to_image", prompt=PROMPT, **more)

    # text to image
    for steps in (1, 2, 3, 4):
        yield f"t2i_sprint_steps{steps}", t2i(sprint, steps=steps, seed=steps)
    for name, base in (("plain", plain), ("grid", grid), ("shards", shards)):
        for steps in (1, 2, 4):
            yield f"t2i_{name}_steps{steps}", t2i(base, steps=steps, seed=10 + steps)
    yield "t2i_identity", t2i(dict(sprint, vae="identity"), seed=5)
    yield "t2i_lean", t2i(dict(grid, vae="lean", width=96, height=64), seed=6)
    yield "t2i_lean_one_pixel", t2i(dict(grid, vae="lean", width=32, height=32), seed=6)
    yield "t2i_square", t2i(dict(sprint, width=96, height=96), seed=7)
    yield "t2i_small_maps", t2i(dict(grid, width=96, height=64), seed=8)
    yield "t2i_wide", t2i(dict(grid, width=288, height=32), seed=9)
    yield "t2i_shards_three", t2i(dict(shards, vae="three", width=32, height=96), seed=12)

    # settings
    yield "t2i_equal_angles", t2i(sprint, steps=2, intermediate_timesteps=0, seed=20)
    yield "t2i_intermediate", t2i(sprint, intermediate_timesteps=0.9, seed=21)
    yield "t2i_max_timesteps", t2i(sprint, steps=3, max_timesteps=1.2, seed=22)
    yield "t2i_timesteps", t2i(sprint, steps=3, timesteps=["1.5", "1.25", "0.5", "0"], seed=23)
    yield "t2i_guidance_1", t2i(sprint, guidance_scale=1.0, seed=24)
    yield "t2i_guidance_7", t2i(sprint, guidance_scale=7.25, seed=24)
    yield "t2i_seed_large", t2i(sprint, seed=2**32 + 77)
    yield "t2i_images", t2i(sprint, n_images=3, seed=25)
    yield "t2i_latents", t2i(sprint, given_latents=True, seed=26)
    yield "t2i_embeds", t2i(sprint, given_embeds=True, seed=27)
    yield "t2i_long_prompt", dict(t2i(sprint, seed=28), prompt=LONG)
    yield "t2i_empty_prompt", dict(t2i(sprint, seed=29), prompt="")
    yield "t2i_no_instruction", t2i(sprint, instruction="", seed=30)
    yield "t2i_custom_instruction", t2i(sprint, instruction=CUSTOM, seed=31)

    # image to image as the reference counts strength
    for steps in (2, 4):
        for strength in (0.3, 0.5, 0.6, 0.75, 1.0):
            yield (f"i2i_sprint_steps{steps}_strength{round(strength * 100)}",
                   i2i(sprint, steps=steps, strength=strength, seed=40 + steps))
    for name, base in (("plain", plain), ("grid", grid), ("shards", shards)):
        yield f"i2i_{name}_steps2_strength50", i2i(base, steps=2, strength=0.5, seed=50)
        yield f"i2i_{name}_steps4_strength75", i2i(base, steps=4, strength=0.75, seed=51)
    yield "i2i_sprint_steps1_strength100", i2i(sprint, steps=1, strength=1.0, seed=52)
    yield "i2i_sprint_steps10_strength30", i2i(sprint, steps=10, strength=0.3, seed=53)
    yield "i2i_identity", i2i(dict(sprint, vae="identity"), strength=0.5, seed=54)
    yield "i2i_lean", i2i(dict(grid, vae="lean", width=96, height=64), strength=0.5, seed=55)
    yield "i2i_small_maps", i2i(dict(grid, width=96, height=64), strength=0.5, seed=56)
    yield "i2i_images", i2i(sprint, n_images=2, strength=0.5, seed=57)
    yield "i2i_latents", i2i(sprint, given_latents=True, strength=0.5, seed=58)

    # image to image with the continuous strength
    for steps in (1, 2):
        for strength in (0.1, 0.35, 0.7, 1.0):
            yield (f"continuous_sprint_steps{steps}_strength{round(strength * 100)}",
                   i2i(sprint, steps=steps, strength=strength, strength_mode="continuous",
                       seed=60 + steps))
    for name, base in (("plain", plain), ("grid", grid), ("shards", shards)):
        yield (f"continuous_{name}",
               i2i(base, steps=1, strength=0.45, strength_mode="continuous", seed=63))

    # prompt embeddings
    gemma = dict(call="encode", text_encoder="gemma", transformer="sprint", vae="three")
    gemma_old = dict(call="encode", text_encoder="gemma_old", transformer="grid", vae="five")
    for name, text in PROMPTS.items():
        yield f"prompt_{name}", dict(gemma, prompt=text)
    for name in ("plain", "leading_space", "cjk", "empty", "long"):
        yield f"prompt_old_{name}", dict(gemma_old, prompt=PROMPTS[name])
    for name in ("plain", "leading_space", "punctuation", "digits", "empty"):
        yield f"prompt_none_{name}", dict(gemma, instruction="",
                                          prompt=PROMPTS[name])
        yield f"prompt_custom_{name}", dict(gemma,
                                            instruction=CUSTOM, prompt=PROMPTS[name])
    yield "prompt_open_end", dict(gemma, instruction=OPEN_END,
                                  prompt="at on a mat")
    yield "prompt_open_end_empty", dict(gemma,
                                        instruction=OPEN_END, prompt="")
    for n in (1, 2, 8, 17, 400):
        yield f"prompt_max{n}", dict(gemma, prompt=LONG,
                                     max_sequence_length=n)
        yield f"prompt_none_max{n}", dict(gemma, prompt=LONG,
                                          instruction="", max_sequence_length=n)
    yield "prompt_max8_short", dict(gemma, prompt="a cat",
                                    max_sequence_length=8)
    # configurations as other versions write them, over the same weights
    for config in ("bare", "hidden_act"):
        yield f"prompt_config_{config}", dict(gemma,
                                              text_encoder_config=config, prompt=PROMPT)

    # the transformer alone
    for name, (h, w) in (("base", (6, 9)), ("sprint", (5, 7))):
        yield f"transformer_{name}", dict(call="transformer", transformer=name, height=h, width=w,
                                          seed=70)
