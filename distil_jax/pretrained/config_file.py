"""config.json to and from an `EncoderConfig`."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.activation import ACTIVATIONS
from distil_jax.models.config import MODEL_TYPES, ROBERTA_TYPES
from distil_jax.pretrained.model import Head
from distil_jax.pretrained.weights import ARCHITECTURES

# Our field: their key and the value that its absence means.
SHARED: dict[str, tuple[str, Any]] = {
    "vocabulary": ("vocab_size", 30522),
    "positions": ("max_position_embeddings", 512),
    "initializer_range": ("initializer_range", 0.02),
    "pad_token": ("pad_token_id", 0),
    "tied": ("tie_word_embeddings", True),
}
BERT_KEYS = SHARED | {
    "hidden_size": ("hidden_size", 768),
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "mlp_size": ("intermediate_size", 3072),
    "token_types": ("type_vocab_size", 2),
    "activation": ("hidden_act", "gelu"),
    "norm_epsilon": ("layer_norm_eps", 1e-12),
    "dropout": ("hidden_dropout_prob", 0.1),
    "attention_dropout": ("attention_probs_dropout_prob", 0.1),
}
DISTILBERT_KEYS = SHARED | {
    "hidden_size": ("dim", 768),
    "layers": ("n_layers", 6),
    "heads": ("n_heads", 12),
    "mlp_size": ("hidden_dim", 3072),
    "activation": ("activation", "gelu"),
    "dropout": ("dropout", 0.1),
    "attention_dropout": ("attention_dropout", 0.1),
}
KEYS: dict[str, dict[str, tuple[str, Any]]] = {
    "bert": BERT_KEYS,
    "distilbert": DISTILBERT_KEYS,
    "roberta": BERT_KEYS | {"vocabulary": ("vocab_size", 50265), "pad_token": ("pad_token_id", 1)},
    "xlm-roberta": BERT_KEYS | {"pad_token": ("pad_token_id", 1)},
}
FIXED_KEYS: dict[str, dict[str, Any]] = {
    "bert": {},
    "distilbert": {"sinusoidal_pos_embds": False},
    "roberta": {"bos_token_id": 0, "eos_token_id": 2},
    "xlm-roberta": {"bos_token_id": 0, "eos_token_id": 2},
}
UNSUPPORTED = {
    "position_embedding_type": ("absolute", "only absolute position embeddings are supported"),
    "is_decoder": (False, "only encoders are supported"),
    "add_cross_attention": (False, "only encoders without cross-attention are supported"),
}


def read_config(folder: Path) -> tuple[EncoderConfig, dict[str, Any]]:
    """The encoder's shape, and the file's whole content; raises `UserError` naming file and key."""
    file = folder / "config.json"
    content = _read_object(file)
    model_type = content.get("model_type")
    if model_type not in MODEL_TYPES:
        raise UserError(
            f"{file}: model_type {model_type!r} is not supported; "
            f"use a {', '.join(MODEL_TYPES)} model"
        )
    for key, (expected, why) in UNSUPPORTED.items():
        if content.get(key, expected) != expected:
            raise UserError(f"{file}: {key} is {content[key]!r}; {why}, use another model")
    fields = {
        field: _value(file, content, key, default)
        for field, (key, default) in KEYS[model_type].items()
    }
    if fields["activation"] not in ACTIVATIONS:
        raise UserError(
            f"{file}: activation {fields['activation']!r} is not supported; "
            f"use a model with one of {', '.join(ACTIVATIONS)}"
        )
    return _encoder_config(file, model_type, fields), content


def write_config(
    config: EncoderConfig, head: Head | None, labels: tuple[str, ...], dtype: str
) -> str:
    """The text of config.json for a configuration that its model type can express."""
    positions = config.positions + config.position_offset
    fields = {**vars(config), "positions": positions}
    content: dict[str, Any] = {
        "architectures": [ARCHITECTURES[config.model_type, head]],
        "dtype": dtype,
        "model_type": config.model_type,
        **FIXED_KEYS[config.model_type],
        **{key: fields[field] for field, (key, _) in KEYS[config.model_type].items()},
    }
    if labels:
        content["id2label"] = {str(number): label for number, label in enumerate(labels)}
        content["label2id"] = {label: number for number, label in enumerate(labels)}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def read_labels(content: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Class names in order of their numbers; Hugging Face's LABEL_0, ... where there are none.

    A name that several classes have gets the class's number behind it.
    """
    named = content.get("id2label")
    if isinstance(named, dict) and sorted(named) == sorted(map(str, range(count))):
        names = [str(named[str(number)]) for number in range(count)]
        return tuple(
            f"{name} ({number})" if names.count(name) > 1 else name
            for number, name in enumerate(names)
        )
    return tuple(f"LABEL_{number}" for number in range(count))


def _read_object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} does not exist; give a model folder with a config.json") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read as JSON ({error}); restore the file") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is not a JSON object; restore the file")
    return content


def _value(file: Path, content: Mapping[str, Any], key: str, default: Any) -> Any:
    """The key's value with the default's type: an int may stand for a float, None for a default."""
    value = content.get(key)
    if value is None:
        return default
    if type(default) is float and type(value) is int:
        value = float(value)
    negative = type(value) in (int, float) and not 0 <= value < math.inf
    if type(value) is not type(default) or negative:
        raise UserError(
            f"{file}: {key} is {value!r}, not a valid {type(default).__name__}; mend it"
        )
    return value


def _encoder_config(file: Path, model_type: str, fields: dict[str, Any]) -> EncoderConfig:
    offset = fields["pad_token"] + 1 if model_type in ROBERTA_TYPES else 0
    fields |= {"positions": fields["positions"] - offset, "position_offset": offset}
    if fields["pad_token"] >= fields["vocabulary"]:
        raise UserError(
            f"{file}: pad_token_id {fields['pad_token']} is beyond the vocabulary of "
            f"{fields['vocabulary']}; mend it"
        )
    for field in ("dropout", "attention_dropout"):
        if fields[field] >= 1:
            raise UserError(f"{file}: {field} is {fields[field]}; it must be below 1")
    for field in ("vocabulary", "hidden_size", "mlp_size", "positions"):
        if fields[field] < 1:
            raise UserError(f"{file}: {field} comes out as {fields[field]}; it must be at least 1")
    try:
        return EncoderConfig(model_type=model_type, **fields)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
