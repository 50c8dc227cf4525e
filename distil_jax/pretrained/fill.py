"""The likeliest tokens at a text's masks."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig, numpy_forward
from distil_jax.pretrained.model import Pretrained, check_vocabulary
from distil_jax.tokenizer import mask_token

TIMED_CALLS = 5
MaskedLogits = Callable[[Sequence[int], Sequence[int]], np.ndarray]
"""From the tokens of a text and the places of its masks to logits [masks, vocabulary]."""


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


def mask_filler(
    pretrained: Pretrained, *, count: int, compiled: bool = False
) -> Callable[[str], Filled]:
    """A function that fills the masks of a text with its `count` likeliest tokens.

    A NumPy forward pass answers, or with `compiled`, and for layers that NumPy's has not, a
    compiled program. It raises `UserError` for a text without the model's mask token, or one
    longer than its positions.
    """
    if compiled or not numpy_forward.supports(pretrained.config):
        from distil_jax.pretrained.fill_program import compiled_logits

        logits = compiled_logits(pretrained.config, pretrained.params)
    else:
        params = in_numpy(pretrained.params)
        logits = partial(numpy_forward.masked_logits, pretrained.config, params)
    return filler(pretrained.tokenizer, pretrained.config, logits, count=count)


def filler(
    tokenizer: Any, config: EncoderConfig, logits: MaskedLogits, *, count: int
) -> Callable[[str], Filled]:
    """The same of a function from a text's tokens and its masks' places to their logits."""
    check_vocabulary(tokenizer, config)

    def fill(text: str) -> Filled:
        ids, places = masked_places(tokenizer, config.positions, text)
        # Rows that only pad the table stand for no token.
        scores = logits(ids, places)[:, : len(tokenizer)].astype(np.float64)
        tokens = np.argsort(-scores, axis=-1, kind="stable")[:, :count]
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        best = np.take_along_axis(shares, tokens, axis=-1)
        seconds = milliseconds(lambda: logits(ids, places))
        return Filled(candidates(tokenizer, tokens, best), seconds)

    return fill


def in_numpy(params: Any) -> Any:
    """A tree of parameters as NumPy's arrays."""
    if isinstance(params, Mapping):
        return {name: in_numpy(value) for name, value in params.items()}
    return np.asarray(params)


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


def _readable(tokenizer: Any, token: int) -> str:
    """The token as text; byte-level pieces lose their marker for a space."""
    return tokenizer.decode([token]).strip() or tokenizer.convert_ids_to_tokens(token)
