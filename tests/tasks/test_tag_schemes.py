"""tag_schemes: what is read of each scheme, beside seqeval."""

import random
from dataclasses import replace

import pytest

from distil_jax.errors import UserError
from distil_jax.pretrained import Pretrained
from distil_jax.pretrained.families import make_config
from distil_jax.tasks import tag_schemes
from distil_jax.tasks.tag_schemes import Entity
from distil_jax.tasks.tokens import check_tags

HELD = [Entity(0, 2, "PER"), Entity(2, 3, "PER"), Entity(4, 5, "LOC")]


@pytest.mark.parametrize(
    "tags",
    [
        ["B-PER", "I-PER", "B-PER", "O", "B-LOC"],
        ["I-PER", "I-PER", "B-PER", "O", "I-LOC"],
        ["B-PER", "E-PER", "S-PER", "O", "S-LOC"],
        ["B-PER", "L-PER", "U-PER", "O", "U-LOC"],
        ["I-PER", "E-PER", "I-PER", "O", "I-LOC"],
        ["I-PER", "E-PER", "E-PER", "O", "E-LOC"],
        ["b-PER", "i-PER", "B_PER", "o", "B-LOC"],
    ],
)
def test_the_same_entities_in_every_scheme(tags):
    assert tag_schemes.entities(tags) == HELD
    assert tag_schemes.bio(HELD, 5) == ["B-PER", "I-PER", "B-PER", "O", "B-LOC"]


def test_types_alone_are_tags_beside_an_o():
    full = tag_schemes.with_prefixes(("O", "PER", "LOC "))
    assert full == {"O": "O", "PER": "I-PER", "LOC ": "I-LOC"}
    tags = [full[tag] for tag in ("PER", "PER", "O", "LOC ", "PER")]
    expected = [Entity(0, 2, "PER"), Entity(3, 4, "LOC"), Entity(4, 5, "PER")]
    assert tag_schemes.entities(tags) == expected
    for other in (("NOUN", "VERB"), ("O", "B-PER", "LOC"), ("O", "1"), ("O", "LABEL_1"), ("O",)):
        assert tag_schemes.with_prefixes(other) == {tag: tag for tag in other}


def test_any_sequence_is_read_as_seqeval_reads_it():
    from seqeval.metrics.sequence_labeling import get_entities

    drawn = random.Random(0)
    tags = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("A", "B"))]
    for _ in range(300):
        row = drawn.choices(tags, k=drawn.randint(1, 9))
        theirs = [(kind, first, last + 1) for kind, first, last in get_entities(row)]
        ours = [(entity.type, entity.first, entity.last) for entity in tag_schemes.entities(row)]
        assert ours == theirs, row


@pytest.mark.parametrize("tag", ["PER", "X-PER", "B-", "", "3", "BPER"])
def test_what_is_no_tag(tag):
    with pytest.raises(ValueError, match=f"^{tag}$"):
        tag_schemes.parse(tag)


def test_a_model_is_named_whose_labels_are_no_tags():
    labels = ("O", "LABEL_1")
    model = Pretrained(
        make_config("bert", 9, 4, 1, 1, 4, 9), {}, "token_classification", labels, None
    )
    with pytest.raises(UserError, match=r"^TEACHER has the label LABEL_1, which is no tag"):
        check_tags(model, "TEACHER")
    check_tags(replace(model, labels=("O", "LOC", "PER")), "TEACHER")


@pytest.mark.parametrize(
    ("tags", "place"),
    [
        (["B-A", "E-A", "S-A", "O"], None),
        (["B-A", "I-A", "E-A"], None),
        (["B-A", "O"], 1),
        (["O", "I-A", "E-A"], 1),
        (["B-A", "E-B"], 1),
        (["B-A"], 0),
    ],
)
def test_a_broken_entity_of_bioes_is_found(tags, place):
    assert tag_schemes.first_broken(tags) == place
