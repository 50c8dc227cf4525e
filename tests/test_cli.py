"""distil-jax: every command is listed, found by its name, and completed with its flags and keys."""

import importlib
import subprocess
from pathlib import Path

import pytest

import distil_jax
from distil_jax import cli, commandline
from distil_jax.configuration.declared import declared
from distil_jax.errors import UsageError


def test_every_command_module_is_a_command() -> None:
    files = Path(distil_jax.__file__).parent.glob("*.py")
    programs = {file.stem for file in files if "commandline.run(" in file.read_text()}
    assert programs - {"commandline"} == {c.module for c in cli.COMMANDS.values()} | {"cli"}


def test_the_overview_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([])
    lines = capsys.readouterr().out.splitlines()
    assert all(any(line.startswith(f"  {name} ") for line in lines) for name in cli.COMMANDS)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_has_its_flags(name: str) -> None:
    module = importlib.import_module(f"distil_jax.{cli.COMMANDS[name].module}")
    assert isinstance(module.parser(), commandline.Parser)
    assert "--help" in module.parser().format_help()


@pytest.mark.parametrize(
    ("name", "message"),
    [("trian", "did you mean train"), ("xyz", "distil-jax --help lists them")],
)
def test_a_name_that_is_none(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cli.main([name])


def test_a_modules_name_and_a_hyphen_do_too(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("fill-mask", "main"):
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
        assert "usage" in capsys.readouterr().out


def test_the_help_of_train_has_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    text = capsys.readouterr().out
    assert all(f"--config.{key.name} " in text for key in declared())


def test_completion_knows_commands_flags_and_keys(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["completion", "bash"])
    script = capsys.readouterr().out
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    ask = f"{script}\nCOMP_WORDS=(distil-jax train --config.bat); COMP_CWORD=2\n_shtab_distil_jax\n"
    ask += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    found = done.stdout.split()
    assert "--config.batch.size" in found
    assert all(word.startswith("--config.bat") for word in found)
