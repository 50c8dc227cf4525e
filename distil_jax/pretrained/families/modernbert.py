"""ModernBERT (Warner et al. 2024), and what has its shape: Ettin's encoders, mmBERT, GTE's.

Rotary positions, gated feed-forward blocks, LayerNorms before each block but the first attention,
no biases; layers that see a window of the row between layers that see all of it.
"""

from collections.abc import Mapping
from typing import Any

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.block import Block
from distil_jax.models.config import HeadOptions
from distil_jax.pretrained.families.family import SHARED_KEYS, Family, classes
from distil_jax.pretrained.weights import Weight, decoder, dense, fused_dense, norm

GLOBAL, LOCAL = "full_attention", "sliding_attention"
THETAS = {GLOBAL: ("global_rope_theta", 160_000.0), LOCAL: ("local_rope_theta", 10_000.0)}
"""The key of each kind of layer in older files, and what its absence means."""
BIASES = ("norm_bias", "attention_bias", "mlp_bias")
POOLINGS = {"cls": "first", "mean": "mean"}


def _read(content: Mapping[str, Any]) -> Mapping[str, Any]:
    kinds = _layer_kinds(content)
    window = _whole(content, "local_attention", 128) // 2
    if LOCAL in kinds and window < 1:
        raise UserError(f"local_attention is {content['local_attention']}; use 2 or more")
    thetas = {kind: _theta(content, kind) for kind in THETAS}
    biases = {name: bool(content.get(name, False)) for name in BIASES}
    if len(set(biases.values())) > 1:
        said = ", ".join(f"{name} {value}" for name, value in biases.items())
        raise UserError(f"{said}: only all of them or none are supported; use another model")
    pooling = content.get("classifier_pooling", "cls")
    if pooling not in POOLINGS:
        raise UserError(f"classifier_pooling is {pooling!r}; use one of {', '.join(POOLINGS)}")
    block = Block(
        norm="pre",
        first_norm=False,
        gated=True,
        biases=biases["norm_bias"],
        windows=tuple(window if kind == LOCAL else 0 for kind in kinds),
        position_table=False,
        thetas=tuple(thetas[kind] for kind in kinds),
    )
    head = HeadOptions(
        transform_activation=content.get("classifier_activation", "gelu"),
        transform_everywhere=True,
        dense_bias=bool(content.get("classifier_bias", False)),
        norm_bias=biases["norm_bias"],
        pooling=POOLINGS[pooling],  # type: ignore[arg-type]
        classifier_dropout=float(content.get("classifier_dropout", 0.0)),
    )
    return {"block": block, "head": head}


def _layer_kinds(content: Mapping[str, Any]) -> list[str]:
    """As listed, or a global layer in every third, the first of them."""
    layers = content.get("num_hidden_layers", 22)
    step = _whole(content, "global_attn_every_n_layers", 3)
    listed = content.get("layer_types")
    if listed is None:
        return [LOCAL if number % step else GLOBAL for number in range(layers)]
    wrong = [kind for kind in listed if kind not in THETAS]
    if wrong:
        raise UserError(f"layer_types has {wrong[0]!r}; use {GLOBAL} and {LOCAL}")
    return listed


def _whole(content: Mapping[str, Any], key: str, default: int) -> int:
    value = content.get(key, default)
    if type(value) is not int or value < 1:
        raise UserError(f"{key} is {value!r}, not a whole number above 0; fix it")
    return value


def _theta(content: Mapping[str, Any], kind: str) -> float:
    parameters = (content.get("rope_parameters") or {}).get(kind) or {}
    scaling = content.get("rope_scaling") or {}
    rope = scaling.get("rope_type") or scaling.get("type") or parameters.get("rope_type")
    if rope not in (None, "default"):
        raise UserError(f"rope_type is {rope!r}; only the default is supported, use another model")
    key, default = THETAS[kind]
    older = content.get(key, default)
    if older is None:  # the local layers of older files then have the global ones'
        older = content.get(THETAS[GLOBAL][0], THETAS[GLOBAL][1])
    return float(parameters.get("rope_theta", older))


def _written(config: EncoderConfig) -> Mapping[str, Any]:
    kinds = [LOCAL if kind.window else GLOBAL for kind in config.block.kinds(config.layers)]
    window = _only({w for w in config.block.windows if w}, "attention windows", 64)
    own = list(zip(kinds, config.block.thetas, strict=True))
    thetas = {
        kind: _only({theta for other, theta in own if other == kind}, f"thetas of {kind}", default)
        for kind, (_, default) in THETAS.items()
    }
    step = kinds[1:].index(GLOBAL) + 1 if GLOBAL in kinds[1:] else len(kinds)
    pattern = [LOCAL if number % step else GLOBAL for number in range(len(kinds))]
    head = config.head
    return {
        "layer_types": kinds,
        # For readers that do not know the list.
        **({"global_attn_every_n_layers": step} if pattern == kinds else {}),
        "local_attention": 2 * window,
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": theta} for kind, theta in thetas.items()
        },
        **{THETAS[kind][0]: theta for kind, theta in thetas.items()},
        **dict.fromkeys(BIASES, config.block.biases),
        "embedding_dropout": config.dropout,
        "classifier_pooling": {ours: theirs for theirs, ours in POOLINGS.items()}[head.pooling],
        "classifier_activation": config.head_activation,
        "classifier_bias": head.dense_bias,
        "classifier_dropout": head.classifier_dropout or 0.0,
    }


def _only(values: set[Any], name: str, default: Any) -> Any:
    if len(values) > 1:
        raise UserError(f"a modernbert folder cannot express several {name}: {sorted(values)}")
    return next(iter(values), default)


def _transform(name: str = "head") -> tuple[Weight, ...]:
    return (
        *dense("dense", f"{name}.dense", prefixed=False),
        *norm("norm", f"{name}.norm", prefixed=False),
    )


LAYER = "layers.{layer}"
FAMILY = Family(
    model_type="modernbert",
    prefix="model",
    keys={
        **SHARED_KEYS,
        "vocabulary": ("vocab_size", 50368),
        "hidden_size": ("hidden_size", 768),
        "layers": ("num_hidden_layers", 22),
        "heads": ("num_attention_heads", 12),
        "mlp_size": ("intermediate_size", 1152),
        "positions": ("max_position_embeddings", 8192),
        "pad_token": ("pad_token_id", 50283),
        "activation": ("hidden_activation", "gelu"),
        "norm_epsilon": ("norm_eps", 1e-5),
        "dropout": ("mlp_dropout", 0.0),
        "attention_dropout": ("attention_dropout", 0.0),
    },
    unsupported={
        "decoder_bias": (True, "only a decoder with a bias is supported"),
        "is_decoder": (False, "only encoders are supported"),
    },
    encoder=(
        Weight(
            "embeddings/tokens", "embeddings.tok_embeddings.weight", ("vocabulary", "table_size")
        ),
        *norm("embeddings/norm", "embeddings.norm"),
        *fused_dense(
            ("layers/attention/query", "layers/attention/key", "layers/attention/value"),
            f"{LAYER}.attn.Wqkv",
        ),
        *dense("layers/attention/output", f"{LAYER}.attn.Wo"),
        *norm("layers/attention_norm", f"{LAYER}.attn_norm"),
        *fused_dense(("layers/mlp_in", "layers/mlp_gate"), f"{LAYER}.mlp.Wi", outputs="mlp_size"),
        *dense("layers/mlp_out", f"{LAYER}.mlp.Wo", inputs="mlp_size"),
        *norm("layers/mlp_norm", f"{LAYER}.mlp_norm"),
        *norm("final_norm", "final_norm"),
    ),
    heads={
        "masked_lm": (*_transform(), *decoder("decoder.bias", "decoder")),
        "classification": (
            *_transform(),
            *dense("classifier", "classifier", outputs="labels", prefixed=False),
        ),
        "question_answering": (
            *_transform(),
            *dense("outputs", "classifier", outputs="two", prefixed=False),
        ),
        "token_classification": (
            *_transform(),
            *dense("classifier", "classifier", outputs="labels", prefixed=False),
        ),
    },
    classes=classes("ModernBert"),
    shared_kernels=True,
    token_keys=("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"),
    read_fields=_read,
    written_keys=_written,
)
