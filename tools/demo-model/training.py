# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the trainings share: a stage with its clock, checkpoints and progress; losses; optimisers.

A stage's budget is minutes of two cores, counted as processor time of the process: a process that
is stopped, or shares its cores, loses nothing.  On a GPU it is the time of the clock, which is kept
for all.
"""
import math
import random
import signal
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

from files import whole

CORES = 2
SAVE_EVERY = 60  # seconds of the clock above, or a tenth of a shorter budget


def prepare(device, threads):
    """Seeds are a stage's; this is what the process needs."""
    torch.set_num_threads(threads)
    if device != "cpu" and not torch.cuda.is_available():
        sys.exit(f"--device {device}: torch finds no CUDA GPU here; --device cpu works anywhere")


def tensor(pictures, device):
    """uint8 (B, H, W, 3) -> float (B, 3, H, W) in -1..1, channels last."""
    x = torch.from_numpy(np.array(pictures)).to(device)
    x = x.permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return x.contiguous(memory_format=torch.channels_last)


def has_bf16(kind):
    """Whether products of bf16 are fast ("cpu", "cuda"); a processor without them takes ten times
    as long as for f32."""
    able = torch.cpu.get_capabilities()
    return kind == "cuda" or able.get("avx512_bf16", False) or able.get("bf16", False)


def half(device):
    """bf16 autocast: 1.4 times the speed of f32 on a Zen 4, more on AMX and on GPUs; f32 on a
    processor without bf16."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=has_bf16(kind))


def gradient_loss(a, b):
    """Mean absolute difference of both finite differences at three scales."""
    loss = 0
    for k in range(3):
        for dim in (-1, -2):
            loss = loss + (a.diff(dim=dim) - b.diff(dim=dim)).abs().mean()
        if k < 2:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return loss / 3


def save(value, path):
    """Writes a file wholly or not at all."""
    try:
        with whole(path) as f:
            torch.save(value, f)
    except (OSError, RuntimeError) as error:
        sys.exit(f"cannot write {path} ({error}); make room and run the same command again: it "
                 "goes on from the last checkpoint")


class Average:
    """Exponential moving average of parameters."""

    def __init__(self, parameters, decay):
        self.parameters, self.decay, self.steps = parameters, decay, 0
        self.means = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def step(self):
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.means, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self):
        """Exchanges parameters and means."""
        for p, mean in zip(self.parameters, self.means, strict=True):
            kept = p.detach().clone()
            p.copy_(mean)
            mean.copy_(kept)

    def state_dict(self):
        return {"steps": self.steps, "means": self.means}

    def load_state_dict(self, state):
        self.steps = state["steps"]
        for mean, kept in zip(self.means, state["means"], strict=True):
            mean.copy_(kept)


class Muon:
    """Momentum, orthogonalised, for the matrices inside blocks (also 1x1 convolutions)."""

    def __init__(self, parameters, momentum=.95, decay=.01):
        self.momentum, self.decay, self.groups = momentum, decay, {}
        for p in parameters:
            self.groups.setdefault((p.shape[0], p.shape[1]), []).append(p)
        self.means = {shape: torch.zeros(len(ps), *shape, device=ps[0].device)
                      for shape, ps in self.groups.items()}

    @staticmethod
    def orthogonal(m):
        """(N, rows, columns): about the nearest matrices with equal singular values."""
        x = m / (m.norm(dim=(1, 2), keepdim=True) + 1e-9)
        x = x.bfloat16() if has_bf16(m.device.type) else x
        tall = x.shape[1] > x.shape[2]
        x = x.mT if tall else x
        for _ in range(5):
            a = x @ x.mT
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        return (x.mT if tall else x).float()

    @torch.no_grad()
    def step(self, rate):
        for shape, ps in self.groups.items():
            gradient = torch.stack([p.grad.reshape(shape) for p in ps])
            mean = self.means[shape].lerp_(gradient, 1 - self.momentum)
            update = self.orthogonal(gradient.lerp(mean, self.momentum))
            update *= rate * .2 * max(shape) ** .5
            for p, u in zip(ps, update, strict=True):
                p.mul_(1 - rate * self.decay).sub_(u.view_as(p))

    def state_dict(self):
        return self.means

    def load_state_dict(self, state):
        for shape, mean in self.means.items():
            mean.copy_(state[shape])


class Stage:
    """One training: `parts` are objects with state_dict, kept in a checkpoint with the random
    states, the steps done, the seconds used of the budget, those of the clock (None where a
    checkpoint of earlier scripts does not say) and the kind of device.

        stage = Stage("autoencoder", path, minutes, parts, device, seed)
        while stage.running():
            ...
            stage.check(loss)
            loss.backward()
            stage.clip(parameters)
            ...
            stage.done({"name": value})
        save({...} | stage.took(), path)
    """

    HANDLED = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, name, path, minutes, parts, device, seed):
        self.name, self.path, self.parts, self.device = name, path, parts, device
        self.seconds, self.used, self.steps, self.sums, self.count = 60 * minutes, 0.0, 0, {}, 0
        self.rng, self.stopped, self.saved = np.random.default_rng(seed), False, 0.0
        self.kind, self.wall = torch.device(device).type, 0.0
        random.seed(seed)
        torch.manual_seed(seed)
        if path.exists():
            self.load()
            print(f"{name}: goes on from step {self.steps}, {self.used / 60:.1f} of {minutes:g} "
                  "minutes used", flush=True)
        self.handlers = {number: signal.signal(number, self.stop) for number in self.HANDLED}
        self.last, self.seen = self.now(), time.monotonic()

    def stop(self, *_):
        self.stopped = True

    def now(self):
        return time.process_time() / CORES if self.kind == "cpu" else time.monotonic()

    @property
    def fraction(self):
        return min(1.0, self.used / self.seconds) if self.seconds else 1.0

    def running(self):
        """Whether there is another step to do.  From the last one on, signals are again what they
        were before; but not where one has come, as a second would end the writing."""
        if not self.stopped and self.used < self.seconds:
            return True
        if not self.stopped:
            for number, handler in self.handlers.items():
                signal.signal(number, handler)
        if self.stopped:
            self.keep()
            print(f"{self.name}: stopped at step {self.steps}; the same command goes on from here",
                  flush=True)
            sys.exit(130)
        self.say()
        return False

    def took(self):
        """What is kept of it beside the weights; no "wall_minutes" where they are not known."""
        out = {"steps": self.steps, "minutes": self.used / 60, "device": self.kind}
        return out if self.wall is None else out | {"wall_minutes": self.wall / 60}

    def say(self):
        by_clock = "an unknown time" if self.wall is None else f"{self.wall / 60:.1f} minutes"
        of_cores = f", {self.used / 60:.1f} minutes of {CORES} cores" if self.kind == "cpu" else ""
        print(f"{self.name}: {self.steps} steps on {self.kind}, {by_clock} by the clock{of_cores}",
              flush=True)

    def rate(self, warm_up=100):
        """Learning rate as a factor: steady, from 60 % of the time on linearly down to 2 %."""
        down = max(0.0, (self.fraction - .6) / .4)
        return min(1.0, (self.steps + 1) / warm_up) * (1 - .98 * down)

    def check(self, loss):
        """Stops the program before a step with a loss that is not a number is taken."""
        self.check_finite(loss, "loss")

    def clip(self, parameters):
        """Makes the gradient no longer than 1; stops the program before a step with one that is not
        a number, which a finite loss may have, and which would be in all weights after it."""
        self.check_finite(torch.nn.utils.clip_grad_norm_(parameters, 1.0), "gradient")

    def check_finite(self, value, what):
        if math.isfinite(float(value.detach())):
            return
        then = f"the last good checkpoint is {self.path}, and the same command goes on from it" \
            if self.path.exists() else \
            "there is no checkpoint yet, and the same command begins this training anew"
        sys.exit(f"{self.name}: the {what} of step {self.steps + 1} is not a finite number; {then} "
                 "(if it happens again, lower the rate)")

    def done(self, figures):
        """After a step: counts, prints now and then, saves now and then."""
        now = self.now()
        self.used, self.last = self.used + now - self.last, now
        clock = time.monotonic()
        if self.wall is not None:
            self.wall += clock - self.seen
        self.seen = clock
        self.steps += 1
        self.count += 1
        for key, value in figures.items():
            self.sums[key] = self.sums.get(key, 0.0) + float(value)
        if self.steps % 50 == 0:
            means = "  ".join(f"{k} {v / self.count:.4f}" for k, v in self.sums.items())
            print(f"{self.name}: step {self.steps}  {means}  "
                  f"{(self.seconds - self.used) / 60:.1f} min left", flush=True)
            self.sums, self.count = {}, 0
        if self.used - self.saved > min(SAVE_EVERY, self.seconds / 10):
            self.keep()

    def keep(self):
        save({"parts": {k: p.state_dict() for k, p in self.parts.items()},
              "used": self.used, "wall": self.wall, "device": self.kind, "steps": self.steps,
              "rng": self.rng.bit_generator.state, "random": random.getstate(),
              "torch": torch.get_rng_state()}, self.path)
        self.saved = self.used

    def load(self):
        state = torch.load(self.path, weights_only=False, map_location=self.device)
        made = state.get("device", self.kind)
        if made != self.kind:
            sys.exit(f"{self.name}: {self.path} was made on {made}, whose minutes are not those of "
                     f"{self.kind}; go on with --device {made}, or delete it to begin anew")
        for key, part in self.parts.items():
            part.load_state_dict(state["parts"][key])
        self.used, self.steps, self.saved = state["used"], state["steps"], state["used"]
        self.wall = state.get("wall")
        self.rng.bit_generator.state = state["rng"]
        random.setstate(state["random"])
        torch.set_rng_state(state["torch"].cpu())
