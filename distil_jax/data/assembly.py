"""Putting the finished parts of a prepared folder together under one manifest."""

import hashlib
import io
from typing import Any

import numpy as np

from distil_jax.data import manifest, shards, validation_split
from distil_jax.data.make_parts import Recipe
from distil_jax.data.manifest import SPLITS, Manifest, SplitSummary
from distil_jax.errors import UserError
from distil_jax.storage.workspace import Workspace

Records = list[dict[str, Any]]


def assemble(
    workspace: Workspace, recipe: Recipe, settings: dict[str, Any], shard_count: int
) -> Manifest | None:
    """Write the manifest and clear up, if every process has finished its parts; else None.

    Raises UserError if all of them together hold no training row, or, of documents that are all
    held out, no row.
    """
    try:
        keys = workspace.finished_keys(shard_count)
        if keys is None:
            return manifest.load(workspace.address) if workspace.is_complete else None
        records, counts = _read(workspace, keys, recipe.vocabulary)
    except FileNotFoundError:
        return manifest.load(workspace.address)  # another process was last as well, and faster
    splits = {name: _add_up([record[name] for record in records]) for name in SPLITS}
    needed = "validation" if recipe.validation_share == 1 else "train"
    if not splits[needed].rows:
        raise _empty(splits, recipe, "held-out" if needed == "validation" else "training")
    for name, split in splits.items():
        _finish_split(workspace, name, split, recipe.layout)
    complete = Manifest(
        format=manifest.FORMAT,
        length=recipe.layout.length,
        tokenizer=settings["tokenizer"],
        vocabulary=recipe.vocabulary,
        special=recipe.special,
        heldout_rule=validation_split.RULE,
        invalid_utf8=sum(record["invalid_utf8"] for record in records),
        counts_sha256=_write_counts(workspace, counts),
        splits=splits,
        settings=settings,
    )
    workspace.write(manifest.FILE, complete.to_bytes())
    workspace.remove_unfinished()
    return complete


def _finish_split(
    workspace: Workspace, name: str, split: SplitSummary, layout: shards.Layout
) -> None:
    """Make a split's folder one that `datasets` opens, an empty one too."""
    files = [shard.file for shard in split.shards]
    if not files:
        files = ["empty.arrow"]
        none = np.zeros((0, layout.length), np.int32)
        workspace.write(f"{name}/{files[0]}", shards.encode(files[0], none, none, layout)[1])
    for file, content in shards.dataset_files(name, files, layout).items():
        workspace.write(f"{name}/{file}", content)


def _read(workspace: Workspace, keys: list[str], vocabulary: int) -> tuple[Records, np.ndarray]:
    """All records without their token counts, and the sum of these: together they fill memory."""
    counts = np.zeros(vocabulary, np.int64)
    records = []
    for key in keys:
        record = workspace.record(key)
        tokens, numbers = record.pop("counts")
        counts[np.array(tokens, np.int64)] += np.array(numbers, np.int64)
        records.append(record)
    return records, counts


def _write_counts(workspace: Workspace, counts: np.ndarray) -> str:
    """Write the token counts, return the file's sha256."""
    buffer = io.BytesIO()
    np.save(buffer, counts)
    workspace.write(manifest.COUNTS, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _add_up(records: Records) -> SplitSummary:
    names = [name for name in SplitSummary.__dataclass_fields__ if name != "shards"]
    return SplitSummary(
        **{name: sum(record[name] for record in records) for name in names},
        shards=tuple(shards.Shard(**shard) for record in records for shard in record["shards"]),
    )


def _empty(splits: dict[str, SplitSummary], recipe: Recipe, kind: str) -> UserError:
    if splits["validation"].rows and not splits["train"].documents:
        return UserError(
            f"all {splits['validation'].documents} documents of the corpus fall into the held-out "
            f"share of {recipe.validation_share} (equal ones do so together), none is left to "
            "train on; give more text, or a smaller --heldout"
        )
    documents, short, unknown = (
        sum(getattr(split, name) for split in splits.values())
        for name in ("documents", "short_sequences_dropped", "unknown_sequences_dropped")
    )
    dropped = f" ({short} are shorter, {unknown} mostly unknown to the tokenizer)"
    return UserError(
        f"the corpus is empty: its {documents} documents leave no {kind} sequence of "
        f"{recipe.rule.shortest_tokens} tokens or more{dropped if short or unknown else ''}; check "
        "--input, --document and --heldout"
    )
