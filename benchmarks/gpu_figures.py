"""One figure of `gpu.py`: --kind=step|kernels|PyTorch|fine-tuning, printed as a line of JSON."""

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax import commandline
from distil_jax.configuration import source as config_source
from distil_jax.configuration.schema import Config
from distil_jax.kernels.place import Place, kept
from distil_jax.models import student_shape
from distil_jax.planning import chips
from distil_jax.planning.forecast import forecast
from distil_jax.planning.kernel_flops import kernel_flops
from distil_jax.planning.model_shapes import ModelShapes, model_shapes
from distil_jax.planning.step_program import StepProgram, step_program
from distil_jax.pretrained.families import make_config
from distil_jax.training import parallel
from distil_jax.training.parallel import Devices

ROUNDS = 8
REHEARSAL = ("batch.size=8", "batch.micro_size=4", "loss.chunk=64", "batch.length=32")
BITS = (4, 12, 512, 512)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--rehearse", action="store_true")
    flags = parser.parse_args(arguments)
    if flags.rehearse:
        jax.config.update("jax_disable_most_optimizations", True)
    device = jax.devices()[0]
    found = KINDS[flags.kind](flags.key, flags.rehearse)
    print(json.dumps({**found, "device": device.device_kind, "jax": jax.__version__}))


def step(keys: list[str], rehearse: bool) -> dict[str, Any]:
    """Tokens/s of a step on random tokens, beside what its program lets expect."""
    program = program_of(keys, rehearse)
    traced = program.trace()
    lowered = traced.lower()
    start = time.perf_counter()
    compiled = lowered.compile()
    compile_seconds = time.perf_counter() - start
    rows, length = program.batch["tokens"].shape
    tokens, device = rows * length, program.devices.devices[0]
    chip = chips.of_device(device.device_kind)
    inside = kernel_flops(traced.jaxpr)
    expected = forecast(compiled.as_text(), chip, program.devices.count, kernel_flops=inside)
    stats = compiled.memory_analysis()
    state, constants, batch = values_of(program)
    seconds = []
    for _ in range(2 if rehearse else ROUNDS):
        start = time.perf_counter()
        state, metrics = compiled(state, constants, batch)
        jax.block_until_ready(metrics)
        seconds.append(time.perf_counter() - start)
    rate = tokens / statistics.median(seconds[1:])
    found = {"tokens_per_second": rate, "compile_seconds": compile_seconds}
    if expected is not None:
        found |= expected.as_dict(tokens)
        if chip is not None:
            flops = expected.flops * program.devices.count
            found["utilisation"] = rate / tokens * flops / (chip.flops * program.devices.count)
    planned = stats.argument_size_in_bytes + stats.temp_size_in_bytes
    memory = device.memory_stats() or {}
    return found | {
        "micro_rows": program.micro_rows,
        "loss": float(metrics["loss"]),
        "planned_bytes": planned,
        "peak_bytes": memory.get("peak_bytes_in_use", 0),
    }


def kernels(keys: list[str], rehearse: bool) -> dict[str, Any]:
    """Dropout's bits on the device beside the CPU's, and a step by attention's kernel and without.

    A rehearsal, on a CPU, has no kernel: the step is left out.
    """
    place = Place.of(jnp.arange(BITS[0], dtype=jnp.uint32), 7, 11)
    draw = jax.jit(lambda place: kept(place.words(BITS), 0.1))
    here = np.asarray(draw(place))
    cpu = jax.local_devices(backend="cpu")[0]
    on_cpu = np.asarray(draw(jax.device_put(place, cpu)))
    found = {
        "dropout_bits_differ": int((here != on_cpu).sum()),
        "dropout_rate": float(1 - here.mean()),
    }
    if rehearse:
        return found
    seen = []
    for name in ("plain", "kernel"):
        program = program_of([f"parallel.attention={name}", "batch.size=64"], rehearse)
        _, metrics = program.lower().compile()(*values_of(program))
        seen.append({key: float(value) for key, value in metrics.items() if np.ndim(value) == 0})
    plain, kernel = seen
    differences = {key: abs(kernel[key] / plain[key] - 1) for key in plain if plain[key]}
    return found | {
        "largest_relative_difference": max(differences.values()),
        "differences": differences,
    }


def pytorch(keys: list[str], rehearse: bool) -> dict[str, Any]:
    """The same recipe in PyTorch; a failure where torch, or its GPU, is not there."""
    from gpu_torch import measure

    return measure(rehearse)


def fine_tuning(keys: list[str], rehearse: bool) -> dict[str, Any]:
    """Sequences/s of the built-in teacher's fine-tuning on made-up sentences."""
    from distil_jax.evaluation import fine_tuning_plan
    from distil_jax.evaluation.fine_tuner import batches, fine_tuner
    from distil_jax.evaluation.initial import initial_params
    from distil_jax.evaluation.settings import Settings
    from distil_jax.training.progress import Display
    from distil_jax.training.stopping import Sigterm

    steps = 3 if rehearse else 60
    with tempfile.TemporaryDirectory() as folder:
        made_up(Path(folder), 200 if rehearse else 4000)
        settings = Settings(
            model="builtin:teacher", task="sst2", data=folder, output=Path("unused"), batch=32
        )
        plan = fine_tuning_plan.make(settings)
        tuner = fine_tuner(plan, None, Display(), Sigterm())
        state = tuner.start(jax.tree.map(np.asarray, initial_params(plan, 0)))
        state = plan.devices.replicate(state)
        constants, done, start = tuner.constants(0, 5e-5), 0, 0.0
        for done, arrays in enumerate(batches(tuner, 0, 0, [0, 0])):
            state, values = tuner.step(state, constants, plan.devices.split(arrays))
            if done in (0, steps):
                jax.block_until_ready(values)
            if done == 0:
                start = time.perf_counter()
            if done == steps:
                break
        seconds = time.perf_counter() - start
        per_batch = len(plan.data.training.encoded) / plan.batch_plan(0).batches
    return {"sequences_per_second": done * per_batch / seconds, "steps": done}


def made_up(folder: Path, sentences: int) -> None:
    """Sentences of 8 to 40 words, as SST-2's files have them."""
    random = np.random.default_rng(0)
    words = ("the", "of", "river", "city", "was", "good", "bad", "film", "story", "long")
    for name, count in (("train", sentences), ("dev", 32)):
        lines = [
            f"{' '.join(random.choice(words, random.integers(8, 40)))}\t{random.integers(2)}"
            for _ in range(count)
        ]
        (folder / f"{name}.tsv").write_text("\n".join(["sentence\tlabel", *lines]) + "\n")


def program_of(keys: list[str], rehearse: bool) -> StepProgram:
    """gpu_h100's step, with 512 rows and plain attention unless the keys say otherwise.

    A tiny one in a rehearsal.
    """
    given = ["batch.size=512", "parallel.devices=1", "parallel.attention=plain", *keys]
    given += REHEARSAL if rehearse else ()
    config = config_source.read("gpu_h100", [f"--config.{key}" for key in given])
    models = _tiny(config) if rehearse else model_shapes(config)
    devices = parallel.devices(config.parallel)
    return step_program(config, models, devices, length=config.batch.length, total_steps=1000)


def values_of(program: StepProgram) -> tuple[Any, Any, Any]:
    """Small random parameters, an optimizer at its start, and full rows of random tokens."""
    numbers = iter(range(10_000))

    def drawn(leaf: Any) -> jax.Array:
        key = jax.random.key(next(numbers))
        return (0.02 * jax.random.normal(key, leaf.shape)).astype(leaf.dtype)

    def zero(leaf: Any) -> jax.Array:
        return jnp.zeros(leaf.shape, leaf.dtype)

    devices: Devices = program.devices
    state = jax.tree.map(zero, program.state)
    state = dataclasses.replace(state, params=jax.tree.map(drawn, program.state.params))
    random = np.random.default_rng(0)
    rows, length = program.batch["tokens"].shape
    vocabulary = program.spec.student.config.vocabulary
    batch = {
        "tokens": random.integers(5, vocabulary, (rows, length)).astype(np.int32),
        "segments": np.ones((rows, length), np.int32),
        "epoch": np.zeros(rows, np.int32),
        "row": np.arange(rows, dtype=np.int32),
    }
    constants = jax.tree.map(drawn, program.constants)
    return devices.replicate(state), devices.replicate(constants), devices.split(batch)


def _tiny(config: Config) -> ModelShapes:
    teacher = make_config(
        "bert", 1009, hidden_size=64, layers=2, heads=2, mlp_size=128, positions=64
    )
    return ModelShapes(teacher, student_shape(teacher, 1))


KINDS: dict[str, Callable[[list[str], bool], dict[str, Any]]] = {
    "step": step,
    "kernels": kernels,
    "PyTorch": pytorch,
    "fine-tuning": fine_tuning,
}

if __name__ == "__main__":
    # With arguments given it leaves PyTorch importable.
    commandline.run(main, sys.argv[1:])
