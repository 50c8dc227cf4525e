"""How a study's jobs run: side by side, after what they need, whatever else failed."""

import importlib
import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from distil_jax.errors import UserError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SECONDS = 30


@pytest.fixture
def programs(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("study_programs")


class Record:
    """What started, and how many ran when it did."""

    def __init__(self):
        self.started, self.beside, self._running = [], {}, 0
        self._lock, self._when = threading.Lock(), {}

    def when(self, running, call):
        """Call once that many run."""
        self._when[running] = call

    def work(self, name, until=None):
        def job():
            with self._lock:
                self.started.append(name)
                self.beside[name] = self._running
                self._running += 1
                self._when.get(self._running, lambda: None)()
            if until is not None:
                assert until.wait(SECONDS)
            with self._lock:
                self._running -= 1

        return job


def test_in_one_lane_jobs_run_in_their_order_after_what_they_need(programs):
    record = Record()
    jobs = [
        programs.Job("score", record.work("score"), ("train",)),
        programs.Job("rows", record.work("rows"), alone=True),
        programs.Job("train", record.work("train"), ("rows",)),
        programs.Job("time", record.work("time"), ("rows",), alone=True),
    ]
    calls = []

    failed = programs.run_jobs(jobs, 1, lambda: calls.append(list(record.started)))

    assert failed == []
    # What is timed comes last, though it could have started sooner than the score.
    assert record.started == ["rows", "train", "score", "time"]
    assert len(calls) == len(jobs)


def test_lanes_are_filled_and_not_exceeded(programs):
    record, gate = Record(), threading.Event()
    record.when(2, gate.set)
    jobs = [programs.Job(name, record.work(name, gate)) for name in "abc"]
    jobs.append(programs.Job("last", record.work("last"), ("a", "b", "c")))

    failed = programs.run_jobs(jobs, 2, lambda: None)

    assert failed == []
    assert sorted(record.started[:2]) == ["a", "b"]
    assert max(record.beside.values()) == 1
    assert record.started[-1] == "last"


def test_nothing_runs_beside_a_job_alone(programs):
    record, gate = Record(), threading.Event()
    record.when(2, gate.set)
    jobs = [
        programs.Job("alone", record.work("alone"), alone=True),
        # They wait for each other, so that both run when the one alone could start.
        programs.Job("a", record.work("a", gate)),
        programs.Job("b", record.work("b", gate)),
        programs.Job("after", record.work("after"), ("alone",)),
        programs.Job("too", record.work("too"), alone=True),
    ]

    assert programs.run_jobs(jobs, 4, lambda: None) == []

    assert record.started[2:] == ["alone", "after", "too"]
    assert [record.beside[name] for name in ("alone", "after", "too")] == [0, 0, 0]


def test_a_failed_job_takes_along_only_what_needs_it(programs):
    record = Record()

    def fails():
        raise programs.ProgramFailed("status 3 of -m distil_jax.main")

    jobs = [
        programs.Job("student", fails),
        programs.Job("student on rte", record.work("student on rte"), ("student",)),
        programs.Job("cut", record.work("cut")),
        programs.Job("cut on rte", record.work("cut on rte"), ("cut",)),
    ]

    failed = programs.run_jobs(jobs, 2, lambda: None)

    assert failed == [
        "student: status 3 of -m distil_jax.main",
        "student on rte: needs student",
    ]
    assert sorted(record.started) == ["cut", "cut on rte"]


def test_a_mistake_in_a_job_is_told_with_the_others(programs, capsys):
    record = Record()
    jobs = [
        programs.Job("table", lambda: {}["rte"]),
        programs.Job("cut", record.work("cut")),
    ]

    assert programs.run_jobs(jobs, 1, lambda: None) == ["table: KeyError: 'rte'"]

    assert record.started == ["cut"]
    assert "Traceback" in capsys.readouterr().err


SCRIPT = """
import pathlib, sys
folder, status = (one.split("=")[1] for one in sys.argv[1:3])
pathlib.Path(folder).mkdir(exist_ok=True)
(pathlib.Path(folder) / "runs").open("a").write("x")
print("made", folder)
sys.exit(int(status))
"""


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    return file


def runs(folder):
    return len((folder / "runs").read_text())


def test_what_is_done_is_not_done_again(programs, script, tmp_path):
    log, folder = tmp_path / "hours.jsonl", tmp_path / "made"
    for expected in (1, 2):  # what failed is tried again
        with pytest.raises(programs.ProgramFailed, match=r"status 7 of python .*script\.py"):
            programs.Programs(log).call(script, output=folder, status=7)
        assert runs(folder) == expected

    for _ in range(2):
        programs.Programs(log).call(script, output=folder, status=0)
        assert runs(folder) == 3

    shutil.rmtree(folder)
    programs.Programs(log).call(script, output=folder, status=0)
    assert runs(folder) == 1


def test_what_was_done_and_then_lost_in_a_killed_run_is_done_again(programs, script, tmp_path):
    log, folder = tmp_path / "hours.jsonl", tmp_path / "made"
    programs.Programs(log).call(script, output=folder, status=0)
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines, lines[0]]) + "\n")  # it started, and no end is known
    assert json.loads(lines[0])["status"] is None

    programs.Programs(log).call(script, output=folder, status=0)

    assert runs(folder) == 2


def test_what_reads_a_folder_is_done_again_after_the_folder_is_made_anew(
    programs, script, tmp_path
):
    log, student, scores = tmp_path / "hours.jsonl", tmp_path / "student", tmp_path / "scores"
    other = tmp_path / "student-scores"

    def train():
        programs.Programs(log).call(script, workdir=student, status=0)

    def score():
        found = programs.Programs(log)
        found.call(script, output=scores, status=0, model=student / "model")
        found.call(script, output=other, status=0, model=tmp_path / "student-second")

    for _ in range(2):
        train()
        score()
    assert (runs(student), runs(scores)) == (1, 1)
    shutil.rmtree(student)
    train()  # and the study ends here
    score()
    assert (runs(student), runs(scores), runs(other)) == (1, 2, 1)


def test_side_by_side_each_program_has_a_file_for_what_it_says(programs, script, tmp_path, capfd):
    folder = tmp_path / "made"

    programs.Programs(tmp_path / "hours.jsonl", several=True).call(script, output=folder, status=0)

    assert (tmp_path / "made.log").read_text() == f"made {folder}\n"
    assert capfd.readouterr().out.startswith("$ python ")


def test_a_stopped_study_ends_its_programs_and_starts_no_other(programs, tmp_path, capfd):
    script = tmp_path / "script.py"
    script.write_text("import time; print('here', flush=True); time.sleep(600)\n")
    found = programs.Programs(tmp_path / "hours.jsonl", several=True)

    def stop():
        deadline = time.monotonic() + SECONDS
        while not (tmp_path / "a.log").is_file() or not (tmp_path / "a.log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        found.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    jobs = [
        programs.Job("a", lambda: found.call(script, output=tmp_path / "a")),
        programs.Job("b", lambda: found.call(script, output=tmp_path / "b")),
    ]

    failed = programs.run_jobs(jobs, 1, lambda: None)

    stopper.join()
    assert failed[0].startswith("a: status -15 of python ")
    assert failed[0].endswith(f", which says why in {tmp_path / 'a.log'}")
    assert failed[1] == "b: stopped"
    assert capfd.readouterr().out.count("$ python") == 1


def test_a_stopped_study_starts_no_job_of_its_own(programs, tmp_path, capsys):
    found, record = programs.Programs(tmp_path / "hours.jsonl"), Record()
    jobs = [programs.Job("a", found.stop), programs.Job("b", record.work("b"))]

    with pytest.raises(UserError, match="1 of 2 jobs were not done"):
        programs.run_to_end(found, jobs, lambda: None)

    assert record.started == []
    assert capsys.readouterr().err == "not done: b: stopped\n"


def test_what_a_user_can_mend_is_told_in_one_line(programs, capsys):
    def lacks():
        raise UserError("sentences are 3, and --size wants 9")

    failed = programs.run_jobs([programs.Job("texts", lacks)], 1, lambda: None)

    assert failed == ["texts: sentences are 3, and --size wants 9"]
    assert capsys.readouterr().err == ""
