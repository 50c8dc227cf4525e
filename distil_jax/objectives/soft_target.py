"""The teacher's softened distributions (Hinton et al. 2015; DistilBERT, section 2).

By option another divergence, or the teacher's likeliest tokens with all others as one bucket.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxtyping import Array

from distil_jax import losses
from distil_jax.losses import WeightedSum
from distil_jax.losses.vocabulary import divergence_term, soft_target_term
from distil_jax.objectives.objective import Objective, VocabularyTerm, selected_tokens


def _plain(
    student: Array, teacher: Any, labels: Array, mask: Array, temperature: Any
) -> WeightedSum:
    return losses.soft_target(student, teacher, mask, temperature=temperature)


def _with_options(options: Mapping[str, Any]) -> Objective:
    divergence, top_k = options["divergence"], options["top_k"]
    if divergence == "forward" and not top_k:
        return OBJECTIVE
    term = VocabularyTerm(divergence_term(divergence, top_k))
    return dataclasses.replace(OBJECTIVE, vocabulary=term)


OBJECTIVE = Objective(
    name="soft_target",
    count=selected_tokens,
    vocabulary=VocabularyTerm(soft_target_term, _plain),
    same=("vocabulary",),
    softened=True,
    standard=True,
    floor=lambda teacher: 0.0,
    configure=_with_options,
)
