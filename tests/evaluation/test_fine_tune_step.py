"""Fine-tuning follows transformers in PyTorch: the losses of 20 steps, from the same weights."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from distil_jax.configuration.schema import Optimizer
from distil_jax.evaluation import fine_tuner
from distil_jax.evaluation.pieces import PieceShape, pack, pack_batch
from distil_jax.pretrained import load_weights
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.network import Network
from distil_jax.tasks.table import EXAMPLE_KINDS
from distil_jax.tasks.task_objectives import task_objectives
from distil_jax.training import optimizer
from distil_jax.training.parallel import Devices
from distil_jax.training.step import Constants, StepSpec, initial_state, train_step
from distil_jax.training.targets import NoTargets

STEPS, BATCH, RATE, CLIP = 20, 8, 2e-3, 1.0
SHAPE = PieceShape(rows=6, length=24, slots=BATCH)
SMALL = {"vocab_size": 60, "max_position_embeddings": 20, "initializer_range": 0.3}
WIDE = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
BERT = SMALL | WIDE | QUIET | {"hidden_size": 16}
DISTILBERT = SMALL | {
    "dim": 16,
    "n_layers": 2,
    "n_heads": 2,
    "hidden_dim": 24,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "seq_classif_dropout": 0.0,
    "qa_dropout": 0.0,
}
SETTINGS = {
    "bert": BERT,
    "distilbert": DISTILBERT,
    "roberta": BERT | {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1},
}
KINDS = {
    "classification": ("AutoModelForSequenceClassification", "classification", 3),
    "regression": ("AutoModelForSequenceClassification", "classification", 1),
    "question_answering": ("AutoModelForQuestionAnswering", "question_answering", 2),
}


def sequences(seed: int = 0) -> Encoded:
    """Pairs with token types, of 4 to 17 tokens (RoBERTa has 18 positions)."""
    random = np.random.default_rng(seed)
    lengths = random.integers(4, 18, STEPS * BATCH)
    tokens = [random.integers(5, 60, size).astype(np.int32) for size in lengths]
    types = [(np.arange(size) >= size // 2).astype(np.int32) for size in lengths]
    return Encoded(tuple(tokens), tuple(types), 0)


def targets(kind: str, encoded: Encoded, seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    if kind == "question_answering":
        ends = [random.integers(0, len(tokens), 2) for tokens in encoded.tokens]
        starts, stops = np.sort(np.asarray(ends), axis=1).T.astype(np.int32)
        return {"start": starts, "end": stops}
    if kind == "regression":
        return {"labels": random.normal(2, 1, len(encoded)).astype(np.float32)}
    return {"labels": random.integers(0, 3, len(encoded)).astype(np.int32)}


def torch_losses(model, kind: str, encoded: Encoded, wanted, token_types: bool) -> list[float]:
    """Plain fine-tuning; each sequence is run alone, so that no padding enters a span's softmax."""
    import torch

    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / STEPS)
    losses = []
    for step in range(STEPS):
        total = torch.zeros(())
        for number in range(step * BATCH, (step + 1) * BATCH):
            inputs = {"input_ids": torch.tensor(encoded.tokens[number][None]).long()}
            if token_types:
                inputs["token_type_ids"] = torch.tensor(encoded.token_types[number][None]).long()
            if kind == "question_answering":
                inputs["start_positions"] = torch.tensor([int(wanted["start"][number])])
                inputs["end_positions"] = torch.tensor([int(wanted["end"][number])])
            else:
                inputs["labels"] = torch.tensor([wanted["labels"][number].item()])
            total = total + model(**inputs).loss / BATCH
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        schedule.step()
        losses.append(total.item())
    return losses


def pieces(encoded: Encoded, wanted, step: int, shards: int) -> dict[str, np.ndarray]:
    """A batch as `shards` pieces, several sequences in a row."""
    numbers = np.arange(step * BATCH, (step + 1) * BATCH)
    made = []
    for shard in np.array_split(numbers, shards):
        rows = pack(shard, encoded.lengths, SHAPE.length)
        arrays, members = pack_batch(encoded, rows, SHAPE, pad=0)
        for name, values in wanted.items():
            padded = np.zeros(SHAPE.slots, values.dtype)
            padded[: len(members)] = values[members]
            arrays[name] = padded
        made.append(arrays)
    return {name: np.concatenate([piece[name] for piece in made]) for name in made[0]}


def our_losses(
    config, params, kind: str, encoded, wanted, *, devices=1, micro=1, mode="jit", rate=RATE
):
    """The engine's own step, as `fine_tuner` builds it."""
    settings = Optimizer("adamw", 1.0, "linear", 0.0, 0.2, 0.9, 0.999, 1e-8, 0.0, CLIP)
    spec = StepSpec(
        student=Network(EXAMPLE_KINDS[kind], config, KINDS[kind][2], 20),
        targets=NoTargets(),
        objectives=task_objectives(EXAMPLE_KINDS[kind], soft_targets=False),
        loss=fine_tuner._loss({"labels": 1.0}, 2.0),
        weights=fine_tuner._constant({"labels": 1.0}, 2.0),
        masking=None,
        freeze="none",
        clip=CLIP,
        optimizer=optimizer.make(settings, STEPS),
        schedule=optimizer.schedule(settings, STEPS),
        seed=0,
        micro_batches=micro,
        matmul_dtype="float32",
        dropout_bits="place",
    )
    spread = Devices(mode, tuple(jax.devices()[:devices]))
    step = spread.map(partial(train_step, spec))
    state = initial_state(spec.optimizer, params)
    constants = Constants(seed=np.uint32(0), learning_rate=np.float32(rate))
    losses = []
    for number in range(STEPS):
        batch = spread.split(pieces(encoded, wanted, number, devices * micro))
        state, values = step(state, constants, batch)
        losses.append(float(values["loss"]))
    return losses


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function from a model type and a kind to a transformers model and our parameters of it."""
    import torch
    import transformers

    def make(model_type: str, kind: str):
        auto, head, labels = KINDS[kind]
        torch.manual_seed(0)
        extra = {} if kind == "question_answering" else {"num_labels": labels}
        if kind == "regression":
            extra["problem_type"] = "regression"
        config = transformers.AutoConfig.for_model(model_type, **(SETTINGS[model_type] | extra))
        model = getattr(transformers, auto).from_config(config)
        if model_type == "roberta" and kind != "question_answering":
            model.classifier.dropout.p = 0.0
        folder = tmp_path_factory.mktemp("model")
        model.save_pretrained(folder)
        config, params, _, _ = load_weights(folder, require_head=head)
        # DistilBERT's classifier has a rate of its own, whatever its config says of dropout.
        return model, replace(config, head=replace(config.head, classifier_dropout=0.0)), params

    return make


@pytest.mark.slow
@pytest.mark.parametrize("model_type", SETTINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_twenty_losses_are_those_of_transformers(made, model_type, kind):
    model, config, params = made(model_type, kind)
    encoded = sequences()
    wanted = targets(kind, encoded)
    expected = torch_losses(model, kind, encoded, wanted, model_type == "bert")
    found = our_losses(config, params, kind, encoded, wanted)
    assert max(expected) - min(expected) > 0.1  # they move
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "micro", "mode"), [(4, 1, "jit"), (1, 2, "jit"), (2, 2, "pmap")]
)
def test_devices_and_micro_batches_change_nothing(made, devices, micro, mode):
    _, config, params = made("bert", "classification")
    encoded = sequences()
    wanted = targets("classification", encoded)
    alone = our_losses(config, params, "classification", encoded, wanted)
    divided = our_losses(
        config, params, "classification", encoded, wanted, devices=devices, micro=micro, mode=mode
    )
    np.testing.assert_allclose(divided, alone, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "question_answering"])
def test_dropout_follows_a_piece_to_whichever_device_has_it(made, kind: str) -> None:
    """Four pieces, on four devices, on two, and one after the other on one."""
    _, config, params = made("distilbert", kind)
    dropping = replace(config, dropout=0.1, attention_dropout=0.1)
    head = replace(config.head, classifier_dropout=0.2)
    encoded = sequences()
    wanted = targets(kind, encoded)

    def losses(shape, devices: int, mode: str = "jit") -> list[float]:
        # A low rate: over steps of AdamW's first, large ones rounding grows beyond the bound.
        spread = {"devices": devices, "micro": 4 // devices, "mode": mode, "rate": RATE / 10}
        return our_losses(shape, params, kind, encoded, wanted, **spread)

    alone = losses(replace(dropping, head=head), 1)
    assert max(abs(np.subtract(alone, losses(config, 1)))) > 1e-2
    for devices, mode in ((4, "jit"), (2, "pmap")):
        found = losses(replace(dropping, head=head), devices, mode)
        np.testing.assert_allclose(found, alone, rtol=1e-5)
