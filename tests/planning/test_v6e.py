"""Plain attention on the compiler for v6e, in a process of its own: libtpu 0.0.42 may die there.

It did where probabilities were divided before the second product, with keyed dropout and
rematerialised; docs/performance.md has that program. An edit can bring it back.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from distil_jax.planning import tpu_compiler

PROGRAM = """
import jax
import jax.numpy as jnp

from distil_jax.kernels.place import Place
from distil_jax.models.attention import attend
from distil_jax.planning import compiler
from distil_jax.planning.topologies import find


@jax.checkpoint
def attention(q, k, v, row):
    place = Place.of(row, 0, 1)
    return attend(q, k, v, jnp.zeros((2, 1, 512, 512)), place, dropout_rate=0.1)[0]


def loss(q, k, v, row):
    return (attention(q, k, v, row).astype(jnp.float32) ** 2).sum()


where = jax.sharding.SingleDeviceSharding(compiler.devices(find("v6e-4"), "jit").devices[0])
x = jax.ShapeDtypeStruct((2, 512, 12, 64), jnp.bfloat16, sharding=where)
row = jax.ShapeDtypeStruct((2,), jnp.uint32, sharding=where)
jax.jit(jax.grad(loss, argnums=(0, 1, 2))).lower(x, x, x, row).compile()
print("compiled")
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not tpu_compiler.is_installed(),
    reason="the TPU compiler is not installed (pip install -e '.[tpu]')",
)
def test_plain_attention_with_dropout_and_rematerialisation_compiles() -> None:
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "compiled\n"), done.stderr[-2000:]
