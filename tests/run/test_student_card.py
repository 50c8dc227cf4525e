"""card: the recipe names the objectives that the run used, and no other."""

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.configuration.schema import as_dict, from_saved
from distil_jax.run.student_card import card


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ([], "| loss weights (soft targets / masked LM / cosine) | 5 / 2 / 1 |"),
        (
            ["--config.loss.cosine=0", "--config.loss.logit_mse=0.5"],
            "(soft targets / masked LM / squared distance of logits) | 5 / 2 / 0.5 |",
        ),
    ],
)
def test_weights_of_the_objectives_in_use(keys: list[str], line: str) -> None:
    config = config_source.read("base", ["--config.teacher=a/b", *keys])
    text = card(config, recipe={"optimizer steps": 3}, data="d", scores={}, command="c")
    assert line in text
    assert "| optimizer steps | 3 |" in text


def test_a_runs_own_objective_that_this_program_does_not_know_is_named() -> None:
    """`export --workdir` reads no config file, and so registers nothing."""
    values = as_dict(config_source.read("base", ["--config.teacher=a/b"]))
    values["loss"]["middle_distance"] = 0.5
    values["loss"]["schedules"]["middle_distance"] = ""
    text = card(from_saved(values), recipe={}, data="d", scores={}, command="c")
    assert "cosine / middle distance) | 5 / 2 / 1 / 0.5 |" in text
    assert "it learnt from: soft targets, masked LM, cosine, middle distance." in text
    assert "| temperature | 2 |" in text


def test_the_first_sentence_names_the_objectives_of_another_recipe() -> None:
    keys = ["--config.teacher=", "--config.loss.soft_target=0", "--config.loss.cosine=0"]
    text = card(config_source.read("base", keys), recipe={}, data="d", scores={}, command="c")
    assert "it learnt from: masked LM.\n" in text
    assert "DistilBERT" not in text


def test_a_model_that_pairs_trained_names_its_first_weights_and_no_teacher() -> None:
    keys = ["--config.teacher=", "--config.student.folder=own/model", "--config.loss.contrastive=1"]
    keys += [f"--config.loss.{name}=0" for name in ("vector_cosine", "similarity_mse")]
    text = card(config_source.read("embedding", keys), recipe={}, data="d", scores={}, command="c")
    assert 'base_model: "own/model"' in text
    assert "\nA sentence-embedding model, trained further with distil_jax; " in text
    assert "temperature" not in text


@pytest.mark.parametrize(
    ("head", "keys", "sentence"),
    [
        ("causal_lm", ["--config.loss.causal_lm=2", "--config.loss.masked_lm=0"], "A causal "),
        ("masked_lm", ["--config.loss.logit_mse=1"], "A masked language model, distilled "),
        (
            "masked_lm",
            ["--config.loss.vector_cosine=1"]
            + [f"--config.loss.{name}=0" for name in ("soft_target", "masked_lm", "cosine")],
            "A sentence-embedding model, distilled with distil_jax; it learnt from: ",
        ),
    ],
)
def test_the_first_sentence_says_what_the_model_is(
    head: str, keys: list[str], sentence: str
) -> None:
    config = config_source.read("base", keys)
    text = card(config, recipe={}, data="d", scores={}, command="c", head=head)
    assert f"\n{sentence}" in text
