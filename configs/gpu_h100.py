"""The paper's recipe on NVIDIA H100 or H200 GPUs of one machine.

    python -m distil_jax.main --config=configs/gpu_h100.py --workdir=DIR --config.data.train=ROWS

Hardware: 1, 2, 4 or 8 GPUs of 80 GB; needs `pip install -e '.[cuda]'`. Each computes 64 rows
at one time. Expect bfloat16 matmuls with float32 master weights. On one H200 the step, with 512
rows of 512, plain attention and chunks of 2,048, had 261,000 tokens/s in 22.5 GB
(docs/performance.md); never run with the attention kernel, on several GPUs, nor an H100.
"""

from ml_collections import ConfigDict

from distil_jax.configs import distilbert


def get_config() -> ConfigDict:
    config = distilbert.get_config()
    config.precision.compute = "bfloat16"
    config.precision.teacher = "bfloat16"
    config.batch.micro_size = 64
    config.parallel.attention = "auto"
    return config
