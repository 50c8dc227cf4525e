"""The rows of a run: opened where they were prepared, or prepared in the workdir from text."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from distil_jax.configuration.schema import Config
from distil_jax.data import loader, manifest, preparation
from distil_jax.data.corpus import find as find_text
from distil_jax.data.store import Split, is_prepared, open_split
from distil_jax.data.validation_split import check_share
from distil_jax.distributed.coordination import broadcast_from_primary, is_primary
from distil_jax.errors import UserError
from distil_jax.storage.address import basename, parent
from distil_jax.storage.folder import open_folder
from distil_jax.training import assemble
from distil_jax.training.assemble import Models
from distil_jax.training.workdir import ROWS, VALIDATION_ROWS, Workdir


@dataclass(frozen=True)
class Rows:
    """What is trained on, and what is held out of it; None until text has been prepared."""

    train: Split | None
    held_out: Split | None


def find(config: Config, models: Models) -> Rows:
    """What can be opened and checked of the data before anything is written.

    Raises `UserError` for rows that do not fit the models, are damaged, or are missing.
    """
    train, held_out = config.data.train, config.data.validation
    if not train:
        raise UserError("config.data.train is empty; set it to a prepared folder or to text")
    found = Rows(
        _open_train(config, models, train) if is_prepared(train) else None,
        _open_held_out(config, models, held_out or train)
        if is_prepared(held_out or train)
        else None,
    )
    for name in filter(None, (train, held_out)):
        if not is_prepared(name):
            assemble.check_length(models, config.batch.length, "config.batch.length is")
            find_text(name, document=config.data.document)
    return found


def prepare(config: Config, workdir: Workdir, models: Models, found: Rows) -> tuple[Split, Split]:
    """Training and held-out rows; text is prepared in the workdir, or found there from before.

    Process 0 prepares; the others wait for it.
    """
    train, held_out = found.train, found.held_out
    rows, held_out_rows = str(workdir.join(ROWS)), str(workdir.join(VALIDATION_ROWS))
    own = bool(config.data.validation)
    with _removed_on_error(rows):
        if train is None:
            broadcast_from_primary(
                "train prepared", partial(_prepare_train, config, workdir, models)
            )
            train = _open_train(config, models, rows)
        if held_out is None and not own:
            held_out = _open_held_out(config, models, rows)
    if held_out is None:
        with _removed_on_error(held_out_rows):
            broadcast_from_primary(
                "held out prepared", partial(_prepare_held_out, config, workdir, models)
            )
            held_out = _open_held_out(config, models, held_out_rows)
    return train, held_out


def _prepare_train(config: Config, workdir: Workdir, models: Models) -> None:
    """Nothing is held out of it where there is held-out text of its own."""
    check_share(config.data.heldout)
    share = 0.0 if config.data.validation else config.data.heldout
    _prepare("train", workdir.join(ROWS), config, models, share)


def _prepare_held_out(config: Config, workdir: Workdir, models: Models) -> None:
    _prepare("validation", workdir.join(VALIDATION_ROWS), config, models, 1.0)


def _prepare(key: str, folder: str | Path, config: Config, models: Models, heldout: float) -> None:
    text = getattr(config.data, key)
    try:
        preparation.prepare(
            text,
            folder,
            models.tokenizer,
            document=config.data.document,
            heldout=heldout,
            length=config.batch.length,
        )
    except UserError as error:
        raise UserError(f"config.data.{key}={text}: {error}") from error


def _open_train(config: Config, models: Models, folder: str) -> Split:
    split = open_split(folder, "train")
    if split.name != "train":
        raise UserError(
            f"config.data.train={config.data.train} are held-out rows; name the prepared folder, "
            f"{parent(folder)}"
        )
    if split.rows == 0:
        raise UserError(f"config.data.train={config.data.train} holds no rows; prepare more text")
    assemble.check_data(config, models, split, "train")
    next(loader.training_batches(split, batch=config.batch.size, seed=config.seed))
    return split


def _open_held_out(config: Config, models: Models, folder: str) -> Split:
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
    assemble.check_data(config, models, split, "validation")
    # A row of every shard: each is compared with its checksum when it is first touched.
    split.gather(np.cumsum([0, *(shard.rows for shard in split.summary.shards[:-1])]))
    return split


@contextmanager
def _removed_on_error(folder: str) -> Iterator[None]:
    """Rows that cannot be used do not stay, so that they can be prepared again in another way."""
    new = is_primary() and open_folder(folder).is_empty()
    try:
        yield
    except UserError:
        if new:
            open_folder(folder).remove_all("")
        raise
