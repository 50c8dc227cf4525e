"""`prepare` beside the bare tokenizers library on the same text, alternating in one run.

    python benchmarks/prepare.py TEXT [TEXT ...] [--tokenizer=FOLDER] [--length=512] [--pairs=5]
    python benchmarks/prepare.py TEXT [TEXT ...] --megabytes=100,1000

Raw is the library alone: `encode_batch_fast` over the text's lines, held in memory, about 128 KB
a call, every result thrown away. Prepare is all of `distil_jax.prepare` but its imports and
the tokenizer's loading: reading (and decompressing), the held-out rule, the same tokenizing,
cutting, packing, writing, flushing, the manifest. Both use the library's own threads. Prints what
either does in MB of text a second, and the median of the pairs' ratios.

With --megabytes the text is repeated until it has each of these sizes, and `distil_jax.prepare` run
on it as a process of its own: prints the most memory that it or one of its children held.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "true"  # as the command sets it

from tokenizers import Tokenizer

from distil_jax import tokenizer
from distil_jax.data import corpus, sequences
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.data.text import read_blocks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="+")
    parser.add_argument("--tokenizer", default="builtin:teacher")
    parser.add_argument("--document", default="block", choices=corpus.DOCUMENT_KINDS)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--megabytes")
    flags = parser.parse_args()
    if flags.megabytes:
        for size in map(int, flags.megabytes.split(",")):
            print_memory(flags, size)
        return
    print_rates(flags)


def print_rates(flags: argparse.Namespace) -> None:
    opened = tokenizer.load(flags.tokenizer)
    backend = sequences.bare_backend(opened)
    documents = list(corpus.documents(corpus.find(flags.text, document=flags.document)))
    megabytes = sum(len(document.encode()) for document in documents) / 1e6
    batches = [pieces for pieces, _ in sequences.batches(documents)]
    del documents

    def prepared() -> None:
        with tempfile.TemporaryDirectory() as folder:
            prepare(
                flags.text,
                Path(folder) / "rows",
                opened,
                PrepareSettings(document=flags.document, length=flags.length),
            )

    raw(backend, batches[:8])
    pairs = []
    for _ in range(flags.pairs):
        alone, whole = timed(lambda: raw(backend, batches)), timed(prepared)
        pairs.append((alone, whole))
        print(f"raw {throughput(alone, megabytes)}; prepare {throughput(whole, megabytes)}")
    wall, processor = (
        statistics.median(alone[kind] / whole[kind] for alone, whole in pairs) for kind in (0, 1)
    )
    print(
        f"{megabytes:.1f} MB, rows of {flags.length}: prepare reaches {wall:.0%} of raw's rate by "
        f"the clock, {processor:.0%} by processor time"
    )


def print_memory(flags: argparse.Namespace, megabytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        blocks = (
            block for name in itertools.cycle(flags.text) for block in read_blocks(Path(name))
        )
        with text.open("wb") as file:
            while file.tell() < megabytes * 1e6:
                file.write(next(blocks))
        given = {"input": text, "output": f"{folder}/rows", "length": flags.length}
        given |= {"tokenizer": flags.tokenizer, "document": flags.document}
        command = [sys.executable, "-m", "distil_jax.prepare"]
        command += [f"--{name}={value}" for name, value in given.items()]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"prepare ended with status {status}")
        seconds = time.perf_counter() - began
        most = usage.ru_maxrss * 1024 / 1e9
        print(f"{megabytes} MB of text: {most:.2f} GB at most, {seconds:.0f} s")


def raw(backend: Tokenizer, batches: list[list[str]]) -> None:
    for pieces in batches:
        backend.encode_batch_fast(pieces, add_special_tokens=False)


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of all processors together."""
    began, worked = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - began, time.process_time() - worked


def throughput(seconds: tuple[float, float], megabytes: float) -> str:
    return f"{megabytes / seconds[0]:.2f} MB/s ({seconds[1]:.1f} processor seconds)"


if __name__ == "__main__":
    main()
