"""BERT (Devlin et al. 2019)."""

from distil_jax.models.config import StudentRule
from distil_jax.pretrained.families import distilbert
from distil_jax.pretrained.families.family import (
    QUESTION_ANSWERING,
    SHARED_KEYS,
    Family,
    classes,
)
from distil_jax.pretrained.weights import decoder, dense, embeddings, norm

KEYS = {
    **SHARED_KEYS,
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
LAYER = "encoder.layer.{layer}"
ENCODER = (
    *embeddings(
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        "embeddings.token_type_embeddings",
        "embeddings.LayerNorm",
    ),
    *dense("layers/attention/query", f"{LAYER}.attention.self.query"),
    *dense("layers/attention/key", f"{LAYER}.attention.self.key"),
    *dense("layers/attention/value", f"{LAYER}.attention.self.value"),
    *dense("layers/attention/output", f"{LAYER}.attention.output.dense"),
    *norm("layers/attention_norm", f"{LAYER}.attention.output.LayerNorm"),
    *dense("layers/mlp_in", f"{LAYER}.intermediate.dense", outputs="mlp_size"),
    *dense("layers/mlp_out", f"{LAYER}.output.dense", inputs="mlp_size"),
    *norm("layers/mlp_norm", f"{LAYER}.output.LayerNorm"),
)

FAMILY = Family(
    model_type="bert",
    prefix="bert",
    keys=KEYS,
    encoder=ENCODER,
    heads={
        "masked_lm": (
            *dense("dense", "cls.predictions.transform.dense", prefixed=False),
            *norm("norm", "cls.predictions.transform.LayerNorm", prefixed=False),
            *decoder("cls.predictions.bias", "cls.predictions.decoder"),
        ),
        "classification": (
            *dense("dense", "pooler.dense"),
            *dense("classifier", "classifier", outputs="labels", prefixed=False),
        ),
        "question_answering": QUESTION_ANSWERING,
    },
    classes=classes("Bert"),
    classifier_dropout="classifier_dropout",
    zero_token_types=2,
    pooler="pooler.dense",
    student_rule=StudentRule(
        distilbert.FAMILY.model_type, distilbert.NORM_EPSILON, distilbert.FAMILY.head
    ),
)
