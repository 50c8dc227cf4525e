"""Masked language modelling (Devlin et al. 2018, section 3.1); it needs no teacher."""

from typing import Any

from jaxtyping import Array

from distil_jax import losses
from distil_jax.losses import WeightedSum
from distil_jax.losses.vocabulary import masked_lm_term
from distil_jax.objectives.objective import Objective, VocabularyTerm, labelled_tokens


def _plain(
    student: Array, teacher: Any, labels: Array, mask: Array, temperature: Any
) -> WeightedSum:
    return losses.masked_lm(student, labels)


OBJECTIVE = Objective(
    name="masked_lm",
    count=labelled_tokens,
    vocabulary=VocabularyTerm(masked_lm_term, _plain),
    needs_teacher=False,
    standard=True,
    # A student that is trained for long may go below its teacher.
    floor=lambda teacher: teacher.get("masked_lm"),
    causal=False,
)
