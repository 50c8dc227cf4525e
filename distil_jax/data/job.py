"""What is to be prepared, and the making of those of its parts that fall to one process."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from distil_jax.data import corpus, part, parts
from distil_jax.data.prefetch import pipelined_map, prefetch
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
    """Make one process's parts but those made before; returns the keys of all of them.

    A part is read while the one before it is tokenised and the one before that is written.
    """
    known = [source.text_bytes for source in job.sources]
    total = None if shard_count > 1 or None in known else sum(filter(None, known))
    tokenised = _tokenised(job, workspace, parts.Cut(job.part_bytes, shard_index, shard_count))

    def write(one: tuple[str, part.Tokenised | None]) -> tuple[str, bool, dict[str, Any]]:
        key, found = one
        record = part.write(found, job.recipe, workspace) if found else workspace.record(key)
        return key, found is not None, record

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


def _tokenised(
    job: Job, workspace: Workspace, cut: parts.Cut
) -> Iterator[tuple[str, part.Tokenised | None]]:
    """Each part by its key; None for one made before."""

    def read() -> Iterator[tuple[str, tuple[parts.Part, dict[str, list[str]]] | None]]:
        for key, found in parts.mine(job.sources, cut, lambda key: not workspace.has_record(key)):
            yield key, (found, part.divide(found, job.recipe.heldout)) if found else None

    for key, found in prefetch(read()):
        yield key, found and part.tokenise(*found, job.recipe)
