"""Making one part: split off the held-out share, tokenise, pack, write its shards."""

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


def make(part: Part, recipe: Recipe, workspace: Workspace) -> dict[str, Any]:
    """Write a part's shards, then its record, which is returned."""
    sides: dict[str, list[str]] = {split: [] for split in SPLITS}
    for document in part.documents:
        sides[SPLITS[is_heldout(document, recipe.heldout)]].append(document)
    counts = np.zeros(recipe.vocabulary, np.int64)
    record: dict[str, Any] = {
        "invalid_utf8": part.invalid,
        "text_bytes": sum(map(len, part.documents)),
        **{
            split: _make_shard(part.key, split, documents, recipe, workspace, counts)
            for split, documents in sides.items()
        },
    }
    used = np.flatnonzero(counts)
    record["counts"] = [used.tolist(), counts[used].tolist()]
    workspace.finish(part.key, record)
    return record


def _make_shard(
    key: str,
    split: str,
    documents: list[str],
    recipe: Recipe,
    workspace: Workspace,
    counts: np.ndarray,
) -> dict[str, Any]:
    """Write one side's rows; adds the training tokens to `counts`."""
    dropped = Dropped()
    rule = recipe.rule
    made = list(sequences.make(documents, recipe.backend, recipe.special, rule, dropped))
    tokens, segments = packing.pack(made, rule.length, recipe.special.pad)
    real = tokens[segments > 0]
    if split == "train":
        counts += np.bincount(real, minlength=recipe.vocabulary)
    written = []
    if made:
        shard, content = shards.encode(f"{key}.arrow", tokens, segments, recipe.layout)
        workspace.write(f"{split}/{shard.file}", content)
        written = [asdict(shard)]
    return {
        "documents": len(documents),
        "sequences": len(made),
        "tokens": len(real),
        "rows": len(tokens),
        "short_sequences_dropped": dropped.short,
        "unknown_sequences_dropped": dropped.unknown,
        "shards": written,
    }
