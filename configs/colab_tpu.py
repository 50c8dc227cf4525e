"""A short distillation of BERT-base in a Colab notebook with a TPU.

    python -m distil_jax.main --config=colab_tpu --workdir=DIR

Hardware: the one to eight TPU chips of a Colab runtime, mostly one v5e of 16 GB. Distils
bert-base-uncased on the documentation of the installed packages, or on the text that
config.data.train names. Never run on real hardware; what the TPU compiler says:

Plan for v5e-1: 5.7 of 16.9 GB, 32 rows at one time, 21 TFLOP a chip and step; 1,000 steps of 0.11 s
at the peaks; about 0.1 h, 0 chip-hours, at half of the compute peak.
"""

from ml_collections import ConfigDict

from distil_jax.configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.teacher = "bert-base-uncased"
    config.student.layers = "every_other"  # whatever the depth of the teacher
    config.total_steps = 1000
    config.batch.size = 256
    config.batch.length = 128
    config.batch.micro_size = 32
    config.precision.compute = "bfloat16"
    config.precision.teacher = "bfloat16"
    config.checkpoint.every_steps = 200
    config.eval.every_steps = 200
    return config
