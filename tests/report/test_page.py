"""page: shares and names in a report of several measurements."""

from pathlib import Path

from distil_jax.report import page
from distil_jax.report.material import Material
from distil_jax.report.runs import Run
from distil_jax.report.scores import Score
from distil_jax.report.sections import overview


def score(task: str, model: str, points: float, *, teacher: str = "") -> Score:
    figures = {"metric": "m", "definition": "d", "seeds": 1, "spread": {}, "metrics": {}}
    return Score(
        task=task,
        model=model,
        teacher=teacher,
        points=points,
        parameters=7,
        environment={},
        **figures,  # type: ignore[arg-type]
    )


def test_the_share_kept_is_of_the_student_alone_and_counts_a_score_of_nothing() -> None:
    models: dict[str, dict[str, float | int]] = {"teacher": {}, "student, distilled": {}}
    run = Run("run", "run", {"run": {"teacher": "big"}}, models, {}, [])
    scores = [
        score("sst2", "big", 80.0),
        score("sst2", "run/student", 78.0),
        score("sst2", "run/student", 80.0, teacher="big/sst2"),
        score("sst2", "another", 79.0),
        score("cola", "big", 12.0),
        score("cola", "run/student", 0.0),
    ]

    tile = overview._kept(Material(runs=[run], scores=scores))

    assert tile is not None
    assert (tile.value, tile.note) == ("48.8%", "over 2 tasks")
    assert overview._kept(Material(runs=[run], scores=scores[:1])) is None


def test_measurements_of_one_name_are_told_apart() -> None:
    names = page._speed_names([Path("/x/a/run/speed"), Path("/x/b/run/speed"), Path("/x/bench")])
    assert names == ["a/run", "b/run", "bench"]
    assert page._speed_names([Path("/x/run/speed"), Path("/x/bench")]) == ["run", "bench"]
    assert page._speed_names([]) == []
