"""supervisor: what the parent of a process lets through, and its last words."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import sys
from distil_jax.distributed import supervisor as supervisor
supervisor.run_supervised("child", sys.argv[1:], address="here:1234")
"""

SILENT = r"""
E1124 11:08:18.8 993 coordination_service_agent.cc:289] Polled an error from coordination service
F1124 11:08:18.8 993 client.h:80] Terminating process because the JAX distributed service detected
 fatal errors. UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats):
2
The tasks have crashed. Check the task logs for an earlier error.
"""
GONE = "F1124 client.h:80] UNAVAILABLE: coordination service: Socket closed\n"


def start(folder: Path, body: str, before: str = "") -> subprocess.Popen[str]:
    (folder / "child.py").write_text(f"import os, signal, sys, time\n{body}")
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{Path(__file__).parents[2]}"}
    return subprocess.Popen(
        [sys.executable, "-c", before + WATCH],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("status", [0, 1, 3, 143])
def test_status_and_output_are_the_childs(status: int, tmp_path: Path) -> None:
    body = f"print('out'); print('error: no', file=sys.stderr); sys.exit({status})"
    process = start(tmp_path, body)
    assert process.communicate() == ("out\n", "error: no\n")
    assert process.returncode == status


def test_a_script_that_calls_the_command_is_what_runs_again(tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(
        "import sys\n"
        "from distil_jax.distributed import supervisor\n"
        "if not supervisor.is_child():\n"
        "    supervisor.run_supervised('child', sys.argv[2:], address='here:1234')\n"
        "print('its own family', sys.argv[1:])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, script, "train", "--workdir=a b"]
    out = subprocess.check_output(command, env=environment, text=True)
    assert out == "its own family ['train', '--workdir=a b']\n"


def test_a_bug_keeps_its_traceback_and_libraries_noise_is_kept_back(tmp_path: Path) -> None:
    process = start(tmp_path, "os.write(2, b'W1124 11:08 x.cc:1] noise\\n'); print(1 / 0)")
    _, err = process.communicate()
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith("ZeroDivisionError: division by zero\n")
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("noise", "message"),
    [(SILENT, "process 2 is gone or silent;"), (GONE, "process 0 is gone or cannot be reached;")],
)
def test_an_abort_of_jax_becomes_one_line(noise: str, message: str, tmp_path: Path) -> None:
    body = f"""
os.write(int(os.environ["DISTIL_JAX_WATCHED"]), b"process 1/4 step 6\\nprocess 1/4 step 7\\n")
os.write(2, {noise.encode()!r})
os.abort()
"""
    process = start(tmp_path, body)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.count("\n") == 1
    assert f"process 1/4 step 7] error: {message}" in err
    assert "start all processes again" in err


def test_sigterm_goes_to_the_child(tmp_path: Path) -> None:
    body = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("ready", flush=True)
time.sleep(60)
"""
    process = start(tmp_path, body)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143


@pytest.mark.parametrize("early", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_child_listens_is_not_lost(early: int, tmp_path: Path) -> None:
    """It comes while the child is started; the child does not hear SIGTERM yet."""
    body = """
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
time.sleep(60)
"""
    arrives = f"""
import os, subprocess
started = subprocess.Popen.__init__
def start(*arguments, **keywords):
    os.kill(os.getpid(), {int(early)})
    started(*arguments, **keywords)
    {"import time; time.sleep(5)" if early == signal.SIGINT else ""}
subprocess.Popen.__init__ = start
"""
    process = start(tmp_path, body, before=arrives)
    _, err = process.communicate(timeout=60)
    if early == signal.SIGINT:
        assert (process.returncode, err) == (130, "")
    else:
        assert process.returncode == 143
        assert "error: stopped by SIGTERM before its first step" in err
        assert err.count("\n") == 1


def test_a_killed_child_is_told(tmp_path: Path) -> None:
    process = start(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    _, err = process.communicate()
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert "error: killed (SIGKILL)" in err


def test_a_child_whose_parent_was_killed_ends(tmp_path: Path) -> None:
    body = """
from distil_jax.distributed.session import _end_with_parent
_end_with_parent()
print(os.getpid(), flush=True)
time.sleep(60)
"""
    process = start(tmp_path, body)
    assert process.stdout is not None
    assert int(process.stdout.readline()) != process.pid
    process.send_signal(signal.SIGKILL)
    # The child has the other end of standard output: that it closes is its end.
    process.communicate(timeout=40)
