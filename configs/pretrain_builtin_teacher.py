"""The embedded teacher: a six-layer, 256-wide BERT pretrained with the masked-LM loss alone.

    python -m distil_jax.vocabulary --input=TEXT,builtin:docs --document=block --size=8192 \\
        --output=VOCABULARY
    python -m distil_jax.prepare --input=TEXT,builtin:docs --document=block \\
        --tokenizer=VOCABULARY --length=128 --output=ROWS
    python -m distil_jax.main --config=pretrain_builtin_teacher --workdir=runs/teacher \\
        --config.tokenizer=VOCABULARY --config.data.train=ROWS

Hardware: two CPU cores, about 4,000 tokens/s; about an hour. On an accelerator raise
config.total_steps and config.batch.size together.

It can start from a pretrained model made narrower instead of from nothing; its heads are as wide as
that model's, 8 of 32 for MiniLM, and config.student.folder decides the shape:

    python benchmarks/warm_start.py --model=MINILM --tokenizer=VOCABULARY --rows=ROWS \\
        --width=256 --heads=8 --mlp-size=1024 --output=START
    python -m distil_jax.main --config=pretrain_builtin_teacher --workdir=runs/warm \\
        --config.student.folder=START --config.tokenizer=VOCABULARY --config.data.train=ROWS \\
        --config.optimizer.learning_rate=7e-4
"""

from ml_collections import ConfigDict

from distil_jax.configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.teacher = ""
    config.loss.soft_target = 0.0
    config.loss.masked_lm = 1.0
    config.loss.cosine = 0.0
    config.total_steps = 5000
    config.batch.size = 16
    config.batch.length = 128
    config.data.document = "block"
    config.student.dropout = 0.0
    config.student.attention_dropout = 0.0
    config.optimizer.learning_rate = 1e-3
    config.optimizer.weight_decay = 0.01
    config.optimizer.clip = 1.0
    config.checkpoint.every_steps = 250
    config.eval.every_steps = 1250
    config.log.every_steps = 50
    return config
