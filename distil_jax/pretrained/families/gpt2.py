"""GPT-2 (Radford et al. 2019): causal, LayerNorms before each block, a decoder without a bias."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from distil_jax.models import EncoderConfig
from distil_jax.models.block import Block
from distil_jax.models.config import HeadOptions
from distil_jax.pretrained.families.family import (
    QUESTION_ANSWERING,
    SHARED_KEYS,
    Family,
    classes,
)
from distil_jax.pretrained.weights import Weight, fused_dense, norm

HIDDEN_SIZE, VOCABULARY = 768, 50257
LAYER = "h.{layer}"
LABELS = Weight("classifier/kernel", "score.weight", ("hidden_size", "labels"), True, (), False)
# Its linear maps are stored as [in, out].
_dense = partial(fused_dense, transposed=False)


def _read(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without a token for padding, the last one of a text fills rows."""
    inner = content.get("n_inner") or 4 * content.get("n_embd", HIDDEN_SIZE)
    last = content.get("vocab_size", VOCABULARY) - 1
    pad = content.get("pad_token_id")
    end = content.get("eos_token_id", last)
    padding = next((n for n in (pad, end) if type(n) is int and 0 <= n <= last), last)
    return {"mlp_size": inner, "pad_token": padding}


def _written(config: EncoderConfig) -> Mapping[str, Any]:
    return {
        "n_inner": config.mlp_size,
        "embd_pdrop": config.dropout,
        # What they are without a tokenizer beside: see `_read`.
        "bos_token_id": config.pad_token,
        "eos_token_id": config.pad_token,
    }


FAMILY = Family(
    model_type="gpt2",
    prefix="transformer",
    keys={
        "vocabulary": ("vocab_size", VOCABULARY),
        "positions": ("n_positions", 1024),
        "initializer_range": SHARED_KEYS["initializer_range"],
        "pad_token": ("pad_token_id", 0),
        "tied": SHARED_KEYS["tied"],
        "hidden_size": ("n_embd", HIDDEN_SIZE),
        "layers": ("n_layer", 12),
        "heads": ("n_head", 12),
        "mlp_size": ("n_inner", 4 * HIDDEN_SIZE),
        "activation": ("activation_function", "gelu_new"),
        "norm_epsilon": ("layer_norm_epsilon", 1e-5),
        "dropout": ("resid_pdrop", 0.1),
        "attention_dropout": ("attn_pdrop", 0.1),
    },
    unsupported={
        "scale_attn_weights": (True, "only scaled attention is supported"),
        "scale_attn_by_inverse_layer_idx": (False, "only GPT-2's own scaling is supported"),
        "add_cross_attention": (False, "only models without cross-attention are supported"),
    },
    encoder=(
        Weight("embeddings/tokens", "wte.weight", ("vocabulary", "table_size")),
        Weight("embeddings/positions", "wpe.weight", ("position_rows", "table_size")),
        *norm("layers/attention_norm", f"{LAYER}.ln_1"),
        *_dense(
            ("layers/attention/query", "layers/attention/key", "layers/attention/value"),
            f"{LAYER}.attn.c_attn",
        ),
        *_dense(("layers/attention/output",), f"{LAYER}.attn.c_proj"),
        *norm("layers/mlp_norm", f"{LAYER}.ln_2"),
        *_dense(("layers/mlp_in",), f"{LAYER}.mlp.c_fc", outputs="mlp_size"),
        *_dense(("layers/mlp_out",), f"{LAYER}.mlp.c_proj", inputs="mlp_size"),
        *norm("final_norm", "ln_f"),
    ),
    heads={
        "causal_lm": (
            Weight("table", "lm_head.weight", ("vocabulary", "table_size"), prefixed=False),
        ),
        "classification": (LABELS,),
        "question_answering": QUESTION_ANSWERING,
    },
    classes=classes("GPT2"),
    shared_kernels=True,
    tied_head="causal_lm",
    token_keys=("bos_token_id", "eos_token_id"),
    block=Block(norm="pre", embedding_norm=False, causal=True),
    head=HeadOptions(
        transform=False,
        pooling="last",
        classifier_dense=False,
        classifier_bias=False,
        classifier_dropout=0.0,
        token_classifier_dropout=False,
    ),
    read_fields=_read,
    written_keys=_written,
)
