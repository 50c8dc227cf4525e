"""How far a student's distribution is from its teacher's: three divergences, in nats.

Each takes log-probabilities [..., entries], the student's first. Where the teacher's probability is
0, its logarithm is a very low number, not minus infinity.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

Logs = Float[Array, "*tokens entries"]
Divergence = Callable[[Logs, Logs], Float[Array, "*tokens"]]


def forward(student: Logs, teacher: Logs) -> Float[Array, "*tokens"]:
    """KL(teacher || student): the student covers all that the teacher does (Hinton et al. 2015)."""
    return jnp.sum(jnp.exp(teacher) * (teacher - student), axis=-1)


def reverse(student: Logs, teacher: Logs) -> Float[Array, "*tokens"]:
    """KL(student || teacher): the student keeps to what the teacher does (Gu et al. 2024)."""
    return forward(teacher, student)


def jensen_shannon(student: Logs, teacher: Logs) -> Float[Array, "*tokens"]:
    """The mean of KL(teacher || mean) and KL(student || mean): symmetric, at most log 2 (Lin 1991).

    `mean` is half of each distribution.
    """
    mean = jnp.logaddexp(student, teacher) - jnp.log(2.0)
    return 0.5 * (forward(mean, teacher) + forward(mean, student))


DIVERGENCES: dict[str, Divergence] = {
    "forward": forward,
    "reverse": reverse,
    "jensen_shannon": jensen_shannon,
}
"""config.loss.options.soft_target.divergence."""
