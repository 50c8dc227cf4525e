"""The paper's recipe on TPU7x (Ironwood).

    python -m distil_jax.main --config=configs/tpu7x.py --workdir=DIR --config.data.train=ROWS

Hardware: a tpu7x-8 slice: 4 chips, each two devices of 96 GB, each device 512 rows a step in
micro-batches of 32. More chips need no change: micro-batches follow from the rows of a device.
Expect bfloat16 matmuls with float32 master weights. Never run on real hardware. By the compiler
(libtpu 0.0.42, `plan --topology=tpu7x-8 --no-search`, six minutes of a core) a step takes 8.4 of
101.7 GB, 0.15 s of matmuls and 0.24 s of traffic at the published peaks.
"""

from ml_collections import ConfigDict

from distil_jax.configs import tpu_v4


def get_config() -> ConfigDict:
    return tpu_v4.get_config()
