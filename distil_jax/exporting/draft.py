"""A new folder that appears whole under its name or not at all, and what all exports have in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.exporting.onnx_encoder import TYPES, input_names
from distil_jax.exporting.subject import Subject
from distil_jax.exporting.vector_outputs import EMBEDDING
from distil_jax.pretrained import CardHeader, Pretrained, locate, scores_of
from distil_jax.pretrained.config_file import write_config
from distil_jax.pretrained.writing import CONFIG, expressible
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


def describe(draft: Path, subject: Subject) -> None:
    """Put config.json, the tokenizer and what else the model's folder has there."""
    model = subject.model
    assert model.tokenizer is not None
    save_tokenizer(draft, model.tokenizer, token_types=TYPES in input_names(model.config))
    own = {} if CONFIG in subject.files else {CONFIG: _config(model)}
    for path, content in {**own, **subject.files}.items():
        (draft / path).parent.mkdir(parents=True, exist_ok=True)
        (draft / path).write_bytes(content)


def _config(model: Pretrained) -> bytes:
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
    return text.encode()


def scores_before(source: str) -> dict[str, str]:
    """The scores on the card of the model that is exported, distinct from the export's own."""
    card = locate(source) / "README.md"
    text = card.read_text("utf-8", errors="replace") if card.is_file() else ""
    return {f"{measure}, before the export": value for measure, value in scores_of(text).items()}


def card_header(head: str, format: str, library: str = "") -> CardHeader:
    """Of an export's card."""
    if head == EMBEDDING:
        return CardHeader(
            None, tags=[format], library=library or format, pipeline="sentence-similarity"
        )
    return CardHeader(head=head, tags=[format], library=library or format)
