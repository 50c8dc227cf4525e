"""Classes without names: said, or refused where nothing proves their order."""

import pytest

from distil_jax.errors import UserError
from distil_jax.evaluation.teacher import mention_order

UNNAMED = ("LABEL_0", "LABEL_1")


def test_an_order_that_only_the_task_proves_is_mentioned(capsys):
    mention_order("folder", UNNAMED, ("negative", "positive"), proven=True)
    assert "LABEL_0, LABEL_1 are taken for negative, positive" in capsys.readouterr().err
    mention_order("folder", ("negative", "positive"), ("negative", "positive"), proven=False)
    mention_order("folder", UNNAMED, ("0", "1"), proven=False)
    mention_order("folder", ("LABEL_0",), ("value",), proven=False)
    assert capsys.readouterr().err == ""


def test_an_order_that_nothing_proves_is_refused():
    with pytest.raises(UserError, match="nothing says which is which; name them in id2label"):
        mention_order("folder", UNNAMED, ("bad", "good"), proven=False)
