"""XLM-RoBERTa-XL (Goyal et al. 2021): XLM-RoBERTa with LayerNorms before each block."""

from dataclasses import replace

from distil_jax.models.block import Block
from distil_jax.models.config import HeadOptions
from distil_jax.pretrained.families import bert, xlm_roberta
from distil_jax.pretrained.families.family import classes
from distil_jax.pretrained.weights import norm

LAYER = bert.LAYER
NORMS = ("layers/attention_norm", "layers/mlp_norm", "embeddings/norm")

FAMILY = replace(
    xlm_roberta.FAMILY,
    model_type="xlm-roberta-xl",
    keys={
        **xlm_roberta.FAMILY.keys,
        "vocabulary": ("vocab_size", 250880),
        "hidden_size": ("hidden_size", 2560),
        "layers": ("num_hidden_layers", 36),
        "heads": ("num_attention_heads", 32),
        "mlp_size": ("intermediate_size", 10240),
        "positions": ("max_position_embeddings", 514),
        "token_types": ("type_vocab_size", 1),
        "norm_epsilon": ("layer_norm_eps", 1e-5),
    },
    encoder=(
        *(weight for weight in bert.ENCODER if not weight.path.startswith(NORMS)),
        *norm("layers/attention_norm", f"{LAYER}.attention.self_attn_layer_norm"),
        *norm("layers/mlp_norm", f"{LAYER}.LayerNorm"),
        *norm("final_norm", "encoder.LayerNorm"),
    ),
    classes=classes("XLMRobertaXL"),
    block=Block(norm="pre", embedding_norm=False),
    head=HeadOptions(transform_activation="gelu", classifier_input_dropout=True),
)
