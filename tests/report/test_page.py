"""page: shares and names in a report of several measurements."""

from pathlib import Path

from distil_jax.report import grades, page
from distil_jax.report.document import Tile
from distil_jax.report.material import Material
from distil_jax.report.runs import Run
from distil_jax.report.scores import Score
from distil_jax.report.sections import overview, quality
from distil_jax.report.speed import Speed


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
        score("mlm", "big", 50.0),
        score("mlm", "run/student", 40.0),
        score("our-own", "big", 50.0),
        score("our-own", "run/student", 10.0),
    ]
    material = Material(runs=[run], scores=scores)

    tile = overview._kept(material)

    assert tile is not None
    assert (tile.value, tile.note) == ("84.8%", "mean of 2 tasks")  # 39 of 46
    assert overview._kept(Material(runs=[run], scores=scores[:1])) is None
    (row,) = quality._mean("student", grades.grades(material))
    assert row[:5] == ["mean of 2 tasks", "student", "46.0", "39.0", "84.8%"]


def test_a_task_that_was_scored_twice_counts_once_and_own_tasks_where_there_is_no_other() -> None:
    run = Run("run", "run", {"run": {"teacher": "big"}}, {}, {}, [])
    twice = [score("sst2", "big", 80.0), *(score("sst2", "run/student", p) for p in (60.0, 70.0))]
    other = [score("cola", "big", 20.0), score("cola", "run/student", 15.0)]
    found = grades.over_tasks(grades.grades(Material(runs=[run], scores=[*twice, *other])))
    assert found is not None
    assert (found.tasks, found.points, found.teacher) == (("cola", "sst2"), 40.0, 50.0)

    own = [score("ours", "big", 50.0), score("ours", "run/student", 45.0)]
    found = grades.over_tasks(grades.grades(Material(runs=[run], scores=own)))
    assert found is not None
    assert found.retention == 0.9
    text = [score("mlm", "big", 50.0), score("mlm", "run/student", 45.0)]
    assert grades.over_tasks(grades.grades(Material(runs=[run], scores=text))) is None


def test_the_speed_of_other_models_is_not_the_students() -> None:
    models: dict[str, dict[str, float | int]] = {"teacher": {}, "student, distilled": {}}
    run = Run("run", "run", {"run": {"teacher": "big"}}, models, {}, [])

    def tile(student: str) -> object:
        names = {"student": student, "teacher": "big"}
        speed = Speed({}, names, {"batch_1_speed": 3.3}, {}, "", "")
        return overview._speed(Material(runs=[run], speeds={"it": speed}))

    assert tile("elsewhere/student") is None
    assert tile("run/student") == Tile(
        "3.30 times", "as fast as the teacher", "one sentence at a time"
    )


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / sweep / "runs" / "base" for sweep in ("a", "b")]
    first, second = (Run("base", str(folder), {}, {}, {}, []) for folder in folders)
    material = Material(runs=[first, second])
    assert (material.called(first), material.called(second)) == ("a/runs/base", "b/runs/base")
    assert Material(runs=[first]).called(first) == "base"


def test_measurements_of_one_name_are_told_apart() -> None:
    names = page._speed_names([Path("/x/a/run/speed"), Path("/x/b/run/speed"), Path("/x/bench")])
    assert names == ["a/run", "b/run", "bench"]
    assert page._speed_names([Path("/x/run/speed"), Path("/x/bench")]) == ["run", "bench"]
    assert page._speed_names([]) == []
