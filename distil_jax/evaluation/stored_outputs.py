"""A fine-tuned teacher's outputs by text, in a folder that several evaluations share."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distil_jax.configuration.difference import difference
from distil_jax.errors import UserError
from distil_jax.target_store import Column, Text, open_texts, write_texts
from distil_jax.target_store.manifest import is_store

OUTPUTS = "outputs"


def outputs_by_text(
    folder: Path,
    texts: Sequence[Text],
    labels: int,
    made_with: Mapping[str, Any],
    compute: Callable[[Sequence[int]], np.ndarray],
) -> list[np.ndarray]:
    """A row [labels] for each text: out of the folder, or computed and stored there first.

    `made_with` is what decides the outputs (teacher, tokenizer, length, ...); `compute` makes the
    rows of texts by their numbers. Raises `UserError` for a folder of another teacher's outputs,
    or one that lacks a text.
    """
    if not is_store(folder):
        numbers = {text: number for number, text in reversed(list(enumerate(texts)))}

        def of_texts(some: Sequence[Text]) -> Mapping[str, np.ndarray]:
            return {OUTPUTS: compute([numbers[text] for text in some])}

        column = Column(OUTPUTS, "float32", (labels,))
        write_texts(folder, texts, [column], of_texts, settings=made_with)
    table = open_texts(folder)
    given = {name: table.settings.get(name) for name in made_with}
    if lines := difference(given, dict(made_with)):
        raise UserError(
            f"--targets={folder} hold the outputs of another teacher, or for other lengths: "
            f"{'; '.join(lines)}; name another folder"
        )
    return list(table.gather(texts, [OUTPUTS])[OUTPUTS])
