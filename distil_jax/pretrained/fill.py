"""The likeliest tokens at a text's masks."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from distil_jax.errors import UserError
from distil_jax.models import MaskedLM, output_table
from distil_jax.models.types import Batch, Params
from distil_jax.pretrained.model import Pretrained, check_vocabulary
from distil_jax.tokenizer import mask_token

LENGTH_STEP = 32  # rows are padded to a multiple, so that few lengths are compiled
TIMED_CALLS = 5


@dataclass(frozen=True)
class Candidate:
    """A token for a mask as text and as the vocabulary writes it, with its probability."""

    token: str
    probability: float
    piece: str


@dataclass(frozen=True)
class Agreement:
    """Of two models' candidates for a mask: whether the likeliest is one, and how many are."""

    first: bool
    shared: int


@dataclass(frozen=True)
class Filled:
    """Candidates for each mask of a text, best first, and the median time of a forward pass."""

    masks: tuple[tuple[Candidate, ...], ...]
    milliseconds: float


def mask_filler(pretrained: Pretrained, *, count: int) -> Callable[[str], Filled]:
    """A function that fills the masks of a text with its `count` likeliest tokens.

    It raises `UserError` for a text without the model's mask token, or one longer than its
    positions.
    """
    model, tokenizer = MaskedLM(pretrained.config, scan=True), pretrained.tokenizer
    assert tokenizer is not None
    check_vocabulary(tokenizer, pretrained.config)
    count = min(count, len(tokenizer))

    @jax.jit
    def best(
        params: Params, batch: Batch, places: Int[Array, " masks"]
    ) -> tuple[Float[Array, "masks count"], Int[Array, "masks count"]]:
        _, features = model.apply({"params": params}, batch, method="features")
        table, bias = output_table(params)
        # Rows that only pad the table stand for no token.
        scores = jax.nn.softmax((features[0, places] @ table.T + bias)[:, : len(tokenizer)])
        probabilities, tokens = jax.lax.top_k(scores, count)
        return probabilities, tokens

    def fill(text: str) -> Filled:
        ids, places = masked_places(tokenizer, pretrained.config.positions, text)
        batch = _row(pretrained, ids)
        where = np.asarray(places, np.int32)
        probabilities, tokens = jax.device_get(best(pretrained.params, batch, where))
        seconds = milliseconds(lambda: jax.block_until_ready(best(pretrained.params, batch, where)))
        return Filled(candidates(tokenizer, tokens, probabilities), seconds)

    return fill


def masked_places(tokenizer: Any, positions: int, text: str) -> tuple[list[int], list[int]]:
    """A text's ids and the places of its masks; raises `UserError` without one, or if too long."""
    mask_token(tokenizer)
    ids = tokenizer(text, truncation=False, verbose=False)["input_ids"]
    places = [place for place, token in enumerate(ids) if token == tokenizer.mask_token_id]
    if not places:
        raise UserError(f"text {text[:60]!r} has no {tokenizer.mask_token}; put one into it")
    if len(ids) > positions:
        raise UserError(
            f"text {text[:60]!r} has {len(ids)} tokens, but the model has {positions} "
            "positions; shorten it"
        )
    return ids, places


def candidates(
    tokenizer: Any,
    tokens: Int[np.ndarray, "masks count"],
    probabilities: Float[np.ndarray, "masks count"],
) -> tuple[tuple[Candidate, ...], ...]:
    """Token ids as text, with their probabilities, for each mask."""
    return tuple(
        tuple(
            Candidate(
                _readable(tokenizer, int(token)),
                float(probability),
                tokenizer.convert_ids_to_tokens(int(token)),
            )
            for token, probability in zip(*row, strict=True)
        )
        for row in zip(tokens, probabilities, strict=True)
    )


def milliseconds(call: Callable[[], object]) -> float:
    """Median wall-clock time of a call that has been made once before."""
    seconds = []
    for _ in range(TIMED_CALLS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)) * 1000


def agreement(teacher: Filled, model: Filled) -> list[Agreement]:
    """For each mask, what the two have in common."""
    return [
        Agreement(
            first=first[0].piece == second[0].piece,
            shared=len({one.piece for one in first} & {one.piece for one in second}),
        )
        for first, second in zip(teacher.masks, model.masks, strict=False)
    ]


def _row(pretrained: Pretrained, ids: Sequence[int]) -> dict[str, np.ndarray]:
    """One padded row."""
    config = pretrained.config
    length = min(-(-len(ids) // LENGTH_STEP) * LENGTH_STEP, config.positions)
    padding = (0, length - len(ids))
    tokens = np.pad(np.asarray(ids, np.int32), padding, constant_values=config.pad_token)
    segments = np.pad(np.ones(len(ids), np.int32), padding)
    return {"tokens": tokens[None], "segments": segments[None]}


def _readable(tokenizer: Any, token: int) -> str:
    """The token as text; byte-level pieces lose their marker for a space."""
    return tokenizer.decode([token]).strip() or tokenizer.convert_ids_to_tokens(token)
