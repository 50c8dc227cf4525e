"""Squared distance of the logits: the `alpha_mse` term of DistilBERT's scripts."""

from typing import Any

from jaxtyping import Array

from distil_jax import losses
from distil_jax.losses import WeightedSum
from distil_jax.losses.vocabulary import logit_mse_term
from distil_jax.objectives.objective import Objective, VocabularyTerm, selected_tokens


def _plain(
    student: Array, teacher: Any, labels: Array, mask: Array, temperature: Any
) -> WeightedSum:
    return losses.logit_mse(student, teacher, mask)


OBJECTIVE = Objective(
    name="logit_mse",
    count=selected_tokens,
    vocabulary=VocabularyTerm(logit_mse_term, _plain),
    same=("vocabulary",),
)
