"""extra: a missing library is one line."""

import sys

import pytest

from distil_jax.errors import UserError
from distil_jax.exporting.extra import require


def test_a_library_that_is_there():
    assert require("json.decoder").JSONDecoder


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"onnx cannot be imported.*pip install -e '\.\[edge\]'"):
        require("onnx")
