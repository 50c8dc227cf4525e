"""A model's classes beside a task's."""

import pytest

from distil_jax.tasks import classification


@pytest.mark.parametrize(
    ("model_labels", "order"),
    [
        (("negative", "positive"), (0, 1)),
        (("POSITIVE", "NEGATIVE"), (1, 0)),
        (("LABEL_0", "LABEL_1"), (0, 1)),
        (("good", "bad"), None),
        (("a", "b", "c"), None),
    ],
)
def test_a_models_classes_are_put_in_the_tasks_order(model_labels, order):
    assert classification.label_order(model_labels, ("negative", "positive")) == order
