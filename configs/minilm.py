"""MiniLM-6x384 by MiniLMv2: self-attention relations of one teacher layer, and nothing else.

    python -m distil_jax.main --config=configs/minilm.py --workdir=DIR --config.data.train=ROWS

The recipe is that of Wang et al. 2021 (arXiv:2012.15828, section 4.1): 48 relation heads of
queries, keys and values, the teacher's last layer (the 21st of 24), batches of 256 rows of 512
tokens, 400,000 steps at 6e-4 with 4,000 of warm-up, weight decay 0.01. The student is drawn at
random there. Any teacher of whatever width serves, with a masked-LM head or without (all-MiniLM,
all-mpnet-base). Without a masked-LM loss the student's head is not trained.

Hardware: accelerators with 16 GB or more, as many as divide 256 rows; never run whole.
"""

from ml_collections import ConfigDict

from distil_jax.configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.teacher = "google-bert/bert-base-uncased"
    config.student.layers = "6"
    config.student.initialize = "random"
    config.student.keep_token_types = True
    config.student.hidden_size = 384
    config.student.heads = 12
    config.student.mlp_size = 1536
    config.loss.soft_target = 0.0
    config.loss.masked_lm = 0.0
    config.loss.cosine = 0.0
    config.loss.relations = 1.0
    config.batch.size = 256
    config.batch.length = 512
    config.batch.micro_size = 16
    config.total_steps = 400_000
    config.optimizer.learning_rate = 6e-4
    config.optimizer.warmup = 0.01
    config.optimizer.beta2 = 0.999
    config.optimizer.weight_decay = 0.01
    config.optimizer.clip = 1.0
    config.precision.compute = "bfloat16"
    config.precision.teacher = "bfloat16"
    return config
