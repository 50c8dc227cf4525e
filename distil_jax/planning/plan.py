"""What a config costs on chips that are not there: memory, time by limit, the whole run."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax

from distil_jax.configuration.schema import Config
from distil_jax.planning import cache, compiler, measure
from distil_jax.planning.flops import config_flops
from distil_jax.planning.measure import Measured
from distil_jax.planning.microbatch import largest
from distil_jax.planning.pair import Pair
from distil_jax.planning.roofline import Roofline, roofline, sent_bytes, summed_bytes
from distil_jax.planning.step_program import step_program
from distil_jax.planning.topologies import Topology
from distil_jax.training import parallel
from distil_jax.training.parallel import Shares, shares


@dataclass(frozen=True)
class Work:
    """The rows of a run: `length` tokens each, `total_steps` batches of them."""

    length: int
    total_steps: int


@dataclass(frozen=True)
class Plan:
    """A config on a topology.

    Attributes:
      compiled: False where figures come from shapes alone, as for a GPU, and nothing is known of
        the traffic between memory and chip.
      largest_micro_rows: that fit one chip; 0: none; None: not searched.
      minimum_flops: of one chip's step, counted from shapes without recomputation.
      network_bytes: that a chip sends in one step.
    """

    config: Config
    pair: Pair
    topology: Topology
    work: Work
    shares: Shares
    compiled: bool
    measured: Measured
    largest_micro_rows: int | None
    minimum_flops: float
    roofline: Roofline
    network_bytes: float

    @property
    def fits(self) -> bool:
        return self.measured.fits

    def hours(self, utilisation: float) -> float:
        """Of the whole run, computing at `utilisation` of the chip's peak."""
        times = self.roofline
        seconds = max(times.compute / utilisation, times.memory) + times.network
        return seconds * self.work.total_steps / 3600

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
            "length": self.work.length,
            "total_steps": self.work.total_steps,
            "memory_bytes": dataclasses.asdict(self.measured.memory)
            | {"total": self.measured.memory.total, "available": self.topology.chip.hbm_bytes},
            "flops": self.measured.flops,
            "minimum_flops": self.minimum_flops,
            "traffic_bytes": self.measured.traffic_bytes if self.compiled else None,
            "network_bytes": self.network_bytes,
            "collectives": [dataclasses.asdict(one) for one in self.measured.collectives],
            "seconds": dataclasses.asdict(times)
            | ({} if self.compiled else {"memory": None})
            | {"step": times.step, "limit": times.limit},
            "network_batch": times.network_batch(self.shares.rows),
            "compile_seconds": self.measured.compile_seconds,
        }


def plan(config: Config, pair: Pair, topology: Topology, work: Work, *, search: bool) -> Plan:
    """Compile the step of `config` for `topology` and work out what it costs.

    Raises `UserError` where the batch does not divide, or the TPU compiler is missing.
    """
    divided = shares(config.batch.sequences, config.batch.micro, topology.chips)
    known: dict[int, Measured] = {}

    def compile_at(rows: int) -> Measured:
        changed = dataclasses.replace(config, batch=dataclasses.replace(config.batch, micro=rows))
        return compile_step(changed, pair, topology, work)

    known[divided.micro_rows] = measured = compile_at(divided.micro_rows)
    most = None
    if search:
        most = largest(divided.device_rows, known, compile_at, topology.chip.hbm_bytes)
    summed = summed_bytes(measured.collectives, topology.slice_chips) or gradient_bytes(measured)
    a_token = config_flops(config, pair.teacher, pair.student, length=work.length).total
    minimum = a_token * divided.device_rows * work.length
    return Plan(
        config,
        pair,
        topology,
        work,
        divided,
        topology.chip.is_tpu,
        measured,
        most,
        minimum,
        roofline(
            topology,
            flops=measured.flops or minimum,
            traffic_bytes=measured.traffic_bytes,
            summed_bytes=summed,
        ),
        sum(sent_bytes(topology, summed)),
    )


def compile_step(config: Config, pair: Pair, topology: Topology, work: Work) -> Measured:
    """The compiler's figures, from the cache where the very same program was compiled before."""
    key = cache.key_of(config, pair, topology.name, work.length)
    return cache.remembered(key, lambda: _measure(config, pair, topology, work))


def _measure(config: Config, pair: Pair, topology: Topology, work: Work) -> Measured:
    if topology.chip.is_tpu:
        # pmap maps the very same body; it cannot be lowered without its devices.
        devices = compiler.devices(topology, "jit")
        return measure.measure(program(config, pair, devices, work), topology.chip.hbm_bytes)
    return _estimate(config, pair, topology, work)


def program(config: Config, pair: Pair, devices: parallel.Devices, work: Work) -> Any:
    return step_program(
        config, pair, devices, length=work.length, total_steps=max(work.total_steps, 1)
    )


def _estimate(config: Config, pair: Pair, topology: Topology, work: Work) -> Measured:
    """Without a compiler for the chip: memory from shapes, products counted, traffic unknown."""
    divided = shares(config.batch.sequences, config.batch.micro, topology.chips)
    alone = dataclasses.replace(
        config, batch=dataclasses.replace(config.batch, sequences=divided.device_rows)
    )
    one = parallel.Devices("jit", tuple(jax.devices()[:1]))
    memory = measure.memory_by_kind(program(alone, pair, one, work), None)
    a_token = config_flops(
        config,
        pair.teacher,
        pair.student,
        length=work.length,
        recomputed=config.parallel.rematerialise,  # type: ignore[arg-type]
    ).total
    return Measured(
        fits=memory.total <= topology.chip.hbm_bytes,
        memory=memory,
        flops=a_token * divided.device_rows * work.length,
        traffic_bytes=0.0,
        collectives=(),
        program_bytes=memory.activations + memory.temporaries + memory.gradients,
        compile_seconds=0.0,
    )


def gradient_bytes(measured: Measured) -> float:
    return measured.memory.gradients
