"""scoring: an export's scores are its model folder's."""

import json
from dataclasses import replace

import numpy as np
import pytest

from distil_jax import commandline, evaluate, pretrained
from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
from distil_jax.exporting.onnx_folder import open_onnx
from distil_jax.exporting.onnx_predictor import predictor
from distil_jax.exporting.subject import of_head
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.question_answering import QUESTION_ANSWERING

SETTINGS = OnnxSettings("none", False, (), source="here", command="command")
WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "for",
    "it",
    "as",
    "was",
    "on",
    "be",
    "with",
    "by",
    "that",
    "from",
]


@pytest.fixture(scope="module")
def exported(teacher_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored") / "masked"
    export_onnx(of_head(pretrained.load(teacher_folder)), folder, SETTINGS)
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    draw = np.random.default_rng(0)
    lines = [" ".join(draw.choice(WORDS, draw.integers(3, 40))) for _ in range(60)]
    file = tmp_path_factory.mktemp("text") / "held.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


def run(capfd, *arguments):
    with pytest.raises(SystemExit) as stop:
        commandline.run(evaluate.main, [str(argument) for argument in arguments])
    return stop.value.code, *capfd.readouterr()


def test_masked_lm_is_the_model_folders(exported, teacher_folder, text, tmp_path, capfd):
    found = {}
    for name, model in {"folder": teacher_folder, "onnx": exported}.items():
        flags = ("--task=mlm", f"--data={text}", "--length=32", f"--output={tmp_path / name}")
        status, _, err = run(capfd, f"--model={model}", *flags)
        assert (status, err) == (0, "")
        found[name] = json.loads((tmp_path / name / "results.json").read_text())
    assert found["onnx"]["counts"] == found["folder"]["counts"]
    for metric in ("tokens", "accuracy", "masked_lm"):
        ours, expected = (found[name]["metrics"][metric] for name in ("onnx", "folder"))
        assert ours == pytest.approx(expected, rel=1e-5), metric


def test_a_task_is_scored_with_agreement(make, tmp_path, capfd):
    model = make("distilbert", "classification")
    export_onnx(of_head(model), tmp_path / "out", SETTINGS)
    draw = np.random.default_rng(1)
    lines = [
        json.dumps({"text": " ".join(draw.choice(WORDS, 6)), "label": "abc"[n % 3]})
        for n in range(30)
    ]
    (tmp_path / "v.jsonl").write_text("\n".join(lines))
    (tmp_path / "t.jsonl").write_text("\n".join(lines[:9]))
    splits = [f"--{name}={tmp_path / name[0]}.jsonl" for name in ("validation", "test")]
    flags = ("--task=classification", *splits, "--length=16")
    onnx = tmp_path / "out"
    both = (f"--model={onnx}", f"--teacher={onnx}", "--card")
    status, _, err = run(capfd, *both, *flags, f"--output={tmp_path / 'r'}")
    assert (status, err) == (0, "")
    results = json.loads((tmp_path / "r" / "results.json").read_text())
    assert results["metrics"]["agreement"] == 100
    assert results["metrics"]["teacher_accuracy"] == results["score"]
    assert pretrained.scores_of((onnx / "README.md").read_text()) == {
        "classification: accuracy": f"{results['score']:.4g}",
        "classification: macro_f1": f"{results['metrics']['macro_f1']:.4g}",
        "classification: test_accuracy": f"{results['metrics']['test_accuracy']:.4g}",
        "classification: test_macro_f1": f"{results['metrics']['test_macro_f1']:.4g}",
        "classification: agreement with out": "100",
        "classification: test_agreement with out": "100",
        "classification: accuracy of out": f"{results['score']:.4g}",
    }
    pretrained.save(tmp_path / "folder", model)
    run(
        capfd,
        f"--model={tmp_path / 'folder'}",
        "--epochs=0",
        *flags,
        f"--output={tmp_path / 'f'}",
    )
    expected = json.loads((tmp_path / "f" / "results.json").read_text())
    own = {name: results["metrics"][name] for name in expected["metrics"]}
    assert "test_accuracy" in own
    assert own == pytest.approx(expected["metrics"])
    assert len((tmp_path / "r" / "predictions-test.jsonl").read_text().splitlines()) == 9


def test_a_test_split_without_labels_has_predictions_and_the_benchmarks_file(make, tmp_path, capfd):
    model = make("distilbert", "classification")
    model = replace(model, labels=("entailment", "neutral", "contradiction"))
    export_onnx(of_head(model), tmp_path / "out", SETTINGS)
    for split, labels in (("validation_matched", [0, 1, 2]), ("test_matched", [-1, -1])):
        rows = [{"premise": "the river", "hypothesis": "it is", "label": label} for label in labels]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    flags = (f"--model={tmp_path / 'out'}", "--task=mnli", f"--data={tmp_path}", "--length=16")
    status, _, _ = run(capfd, *flags, f"--output={tmp_path / 'r'}")
    assert status == 0
    predictions = (tmp_path / "r" / "predictions-test_matched.jsonl").read_text().splitlines()
    first = json.loads(predictions[0])["label"]
    expected = ["index\tprediction", f"0\t{first}", f"1\t{first}"]
    assert (tmp_path / "r" / "MNLI-m.tsv").read_text().splitlines() == expected


@pytest.mark.parametrize(
    "labels", [("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), ("LABEL_0", "LABEL_1", "LABEL_2")]
)
def test_classes_of_another_order_or_without_names_are_the_tasks(make, tmp_path, capfd, labels):
    model = replace(make("distilbert", "classification"), labels=labels)
    pretrained.save(tmp_path / "folder", model)
    export_onnx(of_head(model), tmp_path / "onnx", SETTINGS)
    rows = [
        json.dumps({"premise": " ".join(WORDS[n : n + 5]), "hypothesis": WORDS[n], "label": n % 3})
        for n in range(9)
    ]
    (tmp_path / "v.jsonl").write_text("\n".join(rows))
    flags = ("--task=mnli", f"--validation={tmp_path / 'v.jsonl'}", "--length=16")
    found = {}
    for name, further, at in (("folder", ["--epochs=0"], "seed-0"), ("onnx", [], "")):
        output = tmp_path / f"scores-{name}"
        status, _, err = run(
            capfd, f"--model={tmp_path / name}", *flags, *further, f"--output={output}"
        )
        assert (status, err.count("are taken for")) == (0, int(labels[0] == "LABEL_0"))
        lines = (output / at / "predictions.jsonl").read_text().splitlines()
        found[name] = [json.loads(line)["scores"] for line in lines]
    assert {*found["onnx"][0]} == {"entailment", "neutral", "contradiction"}
    for ours, theirs in zip(found["onnx"], found["folder"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_a_teacher_of_another_tokenizer_or_other_classes_is_refused(
    exported, make, text, tmp_path, capfd
):
    export_onnx(of_head(pretrained.load("builtin:teacher")), tmp_path / "other", SETTINGS)
    flags = ("--task=mlm", f"--data={text}", f"--output={tmp_path / 'r'}")
    given = (f"--model={exported}", f"--teacher={tmp_path / 'other'}")
    status, _, err = run(capfd, *given, *flags)
    assert (status, err.count("\n"), "has another tokenizer than" in err) == (1, 1, True)

    model = make("bert", "classification")
    export_onnx(of_head(model), tmp_path / "three", SETTINGS)
    renamed = replace(model, labels=("a", "b", "z"))
    export_onnx(of_head(renamed), tmp_path / "renamed", SETTINGS)
    rows = [json.dumps({"text": "the river", "label": "abc"[number % 3]}) for number in range(9)]
    (tmp_path / "v.jsonl").write_text("\n".join(rows))
    flags = ("--task=classification", f"--validation={tmp_path / 'v.jsonl'}", "--length=16")
    given = (f"--model={tmp_path / 'three'}", f"--teacher={tmp_path / 'renamed'}")
    status, _, err = run(capfd, *given, *flags, f"--output={tmp_path / 's'}")
    assert (status, err.count("\n"), "has the labels a, b, z" in err) == (1, 1, True)


def test_an_export_of_several_labels_is_no_classifier_and_the_other_way_round(
    make, tmp_path, capfd
):
    kinds = {"several": "multi_label_classification", "one": "single_label_classification"}
    for name, problem_type in kinds.items():
        model = replace(make("bert", "classification"), problem_type=problem_type)
        export_onnx(of_head(model), tmp_path / name, SETTINGS)
    (tmp_path / "one.jsonl").write_text('{"text": "the river", "label": "a"}\n')
    (tmp_path / "several.jsonl").write_text('{"text": "the river", "label": ["a", "b"]}\n')
    several, one = "gives each text several labels", "gives each text one label"
    for task, rows, names, message in (
        ("classification", "one", ("several", ""), several),
        ("classification", "one", ("one", "several"), several),
        ("multilabel", "several", ("one", ""), one),
        ("multilabel", "several", ("several", "one"), one),
    ):
        output = tmp_path / "out"
        flags = [f"--task={task}", f"--validation={tmp_path / rows}.jsonl", f"--output={output}"]
        for flag, name in zip(("--model", "--teacher"), names, strict=True):
            flags += [f"{flag}={tmp_path / name}"] if name else []
        status, _, err = run(capfd, *flags, "--length=16")
        assert (status, err.count("\n"), message in err) == (1, 1, True), err
        assert not output.exists()


def test_span_outputs_end_with_the_sequence(make, tmp_path):
    model = export_onnx(of_head(make("bert", "question_answering")), tmp_path / "out", SETTINGS)
    tokens = tuple(np.arange(5, 5 + size, dtype=np.int32) for size in (4, 9, 2))
    encoded = Encoded(tokens, tuple(np.zeros_like(one) for one in tokens), 0)
    together = predictor(model, QUESTION_ANSWERING)(encoded)
    assert [one.shape for one in together] == [(4, 2), (9, 2), (2, 2)]
    first = Encoded(tokens[:1], encoded.token_types[:1], 0)
    alone = predictor(open_onnx(tmp_path / "out"), QUESTION_ANSWERING)(first)
    np.testing.assert_allclose(together[0], alone[0], atol=1e-5)


def test_a_model_folder_has_no_card_to_fill(teacher_folder, text, tmp_path, capfd):
    given = (f"--model={teacher_folder}", "--task=mlm", f"--data={text}", "--card")
    status, _, err = run(capfd, *given, f"--output={tmp_path / 'out'}")
    assert (status, err.count("\n")) == (2, 1)
    assert "--card goes with an ONNX export" in err


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (("--task=mlm", "--epochs=1"), 2, "cannot be fine-tuned"),
        (("--task=sst2",), 1, "has a masked_lm head, the task needs classification"),
        (("--task=mlm", "--teacher=builtin:teacher"), 1, "builtin:teacher is no ONNX folder"),
    ],
)
def test_what_cannot_be_scored_is_said(exported, text, tmp_path, capfd, flags, status, message):
    output = tmp_path / "out"
    given = (f"--model={exported}", f"--data={text}", f"--output={output}", *flags)
    code, _, err = run(capfd, *given)
    assert code == status
    assert message in err
    assert err.count("\n") == 1
    assert not output.exists()


def test_values_are_asked_of_an_export_of_one_value(make, tmp_path, capfd):
    rows = [json.dumps({"text": " ".join(WORDS[: n + 2]), "label": float(n)}) for n in range(6)]
    (tmp_path / "v.jsonl").write_text("\n".join(rows))
    flags = ("--task=regression", f"--validation={tmp_path / 'v.jsonl'}", "--length=16")
    classes = make("bert", "classification")
    export_onnx(of_head(classes), tmp_path / "classes", SETTINGS)
    status, _, err = run(
        capfd, f"--model={tmp_path / 'classes'}", *flags, f"--output={tmp_path / 'r'}"
    )
    assert (status, err.count("\n"), "has the labels a, b, c, the task value" in err) == (
        1,
        1,
        True,
    )

    head = classes.params["head"]
    last = {name: leaf[..., :1] for name, leaf in head["classifier"].items()}
    params = {**classes.params, "head": {**head, "classifier": last}}
    export_onnx(
        of_head(replace(classes, params=params, labels=("v",))), tmp_path / "value", SETTINGS
    )
    given = (f"--model={tmp_path / 'value'}", f"--teacher={tmp_path / 'value'}")
    status, _, err = run(capfd, *given, *flags, f"--output={tmp_path / 's'}")
    assert (status, err) == (0, "")
    metrics = json.loads((tmp_path / "s" / "results.json").read_text())["metrics"]
    assert "agreement" not in metrics
    assert metrics["teacher_pearson_spearman"] == metrics["pearson_spearman"]
