"""A static model: one vector for each token, whose mean is a text's. Folders in and out.

Read: sentence-transformers' StaticEmbedding, at the top of its folder or in one of its own, and
model2vec's layout. Written: sentence-transformers', which model2vec opens, too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors.numpy import save as tensor_bytes
from tokenizers import Tokenizer

from distil_jax.errors import UserError
from distil_jax.pretrained.sentence_reading import (
    GENERAL,
    MODULES,
    is_sentence_folder,
    module_kinds,
    read_object,
    read_prompts,
)
from distil_jax.pretrained.sentence_writing import LAYOUT, PACKAGE
from distil_jax.pretrained.tensors import Tensors, open_tensors
from distil_jax.pretrained.writing import check_destination
from distil_jax.storage.atomic import new_folder

STATIC = "StaticEmbedding"
TABLE, TABLE_OF_MODEL2VEC = "embedding.weight", "embeddings"


@dataclass(frozen=True)
class StaticModel:
    """The vectors of the tokens.

    Attributes:
      normalize: whether a text's vector is made of length 1.
      prompts: texts that may stand before every other text, by name.
    """

    table: Float[np.ndarray, "vocabulary width"]
    tokenizer: Tokenizer
    normalize: bool = True
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str = ""


def is_static(folder: Path) -> bool:
    """Whether a folder's model is a table of vectors; raises `UserError` for a damaged one."""
    if is_sentence_folder(folder):
        return module_kinds(folder)[0][0] == STATIC
    config = folder / "config.json"
    return config.is_file() and read_object(config, dict).get("model_type") == "model2vec"


def load_static(folder: Path) -> StaticModel:
    """Open a static model's folder; raises `UserError` naming what is missing or unsupported."""
    inner, normalize = folder, True
    if is_sentence_folder(folder):
        (_, path), *others = module_kinds(folder)
        unknown = [kind for kind, _ in others if kind != "Normalize"]
        if unknown:
            raise UserError(
                f"{folder / MODULES}: {unknown[0]} behind {STATIC} is not supported; only "
                "Normalize is"
            )
        inner, normalize = folder / path, bool(others)
    else:
        normalize = read_object(folder / "config.json", dict).get("normalize") is not False
    table = _table(open_tensors(inner))
    prompts = read_prompts(folder, True)
    return StaticModel(
        table, _tokenizer(inner, len(table)), normalize, prompts.texts, prompts.default
    )


def save_static(folder: Path, model: StaticModel, *, card: str) -> None:
    """Write a folder of sentence-transformers' StaticEmbedding, whole or not at all."""
    check_destination(folder)
    kinds = [STATIC, *["Normalize"] * model.normalize]
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": f"{number}_{kind}" if number else "",
            "type": f"{PACKAGE}.{kind}",
        }
        for number, kind in enumerate(kinds)
    ]
    about = {
        "__version__": {"sentence_transformers": LAYOUT},
        "prompts": dict(model.prompts),
        "default_prompt_name": model.default_prompt or None,
        "similarity_fn_name": "cosine",
        # model2vec reads these of this very file.
        "normalize": model.normalize,
        "hidden_dim": model.table.shape[1],
    }
    with new_folder(folder.absolute()) as draft:
        table = {TABLE: np.ascontiguousarray(model.table, np.float32)}
        (draft / "model.safetensors").write_bytes(tensor_bytes(table, metadata={"format": "pt"}))
        model.tokenizer.save(str(draft / "tokenizer.json"))
        (draft / MODULES).write_text(json.dumps(modules, indent=2) + "\n", "utf-8")
        (draft / GENERAL).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
        (draft / "README.md").write_text(card, "utf-8")


def _table(tensors: Tensors) -> np.ndarray:
    name = TABLE if TABLE in tensors else TABLE_OF_MODEL2VEC
    if name not in tensors:
        raise UserError(f"{tensors.folder} lacks tensor {TABLE}; copy the folder again")
    if further := [each for each in ("mapping", "weights") if each in tensors]:
        raise UserError(
            f"{tensors.folder} holds a quantised vocabulary (tensor {further[0]}), which is not "
            "supported; use a model without one"
        )
    shape = tensors.shape(name)
    if len(shape) != 2:
        raise UserError(f"{tensors.folder}: tensor {name} has shape {list(shape)}, not two axes")
    return tensors.read(name, shape)


def _tokenizer(folder: Path, rows: int) -> Tokenizer:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise UserError(f"{folder} has no tokenizer.json; copy the folder again")
    try:
        tokenizer: Any = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise UserError(f"{file} cannot be read as a tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if tokenizer.get_vocab_size() > rows:
        raise UserError(
            f"{file} has {tokenizer.get_vocab_size()} tokens, the table of vectors {rows}; the two "
            "belong to different models"
        )
    return tokenizer
