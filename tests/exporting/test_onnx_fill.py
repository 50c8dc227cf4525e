"""fill: a graph fills masks as its model folder does."""

import pytest

from distil_jax import pretrained
from distil_jax.errors import UserError
from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
from distil_jax.exporting.onnx_fill import mask_filler, mask_fillers
from distil_jax.exporting.subject import of_head

SETTINGS = OnnxSettings("none", False, (), source="here", command="command")


@pytest.fixture(scope="module")
def exported(teacher_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "out"
    export_onnx(of_head(pretrained.load(teacher_folder)), folder, SETTINGS)
    return folder


def test_candidates_are_the_model_folders(exported, teacher_folder):
    text = "the [MASK] of the [MASK] 🙂"
    expected = mask_filler(teacher_folder, count=5)(text)
    for name in (exported, exported / "model.onnx", str(exported)):
        found = mask_filler(name, count=5)(text)
        assert found.milliseconds > 0
        assert len(found.masks) == 2
        for ours, theirs in zip(found.masks, expected.masks, strict=True):
            assert [one.token for one in ours] == [one.token for one in theirs]
            for one, other in zip(ours, theirs, strict=True):
                assert one.probability == pytest.approx(other.probability, abs=1e-5)


def test_no_mask_and_too_much_text_are_said(exported):
    fill = mask_filler(exported, count=5)
    with pytest.raises(UserError, match=r"has no \[MASK\]"):
        fill("no mask here")
    with pytest.raises(UserError, match="has 103 tokens, but the model has 64 positions"):
        fill("[MASK] " + "the " * 100)


def test_another_head_is_refused(make, tmp_path):
    export_onnx(of_head(make("bert", "question_answering")), tmp_path / "out", SETTINGS)
    with pytest.raises(UserError, match=r"no masked-language-model head .it has question"):
        mask_filler(tmp_path / "out", count=5)


def test_models_that_are_compared_are_computed_alike(make, teacher_folder, tmp_path):
    pretrained.save(tmp_path / "mpnet", make("mpnet"))
    told = []
    names = {"teacher": tmp_path / "mpnet", "model": teacher_folder}
    fillers = mask_fillers(names, count=2, before_compiling=lambda: told.append("compiled"))
    assert (list(fillers), told) == (["teacher", "model"], ["compiled"])
    assert [len(fill("the [MASK]").masks[0]) for fill in fillers.values()] == [2, 2]
    mask_fillers({"model": teacher_folder}, count=2, before_compiling=lambda: told.append("again"))
    assert told == ["compiled"]
