"""What a step that runs here should reach: its program's matmuls, traffic and expected seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distil_jax.planning import hlo, hlo_counts
from distil_jax.planning.chips import Chip
from distil_jax.planning.roofline import Roofline, roofline, summed_bytes
from distil_jax.planning.topologies import Topology
from distil_jax.planning.traffic_kinds import traffic_by_kind


@dataclass(frozen=True)
class Forecast:
    """One device's share of a compiled step.

    Attributes:
      flops: of its matmuls, recomputation included.
      traffic: bytes between memory and chip by kind.
      devices: that compute the step.
      times: at the chip's peaks and as expected; None where no peak of the device is published.
    """

    flops: float
    traffic: Mapping[str, float]
    devices: int
    times: Roofline | None

    def as_dict(self, tokens: float) -> dict[str, Any]:
        """Plain values, for a step of so many tokens on all devices."""
        times = self.times
        return {
            "program_flops": self.flops,
            "traffic_bytes": sum(self.traffic.values()),
            "traffic_bytes_per_token": sum(self.traffic.values()) * self.devices / tokens,
            "traffic_by_kind": dict(self.traffic),
            "limit": None if times is None else times.limit,
            "limit_seconds": None if times is None else times.step,
            "expected_tokens_per_second": None if times is None else tokens / times.expected,
        }


def forecast(
    text: str, chip: Chip | None, devices: int, *, kernel_flops: float = 0.0
) -> Forecast | None:
    """Of `jax.stages.Compiled.as_text()`, over `devices` chips in a line.

    `kernel_flops` are those that the text does not show (planning.kernel_flops). None for a
    program whose loops do not say how often they turn.
    """
    program = hlo.parse(text)
    try:
        flops, traffic = (
            hlo_counts.matmul_flops(program) + kernel_flops,
            traffic_by_kind(program, text),
        )
    except ValueError:
        return None
    if chip is None:
        return Forecast(flops, traffic, devices, None)
    summed = summed_bytes(hlo_counts.collectives(program), devices)
    times = roofline(
        Topology(chip, (-(-devices // chip.devices),)),
        flops=flops,
        traffic_bytes=sum(traffic.values()),
        summed_bytes=summed,
    )
    return Forecast(flops, traffic, devices, times)
