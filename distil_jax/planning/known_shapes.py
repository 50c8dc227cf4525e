"""The shapes of well-known models by their usual names: `plan` needs neither hub nor folder.

Numbers are those of the models' own config.json.
"""

from distil_jax.models import EncoderConfig
from distil_jax.pretrained.families import FAMILIES, make_config

BERT_VOCABULARY = 30522
POSITIONS = 512
OWN: dict[str, dict[str, object]] = {
    "bert": {"token_types": 2},
    "distilbert": {},
    "electra": {"token_types": 2},
    "roberta": {"token_types": 1, "pad_token": 1, "norm_epsilon": 1e-5},
    "xlm-roberta": {"token_types": 1, "pad_token": 1, "norm_epsilon": 1e-5},
    "xlm-roberta-xl": {"token_types": 1, "pad_token": 1, "norm_epsilon": 1e-5},
    "camembert": {"token_types": 1, "pad_token": 1, "norm_epsilon": 1e-5},
    "mpnet": {"pad_token": 1, "norm_epsilon": 1e-5},
    "deberta-v2": {"norm_epsilon": 1e-7},
    "modernbert": {"positions": 8192, "norm_epsilon": 1e-5, "dropout": 0.0},
    "gpt2": {"positions": 1024, "norm_epsilon": 1e-5, "activation": "gelu_new"},
}
"""What all models of a type have."""
IN_FILE: dict[str, dict[str, object]] = {
    "deberta-v2": {"position_buckets": 256, "position_biased_input": False},
}
"""What their config.json says of the blocks beside the sizes."""


def _shape(
    kind: str, vocabulary: int, width: int, layers: int, heads: int, inner: int = 0, **own: object
) -> EncoderConfig:
    """With a feed-forward block of four times the width, unless it is given."""
    family = FAMILIES[kind]
    fields: dict[str, object] = {
        "vocabulary": vocabulary,
        "hidden_size": width,
        "layers": layers,
        "heads": heads,
        "mlp_size": inner or 4 * width,
        "positions": POSITIONS,
        **OWN[kind],
        **own,
    }
    fields["position_offset"] = family.position_offset(int(str(fields.get("pad_token", 0))))
    if kind in IN_FILE:
        fields |= family.fields({**family.fixed_keys, "hidden_size": width, **IN_FILE[kind]})
    return make_config(kind, **fields)


BERT_BASE = _shape("bert", BERT_VOCABULARY, 768, 12, 12)
BERT_LARGE = _shape("bert", BERT_VOCABULARY, 1024, 24, 16)
XLM_R, XLM_R_XL = "xlm-roberta", "xlm-roberta-xl"
XLM_R_BASE = _shape(XLM_R, 250002, 768, 12, 12)
XLM_R_LARGE = _shape(XLM_R, 250002, 1024, 24, 16)
XL = _shape(XLM_R_XL, 250880, 2560, 36, 32)
XXL = _shape(XLM_R_XL, 250880, 4096, 48, 32)
MPNET = _shape("mpnet", 30527, 768, 12, 12)
ELECTRA_SMALL = _shape("electra", BERT_VOCABULARY, 256, 12, 4, embedding_size=128)
MODERNBERT_BASE = _shape("modernbert", 50368, 768, 22, 12, 1152)
MODERNBERT_LARGE = _shape("modernbert", 50368, 1024, 28, 16, 2624)
KNOWN: dict[str, EncoderConfig] = {
    "bert-base-uncased": BERT_BASE,
    "bert-base": BERT_BASE,
    "bert-base-cased": _shape("bert", 28996, 768, 12, 12),
    "bert-base-multilingual-cased": _shape("bert", 119547, 768, 12, 12),
    "bert-large-uncased": BERT_LARGE,
    "bert-large": BERT_LARGE,
    "bert-large-cased": _shape("bert", 28996, 1024, 24, 16),
    "distilbert-base-uncased": _shape("distilbert", BERT_VOCABULARY, 768, 6, 12),
    "distilbert-base-cased": _shape("distilbert", 28996, 768, 6, 12),
    "all-minilm-l6-v2": _shape("bert", BERT_VOCABULARY, 384, 6, 12),
    "all-minilm-l12-v2": _shape("bert", BERT_VOCABULARY, 384, 12, 12),
    "roberta-base": _shape("roberta", 50265, 768, 12, 12),
    "roberta-large": _shape("roberta", 50265, 1024, 24, 16),
    "distilroberta-base": _shape("roberta", 50265, 768, 6, 12),
    "xlm-r-base": XLM_R_BASE,
    "xlm-roberta-base": XLM_R_BASE,
    "xlm-r-large": XLM_R_LARGE,
    "xlm-roberta-large": XLM_R_LARGE,
    "xlm-r-xl": XL,
    "xlm-roberta-xl": XL,
    "xlm-r-xxl": XXL,
    "xlm-roberta-xxl": XXL,
    "camembert-base": _shape("camembert", 32005, 768, 12, 12),
    "camembert-large": _shape("camembert", 32005, 1024, 24, 16),
    "mpnet-base": MPNET,
    "all-mpnet-base-v2": MPNET,
    "electra-small-discriminator": ELECTRA_SMALL,
    "electra-small-generator": ELECTRA_SMALL,
    "electra-base-discriminator": _shape("electra", BERT_VOCABULARY, 768, 12, 12),
    "electra-large-discriminator": _shape("electra", BERT_VOCABULARY, 1024, 24, 16),
    "deberta-v3-xsmall": _shape("deberta-v2", 128100, 384, 12, 6),
    "deberta-v3-small": _shape("deberta-v2", 128100, 768, 6, 12),
    "deberta-v3-base": _shape("deberta-v2", 128100, 768, 12, 12),
    "deberta-v3-large": _shape("deberta-v2", 128100, 1024, 24, 16),
    "mdeberta-v3-base": _shape("deberta-v2", 251000, 768, 12, 12),
    "modernbert-base": MODERNBERT_BASE,
    "modernbert-large": MODERNBERT_LARGE,
    "gte-modernbert-base": MODERNBERT_BASE,
    "ettin-encoder-150m": MODERNBERT_BASE,
    "mmbert-base": _shape("modernbert", 256000, 768, 22, 12, 1152),
    "mmbert-small": _shape("modernbert", 256000, 384, 22, 6, 1152),
    "gpt2": _shape("gpt2", 50257, 768, 12, 12),
    "distilgpt2": _shape("gpt2", 50257, 768, 6, 12),
    "gpt2-medium": _shape("gpt2", 50257, 1024, 24, 16),
    "gpt2-large": _shape("gpt2", 50257, 1280, 36, 20),
    "gpt2-xl": _shape("gpt2", 50257, 1600, 48, 25),
}
