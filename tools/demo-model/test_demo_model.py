# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the training promises, in a few seconds and without a network:

    WORK/venv/bin/python -m unittest discover tools/demo-model
"""
import contextlib
import inspect
import io
import json
import os
import pathlib
import random
import resource
import signal
import tempfile
import unittest

import cv2
import numpy as np
import torch
from diffusers import SanaSprintPipeline

import crops
import files
import linear
import make_model
import networks
import photographs
import prompts
import tokenizer
import train_transformer
import training
import words
from materials import MATERIALS, material
from styles import STYLES, styled
from text import Text


def picture(seed, h=96, w=128):
    """A smooth random picture with edges, uint8 (h, w, 3)."""
    rng = np.random.default_rng(seed)
    a = cv2.GaussianBlur(rng.normal(0, 1, (h, w, 3)).astype(np.float32), (0, 0), 5)
    a = a / a.std() * .22 + .5
    cv2.rectangle(a, (w // 4, h // 4), (w // 2, 3 * h // 4), (.1, .5, .9), -1)
    return (np.clip(a, 0, 1) * 255).astype(np.uint8)


@contextlib.contextmanager
def full_disk(size):
    """Within, no file can grow beyond `size` bytes: an OSError as well, if another."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class Procedures(unittest.TestCase):
    def test_a_pattern_is_a_function_of_the_latent_cell(self):
        whole = picture(1, 192, 192)
        for name in STYLES:
            first = styled(name, whole)[64:128, 64:128].astype(int)
            moved = styled(name, np.ascontiguousarray(whole[8:, 16:]))[56:120, 48:112].astype(int)
            # what lies far away counts a little
            self.assertLess(np.abs(first - moved).mean(), 1.0, name)

    def test_styles_differ(self):
        a = picture(2)
        drawn = {name: styled(name, a).astype(int) for name in STYLES}
        for name, one in drawn.items():
            for other, two in drawn.items():
                if name < other:
                    self.assertGreater(np.abs(one - two).mean(), 4, f"{name}, {other}")

    def test_materials_follow_the_noise(self):
        rng = np.random.default_rng(3)
        for name in MATERIALS:
            one, two = (material(name, rng.standard_normal((32, 12, 12))).astype(int)
                        for _ in range(2))
            self.assertGreater(one.std(), 8, name)
            self.assertGreater(np.abs(one - two).mean(), 4, name)


class Beginnings(unittest.TestCase):
    def test_the_autoencoder_begins_as_the_best_linear_code(self):
        torch.manual_seed(4)
        x = training.tensor(np.stack([picture(k, 128, 128) for k in range(24)]), "cpu")
        seen, new = x[:20], x[20:]
        vae = networks.autoencoder().requires_grad_(False)
        linear.begin(vae, seen)
        analysis, synthesis, mean = linear.components(linear.blocks(seen), networks.CHANNELS)
        code = (linear.blocks(new) - mean) @ analysis.T
        z = vae.encode(new)[0]
        self.assertLess((z.movedim(1, -1).flatten(0, 2) - code).abs().max(), 1e-4)
        best = (code @ synthesis.T + mean - linear.blocks(new)).square().mean()
        ours = (vae.decode(z)[0].clamp(-1, 1) - new).square().mean()
        self.assertLess(ours, 3 * best)      # the last norm bends it a little

    def test_a_transformer_goes_on_in_another_autoencoders_terms(self):
        torch.manual_seed(5)
        net = networks.transformer().requires_grad_(False)
        turn = torch.linalg.qr(torch.randn(networks.CHANNELS, networks.CHANNELS))[0]

        def turned(z, by):
            return torch.einsum("ij,bjhw->bihw", by, z)

        def draw(z):
            return net(z, encoder_hidden_states=text, timestep=torch.tensor([.4]),
                       guidance=torch.tensor([.45]), return_dict=False)[0]

        text = torch.randn(1, 5, networks.TEXT_WIDTH)
        z = torch.randn(1, networks.CHANNELS, 16, 16)
        before = turned(draw(z), turn)
        train_transformer.translate(net, z, turned(z, turn))
        self.assertLess((draw(turned(z, turn)) - before).abs().max(), 1e-3)


class Prompts(unittest.TestCase):
    def test_synonyms_are_kept_out_of_training(self):
        told = {p for nouns, tags, _ in words.STYLES.values()
                for p in words.phrases(nouns) + words.phrases(tags)}
        for style, (_, _, unseen) in words.STYLES.items():
            self.assertFalse(told & set(words.phrases(unseen)), style)

    def test_templates_are_kept_out_of_training(self):
        self.assertFalse(set(prompts.UNSEEN) & set(prompts.NOUN + prompts.TAG))
        self.assertFalse(set(prompts.UNSEEN_MATERIAL) & set(prompts.MATERIAL))

    def test_no_phrase_means_two_styles(self):
        seen = {}
        for style, (nouns, tags, unseen) in words.STYLES.items():
            for phrase in words.phrases(nouns) + words.phrases(tags) + words.phrases(unseen):
                self.assertEqual(seen.setdefault(phrase, style), style, phrase)

    def test_words_that_mean_nothing_mean_no_style(self):
        told = " ".join(p for three in words.STYLES.values() for p in three).split()
        self.assertFalse((set(prompts.COMMON) - prompts.FEW) & {w.strip(":;!,") for w in told})

    def test_words_around_a_prompt_leave_it_whole(self):
        r = random.Random(7)
        kept = [p for p in ("neon lights" in prompts.amid("neon lights", r) for _ in range(200))]
        self.assertGreater(sum(kept), 150)  # the others have a letter wrong
        self.assertLess(sum(kept), 200)

    def test_every_kind_makes_a_prompt(self):
        r = random.Random(4)
        for style in words.STYLES:
            for kind in ("train", "templates", "synonyms"):
                self.assertTrue(prompts.of_style(style, r, kind))
        self.assertTrue(any(prompts.of_nothing(r) == "" for _ in range(50)))

    def test_long_prompts_of_nothing_are_long_and_name_no_style(self):
        r = random.Random(9)
        for text in (prompts.long_nothing(r) for _ in range(50)):
            self.assertGreaterEqual(len(text), 20)
            known = prompts.FEW | set(" ".join(prompts.PAIRS).split())
            self.assertFalse(set(text.split()) & prompts.TOLD - known, text)


class Embeddings(unittest.TestCase):
    def test_the_instruction_computed_once_changes_nothing(self):
        torch.manual_seed(8)
        with tempfile.TemporaryDirectory() as folder:
            tokens = tokenizer.make(pathlib.Path(folder))
            self.assertNotIn(folder.encode(),
                             (pathlib.Path(folder) / "tokenizer.model").read_bytes())
        encoder = networks.text_encoder((len(tokens) + 7) // 8 * 8).eval()
        texts = ["a fox", "", "a much longer prompt, of several words"]
        with torch.no_grad():
            h, mask = Text(encoder, tokens, "cpu")(texts)
            for i, text in enumerate(texts):
                ids = tokens.encode(prompts.INSTRUCTION + text)
                whole = encoder(input_ids=torch.tensor([ids]))[0][0]
                start = len(tokens.encode(prompts.INSTRUCTION)) - 1
                rows = torch.cat([whole[:1], whole[start:]])
                self.assertEqual(int(mask[i].sum()), len(rows))
                self.assertLess(float((h[i, :len(rows)] - rows).abs().max()), 1e-4)

    def test_of_a_long_prompt_it_sees_what_the_pipeline_keeps(self):
        with tempfile.TemporaryDirectory() as folder:
            tokens = tokenizer.make(pathlib.Path(folder))
        encoder = networks.text_encoder((len(tokens) + 7) // 8 * 8).eval()
        with torch.no_grad():
            _, mask = Text(encoder, tokens, "cpu")(["fox " * 400, "fox"])
        kept = inspect.signature(SanaSprintPipeline.__call__).parameters["max_sequence_length"]
        self.assertEqual(int(mask[0].sum()), kept.default)
        self.assertLess(int(mask[1].sum()), 10)


class Photographs(unittest.TestCase):
    def test_every_picture_has_an_author_a_licence_and_one_split(self):
        rows = photographs.table()
        for row in rows:
            self.assertTrue(row["author"] and row["licence"], row)
            self.assertIn(row["split"], ("train", "held"))
            self.assertIn(row["kind"], crops.WEIGHT)
        self.assertEqual(len({(r["package"], r["file"]) for r in rows}), len(rows))

    def test_damaged_pictures_are_left_out_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            share = pathlib.Path(folder) / "packages/p/usr/share"
            share.mkdir(parents=True)
            ok, data = cv2.imencode(".jpg", picture(5))
            self.assertTrue(ok)
            (share / "whole.jpg").write_bytes(data.tobytes())
            (share / "short.jpg").write_bytes(data.tobytes()[:len(data) // 2])
            (share / "noise.png").write_bytes(bytes(range(256)))
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                read = {name: photographs.read({"package": "p", "file": name},
                                               pathlib.Path(folder))
                        for name in ("whole.jpg", "short.jpg", "noise.png", "gone.jpg")}
            self.assertEqual([k for k, v in read.items() if v is not None], ["whole.jpg"])
            for name in ("short.jpg", "noise.png", "gone.jpg"):
                self.assertIn(name, said.getvalue())

    def test_a_package_that_cannot_be_had_is_one_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            fake = work / "apt-get"
            fake.write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
            fake.chmod(0o755)
            path = os.environ["PATH"]
            os.environ["PATH"] = f"{folder}:{path}"
            try:
                with self.assertRaises(photographs.Missing) as caught, \
                        contextlib.redirect_stdout(io.StringIO()):
                    photographs.fetch(work)
            finally:
                os.environ["PATH"] = path
            self.assertIn("Unable to locate package", str(caught.exception))
            self.assertIn("photographs.tsv", str(caught.exception))


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_a_full_disk_leaves_no_empty_file(self):
        with self.assertRaises(OSError) as caught, full_disk(3):
            files.write_whole(self.folder / "new", "text")
        self.assertIn(str(self.folder / "new"), str(caught.exception))
        self.assertEqual(list(self.folder.iterdir()), [])
        files.write_whole(self.folder / "new", "é")
        self.assertEqual((self.folder / "new").read_text(encoding="utf-8"), "é")

    def test_an_array_has_its_room_before_it_is_filled(self):
        path = self.folder / "a.npy"
        files.array(path, np.uint8, (1 << 20,))[0] = 7
        self.assertGreaterEqual(512 * path.stat().st_blocks, 1 << 20)
        self.assertEqual(files.array(path, np.uint8, (1 << 20,), begun=True)[0], 7)
        with self.assertRaises(OSError) as caught, full_disk(1 << 19):
            files.array(self.folder / "b.npy", np.uint8, (1 << 20,))
        self.assertIn("b.npy", str(caught.exception))
        self.assertEqual([p.name for p in self.folder.iterdir()], ["a.npy"])

    def test_crops_cut_short_are_none_and_those_of_other_styles_are_refused(self):
        path = self.folder / "crops.json"
        self.assertFalse(crops.are_there(self.folder))
        for text in ("", '{"styles": ["pho'):
            path.write_text(text)
            self.assertFalse(crops.are_there(self.folder))
        path.write_text(json.dumps({"styles": crops.NAMES, "files": {}}))
        self.assertTrue(crops.are_there(self.folder))
        for styles, said in ((crops.NAMES + ["fur"], "fur"), (crops.NAMES[::-1], "order")):
            path.write_text(json.dumps({"styles": styles, "files": {}}))
            with self.assertRaises(SystemExit) as caught:
                crops.are_there(self.folder)
            self.assertIn(said, str(caught.exception))


class Counted(training.Stage):
    """A stage whose clock counts steps: a second each."""

    ticks = 0

    def now(self):
        self.ticks += 1
        return float(self.ticks)


def learn(path, steps, crash_after=None):
    """A line fitted to noise for `steps`; returns its weight, or None where it crashed."""
    torch.manual_seed(6)
    net = torch.nn.Linear(4, 4)
    torch.nn.init.ones_(net.weight)
    muon = training.Muon([net.weight])
    adam = torch.optim.AdamW([net.bias], lr=1e-2)
    average = training.Average(list(net.parameters()), .9)
    with contextlib.redirect_stdout(io.StringIO()):
        stage = Counted("line", path, steps / 60, {"net": net, "muon": muon, "adam": adam,
                                                   "average": average}, "cpu", 6)
        while stage.running():
            x = torch.randn(8, 4) * float(stage.rng.random()) * random.random()
            loss = (net(x) - x).square().mean()
            stage.check(loss)
            net.zero_grad()
            loss.backward()
            stage.clip(net.parameters())
            muon.step(1e-2 * stage.rate())
            adam.step()
            average.step()
            stage.done({"loss": loss.detach()})
            if stage.steps == crash_after:
                return None
    average.swap()
    return torch.cat([net.weight.detach().flatten(), net.bias.detach()])


class Stages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
        self.addCleanup(lambda: [signal.signal(n, h) for n, h in handlers.items()])

    def test_a_killed_run_ends_where_an_undisturbed_one_does(self):
        expected = learn(self.folder / "one", 60)
        for crash in (17, 41):
            self.assertIsNone(learn(self.folder / "two", 60, crash))
        self.assertTrue(torch.equal(learn(self.folder / "two", 60), expected))

    def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(self):
        path = self.folder / "line"
        learn(path, 60, 20)
        before = path.read_bytes()
        with contextlib.redirect_stdout(io.StringIO()):
            stage = Counted("line", path, 1, {}, "cpu", 6)
        with self.assertRaises(SystemExit) as caught:
            stage.check(torch.tensor(float("nan"), requires_grad=True))
        self.assertIn(str(path), str(caught.exception))
        self.assertEqual(path.read_bytes(), before)

    def test_a_gradient_that_is_no_number_stops_before_the_step(self):
        net = torch.nn.Linear(2, 1, bias=False)
        with contextlib.redirect_stdout(io.StringIO()):
            stage = Counted("line", self.folder / "line", 1, {"net": net}, "cpu", 6)
        torch.nn.init.zeros_(net.weight)
        for said in ("anew", str(stage.path)):
            loss = net(torch.ones(1, 2)).abs().sqrt().sum()  # 0, and infinitely steep
            stage.check(loss)
            loss.backward()
            with self.assertRaises(SystemExit) as caught:
                stage.clip(net.parameters())
            self.assertIn("gradient", str(caught.exception))
            self.assertIn(said, str(caught.exception))
            stage.keep()

    def test_a_full_disk_keeps_the_file_that_was_there(self):
        path = self.folder / "kept"
        training.save({"a": 1}, path)
        before = path.read_bytes()
        with self.assertRaises(SystemExit) as caught, full_disk(10000):
            training.save({"a": torch.randn(100000)}, path)
        self.assertIn("make room", str(caught.exception))
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["kept"])

    def test_a_directory_holds_one_run(self):
        model = self.folder / "model"
        model.mkdir()
        (model / "model_index.json").write_text("{}")
        (model / "a.safetensors").write_bytes(b"weights")
        make_model.claim(self.folder, False, model)
        make_model.claim(self.folder, False, model)
        for toy, other in ((True, model), (False, None)):
            with self.assertRaises(SystemExit) as caught:
                make_model.claim(self.folder, toy, other)
            self.assertIn("another run", str(caught.exception))
        with self.assertRaises(SystemExit) as caught:
            make_model.claim(self.folder, False, self.folder)
        self.assertIn("model_index.json", str(caught.exception))

    def test_the_clock_and_the_device_are_kept(self):
        path = self.folder / "line"
        with contextlib.redirect_stdout(io.StringIO()) as said:
            stage = Counted("line", path, 4 / 60, {}, "cpu", 6)
            stage.seen -= 120
            stage.done({})
            stage.keep()
            stage = Counted("line", path, 4 / 60, {}, "cpu", 6)
            while stage.running():
                stage.done({})
        took = stage.took()
        self.assertEqual((took["steps"], took["device"]), (4, "cpu"))
        self.assertAlmostEqual(took["wall_minutes"], 2, 1)
        self.assertIn("4 steps on cpu, 2.0 minutes by the clock", said.getvalue())

    def test_a_checkpoint_of_earlier_scripts_goes_on_without_its_clock(self):
        path = self.folder / "line"
        learn(path, 60, 20)
        state = torch.load(path, weights_only=False)
        del state["wall"], state["device"]
        torch.save(state, path)
        with contextlib.redirect_stdout(io.StringIO()):
            stage = Counted("line", path, 1, {}, "cpu", 6)
            stage.done({})
        self.assertNotIn("wall_minutes", stage.took())

    def test_a_checkpoint_of_another_device_is_refused(self):
        path = self.folder / "line"
        learn(path, 60, 20)
        torch.save(torch.load(path, weights_only=False) | {"device": "cuda"}, path)
        with self.assertRaises(SystemExit) as caught:
            Counted("line", path, 1, {}, "cpu", 6)
        self.assertIn("--device cuda", str(caught.exception))

    def test_a_gpu_has_a_budget_of_its_own(self):
        def minutes(*words):
            return make_model.budget(make_model.parse(["--work", "w", *words]))
        whole = sum(make_model.MINUTES.values())
        self.assertEqual(minutes(), whole)
        self.assertAlmostEqual(minutes("--device", "cuda"), whole / 10)
        self.assertEqual(minutes("--device", "cuda", "--minutes", "7"), 7)

    def test_two_runs_do_not_share_a_directory(self):
        with make_model.lock(self.folder):
            with self.assertRaises(SystemExit) as caught:
                make_model.lock(self.folder)
            self.assertIn(str(self.folder), str(caught.exception))
        make_model.lock(self.folder).close()

    def test_a_directory_that_cannot_be_begun_is_one_sentence(self):
        def claim():
            make_model.claim(self.folder, True, None)
        with self.assertRaises(SystemExit) as caught, full_disk(0):
            make_model.attempt(self.folder, claim)
        self.assertIn("make room", str(caught.exception))
        make_model.attempt(self.folder, claim)
        self.assertEqual((self.folder / "kind").read_text(), "toy")

    def test_a_stop_is_a_checkpoint(self):
        path = self.folder / "line"
        with contextlib.redirect_stdout(io.StringIO()):
            stage = Counted("line", path, 1, {}, "cpu", 6)
            os.kill(os.getpid(), signal.SIGTERM)
            with self.assertRaises(SystemExit):
                stage.running()
        self.assertTrue(path.exists())

    def test_what_comes_after_a_training_can_be_stopped(self):
        def stop(*_):
            raise KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        learn(self.folder / "line", 5)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.assertRaises(KeyboardInterrupt):
                os.kill(os.getpid(), number)


if __name__ == "__main__":
    unittest.main()
