"""tpu_pod.sh against a stand-in of gcloud, whose hosts are folders: what they are asked is done."""

import subprocess

import pytest

from .pods import FLAGS, V4, V5E, Pod


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


def test_the_same_command_goes_on_after_a_preemption(active: Pod) -> None:
    active.becomes("SUSPENDED")
    assert active.type("up", *V4, "--", *FLAGS).returncode == 1
    assert active.type("delete", *V4).returncode == 0
    assert active.type("up", *V4, "--", *FLAGS).returncode == 0
    assert active.arguments(1)[:2] == list(FLAGS)


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
    assert "tpu_pod.sh run resumes" in logs.stderr
    assert active.type("run", *V4, "--", *FLAGS).stdout.count("started") == 2


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
