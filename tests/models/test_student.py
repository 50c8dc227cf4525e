from dataclasses import replace

import jax
import numpy as np
import pytest

from distil_jax import models
from distil_jax.errors import UserError


def embedded(config, params, batch):
    encoder = models.Encoder(config)
    return encoder.apply({"params": params["encoder"]}, batch, method="embed")


def test_folded_token_types_keep_every_bit_of_the_embeddings(config, params, batch):
    student, student_params = models.student_from_teacher(config, params, [1])
    assert student.token_types == 0
    np.testing.assert_array_equal(
        embedded(student, student_params, batch), embedded(config, params, batch)
    )


def test_token_types_can_be_kept(config, params, batch):
    """A student that is as deep as its teacher is the teacher, in every token type."""
    layers = range(config.layers)
    student, student_params = models.student_from_teacher(
        config, params, layers, keep_token_types=True
    )
    assert student == config
    pairs = {**batch, "token_types": batch["tokens"] % config.token_types}
    found = models.MaskedLM(student).apply({"params": student_params}, pairs)
    np.testing.assert_array_equal(found, models.MaskedLM(config).apply({"params": params}, pairs))
    first = models.MaskedLM(student).apply({"params": student_params}, batch)
    assert (found != first).any()


def test_positions_alone_can_be_copied(config, params):
    _, student = models.student_from_teacher(config, params, [0], fold_token_types=False)
    copied = student["encoder"]["embeddings"]["positions"]
    np.testing.assert_array_equal(copied, params["encoder"]["embeddings"]["positions"])


def test_all_layers_give_the_teacher_back(config, params, batch):
    student, student_params = models.student_from_teacher(config, params, range(config.layers))
    before = models.MaskedLM(config).apply({"params": params}, batch)
    after = models.MaskedLM(student).apply({"params": student_params}, batch)
    np.testing.assert_array_equal(before, after)


def test_layers_are_taken_in_the_given_order(config, params):
    student, student_params = models.student_from_teacher(config, params, [1, 0])
    assert student.layers == 2
    for taken, whole in zip(
        jax.tree.leaves(student_params["encoder"]["layers"]),
        jax.tree.leaves(params["encoder"]["layers"]),
        strict=True,
    ):
        np.testing.assert_array_equal(taken, whole[np.asarray([1, 0])])


def test_the_transform_can_be_drawn_anew_and_the_decoder_stays(config, params):
    _, student = models.student_from_teacher(config, params, [0], copy_head=False)
    np.testing.assert_array_equal(student["head"]["bias"], params["head"]["bias"])
    assert (student["head"]["dense"]["kernel"] != params["head"]["dense"]["kernel"]).any()
    np.testing.assert_array_equal(student["head"]["norm"]["scale"], 1)


def test_works_without_a_head(config, params):
    _, student = models.student_from_teacher(config, {"encoder": params["encoder"]}, [0])
    assert set(student) == {"encoder"}


def test_an_untied_decoder_is_copied(config):
    config = replace(config, tied=False)
    params = models.initialize(config, jax.random.key(0))
    student, student_params = models.student_from_teacher(config, params, [0])
    assert not student.tied
    np.testing.assert_array_equal(student_params["head"]["table"], params["head"]["table"])


def test_the_type_is_the_nearest_that_can_say_it(config):
    assert models.student_shape(config, 2).model_type == "distilbert"
    assert models.student_shape(replace(config, norm_epsilon=1e-5), 2).model_type == "bert"
    roberta = replace(config, model_type="roberta", student_rule=None)
    assert models.student_shape(roberta, 2).model_type == "roberta"


def test_the_students_arrays_are_its_own(config, params):
    """Donating the student must not free the teacher."""
    _, student = models.student_from_teacher(config, params, range(config.layers))
    jax.tree.map(lambda leaf: leaf.delete(), student)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(params))


def test_a_layer_that_is_not_there_is_named(config, params):
    with pytest.raises(UserError, match=r"\[0, 2\].*numbered 0 to 1"):
        models.student_from_teacher(config, params, [0, 2])


def test_layers_may_be_a_rule(config, params):
    shape, student = models.student_from_teacher(config, params, "last")
    expected, same = models.student_from_teacher(config, params, [1])
    assert shape == expected
    jax.tree.map(np.testing.assert_array_equal, student, same)
    with pytest.raises(UserError, match="layer rule 'lowest' is unknown"):
        models.student_from_teacher(config, params, "lowest")
