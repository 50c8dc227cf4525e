"""What matrix products reach on the device that is here, where no peak of it is published."""

import statistics
import time

import jax
import jax.numpy as jnp

SIDE = {"cpu": 2048}
SIDE_OF_ACCELERATORS = 8192
ROUNDS = 7


def product_rate(dtype: str) -> float:
    """FLOP/s of a large square product on the first device, the median of seven."""
    side = SIDE.get(jax.default_backend(), SIDE_OF_ACCELERATORS)
    factor = jnp.full((side, side), 1 / side, dtype)
    product = jax.jit(jnp.matmul)
    product(factor, factor).block_until_ready()
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        product(factor, factor).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / statistics.median(seconds)
