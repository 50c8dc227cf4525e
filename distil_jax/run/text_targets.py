"""A teacher's targets by text, for students with another tokenizer or of another family.

The rows hold the student's tokens alone. The texts are read again, each sequence's tokens lead to
its text, and the text to the vector that is stored of it; so do each pair's to its score.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from distil_jax.configuration.schema import Config
from distil_jax.data import corpus
from distil_jax.data.loader import Batch
from distil_jax.data.segment_texts import pair_texts, segment_texts, sequence_key
from distil_jax.data.store import Split, is_prepared
from distil_jax.distributed.coordination import broadcast_from_primary
from distil_jax.errors import UsageError, UserError
from distil_jax.notes import note
from distil_jax.pretrained import load_sentence_model
from distil_jax.run.text_teachers import (
    IN_BATCH,
    PRECISION,
    SCORE,
    VECTOR,
    TextTeacher,
    pair_teacher,
    vector_teacher,
    wanted_column,
)
from distil_jax.target_store import (
    Share,
    StoreManifest,
    Text,
    TextTable,
    begun_with,
    open_texts,
    write_texts,
)
from distil_jax.target_store.writing import ALL
from distil_jax.tokenizer import load as load_tokenizer
from distil_jax.training.precision import settled
from distil_jax.training.workdir import Workdir

FOLDER = "vectors"
TEXTS_AT_ONCE = 4096
"""Texts of a stored shard: so many are computed again after an interruption."""
Say = Callable[[str], Any]


@dataclass(frozen=True)
class TextTargets:
    """Stored targets of the segments of a run's rows, or of the pairs of them.

    Attributes:
      places: the row of the table of each sequence, or pair, by its tokens.
      count: the most segments of a row.
    """

    table: TextTable
    places: Mapping[bytes, int]
    train: Split
    heldout: Split
    count: int

    def training(self, _: np.ndarray, rows: np.ndarray) -> Batch:
        """The targets [rows, segments, width], or [rows, pairs], of some training rows."""
        return self._of_rows(self.train, rows)

    def validation(self, _: np.ndarray, rows: np.ndarray) -> Batch:
        """Of some held-out rows."""
        return self._of_rows(self.heldout, rows)

    def _of_rows(self, split: Split, rows: np.ndarray) -> Batch:
        column = column_of(self.table)
        batch, together = split.gather(rows), 2 if column == SCORE else 1
        owners, numbers, places = [], [], []
        for row, (tokens, segments) in enumerate(
            zip(batch["tokens"], batch["segments"], strict=True)
        ):
            for number in range(segments.max(initial=0) // together):
                owners.append(row)
                numbers.append(number)
                of_one = (segments - 1) // together == number
                places.append(self._place(tokens[of_one & (segments > 0)]))
        (shape,) = (each.shape for each in self.table.columns)
        found = np.zeros((len(rows), self.count // together, *shape), np.float32)
        found[owners, numbers] = self.table.table.gather(places, [column])[column]
        return {IN_BATCH[column]: found}

    def _place(self, tokens: np.ndarray) -> int:
        place = self.places.get(sequence_key(tokens))
        if place is None:
            raise UserError(
                f"a sequence of {len(tokens)} tokens of the rows in {self.train.folder} is in none "
                "of the texts: they have changed since the rows were prepared; prepare them again"
            )
        return place


def column_of(table: TextTable) -> str:
    """Whether a table holds vectors or scores; raises `UserError` for one of something else."""
    found = [column.name for column in table.columns]
    if found not in ([VECTOR], [SCORE]):
        raise UserError(
            f"config.targets={table.folder} holds {', '.join(found)}, neither vectors nor scores; "
            "make it with distil_jax.cache and a config of sentence vectors"
        )
    return found[0]


def width_of(table: TextTable) -> int:
    """Of the vectors; 0 for scores."""
    return table.columns[0].shape[0] if column_of(table) == VECTOR else 0


def write_targets(
    folder: str | Path,
    config: Config,
    teacher: TextTeacher,
    tokenizer: Any,
    say: Say,
    share: Share = ALL,
) -> StoreManifest | None:
    """Store the teacher's target of every text of a config, or what is missing of them."""
    texts = list(dict.fromkeys(text for _, text in _texts(config, tokenizer)))
    if not texts:
        raise UserError(f"config.data.train={config.data.train} holds no text")
    column = teacher.column.name
    say(f"{column}s of {len(texts):,} texts by {teacher.name}, once: {folder}")
    compute, done = teacher.prepared(), 0

    def made(rows: int, _: bool) -> None:
        nonlocal done
        done += rows
        say(f"{column}s: {done:,} of {len(texts):,} texts")

    return write_texts(
        folder,
        texts,
        [teacher.column],
        lambda some: {column: compute(some)},
        settings=teacher.settings,
        notes=lambda: {"parameters": teacher.parameters, "name": teacher.name},
        share=share,
        made=made,
        shard_rows=TEXTS_AT_ONCE,
    )


def types_begun_with(folder: str | Path) -> dict[str, str]:
    """What a folder of targets is computed in, as `settled` takes it; empty for a new one."""
    settings = begun_with(folder)
    return {} if settings is None else {"teacher": settings.get(PRECISION, "float32")}


def cache_targets(
    output: str | Path, config: Config, share: Share, say: Say
) -> StoreManifest | None:
    """Store a config's targets for `config.targets`; None while other shares are not done.

    Texts are cut as the student's rows are: by the tokenizer of its folder, or the teacher's.
    """
    if config.targets or not config.teacher:
        raise UsageError(
            "targets are made by a teacher: set config.teacher, and leave targets empty"
        )
    check_texts(config)
    config = settled(config, begun=partial(types_begun_with, output))
    if wanted_column(config) == SCORE:
        teacher, tokenizer = pair_teacher(config.teacher), None
    else:
        sentence = load_sentence_model(config.teacher)
        teacher, tokenizer = vector_teacher(sentence, config), sentence.model.tokenizer
    if config.student.folder:
        tokenizer = load_sentence_model(config.student.folder).model.tokenizer
    if config.tokenizer:
        tokenizer = load_tokenizer(config.tokenizer)
    if tokenizer is None:
        raise UsageError("scores of pairs are for a student: set config.student.folder")
    manifest = write_targets(output, config, teacher, tokenizer, say, share)
    if manifest is None:
        say(f"this share of {output} is finished; others are not yet")
    else:
        say(f"stored {output}; run with --config.targets={output}")
    return manifest


def targets_in(workdir: Workdir, config: Config, teacher: TextTeacher, tokenizer: Any) -> TextTable:
    """The targets of a run's texts, stored in its workdir by the first process, once."""
    folder = str(workdir.join(FOLDER))
    make = partial(write_targets, folder, config, teacher, tokenizer, note)
    broadcast_from_primary("targets stored", lambda: make() is not None)
    return open_texts(folder)


def open_targets(
    table: TextTable, config: Config, tokenizer: Any, splits: tuple[Split, Split], count: int
) -> TextTargets:
    """Lead the rows' sequences to their targets; raises `UserError` for texts without one."""
    places: dict[bytes, int] = {}
    lacking: list[Text] = []
    for key, text in _texts(config, tokenizer):
        place = table.place(text)
        if place is None:
            lacking.append(text)
        else:
            places.setdefault(key, place)
    if lacking:
        shown = lacking[0] if isinstance(lacking[0], str) else " | ".join(lacking[0])
        raise UserError(
            f"config.targets={table.folder} hold no {column_of(table)} of {len(lacking)} of the "
            f"texts, first {shown[:60]!r}; make them again from this config's texts"
        )
    return TextTargets(table, places, *splits, count)


def open_stored(config: Config, teacher: TextTeacher | None) -> TextTable:
    """The targets of `config.targets`; raises `UserError` for others than the config's."""
    table, wanted = open_texts(config.targets), wanted_column(config)
    if column_of(table) != wanted:
        raise UserError(
            f"config.targets={config.targets} hold {column_of(table)}s, and the active objectives "
            f"need {wanted}s; name others, or change config.loss"
        )
    settings = {} if teacher is None else teacher.settings
    # What they were computed in is theirs: no teacher computes in this run.
    asked = {name: value for name, value in settings.items() if name != PRECISION}
    if any(table.settings.get(name) != value for name, value in asked.items()):
        raise UserError(
            f"config.targets={config.targets} are of another teacher than "
            f"config.teacher={config.teacher}; make them again, or leave config.teacher empty"
        )
    return table


def check_texts(config: Config) -> None:
    """Refuse rows that are prepared already: they have no texts."""
    for key in ("train", "validation"):
        name = getattr(config.data, key)
        if name and is_prepared(name):
            raise UserError(
                f"config.data.{key}={name} are prepared rows, and a teacher that does not read the "
                "student's tokens reads the texts themselves; name the texts"
            )


def _texts(config: Config, tokenizer: Any) -> Iterator[tuple[bytes, Text]]:
    data = config.data
    names = [name for name in (data.train, data.validation) if name]
    sources = (corpus.find(name, document=data.document, column=data.column) for name in names)
    documents = chain.from_iterable(corpus.documents(each) for each in sources)
    read = pair_texts if wanted_column(config) == SCORE else segment_texts
    return read(documents, tokenizer, length=config.batch.length)
