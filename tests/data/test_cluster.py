"""`prepare --engine=ray`: on real clusters of several nodes on this machine, one of them killed."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from distil_jax import commandline, tokenizer
from distil_jax.data import cluster
from distil_jax.data.make_parts import Job
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.data.prepare_progress import PrepareProgress
from distil_jax.errors import UserError
from distil_jax.prepare import main
from distil_jax.storage.workspace import Workspace

SETTINGS = {"document": "block", "heldout": 0.1, "length": 64, "part_bytes": 4000}

# A head and another node, of a CPU each; a line on standard input kills the other.
NODES = """
import contextlib, psutil, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
other = cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
for line in sys.stdin:
    workers = psutil.Process(other.all_processes["raylet"][0].process.pid).children(recursive=True)
    cluster.remove_node(other, allow_graceful=False)
    for worker in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
    print("killed", flush=True)
cluster.shutdown()
"""

DRIVER = """
import json, sys
from distil_jax import commandline, tokenizer
from distil_jax.data import cluster
from distil_jax.data.preparation import PrepareSettings, prepare
text, output, folder, address, settings = sys.argv[1:]
settings = PrepareSettings(**json.loads(settings))
commandline.run(lambda _: prepare(text, output, tokenizer.load(folder), settings,
                                  engine=cluster.engine(address, shares=4)))
"""

# The actors note which node makes which part, and finish none before a node has been killed.
WAITING = """
import os, ray
def wait():
    import time
    from distil_jax.storage.workspace import Workspace
    finish, node = Workspace.finish, os.getppid()
    def wait_and_finish(self, key, record):
        with open(LOG, "a") as log:
            log.write(f"{node} {key}\\n")
        while not os.path.exists(KILLED):
            time.sleep(0.05)
        finish(self, key, record)
    Workspace.finish = wait_and_finish
hook = {"worker_process_setup_hook": wait}
ray.init(address=ADDRESS, log_to_driver=False, logging_level="CRITICAL", runtime_env=hook)
"""


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def nodes() -> Iterator[tuple[str, Callable[[], None]]]:
    """The cluster's address, and what kills a node."""
    with subprocess.Popen(
        [sys.executable, "-c", NODES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def kill() -> None:
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "killed\n"

        yield process.stdout.readline().strip(), kill
        process.stdin.close()


def drive(corpus: Path, output: Path, address: str, before: str = "") -> subprocess.Popen[str]:
    values = [str(corpus), str(output), str(output.parent / "tokenizer"), address]
    return subprocess.Popen(
        [sys.executable, "-c", before + DRIVER, *values, json.dumps(SETTINGS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_nodes_share_is_done_again_and_the_bytes_are_those_of_one_process(
    nodes: tuple[str, Callable[[], None]], corpus_file: Path, word_pieces, tmp_path: Path
) -> None:
    (address, kill), log, killed = nodes, tmp_path / "parts.log", tmp_path / "killed"
    log.touch()
    tokenizer.save(tmp_path / "tokenizer", word_pieces)
    prepare(str(corpus_file), tmp_path / "alone", word_pieces, PrepareSettings(**SETTINGS))
    named = f"LOG, KILLED, ADDRESS = {str(log)!r}, {str(killed)!r}, {address!r}"
    process = drive(corpus_file, tmp_path / "rows", address, before=named + WAITING)
    while len({line.split()[0] for line in log.read_text().splitlines()}) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    kill()
    killed.touch()
    out, err = process.communicate(timeout=600)
    assert (process.returncode, err) == (0, ""), out
    assert "4 shares on 2 machines" in out
    assert tree(tmp_path / "rows") == tree(tmp_path / "alone")
    made = [line.split() for line in log.read_text().splitlines()]
    survivor, _ = made[-1]
    assert {int(key[-5:]) % 4 for node, key in made if node == survivor} == {0, 1, 2, 3}

    (tmp_path / "bad.jsonl").write_text('{"text": "many words here"}\n{"text": 1}\n')
    _, err = (bad := drive(tmp_path / "bad.jsonl", tmp_path / "bad", address)).communicate()
    assert (bad.returncode, err.count("\n")) == (1, 1), err
    assert "bad.jsonl line 2: column text holds int, not text" in err
    assert not (tmp_path / "bad").exists()


def test_a_machine_that_does_not_see_input_or_output_says_so(
    corpus_file: Path, word_pieces, tmp_path: Path
) -> None:
    """A share is made here as one would be on a machine with other disks."""
    output = tmp_path / "rows"
    messages: list[str] = []

    def elsewhere(job: Job, workspace: Workspace, _: PrepareProgress) -> list[str]:
        def try_share(given: Job, address: str) -> None:
            with pytest.raises(UserError) as raised:
                cluster._share(given, address, 0, 1)
            messages.append(str(raised.value))

        try_share(job, str(tmp_path / "other disk"))
        corpus_file.write_text("another text")
        try_share(job, workspace.address)
        corpus_file.unlink()
        try_share(job, workspace.address)
        raise UserError("enough")

    with pytest.raises(UserError, match="enough"):
        prepare(
            str(corpus_file), output, word_pieces, PrepareSettings(**SETTINGS), engine=elsewhere
        )
    assert (
        f"of the cluster does not see {tmp_path}/other disk; inputs and output must" in messages[0]
    )
    assert f"{corpus_file} is another on" in messages[1]
    assert f"of the cluster does not see {corpus_file} (No such file" in messages[2]
    assert not output.exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1 (Connection refused)"),
        ("ray://127.0.0.1:1", "no Ray cluster answers at ray://127.0.0.1:1"),
    ],
)
def test_no_cluster_is_one_line_and_leaves_no_trace(
    address: str, message: str, corpus_file: Path, word_pieces, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        prepare(
            str(corpus_file), tmp_path / "rows", word_pieces,
            PrepareSettings(**SETTINGS), engine=cluster.engine(address),
        )  # fmt: skip
    assert message in str(raised.value)
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
    with pytest.raises(UserError, match=r"pip install -e '\.\[ray\]'"):
        cluster.engine()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--engine=ray", "--shard_index=1"], "leave --shard_index out"),
        (["--address=10.0.0.1:6379"], "--address goes with --engine=ray"),
        (["--engine=ray", "--shard_count=0"], "--shard_count"),
    ],
)
def test_flags_that_do_not_go_together(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        commandline.run(main, ["--input=a", "--output=b", "--tokenizer=c", *flags])
    assert exited.value.code == 2
    assert message in capsys.readouterr().err
