"""Which tokens a smaller vocabulary keeps, so that text without the others reads as before."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from distil_jax.errors import UserError
from distil_jax.tokenizer.merges import made_of, ranks
from distil_jax.tokenizer.special import special_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Kept = Int[np.ndarray, " kept"]
"""Token ids of the whole vocabulary, ascending: the smaller one's are their places here."""
Needs = Callable[[int], frozenset[int]]
MODELS = ("WordPiece", "BPE", "Unigram")


def frequent_tokens(
    tokenizer: "PreTrainedTokenizerFast", counts: Int[np.ndarray, " vocabulary"], size: int
) -> Kept:
    """`size` ids: those that every vocabulary needs, then the most frequent by `counts`.

    Needed are special and added tokens, and all single characters or bytes, which any word is
    made of that is in no larger piece. A BPE token comes with those that it is merged from. Of
    tokens as frequent, the first in the vocabulary comes first. Raises `UserError` for a `size`
    that cannot be.
    """
    state = _state(tokenizer)
    kept = _needed(state, tokenizer)
    if not len(kept) <= size < len(tokenizer):
        raise UserError(
            f"a vocabulary of {size} tokens cannot be made from this one of {len(tokenizer)}; give "
            f"a size from {len(kept)}, its special tokens and single characters, to "
            f"{len(tokenizer) - 1}"
        )
    order = np.argsort(-counts[: len(tokenizer)], kind="stable")
    needs = _needs(state, tokenizer.get_vocab())
    for token in map(int, order):
        if len(kept) == size:
            break
        more = frozenset() if token in kept else needs(token) - kept
        if len(kept) + len(more) <= size:
            kept |= more
    return np.asarray(sorted(kept))


def listed_tokens(tokenizer: "PreTrainedTokenizerFast", tokens: Iterable[str], source: str) -> Kept:
    """The ids of these tokens and of what every vocabulary needs; raises `UserError` for others."""
    state, numbers = _state(tokenizer), tokenizer.get_vocab()
    kept, needs = _needed(state, tokenizer), _needs(state, numbers)
    for place, token in enumerate(tokens, start=1):
        if token not in numbers:
            raise UserError(
                f"{source}, token {place}: {token!r} is not in the vocabulary of "
                f"{len(tokenizer)} tokens; list its own tokens, one a line"
            )
        if numbers[token] not in kept:
            kept |= needs(numbers[token])
    if len(kept) >= len(tokenizer):
        raise UserError(f"{source} keeps all {len(tokenizer)} tokens; list fewer")
    return np.asarray(sorted(kept))


def _state(tokenizer: "PreTrainedTokenizerFast") -> dict[str, Any]:
    state: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    model = state["model"]
    marked = model["type"] == "BPE" and model.get("continuing_subword_prefix")
    if model["type"] not in MODELS or marked:
        kind = f"BPE (continuing_subword_prefix {marked!r})" if marked else model["type"]
        raise UserError(
            f"a {kind} vocabulary cannot be made smaller; use a tokenizer of {', '.join(MODELS)}"
        )
    return state


def _needed(state: Mapping[str, Any], tokenizer: "PreTrainedTokenizerFast") -> set[int]:
    model = state["model"]
    added = {int(token["id"]) for token in state["added_tokens"]}
    single = {number for token, number in tokenizer.get_vocab().items() if _is_single(token, model)}
    return {*special_ids(tokenizer).every, *added, *single}


def _is_single(token: str, model: Mapping[str, Any]) -> bool:
    """Whether it is one character or byte, at the beginning, inside or at the end of a word."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return True
    prefix, suffix = (
        model.get(key) or "" for key in ("continuing_subword_prefix", "end_of_word_suffix")
    )
    return len(token.removeprefix(prefix)) == 1 or len(token.removesuffix(suffix)) == 1


def _needs(state: Mapping[str, Any], numbers: Mapping[str, int]) -> Needs:
    """What a token needs besides itself: of BPE, all that merging makes on the way to it."""
    model = state["model"]
    if model["type"] != "BPE":
        return lambda token: frozenset({token})
    order, names = ranks(model), _names(numbers)
    suffix = model.get("end_of_word_suffix") or ""

    def needs(token: int) -> frozenset[int]:
        parts = made_of(names[token], order, suffix)
        return frozenset({token, *(numbers[part] for part in parts if part in numbers)})

    return needs


def _names(numbers: Mapping[str, int]) -> Sequence[str]:
    names = [""] * (max(numbers.values()) + 1)
    for token, number in numbers.items():
        names[number] = token
    return names
