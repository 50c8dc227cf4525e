"""Measured programs are kept on disk: a compilation takes half a minute, its figures a kilobyte."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from distil_jax.configuration.schema import Config, as_dict
from distil_jax.planning.hlo_counts import Collective
from distil_jax.planning.measure import Measured, Memory
from distil_jax.planning.model_shapes import ModelShapes
from distil_jax.storage import atomic
from distil_jax.storage.cache import kept_folder

SOURCES = (
    "kernels",
    "losses",
    "models",
    "objectives",
    "training",
    "data/masking.py",
    *(
        f"planning/{name}.py"
        for name in (
            *("chips", "compiler", "flops", "gpu_compiler", "hlo", "hlo_counts"),
            *(
                "kernel_flops",
                "measure",
                "run_plan",
                "source_frames",
                "step_program",
                "topologies",
                "tpu_compiler",
            ),
            *("traffic", "traffic_kinds"),
        )
    ),
)
"""The code that makes a step's program and reads it, or counts what it would do."""

WITHOUT_EFFECT = ("data", "checkpoint", "eval", "log", "teacher", "tokenizer")
"""Sections of a config that the step's program does not depend on."""


COMPILERS = ("jax", "jaxlib", "libtpu", "jax-cuda12-pjrt", "jax-cuda13-pjrt", "flax", "optax")
"""The packages whose versions decide what is compiled."""


def key_of(
    config: Config, models: ModelShapes, topology: str, length: int, *, compiled: bool = True
) -> str:
    """What decides a program: config, shapes, chips, this package's code, jax and the compiler."""
    values = as_dict(config)
    program_config = {name: value for name, value in values.items() if name not in WITHOUT_EFFECT}
    parts = {
        "config": program_config,
        "pair": dataclasses.asdict(models),
        "topology": topology,
        "length": length,
        # A row has as many vectors as shortest texts.
        "shortest": config.data.shortest_tokens if config.loss.of_vectors else 0,
        "code": _code_digest(),
        "compiled": compiled,
        "versions": [_version(name) for name in COMPILERS],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def cached(key: str, measure: Callable[[], Measured]) -> Measured:
    """The figures kept under `key`, or those of `measure()`, which are then kept.

    They are kept where `storage.cache` says. A damaged or unwritable file is only a lost minute.
    """
    folder = kept_folder("plans")
    if folder is None:
        return measure()
    path = folder / f"{key}.json"
    measured = _read(path)
    if measured is None:
        measured = measure()
        _write(path, measured)
    return measured


def _read(path: Path) -> Measured | None:
    try:
        return measured_from(json.loads(path.read_text("utf8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def measured_from(values: Mapping[str, Any]) -> Measured:
    """The inverse of `dataclasses.asdict`."""
    memory = Memory(**values["memory"])
    collectives = tuple(Collective(**values_of) for values_of in values["collectives"])
    return Measured(**{**values, "memory": memory, "collectives": collectives})


def _write(path: Path, measured: Measured) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.put(path, (json.dumps(dataclasses.asdict(measured)) + "\n").encode())


def _code_digest() -> str:
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for source in SOURCES:
        path = package / source
        for file in [path] if path.is_file() else sorted(path.glob("*.py")):
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
