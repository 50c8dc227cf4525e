"""tpu_pod.sh where something is wrong: one line says what, and what to type."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from .pods import FLAGS, V5E, Pod


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


def test_a_name_that_is_taken_by_another_type(active: Pod) -> None:
    done = active.type("create", "--topology=v4-8")
    assert done.returncode == 1
    assert "exists already as 1xv4-16, not 1xv4-8; add --name=ANOTHER" in done.stderr


def test_missing_slices(pod: Pod) -> None:
    assert "nothing to delete" in pod.type("delete", *V5E).stdout
    assert "there is no distil-jax in us-west4-a" in pod.type("status", *V5E).stdout
    done = pod.type("run", *V5E, "--", *FLAGS)
    assert done.returncode == 1
    assert "tpu_pod.sh create --name=distil-jax --topology=v5e-16" in done.stderr
    assert pod.asked() == []


def test_what_is_to_be_typed_reaches_hosts_as_this_command_does(pod: Pod) -> None:
    done = pod.type("logs", *V5E, "--ssh=--tunnel-through-iap", "--ssh=--internal-ip")
    assert done.returncode == 1
    assert done.stderr.endswith(" --ssh=--tunnel-through-iap --ssh=--internal-ip\n")


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
    ("faults", "command", "message"),
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
def test_what_gcloud_refuses_is_reported(
    faults: dict[str, Any], command: str, message: str, pod: Pod
) -> None:
    if command != "create":
        pod.type("create", *V5E)
        pod.type("wait", *V5E)
    pod.faults(**faults)
    done = pod.type(command, *V5E)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--zone=nowhere", "--topology=v5e-16"], "nowhere has no v5litepod-16"),
        (["--zone=us-central2-b", "--topology=v5e-16"], "us-central2-b has no v5litepod-16"),
    ],
)
def test_a_wrong_zone_is_reported(arguments: list[str], message: str, pod: Pod) -> None:
    done = pod.type("create", *arguments)
    assert (done.returncode, message in done.stderr.splitlines()[-1]) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
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
def test_a_wrong_command_line(arguments: list[str], message: str, pod: Pod) -> None:
    done = pod.type(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert (done.stderr.count("\n"), done.stdout) == (1, "")
    assert pod.tools.calls("gcloud") == []


@pytest.mark.parametrize("flag", ["--topology=v4-8", "--shared"])
def test_a_local_workdir_of_one_host_or_a_shared_one(flag: str, pod: Pod) -> None:
    done = pod.type("run", flag, "--dry-run", "--", "--config=base", "--workdir=runs/a")
    assert (done.returncode, done.stderr) == (0, "")


def test_gcloud_is_missing(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [shutil.which(name) for name in ("bash", "env", "dirname")]
    for tool in tools:
        (pod.place / Path(str(tool)).name).symlink_to(str(tool))
    (pod.place / "gcloud").unlink()
    monkeypatch.setenv("PATH", "")
    done = pod.type("create", *V5E, PATH=str(pod.place))
    assert done.returncode == 1
    assert done.stderr.startswith("error: gcloud is not on PATH; install it")
