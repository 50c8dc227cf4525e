"""rerank: the three losses beside plain NumPy, group by group."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import notes, tokenizer
from distil_jax.tasks import ranking_losses, rerank
from distil_jax.tasks.kind import DataRequest
from distil_jax.tasks.named import TASKS
from distil_jax.tasks.sources import Source

GROUPS = [[0, 3, 5], [1, 2], [4]]


@pytest.fixture(scope="module")
def piece():
    drawn = np.random.default_rng(0)
    groups = np.zeros(8, np.int32)
    for number, members in enumerate(GROUPS):
        groups[members] = number
    return {
        "outputs": drawn.normal(size=(8, 1)).astype(np.float32),
        "soft": drawn.normal(size=(8, 1)).astype(np.float32),
        "labels": np.asarray([1, 0, 1, 0, 1, 2, 0, 0], np.float32),
        "groups": groups,
        "lengths": np.asarray([3, 4, 2, 9, 5, 5, 0, 0], np.int32),
    }


def terms(piece, objective, **further):
    arrays = {name: jnp.asarray(value) for name, value in (piece | further).items()}
    outputs = arrays.pop("outputs")
    return objective(outputs, arrays, arrays["lengths"] > 0, temperature=2.0)


def counted(kind, piece):
    return int(kind.counted({name: jnp.asarray(value) for name, value in piece.items()}, "labels"))


def softmax(scores):
    shares = np.exp(scores - scores.max())
    return shares / shares.sum()


def test_pointwise(piece):
    found = terms(piece, ranking_losses.pointwise)
    scores, soft = piece["outputs"][:6, 0], piece["soft"][:6, 0]
    assert float(found["soft_target"].total) == pytest.approx(((scores - soft) ** 2).sum())
    relevant = piece["labels"][:6] > 0
    entropy = np.log1p(np.exp(-np.where(relevant, scores, -scores))).sum()
    assert float(found["labels"].total) == pytest.approx(entropy, rel=1e-5)
    of_file = terms(piece, ranking_losses.pointwise, scores=piece["soft"][:, 0])
    assert float(of_file["labels"].total) == pytest.approx(((scores - soft) ** 2).sum())


def test_margins(piece):
    found = terms(piece, ranking_losses.margins)
    scores, soft, labels = piece["outputs"][:, 0], piece["soft"][:, 0], piece["labels"]
    pairs = [(i, j) for group in GROUPS for i in group for j in group if labels[i] > labels[j]]
    errors = [(scores[i] - scores[j] - soft[i] + soft[j]) ** 2 for i, j in pairs]
    assert float(found["soft_target"].total) == pytest.approx(sum(errors), rel=1e-5)
    assert int(found["soft_target"].count) == len(pairs) == counted(rerank.MARGINS, piece)
    hard = sum(np.log1p(np.exp(scores[j] - scores[i])) for i, j in pairs)
    assert float(found["labels"].total) == pytest.approx(hard, rel=1e-5)


def test_listwise(piece):
    found = terms(piece, ranking_losses.listwise)
    scores, soft, labels = piece["outputs"][:, 0], piece["soft"][:, 0], piece["labels"]
    divergence = entropy = 0.0
    for group in GROUPS:
        ours, theirs = softmax(scores[group] / 2), softmax(soft[group] / 2)
        divergence += 4 * (theirs * np.log(theirs / ours)).sum()
        entropy -= (labels[group] / labels[group].sum() * np.log(softmax(scores[group]))).sum()
    assert float(found["soft_target"].total) == pytest.approx(divergence, rel=1e-4)
    assert float(found["labels"].total) == pytest.approx(entropy, rel=1e-4)
    assert int(found["labels"].count) == 3 == counted(rerank.LISTWISE, piece)


def test_large_groups_are_parted():
    units = rerank._units(np.asarray([0, 1, 0, *[2] * 10]))
    assert [unit.tolist() for unit in units] == [[0, 2], [1], [*range(3, 11)], [11, 12]]


@pytest.mark.parametrize(("scores", "pointed_out"), [([0.1, 0.9], True), ([-3.0, 4.0], False)])
def test_shares_of_a_teacher_are_pointed_out(scores, pointed_out, capsys):
    rerank.concern([np.asarray([score]) for score in scores], "TEACHER")
    shown = capsys.readouterr()
    assert ("the scores of teacher TEACHER all lie in 0..1" in shown.out + shown.err) is pointed_out


def test_it_is_said_where_scores_are_what_is_scored(tmp_path, teacher_folder, capsys, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    file = tmp_path / "v.jsonl"
    request = DataRequest(Source("", None, {"validation": file}), (), "", (), 32, 8, training=False)
    for column, said in (("label", ""), ("score", "v.jsonl has no labels: its scores are taken")):
        rows = [{"query": "a", "passage": "the river", column: n} for n in (2.5, 0.5)]
        file.write_text("\n".join(map(json.dumps, rows)))
        found = rerank.data(TASKS["rerank"], request, tokenizer.load(teacher_folder))
        assert found.validation[0].answers == [2.5, 0.5]
        assert said in (error := capsys.readouterr().err)
        assert bool(error) == bool(said)
