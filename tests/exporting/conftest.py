"""Tiny random models of every type and head, no parameter at its neutral first value."""

from collections.abc import Callable

import jax
import numpy as np
import pytest

from distil_jax import models, tokenizer
from distil_jax.models.block import Block
from distil_jax.pretrained import Pretrained
from distil_jax.pretrained.families import make_config

OWN = {
    "bert": {"token_types": 2},
    "distilbert": {},
    "roberta": {"token_types": 1, "position_offset": 2, "pad_token": 1, "norm_epsilon": 1e-5},
    "xlm-roberta": {"token_types": 1, "position_offset": 2, "pad_token": 1, "norm_epsilon": 1e-5},
    "mpnet": {"position_offset": 2, "pad_token": 1, "norm_epsilon": 1e-5},
    "deberta-v2": {
        "norm_epsilon": 1e-7,
        "block": Block(relative_span=6, relative_reach=20, position_table=False),
    },
}


@pytest.fixture(scope="session")
def make(teacher_folder) -> Callable[..., Pretrained]:
    """A function from a model type, a head and fields of the configuration to a model."""
    opened = tokenizer.load(teacher_folder)

    def make(model_type: str, head: str | None = "masked_lm", **fields) -> Pretrained:
        settings = {
            "vocabulary": len(opened),
            "hidden_size": 16,
            "layers": 2,
            "heads": 2,
            "mlp_size": 24,
        }
        config = make_config(
            model_type=model_type, positions=20, **(settings | OWN[model_type] | fields)
        )
        modules = {
            "masked_lm": models.MaskedLM(config),
            "classification": models.SequenceClassification(config, 3),
            "question_answering": models.QuestionAnswering(config),
            "token_classification": models.TokenClassification(config, 3),
            None: models.MaskedLM(config),
        }
        params = models.initialize_module(modules[head], jax.random.key(0))
        draw = np.random.default_rng(0)
        params = jax.tree.map(
            lambda leaf: np.asarray(leaf) + draw.normal(0, 0.2, leaf.shape).astype(np.float32),
            params,
        )
        labels = ("a", "b", "c") if head and "classification" in head else ()
        return Pretrained(config, params, head, labels, opened)

    return make


@pytest.fixture(scope="session")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Token ids and their mask: three lengths, padded behind."""
    tokens = np.random.default_rng(1).integers(5, 60, (3, 14))
    return tokens, np.arange(14)[None] < np.asarray([[14], [9], [3]])
