"""The original recipe's step in PyTorch, for `original_step.py`: models, masking and losses."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.nn import functional

from distil_jax import pretrained
from distil_jax.losses import IGNORE
from distil_jax.models.config import EncoderConfig
from distil_jax.models.types import Params
from distil_jax.planning.known_shapes import BERT_BASE
from distil_jax.pretrained import Pretrained

MASK, SPECIAL = 103, (0, 100, 101, 102, 103)
POOL = 64
"""Batches whose sequences are sorted by length together."""

Batch = dict[str, np.ndarray]


def original(
    flags: argparse.Namespace,
    teacher: tuple[EncoderConfig, Params],
    student: tuple[EncoderConfig, Params],
    rows: Iterator[Batch],
    folder: Path,
    *,
    compiled: bool = False,
    autocast: bool = False,
) -> Iterator[int]:
    """One step after another of the original recipe; yields the tokens of each."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    models = [
        _torch_model(flags, folder / name, *side)
        for name, side in (("teacher", teacher), ("student", student))
    ]
    teacher_model, student_model = models[0].eval(), models[1].train()
    student_model.distilbert.embeddings.position_embeddings.weight.requires_grad = False
    trained = [p for p in student_model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 50))
    if compiled:
        teacher_model.compile()
        student_model.compile()
    for tokens, attention in _padded_batches(rows, flags.rows * flags.length):
        masked, labels = _masked(tokens, attention)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = _loss(teacher_model, student_model, masked, attention, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        warmup.step()
        optimizer.zero_grad()
        yield int(attention.sum())


def _torch_model(
    flags: argparse.Namespace, folder: Path, shape: EncoderConfig, params: Params
) -> torch.nn.Module:
    pretrained.save(folder, Pretrained(shape, params, "masked_lm", (), None))
    return transformers.AutoModelForMaskedLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=flags.attention
    )


def _padded_batches(
    rows: Iterator[Batch], tokens: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Token ids and attention masks of sequences of about the same length, in random order."""
    random = np.random.default_rng(1)
    while True:
        pool = []
        while sum(map(len, pool)) < POOL * tokens:
            pool += _sequences(next(rows))
        together = max(1, round(tokens * len(pool) / sum(map(len, pool))))
        pool.sort(key=len)
        batches = [pool[first : first + together] for first in range(0, len(pool), together)]
        for number in random.permutation(len(batches)):
            yield _padded(batches[number])


def _sequences(batch: Batch) -> list[np.ndarray]:
    """What is packed in the rows, one by one."""
    return [
        row[segments == segment]
        for row, segments in zip(batch["tokens"], batch["segments"], strict=True)
        for segment in range(1, segments.max() + 1)
    ]


def _padded(sequences: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    tokens = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(sequence).long() for sequence in sequences], batch_first=True
    )
    return tokens, torch.arange(tokens.shape[1])[None] < lengths[:, None]


def _masked(tokens: torch.Tensor, attention: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """15 % of the tokens to predict, [MASK] 80 %, themselves 10 %, a random token 10 % of them."""
    ordinary = attention & ~torch.isin(tokens, torch.tensor(SPECIAL))
    chosen = (torch.rand(tokens.shape) < 0.15) & ordinary
    replacement_draw, random = (
        torch.rand(tokens.shape),
        torch.randint_like(tokens, BERT_BASE.vocabulary),
    )
    masked = torch.where(chosen & (replacement_draw < 0.8), MASK, tokens)
    masked = torch.where(chosen & (replacement_draw > 0.9), random, masked)
    return masked, torch.where(chosen, tokens, IGNORE)


def _loss(
    teacher: torch.nn.Module,
    student: torch.nn.Module,
    tokens: torch.Tensor,
    attention: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    """5 x soft target at T = 2 over all tokens, 2 x masked LM, 1 x cosine."""
    inputs = {
        "input_ids": tokens,
        "attention_mask": attention.long(),
        "output_hidden_states": True,
    }
    with torch.no_grad():
        teacher_outputs = teacher(**inputs)
    student_outputs = student(**inputs)
    divergence = functional.kl_div(
        functional.log_softmax(student_outputs.logits[attention] / 2.0, dim=-1),
        functional.softmax(teacher_outputs.logits[attention] / 2.0, dim=-1),
        reduction="batchmean",
    )
    entropy = functional.cross_entropy(student_outputs.logits.flatten(0, 1), labels.flatten())
    hidden = [
        outputs.hidden_states[-1][attention] for outputs in (student_outputs, teacher_outputs)
    ]
    cosine = functional.cosine_embedding_loss(*hidden, torch.ones(len(hidden[0])))
    return 5.0 * divergence * 2.0**2 + 2.0 * entropy + cosine
