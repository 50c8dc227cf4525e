"""How byte-pair encoding makes a token (Sennrich et al. 2016)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

Ranks = Mapping[tuple[str, str], int]


def ranks(model: Mapping[str, Any]) -> Ranks:
    """The place of each merge in a tokenizer.json's model: the first comes first."""
    return {pair(merge): rank for rank, merge in enumerate(model["merges"])}


def pair(merge: Any) -> tuple[str, str]:
    """The two parts, which older files write as one text with a blank between them."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def made_of(token: str, order: Ranks, suffix: str = "") -> set[str]:
    """All tokens that merging makes of its characters on the way to `token`, which is one of them.

    In a text that has the token these very merges are made, whatever stands around it: one that
    crossed its ends would have left no such token. `suffix` marks the last character of a word.
    """
    body = token.removesuffix(suffix) if suffix else token
    parts = list(body)
    if parts and body != token:
        parts[-1] += suffix
    seen = set(parts)
    while len(parts) > 1:
        pairs = list(pairwise(parts))
        place = min(range(len(pairs)), key=lambda index: order.get(pairs[index], len(order)))
        if pairs[place] not in order:
            break
        parts[place : place + 2] = ["".join(pairs[place])]
        seen.add(parts[place])
    return seen
