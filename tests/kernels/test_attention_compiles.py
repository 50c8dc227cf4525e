"""The attention kernels compile for chips that are not here, where their compilers are installed.

GPUs need `pip install -e '.[gpu-plan]'`, TPUs `pip install -e '.[tpu]'`.
"""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import SingleDeviceSharding

from distil_jax.kernels.attention import attention
from distil_jax.kernels.place import Place
from distil_jax.planning import compiler
from distil_jax.planning.topologies import find

pytestmark = [pytest.mark.slow, pytest.mark.optimised]


@pytest.mark.parametrize("name", ["h100-1", "a100-8", "v4-8", "v5e-4", "v5p-8", "v6e-4", "tpu7x-8"])
@pytest.mark.parametrize(
    ("length", "head_size", "causal", "window"),
    [(512, 64, False, 0), (100, 32, False, 0), (384, 96, True, 0), (512, 128, False, 64)],
)
def test_forward_and_backward_compile(
    name: str, length: int, head_size: int, causal: bool, window: int
) -> None:
    topology = find(name)
    if not compiler.is_installed(topology.chip):
        pytest.skip(f"pip install -e '.[{compiler.extra(topology.chip)}]'")
    # One chip: a kernel is not divided, and a step calls it inside of shard_map.
    sharding = SingleDeviceSharding(compiler.devices(topology, "jit").devices[0])

    def array(*shape: int, dtype: object = jnp.bfloat16) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    def gradients(segments: jax.Array, row: jax.Array, *heads: jax.Array) -> tuple:
        place = Place.of(row, 0, 0)

        def total(*x: jax.Array) -> jax.Array:
            mixed = attention(*x, segments, place, dropout_rate=0.1, causal=causal, window=window)
            return jnp.sum(mixed.astype(jnp.float32) ** 2)

        return jax.grad(total, argnums=(0, 1, 2))(*heads)

    heads = [array(2, length, 2, head_size)] * 3
    of_rows = array(2, length, dtype=jnp.int32), array(2, dtype=jnp.uint32)
    lowered = jax.jit(gradients).lower(*of_rows, *heads)
    text = lowered.compile(compiler_options=compiler.options(topology.chip)).as_text()
    assert "custom-call" in text
