"""A short distillation of BERT-base in a Colab notebook with a TPU.

    python -m distil_jax.main --config=colab_tpu --workdir=DIR

Hardware: the one to eight TPU cores of a Colab runtime, 8 to 16 GB each. Distils bert-base-uncased
on the documentation of the installed packages, or on the text that config.data.train names; expect
minutes for 1,000 steps. Not yet run on real hardware.
"""

from ml_collections import ConfigDict

from distil_jax.configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.teacher = "bert-base-uncased"
    config.student.layers = "original"
    config.total_steps = 1000
    config.batch.sequences = 256
    config.batch.length = 128
    config.batch.micro = 32
    config.precision.compute = "bfloat16"
    config.precision.teacher = "bfloat16"
    config.checkpoint.every_steps = 200
    config.eval.every_steps = 200
    return config
