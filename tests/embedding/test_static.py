"""Static models: made of a teacher, opened by sentence-transformers and by model2vec."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from distil_jax.benchmark import main as benchmark
from distil_jax.embedding.embedder import EncoderEmbedder
from distil_jax.embedding.opening import open_embedder
from distil_jax.embedding.static import StaticEmbedder, make_static, principal
from distil_jax.errors import UserError
from distil_jax.export import main as export
from distil_jax.exporting.onnx_embedder import open_any_embedder
from distil_jax.exporting.stablehlo import stablehlo
from distil_jax.exporting.subject import of_static
from distil_jax.pretrained.static_model import is_static, load_static, save_static
from distil_jax.static import main as static


@pytest.fixture(scope="module")
def teacher(sentence_model):
    return EncoderEmbedder(sentence_model("mean"))


@pytest.fixture(scope="module")
def folder(sentence_folder, tmp_path_factory):
    """A static student of the tiny teacher, by the command."""
    output = tmp_path_factory.mktemp("static") / "model"
    static([f"--teacher={sentence_folder}", f"--output={output}", "--dimensions=16"])
    return output


def test_sentence_transformers_and_model2vec_open_it(folder, their_vectors, texts):
    ours = open_embedder(str(folder))(texts)
    np.testing.assert_allclose(ours, their_vectors(folder, texts), atol=1e-6)
    import model2vec

    theirs = model2vec.StaticModel.from_pretrained(str(folder)).encode(texts)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert "sentence-transformers" in (folder / "README.md").read_text()


def test_a_model_that_model2vec_saved_is_read(folder, texts, tmp_path):
    import model2vec

    model2vec.StaticModel.from_pretrained(str(folder)).save_pretrained(str(tmp_path / "saved"))
    assert is_static(tmp_path / "saved")
    again = StaticEmbedder(load_static(tmp_path / "saved"))
    np.testing.assert_allclose(again(texts), open_embedder(str(folder))(texts), atol=1e-6)


@pytest.mark.parametrize(("kind", "bound"), [("none", 1e-6), ("float16", 1e-3), ("int8", 1e-2)])
def test_an_onnx_export_makes_the_vectors(folder, texts, tmp_path, kind, bound):
    output = tmp_path / "onnx"
    export([f"--model={folder}", "--format=onnx", f"--quantize={kind}", f"--output={output}"])
    embed = open_any_embedder(str(output))
    np.testing.assert_allclose(embed(texts), open_embedder(str(folder))(texts), atol=bound)
    assert embed.width == 16
    # Only its own tokens: whoever opens the folder's tokenizer puts none around a text.
    assert embed.model.tokenizer("the old river").tokens() == ["the", "old", "river"]


def test_a_tokenizer_of_model2vec_has_no_frame(texts, tmp_path):
    """Of special tokens those that it makes keep padding and the unknown one alone."""
    import model2vec

    words = ["[PAD]", "[UNK]", "the", "river", "old", "city", "to"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokens = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokens.add_special_tokens(["[PAD]", "[UNK]"])
    table = np.random.default_rng(0).normal(size=(len(words), 8)).astype(np.float32)
    model2vec.StaticModel(table, tokens, normalize=True).save_pretrained(str(tmp_path / "model"))
    export([f"--model={tmp_path / 'model'}", "--format=onnx", f"--output={tmp_path / 'onnx'}"])
    ours, theirs = (open_any_embedder(str(tmp_path / name)) for name in ("onnx", "model"))
    np.testing.assert_allclose(ours(texts), theirs(texts), atol=1e-6)


def test_an_export_keeps_prompts_and_lengths(folder, texts, tmp_path):
    asked = replace(
        load_static(folder), normalize=False, prompts={"query": "the city "}, default_prompt="query"
    )
    save_static(tmp_path / "model", asked, card="")
    export([f"--model={tmp_path / 'model'}", "--format=onnx", f"--output={tmp_path / 'onnx'}"])
    ours, theirs = (open_any_embedder(str(tmp_path / name)) for name in ("onnx", "model"))
    for prompt in (None, "", "query"):
        found, expected = ours(texts, prompt=prompt), theirs(texts, prompt=prompt)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not np.allclose(np.linalg.norm(ours(texts), axis=1), 1, atol=0.01)


def test_a_stablehlo_program_makes_the_vectors(folder, texts):
    model = load_static(folder)
    tokens = [model.tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    ids, mask = np.zeros((2, len(texts), max(map(len, tokens))), np.int32)
    for row, own in enumerate(tokens):
        ids[row, : len(own)], mask[row, : len(own)] = own, 1
    program = jax.export.deserialize(stablehlo(of_static(model)))
    hidden, vectors = program.call(ids, mask)
    np.testing.assert_array_equal(hidden, model.table[ids])
    np.testing.assert_allclose(vectors, open_embedder(str(folder))(texts), atol=1e-6)


def test_the_folder_and_its_export_are_timed_beside_the_teacher(
    folder, sentence_folder, tmp_path, capsys
):
    export([f"--model={folder}", "--format=onnx", f"--output={tmp_path / 'onnx'}"])
    (tmp_path / "text.txt").write_text("the old river is in the city\n")
    models = [f"--model={folder}", f"--teacher={sentence_folder}", f"--export={tmp_path / 'onnx'}"]
    capsys.readouterr()
    benchmark([*models, f"--input={tmp_path / 'text.txt'}", "--rounds=1", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [found[role]["layers"] for role in ("student", "teacher", "export onnx")] == [0, 4, 0]
    assert found["student"]["parameters"] == load_static(folder).table.size
    assert found["ratios"]["bytes"] < 1


def test_an_export_has_no_ranges_to_calibrate(folder, tmp_path):
    (tmp_path / "text.txt").write_text("the river\n")
    asked = ["--quantize=int8-static", f"--calibration={tmp_path / 'text.txt'}"]
    with pytest.raises(UserError, match=r"is a table of vectors, .* without --calibration"):
        export([f"--model={folder}", "--format=onnx", *asked, f"--output={tmp_path / 'onnx'}"])


def test_a_tokens_vector_is_the_teachers_of_that_token_along_the_main_directions(teacher):
    model = make_static(teacher, dimensions=0, sif=0.0)
    alone = teacher.of_tokens(range(teacher.backend().get_vocab_size()))
    centred = alone - alone.mean(axis=0)
    # Rotated only: distances between tokens are the teacher's.
    np.testing.assert_allclose(model.table @ model.table.T, centred @ centred.T, atol=1e-4)
    variances = model.table.var(axis=0)
    assert (np.diff(variances) <= 1e-6).all()
    np.testing.assert_allclose(principal(alone, 4), model.table[:, :4], atol=1e-5)


def test_frequent_tokens_weigh_less(teacher):
    plain = make_static(teacher, dimensions=8, sif=0.0)
    weighted = make_static(teacher, dimensions=8, sif=1e-2, texts=["the river the city the"] * 50)
    shares = np.linalg.norm(weighted.table, axis=1) / np.linalg.norm(plain.table, axis=1)
    the, river, old = (plain.tokenizer.token_to_id(word) for word in ("the", "river", "old"))
    assert shares[the] < shares[river] < shares[old] <= 1


def test_what_cannot_be_used_is_refused(folder, teacher, tmp_path):
    with pytest.raises(UserError, match=r"--dimensions=99 is more than the teacher's 32"):
        make_static(teacher, dimensions=99)
    modules = json.loads((folder / "modules.json").read_text())
    copy = tmp_path / "model"
    save_static(copy, load_static(folder), card="")
    modules[1]["type"] = "package.Dense"
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match=r"Dense behind StaticEmbedding is not supported"):
        load_static(copy)
    (copy / "tokenizer.json").unlink()
    modules[1]["type"] = "package.Normalize"
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match=r"has no tokenizer.json"):
        load_static(copy)
