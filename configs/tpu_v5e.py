"""The paper's recipe on TPU v5e.

    python -m distil_jax.main --config=configs/tpu_v5e.py --workdir=DIR --config.data.train=ROWS

Hardware: a v5e-16 slice: 16 chips of 16 GB, each 256 rows a step in micro-batches of 16. More chips
need no change: micro-batches follow from the rows of a chip (up to 256 chips). Expect bfloat16
matmuls with float32 master weights. Never run on real hardware; what the TPU compiler says:

Plan for v5e-16: 6.0 of 16.9 GB, 16 rows at one time, 89 TFLOP a chip and step; 6,008 steps of 0.46
s at the peaks; about 1.5 h, 24 chip-hours, at half of the compute peak.
"""

from ml_collections import ConfigDict

from distil_jax.configs import tpu_v4


def get_config() -> ConfigDict:
    config = tpu_v4.get_config()
    # Half of a v4 chip's memory.
    config.batch.micro_size = 16
    return config
