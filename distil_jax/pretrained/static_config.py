"""config.json of a static model's export: an encoder without layers, by model2vec's keys."""

import json
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.block import Block
from distil_jax.pretrained.sentence_reading import read_object

MODEL_TYPE = "model2vec"
MOST_TOKENS = 1_000_000
"""Of a text, as model2vec says; nothing in the model ends there."""
KEYS = {"vocabulary": "vocab_size", "hidden_size": "hidden_dim", "pad_token": "pad_token_id"}


def static_config(vocabulary: int, hidden_size: int, pad_token: int) -> EncoderConfig:
    """The shape whose hidden states are the tokens' vectors."""
    return EncoderConfig(
        MODEL_TYPE,
        vocabulary,
        hidden_size,
        layers=0,
        heads=1,
        mlp_size=1,
        positions=MOST_TOKENS,
        pad_token=pad_token,
        block=Block(embedding_norm=False, position_table=False),
    )


def write_static_config(config: EncoderConfig, *, normalize: bool) -> str:
    """The text of config.json."""
    content = {
        "architectures": ["StaticModel"],
        "model_type": MODEL_TYPE,
        "normalize": normalize,
        "seq_length": MOST_TOKENS,
        **{key: getattr(config, field) for field, key in KEYS.items()},
    }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def read_static_config(folder: Path) -> tuple[EncoderConfig, dict[str, Any]]:
    """The shape and the file's whole content; raises `UserError`."""
    file = folder / "config.json"
    content = read_object(file, dict)
    sizes = [content.get(key) for key in KEYS.values()]
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise UserError(f"{file}: {', '.join(KEYS.values())} are {sizes}; export the model again")
    return static_config(*sizes), content
