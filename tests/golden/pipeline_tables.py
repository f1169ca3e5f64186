#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the tables that check_scm, check_noise, check_text and check_resolution compare with:

    python3.11 -m venv V        # the cases of letters are those of CPython 3.11, Unicode 14
    V/bin/pip install torch==2.15.0 numpy==2.4.6 diffusers==0.42.1 transformers==5.23.0 \\
        beautifulsoup4==4.15.0 ftfy==6.3.1
    V/bin/python tests/golden/pipeline_tables.py

Everything is computed by the reference itself; nothing here is a formula of ours.
"""
import math
import pathlib
import sys
import types
import warnings
from importlib.metadata import version

PINNED = {"torch": "2.15.0", "numpy": "2.4.6", "diffusers": "0.42.1", "transformers": "5.23.0",
          "beautifulsoup4": "4.15.0", "ftfy": "6.3.1"}
for package, wanted in PINNED.items():
    found = version(package).split("+")[0]
    if found != wanted:
        sys.exit(f"{package} is {found}; the tables are made with {wanted}")
if sys.version_info[:2] != (3, 11):
    sys.exit("the tables are made with CPython 3.11")

warnings.filterwarnings("ignore")
import torch  # noqa: E402
from diffusers import SCMScheduler, SanaSprintImg2ImgPipeline, SanaSprintPipeline  # noqa: E402
from diffusers.image_processor import PixArtImageProcessor  # noqa: E402
from diffusers.pipelines.pixart_alpha.pipeline_pixart_alpha import ASPECT_RATIO_1024_BIN  # noqa: E402
from diffusers.schedulers import scheduling_scm  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent


class Header:
    def __init__(self, name, about):
        self.path = HERE / f"{name}.h"
        guard = f"SANA_TESTS_GOLDEN_{name.upper()}_H"
        self.lines = ["/* SPDX-License-" "Identifier: LGPL-2.1-or-later */", f"/* {about}  Written by",
                      f" * tests/golden/pipeline_tables.py with",
                      *(f" * {k} {v}" for k, v in PINNED.items()), " */", f"#ifndef {guard}",
                      f"#define {guard}", "", "/* clang-format off */"]

    def add(self, text):
        self.lines.append(text)

    def array(self, declaration, items):
        """Items packed into lines of 100 columns."""
        self.add(f"static const {declaration} = {{")
        line = "   "
        for item in items:
            if len(line) + len(item) > 97:
                self.add(line)
                line = "   "
            line += f" {item},"
        self.add(line + "\n};\n")

    def write(self):
        self.path.write_text("\n".join([*self.lines, "/* clang-format on */", "", "#endif", ""]))


def number(value):
    return f"{float(value):.9g}"


# --- SCM ---------------------------------------------------------------------------------------

def angles(steps, maximum=1.57080, intermediate=None, custom=None):
    scheduler = SCMScheduler()
    scheduler.set_timesteps(steps, timesteps=custom, max_timesteps=None if custom else maximum,
                            intermediate_timesteps=intermediate)
    return scheduler


def image_angles(scheduler, steps, strength):
    pipeline = types.SimpleNamespace(scheduler=scheduler)
    return SanaSprintImg2ImgPipeline.get_timesteps(pipeline, steps, strength, "cpu")


def values(tensor):
    return "{" + ", ".join(number(v) for v in tensor.tolist()) + "}"


def schedule_tables(h):
    h.add("/* {steps, max, intermediate, angles} */")
    h.add("static const struct { int steps; double max, intermediate, t[21]; } text_schedules[] = {")
    cases = [(n, m, None) for n in range(1, 21) for m in (1.57080, 1.2)]
    cases += [(3, m, None) for m in (0.0, 0.1, math.pi / 2, 1.56454, math.atan2(0.4, 0.6))]
    cases += [(2, 1.57080, 1.3), (2, 1.57080, 1.0), (2, 1.4, 0.25), (2, 1.3, 1.3)]
    for steps, maximum, middle in cases:
        t = angles(steps, maximum, middle).timesteps
        h.add(f"    {{{steps}, {maximum!r}, {middle or 0}, {values(t)}}},")
    h.add("};\n")

    h.add("/* {steps, strength, steps kept, angles} of SanaSprintImg2ImgPipeline */")
    h.add("static const struct { int steps; double strength; int count; double t[11]; } "
          "diffusers_strengths[] = {")
    for steps in (1, 2, 4, 10):
        for strength in (0.05, 0.1, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.9, 1.0):
            scheduler = angles(steps, intermediate=1.3 if steps == 2 else None)
            t, count = image_angles(scheduler, steps, strength)
            h.add(f"    {{{steps}, {strength}, {count}, {values(t)}}},")
    h.add("};\n")

    h.add("/* {steps, strength, angles}: max_timesteps = atan2(s, 1 - s), equal angles, strength 1 */")
    h.add("static const struct { int steps; double strength, t[11]; } continuous_strengths[] = {")
    for steps in (1, 2, 4, 10):
        for strength in (0.01, 0.1, 0.3, 0.35, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0):
            scheduler = angles(steps, math.atan2(strength, 1 - strength))
            t, count = image_angles(scheduler, steps, 1.0)
            assert count == steps
            h.add(f"    {{{steps}, {strength}, {values(t)}}},")
    h.add("};\n")


def step_table(h):
    """The loop of SanaSprintPipeline.__call__ on scalars, with SCMScheduler.step itself."""
    h.add("/* one step on scalars: angle, next angle, x, network output v, noise n ->")
    h.add(" * time and x given to the network, denoised x0, next x */")
    h.add("static const struct { double t, next, x, v, n, time, x_in, x0, prev; } scheduler_steps[] = {")
    pairs = [(1.57080, 0), (1.57080, 1.3), (1.3, 0), (1.2, 0.9), (0.9, 0.3), (0.3, 0), (0.05, 0.01),
             (math.pi / 4, math.pi / 8), (math.atan2(0.35, 0.65), 0)]
    for t, following in pairs:
        for x, v, n in ((0.7, -0.4, 1.1), (-1.9, 2.3, -0.6), (0.0, 1.0, 0.0), (1.0, 0.0, 2.0)):
            custom = [t, following, 0.0] if following else [t, 0.0]
            scheduler = angles(len(custom) - 1, custom=custom)
            scheduler.set_begin_index(0)
            noise = torch.full((1, 1, 1, 1), n)
            scheduling_scm.randn_tensor = lambda *a, noise=noise, **k: noise
            angle = scheduler.timesteps[0].expand(1)
            latents = torch.full((1, 1, 1, 1), x)
            time = torch.sin(angle) / (torch.cos(angle) + torch.sin(angle))
            wide = time.view(-1, 1, 1, 1)
            x_in = latents / 0.5 * torch.sqrt(wide**2 + (1 - wide) ** 2)
            out = ((1 - 2 * wide) * x_in + (1 - 2 * wide + 2 * wide**2) * torch.full_like(x_in, v))
            out = out / torch.sqrt(wide**2 + (1 - wide) ** 2) * 0.5
            prev, x0 = scheduler.step(out, angle, latents, return_dict=False)
            row = [scheduler.timesteps[0], scheduler.timesteps[1], x, v, n, time, x_in, x0, prev]
            h.add("    {" + ", ".join(number(value) for value in row) + "},")
    h.add("};\n")
    h.add("/* start of image-to-image: angle, latent z, noise n -> x */")
    h.add("static const struct { double t, z, n, x; } starts[] = {")
    for t in (1.57080, 1.3, 0.9, 0.3, 0.01):
        for z, n in ((0.4, -1.2), (-0.9, 0.8)):
            angle = torch.tensor([t])
            x = torch.cos(angle) * z + torch.sin(angle) * (torch.tensor([n]) * 0.5)
            h.add(f"    {{{number(angle)}, {z}, {n}, {number(x)}}},")
    h.add("};")


# --- noise -------------------------------------------------------------------------------------

def noise_tables(h):
    h.add("/* torch.randn(count) of a fresh generator: values, end to end */")
    seeds = [0, 1, 42, 2**32 - 1, 2**32 + 5]
    draws, flat = [], []
    for seed in seeds:
        counts = range(1, 41) if seed == 42 else (1, 2, 3, 14, 15, 16, 17, 31, 32, 33, 40, 100)
        for count in counts:
            generator = torch.Generator("cpu").manual_seed(seed)
            draws.append(f"{{{seed}ull, {count}}}")
            flat += torch.randn(count, generator=generator).tolist()
    h.array("struct { guint64 seed; int count; } draws[]", draws)
    h.array("float draw_values[]", [number(v) for v in flat])

    h.add("/* one generator of seed 7, draws one after the other */")
    counts = [3, 16, 1, 20, 5, 100, 2, 15, 33, 1, 1, 64, 7]
    generator = torch.Generator("cpu").manual_seed(7)
    h.array("int sequence[]", [str(c) for c in counts])
    h.array("float sequence_values[]",
            [number(v) for c in counts for v in torch.randn(c, generator=generator).tolist()])

    h.add("/* large draws: every stride-th value, the sum, and the sum of v[i]·(i mod 7 - 3) */")
    rows, sampled = [], []
    for seed in seeds:
        for count, stride in ((8192, 293), (8197, 313), (131072, 5003)):
            v = torch.randn(count, generator=torch.Generator("cpu").manual_seed(seed)).double()
            weights = torch.arange(count, dtype=torch.float64).remainder(7) - 3
            rows.append(f"{{{seed}ull, {count}, {stride}, {v.sum():.9g}, {(v * weights).sum():.9g}}}")
            sampled += v[::stride].tolist()
    h.array("struct { guint64 seed; int count, stride; double sum, weighted; } large[]", rows)
    h.array("float large_values[]", [number(v) for v in sampled])


# --- resolution --------------------------------------------------------------------------------

def resolution_tables(h):
    sizes = [(w, height) for w in (1, 64, 480, 512, 640, 720, 1024, 1080, 1280, 1920, 3840, 7680)
             for height in (1, 64, 360, 512, 576, 720, 768, 1024, 1080, 2048, 4320)]
    rows = []
    for width, height in sizes:
        bh, bw = PixArtImageProcessor.classify_height_width_bin(height, width,
                                                                ratios=ASPECT_RATIO_1024_BIN)
        rows.append(f"{{{width}, {height}, {bw}, {bh}}}")
    h.add("/* {width, height} asked -> of the bin */")
    h.array("int binned[][4]", rows)

    h.add("/* {sw, sh, dw, dh}: source (sh, sw, 3) is ((37 i) mod 101) / 50 - 1 over its elements */")
    cases = [(4, 3, 4, 3), (4, 4, 8, 8), (5, 3, 7, 9), (8, 6, 4, 3), (9, 5, 3, 5), (1, 1, 3, 2),
             (2, 7, 6, 6), (10, 4, 7, 3), (3, 8, 11, 2), (12, 8, 9, 9)]
    h.array("int resizes[][4]", ["{%d, %d, %d, %d}" % case for case in cases])
    flat = []
    for sw, sh, dw, dh in cases:
        source = ((37 * torch.arange(sh * sw * 3)) % 101).float() / 50 - 1
        picture = source.view(1, sh, sw, 3).permute(0, 3, 1, 2).contiguous()
        out = PixArtImageProcessor.resize_and_crop_tensor(picture, dw, dh)
        assert out.shape == (1, 3, dh, dw)
        flat += out.permute(0, 2, 3, 1).flatten().tolist()
    h.array("float resized[]", [number(v) for v in flat])


# --- text --------------------------------------------------------------------------------------

PLAIN = [
    "", " ", "\t\n\v\f\r ", "A Cat", "  A Cat  ", "I", "IIII ıI", "İstanbul", "İ", "Iİıi", "ΑΣ", "Σ",
    "ΑΣ.", "ΑΣ. Β", "Α.ΣΒ", "ΣΑΣ ΣΑΣ", "ΑΣ'", "ΑΣ'Α", "Α\u0301Σ", "ΑΣ\u0301", "ΑΣ\u0301Α", "1Σ", "ªΣ",
    "ⅠΣ", "ⓐΣ", "Ⓐ", "ⅯⅭ", "aΣ\u00ad", "aΣ\u00adb", "ʰΣ", "aʰΣ", "a:Σ", "a;Σ", "ΟΔΥΣΣΕΥΣ", "ẞ STRASSE ß",
    "ÅNGSTRÖM", "\u212b \u2126 \u212a", "ǅ ǈ ǋ ǲ Ǆ", "ПРИВЕТ МИР", "ԱՐԵՒ", "ᏣᎳᎩ", "ᲐᲑᲒ", "ႠႡႢ", "Ꭰ",
    "𐐀𐐁", "𞤀𞤁", "ＡＢＣ", "ὈΔΥΣΣΕΎΣ", "ᾼ ᾈ ῼ", "Ⱥ Ⱦ", "ŸÿŽ", "ǱǲǳȺ", "مرحبا", "你好 World", "ไทย",
    "\u00a0x\u00a0", "\u1680x\u1680", "\u2000\u2005x\u200a", "\u200bx\u200b", "\u2028x\u2029", "\u202fx",
    "\u205fx", "\u3000x\u3000", "\u180ex", "\ufeffx", "\x1cx\x1d", "\x1ex\x1f", "\x85x\x85", "\x1bx",
    "a\u0307", "😀 Emoji", "\U0010ffffX", "</S> <BOS>", "<start_of_turn>USER", "x\u00a0Y", "A\nB\n",
]

CAPTIONS = [
    "", "A Cat", "  A  Cat  ", "<person> on a hill", "see https://example.com/a/b?c=1 now", "http://",
    "visit www.example.com/x_y-z/ today", "mail me@example.org please", "foo.co.uk bar.it it.",
    "<b>bold</b> and <i>it</i>", "a<br/>b", "a <br> b", "<p>x</p><p>y</p>", "<script>x()</script>y",
    "<style>p{}</style>z", "<script>never closed", "<!-- c -->d", "<!-- never closed", "<!--->x-->y",
    "a < b", "a<b", "a <b and c> d", "1 <2> 3", "</p>x", "</ p >x", "</>x", "</3 love", "<a href='x>y'>z</a>",
    "<a href=\"x>y", "<a href=x/>y", "<a b=\"c\"d>e", "<rt>a</rt>b", "<rp>(</rp>c<template>d<b>e</b></template>f",
    "<pre> </pre>x", "<div>\n\n</div>x", "<![CDATA[cd <x>]]>e", "<template>a<![CDATA[b]]>c</template>d",
    "<!DOCTYPE html>a", "<?xml v?>b", "<!x>c",
    "&amp;", "&amp", "a&amp;b", "&quot;q&quot;", "&lt;b&gt;", "&eacute;t&eacute;", "&Eacute;t", "&hellip;",
    "&notit;", "&unknown;", "&#65;&#x42;", "&#8364; &#128; &#150;", "&#0;", "&#1114112;", "&#xd800;", "&#12a;b",
    "&#65", "&#", "&#;x", "&a", "x &y", "x & y", "at&t", "&amp;amp;", "&lsqb;x&rsqb;", "&ngE; &nge;",
    "%41%42 %c3%a9 %zz %", "100% wool", "a+b", "%3Cb%3Ex%3C/b%3E", "%ff", "@nick_1 hello", "a@b", "@",
    "你好 a 世界 b", "カタカナ ひらがな ㇰ ㈠", "a – b — c ― d ‐ e", "〜 〰 ゠ ﹘ －", "«a» “b” ”c„ ‘d’ `e´ ¨f",
    "\"\"\"sale\"\"\"", "''x''", "\"'\"", "a...b", "a. . b", "a . b", "a ... b", "192.168.0.1 x", "1.2.3.4.5",
    "at 12:34", "at 12:34  ", "1:23\n", "line\\nbreak", "#12 #123 #1234 #12345 #123456", "12345 123456 1234567",
    "photo.png here", "a.b.jpg.png x", "photo.png.", "x/y.webp z", "a.pngb", "***SALE*** #now", "(a) [b] {c} |d|",
    "a\\b/c", "½ price ¾ · º ¿x? ¡y! § ~", "® © ™ •", "this-is-my-cute-cat", "this_is_my_cute_cat", "a-b-c",
    "jc6640", "jc6640vc", "6640vc231", "abcd1234", "abc12", "j2d1a2a3", "a1b2c3", "x1y", "1x1y1", "a1b2c3é",
    "Free Shipping", "worldwide free shipping!", "worldwide  shipping", "free  shipping", "download free",
    "free download free", "freedownload", "click for more info", "click on this", "click  on this", "png image",
    "jpeg images", "pngs", "mp4", "page 12", "page  3 of 4", "pages 3", "10x20", "3.5×4.5 cm", "10х20", "2x4é",
    "3x4.5é", "10 x 20", "a : b", "a :b", "a:b", "red,green,blue", "1,2,3", "a/b", "a.b", "e.g.x", ",a",
    "'quoted'", "\"quoted\"", "'", "\"\"", "-dash", "dash-", ";semi", "plus+", "_x_", ".hidden", ".hidden file",
    "ＦＵＬＬ　ｗｉｄｔｈ", "ｶﾀｶﾅ ﾊﾟ", "＆ａｍｐ；", "＆ａｍｐ；lt；", "ﬁne ﬂow ﬃ ﬅ", "ŉ ĳ Ĳ ǆ ǉ ǌ ǳ", "e\u0301 Å \u212b",
    "a\u2028b\u2029c\rd\r\ne", "a\x07b\x1bc\x7fd", "\ufeffx\ufffcy\u206az", "a\u0085b", "a\u0092b", "\u02bcx", "‛x‟",
    "İstanbul ΑΣ ẞ", "²³ x²y", "١٢٣٤٥٦٧", "٣x٤", "#١٢٣", "jc٦٦٤٠", "x\u200by", "a\u00a0b", "a\u3000b", "a\x1cb",
    "😀 smile 😀", "it's 5 o'clock", "rock'n'roll", "1930's style", "don’t", "A photo of a CAT, 4k, f/1.8, 35mm",
    "masterpiece,best quality,8k", "a (red:1.2) car", "[[cat]] AND {{dog}}", "50mm f1.4 iso100", "3d render",
    "portrait of a woman, by greg_rutkowski -- trending on artstation", "url: http://t.co/abc", "https:x https: y",
    "a-http://b", "www:x www: y", "a.comb", "a.com@b", "x.com/y.jpg", "-a.org-", "éa-b.com x", "a..b.net", "com",
]


def c_string(text):
    out, escaped = "", False
    for byte in text.encode():
        if 0x20 <= byte < 0x7F:
            char = chr(byte)
            out += "\\" + char if char in '"\\?' else char
        else:
            out += f"\\{byte:03o}"
    return f'"{out}"'


def lower_runs():
    """Runs of characters an equal distance from their lower case: first, last, stride, distance."""
    changed = {c: ord(chr(c).lower()) - c for c in range(0x110000)
               if not 0xD800 <= c <= 0xDFFF and c != 0x130 and chr(c).lower() != chr(c)}
    runs = []
    for c, delta in changed.items():
        for run in reversed(runs[-2:]):
            if run[3] == delta and (c - run[1] == run[2] or (run[0] == run[1] and c - run[1] <= 2)):
                run[2], run[1] = c - run[1], c
                break
        else:
            runs.append([c, c, 1, delta])
    covered = {c for a, b, stride, _ in runs for c in range(a, b + 1, stride)}
    assert covered == set(changed)
    return runs


def text_tables(h):
    def pair(source, result):
        line = f"    {{{c_string(source)}, {c_string(result)}}},"
        return line if len(line) <= 100 else f"    {{{c_string(source)},\n     {c_string(result)}}},"

    pipeline = SanaSprintPipeline

    def reference(text, clean):
        fake = types.SimpleNamespace(_clean_caption=lambda c: pipeline._clean_caption(pipeline, c))
        return pipeline._text_preprocessing(fake, text, clean_caption=clean)[0]

    h.add("/* {text, lower().strip()} */\nstatic const char *const plain_cases[][2] = {")
    for text in PLAIN:
        h.add(pair(text, reference(text, False)))
    h.add("};\n\n/* {text, _clean_caption() twice} */\nstatic const char *const caption_cases[][2] = {")
    for text in CAPTIONS:
        h.add(pair(text, reference(text, True)))
    h.add("};\n")
    h.add("/* upper case: first, last, stride, distance to lower case */")
    h.array("int lower_runs[][4]", ["{0x%x, 0x%x, %d, %d}" % tuple(run) for run in lower_runs()])
    h.add("/* characters c for which \"aΣc\" ends a word and \"aΣcb\" does not: skipped */")
    sample = [c for c in [*range(0x21, 0x530), *range(0x2010, 0x2070), *range(0xFE00, 0xFF20)]
              if chr(c).isprintable() or c == 0xAD]
    h.array("int ignorable[]", ["0x%x" % c for c in sample
                                if ("aΣ" + chr(c)).lower()[1] == "ς"
                                and ("aΣ" + chr(c) + "b").lower()[1] == "σ"])
    import inspect
    lines = inspect.signature(pipeline.__call__).parameters["complex_human_instruction"].default
    text = "\n".join(lines)
    total = 0
    for byte in text.encode():
        total = (total * 31 + byte) % 2**32
    h.add("/* the default instruction: bytes, and their polynomial of 31 mod 2^32 */")
    h.add(f"enum {{ INSTRUCTION_BYTES = {len(text.encode())} }};")
    h.add(f"static const guint32 instruction_hash = {total}u;")


def main():
    for name, about, tables in (
            ("scm_tables", "Angles and steps of SCMScheduler.", (schedule_tables, step_table)),
            ("noise_tables", "Noise of torch's CPU generator.", (noise_tables,)),
            ("resolution_tables", "Bins and scaled pictures of PixArtImageProcessor.",
             (resolution_tables,)),
            ("text_tables", "Prompts and captions as SanaSprintPipeline prepares them.",
             (text_tables,))):
        header = Header(name, about)
        for table in tables:
            table(header)
        header.write()


main()
