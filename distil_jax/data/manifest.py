"""What a prepared folder says about itself, in `manifest.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distil_jax.data.shards import Shard
from distil_jax.errors import UserError
from distil_jax.tokenizer import SpecialIds

FILE = "manifest.json"
COUNTS = "token_counts.npy"
FORMAT = 1
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class SplitSummary:
    """`documents` counts those on this side; `sequences` and `tokens` what was kept of them."""

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


def load(folder: Path) -> Manifest:
    """Read a folder's manifest. Raises UserError if there is none or it is damaged."""
    path = folder / FILE
    if not path.is_file():
        raise UserError(
            f"{folder} is not a finished prepared folder (no {FILE}); run distil_jax.prepare"
        )
    try:
        raw = json.loads(path.read_bytes())
        if raw["format"] != FORMAT:
            raise UserError(f"{path} has format {raw['format']}, not {FORMAT}; prepare it again")
        special = SpecialIds(**{**raw["special"], "every": tuple(raw["special"]["every"])})
        splits = {name: _split(raw["splits"][name]) for name in SPLITS}
        return Manifest(**{**raw, "special": special, "splits": splits})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); prepare the corpus again") from error


def _split(raw: dict[str, Any]) -> SplitSummary:
    return SplitSummary(**{**raw, "shards": tuple(Shard(**shard) for shard in raw["shards"])})
