"""How speed and memory grow with length, batch, accumulation, devices, vocabulary and corpus.

    python benchmarks/growth.py [length] [batch] [accumulation] [devices] [vocabulary] [corpus]

Each point is a process of its own: the quickstart's models (a 3-layer student under a 6-layer
teacher, 256 wide) at random weights, a step on random tokens, the median of its steps. Temporaries
are the compiler's own count for one device; resident is the peak of the process. Devices are
simulated, and share the cores that one has alone. A corpus is one shard of 2 M tokens linked under
as many names as it takes; loading reads 50 batches of 64 rows of 512, and the process's own memory
is counted without the mapped files. Prints Markdown tables.
"""

import dataclasses
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

TOKENS, ROWS = 2 << 20, 4096  # of the corpus's one shard: rows of 512
STEPS = 5
BASE = {"rows": 32, "micro": 0, "length": 128, "vocabulary": 8192, "devices": 1}
POINTS = {
    "length": [{"length": n, "rows": 4096 // n} for n in (64, 128, 256, 512)],
    "batch": [{"rows": n} for n in (4, 8, 16, 32, 64)],
    "accumulation": [{"rows": 8 * n, "micro": 8} for n in (1, 2, 4, 8, 16)],
    "devices": [{"devices": n} for n in (1, 2, 4, 8)],
    "vocabulary": [{"vocabulary": n} for n in (8192, 30522, 119547, 250002)],
    "corpus": [{"shards": n} for n in (1, 48, 480)],
}
HEADS = {
    "length": "tokens in a row, 4,096 a step",
    "batch": "rows of 128 in a step",
    "accumulation": "micro-batches of 8 rows of 128",
    "devices": "simulated devices, 32 rows in all",
    "vocabulary": "tokens in the vocabulary",
    "corpus": "M tokens in the corpus",
}


def main() -> None:
    if sys.argv[1:2] == ["--point"]:
        point = json.loads(sys.argv[2])
        print(json.dumps(corpus_point(**point) if "folder" in point else step_point(**point)))
        return
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    print(f"{when}, {os.cpu_count()} cores, {platform.machine()}")
    for name in sys.argv[1:] or POINTS:
        table(name, corpus(POINTS[name]) if name == "corpus" else map(run_step, POINTS[name]))


def table(name, points) -> None:
    first = True
    for label, figures in points:
        if first:
            print(f"\n| {HEADS[name]} | {' | '.join(figures)} |\n|---:|{'---:|' * len(figures)}")
        first = False
        print(f"| {label:,} | {' | '.join(figures.values())} |", flush=True)


def run_step(change):
    point = BASE | change
    measured = run(point)
    label = point["rows"] // 8 if point["micro"] else next(iter(change.values()))
    return label, {
        "tokens/s": f"{measured['rate']:,.0f}",
        "temporaries, MB": f"{measured['temporaries'] / 1e6:,.0f}",
        "resident, GB": f"{measured['resident'] / 1e9:.2f}",
    }


def corpus(points):
    with tempfile.TemporaryDirectory() as folder:
        for point in points:
            corpus = Path(folder) / str(point["shards"])
            link_corpus(corpus, point["shards"])
            measured = run({"folder": str(corpus)})
            yield (
                round(point["shards"] * TOKENS / 1e6),
                {
                    "opened in, s": f"{measured['open']:.2f}",
                    "first batch after, s": f"{measured['first']:.2f}",
                    "then M tokens/s": f"{measured['rate'] / 1e6:.0f}",
                    "own memory, MB": f"{measured['resident'] / 1e6:.0f}",
                },
            )


def run(point):
    flag = f"--xla_force_host_platform_device_count={point.get('devices', 1)}"
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flag}
    command = [sys.executable, __file__, "--point", json.dumps(point)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def step_point(*, rows, micro, length, vocabulary, devices):
    """Tokens per second of a step, its temporaries, and the peak of this process."""
    import jax

    from distil_jax.configuration import source as config_source
    from distil_jax.models import initialize
    from distil_jax.models.stacking import unstack
    from distil_jax.planning.model_shapes import ModelShapes, model_shapes
    from distil_jax.planning.step_program import step_program
    from distil_jax.profiling.timing import time_steps
    from distil_jax.run.compilation import keep_compiled
    from distil_jax.training import assemble, parallel
    from distil_jax.training.precision import settled
    from distil_jax.training.step import Constants, initial_state, train_step

    keep_compiled()
    keys = {"batch.size": rows, "batch.micro_size": micro, "parallel.devices": devices}
    overrides = [f"--config.{key}={value}" for key, value in keys.items()]
    config = settled(config_source.read("quickstart", overrides))
    models = model_shapes(config)
    models = ModelShapes(
        *(dataclasses.replace(s, vocabulary=vocabulary) for s in (models.teacher, models.student))
    )
    mapped_devices = parallel.devices(config.parallel)
    program = step_program(config, models, mapped_devices, length=length, total_steps=100)
    teacher, student = (
        mapped_devices.replicate(
            unstack(assemble.cast(jax.jit(partial(initialize, shape))(jax.random.key(0)), dtype))
        )
        for shape, dtype in (
            (models.teacher, config.precision.teacher),
            (models.student, config.precision.parameters),
        )
    )
    state = mapped_devices.replicate(initial_state(program.spec.optimizer, student))
    batch = random_rows(rows, length, vocabulary)
    step = mapped_devices.map(partial(train_step, program.spec), donate=True)
    compiled = step.lower(state, Constants(teacher), mapped_devices.split(batch)).compile()
    timing = time_steps(
        compiled,
        state,
        Constants(teacher),
        itertools.repeat(batch),
        mapped_devices,
        steps=STEPS,
    )
    return {
        "rate": timing.tokens / timing.seconds,
        "temporaries": compiled.memory_analysis().temp_size_in_bytes,
        "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def random_rows(rows, length, vocabulary):
    """Full rows of random tokens, one sequence each."""
    import numpy as np

    random = np.random.default_rng(0)
    return {
        "tokens": random.integers(5, vocabulary, (rows, length)).astype(np.int32),
        "segments": np.ones((rows, length), np.int32),
        "epoch": np.zeros(rows, np.int32),
        "row": np.arange(rows, dtype=np.int32),
    }


def link_corpus(folder, count) -> None:
    """A prepared folder of `count` equal shards, and a shard held out."""
    import numpy as np

    from distil_jax import tokenizer
    from distil_jax.data import manifest, shards, validation_split
    from distil_jax.data.manifest import Manifest, SplitSummary

    opened = tokenizer.load("builtin:teacher")
    layout = shards.layout(512, len(opened), 12)
    tokens = np.random.default_rng(0).integers(5, len(opened), (ROWS, 512)).astype(np.int32)
    splits = {}
    for split, (rows, many) in {"train": (ROWS, count), "validation": (64, 1)}.items():
        (folder / split).mkdir(parents=True)
        first = folder / split / "0.arrow"
        segments = np.ones((rows, 512), np.int32)
        shard, content = shards.encode(first.name, tokens[:rows], segments, layout)
        first.write_bytes(content)
        for number in range(1, many):
            os.link(first, folder / split / f"{number}.arrow")
        named = tuple(dataclasses.replace(shard, file=f"{number}.arrow") for number in range(many))
        splits[split] = SplitSummary(
            many * rows, many * rows, many * rows * 512, many * rows, 0, 0, named
        )
    described = Manifest(
        manifest.FORMAT,
        512,
        tokenizer.fingerprint(opened),
        len(opened),
        tokenizer.special_ids(opened),
        validation_split.RULE,
        0,
        "",
        splits,
        {"inputs": []},
    )
    (folder / manifest.FILE).write_bytes(described.to_bytes())


def corpus_point(*, folder):
    """Seconds to open a corpus and to its first batch, then the loader's rate; own memory."""
    from distil_jax.data import loader
    from distil_jax.data.store import open_split

    began = time.perf_counter()
    split = open_split(folder, "train")
    opened = time.perf_counter()
    batches = loader.training_batches(split, batch=64, seed=0)
    next(batches)
    first = time.perf_counter()
    for _ in range(200):  # until every shard has been touched and checked
        next(batches)
    again = time.perf_counter()
    for _ in range(50):
        next(batches)
    rate = 50 * 64 * 512 / (time.perf_counter() - again)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    resident = int(status["RssAnon"].split()[0]) * 1024
    return {"open": opened - began, "first": first - opened, "rate": rate, "resident": resident}


if __name__ == "__main__":
    main()
