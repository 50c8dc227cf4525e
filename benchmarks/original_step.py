"""Tokens per second of one training step: distil_jax beside the original recipe in PyTorch.

    python benchmarks/original_step.py --rows=8 --length=128     # full rows of random tokens
    python benchmarks/original_step.py --rows=2 --length=512
    python benchmarks/original_step.py --rows=2 --length=512 --text=FILE --tokenizer=FOLDER

BERT-base teaches DistilBERT, both in float32 with the same random weights: soft targets at every
token, masked LM, cosine, dropout 0.1, clipping, Adam. The original is transformers' models under
eager PyTorch, its losses written as the original's trainer has them. With `--text` both take the
lines of a text: this project packed into rows, the original one line as one sequence, in batches of
lines of about the same length and on average as many tokens, padded to their longest; tokens of
the text alone count. Each side is a process of its own, started as a user would; they take turns,
step by step, on the same processors. `--allocator=tuned` gives the original, too, the settings of
the allocator that distil_jax's commands start with.
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
import torch
import transformers
from torch.nn import functional

from distil_jax import huge_pages, pretrained, tokenizer
from distil_jax.configuration import source as config_source
from distil_jax.data.loader import training_batches
from distil_jax.data.masking import Masking
from distil_jax.data.preparation import prepare
from distil_jax.data.store import open_split
from distil_jax.environment import GLIBC_TUNABLES
from distil_jax.losses import IGNORE
from distil_jax.models import initialize, student_from_teacher
from distil_jax.models.config import EncoderConfig
from distil_jax.models.stacking import unstack
from distil_jax.models.types import Params
from distil_jax.planning.model_shapes import BERT_BASE
from distil_jax.pretrained import Pretrained
from distil_jax.training import assemble
from distil_jax.training.parallel import Devices, shares
from distil_jax.training.step import Constants, initial_state, train_step

MASK, SPECIAL = 103, (0, 100, 101, 102, 103)
LAYERS = (0, 2, 4, 7, 9, 11)
POOL = 64
"""Batches of the original whose sequences are sorted by length together."""

Batch = dict[str, np.ndarray]


class Side:
    """One side in a process of its own, which takes a step on request."""

    def __init__(self, name: str, settings: Mapping[str, str]) -> None:
        command = [sys.executable, *sys.argv, f"--serve={name}"]
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
    settings = {"original": {} if flags.allocator == "default" else tuned, "distil_jax": tuned}
    sides = {name: Side(name, settings[name]) for name in flags.sides.split(",")}
    print("; ".join(sorted({side.description for side in sides.values()})))
    taken: dict[str, list[tuple[int, float]]] = {name: [] for name in sides}
    for number in range(flags.rounds + 1):
        for name, steps in taken.items():
            began = time.perf_counter()
            tokens = sides[name].step()
            if number:
                steps.append((tokens, time.perf_counter() - began))
    for side in sides.values():
        side.process.kill()
    rates = {name: rate(steps, alike=flags.text is None) for name, steps in taken.items()}
    for name, steps in taken.items():
        every = [tokens / seconds for tokens, seconds in steps]
        print(f"{name}: {rates[name]:.1f} tokens/s ({min(every):.1f} to {max(every):.1f})")
    if len(rates) == 2:
        print(f"distil_jax / original {rates['distil_jax'] / rates['original']:.2f}")
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
        steps = {"original": original, "distil_jax": ours}[flags.serve]
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
        flags.text, folder / "rows", tokenizer.load(flags.tokenizer), length=flags.length, heldout=0
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
    config = config_source.read("distilbert", sizes + flags.overrides)
    devices = Devices("jit", tuple(jax.devices()[:1]))
    run = assemble.constants(
        config,
        student=replace(student[0], dropout=0.1, attention_dropout=0.1),
        teacher=teacher[0],
        masking=Masking(BERT_BASE.vocabulary, SPECIAL, MASK, 15, 80, 10),
        total_steps=1000,
        shares=shares(flags.rows, config.batch.micro_size, devices.count),
    )
    step = devices.map(partial(train_step, run), donate=True)
    state = devices.replicate(
        initial_state(run.optimizer, unstack(jax.tree.map(np.asarray, student[1])))
    )
    constants = Constants(devices.replicate(unstack(teacher[1])))
    for batch in rows:
        state, values = step(state, constants, devices.split(batch))
        yield int(values["tokens"])


def original(
    flags: argparse.Namespace,
    teacher: tuple[EncoderConfig, Params],
    student: tuple[EncoderConfig, Params],
    rows: Iterator[Batch],
    folder: Path,
) -> Iterator[int]:
    """The same of the original recipe."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    models = [
        _torch_model(flags, folder / name, *side)
        for name, side in (("teacher", teacher), ("student", student))
    ]
    teaching, learning = models[0].eval(), models[1].train()
    learning.distilbert.embeddings.position_embeddings.weight.requires_grad = False
    trained = [p for p in learning.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 50))
    for tokens, attention in _padded_batches(rows, flags.rows * flags.length):
        masked, labels = _masked(tokens, attention)
        loss = _loss(teaching, learning, masked, attention, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        warmup.step()
        optimizer.zero_grad()
        yield int(attention.sum())


def _torch_model(
    flags: argparse.Namespace, folder: Path, shape: EncoderConfig, params: Params
) -> torch.nn.Module:
    pretrained.save(folder, Pretrained(shape, params, "masked_lm", (), None))
    return transformers.AutoModelForMaskedLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=flags.attention
    )


def _padded_batches(
    rows: Iterator[Batch], tokens: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Token ids and attention masks of sequences of about the same length, in random order."""
    random = np.random.default_rng(1)
    while True:
        pool = []
        while sum(map(len, pool)) < POOL * tokens:
            pool += _sequences(next(rows))
        together = max(1, round(tokens * len(pool) / sum(map(len, pool))))
        pool.sort(key=len)
        batches = [pool[first : first + together] for first in range(0, len(pool), together)]
        for number in random.permutation(len(batches)):
            yield _padded(batches[number])


def _sequences(batch: Batch) -> list[np.ndarray]:
    """What is packed in the rows, one by one."""
    return [
        row[segments == segment]
        for row, segments in zip(batch["tokens"], batch["segments"], strict=True)
        for segment in range(1, segments.max() + 1)
    ]


def _padded(sequences: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    tokens = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(sequence).long() for sequence in sequences], batch_first=True
    )
    return tokens, torch.arange(tokens.shape[1])[None] < lengths[:, None]


def _masked(tokens: torch.Tensor, attention: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """15 % of the tokens to predict, [MASK] 80 %, themselves 10 %, a random token 10 % of them."""
    ordinary = attention & ~torch.isin(tokens, torch.tensor(SPECIAL))
    chosen = (torch.rand(tokens.shape) < 0.15) & ordinary
    fate, random = torch.rand(tokens.shape), torch.randint_like(tokens, BERT_BASE.vocabulary)
    masked = torch.where(chosen & (fate < 0.8), MASK, tokens)
    masked = torch.where(chosen & (fate > 0.9), random, masked)
    return masked, torch.where(chosen, tokens, IGNORE)


def _loss(
    teacher: torch.nn.Module,
    student: torch.nn.Module,
    tokens: torch.Tensor,
    attention: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    """5 x soft target at T = 2 over all tokens, 2 x masked LM, 1 x cosine."""
    inputs = {
        "input_ids": tokens,
        "attention_mask": attention.long(),
        "output_hidden_states": True,
    }
    with torch.no_grad():
        taught = teacher(**inputs)
    found = student(**inputs)
    divergence = functional.kl_div(
        functional.log_softmax(found.logits[attention] / 2.0, dim=-1),
        functional.softmax(taught.logits[attention] / 2.0, dim=-1),
        reduction="batchmean",
    )
    entropy = functional.cross_entropy(found.logits.flatten(0, 1), labels.flatten())
    hidden = found.hidden_states[-1][attention], taught.hidden_states[-1][attention]
    cosine = functional.cosine_embedding_loss(*hidden, torch.ones(len(hidden[0])))
    return 5.0 * divergence * 2.0**2 + 2.0 * entropy + cosine


if __name__ == "__main__":
    main()
