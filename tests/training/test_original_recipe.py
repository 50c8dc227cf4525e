"""The step against the paper's formulas in PyTorch, on transformers' models, same weights."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM, DistilBertForMaskedLM

from distil_jax import pretrained
from distil_jax.configuration.source import read
from distil_jax.data.masking import Masking
from distil_jax.losses import IGNORE
from distil_jax.models import initialize, student_from_teacher
from distil_jax.pretrained import Pretrained
from distil_jax.pretrained.families import make_config
from distil_jax.pretrained.writing import named_tensors
from distil_jax.training.step import (
    Constants,
    accumulate,
    loss_counts,
    normalize_by_global_count,
)

from .specs import step_spec

pytestmark = pytest.mark.optimised

SHAPE = make_config(
    model_type="bert", vocabulary=211, hidden_size=32, layers=4, heads=4, mlp_size=64, positions=40,
    token_types=2, dropout=0.0, attention_dropout=0.0, initializer_range=0.2,
)  # fmt: skip
TEACHER = initialize(SHAPE, jax.random.key(1))
STUDENT_SHAPE, STUDENT = student_from_teacher(SHAPE, TEACHER, (0, 2))
LENGTHS = (40, 7, 23, 31)
WEIGHTS = {"soft_target": 5.0, "masked_lm": 2.0, "cosine": 1.0}


def masked_batch() -> dict[str, np.ndarray]:
    """Padded rows of several lengths, already masked."""
    random = np.random.default_rng(0)
    place = np.arange(40)[None]
    segments = (place < np.array(LENGTHS)[:, None]).astype(np.int32)
    tokens = random.integers(5, 211, segments.shape).astype(np.int32)
    chosen = (random.random(segments.shape) < 0.15) & (segments > 0)
    labels = np.where(chosen, tokens, IGNORE).astype(np.int32)
    tokens = np.where(chosen, 4, tokens) * segments
    return {"tokens": tokens, "segments": segments, "labels": labels}


BATCH = masked_batch()


def ours(positions: str, temperature: float, params=STUDENT, *, logit_mse: float = 0.0):
    base = read("base", [f"--config.loss.temperature={temperature}", "--config.loss.chunk=32"]).loss
    loss = dataclasses.replace(
        base, weights={**base.weights, "logit_mse": logit_mse}, positions=positions
    )
    # Two rows at one time, of which 40 % may be masked.
    masking = Masking(211, (0, 1, 2, 3, 4), 4, 40, 80, 10)
    run = step_spec(STUDENT_SHAPE, SHAPE, loss, masking=masking, micro_batches=2)
    batch = {name: jnp.asarray(value) for name, value in BATCH.items()}
    scales = normalize_by_global_count(run.weights(jnp.int32(0)), loss_counts(run, batch))
    return jax.jit(
        lambda params: accumulate(
            run,
            params,
            Constants(TEACHER),
            batch,
            scales,
            jnp.float32(temperature),
            jax.random.key(0),
        )
    )(params)


@pytest.fixture(scope="module")
def torch_models(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("models")
    for name, shape, params in (("t", SHAPE, TEACHER), ("s", STUDENT_SHAPE, STUDENT)):
        pretrained.save(folder / name, Pretrained(shape, params, "masked_lm", (), None))
    teacher = BertForMaskedLM.from_pretrained(folder / "t", dtype=torch.float32)
    student = DistilBertForMaskedLM.from_pretrained(folder / "s", dtype=torch.float32)
    return teacher.eval(), student.eval()


def theirs(teacher, student, positions: str, temperature: float) -> dict[str, torch.Tensor]:
    """The three losses, written down from the paper."""
    tokens = torch.tensor(BATCH["tokens"]).long()
    attention = torch.tensor(BATCH["segments"]).long()
    labels = torch.tensor(BATCH["labels"]).long()
    both = {"input_ids": tokens, "attention_mask": attention, "output_hidden_states": True}
    with torch.no_grad():
        t = teacher(**both)
    s = student(**both)
    selected = attention.bool() if positions == "all" else labels != IGNORE
    log_student = torch.log_softmax(s.logits[selected] / temperature, -1)
    share = torch.softmax(t.logits[selected] / temperature, -1)
    divergence = (share * (torch.log(share) - log_student)).sum(-1).mean()
    hidden = s.hidden_states[-1][attention.bool()], t.hidden_states[-1][attention.bool()]
    return {
        "soft_target": divergence * temperature**2,
        "masked_lm": torch.nn.functional.cross_entropy(
            s.logits[labels != IGNORE], labels[labels != IGNORE]
        ),
        # The original's alpha_mse: summed over the vocabulary, averaged over the tokens.
        "logit_mse": ((s.logits - t.logits)[selected] ** 2).sum(-1).mean(),
        "cosine": (1 - torch.nn.functional.cosine_similarity(*hidden, dim=-1)).mean(),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("positions", "temperature", "logit_mse"),
    [("all", 2.0, 0.0), ("masked", 2.0, 0.01), ("all", 1.0, 0.0), ("all", 4.0, 0.01)],
)
def test_losses_and_gradients_equal_pytorchs(
    torch_models, positions: str, temperature: float, logit_mse: float
) -> None:
    gradient, means = ours(positions, temperature, logit_mse=logit_mse)
    weights_of = {**WEIGHTS, "logit_mse": logit_mse}
    teacher, student = torch_models
    student.zero_grad()
    losses = theirs(teacher, student, positions, temperature)
    losses = {name: loss for name, loss in losses.items() if weights_of[name]}
    for name, loss in losses.items():
        assert float(means[name].value()) == pytest.approx(loss.item(), rel=1e-5), name
    sum(weights_of[name] * loss for name, loss in losses.items()).backward()
    expected = {n: p.grad.numpy() for n, p in student.named_parameters() if p.grad is not None}
    found = dict(named_tensors(STUDENT_SHAPE, gradient, "masked_lm"))
    assert found.keys() == expected.keys()
    whole = np.sqrt(sum(float((g**2).sum()) for g in expected.values()))
    for name, theirs_ in expected.items():
        norm = whole if name.endswith("k_lin.bias") else np.linalg.norm(theirs_)
        assert np.linalg.norm(found[name] - theirs_) < 1e-4 * norm, name


@pytest.mark.slow
def test_ten_sgd_steps_stay_together(torch_models) -> None:
    teacher, student = torch_models
    before = {name: value.clone() for name, value in student.state_dict().items()}
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
    params, curves = STUDENT, ([], [])
    for _ in range(10):
        gradient, means = ours("all", 2.0, params)
        params = jax.tree.map(lambda p, g: p - 0.05 * g, params, gradient)
        curves[0].append(sum(w * float(means[n].value()) for n, w in WEIGHTS.items()))
        optimizer.zero_grad()
        found = theirs(teacher, student, "all", 2.0)
        loss = sum(weight * found[name] for name, weight in WEIGHTS.items())
        loss.backward()
        optimizer.step()
        curves[1].append(loss.item())
    student.load_state_dict(before)
    assert curves[0][-1] < 0.9 * curves[0][0]
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)
