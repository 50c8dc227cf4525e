import pytest
from huggingface_hub import ModelCard

from distil_jax.errors import UserError
from distil_jax.pretrained import CardHeader, model_card, scores_of, with_scores

PARTS = {
    "recipe": {"temperature": 2.0, "layers": "0, 2"},
    "data": "Ten lines of prose.",
    "scores": {"accuracy": 0.123456, "a | b": "x\ny"},
    "command": "python -m distil_jax.main",
}


def test_the_hub_reads_the_header():
    named = {"base_model": "bert-base: 'odd'\nname", "license": "cc-by-nc-4.0"}
    lists = {"datasets": ["wikitext"], "tags": ["no"], "language": ["en"]}
    card = ModelCard(model_card(CardHeader(**named, **lists), **PARTS))
    assert card.data.license == "cc-by-nc-4.0"
    assert card.data.base_model == "bert-base: 'odd'\nname"
    assert card.data.datasets == ["wikitext"]
    assert card.data.pipeline_tag == "fill-mask"
    assert "no" in card.data.tags
    assert card.data.language == ["en"]


def test_without_a_hub_name_there_is_no_base_model():
    card = ModelCard(model_card(CardHeader(), **PARTS))
    assert card.data.base_model is None
    assert card.data.datasets is None
    # What the weights and the text allow, and which language they know, it cannot tell.
    assert (card.data.license, card.data.language) == (None, None)


def test_recipe_data_scores_and_command_are_there():
    text = model_card(CardHeader(), **PARTS)
    for part in ("| temperature | 2 |", "| accuracy | 0.1235 |", "Ten lines", PARTS["command"]):
        assert part in text


def test_a_cell_stays_one_cell():
    assert "| a \\| b | x y |" in model_card(CardHeader(), **PARTS)


def test_without_scores_there_is_no_table_of_them():
    assert "Scores" not in model_card(CardHeader(), **(PARTS | {"scores": {}}))


def test_scores_come_back_out_of_a_card():
    assert scores_of(model_card(CardHeader(), **PARTS)) == {"accuracy": "0.1235", "a | b": "x y"}
    assert scores_of(model_card(CardHeader(), **(PARTS | {"scores": {}}))) == {}
    assert scores_of("# A model\n\n## Scores\n\nGood ones.\n") == {}


def test_scores_are_added_and_replaced_and_nothing_else_changes():
    later = with_scores(model_card(CardHeader(), **PARTS), {"accuracy": 0.5, "loss": 1.25})
    expected = {"accuracy": "0.5", "a | b": "x y", "loss": "1.25"}
    assert later == model_card(CardHeader(), **(PARTS | {"scores": expected}))
    bare = model_card(CardHeader(), **(PARTS | {"scores": {}}))
    assert with_scores(bare, {"loss": 1.25}) == model_card(
        CardHeader(), **(PARTS | {"scores": {"loss": 1.25}})
    )


def test_a_card_made_elsewhere_is_left_alone():
    with pytest.raises(UserError, match="not one of distil_jax"):
        with_scores("# A model\n", {"loss": 1.0})
