"""Damage of every kind, drawn by hypothesis."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([]), st.just({}),
    st.sampled_from([-1, 0, 2**31, 2**63, 10**400, 1e308, [1], {"a": 1}, "../train", "/dev/zero"]),
)  # fmt: skip


@pytest.fixture(scope="session")
def spoil_json() -> Callable[[Any, st.DataObject], None]:
    """Put odd values into a JSON document, or take some out, at any depth."""

    def spoil(content: Any, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(1, 2))):
            inside = content
            for _ in range(data.draw(st.integers(0, 4))):
                inner = [value for _, value in _entries(inside) if _entries(value)]
                if not inner:
                    break
                inside = data.draw(st.sampled_from(inner))
            key, _ = data.draw(st.sampled_from(_entries(inside)))
            if data.draw(st.integers(0, 3)):
                inside[key] = deepcopy(data.draw(ODD))
            else:
                del inside[key]
            if not content:
                break

    return spoil


@pytest.fixture(scope="session")
def spoil_file() -> Callable[[Path, st.DataObject], None]:
    """Flip a byte of a file, cut it short, replace or remove it."""

    def spoil(file: Path, data: st.DataObject) -> None:
        content = bytearray(file.read_bytes())
        harm = data.draw(st.sampled_from(["flip", "cut", "empty", "noise", "unlink", "folder"]))
        place = data.draw(st.integers(0, len(content) - 1))
        file.unlink()
        if harm == "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        elif harm == "cut":
            del content[place:]
        elif harm == "empty":
            content.clear()
        elif harm == "noise":
            content[:] = data.draw(st.binary(max_size=200))
        elif harm == "folder":
            file.mkdir()
        if harm not in ("unlink", "folder"):
            file.write_bytes(content)

    return spoil


def _entries(content: Any) -> list[tuple[Any, Any]]:
    if isinstance(content, dict):
        return list(content.items())
    return list(enumerate(content)) if isinstance(content, list) else []
