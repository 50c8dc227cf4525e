"""Distillation objectives: one file each, and the table of them.

An `Objective` says what it needs of student and teacher, how many terms it averages over, and how
its sum is computed; step, validation, health, plans and reports read that, and name none of them.
Names, default weights and labels are in `configuration.objective_table`, which needs no JAX.
"""

from distil_jax.objectives.objective import (
    Inputs,
    MaskedLMOutput,
    Objective,
    Outputs,
    SeveralOutputs,
    StoredDistributions,
    VocabularyTerm,
    all_tokens,
    labelled_tokens,
    selected_tokens,
)
from distil_jax.objectives.sums import Requests, losses_of, requests_of, vocabulary_teacher
from distil_jax.objectives.table import active, get, measured, register, unregister

__all__ = [
    "Inputs",
    "MaskedLMOutput",
    "Objective",
    "Outputs",
    "Requests",
    "SeveralOutputs",
    "StoredDistributions",
    "VocabularyTerm",
    "active",
    "all_tokens",
    "get",
    "labelled_tokens",
    "losses_of",
    "measured",
    "register",
    "requests_of",
    "selected_tokens",
    "unregister",
    "vocabulary_teacher",
]
