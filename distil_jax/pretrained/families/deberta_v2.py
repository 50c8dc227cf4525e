"""DeBERTa-v2 and -v3 (He et al. 2021): disentangled attention with keys shared, log buckets.

Of v2, the models with a convolution (v2-xlarge and larger) are not computed here.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.block import Block
from distil_jax.models.config import HeadOptions
from distil_jax.pretrained.families import bert
from distil_jax.pretrained.families.family import QUESTION_ANSWERING, Family, classes
from distil_jax.pretrained.weights import Weight, decoder, dense, embeddings, norm

POSITIONS = 512
COMPUTED: Mapping[str, tuple[Any, Any, str]] = {
    "relative_attention": (False, True, "only disentangled attention is"),
    "share_att_key": (False, True, "only keys shared by contents and positions are"),
    "norm_rel_ebd": ("none", "layer_norm", "only normalised relative embeddings are"),
    "pos_att_type": (None, ("c2p", "p2c"), "only c2p and p2c together are"),
    "conv_kernel_size": (0, 0, "the convolution of v2-xlarge is not"),
    "pooler_dropout": (0.0, 0.0, "only a pooler without dropout is"),
}
"""Keys that have one value here: what their absence means, the value, and what is supported."""


def _read(content: Mapping[str, Any]) -> Mapping[str, Any]:
    for key, (absent, value, what) in COMPUTED.items():
        found = content.get(key, absent)
        if (_kinds(found) if key == "pos_att_type" else found) != value:
            raise UserError(f"{key} is {found!r}; {what} supported, use another model")
    hidden_size = content.get("hidden_size", 1536)
    sizes = {
        "embedding_size": hidden_size,
        "pooler_hidden_size": hidden_size,
        "attention_head_size": hidden_size // max(1, content.get("num_attention_heads", 24)),
    }
    for key, size in sizes.items():
        if content.get(key, size) != size:
            raise UserError(f"{key} is {content[key]}; only {size} is supported, use another model")
    reach = content.get("max_relative_positions", -1)
    if reach < 1:
        reach = content.get("max_position_embeddings", POSITIONS)
    buckets = content.get("position_buckets", -1)
    if 0 < buckets < 4 or (buckets > 0 and reach - 1 <= buckets // 2):
        raise UserError(
            f"position_buckets {buckets} and a largest distance of {reach} make no logarithmic "
            "buckets; use another model"
        )
    span, reach = (buckets, reach) if buckets > 0 else (reach, 0)
    table = bool(content.get("position_biased_input", True))
    if not table and content.get("type_vocab_size", 0):
        raise UserError(
            f"type_vocab_size is {content['type_vocab_size']}; only 0 is supported where "
            "position_biased_input is false, use another model"
        )
    dropout = content.get("cls_dropout")
    head = HeadOptions(
        classifier_activation=content.get("pooler_hidden_act", "gelu"),
        classifier_dropout=None if dropout is None else float(dropout),
        token_classifier_dropout=False,
    )
    block = Block(relative_span=span, relative_reach=reach, position_table=table)
    # The head of the original code multiplies the token table, whatever tie_word_embeddings says.
    tied = {} if content.get("legacy", True) else {"tied": True}
    return {"block": block, "head": head, **tied}


def _kinds(found: Any) -> tuple[str, ...]:
    """A list, or one text with bars."""
    listed = found.split("|") if isinstance(found, str) else found or ()
    return tuple(sorted(str(kind).strip().lower() for kind in listed))


def _written(config: EncoderConfig) -> Mapping[str, Any]:
    block = config.block
    reach = block.relative_reach or block.relative_span
    dropout = config.head.classifier_dropout
    return {
        "position_buckets": block.relative_span if block.relative_reach else -1,
        "max_relative_positions": reach,
        "position_biased_input": block.position_table,
        "pooler_hidden_act": config.head.classifier_activation,
        "pooler_hidden_size": config.hidden_size,
        **({} if dropout is None else {"cls_dropout": dropout}),
    }


def _also_called(weights: tuple[Weight, ...], ours: str, other: str) -> tuple[Weight, ...]:
    return tuple(
        replace(weight, aliases=(*weight.aliases, weight.name.replace(ours, other)))
        for weight in weights
    )


LAYER = "encoder.layer.{layer}"
FAMILY = Family(
    model_type="deberta-v2",
    prefix="deberta",
    keys={
        **bert.KEYS,
        "vocabulary": ("vocab_size", 128100),
        "hidden_size": ("hidden_size", 1536),
        "layers": ("num_hidden_layers", 24),
        "heads": ("num_attention_heads", 24),
        "mlp_size": ("intermediate_size", 6144),
        "positions": ("max_position_embeddings", POSITIONS),
        "token_types": ("type_vocab_size", 0),
        "norm_epsilon": ("layer_norm_eps", 1e-7),
    },
    fixed_keys={
        "relative_attention": True,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "pos_att_type": ["p2c", "c2p"],
        "pooler_dropout": 0.0,
        "legacy": True,
    },
    encoder=(
        *embeddings(
            "embeddings.word_embeddings",
            "embeddings.position_embeddings",
            "embeddings.token_type_embeddings",
            "embeddings.LayerNorm",
        ),
        Weight(
            "relative_embeddings", "encoder.rel_embeddings.weight", ("relative_rows", "hidden_size")
        ),
        *norm("relative_norm", "encoder.LayerNorm"),
        *dense("layers/attention/query", f"{LAYER}.attention.self.query_proj"),
        *dense("layers/attention/key", f"{LAYER}.attention.self.key_proj"),
        *dense("layers/attention/value", f"{LAYER}.attention.self.value_proj"),
        *dense("layers/attention/output", f"{LAYER}.attention.output.dense"),
        *norm("layers/attention_norm", f"{LAYER}.attention.output.LayerNorm"),
        *dense("layers/mlp_in", f"{LAYER}.intermediate.dense", outputs="mlp_size"),
        *dense("layers/mlp_out", f"{LAYER}.output.dense", inputs="mlp_size"),
        *norm("layers/mlp_norm", f"{LAYER}.output.LayerNorm"),
    ),
    heads={
        "masked_lm": (
            # The released folders have the names of the original code.
            *_also_called(
                (
                    *dense("dense", "cls.predictions.transform.dense", prefixed=False),
                    *norm("norm", "cls.predictions.transform.LayerNorm", prefixed=False),
                ),
                "cls.predictions.transform",
                "lm_predictions.lm_head",
            ),
            *_also_called(
                decoder("cls.predictions.bias", "cls.predictions.decoder"),
                "cls.predictions",
                "lm_predictions.lm_head",
            ),
        ),
        "classification": (
            *dense("dense", "pooler.dense", prefixed=False),
            *dense("classifier", "classifier", outputs="labels", prefixed=False),
        ),
        "question_answering": QUESTION_ANSWERING,
    },
    classes=classes("DebertaV2"),
    read_fields=_read,
    written_keys=_written,
)
