"""The teacher's softened distributions (Hinton et al. 2015; DistilBERT, section 2)."""

from typing import Any

from jaxtyping import Array

from distil_jax import losses
from distil_jax.losses import WeightedSum
from distil_jax.losses.vocabulary import soft_target_term
from distil_jax.objectives.objective import Objective, VocabularyTerm, selected_tokens


def _plain(
    student: Array, teacher: Any, labels: Array, mask: Array, temperature: Any
) -> WeightedSum:
    return losses.soft_target(student, teacher, mask, temperature=temperature)


OBJECTIVE = Objective(
    name="soft_target",
    count=selected_tokens,
    vocabulary=VocabularyTerm(soft_target_term, _plain),
    same=("vocabulary",),
    softened=True,
    standard=True,
    floor=lambda teacher: 0.0,
)
