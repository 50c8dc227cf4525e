"""checkpoint: what comes back is what was saved, bit for bit, or the step before it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import portpicker
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec, SingleDeviceSharding

from distil_jax.errors import UserError
from distil_jax.models.earlier_names import with_earlier_names
from distil_jax.training.checkpoint import Checkpoints

CONFIG = {"seed": 1, "loss": {"temperature": 2.0}, "layers": [0, 2, 4]}


def _state(seed: int = 0, width: int = 32) -> dict[str, Any]:
    odd = np.array([np.nan, -0.0, np.inf, 1e-45], np.float32)
    odd[0:1].view(np.uint32)[:] |= 7  # a NaN with a payload
    params = {
        "dense": {"kernel": jax.random.normal(jax.random.key(seed), (width, width))},
        "half": jnp.linspace(0, 1, 7, dtype=jnp.bfloat16),
        "odd": jnp.asarray(odd),
    }
    return {"params": params, "optimizer": optax.adamw(1e-3).init(params), "step": jnp.int32(seed)}


def _bits(state: Any) -> list[tuple[str, bytes]]:
    return [(str(leaf.dtype), np.asarray(leaf).tobytes()) for leaf in jax.tree.leaves(state)]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _save(folder: Path, *steps: int) -> None:
    with Checkpoints(folder) as checkpoints:
        for step in steps:
            checkpoints.save(step, _state(step), config=CONFIG)


def test_nothing_is_made_before_the_first_save(tmp_path: Path) -> None:
    with Checkpoints(tmp_path / "none") as checkpoints:
        assert checkpoints.steps() == []
        assert checkpoints.latest() is None
        assert checkpoints.restore(_state()) is None
    assert list(tmp_path.iterdir()) == []


def test_parameters_that_an_earlier_version_named_otherwise_come_back(tmp_path: Path) -> None:
    today = {
        "layers": {"mlp_in": jnp.ones((2, 3)), "mlp_norm": jnp.zeros(2), "mlp_out": jnp.ones(2)}
    }
    state = {"params": today, "optimizer": optax.adamw(1e-3).init(today)}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, with_earlier_names(state), config=CONFIG)
        restored = checkpoints.restore(state)
        assert restored is not None
        assert jax.tree.structure(restored[1]) == jax.tree.structure(state)
        assert _bits(restored[1]) == _bits(state)
        assert _bits(checkpoints.restore_part(1, "params")) == _bits(today)
        assert set(checkpoints.restore_part(1, "params")["layers"]) == set(today["layers"])


def test_state_and_config_come_back_bit_for_bit(tmp_path: Path) -> None:
    _save(tmp_path, 5)
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(_state(1))
        assert restored is not None
        step, state = restored
        assert step == 5
        assert jax.tree.structure(state) == jax.tree.structure(_state())
        assert _bits(state) == _bits(_state(5))
        assert checkpoints.config(5) == CONFIG


def test_state_donated_right_after_save_is_saved_as_it_was(tmp_path: Path) -> None:
    overwrite = jax.jit(
        lambda tree: jax.tree.map(lambda leaf: leaf * 0 - 1, tree), donate_argnums=0
    )
    jax.block_until_ready(overwrite(_state(3, width=1000)))
    with Checkpoints(tmp_path) as checkpoints:
        for step in range(3):
            state = _state(3, width=1000)
            expected = _bits(jax.tree.map(lambda leaf: np.array(leaf, copy=True), state))
            checkpoints.save(step, state, config={})
            jax.block_until_ready(overwrite(state))
            restored = checkpoints.restore(_state(1, width=1000), step)
            assert restored is not None
            assert _bits(restored[1]) == expected


def test_restores_to_other_devices_and_shardings(tmp_path: Path) -> None:
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    everywhere = NamedSharding(mesh, PartitionSpec())
    split = NamedSharding(mesh, PartitionSpec("data"))
    one = SingleDeviceSharding(jax.devices()[3])
    value = {"w": jnp.arange(64.0).reshape(16, 4)}
    with Checkpoints(tmp_path, keep=9) as checkpoints:
        for step, source in enumerate((everywhere, split, one)):
            checkpoints.save(step, jax.device_put(value, source), config={})
            for sharding in (everywhere, split, one):
                target = {"w": jax.ShapeDtypeStruct((16, 4), jnp.float32, sharding=sharding)}
                restored = checkpoints.restore(target, step)
                assert restored is not None
                leaf = restored[1]["w"]
                assert isinstance(leaf, jax.Array)
                assert leaf.committed
                assert leaf.sharding == sharding
                np.testing.assert_array_equal(leaf, value["w"])


def test_keeps_the_last_and_the_best_also_after_a_restart(tmp_path: Path) -> None:
    metrics = {1: 5.0, 2: 1.0, 3: float("nan"), 4: None, 5: 3.0, 6: 1.0}
    for steps in ((1, 2, 3), (4, 5, 6)):
        with Checkpoints(tmp_path, keep=2, keep_best=1) as checkpoints:
            for step in steps:
                checkpoints.save(step, {"w": jnp.ones(2)}, config={}, metric=metrics[step])
                checkpoints.wait()
                if step == 5:
                    assert checkpoints.steps() == [2, 4, 5]
                    assert checkpoints.best() == 2
    # Of equals the first: whoever chose while the run went on held on to that one.
    assert checkpoints.best() == 2
    assert checkpoints.steps() == [2, 5, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "5", "6"]


def test_higher_can_be_better(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, keep=1, keep_best=1, lower_is_better=False) as checkpoints:
        for step, metric in enumerate((0.1, 0.9, 0.9, 0.4)):
            checkpoints.save(step, {"w": jnp.ones(2)}, config={}, metric=metric)
        checkpoints.wait()
        assert checkpoints.steps() == [1, 3]


def test_a_step_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    before = {path: path.read_bytes() for path in _files(tmp_path)}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, _state(2), config={})
    assert {path: path.read_bytes() for path in _files(tmp_path)} == before


def _flip(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 0x10
    path.write_bytes(contents)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [_flip, _truncate, Path.unlink])
def test_damage_to_any_file_is_named_and_the_step_before_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None]
) -> None:
    _save(tmp_path / "good", 1, 2)
    files = [path for path in _files(tmp_path / "good" / "2") if path.stat().st_size]
    assert len(files) > 6
    for number, file in enumerate(files):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "good", folder)
        name = file.relative_to(tmp_path / "good" / "2")
        harm(folder / "2" / name)
        with Checkpoints(folder) as checkpoints:
            restored = checkpoints.restore(_state())
        assert restored is not None
        assert restored[0] == 1
        assert _bits(restored[1]) == _bits(_state(1))
        printed = capsys.readouterr()
        assert printed.out.startswith("checkpoint 2 is damaged (")
        assert name.name in printed.out
        assert f"{folder / 'damaged-2'}\n" in printed.out
        assert sorted(path.name for path in folder.iterdir()) == ["1", "damaged-2"]


def test_step_damaged_twice_is_set_aside_twice_and_none_is_left(tmp_path: Path) -> None:
    for _ in range(2):
        _save(tmp_path, 7)
        _flip(tmp_path / "7" / "about.json")
        with Checkpoints(tmp_path) as checkpoints:
            assert checkpoints.restore(_state()) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged-7", "damaged-7-2"]


def test_named_step_that_is_absent_or_damaged_is_an_error(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2)
    _truncate(tmp_path / "2" / "state" / "manifest.ocdbt")
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(UserError, match="has no step 3; present: 1, 2"):
            checkpoints.restore(_state(), 3)
        with pytest.raises(UserError, match=r"2 is damaged .*manifest\.ocdbt has .* present: 1, 2"):
            checkpoints.restore(_state(), 2)
        with pytest.raises(UserError, match="2 is damaged"):
            checkpoints.config(2)
        assert checkpoints.steps() == [1, 2]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _TrainState:
    step: jax.Array
    params: dict[str, Any]
    optimizer: Any


def test_part_of_a_state_needs_no_target(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, _TrainState(**_state(step)), config=CONFIG)
        checkpoints.wait()
        params = checkpoints.restore_part(1, "params")
        assert jax.tree.structure(params) == jax.tree.structure(_state()["params"])
        assert _bits(params) == _bits(_state(1)["params"])
        with pytest.raises(UserError, match="1 holds no ema"):
            checkpoints.restore_part(1, "ema")
        _flip(tmp_path / "2" / "state" / "manifest.ocdbt")
        with pytest.raises(UserError, match="2 is damaged"):
            checkpoints.restore_part(2, "params")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"step": jnp.float32(0)}, r'step was \["int32"\] and is \["float32"\]'),
        ({"step": jnp.zeros(3, jnp.int32)}, r'step was \["int32"\] and is \[3, "int32"\]'),
        ({"more": jnp.zeros(3)}, r'more was absent and is \[3, "float32"\]'),
    ],
)
def test_another_kind_of_state_is_an_error(
    tmp_path: Path, change: dict[str, jax.Array], complaint: str
) -> None:
    _save(tmp_path, 1)
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(UserError, match=rf"1 holds another state \(1 arrays: {complaint}\)"),
    ):
        checkpoints.restore(_state() | change)


PROGRAM = """
import os, pathlib, resource, signal, sys, time
import jax, jax.numpy as jnp
from distil_jax.storage import digests
from distil_jax.training import checkpoint
folder, event = pathlib.Path(sys.argv[1]), sys.argv[2]
with checkpoint.Checkpoints(folder) as checkpoints:
    checkpoints.save(1, {"w": jnp.ones((1000, 500))}, config={})
    checkpoints.wait()
    die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    if event == "kill before digests":
        digests.write = die
    if event == "kill while writing":
        digests.write = lambda *_: time.sleep(60)
    if event == "kill before rename":
        os.replace = lambda old, new: die() if str(new).endswith("/2") else os.rename(old, new)
    if event == "disk full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    noise = jax.random.normal(jax.random.key(0), (1000, 500))
    checkpoints.save(2, {"w": noise}, config={})
    if event == "kill while writing":
        die()
    try:
        checkpoints.wait()
    except Exception as error:
        print(type(error).__name__, error)
"""


def _run(folder: Path, event: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(folder), event]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("moment", ["while writing", "before digests", "before rename"])
def test_killed_during_a_save_the_previous_step_is_used(tmp_path: Path, moment: str) -> None:
    done = _run(tmp_path, f"kill {moment}")
    assert done.returncode == -signal.SIGKILL
    assert done.stderr == ""
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [1]
        assert (tmp_path / ".writing-2").exists()
        target = {"w": jnp.zeros((1000, 500))}
        restored = checkpoints.restore(target)
        assert restored is not None
        np.testing.assert_array_equal(restored[1]["w"], np.ones((1000, 500)))
        checkpoints.save(2, target, config={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_disk_full_is_one_clear_error_and_nothing_is_lost(tmp_path: Path) -> None:
    done = _run(tmp_path, "disk full")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith(f"UserError {tmp_path} cannot be written: File too large")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest() == 1


@pytest.mark.parametrize("name", ["layers=[0,2]", "a*", "gs://bucket/[1]"])
def test_a_folder_that_orbax_takes_for_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    folder = name if "://" in name else tmp_path / name / "checkpoints"
    with pytest.raises(UserError, match=r"cannot hold checkpoints: Orbax takes a \[, \* or \?"):
        Checkpoints(folder)
    assert not list(tmp_path.iterdir())


def test_unwritable_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        Checkpoints(tmp_path / "file" / "checkpoints") as checkpoints,
        pytest.raises(UserError, match="checkpoints cannot be written: Not a directory"),
    ):
        checkpoints.save(1, _state(), config=CONFIG)


DISTRIBUTED = """
import pathlib, sys
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
port, process, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
jax.distributed.initialize(f"localhost:{port}", 2, process)
from distil_jax.training.checkpoint import Checkpoints
mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
for spec in (PartitionSpec("data"), PartitionSpec()):
    sharding = NamedSharding(mesh, spec)
    values = np.arange(8, dtype=np.float32)
    state = {"w": jax.make_array_from_callback((8,), sharding, lambda index: values[index])}
    with Checkpoints(folder, keep=1, keep_best=0) as checkpoints:
        checkpoints.save(1 + len(checkpoints.steps()), state, config={})
        checkpoints.wait()
        step, restored = checkpoints.restore(state)
        for shard in restored["w"].addressable_shards:
            np.testing.assert_array_equal(shard.data, values[shard.index])
print(step, checkpoints.steps())
"""


def test_two_processes_write_one_checkpoint_that_one_process_reads(tmp_path: Path) -> None:
    port = str(portpicker.pick_unused_port())
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", DISTRIBUTED, port, str(process), str(tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(2)
    ]
    outputs = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert [out.splitlines()[-1] for out, _ in outputs] == ["2 [2]", "2 [2]"]
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore({"w": jnp.zeros(8)})
    assert restored is not None
    np.testing.assert_array_equal(restored[1]["w"], np.arange(8))
