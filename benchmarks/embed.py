"""Sentences per second of `embed` beside sentence-transformers, and of a static student.

    python benchmarks/embed.py MODEL_FOLDER TEXTS [--static=FOLDER] [--sentences=512] [--rounds=5]

TEXTS is a table, as `embed` reads them, --static a folder that `distil_jax.static` wrote. The sides
alternate, with the same texts, in float32, on the processors this process may use;
sentence-transformers in batches of 32, as it does of itself. Compiling and a first round are left
out. Prints medians by the clock and of processor time, which other programs disturb less, their
ratios, and the largest difference of the two sides' vectors.
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from distil_jax.embedding.opening import open_embedder
from distil_jax.tasks import files

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--static", default="")
    parser.add_argument("--sentences", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    records = itertools.islice(files.records(flags.texts), flags.sentences)
    texts = [record[flags.column] for record in records]
    sides = {"distil_jax": open_embedder(flags.model), "sentence-transformers": theirs(flags.model)}
    if flags.static:
        sides["static"] = open_embedder(flags.static)
    seconds = measure(sides, texts, flags.rounds)
    for name, found in seconds.items():
        wall, processor = (len(texts) / statistics.median(each) for each in found)
        print(f"{name}: {wall:,.1f} sentences/s, {processor:,.1f} a second of processor time")
    for name in list(sides)[1:]:
        pair = ("static", "distil_jax") if name == "static" else ("distil_jax", name)
        ratios = [
            statistics.median(seconds[pair[1]][which]) / statistics.median(seconds[pair[0]][which])
            for which in (0, 1)
        ]
        print(f"{pair[0]} over {pair[1]}: {ratios[0]:.2f}, of processor time {ratios[1]:.2f}")
    one, other = (np.asarray(sides[name](texts[:64])) for name in list(sides)[:2])
    print(f"largest difference of the vectors: {np.abs(one - other).max():.1e}")
    print(f"{len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f}")


def theirs(model: str) -> Callable[[list[str]], np.ndarray]:
    """sentence-transformers' vectors."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model, device="cpu")
    return lambda texts: loaded.encode(texts, batch_size=BATCH, show_progress_bar=False)


def measure(
    sides: dict[str, Callable], texts: list[str], rounds: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of each side's rounds, by the clock and of processor time."""
    seconds: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            wall, processor = time.perf_counter(), time.process_time()
            side(texts)
            if number:
                seconds[name][0].append(time.perf_counter() - wall)
                seconds[name][1].append(time.process_time() - processor)
    return seconds


if __name__ == "__main__":
    main()
