"""RoBERTa (Liu et al. 2019): BERT's encoder with other positions and heads."""

from distil_jax.models.config import HeadOptions
from distil_jax.pretrained.families import bert
from distil_jax.pretrained.families.family import (
    QUESTION_ANSWERING,
    Family,
    behind_padding,
    classes,
)
from distil_jax.pretrained.weights import decoder, dense, norm

FAMILY = Family(
    model_type="roberta",
    prefix="roberta",
    keys={**bert.KEYS, "vocabulary": ("vocab_size", 50265), "pad_token": ("pad_token_id", 1)},
    fixed_keys={"bos_token_id": 0, "eos_token_id": 2},
    encoder=bert.ENCODER,
    heads={
        "masked_lm": (
            *dense("dense", "lm_head.dense", prefixed=False),
            *norm("norm", "lm_head.layer_norm", prefixed=False),
            *decoder("lm_head.bias", "lm_head.decoder"),
        ),
        "classification": (
            *dense("dense", "classifier.dense", prefixed=False),
            *dense("classifier", "classifier.out_proj", outputs="labels", prefixed=False),
        ),
        "question_answering": QUESTION_ANSWERING,
    },
    classes=classes("Roberta"),
    classifier_dropout="classifier_dropout",
    token_keys=("bos_token_id", "eos_token_id"),
    position_offset=behind_padding,
    zero_token_types=1,
    # Its masked-LM head has the exact GELU, whatever the layers have.
    head=HeadOptions(transform_activation="gelu", classifier_input_dropout=True),
)
