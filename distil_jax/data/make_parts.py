"""Making the parts of a prepared folder: read, split off validation, tokenise, pack, write."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from distil_jax import tokenizer as tokenizers
from distil_jax.data import corpus, packing, parts, sequences, shards
from distil_jax.data.manifest import SPLITS
from distil_jax.data.parts import Part, ShardSpec
from distil_jax.data.prefetch import pipelined_map, prefetch
from distil_jax.data.prepare_progress import PrepareProgress
from distil_jax.data.sequences import Dropped, Rule
from distil_jax.data.validation_split import in_validation
from distil_jax.storage.workspace import Workspace
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
    validation_share: float
    layout: shards.Layout
    pairs: bool = False


@dataclass(frozen=True)
class Job:
    """What is to be prepared, settled before anything is written.

    Attributes:
      part_bytes: of text that go into a part.
      settings: what decides the content of the output, as JSON.
    """

    sources: tuple[corpus.Source, ...]
    part_bytes: int
    recipe: Recipe
    settings: dict[str, Any]


@dataclass(frozen=True)
class SplitPart:
    """One split's share of a part: how many documents, and the sequences that stay of them."""

    documents: int
    sequences: list[np.ndarray]
    dropped: Dropped


@dataclass(frozen=True)
class TokenisedPart:
    """A part whose text has become sequences."""

    key: str
    text_bytes: int
    invalid: int
    splits: dict[str, SplitPart]


Engine = Callable[[Job, Workspace, PrepareProgress], Sequence[str]]
"""Makes all parts of a job but those made before; returns the keys of all of them."""


def make_recipe(
    tokenizer: "PreTrainedTokenizerFast",
    rule: Rule,
    validation_share: float,
    *,
    pairs: bool = False,
) -> Recipe:
    """The recipe of a tokenizer and a rule; `pairs`: a document is two texts."""
    return Recipe(
        backend=sequences.bare_backend(tokenizer),
        special=tokenizers.special_ids(tokenizer),
        vocabulary=len(tokenizer),
        rule=rule,
        validation_share=validation_share,
        layout=shards.layout(rule.length, len(tokenizer), rule.shortest_tokens),
        pairs=pairs,
    )


def make_parts(
    job: Job,
    workspace: Workspace,
    progress: PrepareProgress,
    *,
    shard_index: int = 0,
    shard_count: int = 1,
) -> list[str]:
    """Make one process's parts but those made before; returns the keys of all of them.

    A part is read while the one before it is tokenised and the one before that is written.
    """
    sizes = [source.text_bytes for source in job.sources]
    total = None if shard_count > 1 or None in sizes else sum(filter(None, sizes))
    tokenised = _tokenised_parts(
        job, workspace, ShardSpec(job.part_bytes, shard_index, shard_count)
    )

    def write(entry: tuple[str, TokenisedPart | None]) -> tuple[str, bool, dict[str, Any]]:
        key, part = entry
        record = _write_part(part, job.recipe, workspace) if part else workspace.record(key)
        return key, part is not None, record

    keys = []
    made = 0
    with progress.bar("preparing", total):
        for key, is_new, record in pipelined_map(write, tokenised):
            keys.append(key)
            made += is_new
            progress.advance(record["text_bytes"], made=is_new)
    if made < len(keys):
        progress.say(f"reused {len(keys) - made} finished parts, made {made}")
    return keys


def _tokenised_parts(
    job: Job, workspace: Workspace, spec: ShardSpec
) -> Iterator[tuple[str, TokenisedPart | None]]:
    """Each part by its key; None for one made before."""

    def read() -> Iterator[tuple[str, tuple[Part, dict[str, list[str]]] | None]]:
        is_wanted = partial(_is_wanted, workspace)
        for key, part in parts.local_parts(job.sources, spec, is_wanted):
            yield key, (part, _split(part, job.recipe.validation_share)) if part else None

    for key, part in prefetch(read()):
        yield key, part and _tokenise(*part, job.recipe)


def _is_wanted(workspace: Workspace, key: str) -> bool:
    return not workspace.has_record(key)


def _split(part: Part, validation_share: float) -> dict[str, list[str]]:
    """A part's documents by split."""
    documents: dict[str, list[str]] = {split: [] for split in SPLITS}
    for document in part.documents:
        documents[SPLITS[in_validation(document, validation_share)]].append(document)
    return documents


def _tokenise(part: Part, documents: dict[str, list[str]], recipe: Recipe) -> TokenisedPart:
    """The sequences of both splits."""
    text_bytes = sum(len(document.encode("utf-8", "replace")) for document in part.documents)
    splits = {split: _split_part(texts, recipe) for split, texts in documents.items()}
    return TokenisedPart(part.key, text_bytes, part.invalid, splits)


def _split_part(documents: list[str], recipe: Recipe) -> SplitPart:
    dropped = Dropped()
    make = sequences.make_pairs if recipe.pairs else sequences.make
    kept = make(documents, recipe.backend, recipe.special, recipe.rule, dropped)
    return SplitPart(len(documents), kept, dropped)


def _write_part(part: TokenisedPart, recipe: Recipe, workspace: Workspace) -> dict[str, Any]:
    """Pack the sequences and write the part's shards, then its record, which is returned."""
    counts = np.zeros(recipe.vocabulary, np.int64)
    record: dict[str, Any] = {
        "invalid_utf8": part.invalid,
        "text_bytes": part.text_bytes,
        **{
            split: _write_shard(part.key, split, content, recipe, workspace, counts)
            for split, content in part.splits.items()
        },
    }
    used = np.flatnonzero(counts)
    record["counts"] = [used.tolist(), counts[used].tolist()]
    workspace.finish(part.key, record)
    return record


def _write_shard(
    key: str,
    split: str,
    part: SplitPart,
    recipe: Recipe,
    workspace: Workspace,
    counts: np.ndarray,
) -> dict[str, Any]:
    """Write one split's rows; adds the training tokens to `counts`."""
    tokens, segments = packing.pack(
        part.sequences, recipe.rule.length, recipe.special.pad, together=1 + recipe.pairs
    )
    real = tokens[segments > 0]
    if split == "train":
        counts += np.bincount(real, minlength=recipe.vocabulary)
    written = []
    if part.sequences:
        shard, content = shards.encode(f"{key}.arrow", tokens, segments, recipe.layout)
        workspace.write(f"{split}/{shard.file}", content)
        written = [asdict(shard)]
    return {
        "documents": part.documents,
        "sequences": len(part.sequences),
        "tokens": len(real),
        "rows": len(tokens),
        "short_sequences_dropped": part.dropped.short,
        "unknown_sequences_dropped": part.dropped.unknown,
        "shards": written,
    }
