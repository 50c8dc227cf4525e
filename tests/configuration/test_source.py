"""config_source: files, shipped names, overrides, and what it says of wrong ones."""

import re
import sys
from pathlib import Path

import pytest

from distil_jax.configuration.optimizer_table import OPTIMIZERS, SCHEDULES
from distil_jax.configuration.source import read
from distil_jax.errors import UsageError
from distil_jax.training.optimizer import schedule

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "configs").glob("[!_]*.py"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_config_is_whole_and_valid(name: str) -> None:
    assert read(name, []).batch.size > 0


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


def test_a_file_may_import_what_stands_beside_it_and_define_dataclasses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "seed_of_mine.py").write_text("SEED = 41\n")
    path = tmp_path / "mine.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from seed_of_mine import SEED\n"
        "from distil_jax.configs import base\n"
        "@dataclass\n"
        "class Options:\n"
        "    seed: int\n"
        "def get_config():\n"
        "    config = base.get_config()\n"
        "    config.seed = Options(SEED).seed\n"
        "    return config\n"
    )
    assert read(str(path), []).seed == 41


def test_a_file_may_bring_an_optimizer_and_a_schedule_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for table in (OPTIMIZERS, SCHEDULES):  # taken away again after the test
        monkeypatch.setitem(table, "mine", None)
        monkeypatch.delitem(table, "mine")
    path = tmp_path / "mine.py"
    path.write_text(
        "import optax\n"
        "from distil_jax.configs import base\n"
        "from distil_jax.configuration.optimizer_table import (\n"
        "    OPTIMIZERS, SCHEDULES, OptimizerEntry)\n"
        "OPTIMIZERS['mine'] = OptimizerEntry(lambda *_: optax.identity())\n"
        "SCHEDULES['mine'] = lambda rate, steps, _: lambda step: rate * (step < steps // 2)\n"
        "def get_config():\n"
        "    config = base.get_config()\n"
        "    config.optimizer.name = config.optimizer.schedule = 'mine'\n"
        "    return config\n"
    )
    config = read(str(path), ["--config.optimizer.warmup=0.0"]).optimizer
    rate = schedule(config, 10)
    assert (rate(4), rate(5)) == (config.learning_rate, 0)
    with pytest.raises(UsageError, match="'other' is none of linear, cosine, constant, wsd, mine"):
        read(str(path), ["--config.optimizer.schedule=other"])


def test_values_take_the_type_of_their_default() -> None:
    config = read(
        "base",
        [
            "--config.batch.size=32",
            "--config.loss.temperature=3",
            "--config.optimizer.learning_rate=5e-4",
            "--config.log.tensorboard=false",
            "--config.student.layers=0,2",
            "--config.teacher=some/model=1",
            "--config.batch.size=64",
        ],
    )
    assert config.batch.size == 64
    assert config.loss.temperature == 3.0
    assert type(config.loss.temperature) is float
    assert config.optimizer.learning_rate == 5e-4
    assert config.log.tensorboard is False
    assert config.student.layers == "0,2"
    assert config.teacher == "some/model=1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("config.batch.sequence = 8", "sets an unknown key, sequence (configs/base.py has them"),
        ("config.batch.siz = 8", "sets an unknown key, siz; did you mean size? (configs/"),
        ("config.batch.size = 'x'", "fails: TypeError: "),
        ("config.batch.size = 8 / 0", "fails: ZeroDivisionError: division by zero"),
    ],
)
def test_a_delta_that_raises_is_told_with_its_file(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from distil_jax.configs import base\n"
        "def get_config():\n"
        "    config = base.get_config()\n"
        f"    {line}\n"
        "    return config\n"
    )
    with pytest.raises(UsageError, match=re.escape(f"mine.py {message}")) as raised:
        read(str(path), [])
    assert len(str(raised.value)) < len(str(path)) + 200


OLD_KEYS = (
    "from distil_jax.configs import base\n"
    "def get_config():\n"
    "    config = base.get_config()\n"
    "    config.batch.sequences = 32\n"
    "    config.student.architecture.width = config.student.architecture.inner_width // 4\n"
    "    return config\n"
)


def test_earlier_names_of_keys_are_understood_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OLD_KEYS)
    config = read(str(path), ["--config.batch.micro=4", "--config.parallel.rematerialise=layer"])
    assert (config.batch.size, config.batch.micro_size) == (32, 4)
    assert config.student.architecture.hidden_size == 256
    assert config.parallel.remat == "layer"
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "config.batch.sequences is called config.batch.size now; the old name still works",
        "config.student.architecture.inner_width is called config.student.architecture.mlp_size "
        "now; the old name still works",
        "config.student.architecture.width is called config.student.architecture.hidden_size now; "
        "the old name still works",
        "config.batch.micro is called config.batch.micro_size now; the old name still works",
        "config.parallel.rematerialise is called config.parallel.remat now; the old name still "
        "works",
    ]
    assert err == ""


@pytest.mark.parametrize(
    "change",
    [
        "config.batch = ConfigDict({'sequences': 32, 'length': 64, 'micro': 0})",
        "config.update({'batch': {'sequences': 32, 'length': 64}})",
        "config.unlock(); config = ConfigDict(config); config.batch.sequences = 32",
    ],
)
def test_earlier_names_are_understood_however_they_are_set(change: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from ml_collections import ConfigDict\n"
        "from distil_jax.configs import base\n"
        "def get_config():\n"
        "    config = base.get_config()\n"
        f"    {change}\n"
        "    return config\n"
    )
    assert read(str(path), []).batch.size == 32


def test_the_nearest_key_of_an_earlier_name_is_today_s() -> None:
    with pytest.raises(UsageError, match=r"batch\.sequence; did you mean config\.batch\.size\?"):
        read("base", ["--config.batch.sequence=8"])
