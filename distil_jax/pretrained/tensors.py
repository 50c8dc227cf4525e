"""The tensors of a folder's safetensors files, read one by one from a memory map."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (makes NumPy know bfloat16)
import numpy as np
from safetensors import SafetensorError, safe_open

from distil_jax.errors import UserError
from distil_jax.notes import note
from distil_jax.storage import lfs

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
ADAPTER = "adapter_model.safetensors"
EXPORTED = "model.onnx"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack")
OF_TRANSFORMERS_4 = {"tf_model.h5": "tensorflow", "flax_model.msgpack": "flax"}
"""What transformers 5 does not read any more, and the package with which 4 does."""
ADAPTERS = (ADAPTER, "adapter_model.bin")
OF_WEIGHTS = frozenset(
    [
        *(".bin", ".ckpt", ".data-00000-of-00001", ".gguf", ".ggml", ".gz", ".h5", ".index"),
        *(".mlmodel", ".msgpack", ".npz", ".onnx", ".ot", ".pb", ".pdparams", ".pkl", ".pt"),
        *(".pth", ".safetensors", ".tflite", ".tar", ".zip"),
    ]
)
"""Suffixes of what other programs keep weights in."""
FLOATS = ("F64", "F32", "F16", "BF16")
"""The types of tensors that are read, by their names in safetensors files."""


@dataclass(frozen=True)
class Tensors:
    """Open safetensors files: which names there are, and in which file.

    `stored` has the names in the files that differ from those here.
    """

    folder: Path
    files: Mapping[str, Path]
    handles: Mapping[Path, Any]
    stored: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, read from the file's header."""
        stored = self.stored.get(name, name)
        return tuple(self.handles[self.files[name]].get_slice(stored).get_shape())

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """A tensor as float32; raises `UserError` for another type or shape, or for NaN."""
        file = self.files[name]
        self._check_type(name, file)
        if self.shape(name) != shape:
            raise UserError(
                f"{file}: tensor {name} has shape {list(self.shape(name))}, but config.json "
                f"asks for {list(shape)}; the two files belong to different models"
            )
        try:
            tensor = self.handles[file].get_tensor(self.stored.get(name, name))
        except (SafetensorError, OSError, TypeError, ValueError) as error:
            raise UserError(f"{file}: tensor {name} cannot be read ({error})") from error
        tensor = tensor.astype(np.float32, copy=False)
        # A sum is the cheapest scan for NaN; finite values whose sum overflows get a second look.
        if not np.isfinite(tensor.sum()) and not np.isfinite(tensor).all():
            raise UserError(f"{file}: tensor {name} holds NaN or infinity; the weights are damaged")
        return tensor

    def _check_type(self, name: str, file: Path) -> None:
        kind = self.handles[file].get_slice(self.stored.get(name, name)).get_dtype()
        if kind not in FLOATS:
            raise UserError(
                f"{file}: tensor {name} is stored as {kind}, but weights are read as "
                f"{', '.join(FLOATS)}; use the model as it was before it was quantized"
            )


def open_tensors(folder: Path) -> Tensors:
    """Open model.safetensors, or the files its index names; raises `UserError` naming the file.

    The index decides which file a tensor is read from. Files numbered as an index's are read
    without one, if they are complete and name no tensor twice.
    """
    if (folder / SINGLE).is_file():
        return _single(folder)
    if (folder / INDEX).is_file():
        return _indexed(folder)
    paths = sorted(
        path for path in folder.glob("model-*.safetensors") if SHARD.fullmatch(path.name)
    )
    if not paths:
        raise UserError(_missing(folder))
    return _numbered(folder, paths)


def _single(folder: Path) -> Tensors:
    if (folder / INDEX).is_file():
        note(f"{folder}: {SINGLE} is read, not the files that {INDEX} names")
    path = folder / SINGLE
    handle = _open(path)
    return Tensors(folder, dict.fromkeys(handle.keys(), path), {path: handle})


def _indexed(folder: Path) -> Tensors:
    """The tensors that the index names, each from the file that it says."""
    listed = {name: folder / file for name, file in _read_index(folder / INDEX).items()}
    handles = {path: _open(path) for path in sorted(set(listed.values()))}
    held = {path: set(handle.keys()) for path, handle in handles.items()}
    for name, path in listed.items():
        if name not in held[path]:
            raise UserError(f"{path} lacks tensor {name}, which {INDEX} places there")
    others = sorted((name, path.name) for path in held for name in held[path] - {*listed})
    copies = sorted(
        (name, path.name) for path in held for name in held[path] if listed.get(name, path) != path
    )
    for found, what in ((others, f"not named by {INDEX}"), (copies, f"elsewhere by {INDEX}")):
        if found:
            count = f"{len(found):,} tensor{'s' if len(found) > 1 else ''}"
            note(f"{folder}: {count} {what}, as {found[0][0]} in {found[0][1]}: not read")
    return Tensors(folder, listed, handles)


def _numbered(folder: Path, paths: list[Path]) -> Tensors:
    """The tensors of numbered files without an index."""
    counts = {int(path.stem.rpartition("-of-")[2]) for path in paths}
    if counts != {len(paths)}:
        raise UserError(
            f"{folder} has {len(paths)} of the {max(counts)} files of its weights, as "
            f"{paths[0].name}, and no {INDEX}; copy the model folder again, with all its files"
        )
    handles = {path: _open(path) for path in paths}
    files: dict[str, Path] = {}
    for path, handle in handles.items():
        for name in handle.keys():  # noqa: SIM118  (a handle is no mapping)
            if name in files:
                raise UserError(
                    f"tensor {name} is in {files[name]} and in {path.name}, and there is no "
                    f"{INDEX} to say which counts; copy the model folder again"
                )
            files[name] = path
    return Tensors(folder, files, handles)


def _open(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"{path} does not exist; copy the model folder again, with all its files")
    if pointer := lfs.advice(path):
        raise UserError(f"{path} is {pointer}")
    try:
        return safe_open(path, framework="np")
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is truncated or not a safetensors file ({error}); copy it again"
        ) from error


def _read_index(path: Path) -> dict[str, str]:
    try:
        names = json.loads(path.read_text("utf-8-sig"))["weight_map"]
        plain = all(Path(file).name == file for file in names.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as an index ({error}); copy it again") from error
    if not plain or not names:
        raise UserError(f"{path} names no files, or files outside its folder; copy it again")
    return names


def _missing(folder: Path) -> str:
    pickled = [name for name in PICKLES if (folder / name).is_file()]
    if not pickled and (folder / EXPORTED).is_file():
        return f"{folder} is an ONNX export; give the model folder that it was made from"
    if adapter := next((name for name in ADAPTERS if (folder / name).is_file()), ""):
        return f"{folder} has only {adapter}, an adapter; merge it into its model and save that"
    if not pickled:
        every = [path for depth in ("*", "*/*") for path in sorted(folder.glob(depth))]
        others = [str(p.relative_to(folder)) for p in every if p.suffix.lower() in OF_WEIGHTS]
        found = f" but {others[0]}, which is not read" if others else ""
        return (
            f"{folder} has no {SINGLE}{found}; give a folder with the model's weights, as "
            "save_pretrained of transformers writes it"
        )
    return (
        f"{folder} has only {pickled[0]}, which is not read for safety; convert it there once"
        f"{_conversion(folder, pickled[0])}"
    )


def _conversion(folder: Path, file: str) -> str:
    """Tensor by tensor, which loses none; where that needs more, by config.json's class."""
    if file == PICKLES[0]:
        return (
            ': python -c "import torch, safetensors.torch; tensors = '
            f"torch.load('{folder / file}', map_location='cpu', weights_only=True); "
            "safetensors.torch.save_file({name: tensor.contiguous().clone() for name, tensor in "
            f"tensors.items()}}, '{folder / SINGLE}', {{'format': 'pt'}})\""
        )
    config = folder / "config.json"
    content = json.loads(config.read_text("utf-8-sig")) if config.is_file() else {}
    named = (content.get("architectures") or ["AutoModelForMaskedLM"])[0]
    package = OF_TRANSFORMERS_4.get(file, "")
    where = f", where pip install 'transformers<5' {package} was typed" if package else ""
    source = f", from_{file.partition('_')[0]}=True" if package else ""
    return (
        f'{where}: python -c "import transformers; transformers.{named}.from_pretrained('
        f"'{folder}'{source}).save_pretrained('{folder}')\""
    )
