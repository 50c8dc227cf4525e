"""evaluate's --task: a name that is none is answered with the nearest, or with all."""

import pytest

from distil_jax import evaluate
from distil_jax.errors import UsageError


@pytest.mark.parametrize(
    ("name", "message"),
    [("sst", "'sst' is not a task; did you mean sst2?"), ("spam", "there are cola, sst2, mrpc")],
)
def test_a_misspelt_task(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate.main(["--model=builtin:teacher", f"--task={name}", "--output=nowhere"])


def test_the_earlier_name_of_question_answering_is_accepted_and_not_listed() -> None:
    assert evaluate.parse(["--model=m", "--task=span", "--output=out"]).task == "span"
    with pytest.raises(UsageError) as raised:
        evaluate.parse(["--model=m", "--task=spam", "--output=out"])
    assert "span" not in str(raised.value)


@pytest.mark.parametrize("dtype", ["bfloat16", "auto"])
def test_a_type_that_nothing_would_compute_in_is_refused(dtype: str) -> None:
    with pytest.raises(UsageError, match=f"--dtype={dtype}: .* plain text is scored in float32"):
        evaluate.main(["--model=m", "--task=mlm", "--data=t", "--output=o", f"--dtype={dtype}"])
