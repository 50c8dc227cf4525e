"""A short distillation of BERT-base in a Colab notebook with a TPU.

    python -m distil_jax.main --config=colab_tpu --workdir=DIR

Hardware: the one to eight TPU chips of a Colab runtime, mostly one v5e of 16 GB. Distils
bert-base-uncased on the documentation of the installed packages, or on the text that
config.data.train names. Never run on real hardware; what the TPU compiler says:

Plan for v5e-1: not yet.
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
