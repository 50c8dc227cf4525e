"""export: whole ONNX folders of every quantisation, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from distil_jax import pretrained
from distil_jax.errors import UserError
from distil_jax.exporting import onnx_export, onnx_graphs, quantise
from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
from distil_jax.exporting.onnx_folder import inputs_of, open_onnx
from distil_jax.exporting.subject import of_head, open_subject

TEXTS = (("the river in the old city",), ("of and in to is",), ("the city was old",)) * 3
SETTINGS = OnnxSettings("none", True, (), None, "here", {"sst2 accuracy": "91.5"}, "the command")
FILES = ["README.md", "config.json", "model.onnx", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture(scope="module")
def folders(make, tmp_path_factory):
    """The same model in every quantisation."""
    made = {}
    for kind in quantise.QUANTISATIONS:
        folder = tmp_path_factory.mktemp("onnx") / "new" / kind
        settings = replace(SETTINGS, quantisation=kind, calibration=TEXTS)
        export_onnx(of_head(make("distilbert", hidden_size=64, mlp_size=128)), folder, settings)
        made[kind] = open_onnx(folder)
    return made


def outputs(opened, rows):
    tokens, mask = rows
    sequences = [row[kept] for row, kept in zip(tokens, mask, strict=True)]
    return opened.run(inputs_of(sequences, pad=0))[0][mask]


def test_folders_hold_their_files_and_nothing_else(folders):
    for kind, opened in folders.items():
        assert sorted(file.name for file in opened.folder.iterdir()) == [*FILES, "vocab.txt"]
        assert list(opened.folder.parent.iterdir()) == [opened.folder]
        assert (opened.head, opened.quantisation) == ("masked_lm", kind)
        assert opened.bytes == (opened.folder / "model.onnx").stat().st_size


def test_the_tokenizer_gives_what_the_graph_takes(folders):
    from transformers import AutoTokenizer

    given = AutoTokenizer.from_pretrained(folders["none"].folder)("the river", return_tensors="np")
    assert set(given) == {"input_ids", "attention_mask"}
    assert folders["none"].session.run(None, dict(given))


def test_quantised_ones_are_smaller_and_near(folders, rows):
    expected = outputs(folders["none"], rows)
    # Seven bits: steps of twice the size that eight have.
    bounds = {"float16": 0.01, "int8": 0.08, "int8-static": 0.1}
    for kind, bound in bounds.items():
        assert folders[kind].bytes < 0.7 * folders["none"].bytes
        difference = outputs(folders[kind], rows) - expected
        assert 0 < np.sqrt(np.mean(difference**2)) < bound * expected.std(), kind


def test_int8_products_are_integers_but_for_attention(folders):
    import onnx

    for kind, integer, ranges in (("int8", "MatMulInteger", 0), ("int8-static", "MatMul", 1)):
        nodes = onnx.load(folders[kind].folder / "model.onnx").graph.node
        kernels = {
            node.op_type for node in nodes if "/product" in node.name and "MatMul" in node.op_type
        }
        assert integer in kernels
        assert bool([n for n in nodes if n.op_type == "QuantizeLinear"]) == bool(ranges)
        attention = [n for n in nodes if n.name.endswith(("/scores", "/mixed"))]
        assert [n.op_type for n in attention] == ["MatMul"] * 4


@pytest.mark.parametrize(("reduced", "least", "most"), [(True, 63, 64), (False, 127, 128)])
def test_weights_have_seven_bits_or_eight(make, tmp_path, reduced, least, most):
    import onnx

    settings = replace(SETTINGS, quantisation="int8", reduce_range=reduced)
    export_onnx(of_head(make("distilbert")), tmp_path / "out", settings)
    graph = onnx.load(tmp_path / "out" / "model.onnx").graph
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    narrow = [np.abs(a.astype(int)).max() for a in arrays if a.dtype == np.int8 and a.ndim == 2]
    assert len(narrow) == 1 + 2 * 4 + 1
    assert least <= max(narrow) <= most
    bits = "7 bits" if reduced else "8 bits, wrong on x86 without VNNI"
    assert f"int8 weights of {bits}, dynamic" in (tmp_path / "out" / "README.md").read_text()


def test_the_card_names_size_speed_machine_and_scores(folders):
    card = (folders["int8"].folder / "README.md").read_text()
    assert f"{folders['int8'].bytes:,} bytes" in card
    for words in ("int8 weights of 7 bits", "cores, onnxruntime", "ms a sequence of 16 tokens"):
        assert words in card
    assert "| sst2 accuracy | 91.5 |" in card
    assert "64 tokens" not in card  # the model has 20 positions
    assert 'library_name: "onnx"' in card


@pytest.mark.parametrize("head", ["classification", "question_answering"])
def test_other_heads_come_back_with_their_names(make, tmp_path, head):
    export_onnx(
        of_head(make("roberta", head)), tmp_path / "out", replace(SETTINGS, quantisation="int8")
    )
    opened = open_onnx(tmp_path / "out")
    assert opened.head == head
    assert opened.labels == (("a", "b", "c") if head == "classification" else ())
    assert opened.config.positions == 20


def test_weights_of_a_large_graph_lie_beside_it(make, rows, tmp_path, monkeypatch):
    model = make("distilbert", hidden_size=64, mlp_size=128)
    for kind in quantise.QUANTISATIONS:
        folder = tmp_path / kind
        with monkeypatch.context() as patched:
            patched.setattr(onnx_graphs, "LARGEST_FILE_BYTES", 1000)
            settings = replace(SETTINGS, quantisation=kind, calibration=TEXTS)
            opened = export_onnx(of_head(model), folder, settings)
        kept = sorted(file.name for file in folder.glob("*.onnx*"))
        assert kept == ["model.onnx", "model.onnx.data"]
        assert opened.bytes == sum(file.stat().st_size for file in folder.glob("*.onnx*"))
        whole = tmp_path / f"{kind} whole"
        expected = outputs(export_onnx(of_head(model), whole, settings), rows)
        np.testing.assert_array_equal(outputs(opened, rows), expected)


def test_an_existing_target_is_refused_and_kept(make, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(UserError, match="exists already"):
        export_onnx(of_head(make("bert")), tmp_path / "out", SETTINGS)
    assert [file.name for file in tmp_path.rglob("*")] == ["out", "mine"]


def test_a_failure_leaves_nothing(make, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("half way")

    monkeypatch.setattr(onnx_export, "onnx_card", fail)
    with pytest.raises(RuntimeError, match="half way"):
        export_onnx(of_head(make("bert")), tmp_path / "new" / "out", SETTINGS)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_said(make, tmp_path):
    with pytest.raises(UserError, match="here has no masked-language-model head or"):
        export_onnx(of_head(make("bert", None), "here"), tmp_path / "out", SETTINGS)
    static = replace(SETTINGS, quantisation="int8-static")
    with pytest.raises(UserError, match="needs --calibration"):
        export_onnx(of_head(make("bert")), tmp_path / "out", static)
    assert not list(tmp_path.iterdir())


def test_a_cross_encoder_that_sentence_transformers_saved_is_a_classifier(make, tmp_path):
    from sentence_transformers import CrossEncoder

    pretrained.save(tmp_path / "ours", make("bert", "classification"))
    CrossEncoder(str(tmp_path / "ours"), device="cpu").save_pretrained(str(tmp_path / "theirs"))
    assert (tmp_path / "theirs" / "modules.json").is_file()
    assert open_subject(str(tmp_path / "theirs"), None).head == "classification"


def test_damaged_folders_are_named(folders, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(folders["none"].folder, folder)
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:1000])
    with pytest.raises(UserError, match=r"model.onnx cannot be run.*export it again"):
        open_onnx(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(UserError, match=r"model.onnx does not exist"):
        open_onnx(folder)


def test_labels_are_in_the_configuration(make, tmp_path):
    export_onnx(of_head(make("bert", "classification")), tmp_path / "out", SETTINGS)
    content = json.loads((tmp_path / "out" / "config.json").read_text())
    assert content["id2label"] == {"0": "a", "1": "b", "2": "c"}
