"""Saving a Hugging Face model folder, whole or not at all."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Literal

import jax
import numpy as np
from numpy.typing import DTypeLike
from safetensors.numpy import save_file

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.types import Params
from distil_jax.pretrained.config_file import write_config
from distil_jax.pretrained.families import family_of
from distil_jax.pretrained.model import Head, Pretrained
from distil_jax.pretrained.weights import Weight
from distil_jax.storage.address import is_url
from distil_jax.storage.atomic import new_folder, of_rust
from distil_jax.storage.bucket import Bucket
from distil_jax.tokenizer import save as save_tokenizer

# What a model folder that may be replaced consists of.
CONFIG = "config.json"
REPLACEABLE = [
    CONFIG,
    "model.safetensors",
    "README.md",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentencepiece.bpe.model",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
]
MODULE_FOLDER = re.compile(r"\d+_[A-Z][A-Za-z]+")
"""The folder of a module of sentence-transformers, such as 1_Pooling."""


def save(
    folder: str | Path,
    pretrained: Pretrained,
    *,
    card: str | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    further: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write config.json, model.safetensors, the tokenizer's files and `card` as README.md.

    `further` are files besides, by their paths below the folder.

    A configuration that its model type cannot express is written as the nearest type that can.
    The folder appears complete under its name, or not at all; an earlier model folder is replaced.
    In a bucket it has no config.json while it is incomplete.
    Raises `UserError` for a folder that holds anything else, or for what no type can express.
    """
    check_destination(folder)
    config, params = expressible(pretrained.config, pretrained.params, pretrained.head)
    tensors = dict(named_tensors(config, params, pretrained.head, dtype))
    text = write_config(
        config,
        pretrained.head,
        pretrained.labels,
        dtype,
        pretrained.tokenizer,
        problem_type=pretrained.problem_type,
        threshold=pretrained.threshold,
    )
    contents = {
        **further,
        CONFIG: text.encode(),
        **({"README.md": card.encode()} if card is not None else {}),
    }
    if is_url(folder):
        with TemporaryDirectory(prefix="distil_jax-") as draft:
            _write(Path(draft), tensors, contents, pretrained.tokenizer, config)
            _upload(Path(draft), Bucket(str(folder)))
    else:
        with new_folder(Path(folder).absolute()) as draft:
            _write(draft, tensors, contents, pretrained.tokenizer, config)


def expressible(
    config: EncoderConfig, params: Params, head: Head | None
) -> tuple[EncoderConfig, Params]:
    """The configuration and parameters of the nearest model type that can express them."""
    family = family_of(config.model_type)
    offset = family.position_offset(config.pad_token)
    if config.position_offset != offset:
        raise UserError(
            f"a {config.model_type} folder cannot express position_offset {config.position_offset} "
            f"with pad_token {config.pad_token}; it would have to be {offset}"
        )
    if any(getattr(config, name) != value for name, value in family.only.items()):
        if head == "classification":
            fields = " and ".join(f"{name} {getattr(config, name)}" for name in family.only)
            values = " and ".join(map(str, family.only.values()))
            raise UserError(
                f"a {config.model_type} classifier with {fields} fits no model type; "
                f"its own are {values}"
            )
        family = family_of(family.wider)
        constants: dict[str, Any] = {"head": family.head, "student_rule": family.student_rule}
        config = replace(config, model_type=family.model_type, **constants)
    return _with_token_types(config, params, family.zero_token_types)


def _with_token_types(
    config: EncoderConfig, params: Params, rows: int
) -> tuple[EncoderConfig, Params]:
    """With a table of zeros where there is none and the class insists on `rows` of it."""
    if config.token_types or not rows:
        return config, params
    encoder = params["encoder"]
    table = np.zeros((rows, config.table_size), np.float32)
    embeddings = {**encoder["embeddings"], "token_types": table}
    params = {**params, "encoder": {**encoder, "embeddings": embeddings}}
    return replace(config, token_types=rows), params


def named_tensors(
    config: EncoderConfig, params: Params, head: Head | None, dtype: DTypeLike = np.float32
) -> Iterator[tuple[str, np.ndarray]]:
    """Names and tensors in the folder's layout, of parameters or of anything shaped like them."""
    family = family_of(config.model_type)
    prefix = f"{family.prefix}." if head else ""
    for parts in _by_tensor(family.encoder_weights(config)):
        yield from _named(parts, params["encoder"], prefix, dtype)
    for parts in _by_tensor(family.head_weights(config, head) if head else ()):
        yield from _named(parts, params["head"], prefix, dtype)
        if parts[0].path == "bias" and not config.tied:
            # An untied decoder has a bias of its own, and transformers asks for both.
            for alias in parts[0].aliases[:1]:
                other = replace(parts[0], name=alias)
                yield from _named([other], params["head"], prefix, dtype)


def _by_tensor(weights: Iterable[Weight]) -> Iterator[list[Weight]]:
    """The weights that are stored as one tensor, together."""
    for _, parts in groupby(weights, key=lambda weight: weight.name):
        yield list(parts)


def _named(
    parts: list[Weight], params: Params, prefix: str, dtype: DTypeLike
) -> Iterator[tuple[str, np.ndarray]]:
    weight = parts[0]
    values = [np.asarray(_at(params, part.path), np.float32) for part in parts]
    stack = values[0] if len(parts) == 1 else np.concatenate(values, axis=-1)
    for layer, tensor in enumerate(stack if weight.layered else stack[None]):
        if layer < weight.first:
            continue
        name = (prefix if weight.prefixed else "") + weight.name.format(layer=layer)
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(tensor.T if weight.transposed else tensor, dtype)
        if not np.isfinite(stored).all():
            raise UserError(f"tensor {name} holds NaN or infinity as {dtype}; it was not saved")
        yield name, stored


def _at(params: Params, path: str) -> np.ndarray:
    values: Any = params
    for name in path.split("/"):
        values = values[name]
    return jax.device_get(values)


def _write(
    draft: Path,
    tensors: dict[str, np.ndarray],
    contents: Mapping[str, bytes],
    tokenizer: Any,
    config: EncoderConfig,
) -> None:
    with of_rust():
        save_file(tensors, draft / "model.safetensors", metadata={"format": "pt"})
    if tokenizer is not None:
        save_tokenizer(draft, tokenizer, token_types=config.token_types > 1)
    for name, content in contents.items():
        (draft / name).parent.mkdir(exist_ok=True)
        (draft / name).write_bytes(content)
    # safetensors makes private files; a model folder is as readable as any other.
    umask = os.umask(0)
    os.umask(umask)
    for name in _files(draft):
        (draft / name).chmod(0o666 & ~umask)


def _files(folder: Path) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [path.relative_to(folder).as_posix() for path in paths]


def _upload(draft: Path, bucket: Bucket) -> None:
    """Without a config.json a folder is no model: it goes first and comes last."""
    old = bucket.sizes()
    bucket.remove(CONFIG)
    names = sorted(_files(draft), key=lambda name: (name == CONFIG, name))
    for name in {*old} - {*names}:
        bucket.remove(name)
    for name in names:
        bucket.upload(draft / name, name)


def check_destination(folder: str | Path) -> None:
    """Refuse a name that holds anything but an earlier model folder; raises `UserError`."""
    if is_url(folder):
        present = sorted({name.partition("/")[0] for name in Bucket(str(folder)).sizes()})
    else:
        path = Path(folder).absolute()
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise UserError(f"{path} exists and is not a folder; choose another name")
        present = sorted(file.name for file in path.iterdir()) if path.is_dir() else []
    foreign = [
        name for name in present if name not in REPLACEABLE and not MODULE_FOLDER.fullmatch(name)
    ]
    if foreign:
        raise UserError(
            f"{folder} holds {foreign[0]}, which is no part of a model folder; choose another name"
        )
