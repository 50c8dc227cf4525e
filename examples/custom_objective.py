"""An objective of your own: a config file that registers it, then weighs it like any other.

    python -m distil_jax.main --config=examples/custom_objective.py --workdir=runs/middle

Its values appear in metrics.jsonl, validation, schedules, curves, report and card.
"""

import jax.numpy as jnp

from distil_jax import objectives
from distil_jax.configs import base
from distil_jax.losses import WeightedSum
from distil_jax.models.intermediates import Request


def middle(student, teacher):
    """Which intermediates it asks the two models for."""
    return (
        Request(hidden_states=frozenset({student.layers // 2})),
        Request(hidden_states=frozenset({teacher.layers // 2})),
    )


def distance(inputs):
    """The sum and the count of a micro-batch, over tokens that are not padding."""
    (ours,) = inputs.student.intermediates.hidden_states.values()
    (theirs,) = inputs.teacher.intermediates.hidden_states.values()
    return WeightedSum.of(jnp.square(ours - theirs).mean(-1), inputs.batch["segments"])


objectives.register(
    objectives.Objective(
        name="middle_distance",
        count=objectives.all_tokens,
        compute=distance,
        requests=middle,
        same=("hidden_size",),
        floor=lambda teacher: 0.0,
    ),
    summary="mean squared distance of the middle hidden states",
    label="distance of middle states",
)


def get_config():
    config = base.get_config()
    config.student.initialize = "random"
    config.loss.middle_distance = 3.0
    config.loss.schedules.middle_distance = "0:4, 1:2"
    return config
