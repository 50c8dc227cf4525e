"""doctor: what is here, what is missing with the command that installs it, and memory."""

import pytest

from distil_jax import doctor
from distil_jax.errors import UsageError
from distil_jax.profiling import machine


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's metadata, which a checkout that is only on the path has not."""
    needed = ["jax>=0.7.2,<0.12", "flax>=0.11.2,<0.13", 'onnx>=1; extra == "edge"']
    monkeypatch.setattr(machine.metadata, "requires", lambda _: needed)


@pytest.mark.usefixtures("installed")
def test_memory_of_a_config_that_leaves_its_precision_to_the_hardware(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = [f"--config.precision.{name}=auto" for name in ("compute", "teacher")]
    doctor.main(["--offline", "--config=quickstart", *keys])
    assert "GB for the arrays of a step" in capsys.readouterr().out


@pytest.mark.usefixtures("installed")
def test_a_page_about_this_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = machine._version
    monkeypatch.setattr(machine, "_version", lambda name: None if name == "onnx" else version(name))
    doctor.main(["--offline"])
    text = capsys.readouterr().out
    assert "JAX: " in text
    assert "extra edge (ONNX and StableHLO): onnx missing; in distil_jax's checkout type: " in text
    assert "GB for the arrays of a step" in text
    assert "fits" in text
    assert "reachable" not in text


@pytest.mark.usefixtures("installed")
def test_a_version_outside_of_what_is_needed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_version", lambda name: "0.1" if name == "jax" else None)
    lines = machine._packages()
    assert any(line.startswith("jax 0.1: ") and line.endswith(" is needed") for line in lines)
    assert "flax: missing; install distil_jax again" in lines


def test_a_host_that_does_not_answer_is_a_line() -> None:
    line = machine._answer("model hub", "http://127.0.0.1:9/")
    assert line.startswith("model hub: does not answer (")


def test_a_teacher_that_cannot_be_found_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.main(["--offline", "--config.teacher=no/such/folder"])
    assert "cannot be worked out: " in capsys.readouterr().out


def test_a_misspelt_config() -> None:
    with pytest.raises(UsageError, match="did you mean quickstart"):
        doctor.main(["--config=quickstrat"])


def test_sources_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise machine.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(machine.metadata, "requires", requires)
    assert machine._packages()[1:] == [
        f"{machine.NOT_INSTALLED}; in its checkout type: pip install -e ."
    ]
    assert machine._extra("edge") == f"not known: {machine.NOT_INSTALLED}"
