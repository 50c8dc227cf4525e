import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import models, pretrained
from distil_jax.errors import UserError
from distil_jax.pretrained.fill import Candidate, Filled, agreement, mask_filler
from tests.forward import forward


@pytest.fixture(scope="module")
def teacher(teacher_folder):
    return pretrained.load(teacher_folder, require_head="masked_lm")


@pytest.mark.parametrize("compiled", [False, True])
def test_candidates_are_the_likeliest_tokens(teacher, compiled):
    text = "the [MASK] of [MASK] city"
    answer = mask_filler(teacher, count=3, compiled=compiled)(text)
    ids = teacher.tokenizer(text)["input_ids"]
    batch = {"tokens": jnp.asarray([ids]), "segments": jnp.ones((1, len(ids)), jnp.int32)}
    logits = np.asarray(forward(models.MaskedLM(teacher.config), teacher.params, batch))
    places = [place for place, token in enumerate(ids) if token == teacher.tokenizer.mask_token_id]
    assert len(answer.masks) == len(places) == 2
    for candidates, row in zip(answer.masks, logits[0, places], strict=True):
        best = np.argsort(-row)[:3]
        expected = np.exp(row - row.max())[best] / np.exp(row - row.max()).sum()
        assert [c.token for c in candidates] == teacher.tokenizer.convert_ids_to_tokens(best)
        np.testing.assert_allclose([c.probability for c in candidates], expected, rtol=1e-4)
    assert answer.milliseconds > 0


def test_a_text_without_a_mask_is_an_error(teacher):
    with pytest.raises(UserError, match=r"'the city' has no \[MASK\]"):
        mask_filler(teacher, count=1)("the city")


def test_a_text_beyond_the_positions_is_an_error(teacher, capfd):
    with pytest.raises(UserError, match="has 73 tokens, but the model has 64 positions"):
        mask_filler(teacher, count=1)("the " * 70 + "[MASK]")
    assert capfd.readouterr().err == ""


def test_no_more_candidates_than_there_are_tokens(teacher):
    candidates = mask_filler(teacher, count=10**6)("[MASK]").masks[0]
    assert len(candidates) == teacher.config.vocabulary
    assert abs(sum(candidate.probability for candidate in candidates) - 1) < 1e-4


def test_agreement_counts_the_first_and_the_shared():
    def filled(*masks: str) -> Filled:
        return Filled(
            tuple(tuple(Candidate(token, 0.1, token) for token in mask) for mask in masks), 1.0
        )

    found = agreement(filled("abc", "abc"), filled("acd", "dba"))
    assert [(mask.first, mask.shared) for mask in found] == [(True, 2), (False, 2)]


def test_a_tokenizer_that_knows_more_than_the_model_is_refused(teacher):
    fewer = dataclasses.replace(
        teacher, config=dataclasses.replace(teacher.config, vocabulary=len(teacher.tokenizer) - 1)
    )
    with pytest.raises(UserError, match="the two belong to different models"):
        mask_filler(fewer, count=1)


def test_pieces_that_read_alike_are_not_the_same_token():
    first, second = (
        Filled(((Candidate("the", 0.5, piece),),), 1.0) for piece in ("the", "\u0120the")
    )
    (found,) = agreement(first, second)
    assert (found.first, found.shared) == (False, 0)
