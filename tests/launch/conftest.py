"""Stand-ins of the cloud's tools: they record how they were called, and refuse unknown flags."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pods import RUN, V4, Pod

ROOT = Path(__file__).parents[2]
STAND_IN = """#!{python}
import json, os, sys
name, known, answer, status = {name!r}, {known!r}, {answer!r}, {status!r}
given = sys.stdin.read() if name == "sbatch" else ""
with open({record!r}, "a") as file:
    file.write(json.dumps([name, sys.argv[1:], given]) + "\\n")
for word in sys.argv[1:]:
    if word.startswith("--") and word.split("=")[0] not in known:
        sys.exit(f"{{name}}: unrecognized option '{{word}}'")
    if not word.startswith("--"):
        break
if status:
    print(f"{{name}}: error: refused", file=sys.stderr)
print(answer, end="")
sys.exit(status)
"""


class Tools:
    """A folder to be the first of PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._record = folder / "calls.jsonl"

    def make(self, name: str, known: set[str], answer: str = "", status: int = 0) -> None:
        text = STAND_IN.format(
            python=sys.executable,
            name=name,
            known=known,
            answer=answer,
            status=status,
            record=str(self._record),
        )
        path = self.folder / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def stand_in(self, name: str, python: str = sys.executable) -> None:
        """The program NAME_stand_in.py, which knows more than to answer and happens in `folder`."""
        program = Path(__file__).with_name(f"{name}_stand_in.py")
        path = self.folder / name
        path.write_text(f'#!/bin/sh\nPLACE={self.folder} exec {python} {program} "$@"\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def calls(self, name: str) -> list[tuple[list[str], str]]:
        """The arguments and the standard input of every call."""
        if not self._record.exists():
            return []
        found = map(json.loads, self._record.read_text().splitlines())
        return [(arguments, given) for called, arguments, given in found if called == name]

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        return self._run([str(ROOT / "launch" / script), *arguments], **variables)

    def paste(self, text: str) -> subprocess.CompletedProcess:
        """Give a shell the lines that a dry run printed."""
        return self._run(["bash", "-c", text])

    def _run(self, command: list[str], **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            env=os.environ
            | {"PATH": f"{self.folder}:{os.environ['PATH']}", "DISTIL_JAX_PYTHON": sys.executable}
            | variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    (tmp_path / "tools").mkdir()
    return Tools(tmp_path / "tools")


@pytest.fixture
def pod(tools: Tools) -> Iterator[Pod]:
    """tpu_pod.sh, with nothing asked for yet."""
    tools.stand_in("gcloud", f"{sys.executable} -S")  # it starts often, and needs no packages
    (tools.folder / "python").write_text(RUN)
    (tools.folder / "python").chmod(0o755)
    yield Pod(tools)
    (tools.folder / "stay").unlink(missing_ok=True)


@pytest.fixture
def active(pod: Pod) -> Pod:
    """Slices that are there, with everything installed."""
    for command in ("create", "wait", "install"):
        assert pod.type(command, *V4).returncode == 0
    return pod
