"""Steps with the teacher beside steps by its stored outputs, alternating in one process.

    python -m distil_jax.cache --config=quickstart --output=DIR --epochs=1 --config.data.train=ROWS
    python benchmarks/stored_targets.py --config=quickstart --targets=DIR \\
        --config.data.train=ROWS --config.masking.epochs=1

Prints medians of seconds, on the clock and of the processor, their ratio, and tokens/s. The clock
tells little where other programs run; the processor's seconds leave them out.
"""

import argparse
import dataclasses
import statistics
import time
from functools import partial

import jax

from distil_jax import commandline, huge_pages
from distil_jax.configuration import source as config_source
from distil_jax.data import loader
from distil_jax.data.store import is_prepared, open_split
from distil_jax.errors import UsageError
from distil_jax.run.compilation import keep_compiled
from distil_jax.run.data_cursor import START, total_steps
from distil_jax.run.placement import put_on_devices
from distil_jax.run.setup import load_inputs, step_spec
from distil_jax.training.precision import settled
from distil_jax.training.step import initial_state, train_step

WAYS = ("with the teacher", "by stored targets")


class Stepper:
    """A run's own steps, one at a time."""

    def __init__(self, config):
        inputs = load_inputs(config)
        rows, stored = open_split(config.data.train, "train"), inputs.models.stored
        spec = step_spec(inputs, rows, total_steps(START, config, rows))
        self.devices = inputs.devices
        self.constants, params = put_on_devices(inputs.models, spec, self.devices, config.precision)
        self.state = self.devices.replicate(initial_state(spec.optimizer, params))
        self.step = self.devices.map(partial(train_step, spec), donate=True)
        self.batches = loader.training_batches(
            rows,
            batch=inputs.shares.rows,
            seed=config.seed,
            mask_epochs=config.masking.epochs,
            beside=None if stored is None else stored.training,
        )

    def __call__(self):
        """A step to its end; returns its tokens."""
        batch = self.devices.split(next(self.batches))
        self.state, values = self.step(self.state, self.constants, batch)
        return jax.block_until_ready(values)["tokens"].item()


def main(arguments):
    flags, overrides = parser().parse_with_keys(arguments)
    config = settled(config_source.read(flags.config, overrides))
    if not is_prepared(config.data.train):
        raise UsageError("config.data.train must be rows that distil_jax.prepare made")
    keep_compiled()
    configs = (config, dataclasses.replace(config, targets=flags.targets))
    steppers = dict(zip(WAYS, map(Stepper, configs), strict=True))
    clock = {way: [] for way in WAYS}
    processor = {way: [] for way in WAYS}
    tokens = dict.fromkeys(WAYS, 0)
    for stepper in steppers.values():
        stepper()  # compiles
    for _ in range(flags.rounds):
        for way, stepper in steppers.items():
            started, used = time.perf_counter(), time.process_time()
            tokens[way] += stepper()
            clock[way].append(time.perf_counter() - started)
            processor[way].append(time.process_time() - used)
    print("\n".join(lines(clock, processor, tokens)))


def lines(clock, processor, tokens):
    """The medians of each way, and their ratios."""
    found = []
    for way in WAYS:
        seconds, used = statistics.median(clock[way]), statistics.median(processor[way])
        rate = tokens[way] / len(clock[way]) / seconds
        found.append(f"{way:18}{seconds:8.3f} s {used:8.3f} s of processor {rate:10,.0f} tokens/s")
    for name, seconds in (("clock", clock), ("processor", processor)):
        ratios = [b / a for a, b in zip(*(seconds[way] for way in WAYS), strict=True)]
        found.append(
            f"stored / live, {name}: {statistics.median(ratios):.3f} (median of {len(ratios)} "
            f"pairs, {min(ratios):.3f} to {max(ratios):.3f})"
        )
    return found


def parser():
    parser = commandline.Parser(prog="python benchmarks/stored_targets.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--config", required=True, help="a config file, or the name of a shipped one")
    add("--targets", required=True, help="what `cache` stored for it")
    add("--rounds", type=commandline.positive, default=15, help="steps of each")
    return parser


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
