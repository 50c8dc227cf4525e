"""What distil_jax_host.sh does on a host by itself: the environment, and its own ends."""

import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOST = ROOT / "launch/tpu/distil_jax_host.sh"
# Every python of this host: python3 is too old, and uv brings another.
PYTHON = """#!/usr/bin/env bash
echo "${0##*/} $*" >> "$HOME/pythons"
case "$*" in
    -c*) [[ ${0##*/} != python3 ]] ;;
    "-m uv python find 3.12") echo "$STUBS/python3.12" ;;
    "-m venv "*) mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python" ;;
esac
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    with tarfile.open(tmp_path / "home/distil_jax.tar", "w") as packed:
        for name in ("launch", "configs", "setup.cfg", "pyproject.toml", "constraints.txt"):
            packed.add(ROOT / name, name)
    return tmp_path / "home"


def host(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"HOME": str(home), "HOSTNAME": "host"} | variables
    return subprocess.run(
        ["bash", HOST, *words], env=environment, capture_output=True, text=True, check=False
    )


def test_a_host_whose_python_is_too_old_gets_another(home: Path) -> None:
    stubs = home.parent / "stubs"
    stubs.mkdir()
    for name in ("python3", "python3.12"):
        (stubs / name).write_text(PYTHON)
        (stubs / name).chmod(0o755)
    path = f"{stubs}:{os.environ['PATH']}"
    ours = {"PYTHON": "python3", "PATH": path, "STUBS": str(stubs)}
    first = host(home, "install", **ours)
    assert (first.returncode, first.stderr) == (0, "")
    assert "host: environment: ready" in first.stdout
    message = (home / "pythons").read_text().splitlines()
    assert "python3 -m pip install --quiet --user uv" in message
    assert any(line.startswith("python3.12 -m venv --clear ") for line in message)
    assert any(" -c constraints.txt -e .[tpu,gcs]" in line for line in message)
    (home / "distil_jax/configs/old.py").write_text("")
    again = host(home, "install", **ours)
    assert "host: environment: reusing " in again.stdout
    assert not (home / "distil_jax/configs/old.py").exists()


def test_a_run_that_was_killed_is_started_again(home: Path) -> None:
    python = home / "python"
    python.write_text('#!/usr/bin/env bash\necho "$BASHPID" > "$HOME/worker"; exec sleep 120\n')
    python.chmod(0o755)
    ours = {"DISTIL_JAX_PYTHON": str(python)}
    assert host(home, "install", **ours).returncode == 0
    for _ in range(2):
        assert host(home, "start", "--config=base", **ours).stdout == "host: started\n"
        until = time.monotonic() + 20
        while not (home / "worker").exists() and time.monotonic() < until:
            time.sleep(0.02)
        assert "host: running: --config=base" in host(home, "state").stdout
        os.kill(int((home / "distil_jax_run/process").read_text()), signal.SIGKILL)
        # As long as anything of it lives, nothing else is started.
        assert host(home, "start", "--config=base", **ours).stdout == "host: is running already\n"
        assert host(home, "stop").returncode == 1  # nobody is left who could tell its status
        (home / "worker").unlink()
        while "host: running" in (state := host(home, "state").stdout) and time.monotonic() < until:
            time.sleep(0.02)
        assert "host: was killed, or its host restarted: --config=base" in state


def test_following_nothing(home: Path) -> None:
    done = host(home, "follow")
    assert (done.returncode, done.stderr) == (1, "host: error: no run was started here\n")
