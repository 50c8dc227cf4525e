"""The study's script: its programs take what it gives them, and its tables say what files say."""

import importlib
import json
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.errors import UserError
from distil_jax.pretrained import load, save
from distil_jax.storage.atomic import write_bytes

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
WITH_OVERRIDES = {"main", "ablate"}


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("study")


@pytest.fixture
def study_table(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("study_table")


class Accepted:
    """In place of the programs: reads their command lines as they do, and leaves their results."""

    stopped = False

    def __init__(self):
        self.commands = []
        self.configs = {}
        self.evaluated = {}

    def command(self, name, *, overrides=None, **flags):
        self.commands.append(name)
        given = [f"--{key.replace('_', '-')}={value}" for key, value in flags.items()]
        if name in WITH_OVERRIDES:
            changed = [f"--config.{key}={value}" for key, value in (overrides or {}).items()]
            config = config_source.read(flags["config"], changed)
        if name == "main":
            self.configs[flags["workdir"].name] = config
            student = flags["workdir"] / "student"
            shutil.copytree(files("distil_jax") / "builtin_teacher", student)
        else:
            module = importlib.import_module(f"distil_jax.{name}")
            module.parser().parse_args(given)
        if name == "evaluate":
            self.evaluated[flags["output"]] = flags
            write_scores(flags["output"], [50.0])

    def call(self, script, **flags):
        given = [f"--{key.replace('_', '-')}={value}" for key, value in flags.items()]
        importlib.import_module(script.stem).parser().parse_args(given)
        self.commands.append(script.stem)
        shutil.copytree(files("distil_jax") / "builtin_teacher", flags["output"])


def write_scores(folder, scores):
    folder.mkdir(parents=True, exist_ok=True)
    ordered = sorted(scores)
    results = {
        "score": ordered[len(ordered) // 2],
        "spread": {"min": ordered[0], "max": ordered[-1], "std": 0.0},
        "metrics": {},
        "parameters": 7,
        "seeds": list(range(len(scores))),
        "best_model": "best",
    }
    write_bytes(folder / "results.json", json.dumps(results).encode())


@pytest.fixture(scope="session")
def headless(tmp_path_factory):
    """The embedded teacher's encoder alone, as MiniLM's folder has it."""
    folder = tmp_path_factory.mktemp("model") / "headless"
    model = load("builtin:teacher")
    save(folder, replace(model, params={"encoder": model.params["encoder"]}, head=None))
    return folder


@pytest.mark.parametrize(("size", "has_head"), [("cpu", True), ("accelerator", False)])
def test_every_command_of_a_study_is_one_that_its_program_takes(
    study, study_table, tmp_path, monkeypatch, headless, size, has_head
):
    programs = Accepted()
    monkeypatch.setattr(study, "Programs", lambda log, several: programs)
    monkeypatch.setattr(study_table, "draw", lambda scores, titles: b"")

    study.main(arguments(study, tmp_path, size, "builtin:teacher" if has_head else headless))

    fit_mlm_head = set() if has_head else {"warm_start"}
    commands = {"prepare", "main", "evaluate", "benchmark", "ablate"}
    assert set(programs.commands) == commands | fit_mlm_head
    runs = programs.configs
    assert ("teacher" in runs) is not has_head
    steps = study.SIZES[size].steps
    assert {runs[name].total_steps for name in ("student", "cut", "scratch")} == {steps}
    # Without a teacher's forward pass more steps cost the same.
    assert 1.5 * steps < runs["cut-flops"].total_steps < 4 * steps
    assert runs["cut"].loss.weight("soft_target") == runs["cut"].loss.weight("cosine") == 0
    assert runs["student"].loss.weight("soft_target") > 0
    assert runs["scratch"].student.initialize == "random"
    variants = {"all_losses", "without_cosine", "random_initialisation", "unfolded", "kept"}
    ablated = study.SIZES[size].ablated
    scored = {
        (folder.parent.name, folder.name)
        for folder in programs.evaluated
        if folder.parents[1].name == "ablations"
    }
    assert scored >= {(variant, task.name) for variant in variants for task in ablated}
    found = json.loads((tmp_path / "study" / "study.json").read_text())
    assert found["kept"]["shares"] == dict.fromkeys(
        ("teacher", "student", "cut", "scratch", "cut-flops"), 1.0
    )


def test_rows_that_score_a_task_are_spread_over_its_held_out_file(
    study, study_table, tmp_path, monkeypatch
):
    programs = Accepted()
    monkeypatch.setattr(study, "Programs", lambda log, several: programs)
    monkeypatch.setattr(study_table, "draw", lambda scores, titles: b"")
    steps = importlib.import_module("study_steps")
    task = importlib.import_module("study_sizes").Task(
        "imdb", epochs=1, seeds=1, held_out=2, length=9
    )
    monkeypatch.setitem(steps.SIZES, "cpu", replace(steps.SIZES["cpu"], tasks=(task,), ablated=()))
    given = arguments(study, tmp_path, "cpu", "builtin:teacher")
    (tmp_path / "tasks" / "imdb" / "test.jsonl").write_text("1\n2\n3\n4\n")

    study.main([*given, "--until=scores"])

    flags = programs.evaluated[tmp_path / "study" / "scores" / "student" / "imdb"]
    assert flags["length"] == 9
    assert flags["train"] == tmp_path / "tasks" / "imdb" / "train.jsonl"
    assert flags["validation"].read_text() == "1\n3\n"


def test_until_ends_early_and_jobs_run_side_by_side(study, study_table, tmp_path, monkeypatch):
    programs, asked = Accepted(), []
    monkeypatch.setattr(study, "Programs", lambda log, several: asked.append(several) or programs)
    monkeypatch.setattr(study_table, "draw", lambda scores, titles: b"")
    given = arguments(study, tmp_path, "cpu", "builtin:teacher")

    study.main([*given, "--until=cut", "--jobs=2"])

    assert asked == [True]
    assert sorted(programs.configs) == ["cut", "student"]
    assert "benchmark" not in programs.commands


def test_what_was_not_done_is_reported_and_the_rest_is_done(
    study, study_table, tmp_path, monkeypatch, capsys
):
    programs = Accepted()
    taken = programs.command

    def command(name, **flags):
        if name == "main" and flags["workdir"].name == "cut":
            raise importlib.import_module("study_programs").ProgramFailed("status 4 of main")
        taken(name, **flags)

    programs.command = command
    monkeypatch.setattr(study, "Programs", lambda log, several: programs)
    monkeypatch.setattr(study_table, "draw", lambda scores, titles: b"")
    given = arguments(study, tmp_path, "cpu", "builtin:teacher")

    count = 1 + len(study.SIZES["cpu"].tasks)
    with pytest.raises(UserError, match=rf"{count} of \d+ jobs were not done"):
        study.main([*given, "--until=scores"])

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "not done: cut: status 4 of main"
    assert lines[1:] == [
        f"not done: cut on {task.name}: needs cut" for task in study.SIZES["cpu"].tasks
    ]
    assert (tmp_path / "study" / "scores" / "student" / "rte").is_dir()


def test_a_task_that_lacks_a_file_is_named_before_anything_runs(study, tmp_path, monkeypatch):
    programs = Accepted()
    monkeypatch.setattr(study, "Programs", lambda log, several: programs)
    given = arguments(study, tmp_path, "accelerator", "builtin:teacher")
    (tmp_path / "tasks" / "imdb" / "test.jsonl").unlink()
    (tmp_path / "tasks" / "rte" / "train.jsonl").unlink()

    with pytest.raises(
        UserError, match=r"lacks rte/train\.jsonl, imdb/test\.jsonl;.* --leave-out=imdb$"
    ):
        study.main(given)
    with pytest.raises(UserError, match="--leave-out=ner is none of the tasks: sst2, stsb"):
        study.main([*given, "--leave-out=ner"])

    assert programs.commands == []


def test_tasks_lie_in_several_folders_and_some_are_left_out(
    study, study_table, tmp_path, monkeypatch
):
    programs = Accepted()
    monkeypatch.setattr(study, "Programs", lambda log, several: programs)
    monkeypatch.setattr(study_table, "draw", lambda scores, titles: b"")
    given = arguments(study, tmp_path, "cpu", "builtin:teacher")
    (tmp_path / "more").mkdir()
    (tmp_path / "tasks" / "squad").rename(tmp_path / "more" / "squad")
    shutil.rmtree(tmp_path / "tasks" / "stsb")

    study.main([*given, f"--tasks={tmp_path / 'more'}", "--leave-out=stsb", "--leave-out=imdb"])

    scores = tmp_path / "study" / "scores" / "student"
    assert programs.evaluated[scores / "squad"]["data"] == tmp_path / "more" / "squad"
    assert programs.evaluated[scores / "rte"]["data"] == tmp_path / "tasks" / "rte"
    assert not {"stsb", "imdb"} & {folder.name for folder in programs.evaluated}


def arguments(study, folder, size, model):
    """A command line of a study, whose tasks have files."""
    for task in study.SIZES[size].tasks:
        (folder / "tasks" / task.name).mkdir(parents=True)
        for split in ("train", importlib.import_module("study_tasks").held_out_split(task)):
            (folder / "tasks" / task.name / f"{split}.jsonl").write_text("{}\n{}\n{}\n")
    return [
        f"--size={size}",
        f"--model={model}",
        "--text=corpus.txt",
        "--heldout=heldout.txt",
        f"--tasks={folder / 'tasks'}",
        f"--output={folder / 'study'}",
    ]


def test_tables_have_medians_spread_means_and_shares_of_the_teacher(study_table, tmp_path):
    for role, task, scores in [
        ("teacher", "sst2", [80.0, 78.0, 79.0]),
        ("teacher", "rte", [61.0]),
        ("teacher", "mlm", [40.0]),
        ("student", "sst2", [70.0, 69.0, 75.0]),
        ("student", "rte", [60.0]),
        ("cut", "sst2", [65.0]),
    ]:
        write_scores(tmp_path / "scores" / role / task, scores)

    study_table.write_tables(tmp_path)

    lines = (tmp_path / "study.md").read_text().splitlines()
    assert lines[0] == "| model | mlm | rte | sst2 | mean of 2 | kept, % |"
    assert lines[2:5] == [
        "| teacher | 40.0 | 61.0 | 79.0 (78.0 to 80.0) | 70.0 | 100.0 |",
        "| student |  | 60.0 | 70.0 (69.0 to 75.0) | 65.0 | 92.9 |",
        # It has no mean: it was not scored on both.
        "| no teacher, equal tokens |  |  | 65.0 |  |  |",
    ]
    assert (tmp_path / "study.png").read_bytes().startswith(b"\x89PNG")


def test_ablations_have_their_runs_figures_and_the_scores_of_their_students(study_table, tmp_path):
    figures = {name: {"median": 0.5} for name in ("masked_lm", "accuracy", "agreement")}
    variant = {"name": "layers 0, 1, 2", "figures": figures}
    kept = {"masked_lm": 0.25, "accuracy": 0.25, "agreement": 0.25}
    for name, content in [
        ("ablations/ablations.json", {"variants": [variant]}),
        ("kept/results.json", {"models": {"student, distilled": kept}}),
    ]:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(json.dumps(content))
    write_scores(tmp_path / "scores" / "ablations" / "layers_0_1_2" / "stsb", [61.0, 60.0, 62.0])
    write_scores(tmp_path / "scores" / "ablations" / "kept" / "sst2", [70.0])

    study_table.write_tables(tmp_path)

    lines = (tmp_path / "study.md").read_text().splitlines()
    assert "| layers 0, 1, 2 | 0.500 | 50.0 | 50.0 |  | 61.0 (60.0 to 62.0) |" in lines
    assert "| token types kept | 0.250 | 25.0 | 25.0 | 70.0 |  |" in lines


def test_hours_count_programs_that_ran_at_the_same_time_once(study_table, tmp_path):
    lines = [
        {"started": 0.0, "seconds": 3600.0, "cpu_seconds": 1800.0, "status": 0},
        {"started": 1800.0, "seconds": 3600.0, "cpu_seconds": 1800.0, "status": 4},
        {"started": 2000.0, "seconds": 100.0, "cpu_seconds": 0.0, "status": 0},
        {"started": 9000.0, "seconds": 1800.0, "cpu_seconds": 3600.0, "status": 0},
        {"started": 20000.0, "status": None},
    ]
    (tmp_path / "hours.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    study_table.write_tables(tmp_path)

    hours = json.loads((tmp_path / "study.json").read_text())["hours"]
    assert hours == {"wall": 2.0, "processor": 2.0}


def test_before_the_first_task_the_table_has_held_out_text_alone(study_table, tmp_path):
    write_scores(tmp_path / "scores" / "teacher" / "mlm", [40.0])

    study_table.write_tables(tmp_path)

    lines = (tmp_path / "study.md").read_text().splitlines()
    assert lines[0] == "| model | mlm |"
    assert lines[2] == "| teacher | 40.0 |"
