"""identity: what a run may change when it goes on, and what is measured anew when it may not."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distil_jax.errors import UserError
from distil_jax.pretrained.families import make_config
from distil_jax.run import identity

BERT = make_config("bert", 60, 16, 2, 2, 24, 20)
SAVED: dict[str, Any] = {
    "run": {"seed": 0, "parallel": {"mode": "jit"}, "batch": {"size": 8, "micro_size": 0}},
    "model": {"layers": 2},
    "layers": [0, 2],
    "teacher": "abc",
    "data": "def",
}


def changed(**run: object) -> dict[str, Any]:
    return {**SAVED, "run": {**SAVED["run"], **run}}


def test_devices_and_micro_batches_are_free_to_change() -> None:
    free = changed(parallel={"mode": "pmap"}, batch={"size": 8, "micro_size": 2})
    identity.check(Path("w"), SAVED, free)


def test_a_model_that_an_earlier_version_described_is_the_same() -> None:
    earlier = {**SAVED, "model": {"width": 16, "inner_width": 32}}
    identity.check(Path("w"), earlier, {**SAVED, "model": {"hidden_size": 16, "mlp_size": 32}})


def test_what_a_classifier_of_the_student_would_do_is_free_to_change(tmp_path: Path) -> None:
    """An earlier version did not read it of the teacher's config.json."""
    read, before = (
        {**SAVED, "model": dataclasses.asdict(replace(BERT, head=replace(BERT.head, **head)))}
        for head in ({"classifier_dropout": 0.0}, {})
    )
    del before["model"]["head"]["token_classifier_dropout"]
    identity.check(Path("w"), before, read)
    identity.settle(tmp_path, before)
    (tmp_path / "baseline.json").touch()
    identity.settle(tmp_path, read)
    assert (tmp_path / "baseline.json").exists()
    pooled = {**read, "model": {**read["model"], "head": {"pooling": "mean"}}}
    with pytest.raises(UserError, match="pooling was"):
        identity.check(Path("w"), before, pooled)


def test_only_what_is_known_yet_is_compared() -> None:
    identity.check(Path("w"), SAVED, {key: SAVED[key] for key in ("run", "model")})


@pytest.mark.parametrize(
    ("current", "message"),
    [
        (changed(seed=1), "w holds checkpoints of another config: seed was 0 and is 1; use"),
        ({**SAVED, "teacher": "xyz"}, "config: the teacher's weights differ; use"),
        ({**SAVED, "data": "xyz"}, "config: the training rows differ; use"),
        ({**SAVED, "model": {"layers": 3}}, "config: model.layers was 2 and is 3; use"),
        ({**changed(seed=1), "model": {"layers": 3}}, "config: seed was 0 and is 1; use"),
    ],
)
def test_what_differs_is_named(current: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        identity.check(Path("w"), SAVED, current)


def test_what_belongs_to_another_run_goes(tmp_path: Path) -> None:
    identity.settle(tmp_path, SAVED)
    for name in ("baseline.json", "results.json", "metrics.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "tokenizer").mkdir()
    identity.settle(tmp_path, changed(parallel={"mode": "pmap"}))
    assert (tmp_path / "baseline.json").exists()
    assert json.loads((tmp_path / "config.json").read_text())["run"]["parallel"] == {"mode": "pmap"}
    identity.settle(tmp_path, changed(seed=1))
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "metrics.jsonl"}


ALLOWED = {"allow_batch_change": True}
BATCH = {"size": 16, "micro_size": 0}


def test_another_batch_is_refused_with_the_flag_that_allows_it() -> None:
    with pytest.raises(
        UserError, match=r"batch: batch.size was 8 and is 16; .*allow_batch_change=True"
    ):
        identity.check(Path("w"), SAVED, changed(batch=BATCH))
    identity.check(Path("w"), SAVED, changed(batch=BATCH, checkpoint=ALLOWED))


def test_the_flag_allows_nothing_else() -> None:
    with pytest.raises(UserError, match="another config: seed was 0 and is 1; use"):
        identity.check(Path("w"), SAVED, changed(seed=1, batch=BATCH, checkpoint=ALLOWED))
    with pytest.raises(UserError, match="another config: the training rows differ; use"):
        identity.check(Path("w"), SAVED, {**changed(checkpoint=ALLOWED), "data": "xyz"})


def test_rows_of_another_length_are_another_batch() -> None:
    saved = {**SAVED, "rows": {"count": 10, "length": 32}}
    longer = {"data": "xyz", "rows": {"count": 6, "length": 64}}
    with pytest.raises(UserError, match=r"batch: the training rows differ; .*allow_batch_change"):
        identity.check(Path("w"), saved, {**SAVED, **longer})
    identity.check(Path("w"), saved, {**changed(checkpoint=ALLOWED), **longer})


def test_other_held_out_rows_or_first_weights_are_another_run(tmp_path: Path) -> None:
    saved = {**SAVED, "held_out": "a", "start": "b"}
    with pytest.raises(UserError, match="the held-out rows differ; use"):
        identity.check(Path("w"), saved, {**saved, "held_out": "x"})
    with pytest.raises(UserError, match=r"the weights in config\.student\.folder differ; use"):
        identity.check(Path("w"), saved, {**saved, "start": "x"})
    identity.settle(tmp_path, saved)
    (tmp_path / "baseline.json").touch()
    identity.settle(tmp_path, {**saved, "held_out": "x"})
    assert not (tmp_path / "baseline.json").exists()


def test_checkpoints_of_earlier_versions_go_on() -> None:
    identity.check(Path("w"), SAVED, {**SAVED, "held_out": "a", "start": None})
