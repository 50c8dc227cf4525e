"""embedding_tasks: which parts of which tasks are learnt from."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from distil_jax.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def embedding_tasks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import embedding_tasks

    shape = Namespace(dropout=0.3)
    monkeypatch.setattr(embedding_tasks, "load", lambda model: Namespace(config=shape))
    return embedding_tasks


def glue(folder):
    for task in ("rte", "mrpc"):
        (folder / task).mkdir(parents=True)
        for split in ("train", "validation"):
            rows = [{"sentence1": f"{n}", "sentence2": "b", "label": n % 2} for n in range(10)]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / task / f"{split}.jsonl").write_text(text)
    return folder


def flags_of(embedding_tasks, folder, *more):
    left_out = [f"--leave-out={name}" for name in ("wnli", "stsb", "sst2", "cola")]
    given = ["--teacher=T", "--student=S", f"--tasks={folder}", f"--output={folder}/out"]
    return embedding_tasks.parser().parse_args([*given, *left_out, *more])


def test_each_task_has_three_jobs_and_as_many_rows_as_asked(embedding_tasks, tmp_path, monkeypatch):
    tasks = embedding_tasks.Tasks(flags_of(embedding_tasks, glue(tmp_path), "--rows=5"))
    names = [job.name for job in tasks.jobs()]
    assert len(names) == 6
    assert names[:2] == ["teacher on rte", "student on rte"]
    called = []
    monkeypatch.setattr(tasks.programs, "command", lambda name, **flags: called.append(flags))
    tasks.jobs()[0].work()
    train = called[0]["train"].read_text().splitlines()
    assert [json.loads(line)["sentence1"] for line in train] == ["0", "2", "4", "6", "8"]
    assert (called[0]["model"], called[0]["task"]) == ("T", "rte")
    tasks.jobs()[1].work()
    assert [(one["model"], one["dropout"]) for one in called] == [("T", 0.3), ("S", 0.3)]


def test_the_second_distillation_has_the_unlabelled_texts_of_its_task(
    embedding_tasks, tmp_path, monkeypatch
):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/rte.jsonl").touch()
    flags = flags_of(embedding_tasks, glue(tmp_path), f"--unlabelled={tmp_path / 'more'}")
    tasks = embedding_tasks.Tasks(flags)
    monkeypatch.setattr(embedding_tasks, "best_model", lambda *_: "T2")
    called = []
    monkeypatch.setattr(tasks.programs, "command", lambda name, **flags: called.append(flags))
    for job in tasks.jobs():
        job.work()
    texts = {one["output"].parent.name + one["task"]: one.get("unlabelled") for one in called}
    assert texts.pop("student-secondrte") == tmp_path / "more/rte.jsonl"
    assert set(texts.values()) == {None}
    again = [one for one in called if "teacher" in one]
    assert [one["teacher"] for one in again] == ["T2", "T2"]
    assert [(one["learning_rate"], one["dropout"]) for one in again] == [("5e-5", 0.3), ("1e-4", 0)]
    assert again[0]["targets"] != again[1]["targets"]  # of two teachers


def test_a_folder_that_lacks_a_task_is_refused(embedding_tasks, tmp_path):
    glue(tmp_path)
    (tmp_path / "rte/train.jsonl").unlink()
    with pytest.raises(UserError, match=r"lacks rte/train\.jsonl"):
        embedding_tasks.Tasks(flags_of(embedding_tasks, tmp_path))


def test_a_mistyped_folder_of_unlabelled_texts_is_refused_at_once(embedding_tasks, tmp_path):
    flags = flags_of(embedding_tasks, glue(tmp_path), "--unlabelled=typo")
    with pytest.raises(UserError, match=r"--unlabelled=typo has none of rte\.jsonl, mrpc\.jsonl"):
        embedding_tasks.Tasks(flags)
