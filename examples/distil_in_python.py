"""Distil in ten lines of Python: no subprocess, a callback for every logged line.

python examples/distil_in_python.py runs/python [KEY=VALUE ...]
"""

import sys
from collections.abc import Mapping
from typing import Any

import distil_jax


def show(line: Mapping[str, Any]) -> None:
    """What a notebook or a tracker would do with a line of metrics.jsonl."""
    print(f"step {line['step']}: loss {line['loss']:.3f}")


def main(workdir: str, *changes: str) -> None:
    """Distil the embedded teacher on the documentation of the installed packages."""
    overrides = {"total_steps": "20", **dict(change.split("=", 1) for change in changes)}
    done = distil_jax.distil("quickstart", workdir, overrides, on_log=show)
    print(f"{done.student}: held-out loss {done.metrics[-1]['validation_masked_lm']:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
