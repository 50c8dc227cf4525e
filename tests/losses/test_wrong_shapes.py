"""Shapes that JAX would broadcast are refused, without the tests' own checks of shapes."""

import json
import subprocess
import sys

import pytest

SETTING = """
import json
import jax.numpy as jnp
from distil_jax import losses
from distil_jax.losses import *
x = lambda *shape: jnp.ones(shape)
i = lambda *shape: jnp.ones(shape, int)
sides = lambda *shape: Sides(x(*shape), x(*shape))
vocabulary = lambda s, t, table, labels, mask: vocabulary_losses(
    x(*s), x(*table), x(table[0]), x(*t), x(*table), x(table[0]), i(*labels), x(*mask),
    soft_scale=1.0, mlm_scale=1.0, temperature=1.0)
"""
MESSAGES = {
    "soft_target(x(2, 3, 5), x(2, 3, 5), x(3), temperature=2.0)":
        "mask [3] must have the shape [2, 3] of values",
    "soft_target(x(2, 3, 5), x(2, 3, 1), x(2, 3), temperature=2.0)":
        "teacher_logits [2, 3, 1] must have the shape [2, 3, 5] of student_logits",
    "soft_target(x(2, 5), x(2, 5), x(2), temperature=2.0, divergence='js')":
        "divergence 'js' is none of forward, reverse, jensen_shannon",
    "cosine(x(2, 3, 5), x(2, 3, 1), x(2, 3))":
        "teacher_hidden [2, 3, 1] must have the shape [2, 3, 5] of student_hidden",
    "cosine(x(2, 3, 5), x(2, 3, 5), x(2, 1))": "mask [2, 1] must have the shape [2, 3] of values",
    "hidden_mse(x(2, 3, 5), x(3, 5), x(2, 3))":
        "teacher [3, 5] must have the shape [2, 3, 5] of student",
    "normalized_mse(x(2, 3, 5), x(1, 3, 5), x(2, 3))":
        "teacher [1, 3, 5] must have the shape [2, 3, 5] of student",
    "logit_mse(x(2, 5), x(2, 1), x(2))":
        "teacher_logits [2, 1] must have the shape [2, 5] of student_logits",
    "masked_lm(x(2, 3, 5), i(1, 3))":
        "labels [1, 3] must have the shape [2, 3] of the logits' tokens",
    "vector_cosine(x(4, 5), x(1, 5), x(4))": "teacher [1, 5] must have the shape [4, 5] of student",
    "pair_mse(x(4, 5), x(4, 5), x(4, 1), x(4))":
        "scores [4, 1] must have the shape [4] of the pairs",
    "similarity_mse(x(2, 4, 5), x(1, 4, 7), x(2, 4))":
        "groups of the other [1, 4] must have the shape [2, 4] of groups",
    "similarity_kl(x(2, 4, 5), x(2, 4, 7), x(1, 4), temperature=1.0)":
        "mask [1, 4] must have the shape [2, 4] of groups",
    "contrastive(x(2, 4, 5), x(2, 4, 5), x(1, 4), temperature=1.0)":
        "mask [1, 4] must have the shape [2, 4] of groups",
    "relation_kl(sides(2, 4, 6), sides(2, 4, 6), i(4, 2), heads=3)":
        "the tokens of query or key [2, 4] must have the shape [4, 2] of segments",
    "attention_mse(sides(2, 4, 8), sides(2, 4, 8), i(2, 4), heads=3)":
        "a width of 8 is not that of 3 equal heads",
    "vocabulary((2, 3, 5), (3, 2, 5), (7, 5), (2, 3), (2, 3))":
        "labels [2, 3] must have the shape [3, 2] of the tokens of teacher_hidden",
    "vocabulary((2, 3, 5), (2, 3, 5), (7, 5), (2, 3), (6,))":
        "mask [6] must have the shape [2, 3] of the tokens of student_hidden",
    "vocabulary((2, 3, 5), (2, 3, 5), (7, 4), (2, 3), (2, 3))":
        "student_table [7, 4] must have the shape [7, 5] of student_bias and student_hidden",
}  # fmt: skip


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What each of these calls raises in a program of its own."""
    code = SETTING + (
        f"found = {{}}\nfor call in {list(MESSAGES)!r}:\n"
        "    try:\n        found[call] = str(eval(call))\n"
        "    except ValueError as error:\n        found[call] = str(error)\n"
        "print(json.dumps(found))"
    )
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("call", MESSAGES)
def test_a_wrong_shape_is_named(call: str, said: dict[str, str]) -> None:
    assert said[call] == MESSAGES[call]
