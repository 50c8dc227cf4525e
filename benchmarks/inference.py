"""Milliseconds a sentence at batch 1: this package beside transformers in PyTorch, alternating.

    python benchmarks/inference.py SENTENCES [FOLDER ...]

SENTENCES is a .jsonl, .tsv, .csv or .txt file; each FOLDER a DistilBERT model folder. Without one,
a random model of DistilBERT's shape is measured, whose tokens are drawn at the sentences' lengths.
Needs torch. Both get the same tokens, PyTorch the exact lengths; it runs with one
thread and with all, each in turns with this package.
"""

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import torch
from transformers import AutoModel

from distil_jax.models import initialize
from distil_jax.pretrained import Pretrained, load, save
from distil_jax.pretrained.families import make_config
from distil_jax.profiling import sentences
from distil_jax.profiling.inference import forward, padded_rows, token_ids

SENTENCES, ROUNDS = 20, 5
SHAPE = make_config(
    model_type="distilbert",
    vocabulary=30522,
    hidden_size=768,
    layers=6,
    heads=12,
    mlp_size=3072,
    positions=512,
)


def main() -> None:
    texts = sentences.read(Path(sys.argv[1]), most=SENTENCES)
    builtin = load("builtin:teacher")
    lengths = [len(ids) for ids in token_ids(builtin, texts, 128)]
    if sys.argv[2:]:
        for folder in sys.argv[2:]:
            model = load(folder)
            compare(folder, model, token_ids(model, texts, 128))
        return
    random = np.random.default_rng(0)
    drawn = [random.integers(1000, SHAPE.vocabulary, length).tolist() for length in lengths]
    with tempfile.TemporaryDirectory() as folder:
        params = initialize(SHAPE, jax.random.key(0))
        drawn_model = Pretrained(SHAPE, params, "masked_lm", (), builtin.tokenizer)
        save(Path(folder) / "model", Pretrained(SHAPE, params, "masked_lm", (), None))
        compare(f"{folder}/model", drawn_model, drawn)


def compare(folder, model, encoded) -> None:
    """Print medians over rounds of the seconds that all sentences take, and their ratio."""
    ours = forward(model)
    theirs = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    batches = [padded_rows([sentence], 1, 0) for sentence in encoded]
    tensors = [torch.tensor([sentence]) for sentence in encoded]

    def jax_pass():
        for batch in batches:
            jax.block_until_ready(ours(batch))

    def torch_pass(threads):
        torch.set_num_threads(threads)
        with torch.inference_mode():
            for ids in tensors:
                theirs(input_ids=ids, attention_mask=torch.ones_like(ids))

    threads = sorted({1, torch.get_num_threads()})
    runs = {"jax": jax_pass} | {f"torch, {n} threads": partial(torch_pass, n) for n in threads}
    seconds = {name: [] for name in runs}
    for _ in range(ROUNDS + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - start) / len(encoded) * 1000)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    print(folder, "; ".join(f"{name} {value:.2f} ms" for name, value in medians.items()))
    print(f"best of torch / jax {min(list(medians.values())[1:]) / medians['jax']:.2f}")


if __name__ == "__main__":
    main()
