"""config_source: files, shipped names, overrides, and what it says of wrong ones."""

from pathlib import Path

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.configuration.source import find, read
from distil_jax.errors import UsageError

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "configs").glob("[!_]*.py"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_config_is_whole_and_valid(name: str) -> None:
    assert read(name, []).batch.sequences > 0


@pytest.mark.parametrize("name", ["quickstart", "quickstart.py", "configs/quickstart.py"])
def test_shipped_configs_are_found_by_name_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(name).samefile(ROOT / "configs" / "quickstart.py")


def test_a_file_comes_before_a_shipped_name(tmp_path: Path) -> None:
    path = tmp_path / "quickstart.py"
    path.write_text(
        "from distil_jax.configs import base\n"
        "def get_config():\n"
        "    config = base.get_config()\n"
        "    config.seed = 41\n"
        "    return config\n"
    )
    assert read(str(path), []).seed == 41
    assert [entry.name for entry in tmp_path.iterdir()] == ["quickstart.py"]


def test_values_take_the_type_of_their_default() -> None:
    config = read(
        "base",
        [
            "--config.batch.sequences=32",
            "--config.loss.temperature=3",
            "--config.optimizer.learning_rate=5e-4",
            "--config.log.tensorboard=false",
            "--config.student.layers=0,2",
            "--config.teacher=some/model=1",
            "--config.batch.sequences=64",
        ],
    )
    assert config.batch.sequences == 64
    assert config.loss.temperature == 3.0
    assert type(config.loss.temperature) is float
    assert config.optimizer.learning_rate == 5e-4
    assert config.log.tensorboard is False
    assert config.student.layers == "0,2"
    assert config.teacher == "some/model=1"


def test_a_delta_that_raises_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from distil_jax.configs import base\n"
        "def get_config():\n"
        "    config = base.get_config()\n"
        "    config.batch.sequence = 8\n"
        "    return config\n"
    )
    with pytest.raises(UsageError, match=r"mine\.py fails: AttributeError: .*sequence"):
        read(str(path), [])


def test_the_installed_package_s_own_configs_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an installed package lie the folders of others, perhaps one called configs."""
    for folder, name in (("configs", "foreign"), ("distil_jax/configs", "ours")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"{name}.py").touch()
    source = tmp_path / "distil_jax" / "run" / "config_source.py"
    monkeypatch.setattr(config_source, "__file__", str(source))
    assert find("ours") == tmp_path / "distil_jax" / "configs" / "ours.py"
    with pytest.raises(UsageError, match="shipped are ours"):
        find("foreign")
