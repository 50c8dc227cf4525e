"""What is wrong with a run's text is said with the keys that one types for a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distil_jax import tokenizer
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.errors import UserError
from distil_jax.main import main

LINE = "the old city was in the river and the city is of the river to the old was"


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (f"{LINE}\n" * 50, {"data.heldout": 0.999}, "or a smaller config.data.heldout"),
        ("short\n", {}, "check config.data.train, config.data.document and config.data.heldout"),
        ('{"body": "a"}', {}, r"it has body \(config.data.column\)"),
        (LINE, {"data.column": "a,b"}, "plain text, and config.data.column=a,b reads pairs"),
        (LINE, {"data.shortest_tokens": 40}, "config.batch.length=32 .*lower config.data.shortest"),
        (LINE, {"data.heldout": -0.1}, "config.data.heldout=-0.1 is not a share"),
        (LINE, {"data.heldout": 0.0}, "config.data.heldout=0 .* or config.data.validation to"),
    ],
)
def test_keys_are_named_and_nothing_stays(
    text: str,
    changes: dict[str, Any],
    message: str,
    flags: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        main(flags(tmp_path / "run", **{"data.train": tmp_path / "a.txt"}, **changes))
    assert "--" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_changed_text_is_refused_with_what_a_run_can_do(
    flags: Callable[..., list[str]], teacher_folder: Path, text_file: Path, tmp_path: Path
) -> None:
    text = tmp_path / "a.txt"
    text.write_text(text_file.read_text())
    settings = PrepareSettings(heldout=0.1, length=32)
    prepare(str(text), tmp_path / "run" / "data", tokenizer.load(teacher_folder), settings)
    text.write_text(text_file.read_text()[:-9])
    with pytest.raises(UserError, match=r"a\.txt, whose content is another now; use .*--workdir"):
        main(flags(tmp_path / "run", **{"data.train": text, "data.heldout": 0.1}))
