"""Training a tokenizer on the training share of a corpus."""

import filecmp
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console

from distil_jax import tokenizer
from distil_jax.data import corpus
from distil_jax.data.decoding import DecodeStats
from distil_jax.data.validation_split import check_share, in_validation
from distil_jax.errors import UserError
from distil_jax.storage.atomic import new_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def train(
    inputs: str | Sequence[str],
    output: Path,
    *,
    size: int,
    document: str = "line",
    column: str = "text",
    heldout: float = 0.01,
    lowercase: bool = True,
) -> None:
    """Write the folder of a WordPiece tokenizer trained on all but the held-out documents.

    An output folder that already holds the same tokenizer is left as it is; any other content is
    refused. Raises UserError for bad inputs, leaving nothing behind.
    """
    check_share(heldout)
    console = Console(highlight=False, soft_wrap=True)
    say = partial(console.print, markup=False)
    sources = corpus.find(inputs, document=document, column=column, say=say)
    _check_free(output)
    stats = DecodeStats()
    started = time.monotonic()
    trained = tokenizer.train_wordpiece(
        lambda: _training_text(sources, heldout, stats), size, lowercase=lowercase
    )
    if stats.invalid:
        # The text is read twice, once for its characters and once for its words.
        console.print(f"{stats.invalid // 2} invalid UTF-8 sequences were replaced")
    state = _publish(trained, output)
    seconds = time.monotonic() - started
    console.print(
        f"{state} {output}: {len(trained)} word pieces in {seconds:.1f} s", soft_wrap=True
    )


def _training_text(
    sources: Sequence[corpus.Source], heldout: float, stats: DecodeStats
) -> Iterator[str]:
    for text in corpus.documents(sources, stats):
        if not in_validation(text, heldout):
            yield from text.splitlines()


def _check_free(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise UserError(f"output {output} is a file; name a folder")
    if output.is_dir() and any(output.iterdir()) and not (output / "tokenizer.json").is_file():
        raise UserError(f"output {output} holds something else; name a new folder")


def _publish(trained: "PreTrainedTokenizerFast", output: Path) -> str:
    """Write the folder, or compare it with the one that is there."""
    if not output.is_dir() or not any(output.iterdir()):
        with new_folder(output) as draft:
            tokenizer.save(draft, trained)
        return "written"
    with TemporaryDirectory(prefix="distil_jax-") as fresh:
        tokenizer.save(Path(fresh), trained)
        names = sorted(file.name for file in Path(fresh).iterdir())
        _, different, missing = filecmp.cmpfiles(fresh, output, names, shallow=False)
    if different or missing:
        raise UserError(
            f"output {output} holds another tokenizer ({', '.join(different + missing)} "
            "differ); name a new folder or remove it"
        )
    return "unchanged"
