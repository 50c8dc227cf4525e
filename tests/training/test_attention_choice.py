"""attention_choice: what config.parallel.attention means where."""

import pytest

from distil_jax.errors import UserError
from distil_jax.kernels import attention_check
from distil_jax.training import attention_choice
from distil_jax.training.attention_choice import uses_kernels


@pytest.mark.parametrize(
    ("asked", "head_size", "dtype", "accelerator", "expected"),
    [
        ("plain", 64, "bfloat16", True, False),
        ("auto", 64, "bfloat16", True, True),
        ("auto", 64, "float32", True, False),
        ("auto", 256, "bfloat16", True, False),
        ("auto", 64, "bfloat16", False, False),
        ("kernel", 64, "bfloat16", True, True),
    ],
)
def test_a_chip_that_is_elsewhere_is_trusted(
    asked: str, head_size: int, dtype: str, accelerator: bool, expected: bool
) -> None:
    found = uses_kernels(asked, head_size, 512, dtype, accelerator=accelerator, here=False)
    assert found == expected


@pytest.mark.parametrize(
    ("head_size", "dtype", "accelerator", "message"),
    [
        (64, "bfloat16", False, "a CPU has none; run on a GPU or a TPU, or set it to plain"),
        (256, "bfloat16", True, "heads are 256 wide and it takes 128; use narrower heads, or set"),
        (64, "float32", True, "a model in float32; set config.precision.compute and"),
    ],
)
def test_a_kernel_that_there_is_not_is_refused(
    head_size: int, dtype: str, accelerator: bool, message: str
) -> None:
    with pytest.raises(UserError, match=f"config.parallel.attention=kernel: .*{message}"):
        uses_kernels("kernel", head_size, 512, dtype, accelerator=accelerator, here=True)


def test_auto_tries_the_kernel_of_this_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {100: "", 200: "does not compile (no reason)"}
    monkeypatch.setattr(attention_check, "problem", lambda _, length: found[length])
    assert uses_kernels("auto", 64, 100, "bfloat16", accelerator=True, here=True)
    for _ in range(2):
        assert not uses_kernels("auto", 64, 200, "bfloat16", accelerator=True, here=True)
    said = capsys.readouterr().err
    assert said == "note: attention is plain: the kernel does not compile (no reason)\n"


def test_a_kernel_that_fails_in_any_process_is_used_in_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(attention_check, "problem", lambda *_: "")
    monkeypatch.setattr(attention_choice, "any_process", lambda *_: True)
    assert not uses_kernels("auto", 64, 300, "bfloat16", accelerator=True, here=True)
    assert "the kernel does not work in another process" in capsys.readouterr().err
