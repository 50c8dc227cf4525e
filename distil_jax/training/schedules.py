"""Values that change over a run, written as shares of it."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import optax

from distil_jax.configuration.schedule_text import parse


def schedule(value: float, text: str, total_steps: int) -> optax.Schedule:
    """Linear between the points of `text`, the first step at share 0 and the last at share 1.

    Without points it is constant `value`.
    """
    points = parse(text)
    if not points:
        return optax.constant_schedule(value)
    shares, values = zip(*points, strict=True)
    steps = np.asarray(shares, np.float32) * max(total_steps - 1, 1)
    return partial(jnp.interp, xp=steps, fp=np.asarray(values, np.float32))
