"""How many rows of which length a config trains on, where its data are here and where not."""

from distil_jax.configuration.schema import Config
from distil_jax.data.store import is_prepared, open_split
from distil_jax.planning.plan import Work

PAPER_TOKENS = 4.2e9
"""English Wikipedia and the Toronto Book Corpus in BERT's WordPieces, the paper's corpus."""


def work_of(config: Config, corpus_tokens: float | None) -> Work:
    """From the prepared rows that the config names, else from `corpus_tokens` in full rows.

    None stands for the paper's corpus.
    """
    length, rows = config.batch.length, None
    folder = config.data.train
    if corpus_tokens is None and is_prepared(folder):
        split = open_split(folder, "train")
        length, rows = split.length, split.rows
    if rows is None:
        rows = round((corpus_tokens or PAPER_TOKENS) / length)
    steps = config.total_steps or max(1, round(config.epochs * rows / config.batch.sequences))
    return Work(length, steps)
