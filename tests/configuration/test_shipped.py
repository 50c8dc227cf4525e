"""shipped: a config is found by its path or its name, wherever the package is installed."""

from pathlib import Path

import pytest

from distil_jax.configuration import shipped
from distil_jax.configuration.shipped import find
from distil_jax.errors import UsageError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["quickstart", "quickstart.py", "configs/quickstart.py"])
def test_shipped_configs_are_found_by_name_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(name).samefile(ROOT / "configs" / "quickstart.py")


def test_the_installed_package_s_own_configs_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an installed package lie the folders of others, perhaps one called configs."""
    for folder, name in (("configs", "foreign"), ("distil_jax/configs", "ours")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"{name}.py").touch()
    source = tmp_path / "distil_jax" / "configuration" / "shipped.py"
    monkeypatch.setattr(shipped, "__file__", str(source))
    assert find("ours") == tmp_path / "distil_jax" / "configs" / "ours.py"
    with pytest.raises(UsageError, match="shipped are ours"):
        find("foreign")
