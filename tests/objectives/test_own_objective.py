"""An objective of a user's own, in a config file of theirs: the package is not touched."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from distil_jax import objectives
from distil_jax.main import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_objective.py"


@pytest.fixture(scope="module")
def workdir(
    tmp_path_factory: pytest.TempPathFactory,
    flags: Callable[..., list[str]],
) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("own")
    arguments = [f"--config={EXAMPLE}", *flags(folder / "run")[1:]]
    try:
        main(arguments)
        yield folder / "run"
    finally:
        objectives.unregister("middle_distance")


def lines(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_it_is_trained_with_and_logged(workdir: Path) -> None:
    logged = lines(workdir)
    values = [line["middle_distance"] for line in logged]
    assert 0 < values[-1] < values[0]
    assert [logged[0]["middle_distance_weight"], logged[-1]["middle_distance_weight"]] == [4.0, 2.0]
    for line in logged:
        expected = 5 * line["soft_target"] + 2 * line["masked_lm"] + line["cosine"]
        expected += line["middle_distance_weight"] * line["middle_distance"]
        assert line["loss"] == pytest.approx(expected, rel=1e-6)


def test_it_is_validated_and_watched(workdir: Path) -> None:
    baseline = json.loads((workdir / "baseline.json").read_text())["student, initialised"]
    found = [line["validation_middle_distance"] for line in lines(workdir)[3::4]]
    assert found[-1] < baseline["middle_distance"]
    last = lines(workdir)[-1]
    weights = {"soft_target": 5, "masked_lm": 2, "cosine": 1, "middle_distance": 2}
    assert last["validation_loss"] == pytest.approx(
        sum(weight * last[f"validation_{name}"] for name, weight in weights.items()), rel=1e-6
    )
    health = json.loads((workdir / "health.json").read_text())["expected"]
    assert health["middle_distance_floor"] == 0.0
    assert health["initial_middle_distance"] == baseline["middle_distance"]


def test_report_curves_and_card_name_it(workdir: Path) -> None:
    page = (workdir / "report.html").read_text()
    assert "distance of middle states" in page
    card = (workdir / "student" / "README.md").read_text()
    assert "masked LM / cosine / middle distance) | 5 / 2 / 1 / 3 |" in card
    assert "| schedule of middle_distance | 0:4, 1:2 |" in card
