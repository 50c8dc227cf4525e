"""The stand-ins' flags are those of the tools."""

import shutil

import pytest

from .published_help import flags, published


@pytest.mark.slow
@pytest.mark.parametrize("tool", sorted(flags()))
def test_the_record_is_what_the_installed_tool_says(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    for command, recorded in flags()[tool].items():
        assert set(recorded) <= set(published(tool, command)), command
