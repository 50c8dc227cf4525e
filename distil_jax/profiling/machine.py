"""What is on this machine: packages, devices, tools, caches, and the memory that a run needs."""

import os
import platform
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import jax
from packaging.requirements import Requirement

from distil_jax import __version__
from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError, to_install
from distil_jax.exporting import processor
from distil_jax.planning.chips import Chip
from distil_jax.planning.model_shapes import model_shapes
from distil_jax.planning.run_plan import estimate, workload_of
from distil_jax.planning.topologies import Topology
from distil_jax.storage.cache import kept_folder
from distil_jax.training.precision import settled

NAMED = ("jax", "flax", "optax", "orbax-checkpoint", "transformers", "tokenizers", "datasets")
EXTRAS: Mapping[str, str] = {
    "tpu": "runs on TPUs, and plans of them",
    "cuda": "runs on NVIDIA GPUs",
    "gpu-plan": "plans of GPUs",
    "edge": "ONNX and StableHLO",
    "gcs": "gs:// buckets",
    "ray": "prepare on a cluster",
}
PLUGINS: Mapping[str, list[str]] = {
    "tpu": ["libtpu"],
    "cuda": ["jax-cuda12-plugin", "nvidia-cudnn-cu12"],
    "gpu-plan": ["jax-cuda12-pjrt", "nvidia-cuda-nvcc-cu12"],
}
"""Packages that jax's own extras bring."""
TOOLS: Mapping[str, str] = {
    "npm": "the demo's page",
    "gcloud": "launch/tpu_pod.sh",
    "kubectl": "launch/gke.sh",
    "sbatch": "launch/slurm.sh",
}
NOT_INSTALLED = "distil_jax runs from its sources and is not installed"
SECONDS = 4
GB = 1e9
PAGE = os.sysconf("SC_PAGE_SIZE")


def look(config: Config, name: str, *, online: bool) -> Iterator[tuple[str, list[str]]]:
    """A title and its lines for each thing, in the order of a first run; `name` is the config's."""
    yield "installed", [*_packages(), *_extras()]
    yield "devices", _devices()
    yield "tools", [f"{tool}: {_found(shutil.which(tool))} ({use})" for tool, use in TOOLS.items()]
    yield "caches", _caches()
    if online:
        yield (
            "reachable",
            [_hub(), _answer("storage.googleapis.com", "https://storage.googleapis.com")],
        )
    yield f"memory of --config={name}, one device", _memory(config)


def _found(path: str | None) -> str:
    return path or "not found"


def _packages() -> list[str]:
    lines = [f"distil_jax {__version__}, Python {platform.python_version()}"]
    needed = _requirements()
    if needed is None:
        lines.append(f"{NOT_INSTALLED}; in its checkout type: pip install -e .")
    for requirement in needed or ():
        if requirement.marker is not None:
            continue
        version = _version(requirement.name)
        if version is None:
            lines.append(f"{requirement.name}: missing; install distil_jax again")
        elif not requirement.specifier.contains(version, prereleases=True):
            lines.append(f"{requirement.name} {version}: {requirement.specifier} is needed")
        elif requirement.name in NAMED:
            lines.append(f"{requirement.name} {version}")
    return lines


def _requirements() -> list[Requirement] | None:
    """What the package needs, by its metadata; None where it runs from sources alone."""
    try:
        return [Requirement(text) for text in metadata.requires("distil_jax") or ()]
    except metadata.PackageNotFoundError:
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> list[str]:
    return [f"extra {extra} ({use}): {_extra(extra)}" for extra, use in EXTRAS.items()]


def _extra(extra: str) -> str:
    needed = _requirements()
    if needed is None:
        return f"not known: {NOT_INSTALLED}"
    of_extra = [
        requirement
        for requirement in needed
        if requirement.marker is not None and requirement.marker.evaluate({"extra": extra})
    ]
    names = PLUGINS.get(extra) or [requirement.name for requirement in of_extra]
    missing = [name for name in names if _version(name) is None]
    return f"{', '.join(missing)} missing; {to_install(extra)}" if missing else "installed"


def _devices() -> list[str]:
    devices = jax.devices()
    kinds = sorted({device.device_kind for device in devices})
    lines = [f"JAX: {len(devices)} x {', '.join(kinds)} ({jax.default_backend()})"]
    lines.append(f"processor: {processor.name()}")
    lines.append(f"memory: {_available() / GB:.1f} GB free")
    return lines


def _available() -> float:
    """Bytes that a run may take: of the first device, or of this machine on a CPU."""
    device = jax.devices()[0]
    limit = (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None
    return float(limit or _available_on_linux() or os.sysconf("SC_PHYS_PAGES") * PAGE)


def _available_on_linux() -> float:
    """What programs can still take, caches that would give way included; 0 elsewhere."""
    file = Path("/proc/meminfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    return sum(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def _caches() -> list[str]:
    folder = kept_folder("")
    if folder is None:
        return ["nothing is kept ($DISTIL_JAX_CACHE is empty)"]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    return [f"{folder}: {size / GB:.2f} GB kept, {free / GB:.0f} GB free"]


def _hub() -> str:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "model hub: not asked, $HF_HUB_OFFLINE is set"
    return _answer("model hub", constants.ENDPOINT)


def _answer(name: str, url: str) -> str:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS).close()
    except urllib.error.HTTPError:
        return f"{name}: answers"
    except OSError as error:
        reason = getattr(error, "reason", error)
        return f"{name}: does not answer ({reason}); folders and builtin: names work without it"
    return f"{name}: answers"


def _memory(config: Config) -> list[str]:
    available, config = _available(), settled(config)
    chip = Chip("this machine", 1.0, available, 1.0, 1.0, 1, 1.0, "")
    topology = Topology(chip, (jax.device_count(),))
    try:
        found = estimate(config, model_shapes(config), topology, workload_of(config, None))
    except UserError as error:
        return [f"cannot be worked out: {error}"]
    need = found.memory.total
    verdict = "fits" if need <= available else "does not fit; lower config.batch.micro_size"
    return [
        f"{need / GB:.2f} GB for the arrays of a step, of {available / GB:.1f} GB: {verdict}",
        "Python, XLA and the rows take about 1.5 GB of this machine's memory besides",
    ]
