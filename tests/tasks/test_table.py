"""The table of kinds: which tasks and which models belong to which kind."""

import pytest

from distil_jax.tasks import named, table


def test_every_named_task_is_of_a_kind_in_the_table():
    for name, task in named.TASKS.items():
        kind = table.KINDS[task.kind]
        assert task.on_text == (kind.name not in table.EXAMPLE_KINDS), name


@pytest.mark.parametrize(
    ("head", "labels", "name"),
    [
        ("classification", ("a", "b"), "classification"),
        ("classification", ("LABEL_0",), "regression"),
        ("question_answering", (), "question_answering"),
        ("masked_lm", (), None),
        (None, (), None),
    ],
)
def test_a_models_kind_follows_from_its_head_and_labels(head, labels, name):
    kind = table.kind_of_model(head, labels)
    assert (None if kind is None else kind.name) == name
