"""Vectors from a browser: one text after another, and what happens when it ends."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from distil_jax.errors import UserError

PAGE = """
import json, sys
print(json.dumps({"isolated": True}), flush=True)
for line in sys.stdin:
    (text,) = json.loads(line)
    if text == "end":
        sys.exit(3)
    print(json.dumps([[[len(text), 1.0]], 2.5]), flush=True)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An export whose quantised graph is all that is there."""
    file = tmp_path / "model/onnx/model_quantized.onnx"
    file.parent.mkdir(parents=True)
    file.touch()
    return tmp_path / "model"


@pytest.fixture
def browser(monkeypatch):
    """The benchmark with a program in the browser's place."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import browser

    graph = Namespace(parameters=7, prompts={})
    real, asked = subprocess.Popen, []

    def started(command, **more):
        asked.append(command)
        return real([sys.executable, "-c", PAGE], **more)

    monkeypatch.setattr(browser.subprocess, "Popen", started)
    monkeypatch.setattr(browser, "open_onnx", lambda model: model)
    monkeypatch.setattr(browser, "OnnxEmbedder", lambda *_: graph)
    monkeypatch.setattr(browser.shutil, "which", lambda name: name)
    browser.asked, browser.graph = asked, graph
    return browser


def test_texts_keep_their_order_and_are_timed(browser, model, tmp_path, capsys):
    counted = []
    with browser.browser(model, tmp_path, "q8") as embed:
        found = embed(["four", "é\n", ""], progress=counted.append)
        assert (embed.width, embed.parameters, len(counted)) == (2, 7, 3)
        assert embed.milliseconds == [2.5] * 4
    np.testing.assert_array_equal(found, [[4, 1], [2, 1], [0, 1]])
    assert browser.asked[0][0] == "node"
    assert browser.asked[0][-1] == "q8"
    assert "isolated: True" in capsys.readouterr().out


def test_a_browser_that_ends_is_one_line(browser, model, tmp_path):
    with (
        browser.browser(model, tmp_path, "q8") as embed,
        pytest.raises(UserError, match="ended with status 3"),
    ):
        embed(["end"])


def test_what_the_page_cannot_do_is_refused_before_it_is_opened(
    browser, model, tmp_path, monkeypatch
):
    def refused(reason, dtype="q8"):
        with (
            pytest.raises(UserError, match=reason),
            browser.browser(model, tmp_path, dtype),
        ):
            pass

    refused(r"no onnx/model_fp16\.onnx, .* --dtype=fp16; export with .*=transformers\.js", "fp16")
    browser.graph.prompts = {"query": "query: "}
    refused("has prompts")
    browser.graph.prompts = {}
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    refused("node is missing")
    assert not browser.asked
