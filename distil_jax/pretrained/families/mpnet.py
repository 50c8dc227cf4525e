"""MPNet (Song et al. 2020): RoBERTa without token types, with a relative bias of the scores."""

from distil_jax.errors import UserError
from distil_jax.models.block import BUCKETS, Block
from distil_jax.pretrained.families import bert, roberta
from distil_jax.pretrained.families.family import UNSUPPORTED, Family, classes
from distil_jax.pretrained.weights import Weight, dense, embeddings, norm

LAYER = "encoder.layer.{layer}"
PADDING = 1
"""Its positions start behind this token's number, and leave this token out, whatever pads rows."""
ALONE = f"MPNet numbers positions as if token {PADDING} padded, which would shift those of a text"


def position_offset(pad_token: int) -> int:
    """Two rows of the position table come before the first position."""
    if pad_token != PADDING:
        raise UserError(f"the padding token's number is {pad_token}: {ALONE}; number it {PADDING}")
    return PADDING + 1


FAMILY = Family(
    model_type="mpnet",
    prefix="mpnet",
    keys={
        **{field: key for field, key in bert.KEYS.items() if field != "token_types"},
        "vocabulary": ("vocab_size", 30527),
        "pad_token": ("pad_token_id", PADDING),
    },
    fixed_keys={
        "bos_token_id": 0,
        "eos_token_id": 2,
        "relative_attention_num_buckets": BUCKETS,
    },
    unsupported={
        **UNSUPPORTED,
        "pad_token_id": (PADDING, ALONE),
        "relative_attention_num_buckets": (BUCKETS, f"MPNet computes {BUCKETS} buckets alone"),
    },
    encoder=(
        *embeddings(
            "embeddings.word_embeddings",
            "embeddings.position_embeddings",
            "embeddings.token_type_embeddings",
            "embeddings.LayerNorm",
        ),
        Weight(
            "relative_bias",
            "encoder.relative_attention_bias.weight",
            ("relative_buckets", "heads"),
        ),
        *dense("layers/attention/query", f"{LAYER}.attention.attn.q"),
        *dense("layers/attention/key", f"{LAYER}.attention.attn.k"),
        *dense("layers/attention/value", f"{LAYER}.attention.attn.v"),
        *dense("layers/attention/output", f"{LAYER}.attention.attn.o"),
        *norm("layers/attention_norm", f"{LAYER}.attention.LayerNorm"),
        *dense("layers/mlp_in", f"{LAYER}.intermediate.dense", outputs="mlp_size"),
        *dense("layers/mlp_out", f"{LAYER}.output.dense", inputs="mlp_size"),
        *norm("layers/mlp_norm", f"{LAYER}.output.LayerNorm"),
    ),
    heads=roberta.FAMILY.heads,
    classes=classes("MPNet"),
    token_keys=("bos_token_id", "eos_token_id"),
    position_offset=position_offset,
    block=Block(relative_bias=True),
    head=roberta.FAMILY.head,
)
