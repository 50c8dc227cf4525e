"""A sentence-embedding model, distilled into half of its layers on plain sentences.

    python -m distil_jax.main --config=embedding --workdir=DIR --config.teacher=FOLDER \\
        --config.data.train=SENTENCES

FOLDER is one of sentence-transformers (any encoder will do: without modules.json the mean of its
tokens is the vector), SENTENCES a text file with one a line, or .jsonl with a column `text`.
Without either, the embedded teacher and the installed documentation show that it runs.

Hardware: two CPU cores and 2 GB of memory; MiniLM of 6 layers to 3 in a quarter of an hour. The
student in DIR/student is a folder of sentence-transformers. `evaluate --task=sts` and
`--task=retrieval` score it, `embed` uses it.
"""

from ml_collections import ConfigDict

from distil_jax.configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    # Nothing is masked: the losses are of the sentences' vectors alone.
    config.loss.soft_target = 0.0
    config.loss.masked_lm = 0.0
    config.loss.cosine = 0.0
    # 1 - cosine of each vector and its teacher's, and the cosines of every two sentences of 8 rows.
    config.loss.vector_cosine = 1.0
    config.loss.similarity_mse = 1.0
    # Sentences are short, and short ones count: two words with [CLS] and [SEP].
    config.data.shortest_tokens = 4
    config.batch.length = 64
    config.batch.size = 16
    config.total_steps = 1000
    # A small student on few sentences: dropout would only blur its targets.
    config.student.dropout = 0.0
    config.student.attention_dropout = 0.0
    # What tokens mean is the teacher's; without these tables a fourth of the parameters is left.
    config.student.freeze = "embeddings"
    config.optimizer.learning_rate = 3e-4
    config.optimizer.clip = 1.0
    config.checkpoint.every_steps = 250
    config.eval.every_steps = 250
    config.log.every_steps = 20
    return config
