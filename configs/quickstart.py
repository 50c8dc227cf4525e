"""The embedded teacher, distilled on the documentation of the installed packages, on a CPU.

    ./launch/quickstart.sh
    python -m distil_jax.main --config=quickstart --workdir=runs/quickstart

Hardware: two CPU cores and 2 GB of memory; a few minutes. Needs no download.
"""

from ml_collections import ConfigDict

from distil_jax.configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    # Small batches: many steps from few tokens.
    config.total_steps = 300
    config.batch.size = 16
    config.batch.length = 128
    # Logits of the masked tokens alone: a third of the work less, and those are what is validated.
    config.loss.positions = "masked"
    # So few tokens are seen once each: dropout would only slow the student's learning.
    config.student.dropout = 0.0
    config.student.attention_dropout = 0.0
    # bfloat16 where this processor multiplies it faster: it ends at the same figures.
    config.precision.compute = "auto"
    config.precision.teacher = "auto"
    config.optimizer.learning_rate = 1e-3
    config.checkpoint.every_steps = 75
    config.eval.every_steps = 150
    config.log.every_steps = 10
    return config
