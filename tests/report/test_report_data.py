"""report_data, score_comparisons: shares and names in a report of several measurements."""

from dataclasses import replace
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.report import score_comparisons
from distil_jax.report.document import Tile
from distil_jax.report.measurements import Speed, TaskScore
from distil_jax.report.report_data import ReportData, _speed_names, gather
from distil_jax.report.runs import Run
from distil_jax.report.sections import overview, quality


def score(task: str, model: str, points: float, *, teacher: str = "") -> TaskScore:
    figures = {"metric": "m", "definition": "d", "seeds": 1, "spread": {}, "metrics": {}}
    return TaskScore(
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
        score("mlm", "big", 50.0),
        score("mlm", "run/student", 40.0),
        score("our-own", "big", 50.0),
        score("our-own", "run/student", 10.0),
    ]
    data = ReportData(runs=[run], scores=scores)

    tile = overview._retention(data)

    assert tile is not None
    assert (tile.value, tile.note) == ("84.8%", "mean of 2 tasks")  # 39 of 46
    assert overview._retention(ReportData(runs=[run], scores=scores[:1])) is None
    (row,) = quality._mean("student", score_comparisons.compare(data))
    assert row[:5] == ["mean of 2 tasks", "student", "46.0", "39.0", "84.8%"]


def over_tasks(run: Run, scores: list[TaskScore]) -> score_comparisons.MeanScore | None:
    data = ReportData(runs=[run], scores=scores)
    return score_comparisons.over_tasks(score_comparisons.compare(data))


def test_a_task_that_was_scored_twice_counts_once_and_own_tasks_where_there_is_no_other() -> None:
    run = Run("run", "run", {"run": {"teacher": "big"}}, {}, {}, [])
    twice = [score("sst2", "big", 80.0), *(score("sst2", "run/student", p) for p in (60.0, 70.0))]
    other = [score("cola", "big", 20.0), score("cola", "run/student", 15.0)]
    mean = over_tasks(run, [*twice, *other])
    assert mean is not None
    assert (mean.tasks, mean.points, mean.teacher) == (("cola", "sst2"), 40.0, 50.0)

    own = [score("ours", "big", 50.0), score("ours", "run/student", 45.0)]
    mean = over_tasks(run, own)
    assert mean is not None
    assert mean.retention == 0.9
    for task in ("mlm", "causal_lm"):
        text = [score(task, "big", 50.0), score(task, "run/student", 45.0)]
        assert over_tasks(run, text) is None


def test_models_of_one_name_have_different_names_and_a_mean_each() -> None:
    scores = [
        score(task, model, points)
        for task in ("sst2", "cola")
        for model, points in (("a/student", 80.0), ("b/student", 40.0), ("b/export", 30.0))
    ]
    largest = [replace(score(task, "big", 90.0), parameters=9) for task in ("sst2", "cola")]

    def labels(data: ReportData) -> set[str]:
        return {comparison.label for comparison in score_comparisons.compare(data)}

    data = ReportData(scores=[*scores, *largest])
    assert labels(data) == {"a/student", "b/student", "export"}
    (row,) = quality._mean("b/student", score_comparisons.compare(data))
    assert row[:4] == ["mean of 2 tasks", "b/student", "90.0", "40.0"]
    run = Run("a", "a", {"run": {"teacher": "big"}}, {}, {}, [])
    assert labels(ReportData([run], scores)) == {"student", "b/student", "export"}
    assert labels(ReportData([run], scores[1:2])) == {"b/student"}


def test_the_speed_of_other_models_is_not_the_students() -> None:
    models: dict[str, dict[str, float | int]] = {"teacher": {}, "student, distilled": {}}
    run = Run("run", "run", {"run": {"teacher": "big"}}, models, {}, [])

    def tile(student: str) -> object:
        names = {"student": student, "teacher": "big"}
        speed = Speed({}, names, {"batch_1_speed": 3.3}, {}, "", "")
        return overview._speed(ReportData(runs=[run], speeds={"it": speed}))

    assert tile("elsewhere/student") is None
    assert tile("run/student") == Tile(
        "3.30 times", "as fast as the teacher", "one sentence at a time"
    )


def test_runs_of_one_name_have_different_names(tmp_path: Path) -> None:
    folders = [tmp_path / sweep / "runs" / "base" for sweep in ("a", "b")]
    first, second = (Run("base", str(folder), {}, {}, {}, []) for folder in folders)
    data = ReportData(runs=[first, second])
    assert (data.called(first), data.called(second)) == ("a/runs/base", "b/runs/base")
    assert ReportData(runs=[first]).called(first) == "base"


def test_measurements_of_one_name_have_different_names() -> None:
    names = _speed_names([Path("/x/a/run/speed"), Path("/x/b/run/speed"), Path("/x/bench")])
    assert names == ["a/run", "b/run", "bench"]
    assert _speed_names([Path("/x/run/speed"), Path("/x/bench")]) == ["run", "bench"]
    assert _speed_names([]) == []


def test_of_a_folder_without_a_measurement_the_command_that_makes_it_is_named(tmp_path) -> None:
    with pytest.raises(
        UserError, match=r"speed\.json does not exist; distil_jax.benchmark --output="
    ):
        gather([], speed_folders=[tmp_path])
    with pytest.raises(
        UserError, match=r"ablations\.json does not exist; distil_jax.ablate --output"
    ):
        gather([], ablation_folders=[tmp_path])
