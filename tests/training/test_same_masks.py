"""The masks of a row are the same on any number of processes and devices, and after a resume."""

import hashlib
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import portpicker
import pytest

from distil_jax.data import loader, store
from distil_jax.data.masking import Masking
from distil_jax.training.parallel import Devices
from distil_jax.training.step import mask_batch

ROWS, STEPS, SEED = 8, 40, 3  # more than one epoch
MASKING = Masking(91, (0, 1, 2, 3, 4), 4, 15, 80, 10)


def digests(
    rows_folder: Path, mode: str, devices: tuple[Any, ...], *, start_step: int = 0
) -> list[str]:
    """One digest per step of all that the step sees after masking, in global order."""

    def body(batch, *, sum_over_devices, device):
        masked = {**mask_batch(MASKING, SEED, batch), "row": batch["row"], "epoch": batch["epoch"]}
        own = {
            name: jnp.zeros((len(devices), *rows.shape), jnp.int32).at[device].set(rows)
            for name, rows in masked.items()
        }
        return sum_over_devices(own)

    where = Devices(mode, devices)
    compiled = where.map(body)
    batches = loader.training_batches(
        store.open_split(rows_folder), batch=ROWS, seed=SEED, start_step=start_step,
        process=loader.Process(jax.process_index(), jax.process_count()),
    )  # fmt: skip
    return [
        hashlib.sha256(
            b"".join(
                np.asarray(rows).reshape(ROWS, -1).tobytes()
                for _, rows in sorted(compiled(where.split(batch)).items())
            )
        ).hexdigest()
        for batch in islice(batches, STEPS - start_step)
    ]


@pytest.fixture(scope="module")
def expected(rows_folder: Path) -> list[str]:
    """On one device of one process, from the first step on."""
    found = digests(rows_folder, "jit", tuple(jax.devices()[:1]))
    assert len(set(found)) == STEPS
    assert store.open_split(rows_folder).rows < STEPS * ROWS
    return found


@pytest.mark.parametrize(
    ("mode", "devices", "start_step"), [("jit", 8, 0), ("pmap", 8, 17), ("jit", 2, 35)]
)
def test_on_other_devices_and_after_a_resume(
    mode: str, devices: int, start_step: int, rows_folder: Path, expected: list[str]
) -> None:
    where = tuple(jax.devices()[:devices])
    assert digests(rows_folder, mode, where, start_step=start_step) == expected[start_step:]


PROCESS = """
import importlib.util, pathlib, sys
import jax
port, process, folder, module, start = sys.argv[1:]
jax.distributed.initialize(f"localhost:{port}", 4, int(process))
spec = importlib.util.spec_from_file_location("same_masks", module)
same_masks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(same_masks)
found = same_masks.digests(
    pathlib.Path(folder), "jit", tuple(jax.devices()), start_step=int(start)
)
print(len(jax.devices()), *found)
"""


@pytest.mark.slow
@pytest.mark.parametrize("start_step", [11])
def test_on_four_processes_of_two_devices_each(
    start_step: int, rows_folder: Path, expected: list[str]
) -> None:
    port = str(portpicker.pick_unused_port())
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    every = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, port, str(process), str(rows_folder), __file__,
             str(start_step)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for process in range(4)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=600) for process in every]
    assert [process.returncode for process in every] == [0] * 4, outputs
    for out, _ in outputs:
        assert out.splitlines()[-1].split() == ["8", *expected[start_step:]]
