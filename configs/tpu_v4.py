"""The paper's recipe on TPU v4.

    python -m distil_jax.main --config=configs/tpu_v4.py --workdir=DIR --config.data.train=ROWS

Hardware: a v4-32 slice: 16 chips of 32 GB, each 256 rows a step in micro-batches of 32. More chips
need no change: micro-batches follow from the rows of a chip (up to 128 chips). Expect bfloat16
matmuls with float32 master weights. Never run on real hardware; what the TPU compiler says:

Plan for v4-32: 8.1 of 33.0 GB, 32 rows at one time, 89 TFLOP a chip and step; 6,008 steps of 0.33 s
at the peaks; about 1.1 h, 17 chip-hours, at half of the compute peak.
"""

from ml_collections import ConfigDict

from distil_jax.configs import distilbert


def get_config() -> ConfigDict:
    config = distilbert.get_config()
    config.precision.compute = "bfloat16"
    config.precision.teacher = "bfloat16"
    config.batch.micro_size = 32
    config.parallel.remat = "attention"
    config.parallel.attention = "auto"
    return config
