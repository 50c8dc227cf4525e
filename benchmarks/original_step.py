"""Tokens per second of one training step: distil_jax beside the original recipe in PyTorch.

    python benchmarks/original_step.py --rows=8 --length=128     # full rows of random tokens
    python benchmarks/original_step.py --rows=8 --length=128 --compile
    python benchmarks/original_step.py --rows=2 --length=512
    python benchmarks/original_step.py --rows=2 --length=512 --text=FILE --tokenizer=FOLDER

BERT-base teaches DistilBERT, both in float32 with the same random weights: soft targets at every
token, masked LM, cosine, dropout 0.1, clipping, Adam. The original is transformers' models under
eager PyTorch, its losses written as the original's trainer has them; with `--compile` there is a
third side, `compiled`, with both models through torch.compile (it needs a C++ compiler), with
`--autocast` one, `autocast`, in bfloat16 (torch.autocast), which is set beside
`-- --config.precision.compute=bfloat16 --config.precision.teacher=bfloat16`. With
`--text` all take the lines of a text: this project packed into rows, the original one line as one
sequence, in batches of lines of about the same length and on average as many tokens, padded to
their longest; tokens of the text alone count. Each side is a process of its own, started as a user
would; they take turns, step by step, on the same processors. `--allocator=tuned` gives the
original, too, the settings of the allocator that distil_jax's commands start with.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
from original_recipe import MASK, SPECIAL, Batch, original

from distil_jax import huge_pages, tokenizer
from distil_jax.configuration import source as config_source
from distil_jax.data.loader import training_batches
from distil_jax.data.masking import Masking
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.data.store import open_split
from distil_jax.environment import GLIBC_TUNABLES
from distil_jax.models import initialize, student_from_teacher
from distil_jax.models.config import EncoderConfig
from distil_jax.models.stacking import unstack
from distil_jax.models.types import Params
from distil_jax.planning.known_shapes import BERT_BASE
from distil_jax.training import assemble
from distil_jax.training.parallel import Devices, shares
from distil_jax.training.precision import settled
from distil_jax.training.step import Constants, initial_state, train_step

LAYERS = (0, 2, 4, 7, 9, 11)
OURS, COMPILED, AUTOCAST = "distil_jax", "compiled", "autocast"


class Side:
    """One side in a process of its own, which takes a step on request."""

    def __init__(self, name: str, settings: Mapping[str, str]) -> None:
        # In front: what stands behind `--` are keys of the config.
        command = [sys.executable, sys.argv[0], f"--serve={name}", *sys.argv[1:]]
        self.process = subprocess.Popen(
            command,
            env=os.environ | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.description = self._line()

    def step(self) -> int:
        """The tokens of one more step."""
        assert self.process.stdin is not None
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            sys.exit(f"a side ended with status {self.process.wait()}")
        return line.strip()


def main() -> None:
    flags = _flags()
    if flags.serve:
        serve(flags)
        return
    given = os.environ.get(GLIBC_TUNABLES.name, "")
    tuned = {GLIBC_TUNABLES.name: huge_pages.tunables(given)}
    others = {} if flags.allocator == "default" else tuned
    names = [*flags.sides.split(","), *([COMPILED] if flags.compile else [])]
    names += [AUTOCAST] if flags.autocast else []
    sides = {name: Side(name, tuned if name == OURS else others) for name in names}
    print("; ".join(sorted({side.description for side in sides.values()})))
    taken: dict[str, list[tuple[int, float]]] = {name: [] for name in sides}
    for number in range(flags.rounds + 1):
        for name, steps in taken.items():
            start = time.perf_counter()
            tokens = sides[name].step()
            if number:
                steps.append((tokens, time.perf_counter() - start))
    for side in sides.values():
        side.process.kill()
    rates = {name: rate(steps, alike=flags.text is None) for name, steps in taken.items()}
    for name, steps in taken.items():
        per_step = [tokens / seconds for tokens, seconds in steps]
        print(f"{name}: {rates[name]:.1f} tokens/s ({min(per_step):.1f} to {max(per_step):.1f})")
    for name in rates.keys() - {OURS} if OURS in rates else ():
        print(f"{OURS} / {name} {rates[OURS] / rates[name]:.2f}")
    print(f"{len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f}")


def rate(steps: list[tuple[int, float]], *, alike: bool) -> float:
    """Tokens per second: the median of steps that are alike, else of all of them together."""
    if alike:
        return statistics.median(tokens / seconds for tokens, seconds in steps)
    return sum(tokens for tokens, _ in steps) / sum(seconds for _, seconds in steps)


def serve(flags: argparse.Namespace) -> None:
    """Say what is read, then one step for each line of standard input."""
    teacher = BERT_BASE, initialize(BERT_BASE, jax.random.key(0))
    student = student_from_teacher(*teacher, LAYERS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows, description = _random_rows(flags), f"full rows, {flags.rows} x {flags.length}"
        if flags.text is not None:
            with contextlib.redirect_stdout(sys.stderr):
                rows, description = _text_rows(flags, folder)
        compiled = partial(original, compiled=True)
        autocast = partial(original, autocast=True)
        sides = {"original": original, COMPILED: compiled, AUTOCAST: autocast, OURS: ours}
        steps = sides[flags.serve]
        taken = steps(flags, teacher, student, rows, folder)
        next(taken)
        print(description, flush=True)
        for _ in sys.stdin:
            print(next(taken), flush=True)


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--text", help="a text, a document a line, as distil_jax.prepare reads it")
    parser.add_argument("--tokenizer", default="builtin:teacher")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--attention", default="eager", choices=("eager", "sdpa"))
    parser.add_argument(
        "--allocator",
        default="default",
        choices=("default", "tuned"),
        help="the original's: as PyTorch starts, or with the settings of distil_jax.huge_pages",
    )
    parser.add_argument("--compile", action="store_true", help="a third side: torch.compile")
    parser.add_argument("--autocast", action="store_true", help="a side: torch.autocast, bfloat16")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--sides", default="original,distil_jax")
    parser.add_argument("overrides", nargs="*", help="--config.KEY=VALUE, after --")
    return parser.parse_args()


def _random_rows(flags: argparse.Namespace) -> Iterator[Batch]:
    """Rows full to the end, one sequence each."""
    random = np.random.default_rng(0)
    shape = (flags.rows, flags.length)
    while True:
        yield {
            "tokens": random.integers(1000, BERT_BASE.vocabulary, shape).astype(np.int32),
            "segments": np.ones(shape, np.int32),
            "epoch": np.zeros(flags.rows, np.int32),
            "row": np.arange(flags.rows, dtype=np.int32),
        }


def _text_rows(flags: argparse.Namespace, folder: Path) -> tuple[Iterator[Batch], str]:
    """Rows packed from a text's lines, and what they hold."""
    prepare(
        flags.text,
        folder / "rows",
        tokenizer.load(flags.tokenizer),
        PrepareSettings(length=flags.length, heldout=0),
    )
    split = open_split(folder / "rows", "train")
    summary, mean = split.summary, split.summary.tokens / split.summary.sequences
    description = (
        f"{summary.sequences:,} sequences of {mean:.0f} tokens on average, "
        f"{split.rows:,} rows of {split.length}, {summary.fill(split.length):.1%} full"
    )
    return training_batches(split, batch=flags.rows, seed=0), description


def ours(
    flags: argparse.Namespace,
    teacher: tuple[EncoderConfig, Params],
    student: tuple[EncoderConfig, Params],
    rows: Iterator[Batch],
    folder: Path,
) -> Iterator[int]:
    """One step after another of the package's own; yields the tokens of each."""
    sizes = [f"--config.batch.size={flags.rows}", f"--config.batch.length={flags.length}"]
    config = settled(config_source.read("distilbert", sizes + flags.overrides))
    devices = Devices("jit", tuple(jax.devices()[:1]))
    shape = replace(student[0], dropout=0.1, attention_dropout=0.1)
    run = assemble.step_spec(
        config,
        student=shape,
        targets=assemble.live_targets(config, [assemble.TeacherShape(teacher[0])], shape),
        masking=Masking(BERT_BASE.vocabulary, SPECIAL, MASK, 15, 80, 10),
        total_steps=1000,
        shares=shares(flags.rows, config.batch.micro_size, devices.count),
    )
    step = devices.map(partial(train_step, run), donate=True)
    state = devices.replicate(
        initial_state(run.optimizer, unstack(jax.tree.map(np.asarray, student[1])))
    )
    # A run casts its teacher once, before the first step.
    theirs = unstack(assemble.cast(teacher[1], config.precision.teacher))
    constants = Constants(devices.replicate(theirs))
    for batch in rows:
        state, values = step(state, constants, devices.split(batch))
        yield int(values["tokens"])


if __name__ == "__main__":
    main()
