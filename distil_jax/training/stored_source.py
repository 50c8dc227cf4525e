"""A folder of targets as the step's source: which tables, shapes and columns it has."""

import numpy as np

from distil_jax.errors import UserError
from distil_jax.pretrained.families import saved_config
from distil_jax.target_store import Store, open_store
from distil_jax.training.targets import StoredTargets

VALIDATION = "validation"


def open_source(folder: str) -> tuple[Store, StoredTargets]:
    """An open folder and its source; raises `UserError` for one that is not, or is damaged.

    The source's student is its teacher until `config.student` is known.
    """
    store = open_store(folder)
    settings = store.manifest.settings
    if "masks" not in settings:
        raise UserError(f"config.targets={folder} are targets of texts; name those of rows")
    shape = saved_config(settings["shape"])
    source = StoredTargets(
        config=shape,
        student=shape,
        layers=tuple(settings["layers"]),
        top_k=settings["top_k"],
        masked=settings["positions"] == "masked",
        whole=not settings["unknown_tokens"],
        projected=tuple(settings.get("projected", ())),
    )
    return store, source


def known_tokens(store: Store, source: StoredTargets) -> np.ndarray:
    """Which of the student's tokens the teacher has."""
    known = np.ones(source.config.vocabulary, bool)
    known[list(store.manifest.settings["unknown_tokens"])] = False
    return known
