"""config.json to and from an `EncoderConfig`."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.config import ACTIVATIONS
from distil_jax.notes import note
from distil_jax.pretrained.families import FAMILIES, family_of
from distil_jax.pretrained.families.family import Family
from distil_jax.pretrained.labels import read_labels
from distil_jax.pretrained.model import Head
from distil_jax.storage import lfs

__all__ = ["read_config", "read_labels", "write_config"]

TENSORFLOW_CONFIG = "bert_config.json"
ADAPTER_CONFIG = "adapter_config.json"
THRESHOLD = "threshold"
"""A key of our own, which transformers keeps."""
RAW_SCORE = "score"
"""The only label of a reranker: sentence-transformers' CrossEncoder, which puts a sigmoid behind
one output, finds in config.json that it is to leave it out."""


def read_config(folder: Path) -> tuple[EncoderConfig, dict[str, Any]]:
    """The encoder's shape, and the file's whole content; raises `UserError` naming file and key."""
    file = folder / "config.json"
    content = _read_object(file)
    model_type = content.get("model_type") or _by_class(file, content)
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise UserError(
            f"{file}: model_type {model_type!r} is not supported; use a {', '.join(FAMILIES)} model"
        )
    own = content.get("auto_map")
    for name, code in own.items() if isinstance(own, dict) else ():
        if name.startswith("AutoModel"):
            raise UserError(
                f"{file}: auto_map has {name} made by {code!r}, the folder's own code, which is "
                f"not run and need not be a {model_type}; use another model"
            )
    family = FAMILIES[model_type]
    for key, (expected, why) in family.unsupported.items():
        if content.get(key, expected) != expected:
            raise UserError(f"{file}: {key} is {content[key]!r}; {why}, use another model")
    fields = {
        field: _value(file, content, key, default) for field, (key, default) in family.keys.items()
    }
    if fields["activation"] not in ACTIVATIONS:
        raise UserError(
            f"{file}: activation {fields['activation']!r} is not supported; "
            f"use a model with one of {', '.join(ACTIVATIONS)}"
        )
    return _encoder_config(file, family, fields, content), content


def _by_class(file: Path, content: Mapping[str, Any]) -> str:
    """The model type of a file that names none, by its class, as files before 2020 have it."""
    named = str(content.get("architectures"))
    found = next(
        (name for name, each in FAMILIES.items() if any(f"'{c}'" in named for c in _names(each))),
        "",
    )
    if not found:
        raise UserError(
            f'{file} has no model_type; write the family\'s name there, as "model_type": "bert"'
        )
    note(f"{file} has no model_type; it is read as {found}, by its architectures")
    return found


def _names(family: Family) -> list[str]:
    return [name for name in family.classes.values() if name]


TOKENS = {
    "bos_token_id": ("bos_token_id", "cls_token_id"),
    "eos_token_id": ("eos_token_id", "sep_token_id"),
    "cls_token_id": ("cls_token_id", "bos_token_id"),
    "sep_token_id": ("sep_token_id", "eos_token_id"),
}
"""Keys of special tokens' numbers, and the names under which a tokenizer may have them."""


def write_config(
    config: EncoderConfig,
    head: Head | None,
    labels: tuple[str, ...],
    dtype: str,
    tokenizer: Any = None,
    *,
    problem_type: str = "",
    threshold: float | None = None,
) -> str:
    """The text of config.json for a configuration that its model type can express."""
    positions = config.positions + config.position_offset
    fields = {**vars(config), "positions": positions}
    family, rate = family_of(config.model_type), config.head.classifier_dropout
    content: dict[str, Any] = {
        "architectures": [family.classes[head]],
        "dtype": dtype,
        "model_type": config.model_type,
        **family.fixed_keys,
        **{key: fields[field] for field, (key, _) in family.keys.items()},
        **family.written_keys(config),
        **(
            {}
            if not family.classifier_dropout or rate is None
            else {family.classifier_dropout: rate}
        ),
        **(_token_numbers(family, tokenizer) if tokenizer is not None else {}),
    }
    if labels:
        content["id2label"] = {str(number): label for number, label in enumerate(labels)}
        content["label2id"] = {label: number for number, label in enumerate(labels)}
        if problem_type:
            content["problem_type"] = problem_type
        if threshold is not None:
            content[THRESHOLD] = threshold
    if labels == (RAW_SCORE,):
        content["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _token_numbers(family: Family, tokenizer: Any) -> dict[str, int]:
    found = {key: [getattr(tokenizer, name) for name in TOKENS[key]] for key in family.token_keys}
    known = {key: [n for n in numbers if n is not None] for key, numbers in found.items()}
    return {key: int(numbers[0]) for key, numbers in known.items() if numbers}


def read_threshold(content: Mapping[str, Any], folder: Path) -> float | None:
    """The share from which one of several labels counts; raises `UserError` for what is none."""
    value = content.get(THRESHOLD)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UserError(
            f"{folder / 'config.json'}: {THRESHOLD} is {value!r}, not a number from 0 to 1; fix it"
        )
    return float(value)


def _read_object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{file} does not exist; {_nearest(file.parent)}") from None
    except (OSError, ValueError, RecursionError) as error:
        if pointer := lfs.advice(file):
            raise UserError(f"{file} is {pointer}") from error
        raise UserError(f"{file} cannot be read as JSON ({error}); restore the file") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is not a JSON object; restore the file")
    return content


def _nearest(folder: Path) -> str:
    """What to give instead of a folder without a configuration: perhaps one that is within it."""
    if (folder / ADAPTER_CONFIG).is_file():
        return (
            f"{ADAPTER_CONFIG} is of an adapter: merge it into its model, as merge_and_unload of "
            "peft does, and give the folder in which that is saved"
        )
    files = sorted(folder.glob("*/config.json"))
    within = [each.parent for each in files if b'"model_type"' in each.read_bytes()]
    if within:
        return f"give a model folder that has one, such as {within[0]}"
    if (folder / TENSORFLOW_CONFIG).is_file():
        return (
            f"{TENSORFLOW_CONFIG} is of a checkpoint of BERT's first code: convert it with "
            "transformers and give the folder that save_pretrained wrote"
        )
    if (folder / "modules.json").is_file():
        return (
            "the folder's modules.json names a model that makes vectors alone, which embed, "
            "export, benchmark and evaluate --task=sts or retrieval take"
        )
    return "give a model folder with a config.json"


def _value(file: Path, content: Mapping[str, Any], key: str, default: Any) -> Any:
    """The key's value with the default's type: an int may stand for a float, None for a default."""
    value = content.get(key)
    if value is None:
        return default
    if type(default) is float and type(value) is int:
        value = float(value)
    negative = type(value) in (int, float) and not 0 <= value < math.inf
    if type(value) is not type(default) or negative:
        raise UserError(f"{file}: {key} is {value!r}, not a valid {type(default).__name__}; fix it")
    return value


def _encoder_config(
    file: Path, family: Family, fields: dict[str, Any], content: Mapping[str, Any]
) -> EncoderConfig:
    offset = family.position_offset(fields["pad_token"])
    fields |= {"positions": fields["positions"] - offset, "position_offset": offset}
    if fields["pad_token"] >= fields["vocabulary"]:
        raise UserError(
            f"{file}: pad_token_id {fields['pad_token']} is beyond the vocabulary of "
            f"{fields['vocabulary']}; fix it"
        )
    rates = {name: fields[name] for name in ("dropout", "attention_dropout")}
    rates[family.classifier_dropout] = _value(file, content, family.classifier_dropout, 0.0)
    for name, rate in rates.items():
        if rate >= 1:
            raise UserError(f"{file}: {name} is {rate}; it must be below 1")
    for field in ("vocabulary", "hidden_size", "layers", "mlp_size", "positions"):
        if fields[field] < 1:
            raise UserError(f"{file}: {field} comes out as {fields[field]}; it must be at least 1")
    try:
        return EncoderConfig(family.model_type, **{**fields, **family.fields(content)})
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
