"""ELECTRA (Clark et al. 2020): BERT's encoder with narrower embedding tables and other heads.

A discriminator's folder holds no head that is read here, a generator's a masked-LM head.
"""

from collections.abc import Mapping
from typing import Any

from distil_jax.models import EncoderConfig
from distil_jax.models.config import HeadOptions
from distil_jax.pretrained.families import bert
from distil_jax.pretrained.families.family import QUESTION_ANSWERING, Family, classes
from distil_jax.pretrained.weights import decoder, dense, norm

EMBEDDING_SIZE, HIDDEN_SIZE = 128, 256
"""What the absence of their keys means."""


def _read(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tables as wide as the layers have no map behind them."""
    size = content.get("embedding_size", EMBEDDING_SIZE)
    equal = size == content.get("hidden_size", HIDDEN_SIZE)
    return {"embedding_size": 0 if equal else size}


def _written(config: EncoderConfig) -> Mapping[str, Any]:
    return {"embedding_size": config.table_size}


FAMILY = Family(
    model_type="electra",
    prefix="electra",
    keys={
        **bert.KEYS,
        "embedding_size": ("embedding_size", EMBEDDING_SIZE),
        "hidden_size": ("hidden_size", HIDDEN_SIZE),
        "heads": ("num_attention_heads", 4),
        "mlp_size": ("intermediate_size", 1024),
    },
    encoder=(
        *bert.ENCODER,
        *dense("embeddings/projection", "embeddings_project", inputs="table_size"),
    ),
    heads={
        "masked_lm": (
            *dense("dense", "generator_predictions.dense", outputs="table_size", prefixed=False),
            *norm("norm", "generator_predictions.LayerNorm", "table_size", prefixed=False),
            *decoder("generator_lm_head.bias", "generator_lm_head"),
        ),
        "classification": (
            *dense("dense", "classifier.dense", prefixed=False),
            *dense("classifier", "classifier.out_proj", outputs="labels", prefixed=False),
        ),
        "question_answering": QUESTION_ANSWERING,
    },
    classes=classes("Electra"),
    classifier_dropout="classifier_dropout",
    zero_token_types=2,
    # Both have the exact GELU, whatever the layers have.
    head=HeadOptions(
        transform_activation="gelu", classifier_activation="gelu", classifier_input_dropout=True
    ),
    read_fields=_read,
    written_keys=_written,
)
