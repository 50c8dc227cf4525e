"""evaluate --task=sts and --task=retrieval: scores beside scipy's, files, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.stats import pearsonr, spearmanr

from distil_jax.embedding import retrieval
from distil_jax.embedding.opening import open_embedder
from distil_jax.embedding.truncation import unit
from distil_jax.errors import UserError
from distil_jax.evaluate import main as evaluate
from distil_jax.report.measurements import find_scores
from distil_jax.tasks.beir import read_collection
from tests.tasks.test_beir import write

PAIRS = [
    ("the old river", "the river is old", 4.5),
    ("the city", "to the city", 3.0),
    ("was in the river", "a b c d", 0.5),
    ("the river", "is the city of the river", 2.0),
]


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    records = [{"sentence1": a, "sentence2": b, "label": c} for a, b, c in PAIRS]
    (folder / "test.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    return folder


def test_sts_is_the_correlation_of_cosine_and_label(pairs, teacher_folder, tmp_path):
    output = tmp_path / "scores" / "sts"
    flags = [f"--model={teacher_folder}", "--task=sts", f"--data={pairs}", f"--output={output}"]
    evaluate([*flags, f"--teacher={teacher_folder}"])
    results = json.loads((output / "results.json").read_text())
    first, second, labels = zip(*PAIRS, strict=True)
    embed = open_embedder(str(teacher_folder))
    one, other = (
        v / np.linalg.norm(v, axis=1, keepdims=True) for v in (embed(first), embed(second))
    )
    cosines = (one * other).sum(-1)
    metrics = results["metrics"]
    np.testing.assert_allclose(metrics["spearman"], 100 * spearmanr(cosines, labels).statistic)
    expected = 100 * pearsonr(cosines, labels).statistic
    np.testing.assert_allclose(metrics["pearson"], expected, rtol=1e-4)
    assert metrics["teacher_spearman"] == metrics["spearman"] == results["score"]
    lines = (output / "predictions.jsonl").read_text().splitlines()
    np.testing.assert_allclose([json.loads(line)["cosine"] for line in lines], cosines, atol=1e-6)
    (score,) = find_scores([tmp_path / "scores"])
    assert score.task == "sts, pairs"
    with pytest.raises(UserError, match=r"holds an evaluation with dimensions=0"):
        evaluate([*flags, f"--teacher={teacher_folder}", "--dimensions=8"])


def test_retrieval_writes_a_ranking(teacher_folder, tmp_path):
    output = tmp_path / "scores"
    (tmp_path / "data").mkdir()
    data = write(tmp_path / "data")
    evaluate(
        [f"--model={teacher_folder}", "--task=retrieval", f"--data={data}", f"--output={output}"]
    )
    results = json.loads((output / "results.json").read_text())
    assert set(results["metrics"]) == {"ndcg@10", "recall@100", "mrr@10"}
    assert results["metrics"]["recall@100"] == 100
    assert results["counts"] == {"queries": 2, "documents": 3, "judgements": 3}
    assert len((output / "run.trec").read_text().splitlines()) == 6


def test_documents_may_be_another_models(teacher_folder, tmp_path):
    student_folder = shutil.copytree(teacher_folder, tmp_path / "student")
    weights = load_file(student_folder / "model.safetensors")
    draw = np.random.default_rng(0)
    other = {name: value + 0.1 * draw.normal(size=value.shape) for name, value in weights.items()}
    other = {name: value.astype(np.float32) for name, value in other.items()}
    save_file(other, student_folder / "model.safetensors")
    (tmp_path / "data").mkdir()
    data = write(tmp_path / "data")
    flags = [f"--model={student_folder}", "--task=retrieval", f"--data={data}"]
    indexed = [*flags, f"--document-model={teacher_folder}"]
    evaluate([*indexed, f"--teacher={teacher_folder}", f"--output={tmp_path / 'indexed'}"])
    collection = read_collection(data)
    queries = open_embedder(str(student_folder))(list(collection.queries.values()))
    documents = open_embedder(str(teacher_folder))(list(collection.documents.values()))
    expected = retrieval.rank(collection, unit(queries), unit(documents))
    lines = map(str.split, (tmp_path / "indexed/run.trec").read_text().splitlines())
    found = {(query, document): float(near) for query, _, document, _, near, _ in lines}
    for query, ranked in expected.items():
        for document, near in ranked:
            np.testing.assert_allclose(found[query, document], near, atol=1e-6)
    # The teacher beside it is what it is alone.
    alone = tmp_path / "alone"
    teacher = [f"--model={teacher_folder}", "--task=retrieval", f"--data={data}"]
    evaluate([*teacher, f"--output={alone}"])
    results = json.loads((tmp_path / "indexed/results.json").read_text())
    assert results["task"] == f"retrieval, data, documents of {teacher_folder.name}"
    metrics = results["metrics"]
    score = json.loads((alone / "results.json").read_text())["score"]
    assert metrics["teacher_ndcg@10"] == score
    wide = ["--document-model=builtin:teacher", f"--output={tmp_path / 'wide'}"]
    with pytest.raises(UserError, match="vectors of 256 numbers and the questions' model of"):
        evaluate([*flags, *wide])
    with pytest.raises(UserError, match=r"with document_model=\S+, this one has none;"):
        evaluate([*flags, f"--output={tmp_path / 'indexed'}"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--task=sts", "--data=nowhere"], r"nowhere"),
        (["--task=retrieval", "--data=nowhere"], r"--data=nowhere is not a folder"),
        (["--task=retrieval", "--test=x.jsonl"], r"reads a folder in BEIR's layout"),
        (["--task=sts", "--epochs=3", "--data=x"], r"scores a model as it is"),
        (["--task=sst2", "--dimensions=3", "--data=x"], r"--dimensions goes with --task=sts"),
        (["--task=sst2", "--document-model=x", "--data=x"], r"goes with --task=retrieval"),
        (["--task=sts", "--document-model=x", "--data=x"], r"goes with --task=retrieval"),
    ],
)
def test_what_does_not_go_together_is_refused(flags, message, teacher_folder, tmp_path):
    with pytest.raises(UserError, match=message):
        evaluate([f"--model={teacher_folder}", f"--output={tmp_path / 'scores'}", *flags])
    assert not (tmp_path / "scores").exists()
