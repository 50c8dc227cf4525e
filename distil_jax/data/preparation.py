"""Text to packed rows on disk: the whole way from inputs to a prepared folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from distil_jax import tokenizer as tokenizers
from distil_jax.data import corpus, manifest, parts, validation_split
from distil_jax.data.assembly import assemble
from distil_jax.data.make_parts import Engine, Job, make_parts, make_recipe
from distil_jax.data.manifest import SPLITS, Manifest
from distil_jax.data.prepare_progress import PrepareProgress
from distil_jax.data.records import PAIR_COMMA
from distil_jax.data.sequences import Rule
from distil_jax.errors import Unavailable, UsageError, UserError
from distil_jax.storage.atomic import refusal
from distil_jax.storage.folder import open_folder
from distil_jax.storage.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LARGEST_KNOWN_LENGTH = 1 << 20  # tokenizers say 1e30 where they know no limit


@dataclass(frozen=True)
class PrepareSettings:
    """How text becomes rows.

    Attributes:
      document: what one is in text files: a `line`, or a `block` of lines up to a blank one.
      column: the text of records; two with a comma are pairs, whose texts stay in one row.
      heldout: share of documents that are held out for validation; of 1 there is nothing to train
        on.
      length: tokens of a row.
      shard_index: which of `shard_count` processes this is.
      shortest_tokens, unknown_share: as in `Rule`.
      part_bytes: of text that go into a shard; None for a number that suits the corpus.
    """

    document: str = "line"
    column: str = "text"
    heldout: float = 0.01
    length: int = 512
    shard_index: int = 0
    shard_count: int = 1
    shortest_tokens: int = 12
    unknown_share: float = 0.5
    part_bytes: int | None = None

    @property
    def rule(self) -> Rule:
        """How sequences are made."""
        return Rule(self.length, self.shortest_tokens, self.unknown_share)


def prepare(
    inputs: str | Sequence[str],
    output: str | Path,
    tokenizer: "PreTrainedTokenizerFast",
    settings: PrepareSettings = PrepareSettings(),
    *,
    engine: Engine | None = None,
) -> Manifest | None:
    """Write the prepared folder, or what is missing of it; the manifest once it is complete.

    Of several processes each makes its share of the parts, and whoever finishes last puts the
    folder together; None while others are still at work. The result does not depend on the number
    of processes or on interruptions. An `engine` has all parts made elsewhere.

    Raises UserError for inputs, settings or an output folder that do not go together; then
    nothing this call wrote remains, but for the settings that several processes share. Where a
    disk, a bucket or a cluster refuses, the parts that were finished remain for the same call
    later.
    """
    progress = PrepareProgress()
    job = _job(inputs, tokenizer, settings, progress)
    workspace = Workspace(open_folder(output), manifest.PREPARED, shared=settings.shard_count > 1)
    workspace.check(job.settings)
    if workspace.is_complete:
        workspace.clear_if_left()
        complete = manifest.load(workspace.address)
        progress.say(f"{output} is already prepared: {_summary(complete)}; nothing to do")
        return complete
    named = inputs if isinstance(inputs, str) else ", ".join(inputs)
    progress.say(f"preparing {named} in {output}")
    index, count = settings.shard_index, settings.shard_count
    make = engine or partial(make_parts, shard_index=index, shard_count=count)
    try:
        workspace.begin(job.settings)
        keys = make(job, workspace, progress)
        workspace.note_done(keys, shard_index=index, shard_count=count)
        whole = assemble(workspace, job.recipe, job.settings, count)
    except Unavailable:
        workspace.give_up()
        raise
    except UserError:
        workspace.roll_back()
        raise
    except FileNotFoundError:
        if not workspace.is_complete:
            raise
        # Another process prepared the very same in the same folder, and has ended.
        whole = manifest.load(workspace.address)
    except OSError as error:
        workspace.give_up()
        raise UserError(f"output {refusal(workspace.address, error)}") from error
    _report(whole, workspace, count, progress)
    return whole


def _job(
    inputs: str | Sequence[str],
    tokenizer: "PreTrainedTokenizerFast",
    settings: PrepareSettings,
    progress: PrepareProgress,
) -> Job:
    """What is to be prepared; raises UserError for settings that cannot be."""
    validation_split.check_share(settings.heldout, whole=True)
    _check_shares(settings.shard_index, settings.shard_count)
    _check_rule(settings.rule, tokenizer)
    sources = corpus.find(
        inputs, document=settings.document, column=settings.column, say=progress.say
    )
    part_bytes = settings.part_bytes or parts.default_part_bytes(sources)
    identity = {
        "format": manifest.FORMAT,
        "tokenizer": tokenizers.fingerprint(tokenizer),
        "vocabulary": len(tokenizer),
        "heldout": settings.heldout,
        "heldout_rule": validation_split.RULE,
        **asdict(settings.rule),
        "inputs": [source.identity() for source in sources],
        "document": settings.document,
        "column": settings.column,
        "part_bytes": part_bytes,
    }
    recipe = make_recipe(
        tokenizer, settings.rule, settings.heldout, pairs=PAIR_COMMA in settings.column
    )
    return Job(tuple(sources), part_bytes, recipe, identity)


def _check_shares(shard_index: int, shard_count: int) -> None:
    if not 0 <= shard_index < shard_count:
        raise UsageError(
            f"shard_index={shard_index} with shard_count={shard_count}: "
            "give an index from 0 to below the count"
        )


def _check_rule(rule: Rule, tokenizer: "PreTrainedTokenizerFast") -> None:
    limit = tokenizer.model_max_length
    if limit < LARGEST_KNOWN_LENGTH and rule.length > limit:
        raise UserError(
            f"--length={rule.length} is beyond the {limit} positions of the tokenizer's model; "
            f"set --length={limit} or less"
        )
    if rule.shortest_tokens < 3:
        raise UserError(
            f"--shortest_tokens={rule.shortest_tokens} is below 3: [CLS], a token and [SEP]"
        )
    if rule.length < rule.shortest_tokens:
        raise UserError(
            f"--length={rule.length} holds no sequence of {rule.shortest_tokens} tokens; "
            "raise it or lower --shortest_tokens"
        )
    if not 0 < rule.unknown_share <= 1:
        raise UserError(f"--unknown_share={rule.unknown_share} is not a share above 0, up to 1")


def _report(
    complete: Manifest | None, workspace: Workspace, shard_count: int, progress: PrepareProgress
) -> None:
    if complete is None:
        waiting = ", ".join(map(str, workspace.waiting_for(shard_count)))
        progress.say(f"this share is finished; not yet finished: shard_index {waiting}")
        return
    progress.say(f"prepared {workspace.address}: {_summary(complete)}")
    short = sum(split.short_sequences_dropped for split in complete.splits.values())
    unknown = sum(split.unknown_sequences_dropped for split in complete.splits.values())
    if short or unknown:
        progress.say(f"dropped {short:,} sequences as too short, {unknown:,} as mostly unknown")
    if complete.invalid_utf8:
        progress.say(f"replaced {complete.invalid_utf8:,} invalid UTF-8 sequences")


def _summary(prepared: Manifest) -> str:
    train, validation = (prepared.splits[name] for name in SPLITS)
    return (
        f"{train.rows:,} rows of {prepared.length} ({train.tokens:,} tokens, "
        f"{train.fill(prepared.length):.1%} full), {validation.rows:,} rows held out"
    )
