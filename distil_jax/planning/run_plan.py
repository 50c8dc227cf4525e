"""What a config costs on chips that are not there: memory, time by limit, the whole run."""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import jax

from distil_jax.configuration.schema import Config
from distil_jax.data.store import is_prepared, open_split
from distil_jax.planning import compiler, measure, plan_cache
from distil_jax.planning.flops import Recomputed, WindowedCost, config_flops, windowed_cost
from distil_jax.planning.measure import Measured
from distil_jax.planning.microbatch import Largest, largest
from distil_jax.planning.model_shapes import ModelShapes
from distil_jax.planning.roofline import Roofline, roofline, sent_bytes, summed_bytes
from distil_jax.planning.step_program import step_program
from distil_jax.planning.topologies import Topology
from distil_jax.training import parallel
from distil_jax.training.parallel import Shares, shares_of

PAPER_TOKENS = 4.2e9
"""English Wikipedia and the Toronto Book Corpus in BERT's WordPieces, the paper's corpus."""

SEARCH_SECONDS = 240.0
"""After that no further micro-batch is compiled: for some chips one takes minutes."""


@dataclass(frozen=True)
class Workload:
    """The rows of a run: `length` tokens each, `total_steps` batches of them."""

    length: int
    total_steps: int


@dataclass(frozen=True)
class RunPlan:
    """A config on a topology.

    Attributes:
      compiled: False where figures come from shapes alone, and nothing is known of the traffic
        between memory and chip.
      largest_micro_rows: that fit one chip; 0: none; None: not searched.
      largest_compiled: False where `largest_micro_rows` is by the line through fewer rows.
      minimum_flops: of one chip's step, counted from shapes without recomputation.
      network_bytes: that a chip sends in one step.
    """

    config: Config
    models: ModelShapes
    topology: Topology
    workload: Workload
    shares: Shares
    compiled: bool
    measured: Measured
    largest_micro_rows: int | None
    minimum_flops: float
    roofline: Roofline
    network_bytes: float
    largest_compiled: bool = True

    @property
    def fits(self) -> bool:
        return self.measured.fits

    @property
    def windowed(self) -> tuple[tuple[str, WindowedCost], ...]:
        """What attention costs in each model that has local layers, with the model's role."""
        shapes = [("teacher", shape) for shape, _ in self.models.teachers]
        named = [*shapes, ("student", self.models.student)]
        costs = [(role, windowed_cost(shape, length=self.workload.length)) for role, shape in named]
        return tuple((role, cost) for role, cost in costs if cost is not None)

    def hours(self, utilisation: float) -> float:
        """Of the whole run, computing at `utilisation` of the chip's peak."""
        times = self.roofline
        seconds = max(times.compute / utilisation, times.memory) + times.network
        return seconds * self.workload.total_steps / 3600

    @property
    def tokens_per_second(self) -> float | None:
        """Of all chips, expected; None where the traffic is not known."""
        tokens = self.shares.rows * self.workload.length
        return tokens / self.roofline.expected if self.compiled and self.fits else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        times = self.roofline
        return {
            "topology": self.topology.name,
            "chips": self.topology.chips,
            "chip": dataclasses.asdict(self.topology.chip),
            "compiled": self.compiled,
            "fits": self.fits,
            "rows": dataclasses.asdict(self.shares),
            "largest_micro_rows": self.largest_micro_rows,
            "largest_compiled": self.largest_compiled,
            "length": self.workload.length,
            "total_steps": self.workload.total_steps,
            "memory_bytes": dataclasses.asdict(self.measured.memory)
            | {"total": self.measured.memory.total, "available": self.topology.chip.hbm_bytes},
            "windowed_attention": [
                {"model": role, **dataclasses.asdict(cost)} for role, cost in self.windowed
            ],
            "flops": self.measured.flops,
            "minimum_flops": self.minimum_flops,
            "traffic_bytes": self.measured.traffic_bytes if self.compiled else None,
            "traffic_by_kind": dict(self.measured.traffic) if self.compiled else None,
            "network_bytes": self.network_bytes,
            "collectives": [
                dataclasses.asdict(collective) for collective in self.measured.collectives
            ],
            "seconds": dataclasses.asdict(times)
            | ({} if self.compiled else {"memory": None, "expected": None})
            | {"step": times.step, "limit": times.limit},
            "tokens_per_second": self.tokens_per_second,
            "network_batch": times.network_batch(self.shares.rows),
            "compile_seconds": self.measured.compile_seconds,
        }


def workload_of(config: Config, corpus_tokens: float | None) -> Workload:
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
    steps = config.total_steps or max(1, round(config.epochs * rows / config.batch.size))
    return Workload(length, steps)


def plan_run(
    config: Config,
    models: ModelShapes,
    topology: Topology,
    workload: Workload,
    *,
    search: bool,
    compiled: bool = True,
) -> RunPlan:
    """Compile the step of `config` for `topology` and work out what it costs.

    Not `compiled`, or for a GPU without its compiler, it is counted from shapes. Raises `UserError`
    where the batch does not divide, or the TPU compiler is missing.
    """
    compiled = compiled and (topology.chip.is_tpu or compiler.is_installed(topology.chip))
    batch_shares = shares_of(config, topology.chips)
    known: dict[int, Measured] = {}

    def compile_at(rows: int) -> Measured:
        changed = dataclasses.replace(
            config, batch=dataclasses.replace(config.batch, micro_size=rows)
        )
        return compile_step(changed, models, topology, workload, compiled=compiled)

    started = time.monotonic()
    known[batch_shares.micro_rows] = measured = compile_at(batch_shares.micro_rows)
    most = Largest(0, True)
    if search:
        most = largest(
            batch_shares.device_rows,
            known,
            compile_at,
            topology.chip.hbm_bytes,
            group_rows=config.loss.group_rows,
            enough=lambda: time.monotonic() - started > SEARCH_SECONDS,
        )
    summed = summed_bytes(measured.collectives, topology.slice_chips) or gradient_bytes(measured)
    minimum = _counted_flops(config, models, batch_shares, workload)
    return RunPlan(
        config,
        models,
        topology,
        workload,
        batch_shares,
        compiled,
        measured,
        most.rows if search else None,
        minimum,
        roofline(
            topology,
            flops=measured.flops or minimum,
            traffic_bytes=measured.traffic_bytes,
            summed_bytes=summed,
        ),
        sum(sent_bytes(topology, summed)),
        most.compiled,
    )


def compile_step(
    config: Config,
    models: ModelShapes,
    topology: Topology,
    workload: Workload,
    *,
    compiled: bool = True,
) -> Measured:
    """The compiler's figures, from the cache where the very same program was compiled before."""
    length = workload.length
    key = plan_cache.key_of(config, models, topology.name, length, compiled=compiled)
    count = _measure if compiled else estimate
    return plan_cache.cached(key, lambda: count(config, models, topology, workload))


def _measure(
    config: Config, models: ModelShapes, topology: Topology, workload: Workload
) -> Measured:
    # pmap maps the very same body; it cannot be lowered without its devices.
    devices = compiler.devices(topology, "jit")
    step, chip = program(config, models, devices, workload), topology.chip
    return measure.measure(step, chip.hbm_bytes, compiler.options(chip))


def program(
    config: Config,
    models: ModelShapes,
    devices: parallel.Devices,
    workload: Workload,
    platform: str | None = None,
) -> Any:
    return step_program(
        config,
        models,
        devices,
        length=workload.length,
        total_steps=max(workload.total_steps, 1),
        platform=platform,
    )


def estimate(
    config: Config, models: ModelShapes, topology: Topology, workload: Workload
) -> Measured:
    """Without a compiler for the chip: memory from shapes, matmuls counted, traffic unknown."""
    batch_shares = shares_of(config, topology.chips)
    one_chip = dataclasses.replace(
        config, batch=dataclasses.replace(config.batch, size=batch_shares.device_rows)
    )
    one_device = parallel.Devices("jit", tuple(jax.devices()[:1]))
    platform = "tpu" if topology.chip.is_tpu else "gpu"
    step = program(one_chip, models, one_device, workload, platform)
    memory = measure.memory_by_kind(step, None)
    remat: Any = config.parallel.remat
    return Measured(
        fits=memory.total <= topology.chip.hbm_bytes,
        memory=memory,
        flops=_counted_flops(config, models, batch_shares, workload, recomputed=remat),
        traffic_bytes=0.0,
        collectives=(),
        program_bytes=memory.activations + memory.temporaries + memory.gradients,
        compile_seconds=0.0,
    )


def _counted_flops(
    config: Config,
    models: ModelShapes,
    shares: Shares,
    workload: Workload,
    *,
    recomputed: Recomputed = "none",
) -> float:
    """Of one chip's step, from shapes."""
    per_token = config_flops(
        config,
        models.teacher,
        models.student,
        length=workload.length,
        recomputed=recomputed,
        others=[shape for shape, _ in models.others],
        shapes=models.compared(config),
    )
    return per_token.total * shares.device_rows * workload.length


def gradient_bytes(measured: Measured) -> float:
    return measured.memory.gradients
