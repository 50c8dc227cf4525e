"""Which teacher layers a student starts from: its held-out loss right after initialisation.

    python -m distil_jax.ablate --config=layer_maps --output=DIR --seeds=1 --layers=first \\
        --layers=last --layers=3 --layers=0,4,5
    python -m distil_jax.main --config=layer_maps --workdir=DIR

Hardware: two CPU cores and 2 GB of memory; a minute for each map. The columns "at the start" are
what the maps are compared by; one step of training follows, because a run has one at least. In a
config of your own with an objective of mapped layers, such as hidden_mse, `ablate` varies its map,
too.
"""

from ml_collections import ConfigDict

from distil_jax.configs import ablation


def get_config() -> ConfigDict:
    config = ablation.get_config()
    config.total_steps = 1
    config.checkpoint.every_steps = 1
    # One loss: there is none to leave out.
    config.loss.soft_target = 1.0
    config.loss.masked_lm = 0.0
    config.loss.cosine = 0.0
    return config
