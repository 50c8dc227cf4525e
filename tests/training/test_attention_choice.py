"""attention_choice: what config.parallel.attention means where."""

from dataclasses import replace
from typing import Any

import pytest

from distil_jax.errors import UserError
from distil_jax.kernels import attention_check
from distil_jax.models.config import EncoderConfig
from distil_jax.pretrained.families import make_config
from distil_jax.training import attention_choice
from distil_jax.training.attention_choice import uses_kernels


def shape(head_size: int = 64, family: str = "bert", **block: Any) -> EncoderConfig:
    made = make_config(
        model_type=family, vocabulary=50, hidden_size=2 * head_size, layers=2, heads=2,
        mlp_size=16, positions=20, dropout=0.1, attention_dropout=0.1, initializer_range=0.02,
    )  # fmt: skip
    return replace(made, block=replace(made.block, **block))


@pytest.mark.parametrize(
    ("asked", "head_size", "dtype", "accelerator", "expected"),
    [
        ("plain", 64, "bfloat16", True, False),
        ("auto", 64, "bfloat16", True, True),
        ("auto", 64, "float32", True, False),
        ("auto", 256, "bfloat16", True, False),
        ("auto", 64, "bfloat16", False, False),
        ("kernel", 64, "bfloat16", True, True),
        ("kernel", 64, "float32", True, True),
    ],
)
def test_a_chip_that_is_elsewhere_is_trusted(
    asked: str, head_size: int, dtype: str, accelerator: bool, expected: bool
) -> None:
    found = uses_kernels(asked, shape(head_size), 512, dtype, accelerator=accelerator, here=False)
    assert found == expected


@pytest.mark.parametrize(
    ("of", "accelerator", "message"),
    [
        (shape(), False, "a CPU has none; run on a GPU or a TPU, or set it to plain"),
        (shape(256), True, "heads are 256 wide and it takes 128; use narrower heads, or set"),
        (shape(relative_span=8), True, "positions are disentangled, which it does not know"),
    ],
)
def test_a_kernel_that_there_is_not_is_refused(
    of: EncoderConfig, accelerator: bool, message: str
) -> None:
    with pytest.raises(UserError, match=f"config.parallel.attention=kernel: .*{message}"):
        uses_kernels("kernel", of, 512, "bfloat16", accelerator=accelerator, here=True)
    assert not uses_kernels("auto", of, 512, "bfloat16", accelerator=accelerator, here=True)


def test_auto_tries_the_kernel_of_this_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {100: "", 200: "does not compile (no reason)"}
    tried = []

    def problem(head_size: int, length: int, dtype: str, *, biased: bool) -> str:
        tried.append((head_size, dtype, biased))
        return found[length]

    monkeypatch.setattr(attention_check, "problem", problem)
    device = {"accelerator": True, "here": True}
    assert uses_kernels("auto", shape(family="mpnet"), 100, "bfloat16", **device)
    for _ in range(2):
        assert not uses_kernels("auto", shape(), 200, "bfloat16", **device)
    assert tried == [(64, "bfloat16", True), (64, "bfloat16", False)]
    said = capsys.readouterr().err
    assert said == "note: attention is plain: the kernel does not compile (no reason)\n"


def test_a_kernel_that_fails_in_any_process_is_used_in_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(attention_check, "problem", lambda *_, **__: "")
    monkeypatch.setattr(attention_choice, "any_process", lambda *_: True)
    assert not uses_kernels("auto", shape(), 300, "bfloat16", accelerator=True, here=True)
    assert "the kernel does not work in another process" in capsys.readouterr().err
