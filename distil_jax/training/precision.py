"""What `auto` computes in: bfloat16 where the hardware multiplies it faster than float32."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp

from distil_jax.configuration.schema import Config
from distil_jax.distributed.coordination import broadcast_from_primary
from distil_jax.models.product import product
from distil_jax.notes import note

AUTO = "auto"
DTYPES = ("float32", "bfloat16")
SHAPE = (1024, 768, 768)
"""Rows, inputs and outputs of the dense map that is timed: a base-size model's."""
ROUNDS = 9
FASTER = 1.3
"""Below it the gain is not worth the digits; hosts give about 0.8, or 2 and more."""


def settled(
    config: Config,
    platform: str | None = None,
    begun: Callable[[], Mapping[str, str]] = dict,
) -> Config:
    """The config with a type for each `auto`, on a platform; None: the one that is here.

    `begun` tells, by key, the types of what was begun before and goes on.
    """
    precision = config.precision
    asked = {"compute": precision.compute, "teacher": precision.teacher}
    if AUTO not in asked.values():
        return config
    before = broadcast_from_primary("types begun with", lambda: dict(begun()))
    chosen = {
        name: computing_dtype(value, platform, before.get(name, ""))
        for name, value in asked.items()
    }
    return replace(config, precision=replace(precision, **chosen))


def computing_dtype(asked: str, platform: str | None = None, before: str = "") -> str:
    """`asked`, or for `auto` the type that was taken `before`, else the faster one.

    What was measured is said, once: it varies, and another machine may be faster otherwise.
    """
    if asked != AUTO:
        return asked
    if before:
        note(f"auto stays {before}, as it was begun")
        return before
    platform = platform or jax.default_backend()
    if platform != "cpu":
        return "bfloat16"
    ratio = _ratio()
    chosen = "bfloat16" if ratio >= FASTER else "float32"
    note(f"auto is {chosen}: bfloat16 is {ratio:.1f} times as fast as float32 here")
    return chosen


@cache
def _ratio() -> float:
    """What process 0 measured: all compute one program."""
    return broadcast_from_primary("bfloat16 over float32", _times_as_fast)


def _times_as_fast() -> float:
    """float32's time for a dense map over bfloat16's, both in turn: the median of their ratios."""
    rows, inputs, outputs = SHAPE

    def dense(left: jax.Array, right: jax.Array) -> jax.Array:
        return product("ri,io->ro", left, right, left.dtype)

    operands = {
        name: (jnp.full((rows, inputs), 0.5, name), jnp.full((inputs, outputs), 0.5, name))
        for name in DTYPES
    }
    programs = {name: jax.jit(dense).lower(*operands[name]).compile() for name in DTYPES}
    ratios = []
    for _ in range(ROUNDS):
        seconds = {}
        for name, program in programs.items():
            start = time.perf_counter()
            program(*operands[name]).block_until_ready()
            seconds[name] = time.perf_counter() - start
        ratios.append(seconds["float32"] / seconds["bfloat16"])
    return statistics.median(ratios)
