"""How a study's jobs run: side by side, after what they need, whatever else failed."""

import importlib
import threading
from pathlib import Path

import pytest

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
        self._lock = threading.Lock()

    def work(self, name, until=None):
        def job():
            with self._lock:
                self.started.append(name)
                self.beside[name] = self._running
                self._running += 1
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
    jobs = [programs.Job(name, record.work(name, gate)) for name in "abc"]
    jobs.append(programs.Job("last", record.work("last"), ("a", "b", "c")))
    opener = threading.Timer(0.5, gate.set)
    opener.start()

    failed = programs.run_jobs(jobs, 2, lambda: None)

    assert failed == []
    assert sorted(record.started[:2]) == ["a", "b"]
    assert max(record.beside.values()) == 1
    assert record.started[-1] == "last"


def test_nothing_runs_beside_a_job_alone(programs):
    record, gate = Record(), threading.Event()
    jobs = [
        programs.Job("alone", record.work("alone", gate), alone=True),
        programs.Job("other", record.work("other"), ("alone",)),
        programs.Job("too", record.work("too", None), alone=True),
    ]
    threading.Timer(0.3, gate.set).start()

    assert programs.run_jobs(jobs, 4, lambda: None) == []

    assert record.beside == {"alone": 0, "other": 0, "too": 0}


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


def test_a_program_is_logged_and_its_status_told(programs, tmp_path):
    log = tmp_path / "hours.jsonl"
    script = tmp_path / "script.py"
    script.write_text("import sys; sys.exit(int(sys.argv[1].split('=')[1]))\n")
    found = programs.Programs(log)

    found.call(script, the_status=0)
    with pytest.raises(programs.ProgramFailed, match=r"status 4 of .*script\.py --the-status=4"):
        found.call(script, the_status=4)

    assert [line.count('"status": 4') for line in log.read_text().splitlines()] == [0, 1]


def test_what_is_done_is_not_done_again_unless_its_folder_is_gone(programs, tmp_path):
    log, folder = tmp_path / "hours.jsonl", tmp_path / "made"
    script = tmp_path / "script.py"
    script.write_text(
        "import pathlib, sys\n"
        "folder, status = pathlib.Path(sys.argv[1].split('=')[1]), int(sys.argv[2].split('=')[1])\n"
        "folder.mkdir(exist_ok=True)\n"
        "(folder / 'runs').open('a').write('x')\n"
        "sys.exit(status)\n"
    )

    def runs():
        return len((folder / "runs").read_text())

    for expected in (1, 2):
        with pytest.raises(programs.ProgramFailed):
            programs.Programs(log).call(script, output=folder, status=7)
        assert runs() == expected  # what failed is tried again
    for _ in range(2):
        programs.Programs(log).call(script, output=folder, status=0)
        assert runs() == 3
    (folder / "runs").unlink()
    folder.rmdir()
    programs.Programs(log).call(script, output=folder, status=0)
    assert runs() == 1
