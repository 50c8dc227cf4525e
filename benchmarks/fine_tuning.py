"""Sequences per second of fine-tuning: distil_jax beside transformers in PyTorch, alternating.

    python benchmarks/fine_tuning.py MODEL_FOLDER sst2 DATA_FOLDER [BATCH [ROUNDS]]

Both sides take the same texts in batches of the same size, in random order, with dropout, AdamW,
clipping and a linear schedule, in float32 on the processors this process may use. PyTorch's batches
are padded to their longest sequence, as the usual script's collator does; ours are packed. A round
is 40 steps of each side; compiling and a first step are left out. Prints the medians, their ratio,
and the share of padding.
"""

import os
import random
import statistics
import sys
import time
from pathlib import Path

import jax
import numpy as np
import torch
import transformers

from distil_jax.evaluation import fine_tuning_plan
from distil_jax.evaluation.fine_tuner import batches, fine_tuner
from distil_jax.evaluation.initial import initial_params
from distil_jax.evaluation.settings import Settings
from distil_jax.training.progress import Display
from distil_jax.training.stopping import Sigterm

STEPS, RATE = 40, 5e-5


def main() -> None:
    model, task, data, *rest = sys.argv[1:]
    batch = int(rest[0]) if rest else 32
    rounds = int(rest[1]) if len(rest) > 1 else 7
    settings = Settings(model=model, task=task, data=data, output=Path("unused"), batch=batch)
    plan = fine_tuning_plan.make(settings)
    sides = {"distil_jax": ours(plan), "PyTorch": theirs(plan, model, batch)}
    # An epoch's sequences are spread evenly over its batches here, PyTorch drops what fills none.
    in_batch = len(plan.data.training.encoded) / plan.batch_plan(0).batches
    sequences = {"distil_jax": STEPS * in_batch, "PyTorch": STEPS * batch}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            began = time.perf_counter()
            next(side)
            if number:
                rates[name].append(sequences[name] / (time.perf_counter() - began))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(
            f"{name}: {medians[name]:,.1f} sequences/s ({min(values):,.1f} to {max(values):,.1f})"
        )
    print(f"ratio {medians['distil_jax'] / medians['PyTorch']:.2f}")
    print(f"{len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f}")


def ours(plan):
    """Yield after every round of steps."""
    tuner = fine_tuner(plan, None, Display(), Sigterm())
    state = tuner.start(jax.tree.map(np.asarray, initial_params(plan, 0)))
    state, padding = plan.devices.replicate(state), [0, 0]
    constants = tuner.constants(0, RATE)
    for done, arrays in enumerate(batches(tuner, 0, 0, padding), 1):
        state, values = tuner.step(state, constants, plan.devices.split(arrays))
        if done % STEPS == 0:
            jax.block_until_ready(values)
            if done == STEPS:
                share = 1 - padding[0] / padding[1]
                print(f"distil_jax: padding {share:.1%}")
            yield


def theirs(plan, folder: str, batch: int):
    """Yield after every round of steps."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=plan.data.outputs, dtype=torch.float32
    ).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    encoded, labels = plan.data.training.encoded, plan.data.training.targets["labels"]
    collate = transformers.DataCollatorWithPadding(plan.model.tokenizer)
    typed = plan.model.config.token_types > 1
    done, real, computed = 0, 0, 0
    chosen = random.Random(0)
    while True:
        order = list(range(len(encoded)))
        chosen.shuffle(order)
        for start in range(0, len(order) - batch + 1, batch):
            numbers = order[start : start + batch]
            rows = [{"input_ids": encoded.tokens[n].tolist()} for n in numbers]
            if typed:
                for row, number in zip(rows, numbers, strict=True):
                    row["token_type_ids"] = encoded.token_types[number].tolist()
            inputs = collate(rows)
            real += int(inputs["attention_mask"].sum())
            computed += inputs["input_ids"].numel()
            dtype = torch.long if plan.kind.discrete else torch.float32
            loss = model(**inputs, labels=torch.tensor(labels[numbers], dtype=dtype)).loss
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            loss.item()
            done += 1
            if done % STEPS == 0:
                if done == STEPS:
                    print(f"PyTorch: padding {1 - real / computed:.1%}")
                yield


if __name__ == "__main__":
    main()
