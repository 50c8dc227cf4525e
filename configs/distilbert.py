"""The paper's recipe: BERT-base to DistilBERT; the hardware configs are deltas of this one.

    python -m distil_jax.prepare --input=TEXT --document=block --tokenizer=bert-base-uncased \\
        --length=512 --output=ROWS
    python -m distil_jax.main --config=distilbert --workdir=DIR --config.data.train=ROWS \\
        --config.batch.micro_size=8

Hardware: any; it sets the recipe alone. Set config.batch.micro_size to the rows that a device holds
at one time (8 need 6 GB by `plan --topology=h100-1`); without it a device takes its whole share of
the 4,096. For a teacher that has not twelve layers add --config.student.layers=every_other. The
paper used 8 V100 for about 90 hours, English Wikipedia and the Toronto Book Corpus, up to 4,096
sequences a step (arXiv:1910.01108, section 3).
"""

from ml_collections import ConfigDict

from distil_jax.configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.teacher = "bert-base-uncased"
    config.student.layers = "original"
    config.student.freeze = "positions"
    config.epochs = 3.0
    config.batch.size = 4096
    config.batch.length = 512
    config.data.train = "rows"
    config.data.document = "block"
    # The original draws rare tokens more often.
    config.masking.frequency_power = 0.7
    config.checkpoint.every_steps = 200
    config.eval.every_steps = 200
    return config
