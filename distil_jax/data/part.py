"""Making one part in three stages: split off the held-out share, tokenise, pack and write."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from distil_jax import tokenizer as tokenizers
from distil_jax.data import packing, sequences, shards
from distil_jax.data.heldout import is_heldout
from distil_jax.data.manifest import SPLITS
from distil_jax.data.parts import Part
from distil_jax.data.sequences import Dropped, Rule
from distil_jax.data.workspace import Workspace
from distil_jax.tokenizer import SpecialIds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Recipe:
    """What turns documents into rows."""

    backend: Tokenizer
    special: SpecialIds
    vocabulary: int
    rule: Rule
    heldout: float
    layout: shards.Layout


def recipe(tokenizer: "PreTrainedTokenizerFast", rule: Rule, heldout: float) -> Recipe:
    """The recipe of a tokenizer and a rule."""
    return Recipe(
        backend=sequences.bare_backend(tokenizer),
        special=tokenizers.special_ids(tokenizer),
        vocabulary=len(tokenizer),
        rule=rule,
        heldout=heldout,
        layout=shards.layout(rule.length, len(tokenizer), rule.shortest_tokens),
    )


@dataclass(frozen=True)
class Side:
    """One split's share of a part: how many documents, and the sequences that stay of them."""

    documents: int
    sequences: list[np.ndarray]
    dropped: Dropped


@dataclass(frozen=True)
class Tokenised:
    """A part whose text has become sequences."""

    key: str
    text_bytes: int
    invalid: int
    sides: dict[str, Side]


def divide(part: Part, heldout: float) -> dict[str, list[str]]:
    """A part's documents by split."""
    sides: dict[str, list[str]] = {split: [] for split in SPLITS}
    for document in part.documents:
        sides[SPLITS[is_heldout(document, heldout)]].append(document)
    return sides


def tokenise(part: Part, divided: dict[str, list[str]], recipe: Recipe) -> Tokenised:
    """The sequences of both sides."""
    text_bytes = sum(len(document.encode("utf-8", "replace")) for document in part.documents)
    sides = {split: _side(documents, recipe) for split, documents in divided.items()}
    return Tokenised(part.key, text_bytes, part.invalid, sides)


def write(part: Tokenised, recipe: Recipe, workspace: Workspace) -> dict[str, Any]:
    """Pack the sequences and write the part's shards, then its record, which is returned."""
    counts = np.zeros(recipe.vocabulary, np.int64)
    record: dict[str, Any] = {
        "invalid_utf8": part.invalid,
        "text_bytes": part.text_bytes,
        **{
            split: _write_shard(part.key, split, side, recipe, workspace, counts)
            for split, side in part.sides.items()
        },
    }
    used = np.flatnonzero(counts)
    record["counts"] = [used.tolist(), counts[used].tolist()]
    workspace.finish(part.key, record)
    return record


def _side(documents: list[str], recipe: Recipe) -> Side:
    dropped = Dropped()
    made = sequences.make(documents, recipe.backend, recipe.special, recipe.rule, dropped)
    return Side(len(documents), made, dropped)


def _write_shard(
    key: str,
    split: str,
    side: Side,
    recipe: Recipe,
    workspace: Workspace,
    counts: np.ndarray,
) -> dict[str, Any]:
    """Write one side's rows; adds the training tokens to `counts`."""
    tokens, segments = packing.pack(side.sequences, recipe.rule.length, recipe.special.pad)
    real = tokens[segments > 0]
    if split == "train":
        counts += np.bincount(real, minlength=recipe.vocabulary)
    written = []
    if side.sequences:
        shard, content = shards.encode(f"{key}.arrow", tokens, segments, recipe.layout)
        workspace.write(f"{split}/{shard.file}", content)
        written = [asdict(shard)]
    return {
        "documents": side.documents,
        "sequences": len(side.sequences),
        "tokens": len(real),
        "rows": len(tokens),
        "short_sequences_dropped": side.dropped.short,
        "unknown_sequences_dropped": side.dropped.unknown,
        "shards": written,
    }
