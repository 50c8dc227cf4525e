"""The command embed: files in, vectors out, in order; what it refuses."""

import json

import numpy as np
import pytest
from pyarrow import parquet

from distil_jax.embed import main as embed
from distil_jax.embedding.opening import open_embedder
from distil_jax.errors import UserError

TEXTS = ["the old river", "", "is the city"]


@pytest.fixture(scope="module")
def expected(teacher_folder):
    return open_embedder(str(teacher_folder))(TEXTS)


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS))
    return path


def test_vectors_stand_in_the_order_of_the_texts(lines, teacher_folder, expected, tmp_path, capsys):
    model = f"--model={teacher_folder}"
    for suffix in ("npy", "parquet", "jsonl"):
        embed([model, f"--input={lines}", f"--output={tmp_path}/vectors.{suffix}"])
    assert "3 vectors of 32 numbers" in capsys.readouterr().out
    found = np.load(tmp_path / "vectors.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    table = parquet.read_table(tmp_path / "vectors.parquet")
    assert table["text"].to_pylist() == TEXTS
    np.testing.assert_array_equal(np.stack(table["vector"].to_pylist()), expected)
    records = [json.loads(line) for line in (tmp_path / "vectors.jsonl").read_text().splitlines()]
    np.testing.assert_allclose([record["vector"] for record in records], expected, rtol=1e-6)


def test_the_first_numbers_are_made_of_length_one_again(lines, teacher_folder, expected, tmp_path):
    output = tmp_path / "vectors.npy"
    embed([f"--model={teacher_folder}", f"--input={lines}", f"--output={output}", "--dimensions=8"])
    short = expected[:, :8]
    np.testing.assert_allclose(
        np.load(output), short / np.linalg.norm(short, axis=1, keepdims=True), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        ('{"a": "x"}\n', [], r"has the columns a, none of which is known to hold text"),
        ('{"sentence1": "x", "sentence2": "y"}\n', [], r"two columns of text, .* --column"),
        ('{"text": ["x"]}\n', [], r"row 0: column text holds list, not text"),
        ('{"text": "x"}\n', ["--column=body"], r"row 0 has no column body; it has text"),
        ('{"text": "x"}\n', ["--output=vectors.txt"], r"is none of .npy, .parquet, .jsonl"),
        ('{"text": "x"}\n', ["--prompt=query"], r"has no prompt 'query'; it has none at all"),
        ('{"text": "x"}\n', ["--dimensions=99"], r"--dimensions=99 is more than the 32 of"),
    ],
)
def test_what_cannot_be_used_is_named(content, flags, message, teacher_folder, tmp_path):
    source = tmp_path / "texts.jsonl"
    source.write_text(content)
    output = tmp_path / "vectors.npy"
    with pytest.raises(UserError, match=message):
        embed([f"--model={teacher_folder}", f"--input={source}", f"--output={output}", *flags])
    assert not output.exists()
