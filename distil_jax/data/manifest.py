"""What a prepared folder says about itself, in `manifest.json`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from distil_jax.data.shards import Shard
from distil_jax.errors import UserError
from distil_jax.storage.address import join
from distil_jax.storage.folder import open_folder
from distil_jax.storage.workspace import MANIFEST, Content
from distil_jax.tokenizer import SpecialIds

FILE = MANIFEST
COUNTS = "token_counts.npy"
FORMAT = 1
SPLITS = ("train", "validation")
LARGEST = 1 << 62

Made = TypeVar("Made")


@dataclass(frozen=True)
class SplitSummary:
    """`documents` counts those of this split; `sequences` and `tokens` what stays of them."""

    documents: int
    sequences: int
    tokens: int
    rows: int
    short_sequences_dropped: int
    unknown_sequences_dropped: int
    shards: tuple[Shard, ...]

    def fill(self, length: int) -> float:
        """Share of the rows' places that hold a token."""
        return self.tokens / (self.rows * length) if self.rows else 0.0


@dataclass(frozen=True)
class Manifest:
    """`settings` is what decides the content; two folders with equal settings are equal."""

    format: int
    length: int
    tokenizer: str
    vocabulary: int
    special: SpecialIds
    heldout_rule: str
    invalid_utf8: int
    counts_sha256: str
    splits: dict[str, SplitSummary]
    settings: dict[str, Any]

    def to_bytes(self) -> bytes:
        """The file's content, the same bytes for the same manifest."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()


def load(folder: str | Path) -> Manifest:
    """Read a folder's manifest. Raises UserError if there is none or it is damaged."""
    path, source = join(folder, FILE), open_folder(folder)
    if not source.has(FILE):
        raise UserError(
            f"{folder} is not a finished prepared folder (no {FILE}); run distil_jax.prepare"
        )
    try:
        raw = json.loads(source.read(FILE))
        if isinstance(raw, dict) and "splits" not in raw:
            raise UserError(
                f"{folder} holds no prepared rows, its {FILE} is of something else; "
                "name another folder, or text in it by a glob"
            )
        if raw["format"] != FORMAT:
            raise UserError(f"{path} has format {raw['format']!r}, not {FORMAT}; prepare it again")
        special = _made(SpecialIds, {**raw["special"], "every": tuple(raw["special"]["every"])})
        splits = {name: _split(raw["splits"][name]) for name in SPLITS}
        parsed = _made(Manifest, {**raw, "special": special, "splits": splits})
        _check(parsed)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged ({error}); remove the folder {folder} and prepare it again"
        ) from error
    return parsed


def _split(raw: dict[str, Any]) -> SplitSummary:
    return _made(
        SplitSummary, {**raw, "shards": tuple(_made(Shard, shard) for shard in raw["shards"])}
    )


def _made(kind: type[Made], raw: Mapping[str, Any]) -> Made:
    """A dataclass of values that have its fields' types, numbers at least 0; else ValueError."""
    hints = get_type_hints(kind)
    for name, value in raw.items():
        wanted = get_origin(hints[name]) or hints[name]
        if wanted is UnionType:  # a number or None
            if value is None:
                continue
            wanted = next(each for each in get_args(hints[name]) if each is not NoneType)
        if type(value) is not wanted or (wanted is int and not 0 <= value < LARGEST):
            raise ValueError(f"{name} is {str(value)[:60]!r}, not a valid {wanted.__name__}")
    return kind(**raw)


def _check(parsed: Manifest) -> None:
    """Raise ValueError for what the types allow and no preparation writes."""
    if not parsed.length or not parsed.vocabulary:
        raise ValueError("length and vocabulary must be at least 1")
    if not all(type(token) is int and 0 <= token < LARGEST for token in parsed.special.every):
        raise ValueError("special.every holds something else than token ids")
    for name, split in parsed.splits.items():
        if sum(shard.rows for shard in split.shards) != split.rows:
            raise ValueError(f"the rows of the shards of {name} do not add up to its rows")
        for shard in split.shards:
            if Path(shard.file).name != shard.file:
                raise ValueError(f"shard {shard.file!r} is no plain file name")
    if "inputs" not in parsed.settings:
        raise ValueError("settings name no inputs")


def _without_versions(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with builtin:docs known by its name and extraction alone.

    Its rows stay good when other packages are installed beside this one.
    """
    kept = ("name", "extraction")
    inputs = [
        {key: source[key] for key in kept} if source["name"] == "builtin:docs" else source
        for source in settings["inputs"]
    ]
    return {**settings, "inputs": inputs}


PREPARED = Content("prepared", SPLITS, lambda folder: load(folder).settings, _without_versions)
"""What `prepare` fills a folder with."""
