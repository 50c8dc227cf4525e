"""The tables of optimizers and of learning-rate schedules: a new one is one entry.

One of your own may stand in your config file.

A config is read before JAX starts: optax is imported where an entry is made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OptimizerEntry:
    """What `config.optimizer.name` can be.

    Attributes:
      direction: from beta1, beta2 and epsilon to the optax transformation of a gradient into the
        direction that the learning rate is multiplied with. Clipping comes before it; decoupled
        weight decay, the rate and the sign after it, alike for all, so that the update is
        proportional to the rate. A gradient of 0 at all steps must give 0: it is frozen.
      by_layer: whether it takes statistics over a whole array: layers that are stacked in one
        array are then separated for it.
    """

    direction: Callable[[float, float, float], Any]
    by_layer: bool = False


def _adamw(beta1: float, beta2: float, epsilon: float) -> Any:
    """Loshchilov and Hutter 2019 (arXiv:1711.05101)."""
    import optax

    return optax.scale_by_adam(b1=beta1, b2=beta2, eps=epsilon)


def _lion(beta1: float, beta2: float, epsilon: float) -> Any:
    """Chen et al. 2023 (arXiv:2302.06675); one moment, and a direction of signs."""
    import optax

    return optax.scale_by_lion(b1=beta1, b2=beta2)


def _adafactor(beta1: float, beta2: float, epsilon: float) -> Any:
    """Shazeer and Stern 2018 (arXiv:1804.04235), with rates as AdamW's: not the parameters' share.

    No momentum, and second moments of large matrices by row and column: its state is small.
    """
    import optax

    return optax.chain(optax.scale_by_factored_rms(), optax.clip_by_block_rms(1.0))


def _muon(beta1: float, beta2: float, epsilon: float) -> Any:
    """Jordan et al. 2024, for the matrices of layers; all else by Adam.

    Directions have the root mean square of AdamW's (Liu et al. 2025, arXiv:2502.16982), so that
    the same rates serve.
    """
    from optax import contrib

    return contrib.muon(
        learning_rate=-1.0,  # a direction: the sign comes later
        eps=epsilon,
        adam_b1=beta1,
        adam_b2=beta2,
        consistent_rms=0.2,
        muon_weight_dimension_numbers=_layer_matrices,
    )


def _layer_matrices(params: Any) -> Any:
    """The axes of every kernel of a layer, whether or not a stack of layers comes before them."""
    import jax
    from optax.contrib import MuonDimensionNumbers

    def axes(path: tuple, _: Any) -> Any:
        names = [getattr(part, "key", None) for part in path]
        if "layers" in names and names[-1] == "kernel":
            return MuonDimensionNumbers(reduction_axis=-2, output_axis=-1)
        return None

    return jax.tree_util.tree_map_with_path(axes, params)


OPTIMIZERS: dict[str, OptimizerEntry] = {
    "adamw": OptimizerEntry(_adamw),
    "lion": OptimizerEntry(_lion),
    "adafactor": OptimizerEntry(_adafactor, by_layer=True),
    "muon": OptimizerEntry(_muon),
}


def _linear(rate: float, steps: int, decay_steps: int) -> Any:
    import optax

    return optax.linear_schedule(rate, 0.0, steps)


def _cosine(rate: float, steps: int, decay_steps: int) -> Any:
    import optax

    return optax.cosine_decay_schedule(rate, steps)


def _constant(rate: float, steps: int, decay_steps: int) -> Any:
    import optax

    return optax.constant_schedule(rate)


def _warmup_stable_decay(rate: float, steps: int, decay_steps: int) -> Any:
    """Hu et al. 2024 (arXiv:2404.06395)."""
    import optax

    parts = [optax.constant_schedule(rate), optax.linear_schedule(rate, 0.0, max(decay_steps, 1))]
    return optax.join_schedules(parts, [steps - decay_steps])


SCHEDULES: dict[str, Callable[[float, int, int], Any]] = {
    "linear": _linear,
    "cosine": _cosine,
    "constant": _constant,
    "wsd": _warmup_stable_decay,
}
"""From the highest rate, the steps after the warm-up, and how many of those decay, to a schedule.

Its steps are counted from the end of the warm-up.
"""
