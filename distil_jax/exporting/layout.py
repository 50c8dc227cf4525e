"""Where an export's graphs lie: one at the top, or the three that transformers.js chooses from.

Source: https://huggingface.co/docs/transformers.js/guides/dtypes.
"""

import json
from pathlib import Path
from typing import Literal

from distil_jax.errors import UserError
from distil_jax.exporting.quantise import Quantisation
from distil_jax.tokenizer import resolve

Layout = Literal["flat", "transformers.js"]
LAYOUTS: tuple[Layout, ...] = ("flat", "transformers.js")
FILE = "model.onnx"
FOLDER = "onnx"
SETTINGS = "transformers.js_config"
"""The key of config.json that transformers.js reads its own settings from."""
FILES: dict[Quantisation, str] = {
    "none": FILE,
    "float16": "model_fp16.onnx",
    "int8": "model_quantized.onnx",
    "int8-static": "model_quantized.onnx",
}
DTYPES: dict[Quantisation, str] = {
    "none": "fp32",
    "float16": "fp16",
    "int8": "q8",
    "int8-static": "q8",
}
"""What transformers.js calls them."""


def set_default(folder: Path, quantisation: Quantisation) -> None:
    """Say in config.json which graph transformers.js opens where its user names none."""
    file = folder / "config.json"
    content = json.loads(file.read_text("utf-8")) | {SETTINGS: {"dtype": DTYPES[quantisation]}}
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")


def graph_file(path: Path) -> Path:
    """The graph that a name means: itself, or the one that a folder opens with; it may lack."""
    if path.suffix == ".onnx" or (path / FILE).is_file() or not (path / FOLDER).is_dir():
        return path if path.suffix == ".onnx" else path / FILE
    return path / FOLDER / FILES[_default(path / "config.json")]


def is_onnx(name: str | Path) -> bool:
    """Whether this names an ONNX file, or a folder with one and without safetensors."""
    path = resolve(name)
    return path.suffix == ".onnx" or (
        graph_file(path).is_file() and not any(path.glob("*.safetensors"))
    )


def model_folder(file: Path) -> Path:
    """The folder of a graph's config.json and tokenizer."""
    file = file.absolute()
    above = file.parent.parent
    nested = file.parent.name == FOLDER and not (file.parent / "config.json").is_file()
    return above if nested else file.parent


def _default(config: Path) -> Quantisation:
    try:
        content = json.loads(config.read_text("utf-8"))
        dtype = content[SETTINGS]["dtype"]
    except (OSError, ValueError, KeyError, TypeError):
        dtype = DTYPES["none"]
    names = {name: kind for kind, name in reversed(DTYPES.items())}
    if dtype not in names:
        raise UserError(
            f"{config}: the dtype {dtype!r} of {SETTINGS} is none of {', '.join(names)}; fix it"
        )
    return names[dtype]
