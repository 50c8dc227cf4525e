"""A folder of targets as the step's source: which tables, shapes and columns it has."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from distil_jax.errors import UserError
from distil_jax.pretrained.families import saved_config
from distil_jax.storage.address import join
from distil_jax.storage.workspace import MANIFEST
from distil_jax.target_store import Store, open_store
from distil_jax.training.targets import StoredTargets

VALIDATION = "validation"
MOST_LAYERS, MOST_TOKENS = 1000, 1 << 24
SETTINGS: Mapping[str, Any] = {
    **dict.fromkeys(("shape", "masks", "rows"), dict),
    **dict.fromkeys(("layers", "unknown_tokens", "epochs", "teachers"), list),
    **dict.fromkeys(("tokenizer", "positions"), str),
    "top_k": int,
    "temperature": int | float,
}
DAMAGED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What a manifest raises whose parts are not what they were."""


def open_source(folder: str) -> tuple[Store, StoredTargets]:
    """An open folder and its source; raises `UserError` for one that is not, or is damaged.

    The source's student is its teacher until `config.student` is known.
    """
    store = open_store(folder)
    settings = store.manifest.settings
    if "masks" not in settings:
        raise UserError(f"config.targets={folder} are targets of texts; name those of rows")
    try:
        _check_types(settings, SETTINGS)
        _check_types(store.manifest.notes["teacher"], {"parameters": int})
        source = _source(settings)
        known_tokens(store, source)
        _check_tables(store, source)
    except DAMAGED as error:
        raise UserError(
            f"{join(folder, MANIFEST)} is damaged ({type(error).__name__}: {error}); make the "
            "targets again"
        ) from error
    return store, source


def _source(settings: Mapping[str, Any]) -> StoredTargets:
    shape = saved_config(settings["shape"])
    if not (0 < shape.layers <= MOST_LAYERS and 0 < shape.vocabulary <= MOST_TOKENS):
        raise ValueError(f"shape has {shape.layers} layers and {shape.vocabulary} tokens")
    return StoredTargets(
        config=shape,
        student=shape,
        layers=tuple(settings["layers"]),
        top_k=settings["top_k"],
        masked=settings["positions"] == "masked",
        whole=not settings["unknown_tokens"],
        projected=tuple(settings.get("projected", ())),
    )


def _check_types(found: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    for name, kind in types.items():
        if not isinstance(found[name], kind):
            raise TypeError(f"{name} is {found[name]!r}")
    for teacher in found.get("teachers", ()):
        _check_types(teacher, {"digest": str, "weight": int | float})


def _check_tables(store: Store, source: StoredTargets) -> None:
    """Refuse tables that lack an epoch of the settings, or a column of the source."""
    epochs = range(len(store.manifest.settings["epochs"]))
    for name in (VALIDATION, *map(epoch_table, epochs)):
        columns = {column.name for column in store.tables[name].columns}
        if lacking := set(source.columns) - columns:
            raise ValueError(f"table {name} lacks {min(lacking)}")


def epoch_table(epoch: int) -> str:
    """The table of the training rows as they are masked in an epoch."""
    return f"train-{epoch:05d}"


def known_tokens(store: Store, source: StoredTargets) -> np.ndarray:
    """Which of the student's tokens the teacher has."""
    known = np.ones(source.config.vocabulary, bool)
    known[list(store.manifest.settings["unknown_tokens"])] = False
    return known
