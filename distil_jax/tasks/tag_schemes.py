"""Tags of entities, a word each: BIO (IOB2), IOB1, IOE, BIOES and IO are read, BIO is written.

Entities end as conlleval and seqeval end them: with a tag of another type, with O, with an end, or
with the beginning of the next one; so one reader serves all of these.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

OUTSIDE = "O"
TAG = re.compile(r"([BIESLUM])[-_](.+)", re.IGNORECASE | re.DOTALL)
NO_TYPE = re.compile(r"\d*|label_\d+", re.IGNORECASE)
PREFIXES = {"L": "E", "U": "S", "M": "I"}
"""BILOU's and BMES's names of BIOES's prefixes."""


@dataclass(frozen=True, order=True)
class Entity:
    """Words `first` to `last`, exclusive, of a sentence."""

    first: int
    last: int
    type: str


def parse(tag: str) -> tuple[str, str]:
    """Prefix (B, I, E, S or O) and type; raises `ValueError` for what is no tag."""
    tag = tag.strip()
    if tag.upper() == OUTSIDE:
        return OUTSIDE, ""
    match = TAG.fullmatch(tag)
    if match is None:
        raise ValueError(tag)
    prefix = match[1].upper()
    return PREFIXES.get(prefix, prefix), match[2]


def with_prefixes(tags: Collection[str]) -> dict[str, str]:
    """By each tag what it is read as: itself, or with I- where all but O are types alone.

    So are PER and LOC; tags of parts of speech, which have no O, are not, and neither are numbers.
    """
    types = {tag for tag in tags if tag.strip().upper() != OUTSIDE}
    others = (TAG.fullmatch(tag.strip()) or NO_TYPE.fullmatch(tag.strip()) for tag in types)
    alone = len(types) < len({*tags}) and not any(others)
    return {tag: f"I-{tag.strip()}" if alone and tag in types else tag for tag in tags}


def entities(tags: Iterable[str]) -> list[Entity]:
    """The entities of a sentence's tags, whichever scheme they are of."""
    found: list[Entity] = []
    first, kind, place = -1, "", -1
    for place, tag in enumerate(tags):
        prefix, named = parse(tag)
        if first >= 0 and not (prefix in ("I", "E") and named == kind):
            found.append(Entity(first, place, kind))
            first = -1
        if prefix != OUTSIDE and first < 0:
            first, kind = place, named
        if prefix in ("E", "S"):
            found.append(Entity(first, place + 1, kind))
            first = -1
    if first >= 0:
        found.append(Entity(first, place + 1, kind))
    return found


def bio(found: Iterable[Entity], words: int) -> list[str]:
    """BIO tags of a sentence of so many words."""
    tags = [OUTSIDE] * words
    for entity in found:
        tags[entity.first] = f"B-{entity.type}"
        for place in range(entity.first + 1, entity.last):
            tags[place] = f"I-{entity.type}"
    return tags


def labels(types: Iterable[str]) -> tuple[str, ...]:
    """O, then the BIO tags of each type, in order."""
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in sorted(set(types)) for prefix in "BI"))


def are_bioes(tags: Iterable[str]) -> bool:
    """Whether entities both begin and end with tags of their own."""
    prefixes = {parse(tag)[0] for tag in tags}
    return "S" in prefixes or {"B", "E"} <= prefixes


def first_broken(tags: Sequence[str]) -> int | None:
    """The first tag of a BIOES sentence that cannot follow the one before it; None without one."""
    opened = ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = parse(tag)
        continues = prefix in ("I", "E")
        if continues != bool(opened) or (continues and kind != opened):
            return min(place, len(tags) - 1)
        opened = kind if prefix in ("B", "I") else ""
    return None
