"""Whole evaluations of a tiny model: results, resuming, second distillation, every kind of task."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from distil_jax import models, pretrained
from distil_jax.errors import Diverged, Stopped, UsageError, UserError
from distil_jax.evaluation import evaluation
from distil_jax.evaluation import fine_tuner as tuners
from distil_jax.evaluation.batched_forward import BatchedForward
from distil_jax.pretrained.families import make_config
from distil_jax.training import precision

from .conftest import sentences, write


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_results_say_what_was_found(tuned, teacher_folder):
    found = json.loads((tuned / "results.json").read_text())
    assert found["metric"] == "accuracy"
    assert found["score"] > 90  # it can be learnt
    scores = [seed["score"] for seed in found["seeds"]]
    assert found["score"] == np.median(scores)
    assert found["spread"]["min"] == min(scores)
    assert found["counts"]["train"] == 96
    assert 0 <= found["counts"]["padding_share"] < 0.5
    assert found["teacher"] is None
    model = pretrained.load(tuned / found["best_model"], require_head="classification")
    assert model.labels == ("negative", "positive")
    assert found["parameters"] == sum(
        leaf.size for leaf in __import__("jax").tree.leaves(model.params)
    )


def test_predictions_and_submission_are_in_the_order_of_the_data(tuned, sentiment):
    lines = (tuned / "seed-0" / "predictions.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    rows = [json.loads(line) for line in (sentiment / "validation.jsonl").read_text().splitlines()]
    right = [
        record["label"] == ("negative", "positive")[row["label"]]
        for record, row in zip(records, rows, strict=True)
    ]
    seed = json.loads((tuned / "seed-0" / "result.json").read_text())
    assert 100 * np.mean(right) == pytest.approx(seed["score"])
    submitted = (tuned / "seed-0" / "SST-2.tsv").read_text().splitlines()
    assert submitted[0] == "index\tprediction"
    assert [line.split("\t")[0] for line in submitted[1:]] == [str(n) for n in range(10)]
    assert {line.split("\t")[1] for line in submitted[1:]} <= {"0", "1"}


def test_a_saved_model_scores_the_same(tuned, sentiment, evaluate, tmp_path):
    seed = json.loads((tuned / "seed-1" / "result.json").read_text())
    again = evaluate(
        tuned / "seed-1" / "model", tmp_path / "again", task="sst2", data=sentiment, epochs=0
    )
    assert again["score"] == pytest.approx(seed["score"])


def test_the_same_command_again_changes_nothing_and_other_settings_are_refused(
    tuned, teacher_folder, sentiment, evaluate, tmp_path, monkeypatch
):
    output = tmp_path / "copy"
    shutil.copytree(tuned, output)
    before = content(output)
    evaluate(teacher_folder, output, task="sst2", data=sentiment, seeds=2)
    assert content(output) == before
    monkeypatch.setattr(precision, "_ratio", lambda: 9.0)
    evaluate(teacher_folder, output, task="sst2", data=sentiment, seeds=2, dtype="auto")
    assert content(output) == before
    with pytest.raises(UserError, match="learning_rates"):
        evaluate(teacher_folder, output, task="sst2", data=sentiment, **{"learning-rate": 1e-3})
    assert content(output) == before


@pytest.mark.slow
def test_changed_labels_of_the_validation_split_are_another_evaluation(
    tuned, teacher_folder, sentiment, evaluate, tmp_path
):
    output, data = tmp_path / "output", tmp_path / "data"
    shutil.copytree(tuned, output)
    shutil.copytree(sentiment, data)
    rows = [json.loads(line) for line in (data / "validation.jsonl").read_text().splitlines()]
    rows[3]["label"] = 1 - rows[3]["label"]
    (data / "validation.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = json.loads((output / "settings.json").read_text())
    (output / "settings.json").write_text(json.dumps(settings | {"data": str(data)}))
    before = content(output)
    with pytest.raises(UserError, match="data_content"):
        evaluate(teacher_folder, output, task="sst2", data=data, seeds=2)
    assert content(output) == before


@pytest.mark.slow
def test_a_seed_killed_half_way_ends_as_if_it_had_not_been(
    tuned, teacher_folder, sentiment, evaluate, tmp_path
):
    output = tmp_path / "killed"
    script = (
        "import sys, os\n"
        "from distil_jax.evaluation import seed\n"
        "real = seed._Run.save\n"
        "def save(run, step, state, metric):\n"
        "    real(run, step, state, metric)\n"
        "    run.checkpoints.wait()\n"
        "    if step == 24: os.kill(os.getpid(), 9)\n"
        "seed._Run.save = save\n"
        "from distil_jax.evaluate import main\n"
        "main(sys.argv[1:])\n"
    )
    flags = ["--task=sst2", f"--data={sentiment}", "--epochs=3", "--learning-rate=0.01"]
    flags += ["--batch=8", "--devices=1", "--seeds=2", f"--model={teacher_folder}"]
    killed = subprocess.run(
        [sys.executable, "-c", script, *flags, f"--output={output}"],
        capture_output=True,
        env=os.environ
        | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        },
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not (output / "seed-0").exists()
    evaluate(teacher_folder, output, task="sst2", data=sentiment, seeds=2)
    for seed in ("seed-0", "seed-1"):
        for name in ("predictions.jsonl", "model/model.safetensors"):
            assert (output / seed / name).read_bytes() == (tuned / seed / name).read_bytes()
        logged, expected = (losses(folder / seed) for folder in (output, tuned))
        assert logged == expected
    (output / ".seed-1").mkdir()  # as a kill leaves it that comes when the seed is just whole
    evaluate(teacher_folder, output, task="sst2", data=sentiment, seeds=2)
    assert not (output / ".seed-1").exists()


def losses(folder: Path) -> list[tuple[int, float, float]]:
    """Step, loss and gradient norm of each line that training logged."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [(line["step"], line["loss"], line["gradient_norm"]) for line in lines]


def test_a_seed_leaves_its_losses_curves_and_health(tuned):
    folder = tuned / "seed-0"
    logged = losses(folder)
    assert [step for step, _, _ in logged] == list(range(1, 37))
    assert logged[-1][1] < logged[0][1]
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((folder / "tensorboard").iterdir())
    health = json.loads((folder / "health.json").read_text())
    assert health["seen"]["labels"] > 0
    result = json.loads((folder / "result.json").read_text())
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    kinds = ("steps_seconds", "input_seconds", "compile_seconds")
    assert result["train_seconds"] >= sum(last[kind] for kind in kinds) > 0


@pytest.mark.slow
@pytest.mark.parametrize("divided", [{"devices": 4}, {"devices": 2, "micro": 2}])
def test_devices_and_micro_batches_learn_the_same(
    teacher_folder, sentiment, evaluate, tmp_path, divided
):
    usual = {"task": "sst2", "data": sentiment, "epochs": 1, "dropout": 0, "learning-rate": 1e-3}
    evaluate(teacher_folder, tmp_path / "one", **usual)
    evaluate(teacher_folder, tmp_path / "more", **usual, **divided)
    one, more = (losses(tmp_path / name / "seed-0") for name in ("one", "more"))
    assert len(one) == 12
    np.testing.assert_allclose(more, one, rtol=1e-5)


def test_an_output_whose_checkpoints_could_not_be_read_is_refused_at_once(
    teacher_folder, evaluate, tmp_path
):
    with pytest.raises(UserError, match="cannot hold checkpoints"):
        evaluate(teacher_folder, tmp_path / "rates=[1]", task="sst2", data="/nowhere")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("objectives", ["cosine", "=1", "cosine=1,"])
def test_an_objective_without_a_weight_says_what_to_type(
    objectives, teacher_folder, sentiment, evaluate, tmp_path
):
    given = {"task": "sst2", "data": sentiment, "objectives": objectives}
    with pytest.raises(UsageError, match=r"is not NAME=WEIGHT,\.\.\., as cosine=1"):
        evaluate(teacher_folder, tmp_path / "none", **given)


@pytest.mark.slow
def test_hidden_states_of_a_teacher_besides_the_labels(
    tuned, teacher_folder, sentiment, evaluate, tmp_path
):
    teacher = tuned / "seed-0" / "model"
    given = {"task": "sst2", "data": sentiment, "objectives": "cosine=0.5"}
    with pytest.raises(UserError, match="--objectives=cosine compares with a teacher"):
        evaluate(teacher_folder, tmp_path / "none", **given)
    for name in ("soft_target", "cosines"):
        wrong = given | {"objectives": f"{name}=1"}
        with pytest.raises(UserError, match=f"--objectives={name} .* use cosine"):
            evaluate(teacher_folder, tmp_path / "none", teacher=teacher, **wrong)
    assert not (tmp_path / "none").exists()
    evaluate(teacher_folder, tmp_path / "o", teacher=teacher, epochs=1, **given)
    lines = (tmp_path / "o" / "seed-0" / "metrics.jsonl").read_text().splitlines()
    for line in map(json.loads, lines):
        assert line["cosine"] > 0
        expected = 0.5 * (line["labels"] + line["soft_target"] + line["cosine"])
        assert line["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_second_distillation_and_a_teacher_with_other_labels(
    tuned, teacher_folder, sentiment, evaluate, tmp_path
):
    teacher = tuned / "seed-0" / "model"
    found = evaluate(
        teacher_folder, tmp_path / "soft", task="sst2", data=sentiment, teacher=teacher
    )
    assert found["teacher"] == str(teacher)
    assert found["score"] > 90
    config = json.loads((teacher / "config.json").read_text())
    other = tmp_path / "other"
    shutil.copytree(teacher, other)
    config |= {"id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1}}
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="cat, dog"):
        evaluate(teacher_folder, tmp_path / "no", task="sst2", data=sentiment, teacher=other)
    assert not (tmp_path / "no").exists()


def test_a_teacher_whose_classes_stand_in_another_order(tuned, teacher_folder, sentiment, tmp_path):
    """Alone with the teacher's word, the student does as well as with the labels."""
    from distil_jax.evaluation import fine_tuning_plan
    from distil_jax.evaluation.settings import Settings

    model = pretrained.load(tuned / "seed-0" / "model")
    swapped = {
        **model.params["head"],
        "classifier": {k: v[..., ::-1] for k, v in model.params["head"]["classifier"].items()},
    }
    turned = tmp_path / "turned"
    pretrained.save(
        turned,
        pretrained.Pretrained(
            model.config,
            {**model.params, "head": swapped},
            model.head,
            model.labels[::-1],
            model.tokenizer,
        ),
    )
    outputs = []
    for folder in (tuned / "seed-0" / "model", turned):
        settings = Settings(
            model=str(teacher_folder),
            task="sst2",
            data=str(sentiment),
            output=tmp_path,
            teacher=str(folder),
            devices=1,
        )
        cache = tmp_path / f"cache-{folder.name}"
        cache.mkdir()
        outputs.append(fine_tuning_plan.make(settings).teacher.outputs(cache))
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-5)


@pytest.mark.slow
def test_early_stopping_keeps_the_best_epoch(teacher_folder, sentiment, evaluate, tmp_path):
    found = evaluate(
        teacher_folder, tmp_path / "o", task="sst2", data=sentiment, epochs=9, patience=1
    )
    seed = found["seeds"][0]
    history = [entry["score"] for entry in seed["history"]]
    assert seed["epochs"] == len(history) < 9
    assert seed["score"] == max(history) == history[seed["best_epoch"] - 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "flags"), [(12, ["--patience=1"]), (36, []), (36, ["--patience=3"])]
)
def test_a_stop_at_the_end_of_an_epoch_loses_no_score(
    tuned, teacher_folder, sentiment, evaluate, tmp_path, step, flags
):
    """SIGTERM in an epoch's last step; then the same command: as without it."""
    script = (
        "import sys, os\n"
        "from distil_jax.evaluation import seed\n"
        "real = seed.Display\n"
        "def at_step(step):\n"
        f"    if step == {step}: os.kill(os.getpid(), 15)\n"
        "seed.Display = lambda **given: real(at_step, **given)\n"
        "from distil_jax import commandline\n"
        "from distil_jax.evaluate import main\n"
        "commandline.run(main)\n"
    )
    usual = ["--task=sst2", f"--data={sentiment}", "--epochs=3", "--learning-rate=0.01", *flags]
    usual += ["--batch=8", "--devices=1", "--seeds=1", f"--model={teacher_folder}"]
    done = subprocess.run(
        [sys.executable, "-c", script, *usual, f"--output={tmp_path / 'stopped'}"],
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (143, 1), done.stderr
    assert f"stopped by SIGTERM after step {step} of seed 0, which is saved" in done.stderr
    patience = {"patience": flags[0][-1]} if flags else {}
    given = {"task": "sst2", "data": sentiment, **patience}
    stopped = evaluate(teacher_folder, tmp_path / "stopped", **given)
    undisturbed = json.loads((tuned / "results.json").read_text())
    if flags:
        undisturbed = evaluate(teacher_folder, tmp_path / "undisturbed", **given)
    for name in ("score", "history", "epochs", "best_epoch"):
        assert stopped["seeds"][0][name] == undisturbed["seeds"][0][name], name


@pytest.mark.parametrize("of_teacher", [True, False], ids=["teacher's outputs", "scores"])
def test_where_nothing_is_lost_sigterm_ends_it_at_once(
    of_teacher, teacher_folder, tuned, sentiment, evaluate, tmp_path, monkeypatch
):
    def outputs(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("it went on")

    monkeypatch.setattr(BatchedForward, "__call__", lambda *_: outputs)
    fine_tuned = tuned / "seed-0/model"
    model = teacher_folder if of_teacher else fine_tuned
    more = {"teacher": fine_tuned} if of_teacher else {"epochs": 0}
    with pytest.raises(Stopped, match="rerun the same command"):
        evaluate(model, tmp_path / "o", task="sst2", data=sentiment, **more)


def test_no_more_than_two_steps_are_under_way(
    teacher_folder, sentiment, evaluate, tmp_path, monkeypatch
):
    """A stop is heard between steps; here each takes a while."""
    waiting: list[int] = []
    losses: list[jax.Array] = []
    slow = jax.jit(lambda loss: jax.pure_callback(late, loss, loss))

    def late(loss: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return loss

    def slowed(*given: object) -> tuners.FineTuner:
        tuner = tuners.fine_tuner(*given)

        def step(*inputs: object) -> tuple[object, dict[str, jax.Array]]:
            waiting.append(sum(not loss.is_ready() for loss in losses))
            state, values = tuner.step(*inputs)
            losses.append(slow(values["loss"]))
            return state, {**values, "loss": losses[-1]}

        return replace(tuner, step=step)

    monkeypatch.setattr(evaluation, "fine_tuner", slowed)
    evaluate(teacher_folder, tmp_path / "o", task="sst2", data=sentiment, epochs=1)
    assert len(waiting) == 12
    assert max(waiting) == 1


def test_fewer_seeds_than_are_finished_lose_none(
    tuned, teacher_folder, sentiment, evaluate, tmp_path, capsys
):
    output = tmp_path / "output"
    shutil.copytree(tuned, output)
    found = evaluate(teacher_folder, output, task="sst2", data=sentiment, seeds=1, models="best")
    assert [seed["seed"] for seed in found["seeds"]] == [0, 1]
    assert (output / found["best_model"] / "model.safetensors").is_file()
    assert "2 seeds are finished" in capsys.readouterr().out


@pytest.mark.slow
def test_imdbs_scored_split_is_found_beside_a_training_file(
    teacher_folder, sentiment, evaluate, tmp_path
):
    """Of a saved data set, whose test split is the one that IMDb is scored on."""
    import datasets

    rows = [{"text": row["sentence"], "label": row["label"]} for row in sentences(40, 1)]
    datasets.DatasetDict({"test": datasets.Dataset.from_list(rows)}).save_to_disk(tmp_path / "imdb")
    write(
        tmp_path / "part.jsonl",
        [{"text": row["sentence"], "label": row["label"]} for row in sentences(96, 0)],
    )
    flags = {"task": "imdb", "data": tmp_path / "imdb", "train": tmp_path / "part.jsonl"}
    found = evaluate(teacher_folder, tmp_path / "o", length=32, **flags)
    assert found["counts"]["validation"] == 40
    both = {"validation": tmp_path / "part.jsonl", "test": tmp_path / "part.jsonl"}
    with pytest.raises(UsageError, match="--validation or --test, not both"):
        evaluate(teacher_folder, tmp_path / "p", length=32, **flags | both)


@pytest.mark.slow
def test_a_grid_is_tried_with_the_first_seed(teacher_folder, sentiment, evaluate, tmp_path, capsys):
    flags = {"task": "sst2", "data": sentiment, "epochs": 2}
    found = evaluate(teacher_folder, tmp_path / "o", **flags, **{"learning-rate": "1e-9,1e-2,1e-8"})
    assert [entry["learning_rate"] for entry in found["learning_rate_grid"]] == [1e-9, 1e-2, 1e-8]
    first = found["seeds"][0]
    assert first["learning_rate"] == 1e-2
    assert first["score"] == found["learning_rate_grid"][1]["score"]
    assert not (tmp_path / "o" / "grid").exists()
    assert capsys.readouterr().out.count("seed 0: epoch 2 of 2") == 3  # not once more
    alone = evaluate(teacher_folder, tmp_path / "p", **flags, **{"learning-rate": "1e-2"})
    for name in ("metrics", "epochs", "history", "padding_share"):
        assert alone["seeds"][0][name] == first[name]
    ours, theirs = (
        (tmp_path / folder / "seed-0/model/model.safetensors").read_bytes() for folder in "op"
    )
    assert ours == theirs


def test_a_rate_that_diverges_is_not_the_grids_best(teacher_folder, sentiment, evaluate, tmp_path):
    flags = {"task": "sst2", "data": sentiment, "epochs": 1, "clip": 0}
    rates = {"learning-rate": "1e38,1e-3"}
    found = evaluate(teacher_folder, tmp_path / "o", **flags, **rates)
    first, second = found["learning_rate_grid"]
    assert "diverged at step" in first["diverged"]
    assert found["seeds"][0]["learning_rate"] == second["learning_rate"] == 1e-3
    with pytest.raises(Diverged, match="every --learning-rate diverged"):
        evaluate(teacher_folder, tmp_path / "p", **flags, **{"learning-rate": "1e38,2e38"})


def test_a_table_of_ones_own_with_names_for_classes(teacher_folder, evaluate, tmp_path):
    rows = [
        {"words": row["sentence"], "kind": ["water", "town"][row["label"]]}
        for row in sentences(96, 5)
    ]
    header = "words,kind\n"
    for name, part in (("a.csv", rows[:64]), ("b.csv", rows[64:])):
        lines = "".join(f"{row['words']},{row['kind']}\n" for row in part)
        (tmp_path / name).write_text("\ufeff" + header + lines, "utf-8")
    flags = {
        "train": tmp_path / "a.csv",
        "validation": tmp_path / "b.csv",
        "task": "classification",
    }
    found = evaluate(teacher_folder, tmp_path / "o", columns="words", label="kind", **flags)
    assert found["labels"] == ["town", "water"]
    assert found["score"] > 80


@pytest.mark.slow
def test_a_regressions_values_come_back_on_their_own_scale(teacher_folder, evaluate, tmp_path):
    rows = [
        {"text": row["sentence"], "label": 1000.0 + 50 * row["label"]} for row in sentences(96, 6)
    ]
    write(tmp_path / "train.jsonl", rows[:64])
    write(tmp_path / "validation.jsonl", rows[64:])
    found = evaluate(teacher_folder, tmp_path / "o", task="regression", data=tmp_path, epochs=6)
    assert found["metrics"]["pearson"] > 80
    lines = (tmp_path / "o" / "seed-0" / "predictions.jsonl").read_text().splitlines()
    values = [json.loads(line)["label"] for line in lines]
    assert 950 < min(values) < max(values) < 1100
    again = evaluate(
        tmp_path / "o" / "seed-0" / "model",
        tmp_path / "again",
        task="regression",
        data=tmp_path,
        epochs=0,
    )
    assert again["metrics"]["mean_squared_error"] == pytest.approx(
        found["metrics"]["mean_squared_error"], rel=1e-2
    )


def test_a_regression_of_a_head_without_a_bias_is_on_the_labels_scale(
    teacher_folder, evaluate, tmp_path
):
    """GPT-2's head to the labels has none, which could not hold the labels' mean."""
    rows = [{"text": r["sentence"], "label": 1000.0 + 50 * r["label"]} for r in sentences(24, 6)]
    write(tmp_path / "train.jsonl", rows[:16])
    write(tmp_path / "validation.jsonl", rows[16:])
    tokenizer = pretrained.load(teacher_folder).tokenizer
    config = make_config("gpt2", len(tokenizer), 16, 1, 2, 32, 32)
    params = models.initialize(config, jax.random.key(0))
    student = pretrained.Pretrained(config, params, "causal_lm", (), tokenizer)
    pretrained.save(tmp_path / "gpt2", student)
    task = {"task": "regression", "data": tmp_path, "length": 32}
    found = evaluate(tmp_path / "gpt2", tmp_path / "o", **task)
    assert found["metrics"]["mean_squared_error"] < 500.0**2
    again = evaluate(tmp_path / "o/seed-0/model", tmp_path / "again", **task, epochs=0)
    assert again["metrics"] == pytest.approx(found["metrics"], rel=1e-4)


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    """The answer is the word after `city`."""
    folder, chosen = tmp_path_factory.mktemp("squad"), random.Random(0)
    for name, count in (("train", 120), ("validation", 20)):
        paragraphs = []
        for number in range(count):
            before = chosen.choices(["the", "of", "and", "in"], k=chosen.randint(1, 30))
            answer = chosen.choice(["river", "old"])
            start = len(" ".join([*before, "city"])) + 1
            context = " ".join([*before, "city", answer, "to", "is"])
            answers = [{"text": answer, "answer_start": start}]
            asked = {"id": f"{name}-{number}", "question": "the city", "answers": answers}
            paragraphs.append({"context": context, "qas": [asked]})
        data = {"data": [{"title": "t", "paragraphs": paragraphs}]}
        (folder / f"{name}.json").write_text(json.dumps(data))
    return folder


@pytest.mark.slow
def test_spans_are_learnt_and_distilled(teacher_folder, questions, evaluate, tmp_path):
    flags = {"task": "squad", "data": questions, "epochs": 12, "length": 32, "stride": 8}
    found = evaluate(teacher_folder, tmp_path / "o", **flags)
    assert found["counts"]["strided"] > 0
    assert found["score"] > 60
    teacher = tmp_path / "o" / "seed-0" / "model"
    soft = evaluate(teacher_folder, tmp_path / "soft", teacher=teacher, **flags)
    assert soft["score"] > 60


BAD = {
    "no label column": (lambda row: {"sentence": row["sentence"]}, "no label column label"),
    "unknown label": (lambda row: row | {"label": 7}, "unknown label 7"),
    "no label": (lambda row: row | {"label": None}, "has no labels: label is None in row 0"),
    "empty text": (lambda row: row | {"sentence": " "}, "empty text"),
    "no text column": (lambda row: {"label": 1, "body": "x"}, "no column sentence"),
    "text that is a list": (lambda row: row | {"sentence": ["x"]}, "holds list"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_bad_rows_are_named_and_nothing_is_left(
    teacher_folder, evaluate, tmp_path, change, message
):
    rows = sentences(20, 0)
    write(tmp_path / "train.jsonl", [change(row) for row in rows])
    write(tmp_path / "validation.jsonl", rows)
    with pytest.raises(UserError, match=message):
        evaluate(teacher_folder, tmp_path / "o", task="sst2", data=tmp_path)
    assert not (tmp_path / "o").exists()


def test_other_faults_are_one_line(teacher_folder, sentiment, evaluate, tmp_path):
    def refused(message: str, folder: Path = sentiment, **flags: object) -> None:
        with pytest.raises(UserError, match=message) as caught:
            evaluate(teacher_folder, tmp_path / "o", **{"task": "sst2", "data": folder} | flags)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "o").exists()

    one = tmp_path / "one"
    one.mkdir()
    write(one / "train.jsonl", [row | {"label": 1} for row in sentences(20, 0)])
    write(one / "validation.jsonl", sentences(20, 1))
    refused("one label only, positive", one)
    (one / "train.jsonl").write_text('{"sentence": "x", "label": 1}\n{"sentence": ')
    refused("line 2 is not JSON", one)
    (one / "train.jsonl").unlink()
    refused("no training split", one)
    refused("has no labels: label is -1 in all", validation=sentiment / "test.jsonl")
    refused("more than the model's 64 positions", length=65)
    refused("not a local folder", tmp_path / "missing")
    refused("does not divide", batch=9, devices=2)
    refused("masked-language-model head", epochs=0)
    bare = tmp_path / "bare"
    shutil.copytree(teacher_folder, bare)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (bare / name).unlink()
    with pytest.raises(UserError, match="no tokenizer"):
        evaluate(bare, tmp_path / "o", task="sst2", data=sentiment)


def test_a_loss_that_is_not_finite_ends_with_diverged(
    teacher_folder, sentiment, evaluate, tmp_path
):
    from distil_jax.errors import Diverged

    with pytest.raises(Diverged, match=r"seed 0 diverged at step .*, with another --output"):
        evaluate(
            teacher_folder, tmp_path / "o", task="sst2", data=sentiment, **{"learning-rate": 1e38}
        )
