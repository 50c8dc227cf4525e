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
    ("length", "head_size", "options"),
    [
        (512, 64, {}),
        (100, 32, {}),
        (384, 96, {"causal": True}),
        (512, 128, {"window": 64}),
        (512, 64, {"biased": True}),
        (512, 64, {"dtype": jnp.float32}),
        (512, 128, {"dtype": jnp.float32, "biased": True}),
    ],
)
def test_forward_and_backward_compile(
    name: str, length: int, head_size: int, options: dict
) -> None:
    rules = dict(options)
    dtype, biased = rules.pop("dtype", jnp.bfloat16), rules.pop("biased", False)
    topology = find(name)
    if not compiler.is_installed(topology.chip):
        pytest.skip(f"pip install -e '.[{compiler.extra(topology.chip)}]'")
    # One chip: a kernel is not divided, and a step calls it inside of shard_map.
    sharding = SingleDeviceSharding(compiler.devices(topology, "jit").devices[0])

    def array(*shape: int, dtype: object = dtype) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    def gradients(segments: jax.Array, row: jax.Array, *arrays: jax.Array) -> tuple:
        place = Place.of(row, 0, 0)

        def total(*x: jax.Array) -> jax.Array:
            bias = x[3] if biased else None
            given = {"bias": bias, "dropout_rate": 0.1, **rules}
            mixed = attention(*x[:3], segments, place, **given)
            return jnp.sum(mixed.astype(jnp.float32) ** 2)

        return jax.grad(total, argnums=range(len(arrays)))(*arrays)

    arrays = [array(2, length, 2, head_size)] * 3
    arrays += [array(2, length, length, dtype=jnp.float32)] * biased
    of_rows = array(2, length, dtype=jnp.int32), array(2, dtype=jnp.uint32)
    lowered = jax.jit(gradients).lower(*of_rows, *arrays)
    text = lowered.compile(compiler_options=compiler.options(topology.chip)).as_text()
    assert "custom-call" in text
