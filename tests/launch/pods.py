"""tpu_pod.sh as tests type it, and what the stand-in of gcloud and its hosts know afterwards."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

V5E = ("--topology=v5e-16", "--zone=us-west4-a")
V4 = ("--topology=v4-16", "--zone=us-central2-b")
FLAGS = ("--config=tpu_v5e", "--workdir=gs://bucket/run")
RUN = """#!/usr/bin/env bash
printf '%s\\0' "$@" > "$HOME/arguments.new"
mv "$HOME/arguments.new" "$HOME/arguments"
echo "$JAX_PLATFORMS: step 1"
trap 'echo saved; exit 143' TERM
for _ in $(seq 2400); do [[ -e $PLACE/stay ]] || exit "${STATUS:-0}"; sleep 0.05; done
"""


class Pod:
    """tpu_pod.sh, and what the cloud and its hosts know."""

    def __init__(self, tools: Any) -> None:
        self.tools = tools
        self.place: Path = tools.folder

    def type(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        python = str(self.place / "python")
        ours = {"DISTIL_JAX_PYTHON": python, "POLL_SECONDS": "0", "PLACE": str(self.place)}
        return self.tools.run("tpu_pod.sh", *arguments, **ours, **variables)

    def home(self, worker: int = 0, node: str = "distil-jax") -> Path:
        return self.place / "hosts" / node / str(worker)

    def arguments(self, worker: int = 0, node: str = "distil-jax") -> list[str]:
        """What a host's run was given; only that of worker 0 has surely begun."""
        path, until = self.home(worker, node) / "arguments", time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.02)
        return path.read_text().split("\0")[2:-1]

    def faults(self, **faults: Any) -> None:
        (self.place / "faults.json").write_text(json.dumps(faults))

    def becomes(self, state: str, reason: str = "") -> None:
        path = self.place / "resources.json"
        resources = json.loads(path.read_text())
        found = {"state": state, "failedData": {"error": {"message": reason}}}
        resources["distil-jax"]["state"] = found
        path.write_text(json.dumps(resources))

    def asked(self) -> list[str]:
        """The sub-commands of gcloud that were called, but for looking."""
        words = [arguments[:4] for arguments, _ in self.tools.calls("gcloud")]
        return [w[3] for w in words if w[3] != "list"]
