"""A student's shape and first weights, derived from its teacher's."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from distil_jax.errors import UserError
from distil_jax.models.config import EncoderConfig
from distil_jax.models.initialization import initialize
from distil_jax.models.layer_choice import choose_layers
from distil_jax.models.types import Params


def student_from_teacher(
    config: EncoderConfig,
    params: Params,
    layers: str | Sequence[int],
    *,
    fold_token_types: bool = True,
    keep_token_types: bool = False,
    copy_head: bool = True,
    key: Key[Array, ""] | None = None,
) -> tuple[EncoderConfig, Params]:
    """Take the given layers of the teacher and its embeddings, by default without token types.

    `layers` are their numbers, or a rule of `choose_layers`, which takes half.
    With `fold_token_types` the position table takes up token type 0, so that the embedding output
    is the teacher's, bit for bit; without, the position table is copied alone (Sanh et al. 2019).
    With `keep_token_types` the table of token types is copied, and nothing is folded.
    With `copy_head=False` the transform before the decoder is drawn from `key` (seed 0 if none);
    the decoder itself always comes from the teacher. Works with and without a head. Raises
    `UserError` for a layer that the teacher lacks.
    """
    if isinstance(layers, str):
        layers = choose_layers(config.layers, layers)
    chosen = _checked(layers, config.layers)
    student_config = student_shape(config, chosen, keep_token_types=keep_token_types)
    index = jnp.asarray(chosen)
    embeddings = params["encoder"]["embeddings"]
    if not keep_token_types:
        embeddings = _without_token_types(embeddings, fold_token_types)
    student: dict[str, Any] = {
        **params,
        "encoder": {
            **params["encoder"],
            "embeddings": embeddings,
            "layers": jax.tree.map(lambda leaf: jnp.asarray(leaf)[index], _layers(params)),
        },
    }
    if "head" in params and not copy_head:
        fresh = initialize(student_config, jax.random.key(0) if key is None else key)["head"]
        parts = {name: fresh[name] for name in ("dense", "norm") if name in fresh}
        student["head"] = {**params["head"], **parts}
    return student_config, jax.tree.map(jnp.array, student)


def student_shape(
    config: EncoderConfig, layers: int | Sequence[int], *, keep_token_types: bool = False
) -> EncoderConfig:
    """The teacher's configuration with some of its layers and no token types, or the teacher's.

    `layers` are their numbers, or how many of the first. Without token types the student may
    become of another family, by the teacher's `student_rule`: BERT becomes DistilBERT, unless its
    LayerNorm epsilon is one that DistilBERT cannot express.
    """
    numbers = tuple(range(layers)) if isinstance(layers, int) else tuple(layers)
    return config.student(numbers, keep_token_types=keep_token_types)


def _layers(params: Params) -> Params:
    return params["encoder"]["layers"]


def _checked(layers: Sequence[int], available: int) -> tuple[int, ...]:
    wrong = [layer for layer in layers if not 0 <= layer < available]
    if wrong or not layers:
        raise UserError(
            f"student layers {list(layers)} are not layers of the teacher; "
            f"it has {available}, numbered 0 to {available - 1}"
        )
    return tuple(layers)


def _without_token_types(embeddings: Params, fold: bool) -> Params:
    remaining = {name: table for name, table in embeddings.items() if name != "token_types"}
    if fold and "token_types" in embeddings:
        remaining["positions"] = jnp.asarray(remaining["positions"]) + embeddings["token_types"][0]
    return remaining
