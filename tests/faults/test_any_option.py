"""Whatever is typed behind an objective's key, it is a config or one clear error."""

import argparse
import contextlib
import os

import hypothesis.strategies as st
from hypothesis import given, settings

from distil_jax.configuration import source as config_source
from distil_jax.configuration.flags import objective_option
from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.configuration.vector_options import parse_widths
from distil_jax.errors import UserError

EXAMPLES = int(os.environ.get("DISTIL_JAX_FUZZ", "40"))
fuzzed = settings(max_examples=EXAMPLES, deadline=None)
OPTIONS = [f"{name}.{key.name}" for name, one in OBJECTIVES.items() for key in one.options]
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["0", "-1", "1e400", "nan", "inf", "9" * 5000, "0:0,1:2", "1:", ":", ",", "query-", "-", "all",
     "8:1, 4:nan", "0:1", "-3:1", "True", "none", "{}", "[1]", "1.5", "\0", "0:0:0"]
)  # fmt: skip


@fuzzed
@given(st.sampled_from(OPTIONS), TEXTS)
def test_any_text_as_an_option_of_a_run(option: str, text: str) -> None:
    name = option.partition(".")[0]
    keys = [f"--config.loss.options.{option}={text}", f"--config.loss.{name}=1.0"]
    with contextlib.suppress(UserError):
        config_source.read("base", keys)


@fuzzed
@given(st.sampled_from([*OPTIONS, "cosin.layers", "", "."]), TEXTS)
def test_any_text_as_an_option_of_fine_tuning(option: str, text: str) -> None:
    with contextlib.suppress(UserError, argparse.ArgumentTypeError):
        objective_option(f"{option}={text}")


@fuzzed
@given(TEXTS)
def test_any_text_as_widths(text: str) -> None:
    with contextlib.suppress(UserError):
        assert all(width > 0 and weight > 0 for width, weight in parse_widths(text).items())
