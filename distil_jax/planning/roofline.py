"""How long a step takes at the least, by what limits it."""

from dataclasses import dataclass

from distil_jax.planning.hlo_counts import Collective
from distil_jax.planning.topologies import Topology


@dataclass(frozen=True)
class Roofline:
    """Seconds of one optimizer step at the chip's published peaks.

    Attributes:
      compute: all matmuls at the bfloat16 peak.
      memory: all traffic at the memory's bandwidth; an upper estimate, as the traffic is.
      network: the sums over devices, which follow the last micro-batch and hide behind nothing.
      expected: at the shares of the peaks that programs reach on the chip (`Chip.reached`), matmuls
        and traffic one after the other, as they were on an H200, and the network.
    """

    compute: float
    memory: float
    network: float
    expected: float

    @property
    def limit(self) -> str:
        """What takes the longest."""
        times = {"compute": self.compute, "memory": self.memory, "network": self.network}
        return max(times, key=lambda name: times[name])

    @property
    def step(self) -> float:
        """Compute and memory side by side, then the network."""
        return max(self.compute, self.memory) + self.network

    def network_batch(self, sequences: int) -> int:
        """The global batch below which the network takes longer than compute and memory.

        Their time grows with the rows, the network's does not.
        """
        return round(sequences * self.network / max(self.compute, self.memory))


def roofline(
    topology: Topology, *, flops: float, traffic_bytes: float, summed_bytes: float
) -> Roofline:
    """The times of one chip's matmuls, traffic and sums of `summed_bytes` over all chips."""
    chip = topology.chip
    compute, memory = flops / chip.flops, traffic_bytes / chip.hbm_bandwidth
    network = network_seconds(topology, summed_bytes)
    reached = chip.reached
    expected = compute / reached.matmuls + memory / reached.memory + network
    return Roofline(compute, memory, network, expected)


def network_seconds(topology: Topology, summed_bytes: float) -> float:
    """An all-reduce of so many bytes, inside the groups and then between them."""
    inside, between = sent_bytes(topology, summed_bytes)
    return inside / topology.ring_bandwidth + between / topology.chip.network_bandwidth


def sent_bytes(topology: Topology, summed_bytes: float) -> tuple[float, float]:
    """Bytes that a chip sends in an all-reduce: inside its slice or node, and to the other ones.

    Of n chips in a ring each sends 2 (n - 1) / n of the bytes (Patarasuk, Yuan 2009). Then each
    sums its share, 1 / n, with its like in the other slices or nodes.
    """
    chips = topology.group_chips
    groups = topology.chips // chips
    return _ring(chips, summed_bytes), _ring(groups, summed_bytes / chips)


def _ring(count: int, summed_bytes: float) -> float:
    return 2 * (count - 1) / count * summed_bytes


def summed_bytes(collectives: tuple[Collective, ...], slice_chips: int) -> float:
    """Bytes that a step sums over the chips of a slice.

    Over several slices the compiler writes a sum as a scatter inside a slice, an exchange between
    the slices and a gather: what each chip then holds is its share of what was summed.
    """
    shares = {"all-reduce": 1, "reduce-scatter": slice_chips}
    return float(
        sum(each.bytes * each.times * shares.get(each.operation, 0) for each in collectives)
    )
