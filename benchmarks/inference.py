"""Milliseconds a sentence at batch 1: this package beside transformers in PyTorch, alternating.

    python benchmarks/inference.py SENTENCES [FOLDER ...]

SENTENCES is a .jsonl, .tsv, .csv or .txt file; each FOLDER a DistilBERT model folder. Without one,
a random model of DistilBERT's shape is measured, whose tokens are drawn at the sentences' lengths.
Needs torch. Both get the same tokens, PyTorch the exact lengths, and as many threads as it takes.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
import torch
from transformers import AutoModel

from distil_jax.models import EncoderConfig, initialize
from distil_jax.pretrained import Pretrained, load, save
from distil_jax.sizing import sentences
from distil_jax.sizing.speed import _forward, _rows, _tokens

SENTENCES, ROUNDS = 60, 7
SHAPE = EncoderConfig(
    model_type="distilbert",
    vocabulary=30522,
    width=768,
    layers=6,
    heads=12,
    inner_width=3072,
    positions=512,
)


def main() -> None:
    found = sentences.read(Path(sys.argv[1]), most=SENTENCES)
    builtin = load("builtin:teacher")
    lengths = [len(tokens) for tokens in _tokens(builtin, found, 128)]
    if sys.argv[2:]:
        for folder in sys.argv[2:]:
            model = load(folder)
            compare(folder, model, _tokens(model, found, 128))
        return
    random = np.random.default_rng(0)
    drawn = [random.integers(1000, SHAPE.vocabulary, length).tolist() for length in lengths]
    with tempfile.TemporaryDirectory() as folder:
        params = initialize(SHAPE, jax.random.key(0))
        made = Pretrained(SHAPE, params, "masked_lm", (), builtin.tokenizer)
        save(Path(folder) / "model", Pretrained(SHAPE, params, "masked_lm", (), None))
        compare(f"{folder}/model", made, drawn)


def compare(folder, model, every) -> None:
    """Print medians over rounds of the seconds that all sentences take, and their ratio."""
    ours = _forward(model)
    theirs = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    rows = [_rows([tokens], 1, 0) for tokens in every]
    tensors = [torch.tensor([tokens]) for tokens in every]

    def jax_pass():
        for one in rows:
            jax.block_until_ready(ours(one))

    def torch_pass():
        with torch.inference_mode():
            for one in tensors:
                theirs(input_ids=one, attention_mask=torch.ones_like(one))

    seconds = {"jax": [], "torch": []}
    for _ in range(ROUNDS + 1):
        for name, run in (("jax", jax_pass), ("torch", torch_pass)):
            began = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - began) / len(every) * 1000)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    ratio = statistics.median(
        t / j for j, t in zip(seconds["jax"][1:], seconds["torch"][1:], strict=True)
    )
    print(
        f"{folder}: jax {medians['jax']:.2f} ms, torch {medians['torch']:.2f} ms a sentence; "
        f"torch / jax {ratio:.2f} ({torch.get_num_threads()} threads)"
    )


if __name__ == "__main__":
    main()
