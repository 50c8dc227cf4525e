"""README's table of the paper's claims is that of docs/claims.json."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_readme_has_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import claims

    models = claims.compared()
    readme = (ROOT / "README.md").read_text().splitlines()
    lines = claims.rows(models)
    sys.modules.pop("claims")
    assert len(lines) == 2 + len(claims.PANELS)
    assert [line for line in lines if line not in readme] == []
