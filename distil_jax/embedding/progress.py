"""A bar while texts become vectors, in a terminal; nothing elsewhere."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from distil_jax.embedding.embedder import Embedder, Vectors


def shown(
    embedder: Embedder,
    texts: Sequence[str],
    *,
    prompts: Sequence[str] = (),
    prompt: str | None = None,
) -> Vectors:
    """The vectors of texts, with a bar on standard error.

    `prompts`: names, of which the first that the model has is used, in place of `prompt`.
    """
    name = next((each for each in prompts if each in embedder.prompts), prompt)
    bar = Progress(
        TextColumn("embedding"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("", total=len(texts))
        return embedder(texts, prompt=name, progress=lambda done: bar.advance(task, done))
