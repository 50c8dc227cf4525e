"""The weight-name table: where each tensor of a Hugging Face folder lives in the parameters.

Loading and saving both read it. A name is without the family's prefix; `{layer}` in it marks a
tensor that each layer has, and that the parameters stack along a leading axis.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from distil_jax.models import EncoderConfig


@dataclass(frozen=True)
class Weight:
    """One tensor: its path in the parameters, its name in the folder, its shape in dimension names.

    The shape is the parameters'; a transposed weight is stored the other way round. `aliases` are
    other names that some folders use, tried before `name`. `prefixed` weights belong to the
    encoder, and carry the family's prefix in folders with a head.
    """

    path: str
    name: str
    shape: tuple[str, ...]
    transposed: bool = False
    aliases: tuple[str, ...] = ()
    prefixed: bool = True

    @property
    def layered(self) -> bool:
        """Whether each layer has one."""
        return "{layer}" in self.name


def dense(
    path: str,
    name: str,
    inputs: str = "hidden_size",
    outputs: str = "hidden_size",
    prefixed: bool = True,
) -> tuple[Weight, ...]:
    """Kernel and bias of a linear map; the folder stores the kernel as [out, in]."""
    return (
        Weight(f"{path}/kernel", f"{name}.weight", (inputs, outputs), True, prefixed=prefixed),
        Weight(f"{path}/bias", f"{name}.bias", (outputs,), prefixed=prefixed),
    )


def norm(path: str, name: str, prefixed: bool = True) -> tuple[Weight, ...]:
    """Scale and bias of a LayerNorm; TensorFlow's names for them were gamma and beta."""
    return tuple(
        Weight(
            f"{path}/{ours}",
            f"{name}.{theirs}",
            ("hidden_size",),
            False,
            (f"{name}.{old}",),
            prefixed,
        )
        for ours, theirs, old in (("scale", "weight", "gamma"), ("bias", "bias", "beta"))
    )


def decoder(bias: str, decoder: str) -> tuple[Weight, ...]:
    """The decoder's bias, which may be stored again as the decoder's own, and its untied table."""
    own = f"{decoder}.bias"
    return (
        Weight("bias", bias, ("vocabulary",), False, () if bias == own else (own,), False),
        Weight("table", f"{decoder}.weight", ("vocabulary", "hidden_size"), prefixed=False),
    )


FAMILIES = {
    "bert": "bert",
    "distilbert": "distilbert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
}

TOKEN_TYPES = Weight(
    "embeddings/token_types",
    "embeddings.token_type_embeddings.weight",
    ("token_types", "hidden_size"),
)

EMBEDDINGS = (
    Weight("embeddings/tokens", "embeddings.word_embeddings.weight", ("vocabulary", "hidden_size")),
    Weight(
        "embeddings/positions",
        "embeddings.position_embeddings.weight",
        ("position_rows", "hidden_size"),
    ),
    *norm("embeddings/norm", "embeddings.LayerNorm"),
)

BERT_LAYER = (
    *dense("layers/attention/query", "encoder.layer.{layer}.attention.self.query"),
    *dense("layers/attention/key", "encoder.layer.{layer}.attention.self.key"),
    *dense("layers/attention/value", "encoder.layer.{layer}.attention.self.value"),
    *dense("layers/attention/output", "encoder.layer.{layer}.attention.output.dense"),
    *norm("layers/attention_norm", "encoder.layer.{layer}.attention.output.LayerNorm"),
    *dense("layers/mlp_in", "encoder.layer.{layer}.intermediate.dense", outputs="mlp_size"),
    *dense("layers/mlp_out", "encoder.layer.{layer}.output.dense", inputs="mlp_size"),
    *norm("layers/mlp_norm", "encoder.layer.{layer}.output.LayerNorm"),
)

DISTILBERT_LAYER = (
    *dense("layers/attention/query", "transformer.layer.{layer}.attention.q_lin"),
    *dense("layers/attention/key", "transformer.layer.{layer}.attention.k_lin"),
    *dense("layers/attention/value", "transformer.layer.{layer}.attention.v_lin"),
    *dense("layers/attention/output", "transformer.layer.{layer}.attention.out_lin"),
    *norm("layers/attention_norm", "transformer.layer.{layer}.sa_layer_norm"),
    *dense("layers/mlp_in", "transformer.layer.{layer}.ffn.lin1", outputs="mlp_size"),
    *dense("layers/mlp_out", "transformer.layer.{layer}.ffn.lin2", inputs="mlp_size"),
    *norm("layers/mlp_norm", "transformer.layer.{layer}.output_layer_norm"),
)

LAYERS = {"bert": BERT_LAYER, "roberta": BERT_LAYER, "distilbert": DISTILBERT_LAYER}

SPAN = dense("outputs", "qa_outputs", outputs="two", prefixed=False)

HEADS: Mapping[tuple[str, str], tuple[Weight, ...]] = {
    ("bert", "masked_lm"): (
        *dense("dense", "cls.predictions.transform.dense", prefixed=False),
        *norm("norm", "cls.predictions.transform.LayerNorm", prefixed=False),
        *decoder("cls.predictions.bias", "cls.predictions.decoder"),
    ),
    ("distilbert", "masked_lm"): (
        *dense("dense", "vocab_transform", prefixed=False),
        *norm("norm", "vocab_layer_norm", prefixed=False),
        *decoder("vocab_projector.bias", "vocab_projector"),
    ),
    ("roberta", "masked_lm"): (
        *dense("dense", "lm_head.dense", prefixed=False),
        *norm("norm", "lm_head.layer_norm", prefixed=False),
        *decoder("lm_head.bias", "lm_head.decoder"),
    ),
    ("bert", "classification"): (
        *dense("dense", "pooler.dense"),
        *dense("classifier", "classifier", outputs="labels", prefixed=False),
    ),
    ("distilbert", "classification"): (
        *dense("dense", "pre_classifier", prefixed=False),
        *dense("classifier", "classifier", outputs="labels", prefixed=False),
    ),
    ("roberta", "classification"): (
        *dense("dense", "classifier.dense", prefixed=False),
        *dense("classifier", "classifier.out_proj", outputs="labels", prefixed=False),
    ),
    ("bert", "span"): SPAN,
    ("distilbert", "span"): SPAN,
    ("roberta", "span"): SPAN,
}

ARCHITECTURES = {
    ("bert", None): "BertModel",
    ("bert", "masked_lm"): "BertForMaskedLM",
    ("bert", "classification"): "BertForSequenceClassification",
    ("bert", "span"): "BertForQuestionAnswering",
    ("distilbert", None): "DistilBertModel",
    ("distilbert", "masked_lm"): "DistilBertForMaskedLM",
    ("distilbert", "classification"): "DistilBertForSequenceClassification",
    ("distilbert", "span"): "DistilBertForQuestionAnswering",
    ("roberta", None): "RobertaModel",
    ("roberta", "masked_lm"): "RobertaForMaskedLM",
    ("roberta", "classification"): "RobertaForSequenceClassification",
    ("roberta", "span"): "RobertaForQuestionAnswering",
    ("xlm-roberta", None): "XLMRobertaModel",
    ("xlm-roberta", "masked_lm"): "XLMRobertaForMaskedLM",
    ("xlm-roberta", "classification"): "XLMRobertaForSequenceClassification",
    ("xlm-roberta", "span"): "XLMRobertaForQuestionAnswering",
}


def encoder_weights(config: EncoderConfig) -> tuple[Weight, ...]:
    """The encoder's tensors in a folder of the configuration's type."""
    types = (TOKEN_TYPES,) if config.token_types else ()
    return (*EMBEDDINGS, *types, *LAYERS[FAMILIES[config.model_type]])


def sizes(config: EncoderConfig, labels: int) -> dict[str, int]:
    """The value of each dimension name."""
    return {
        "vocabulary": config.vocabulary,
        "hidden_size": config.hidden_size,
        "mlp_size": config.mlp_size,
        "position_rows": config.positions + config.position_offset,
        "token_types": config.token_types,
        "labels": labels,
        "two": 2,
    }
