"""The rows of a run: opened where they were prepared, or prepared in the workdir from text."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.configuration.schema import Config
from distil_jax.data import loader, manifest, preparation
from distil_jax.data.corpus import find as find_text
from distil_jax.data.records import PAIR_COMMA
from distil_jax.data.store import Split, is_prepared, open_split
from distil_jax.data.validation_split import check_share
from distil_jax.distributed.coordination import broadcast_from_primary, is_primary
from distil_jax.errors import UserError
from distil_jax.run.flags_as_keys import by_keys, flags_as_keys
from distil_jax.storage.address import basename, parent
from distil_jax.storage.folder import open_folder
from distil_jax.training.workdir import ROWS, VALIDATION_ROWS, Workdir


@dataclass(frozen=True)
class Rows:
    """What is trained on and what is validated on; None until text has been prepared."""

    train: Split | None
    validation: Split | None


def find_rows(config: Config) -> Rows:
    """Open what is prepared, and see that the text for the rest is there; nothing is written.

    Raises `UserError` for rows that are damaged, missing, or of the other split.
    """
    train, validation = config.data.train, config.data.validation
    if not train:
        raise UserError("config.data.train is empty; set it to a prepared folder or to text")
    if not is_prepared(train):
        _check_share(config)
    rows = Rows(
        _open_train(config, train) if is_prepared(train) else None,
        _open_validation(config, validation or train) if is_prepared(validation or train) else None,
    )
    for key, name in {"train": train, "validation": validation}.items():
        if name and not is_prepared(name):
            with flags_as_keys(key):
                find_text(name, document=config.data.document, column=config.data.column)
    return rows


def prepare_rows(
    config: Config, workdir: Workdir, tokenizer: Any, rows: Rows
) -> tuple[Split, Split]:
    """Training and validation rows; text is prepared in the workdir, or found there from before.

    Process 0 prepares; the others wait for it.
    """
    train, validation = rows.train, rows.validation
    folder, validation_folder = (str(workdir.join(name)) for name in (ROWS, VALIDATION_ROWS))
    prepare = partial(_prepare, config, tokenizer)
    with _removed_on_error(folder):
        if train is None:
            # Nothing is held out of it where there is validation text of its own.
            share = 0.0 if config.data.validation else config.data.heldout
            make = partial(prepare, "train", folder, share)
            broadcast_from_primary("train prepared", make)
            train = _open_train(config, folder)
        if validation is None and not config.data.validation:
            validation = _open_validation(config, folder)
    if validation is None:
        with _removed_on_error(validation_folder):
            make = partial(prepare, "validation", validation_folder, 1.0)
            broadcast_from_primary("validation prepared", make)
            validation = _open_validation(config, validation_folder)
    return train, validation


def check_pairs(config: Config, *splits: Split) -> None:
    """Refuse rows of single texts where pairs are compared."""
    single = [split for split in splits if PAIR_COMMA not in split.manifest.settings["column"]]
    comparing = [
        one.name for one in OBJECTIVES.values() if one.of_pairs and config.loss.uses(one.name)
    ]
    if single and comparing:
        raise UserError(
            f"config.loss.{comparing[0]} compares pairs of texts, and {single[0].folder} holds "
            "single ones; set config.data.column to the pair's two columns, or prepare with "
            "--column=a,b"
        )


def _prepare(
    config: Config, tokenizer: Any, key: str, folder: str | Path, validation_share: float
) -> None:
    text = getattr(config.data, key)
    try:
        preparation.prepare(
            text,
            folder,
            tokenizer,
            preparation.PrepareSettings(
                document=config.data.document,
                column=config.data.column,
                heldout=validation_share,
                length=config.batch.length,
                shortest_tokens=config.data.shortest_tokens,
            ),
        )
    except UserError as error:
        raise UserError(f"config.data.{key}={text}: {by_keys(str(error), key)}") from error


def _check_share(config: Config) -> None:
    """Refuse before hours of work what leaves nothing to train or to validate on."""
    with flags_as_keys("train"):
        check_share(config.data.heldout)
    if not config.data.heldout and not config.data.validation:
        raise UserError(
            "config.data.heldout=0 leaves nothing to validate on; set it above 0, or "
            "config.data.validation to text of its own"
        )


def _open_train(config: Config, folder: str) -> Split:
    split = open_split(folder, "train")
    if split.name != "train":
        raise UserError(
            f"config.data.train={config.data.train} are held-out rows; name the prepared folder, "
            f"{parent(folder)}"
        )
    if split.rows == 0:
        raise UserError(f"config.data.train={config.data.train} holds no rows; prepare more text")
    next(loader.training_batches(split, batch=config.batch.size, seed=config.seed))
    return split


def _open_validation(config: Config, folder: str) -> Split:
    if basename(folder) == "train" and not open_folder(folder).has(manifest.FILE):
        if config.data.validation:
            raise UserError(
                f"config.data.validation={config.data.validation} are training rows; name the "
                f"prepared folder for its held-out ones, {parent(folder)}"
            )
        folder = str(parent(folder))
    split = open_split(folder, "validation")
    if split.rows == 0:
        raise UserError(
            f"{config.data.validation or config.data.train} holds no held-out rows; give more "
            "text, a larger held-out share, or set config.data.validation"
        )
    # A row of every shard: each is compared with its checksum when it is first touched.
    split.gather(np.cumsum([0, *(shard.rows for shard in split.summary.shards[:-1])]))
    return split


@contextmanager
def _removed_on_error(folder: str) -> Iterator[None]:
    """Rows that cannot be used do not stay, so that they can be prepared again in another way."""
    is_new = is_primary() and open_folder(folder).is_empty()
    try:
        yield
    except UserError:
        if is_new:
            open_folder(folder).remove_all("")
        raise
