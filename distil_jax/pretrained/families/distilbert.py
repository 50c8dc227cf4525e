"""DistilBERT (Sanh et al. 2019): BERT without token types, under names of its own."""

from distil_jax.models.config import HeadOptions
from distil_jax.pretrained.families.family import (
    QUESTION_ANSWERING,
    SHARED_KEYS,
    Family,
    classes,
)
from distil_jax.pretrained.weights import decoder, dense, embeddings, norm

NORM_EPSILON = 1e-12
LAYER = "transformer.layer.{layer}"

FAMILY = Family(
    model_type="distilbert",
    prefix="distilbert",
    keys={
        **SHARED_KEYS,
        "hidden_size": ("dim", 768),
        "layers": ("n_layers", 6),
        "heads": ("n_heads", 12),
        "mlp_size": ("hidden_dim", 3072),
        "activation": ("activation", "gelu"),
        "dropout": ("dropout", 0.1),
        "attention_dropout": ("attention_dropout", 0.1),
    },
    fixed_keys={"sinusoidal_pos_embds": False},
    encoder=(
        *embeddings(
            "embeddings.word_embeddings",
            "embeddings.position_embeddings",
            "embeddings.token_type_embeddings",
            "embeddings.LayerNorm",
        ),
        *dense("layers/attention/query", f"{LAYER}.attention.q_lin"),
        *dense("layers/attention/key", f"{LAYER}.attention.k_lin"),
        *dense("layers/attention/value", f"{LAYER}.attention.v_lin"),
        *dense("layers/attention/output", f"{LAYER}.attention.out_lin"),
        *norm("layers/attention_norm", f"{LAYER}.sa_layer_norm"),
        *dense("layers/mlp_in", f"{LAYER}.ffn.lin1", outputs="mlp_size"),
        *dense("layers/mlp_out", f"{LAYER}.ffn.lin2", inputs="mlp_size"),
        *norm("layers/mlp_norm", f"{LAYER}.output_layer_norm"),
    ),
    heads={
        "masked_lm": (
            *dense("dense", "vocab_transform", prefixed=False),
            *norm("norm", "vocab_layer_norm", prefixed=False),
            *decoder("vocab_projector.bias", "vocab_projector"),
        ),
        "classification": (
            *dense("dense", "pre_classifier", prefixed=False),
            *dense("classifier", "classifier", outputs="labels", prefixed=False),
        ),
        "question_answering": QUESTION_ANSWERING,
    },
    classes=classes("DistilBert"),
    classifier_dropout="seq_classif_dropout",
    head=HeadOptions(
        classifier_activation="relu",
        classifier_dropout=0.2,
        token_classifier_dropout=False,
        question_answering_dropout=True,
    ),
    only={"norm_epsilon": NORM_EPSILON, "token_types": 0},
    wider="bert",
)
