"""Vectors are sentence-transformers' own, whatever shares a row with a text."""

import numpy as np
import pytest

from distil_jax.embedding.embedder import EncoderEmbedder, grouped, pieces
from distil_jax.errors import UserError
from distil_jax.models.vector_config import Prompts
from distil_jax.pretrained import load_sentence_model, save_sentence_model

CASES = [
    (("mean",), {}),
    (("cls",), {"normalize": False}),
    (("max",), {"normalize": False}),
    (("mean_sqrt_len_tokens", "lasttoken"), {"normalize": False}),
    (("weightedmean",), {"dense": 24}),
]


@pytest.mark.parametrize(("pooling", "options"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_vectors_are_those_of_sentence_transformers(
    pooling, options, sentence_model, their_vectors, texts, tmp_path
):
    model = sentence_model(*pooling, **options)
    save_sentence_model(tmp_path / "model", model)
    ours = EncoderEmbedder(model)(texts)
    assert ours.shape == (len(texts), model.width)
    np.testing.assert_allclose(ours, their_vectors(tmp_path / "model", texts), atol=1e-5)
    again = EncoderEmbedder(load_sentence_model(tmp_path / "model"))(texts)
    np.testing.assert_array_equal(ours, again)


@pytest.mark.parametrize("pooled", [True, False])
def test_a_prompt_stands_before_every_text(pooled, sentence_model, their_vectors, texts, tmp_path):
    prompts = Prompts({"query": "the river: ", "none": ""}, "query", pooled)
    model = sentence_model("mean", prompts=prompts)
    save_sentence_model(tmp_path / "model", model)
    embedder = EncoderEmbedder(load_sentence_model(tmp_path / "model"))
    theirs = their_vectors(tmp_path / "model", texts)
    np.testing.assert_allclose(embedder(texts), theirs, atol=1e-5)
    theirs = their_vectors(tmp_path / "model", texts, prompt_name="none")
    np.testing.assert_allclose(embedder(texts, prompt="none"), theirs, atol=1e-5)
    with pytest.raises(UserError, match="no prompt 'passage'; it has query, none"):
        embedder(texts, prompt="passage")


def test_a_texts_vector_does_not_depend_on_the_others(sentence_model, texts):
    embedder = EncoderEmbedder(sentence_model("mean"))
    together = embedder(texts)
    for number, text in enumerate(texts):
        np.testing.assert_allclose(embedder([text])[0], together[number], atol=1e-6)
    assert embedder([]).shape == (0, embedder.width)


def test_every_text_is_in_one_piece_whatever_the_lengths():
    draw = np.random.default_rng(0)
    tokens = [np.ones(n, np.int32) for n in draw.integers(1, 700, 300)]
    seen = []
    for piece in pieces(tokens, pad=0):
        for row, numbers in enumerate(piece.numbers):
            for segment, number in enumerate(numbers, 1):
                size = (piece.segments[row] == segment).sum()
                assert size == (len(tokens[number]) if number >= 0 else 0)
            seen += [int(number) for number in numbers if number >= 0]
    assert sorted(seen) == list(range(300))


@pytest.mark.parametrize("lengths", [[20, 40], [*[130] * 6, *[400] * 7], [5, 600]])
def test_pieces_of_one_program_go_to_the_devices_together(lengths):
    tokens = [np.ones(n, np.int32) for n in lengths]
    groups = list(grouped(pieces(tokens, pad=0), 2))
    assert all(len(group) == 2 for group in groups)
    for group in groups:
        np.stack([piece.tokens for piece in group])
        np.stack([piece.numbers for piece in group])
    numbers = np.concatenate([piece.numbers.ravel() for group in groups for piece in group])
    assert sorted(numbers[numbers >= 0]) == list(range(len(lengths)))
