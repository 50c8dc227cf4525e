"""The tensors of a folder's safetensors files, read one by one from a memory map."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy  # noqa: F401  (makes NumPy know bfloat16)
import numpy as np
from safetensors import SafetensorError, safe_open

from distil_jax.errors import UserError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
EXPORTED = "model.onnx"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack")


@dataclass(frozen=True)
class Tensors:
    """Open safetensors files: which names there are, and in which file."""

    folder: Path
    files: Mapping[str, Path]
    handles: Mapping[Path, Any]

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, read from the file's header."""
        return tuple(self.handles[self.files[name]].get_slice(name).get_shape())

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """A tensor as float32; raises `UserError` for another shape, a non-float or NaN."""
        file = self.files[name]
        if self.shape(name) != shape:
            raise UserError(
                f"{file}: tensor {name} has shape {list(self.shape(name))}, but config.json "
                f"asks for {list(shape)}; the two files belong to different models"
            )
        try:
            tensor = self.handles[file].get_tensor(name)
        except (SafetensorError, OSError, TypeError, ValueError) as error:
            raise UserError(f"{file}: tensor {name} cannot be read ({error})") from error
        if not np.issubdtype(tensor.dtype, np.floating) and tensor.dtype.name != "bfloat16":
            raise UserError(f"{file}: tensor {name} is {tensor.dtype}; a float tensor is needed")
        tensor = tensor.astype(np.float32, copy=False)
        # A sum is the cheapest scan for NaN; finite values whose sum overflows get a second look.
        if not np.isfinite(tensor.sum()) and not np.isfinite(tensor).all():
            raise UserError(f"{file}: tensor {name} holds NaN or infinity; the weights are damaged")
        return tensor


def open_tensors(folder: Path) -> Tensors:
    """Open model.safetensors, or the files its index names; raises `UserError` naming the file."""
    if (folder / SINGLE).is_file():
        paths, listed = [folder / SINGLE], None
    elif (folder / INDEX).is_file():
        listed = _read_index(folder / INDEX)
        paths = [folder / name for name in sorted(set(listed.values()))]
    else:
        raise UserError(_missing(folder))
    handles = {path: _open(path) for path in paths}
    files = {name: path for path, handle in handles.items() for name in list(handle.keys())}
    for name, file in (listed or {}).items():
        if name not in files:
            raise UserError(f"{folder / file} lacks tensor {name}, which {INDEX} places there")
    return Tensors(folder, files, handles)


def _open(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"{path} does not exist; copy the model folder again, with all its files")
    try:
        return safe_open(path, framework="np")
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is truncated or not a safetensors file ({error}); copy it again"
        ) from error


def _read_index(path: Path) -> dict[str, str]:
    try:
        names = json.loads(path.read_text("utf-8"))["weight_map"]
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
    if not pickled:
        return f"{folder} has no {SINGLE}; give a folder with the model's weights"
    return (
        f"{folder} has only {pickled[0]}, which is not read for safety; convert it once with "
        "transformers: AutoModelForMaskedLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
    )
