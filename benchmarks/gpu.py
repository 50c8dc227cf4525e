"""Everything worth measuring in a few minutes of a GPU, most important first.

    python benchmarks/gpu.py --minutes=8 --output=FOLDER
    python benchmarks/gpu.py --rehearse --output=FOLDER     # the same in tiny, on a CPU

Figures: `gpu_h100`'s step with 512 rows of 512 tokens (rate, utilisation, most memory, beside what
its compiled program lets expect); attention's kernel and dropout's bits beside the plain ones; the
same recipe in PyTorch (bfloat16, SDPA, torch.compile), where torch is; the step with each change by
itself; MiniLM; fine-tuning. Each is a process of its own, so that its peak of memory is its own and
what fails, or is cut off, loses nothing else: FOLDER/figures.json is written after each one, and
keeps what an earlier call measured.
`pip install torch` beside the extra cuda brings the comparison with PyTorch.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distil_jax import commandline
from distil_jax.storage.atomic import write_text

HERE = Path(__file__).parent
FIGURES = "figures.json"
NO_DROPOUT = ("student.dropout=0", "student.attention_dropout=0")
KERNEL = "parallel.attention=kernel"
STEPS: Mapping[str, tuple[str, ...]] = {
    "step": (),
    "step, attention's kernel": (KERNEL,),
    "step, layers unrolled": ("parallel.scan_layers=off",),
    "step, kernel and unrolled": (KERNEL, "parallel.scan_layers=off"),
    "step, micro-batches of 128 rows": ("batch.micro_size=128",),
    "step, no dropout": NO_DROPOUT,
    "step, chunks of 8192 tokens": ("loss.chunk=8192",),
    "MiniLM": ("teacher=all-minilm-l6-v2", "batch.length=128", "loss.chunk=8192"),
}
"""Training steps and their keys beside gpu_h100's with plain attention."""

ORDER = (
    "step",
    "kernels",
    "PyTorch",
    "step, attention's kernel",
    "step, kernel and unrolled",
    "step, layers unrolled",
    "MiniLM",
    "step, no dropout",
    "step, micro-batches of 128 rows",
    "step, chunks of 8192 tokens",
    "fine-tuning",
)


def main(arguments: list[str]) -> None:
    """Measure in order until the time is over, and print a line for each figure."""
    flags = parser().parse_args(arguments)
    flags.output.mkdir(parents=True, exist_ok=True)
    file = flags.output / FIGURES
    figures: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    end = time.monotonic() + 60 * flags.minutes
    for name in flags.only or ORDER:
        found = figure(name, flags.rehearse, end - time.monotonic())
        if "skipped" not in found or name not in figures:
            figures[name] = found
        write_text(file, json.dumps(figures, indent=2) + "\n")
        print(line(name, found), flush=True)


def figure(name: str, rehearse: bool, seconds: float) -> dict[str, Any]:
    """One figure, or why it is skipped."""
    if rehearse and KERNEL in STEPS.get(name, ()):
        return {"skipped": "a CPU has no kernel"}
    return measured(name, rehearse, seconds) if seconds > 0 else {"skipped": "no time"}


def measured(name: str, rehearse: bool, seconds: float) -> dict[str, Any]:
    """One figure, from a process of its own; what went wrong, where it did."""
    kind, keys = ("step", STEPS[name]) if name in STEPS else (name, ())
    command = [sys.executable, str(HERE / "gpu_figures.py"), f"--kind={kind}"]
    command += [f"--key={key}" for key in keys] + ["--rehearse"] * rehearse
    began = time.monotonic()
    environment = os.environ | ({"JAX_PLATFORMS": "cpu"} if rehearse else {})
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return {"skipped": f"cut off after {seconds:.0f} s"}
    took = {"took_seconds": time.monotonic() - began}
    if done.returncode:
        last = [text for text in done.stderr.splitlines() if text.strip()][-3:]
        return {"failed": " / ".join(last) or f"status {done.returncode}", **took}
    return json.loads(done.stdout.splitlines()[-1]) | took


def line(name: str, figures: Mapping[str, Any]) -> str:
    """One figure in a line."""
    shown = [f"{key} {_value(value)}" for key, value in figures.items() if _is_short(value)]
    return f"{name}: " + ", ".join(shown)


def _is_short(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="benchmarks/gpu.py", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=commandline.positive_number, default=8, help="in all")
    add("--output", type=commandline.folder, required=True, help=f"gets {FIGURES}")
    add("--rehearse", action="store_true", help="tiny models on a CPU: does it run at all?")
    add("--only", action="append", choices=ORDER, help="this figure alone; repeatable")
    return parser


if __name__ == "__main__":
    commandline.run(main)
