"""One member of a sweep that fits two CPU cores: the quickstart, shorter.

    python -m distil_jax.ablate --config=ablation --output=DIR
    python -m distil_jax.main --config=ablation --workdir=DIR

Hardware: two CPU cores and 2 GB of memory; eight variants with three seeds in under 30 minutes.
Needs no download. Any other config can be swept the same way.
"""

from ml_collections import ConfigDict

from distil_jax.configs import quickstart


def get_config() -> ConfigDict:
    config = quickstart.get_config()
    config.total_steps = 60
    config.batch.size = 16
    config.loss.positions = "all"
    config.log.every_steps = 5
    # Only the end is compared.
    config.eval.every_steps = 1_000_000
    config.checkpoint.every_steps = 20
    config.checkpoint.keep = 1
    config.checkpoint.keep_best = 0
    config.log.tensorboard = False
    return config
