"""What is to be prepared, and the making of those of its parts that fall to one process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from distil_jax.data import corpus, part, parts
from distil_jax.data.progress import Progress
from distil_jax.data.workspace import Workspace


@dataclass(frozen=True)
class Job:
    """Settled before anything is written.

    Attributes:
      part_bytes: of text that go into a part.
      settings: what decides the content of the output, as JSON.
    """

    sources: tuple[corpus.Source, ...]
    part_bytes: int
    recipe: part.Recipe
    settings: dict[str, Any]


Engine = Callable[[Job, Workspace, Progress], Sequence[str]]
"""Makes all parts of a job but those made before; returns the keys of all of them."""


def make_parts(
    job: Job,
    workspace: Workspace,
    progress: Progress,
    *,
    shard_index: int = 0,
    shard_count: int = 1,
) -> list[str]:
    """Make one process's parts but those made before; returns the keys of all of them."""
    known = [source.text_bytes for source in job.sources]
    total = None if shard_count > 1 or None in known else sum(filter(None, known))
    cut = parts.Cut(job.part_bytes, shard_index, shard_count)
    keys = []
    made = 0
    with progress.bar("preparing", total):
        for key, found in parts.mine(job.sources, cut, lambda key: not workspace.has_record(key)):
            record = part.make(found, job.recipe, workspace) if found else workspace.record(key)
            keys.append(key)
            made += found is not None
            progress.advance(record["text_bytes"], made=found is not None)
    if made < len(keys):
        progress.say(f"reused {len(keys) - made} finished parts, made {made}")
    return keys
