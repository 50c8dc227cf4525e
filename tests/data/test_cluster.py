"""`prepare --engine=ray`: on real clusters of several nodes on this machine, one of them killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from distil_jax import commandline, tokenizer
from distil_jax.data import cluster
from distil_jax.data.job import Job
from distil_jax.data.prepare import prepare
from distil_jax.data.progress import Progress
from distil_jax.data.workspace import Workspace
from distil_jax.errors import UserError
from distil_jax.prepare import main

SETTINGS = {"document": "block", "heldout": 0.1, "length": 64, "part_bytes": 4000}

# A head that only manages, and two nodes of a CPU each; a line on standard input kills the second.
NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
cluster.wait_for_nodes()
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(nodes.pop(), allow_graceful=False)
    print("killed", flush=True)
cluster.shutdown()
"""

# Loaded by every Python process of the cluster: parts are noted with the process that made them,
# and take long enough for a node to be killed in the middle.
SLOW = """
import os, sys, time
if any("default_worker" in argument for argument in sys.orig_argv):
    from distil_jax.data.workspace import Workspace
    finish = Workspace.finish
    def slow(self, key, record):
        with open(os.environ["PARTS_LOG"], "a") as log:
            log.write(f"{os.getppid()} {key}\\n")
        time.sleep(0.15)
        finish(self, key, record)
    Workspace.finish = slow
"""

DRIVER = """
import json, sys
from distil_jax import commandline, tokenizer
from distil_jax.data import cluster
from distil_jax.data.prepare import prepare
text, output, folder, address, settings = sys.argv[1:]
commandline.run(lambda _: prepare(text, output, tokenizer.load(folder), **json.loads(settings),
                                  engine=cluster.engine(address, shares=4)))
"""


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None], Path]]:
    """The cluster's address, what kills a node, and the log of its parts."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW)
    environment = {
        "PYTHONPATH": str(tmp_path / "slow"),
        "PARTS_LOG": str(tmp_path / "parts.log"),
        "RAY_DISABLE_IMPORT_WARNING": "1",
        "RAY_health_check_period_ms": "300",
        "RAY_health_check_failure_threshold": "3",
    }
    with subprocess.Popen(
        [sys.executable, "-c", NODES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def kill() -> None:
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "killed\n"

        yield process.stdout.readline().strip(), kill, tmp_path / "parts.log"
        process.stdin.close()


def drive(corpus: Path, output: Path, word_pieces: Any, address: str) -> subprocess.Popen[str]:
    tokenizer.save(output.parent / "tokenizer", word_pieces)
    values = [str(corpus), str(output), str(output.parent / "tokenizer"), address]
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *values, json.dumps(SETTINGS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_nodes_share_is_done_again_and_the_bytes_are_those_of_one_process(
    nodes: tuple[str, Callable[[], None], Path], corpus_file: Path, word_pieces, tmp_path: Path
) -> None:
    address, kill, log = nodes
    prepare(str(corpus_file), tmp_path / "alone", word_pieces, **SETTINGS)
    process = drive(corpus_file, tmp_path / "rows", word_pieces, address)
    until = time.monotonic() + 60
    raylets: set[str] = set()
    while len(raylets) < 2 and time.monotonic() < until:
        lines = log.read_text().splitlines() if log.exists() else []
        raylets = {line.split()[0] for line in lines}
        time.sleep(0.02)
    assert len(raylets) == 2, process.communicate()
    kill()
    before = len(log.read_text().splitlines())
    assert not (tmp_path / "rows" / "manifest.json").exists()
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, ""), out
    assert "4 shares on" in out
    assert tree(tmp_path / "rows") == tree(tmp_path / "alone")
    after = [line.split() for line in log.read_text().splitlines()[before:]]
    assert after
    assert len({raylet for raylet, _ in after}) == 1

    (tmp_path / "bad.jsonl").write_text('{"text": "many words here"}\n{"text": 1}\n')
    bad = drive(tmp_path / "bad.jsonl", tmp_path / "bad", word_pieces, address)
    _, err = bad.communicate(timeout=100)
    assert (bad.returncode, err.count("\n")) == (1, 1)
    assert "bad.jsonl line 2: column text holds int, not text" in err
    assert not (tmp_path / "bad").exists()


def test_a_machine_that_does_not_see_input_or_output_says_so(
    corpus_file: Path, word_pieces, tmp_path: Path
) -> None:
    """A task is run here as one would be on a machine with other disks."""
    output = tmp_path / "rows"
    told: list[str] = []

    def elsewhere(job: Job, workspace: Workspace, _: Progress) -> list[str]:
        def try_share(given: Job, address: str) -> None:
            with pytest.raises(UserError) as raised:
                cluster._share(given, address, 0, 1)
            told.append(str(raised.value))

        try_share(job, str(tmp_path / "other disk"))
        corpus_file.write_text("another text")
        try_share(job, workspace.address)
        corpus_file.unlink()
        try_share(job, workspace.address)
        raise UserError("enough")

    with pytest.raises(UserError, match="enough"):
        prepare(str(corpus_file), output, word_pieces, **SETTINGS, engine=elsewhere)
    assert f"of the cluster does not see {tmp_path}/other disk; inputs and output must" in told[0]
    assert f"{corpus_file} is another on" in told[1]
    assert f"of the cluster does not see {corpus_file} (No such file" in told[2]
    assert not output.exists()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1 (Connection refused)"),
        ("ray://127.0.0.1:1", "no Ray cluster answers at ray://127.0.0.1:1"),
    ],
)
def test_no_cluster_is_one_line_and_leaves_no_trace(
    address: str, told: str, corpus_file: Path, word_pieces, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        prepare(
            str(corpus_file), tmp_path / "rows", word_pieces,
            **SETTINGS, engine=cluster.engine(address),
        )  # fmt: skip
    assert told in str(raised.value)
    assert "--address=HOST:6379" in str(raised.value)
    assert not (tmp_path / "rows").exists()


def test_the_address_is_the_flags_the_variables_or_this_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def address(flag: str) -> str:
        return cluster.engine(flag).args[1]

    assert address("") == "auto"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert address("") == "10.0.0.1:6379"
    assert address("10.0.0.2:6379") == "10.0.0.2:6379"


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'distil_jax\[ray\]'"):
        cluster.engine()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--engine=ray", "--shard_index=1"], "leave --shard_index out"),
        (["--address=10.0.0.1:6379"], "--address goes with --engine=ray"),
        (["--engine=ray", "--shard_count=0"], "--shard_count"),
    ],
)
def test_flags_that_do_not_go_together(
    flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        commandline.run(main, ["--input=a", "--output=b", "--tokenizer=c", *flags])
    assert exited.value.code == 2
    assert told in capsys.readouterr().err
