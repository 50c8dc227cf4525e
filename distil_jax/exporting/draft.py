"""A new folder that appears whole under its name or not at all, and what all exports have in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.models.heads import HEADS
from distil_jax.pretrained import Pretrained, locate, scores_of
from distil_jax.pretrained.config_file import write_config
from distil_jax.pretrained.writing import expressible
from distil_jax.storage import atomic
from distil_jax.tokenizer import save as save_tokenizer


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """A folder to fill, named `path` in the end; raises `UserError` if that exists."""
    path = path.absolute()
    if os.path.lexists(path):
        raise UserError(f"{path} exists already; choose another --output, or remove it")
    with atomic.new_folder(path) as draft:
        yield draft


def describe(draft: Path, model: Pretrained, source: str) -> None:
    """Put config.json and the tokenizer there; raises `UserError` for a model without a head."""
    check_head(model, source)
    assert model.tokenizer is not None
    config, _ = expressible(model.config, model.params, model.head)
    text = write_config(
        config,
        model.head,
        model.labels,
        "float32",
        model.tokenizer,
        problem_type=model.problem_type,
        threshold=model.threshold,
    )
    (draft / "config.json").write_text(text, "utf-8")
    save_tokenizer(draft, model.tokenizer)


def scores_before(source: str) -> dict[str, str]:
    """The scores on the card of the model that is exported, distinct from the export's own."""
    card = locate(source) / "README.md"
    text = card.read_text("utf-8", errors="replace") if card.is_file() else ""
    return {f"{measure}, before the export": value for measure, value in scores_of(text).items()}


def check_head(model: Pretrained, source: str) -> None:
    """Refuse a model without a head."""
    if model.head is None:
        raise UserError(
            f"{source} has no {' or '.join(kind.title for kind in HEADS.values())}; "
            "export a model with one of them"
        )
