"""A run whose student has a part of its teacher's tokens: from text to its folder, cut, resumed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax import export
from distil_jax.configuration import source
from distil_jax.errors import UserError
from distil_jax.main import main
from distil_jax.run.models import load_models
from tests.test_main import exit_status, metrics, sigterm_before

pytestmark = pytest.mark.usefixtures("quick_runs")

SIZE = 87
"""All but four of the teacher's 91 tokens."""
Flags = Callable[..., list[str]]


@pytest.fixture
def own(text_file: Path) -> dict[str, object]:
    """What the runs here have in common."""
    return {
        "data.train": text_file, "data.heldout": 0.1, "student.vocabulary": SIZE,
        "total_steps": 4, "checkpoint.every_steps": 2, "student.dropout": 0.0,
        "student.attention_dropout": 0.0,
    }  # fmt: skip


@pytest.mark.slow
def test_cut_and_resumed_on_two_devices_it_is_the_run_on_one(
    tmp_path: Path, flags: Flags, own: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    main(flags(whole, **own))
    two = own | {"parallel.devices": 2}
    with monkeypatch.context() as patched:
        sigterm_before(3, patched)
        assert exit_status(flags(cut, **two), patched) == 143
    main(flags(cut, **two))
    for ours, expected in zip(metrics(cut), metrics(whole), strict=True):
        for name in ("loss", "soft_target", "masked_lm", "cosine"):
            assert ours[name] == pytest.approx(expected[name], rel=1e-5)
    export.main([f"--workdir={cut}", "--step=2", f"--output={tmp_path / 'early'}"])
    for folder in (cut / "student", tmp_path / "early"):
        model, report = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
        assert not any(report.values()), report
        assert model.get_input_embeddings().weight.shape[0] == SIZE
        assert len(AutoTokenizer.from_pretrained(folder)) == SIZE
    results = json.loads((cut / "results.json").read_text())["models"]
    assert results["student, distilled"]["parameters"] < results["teacher"]["parameters"]
    assert "student, distilled" in (cut / "report.md").read_text()


def test_rows_of_the_whole_vocabulary_name_the_way_to_smaller_ones(
    tmp_path: Path, flags: Flags
) -> None:
    config = source.read("base", flags(tmp_path, **{"student.vocabulary": SIZE})[2:])
    with pytest.raises(UserError, match=r"is prepared; run python -m distil_jax.prune_vocabulary"):
        load_models(config)
    config = source.read("base", flags(tmp_path, **{"student.vocabulary": "nowhere.txt"})[2:])
    with pytest.raises(UserError, match=r"student.vocabulary=nowhere.txt: nowhere.txt cannot be"):
        load_models(config)
