"""What the TPU compiler makes of the training step: memory, matmuls, collectives, compile time.

    python benchmarks/tpu_program.py                 # needs `pip install -e '.[tpu]'`, no TPU
    python benchmarks/tpu_program.py --topology=v4-8 --search

BERT-base to DistilBERT in bfloat16, 16 rows of 512 tokens a chip, the paper's dropout. `plain` is
the same step written the ordinary way: logits of all tokens at once, nothing rematerialised.
`--search` adds the largest micro-batch that fits; half a minute for each program, about five each.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import optax

from distil_jax import commandline, losses
from distil_jax.configuration import source as config_source
from distil_jax.configuration.schema import Config
from distil_jax.models import MaskedLM
from distil_jax.planning import compiler, topologies
from distil_jax.planning.flops import config_flops
from distil_jax.planning.measure import Measured, measure
from distil_jax.planning.microbatch import largest
from distil_jax.planning.model_shapes import model_shapes
from distil_jax.planning.run_plan import Workload
from distil_jax.planning.step_program import step_program
from distil_jax.training.step import (
    State,
    loss_counts,
    mask_batch,
    normalize_by_global_count,
    train_step,
)

ROWS, LENGTH = 16, 512
VARIANTS = {
    "plain": "none",
    "chunked": "none",
    "chunked, attention": "attention",
    "chunked, layer": "layer",
}
GB = 1e9


@dataclass(frozen=True)
class Row:
    """One variant's figures."""

    name: str
    measured: Measured
    flops_over_minimum: float
    largest: int | None


def main(arguments: list[str]) -> None:
    parser = commandline.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--topology", default="v5e-4")
    parser.add_argument("--search", action="store_true")
    known = parser.parse_args(arguments)
    topology = topologies.find(known.topology)
    rows = []
    for name, rematerialise in VARIANTS.items():
        rows.append(variant(name, rematerialise, topology, search=known.search))
        print(line(rows[-1], rows[0]), flush=True)


def line(row: Row, plain: Row) -> str:
    share = row.measured.program_bytes / plain.measured.program_bytes
    most = "" if row.largest is None else f"   {row.largest:4d} rows fit"
    return (
        f"{row.name:20} {row.measured.program_bytes / GB:6.2f} GB ({share:4.0%})   "
        f"{row.flops_over_minimum:.3f} x FLOPs   {row.measured.compile_seconds:4.0f} s{most}"
    )


def variant(name: str, rematerialise: str, topology: topologies.Topology, *, search: bool) -> Row:
    """Compile one variant for `topology`, and, with `search`, for larger micro-batches."""
    body = plain_step if name == "plain" else train_step

    def compile_at(rows: int) -> Measured:
        return compiled(config_of(rows, rematerialise, topology.chips), topology, body)

    known = {ROWS: compile_at(ROWS)}
    config = config_of(ROWS, rematerialise, topology.chips)
    models = model_shapes(config)
    flops_per_token = config_flops(config, models.teacher, models.student, length=LENGTH).total
    minimum = flops_per_token * ROWS * LENGTH
    most = largest(512, known, compile_at, topology.chip.hbm_bytes).rows if search else None
    return Row(name, known[ROWS], known[ROWS].flops / minimum, most)


def config_of(rows: int, rematerialise: str, chips: int) -> Config:
    """The TPU config with `rows` rows a chip in one micro-batch."""
    return config_source.read(
        "tpu_v4",
        [
            f"--config.batch.size={rows * chips}",
            f"--config.batch.micro_size={rows}",
            f"--config.parallel.remat={rematerialise}",
        ],
    )


def compiled(config: Config, topology: topologies.Topology, body: Any) -> Measured:
    devices = compiler.devices(topology, "jit")
    workload = Workload(LENGTH, 1000)
    program = step_program(
        config,
        model_shapes(config),
        devices,
        length=workload.length,
        total_steps=workload.total_steps,
    )
    return measure(dataclasses.replace(program, body=body), topology.chip.hbm_bytes)


def plain_step(run, state, constants, batch, *, sum_over_devices, device):
    """The step as it is mostly written: whole logits, automatic differentiation."""
    masked = mask_batch(run.masking, run.seed, batch)
    weights = run.weights(state.step)
    scales = normalize_by_global_count(weights, sum_over_devices(loss_counts(run, masked)))
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(run.seed), state.step), device)

    def loss(params):
        student = forward(run.student.module, params, masked, train=True, rngs={"dropout": key})
        teacher = forward(run.targets.model.module, constants.targets, masked)
        teacher = jax.lax.stop_gradient(teacher)
        mask = masked["segments"] > 0
        soft = losses.soft_target(student[1], teacher[1], mask, temperature=weights.temperature)
        mlm = losses.masked_lm(student[1], masked["labels"])
        cosine = losses.cosine(student[0], teacher[0], mask)
        return (
            scales["soft_target"] * soft.total
            + scales["masked_lm"] * mlm.total
            + scales["cosine"] * cosine.total
        )

    value, gradient = sum_over_devices(jax.value_and_grad(loss)(state.params))
    updates, optimizer_state = run.optimizer.update(gradient, state.optimizer_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return State(state.step + 1, params, optimizer_state, state.clipped), {"loss": value}


def forward(module: MaskedLM, params, masked, **settings):
    """Final hidden states and all logits of one model."""
    variables = {"params": params}
    hidden, features = module.apply(variables, masked, method="features", **settings)
    return hidden, module.apply(variables, features, method="decode")


if __name__ == "__main__":
    commandline.run(main)
