"""commandline: names of folders that are none are refused in words that help."""

import argparse
from pathlib import Path

import pytest

from distil_jax import commandline


def test_a_path_is_a_folder() -> None:
    assert commandline.folder("runs/a") == commandline.place("runs/a") == Path("runs/a")


def test_a_bucket_is_a_place() -> None:
    assert commandline.place("gs://bucket/run") == "gs://bucket/run"


@pytest.mark.parametrize(
    ("name", "told"), [("", "is empty"), ("gs://bucket/run", "is no folder of this machine")]
)
def test_other_names_are_refused(name: str, told: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=told):
        commandline.folder(name)
