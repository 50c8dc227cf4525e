"""tpu_pod.sh against a stand-in of gcloud, whose hosts are folders: what they are told is done."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .published_help import flags, published

V5E = ("--topology=v5e-16", "--zone=us-west4-a")
V4 = ("--topology=v4-16", "--zone=us-central2-b")
FLAGS = ("--config=tpu_v5e", "--workdir=gs://bucket/run")
RUN = """#!/usr/bin/env bash
printf '%s\\0' "$@" > "$HOME/arguments"
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
        return (self.home(worker, node) / "arguments").read_text().split("\0")[2:-1]

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


@pytest.fixture
def pod(tools: Any) -> Iterator[Pod]:
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


def test_one_command_does_it_all_and_once(pod: Pod) -> None:
    first = pod.type("up", *V5E, "--", *FLAGS)
    assert (first.returncode, "tpu,cpu: step 1" in first.stdout) == (0, True), first.stderr
    assert "distil-jax is PROVISIONING\ntpu_pod: distil-jax is ACTIVE" in first.stdout
    assert pod.asked() == ["create", "scp", "ssh", "ssh", "ssh"]
    for worker in range(4):
        assert pod.arguments(worker) == [*FLAGS, "--config.processes.coordinator=auto"]
        assert (pod.home(worker) / "distil_jax/configs/tpu_v5e.py").is_file()
    again = pod.type("up", *V5E, "--", *FLAGS)
    assert again.returncode == 0
    assert "is there already: 1xv5litepod-16, ACTIVE" in again.stdout
    assert pod.asked().count("create") == 1


def test_what_is_asked_for(pod: Pod) -> None:
    pod.type("create", *V5E, "--spot", "--project=p", "--create=--network=n", "--runtime=r")
    (create,) = [a for a, _ in pod.tools.calls("gcloud") if a[3] == "create"]
    assert create[4] == "distil-jax"
    assert {"--zone=us-west4-a", "--project=p", "--accelerator-type=v5litepod-16", "--spot",
            "--runtime-version=r", "--node-id=distil-jax", "--network=n"} < set(create)  # fmt: skip


def test_two_slices_are_one_run(pod: Pod) -> None:
    done = pod.type("up", "--topology=2xv4-16", "--name=pod", "--", *FLAGS)
    assert done.returncode == 0, done.stderr
    (create,) = [a for a, _ in pod.tools.calls("gcloud") if a[3] == "create"]
    assert {"--node-count=2", "--node-prefix=pod", "--zone=us-central2-b"} < set(create)
    for node in ("pod-0", "pod-1"):
        assert [pod.arguments(w, node)[:2] for w in range(2)] == [list(FLAGS)] * 2


def test_values_survive_two_shells_and_the_connection(active: Pod) -> None:
    values = ["a b", "it's", 'say "x"', "$HOME", "*", "a  b\\", "a\nb", "ü;&|", "~", "", " "]
    ours = [f"--config.x={value}" for value in values]
    assert active.type("run", *V4, "--", *FLAGS, *ours).returncode == 0
    assert active.type("logs", *V4).returncode == 0
    assert active.arguments(1)[2:-1] == ours


@pytest.mark.parametrize(
    ("command", "state"),
    [("create", "FAILED"), ("wait", "SUSPENDED"), ("run", "SUSPENDING"), ("logs", "DELETING")],
)
def test_slices_that_will_not_come_back_are_named(command: str, state: str, pod: Pod) -> None:
    pod.type("create", *V5E)
    pod.becomes(state, "no capacity\nleft")
    done = pod.type(command, *V5E, *(["--", *FLAGS] if command == "run" else []))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: distil-jax is {state} (no capacity left), takes up")
    assert "tpu_pod.sh delete --name=distil-jax --topology=v5e-16 --zone=us-west4-a" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_same_command_goes_on_after_a_preemption(active: Pod) -> None:
    active.becomes("SUSPENDED")
    assert active.type("up", *V4, "--", *FLAGS).returncode == 1
    assert active.type("delete", *V4).returncode == 0
    assert active.type("up", *V4, "--", *FLAGS).returncode == 0
    assert active.arguments(1)[:2] == list(FLAGS)


def test_a_name_that_is_taken_by_another_type(active: Pod) -> None:
    done = active.type("create", "--topology=v4-8")
    assert done.returncode == 1
    assert "exists already as 1xv4-16, not 1xv4-8; add --name=ANOTHER" in done.stderr


def test_a_run_is_started_once_however_often_it_is_asked_for(active: Pod) -> None:
    (active.place / "stay").touch()
    active.faults(again=True)  # the connection breaks, and gcloud types the command again
    first = active.type("run", *V4, "--", *FLAGS)
    assert first.returncode == 0
    assert (first.stdout.count("started"), first.stdout.count("is running already")) == (2, 2)
    active.faults()
    assert "is running already" in active.type("run", *V4, "--", *FLAGS).stdout
    other = active.type("run", *V4, "--", *FLAGS, "--config.seed=1")
    assert other.returncode == 1
    assert "another run is going (--config=tpu_v5e" in other.stderr
    assert "a run is going; its checkout is left as it is" in active.type("install", *V4).stdout
    assert active.type("status", *V4).stdout.count(": running: --config=tpu_v5e") == 2
    stopped = active.type("stop", *V4)
    assert stopped.stdout.count("stopped with status 143") == 2
    assert active.type("stop", *V4).stdout.count("nothing is running") == 2
    logs = active.type("logs", *V4)
    assert (logs.returncode, logs.stdout.splitlines()[-1]) == (143, "saved")
    assert active.type("status", *V4).stdout.count("ended with status 143") == 2


@pytest.mark.parametrize("status", [1, 3])
def test_following_ends_as_the_run_does(status: int, active: Pod) -> None:
    assert active.type("run", *V4, "--", *FLAGS, STATUS=str(status)).returncode == 0
    assert active.type("logs", *V4).returncode == status
    assert active.type("logs", *V4, "--worker=all").returncode == status


def test_a_host_that_restarted_says_so_and_starts_again(active: Pod) -> None:
    assert active.type("run", *V4, "--", *FLAGS).returncode == 0
    assert active.type("logs", *V4).returncode == 0
    (active.home() / "distil_jax_run/ended").unlink()
    assert "was killed, or its host restarted" in active.type("status", *V4).stdout
    logs = active.type("logs", *V4)
    assert logs.returncode == 1
    assert "tpu_pod.sh run goes on" in logs.stderr
    assert active.type("run", *V4, "--", *FLAGS).stdout.count("started") == 2


def test_missing_slices(pod: Pod) -> None:
    assert "nothing to delete" in pod.type("delete", *V5E).stdout
    assert "there is no distil-jax in us-west4-a" in pod.type("status", *V5E).stdout
    done = pod.type("run", *V5E, "--", *FLAGS)
    assert done.returncode == 1
    assert "tpu_pod.sh create --name=distil-jax --topology=v5e-16" in done.stderr
    assert pod.asked() == []


def test_before_the_installation(pod: Pod) -> None:
    pod.type("create", *V5E)
    early = pod.type("run", *V5E, "--", *FLAGS)
    assert (early.returncode, "not yet ACTIVE; type: " in early.stderr) == (1, True)
    pod.type("wait", *V5E)
    status = pod.type("status", *V5E)
    assert (status.returncode, status.stderr) == (0, "")
    run = pod.type("run", *V5E, "--", *FLAGS)
    assert run.returncode == 1
    assert "distil-jax-w-2: nothing is installed; type: tpu_pod.sh install" in run.stderr


@pytest.mark.parametrize(
    ("faults", "command", "told"),
    [
        ({"login": True}, "create", "type: gcloud auth login"),
        ({"create": "RESOURCE_EXHAUSTED: Quota limit 'TPUV5s' exceeded"}, "create", "no quota for"),
        ({"create": "PERMISSION_DENIED: tpu.nodes.create"}, "create", "this account may not"),
        ({"create": "INTERNAL"}, "create", "status 1, see above"),
        ({"ssh": 2}, "install", "ssh to worker 2 failed; behind a firewall add --ssh="),
        ({"ssh": 0}, "logs", "ssh to worker 0 failed"),
        ({"unprepared": 0}, "install", "a slice cannot be reached, or was preempted"),
        ({"unprepared": 0}, "logs", "a slice cannot be reached, or was preempted"),
        ({"unprepared": 0, "key": True}, "install", "type: ssh-add"),
    ],
)
def test_what_gcloud_refuses_is_told(
    faults: dict[str, Any], command: str, told: str, pod: Pod
) -> None:
    if command != "create":
        pod.type("create", *V5E)
        pod.type("wait", *V5E)
    pod.faults(**faults)
    done = pod.type(command, *V5E)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert told in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--zone=nowhere", "--topology=v5e-16"], "nowhere has no v5litepod-16"),
        (["--zone=us-central2-b", "--topology=v5e-16"], "us-central2-b has no v5litepod-16"),
    ],
)
def test_a_wrong_zone_is_told(arguments: list[str], told: str, pod: Pod) -> None:
    done = pod.type("create", *arguments)
    assert (done.returncode, told in done.stderr.splitlines()[-1]) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["go"], "no command 'go'; one of up, create, wait"),
        (["create", "--typ=v4-8"], "unknown option --typ=v4-8"),
        (["create", "--topology=v5e-16"], "no --zone=ZONE"),
        (["create", "--topology=h100-8"], "--topology=h100-8 must be like v4-32"),
        (["create", "--topology=v7x-8"], "--topology=v7x-8: v2, v3, v4, v5e, v5p and v6e"),
        (["create", "--name=A b"], "--name=A b must be small letters"),
        (["create", "--", "x"], "create takes nothing after --, and was given x"),
        (["run", "--", "--config=base"], "no --workdir=gs://BUCKET/RUN after --"),
        (["run", "--workdir=gs://a/b", "--", "--config=base"], "no --workdir=gs://BUCKET"),
        (["run", "--", "--workdir=gs://a/b"], "no --config=NAME after --"),
        (["run", "--", "--config=base", "--workdir=runs/a"],
         "--workdir=runs/a would be another folder on each of the 4 hosts"),
        (["run", "--topology=2xv4-8", "--", "--config=base", "--workdir=runs/a"], "of the 2 hosts"),
        (["run", "--", "--config=/tmp/mine.py", "--workdir=gs://a/b"], "copy it there, and"),
        (["run", "--", "--config=mine.py", "--workdir=gs://a/b"], "copy it there, and"),
        (["run", "--", *FLAGS, "--config.data.train=."], "lies on this machine, where the hosts"),
        (["copy"], "no --workdir=DIR"),
    ],
)  # fmt: skip
def test_a_wrong_command_line(arguments: list[str], told: str, pod: Pod) -> None:
    done = pod.type(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert (done.stderr.count("\n"), done.stdout) == (1, "")
    assert pod.tools.calls("gcloud") == []


@pytest.mark.parametrize("flag", ["--topology=v4-8", "--shared"])
def test_a_local_workdir_of_one_host_or_a_shared_one(flag: str, pod: Pod) -> None:
    done = pod.type("run", flag, "--dry-run", "--", "--config=base", "--workdir=runs/a")
    assert (done.returncode, done.stderr) == (0, "")


def test_results_come_from_the_bucket(pod: Pod) -> None:
    run = pod.place / "buckets/bucket/run"
    for name in ("student/config.json", "metrics.jsonl", "checkpoints/10/state"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    for _ in range(2):
        done = pod.type("copy", *V5E, "--workdir=gs://bucket/run/", "--to=here")
        assert (done.returncode, done.stdout) == (0, "tpu_pod: the results are in here/run\n")
        found = sorted(p.name for p in (pod.place / "here/run").rglob("*") if p.is_file())
        assert found == ["config.json", "metrics.jsonl"]


def test_results_come_from_a_host(active: Pod) -> None:
    run = active.home() / "distil_jax/runs/a b"
    for name in ("student/config.json", "checkpoints/10/state"):
        (run / name).parent.mkdir(parents=True)
        (run / name).write_text(name)
    for _ in range(2):
        done = active.type("copy", *V4, "--workdir=runs/a b")
        assert done.returncode == 0, done.stderr
        found = [p.name for p in (active.place / "runs/a b").rglob("*") if p.is_file()]
        assert found == ["config.json"]
    missing = active.type("copy", *V4, "--workdir=runs/b")
    assert (missing.returncode, "there is no folder runs/b" in missing.stderr) == (1, True)


@pytest.mark.parametrize("command", ["up", "copy", "delete", "status", "stop"])
def test_a_dry_run_can_be_pasted(command: str, pod: Pod) -> None:
    ours = ["--", *FLAGS, "--config.x=a 'b'"] if command == "up" else []
    ours = ["--workdir=runs/a b", *ours] if command == "copy" else ours
    dry = pod.type(command, *V5E, "--dry-run", *ours)
    assert (dry.returncode, dry.stderr, pod.tools.calls("gcloud")) == (0, "", [])
    # With every tool replaced by a function, the shell reads the lines as they were meant.
    shell = "gcloud() { printf '%s\\0' \"$@\"; echo; }; tar() { :; }; mkdir() { :; }\n"
    read = subprocess.run(["bash", "-c", shell + dry.stdout], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")
    words = [line.split("\0")[:-1] for line in read.stdout.splitlines()]
    assert len(words) == sum(line.startswith("gcloud ") for line in dry.stdout.splitlines()) > 0
    if command == "up":
        assert [w[3] for w in words if w[3] != "list"] == ["create", "scp", "ssh", "ssh", "ssh"]
        (start,) = [w for w in words if " start " in w[-1]]
        assert r"--config.x=a\ \'b\'" in start[-1]


def test_gcloud_is_missing(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [shutil.which(name) for name in ("bash", "env", "dirname")]
    for tool in tools:
        (pod.place / Path(str(tool)).name).symlink_to(str(tool))
    (pod.place / "gcloud").unlink()
    monkeypatch.setenv("PATH", "")
    done = pod.type("create", *V5E, PATH=str(pod.place))
    assert done.returncode == 1
    assert done.stderr.startswith("error: gcloud is not on PATH; install it")


@pytest.mark.slow
@pytest.mark.parametrize("tool", sorted(flags()))
def test_the_record_is_what_the_installed_tool_says(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    for command, recorded in flags()[tool].items():
        assert set(recorded) <= set(published(tool, command)), command
