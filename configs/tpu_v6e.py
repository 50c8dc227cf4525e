"""The paper's recipe on TPU v6e.

    python -m distil_jax.main --config=configs/tpu_v6e.py --workdir=DIR --config.data.train=ROWS

Hardware: a v6e-8 slice: 8 chips of 32 GB, each 512 rows a step in micro-batches of 32. More chips
need no change: micro-batches follow from the rows of a chip (up to 128 chips). Expect bfloat16
matmuls with float32 master weights. Never run on real hardware. By the compiler (libtpu 0.0.42,
`plan --topology=v6e-8 --no-search`, five minutes of a core) a step takes 8.2 of 33.6 GB, 0.19 s of
matmuls and 0.44 s of traffic at the published peaks.
"""

from ml_collections import ConfigDict

from distil_jax.configs import tpu_v4


def get_config() -> ConfigDict:
    return tpu_v4.get_config()
