"""TinyBERT-4x312, general distillation: attention scores, projected hidden states and embeddings.

    python -m distil_jax.main --config=configs/tinybert.py --workdir=DIR --config.data.train=ROWS

The recipe is that of Jiao et al. 2020 (arXiv:1909.10351, sections 3 and 4.2): student layer m
learns from teacher layer 3 m, and the embeddings from the embeddings, with equal weights and no
soft targets; batches of 256 rows of 128 tokens for three epochs at 1e-4 with a tenth of warm-up,
weight decay 0.01, as its scripts have it. The student is drawn at random there. The stage of a task
is `evaluate --teacher=...`. Without a masked-LM loss the student's head is not trained.

Hardware: accelerators with 16 GB or more, as many as divide 256 rows; never run whole.
"""

from ml_collections import ConfigDict

from distil_jax.configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.teacher = "google-bert/bert-base-uncased"
    config.student.layers = "4"
    config.student.initialize = "random"
    config.student.keep_token_types = True
    config.student.hidden_size = 312
    config.student.heads = 12
    config.student.mlp_size = 1200
    config.loss.soft_target = 0.0
    config.loss.masked_lm = 0.0
    config.loss.cosine = 0.0
    config.loss.attention_mse = 1.0
    config.loss.hidden_mse = 1.0
    config.loss.options.hidden_mse.layers = "0:0,1:3,2:6,3:9,4:12"
    config.batch.size = 256
    config.batch.length = 128
    config.batch.micro_size = 64
    config.epochs = 3.0
    config.optimizer.learning_rate = 1e-4
    config.optimizer.warmup = 0.1
    config.optimizer.beta2 = 0.999
    config.optimizer.weight_decay = 0.01
    config.optimizer.clip = 1.0
    config.precision.compute = "bfloat16"
    config.precision.teacher = "bfloat16"
    return config
